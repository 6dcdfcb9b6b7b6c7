"""Sentences on completion, each from the numbers of a run."""

import numpy as np
import pandas as pd

from helpers.models.spatial.completion import COMPARATORS
from helpers.models.spatial.spackle import WIRINGS
from helpers.tasks.findings import listed, subject, with_interval
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
            f"another spot of the mini-batch by {by['batch', 'other spot']:.3f}. Where attention "
            "runs over neighbours the two swap: "
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
    return f"{said} The best network, {top}, has {its}."


def about_pair(found: pd.DataFrame, model: str, other: str) -> Words:
    """Whether a model's error is smaller than that of another one."""
    row = found.set_index("comparator").loc[other]
    said = f"The error of {model} is {abs(row['mean']):.0%} "
    said += f"{'smaller' if row['mean'] >= 0 else 'larger'} than that of {other}"
    if np.isnan(row["low"]):
        return f"{said}; too few draws or patients for an interval."
    what, low, high = "reduction", row["low"], row["high"]
    if row["mean"] < 0:
        what, low, high = "increase", -high, -low
    said += f" (95 % interval of the {what} {low:.0%} to {high:.0%})".replace("-", "\N{MINUS SIGN}")
    if row["low"] > 0 or row["high"] < 0:
        return f"{said}."
    return f"{said}: undecided."


def about_truth(masked: pd.DataFrame, truth: pd.DataFrame) -> Words:
    """Whether methods fill what was never measured as well as what was hidden, by intervals."""
    hidden, missing = masked.set_index("model"), truth.set_index("model")
    shared = [m for m in hidden.index if m in missing.index and m not in (LATENT, "zeros")]
    hidden, missing = hidden.loc[shared], missing.loc[shared]
    ratio = (missing["mean"] / hidden["mean"]).median()
    said = (
        f"At entries that were never measured the error is {ratio:.1f} times that at hidden ones "
        f"(median over methods), and {missing['mean'].idxmin()} has the smallest mean."
    )
    if missing["low"].isna().all() or hidden["high"].isna().all():
        return f"{said} Too few draws for an interval."
    above = int((missing["low"] > hidden["high"]).sum())
    below = int((missing["high"] < hidden["low"]).sum())
    said += f" By intervals it is larger for {above} of {len(shared)} methods, smaller for {below}."
    if above < len(shared):
        return said
    return (
        f"{said} Hidden entries are drawn among measured ones, which are high; what is missing is "
        "low. A method that learns from what was measured fills too high where it is used."
    )


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
        f"{wide.loc[low, model]:.2f} to {wide.loc[high, model]:.2f}; {where} its mean is below "
        f"that of {other}."
    )


def about_molecules(means: pd.DataFrame) -> Words:
    """Who predicts held-out molecules best, with seen entries kept and with all replaced."""
    told = means[means["model"] != LATENT]
    if "smoothed" not in set(told["post"]):
        return "No method replaces entries that were seen: nothing to compare."
    filled, smoothed = (
        told.loc[told.loc[told["post"] == post, "mean"].idxmin()] for post in ("filled", "smoothed")
    )
    said = (
        "The smallest deviance of held-out molecules is, where seen entries stay as they are, "
        f"{filled['mean']:.2f} ({filled['model']}), and where every entry is replaced, "
        f"{smoothed['mean']:.2f} ({smoothed['model']})."
    )
    if smoothed["high"] < filled["low"]:
        return (
            f"{said} The gain lies in replacing what was measured, which completion never does: "
            "one molecule is a poor measurement."
        )
    if filled["high"] < smoothed["low"]:
        return f"{said} To replace what was measured does harm here."
    return f"{said} Whether it helps to replace what was measured is undecided here."


def about_labels(means: pd.DataFrame) -> Words:
    """How far filled values separate labels, beside the mean of a gene and smoothing alone."""
    mean = means.set_index("model")["mean"]
    control, raw = mean["smoothed raw"], mean["raw"]
    others = mean.drop(["smoothed raw", "raw"])
    best = others.idxmax()
    return (
        f"Between labels lies {raw:.1%} of the variance of raw values, {mean['gene mean']:.1%} "
        f"with the mean of a gene in place of zeros, which knows no place, {control:.1%} after "
        f"smoothing alone, which fills nothing, and {others[best]:.1%} after {best}, the most of "
        "all that fill. This is one data set, and described only."
    )


def left_out(means: pd.DataFrame, names: list[str]) -> Words:
    """Methods that a figure leaves out, with their errors."""
    error = means.set_index("model")["mean"]
    return listed(f"{name} ({error[name]:.1f})" for name in names)


