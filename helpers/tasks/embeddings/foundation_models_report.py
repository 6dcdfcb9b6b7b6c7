"""What is said of foundation models: reported scores, recipes, departures, what is turned away."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.exchange import read_embedding
from helpers.models.embeddings.vocabulary import LEAST_GENES
from helpers.summaries import score_summary
from helpers.tasks.departures import Departure
from helpers.tasks.embeddings import bendidi2024
from helpers.tasks.findings import listed, with_interval

_REPORTED = {
    "ilisi_ratio": "iLISI (norm.)",
    "linear_top1": "linear top-1",
    "share_consistent": "consistency",
    "CORUM": "CORUM",
    "StringDB": "StringDB",
    "spearman": "Spearman",
}
HARMLESS = 0.001
"""A difference of scores that no table of the book would show."""
_MODELS = ("PCA", "scVI", "scGPT", "CellPLM", "UCE", "Geneformer", "random labels")

_RECIPES = (
    ("Geneformer", "ctheodoris/Geneformer", "7cf49a3", "Ensembl id", "computed here"),
    ("scGPT", "bowang-lab/scGPT", "21be64b", "symbol", "computed here"),
    ("UCE", "snap-stanford/UCE", "04e826d", "symbol", "X_uce"),
    ("CellPLM", "OmicsML/CellPLM", "2e11863", "Ensembl id", "X_CellPLM"),
    ("scFoundation", "biomap-research/scFoundation", "69b0710", "symbol", "X_scFoundation"),
)

DEPARTURES = (
    Departure(
        aspect="weights that do not fit (scGPT)",
        published="weights whose name or shape differs from the model's are left out, and what "
        "they should have filled stays random",
        revised="an error that names them; flash-attention's names are translated",
        kind="bug",
        reason="without flash-attention installed the names differ, and a random network embeds "
        "cells without complaint",
    ),
    Departure(
        aspect="switching a filter off (UCE)",
        published="--filter False is read as true",
        revised="the door refuses what comes back without some cells",
        kind="bug",
        reason="argparse calls bool on the text, and a text that is not empty is true",
    ),
    Departure(
        aspect="tied counts (scGPT)",
        published="spread over their tied bins at random, from a state that nobody sets",
        revised="spread in the same way, from a seed and for each cell by itself",
        kind="design choice",
        reason="the same cell gets other inputs at every run",
    ),
    Departure(
        aspect="cells with more than 1,199 genes (scGPT)",
        published="a random sample, unseeded",
        revised="a random sample, seeded; the highest bins on request",
        kind="design choice",
        reason="as above",
    ),
    Departure(
        aspect="equal values (Geneformer)",
        published="in the order that an unstable sort leaves",
        revised="the smaller token first",
        kind="design choice",
        reason="the order of genes in a file should not move a cell",
    ),
    Departure(
        aspect="Ensembl ids that were replaced (Geneformer)",
        published="mapped to their successors by a third dictionary, then added up",
        revised="taken as they are; equal ids are added up",
        kind="design choice",
        reason="a data set states the ids that it has; how many counts are known is checked",
    ),
    Departure(
        aspect="what stands for a cell (Geneformer)",
        published="mean over its genes in V1; the state of <cls> by default in V2's code",
        revised="mean over its genes in both, <cls> on request; layer before the last",
        kind="design choice",
        reason="the paper of this task used V1, and one rule serves both",
    ),
    Departure(
        aspect="cells without a known gene (Geneformer)",
        published="dropped with a warning",
        revised="an error that counts them",
        kind="design choice",
        reason="rows that vanish shift all that follow, if nobody matches names",
    ),
    Departure(
        aspect="precision (scGPT)",
        published="half precision, by autocast",
        revised="single precision",
        kind="design choice",
        reason="it runs without a GPU; differences are rounding",
    ),
)


def recipes() -> pd.DataFrame:
    """Where each model's own code is, at the commit that was read."""
    columns = ["model", "repository", "commit", "genes by", "key"]
    return pd.DataFrame(_RECIPES, columns=columns)


