"""Classes of interaction between two perturbations, in the space of gene programs.

With a and b the effects of the two alone and g the size of the interaction in [0, 1]:

=============  ========================================  =========================================
class          effect of the combination                 in words
=============  ========================================  =========================================
additive       a + b                                     the null model
synergy        (1 + g) (a + b)                           more than the sum, in its direction
suppression    (1 - g) (a + b)                           less than the sum, in its direction
epistasis      a + (1 - g) b                             the first masks the second
neomorphism    a + b + g sqrt(a² + b²) v                 a direction v that neither has
=============  ========================================  =========================================

The names follow Norman et al. 2019 and Mani et al. 2008 (PNAS 105); the formulas are this book's.
"""

import numpy as np
import pandas as pd

CLASSES = ("additive", "synergy", "suppression", "epistasis", "neomorphism")


def draw(
    rng: np.random.Generator,
    targets,
    acting,
    *,
    n_combinations: int,
    interaction_share: float,
    n_programs: int,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Pairs of targets that act, their classes, and a direction that is new to each.

    Parameters
    ----------
    rng
    targets : array of str, sorted
    acting : integer array
        Positions in `targets` of those that may be combined, sorted.
    n_combinations, n_programs : int
    interaction_share : float
        Share of pairs whose class is not additive, in [0, 1]; the others are equally likely.

    Returns
    -------
    combinations : DataFrame
        `name` ("A+B"), `first` and `second` (positions), `class`; sorted by name.
    novel : ndarray of shape (n_combinations, n_programs)
        Unit vectors.

    Raises
    ------
    ValueError
        There are fewer pairs.
    """
    acting = np.asarray(acting, dtype=int)
    first, second = np.triu_indices(acting.size, 1)
    if n_combinations > first.size:
        raise ValueError(
            f"n_combinations is {n_combinations}, but {acting.size} targets that act make only "
            f"{first.size} pairs: lower it, or raise n_targets or effective_share"
        )
    chosen = np.sort(rng.choice(first.size, n_combinations, replace=False))
    first, second = acting[first[chosen]], acting[second[chosen]]
    kinds = np.full(n_combinations, CLASSES[0], dtype=object)
    n_interacting = round(interaction_share * n_combinations)
    interacting = rng.choice(n_combinations, n_interacting, replace=False)
    kinds[interacting] = rng.choice(CLASSES[1:], n_interacting)
    novel = rng.standard_normal((n_combinations, n_programs))
    novel /= np.linalg.norm(novel, axis=1, keepdims=True)
    frame = pd.DataFrame(
        {
            "name": [f"{targets[a]}+{targets[b]}" for a, b in zip(first, second, strict=True)],
            "first": first,
            "second": second,
            "class": kinds,
        }
    )
    return frame, novel


def combine(effects, combinations: pd.DataFrame, novel, size: float) -> np.ndarray:
    """Effects of combinations, of shape (n_combinations, n_programs).

    Parameters
    ----------
    effects : ndarray of shape (n_targets, n_programs)
    combinations : DataFrame
        With `first`, `second` and `class`; see `draw`.
    novel : ndarray of shape (n_combinations, n_programs)
    size : float
        g in [0, 1].
    """
    a, b = (effects[combinations[part].to_numpy(int)] for part in ("first", "second"))
    norm = np.sqrt((a**2).sum(axis=1) + (b**2).sum(axis=1))[:, None]
    by_class = {
        "additive": a + b,
        "synergy": (1 + size) * (a + b),
        "suppression": (1 - size) * (a + b),
        "epistasis": a + (1 - size) * b,
        "neomorphism": a + b + size * norm * novel,
    }
    combined = np.zeros_like(a)
    for kind, effect in by_class.items():
        rows = (combinations["class"] == kind).to_numpy()
        combined[rows] = effect[rows]
    return combined
