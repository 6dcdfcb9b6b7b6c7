"""P-values against uniform ones."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from helpers.plots.style import DASHED, INK, WIDTH, series_colours, style


@style()
def p_value_ecdf(
    p: Mapping[str, np.ndarray], *, confidence: float = 0.95, title: str | None = None
) -> Figure:
    """Share of p-values at or below each threshold, with the uniform line and its band.

    Parameters
    ----------
    p : mapping of name to array of shape (n,), in [0, 1]
        A valid test stays at or below the upper edge of the band.
    confidence : float
        Coverage of the band, simultaneous: Dvoretzky-Kiefer-Wolfowitz inequality with Massart's
        constant, for the fewest p-values among the series.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        No series, no p-values, NaN, or values outside [0, 1].
    """
    series = {name: np.sort(_p_values(values)) for name, values in p.items()}
    if not series:
        raise ValueError("p_value_ecdf: there is no series to draw")
    fewest = min(map(len, series.values()))
    width = np.sqrt(np.log(2 / (1 - confidence)) / (2 * fewest))
    grid = np.linspace(0, 1, 101)
    ax = Figure(figsize=(WIDTH * 0.8, 3.4)).add_subplot()
    ax.fill_between(
        grid,
        np.clip(grid - width, 0, 1),
        np.clip(grid + width, 0, 1),
        color=INK,
        alpha=0.1,
        linewidth=0,
        label=f"{confidence:.0%} band, n = {fewest:,}",
    )
    ax.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=DASHED, label="uniform")
    for colour, (name, values) in zip(series_colours(len(series)), series.items(), strict=True):
        x = np.concatenate([[0], values, [1]])
        y = np.concatenate([[0], np.arange(1, len(values) + 1) / len(values), [1]])
        ax.step(x, y, where="post", color=colour, label=name)
    ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="p-value", ylabel="share at or below")
    ax.legend(loc="lower right")
    if title:
        ax.set_title(title)
    return ax.get_figure(root=True)


def _p_values(p) -> np.ndarray:
    p = np.asarray(p, dtype=float)
    if p.ndim != 1 or p.size == 0:
        raise ValueError(f"p-values of shape {p.shape}: give a one-dimensional, non-empty array")
    bad = ~((p >= 0) & (p <= 1))
    if bad.any():
        raise ValueError(
            f"{bad.sum()} of {p.size} p-values are NaN or outside [0, 1]: {p[bad][:3]}"
        )
    return p
