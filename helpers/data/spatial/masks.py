"""Frozen masks: which measured entries are hidden, drawn once, named by a hash, to be shared."""

from __future__ import annotations

import base64
import hashlib

import numpy as np
import pandas as pd

from helpers.data.contract import DataError

MASKINGS = ("mask_prob", "prob_median")


def hide_share(measured, masking: str, rate: float) -> np.ndarray:
    """Chance of each gene's measured entries to be hidden.

    *mask_prob* hides the share `rate` of all entries, as far as that many are measured:
    p = min(1, rate / f) with f the measured share. *prob_median* hides as many entries as are not
    measured: p = min(1, (1 - f) / f).

    Parameters
    ----------
    measured : array of bool, shape (n_spots, n_genes)
    masking : {"mask_prob", "prob_median"}
    rate : float in (0, 1)
        Of mask_prob; the other has none.

    Raises
    ------
    DataError
        An unknown masking or rate, or a gene of which nothing is measured.
    """
    f = np.asarray(measured).mean(axis=0)
    if (f == 0).any():
        raise DataError(f"{int((f == 0).sum())} genes are not measured in any spot: drop them")
    if masking == "mask_prob":
        if not 0 < rate < 1:
            raise DataError(f"rate is {rate}; it lies between 0 and 1")
        return np.minimum(1, rate / f)
    if masking == "prob_median":
        return np.minimum(1, (1 - f) / f)
    raise DataError(f"masking is {masking!r}; it is one of {', '.join(MASKINGS)}")


def draw(measured, masking: str, rate: float, *, n_repeats: int, seed: int) -> np.ndarray:
    """Masks of hidden entries, True where a measured entry is hidden.

    A later repeat does not depend on how many there are.

    Returns
    -------
    ndarray of bool, shape (n_repeats, n_spots, n_genes)

    Raises
    ------
    DataError
        See `hide_share`; or a mask that hides nothing.
    """
    measured = np.asarray(measured)
    chance = hide_share(measured, masking, rate)
    seeds = np.random.SeedSequence(seed).spawn(n_repeats)
    masks = np.stack(
        [measured & (np.random.default_rng(s).random(measured.shape) < chance) for s in seeds]
    )
    if not masks.any(axis=(1, 2)).all():
        raise DataError(
            f"{masking} at {rate:g} hides nothing of {measured.size} entries: all are measured, or "
            "there are too few"
        )
    return masks


def digest(mask) -> str:
    """sha256 of a mask: of its shape and its packed bits."""
    mask = np.ascontiguousarray(mask, dtype=bool)
    head = "x".join(map(str, mask.shape)).encode()
    return hashlib.sha256(head + b":" + np.packbits(mask).tobytes()).hexdigest()


def as_text(mask) -> str:
    """A mask as text: packed bits in base64."""
    return base64.b64encode(np.packbits(np.asarray(mask, dtype=bool)).tobytes()).decode()


def from_text(text: str, shape: tuple[int, int], sha256: str) -> np.ndarray:
    """A mask from its text.

    Raises
    ------
    DataError
        Text, shape and hash do not belong together.
    """
    bits = np.frombuffer(base64.b64decode(text), dtype=np.uint8)
    size = int(np.prod(shape))
    if len(bits) != -(-size // 8):
        raise DataError(f"the text holds {8 * len(bits)} entries, the shape {size}")
    mask = np.unpackbits(bits, count=size).reshape(shape).astype(bool)
    if (found := digest(mask)) != sha256:
        raise DataError(f"the mask has the sha256 {found[:12]}, not {sha256[:12]}")
    return mask


def to_share(masks: dict[tuple, np.ndarray]) -> pd.DataFrame:
    """Masks as a table that others can download.

    Parameters
    ----------
    masks : mapping of (masking, rate) to an array of shape (n_repeats, n_spots, n_genes)

    Returns
    -------
    DataFrame
        `masking`, `rate`, `repeat`, `spots`, `genes`, `hidden` (entries), `sha256`, `bits`.
    """
    rows = [
        {
            "masking": masking,
            "rate": rate,
            "repeat": repeat,
            "spots": mask.shape[0],
            "genes": mask.shape[1],
            "hidden": int(mask.sum()),
            "sha256": digest(mask),
            "bits": as_text(mask),
        }
        for (masking, rate), many in masks.items()
        for repeat, mask in enumerate(many)
    ]
    return pd.DataFrame(rows)
