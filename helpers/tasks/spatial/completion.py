"""Completion: entries are hidden, methods fill them, and what they fill is scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.spatial import masks as masking_of
from helpers.data.spatial.geometry import NEIGHBOURS, by_slide
from helpers.metrics.spatial.masked import masked_pearson, poisson_deviance, pooled_mse
from helpers.models.spatial.completion import COMPARATORS, LOCAL, Seen, train_mean
from helpers.models.spatial.spackle import WIRINGS, Size, fit, perturbed
from helpers.store.steps import step

LATENT = "latent truth"
HELD_OUT = 0.2  # share of molecules that thinning keeps back
LEAST = 0.02  # molecules that are expected where nothing was filled


@dataclass(frozen=True)
class Scene:
    """The tables of curated slides that completion works on; spots x genes.

    Parameters
    ----------
    matrix : array of float32
        What is scored: log2 of millionths plus one, zero where nothing is measured.
    target : array of float32
        What SpaCKLE is trained on: unmeasured entries filled by the median.
    measured : array of bool
    slide, split : arrays of str
    places : array of shape (n_spots, 2)
    depth : array
        Counts of each spot.
    k : int
    test : array of bool, of spots
        Those of the test slide; without one, of the validation slide.
    """

    matrix: np.ndarray
    target: np.ndarray
    measured: np.ndarray
    slide: np.ndarray
    split: np.ndarray
    places: np.ndarray
    depth: np.ndarray
    k: int
    test: np.ndarray


def scene(data) -> Scene:
    """Tables of curated slides.

    With ComBat the corrected layers are taken, as published.

    Raises
    ------
    DataError
        Slides of several geometries, or none to score on.
    """
    kinds = {str(facts["geometry"]) for facts in data.uns["slides"].values()}
    if len(kinds) > 1:
        raise DataError(f"slides are of several geometries: {', '.join(sorted(kinds))}")
    prefix = "c_" if "c_log1p" in data.layers else ""
    split = data.obs["split"].astype(str).to_numpy()
    side = scored_side(split)
    measured = np.asarray(data.layers["mask"])
    return Scene(
        matrix=np.where(measured, data.layers[f"{prefix}log1p"], 0).astype(np.float32),
        target=np.asarray(data.layers[f"{prefix}d_log1p"], dtype=np.float32),
        measured=measured,
        slide=data.obs["slide"].astype(str).to_numpy(),
        split=split,
        places=np.asarray(data.obsm["spatial"], dtype=float),
        depth=data.obs["total_counts"].to_numpy(float),
        k=NEIGHBOURS[kinds.pop()],
        test=split == side,
    )


def scored_side(split) -> str:
    """ "test", or "val" where there is no test slide.

    Raises
    ------
    DataError
        Only training slides.
    """
    for side in ("test", "val"):
        if side in set(split):
            return side
    raise DataError("every slide trains: none is left to score on")


def seen_by(found: Scene, hidden) -> Seen:
    """What a method may look at when entries of the test spots are hidden."""
    seen = found.measured.copy()
    seen[found.test] &= ~hidden
    return Seen(
        matrix=np.where(seen, found.matrix, 0).astype(np.float32),
        seen=seen,
        slide=found.slide,
        places=found.places,
        depth=found.depth,
        train=found.split == "train",
        k=found.k,
    )


@step
def frozen_masks(data, *, masking: str, rate: float, n_repeats: int, seed: int) -> np.ndarray:
    """Masks of the measured entries of the test spots; see `helpers.data.spatial.masks.draw`.

    Returns
    -------
    ndarray of bool, shape (n_repeats, n_test_spots, n_genes)
    """
    found = scene(data)
    return masking_of.draw(
        found.measured[found.test], masking, rate, n_repeats=n_repeats, seed=seed
    )


@step
def completed_scores(
    data, *, model: str, masks: list, names: list, size: dict | None = None, seed: int = 0
) -> pd.DataFrame:
    """Scores of one method under every mask; a network is fitted once.

    Parameters
    ----------
    data : AnnData
        Curated.
    model : str
        Of `COMPARATORS` or `WIRINGS`; `LATENT` fills in the planted truth.
    masks : list of steps
        Of `frozen_masks`.
    names : list of [masking, rate]
        Of each of them.
    size : dict, optional
        Of `Size`; for networks.
    seed : int

    Returns
    -------
    DataFrame
        `masking`, `rate`, `repeat`, `n` (hidden entries), `n_genes` (with a correlation),
        `masked_mse`, `masked_pearson`. A last row of the masking "none" has `truth_mse`: the error
        against the planted truth at entries that were never measured; NaN where it is not known.
    """
    found = scene(data)
    fill = filler(data, found, model, Size(**(size or {})), seed)
    rows = []
    truth = found.matrix[found.test]
    for (masking, rate), many in zip(names, masks, strict=True):
        for repeat, (hidden, filled) in enumerate(zip(many, fill(many), strict=True)):
            by_gene = masked_pearson(truth, filled, hidden)
            scored = np.isfinite(by_gene)
            rows.append(
                {
                    "masking": masking,
                    "rate": float(rate),
                    "repeat": repeat,
                    "n": int(hidden.sum()),
                    "n_genes": int(scored.sum()),
                    "masked_mse": pooled_mse(truth, filled, hidden),
                    "masked_pearson": by_gene[scored].mean() if scored.any() else np.nan,
                }
            )
    table = pd.DataFrame(rows)
    missing = ~found.measured[found.test]
    truth_mse = np.nan
    if "latent" in data.layers:
        (filled,) = fill(np.zeros_like(missing)[None])
        latent = np.asarray(data.layers["latent"])[found.test]
        truth_mse = pooled_mse(latent, filled, missing)
    last = {"masking": "none", "rate": np.nan, "repeat": 0, "n": int(missing.sum())}
    return pd.concat([table, pd.DataFrame([last | {"truth_mse": truth_mse}])], ignore_index=True)


def filler(data, found: Scene, model: str, size: Size, seed: int) -> Callable:
    """A function of masks of hidden entries to the filled test spots under each of them.

    Both are arrays of shape (n_masks, n_test_spots, n_genes).

    Raises
    ------
    DataError
        An unknown model, no planted truth, or (when it is called) masks of other spots or genes.
    """
    fill = _filler(data, found, model, size, seed)
    expected = (int(found.test.sum()), found.matrix.shape[1])

    def checked(masks):
        if np.shape(masks)[1:] != expected:
            raise DataError(
                f"masks are of {np.shape(masks)[1:]} test spots and genes; these data have "
                f"{expected}: draw masks of these data"
            )
        return fill(masks)

    return checked


def _filler(data, found: Scene, model: str, size: Size, seed: int) -> Callable:
    rows = np.flatnonzero(found.test)
    if model in COMPARATORS:
        if model in LOCAL:  # the other slides are not filled for every mask
            fill = _local(found, rows, COMPARATORS[model])
        else:
            fill = lambda hidden: COMPARATORS[model](seen_by(found, hidden))[rows]  # noqa: E731
        return lambda masks: np.stack([fill(hidden) for hidden in masks])
    if model == LATENT:
        if "latent" not in data.layers:
            raise DataError("only a simulation knows the latent truth")
        latent = np.asarray(data.layers["latent"])[rows]
        return lambda masks: np.broadcast_to(latent, np.shape(masks))
    if model not in WIRINGS:
        known = ", ".join([*COMPARATORS, *WIRINGS, LATENT])
        raise DataError(f"no method {model!r}; there are {known}")
    fitted = fit(
        found.target,
        found.measured,
        found.slide,
        found.places,
        found.split,
        wiring=WIRINGS[model],
        size=size,
        seed=seed,
    )

    def fill_all(masks):
        seen = found.measured[rows] & ~masks
        values = np.where(seen, found.matrix[rows], 0)
        return fitted.complete(values, seen, found.slide[rows], found.places[rows])

    return fill_all


def _local(found: Scene, rows, method: Callable) -> Callable:
    """What a method that looks at one slide fills there."""
    nothing = np.zeros((len(rows), found.matrix.shape[1]), dtype=bool)
    mean = train_mean(seen_by(found, nothing))

    def fill(hidden):
        seen = found.measured[rows] & ~hidden
        return method(
            Seen(
                matrix=np.where(seen, found.matrix[rows], 0).astype(np.float32),
                seen=seen,
                slide=found.slide[rows],
                places=found.places[rows],
                depth=found.depth[rows],
                train=np.ones(len(rows), dtype=bool),
                k=found.k,
                mean=mean,
            )
        )

    return fill


@step
def filled_entries(
    data, *, model: str, mask, repeat: int = 0, size: dict | None = None, seed: int = 0
) -> np.ndarray:
    """What a method fills under one mask: test spots x genes."""
    found = scene(data)
    return filler(data, found, model, Size(**(size or {})), seed)(mask[repeat][None])[0]


@step
def held_out_molecules(
    data, *, model: str, n_repeats: int, seed: int, size: dict | None = None
) -> pd.DataFrame:
    """Molecules of the test spots are held out at random; methods predict their counts.

    Each molecule is kept back with the chance `HELD_OUT`, zeros are scored like all other entries,
    and the depth is known. Methods see the logarithms of what is left.

    Returns
    -------
    DataFrame
        `repeat`, `post` ("filled": seen entries stay; "smoothed": every entry is the method's),
        `thinned_deviance`.
    """
    counts = np.asarray(data.layers["counts"])
    total = data.obs["kept_counts"].to_numpy(float)
    rows = []
    for repeat, child in enumerate(np.random.SeedSequence(seed).spawn(n_repeats)):
        rng = np.random.default_rng(child)
        kept_back = rng.binomial(counts.astype(int), HELD_OUT)
        left = counts - kept_back
        depth = total * (1 - HELD_OUT)
        values = np.log2(1e6 * left / depth[:, None] + 1).astype(np.float32)
        found = _with_values(scene(data), values, left > 0)
        fill = filler(data, found, model, Size(**(size or {})), seed)
        (filled,) = fill(np.zeros((1, int(found.test.sum()), counts.shape[1]), dtype=bool))
        own = np.where(found.measured[found.test], values[found.test], filled)
        for post, matrix in (("filled", own), ("smoothed", filled)):
            share = (np.exp2(np.clip(matrix, 0, 20)) - 1) / 1e6
            expected = np.maximum(share * total[found.test, None] * HELD_OUT, LEAST)
            deviance = poisson_deviance(kept_back[found.test], expected)
            rows.append((repeat, post, deviance))
    return pd.DataFrame(rows, columns=["repeat", "post", "thinned_deviance"])


def _with_values(found: Scene, values, measured) -> Scene:
    """The same scene with other values; the target is filled by the median anew."""
    from dataclasses import replace

    from helpers.models.spatial.completion import median

    seen = Seen(
        matrix=np.where(measured, values, 0).astype(np.float32),
        seen=measured,
        slide=found.slide,
        places=found.places,
        depth=found.depth,
        train=found.split == "train",
        k=found.k,
    )
    target = np.where(measured, values, median(seen)).astype(np.float32)
    return replace(found, matrix=seen.matrix, measured=measured, target=target)


@step
def by_labels(data, *, model: str, labels: str = "label", least: int = 10) -> pd.DataFrame:
    """How much of the variance of filled values lies between labels that a pathologist gave.

    Nothing is hidden. `smoothed raw` is a control that fills nothing: the mean over a spot and its
    neighbours, zeros included.

    Parameters
    ----------
    data : AnnData
        Curated, one slide or several; slides are filled alone.
    model : str
        Of `COMPARATORS`, "raw" or "smoothed raw".
    labels : str
        Column of `obs`; "" is no label.
    least : int
        Spots that a label has at least.

    Returns
    -------
    DataFrame
        `gene`, `label_share` in [0, 1], NaN for a gene that is constant.

    Raises
    ------
    DataError
        Fewer than two labels.
    """
    found = scene_of_all(data)
    if model in COMPARATORS:
        seen = seen_by(found, np.zeros_like(found.measured))
        values = np.where(found.measured, found.matrix, COMPARATORS[model](seen))
    elif model == "raw":
        values = found.matrix
    elif model == "smoothed raw":
        values = _smoothed(found)
    else:
        raise DataError(f"no method {model!r} without training")
    names = data.obs[labels].astype(str).to_numpy()
    counts = pd.Series(names).value_counts()
    kept = [n for n in counts.index[counts >= least] if n not in ("", "nan")]
    if len(kept) < 2:
        raise DataError(
            f"obs[{labels!r}] has {len(kept)} labels of {least} spots or more; 2 differ"
        )
    own = np.isin(names, kept)
    share = between_share(values[own], names[own])
    return pd.DataFrame({"gene": data.var_names.astype(str), "label_share": share})


def scene_of_all(data) -> Scene:
    """The scene in which every spot trains and is filled."""
    from dataclasses import replace

    copied = data.copy()
    copied.obs["split"] = "val"
    found = scene(copied)
    return replace(found, split=np.full(len(found.split), "train"))


def _smoothed(found: Scene) -> np.ndarray:
    from helpers.data.spatial.geometry import nearest_within

    around = nearest_within(found.places, found.slide, found.k)
    total = found.matrix.copy()
    for column in around.T:
        total += found.matrix[column]
    return total / (found.k + 1)


def between_share(values, labels) -> np.ndarray:
    """Share of each column's variance that lies between groups of rows; NaN if it is constant."""
    values = np.asarray(values, dtype=float)
    centred = values - values.mean(axis=0)
    total = (centred**2).sum(axis=0)
    between = np.zeros_like(total)
    for rows in by_slide(labels).values():
        between += len(rows) * centred[rows].mean(axis=0) ** 2
    return np.where(total > 1e-9, between / np.where(total > 1e-9, total, 1), np.nan)


@step
def wiring_test(*, n_genes: int, seed: int) -> pd.DataFrame:
    """Whom a spot listens to, in both wirings.

    Returns
    -------
    DataFrame
        `attention`, `changed`, `moves its output by`.
    """
    rows = [
        (attend, changed, by)
        for attend in ("batch", "neighbours")
        for changed, by in perturbed(attend, n_genes=n_genes, seed=seed).items()
    ]
    return pd.DataFrame(rows, columns=["attention", "changed", "moves its output by"])
