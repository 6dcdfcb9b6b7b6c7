"""Networks of genes judged by interventions, and by a planted truth.

A network is a bool matrix: row acts on column, nothing on itself. An edge A -> B is judged on
held-out cells by what perturbing A does to the distribution of B.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import false_discovery_control

from helpers.metrics.de import mann_whitney

LEVEL = 0.05


@dataclass(frozen=True)
class PairTests:
    """What perturbing each gene does to each other one.

    Parameters
    ----------
    w1 : ndarray of shape (n_genes, n_genes)
        Wasserstein-1 distance of the column under a perturbation of the row from controls; NaN on
        the diagonal and in rows of genes that were not perturbed.
    p_value : ndarray of shape (n_genes, n_genes)
        Of the two-sided Mann-Whitney test; NaN as in `w1`.
    p_adjusted : ndarray of shape (n_genes, n_genes)
        Benjamini-Hochberg over all tested pairs.
    effect : ndarray of shape (n_genes, n_genes)
        Probability that a perturbed cell is higher than a control, ties counted half, less 1/2.
    """

    w1: np.ndarray
    p_value: np.ndarray
    p_adjusted: np.ndarray
    effect: np.ndarray

    @property
    def tested(self) -> np.ndarray:
        """Pairs that have a test; bool (n_genes, n_genes)."""
        return np.isfinite(self.p_value)


def pair_tests(values, target) -> PairTests:
    """Both statistics of CausalBench for all ordered pairs at once.

    Parameters
    ----------
    values : array of shape (n_cells, n_genes), finite
    target : int array of shape (n_cells,)
        Column of the perturbed gene, -1 for controls; others (below -1) are left out.

    Returns
    -------
    PairTests
        P-values are those of the normal approximation with ties and continuity. CausalBench calls
        scipy, which counts arrangements instead where a group has 8 cells or fewer and no ties.

    Raises
    ------
    ValueError
        No controls, or no gene perturbed.

    References
    ----------
    Chevalley et al. 2025, Communications Biology 8 (CausalBench).
    """
    values, target = np.asarray(values), np.asarray(target)
    kept = target >= -1
    values, target = values[kept], target[kept]
    test = mann_whitney(values, target, target == -1, bounded=False)
    arms, n = test.groups.astype(int), values.shape[1]
    w1, p_value, effect = np.full((3, n, n), np.nan)
    w1[arms] = wasserstein(values, target)
    p_value[arms] = test.p_value
    n_controls = (target == -1).sum()
    effect[arms] = test.u / (test.n_cells[:, None] * n_controls) - 0.5
    for matrix in (w1, p_value, effect):
        np.fill_diagonal(matrix, np.nan)
    adjusted, tested = np.full((n, n), np.nan), np.isfinite(p_value)
    if tested.any():
        adjusted[tested] = false_discovery_control(p_value[tested], method="bh")
    return PairTests(w1, p_value, adjusted, effect)


def wasserstein(values, target) -> np.ndarray:
    """Wasserstein-1 distance of each arm from the controls, gene by gene.

    Parameters
    ----------
    values : array of shape (n_cells, n_genes)
    target : int array of shape (n_cells,)
        Arm of each cell, -1 for controls.

    Returns
    -------
    ndarray of shape (n_arms, n_genes), in [0, inf)
        Arms in the order of their numbers.

    Notes
    -----
    The distance is the area between the two distribution functions, F of the controls and G of the
    arm. Between two neighbouring cells of the arm G is constant and F rises, so the area is a
    difference of integrals of F on either side of the point where F crosses G. The integral of F up
    to t is the mean of max(0, t - control), which one search in the sorted controls gives. All arms
    of a gene are done in one pass: for n controls and m cells, O((n + m) log n).
    """
    values, target = np.asarray(values, dtype=float), np.asarray(target)
    order = np.argsort(target, kind="stable")
    arm = target[order]
    n_controls = int((arm == -1).sum())
    rows, arm = order[n_controls:], arm[n_controls:]
    starts = np.flatnonzero(np.r_[True, arm[1:] != arm[:-1]])
    size = np.diff(np.r_[starts, len(arm)])
    number = np.repeat(np.arange(len(size)), size)
    place = np.arange(len(arm)) - starts[number] + 1  # of a cell within its arm, from 1
    inner = place < size[number]
    share = place / size[number]
    # the least control at which F reaches G, in whole numbers
    crossing = -(-place * n_controls // size[number]) - 1
    found = np.empty((len(size), values.shape[1]))
    for gene in range(values.shape[1]):
        controls = np.sort(values[order[:n_controls], gene])
        sums = np.r_[0.0, np.cumsum(controls)]
        own = values[rows, gene]
        own = own[np.lexsort((own, number))]

        def integral(t, controls=controls, sums=sums):
            below = np.searchsorted(controls, t, side="right")
            return (below * t - sums[below]) / n_controls

        area = integral(own)
        left, right, g = own[inner], own[np.flatnonzero(inner) + 1], share[inner]
        cut = np.clip(controls[crossing[inner]], left, right)
        at_cut = integral(cut)
        between = g * (2 * cut - left - right) - 2 * at_cut
        between += area[inner] + area[np.flatnonzero(inner) + 1]
        last = np.r_[starts[1:], len(own)] - 1
        beyond = area[last] - (own[last] - sums[-1] / n_controls)  # mean of max(0, control - t)
        total = np.bincount(number[inner], between, len(size)) + area[starts] + beyond
        found[:, gene] = np.maximum(total, 0)
    return found


# A network judged on held-out cells -----------------------------------------------------------


def edge_scores(edges, tests: PairTests) -> dict[str, float]:
    """How strong and how certain the predicted edges are.

    Parameters
    ----------
    edges : bool array of shape (n_genes, n_genes)
    tests : PairTests

    Returns
    -------
    dict
        `mean_wasserstein` over predicted edges; `edge_precision`, the share of them that the test
        calls at 0.05, as published; `edge_precision_bh`, the same after Benjamini-Hochberg over all
        pairs; `n_edges` that were tested. An empty network, or one without a tested edge, has no
        mean: NaN, and 0 edges.
    """
    own = _network(edges, tests) & tests.tested
    if not own.any():
        none = dict.fromkeys(("mean_wasserstein", "edge_precision", "edge_precision_bh"), np.nan)
        return none | {"n_edges": 0}
    return {
        "mean_wasserstein": float(tests.w1[own].mean()),
        "edge_precision": float((tests.p_value[own] < LEVEL).mean()),
        "edge_precision_bh": float((tests.p_adjusted[own] < LEVEL).mean()),
        "n_edges": int(own.sum()),
    }


def _network(edges, tests: PairTests) -> np.ndarray:
    """Edges as bool, of the genes that were tested."""
    edges = np.asarray(edges, dtype=bool)
    if edges.shape != tests.p_value.shape:
        raise ValueError(
            f"edges are {edges.shape}, tests {tests.p_value.shape}: not the same genes"
        )
    return edges


def reached(edges, longest: int) -> np.ndarray:
    """Pairs that a directed path of at most so many edges leads through; -1: of any length.

    Returns
    -------
    bool ndarray of shape (n_genes, n_genes), False on the diagonal
    """
    edges = np.asarray(edges, dtype=bool)
    step, found = edges.astype(np.float32), edges & ~np.eye(len(edges), dtype=bool)
    limit = len(edges) if longest == -1 else longest
    for _ in range(limit - 1):
        further = found | (found.astype(np.float32) @ step > 0)
        np.fill_diagonal(further, False)
        if (further == found).all():
            break
        found = further
    return found


def reached_as_published(edges, longest: int) -> np.ndarray:
    """What CausalBench's code takes for paths of at most so many edges.

    Each of its rounds joins reachable pairs to reachable pairs, not to edges: two rounds, for
    paths of 3, reach 4.
    """
    found = np.asarray(edges, dtype=bool) & ~np.eye(len(edges), dtype=bool)
    for _ in range((len(found) if longest == -1 else longest) - 1):
        further = found | (found.astype(np.float32) @ found.astype(np.float32) > 0)
        np.fill_diagonal(further, False)
        if (further == found).all():
            break
        found = further
    return found


def false_omissions(
    edges,
    tests: PairTests,
    *,
    longest: int = -1,
    n_pairs: int | None = None,
    least_effect: float = 0.0,
    corrected: bool = False,
    published: bool = False,
    rng: np.random.Generator | None = None,
) -> dict[str, float]:
    """Share of pairs which the network does not connect, and which the test calls.

    Parameters
    ----------
    edges : bool array of shape (n_genes, n_genes)
    tests : PairTests
    longest : int
        Pairs with a path of at most so many edges are connected; -1: of any length.
    n_pairs : int, optional
        So many unconnected pairs are drawn without replacement, or all where there are fewer: so it
        ends on dense networks, which the released code does not. Default: all, nothing is drawn.
    least_effect : float in [0, 0.5]
        Only effects of at least this size count as omitted: |P(perturbed > control) - 1/2|.
    corrected : bool
        Benjamini-Hochberg over all pairs.
    published : bool
        Paths as in `reached_as_published`.
    rng : numpy.random.Generator
        Of the draw.

    Returns
    -------
    dict
        `false_omission_rate` in [0, 1], `omitted_wasserstein` (mean distance of these pairs),
        `n_omitted` (pairs that were judged). NaN and 0 where every tested pair is connected.

    Raises
    ------
    ValueError
        Edges of other genes, or a draw without a generator.
    """
    edges = _network(edges, tests)
    connected = (reached_as_published if published else reached)(edges, longest)
    free = np.flatnonzero(tests.tested & ~connected)
    if n_pairs is not None and len(free) > n_pairs:
        if rng is None:
            raise ValueError("pairs are drawn: pass rng, or leave n_pairs out and take all")
        free = rng.choice(free, n_pairs, replace=False)
    if not len(free):
        return {"false_omission_rate": np.nan, "omitted_wasserstein": np.nan, "n_omitted": 0}
    p = (tests.p_adjusted if corrected else tests.p_value).ravel()[free]
    called = (p < LEVEL) & (np.abs(tests.effect.ravel()[free]) >= least_effect)
    return {
        "false_omission_rate": float(called.mean()),
        "omitted_wasserstein": float(tests.w1.ravel()[free].mean()),
        "n_omitted": len(free),
    }


# A network judged by a list, or by the planted truth ------------------------------------------


def precision_recall(edges, truth) -> tuple[float, float]:
    """Share of the predicted edges that are true (NaN if none), and of the true ones found."""
    edges, truth = np.asarray(edges, dtype=bool), np.asarray(truth, dtype=bool)
    hits = int((edges & truth).sum())
    return (
        hits / int(edges.sum()) if edges.any() else np.nan,
        hits / int(truth.sum()) if truth.any() else np.nan,
    )


def average_precision(scores, truth) -> float:
    """Average precision of a ranking of all ordered pairs; pairs that tie share their places.

    Parameters
    ----------
    scores : array of shape (n_genes, n_genes)
        Higher is more likely an edge; NaN, as for what a method cannot rank, comes last.
    truth : bool array of shape (n_genes, n_genes)

    Returns
    -------
    float in [0, 1]; the expected value of a random order is about the share of true pairs. NaN
    where nothing is true.
    """
    from sklearn.metrics import average_precision_score

    off = ~np.eye(len(truth), dtype=bool)
    truth = np.asarray(truth, dtype=bool)[off]
    scores = np.asarray(scores, dtype=float)[off]
    if not truth.any():
        return np.nan
    lowest = np.nanmin(scores) if np.isfinite(scores).any() else 0.0
    return float(average_precision_score(truth, np.where(np.isnan(scores), lowest - 1, scores)))


def top_edges(scores, n_edges: int, rng: np.random.Generator) -> np.ndarray:
    """The network of the highest scores; ties at its end are drawn.

    Returns
    -------
    bool ndarray of shape (n_genes, n_genes)
        `n_edges` edges, or as many as have a score above the method's zero: pairs that a method
        gives no score (NaN) or none above 0 are no edges.
    """
    scores = np.asarray(scores, dtype=float)
    rank = np.where(np.isfinite(scores) & (scores > 0), scores, -np.inf)
    np.fill_diagonal(rank, -np.inf)
    flat = rank.ravel()
    order = np.lexsort((rng.random(flat.size), -flat))[:n_edges]
    found = np.zeros(flat.size, dtype=bool)
    found[order[np.isfinite(flat[order])]] = True
    return found.reshape(scores.shape)


def rewired(edges, rng: np.random.Generator, *, n_swaps: int = 10) -> np.ndarray:
    """A random network in which every gene has as many parents and as many children.

    Parameters
    ----------
    edges : bool array of shape (n_genes, n_genes)
    rng : numpy.random.Generator
    n_swaps : int
        Attempts, in multiples of the number of edges, to swap the children of two edges.

    References
    ----------
    Maslov & Sneppen 2002, Science 296.
    """
    found = np.asarray(edges, dtype=bool).copy()
    parent, child = np.nonzero(found)
    n = len(parent)
    if n < 2:
        return found
    for i, j in rng.integers(n, size=(n_swaps * n, 2)):
        a, b, c, d = parent[i], child[i], parent[j], child[j]
        if a != d and c != b and not found[a, d] and not found[c, b]:
            found[a, b] = found[c, d] = False
            found[a, d] = found[c, b] = True
            child[i], child[j] = d, b
    return found


def same_parents(edges, rng: np.random.Generator) -> np.ndarray:
    """A random network in which every gene has as many children, drawn anew."""
    edges = np.asarray(edges, dtype=bool)
    order = rng.random(edges.shape)
    np.fill_diagonal(order, np.inf)
    return np.argsort(np.argsort(order, axis=1), axis=1) < edges.sum(axis=1, keepdims=True)


def known_hits(
    edges, known: Mapping[str, np.ndarray], rng: np.random.Generator, *, n_draws: int = 100
) -> dict[str, dict[str, float]]:
    """Predicted edges on lists of known pairs, against random pairs of the same genes.

    Parameters
    ----------
    edges : bool array of shape (n_genes, n_genes)
    known : mapping of str to bool array of shape (n_genes, n_genes)
        A list each; symmetric where it has no direction.
    rng : numpy.random.Generator
    n_draws : int
        Rewired networks, the same for all lists.

    Returns
    -------
    dict of dict, a list each
        `hits`; `expected`, their mean in networks in which every gene has as many parents and
        children; `excess`, hits less expected as a share of the edges, in [-1, 1] (NaN without
        edges); `hit_ratio` of the two (NaN where none is expected); `p_value`, the share of rewired
        networks with at least as many, the network itself counted.
    """
    edges = np.asarray(edges, dtype=bool)
    null = [rewired(edges, rng) for _ in range(n_draws)]
    found = {}
    for name, own in known.items():
        own = np.asarray(own, dtype=bool)
        hits = int((edges & own).sum())
        drawn = np.array([(one & own).sum() for one in null])
        expected = float(drawn.mean())
        found[name] = {
            "hits": hits,
            "expected": expected,
            "excess": (hits - expected) / edges.sum() if edges.any() else np.nan,
            "hit_ratio": hits / expected if expected else np.nan,
            "p_value": (1 + int((drawn >= hits).sum())) / (1 + n_draws),
        }
    return found
