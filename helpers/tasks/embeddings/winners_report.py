"""What is said of leaders: who they are, and whether another choice moves a conclusion."""

import numpy as np
import pandas as pd

from helpers.tasks.embeddings.winners import UNCOMPARED

FATES = ("leads", "tied", "undecided", "behind", UNCOMPARED)
"""What becomes of a leader when a choice is made otherwise."""


def leaders(standing: pd.DataFrame) -> pd.DataFrame:
    """The best candidate of each task, and those that are not told from it.

    Parameters
    ----------
    standing : DataFrame
        Of `summary.standings`, of several tasks.

    Returns
    -------
    DataFrame
        `task`, `best`, `standing`, `not told from it`: names, tied or undecided; "none"; or
        `UNCOMPARED` where there is too little to compare. A task in which no candidate was scored
        has no row.
    """
    rows = []
    candidates = standing[(standing["role"] == "candidate") & standing["standing"].notna()]
    for task, own in candidates.groupby("task", sort=False):
        best = own.loc[own["standing"].idxmax()]
        others = [
            model
            for model, group in zip(own["model"], own["group"], strict=True)
            if model != best["model"] and set(best["group"] or "") & set(group or "")
        ]
        said = "; ".join(others) or ("none" if best["group"] else UNCOMPARED)
        rows.append([task, best["model"], best["standing"], said])
    return pd.DataFrame(rows, columns=["task", "best", "standing", "not told from it"])


def about_leaders(table: pd.DataFrame) -> str:
    """How many names lead, and how far from the truth they are; `table` of `leaders`."""
    if table.empty:
        return "No candidate was scored in any task."
    low, high = table.loc[table["standing"].idxmin()], table.loc[table["standing"].idxmax()]
    n_tasks, n_names = len(table), table["best"].nunique()
    alone = table.loc[table["not told from it"] == "none", "task"]
    lead = (
        f"One name leads all {n_tasks} tasks"
        if n_names == 1
        else f"{n_names} names lead {n_tasks} tasks"
    )
    told = (
        f"a leader is told from all others in {', '.join(alone)}"
        if len(alone)
        else "in none of them is the leader told from all others"
    )
    return (
        f"{lead}, and {told}. The best of a task covers {low['standing']:.2f} ({low['task']}) to "
        f"{high['standing']:.2f} ({high['task']}) of the way from floor to truth."
    )


def what_choices_move(changed: pd.DataFrame) -> str:
    """Whether another choice moves a name, or a conclusion; `changed` of `same_winner`."""
    if changed.empty:
        return "No chapter varied a choice."
    pairs = changed[~changed["declared"]].groupby(["task", "choice"], sort=False)
    fate = pairs["leader"].agg(set)
    names = changed.groupby(["task", "choice"], sort=False)["best"].nunique()
    says = [
        f"In {int((names > 1).sum())} of {len(names)} pairs of task and choice the name at the top "
        "changes."
    ]
    behind = fate[[("behind" in found) for found in fate]]
    open_ = fate[[("behind" not in f) and bool({"undecided", UNCOMPARED} & f) for f in fate]]
    if len(behind):
        says.append(
            f"In {len(behind)} the old leader falls behind ({_named(behind)}): there the choice "
            "makes the conclusion."
        )
    if len(open_):
        says.append(
            f"In {len(open_)} it is open whether it falls behind ({_named(open_)}): the data do "
            "not show that the choice does not matter."
        )
    if not len(behind) and not len(open_):
        says.append(
            "Everywhere the old leader leads or is tied with the new one: these choices move "
            "names, not conclusions."
        )
    return " ".join(says)


def by_choice(changed: pd.DataFrame) -> pd.DataFrame:
    """What becomes of a declared leader under the other settings of each choice, counted.

    Returns
    -------
    DataFrame
        A row a task and `leader` (under the declared setting), a column a choice: such as
        "1 leads, 2 tied", empty where a chapter did not vary it.
    """
    rows = {}
    for (task, choice), own in changed.groupby(["task", "choice"], sort=False):
        first = own.loc[own["declared"], "best"]
        counts = own.loc[~own["declared"], "leader"].value_counts()
        said = ", ".join(f"{counts[fate]} {fate}" for fate in FATES if fate in counts)
        rows.setdefault((task, first.iloc[0] if len(first) else "none"), {})[choice] = said
    table = pd.DataFrame([{"task": t, "leader": m, **said} for (t, m), said in rows.items()])
    return table.fillna("")


def _named(fate: pd.Series) -> str:
    return "; ".join(f"{task} by {choice}" for task, choice in fate.index)


def shown(changed: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """`same_winner` as the page shows it; `names` replace those of settings."""

    def count(column):
        return [
            UNCOMPARED if said == UNCOMPARED else f"{len(said.split('; ')) if said else 0} of {n}"
            for said, n in zip(changed[column], changed["n_models"] - 1, strict=True)
        ]

    return pd.DataFrame(
        {
            "task": changed["task"],
            "choice": changed["choice"],
            "chosen": changed["chosen"].replace(names)
            + np.where(changed["declared"], " (declared)", ""),
            "best": changed["best"],
            "tied with it": count("tied"),
            "undecided": count("undecided"),
            "leader as declared": changed["leader"],
        }
    )