def refusals(cells, embedding, *, seed: int) -> pd.DataFrame:
    """What the door says to files that are wrong in one way each.

    Parameters
    ----------
    cells : sequence of str
        Names of the cells of a screen.
    embedding : ndarray of shape (n_cells, n_dims)
    seed : int

    Returns
    -------
    DataFrame
        `file`, what is wrong with it; `how it happens`; `answer`, the door's sentence.
    """
    rng = np.random.default_rng(seed)
    names = np.asarray(cells, dtype=object)
    holed = embedding.copy()
    holed[rng.integers(len(names)), 0] = np.nan
    one_more = np.vstack([embedding, embedding[:1]])
    alike = np.repeat(embedding[:1], len(names), axis=0)
    numbered = np.arange(len(names)).astype(str)
    files = (
        ("cells are missing", "a filter in the model's code", embedding[:-7], names[:-7]),
        ("an unknown cell", "an older export", one_more, [*names, "stranger"]),
        ("a cell twice", "a last batch that was padded", one_more, [*names, names[0]]),
        ("numbered cells", "vectors saved without names", embedding, numbered),
        ("a value is not finite", "a cell without any known gene", holed, names),
        ("all cells alike", "genes under other names", alike, names),
        ("one dimension", "a score, not an embedding", embedding[:, :1], names),
    )
    rows = []
    for what, how, values, own in files:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "back.h5ad")
            _write(path, values, own)
            try:
                read_embedding(path, names)
                said = "taken in"
            except DataError as error:
                said = str(error).replace(f"{path}, obsm['X_model']", "the file")
        rows.append({"file": what, "how it happens": how, "answer": said})
    return pd.DataFrame(rows)


def _write(path: Path, values, cells) -> None:
    """The parts of an h5ad that are read; AnnData would warn of names that are not unique."""
    import h5py
    from anndata.io import write_elem

    with h5py.File(path, "w") as file:
        write_elem(file, "obs", pd.DataFrame(index=pd.Index(cells).astype(str)))
        write_elem(file, "obsm", {"X_model": np.asarray(values)})


def reported() -> pd.DataFrame:
    """Published scores of seven representations, one row a model."""
    table = bendidi2024.wide(bendidi2024.reported(dataset="replogle"))
    return table.loc[list(_MODELS), list(_REPORTED)].rename(columns=_REPORTED).reset_index()


def in_short(consistent: pd.DataFrame, ours: str, returned: str) -> str:
    """Whether an embedding that left and came back is scored as if it had never left.

    Parameters
    ----------
    consistent : DataFrame
        Score table of one metric.
    ours, returned : str
        The model that stayed, and the same that came back from a file.
    """
    both = consistent[consistent["model"].isin([ours, returned])]
    wide = both.pivot_table(index="unit", columns="model", values="value")
    apart = (wide[ours] - wide[returned]).dropna().abs() if wide.shape[1] == 2 else []
    if not len(apart):
        return "No perturbation was scored both ways: whether the door does harm is not known."
    mean = score_summary(both, by="model").set_index("model").loc[ours, ["mean", "low", "high"]]
    most, lost = apart.max(), len(wide) - len(apart)
    size = f"at most {most:.1g}" if most >= 1e-4 else "less than 0.0001"
    head = "is scored as if it had never left"
    if most > HARMLESS or lost:
        head = "is not scored as before"
    said = (
        f"A PCA that left and came back {head}: over {len(apart)} perturbations the two differ in "
        f"consistency by {size}, around a mean of {with_interval(*mean, 3)}"
    )
    return f"{said}; {lost} more have a score on one side only." if lost else f"{said}."


def who_can_be_asked(coverage: pd.DataFrame) -> str:
    """Which screens a foundation model can be asked about, of `coverage` by data set."""
    enough = coverage.index[coverage["detected"] >= LEAST_GENES]
    n = len(coverage)
    if len(enough):
        return (
            f"{listed(enough)} can be put to a foundation model, of {n} screens. This page runs "
            "none by itself; the recipes below do."
        )
    most = f"{coverage['detected'].max():.0f} detected genes in a median cell"
    if n == 1:
        said = f"The one screen at hand cannot be put to a foundation model: it has {most}"
    else:
        said = f"None of {n} screens can be put to a foundation model: the richest has {most}"
    return f"{said}. So this page reports no score of one."


def answerability(coverage: pd.DataFrame) -> list[str]:
    """Of each row of `coverage` "yes", or why no model of whole transcriptomes can be asked."""
    lacks = f"cannot answer: needs {LEAST_GENES} detected"
    return ["yes" if n >= LEAST_GENES else lacks for n in coverage["detected"]]
