"""What is said of matching: the models, their rows, and a sentence for each comparison."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import scores
from helpers.comparisons import compare, paired
from helpers.stats import cluster_means
from helpers.summaries import group_means
from helpers.tasks import requirements as needs
from helpers.tasks.departures import Departure
from helpers.tasks.drug_matching.matching import ALL_PAIRS, UNIVERSES
from helpers.tasks.findings import bracketed, listed, with_interval

TASK = "drug-disease-matching"
PRIMARY = "within_disease_auroc"
ROLES = {
    "reversal, Spearman": "candidate",
    "reversal, cosine": "candidate",
    "reversal, WTCS": "candidate",
    "reversal, CMap 2006": "candidate",
    "bilinear ridge, siblings held out": "candidate",
    "bilinear ridge, diseases held out": "candidate",
    "bilinear ridge with rates, siblings held out": "candidate",
    "bilinear ridge with rates, diseases held out": "candidate",
    "popularity": "floor",
    "popularity elsewhere": "floor",
    "mean |z|": "floor",
    "random": "floor",
}
"""Models on real data, and their roles."""

REQUIREMENTS = (
    needs.Requirement("diseases", 6, "diseases that a candidate treats"),
    needs.Requirement("candidates", 50, "candidate drugs"),
)

CANDIDATES = {
    "all": "all drugs",
    "curated": "drugs in a curated pair",
    "treating": "drugs that treat a disease",
}
"""Universes as the page names them."""

DEPARTURES = (
    Departure(
        "unit",
        "all pairs of all diseases at once (pooled AUROC)",
        "candidates of one disease; mean over diseases",
        "design choice",
        "Who asks, asks for a disease. A pooled value compares drugs of one disease with those of "
        "another, and rewards scores that are higher for all drugs of a disease with many.",
    ),
    Departure(
        "candidates",
        "drugs in a curated pair",
        "all drugs; the others beside it",
        "design choice",
        "A candidate universe made of drugs that treat something hides what is known of a drug "
        "alone: each of them is known to work somewhere.",
    ),
    Departure(
        "baseline",
        "random order; in DGEM-NN two connectivity scores",
        "popularity, mean |z| and random order",
        "design choice",
        "A learned model can learn which drugs have many indications, and what it gains over a "
        "connectivity score may be that alone. One of ours cannot: each drug's own rate is taken "
        "out of what it learns.",
    ),
    Departure(
        "ties",
        "the order of rows",
        "mean over all orders of tied candidates",
        "bug",
        "Priors have large ties. A stable sort lets the order of identifiers decide, and "
        "identifiers of old, well-known drugs come first.",
    ),
    Departure(
        "held-out diseases",
        "not stated (DGEM-NN)",
        "diseases with their siblings",
        "design choice",
        "A drug of one cancer is a likely drug of the next: a model that has seen it need not "
        "read the transcriptome.",
    ),
)


def require(treats: pd.DataFrame) -> None:
    """Pass where there are diseases and candidates enough; see `CannotAnswer`."""
    has = {"diseases": int(treats.any(axis=0).sum()), "candidates": len(treats)}
    needs.require("Which drugs treat a disease", REQUIREMENTS, has)


def score_rows(
    found: pd.DataFrame, *, dataset: str, model: str, seed: int, split: str = "all", **more
) -> pd.DataFrame:
    """Rows of the score table from those of `matching.evaluated` or `metrics_of`."""
    universe = found["candidates"] if "candidates" in found else ["all"] * len(found)
    return scores.rows(
        task=TASK,
        dataset=dataset,
        split=split,
        model=model,
        params=[{"candidates": name} | more for name in universe],
        role=ROLES.get(model, "candidate"),
        unit_kind=["pairs" if d == ALL_PAIRS else "disease" for d in found["disease"]],
        unit=found["disease"].astype(str),
        seed=seed,
        **found[["metric", "n", "value"]],
    )


def of_universe(table: pd.DataFrame, candidates: str, metric: str = PRIMARY) -> pd.DataFrame:
    """Rows of one universe and metric."""
    own = table["params"] == scores.params({"candidates": candidates})
    return table[own & (table["metric"] == metric)]


def by_universe(table: pd.DataFrame, metric: str, *, n_resamples: int = 2000) -> pd.DataFrame:
    """Means over diseases of each model in each universe: `candidates`, `model`, `mean` ..."""
    parts = [
        group_means(of_universe(table, u, metric), ["model"], n_resamples=n_resamples).assign(
            candidates=CANDIDATES[u]
        )
        for u in UNIVERSES
    ]
    return pd.concat(parts, ignore_index=True)


def differences(
    table: pd.DataFrame, reference: str, *, n_resamples: int, seed: int, metric: str = PRIMARY
) -> pd.DataFrame:
    """Paired differences over diseases of every model to one, among all drugs; by `model`.

    See `helpers.comparisons.compare`. A disease that some model has not scored is left out.
    """
    both = paired(of_universe(table, "all", metric), missing="drop")
    rng = np.random.default_rng(seed)
    found = compare(
        both.table,
        both.clusters,
        better="higher",
        reference=reference,
        n_resamples=n_resamples,
        rng=rng,
    )
    return found.set_index("model")


def about_reversal(means: pd.DataFrame) -> str:
    """Whether reversal ranks a disease's drugs better than chance; rows of `by_universe`, all."""
    own = means[means["model"].str.startswith("reversal")]
    best = own.loc[own["mean"].idxmax()]
    says = f"{bracketed(best['model'])}, AUROC {with_interval(*best[['mean', 'low', 'high']], 3)}"
    if own["low"].isna().all():
        return f"Too few diseases say whether reversal finds anything: the best is {says}."
    above, below = (own["low"] > 0.5).sum(), (own["high"] < 0.5).sum()
    if above:
        return (
            f"{above} of {len(own)} reversal scores rank a disease's drugs better than chance "
            f"(0.5): the best is {says}."
        )
    if below == len(own):
        return (
            f"Every reversal score ranks a disease's drugs worse than chance: the best is {says}."
        )
    but = f" but {below}" if below else ""
    return (
        f"Undecided: the interval of every reversal score{but} holds chance (0.5); the best is "
        f"{says}."
    )


