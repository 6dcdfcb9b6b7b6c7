"""Which models differ: paired differences, verdicts, ranks and tie groups, from a score table."""

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd

from helpers.stats import (
    check_draws,
    cluster_codes,
    direction,
    finite_table,
    holm,
    mid_ranks,
    resample_means,
)


@dataclass(frozen=True)
class Paired:
    """The same units scored by every model.

    Parameters
    ----------
    table : DataFrame of shape (n_units, n_models)
    clusters : ndarray of shape (n_units,)
    n_dropped : int
        Units that some model has not scored.
    """

    table: pd.DataFrame
    clusters: np.ndarray
    n_dropped: int


def paired(
    scores: pd.DataFrame, *, by: str = "model", missing: Literal["raise", "drop"] = "raise"
) -> Paired:
    """Units x models from a score table of one metric.

    Parameters
    ----------
    scores : DataFrame
        Score table of one task, metric, protocol and kind of unit.
    by : str
        Column whose values become the columns.
    missing : {"raise", "drop"}
        What becomes of a unit that a model has not scored (no row, or NaN): an error that counts
        them, or only the units that all models share, with the number of the others.

    Raises
    ------
    ValueError
        Several metrics or protocols, a unit that a model scores twice, infinite scores, units in
        several clusters, missing scores (unless they are to be dropped), or none that is shared.
    """
    for column in ("task", "metric", "protocol", "unit_kind"):
        if (n := scores[column].nunique()) != 1:
            raise ValueError(f"scores hold {n} values of {column}; choose one")
    if np.isinf(scores["value"]).any():
        raise ValueError(f"{np.isinf(scores['value']).sum()} scores are infinite; score them anew")
    unit = ["dataset", "split", "unit", "seed"]
    if (twice := scores.duplicated([*unit, by])).any():
        first = scores.loc[twice.idxmax(), [*unit, by]].to_dict()
        raise ValueError(f"{twice.sum()} units are scored twice by a {by}, the first: {first}")
    owners = scores.groupby(unit)["cluster"].nunique()
    if (owners > 1).any():
        raise ValueError(f"{(owners > 1).sum()} units lie in several clusters: {owners.idxmax()}")
    table = scores.set_index([*unit, by])["value"].unstack(by)  # noqa: PD010
    whole = table.notna().all(axis=1)
    if not whole.all() and missing != "drop":
        lacking = table.isna().sum()
        named = ", ".join(f"{name} ({n})" for name, n in lacking[lacking > 0].items())
        raise ValueError(
            f"{(~whole).sum()} of {len(table)} units are not scored by every {by}: {named}; "
            'pass missing="drop" to compare on the units that all share'
        )
    if not whole.any():
        raise ValueError(f"no unit is scored by every {by}; compare fewer of them")
    table = table[whole]
    clusters = scores.drop_duplicates(unit).set_index(unit)["cluster"].loc[table.index]
    return Paired(table, clusters.to_numpy(), int((~whole).sum()))


def equivalence_margin(floor: float, ceiling: float, *, share: float = 0.1) -> float:
    """Differences that do not matter: a share of the way from floor to ceiling.

    Raises
    ------
    ValueError
        A floor or ceiling that is not finite, both the same, or a share out of (0, 1).
    """
    if not np.isfinite([floor, ceiling]).all() or floor == ceiling:
        raise ValueError(f"floor {floor} and ceiling {ceiling}: give two finite, different values")
    if not 0 < share < 1:
        raise ValueError(f"share is {share}; it lies in (0, 1)")
    return share * abs(ceiling - floor)


