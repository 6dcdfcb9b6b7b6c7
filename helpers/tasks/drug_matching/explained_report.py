"""What is said of explanations of matches."""

import numpy as np
import pandas as pd

from helpers import scores
from helpers.stats import cluster_means
from helpers.summaries import group_means
from helpers.tasks.drug_matching.explained import TOP_PAIRS
from helpers.tasks.findings import listed, with_interval

TASK = "drug-disease-explanation"
METRIC = {"drug": "planted_gene_auroc", "disease": "planted_gene_auroc"}
TITLES = {
    "drug": "genes of the drug (AUROC)",
    "disease": "genes of the disease (AUROC)",
    "interactions": "pairs of genes (share of the best that are planted)",
}
LEARNED = ("bilinear ridge", "two-tower network")
FLOORS = ("size of change", "random")


def explained_rows(found: pd.DataFrame, *, dataset: str, seed: int) -> pd.DataFrame:
    """Rows of the score table from `explained.explained_pairs`."""
    return scores.rows(
        task=TASK,
        dataset=dataset,
        split=found["side"],
        model=found["explainer"],
        metric=[METRIC.get(side, "planted_pairs_found") for side in found["side"]],
        role=["floor" if name in FLOORS else "candidate" for name in found["explainer"]],
        unit_kind="drug-disease pair",
        unit=found["pair"],
        seed=seed,
        value=found["value"],
    )


def means_of(table: pd.DataFrame, *, n_resamples: int) -> pd.DataFrame:
    """Means over pairs, by data set, side (`split`) and explainer."""
    by = ["dataset", "split", "metric", "model"]
    found = group_means(table, by, n_resamples=n_resamples)
    return found.assign(side=found["split"].map(TITLES))


def about_interactions(table: pd.DataFrame, dataset: str, *, n_resamples: int) -> str:
    """Which explanation finds the pairs of genes that go together; rows of `explained_rows`.

    The first and the second are compared match by match.
    """
    own = table[(table["dataset"] == dataset) & (table["split"] == "interactions")]
    wide = own.pivot_table("value", "unit", "model", sort=False).dropna()
    if wide.empty:
        return f"{dataset.capitalize()}: no match is explained."
    mean = wide.mean()
    best, second, *_ = ranked = mean.sort_values(ascending=False, kind="stable").index
    told = ", ".join(f"{name} {mean[name]:.2f}" for name in ranked)
    gap = _gap(wide[best] - wide[second], wide.index, n_resamples)
    head = f"{best} names most planted pairs of genes"
    if not gap.low > 0:
        head += f" by its mean, and is not told from {second}"
    return (
        f"{dataset.capitalize()}: {head}. The share of planted ones among the {TOP_PAIRS} pairs "
        f"that each puts first: {told}."
    )


def about_genes(table: pd.DataFrame, *, n_resamples: int) -> str:
    """How well attributions find single genes, against the size of their change."""
    own = table[table["split"].isin(["drug", "disease"])]
    wide = own.pivot_table("value", ["dataset", "unit", "split"], "model")
    wide = wide.reindex(columns=[*LEARNED, FLOORS[0]]).dropna()
    if wide.empty:
        return "No match is explained."
    match = [f"{dataset} {unit}" for dataset, unit, _ in wide.index]
    told = []
    for model in LEARNED:
        gap = _gap(wide[model] - wide[FLOORS[0]], match, n_resamples)
        word = "better" if gap.low > 0 else "worse" if gap.high < 0 else "not told apart"
        ends = with_interval(gap.mean, gap.low, gap.high, 3)
        told.append(f"{model} with {wide[model].mean():.2f}, {word}, a difference of {ends}")
    return (
        "The size of a gene's change alone, which asks no model, finds planted single genes with a "
        f"mean AUROC of {wide[FLOORS[0]].mean():.2f}; {'; '.join(told)}."
    )


def _gap(values: pd.Series, clusters, n_resamples: int):
    (found,) = cluster_means(
        values.to_numpy(), clusters, n_resamples=n_resamples, rng=np.random.default_rng(0)
    ).itertuples()
    return found


def sign_table(found: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Share of the best ten drug genes that go against the disease, by data set and explainer."""
    parts = [t.drop_duplicates(["explainer", "pair"]).assign(dataset=d) for d, t in found.items()]
    table = pd.concat(parts).groupby(["dataset", "explainer"], sort=False)["reversed"]
    return (
        table.agg(["mean", "count"])
        .reset_index()
        .rename(columns={"mean": "reversed", "count": "pairs"})
    )


def about_signs(signs: pd.DataFrame) -> str:
    """How many of the best genes go against the disease, in both relations."""
    own = signs[signs["explainer"] == LEARNED[0]].set_index("dataset")["reversed"]
    first, last = own.iloc[0], own.iloc[-1]
    if np.isnan([first, last]).any():
        return "Too few of the best genes change on both sides to compare signs."
    return (
        f"Of the best genes by {LEARNED[0]} that change on both sides, {first:.0%} go against the "
        f"disease in {own.index[0]}, {last:.0%} in {own.index[-1]}."
    )


def best_pair(learned: pd.DataFrame, treats: pd.DataFrame) -> tuple[str, str]:
    """The known pair that a model, blind to it, places highest among the drugs of its disease."""
    place = learned.rank(ascending=False, axis=0).where(treats)
    drug, disease = place.stack().idxmin()  # noqa: PD013
    return drug, disease


def about_sets(found: pd.DataFrame, drug: str, disease: str) -> str:
    """Which sets both sides of a pair's explanation have in common, at 5 % false discoveries."""
    both = found[(found["q_drug"] < 0.05) & (found["q_disease"] < 0.05)]
    sides = [int((found[column] < 0.05).sum()) for column in ("q_drug", "q_disease")]
    head = (
        f"For {drug} and {disease}, {sides[0]} of {len(found)} sets are enriched among the genes "
        f"of the drug and {sides[1]} among those of the disease"
    )
    if both.empty:
        return f"{head}; none on both sides."
    names = listed(name.replace("_", " ").removeprefix("HALLMARK ").lower() for name in both["set"])
    return f"{head}; on both sides: {names}."


def in_short(table: pd.DataFrame, *, n_resamples: int) -> str:
    """The answer of the page, from both simulated relations; rows of `explained_rows`."""
    pairs = " ".join(
        about_interactions(table, d, n_resamples=n_resamples)
        for d in dict.fromkeys(table["dataset"])
    )
    return f"{pairs} {about_genes(table, n_resamples=n_resamples)}"
