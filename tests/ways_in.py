"""Files as people have them, drawn by number, some damaged, and what the book makes of them.

Run as a program (first and last number, folder) it prints a line a file: number, what was drawn,
and for each reader "right", "refused" or what went wrong. A process of its own, since what is
tested is that no file ends it. Damages are such that a file can tell: a value that became another
valid count cannot be seen by anybody.
"""

import hashlib
import json
import shutil
import sys
import warnings
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from helpers.data import own, own_reader
from helpers.data.contract import DataError
from helpers.data.ondisk import Counts, first_pass, open_screen
from helpers.tasks.embeddings.large_screen import Columns, labels_of

CONTAINERS = ("h5ad", "h5ad", "layer", "raw", "zarr", "0.6", "0.7", "loom-like")
KINDS = ("i2", "u1", "<i4", "i8", "f2", "f4", "f4", ">f4", "f8", "?")
LAYOUT = ("index far", "index below", "ends back", "ends far", "ends short", "shape", "format")
LABELS = ("column gone", "codes far", "label nan", "label blank", "cells twice")
DAMAGES = (
    *(*LAYOUT, *LABELS, "data gone", "data text", "data cut", "not finite", "negative", "fraction"),
    *("obs gone", "var gone", "file cut", "file empty"),
)


def screen(rng):
    """Counts and labels; every cell has a count of one or more."""
    n_cells, n_genes = int(rng.integers(6, 30)), int(rng.integers(3, 9))
    counts = rng.poisson(1.0, (n_cells, n_genes))
    counts[np.arange(n_cells), rng.integers(n_genes, size=n_cells)] += 1
    obs = pd.DataFrame(
        {
            "gene": pd.Categorical(np.resize(["ctrl", "A", "B", "A+B"], n_cells)),
            "well": pd.Categorical(np.resize(["w1", "w2", "w2"], n_cells)),
        },
        index=[f"cell{i}" for i in range(n_cells)],
    )
    return counts, obs, pd.DataFrame(index=[f"G{i}" for i in range(n_genes)])


def stored(counts, layout, kind, rng):
    """Arrays of a sparse matrix in any order, with zeros and with one value in two entries."""
    rows, columns = np.nonzero(counts + (rng.random(counts.shape) < 0.1))
    values = counts[rows, columns]
    if kind.kind != "b" and rng.random() < 0.5:
        part = rng.integers(0, values + 1)
        rows, columns = np.tile(rows, 2), np.tile(columns, 2)
        values = np.concatenate([part, values - part])
    order = rng.permutation(len(rows))
    major, minor = (rows, columns) if layout == "csr" else (columns, rows)
    order = order[np.argsort(major[order], kind="stable")]
    n_major = counts.shape[layout == "csc"]
    ends = np.searchsorted(major[order], np.arange(n_major + 1))
    wide = rng.choice(["i4", "i8"], 2)
    return values[order].astype(kind), minor[order].astype(wide[0]), ends.astype(wide[1])


def put_matrix(file, key, counts, layout, kind, rng, old=False):
    if layout == "dense":
        file[key] = counts.astype(kind)
        if not old:
            file[key].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        return
    group = file.create_group(key)
    if old:
        group.attrs["h5sparse_format"] = np.bytes_(layout)
        group.attrs["h5sparse_shape"] = counts.shape
    else:
        group.attrs.update({"encoding-type": f"{layout}_matrix", "encoding-version": "0.1.0"})
        group.attrs["shape"] = counts.shape
    group["data"], group["indices"], group["indptr"] = stored(counts, layout, kind, rng)


def put_records(file, name, table):
    """`obs` as before anndata 0.7: one structured array, names of categories in `uns`."""
    fields = [("index", "S12"), *((c, "i1") for c in table)]
    records = np.zeros(len(table), fields)
    records["index"] = table.index.to_numpy("S12")
    for column in table:
        records[column] = table[column].cat.codes
        file[f"uns/{column}_categories"] = table[column].cat.categories.tolist()
    file[name] = records


