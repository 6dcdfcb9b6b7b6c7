"""The registry's entries, and the real data against published counts and other conversions."""

import subprocess
import sys
import textwrap
from functools import cache

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from helpers.data import registry
from helpers.data.contract import CONTROL, DataError, check, violations
from helpers.data.dataset import File
from helpers.data.fetch import DataUnavailable, locate
from helpers.data.sets import (
    ahlmann_eltze2025_scores,
    kang2018_subset,
    known_relationships,
    ljp005,
    norman2019_subset,
    papalexi2021,
    scperturb_edistances,
)


@cache
def paths_of(name):
    status = registry.status(name)
    return status["paths"] if status["state"] != "absent" else None


def paths_or_skip(name):
    return paths_of(name) or pytest.skip(f"{name} is not on this machine")


def other_conversion(name, size, sha256):
    path = locate(File(name, "", size, sha256))
    return ad.read_h5ad(path) if path else pytest.skip(f"{name} is not on this machine")


@pytest.fixture(scope="module")
def papalexi():
    return papalexi2021.read(paths_or_skip("papalexi2021"))


@pytest.fixture(scope="module")
def norman():
    return norman2019_subset.read(paths_or_skip("norman2019-subset"))


@pytest.fixture(scope="module")
def kang():
    return kang2018_subset.read(paths_or_skip("kang2018-subset"))


@pytest.fixture(scope="module")
def relationships():
    return known_relationships.read(paths_or_skip("known-relationships"))


@pytest.fixture(scope="module")
def scores():
    return ahlmann_eltze2025_scores.read(paths_or_skip("ahlmann-eltze2025-scores"))


# ---------------------------------------------------------------------------- the registry


def test_entries_are_whole():
    assert list(registry.datasets()) == [
        *("kang2018-subset", "norman2019-subset", "papalexi2021"),
        *("nadig2024-hepg2", "nadig2024-jurkat", "replogle2022-rpe1"),
        *("adamson2016-gears", "norman2019-gears"),
        *("replogle2022-k562-gears", "replogle2022-rpe1-gears"),
        *("ljp005", "tcga-brca", "tcga-brca-mixomics", "tcga-kirc", "tcga-pancan"),
        *("her2st", "mob-stutility", "pdac-moncada2020"),
        "known-relationships",
        "ahlmann-eltze2025-scores",
        *("scperturb-edistances", "gene-lengths-spared"),
        *("perturbqa-labels", "gene-sets", "hallmark-gene-sets"),
        *("lincs-overexpression", "norman2019-gi", "interventions-dixit-sachs"),
        *("gwt-cd4-perturbseq", "results-genernib"),
        *("himmelstein-drug-disease", "cmap1-drugvsdisease", "l1000-signaturesearch"),
        *("lincs2020-level5", "replogle2022-znormalised"),
        *("indications-repodb-everycure", "drug-repurposing-hub"),
    ]
    assert sorted(registry.datasets()) == registry.names()
    large = ["replogle2022-rpe1", "nadig2024-hepg2", "nadig2024-jurkat"]
    logs = [n for n in registry.datasets() if n.endswith("-gears")]
    unverified = [*large, *logs, "tcga-pancan", "tcga-brca", "tcga-kirc"]
    unverified += ["lincs2020-level5", "replogle2022-znormalised"]
    assert registry.verified() == [n for n in registry.datasets() if n not in unverified]
    for name, entry in registry.datasets().items():
        assert entry.name == name
        assert entry.doi.startswith("10.")
        assert entry.licence and entry.citation and entry.citation_key.isalnum()
        for file in entry.files:
            assert file.url.startswith("https://") or file.made_from
            if entry.verified and file.url:
                assert file.url.endswith("/" + file.name)
                assert len(file.sha256) == 64 and file.size > 0
        step = registry.load(name)
        assert step.function.__module__.endswith(name.replace("-", "_"))
        assert step.arguments == {}
    assert registry.screens() == ["kang2018-subset", "norman2019-subset", "papalexi2021"]


@pytest.mark.parametrize(
    "text, message",
    [
        ("#1.2\n978\t377\nName\tDescription\n", "GCT version '#1.2'; this reader knows #1.3"),
        ("#1.3\n978\t377\n", "the second line is .'978', '377'.; it holds four numbers"),
        ("", "GCT version ''"),
    ],
)
def test_another_version_of_gct_is_named(tmp_path, text, message):
    path = tmp_path / "test_l1000.gct"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        ljp005.read({"test_l1000.gct": path})


