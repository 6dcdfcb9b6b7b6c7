"""What the tasks that read a frozen embedding have in common."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL, DataError
from helpers.metrics.embeddings.neighbours import finite_embedding
from helpers.metrics.embeddings.postprocess import FEW_CONTROLS, METHODS, postprocess

REVISED_POST = "center_scaled"
"""Post-processing of the revised protocols, declared before any result: the others are shown."""

SHRINK_BELOW = {"published": 0, "revised": FEW_CONTROLS}
"""Controls a batch needs to be taken at its word by post-processing, by protocol."""


@dataclass(frozen=True)
class Cells:
    """Cells of one context with what is read from them.

    Parameters
    ----------
    name : str
        Of the data set.
    embedding : ndarray of shape (n_cells, n_dims)
        Post-processed, on all cells of the context.
    obs : DataFrame of n_cells rows
    rows : int array of shape (n_cells,)
        Rows of the screen.
    """

    name: str
    embedding: np.ndarray
    obs: pd.DataFrame
    rows: np.ndarray

    @property
    def is_control(self) -> np.ndarray:
        """Boolean, shape (n_cells,)."""
        return (self.obs["perturbation"] == CONTROL).to_numpy()

    def labels(self, column: str) -> np.ndarray:
        """A column of `obs` as text, shape (n_cells,).

        Raises
        ------
        DataError
            There is no such column, or values are missing.
        """
        if column not in self.obs:
            raise DataError(
                f"{self.name}: obs has no column {column!r} (columns: "
                f"{', '.join(map(str, self.obs.columns))})"
            )
        if self.obs[column].isna().any():
            raise DataError(
                f"{self.name}: obs[{column!r}] is missing for {self.obs[column].isna().sum()} cells"
            )
        return self.obs[column].astype(str).to_numpy()

    def positions(self, rows) -> np.ndarray:
        """Where rows of the screen, such as a split's, stand among these cells.

        Raises
        ------
        DataError
            A row that is not among these cells: the split is of another context or screen.
        """
        rows = np.asarray(rows)
        place = np.searchsorted(self.rows, rows)
        inside = place < len(self.rows)
        if not inside.all() or (self.rows[place] != rows).any():
            raise DataError(
                f"{self.name}: the split names cells that are not scored here; make it with the "
                "same screen and the same context="
            )
        return place


def context_rows(screen, context: str | None) -> np.ndarray:
    """Rows of a context, or of all cells where there is one context.

    Raises
    ------
    DataError
        An unknown context; several contexts and none chosen.
    """
    name = screen.uns.get("dataset", {}).get("name", "this screen")
    contexts = sorted(map(str, screen.obs["context"].unique()))
    if context is None:
        if len(contexts) > 1:
            raise DataError(
                f"{name} holds {len(contexts)} contexts, which differ in more than batches, and a "
                f"perturbation is scored within one: pass context= one of {', '.join(contexts)}"
            )
        return np.arange(screen.n_obs)
    if context not in contexts:
        raise DataError(f"{name} has no context {context!r}: {', '.join(contexts)}")
    return np.flatnonzero((screen.obs["context"] == context).to_numpy())


def prepared(
    screen, embedding, *, post: str, shrink_below: int, context: str | None = None
) -> Cells:
    """Cells of one context, their embedding checked and post-processed.

    `post` and `shrink_below` are those of `helpers.metrics.embeddings.postprocess.postprocess`.

    Raises
    ------
    DataError
        An embedding that is not of this screen's cells, holds NaN or is constant; an unknown
        post-processing or context; several contexts and none chosen.
    """
    name = screen.uns.get("dataset", {}).get("name", "this screen")
    try:
        finite_embedding(embedding, n_cells=screen.n_obs)
    except ValueError as error:
        raise DataError(f"{name}: {error}") from None
    if post not in METHODS:
        raise DataError(f"post is {post!r}; choose from {', '.join(METHODS)}")
    rows = context_rows(screen, context)
    obs = screen.obs.iloc[rows]
    is_control = (obs["perturbation"] == CONTROL).to_numpy()
    try:
        done = postprocess(
            np.asarray(embedding)[rows],
            obs["batch"].to_numpy(),
            is_control,
            post,
            shrink_below=shrink_below,
        )
    except ValueError as error:
        raise DataError(f"{name}: {error}") from None
    return Cells(name, done, obs, rows)


def each_post(
    screen,
    embedding,
    posts: Sequence[str],
    score: Callable[[Cells], pd.DataFrame],
    *,
    shrink_below: int,
    context: str | None,
) -> pd.DataFrame:
    """Tables of a task after each post-processing, one under the other, with a column `post`."""
    tables = {}
    for post in posts:
        cells = prepared(screen, embedding, post=post, shrink_below=shrink_below, context=context)
        tables[post] = score(cells)
    return pd.concat(tables, names=["post"]).reset_index()


def by_class(labels, values: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Means of values over the cells of each class, and their number `n_cells`."""
    frame = pd.DataFrame({"label": np.asarray(labels), **values})
    grouped = frame.groupby("label", sort=True)
    table = grouped.mean()
    return table.assign(n_cells=grouped.size()).rename_axis("perturbation")


def pooled(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables of several folds as one: of each class the mean over all its scored cells.

    Parameters
    ----------
    parts : list of DataFrame indexed by class, with `n_cells`
        A class that a fold could not score has NaN there.

    Returns
    -------
    DataFrame indexed by class, sorted
        `n_cells` counts scored cells, `n_unscored` the others.
    """
    stacked = pd.concat(parts)
    metrics = [c for c in stacked.columns if c not in ("n_cells", "n_unscored")]
    weight = stacked["n_cells"]
    totals = stacked[metrics].mul(weight, axis=0).groupby(level=0).sum(min_count=1)
    scored = stacked[metrics].notna().mul(weight, axis=0).groupby(level=0).sum()
    table = totals / scored.where(scored > 0)
    counts = stacked.groupby(level=0)[["n_cells", "n_unscored"]].sum()
    return table.join(counts).sort_index()


def one_readout(rows: pd.DataFrame, unit: str = "perturbation") -> pd.DataFrame:
    """Rows of one probe and post-processing as a table indexed by unit, folds pooled."""
    table = rows.set_index(unit)
    table = table[[column for column in table if column not in ("probe", "post")]]
    if "fold" not in table:
        return table
    return pooled([part.drop(columns="fold") for _, part in table.groupby("fold")])
