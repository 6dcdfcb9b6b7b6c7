"""What follows from the truth that a simulated screen carries."""

import numpy as np
import pandas as pd
from scipy.special import logsumexp, xlog1py, xlogy

from helpers.data.contract import CONTROL, DataError
from helpers.data.simulate.effects import saturate

HALVES = ("first", "second")


def program_moves(screen, *, context: str | None = None, state: str | None = None) -> pd.DataFrame:
    """How far each perturbation moves each program in a responding cell, after saturation.

    Parameters
    ----------
    screen : AnnData
        Simulated.
    context : str, optional
        Default: the only one.
    state : {"first", "second"}, optional
        Half of the cell cycle; needed where effects depend on it.

    Returns
    -------
    DataFrame of shape (n_perturbations, n_programs), units of the latent

    Raises
    ------
    DataError
        The screen is not simulated, or context or state are unknown or needed and not named.
    """
    truth = _truth(screen)
    effects, knobs = truth["context_effects"], truth["knobs"]
    if context is None and len(effects) == 1:
        (context,) = effects
    if context not in effects:
        raise DataError(f"context is {context!r}; name one of {', '.join(effects)}")
    if state not in HALVES and (state is not None or knobs["state_dependence"] > 0):
        raise DataError(f"state is {state!r}; effects depend on it: name one of {HALVES}")
    factor = 1 - 2 * knobs["state_dependence"] if state == "second" else 1.0
    return saturate(factor * effects[context] + truth["systematic"], knobs["saturation"])


def noiseless_profiles(
    screen, *, context: str | None = None, state: str | None = None
) -> pd.DataFrame:
    """Change of the log expected count of each gene in a responding cell, without any noise.

    Parameters
    ----------
    screen, context, state
        See `program_moves`.

    Returns
    -------
    DataFrame of shape (n_perturbations, n_genes), natural logarithm
        The knock-down of the perturbed genes themselves included.

    Raises
    ------
    DataError
        See `program_moves`.
    """
    truth = _truth(screen)
    moves = program_moves(screen, context=context, state=state)
    loadings = np.asarray(screen.varm["programs"])[:, : moves.shape[1]]
    profiles = pd.DataFrame(
        moves.to_numpy() @ loadings.T, index=moves.index, columns=screen.var_names
    )
    expressed = truth["targets"]["expressed"]
    for row, name in enumerate(profiles.index):
        for target in name.split("+"):
            if expressed[target]:
                column = profiles.columns.get_loc(target)
                profiles.iloc[row, column] += np.log1p(-truth["knockdown"])
    return profiles


