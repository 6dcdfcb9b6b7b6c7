"""Sentences on completion, each from the numbers of a run."""

import numpy as np
import pandas as pd

from helpers.models.spatial.completion import COMPARATORS
from helpers.models.spatial.spackle import WIRINGS
from helpers.tasks.findings import listed, with_interval
from helpers.tasks.spatial.completion import LATENT
from helpers.tasks.spatial.completion_report import reductions
from helpers.words import Words


def about_wiring(found: pd.DataFrame) -> Words:
    """Whom a spot listens to in both wirings."""
    by = found.set_index(["attention", "changed"])["moves its output by"]
    released = by["batch", "neighbour"] == 0 and by["batch", "other spot"] > 0
    mended = by["neighbours", "other spot"] == 0 and by["neighbours", "neighbour"] > 0
    if released and mended:
        return (
            "As published, a change of a neighbour moves a spot by exactly 0, and a change of "
            f"another spot of the mini-batch by {by['batch', 'other spot']:.3f}. With the batch "
            "first the two swap: "
            f"{by['neighbours', 'neighbour']:.3f} and exactly 0."
        )
    return (
        "The wirings do not do here what their names say: this is an error of this page, and "
        "nothing below can be read."
    )


def about_order(means: pd.DataFrame) -> Words:
    """Who fills hidden entries best, and where SpaCKLE and the median stand."""
    error = means[means["model"] != LATENT].set_index("model")
    plain = [m for m in error.index if m in COMPARATORS]
    networks = [m for m in error.index if m in WIRINGS]
    best = error.loc[plain, "mean"].idxmin()
    said = (
        f"Of the methods without a network {best} has the smallest error, "
        f"{with_interval(*error.loc[best, ['mean', 'low', 'high']])}"
    )
    if "adaptive median" in plain and best != "adaptive median":
        ratio = error.loc["adaptive median", "mean"] / error.loc[best, "mean"]
        said += f"; that of the adaptive median is {ratio:.1f} times as large"
    said += "."
    if not networks:
        return said
    top = error.loc[networks, "mean"].idxmin()
    its = with_interval(*error.loc[top, ["mean", "low", "high"]])
    verb = "is below" if error.loc[top, "mean"] < error.loc[best, "mean"] else "is not below"
    return f"{said} The best network, {top}, has {its}, which {verb} it."


def about_pair(found: pd.DataFrame, model: str, other: str) -> Words:
    """Whether a model's error is smaller than that of another one."""
    row = found.set_index("comparator").loc[other]
    said = f"The error of {model} is {abs(row['mean']):.0%} "
    said += f"{'smaller' if row['mean'] >= 0 else 'larger'} than that of {other}"
    if np.isnan(row["low"]):
        return f"{said}, in one draw."
    said += f" (95 % interval of the reduction {row['low']:.0%} to {row['high']:.0%})"
    if row["low"] > 0 or row["high"] < 0:
        return f"{said}."
    return f"{said}: undecided."


def about_truth(masked: pd.DataFrame, truth: pd.DataFrame) -> Words:
    """Whether methods fill what was never measured as well as what was hidden."""
    both = masked.set_index("model")["mean"], truth.set_index("model")["mean"]
    shared = [m for m in both[0].index if m in both[1].index and m not in (LATENT, "zeros")]
    ratio = (both[1][shared] / both[0][shared]).median()
    best = both[1][shared].idxmin()
    said = (
        f"At entries that were never measured the error is {ratio:.1f} times that at hidden ones "
        f"(median over methods), and {best} has the smallest."
    )
    if ratio > 1.2:
        return (
            f"{said} Hidden entries are drawn among measured ones, which are high; what is missing "
            "is low. A method that learns from what was measured fills too high where it is used."
        )
    return f"{said} Here a hidden entry stands well for a missing one."


def about_rates(curve: pd.DataFrame, model: str, other: str) -> Words:
    """How the error of a model grows with the share that is hidden, beside another's."""
    wide = curve.pivot_table("mean", "rate", "model")
    if len(wide) < 2:
        return "One share was hidden: how the error grows with it is not asked at this preset."
    low, high = wide.index.min(), wide.index.max()
    below = wide.index[wide[model] < wide[other]]
    where = (
        "at no share"
        if not len(below)
        else "at every share"
        if len(below) == len(wide)
        else f"at {listed(f'{rate:.0%}' for rate in below)}"
    )
    return (
        f"From {low:.0%} to {high:.0%} hidden, the error of {model} goes from "
        f"{wide.loc[low, model]:.2f} to {wide.loc[high, model]:.2f}; {where} it is below that of "
        f"{other}."
    )


