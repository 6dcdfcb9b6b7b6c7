"""The door for predicted expression: same genes, same perturbations, same scale, or an error."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

SLOPES = (0.75, 1.3)  # of a predicted profile on the observed one; log2 for ln gives 1.44
LEAST_CORRELATION = 0.5  # over genes, between mean profiles: genes differ in level by far more


def matched(
    predictions: Mapping[str, pd.DataFrame], observed: pd.DataFrame, *, check_scale: bool = True
) -> dict[str, np.ndarray]:
    """Predictions of all models over one set of genes, in the order of what was observed.

    Parameters
    ----------
    predictions : mapping of str to DataFrame of shape (n_perturbations, n_genes)
        Of each model: expected expression, on the scale of `observed`. Rows and columns are
        matched by name, never by place. Values may lie below 0, as sums of effects do; they are
        scored as they are.
    observed : DataFrame of shape (n_perturbations, n_genes)
    check_scale : bool
        Refuse a model whose mean profile is another one than what was observed: by its slope
        (counts in place of logarithms, log2 in place of ln) or its correlation over genes.

    Returns
    -------
    dict of str to ndarray of shape (n_perturbations, n_genes), float64

    Raises
    ------
    ValueError
        Names that come twice, perturbations or genes that are missing or not known, values that
        are no numbers, NaN or infinite, and another scale. Each names the model and the first case.
    """
    _named_once("observed", observed)
    truth = _finite("observed", observed)
    found = {}
    for name, table in predictions.items():
        _named_once(name, table)
        for what, axis in (("perturbations", 0), ("genes", 1)):
            asked, given = (t.axes[axis] for t in (observed, table))
            lacking, unknown = asked.difference(given), given.difference(asked)
            if len(lacking) or len(unknown):
                first = (lacking if len(lacking) else unknown)[0]
                raise ValueError(
                    f"{name}: {len(lacking)} of {len(asked)} {what} are missing and {len(unknown)} "
                    f"are not known, the first is {first!r}; every model is scored on the same "
                    f"{what}: predict all of them, or choose fewer for all models"
                )
        found[name] = _finite(name, table.loc[observed.index, observed.columns])
        if check_scale:
            _check_scale(name, found[name].mean(axis=0), truth.mean(axis=0))
    return found


def _named_once(name: str, table: pd.DataFrame) -> None:
    for what, labels in (("perturbations", table.index), ("genes", table.columns)):
        if not labels.is_unique:
            twice = labels[labels.duplicated()]
            raise ValueError(f"{name}: {len(twice)} {what} come twice, the first is {twice[0]!r}")


def _finite(name: str, table: pd.DataFrame) -> np.ndarray:
    try:
        values = table.to_numpy(dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} holds values that are no numbers: {error}") from error
    if (odd := ~np.isfinite(values)).any():
        row, column = np.argwhere(odd)[0]
        raise ValueError(
            f"{name}: {odd.sum()} values are NaN or infinite, the first for perturbation "
            f"{table.index[row]!r}, gene {table.columns[column]!r}"
        )
    return values


def _check_scale(name: str, profile: np.ndarray, truth: np.ndarray) -> None:
    power = float(truth @ truth)
    if power == 0 or np.ptp(truth) == 0:
        return
    slope = float(profile @ truth) / power
    if not SLOPES[0] <= slope <= SLOPES[1]:
        raise ValueError(
            f"{name}: predicted expression is {slope:.3g} times the observed one over all genes; "
            "is it on another scale (counts, log2 in place of ln), or a change in place of "
            "expression?"
        )
    together = np.corrcoef(profile, truth)[0, 1] if np.ptp(profile) > 0 else 0.0
    if together < LEAST_CORRELATION:
        raise ValueError(
            f"{name}: over genes, predicted and observed mean expression correlate by "
            f"{together:.2f}; are genes in another order under the same names, or is it a change "
            "from another control?"
        )
