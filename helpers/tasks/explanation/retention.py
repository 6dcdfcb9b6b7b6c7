"""Retention: which genes does a frozen model need, and would others do?

Genes that are not kept are set to the baseline of the explanation; nothing is trained.
"""

import numpy as np
import pandas as pd

from helpers import scores
from helpers.data.contract import DataError
from helpers.metrics.explanation.rank_stability import top_genes
from helpers.metrics.explanation.retention import retained_accuracy
from helpers.metrics.explanation.selection import random_genes, union_of_best
from helpers.store.steps import step
from helpers.tasks.explanation.explained import explained

TASK = "retention"
SELECTIONS = ("best", "all but best", "random", "random without best")


@step
def retention(
    data,
    fit,
    ranking,
    *,
    sizes: list[int],
    n_random: int,
    seed: int,
    protocol: str = "revised",
    split: str = "test",
) -> pd.DataFrame:
    """Balanced accuracy of a frozen model on the best genes, on the others, on random ones.

    Parameters
    ----------
    data : AnnData
        With `obs["class"]` and `obs["split"]`.
    fit : dict of arrays
    ranking : ndarray of shape (n_classes or 1, n_genes)
        Scores, higher for what matters more. Of each class the k best are kept, so that up to
        n_classes k genes are; ties in random order.
    sizes : list of int
        k, each 1 to n_genes.
    n_random : int
        Random selections of each size, of as many genes as the best are.
    seed : int
        Of ties and random selections.
    protocol : {"published", "revised"}
        *published* looks at samples that the whole model gets right; *revised* at all, so that
        the curve ends at the model's own accuracy.
    split : {"test", "train"}

    Returns
    -------
    DataFrame
        `selection`, `k`, `n_genes` (kept), `repeat`, `accuracy` (balanced, in [0, 1]), `n`
        samples. *random without best* is left out where too few genes remain.

    Raises
    ------
    CannotAnswer, DataError, CompletenessError
        As `helpers.tasks.explanation.explained.explained`; or a ranking of other genes.
    """
    ranking = np.atleast_2d(ranking)
    if ranking.shape[1] != data.n_vars:
        raise DataError(f"the ranking has {ranking.shape[1]} genes, the data {data.n_vars}")
    found = explained(data, fit, protocol=protocol, split=split)
    rows = found.correct if protocol == "published" else np.full(len(found.Z), True)
    Z, targets = found.Z[rows], found.targets[rows]
    rng = np.random.default_rng(seed)
    orders = np.stack([top_genes(scores, data.n_vars, rng) for scores in ranking])
    kept: list[tuple[str, int, int, np.ndarray]] = []
    for k in sizes:
        best = union_of_best(orders, k)
        n = int(best.sum())
        kept.append(("best", k, 0, best))
        if n < data.n_vars:
            kept.append(("all but best", k, 0, ~best))
        for i in range(n_random):
            kept.append(("random", k, i, random_genes(rng, data.n_vars, n)))
            if n <= data.n_vars - n:
                others = random_genes(rng, data.n_vars, n, without=best)
                kept.append(("random without best", k, i, others))
    masks = np.stack([mask for *_, mask in kept])
    accuracy = retained_accuracy(found.head, Z, targets, found.baseline, masks)
    return pd.DataFrame(
        {
            "selection": [name for name, *_ in kept],
            "k": [k for _, k, *_ in kept],
            "n_genes": masks.sum(axis=1),
            "repeat": [repeat for *_, repeat, _ in kept],
            "accuracy": accuracy,
            "n": len(Z),
        }
    )


def curve(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over repeats and runs, with the range of the middle 95 % of them.

    Parameters
    ----------
    table : DataFrame
        Of `retention` or of `retraining`, or several of them concatenated.

    Returns
    -------
    DataFrame
        `selection`, `k`, `n_genes` (mean), `accuracy`, `low`, `high` (quantiles over runs; NaN for
        one run), `n_runs`. Selections in their own order.
    """
    groups = table.groupby(["selection", "k"], sort=False)
    rows = pd.DataFrame(
        {
            "accuracy": groups["accuracy"].mean(),
            "low": groups["accuracy"].quantile(0.025),
            "high": groups["accuracy"].quantile(0.975),
            "n_genes": groups["n_genes"].mean(),
            "n_runs": groups.size(),
        }
    )
    rows.loc[rows["n_runs"] == 1, ["low", "high"]] = np.nan
    known = {name: i for i, name in enumerate((*SELECTIONS, "worst"))}
    rows = rows.reset_index()
    order = rows["selection"].map(known)
    return rows.assign(order=order).sort_values(["order", "k"]).drop(columns="order")


def score_rows(
    table: pd.DataFrame,
    *,
    task: str,
    metric: str,
    dataset: str,
    model: str,
    seed: int,
    draw: int = 0,
    params: dict | None = None,
) -> pd.DataFrame:
    """Runs as rows of the score table; random selections are floors.

    Parameters
    ----------
    table : DataFrame
        Of `retention` or of `helpers.tasks.explanation.retraining`.
    task, metric, dataset, model : str
    seed : int
        Of the training.
    draw : int
        Number of the simulated data set.
    params : dict, optional
        More parameters.
    """
    runs = zip(table["k"], table["selection"], strict=True)
    return scores.rows(
        task=task,
        dataset=dataset,
        split="test",
        model=model,
        params=[{**(params or {}), "draw": draw, "k": int(k), "selection": s} for k, s in runs],
        post="none",
        metric=metric,
        role=np.where(table["selection"].str.startswith("random"), "floor", "candidate"),
        unit_kind="run",
        unit="run " + table["repeat"].astype(str),
        cluster=f"draw {draw}",
        seed=seed,
        n=table["n"],
        value=table["accuracy"],
    )
