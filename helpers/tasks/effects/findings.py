"""What the tier answers: do deep models predict effects better than adding or averaging?"""

import numpy as np
import pandas as pd

from helpers.comparisons import equivalence_margin
from helpers.metrics.effects.facts import PRIMARY
from helpers.tasks.effects import deep_models_claims as deep
from helpers.tasks.effects import published_claims as claims
from helpers.tasks.effects import published_scores as published
from helpers.tasks.effects.claims import found_here
from helpers.tasks.effects.doubles_report import in_short as doubles_in_short
from helpers.tasks.effects.held_out_report import against, chosen
from helpers.tasks.effects.published_scores_report import DEEP, TITLES, curves_of
from helpers.tasks.effects.summary import simulated
from helpers.tasks.effects.transfer_report import in_short as transfer_in_short
from helpers.tasks.effects.unseen_perturbations_report import in_short as unseen_in_short
from helpers.tasks.findings import Finding, Ledger, listed, with_interval
from helpers.tasks.requirements import CannotAnswer

SCORES = "effects/published-scores"
SINGLE_GENES = "effects/published-single-genes"
PAGE_OF = {
    "double-perturbations": SCORES,
    "single-perturbations": SINGLE_GENES,
    "embedding-transfer": SINGLE_GENES,
}
"""Page that leaves the published scores of a task."""


def of_task(tables, task: str) -> pd.DataFrame:
    """Rows of a task; `CannotAnswer` where the page's data could not be had."""
    rows = tables[PAGE_OF[task]]
    rows = rows[rows["task"] == task]
    if rows.empty:
        raise CannotAnswer("the published scores are not at hand")
    return rows.reset_index(drop=True)


def judged(tables, task: str, *, n_resamples: int, seed: int, metric: str = "", reference=None):
    """Comparisons of a task as its page makes them: the same margin, resamples and seed."""
    rows, metric = of_task(tables, task), metric or PRIMARY[task]
    floor, ceiling = (0.0, 1.0) if metric == "pearson_delta" else (1.0, 0.0)
    if task == "double-perturbations":
        floor = published.scores_of(rows, published.NORMAN, metric)
        floor = floor.loc[floor["model"] == "no change", "value"].mean()
    return published.verdicts.function(
        rows,
        metric=metric,
        reference=reference,
        margin=equivalence_margin(floor, ceiling),
        n_resamples=n_resamples,
        seed=seed,
    )


def adding(tables, *, n_resamples: int, seed: int) -> str:
    """Deep models against the additive one on pairs of genes, the nearest with its interval."""
    task = "double-perturbations"
    pairs = judged(tables, task, n_resamples=n_resamples, seed=seed, reference="additive")
    rows = of_task(tables, task)
    error = rows.loc[(rows["model"] == "additive") & (rows["metric"] == "l2"), "value"].mean()
    return about_adding(pairs, error)


def about_adding(pairs: pd.DataFrame, error: float) -> str:
    """The sentence, of comparisons with the additive model and its error."""
    own = pairs[pairs["model"].isin(DEEP)]
    if own.empty:
        raise CannotAnswer("no deep-learning model was scored on pairs of genes")
    verdict = claims.sign_first(own)
    nearest = own.loc[own["difference"].idxmin()]
    by = with_interval(*nearest[["difference", "low", "high"]])
    beside = f"the nearest, {nearest['model']}, differs by {by}, where the additive model's error "
    beside += f"is {error:.2f}"
    better = sorted(own["model"][verdict == "better"])
    if better:
        return f"Some do: {listed(better)} have a smaller error on pairs of genes; {beside}."
    n_worse = int((verdict == "worse").sum())
    if n_worse == len(own):
        return f"No: {n_worse} of {len(own)} have a larger error on pairs of genes; {beside}."
    return (
        f"None is shown to: {n_worse} of {len(own)} have a larger error on pairs of genes, the "
        f"others are tied or undecided; {beside}."
    )


def averaging(tables, *, n_resamples: int, seed: int) -> str:
    """Deep models against the mean of training perturbations, on single genes."""
    task = "single-perturbations"
    pairs = judged(tables, task, n_resamples=n_resamples, seed=seed)
    return about_averaging(pairs)


