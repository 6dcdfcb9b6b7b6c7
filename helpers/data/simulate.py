"""A simulated perturbation screen whose truth is known.

The natural logarithm of a cell's expected count is a sum:

    depth + abundance + batch shift + programs · latent + knock-down of the target's own gene

and the count is negative binomial around it. The latent of a cell is the effect of its
perturbation, where the cell responded, plus the cell's own noise and its place in the cell cycle.
Each part below is one function with a random stream of its own, so that two screens that differ in
one knob (say `effect_size`) share everything that this knob does not touch.
"""

import hashlib
from numbers import Integral, Real

import numpy as np
import pandas as pd
from anndata import AnnData
from numba import njit
from scipy.sparse import csc_matrix, csr_matrix

from helpers.data.contract import CONTROL
from helpers.store import step

EXPRESSED_MEAN = 0.3  # counts; twice the 0.15 under which the published protocol says unexpressed
UNEXPRESSED_MEANS = (0.01, 0.05)  # counts; far enough from 0.15 for a screen of a hundred cells
ABUNDANCE_SD = 1.5  # of log abundance between genes
PROGRAMS_PER_TARGET = 3
EFFICACY_CONCENTRATION = 5.0
LARGEST_MEAN = 1e5  # counts; the time of one draw grows with its mean

RANGES = {
    "n_cells": (10, 100_000_000),
    "n_genes": (10, 100_000),
    "n_targets": (1, 100_000),
    "guides_per_target": (1, 100),
    "n_control_guides": (1, 10_000),
    "n_batches": (1, 10_000),
    "n_replicates": (1, 10_000),
    "control_share": (0.001, 0.999),
    "n_programs": (1, 1_000),
    "program_share": (0.001, 1.0),
    "effect_size": (0.0, 2.0),
    "effective_share": (0.0, 1.0),
    "unexpressed_share": (0.0, 1.0),
    "efficacy": (0.0, 1.0),
    "knockdown": (0.0, 0.99),
    "dispersion": (0.0, 10.0),
    "library_size": (10.0, 1_000_000.0),
    "library_sd": (0.0, 2.0),
    "batch_sd": (0.0, 2.0),
    "state_sd": (0.0, 2.0),
    "cell_sd": (0.0, 2.0),
    "chunk_size": (1, 100_000_000),
}


