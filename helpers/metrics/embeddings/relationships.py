"""Recall of known relationships: are genes that work together far out in the tails?

All pairs of perturbations give a null of similarities. A known pair is recalled if it lies in one
of the null's tails.
"""

import numpy as np
import pandas as pd

from helpers.metrics.embeddings.gene_pairs import usable_pairs
from helpers.metrics.embeddings.similarities import Similarities


def relationship_recall(similarities: Similarities, first, second) -> pd.Series:
    """Share of known pairs in the tails of all pairs.

    Parameters
    ----------
    similarities : Similarities
    first, second : array of str of shape (n_pairs,)
        Of `unordered_pairs`. Pairs with a gene that was not perturbed are not asked about.

    Returns
    -------
    Series
        `recall` in [0, 1], both tails, 0.1 expected of similarities that know nothing, 0 where all
        are equal; `upper` and `lower`, the two tails apart, 0.05 expected of each; `n_pairs` that
        are scored; `n_unscored`, pairs of perturbed genes without a similarity; `n_genes`. Shares
        are NaN where no pair is scored.

    References
    ----------
    Celik et al. 2024; Bendidi et al. 2024, section 3.5; Tx-Evaluation commit 1f24de0, bmdb.py.
    """
    i, j = usable_pairs(first, second, similarities.names)
    tail = similarities.tail(i, j)
    scored = ~np.isnan(tail)
    n = int(scored.sum())
    upper, lower = (float((tail == side).sum() / n) if n else np.nan for side in (1, -1))
    return pd.Series(
        {
            "recall": float((tail[scored] != 0).sum() / n) if n else np.nan,
            "upper": upper,
            "lower": lower,
            "n_pairs": n,
            "n_unscored": int((~scored).sum()),
            "n_genes": len(np.union1d(i[scored], j[scored])),
        }
    )


def gene_recall(similarities: Similarities, first, second) -> pd.DataFrame:
    """Share of each gene's known partners that is in the tails.

    Returns
    -------
    DataFrame indexed by gene, sorted
        `recall`, `upper`, `lower` in [0, 1], NaN where no pair of the gene has a similarity;
        `n_pairs`.
    """
    i, j = usable_pairs(first, second, similarities.names)
    tail = similarities.tail(i, j)
    long = pd.DataFrame(
        {
            "gene": np.concatenate([similarities.names[i], similarities.names[j]]),
            "recall": np.tile(np.where(np.isnan(tail), np.nan, tail != 0), 2),
            "upper": np.tile(np.where(np.isnan(tail), np.nan, tail == 1), 2),
            "lower": np.tile(np.where(np.isnan(tail), np.nan, tail == -1), 2),
        }
    )
    by = long.groupby("gene", sort=True)
    return by[["recall", "upper", "lower"]].mean().assign(n_pairs=by["recall"].count())


def bootstrap_recall(
    similarities: Similarities, first, second, *, n_resamples: int, confidence=0.95, rng
) -> pd.DataFrame:
    """Intervals of the recall; genes are resampled, not pairs, for pairs share genes.

    A pair counts as often as both of its genes were drawn: the product of how often each was. The
    tails stay those of all pairs.

    Parameters
    ----------
    n_resamples : int, at least 1
    confidence : float in (0, 1)
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame indexed by `recall`, `upper`, `lower`
        `value`, `low`, `high` (percentiles); NaN where no pair is scored.

    References
    ----------
    Owen 2007, Annals of Applied Statistics 1 (pigeonhole bootstrap; here rows are columns).
    """
    i, j = usable_pairs(first, second, similarities.names)
    tail = similarities.tail(i, j)
    i, j, tail = (values[~np.isnan(tail)] for values in (i, j, tail))
    found = pd.DataFrame(
        np.nan, index=["recall", "upper", "lower"], columns=["value", "low", "high"]
    )
    if not len(tail):
        return found
    hits = np.column_stack([tail != 0, tail == 1, tail == -1]).astype(float)
    genes, position = np.unique(np.concatenate([i, j]), return_inverse=True)
    a, b = position[: len(i)], position[len(i) :]
    drawn = np.full((n_resamples, 3), np.nan)
    for k in range(n_resamples):
        times = np.bincount(rng.integers(len(genes), size=len(genes)), minlength=len(genes))
        weight = times[a] * times[b]
        if total := weight.sum():
            drawn[k] = weight @ hits / total
    found["value"] = hits.mean(axis=0)
    tail_share = (1 - confidence) / 2
    found[["low", "high"]] = np.nanquantile(drawn, [tail_share, 1 - tail_share], axis=0).T
    return found


def matched_permutations(
    similarities: Similarities,
    first,
    second,
    matched,
    *,
    n_permutations: int,
    n_strata: int = 10,
    rng,
) -> pd.DataFrame:
    """Recall of the same graph of pairs laid over other genes that are alike in what is matched.

    Genes trade places within strata of `matched`: number of cells, size of the effect, or number
    of known partners. The network keeps its shape. What is left of the recall is what the matched
    property and the shape alone achieve.

    Parameters
    ----------
    similarities : Similarities
    first, second : array of str of shape (n_pairs,)
    matched : array of shape (n_perturbations,)
        In the order of the names; any numbers, finite.
    n_permutations : int, at least 1
    n_strata : int, at least 1
        Strata of (nearly) equal size, by rank; ties in the order of the names. 1: any gene for any
        gene.
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame of shape (n_permutations, 3)
        `recall`, `upper`, `lower`; NaN where no pair of a permutation has a similarity.

    Raises
    ------
    ValueError
        `matched` does not fit or is not finite, or no pair is usable.
    """
    matched = np.asarray(matched, dtype=float)
    n = len(similarities.names)
    if matched.shape != (n,) or not np.isfinite(matched).all():
        raise ValueError(
            f"matched has shape {matched.shape} and {(~np.isfinite(matched)).sum()} values that "
            f"are not finite; pass one number for each of the {n} perturbations"
        )
    if n_permutations < 1 or n_strata < 1:
        raise ValueError(f"{n_permutations} permutations in {n_strata} strata; at least 1 each")
    i, j = usable_pairs(first, second, similarities.names)
    if not len(i):
        raise ValueError("no pair has both genes among the perturbations: nothing to permute")
    rank = np.empty(n, dtype=np.int64)
    rank[np.argsort(matched, kind="stable")] = np.arange(n)
    stratum = rank * min(n_strata, n) // n
    members = [np.flatnonzero(stratum == s) for s in range(stratum.max() + 1)]
    place = np.arange(n)
    found = np.full((n_permutations, 3), np.nan)
    for k in range(n_permutations):
        for of_stratum in members:
            place[of_stratum] = rng.permutation(of_stratum)
        tail = similarities.tail(place[i], place[j])
        tail = tail[~np.isnan(tail)]
        if len(tail):
            found[k] = (tail != 0).mean(), (tail == 1).mean(), (tail == -1).mean()
    return pd.DataFrame(found, columns=["recall", "upper", "lower"])
