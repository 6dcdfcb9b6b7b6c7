"""Does an effect come out again in other cells, against other controls?"""

import numpy as np

from helpers.metrics.arrays import joint_codes, row_correlations


def batch_weights(batch, control_batch) -> tuple[np.ndarray, np.ndarray]:
    """Weights of cells that give the effect of a perturbation, batch by batch.

    The effect is the coefficient of the perturbation in a least-squares fit with one intercept a
    batch: the mean over batches b of the difference of means, weighted by n_b m_b / (n_b + m_b).
    With one batch it is the difference of means.

    Parameters
    ----------
    batch : array of shape (n,)
        Of perturbed cells.
    control_batch : array of shape (m,)

    Returns
    -------
    weights : ndarray of shape (n,), sums to 1
    control_weights : ndarray of shape (m,), sums to 1
        ``weights @ x - control_weights @ controls`` is the effect. NaN where no batch holds both.

    Raises
    ------
    ValueError
        Batches that are missing, or text for one group and numbers for the other.
    """
    codes = joint_codes(batch, control_batch, name="batches")
    return _weights(*codes, 1 + max(map(np.max, codes)))


def _weights(code, control_code, n_batches: int) -> tuple[np.ndarray, np.ndarray]:
    n = np.bincount(code, minlength=n_batches)
    m = np.bincount(control_code, minlength=n_batches)
    precision = np.divide(n * m, n + m, out=np.zeros(n_batches), where=n + m > 0)
    total = precision.sum()
    if total == 0:
        return np.full(len(code), np.nan), np.full(len(control_code), np.nan)
    return (precision / total / np.maximum(n, 1))[code], (precision / total / np.maximum(m, 1))[
        control_code
    ]


def split_half_correlations(
    x,
    controls,
    *,
    batch=None,
    control_batch=None,
    n_cells: int | None = None,
    n_controls: int | None = None,
    n_splits: int = 20,
    shared_controls: bool = False,
    rng: np.random.Generator,
) -> np.ndarray:
    """Correlation over genes between the effects that two halves of the cells show.

    Both halves are drawn without replacement, cells and controls alike, so that no cell is in
    both effects.

    Parameters
    ----------
    x : ndarray of shape (n, n_genes)
        Perturbed cells, on a log scale.
    controls : ndarray of shape (m, n_genes)
    batch, control_batch : array of shape (n,) and (m,), optional
        See `batch_weights`; default: one batch.
    n_cells, n_controls : int, optional
        Of each half, at least 1; default: half of what there is, rounded down.
    n_splits : int, at least 1
    shared_controls : bool
        Give both halves the same `n_controls` controls. For demonstration: the error of their mean
        is in both effects, which correlate by (1 / n_controls) / (1 / n_cells + 1 / n_controls)
        where there is no effect at all.
    rng

    Returns
    -------
    ndarray of shape (n_splits,), in [-1, 1]
        Higher is more reliable; 0 on average without an effect. NaN where a half has no batch with
        both kinds of cells, or an effect is the same in all genes.

    Raises
    ------
    ValueError
        Shapes that do not fit, or fewer cells than two halves need.
    """
    x, controls = np.asarray(x), np.asarray(controls)
    if x.ndim != 2 or controls.ndim != 2 or x.shape[1] != controls.shape[1]:
        raise ValueError(
            f"cells and controls have shapes {x.shape} and {controls.shape}; pass "
            "(n_cells, n_genes) each, of the same genes"
        )
    n, m = len(x), len(controls)
    batch = np.zeros(n) if batch is None else batch
    control_batch = np.zeros(m) if control_batch is None else control_batch
    if len(batch) != n or len(control_batch) != m:
        raise ValueError(f"{len(batch)} and {len(control_batch)} batches for {n} and {m} cells")
    n_cells = n // 2 if n_cells is None else n_cells
    n_controls = m // 2 if n_controls is None else n_controls
    needed = n_controls if shared_controls else 2 * n_controls
    if n_splits < 1 or n_cells < 1 or n_controls < 1 or 2 * n_cells > n or needed > m:
        raise ValueError(
            f"{n_splits} splits into halves of {n_cells} cells and {n_controls} "
            f"{'shared' if shared_controls else 'disjoint'} controls, out of {n} and {m}: ask for "
            "at least 1 of each, and for no more than there are"
        )
    code, control_code = joint_codes(batch, control_batch, name="batches")
    n_batches = 1 + max(code.max(), control_code.max())
    weights = np.zeros((2, n_splits, n))
    control_weights = np.zeros((2, n_splits, m))
    for split in range(n_splits):
        cells, drawn = rng.permutation(n), rng.permutation(m)
        for half in range(2):
            mine = cells[half * n_cells : (half + 1) * n_cells]
            start = 0 if shared_controls else half * n_controls
            theirs = drawn[start : start + n_controls]
            weights[half, split, mine], control_weights[half, split, theirs] = _weights(
                code[mine], control_code[theirs], n_batches
            )
    first, second = weights @ x - control_weights @ controls
    return row_correlations(first, second)


