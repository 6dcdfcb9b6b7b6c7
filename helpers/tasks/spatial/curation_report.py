"""What is said of curation: departures, rows of scores, sentences."""

import numpy as np
import pandas as pd

from helpers import scores
from helpers.plots.page import number
from helpers.stats import mean_interval
from helpers.tasks.departures import Departure
from helpers.tasks.findings import with_interval
from helpers.words import Words

TASK = "curation"
ROLES = {
    "normalised": "candidate",
    "adaptive median": "candidate",
    "shuffled, normalised": "floor",
    "shuffled, adaptive median": "floor",
    "latent truth": "ceiling",
}
DEPARTURES = (
    Departure(
        "Slides that choose genes",
        "Expression fractions, the rule of the running mean and Moran's I of all slides",
        "Of training slides only",
        "design choice",
        "A gene that is kept because the test slide has it makes the test easier than a new slide.",
    ),
    Departure(
        "ComBat",
        "Over all sides of the split together",
        "None",
        "design choice",
        "It moves the mean and the variance of each gene of the test slide towards those of all "
        "slides, which a new slide cannot have. How much of the difference it removes is in the "
        "table of the spread.",
    ),
    Departure(
        "Length of genes",
        "Transcripts per million: counts divided by the length of all exons",
        "Counts per million",
        "design choice",
        "A molecule is counted once at its 3' end, however long the gene: there is no bias to "
        "remove, and division puts one in.",
    ),
    Departure(
        "Sum of a spot",
        "Millionths of the genes that are kept",
        "The same",
        "design choice",
        "Kept, and said: a spot's values depend on which genes the rule keeps.",
    ),
    Departure(
        "Permutations of Moran's I",
        "1,000 a gene and slide, whose p-values nobody reads",
        "None",
        "design choice",
        "The statistic alone ranks genes; one sparse sum gives it.",
    ),
    Departure(
        "Zero entries after Moran's I of completed values",
        "Genes are ranked by the smoothness of values that a filter has smoothed",
        "The same, with shuffled spots beside it",
        "design choice",
        "The filter makes neighbours alike, and shuffled genes are smooth after it too: the size "
        "of the statistic says little, its order is kept.",
    ),
    Departure(
        "min_exp_frac and min_glob_exp_frac",
        "In the settings of every data set, and never read",
        "Not there",
        "paper-code discrepancy",
        "The page says that genes are filtered by them; the running mean does it.",
    ),
    Departure(
        "Steps of the median",
        "4 in the code, 3 on the web page, 7 distances in its forerunner",
        "4",
        "paper-code discrepancy",
        "We follow the code.",
    ),
)


def score_rows(found: pd.DataFrame, *, dataset: str, seed: int) -> pd.DataFrame:
    """Result of `moran_scores` as rows of the score table: a gene is a unit, a draw a cluster."""
    layer = found["layer"].str.replace("completed", "adaptive median")
    return scores.rows(
        task=TASK,
        dataset=dataset,
        model=layer,
        metric="moran",
        role=layer.map(ROLES),
        unit_kind="gene",
        unit=found["gene"],
        cluster=f"{dataset}, draw {seed}",
        seed=seed,
        value=found["moran"],
    )


def over_draws(table: pd.DataFrame) -> pd.DataFrame:
    """Mean Moran's I of each layer and kind of gene, with the interval over draws of the data.

    Parameters
    ----------
    table : DataFrame
        Rows of `score_rows`.

    Returns
    -------
    DataFrame
        `dataset`, `model`, `mean`, `low`, `high` (NaN for one draw).
    """
    by_draw = table.groupby(["dataset", "model", "seed"], sort=False)["value"].mean()
    rows = []
    for (dataset, model), draws in by_draw.groupby(level=[0, 1], sort=False):
        ends = mean_interval(draws) if len(draws) > 1 else (float("nan"),) * 2
        rows.append((dataset, model, draws.mean(), *ends))
    return pd.DataFrame(rows, columns=["dataset", "model", "mean", "low", "high"])