def about_averaging(pairs: pd.DataFrame) -> str:
    """The sentence, of comparisons of all models by the ratio to the mean's error."""
    table = claims.against(pairs, "mean")
    table = table.reindex([m for m in DEEP if m in table.index])
    verdict = claims.none_everywhere(table)
    nearest = []
    for dataset, title in TITLES.items():
        own = pairs[
            (pairs["dataset"] == dataset) & (pairs[["model", "other"]] == "mean").any(axis=1)
        ]
        sign = np.where(own["other"] == "mean", 1, -1)
        names = own["model"].where(own["other"] == "mean", own["other"])
        ends = pd.DataFrame({"a": sign * own["low"], "b": sign * own["high"]})
        found = pd.DataFrame(
            {"mean": sign * own["difference"], "low": ends.min(axis=1), "high": ends.max(axis=1)}
        ).set_axis(names)
        found = found[found.index.isin(DEEP)]
        if len(found):
            best = found["mean"].idxmin()
            nearest.append(f"{with_interval(*found.loc[best], digits=3)} in {title} ({best})")
    heads = {
        claims.REPRODUCED: "No: in one data set at least each is tied with the mean of the "
        "training perturbations, or worse",
        claims.CONTRADICTED: "Some do, in every data set",
        claims.UNDECIDED: "It is undecided: for some the data sets leave it open",
    }
    if verdict not in heads:
        raise CannotAnswer("no deep-learning model was compared with the mean on single genes")
    return (
        f"{heads[verdict]}; the best one's error over the mean's differs from one by "
        f"{listed(nearest)}."
    )


def another_screen(tables, *, n_resamples: int, seed: int) -> str:
    """The linear model with perturbation embeddings of another screen, against the mean."""
    rows = of_task(tables, "embedding-transfer")
    found = {}
    for dataset in TITLES:
        own = published.intervals(
            rows,
            dataset=dataset,
            metric="l2_ratio",
            unit="perturbation",
            interval="studentised",
            n_resamples=n_resamples,
            seed=seed,
        )
        if published.OTHER_LINE in own.index:
            found[dataset] = own.loc[published.OTHER_LINE]
    pairs = judged(tables, "embedding-transfer", n_resamples=n_resamples, seed=seed)
    verdicts = claims.against(pairs, "mean").reindex([published.OTHER_LINE])
    return about_another_screen(found, verdicts.loc[published.OTHER_LINE].to_dict())


def about_another_screen(found: dict[str, pd.Series], verdicts: dict[str, str]) -> str:
    """The sentence, of the ratio (`mean`, `low`, `high`) and the verdict on it by data set."""
    if not found:
        raise CannotAnswer("no embedding of another screen was scored")
    said = [verdicts.get(dataset) for dataset in found]
    if "better" in said:
        head = "Yes" if set(said) == {"better"} else "In part"
    else:
        head = "No" if set(said) <= {"worse", "tied"} else "It is undecided"
    each = listed(
        f"{with_interval(*row[['mean', 'low', 'high']])} in {TITLES[dataset]} "
        f"({verdict if isinstance(verdict, str) else 'not compared'})"
        for (dataset, row), verdict in zip(found.items(), said, strict=True)
    )
    return (
        f"{head}: the error of a linear model with it is, over that of the mean, {each}. The "
        "verdicts are corrected for all pairs of models, the intervals are of one ratio alone."
    )


def in_worlds(task: str, reference: str, said):
    """The answer of a page of simulated worlds: comparisons with one model, then a sentence."""

    def answer(tables, *, n_resamples: int, seed: int) -> str:
        rows = simulated(tables, task)
        if rows.empty:
            raise CannotAnswer(f"effects/{task} left no scores of a simulated screen")
        given = dict(metric="l2", seed=seed, n_resamples=n_resamples)
        return said(against(chosen(rows, "l2"), reference, **given))

    return answer


