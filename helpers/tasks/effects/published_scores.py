"""Task: the scores that Ahlmann-Eltze et al. (2025) published, judged with this book's statistics.

Their ratio of a model's error to that of the mean baseline is the score of a held-out perturbation;
a perturbation that is held out by both splits is one cluster of two rows.
"""

from typing import Literal

import numpy as np
import pandas as pd

from helpers.comparisons import compare, paired, rank_intervals, tie_groups
from helpers.stats import Interval, cluster_means
from helpers.store.steps import step

CELL_LINES = ("adamson", "replogle_k562_essential", "replogle_rpe1_essential")
NORMAN = "norman_from_scfoundation"
OTHER_LINE = "LM, perturbations of another line"
SAME_CELLS = "LM, perturbations of the same cells"
OF_RPE1 = "LM, perturbations of RPE1"
NAMES = {
    "mean": "mean",
    "no_change": "no change",
    "additive_model": "additive",
    "lpm_selftrained": "LM",
    "lpm_randomGeneEmb": "LM, random genes",
    "lpm_randomPertEmb": "LM, random perturbations",
    "lpm_scgptGeneEmb": "LM, genes of scGPT",
    "lpm_scFoundationGeneEmb": "LM, genes of scFoundation",
    "lpm_gearsPertEmb": "LM, perturbations of GO graph",
    "gears": "GEARS",
    "scgpt": "scGPT",
    "scfoundation": "scFoundation",
    "geneformer": "Geneformer*",
    "uce": "UCE*",
    "uce33": "UCE* (33 layers)",
    "scbert": "scBERT*",
    "cpa": "CPA",
}
FLOORS = ("mean", "no change", "LM, random genes", "LM, random perturbations")
REPLOGLE = {
    "lpm_k562PertEmb": "replogle_k562_essential",
    "lpm_rpe1PertEmb": "replogle_rpe1_essential",
}


def tidy(published: pd.DataFrame, *, task: str, unplotted: bool = False) -> pd.DataFrame:
    """Held-out rows as a score table, with models named as on the page.

    `LM, perturbations of another line` is the linear model whose perturbation embedding comes from
    the other Replogle cell line (for Adamson: K562, as in the paper's figure); with the embedding
    of the very cells that it predicts, it is `LM, perturbations of the same cells`. The rows of
    Adamson with the embedding of RPE1, which the paper does not plot, are left out unless asked
    for: Adamson's cells are K562, so that they alone come from another line there.

    Parameters
    ----------
    published : DataFrame
        Of `ahlmann_eltze2025_scores` (one setting of it) or `ahlmann_eltze2025_transfer`.
    task : str
    unplotted : bool
        Keep the rows of Adamson with the embedding of RPE1, as `LM, perturbations of RPE1`.

    Returns
    -------
    DataFrame
        Score table; single perturbations get rows of the metric `l2_ratio` as well, the error over
        that of `mean` on the same perturbation and split. Clusters are perturbations.
    """
    rows = published[(published["part"] != "train") & (published["metric"] != "pearson")].copy()
    of_rpe1 = (rows["dataset"] == "adamson") & (rows["model"] == "lpm_rpe1PertEmb")
    if not unplotted:
        rows, of_rpe1 = rows[~of_rpe1], of_rpe1[~of_rpe1]
    same = rows["model"].map(REPLOGLE) == rows["dataset"]
    names = rows["model"].map(NAMES | dict.fromkeys(REPLOGLE, OTHER_LINE))
    rows["model"] = names.where(~same, SAME_CELLS).where(~of_rpe1, OF_RPE1)
    l2 = rows[rows["metric"] == "l2"]
    if (l2["model"] == "mean").any():
        unit = ["dataset", "seed", "perturbation"]
        mean = l2[l2["model"] == "mean"].set_index(unit)["value"]
        ratio = l2["value"].to_numpy() / mean.loc[pd.MultiIndex.from_frame(l2[unit])].to_numpy()
        rows = pd.concat([rows, l2.assign(metric="l2_ratio", value=ratio)], ignore_index=True)
    role = np.where(rows["model"].isin(FLOORS), "floor", "reported")
    role = np.where(rows["model"] == SAME_CELLS, "ceiling", role)
    return pd.DataFrame(
        {
            "task": task,
            "dataset": rows["dataset"],
            "split": "split " + rows["seed"].astype(str),
            "protocol": "published",
            "model": rows["model"],
            "params": "{}",  # a score table, made here because steps know nothing of scores
            "post": "raw",
            "metric": rows["metric"],
            "role": role,
            "unit_kind": "perturbation",
            "unit": rows["perturbation"],
            "cluster": rows["perturbation"],
            "seed": rows["seed"],
            "n": 1,
            "value": rows["value"],
        }
    ).reset_index(drop=True)


