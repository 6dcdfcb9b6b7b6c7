"""Windows of the stained image around spots, and what nine numbers say of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from helpers.data.errors import DataError
from helpers.data.spatial.geometry import by_slide, pitch
from helpers.store.steps import step

if TYPE_CHECKING:
    from anndata import AnnData

SIDE = 16
"""Pixels of a window, each way, whatever the resolution of the image."""
FEATURES = tuple(
    f"{what} {channel}"
    for what in ("mean", "spread", "upper tenth")
    for channel in ("red", "green", "blue")
)
"""Of the optical density of a window."""
_STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])  # haematoxylin, eosin: RGB density
_DARKEST = 70  # median of the brightest channel: stained tissue is lit from below, not glowing


def imaged(data: AnnData) -> AnnData:
    """The spots of slides that have an image.

    Raises
    ------
    DataError
        No slide has one.
    """
    with_image = [name for name, facts in data.uns["slides"].items() if "image" in facts]
    if not with_image:
        raise DataError("no slide has an image: expression cannot be predicted from it")
    kept = data[data.obs["slide"].astype(str).isin(with_image).to_numpy()].copy()
    kept.uns["slides"] = {name: data.uns["slides"][name] for name in with_image}
    for column in ("slide", "patient"):
        kept.obs[column] = kept.obs[column].astype(str).astype("category")
    return kept


def windows(data: AnnData, *, width: float = 1.0, side: int = SIDE) -> np.ndarray:
    """A square of the image around each spot.

    Its size is told in distances between neighbours, which are 100 or 200 micrometres, and never in
    pixels of the image: images of one data set may have different resolutions.

    Parameters
    ----------
    data : AnnData
        Every slide has an image; see `imaged`.
    width : float
        Distances between neighbours.
    side : int

    Returns
    -------
    ndarray of uint8, shape (n_spots, side, side, 3)
        Red, green, blue. What lies beyond the border of the image is white, like empty glass.

    Raises
    ------
    DataError
        A slide without an image in colour, one with a spot outside of it, or one that is not
        stained with haematoxylin and eosin.
    """
    out = np.empty((data.n_obs, side, side, 3), dtype=np.uint8)
    for name, rows in by_slide(data.obs["slide"]).items():
        facts = data.uns["slides"][name]
        if "image" not in facts:
            raise DataError(f"slide {name} has no image; leave it out")
        scale = float(facts["image_scale"])
        places = np.asarray(data.obsm["spatial"], dtype=float)[rows] * scale
        image = np.asarray(facts["image"])
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise DataError(f"the image of slide {name} is {image.dtype} of {image.shape}; it is "
                            "bytes, rows x columns x red, green, blue")  # fmt: skip
        beyond = ((places < 0) | (places > image.shape[1::-1])).any(axis=1)
        if beyond.any():
            raise DataError(f"{int(beyond.sum())} spots of slide {name} lie outside its image: it "
                            "is cut, or its scale is another")  # fmt: skip
        out[rows] = _cut(image, places, width * pitch(places), side)
        check_stain(name, out[rows])
    return out


def _cut(image: np.ndarray, places, width: float, side: int) -> np.ndarray:
    """Windows by linear interpolation at twice the pixels each way, averaged two by two."""
    from scipy.ndimage import map_coordinates

    fine = 2 * side
    offset = ((np.arange(fine) + 0.5) / fine - 0.5) * width
    x = places[:, 0, None, None] + offset[None, None, :] + np.zeros((1, fine, 1))
    y = places[:, 1, None, None] + offset[None, :, None] + np.zeros((1, 1, fine))
    channels = [
        map_coordinates(image[..., c].astype(np.float32), [y, x], order=1, cval=255.0)
        for c in range(3)
    ]
    found = np.stack(channels, axis=-1)
    found = found.reshape(len(places), side, 2, side, 2, 3).mean(axis=(2, 4))
    return np.round(found).astype(np.uint8)


def optical_density(patches) -> np.ndarray:
    """-log10 of the share of light that passes, of bytes; 0 is white."""
    return -np.log10((np.asarray(patches, dtype=np.float32) + 1) / 256)


def check_stain(name: str, patches) -> None:
    """Refuse what is no bright-field image of haematoxylin and eosin, in red, green, blue.

    Both stains absorb green most. Haematoxylin absorbs red more than blue, so that where a slide is
    darkest red is darker than blue.

    Raises
    ------
    DataError
        A dark image (fluorescence), one whose colours are not those stains, or blue, green, red.
    """
    patches = np.asarray(patches)
    if np.median(patches.max(axis=-1)) < _DARKEST:
        raise DataError(
            f"slide {name}: the image is dark under the spots; is it fluorescence? Models of H&E "
            "do not apply"
        )
    density = optical_density(patches).reshape(-1, 3)
    mean = density.mean(axis=0)
    if mean[1] <= mean[2] or mean[1] < 0.8 * mean[0]:  # where nuclei are all, red comes close
        raise DataError(
            f"slide {name}: green is not what the tissue absorbs most (optical density of red, "
            f"green, blue {mean[0]:.2f}, {mean[1]:.2f}, {mean[2]:.2f}): it is not stained with "
            "haematoxylin and eosin"
        )
    total = density.sum(axis=1)
    dark = density[total >= np.quantile(total, 0.9)].mean(axis=0)
    if dark[2] > dark[0]:
        raise DataError(
            f"slide {name}: nuclei absorb blue more than red: the colours are in the order blue, "
            "green, red; turn them round"
        )


@step
def stain_features(data, *, width: float = 1.0) -> np.ndarray:
    """Nine numbers of the optical density of each window: see `FEATURES`.

    Returns
    -------
    ndarray of float32, shape (n_spots of `imaged`, 9)
    """
    return features_of(windows(imaged(data), width=width))


def features_of(patches) -> np.ndarray:
    """`stain_features` of windows."""
    density = optical_density(patches).reshape(len(patches), -1, 3)
    parts = [density.mean(axis=1), density.std(axis=1), np.quantile(density, 0.9, axis=1)]
    return np.concatenate(parts, axis=1).astype(np.float32)


def nuclei(features) -> np.ndarray:
    """Haematoxylin of each window, unmixed from the mean density of its three colours."""
    return np.asarray(features)[:, :3] @ np.linalg.pinv(_STAINS)[:, 0]


def standardised(features, slides) -> np.ndarray:
    """Features less their mean on the slide, in its standard deviations; no truth is used."""
    out = np.empty_like(features, dtype=float)
    for rows in by_slide(slides).values():
        own = np.asarray(features, dtype=float)[rows]
        spread = own.std(axis=0)
        out[rows] = (own - own.mean(axis=0)) / np.where(spread > 1e-9, spread, 1)
    return out
