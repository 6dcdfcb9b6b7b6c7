"""Task: do genes that are known to work together have similar effects?

Two protocols. *published* counts pairs in both tails of all similarities, as Bendidi et al. 2024 do
after Celik et al. 2024; *revised* tells the tails apart, gives intervals over genes, and holds the
recall against networks of the same shape laid over genes that are alike in cells, in the size of
their effect, or in how many partners they have.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL, DataError
from helpers.metrics.embeddings.gene_pairs import partners, unordered_pairs, usable_pairs
from helpers.metrics.embeddings.postprocess import FEW_CONTROLS, METHODS, postprocess
from helpers.metrics.embeddings.relationships import (
    bootstrap_recall,
    gene_recall,
    matched_permutations,
    relationship_recall,
)
from helpers.metrics.embeddings.similarities import Similarities, aggregate, unit_rows
from helpers.store.steps import step
from helpers.tasks import protocol as task
from helpers.tasks.requirements import Requirement

TASK = "known-relationships"
UNION = "any of them"
NULLS = ("cells", "effect", "partners")
"""What genes trade places by: number of cells, size of the effect, number of known partners."""

LEAST_GENES, LEAST_PAIRS = 200, 100
REQUIREMENTS = (
    Requirement("perturbed_genes", LEAST_GENES, "perturbed genes"),
    Requirement(
        "known_pairs",
        LEAST_PAIRS,
        "known pairs of perturbed genes, of all databases together",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Protocol(task.Protocol):
    """Choices of a protocol.

    Parameters
    ----------
    shrink_below : int
        Batches with fewer controls get shrunken centres; see `postprocess`.
    matched_nulls : bool
        With them come intervals.
    """

    shrink_below: int
    matched_nulls: bool


PROTOCOLS = {
    "published": Protocol(
        name="published",
        source="Bendidi et al. 2024, section 3.5; Tx-Evaluation commit 1f24de0, bmdb.py",
        shrink_below=0,
        matched_nulls=False,
        requirements=REQUIREMENTS,
    ),
    "revised": Protocol(
        name="revised",
        source="this book",
        shrink_below=FEW_CONTROLS,
        matched_nulls=True,
        requirements=REQUIREMENTS,
    ),
}


def with_union(relationships: pd.DataFrame) -> pd.DataFrame:
    """Pairs of all databases, and those of any of them as one more.

    Parameters
    ----------
    relationships : DataFrame
        `database`, `gene_a`, `gene_b`.
    """
    pairs = relationships[["gene_a", "gene_b"]].drop_duplicates()
    return pd.concat([relationships, pairs.assign(database=UNION)], ignore_index=True)


@step
def perturbation_means(screen, embedding, *, protocol: str) -> dict[str, np.ndarray]:
    """Mean embedding of each perturbation after each post-processing, controls dropped.

    Parameters
    ----------
    screen : AnnData
    embedding : ndarray of shape (n_cells, n_dims)
    protocol : {"published", "revised"}

    Returns
    -------
    dict of arrays
        "raw", "centered", "center_scaled", "tvn" of shape (n_perturbations, n_dims); "names",
        sorted; "n_cells".

    Raises
    ------
    DataError
        Another protocol, an embedding that is not of these cells or not finite, or batches with
        too few controls (named).
    """
    chosen = task.chosen(PROTOCOLS, protocol)
    name = screen.uns["dataset"]["name"]
    if len(embedding) != screen.n_obs:
        raise DataError(
            f"{name}: the embedding has {len(embedding)} rows, the screen {screen.n_obs} cells"
        )
    if (odd := ~np.isfinite(embedding)).any():
        raise DataError(
            f"{name}: the embedding holds {odd.sum()} NaN or infinite values, the first in row "
            f"{np.argwhere(odd)[0, 0]}"
        )
    label = screen.obs["perturbation"].to_numpy(dtype=object)
    is_control = label == CONTROL
    if not is_control.any() or is_control.all():
        raise DataError(f"{name}: {is_control.sum()} of {len(label)} cells are controls")
    found = {}
    for post in METHODS:
        try:
            treated = postprocess(
                embedding,
                screen.obs["batch"],
                is_control,
                post,
                shrink_below=chosen.shrink_below,
            )
            found[post], names, n_cells = aggregate(treated[~is_control], label[~is_control])
        except ValueError as error:
            raise DataError(f"{name}, {post}: {error}") from error
    return found | {"names": names.astype(str), "n_cells": n_cells}


@step
def recall(
    means,
    relationships,
    *,
    posts: list[str],
    protocol: str,
    union: bool = False,
    seed: int = 0,
    n_resamples: int = 1000,
    n_permutations: int = 200,
    min_perturbations: int = LEAST_GENES,
    min_pairs: int = LEAST_PAIRS,
) -> pd.DataFrame:
    """Recall of each database by the cosine of mean embeddings.

    Parameters
    ----------
    means : dict
        Of `perturbation_means`.
    relationships : DataFrame
        `database`, `gene_a`, `gene_b`.
    posts : list of str
        Post-processings to score; see `postprocess`.
    protocol : {"published", "revised"}
    union : bool
        Ask about the pairs of any database as well; see `with_union`.
    seed, n_resamples, n_permutations : int
        Of intervals and of each matched null (*revised* only).
    min_perturbations, min_pairs : int
        Below, a database is not scored; see `REQUIREMENTS`.

    Returns
    -------
    DataFrame
        One row a post-processing and database: `post`, `database`, `recall`, `upper`, `lower`,
        `n_pairs`, `n_unscored`, `n_genes`, `n_perturbed`; shares are NaN where too few genes are
        perturbed, or too few pairs known. *revised*: `low`, `high` and `upper_low`, `upper_high`,
        95 % intervals; for each null of `NULLS` its mean `null_NAME`, where 95 % of it lie,
        `null_NAME_low` to `null_NAME_high`, and `p_NAME` in (0, 1].

    Raises
    ------
    DataError
        Another protocol or post-processing, or means that have no direction at all.
    """
    chosen = task.chosen(PROTOCOLS, protocol)
    asked = {
        "union": union,
        "seed": seed,
        "n_resamples": n_resamples,
        "n_permutations": n_permutations,
        "min_perturbations": min_perturbations,
        "min_pairs": min_pairs,
    }
    tables = []
    for post in posts:
        if post not in METHODS:
            raise DataError(f"post is {post!r}; choose from {', '.join(METHODS)}")
        try:
            similarities = Similarities(means["names"], embedding=means[post])
        except ValueError as error:
            raise DataError(f"{post}: {error}") from error
        matched = {}
        if chosen.matched_nulls:
            matched["cells"] = np.asarray(means["n_cells"], dtype=float)
            matched["effect"] = np.linalg.norm(means[post], axis=1)
        found = recall_of_databases(similarities, relationships, matched, **asked)
        tables.append(found.reset_index().assign(post=post))
    return pd.concat(tables, ignore_index=True)


@step
def gene_recalls(means, relationships, *, post: str, database: str) -> pd.DataFrame:
    """Share of each gene's known partners of a database in the tails; see `gene_recall`."""
    pairs = relationships[relationships["database"] == database]
    similarities = Similarities(means["names"], embedding=means[post])
    return gene_recall(similarities, *_pairs(pairs))


