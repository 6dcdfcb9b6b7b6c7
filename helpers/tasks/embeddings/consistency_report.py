"""What is said of perturbation consistency: departures, reported numbers, scores, tables."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.plots.page import number
from helpers.scores import rows
from helpers.stats import wilson_interval
from helpers.store.steps import Step, results
from helpers.tasks.departures import Departure
from helpers.tasks.embeddings.consistency import PROTOCOLS, TASK
from helpers.tasks.embeddings.readouts_report import reported_posts
from helpers.tasks.requirements import unmet

YES = "yes"

DEPARTURES = (
    Departure(
        aspect="null",
        published="perturbations of unexpressed genes, whatever their size",
        revised="other labellings of the target's cells and the controls of their batches",
        kind="design choice",
        reason="a screen of essential or chosen genes has almost none, and elsewhere they have "
        "other numbers of cells than the target; controls are in every screen",
    ),
    Departure(
        aspect="controls that centre",
        published="all controls of a batch, for every perturbation",
        revised="under each labelling those that are not called the target",
        kind="design choice",
        reason="cells that are among those that centre them carry no error of their mean, a target "
        "does: it looks consistent without any effect",
    ),
    Departure(
        aspect="pairs",
        published="all pairs of cells",
        revised="pairs across replicates",
        kind="design choice",
        reason="within a replicate, what the replicate did to its cells counts as agreement",
    ),
    Departure(
        aspect="what PCA gets",
        published="raw counts",
        revised="log1p of counts per ten thousand, genes centred (in both protocols here)",
        kind="design choice",
        reason="the first components of raw counts are library size and a few abundant genes",
    ),
    Departure(
        aspect="post-processing",
        published="raw, centered, center-scaled, TVN; the best one kept",
        revised="center-scaled; the other three beside it",
        kind="design choice",
        reason="what is chosen on the scored data looks better than it is",
    ),
    Departure(
        aspect="p-value",
        published="b / B",
        revised="(1 + b) / (1 + B), or the share of all labellings where they are few",
        kind="design choice",
        reason="b / B can be 0, and rejects more often than its level says",
    ),
    Departure(
        aspect="many tests",
        published="none",
        revised="Benjamini-Hochberg within the table",
        kind="design choice",
        reason="of a thousand perturbations without effect, fifty have p ≤ 0.05",
    ),
    Departure(
        aspect="batches after typical variation normalisation",
        published="whitened, not centred",
        revised="whitened, then centred on their controls",
        kind="design choice",
        reason="cells of a batch share its offset, so that perturbations without effect agree more "
        "than draws of the controls to which the whitening was fitted",
    ),
    Departure(
        aspect="what typical variation normalisation is fitted on",
        published="the controls",
        revised="the controls and the cells of the perturbation, anew for each perturbation",
        kind="design choice",
        reason="a fit that knows which cells are controls makes these more alike than the others, "
        "so that p is too small without an effect, most of all with few controls",
    ),
    Departure(
        aspect="no null",
        published="no perturbation of an unexpressed gene: p is undefined for all, and the score "
        "divides by zero; here: cannot be answered below 20",
        revised="cannot be answered without controls in two replicates",
        kind="bug",
        reason="the released code divides by the number of p-values, which is then 0; below 20 "
        "null perturbations b / B is at most 0.05 only where it is 0, and the paper asks for 1,000 "
        "unexpressed genes",
    ),
    Departure(
        aspect="targets that are not measured",
        published="count as expressed",
        revised="expression is not used",
        kind="design choice",
        reason="a gene left out of the file says nothing about its expression",
    ),
    Departure(
        aspect="tail",
        published="code: null at least as large (followed); appendix B.2: less than or equal",
        revised="null at least as large",
        kind="paper-code discrepancy",
        reason="section 3.3 asks for similarity higher than by chance",
    ),
    Departure(
        aspect="level",
        published="code: p ≤ 0.05 (followed); paper: p < 0.05",
        revised="adjusted p ≤ 0.05",
        kind="paper-code discrepancy",
        reason="a p-value can be exactly 0.05; with 20 or 40 null perturbations the code's "
        "1 - (B - b) / B is then 0.050000000000000044, and not called",
    ),
)


def reported() -> pd.DataFrame:
    """Published consistency, one row a model: percent of perturbations, by post-processing."""
    table = reported_posts(TASK, "share_consistent", "replogle").set_index("model")
    return (100 * table).round(1).reset_index()


def answerability(counts: pd.DataFrame) -> pd.DataFrame:
    """Result of `context_counts`, and whether the protocols can be run on each context.

    Returns
    -------
    DataFrame indexed by context
        A column for each protocol, "yes" or what is missing, in place of the counts that only
        requirements name.
    """
    answers = {}
    for name, protocol in PROTOCOLS.items():
        missing = [unmet(protocol.requirements, has) for has in counts.to_dict("records")]
        answers[name] = ["cannot answer: " + "; ".join(m) if m else YES for m in missing]
    named = {r.fact for protocol in PROTOCOLS.values() for r in protocol.requirements}
    return counts.drop(columns=sorted(named)).assign(**answers)


def scores(result: pd.DataFrame, *, unit: str = "perturbation", **shared) -> pd.DataFrame:
    """Result of `consistency` as rows of the score table.

    Parameters
    ----------
    result : DataFrame
        Perturbations of the published null are not scored and have no row.
    unit : str
    **shared
        The other columns; see `helpers.scores.rows`.

    Returns
    -------
    DataFrame
        Two metrics a unit: `perturbation_consistency`, in [-1, 1], and `consistency_p_value`, in
        [0, 1]; NaN where it could not be scored. A guide's cluster is its target.
    """
    scored = _scored(result)
    return rows(
        task=TASK,
        unit_kind=unit,
        unit=scored.index,
        cluster=scored.index if unit == "control-guide" else scored["target"],
        n=scored["n_cells"],
        value={
            "perturbation_consistency": scored["similarity"],
            "consistency_p_value": scored["p_value"],
        },
        **shared,
    )


def _scored(result: pd.DataFrame) -> pd.DataFrame:
    return result[~result["in_null"]] if "in_null" in result else result


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


def most_consistent(table: pd.DataFrame, n: int = 5) -> str:
    """Which perturbations are the most consistent, and how far behind the next one is.

    Parameters
    ----------
    table : DataFrame
        `label` and `similarity` of perturbations; those without a similarity are left out.
    n : int
        So many are named, where there are more.
    """
    order = table.dropna(subset="similarity").sort_values("similarity", ascending=False)
    if order.empty:
        return "no perturbation has a similarity"
    if len(order) <= n:
        named = ", ".join(f"{r.label} ({number(r.similarity)})" for r in order.itertuples())
        few = "1 perturbation has" if len(order) == 1 else f"{len(order)} perturbations have"
        return f"{few} a similarity: {named}"
    first = ", ".join(order["label"].iloc[:n])
    last, following = order["similarity"].iloc[n - 1 : n + 1]
    return (
        f"the {n} most consistent perturbations are {first}, down to {number(last)}; the next one "
        f"is at {number(following)}"
    )


def called(q_values: pd.Series) -> str:
    """How many perturbations are consistent, and what that says; NaN could not be tested."""
    n, n_called = int(q_values.notna().sum()), int((q_values <= 0.05).sum())
    if not n:
        return "No perturbation could be tested"
    of = f"Of {n} perturbation{'s' * (n > 1)}"
    if not n_called:
        return (
            f"{of} none is called consistent at a false discovery rate of 5 %. That does not show "
            "that the embedding is blind to them: few cells may hide an effect"
        )
    return (
        f"{of} {n_called} {'are' if n_called > 1 else 'is'} consistent at a false discovery rate "
        "of 5 %. That says that the embedding is not blind to "
        f"{'these' if n_called > 1 else 'it'}, and little more: look at the size of the value"
    )


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
        `null`, `pairs`, `scored`, `context`, `called`, `n` that could be called, `share` with
        Wilson's 95 % interval `low`, `high`.
    """
    rows = []
    for key, result in tests.items():
        named = dict(zip(("null", "pairs", "scored", "context"), key, strict=True))
        able = result["least_p"] <= 0.05
        rows.append(named | _share(result.loc[able, "p_value"] <= 0.05))
    return pd.DataFrame(rows)
