"""Which genes of a screen a foundation model knows, and whether they are enough to be asked."""

import numpy as np
from scipy.sparse import csr_matrix

from helpers.data.contract import DataError
from helpers.data.matrix import canonical

LEAST_GENES = 500  # detected genes of the vocabulary in a median cell
LEAST_SHARE = 0.5  # of a screen's counts that are of genes in the vocabulary


def known_genes(screen, names: np.ndarray, tokens: dict[str, int], *, model: str, naming: str):
    """Columns of a screen whose genes a model knows, and their tokens.

    Parameters
    ----------
    screen : AnnData of counts, shape (n_cells, n_genes)
    names : ndarray of shape (n_genes,), str
        Gene names in the model's naming; empty where unknown.
    tokens : dict of str to int
    model, naming : str
        For messages: the model's name, and what it calls genes by.

    Returns
    -------
    counts : csr_matrix of shape (n_cells, n_known)
        Columns in the order of tokens; genes of one name are added up.
    token : ndarray of shape (n_known,), int64, increasing

    Raises
    ------
    DataError
        None of the names is known; the known genes hold less than half of the counts; a median
        cell has fewer than 500 of them.
    """
    where = dict(screen.uns.get("dataset", {})).get("name", "this screen")
    token_of = np.array([tokens.get(str(name), -1) if name else -1 for name in names])
    known = np.flatnonzero(token_of >= 0)
    if not len(known):
        shown = ", ".join(repr(str(n)) for n in names[:3])
        expected = ", ".join(repr(n) for n in [t for t in tokens if not t.startswith("<")][:3])
        raise DataError(
            f"{where}: none of {len(names)} genes is in {model}'s vocabulary. It knows genes by "
            f"{naming} ({expected}), the screen has {shown}: give names in that form, without "
            "version suffixes"
        )
    X = csr_matrix(canonical(screen.X))
    token, column = np.unique(token_of[known], return_inverse=True)
    sum_up = csr_matrix((np.ones(len(known)), (known, column)), shape=(screen.n_vars, len(token)))
    counts = csr_matrix(X @ sum_up)
    counts.eliminate_zeros()
    counts.sort_indices()
    share = counts.sum() / X.sum()
    if share < LEAST_SHARE:
        raise DataError(
            f"{where}: {model}'s vocabulary covers {len(known)} of {len(names)} genes and "
            f"{share:.0%} of the counts; at least {LEAST_SHARE:.0%} are needed: check that the "
            f"genes are named by {naming} of the same species"
        )
    detected = np.median(np.diff(counts.indptr))
    if detected < LEAST_GENES:
        raise DataError(
            f"{where}: a median cell has {detected:g} detected genes of {model}'s vocabulary "
            f"({len(known)} of the screen's {len(names)} genes are in it), and {LEAST_GENES} are "
            "needed: the model was trained on whole transcriptomes, and its score on a panel would "
            "be the panel's"
        )
    empty = np.flatnonzero(np.diff(counts.indptr) == 0)
    if len(empty):
        raise DataError(
            f"{where}: {len(empty)} cells have no gene of {model}'s vocabulary, the first "
            f"{screen.obs_names[empty[0]]!r}; leave them out of the data set"
        )
    return counts, token.astype(np.int64)


def batches(lengths: np.ndarray, size: int):
    """Indices of cells that go through a model together: neighbours in length, longest first."""
    order = np.argsort(-np.asarray(lengths), kind="stable")
    for start in range(0, len(order), size):
        yield order[start : start + size]


def load_strictly(model, weights: dict, path) -> None:
    """Give a torch module its weights; every parameter must be there, in its shape.

    Raises
    ------
    DataError
        Weights that are missing, or of another shape (the first ones are named).
    """
    wanted = model.state_dict()
    missing = [name for name in wanted if name not in weights]
    if missing:
        raise DataError(
            f"{path} lacks {len(missing)} of {len(wanted)} weights, the first "
            f"{', '.join(missing[:3])}: it belongs to another model or configuration, and what is "
            "missing would be random"
        )
    for name, tensor in wanted.items():
        if weights[name].shape != tensor.shape:
            raise DataError(
                f"{path}: {name} has shape {tuple(weights[name].shape)}, the configuration asks "
                f"for {tuple(tensor.shape)}; take both from the same folder"
            )
    model.load_state_dict({name: weights[name] for name in wanted})
    model.eval()
