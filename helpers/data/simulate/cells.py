"""Cells of a simulated screen: guides and batches, which guide acted, place in the latent."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL
from helpers.data.simulate.effects import Effects, saturate
from helpers.data.simulate.genes import Genes
from helpers.data.simulate.knobs import Knobs

EFFICACY_CONCENTRATION = 5.0


@dataclass(frozen=True)
class Cells:
    """Guides, and for each cell what it got and what that did; positions of guides are rows."""

    guides: pd.DataFrame  # a row a guide: `target`, `efficacy`, `efficacy_2`
    depth: np.ndarray  # (n_cells,), counts
    guide: np.ndarray  # (n_cells,), as labelled
    true_guide: np.ndarray  # (n_cells,)
    batch: np.ndarray  # (n_cells,)
    context: np.ndarray  # (n_cells,)
    partner: np.ndarray  # (n_cells,), second cell of a doublet; -1: none
    component: np.ndarray  # (n_cells, 2), targets of the true guide; -1: none
    acted: np.ndarray  # (n_cells, 2), bool
    latent: np.ndarray  # (n_cells, n_programs + 2)
    first_half: np.ndarray  # (n_cells,), of the cell cycle, bool
    off_programs: np.ndarray  # (n_cells, n_programs), noise where no effect is; or no column

    @property
    def responder(self) -> np.ndarray:
        """Whether every guide acted."""
        return self.acted[:, 0] & (self.acted[:, 1] | (self.component[:, 1] < 0))

    def knocked(self, genes: Genes) -> np.ndarray:
        """Genes that are knocked down in each cell, of shape (n_cells, 2); -1: none."""
        lost = self.acted & np.append(genes.expressed, False)[self.component]
        return np.where(lost, np.append(genes.targeted, -1)[self.component], -1)


def draw_cells(
    streams: Mapping[str, np.random.Generator], targets, effects: Effects, k: Knobs
) -> Cells:
    """Cells of a balanced design, less those that are lost, and what happened in them."""
    depth = k.library_size * np.exp(k.library_sd * streams["cell"].standard_normal(k.n_cells))
    guides = _guides(streams["guide"], streams["nuisance"], targets, effects.combinations, k)
    perturbation_of_guide = pd.Index(effects.perturbations).get_indexer(guides["target"])
    efficacy = guides[["efficacy", "efficacy_2"]].to_numpy()
    log_weight = _log_weight(streams["abundance"], efficacy, perturbation_of_guide, effects, k)
    guide, batch = _design(streams["design"], log_weight, k)
    true_guide = _misassigned(streams["nuisance"], guide, k.misassigned_share)
    partner = _partners(streams["nuisance"], batch, k.doublet_share)
    perturbation = perturbation_of_guide[true_guide]
    component = effects.components[perturbation]
    chance = np.where(np.isnan(efficacy), 0.0, efficacy)[true_guide]
    drawn = (streams["cell"].random(k.n_cells), streams["responder"].random(k.n_cells))
    acted = np.column_stack(drawn) < chance
    context = batch % k.n_contexts
    drive = _drive(effects.in_contexts, context, perturbation, component, acted)
    latent, first_half = _latent(streams["cell"], drive, acted.any(axis=1), effects.systematic, k)
    n_off = k.n_programs if k.off_program_sd > 0 else 0
    off = k.off_program_sd * streams["off programs"].standard_normal((k.n_cells, n_off))
    return Cells(
        guides=guides,
        depth=depth,
        guide=guide,
        true_guide=true_guide,
        batch=batch,
        context=context,
        partner=partner,
        component=component,
        acted=acted,
        latent=latent,
        first_half=first_half,
        off_programs=off,
    )


def _log_weight(rng, efficacy, perturbation, effects: Effects, k: Knobs) -> np.ndarray:
    """Log abundance of each guide: its own, and what its effect costs the cells."""
    strength = np.append(np.linalg.norm(effects.mean, axis=1), 0.0)
    own = k.guide_sd * rng.standard_normal(len(perturbation))
    return own - k.fitness_loss * strength[perturbation] * np.nanmean(efficacy, axis=1)


def _guides(rng, nuisance_rng, targets, combinations, k: Knobs) -> pd.DataFrame:
    """One row a guide or pair of guides, the non-targeting first: `target`, efficacies."""
    per_target, n_control_guides = k.guides_per_target, k.n_control_guides
    n_targeting = len(targets) * per_target
    if 0 < k.efficacy < 1:
        a, b = EFFICACY_CONCENTRATION * k.efficacy, EFFICACY_CONCENTRATION * (1 - k.efficacy)
        drawn = rng.beta(a, b, size=n_targeting)
    else:
        drawn = np.full(n_targeting, float(k.efficacy))
    n_dead = round(k.dead_guide_share * n_targeting)
    drawn[nuisance_rng.choice(n_targeting, n_dead, replace=False)] = 0.0
    single = np.array([f"{t}g{i + 1}" for t in targets for i in range(per_target)])
    number = np.arange(per_target)
    first, second = (
        (combinations[part].to_numpy(int)[:, None] * per_target + number).ravel()
        for part in ("first", "second")
    )
    pairs = [f"{a}+{b}" for a, b in zip(single[first], single[second], strict=True)]
    not_second = np.full(n_control_guides + n_targeting, np.nan)
    return pd.DataFrame(
        {
            "target": [
                *[CONTROL] * n_control_guides,
                *np.repeat(targets, per_target),
                *np.repeat(combinations["name"].to_numpy(), per_target),
            ],
            "efficacy": np.concatenate([np.zeros(n_control_guides), drawn, drawn[first]]),
            "efficacy_2": np.concatenate([not_second, drawn[second]]),
        },
        index=pd.Index(
            [*(f"NTg{i + 1}" for i in range(n_control_guides)), *single, *pairs], name="guide"
        ),
    )


def _design(rng, log_weight, k: Knobs):
    """Guide and batch of each cell: guides by weight, batches balanced within a guide."""
    n_cells, n_control_guides = k.n_cells, k.n_control_guides
    n_controls = round(k.control_share * n_cells)
    cells = np.concatenate(
        [
            _allocate(n_controls, np.exp(log_weight[:n_control_guides])),
            _allocate(n_cells - n_controls, np.exp(log_weight[n_control_guides:])),
        ]
    )
    guide = np.repeat(np.arange(log_weight.size), cells)
    # Sorted by guide and dealt in turn, every batch gets its share of every guide.
    batch = np.arange(n_cells) % k.n_batches
    order = rng.permutation(n_cells)
    return guide[order], batch[order]


def _allocate(n: int, weight) -> np.ndarray:
    """Share `n` cells out by weight, at least one each, by largest remainders."""
    quota = (n - weight.size) * weight / weight.sum()
    cells = np.floor(quota).astype(int)
    largest = np.argsort(cells - quota, kind="stable")[: n - weight.size - cells.sum()]
    cells[largest] += 1
    return cells + 1


def _misassigned(rng, guide, share: float) -> np.ndarray:
    """The guide that a cell truly has: of some cells, that of another cell."""
    wrong = rng.random(guide.size) < share
    return np.where(wrong, guide[rng.integers(guide.size, size=guide.size)], guide)


def _partners(rng, batch, share: float) -> np.ndarray:
    """The second cell of a doublet, another one of the same batch; -1 where there is none."""
    partner = np.full(batch.size, -1)
    doublet = rng.random(batch.size) < share
    for b in range(batch.max() + 1):
        cells = np.flatnonzero(batch == b)
        if cells.size > 1:
            step_on = rng.integers(1, cells.size, size=cells.size)
            partner[cells] = cells[(np.arange(cells.size) + step_on) % cells.size]
    return np.where(doublet, partner, -1)


def _drive(effects, context, perturbation, component, acted) -> np.ndarray:
    """Effect that each cell gets, (n_cells, n_programs): of the guides that acted in it."""
    what = np.where(acted[:, 0], component[:, 0], np.where(acted[:, 1], component[:, 1], -1))
    what = np.where(acted.all(axis=1), perturbation, what)
    with_none = np.concatenate([effects, np.zeros_like(effects[:, :1])], axis=1)
    return with_none[context, what]


def _latent(rng, drive, acted, systematic, k: Knobs):
    """Latent (n_cells, n_programs + 2), and which cells are in the first half of the cycle."""
    n_cells, n_programs = drive.shape
    noise = k.cell_sd * rng.standard_normal((n_cells, n_programs))
    phase = rng.uniform(0, 2 * np.pi, size=n_cells)
    first_half = phase < np.pi
    drive *= np.where(first_half, 1.0, 1.0 - 2.0 * k.state_dependence)[:, None]
    drive[acted] += systematic
    latent = np.empty((n_cells, n_programs + 2))
    latent[:, :n_programs] = saturate(drive, k.saturation) + noise
    latent[:, n_programs] = np.sqrt(2) * k.state_sd * np.cos(phase)
    latent[:, n_programs + 1] = np.sqrt(2) * k.state_sd * np.sin(phase)
    return latent, first_half
