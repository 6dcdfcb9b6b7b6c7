"""Which cells a read-out is fitted on, and which it is judged by: arrays of row numbers.

All splits share their keys: `train` and `test` hold perturbed cells, of the same perturbations;
`unseen` holds perturbed cells of perturbations that `train` lacks; `train_controls`,
`test_controls` and `unseen_controls` hold the controls that go with them, the last two of the same
batches. Controls are never in the first three: a task that wants them as a class adds them.
"""

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL, DataError
from helpers.store.steps import step

KEYS = ("train", "test", "unseen", "train_controls", "test_controls", "unseen_controls")


@step
def batch_perturbation_split(
    screen, *, seed: int = 42, share: float = 0.7, context: str | None = None
) -> dict[str, np.ndarray]:
    """Published split: 70 % of the batches and 70 % of the perturbations are for training.

    Batches, then perturbations, are shuffled in the order in which perturbed cells first show
    them. Cells of training batches and held-out perturbations are in no part.

    Parameters
    ----------
    screen : AnnData of shape (n_cells, n_genes)
    seed : int
        Of numpy's legacy generator; 42 in the released code, whatever the seed of a run.
    share : float in (0, 1)
        Of batches and of perturbations for training, rounded down.
    context : str, optional
        Split the cells of this context only.

    Returns
    -------
    dict of int64 arrays, sorted
        `train`; `test` (the paper's test1: test batches, training perturbations); `unseen`
        (test2: test batches, held-out perturbations); `train_controls`, `test_controls`,
        `unseen_controls`: all controls of the batches that have a cell in the part.

    Raises
    ------
    DataError
        A share that leaves a part without batches or perturbations, or an unknown context.

    References
    ----------
    Tx-Evaluation commit 1f24de0, biomodalities/data/data_split.py:29-105; Bendidi et al. 2024,
    appendix C.2.
    """
    rows, perturbation, batch = _labels(screen, "batch", context)
    treated = perturbation != CONTROL
    rng = np.random.RandomState(seed)  # legacy: the published split is drawn by it
    batches = rng.permutation(pd.unique(batch[treated]))
    names = rng.permutation(pd.unique(perturbation[treated]))
    n_batches, n_names = int(len(batches) * share), int(len(names) * share)
    if not (0 < n_batches < len(batches) and 0 < n_names < len(names)):
        raise DataError(
            f"{_name(screen)}: a share of {share:g} of {len(batches)} batches and {len(names)} "
            "perturbations leaves one side empty; both sides need one of each at least"
        )
    train_batch = np.isin(batch, batches[:n_batches])
    test_batch = np.isin(batch, batches[n_batches:])
    known = np.isin(perturbation, names[:n_names])
    train = treated & train_batch & known
    # A perturbation drawn for training may have no cell in the training batches.
    seen = np.isin(perturbation, np.unique(perturbation[train]))
    parts = {
        "train": train,
        "test": treated & test_batch & known & seen,
        "unseen": treated & test_batch & ~known,
    }
    controls = {
        f"{name}_controls": ~treated & np.isin(batch, np.unique(batch[part]))
        for name, part in parts.items()
    }
    return _parts(rows, **parts, **controls)


@step
def held_out_split(
    screen,
    *,
    fold: int,
    n_folds: int,
    by: str = "batch",
    context: str | None = None,
) -> dict[str, np.ndarray]:
    """Revised split: groups of batches, replicates or doses are held out in turn.

    The groups of a column are dealt to folds in turn, in the order of their names, so that each is
    held out once. With as many folds as groups each group is held out alone.

    Parameters
    ----------
    screen : AnnData of shape (n_cells, n_genes)
    fold : int
        0 to n_folds - 1.
    n_folds : int
        At least 2, at most the number of groups.
    by : str
        Column of `obs`.
    context : str, optional
        Split the cells of this context only.

    Returns
    -------
    dict of int64 arrays, sorted
        `train`; `test`, perturbed cells of the groups that are held out; `unseen`, those of them
        whose perturbation has no cell in `train`; `train_controls`, `test_controls`, which are also
        `unseen_controls`.

    Raises
    ------
    DataError
        No such column, fewer groups than folds, or an unknown context.
    ValueError
        A fold that is none.
    """
    rows, perturbation, group = _labels(screen, by, context)
    names = np.unique(group)
    if n_folds < 2 or not 0 <= fold < n_folds:
        raise ValueError(f"fold is {fold} of {n_folds}; folds are at least 2, numbered from 0")
    if n_folds > len(names):
        raise DataError(
            f"{_name(screen)}: {n_folds} folds of {len(names)} groups ({by}); hold out at most as "
            "many as there are"
        )
    held_out = np.searchsorted(names, group) % n_folds == fold
    treated = perturbation != CONTROL
    seen = np.isin(perturbation, np.unique(perturbation[treated & ~held_out]))
    return _parts(
        rows,
        train=treated & ~held_out,
        test=treated & held_out & seen,
        unseen=treated & held_out & ~seen,
        train_controls=~treated & ~held_out,
        test_controls=~treated & held_out,
    )


