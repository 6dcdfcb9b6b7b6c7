"""What is said of metrics between their controls: floors, ceilings, dynamic range, verdicts."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import scores
from helpers.data.contract import CONTROL
from helpers.metrics.facts import Metric
from helpers.metrics.predicted.facts import PREDICTION_METRICS
from helpers.stats import MIN_UNITS, cluster_bootstrap
from helpers.summaries import group_means
from helpers.tasks.findings import with_interval
from helpers.tasks.prediction_panel import (
    DUPLICATE,
    NEGATIVE,
    PLANTED,
    POSITIVE,
)
from helpers.tasks.prediction_scene import FEWEST
from helpers.tasks.requirements import ENOUGH_UNITS, FEWEST_UNITS, Requirement

TASK = "metric-calibration"
ROLES = dict.fromkeys(NEGATIVE, "floor") | dict.fromkeys(POSITIVE, "ceiling")
SEPARATES, UNDECIDED, INVERTED, UNDEFINED = "separates", "undecided", "inverted", "not defined"
N_RESAMPLES = 500

NEEDS = (
    Requirement(
        "halved_perturbations",
        FEWEST_UNITS,
        f"perturbations of {2 * FEWEST} cells or more",
        ENOUGH_UNITS,
    ),
    Requirement("batch_controls", 4 * FEWEST, "controls in the batch that has most"),
)
"""What a screen needs, for any metric to be asked anything."""

_ROOT = ("l2", "rmse", "mae", "l2_top20")
_CORRELATIONS = ("pearson_delta", "pearson_delta_mean")


def available(part) -> dict[str, int]:
    """Counts that `NEEDS` name, of a screen of one context."""
    labels = part.obs["perturbation"].astype(str)
    sizes = labels[labels != CONTROL].value_counts()
    controls = part.obs.loc[(labels == CONTROL).to_numpy(), "batch"].astype(str).value_counts()
    return {
        "halved_perturbations": int((sizes >= 2 * FEWEST).sum()),
        "batch_controls": int(controls.max()) if len(controls) else 0,
    }


def score_rows(table: pd.DataFrame, *, dataset: str, seed: int, split: str = "halves of cells"):
    """Result of `control_scores` as rows of the score table.

    Parameters
    ----------
    table : DataFrame
    dataset : str
    seed : int
    split : str
        What observation and prediction are halves of.

    Returns
    -------
    DataFrame
        Score table: a row a prediction, metric and perturbation. What is infinite by the metric's
        own formula does not occur; what is undefined is NaN.
    """
    return scores.rows(
        task=TASK,
        dataset=dataset,
        split=split,
        model=table["prediction"],
        metric=table["metric"],
        role=table["prediction"].map(lambda name: ROLES.get(name, "candidate")),
        unit_kind="perturbation",
        unit=table["perturbation"],
        cluster=dataset + " " + str(seed) + " " + table["perturbation"].astype(str),
        seed=seed,
        n=table["n_cells"],
        value=table["value"],
    )


def wide(score_table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Scores of one metric: a row a cluster (a perturbation of a screen), a column a prediction."""
    own = score_table[score_table["metric"] == metric]
    return own.pivot_table("value", "cluster", "model", dropna=False, sort=False)


def floor_of(values: pd.DataFrame, better: str) -> str | None:
    """The best of the predictions that know nothing, by its mean; None where none is defined.

    One that is undefined for more than half of the perturbations does not count.
    """
    there = [n for n in NEGATIVE if n in values and values[n].notna().mean() >= 0.5]
    if not there:
        return None
    means = values[there].mean()
    return means.idxmax() if better == "higher" else means.idxmin()


def dynamic_range_fraction(positive, negative, perfect: float) -> np.ndarray:
    """How far a positive control stands from a negative one, over how far it could.

    Parameters
    ----------
    positive, negative : array of shape (n,)
    perfect : float
        Value of a prediction that equals the observation.

    Returns
    -------
    ndarray of shape (n,), in [-1, 1]
        (positive - negative) / (perfect - negative), cut at -1: 1 where the control is perfect, 0
        where it is no better than knowing nothing. NaN where that is perfect already.

    References
    ----------
    Mejia et al. 2025, arXiv 2506.22641; CellSimBench. Theirs is the dataset mean's, for all
    metrics; ours is that of the best prediction that knows nothing.
    """
    positive, negative = np.asarray(positive, dtype=float), np.asarray(negative, dtype=float)
    span = perfect - negative
    known = np.abs(span) > 1e-12
    share = np.divide(positive - negative, span, out=np.full(span.shape, np.nan), where=known)
    return np.clip(np.round(share, 12), -1, 1)  # without what rounding leaves of 0


