"""The local cluster against dask's own, whose workers give freed memory back at once.

Page faults then cost a loop of torch about as much as its arithmetic (glibc's default keeps small
blocks: mallopt(3), M_TRIM_THRESHOLD; dask sets 64 KiB, distributed.nanny.pre-spawn-environ). A
second row says what pages of 2 MB (glibc.malloc.hugetlb) take off what is left.
"""

import os
import subprocess
import sys

import numpy as np

from benchmarks import fastest, row
from helpers.book import warm
from helpers.book.cluster import steps_cluster
from helpers.data.simulate.screen import simulate_screen
from helpers.models.embeddings.scvi import scvi_fit


def fit_seconds() -> float:
    """Processor seconds of 200 steps of scVI, 1,000 genes, in the process that this runs in."""
    screen = simulate_screen(rng=np.random.default_rng(0), n_cells=2_000, n_genes=1_000)
    scvi_fit.function(screen, seed=0, n_steps=1, n_evaluations=1)
    return fastest(lambda: scvi_fit.function(screen, seed=0, n_steps=200, n_evaluations=1), 2)[0]


def run() -> list[dict]:
    """One row: a fit of scVI in a worker."""
    import distributed

    warm.start_early(["distributed", "torch"])
    with steps_cluster(1, {}) as address, distributed.Client(address) as client:
        seconds = client.submit(fit_seconds).result()
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as own,
        distributed.Client(own) as client,
    ):
        reference_seconds = client.submit(fit_seconds).result()
    name = "scVI in a worker / in a worker of dask's LocalCluster"
    large, small = (
        min(_seconds_elsewhere(f"glibc.malloc.hugetlb={size}") for _ in range(2)) for size in (1, 0)
    )
    return [
        row(name, seconds, reference_seconds, 1.2),
        row("scVI with pages of 2 MB / of 4 KB", large, small, 1.0),
    ]


def _seconds_elsewhere(tunables: str) -> float:
    """`fit_seconds` in a process of its own: the C library reads its settings when it starts."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from benchmarks.bench_workers import fit_seconds; print(fit_seconds())",
        ],
        env=os.environ | warm.THREADS | {"GLIBC_TUNABLES": tunables},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


if __name__ == "__main__":
    print(run())
