"""Task: can a probe tell from an embedding which perturbation a cell got?

Two protocols. *published* trains one linear layer for a fixed number of steps on dimensions as
they come, on 70 % of the batches and perturbations, and counts cells; *revised* standardises, runs
a convex probe to its minimum, holds each group of batches (or guides) out in turn, and counts
perturbations alike, large and small.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL, DataError
from helpers.models.embeddings.probes import (
    LinearProbe,
    MLPProbe,
    PublishedProbe,
    RidgeProbe,
    blocks,
)
from helpers.store.steps import Step, step
from helpers.tasks import protocol as task
from helpers.tasks.embeddings.readouts import (
    REVISED_POST,
    SHRINK_BELOW,
    Cells,
    by_class,
    prepared,
)
from helpers.tasks.requirements import CannotAnswer, Requirement, require

if TYPE_CHECKING:
    from helpers.tasks.embeddings.representations import Representation

TASK = "linear-separability"
PROBES = ("linear", "ridge", "mlp")
LINEAR_PENALTIES = (1e-1, 1e-2, 1e-3)
RIDGE_PENALTIES = (10.0, 1.0, 1e-1, 1e-2)
INNER_SHARE = 0.25  # of the training cells, to choose a penalty or when to stop
FEWEST_CLASSES = 2
TOP_FIVE_CLASSES = 20  # below, one class in four is right by chance

PROBE_CELLS = 20  # of a class: 4 cells in each of 5 folds

REQUIREMENTS = (
    Requirement("trained_classes", FEWEST_CLASSES, "perturbations with cells to train on"),
    Requirement("test_cells", 1, "test cells of perturbations seen in training"),
)
TOP_FIVE = Requirement(
    "probe_classes", TOP_FIVE_CLASSES, f"perturbations with at least {PROBE_CELLS} cells"
)
"""What a top-5 accuracy that says something needs of a data set."""
ACROSS_GUIDES = (
    Requirement("guided_targets", FEWEST_CLASSES, "perturbations with two guides or more"),
)
ACROSS_BATCHES = (
    Requirement("batches", 2, "batches"),
    Requirement("retrieved_classes", FEWEST_CLASSES, "perturbations with cells in two batches"),
)


@dataclass(frozen=True, kw_only=True)
class Protocol(task.Protocol):
    """Choices of a protocol.

    Parameters
    ----------
    probes : tuple of str
    """

    probes: tuple[str, ...]


PROTOCOLS = {
    "published": Protocol(
        name="published",
        source="Bendidi et al. 2024, section 3.2; Tx-Evaluation commit 1f24de0, "
        "linear_probing.py, cfg/config/replogle_eval.yaml",
        probes=("published",),
        requirements=REQUIREMENTS,
    ),
    "revised": Protocol(
        name="revised", source="this book", probes=PROBES, requirements=REQUIREMENTS
    ),
}


def available(screen) -> dict[str, int]:
    """Counts of a screen of one context that `ACROSS_GUIDES` and `ACROSS_BATCHES` name.

    Guides that are not known of every cell count as none.
    """
    obs = screen.obs[(screen.obs["perturbation"] != CONTROL).to_numpy()]
    has = {"batches": int(screen.obs["batch"].nunique()), "guided_targets": 0}
    has["retrieved_classes"] = _in_several(obs, "batch")
    if "guide" in screen.obs and screen.obs["guide"].notna().all():
        has["guided_targets"] = _in_several(obs, "guide")
    return has


def _in_several(obs: pd.DataFrame, column: str) -> int:
    """Perturbations with cells in two groups or more of a column."""
    n_groups = obs[column].astype(str).groupby(obs["perturbation"].astype(str)).nunique()
    return int((n_groups > 1).sum())


def all_probes() -> list[list[str]]:
    """Read-outs of *revised*: every probe, on the post-processing of that protocol."""
    return [[probe, REVISED_POST] for probe in PROBES]


def with_posts(posts: Sequence[str]) -> list[list[str]]:
    """Read-outs of *revised*: the linear probe on each post-processing, then the other probes."""
    linear = [["linear", post] for post in posts]
    return linear + [one for one in all_probes() if one not in linear]


def ask(
    screen: Step,
    splits: Sequence[Step],
    models: Mapping[str, "Representation"],
    readouts: list[list[str]],
    *,
    seed: int,
    **arguments,
) -> dict[str, Step]:
    """Calls of the task in *revised*, by model: folds, probes and post-processings in one.

    Parameters
    ----------
    screen, splits, readouts, seed, **arguments
        See `linear_separability`.
    models : mapping
        Of the model's name to its representation.
    """
    return {
        name: linear_separability(
            screen,
            model.embedding,
            splits,
            protocol="revised",
            readouts=readouts,
            seed=seed,
            **arguments,
        )
        for name, model in models.items()
    }


@step
def linear_separability(
    screen,
    embedding,
    splits: list,
    *,
    protocol: str,
    readouts: list[list[str]],
    seed: int,
    inner: str = "batch",
    context: str | None = None,
) -> pd.DataFrame:
    """Accuracy of a probe on the test cells of each perturbation.

    Parameters
    ----------
    screen : AnnData of shape (n_cells, n_genes)
    embedding : ndarray of shape (n_cells, n_dims)
    splits : list of dict of arrays
        Folds, of `helpers.data.splits`. Controls take no part.
    protocol : {"published", "revised"}
    readouts : list of [probe, post]
        Probes "published" in *published* only, "linear", "ridge", "mlp" in *revised* only;
        post-processings of `helpers.metrics.embeddings.postprocess.METHODS`.
    seed : int
        Of the probes that draw.
    inner : str
        Column of `obs`: groups of training cells by which the penalty is chosen (or the end of
        training, for the MLP); cells at random where there is one group.
    context : str, optional
        Needed where the screen has several.

    Returns
    -------
    DataFrame
        `probe`, `post`, `fold`, `perturbation`, sorted; `top1`, `top5`: share of its test cells
        whose own perturbation is first, or among the first five (NaN below 20 classes), ties
        shared; `n_cells`, tested; `n_unscored`, cells of perturbations that training lacks, which
        have NaN (the published split holds such ones out for another task: there they are no part
        of this one).

    Raises
    ------
    CannotAnswer
        Fewer than two classes, or no test cell.
    DataError
        An embedding, split or argument that does not fit.
    """
    chosen = task.chosen(PROTOCOLS, protocol)
    shrink = SHRINK_BELOW[protocol]
    cells = {
        post: prepared(screen, embedding, post=post, shrink_below=shrink, context=context)
        for post in dict.fromkeys(post for _, post in readouts)
    }
    tables = {
        (probe, post, fold): _separability(cells[post], split, chosen, probe, inner, seed)
        for probe, post in readouts
        for fold, split in enumerate(splits)
    }
    return pd.concat(tables, names=["probe", "post", "fold"]).reset_index()


def _separability(
    cells: Cells, split, chosen: Protocol, probe: str, inner: str, seed: int
) -> pd.DataFrame:
    if probe not in chosen.probes:
        raise ValueError(
            f"probe is {probe!r}; the {chosen.name} protocol has {', '.join(chosen.probes)}"
        )
    train, test = cells.positions(split["train"]), cells.positions(split["test"])
    labels = cells.labels("perturbation")
    names = np.unique(labels[train])
    has = {"trained_classes": len(names), "test_cells": len(test)}
    require(f"{cells.name}, linear separability,", REQUIREMENTS, has)
    if unknown := sorted(set(labels[test]) - set(names)):
        raise DataError(
            f"{cells.name}: {len(unknown)} perturbations of the test cells are not in training, "
            f"the first {str(unknown[0])!r}; a split puts such cells under 'unseen'"
        )
    y, own = np.searchsorted(names, labels[train]), np.searchsorted(names, labels[test])
    held_out = _inner(cells.labels(inner)[train], np.random.default_rng(seed))
    fitted = _fit(probe, cells.embedding[train], y, held_out, len(names), seed)
    top1, top5 = _accuracy(fitted, cells.embedding[test], own)
    if len(names) < TOP_FIVE_CLASSES:
        top5 = np.full(len(own), np.nan)
    table = by_class(labels[test], {"top1": top1, "top5": top5}).assign(n_unscored=0)
    if chosen.name == "published":
        return table
    return _with_unseen(table, labels[cells.positions(split["unseen"])])


def _with_unseen(table: pd.DataFrame, labels) -> pd.DataFrame:
    """Perturbations that could not be scored: NaN, and their cells counted."""
    if not len(labels):
        return table
    names, counts = np.unique(labels, return_counts=True)
    unseen = pd.DataFrame({"n_cells": 0, "n_unscored": counts}, index=pd.Index(names))
    return pd.concat([table, unseen]).sort_index().rename_axis("perturbation")


def _inner(groups, rng) -> np.ndarray:
    """Training cells that only choose: about a quarter of the groups, else of the cells."""
    names = np.unique(groups)
    if len(names) > 1:
        n = max(1, round(INNER_SHARE * len(names)))
        return np.isin(groups, rng.choice(names, n, replace=False))
    return rng.random(len(groups)) < INNER_SHARE


def _fit(probe, x, y, held_out, n_classes, seed):
    """A probe, its penalty or the end of its training chosen on the cells held out."""
    if probe == "published":
        return PublishedProbe(random_state=seed).fit(x, y, n_classes=n_classes)
    if not (held_out.any() and (~held_out).any()):
        raise CannotAnswer("too few training cells to hold some out for the choice of a penalty")
    inside = (x[~held_out], y[~held_out])
    outside = (x[held_out], y[held_out])
    if probe == "mlp":
        return MLPProbe(random_state=seed).fit(*inside, *outside, n_classes=n_classes)
    best, best_accuracy, weights = None, -1.0, None
    for penalty in LINEAR_PENALTIES if probe == "linear" else RIDGE_PENALTIES:
        if probe == "linear":
            tried = LinearProbe(penalty).fit(*inside, n_classes=n_classes, start=weights)
            weights = tried.weights_
        else:
            tried = RidgeProbe(penalty).fit(*inside, n_classes=n_classes)
        accuracy = _macro_top1(tried, *outside)
        if accuracy > best_accuracy:
            best, best_accuracy = penalty, accuracy
    final = LinearProbe if probe == "linear" else RidgeProbe
    return final(best).fit(x, y, n_classes=n_classes)


def _macro_top1(fitted, x, own) -> float:
    """What is scored, mean over perturbations of top-1: top-5 is 1 with up to five classes."""
    right, n = (np.bincount(own, w) for w in (_accuracy(fitted, x, own)[0], None))
    return float((right[n > 0] / n[n > 0]).mean())


def _accuracy(fitted, x, own) -> np.ndarray:
    """`top_shares` of cells by a fitted probe, shape (2, n_cells); few cells at a time."""
    found = np.empty((2, len(own)))
    for cells in blocks(len(own)):
        found[:, cells] = top_shares(fitted.decision_function(x[cells]), own[cells])
    return found


def top_shares(scored: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether the own class is first, or among the first five; ties share a place.

    Parameters
    ----------
    scored : ndarray of shape (n_cells, n_classes)
    own : int array of shape (n_cells,)

    Returns
    -------
    top1, top5 : ndarray of shape (n_cells,), in [0, 1]
    """
    mine = scored[np.arange(len(own)), own][:, None]
    better = (scored > mine).sum(axis=1)
    tied = (scored == mine).sum(axis=1)  # the own class among them
    return tuple(np.clip((n - better) / tied, 0, 1) for n in (1, 5))


