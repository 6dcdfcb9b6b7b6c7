"""What is said of genetic interactions that models predict."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import scores
from helpers.metrics.effects.facts import METRICS
from helpers.tasks.departures import Departure
from helpers.tasks.effects.held_out_report import enough_cells
from helpers.tasks.effects.interactions import REFERENCE, ROLES, TASK
from helpers.tasks.findings import listed
from helpers.tasks.prediction_panel import DUPLICATE
from helpers.tasks.requirements import FEWEST_COMBINATIONS, Requirement, pairs_with_members

NEEDS = (
    Requirement("pairs", FEWEST_COMBINATIONS, "pairs of genes perturbed together and each alone"),
)
MATCHED = "interaction_auroc_matched"
NOTHING = "simulated: nothing interacts"
"""A world where all calls are false: to find them is no merit."""

DEPARTURES = (
    Departure(
        "what a score is compared with",
        "the deviation of a prediction, over all pairs of a double and a gene",
        "the same among genes of one additive magnitude, double by double",
        "design choice",
        "The deviation of no change is the additive effect itself: it finds what is large.",
    ),
    Departure(
        "direction",
        "not asked",
        "the share of interactions whose direction is predicted",
        "design choice",
        "A deviation of the wrong sign is counted as a find.",
    ),
    Departure(
        "area under precision and recall",
        "points sorted by precision",
        "average precision; the released form is kept beside it",
        "bug",
        "Sorted by precision the points of a curve change places.",
    ),
    Departure(
        "interactions",
        "called at a local false discovery rate of 5 %, named FDR",
        "the same, and the calls are held against what was planted",
        "paper-code discrepancy",
        "About one in a hundred calls is then false, not one in twenty.",
    ),
    Departure(
        "classes",
        "opposite effects cannot occur by their own condition",
        "by the sign and the size of the observed change",
        "bug",
        "See the page on calibration, which counts both.",
    ),
)


def available(part) -> dict[str, int]:
    """Pairs of genes perturbed together and each alone."""
    return {"pairs": len(pairs_with_members(enough_cells(part)))}


def score_rows(results: Mapping[tuple[str, int], dict]) -> pd.DataFrame:
    """Results of `interaction_scores` by data set and seed, as a score table."""
    tables = []
    for (dataset, seed), result in results.items():
        own = pd.DataFrame(result["scores"])
        tables.append(
            scores.rows(
                task=TASK,
                dataset=dataset,
                split="unseen doubles",
                model=own["model"],
                metric=own["metric"],
                role=own["model"].map(lambda name: ROLES.get(name, "candidate")),
                unit_kind="perturbation",
                unit=own["perturbation"],
                cluster=f"{dataset} {seed} " + own["perturbation"],
                seed=seed,
                n=own["n"],
                value=own["value"].astype(float),
            )
        )
    return pd.concat(tables, ignore_index=True)


def calls_table(results: Mapping[tuple[str, int], dict]) -> pd.DataFrame:
    """One row a screen: share called, power and false share against what was planted, null."""
    rows = [
        {
            "dataset": dataset,
            "pairs": r["n_pairs"],
            "called": r["called"],
            "power": np.nan if r["power"] is None else r["power"],
            "false": np.nan if r["fdp"] is None else r["fdp"],
            "null SD": r["null"]["sd"],
            "null share": r["null"]["null_share"],
        }
        for (dataset, _), r in results.items()
    ]
    return pd.DataFrame(rows)


def calls_said(table: pd.DataFrame, dataset: str) -> str:
    """How many planted interactions are called, and how many calls are false."""
    own = table[table["dataset"] == dataset]
    if own.empty or own["called"].isna().all():
        return "No interaction could be called."
    share = own["called"].mean()
    if own["power"].isna().all():
        if share < 1e-3:
            return f"{share:.3%} of pairs are called, less than one in a thousand."
        return f"{share:.2%} of pairs are called."
    false = own["false"].mean()
    beside = "no call is made" if np.isnan(false) else f"{false:.1%} of the calls are false"
    return (
        f"{share:.2%} of pairs are called; of the planted deviations {own['power'].mean():.0%} "
        f"are found, and {beside}."
    )


def in_short(pairs: pd.DataFrame, rows: pd.DataFrame) -> str:
    """The answer of the page, of comparisons with no change by the matched AUROC."""
    own = pairs[pairs["role"] == "candidate"] if len(pairs) else pairs
    if not len(own):
        return "No model was compared with no change: no interaction was called."
    said = []
    values = rows[rows["metric"] == MATCHED].groupby(["dataset", "model"])["value"].mean()
    for dataset, each in own.groupby("dataset", sort=False):
        world = dataset.removeprefix("simulated: ")
        scored = each[each["difference"].notna()]
        if scored.empty or dataset == NOTHING:
            said.append(f"where {world}, there is nothing to find")
            continue
        verdicts = set(scored["verdict"])
        found = scored[scored["verdict"] == "better"] if "better" in verdicts else scored
        best = found.loc[found["difference"].idxmax(), "model"]
        if "better" in verdicts:
            word = f"{best} finds interactions better than no change"
        elif verdicts == {"worse"}:
            word = "every model finds fewer interactions than no change"
        elif verdicts == {"tied"}:
            word = "every model is tied with no change"
        else:
            word = "no model is shown to find more than no change"
        floor, top = (values.get((dataset, name), np.nan) for name in (REFERENCE, DUPLICATE))
        beside = f", no change {floor:.2f}" if np.isfinite(floor) else ""
        beside += f", a technical duplicate {top:.2f}" if np.isfinite(top) else ""
        said.append(
            f"where {world}, {word} (the AUROC of {best} among genes of one magnitude is "
            f"{values[dataset, best]:.2f}{beside})"
        )
    text = "; ".join(said) + "."
    return text[0].upper() + text[1:]


def magnitude_said(rows: pd.DataFrame, dataset: str) -> str:
    """What of no change's success is magnitude alone."""
    by = rows[rows["dataset"] == dataset].groupby(["metric", "model"])["value"].mean()
    plain = by.get(("interaction_auroc", REFERENCE), np.nan)
    matched = by.get((MATCHED, REFERENCE), np.nan)
    if np.isnan([plain, matched]).any():
        return "No interaction was called: no change cannot be judged."
    head = f"By the published score no change has an AUROC of {plain:.2f}"
    if plain <= 0.55:
        return f"{head}: it finds little here."
    if matched - 0.5 < 0.5 * (plain - 0.5):
        return f"{head}; among genes of one magnitude {matched:.2f} is left: most of it is size."
    return f"{head}, and {matched:.2f} among genes of one magnitude."


