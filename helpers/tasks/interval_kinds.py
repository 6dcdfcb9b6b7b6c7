"""Task: what do the intervals and the paired test of this book hold, on data of each kind?

A unit is what is resampled: a cluster of scores, a target, a control. Units are independent, so
that what is too short here is too short everywhere.
"""

import numpy as np
import pandas as pd
from scipy.stats import binom, norm

from helpers.comparisons import rank_intervals, sign_flip_test
from helpers.nested import hierarchical_bootstrap
from helpers.stats import (
    MIN_UNITS,
    cluster_bootstrap,
    cluster_means,
    mean_interval,
    wilson_interval,
)
from helpers.store.steps import step

SIZES = (2, 3, 6, 12, 30, 100)
PAIRED = (6, 10, 17, 40, 100, 300)
LEVEL = 0.05
DISASTERS, DISASTER = 0.03, -5.0
_TIED, _LOW_NOISE = 0.7, 0.1

KINDS = {
    "normal": (0.0, 0.0),
    "skewed": (0.0, np.log(2) - 1),
    "tied at zero": (1 - _TIED, 0.0),
    "rare disasters": (
        DISASTERS * DISASTER,
        float(_LOW_NOISE * norm.ppf((0.5 - DISASTERS) / (1 - DISASTERS))),
    ),
}
"""Mean and median of a unit's score: standard normal; exponential less one; zero in 70 %, else
exponential; close to zero, but -5 in 3 %."""

SHARES = {"normal": 0.5, "skewed": np.exp(-1), "tied at zero": 1 - _TIED, "rare disasters": 0.03}
"""Share of units above the mean (normal, skewed), that are not zero, or that are disasters."""


def drawn(kind: str, shape: tuple[int, ...], rng) -> np.ndarray:
    """Scores of independent units of a kind of `KINDS`."""
    if kind == "normal":
        return rng.standard_normal(shape)
    if kind == "skewed":
        return rng.standard_exponential(shape) - 1
    if kind == "tied at zero":
        return rng.standard_exponential(shape) * (rng.random(shape) >= _TIED)
    return _LOW_NOISE * rng.standard_normal(shape) + DISASTER * (rng.random(shape) < DISASTERS)


