"""What is said of the published scores: what lies behind their means, and how they look."""

from itertools import combinations

import numpy as np
import pandas as pd

from helpers.comparisons import paired
from helpers.scores import rows as score_rows
from helpers.tasks.effects.published_scores import FLOORS, NORMAN, scores_of

SAME = 0.005
"""Models whose errors differ by less, of the mean error, in every row are the same prediction."""

TITLES = {
    "adamson": "Adamson, K562",
    "replogle_k562_essential": "Replogle, K562",
    "replogle_rpe1_essential": "Replogle, RPE1",
}
"""Data sets of single perturbations as the page names them."""

DEEP = (
    *("GEARS", "scGPT", "scFoundation", "Geneformer*", "UCE*", "UCE* (33 layers)"),
    *("scBERT*", "CPA"),
)
"""Deep-learning models; those with * were given a perturbation head by the paper's authors."""


def repeated(scores: pd.DataFrame, captions: dict[str, int] | None = None) -> pd.DataFrame:
    """How many rows, perturbations and repeated perturbations lie behind each data set's means.

    Returns
    -------
    DataFrame indexed by data set
        `rows`, `perturbations`, `repeated` (held out by more than one split), and, where given,
        `caption`, the number in the paper's caption.
    """
    rows = scores[["dataset", "unit", "seed"]].drop_duplicates()
    times = rows.groupby(["dataset", "unit"]).size()
    found = pd.DataFrame(
        {
            "rows": times.groupby(level=0).sum(),
            "perturbations": times.groupby(level=0).size(),
            "repeated": (times > 1).groupby(level=0).sum(),
        }
    )
    return found if captions is None else found.assign(caption=pd.Series(captions))


def counted(scores: pd.DataFrame) -> str:
    """The rows of one data set, its pairs, and those that several splits held out, in words."""
    (found,) = repeated(scores).itertuples()
    if not found.repeated:
        return f"There are {found.rows} rows, one for each pair."
    return (
        f"There are {found.rows} rows of {found.perturbations} pairs, {found.repeated} of which "
        "several splits held out."
    )


def uniformity(scores: pd.DataFrame, *, dataset: str) -> pd.DataFrame:
    """What a change in the number of summed genes looks like: all perturbations alike.

    Returns
    -------
    DataFrame indexed by model
        `ratio` (mean of l2_ratio), `sd` of the ratio over rows, `share_lower` (rows with a smaller
        error than the mean baseline), `pearson_gain` (mean difference of pearson_delta to `mean`).
    """
    ratio = paired(scores_of(scores, dataset, "l2_ratio")).table
    pearson = paired(scores_of(scores, dataset, "pearson_delta")).table
    found = pd.DataFrame(
        {
            "ratio": ratio.mean(),
            "sd": ratio.std(),
            "share_lower": (ratio < 1).mean(),
            "pearson_gain": pearson.mean() - pearson["mean"].mean(),
        }
    )
    return found.drop(index="mean").sort_values("ratio")


def collapsed(scores: pd.DataFrame) -> str:
    """Which models predict the same: their errors agree in every row, whatever they embed.

    Parameters
    ----------
    scores : DataFrame
        Score table; `l2` of each data set is asked apart.
    """
    said: dict[str, list[str]] = {}
    for dataset, rows in scores[scores["metric"] == "l2"].groupby("dataset", sort=False):
        scored = rows[rows["value"].notna()]
        errors = scored.pivot_table("value", ["split", "unit"], "model").dropna(axis=1)
        groups = _same(errors, SAME * errors.to_numpy().mean())
        if groups:
            said.setdefault("; ".join(groups), []).append(TITLES.get(dataset, "pairs of genes"))
    if not said:
        return "No two models have the same errors."
    return (
        f"Some models have the same error in every row, to within {SAME:.1%} of the mean error: "
        + "; ".join(f"{names} ({', '.join(where)})" for names, where in said.items())
        + ". They collapsed to one prediction, whatever they embed: count them as one."
    )


def _same(errors: pd.DataFrame, within: float) -> list[str]:
    """Groups of columns that differ by less in every row, as text."""
    groups: list[set[str]] = []
    for one, other in combinations(errors.columns, 2):
        if (errors[one] - errors[other]).abs().max() < within:
            near = [g for g in groups if {one, other} & g]
            groups = [g for g in groups if g not in near] + [set().union({one, other}, *near)]
    return [", ".join(sorted(group)) for group in groups]


def letters_and_ranks(ranks: pd.DataFrame) -> str:
    """What a letter in common means, beside intervals of ranks.

    Parameters
    ----------
    ranks : DataFrame
        `dataset`, `model`, `low`, `high`, `group`, of `published_scores.ranks`.
    """
    says = (
        "Two models with a letter in common are tied, which means that their difference lies "
        "within the region that does not matter, or undecided."
    )
    apart = []
    for _, own in ranks.groupby("dataset", sort=False):
        for one, other in combinations(own.itertuples(), 2):
            if set(one.group) & set(other.group) and (one.high < other.low or other.high < one.low):
                apart.append((one, other))
    if not apart:
        return says
    return (
        f"{says} A difference that does not matter can be certain all the same: {len(apart)} pairs "
        "with a letter in common have rank intervals that do not overlap."
    )


