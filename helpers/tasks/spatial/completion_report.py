"""What is said of completion: departures, rows of scores, reductions, sentences."""

import json
from collections.abc import Iterable

import numpy as np
import pandas as pd

from helpers import scores
from helpers.models.spatial.completion import COMPARATORS
from helpers.models.spatial.spackle import WIRINGS
from helpers.stats import mean_interval
from helpers.tasks.departures import Departure
from helpers.tasks.requirements import CannotAnswer
from helpers.tasks.spatial.completion import LATENT
from helpers.words import Words

TASK = "completion"
PUBLISHED, CLEAN = "SpaCKLE, as published", "SpaCKLE, clean"
ROLES = {
    **dict.fromkeys(COMPARATORS, "candidate"),
    **dict.fromkeys(WIRINGS, "candidate"),
    "zeros": "floor",
    "gene mean": "floor",
    LATENT: "ceiling",
}
MAIN = {"masking": "mask_prob", "rate": 0.3}
"""The masks whose errors are drawn."""
NEVER = "never measured"
MIN_CLUSTERS = 3
"""Of two values the t distribution gives an interval that says nothing."""

DEPARTURES = (
    Departure(
        "Whom a spot attends to",
        "The other spots of its mini-batch: the encoder is built without batch_first",
        "Its 18 neighbours",
        "bug",
        "Neighbours are handed in and never looked at; a completed value hangs on which spots "
        "happen to share its batch.",
    ),
    Departure(
        "Neighbours",
        "Nearest in pixels among the spots of all slides of a side, when completing of all sides",
        "Nearest on the own slide",
        "bug",
        "Slides overlap in pixels. Once the attention is mended, the test slide reads the others.",
    ),
    Departure(
        "Loss",
        "Squared errors of all entries of all 19 spots, those that the median has filled included",
        "Measured, hidden entries of the centre",
        "design choice",
        "A model that is asked to repeat the median is scored against measurements.",
    ),
    Departure(
        "Input in training and in use",
        "Training sees what the median has filled; in use these entries are zero",
        "What was not measured is hidden in both",
        "bug",
        "The network meets a kind of input that it was never trained on.",
    ),
    Departure(
        "Scale",
        "A hidden entry is zero, values are about ten",
        "Values less the mean of their gene, and a second input that says what is seen",
        "design choice",
        "The steps of training go into learning the mean of each gene.",
    ),
    Departure(
        "Validation",
        "The masks of validation are drawn anew each time",
        "Drawn once",
        "design choice",
        "The best checkpoint is otherwise the one with the easiest mask.",
    ),
    Departure(
        "Test masks",
        "One for each of ten repeats, drawn when they are needed",
        "Drawn once, named by a hash, to be downloaded",
        "design choice",
        "Two papers can then score the same entries.",
    ),
    Departure(
        "Data sets without a test slide",
        "15 of 26: the validation slide is scored, on which the checkpoint was chosen",
        "The same only where there is no other slide, and it is said",
        "design choice",
        "Selection and report coincide.",
    ),
    Departure(
        "Values below zero",
        "Kept",
        "Kept, and counted on this page",
        "design choice",
        "The scale is a logarithm of a count plus one, which has none.",
    ),
)


def score_rows(
    found: pd.DataFrame, *, model: str, dataset: str, split: str, seed: int, cluster: str
) -> pd.DataFrame:
    """Result of `completed_scores` as rows: a mask is a unit, a draw or a patient a cluster."""
    masked = found[found["masking"] != "none"]
    parts = [
        scores.rows(
            task=TASK,
            dataset=dataset,
            split=split,
            model=model,
            params=[
                {"masking": m, "rate": r}
                for m, r in zip(masked["masking"], masked["rate"], strict=True)
            ],
            metric=metric,
            role=ROLES[model],
            unit_kind="mask",
            unit=[f"{split}, repeat {r}" for r in masked["repeat"]],
            cluster=cluster,
            seed=seed,
            n=masked["n" if metric == "masked_mse" else "n_genes"].astype(int),
            value=masked[metric],
        )
        for metric in ("masked_mse", "masked_pearson")
    ]
    truth = found[(found["masking"] == "none") & found["truth_mse"].notna()]
    if len(truth):
        parts.append(
            scores.rows(
                task=TASK,
                dataset=dataset,
                split=split,
                model=model,
                params={"masking": "none"},
                metric="truth_mse",
                role=ROLES[model],
                unit_kind="slide",
                unit=split,
                cluster=cluster,
                seed=seed,
                n=truth["n"].astype(int),
                value=truth["truth_mse"],
            )
        )
    return pd.concat(parts, ignore_index=True)


def thinned_rows(
    found: pd.DataFrame, *, model: str, dataset: str, split: str, seed: int
) -> pd.DataFrame:
    """Result of `held_out_molecules` as rows."""
    return scores.rows(
        task=TASK,
        dataset=dataset,
        split=split,
        model=model,
        params={"masking": "molecules"},
        post=found["post"],
        metric="thinned_deviance",
        role=ROLES[model],
        unit_kind="mask",
        unit=[f"{split}, repeat {r}" for r in found["repeat"]],
        cluster=f"draw {seed}",
        seed=seed,
        value=found["thinned_deviance"],
    )


