"""Which task can be answered with which data set?"""

from collections.abc import Mapping

import pandas as pd

from helpers.tasks.catalogue import REQUIREMENTS, TIERS
from helpers.tasks.requirements import answer


def facts(screen, effects, relationships, *, replicate: str = "batch") -> pd.DataFrame:
    """Counts of each context of a screen that the requirements of all tasks name.

    Parameters
    ----------
    screen : AnnData of counts
    effects : DataFrame
        `context`, `unit` and `q_value` of the perturbations, from `screen_quality.quality`.
    relationships : DataFrame
        `gene_a`, `gene_b`, `database`.
    replicate : str
        Column of `obs`.

    Returns
    -------
    DataFrame indexed by context, sorted; one column of int a fact
    """
    counts = [
        tier.available(screen, effects, relationships, replicate=replicate)
        for tier in TIERS
        if tier.available
    ]
    table = pd.concat(counts, axis=1)
    return table.loc[:, ~table.columns.duplicated()]


def matrix(has: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tasks against data sets and their contexts.

    Parameters
    ----------
    has : mapping
        Of the data set's name to the result of `facts`.

    Returns
    -------
    DataFrame
        `dataset`, `context`, `task`, `verdict` (yes, power-limited or cannot), `n` (NaN unless
        power-limited), `answer` (verdict and n in words), `reason`; tasks in the catalogue's order.
    """
    rows = []
    for dataset, table in has.items():
        for context, counts in table.iterrows():
            for task, requirements in REQUIREMENTS.items():
                found = answer(requirements, counts.to_dict())
                rows.append(
                    {
                        "dataset": dataset,
                        "context": context,
                        "task": task,
                        "verdict": found.verdict,
                        "n": float("nan") if found.n is None else float(found.n),
                        "answer": str(found),
                        "reason": found.reason,
                    }
                )
    return pd.DataFrame(rows)


def answered(answers: pd.DataFrame) -> pd.DataFrame:
    """Tasks that `matrix` found answered, and with little power; contexts alike share a row."""
    said = answers.pivot_table(
        "task", ["dataset", "context"], "verdict", aggfunc="; ".join, sort=False
    )
    said = said.reindex(columns=["yes", "power-limited"]).fillna("none").reset_index()
    alike = said.groupby(["dataset", "yes", "power-limited"], sort=False)["context"]
    table = alike.agg(", ".join).rename("contexts").reset_index()
    table = table.rename(columns={"dataset": "data set"})
    return table[["data set", "contexts", "yes", "power-limited"]]


def missing(answers: pd.DataFrame) -> pd.DataFrame:
    """What `matrix` found missing or few, a row a data set and task.

    Returns
    -------
    DataFrame
        `data set`, `task`, `contexts` (the number in which it is so), and the first `reason` of the
        context with the fewest, with the number of its others.
    """
    rows = []
    for (dataset, task), own in answers[answers["reason"] != ""].groupby(
        ["dataset", "task"], sort=False
    ):
        first, *others = min(own["reason"].str.split("; "), key=len)
        more = f"; {len(others)} more" if others else ""
        rows.append([dataset, task, len(own), first + more])
    return pd.DataFrame(rows, columns=["data set", "task", "contexts", "reason"])
