"""Retraining: how well do a few genes do when the model may be trained on them alone?

Masking a frozen model asks what *it* uses. Training anew asks what the genes hold.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.metrics.explanation.rank_stability import top_genes
from helpers.metrics.explanation.retention import balanced_accuracy
from helpers.metrics.explanation.selection import random_genes, union_of_best, worst
from helpers.models.explanation.classifiers import (
    MLP,
    standardisation,
    standardise,
)
from helpers.store.steps import step

TASK = "retraining"


@step
def retrained_mlp(
    data, rankings, *, sizes: list[int], n_random: int, seed: int, shuffle: bool = False
) -> pd.DataFrame:
    """MLPs trained on the best, worst and random genes; see `retrained`."""

    def model(training_seed: int) -> MLP:
        return MLP(shuffle=shuffle, random_state=training_seed)

    return retrained(model, data, rankings, sizes=sizes, n_random=n_random, seed=seed)


def retrained(
    model: Callable,
    data,
    rankings,
    *,
    sizes: list[int],
    n_random: int,
    seed: int,
) -> pd.DataFrame:
    """Test accuracy of models trained from scratch on n genes.

    Parameters
    ----------
    model : callable
        Of a training seed, an unfitted classifier.
    data : AnnData
        With `obs["class"]` and `obs["split"]`.
    rankings : ndarray of shape (n_rankings, n_genes)
        Scores of one ranking each (another training seed, say): best and worst genes are taken
        from each, and a model is trained on each.
    sizes : list of int
        n, each 1 to n_genes.
    n_random : int
        Random selections of each size.
    seed : int
        Of random selections, ties and trainings.

    Returns
    -------
    DataFrame
        `selection` (best, worst, random, random without best), `k` and `n_genes` (n), `repeat`,
        `accuracy` (balanced, test samples), `n`. *random without best* draws from what lies beyond
        the n best of the first ranking, and is left out where fewer than n genes remain.

    Raises
    ------
    DataError
        A ranking of other genes, or no test sample.

    References
    ----------
    Bontonou et al. 2025; mbonto/XAI_in_genomics, get_summary_FS_self.py:28-102.
    """
    rankings = np.atleast_2d(rankings)
    if rankings.shape[1] != data.n_vars:
        raise DataError(f"the ranking has {rankings.shape[1]} genes, the data {data.n_vars}")
    train = (data.obs["split"] == "train").to_numpy()
    test = (data.obs["split"] == "test").to_numpy()
    if not test.any():
        raise DataError("obs['split'] says test for no sample")
    labels = data.obs["class"].astype(str).to_numpy().astype(str)
    Z = standardise(data.X, *standardisation(data.X[train]))
    rng = np.random.default_rng(seed)
    orders = [top_genes(scores, data.n_vars, rng) for scores in rankings]
    chosen: list[tuple[str, int, int, np.ndarray]] = []
    for n in sizes:
        best = [union_of_best(order[None], n) for order in orders]
        chosen += [("best", n, i, genes) for i, genes in enumerate(best)]
        chosen += [("worst", n, i, worst(order, n)) for i, order in enumerate(orders)]
        for i in range(n_random):
            chosen.append(("random", n, i, random_genes(rng, data.n_vars, n)))
            if n <= data.n_vars - n:
                others = random_genes(rng, data.n_vars, n, without=best[0])
                chosen.append(("random without best", n, i, others))
    rows = []
    for (name, n, i, genes), training_seed in zip(
        chosen, rng.integers(2**31, size=len(chosen)).tolist(), strict=True
    ):
        fitted = model(training_seed).fit(Z[np.ix_(train, genes)], labels[train])
        accuracy = balanced_accuracy(fitted.predict(Z[np.ix_(test, genes)]), labels[test])
        rows.append((name, n, n, i, accuracy, int(test.sum())))
    return pd.DataFrame(rows, columns=["selection", "k", "n_genes", "repeat", "accuracy", "n"])