def simulate_screen(
    *,
    rng: np.random.Generator,
    n_cells: int = 20_000,
    n_genes: int = 2_000,
    n_targets: int = 100,
    guides_per_target: int = 3,
    n_control_guides: int = 9,
    n_batches: int = 4,
    n_replicates: int = 2,
    control_share: float = 0.15,
    n_programs: int = 20,
    program_share: float = 0.1,
    effect_size: float = 0.4,
    effective_share: float = 0.6,
    unexpressed_share: float = 0.25,
    efficacy: float = 0.7,
    knockdown: float = 0.8,
    dispersion: float = 0.2,
    library_size: float = 2_000.0,
    library_sd: float = 0.4,
    batch_sd: float = 0.2,
    state_sd: float = 0.3,
    cell_sd: float = 0.2,
    chunk_size: int = 1_000,
) -> AnnData:
    """Simulate a pooled perturbation screen with negative-binomial counts.

    Parameters
    ----------
    rng
        Gives one 64-bit number, from which everything follows.
    n_cells, n_genes
        Size of the screen. Guides and batches are balanced; the order of the cells is random.
    n_targets, guides_per_target
        Perturbed genes, at most half of all genes, and guides against each. Every guide has at
        least one cell.
    n_control_guides
        Non-targeting guides among the controls.
    n_batches, n_replicates
        Batches, and the replicates that they are dealt to; at most as many replicates as batches.
    control_share
        Share of cells that carry a non-targeting guide, in [0.001, 0.999].
    n_programs, program_share
        Gene programs, and the share of genes in each, in [0.001, 1]. The loading of a member
        is standard normal: a coordinate of 1 moves its log mean by that much.
    effect_size
        Standard deviation, in units of the latent, of the effect of a target on each program it
        acts on, in [0, 2]. At 0 nothing has an effect: the knock-down is off too.
    effective_share
        Share of the expressed targets that act on programs, in [0, 1]. The others lose their own
        gene's expression and nothing else.
    unexpressed_share
        Share of targets whose own gene is not expressed, in [0, 1]: a mean below 0.15 counts, no
        effect and no knock-down. They are the null of the protocol of Celik et al. (2024).
    efficacy
        Mean probability that a guide acts in a cell, in [0, 1]; guides vary around it (beta
        distribution). A cell in which the guide does not act looks like a control.
    knockdown
        Share of the target's own expression that a responding cell loses, in [0, 0.99].
    dispersion
        φ in variance = mean + φ mean², in [0, 10]; 0 gives Poisson counts.
    library_size, library_sd
        Median depth, in counts, in [10, 1e6]; standard deviation of its logarithm, in [0, 2].
    batch_sd
        Standard deviation of the log shift of each gene in each batch, in [0, 2].
    state_sd
        Standard deviation of the two cell-cycle coordinates (a circle), in [0, 2].
    cell_sd
        Standard deviation of a cell's own noise on each program, in [0, 2].
    chunk_size
        Cells drawn at a time; the result does not depend on it.

    Returns
    -------
    AnnData
        A screen of counts, `X` a float32 csr_matrix, that satisfies the contract. The truth comes
        along: `obs["responder"]` (the guide acted in the cell), `obs["depth"]` (counts);
        `obsm["latent"]` of shape (n_cells, n_programs + 2), the effect where the cell responded
        plus cell noise, then the cell-cycle coordinates, free of batch and of counting noise;
        `varm["programs"]`, the loadings in the same order; `varm["batch_shift"]` (n_genes,
        n_batches); `var["abundance"]`, expected counts per count of depth. `uns["truth"]` holds
        `effects` (target x program, what a responding cell gets), `guides` (target, efficacy),
        `targets` (expressed, effective) and `knockdown`.

    Raises
    ------
    ValueError
        Where a knob leaves its range, or the knobs do not fit each other.
    """
    knobs = {name: value for name, value in locals().items() if name in RANGES}
    _check_knobs(knobs)
    root = rng.integers(2**64, dtype=np.uint64)
    design_rng, gene_rng, program_rng, effect_rng, guide_rng, cell_rng, batch_rng = (
        np.random.default_rng(child) for child in np.random.SeedSequence(int(root)).spawn(7)
    )

    depth = library_size * np.exp(library_sd * cell_rng.standard_normal(n_cells))
    abundance = _abundance(gene_rng, n_genes)
    target_genes, expressed = _choose_targets(
        gene_rng, abundance * library_size, n_targets, unexpressed_share
    )
    symbols = np.array([f"GENE{i:0{len(str(n_genes))}d}" for i in range(1, n_genes + 1)])
    guides = _guides(
        guide_rng, symbols[target_genes], guides_per_target, n_control_guides, efficacy
    )
    guide, batch = _design(
        design_rng, n_cells, len(guides), n_control_guides, n_batches, control_share
    )
    batch_shift = batch_sd * batch_rng.standard_normal((n_batches, n_genes))

    silent = target_genes[~expressed]
    weight = np.bincount(batch, weights=depth, minlength=n_batches) / n_cells
    abundance[silent] = gene_rng.uniform(*UNEXPRESSED_MEANS, size=silent.size) / (
        weight @ np.exp(batch_shift[:, silent])
    )

    programs = _programs(program_rng, n_genes, n_programs, program_share, silent)
    effects, effective = _effects(effect_rng, expressed, n_programs, effective_share, effect_size)
    target = np.where(guide < n_control_guides, -1, (guide - n_control_guides) // guides_per_target)
    responder = cell_rng.random(n_cells) < guides["efficacy"].to_numpy()[guide]
    latent = _latent(cell_rng, effects, target, responder, cell_sd=cell_sd, state_sd=state_sd)
    own_loss = knockdown if effect_size > 0 else 0.0
    knocked = responder & (target >= 0) & np.append(expressed, False)[target]

    X, total_counts = _counts(
        root,
        log_depth=np.log(depth),
        log_mean=np.log(abundance) + batch_shift,
        batch=batch,
        latent=latent,
        programs=programs,
        knocked_gene=np.where(knocked, target_genes[target], -1),
        knocked_shift=np.log1p(-own_loss),
        dispersion=dispersion,
        chunk_size=chunk_size,
    )
    batches = np.array([f"batch{b + 1}" for b in range(n_batches)])
    replicates = np.array([f"replicate{b % n_replicates + 1}" for b in range(n_batches)])
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(guides["target"].to_numpy()[guide]),
            "guide": pd.Categorical(guides.index.to_numpy()[guide]),
            "batch": pd.Categorical(batches[batch], categories=batches),
            "replicate": pd.Categorical(replicates[batch]),
            "context": pd.Categorical(np.full(n_cells, "simulated")),
            "total_counts": total_counts,
            "responder": responder,
            "depth": depth,
        },
        index=[f"cell{i}" for i in range(n_cells)],
    )
    program_names = [f"program{k + 1}" for k in range(n_programs)]
    target_symbols = pd.Index(symbols[target_genes], name="target")
    truth = {
        "effects": pd.DataFrame(effects, index=target_symbols, columns=program_names),
        "guides": guides,
        "targets": pd.DataFrame(
            {"expressed": expressed, "effective": effective}, index=target_symbols
        ),
        "knockdown": own_loss,
    }
    return AnnData(
        X,
        obs=obs,
        var=pd.DataFrame({"abundance": abundance}, index=symbols),
        obsm={"latent": latent},
        varm={"programs": programs, "batch_shift": batch_shift.T.copy()},
        uns={
            "scale": {"kind": "counts", "target_sum": None},
            "dataset": {
                "name": "simulated",
                "sha256": _sha256(X),
                "licence": "CC0-1.0",
                "citation": "The Perturbation Benchbook, simulated screen",
            },
            "truth": truth,
        },
    )


