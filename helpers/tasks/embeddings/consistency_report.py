"""Tables of the chapter on perturbation consistency."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL
from helpers.stats import wilson_interval
from helpers.store import Step, results, step
from helpers.tasks.embeddings.consistency import PROTOCOLS, available, scores
from helpers.tasks.requirements import unmet

YES = "yes"

# Bendidi et al. 2024, arXiv 2410.13956 v2, genome-wide K562 screen of Replogle et al. 2022:
# perturbations with p <= 0.05 in percent, by post-processing (table 4) and as kept (table 2).
_COLUMNS = ("raw", "centered", "center-scaled", "TVN", "kept")
_REPORTED = {
    "PCA": (9.2, 9.4, 11.9, 11.6, 11.9),
    "scVI": (10.2, 9.5, 9.4, 9.6, 10.2),
    "Transfer scVI": (4.8, 10.7, 10.6, 11.8, 11.8),
    "scGPT": (4.1, 10.2, 9.7, 11.5, 11.5),
    "scGPT fine-tuned": (6.0, 6.5, 6.2, 9.2, 9.2),
    "UCE": (4.6, 9.5, 9.8, 10.5, 10.5),
    "CellPLM": (5.4, 6.0, 5.8, 11.1, 11.1),
    "Geneformer": (5.3, 5.2, 6.0, 6.3, 6.3),
    "random labels": (None, None, None, None, 5.1),
}


def reported() -> pd.DataFrame:
    """Published consistency, one row a model: percent of perturbations, by post-processing."""
    table = pd.DataFrame.from_dict(_REPORTED, orient="index", columns=list(_COLUMNS), dtype=float)
    return table.rename_axis("model").reset_index()


@step
def answerability(screen, *, replicate: str = "batch") -> pd.DataFrame:
    """What each context of a screen has, and whether the protocols can be run on it.

    Returns
    -------
    DataFrame indexed by context, sorted
        `cells`, `perturbations`, `controls`, `control_guides` (0 where guides are not known),
        `replicates`, and a column for each protocol: "yes", or what is missing.
    """
    rows = {}
    for context in sorted(screen.obs["context"].unique()):
        one = screen[(screen.obs["context"] == context).to_numpy()]
        obs = one.obs
        is_control = (obs["perturbation"] == CONTROL).to_numpy()
        guides = obs.loc[is_control, "guide"].nunique() if "guide" in obs else 0
        rows[context] = {
            "cells": one.n_obs,
            "perturbations": int(obs.loc[~is_control, "perturbation"].nunique()),
            "controls": int(is_control.sum()),
            "control_guides": int(guides),
            "replicates": int(obs[replicate].nunique()),
        }
        has = available(one, replicate=replicate)
        for name in ("published", "revised"):
            missing = unmet(PROTOCOLS[name].requirements, has)
            rows[context][name] = "cannot answer: " + "; ".join(missing) if missing else YES
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("context")


def gather(
    asked: Mapping[tuple, Step],
    keys: Sequence[str],
    *,
    roles: Mapping[str, str],
    params: Mapping[str, dict],
    **shared,
) -> pd.DataFrame:
    """Score table of many calls of `consistency`, computed side by side where there is a cluster.

    Parameters
    ----------
    asked : mapping
        Of a tuple of values to a call.
    keys : sequence of str
        What these values are: arguments of `scores`, `model` among them.
    roles, params : mapping
        Of the model's name to its role, and to its parameters (none where it is not named).
    **shared
        The other arguments of `scores`.
    """
    tables = []
    for values, result in zip(asked, results(asked.values()), strict=True):
        named = dict(zip(keys, values, strict=True))
        model = named["model"]
        tables.append(
            scores(result, role=roles[model], params=params.get(model, {}), **named, **shared)
        )
    return pd.concat(tables, ignore_index=True)


def by_context(tests: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Results of several contexts as one table, with a `label` that names the perturbation.

    Raises
    ------
    ValueError
        No context can be answered.
    """
    if not tests:
        raise ValueError(
            "no context of this data set has what the revised protocol needs: the table of "
            "answerability says what is missing"
        )
    tables = []
    for context, result in tests.items():
        label = result.index if len(tests) == 1 else [f"{u}, {context}" for u in result.index]
        tables.append(result.assign(context=context, label=label).reset_index(names="unit"))
    return pd.concat(tables, ignore_index=True)


def units_of(facts: pd.Series) -> list[str]:
    """What can be scored in a context: its perturbations, and non-targeting guides if several."""
    return ["perturbation", *(["control-guide"] if facts["control_guides"] > 1 else [])]


def against_truth(
    asked: Mapping[tuple[str, str], Step], truth: pd.DataFrame, *, roles: Mapping[str, str]
) -> pd.DataFrame:
    """Share of targets that each protocol calls, of those with and without a planted effect.

    Both protocols are compared on the targets that are expressed: the others are the null of the
    published one.

    Parameters
    ----------
    asked : mapping
        Of (model, protocol) to a call of `consistency` on a simulated screen.
    truth : DataFrame indexed by target
        `expressed` and `effective`, from the screen's ``uns["truth"]["targets"]``.
    roles : mapping
        Of the model's name to its role.

    Returns
    -------
    DataFrame
        `model`, `protocol`, `planted` (effect, or none beyond the target's own gene), `label`,
        `role`, `called`, `n`, `share` with Wilson's 95 % interval `low`, `high`.
    """
    rows = []
    for (model, protocol), result in zip(asked, results(asked.values()), strict=True):
        chosen = PROTOCOLS[protocol]
        decided = result["q_value" if chosen.adjust else "p_value"].dropna() <= chosen.level
        decided = decided[truth["expressed"].reindex(decided.index).to_numpy(bool)]
        effective = truth["effective"].reindex(decided.index).to_numpy(bool)
        for planted, group in (("effect", decided[effective]), ("none", decided[~effective])):
            named = {"model": model, "protocol": protocol, "planted": planted}
            label = f"{model}, {protocol}, " + ("effect" if planted == "effect" else "no effect")
            rows.append(named | {"label": label, "role": roles[model]} | _share(group))
    return pd.DataFrame(rows)


def _share(called: pd.Series) -> dict:
    """How many of a group are called, and the share with Wilson's 95 % interval."""
    k, n = int(called.sum()), len(called)
    low, high = wilson_interval(k, n) if n else (np.nan, np.nan)
    return {"called": k, "n": n, "share": k / n if n else np.nan, "low": low, "high": high}


def calls(tests: Mapping[tuple[str, str, str, str], pd.DataFrame]) -> pd.DataFrame:
    """How many units are called at p <= 0.05, before any correction.

    Parameters
    ----------
    tests : mapping
        Of (null, pairs, unit, context) to the result of `consistency`.

    Returns
    -------
    DataFrame
        `null`, `pairs`, `scored`, `context`, `called`, `n`, `share` with Wilson's 95 % interval
        `low`, `high`.
    """
    rows = []
    for key, result in tests.items():
        named = dict(zip(("null", "pairs", "scored", "context"), key, strict=True))
        rows.append(named | _share(result["p_value"].dropna() <= 0.05))
    return pd.DataFrame(rows)