def about_floor(found: pd.DataFrame, reference: str = "popularity") -> str:
    """Whether any match between transcriptomes passes what is known of the drug alone.

    Parameters
    ----------
    found : DataFrame
        Of `differences` to `reference`.
    """
    own = found[[not model.startswith(("popularity", "mean", "random")) for model in found.index]]
    better = list(own.index[own["verdict"] == "better"])
    worse = list(own.index[own["verdict"] == "worse"])
    best = own.loc[own["difference"].idxmax()]
    gap = with_interval(best["difference"], best["low"], best["high"], 3)
    name = bracketed(best.name)
    if better:
        passes = "pass" if len(better) > 1 else "passes"
        return (
            f"{listed(map(bracketed, better))} {passes} {reference}: the largest difference is "
            f"that of {name}, {gap}."
        )
    if len(worse) == len(own):
        return (
            f"Alone, every score that reads transcriptomes is worse than {reference}; the least so "
            f"is {name}, a difference of {gap}."
        )
    return (
        f"No score that reads transcriptomes is shown to pass {reference}; {len(worse)} of "
        f"{len(own)} are worse, and the best is {name}, a difference of {gap}."
    )


def about_universe(means: pd.DataFrame, model: str = "popularity") -> str:
    """How far the choice of candidates alone moves one model; rows of `by_universe`."""
    own = means[means["model"] == model].set_index("candidates")["mean"]
    low, high = own.idxmin(), own.idxmax()
    return (
        f"Among {high} {model} has {own[high]:.3f}, among {low} {own[low]:.3f}, though no score "
        "changed."
    )


