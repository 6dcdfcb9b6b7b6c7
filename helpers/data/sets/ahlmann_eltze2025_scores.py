"""Scores that Ahlmann-Eltze, Huber and Anders (2025) published with their figures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.data.contract import DataError
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.store.steps import step

_FOLDER = (
    "https://raw.githubusercontent.com/In-tron/linear_perturbation_prediction-Paper/"
    "c5865d6ffbfb7224c37e5104ef6a1706b103f097/source_data/"
)

DATASET = Dataset(
    name="ahlmann-eltze2025-scores",
    title="Published scores of models and linear baselines",
    kind="scores",
    files=(
        File(
            name="perturbation_prediction.xlsx",
            url=_FOLDER + "perturbation_prediction.xlsx",
            size=1_659_843,
            sha256="e097df99adf72d983c63c4e9293c1abf8d10bff2a06c752a1a20644e95b9d591",
        ),
        File(
            name="single_perturbation_prediction.xlsx",
            url=_FOLDER + "single_perturbation_prediction.xlsx",
            size=1_837_062,
            sha256="09c6c198aff4e8a827064183f9cff13eb6f33e56f1689940527304bf78957efe",
        ),
        File(
            name="suppl-pearson_delta_performance.xlsx",
            url=_FOLDER + "suppl-pearson_delta_performance.xlsx",
            size=529_067,
            sha256="4ec0b805e5b1f11af478e5d38fd482f749fc0c24e68f43c88a93bef29d011109",
        ),
    ),
    licence="MIT",
    licence_url=(
        "https://github.com/const-ae/linear_perturbation_prediction-Paper/blob/main/LICENSE.md"
    ),
    citation=(
        "Ahlmann-Eltze C, Huber W, Anders S. Deep-learning-based gene perturbation effect "
        "prediction does not yet outperform simple linear baselines. Nature Methods 2025."
    ),
    doi="10.1038/s41592-025-02772-6",
    citation_key="ahlmanneltze2025",
    description=(
        "Source data of the figures, from the authors' commit as a fork keeps it: one score a "
        "held-out perturbation, model and seed, over the 1,000 most expressed genes. Double "
        "perturbations (Norman et al. 2019) and single ones (Adamson et al. 2016, Replogle et al. "
        "2022 in K562 and RPE1). For double perturbations also means over other numbers of genes."
    ),
)

_SHEET = "Panel A"
_FILES = {
    "double": "perturbation_prediction.xlsx",
    "single": "single_perturbation_prediction.xlsx",
}
_GENES_FILE = "suppl-pearson_delta_performance.xlsx"
_ORDERS = {"expr": "expression", "de": "change"}
# The sheets call both correlations r2; they are Pearson's r and take negative values.
_METRICS = {"r2": "pearson", "r2_delta": "pearson_delta", "l2": "l2"}
_COLUMNS = {
    "dataset_name": "dataset",
    "seed": "seed",
    "method": "model",
    "approach": "approach",
    "train": "part",
    "perturbation": "perturbation",
}


@step
def ahlmann_eltze2025_scores() -> pd.DataFrame:
    """The scores; see `read`."""
    return read(fetch(DATASET))


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """Read both figures' panel A into one tidy table.

    Parameters
    ----------
    paths : dict of str to Path
        With "perturbation_prediction.xlsx" and "single_perturbation_prediction.xlsx".

    Returns
    -------
    DataFrame
        One row a score: `setting` (double or single), `dataset`, `seed`, `model`, `approach`,
        `part` (val or test: both were held out), `perturbation` ("A" or "A+B", sorted), `metric`
        (pearson and pearson_delta in [-1, 1], higher is better; l2 >= 0, lower is better), `value`.
        pearson_delta of a prediction of no change is undefined: NaN.

    Raises
    ------
    DataError
        A sheet lacks a column.
    """
    return pd.concat(
        [_read_sheet(paths[name], setting) for setting, name in _FILES.items()], ignore_index=True
    )


@step
def ahlmann_eltze2025_transfer() -> pd.DataFrame:
    """The scores with embeddings carried over from elsewhere; see `read_transfer`."""
    return read_transfer(fetch(DATASET))


def read_transfer(paths: dict[str, Path]) -> pd.DataFrame:
    """Read panel C of the single perturbations: linear models with embeddings from elsewhere.

    Fewer perturbations than in `read`, because every model must have scored them, and more models:
    the linear model with gene embeddings of scGPT and scFoundation, with perturbation embeddings of
    GEARS and of both Replogle cell lines (one of which is *the same* cells: it knows the answer),
    and with random ones; UCE with 33 layers; CPA.

    Parameters
    ----------
    paths : dict of str to Path
        With "single_perturbation_prediction.xlsx".

    Returns
    -------
    DataFrame
        As `read`, without `approach`; `part` is train, val or test, and `setting` is transfer.

    Raises
    ------
    DataError
        The sheet lacks a column.
    """
    return _read_sheet(paths[_FILES["single"]], "transfer", sheet_name="Panel C")


@step
def ahlmann_eltze2025_interactions() -> pd.DataFrame:
    """Curves of interactions found; see `read_interactions`."""
    return read_interactions(fetch(DATASET))


def read_interactions(paths: dict[str, Path]) -> pd.DataFrame:
    """Read panel C of the double perturbations: share of interactions found.

    Parameters
    ----------
    paths : dict of str to Path
        With "perturbation_prediction.xlsx".

    Returns
    -------
    DataFrame
        `model`, `fdp` (false discovery proportion, 0 to 1 by 0.01), `tpr` (share of the true
        interactions that are called there, mean of five seeds, in [0, 1], higher is better).

    Raises
    ------
    DataError
        The sheet lacks a column.
    """
    sheet = _read(paths[_FILES["double"]], "Panel C", ("method", "fdp", "tpr"))
    found = sheet.rename(columns={"method": "model"})[["model", "fdp", "tpr"]]
    return found.assign(fdp=found["fdp"].round(2))  # the grid's own values, without float noise


@step
def ahlmann_eltze2025_example() -> pd.DataFrame:
    """Predictions for one double perturbation; see `read_example`."""
    return read_example(fetch(DATASET))


def read_example(paths: dict[str, Path]) -> pd.DataFrame:
    """Read panel B of the double perturbations: what each model predicts for CEBPB+CEBPE.

    Parameters
    ----------
    paths : dict of str to Path
        With "perturbation_prediction.xlsx".

    Returns
    -------
    DataFrame
        One row a `model` and `gene` (1,000 of them): `predicted`, `observed` and `control`, mean
        log1p CP10k, and the published `pearson`, `pearson_delta` and `l2` of the model.

    Raises
    ------
    DataError
        The sheet lacks a column.
    """
    names = {
        "method": "model",
        "gene_name": "gene",
        "prediction": "predicted",
        "observed": "observed",
        "baseline": "control",
    }
    sheet = _read(paths[_FILES["double"]], "Panel B", (*names, *_METRICS))
    return sheet.rename(columns=names | _METRICS)[[*names.values(), *_METRICS.values()]]


@step
def ahlmann_eltze2025_interaction_classes() -> pd.DataFrame:
    """How many deviations are of each class; see `read_interaction_classes`."""
    return read_interaction_classes(fetch(DATASET))


def read_interaction_classes(paths: dict[str, Path]) -> pd.DataFrame:
    """Read panel E of the double perturbations: `label` and `n` of 124 doubles x 1,000 genes.

    Raises
    ------
    DataError
        The sheet lacks a column.
    """
    return _read(paths[_FILES["double"]], "Panel E", ("label", "n"))[["label", "n"]]


@step
def ahlmann_eltze2025_interaction_pairs() -> pd.DataFrame:
    """Predicted interactions of each model; see `read_interaction_pairs`."""
    return read_interaction_pairs(fetch(DATASET))


def read_interaction_pairs(paths: dict[str, Path]) -> pd.DataFrame:
    """Read panel F of the double perturbations: the 500 largest predicted deviations of each model.

    Parameters
    ----------
    paths : dict of str to Path
        With "perturbation_prediction.xlsx".

    Returns
    -------
    DataFrame
        One row a `model`, `seed`, `perturbation` and `gene`: `control`, `observed`, `additive` and
        `predicted`, mean log1p CP10k, and the `label` of the observed interaction. The 500th
        place of `no_change` is shared: it has 501 rows.

    Raises
    ------
    DataError
        The sheet lacks a column.
    """
    names = {
        "method": "model",
        "seed": "seed",
        "perturbation": "perturbation",
        "gene_name": "gene",
        "baseline": "control",
        "ground_truth": "observed",
        "ref": "additive",
        "value": "predicted",
        "interaction_label": "label",
    }
    sheet = _read(paths[_FILES["double"]], "Panel F", tuple(names))
    return sheet.rename(columns=names)[[*names.values()]]


def _read(path: Path, sheet_name: str, columns) -> pd.DataFrame:
    sheet = pd.read_excel(path, sheet_name=sheet_name)
    _require(sheet, columns, path, sheet_name)
    return sheet


@step
def ahlmann_eltze2025_errors_by_genes() -> pd.DataFrame:
    """Errors over other numbers of genes; see `read_errors_by_genes`."""
    return read_errors_by_genes(fetch(DATASET))


def read_errors_by_genes(paths: dict[str, Path]) -> pd.DataFrame:
    """Read the double perturbations' errors over the first n genes of two orders.

    The sheet states as standard error the standard deviation over the root of the number of
    *genes* (in the authors' notebook: ``sd(dist) / sqrt(first(rank))``). The standard deviation is
    recovered from it; that of the mean follows with the number of rows.

    Parameters
    ----------
    paths : dict of str to Path
        With "suppl-pearson_delta_performance.xlsx".

    Returns
    -------
    DataFrame
        `model`, `ordered_by` (expression: most expressed in control cells first; change: most
        changed by the very perturbation first), `n_genes`, and over the 310 held-out rows of the
        five seeds the `mean` of the L2 error over these genes (>= 0, lower is better) and its
        standard deviation `sd`.

    Raises
    ------
    DataError
        The sheet lacks a column, or knows another order.
    """
    path = paths[_GENES_FILE]
    sheet = pd.read_excel(path, sheet_name="Panel B")
    _require(sheet, ("method", "rank", "sorted_by", "dist_mean", "dist_se"), path, "Panel B")
    if other := sorted(set(sheet["sorted_by"]) - set(_ORDERS)):
        raise DataError(f"{path}, sheet Panel B: orders {other}, expected {sorted(_ORDERS)}")
    return pd.DataFrame(
        {
            "model": sheet["method"],
            "ordered_by": sheet["sorted_by"].map(_ORDERS),
            "n_genes": sheet["rank"],
            "mean": sheet["dist_mean"],
            "sd": sheet["dist_se"] * sheet["rank"] ** 0.5,
        }
    )


def _require(sheet: pd.DataFrame, columns, path: Path, sheet_name: str) -> None:
    if missing := [column for column in columns if column not in sheet]:
        raise DataError(
            f"{path}, sheet {sheet_name}: no column {', '.join(missing)} "
            f"(columns: {', '.join(sheet.columns)})"
        )


def _read_sheet(path: Path, setting: str, sheet_name: str = _SHEET) -> pd.DataFrame:
    sheet = pd.read_excel(path, sheet_name=sheet_name)
    columns = {k: v for k, v in _COLUMNS.items() if (k, setting) != ("approach", "transfer")}
    _require(sheet, (*columns, *_METRICS), path, sheet_name)
    renamed = sheet.rename(columns=columns | _METRICS).assign(setting=setting)
    renamed["perturbation"] = renamed["perturbation"].map(_sorted_without_control)
    return renamed.melt(
        id_vars=["setting", *columns.values()],
        value_vars=list(_METRICS.values()),
        var_name="metric",
        value_name="value",
    )


def _sorted_without_control(name: str) -> str:
    return "+".join(sorted(part for part in name.split("+") if part != "ctrl"))
