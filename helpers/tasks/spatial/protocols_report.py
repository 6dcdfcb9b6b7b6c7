"""What is said of one model under several protocols: departures, rows of scores, sentences."""

import numpy as np
import pandas as pd

from helpers import scores
from helpers.stats import mean_interval
from helpers.tasks.departures import Departure
from helpers.tasks.findings import with_interval
from helpers.tasks.requirements import CannotAnswer
from helpers.tasks.spatial.protocols import PROTOCOLS, SPLITS
from helpers.words import Words

TASK = "protocols"
OURS, CONSTANT, TOGETHER = "revised", "slide constant, pooled", "raw counts, smoothed, best genes"
MODEL = "ridge on stain"
METRICS = ("expression_pearson", "expression_mse")

DEPARTURES = (
    Departure(
        "Scale of the target",
        "Logarithm of raw counts (HEST-Bench)",
        "Counts per ten thousand of the spot's own, then the logarithm",
        "design choice",
        "A spot with many molecules has much of every gene, and dark nuclei: depth is predicted, "
        "and counted as expression.",
    ),
    Departure(
        "The truth",
        "Smoothed over a spot and its neighbours, in training and in the test (MERGE)",
        "As measured",
        "design choice",
        "Smoothing removes from the truth what no model predicts.",
    ),
    Departure(
        "Genes that are averaged over",
        "The fifty with the highest correlation on the test slide (TRIPLEX, PCC(H))",
        "The most counted genes of the training slides",
        "bug",
        "The best of many is chosen with the answer at hand.",
    ),
    Departure(
        "Pooling",
        "One correlation over the spots of all slides of a fold (HEST-Bench)",
        "One a slide, then the mean",
        "design choice",
        "A predictor that is constant on every slide scores by the differences between slides.",
    ),
    Departure(
        "Choice of settings",
        "By the score of the validation slide, which is the test slide where there is none",
        "By inner folds over training slides",
        "bug",
        "Each further setting that is tried can only raise the reported number.",
    ),
    Departure(
        "A gene that is predicted constant",
        "The mean over genes, and with it Global, is NaN",
        "Correlation 0, counted; a gene that is constant in truth is left out, and counted",
        "bug",
        "A table of NaN hides who failed, and leaving the gene out rewards it.",
    ),
    Departure(
        "What is held out",
        "Spots, sections or patients, under one name",
        "Said, and refused where a patient or a slide is on both sides",
        "design choice",
        "Neighbours and sections of one tissue share what no new patient has.",
    ),
)


def rows(found: pd.DataFrame, *, dataset: str, protocol: str, split: str, seed: int):
    """Result of `scored` as rows: a slide is a unit, a patient a cluster."""
    parts = [
        scores.rows(
            task=TASK,
            dataset=dataset,
            split=split,
            protocol="revised" if protocol == OURS else "published",
            model=MODEL if protocol != CONSTANT else "slide constant",
            params={"how": protocol},
            metric=metric,
            role=role(protocol),
            unit_kind="slide",
            unit=[f"{s}, {f}" for s, f in zip(found["slide"], found["fold"], strict=True)],
            cluster=[f"{p}, draw {seed}" for p in found["patient"]],
            seed=seed,
            n=found["n_genes"],
            value=found[metric],
        )
        for metric in METRICS
    ]
    return pd.concat(parts, ignore_index=True)


def role(protocol: str) -> str:
    """Of what a protocol scores: the slide constant is a floor, the ridge a candidate."""
    return "floor" if protocol == CONSTANT else "candidate"


def over(tables: dict[tuple, pd.DataFrame], names: tuple[str, ...]) -> pd.DataFrame:
    """Mean of each call over its slides, then over calls that share a key, with intervals.

    Parameters
    ----------
    tables : dict
        Of a key, whose last part is a draw (or one data set), to a result of `scored`.
    names : tuple of str
        What the other parts of the key are.

    Returns
    -------
    DataFrame
        `names`, `pearson`, `low`, `high` (t distribution over draws, or over the slides of one),
        `mse`, `offset`, `pattern`, `constant genes` (that could not be asked), `n` (draws or
        slides).
    """
    grouped: dict[tuple, list] = {}
    for key, table in tables.items():
        grouped.setdefault(key[:-1], []).append(table)
    found = []
    for key, many in grouped.items():
        by_slide = [t.groupby("slide")["expression_pearson"].mean() for t in many]
        units = [t.mean() for t in by_slide] if len(many) > 1 else list(by_slide[0])
        ends = mean_interval(units) if len(units) > 1 else (np.nan, np.nan)
        every = pd.concat(many)
        found.append(
            dict(zip(names, key, strict=True))
            | {
                "pearson": float(np.mean(units)),
                "low": ends[0],
                "high": ends[1],
                "mse": every["expression_mse"].mean(),
                "offset": every["offset"].mean(),
                "pattern": every["pattern"].mean(),
                "not asked": every["n_nan"].mean(),
                "n": len(units),
            }
        )
    return pd.DataFrame(found)