@step
def doubles(published) -> pd.DataFrame:
    """Score table of the double perturbations, of `ahlmann_eltze2025_scores`."""
    return tidy(published[published["setting"] == "double"], task="double-perturbations")


@step
def singles(published) -> pd.DataFrame:
    """Score table of the single perturbations (panel A), of `ahlmann_eltze2025_scores`."""
    return tidy(published[published["setting"] == "single"], task="single-perturbations")


@step
def transfer(published) -> pd.DataFrame:
    """Score table with embeddings from elsewhere (panel C), of `ahlmann_eltze2025_transfer`."""
    return tidy(published, task="embedding-transfer")


@step
def interactions(published) -> pd.DataFrame:
    """Share of interactions found, of `ahlmann_eltze2025_interactions`; no intervals exist."""
    return published.assign(model=published["model"].map(NAMES))


@step
def errors_by_genes(published) -> pd.DataFrame:
    """Errors over the first genes of an order, and how they compare with the additive model's.

    Parameters
    ----------
    published : DataFrame
        Of `ahlmann_eltze2025_errors_by_genes`.

    Returns
    -------
    DataFrame
        Its columns, models named as on the page, and `ratio` of the mean error to that of the
        additive model over the same genes (> 0, lower is better, 1 for the additive model).
    """
    found = published.assign(model=published["model"].map(NAMES))
    genes = ["ordered_by", "n_genes"]
    additive = found[found["model"] == "additive"].set_index(genes)["mean"]
    base = additive.loc[pd.MultiIndex.from_frame(found[genes])].to_numpy()
    return found.assign(ratio=found["mean"] / base)


def scores_of(scores: pd.DataFrame, dataset: str, metric: str) -> pd.DataFrame:
    """Rows of one data set and metric; a ValueError where there is none."""
    found = scores[(scores["dataset"] == dataset) & (scores["metric"] == metric)]
    if found.empty:
        raise ValueError(f"no scores of {metric} for {dataset}")
    return found