def about_molecules(means: pd.DataFrame) -> Words:
    """Who predicts held-out molecules best, with seen entries kept and with all replaced."""
    told = means[means["model"] != LATENT]
    filled, smoothed = (
        told[told["post"] == post].set_index("model")["mean"] for post in ("filled", "smoothed")
    )
    best, best_smooth = filled.idxmin(), smoothed.idxmin()
    said = (
        f"Where seen entries stay as they are, {best} predicts held-out molecules best (deviance "
        f"{filled[best]:.2f}); where every entry is replaced, {best_smooth} does "
        f"({smoothed[best_smooth]:.2f})."
    )
    if smoothed[best_smooth] < filled[best]:
        return (
            f"{said} The gain lies in replacing what was measured, which completion never does: "
            "one molecule is a poor measurement."
        )
    return f"{said} To replace what was measured gains nothing here."


def about_labels(means: pd.DataFrame) -> Words:
    """Whether filled values separate labels better than smoothing alone does."""
    mean = means.set_index("model")["mean"]
    control, raw = mean["smoothed raw"], mean["raw"]
    others = mean.drop(["smoothed raw", "raw"])
    best = others.idxmax()
    said = (
        f"Between labels lies {raw:.1%} of the variance of raw values, {others[best]:.1%} after "
        f"{best}, and {control:.1%} after smoothing alone, which fills nothing."
    )
    if others[best] <= control:
        return f"{said} That filled values separate the regions better is due to smoothing."
    said += f" The mean of a gene, which knows no place, has {mean['gene mean']:.1%}."
    if others[best] - mean["gene mean"] < 0.5 * (others[best] - raw):
        return f"{said} Most of the gain comes from the zeros being gone, whatever replaces them."
    return f"{said} Filling from the neighbours separates the regions better than both."


def about_depth(found: pd.DataFrame, genes: str) -> Words:
    """How much of the error of a gene's mean a line on the depth of the spot takes.

    Parameters
    ----------
    found : DataFrame
        `reductions` of "depth alone".
    genes : str
        Which genes are scored.
    """
    share = found.set_index("comparator")["mean"]
    beaten = [
        name for name in share.index if name not in ("zeros", "gene mean") and share[name] > 0
    ]
    said = f"Of {genes}, a line on the counts of the spot alone "
    if share["gene mean"] > 0:
        said += f"takes {share['gene mean']:.0%} off the error of the gene's mean"
    else:
        said += "takes nothing off the error of the gene's mean"
    if beaten:
        return f"{said}, and is better than {listed(beaten)}."
    return f"{said}, and is better than no method that looks at places or genes."


def about_below_zero(filled: np.ndarray, hidden: np.ndarray) -> Words:
    """How many filled values no count can have."""
    values = np.asarray(filled)[np.asarray(hidden)]
    n = int((values < 0).sum())
    if n == 0:
        return f"Of {len(values):,} filled values none is below zero."
    return (
        f"Of {len(values):,} filled values {n:,} are below zero, which the logarithm of a count "
        "plus one never is."
    )


def about_published_number(found: pd.DataFrame, claimed: float = 0.825) -> Words:
    """Against which comparators a reduction reaches the published one."""
    reached = found[found["mean"] >= claimed]["comparator"].tolist()
    missed = found[found["mean"] < claimed]
    worse = missed[missed["mean"] <= 0]["comparator"].tolist()
    if not reached:
        said = f"Against no comparator does the reduction reach {claimed:.1%}."
    else:
        said = f"The reduction reaches {claimed:.1%} against {listed(reached)}."
    if worse:
        return f"{said} Against {listed(worse)} there is no reduction at all."
    if len(missed):
        least = missed.iloc[-1]
        return f"{said} Against {least['comparator']} it is {least['mean']:.0%}."
    return said


def about_floor(table: pd.DataFrame, claimed: float = 0.825) -> Words:
    """What a floor that knows nothing gains by the same measure."""
    found = reductions(table, "gene mean").set_index("comparator")["mean"]
    said = (
        f"The mean of a gene, which knows neither neighbours nor genes, reduces the error by "
        f"{found['zeros']:.1%} against zeros and by {found['adaptive median']:.0%} against the "
        "adaptive median."
    )
    if found["zeros"] >= claimed:
        return f"{said} So a number of this size says against what, not how well."
    return f"{said} A number of the published size is not had so cheaply here."


def about_entries(wide: pd.DataFrame) -> Words:
    """How far a reduction hangs on the entries, beside how far it hangs on the comparator."""
    over_entries = (wide.max() - wide.min()).max()
    over_comparators = (wide.max(axis=1) - wide.min(axis=1)).min()
    said = (
        f"By the choice of entries a reduction moves by up to {100 * over_entries:.0f} points, by "
        f"the choice of the comparator by at least {100 * over_comparators:.0f}."
    )
    if over_comparators > over_entries:
        return f"{said} The comparator decides."
    return f"{said} Both decide."
