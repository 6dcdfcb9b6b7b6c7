"""Where the best model of each task stands: above the best floor, or not, and how near the top."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from helpers.comparisons import compare, equivalence_margin
from helpers.metrics.facts import Metric
from helpers.stats import MIN_UNITS
from helpers.tasks.results import GROUP, declared_rows

_UNIT = ["cluster", "unit", "seed"]
MODELS = ("candidate", "reported")
BETTER, WORSE, TIED, UNDECIDED = "better", "worse", "tied", "undecided"
TOO_FEW, NO_FLOOR = "too few", "no floor"
COLUMNS = [
    *("page", "task", "metric", "dataset", "split", "protocol", "post", "setting"),
    *("best", "at best", "floor", "at floor", "ceiling", "at ceiling", "place", "others"),
    *("verdict", "n_models", "n_above", "n_units", "n_clusters"),
]


def standings(
    tiers: Iterable, tables: Mapping[str, pd.DataFrame], *, n_resamples: int, seed: int
) -> pd.DataFrame:
    """Of each setting: the best model, and whether it knows more than what knows nothing.

    Parameters
    ----------
    tiers : iterable of Tier
        Their primary metrics and declared settings choose the rows, as in `results.results`.
    tables : mapping
        Of chapter to its score table.
    n_resamples, seed : int
        Of the comparisons.

    Returns
    -------
    DataFrame, a row each setting that has a model, in the order of the book
        What names it; `best`, the model whose mean is best on units that all have, and its mean;
        the best floor and ceiling on the same units, empty where there is none; `place`, the way
        of the best model from the floor (0) to the ceiling (1), NaN without both, and `others`,
        a dict of the places of the other models. `verdict` on the best model against the best
        floor: "better", "worse", "tied" or "undecided" (`compare`, corrected for all models of the
        setting; tied: within a tenth of the way to the ceiling), "too few" clusters for any of
        them, or "no floor". `n_above`, models that are better than the best floor.

    Notes
    -----
    The best of several models is compared, which errs for the models; all of them are corrected
    for, and the best of several floors errs against them.
    """
    found = []
    for tier in tiers:
        own = {name: t for name, t in tables.items() if name.split("/")[0] == tier.name}
        for task, metric in tier.primary.items():
            rows = declared_rows(own, task, metric, tier.declared)
            for _, group in rows.groupby([c for c in GROUP if c in rows], sort=False):
                fact = tier.metrics[group["metric"].iloc[0]]
                if one := _standing(group, fact, n_resamples, seed):
                    found.append({c: group[c].iloc[0] for c in GROUP if c in group} | one)
    return pd.DataFrame(found, columns=COLUMNS)


def _standing(rows: pd.DataFrame, fact: Metric, n_resamples: int, seed: int) -> dict:
    """The best model of one setting; nothing where no model was scored."""
    rows = rows[rows["value"].notna()]
    role = rows.groupby("model")["role"].first()
    # a model with several values of a unit, of draws, say, has their mean
    wide = rows.pivot_table(
        index=_UNIT, columns="model", values="value", aggfunc="mean", sort=False
    )
    models = [m for m in wide if role[m] in MODELS]
    if not models:
        return {}
    sign = 1 if fact.better == "higher" else -1

    def best(names: list[str], values: pd.DataFrame) -> str:
        return (sign * values[names].mean()).idxmax() if names else ""

    ends = {one: best([m for m in wide if role[m] == one], wide) for one in ("floor", "ceiling")}
    known = wide[[*models, *filter(None, ends.values())]].dropna()
    if known.empty:  # roles score different units: each on its own
        known = wide
    winner = best(models, known)
    at = {name: known[name].mean() if name else np.nan for name in (winner, *ends.values())}
    floor, ceiling = (at[ends[one]] for one in ("floor", "ceiling"))
    way = ceiling - floor
    place = {m: (known[m].mean() - floor) / way if way else np.nan for m in models}
    verdict, n_above = _verdict(known, models, winner, ends, fact, n_resamples, seed)
    return {
        "best": winner,
        "at best": at[winner],
        **{"floor": ends["floor"], "at floor": floor},
        **{"ceiling": ends["ceiling"], "at ceiling": ceiling},
        "place": place.pop(winner),
        "others": place,
        "verdict": verdict,
        "n_models": len(models),
        "n_above": n_above,
        "n_units": len(known),
        "n_clusters": known.index.get_level_values("cluster").nunique(),
    }


def _verdict(known, models, winner, ends, fact, n_resamples, seed) -> tuple[str, int]:
    """On the best model against the best floor; how many models are better than that floor."""
    if not ends["floor"]:
        return NO_FLOOR, 0
    table = known[[*models, ends["floor"]]].dropna()
    clusters = table.index.get_level_values("cluster").to_numpy()
    if len(set(clusters)) < MIN_UNITS:
        return TOO_FEW, 0
    apart = [known[name].mean() for name in ends.values() if name]
    margin = equivalence_margin(*apart) if len(set(apart)) == 2 else 0.0
    pairs = compare(
        table.reset_index(drop=True),
        clusters,
        better=fact.better,
        margin=margin,
        reference=ends["floor"],
        n_resamples=max(n_resamples, 20 * len(models)),
        rng=np.random.default_rng(seed),
    ).set_index("model")
    verdict = pairs.loc[winner, "verdict"]
    if verdict == UNDECIDED and pairs.loc[winner, "least_p_holm"] > 0.05:
        verdict = TOO_FEW
    return verdict, int((pairs["verdict"] == BETTER).sum())
