"""What is said of patients: departures, rows of scores, means, sentences."""

import numpy as np
import pandas as pd

from helpers import scores
from helpers.stats import MIN_UNITS, mean_interval
from helpers.tasks.departures import Departure
from helpers.tasks.findings import listed, with_interval
from helpers.tasks.requirements import CannotAnswer
from helpers.tasks.spatial.completion_report import MIN_CLUSTERS
from helpers.tasks.spatial.patients import MEAN, OTHER, OWN, RIDGE, SAME
from helpers.words import Words

TASK = "patients"
ROLES = {RIDGE: "candidate", MEAN: "floor", OWN: "floor"}

DEPARTURES = (
    Departure(
        "What is apart",
        "In most data sets of SpaRED sections of one patient stand on several sides of the split",
        "Both are scored, side by side",
        "design choice",
        "A model is used on new patients. What holds within one is another question.",
    ),
    Departure(
        "Batch effects",
        "ComBat over all sides of the split makes the test slide's mean that of the others",
        "Left as they are; the error is divided into offset and pattern",
        "bug",
        "On a new patient nobody can subtract the mean that is to be predicted.",
    ),
    Departure(
        "Size of a window",
        "In pixels",
        "In distances between neighbours (100 or 200 micrometres)",
        "design choice",
        "Images differ: one section of mob-stutility has a fifth of the resolution of the others.",
    ),
)


def rows(found: pd.DataFrame, *, dataset: str, seed: int, one_section: bool) -> pd.DataFrame:
    """Result of `between` as rows: a section is a unit; its patient a cluster, or the whole draw.

    Patients of one simulated draw share its genes and its train sections.
    """
    simulated = dataset.startswith("simulated")
    parts = [
        scores.rows(
            task=TASK,
            dataset=dataset,
            split=part["relation"],
            model=model,
            params={"train": "one section" if one_section else "all sections"},
            metric=metric,
            role=ROLES[model],
            unit_kind="slide",
            unit=[f"{s} from {t}" for s, t in zip(part["slide"], part["train"], strict=True)],
            cluster=f"draw {seed}" if simulated else part["patient"],
            seed=seed,
            n=part["n_genes"],
            value=part[metric],
        )
        for model, part in found.groupby("model", sort=False)
        for metric in ("expression_pearson", "expression_mse")
    ]
    return pd.concat(parts, ignore_index=True)


def means(tables: dict[tuple, pd.DataFrame], name: str) -> pd.DataFrame:
    """Means by a setting, relation and model: over sections, then patients, then draws.

    Parameters
    ----------
    tables : dict
        Of (setting, draw) to a result of `between`.
    name : str
        What the setting is.

    Returns
    -------
    DataFrame
        `name`, `relation`, `model`, `pearson`, `low`, `high` (t distribution over draws, or over
        the patients of one; NaN of fewer than `MIN_CLUSTERS`), `mse`, `offset`, `pattern`, `n`
        (draws or patients).
    """
    every = pd.concat([t.assign(**{name: k, "draw": d}) for (k, d), t in tables.items()])
    columns = ["expression_pearson", "expression_mse", "offset", "pattern"]
    by_patient = every.groupby([name, "relation", "model", "draw", "patient"], sort=False)
    by_patient = by_patient[columns].mean().reset_index()
    found = []
    for key, group in by_patient.groupby([name, "relation", "model"], sort=False):
        by_draw = group.groupby("draw")[columns].mean()
        units = by_draw if len(by_draw) > 1 else group
        r = units["expression_pearson"]
        ends = mean_interval(r) if len(r) >= MIN_CLUSTERS else (np.nan, np.nan)
        mean = units[columns].mean()
        row = dict(zip((name, "relation", "model"), key, strict=True))
        row |= {"pearson": r.mean(), "low": ends[0], "high": ends[1], "mse": mean.iloc[1]}
        found.append(row | {"offset": mean.iloc[2], "pattern": mean.iloc[3], "n": len(units)})
    return pd.DataFrame(found)


