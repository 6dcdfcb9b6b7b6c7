"""Task: do cells of one perturbation point the same way, more than chance would have it?

Two protocols. *published* compares perturbations with those whose target is not expressed, as
Bendidi et al. 2024 do; *revised* compares them with what their cells and the controls of their
batches would be under other labels.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL, DataError
from helpers.metrics.embeddings.centred_cells import centred_cells
from helpers.metrics.embeddings.consistency import empirical_p_value, perturbation_consistency
from helpers.metrics.embeddings.consistency_null import Relabelling, consistency_test
from helpers.metrics.embeddings.postprocess import FEW_CONTROLS, postprocess
from helpers.stats import benjamini_hochberg
from helpers.store.steps import step
from helpers.tasks import protocol as task
from helpers.tasks.embeddings.readouts import context_rows
from helpers.tasks.requirements import CannotAnswer, Requirement, require

TASK = "consistency"
UNITS = ("perturbation", "guide", "control-guide")
UNEXPRESSED_MEAN = 0.15  # raw counts a cell; Tx-Evaluation main_eval.py:118


@dataclass(frozen=True, kw_only=True)
class Protocol(task.Protocol):
    """Choices of a protocol.

    Parameters
    ----------
    null : {"unexpressed", "relabelled"}
        Perturbations of genes that are not expressed; other labellings of cells and controls.
    pairs : {"all", "across"}
        All pairs of cells; pairs across replicates.
    add_one : bool
        p = (1 + b) / (1 + B) instead of b / B.
    adjust : bool
        Benjamini-Hochberg within the table.
    level : float
        A perturbation is consistent if its (adjusted) p-value is at most this.
    """

    null: Literal["unexpressed", "relabelled"]
    pairs: Literal["all", "across"]
    add_one: bool
    adjust: bool
    level: float


PROTOCOLS = {
    "published": Protocol(
        name="published",
        source="Bendidi et al. 2024, section 3.3; Tx-Evaluation commit 1f24de0, bmdb.py",
        null="unexpressed",
        pairs="all",
        add_one=False,
        adjust=False,
        level=0.05,
        requirements=(
            Requirement(
                "unexpressed_perturbations",
                20,
                "perturbations with at least 2 cells whose target is measured and has fewer than "
                f"{UNEXPRESSED_MEAN} counts a cell",
            ),
        ),
    ),
    "revised": Protocol(
        name="revised",
        source="this book",
        null="relabelled",
        pairs="across",
        add_one=True,
        adjust=True,
        level=0.05,
        requirements=(
            Requirement(
                "replicates_with_controls", 2, "replicates with at least 4 control cells a batch"
            ),
            Requirement(
                "replicated_perturbations", 1, "perturbations with cells in two such replicates"
            ),
        ),
    ),
}
CONTROL_GUIDES = (Requirement("control_guides", 2, "non-targeting guides"),)
"""What it takes to score cells without a perturbation."""


def available(screen, *, replicate: str = "batch") -> dict[str, int]:
    """Counts of a screen that the requirements of the task name.

    Parameters
    ----------
    screen : AnnData of counts
    replicate : str
        Column of `obs`.
    """
    obs = screen.obs
    is_control = (obs["perturbation"] == CONTROL).to_numpy()
    batches = obs.assign(is_control=is_control).groupby("batch", observed=True)
    enough = batches["is_control"].sum() >= 4
    usable = obs["batch"].map(enough).astype(bool).to_numpy()
    replicates = obs.loc[usable & is_control, replicate]
    treated = obs[usable & ~is_control].astype({"perturbation": str})
    n_replicates = treated.groupby("perturbation")[replicate].nunique()
    n_cells = obs["perturbation"].value_counts()
    unexpressed = _unexpressed(screen)
    return {
        "replicates_with_controls": int(replicates.nunique()),
        "replicated_perturbations": int((n_replicates >= 2).sum()),
        "unexpressed_perturbations": int((n_cells.reindex(unexpressed) >= 2).sum()),
    }


@step
def context_counts(screen, *, replicate: str = "batch") -> pd.DataFrame:
    """What each context of a screen has.

    Returns
    -------
    DataFrame indexed by context, sorted
        `cells`, `perturbations`, `controls`, `control_guides` (0 where guides are not known),
        `replicates`, and the counts of `available`.
    """
    rows = {}
    for context in sorted(screen.obs["context"].unique()):
        one = screen[(screen.obs["context"] == context).to_numpy()]
        obs = one.obs
        is_control = (obs["perturbation"] == CONTROL).to_numpy()
        guides = obs.loc[is_control, "guide"].nunique() if "guide" in obs else 0
        rows[context] = {
            "cells": one.n_obs,
            "perturbations": int(obs.loc[~is_control, "perturbation"].nunique()),
            "controls": int(is_control.sum()),
            "control_guides": int(guides),
            "replicates": int(obs[replicate].nunique()),
            **available(one, replicate=replicate),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("context")


@step
def consistency(
    screen,
    embedding,
    *,
    protocol: str,
    post: str = "center_scaled",
    n_draws: int = 1000,
    n_bootstrap: int = 1000,
    seed: int = 0,
    unit: str = "perturbation",
    replicate: str = "batch",
    context: str | None = None,
    missing_controls: str = "raise",
    null: str | None = None,
    pairs: str | None = None,
) -> pd.DataFrame:
    """Consistency of each perturbation, and its p-value.

    Parameters
    ----------
    screen : AnnData of counts, shape (n_cells, n_genes)
    embedding : ndarray of shape (n_cells, n_dims)
        Not centred yet.
    protocol : {"published", "revised"}
    post : {"raw", "centered", "center_scaled", "tvn"}
        In *revised*, typical variation normalisation is fitted for each unit on its cells and all
        controls together (batches with few of them shrunk): whatever cells a labelling calls the
        unit, the fit is the same, and its p-value exact. Each batch is centred after it, anew
        under each labelling.
    n_draws, n_bootstrap, seed : int
        Labellings of the null, resamples of the interval (*revised* only), what draws them.
    unit : {"perturbation", "guide", "control-guide"}
        What is scored: targets, guides of targets, or each non-targeting guide in turn, left out
        of the controls (*revised* only; none of them has an effect).
    replicate : str
        Column of `obs` across which pairs are counted; a batch lies within one.
    context : str, optional
        Score this context. Needed where the screen has several: a perturbation is scored within
        one context.
    missing_controls : {"raise", "drop"}
        What to do with a batch with fewer than 2 controls; *revised* only.
    null : {"in-sample"}, optional
        For demonstration, in *revised* only: draws of controls that are not left out of those
        that centre them.
    pairs : {"across", "all"}, optional
        For demonstration, in *revised* only: which pairs of cells count.

    Returns
    -------
    DataFrame indexed by unit, sorted
        `target` (the unit's perturbation); `similarity`, `p_value`, `n_cells`, `n_pairs`, `n_zero`,
        NaN where there is no pair. *revised*: also `q_value`, among the units whose p-value can
        reach the level at all and NaN for the others, and what `consistency_test` adds.
        *published*: also `in_null`, perturbations that are the null and have no p-value.

    Raises
    ------
    CannotAnswer
        The screen has less than the protocol needs.
    DataError
        An argument that does not fit the screen.
    """
    chosen = task.chosen(PROTOCOLS, protocol)
    shown = {"null": (null, ("in-sample",)), "pairs": (pairs, ("across", "all"))}
    _check(screen, embedding, protocol, unit, replicate, shown)
    rows = context_rows(screen, context)
    if len(rows) < screen.n_obs:
        screen, embedding = screen[rows], embedding[rows]
    question = f"{_name(screen)}, consistency, {protocol} protocol:"
    require(question, chosen.requirements, available(screen, replicate=replicate))
    labels = _labels(screen, unit)
    if chosen.null == "unexpressed":
        if unit == "control-guide":
            raise DataError(
                "non-targeting guides are scored in the revised protocol only: in the published "
                "one they are controls, and neither null nor query"
            )
        return _published(screen, embedding, labels, chosen, post)
    arguments = {
        "post": post,
        "replicate": replicate if (pairs or chosen.pairs) == "across" else None,
        "missing_controls": missing_controls,
        "n_bootstrap": n_bootstrap,
    }
    try:
        labellings = Relabelling(n_draws, in_sample=null == "in-sample")
        frame = _revised(screen, embedding, labels, unit, seed, null=labellings, **arguments)
    except ValueError as error:
        raise DataError(f"{_name(screen)}: {error}") from error
    # Where even the most extreme labelling is above the level, the data cannot say yes.
    scored = frame["least_p"] <= chosen.level
    frame.insert(frame.columns.get_loc("p_value") + 1, "q_value", np.nan)
    if chosen.adjust and scored.any():
        frame.loc[scored, "q_value"] = benjamini_hochberg(frame.loc[scored, "p_value"])
    return frame


def _check(screen, embedding, protocol, unit, replicate, shown) -> None:
    if unit not in UNITS:
        raise DataError(f"unit is {unit!r}; choose from {', '.join(UNITS)}")
    if len(embedding) != screen.n_obs:
        raise DataError(f"the embedding has {len(embedding)} rows, the screen {screen.n_obs} cells")
    for name, (value, known) in shown.items():
        if value is not None and (value not in known or protocol != "revised"):
            raise DataError(
                f"{name} is {value!r} in the {protocol} protocol; leave it out, or pass "
                f"{' or '.join(map(repr, known))} in the revised one to see what it does"
            )
    if replicate not in screen.obs:
        raise DataError(
            f"obs has no column {replicate!r} to count replicates by (columns: "
            f"{', '.join(screen.obs.columns)}); pass replicate='batch'"
        )


def _published(screen, embedding, labels, protocol: Protocol, post: str) -> pd.DataFrame:
    is_control = labels == CONTROL
    try:
        embedding = postprocess(embedding, screen.obs["batch"], is_control, post)
    except ValueError as error:
        raise DataError(f"{_name(screen)}: {error}") from error
    frame = perturbation_consistency(embedding[~is_control], labels[~is_control])
    frame.insert(0, "target", _targets(screen, labels, frame.index))
    frame["in_null"] = frame["target"].isin(_unexpressed(screen))
    # Perturbations of one cell have no similarity: they are neither null nor scored.
    null = frame.loc[frame["in_null"], "similarity"].dropna()
    p_values = empirical_p_value(frame["similarity"], null, add_one=protocol.add_one)
    frame.insert(2, "p_value", np.where(frame["in_null"], np.nan, p_values))
    return frame


def _revised(
    screen, embedding, labels, unit, seed, *, post, replicate, missing_controls, **arguments
) -> pd.DataFrame:
    def test(rows, labels, rng):
        obs, points = screen.obs[rows], embedding[rows]
        if post == "tvn":  # what is fitted must not know which cells are called controls
            points = postprocess(
                points,
                obs["batch"].to_numpy(),
                np.ones(len(points), dtype=bool),
                "tvn",
                shrink_below=FEW_CONTROLS,
            )
        cells = centred_cells(
            points,
            labels[rows],
            obs["batch"].to_numpy(),
            replicates=None if replicate is None else obs[replicate].to_numpy(),
            control=CONTROL,
            post="centered" if post == "tvn" else post,
            missing_controls=missing_controls,
        )
        return consistency_test(cells, rng=rng, **arguments)

    rng = np.random.default_rng(seed)
    if unit == "control-guide":
        is_control = (screen.obs["perturbation"] == CONTROL).to_numpy()
        guides = np.unique(labels[is_control])
        frame = pd.concat(
            [
                test(is_control, np.where(labels == guide, guide, CONTROL), stream)
                for guide, stream in zip(guides, rng.spawn(len(guides)), strict=True)
            ]
        )
        frame.insert(0, "target", CONTROL)
        return frame
    if post == "tvn":
        units = np.unique(labels[labels != CONTROL])
        frame = pd.concat(
            [
                test(np.isin(labels, [one, CONTROL]), labels, stream)
                for one, stream in zip(units, rng.spawn(len(units)), strict=True)
            ]
        )
    else:
        frame = test(np.full(screen.n_obs, True), labels, rng)
    frame.insert(0, "target", _targets(screen, labels, frame.index))
    return frame


def _labels(screen, unit: str) -> np.ndarray:
    """What each cell is scored as; controls are controls unless their guides are scored."""
    perturbation = screen.obs["perturbation"].to_numpy(dtype=object)
    if unit == "perturbation":
        return perturbation
    if "guide" not in screen.obs:
        raise CannotAnswer(
            f"{_name(screen)}, consistency of guides cannot be answered: obs has no column 'guide' "
            f"(columns: {', '.join(screen.obs.columns)})"
        )
    guide = screen.obs["guide"].to_numpy(dtype=object)
    if unit == "control-guide":
        if len(np.unique(guide[perturbation == CONTROL])) < 2:
            raise CannotAnswer(
                f"{_name(screen)}, consistency of non-targeting guides cannot be answered: there "
                "is one only, and no control is left without it"
            )
        return guide
    return np.where(perturbation == CONTROL, CONTROL, guide)


def _targets(screen, labels, units) -> np.ndarray:
    """Perturbation of each unit."""
    pairs = pd.DataFrame({"unit": labels, "target": screen.obs["perturbation"].astype(str).array})
    pairs = pairs.drop_duplicates()
    if pairs["unit"].duplicated().any():
        torn = pairs.loc[pairs["unit"].duplicated(), "unit"].iloc[0]
        found = ", ".join(pairs.loc[pairs["unit"] == torn, "target"])
        raise DataError(f"{_name(screen)}: guide {torn!r} has several perturbations: {found}")
    return pairs.set_index("unit")["target"].reindex(units).to_numpy()


def _unexpressed(screen) -> pd.Index:
    """Perturbations whose target is measured, with a mean raw count below 0.15 over all cells."""
    kind = screen.uns["scale"]["kind"]
    if kind != "counts":
        raise DataError(f"{_name(screen)}: expression is read from counts, X holds {kind}")
    genes = screen.obs["perturbation"].cat.categories.intersection(screen.var_names)
    means = np.asarray(screen[:, genes].X.mean(axis=0)).ravel()
    return genes[means < UNEXPRESSED_MEAN]


def _name(screen) -> str:
    return screen.uns["dataset"]["name"]
