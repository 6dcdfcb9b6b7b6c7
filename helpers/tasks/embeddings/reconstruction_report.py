"""Tables of the chapter on reconstruction."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL
from helpers.data.normalise import log1p_cp10k
from helpers.metrics.embeddings.reconstruction import overall_integrity, structural_integrity
from helpers.store import Step, results, step
from helpers.tasks.embeddings.reconstruction import PROTOCOLS, scores

TITLES = {
    "reconstruction_spearman": "Spearman",
    "structural_integrity_overall": "Structural Integrity",
    "profile_integrity": "profile integrity",
}


def gather(
    asked: Mapping[tuple[str, str, str], Step],
    roster: Mapping,
    *,
    dataset: str,
    seed: int,
    **shared,
) -> pd.DataFrame:
    """Score table of many calls of `reconstruction`, side by side where there is a cluster.

    Parameters
    ----------
    asked : mapping
        Of (model, protocol, decoder) to a call.
    roster : mapping
        Of the model's name to its `Representation`.
    dataset : str
    seed : int
    **shared
        The other arguments of `scores`.
    """
    tables = []
    for (model, protocol, decoder), found in zip(asked, results(asked.values()), strict=True):
        one = roster[model]
        tables.append(
            scores(
                found,
                dataset=dataset,
                model=model,
                params=dict(one.params),
                protocol=protocol,
                role=one.role,
                seed=seed,
                decoder=decoder,
                **shared,
            )
        )
    return pd.concat(tables, ignore_index=True)


def overall(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean of each metric of `TITLES` over its units, a row for each combination of `by`.

    Parameters
    ----------
    table : DataFrame
        Score table; NaN (a gene or batch that cannot be scored) is left out of the means.
    by : list of str
        Columns.

    Returns
    -------
    DataFrame
        `by`, then a column for each metric, ceilings first, then candidates from the best Spearman
        down, then floors.
    """
    chosen = table[table["metric"].isin(TITLES)]
    wide = chosen.pivot_table("value", ["role", *by], "metric", observed=True).reset_index()
    rank = wide["role"].map({"ceiling": 0, "candidate": 1, "reported": 2, "floor": 3})
    wide = wide.assign(rank=rank).sort_values(
        ["rank", "reconstruction_spearman"], ascending=[True, False], kind="stable"
    )
    columns = [metric for metric in TITLES if metric in wide]
    return wide[[*by, *columns]].rename(columns=TITLES).reset_index(drop=True)


def unscored(table: pd.DataFrame) -> pd.Series:
    """Number of units without a value, by metric."""
    return table["value"].isna().groupby(table["metric"]).sum()


@step
def no_change_by_sample(
    screen, split, genes, *, n_samples: int, seed: int
) -> dict[str, np.ndarray]:
    """Published Structural Integrity of a prediction without any change, sample after sample.

    Every test cell is predicted as the mean of the training cells. Each sample is as large as the
    released code's share of the test cells.

    Parameters
    ----------
    screen : AnnData of counts
    split : dict of index arrays
    genes : list of str
    n_samples, seed : int

    Returns
    -------
    dict of arrays of shape (n_samples,)
        `structural_integrity`, and `bare`, batches of the sample without controls. By the revised
        form it is 0.5 on any cells.
    """
    rng = np.random.default_rng(seed)
    train = np.concatenate([split["train"], split["train_controls"]])
    test = np.concatenate([split["unseen"], split["test_controls"]])
    expression = log1p_cp10k(screen).X[:, screen.var_names.get_indexer(genes)]
    mean = np.asarray(expression[train].mean(axis=0)).reshape(1, -1)
    observed = expression[test]
    observed = np.asarray(observed.todense() if hasattr(observed, "todense") else observed)
    batch = screen.obs["batch"].astype(str).to_numpy()[test]
    is_control = (screen.obs["perturbation"] == CONTROL).to_numpy()[test]
    size = max(2, round(PROTOCOLS["published"].share * len(test)))
    found = np.empty((2, n_samples))
    for k in range(n_samples):
        rows = rng.choice(len(test), size, replace=False)
        table = structural_integrity(
            np.repeat(mean, size, axis=0),
            observed[rows],
            batch[rows],
            is_control[rows],
            form="published",
        )
        found[:, k] = overall_integrity(table, form="published"), (table["n_controls"] == 0).sum()
    return {"structural_integrity": found[0], "bare": found[1]}