def concordance(
    x,
    y,
    controls,
    *,
    batch=None,
    other_batch=None,
    control_batch=None,
    n_splits: int = 20,
    rng: np.random.Generator,
) -> np.ndarray:
    """Correlation over genes between the effects of two groups, each against its own controls.

    Parameters
    ----------
    x, y : ndarray of shape (n_x, n_genes) and (n_y, n_genes)
        Cells of two guides, replicates or perturbations, on a log scale.
    controls : ndarray of shape (m, n_genes), m >= 2
        Each group gets one random half.
    batch, other_batch, control_batch : array of shape (n_x,), (n_y,) and (m,), optional
        See `batch_weights`; all or none.
    n_splits : int, at least 1
        Of the controls.
    rng

    Returns
    -------
    ndarray of shape (n_splits,), in [-1, 1]
        Higher is more alike; 0 on average where the groups have nothing in common. NaN as in
        `split_half_correlations`.

    Raises
    ------
    ValueError
        Shapes that do not fit, an empty group, or fewer than 2 controls.
    """
    groups = [np.asarray(group) for group in (x, y, controls)]
    if any(g.ndim != 2 or g.shape[1] != groups[0].shape[1] for g in groups):
        raise ValueError(
            f"groups have shapes {[g.shape for g in groups]}; pass (n_cells, n_genes) each, of the "
            "same genes"
        )
    n, k, m = map(len, groups)
    if min(n, k) < 1 or m < 2 or n_splits < 1:
        raise ValueError(
            f"{n} and {k} cells, {m} controls, {n_splits} splits; needed are 1, 1, 2 and 1"
        )
    batches = [batch, other_batch, control_batch]
    if any(b is None for b in batches):
        if any(b is not None for b in batches):
            raise ValueError("give batch, other_batch and control_batch, or none of them")
        batches = [np.zeros(len(g)) for g in groups]
    if [len(b) for b in batches] != [n, k, m]:
        raise ValueError(f"{[len(b) for b in batches]} batches for {[n, k, m]} cells")
    codes = joint_codes(*batches, name="batches")
    n_batches = 1 + max(code.max() for code in codes)
    effects = []
    halves = [np.array_split(rng.permutation(m), 2) for _ in range(n_splits)]
    for side in range(2):
        weights = np.zeros((n_splits, len(groups[side])))
        control_weights = np.zeros((n_splits, m))
        for split in range(n_splits):
            theirs = halves[split][side]
            weights[split], control_weights[split, theirs] = _weights(
                codes[side], codes[2][theirs], n_batches
            )
        effects.append(weights @ groups[side] - control_weights @ groups[2])
    return row_correlations(*effects)


def spearman_brown(correlation, *, factor: float = 2.0):
    """Reliability of `factor` times as many cells, from that of a half.

    Parameters
    ----------
    correlation : float or ndarray, in [-1, 1]
        Between two halves.
    factor : float, > 0
        Of cells and controls both.

    Returns
    -------
    float or ndarray, at most 1
        factor r / (1 + (factor - 1) r); NaN for r < 0, for which the formula means nothing.

    References
    ----------
    Spearman 1910 and Brown 1910, British Journal of Psychology 3.
    """
    if not factor > 0:
        raise ValueError(f"factor is {factor}; it is positive")
    r = np.asarray(correlation, dtype=float)
    result = np.where(r >= 0, factor * r / (1 + (factor - 1) * np.where(r >= 0, r, 0)), np.nan)
    return float(result) if result.ndim == 0 else result
