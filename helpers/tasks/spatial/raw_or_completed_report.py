"""What is said of raw and completed targets: departures and sentences."""

import pandas as pd

from helpers.tasks.departures import Departure
from helpers.tasks.findings import listed
from helpers.tasks.spatial.histology import CELLS, MASKED, PUBLISHED
from helpers.tasks.spatial.raw_or_completed import ADDED, RAW, WITHOUT_ZEROS, named
from helpers.words import Words

TASK = "raw-or-completed"

DEPARTURES = (
    Departure(
        "What completed targets are compared with",
        "Targets with zeros where nothing was measured, all entries in the loss",
        "Also the same targets with the loss on measured entries",
        "bug",
        "Scores are taken at measured entries. A model that is trained on zeros is low exactly "
        "there, whatever completion does.",
    ),
    Departure(
        "Masked loss",
        "There (robust_loss), and off in every example that was released",
        "On and off",
        "design choice",
        "It is the control that the comparison lacks.",
    ),
    Departure(
        "Uncertainty",
        "None in the table of the project page",
        "Intervals over slides and over patients, and a region of equality",
        "design choice",
        "A difference in the third digit is no finding.",
    ),
    Departure(
        "Completion",
        "SpaCKLE",
        "The adaptive median, on which SpaCKLE is trained",
        "design choice",
        "Completed values are never scored here: what matters is that they are not zero.",
    ),
)


def about_gap(means: pd.DataFrame) -> Words:
    """How much of the gap between raw and completed targets the masked loss closes."""
    raw, completed, masked = (means[named(c)] for c in (RAW, PUBLISHED, MASKED))
    said = (
        f"Over {len(means)} small models the median error is {raw.median():.2f} on zeros, "
        f"{completed.median():.2f} on completed targets, and {masked.median():.2f} with zeros left "
        "out of the loss and nothing completed"
    )
    if not (raw > completed).all():
        return f"{said}."
    share = ((raw - masked) / (raw - completed)).median()
    return f"{said}: that closes {share:.0%} of the gap between the first two (median)."


def about_added(found: pd.DataFrame, region: float) -> Words:
    """Whether completion adds anything over the masked loss, by the region of equality."""
    own = found[found["effect"] == ADDED]
    parts = []
    for word, said in (
        ("equal", "equal"),
        ("higher", "worse"),
        ("lower", "better"),
        ("undecided", "undecided"),
    ):
        names = own.loc[own["verdict"] == word, "model"].tolist()
        if names:
            parts.append(f"{said}: {listed(names)}")
    n = int(own["n_patients"].iloc[0])
    head = (
        f"By squared error over {n} patients, completed targets are, against the masked loss, "
        f"{'; '.join(parts)}. Equal: the interval (95 %, for all models at once) lies within "
        f"\N{PLUS-MINUS SIGN}{region:.2f}; better or worse: it does not, and lies beyond zero."
    )
    better = (own["verdict"] == "lower").sum()
    if better == 0 and (own["verdict"] == "undecided").any():
        return f"{head} For no model is completion shown to lower the error further."
    if better == 0:
        return f"{head} For no model does completion lower the error further."
    return f"{head} For {better} of {len(own)} models completion lowers it further."


def in_short(found: pd.DataFrame) -> Words:
    """How many models not training on zeros helps, and what completion adds to it.

    Parameters
    ----------
    found : DataFrame
        Of `effects`.
    """
    helped = (found.loc[found["effect"] == WITHOUT_ZEROS, "verdict"] == "lower").sum()
    own = found[found["effect"] == ADDED]
    n = {word: (own["verdict"] == word).sum() for word in ("lower", "equal", "higher", "undecided")}
    return (
        "Leaving zeros out of the loss is shown to lower the squared error of "
        f"{helped} of {len(own)} models. With completed targets instead it is lower still for "
        f"{n['lower']}, equal for {n['equal']}, higher for {n['higher']} and undecided for "
        f"{n['undecided']} (by intervals over patients, 95 % for all models at once)."
    )


def about_learned(found: pd.DataFrame) -> Words:
    """How many models learn what the mean of a gene does not know.

    Parameters
    ----------
    found : DataFrame
        Of `against_mean`.
    """
    n, above = len(found), found.loc[found["difference"] < 0, "model"].tolist()
    said = "With the masked loss the mean error is "
    said += (
        f"above that of the mean of a gene for {len(above)} of {n} models: {listed(above)}."
        if above
        else f"below that of the mean of a gene for all {n} models."
    )
    if found["low"].isna().all():
        return f"{said} Of one patient there is no interval."
    below, above = found["low"] > 0, found["high"] < 0
    return (
        f"{said} By intervals over patients (95 %, for all models at once) it is below for "
        f"{listed(found.loc[below, 'model'])}, above for {listed(found.loc[above, 'model'])}, and "
        f"undecided for {n - below.sum() - above.sum()}. An error can be above that of the mean of "
        "a gene while the pattern is right: see the correlation below."
    )


def about_correlation(wide: pd.DataFrame) -> Words:
    """The correlation, which does not depend on the level, in three cells.

    Parameters
    ----------
    wide : DataFrame
        Mean correlation, a row a model, a column a cell by its name.
    """
    cells = {cell: wide[named(cell)].median() for cell in CELLS}
    return (
        f"The correlation, which does not depend on the level, is {cells[RAW]:.2f} on zeros, "
        f"{cells[PUBLISHED]:.2f} completed and {cells[MASKED]:.2f} with the masked loss (medians "
        "over models)."
    ).replace("-", "\N{MINUS SIGN}")


def about_correlation_added(found: pd.DataFrame) -> Words:
    """Whether completed targets raise the correlation over the masked loss, patient by patient.

    Parameters
    ----------
    found : DataFrame
        `effects` of one minus the correlation, without a region.
    """
    own = found[found["effect"] == ADDED]
    raised, n = int((own["difference"] > 0).sum()), len(own)
    said = (
        f"Against the masked loss completed targets raise the mean correlation of {raised} of {n} "
        "models"
    )
    if own["patient low"].isna().all():
        return f"{said}; one patient has no interval."
    names = {w: own.loc[own["verdict"] == w, "model"].tolist() for w in ("lower", "higher")}
    higher = listed(names["lower"]) if names["lower"] else "none"
    lower = listed(names["higher"]) if names["higher"] else "none"
    return (
        f"{said}; by intervals over patients (95 %, for all models at once) a rise is shown for "
        f"{higher}, a fall for {lower}."
    )
