"""The six metrics of the Virtual Cell Challenge 2026 (`vcc2026`), from counts and DE tables.

Both sides are compared with the *measured* controls. `per_perturbation` gives what each
perturbation contributes, `aggregate` the six values of a screen.

References
----------
cell-eval2 0.20.0 (Arc Institute), rule version 3: vcc2026-metrics.md and the package's source.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.metrics.effects.de_tables import (
    CPM,
    DETable,
    differential_expression,
    library_sizes,
    log2_fold_changes,
)
from helpers.metrics.effects.vcc2026_reference import (
    Profiles,
    Reference,
    check_panel,
    profile_of,
    profiles,
)

MEMBERS = ("pds", "mse", "direction", "reach", "jaccard", "lfc_error")
"""The six, in the order of the rule: pds_cosine, expr_mse_unbiased_capped_norm,
de_wilcoxon_direction_fidelity_yield_raw, de_wilcoxon_direction_reach_raw, de_wilcoxon_sig_jaccard,
de_wilcoxon_lfc_nmae."""


def per_perturbation(
    measured: Reference, counts, labels, *, control_counts=None, genes=None
) -> pd.DataFrame:
    """What each perturbation contributes to the six metrics.

    Parameters
    ----------
    measured : Reference
    counts : array or sparse matrix of shape (n_cells, n_genes)
        Predicted cells of every perturbation of the reference; any number of each.
    labels : array of str, shape (n_cells,)
    control_counts : array or sparse matrix, optional
        The prediction's own controls: the replicate of the scale has them, a submission does not.
    genes : sequence of str, optional
        Of the prediction. Default: those of the reference. They must be the same, in its order.

    Returns
    -------
    DataFrame indexed by perturbation
        `pds`; `excess` and `effect`, whose sums' ratio is `mse`, and `uncapped`, the excess with
        the prediction's whole noise taken off; `direction`, `reach`, `jaccard`, `lfc_error`.
        Signed forms of ours: `signed_direction` in [-1, 1], right calls less wrong ones over the
        longer list, and `signed_jaccard`, where the intersection holds equal signs only. NaN
        where not defined.

    Raises
    ------
    ValueError
        Perturbations or genes that are missing, unknown, renamed or in another order; cells
        without counts; negative, NaN or infinite values.
    """
    check_panel(measured, labels, counts.shape[1], genes)
    rule = measured.rule
    side = profiles(counts, labels, target_sum=rule.target_sum)
    controls = measured.control_counts if control_counts is None else control_counts
    table = differential_expression(counts, labels, controls, measured.genes, **rule.engine)
    control = measured.control.profile[0]
    if control_counts is not None:
        control = profile_of(sparse.csr_array(controls).sum(axis=0), target_sum=rule.target_sum)[0]
    return compare(measured, side, table, control)


def compare(measured: Reference, side: Profiles, table: DETable, control) -> pd.DataFrame:
    """`per_perturbation` of profiles and a table; `control` is the profile they are held against.

    Profiles and table have the reference's perturbations and genes, in its order.
    """
    found = {"pds": discrimination(measured, side.profile, control)}
    found |= squared_error(measured, side)
    return pd.DataFrame(
        found | of_tables(measured, table), index=pd.Index(side.names, name="perturbation")
    )


def discrimination(measured: Reference, profile, control) -> np.ndarray:
    """`pds`: how many of the measured effects are farther than the perturbation's own.

    1 less the mid-rank of the cosine distance to its own effect, over the others: 1 is best, 1/2
    is chance and what a constant prediction gets on average. An effect of norm 0 is at distance
    1 of all. Shape (n_perturbations,), in [0, 1]; 1 for a single perturbation.
    """
    effect = measured.profiles.profile - measured.control.profile[0]
    predicted = np.asarray(profile) - control
    keep = np.ones(len(measured.genes), dtype=bool)
    own = measured.own[measured.own >= 0]
    if measured.rule.excluded == "panel":
        keep[own] = False
        if not keep.any():
            raise ValueError("every gene is a target: none is left to tell perturbations apart")
    distance = _cosine(predicted[:, keep], effect[:, keep])
    if measured.rule.excluded == "own":
        for p in np.flatnonzero(measured.own >= 0):
            without = np.arange(len(keep)) != measured.own[p]
            distance[p] = _cosine(predicted[p : p + 1, without], effect[:, without])[0]
    n = len(distance)
    if n == 1:
        return np.ones(1)
    at = np.diag(distance)[:, None]
    rank = (distance < at).sum(axis=1) + 0.5 * ((distance == at).sum(axis=1) - 1)
    return 1 - rank / (n - 1)


def _cosine(x, y) -> np.ndarray:
    norms = np.sqrt(np.einsum("ij,ij->i", x, x))[:, None] * np.sqrt(np.einsum("ij,ij->i", y, y))
    similarity = np.divide(x @ y.T, norms, out=np.zeros(norms.shape), where=norms != 0)
    return np.clip(1 - similarity, 0, 2)


def squared_error(measured: Reference, side: Profiles) -> dict[str, np.ndarray]:
    """Numerators and denominators of `mse`: squared distances less the noise of both sides.

    A prediction's noise counts up to the measured one (the cap), and in total up to the spread
    of its own profiles between perturbations (the budget): see the specification of the rule.

    Returns
    -------
    dict of ndarray of shape (n_perturbations,)
        `excess`, `effect` (0 and 1 times it: perfect, and no effect, in expectation) and
        `uncapped`; a gene's mean, in squared units of the profile.
    """
    mine, keep = measured.profiles, measured.not_own
    n_genes = keep.sum(axis=1).astype(float)
    weight = np.divide(1.0, n_genes, out=np.full(len(n_genes), np.nan), where=n_genes > 0)
    error = (np.square(side.profile - mine.profile) * keep).sum(axis=1)
    size = (np.square(mine.profile - measured.control.profile) * keep).sum(axis=1)
    claimed = np.minimum(side.noise, mine.noise)
    claim, shrink = float(np.nansum(claimed * weight)), 1.0
    if claim > 0:
        shrink = min(1.0, _budget(side.profile, keep, weight) / claim)
    return {
        "excess": (error - shrink * claimed - mine.noise) * weight,
        "effect": (size - mine.noise - measured.control.noise) * weight,
        "uncapped": (error - side.noise - mine.noise) * weight,
    }


def _budget(profile, keep, weight) -> float:
    """Weighted squares of predicted profiles around their mean, own genes left out."""
    w = np.where(keep, np.nan_to_num(weight)[:, None], 0.0)
    deviation = profile - profile.mean(axis=0)
    total, first = w.sum(axis=0), (w * deviation).sum(axis=0)
    second = (w * deviation**2).sum(axis=0)
    known = (keep.sum(axis=0) >= 2) & (total > 0)
    return float(np.maximum(second[known] - first[known] ** 2 / total[known], 0).sum())


def of_tables(measured: Reference, table: DETable) -> dict[str, np.ndarray]:
    """The four metrics that two tables suffice for, and their signed forms.

    Parameters
    ----------
    table : DETable
        Of the prediction, with the reference's perturbations and genes (see `DETable.aligned`).

    Returns
    -------
    dict of ndarray of shape (n_perturbations,)
        See `per_perturbation`.
    """
    rule, mine, keep = measured.rule, measured.table, measured.not_own
    l_real, l_pred = mine.log2_fold_change, table.log2_fold_change
    real = measured.significant
    claimed = (table.p_adjusted < rule.level) & keep & ~np.isnan(l_pred)
    shared = mine.tested & table.tested
    judged = shared & ~np.isnan(l_real) & (l_real != 0)
    right = judged & (np.sign(l_pred) == np.sign(l_real))
    n_real, n_pred = real.sum(axis=1), (claimed & judged).sum(axis=1)
    longer, n_right = np.maximum(n_real, n_pred), (claimed & right).sum(axis=1)
    either, both = (real | claimed).sum(axis=1), real & claimed

    gate = real & np.isfinite(l_real)
    filled = np.where(np.isfinite(l_pred), l_pred, 0.0)
    error = np.where(gate, np.abs(filled - l_real), 0).sum(axis=1)
    size = np.where(gate, np.abs(l_real), 0).sum(axis=1)
    enough = gate.sum(axis=1) >= rule.min_genes
    return {
        "direction": _ratio(n_right, longer),
        "reach": _reach(real & shared, judged, right, claimed, table, n_real, rule.purity),
        "jaccard": np.where(either == 0, 1.0, _ratio(both.sum(axis=1), either)),
        "lfc_error": np.where(enough, _ratio(error, size), np.nan),
        "signed_direction": _ratio(2 * n_right - n_pred, longer),
        "signed_jaccard": np.where(either == 0, 1.0, _ratio((both & right).sum(axis=1), either)),
    }


def _ratio(x, y) -> np.ndarray:
    return np.divide(x, y, out=np.full(len(y), np.nan), where=np.asarray(y) > 0)


def _reach(pool, judged, right, claimed, table: DETable, n_real, purity: float) -> np.ndarray:
    """Deepest place of the predicted ranking up to which signs are right often enough."""
    found = np.full(len(n_real), np.nan)
    by_name = np.argsort(np.argsort(table.genes))
    size = np.where(np.isnan(table.log2_fold_change), -np.inf, np.abs(table.log2_fold_change))
    for p in np.flatnonzero(n_real):
        genes = np.flatnonzero(pool[p])
        keys = (by_name, -size[p], table.p_value[p], table.p_adjusted[p], ~claimed[p])
        genes = genes[np.lexsort([key[genes] for key in keys])]
        depth, n_right = np.cumsum(judged[p, genes]), np.cumsum(right[p, genes])
        pure = depth[(depth > 0) & (n_right / np.maximum(depth, 1) >= purity)]
        found[p] = (pure.max() if len(pure) else 0) / n_real[p]
    return found


def means_only(measured: Reference, means) -> pd.DataFrame:
    """What can be asked of predicted means alone: `pds`, `mse` and `lfc_error`, nothing else.

    Parameters
    ----------
    means : array of shape (n_perturbations, n_genes), not negative
        Mean counts, or shares, in the order of the reference's perturbations; any depth.

    Returns
    -------
    DataFrame indexed by perturbation
        `pds`, `excess` (no noise of the prediction's is taken off), `effect`, `lfc_error`. What
        needs cells (`direction`, `reach`, `jaccard`) is not there: see an emission of cells.

    Raises
    ------
    ValueError
        Another shape, negative or NaN values, or a mean of 0 in all genes.
    """
    means = np.asarray(means, dtype=float)
    shape = (len(measured.profiles.names), len(measured.genes))
    if means.shape != shape:
        raise ValueError(f"means have shape {means.shape}; the reference has {shape}")
    share = means / library_sizes(means, "means")[:, None]
    rule, n = measured.rule, len(means)
    side = replace(
        measured.profiles,
        sums=means,
        profile=profile_of(means, target_sum=rule.target_sum),
        noise=np.zeros(n),
    )
    shares = measured.control.sums[0] / measured.control.sums.sum()
    table = replace(measured.table, log2_fold_change=log2_fold_changes(share * CPM, shares * CPM))
    error = squared_error(measured, side)
    return pd.DataFrame(
        {
            "pds": discrimination(measured, side.profile, measured.control.profile[0]),
            "excess": error["excess"],
            "effect": error["effect"],
            "lfc_error": of_tables(measured, table)["lfc_error"],
        },
        index=pd.Index(measured.profiles.names, name="perturbation"),
    )


def of_means(measured: Reference, means) -> pd.DataFrame:
    """The six questions, asked of predicted means: no cell is needed, and none can help.

    The predicted change of a gene is that of the profile. For each perturbation, R are the genes
    that change significantly, and T as many genes with the largest predicted changes.

    Parameters
    ----------
    means
        See `means_only`.

    Returns
    -------
    DataFrame indexed by perturbation
        `pds`, `excess`, `effect` and `lfc_error` as in `means_only`. `direction`, in [-1, 1]: signs
        that are right less those that are wrong, over R. `reach`: as published, R ranked by the
        size of the predicted change. `jaccard`: of R and T, the intersection with equal signs. A
        perturbation without a significant gene has none of these three; no predicted change is
        neither right nor wrong, and in no T.

    Raises
    ------
    ValueError
        See `means_only`.
    """
    rows, real = means_only(measured, means), measured.significant
    profile = profile_of(means, target_sum=measured.rule.target_sum)
    change = profile - measured.control.profile[0]
    size = np.where(measured.table.tested & measured.not_own, np.abs(change), 0.0)
    n_real = real.sum(axis=1)
    agree = np.sign(change) * np.sign(measured.table.log2_fold_change)
    place = np.argsort(np.argsort(-size, axis=1, kind="stable"), axis=1)
    top = (place < n_real[:, None]) & (size > 0)
    table = replace(measured.table, log2_fold_change=change, p_value=-size, p_adjusted=-size)
    both = (real & top & (agree > 0)).sum(axis=1)
    return rows.assign(
        direction=_ratio(np.where(real, agree, 0).sum(axis=1), n_real),
        reach=_reach(real, real, agree > 0, top, table, n_real, measured.rule.purity),
        jaccard=np.where(n_real > 0, _ratio(both, (real | top).sum(axis=1)), np.nan),
    )


def aggregate(rows: pd.DataFrame) -> pd.Series:
    """Values of a screen: means over perturbations, and for `mse` a ratio of sums.

    Parameters
    ----------
    rows : DataFrame
        Of `per_perturbation` or `means_only`.

    Returns
    -------
    Series
        Of `MEMBERS` that the rows have. NaN where no perturbation has a value.

    Raises
    ------
    ValueError
        The measured effects, less their noise, sum to 0 or below: `mse` has no scale.
    """
    found = {name: rows[name].mean() for name in MEMBERS if name in rows}
    scored = rows["excess"].notna() & rows["effect"].notna()
    effect = rows.loc[scored, "effect"].sum()
    if not effect > 0:
        raise ValueError(
            f"measured effects sum to {effect:.3g} after their noise is taken off: there is no "
            "effect that an error could be compared with; more cells, or stronger perturbations"
        )
    found["mse"] = rows.loc[scored, "excess"].sum() / effect
    return pd.Series({name: found[name] for name in MEMBERS if name in found})
