"""Readers of the tier's data sets: small files in their layout, and the real ones where at hand."""

import pandas as pd
import pytest

from helpers.data.contract import DataError
from helpers.data.fetch import locate
from helpers.data.sets import gwt_cd4_perturbseq as gwt

FILE = gwt.DATASET.files[0].name


def table():
    states = list(gwt.STATES)
    return pd.DataFrame(
        {
            "target_contrast_gene_name": ["A"] * 3 + ["B"] * 3,
            "logfc_pearson_r": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
            "random_r1": 0.03,
            "random_r2": 0.0,
            "random_r3": -0.06,
            "condition": states * 2,
            "donor_correlation_mean": [None, 0.5, 0.5, 0.5, 0.5, None],
            "n_degs_MASH_K562": 4.0,
            **{f"n_degs_MASH_{s}": float(i) for i, s in enumerate(states)},
        }
    )


def test_agreement_of_contexts_is_read(tmp_path):
    table().to_csv(tmp_path / FILE)
    found = gwt.read({FILE: tmp_path / FILE})
    assert found["between"].tolist() == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert found["random"].to_numpy() == pytest.approx(-0.01)
    assert found["n_changed"].tolist() == [0, 1, 2] * 2 and found["donors"].isna().sum() == 2


def test_other_tables_are_refused(tmp_path):
    table().drop(columns="random_r2").to_csv(tmp_path / FILE)
    with pytest.raises(DataError, match="no columns random_r2"):
        gwt.read({FILE: tmp_path / FILE})
    table().assign(condition="Rested").to_csv(tmp_path / FILE)
    with pytest.raises(DataError, match="states Rested"):
        gwt.read({FILE: tmp_path / FILE})


def test_the_published_medians_are_found_again():
    if locate(gwt.DATASET.files[0]) is None:
        pytest.skip("the file is not at hand")
    found = gwt.read({FILE: locate(gwt.DATASET.files[0])})
    medians = found.groupby("state")[["between", "random", "donors"]].median()
    assert len(found) == 3 * 1880
    assert medians["between"].between(0.30, 0.32).all()
    assert medians["random"].between(0.003, 0.005).all()
    assert medians["donors"].between(0.47, 0.50).all()
