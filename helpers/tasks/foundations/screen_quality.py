"""Task: is there an effect in a screen, and does it come out again?

All measures are taken within one context. Perturbations stand against floors: each non-targeting
guide in turn, scored like a target against the cells of the others; or, where guides are not known,
draws of controls against the rest. Expression is log1p CP10k, and genes that are targeted by the
perturbation itself are left out of correlations, so that a knock-down alone is not a reliable
effect.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL, DataError
from helpers.data.normalise import library_size, log1p_cp10k
from helpers.metrics.de import mann_whitney, n_de_genes
from helpers.metrics.edistance import edistance, edistance_test
from helpers.metrics.foundations.reliability import (
    batch_weights,
    concordance,
    row_correlations,
    spearman_brown,
    split_half_correlations,
)
from helpers.metrics.foundations.responders import cross_fitted_projection, responder_fraction
from helpers.scores import params as canonical
from helpers.stats import benjamini_hochberg, cluster_bootstrap
from helpers.store import step

TASK = "screen-quality"
FLOORS = {"control-guide": "non-targeting guides", "control-draw": "draws of controls"}
MIN_CELLS = 10  # below, nothing but the number of cells is stated
MIN_GUIDE_CELLS = 20  # of a guide, for its effect to be compared with another's
N_DRAWS = 10  # of controls, as floors where guides are not known


@dataclass(frozen=True)
class _Unit:
    name: str
    kind: str
    target: str
    cells: np.ndarray
    controls: np.ndarray


@step
def one_context(screen, *, context: str):
    """Cells of one context of a screen.

    Raises
    ------
    DataError
        The screen has no such context, or the context no control.
    """
    obs = screen.obs
    chosen = (obs["context"] == context).to_numpy()
    if not chosen.any():
        raise DataError(
            f"{_name(screen)}: no cell of context {context!r} (contexts: "
            f"{', '.join(sorted(map(str, obs['context'].unique())))})"
        )
    part = screen[chosen].copy()
    if not (part.obs["perturbation"] == CONTROL).any():
        raise DataError(f"{_name(screen)}: context {context!r} has no control, so no effect")
    for column in part.obs.select_dtypes("category"):
        part.obs[column] = part.obs[column].cat.remove_unused_categories()
    return part


@step
def overview(screen) -> pd.DataFrame:
    """What each context of a screen holds.

    Returns
    -------
    DataFrame indexed by context, sorted
        `cells`, `genes`, `controls`, `perturbations`, `combinations` (among them), `batches`;
        `median_cells` a perturbation; `guides_per_target`, median, and `control_guides`, NaN where
        guides are not known; `median_counts`, UMIs a cell (over the measured genes where the screen
        is a panel); `measured_targets`, perturbations all of whose genes are among the measured;
        `lacks`, in words.
    """
    rows = {}
    size = library_size(screen)
    for context in sorted(screen.obs["context"].unique()):
        here = (screen.obs["context"] == context).to_numpy()
        obs = screen.obs[here]
        is_control = (obs["perturbation"] == CONTROL).to_numpy()
        n_cells = obs.loc[~is_control, "perturbation"].astype(str).value_counts()
        measured = [not _missing_genes(screen, p) for p in n_cells.index]
        guides = control_guides = np.nan
        if "guide" in obs:
            per_target = obs["guide"].astype(str).groupby(obs["perturbation"].astype(str)).nunique()
            guides = per_target[per_target.index != CONTROL].median()
            control_guides = per_target.get(CONTROL, 0)
        rows[context] = {
            "cells": len(obs),
            "genes": screen.n_vars,
            "controls": int(is_control.sum()),
            "perturbations": len(n_cells),
            "combinations": int(n_cells.index.str.contains("+", regex=False).sum()),
            "batches": int(obs["batch"].nunique()),
            "median_cells": float(n_cells.median()),
            "guides_per_target": float(guides),
            "control_guides": float(control_guides),
            "median_counts": float(np.median(size[here])),
            "measured_targets": int(sum(measured)),
            "lacks": _lacks(screen, obs, measured),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("context")


def summary(quality: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """One row a context: how much of what was measured comes out again.

    Parameters
    ----------
    quality : mapping
        Of (data set, context) to the result of `quality`.

    Returns
    -------
    DataFrame
        Counts of calls, and medians over perturbations; NaN where nothing could be measured.
    """
    rows = []
    for (dataset, context), found in quality.items():
        perturbed = found[found["kind"] == "perturbation"]
        floor = found[found["kind"] != "perturbation"]
        rows.append(
            {
                "data set": dataset,
                "context": context,
                "perturbations": len(perturbed),
                "E-test, q ≤ 0.05": int((perturbed["q_value"] <= 0.05).sum()),
                "floors, p ≤ 0.05": f"{(floor['p_value'] <= 0.05).sum()} of {len(floor)}",
                "median reliability": _median(perturbed["reliability"]),
                "of floors": _median(floor["reliability"]),
                "median guide concordance": _median(perturbed["guide_concordance"]),
                "median DE genes": _median(perturbed["n_de"]),
                "median change of target": _median(perturbed["on_target_change"]),
                "responders stated": int(perturbed["responders"].notna().sum()),
            }
        )
    return pd.DataFrame(rows)


def _median(values: pd.Series) -> float:
    known = values.dropna()
    return float(known.median()) if len(known) else np.nan


def _lacks(screen, obs, measured: list[bool]) -> str:
    said = []
    if "guide" not in obs:
        said.append("guides")
    if "replicate" not in obs and "donor" not in obs:
        said.append("replicates")
    if len(obs["batch"].unique()) == 1:
        said.append("a second batch")
    if screen.uns.get("panel", False):
        said.append("library sizes before genes were dropped")
    if not all(measured):
        said.append(f"the target's own expression for {measured.count(False)} perturbations")
    return "; ".join(said) or "nothing"


@step
def quality(
    screen,
    embedding,
    *,
    n_permutations: int = 999,
    n_splits: int = 20,
    max_cells: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Quality of each perturbation of one context, and of its floors.

    Parameters
    ----------
    screen : AnnData of counts, one context
    embedding : ndarray of shape (n_cells, n_dims)
        Space of the energy distance, such as principal components.
    n_permutations, n_splits : int
        Of the permutation test, and random halves of each split-half correlation.
    max_cells : int
        Cells of a group, drawn at random, that enter the energy distance.
    seed : int

    Returns
    -------
    DataFrame indexed by unit, perturbations first, each kind sorted
        `kind` (perturbation, control-guide or control-draw), `target`, `n_cells`, `n_guides`,
        `median_counts`; `on_target_change`, relative change of the mean CP10k of the perturbed
        genes, -1 is a complete loss, NaN where none is measured or expressed; `n_de`, genes at a
        false discovery rate of 5 % (Mann-Whitney); `edistance`, `p_value`, within batches, and
        `q_value` over perturbations; `effect_norm`, Euclidean; `reliability`, mean split-half
        correlation, and `reliability_full`, stepped up to all cells; `guide_concordance`, mean
        correlation between the effects of two guides, over `n_guide_pairs`;
        `responders`, share of cells, NaN where p > 0.05 or the two kinds of cells are too close to
        be told apart; `separation` of these, in standard deviations of controls. NaN where a value
        cannot be had; below 10 cells nothing but the number of cells is stated.

    Raises
    ------
    DataError
        Several contexts, too few controls, or an embedding of other cells.
    """
    obs = screen.obs
    if len(obs["context"].unique()) != 1:
        raise DataError(
            f"{_name(screen)} has {obs['context'].nunique()} contexts; pass one, see one_context"
        )
    if len(embedding) != screen.n_obs:
        raise DataError(f"the embedding has {len(embedding)} rows, the screen {screen.n_obs} cells")
    expression = _expression(screen)
    batch = obs["batch"].astype(str).to_numpy()
    counts = library_size(screen)
    label = obs["perturbation"].astype(str).to_numpy()
    test = mann_whitney(expression, label, label == CONTROL)
    n_de = dict(zip(test.groups, n_de_genes(test.p_value), strict=True))
    rows = {}
    for i, unit in enumerate(_units(screen, seed)):
        rng = np.random.default_rng([seed, i])
        row = {
            "kind": unit.kind,
            "target": unit.target,
            "n_cells": len(unit.cells),
            "n_guides": np.nan,
            "median_counts": float(np.median(counts[unit.cells])),
        }
        if "guide" in obs and unit.kind == "perturbation":
            row["n_guides"] = float(obs["guide"].iloc[unit.cells].nunique())
        rows[unit.name] = row
        if len(unit.cells) < MIN_CELLS:
            continue
        x, c = expression[unit.cells], expression[unit.controls]
        own = np.isin(screen.var_names, unit.target.split("+"))
        batches = {"batch": batch[unit.cells], "control_batch": batch[unit.controls]}
        weights, control_weights = batch_weights(**batches)
        effect = weights @ x - control_weights @ c
        row["on_target_change"] = _on_target_change(x[:, own], c[:, own])
        row["n_de"] = n_de[unit.name] if unit.kind == "perturbation" else _n_de(x, c)
        row["effect_norm"] = float(np.linalg.norm(effect))
        drawn = [
            rng.choice(cells, min(len(cells), max_cells), replace=False)
            for cells in (unit.cells, unit.controls)
        ]
        row["edistance"], row["p_value"] = edistance_test(
            embedding[drawn[0]],
            embedding[drawn[1]],
            batch=batch[drawn[0]],
            control_batch=batch[drawn[1]],
            n_permutations=n_permutations,
            rng=rng,
        )
        row["reliability"] = _mean(
            split_half_correlations(x[:, ~own], c[:, ~own], **batches, n_splits=n_splits, rng=rng)
        )
        row["reliability_full"] = spearman_brown(row["reliability"])
        if "guide" in obs and unit.kind == "perturbation":
            row["guide_concordance"], row["n_guide_pairs"] = _guide_concordance(
                x[:, ~own], c[:, ~own], obs["guide"].iloc[unit.cells], batches, n_splits, rng
            )
        found = responder_fraction(cross_fitted_projection(x, c, rng=rng)[0])
        row["separation"] = found.separation
        # without an effect there is no response to share out among the cells
        row["responders"] = found.fraction if row["p_value"] <= 0.05 else np.nan
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("unit")
    measures = (
        *("on_target_change", "n_de", "edistance", "p_value", "effect_norm", "reliability"),
        *("reliability_full", "guide_concordance", "n_guide_pairs", "responders", "separation"),
    )
    for name in measures:
        frame[name] = frame[name].astype(float) if name in frame else np.nan
    tested = (frame["kind"] == "perturbation") & frame["p_value"].notna()
    frame["q_value"] = np.nan
    if tested.any():
        frame.loc[tested, "q_value"] = benjamini_hochberg(frame.loc[tested, "p_value"])
    return frame


