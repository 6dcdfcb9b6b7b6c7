"""Tables of the chapter on known relationships."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL
from helpers.metrics.embeddings.postprocess import METHODS
from helpers.store import Step, results, step
from helpers.tasks.embeddings.known_relationships import REQUIREMENTS, perturbed, scores
from helpers.tasks.embeddings.readout_report import POST_NAMES
from helpers.tasks.requirements import unmet


@step
def perturbed_genes(screen) -> list[str]:
    """Genes that are perturbed alone in a screen, sorted."""
    names = screen.obs["perturbation"].astype(str).unique()
    return sorted(name for name in names if name != CONTROL and "+" not in name)


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
        has = [
            (name, {"perturbed_genes": len(names), "known_pairs": int(n)})
            for name, n in pairs.items()
        ]
        good = [name for name, counts in has if not unmet(REQUIREMENTS, counts)]
        best = {"perturbed_genes": len(names), "known_pairs": int(pairs.max())}
        answer = ", ".join(good) or "cannot answer: " + "; ".join(unmet(REQUIREMENTS, best))
        rows.append({"data set": dataset, "perturbed genes": len(names), **pairs, "answer": answer})
    return pd.DataFrame(rows)


def gather(
    asked: Mapping[tuple[str, str], Step], roster: Mapping, *, dataset: str, seed: int
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
    tables = []
    for (model, protocol), found in zip(asked, results(asked.values()), strict=True):
        named = {"model": model, "protocol": protocol, "role": roster[model].role}
        tables.append(found.assign(**named, dataset=dataset, seed=seed))
    return pd.concat(tables, ignore_index=True)


def score_table(recalls: pd.DataFrame, roster: Mapping, genes: Mapping | None = None):
    """Rows of `gather` in the schema of scores; `genes` maps some of its keys to `gene_recalls`."""
    genes = dict(genes or {})
    tables = []
    for (model, post, protocol), rows in recalls.groupby(["model", "post", "protocol"], sort=False):
        first = rows.iloc[0]
        tables.append(
            scores(
                rows.set_index("database"),
                genes.get((model, post, protocol)),
                dataset=first["dataset"],
                model=model,
                params=dict(roster[model].params) if model in roster else {},
                post=post,
                protocol=protocol,
                role=first["role"],
                seed=int(first["seed"]),
            )
        )
    return pd.concat(tables, ignore_index=True)


def ordered(recalls: pd.DataFrame, by: str = "recall") -> pd.DataFrame:
    """Rows in the order of a figure: ceilings, candidates from the best down, floors."""
    rank = recalls["role"].map({"ceiling": 0, "candidate": 1, "reported": 2, "floor": 3})
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
    """Recalls and what genes that match achieve, one under the other, for `plots.forest`.

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


@step
def cell_counting(means, *, post: str) -> dict[str, float]:
    """How closely cosines of means follow the numbers of cells.

    Parameters
    ----------
    means : dict
        Of `known_relationships.perturbation_means`.
    post : str

    Returns
    -------
    dict
        `spearman` of the cosine of a pair with 1/n + 1/m, in [-1, 1]; strongly negative where
        similarity counts cells.
    """
    from scipy.stats import spearmanr

    from helpers.metrics.embeddings.similarities import unit_rows

    unit = unit_rows(means[post])
    i, j = np.triu_indices(len(unit), 1)
    n_cells = np.asarray(means["n_cells"], dtype=float)
    cosines = (unit @ unit.T)[i, j]
    few = 1 / n_cells[i] + 1 / n_cells[j]
    known = ~np.isnan(cosines)
    return {"spearman": float(spearmanr(cosines[known], few[known]).statistic)}