def best_at_every_size(by_genes: pd.DataFrame) -> str:
    """Whether the additive model is the best whatever genes are counted.

    Parameters
    ----------
    by_genes : DataFrame
        Of `errors_by_genes`: means without rows, so that nothing can be tested.
    """
    others = by_genes[(by_genes["model"] != "additive") & by_genes["ratio"].notna()]
    if others.empty:
        return "There is no error of another model to compare with the additive one's."
    n, nearest = by_genes["n_genes"].nunique(), others.loc[others["ratio"].idxmin()]
    if nearest["ratio"] > 1:
        return (
            f"At none of {n} numbers of genes, in either order, does a model come closer to the "
            f"additive one than {nearest['ratio']:.2f} times its error: that the additive model is "
            "best does not depend on the choice of genes."
        )
    lower = others[others["ratio"] < 1]
    return (
        f"The choice of genes decides: {', '.join(sorted(set(lower['model']))) or nearest['model']}"
        f" reaches {nearest['ratio']:.2f} times the additive model's error over the first "
        f"{nearest['n_genes']:,} genes."
    )


def worse_than_no_change(by_genes: pd.DataFrame, *, n_genes: int) -> str:
    """Models with a larger error than no change, over the first genes of both orders."""
    named = {}
    for order, words in (("expression", "most expressed"), ("change", "most changed")):
        own = by_genes[(by_genes["ordered_by"] == order) & (by_genes["n_genes"] == n_genes)]
        mean = own.set_index("model")["mean"]
        named[words] = sorted(mean.index[mean > mean["no change"]])
    said = "; ".join(
        f"over the {n_genes:,} {words} ones, {', '.join(names) or 'none'}"
        for words, names in named.items()
    )
    depends = "" if len(set(map(tuple, named.values()))) > 1 else "not "
    return f"Which models have a larger error than no change does {depends}depend on it: {said}."


def alone_and_among_all(forest: pd.DataFrame, verdicts: pd.DataFrame) -> str:
    """Intervals that leave out one although the comparison with the mean is undecided.

    Parameters
    ----------
    forest : DataFrame
        Of `published_scores.forest`, by clusters.
    verdicts : DataFrame of str, models x data sets
        Of `published_claims.against` the mean.
    """
    out = forest[(forest["high"] < 1) | (forest["low"] > 1)]
    both = [
        f"{row.model} in {TITLES[row.dataset]}"
        for row in out.itertuples()
        if row.model in verdicts.index
        and verdicts.loc[row.model, row.dataset] in ("undecided", "cannot")
    ]
    says = "An interval speaks of one model alone."
    if not both:
        return f"{says} Here none leaves out one where the comparison with the mean is undecided."
    return (
        f"{says} Some leave out one though the comparison with the mean is undecided (below): "
        f"{'; '.join(both)}. Among so many pairs of models some difference of this size is to be "
        "expected."
    )


def of_another_line(low: float, high: float, n: int) -> str:
    """What the interval of a ratio says of an embedding of another line in Adamson."""
    if np.isnan(low) or np.isnan(high):
        return "with so few perturbations there is no interval"
    if high < 1:
        return "there the embedding of another line lowers the error, too"
    if low > 1:
        return "there the embedding of another line raises the error"
    return (
        f"there nothing speaks for an embedding of another line, and with {n} rows little could "
        "speak against it"
    )


def looks_like(row: pd.Series, self_duel: pd.DataFrame) -> str:
    """Whether a lower error has the signature of missing genes, of knowledge, or of neither.

    Parameters
    ----------
    row : Series
        Of `uniformity`.
    self_duel : DataFrame
        Of `fewer_genes`: what both look like.
    """
    if row[["ratio", "sd", "share_lower", "pearson_gain"]].isna().any():
        return "cannot be judged, since scores are missing"
    duel = self_duel.set_index("prediction")
    fewer = duel.loc["baseline, random genes missing"]
    known = duel.loc["model that knows a tenth, no gene missing"]
    if row["ratio"] >= 1:
        return "is no lower error"
    if row["share_lower"] >= fewer["share_lower"] - 0.01 and row["sd"] <= 2 * fewer["sd"]:
        return "has the signature of missing genes"
    if row["sd"] >= known["sd"] and row["pearson_gain"] > 0:
        return "varies like knowledge, and the correlation gains"
    return (
        "has the signature of neither: it varies more than missing genes alone, which lower every "
        "error by nearly the same share"
        if row["sd"] > 2 * fewer["sd"]
        else "has the signature of neither: it spares perturbations, which missing genes do not"
    )


def duel_rows(self_duel: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Result of `fewer_genes` as rows of the score table, a row a prediction."""
    knows = self_duel["prediction"].str.startswith("model")
    return score_rows(
        task="fewer-genes",
        dataset="simulated",
        model=self_duel["prediction"],
        metric="l2_ratio",
        role=np.where(knows, "candidate", "floor"),
        unit_kind="mean over perturbations",
        unit="all",
        seed=seed,
        value=self_duel["ratio"],
    )


def curve_rows(curves: pd.DataFrame) -> pd.DataFrame:
    """Curves of interactions as rows of the score table: a unit is a false discovery proportion."""
    floor = curves["model"].isin(FLOORS)
    return score_rows(
        task="interactions",
        dataset=NORMAN,
        split="mean of five",
        protocol="published",
        model=curves["model"],
        metric="interactions_found",
        role=np.where(floor, "floor", "reported"),
        unit_kind="false discovery proportion",
        unit=curves["fdp"].map("{:.2f}".format),
        seed=0,
        value=curves["tpr"],
    )


def curves_of(scores: pd.DataFrame) -> pd.DataFrame:
    """The curves, `model`, `fdp`, `tpr`, from a score table that holds their rows."""
    own = scores[scores["task"] == "interactions"]
    fdp = own["unit"].astype(float)
    return own.assign(fdp=fdp, tpr=own["value"])[["model", "fdp", "tpr"]].reset_index(drop=True)
