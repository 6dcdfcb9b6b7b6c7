"""What Bendidi et al. (2024) claim, and what their tables say of it.

The paper's screens and the weights of its foundation models are not part of this book, so that no
claim about them can be reproduced here. Where a claim rests on a mechanism, the mechanism is
looked for on other data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from helpers.tasks.embeddings.bendidi2024 import DATASETS, reported

FOUNDATION = ("Geneformer", "UCE", "CellPLM", "scGPT", "scGPT fine-tuned")
CONTROLS_OF_TEST1 = {"replogle": (22_428, 424_942), "l1000": (25_691, 100_153)}
"""Controls and all cells of test1: Bendidi et al. 2024, appendix C.2."""


@dataclass(frozen=True)
class Claim:
    """A statement of the paper.

    Parameters
    ----------
    key, statement : str
    where : str
        Section or table of arXiv 2410.13956 v2.
    missing : str
        What a test on the paper's own data would take.
    """

    key: str
    statement: str
    where: str
    missing: str


_SCREENS = "the screens of Replogle et al. and of L1000"
_WEIGHTS = _SCREENS + ", and embeddings of the foundation models (a door is open for them)"

CLAIMS = (
    Claim(
        "baselines",
        "PCA and scVI keep more of a perturbation than foundation models do",
        "abstract; Table 2",
        _WEIGHTS,
    ),
    Claim(
        "mixing",
        "Batch mixing alone is won by noise",
        "section 5, Table 2",
        _SCREENS,
    ),
    Claim(
        "separability",
        "A linear probe tells perturbations apart best in PCA",
        "section 5, Table 2",
        _SCREENS,
    ),
    Claim(
        "neighbourhood",
        "Nearest neighbours hardly know the perturbation, whatever the model",
        "section 5, Table 2",
        _SCREENS + "; kNN votes without controls",
    ),
    Claim(
        "centring",
        "Known relationships show only after centring on controls",
        "Tables 5 and 9",
        _SCREENS,
    ),
    Claim(
        "transfer",
        "scVI trained on the screen itself keeps more than scVI trained on another one",
        "Table 2",
        _SCREENS + ", and that of Joung et al.",
    ),
    Claim(
        "structure",
        "Structural Integrity tells how well effects are read back",
        "section 3.6, Table 2",
        _SCREENS + "; scores of all test cells",
    ),
    Claim(
        "raw",
        "Reconstruction is best without post-processing",
        "Tables 6 and 10",
        _SCREENS,
    ),
    Claim(
        "likelihood",
        "The likelihood of scVI matters little in single cells",
        "Figure 1",
        "the numbers behind the figure",
    ),
    Claim(
        "likelihood-order",
        "ZINB and NB are above Poisson",
        "Figure 1",
        "the numbers behind the figure",
    ),
    Claim(
        "training-size",
        "scVI needs few cells: more of them help, but 1,000 do",
        "Figure 2",
        "the numbers behind the figure",
    ),
    Claim(
        "fine-tuning",
        "Fine-tuning scGPT on the screen helps batch mixing and hurts known relationships",
        "section 5, Table 2",
        _WEIGHTS,
    ),
    Claim(
        "best-of-four",
        "A model may be shown under its best post-processing",
        "Table 2",
        "scores of single perturbations",
    ),
)


def _best(dataset: str) -> pd.DataFrame:
    """Table 2 of a data set: models x columns."""
    table = reported(dataset=dataset)
    table = table[table["post"] == "best"]
    column = table["metric"].mask(table["unit"] != "all", table["unit"])
    return table.assign(column=column).pivot_table("value", "model", "column")


def _posts(metric: str, dataset: str) -> pd.DataFrame:
    """Appendix tables: (model, unit) x post-processing, no random labels."""
    table = reported(dataset=dataset)
    table = table[(table["metric"] == metric) & ~table["post"].isin(["best"])]
    table = table[table["model"] != "random labels"]
    return table.pivot_table("value", ["model", "unit"], "post")


def _each(say: Callable[[str], str]) -> str:
    return "; ".join(f"{DATASETS[name]}: {say(name)}" for name in DATASETS)


def _leads(dataset: str) -> tuple[int, int, int]:
    best = _best(dataset).drop(columns="ilisi_ratio")
    ours = best.drop(index=[*FOUNDATION, "random labels"]).max()
    theirs = best.loc[list(FOUNDATION)].max()
    return int((ours > theirs).sum()), int((ours < theirs).sum()), len(ours)


def _baselines(dataset: str) -> str:
    ours, theirs, n = _leads(dataset)
    level = f", both are level in {n - ours - theirs}" if n > ours + theirs else ""
    return f"PCA or an scVI leads in {ours} of {n} columns, a foundation model in {theirs}{level}"


def columns_led() -> dict[str, tuple[int, int, int]]:
    """Columns of the main table that PCA or an scVI leads, that a foundation model does, all."""
    return {title: _leads(name) for name, title in DATASETS.items()}


def _mixing(dataset: str) -> str:
    mixing = _best(dataset)["ilisi_ratio"].drop("random labels")
    return f"random labels lead; the models reach {mixing.min():.2f} to {mixing.max():.2f} of them"


def _separability(dataset: str) -> str:
    top = _best(dataset)["linear_top1"]
    return f"PCA {100 * top['PCA']:.1f} %, scVI {100 * top['scVI']:.1f} %, all others at most " + (
        f"{100 * top.drop(['PCA', 'scVI']).max():.1f} %"
    )


def _neighbourhood(dataset: str) -> str:
    top = _best(dataset)["knn_top1"]
    controls, cells = CONTROLS_OF_TEST1[dataset]
    return (
        f"top-1 accuracy {100 * top.min():.1f} to {100 * top.max():.1f} % for all models and for "
        f"random labels, where controls, which count as a class, are {100 * controls / cells:.2f} "
        "% of the cells"
    )


def _centring(dataset: str) -> str:
    posts = _posts("relationship_recall", dataset)
    gain = posts["center_scaled"] - posts["raw"]
    return (
        f"center-scaled above raw in {(gain > 0).sum()} of {len(gain)} pairs of model and "
        f"database, median difference {gain.median():+.3f}"
    )


def _transfer(dataset: str) -> str:
    best = _best(dataset)
    lead = best.loc["scVI"] - best.loc["Transfer scVI"]
    return f"scVI above transferred scVI in {(lead > 0).sum()} of {len(lead)} columns"


def _structure(dataset: str) -> str:
    found = _best(dataset)["structural_integrity"]
    return (
        f"random labels {found['random labels']:.3f}, the best model {found.max():.3f}, where 0.5 "
        "means that no effect is predicted"
    )


def _raw(dataset: str) -> str:
    says = []
    for metric in ("spearman", "structural_integrity"):
        posts = _posts(metric, dataset)
        best = (posts["raw"] >= posts.drop(columns="raw").max(axis=1)).sum()
        says.append(f"{metric.replace('_', ' ')}: raw best or tied for {best} of {len(posts)}")
    return ", ".join(says)


def _fine_tuning(dataset: str) -> str:
    best = _best(dataset)
    change = best.loc["scGPT fine-tuned"] - best.loc["scGPT"]
    recalls = change[["CORUM", "HuMAP", "Reactome", "SIGNOR", "StringDB"]]
    return (
        f"iLISI ratio {change['ilisi_ratio']:+.3f}, recall lower in {(recalls < 0).sum()} of "
        f"{len(recalls)} databases"
    )


def _best_of_four(dataset: str) -> str:
    posts = _posts("relationship_recall", dataset)
    chosen = posts.idxmax(axis=1)
    gain = posts.max(axis=1) - posts["center_scaled"]
    return (
        f"for recall, {chosen.nunique()} different post-processings are the best of some model and "
        f"database; the best exceeds center-scaled by {gain.mean():.3f} on average, at most "
        f"{gain.max():.3f}"
    )


_TABLES = {
    "baselines": _baselines,
    "mixing": _mixing,
    "separability": _separability,
    "neighbourhood": _neighbourhood,
    "centring": _centring,
    "transfer": _transfer,
    "structure": _structure,
    "raw": _raw,
    "fine-tuning": _fine_tuning,
    "best-of-four": _best_of_four,
}


def in_their_tables() -> pd.DataFrame:
    """What the paper's own tables say of each claim: counted, not judged.

    Returns
    -------
    DataFrame
        `claim`, `where`, `in the tables`: a figure has no numbers to count.
    """
    return pd.DataFrame(
        {
            "claim": claim.statement,
            "where": claim.where,
            "in the tables": _each(_TABLES[claim.key])
            if claim.key in _TABLES
            else "a figure, whose numbers were not published",
        }
        for claim in CLAIMS
    )