def noise_free(metric: str, duplicate) -> np.ndarray:
    """What the true mean would score, from the score of an equally noisy duplicate.

    Errors of two halves add: the truth has half of the squared error, and its correlation is the
    root of that of two halves. Holds for many cells; NaN for metrics that have no such formula.
    """
    values = np.asarray(duplicate, dtype=float)
    if metric in _CORRELATIONS:
        return np.sqrt(np.maximum(values, 0))
    if metric in _ROOT:
        return values / np.sqrt(2)
    if metric == "weighted_mse":
        return values / 2
    if metric == "weighted_r2":
        return (1 + values) / 2
    return np.full(values.shape, np.nan)


def calibration(
    score_table: pd.DataFrame,
    facts: Mapping[str, Metric] = PREDICTION_METRICS,
    *,
    positive: str = DUPLICATE,
) -> pd.DataFrame:
    """Each metric between its floor and its ceilings.

    Parameters
    ----------
    score_table : DataFrame
        Of `score_rows`, of one screen or several.
    facts : mapping of str to PredictionMetric
    positive : str
        The positive control whose dynamic range is judged.

    Returns
    -------
    DataFrame, one row a metric of the table, in the order of `facts`
        `metric`, `title`, `needs`, `floor` (which prediction) and its mean `at floor`, the means of
        the positive controls that are there, `noise-free` (by formula), `drf` (median of the
        dynamic range fraction over perturbations), `low`, `high` (95 %, perturbations resampled),
        `verdict`, `n` and `n_undefined` (perturbations without a fraction).
    """
    rows = []
    for name, fact in facts.items():
        if name not in set(score_table["metric"]):
            continue
        values = wide(score_table, name)
        floor = floor_of(values, fact.better)
        row = {"metric": name, "title": fact.title, "needs": fact.needs, "floor": floor or "none"}
        row["at floor"] = values[floor].mean() if floor else np.nan
        row |= {c: values[c].mean() for c in POSITIVE if c in values}
        row["noise-free"] = _mean(noise_free(name, values[positive]))
        drf = np.full(len(values), np.nan)
        if floor:
            drf = dynamic_range_fraction(values[positive], values[floor], fact.perfect)
        row |= _interval(drf)
        rows.append(row | {"verdict": verdict(row["drf"], row["low"], row["high"])})
    return pd.DataFrame(rows)


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan


