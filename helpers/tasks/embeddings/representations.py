"""The representations that tier 1 compares, and the simulated screens it compares them on.

A roster names steps; nothing is computed before their results are asked for. All chapters of the
tier take theirs from here, so that the same fit serves each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from helpers.data.embeddings.sister import sister_screen
from helpers.data.genes import shared_genes
from helpers.data.simulate.regimes import simulated_regime
from helpers.data.simulate.screen import simulated_screen
from helpers.data.splits import batch_perturbation_split
from helpers.models.embeddings.scvi import scvi_embedding, scvi_fit
from helpers.models.floors import gaussian_noise, latent, permuted_labels, uniform_noise
from helpers.models.pca import pca_embedding, pca_fit, pca_scores
from helpers.presets import by_preset, child_seeds
from helpers.store.steps import Step

FITTED_ON = ("nothing", "another data set", "training batches", "evaluation cells")


@dataclass(frozen=True)
class Representation:
    """An embedding of a screen's cells, and what must be known of it to compare it.

    Parameters
    ----------
    name : str
        As in the column `model` of scores.
    embedding : Step
        Of an ndarray of shape (n_cells, n_dims), rows in the order of the screen's cells.
    role : {"candidate", "floor", "ceiling"}
    fitted_on : {"nothing", "another data set", "training batches", "evaluation cells"}
    params : mapping
        What scores record; `n_dims` and `fitted_on` among it.
    """

    name: str
    embedding: Step
    role: Literal["candidate", "floor", "ceiling"]
    fitted_on: Literal["nothing", "another data set", "training batches", "evaluation cells"]
    params: Mapping[str, Any] = field(default_factory=dict)


def roles_and_params(roster: Mapping[str, Representation]) -> dict[str, dict]:
    """What `helpers.scores.gather` is told of representations: `roles`, `params`, by name."""
    return {
        "roles": {name: one.role for name, one in roster.items()},
        "params": {name: dict(one.params) for name, one in roster.items()},
    }


def tier_knobs(preset: str) -> dict[str, float]:
    """Knobs of the simulated screens of the tier.

    Enough perturbations for recall; enough batches that 30 % of them are four, which the published
    protocol of batch mixing needs.
    """
    return by_preset(
        preset,
        tiny=dict(n_cells=2_400, n_genes=300, n_targets=40, n_batches=12, n_complexes=4),
        book=dict(n_cells=10_000, n_genes=1_000, n_targets=220, n_batches=12, n_complexes=24),
        full=dict(n_cells=200_000, n_genes=5_000, n_targets=1_000, n_batches=24, n_complexes=100),
    )


def tier_screen(seed: int, preset: str, *, regime: str | None = None) -> Step:
    """A simulated screen of the tier: the plain one, or that of a regime.

    Parameters
    ----------
    seed : int
    preset : {"tiny", "book", "full"}
    regime : str, optional
        Of `helpers.data.simulate.regimes.REGIMES`.
    """
    knobs = tier_knobs(preset)
    if regime is None:
        return simulated_screen(seed=seed, **knobs)
    return simulated_regime(regime, seed, **knobs)


def other_screen(screen: Step, seed: int, preset: str) -> Step:
    """Another data set for a simulated screen: the same biology, other targets, batches, cells."""
    size = by_preset(
        preset,
        tiny=dict(n_cells=1_200, n_targets=30, n_batches=4),
        book=dict(n_cells=6_000, n_targets=150, n_batches=4),
        full=dict(n_cells=100_000, n_targets=800, n_batches=12),
    )
    return sister_screen(screen, seed=child_seeds(seed, 2)[1], **size)


def scvi_effort(preset: str) -> dict[str, int]:
    """Gradient steps of an scVI fit, and where its learning curve is read.

    What twice as many would change is shown in embeddings/ablations.
    """
    return by_preset(
        preset,
        tiny=dict(n_steps=40, n_evaluations=4),
        book=dict(n_steps=1_500, n_evaluations=12),
        full=dict(n_steps=20_000, n_evaluations=40),
    )


def roster(
    screen: Step,
    *,
    seed: int,
    n_dims: int = 64,
    simulated: bool = False,
    preset: str = "book",
    split: Step | None = None,
    other: Step | None = None,
    everywhere: bool = False,
    only: Sequence[str] | None = None,
) -> dict[str, Representation]:
    """Representations of a screen, candidates first, then floors, then the ceiling.

    Candidates are fitted on the evaluation cells, as in Bendidi et al. 2024, unless their name says
    otherwise: "training batches" and "transferred" ones never saw the cells of test batches, or
    any cell of the screen.

    Parameters
    ----------
    screen : Step
        Of an AnnData of counts.
    seed : int
    n_dims : int
        Dimensions of every candidate and of the noise.
    simulated : bool
        Whether the truth of a cell is known, and with it a ceiling. A simulated screen has a split
        (the published one) and another data set (`other_screen`) where none is given.
    preset : {"tiny", "book", "full"}
        How long scVI is trained.
    split : Step, optional
        Of `helpers.data.splits`; without it nothing is fitted on training batches.
    other : Step, optional
        Of another screen, counts, with genes of the same names; without it nothing is transferred.
    everywhere : bool
        Fit every candidate on training batches and on the other data set too, not PCA of log
        counts and scVI alone.
    only : sequence of str, optional
        Names to keep, in the order of the roster. Nothing else is ever computed.

    Raises
    ------
    ValueError
        A name in `only` that the roster lacks.
    """
    if simulated:
        split = split or batch_perturbation_split(screen)
        other = other or other_screen(screen, seed, preset)
    effort = scvi_effort(preset)
    log_pca = pca_embedding(screen, n_components=n_dims, seed=seed)

    def pca_of(source, **arguments):
        return pca_scores(screen, pca_fit(source, n_components=n_dims, seed=seed, **arguments))

    def scvi_of(source, **arguments):
        arguments = effort | arguments
        return scvi_embedding(screen, scvi_fit(source, seed=seed, n_latent=n_dims, **arguments))

    elsewhere = {"PCA": pca_of, "scVI": scvi_of}
    if everywhere:
        elsewhere |= {
            "PCA of raw counts": partial(pca_of, scale="counts"),
            "scVI, log counts": partial(scvi_of, inputs="log1p"),
            "linear scVI": partial(scvi_of, decoder="linear"),
        }

    def entry(name, embedding, role, fitted_on):
        params = {"n_dims": n_dims, "fitted_on": fitted_on}
        return Representation(name, embedding, role, fitted_on, params)

    def candidate(name, embedding, fitted_on="evaluation cells"):
        return entry(name, embedding, "candidate", fitted_on)

    def floor(name, embedding):
        return entry(name, embedding, "floor", "nothing")

    entries = [
        candidate("PCA of log counts", log_pca),
        candidate(
            "PCA of raw counts",
            pca_embedding(screen, n_components=n_dims, seed=seed, scale="counts"),
        ),
        candidate("scVI", scvi_of(screen)),
        candidate("scVI, log counts", scvi_of(screen, inputs="log1p")),
        candidate("linear scVI", scvi_of(screen, decoder="linear")),
    ]
    if split is not None:
        where = "training batches"
        entries += [
            candidate(f"{name}, {where}", fitted(screen, split=split), where)
            for name, fitted in elsewhere.items()
        ]
    if other is not None:
        genes = shared_genes(other, screen)
        entries += [
            candidate(f"{name}, transferred", fitted(other, genes=genes), "another data set")
            for name, fitted in elsewhere.items()
        ]
    entries += [
        candidate("untrained scVI", scvi_of(screen, n_steps=0), "nothing"),
        floor("permuted labels", permuted_labels(screen, log_pca, seed=seed)),
        floor("Gaussian noise", gaussian_noise(screen, n_dims=n_dims, seed=seed)),
        floor("uniform noise", uniform_noise(screen, n_dims=n_dims, seed=seed)),
    ]
    if simulated:
        entries.append(entry("planted truth", latent(screen), "ceiling", "nothing"))
    return _kept(entries, only)


def _kept(entries: Sequence[Representation], only: Sequence[str] | None):
    named = {one.name: one for one in entries}
    if only is None:
        return named
    if unknown := [name for name in only if name not in named]:
        raise ValueError(
            f"no representation {', '.join(map(repr, unknown))}; there are {', '.join(named)}"
        )
    return {name: one for name, one in named.items() if name in only}