def put_references(file, name, table):
    """`obs` of anndata 0.7: codes that refer to their categories."""
    group = file.create_group(name)
    group.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.1.0"})
    group.attrs["_index"], group.attrs["column-order"] = "_index", list(table)
    group["_index"] = table.index.tolist()
    for column in table:
        group[f"__categories/{column}"] = table[column].cat.categories.tolist()
        group[column] = table[column].cat.codes.to_numpy()
        group[column].attrs["categories"] = group[f"__categories/{column}"].ref


def written(rng, folder):
    """Path, truth, mapping, key of the counts, and what was drawn."""
    container = str(rng.choice(CONTAINERS))
    layout = str(rng.choice(["csr", "csr", "csc", "dense"]))
    kind = np.dtype(str(rng.choice(KINDS)))
    counts, obs, var = screen(rng)
    if kind.kind == "b":
        counts = np.minimum(counts, 1)
    options = {"layer": {"layer": "umi"}, "raw": {"raw": True}}.get(container, {})
    mapping = own.Mapping("gene", ("ctrl",), "well", **options)
    key = {"layer": "layers/umi", "raw": "raw/X"}.get(container, "X")
    path = folder / ("drawn.zarr" if container == "zarr" else "drawn.h5ad")
    drawn = f"{container} {layout} {kind}"
    if container in ("0.6", "0.7"):
        with h5py.File(path, "w") as file:
            put_matrix(file, key, counts, layout, kind, rng, old=container == "0.6")
            put = put_records if container == "0.6" else put_references
            put(file, "obs", obs)
            put(file, "var", var)
        return path, counts, obs, mapping, key, drawn
    if container == "loom-like":
        obs.index.name, var.index.name = "CellID", "Gene"
    elif rng.random() < 0.1:
        obs.index.name = "index"
    frame = sparse.csr_matrix(np.log1p(counts).astype(np.float32))
    made = ad.AnnData(frame, obs=obs, var=var)
    if container == "layer":
        made.layers["umi"] = frame
    elif container == "raw":
        made.raw = made.copy()
        made = made[:, :2].copy()
    if container == "zarr":  # written by anndata: kinds of its own
        kind = np.dtype("f4") if kind.kind == "b" else kind.newbyteorder("=")
        made.X = counts.astype(kind)
        if layout != "dense" and kind != np.float16:
            made.X = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix}[layout](made.X)
        made.write_zarr(path)
        return path, counts, obs, mapping, key, drawn
    made.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        del file[key]
        put_matrix(file, key, counts, layout, kind, rng)
    return path, counts, obs, mapping, key, drawn


def replaced(file, part, values):
    attributes = dict(file[part].attrs)
    del file[part]
    file[part] = values
    file[part].attrs.update(attributes)


