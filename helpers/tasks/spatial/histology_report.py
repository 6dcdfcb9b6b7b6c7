"""What is said of the small models: cards, departures, rows of scores, means, sentences."""

import numpy as np
import pandas as pd

from helpers import scores
from helpers.models.spatial.histology.plain import BASELINES
from helpers.stats import MIN_UNITS, mean_interval
from helpers.store.kept import Kept
from helpers.tasks.departures import Departure
from helpers.tasks.findings import listed, with_interval
from helpers.tasks.spatial.completion_report import MIN_CLUSTERS
from helpers.tasks.spatial.histology import LATENT, NAMES
from helpers.words import Words

TASK = "histology"
ROLES = {
    **dict.fromkeys(NAMES, "candidate"),
    **dict.fromkeys(BASELINES, "floor"),
    "ridge on stain": "candidate",
    "untrained features, ridge": "candidate",
    "ResNet-18 features, ridge": "candidate",
    LATENT: "ceiling",
}
"""Oracles are floors: they know the test slide's depth or mean, and no gene's pattern."""
LINE = 0.95
"""Quantile of hidden genes' correlations: the false-positive line."""

# model, its original, what it looks at, the idea that is kept, what is left out
_CARDS = (
    ("ShuffleNet", "ShuffleNetV2 x0.5", "its window", "shuffled channel groups; flips and turns",
     "ImageNet weights; 224 pixels"),
    ("ST-Net", "DenseNet-121", "its window", "dense block; head starts at the gene mean; mean of "
     "eight symmetries", "ImageNet weights; SGD"),
    ("ViT", "ViT-B/16", "its window", "squares of the window attend to one another",
     "ImageNet weights; depth 12"),
    ("ViT+delta", "ViT-B/16 on deltas", "its window", "the same, on deltas to the gene mean",
     "ImageNet weights; depth 12"),
    ("HisToGene", "HisToGene", "all windows of the slide", "linear embedding, row and column "
     "embeddings, attention over the slide", "8 layers of 1,024"),
    ("Hist2ST", "Hist2ST", "windows of a quarter of the slide", "convolution mixer, transformer, "
     "graph layers, counts as a second head, self-distillation", "depth; five augmentations"),
    ("EGN", "EGN", "its window; expression of 6 training windows", "tokens attend to exemplars; "
     "loss with a correlation", "ResNet-50 features; depth 8"),
    ("EGGN", "EGGN", "its four nearest windows and theirs; expression of 6 training windows",
     "graph of windows and exemplars, two rounds of messages",
     "ResNet-18 features; edges among exemplars"),
    ("SEPAL", "SEPAL", "its window and its four nearest", "transformer on deltas, kept fixed; a "
     "graph network adds a correction", "pooling that keeps one node; more than one hop"),
    ("BLEEP", "BLEEP", "its window; expression of all training spots", "contrastive pairs; mean of "
     "the twenty nearest", "ResNet-50; fifty nearest"),
)  # fmt: skip

