"""What the foundations answer: what is wrong before any model is fitted."""

import numpy as np
import pandas as pd

from helpers.summaries import group_means
from helpers.tasks.findings import Finding, with_interval
from helpers.tasks.requirements import CannotAnswer


def shared_controls(tables, *, n_resamples: int, seed: int) -> str:
    """Correlation of effects that do not exist, with shared controls and with disjoint ones."""
    table = tables["foundations/data"]
    own = table[(table["dataset"] == "simulated") & (table["metric"] == "effect_correlation")]
    if own.empty:
        raise CannotAnswer("no correlation of effects was scored")
    found = group_means(own, ["model"], n_resamples=n_resamples, rng=seed).set_index("model")
    return about_controls(found)


def about_controls(found: pd.DataFrame) -> str:
    """The sentence, of the means `mean`, `low`, `high` of both ways to choose controls."""
    shared, disjoint = (found.loc[f"{how} controls"] for how in ("shared", "disjoint"))
    by_shared, by_disjoint = (
        with_interval(*row[["mean", "low", "high"]], 3) for row in (shared, disjoint)
    )
    says = (
        f"effects that do not exist correlate by {by_shared} where they are measured against the "
        f"same controls, and by {by_disjoint} where controls are disjoint."
    )
    if np.isnan(shared["low"]) or np.isnan(disjoint["high"]):
        return f"Too few draws were made to say: {says}"
    return ("Yes: " if shared["low"] > disjoint["high"] else "It is not shown here: ") + says


FINDINGS = (
    Finding(
        "Do shared controls make unrelated effects agree?",
        "foundations/data",
        ("foundations/data",),
        shared_controls,
        "a simulated screen without effects, and few controls",
        "more controls, or another way to share them out",
    ),
)