def damage(path, key, kind, rng):
    """Damage a file; False where it has no such part."""
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and p.stat().st_size)
        # without what stands for defaults: a store may lack these
        files = [p for p in files if p.name not in (".zattrs", ".zmetadata", "zarr.json")]
        chosen = files[int(rng.integers(len(files)))]
        chosen.write_bytes(chosen.read_bytes()[: chosen.stat().st_size // 2])
        return True
    if kind in ("file cut", "file empty"):
        share = rng.uniform(0.05, 0.95) if kind == "file cut" else 0
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        return True
    with h5py.File(path, "r+") as file:
        return damage_part(file, key, kind, rng)


def damage_part(file, key, kind, rng):
    X, table = file[key], file["obs"]
    values = f"{key}/data" if isinstance(X, h5py.Group) else key
    if kind in ("not finite", "negative", "fraction"):
        value = {"not finite": np.inf, "negative": -2, "fraction": 1.5}[kind]
        changed = file[values][()].astype(float)
        changed.flat[int(rng.integers(changed.size))] = value
        replaced(file, values, changed)
    elif kind == "data text":
        replaced(file, values, np.full(file[values].shape, b"x"))
    elif kind == "data gone":
        del file[values]
    elif kind == "data cut":
        replaced(file, values, file[values][()][:-1])
    elif kind in ("obs gone", "var gone"):
        del file["raw/var" if kind == "var gone" and key.startswith("raw") else kind[:3]]
    elif kind in LAYOUT:
        return isinstance(X, h5py.Group) and damage_layout(file, key, kind, rng)
    elif kind in LABELS:
        return isinstance(table, h5py.Group) and damage_labels(table, kind)
    return True


def damage_layout(file, key, kind, rng):
    if kind in ("shape", "format"):
        old = "h5sparse_shape" in file[key].attrs
        if kind == "shape":
            name = "h5sparse_shape" if old else "shape"
            file[key].attrs[name] = np.add(file[key].attrs[name], [0, 10**6])
        else:
            name = "h5sparse_format" if old else "encoding-type"
            file[key].attrs[name] = "ellpack_matrix"
        return True
    part = f"{key}/{'indices' if kind.startswith('index') else 'indptr'}"
    changed = file[part][()]
    place = int(rng.integers(1, len(changed)))
    if kind == "ends short":
        changed = changed[:-1]
    elif kind == "ends back":
        changed[np.argmax(changed > 0) :] = 0
        changed[np.argmax(file[part][()] > 0)] = 1
        changed[-1] = 0
    else:
        changed[place] = {"index far": 10**7, "index below": -4, "ends far": 2**30}[kind]
    replaced(file, part, changed)
    return True


def damage_labels(table, kind):
    column = table["gene"]
    if kind == "column gone":
        del table["gene"]
    elif kind == "cells twice":
        index = table.attrs["_index"]
        names = table[index][()]
        names[1] = names[0]
        replaced(table, index, names)
    elif kind == "codes far":
        codes = "gene/codes" if isinstance(column, h5py.Group) else "gene"
        changed = table[codes][()]
        changed[2] = 77
        replaced(table, codes, changed)
    else:
        names = "gene/categories" if isinstance(column, h5py.Group) else "__categories/gene"
        table[names][0] = "nan" if kind == "label nan" else " A"
    return True


def content(path):
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()


def in_memory(path, counts, obs, mapping):
    found = own_reader.read(path, mapping, "drawn", "0" * 64)
    X = found.X.toarray() if sparse.issparse(found.X) else found.X
    names = obs["gene"].astype(str).replace("ctrl", "control").tolist()
    return np.array_equal(X, counts) and found.obs["perturbation"].tolist() == names


def from_disk(path, counts, obs, mapping):
    opened = open_screen(path)
    labels, _ = labels_of(opened, Columns("gene", "well", "ctrl"))
    with Counts() as kept:
        summary = first_pass(opened, np.arange(len(labels)), kept, chunk_size=7)
    names = obs["gene"].astype(str).replace("ctrl", "control").tolist()
    expected = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    return np.allclose(summary.pseudobulk, expected, atol=1e-4) and labels.tolist() == names


def tried(number, folder):
    """What was drawn, and what each reader made of it."""
    rng = np.random.default_rng(number)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path, counts, obs, mapping, key, drawn = written(rng, folder)
    harm = str(rng.choice(DAMAGES)) if rng.random() < 0.6 else ""
    if harm and not damage(path, key, harm, rng):
        harm = ""
    before, outcome = content(path), {}
    readers = [in_memory] + ([from_disk] if key == "X" and path.is_file() else [])
    for reader in readers:
        name = reader.__name__
        try:
            right = reader(path, counts, obs, mapping)
            outcome[name] = "right" if right else "wrong"
        except DataError as refused:
            csc = reader is from_disk and "csc" in drawn
            outcome[name] = "refused" if harm or csc else f"refused without reason: {refused}"
        except Exception as error:  # whatever it is, it is what a user would see
            outcome[name] = f"traceback: {type(error).__name__}: {error}"[:300]
    if content(path) != before:
        outcome["file"] = "altered"
    return {"number": number, "drawn": f"{drawn}, {harm or 'whole'}"} | outcome


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    first, last, place = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    for number in range(first, last):
        print(json.dumps(tried(number, place / "one")), flush=True)