def in_short(steps: pd.DataFrame, smooth: pd.DataFrame) -> Words:
    """What the choice of genes leaves, and what the median does to what it chooses by.

    Parameters
    ----------
    steps : DataFrame
        Of `steps_table`.
    smooth : DataFrame
        Of `over_draws`, of one data set.
    """
    first, last = steps.iloc[0], steps.iloc[-1]
    said = (
        f"Choosing genes leaves {last['genes']:,} of {first['genes']:,}, and the share of zeros "
        f"goes from {first['not measured']:.0%} to {last['not measured']:.0%}."
    )
    by = smooth.set_index("model")[["mean", "low", "high"]]
    before, after, made = (
        by.loc[m] for m in ("normalised", "adaptive median", "shuffled, adaptive median")
    )
    if np.isnan([before["mean"], after["mean"], made["mean"]]).any():
        return f"{said} What filling zeros by the median does to smoothness was not scored."
    said += (
        " Filling zeros by the median takes Moran's I of these genes from "
        f"{with_interval(*before)} to {with_interval(*after)}, and that of shuffled spots to "
        f"{with_interval(*made)}"
    )
    floor = by.loc["shuffled, normalised"]
    if np.isnan([made["low"], floor["high"]]).any():
        return f"{said}: so few draws do not say whether the filter makes smoothness itself."
    if made["low"] > floor["high"]:
        return f"{said}: some of the smoothness is made by the filter."
    return f"{said}: that the filter makes smoothness itself is not shown."


def about_rule(steps: pd.DataFrame) -> Words:
    """What the rule of the running mean, lengths and Moran's I leave."""
    by = steps.set_index("step").astype({"genes": object})
    first, rule, last = by.iloc[0], by.loc["running mean"], by.iloc[-1]
    said = (
        f"Of {first['genes']:,} genes the rule keeps {rule['genes']:,}, and the share of entries "
        f"that are zero falls from {first['not measured']:.0%} to {rule['not measured']:.0%}."
    )
    if "genes with a length" in by.index:
        lost = rule["genes"] - by.loc["genes with a length", "genes"]
        said += f" {lost:,} of them have no known length and are dropped."
    if last["genes"] < rule["genes"]:
        return (
            f"{said} Moran's I then chooses {last['genes']:,} of these, with "
            f"{last['not measured']:.0%} zeros."
        )
    return f"{said} That is no more than Moran's I would choose, so that all of these stay."


def about_smoothness(summary: pd.DataFrame, dataset: str) -> Words:
    """What the median does to Moran's I, and what it makes of shuffled spots."""
    mean = summary[summary["dataset"] == dataset].set_index("model")
    before, after = mean.loc["normalised"], mean.loc["adaptive median"]
    floor, nothing = mean.loc["shuffled, normalised"], mean.loc["shuffled, adaptive median"]
    said = (
        f"Moran's I is {with_interval(*before[['mean', 'low', 'high']])} before the median and "
        f"{with_interval(*after[['mean', 'low', 'high']])} after it; of shuffled spots it is "
        f"{number(floor['mean'], 2)} and {number(nothing['mean'], 2)}."
    )
    if "latent truth" in mean.index:
        said += f" The latent expression has {mean.loc['latent truth', 'mean']:.2f}."
    if np.isnan([nothing["low"], floor["high"]]).any():
        return f"{said} So few units do not say whether the median makes smoothness of nothing."
    if nothing["low"] > floor["high"]:
        return f"{said} What shuffled spots show after the median, the median has made."
    return f"{said} That the median makes smoothness of nothing is not shown."


def about_sections(by: pd.DataFrame) -> Words:
    """How far the number of genes hangs on which slides are taken together."""
    alone = by.loc[by["level"] == "slide", "genes"]
    whole = int(by.loc[by["level"] == "all", "genes"].iloc[0])
    if len(alone) == 1:
        return f"With one slide the rule keeps {whole:,} genes, and there is nothing to compare."
    said = (
        f"Alone, slides keep {alone.min():,} to {alone.max():,} genes; all {len(alone)} together "
        f"keep {whole:,}."
    )
    if whole < alone.min():
        return f"{said} Taken together they keep fewer than any of them alone."
    n = int((alone > whole).sum())
    return f"{said} {n} of them keep{'s' * (n == 1)} more genes alone."


