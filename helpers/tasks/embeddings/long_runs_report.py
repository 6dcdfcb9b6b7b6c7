"""What is said of scVI as its users train it, beside the book's training."""

import numpy as np
import pandas as pd

from helpers.store.kept import Kept
from helpers.tasks.embeddings.long_runs import DIMENSIONS, OURS, USERS
from helpers.tasks.findings import with_interval
from helpers.words import Words


def by_training(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over seeds of each training."""
    groups = table.groupby(["training", "n_latent"], sort=False)
    return pd.DataFrame(
        {
            "cells named right": groups["top1"].mean(),
            "sd over seeds": groups["top1"].std(ddof=1),
            "seeds": groups["top1"].count(),
            "epochs": groups["n_epochs"].mean(),
        }
    ).reset_index(names=["training", "dimensions"])


def gap(table: pd.DataFrame, n_latent: int) -> pd.Series:
    """Users' training less the book's: `mean`, `low`, `high` (Welch's interval over seeds, 95 %).

    NaN ends with fewer than two seeds of each, all NaN where one was not scored.
    """
    from scipy.stats import ttest_ind

    own = table[table["n_latent"] == n_latent].dropna(subset=["top1"])
    theirs, ours = (own.loc[own["training"] == t, "top1"].to_numpy() for t in (USERS, OURS))
    found = pd.Series(np.nan, ["mean", "low", "high"])
    if len(theirs) and len(ours):
        found["mean"] = theirs.mean() - ours.mean()
    if min(len(theirs), len(ours)) > 1:
        # equal values of all seeds have no spread, and an interval of no width
        spread = theirs.std() + ours.std() > 0
        ends = ttest_ind(theirs, ours, equal_var=False).confidence_interval() if spread else None
        found[["low", "high"]] = [found["mean"]] * 2 if ends is None else [ends.low, ends.high]
    return found


_NAME = {USERS: f"{USERS} name", OURS: f"{OURS} names"}


def about_trainings(kept: Kept | None) -> Words:
    """Whether users' defaults and the book's training differ by more than seeds do.

    The answer first: whether the defaults name a larger share of cells right, which would say that
    the book's training is too brief.
    """
    if kept is None:
        return "Whether they differ by more than seeds do is not answered here."
    table, said, ahead = kept.table, [], []
    for n_latent in DIMENSIONS:
        found = gap(table, n_latent)
        if found["high"] < 0:
            found = pd.Series(
                {"mean": -found["mean"], "low": -found["high"], "high": -found["low"]}
            )
            ahead.append(OURS)
        else:
            ahead.append(USERS if found["low"] > 0 else "")
        value = f"{with_interval(*found, 3)} of the cells"
        if np.isnan(found["mean"]):
            said.append(f"With {n_latent} dimensions they were not both scored.")
        elif np.isnan(found["low"]):
            said.append(f"With {n_latent} dimensions one seed cannot tell: {value}.")
        elif ahead[-1]:
            said.append(f"With {n_latent} dimensions {_NAME[ahead[-1]]} more right, by {value}.")
        else:
            said.append(
                f"With {n_latent} dimensions it is undecided which names more right: {USERS} less "
                f"{OURS} is {value}."
            )
    head = "It is not shown."
    if USERS in ahead:
        head = "Yes." if set(ahead) == {USERS} else "In part."
    elif set(ahead) == {OURS}:
        head = "No."
    return " ".join([head, *said])