def about_prevalence(table: pd.DataFrame, model: str) -> str:
    """Average precision of one ranking at its own prevalence and at one half."""
    own = table[table["model"] == model]
    true = of_universe(own, "all", "retrieval_map")["value"].mean()
    even = of_universe(own, "all", "average_precision_1to1")["value"].mean()
    first = of_universe(own, "all", "precision_at_10")["value"].mean()
    return (
        f"The same ranking by {model} has an average precision of {true:.3f} with all candidates "
        f"and of {even:.3f} with as many negatives as positives, and {10 * first:.1f} of its first "
        "10 drugs treat the disease. Each is right, but the first two cannot be compared."
    )


def about_siblings(held_apart: pd.Series, together: pd.Series, *, n_resamples: int) -> str:
    """What a model gains where siblings of a test disease were in training.

    Parameters
    ----------
    held_apart, together : Series by disease
        The same metric, siblings held out with the disease or not.
    n_resamples : int
        Of the bootstrap, as in `leakage_report.about_leak`, which says the same of these models.
    """
    both = pd.concat([held_apart, together], axis=1, keys=["apart", "together"])
    both = both.dropna().sort_index()
    if both.empty:
        return "No disease is ranked with its siblings in training and without."
    gain = both["together"] - both["apart"]
    (one,) = cluster_means(
        gain.to_numpy(), gain.index, n_resamples=n_resamples, rng=np.random.default_rng(0)
    ).itertuples()
    says = (
        f"{both['together'].mean():.3f} where siblings of the disease were in training, "
        f"{both['apart'].mean():.3f} where they were not ({len(both)} diseases), a difference of "
        f"{with_interval(one.mean, one.low, one.high, 3)}"
    )
    of = "the AUROC of bilinear ridge"
    if one.low > 0:
        return f"Near diseases in training raise {of}: {says}."
    if one.high < 0:
        return f"Near diseases in training lower {of}: {says}."
    return f"It is undecided whether near diseases in training raise {of}: {says}."


def about_pooled(found: Mapping[str, pd.DataFrame]) -> str:
    """Which scores of reversal are told from chance over all pairs; means over diseases beside.

    Parameters
    ----------
    found : mapping of model to the rows of `matching.evaluated`
    """
    own = pooled_table(found)
    own = own[own["candidates"] == CANDIDATES["curated"]].set_index("model")
    own = own[own.index.str.startswith("reversal")]
    told = own[(own["low"] > 0.5) | (own["high"] < 0.5)]
    head = (
        "is told from chance by its own interval"
        if len(told) < 2
        else ("are told from chance, each by its own interval")
    )
    named = []
    for model, row in (told if len(told) else own.loc[[own["value"].idxmax()]]).iterrows():
        rows = found[model]
        macro = rows[(rows["candidates"] == "curated") & (rows["metric"] == PRIMARY)]["value"]
        says = with_interval(*row[["value", "low", "high"]], 3)
        named.append(f"{bracketed(model)} {says}, mean over diseases {macro.mean():.3f}")
    return (
        f"Over all {own['n'].iloc[0]:,} pairs of a disease and a drug that is in a curated pair, "
        f"pooled, {len(told) or 'none'} of {len(own)} scores of reversal {head}"
        f"{': ' if len(told) else '; the best is '}{'; '.join(named)}."
    )


def about_planted(means: pd.DataFrame) -> str:
    """Whether scores find planted reversal; means with `role` on the simulated data set."""
    own = means[means["role"] == "candidate"].set_index("model")
    floor = means[means["role"] == "floor"].set_index("model")
    (low, best), top = (own["mean"].idxmin(), own["mean"].idxmax()), floor["mean"].idxmax()
    says = (
        f"AUROC within a disease is {own['mean'][low]:.2f} ({low}) to {own['mean'][best]:.2f} "
        f"({best}); the best floor, {top}, has {floor['mean'][top]:.2f}."
    )
    if (own["low"] > floor["high"][top]).all():
        return f"Every score finds the planted indications: {says}"
    return f"Not every score is shown to find what was planted: {says}"