def compare(
    values: pd.DataFrame,
    clusters,
    *,
    better: Literal["higher", "lower"],
    margin: float = 0.0,
    reference: str | None = None,
    n_resamples: int = 10_000,
    confidence: float = 0.95,
    rng,
) -> pd.DataFrame:
    """Paired differences of models, each of which ends in a verdict.

    Parameters
    ----------
    values : DataFrame of shape (n_units, n_models)
        Each unit scored by every model; see `paired`.
    clusters : array of shape (n_units,)
        What is resampled together.
    better : {"higher", "lower"}
    margin : float, at least 0
        Half the width of the region of differences that do not matter; see `equivalence_margin`.
        With 0 nothing is ever tied.
    reference : str, optional
        Compare all others with this model; by default all pairs.
    n_resamples : int
        Of the bootstrap, and sign flips of the test.
    confidence : float in (0, 1)
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame
        One row a pair: `model`, `other`, `difference` (mean of model less mean of other) with its
        bootstrap-t interval `low`, `high` (of this pair alone); `p_value` of a sign-flip test that
        turns the differences of whole clusters round, `p_holm` over all rows; `verdict` on
        `model`: *tied* if the interval lies within the margin, else *better* or *worse* if
        `p_holm` is at most 1 - confidence, else *undecided*. `least_p` and `least_p_holm`, the
        smallest that `p_value` and `p_holm` can be with so few clusters: where the second is above
        1 - confidence nothing but *tied* can be said, and *undecided* says nothing of the models.
        `n_units`, `n_clusters`.

    Raises
    ------
    ValueError
        Fewer than two models or `MIN_UNITS` clusters, a reference that is not there, a negative
        margin, scores that are NaN or infinite, or so few resamples that no pair could ever be
        told apart after Holm's correction.

    References
    ----------
    Holm 1979; Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15 (equivalence).
    """
    sign = direction(better)
    table = finite_table(values)
    names = _names(values, table)
    check_draws(n_resamples, confidence)
    if not margin >= 0:
        raise ValueError(f"margin is {margin}; it is at least 0")
    if reference is not None and reference not in names:
        raise ValueError(f"no model {reference!r} (models: {', '.join(map(str, names))})")
    pairs = list(combinations(range(len(names)), 2))
    if reference is not None:
        other = names.index(reference)
        pairs = [(i, other) for i in range(len(names)) if i != other]
    if len(pairs) / (n_resamples + 1) > 1 - confidence:
        raise ValueError(
            f"{n_resamples} resamples for {len(pairs)} pairs: the smallest p-value, corrected, is "
            f"above {1 - confidence:.2g}; take at least {int(len(pairs) / (1 - confidence)) + 1}"
        )
    left, right = np.array(pairs).T
    differences = table[:, left] - table[:, right]
    drawn = resample_means(differences, clusters, n_resamples=n_resamples, rng=rng)
    low, high = drawn.limits(confidence)
    p_values, least = sign_flip_test(differences, clusters, n_resamples, rng)
    p_holm = holm(p_values)
    verdict = np.where(sign * drawn.mean > 0, "better", "worse").astype(object)
    verdict[p_holm > 1 - confidence] = "undecided"
    verdict[(low >= -margin) & (high <= margin) & (margin > 0)] = "tied"
    return pd.DataFrame(
        {
            "model": [names[i] for i in left],
            "other": [names[j] for j in right],
            "difference": drawn.mean,
            "low": low,
            "high": high,
            "p_value": p_values,
            "p_holm": p_holm,
            "least_p": least,
            "least_p_holm": min(1.0, len(pairs) * least),
            "verdict": verdict,
            "n_units": len(table),
            "n_clusters": drawn.n_clusters,
        }
    )


