"""What is said of explanations of matches."""

import numpy as np
import pandas as pd

from helpers import scores
from helpers.summaries import group_means
from helpers.tasks.findings import listed

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


def about_interactions(means: pd.DataFrame, dataset: str) -> str:
    """Which explanation finds the pairs of genes that go together."""
    own = means[(means["dataset"] == dataset) & (means["split"] == "interactions")]
    own = own.set_index("model")
    value, best = own["mean"], own["mean"].idxmax()
    told = ", ".join(f"{name} {value[name]:.2f}" for name in value.index)
    if best in LEARNED and value[best] > value["overlap"] + 0.05:
        head = f"{best} finds the planted pairs of genes best, and an overlap of genes does not"
    elif best == "overlap":
        head = "an overlap of genes finds the planted pairs of genes best"
    else:
        head = f"{best} and the overlap of genes find as many planted pairs of genes"
        if best not in LEARNED:
            head = f"no explanation finds more planted pairs of genes than {best}"
    return f"{dataset.capitalize()}: {head} ({told})."


def about_genes(means: pd.DataFrame) -> str:
    """Whether attributions name single genes better than the size of their change."""
    own = means[means["split"].isin(["drug", "disease"])]
    wide = own.pivot_table("mean", ["dataset", "split"], "model")
    floor = wide[list(FLOORS)].max(axis=1)
    better = [m for m in LEARNED if (wide[m] > floor + 0.02).all()]
    says = f"the size of a gene's change alone has {wide['size of change'].mean():.2f}"
    if better:
        return f"Attributions of {listed(better)} name planted genes better than that: {says}."
    return (
        f"For single genes no attribution is clearly better than looking at what changes: {says}. "
        "A match is a relation of two sides, and only pairs of genes show it."
    )


def sign_table(found: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Share of the best ten drug genes that go against the disease, by data set and explainer."""
    parts = [t.drop_duplicates(["explainer", "pair"]).assign(dataset=d) for d, t in found.items()]
    table = pd.concat(parts).groupby(["dataset", "explainer"], sort=False)["reversed"]
    return table.agg(["mean", "count"]).reset_index().rename(columns={"mean": "reversed"})


def about_signs(signs: pd.DataFrame) -> str:
    """Whether the signs of the best genes tell reversal from another relation."""
    own = signs[signs["explainer"] == LEARNED[0]].set_index("dataset")["reversed"]
    first, last = own.iloc[0], own.iloc[-1]
    says = f"{first:.0%} of the best genes go against the disease ({own.index[0]}), {last:.0%} "
    says += f"({own.index[-1]})"
    if np.isnan([first, last]).any():
        return "Too few of the best genes change on both sides to compare signs."
    if first > last + 0.1:
        return f"Signs tell the relations apart: {says}."
    return f"Signs do not tell the relations apart: {says}."


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


def in_short(means: pd.DataFrame) -> str:
    """The answer of the page, from both simulated relations."""
    return " ".join(about_interactions(means, d) for d in dict.fromkeys(means["dataset"]))