def direction_said(rows: pd.DataFrame, dataset: str) -> str:
    """Which models name the direction of interactions."""
    own = rows[(rows["dataset"] == dataset) & (rows["metric"] == "interaction_direction")]
    means = own.groupby("model")["value"].mean().dropna()
    if means.empty:
        return "No direction could be judged."
    above = means[(means > 0.55) & (means.index != DUPLICATE)].sort_values(ascending=False)
    top = f"; a technical duplicate {means[DUPLICATE]:.2f}" if DUPLICATE in means else ""
    each = "no model"
    if len(above):
        each = listed(f"{model} ({value:.2f})" for model, value in above.items())
    return (
        f"The direction is right for more than 55 % of the interactions by {each}, where 0.50 is "
        f"chance{top}."
    )


def fitness_said(table: pd.DataFrame) -> str:
    """Whether fitness of pairs adds up."""
    by = table.set_index("quantity")["value"]
    return (
        f"The fitness of {int(table['n'].iloc[0]):,} pairs follows the sum of both with a "
        f"correlation of {by['correlation of fitness with the sum']:.2f}; the best multiple of the "
        f"sum is {by['best multiple of the sum']:.2f}, where 1 is additive."
    )


def metric_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Models x metrics, means over doubles."""
    order = [m for m in METRICS if m in set(rows["metric"])]
    table = rows.pivot_table("value", ["dataset", "model"], "metric", dropna=False, sort=False)
    return table[order].dropna(how="all").reset_index().rename_axis(columns=None)