@step
def guides_within_targets(
    screen, embedding, splits: list, *, post: str, seed: int, context: str | None = None
) -> pd.DataFrame:
    """Floor: how well a probe tells the guides of one target apart, in batches it has not seen.

    A ridge probe learns guides, and chooses among those of the cell's own target only. Guides of
    a target should do the same; what can be told is batch, dose, or what a guide does besides.

    Parameters
    ----------
    screen : AnnData with `obs["guide"]`
    embedding : ndarray of shape (n_cells, n_dims)
    splits : list of dict of arrays
        Folds, by batch: with guides held out there would be nothing to learn.
    post : str
    seed : int
    context : str, optional

    Returns
    -------
    DataFrame
        `post`, `fold`, `perturbation`, sorted; `accuracy`: share of a guide's test cells that get
        it right, mean over the target's guides; `chance`: one over the number of its guides, which
        any guess gets; `excess`, the difference, in [-1, 1]; `n_cells`; `n_unscored`, cells of
        targets with one guide, or of a guide that training lacks.

    Raises
    ------
    CannotAnswer
        No target has two guides in training.
    """
    shrink = SHRINK_BELOW["revised"]
    cells = prepared(screen, embedding, post=post, shrink_below=shrink, context=context)
    tables = {(post, fold): _guides(cells, split, seed) for fold, split in enumerate(splits)}
    return pd.concat(tables, names=["post", "fold"]).reset_index()


