"""What a slide holds: spots, counts, zeros, neighbours."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.data.spatial.curation import neighbours_of, readers
from helpers.data.spatial.geometry import NEIGHBOURS, hops, nearest, pitch
from helpers.store.steps import step


@step
def slide_facts(data) -> pd.DataFrame:
    """Facts of each slide.

    Returns
    -------
    DataFrame
        `slide`, `patient`, `spots`, `geometry`, `genes` (with a count), `median counts` of a spot,
        `zero` (share of entries), `image` (bool), `inner spots` (that have all neighbours at one
        distance).
    """
    rows = []
    for name, read in readers(data).items():
        one = read()
        facts = data.uns["slides"][name]
        total = np.asarray(one.X.sum(axis=1)).ravel()
        found = np.asarray((one.X > 0).sum(axis=0)).ravel()
        rows.append(
            {
                "slide": name,
                "patient": str(one.obs["patient"].iloc[0]),
                "spots": one.n_obs,
                "geometry": str(facts["geometry"]),
                "genes": int((found > 0).sum()),
                "median counts": float(np.median(total)),
                "zero": float(1 - found.sum() / (one.n_obs * one.n_vars)),
                "image": "image" in facts,
                "inner spots": _inner(one),
            }
        )
    return pd.DataFrame(rows)


def _inner(one) -> int:
    """Spots whose nearest neighbours all lie within a tenth of the usual distance."""
    around = neighbours_of(one)
    places = np.asarray(one.obsm["spatial"], dtype=float)
    away = np.linalg.norm(places[around] - places[:, None], axis=2).max(axis=1)
    return int((away < 1.2 * pitch(places)).sum())


@step
def zeros_by_depth(data, *, n_bins: int = 8) -> pd.DataFrame:
    """Share of zeros of spots with few and with many counts.

    Returns
    -------
    DataFrame
        `counts` (median of the bin), `zero`, and `expected zero`: what Poisson counts around the
        planted expectation would have; NaN on real data.
    """
    total = np.asarray(data.X.sum(axis=1)).ravel()
    n_found = np.asarray((data.X > 0).sum(axis=1)).ravel()
    order = np.argsort(total, kind="stable")
    rows = []
    for part in np.array_split(order, min(n_bins, len(order))):
        expected = np.nan
        if "rate" in data.layers:
            expected = float(np.exp(-np.asarray(data.layers["rate"])[part]).mean())
        zero = float(1 - n_found[part].mean() / data.n_vars)
        rows.append((float(np.median(total[part])), zero, expected))
    return pd.DataFrame(rows, columns=["counts", "zero", "expected zero"])


def hop_sizes(n_hops: int = 4, side: int = 11) -> pd.DataFrame:
    """How many spots are within so many steps of one inside an array, itself included.

    Returns
    -------
    DataFrame
        `geometry`, `neighbours`, and a column for each number of steps.
    """
    row, col = np.indices((side, side)).reshape(2, -1).astype(float)
    places = {
        "hex": np.column_stack([col + 0.5 * (row % 2), row * 0.75**0.5]),
        "square": np.column_stack([col, row]),
    }
    rows = []
    for name, k in NEIGHBOURS.items():
        _, ends = hops(nearest(places[name], k), n_hops)
        middle = side * (side // 2) + side // 2
        sizes = ends[middle, 1:] - ends[middle, 0] + 1
        rows.append([name, k, *map(int, sizes)])
    steps = [f"{h} step{'s' * (h > 1)}" for h in range(1, n_hops + 1)]
    return pd.DataFrame(rows, columns=["geometry", "neighbours", *steps])


def places(data, slide: str, **columns) -> pd.DataFrame:
    """Spots of one slide with columns of numbers, as `helpers.plots.tissue.tissue` takes them.

    Parameters
    ----------
    data : AnnData
    slide : str
    **columns
        Arrays of one value a spot of the whole data set.
    """
    rows = (data.obs["slide"].astype(str) == slide).to_numpy()
    x, y = np.asarray(data.obsm["spatial"], dtype=float)[rows].T
    return pd.DataFrame({"x": x, "y": y} | {k: np.asarray(v)[rows] for k, v in columns.items()})


def image_of(data, slide: str) -> dict:
    """The image of a slide with its scale, for every panel of a figure; empty without one."""
    facts = data.uns["slides"][slide]
    if "image" not in facts:
        return {}
    return {"": (np.asarray(facts["image"]), float(facts["image_scale"]))}


def gene(data, name: str) -> np.ndarray:
    """Counts of one gene."""
    column = data[:, name].X
    return np.asarray(column.toarray() if hasattr(column, "toarray") else column).ravel()


def most_counted(data, kind: str | None = None) -> str:
    """The gene with most counts, of a kind where the simulation knows kinds."""
    total = np.asarray(data.X.sum(axis=0)).ravel().astype(float)
    if kind is not None:
        total[(data.var["kind"].astype(str) != kind).to_numpy()] = -1
    return str(data.var_names[int(total.argmax())])
