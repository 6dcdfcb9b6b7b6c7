"""Tissue with a known answer: domains, stained images, genes that they show and that they hide.

A section has four domains that blend into one another, and one field that no image shows. Nuclei
and eosin follow the domains (Beer-Lambert); genes are *visible* (they follow the domains),
*hidden* (the other field) or *flat*. Counts are negative binomial around the latent expression.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.spatial.contract import check
from helpers.store.steps import step

if TYPE_CHECKING:
    from anndata import AnnData

PITCH = 32.0  # pixels between neighbours, and the side of a patch
_DOMAINS = 4
_HAEMATOXYLIN = np.array([0.65, 0.70, 0.29])  # optical density, red, green, blue
_EOSIN = np.array([0.07, 0.99, 0.11])
_DENSITY = (0.004, 0.022)  # nuclei a pixel, of the sparsest and the densest domain


@dataclass(frozen=True)
class TissueKnobs:
    """What is simulated.

    Parameters
    ----------
    n_slides : int
        The last is the test slide, the last but one that of validation.
    side : int
        Rows and columns of the hexagonal array.
    n_genes : int
    visible, hidden : float
        Shares of genes; the rest is flat.
    log_size : float
        Mean of the logarithm of library sizes: more counts, fewer zeros.
    depth_spread : float
        Standard deviation of the logarithm of library sizes.
    abundance : float
        Standard deviation of the mean log expression of genes.
    effect : float
        Standard deviation of a gene's log expression between domains.
    slide_shift : float
        The same between slides, of each gene.
    stain_jitter : float
        Standard deviation of a slide's stain, as a share.
    dropout : {"none", "mcar", "mnar"}
        Counts that are lost at random, or the more easily the lower their expectation.
    dropout_rate : float in [0, 1)
        Share of counts that are lost, on average.
    patients : {"one", "several", "pairs"}
        Several: the test and validation slide are of other patients than the training slides.
        Pairs: two slides of each patient, one patient after the other.
    likeness : float in [0, 1]
        Correlation of the genes' effects between patients.
    image : bool
    """

    n_slides: int = 4
    side: int = 24
    n_genes: int = 400
    visible: float = 0.45
    hidden: float = 0.2
    log_size: float = 6.85
    depth_spread: float = 0.35
    abundance: float = 1.1
    effect: float = 0.6
    slide_shift: float = 0.15
    stain_jitter: float = 0.13
    dropout: str = "none"
    dropout_rate: float = 0.2
    patients: str = "one"
    likeness: float = 0.5
    image: bool = True

    def __post_init__(self) -> None:
        if self.n_slides < 3:
            raise DataError("tissue takes 3 slides: one to train, to validate, to test on")
        if self.dropout not in ("none", "mcar", "mnar"):
            raise DataError(f"dropout is {self.dropout!r}; it is none, mcar or mnar")
        if self.patients not in ("one", "several", "pairs"):
            raise DataError(f"patients is {self.patients!r}; it is one, several or pairs")
        if not (self.visible >= 0 and self.hidden >= 0 and self.visible + self.hidden <= 1):
            raise DataError("visible and hidden are shares of genes, together at most 1")
        if not 0 <= self.dropout_rate < 1:
            raise DataError(f"dropout_rate is {self.dropout_rate}; it lies in [0, 1)")


def tissue(seed: int, **changes):
    """Simulated tissue, as a step.

    Parameters
    ----------
    seed : int
    **changes
        Knobs of `TissueKnobs` that differ from their defaults.

    Raises
    ------
    DataError
        An unknown knob.
    """
    known = [f.name for f in fields(TissueKnobs)]
    if unknown := sorted(set(changes) - set(known)):
        raise DataError(f"no knobs {', '.join(unknown)}; there are {', '.join(known)}")
    return simulated_tissue(seed=seed, knobs=dict(changes))


@step
def simulated_tissue(*, seed: int, knobs: dict) -> AnnData:
    """Sections with all that is planted.

    Returns
    -------
    AnnData of shape (n_slides * side ** 2, n_genes)
        Counts; see `helpers.data.spatial.contract`. `layers["rate"]` is the expected count of a
        spot, whose shares are the latent expression; `obsm["domains"]` the shares of the domains;
        `obs["hidden_field"]`; `var["kind"]` (visible, hidden, flat), `var["length"]` in bases.
    """
    return check(simulate(seed, TissueKnobs(**knobs)))


def simulate(seed: int, knobs: TissueKnobs) -> AnnData:
    """See `simulated_tissue`."""
    from anndata import AnnData

    rng = np.random.default_rng(seed)
    genes = _genes(rng, knobs)
    array = np.indices((knobs.side, knobs.side)).reshape(2, -1)
    row, col = array[0], 2 * array[1] + array[0] % 2
    x, y = (col + 1.5) * PITCH / 2, (row + 1) * PITCH * 0.75**0.5
    parts, slides = [], {}
    patients = _patients(knobs)
    effects = {p: _effects(rng, genes, knobs) for p in dict.fromkeys(patients)}
    for number, patient in enumerate(patients):
        name = f"slide {number + 1}"
        fields_at, domain_map = _fields(rng, x, y, knobs.side)
        counts, rate = _counts(rng, fields_at, effects[patient], genes, knobs)
        slides[name] = {"geometry": "hex", "spot_diameter": 0.55 * PITCH}
        if knobs.image:
            image = _image(rng, domain_map, knobs.stain_jitter)
            slides[name] |= {"image": image, "image_scale": 1.0}
        obs = pd.DataFrame(
            {
                "slide": name,
                "patient": patient,
                "split": _split(number, knobs.n_slides),
                "array_row": row.astype(float),
                "array_col": col.astype(float),
                "in_tissue": True,
                "total_counts": counts.sum(axis=1).astype(np.float64),
                "hidden_field": fields_at[:, -1],
            },
            index=[f"{name}/{i}" for i in range(len(row))],
        )
        parts.append((counts, rate, fields_at[:, :_DOMAINS], obs))
    counts, rate, domains, obs = zip(*parts, strict=True)
    data = AnnData(np.concatenate(counts), obs=pd.concat(obs), var=genes[["kind", "length"]])
    for column in ("slide", "patient", "split"):
        data.obs[column] = pd.Categorical(data.obs[column])
    data.layers["rate"] = np.concatenate(rate)
    data.obsm["domains"] = np.concatenate(domains)
    data.obsm["spatial"] = np.tile(np.column_stack([x, y]), (knobs.n_slides, 1))
    data.uns["slides"] = slides
    data.uns["scale"] = {"kind": "counts", "target_sum": None}
    data.uns["dataset"] = {
        "name": "simulated tissue",
        "sha256": hashlib.sha256(np.ascontiguousarray(data.X)).hexdigest(),
        "licence": "this book",
        "citation": "this book",
    }
    return data


def _split(number: int, n_slides: int) -> str:
    return {n_slides - 1: "test", n_slides - 2: "val"}.get(number, "train")


def _patients(knobs: TissueKnobs) -> list[str]:
    if knobs.patients == "one":
        return ["patient 1"] * knobs.n_slides
    if knobs.patients == "pairs":
        return [f"patient {number // 2 + 1}" for number in range(knobs.n_slides)]
    n_train = knobs.n_slides - 2
    return [*["patient 1"] * n_train, "patient 2", "patient 3"]


def _genes(rng, knobs: TissueKnobs) -> pd.DataFrame:
    """Kind, mean log expression, length, and what all patients share of the effects."""
    n = knobs.n_genes
    n_visible, n_hidden = round(knobs.visible * n), round(knobs.hidden * n)
    kind = ["visible"] * n_visible + ["hidden"] * n_hidden
    kind = rng.permutation(kind + ["flat"] * (n - len(kind)))
    table = pd.DataFrame(
        {
            "kind": kind,
            "length": np.round(np.exp(rng.normal(7.8, 0.6, n))),
            "mean": rng.normal(0, knobs.abundance, n),
        },
        index=[f"ENSG{i:011d}" for i in range(1, n + 1)],
    )
    table.loc[:, [f"shared {k}" for k in range(_DOMAINS + 1)]] = rng.normal(size=(n, _DOMAINS + 1))
    return table


def _effects(rng, genes: pd.DataFrame, knobs: TissueKnobs) -> np.ndarray:
    """Log expression a domain, and a unit of the hidden field: shape (domains + 1, genes)."""
    shared = genes[[f"shared {k}" for k in range(_DOMAINS + 1)]].to_numpy().T
    own = rng.normal(size=shared.shape)
    both = knobs.likeness * shared + (1 - knobs.likeness**2) ** 0.5 * own
    # Shares of four domains spread little: the effects are of pure domains.
    both[:_DOMAINS] *= 2 * knobs.effect * (genes["kind"] == "visible").to_numpy()
    both[_DOMAINS] *= 1.2 * knobs.effect * (genes["kind"] == "hidden").to_numpy()
    return both


def _fields(rng, x, y, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Shares of domains and the hidden field at the spots; shares at each pixel of the image."""
    from scipy.ndimage import gaussian_filter, map_coordinates, zoom

    width, height = int(x.max() + PITCH * 1.5), int(y.max() + PITCH * 1.5)
    cell = PITCH / 2
    shape = (int(np.ceil(height / cell)) + 1, int(np.ceil(width / cell)) + 1)
    smooth = np.stack(
        [gaussian_filter(rng.normal(size=shape), sigma=side / 5) for _ in range(_DOMAINS + 1)]
    )
    smooth -= smooth.mean(axis=(1, 2), keepdims=True)
    smooth /= smooth.std(axis=(1, 2), keepdims=True)
    at = np.stack([map_coordinates(f, [y / cell, x / cell], order=1) for f in smooth], axis=1)
    scale = (height / shape[0], width / shape[1])
    pixels = np.stack([zoom(f, scale, order=1)[:height, :width] for f in smooth[:_DOMAINS]])
    return np.column_stack([_shares(at[:, :_DOMAINS].T).T, at[:, _DOMAINS]]), _shares(pixels)


