"""Statements of Ahlmann-Eltze et al. (2025), each with a verdict from its own published scores.

One rule for all: a difference counts where Holm's p is at most 5 %, whatever its size; where its
interval lies within the margin it is said that it does not matter. A tie shows that a model does
not beat another, and leaves open which of them is better. A verdict has three values, and a fourth,
`UNTESTABLE`, where there is nothing to compare or the comparison cannot tell.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd

from helpers.tasks.effects.published_scores import CELL_LINES, OTHER_LINE, SAME_CELLS
from helpers.tasks.effects.published_scores_report import DEEP, TITLES

SAME_LINE = CELL_LINES[:1]
"""Adamson's cells are K562, and so are those that its embedding comes from."""

REPRODUCED, CONTRADICTED, UNDECIDED = "reproduced", "contradicted", "undecided"
UNTESTABLE = "not testable here"

LEVEL = 0.05
RESOLUTION = 1e-3
"""Shares of interactions that differ by less are taken for the same."""

_TURNED = {"better": "worse", "worse": "better"}


def sign_first(pairs: pd.DataFrame, *, better: Literal["higher", "lower"] = "lower") -> pd.Series:
    """Verdicts of comparisons on the sign of the difference: the one rule of this page.

    Parameters
    ----------
    pairs : DataFrame
        Rows of `helpers.comparisons.compare`.
    better : {"higher", "lower"}
        Direction of the metric.

    Returns
    -------
    Series of str
        *better* or *worse* where Holm's p is at most `LEVEL`, though the difference be small;
        else *tied* where the interval lies within the margin; *undecided*; *cannot* where there is
        no p-value, or where with so few perturbations it could not be as small.
    """
    sign = 1 if better == "higher" else -1
    called = pairs["p_holm"] <= LEVEL
    found = pd.Series(
        np.where(sign * pairs["difference"] > 0, "better", "worse"), pairs.index, dtype=object
    )
    found = found.where(called, pairs["verdict"].where(pairs["verdict"] == "tied", "undecided"))
    few = (found == "undecided") & (pairs["least_p_holm"] > LEVEL)
    return found.mask(few | pairs["p_holm"].isna(), "cannot")


def against(pairs: pd.DataFrame, other: str) -> pd.DataFrame:
    """Verdicts on errors of all models against one of them: models x data sets.

    NaN where a data set lacks the model. In a pair either of the two may stand first.
    """
    verdict, rows = sign_first(pairs), {}
    for row, one in zip(pairs.itertuples(), verdict, strict=True):
        if row.other == other:
            rows[row.model, row.dataset] = one
        elif row.model == other:
            rows[row.other, row.dataset] = _TURNED.get(one, one)
    found = pd.Series(rows, dtype=object)
    index = pd.MultiIndex.from_tuples(rows, names=["model", "dataset"]) if rows else None
    if index is None:
        return pd.DataFrame(columns=list(TITLES), dtype=object)
    return found.set_axis(index).unstack("dataset").reindex(columns=list(TITLES))  # noqa: PD010


def all_better(verdicts: Mapping[str, str]) -> str:
    """Verdict on "better in each of them": one that is worse turns it down."""
    found = [v for v in verdicts.values() if isinstance(v, str) and v != "cannot"]
    if not found:
        return UNTESTABLE
    if "worse" in found:
        return CONTRADICTED
    return REPRODUCED if found.count("better") == len(verdicts) else UNDECIDED


def none_everywhere(table: pd.DataFrame) -> str:
    """Verdict on "none of the models is better in every data set".

    Parameters
    ----------
    table : DataFrame of str, models x data sets
        Of `against`. One data set in which a model is tied or worse rules it out.
    """
    if not table.isin(["better", "tied", "worse", "undecided"]).any(axis=None):
        return UNTESTABLE
    if (table == "better").all(axis=1).any():
        return CONTRADICTED
    return REPRODUCED if table.isin(["tied", "worse"]).any(axis=1).all() else UNDECIDED


