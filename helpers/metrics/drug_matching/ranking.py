"""How well one ranking of candidates finds the relevant ones; ties count by expectation.

Candidates with one score stand in an order that says nothing. Each metric is its expected value
over all orders of the tied ones, which is exact and the same whoever sorts. Priors and scores with
many zeros have large ties: a stable sort would let the order of names decide.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ranking:
    """Tie groups of a ranking, the best first.

    Parameters
    ----------
    before, size : ndarray of shape (n_groups,)
        Candidates in better groups, and in this one.
    hits_before, hits : ndarray of shape (n_groups,)
        The same of relevant candidates.
    """

    before: np.ndarray
    size: np.ndarray
    hits_before: np.ndarray
    hits: np.ndarray

    @property
    def n(self) -> int:
        """Candidates."""
        return int(self.size.sum())

    @property
    def n_relevant(self) -> int:
        """Relevant candidates."""
        return int(self.hits.sum())


def ranked(score, relevant) -> Ranking:
    """Sort candidates of one query by their score, the highest first.

    Parameters
    ----------
    score : array of shape (n_candidates,)
    relevant : bool array of shape (n_candidates,)

    Raises
    ------
    ValueError
        Shapes that differ, a score that is NaN or infinite, or nothing that is relevant: such a
        query is skipped and counted by who asks.
    """
    score, relevant = np.asarray(score, dtype=float), np.asarray(relevant)
    if score.ndim != 1 or score.shape != relevant.shape or score.size == 0:
        raise ValueError(f"{score.shape} scores and {relevant.shape} labels: one each a candidate")
    if relevant.dtype != bool:
        raise ValueError(f"relevant holds {relevant.dtype}; it is true or false a candidate")
    if not np.isfinite(score).all():
        raise ValueError(
            f"{(~np.isfinite(score)).sum()} of {score.size} scores are NaN or infinite: leave such "
            "candidates out of the universe, and count them"
        )
    if not relevant.any():
        raise ValueError("no candidate is relevant: skip the query, and count it")
    _, group, size = np.unique(-score, return_inverse=True, return_counts=True)
    hits = np.bincount(group, weights=relevant, minlength=len(size)).astype(int)
    return Ranking(np.cumsum(size) - size, size, np.cumsum(hits) - hits, hits)


def precision_at(ranking: Ranking, k: int) -> float:
    """Share of the first k candidates that are relevant, in [0, 1], higher is better."""
    _check_k(ranking, k)
    return _hits_at(ranking, k) / k


def recall_at(ranking: Ranking, k: int) -> float:
    """Share of the relevant candidates among the first k, in [0, 1], higher is better."""
    _check_k(ranking, k)
    return _hits_at(ranking, k) / ranking.n_relevant


def enrichment_at(ranking: Ranking, k: int) -> float:
    """`precision_at` over the share of relevant candidates; 1 by chance, higher is better."""
    return precision_at(ranking, k) / (ranking.n_relevant / ranking.n)


def hits_at(ranking: Ranking, k: int) -> float:
    """Whether one of the first k candidates is relevant (its probability, with ties)."""
    from scipy.special import gammaln

    _check_k(ranking, k)
    g = int(np.searchsorted(ranking.before, k, side="left")) - 1  # the group that holds place k
    if ranking.hits_before[g] > 0:
        return 1.0
    n, r, taken = ranking.size[g], ranking.hits[g], k - ranking.before[g]
    if r == 0 or n - r < taken:
        return float(r > 0)
    # none among `taken` of n: C(n - r, taken) / C(n, taken)
    logs = gammaln([n - r + 1, n - taken + 1]).sum() - gammaln([n - r - taken + 1, n + 1]).sum()
    return float(1 - np.exp(logs))


def ndcg_at(ranking: Ranking, k: int) -> float:
    """Discounted gain of the first k candidates over the most it can be, in [0, 1].

    References
    ----------
    Järvelin & Kekäläinen 2002, ACM Transactions on Information Systems 20 (discount 1 / log2).
    """
    _check_k(ranking, k)
    discount = 1 / np.log2(np.arange(2, k + 2))
    share = np.repeat(ranking.hits / ranking.size, ranking.size)[:k]  # a place's chance of a hit
    # the most it can be, summed as the gain is: a perfect ranking has exactly 1
    most = (np.arange(len(share)) < ranking.n_relevant).astype(float) @ discount
    return float(share @ discount / most)


def reciprocal_rank(ranking: Ranking) -> float:
    """One over the place of the first relevant candidate, in (0, 1], higher is better."""
    g = int(np.flatnonzero(ranking.hits)[0])
    n, r, before = int(ranking.size[g]), int(ranking.hits[g]), int(ranking.before[g])
    place = np.arange(1, n - r + 2)  # of the first hit within its group
    fails = (n - r - place[:-1] + 1) / (n - place[:-1] + 1)  # no hit there, none having come before
    none_before = np.concatenate([[1.0], np.cumprod(fails)])
    return float((none_before * r / (n - place + 1) / (before + place)).sum())


def average_precision(ranking: Ranking, *, prevalence: float | None = None) -> float:
    """Mean over relevant candidates of the precision at their place, in (0, 1], higher is better.

    Parameters
    ----------
    ranking : Ranking
    prevalence : float in (0, 1), optional
        Count negatives by a weight, so that this share is relevant: 0.5 is what an evaluation with
        as many negatives as positives reports of the same ranking. By default each counts once.

    Raises
    ------
    ValueError
        A prevalence out of range, or negatives to be weighted where there are none.

    References
    ----------
    McSherry & Najork 2008, ECIR (expectation over ties).
    """
    n, r = ranking.n, ranking.n_relevant
    weight = 1.0
    if prevalence is not None:
        if not 0 < prevalence < 1 or n == r:
            raise ValueError(f"prevalence {prevalence} of {n - r} negatives: in (0, 1), 1 or more")
        weight = r * (1 - prevalence) / prevalence / (n - r)
    total = 0.0
    for g in np.flatnonzero(ranking.hits):
        size, own = ranking.size[g], ranking.hits[g]
        place = np.arange(1, size + 1)
        others = (place - 1) * (own - 1) / max(size - 1, 1)  # further hits before it, expected
        hits = ranking.hits_before[g] + 1 + others
        misses = ranking.before[g] + place - hits
        total += own / size * (hits / (hits + weight * misses)).sum()
    return float(total / r)


def auroc(ranking: Ranking) -> float:
    """Chance that a relevant candidate stands above another one, ties one half; 0.5 by chance.

    NaN where every candidate is relevant.
    """
    n1, n0 = ranking.n_relevant, ranking.n - ranking.n_relevant
    if n0 == 0:
        return np.nan
    misses = ranking.size - ranking.hits
    below = n0 - np.cumsum(misses)
    return float((ranking.hits * (below + misses / 2)).sum() / (n1 * n0))


def matched_auroc(score, relevant, strata) -> float:
    """AUROC that compares a relevant candidate with others of its own stratum only.

    Parameters
    ----------
    score : array of shape (n_candidates,)
    relevant : bool array of shape (n_candidates,)
    strata : array of shape (n_candidates,)
        Such as how many other diseases a drug treats: that number alone then has 0.5.

    Returns
    -------
    float in [0, 1]
        0.5 by chance, higher is better; NaN where no stratum holds both.
    """
    score, relevant, strata = np.asarray(score, float), np.asarray(relevant), np.asarray(strata)
    right = pairs = 0.0
    for stratum in np.unique(strata[relevant]):
        own = strata == stratum
        n = int(relevant[own].sum()) * int((~relevant[own]).sum())
        if n:
            right += auroc(ranked(score[own], relevant[own])) * n
            pairs += n
    return right / pairs if pairs else np.nan


def _hits_at(ranking: Ranking, k: int) -> float:
    taken = np.clip(k - ranking.before, 0, ranking.size)
    return float((ranking.hits * taken / ranking.size).sum())


def _check_k(ranking: Ranking, k: int) -> None:
    if not 1 <= k <= ranking.n:
        raise ValueError(f"k is {k} of {ranking.n} candidates; at least 1, at most all")
