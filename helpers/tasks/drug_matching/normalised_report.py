"""What is said of NCS, tau and compounds beside WTCS."""

from collections.abc import Mapping

import pandas as pd

from helpers import scores
from helpers.summaries import group_means
from helpers.tasks.drug_matching.mechanism_report import METRIC, TASK
from helpers.tasks.drug_matching.normalised import ENOUGH_REFERENCES, RELATION, RULES
from helpers.tasks.findings import bracketed, listed, with_interval

FIRST = "WTCS"


def compound_rows(found: pd.DataFrame, *, dataset: str, seed: int, rules=RULES) -> pd.DataFrame:
    """Rows of the score table; of data with one signature a compound, rules are one: name it."""
    own = found[found["rule"].isin(rules)]
    one = len(rules) == 1
    model = own["kind"] if one else own["kind"] + ", " + own["rule"]
    return scores.rows(
        task=TASK,
        dataset=dataset,
        split=RELATION,
        model=model,
        metric=METRIC,
        role="candidate",
        unit_kind="signature",
        unit=own["well"].astype(str),
        cluster=own["compound"].astype(str),
        seed=seed,
        **own[["n", "value"]],
    )


def gaps(table: pd.DataFrame, *, n_resamples: int) -> pd.DataFrame:
    """Mean difference of each score from WTCS (the first rule), query by query.

    Returns
    -------
    DataFrame
        `model`, `mean`, `low`, `high` (over compounds), counts, and `other`, what it is less.
    """
    first = table.loc[table["model"].str.startswith(FIRST), "model"].iloc[0]
    base = table[table["model"] == first].set_index("unit")["value"]
    others = table[table["model"] != first]
    apart = others.assign(value=others["value"] - others["unit"].map(base))
    return group_means(apart, ["model"], n_resamples=n_resamples).assign(other=first)


def about_gaps(found: pd.DataFrame) -> str:
    """Whether a score finds compounds of one mechanism better than WTCS."""
    if found.empty:
        return "No compound has another one of its mechanism here."
    first = bracketed(found["other"].iloc[0])
    same = [bracketed(one.model) for one in found.itertuples() if one.low == one.high == 0]
    ranks = "rank" if len(same) > 1 else "ranks"
    says = [f"{listed(same)} {ranks} exactly as {first} does."] if same else []
    told = []
    for one in found[(found["low"] != 0) | (found["high"] != 0)].itertuples():
        word = "better" if one.low > 0 else "worse" if one.high < 0 else "not told apart"
        small = max(abs(one.low), abs(one.high)) < 0.0005
        ends = "below 0.001" if small else f"of {with_interval(one.mean, one.low, one.high, 3)}"
        told.append(f"{bracketed(one.model)} is {word}, a difference {ends}")
    says += [f"Compared with {first}, {'; '.join(told)}."] if told else []
    return " ".join(says)


def about_references(queries: Mapping[str, int]) -> str:
    """Whether tau has the reference queries that it needs; their number by what is queried."""
    told = listed(f"{n} reference queries {where}" for where, n in queries.items())
    if min(queries.values()) >= ENOUGH_REFERENCES:
        return f"tau has {told}."
    return f"tau has {told}; it is made for {ENOUGH_REFERENCES} or more, and is coarse with fewer."


def about_queries(table: pd.DataFrame, n: int) -> str:
    """How many of `n` compounds could be asked for others of their mechanism; score rows."""
    asked = table["cluster"].nunique()
    if asked == n:
        return f"All {n} compounds are queries."
    return f"{asked} of {n} compounds are queries; no other compound has a mechanism of the rest."
