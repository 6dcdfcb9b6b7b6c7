"""Screens larger than memory: simulated and written to an h5ad chunk by chunk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from helpers.data.simulate.knobs import Knobs, check_range
from helpers.data.simulate.plan import Digest, Plan, plan_screen
from helpers.data.simulate.screen import CHUNK_SIZES

STORED_CHUNK = 2**18  # elements of a chunk in the file: 1 MiB, which HDF5's chunk cache holds


def write_simulated_screen(
    path, *, rng: np.random.Generator, chunk_size: int = 5_000, n_threads: int = 2, **knobs
) -> str:
    """Write the screen that `simulate_screen` makes to an h5ad, without ever holding its counts.

    One chunk of cells is compressed and written while the next ones are drawn.

    Parameters
    ----------
    path : str or Path
        Of the h5ad. It appears when it is complete; an older file is replaced.
    rng
        As in `simulate_screen`: the same generator state gives the same screen.
    chunk_size : int
        Cells drawn at a time. `X/data`, `X/indices`, `X/indptr` do not depend on it.
    n_threads : int
        Threads that draw, at least 1; `n_threads` + 1 chunks are in memory.
    **knobs
        Of `helpers.data.simulate.knobs.Knobs`.

    Returns
    -------
    str
        sha256 of the counts, as in `uns["dataset"]`.

    Raises
    ------
    ValueError
        See `simulate_screen`; or fewer than one thread.
    TypeError
        There is no such knob.
    OSError
        The file cannot be written.
    """
    import h5py
    from anndata.io import write_elem

    if n_threads < 1:
        raise ValueError(f"n_threads is {n_threads}; at least 1")
    path = Path(path)
    check_range("chunk_size", chunk_size, CHUNK_SIZES)
    plan = plan_screen(rng, Knobs.of(knobs))
    n_cells, n_genes = len(plan.obs), len(plan.var)
    digest, totals = Digest(), np.empty(n_cells)
    row_ends = np.zeros(n_cells + 1, dtype=np.int64)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".h5ad", delete=False) as partial:
        temporary = Path(partial.name)
    try:
        with h5py.File(temporary, "w", libver="latest") as file:
            group = file.create_group("X")
            group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
            group.attrs["shape"] = np.array([n_cells, n_genes])
            stored = 0
            parts = {
                name: group.create_dataset(
                    name, (0,), dtype, maxshape=(None,), chunks=(STORED_CHUNK,), **_FILTER
                )
                for name, dtype in (("data", np.float32), ("indices", np.int32))
            }
            for start, stop, drawn in _chunks(plan, chunk_size, n_threads):
                for name in ("indices", "data"):
                    digest.update(name, drawn[name])
                    parts[name].resize((stored + drawn[name].size,))
                    parts[name][stored:] = drawn[name]
                row_ends[start + 1 : stop + 1] = stored + drawn["row_ends"]
                totals[start:stop] = drawn["totals"]
                stored += drawn["data"].size
            group.create_dataset("indptr", data=row_ends)
            digest.update("indptr", row_ends)
            file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
            write_elem(file, "obs", plan.obs.assign(total_counts=totals))
            write_elem(file, "var", plan.var)
            write_elem(file, "obsm", plan.obsm)
            write_elem(file, "varm", plan.varm)
            write_elem(file, "uns", plan.uns(digest.hexdigest()))
            for name in ("layers", "obsp", "varp"):
                write_elem(file, name, {})
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return digest.hexdigest()


_FILTER = {"shuffle": True, "compression": "lzf"}


def _chunks(plan: Plan, chunk_size: int, n_threads: int) -> Iterator[tuple[int, int, dict]]:
    """Drawn chunks in the order of the cells, `n_threads` of them ahead."""
    n_cells, n_genes = len(plan.obs), len(plan.var)

    def draw(start: int) -> dict:
        stop = min(start + chunk_size, n_cells)
        # Pages that no count is written to are never allocated by the system.
        indices = np.empty((stop - start) * n_genes, dtype=np.int32)
        data = np.empty((stop - start) * n_genes, dtype=np.float32)
        stored, row_ends, totals = plan.draw(start, stop, indices, data)
        return {
            "indices": indices[:stored],
            "data": data[:stored],
            "row_ends": row_ends,
            "totals": totals,
        }

    starts = range(0, n_cells, chunk_size)
    with ThreadPoolExecutor(n_threads) as pool:
        ahead = [pool.submit(draw, start) for start in starts[:n_threads]]
        for i, start in enumerate(starts):
            drawn = ahead.pop(0).result()
            if i + n_threads < len(starts):
                ahead.append(pool.submit(draw, starts[i + n_threads]))
            yield start, min(start + chunk_size, n_cells), drawn