def card(n_genes: int) -> pd.DataFrame:
    """What each number rests on: pooling, normalisation, smoothing, genes, and what is NaN."""
    return pd.DataFrame(
        [
            {
                "protocol": p.name,
                "pooling": "all slides together" if p.pooled else "a slide, then the mean",
                "scale": p.scale,
                "truth": "smoothed over 8 neighbours" if p.smoothed else "as measured",
                "genes": f"best of {n_genes} on the test slide"
                if p.genes == "best on test"
                else f"{n_genes} most counted, {'all' if p.pooled else 'training'} slides",
                "constant prediction": "0, counted",
                "as in": p.source,
            }
            for p in PROTOCOLS.values()
        ]
    )


def about_protocols(found: pd.DataFrame) -> Words:
    """From where to where one model's correlation goes by protocol alone."""
    by = found.set_index("protocol")["pearson"]
    mine = by.drop(index=[CONSTANT], errors="ignore")
    single = mine.drop(index=[TOGETHER], errors="ignore")
    said = (
        f"The same ridge has a correlation of {by[OURS]:.2f} as revised, and "
        f"{single.drop(index=OURS).min():.2f} to {single.drop(index=OURS).max():.2f} when one "
        "choice is changed"
    )
    if TOGETHER in by:
        said += f"; with three changed at once it has {by[TOGETHER]:.2f}"
    return f"{said}. The features and the way of fitting are the same.".replace(
        "-", "\N{MINUS SIGN}"
    )


def about_constant(found: pd.DataFrame) -> Words:
    """What a predictor without any pattern scores when slides are pooled."""
    by = found.set_index("protocol")["pearson"]
    said = (
        "The test slide's own mean of each gene, which nobody knows beforehand and which has no "
        f"pattern, has {by[CONSTANT]:.2f} when slides are pooled, and by construction 0 a slide"
    )
    return f"{said}. The ridge, pooled, has {by['pooled']:.2f}.".replace("-", "\N{MINUS SIGN}")


def about_splits(found: pd.DataFrame) -> Words:
    """Whether the score by spots is lower by sections or patients."""
    by = found.set_index("split").reindex([s for s in SPLITS if s in set(found["split"])])
    if len(by) < 2:
        raise CannotAnswer("one split alone has nothing to be compared with")
    steps = ", ".join(f"{row['pearson']:.2f} ({name})" for name, row in by.iterrows())
    errors = ", ".join(f"{row['mse']:.2f}" for _, row in by.iterrows())
    said = f"By what is held out the correlation is {steps}; the squared error {errors}"
    first, last = by.iloc[0], by.iloc[-1]
    if last["high"] < first["low"]:
        return f"{said}. With {last.name} held out the correlation is lower than with {first.name}."
    if first["high"] < last["low"]:
        return (
            f"{said}. With {last.name} held out the correlation is higher than with {first.name}."
        )
    return (
        f"{said}. Whether the correlation is lower with {last.name} held out than with "
        f"{first.name} is undecided."
    )


def about_selection(found: pd.DataFrame, what: str) -> Words:
    """What choosing on the test fold gains, over slides and draws."""
    own = found[found["what"] == what]
    gain = (own["test"] - own["inner"]).to_numpy()
    ends = mean_interval(gain) if len(gain) > 1 else (np.nan, np.nan)
    said = (
        f"{what.capitalize()} chosen on the test fold instead of by inner folds add "
        f"{with_interval(gain.mean(), *ends, 3)} to the correlation"
    )
    if np.isfinite(ends[0]) and ends[0] <= 0:
        return f"{said}: that it adds anything is not shown."
    return f"{said}."


def about_scales(found: pd.DataFrame) -> Words:
    """Which genes are predicted well: those that follow nuclei and depth?

    Parameters
    ----------
    found : DataFrame
        `scale`, `pearson` (mean over genes), `follows nuclei`, `follows depth`: rank correlations
        over genes.
    """
    first = found.loc[found["pearson"].idxmax()]
    return (
        f"The highest mean correlation, {first['pearson']:.2f}, is on the scale "
        f"\N{LEFT DOUBLE QUOTATION MARK}{first['scale']}\N{RIGHT DOUBLE QUOTATION MARK}. There, "
        "how well a gene is predicted has a rank correlation of "
        f"{first['follows depth']:.2f} with how closely it follows the depth of its spots, and of "
        f"{first['follows nuclei']:.2f} with how closely it follows their nuclei."
    ).replace("-", "\N{MINUS SIGN}")