@step
def coverage_by_kind(*, n_simulations: int, n_resamples: int, seed: int) -> pd.DataFrame:
    """Coverage of nominal 95 % intervals, by what is asked, how many units, and their kind.

    Parameters
    ----------
    n_simulations : int
        Of each setting; a tenth of them where each simulation is resampled by itself.
    n_resamples, seed : int

    Returns
    -------
    DataFrame
        `interval`, `data`, `n` (units), `share` of intervals that hold the truth with Wilson's
        `low` and `high`, `n_simulations`; NaN, and none, where the interval is not stated: below
        `MIN_UNITS` units. Wilson's own share is summed over all counts, not simulated.
    """
    rng, rows = np.random.default_rng(seed), []
    few = max(n_simulations // 10, 20)
    for kind in KINDS:
        for n in SIZES:
            named = {"data": kind, "n": n}
            rows.append(named | _of_shares(n, SHARES[kind]))
            found = _of_means(kind, n, n_simulations, n_resamples, rng)
            found |= {
                "median, clusters (expanded)": _of_medians(kind, n, few, n_resamples, rng),
                "effect, targets (hierarchical)": _of_effects(
                    (kind, n), ("normal", 30), few, n_resamples, rng
                ),
                "effect, controls (hierarchical)": _of_effects(
                    ("normal", 30), (kind, n), few, n_resamples, rng
                ),
                "ranks of three models": _of_ranks(kind, n, few, n_resamples, rng),
            }
            for interval, held in found.items():
                rows.append(named | {"interval": interval} | _share(held))
    columns = ["interval", "data", "n", "share", "low", "high", "n_simulations"]
    return pd.DataFrame(rows)[columns]


def _share(held: np.ndarray | None) -> dict:
    if held is None:
        return {"share": np.nan, "low": np.nan, "high": np.nan, "n_simulations": 0}
    low, high = wilson_interval(int(held.sum()), len(held))
    return {"share": held.mean(), "low": low, "high": high, "n_simulations": len(held)}


def _of_shares(n: int, p: float) -> dict:
    limits = np.array([wilson_interval(k, n) for k in range(n + 1)])
    held = (limits[:, 0] <= p) & (p <= limits[:, 1])
    share = min(float(binom.pmf(np.arange(n + 1), n, p)[held].sum()), 1.0)  # but for rounding
    known = {"share": share, "low": share, "high": share, "n_simulations": 0}
    return {"interval": "share of units (Wilson)"} | known


def _of_means(kind, n, n_simulations, n_resamples, rng) -> dict[str, np.ndarray | None]:
    values, truth = drawn(kind, (n, n_simulations), rng), KINDS[kind][0]
    limits = np.array([mean_interval(column) for column in values.T])
    found = {"mean (t)": (limits[:, 0] <= truth) & (truth <= limits[:, 1])}
    for interval in ("percentile", "expanded", "studentised"):
        name = "bootstrap-t" if interval == "studentised" else interval
        means = cluster_means(
            values, np.arange(n), interval=interval, n_resamples=n_resamples, rng=rng
        )
        held = (means["low"] <= truth) & (truth <= means["high"])
        stated = means["low"].notna().all()
        found[f"mean, clusters ({name})"] = held.to_numpy() if stated else None
    return found


def _of_medians(kind, n, n_simulations, n_resamples, rng) -> np.ndarray | None:
    if n < MIN_UNITS:
        return None
    truth, held = KINDS[kind][1], []
    for column in drawn(kind, (n_simulations, n), rng):
        _, low, high = cluster_bootstrap(
            column, np.arange(n), statistic=np.median, n_resamples=n_resamples, rng=rng
        )
        held.append(low <= truth <= high)
    return np.array(held)


def _of_effects(targets, controls, n_simulations, n_resamples, rng) -> np.ndarray | None:
    """Three cells of each target; kind and number of the effects of targets, and of controls."""
    (kind, n), (control_kind, n_controls) = targets, controls
    if min(n, n_controls) < MIN_UNITS:
        return None
    target = np.repeat(np.arange(n), 3)
    effects = drawn(kind, (n, n_simulations), rng)[target]
    cells = effects + 0.5 * rng.standard_normal(effects.shape)
    values = np.vstack([cells, drawn(control_kind, (n_controls, n_simulations), rng)])
    names = np.array([f"target{t}" for t in target] + ["control"] * n_controls)
    found = hierarchical_bootstrap(
        values,
        pd.DataFrame({"perturbation": names}),
        levels=("perturbation",),
        replicate=None,
        n_resamples=n_resamples,
        rng=rng,
    )
    truth = KINDS[kind][0] - KINDS[control_kind][0]
    return ((found["low"] <= truth) & (truth <= found["high"])).to_numpy()


def _of_ranks(kind, n, n_simulations, n_resamples, rng) -> np.ndarray | None:
    if n < MIN_UNITS:
        return None
    true_ranks, held = np.array([3, 2, 1]), []
    for _ in range(n_simulations):
        values = pd.DataFrame(drawn(kind, (n, 3), rng) + np.array([0.0, 0.5, 1.0]))
        found = rank_intervals(
            values, np.arange(n), better="higher", n_resamples=n_resamples, rng=rng
        ).sort_index()
        held.append(((found["low"] <= true_ranks) & (true_ranks <= found["high"])).all())
    return np.array(held)


@step
def errors_of_comparisons(*, n_simulations: int, n_resamples: int, seed: int) -> pd.DataFrame:
    """How often the paired test tells two models apart that are equal on average.

    Differences of units are of a kind of `KINDS`, less their mean: of rare disasters, that of a
    model which is a little better in most units and far worse in 3 %, less one that is not.

    Parameters
    ----------
    n_simulations, n_resamples, seed : int

    Returns
    -------
    DataFrame
        `data`, `n`; `called`, the share of comparisons with p at most 5 %; `above`, the share of
        those that call the first model better; for rare disasters these are wrong for the model
        whose disasters were not drawn. `least_p`: above 5 % nothing can be called (both NaN).
    """
    rng, rows = np.random.default_rng(seed), []
    for kind, (mean, _) in KINDS.items():
        for n in (3, *PAIRED):
            differences = drawn(kind, (n, n_simulations), rng) - mean
            p, least = sign_flip_test(differences, np.arange(n), n_resamples, rng)
            called = p <= LEVEL
            row = {"data": kind, "n": n, "called": called.mean(), "least_p": least}
            above = differences.mean(axis=0)[called] > 0
            row["above"] = above.mean() if called.any() else np.nan
            if least > LEVEL:
                row["called"] = np.nan
            rows.append(row)
    return pd.DataFrame(rows)[["data", "n", "called", "above", "least_p"]]
