"""Readers of the layouts in which tissue comes: Space Ranger 1 to HD, older arrays, AnnData."""

from __future__ import annotations

import gzip
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.data.errors import DataError

if TYPE_CHECKING:
    from anndata import AnnData

POSITIONS = {
    "tissue_positions.parquet": "Space Ranger HD",
    "tissue_positions.csv": "Space Ranger 2 and later, with a header",
    "tissue_positions_list.csv": "Space Ranger 1, without a header",
}
_COLUMNS = (
    *("barcode", "in_tissue", "array_row", "array_col"),
    *("pxl_row_in_fullres", "pxl_col_in_fullres"),
)
_COUNTS = ("filtered_feature_bc_matrix.h5", "filtered_feature_bc_matrix")


def read_positions(folder: Path) -> pd.DataFrame:
    """Places of the spots of a Space Ranger folder, in any of its three formats.

    Parameters
    ----------
    folder : Path
        Its folder `spatial`.

    Returns
    -------
    DataFrame indexed by barcode
        `in_tissue` (bool), `array_row`, `array_col`, `x` (pxl_col), `y` (pxl_row).

    Raises
    ------
    DataError
        There is no such file, or it has other columns.
    """
    path = next((folder / name for name in POSITIONS if (folder / name).is_file()), None)
    if path is None:
        raise DataError(f"{folder} has no coordinates: none of {', '.join(POSITIONS)}")
    if path.suffix == ".parquet":
        table = pd.read_parquet(path)
    else:
        headless = path.name == "tissue_positions_list.csv"
        table = pd.read_csv(path, header=None if headless else 0)
        if headless and table.shape[1] == len(_COLUMNS):
            table.columns = _COLUMNS
    if absent := [c for c in _COLUMNS if c not in table.columns]:
        raise DataError(f"{path} has no columns {', '.join(map(str, absent))}")
    return pd.DataFrame(
        {
            "in_tissue": table["in_tissue"].to_numpy() == 1,
            "array_row": table["array_row"].to_numpy(),
            "array_col": table["array_col"].to_numpy(),
            "x": table["pxl_col_in_fullres"].to_numpy(float),
            "y": table["pxl_row_in_fullres"].to_numpy(float),
        },
        index=table["barcode"].astype(str).to_numpy(),
    )


def read_10x_h5(path: Path) -> AnnData:
    """Counts of a 10x file, spots x genes; of a probe matrix, spots x probes.

    Raises
    ------
    DataError
        The file has no 10x matrix.
    """
    import h5py
    from anndata import AnnData

    with h5py.File(path) as file:
        if "matrix" not in file:
            raise DataError(
                f"{path} has no group 'matrix': it is no 10x file of version 3 or later"
            )
        group = file["matrix"]
        n_genes, n_spots = group["shape"][:]
        parts = (group["data"][:], group["indices"][:], group["indptr"][:])
        features = {
            name: group["features"][name][:].astype(str)
            for name in ("id", "name", "feature_type", "gene_id")
            if name in group["features"]
        }
        barcodes = group["barcodes"][:].astype(str)
    counts = sparse.csr_matrix(parts, shape=(n_spots, n_genes))
    return _with_genes(counts, barcodes, features, AnnData)


def read_10x_mtx(folder: Path) -> AnnData:
    """Counts of a 10x folder of three files, spots x genes.

    Raises
    ------
    DataError
        One of them is missing.
    """
    from anndata import AnnData
    from scipy.io import mmread

    files = {n: folder / n for n in ("matrix.mtx.gz", "features.tsv.gz", "barcodes.tsv.gz")}
    if absent := [name for name, path in files.items() if not path.is_file()]:
        raise DataError(f"{folder} has no {', '.join(absent)}")
    with gzip.open(files["matrix.mtx.gz"]) as stream:
        counts = sparse.csr_matrix(mmread(stream).T)
    features = pd.read_csv(files["features.tsv.gz"], sep="\t", header=None, dtype=str)
    barcodes = pd.read_csv(files["barcodes.tsv.gz"], header=None, dtype=str)[0].to_numpy()
    columns = dict(zip(("id", "name", "feature_type"), features.T.to_numpy(), strict=False))
    return _with_genes(counts, barcodes, columns, AnnData)


