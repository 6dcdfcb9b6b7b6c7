"""A screen on disk, from counts to score: linear in cells, and against scanpy's PCA through Dask.

`python -m benchmarks.bench_ondisk FILE [THREADS]` runs the whole of it on a file (for example one
that `python -m benchmarks.bench_stream FOLDER` wrote) and prints seconds, processor seconds and
peak memory of each part.
"""

import resource
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import fastest, row
from helpers.data.contract import CONTROL
from helpers.data.ondisk import Counts, first_pass, open_screen
from helpers.data.simulate.stream import write_simulated_screen
from helpers.metrics.embeddings.permutation import permutation_consistency
from helpers.models.embeddings.streamed_pca import streamed_pca
from helpers.tasks.embeddings.known_relationships import recall
from helpers.tasks.embeddings.large_screen import (
    coded,
    embed_screen,
    large_consistency,
    large_means,
    large_separability,
    processed,
)

KNOBS = {"n_genes": 2_000, "library_size": 900.0}


def _write(path: Path, n_cells: int) -> None:
    write_simulated_screen(path, rng=np.random.default_rng(0), n_cells=n_cells, **KNOBS)


def _scanpy_pca(path: Path) -> np.ndarray:
    """The same components by scanpy on a Dask array, as its documentation has it."""
    import anndata as ad
    import h5py
    import scanpy as sc
    from anndata.experimental import read_elem_lazy

    with h5py.File(path) as file:
        adata = ad.AnnData(obs=ad.io.read_elem(file["obs"]), var=ad.io.read_elem(file["var"]))
        adata.X = read_elem_lazy(file["X"], chunks=(5_000, adata.n_vars))
        sc.pp.normalize_total(adata, target_sum=1e4)
        sc.pp.log1p(adata)
        sc.pp.pca(adata, n_comps=50)
        return np.asarray(adata.obsm["X_pca"])


def _scored(path: Path) -> pd.DataFrame:
    found = embed_screen(path)
    cells = coded(found.embedding, found.perturbation, found.batch)
    return large_consistency.function(cells, n_permutations=50)


def run() -> list[dict]:
    """Rows: time a cell at 20,000 and at 120,000 cells; PCA of 20,000 x 2,000 against scanpy."""
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder, "small.h5ad"), Path(folder, "large.h5ad")
        sizes = {small: 20_000, large: 120_000}
        for path, n_cells in sizes.items():
            _write(path, n_cells)
        _scored(small)  # compiled now
        seconds = {}
        for path in sizes:
            total, _ = fastest(lambda path=path: _scored(path))
            seconds[path] = total / sizes[path]
        own, ours = fastest(lambda: embed_screen(small).embedding)
        reference, peer = fastest(lambda: _scanpy_pca(small))
        np.testing.assert_allclose(ours.std(axis=0)[:5], peer.std(axis=0)[:5], rtol=0.02)
    return [
        row("on disk, a cell of 120,000 / a cell of 20,000", seconds[large], seconds[small], 0.7),
        row("PCA-50 of 20,000 x 2,000 on disk / scanpy through Dask", own, reference, 2.0),
    ]


def full(path: str, n_threads: int) -> None:
    """The whole on a file; what is printed holds on the machine at hand only."""
    begun = time.perf_counter(), time.process_time()

    @contextmanager
    def timed(what: str):
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        _say(what, wall, cpu)

    screen = open_screen(Path(path))
    perturbation = screen.obs["perturbation"].to_numpy(dtype=object)
    codes, names = pd.factorize(perturbation, sort=True)
    print(f"{screen.shape[0]} cells x {screen.shape[1]} genes, {len(names)} groups")
    with Counts() as counts:
        with timed("sizes, moments, pseudobulk"):
            summary = first_pass(screen, codes, counts)
        with timed("PCA-50 and embedding"):
            found = streamed_pca(
                counts,
                summary.mean,
                n_components=50,
                rng=np.random.default_rng(0),
                n_threads=n_threads,
            )
    treated = perturbation != CONTROL
    batch = screen.obs["batch"].to_numpy(dtype=object)
    with timed("TVN"):
        white = processed(found.embedding, perturbation, batch)
    with timed("consistency, 1,000 permutations"):
        permutation_consistency(
            white,
            perturbation,
            batch,
            where=treated,
            n_threads=n_threads,
            rng=np.random.default_rng(0),
        )
    _say("together", *begun)
    cells = coded(found.embedding, perturbation, batch)
    with timed("recall, with TVN"):
        genes = names[names != CONTROL]
        pairs = np.random.default_rng(0).choice(genes, (2, 20 * len(genes)))
        known = pd.DataFrame({"gene_a": pairs[0], "gene_b": pairs[1], "database": "at random"})
        asked = {"posts": ["tvn"], "protocol": "revised", "min_perturbations": 2}
        recall.function(large_means.function(cells), known, **asked)
    with timed("ridge probe, 5 folds, with TVN"):
        large_separability.function(cells)


def _say(what: str, wall: float, cpu: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # kilobytes on Linux
    took = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"{what:32} {took[0]:7.1f} s, processor {took[1]:7.1f} s, peak {peak:.2f} GiB", flush=True
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        full(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2)
    else:
        print(run())
