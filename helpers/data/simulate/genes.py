"""Genes of a simulated screen: which are targeted, which programs they belong to."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from helpers.data.simulate.knobs import Knobs

UNEXPRESSED_MEANS = (0.01, 0.05)  # counts; far enough from 0.15 for a screen of a hundred cells


@dataclass(frozen=True)
class Genes:
    """Genes and their targets, the latter in the order of the genes."""

    symbols: np.ndarray  # (n_genes,)
    abundance: np.ndarray  # (n_genes,), expected counts per count of depth
    dispersion: np.ndarray  # (n_genes,)
    programs: np.ndarray  # (n_genes, n_programs + 2), sparse loadings; the cell cycle is last
    off_programs: np.ndarray  # (n_genes, n_programs), of noise; or no column
    targeted: np.ndarray  # (n_targets,), positions of the targets
    expressed: np.ndarray  # (n_targets,), bool

    @property
    def targets(self) -> np.ndarray:
        """Symbols of the targets."""
        return self.symbols[self.targeted]

    @property
    def silent(self) -> np.ndarray:
        """Positions of the targets that are not expressed."""
        return self.targeted[~self.expressed]


def draw_genes(streams: Mapping[str, np.random.Generator], k: Knobs) -> Genes:
    """Genes whose silent targets still have the abundance of any other (see `silence`)."""
    abundance = _abundance(streams["gene"], k.n_genes, k.abundance_sd)
    targeted, expressed = _choose_targets(streams["gene"], abundance * k.library_size, k)
    silent = targeted[~expressed]
    n_off = k.n_programs if k.off_program_sd > 0 else 0
    log_spread = k.dispersion_sd * streams["dispersion"].standard_normal(k.n_genes)
    return Genes(
        symbols=np.array([f"GENE{i:0{len(str(k.n_genes))}d}" for i in range(1, k.n_genes + 1)]),
        abundance=abundance,
        dispersion=k.dispersion * np.exp(log_spread),
        programs=_programs(
            streams["program"], k.n_genes, k.n_programs + 2, k.program_share, silent
        ),
        off_programs=_programs(streams["off programs"], k.n_genes, n_off, k.program_share, silent),
        targeted=targeted,
        expressed=expressed,
    )


def silence(rng, genes: Genes, batch_shift, depth, batch) -> np.ndarray:
    """Abundance of all genes, of silent targets so that their mean over cells is next to nothing.

    Parameters
    ----------
    rng
    genes : Genes
    batch_shift : ndarray of shape (n_batches, n_genes)
    depth, batch : ndarray of shape (n_cells,)
    """
    weight = np.bincount(batch, weights=depth, minlength=len(batch_shift)) / len(depth)
    abundance, silent = genes.abundance.copy(), genes.silent
    abundance[silent] = rng.uniform(*UNEXPRESSED_MEANS, size=silent.size) / (
        weight @ np.exp(batch_shift[:, silent])
    )
    return abundance


def _abundance(rng, n_genes: int, sd: float) -> np.ndarray:
    abundance = np.exp(sd * rng.standard_normal(n_genes))
    return abundance / abundance.sum()


def _choose_targets(rng, mean, k: Knobs):
    """Genes to target, in the order of the genes, and which of them are expressed."""
    n_targets, least = k.n_targets, k.expressed_mean
    n_unexpressed = round(k.unexpressed_share * n_targets)
    candidates = np.flatnonzero(mean >= least)
    if candidates.size < n_targets - n_unexpressed:
        raise ValueError(
            f"{n_targets - n_unexpressed} expressed targets are asked for, but only "
            f"{candidates.size} of {mean.size} genes have a mean of {least} counts: "
            "lower n_targets or expressed_mean, or raise library_size, n_genes or unexpressed_share"
        )
    chosen = rng.choice(candidates, n_targets - n_unexpressed, replace=False)
    others = np.setdiff1d(np.arange(mean.size), chosen)
    genes = np.concatenate([chosen, rng.choice(others, n_unexpressed, replace=False)])
    order = np.argsort(genes)
    return genes[order], order < chosen.size


def _programs(rng, n_genes: int, n_programs: int, program_share: float, silent) -> np.ndarray:
    """Sparse loadings of shape (n_genes, n_programs)."""
    genes = np.setdiff1d(np.arange(n_genes), silent)
    size = max(1, round(program_share * genes.size))
    programs = np.zeros((n_genes, n_programs))
    for k in range(n_programs):
        programs[rng.choice(genes, size, replace=False), k] = rng.standard_normal(size)
    return programs
