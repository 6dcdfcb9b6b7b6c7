"""Negative-binomial counts as a pure function of (root, cell, gene): any chunking, same bytes.

Two 64-bit keys, of the screen and of the cell, and the number of the gene are mixed into the bits
of one uniform, which is inverted. Nothing is drawn in sequence, so that cells may be drawn in any
order, in chunks of any size, and by several threads.
"""

import numpy as np
from numba import njit

LARGEST_MEAN = 1e5  # counts; the time of one draw grows with its mean
TOO_LARGE = -1  # what `draw_counts` returns where a mean is above it

_STEP = np.uint64(0x9E3779B97F4A7C15)
_ONE = np.uint64(1)
_TO_UNIT = 2.0**-53
_LOG2_E = 1.4426950408889634
_LN2_HIGH = 6.93147180369123816490e-01  # ln 2 in two parts, the first with trailing zeros
_LN2_LOW = 1.90821492927058770002e-10


@njit(cache=True, nogil=True)
def _mix(x):
    """The output function of splitmix64 (Steele, Lea and Flood 2014): 64 bits from 64 bits."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(cache=True, nogil=True)
def _uniform(bits):
    return np.float64(bits >> np.uint64(11)) * _TO_UNIT


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def _exponential(log_mean, out):
    """exp of a vector to 1e-15, in additions and products that compilers turn into vectors.

    ln 2 is taken out (Cody and Waite 1980), the rest is a Taylor polynomial on ±0.35, and 2^k is
    written into the exponent's bits. Values are held between exp(-700) and exp(700).
    """
    power = np.empty(log_mean.size, np.int64)
    for g in range(log_mean.size):
        x = min(max(log_mean[g], -700.0), 700.0)
        k = np.floor(x * _LOG2_E + 0.5)
        r = (x - k * _LN2_HIGH) - k * _LN2_LOW
        p = 1.0 / 6227020800.0
        p = p * r + 1.0 / 479001600.0
        p = p * r + 1.0 / 39916800.0
        p = p * r + 1.0 / 3628800.0
        p = p * r + 1.0 / 362880.0
        p = p * r + 1.0 / 40320.0
        p = p * r + 1.0 / 5040.0
        p = p * r + 1.0 / 720.0
        p = p * r + 1.0 / 120.0
        p = p * r + 1.0 / 24.0
        p = p * r + 1.0 / 6.0
        p = p * r + 0.5
        p = p * r + 1.0
        out[g] = p * r + 1.0
        power[g] = (np.int64(k) + 1023) << 52
    scale = power.view(np.float64)
    for g in range(log_mean.size):
        out[g] *= scale[g]


@njit(cache=True, nogil=True)
def _log_means(
    cell, log_depth, log_mean, batch, latent, indptr, member, loading, knocked, knocked_shift, out
):
    """Log expected counts of a cell without ambient RNA and without a partner, into `out`."""
    row = log_mean[batch[cell]]
    for g in range(out.size):
        out[g] = row[g] + log_depth[cell]
    for program in range(latent.shape[1]):
        coordinate = latent[cell, program]
        for j in range(indptr[program], indptr[program + 1]):
            out[member[j]] += loading[j] * coordinate
    for i in range(knocked.shape[1]):
        if knocked[cell, i] >= 0:
            out[knocked[cell, i]] += knocked_shift


@njit(cache=True, nogil=True)
def draw_counts(
    root,
    start,
    stop,
    log_depth,
    log_mean,
    batch,
    latent,
    indptr_programs,
    member,
    loading,
    knocked,
    knocked_shift,
    partner,
    ambient_share,
    dispersion,
    indices,
    data,
    row_ends,
    totals,
):
    """Write the non-zero counts of cells `start` to `stop`.

    Parameters
    ----------
    root : uint64
    start, stop : int
    log_depth : ndarray of shape (n_cells,)
    log_mean : ndarray of shape (n_batches, n_genes)
        Log expected counts per count of depth in each batch.
    batch, partner : integer ndarray of shape (n_cells,)
        The partner of a doublet, -1 elsewhere.
    latent : ndarray of shape (n_cells, n_coordinates)
    indptr_programs, member, loading : ndarray
        Programs as a csc_matrix of shape (n_genes, n_coordinates).
    knocked : integer ndarray of shape (n_cells, n_components)
        Genes that are knocked down, -1 elsewhere; `knocked_shift` is added to their log mean.
    ambient_share : float in [0, 1)
    dispersion : ndarray of shape (n_genes,)
    indices, data : ndarray of at least (stop - start) * n_genes elements, written to
    row_ends, totals : ndarray of shape (stop - start,), written to
        Stored elements up to the end of each row; sum of counts of each cell.

    Returns
    -------
    int
        Elements stored, or `TOO_LARGE`.
    """
    n_genes = log_mean.shape[1]
    log_mu, mean, other = np.empty(n_genes), np.empty(n_genes), np.empty(n_genes)
    u = np.empty(n_genes)
    stored = 0
    for cell in range(start, stop):
        _log_means(
            cell,
            log_depth,
            log_mean,
            batch,
            latent,
            indptr_programs,
            member,
            loading,
            knocked,
            knocked_shift,
            log_mu,
        )
        _exponential(log_mu, mean)
        if partner[cell] >= 0:
            _log_means(
                partner[cell],
                log_depth,
                log_mean,
                batch,
                latent,
                indptr_programs,
                member,
                loading,
                knocked,
                knocked_shift,
                log_mu,
            )
            _exponential(log_mu, other)
            for gene in range(n_genes):  # an array expression takes the compiler seconds
                mean[gene] += other[gene]
        if ambient_share > 0.0:
            depth = np.exp(log_depth[cell])
            if partner[cell] >= 0:
                depth += np.exp(log_depth[partner[cell]])
            for gene in range(n_genes):
                background = depth * np.exp(log_mean[batch[cell], gene])
                mean[gene] = (1.0 - ambient_share) * mean[gene] + ambient_share * background
        cell_key = _mix(root + (np.uint64(cell) + _ONE) * _STEP)
        for gene in range(n_genes):
            u[gene] = _uniform(_mix(cell_key + (np.uint64(gene) + _ONE) * _STEP))
        total = 0.0
        for gene in range(n_genes):
            if u[gene] < 1.0 - mean[gene]:
                continue
            if not mean[gene] <= LARGEST_MEAN:
                return TOO_LARGE
            bits = _mix(cell_key + (np.uint64(gene) + _ONE) * _STEP)
            count = negative_binomial(mean[gene], dispersion[gene], bits)
            if count > 0:
                indices[stored] = gene
                data[stored] = count
                total += count
                stored += 1
        row_ends[cell - start] = stored
        totals[cell - start] = total
    return stored