def _pairs(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return unordered_pairs(table["gene_a"], table["gene_b"])


def recall_of_databases(
    similarities: Similarities,
    relationships: pd.DataFrame,
    matched: Mapping[str, np.ndarray],
    *,
    union: bool,
    seed: int,
    n_resamples: int,
    n_permutations: int,
    min_perturbations: int,
    min_pairs: int,
) -> pd.DataFrame:
    """Recall of each database; with what genes are `matched` by also intervals and nulls.

    Returns
    -------
    DataFrame indexed by database, sorted; columns as of `recall`
    """
    if union:
        relationships = with_union(relationships)
    genes = similarities.names
    names = sorted(set(relationships["database"]))
    streams = np.random.default_rng(seed).spawn(len(names))
    # Most pairs of a database are of genes that nobody perturbed here.
    here = relationships["gene_a"].isin(genes) & relationships["gene_b"].isin(genes)
    relationships = relationships[here]
    rows = {}
    for name, stream in zip(names, streams, strict=True):
        pairs = _pairs(relationships[relationships["database"] == name])
        found = relationship_recall(similarities, *pairs)
        row = found.to_dict() | {"n_perturbed": len(genes)}
        if len(genes) < min_perturbations or found["n_pairs"] < min_pairs:
            row |= dict.fromkeys(("recall", "upper", "lower"), np.nan)
        elif matched:
            draws = (n_resamples, n_permutations, stream)
            row |= _revised(similarities, pairs, found, matched, *draws)
        rows[name] = row
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("database")
    return table.astype({"n_pairs": int, "n_unscored": int, "n_genes": int})


def _revised(similarities, pairs, found, matched, n_resamples, n_permutations, rng) -> dict:
    intervals = bootstrap_recall(similarities, *pairs, n_resamples=n_resamples, rng=rng)
    row = {
        "low": intervals.loc["recall", "low"],
        "high": intervals.loc["recall", "high"],
        "upper_low": intervals.loc["upper", "low"],
        "upper_high": intervals.loc["upper", "high"],
    }
    degree = partners(*pairs, similarities.names).astype(float)
    for name, values in (matched | {"partners": degree}).items():
        null = matched_permutations(
            similarities, *pairs, values, n_permutations=n_permutations, rng=rng
        )["recall"].dropna()
        reached = int((null >= found["recall"] - 1e-12).sum())
        row[f"null_{name}"] = null.mean()
        row[f"null_{name}_low"], row[f"null_{name}_high"] = null.quantile([0.025, 0.975])
        row[f"p_{name}"] = (1 + reached) / (1 + len(null))
    return row


def perturbed(names, relationships: pd.DataFrame) -> pd.Series:
    """Known pairs of perturbed genes in each database.

    Parameters
    ----------
    names : array of str
        Perturbed genes.
    relationships : DataFrame
        `database`, `gene_a`, `gene_b`.
    """
    counts = {
        name: len(usable_pairs(*_pairs(pairs), names)[0])
        for name, pairs in relationships.groupby("database", sort=True)
    }
    return pd.Series(counts, name="n_pairs", dtype=int).rename_axis("database")


@step
def perturbed_genes(screen) -> list[str]:
    """Genes that are perturbed alone in a screen, sorted."""
    names = screen.obs["perturbation"].astype(str).unique()
    return sorted(name for name in names if name != CONTROL and "+" not in name)


@step
def cell_counting(means, *, post: str) -> dict[str, float]:
    """How closely cosines of means follow the numbers of cells.

    Parameters
    ----------
    means : dict
        Of `perturbation_means`.
    post : str

    Returns
    -------
    dict
        `spearman` of the cosine of a pair with 1/n + 1/m, in [-1, 1]; strongly negative where
        similarity counts cells.
    """
    from scipy.stats import spearmanr

    unit = unit_rows(means[post])
    i, j = np.triu_indices(len(unit), 1)
    n_cells = np.asarray(means["n_cells"], dtype=float)
    cosines = (unit @ unit.T)[i, j]
    few = 1 / n_cells[i] + 1 / n_cells[j]
    known = ~np.isnan(cosines)
    return {"spearman": float(spearmanr(cosines[known], few[known]).statistic)}
