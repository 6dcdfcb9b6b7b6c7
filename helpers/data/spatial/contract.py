"""What every data set of tissue promises, and the one check of it.

A data set of tissue is an AnnData of spots: counts of genes at places of an array that lies on a
section. `obs` names the section (`slide`) and the `patient`, and has the place in the array
(`array_row`, `array_col`); `obsm["spatial"]` has the place in the full image, x to the right and y
down; `uns["slides"]` has, for each section, the geometry of its array and, where there is one, an
image with its scale.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.data import contract
from helpers.data.errors import DataError
from helpers.data.spatial.geometry import NEIGHBOURS
from helpers.words import Words

if TYPE_CHECKING:
    from anndata import AnnData

SPLITS = ("train", "val", "test")
_LABELS = ("slide", "patient")
_ARRAY = ("array_row", "array_col")
# Pixels a column of the array takes for those of a row; hexagonal arrays count columns in halves.
_ASPECT = {"hex": (0.45, 0.75), "square": (0.7, 1.4)}
# Distance between neighbours in diameters of a spot: 1.8 of Visium, 2 of the older arrays.
_PITCH = (0.9, 4.0)


def check(data: AnnData, *, counts: bool = True) -> AnnData:
    """Return the data unchanged, or say everything that is wrong with it.

    Parameters
    ----------
    data : AnnData of shape (n_spots, n_genes)
    counts : bool
        Whether `X` is to be counts; else any scale of the core contract.

    Raises
    ------
    DataError
        With one line for each violation.
    """
    found = violations(data, counts=counts)
    if not found:
        return data
    about = data.uns.get("dataset")
    name = about.get("name", "this data set") if isinstance(about, Mapping) else "this data set"
    count = "1 violation" if len(found) == 1 else f"{len(found)} violations"
    raise DataError("\n  - ".join([f"{name}: {count} of the contract of tissue", *found]))


def violations(data: AnnData, *, counts: bool = True) -> list[Words]:
    """Every way in which the data breaks the contract, a sentence each.

    Beside the core contract (`helpers.data.contract.violations`): complete `slide` and `patient`,
    each slide of one patient and on one side of a split; finite coordinates, no two spots of a
    slide at one place; array and pixel coordinates that belong together (a straight map leads from
    one to the other, x follows columns, the aspect fits the geometry, neighbours are as far apart
    as spots of that diameter can be); spots inside the image; a boolean mask of the same shape.
    """
    found = contract.violations(data, screen=False)
    scale = data.uns.get("scale")
    if counts and isinstance(scale, Mapping) and scale.get("kind") != "counts":
        found.append(f"uns['scale'] says {scale.get('kind')!r}; tissue is read as counts")
    labels = list(_label_violations(data))
    places = list(_place_violations(data))
    found += [*labels, *places, *_mask_violations(data)]
    if not labels and not places:
        for name in data.obs["slide"].astype(str).unique():
            found += _slide_violations(data, name)
    return found


def _label_violations(data: AnnData) -> Iterator[Words]:
    missing = [name for name in _LABELS if name not in data.obs]
    for name in _LABELS:
        if name in missing:
            yield f"obs has no {name!r}"
        elif data.obs[name].isna().any():
            yield f"obs[{name!r}] is missing for {int(data.obs[name].isna().sum())} spots"
    if missing:
        return
    slides = data.obs["slide"].astype(str)
    for column, where in (("patient", "belongs to"), ("split", "is on")):
        if column not in data.obs:
            continue
        owners = data.obs[column].astype(str).groupby(slides.to_numpy()).nunique()
        for name in owners.index[owners > 1]:
            values = sorted(data.obs.loc[(slides == name).to_numpy(), column].astype(str).unique())
            yield f"slide {name} {where} several of {column}: {', '.join(values)}"
    if "split" in data.obs:
        sides = set(data.obs["split"].astype(str))
        if unknown := sorted(sides - set(SPLITS)):
            yield f"obs['split'] holds {', '.join(unknown)}; sides are {', '.join(SPLITS)}"
        if "train" not in sides:
            yield "obs['split'] has no slide to train on"
    about = data.uns.get("slides")
    if not isinstance(about, Mapping):
        yield "uns has no 'slides': for each slide its geometry, 'hex' or 'square'"
        return
    for name in sorted(set(slides) - set(about)):
        yield f"uns['slides'] does not name slide {name}"
    for name in sorted(set(about) - set(slides)):
        yield f"slide {name} of uns['slides'] has no spot"
    for name, facts in about.items():
        if (geometry := facts.get("geometry")) not in NEIGHBOURS:
            known = ", ".join(NEIGHBOURS)
            yield f"slide {name} has the geometry {geometry!r}; it is one of {known}"


def _place_violations(data: AnnData) -> Iterator[Words]:
    for name in _ARRAY:
        if name not in data.obs:
            yield f"obs has no {name!r}: the place of a spot in the array"
        elif not np.isfinite(pd.to_numeric(data.obs[name], errors="coerce")).all():
            yield f"obs[{name!r}] holds values that are no finite numbers"
    if "spatial" not in data.obsm:
        yield "obsm has no 'spatial': x and y of each spot in pixels of the full image"
        return
    pixels = np.asarray(data.obsm["spatial"])
    if pixels.shape != (data.n_obs, 2) or pixels.dtype.kind not in "iuf":
        yield f"obsm['spatial'] has the shape {pixels.shape}; it holds x and y of each spot"
    elif not np.isfinite(pixels.astype(float)).all():
        yield "obsm['spatial'] holds values that are not finite"


def _mask_violations(data: AnnData) -> Iterator[Words]:
    mask = data.layers.get("mask")
    if mask is None:
        return
    if np.asarray(mask).dtype != bool:
        yield "layers['mask'] is not boolean; True is measured"
    elif len(blind := data.var_names[~np.asarray(mask).any(axis=0)]):
        yield f"layers['mask'] hides everything of {len(blind)} genes, the first {blind[0]}"


def _slide_violations(data: AnnData, name: str) -> Iterator[Words]:
    chosen = (data.obs["slide"].astype(str) == name).to_numpy()
    facts = data.uns["slides"][name]
    array = data.obs.loc[chosen, list(_ARRAY)].to_numpy(float)
    pixels = np.asarray(data.obsm["spatial"], dtype=float)[chosen]
    for what, places in (("array", array), ("pixel", pixels)):
        if twice := len(places) - len(np.unique(places, axis=0)):
            yield f"slide {name}: {twice} spots are at a place of another spot ({what} coordinates)"
            return
    if len(array) > 3 and all(len(np.unique(column)) > 1 for column in array.T):
        yield from _map_violations(name, array, pixels, facts)
    if (image := facts.get("image")) is not None:
        yield from _image_violations(name, pixels, np.asarray(image), facts.get("image_scale"))


def _map_violations(name: str, array, pixels, facts) -> Iterator[Words]:
    """Whether a straight map leads from rows and columns to pixels, of the right kind."""
    design = np.column_stack([array, np.ones(len(array))])
    slope = np.linalg.lstsq(design, pixels, rcond=None)[0]
    row, col = slope[0], slope[1]
    # of the array, not of the spots at hand, which may be few
    step = np.hypot(*col) * (2 if facts["geometry"] == "hex" else 1)
    if (off := np.abs(pixels - design @ slope).max()) > step:
        yield (
            f"slide {name}: array and pixel coordinates do not belong together: by a straight map "
            f"a spot is {off / step:.1f} distances between neighbours away from its place"
        )
        return
    if abs(row[0]) > abs(col[0]):
        yield (
            f"slide {name}: x follows rows of the array, not columns: swap obsm['spatial'] to "
            "(x, y), or array_row and array_col, or turn the image"
        )
        return
    low, high = _ASPECT[facts["geometry"]]
    if not low <= (aspect := np.hypot(*col) / np.hypot(*row)) <= high:
        yield (
            f"slide {name}: a column takes {aspect:.2f} times the pixels of a row; of a "
            f"{facts['geometry']} array that is {low} to {high}"
        )
    low, high = _PITCH
    diameter = facts.get("spot_diameter")
    if diameter is not None and not low <= (ratio := step / diameter) <= high:
        yield (
            f"slide {name}: neighbours are {ratio:.2f} spot diameters apart; it takes {low} to "
            f"{high}: pixel coordinates or the diameter are scaled"
        )


def _image_violations(name: str, pixels, image, scale) -> Iterator[Words]:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        yield f"slide {name}: the image is {image.dtype} of {image.shape}; it takes bytes, RGB"
        return
    if scale is None or not scale > 0:
        yield f"slide {name}: image_scale is {scale!r}; it is pixels of the image for one of x"
        return
    x, y = (pixels * scale).T
    outside = (x < 0) | (y < 0) | (x >= image.shape[1]) | (y >= image.shape[0])
    if outside.any():
        yield (
            f"slide {name}: {int(outside.sum())} of {len(x)} spots lie outside the image "
            f"({image.shape[1]} x {image.shape[0]} px at the scale {scale:g}): it is cut, or the "
            "scale is that of another one"
        )
