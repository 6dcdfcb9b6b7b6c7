"""What is said of linear separability: departures, scores, summaries."""

import numpy as np
import pandas as pd

from helpers.tasks.departures import Departure
from helpers.tasks.embeddings.linear_separability import TASK
from helpers.tasks.embeddings.readouts_report import PROBE_NAMES, unit_scores

DEPARTURES = (
    Departure(
        aspect="scale of the dimensions",
        published="as they come",
        revised="standardised on the training cells",
        kind="design choice",
        reason="under one learning rate, how far a probe gets depends on the unit in which the "
        "embedding is given",
    ),
    Departure(
        aspect="end of training",
        published="last of 250 epochs, which is 250 steps where all cells fit one batch",
        revised="when the gradient proves that the loss is at its minimum",
        kind="design choice",
        reason="a probe that was stopped early measures the optimiser",
    ),
    Departure(
        aspect="batch size",
        published="code: 64,768 cells, or all (followed); paper: 2,048",
        revised="all cells",
        kind="paper-code discrepancy",
        reason="32 times fewer steps; a convex loss has one minimum, whatever the batches",
    ),
    Departure(
        aspect="last batch",
        published="dropped, in tests too; fewer cells than one batch leave nothing (here: kept)",
        revised="kept",
        kind="bug",
        reason="of 100,153 test cells 64,768 are scored, others with each seed",
    ),
    Departure(
        aspect="penalty",
        published="weight decay 1e-6",
        revised="chosen on training batches that are held out from the fit",
        kind="design choice",
        reason="without one, a probe of many dimensions fits the noise of few cells",
    ),
    Departure(
        aspect="mean",
        published="over cells",
        revised="over perturbations",
        kind="design choice",
        reason="over cells, guessing the largest class scores its share",
    ),
    Departure(
        aspect="what is held out",
        published="one draw of 30 % of the batches",
        revised="groups of batches in turn; or guides, learning from others of the target",
        kind="design choice",
        reason="every cell is tested once, and a guide that was never seen shows the target, not "
        "the guide",
    ),
    Departure(
        aspect="a perturbation that training lacks",
        published="stops the program",
        revised="not scored, and counted",
        kind="bug",
        reason="a label without a place among the classes is a KeyError",
    ),
    Departure(
        aspect="fewer than five classes",
        published="top-5 stops the program",
        revised="top-5 is not scored below 20 classes",
        kind="bug",
        reason="top-5 of few classes is right by chance",
    ),
)


def scores(result: pd.DataFrame, **shared) -> pd.DataFrame:
    """Result of `linear_separability` as rows of the score table, one a perturbation and metric.

    Parameters
    ----------
    result : DataFrame
        One fold, or several `pooled`.
    **shared
        `dataset`, `model`, `params`, `post`, `protocol`, `role`, `seed`, `split`.
    """
    metrics = {"probe_top1": "top1", "probe_top5": "top5"}
    return unit_scores(result, metrics, task=TASK, **shared)


def guide_scores(result: pd.DataFrame, **shared) -> pd.DataFrame:
    """Result of `guides_within_targets` as rows of the score table."""
    return unit_scores(result, {"guide_accuracy_excess": "excess"}, task=TASK, **shared)


def majority_floor(result: pd.DataFrame) -> pd.DataFrame:
    """What always naming the perturbations with most test cells would score: one, or five."""
    order = result["n_cells"].sort_values(ascending=False, kind="stable").index
    counts = result[["n_cells", "n_unscored"]]
    scored = result["n_cells"].to_numpy() > 0
    found = {}
    for column, n in (("top1", 1), ("top5", 5)):
        hit = counts.index.isin(order[:n]).astype(float)
        found[column] = np.where(scored & result[column].notna(), hit, np.nan)
    return counts.assign(**found)


def share_of_few(named_right: pd.Series, few: int = 5) -> str:
    """How much of the mean over targets a few of them make up.

    Parameters
    ----------
    named_right : Series of float in [0, 1]
        By target; those without a value are left out.
    few : int
        So many targets; where there are no more, the best is named.
    """
    order = named_right.dropna().sort_values(ascending=False, kind="stable")
    if order.empty:
        return "No target was scored."
    if len(order) <= few or not order.iloc[:few].sum():
        return f"Named best is {order.index[0]}, by {order.iloc[0]:.2f}."
    first, others = order.iloc[:few], order.iloc[few:]
    return (
        f"Of {len(order)} targets {few} ({', '.join(first.index)}) make up "
        f"{first.sum() / order.sum():.0%} of that mean; the other {len(others)} have "
        f"{others.mean():.2f} on average."
    )


def probes_agree(ranks: pd.DataFrame, *, declared: str = "linear") -> str:
    """Whether the first candidate depends on the probe, of probes that read anything.

    Parameters
    ----------
    ranks : DataFrame
        Of `readouts_report.rankings` by `probe`.
    declared : str
        A probe whose best candidate has less than half of the accuracy of this one's reads too
        little to be evidence on candidates.
    """
    if len(set(ranks["model"])) == 1:
        return f"{ranks['model'].iloc[0]} is the only candidate, and no other is put beside it"
    best = ranks.loc[ranks.groupby("probe", sort=False)["mean"].idxmax()].set_index("probe")
    weak = best.index[best["mean"] < 0.5 * best["mean"][declared]]
    names = {p: PROBE_NAMES.get(p, p) for p in best.index}
    says = ""
    if len(weak):
        shares = ", ".join(f"the {names[p]} one {best['mean'][p]:.3f}" for p in weak)
        says = (
            f"The {declared} probe reads {best['mean'][declared]:.3f} from its best candidate, "
            f"{shares}: a probe that reads so little is no evidence on candidates. "
        )
    kept = best.drop(index=weak)
    if len(kept) < 2:
        return says + "That leaves one probe, and nothing to compare it with"
    which = f"All {len(kept)} probes" if not len(weak) else f"The {len(kept)} others"
    may_lead = [
        set(m["model"][m["low"] <= 1]) for p, m in ranks.groupby("probe") if p in kept.index
    ]
    if len(set(kept["model"])) == 1:
        says += f"{which} put the same candidate first"
        if others := max(len(m) for m in may_lead) - 1:
            some = "another candidate" if others == 1 else f"{others} other candidates"
            says += f", by its mean; {some} may be first as well, so this is undecided"
        return says
    if both := set.intersection(*may_lead):
        return says + (
            f"{which} put different candidates first; {len(both)} of the candidates may be first "
            "by each of them"
        )
    return says + f"{which} do not agree on the first candidate: this ranking depends on the probe"


def agreement_by_screen(ranks: pd.DataFrame) -> str:
    """`probes_agree` of each screen; `ranks` has the column `screen`."""
    return " ".join(
        f"{screen}: {probes_agree(own)}." for screen, own in ranks.groupby("screen", sort=False)
    )


def unit_decides(units: pd.DataFrame) -> str:
    """Whether the unit of an embedding decides what a probe names right.

    Parameters
    ----------
    units : DataFrame
        `probe` ("published", "run to its minimum"), and `cells named right` of the same numbers
        times several factors.
    """
    ends = units.groupby("probe")["cells named right"].agg(["min", "max"])

    def span(probe):
        low, high = (f"{ends[end][probe]:.0%}" for end in ("min", "max"))
        return low if low == high else f"{low} to {high}"

    if span("published") == f"{ends['max']['published']:.0%}":
        return "The unit of an embedding does not move the published probe."
    return (
        f"The published probe names {span('published')} of the cells that it learned from right, "
        "by the unit in which they are given; one that is run to its minimum "
        f"{span('run to its minimum')}."
    )