def tally(verdicts: Mapping[str, str]) -> str:
    """Verdicts in words: "worse: GEARS, scGPT; undecided: CPA"."""
    parts = []
    for one in ("better", "tied", "worse", "undecided", "cannot"):
        names = [name for name, verdict in verdicts.items() if verdict == one]
        if names:
            parts.append(f"{'too little data' if one == 'cannot' else one}: {', '.join(names)}")
    absent = [name for name, verdict in verdicts.items() if not isinstance(verdict, str)]
    return "; ".join([*parts, *([f"not scored: {', '.join(absent)}"] if absent else [])]) or "none"


def sentences(
    *,
    additive: pd.DataFrame,
    curves: pd.DataFrame,
    singles: pd.DataFrame,
    transfer: pd.DataFrame,
    correlation: pd.DataFrame,
    self_duel: pd.DataFrame,
) -> pd.DataFrame:
    """Statements of the paper, what the comparisons say, and a verdict on each.

    Parameters
    ----------
    additive : DataFrame
        Of `verdicts` on double perturbations, with the additive model as reference.
    curves : DataFrame
        Of `interactions`.
    singles, transfer : DataFrame
        Of `verdicts` on all pairs of models, by l2_ratio.
    correlation : DataFrame
        Of `verdicts` on `transfer`, with the mean as reference, by pearson_delta.
    self_duel : DataFrame
        Of `fewer_genes`.

    Returns
    -------
    DataFrame
        `statement`, `found`, `verdict`, `missing`.
    """
    carried = against(transfer, "mean").reindex([OTHER_LINE]).loc[OTHER_LINE]
    apart = [d for d in TITLES if d not in SAME_LINE]
    rows = [
        _larger_error_row(additive),
        _interaction_row(curves),
        *(_single_genes_row(singles, other) for other in ("mean", "LM")),
        _carried_row("Embeddings of another cell line", carried[apart]),
        _carried_row("Embeddings of another screen of the same line", carried[list(SAME_LINE)]),
        _against_all(transfer, apart),
        *(
            _gene_embedding_row(source, transfer, correlation, self_duel)
            for source in ("scGPT", "scFoundation")
        ),
    ]
    return pd.DataFrame(rows, columns=["statement", "found", "verdict", "missing"])


def _larger_error_row(additive: pd.DataFrame) -> tuple[str, str, str, str]:
    own = additive[additive["model"].isin(DEEP)]
    found = dict(zip(own["model"], sign_first(own), strict=True))
    return (
        "Pairs of genes: every deep-learning model has a larger error than the additive model",
        f"error against the additive model's: {tally(found)}",
        all_better({model: _TURNED.get(v, v) for model, v in found.items()}),
        "a ceiling",
    )


def _interaction_row(curves: pd.DataFrame) -> tuple[str, str, str, str]:
    """The claim on interactions, over false discovery proportions from 0.1 to 0.9."""
    statement = "Pairs of genes: no model finds more interactions than no change"
    missing = "the curves of each split, for an interval"
    inner = curves[curves["fdp"].between(0.1, 0.9)]
    by = inner.set_index(["fdp", "model"])["tpr"].unstack()  # noqa: PD010
    others = [m for m in by if m != "no change"]
    if "no change" not in by or not others:
        return statement, "no curve to compare", UNTESTABLE, missing
    lead = by[others].sub(by["no change"], axis=0).dropna(how="all")
    if lead.empty:
        return statement, "no curve to compare", UNTESTABLE, missing
    above = int((lead.max(axis=1) >= RESOLUTION).sum())
    model = lead.max().idxmax()
    most = f"; the largest lead is {lead[model].max():.3f} ({model})" if above else ""
    return (
        statement,
        f"at {above} of {len(lead)} false discovery proportions a model finds more, by one in a "
        f"thousand interactions or more{most}",
        f"{CONTRADICTED if above else REPRODUCED} (means only)",
        missing,
    )


def _single_genes_row(singles: pd.DataFrame, other: str) -> tuple[str, str, str, str]:
    table = against(singles, other)
    table = table.reindex([m for m in DEEP if m in table.index])
    everywhere = (table == "better").all(axis=1)
    somewhere = (table == "better").any(axis=1) & ~everywhere
    out = table.isin(["tied", "worse"]).any(axis=1)
    return (
        f"Single genes: no deep-learning model beats the {other} in every data set",
        f"better in every data set: {_listed(everywhere)}; better in some: {_listed(somewhere)}; "
        f"tied or worse in one at least: {_listed(out)}; still possible in all: "
        f"{_listed(~out & ~everywhere)}",
        none_everywhere(table),
        "more perturbations in Adamson; a ceiling",
    )