def _check_knobs(knobs: dict) -> None:
    for name, value in knobs.items():
        low, high = RANGES[name]
        kind, article = (Integral, "an integer") if isinstance(low, int) else (Real, "a number")
        if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
            raise ValueError(f"{name} must be {article} in [{low}, {high}], not {value!r}")
    if knobs["n_replicates"] > knobs["n_batches"]:
        raise ValueError(
            f"n_replicates must be at most n_batches = {knobs['n_batches']}, "
            f"not {knobs['n_replicates']}: a replicate is one batch or several"
        )
    if 2 * knobs["n_targets"] > knobs["n_genes"]:
        raise ValueError(
            f"n_targets must be at most half of n_genes = {knobs['n_genes']}, "
            f"not {knobs['n_targets']}"
        )
    n_controls = round(knobs["control_share"] * knobs["n_cells"])
    n_guides = knobs["n_targets"] * knobs["guides_per_target"]
    if n_controls < knobs["n_control_guides"] or knobs["n_cells"] - n_controls < n_guides:
        raise ValueError(
            f"n_cells = {knobs['n_cells']} with control_share = {knobs['control_share']} leaves "
            f"{n_controls} cells to {knobs['n_control_guides']} non-targeting guides and "
            f"{knobs['n_cells'] - n_controls} to {n_guides} targeting ones: "
            "each guide needs at least one cell"
        )


def _abundance(rng, n_genes: int) -> np.ndarray:
    abundance = np.exp(ABUNDANCE_SD * rng.standard_normal(n_genes))
    return abundance / abundance.sum()


def _choose_targets(rng, mean, n_targets: int, unexpressed_share: float):
    """Genes to target, in the order of the genes, and which of them are expressed."""
    n_unexpressed = round(unexpressed_share * n_targets)
    candidates = np.flatnonzero(mean >= EXPRESSED_MEAN)
    if candidates.size < n_targets - n_unexpressed:
        raise ValueError(
            f"{n_targets - n_unexpressed} expressed targets are asked for, but only "
            f"{candidates.size} of {mean.size} genes have a mean of {EXPRESSED_MEAN} counts: "
            "lower n_targets, or raise library_size, n_genes or unexpressed_share"
        )
    chosen = rng.choice(candidates, n_targets - n_unexpressed, replace=False)
    others = np.setdiff1d(np.arange(mean.size), chosen)
    genes = np.concatenate([chosen, rng.choice(others, n_unexpressed, replace=False)])
    order = np.argsort(genes)
    return genes[order], order < chosen.size


def _guides(rng, targets, guides_per_target: int, n_control_guides: int, efficacy: float):
    """One row a guide, the non-targeting ones first: `target` and `efficacy`."""
    n_targeting = len(targets) * guides_per_target
    if 0 < efficacy < 1:
        a, b = EFFICACY_CONCENTRATION * efficacy, EFFICACY_CONCENTRATION * (1 - efficacy)
        drawn = rng.beta(a, b, size=n_targeting)
    else:
        drawn = np.full(n_targeting, efficacy)
    names = [f"NTg{i + 1}" for i in range(n_control_guides)]
    names += [f"{target}g{i + 1}" for target in targets for i in range(guides_per_target)]
    return pd.DataFrame(
        {
            "target": [CONTROL] * n_control_guides + list(np.repeat(targets, guides_per_target)),
            "efficacy": np.concatenate([np.zeros(n_control_guides), drawn]),
        },
        index=pd.Index(names, name="guide"),
    )


