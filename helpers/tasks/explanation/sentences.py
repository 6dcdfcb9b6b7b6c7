"""Sentences of the tier's chapters that depend on what was found."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers.plots.page import number
from helpers.stats import mean_interval
from helpers.tasks.explanation.attribution_published import TITLES
from helpers.tasks.findings import listed
from helpers.tasks.verdicts import NOT_SHOWN, SHOWN


def habits(measured: Mapping[str, str], cases: Mapping[str, pd.DataFrame]) -> str:
    """Which habits change what they are shown by, by the differences of draws.

    Parameters
    ----------
    measured : mapping
        Of the item, a number and a name, to what was measured.
    cases : mapping
        Of the items that were tried without and with a habit to their values, in shares: a row a
        draw, the case without first.
    """
    changes = {}
    for item, values in cases.items():
        first, second = values.dropna().to_numpy().T
        if len(first):
            changes[item] = (first.mean(), second.mean(), second - first)
    if not changes:
        return "No habit was scored in both cases."
    n = sum(len(change) > 1 for *_, change in changes.values())
    ends = {
        item: 100 * np.array(mean_interval(change, confidence=1 - 0.05 / n))
        for item, (*_, change) in changes.items()
        if len(change) > 1
    }

    def most(items) -> str:
        item = max(items, key=lambda item: abs(changes[item][1] - changes[item][0]))
        first, second, _ = changes[item]
        said = (
            f"\N{LEFT DOUBLE QUOTATION MARK}{_name(item)}\N{RIGHT DOUBLE QUOTATION MARK} "
            f"({measured[item]}): {100 * first:.0f} % without, {100 * second:.0f} % with"
        )
        if item not in ends:
            return said
        low, high = (number(end, 0) for end in ends[item])
        return f"{said}, a change of {low} to {high} points"

    if not n:
        return f"Too few draws for an interval; by means, most changes with {most(changes)}."
    apart = [item for item, (low, high) in ends.items() if low > 0 or high < 0]
    tried = f"{n} habit{'s' * (n > 1)} that {'were' if n > 1 else 'was'} tried without and with"
    level = f" (paired by draw; 95 %{' for all of them together' * (n > 1)})"
    if not apart:
        return (
            f"None of {tried} is shown to change what was measured; by means, most changes with "
            f"{most(ends)}{level}."
        )
    said = (
        f"Of {tried}, {len(apart)} change{'s' * (len(apart) == 1)} what was measured, most of all "
        f"{most(apart)}{level}."
    )
    rest = [_name(item) for item in ends if item not in apart]
    return f"{said} Undecided: {listed(rest)}." if rest else said


def _name(item: str) -> str:
    return item.split(" ", 1)[1]


def named_genes(spread: pd.DataFrame, dataset: str) -> str:
    """Whether the genes that explanations name in one sample, and in a class, are the planted ones.

    Parameters
    ----------
    spread : DataFrame
        Of `attribution_report.spread`; models "LR" and "MLP".
    dataset : str
        The design that is told of.
    """
    own = spread[spread["dataset"] == dataset].set_index(["metric", "model"])

    def both(metric):
        low, high = (number(v, 1) for v in sorted(own["value"][metric][["LR", "MLP"]]))
        return low if low == high else f"{low} and {high}"

    def percent(metric, model):
        return f"{number(own['value'][metric, model], 1)} %"

    one = own.loc["feature_agreement_local"]
    alone, models = one.loc["expression alone"], one.loc[["LR", "MLP"]]
    told = (models["low"] > alone["high"]).all()
    head = "In part" if told else "Not shown to do so better than expression alone"
    return (
        f"{head}: the models classify {both('balanced_accuracy')} % of test samples right, and of "
        f"the genes that explanations name in one sample {both('feature_agreement_local')} % are "
        "planted ones, where expression alone has "
        f"{percent('feature_agreement_local', 'expression alone')} and the planted truth itself "
        f"{percent('feature_agreement_local', 'planted truth')}; summed over a class it is "
        f"{both('feature_agreement_global')} %, and by expression alone "
        f"{percent('feature_agreement_global', 'expression alone')}."
    )


def gaps_of_nothing(floor: pd.DataFrame, excess: pd.DataFrame) -> str:
    """What a prediction gap says of genes, by models that had nothing to learn.

    Parameters
    ----------
    floor : DataFrame
        Percent, a row a `model`: "PGI, sample", "PGR", "FA, sample".
    excess : DataFrame
        Of `attribution_report.above_random`, of the same models.
    """
    own = floor.set_index("model")[["PGI, sample", "PGR", "FA, sample"]]
    if own.isna().any(axis=None):
        return "Models of permuted classes have no gap that could be scored."
    said = "; ".join(
        f"{model} {gap:.0f} %, in a random order {random:.0f} %, with {named:.0f} % planted genes "
        "among the named ones"
        for model, gap, random, named in own.itertuples()
    )
    if (excess["low"] > 0).all():
        return (
            "No: models that were trained on permuted classes need the genes that they name, too. "
            f"Their predictions fall when these genes go ({said}), further than in a random order."
        )
    if (excess["high"] <= 0).all():
        return (
            "Here it may: models that were trained on permuted classes need the genes that they "
            f"name no more than others ({said})."
        )
    above = "; ".join(
        f"{model} {number(value, 0)} points"
        + ("" if np.isnan(low) else f", {number(low, 0)} to {number(high, 0)}")
        for model, value, low, high in excess.itertuples(index=False)
    )
    return (
        "Undecided: predictions of models that were trained on permuted classes fall when the "
        f"genes that they name go ({said}), but these draws do not tell whether further than in a "
        f"random order, for each model ({above})."
    )


def reproduced(rows: pd.DataFrame | None) -> str:
    """How many published values another of our draws may have.

    Parameters
    ----------
    rows : DataFrame, optional
        Of `attribution_report.reproduction`; None where no draw of the published size is at hand.
    """
    if rows is None:
        return "Not answered in this build: no draw of the published size is at hand."
    known = rows.dropna(subset=["low", "high"])
    if known.empty:
        return "Undecided: one draw says nothing of another."
    n, out = len(known), known[~known["inside"]]
    said = (
        f"{n - len(out)} of {n} published values, give or take their rounding, lie inside their "
        f"interval; of intervals of 95 % about {n / 20:.0f} would miss by chance."
    )
    if out.empty:
        return said
    by_set = ", ".join(
        f"{count} of {name}" for name, count in out["dataset"].value_counts().items()
    )
    most = out.loc[out["difference"].abs().idxmax()]
    return (
        f"{said} Outside lie {by_set}; furthest {TITLES[most['metric']]} of {most['model']} in "
        f"{most['dataset']}, where ours is {number(most['value'], 1)} % and the published value "
        f"{number(most['published'], 1)} %."
    )


def noise_as_reason(shift: pd.DataFrame, rows: pd.DataFrame | None, dataset: str = "SIMU2") -> str:
    """Whether noise in genes of no group moves our values towards published ones that lie outside.

    Parameters
    ----------
    shift : DataFrame of metrics, by their titles, x models
        What the noise adds, in points.
    rows : DataFrame, optional
        Of `attribution_report.reproduction`.
    dataset : str
        The published data set whose genes may be in no group.
    """
    out = None if rows is None else rows[rows["dataset"].eq(dataset) & ~rows["inside"]]
    if out is None or out.empty:
        return f"No value of {dataset} is known to lie outside, so there is no miss to explain."
    towards = sum(
        shift.loc[TITLES[metric], model] * missed < 0
        for metric, model, missed in out[["metric", "model", "difference"]].itertuples(index=False)
    )
    n = len(out)
    said = (
        f"On average the noise moves {towards} of {n} value{'s' * (n > 1)} of {dataset} "
        "outside their interval towards the published one"
    )
    if not towards:
        return f"{said}: it does not explain them."
    return (
        f"{said}. The designs differ in size, and few draws were made: that the noise is the "
        "reason is possible, and not shown."
    )


def explained_classes(n: int) -> str:
    """Whether one order of genes for all classes can differ from those of each."""
    if n == 1:
        return (
            "Only its first class is explained, so that one order for all classes is the order of "
            "this class, and nothing can be said of that choice here."
        )
    return f"{n} classes are explained here, so that the order for all can differ."


def hidden_kinds(found: pd.DataFrame) -> str:
    """Whether explanations separate real subtypes better than profiles do, by their intervals.

    Parameters
    ----------
    found : DataFrame
        `pair`, `source` ("explanations" or "profiles"), `low`, `high`; a row a model.
    """
    ends = found.groupby(["pair", "source"])[["low", "high"]].agg({"low": "min", "high": "max"})
    if ends.empty:
        return "No pair of subtypes was asked."
    if ends.isna().any(axis=None):
        return "One training does not tell whether explanations or profiles separate them better."
    explained, profiles = (ends.xs(s, level="source") for s in ("explanations", "profiles"))
    better = (explained["low"] > profiles["high"]).sum()
    worse = (explained["high"] < profiles["low"]).sum()
    n = len(explained)
    says = (
        "With both models, the subtypes are separated better by explanations than by profiles in "
        f"{better} of {n} pairs, and worse in {worse}"
    )
    if better + worse == n:
        return f"{says}."
    return f"{says}; in the others it is undecided, or depends on the model."


def chance_not_excluded(unclear: Sequence[str], has_intervals: bool) -> str:
    """Intervals of explanations that reach zero, by name."""
    if not has_intervals:
        return "One training has no interval."
    if unclear:
        return f"Intervals that reach zero, and so do not exclude chance: {', '.join(unclear)}."
    return "No interval of explanations reaches zero."


def random_genes(ahead: pd.Series) -> str:
    """Whether the best genes are ahead of random ones; `ahead` in accuracy, by number of genes."""
    known = ahead.dropna()
    if known.empty:
        return "Random genes were not scored beside the best."
    level = [f"{size}" for size in known.index[known <= 0]]
    if not level:
        return "On average, the best are ahead of random ones at every number of genes shown."
    return (
        "On average, random ones drawn from all genes do at least as well as the best with "
        f"{', '.join(level)} genes a class."
    )


def first_component(lists: pd.DataFrame, design: str) -> str:
    """How many lists that see the classes name more planted genes than the first component.

    Parameters
    ----------
    lists : DataFrame indexed by method
        `low` and `high` of the share of planted genes, "first component" among them.
    design : str
        The simulation that they are of.
    """
    own, others = lists.loc["first component"], lists.drop("first component").dropna()
    if lists.isna().all(axis=None):
        return "One draw cannot tell whether lists that see the classes name more than it."
    if others.empty or own.isna().any():
        return "No list that sees the classes was scored beside it."
    more = int((others["low"] > own["high"]).sum())
    fewer = int((others["high"] < own["low"]).sum())
    says = (
        f"Of {len(others)} lists that see the classes, {more or 'none'} "
        f"{'are' if more > 1 else 'is'} shown to name more than it with {design}, and "
        f"{fewer or 'none'} to name fewer"
    )
    unclear = len(others) - more - fewer
    return f"{says}; of {unclear} it is undecided." if unclear else f"{says}."


def families(apart: float, p: float) -> str:
    """Whether lists of one kind share more genes than a test and a learned list.

    Parameters
    ----------
    apart, p : float
        Of `helpers.tasks.explanation.report.families_apart`.
    """
    if np.isnan([apart, p]).any():
        return "not answered: some lists were not made"
    if p <= 0.05:
        return f"a {SHOWN}"
    if p >= 0.95:
        return f"a {NOT_SHOWN}"
    return f"undecided: methods dealt to the two kinds at random do so, too (p = {p:.2f})"


def unseen_lists(unseen: pd.Series, informed: pd.Series) -> str:
    """Where lists that never saw the classes stand beside those that did, by accuracy."""
    if unseen.isna().any() or informed.dropna().empty:
        return "not scored beside lists that did"
    low, high = informed.min(), informed.max()
    places = ["below" if v < low else "above" if v > high else "inside" for v in unseen]
    span = "the range of lists that know the class"
    if len(set(places)) == 1:
        return f"{listed(unseen.index)} {'lie' if len(places) > 1 else 'lies'} {places[0]} {span}"
    (first, at), *others = zip(unseen.index, places, strict=True)
    told = "".join(f", {name} {place} it" for name, place in others)
    return f"{first} lies {at} {span}{told}"