def over_sections(by: pd.DataFrame) -> pd.DataFrame:
    """Means over sections that are taken alone, with intervals over sections and over patients.

    Parameters
    ----------
    by : DataFrame
        Of `by_section`.

    Returns
    -------
    DataFrame
        `of` (genes, not measured), `over` (sections, patients), `n`, `mean`, `low`, `high` (95 %,
        by the t distribution; of patients: of the means of their sections; NaN of one).
    """
    alone = by[by["level"] == "slide"]
    rows = []
    for column in ("genes", "not measured"):
        of_patients = alone.groupby("patient", sort=False)[column].mean()
        for over, values in (("sections", alone[column]), ("patients", of_patients)):
            low, high = mean_interval(values) if len(values) > 1 else (np.nan, np.nan)
            rows.append((column, over, len(values), values.mean(), low, high))
    return pd.DataFrame(rows, columns=["of", "over", "n", "mean", "low", "high"])


def few_digits(value: float) -> str:
    """Genes without decimals, shares with two."""
    return number(value, 0 if abs(value) > 1 else 2)


def about_patients(by: pd.DataFrame, name: str) -> Words:
    """What the rule keeps of a set of several patients, with both intervals."""
    found = over_sections(by).set_index(["of", "over"]).loc["genes"]
    sections, patients = found.loc["sections"], found.loc["patients"]
    whole = int(by.loc[by["level"] == "all", "genes"].iloc[0])
    n = int(sections["n"])
    if n == 1:
        return f"{name} has one section: there is no interval."
    said = (
        f"{name}: alone, {n} sections keep {_genes(sections)} genes on average, as an interval "
        f"over sections; all together they keep {whole:,}."
    )
    if patients["n"] == 1:
        return f"{said} They are of one patient: nothing follows for others."
    said += f" Over its {int(patients['n'])} patients the mean is {_genes(patients)}."
    wide, narrow = (row["high"] - row["low"] for row in (patients, sections))
    word = "the wider" if wide > narrow else "not the wider"
    return f"{said[:-1]}: the interval over patients is {word} one."


def _genes(row: pd.Series) -> str:
    return f"{row['mean']:,.0f} [{max(row['low'], 0):,.0f}, {row['high']:,.0f}]"


def about_foreign(foreign: pd.DataFrame) -> Words:
    """How many neighbours would be strangers if slides were not told apart."""
    share = foreign["share"].mean()
    if len(foreign) == 1:
        return "There is one slide, so that every neighbour is of it."
    if share == 0:
        return (
            f"The {len(foreign)} slides do not overlap in pixels: no neighbour would be a stranger."
        )
    return (
        f"If the {len(foreign)} slides are not told apart, {share:.0%} of the 18 neighbours of a "
        "spot lie on another slide."
    )


def about_lengths(bias: pd.DataFrame) -> Words:
    """What division by length does to the order of genes."""
    moved = (bias["rank by counts"] - bias["rank by length"]).abs()
    size, top = len(bias), max(1, round(0.1 * len(bias)))
    before = set(bias.nsmallest(top, "rank by counts")["gene"])
    after = set(bias.nsmallest(top, "rank by length")["gene"])
    return (
        f"Division by length moves a gene by {moved.median():,.0f} of {size:,} places at the "
        f"median; {len(before - after)} of the {top} most counted genes are no longer among the "
        f"first {top}."
    )


def about_combat(spread: pd.DataFrame) -> Words:
    """What ComBat does to the difference between slides, of raw and of completed values.

    Parameters
    ----------
    spread : DataFrame
        `draw`, and what `batch_offset` returns.
    """
    wide = spread.pivot_table("spread", "draw", "layer", dropna=False)
    before = wide["log1p"]
    if before.isna().any() or (before == 0).any():
        return "The slides do not differ in level, or there is one: nothing to compare."
    parts = []
    for layer, name in (("c_log1p", "values as they are"), ("c_d_log1p", "completed values")):
        ratio = wide[layer] / before
        ends = mean_interval(ratio) if len(ratio) > 1 else (np.nan, np.nan)
        if np.isnan(ends[0]):
            what = "in one draw, so that nothing is said of others"
        elif ends[1] < 1:
            what = "less than before"
        elif ends[0] > 1:
            what = "more than before"
        else:
            what = "whether that is less than before is undecided"
        parts.append(f"of {name} {with_interval(ratio.mean(), *ends)}: {what}")
    return (
        "As a multiple of the spread before ComBat, the spread between slides after it is, "
        f"{'; '.join(parts)}."
    )


def about_choice(published: list[str], revised: list[str]) -> Words:
    """How many genes two protocols share."""
    shared = len(set(published) & set(revised))
    return (
        f"The two protocols keep {len(published)} and {len(revised)} genes; {shared} are the same."
    )
