"""Which genes a model is given: the most variable ones, or those that two screens share."""

import numpy as np

from helpers.data.contract import DataError
from helpers.data.normalise import log1p_cp10k
from helpers.store.steps import step


@step
def variable_genes(screen, *, n_genes: int, split: dict | None = None) -> list[str]:
    """Genes with the largest variance of log1p CP10k, over training cells only.

    Parameters
    ----------
    screen : AnnData of counts, shape (n_cells, n_genes)
    n_genes : int
        1 to the number of genes.
    split : dict of int arrays, optional
        Of `helpers.data.splits`: the cells of `train` and `train_controls` are looked at, so that
        the choice knows nothing of the others. All cells by default.

    Returns
    -------
    list of str
        In the order of the screen. Of equal variances the first are taken.

    Raises
    ------
    DataError
        More genes than there are, or a screen that holds no counts.
    """
    if not 1 <= n_genes <= screen.n_vars:
        raise DataError(
            f"{n_genes} genes are asked for of {screen.n_vars} in {_name(screen)}; at least 1, at "
            "most all"
        )
    rows = training_rows(screen, split)
    X = log1p_cp10k(screen[rows]).X
    squares = X.multiply(X) if hasattr(X, "multiply") else X * X
    mean, mean_square = (np.asarray(m.mean(axis=0, dtype=float)).ravel() for m in (X, squares))
    order = np.argsort(-(mean_square - mean**2), kind="stable")
    return screen.var_names[np.sort(order[:n_genes])].tolist()


@step
def shared_genes(screen, other, *, least: int = 50) -> list[str]:
    """Genes that both screens measure, in the order of the first.

    Parameters
    ----------
    screen, other : AnnData
        Genes are matched by name.
    least : int
        With fewer genes a model of the one says little of the other.

    Raises
    ------
    DataError
        Fewer than `least`.
    """
    shared = screen.var_names[screen.var_names.isin(other.var_names)].tolist()
    if len(shared) < least:
        raise DataError(
            f"{_name(screen)} ({screen.n_vars} genes) and {_name(other)} ({other.n_vars}) share "
            f"{len(shared)} gene names; at least {least} are needed: are both named by symbol?"
        )
    return shared


def training_rows(screen, split: dict | None) -> np.ndarray:
    """Rows that a fit may look at: perturbed training cells and the controls of their batches.

    Raises
    ------
    DataError
        The split is of other cells.
    """
    if split is None:
        return np.arange(screen.n_obs)
    rows = np.sort(np.concatenate([split["train"], split["train_controls"]]))
    if not len(rows) or rows[-1] >= screen.n_obs:
        raise DataError(
            f"the split names {len(rows)} training cells, up to row {rows.max(initial=-1)}; "
            f"{_name(screen)} has {screen.n_obs}: it is a split of other cells"
        )
    return rows


def columns(screen, genes) -> np.ndarray:
    """Columns of genes, by name.

    Raises
    ------
    DataError
        Some are not measured; they are counted and the first named.
    """
    at = screen.var_names.get_indexer(genes)
    if len(absent := np.flatnonzero(at < 0)):
        names = ", ".join(str(genes[i]) for i in absent[:5])
        raise DataError(
            f"{_name(screen)} lacks {len(absent)} of {len(at)} genes of the model, first {names}; "
            "fit it on the genes that both have (shared_genes)"
        )
    return at


def _name(screen) -> str:
    return screen.uns.get("dataset", {}).get("name", "this screen")
