"""Screens drawn from the mechanism of one deep model each, in which that model must win.

In all of them a cell's log expected counts are abundance + a change, and counts are Poisson. They
differ in how the change of a perturbation comes about:

=========  ====================================================================================
world      log fold change of gene g
=========  ====================================================================================
graph      sum over k of u_gk tanh(z_k); z sums over the perturbed genes, whose vectors are means
           over their gene sets: a gene that nobody perturbed is known by its sets alone
latent     sum over k of u_gk tanh(z_k); z sums over the perturbed genes, whose vectors are their
           own, and the cell's: two strong effects on one k are no more than one
attention  sum over perturbed genes t of a_gt c_gt, c_gt = u_g . v_t the effect of t alone; a_gt =
           softmax over t of q_g . k_t: each gene listens to one of two, and effects never add
=========  ====================================================================================
"""

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from helpers.data.contract import CONTROL
from helpers.store.steps import step

WORLDS = ("graph", "latent", "attention")
N_SETS = 8
N_HIDDEN = 6
SIZE = {"graph": 0.45, "latent": 0.5, "attention": 0.35}
"""Of u, such that effects are about as large in each world."""


@step
def mechanism_world(
    world: str,
    *,
    seed: int,
    n_targets: int = 32,
    n_doubles: int = 64,
    n_genes: int = 120,
    cells_a_condition: int = 40,
    n_controls: int = 800,
    depth: float = 6_000.0,
) -> AnnData:
    """A screen of singles and doubles from one mechanism.

    Parameters
    ----------
    world : {"graph", "latent", "attention"}
    seed : int
    n_targets : int
        Perturbed one by one; the first genes that are measured.
    n_doubles : int
        Pairs of them, drawn at random.
    n_genes, cells_a_condition, n_controls : int
    depth : float
        Expected counts of a control.

    Returns
    -------
    AnnData of counts, shape (n_cells, n_genes)
        `uns["gene_sets"]`: genes of each set, by name; in the world of the graph they are those
        that the effects follow, in the others they are drawn apart from the effects.
        `uns["log_change"]`: DataFrame (conditions x genes) of the planted log fold changes, for a
        cell in the average state.

    Raises
    ------
    ValueError
        Another world, or more targets than genes.
    """
    if world not in WORLDS or n_targets > n_genes:
        raise ValueError(
            f"world is {world!r}, one of {', '.join(WORLDS)}; {n_targets} targets of {n_genes} "
            "genes, at most all"
        )
    rng = np.random.default_rng(seed)
    genes = np.array([f"G{i:03d}" for i in range(n_genes)])
    first, second = np.triu_indices(n_targets, 1)
    drawn = np.sort(rng.choice(len(first), n_doubles, replace=False))
    parts = [(t,) for t in range(n_targets)]
    parts += list(zip(first[drawn].tolist(), second[drawn].tolist(), strict=True))
    sets = np.array([np.arange(n_targets) % N_SETS, rng.integers(N_SETS, size=n_targets)])
    u = SIZE[world] * rng.standard_normal((n_genes, N_HIDDEN))
    holds = np.zeros((len(parts), n_targets))
    for row, those in enumerate(parts):
        holds[row, list(those)] = 1
    names = ["+".join(genes[list(those)]) for those in parts]
    cell = np.concatenate(
        [np.full(n_controls, -1), np.repeat(np.arange(len(parts)), cells_a_condition)]
    )
    state = np.zeros((len(cell), N_HIDDEN))
    if world == "attention":
        change = _attention(rng, holds, u)
    else:
        of_set = 1.5 * rng.standard_normal((N_SETS, N_HIDDEN))
        own = 1.5 * rng.standard_normal((n_targets, N_HIDDEN))
        z = holds @ (of_set[sets].mean(axis=0) if world == "graph" else own)
        change = np.tanh(z) @ u.T
        if world == "latent":
            state = 0.3 * rng.standard_normal(state.shape)
            z = np.vstack([z, np.zeros(N_HIDDEN)])  # the last row is the controls'
    abundance = rng.normal(0, 0.7, n_genes)
    planted = np.vstack([change, np.zeros(n_genes)])
    log_change = np.tanh(z[cell] + state) @ u.T if world == "latent" else planted[cell]
    weight = np.exp(abundance + log_change)
    counts = rng.poisson(depth * weight / np.exp(abundance).sum())
    return _screen(world, seed, counts, genes, names, cell, change, sets)


def _attention(rng, holds: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Changes (n_conditions, n_genes): each gene listens to one of the perturbed genes."""
    n_targets = holds.shape[1]
    v, k = rng.standard_normal((2, n_targets, N_HIDDEN))
    q = rng.standard_normal(u.shape)
    alone = u @ v.T  # (G, V)
    score = np.where(holds[:, None] > 0, 2.0 * (q @ k.T)[None], -np.inf)  # (N, G, V)
    attention = np.exp(score - score.max(axis=2, keepdims=True))
    attention /= attention.sum(axis=2, keepdims=True)
    return (attention * alone[None]).sum(axis=2)


def _screen(world, seed, counts, genes, names, cell, change, sets) -> AnnData:
    labels = np.array([*names, CONTROL], dtype=object)[cell]
    order = np.random.default_rng(seed).permutation(len(labels))
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(labels[order]),
            "batch": pd.Categorical(np.repeat("batch1", len(order))),
            "context": pd.Categorical(np.repeat("simulated", len(order))),
        },
        index=[f"cell{i}" for i in range(len(order))],
    )
    screen = AnnData(
        sparse.csr_matrix(counts[order].astype(np.float32)), obs, pd.DataFrame(index=genes)
    )
    screen.uns["scale"] = {"kind": "counts"}
    screen.uns["dataset"] = {"name": f"world of {world}"}
    screen.uns["gene_sets"] = {
        f"set{s}": genes[: sets.shape[1]][(sets == s).any(axis=0)].tolist() for s in range(N_SETS)
    }
    screen.uns["log_change"] = pd.DataFrame(change, names, genes)
    return screen