def bayes_accuracy(screen, *, given: str = "latent") -> dict[str, float]:
    """Accuracy of the best possible guess of a cell's perturbation.

    The posterior over perturbations (control is one of them, priors are their shares of cells) is
    exact; its largest value, averaged over cells, is the accuracy that no classifier exceeds in
    expectation.

    Parameters
    ----------
    screen : AnnData
        Simulated, in one context and without combinations.
    given : {"latent", "counts"}
        What the guess is made of. *latent*: the cell's coordinates and its half of the cycle, the
        ceiling of embeddings that hold programs; the knock-down of the target itself is not among
        them. *counts*: all counts, with depth, batch, guides' efficacies and every other knob
        known. They can be computed where cells have no noise of their own (`cell_sd` and
        `state_sd` are 0) and neither ambient RNA nor doublets.

    Returns
    -------
    dict
        `accuracy`, the mean of the largest posterior, and `achieved`, the share of cells whose
        perturbation it names, both in [0, 1]; `chance`, the largest prior; `n_cells`.

    Raises
    ------
    DataError
        The screen is not simulated, or the posterior cannot be computed; it says why.
    """
    truth = _truth(screen)
    knobs = truth["knobs"]
    needs_zero = {
        "latent": ("doublet_share", "n_combinations"),
        "counts": (
            "cell_sd",
            "off_program_sd",
            "state_sd",
            "ambient_share",
            "doublet_share",
            "n_combinations",
        ),
    }
    if given not in needs_zero:
        raise DataError(f"given is {given!r}; latent or counts")
    hindering = [name for name in needs_zero[given] if knobs[name] > 0]
    if given == "latent" and knobs["cell_sd"] == 0:
        hindering.append("cell_sd = 0 (a density is needed)")
    if knobs["n_contexts"] > 1:
        hindering.append("n_contexts > 1")
    if hindering:
        raise DataError(
            f"the Bayes accuracy given {given} cannot be computed with {', '.join(hindering)}"
        )
    names = [CONTROL, *truth["targets"].index]
    labels = pd.Index(names).get_indexer(screen.obs["true_perturbation"].astype(str))
    prior = np.bincount(labels, minlength=len(names)) / labels.size
    active = _share_acting(screen, names)
    likelihood = _log_latent if given == "latent" else _log_counts
    score = np.empty((screen.n_obs, len(names)))
    null = likelihood(screen, None)
    for i, name in enumerate(names):
        silent = np.log1p(-active[i]) if active[i] < 1 else -np.inf
        terms = [silent + null]
        if active[i] > 0:
            terms.append(np.log(active[i]) + likelihood(screen, name))
        score[:, i] = np.log(prior[i]) + logsumexp(terms, axis=0)
    posterior = np.exp(score - logsumexp(score, axis=1, keepdims=True))
    return {
        "accuracy": float(posterior.max(axis=1).mean()),
        "achieved": float((posterior.argmax(axis=1) == labels).mean()),
        "chance": float(prior.max()),
        "n_cells": int(labels.size),
    }


def _share_acting(screen, names) -> np.ndarray:
    """Probability that the guide acted in a cell of each perturbation, over its guides' cells."""
    guides = screen.uns["truth"]["guides"]
    efficacy = guides["efficacy"].reindex(screen.obs["true_guide"].astype(str)).to_numpy()
    by = pd.Series(efficacy).groupby(screen.obs["true_perturbation"].astype(str).to_numpy()).mean()
    return by.reindex(names).fillna(0.0).to_numpy()


def _log_latent(screen, name: str | None) -> np.ndarray:
    """Log density of each cell's latent, up to a constant; no effect where there is no name."""
    truth = _truth(screen)
    n_programs, sd = len(truth["systematic"]), truth["knobs"]["cell_sd"]
    residual = np.array(screen.obsm["latent"])[:, :n_programs]
    if name is not None:
        for half in HALVES:
            cells = (screen.obs["state"] == half).to_numpy()
            residual[cells] -= program_moves(screen, state=half).loc[name].to_numpy()
    return -0.5 * (residual**2).sum(axis=1) / sd**2


def _log_counts(screen, name: str | None) -> np.ndarray:
    """Log probability of each cell's counts, up to a constant."""
    X = screen.X.toarray() if hasattr(screen.X, "toarray") else np.asarray(screen.X)
    batch = screen.obs["batch"].cat.codes.to_numpy()
    log_mean = np.log(screen.var["abundance"].to_numpy()) + screen.varm["batch_shift"].T[batch]
    log_mean = log_mean + np.log(screen.obs["depth"].to_numpy())[:, None]
    if name is not None:
        for half in HALVES:
            cells = (screen.obs["state"] == half).to_numpy()
            log_mean[cells] += noiseless_profiles(screen, state=half).loc[name].to_numpy()
    mean, phi = np.exp(log_mean), screen.var["dispersion"].to_numpy()
    if (phi == 0).all():
        return (xlogy(X, mean) - mean).sum(axis=1)
    # NB(x) up to factors of x and φ alone: x log(mean) - (x + 1/φ) log(1 + φ mean)
    return (xlogy(X, mean) - xlog1py(X + 1 / phi, phi * mean)).sum(axis=1)


def _truth(screen) -> dict:
    truth = screen.uns.get("truth")
    if truth is None:
        name = screen.uns.get("dataset", {}).get("name", "this screen")
        raise DataError(f"{name} has no uns['truth']: only simulated screens know it")
    return truth
