"""Expression from the stained image: ten small models and what they have to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.data.errors import DataError
from helpers.data.spatial.geometry import by_slide
from helpers.data.spatial.patches import imaged, windows
from helpers.data.spatial.simulate import tissue
from helpers.metrics.spatial.histology import constant_genes, published, scored_correlations
from helpers.models.spatial.histology.plain import BASELINES, Task, baseline
from helpers.presets import by_preset
from helpers.store.steps import Step, results, step

if TYPE_CHECKING:
    from helpers.models.spatial.histology.lesson import Spots

FILLS = ("zeros", "completed")
LOSSES = ("all", "measured")
NAMES = (
    *("ShuffleNet", "ST-Net", "ViT", "ViT+delta", "HisToGene"),
    *("Hist2ST", "EGN", "EGGN", "SEPAL", "BLEEP"),
)
LATENT = "latent truth"
RATES = dict.fromkeys(NAMES, 4.642e-3)
"""Learning rates where none are searched: one for all, the default of the released HisToGene."""


def sides(slides: list[str], n_train: int) -> dict[str, str]:
    """The first slides train, the next validates, all others are scored.

    Raises
    ------
    DataError
        Fewer than two training slides, or none is left to score.
    """
    if n_train < 2 or len(slides) < n_train + 2:
        raise DataError(
            f"{len(slides)} slides, {n_train} to train on: 2 or more train (exemplars are of other "
            "slides), one validates, one or more are scored"
        )
    named = ["train"] * n_train + ["val"] + ["test"] * (len(slides) - n_train - 1)
    return dict(zip(slides, named, strict=True))


@step
def matched_windows(source, curated) -> np.ndarray:
    """Windows of the image around each curated spot, bytes, spots x side x side x 3.

    Raises
    ------
    DataError
        A curated spot has no image.
    """
    data = imaged(source)
    rows = data.obs_names.get_indexer(curated.obs_names)
    if (rows < 0).any():
        raise DataError(f"{int((rows < 0).sum())} curated spots have no image")
    return windows(data)[rows]


def spots_of(curated, patches) -> Spots:
    """Curated spots with their windows."""
    from helpers.models.spatial.histology.lesson import Spots

    return Spots(
        patches=np.asarray(patches),
        slide=curated.obs["slide"].astype(str).to_numpy(),
        array=curated.obs[["array_row", "array_col"]].to_numpy(float),
        places=np.asarray(curated.obsm["spatial"], dtype=float),
    )


def targets(curated, filled: str, loss: str) -> tuple[np.ndarray, np.ndarray]:
    """What is learned, and from which entries: one cell of the two by two.

    Parameters
    ----------
    curated : AnnData
    filled : {"zeros", "completed"}
        What stands where nothing was measured: zero, or the adaptive median.
    loss : {"all", "measured"}
        Entries in the loss.

    Returns
    -------
    target : ndarray of float32, weight : ndarray of bool; spots x genes
    """
    if filled not in FILLS or loss not in LOSSES:
        raise DataError(f"filled is {filled!r}, loss {loss!r}; they are of {FILLS} and {LOSSES}")
    mask = np.asarray(curated.layers["mask"])
    layer = "d_log1p" if filled == "completed" else "log1p"
    target = np.asarray(curated.layers[layer], dtype=np.float32)
    if filled == "zeros":
        target = np.where(mask, target, 0).astype(np.float32)
    return target, mask if loss == "measured" else np.ones_like(mask)


@step
def fitted(
    curated, patches, *, model: str, filled: str, loss: str, budget: dict, seed: int
) -> dict[str, np.ndarray]:
    """A trained small model, as arrays; see `helpers.models.spatial.histology.fit.fit`."""
    from helpers.models.spatial.histology.fit import Budget, as_arrays, fit

    target, weight = targets(curated, filled, loss)
    found = fit(
        model,
        spots_of(curated, patches),
        target,
        weight,
        curated.obs["split"].astype(str).to_numpy(),
        budget=Budget(**budget),
        seed=seed,
        measured=np.asarray(curated.layers["mask"]),
    )
    return as_arrays(found)


@step
def searched(
    curated, patches, *, model: str, filled: str, loss: str, budget: dict, rates: list, seed: int
) -> pd.DataFrame:
    """Error on the validation slide by learning rate.

    Returns
    -------
    DataFrame
        `rate`, `error`.
    """
    from helpers.models.spatial.histology.fit import Budget, fit

    target, weight = targets(curated, filled, loss)
    split = curated.obs["split"].astype(str).to_numpy()
    args = (model, spots_of(curated, patches), target, weight, split)
    measured = np.asarray(curated.layers["mask"])
    rows = [
        (rate, fit(*args, budget=Budget(**budget | {"rate": rate}), seed=seed, measured=measured))
        for rate in rates
    ]
    return pd.DataFrame([(r, f.error) for r, f in rows], columns=["rate", "error"])


@step
def predictions(curated, patches, state: dict, *, model: str) -> np.ndarray:
    """Expression that a trained small model predicts, test spots x genes."""
    from helpers.models.spatial.histology.fit import restored

    split = curated.obs["split"].astype(str).to_numpy()
    spots = spots_of(curated, patches)
    found = restored(model, state, spots.slide[split == "train"])
    return found.predict(spots.rows(split == "test"))


@step
def pretrained(
    curated, patches, *, weights: str, sha256: str, filled: str, loss: str
) -> np.ndarray:
    """Expression by ridge on components of a pre-trained ResNet-18's features: test spots x genes.

    Parameters
    ----------
    weights : str
        File of torchvision's `state_dict`.
    sha256 : str
        Of its content, so that another file is another result.

    Raises
    ------
    DataError
        The file has another hash, or other weights.
    """
    from hashlib import file_digest
    from pathlib import Path

    from helpers.models.spatial.histology.frozen import features
    from helpers.models.spatial.histology.plain import components

    with Path(weights).open("rb") as stream:
        if (found := file_digest(stream, "sha256").hexdigest()) != sha256:
            raise DataError(f"{weights} has the hash {found}, not {sha256}")
    return components(plain_task(curated, patches, filled, loss), features(patches, weights))


@step
def baselines(curated, patches, *, model: str, filled: str, loss: str) -> np.ndarray:
    """Expression that a baseline, or the planted truth, has for the test spots."""
    split = curated.obs["split"].astype(str).to_numpy()
    if model == LATENT:
        if "latent" not in curated.layers:
            raise DataError("only a simulation knows the latent truth")
        return np.asarray(curated.layers["latent"], dtype=float)[split == "test"]
    return np.array(baseline(model, plain_task(curated, patches, filled, loss)), dtype=float)


def plain_task(curated, patches, filled: str, loss: str) -> Task:
    """What a baseline is given in a cell."""
    split = curated.obs["split"].astype(str).to_numpy()
    target, weight = targets(curated, filled, loss)
    truth, mask = targets(curated, "zeros", "measured")
    return Task(
        spots_of(curated, patches),
        target,
        weight,
        train=split == "train",
        test=split == "test",
        truth=truth,
        measured=mask,
        depth=curated.obs["total_counts"].to_numpy(float),
    )


@step
def scored_genes(curated, predicted) -> pd.DataFrame:
    """Scores of every gene on every test slide, at measured entries.

    Returns
    -------
    DataFrame
        `slide`, `patient`, `gene`, `kind` ("" where it is not known), `pearson` (0 for a constant
        prediction, NaN where the truth cannot be asked), `squares` (sum of squared errors), `n`
        (measured entries), `constant` (genes of that slide with a constant prediction).
    """
    rows = (curated.obs["split"].astype(str) == "test").to_numpy()
    truth = np.asarray(curated.layers["log1p"], dtype=float)[rows]
    mask = np.asarray(curated.layers["mask"])[rows]
    obs = curated.obs[rows]
    kinds = curated.var["kind"].astype(str) if "kind" in curated.var else ""
    parts = []
    for slide, own in by_slide(obs["slide"]).items():
        off = np.where(mask[own], predicted[own] - truth[own], 0)
        part = pd.DataFrame(
            {
                "slide": slide,
                "patient": str(obs["patient"].iloc[own[0]]),
                "gene": curated.var_names.astype(str),
                "kind": np.asarray(kinds),
                "pearson": scored_correlations(truth[own], predicted[own], mask[own]),
                "squares": (off**2).sum(axis=0),
                "n": mask[own].sum(axis=0),
                "constant": constant_genes(predicted[own], mask[own]),
            }
        )
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


@step
def as_published(curated, predicted) -> dict:
    """The metrics of the release over all test spots together; a NaN is None."""
    rows = (curated.obs["split"].astype(str) == "test").to_numpy()
    truth = np.asarray(curated.layers["log1p"], dtype=float)[rows]
    found = published(truth, predicted, np.asarray(curated.layers["mask"])[rows])
    return {k: float(v) if np.isfinite(v) else None for k, v in found.items()}


@step
def looked_at(curated, patches, state: dict, *, model: str) -> pd.DataFrame:
    """On which windows of the first test slide the prediction of its middle spot hangs.

    Returns
    -------
    DataFrame
        `x`, `y`, `size` (of the gradient, as a share of the largest), `asked` (the middle spot).
    """
    from helpers.models.spatial.histology.fit import looks_at, restored

    split = curated.obs["split"].astype(str).to_numpy()
    spots = spots_of(curated, patches)
    found = restored(model, state, spots.slide[split == "train"])
    first = spots.slide[split == "test"][0]
    own = spots.rows(spots.slide == first)
    middle = int(np.linalg.norm(own.places - own.places.mean(axis=0), axis=1).argmin())
    size = looks_at(found, own, middle)
    x, y = own.places.T
    asked = np.arange(len(size)) == middle
    return pd.DataFrame({"x": x, "y": y, "size": size / size.max(), "asked": asked})


CELLS = tuple((filled, loss) for filled in FILLS for loss in LOSSES)
"""The two by two: what stands at unmeasured entries, and whether they are in the loss."""
PUBLISHED = ("completed", "all")
MASKED = ("zeros", "measured")


def distinct(cell: tuple[str, str]) -> tuple[str, str]:
    """The cell that stands for a cell: with the loss on measured entries two are one."""
    return MASKED if cell[1] == "measured" else cell


@dataclass(frozen=True)
class World:
    """Steps of one simulated or real data set, and how long models are trained on it."""

    source: Step
    curated: Step
    patches: Step
    budget: dict
    seed: int

    def call(self, model: str, cell: tuple[str, str], rate: float | None = None) -> Step:
        """The step that predicts the test spots with a model or a baseline, in one cell.

        With the loss on measured entries nothing hangs on what stands at the others: both of these
        cells are one step.
        """
        cell = distinct(cell)
        asked = {"model": model, "filled": cell[0], "loss": cell[1]}
        if model in BASELINES or model == LATENT:
            return baselines(self.curated, self.patches, **asked)
        return predictions(self.curated, self.patches, self.fit(model, cell, rate), model=model)

    def fit(self, model: str, cell: tuple[str, str], rate: float | None = None) -> Step:
        """The step that trains a small model."""
        budget = self.budget | {"rate": RATES[model] if rate is None else rate}
        asked = {"model": model, "filled": cell[0], "loss": cell[1], "seed": self.seed}
        return fitted(self.curated, self.patches, budget=budget, **asked)

    def searches(self, models, cells, grid) -> dict[tuple, Step]:
        """Steps that search the rate of each small model, in each cell that is one of its own."""
        wanted = [(model, distinct(cell)) for model in models for cell in cells if model in NAMES]
        return {
            (model, cell): searched(
                self.curated,
                self.patches,
                model=model,
                filled=cell[0],
                loss=cell[1],
                budget=self.budget,
                rates=list(grid),
                seed=self.seed,
            )
            for model, cell in dict.fromkeys(wanted)
        }

    def rates(self, models, cells, grid, known: pd.DataFrame | None = None) -> dict[tuple, float]:
        """The learning rate of each model in each cell.

        Parameters
        ----------
        grid : sequence of float
            Searched on the validation slide; empty: nothing is searched.
        known : DataFrame, optional
            `model`, `target`, `loss`, `rate`, `error` of a search that was kept, from which rates
            are taken where none are searched; without it those of `RATES`.
        """
        wanted = [(model, cell) for model in models for cell in cells if model in NAMES]
        if grid:
            calls = self.searches(models, cells, grid)
            tables = dict(zip(calls, results(calls.values()), strict=True))
        elif known is not None:
            groups = known.groupby(["model", "target", "loss"])
            tables = {(model, (target, loss)): t for (model, target, loss), t in groups}
        else:
            return {key: RATES[key[0]] for key in wanted}
        best = {key: float(t.loc[t["error"].idxmin(), "rate"]) for key, t in tables.items()}
        return {(model, cell): best[model, distinct(cell)] for model, cell in wanted}


def world(source: Step, names: list[str], *, n_train: int, n_keep: int, budget: dict, seed: int):
    """Steps of a data set whose first slides train, as `World`."""
    from helpers.tasks.spatial.curation import curated

    split = sides(names, n_train)
    kept = curated(source, protocol="revised", splits=split, n_keep=n_keep)
    return World(source, kept, matched_windows(source, kept), budget, seed)


def simulated(preset: str, seed: int) -> World:
    """The simulated patients of a preset: two slides each, those of the last ones held out."""
    knobs = by_preset(
        preset,
        tiny={"side": 7, "n_genes": 60, "n_slides": 6},
        book={"side": 14, "n_genes": 200, "n_slides": 14},
        full={"side": 20, "n_genes": 400, "n_slides": 20},
    )
    n_train = by_preset(preset, tiny=2, book=4, full=6)
    names = [f"slide {i + 1}" for i in range(knobs["n_slides"])]
    source = tissue(seed, patients="pairs", likeness=0.8, **knobs)
    n_keep = by_preset(preset, tiny=24, book=48, full=64)
    budget = budget_of(preset)
    return world(source, names, n_train=n_train, n_keep=n_keep, budget=budget, seed=seed)


def budget_of(preset: str) -> dict:
    """Steps of training, the same for all models."""
    return by_preset(
        preset,
        tiny={"n_steps": 4, "batch": 16, "check_every": 2},
        book={"n_steps": 120, "batch": 64, "check_every": 20},
        full={"n_steps": 300, "batch": 64, "check_every": 25},
    )
