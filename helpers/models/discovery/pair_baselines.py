"""What predicts a pair of perturbation and context without a network: means, copies, linear models.

Each takes training profiles of several contexts and gives profiles of asked perturbations in one
target context, shape (n_asked, n_readouts). A perturbation of which no training profile is left is
predicted by the mean of the target context, and counted by the task that asks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helpers.data.discovery.profiles import Profiles
from helpers.data.errors import DataError
from helpers.metrics.arrays import row_correlations


def readout_means(train: Profiles, context: str) -> np.ndarray:
    """Mean of each readout over the perturbations of a context; of all contexts where it has none.

    As released (`ReadoutMean`): a readout that the context does not hold gets the mean of means.
    """
    means = {c: _mean(train.take(train.context == c)) for c in dict.fromkeys(train.context)}
    if context not in means:
        raise DataError(f"no training profile of {context!r}")
    overall = np.nanmean(list(means.values()))
    return np.where(np.isnan(means[context]), overall, means[context])


def _mean(part: Profiles) -> np.ndarray:
    """(n_readouts,), NaN where nothing was measured."""
    n = part.mask.sum(axis=0)
    total = (part.value * part.mask).sum(axis=0)
    return np.divide(total, n, out=np.full(n.shape, np.nan), where=n > 0)


def global_mean(train: Profiles, context: str, asked: Sequence[str]) -> np.ndarray:
    """One number: the mean of all training values."""
    value = train.value[train.mask].mean()
    return np.full((len(asked), len(train.readout)), value)


def readout_mean(train: Profiles, context: str, asked: Sequence[str]) -> np.ndarray:
    """The same profile for all: the mean of the target context."""
    return np.tile(readout_means(train, context), (len(asked), 1))


def no_perturbation(train: Profiles, context: str, asked: Sequence[str]) -> np.ndarray:
    """Nothing happens: 0, as values are relative to controls."""
    return np.zeros((len(asked), len(train.readout)))


def copied(train: Profiles, context: str, asked: Sequence[str]) -> np.ndarray:
    """The mean of the perturbation over all other contexts, as it is."""
    found = readout_mean(train, context, asked)
    for i, name in enumerate(asked):
        mean = _mean(train.take((train.perturbation == name) & (train.context != context)))
        found[i] = np.where(np.isnan(mean), found[i], mean)
    return found


def recentred_copy(train: Profiles, context: str, asked: Sequence[str]) -> np.ndarray:
    """The same, each other context less its own mean, plus the mean of the target context."""
    found = readout_mean(train, context, asked)
    means = {c: readout_means(train, c) for c in dict.fromkeys(train.context)}
    off = train.value - np.array([means[c] for c in train.context])
    moved = Profiles(off, train.mask, train.context, train.perturbation, train.readout)
    for i, name in enumerate(asked):
        mean = _mean(moved.take((train.perturbation == name) & (train.context != context)))
        found[i] += np.nan_to_num(mean)
    return found


def additive(
    train: Profiles, context: str, asked: Sequence[str], *, penalty: float = 1.0
) -> np.ndarray:
    """Two-way: for each readout an effect of the context and one of the perturbation, by ridge.

    Effects of perturbations are shrunk by `penalty` pseudo-observations, those of contexts hardly.
    """
    contexts = {c: i for i, c in enumerate(dict.fromkeys(train.context))}
    names = {p: i for i, p in enumerate(dict.fromkeys(train.perturbation))}
    at_c = np.array([contexts[c] for c in train.context])
    at_p = np.array([names[p] for p in train.perturbation])
    n = len(contexts) + len(names)
    design = np.zeros((len(train), n))
    design[np.arange(len(train)), at_c] = 1
    design[np.arange(len(train)), len(contexts) + at_p] = 1
    shrink = np.r_[np.full(len(contexts), 1e-6), np.full(len(names), penalty)]
    effects = np.zeros((n, len(train.readout)))
    patterns, of = np.unique(train.mask.T, axis=0, return_inverse=True)
    for i, rows in enumerate(patterns):  # readouts that were measured in the same profiles
        columns = np.flatnonzero(of.ravel() == i)
        own = design[rows]
        right = own.T @ train.value[np.ix_(rows, columns)]
        effects[:, columns] = np.linalg.solve(own.T @ own + np.diag(shrink), right)
    found = np.tile(effects[contexts[context]], (len(asked), 1))
    for i, name in enumerate(asked):
        if name in names:
            found[i] += effects[len(contexts) + names[name]]
    return found


def low_rank_linear(
    train: Profiles, context: str, asked: Sequence[str], *, rank: int = 10
) -> np.ndarray:
    """Ridge from principal components of the other contexts to profiles of the target context.

    A perturbation is described by its profiles elsewhere, less the mean of each context; contexts
    in which it was not done count as no difference. The penalty is chosen by leaving out training
    pairs of the target context one by one.
    """
    from sklearn.linear_model import RidgeCV

    others = [c for c in dict.fromkeys(train.context) if c != context]
    names = list(dict.fromkeys([*train.perturbation, *asked]))
    place = {p: i for i, p in enumerate(names)}
    blocks, there = [], np.zeros(len(names))
    for other in others:
        part = train.take(train.context == other)
        block = np.zeros((len(names), len(train.readout)))
        rows = [place[p] for p in part.perturbation]
        block[rows] = np.where(part.mask, part.value - readout_means(train, other), 0)
        there[rows] += 1
        blocks.append(block)
    features = np.concatenate(blocks, axis=1)
    own = train.take(train.context == context)
    rows = np.array([place[p] for p in own.perturbation])
    mean = readout_means(train, context)
    target = np.where(own.mask, own.value - mean, 0)
    known = there[rows] > 0
    u, s, _ = np.linalg.svd(features, full_matrices=False)
    k = min(rank, int((s > 1e-9 * s[0]).sum())) if s[0] > 0 else 0
    found = readout_mean(train, context, asked)
    if k == 0 or known.sum() < 3:
        return found
    scores = u[:, :k] * s[:k]
    ridge = RidgeCV(alphas=np.logspace(-2, 4, 13), fit_intercept=False)
    ridge.fit(scores[rows[known]], target[known])
    at = [place[p] for p in asked]
    return found + ridge.predict(scores[at]) * (there[at] > 0)[:, None]


def nearest_context(train: Profiles, context: str, asked: Sequence[str]) -> np.ndarray:
    """The profile of the context that agrees best, less its mean, times one factor.

    Agreement is the mean correlation of profiles that both contexts have; the factor is that of
    least squares over the values that both measured. A perturbation that the nearest context
    lacks is looked up in the next.
    """
    own = train.of_context(context)
    mean = readout_means(train, context)
    ranked = []
    for other in dict.fromkeys(train.context):
        if other == context:
            continue
        theirs = train.of_context(other)
        theirs = theirs - readout_means(train, other)
        shared = own.index.intersection(theirs.index)
        if not len(shared):
            continue
        a, b = (own.loc[shared] - mean).to_numpy(), theirs.loc[shared].to_numpy()
        both = np.isfinite(a) & np.isfinite(b)
        # what one of them did not measure says nothing on their scales
        a, b = np.where(both, a, 0), np.where(both, b, 0)
        agreement = row_correlations(a, b)
        if np.isfinite(agreement).any() and (b**2).sum() > 0:
            ranked.append((np.nanmean(agreement), (a * b).sum() / (b**2).sum(), theirs))
    ranked.sort(key=lambda one: -one[0])
    found = readout_mean(train, context, asked)
    for i, name in enumerate(asked):
        for _, factor, theirs in ranked:
            if name in theirs.index:
                found[i] += factor * np.nan_to_num(theirs.loc[name].to_numpy())
                break
    return found


BASELINES = {
    "global mean": global_mean,
    "readout mean": readout_mean,
    "no perturbation": no_perturbation,
    "copy of other contexts": copied,
    "copy, recentred": recentred_copy,
    "additive two-way": additive,
    "low-rank linear": low_rank_linear,
    "nearest context, scaled": nearest_context,
}
