"""What a score gains when one of its own choices is made on the data that score it."""

import numpy as np
import pandas as pd

from helpers.metrics.arrays import label_codes


def selection_bias(values: pd.DataFrame, clusters, *, n_splits: int = 500, rng) -> pd.DataFrame:
    """Best of several choices, picked on the scored units and picked on others.

    Clusters are dealt to a validation and a test half, again and again. The choice with the best
    mean over the test half, as the half itself has it, is what a table reports that shows the
    best of several; the test mean of the choice that was best in the validation half is what
    somebody gets who uses it.

    Parameters
    ----------
    values : DataFrame of shape (n_units, n_choices)
        The same units scored under every choice, higher is better.
    clusters : array of shape (n_units,)
        Units that go to the same half; at least 4 different ones.
    n_splits : int
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame indexed by choice, in the order of `values`
        `mean` over all units, `picked_on_test` and `picked_on_validation` (shares of splits; ties
        go to the first). In `attrs`: `on_test` and `on_validation` (mean test score of what was
        picked), `bias` (their difference, at least 0), `bias_sd` (standard deviation over splits,
        which is not a standard error), `n_units`.

    Raises
    ------
    ValueError
        Scores that are not finite, fewer than two choices, or fewer than 4 clusters.
    """
    table = values.to_numpy(dtype=float)
    if not np.isfinite(table).all():
        raise ValueError(f"{(~np.isfinite(table)).sum()} scores are not finite; drop those units")
    if table.shape[1] < 2:
        raise ValueError(f"{table.shape[1]} choice: there is nothing to pick from")
    code, names = label_codes(clusters, len(table), "clusters")
    if len(names) < 4:
        raise ValueError(f"{len(names)} clusters: two halves take at least 4")
    if n_splits < 1:
        raise ValueError(f"n_splits is {n_splits}; at least 1")
    sums = np.zeros((len(names), table.shape[1]))
    np.add.at(sums, code, table)
    counts = np.bincount(code, minlength=len(names))
    half = len(names) // 2
    order = rng.permuted(np.tile(np.arange(len(names)), (n_splits, 1)), axis=1)
    in_test = np.zeros((n_splits, len(names)))
    np.put_along_axis(in_test, order[:, :half], 1.0, axis=1)
    test = in_test @ sums / (in_test @ counts)[:, None]
    validation = (1 - in_test) @ sums / ((1 - in_test) @ counts)[:, None]
    by_test, by_validation = test.argmax(axis=1), validation.argmax(axis=1)
    on_test = test.max(axis=1)
    on_validation = np.take_along_axis(test, by_validation[:, None], axis=1)[:, 0]
    n_choices = table.shape[1]
    found = pd.DataFrame(
        {
            "mean": table.mean(axis=0),
            "picked_on_test": np.bincount(by_test, minlength=n_choices) / n_splits,
            "picked_on_validation": np.bincount(by_validation, minlength=n_choices) / n_splits,
        },
        index=values.columns,
    )
    difference = on_test - on_validation
    found.attrs = {
        "on_test": float(on_test.mean()),
        "on_validation": float(on_validation.mean()),
        "bias": float(difference.mean()),
        "bias_sd": float(difference.std()),
        "n_units": len(table),
    }
    return found