def as_family(comparisons: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Rows of several calls of `compare`, corrected together where one statement rests on all.

    Parameters
    ----------
    comparisons : DataFrame
        Rows of `compare`. A row without p-value, of models that could not be compared, stays as
        it is and is not counted.
    confidence : float in (0, 1)
        As in `compare`.

    Returns
    -------
    DataFrame
        The same rows; `p_holm` and `least_p_holm` over all of them; *better* and *worse* become
        *undecided* where that p is above 1 - confidence, and *undecided* becomes *cannot* where
        it could not have been smaller.
    """
    found = comparisons.copy()
    asked = found["p_value"].notna()
    if not asked.any():
        return found
    # Each p at its least makes each corrected p its least: Holm's is monotone in all of them.
    for column, of in (("p_holm", "p_value"), ("least_p_holm", "least_p")):
        found.loc[asked, column] = holm(found.loc[asked, of].to_numpy(dtype=float))
    called = found["verdict"].isin(["better", "worse"])
    found.loc[called & (found["p_holm"] > 1 - confidence), "verdict"] = "undecided"
    hopeless = asked & (found["least_p_holm"] > 1 - confidence)
    found.loc[hopeless & (found["verdict"] == "undecided"), "verdict"] = "cannot"
    return found


def _names(values, table: np.ndarray) -> list:
    names = (
        list(values.columns) if isinstance(values, pd.DataFrame) else list(range(table.shape[1]))
    )
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(f"models {names}: a comparison takes two or more, each with its own name")
    return names


def sign_flip_test(differences: np.ndarray, clusters, n_resamples: int, rng):
    """Two-sided p-values of the means of columns under flips of clusters, and the least of all.

    Of C clusters there are 2^C flips, each as large as its opposite. Columns share the flips.
    """
    sums, signs, every = flipped_clusters(differences, clusters, n_resamples, rng)
    observed = np.abs(sums.sum(axis=0))
    # Flips that leave everything as it is give the same sum but for rounding.
    as_large = np.abs(signs @ sums) >= observed * (1 - 1e-12)
    p_values = (as_large.sum(axis=0) + (not every)) / (len(signs) + (not every))
    return p_values, max(least_sign_flip(len(sums)), 1 / (1 + n_resamples))


def flipped_clusters(differences: np.ndarray, clusters, n_resamples: int, rng):
    """Sums of clusters, flips of their signs, and whether these are all that there are.

    If the 2^C flips of C clusters are not more than the resamples they are all made, else random
    ones, with which p is (1 + b) / (1 + B).

    Returns
    -------
    sums : ndarray of shape (n_clusters, n_columns)
    signs : ndarray of shape (n_flips, n_clusters), of -1 and 1
    every : bool
    """
    code, n_clusters = cluster_codes(clusters, len(differences))
    sums = np.zeros((n_clusters, differences.shape[1]))
    np.add.at(sums, code, differences)
    every = n_clusters < 63 and 2**n_clusters <= n_resamples
    if every:
        flipped = np.arange(2**n_clusters)[:, None] >> np.arange(n_clusters) & 1
    else:
        flipped = rng.integers(2, size=(n_resamples, n_clusters))
    return sums, 2.0 * flipped - 1, every


def least_sign_flip(n_clusters: int) -> float:
    """Smallest p-value of a sign-flip test of so many clusters: two of 2^C flips."""
    return 2.0 ** (1 - n_clusters)


def rank_intervals(
    values: pd.DataFrame,
    clusters,
    *,
    better: Literal["higher", "lower"],
    n_resamples: int = 10_000,
    confidence: float = 0.95,
    rng,
) -> pd.DataFrame:
    """Ranks of models by their means, with intervals that hold for all models at once.

    Resampled ranks alone are too sure of themselves where models tie. So a model's rank is bounded
    by the number of models that are certainly better, and certainly worse: those whose paired
    difference lies beyond what the largest of all studentised differences reaches in the bootstrap.
    Where clusters are so few that `compare` could call no pair, no rank is bounded.

    Parameters
    ----------
    values, clusters, better, n_resamples, confidence, rng
        See `compare`.

    Returns
    -------
    DataFrame indexed by model, best first
        `mean`, `rank` (mid-rank, 1 is best), `low`, `high` (of the rank), `share_best` (of the
        resamples; those that tie share).

    Raises
    ------
    ValueError
        See `compare`.

    References
    ----------
    Mogstad, Romano, Shaikh & Wilhelm 2024, Review of Economic Studies 91.
    """
    sign = direction(better)
    table = finite_table(values)
    names = _names(values, table)
    check_draws(n_resamples, confidence)
    n_models = len(names)
    left, right = np.triu_indices(n_models, k=1)
    differences = table[:, left] - table[:, right]
    drawn = resample_means(differences, clusters, n_resamples=n_resamples, rng=rng)
    largest = np.abs(drawn.studentised()).max(axis=1)
    critical = np.quantile(largest, confidence, method="closest_observation")
    ahead = np.zeros((n_models, n_models), dtype=bool)
    # What is the same in all clusters is certain, though the critical value be infinite.
    reach = np.multiply(critical, drawn.se, out=np.zeros_like(drawn.se), where=drawn.se > 0)
    certain = np.abs(drawn.mean) > reach
    certain &= len(left) * least_sign_flip(drawn.n_clusters) <= 1 - confidence
    ahead[left, right] = certain & (sign * drawn.mean > 0)
    ahead[right, left] = certain & (sign * drawn.mean < 0)
    # The difference of resampled means is the resampled mean of differences, for one model fixed.
    means = np.zeros((n_resamples, n_models))
    means[:, 1:] = -drawn.means[:, : n_models - 1]
    means *= sign
    first = means == means.max(axis=1, keepdims=True)
    found = pd.DataFrame(
        {
            "mean": table.mean(axis=0),
            "rank": mid_ranks(table.mean(axis=0), better=better),
            "low": 1 + ahead.sum(axis=0),
            "high": n_models - ahead.sum(axis=1),
            "share_best": (first / first.sum(axis=1, keepdims=True)).mean(axis=0),
        },
        index=pd.Index(names, name="model"),
    )
    return found.sort_values("rank", kind="stable")


def tie_groups(comparisons: pd.DataFrame, order: list[str]) -> pd.Series:
    """Letters of a compact letter display: two models share one unless one is better.

    Parameters
    ----------
    comparisons : DataFrame
        Of `compare`, all pairs of `order`: *tied* and *undecided* do not separate.
    order : list of str
        Models, best first: the first has the letter a.

    Returns
    -------
    Series of str, indexed as `order`

    Raises
    ------
    ValueError
        A pair is missing.

    References
    ----------
    Piepho 2004, Journal of Computational and Graphical Statistics 13 (insert and absorb).
    """
    verdicts = {frozenset((row.model, row.other)): row.verdict for row in comparisons.itertuples()}
    lacking = [pair for pair in combinations(order, 2) if frozenset(pair) not in verdicts]
    if lacking:
        raise ValueError(f"comparisons lack {len(lacking)} pairs, the first {lacking[0]}")
    groups = [frozenset(order)]
    for pair, verdict in verdicts.items():
        if verdict not in ("better", "worse") or not pair <= set(order):
            continue
        split = [group - {model} if pair <= group else group for group in groups for model in pair]
        unique = list(dict.fromkeys(split))
        groups = [g for g in unique if not any(g < other for other in unique)]
    place = {model: i for i, model in enumerate(order)}
    groups.sort(key=lambda group: sorted(place[model] for model in group))
    letters = [_letter(i) for i in range(len(groups))]
    return pd.Series(
        {
            model: "".join(a for a, group in zip(letters, groups, strict=True) if model in group)
            for model in order
        },
        name="group",
    )


def _letter(i: int) -> str:
    return chr(ord("a") + i % 26) + (str(i // 26) if i >= 26 else "")