def about_skipped(treats: pd.DataFrame, related: pd.DataFrame) -> str:
    """How many diseases no drug treats, which cannot be ranked."""
    asked = related.columns[related.any(axis=0)]
    without = [d for d in treats.columns if not treats[d].any()]
    scored = len(treats.columns) - len(without)
    if not without:
        return f"All {scored} diseases are scored."
    curated = sum(disease in asked for disease in without)
    return (
        f"{scored} diseases are scored; {len(without)} are not, as no candidate treats them "
        f"({curated} of these have curated pairs of another kind)."
    )


def about_matched(means: pd.DataFrame) -> str:
    """Which models are above chance against drugs that are as popular, and which floors."""
    own = means[(means["role"] == "candidate")]
    above = own[own["low"] > 0.5]
    best = own.loc[own["mean"].idxmax()]
    says = f"{bracketed(best['model'])}, {with_interval(*best[['mean', 'low', 'high']], 3)}"
    if own["low"].isna().all():
        return f"Too few diseases have an interval; the best is {says}."
    if above.empty:
        said = f"No match is told from chance then; the best is {says}."
    else:
        stay = "stay" if len(above) > 1 else "stays"
        names = listed(map(bracketed, above["model"]))
        said = f"{names} {stay} above chance then; the best is {says}."
    floors = means[(means["role"] == "floor") & (means["low"] > 0.5)]
    if floors.empty:
        return said
    named = [
        f"{one.model} {with_interval(one.mean, one.low, one.high, 3)}"
        for one in floors.itertuples()
    ]
    return (
        f"{said} Above chance is what knows nothing of the disease: {listed(named)}. So not all "
        "that is left is a match."
    )


def adds(matched: pd.DataFrame) -> str:
    """Whether a match adds anything to popularity, in a sentence; means of `about_matched`."""
    own = matched[matched["role"] == "candidate"]
    above = own.loc[own["low"] > 0.5, "model"]
    head = "Against drugs that treat as many other diseases,"
    if above.empty:
        return f"{head} no match is told from chance."
    return f"{head} {listed(map(bracketed, above))} stay{'s' * (len(above) == 1)} above chance."


def metric_table(table: pd.DataFrame) -> pd.DataFrame:
    """Means over diseases among all drugs, a row a model, a column a metric."""
    titles = {
        "within_disease_auroc": "AUROC",
        "retrieval_map": "average precision",
        "average_precision_1to1": "average precision 1:1",
        "reciprocal_rank": "reciprocal rank",
        "precision_at_10": "precision at 10",
        "recall_at_50": "recall at 50",
        "hits_at_10": "hits at 10",
        "ndcg_at_50": "nDCG at 50",
        "enrichment_at_10": "enrichment at 10",
    }
    parts = {t: of_universe(table, "all", k).groupby("model")["value"] for k, t in titles.items()}
    found = pd.DataFrame({title: group.mean() for title, group in parts.items()})
    return found.reindex([model for model in ROLES if model in found.index]).reset_index()


def pooled_table(found: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Pooled AUROC with its interval, by model and universe."""
    parts = [rows[rows["metric"] == "pooled_auroc"].assign(model=m) for m, rows in found.items()]
    table = pd.concat(parts, ignore_index=True)
    columns = ["model", "candidates", "value", "low", "high", "n", "n_treats"]
    return table.assign(candidates=table["candidates"].map(CANDIDATES))[columns]


def in_short(planted: pd.DataFrame, answered: tuple[pd.DataFrame, ...] | None) -> str:
    """The answer of the page: reversal and the floor that matters, or what the simulation says.

    Parameters
    ----------
    planted : DataFrame
        Means on the simulated data set.
    answered : tuple of DataFrame, or None
        Means among all drugs, differences to popularity, and means against drugs as popular; None
        where no real data set answered.
    """
    if answered is None:
        return f"{about_planted(planted)} No real data set answers in this build."
    means, found, matched = answered
    return f"{about_reversal(means)} {about_floor(found)} {adds(matched)}"
