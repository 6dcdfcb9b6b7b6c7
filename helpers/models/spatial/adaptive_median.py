"""The adaptive median filter, as SpaRED completes zeros."""

import numpy as np
from numba import njit

from helpers.data.contract import DataError
from helpers.data.spatial.geometry import hops


def adaptive_median(values, neighbours, *, n_hops: int = 4) -> np.ndarray:
    """Fill each zero with the median of the smallest neighbourhood whose median is not zero.

    Neighbourhoods are the spots within 1, 2, ... steps and the spot itself; zeros count. Where no
    median is above zero, the gene's median over the slide's non-zero values is taken. Values that
    are not zero stay. A median among zeros is above zero only if half of the spots are, and is then
    one of their smaller values: the filter fills low.

    Parameters
    ----------
    values : array of shape (n_spots, n_genes)
        Of one slide, at least 0.
    neighbours : array of int, shape (n_spots, k)
    n_hops : int

    Returns
    -------
    ndarray of float32, shape (n_spots, n_genes)

    Raises
    ------
    DataError
        A negative or missing value.

    References
    ----------
    Ruiz et al. 2025; BCV-Uniandes/SpaRED, spared/denoising/denoising.py.
    """
    values = np.asarray(values, dtype=np.float32)
    if not (values >= 0).all():
        raise DataError("values hold negative or missing ones: the filter takes zeros as missing")
    members, ends = hops(np.asarray(neighbours), n_hops)
    filled = np.ascontiguousarray(values.T)
    over_slide = np.array([np.median(v[v > 0]) if (v > 0).any() else 0.0 for v in filled])
    return _filled(filled, members, ends, over_slide.astype(np.float32)).T


@njit(cache=True)
def _filled(values, members, ends, over_slide):
    """Genes x spots. The non-zero values of a neighbourhood are counted before they are sorted."""
    out = values.copy()
    n_genes, n_spots = values.shape
    found = np.empty(members.size, dtype=values.dtype)
    for gene in range(n_genes):
        row = values[gene]
        for spot in range(n_spots):
            if row[spot] != 0:
                continue
            start = ends[spot, 0] - 1
            n, at = 0, start
            out[gene, spot] = over_slide[gene]
            for hop in range(1, ends.shape[1]):
                end = ends[spot, hop]
                while at < end:
                    value = row[members[at]]
                    if value != 0:
                        found[n] = value
                        n += 1
                    at += 1
                size = end - start
                if 2 * n < size:
                    continue
                ordered = np.sort(found[:n])
                upper = ordered[size // 2 - (size - n)]
                if size % 2:
                    median = upper
                else:
                    place = size // 2 - 1 - (size - n)
                    lower = ordered[place] if place >= 0 else values.dtype.type(0)
                    median = (lower + upper) / 2
                out[gene, spot] = median
                break
    return out
