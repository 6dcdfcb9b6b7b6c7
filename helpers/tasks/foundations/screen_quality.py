"""Task: is there an effect in a screen, and does it come out again?

All measures are taken within one context. Perturbations stand against floors: each non-targeting
guide in turn, scored like a target against the cells of the others; or, where guides are not known,
draws of controls against the rest. Expression is log1p CP10k, and genes that are targeted by the
perturbation itself are left out of correlations, so that a knock-down alone is not a reliable
effect.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL, DataError
from helpers.data.normalise import library_size, log1p_cp10k
from helpers.metrics.arrays import row_correlations
from helpers.metrics.de import mann_whitney, n_de_genes
from helpers.metrics.edistance import edistance_test
from helpers.metrics.foundations.reliability import (
    batch_weights,
    concordance,
    spearman_brown,
    split_half_correlations,
)
from helpers.metrics.foundations.responders import cross_fitted_projection, responder_fraction
from helpers.metrics.labellings import least_p_value
from helpers.stats import benjamini_hochberg
from helpers.store.steps import step

MIN_CELLS = 10  # below, nothing but the number of cells is stated
MIN_GUIDE_CELLS = 20  # of a guide, for its effect to be compared with another's
FEWEST_CONTROLS = 4  # two disjoint halves of two
LEVEL = 0.05  # of the energy test
N_DRAWS = 10  # of controls, as floors where guides are not known
MEASURES = (
    *("on_target_change", "n_de", "edistance", "p_value", "least_p", "effect_norm"),
    *(
        "reliability",
        "reliability_full",
        "guide_concordance",
        "n_guide_pairs",
        "responders",
        "separation",
    ),
)


@dataclass(frozen=True)
class Unit:
    """A perturbation or a floor: its cells, and the controls that they stand against."""

    name: str
    kind: str
    target: str
    cells: np.ndarray
    controls: np.ndarray


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
        `replicates`, whether replicates or donors are known; `panel`, whether library sizes are
        not.
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
            "replicates": "replicate" in obs or "donor" in obs,
            "panel": bool(screen.uns.get("panel", False)),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("context")


def _missing_genes(screen, perturbation: str) -> list[str]:
    return [gene for gene in perturbation.split("+") if gene not in screen.var_names]


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
        false discovery rate of 5 % (Mann-Whitney); `edistance`, `p_value`, within batches,
        `least_p`, than which it cannot be smaller, and `q_value` over perturbations that could be
        called, `least_p` at most 5 % (NaN for the others); `effect_norm`, Euclidean;
        `reliability`, mean split-half correlation, and `reliability_full`, stepped up to all
        cells; `guide_concordance`, mean correlation between the effects of two guides, over
        `n_guide_pairs`; `responders`, share of cells, NaN where p > 0.05 or the two kinds of cells
        are too close to be told apart; `separation` of these, in standard deviations of controls.
        NaN where a value cannot be had; below 10 cells nothing but the number of cells is stated.

    Raises
    ------
    DataError
        Several contexts, too few controls, or an embedding of other cells.
    """
    _check_one_context(screen, embedding)
    asked = list(units(screen, seed))
    obs, expression, counts = screen.obs, log_expression(screen), library_size(screen)
    label = obs["perturbation"].astype(str).to_numpy()
    test = mann_whitney(expression, label, label == CONTROL)
    n_de = dict(zip(test.groups, n_de_genes(test.p_value), strict=True))
    effort = {"n_permutations": n_permutations, "n_splits": n_splits, "max_cells": max_cells}
    rows = {}
    for i, unit in enumerate(asked):
        guides = "guide" in obs and unit.kind == "perturbation"
        rows[unit.name] = {
            "kind": unit.kind,
            "target": unit.target,
            "n_cells": len(unit.cells),
            "n_guides": float(obs["guide"].iloc[unit.cells].nunique()) if guides else np.nan,
            "median_counts": float(np.median(counts[unit.cells])),
        }
        if len(unit.cells) >= MIN_CELLS:
            rng = np.random.default_rng([seed, i])
            rows[unit.name] |= _measures(screen, expression, embedding, unit, rng=rng, **effort)
            if unit.kind == "perturbation":
                rows[unit.name]["n_de"] = n_de[unit.name]
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("unit")
    for measure in MEASURES:
        frame[measure] = frame[measure].astype(float) if measure in frame else np.nan
    tested = (frame["kind"] == "perturbation") & (frame["least_p"] <= LEVEL)
    frame["q_value"] = np.nan
    if tested.any():
        frame.loc[tested, "q_value"] = benjamini_hochberg(frame.loc[tested, "p_value"])
    return frame


