"""What the page of deep models asks: screens, how much effort, and the calls that answer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from anndata import AnnData

from helpers.data.contract import CONTROL
from helpers.data.effects.condition_splits import read_manifest
from helpers.data.simulate.regimes import regime_knobs
from helpers.data.simulate.screen import simulated_screen
from helpers.presets import by_preset
from helpers.store.steps import Step
from helpers.tasks.effects.deep_models import (
    GRAPH,
    LATENT,
    N_SPLITS,
    SHUFFLED,
    TRANSFORMER,
    graph_means,
    graph_trials,
    latent_means,
    latent_trials,
    named,
    shared_out,
    split_scores,
    training_arrays,
    transformer_means,
    transformer_trials,
)
from helpers.tasks.prediction_panel import planted_profiles
from helpers.tasks.prediction_scene import FEWEST

ADD, SATURATE = "effects add", "effects saturate strongly"
SHIFT = "unseen perturbations share a shift"
KINDS = MappingProxyType({ADD: "doubles", SATURATE: "doubles", SHIFT: "unseen"})
REFERENCE = MappingProxyType(
    {ADD: "additive", SATURATE: "additive", SHIFT: "linear model, gene sets"}
)
"""The simple rival of each world, declared beforehand: what knows as much as the deep models."""


def knobs_of(world: str, preset: str) -> dict[str, float]:
    """Knobs of the simulator for a world."""
    shared = dict(guides_per_target=1, n_control_guides=4, batch_sd=0.1)
    if world != SHIFT:
        size = by_preset(
            preset,
            tiny=dict(n_cells=1_200, n_genes=60, n_targets=7, n_combinations=16),
            book=dict(n_cells=12_000, n_genes=300, n_targets=24, n_combinations=80),
            full=dict(n_cells=60_000, n_genes=1_000, n_targets=60, n_combinations=240),
        )
        name = {ADD: "log-additive", SATURATE: "strongly saturating"}[world]
        # Few programs, so that two perturbations meet in each of them.
        return regime_knobs(name, **size, **shared, n_programs=4)
    size = by_preset(
        preset,
        tiny=dict(n_cells=900, n_genes=60, n_targets=20, n_complexes=4),
        book=dict(n_cells=9_000, n_genes=300, n_targets=60, n_complexes=12),
        full=dict(n_cells=60_000, n_genes=1_000, n_targets=200, n_complexes=40),
    )
    return shared | dict(
        **size,
        complex_size=5,
        complex_similarity=0.9,
        opposite_share=0.0,
        database_recall=0.8,
        systematic_shift=0.5,
        effect_size=0.5,
        n_programs=12,
        effective_share=1.0,
        unexpressed_share=0.0,
        efficacy=0.95,
        library_size=8_000.0,
        abundance_sd=1.0,
    )


def deep_screen(world: str, seed: int, preset: str) -> tuple[Step, Step]:
    """The screen of a world, and its planted truth."""
    knobs = knobs_of(world, preset)
    return simulated_screen(seed, **knobs), planted_profiles(seed, factor=3, **knobs)


@dataclass(frozen=True)
class Effort:
    """How much is computed.

    Parameters
    ----------
    n_trials : int
        Of a model's parameters; 0: its defaults are taken.
    n_steps : mapping of model to gradient steps
    n_splits, n_initialisations : int
    probes : bool
        Fit on shuffled labels, too.
    """

    n_trials: int
    n_steps: Mapping[str, int]
    n_splits: int = N_SPLITS
    n_initialisations: int = 1
    probes: bool = False


def asked(
    screen: Step,
    conditions: Iterable[str],
    *,
    kind: str,
    effort: Effort,
    seed: int,
    gene_sets: Step | None = None,
    planted: Step | None = None,
    cells_a_bulk: int = 20,
    **scene,
) -> tuple[dict[str, Step], list[Step]]:
    """The calls that answer for a screen: trials by model, and scores by split.

    Parameters
    ----------
    screen : step
    conditions : iterable of str
        With cells enough to be halved; see `conditions_of`.
    kind : str
        See `shared_out`.
    effort : Effort
    seed : int
        Of the splits; of initialisations, it and what follows.
    gene_sets, planted : step, optional
        Of `planted_sets` and `deep_profiles`.
    cells_a_bulk : int
    **scene
        `context`, `n_controls`, `n_genes`: see `training_arrays`.
    """
    plan = shared_out(conditions, kind=kind, seed=seed)
    shared = dict(seed=seed, **scene)
    models = {
        GRAPH: (graph_trials, graph_means),
        TRANSFORMER: (transformer_trials, transformer_means),
    }
    if kind == "doubles":  # a perturbation that was never seen has no vector in the autoencoder
        models[LATENT] = (latent_trials, latent_means)
    more = {name: {"gene_sets": gene_sets} if name == GRAPH else {} for name in models}
    found = {}
    if effort.n_trials:
        split = read_manifest(plan["tuning"])
        data = [
            training_arrays(screen, conditions=list(part), cells_a_bulk=cells_a_bulk, **shared)
            for part in (split.train, split.test)
        ]
        found = {
            name: of(
                *data,
                n_trials=effort.n_trials,
                seed=seed,
                n_steps=effort.n_steps[name],
                **more[name],
            )
            for name, (of, _) in models.items()
        }
    scores = []
    for manifest in plan["splits"][: effort.n_splits]:
        split = read_manifest(manifest)
        training = training_arrays(
            screen, conditions=list(split.train), cells_a_bulk=cells_a_bulk, **shared
        )
        given = {}
        for name, (_, means) in models.items():
            fixed = dict(names=list(split.test), n_steps=effort.n_steps[name], **more[name])
            fixed |= {"trials": found[name]} if found else {}
            for i in range(effort.n_initialisations):
                given[named(name, i)] = means(training, seed=seed + i, **fixed)
            if effort.probes:
                given[name + SHUFFLED] = means(training, seed=seed, shuffled=True, **fixed)
        judged = dict(manifest=manifest, kind=kind, given=given, gene_sets=gene_sets, **shared)
        scores.append(split_scores(screen, planted=planted, **judged))
    return found, scores


def conditions_of(screen: AnnData) -> list[str]:
    """Conditions with cells enough to be halved."""
    labels = screen.obs["perturbation"].astype(str)
    sizes = labels[labels != CONTROL].value_counts()
    return sorted(sizes.index[sizes >= 2 * FEWEST])
