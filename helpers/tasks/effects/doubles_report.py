"""What is said of predictions of two perturbations at once."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers.tasks.departures import Departure
from helpers.tasks.effects.doubles import REFERENCE
from helpers.tasks.effects.held_out_report import by_little_said, enough_cells
from helpers.tasks.findings import listed, with_interval
from helpers.tasks.prediction_panel import DUPLICATE
from helpers.tasks.requirements import FEWEST_COMBINATIONS, Requirement, pairs_with_members

NEEDS = (Requirement("pairs", 2, "pairs of genes perturbed together and each alone"),)

STRATA = ("both parts seen", "one part seen", "no part seen")
DEPARTURES = (
    Departure(
        "ceiling",
        "none: the error of the additive model is not compared with that of a measurement",
        "a technical duplicate, the other half of the cells of the same double",
        "design choice",
        "Most of an error can be counting noise; without a ceiling nobody knows what is left.",
    ),
    Departure(
        "validation",
        "doubles on which models were chosen are scored with the others",
        "what a model is chosen on is never scored",
        "bug",
        "Half of the scored doubles were seen, though not fitted, by the models that stop early.",
    ),
    Departure(
        "seeds",
        "one seed for the split and for the model",
        "the split and the start of a model have seeds of their own",
        "design choice",
        "Otherwise nobody can tell luck in the split from luck in the training.",
    ),
    Departure(
        "random numbers",
        "drawn before the data are loaded, so that a split depends on what the cache holds",
        "a split is made of sorted names and its own seed",
        "bug",
        "One number drawn before changes the doubles that are held out.",
    ),
    Departure(
        "linear model",
        "not run on doubles",
        "run, with the sum of the embeddings of the two perturbations",
        "design choice",
        "It needs no other part, and is the model that the paper defends.",
    ),
    Departure(
        "controls",
        "the same cells in predictions and in what they are compared with",
        "disjoint halves",
        "design choice",
        "An error that both sides share counts as agreement.",
    ),
)


def available(part) -> dict[str, int]:
    """Pairs of genes perturbed together and each alone."""
    return {"pairs": len(pairs_with_members(enough_cells(part)))}


def in_short(pairs: pd.DataFrame) -> str:
    """The answer of the page, of comparisons with the additive model in simulated worlds."""
    own = pairs[pairs["role"] == "candidate"]
    if own.empty:
        return "No model was compared with adding the single effects."
    better, little, not_ = [], [], []
    for dataset, rows in own.groupby("dataset", sort=False):
        world = dataset.removeprefix("simulated: ")
        ahead = rows[rows["verdict"] == "better"]
        if ahead.empty:
            slight = by_little_said(rows)
            little.extend([f" Where {world}, {slight}."] if slight else [])
            not_.extend([] if slight else [world])
            continue
        best = ahead.loc[ahead["difference"].idxmin()]
        by = with_interval(*best[["difference", "low", "high"]])
        better.append(f"{world}: {best['model']} changes the error by {by}")
    rest = f" Where {listed(not_)}, no model is shown to be better." if not_ else ""
    rest = "".join(little) + rest
    if not better:
        return (
            "In no simulated world is a model shown to predict two perturbations better, by as "
            f"much as matters, than adding their single effects.{rest}"
        )
    return f"Adding the single effects can be beaten where {'; '.join(better)}.{rest}"


def noise_said(rows: pd.DataFrame, world: str) -> str:
    """What error the additive model has where additivity is the truth, beside a measurement."""
    own = rows[(rows["dataset"] == world) & (rows["post"] == "raw")]
    by = own[own["metric"] == "l2"].groupby("model")["value"].mean()
    if REFERENCE not in by or DUPLICATE not in by or by[[REFERENCE, DUPLICATE]].isna().any():
        return "The additive model or the duplicate was not scored where effects add."
    nothing = by.get("no change", np.nan)
    share = "" if np.isnan(nothing) else f", {by[REFERENCE] / nothing:.0%} of that of no change"
    return (
        f"Where effects do add, the additive model still has an error of {by[REFERENCE]:.2f}"
        f"{share}, and other cells of the same double have {by[DUPLICATE]:.2f}: such an error is "
        "no sign of interactions."
    )


def shape_said(names: Sequence[str]) -> str:
    """Whether doubles are few, and how they hang together."""
    from scipy.sparse.csgraph import connected_components

    pairs = pairs_with_members(names)
    if not pairs:
        return "There is no double whose genes were perturbed alone too."
    parts = [set(p.split("+")) for p in pairs]
    shared = np.array([[bool(a & b) for b in parts] for a in parts])
    n = connected_components(shared, directed=False)[0]
    count = f"{len(pairs)} double{'s' if len(pairs) > 1 else ''}"
    if len(pairs) >= FEWEST_COMBINATIONS:
        return (
            f"{count} in {n} group{'s' if n > 1 else ''} that share no gene; half of them are "
            "learnt from."
        )
    hang = (
        "which hang together: each shares a gene with another, so that they are no independent "
        "units"
        if n == 1 and len(pairs) > 1
        else f"in {n} group{'s' if n > 1 else ''} that share no gene"
    )
    return (
        f"{count}, {hang}. Models learn from single perturbations only, and what follows is a "
        "description, without intervals."
    )


def real_said(rows: pd.DataFrame) -> str:
    """How many real doubles the additive model predicts better than no change and a duplicate."""
    own = rows[(rows["metric"] == "l2") & (rows["post"] == "raw")]
    wide = own.pivot_table("value", "unit", "model", sort=False)
    if REFERENCE not in wide or wide[REFERENCE].isna().all():
        return "The additive model predicts none of these doubles."
    n, said = len(wide), []
    for other in ("no change", "mean", DUPLICATE):
        if other in wide and other != DUPLICATE:
            said.append(f"{(wide[REFERENCE] < wide[other]).sum()} of {n} better than {other}")
        elif other in wide:
            said.append(f"{(wide[REFERENCE] < wide[other]).sum()} of {n} better than a duplicate")
    return f"Adding the single effects predicts {listed(said)} does."


def strata_said(rows: pd.DataFrame) -> str:
    """How the error of the best candidate grows as less of a double was seen, in one data set."""
    own = rows[(rows["metric"] == "l2") & (rows["post"] == "raw")]
    means = own.groupby(["split", "model"])["value"].mean()
    role = own.groupby("model")["role"].first()
    said = []
    for stratum in STRATA:
        if stratum not in means.index.get_level_values(0):
            continue
        there = means[stratum].dropna()
        there = there[role.reindex(there.index) == "candidate"]
        floor = means[stratum].get("mean", np.nan)
        if there.empty or np.isnan(floor):
            continue
        said.append(f"{there.min() / floor:.2f} with {stratum} ({there.idxmin()})")
    if not said:
        return "What was seen of a double cannot be told apart here."
    return (
        f"The least error of a model, floors left out, is, over that of the mean, {listed(said)}."
    )


def splits_said(table: pd.DataFrame) -> str:
    """What the published splits share."""
    n, again = int(table["held out"].sum()), int(table["in others"].sum())
    return (
        f"The {len(table)} published splits hold out {n} doubles in all, counted once for each "
        f"split; {again} of these are held out by another split, too, so that rows are not "
        f"independent. A held-out double shares a gene with {table['partners'].median():.0f} "
        "others of its split (median)."
    )
