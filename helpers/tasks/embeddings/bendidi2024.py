"""What Bendidi et al. (2024) reported: 1,080 values, to stand in a panel of their own.

They were computed on screens that this book does not hold, and are never put into one column with
its own scores.
"""

import io

import numpy as np
import pandas as pd

from helpers.tasks.embeddings.bendidi2024_values import VALUES

SOURCE = "Bendidi et al. 2024, arXiv 2410.13956 v2"
DATASETS = {"replogle": "Replogle K562 genome-wide", "l1000": "L1000 CRISPR"}
DATABASES = ("CORUM", "HuMAP", "Reactome", "SIGNOR", "StringDB")
POSTS = ("raw", "centered", "center_scaled", "tvn", "best")
PERCENT = ("linear_top1", "linear_top5", "knn_top1", "knn_top5", "share_consistent")
"""Metrics that the appendix prints in percent; here they are shares everywhere."""

_TASK = {
    "ilisi": "batch-mixing",
    "ilisi_ratio": "batch-mixing",
    "linear_top1": "linear-separability",
    "linear_top5": "linear-separability",
    "share_consistent": "consistency",
    "knn_top1": "neighbourhood",
    "knn_top5": "neighbourhood",
    **dict.fromkeys(DATABASES, "known-relationships"),
    "spearman": "reconstruction",
    "structural_integrity": "reconstruction",
}
_TABLES = {  # of the appendix: in the order of the tasks, Replogle and L1000
    "batch-mixing": (3, 7),
    "linear-separability": (3, 7),
    "consistency": (4, 8),
    "neighbourhood": (4, 8),
    "known-relationships": (5, 9),
    "reconstruction": (6, 10),
}
_NAMES = {
    "Rand. Labels": "random labels",
    "cellPLM": "CellPLM",
    "scGPT finetuned": "scGPT fine-tuned",
}
_PRINTED = 0.0015  # two roundings to three decimals, one each way, and a half


def reported(task: str | None = None, dataset: str | None = None) -> pd.DataFrame:
    """The reported values, in the order of the paper's tables.

    Parameters
    ----------
    task : str, optional
        One of the six tasks, as in the column `task` of scores. Default: all.
    dataset : {"replogle", "l1000"}, optional
        Default: both.

    Returns
    -------
    DataFrame
        `dataset`, `task`, `metric`, `unit` (the database of a recall, else "all"), `model`, `post`
        ("best" is Table 2, the best post-processing of each cell), `paper_table`, `value` (shares
        in [0, 1], iLISI in effective batches, Spearman and Structural Integrity as they are), and
        `agrees`: whether a cell of Table 2 and the best of its appendix table are the same but
        for rounding (true where only one of them was printed).

    Raises
    ------
    ValueError
        A task or data set that the paper does not have.
    """
    for name, value, known in (("task", task, _TABLES), ("dataset", dataset, DATASETS)):
        if value is not None and value not in known:
            raise ValueError(f"{name} is {value!r}; the paper has {', '.join(known)}")
    wide = pd.read_csv(io.StringIO(VALUES))
    percent = wide["metric"].isin(PERCENT)
    wide.loc[percent, list(POSTS[:-1])] /= 100
    wide["agrees"] = _agrees(wide)
    table = wide.melt(["dataset", "metric", "model", "agrees"], list(POSTS), "post").dropna()
    table["task"] = table["metric"].map(_TASK)
    second = (table["dataset"] == "l1000").astype(int)
    appendix = [_TABLES[t][i] for t, i in zip(table["task"], second, strict=True)]
    table["paper_table"] = np.where(table["post"] == "best", 2, appendix)
    of_database = table["metric"].isin(DATABASES)
    table["unit"] = table["metric"].where(of_database, "all")
    table["metric"] = table["metric"].mask(of_database, "relationship_recall")
    table["model"] = table["model"].replace(_NAMES)
    columns = ["dataset", "task", "metric", "unit", "model", "post", "paper_table", "value"]
    table = table[[*columns, "agrees"]].reset_index(drop=True)
    for column, value in (("task", task), ("dataset", dataset)):
        table = table if value is None else table[table[column] == value]
    return table.reset_index(drop=True)


def _agrees(wide: pd.DataFrame) -> pd.Series:
    best = wide[list(POSTS[:-1])].max(axis=1)
    return ~((wide["best"] - best).abs() > _PRINTED)


def wide(table: pd.DataFrame, *, post: str = "best") -> pd.DataFrame:
    """Models x metrics (and databases), of one post-processing and one data set: for a page.

    Parameters
    ----------
    table : DataFrame
        Rows of `reported`, of one data set.
    post : str

    Returns
    -------
    DataFrame indexed by model
        One column a metric, or a database.

    Raises
    ------
    ValueError
        Several data sets, or a post-processing that was not reported.
    """
    chosen = table[table["post"] == post]
    datasets = set(chosen["dataset"])
    if len(datasets) != 1:
        raise ValueError(
            f"{len(datasets)} data sets with {post!r}; pass rows of one, with one of "
            f"{', '.join(POSTS)}"
        )
    name = chosen["metric"].mask(chosen["unit"] != "all", chosen["unit"])
    found = chosen.assign(column=name).pivot_table("value", "model", "column")
    found = found.loc[list(dict.fromkeys(chosen["model"])), list(dict.fromkeys(name))]
    return found.rename_axis(None, axis=1)
