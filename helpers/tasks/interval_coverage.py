"""Task: how often does an interval that says 95 % hold the truth? Simulated, so it is known."""

import numpy as np
import pandas as pd

from helpers import scores
from helpers.nested import hierarchical_bootstrap
from helpers.stats import cluster_means, wilson_interval
from helpers.store.steps import step

TASK = "interval-coverage"
BLOCK = 500  # simulations that are resampled at once: what fits the cache, not the memory
INTERVALS = ("percentile", "expanded", "studentised")


@step
def coverage_of_means(
    *,
    n_clusters: int,
    repeated_share: float,
    skewed: bool,
    n_simulations: int,
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Coverage of intervals of a mean score, rows or clusters resampled.

    The score of a row is that of its cluster (standard normal, or exponential less 1) plus a fifth
    of its variance of its own. A share of the clusters has two rows, the others have one.

    Parameters
    ----------
    n_clusters : int
    repeated_share : float in [0, 1]
    skewed : bool
    n_simulations, n_resamples, seed : int

    Returns
    -------
    DataFrame
        `unit` (row or cluster), `interval`, `covered` (of `n_simulations`), `share` with Wilson's
        `low` and `high`, `width` (median).
    """
    rng = np.random.default_rng(seed)
    rows = np.ones(n_clusters, dtype=int)
    rows[: round(repeated_share * n_clusters)] = 2
    code = np.repeat(np.arange(n_clusters), rows)
    ways = [
        (unit, clusters, interval)
        for unit, clusters in (("row", np.arange(len(code))), ("cluster", code))
        for interval in INTERVALS
    ]
    found = {way[::2]: [] for way in ways}
    for start in range(0, n_simulations, BLOCK):
        shape = (n_clusters, min(BLOCK, n_simulations - start))
        own = rng.standard_exponential(shape) - 1 if skewed else rng.standard_normal(shape)
        values = own[code] + 0.5 * rng.standard_normal((len(code), shape[1]))
        for unit, clusters, interval in ways:
            means = cluster_means(
                values, clusters, interval=interval, n_resamples=n_resamples, rng=rng
            )
            found[unit, interval].append(means)
    return pd.DataFrame(
        [
            {"unit": unit, "interval": interval} | _covered(pd.concat(means), 0.0)
            for (unit, interval), means in found.items()
        ]
    )


@step
def coverage_of_effects(
    *,
    n_targets: int,
    target_sd: float,
    guide_sd: float,
    n_simulations: int,
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Coverage of intervals of a mean effect in a screen, by what is resampled.

    Three guides a target, eight cells a guide, sixty controls, and normal variation between
    targets, between guides of a target, and between cells (standard deviation 1).

    Parameters
    ----------
    n_targets : int
    target_sd, guide_sd : float, at least 0
    n_simulations, n_resamples, seed : int

    Returns
    -------
    DataFrame
        `drawn`, `interval`, `covered`, `share` with Wilson's `low` and `high`, `width` (median).
    """
    rng = np.random.default_rng(seed)
    n_guides, n_cells, n_controls = 3, 8, 60
    target = np.repeat(np.arange(n_targets), n_guides * n_cells)
    guide = np.repeat(np.arange(n_targets * n_guides), n_cells)
    values = target_sd * rng.standard_normal((n_targets, n_simulations))[target]
    values += guide_sd * rng.standard_normal((n_targets * n_guides, n_simulations))[guide]
    values += rng.standard_normal(values.shape)
    values = np.vstack([values, rng.standard_normal((n_controls, n_simulations))])
    design = pd.DataFrame(
        {
            "perturbation": [f"target{t}" for t in target] + ["control"] * n_controls,
            "guide": [f"guide{g}" for g in guide] + ["non-targeting"] * n_controls,
        }
    )
    found = []
    for drawn, interval, arguments in (
        ("cells", "expanded", {"top": "cell"}),
        ("guides", "expanded", {"top": "guide"}),
        ("targets", "percentile", {}),
        ("targets", "expanded", {}),
        ("targets, guides and cells", "expanded", {"below": "resampled"}),
    ):
        effects = hierarchical_bootstrap(
            values,
            design,
            replicate=None,
            interval=interval,
            n_resamples=n_resamples,
            rng=rng,
            **arguments,
        )
        found.append({"drawn": drawn, "interval": interval} | _covered(effects, 0.0))
    return pd.DataFrame(found)


def _covered(found: pd.DataFrame, truth: float) -> dict:
    covered = int(((found["low"] <= truth) & (truth <= found["high"])).sum())
    low, high = wilson_interval(covered, len(found))
    return {
        "covered": covered,
        "n_simulations": len(found),
        "share": covered / len(found),
        "low": low,
        "high": high,
        "width": float((found["high"] - found["low"]).median()),
    }


def score_rows(results: dict[str, pd.DataFrame], *, seed: int) -> pd.DataFrame:
    """Results as rows of the score table, the way to resample as the model.

    Parameters
    ----------
    results : dict
        Of the name of a setting to a result of a step above.
    seed : int
    """
    tables = [
        scores.rows(
            task=TASK,
            dataset="simulated",
            model=result["drawn" if "drawn" in result else "unit"] + ", " + result["interval"],
            metric="interval_coverage",
            role="candidate",
            unit_kind="setting",
            unit=setting,
            seed=seed,
            n=result["n_simulations"],
            value=result["share"],
        )
        for setting, result in results.items()
    ]
    return pd.concat(tables, ignore_index=True)
