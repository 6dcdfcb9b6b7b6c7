"""NCS, tau and scores of compounds, worked by hand; and the reader of a hundred signatures."""

import h5py
import numpy as np
import pandas as pd
import pytest

from helpers.data.contract import DataError
from helpers.data.drug_matching.simulator import MatchingKnobs, simulate
from helpers.data.sets import l1000_signaturesearch as signatures
from helpers.tasks.drug_matching import normalised, normalised_report


def test_ncs_and_tau_of_four_signatures_by_hand(monkeypatch):
    """WTCS is given; lines a (two signatures) and b (two)."""
    wtcs = np.array(
        [[1.0, 0.5, -0.2, 0.4], [0.5, 1, 0.3, 0], [-0.2, 0.3, 1, 0.8], [0.4, 0, 0.8, 1]]
    )
    monkeypatch.setattr(normalised, "scores_of", lambda z, scorer, n_query: wtcs)
    found = normalised.connectivity_kinds(np.eye(4), np.array(list("aabb")), n_query=2)
    # query 0, line a: both positive, mean .75; line b: one of each sign, each its own mean
    np.testing.assert_allclose(found["NCS"][0], [1 / 0.75, 0.5 / 0.75, -1, 1])
    # query 1: line a as before; line b: .3 alone, and 0, which stays 0
    np.testing.assert_allclose(found["NCS"][1], [0.5 / 0.75, 1 / 0.75, 1, 0])
    np.testing.assert_allclose(found["NCS"][2], [-1, 1, 1 / 0.9, 0.8 / 0.9])
    np.testing.assert_allclose(found["NCS"][3], [1, 0, 0.8 / 0.9, 1 / 0.9])
    # signature 0: |NCS| of the queries 1.333, .667, 1, 1: query 0 is above all three others
    np.testing.assert_allclose(found["tau"][:, 0], [100, 0, -100 / 3, 100 / 3])
    # signature 2: 1 (minus), 1, 1.111, .889
    np.testing.assert_allclose(found["tau"][:, 2], [-100 / 3, 100 / 3, 100, 0])


def test_one_score_of_a_compounds_signatures_by_hand():
    """Quantiles of -0.9, 0.1, 0.2 (linear): 67th 0.134, 33rd -0.24."""
    scores = np.array([[-0.9, 0.1, 0.2, 0.5]])
    found = normalised.of_compounds(scores, np.array(["x", "x", "x", "a"]))
    assert found["mean"][1].tolist() == ["a", "x"]
    np.testing.assert_allclose(found["mean"][0], [[0.5, -0.2]])
    # 0.33 * 2 = 0.66 of the way from -0.9 to 0.1
    np.testing.assert_allclose(found["max-quantile"][0], [[0.5, -0.9 + 0.66]])


@pytest.fixture(scope="module")
def families():
    knobs = {"n_genes": 300, "n_diseases": 10, "n_drugs": 12, "n_programs": 12, "family": 3}
    return simulate(MatchingKnobs(**knobs), 0)


def test_compounds_of_a_family_are_found(families):
    found = normalised.simulated_compounds.function(families)
    assert len(found) == 12 * 4 * len(normalised.KINDS) * len(normalised.RULES)
    assert (found["n"] == 11).all()  # the query's own compound is no candidate
    means = found.groupby(["kind", "rule"])["value"].mean()
    assert (means > 0.7).all()


def test_in_one_line_ncs_ranks_one_signature_a_compound_as_wtcs(families):
    own = families["signatures"][::4]
    names = [f"c{i}" for i in range(len(own))]
    table = pd.DataFrame(own, index=pd.Index(names, name="compound"))
    terms = pd.DataFrame(
        {"compound": names, "kind": "mechanism", "term": families["family"].astype(str)}
    )
    found = normalised.listed_compounds.function(table, terms, n_query=20)
    mean = found[found["rule"] == "mean"].set_index("kind")
    assert mean.loc["WTCS", "value"].tolist() == mean.loc["NCS", "value"].tolist()
    rows = normalised_report.compound_rows(found, dataset="x", seed=0, rules=("mean",))
    gaps = normalised_report.gaps(rows, n_resamples=200)
    assert normalised_report.about_gaps(gaps).startswith("NCS ranks exactly as WTCS does. Compared")


