"""How well effects of knock-downs agree between K562 and T cells, between donors, and at random."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.data.contract import DataError
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.store.steps import step

_AT = "https://raw.githubusercontent.com/emdann/GWT_perturbseq_analysis_2025/95fe72378db1/"

DATASET = Dataset(
    name="gwt-cd4-perturbseq",
    title="Agreement of knock-downs between K562 and primary CD4+ T cells, with floor and ceiling",
    kind="agreements",
    files=(
        File(
            name="K562_comparison.suppl_table.csv",
            url=_AT + "metadata/suppl_tables/K562_comparison.suppl_table.csv",
            size=969_086,
            sha256="b88941f5016da23f83e65475d5868597f63d964b05fd87f5a5eea5b6aeb880ec",
        ),
    ),
    licence="MIT (repository)",
    licence_url="https://github.com/emdann/GWT_perturbseq_analysis_2025",
    citation=("Zhu R et al. Genome-scale Perturb-seq in primary human CD4+ T cells. bioRxiv 2025."),
    doi="10.64898/2025.12.23.696273",
    citation_key="zhu2025",
    description=(
        "Summaries, no profiles. For 1,880 knock-downs in three states of T cells: the correlation "
        "of log fold changes with those in K562 cells (Replogle et al. 2022), that of three random "
        "pairs, and that of halves of the donors. Which genes enter a correlation is not in the "
        "table: where few genes change, the knocked-down gene itself may carry it."
    ),
)
STATES = ("Rest", "Stim8hr", "Stim48hr")


@step
def gwt_cd4_perturbseq() -> pd.DataFrame:
    """The table; see `read`."""
    return read(fetch(DATASET))


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """Read the table.

    Parameters
    ----------
    paths : dict of str to Path
        With the file of `DATASET`.

    Returns
    -------
    DataFrame
        One row a knock-down and state: `perturbation`, `state`, `between` (r of K562 and T cells),
        `random` (mean r of three random pairs), `donors` (mean r between halves of donors, NaN
        where it is not known), `n_changed_k562`, `n_changed` (genes that change in either).

    Raises
    ------
    DataError
        The table in another form, or a state that is not known.
    """
    (path,) = (paths[file.name] for file in DATASET.files)
    table = pd.read_csv(path)
    random = ["random_r1", "random_r2", "random_r3"]
    asked = ["target_contrast_gene_name", "logfc_pearson_r", "condition", *random]
    asked += ["donor_correlation_mean", "n_degs_MASH_K562"]
    asked += [f"n_degs_MASH_{state}" for state in STATES]
    if absent := [c for c in asked if c not in table.columns]:
        raise DataError(f"{path}: no columns {', '.join(absent)}")
    if unknown := sorted(set(table["condition"]) - set(STATES)):
        raise DataError(f"{path}: states {', '.join(unknown)}")
    found = pd.DataFrame(
        {
            "perturbation": table["target_contrast_gene_name"].astype(str),
            "state": table["condition"],
            "between": table["logfc_pearson_r"],
            "random": table[random].mean(axis=1),
            "donors": table["donor_correlation_mean"],
            "n_changed_k562": table["n_degs_MASH_K562"],
            "n_changed": float("nan"),
        }
    )
    for state in STATES:
        own = table["condition"] == state
        found.loc[own, "n_changed"] = table.loc[own, f"n_degs_MASH_{state}"]
    return found