LOST = {
    "nothing": "where nothing is lost",
    "at random": "where counts are lost at random",
    "the low ones": "where low counts are lost more often",
}


def about_lost(found: pd.DataFrame) -> Words:
    """Who has the smallest error at entries never measured, by which counts are lost, in one draw.

    Parameters
    ----------
    found : DataFrame
        `lost` (of `LOST`), `method`, `never measured`.
    """
    parts = []
    for lost, own in found.groupby("lost", sort=False):
        error = own.set_index("method")["never measured"]
        parts.append(f"{error.idxmin()} {LOST[lost]} ({error.min():.2f})")
    return (
        f"Of {found['method'].nunique()} methods without a network, in one draw, the smallest "
        f"error at entries that were never measured is that of {listed(parts)}."
    )


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
    way = "smaller" if share["gene mean"] >= 0 else "larger"
    than = listed(beaten) if beaten else "no method that looks at places or genes"
    return (
        f"Of {genes}, a line on the counts of the spot alone has a mean error "
        f"{abs(share['gene mean']):.0%} {way} than that of the gene's mean, and a smaller one than "
        f"{than}."
    )


def about_below_zero(filled: np.ndarray, hidden: np.ndarray, model: str) -> Words:
    """How many of the values that a model fills no count can have."""
    values = np.asarray(filled)[np.asarray(hidden)]
    n = int((values < 0).sum())
    if n == 0:
        return f"Of {len(values):,} values that {subject(model)} fills none is below zero."
    return (
        f"Of {len(values):,} values that {subject(model)} fills {n:,} "
        f"{'are' if n > 1 else 'is'} below zero, which the logarithm of a count plus one never is."
    )


def about_published_number(found: pd.DataFrame, claimed: float = 0.825) -> Words:
    """Against which comparators a reduction reaches the published one."""
    name = found["comparator"]
    if found["low"].isna().all():
        above = name[found["mean"] >= claimed]
        said = f"above {claimed:.1%} against {listed(above)}" if len(above) else "above it nowhere"
        return f"Too few draws or patients for an interval; by means the reduction is {said}."
    reached, missed, worse = reach(found, claimed)
    if reached.any():
        said = f"The reduction reaches {claimed:.1%} against {listed(name[reached])}."
    else:
        said = f"The reduction is shown to reach {claimed:.1%} against no comparator."
    if len(open_ := name[~reached & ~missed]):
        said += f" Whether it does against {listed(open_)} is undecided."
    if worse.any():
        return f"{said} The error is larger than that of {listed(name[worse])}."
    if missed.any():
        least = found[missed].iloc[-1]
        return f"{said} Against {least['comparator']} it is {least['mean']:.0%}."
    return said


def reach(found: pd.DataFrame, claimed: float) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Where reductions reach the claimed one, where they do not, and where errors are larger."""
    return found["low"] >= claimed, found["high"] < claimed, found["high"] < 0


def about_where(found: pd.DataFrame, model: str, claimed: float = 0.825) -> Words:
    """Against which comparators, at which entries, a reduction reaches the published one.

    Parameters
    ----------
    found : DataFrame
        Of `by_entries`.
    """
    if found["low"].isna().all():
        return f"{model} was scored in too few draws to say where it reaches {claimed:.1%}."
    reached, missed, _ = reach(found, claimed)
    n, parts, nowhere = found["entries"].nunique(), [], []
    for name in found["comparator"].unique():
        own = found["comparator"] == name
        there, unsure = (found["entries"][own & at] for at in (reached, ~reached & ~missed))
        if len(there) == n:
            many = f"all {n} kinds of entries" if n > 1 else "the one kind of entry"
            parts.append(f"against {name} at {many}")
        elif len(there) or len(unsure):
            at = f"at {listed(there)}" if len(there) else "shown at none"
            at += f" (undecided at {listed(unsure)})" if len(unsure) else ""
            parts.append(f"against {name} {at}")
        else:
            nowhere.append(name)
    head = f"The error of {model} is smaller by {claimed:.1%} or more"
    if not parts:
        return f"{head} against no comparator, at no kind of entry."
    said = f"{head} {'; '.join(parts)}."
    return f"{said} Against {listed(nowhere)} it is nowhere." if nowhere else said


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
    return (
        f"By the choice of entries a reduction moves by up to {100 * over_entries:.0f} points, by "
        f"the choice of the comparator by at least {100 * over_comparators:.0f}."
    )
