"""What is said of raw and completed targets: departures and sentences."""

import pandas as pd

from helpers.tasks.departures import Departure
from helpers.tasks.findings import listed
from helpers.tasks.spatial.histology import CELLS, MASKED, PUBLISHED
from helpers.tasks.spatial.raw_or_completed import ADDED, RAW, named
from helpers.words import Words

TASK = "raw-or-completed"
SPECIFIED = {RAW: 9.61, MASKED: 1.41, PUBLISHED: 1.47}
"""Errors of one ridge on another simulated tissue, measured before this page was made."""

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
        f"Over {len(means)} models the median error is {raw.median():.2f} on zeros, "
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
        ("equal", "equal within the region"),
        ("higher", "completion is worse"),
        ("lower", "completion is better"),
        ("undecided", "undecided"),
    ):
        names = own.loc[own["verdict"] == word, "model"].tolist()
        if names:
            parts.append(f"{said}: {listed(names)}")
    n = int(own["n_patients"].iloc[0])
    head = (
        f"Completed targets against the masked loss, over {n} patients and with "
        f"differences below {region:.2f} counted as none: {'; '.join(parts)}."
    )
    better = (own["verdict"] == "lower").sum()
    if better == 0 and (own["verdict"] == "undecided").any():
        return f"{head} For no model is completion shown to add anything."
    if better == 0:
        return f"{head} For no model does completion add anything to not training on zeros."
    return f"{head} For {better} of {len(own)} models completion adds to it."


def about_band(means: pd.DataFrame) -> Words:
    """The ridge beside what the specification of this page measured on another tissue."""
    row = means.set_index("model").loc["ridge on stain"]
    ours = ", ".join(f"{row[named(cell)]:.2f}" for cell in SPECIFIED)
    theirs = ", ".join(f"{value:.2f}" for value in SPECIFIED.values())
    return (
        f"The ridge has {ours} on average (zeros, masked loss, completed); on another simulated "
        f"tissue it had {theirs}."
    )


def about_correlation(wide: pd.DataFrame) -> Words:
    """The correlation, which no offset touches, in three cells.

    Parameters
    ----------
    wide : DataFrame
        Mean correlation, a row a model, a column a cell by its name.
    """
    cells = {cell: wide[named(cell)].median() for cell in CELLS}
    return (
        f"The correlation, which no level touches, is {cells[RAW]:.2f} on zeros, "
        f"{cells[PUBLISHED]:.2f} completed and {cells[MASKED]:.2f} with the masked loss (medians "
        "over models)."
    ).replace("-", "\N{MINUS SIGN}")
