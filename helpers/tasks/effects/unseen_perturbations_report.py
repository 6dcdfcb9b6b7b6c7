"""What is said of predictions of perturbations that nobody has made, and of labels of them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import scores
from helpers.tasks.departures import Departure
from helpers.tasks.effects.held_out_report import (
    IMPUTED,
    by_little_said,
    enough_cells,
    without_kind,
)
from helpers.tasks.effects.perturbation_labels import COPIED, RATE, STRENGTH
from helpers.tasks.effects.perturbation_labels import ROLES as LABEL_ROLES
from helpers.tasks.effects.perturbation_labels import TASK as LABEL_TASK
from helpers.tasks.effects.unseen_perturbations import FEWEST, OWN_GENE, REFERENCE
from helpers.tasks.findings import listed, subject, with_interval
from helpers.tasks.requirements import Requirement

POOLED = "all pairs"
NEEDS = (Requirement("singles", FEWEST, "single perturbations of four cells in each half"),)

REPORTED = pd.DataFrame(
    {
        "model": ["linear model", "linear model, P of another screen"],
        "K562": [0.991, 0.886],
        "RPE1": [0.958, 0.894],
        "Adamson": [1.030, 0.858],
    }
)
"""Error over that of the mean, means over the rows that every model predicts: Ahlmann-Eltze et al.
2025, source data of figure 2, panel C. The other screen is that of the other Replogle line; of
Adamson, Replogle's K562."""

LABEL_SPLITS = (
    "Official splits: cosine of the labels of scored knock-downs, less the rates of their genes, "
    "and the nearest that is learnt from, beside random divisions"
)

DEPARTURES = (
    Departure(
        "scored perturbations",
        "only those that every model predicts: the linear model needs the perturbed gene measured",
        "all; what a model cannot predict is counted, and scored again with the mean in its place",
        "design choice",
        "About two in five perturbations of the Replogle screens were scored, those of highly "
        "expressed genes.",
    ),
    Departure(
        "genes",
        "a model that lacks genes is scored on fewer",
        "all models predict all genes; one that has no embedding of a gene changes it as the mean",
        "bug",
        "A sum over fewer genes is smaller.",
    ),
    Departure(
        "decoder of embeddings",
        "ridge regression with penalty 1 on embeddings as they come",
        "standardised embeddings, a penalty chosen by leaving perturbations out, the spread shown",
        "bug",
        "Where an embedding varies little between perturbations, penalty 1 makes every prediction "
        "the mean.",
    ),
    Departure(
        "embedding by a graph",
        "ten dimensions are asked for, two are computed",
        "as many as asked for",
        "bug",
        "The number of dimensions is written into the call.",
    ),
    Departure(
        "own gene",
        "the perturbed gene is scored with the others",
        "left out where perturbations are told apart; a mean that knows it is a model of the page",
        "design choice",
        "That a knocked-down gene is low is known without any model.",
    ),
    Departure(
        "repeated perturbations",
        "rows of two splits are resampled as if independent",
        "each perturbation is held out once, and is resampled as one",
        "design choice",
        "About one in five scored perturbations occurs in both splits.",
    ),
)


def available(part) -> dict[str, int]:
    """Single perturbations with enough cells to halve."""
    return {"singles": sum("+" not in name for name in enough_cells(part))}


def in_short(pairs: pd.DataFrame) -> str:
    """The answer of the page, of comparisons with the mean in simulated worlds."""
    own = pairs[pairs["role"] == "candidate"]
    if own.empty:
        return "No model was compared with the mean of the training perturbations."
    said, none = [], []
    for dataset, rows in own[own["model"] != OWN_GENE].groupby("dataset", sort=False):
        world = dataset.removeprefix("simulated: ")
        ahead = rows[rows["verdict"] == "better"]
        if ahead.empty and (slight := by_little_said(rows)):
            said.append(f"where {world}, {slight}")
            continue
        if ahead.empty:
            none.append(world)
            continue
        best = ahead.loc[ahead["difference"].idxmin()]
        by = with_interval(*best[["difference", "low", "high"]])
        said.append(
            f"where {world}, {subject(best['model'])} changes the error of the mean by {by}"
        )
    if none:
        said.append(f"where {' or '.join(none)}, no model is shown to be better than the mean")
    text = "; ".join(said) + "." if said else ""
    simple = own[own["model"] == OWN_GENE]
    if len(simple):
        n = int((simple["verdict"] == "better").sum())
        slight = [bool(by_little_said(simple.loc[[row]])) for row in simple.index]
        margins = sorted(simple.loc[slight, "margin"].map("{:.2f}".format))
        beside = (
            f", and by less than matters in {len(margins)} (within a margin of "
            f"{' to '.join(dict.fromkeys([margins[0], margins[-1]]))})"
            if margins
            else ""
        )
        text += (
            " To know no more than that the perturbed gene itself changes is better than the mean "
            f"in {n} of {len(simple)} worlds{beside}."
        )
    text = text.strip()
    return text[0].upper() + text[1:]