def _with_genes(counts, barcodes, features: Mapping, AnnData) -> AnnData:
    var = pd.DataFrame({k: v for k, v in features.items() if k != "id"}, index=features["id"])
    var = var.rename(columns={"name": "symbol"})
    return AnnData(counts.astype(np.float32), obs=pd.DataFrame(index=barcodes), var=var)


def read_visium(
    folder: Path, *, slide: str, patient: str, geometry: str = "hex", image: str | None = "lowres"
) -> AnnData:
    """One section as Space Ranger leaves it: counts (h5 or three files), places, scale, image.

    Parameters
    ----------
    folder : Path
        With `filtered_feature_bc_matrix` (`.h5` or folder) and `spatial`.
    slide, patient : str
    geometry : {"hex", "square"}
        "square" for the bins of Visium HD.
    image : {"lowres", "hires", None}
        Which image is read; None: none.

    Returns
    -------
    AnnData of the spots that have counts; see `helpers.data.spatial.contract`.

    Raises
    ------
    DataError
        A file is missing or cut, or no spot has a place.
    """
    counts = next((folder / name for name in _COUNTS if (folder / name).exists()), None)
    if counts is None:
        raise DataError(f"{folder} has no counts: neither {' nor '.join(_COUNTS)}")
    data = read_10x_h5(counts) if counts.suffix == ".h5" else read_10x_mtx(counts)
    places = read_positions(folder / "spatial")
    known = data.obs_names.isin(places.index)
    if not known.any():
        raise DataError(f"{folder}: no barcode of the counts has a place")
    data = data[known].copy()
    scale = json.loads((folder / "spatial" / "scalefactors_json.json").read_text(encoding="utf-8"))
    facts = {"geometry": geometry, "spot_diameter": scale["spot_diameter_fullres"]}
    if image is not None:
        picture = read_image(folder / "spatial" / f"tissue_{image}_image.png")
        facts |= {"image": picture, "image_scale": scale[f"tissue_{image}_scalef"]}
    data.uns["n_without_place"] = int((~known).sum())
    return placed(data, places.loc[data.obs_names], slide, patient, facts)


def placed(data: AnnData, places: pd.DataFrame, slide: str, patient: str, facts: dict) -> AnnData:
    """The counts of a section with places, labels and facts in the form of the contract."""
    data.obs["slide"] = pd.Categorical([slide] * data.n_obs)
    data.obs["patient"] = pd.Categorical([patient] * data.n_obs)
    for name in ("array_row", "array_col"):
        data.obs[name] = places[name].to_numpy(float)
    if "in_tissue" in places:
        data.obs["in_tissue"] = places["in_tissue"].to_numpy(bool)
    data.obsm["spatial"] = places[["x", "y"]].to_numpy(float)
    data.obs["total_counts"] = np.asarray(data.X.sum(axis=1)).ravel().astype(np.float64)
    data.uns["slides"] = {slide: facts}
    data.uns["scale"] = {"kind": "counts", "target_sum": None}
    return data


