"""What is known of each metric of predicted expression, before it is measured.

The column `perfect` is the value of a prediction that equals the observation. What a metric is like
in practice (floors, ceilings, few cells) is measured, never stated here.
"""

from dataclasses import dataclass
from math import inf, nan
from typing import Literal

from helpers.metrics.facts import Metric, by_name
from helpers.words import Words


@dataclass(frozen=True)
class PredictionMetric(Metric):
    """Facts about a metric of predictions.

    Parameters
    ----------
    perfect : float
        Its value for a prediction that equals what was observed.
    needs : {"means", "tests", "cells"}
        What of a prediction it reads: expected expression, differential expression of its cells,
        or its cells.
    rewards : str
        What a model is paid for.
    undefined : str
        Where it is NaN.
    ties : str
        What becomes of equal values.
    """

    perfect: float = nan
    needs: Literal["means", "tests", "cells"] = "means"
    rewards: Words = ""
    undefined: Words = "never"
    ties: Words = "no ranks"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.low <= self.perfect <= self.high:
            raise ValueError(f"{self.name}: perfect {self.perfect} lies outside its range")
        if self.needs not in ("means", "tests", "cells"):
            raise ValueError(f"{self.name}: needs is {self.needs!r}; means, tests or cells")


_AE, _SYSTEMA = "Ahlmann-Eltze et al. 2025, Methods", "Viñas Torné et al. 2025 (Systema)"
_DBD, _ARC = "Mejia et al. 2025, arXiv 2506.22641", "Arc Institute, cell-eval 0.8.2"
_ERROR = dict(low=0, high=inf, better="lower", chance=nan, perfect=0)
_CORRELATION = dict(low=-1, high=1, better="higher", chance=0, perfect=1)
_SHARE = dict(low=0, high=1, better="higher", chance=0.5, perfect=1)
_HALF = "count half"
_FIRST = "the gene that stands first is first"
_NO_CHANGE = "the predicted or the observed change is the same in all genes"
_NO_HIT = "no gene changes significantly"


def _metric(name: str, title: Words, shape: dict, source: Words, **more) -> PredictionMetric:
    return PredictionMetric(name=name, title=title, source=source, **(shape | more))