def _design(rng, n_cells: int, n_guides: int, n_control_guides: int, n_batches: int, control_share):
    """Guide and batch of each cell: balanced over guides, and over batches within a guide."""
    n_controls = round(control_share * n_cells)
    n_targeting = n_guides - n_control_guides
    guide = np.concatenate(
        [
            np.arange(n_controls) % n_control_guides,
            n_control_guides + np.arange(n_cells - n_controls) % n_targeting,
        ]
    )
    # Sorted by guide and dealt in turn, every batch gets its share of every guide.
    guide.sort()
    batch = np.arange(n_cells) % n_batches
    order = rng.permutation(n_cells)
    return guide[order], batch[order]


def _programs(rng, n_genes: int, n_programs: int, program_share: float, silent) -> np.ndarray:
    """Sparse loadings of shape (n_genes, n_programs + 2); the last two are the cell cycle."""
    genes = np.setdiff1d(np.arange(n_genes), silent)
    size = max(1, round(program_share * genes.size))
    programs = np.zeros((n_genes, n_programs + 2))
    for k in range(n_programs + 2):
        programs[rng.choice(genes, size, replace=False), k] = rng.standard_normal(size)
    return programs


def _effects(rng, expressed, n_programs: int, effective_share: float, effect_size: float):
    """Effects of shape (n_targets, n_programs), and which targets act on programs."""
    candidates = np.flatnonzero(expressed)
    acting = rng.choice(candidates, round(effective_share * candidates.size), replace=False)
    effects = np.zeros((expressed.size, n_programs))
    n_hit = min(PROGRAMS_PER_TARGET, n_programs)
    for t in acting:
        hit = rng.choice(n_programs, n_hit, replace=False)
        effects[t, hit] = effect_size * rng.standard_normal(n_hit)
    return effects, np.isin(np.arange(expressed.size), acting) & (effect_size > 0)


def _latent(rng, effects, target, responder, *, cell_sd: float, state_sd: float) -> np.ndarray:
    """Latent of each cell, of shape (n_cells, n_programs + 2)."""
    n_cells, n_programs = target.size, effects.shape[1]
    latent = np.empty((n_cells, n_programs + 2))
    latent[:, :n_programs] = cell_sd * rng.standard_normal((n_cells, n_programs))
    acted = responder & (target >= 0)
    latent[acted, :n_programs] += effects[target[acted]]
    phase = rng.uniform(0, 2 * np.pi, size=n_cells)
    latent[:, n_programs] = np.sqrt(2) * state_sd * np.cos(phase)
    latent[:, n_programs + 1] = np.sqrt(2) * state_sd * np.sin(phase)
    return latent


def _sha256(X: csr_matrix) -> str:
    digest = hashlib.sha256()
    for part in (X.indptr.astype("<i8"), X.indices.astype("<i4", copy=False), X.data):
        digest.update(np.ascontiguousarray(part))
    return digest.hexdigest()


def _counts(
    root,
    *,
    log_depth,
    log_mean,
    batch,
    latent,
    programs,
    knocked_gene,
    knocked_shift: float,
    dispersion: float,
    chunk_size: int,
) -> tuple[csr_matrix, np.ndarray]:
    """Draw the counts and their sum in each cell; nothing dense is larger than a chunk."""
    n_cells, n_genes = log_depth.size, log_mean.shape[1]
    members = csc_matrix(programs)  # genes and loadings of each program
    indices, data = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32)
    indptr, totals = np.zeros(n_cells + 1, dtype=np.int64), np.zeros(n_cells)
    stored = 0
    for start in range(0, n_cells, chunk_size):
        stop = min(start + chunk_size, n_cells)
        # Memory grows in place: joining a list of chunks would hold half the matrix twice.
        indices.resize(stored + (stop - start) * n_genes, refcheck=False)
        data.resize(stored + (stop - start) * n_genes, refcheck=False)
        stored = _draw_counts(
            root,
            start,
            stop,
            log_depth,
            log_mean,
            batch,
            latent,
            members.indptr,
            members.indices,
            members.data,
            knocked_gene,
            knocked_shift,
            float(dispersion),
            stored,
            indices,
            data,
            indptr,
            totals,
        )
    indices.resize(stored, refcheck=False)
    data.resize(stored, refcheck=False)
    return csr_matrix((data, indices, indptr), shape=(n_cells, n_genes)), totals


_STEP = np.uint64(0x9E3779B97F4A7C15)
_ONE = np.uint64(1)
_TO_UNIT = 2.0**-53


