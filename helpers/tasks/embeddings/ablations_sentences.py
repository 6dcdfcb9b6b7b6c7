"""Sentences of the chapter on ablations: each a function of what was compared."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.comparisons import as_family, compare, paired
from helpers.metrics.embeddings.facts import METRICS
from helpers.stats import MIN_UNITS
from helpers.tasks.embeddings.ablations_report import MEASURES
from helpers.tasks.findings import listed, with_interval

TITLES = {"consistency": "consistency", "linear-separability": "the probe"}
_DECIDED = ("better", "worse")


UNTRAINED = "scVI, fitted on: nothing"


def in_short(moved: pd.DataFrame) -> str:
    """How many settings change each score for certain, and which choices are not shown to.

    Parameters
    ----------
    moved : DataFrame
        Of `ablations_report.against_base`.
    """
    own = moved[(moved["verdict"] != "base") & moved["difference"].notna()]
    untrained = own["model"] == UNTRAINED  # a floor, no setting
    apart = "Apart from the untrained network, " if untrained.any() else ""
    own = own[~untrained]
    if own.empty:
        return "Too few perturbations were scored to compare one setting with another."
    parts = []
    for task, title in TITLES.items():
        rows = own[own["task"] == task].drop_duplicates("model")
        decided = rows[rows["verdict"].isin(_DECIDED)]
        if rows.empty:
            parts.append(f"{title} could not be asked")
        elif decided.empty:
            parts.append(f"none of {len(rows)} settings is shown to change {title}")
        else:
            most = decided.loc[decided["difference"].abs().idxmax()]
            by = with_interval(*most[["difference", "low", "high"]], 3)
            parts.append(
                f"{len(decided)} of {len(rows)} settings change{'s' * (len(decided) == 1)} {title} "
                f"for certain, most of all {most['model']}, by {by}"
            )
    said = "; ".join(parts)
    said = f"{apart}{said}." if apart else f"{said[0].upper()}{said[1:]}."
    changes = own["verdict"].isin(_DECIDED).groupby(own["factor"], sort=False).any()
    if changes.any() and not changes.all():
        said += f" Not shown to change either: {listed(changes.index[~changes])}."
    return said


def likelihood_order(scores: pd.DataFrame, *, seed: int) -> str:
    """Whether both negative binomials are above Poisson, by each task: compared, not by means.

    Parameters
    ----------
    scores : DataFrame
        Of `ablations_report.score`.
    seed : int
    """
    nb, poisson = (f"scVI, what is modelled: {n} of counts" for n in ("NB", "Poisson"))
    says = []
    for task, metric in MEASURES.items():
        own = scores[(scores["metric"] == metric) & scores["model"].isin(["scVI", nb, poisson])]
        both = paired(own, missing="drop")
        if len(both.table) < MIN_UNITS:
            says.append(f"cannot be asked by {TITLES[task]}")
            continue
        pairs = compare(
            both.table,
            both.clusters,
            better=METRICS[metric].better,
            reference=poisson,
            rng=np.random.default_rng(seed),
        )
        verdicts = as_family(pairs)["verdict"].tolist()
        if "worse" in verdicts:
            says.append(f"is turned round by {TITLES[task]}")
        elif verdicts == ["better", "better"]:
            says.append(f"holds by {TITLES[task]}")
        else:
            says.append(f"is undecided by {TITLES[task]}")
    return " and ".join(says)


def longer_training(moves: list[pd.Series], second: pd.Series) -> str:
    """What twice the steps move, and how much that is beside another seed.

    Parameters
    ----------
    moves : list of Series
        Of `against_base`: twice the steps, in each task, consistency first.
    second : Series
        The second seed, in consistency.
    """
    if all(np.isnan(row["difference"]) for row in moves):
        return "too few perturbations were scored to say what it moves"
    beside, here = "", (moves[0]["difference"], second["difference"])
    if np.isfinite(here).all() and here[1]:
        beside = f"in consistency {abs(here[0] / here[1]):.1f} times what the second seed moves. "
    if any(row["verdict"] in _DECIDED for row in moves):
        return beside + "How far a loss moves does not say how far a score does"
    return beside + "Neither score is moved for certain"


def fortunate_base(moved: pd.DataFrame) -> str:
    """Whether the base of scVI is an unusual draw, by the probe.

    Parameters
    ----------
    moved : DataFrame
        Of `against_base`.
    """
    own = moved[(moved["family"] == "scVI") & (moved["task"] == "linear-separability")]
    others = own[own["verdict"] != "base"].drop_duplicates("model")
    others = others[others["difference"].notna()]
    if others.empty:
        return "no other setting of scVI can be compared with the base"
    below = others["difference"] < 0
    says = f"{below.sum()} of {len(others)} other settings of scVI lie below the base"
    second = others[others["factor"] == "seed"]
    if len(second) and (second["verdict"] == "worse").all() and below.mean() > 0.9:
        return (
            f"{says}, the second seed for certain: the base is a fortunate draw, and part of every "
            "difference by the probe is its luck"
        )
    return f"{says}, which does not tell whether the base is an unusual draw"


def ranking(apart: pd.DataFrame) -> str:
    """Whether a setting turns the order of two models round; `apart` of `against_distance`."""
    turned = {task: names for task, names in apart["reversing"].items() if names}
    if not apart["distance"].notna().any():
        return "too few perturbations were scored to rank the models"
    if not turned:
        return "by means, no setting turns the order of the models round"
    by = " and ".join(TITLES[task] for task in turned)
    return f"by means, one setting of each model does not rank them in {by}"


def seeing_the_cells(unseen: pd.DataFrame) -> str:
    """Whether it helps to be fitted on the cells that are scored.

    Parameters
    ----------
    unseen : DataFrame
        Differences of fits on other cells; *worse* speaks for the fit on these.
    """
    verdicts = unseen["verdict"].value_counts()
    worse, better = (int(verdicts.get(v, 0)) for v in ("worse", "better"))
    if not len(unseen) or verdicts.get("cannot answer", 0) == len(unseen):
        return "no question that these few perturbations can answer"
    if not worse + better:
        return "no advantage that shows here"
    if worse and better:
        return "an advantage for some fits and a drawback for others"
    return f"{'an advantage' if worse else 'a drawback'} where a score decides"