FINDINGS = (
    Finding(
        "Do deep models predict the effect of two genes better than adding their single effects?",
        SCORES,
        (SCORES,),
        adding,
        "the scores that Ahlmann-Eltze et al. published, of one screen (Norman)",
        "another screen, a published ceiling, another training of the models",
        front=True,
    ),
    Finding(
        "Do deep models predict the effect of a gene nobody perturbed better than averaging?",
        SINGLE_GENES,
        (SINGLE_GENES,),
        averaging,
        "the scores that Ahlmann-Eltze et al. published, of three screens",
        "more perturbations (Adamson has few), predictions of all models on one set of genes",
    ),
    Finding(
        "Does an embedding of perturbations from another screen help?",
        SINGLE_GENES,
        (SINGLE_GENES,),
        another_screen,
        "a linear model and three screens; in Adamson the other screen is of the same cell line",
        "more perturbations in Adamson, other lines",
    ),
    Finding(
        "When can two perturbations be predicted better than by adding their effects?",
        "effects/doubles",
        ("effects/doubles",),
        in_worlds("doubles", "additive", doubles_in_short),
        "simulated screens, in which effects add, or programs saturate, and the Euclidean "
        "distance; its page has what other metrics say",
        "a real screen with many doubles and their parts",
    ),
    Finding(
        "When can the effect of a gene nobody perturbed be predicted better than by the mean?",
        "effects/unseen-perturbations",
        ("effects/unseen-perturbations",),
        in_worlds("unseen-perturbations", "mean", unseen_in_short),
        "simulated screens with and without relations between perturbations, and the Euclidean "
        "distance; its page has what other metrics say",
        "a real screen of hundreds of perturbations, with what was known of them before",
    ),
    Finding(
        "Does an effect carry over from one context to another?",
        "effects/transfer",
        ("effects/transfer",),
        in_worlds("transfer", "mean, own context", transfer_in_short),
        "simulated screens of two contexts that share effects, in part, or not at all, and the "
        "Euclidean distance; its page has what other metrics say",
        "a real screen of many perturbations in two contexts",
    ),
    deep.FINDING,
)


def published_rows(tables, *, n_resamples: int, seed: int) -> pd.DataFrame:
    """The claims of Ahlmann-Eltze et al. by their own scores, as a `Ledger` asks."""
    given = {"n_resamples": n_resamples, "seed": seed}
    carried = "embedding-transfer"
    found = claims.sentences(
        additive=judged(tables, "double-perturbations", reference="additive", **given),
        curves=curves_of(tables[SCORES]),
        singles=judged(tables, "single-perturbations", **given),
        transfer=judged(tables, carried, **given),
        correlation=judged(tables, carried, metric="pearson_delta", reference="mean", **given),
        self_duel=published.fewer_genes.function(
            missing_share=0.06, n_perturbations=400, n_genes=1_000, seed=seed
        ),
    )
    return pd.DataFrame(
        {
            "claim": found["statement"],
            "published": "stated without a test",
            "ours": found["found"],
            "why they differ": "the same scores, compared in pairs and corrected; missing: "
            + found["missing"],
            "verdict": found["verdict"],
        }
    )


def simulated_rows(tables, *, n_resamples: int, seed: int) -> pd.DataFrame:
    """The same claims on simulated worlds, as a `Ledger` asks."""
    found = found_here(tables, n_resamples=n_resamples, seed=seed)
    return pd.DataFrame(
        {
            "claim": found["claim"],
            "published": "on the paper's screens",
            "ours": found["found"],
            "why they differ": "simulated worlds, whose truth is known; missing: "
            + found["missing"],
            "verdict": found["verdict"],
        }
    )


TASK_PAGES = tuple(
    f"effects/{name}" for name in ("doubles", "interactions", "unseen-perturbations", "transfer")
)
CLAIMS = (
    Ledger("Ahlmann-Eltze et al. 2025", "effects/claims", (SCORES, SINGLE_GENES), published_rows),
    Ledger("Ahlmann-Eltze et al. 2025, mechanisms", "effects/claims", TASK_PAGES, simulated_rows),
    deep.LEDGER,
)
