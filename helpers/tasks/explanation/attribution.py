"""Task: does a classifier's explanation name the genes that tell the classes apart?

Integrated Gradients of the probability of a sample's own class, on correctly classified test
samples, judged twice: does the prediction fall when the named genes go (prediction gaps), and are
they the planted ones (feature agreement)?
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.data.explanation.lda import group_members, informative_genes, informative_groups
from helpers.data.explanation.lda_settings import lda
from helpers.metrics.explanation.attribution import l2_normalised
from helpers.metrics.explanation.feature_agreement import feature_agreement, group_agreement, votes
from helpers.metrics.explanation.heads import Head
from helpers.metrics.explanation.prediction_gap import adjusted, prediction_gap
from helpers.models.explanation.classifiers import standardise
from helpers.models.explanation.gene_graph import as_sparse
from helpers.presets import by_preset, child_seeds
from helpers.store.steps import Step, step
from helpers.tasks.explanation.explained import (
    METHODS,
    PROTOCOLS,
    Attribution,
    Explained,
    baseline_of,
    explained,
    studied,
)

TASK = "attribution"


@dataclass(frozen=True)
class Designs:
    """Simulated data sets of the chapters on attribution, and how often models are trained.

    Parameters
    ----------
    draws : sequence of int
        Seeds of the draws of the design that has most.
    n_draws : mapping of str to int
        Of each design.
    seeds : sequence of int
        Training seeds.
    n_random : int
        Random orders of PGR.
    """

    draws: Sequence[int]
    n_draws: Mapping[str, int]
    seeds: Sequence[int]
    n_random: int

    @property
    def names(self) -> list[str]:
        return list(self.n_draws)

    def data(self, *names: str) -> dict[tuple[str, int], Step]:
        """Data sets of some designs, or of all, by name and number of the draw."""
        return {
            (name, number): lda(name, draw)
            for name in names or self.names
            for number, draw in enumerate(self.draws[: self.n_draws[name]])
        }


def designs(seed: int, preset: str) -> Designs:
    """Designs after the published ones; at preset `full` the published ones themselves."""
    names = by_preset(
        preset,
        tiny=["small SIMU1", "small SIMU2"],
        book=["small SIMU1", "small SIMU2", "small SimuA", "small SimuB", "small SimuC"],
        full=["SIMU1", "SIMU2", "SimuA", "SimuB", "SimuC"],
    )
    n_draws = dict.fromkeys(names, by_preset(preset, tiny=2, book=3, full=5))
    n_draws[names[0]] = by_preset(preset, tiny=2, book=6, full=5)
    n_draws[names[-1]] = by_preset(preset, tiny=2, book=4, full=5)
    return Designs(
        draws=child_seeds(seed, n_draws[names[0]]),
        n_draws=n_draws,
        seeds=child_seeds(seed + 1, by_preset(preset, tiny=2, book=3, full=3)),
        n_random=by_preset(preset, tiny=2, book=3, full=3),
    )


@step
def attribution_scores(
    data,
    fit,
    graph=None,
    *,
    protocol: str,
    n_random: int = 30,
    seed: int = 0,
    method: str = METHODS[0],
) -> pd.DataFrame:
    """Every metric of the task, for one fitted classifier.

    Parameters
    ----------
    data : AnnData of shape (n_samples, n_genes)
        With the truth in `uns["truth"]`; without one, feature agreement is left out.
    fit : dict of arrays
    graph : dict of arrays, optional
        Diffusion of `correlation_graph`; adds feature agreement of diffused attributions.
    protocol : {"published", "revised"}
    n_random, seed : int
        Random orders of PGR, and what draws them.
    method : {"integrated gradients", "gradient x input"}

    Returns
    -------
    DataFrame
        `metric`, `unit_kind` (class, or kind where hidden kinds have truths of their own), `unit`,
        `n` (samples), `value`; NaN with `n` 0 where no sample is classified correctly.

    Raises
    ------
    CannotAnswer, DataError, CompletenessError
        As `explained`.
    """
    found = explained(data, fit, protocol=protocol, method=method)
    rows = _recalls(data, fit, found.head)
    rows += _gaps(found, PROTOCOLS[protocol], n_random, seed)
    if "truth" in data.uns:
        rows += agreement_rows(data, found.attributions, found.kinds, found.correct)
        if graph is not None:
            diffused = l2_normalised(found.attributions @ as_sparse(graph))
            suffix = "_diffused"
            rows += agreement_rows(data, diffused, found.kinds, found.correct, suffix=suffix)
    return pd.DataFrame(rows, columns=["metric", "unit_kind", "unit", "n", "value"])


def _recalls(data, fit, head: Head) -> list[tuple]:
    """Share of the test samples of each class that are classified correctly."""
    test = np.flatnonzero((data.obs["split"] == "test").to_numpy())
    labels = data.obs["class"].to_numpy().astype(str)[test]
    predicted = np.empty(len(test), dtype=labels.dtype)
    for i in range(0, len(test), 512):
        Z = standardise(data.X[test[i : i + 512]], fit["mean"], fit["sd"])
        predicted[i : i + 512] = fit["classes"][head.probabilities(head.hidden(Z)).argmax(axis=1)]
    return [
        ("balanced_accuracy", "class", c, *_mean(predicted[labels == c] == c))
        for c in data.obs["class"].cat.categories
    ]


def _mean(values) -> tuple[int, float]:
    """How many, and their mean; NaN of none."""
    return len(values), float(np.mean(values)) if len(values) else np.nan


def _gaps(found: Explained, protocol: Attribution, n_random: int, seed: int) -> list[tuple]:
    a, correct = found.attributions, found.correct
    rng = np.random.default_rng(seed)
    ranked = a if protocol.ranked == "all" else a[correct]
    for_all = np.argsort(ranked.sum(axis=0, dtype=float), kind="stable")
    at_random = [rng.permutation(a.shape[1]) for _ in range(n_random)]
    at_baseline = found.head.probabilities(found.head.hidden(found.baseline[None]))[0]
    rows = []
    for name in dict.fromkeys(sorted(found.labels)):
        own = found.labels == name
        rows.append(("completeness_gap", "class", name, int(own.sum()), found.gap[own].max()))
        own &= correct

        def gap(order, own=own):
            if not own.any():
                return np.empty(0)
            return prediction_gap(
                found.head,
                found.Z[own],
                found.targets[own],
                found.baseline,
                order,
                step=protocol.step,
                leftover=protocol.leftover,
            )

        local = np.argsort(a[own], axis=1, kind="stable")
        of_class = np.argsort(a[own].sum(axis=0, dtype=float), kind="stable")
        gaps = {
            "pgu_local": gap(local),
            "pgi_local": gap(local[:, ::-1]),
            "pgu_global": gap(for_all),
            "pgi_global": gap(for_all[::-1]),
            "pgu_per_class": gap(of_class),
            "pgi_per_class": gap(of_class[::-1]),
        }
        if n_random:
            gaps["pgr"] = np.mean([gap(order) for order in at_random], axis=0)
        if own.any():
            at = at_baseline[found.targets[own][0]]
            gaps["pgu_adjusted"] = adjusted(gaps["pgu_local"], at)
        rows += [(metric, "class", name, *_mean(values)) for metric, values in gaps.items()]
    return rows


def agreement_rows(data, attributions, kinds, correct, *, suffix: str = "") -> list[tuple]:
    """Feature agreement of samples and of their sum, and the same of groups, by kind.

    Parameters
    ----------
    data : AnnData with `uns["truth"]`
    attributions : ndarray of shape (n, n_genes)
    kinds : array of str, shape (n,)
    correct : boolean array of shape (n,)
        Others are left out.
    suffix : str
        Of the metrics' names.

    Returns
    -------
    list of (metric, unit_kind, unit, n, value)
    """
    genes, groups = informative_genes(data), informative_groups(data)
    members = group_members(data)
    rows = []
    for kind in dict.fromkeys(sorted(kinds)):
        a = attributions[(kinds == kind) & correct]
        truth = genes[kind]
        if len(a):
            total = a.sum(axis=0, dtype=float)
            values = {
                "feature_agreement_local": feature_agreement(a, truth).mean(),
                "feature_agreement_global": feature_agreement(total, truth),
                "feature_agreement_vote": feature_agreement(votes(a, truth.sum()), truth),
                "group_agreement_local": group_agreement(a, members, groups[kind]).mean(),
                "group_agreement_global": group_agreement(total, members, groups[kind]),
            }
        else:
            names = ("local", "global", "vote")
            values = {f"feature_agreement_{n}": np.nan for n in names}
            values |= {f"group_agreement_{n}": np.nan for n in names[:2]}
        rows += [(m + suffix, "kind", kind, len(a), float(v)) for m, v in values.items()]
    return rows


@step
def reference_scores(data, fit, *, seed: int) -> pd.DataFrame:
    """Feature agreement of rankings that need no model, between which models must stand.

    *planted truth* knows the informative genes of the kind, and of a sample how far each is from
    the baseline: what a perfect model with equal weights would say. A gene that happens to be low
    in the sample cannot speak for its class, so even this falls short of 1. *expression alone*
    ranks by the distance from the baseline and knows no class. *random order* knows nothing.

    Parameters
    ----------
    data : AnnData with `uns["truth"]`
    fit : dict of arrays
        Its standardisation is used, and the baseline.
    seed : int

    Returns
    -------
    DataFrame
        As `attribution_scores`, with a column `model`.
    """
    inside = studied(data, "test")
    obs = data.obs[inside]
    kinds = obs["kind"].to_numpy().astype(str)
    truth = informative_genes(data)
    away = standardise(data.X[inside], fit["mean"], fit["sd"]) - baseline_of(data, fit)
    planted = np.zeros_like(away)
    own = {kind: _planted_sign(data, kind) for kind in truth}
    for kind in set(kinds):
        planted[kinds == kind] = away[kinds == kind] * own[kind]
    noise = np.random.default_rng(seed).standard_normal(away.shape, dtype=np.float32)
    everybody = np.full(len(away), True)
    tables = []
    for model, scores_ in (
        ("planted truth", planted),
        ("expression alone", away),
        ("random order", noise),
    ):
        rows = agreement_rows(data, l2_normalised(scores_), kinds, everybody)
        table = pd.DataFrame(rows, columns=["metric", "unit_kind", "unit", "n", "value"])
        tables.append(table.assign(model=model))
    return pd.concat(tables, ignore_index=True)


def _planted_sign(data, kind: str) -> np.ndarray:
    """1 for genes that the kind over-expresses, -1 for those of the other class of two, else 0."""
    truth = data.uns["truth"]
    kinds = list(data.obs["kind"].cat.categories)
    members = group_members(data)
    sign = np.zeros(data.n_vars, dtype=np.float32)
    sign[informative_genes(data)[kind]] = -1
    for group in np.asarray(truth["overexpressed"])[kinds.index(kind)]:
        sign[members[group]] = 1
    return sign


@step
def permuted_classes(data, *, seed: int):
    """The data set with its classes shuffled over all samples: a floor for what is learned.

    The truth and the hidden kinds stay those of the names.
    """
    permuted = data.copy()
    order = np.random.default_rng(seed).permutation(data.n_obs)
    for column in [c for c in ("class", "kind") if c in data.obs]:
        permuted.obs[column] = data.obs[column].to_numpy()[order]
        permuted.obs[column] = permuted.obs[column].astype(data.obs[column].dtype)
    return permuted
