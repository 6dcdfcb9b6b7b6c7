"""Networks of real cells, judged on held-out cells; how many cells decide how much is called."""

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.discovery.network_cells import (
    NO_TARGET,
    Cells,
    cells_of,
    closed,
    equalised,
    knocked_down,
    parts,
)
from helpers.metrics.discovery import networks as metrics
from helpers.models.discovery.networks.means import arm_means, mean_difference
from helpers.store.steps import step
from helpers.tasks.discovery.networks import DUPLICATE, SHARES, scores_of
from helpers.tasks.requirements import CannotAnswer

SERIES = ("pairs", "pairs, corrected", "pairs, effect", "halves of controls")
FEWEST_CELLS = 101
"""Of an arm that CausalBench keeps."""
LEAST_EFFECT = 0.05
"""|P(perturbed > control) - 1/2| that counts as an effect."""


def real_cells(data, *, only_perturbed: bool = False, filtered: bool = False) -> Cells:
    """Cells of a screen on a log scale: log(1 + count) where it holds counts.

    No library size is known of panels, so that none is divided out.

    Parameters
    ----------
    data : AnnData
    only_perturbed : bool
        Keep only genes that were perturbed as variables.
    filtered : bool
        Keep of each arm the cells with a low count of its target, and only arms of which more than
        100 cells are left, as CausalBench does.

    Raises
    ------
    DataError
        A scale that is neither counts nor logarithms, or what `cells_of` refuses.
    CannotAnswer
        A filter without counts, or one that leaves no arm.
    """
    kind = data.uns["scale"]["kind"]
    if kind not in ("counts", "log", "log1p"):
        raise DataError(f"expression is {kind!r}; networks are asked of counts or logarithms")
    x = data.X.toarray() if hasattr(data.X, "toarray") else np.asarray(data.X)
    raw, names = x.astype(float), data.obs["perturbation"].to_numpy()
    x = np.log1p(raw) if kind == "counts" else raw
    found = cells_of(names, x, data.var_names)
    if filtered:
        if kind != "counts":
            raise CannotAnswer(f"expression is {kind!r}, and the filter of cells reads raw counts")
        low = knocked_down(raw, found.target)
        if (np.bincount(found.target[low & (found.target >= 0)]) < FEWEST_CELLS).all():
            raise CannotAnswer("no arm has more than 100 cells with a low count of its target")
        found = cells_of(names[low], x[low], data.var_names, least=FEWEST_CELLS)
    return closed(found) if only_perturbed else found


@step
def described(data, *, only_perturbed: bool = False) -> pd.DataFrame:
    """Arms of a screen, and what each does to its own gene.

    Returns
    -------
    DataFrame
        `perturbed`, `cells`, `own change` (of the mean log), `p` of it, `others called` (share of
        the other genes with p < 0.05), and the number of genes `of`.
    """
    cells = real_cells(data, only_perturbed=only_perturbed)
    means = arm_means(cells.expression, cells.target)
    from helpers.metrics.de import mann_whitney

    kept = cells.target >= NO_TARGET
    target = cells.target[kept]
    test = mann_whitney(cells.expression[kept], target, target == NO_TARGET, bounded=False)
    rows = []
    for arm, n, p in zip(test.groups.astype(int), test.n_cells, test.p_value, strict=True):
        others = np.delete(p, arm)
        called = float((others < metrics.LEVEL).mean())
        own = float(means.changes[arm, arm])
        rows.append([cells.genes[arm], int(n), own, float(p[arm]), called, len(others)])
    columns = ["perturbed", "cells", "own change", "p", "others called", "of"]
    return pd.DataFrame(rows, columns=columns)