DEPARTURES = (
    Departure(
        "Exemplars (EGN, EGGN)",
        "EGGN reads the expression of row i of all spots, where i counts training spots: in 14 of "
        "26 data sets the wrong spot",
        "The expression of the training spot itself, never of the own slide",
        "bug",
        "Expression of other spots, of the test slide among them, is taken for that of the "
        "exemplar.",
    ),
    Departure(
        "Shape of EGN's output",
        "Reshaped to 256 columns where there are 128 or 32 genes",
        "Spots x genes",
        "bug",
        "Correlations of genes mix spots.",
    ),
    Departure(
        "BLEEP in use",
        "Turned and flipped at random at test time; the last incomplete batch is dropped; the "
        "checkpoint is that of the last validation batch's contrastive loss",
        "As it is; all spots; the checkpoint with the smallest error",
        "bug",
        "Two runs of one model differ, and some test spots have no prediction.",
    ),
    Departure(
        "SEPAL's edges",
        "Every spot within n steps is joined to the centre directly",
        "The four nearest spots, one step",
        "paper-code discrepancy",
        "The lattice that the graph is to use is not in it.",
    ),
    Departure(
        "Training on zeros",
        "What was not measured is zero in training, and left out of the score",
        "Left out of both, or completed; see the page on raw and completed",
        "design choice",
        "A model is taught to be low exactly where it is scored.",
    ),
    Departure(
        "Metrics",
        "One constant predicted gene makes PCC-Gene and Global NaN",
        "It has the correlation 0, and is counted",
        "bug",
        "A table of NaN hides who failed.",
    ),
    Departure(
        "Steps, rates, optimiser",
        "1,000 to 2,000 steps, own optimisers, rates tuned a data set and model",
        "The same steps of Adam, the same grid of rates, the same selection",
        "design choice",
        "So that models differ in what they look at, and in nothing else.",
    ),
)


def cards(n_parameters: dict[str, int]) -> pd.DataFrame:
    """A row a model: its original, what it looks at, what is kept and left out, its size."""
    columns = ["model", "after", "looks at", "idea that is kept", "left out"]
    table = pd.DataFrame(_CARDS, columns=columns)
    return table.assign(parameters=[n_parameters[m] for m in table["model"]])


def by_slide(found: pd.DataFrame) -> pd.DataFrame:
    """Result of `scored_genes` by slide: `pearson` (mean over genes), `mse`, `n_genes`, `nan`."""
    rows = []
    for (slide, patient), part in found.groupby(["slide", "patient"], sort=False):
        r = part["pearson"]
        facts = {"slide": slide, "patient": patient, "pearson": r.mean()}
        facts |= {"mse": part["squares"].sum() / part["n"].sum(), "n_genes": int(r.notna().sum())}
        rows.append(facts | {"nan": int(r.isna().sum()), "constant": part["constant"].iloc[0]})
    return pd.DataFrame(rows)


def rows(found: pd.DataFrame, *, model: str, dataset: str, cell: tuple[str, str], task=TASK):
    """Result of `scored_genes` as rows: a slide is a unit, a patient a cluster."""
    table = by_slide(found)
    parts = [
        scores.rows(
            task=task,
            dataset=dataset,
            split="held-out slides",
            model=model,
            params={"target": cell[0], "loss": cell[1]},
            metric=metric,
            role=ROLES[model],
            unit_kind="slide",
            unit=table["slide"],
            cluster=table["patient"],
            seed=0,
            n=table["n_genes"],
            value=table[column],
        )
        for metric, column in (("expression_pearson", "pearson"), ("expression_mse", "mse"))
    ]
    return pd.concat(parts, ignore_index=True)


def means(tables: dict[str, pd.DataFrame], column: str = "pearson") -> pd.DataFrame:
    """Mean of each model over held-out slides, with intervals by slide and by patient.

    Returns
    -------
    DataFrame
        `model`, `role`, `mean`, `low`, `high` (over slides), `patient low`, `patient high`,
        `slides`, `patients`, `constant genes` (predicted constant on a slide, mean).
    """
    found = []
    for model, table in tables.items():
        one = by_slide(table)
        ends = _ends(one[column])
        own = _over_patients(one.groupby("patient")[column].mean())
        row = {"model": model, "role": ROLES[model], "mean": one[column].mean()}
        row |= {"low": ends[0], "high": ends[1], "patient low": own[0], "patient high": own[1]}
        row |= {"slides": len(one), "patients": one["patient"].nunique()}
        found.append(row | {"constant genes": one["constant"].mean()})
    return pd.DataFrame(found)


def _ends(values, confidence: float = 0.95) -> tuple[float, float]:
    values = np.asarray(values)[np.isfinite(values)]
    return mean_interval(values, confidence=confidence) if len(values) > 1 else (np.nan, np.nan)


