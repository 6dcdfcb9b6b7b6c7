"""Task: the score of the Virtual Cell Challenge 2026, calibrated, and asked what raises it.

The cells of each perturbation are shared out: some are the reference, as many others a repeat of
the experiment, and all others are what submissions may know. Controls are halved. So what a
submission knows is never what it is judged by, and a repeat of equal depth is there.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.data.contract import CONTROL, DataError
from helpers.data.matrix import canonical
from helpers.data.simulate.screen import simulated_screen
from helpers.metrics.effects.de_tables import differential_expression
from helpers.metrics.effects.vcc2026 import aggregate, compare, of_means, per_perturbation
from helpers.metrics.effects.vcc2026_recipes import (
    baseline,
    baseline_cells,
    halved,
    replicate,
    split_seeds,
)
from helpers.metrics.effects.vcc2026_reference import Reference, Rule, profiles, reference
from helpers.models.effects.vcc2026_submissions import Known, submission
from helpers.presets import by_preset
from helpers.store.steps import Step, step
from helpers.tasks.requirements import Requirement

FEWEST_CELLS = 20  # of a perturbation: ten in each half
RANKED = (
    "profile, Poisson cells",
    "half the effect, Poisson cells",
    "half the effect, scaled controls",
    "twice the effect, Poisson cells",
    "mean response, Poisson cells",
    "mean response doubled, Poisson cells",
    "names permuted",
)
"""Submissions whose order is asked under other constants."""

ON_REAL = (
    "repeat",
    "profile, Poisson cells",
    "profile, scaled controls",
    "repeat, half the cells",
    "half a repeat, constant cells, depth x 100",
    "half a repeat, one cell",
    "mean response, others' cells",
    "mean response, Poisson cells",
    "mean response doubled, Poisson cells",
    "names permuted",
    "controls",
)
"""Submissions that are made on real data."""

VARIANTS = {
    "as published": Rule(),
    "profiles of 10,000 counts": Rule(target_sum=1e4),
    "profiles of 1,000,000 counts": Rule(target_sum=1e6),
    "significant at 1 %": Rule(level=0.01),
    "purity of 80 %": Rule(purity=0.8),
    "continuity correction": Rule(continuity=True),
    "geometric means": Rule(mean="geometric"),
    "genes above 100 CPM": Rule(min_control_cpm=100.0),
    "own target left out only": Rule(excluded="own"),
}
"""One constant of the rule changed."""

REQUIREMENTS = (
    Requirement("perturbations", 8, f"perturbations with {FEWEST_CELLS} cells", 60),
    Requirement("controls", 2 * FEWEST_CELLS, "control cells", 500),
)


def tier_screen(seed: int, preset: str) -> Step:
    """The simulated screen of the page: effects of their own, and a response that all share."""
    size = by_preset(
        preset,
        tiny=dict(n_cells=1_000, n_targets=8, n_genes=160, control_share=0.2),
        book=dict(n_cells=8_000, n_targets=40, n_genes=600, control_share=0.125),
        full=dict(n_cells=80_000, n_targets=200, n_genes=4_000, control_share=0.125),
    )
    return simulated_screen(
        seed=seed,
        n_batches=1,
        n_replicates=1,
        library_size=3_000.0,
        effective_share=1.0,
        unexpressed_share=0.0,
        efficacy=0.95,
        effect_size=0.5,
        systematic_shift=0.1,
        abundance_sd=1.2,
        **size,
    )


def available(part) -> dict[str, int]:
    """Counts that `REQUIREMENTS` name, of the cells of one context."""
    n_cells = part.obs["perturbation"].astype(str).value_counts()
    of_controls = int(n_cells.get(CONTROL, 0))
    enough = n_cells.drop(CONTROL, errors="ignore") >= FEWEST_CELLS
    return {"perturbations": int(enough.sum()), "controls": of_controls}


def shared_out(screen, *, n_reference: int, seed: int, rule: Rule, context: str = ""):
    """The measured side, and what submissions know.

    Parameters
    ----------
    screen : AnnData of counts
    n_reference : int
        Cells of each perturbation in the reference, and again in the repeat: at most half of those
        that there are; 0: half.
    seed : int
        Which cells these are.
    rule : Rule
    context : str
        Of the cells that are asked; "" for all.

    Returns
    -------
    Reference, Known

    Raises
    ------
    DataError
        No perturbation has `FEWEST_CELLS`.
    """
    if context:
        screen = screen[(screen.obs["context"].astype(str) == context).to_numpy()]
    counts = sparse.csr_array(canonical(screen.X, cells=screen.obs_names, genes=screen.var_names))
    some = np.asarray(counts.sum(axis=1)).ravel() > 0  # a cell without counts has no composition
    counts, labels = counts[some], screen.obs["perturbation"].astype(str).to_numpy()[some]
    rng = np.random.default_rng(seed)
    own, repeat, others, sizes = [], [], [], {}
    for name in np.unique(labels[labels != CONTROL]):
        cells = rng.permutation(np.flatnonzero(labels == name))
        if len(cells) < FEWEST_CELLS:
            continue
        n = min(n_reference or len(cells), len(cells) // 2)
        sizes[name] = n
        own.append(cells[:n])
        repeat.append(cells[n : 2 * n])
        others.append(cells[n:])
    if not sizes:
        raise DataError(f"no perturbation has {FEWEST_CELLS} cells; merge guides or contexts")
    controls = rng.permutation(np.flatnonzero(labels == CONTROL))
    half = len(controls) // 2
    own, repeat, others = (np.concatenate(part) for part in (own, repeat, others))
    measured = reference(
        counts[own],
        labels[own],
        counts[controls[:half]],
        screen.var_names,
        targets=_own(sizes),
        rule=rule,
    )
    known = Known(
        np.array(list(sizes)),
        np.array(list(sizes.values())),
        (counts[own], labels[own]),
        (counts[repeat], labels[repeat]),
        (counts[others], labels[others]),
        counts[controls[half:]],
    )
    return measured, known


def _own(names) -> dict[str, str]:
    return {name: name for name in names}


@step
def ends(
    screen, *, n_reference: int, seed: int, n_emissions: int, n_splits: int, context: str = ""
) -> pd.DataFrame:
    """Both ends of the published scale: the baseline by seed, the replicate by split.

    Returns
    -------
    DataFrame
        `end` (baseline, replicate), `draw`, `perturbation`, and what `per_perturbation` gives.
    """
    measured, known = shared_out(
        screen, n_reference=n_reference, seed=seed, rule=Rule(), context=context
    )
    tables = {("baseline", s): baseline(measured, seed=s) for s in range(n_emissions)}
    for i, split in enumerate(split_seeds(n_splits)):
        halves = halved(*known.measured, measured.control_counts, seed=split, control=CONTROL)
        one, two = (
            reference(*half, measured.genes, targets=_own(known.names), rule=measured.rule)
            for half in halves
        )
        tables["replicate", i] = replicate(one, two, measured)
    return pd.concat(tables, names=["end", "draw"]).reset_index()


@step
def panel(
    screen,
    *,
    submissions: Sequence[str],
    n_reference: int,
    seed: int,
    n_emissions: int,
    context: str = "",
) -> pd.DataFrame:
    """Every submission under the published rule.

    Parameters
    ----------
    submissions : sequence of str
        Of `helpers.models.effects.vcc2026_submissions.SUBMISSIONS`.
    n_emissions : int
        How often each is drawn anew, if it is drawn.

    Returns
    -------
    DataFrame
        `submission`, `draw`, `perturbation`, and what `per_perturbation` gives.
    """
    measured, known = shared_out(
        screen, n_reference=n_reference, seed=seed, rule=Rule(), context=context
    )
    tables = {}
    for i, name in enumerate(submissions):
        one = submission(name)
        for draw in range(n_emissions if one.drawn else 1):
            cells = one.cells(known, np.random.default_rng([seed, draw, i]))
            tables[name, draw] = per_perturbation(measured, *cells)
    return pd.concat(tables, names=["submission", "draw"]).reset_index()


@step
def revised(
    screen, *, submissions: Sequence[str], n_reference: int, seed: int, context: str = ""
) -> pd.DataFrame:
    """Every submission as its means, which no choice of cells can help, and the revised scale.

    Both ends are made of means as well: of the repeat, which is as deep as the reference, and of
    the mean response in the repeat's cells, which knows no more than a submission does.

    Returns
    -------
    DataFrame
        As of `panel`, with what `of_means` gives; the ends are among the submissions, under their
        names.
    """
    measured, known = shared_out(
        screen, n_reference=n_reference, seed=seed, rule=Rule(), context=context
    )
    repeat = submission("repeat").shares(known, np.random.default_rng(seed))
    keep = measured.not_own
    response = np.where(keep, repeat, 0).sum(axis=0) / np.maximum(keep.sum(axis=0), 1)
    means = {"baseline": np.tile(response, (len(repeat), 1)), "replicate": repeat}
    for i, name in enumerate(submissions):
        means[name] = submission(name).shares(known, np.random.default_rng([seed, 0, i]))
    tables = {(name, 0): of_means(measured, one) for name, one in means.items()}
    return pd.concat(tables, names=["submission", "draw"]).reset_index()


@step
def variants(
    screen, *, names: Sequence[str], n_reference: int, seed: int, context: str = ""
) -> pd.DataFrame:
    """Values of some submissions and of both ends, with one constant of the rule changed.

    Parameters
    ----------
    names : sequence of str
        Of `VARIANTS`; the first is what the others are compared with.

    Returns
    -------
    DataFrame
        `variant`, `submission` (the ends under their names), and the six values.
    """
    whole, known = shared_out(
        screen, n_reference=n_reference, seed=seed, rule=VARIANTS[names[0]], context=context
    )
    controls = whole.control_counts
    one, two = halved(*known.measured, controls, seed=split_seeds(1)[0], control=CONTROL)
    cells = {"whole": (*known.measured, controls), "one": one, "two": two}
    cells["baseline"] = *baseline_cells(whole), controls
    for i, name in enumerate(RANKED):
        drawn = submission(name).cells(known, np.random.default_rng([seed, i]))
        cells[name] = *drawn, controls
    computed, rows = {}, []
    for variant in names:
        rule = VARIANTS[variant]
        sides = {name: _under(rule, name, part, whole, computed) for name, part in cells.items()}
        measured = sides.pop("whole")
        tables = {"replicate": replicate(sides.pop("one"), sides.pop("two"), measured)}
        for name, side in sides.items():
            control = measured.control.profile[0]
            tables[name] = compare(measured, side.profiles, side.table, control)
        for name, table in tables.items():
            rows.append({"variant": variant, "submission": name} | dict(aggregate(table)))
    return pd.DataFrame(rows)


def _under(rule: Rule, name: str, cells, whole: Reference, computed: dict) -> Reference:
    """Cells under a rule; what the rule does not change is computed once."""
    counts, labels, controls = cells
    profiled, tested = (name, rule.target_sum), (name, *rule.engine.values())
    if profiled not in computed:
        both = ((counts, labels), (controls, np.full(controls.shape[0], CONTROL)))
        computed[profiled] = [profiles(*part, target_sum=rule.target_sum) for part in both]
    if tested not in computed:
        computed[tested] = differential_expression(
            counts, labels, controls, whole.genes, **rule.engine
        )
    side, control = computed[profiled]
    return replace(
        whole,
        profiles=side,
        control=control,
        control_counts=controls,
        table=computed[tested],
        rule=rule,
    )
