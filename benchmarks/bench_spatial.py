"""Curation of tissue: the median filter, Moran's I and ComBat against their plain forms."""

import numpy as np
import pandas as pd

from benchmarks import fastest, row
from helpers.data.spatial.geometry import hops, nearest
from helpers.metrics.spatial.moran import moran
from helpers.models.spatial.adaptive_median import adaptive_median
from helpers.models.spatial.combat import combat


def arrays_of_medians(values, members, ends) -> np.ndarray:
    """The filter as arrays: medians of all neighbourhoods of all spots, then a choice."""
    n_hops = ends.shape[1] - 1
    medians = np.empty((len(values), n_hops, values.shape[1]), dtype=values.dtype)
    for spot in range(len(values)):
        start = ends[spot, 0] - 1
        for hop in range(n_hops):
            medians[spot, hop] = np.median(values[members[start : ends[spot, hop + 1]]], axis=0)
    masked = np.where(values > 0, values, np.nan)
    fallback = np.nan_to_num(np.nanmedian(masked, axis=0))
    first = np.argmax(medians != 0, axis=1)
    best = np.take_along_axis(medians, first[:, None], axis=1)[:, 0]
    filled = np.where((medians != 0).any(axis=1), best, fallback)
    return np.where(values != 0, values, filled)


def run() -> list[dict]:
    """Rows of 2,500 spots and 200 genes, half of them zero, on a hexagonal array."""
    from anndata import AnnData
    from scanpy.metrics import morans_i
    from scanpy.pp import combat as scanpys
    from scipy import sparse

    rng = np.random.default_rng(0)
    line, column = np.indices((50, 50)).reshape(2, -1)
    places = np.column_stack([column + 0.5 * (line % 2), line * 0.75**0.5])
    around = nearest(places, 6)
    values = rng.gamma(5, 2, (2_500, 200)).astype(np.float32)
    values[rng.random(values.shape) < 0.5] = 0
    adaptive_median(values[:, :1], around)  # compiles
    seconds, found = fastest(lambda: adaptive_median(values, around), 3)
    plain, expected = fastest(lambda: arrays_of_medians(values, *hops(around, 4)))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    rows = [row("adaptive median of 200 genes / arrays", seconds, plain, 10.0)]

    pairs = (np.repeat(np.arange(2_500), 6), around.ravel())
    graph = sparse.csr_matrix((np.full(15_000, 1 / 6), pairs), shape=(2_500, 2_500))
    turned = np.ascontiguousarray(values.T)
    morans_i(graph, turned[:2])  # compiles
    seconds, found = fastest(lambda: moran(values, around), 3)
    plain, expected = fastest(lambda: morans_i(graph, turned), 3)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    rows.append(row("Moran's I of 200 genes / scanpy, as squidpy calls it", seconds, plain, 1.0))

    batches = np.repeat(list("abcde"), 500)
    data = AnnData(values.astype(float), obs=pd.DataFrame({"batch": pd.Categorical(batches)}))
    seconds, _ = fastest(lambda: combat(values, batches), 3)
    plain, _ = fastest(lambda: scanpys(data, key="batch", inplace=False))
    rows.append(row("ComBat of 200 genes in 5 batches / scanpy", seconds, plain, 1.0))
    return rows


if __name__ == "__main__":
    print(*run(), sep="\n")