def _guides(cells: Cells, split, seed: int) -> pd.DataFrame:
    train, test = cells.positions(split["train"]), cells.positions(split["test"])
    target, guide = cells.labels("perturbation"), cells.labels("guide")
    names = np.unique(guide[train])
    owner = dict(zip(guide[train], target[train], strict=True))
    owners = np.array([owner[name] for name in names])
    n_guides = pd.Series(owners).value_counts()
    usable = np.isin(guide[test], names) & (n_guides.reindex(target[test]).to_numpy() > 1)
    if not usable.any():
        raise CannotAnswer(f"{cells.name}: no target has two guides in training")
    y = np.searchsorted(names, guide[train])
    held_out = _inner(cells.labels("batch")[train], np.random.default_rng(seed))
    asked = test[usable]
    fitted = _fit("ridge", cells.embedding[train], y, held_out, len(names), seed)
    scored = fitted.decision_function(cells.embedding[asked])
    scored[owners[None, :] != target[asked][:, None]] = -np.inf
    own = np.searchsorted(names, guide[asked])
    by_guide = by_class(guide[asked], {"accuracy": top_shares(scored, own)[0]})
    owned = pd.Series([owner[name] for name in by_guide.index], index=by_guide.index)
    grouped = by_guide.groupby(owned.rename("perturbation"))
    table = grouped[["accuracy"]].mean().assign(n_cells=grouped["n_cells"].sum())
    table["chance"] = 1 / n_guides.reindex(table.index)
    lost = pd.Series(target[test][~usable]).value_counts()
    table = table.assign(excess=table["accuracy"] - table["chance"], n_unscored=0)
    table["n_unscored"] = lost.reindex(table.index).fillna(0).astype(int)
    return table