def test_gaps_in_words():
    about = normalised_report.about_gaps
    gap = pd.DataFrame([["tau, mean", 0.1, 0.05, 0.15]], columns=["model", "mean", "low", "high"])
    gap = gap.assign(other="WTCS, mean")
    assert about(gap) == (
        "Compared with WTCS (mean), tau (mean) is better, a difference of 0.100 (95 % interval "
        "0.050 to 0.150)."
    )
    assert "tau (mean) is worse" in about(gap.assign(mean=-0.1, low=-0.15, high=-0.05))
    assert "is not told apart" in about(gap.assign(low=-0.01))
    few = about(gap.assign(low=np.nan, high=np.nan))
    assert "is not told apart" in few and "nan" not in few
    small = gap.assign(mean=0.0, low=-0.0004, high=0.0001)
    assert about(small).endswith("is not told apart, a difference below 0.001.")
    same = gap.assign(mean=0.0, low=0.0, high=0.0)
    assert about(same) == "tau (mean) ranks exactly as WTCS (mean) does."
    assert about(pd.concat([same, same])).startswith("tau (mean) and tau (mean) rank exactly")
    assert about(gap.iloc[:0]).startswith("No compound")


def test_references_and_queries_in_words():
    about = normalised_report.about_references
    said = about({"here": 99, "there": 600})
    assert said.startswith("tau has 99 reference queries here and 600 reference queries there; ")
    assert said.endswith("is coarse with fewer.")
    assert about({"here": 500}) == "tau has 500 reference queries here."
    table = pd.DataFrame({"cluster": ["a", "b", "b"]})
    assert normalised_report.about_queries(table, 9).startswith("2 of 9 compounds are queries; no")
    assert normalised_report.about_queries(table, 2) == "All 2 compounds are queries."


# The reader -------------------------------------------------------------------------------------


def test_the_hundred_signatures(paths_of):
    paths = paths_of(signatures)
    found = signatures.read(paths)
    assert found.shape == (100, 5000) and found.columns[0] == "23645"
    np.testing.assert_allclose(found.loc["vorinostat", "23645"], -0.89)
    terms = signatures.read_mechanisms(paths)
    assert terms["term"].nunique() == 701
    assert found.index.isin(terms["compound"]).sum() == 80


def write(path, names=("a__SKB__trt_cp", "b__SKB__trt_cp"), genes=("1", "2", "3"), bad=False):
    values = np.arange(6.0).reshape(2, 3)
    values[0, 0] = np.nan if bad else 0
    with h5py.File(path, "w") as file:
        file["assay"] = values
        file["colnames"] = np.array([names], dtype="S")
        file["rownames"] = np.array([genes], dtype="S")
    return {"sample_db.h5": path}


@pytest.mark.parametrize(
    "change, said",
    [
        ({"names": ("a__SKB__trt_cp",)}, "for 1 signatures and 3 genes"),
        ({"names": ("a__SKB__trt_cp", "b_SKB")}, "is called 'b_SKB'"),
        ({"names": ("a__SKB__trt_cp", "b__PC3__trt_cp")}, "cell lines PC3, SKB"),
        ({"names": ("a__SKB__trt_cp",) * 2}, "the compound 'a' comes twice"),
        ({"genes": ("1", "2", "1")}, "the gene '1' comes twice"),
        ({"bad": True}, "1 values are no numbers"),
    ],
)
def test_signatures_that_do_not_fit_are_refused(tmp_path, change, said):
    with pytest.raises(DataError, match=said):
        signatures.read(write(tmp_path / "a.h5", **change))


def test_other_files_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(DataError, match="no assay, colnames, rownames"):
        signatures.read({"sample_db.h5": tmp_path / "a.h5"})
    (tmp_path / "c.h5").write_bytes(b"no HDF5")
    with pytest.raises(DataError, match="is no HDF5 file"):
        signatures.read({"sample_db.h5": tmp_path / "c.h5"})
    (tmp_path / "b.csv").write_text("x,y\n1,2\n")
    with pytest.raises(DataError, match="no columns moa, drug"):
        signatures.read_mechanisms({"clue_moa.csv": tmp_path / "b.csv"})