def label_rows(found: pd.DataFrame, *, model: str, dataset: str) -> pd.DataFrame:
    """Result of `by_labels` as rows; a gene is a unit, their data set one cluster."""
    return scores.rows(
        task="completion-labels",
        dataset=dataset,
        model=model,
        metric="label_share",
        role="floor" if model in ("raw", "smoothed raw") else ROLES[model],
        unit_kind="gene",
        unit=found["gene"],
        cluster=dataset,
        seed=0,
        value=found["label_share"],
    )


# Means and reductions ------------------------------------------------------------------------


def of_masks(table: pd.DataFrame, masking: str, rate: float | None = None) -> pd.DataFrame:
    """Rows of one kind of masks, with the columns `masking` and `rate`."""
    told = pd.json_normalize(table["params"].map(json.loads).tolist()).reindex(
        columns=["masking", "rate"]
    )
    table = table.assign(masking=told["masking"].to_numpy(), rate=told["rate"].to_numpy())
    chosen = table["masking"] == masking
    if rate is not None:
        chosen &= np.isclose(table["rate"].astype(float), rate)
    return table[chosen]


def kinds_of_masks(table: pd.DataFrame) -> list[tuple[str, float]]:
    """Kinds of masks in a table of scores, in the order in which they come."""
    told = table["params"].drop_duplicates().map(json.loads)
    return [(one["masking"], float(one["rate"])) for one in told if "rate" in one]


def name_of_mask(masking: str, rate: float) -> Words:
    """A kind of masks as people call it."""
    if masking == "prob_median":
        return "as many hidden as are not measured"
    return f"{rate:.0%} hidden"


def replacing(thinned: pd.DataFrame) -> pd.DataFrame:
    """Rows without those "smoothed" ones of methods that leave all seen entries as they are."""
    wide = thinned.pivot_table("value", ["model", "unit", "cluster"], "post")
    stay = (wide["filled"] == wide["smoothed"]).groupby(level="model").all()
    names = stay.index[stay]
    return thinned[~(thinned["model"].isin(names) & (thinned["post"] == "smoothed"))]


def by_entries(table: pd.DataFrame, model: str) -> pd.DataFrame:
    """`reductions` of a model, for each kind of masks, and at entries that were never measured.

    Parameters
    ----------
    table : DataFrame
        Rows of all metrics, of one data set.

    Returns
    -------
    DataFrame
        The columns of `reductions`, without the latent truth and other networks, and `entries`.
    """
    error = table[table["metric"] == "masked_mse"]
    parts = [
        reductions(of_masks(error, *kind), model).assign(entries=name_of_mask(*kind))
        for kind in kinds_of_masks(error)
    ]
    truth = table[table["metric"] == "truth_mse"]
    if len(truth):
        parts.append(reductions(truth, model).assign(entries=NEVER))
    found = pd.concat(parts, ignore_index=True)
    return found[found["comparator"].isin(COMPARATORS)]


def by_cluster(table: pd.DataFrame, by: Iterable[str] = ("model",)) -> pd.DataFrame:
    """Mean and 95 % interval (t distribution) over clusters: draws of the data, or patients.

    Parameters
    ----------
    table : DataFrame
        Rows of scores of one metric.
    by : iterable of str

    Returns
    -------
    DataFrame
        The columns of `by`, `role`, `mean`, `low`, `high` (NaN of fewer than `MIN_CLUSTERS`),
        `n_clusters`.
    """
    by, rows = list(by), []
    for key, group in table.groupby(by, sort=False):
        each = group.groupby(["dataset", "cluster"])["value"].mean().dropna()
        ends = _ends(each)
        # an error is not below zero, however few draws there are
        low = np.maximum(0, ends[0]) if group["metric"].iloc[0].endswith("mse") else ends[0]
        rows.append([*key, group["role"].iloc[0], each.mean(), low, ends[1], len(each)])
    return pd.DataFrame(rows, columns=[*by, "role", "mean", "low", "high", "n_clusters"])


def _ends(each: pd.Series) -> tuple[float, float]:
    return mean_interval(each) if len(each) >= MIN_CLUSTERS else (np.nan, np.nan)


def reductions(table: pd.DataFrame, model: str) -> pd.DataFrame:
    """By how much a model's error is smaller than that of each other one, of the same masks.

    The share 1 - error / other error is taken of the means of a cluster (a draw, a patient),
    then averaged.

    Parameters
    ----------
    table : DataFrame
        Rows of `masked_mse` or `truth_mse`, of one kind of masks.
    model : str

    Returns
    -------
    DataFrame
        `comparator`, `mean`, `low`, `high` (NaN of fewer than `MIN_CLUSTERS`), `n_clusters`;
        the best comparator last.

    Raises
    ------
    CannotAnswer
        The model was not scored.
    """
    wide = table.pivot_table("value", ["dataset", "cluster"], "model")
    if model not in wide:
        raise CannotAnswer(f"{model} was not scored")
    rows = []
    for other in wide.columns.drop(model):
        share = (1 - wide[model] / wide[other]).replace([np.inf, -np.inf], np.nan).dropna()
        if share.empty:
            continue  # the truth has no error to be reduced
        rows.append((other, share.mean(), *_ends(share), len(share)))
    found = pd.DataFrame(rows, columns=["comparator", "mean", "low", "high", "n_clusters"])
    return found.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
