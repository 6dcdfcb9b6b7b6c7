"""Hierarchical bootstrap of a screen: perturbations, their guides, their cells; controls along."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd

from helpers.stats import MIN_UNITS, check_draws, finite_table, tail_levels


def hierarchical_bootstrap(
    values,
    design: pd.DataFrame,
    *,
    levels: Sequence[str] = ("perturbation", "guide"),
    control: str = "control",
    replicate: str | None = "replicate",
    replicates: Literal["singly", "resampled"] = "singly",
    top: str | None = None,
    below: Literal["whole", "resampled"] = "whole",
    interval: Literal["percentile", "expanded"] = "expanded",
    n_resamples: int = 2000,
    confidence: float = 0.95,
    rng,
) -> pd.DataFrame:
    """Mean effect of perturbations, resampled in the units that experiments repeat.

    The effect is a mean over perturbations of the mean over their guides of the mean over their
    cells, less the mean of the control cells: perturbations count alike, whatever their number of
    cells. The units of the level `top` are drawn anew within each unit above it. Units above are
    held fixed, and are those that the interval speaks of. Control cells are drawn anew along with
    them, independently.

    Parameters
    ----------
    values : array of shape (n_cells,) or (n_cells, n_columns)
        Expression, a score of cells, a coordinate.
    design : DataFrame of n_cells rows
        Columns `levels`, and `replicate`.
    levels : sequence of str
        Units from the largest to the smallest, each within the one before; cells lie below the
        last. The first one holds `control`.
    control : str
    replicate : str or None
        Column of replicates; None where there are none.
    replicates : {"singly", "resampled"}
        One interval for each replicate, which speaks of that replicate only, or one for all, for
        which whole replicates are drawn and everything within them is held fixed.
    top : str, optional
        A level, or "cell"; by default the first level.
    below : {"whole", "resampled"}
        A unit that is drawn brings what lies within it as it is, or has it drawn anew as well.
        The latter counts the variance below twice: its intervals are too wide. With one draw of
        the top level the variance of all levels is there (Davison & Hinkley 1997, section 3.8).
    interval : {"percentile", "expanded"}
        See `cluster_bootstrap`. Always n - 1 of n units are drawn, which makes the bootstrap's
        variance unbiased (Rao & Wu 1988); expanded levels make up for not knowing it, by a t
        distribution with Satterthwaite's degrees of freedom.
    n_resamples : int, at least 1
    confidence : float in (0, 1)
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame
        One row a replicate and column of `values`: `replicate`, `column`, `estimate`, `se`, `low`,
        `high`, `n_units` (of the level drawn), `n_cells`, `n_controls`.

    Raises
    ------
    ValueError
        Columns are missing or do not nest, cells without perturbation or control, values that are
        NaN or infinite, or fewer than `MIN_UNITS` units to draw: the message says which.

    References
    ----------
    Davison & Hinkley 1997, Bootstrap Methods and their Application; Rao & Wu 1988, Journal of the
    American Statistical Association 83; Saravanan et al. 2020, Neurons, Behavior, Data Analysis
    and Theory 3.
    """
    table = finite_table(values)
    levels = list(levels)
    check_draws(n_resamples, confidence)
    design = _checked_design(design, levels, replicate, len(table))
    top = levels[0] if top is None else top
    if top not in [*levels, "cell"]:
        raise ValueError(f"top is {top!r}; it is one of {levels} or 'cell'")
    if below not in ("whole", "resampled"):
        raise ValueError(f"below is {below!r}; whole or resampled")
    groups = {"all": np.arange(len(table))}
    if replicate is not None:
        groups = {str(k): v for k, v in sorted(design.groupby(replicate).indices.items())}
    parts = {
        name: _Nested.of(table[rows], design.iloc[rows], levels, control, name)
        for name, rows in groups.items()
    }
    if replicates == "resampled":
        if len(parts) < MIN_UNITS:
            raise ValueError(
                f"{len(parts)} replicates: fewer than {MIN_UNITS} say too little of others to be "
                'resampled; pass replicates="singly", which shows them one by one'
            )
        effects = np.array([part.effect() for part in parts.values()])
        draws = rng.integers(len(parts), size=(n_resamples, len(parts) - 1))
        drawn = {"all": _Drawn(effects[draws].mean(axis=1), len(parts) - 1, len(parts))}
        estimates = {"all": effects.mean(axis=0)}
    elif replicates == "singly":
        drawn = {name: part.draw(top, below, n_resamples, rng) for name, part in parts.items()}
        estimates = {name: part.effect() for name, part in parts.items()}
    else:
        raise ValueError(f"replicates is {replicates!r}; singly or resampled")
    names = values.columns if isinstance(values, pd.DataFrame) else range(table.shape[1])
    frames = []
    for name, sampled in drawn.items():
        of = parts.values() if name not in parts else [parts[name]]
        low, high = sampled.bounds(confidence, interval)
        frames.append(
            pd.DataFrame(
                {
                    "replicate": name,
                    "column": names,
                    "estimate": estimates[name],
                    "se": sampled.effects.std(axis=0, ddof=1),
                    "low": low,
                    "high": high,
                    "n_units": sampled.n_units,
                    "n_cells": sum(part.n_cells for part in of),
                    "n_controls": sum(len(part.controls) for part in of),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


@dataclass(frozen=True)
class _Drawn:
    """Resampled effects (n_resamples, n_columns), and degrees of freedom of their variance."""

    effects: np.ndarray
    df: float | np.ndarray  # one, or one a column
    n_units: int

    def bounds(self, confidence: float, interval: str) -> np.ndarray:
        """(2, n_columns); as n - 1 units were drawn, only the quantile of t widens the levels."""
        n_columns = self.effects.shape[1]
        found = np.empty((2, n_columns))
        for column, df in enumerate(np.broadcast_to(self.df, n_columns)):
            levels = tail_levels(confidence, df, np.inf, interval)
            found[:, column] = np.quantile(self.effects[:, column], levels)
        return found


def _checked_design(design, levels: list[str], replicate: str | None, n: int) -> pd.DataFrame:
    columns = [*levels, *([] if replicate is None else [replicate])]
    if absent := [c for c in columns if c not in design.columns]:
        raise ValueError(f"design has no columns {absent} (columns: {', '.join(design.columns)})")
    if len(design) != n:
        raise ValueError(f"{n} values for {len(design)} rows of the design")
    design = design[columns].astype(object)
    if (missing := design.isna().any()).any():
        raise ValueError(f"design: values are missing in {list(missing.index[missing])}")
    for upper, lower in pairwise(levels):
        owners = design.groupby(lower)[upper].nunique()
        if (owners > 1).any():
            raise ValueError(
                f"{lower} {owners.idxmax()!r} lies in {owners.max()} values of {upper}: levels "
                "must nest, so give units that differ names that differ"
            )
    return design.astype(str)


@dataclass(frozen=True)
class _Nested:
    """Cells of one replicate: perturbed ones in a tree of units, and controls."""

    levels: list[str]
    values: np.ndarray  # (n_cells, n_columns), sorted by unit
    units: pd.DataFrame  # one row a unit of the lowest level: names at all levels, start, stop
    controls: np.ndarray  # (n_controls, n_columns)

    @classmethod
    def of(cls, values, design, levels, control, name) -> "_Nested":
        is_control = (design[levels[0]] == control).to_numpy()
        for what, n, least in (
            (f"cells with {levels[0]} {control!r}", is_control.sum(), MIN_UNITS),
            ("perturbed cells", (~is_control).sum(), 2),
        ):
            if n < least:
                raise ValueError(
                    f"replicate {name}: {n} {what}; to draw them anew takes at least {least}"
                )
        perturbed = design.loc[~is_control, levels].reset_index(drop=True)
        order = perturbed.sort_values(levels, kind="stable").index.to_numpy()
        units = perturbed.groupby(levels, sort=True).size().rename("n").reset_index()
        units["stop"] = units["n"].cumsum()
        return cls(
            levels,
            values[~is_control][order],
            units.assign(start=units["stop"] - units["n"]),
            values[is_control],
        )

    @property
    def n_cells(self) -> int:
        return len(self.values)

    def _means(self) -> np.ndarray:
        """(n_lowest_units, n_columns)"""
        return (
            np.add.reduceat(self.values, self.units["start"].to_numpy())
            / self.units[["n"]].to_numpy()
        )

    def _weights(self, down_to: str) -> pd.Series:
        """Weight of each unit of a level in the mean over the tree, of its names."""
        weight = None
        for depth in range(self.levels.index(down_to) + 1):
            names = self.units[self.levels[: depth + 1]].drop_duplicates()
            if depth == 0:
                weight = pd.Series(1 / len(names), index=names[self.levels[0]])
            else:
                parent, own = names[self.levels[depth - 1]], names[self.levels[depth]]
                share = weight[parent].to_numpy() / parent.map(parent.value_counts()).to_numpy()
                weight = pd.Series(share, index=own)
        return weight

    def effect(self) -> np.ndarray:
        weight = self._weights(self.levels[-1])[self.units[self.levels[-1]]].to_numpy()
        return weight @ self._means() - self.controls.mean(axis=0)

    def draw(self, top: str, below: str, n_resamples: int, rng) -> "_Drawn":
        if top == "cell":
            cells_of = self.units["n"].to_numpy()
            strata, n_units = cells_of, int(cells_of.sum())
        else:
            depth = self.levels.index(top)
            names = self.units[self.levels[: depth + 1]].drop_duplicates()
            above = names[self.levels[depth - 1]] if depth else pd.Series("", index=names.index)
            strata = above.groupby(above, sort=False).size().to_numpy()
            n_units = len(names)
        df = int((strata - 1).sum())
        if df < MIN_UNITS - 1 or strata.min() < 2:
            raise ValueError(
                f"{n_units} units of {top} in {len(strata)} strata, the smallest of "
                f"{strata.min()}: to draw them anew takes {MIN_UNITS}, and two a stratum; name a "
                "lower level as top, which holds these fixed"
            )
        if top == "cell":
            weight = self._weights(self.levels[-1])[self.units[self.levels[-1]]].to_numpy()
            sampled = sum(
                w * _resampled_mean(self.values[start:stop], stop - start - 1, n_resamples, rng)
                for w, start, stop in zip(
                    weight, self.units["start"], self.units["stop"], strict=True
                )
            )
        else:
            sampled = self._draw_units(self.levels.index(top), strata, below, n_resamples, rng)
        controls = _resampled_mean(self.controls, len(self.controls) - 1, n_resamples, rng)
        # Satterthwaite: many controls are known better than few targets.
        variances = sampled.var(axis=0), controls.var(axis=0)
        squares = variances[0] ** 2 / df + variances[1] ** 2 / (len(self.controls) - 1)
        total = sum(variances) ** 2
        joint = np.divide(total, squares, out=np.full_like(total, df), where=squares > 0)
        return _Drawn(sampled - controls, joint, n_units)

    def _draw_units(self, depth: int, strata, below: str, n_resamples: int, rng) -> np.ndarray:
        weight = self._weights(self.levels[depth])
        owner = self.units[self.levels[depth]].to_numpy()
        starts = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
        ranges = list(zip(starts, np.r_[starts[1:], len(owner)], strict=True))
        weight = weight[owner[starts]].to_numpy()
        ends = np.cumsum(strata)
        copies = np.zeros((n_resamples, len(starts)), dtype=int)
        scale = np.repeat(strata / (strata - 1), strata)
        for first, last in zip(ends - strata, ends, strict=True):
            n = last - first
            drawn = rng.integers(n, size=(n_resamples, n - 1)) + n * np.arange(n_resamples)[:, None]
            copies[:, first:last] = np.bincount(drawn.ravel(), minlength=n_resamples * n).reshape(
                -1, n
            )
        if below == "whole":
            means = np.array([self._mean_below(depth, *r) for r in ranges])
            return (copies * scale * weight) @ means
        total = np.zeros((n_resamples, self.values.shape[1]))
        for unit, rows in enumerate(ranges):
            n_copies = copies[:, unit]
            drawn = self._redrawn(depth, *rows, int(n_copies.sum()), rng)
            owner_of = np.repeat(np.arange(n_resamples), n_copies)
            np.add.at(total, owner_of, scale[unit] * weight[unit] * drawn)
        return total

    def _children(self, depth: int, first: int, last: int) -> list[tuple[int, int]]:
        names = self.units[self.levels[depth + 1]].to_numpy()[first:last]
        starts = first + np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
        return list(zip(starts, np.r_[starts[1:], last], strict=True))

    def _mean_below(self, depth: int, first: int, last: int) -> np.ndarray:
        if depth == len(self.levels) - 1:
            unit = self.units.iloc[first]
            return self.values[unit["start"] : unit["stop"]].mean(axis=0)
        return np.mean(
            [self._mean_below(depth + 1, *c) for c in self._children(depth, first, last)], axis=0
        )

    def _redrawn(self, depth: int, first: int, last: int, n_copies: int, rng) -> np.ndarray:
        """(n_copies, n_columns): means of a unit with everything below it drawn anew."""
        if depth == len(self.levels) - 1:
            unit = self.units.iloc[first]
            return _resampled_mean(
                self.values[unit["start"] : unit["stop"]], unit["n"], n_copies, rng
            )
        children = self._children(depth, first, last)
        chosen = rng.integers(len(children), size=(n_copies, len(children)))
        total = np.zeros((n_copies, self.values.shape[1]))
        for child, rows in enumerate(children):
            times = (chosen == child).sum(axis=1)
            drawn = self._redrawn(depth + 1, *rows, int(times.sum()), rng)
            np.add.at(total, np.repeat(np.arange(n_copies), times), drawn)
        return total / len(children)


def _resampled_mean(values: np.ndarray, n_drawn: int, n_resamples: int, rng) -> np.ndarray:
    """(n_resamples, n_columns): means of `n_drawn` rows (at least one), drawn with replacement."""
    n, n_drawn = len(values), max(n_drawn, 1)
    drawn = rng.integers(n, size=(n_resamples, n_drawn)) + n * np.arange(n_resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=n_resamples * n).reshape(n_resamples, n)
    return counts @ values / n_drawn