def read_image(path: Path, longest: int | None = None) -> np.ndarray:
    """An image as bytes, RGB; with `longest`, reduced to that many pixels on its longer side.

    Raises
    ------
    DataError
        It is missing, cut, or no image.
    """
    from PIL import UnidentifiedImageError

    if not path.is_file():
        raise DataError(f"there is no image {path}")
    try:
        with _opened(path) as picture:
            if longest is not None and max(picture.size) > longest:
                ratio = longest / max(picture.size)
                size = tuple(round(side * ratio) for side in picture.size)
                picture.draft("RGB", size)  # of a JPEG only as much is decoded as is shown
                picture = picture.convert("RGB").resize(size)
            return np.asarray(picture.convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise DataError(f"{path} is cut or no image ({error})") from error


def _table(path: Path) -> tuple[list[str], list[str], list[str]]:
    """Names of rows and columns of a tab-separated table, gzipped or not, and its rows as text.

    Most rows of an array lie beside the tissue, and to read their numbers is most of the work.
    """
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    head, *lines = content.decode("utf-8").splitlines()
    genes = head.split("\t")[1:]
    names, rows = [], []
    for line in lines:
        name, _, numbers = line.partition("\t")
        _check_row(path, name, numbers.count("\t") + 1, genes)
        names.append(name)
        rows.append(numbers)
    return names, genes, rows


def _numbers(path: Path, name: str, text: str, genes: list[str]) -> np.ndarray:
    """A row of `_table`; pandas takes ten times as long for thousands of columns."""
    row = np.fromstring(text, sep="\t", dtype=np.float32)
    _check_row(path, name, len(row), genes)
    return row


def _check_row(path: Path, name: str, n: int, genes: list[str]) -> None:
    if n != len(genes):
        raise DataError(
            f"{path}: the row of {name} holds {n} numbers for {len(genes)} genes; it is "
            "cut, or holds something else"
        )


@contextmanager
def _opened(path: Path) -> Iterator:
    """An image; whole sections are larger than what PIL takes for an attack."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(path) as picture:
            yield picture


def read_legacy(
    counts: Path,
    spots: Path,
    *,
    slide: str,
    patient: str,
    image: Path | None = None,
    longest: int = 1000,
    full_width: int | None = None,
    only_tissue: bool = True,
) -> AnnData:
    """One section of the older arrays: a table of spots `XxY` by genes, and a table of spots.

    Parameters
    ----------
    counts : Path
        Tab-separated, a spot a row, named by its place, such as "10x12".
    spots : Path
        Tab-separated: `x`, `y` (array), `pixel_x`, `pixel_y`, `selected` (1: under tissue).
    slide, patient : str
    image : Path, optional
    longest : int
        Pixels of the image that are kept, on its longer side.
    full_width : int, optional
        Width of the image to which the pixels belong; default: that of the file.
    only_tissue : bool
        Leave out spots that are not under tissue.

    Returns
    -------
    AnnData of the spots that are in both tables

    Raises
    ------
    DataError
        Columns are missing, or no spot is in both tables.
    """
    from anndata import AnnData

    names, genes, lines = _table(counts)
    places = pd.read_csv(spots, sep="\t")
    if absent := [c for c in ("x", "y", "pixel_x", "pixel_y") if c not in places.columns]:
        raise DataError(f"{spots} has no columns {', '.join(absent)}")
    places.index = [f"{x:g}x{y:g}" for x, y in zip(places["x"], places["y"], strict=True)]
    renamed = {"y": "array_row", "x": "array_col", "pixel_x": "x", "pixel_y": "y"}
    places = places.rename(columns=renamed)
    places["in_tissue"] = places["selected"] == 1 if "selected" in places else True
    if only_tissue:
        places = places[places["in_tissue"]]
    rows = [i for i, name in enumerate(names) if name in places.index]
    if not rows:
        raise DataError(f"{counts} and {spots} share no spot")
    shared = [names[i] for i in rows]
    matrix = np.stack([_numbers(counts, names[i], lines[i], genes) for i in rows])
    values = sparse.csr_matrix(matrix)
    obs, var = pd.DataFrame(index=shared), pd.DataFrame(index=genes)
    facts: dict = {"geometry": "square"}
    if image is not None:
        picture = read_image(image, longest)
        with _opened(image) as file:
            width = full_width or file.width
        facts |= {"image": picture, "image_scale": picture.shape[1] / width}
    data = placed(AnnData(values, obs=obs, var=var), places.loc[shared], slide, patient, facts)
    data.uns["n_without_place"] = len(names) - len(shared)
    return data


def read_collection(path: Path, *, patients: Mapping[str, str], image: str = "hires") -> AnnData:
    """Sections in one AnnData file, as squidpy and SpaRED keep them.

    Parameters
    ----------
    path : Path
        With `obsm["spatial"]` and `uns["spatial"]`, a section an entry; with several of them, the
        column `slide_id` says whose a spot is. Without `array_row` and `array_col` the place in
        the array is that in the image, in steps between neighbours.
    patients : mapping of slide to patient
    image : {"hires", "lowres"}

    Raises
    ------
    DataError
        Coordinates or the names of sections are missing, or a section has no patient.
    """
    from anndata import read_h5ad

    from helpers.data.spatial.geometry import by_slide, pitch

    data = read_h5ad(path)
    libraries = data.uns.get("spatial")
    if "spatial" not in data.obsm or not isinstance(libraries, Mapping):
        raise DataError(f"{path} has no coordinates: obsm['spatial'] and uns['spatial'] are needed")
    if "slide_id" in data.obs:
        slides = data.obs["slide_id"].astype(str).to_numpy()
    elif len(libraries) == 1:
        slides = np.repeat(list(libraries), data.n_obs)
    else:
        raise DataError(f"{path} has {len(libraries)} sections and no obs['slide_id']")
    if strange := sorted(set(slides) - set(patients)):
        raise DataError(f"{path}: no patient is given for {', '.join(strange)}")
    data.obs["slide"] = pd.Categorical(slides)
    data.obs["patient"] = pd.Categorical([patients[s] for s in slides])
    if "array_row" not in data.obs:
        places = np.asarray(data.obsm["spatial"], dtype=float)
        for rows in by_slide(slides).values():
            step = pitch(places[rows])
            data.obs.loc[data.obs_names[rows], "array_col"] = places[rows, 0] / (step / 2)
            data.obs.loc[data.obs_names[rows], "array_row"] = places[rows, 1] / (step * 0.75**0.5)
    found = {}
    for name in dict.fromkeys(slides):
        facts, scale = libraries[name], libraries[name]["scalefactors"]
        found[name] = {"geometry": "hex", "spot_diameter": float(scale["spot_diameter_fullres"])}
        if (picture := facts.get("images", {}).get(image)) is not None:
            picture = np.asarray(picture)
            if picture.dtype != np.uint8:
                picture = np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)
            found[name] |= {"image": picture, "image_scale": scale[f"tissue_{image}_scalef"]}
    data.uns["slides"] = found
    return data


def join(sections: list[AnnData]) -> AnnData:
    """Sections one under the other, with the genes that all of them have, in one order.

    Raises
    ------
    DataError
        Two sections of one name, or no gene that all share.
    """
    import anndata

    names = [name for one in sections for name in one.uns["slides"]]
    if len(set(names)) < len(names):
        raise DataError(f"sections share a name: {', '.join(names)}")
    genes = set(sections[0].var_names).intersection(*(s.var_names for s in sections[1:]))
    if not genes:
        raise DataError(f"the sections {', '.join(names)} share no gene: are they of one species?")
    kept = [gene for gene in sections[0].var_names if gene in genes]
    parts = []
    for one in sections:
        (name,) = one.uns["slides"]
        part = one[:, kept].copy()
        part.obs_names = [f"{name}/{spot}" for spot in part.obs_names]
        parts.append(part)
    data = anndata.concat(parts, merge="same")
    for column in ("slide", "patient"):
        data.obs[column] = pd.Categorical(data.obs[column].astype(str))
    data.uns["slides"] = {k: v for one in sections for k, v in one.uns["slides"].items()}
    data.uns["scale"] = {"kind": "counts", "target_sum": None}
    data.uns["n_genes_by_section"] = {
        name: one.n_vars for one in sections for name in one.uns["slides"]
    }
    return data
