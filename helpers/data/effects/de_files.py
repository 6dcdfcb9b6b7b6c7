"""Tables of differential expression as pdex, scanpy and cell-eval write them, read and written."""

from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from helpers.data.errors import DataError
from helpers.metrics.effects.de_tables import DETable

Format = Literal["pdex", "scanpy", "cell-eval"]
COLUMNS = {
    "pdex": ("target", "feature", "log2_fold_change", "p_value", "fdr"),
    "scanpy": ("group", "names", "logfoldchanges", "pvals", "pvals_adj"),
    "cell-eval": ("target", "feature", "log2_fold_change", "p_value", "p_adj"),
}
"""Columns of perturbation, gene, log2 fold change, p-value and adjusted p-value, by format: that of
pdex is also that of cell-eval 0.8, `cell-eval` that of cell-eval2, `scanpy` that of
`scanpy.get.rank_genes_groups_df`."""
LN2 = np.log(2)


def table_from(frame: pd.DataFrame, *, where: str = "the table") -> DETable:
    """A table in the format that its columns tell.

    Parameters
    ----------
    frame : DataFrame
        One row a perturbation and gene. Rows that are missing were not tested. Other columns than
        those of `COLUMNS` are not read, but for `fold_change`, which the logarithm must be of.
    where : str
        For the error.

    Returns
    -------
    DETable
        Perturbations and genes sorted. p-values are NaN where cell-eval2's column is not there.

    Raises
    ------
    DataError
        Columns of no format, rows that occur twice, p-values outside [0, 1], numbers that are text,
        or fold changes whose logarithm is not to base 2.
    """
    target, feature, change, p_value, p_adjusted = COLUMNS[format_of(frame, where)]
    frame = frame.assign(**{target: frame[target].astype(str), feature: frame[feature].astype(str)})
    if (twice := frame.duplicated([target, feature])).any():
        first = frame.loc[twice, [target, feature]].iloc[0]
        raise DataError(
            f"{where}: {twice.sum()} rows repeat a perturbation and gene, the first "
            f"{first[target]}, {first[feature]}; keep one of them"
        )
    if p_value not in frame:
        frame = frame.assign(**{p_value: np.nan})
    for name in (change, p_value, p_adjusted):
        if not pd.api.types.is_numeric_dtype(frame[name]):
            raise DataError(f"{where}: column {name} holds {frame[name].dtype}, not numbers")
    for name in (p_value, p_adjusted):
        if (odd := ~frame[name].dropna().between(0, 1)).any():
            raise DataError(
                f"{where}: {odd.sum()} values of {name} lie outside [0, 1]; give p-values, not "
                "their logarithms"
            )
    _check_base(frame, change, where)
    wide = frame.assign(tested=True).pivot_table(
        index=target,
        columns=feature,
        values=["tested", change, p_value, p_adjusted],
        aggfunc="first",
        dropna=False,
    )
    names = wide.index.to_numpy(), np.unique(frame[feature])

    def array(column):
        if column not in wide:
            return np.full((len(names[0]), len(names[1])), np.nan)
        return wide[column].reindex(columns=names[1]).to_numpy(dtype=float)

    tested = ~np.isnan(array("tested"))
    return DETable(*names, tested, array(change), array(p_value), array(p_adjusted))


def format_of(frame: pd.DataFrame, where: str = "the table") -> Format:
    """Format of a table, by its columns.

    Raises
    ------
    DataError
        None has these.
    """
    for name, columns in COLUMNS.items():
        needed = set(columns) - ({"p_value"} if name == "cell-eval" else set())
        if needed <= set(frame.columns):
            return name
    raise DataError(
        f"{where} has columns {', '.join(map(str, frame.columns))}; a table of differential "
        + "expression has "
        + ", or ".join(f"{', '.join(c)} ({name})" for name, c in COLUMNS.items())
    )


def _check_base(frame: pd.DataFrame, change: str, where: str) -> None:
    """Where the fold change itself is there, its logarithm is to base 2."""
    if "fold_change" not in frame:
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        log2 = np.log2(frame["fold_change"].to_numpy(dtype=float))
    given = frame[change].to_numpy(dtype=float)
    known = np.isfinite(log2) & np.isfinite(given) & (np.abs(log2) > 1e-6)
    check_log2(given[known], log2[known], where=where)


def check_log2(given, log2, *, where: str = "the table") -> None:
    """Pass where logarithms of fold changes are those to base 2 that they are held against.

    Parameters
    ----------
    given, log2 : array of shape (n,)
        What a table says, and what the same genes have, by cells or by another column.

    Raises
    ------
    DataError
        Their slope is that of another base.
    """
    given, log2 = np.asarray(given, dtype=float), np.asarray(log2, dtype=float)
    if not (weight := np.dot(log2, log2)):
        return
    slope = np.dot(given, log2) / weight
    for name, base in (("natural logarithms", LN2), ("logarithms to base 10", np.log10(2))):
        if abs(slope / base - 1) < 0.05:
            raise DataError(
                f"{where}: log fold changes are {slope:.3f} times those to base 2: they are {name};"
                f" divide them by {base:.4f}"
            )


def frame_of(table: DETable, kind: Format) -> pd.DataFrame:
    """The rows of a table that were tested, with the columns of a format.

    Returns
    -------
    DataFrame
        Perturbation by perturbation; in each, genes as the table has them, for scanpy the
        smallest p-value first.
    """
    rows, columns = np.nonzero(table.tested)
    target, feature, change, p_value, p_adjusted = COLUMNS[kind]
    frame = pd.DataFrame(
        {
            target: table.perturbations[rows],
            feature: table.genes[columns],
            change: table.log2_fold_change[rows, columns],
            p_value: table.p_value[rows, columns],
            p_adjusted: table.p_adjusted[rows, columns],
        }
    )
    if kind == "scanpy":
        frame = frame.sort_values([target, p_value], kind="stable", ignore_index=True)
    return frame


def read_de_table(path: Path) -> DETable:
    """A table of a CSV or Parquet file.

    Raises
    ------
    DataError
        No such file, one that cannot be read, or a table that `table_from` refuses.
    """
    path = Path(path)
    readers = {
        ".csv": partial(pd.read_csv, float_precision="round_trip"),
        ".parquet": pd.read_parquet,
    }
    reader = readers.get(path.suffix)
    if reader is None:
        raise DataError(f"{path} is neither .csv nor .parquet")
    try:
        frame = reader(path)
    except (OSError, ValueError) as error:
        said = (str(error).splitlines() or [""])[0]
        raise DataError(f"{path} cannot be read as a table ({said})") from error
    return table_from(frame, where=str(path))


def write_de_table(table: DETable, path: Path, kind: Format) -> None:
    """Write a table as a CSV or Parquet file of a format.

    Raises
    ------
    DataError
        Another ending.
    """
    path = Path(path)
    frame = frame_of(table, kind)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        raise DataError(f"{path} is neither .csv nor .parquet")
