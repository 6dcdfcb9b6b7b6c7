"""What is said of NCS, tau and compounds beside WTCS."""

import pandas as pd

from helpers import scores
from helpers.summaries import group_means
from helpers.tasks.drug_matching.mechanism_report import METRIC, TASK
from helpers.tasks.drug_matching.normalised import ENOUGH_REFERENCES, RELATION, RULES
from helpers.tasks.findings import with_interval

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
        `model`, `mean`, `low`, `high` (over compounds), and counts.
    """
    first = table.loc[table["model"].str.startswith(FIRST), "model"].iloc[0]
    base = table[table["model"] == first].set_index("unit")["value"]
    others = table[table["model"] != first]
    apart = others.assign(value=others["value"] - others["unit"].map(base))
    return group_means(apart, ["model"], n_resamples=n_resamples)


def about_gaps(found: pd.DataFrame) -> str:
    """Whether a score finds compounds of one mechanism better than WTCS."""
    if found.empty:
        return "No compound has another one of its mechanism here."
    same = [one.model for one in found.itertuples() if one.low == one.high == 0]
    says = [f"{' and '.join(same)} ranks exactly as WTCS does."] if same else []
    for one in found[~found["model"].isin(same)].itertuples():
        word = "better" if one.low > 0 else "worse" if one.high < 0 else "not told apart"
        ends = with_interval(one.mean, one.low, one.high, 3).replace("-", "\N{MINUS SIGN}")
        says.append(f"{one.model} less WTCS: {ends}, {word}.")
    return " ".join(says)


def about_references(n: int) -> str:
    """Whether tau has the reference queries that it needs."""
    if n >= ENOUGH_REFERENCES:
        return f"tau has {n} reference queries."
    return (
        f"tau has {n} reference queries; it is made for {ENOUGH_REFERENCES} or more, and is coarse "
        "here."
    )
