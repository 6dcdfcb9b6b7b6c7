"""Tables of the chapter on regimes: what each is, and what can be known in it."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.comparisons import compare
from helpers.data.contract import CONTROL
from helpers.data.foundations.truth import bayes_accuracy
from helpers.data.simulate.regimes import REGIMES
from helpers.store.steps import step
from helpers.tasks import requirements
from helpers.tasks.findings import listed, with_interval
from helpers.tasks.foundations.combinations import ROLES
from helpers.words import Words


def overview() -> pd.DataFrame:
    """The regimes, one row each: what is special, what should win, the knobs that define it."""
    return pd.DataFrame(
        {
            "regime": regime.name,
            "what is special": regime.what,
            "what should win": regime.winner,
            "defined by": ", ".join(f"{k} = {v:g}" for k, v in regime.defining.items()),
        }
        for regime in REGIMES.values()
    )


@step
def screen_facts(screen) -> dict:
    """What a simulated screen looks like, and how well a cell's perturbation can be guessed.

    Returns
    -------
    dict
        `counts per cell` (median), `share of zeros`, `cells per perturbation` (smallest and
        largest), `labels that are right` (share of cells), `responders` (share of the cells that
        are labelled with a target), `Bayes accuracy` given the latent, None where it cannot be
        computed, and `chance`.
    """
    obs = screen.obs
    treated = (obs["perturbation"] != CONTROL).to_numpy()
    sizes = obs.loc[treated, "perturbation"].value_counts()
    sizes = sizes[sizes > 0]
    knobs = screen.uns["truth"]["knobs"]
    computable = knobs["n_combinations"] == 0 and knobs["doublet_share"] == 0
    best = bayes_accuracy(screen) if computable else {}
    return {
        "counts per cell": float(np.median(obs["total_counts"])),
        "share of zeros": 1 - screen.X.nnz / (screen.n_obs * screen.n_vars),
        "fewest cells": int(sizes.min()),
        "most cells": int(sizes.max()),
        "right labels": float(1 - obs["misassigned"].mean()),
        "responders": float(obs.loc[treated, "responder"].mean()),
        "Bayes accuracy": best.get("accuracy"),
        "chance": float(obs["true_perturbation"].value_counts(normalize=True).max()),
    }


def facts_table(facts: Mapping[str, dict]) -> pd.DataFrame:
    """Facts of several screens, one row a regime."""
    table = pd.DataFrame([{"regime": name} | fact for name, fact in facts.items()])
    return table.assign(**{"Bayes accuracy": table["Bayes accuracy"].astype(float)})


def errors_by_regime(errors: Mapping[tuple[str, int], pd.DataFrame]) -> pd.DataFrame:
    """Mean relative errors over held-out combinations and seeds, with 95 % intervals.

    Parameters
    ----------
    errors : mapping
        Of (regime, seed) to a result of `combination_errors`.

    Returns
    -------
    DataFrame
        `regime`, `model`, `label`, `role`, `value` (mean), `low`, `high` (bootstrap of
        combinations), and `better than additive`: share of combinations.
    """
    from helpers.stats import cluster_bootstrap

    rows = []
    for regime in dict.fromkeys(name for name, _ in errors):
        tables = {seed: t for (name, seed), t in errors.items() if name == regime}
        table = pd.concat(tables, names=["seed"])
        units = [f"{seed}:{name}" for seed, name in table.index]
        for model, role in ROLES.items():
            rng = np.random.default_rng(0)
            mean, low, high = cluster_bootstrap(table[model], units, rng=rng)
            rows.append(
                {
                    "regime": regime,
                    "model": model,
                    "label": f"{model}, {regime}",
                    "role": role,
                    "value": mean,
                    "low": low,
                    "high": high,
                    "better than additive": float((table[model] < table["additive"]).mean()),
                }
            )
    return pd.DataFrame(rows)


def in_short(errors: Mapping[tuple[str, int], pd.DataFrame], plain: str) -> str:
    """Whether the scores see interactions, by the model of them less a scaled additive one.

    Parameters
    ----------
    errors : mapping
        As in `errors_by_regime`.
    plain : str
        The regime without interactions, in which no gain is to be seen.
    """
    found = {
        regime: _less_scaled(errors, regime)[0]
        for regime in dict.fromkeys(name for name, _ in errors)
    }
    seen = [regime for regime, row in found.items() if row.verdict == "better"]
    bent = [regime for regime in seen if regime != plain]
    if plain in seen:
        head = "No: a gain is seen also where effects add"
    else:
        head = f"Yes, where effects are {listed(bent)}" if bent else "It is not shown"
    told = listed(
        f"{with_interval(row.difference, row.low, row.high, 3)} ({regime})"
        for regime, row in found.items()
    )
    return (
        f"{head}. The error of the model of interactions less that of the scaled additive one is "
        f"{told}."
    )


def against_scaled(errors: Mapping[tuple[str, int], pd.DataFrame], regime: str) -> str:
    """Whether the model of interactions beats a scaled additive one in a regime, as a sentence.

    Parameters
    ----------
    errors : mapping
        As in `errors_by_regime`.
    regime : str
    """
    found, (mine, other) = _less_scaled(errors, regime)
    says = {
        "better": "the scaled additive model loses to the model of interactions",
        "worse": "the scaled additive model wins, though it knows of no interaction",
        "undecided": "the scaled additive model and that of interactions cannot be told apart",
    }[found.verdict]
    return f"in the regime {regime} {says} (errors {other:.3f} and {mine:.3f})"


def _less_scaled(errors: Mapping[tuple[str, int], pd.DataFrame], regime: str):
    """The comparison of the model of interactions with a scaled additive one, and both means."""
    tables = [t for (name, _), t in errors.items() if name == regime]
    table = pd.concat(tables, keys=range(len(tables)))[["program interaction", "scaled additive"]]
    (found,) = compare(
        table.reset_index(drop=True),
        np.arange(len(table)),
        better="lower",
        rng=np.random.default_rng(0),
    ).itertuples()
    return found, table.mean()


FEWEST_PAIRS = requirements.FEWEST_COMBINATIONS


def of_real(screen, name: str) -> Words:
    """Why a real screen's regime cannot be told: what it has of what that takes."""
    n = pairs_with_members(screen)
    needs = f", where at least {FEWEST_PAIRS} are needed" if n < FEWEST_PAIRS else ""
    return (
        f"The regime of {name} cannot be answered: the models have to be told the gene programs, "
        "which nobody knows of it. Combinations of two whose members were also perturbed alone: "
        f"{n}{needs}."
    )


def pairs_with_members(screen) -> int:
    """How many combinations of two have both members perturbed alone too."""
    return len(requirements.pairs_with_members(screen.obs["perturbation"].unique()))
