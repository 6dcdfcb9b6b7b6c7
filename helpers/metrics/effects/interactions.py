"""Genetic interactions: where two perturbations together are not the sum of each alone.

The deviation of a double perturbation from additivity, gene by gene, is mostly noise. Its null
distribution is fitted to the middle of all deviations (Efron's empirical null), and what lies too
far out for it is an interaction.
"""

from dataclasses import dataclass

import numpy as np

ADDITIVE, SYNERGY, BUFFERING, OPPOSITE, OTHER = (
    "additive",
    "synergy",
    "buffering",
    "opposite",
    "other",
)


@dataclass(frozen=True)
class EmpiricalNull:
    """Null distribution of deviations, and where it is left.

    Parameters
    ----------
    mean, sd : float
        Of the normal null, in units of the deviations.
    null_share : float
        Share of deviations that follow it, p0; above 1 where the fit says that nothing is left.
    lower, upper : float
        Deviations beyond these are called: the observed ones below and above 0 whose local false
        discovery rate is closest to the level. Infinite where none comes down to it.
    """

    mean: float
    sd: float
    null_share: float
    lower: float
    upper: float

    def called(self, deviations) -> np.ndarray:
        """Which deviations are interactions, bool of the same shape."""
        deviations = np.asarray(deviations)
        return (deviations < self.lower) | (deviations > self.upper)


def empirical_null(
    deviations, *, level: float = 0.05, n_bins: int = 119, df: int = 7
) -> EmpiricalNull:
    """Normal null fitted to the middle of the deviations, and thresholds by local fdr.

    Parameters
    ----------
    deviations : array of any shape
        Observed less additive, of all doubles and genes together; hundreds at least.
    level : float in (0, 1)
        Local false discovery rate at the thresholds. Among what is called the share of false calls
        is lower (about a fifth of it in the published data).
    n_bins, df : int
        Of the histogram, and of the natural spline that smooths it.

    Returns
    -------
    EmpiricalNull

    Raises
    ------
    ValueError
        Fewer deviations than bins, values that are NaN or infinite, or no middle: half of the
        deviations or more are equal.

    References
    ----------
    Efron 2004, Journal of the American Statistical Association 99 (locfdr, nulltype 1), with the
    settings of Ahlmann-Eltze et al. 2025: 120 breaks, 7 degrees of freedom.
    """
    from scipy.stats import norm

    e = np.asarray(deviations, dtype=float).ravel()
    if len(e) <= n_bins or not np.isfinite(e).all() or not 0 < level < 1:
        raise ValueError(
            f"{len(e)} deviations, {(~np.isfinite(e)).sum()} of them NaN or infinite, level "
            f"{level}; needed are more than {n_bins} finite ones and a level in (0, 1)"
        )
    low, middle, high = np.percentile(e, [25, 50, 75])
    if low == high:
        raise ValueError("half of the deviations are equal: they have no null distribution")
    edges = np.linspace(e.min(), e.max(), n_bins + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    counts = np.histogram(e, edges)[0]
    density = _smoothed(centres, counts, df)
    width = 4.3 * np.exp(-0.26 * np.log10(len(e))) if len(e) <= 5e5 else 1.0
    mean, sd = middle, (high - low) / (2 * norm.ppf(0.75))
    for _ in range(2):
        inside = np.abs(e - mean) <= width * sd
        bounds = (mean - width * sd, mean + width * sd)
        mean, sd = _truncated_normal(e[inside], bounds, mean, sd)
        a, b = ((bound - mean) / sd for bound in bounds)
        share = float(inside.mean() / (norm.cdf(b) - norm.cdf(a)))
    null = norm.pdf((centres - mean) / sd)
    null *= density.sum() / null.sum()
    fdr = _patched(np.minimum(1, share * null / density), centres, mean, sd)
    of_each = np.interp(e, centres, fdr)
    return EmpiricalNull(
        float(mean),
        float(sd),
        share,
        _threshold(e[e < 0], of_each[e < 0], level, -np.inf),
        _threshold(e[e > 0], of_each[e > 0], level, np.inf),
    )


def _threshold(e: np.ndarray, fdr: np.ndarray, level: float, none: float) -> float:
    """The deviation whose local fdr is closest to the level, if any comes down to it."""
    if not (fdr <= level).any():
        return none
    return float(e[np.argmin(np.abs(fdr - level))])


def _smoothed(x: np.ndarray, counts: np.ndarray, df: int) -> np.ndarray:
    """Expected counts: Poisson regression on a natural cubic spline, by iterated least squares."""
    basis = np.linalg.qr(_natural_spline(x, df))[0]
    mean = counts + 0.1
    eta, deviance = np.log(mean), np.inf
    for _ in range(100):
        response = eta + (counts - mean) / mean
        root = np.sqrt(mean)
        coefficients = np.linalg.lstsq(basis * root[:, None], response * root, rcond=None)[0]
        eta = np.clip(basis @ coefficients, -30, 30)
        mean = np.exp(eta)
        log_ratio = np.log(np.maximum(counts, 1) / mean)
        now = 2 * (np.where(counts > 0, counts * log_ratio, 0) - (counts - mean)).sum()
        if abs(now - deviance) < 1e-10 * (abs(now) + 0.1):
            break
        deviance = now
    return mean


def _natural_spline(x: np.ndarray, df: int) -> np.ndarray:
    """Cubic splines, linear beyond the ends, of `df` dimensions and a constant: truncated powers.

    Knots at the ends and at quantiles of x, as R's `splines::ns`, which spans the same space.
    """
    knots = np.quantile(x, np.linspace(0, 1, df + 1))
    x, knots = ((v - x.min()) / np.ptp(x) for v in (x, knots))
    cubes = np.maximum(x[:, None] - knots, 0) ** 3
    slopes = (cubes[:, :-1] - cubes[:, -1:]) / (knots[-1] - knots[:-1])
    return np.column_stack([np.ones_like(x), x, slopes[:, :-1] - slopes[:, -1:]])


def _truncated_normal(e: np.ndarray, bounds, mean: float, sd: float) -> tuple[float, float]:
    """Mean and SD of a normal that is seen between two bounds only, of largest likelihood."""
    from scipy.optimize import minimize
    from scipy.stats import norm

    n, first, second = len(e), ((e - mean) / sd).sum(), (((e - mean) / sd) ** 2).sum()
    a, b = ((bound - mean) / sd for bound in bounds)

    def loss(parameters) -> float:
        m, log_s = parameters
        s = np.exp(log_s)
        mass = norm.cdf((b - m) / s) - norm.cdf((a - m) / s)
        squares = (second - 2 * m * first + n * m * m) / (2 * s * s)
        return log_s + squares / n + np.log(max(mass, 1e-300))

    found = minimize(
        loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12}
    )
    return mean + sd * found.x[0], sd * np.exp(found.x[1])


