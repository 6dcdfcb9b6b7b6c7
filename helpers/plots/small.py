"""Figures as small as a word, for the cells of a table."""

import html
from collections.abc import Mapping

import numpy as np

_WIDTH, _HEIGHT, _EDGE = 132.0, 18.0, 6.0
_LEFT, _RIGHT = -0.25, 1.0  # what lies further left is drawn at the edge


def strip(values: Mapping[str, float], *, low: float, high: float) -> str:
    """SVG of values between a floor (0) and what is perfect (1), all that is known of one row.

    Parameters
    ----------
    values : mapping of str to float
        By name. The first is a dot with its interval, each other one a stroke; NaN is left out.
    low, high : float
        Of the first one's interval.

    Returns
    -------
    str
        With the values as its label, "no value" where none is known.
    """
    known = {name: value for name, value in values.items() if np.isfinite(value)}
    said = ", ".join(f"{name} {value:.2f}" for name, value in known.items()) or "no value"
    middle = _HEIGHT / 2
    parts = [
        _line(_x(0), middle, _x(1), middle, "opacity: .35"),
        _line(_x(0), 2, _x(0), _HEIGHT - 2, "opacity: .6; stroke-dasharray: 2 2"),
        _line(_x(1), 2, _x(1), _HEIGHT - 2, "opacity: .6"),
    ]
    first, *others = values
    parts += [
        _line(_x(known[name]), 4, _x(known[name]), _HEIGHT - 4, "opacity: .75")
        for name in others
        if name in known
    ]
    if first in known:
        if np.isfinite(low) and np.isfinite(high):
            parts.append(_line(_x(low), middle, _x(high), middle, "stroke-width: 3"))
        parts.append(f'<circle cx="{_x(known[first]):.1f}" cy="{middle:g}" r="4"/>')
    return (
        f'<svg class="bb-strip" role="img" aria-label="{html.escape(said, quote=True)}" '
        f'viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" width="{_WIDTH:g}" height="{_HEIGHT:g}" '
        f'fill="currentColor" stroke="currentColor">{"".join(parts)}</svg>'
    )


def _x(value: float) -> float:
    share = (min(max(value, _LEFT), _RIGHT) - _LEFT) / (_RIGHT - _LEFT)
    return _EDGE + share * (_WIDTH - 2 * _EDGE)


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:g}" x2="{x2:.1f}" y2="{y2:g}" style="{style}"/>'