@step
def guide_split(
    screen, *, seed: int, fold: int = 0, n_folds: int = 2, context: str | None = None
) -> dict[str, np.ndarray]:
    """Revised split: classes are targets, and guides are their replicates.

    The guides of each target are shuffled and dealt to folds in turn. What a probe learns of one
    guide must hold for another one that it never saw.

    Parameters
    ----------
    screen : AnnData with `obs["guide"]`
    seed : int
    fold, n_folds : int
        Of each target, one part of its guides in n_folds is held out.
    context : str, optional
        Split the cells of this context only.

    Returns
    -------
    dict of int64 arrays, sorted
        `train`, `test`; `unseen`: cells of targets that have no guide in `train`, because they
        have one only; `train_controls`, `test_controls`, by non-targeting guide, which are also
        `unseen_controls`.

    Raises
    ------
    DataError
        No column of guides, a guide with several targets, or an unknown context.
    ValueError
        A fold that is none.
    """
    rows, perturbation, guide = _labels(screen, "guide", context)
    if n_folds < 2 or not 0 <= fold < n_folds:
        raise ValueError(f"fold is {fold} of {n_folds}; folds are at least 2, numbered from 0")
    pairs = pd.DataFrame({"target": perturbation, "guide": guide}).drop_duplicates()
    if pairs["guide"].duplicated().any():
        torn = pairs.loc[pairs["guide"].duplicated(), "guide"].iloc[0]
        raise DataError(f"{_name(screen)}: guide {torn!r} has several perturbations")
    rng = np.random.default_rng(seed)
    out: list[str] = []
    for _, guides in pairs.sort_values(["target", "guide"]).groupby("target")["guide"]:
        dealt = rng.permutation(guides.to_numpy(dtype=object))
        out.extend(dealt[fold::n_folds])
    held_out = np.isin(guide, np.array(out, dtype=object).astype(str))
    treated = perturbation != CONTROL
    seen = np.isin(perturbation, np.unique(perturbation[treated & ~held_out]))
    return _parts(
        rows,
        train=treated & ~held_out,
        test=treated & held_out & seen,
        unseen=treated & held_out & ~seen,
        train_controls=~treated & ~held_out,
        test_controls=~treated & held_out,
    )


def _labels(screen, column: str, context: str | None):
    """Rows of the context, and the perturbation and another label of each."""
    obs = screen.obs
    for needed in ("perturbation", column, *(["context"] if context is not None else [])):
        if needed not in obs:
            raise DataError(
                f"{_name(screen)}: obs has no column {needed!r} (columns: "
                f"{', '.join(map(str, obs.columns))})"
            )
        if obs[needed].isna().any():
            raise DataError(
                f"{_name(screen)}: obs[{needed!r}] is missing for {obs[needed].isna().sum()} cells"
            )
    rows = np.arange(screen.n_obs)
    if context is not None:
        rows = np.flatnonzero((obs["context"] == context).to_numpy())
        if not len(rows):
            found = ", ".join(sorted(map(str, obs["context"].unique())))
            raise DataError(f"{_name(screen)} has no context {context!r}: {found}")
    perturbation = obs["perturbation"].astype(str).to_numpy()[rows]
    return rows, perturbation, obs[column].astype(str).to_numpy()[rows]


def _parts(rows, **members) -> dict[str, np.ndarray]:
    members.setdefault("unseen_controls", members["test_controls"])
    parts = {key: rows[members[key]].astype(np.int64) for key in KEYS}
    together = np.concatenate([part for key, part in parts.items() if key != "unseen_controls"])
    if len(np.unique(together)) < len(together):
        raise AssertionError("a cell is in two parts of a split")
    return parts


def _name(screen) -> str:
    return screen.uns.get("dataset", {}).get("name", "this screen")


@step
def some_cells(screen, *, n_cells: int, seed: int) -> dict[str, np.ndarray]:
    """A split with so many cells to learn from, perturbed or not, drawn at random.

    Returns
    -------
    dict of int arrays
        `train`, sorted, and `train_controls`, empty: who is a control is not asked.

    Raises
    ------
    DataError
        More cells than there are.
    """
    if not 1 <= n_cells <= screen.n_obs:
        raise DataError(f"{n_cells} cells are asked for; the screen has {screen.n_obs}")
    rows = np.random.default_rng(seed).choice(screen.n_obs, n_cells, replace=False)
    return {"train": np.sort(rows), "train_controls": np.empty(0, np.int64)}