def _carried_row(what: str, verdicts: pd.Series) -> tuple[str, str, str, str]:
    """The positive result, where the embedding comes from another line, and where it does not."""
    verdict = all_better(verdicts.to_dict())
    return (
        f"{what}: the linear model's error is below the mean's",
        tally(verdicts.rename(TITLES).to_dict()),
        verdict,
        "a ceiling" if verdict == REPRODUCED else "more perturbations in that data set",
    )


def _against_all(pairs: pd.DataFrame, datasets: list[str]) -> tuple[str, str, str, str]:
    """The claim that embeddings of another line are best, but for those of the same cells."""
    table = against(pairs, OTHER_LINE)
    table = table.drop(index=[m for m in (SAME_CELLS,) if m in table.index])
    matters = pairs["verdict"] != "tied"
    says, found = [], {}
    for dataset in datasets:
        # turned round: how OTHER_LINE does against each
        own = {m: _TURNED.get(v, v) for m, v in table[dataset].dropna().items()}
        has = (pairs["dataset"] == dataset) & (pairs[["model", "other"]] == OTHER_LINE).any(axis=1)
        small = pairs[has & ~matters & (pairs["p_holm"] <= LEVEL)]
        names = [m for m in {*small["model"], *small["other"]} if own.get(m) == "better"]
        not_better = tally({m: v for m, v in own.items() if v != "better"})
        says.append(
            f"{TITLES[dataset]}: better than {list(own.values()).count('better')} of {len(own)}"
            + (f" ({not_better})" if not_better != "none" else "")
            + (f", of {', '.join(sorted(names))} by less than matters" if names else "")
        )
        found |= {f"{m}, {dataset}": v for m, v in own.items()}
    return (
        "... and below that of every other model",
        "; ".join(says),
        all_better(found),
        "a ceiling, for a region that does not matter",
    )


def _gene_embedding_row(
    source: str, transfer: pd.DataFrame, correlation: pd.DataFrame, self_duel: pd.DataFrame
) -> tuple[str, str, str, str]:
    """A claim on errors that were summed over unequal sets of genes."""
    model = f"LM, genes of {source}"
    error = against(transfer, "mean").reindex([model]).loc[model].rename(TITLES).to_dict()
    own = correlation[correlation["model"] == model]
    change = dict(zip(own["dataset"], sign_first(own, better="higher"), strict=True))
    change = {name: change.get(dataset) for dataset, name in TITLES.items()}
    return (
        f"Gene embeddings of {source}: the linear model's error is below the mean's",
        f"by error, {tally(error)}; by correlation of the change, which is no sum over genes, "
        f"{tally(change)}",
        about_genes(error, change, lowers_errors(self_duel)),
        "predictions, to score all models on one set of genes",
    )


def about_genes(
    error: Mapping[str, str], change: Mapping[str, str], missing_genes_lower: bool
) -> str:
    """Verdict on a lower error that missing genes alone could have made.

    Parameters
    ----------
    error, change : mapping
        Of a data set to the verdict by error, and by correlation of the change. A lower error
        counts where the correlation, which sums nothing, is better too.
    missing_genes_lower : bool
        Of `lowers_errors`.
    """
    lower = [dataset for dataset, verdict in error.items() if verdict == "better"]
    if all(change.get(dataset) == "better" for dataset in lower):
        return all_better(error)
    shown = "; missing genes lower an error in simulation" if missing_genes_lower else ""
    return UNTESTABLE + shown


def lowers_errors(self_duel: pd.DataFrame) -> bool:
    """Whether the mean baseline without random genes has a smaller error than itself, as a rule."""
    row = self_duel.set_index("prediction").loc["baseline, random genes missing"]
    return bool(row["ratio"] < 1 and row["share_lower"] > 0.95)


def _listed(chosen: pd.Series) -> str:
    return ", ".join(chosen.index[chosen]) or "none"