PREDICTION_METRICS = by_name(
    _metric(
        "l2",
        "Euclidean distance of predicted and observed expression, 1,000 genes",
        _ERROR,
        _AE,
        rewards="small errors in every gene, changed or not",
    ),
    _metric("rmse", "Root mean squared error", _ERROR, _AE, rewards="the same, by gene"),
    _metric(
        "mae",
        "Mean absolute error",
        _ERROR,
        "Virtual Cell Challenge 2025",
        rewards="small errors in most genes, whatever a few strong ones do",
    ),
    _metric(
        "pearson",
        "Pearson correlation of expression",
        _CORRELATION,
        _AE,
        rewards="knowing which genes are expressed",
        undefined="a profile is the same in all genes",
    ),
    _metric(
        "pearson_delta",
        "Pearson correlation of predicted and observed change from control",
        _CORRELATION,
        _AE,
        rewards="the pattern of change from controls, what all perturbations share included",
        undefined=_NO_CHANGE,
    ),
    _metric(
        "pearson_delta_mean",
        "Pearson correlation of change from the mean of perturbations",
        _CORRELATION,
        _SYSTEMA,
        rewards="what sets a perturbation apart from the others",
        undefined=_NO_CHANGE,
    ),
    _metric(
        "l2_top20",
        "Euclidean distance over the 20 most changed genes",
        _ERROR,
        _AE,
        rewards="the size of the strongest changes",
        ties=_FIRST,
    ),
    _metric(
        "weighted_mse",
        "Squared error, genes weighted by how clearly they change",
        _ERROR,
        _DBD,
        rewards="the size of clear changes",
        undefined="all genes change equally clearly",
    ),
    _metric(
        "weighted_r2",
        "Variance explained, genes weighted by how clearly they change",
        dict(low=-inf, high=1, better="higher", chance=nan, perfect=1),
        _DBD,
        rewards="the pattern and the size of clear changes",
        undefined="all genes change equally clearly",
    ),
    _metric(
        "discrimination_l1",
        "Other perturbations that lie farther (L1)",
        _SHARE,
        _ARC,
        rewards="being closest to one's own perturbation, however far",
        ties=_HALF,
    ),
    _metric(
        "discrimination_l2",
        "Other perturbations that lie farther (L2)",
        _SHARE,
        _ARC,
        rewards="being closest to one's own perturbation, however far",
        ties=_HALF,
    ),
    _metric(
        "discrimination_cosine",
        "Other perturbations that lie farther (cosine)",
        _SHARE,
        _ARC,
        rewards="pointing to one's own perturbation, whatever the size",
        undefined="a change is 0 in all genes",
        ties=_HALF,
    ),
    _metric(
        "centroid_accuracy",
        "Other perturbations that lie farther (expression, own gene included)",
        _SHARE,
        _SYSTEMA,
        rewards="being closest to one's own perturbation, its own gene included",
        ties=_HALF,
    ),
    _metric(
        "de_direction",
        "Significant genes whose direction is predicted",
        _SHARE,
        _ARC,
        rewards="the sign of changes",
        undefined=_NO_HIT,
        ties="a change of exactly 0 counts half",
    ),
    _metric(
        "de_auroc",
        "Significant genes ranked above others (size of change)",
        _SHARE,
        "after " + _ARC,
        rewards="knowing which genes change at all",
        undefined="no gene changes significantly, or all do",
        ties=_HALF,
    ),
    _metric(
        "de_ap",
        "Average precision of significant genes (size of change)",
        dict(low=0, high=1, better="higher", chance=nan, perfect=1),
        "after " + _ARC,
        rewards="the first genes that are named",
        undefined=_NO_HIT,
        ties="called together",
    ),
    _metric(
        "de_overlap",
        "Significant genes that both lists have, over those observed",
        dict(low=0, high=1, better="higher", chance=nan, perfect=1),
        _ARC,
        needs="tests",
        rewards="finding what is significant, with as many cells",
        undefined=_NO_HIT,
        ties=_FIRST,
    ),
    _metric(
        "de_precision",
        "Significant genes that both lists have, over those predicted",
        dict(low=0, high=1, better="higher", chance=nan, perfect=1),
        _ARC,
        needs="tests",
        rewards="predicting few genes, and these right",
        undefined="no gene is predicted to change significantly",
        ties=_FIRST,
    ),
    _metric(
        "edistance_prediction",
        "Energy distance of predicted and observed cells (unbiased)",
        dict(low=-inf, high=inf, better="lower", chance=nan, perfect=0),
        "Székely & Rizzo 2013",
        needs="cells",
        rewards="the right mean, above all, and the right spread",
        undefined="fewer than 2 cells",
    ),
    _metric(
        "edistance_biased",
        "Energy distance of predicted and observed cells (V-statistic)",
        dict(low=0, high=inf, better="lower", chance=nan, perfect=0),
        _ARC,
        needs="cells",
        rewards="the same, and many cells",
    ),
    _metric(
        "mmd",
        "Maximum mean discrepancy, Gaussian kernel, median heuristic",
        dict(low=-inf, high=inf, better="lower", chance=nan, perfect=0),
        "Gretton et al. 2012",
        needs="cells",
        rewards="the right density of cells everywhere",
        undefined="fewer than 2 cells",
    ),
    _metric(
        "sliced_wasserstein",
        "Wasserstein distance, mean over directions",
        _ERROR,
        "Bonneel et al. 2015",
        needs="cells",
        rewards="the right mean and spread in every direction, and many cells",
    ),
    _metric(
        "c2st",
        "Cells told apart from observed ones by a linear classifier",
        dict(low=0, high=1, better="lower", chance=nan, perfect=0.5),
        "Lopez-Paz & Oquab 2017",
        needs="cells",
        rewards="cells that cannot be told from observed ones",
        undefined="fewer cells than folds",
    ),
)
