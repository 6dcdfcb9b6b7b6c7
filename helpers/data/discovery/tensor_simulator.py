"""A tensor of perturbation, readout and context with planted clusters, mechanisms and gates.

Three parts add up: what a context answers to everything, what a perturbation does, and noise. In
the regime `gate` a perturbation moves a few programs of readouts, and each context lets a part of
each program through. In the regime `own` each perturbation has an effect of its own on each
readout, which no other one shares, and contexts only scale it: nothing is of low rank.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from helpers.data.discovery.profiles import Profiles
from helpers.data.errors import DataError
from helpers.store.steps import step


@dataclass(frozen=True, kw_only=True)
class TensorKnobs:
    """Knobs of `simulated_tensor`.

    Parameters
    ----------
    regime : {"gate", "own"}
    n_genes, n_contexts, n_readouts, n_programs : int
        Perturbed genes; contexts in which genes are perturbed.
    n_clusters : int
        Genes of one function; each moves the same two programs, and a little else.
    own_share : float
        Standard deviation of what a gene does beside its cluster, in units of a program.
    measured : float
        Chance that a gene was perturbed in a context; every gene is in the first context.
    only_first : float
        Share of genes that no other context has.
    gate : float in [0, 1]
        Chance that a context does not let a program through; the others pass at 0.5 to 1.5.
    shared : float
        Standard deviation of what a context answers to every perturbation.
    noise : float
        Standard deviation of one measurement, in units of the standard deviation of effects.
    n_compounds, n_compound_contexts : int
        Each compound hits one gene, in contexts of their own, without any gene.
    compound_offset, compound_own : float
        Standard deviation of what every compound does alike, and of what it does beside its target.

    Raises
    ------
    DataError
        A knob out of range.
    """

    regime: Literal["gate", "own"] = "gate"
    n_genes: int = 120
    n_contexts: int = 5
    n_readouts: int = 80
    n_programs: int = 8
    n_clusters: int = 15
    own_share: float = 0.35
    measured: float = 0.7
    only_first: float = 0.2
    gate: float = 0.4
    shared: float = 0.5
    noise: float = 0.7
    n_compounds: int = 0
    n_compound_contexts: int = 2
    compound_offset: float = 1.0
    compound_own: float = 0.5

    def __post_init__(self) -> None:
        found = []
        if self.regime not in ("gate", "own"):
            found.append(f"regime is {self.regime!r}; gate or own")
        counts = ("n_genes", "n_contexts", "n_readouts", "n_clusters", "n_compound_contexts")
        found += [f"{name} is {getattr(self, name)}" for name in counts if getattr(self, name) < 1]
        if self.n_programs < 2 or self.n_compounds < 0:
            found.append(f"{self.n_programs} programs, {self.n_compounds} compounds")
        shares = ("measured", "only_first", "gate")
        found += [f"{n} is {getattr(self, n)}" for n in shares if not 0 <= getattr(self, n) <= 1]
        if min(self.noise, self.shared, self.own_share, self.compound_own) < 0:
            found.append("standard deviations are at least 0")
        if found:
            raise DataError("tensor simulation: " + "; ".join(found))


@step
def simulated_tensor(*, seed: int, knobs: dict) -> dict[str, np.ndarray]:
    """Draw profiles; see `simulate`."""
    return simulate(TensorKnobs(**knobs), seed)


def simulate(k: TensorKnobs, seed: int) -> dict[str, np.ndarray]:
    """Draw profiles and what they come from.

    Parameters
    ----------
    k : TensorKnobs
    seed : int

    Returns
    -------
    dict of ndarray
        Those of `Profiles.to_arrays`, with `second` (a second measurement of each profile) and
        `truth` (without noise) beside them. `gene`, `cluster` (n_genes,): functions; `activity`
        (n_genes, n_programs): what each gene does, whatever the context.
        `compound`, `target` (n_compounds,): the gene that each hits. `annotation` (n_genes, 20): a
        noisy embedding of genes that knows their clusters and not the screen.
    """
    rng = np.random.default_rng(seed)
    gene = np.array([f"CRISPRi_G{i:03}" for i in range(k.n_genes)])
    cluster = np.arange(k.n_genes) % k.n_clusters
    centres = np.zeros((k.n_clusters, k.n_programs))
    for row in centres:
        programs = rng.choice(k.n_programs, 2, replace=False)
        row[programs] = rng.choice([-1.0, 1.0], 2) * rng.uniform(0.8, 1.4, 2)
    activity = centres[cluster] + k.own_share * rng.standard_normal((k.n_genes, k.n_programs))
    target = rng.integers(k.n_genes, size=k.n_compounds)
    own = k.compound_own * rng.standard_normal((k.n_compounds, k.n_programs))
    everyone = np.concatenate([activity, activity[target] + own])
    effect = _Effects(k, everyone, rng)
    compound = np.array([f"compound-{i:03}" for i in range(k.n_compounds)])
    rows = _measured(k, gene, compound, rng)
    names = np.concatenate([gene, compound])
    truth = np.array([effect(at, who) for at, who in rows])
    is_compound = np.array([at >= k.n_contexts for at, _ in rows])
    truth[is_compound] += k.compound_offset * rng.standard_normal(k.n_readouts)
    noise = k.noise * rng.standard_normal((2, *truth.shape))
    found = Profiles(
        (truth + noise[0]).astype(np.float32),
        np.ones(truth.shape, bool),
        np.array(
            [
                f"{'compound' if c else 'gene'}-{at}"
                for (at, _), c in zip(rows, is_compound, strict=True)
            ]
        ),
        names[[who for _, who in rows]],
        np.array([f"R{i:03}" for i in range(k.n_readouts)]),
    )
    return found.to_arrays() | {
        "second": (truth + noise[1]).astype(np.float32),
        "truth": truth.astype(np.float32),
        "gene": gene,
        "cluster": cluster,
        "activity": activity,
        "compound": compound,
        "target": gene[target] if k.n_compounds else np.array([], str),
        "annotation": _annotation(activity, rng),
    }


class _Effects:
    """Mean profile of a perturbation (a row of `activity`) in a context, without noise."""

    def __init__(self, k: TensorKnobs, activity: np.ndarray, rng):
        n_contexts = k.n_contexts + (k.n_compound_contexts if k.n_compounds else 0)
        self.regime = k.regime
        self.shared = k.shared * rng.standard_normal((n_contexts, k.n_readouts))
        self.loadings = rng.standard_normal((k.n_programs, k.n_readouts))
        passes = rng.random((n_contexts, k.n_programs)) >= k.gate
        self.gates = passes * rng.uniform(0.5, 1.5, passes.shape)
        self.scale = rng.uniform(0.5, 1.5, n_contexts)
        self.own = rng.standard_normal((len(activity), k.n_readouts))
        self.activity = activity
        moved = activity @ self.loadings
        self.activity = activity / moved.std()  # so that effects have a standard deviation of 1

    def __call__(self, context: int, who: int) -> np.ndarray:
        if self.regime == "own":
            return self.shared[context] + self.scale[context] * self.own[who]
        moved = (self.gates[context] * self.activity[who]) @ self.loadings
        return self.shared[context] + moved


def _measured(k: TensorKnobs, gene, compound, rng) -> list[tuple[int, int]]:
    """Pairs of context and perturbation that were measured."""
    only_first = rng.random(len(gene)) < k.only_first
    rows = [(0, i) for i in range(len(gene))]
    for at in range(1, k.n_contexts):
        there = (rng.random(len(gene)) < k.measured) & ~only_first
        rows += [(at, int(i)) for i in np.flatnonzero(there)]
    if len(compound):
        for at in range(k.n_contexts, k.n_contexts + k.n_compound_contexts):
            rows += [(at, len(gene) + i) for i in range(len(compound))]
    return rows


def _annotation(activity: np.ndarray, rng, n_dims: int = 20, noise: float = 1.0) -> np.ndarray:
    """What is known of genes from elsewhere: their activities, turned round, with noise."""
    turned = activity @ rng.standard_normal((activity.shape[1], n_dims))
    return turned + noise * turned.std() * rng.standard_normal(turned.shape)