@step
def called_by_size(
    data, *, sizes: list[int], n_draws: int, seed: int, only_perturbed: bool = False
) -> pd.DataFrame:
    """Share of pairs that the test calls, against the number of cells of an arm.

    It is the false omission rate of the empty network. Beside it stand the same after correction,
    the same for effects of `LEAST_EFFECT` or more, and the null: as many arms, each drawn from the
    controls, against the other controls. A null arm is at most half of the controls.

    Parameters
    ----------
    data : AnnData
    sizes : list of int
        Cells of an arm; smaller arms stay as they are.
    n_draws : int
    seed : int

    Returns
    -------
    DataFrame
        `cells`, `draw`, `series` (of `SERIES`), `share`, `n` (pairs).
    """
    cells, rows = real_cells(data, only_perturbed=only_perturbed), []
    empty = np.zeros((len(cells.genes),) * 2, dtype=bool)
    for size in sizes:
        for draw in range(n_draws):
            kept = equalised(cells.target, size, seed=seed + draw)
            own = cells.of(kept)
            tests = metrics.pair_tests(own.expression, own.target)
            settings = ({}, {"corrected": True}, {"least_effect": LEAST_EFFECT})
            for series, how in zip(SERIES, settings, strict=False):
                found = metrics.false_omissions(empty, tests, **how)
                share, n = found["false_omission_rate"], found["n_omitted"]
                rows.append([size, draw, series, share, n])
            share, n = _null(cells, size, seed + draw)
            rows.append([size, draw, SERIES[-1], share, n])
    return pd.DataFrame(rows, columns=["cells", "draw", "series", "share", "n"])


