"""The representations that tier 1 compares, and the simulated screens it compares them on.

A roster names steps; nothing is computed before their results are asked for. All chapters of the
tier take theirs from here, so that the same fit serves each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from helpers.data.regimes import simulated_regime
from helpers.data.simulate import simulated_screen
from helpers.models.floors import gaussian_noise, latent, permuted_labels, uniform_noise
from helpers.models.pca import pca_embedding
from helpers.presets import by_preset
from helpers.store import Step

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


def tier_knobs(preset: str) -> dict[str, float]:
    """Knobs of the simulated screens of the tier.

    Enough perturbations for recall; enough batches that 30 % of them are four, which the published
    protocol of batch mixing needs.
    """
    return by_preset(
        preset,
        tiny=dict(n_cells=2_400, n_genes=300, n_targets=40, n_batches=12, n_complexes=4),
        book=dict(n_cells=10_000, n_genes=1_000, n_targets=220, n_batches=12, n_complexes=24),
        full=dict(n_cells=200_000, n_genes=5_000, n_targets=1_000, n_batches=24, n_complexes=120),
    )


def tier_screen(seed: int, preset: str, *, regime: str | None = None) -> Step:
    """A simulated screen of the tier: the plain one, or that of a regime.

    Parameters
    ----------
    seed : int
    preset : {"tiny", "book", "full"}
    regime : str, optional
        Of `helpers.data.regimes.REGIMES`.
    """
    knobs = tier_knobs(preset)
    if regime is None:
        return simulated_screen(seed=seed, **knobs)
    return simulated_regime(regime, seed, **knobs)


def roster(
    screen: Step, *, seed: int, n_dims: int = 64, simulated: bool = False
) -> dict[str, Representation]:
    """Representations of a screen, candidates first, then floors, then the ceiling.

    Parameters
    ----------
    screen : Step
        Of an AnnData of counts.
    seed : int
    n_dims : int
        Dimensions of every candidate and of the noise.
    simulated : bool
        Whether the truth of a cell is known, and with it a ceiling.
    """
    log_pca = pca_embedding(screen, n_components=n_dims, seed=seed)

    def entry(name, embedding, role, fitted_on):
        params = {"n_dims": n_dims, "fitted_on": fitted_on}
        return Representation(name, embedding, role, fitted_on, params)

    entries = [
        entry("PCA of log counts", log_pca, "candidate", "evaluation cells"),
        entry("permuted labels", permuted_labels(screen, log_pca, seed=seed), "floor", "nothing"),
        entry(
            "Gaussian noise", gaussian_noise(screen, n_dims=n_dims, seed=seed), "floor", "nothing"
        ),
        entry("uniform noise", uniform_noise(screen, n_dims=n_dims, seed=seed), "floor", "nothing"),
    ]
    if simulated:
        entries.append(entry("planted truth", latent(screen), "ceiling", "nothing"))
    return {one.name: one for one in entries}
