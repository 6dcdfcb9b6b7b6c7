"""The 26 data sets of SpaRED: whose they are, how they are split, what each is good for."""

from __future__ import annotations

import pandas as pd

# abbreviation, key, genes, batch of ComBat, slides to train on, to validate, to test on, spots,
# % not measured before and after processing
# fmt: off
_ROWS = (
    ("VMB", "vicari_mouse_brain", 128, "patient", 8, 4, 2, 43804, 89, 28),
    ("MMBR", "mirzazadeh_mouse_brain", 128, "patient", 4, 2, 2, 34583, 79, 20),
    ("MHPC", "mirzazadeh_human_prostate_cancer", 128, "patient", 2, 2, 0, 15684, 79, 21),
    ("PMI", "parigi_mouse_intestine", 128, "patient", 1, 1, 0, 6234, 79, 7),
    ("VLMB", "villacampa_mouse_brain", 32, "patient", 3, 1, 1, 12202, 95, 29),
    ("MHSI", "mirzazadeh_human_small_intestine", 32, "patient", 2, 1, 1, 10474, 92, 21),
    ("MHCP2", "mirzazadeh_human_colon_p2", 32, "patient", 1, 1, 0, 7101, 97, 24),
    ("EHPCP2", "erickson_human_prostate_cancer_p2", 128, "slide", 5, 5, 0, 24465, 92, 37),
    ("EHPCP1", "erickson_human_prostate_cancer_p1", 128, "slide", 4, 2, 1, 20987, 92, 34),
    ("MMBP2", "mirzazadeh_mouse_brain_p2", 128, "slide", 2, 1, 1, 17353, 88, 25),
    ("MMBP1", "mirzazadeh_mouse_brain_p1", 128, "slide", 2, 1, 1, 17243, 70, 11),
    ("AHSCC", "abalo_human_squamous_cell_carcinoma", 128, "slide", 2, 1, 1, 10374, 94, 27),
    ("10XGHB", "10xgenomic_human_brain", 128, "slide", 1, 1, 0, 9882, 89, 23),
    ("FMBC", "fan_mouse_brain_coronal", 128, "slide", 1, 1, 0, 9132, 80, 24),
    ("10XGHBC", "10xgenomic_human_breast_cancer", 128, "slide", 1, 1, 0, 7785, 79, 12),
    ("MMBO", "mirzazadeh_mouse_bone", 128, "slide", 2, 1, 1, 7184, 87, 17),
    ("10XGMBSP", "10xgenomic_mouse_brain_sagittal_posterior", 128, "slide", 1, 1, 0, 6644, 79, 21),
    ("MHPBTP1", "mirzazadeh_human_pediatric_brain_tumor_p1", 128, "slide", 2, 2, 0, 5937, 73, 21),
    ("10XGMBC", "10xgenomic_mouse_brain_coronal", 128, "slide", 1, 1, 0, 5709, 80, 18),
    ("10XGMBSA", "10xgenomic_mouse_brain_sagittal_anterior", 128, "slide", 1, 1, 0, 5520, 75, 15),
    ("FMOB", "fan_mouse_olfatory_bulb", 128, "slide", 1, 1, 0, 2938, 67, 10),
    ("VLO", "villacampa_lung_organoid", 128, "slide", 2, 1, 1, 1832, 90, 26),
    ("VKO", "villacampa_kidney_organoid", 128, "slide", 2, 1, 0, 1355, 92, 33),
    ("VHS", "vicari_human_striatium", 32, "slide", 2, 1, 1, 19033, 97, 30),
    ("MHPBTP2", "mirzazadeh_human_pediatric_brain_tumor_p2", 32, "slide", 1, 1, 0, 3163, 97, 30),
    ("MHCP1", "mirzazadeh_human_colon_p1", 32, "slide", 1, 1, 0, 2225, 90, 16),
)
# fmt: on
_BETWEEN = ("VMB", "MMBR", "MHPC", "PMI", "VLMB", "MHSI", "MHCP2")
_FLUORESCENCE = ("10XGMBC", "10XGHB")
_PART_OF = {"MMBP1": "MMBR", "MMBP2": "MMBR"}
_SOURCES = {
    "vicari": "SciLifeLab figshare 22778920",
    "mirzazadeh": "Mendeley 4w6krnywhn, 442mhsrpcm",
    "parigi": "GEO GSE169749",
    "villacampa": "Mendeley xjtv62ncwr",
    "erickson": "Mendeley svw96g68dv",
    "abalo": "Mendeley 2bh5fchcv6",
    "10xgenomic": "10x Genomics",
    "fan": "Mendeley nrbsxrk9mp",
}


def card() -> pd.DataFrame:
    """The 26 data sets, a row each.

    Returns
    -------
    DataFrame
        `data set`, `key`, `source`, `genes`, `batch` (of ComBat), `train`, `val`, `test` (slides),
        `spots`, `raw` and `processed` (share that is not measured), `patients` (within or between
        the sides), `image`, `part of` (another set that has the same slides), `good for`.

    References
    ----------
    BCV-Uniandes/SpaRED 3ca900f, readers and configs; BCV-Uniandes/spared_webpage, data of
    2024-07-17. The web page has a second table of missing data that contradicts this one.
    """
    rows = []
    for name, key, genes, batch, train, val, test, spots, raw, processed in _ROWS:
        row = {
            "data set": name,
            "key": key,
            "source": _SOURCES[key.split("_")[0]],
            "genes": genes,
            "batch": batch,
            "train": train,
            "val": val,
            "test": test,
            "spots": spots,
            "raw": raw / 100,
            "processed": processed / 100,
            "patients": "between" if name in _BETWEEN else "within",
            "image": "immunofluorescence" if name in _FLUORESCENCE else "H&E",
            "part of": _PART_OF.get(name, ""),
        }
        rows.append(row | {"good for": good_for(row)})
    return pd.DataFrame(rows)


def good_for(row: dict) -> str:
    """What a data set can be asked, by its split, its image and its slides."""
    if row["test"] == 0:
        said = "selection only: no slide is held out"
    elif row["patients"] == "between":
        said = "new patients"
    else:
        said = "new slides of known patients"
    if row["image"] != "H&E":
        said += "; not H&E"
    if row["part of"]:
        said += f"; not beside {row['part of']}"
    return said