def information_said(pairs: pd.DataFrame, world: str, known: str, model: str) -> str:
    """Whether a known embedding helps the linear model in a world, and knowing nothing does not.

    Parameters
    ----------
    pairs : DataFrame
        Against the mean.
    world : str
    known, model : str
        The linear model with the embedding, and the one without.
    """
    own = pairs[pairs["dataset"] == world].set_index("model")
    if known not in own.index:
        return "Nothing is known of these perturbations beforehand, so that no P can be had."
    verdict = own.loc[known, "verdict"]
    head = {
        "better": "What is known of the perturbations beforehand helps",
        "worse": "What is known of the perturbations beforehand does harm",
        "tied": "What is known of the perturbations beforehand makes no difference",
    }.get(verdict, "Whether what is known of the perturbations helps is undecided")
    rest = own["verdict"].get(model)
    beside = {
        "better": "without it the linear model is better than the mean, too",
        "worse": "without it the linear model is worse than the mean",
        "tied": "without it the linear model is tied with the mean",
        "undecided": "without it the linear model is not told from the mean",
    }.get(rest, "without it the linear model was not compared")
    return f"{head} ({verdict} against the mean); {beside}."


def shift_said(rows: pd.DataFrame, world: str) -> str:
    """What the mean looks like where all cells shift, by two metrics that differ in reference."""
    own = rows[(rows["dataset"] == world) & (rows["model"] == REFERENCE) & (rows["post"] == "raw")]
    by = own.groupby("metric")["value"].mean()
    control, others = by.get("pearson_delta", np.nan), by.get("pearson_delta_mean", np.nan)
    rank = by.get("discrimination_cosine", np.nan)
    if np.isnan(control):
        return "The mean was not scored where all cells shift."
    seen = "nothing" if np.isnan(others) else f"{others:z.2f}".replace("-", "\N{MINUS SIGN}")
    said = (
        f"By correlation of the change from controls the mean has {control:.2f}; by correlation of "
        f"the change from the other perturbations {seen}"
    )
    if np.isnan(rank):
        return f"{said}."
    return f"{said}, and it ranks a perturbation's own profile above {rank:.0%} of the others."


def selection_table(pairs: pd.DataFrame, filled: pd.DataFrame) -> pd.DataFrame:
    """Comparisons of models with gaps, on what they predict and with the mean in the gaps."""
    columns = ["dataset", "model", "difference", "low", "high", "verdict", "n_units"]
    gaps = filled.merge(pairs, on=["dataset", "model"], suffixes=(" filled", ""))
    gaps = gaps[gaps["n_units filled"] > gaps["n_units"]]
    both = pd.concat(
        [
            pairs.merge(gaps[["dataset", "model"]])[columns].assign(scored="predicted"),
            filled.merge(gaps[["dataset", "model"]])[columns].assign(scored=IMPUTED),
        ]
    )
    both = both.sort_values(["dataset", "model", "scored"], kind="stable", ignore_index=True)
    return both.rename(columns={"n_units": "conditions"})


def filled_table(table: pd.DataFrame) -> pd.DataFrame:
    """Of `selection_table` the rows with the mean in the gaps, beside the verdict without them."""
    keys = ["dataset", "model"]
    before = table[table["scored"] == "predicted"].set_index(keys)["verdict"].rename("before")
    filled = table[table["scored"] == IMPUTED].join(before, on=keys)
    return without_kind(filled[[*keys, "before", "verdict", "difference", "low", "high"]])


def selection_said(table: pd.DataFrame) -> str:
    """Whether the choice of scored perturbations changes a verdict."""
    if table.empty:
        return "No model has gaps: nothing is selected."
    wide = table.pivot_table("verdict", ["dataset", "model"], "scored", aggfunc="first")
    changed = wide[wide["predicted"] != wide[IMPUTED]]
    if changed.empty:
        return f"With the mean in the gaps all {len(wide)} verdicts stay as they are."
    each = listed(
        f"{model} from {row['predicted']} to {row[IMPUTED]}"
        for (_, model), row in changed.iterrows()
    )
    return f"With the mean in the gaps {len(changed)} of {len(wide)} verdicts change: {each}."


