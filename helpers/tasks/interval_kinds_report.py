"""What is said of intervals and tests by the kind of data: tables and sentences."""

import numpy as np
import pandas as pd

from helpers.tasks.findings import with_interval
from helpers.tasks.interval_kinds import KINDS, LEVEL, SIZES

CANNOT = "cannot"
PROMISED = 0.95
SHORT = 0.90
"""A 95 % interval that holds the truth less often than this is called too short."""


def coverage_table(found: pd.DataFrame) -> pd.DataFrame:
    """Result of `coverage_by_kind`: intervals and data down, units across, *cannot* where none."""
    rows = []
    for (interval, data), own in found.groupby(["interval", "data"], sort=False):
        share = own.set_index("n")["share"]
        cells = {f"n = {n}": _percent(share[n]) for n in SIZES}
        rows.append({"interval": interval, "data": data} | cells)
    table = pd.DataFrame(rows)
    order = list(dict.fromkeys(table["interval"]))
    by = table["interval"].map(order.index), table["data"].map(list(KINDS).index)
    return table.iloc[np.lexsort(by[::-1])].reset_index(drop=True)


def in_short(coverage: pd.DataFrame) -> str:
    """How often the book's intervals of means, and plain ones, hold the truth of few clusters.

    Parameters
    ----------
    coverage : DataFrame
        Of `interval_coverage.coverage_of_means`: `unit`, `interval`, `share`, `low`, `high`.
    """
    of_clusters = coverage[(coverage["unit"] == "cluster") & coverage["share"].notna()]
    by = of_clusters.set_index("interval")[["share", "low", "high"]]
    if "studentised" not in by.index:
        return "How often an interval holds the truth was not simulated."
    _, low, high = by.loc["studentised"]
    kept = "where 95 % are promised"
    if np.isnan(low) or np.isnan(high):
        kept = f"{kept}; so few simulations do not say whether that is kept"
    elif high < PROMISED:
        kept = f"fewer than the {PROMISED:.0%} that are promised"
    elif low > PROMISED:
        kept = f"more than the {PROMISED:.0%} that are promised"
    said = f"Bootstrap-t intervals hold the truth in {_share(by.loc['studentised'])}, {kept}"
    if "percentile" not in by.index:
        return f"{said}."
    return f"{said}; plain percentile intervals in {_share(by.loc['percentile'])}."


def _share(row: pd.Series) -> str:
    return f"a share of {with_interval(*row[['share', 'low', 'high']], 3)}"


def error_table(found: pd.DataFrame) -> pd.DataFrame:
    """Result of `errors_of_comparisons`, *cannot* where no flip of signs could be called."""
    return pd.DataFrame(
        {
            "data": found["data"],
            "units": found["n"],
            "told apart": found["called"].map(_percent),
            "of these, first model better": [
                _percent(a) if c > 0 else "none"
                for a, c in zip(found["above"], found["called"], strict=True)
            ],
        }
    )


def _percent(share: float) -> str:
    return CANNOT if np.isnan(share) else f"{100 * share:.0f} %"


def says_coverage(found: pd.DataFrame, interval: str) -> str:
    """For which data and numbers of units an interval is too short, as a sentence."""
    own = found[(found["interval"] == interval) & found["share"].notna()]
    if own.empty:
        return f"{interval}: never stated here"
    # Simulated shares err; what may be chance is not said.
    short = own[own["high"] < SHORT]
    if short.empty:
        return f"{interval}: in no setting clearly below {SHORT:.0%}"
    parts = []
    for data, group in short.groupby("data", sort=False):
        worst = group.loc[group["share"].idxmin()]
        parts.append(
            f"{data} (down to {worst['share']:.0%}, with {worst['n']} units{_still(group, own)})"
        )
    return f"{interval}: too short for {'; '.join(parts)}"


def _still(group: pd.DataFrame, own: pd.DataFrame) -> str:
    most = own["n"].max()
    last = group[group["n"] == most]
    if last.empty or most == group.loc[group["share"].idxmin(), "n"]:
        return ""
    return f", with {most} still {last['share'].iloc[0]:.0%}"


def says_disasters(found: pd.DataFrame) -> str:
    """What rare disasters do to the paired test, as a sentence."""
    own = found[(found["data"] == "rare disasters") & found["called"].notna()]
    limit = 2 * LEVEL
    beyond = own[own["called"] > limit]
    if beyond.empty:
        return (
            f"With rare disasters the test calls no more than {own['called'].max():.0%} of "
            "comparisons of models that are equal on average"
        )
    worst = beyond.loc[beyond["called"].idxmax()]
    last = beyond.iloc[-1]
    until = f", with {last['n']} still {last['called']:.0%}" if last["n"] != worst["n"] else ""
    share = worst["above"]
    for_whom = (
        f"{share:.0%} of these calls are for the model whose disasters were not drawn. So the test "
        "does not err on the side of undecided: it is too sure, in favour of who has been lucky"
        if share > 0.5
        else f"{1 - share:.0%} of these calls are against the model that has disasters. So the "
        "test is too sure"
    )
    return (
        "With rare disasters, models that are equal on average are told apart in "
        f"{worst['called']:.0%} of comparisons of {worst['n']} units{until}. "
        f"With {worst['n']} units {for_whom}"
    )


def says_others(found: pd.DataFrame) -> str:
    """Whether the paired test keeps its level on the other kinds of data, as a sentence."""
    own = found[(found["data"] != "rare disasters") & found["called"].notna()]
    high = own[own["called"] > 2 * LEVEL]
    if high.empty:
        return (
            f"On data of the other kinds it calls at most {own['called'].max():.0%}, where 5 % are "
            "promised"
        )
    named = (f"{row.data}, {row.n} units ({row.called:.0%})" for row in high.itertuples())
    said = f"It calls more than twice the promised 5 % as well for {'; '.join(named)}"
    rest = own.drop(high.index)["called"]
    return said if rest.empty else f"{said}; elsewhere at most {rest.max():.0%}"
