"""What is said of known relationships: departures, scores, tables."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from helpers.metrics.embeddings.postprocess import FEW_CONTROLS, METHODS
from helpers.scores import gather as gather_tables
from helpers.scores import rows
from helpers.store.steps import Step
from helpers.summaries import ROLE_ORDER
from helpers.tasks.departures import Departure
from helpers.tasks.embeddings.known_relationships import (
    LEAST_GENES,
    LEAST_PAIRS,
    REQUIREMENTS,
    TASK,
    perturbed,
)
from helpers.tasks.embeddings.readouts_report import POST_NAMES
from helpers.tasks.embeddings.representations import Representation, roles_and_params
from helpers.tasks.requirements import Requirement, unmet

DEPARTURES = (
    Departure(
        aspect="tails",
        published="a pair is recalled in the lower or the upper 5 %",
        revised="both, and the two tails apart",
        kind="design choice",
        reason="members of a complex are expected to act alike; what is found in the lower tail is "
        "another finding, or none",
    ),
    Departure(
        aspect="what chance is",
        published="0.10, of similarities that know nothing of either gene",
        revised="that, and networks of the same shape over genes that match in cells, in effect "
        "size, or in partners",
        kind="design choice",
        reason="means of few cells are far from all others, and strong effects are alike: recall "
        "above 0.10 needs no biology",
    ),
    Departure(
        aspect="random embedding",
        published="one of its two is U(0, 1), whose means count cells",
        revised="permuted labels and zero-mean noise; U(0, 1) is shown as what it is",
        kind="design choice",
        reason="cosines of means of U(0, 1) are ordered by the numbers of cells",
    ),
    Departure(
        aspect="uncertainty",
        published="standard deviation over seeds, which is 0",
        revised="genes are resampled, with all of their pairs",
        kind="design choice",
        reason="nothing in the computation is random; which genes were perturbed is",
    ),
    Departure(
        aspect="post-processing",
        published="the best of four, chosen on the recall itself and for each database apart",
        revised="center-scaled for all; the others beside it",
        kind="design choice",
        reason="what is chosen on the scored data looks better than it is",
    ),
    Departure(
        aspect="batches with few controls",
        published="centred on what controls they have",
        revised=f"below {FEW_CONTROLS} controls, shrunken towards what all controls say",
        kind="design choice",
        reason="the error of a small batch's centre is shared by all of its cells",
    ),
    Departure(
        aspect="controls among the perturbations",
        published="meant to be dropped; since commit 065b965 a boolean is compared with a text and "
        "they stay (not reproduced)",
        revised="dropped",
        kind="bug",
        reason="a comparison with the wrong type is true for every cell",
    ),
    Departure(
        aspect="perfect recall",
        published="the bound for comparison counts pairs between the tails (not reproduced)",
        revised="none; the planted truth is the ceiling",
        kind="bug",
        reason="bmdb.py:299-303 counts the middle nine tenths, the opposite of what is recalled",
    ),
    Departure(
        aspect="unit",
        published="the text multiplies recalls by 100, the tables and the code do not (followed)",
        revised="shares",
        kind="paper-code discrepancy",
        reason="a chance level of 0.10 reads the same in both",
    ),
    Departure(
        aspect="too little data",
        published="any database with a usable pair is scored",
        revised="below 200 perturbed genes or 100 pairs in a database: cannot answer",
        kind="design choice",
        reason="of fifty pairs five are recalled by chance, and up to nine now and then",
    ),
)


def answers(
    recalls: pd.DataFrame, *, min_perturbations: int = LEAST_GENES, min_pairs: int = LEAST_PAIRS
) -> list[str]:
    """Of each row of `recall` whether it can be answered: "yes", or what is missing."""
    least = {"perturbed_genes": min_perturbations, "known_pairs": min_pairs}
    needs = [
        Requirement(r.fact, least[r.fact], r.what.removesuffix(", of all databases together"))
        for r in REQUIREMENTS
    ]
    has = recalls.rename(columns={"n_perturbed": "perturbed_genes", "n_pairs": "known_pairs"})
    missing = [unmet(needs, counts) for counts in has.to_dict("records")]
    return ["cannot answer: " + "; ".join(m) if m else "yes" for m in missing]


def answerability(genes: Mapping[str, list[str]], relationships: pd.DataFrame) -> pd.DataFrame:
    """What each data set has, and whether the recall of any database can be answered with it.

    Parameters
    ----------
    genes : mapping
        Of the data set to its perturbed genes.
    relationships : DataFrame
        `database`, `gene_a`, `gene_b`.

    Returns
    -------
    DataFrame
        `data set`, `perturbed genes`, the known pairs of each database, and `answer`: databases
        that can be asked about, or what is missing.
    """
    rows = []
    for dataset, names in genes.items():
        pairs = perturbed(names, relationships)
        has = [(name, counted(names, [n])) for name, n in pairs.items()]
        good = [name for name, counts in has if not unmet(REQUIREMENTS, counts)]
        best = counted(names, pairs)
        answer = ", ".join(good) or "cannot answer: " + "; ".join(unmet(REQUIREMENTS, best))
        rows.append({"data set": dataset, "perturbed genes": len(names), **pairs, "answer": answer})
    return pd.DataFrame(rows)


def counted(names: list[str], n_pairs: Iterable[int]) -> dict[str, int]:
    """What `known_relationships.REQUIREMENTS` count: genes, known pairs of all databases."""
    return {"perturbed_genes": len(names), "known_pairs": int(max(n_pairs, default=0))}


def gather(
    asked: Mapping[tuple[str, str], Step],
    roster: Mapping[str, Representation],
    *,
    dataset: str,
    seed: int,
) -> pd.DataFrame:
    """Recalls of many representations, computed side by side where there is a cluster.

    Parameters
    ----------
    asked : mapping
        Of (model, protocol) to a call of `recall`.
    roster : mapping
        Of the model's name to its `Representation`.
    dataset : str
    seed : int

    Returns
    -------
    DataFrame
        Columns of `recall`, and `model`, `protocol`, `role`, `dataset`, `seed`.
    """

    def named(found, *, params, **names):
        return found.assign(**names, dataset=dataset, seed=seed)

    return gather_tables(asked, ("model", "protocol"), named, **roles_and_params(roster))


def score_table(
    recalls: pd.DataFrame,
    roster: Mapping,
    genes: Mapping | None = None,
    groups: pd.Series | None = None,
) -> pd.DataFrame:
    """Rows of `gather` in the schema of scores.

    Parameters
    ----------
    recalls : DataFrame
    roster : mapping
    genes : mapping, optional
        Of some (model, post, protocol) to their `gene_recalls`.
    groups : Series indexed by gene, optional
        Clusters of genes, such that no known pair has genes of two: complexes, say. Default: each
        gene by itself, though a pair enters two.

    Returns
    -------
    DataFrame
        `relationship_recall` of each database (NaN where it cannot be answered; n pairs), and
        `gene_recall` of each gene (n partners), whose mean counts each gene once.
    """
    tables = []
    for key, found in recalls.groupby(["model", "post", "protocol"], sort=False):
        parts = [("relationship_recall", "database", found.set_index("database"))]
        if genes and key in genes:
            parts.append(("gene_recall", "gene", genes[key]))
        model, post, protocol = key
        first = found.iloc[0]
        tables += [
            rows(
                task=TASK,
                dataset=first["dataset"],
                model=model,
                params=roster[model].params if model in roster else {},
                post=post,
                protocol=protocol,
                metric=metric,
                role=first["role"],
                unit_kind=kind,
                unit=table.index,
                cluster=table.index
                if groups is None or kind != "gene"
                else groups.reindex(table.index),
                seed=int(first["seed"]),
                n=table["n_pairs"],
                value=table["recall"],
            )
            for metric, kind, table in parts
        ]
    return pd.concat(tables, ignore_index=True)


def ordered(recalls: pd.DataFrame, by: str = "recall") -> pd.DataFrame:
    """Rows in the order of a figure: ceilings, candidates from the best down, floors."""
    rank = recalls["role"].map(ROLE_ORDER)
    return (
        recalls.assign(rank=rank)
        .sort_values(["rank", by], ascending=[True, False], kind="stable")
        .drop(columns="rank")
        .reset_index(drop=True)
    )


def by_post(recalls: pd.DataFrame) -> pd.DataFrame:
    """Rows of `ordered`, post-processings in their usual order and as they are written on pages."""
    tables = []
    for post in METHODS:
        rows = recalls[recalls["post"] == post]
        tables.append(ordered(rows).assign(post=POST_NAMES[post]))
    return pd.concat(tables, ignore_index=True)


def against_null(rows: pd.DataFrame, null: str, *, what: str, of_null: str) -> pd.DataFrame:
    """Recalls and what genes that match achieve, one under the other, for `intervals.forest`.

    Parameters
    ----------
    rows : DataFrame
        With `model`, `recall`, `low`, `high`, and the columns of the null.
    null : str
        Of `known_relationships.NULLS`.
    what, of_null : str
        Names of the two series.
    """
    observed = rows[["model", "recall", "low", "high"]].assign(series=what)
    names = {f"null_{null}": "recall", f"null_{null}_low": "low", f"null_{null}_high": "high"}
    matched = rows[["model", *names]].rename(columns=names).assign(series=of_null)
    return pd.concat([observed, matched], ignore_index=True)


def best_of_posts(recalls: pd.DataFrame) -> pd.DataFrame:
    """What the published protocol keeps: of each model and database the best post-processing.

    Parameters
    ----------
    recalls : DataFrame
        Rows of `gather`, of the published protocol.

    Returns
    -------
    DataFrame
        `model`, `database`, `post` that was best, `recall`; what cannot be answered is left out.
    """
    scored = recalls[recalls["recall"].notna()]
    best = scored.loc[scored.groupby(["model", "database"], sort=False)["recall"].idxmax()]
    return best[["model", "database", "post", "recall"]].reset_index(drop=True)


def chosen_elsewhere(
    genes: Mapping[str, pd.DataFrame], groups: pd.Series, *, n_halvings: int = 20, seed: int = 0
) -> float:
    """Recall of the post-processing that is best on other groups of genes.

    Half of the groups choose, the other half is scored, and the other way round.

    Parameters
    ----------
    genes : mapping
        Of the post-processing to `gene_recalls`.
    groups : Series indexed by gene
        No known pair has genes of two groups: complexes, say.
    n_halvings : int
        Random halvings to average over.
    seed : int
    """
    hits = pd.DataFrame({post: t["recall"] * t["n_pairs"] for post, t in genes.items()})
    pairs = pd.DataFrame({post: t["n_pairs"] for post, t in genes.items()})
    hits, pairs = (table.groupby(groups.reindex(table.index)).sum() for table in (hits, pairs))
    if len(hits) < 2:
        raise ValueError(f"{len(hits)} groups of genes cannot be halved")
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n_halvings):
        order = rng.permutation(len(hits))
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        for choosing, scored in (halves, halves[::-1]):
            recalls = [(hits.iloc[h].sum() / pairs.iloc[h].sum()) for h in (choosing, scored)]
            found.append(recalls[1][recalls[0].idxmax()])
    return float(np.mean(found))
