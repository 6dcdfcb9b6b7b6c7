"""Streaming a screen to disk against simulating it in memory and writing it.

`python -m benchmarks.bench_stream FOLDER` writes 500,000 cells x 8,000 genes (0.8 GB) into a folder
and prints seconds and peak memory.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import fastest, row
from helpers.data.simulate.screen import simulate_screen
from helpers.data.simulate.stream import write_simulated_screen

KNOBS = {"n_genes": 8_000, "library_size": 900.0}


def _streamed(path: Path) -> str:
    return write_simulated_screen(path, rng=np.random.default_rng(0), n_cells=20_000, **KNOBS)


def _in_memory(path: Path):
    screen = simulate_screen(rng=np.random.default_rng(0), n_cells=20_000, **KNOBS)
    screen.write_h5ad(path, compression="lzf")
    return screen


def run() -> list[dict]:
    """One row: 20,000 cells x 8,000 genes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "screen.h5ad")
        write_simulated_screen(path, rng=np.random.default_rng(0), n_cells=1_000, **KNOBS)
        seconds, sha256 = fastest(lambda: _streamed(path), 2)
        reference_seconds, screen = fastest(lambda: _in_memory(path), 2)
        assert sha256 == screen.uns["dataset"]["sha256"], "not the same counts"
    return [
        row(
            "stream 20,000 x 8,000 to disk / in memory, then written",
            seconds,
            reference_seconds,
            1.1,
        )
    ]


def full(folder: str) -> None:
    """Write the full size; what is printed holds on the machine at hand only."""
    path = Path(folder, "screen.h5ad")
    start = time.perf_counter()
    write_simulated_screen(path, rng=np.random.default_rng(0), n_cells=500_000, **KNOBS)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # kilobytes on Linux
    print(f"{seconds:.1f} s, {peak:.2f} GiB peak, {path.stat().st_size / 2**30:.2f} GiB on disk")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        full(sys.argv[1])
    else:
        print(run())