def _pair(found: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    own = found[found["model"] == RIDGE].set_index("relation")
    if SAME not in own.index or OTHER not in own.index:
        raise CannotAnswer("no patient has two sections with an image, or there is one patient")
    return own.loc[SAME], own.loc[OTHER]


def about_relation(found: pd.DataFrame) -> Words:
    """Within against between, of the rows of one setting."""
    same, other = _pair(found)
    said = (
        "Trained on the same patient, the ridge has a correlation of "
        f"{with_interval(*same[['pearson', 'low', 'high']])}; trained on other patients "
        f"{with_interval(*other[['pearson', 'low', 'high']])}"
    )
    if _overlap(same, other):
        return f"{said}. Whether it is lost between patients is undecided: the intervals overlap."
    if other["pearson"] < same["pearson"]:
        share = 1 - other["pearson"] / same["pearson"] if same["pearson"] > 0 else np.nan
        lost = f"{share:.0%} of it is" if 0 <= share <= 1 else "More than all of it is"
        return f"{said}. {lost} lost between patients{_scope(same, other)}."
    return f"{said}. Nothing is lost between patients{_scope(same, other)}."


def _overlap(same: pd.Series, other: pd.Series) -> bool:
    """Whether intervals overlap; where one is not known, nothing is said of it."""
    return max(same["low"], other["low"]) <= min(same["high"], other["high"])


def _scope(same: pd.Series, other: pd.Series) -> str:
    known = np.isfinite([same["low"], same["high"], other["low"], other["high"]]).all()
    return "" if known else ", as a description: without intervals nothing is claimed"


def about_error(found: pd.DataFrame) -> Words:
    """What part of the error between patients is offset, and what the ridge gains on it."""
    wide = found[found["relation"] == OTHER].set_index("model")
    if RIDGE not in wide.index:
        raise CannotAnswer("there is one patient: none is another one")
    row, mean, own = wide.loc[RIDGE], wide.loc[MEAN], wide.loc[OWN]
    gain = mean["mse"] - row["mse"]
    said = (
        f"On other patients {row['offset'] / row['mse']:.0%} of the ridge's squared error is "
        f"offset of the section and {row['pattern'] / row['mse']:.0%} pattern. The training mean "
        f"has an error of {mean['mse']:.2f}, the ridge of {row['mse']:.2f}, the section's own "
        f"mean, which nobody knows beforehand, of {own['mse']:.2f}"
    )
    if gain <= 0:
        return f"{said}: by these means the image gains nothing."
    way = "less" if gain < mean["mse"] - own["mse"] else "more"
    return f"{said}: by these means the image gains {way} than the offset costs."


def about_individuals(found: pd.DataFrame) -> Words:
    """How many individuals there are, and the range of each relation over sections."""
    own = found[found["model"] == RIDGE]
    ranges = [
        f"{part['expression_pearson'].min():.2f} to {part['expression_pearson'].max():.2f} from "
        f"{'the same patient' if name == SAME else name}"
        for name, part in own.groupby(pd.Categorical(own["relation"], [SAME, OTHER]), observed=True)
    ]
    n = own["patient"].nunique()
    said = (
        f"{n} individual{'s' if n != 1 else ''}, {own['slide'].nunique()} sections; over sections "
        f"the correlation is {', and '.join(ranges)}."
    ).replace("-", "\N{MINUS SIGN}")
    if n >= MIN_UNITS:
        return said
    return f"{said} That is a description: {n} {'are' if n > 1 else 'is'} too few for a claim."


def about_numbers(real: pd.DataFrame) -> Words:
    """How many real patients were scored, and whether anything follows for others.

    Parameters
    ----------
    real : DataFrame
        Of `means` by data set; empty where none was scored.
    """
    if real.empty:
        return "No real patient was scored."
    n = real.groupby("data", sort=False)["n"].max()
    said = f"Real patients: {listed(f'{int(k)} in {name}' for name, k in n.items())}."
    if (n >= MIN_UNITS).all():
        return said
    return f"{said} Of fewer than {MIN_UNITS} nothing is concluded for patients in general."


def about_apart(card: pd.DataFrame) -> Words:
    """How many data sets of SpaRED hold patients apart, and what the others report."""
    within = card[card["patients"] == "within"]
    tested, n = int((within["test"] > 0).sum()), len(within)
    return (
        f"Of the {len(card)} data sets of SpaRED, {n} do not hold patients apart: {tested} of "
        f"these have a slide to test on, the other {n - tested} report the slide that validates."
    )


def in_short(found: pd.DataFrame, real: pd.DataFrame) -> Words:
    """What is left on another patient, by how alike simulated patients are, and on real sections.

    Parameters
    ----------
    found, real : DataFrame
        Of `means`, by likeness and by data set; the latter is empty where none was scored.
    """
    own = found[(found["model"] == RIDGE) & (found["relation"] == OTHER)]
    ends = own.sort_values("likeness")
    low, high = ends.iloc[0], ends.iloc[-1]
    if np.isnan([low["high"], high["low"], low["low"], high["high"]]).any():
        head = "Too few draws say whether a model is worth more where patients are alike"
    elif high["low"] > low["high"]:
        head = "It depends on how alike patients are"
    elif high["high"] < low["low"]:
        head = "A model is worth less where patients are alike"
    else:
        head = "That it depends on how alike patients are is not shown"
    said = f"{head}. Simulated: {_likenesses(found)}."
    parts, n = [], []
    for name, group in real.groupby("data", sort=False) if len(real) else ():
        by = group[group["model"] == RIDGE].set_index("relation")
        if SAME in by.index and OTHER in by.index:
            parts.append(
                f"{name} {_value(by.loc[OTHER])} on other patients, {_value(by.loc[SAME])} on the "
                "same one"
            )
            n += by.loc[[SAME, OTHER], "n"].tolist()
    if parts:
        few = ", described only" if min(n) < MIN_UNITS else ""
        said += f" Real sections{few}: {'; '.join(parts)}."
    return said.replace("-0.", "\N{MINUS SIGN}0.")


def _value(row: pd.Series) -> str:
    n = int(row["n"])
    return f"{row['pearson']:.2f} (n = {n})"


def _likenesses(found: pd.DataFrame) -> str:
    """The correlation at each likeness, within and between patients."""
    wide = found[found["model"] == RIDGE].pivot_table("pearson", "likeness", "relation")
    return "a correlation of " + "; ".join(
        f"{row[OTHER]:.2f} between and {row[SAME]:.2f} within at a likeness of {x:g}"
        for x, row in wide.iterrows()
    )


def about_likeness(found: pd.DataFrame) -> Words:
    """How the loss between patients goes with how alike their genes' effects are, simulated."""
    said = f"There is {_likenesses(found)}.".replace("-", "\N{MINUS SIGN}")
    least = found[found["likeness"] == found["likeness"].min()]
    same, other = _pair(least)
    if _overlap(same, other):
        return f"{said} What patients that differ teach is undecided: the intervals overlap."
    word = "less" if other["pearson"] < same["pearson"] else "more"
    return (
        f"{said} Where patients differ most, the others teach {word} than the same patient"
        f"{_scope(same, other)}."
    )