def _interval(drf: np.ndarray) -> dict:
    known = drf[np.isfinite(drf)]
    found = {"n": len(known), "n_undefined": int(len(drf) - len(known))}
    if not len(known):
        return {"drf": np.nan, "low": np.nan, "high": np.nan} | found
    middle, low, high = cluster_bootstrap(
        known,
        np.arange(len(known)),
        statistic=np.median,
        n_resamples=N_RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return {"drf": middle, "low": low, "high": high} | found


def verdict(drf: float, low: float, high: float) -> str:
    """Whether a metric tells a prediction that knows from one that does not.

    "separates" where the interval of the fraction lies above 0, "inverted" where it lies below,
    "undecided" where it holds 0 or is not there, "not defined" where there is no fraction.
    """
    if np.isnan(drf):
        return UNDEFINED
    if low > 0:
        return SEPARATES
    return INVERTED if high < 0 else UNDECIDED


def ranges(table: pd.DataFrame) -> pd.DataFrame:
    """Dynamic range fractions for a figure, best first: `label`, `drf`, `low`, `high`, `role`."""
    shown = table.sort_values("drf", ascending=False, kind="stable", na_position="last")
    roles = {SEPARATES: "candidate", UNDECIDED: "reported", INVERTED: "floor", UNDEFINED: "floor"}
    return shown.assign(label=shown["metric"], role=shown["verdict"].map(roles))


def control_means(score_table: pd.DataFrame) -> pd.DataFrame:
    """Means of all controls with intervals, one row a metric, its columns the controls."""
    means = group_means(score_table, ["metric", "model"], n_resamples=N_RESAMPLES)
    means["said"] = [
        "not defined"
        if np.isnan(r.mean)
        else f"{r.mean:.3f}" + ("" if np.isnan(r.low) else f" [{r.low:.3f}, {r.high:.3f}]")
        for r in means.itertuples()
    ]
    order = [n for n in PREDICTION_METRICS if n in set(means["metric"])]
    columns = [n for n in (*NEGATIVE, *POSITIVE) if n in set(means["model"])]
    return means.pivot_table("said", "metric", "model", aggfunc="first").loc[order, columns]


def in_short(table: pd.DataFrame) -> str:
    """The answer of a page on calibration: for how many metrics a duplicate is told apart."""
    known = table.dropna(subset="drf")
    if known.empty:
        return "No metric is defined for these controls."
    counts = known["verdict"].value_counts()
    least, most = known.loc[known["drf"].idxmin()], known.loc[known["drf"].idxmax()]
    ends = " to ".join(
        f"{with_interval(*row[['drf', 'low', 'high']])} by {row['metric']}" for row in (least, most)
    )
    return (
        f"By {counts.get(SEPARATES, 0)} of {len(known)} metrics a technical duplicate is better "
        f"than the best prediction that knows nothing, by {counts.get(INVERTED, 0)} it is worse, "
        f"by {counts.get(UNDECIDED, 0)} it is undecided; the dynamic range fraction goes from "
        f"{ends}."
    )


def which_separate(table: pd.DataFrame) -> str:
    """Says which metrics tell a technical duplicate from the best that knows nothing."""
    by = {v: list(table.loc[table["verdict"] == v, "metric"]) for v in set(table["verdict"])}
    n, yes = len(table), by.get(SEPARATES, [])
    if len(yes) == n:
        said = f"All {n} metrics tell the duplicate from the best prediction that knows nothing."
    elif yes:
        said = (
            f"Of {n} metrics {len(yes)} tell{'s' * (len(yes) == 1)} the duplicate from the best "
            "prediction that knows nothing."
        )
    else:
        said = f"None of {n} metrics tells the duplicate from predictions that know nothing."
    if worse := by.get(INVERTED):
        said += f" The duplicate is worse than one that knows nothing by: {_listed(worse)}."
    if open_ := by.get(UNDECIDED):
        said += f" Undecided: {_listed(open_)}."
    if lost := by.get(UNDEFINED):
        said += f" Not defined here: {_listed(lost)}."
    return said


def _listed(names: list[str]) -> str:
    return ", ".join(names)


def of_floors(table: pd.DataFrame) -> str:
    """Says which prediction that knows nothing has the best mean, and for how many metrics."""
    counts = table.loc[table["floor"] != "none", "floor"].value_counts()
    if counts.empty:
        return "No prediction that knows nothing has a defined value."
    if len(counts) == 1:
        return (
            f"Of those that know nothing one has the best mean by all metrics: {counts.index[0]}."
        )
    parts = ", ".join(f"{name} ({n} metrics)" for name, n in counts.items())
    return f"Which prediction that knows nothing has the best mean differs by metric: {parts}."


def of_ceilings(table: pd.DataFrame) -> str:
    """Says how far the noise-free formula is from planted truth, where both are there."""
    if PLANTED not in table:
        return "The truth of this screen is not known: its noise-free ceiling is by formula only."
    known = table[table["noise-free"].notna() & table[PLANTED].notna()]
    if known.empty:
        return "No metric here has a formula for its noise-free ceiling."
    own = known.assign(
        gap=(known["noise-free"] - known[PLANTED]).abs(),
        step=(known[DUPLICATE] - known[PLANTED]).abs(),
    )
    closer = int((own["gap"] < own["step"]).sum())
    n = f"all {closer}" if closer == len(own) else f"{closer} of {len(own)}"
    return (
        f"The formula of the noise-free ceiling is closer to planted truth than the duplicate is, "
        f"by {n} metrics that have one."
    )


def of_truth(score_table: pd.DataFrame, facts: Mapping[str, Metric] = PREDICTION_METRICS) -> str:
    """Says by which metrics the planted truth is better than a duplicate, and by which worse."""
    found = {"better": [], "worse": [], "undecided": []}
    for name, fact in facts.items():
        own = wide(score_table[score_table["metric"] == name], name)
        if not {PLANTED, DUPLICATE} <= set(own.columns):
            continue
        gain = (own[PLANTED] - own[DUPLICATE]).dropna().to_numpy()
        if len(gain) < MIN_UNITS:
            continue
        _, low, high = cluster_bootstrap(
            gain if fact.better == "higher" else -gain,
            np.arange(len(gain)),
            n_resamples=N_RESAMPLES,
            rng=np.random.default_rng(0),
        )
        found["better" if low > 0 else "worse" if high < 0 else "undecided"].append(name)
    if not any(found.values()):
        return "Planted truth and a duplicate cannot be compared here."
    n = sum(map(len, found.values()))
    said = f"By {len(found['better'])} of {n} metrics the planted truth is better than a duplicate"
    if open_ := found["undecided"]:
        said += f", undecided are {_listed(open_)}"
    if worse := found["worse"]:
        return f"{said}; the duplicate is the better one by {_listed(worse)}."
    return f"{said}; by none the duplicate is."
