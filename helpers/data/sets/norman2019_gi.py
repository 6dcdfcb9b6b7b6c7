"""Fitness of pairs of activated genes in K562, and how expression of pairs follows from singles."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.data.contract import DataError
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.store.steps import step

_FOLDER = "https://raw.githubusercontent.com/thomasmaxwellnorman/Perturbseq_GI/3b25109aeb9c/"

DATASET = Dataset(
    name="norman2019-gi",
    title="Fitness of 112 x 112 double activations, and fits of double to single profiles",
    kind="interactions",
    files=(
        File(
            name="processed_fitnesses.csv",
            url=_FOLDER + "final_emaps/processed_fitnesses.csv",
            size=235_998,
            sha256="5624edd4fb2aca77aeb9361c98a97823be21586e0fdc553972c76f5c7061b0a2",
        ),
        File(
            name="single_fitnesses.csv",
            url=_FOLDER + "final_emaps/single_fitnesses.csv",
            size=4_646,
            sha256="084dc5d26133c3c4d99586bc03a76cf3f4f00045102c57a260a76ca5eaaba6e9",
        ),
        File(
            name="regr_fits_final.csv",
            url=_FOLDER + "data_sharing/regr_fits_final.csv",
            size=127_987,
            sha256="664331b7374e1dd22dd42c8a7b3f97aecf01dfb034701818101574fca4441ff3",
        ),
    ),
    licence="LGPL-3.0",
    licence_url=_FOLDER.replace("raw.githubusercontent.com", "github.com").replace(
        "3b25109aeb9c", "blob/3b25109aeb9c"
    )
    + "LICENSE",
    citation=(
        "Norman TM et al. Exploring genetic interaction manifolds constructed from rich "
        "single-cell phenotypes. Science 2019."
    ),
    doi="10.1126/science.aax4438",
    citation_key="norman2019",
    description=(
        "Growth of cells with two activated genes each, relative to controls (log2), of one gene "
        "alone, and of 125 pairs the coefficients of a regression of the double profile on both "
        "single ones. KIAA1804 (MAP3K21) is not among them."
    ),
)

NEGATIVE = "negative"
"""The non-targeting control among the genes of the map."""


@step
def norman2019_fitness() -> pd.DataFrame:
    """The fitness of pairs; see `read_fitness`."""
    return read_fitness(fetch(DATASET))


def read_fitness(paths: dict[str, Path]) -> pd.DataFrame:
    """Fitness of all pairs: a symmetric DataFrame of genes x genes, the diagonal a gene twice.

    Raises
    ------
    DataError
        Rows and columns differ, or the table is not symmetric.
    """
    table = pd.read_csv(paths["processed_fitnesses.csv"], index_col=0)
    if list(table.index) != list(table.columns) or table.index.has_duplicates:
        raise DataError("processed_fitnesses.csv: rows and columns are not the same genes")
    if not (abs(table - table.T).max().max() < 1e-9):
        raise DataError("processed_fitnesses.csv: the two orders of a pair differ")
    return table.rename_axis(None)


@step
def norman2019_gi() -> pd.DataFrame:
    """The pairs; see `read`."""
    return read(fetch(DATASET))


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """Fitness of pairs beside that of their genes, and fits of their profiles.

    Returns
    -------
    DataFrame
        One row a pair of different genes, sorted: `first`, `second`, `fitness` (log2, relative to
        controls), `fitness_first`, `fitness_second` (of one gene alone, mean of its guides), and
        for the pairs whose expression was measured `coef_first`, `coef_second` and `corr_fit`
        (double ~ coef_first x first + coef_second x second); NaN for the others.

    Raises
    ------
    DataError
        See `read_fitness`; or a gene has no fitness of its own.
    """
    fitness = read_fitness(paths)
    alone = pd.read_csv(paths["single_fitnesses.csv"], index_col=0)["average_fitness"]
    if absent := sorted(set(fitness.index) - set(alone.index)):
        raise DataError(f"single_fitnesses.csv: no fitness of {', '.join(absent[:5])}")
    genes = sorted(set(fitness.index) - {NEGATIVE})
    rows = [(a, b) for i, a in enumerate(genes) for b in genes[i + 1 :]]
    table = pd.DataFrame(rows, columns=["first", "second"])
    table["fitness"] = [fitness.loc[a, b] for a, b in rows]
    for side in ("first", "second"):
        table[f"fitness_{side}"] = alone.reindex(table[side]).to_numpy()
    fits = pd.read_csv(paths["regr_fits_final.csv"]).drop_duplicates("name")
    pair = fits["name"].str.split("_", expand=True)
    turned = pair[0] > pair[1]
    fits = pd.DataFrame(
        {
            "first": pair[0].where(~turned, pair[1]),
            "second": pair[1].where(~turned, pair[0]),
            "coef_first": fits["coef_first"].where(~turned, fits["coef_second"]),
            "coef_second": fits["coef_second"].where(~turned, fits["coef_first"]),
            "corr_fit": fits["corr_fit"],
        }
    ).drop_duplicates(["first", "second"])
    return table.merge(fits, on=["first", "second"], how="left")