@njit(cache=True)
def _mix(x):
    """The output function of splitmix64 (Steele, Lea and Flood 2014): 64 bits from 64 bits."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(cache=True)
def _uniform(bits):
    return np.float64(bits >> np.uint64(11)) * _TO_UNIT


@njit(cache=True)
def negative_binomial(mean, dispersion, bits):
    """One negative-binomial count by inversion: a pure function of 64 random bits.

    Parameters
    ----------
    mean : float, expected count, >= 0
    dispersion : float, φ in variance = mean + φ mean²; 0 is Poisson
    bits : uint64

    Returns
    -------
    int

    Notes
    -----
    P(0) = (1 + φ mean)^(-1/φ) >= 1 - mean, so most zeros cost neither logarithm nor exponential.
    P(k + 1) / P(k) = (1 + k φ) / (k + 1) · mean / (1 + φ mean). Where P(0) would underflow the
    count is the sum of m independent ones of mean / m and m φ, which has the same distribution.
    """
    u = _uniform(bits)
    if u < 1.0 - mean:
        return 0
    log_zero = -np.log1p(dispersion * mean) / dispersion if dispersion > 0.0 else -mean
    if log_zero > -600.0:
        return _invert(u, mean, dispersion, np.exp(log_zero))
    pieces = np.ceil(log_zero / -600.0)
    total = 0
    for _ in range(int(pieces)):
        total += _invert(u, mean / pieces, dispersion * pieces, np.exp(log_zero / pieces))
        bits = _mix(bits + _STEP)
        u = _uniform(bits)
    return total


@njit(cache=True)
def _invert(u, mean, dispersion, zero):
    """Smallest k with P(X <= k) > u, for P(X = 0) = `zero` that has not underflowed."""
    factor = mean / (1.0 + dispersion * mean)
    slope = factor * dispersion
    p = zero
    k = 0
    while u >= p:
        u -= p
        k += 1
        p *= factor / k
        factor += slope
        # Far in the tail, terms below the resolution of u cannot be told from rounding.
        if p < 1e-18 and k > mean:
            break
    return k


@njit(cache=True)
def _draw_counts(
    root,
    start,
    stop,
    log_depth,
    log_mean,
    batch,
    latent,
    member_indptr,
    member_gene,
    loading,
    knocked_gene,
    knocked_shift,
    dispersion,
    stored,
    indices,
    data,
    indptr,
    totals,
):
    """Append the non-zero counts of cells `start` to `stop`; return how many are stored.

    Bits are a function of (root, cell, gene) alone, hence the same counts under any chunking.
    """
    for cell in range(start, stop):
        log_mu = log_mean[batch[cell]] + log_depth[cell]
        for program in range(latent.shape[1]):
            coordinate = latent[cell, program]
            for j in range(member_indptr[program], member_indptr[program + 1]):
                log_mu[member_gene[j]] += loading[j] * coordinate
        if knocked_gene[cell] >= 0:
            log_mu[knocked_gene[cell]] += knocked_shift
        cell_key = _mix(root + (np.uint64(cell) + _ONE) * _STEP)
        for gene in range(log_mu.size):
            mean = np.exp(log_mu[gene])
            if not mean <= LARGEST_MEAN:
                raise ValueError(
                    "a gene has an expected count above 100,000 in a cell: lower library_size, "
                    "effect_size, batch_sd, cell_sd or state_sd"
                )
            bits = _mix(cell_key + (np.uint64(gene) + _ONE) * _STEP)
            count = negative_binomial(mean, dispersion, bits)
            if count > 0:
                indices[stored] = gene
                data[stored] = count
                totals[cell] += count
                stored += 1
        indptr[cell + 1] = stored
    return stored


@step
def simulated_screen(
    *,
    seed: int,
    n_cells: int = 20_000,
    n_genes: int = 2_000,
    n_targets: int = 100,
    guides_per_target: int = 3,
    n_control_guides: int = 9,
    n_batches: int = 4,
    n_replicates: int = 2,
    control_share: float = 0.15,
    n_programs: int = 20,
    program_share: float = 0.1,
    effect_size: float = 0.4,
    effective_share: float = 0.6,
    unexpressed_share: float = 0.25,
    efficacy: float = 0.7,
    knockdown: float = 0.8,
    dispersion: float = 0.2,
    library_size: float = 2_000.0,
    library_sd: float = 0.4,
    batch_sd: float = 0.2,
    state_sd: float = 0.3,
    cell_sd: float = 0.2,
) -> AnnData:
    """The screen that `simulate_screen` makes of these knobs and this seed, as a step."""
    knobs = dict(locals())
    return simulate_screen(rng=np.random.default_rng(knobs.pop("seed")), **knobs)
