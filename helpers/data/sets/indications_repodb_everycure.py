"""Two further lists of indications: repoDB (approved and failed) and Every Cure's (from labels)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.store.steps import step

DATASET = Dataset(
    name="indications-repodb-everycure",
    title="Indications: approved and failed (repoDB), and from drug labels of 2025 (Every Cure)",
    kind="indications",
    files=(
        File(
            name="shiny.RData",
            url=(
                "https://raw.githubusercontent.com/adam-sam-brown/repoDB/cd4edec67e57/"
                "Shiny_Application/data/shiny.RData"
            ),
            size=306_051,
            sha256="21e8c95c6e18dc678599bf760f81c435fc21e75e6c68a5f475f68be9adc1cb52",
        ),
        File(
            name="indicationList.tsv",
            url=(
                "https://raw.githubusercontent.com/everycure-org/matrix-indication-list/"
                "faaa320ce1a1/merge_lists/indicationList.tsv"
            ),
            size=3_074_097,
            sha256="a0e3c2d815b5ee532d1fb4f3b5d81e862c61d38bc79866730dfe8d592318f88b",
        ),
    ),
    licence="repoDB: CC BY 4.0; Every Cure: none stated",
    licence_url="https://github.com/adam-sam-brown/repoDB/tree/cd4edec67e57",
    citation=(
        "Brown AS, Patel CJ. A standard database for drug repositioning. Scientific Data 2017; "
        "Every Cure, MATRIX indication list, 2025."
    ),
    doi="10.1038/sdata.2017.29",
    citation_key="brown2017",
    description=(
        "repoDB: drugs by DrugBank id, diseases by UMLS, approved, or in a trial that was "
        "terminated, withdrawn or suspended, with the reason. A stop is no proof of no effect: "
        "many were for money or recruitment. Every Cure: pairs that a language model read from "
        "labels of three agencies in 2025; nobody states a licence, so it is read here and not "
        "passed on."
    ),
)

STATUS = {"Approved": "approved"} | dict.fromkeys(
    ("Terminated", "Withdrawn", "Suspended"), "failed"
)
COLUMNS = ["list", "drug", "drug_id", "disease", "disease_id", "status", "reason"]


@step
def indications_repodb_everycure() -> pd.DataFrame:
    """The pairs; see `read`."""
    return read(fetch(DATASET))


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """Read both lists as one table.

    Parameters
    ----------
    paths : dict of str to Path

    Returns
    -------
    DataFrame
        One row a drug, disease and status: `list`, `drug` and `disease` (names), `drug_id`,
        `disease_id`, `status` ("approved" or "failed"), `reason` of a stop: "money or
        recruitment", "other", "not stated", or "" of an approval.

    Raises
    ------
    DataError
        Other columns, or a status that is not known.
    """
    from rdata.conversion import convert
    from rdata.parser import parse_file

    # the strings are UTF-8, which the file does not say
    held = convert(parse_file(paths["shiny.RData"]), default_encoding="utf-8")["drug.fr"]
    if unknown := sorted(set(held["status"].astype(str)) - set(STATUS)):
        raise DataError(f"{paths['shiny.RData']}: unknown status {', '.join(unknown)}")
    repodb = pd.DataFrame(
        {
            "list": "repoDB",
            "drug": held["drug_name"],
            "drug_id": held["drug_id"],
            "disease": held["ind_name"],
            "disease_id": held["ind_id"],
            "status": held["status"].astype(str).map(STATUS),
            "reason": held["DetailedStatus"].astype(object).where(held["DetailedStatus"].notna()),
        }
    )
    repodb["reason"] = np.where(
        repodb["status"] == "approved", "", repodb["reason"].map(reason_of_stop)
    )
    labels = pd.read_csv(paths["indicationList.tsv"], sep="\t", dtype=str, keep_default_na=False)
    asked = ["drug ID Label", "drug ID", "disease ID labels", "disease IDs"]
    if absent := [column for column in asked if column not in labels]:
        raise DataError(f"{paths['indicationList.tsv']}: no columns {', '.join(absent)}")
    names = ["drug", "drug_id", "disease", "disease_id"]
    everycure = labels[asked].set_axis(names, axis=1)
    everycure = everycure.assign(list="Every Cure", status="approved", reason="")
    both = pd.concat([repodb, everycure], ignore_index=True)[COLUMNS].astype(str)
    return both.drop_duplicates(ignore_index=True)


_MONEY = re.compile(
    r"fund|financ|money|budget|sponsor|business|recruit|enrol|accru|slow|investigator|p\.?i\.? left"
    r"|supply|resource|staff|site",
    re.IGNORECASE,
)


def reason_of_stop(text) -> str:
    """Kind of a reason that a trial gives: a stop for money or people says nothing of the drug."""
    if not isinstance(text, str) or not text.strip():
        return "not stated"
    return "money or recruitment" if _MONEY.search(text) else "other"
