"""What the standings of a tier come to, in sentences and a table."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from helpers.metrics.facts import Metric
from helpers.plots.small import strip
from helpers.stats import MIN_UNITS
from helpers.tasks.results import parts_in_words, task_in_words
from helpers.tasks.standings import BETTER, NO_FLOOR, TIED, TOO_FEW, UNDECIDED, WORSE

VERDICTS = {
    BETTER: "above the floor",
    WORSE: "below the floor",
    TIED: "no better than the floor",
    UNDECIDED: "undecided",
    TOO_FEW: "too few independent units to say",
    NO_FLOOR: "no floor to compare with",
}
_MOST = 4  # models named in the sentence


def by_answer(found: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Settings that could be compared with a floor, and those that cannot say."""
    silent = found["verdict"].isin([TOO_FEW, NO_FLOOR])
    return found[~silent], found[silent]


def in_short(found: pd.DataFrame) -> str:
    """The tier in two or three sentences."""
    if found.empty:
        return "No task of this tier was scored with a model in this build."
    compared, silent = by_answer(found)
    left = len(silent)
    if compared.empty:
        few, none = ((silent["verdict"] == why).sum() for why in (TOO_FEW, NO_FLOOR))
        return (
            f"No model is compared with a floor here: of {_settings(left)} {few} have too few "
            f"independent units (a comparison of one model takes {MIN_UNITS}, one of several more, "
            f"as all are corrected for), and {none} have no floor. What can be said is on the "
            "pages of the tasks."
        )
    above = compared[compared["verdict"] == BETTER]
    asked = _settings(len(compared))
    parts = [f"In {len(above)} of {asked} the best model is above the best floor"]
    for verdict, said in [
        (TIED, "in {} it is no better"),
        (WORSE, "in {} it is below"),
        (UNDECIDED, "{} undecided"),
    ]:
        if n := int((compared["verdict"] == verdict).sum()):
            parts.append(said.format(n))
    rest = f" {left} more cannot say: too few independent units, or no floor." if left else ""
    return f"{'; '.join(parts)}.{rest}{_winners(above)}{_ways(above)}"


def in_short_by_kind(found: pd.DataFrame, real: Iterable[str]) -> str:
    """`in_short` of real data and of simulated, each for itself; `real` names the data sets."""
    there = found["dataset"].isin(set(real))
    parts = {"Real data": found[there], "Simulated": found[~there]}
    told = [f"{kind}: {_lower(in_short(own))}" for kind, own in parts.items() if len(own)]
    return " ".join(told) or in_short(found)


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def _settings(n: int) -> str:
    return f"{n} setting{'s' if n != 1 else ''} (a task on a data set)"


def _winners(above: pd.DataFrame) -> str:
    if above.empty:
        return ""
    counts = above["best"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    if len(counts) == 1:
        return f" The best model is always {counts.index[0]}."
    named = [f"{name} in {n}" for name, n in counts.iloc[:_MOST].items()]
    more = counts.iloc[_MOST:].sum()
    named += [f"others in {more}"] if more else []
    return f" Where one is above, the best is {'; '.join(named)}."


def _ways(above: pd.DataFrame) -> str:
    known = above["place"].dropna()
    if known.empty:
        return ""
    if len(known) == 1:
        return f" The one with a ceiling goes {known.iloc[0]:.0%} of the way from the floor to it."
    return (
        f" Of those, {len(known)} have a ceiling: the best model goes {known.median():.0%} of the "
        "way from the floor to it (median)."
    )


def shown(found: pd.DataFrame, metrics: Mapping[str, Metric]) -> pd.DataFrame:
    """The standings as a page shows them, a row a setting.

    Where no setting has a place between floor and ceiling, or none was compared, nothing is said of
    it.
    """
    task = [task_in_words(*row) for row in zip(found["task"], found["page"], strict=True)]
    above = zip(found["n_above"], found["n_models"], strict=True)
    table = pd.DataFrame(
        {
            "task": task,
            "data set": parts_in_words(found, ["dataset", "split", "setting"]),
            "best model": found["best"],
            "place": found["place"],
            "against the best floor": found["verdict"].map(VERDICTS),
            "models above it": [f"{some} of {n}" for some, n in above],
            "mean": found["at best"],
            "best floor": found["floor"].replace("", "none"),
            "at floor": found["at floor"],
            "ceiling": found["ceiling"].replace("", "none"),
            "at ceiling": found["at ceiling"],
            "units": found["n_units"],
            "independent": found["n_clusters"],
            "metric": [metrics[name].title for name in found["metric"]],
            "protocol": parts_in_words(found, ["protocol", "post"]),
        }
    )
    if by_answer(found)[0].empty:
        table = table.drop(columns=["models above it"])
    return table.drop(columns=["place"] if table["place"].isna().all() else [])


def strips(found: pd.DataFrame) -> list[str]:
    """The small figure of each row: the best model as a dot, the others as strokes; or nothing."""
    return [
        strip({best: place} | others, low=np.nan, high=np.nan) if np.isfinite(place) else ""
        for best, place, others in zip(found["best"], found["place"], found["others"], strict=True)
    ]