def collapse_said(table: pd.DataFrame) -> str:
    """Whether the published penalty makes a decoder the mean, and a chosen one does not."""
    least = table[table["embedding SD"] == table["embedding SD"].min()].set_index("decoder")
    ours = least.loc["penalty by cross-validation"]
    legacy = least.loc["penalty 1, as published"]
    if legacy["spread"] < 0.5 * ours["spread"]:
        return (
            f"On the embedding that varies least, penalty 1 leaves {legacy['spread']:.0%} of the "
            f"spread between perturbations and an error of {legacy['error']:.2f} of the mean's, "
            f"with all the information there is; chosen by cross-validation it leaves "
            f"{ours['spread']:.0%} and {ours['error']:.2f}."
        )
    return (
        f"Penalty 1 does not collapse here: it leaves {legacy['spread']:.0%} of the spread, the "
        f"chosen one {ours['spread']:.0%}."
    )


def leakage_said(table: pd.DataFrame) -> str:
    """How much harder the similarity-controlled split is than random ones of its size."""
    row = table.iloc[-1]
    where = (
        "below all"
        if row["nearest"] < row["low"]
        else "above all"
        if row["nearest"] > row["high"]
        else "within the range of"
    )
    return (
        f"Held out by similarity, a perturbation's nearest training perturbation has a cosine of "
        f"{row['nearest']:.2f} on average, {where} {row['low']:.2f} to {row['high']:.2f} of random "
        "splits of the same size."
    )


def label_rows(
    results: Mapping[str, pd.DataFrame], *, seed: int, dataset: str = "perturbqa-labels"
) -> pd.DataFrame:
    """Results of `label_scores` by line, as a score table; a gene is a unit."""
    tables = [
        scores.rows(
            task=LABEL_TASK,
            dataset=f"{dataset}, {line}",
            split="official",
            model=own["model"],
            metric=np.where(own["gene"] == POOLED, "gene_auroc_pooled", "gene_auroc"),
            role=own["model"].map(lambda name: LABEL_ROLES.get(name, "candidate")),
            unit_kind="gene",
            unit=own["gene"],
            cluster=f"{line} " + own["gene"].astype(str),
            seed=seed,
            n=own["n"],
            value=own["auroc"],
        )
        for line, own in results.items()
    ]
    return pd.concat(tables, ignore_index=True)


def labels_said(pairs: pd.DataFrame, means: pd.DataFrame) -> str:
    """What gene sets tell of a knock-down within a gene, line by line.

    Parameters
    ----------
    pairs : DataFrame
        Against the gene's rate.
    means : DataFrame
        Of `held_out_report.means`.
    """
    own = means[means["role"] == "candidate"]
    own = own[own["model"] != COPIED]
    if own.empty:
        return "No model of labels was scored."
    said = []
    for dataset, rows in own.groupby("dataset", sort=False):
        best = rows.loc[rows["mean"].idxmax()]
        there = (pairs["dataset"] == dataset) & (pairs["model"] == best["model"])
        verdict = pairs.loc[there, "verdict"]
        value = with_interval(best["mean"], best["low"], best["high"])
        line = dataset.split(", ")[-1]
        word = _AGAINST_CHANCE.get(verdict.iloc[0] if len(verdict) else "", "not compared")
        floor = means[(means["dataset"] == dataset) & (means["model"] == STRENGTH)]["mean"]
        beside = f"; knowing the perturbation's strength {floor.iloc[0]:.2f}" if len(floor) else ""
        said.append(f"{value} in {line} ({best['model']}, {word}{beside})")
    text = f"Within a gene, the best model that learns ranks perturbations by {listed(said)}."
    copied = means[(means["model"] == COPIED) & means["mean"].notna()]
    if copied.empty:
        return text
    each = [f"{row.mean:.2f} in {row.dataset.split(', ')[-1]}" for row in copied.itertuples()]
    return f"{text} A copy of the label that was measured in another line has {listed(each)}."


_AGAINST_CHANCE = {
    "better": "above one half",
    "worse": "below one half",
    "tied": "tied with one half",
    "undecided": "not told from one half",
    "cannot": "too few genes to tell it from one half",
}


def pooled_said(rows: pd.DataFrame) -> str:
    """The warning: what the pooled AUROC gives to a score that knows no perturbation."""
    own = rows[(rows["metric"] == "gene_auroc_pooled") & (rows["model"] == RATE)]
    if own.empty:
        return "The pooled AUROC was not computed."
    low, high = own["value"].min(), own["value"].max()
    value = f"{low:.3f}" if len(own) == 1 else f"{low:.3f} to {high:.3f}"
    return (
        f"Over all pairs together, the rate at which a gene changes has an AUROC of {value} "
        "without knowing the perturbation."
    )


def matched_said(names, embedding: pd.DataFrame) -> str:
    """How many perturbations an embedding knows."""
    there = sum(name in embedding.index for name in names)
    if there < 3:
        return f"P is known of {there} of {len(names)} single perturbations: too few to learn from."
    return f"P is known of {there} of {len(names)} single perturbations."
