"""Submissions to the Virtual Cell Challenge 2026: written, read, and refused with the reason.

The upload contract is that of the organisers' tool (`vcc prep`): one h5ad for all contexts, with
exactly the listed perturbations, raw counts, and no controls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.data.errors import DataError
from helpers.data.h5ad import read_matrix, read_table

if TYPE_CHECKING:
    from anndata import AnnData

OBS = ("target_gene", "context")


@dataclass(frozen=True)
class Contract:
    """What a submission must hold; the defaults are the competition's.

    Parameters
    ----------
    perturbations : mapping of str to sequence of str
        Of each context to the genes that are perturbed in it.
    genes : sequence of str
        In the order that is asked.
    n_cells : int
        Of each perturbation in each context.
    max_total : float
        Counts of a cell.
    max_stored : float
        Entries that are stored.
    control : str
        Name of controls, which must not be there.
    """

    perturbations: Mapping[str, Sequence[str]]
    genes: Sequence[str]
    n_cells: int = 400
    max_total: float = 1e6
    max_stored: float = 4.75e9
    control: str = "non-targeting"


def problems(submission: AnnData, contract: Contract) -> list[str]:
    """Every breach of the contract, in words; none where it is kept."""
    obs, found = submission.obs, []
    if missing := [name for name in OBS if name not in obs]:
        return [f"obs has no column {', '.join(missing)} (columns: {', '.join(obs.columns)})"]
    genes, asked = submission.var_names.astype(str), pd.Index(contract.genes)
    if len(genes) != len(asked):
        found.append(f"{len(genes)} genes, {len(asked)} are asked")
    elif not genes.equals(asked):
        first = int((genes != asked).argmax())
        what = "in another order" if set(genes) == set(asked) else "of other names"
        found.append(f"genes {what}: gene {first} is {genes[first]!r}, not {asked[first]!r}")
    found += _groups(obs, contract)
    return found + _counts(submission.X, contract)


def _groups(obs: pd.DataFrame, contract: Contract) -> list[str]:
    found = []
    pairs = pd.MultiIndex.from_arrays(
        [obs[name].astype(str) for name in ("context", "target_gene")]
    )
    n_cells = pairs.value_counts()
    asked = {(c, p) for c, genes in contract.perturbations.items() for p in genes}
    controls = (pairs.get_level_values(1) == contract.control).sum()
    if controls:
        found.append(f"{controls} control cells ({contract.control}); leave them out")
    strange = sorted(set(n_cells.index) - asked)
    strange = [pair for pair in strange if pair[1] != contract.control]
    for what, pairs_ in (("not asked", strange), ("missing", sorted(asked - set(n_cells.index)))):
        if pairs_:
            named = ", ".join(f"{p} in {c}" for c, p in pairs_[:3])
            found.append(f"{len(pairs_)} perturbations {what}: {named}")
    other = [
        pair for pair in sorted(asked & set(n_cells.index)) if n_cells[pair] != contract.n_cells
    ]
    if other:
        context, name = other[0]
        found.append(
            f"{len(other)} perturbations do not have {contract.n_cells} cells, the first {name} in "
            f"{context} with {n_cells[other[0]]}"
        )
    return found


def _counts(X, contract: Contract) -> list[str]:
    data = X.data if sparse.issparse(X) else np.asarray(X)
    if not data.size:
        return ["no count at all"]
    if not np.isfinite(data).all():
        return [f"{(~np.isfinite(data)).sum()} values are NaN or infinite"]
    found = []
    if data.min() < 0:
        found.append(f"values below 0, the smallest {data.min():g}: effects are no counts")
    if (fractions := int((data != np.rint(data)).sum())) > 0:
        log = data.max() < 20
        found.append(
            f"{fractions} values have fractions"
            + (" and none is above 20: these look like logarithms; give raw counts" if log else "")
        )
    total = np.asarray(X.sum(axis=1)).ravel()
    if (large := total > contract.max_total).any():
        found.append(f"{large.sum()} cells have more than {contract.max_total:,.0f} counts")
    if (empty := total == 0).any():
        found.append(f"{empty.sum()} cells have no count")
    if np.count_nonzero(data) > contract.max_stored:
        found.append(f"more than {contract.max_stored:.3g} entries are stored")
    return found


def check(submission: AnnData, contract: Contract, *, where: str = "the submission") -> None:
    """Pass where the contract is kept.

    Raises
    ------
    DataError
        Every breach is named.
    """
    if found := problems(submission, contract):
        raise DataError(f"{where} would be rejected: " + "; ".join(found))


def write(
    path: Path, predictions: Mapping[str, tuple[object, Sequence[str]]], contract: Contract
) -> None:
    """Write a submission.

    Parameters
    ----------
    path : Path
        Of the h5ad.
    predictions : mapping
        Of each context to counts of shape (n_cells, n_genes) and the perturbation of each cell.
    contract : Contract

    Raises
    ------
    DataError
        A breach of the contract; nothing is written.
    """
    from anndata import AnnData

    counts = [sparse.csr_matrix(cells, dtype=np.float32) for cells, _ in predictions.values()]
    obs = pd.concat(
        pd.DataFrame({"target_gene": list(labels), "context": context})
        for context, (_, labels) in predictions.items()
    )
    obs.index = [f"cell{i}" for i in range(len(obs))]
    submission = AnnData(sparse.vstack(counts, format="csr"), obs=obs)
    submission.var_names = list(contract.genes)
    check(submission, contract)
    submission.write_h5ad(path, compression="gzip")


def read(path: Path, contract: Contract | None = None) -> AnnData:
    """Read a submission, and check it where a contract is given.

    Raises
    ------
    DataError
        The file is no h5ad, or breaks the contract.
    """
    import h5py
    from anndata import AnnData

    path = Path(path)
    try:
        with h5py.File(path) as file:
            obs, var = read_table(file, "obs", path), read_table(file, "var", path)
            X = read_matrix(file, "X", path, obs.index, var.index)
    except OSError as error:
        raise DataError(f"{path} is not an h5ad ({error}); write it with write_h5ad") from error
    submission = AnnData(X, obs=obs, var=var)
    if contract is not None:
        check(submission, contract, where=str(path))
    return submission
