"""What is said of effects that are carried from one context to another."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import scores
from helpers.tasks.departures import Departure
from helpers.tasks.effects.held_out_report import by_little_said
from helpers.tasks.effects.transfer import REFERENCE, TASK, in_common
from helpers.tasks.findings import listed, subject, with_interval
from helpers.tasks.prediction_panel import DUPLICATE
from helpers.tasks.requirements import Requirement

NEEDS = (Requirement("in_common", 1, "perturbations that were made in two contexts"),)
COPIED = "copied change"

DEPARTURES = (
    Departure(
        "embedding of perturbations",
        "PCA of all conditions of the other screen",
        "the same, of the other contexts' training conditions",
        "design choice",
        "Nothing of the context that is scored is in it.",
    ),
    Departure(
        "same screen",
        "an embedding of the very cells that are scored is shown beside the others",
        "not run",
        "bug",
        "It knows the answer; the authors leave it out of their figure.",
    ),
    Departure(
        "baselines",
        "the mean of the training perturbations",
        "that, and the effect copied from the other context, without any model",
        "design choice",
        "Copying is what a biologist would do, and needs no fit.",
    ),
    Departure(
        "what is trained on",
        "the context that is scored",
        "nothing, that context, other contexts, and all together",
        "design choice",
        "Pooling can help or do harm, and a model cannot be judged without saying which.",
    ),
)


def available(screen, *, rest: bool = False) -> dict[str, int]:
    """Perturbations made in the same way in two contexts or more, with cells and controls.

    With `rest`, of contexts that were not perturbed as the one with most cells was.
    """
    return {"in_common": len(in_common(screen, rest=rest))}


def in_short(pairs: pd.DataFrame) -> str:
    """The answer of the page, of comparisons with the context's own mean."""
    own = pairs[pairs["role"] == "candidate"]
    if own.empty:
        return "No model was compared with the mean of the context."
    said, none = [], []
    for dataset, rows in own.groupby("dataset", sort=False):
        world = dataset.removeprefix("simulated: ")
        ahead = rows[rows["verdict"] == "better"]
        if ahead.empty and (slight := by_little_said(rows)):
            said.append(f"where {world}, {slight}")
            continue
        if ahead.empty:
            none.append(world)
            continue
        best = ahead.loc[ahead["difference"].idxmin()]
        by = with_interval(*best[["difference", "low", "high"]])
        said.append(f"where {world}, {subject(best['model'])} changes its error by {by}")
    if none:
        said.append(f"where {' or '.join(none)}, nothing is shown to be better than it")
    return f"Against the mean of the context's own perturbations: {'; '.join(said)}."


def pooling_said(rows: pd.DataFrame, dataset: str) -> str:
    """The error of the linear model, trained on all contexts and on one."""
    own = rows[(rows["dataset"] == dataset) & (rows["metric"] == "l2") & (rows["post"] == "raw")]
    by = own.groupby("model")["value"].mean()
    names = (
        "linear model, pooled",
        "linear model, P of other contexts",
        "linear model, own context",
    )
    together, carried, alone = (by.get(m, np.nan) for m in names)
    if np.isnan([together, carried, alone]).any():
        return "The linear model was not trained on both."
    return (
        f"The linear model has a mean error of {together:.2f} if trained on all contexts together, "
        f"of {carried:.2f} if trained on the context with the embedding of the others, and of "
        f"{alone:.2f} if trained on the context alone."
    )


def copying_said(pairs: pd.DataFrame, dataset: str) -> str:
    """What copying the effect is worth, against the mean of the context."""
    own = pairs[(pairs["dataset"] == dataset) & (pairs["model"] == COPIED)]
    if own.empty or not np.isfinite(own["difference"].iloc[0]):
        return "Copied changes were not compared."
    row = own.iloc[0]
    word = {
        "better": "is better than the mean of the context",
        "worse": "is worse than the mean of the context",
        "tied": "is tied with the mean of the context",
    }.get(row["verdict"], "is not told from the mean of the context")
    by = with_interval(*row[["difference", "low", "high"]])
    return f"Copying the change of the other context {word}; its error differs by {by}."


def context_rows(
    results: Mapping[tuple[str, int], pd.DataFrame], *, task: str = TASK
) -> pd.DataFrame:
    """Results of `copied_between_contexts` by data set and seed, as a score table."""
    roles = {"no change": "floor", DUPLICATE: "ceiling"}
    tables = [
        scores.rows(
            task=task,
            dataset=dataset,
            split="leave one context out",
            model=own["prediction"],
            metric=own["metric"],
            role=own["prediction"].map(lambda name: roles.get(name, "candidate")),
            unit_kind="perturbation",
            unit=own["context"] + ": " + own["perturbation"],
            cluster=own["perturbation"],
            seed=seed,
            n=own["n_cells"],
            value=own["value"],
        )
        for (dataset, seed), own in results.items()
    ]
    return pd.concat(tables, ignore_index=True)


