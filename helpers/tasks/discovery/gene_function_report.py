"""What is said of functions of genes: rows, comparisons with the deciding control, sentences."""

import numpy as np
import pandas as pd

from helpers import scores
from helpers.comparisons import compare, equivalence_margin, paired
from helpers.summaries import group_means
from helpers.tasks.discovery.gene_function import LABELS, LPM, PCA, ROLES, TASK
from helpers.tasks.findings import with_interval
from helpers.words import Words


def score_rows(found: pd.DataFrame, *, dataset: str, model: str, seed: int) -> pd.DataFrame:
    """Result of `function_scores` as rows; genes of one function of a draw are a cluster."""
    parts = [
        scores.rows(
            task=TASK,
            dataset=dataset,
            split=labels,
            model=model,
            metric="function_precision",
            role=ROLES[model],
            unit_kind="gene",
            unit=own["gene"],
            cluster=f"{seed} " + own["function"].astype(str),
            seed=seed,
            value=own["function_precision"],
        )
        for labels, own in found.groupby("labels", sort=False)
    ]
    return pd.concat(parts, ignore_index=True)


def means(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean over genes with its interval over functions, in the order of `ROLES`."""
    table = group_means(rows, ["dataset", "split", "model"], n_resamples=2_000)
    order = list(ROLES)
    return table.sort_values("model", key=lambda names: names.map(order.index), kind="stable")


def against_control(rows: pd.DataFrame, *, seed: int, n_resamples: int = 5_000) -> pd.DataFrame:
    """Vectors of the model less every other representation, on planted functions, by data set.

    *Tied*: within a tenth of the way from random vectors to the planted activities.
    """
    parts = []
    for dataset, own in rows[rows["split"] == LABELS[0]].groupby("dataset", sort=False):
        mean = own.groupby("model")["value"].mean()
        margin = equivalence_margin(mean["random vectors"], mean["planted activity"])
        for other in [m for m in ROLES if ROLES[m] == "candidate" and m != LPM and m in mean]:
            both = paired(own[own["model"].isin([LPM, other])], missing="drop")
            found = compare(
                both.table[[LPM, other]],
                both.clusters,
                better="higher",
                margin=margin,
                n_resamples=n_resamples,
                rng=np.random.default_rng(seed),
            )
            parts.append(found.assign(dataset=dataset))
    return pd.concat(parts, ignore_index=True)


def about_control(pairs: pd.DataFrame, dataset: str) -> Words:
    """The model against principal components of the profiles that it was trained on."""
    own = pairs[(pairs["dataset"] == dataset) & (pairs["other"] == PCA)]
    (row,) = own.to_dict("records")
    by = with_interval(row["difference"], row["low"], row["high"])
    word = {
        "better": "find more of their kind than",
        "worse": "find less of their kind than",
        "tied": "find as much of their kind as",
    }.get(row["verdict"], "cannot be told apart from")
    return (
        f"Vectors of the model {word} principal components of the plain profiles: shares differ "
        f"by {by}."
    )


def in_short(pairs: pd.DataFrame) -> Words:
    """The answer of the page, over its worlds."""
    own = pairs[pairs["other"] == PCA]
    verdicts = set(own["verdict"])
    than = "principal components of the profiles that it was trained on"
    heads = {"better": "better than", "worse": "less well than", "tied": "as well as"}
    if len(verdicts) == 1 and (head := heads.get(*verdicts)):
        return f"Vectors of the model show the function of genes {head} {than}."
    if not verdicts & set(heads):
        return (
            "It is undecided whether vectors of the model show the function of genes better than "
            f"{than}."
        )
    told = [
        f"{row.verdict} with {row.dataset.removeprefix('simulated: ')}" for row in own.itertuples()
    ]
    return (
        f"How well vectors of the model show the function of genes, beside {than}: "
        f"{', '.join(told)}."
    )


def about_circular(table: pd.DataFrame) -> Words:
    """What labels that were made from the screen itself do to both kinds of knowledge.

    Parameters
    ----------
    table : DataFrame
        Of `means`, one data set.
    """
    wide = table.pivot_table("mean", "model", "split", sort=False)
    planted, circular = (wide[name] for name in LABELS)
    own, other = PCA, "knowledge from elsewhere"
    return (
        f"With labels made from the screen, principal components of it find {circular[own]:.0%} "
        f"of their kind instead of {planted[own]:.0%}, knowledge from elsewhere "
        f"{circular[other]:.0%} instead of {planted[other]:.0%}."
    )
