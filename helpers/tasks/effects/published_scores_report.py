"""What is said of the published scores: statements of the paper, and what lies behind its means."""

import numpy as np
import pandas as pd

from helpers.comparisons import paired
from helpers.tasks.effects.published_scores import OTHER_LINE, SAME_CELLS, scores_of

TITLES = {
    "adamson": "Adamson, K562",
    "replogle_k562_essential": "Replogle, K562",
    "replogle_rpe1_essential": "Replogle, RPE1",
}
"""Data sets of single perturbations as the page names them."""

DEEP = (
    *("GEARS", "scGPT", "scFoundation", "Geneformer*", "UCE*", "UCE* (33 layers)"),
    *("scBERT*", "CPA"),
)
"""Deep-learning models; those with * were given a perturbation head by the paper's authors."""


def sentences(
    *,
    additive: pd.DataFrame,
    curves: pd.DataFrame,
    singles: pd.DataFrame,
    transfer: pd.DataFrame,
    correlation: pd.DataFrame,
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

    Returns
    -------
    DataFrame
        `statement`, `found`, `verdict`, `missing`.
    """
    deep = additive[additive["model"].isin(DEEP)]
    n_worse = int((deep["verdict"] == "worse").sum())
    rows = [
        (
            "Pairs of genes: every deep-learning model has a larger error than the additive model",
            f"{n_worse} of {len(deep)} models are worse",
            "reproduced" if n_worse == len(deep) else "contradicted",
            "a ceiling",
        ),
        _interaction_row(curves),
    ]
    for other in ("mean", "LM"):
        tally = _against(singles, other, models=[m for m in DEEP if m in set(singles["model"])])
        everywhere = (tally == "better").all(axis=1)
        rows.append(
            (
                f"Single genes: no deep-learning model beats the {other} in every data set",
                f"better in every data set: {_listed(everywhere)}; in one or two: "
                f"{_listed((tally == 'better').any(axis=1) & ~everywhere)}; tied in every one: "
                f"{_listed((tally == 'tied').all(axis=1))}; worse somewhere: "
                f"{_listed((tally == 'worse').any(axis=1))}",
                "contradicted" if everywhere.any() else "reproduced",
                "more perturbations in Adamson; a ceiling",
            )
        )
    of_line = _against(transfer, "mean", models=[OTHER_LINE]).loc[OTHER_LINE]
    rows.append(
        (
            "Embeddings of another cell line: the linear model is better than the mean",
            "; ".join(f"{TITLES[d]}: {v}" for d, v in of_line.items()),
            _holds(of_line == "better"),
            "more perturbations in Adamson" if (of_line != "better").any() else "a ceiling",
        )
    )
    rows.append(_against_all(transfer))
    gain = correlation.set_index(["model", "dataset"])["verdict"]
    for source in ("scGPT", "scFoundation"):
        by = gain[f"LM, genes of {source}"]
        rows.append(
            (
                f"Gene embeddings of {source}: the linear model's error is below the mean's",
                "by correlation of the change, which is no sum over genes: "
                + "; ".join(f"{TITLES[d]}: {by[d]}" for d in TITLES),
                "not testable here; mechanism shown on other data",
                "predictions, to score all models on one set of genes",
            )
        )
    return pd.DataFrame(rows, columns=["statement", "found", "verdict", "missing"])


def _interaction_row(curves: pd.DataFrame) -> tuple[str, str, str, str]:
    """The claim on interactions, over false discovery proportions from 0.1 to 0.9."""
    inner = curves[curves["fdp"].between(0.1, 0.9)]
    by = inner.set_index(["fdp", "model"])["tpr"].unstack()  # noqa: PD010
    best = by.drop(columns="no change").max(axis=1)
    above = int((best > by["no change"]).sum())
    return (
        "Pairs of genes: no model finds more interactions than no change",
        f"at {above} of {len(by)} false discovery proportions a model finds more",
        "reproduced (means only)" if above == 0 else "contradicted (means only)",
        "the curves of each split, for an interval",
    )


def _against_all(pairs: pd.DataFrame) -> tuple[str, str, str, str]:
    """The claim that embeddings of another line are best: any clear difference counts."""
    found, held = [], {}
    for dataset, name in TITLES.items():
        own = pairs[(pairs["dataset"] == dataset) & (pairs["model"] != SAME_CELLS)]
        own = own[own["other"] != SAME_CELLS]
        lower = own[(own["model"] == OTHER_LINE) | (own["other"] == OTHER_LINE)]
        sign = np.where(lower["model"] == OTHER_LINE, 1, -1)
        clear = (sign * lower["difference"] < 0) & (lower["p_holm"] <= 0.05)
        relevant = clear & (lower["verdict"] != "tied")
        held[dataset] = clear.all()
        found.append(
            f"{name}: clearly better than {clear.sum()} of {len(lower)}, {relevant.sum()} of them "
            "not only within the region that does not matter"
        )
    return (
        "... and better than every other model",
        "; ".join(found),
        _holds(pd.Series(held)),
        "more perturbations where a comparison is undecided",
    )


def _against(pairs: pd.DataFrame, other: str, *, models) -> pd.DataFrame:
    """Verdicts of models on another one, models x data sets; NaN where a set lacks a model."""
    turned = {"better": "worse", "worse": "better"}
    rows = {}
    for row in pairs.itertuples():
        if row.other == other:
            rows[row.model, row.dataset] = row.verdict
        elif row.model == other:
            rows[row.other, row.dataset] = turned.get(row.verdict, row.verdict)
    found = pd.Series(rows).unstack()  # noqa: PD010
    return found.loc[sorted(models), list(TITLES)]


def _listed(chosen: pd.Series) -> str:
    return ", ".join(chosen.index[chosen]) or "none"


def _holds(by_dataset: pd.Series) -> str:
    held, n = int(by_dataset.sum()), len(by_dataset)
    if held == n:
        return "reproduced"
    return f"reproduced in {held} of {n} data sets, undecided in the rest" if held else "undecided"


def repeated(scores: pd.DataFrame, captions: dict[str, int] | None = None) -> pd.DataFrame:
    """How many rows, perturbations and repeated perturbations lie behind each data set's means.

    Returns
    -------
    DataFrame indexed by data set
        `rows`, `perturbations`, `repeated` (held out by more than one split), and, where given,
        `caption`, the number in the paper's caption.
    """
    rows = scores[["dataset", "unit", "seed"]].drop_duplicates()
    times = rows.groupby(["dataset", "unit"]).size()
    found = pd.DataFrame(
        {
            "rows": times.groupby(level=0).sum(),
            "perturbations": times.groupby(level=0).size(),
            "repeated": (times > 1).groupby(level=0).sum(),
        }
    )
    return found if captions is None else found.assign(caption=pd.Series(captions))


def uniformity(scores: pd.DataFrame, *, dataset: str) -> pd.DataFrame:
    """What a change in the number of summed genes looks like: all perturbations alike.

    Returns
    -------
    DataFrame indexed by model
        `ratio` (mean of l2_ratio), `sd` of the ratio over rows, `share_lower` (rows with a smaller
        error than the mean baseline), `pearson_gain` (mean difference of pearson_delta to `mean`).
    """
    ratio = paired(scores_of(scores, dataset, "l2_ratio")).table
    pearson = paired(scores_of(scores, dataset, "pearson_delta")).table
    found = pd.DataFrame(
        {
            "ratio": ratio.mean(),
            "sd": ratio.std(),
            "share_lower": (ratio < 1).mean(),
            "pearson_gain": pearson.mean() - pearson["mean"].mean(),
        }
    )
    return found.drop(index="mean").sort_values("ratio")
