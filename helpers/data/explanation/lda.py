"""Expression profiles from a hierarchical LDA model, with the genes that tell classes apart known.

A sample draws shares of gene groups from its class, its reads draw a group, then a gene of the
group (Bontonou et al. 2023). Reads given the shares are multinomial over genes, so that they are
drawn at once: the same distribution, without a loop over reads or groups.
"""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy.sparse import csr_matrix

from helpers.data.contract import DataError
from helpers.store import step

DESIGNS = ("disjoint", "random", "chain", "ring")
SPLIT_SEED = 43  # of the published split; loader.py:194-204
TEST_SHARE = 0.4

_MOST = np.iinfo(np.uint16).max


def simulate_lda(
    rng: np.random.Generator,
    *,
    n_per_kind: Sequence[int],
    n_genes: int,
    n_groups: int,
    groups_per_kind: int,
    class_of: Sequence[int] | None = None,
    design: str = "disjoint",
    group_size: int = 10,
    n_reads: int = 1_500_000,
    prior: float = 4.0,
    fold: float = 2.0,
    concentration: float = 5.0,
    least_share: float = 0.1,
    keep_theta: bool = False,
) -> AnnData:
    """Simulate profiles of read counts.

    A *kind* is what over-expresses groups of its own; a class is one kind or several.

    Parameters
    ----------
    rng
        Gives one 64-bit number, from which everything follows; each sample has its own stream.
    n_per_kind : sequence of int
        Samples of each kind, at least 1.
    n_genes, n_groups
        Genes V and groups G.
    groups_per_kind
        Groups P that a kind over-expresses: kind c the groups P c to P c + P - 1.
    class_of : sequence of int, optional
        Class of each kind, 0 to the number of classes - 1. Default: every kind is a class.
    design : {"disjoint", "random", "chain", "ring"}
        Members of groups: consecutive genes, none shared; each gene in each group with probability
        `group_size` / V (empty groups drawn again); consecutive genes, the last of one group the
        first of the next, without or with the last group closing the ring.
    group_size
        Genes a group, or their mean number.
    n_reads
        Reads N a sample.
    prior, fold
        Dirichlet parameter of a group's share in a sample, at least 0.01, and its factor where the
        group is over-expressed, at least 1: also the expected fold change.
    concentration
        Dirichlet parameter η of the genes of a group, at least 0.01.
    least_share
        Over-expressed groups in which a gene has less than `least_share` / `group_size` of the
        group's reads are drawn again, alone.
    keep_theta
        Keep the shares of groups in `obsm["theta"]`.

    Returns
    -------
    AnnData of shape (n_samples, V)
        `X` counts, dense, uint16 (uint32 where a count needs it); rows sum to N. Training samples
        come first, in the order of the published shuffle. Genes of no group stay, at zero. `obs`:
        `class`, `kind` (categorical), `split` (train, or test by the published rule),
        `total_counts`. `uns["truth"]`: `indptr`, `indices`, `beta` (groups x genes),
        `overexpressed` (kinds x P), `class_of`.

    Raises
    ------
    DataError
        Knobs out of range or that do not fit each other.

    References
    ----------
    Bontonou et al. 2023, arXiv 2303.11336; mbonto/XAI_for_genomics 36de591,
    Simulation/Data/simulate_data.py.
    """
    knobs = dict(locals())
    knobs.pop("rng")
    n_per_kind, class_of = _checked(knobs)
    (root,) = rng.integers(2**63, size=1)
    design_rng = np.random.default_rng([int(root), 0])
    n_kinds = len(n_per_kind)
    overexpressed = np.arange(n_kinds * groups_per_kind).reshape(n_kinds, groups_per_kind)
    checked = overexpressed.size
    groups = [
        _group(design_rng, g, knobs, least_share / group_size if g < checked else 0.0)
        for g in range(n_groups)
    ]
    indptr = np.cumsum([0, *(len(genes) for genes, _ in groups)])
    indices = np.concatenate([genes for genes, _ in groups])
    beta = np.concatenate([shares for _, shares in groups])

    train, test = split_order(sum(n_per_kind))
    number = np.concatenate([train, test])  # rows in the published order, which is that of batches
    kind = np.repeat(np.arange(n_kinds), n_per_kind)[number]
    alpha = np.full((n_kinds, n_groups), prior)
    np.put_along_axis(alpha, overexpressed, prior * fold, axis=1)
    # Only genes that can be drawn: the remainder of a multinomial would fall to the last gene.
    drawn, column = np.unique(indices, return_inverse=True)
    profile = csr_matrix((beta, column, indptr), shape=(n_groups, len(drawn))).T.tocsr()
    where = slice(None) if len(drawn) == n_genes else drawn
    counts = np.zeros((len(kind), n_genes), dtype=np.uint16)
    theta = np.empty((len(kind), n_groups if keep_theta else 0), dtype=np.float32)
    for i, k in enumerate(kind):
        stream = np.random.Generator(np.random.SFC64([int(root), 1, int(number[i])]))
        shares = stream.dirichlet(alpha[k])
        p = profile @ shares
        reads = _multinomial(stream, n_reads, p / p.sum())
        if counts.dtype == np.uint16 and reads.max() > _MOST:
            counts = counts.astype(np.uint32)
        counts[i, where] = reads
        if keep_theta:
            theta[i] = shares
    return _adata(
        counts, number, kind, class_of, overexpressed, indptr, indices, beta, knobs, theta
    )