def _shares(values: np.ndarray) -> np.ndarray:
    weights = np.exp(2.2 * values)
    return weights / weights.sum(axis=0)


def _image(rng, domains: np.ndarray, jitter: float) -> np.ndarray:
    """An image stained with haematoxylin and eosin, as bytes, by the law of Beer and Lambert."""
    from scipy.ndimage import gaussian_filter

    density = np.tensordot(np.linspace(*_DENSITY, _DOMAINS), domains, axes=1)
    nuclei = gaussian_filter((rng.random(density.shape) < density).astype(np.float32), 1.5)
    eosin = np.tensordot(np.array([0.9, 0.35, 0.6, 0.2]), domains, axes=1)
    texture = gaussian_filter(rng.normal(size=density.shape), 3)
    eosin = np.clip(eosin * (1 + 0.3 * texture / texture.std()), 0, None)
    gain = 1 + jitter * rng.normal(size=2)
    optical = gain[0] * 14 * nuclei[..., None] * _HAEMATOXYLIN
    optical = optical + gain[1] * 0.5 * eosin[..., None] * _EOSIN
    return np.round(255 * 10 ** (-optical)).astype(np.uint8)


def _counts(rng, fields_at, effects, genes: pd.DataFrame, knobs: TissueKnobs):
    """Counts and their expectation, spots x genes, float32."""
    n = len(fields_at)
    shift = rng.normal(0, knobs.slide_shift, knobs.n_genes)
    log_rate = genes["mean"].to_numpy() + fields_at @ effects + shift
    share = np.exp(log_rate)
    share /= np.exp(genes["mean"]).sum() * np.exp(0.5 * knobs.effect**2)
    domain_size = fields_at[:, :_DOMAINS] @ np.linspace(0.7, 1.3, _DOMAINS)
    size = domain_size * np.exp(rng.normal(knobs.log_size, knobs.depth_spread, n))
    rate = size[:, None] * share
    counts = rng.poisson(rate * rng.gamma(5, 1 / 5, rate.shape))
    if knobs.dropout != "none":
        counts[rng.random(counts.shape) < _lost(rate, knobs)] = 0
    return counts.astype(np.float32), rate.astype(np.float32)


def _lost(rate: np.ndarray, knobs: TissueKnobs) -> np.ndarray:
    """Chance of each count to be lost; its mean is the rate of the knob."""
    if knobs.dropout == "mcar":
        return np.full(rate.shape, knobs.dropout_rate)
    chance = 1 / (1 + rate / np.median(rate))
    return np.clip(chance * knobs.dropout_rate / chance.mean(), 0, 1)


def kinds(var: pd.DataFrame) -> Mapping[str, int]:
    """How many genes of each kind there are."""
    found = var["kind"].astype(str).value_counts()
    return {kind: int(found.get(kind, 0)) for kind in ("visible", "hidden", "flat")}