def _expression(screen) -> np.ndarray:
    """Dense log1p CP10k, float32; a screen of the book fits, at 4 bytes a cell and gene."""
    X = log1p_cp10k(screen).X
    return np.asarray(X.todense() if hasattr(X, "todense") else X)


def _units(screen, seed: int) -> Iterator[_Unit]:
    obs = screen.obs
    perturbation = obs["perturbation"].astype(str).to_numpy()
    controls = np.flatnonzero(perturbation == CONTROL)
    if len(controls) < 4:
        raise DataError(
            f"{_name(screen)}: {len(controls)} controls; two disjoint halves of 2 need 4"
        )
    sizes = []
    for name in sorted(set(perturbation) - {CONTROL}):
        cells = np.flatnonzero(perturbation == name)
        sizes.append(len(cells))
        yield _Unit(name, "perturbation", name, cells, controls)
    guide = obs["guide"].astype(str).to_numpy()[controls] if "guide" in obs else np.array([])
    names, n_cells = np.unique(guide, return_counts=True)
    names = names[(n_cells >= MIN_CELLS) & (len(controls) - n_cells >= 4)]
    if len(names) >= 2:
        for name in names:
            mine = guide == name
            yield _Unit(str(name), "control-guide", CONTROL, controls[mine], controls[~mine])
        return
    size = min(int(np.median(sizes)), len(controls) // 3)
    if size < 2:
        return
    rng = np.random.default_rng([seed, 0, 1])
    for i in range(N_DRAWS):
        drawn = rng.permutation(controls)
        yield _Unit(f"draw {i + 1}", "control-draw", CONTROL, drawn[:size], drawn[size:])


def _on_target_change(x: np.ndarray, c: np.ndarray) -> float:
    of_cells, of_controls = (np.expm1(v.astype(float)).mean(0) for v in (x, c))
    expressed = of_controls > 0
    if not expressed.any():
        return np.nan
    return float((of_cells[expressed] / of_controls[expressed] - 1).mean())


def _n_de(x: np.ndarray, c: np.ndarray) -> int:
    is_control = np.arange(len(x) + len(c)) >= len(x)
    test = mann_whitney(np.vstack([x, c]), np.full(len(is_control), "x"), is_control)
    return int(n_de_genes(test.p_value)[0])


def _guide_concordance(x, c, guide, batches, n_splits, rng) -> tuple[float, int]:
    """Mean correlation between effects of two guides, over pairs and splits of the controls."""
    guide = guide.astype(str).to_numpy()
    names, n_cells = np.unique(guide, return_counts=True)
    names = names[n_cells >= MIN_GUIDE_CELLS]
    values = [
        _mean(
            concordance(
                x[guide == a],
                x[guide == b],
                c,
                batch=batches["batch"][guide == a],
                other_batch=batches["batch"][guide == b],
                control_batch=batches["control_batch"],
                n_splits=n_splits,
                rng=rng,
            )
        )
        for i, a in enumerate(names)
        for b in names[i + 1 :]
    ]
    return _mean(np.array(values)), len(values)


def _mean(values: np.ndarray) -> float:
    values = np.asarray(values, dtype=float)
    return float(np.nanmean(values)) if np.isfinite(values).any() else np.nan


@step
def reliability_by_cells(
    screen, *, sizes: list[int], n_splits: int = 20, seed: int = 0
) -> pd.DataFrame:
    """Split-half correlation against the number of cells of a half, with disjoint controls.

    Parameters
    ----------
    screen : AnnData of counts, one context
    sizes : list of int
        Cells of each half.
    n_splits, seed : int

    Returns
    -------
    DataFrame
        `unit`, `kind`, `n_cells` (of a half), `correlation` (mean over splits). A perturbation
        appears at the sizes for which it has two halves.
    """
    return _by_number(screen, "n_cells", sizes, n_splits, seed, shared=(False,)).drop(
        columns="controls"
    )


@step
def reliability_by_controls(
    screen, *, sizes: list[int], n_splits: int = 20, seed: int = 0
) -> pd.DataFrame:
    """Split-half correlation against the number of controls, shared by the halves or disjoint.

    Parameters
    ----------
    screen : AnnData of counts, one context
    sizes : list of int
        Controls of each half.
    n_splits, seed : int

    Returns
    -------
    DataFrame
        `unit`, `kind`, `n_controls`, `controls` (shared or disjoint), `correlation`, `expected`:
        that of shared controls where nothing has an effect, (1/m) / (1/n + 1/m), or 0. A number
        of controls for which there are no two disjoint halves is left out.
    """
    return _by_number(screen, "n_controls", sizes, n_splits, seed, shared=(True, False))


def _by_number(screen, what: str, sizes, n_splits: int, seed: int, shared) -> pd.DataFrame:
    expression = _expression(screen)
    batch = screen.obs["batch"].astype(str).to_numpy()
    rows = []
    for i, unit in enumerate(_units(screen, seed)):
        rng = np.random.default_rng([seed, i])
        own = np.isin(screen.var_names, unit.target.split("+"))
        x, c = expression[unit.cells][:, ~own], expression[unit.controls][:, ~own]
        for size in sizes:
            available = len(x) if what == "n_cells" else len(c)
            if 2 * size > available or len(x) < 2:
                continue
            for is_shared in shared:
                correlations = split_half_correlations(
                    x,
                    c,
                    batch=batch[unit.cells],
                    control_batch=batch[unit.controls],
                    n_splits=n_splits,
                    shared_controls=is_shared,
                    rng=rng,
                    **{what: size},
                )
                row = {
                    "unit": unit.name,
                    "kind": unit.kind,
                    what: size,
                    "controls": "shared" if is_shared else "disjoint",
                    "correlation": _mean(correlations),
                }
                if what == "n_controls":
                    half = len(x) // 2
                    row["expected"] = (1 / size) / (1 / half + 1 / size) if is_shared else 0.0
                rows.append(row)
    columns = ["unit", "kind", what, "controls", "correlation"]
    return pd.DataFrame(rows, columns=None if rows else columns)


@step
def effect_sizes(
    screen, embedding, *, by: str = "perturbation", max_cells: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Size of the effect of each perturbation, or of each guide, against all controls.

    Parameters
    ----------
    screen : AnnData of counts, one context
    embedding : ndarray of shape (n_cells, n_dims)
    by : {"perturbation", "guide"}
    max_cells, seed : int
        See `quality`.

    Returns
    -------
    DataFrame indexed by perturbation or guide, sorted
        `target`, `n_cells`, `effect_norm` (Euclidean, of the change of mean log1p CP10k),
        `edistance`, unbiased. Groups of fewer than 2 cells are left out.

    Raises
    ------
    DataError
        No such column.
    """
    if by not in ("perturbation", "guide") or by not in screen.obs:
        raise DataError(f"{_name(screen)}: by is {by!r}; obs has no such column to group by")
    expression, obs = _expression(screen), screen.obs
    is_control = (obs["perturbation"] == CONTROL).to_numpy()
    label = obs[by].astype(str).to_numpy()
    rng = np.random.default_rng(seed)
    control_mean = expression[is_control].mean(0)
    controls = np.flatnonzero(is_control)
    controls = rng.choice(controls, min(len(controls), max_cells), replace=False)
    rows = {}
    for name in sorted(set(label[~is_control])):
        cells = np.flatnonzero((label == name) & ~is_control)
        if len(cells) < 2:
            continue
        drawn = rng.choice(cells, min(len(cells), max_cells), replace=False)
        rows[name] = {
            "target": str(obs["perturbation"].iloc[cells[0]]),
            "n_cells": len(cells),
            "effect_norm": float(np.linalg.norm(expression[cells].mean(0) - control_mean)),
            "edistance": edistance(embedding[drawn], embedding[controls]),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(by)


# ------------------------------------------------------------------------------- scores


METRICS = {
    "reliability": "split_half_correlation",
    "guide_concordance": "guide_concordance",
    "responders": "responder_fraction",
    "edistance": "edistance",
    "p_value": "edistance_p_value",
    "n_de": "n_de_genes",
}


def scores(table: pd.DataFrame, *, dataset: str, context: str, seed: int) -> pd.DataFrame:
    """Result of `quality` as rows of the score table; what cannot be had is NaN.

    Guide concordance is left out where guides are not known, and for floors.
    """
    tables = []
    for column, metric in METRICS.items():
        rows = table
        if column == "guide_concordance":
            rows = table[table["n_guide_pairs"].notna()]
        if rows.empty:
            continue
        floor = rows["kind"] != "perturbation"
        tables.append(
            pd.DataFrame(
                {
                    "task": TASK,
                    "dataset": dataset,
                    "split": context,
                    "protocol": "revised",
                    "model": rows["kind"].map({"perturbation": "perturbations", **FLOORS}),
                    "params": canonical({}),
                    "post": "raw",
                    "metric": metric,
                    "role": np.where(floor, "floor", "candidate"),
                    "unit_kind": rows["kind"],
                    "unit": rows.index,
                    "cluster": np.where(floor, rows.index, rows["target"]),
                    "seed": seed,
                    "n": rows["n_cells"].to_numpy(),
                    "value": rows[column].to_numpy(dtype=float),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def curve(table: pd.DataFrame, *, by: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """Mean correlation of each group with a 95 % interval that resamples units.

    Returns
    -------
    DataFrame
        The columns of `by`, `mean`, `low`, `high` (NaN for a single unit), `n`. Correlations that
        are NaN are not in it.
    """
    rows = []
    for key, group in table[table["correlation"].notna()].groupby(by, sort=True):
        estimate = cluster_bootstrap(group["correlation"], group["unit"], rng=rng)
        rows.append([*key, *estimate, len(group)])
    return pd.DataFrame(rows, columns=[*by, "mean", "low", "high", "n"])


def against_published(
    sizes: pd.DataFrame,
    published: Mapping[str, float],
    *,
    columns: tuple[str, ...] = ("effect_norm", "edistance"),
    rng: np.random.Generator,
    n_resamples: int = 1000,
) -> pd.DataFrame:
    """Rank correlation of effect sizes with published energy distances to control.

    Parameters
    ----------
    sizes : DataFrame
        Result of `effect_sizes`.
    published : mapping of name to distance
        Names that only one of the two has are left out.
    columns : tuple of str
        Of `sizes`.

    Returns
    -------
    DataFrame
        `measure`, `spearman` in [-1, 1] with `low`, `high` (95 %, targets resampled), `n`.

    Raises
    ------
    ValueError
        Fewer than three names in common.
    """
    from scipy.stats import spearmanr

    common = [name for name in sizes.index if name in published]
    if len(common) < 3:
        raise ValueError(f"{len(common)} names in common; a rank correlation needs three")
    theirs = np.array([published[name] for name in common])
    rows = []
    for column in columns:
        ours = sizes.loc[common, column].to_numpy()

        def correlation(chosen, ours=ours):
            chosen = chosen.astype(int)
            return spearmanr(ours[chosen], theirs[chosen]).statistic

        estimate = cluster_bootstrap(
            np.arange(len(common)),
            sizes.loc[common, "target"],
            statistic=correlation,
            n_resamples=n_resamples,
            rng=rng,
        )
        rows.append([column, *estimate, len(common)])
    return pd.DataFrame(rows, columns=["measure", "spearman", "low", "high", "n"])


def planted(screen, table: pd.DataFrame, large) -> pd.DataFrame:
    """What `quality` found of a simulated screen beside what was planted in it.

    Parameters
    ----------
    screen : AnnData
        A simulated screen.
    table : DataFrame
        Its `quality`.
    large : AnnData
        The same screen with many more cells: the same seed and knobs except `n_cells`. Its effects
        stand for the true ones, and are themselves not free of noise.

    Returns
    -------
    DataFrame indexed by perturbation
        `effective`; `responders` and `planted_responders`; `accuracy`, correlation of the measured
        effect of all cells with that of `large`, in [-1, 1]; `predicted_accuracy`, what it should
        be by the reliabilities of both, sqrt(R R'), where R is `reliability_full` and R' is R
        stepped up to the cells of `large`; NaN for a negative reliability.
    """
    truth, obs = screen.uns["truth"]["targets"], screen.obs
    found = table[table["kind"] == "perturbation"]
    effects = [_effects(s, found.index) for s in (screen, large)]
    accuracy = {}
    for name, a, b in zip(found.index, *effects, strict=True):
        own = screen.var_names == name
        accuracy[name] = row_correlations(a[None, ~own], b[None, ~own])[0]
    full = found["reliability_full"]
    of_large = spearman_brown(full, factor=large.n_obs / screen.n_obs)
    share = obs.groupby(obs["perturbation"].astype(str))["responder"].mean()
    return pd.DataFrame(
        {
            "effective": truth["effective"].reindex(found.index).to_numpy(bool),
            "responders": found["responders"],
            "separation": found["separation"],
            "planted_responders": share.reindex(found.index),
            "accuracy": pd.Series(accuracy),
            "predicted_accuracy": np.sqrt(full * of_large),
        }
    )


def _effects(screen, names) -> np.ndarray:
    """Effects of perturbations, of shape (n_names, n_genes), batch by batch."""
    expression = log1p_cp10k(screen).X
    label = screen.obs["perturbation"].astype(str).to_numpy()
    batch = screen.obs["batch"].astype(str).to_numpy()
    controls = np.flatnonzero(label == CONTROL)
    rows = []
    for name in names:
        cells = np.flatnonzero(label == name)
        weights, control_weights = batch_weights(batch[cells], batch[controls])
        effect = weights @ expression[cells] - control_weights @ expression[controls]
        rows.append(np.asarray(effect).ravel())
    return np.array(rows)


def _missing_genes(screen, perturbation: str) -> list[str]:
    return [gene for gene in perturbation.split("+") if gene not in screen.var_names]


def _name(screen) -> str:
    return screen.uns.get("dataset", {}).get("name", "this screen")