def real_said(rows: pd.DataFrame) -> str:
    """How often a copied change is better than no change, and whether a duplicate is."""
    own = rows[rows["metric"] == "l2"]
    wide = own.pivot_table("value", "unit", "model", sort=False)
    if COPIED not in wide or "no change" not in wide:
        return "No perturbation was made in two contexts."
    n = len(wide)
    ahead = int((wide[COPIED] < wide["no change"]).sum())
    top = int((wide[DUPLICATE] < wide["no change"]).sum())
    n_perturbations = own["cluster"].nunique()
    few = (
        f" They are of {n_perturbations} perturbation{'s' if n_perturbations > 1 else ''}: a "
        "description, no test."
        if n_perturbations < 6
        else ""
    )
    return (
        f"A change copied from other contexts is nearer than no change for {ahead} of {n} pairs of "
        f"a context and a perturbation; other cells of the same one are for {top}.{few}"
    )


def no_effect_said(rows: pd.DataFrame) -> str:
    """How well changes of a screen reproduce, by its technical duplicates."""
    own = rows[(rows["metric"] == "pearson_delta") & rows["value"].notna()]
    by = own.groupby("model")["value"].mean()
    if DUPLICATE not in by:
        return "Whether changes reproduce could not be asked."
    top, copied = by[DUPLICATE], by.get(COPIED, np.nan)
    beside = "" if np.isnan(copied) else f"; copied changes with {copied:.2f}"
    text = f"Changes of two halves of the cells correlate with {top:.2f} on average{beside}"
    text = text.replace("-", "\N{MINUS SIGN}")
    return f"{text}. What does not reproduce cannot be carried over."


def lines_said(table: pd.DataFrame) -> str:
    """How well labels of one line name those of another, of means by pair of lines."""
    scored = table.dropna(subset=["auroc"])
    if scored.empty:
        return "No two lines share a labelled pair."
    best = scored.loc[scored["auroc"].idxmax()]
    worst = scored.loc[scored["auroc"].idxmin()]
    low, high = scored["known"].min(), scored["known"].max()
    return (
        f"Copied labels rank the perturbations of a gene with an AUROC of {worst['auroc']:.2f} "
        f"({worst['from']} to {worst['to']}) to {best['auroc']:.2f} ({best['from']} to "
        f"{best['to']}); {low:.0%} to {high:.0%} of the pairs have a label in the other line."
    )


def lines_table(results: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """Means over genes by pair of lines: `from`, `to`, `auroc`, `genes`, `known`."""
    return pd.DataFrame(
        [
            {
                "from": source,
                "to": line,
                "auroc": own["auroc"].mean() if len(own) else np.nan,
                "genes": len(own),
                "known": own["known"].iloc[0] if len(own) else np.nan,
            }
            for (source, line), own in results.items()
        ]
    )


def arms_table(results: Mapping[tuple[str, int], pd.DataFrame]) -> pd.DataFrame:
    """Mean error by world, what a model is trained on, and model."""
    table = pd.concat(
        [own.assign(dataset=dataset) for (dataset, _), own in results.items()], ignore_index=True
    )
    own = table[(table["metric"] == "l2") & ~table["imputed"]]
    wide = own.pivot_table(
        "value", ["trained on", "prediction"], "dataset", sort=False, dropna=False
    )
    wide = wide.dropna(how="all").rename(columns=lambda name: name.removeprefix("simulated: "))
    return wide.reset_index().rename_axis(columns=None).rename(columns={"prediction": "model"})


def blind_said(rows: pd.DataFrame, dataset: str) -> str:
    """What a model loses that is not told the context, and one that has shuffled names."""
    own = rows[(rows["dataset"] == dataset) & (rows["metric"] == "l2") & (rows["post"] == "raw")]
    by = own.groupby("model")["value"].mean()
    probes = {
        "blind to the context": "copied profile, blind to the context",
        "with shuffled labels": "copied change, shuffled labels",
    }
    if COPIED not in by:
        return "Copied changes were not scored."
    each = [f"{by[m]:.2f} {name}" for name, m in probes.items() if m in by]
    floor = f"; the mean of the context has {by[REFERENCE]:.2f}" if REFERENCE in by else ""
    return f"Copying has an error of {by[COPIED]:.2f}, and {listed(each)}{floor}."
