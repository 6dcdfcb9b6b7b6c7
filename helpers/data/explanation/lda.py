"""Expression profiles from a hierarchical LDA model, with the genes that tell classes apart known.

A sample draws shares of gene groups from its class, its reads draw a group, then a gene of the
group (Bontonou et al. 2023). Reads given the shares are multinomial over genes, so that they are
drawn at once: the same distribution, without a loop over reads or groups.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy.sparse import csr_matrix

from helpers.data.contract import DataError
from helpers.store.steps import step

DESIGNS = ("disjoint", "random", "chain", "ring")
SPLIT_SEED = 43  # of the published split; loader.py:194-204
TEST_SHARE = 0.4

_MOST = np.iinfo(np.uint16).max


@dataclass(frozen=True, kw_only=True)
class LdaKnobs:
    """Knobs of `simulate_lda`.

    A *kind* is what over-expresses groups of its own; a class is one kind or several.

    Parameters
    ----------
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

    Raises
    ------
    DataError
        Knobs out of range or that do not fit each other: all of them.
    """

    n_per_kind: Sequence[int]
    n_genes: int
    n_groups: int
    groups_per_kind: int
    class_of: Sequence[int] | None = None
    design: str = "disjoint"
    group_size: int = 10
    n_reads: int = 1_500_000
    prior: float = 4.0
    fold: float = 2.0
    concentration: float = 5.0
    least_share: float = 0.1
    keep_theta: bool = False

    def __post_init__(self) -> None:
        if problems := [*_class_problems(self), *_group_problems(self), *_range_problems(self)]:
            raise DataError("LDA simulation: " + "; ".join(problems))

    @property
    def n_kinds(self) -> int:
        """Kinds of samples."""
        return len(self.n_per_kind)

    @property
    def classes(self) -> np.ndarray:
        """Class of each kind."""
        return np.asarray(range(self.n_kinds) if self.class_of is None else self.class_of)


def _class_problems(k: LdaKnobs) -> Iterator[str]:
    n_per_kind, class_of = list(k.n_per_kind), k.classes.tolist()
    if len(n_per_kind) < 2 or not all(isinstance(n, int) and n >= 1 for n in n_per_kind):
        yield f"n_per_kind is {n_per_kind}; at least 2 kinds with 1 sample or more"
    if len(class_of) != len(n_per_kind):
        yield f"class_of names {len(class_of)} kinds, n_per_kind {len(n_per_kind)}"
    elif sorted(set(class_of)) != list(range(max(class_of) + 1)) or len(set(class_of)) < 2:
        yield f"class_of is {class_of}; classes are 0, 1, ... without a gap, 2 or more"


def _group_problems(k: LdaKnobs) -> Iterator[str]:
    G, size = k.n_groups, k.group_size
    needed = {
        "disjoint": G * size,
        "random": size,
        "chain": G * (size - 1) + 1,
        "ring": G * (size - 1),
    }
    if k.design not in DESIGNS:
        yield f"design is {k.design!r}; it is one of {', '.join(DESIGNS)}"
    elif needed[k.design] > k.n_genes or (k.design == "ring" and needed["ring"] != k.n_genes):
        yield f"{G} groups of {size} need {needed[k.design]} genes, n_genes is {k.n_genes}"
    if k.groups_per_kind < 1 or k.groups_per_kind * k.n_kinds > G:
        yield (
            f"{k.n_kinds} kinds x groups_per_kind {k.groups_per_kind} do not fit into {G} groups"
        )
    if size < (2 if k.design in ("chain", "ring") else 1):
        yield f"group_size is {size}; at least 1, 2 in a chain or ring"


def _range_problems(k: LdaKnobs) -> Iterator[str]:
    for name, low, high in (
        ("n_reads", 1, 2**32 - 1),
        ("prior", 0.01, 1e6),
        ("fold", 1, 1e3),
        ("concentration", 0.01, 1e6),
        ("least_share", 0, 0.5),
    ):
        if not low <= (value := getattr(k, name)) <= high:
            yield f"{name} is {value}; it lies in [{low:g}, {high:g}]"


def simulate_lda(rng: np.random.Generator, **knobs) -> AnnData:
    """Simulate profiles of read counts.

    Parameters
    ----------
    rng
        Gives one 64-bit number, from which everything follows; each sample has its own stream.
    **knobs
        Of `LdaKnobs`.

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
        See `LdaKnobs`.

    References
    ----------
    Bontonou et al. 2023, arXiv 2303.11336; mbonto/XAI_for_genomics 36de591,
    Simulation/Data/simulate_data.py.
    """
    k = LdaKnobs(**knobs)
    (root,) = rng.integers(2**63, size=1)
    overexpressed = np.arange(k.n_kinds * k.groups_per_kind).reshape(k.n_kinds, -1)
    groups = _groups(np.random.default_rng([int(root), 0]), k)
    train, test = split_order(sum(k.n_per_kind))
    number = np.concatenate([train, test])  # rows in the published order, which is that of batches
    kind = np.repeat(np.arange(k.n_kinds), k.n_per_kind)[number]
    alpha = np.full((k.n_kinds, k.n_groups), k.prior)
    np.put_along_axis(alpha, overexpressed, k.prior * k.fold, axis=1)
    counts, theta = _reads(int(root), number, kind, alpha, groups, k)
    truth = {
        "indptr": groups.indptr.astype(np.int64),
        "indices": groups.indices.astype(np.int64),
        "beta": groups.data,
        "overexpressed": overexpressed,
        "class_of": k.classes,
    }
    return _adata(counts, theta, number, kind, truth, k)


def _groups(rng, k: LdaKnobs) -> csr_matrix:
    """Shares of a group's reads, of shape (n_groups, n_genes)."""
    least = k.least_share / k.group_size
    checked = k.n_kinds * k.groups_per_kind  # those that a kind over-expresses
    groups = [_group(rng, g, k, least if g < checked else 0.0) for g in range(k.n_groups)]
    indptr = np.cumsum([0, *(len(genes) for genes, _ in groups)])
    indices, beta = (np.concatenate(parts) for parts in zip(*groups, strict=True))
    return csr_matrix((beta, indices, indptr), shape=(k.n_groups, k.n_genes))


