"""What is said of slides: how many, of whom, with what; and of the published collection."""

import pandas as pd

from helpers.data.spatial.readers import POSITIONS
from helpers.tasks.findings import listed
from helpers.words import Words


def about_slides(facts: pd.DataFrame, name: str) -> Words:
    """Slides, patients and images of a data set."""
    n, patients, images = len(facts), facts["patient"].nunique(), int(facts["image"].sum())
    slides = f"{n} slide{'s' * (n > 1)}"
    whose = f"{patients} patient{'s' * (patients > 1)} or animal{'s' * (patients > 1)}"
    if images == n:
        seen = "with an image of each" if n > 1 else "with its image"
    elif images:
        seen = f"{images} of them with an image"
    else:
        seen = "without an image, so that spots are drawn alone"
    kinds = listed(dict.fromkeys(facts["geometry"]))
    return f"{name} has {slides} of {whose} on a {kinds} array, {seen}."


def about_patients(facts: pd.DataFrame) -> Words:
    """Whether a split can hold a patient out, and how many slides one has."""
    patients = facts["patient"].nunique()
    if len(facts) == 1:
        return "With one slide nothing can be held out: a split by spots puts neighbours apart."
    if patients == 1:
        return (
            "All slides are of one patient: a slide can be held out, a patient cannot, and nothing "
            "is learned of other people."
        )
    if patients == len(facts):
        return "Each slide is of another patient: to hold a slide out is to hold a patient out."
    return (
        "Some patients have several slides: to hold one slide out leaves another of the same "
        "patient to train on."
    )


def about_zeros(by_depth: pd.DataFrame) -> Words:
    """How far zeros follow the counts of a spot, and what chance alone explains."""
    few, many = by_depth.iloc[0], by_depth.iloc[-1]
    said = (
        f"Of {len(by_depth)} groups of spots by their counts, the lowest (median "
        f"{few['counts']:,.0f}) has {few['zero']:.0%} zeros, the highest (median "
        f"{many['counts']:,.0f}) {many['zero']:.0%}."
    )
    if by_depth["expected zero"].isna().any():
        return f"{said} Which of them are absence and which are chance, nobody knows here."
    return (
        f"{said} Counting alone would leave {few['expected zero']:.0%} and "
        f"{many['expected zero']:.0%}; what is above is the variation between like spots."
    )


def in_short(by_depth: pd.DataFrame) -> Words:
    """What a zero is, where every gene is expressed in every spot; `by_depth` is simulated."""
    known = by_depth.dropna(subset=["counts", "zero"])
    if len(known) < 2:
        return "Whether a zero says that a gene is absent could not be asked."
    few, many = known.iloc[0], known.iloc[-1]
    if not known["zero"].any():
        return "Not one entry is zero: nothing can be said of zeros."
    said = (
        "A zero need not mean that a gene is absent: where every gene is expressed in every spot, "
        f"{few['zero']:.0%} of the entries are zero in the spots with the fewest counts, and "
        f"{many['zero']:.0%} in those with the most"
    )
    if few["zero"] > many["zero"]:
        return f"{said}. A zero is first of all a statement about depth."
    return f"{said}. That zeros follow depth is not seen here."


def layouts() -> pd.DataFrame:
    """The three files in which Space Ranger has written places, newest first."""
    rows = [{"file": name, "written by": who} for name, who in POSITIONS.items()]
    return pd.DataFrame(rows)


def about_card(card: pd.DataFrame) -> Words:
    """How many of the published data sets hold a slide out, have H&E, and stand alone."""
    untested = int((card["test"] == 0).sum())
    other = card.loc[card["image"] != "H&E", "data set"]
    part = card[card["part of"] != ""]
    between = int((card["patients"] == "between").sum())
    return (
        f"Of {len(card)} data sets with {card['spots'].sum():,} spots, {untested} have no slide to "
        "test on: what is reported of them was selected on the same slide. "
        f"{between} hold patients apart. {listed(other)} are stained by fluorescence, not by H&E. "
        f"{listed(part['data set'])} are slides of {listed(dict.fromkeys(part['part of']))} again, "
        "so that the sets are not independent."
    )
