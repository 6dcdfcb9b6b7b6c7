"""What is said of retrieval on drug signatures."""

import numpy as np
import pandas as pd

from helpers import scores
from helpers.stats import cluster_means
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


def about_relation(table: pd.DataFrame, relation: str, *, n_resamples: int) -> str:
    """Whether signatures find one relation, and whether a floor finds it as well.

    The best score and the best floor are compared query by query, over compounds.
    """
    verdict, says, _ = _judged(table, relation, n_resamples)
    return says + _VERDICTS[verdict]


_VERDICTS = {
    "none": "",
    "no floor": "",
    "chance": " It is not told from chance.",
    "floor": " The second, a floor, finds it better: the signature gets no credit for it.",
    "better": " Signatures find it.",
    "undecided": " The two are not told apart: what a floor finds as well cannot be credited to "
    "the signature.",
}


def _judged(table: pd.DataFrame, relation: str, n_resamples: int) -> tuple[str, str, list]:
    """A key of `_VERDICTS`, the numbers behind it in words, and the two that were compared."""
    own = table[table["split"] == relation]
    if own.empty:
        return "none", f"No signature has another one of the {relation} here.", []
    means = means_of(own, n_resamples=n_resamples).set_index("model")
    ends = ["mean", "low", "high"]
    best = means.loc[[m for m in SCORERS if m in means.index], "mean"].idxmax()
    says = f"{relation.capitalize()}: {best} {with_interval(*means.loc[best, ends])}"
    floors = means.loc[[m for m in FLOORS if m in means.index], "mean"]
    if floors.empty:
        return "no floor", f"{says}.", [best]
    floor = floors.idxmax()
    at_floor = own[own["model"] == floor].set_index("unit")["value"]
    apart = own[own["model"] == best]
    apart = apart.assign(value=apart["value"] - apart["unit"].map(at_floor))
    (gap,) = group_means(apart, ["model"], n_resamples=n_resamples).itertuples()
    says += (
        f", {floor} {with_interval(*means.loc[floor, ends])}, a difference of "
        f"{with_interval(gap.mean, gap.low, gap.high)}."
    )
    if gap.high < 0:
        verdict = "floor"
    elif not means.loc[best, "low"] > 0.5:
        verdict = "chance"
    else:
        verdict = "better" if gap.low > 0 else "undecided"
    return verdict, says, [best, floor]


def by_dose(found: pd.DataFrame, *, n_resamples: int) -> pd.DataFrame:
    """Retrieval of the same compound by dose of the query, by model."""
    own = found[(found["relation"] == "same compound") & found["dose"].notna()]
    own = own[own["model"].isin([*SCORERS, *FLOORS[:1]])].assign(role="candidate")
    own = own.assign(cluster=own["compound"])
    return group_means(own, ["model", "dose"], n_resamples=n_resamples)


def about_dose(found: pd.DataFrame, *, n_resamples: int) -> str:
    """Which dose is found best, and whether it is told from the lowest and the highest.

    Doses are compared compound by compound, on compounds that have all of them.
    """
    own = found[found["relation"] == "same compound"]
    wide = own.pivot_table("value", ["model", "compound"], "dose").dropna()
    score, place = (
        wide[wide.index.get_level_values("model") == m] for m in (SCORERS[0], FLOORS[0])
    )
    if score.empty or wide.shape[1] < 2:
        return "There are not several doses of one compound."
    mean = score.mean()
    best, told = mean.idxmax(), []
    for name, end in (("lowest", wide.columns[0]), ("highest", wide.columns[-1])):
        if end == best:
            continue
        gap = score[best] - score[end]
        (one,) = cluster_means(
            gap.to_numpy(), gap.index, n_resamples=n_resamples, rng=np.random.default_rng(0)
        ).itertuples()
        word = "found more easily than" if one.low > 0 else "not told from"
        told.append(
            f"{word} the {name} ({end:g} µM, {mean[end]:.2f}), a difference of "
            f"{with_interval(one.mean, one.low, one.high)}"
        )
    said = f"By its mean {best:g} µM is found best ({SCORERS[0]}, {mean[best]:.2f}): "
    said += f"it is {'; it is '.join(told)}."
    if len(place):
        least, most = place.mean().min(), place.mean().max()
        said += (
            f" By its place on the plate alone a dose is found with {least:.2f} to {most:.2f}, so "
            "that where a dose lies may be part of it."
        )
    return said


_SHORT = {
    "no floor": "the {relation} is found by {score} (AUROC {best:.2f}), and no floor stands "
    "beside it",
    "chance": "the {relation} is not told from chance ({score}, AUROC {best:.2f})",
    "floor": "the {relation} is found better by {floor}, a floor, than by any score (AUROC "
    "{bar:.2f} against {best:.2f})",
    "better": "signatures find the {relation} better than any floor (AUROC {best:.2f} against "
    "{bar:.2f})",
    "undecided": "it is undecided whether signatures find the {relation} better than a floor "
    "(AUROC {best:.2f} against {bar:.2f})",
}


def in_short(planted: pd.DataFrame, real: pd.DataFrame | None, *, n_resamples: int) -> str:
    """The answer of the page, from score rows."""
    table, told = planted if real is None else real, []
    for relation in dict.fromkeys(table["split"]):
        verdict, _, (score, *floor) = _judged(table, relation, n_resamples)
        value = table[table["split"] == relation].groupby("model")["value"].mean()
        named = {"relation": relation, "score": score, "best": value[score]}
        if floor:
            named |= {"floor": floor[0], "bar": value[floor[0]]}
        told.append(_SHORT[verdict].format(**named))
    said = "; ".join(told)
    if real is None:
        return f"Simulated: {said}. No real data set answers in this build."
    return f"{said[0].upper()}{said[1:]}."