def _over_patients(values: pd.Series, confidence: float = 0.95) -> tuple[float, float]:
    return _ends(values, confidence) if len(values) >= MIN_CLUSTERS else (np.nan, np.nan)


def against_ridge(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """By how much the correlation of each small model is above that of the ridge, over patients.

    Returns
    -------
    DataFrame
        `model`, `difference`, `low`, `high` (95 % for all models at once, by Bonferroni; NaN of
        fewer than `MIN_CLUSTERS` patients).
    """
    mean = {m: by_slide(t).groupby("patient")["pearson"].mean() for m, t in tables.items()}
    models = [m for m in mean if m in NAMES]
    rows = []
    for m in models:
        gain = mean[m] - mean["ridge on stain"]
        rows.append((m, gain.mean(), *_over_patients(gain, 1 - 0.05 / len(models))))
    return pd.DataFrame(rows, columns=["model", "difference", "low", "high"])


def discoveries(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Genes that are predicted better than what no image shows.

    The line of a model is the 95 % quantile of the correlations of hidden genes, over genes and
    slides: whatever lies below it, a gene can reach that is not in the image at all.

    Returns
    -------
    DataFrame
        `model`, `hidden` (mean correlation), `visible`, `line`, `above` (share of visible genes
        and slides above the line), `n_hidden`.
    """
    found = []
    for model, table in tables.items():
        r = {k: table.loc[table["kind"] == k, "pearson"].dropna() for k in ("hidden", "visible")}
        line = r["hidden"].quantile(LINE) if len(r["hidden"]) else np.nan
        above = (r["visible"] > line).mean() if len(r["visible"]) else np.nan
        row = {"model": model, "hidden": r["hidden"].mean(), "visible": r["visible"].mean()}
        found.append(row | {"line": line, "above": above, "n_hidden": len(r["hidden"])})
    return pd.DataFrame(found)


def gene_to_show(table: pd.DataFrame, slide: str, *, fewest: int = 30) -> tuple[str, int]:
    """The gene with the highest mean correlation of those that a slide shows in enough spots.

    Parameters
    ----------
    table : DataFrame
        Of `scored_genes`.
    slide : str
    fewest : int
        Spots of the slide in which it is measured; where no gene has as many, the most measured
        one is shown.

    Returns
    -------
    gene, n : str, int
        Its name, and in how many spots of the slide it is measured.
    """
    n = table[table["slide"] == slide].set_index("gene")["n"]
    mean = table.groupby("gene")["pearson"].mean()[n.index[n >= fewest]].dropna()
    gene = mean.idxmax() if len(mean) else n.idxmax()
    return gene, int(n[gene])


def about_order(found: pd.DataFrame, pairs: pd.DataFrame) -> Words:
    """Which small model is ahead, which are above or below the ridge, and how far the ceiling is.

    Parameters
    ----------
    found : DataFrame
        Of `means`.
    pairs : DataFrame
        Of `against_ridge`.
    """
    by = found.set_index("model")
    networks = by.loc[[m for m in by.index if m in NAMES]]
    best = networks["mean"].idxmax()
    ridge, top = by.loc["ridge on stain"], by.loc[LATENT, "mean"]
    said = (
        f"Of the small models {best} has the highest correlation, "
        f"{with_interval(*networks.loc[best, ['mean', 'patient low', 'patient high']])} over "
        f"{int(networks['slides'].iloc[0])} held-out slides of "
        f"{int(networks['patients'].iloc[0])} patients; a ridge on nine numbers has "
        f"{ridge['mean']:.2f}, and the latent truth {top:.2f}."
    )
    if pairs["low"].isna().any():
        return f"{said} Too few patients tell the models from the ridge."
    above, below = pairs["low"] > 0, pairs["high"] < 0
    sides = {"above": above, "below": below, "undecided": ~above & ~below}
    parts = [f"{side}: {listed(pairs.loc[at, 'model'])}" for side, at in sides.items()]
    return (
        f"{said} Against the ridge, by intervals over patients (95 %, for all models at once): "
        f"{'; '.join(parts)}."
    )


def about_delta(found: pd.DataFrame) -> Words:
    """What predicting deltas does to the same transformer."""
    by = found.set_index("model")
    plain, delta = by.loc["ViT"], by.loc["ViT+delta"]
    said = f"The transformer has {plain['mean']:.2f} on absolute values and {delta['mean']:.2f} on "
    said += "deltas"
    if delta["patient low"] > plain["patient high"]:
        return (
            f"{said}: trained as briefly, it spends its steps on the means of genes unless these "
            "are taken away first."
        )
    if delta["patient high"] < plain["patient low"]:
        return f"{said}: here deltas do harm."
    return f"{said}: these patients do not tell them apart."


def about_line(found: pd.DataFrame) -> Words:
    """What models seem to predict of genes that no image shows."""
    own = found[found["model"].isin(NAMES)]
    if not own["n_hidden"].sum():
        return "No hidden gene was kept: no line can be drawn."
    first = own.loc[own["above"].idxmax()]
    return (
        "Hidden genes are in no image; over models and slides their mean correlation is "
        f"{_r(own['hidden'].mean())}, and one in twenty reaches {_r(own['line'].min())} to "
        f"{_r(own['line'].max())} by chance alone, since both they and the prediction are smooth "
        f"in space. {first['model']} has the largest share of visible genes above its line, "
        f"{first['above']:.0%}."
    )


def about_rates(found: Kept | None, preset: str) -> Words:
    """Where the learning rates of a page are from, and whether that still holds."""
    if preset == "full":
        return "Rates are searched here, on the validation slide, for each model in each cell."
    if preset == "tiny" or found is None:
        return (
            "All models are trained at one rate: no search of rates is read here "
            "(benchbook keep histology-rates makes one)."
        )
    n = found.table["rate"].nunique()
    said = (
        f"Each model is trained, in each cell, at the best of {n} rates on the validation slide of "
        f"the simulated patients, as searched by {found.record['command']} on "
        f"{found.record['day']}"
    )
    if found.changed:
        return f"{said}; {listed(found.changed)} changed since."
    return f"{said}; nothing that it stands on has changed since."


def _r(value: float) -> str:
    return f"{value:z.2f}".replace("-", "\N{MINUS SIGN}")


def about_held_out(obs: pd.DataFrame, dataset: str) -> Words:
    """How many real sections are held out, of whom, and whether their patients were seen before.

    Parameters
    ----------
    obs : DataFrame
        `split`, `slide` and `patient` of each spot.
    dataset : str
    """
    side = obs["split"].astype(str)
    held, before = obs[side == "test"].astype(str), obs[side != "test"].astype(str)
    n, patients = held["slide"].nunique(), set(held["patient"])
    seen = len(patients & set(before["patient"]))
    said = (
        f"Of {dataset} {n} section{'s are' if n > 1 else ' is'} held out, of {len(patients)} "
        f"patient{'s' * (len(patients) > 1)} or animal{'s' * (len(patients) > 1)}; sections of "
        f"{seen or 'none'} of these also train or validate."
    )
    if len(patients) >= MIN_UNITS:
        return said
    return f"{said} This is a description, and no ranking."


def about_published(found: pd.DataFrame) -> Words:
    """Whether the metrics of the release have a number for every model."""
    none = found.drop(columns="model").isna()
    lost = found.loc[none.any(axis=1), "model"].tolist()
    if lost:
        names = none.columns[none.any()]
        return (
            f"As released, {listed(names)} {'are' if len(names) > 1 else 'is'} not defined for "
            f"{listed(lost)}: a gene or a spot is predicted constant."
        )
    return "The released code scores every model here: none predicts a constant gene."
