"""Which constant or member of `vcc2026` turns the order of submissions round."""

from itertools import combinations

import numpy as np
import pandas as pd

from helpers.metrics.effects.vcc2026 import MEMBERS
from helpers.metrics.effects.vcc2026_scale import BETTER
from helpers.plots.page import number
from helpers.tasks.effects.vcc2026_intervals import ENDS, SCORE
from helpers.tasks.findings import listed

TITLES = {
    "pds": "discrimination",
    "mse": "squared error",
    "direction": "direction",
    "reach": "reach",
    "jaccard": "Jaccard",
    "lfc_error": "fold changes",
    SCORE: "score",
}
"""Members as the page names them."""


def signed(value: float) -> str:
    """A difference with its sign, two decimals."""
    return ("+" if value > 0 else "") + number(value, 2)


def order_table(variants: pd.DataFrame, *, protocol: str = "published") -> pd.DataFrame:
    """How the order of submissions changes with one constant, or without one member.

    Parameters
    ----------
    variants : DataFrame
        Of the step `variants`.

    Returns
    -------
    DataFrame
        `changed`; `tau` (Kendall, with the published order); `turned` (pairs in another order);
        `pair`, the one that was farthest apart on the nearer side, with `before` and `after`, its
        difference of scores. NaN where a variant has no scale.
    """
    by, missing = {}, []
    for name, rows in variants.groupby("variant", sort=False):
        table = rows.set_index("submission")[list(MEMBERS)]
        gap = (table.loc["replicate"] - table.loc["baseline"]) * pd.Series(BETTER)
        if not (gap > 0).all():
            missing.append(name)
            continue
        found = (table - table.loc["baseline"]) * pd.Series(BETTER) / gap
        for member, (low, high) in ENDS[protocol].items():
            found[member] = found[member].clip(low, high)
        by[name] = found.drop(["baseline", "replicate"])
    first = next(iter(by))
    members = by[first]
    totals_ = {name: found.mean(axis=1) for name, found in by.items()}
    totals_ |= {f"without {TITLES[m]}": members.drop(columns=m).mean(axis=1) for m in MEMBERS} | {
        "median of six": members.median(axis=1)
    }
    published = totals_.pop(first)
    rows = [_turned(name, published, total) for name, total in totals_.items()]
    rows += [{"changed": name, "tau": np.nan, "turned": np.nan} for name in missing]
    return pd.DataFrame(rows)


def _turned(name: str, before: pd.Series, after: pd.Series) -> dict:
    """Kendall's tau of two orders, and the pairs that change places."""
    pairs = list(combinations(before.index, 2))
    was = np.array([before[a] - before[b] for a, b in pairs])
    now = np.array([after[a] - after[b] for a, b in pairs])
    other = was * now < 0
    row = {"changed": name, "tau": float(np.sign(was * now).mean()), "turned": int(other.sum())}
    if other.any():
        widest = int(np.argmax(np.where(other, np.minimum(np.abs(was), np.abs(now)), -1)))
        a, b = pairs[widest]
        if was[widest] < 0:
            a, b = b, a
        row |= {
            "pair": f"{a} / {b}",
            "before": abs(float(was[widest])),
            "after": -abs(float(now[widest])),
        }
    return row


def order_said(table: pd.DataFrame) -> str:
    """Says which constant or member turns most of the ranking round."""
    known = table[table["tau"].notna()]
    turned = known[known["turned"] > 0]
    if known.empty:
        return "No variant has a scale here."
    if turned.empty:
        return f"None of {len(known)} changes turns a pair of submissions round."
    most = turned[turned["turned"] == turned["turned"].max()]
    names = listed(f"“{name}”" for name in most["changed"])
    width = turned[["before", "after"]].abs().min(axis=1)
    widest = turned.loc[width.idxmax()]
    pair = " over ".join(f"“{name}”" for name in widest["pair"].split(" / "))
    return (
        f"{len(turned)} of {len(known)} changes turn a pair round. Most pairs are turned by "
        f"{names}: {int(most['turned'].iloc[0])} (Kendall's tau {most['tau'].min():.2f}). The "
        f"widest turn is that of “{widest['changed']}”: {pair}, from {signed(widest['before'])} to "
        f"{signed(widest['after'])}."
    )
