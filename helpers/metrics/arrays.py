"""One door for arrays from outside, and one word for what is constant.

Whatever computes on matrices and labels asks here first, so that all refuse the same things in the
same words, and that no kernel sees what it was not made for.
"""

import numpy as np
import pandas as pd
from scipy import sparse

_ROUNDING = 16  # units in the last place by which equal values may differ


def finite_matrix(values, name: str = "the embedding") -> np.ndarray:
    """A matrix in a form that every kernel takes; what was given stays as it is.

    Parameters
    ----------
    values : array or sparse matrix of shape (n_rows, n_columns)
        Any real numbers, in any layout or byte order.
    name : str
        For the error.

    Returns
    -------
    ndarray of shape (n_rows, n_columns), float32 if it was, else float64
        Dense, in C order.

    Raises
    ------
    ValueError
        No matrix, no numbers, or values that are NaN or infinite (counted, the first is named).
    """
    values = values.toarray() if sparse.issparse(values) else np.asarray(values)
    if values.ndim != 2:
        raise ValueError(f"{name} has shape {values.shape}; pass a matrix, rows x columns")
    if values.dtype.kind not in "biuf" or values.dtype not in (np.float32, np.float64):
        try:
            values = values.astype(float)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} holds {values.dtype}, not numbers: {error}") from error
    # A finite sum proves finite values without an array of flags.
    with np.errstate(invalid="ignore", over="ignore"):
        proven = np.isfinite(values.sum(dtype=float))
    if not proven and (odd := ~np.isfinite(values)).any():
        row, column = np.argwhere(odd)[0]
        raise ValueError(
            f"{name} holds {odd.sum()} NaN or infinite values, the first in row {row}, column "
            f"{column}"
        )
    return np.ascontiguousarray(values)


def label_codes(labels, n: int, name: str = "labels") -> tuple[np.ndarray, pd.Index]:
    """Number of each row's label in the order of their names, and the names.

    Parameters
    ----------
    labels : array of shape (n,)
    n : int
        Rows that are labelled.
    name : str
        For the error.

    Returns
    -------
    codes : int64 ndarray of shape (n,)
    names : Index

    Raises
    ------
    ValueError
        Another number of labels, or labels that are missing (NaN, None), which are no group.
    """
    labels = np.asarray(labels)
    if labels.shape != (n,):
        raise ValueError(f"{name} of shape {labels.shape} for {n} rows")
    missing = pd.isna(labels)
    if missing.any():
        raise ValueError(
            f"{name} are missing for {missing.sum()} rows, the first in row {int(missing.argmax())}"
        )
    codes, names = pd.factorize(labels, sort=True)
    return codes.astype(np.int64), pd.Index(names)


def joint_codes(*labels, name: str = "labels") -> list[np.ndarray]:
    """Codes of several arrays of labels by one list of names: 0 and 0.0 are one name.

    Raises
    ------
    ValueError
        Labels that are missing, or numbers in one array and text in another.
    """
    arrays = [np.asarray(part, dtype=object).ravel() for part in labels]
    together = np.concatenate(arrays)
    if missing := int(pd.isna(together).sum()):
        raise ValueError(f"{name} are missing for {missing} of {len(together)} rows")
    if len({isinstance(label, str) for label in together}) > 1:
        raise ValueError(f"{name} are text in one place and numbers in another; give one kind")
    codes = pd.factorize(together)[0].astype(np.int64)
    return np.split(codes, np.cumsum([len(part) for part in arrays])[:-1])


def varies(values, axis: int = 0, *, magnitude=None) -> np.ndarray:
    """Where values differ by more than rounding: False is what the book calls constant.

    The range is compared with the largest size of a value, in units of the last place of the
    array's own type. So 0.1 + 0.2 and 0.3 are one value, a column times any number varies as it
    did, and a column that was centred before is judged by its size then, if `magnitude` tells it.

    Parameters
    ----------
    values : ndarray
    axis : int
        Along which they vary.
    magnitude : ndarray, optional
        Size of the values before an offset was taken off.

    Returns
    -------
    bool ndarray, without the axis; False where there is nothing
    """
    values = np.asarray(values)
    if values.shape[axis] == 0:
        return np.zeros(np.delete(values.shape, axis), dtype=bool)
    low, high = values.min(axis=axis).astype(float), values.max(axis=axis).astype(float)
    size = np.maximum(np.abs(low), np.abs(high))
    if magnitude is not None:
        size = np.maximum(size, magnitude)
    return high - low > tolerance(values) * size


def tolerance(values) -> float:
    """Relative difference up to which values of an array's type are one value."""
    kind = np.asarray(values).dtype
    return _ROUNDING * float(np.finfo(kind if kind.kind == "f" else float).eps)


def row_correlations(a, b) -> np.ndarray:
    """Pearson correlation of each row of one matrix with the same row of another.

    Parameters
    ----------
    a, b : ndarray of shape (n_rows, n_columns)

    Returns
    -------
    ndarray of shape (n_rows,), in [-1, 1]
        NaN where a row is constant or NaN.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape or a.ndim != 2:
        raise ValueError(f"shapes {a.shape} and {b.shape}; pass two matrices of one shape")
    varying = varies(a, axis=1) & varies(b, axis=1)
    a, b = (v - v.mean(1, keepdims=True) for v in (a, b))
    norms = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    dot = np.einsum("ij,ij->i", a, b)
    known = varying & (norms > 0)
    return np.clip(np.divide(dot, norms, out=np.full(len(a), np.nan), where=known), -1, 1)
