"""What is said of retrieval on drug signatures."""

import pandas as pd

from helpers import scores
from helpers.summaries import group_means
from helpers.tasks.drug_matching.mechanism import FLOORS, SCORERS
from helpers.tasks.findings import with_interval

TASK = "signature-retrieval"
METRIC = "retrieval_auroc"


def retrieval_rows(found: pd.DataFrame, *, dataset: str, seed: int) -> pd.DataFrame:
    """Rows of the score table; wells of one compound are resampled together."""
    return scores.rows(
        task=TASK,
        dataset=dataset,
        split=found["relation"],
        model=found["model"],
        metric=METRIC,
        role=["floor" if model in FLOORS else "candidate" for model in found["model"]],
        unit_kind="signature",
        unit=found["well"].astype(str),
        cluster=found["compound"].astype(str),
        seed=seed,
        **found[["n", "value"]],
    )


def means_of(table: pd.DataFrame, *, n_resamples: int) -> pd.DataFrame:
    """Means over signatures by relation (`split`) and model, intervals over compounds."""
    return group_means(table, ["split", "model"], n_resamples=n_resamples)


def about_relation(means: pd.DataFrame, relation: str) -> str:
    """Whether signatures find one relation, and whether a floor finds it as well."""
    own = means[means["split"] == relation].set_index("model")
    if own.empty:
        return f"No signature has another one of the {relation} here."
    best = own.loc[[m for m in SCORERS if m in own.index], "mean"].idxmax()
    floors = own.loc[[m for m in FLOORS if m in own.index]]
    ends = ["mean", "low", "high"]
    mean, low, high = own.loc[best, ends]
    says = f"{relation.capitalize()}: {best} {with_interval(mean, low, high)}"
    if floors.empty:
        return f"{says}."
    floor = floors["mean"].idxmax()
    says += f", {floor} {with_interval(*floors.loc[floor, ends])}"
    if floors.loc[floor, "low"] > high:
        return f"{says}. The second, a floor, finds it better: the signature gets no credit for it."
    if not low > 0.5:
        return f"{says}. It is not told from chance."
    if low > floors.loc[floor, "high"]:
        return f"{says}. Signatures find it."
    return (
        f"{says}. The two are not told apart: what a floor finds as well cannot be credited to the "
        "signature."
    )


def by_dose(found: pd.DataFrame, *, n_resamples: int) -> pd.DataFrame:
    """Retrieval of the same compound by dose of the query, by model."""
    own = found[(found["relation"] == "same compound") & found["dose"].notna()]
    own = own[own["model"].isin([*SCORERS, *FLOORS[:1]])].assign(role="candidate")
    own = own.assign(cluster=own["compound"])
    return group_means(own, ["model", "dose"], n_resamples=n_resamples)


def about_dose(means: pd.DataFrame) -> str:
    """Whether a higher dose is found more easily."""
    if means.empty or means["dose"].nunique() < 2:
        return "There are not several doses."
    own = means[means["model"] == SCORERS[0]].sort_values("dose")
    first, last = own.iloc[0], own.iloc[-1]
    says = (
        f"{first['mean']:.2f} at the lowest dose ({first['dose']:g}) and {last['mean']:.2f} at the "
        f"highest ({last['dose']:g})"
    )
    if last["low"] > first["high"]:
        return f"A higher dose is found more easily: {says}."
    if last["high"] < first["low"]:
        return f"A higher dose is found less easily: {says}."
    return f"It is undecided whether a higher dose is found more easily: {says}."


def in_short(planted: pd.DataFrame, real: pd.DataFrame | None) -> str:
    """The answer of the page."""
    if real is None:
        said = " ".join(about_relation(planted, r) for r in dict.fromkeys(planted["split"]))
        return f"Simulated. {said} No real data set answers in this build."
    return " ".join(about_relation(real, r) for r in dict.fromkeys(real["split"]))