def _multinomial(rng, n: int, p: np.ndarray) -> np.ndarray:
    """One multinomial draw of n reads, for many categories with many reads each.

    Poisson counts of a slightly smaller mean are multinomial given their sum, whatever it is; the
    reads that it lacks are drawn one by one. Exact, and half as long as a binomial a category.
    """
    mean = n - 6 * np.sqrt(n)
    if mean < n / 2:
        return rng.multinomial(n, p)
    while True:
        reads = rng.poisson(mean * p)
        lacking = n - int(reads.sum())
        if lacking >= 0:
            break
    ends = np.cumsum(p)
    rest = np.searchsorted(ends, np.sort(rng.random(lacking)) * ends[-1], side="right")
    return reads + np.bincount(rest, minlength=len(p))


def _group(rng, number: int, knobs: Mapping, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Genes of a group, and their shares of its reads; drawn again until all reach `least`."""
    while True:
        genes = _members(rng, number, knobs)
        shares = rng.dirichlet(np.full(len(genes), knobs["concentration"]))
        if shares.min() >= least:
            return genes, shares


def _members(rng, number: int, knobs: Mapping) -> np.ndarray:
    size, n_genes = knobs["group_size"], knobs["n_genes"]
    if knobs["design"] == "disjoint":
        return np.arange(number * size, (number + 1) * size)
    if knobs["design"] == "random":
        while True:
            # As many as a Bernoulli draw of each gene gives, without a pass over all genes.
            n = rng.binomial(n_genes, size / n_genes)
            if n:
                return np.sort(rng.choice(n_genes, n, replace=False))
    genes = np.arange(number * (size - 1), number * (size - 1) + size)
    return np.sort(genes % n_genes) if knobs["design"] == "ring" else genes


def _checked(knobs: Mapping) -> tuple[list[int], np.ndarray]:
    """Samples and class of each kind; or everything that is wrong with the knobs."""
    n_per_kind = list(knobs["n_per_kind"])
    class_of = knobs["class_of"]
    class_of = list(range(len(n_per_kind)) if class_of is None else class_of)
    V, G, size = knobs["n_genes"], knobs["n_groups"], knobs["group_size"]
    design = knobs["design"]
    needed = {
        "disjoint": G * size,
        "random": size,
        "chain": G * (size - 1) + 1,
        "ring": G * (size - 1),
    }
    problems = []
    if len(n_per_kind) < 2 or not all(isinstance(n, int) and n >= 1 for n in n_per_kind):
        problems.append(f"n_per_kind is {n_per_kind}; at least 2 kinds with 1 sample or more")
    if len(class_of) != len(n_per_kind):
        problems.append(f"class_of names {len(class_of)} kinds, n_per_kind {len(n_per_kind)}")
    elif sorted(set(class_of)) != list(range(max(class_of) + 1)) or len(set(class_of)) < 2:
        problems.append(f"class_of is {class_of}; classes are 0, 1, ... without a gap, 2 or more")
    if design not in DESIGNS:
        problems.append(f"design is {design!r}; it is one of {', '.join(DESIGNS)}")
    elif needed[design] > V or (design == "ring" and needed[design] != V):
        problems.append(f"{G} groups of {size} need {needed[design]} genes, n_genes is {V}")
    if knobs["groups_per_kind"] < 1 or knobs["groups_per_kind"] * len(n_per_kind) > G:
        problems.append(
            f"{len(n_per_kind)} kinds x groups_per_kind {knobs['groups_per_kind']} do not fit into "
            f"{G} groups"
        )
    if size < (2 if design in ("chain", "ring") else 1):
        problems.append(f"group_size is {size}; at least 1, 2 in a chain or ring")
    for name, low, high in (
        ("n_reads", 1, 2**32 - 1),
        ("prior", 0.01, 1e6),
        ("fold", 1, 1e3),
        ("concentration", 0.01, 1e6),
        ("least_share", 0, 0.5),
    ):
        if not low <= knobs[name] <= high:
            problems.append(f"{name} is {knobs[name]}; it lies in [{low:g}, {high:g}]")
    if problems:
        raise DataError("LDA simulation: " + "; ".join(problems))
    return n_per_kind, np.asarray(class_of)


def _adata(
    counts, number, kind, class_of, overexpressed, indptr, indices, beta, knobs, theta
) -> AnnData:
    n_kinds = len(class_of)
    hidden = len(set(class_of)) < n_kinds

    def named(prefix: str, codes: np.ndarray, n: int) -> pd.Categorical:
        width = len(str(n - 1))
        return pd.Categorical.from_codes(codes, [f"{prefix} {i:0{width}d}" for i in range(n)])

    label = named("class", class_of[kind], len(set(class_of)))
    width = len(str(counts.shape[1] - 1))
    is_test = np.arange(len(kind)) >= len(split_order(len(kind))[0])
    adata = AnnData(
        X=counts,
        obs=pd.DataFrame(
            {
                "class": label,
                "kind": named("kind", kind, n_kinds) if hidden else label,
                "split": pd.Categorical.from_codes(is_test.astype(int), ["train", "test"]),
                "total_counts": np.full(len(kind), float(knobs["n_reads"])),
            },
            index=[f"sample {i}" for i in number],
        ),
        var=pd.DataFrame(index=[f"gene {i:0{width}d}" for i in range(counts.shape[1])]),
        uns={
            "scale": {"kind": "counts", "target_sum": None},
            "dataset": {
                "name": "LDA",
                "sha256": hashlib.sha256(np.ascontiguousarray(counts)).hexdigest(),
                "licence": "CC0-1.0",
                "citation": "The Perturbation Benchbook, after Bontonou et al. 2023",
            },
            "truth": {
                "indptr": indptr.astype(np.int64),
                "indices": indices.astype(np.int64),
                "beta": beta,
                "overexpressed": overexpressed,
                "class_of": class_of,
            },
        },
    )
    if theta.shape[1]:
        adata.obsm["theta"] = theta
    return adata


def split_order(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and to test on, in the order of the published shuffle.

    Parameters
    ----------
    n : int
        Samples.

    Returns
    -------
    train, test : ndarray of int
        Of the shuffled rows the first 40 % (rounded down) are for testing; not stratified.

    References
    ----------
    mbonto/XAI_for_genomics 36de591, loader.py:194-204.
    """
    order = np.arange(n)
    np.random.RandomState(SPLIT_SEED).shuffle(order)
    n_test = int(TEST_SHARE * n)
    return order[n_test:], order[:n_test]


@step
def simulated_lda(
    *,
    seed: int,
    n_per_kind: Sequence[int],
    n_genes: int,
    n_groups: int,
    groups_per_kind: int,
    class_of: Sequence[int] | None = None,
    design: str = "disjoint",
    group_size: int = 10,
    n_reads: int = 1_500_000,
    prior: float = 4.0,
    fold: float = 2.0,
    concentration: float = 5.0,
    least_share: float = 0.1,
    keep_theta: bool = False,
) -> AnnData:
    """The profiles that `simulate_lda` makes of these knobs and this seed, as a step."""
    knobs = dict(locals())
    return simulate_lda(np.random.default_rng(knobs.pop("seed")), **knobs)


def cpm(adata: AnnData) -> np.ndarray:
    """Counts per million, float32, shape (n_samples, n_genes)."""
    factor = 1e6 / adata.obs["total_counts"].to_numpy(float)
    return adata.X * factor.astype(np.float32)[:, None]


def group_members(adata: AnnData) -> list[np.ndarray]:
    """Genes of each group, as indices."""
    truth = adata.uns["truth"]
    return np.split(truth["indices"], truth["indptr"][1:-1])


def informative_groups(adata: AnnData) -> dict[str, np.ndarray]:
    """Groups that tell a kind from the other classes, by name of the kind.

    Those that the kind over-expresses; where there are two classes only, also those of the kinds
    of the other class, whose absence tells as much.

    Returns
    -------
    dict of kind to ndarray of group numbers, ascending

    References
    ----------
    mbonto/XAI_for_genomics 36de591, XAI_interpret.py:586-612.
    """
    truth = adata.uns["truth"]
    class_of, overexpressed = np.asarray(truth["class_of"]), np.asarray(truth["overexpressed"])
    two = len(set(class_of)) == 2
    return {
        name: np.sort(
            np.concatenate(
                [
                    overexpressed[k],
                    *(overexpressed[class_of != class_of[k]] if two else []),
                ]
            )
        )
        for k, name in enumerate(adata.obs["kind"].cat.categories)
    }


def informative_genes(adata: AnnData) -> dict[str, np.ndarray]:
    """Genes that tell a kind from the other classes: members of its informative groups.

    Returns
    -------
    dict of kind to boolean ndarray of shape (n_genes,)
    """
    members = group_members(adata)
    found = {}
    for kind, groups in informative_groups(adata).items():
        found[kind] = np.zeros(adata.n_vars, dtype=bool)
        for group in groups:
            found[kind][members[group]] = True
    return found