def _reads(root: int, number, kind, alpha, groups: csr_matrix, k: LdaKnobs):
    """Counts (n_samples, n_genes), and shares of groups where they are kept."""
    # Only genes that can be drawn: the remainder of a multinomial would fall to the last gene.
    drawn, column = np.unique(groups.indices, return_inverse=True)
    profile = csr_matrix((groups.data, column, groups.indptr), (k.n_groups, len(drawn))).T.tocsr()
    where = slice(None) if len(drawn) == k.n_genes else drawn
    counts = np.zeros((len(number), k.n_genes), dtype=np.uint16)
    theta = np.empty((len(number), k.n_groups if k.keep_theta else 0), dtype=np.float32)
    for i in range(len(number)):
        stream = np.random.Generator(np.random.SFC64([root, 1, int(number[i])]))
        shares = stream.dirichlet(alpha[kind[i]])
        p = profile @ shares
        reads = _multinomial(stream, k.n_reads, p / p.sum())
        if counts.dtype == np.uint16 and reads.max() > _MOST:
            counts = counts.astype(np.uint32)
        counts[i, where] = reads
        if k.keep_theta:
            theta[i] = shares
    return counts, theta


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


def _group(rng, number: int, k: LdaKnobs, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Genes of a group, and their shares of its reads; drawn again until all reach `least`."""
    while True:
        genes = _members(rng, number, k)
        shares = rng.dirichlet(np.full(len(genes), k.concentration))
        if shares.min() >= least:
            return genes, shares


def _members(rng, number: int, k: LdaKnobs) -> np.ndarray:
    size, n_genes = k.group_size, k.n_genes
    if k.design == "disjoint":
        return np.arange(number * size, (number + 1) * size)
    if k.design == "random":
        while True:
            # As many as a Bernoulli draw of each gene gives, without a pass over all genes.
            n = rng.binomial(n_genes, size / n_genes)
            if n:
                return np.sort(rng.choice(n_genes, n, replace=False))
    genes = np.arange(number * (size - 1), number * (size - 1) + size)
    return np.sort(genes % n_genes) if k.design == "ring" else genes


def _adata(counts, theta, number, kind, truth: dict, k: LdaKnobs) -> AnnData:
    class_of = k.classes
    hidden = len(set(class_of)) < k.n_kinds

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
                "kind": named("kind", kind, k.n_kinds) if hidden else label,
                "split": pd.Categorical.from_codes(is_test.astype(int), ["train", "test"]),
                "total_counts": np.full(len(kind), float(k.n_reads)),
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
            "truth": truth,
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
def simulated_lda(*, seed: int, knobs: dict) -> AnnData:
    """The profiles that `simulate_lda` makes of these knobs and this seed, as a step."""
    return simulate_lda(np.random.default_rng(seed), **knobs)


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