def _patched(fdr: np.ndarray, x: np.ndarray, mean: float, sd: float) -> np.ndarray:
    """One between the outermost bins where it is one, and within a standard deviation."""
    full = np.flatnonzero(fdr >= 1)
    left, right = full[x[full] <= mean], full[x[full] >= mean]
    start = x[left[0]] if len(left) else mean
    end = x[right[-1]] if len(right) else mean
    within = ((x >= start) & (x <= end)) | (np.abs(x - mean) <= sd)
    return np.where(within, 1, fdr)


def classes(observed, additive, control, null: EmpiricalNull) -> np.ndarray:
    """Kinds of interactions: what two perturbations do together beside the sum of each alone.

    Parameters
    ----------
    observed, additive : ndarray of any shape
        Expression of the double perturbation, and control + both single changes.
    control : ndarray that broadcasts to it
    null : EmpiricalNull

    Returns
    -------
    ndarray of str
        "additive" where the deviation is not called. Else, with the additive change a and the
        observed one o: "opposite" where they have opposite signs, "synergy" where |o| > |a|,
        "buffering" otherwise.
    """
    a = np.asarray(additive, float) - control
    o = np.asarray(observed, float) - control
    kind = np.where(np.abs(o) > np.abs(a), SYNERGY, BUFFERING)
    kind = np.where(o * a < 0, OPPOSITE, kind)
    return np.where(null.called(np.subtract(observed, additive)), kind, ADDITIVE)


def same_direction(first, second, observed, control) -> np.ndarray:
    """Where both single perturbations and the double one move a gene to the same side, bool."""
    sides = [np.sign(np.subtract(values, control)) for values in (first, second, observed)]
    return (sides[0] == sides[1]) & (sides[1] == sides[2])


def legacy_classes(observed, additive, control, same, null: EmpiricalNull) -> np.ndarray:
    """Kinds of interactions as the released code has them.

    Parameters
    ----------
    observed, additive, control, null
        As in `classes`.
    same : bool ndarray
        Of `same_direction`.

    Returns
    -------
    ndarray of str
        "additive", "synergy", "buffering" or "other", which all are where the singles do not move
        the gene to the same side as the double does. Its class of opposite effects cannot occur.

    References
    ----------
    const-ae/linear_perturbation_prediction-Paper f5b6679, double_perturbation_analysis.Rmd:563-581.
    """
    e = np.subtract(observed, additive)
    up, down = np.asarray(additive) > control, np.asarray(additive) < control
    above, below = e > null.upper, e < null.lower
    synergy = np.asarray(same) & ((up & above) | (down & below))
    buffering = np.asarray(same) & ((up & below) | (down & above))
    kind = np.where(synergy, SYNERGY, np.where(buffering, BUFFERING, OTHER))
    return np.where(above | below, kind, ADDITIVE)


def predicted_classes(predicted, additive, control) -> np.ndarray:
    """Kind of interaction that a prediction claims, without a threshold.

    Parameters
    ----------
    predicted, additive : ndarray of any shape
    control : ndarray that broadcasts to it

    Returns
    -------
    ndarray of str
        "synergy" beyond the additive value, "buffering" from there to the control, that included,
        "opposite" on the other side of the control.

    References
    ----------
    Ahlmann-Eltze et al. 2025, figure 1f; released code, :781-797.
    """
    a, o = np.subtract(additive, control), np.subtract(predicted, control)
    kind = np.where(np.abs(o) > np.abs(a), SYNERGY, BUFFERING)
    return np.where(o * np.sign(a) < 0, OPPOSITE, kind)
