"""A simulated perturbation screen whose truth is known.

The natural logarithm of a cell's expected count is a sum:

    depth + abundance + batch and context shift + programs · latent + knock-down of the target

and the count is negative binomial around it. The latent of a cell is the effect of its
perturbation, where the cell responded, plus the cell's own noise and its place in the cell cycle.
Each part is one function with a random stream of its own, so that two screens that differ in one
knob (say `effect_size`) share everything that this knob does not touch.
"""

import numpy as np
from anndata import AnnData

from helpers.data.simulate.knobs import Knobs, check_range
from helpers.data.simulate.plan import plan_screen, sha256_of
from helpers.store.steps import Step, step

CHUNK_SIZES = (1, 100_000_000)


def simulate_screen(rng: np.random.Generator, *, chunk_size: int = 1_000, **knobs) -> AnnData:
    """Simulate a pooled perturbation screen with negative-binomial counts.

    Parameters
    ----------
    rng
        Gives one 64-bit number, from which everything follows.
    chunk_size : int
        Cells drawn at a time; the result does not depend on it.
    **knobs
        Of `helpers.data.simulate.knobs.Knobs`, the others at their defaults.

    Returns
    -------
    AnnData
        A screen of counts, `X` a float32 csr_matrix, that satisfies the contract. The truth comes
        along, of each cell in `obs`: `responder` (every guide acted), `depth` (counts), `state`
        (half of the cycle), `true_guide`, `true_perturbation`, `misassigned`, `doublet`.
        `obsm["latent"]` of shape (n_cells, n_programs + 2) is the effect where the cell responded
        plus cell noise, then the cell-cycle coordinates, free of batch and of counting noise;
        `varm["programs"]` the loadings in the same order, `varm["batch_shift"]` (n_genes,
        n_batches) and `varm["context_shift"]` (n_genes, n_contexts); `var["abundance"]`, expected
        counts per count of depth, and `var["dispersion"]`. Where `off_program_sd` is above 0, the
        noise off the programs is in `obsm["off_latent"]` and `varm["off_programs"]`, and not in
        the latent. `uns["truth"]` holds `effects`
        (perturbation x program, what a responding cell gets before saturation; mean over
        contexts), `context_effects` (the same of each context), `systematic` (shift by program),
        `guides` (target, efficacy; of a combination also that of the second guide), `targets`
        (expressed, effective, complex, sign), `combinations` (components, class),
        `relationships` (pairs: same complex, sign, listed in the database) and `knobs`. What
        follows from these is in `helpers.data.foundations.truth`.

    Raises
    ------
    TypeError
        There is no such knob.
    ValueError
        Where a knob leaves its range, or the knobs do not fit each other.
    """
    check_range("chunk_size", chunk_size, CHUNK_SIZES)
    return _drawn(rng, Knobs.of(knobs), chunk_size)


def simulated_screen(seed: int, **knobs) -> Step:
    """The screen that `simulate_screen` makes of these knobs and this seed, as a step.

    Raises
    ------
    TypeError, ValueError
        See `simulate_screen`.
    """
    return screen_of_knobs(seed=seed, knobs=Knobs.of(knobs).changed())


@step
def screen_of_knobs(*, seed: int, knobs: dict) -> AnnData:
    """The screen of a seed and of the knobs that are not at their defaults."""
    return _drawn(np.random.default_rng(seed), Knobs(**knobs), chunk_size=1_000)


def _drawn(rng: np.random.Generator, knobs: Knobs, chunk_size: int) -> AnnData:
    plan = plan_screen(rng, knobs)
    X, totals = plan.counts(chunk_size)
    return AnnData(
        X,
        obs=plan.obs.assign(total_counts=totals),
        var=plan.var,
        obsm=plan.obsm,
        varm=plan.varm,
        uns=plan.uns(sha256_of(X)),
    )
