"""Curation of slides on disk: peak memory of a process of its own.

`python -m benchmarks.bench_tissue_memory 26` measures as many slides as SpaRED's largest collection
would have, and takes minutes; `make bench` takes six. Slides are read one at a time, so that what
grows with their number is the few genes that are kept.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import row

N_SPOTS, N_GENES, N_KEEP = 3_000, 18_000, 128
MOST = 3.0  # GB


def write_slide(path: Path, rng) -> None:
    """A hexagonal slide: a tenth of the genes in most spots, smooth in space, the others rare."""
    from anndata import AnnData
    from scipy import sparse

    line, column = np.indices((N_SPOTS // 50, 50)).reshape(2, -1)
    places = np.column_stack([column + 0.5 * (line % 2), line * 0.75**0.5]) * 100
    mean = np.exp(np.random.default_rng(0).normal(-3.5, 2, N_GENES)).astype(np.float32)
    waves = np.sin(places @ rng.normal(0, 0.002, (2, 20)))
    loads = np.random.default_rng(1).normal(0, 0.2, (20, N_GENES)).astype(np.float32)
    parts = []
    for rows in np.array_split(np.arange(N_SPOTS), 12):
        rate = mean * np.exp(waves[rows].astype(np.float32) @ loads)
        parts.append(sparse.csr_matrix(rng.poisson(rate).astype(np.float32)))
    name = path.stem
    obs = pd.DataFrame(
        {"slide": name, "patient": name, "array_row": line, "array_col": 2 * column + line % 2},
        index=[f"{name} {i}" for i in range(N_SPOTS)],
    )
    data = AnnData(sparse.vstack(parts, format="csr"), obs=obs)
    data.var_names = [f"gene {i}" for i in range(N_GENES)]
    data.obsm["spatial"] = places
    data.obs["total_counts"] = np.asarray(data.X.sum(axis=1)).ravel()
    data.uns["slides"] = {name: {"geometry": "hex"}}
    data.write_h5ad(path)


def measure(folder: str) -> None:
    """Curate all slides of a folder; print gigabytes at the peak, seconds, genes left."""
    import anndata

    from helpers.tasks.spatial.curation import curate

    paths = sorted(Path(folder).glob("*.h5ad"))
    slides = {p.stem: (lambda p=p: anndata.read_h5ad(p)) for p in paths}
    sides = dict.fromkeys(slides, "train") | {paths[-1].stem: "test", paths[-2].stem: "val"}
    started = time.process_time()
    found = curate(slides, sides, statistics="all", batch="slide", n_keep=N_KEEP)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9  # kilobytes on Linux
    print(peak, time.process_time() - started, *found.shape)


def run(n_slides: int = 6) -> list[dict]:
    """One row: gigabytes at the peak beside what is allowed."""
    with tempfile.TemporaryDirectory() as folder:
        for i in range(n_slides):
            write_slide(Path(folder, f"slide-{i:02d}.h5ad"), np.random.default_rng(i))
        command = [sys.executable, "-c"]
        command += [f"from benchmarks.bench_tissue_memory import measure; measure({folder!r})"]
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    name = f"GB to curate {n_slides} slides of {N_SPOTS:,} x {N_GENES:,} on disk / allowed"
    return [row(name, float(told[0]), MOST, 1.0, f"{float(told[1]):.0f} s, {told[2:]} left")]


if __name__ == "__main__":
    print(*run(int(sys.argv[1]) if len(sys.argv) > 1 else 6), sep="\n")
