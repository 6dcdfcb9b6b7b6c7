"""A second screen of the same biology, for models that are fitted on another data set."""

from dataclasses import replace

import numpy as np
from anndata import AnnData

from helpers.data.contract import DataError
from helpers.data.simulate.knobs import Knobs
from helpers.data.simulate.plan import plan_screen, sha256_of
from helpers.store.steps import step


@step
def sister_screen(
    screen, *, seed: int, n_cells: int, n_targets: int, n_batches: int, context_sd: float = 0.3
) -> AnnData:
    """Simulate another laboratory's screen of another line of the same kind of cell.

    It has the genes, the programs, the abundances and the dispersions of `screen`. Targets,
    effects, batches and cells are its own, and each gene's abundance is shifted, as between lines.

    Parameters
    ----------
    screen : AnnData
        Simulated.
    seed : int
        Another one than that of the screen.
    n_cells, n_targets, n_batches : int
    context_sd : float
        Standard deviation of the log shift of each gene.

    Returns
    -------
    AnnData of shape (n_cells, n_genes of the screen)
        Counts. `obs` has perturbation, guide, batch, replicate and context ("sister"). The truth
        of single cells is left out: only expression is to be learned from it.

    Raises
    ------
    DataError
        The screen is not simulated.
    """
    if "programs" not in screen.varm:
        name = screen.uns.get("dataset", {}).get("name", "this screen")
        raise DataError(f"{name} is not simulated; it has no varm['programs'] to share")
    own = dict(n_cells=n_cells, n_targets=n_targets, n_batches=n_batches, n_contexts=1)
    rng = np.random.default_rng(seed)
    plan = plan_screen(rng, replace(Knobs.read(screen), **own, n_complexes=0))
    shift = context_sd * rng.standard_normal(screen.n_vars)
    log_abundance = np.log(screen.var["abundance"].to_numpy()) + shift
    plan = replace(
        plan,
        var=screen.var[["abundance", "dispersion"]],
        varm={
            name: np.asarray(screen.varm[name])
            for name in ("programs", "off_programs")
            if name in screen.varm
        },
        log_mean=log_abundance + np.asarray(plan.varm["batch_shift"]).T,
    )
    X, totals = plan.counts(chunk_size=1_000)
    uns = plan.uns(sha256_of(X))
    kept = ["perturbation", "guide", "batch", "replicate", "context"]
    obs = plan.obs[kept].assign(total_counts=totals)
    obs["context"] = obs["context"].cat.rename_categories(["sister"])
    dataset = uns["dataset"] | {"name": "simulated sister"}
    return AnnData(X, obs=obs, var=screen.var[[]], uns={"scale": uns["scale"], "dataset": dataset})