def _check_one_context(screen, embedding) -> None:
    if (n := screen.obs["context"].nunique()) != 1:
        raise DataError(f"{name_of(screen)} has {n} contexts; pass one, see `one_context`")
    if len(embedding) != screen.n_obs:
        raise DataError(f"the embedding has {len(embedding)} rows, the screen {screen.n_obs} cells")


def _measures(
    screen, expression, embedding, unit: Unit, *, n_permutations, n_splits, max_cells, rng
) -> dict[str, float]:
    """What `quality` says of the cells of one unit; `n_de` of floors only."""
    obs = screen.obs
    x, c = expression[unit.cells], expression[unit.controls]
    own = np.isin(screen.var_names, unit.target.split("+"))
    batch = obs["batch"].astype(str).to_numpy()
    batches = {"batch": batch[unit.cells], "control_batch": batch[unit.controls]}
    weights, control_weights = batch_weights(**batches)
    row = {
        "on_target_change": _on_target_change(x[:, own], c[:, own]),
        "n_de": np.nan if unit.kind == "perturbation" else _n_de(x, c),
        "effect_norm": float(np.linalg.norm(weights @ x - control_weights @ c)),
    }
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
    if not np.isnan(row["p_value"]):
        row["least_p"] = _least_p(*(batch[cells] for cells in drawn), n_permutations)
    row["reliability"] = known_mean(
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
    row["responders"] = found.fraction if row["p_value"] <= LEVEL else np.nan
    return row


def _least_p(batch: np.ndarray, control_batch: np.ndarray, n_permutations: int) -> float:
    """Smallest p-value of the energy test: cells change places within their batches."""
    names = np.unique(batch)
    n_of_batch = np.array([(batch == b).sum() for b in names])
    of = n_of_batch + [(control_batch == b).sum() for b in names]
    return float(least_p_value(n_of_batch, of, n_draws=n_permutations))


def log_expression(screen) -> np.ndarray:
    """Dense log1p CP10k, float32; a screen of the book fits, at 4 bytes a cell and gene."""
    X = log1p_cp10k(screen).X
    return np.asarray(X.todense() if hasattr(X, "todense") else X)


def units(screen, seed: int) -> Iterator[Unit]:
    """Perturbations by name, then floors: control guides, or draws of controls without them."""
    obs = screen.obs
    perturbation = obs["perturbation"].astype(str).to_numpy()
    controls = np.flatnonzero(perturbation == CONTROL)
    if len(controls) < FEWEST_CONTROLS:
        raise DataError(
            f"{name_of(screen)}: {len(controls)} controls; two disjoint halves of 2 need "
            f"{FEWEST_CONTROLS}"
        )
    sizes = []
    for name in sorted(set(perturbation) - {CONTROL}):
        cells = np.flatnonzero(perturbation == name)
        sizes.append(len(cells))
        yield Unit(name, "perturbation", name, cells, controls)
    guide = obs["guide"].astype(str).to_numpy()[controls] if "guide" in obs else np.array([])
    names, n_cells = np.unique(guide, return_counts=True)
    names = names[(n_cells >= MIN_CELLS) & (len(controls) - n_cells >= 4)]
    if len(names) >= 2:
        for name in names:
            mine = guide == name
            yield Unit(str(name), "control-guide", CONTROL, controls[mine], controls[~mine])
        return
    size = min(int(np.median(sizes)), len(controls) // 3)
    if size < 2:
        return
    rng = np.random.default_rng([seed, 0, 1])
    for i in range(N_DRAWS):
        drawn = rng.permutation(controls)
        yield Unit(f"draw {i + 1}", "control-draw", CONTROL, drawn[:size], drawn[size:])


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
        known_mean(
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
    return known_mean(np.array(values)), len(values)


def known_mean(values: np.ndarray) -> float:
    """Mean of what is known; NaN of nothing."""
    values = np.asarray(values, dtype=float)
    return float(np.nanmean(values)) if np.isfinite(values).any() else np.nan


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


def name_of(screen) -> str:
    """Name of a screen's data set, for messages."""
    return screen.uns.get("dataset", {}).get("name", "this screen")
