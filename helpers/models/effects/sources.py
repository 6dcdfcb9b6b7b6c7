"""Where embeddings of genes and perturbations come from: training data, elsewhere, or nowhere."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.linalg import eigh

from helpers.data.contract import DataError
from helpers.models.effects.training import Training


def gene_scores(training: Training, n_components: int = 10) -> pd.DataFrame:
    """Scores of genes: PCA of the training profiles with genes as samples, not of the changes.

    The controls of each context are conditions too. Columns are centred, not scaled; scores are
    U S, so that the first one is mostly the level of expression.

    Returns
    -------
    DataFrame of shape (n_genes, at most n_components)
    """
    X = np.vstack([training.means, *training.controls.values()]).T
    return pd.DataFrame(_scores(X, n_components), index=training.genes)


def condition_scores(training: Training, n_components: int = 10) -> pd.DataFrame:
    """Scores of conditions, by name: PCA of their profiles, the controls among them.

    As published for a screen that lends its P to another one. Of a training set, it knows its own
    conditions only. A condition in several contexts is the mean of its rows.

    References
    ----------
    Ahlmann-Eltze et al. 2025, extract_pert_embedding_pca.R:38-45.
    """
    X = np.vstack([training.means, *training.controls.values()])
    scores = pd.DataFrame(_scores(X, n_components)[: len(training.names)], index=training.names)
    return scores.groupby(level=0).mean()


def change_scores(training: Training, n_components: int = 10) -> pd.DataFrame:
    """Scores of single perturbations: SVD of their changes, not centred, so that no change is 0.

    Unlike the scores of profiles they add up: the embedding of a combination is the sum.
    """
    single = np.char.find(training.names, "+") < 0
    U, S = np.linalg.svd(training.changes[single], full_matrices=False)[:2]
    k = min(n_components, len(S))
    scores = pd.DataFrame(U[:, :k] * S[:k], index=training.names[single])
    return scores.groupby(level=0).mean()


def _scores(X: np.ndarray, n_components: int) -> np.ndarray:
    """Scores of the rows of X, columns centred, by the smaller of the two Gram matrices."""
    X = X - X.mean(axis=0)
    k = min(n_components, min(X.shape))
    wide = X.shape[0] <= X.shape[1]
    second = X @ X.T if wide else X.T @ X
    values, vectors = eigh(second, subset_by_index=[len(second) - k, len(second) - 1])
    values, vectors = values[::-1], vectors[:, ::-1]
    return vectors * np.sqrt(np.maximum(values, 0)) if wide else X @ vectors


def random_embedding(names: Iterable[str], *, n_dims: int = 10, seed: int) -> pd.DataFrame:
    """Independent standard normal coordinates: knows nothing."""
    names = list(names)
    values = np.random.default_rng(seed).standard_normal((len(names), n_dims))
    return pd.DataFrame(values, index=names)


def gene_set_embedding(
    sets: Mapping[str, Iterable[str]], *, n_dims: int = 10, at_least: int = 3, at_most: int = 500
) -> pd.DataFrame:
    """Genes by the sets that they are in: SVD of membership, which holds no expression.

    Each set weighs by one over the root of its size, as in a co-membership graph; sets that are
    very small or very large are left out.

    Parameters
    ----------
    sets : mapping of a set to its genes
    n_dims : int
    at_least, at_most : int
        Size of a set.

    Returns
    -------
    DataFrame indexed by gene, scores U S

    Raises
    ------
    DataError
        No set is left.
    """
    from scipy import sparse

    kept = {name: sorted(set(genes)) for name, genes in sorted(sets.items())}
    kept = {name: genes for name, genes in kept.items() if at_least <= len(genes) <= at_most}
    if not kept:
        raise DataError(f"no set of {at_least} to {at_most} genes")
    genes = sorted({g for own in kept.values() for g in own})
    place = {gene: i for i, gene in enumerate(genes)}
    rows = [place[g] for own in kept.values() for g in own]
    columns = np.repeat(np.arange(len(kept)), [len(own) for own in kept.values()])
    weights = np.repeat(
        [len(own) ** -0.5 for own in kept.values()], [len(o) for o in kept.values()]
    )
    member = sparse.csr_matrix((weights, (rows, columns)), shape=(len(genes), len(kept)))
    if n_dims < min(member.shape):
        scores = member @ _leading(member.T @ member, n_dims)[1]
    else:
        U, S, _ = np.linalg.svd(member.toarray(), full_matrices=False)
        scores = U * S
    return pd.DataFrame(scores, index=genes)


def graph_embedding(edges: pd.DataFrame, *, n_dims: int = 10) -> pd.DataFrame:
    """Genes by an undirected weighted graph: adjacency spectral embedding.

    Parameters
    ----------
    edges : DataFrame
        `source`, `target`, `importance`; of a pair in both orders the larger counts.
    n_dims : int
        Eigenvalues of largest modulus. The published call asks for 10 and gets 2.
    """
    from scipy import sparse

    genes = np.unique(edges[["source", "target"]].to_numpy(str))
    i, j = (np.searchsorted(genes, edges[c].to_numpy(str)) for c in ("source", "target"))
    one = sparse.csr_matrix((edges["importance"], (i, j)), shape=(len(genes),) * 2)
    A = one.maximum(one.T)
    k = min(n_dims, len(genes) - 1)
    values, vectors = _leading(A.astype(float), k)
    return pd.DataFrame(vectors * np.sqrt(np.abs(values)), index=genes)


def _leading(A, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of a symmetric sparse matrix, the k of largest modulus, and their vectors.

    Of equal ones (groups that are all alike) the solver finds one, and then starts again from a
    random vector: without a seed the same groups have other vectors every time.
    """
    from scipy.sparse.linalg import eigsh

    values, vectors = eigsh(A, k, which="LM", v0=np.ones(A.shape[0]), rng=0)
    order = np.argsort(-np.abs(values), kind="stable")
    return values[order], vectors[:, order]


def read_embedding(path: Path) -> pd.DataFrame:
    """An embedding from a table, tab- or comma-separated, the first column being the names.

    Raises
    ------
    DataError
        Names twice, or values that are not numbers.
    """
    path = Path(path)
    separator = "," if path.name.removesuffix(".gz").endswith(".csv") else "\t"
    table = pd.read_csv(path, sep=separator, index_col=0, keep_default_na=False)
    try:
        table = table.astype(float)
    except ValueError as error:
        raise DataError(f"{path}: values that are not numbers ({error})") from error
    table.index = table.index.astype(str)
    if table.index.has_duplicates:
        raise DataError(f"{path}: {table.index[table.index.duplicated()][0]!r} is there twice")
    if not np.isfinite(table.to_numpy()).all():
        raise DataError(f"{path}: values that are missing or infinite")
    return table