def intervals(
    scores: pd.DataFrame,
    *,
    dataset: str,
    metric: str,
    unit: Literal["row", "perturbation"],
    interval: Interval,
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Means of all models with intervals.

    Parameters
    ----------
    scores : DataFrame
        Score table of one task.
    dataset, metric : str
    unit : {"row", "perturbation"}
        What is resampled: rows, as the authors do, or perturbations with all of their rows.
    interval : str
        See `helpers.stats.cluster_means`; the authors' is "percentile".
    n_resamples, seed : int

    Returns
    -------
    DataFrame indexed by model, sorted by mean
        `mean`, `se`, `low`, `high`, `n`, `n_clusters`, `role`.
    """
    chosen = scores_of(scores, dataset, metric)
    units = paired(chosen)
    clusters = units.clusters if unit == "perturbation" else np.arange(len(units.table))
    found = cluster_means(
        units.table,
        clusters,
        interval=interval,
        n_resamples=n_resamples,
        rng=np.random.default_rng(seed),
    )
    roles = chosen.drop_duplicates("model").set_index("model")["role"]
    return found.assign(role=roles).rename_axis("model").sort_values("mean", kind="stable")


@step
def forest(scores, *, n_resamples: int, seed: int) -> pd.DataFrame:
    """Ratios to the mean baseline in all data sets, with the authors' interval and with ours.

    Parameters
    ----------
    scores : DataFrame
        Of `singles` or `transfer`.
    n_resamples, seed : int

    Returns
    -------
    DataFrame
        `dataset`, `method` (authors or clusters), `model`, `mean`, `low`, `high`, `n`,
        `n_clusters`, `role`.
    """
    return pd.concat(
        [_both_intervals(scores, dataset, n_resamples, seed) for dataset in CELL_LINES],
        ignore_index=True,
    )


@step
def adamson_of_rpe1(published, *, n_resamples: int, seed: int) -> pd.DataFrame:
    """Ratio in Adamson with the embedding of RPE1: in the workbook, not in the paper's figure.

    Parameters
    ----------
    published : DataFrame
        Of `ahlmann_eltze2025_transfer`.
    n_resamples, seed : int

    Returns
    -------
    DataFrame
        Columns of `forest`, one row a method.
    """
    scores = tidy(published, task="embedding-transfer", unplotted=True)
    scores = scores[(scores["dataset"] == "adamson") & scores["model"].isin([OF_RPE1, "mean"])]
    found = _both_intervals(scores, "adamson", n_resamples, seed)
    return found[found["model"] == OF_RPE1].reset_index(drop=True)


def _both_intervals(
    scores: pd.DataFrame, dataset: str, n_resamples: int, seed: int
) -> pd.DataFrame:
    tables = []
    for method, unit, interval in (
        ("authors", "row", "percentile"),
        ("clusters", "perturbation", "studentised"),
    ):
        found = intervals(
            scores,
            dataset=dataset,
            metric="l2_ratio",
            unit=unit,
            interval=interval,
            n_resamples=n_resamples,
            seed=seed,
        )
        tables.append(found.reset_index().assign(dataset=dataset, method=method))
    return pd.concat(tables, ignore_index=True)


@step
def verdicts(
    scores, *, metric: str, reference: str | None, margin: float, n_resamples: int, seed: int
) -> pd.DataFrame:
    """Paired comparisons of models in every data set of a task; see `helpers.comparisons.compare`.

    Parameters
    ----------
    scores : DataFrame
        Of `doubles`, `singles` or `transfer`.
    metric : str
    reference : str or None
        Model that all others are compared with; None compares all pairs.
    margin : float
        In units of the metric.
    n_resamples, seed : int

    Returns
    -------
    DataFrame
        Columns of `compare`, and `dataset`.
    """
    tables = []
    for dataset in scores["dataset"].unique():
        units = paired(scores_of(scores, dataset, metric))
        tables.append(
            compare(
                units.table,
                units.clusters,
                better="higher" if metric == "pearson_delta" else "lower",
                margin=margin,
                reference=reference,
                n_resamples=n_resamples,
                rng=np.random.default_rng(seed),
            ).assign(dataset=dataset)
        )
    return pd.concat(tables, ignore_index=True)


@step
def ranks(scores, pairs, *, metric: str, n_resamples: int, seed: int) -> pd.DataFrame:
    """Ranks with intervals that hold for all models at once, and tie groups, by data set.

    Parameters
    ----------
    scores : DataFrame
        Of `doubles`, `singles` or `transfer`.
    pairs : DataFrame
        Of `verdicts`, with reference None: all pairs.
    metric : str
    n_resamples, seed : int

    Returns
    -------
    DataFrame
        `dataset`, `model`, `mean`, `rank`, `low`, `high`, `share_best`, `group`.
    """
    tables = []
    for dataset, compared in pairs.groupby("dataset", sort=False):
        units = paired(scores_of(scores, dataset, metric))
        found = rank_intervals(
            units.table,
            units.clusters,
            better="higher" if metric == "pearson_delta" else "lower",
            n_resamples=n_resamples,
            rng=np.random.default_rng(seed),
        )
        found["group"] = tie_groups(compared, list(found.index))
        tables.append(found.reset_index().assign(dataset=dataset))
    return pd.concat(tables, ignore_index=True)


@step
def fewer_genes(
    *, missing_share: float, n_perturbations: int, n_genes: int, seed: int
) -> pd.DataFrame:
    """The mean baseline against itself on fewer genes: what an unequal gene set does to a sum.

    Perturbations change genes by draws whose standard deviation differs from gene to gene (log
    normal). The baseline predicts no particular change. A copy of it is scored without a share of
    the genes, random ones or the most variable; a real model knows a tenth of each change.

    Parameters
    ----------
    missing_share : float in (0, 1)
    n_perturbations, n_genes, seed : int

    Returns
    -------
    DataFrame
        One row a prediction: `prediction`, `ratio` of its L2 to the baseline's (mean over
        perturbations), `sd` of the ratio, `share_lower`.

    Raises
    ------
    ValueError
        A share out of (0, 1).
    """
    if not 0 < missing_share < 1:
        raise ValueError(f"missing_share is {missing_share}; it lies in (0, 1)")
    rng = np.random.default_rng(seed)
    sd = np.exp(0.5 * rng.standard_normal(n_genes))
    # Strong and weak perturbations, as in a screen.
    strength = np.exp(0.5 * rng.standard_normal((n_perturbations, 1)))
    change = strength * sd * rng.standard_normal((n_perturbations, n_genes))
    known = change * np.clip(0.1 + 0.1 * rng.standard_normal((n_perturbations, 1)), -0.2, 0.4)
    n_missing = round(missing_share * n_genes)
    random = rng.permutation(n_genes)[n_missing:]
    quiet = np.argsort(sd)[: n_genes - n_missing]
    everything = np.linalg.norm(change, axis=1)
    rows = []
    for name, error in (
        ("baseline, random genes missing", change[:, random]),
        ("baseline, most variable genes missing", change[:, quiet]),
        ("model that knows a tenth, no gene missing", change - known),
    ):
        ratio = np.linalg.norm(error, axis=1) / everything
        rows.append([name, ratio.mean(), ratio.std(ddof=1), (ratio < 1).mean()])
    return pd.DataFrame(rows, columns=["prediction", "ratio", "sd", "share_lower"])