def _null(cells: Cells, size: int, seed: int) -> tuple[float, int]:
    """Share of genes that the test calls between controls and arms drawn from them."""
    rng, called, n = np.random.default_rng(seed), 0, 0
    controls = cells.expression[cells.target == NO_TARGET]
    for _ in cells.arms:
        order = rng.permutation(len(controls))
        target = np.full(len(controls), NO_TARGET)
        target[order[: min(size, len(controls) // 2)]] = 0
        p = metrics.pair_tests(controls, target).p_value[0]
        called += int((p[1:] < metrics.LEVEL).sum())
        n += len(p) - 1
    return called / n, n


@step
def judged_on_cells(
    data,
    *,
    method: str,
    seed: int,
    n_edges: int,
    n_cells: int | None,
    truth=None,
    known=None,
    databases: list | None = None,
    shares: list | None = None,
    filtered: bool = False,
) -> pd.DataFrame:
    """Scores of a method's network on held-out cells, cells of each arm made equal first.

    Only edges from perturbed genes are ranked: no other can be judged.

    Parameters
    ----------
    data : AnnData
    method : str
        Of `helpers.tasks.discovery.networks.SETTINGS`, or its `DUPLICATE`.
    seed : int
        Of arms, parts and the method.
    n_edges : int
        First edges that are the network.
    n_cells : int, optional
        Of each arm, at most; default: all.
    truth : list of pairs of names, optional
        Edges of a consensus network.
    known : DataFrame, optional
        `database`, `gene_a`, `gene_b`: lists of known pairs, either way round. Symbols are compared
        in capitals: orthologues of mouse and human mostly share theirs.
    databases : list of str, optional
        Lists that are asked.
    shares : list of float, optional
        Of the cells of an arm: to infer from, for the duplicate if there are three, and, the last,
        to judge. Default: `SHARES`.
    filtered : bool
        Genes and cells as CausalBench keeps them: see `real_cells`.

    Returns
    -------
    DataFrame
        `post` ("raw", or the list), `metric`, `value`, `n`; with a truth also
        `direct_average_precision`; with lists `known_pairs_excess` (hits less those of rewired
        networks, as a share of the edges; `n` is that of known pairs among the genes).
    """
    cells = real_cells(data, only_perturbed=filtered, filtered=filtered)
    if n_cells is not None:
        cells = cells.of(equalised(cells.target, n_cells, seed=seed))
    shares = list(SHARES) if shares is None else shares
    if method == DUPLICATE and len(shares) < 3:
        raise DataError(f"{DUPLICATE} needs cells of its own: name three shares")
    part = parts(cells.target, shares, seed=seed)
    judge = cells.of(part == len(shares) - 1)
    own = cells.of(part == (1 if method == DUPLICATE else 0))
    if method == DUPLICATE:
        scores = mean_difference(arm_means(own.expression, own.target))
    else:
        scores = scores_of(method, own.expression, own.target, seed=seed)
    scores = np.where(np.isin(np.arange(len(scores)), cells.arms)[:, None], scores, np.nan)
    tests = metrics.pair_tests(judge.expression, judge.target)
    edges = metrics.top_edges(scores, n_edges, np.random.default_rng(seed))
    found = metrics.edge_scores(edges, tests)
    n = found.pop("n_edges")
    rows = [["raw", name, value, n] for name, value in found.items()]
    omitted = metrics.false_omissions(edges, tests, longest=1)
    rate = omitted["false_omission_rate"]
    rows.append(["raw", "false_omission_rate", rate, omitted["n_omitted"]])
    if truth:
        own = of_names(truth, cells.genes)[cells.arms]
        ranked = _precision(scores[cells.arms], own, cells.arms)
        rows.append(["raw", "direct_average_precision", ranked, int(own.sum())])
    if databases:
        lists = listed_pairs(known, databases, cells.genes)
        hits = metrics.known_hits(edges, lists, np.random.default_rng(seed))
        for name, own in hits.items():
            n = int(np.triu(lists[name]).sum())
            rows.append([name, "known_pairs_excess", own["excess"], n])
    return pd.DataFrame(rows, columns=["post", "metric", "value", "n"])


def _precision(scores, known, arms) -> float:
    """Average precision over the pairs from perturbed genes alone."""
    n = scores.shape[1]
    whole, truth = np.full((n, n), np.nan), np.zeros((n, n), dtype=bool)
    whole[arms], truth[arms] = scores, known
    rows = whole[arms][~np.eye(n, dtype=bool)[arms]]
    from sklearn.metrics import average_precision_score

    least = np.nanmin(rows) if np.isfinite(rows).any() else 0.0
    own = truth[arms][~np.eye(n, dtype=bool)[arms]]
    return float(average_precision_score(own, np.where(np.isnan(rows), least - 1, rows)))


def of_names(pairs, genes, *, both_ways: bool = False) -> np.ndarray:
    """Pairs of names as a bool matrix of the genes; pairs of other genes are left out."""
    place = {gene: i for i, gene in enumerate(genes)}
    found = np.zeros((len(genes),) * 2, dtype=bool)
    for a, b in pairs:
        if a in place and b in place and a != b:
            found[place[a], place[b]] = True
            found[place[b], place[a]] |= both_ways
    return found


def listed_pairs(known: pd.DataFrame, databases, genes) -> dict[str, np.ndarray]:
    """Known pairs of the genes by list, either way round; symbols in capitals.

    Raises
    ------
    DataError
        A list that is not there.
    """
    if absent := sorted(set(databases) - set(known["database"])):
        there = ", ".join(sorted(set(known["database"])))
        raise DataError(f"no lists {', '.join(absent)}; there are {there}")
    genes, found = [gene.upper() for gene in genes], {}
    for name in databases:
        own = known[known["database"] == name]
        pairs = zip(own["gene_a"], own["gene_b"], strict=True)
        found[name] = of_names(pairs, genes, both_ways=True)
    return found


@step
def known_lists(known, sets, data, *, sources: list, largest: int) -> pd.DataFrame:
    """Lists of known pairs, and pairs of genes that share a small set as further lists.

    Parameters
    ----------
    known : DataFrame
        `database`, `gene_a`, `gene_b`.
    sets : DataFrame
        `source`, `set`, `gene`.
    data : AnnData
        Whose genes are asked, in capitals.
    sources : list of str
        Of sets; each becomes a list.
    largest : int
        Genes of a set: in a large one nearly all pairs share something.

    Returns
    -------
    DataFrame
        As `known`.
    """
    own = sets[sets["source"].isin(sources)]
    own = own[own.groupby(["source", "set"])["gene"].transform("size") <= largest]
    own = own[own["gene"].isin([gene.upper() for gene in data.var_names])]
    pairs = own.merge(own, on=["source", "set"])
    pairs = pairs[pairs["gene_x"] < pairs["gene_y"]][["source", "gene_x", "gene_y"]]
    pairs = pairs.drop_duplicates().set_axis(["database", "gene_a", "gene_b"], axis=1)
    return pd.concat([known[["database", "gene_a", "gene_b"]], pairs], ignore_index=True)
