"""Settings of the simulator that were fitted to real screens, and how they are fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from helpers.data.contract import CONTROL, DataError
from helpers.data.foundations.screen_statistics import screen_statistics
from helpers.data.simulate.knobs import RANGES
from helpers.data.simulate.screen import simulate_screen, simulated_screen
from helpers.store.steps import Step, step

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

_START = {
    "dispersion": 0.3,
    "batch_sd": 0.1,
    "cell_sd": 0.2,
    "effect_size": 0.4,
    "effective_share": 0.6,
    "systematic_shift": 0.05,
}
_WITHIN = RANGES | {"cell_sd": (0.02, 0.4), "effect_size": (0.02, 1.0)}
"""Where the search stays: noise and effects beyond it make means that no cell holds."""
_LARGEST_STEP = 2.0  # a knob at most doubles or halves in a round
_DAMPING = 0.7


@step
def part_of_screen(screen, *, context: str | None = None) -> AnnData:
    """One context of a screen, without the genes that no cell of it has counts of.

    Raises
    ------
    DataError
        There is no such context.
    """
    import pandas as pd

    if context is not None:
        cells = (screen.obs["context"] == context).to_numpy()
        if not cells.any():
            raise DataError(
                f"no context {context!r}; there are {', '.join(sorted(set(screen.obs['context'])))}"
            )
        screen = screen[cells]
    counted = np.asarray(screen.X.sum(axis=0)).ravel() > 0
    part = screen[:, counted].copy()
    part.obs = part.obs.apply(
        lambda c: (
            c.cat.remove_unused_categories() if isinstance(c.dtype, pd.CategoricalDtype) else c
        )
    )
    # The library before genes were dropped means nothing to a simulation of those that are left.
    libraries = ("total_counts", "shared_counts")  # not every screen states them
    part.obs = part.obs[[column for column in part.obs if column not in libraries]]
    part.uns["panel"] = True
    return part


def fit_preset(screen, *, rounds: int = 12, seed: int = 0) -> dict[str, float]:
    """Knobs of `simulate_screen` with which a simulated screen resembles this one.

    The design (cells, genes, guides, batches) is read off. Nine knobs are found by simulation: a
    screen is drawn, its statistics are held against the real ones, and each knob is moved by the
    ratio of the statistic that it moves most, damped. All rounds share one seed, so that they
    differ in the knobs only. What is not identified by these statistics keeps its default:
    efficacy of guides, number and size of programs, cell cycle.

    Parameters
    ----------
    screen : AnnData of counts
        One context, e.g. of `part_of_screen`.
    rounds : int
        At least 1.
    seed : int

    Returns
    -------
    dict
        Knobs; those that were found are rounded to three digits.

    Raises
    ------
    DataError
        No controls, or what `screen_statistics` refuses.
    ValueError
        Fewer than one round; or the design cannot be simulated.

    References
    ----------
    McFadden 1989 (Econometrica 57) for the method of simulated moments.
    """
    if rounds < 1:
        raise ValueError(f"rounds is {rounds}; at least 1")
    name = screen.uns.get("dataset", {}).get("name", "this screen")
    if not (screen.obs["perturbation"] == CONTROL).any():
        raise DataError(
            f"{name} holds no {CONTROL!r} cell: effects and variances cannot be told apart, and no "
            "preset can be fitted; use a screen with controls"
        )
    real = screen_statistics(screen, seed=seed)
    design = design_of(screen)
    knobs = _START | {
        "library_size": float(real["library median"]),
        "library_sd": float(real["library sd"]),
        "abundance_sd": float(np.clip(real["abundance sd"], *RANGES["abundance_sd"])),
    }
    # So many targets have to act that the combinations can be drawn among them.
    acting = next(n for n in range(1, 10**6) if n * (n - 1) / 2 >= design["n_combinations"])
    least = min(max(0.05, (acting + 0.5) / design["n_targets"]), 1.0)
    for _ in range(rounds):
        drawn = simulate_screen(rng=np.random.default_rng(seed), **design, **knobs)
        knobs = _moved(knobs, real, screen_statistics(_without_empty(drawn), seed=seed))
        knobs["effective_share"] = max(knobs["effective_share"], least)
    return design | {k: float(f"{v:.3g}") for k, v in knobs.items()}


def _without_empty(screen) -> AnnData:
    """A screen without the cells that by chance have no counts; real ones were left out too."""
    return screen[(screen.obs["total_counts"] > 0).to_numpy()]


def _moved(knobs: dict, real: pd.Series, drawn: pd.Series) -> dict:
    """Each knob moved towards the statistic that it governs; the power is how that grows."""
    large_share = ["eigenvalue 1", "eigenvalues 2-5"]
    governs = {
        "library_size": (real["library median"], drawn["library median"], 1.0),
        "library_sd": (real["library sd"], drawn["library sd"], 1.0),
        "abundance_sd": (real["abundance sd"], drawn["abundance sd"], 1.0),
        "dispersion": (
            10 ** real["variance/mean, high"] - 1,
            10 ** drawn["variance/mean, high"] - 1,
            1.0,
        ),
        "batch_sd": (real["replicate share"], drawn["replicate share"], 0.5),
        "cell_sd": (real[large_share].sum(), drawn[large_share].sum(), 0.5),
        "effect_size": (real["effect norm, 90 %"], drawn["effect norm, 90 %"], 1.0),
        "effective_share": (real["effect norm, median"], drawn["effect norm, median"], 0.5),
        "systematic_shift": (real["cosine to mean effect"], drawn["cosine to mean effect"], 0.5),
    }
    moved = {}
    for knob, (wanted, got, power) in governs.items():
        # Statistics corrected for chance may fall below zero; there the knob shrinks step by step.
        ratio = max(wanted, 1e-4) / max(got, 1e-4)
        factor = np.clip(ratio ** (power * _DAMPING), 1 / _LARGEST_STEP, _LARGEST_STEP)
        moved[knob] = float(np.clip(knobs[knob] * factor, *_WITHIN[knob]))
    return moved


def design_of(screen) -> dict[str, float]:
    """Knobs that are read off: sizes, guides, batches, and how unequal guides are."""
    obs = screen.obs
    labels = obs["perturbation"].astype(str)
    treated = labels != CONTROL
    names = sorted(labels[treated].unique())
    targets = {part for name in names for part in name.split("+")}
    measured = targets <= set(screen.var_names)
    batches = obs["batch"].nunique()
    design = {
        "n_cells": screen.n_obs,
        "n_genes": screen.n_vars,
        "n_targets": len(targets),  # the simulator combines what it also perturbs alone
        "n_combinations": sum("+" in name for name in names),
        "n_batches": int(batches),
        "n_replicates": int(obs["replicate"].nunique()) if "replicate" in obs else int(batches),
        "control_share": float((~treated).mean()),
        "unexpressed_share": 0.0,
        "guides_per_target": 1,
        "n_control_guides": 1,
        "guide_sd": 0.0,
        # Where targets are not among the genes, neither their level nor its loss can be seen.
        "knockdown": 0.8 if measured else 0.0,
        "expressed_mean": 0.3 if measured else 0.0,
    }
    unit = labels[treated]
    if "guide" in obs:
        per_target = obs[treated].groupby(labels[treated])["guide"].nunique()
        design["guides_per_target"] = int(per_target.median())
        design["n_control_guides"] = int(obs.loc[~treated, "guide"].nunique())
        unit = obs.loc[treated, "guide"].astype(str)
    sizes = unit.value_counts().to_numpy(float)
    if sizes.size > 1:
        # Counting alone spreads log sizes by one over the mean size.
        spread = np.log(sizes).var(ddof=1) - (1 / sizes).mean()
        design["guide_sd"] = float(f"{np.sqrt(max(spread, 0.0)):.3g}")
    return {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in design.items()}


@dataclass(frozen=True)
class FittedPreset:
    """Knobs fitted to a real screen.

    Parameters
    ----------
    name, dataset : str
    context : str or None
        The context that was taken of the data set.
    knobs : mapping
        As `fit_preset` returned them, with its defaults.
    """

    name: str
    dataset: str
    context: str | None
    knobs: Mapping[str, float]


FITTED: Mapping[str, FittedPreset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            FittedPreset(
                name="papalexi2021",
                dataset="papalexi2021",
                context=None,
                knobs={
                    "n_cells": 20729,
                    "n_genes": 299,
                    "n_targets": 25,
                    "n_combinations": 0,
                    "n_batches": 3,
                    "n_replicates": 3,
                    "control_share": 0.1151,
                    "unexpressed_share": 0.0,
                    "guides_per_target": 4,
                    "n_control_guides": 9,
                    "guide_sd": 1.05,
                    "knockdown": 0.0,
                    "expressed_mean": 0.0,
                    "library_size": 141.0,
                    "library_sd": 0.453,
                    "abundance_sd": 1.77,
                    "dispersion": 0.0313,
                    "batch_sd": 0.166,
                    "cell_sd": 0.376,
                    "effect_size": 0.533,
                    "effective_share": 0.509,
                    "systematic_shift": 0.0466,
                },
            ),
            FittedPreset(
                name="norman2019-K562",
                dataset="norman2019-subset",
                context="K562",
                knobs={
                    "n_cells": 3375,
                    "n_genes": 250,
                    "n_targets": 18,
                    "n_combinations": 15,
                    "n_batches": 8,
                    "n_replicates": 8,
                    "control_share": 0.02963,
                    "unexpressed_share": 0.0,
                    "guides_per_target": 1,
                    "n_control_guides": 1,
                    "guide_sd": 0.0,
                    "knockdown": 0.0,
                    "expressed_mean": 0.0,
                    "library_size": 93.6,
                    "library_sd": 0.585,
                    "abundance_sd": 3.0,
                    "dispersion": 7.32e-05,
                    "batch_sd": 0.0314,
                    "cell_sd": 0.4,
                    "effect_size": 0.881,
                    "effective_share": 0.487,
                    "systematic_shift": 0.127,
                },
            ),
        )
    }
)
"""Found by `fit_preset(part_of_screen(...))` with its defaults, 12 rounds and seed 0."""


def simulated_preset(name: str, seed: int, **overrides) -> Step:
    """A screen with the knobs of a fitted preset, as the step `simulated_screen`.

    Raises
    ------
    ValueError
        There is no such preset.
    """
    if name not in FITTED:
        raise ValueError(f"no fitted preset {name!r}; there are {', '.join(FITTED)}")
    return simulated_screen(seed=seed, **{**FITTED[name].knobs, **overrides})
