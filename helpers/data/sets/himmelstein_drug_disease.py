"""Drug signatures (L1000), disease contrasts (STARGEO) and indications (PharmacotherapyDB)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.data.contract import DataError, check
from helpers.data.dataset import Dataset, File
from helpers.data.drug_matching.matching import (
    DISEASES,
    check_matching,
    linked_groups,
    pairs_table,
)
from helpers.data.drug_matching.siblings import sibling_keys
from helpers.data.fetch import fetch
from helpers.store.steps import step

if TYPE_CHECKING:
    from anndata import AnnData

_RAW = "https://raw.githubusercontent.com/dhimmel/"
CATEGORIES = ("DM", "SYM", "NOT")
ESTIMATES = {DISEASES: "random_zscore", "effect": "random_TE"}
"""Estimates of a contrast that are kept: z of the random-effects model, and its effect."""

DATASET = Dataset(
    name="himmelstein-drug-disease",
    title="1,170 drugs on cell lines, 49 diseases in patients, and which drug treats which disease",
    kind="matching",
    files=(
        File(
            name="consensi-drugbank.tsv.gz",
            url=_RAW + "lincs/69956de/data/consensi/consensi-drugbank.tsv.gz",
            size=2_618_992,
            sha256="f36371a1acc0c4f7cbd20a35969af5447cfadac1c36a640ae892243562847ce2",
        ),
        File(
            name="genes.tsv",
            url=_RAW + "lincs/726793b5ce36/data/consensi/genes.tsv",
            size=538_465,
            sha256="4b79462a64302bbcc944762b7196441b5b11efae08019370b6564db366a7da0c",
        ),
        File(
            name="stargeo_signatures.npz",
            url="",
            size=9_816_810,
            sha256="489b1970f3ff50e2c65ae8ac2f2bfa0661821c3080e96e60134e4b2a266e60f0",
            made_from=(
                "the 49 files data/doslim/DOID_*/balanced_permutation.tsv.gz of "
                "https://github.com/dhimmel/stargeo at commit 08b126cc1f93, stacked"
            ),
        ),
        File(
            name="summary.tsv",
            url=_RAW + "stargeo/08b126cc1f93/data/summary.tsv",
            size=1_779,
            sha256="31233a624c147757e53e5c642021f2c1218b96c2c45da1aa18d5c270a7a4a973",
        ),
        File(
            name="indications.tsv",
            url=_RAW + "indications/11d535ba0884/catalog/indications.tsv",
            size=76_754,
            sha256="bc956b0092fab88975a07932b89382a0ed593d3d21df23395440cfd9a067a917",
        ),
        File(
            name="drugbank-slim.tsv",
            url=_RAW + "drugbank/6b9ae386d6ba/data/drugbank-slim.tsv",
            size=970_853,
            sha256="72de0a8b93dcc9e7e0462bfe79c0ce20be0802efb2a1ccaeb08e372e2243356d",
        ),
        File(
            name="proteins.tsv",
            url=_RAW + "drugbank/6b9ae386d6ba/data/proteins.tsv",
            size=1_386_131,
            sha256="8f78ad48e0dc9414074b00bf28e47048a1eafe9d5810a415547b8df69972c4e8",
        ),
    ),
    licence=(
        "signatures, contrasts and indications: CC0 (LINCS derivatives CC BY 4.0); DrugBank "
        "tables: CC BY-NC 4.0"
    ),
    licence_url="https://github.com/dhimmel/lincs/tree/69956de#license",
    citation=(
        "Himmelstein DS et al. Systematic integration of biomedical knowledge prioritizes drugs "
        "for repurposing. eLife 2017."
    ),
    doi="10.7554/eLife.26726",
    citation_key="himmelstein2017",
    description=(
        "Consensus z scores of 1,170 DrugBank compounds over 978 landmark genes (LINCS L1000, "
        "2015), random-effects meta-analyses of 49 diseases over GEO studies (STARGEO), and 1,388 "
        "pairs that physicians curated as disease-modifying (DM), symptomatic (SYM) or no "
        "indication (NOT). A pair that is not listed is unknown, not wrong. The contrasts hold no "
        "replicates. The stacked contrasts have no address of their own: they must be at hand."
    ),
)


@step
def himmelstein_drug_disease() -> AnnData:
    """Drugs, diseases and pairs; see `read`."""
    return check_matching(check(read(fetch(DATASET)), screen=False))


def read(paths: dict[str, Path]) -> AnnData:
    """Read all of them, on the genes that are measured on both sides.

    Parameters
    ----------
    paths : dict of str to Path
        With the files of `DATASET`.

    Returns
    -------
    AnnData of shape (1170, 978)
        See `helpers.data.drug_matching.matching`; genes are Entrez ids, with their symbols in
        `var`. `obs`: name, group (drugs that share an ATC code of level 4, or all their human
        targets with a known action, directly or through others), n_targets.

    Raises
    ------
    DataError
        Files that do not fit each other.
    """
    from anndata import AnnData

    signatures = pd.read_csv(paths["consensi-drugbank.tsv.gz"], sep="\t", index_col=0)
    genes = pd.read_csv(paths["genes.tsv"], sep="\t", dtype=str, keep_default_na=False)
    symbol = genes.set_index("entrez_gene_id")["symbol"]
    with np.load(paths["stargeo_signatures.npz"], allow_pickle=False) as content:
        measured = {str(gene): i for i, gene in enumerate(content["entrez"])}
        diseases = pd.Index(content["disease"].astype(str))
        kept = [gene for gene in signatures.columns if gene in measured]
        columns = [measured[gene] for gene in kept]
        contrasts = {
            key: pd.DataFrame(content[name][:, columns].T.astype(np.float32), kept, diseases)
            for key, name in ESTIMATES.items()
        }
    if unnamed := sorted(set(kept) - set(symbol.index)):
        raise DataError(f"{paths['genes.tsv']}: no symbol for Entrez {', '.join(unnamed[:3])}")
    indications = pd.read_csv(paths["indications.tsv"], sep="\t")
    indications = indications[["doid_id", "drugbank_id", "category"]].set_axis(
        ["disease", "drug", "category"], axis=1
    )
    if unknown := sorted(set(indications["category"]) - set(CATEGORIES)):
        raise DataError(f"{paths['indications.tsv']}: categories {', '.join(unknown)}")
    groups = linked_groups({d: sibling_keys(d) for d in diseases})
    disease_name = _disease_names(paths["summary.tsv"], diseases)
    return AnnData(
        signatures[kept].to_numpy(dtype=np.float32),
        obs=_drugs(paths, pd.Index(signatures.index.astype(str))),
        var=pd.DataFrame({"symbol": symbol[kept].to_numpy()}, index=pd.Index(kept, name="entrez")),
        varm=contrasts,
        obsm={
            category: pairs_table(
                indications[indications["category"] == category], signatures.index, diseases
            )
            for category in CATEGORIES
        },
        uns={
            "scale": {"kind": "zscore", "target_sum": None},
            "panel": True,
            "dataset": DATASET.provenance(),
            "disease_name": disease_name,
            "disease_group": groups.to_dict(),
        },
    )


def _disease_names(path: Path, diseases: pd.Index) -> dict[str, str]:
    """Names by identifier; the identifier where the summary has none."""
    names = pd.read_csv(path, sep="\t", index_col="slim_id")["slim_name"]
    return {disease: str(names.get(disease, disease)) for disease in diseases}


def _drugs(paths: dict[str, Path], drugs: pd.Index) -> pd.DataFrame:
    table = pd.read_csv(paths["drugbank-slim.tsv"], sep="\t", index_col="drugbank_id")
    curated = pd.read_csv(paths["indications.tsv"], sep="\t").drop_duplicates("drugbank_id")
    names = curated.set_index("drugbank_id")["drug"].to_dict() | table["name"].to_dict()
    proteins = pd.read_csv(paths["proteins.tsv"], sep="\t", dtype=str)
    targets = proteins[
        (proteins["category"] == "target")
        & (proteins["organism"] == "Human")
        & (proteins["known_action"] == "yes")
    ]
    by_target = targets.groupby("drugbank_id")["uniprot_id"].agg(set)
    keys = {}
    for drug in drugs:
        codes = table["atc_codes"].get(drug)
        # X is ATC's "other": it holds what has nothing in common
        atc = {c[:5] for c in str(codes).split("|") if len(c) >= 5 and "X" not in c[3:5]}
        own = by_target.get(drug, set())
        keys[drug] = atc | ({"+".join(sorted(own))} if own else set())
    groups = linked_groups(keys)
    return pd.DataFrame(
        {
            "name": [str(names.get(drug, drug)) for drug in drugs],
            "group": groups[drugs].to_numpy(),
            "n_targets": [len(by_target.get(drug, ())) for drug in drugs],
        },
        index=pd.Index(drugs, name="drug"),
    )