def test_an_unknown_name_gets_the_closest_and_where_all_are():
    with pytest.raises(DataError, match=r"no data set 'papalexi': did you mean 'papalexi2021'\?"):
        registry.dataset("papalexi")
    with pytest.raises(DataError, match="no data set 'qqq': `benchbook data list` shows all"):
        registry.load("qqq")


def test_who_loads_one_data_set_does_not_import_the_others():
    code = """
        import sys
        from helpers.data import registry
        registry.load("tcga-kirc")
        print(*[m for m in sys.modules if m.startswith("helpers.data.sets.")])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["helpers.data.sets.tcga_kirc"]


def test_a_run_reads_what_it_names_and_nothing_else(monkeypatch):
    monkeypatch.setenv("BENCHBOOK_DATASETS", '["tcga-kirc"]')
    assert registry.dataset("tcga-kirc").name == "tcga-kirc"
    with pytest.raises(DataError, match=r"does not name the data set 'papalexi2021'.*requires"):
        registry.load("papalexi2021")
    assert registry.screens() == []
    monkeypatch.setenv("BENCHBOOK_DATASETS", '["papalexi2021", "tcga-kirc"]')
    assert registry.screens() == ["papalexi2021"]


def test_absent_data_is_said(tmp_path, monkeypatch):
    monkeypatch.delenv("BENCHBOOK_DATA", raising=False)
    monkeypatch.setenv("BENCHBOOK_CACHE", str(tmp_path))
    assert registry.status("papalexi2021") == {"state": "absent", "paths": {}, "bytes": 1_358_267}
    with pytest.raises(DataUnavailable, match=r"put lowmoi_example_data.rda \(1.36 MB\) in"):
        registry.verify("papalexi2021")


def test_state_tells_the_cache_from_named_folders(tmp_path, monkeypatch):
    source = paths_or_skip("kang2018-subset")["example_sce.rda"]
    monkeypatch.delenv("BENCHBOOK_DATA", raising=False)
    monkeypatch.setenv("BENCHBOOK_CACHE", str(tmp_path / "cache"))
    copy = tmp_path / "cache" / "example_sce.rda"
    copy.parent.mkdir()
    copy.write_bytes(source.read_bytes())
    assert registry.status("kang2018-subset")["state"] == "cached"
    monkeypatch.setenv("BENCHBOOK_DATA", str(copy.parent))
    monkeypatch.setenv("BENCHBOOK_CACHE", str(tmp_path / "empty"))
    assert registry.status("kang2018-subset")["state"] == "here"


def test_verify_summarises():
    paths_or_skip("kang2018-subset")
    found = registry.verify("kang2018-subset")
    assert found["cells"] == 1556 and found["genes"] == 1267 and found["perturbations"] == 1
    assert found["batches"] == 2 and found["contexts"] == 5 and found["controls"] == 750
    assert "GPL-3" in found["licence"]
    paths_or_skip("known-relationships")
    assert registry.verify("known-relationships")["pairs"] == 143_252


def test_a_step_gives_what_its_reader_read(kang, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBOOK_HOME", str(tmp_path))
    monkeypatch.delenv("BENCHBOOK_SCHEDULER", raising=False)
    stored = registry.load("kang2018-subset").result()
    assert violations(stored) == []
    pd.testing.assert_frame_equal(stored.obs, kang.obs)
    pd.testing.assert_frame_equal(stored.var, kang.var)
    assert (stored.X != kang.X).nnz == 0


# ---------------------------------------------------------------------------- papalexi2021


def test_papalexi_has_the_published_numbers(papalexi):
    check(papalexi, controls_in_every_batch=True)
    assert papalexi.shape == (20_729, 299)
    obs = papalexi.obs
    cells = obs["perturbation"].value_counts()
    assert cells.pop(CONTROL) == 2_386
    assert (len(cells), cells.min(), cells.max()) == (25, 48, 1_341)
    assert "CD274" not in cells
    replicates = {"rep_1": 9_428, "rep_2": 6_001, "rep_3": 5_300}
    assert obs["batch"].value_counts().to_dict() == replicates
    assert obs["replicate"].value_counts().to_dict() == replicates
    guides = obs.groupby("perturbation", observed=True)["guide"].nunique()
    assert guides.pop(CONTROL) == 9
    assert set(guides) == {3, 4}
    assert obs["guide_fraction"].between(0, 1, inclusive="right").all()
    assert papalexi.uns["panel"] is True


def test_papalexi_equals_another_conversion(papalexi):
    other = other_conversion(
        "papalexi.h5ad",
        3_678_450,
        "a7d93e1bda6da5a6edfe4bdbf74f253f58f46779df807b552cd6a403ed7347df",
    )
    assert (papalexi.X != other.X).nnz == 0
    assert list(papalexi.var_names) == list(other.var_names)
    assert list(papalexi.obs_names) == list(other.obs_names)
    assert list(papalexi.obs["guide"]) == list(other.obs["guide"])
    target = other.obs["target"].astype(str).replace("non-targeting", CONTROL)
    assert list(papalexi.obs["perturbation"]) == list(target)
    umi_of_all_guides = papalexi.obs["guide_umi"] / papalexi.obs["guide_fraction"]
    np.testing.assert_allclose(umi_of_all_guides, other.obs["guide_umi"], rtol=1e-6)
    np.testing.assert_allclose(papalexi.obs["guide_fraction"], other.obs["guide_frac"], rtol=1e-6)


def test_papalexi_knock_outs_lower_their_own_gene(papalexi):
    """Means of log1p(CP10k of the 299 genes), as measured apart from this reader."""
    counts = pd.DataFrame(papalexi.X.toarray(), columns=papalexi.var_names, dtype=float)
    lognorm = np.log1p(counts.div(counts.sum(axis=1), axis=0) * 1e4)
    means = lognorm.groupby(papalexi.obs["perturbation"].to_numpy(), observed=True).mean()
    for gene, control, knocked_out in (("STAT1", 6.26, 2.92), ("JAK2", 4.14, 1.49)):
        assert means.loc[CONTROL, gene] == pytest.approx(control, abs=0.005)
        assert means.loc[gene, gene] == pytest.approx(knocked_out, abs=0.005)


def test_tied_guides_are_refused():
    class Guides:
        names = np.array(["A1", "B1"])
        counts = sparse.csc_matrix([[3, 2, 0], [1, 2, 5]])

    with pytest.raises(DataError, match="in 1 cells two guides share the maximum"):
        papalexi2021._most_frequent_guide(Guides)
    Guides.counts = Guides.counts[:, [0, 2]]
    guide, umi, fraction = papalexi2021._most_frequent_guide(Guides)
    assert list(guide) == ["A1", "B1"]
    assert list(umi) == [3, 5]
    assert list(fraction) == [0.75, 1]


# ---------------------------------------------------------------------------- norman2019-subset


def test_norman_has_the_published_numbers(norman):
    check(norman, controls_in_every_batch=True)
    assert norman.shape == (5_961, 500)
    obs = norman.obs
    assert obs["context"].value_counts()["K562"] == 3_375
    controls = obs.loc[obs["perturbation"] == CONTROL, "context"]
    assert controls.value_counts().to_dict() == dict.fromkeys(
        ("K562", "A172", "T98G", "U87MG"), 100
    )
    named = {
        line: set(names) - {CONTROL}
        for line, names in obs.groupby("context", observed=True)["perturbation"]
    }
    assert sum("+" not in name for name in named["K562"]) == 18
    assert sum("+" in name for name in named["K562"]) == 15
    assert named["A172"] == named["T98G"] == named["U87MG"] < named["K562"]
    assert len(named["A172"]) == 9
    kinds = obs.groupby("context", observed=True)["perturbation_type"].unique()
    assert {line: list(kind) for line, kind in kinds.items()} == {
        "K562": ["CRISPRa"],
        "A172": ["CRISPRi"],
        "T98G": ["CRISPRi"],
        "U87MG": ["CRISPRi"],
    }
    assert set(obs["batch"]) == {f"K562-{i}" for i in range(1, 9)} | {"A172", "T98G", "U87MG"}


def test_norman_counts_equal_another_recovery(norman):
    other = other_conversion(
        "devel_counts.h5ad",
        1_352_506,
        "1f1c3ad0d35a638bcfed242eddbfaa1927c3e62d2bdb84295b4378cec5b75f6f",
    )
    assert (norman.X != other.X).nnz == 0
    np.testing.assert_array_equal(norman.obs["total_counts"], other.obs["ncounts"])


def test_norman_counts_give_the_published_values_again(norman):
    published = ad.read_h5ad(paths_of("norman2019-subset")["devel.h5ad"]).X
    per_10k = sparse.diags(1e4 / norman.obs["shared_counts"].to_numpy()) @ norman.X.astype(float)
    assert abs(per_10k.log1p() - published).max() < 1e-9
    assert (norman.obs["shared_counts"] < norman.obs["total_counts"]).all()


def test_counts_come_back_from_their_logarithms():
    rng = np.random.default_rng(0)
    counts = rng.poisson(1.0, (200, 40))
    counts[:, 0] += 1
    counts[5] = 0
    counts[5, :3] = 2, 3, 7  # no gene with a single copy
    rest = rng.integers(0, counts.sum(axis=1))  # less than the genes kept: totals are unique
    total = counts.sum(axis=1) + rest
    lognorm = sparse.csr_matrix(np.log1p(counts * 1e4 / total[:, None]))
    found, found_total = norman2019_subset.recover_counts(lognorm, total * 1.5)
    np.testing.assert_array_equal(found.toarray(), counts)
    np.testing.assert_array_equal(found_total, total)
    with pytest.raises(DataError, match="are not log1p of counts"):
        norman2019_subset.recover_counts(lognorm, total - 1)
    broken = lognorm.copy()
    broken.data[3] *= 1.01
    with pytest.raises(DataError, match=r"1 of 200 cells \(the first: row 0\)"):
        norman2019_subset.recover_counts(broken, total)


# ---------------------------------------------------------------------------- kang2018-subset


def test_kang_has_the_published_numbers(kang):
    check(kang, controls_in_every_batch=True)
    assert kang.shape == (1_556, 1_267)
    assert kang.obs["context"].value_counts().to_dict() == {
        "CD14+ Monocytes": 400,
        "CD4 T cells": 400,
        "B cells": 298,
        "FCGR3A+ Monocytes": 249,
        "CD8 T cells": 209,
    }
    samples = kang.obs.groupby(["perturbation", "donor"], observed=True).size()
    assert samples.to_dict() == {
        (CONTROL, "101"): 454,
        (CONTROL, "107"): 296,
        ("IFN-beta", "101"): 500,
        ("IFN-beta", "107"): 306,
    }
    assert kang.var["ensembl_id"].str.fullmatch(r"ENSG\d{11}").all()


def test_kang_equals_another_conversion(kang):
    other = other_conversion(
        "kang_muscat.h5ad",
        1_444_890,
        "ffa859d357ff61c1fe650bad627eed28334b9ae29ff201fa61e19cebd6000f05",
    )
    assert (kang.X != other.X).nnz == 0
    assert list(kang.var["ensembl_id"]) == list(other.var["ENSEMBL"])
    assert list(kang.obs["context"]) == list(other.obs["cluster_id"])
    assert list(kang.obs_names) == list(other.obs_names)


def test_interferon_raises_interferon_genes(kang):
    means = pd.DataFrame(kang[:, ["ISG15", "IFI6"]].X.toarray()).groupby(
        kang.obs["perturbation"].to_numpy(), observed=True
    )
    assert (means.mean().loc["IFN-beta"] > 5 * means.mean().loc[CONTROL]).all()


# ---------------------------------------------------------------------------- tables


def test_relationships_have_the_published_counts(relationships):
    assert relationships["database"].value_counts().to_dict() == {
        "CORUM": 37_649,
        "HuMAP": 58_538,
        "Reactome": 18_565,
        "SIGNOR": 11_617,
        "StringDB": 58_059,
    }
    assert (relationships["gene_a"] < relationships["gene_b"]).all()
    shared = relationships.groupby(["gene_a", "gene_b"]).size()
    assert len(shared) == 143_252
    assert (shared == 5).sum() == 54


def test_relationships_refuse_other_files(tmp_path):
    path = tmp_path / "X.txt"
    path.write_text("a,b\nA,B\n")
    with pytest.raises(DataError, match="expected entity1, entity2"):
        known_relationships.read({"X.txt": path})
    path.write_text("entity1,entity2\nA,A\n")
    with pytest.raises(DataError, match="a gene with itself"):
        known_relationships.read({"X.txt": path})
    path.write_text("entity1,entity2\nNA,B\nB,NA\n")
    assert known_relationships.read({"X.txt": path}).to_numpy().tolist() == [["X", "B", "NA"]]


def test_scores_have_the_published_means(scores):
    """Mean L2 over held-out perturbations of part test."""
    l2 = scores[(scores["metric"] == "l2") & (scores["part"] == "test")]
    means = l2.groupby(["setting", "dataset", "model"])["value"].mean()
    doubles = {
        "additive_model": 2.795,
        "geneformer": 3.487,
        "gears": 4.114,
        "scgpt": 4.726,
        "scfoundation": 4.806,
        "no_change": 5.828,
        "cpa": 12.447,
    }
    for model, expected in doubles.items():
        found = means["double", "norman_from_scfoundation", model]
        assert found == pytest.approx(expected, abs=5e-4)
    singles = {
        "adamson": (4.081, 4.286, 3.959, 5.053),
        "replogle_k562_essential": (4.119, 3.997, 3.992, 4.335),
        "replogle_rpe1_essential": (5.610, 5.470, 6.127, 6.052),
    }
    for dataset, expected in singles.items():
        found = means["single", dataset][["mean", "lpm_selftrained", "gears", "scgpt"]]
        np.testing.assert_allclose(found, expected, atol=5e-4)


def test_scores_are_one_row_each(scores):
    key = ["setting", "dataset", "seed", "model", "perturbation", "metric"]
    assert not scores.duplicated(key).any()
    assert len(scores) == 3 * (2_790 + 5_061)
    undefined = scores[scores["value"].isna()]
    assert set(undefined["model"]) == {"no_change"}
    assert set(undefined["metric"]) == {"pearson_delta"}
    assert scores["perturbation"].str.fullmatch(r"[^+]+(\+[^+]+)?").all()
    correlations = scores[scores["metric"] != "l2"].dropna()
    assert correlations["value"].between(-1, 1).all()
    assert (correlations["value"] < 0).any()  # Pearson's r, not its square


def test_scores_refuse_other_sheets(tmp_path):
    for name in ("perturbation_prediction.xlsx", "single_perturbation_prediction.xlsx"):
        pd.DataFrame({"seed": [1]}).to_excel(tmp_path / name, sheet_name="Panel A", index=False)
    paths = {path.name: path for path in tmp_path.iterdir()}
    with pytest.raises(DataError, match="no column dataset_name, method"):
        ahlmann_eltze2025_scores.read(paths)


# ---------------------------------------------------------------------------- scperturb-edistances


def test_published_distances_are_whole_matrices():
    table = scperturb_edistances.read(paths_or_skip("scperturb-edistances"))
    n_pairs = table.groupby("screen").size()
    n_rows = {"papalexi2021": 84, "norman2019": 237, "frangieh2021": 240, "tian2021-CRISPRi": 184}
    assert n_pairs.to_dict() == {name: n * (n - 1) // 2 for name, n in n_rows.items()}
    assert table["edistance"].notna().all()
    guides = scperturb_edistances.to_control(table, "papalexi2021")
    assert len(guides) == 83
    assert guides["STAT1g2"] == pytest.approx(6.256405, abs=1e-6)
    norman = scperturb_edistances.to_control(table, "norman2019")
    assert norman["CEBPA+JUN"] == pytest.approx(11.879510, abs=1e-6)
    assert "control" not in norman


def test_a_matrix_that_is_none_is_refused(tmp_path):
    names = [file.name for file in scperturb_edistances.DATASET.files]
    (tmp_path / "a.csv").write_text(",control,A\ncontrol,0,1\nA,2,0\n")
    (tmp_path / "b.csv").write_text(",B,A\nB,0,1\nA,1,0\n")
    for bad, said in (("a.csv", "not square and symmetric"), ("b.csv", "no row 'control'")):
        with pytest.raises(DataError, match=said):
            scperturb_edistances.read(dict.fromkeys(names, tmp_path / bad))
