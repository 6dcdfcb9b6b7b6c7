"""Lists of indications, what leaks, explanations, findings: numbers, and sentences by branch."""

import numpy as np
import pandas as pd
import pytest

from helpers.data import registry
from helpers.data.contract import DataError
from helpers.data.drug_matching.lists import joined, plain_name
from helpers.data.drug_matching.matching import linked_groups, matching
from helpers.data.drug_matching.simulator import MatchingKnobs, simulate
from helpers.data.sets import (
    hallmark_gene_sets,
    indications_repodb_everycure,
)
from helpers.metrics.drug_matching.gene_set_enrichment import over_represented
from helpers.models.drug_matching.bilinear import BilinearRidge
from helpers.models.drug_matching.explanations import attributions, interactions
from helpers.models.drug_matching.two_tower import MatchingNetwork
from helpers.scores import check
from helpers.tasks.drug_matching import (
    explained,
    explained_report,
    labels,
    labels_report,
    leakage_report,
    thinned,
)
from helpers.tasks.drug_matching import matching as task

SMALL = {"n_genes": 300, "n_diseases": 30, "n_drugs": 80, "n_programs": 12, "n_contrasts": 2}


@pytest.fixture(scope="module")
def real(data, paths_of):
    table = indications_repodb_everycure.read(paths_of(indications_repodb_everycure))
    return data, table, task.reversal_scores.function(data, scorer="spearman")


def test_lists_have_the_measured_pairs(real):
    """repoDB as measured; Every Cure 300 of the 303 that another join by name counted."""
    data, table, _ = real
    assert (table["list"] == "repoDB").sum() <= 10_800
    found = labels.lists_table.function(table, data)
    assert found.loc["curated", ["pairs", "diseases"]].tolist() == [452, 39]
    assert found.loc["repoDB", ["pairs", "diseases"]].tolist() == [132, 16]
    assert found.loc["Every Cure", "pairs"] == pytest.approx(303, abs=4)
    assert found.loc["Every Cure", "diseases"] == 29
    assert found.loc["curated", "Every Cure"] == 127 and found.loc["curated", "repoDB"] == 64


def test_scores_by_list_are_those_measured(real):
    data, table, reversal = real
    found = labels.by_list.function(reversal, table, data)
    value = found.groupby(["list", "model"])["value"].mean()
    for name, popular, reverse in (
        ("curated", 0.748, 0.489),
        ("repoDB", 0.732, 0.477),
        ("Every Cure", 0.793, 0.502),
    ):
        assert value[name, "popularity"] == pytest.approx(popular, abs=0.02)
        assert value[name, "reversal"] == pytest.approx(reverse, abs=0.003)


def test_approved_against_failed_and_later_pairs_are_those_measured(real):
    data, table, reversal = real
    found = labels.approved_against_failed.function(reversal, table, data, n_resamples=200)
    own = found[(found["failures"] == "all") & (found["model"] == "reversal")].iloc[0]
    assert own["value"] == pytest.approx(0.466, abs=0.002) and own["n_failed"] == 38
    assert own["low"] < 0.5 < own["high"]
    later = labels.later_pairs.function(reversal, table, data, later="Every Cure")
    value = later.groupby("model")["value"].mean()
    assert later.drop_duplicates("disease")["n_new"].sum() == 134
    assert value["reversal"] == pytest.approx(0.525, abs=0.005)
    assert value["popularity"] == pytest.approx(0.687, abs=0.02)
    assert labels.later_pairs.function(reversal, table, data, later="x").empty


def test_names_are_joined_without_signs():
    assert plain_name("Crohn's Disease ") == plain_name("crohns-disease")
    reasons = indications_repodb_everycure.reason_of_stop
    assert reasons("Slow accrual") == reasons("lack of funding") == "money or recruitment"
    assert (reasons("toxicity"), reasons(None), reasons(" ")) == (
        "other",
        "not stated",
        "not stated",
    )
    data = registry.dataset("indications-repodb-everycure")
    assert data.kind == "indications" and data.verified


def test_groups_are_linked_through_others():
    found = linked_groups({"a": {"1"}, "b": {"1", "2"}, "c": {"2"}, "d": set(), "e": {"3"}})
    assert found.to_dict() == {"a": "a", "b": "a", "c": "a", "d": "d", "e": "e"}


def test_a_list_that_loses_its_rare_drugs():
    data = simulate(MatchingKnobs(**SMALL), 0)
    found = thinned.thinned_lists.function(data, shares=[0.0, 0.5], seed=0)
    value = found.groupby(["how", "missing", "model"])["value"].mean()
    for how in ("at random", "rare drugs first"):
        assert value[how, 0.5, "reversal"] > 0.8
    assert value["rare drugs first", 0.5, "popularity"] > value["rare drugs first", 0, "popularity"]
    rows = check(labels_report.thinned_rows(found, seed=0))
    settings = rows[["dataset", "params"]].drop_duplicates()
    assert settings["dataset"].str.contains("whole list").sum() == 1 and len(settings) == 3


# Explanations -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    data = simulate(MatchingKnobs(reversal=0.0, **SMALL), 0)
    ridge = BilinearRidge().fit(
        explained.group_means_of(data["signatures"], data["drug_of"]),
        explained.group_means_of(data["contrasts"], data["disease_of"]),
        data["treats"],
    )
    own = [data[k] for k in ("signatures", "drug_of", "contrasts", "disease_of", "treats")]
    network = MatchingNetwork(n_steps=20, hidden=16, joint=8, batch_size=128).fit(*own)
    return data, ridge, network


def test_attributions_are_complete(fitted):
    data, ridge, network = fitted
    drug, disease = data["signatures"][3], data["contrasts"][4]
    left, right = attributions(ridge, drug, disease)
    score = ridge.predict(drug[None], disease[None]).item()
    assert left.sum() + right.sum() == pytest.approx(score)
    assert interactions(ridge, drug, disease).sum() == pytest.approx(score)
    left, right = attributions(network, drug, disease, n_steps=400)
    zero = network.predict(0 * drug[None], 0 * disease[None]).item()
    score = network.predict(drug[None], disease[None]).item()
    assert left.sum() + right.sum() == pytest.approx(
        score - zero, abs=0.02 * abs(score - zero) + 0.01
    )
    with pytest.raises(TypeError, match="no attributions here"):
        attributions(object(), drug, disease)


def test_planted_genes_by_hand():
    data = {
        "disease_activity": np.array([[1.0, 0.0]]),
        "drug_activity": np.array([[-1.0, 2.0]]),
        "programs": np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0]]),
        "shift": np.array([1, 0]),
    }
    reverse, forward = (explained.planted(data, 0, 0, rho) for rho in (1.0, 0.0))
    # reversal: both move program 0, opposite; else the drug's program 1 answers program 0
    assert [part.nonzero()[0].tolist() for part in reverse[:2]] == [[0], [0]]
    assert [part.nonzero()[0].tolist() for part in forward[:2]] == [[1], [0]]
    assert forward[2][1, 0] and forward[2].sum() == 1


def test_without_reversal_an_overlap_finds_no_planted_pairs(fitted):
    data, *_ = fitted
    found = explained.explained_pairs.function(data, reversal=0.0, seed=0, n_pairs=6, n_steps=10)
    value = found[found["side"] == "interactions"].groupby("explainer")["value"].mean()
    assert value["bilinear ridge"] > value["overlap"] + 0.1
    assert set(found["explainer"]) == set(explained.EXPLAINERS)
    check(explained_report.explained_rows(found, dataset="d", seed=0))


def test_enrichment_is_the_hypergeometric_test():
    from scipy.stats import fisher_exact

    universe = [f"g{i}" for i in range(100)]
    sets = {"hit": universe[:10], "miss": universe[50:60], "small": universe[:3]}
    found = over_represented(universe[:8] + universe[90:], universe, sets)
    assert found.index.tolist() == ["hit", "miss"]
    table = [[8, 2], [10, 80]]
    assert found.loc["hit", "p_value"] == pytest.approx(fisher_exact(table, "greater").pvalue)
    assert found.loc["hit", ["overlap", "size"]].tolist() == [8, 10]
    assert found.loc["hit", "q_value"] == pytest.approx(2 * found.loc["hit", "p_value"])
    for genes, said in (([], "there is no gene"), (["x"], "1 genes are not of the universe")):
        with pytest.raises(ValueError, match=said):
            over_represented(genes, universe, sets)


def test_hallmark_sets_and_bad_files(tmp_path, paths_of):
    found = hallmark_gene_sets.read(paths_of(hallmark_gene_sets))
    assert found["set"].nunique() == 50 and found["gene"].nunique() == 4_384
    path = tmp_path / "a.gmt"
    path.write_text("A\tx\tg1\tg2\nB\tx\n")
    with pytest.raises(DataError, match="line 2 holds no genes"):
        hallmark_gene_sets.read({"a": path})
    path.write_text("A\tx\tg1\nA\tx\tg2\n")
    with pytest.raises(DataError, match="1 sets come twice"):
        hallmark_gene_sets.read({"a": path})


# Sentences --------------------------------------------------------------------------------------


def of_lists(**values):
    rows = [[s, m, v, v - 0.05, v + 0.05] for s, own in values.items() for m, v in own.items()]
    return pd.DataFrame(rows, columns=["split", "model", "mean", "low", "high"])


def test_lists_and_agreement():
    found = of_lists(a={"reversal": 0.5, "popularity": 0.7}, b={"reversal": 0.5, "popularity": 0.8})
    assert labels_report.about_lists(found) == (
        "By each of 2 lists popularity has the highest mean AUROC, and reversal is not told from "
        "chance (a 0.500; b 0.500)."
    )
    few = labels_report.about_lists(found.assign(low=np.nan, high=np.nan))
    assert "reversal is not told from chance" in few and "nan" not in few
    above = found.assign(mean=0.8, low=0.7, high=0.9)
    assert "reversal is above chance (a" in labels_report.about_lists(above)
    other = of_lists(
        a={"reversal": 0.9, "popularity": 0.7},
        b={"reversal": 0.5, "popularity": 0.8},
        c={"reversal": 0.3, "popularity": 0.8},
    )
    assert labels_report.about_lists(other) == (
        "The lists do not all give one answer. The highest mean AUROC has, by list: a: reversal; "
        "b: popularity; c: popularity. Reversal is above chance by a; below chance by c; not told "
        "from chance by b (a 0.900; b 0.500; c 0.300)."
    )
    counts = pd.DataFrame({"pairs": [5, 4], "a": [5, 2], "b": [2, 4]}, index=["a", "b"])
    assert labels_report.about_agreement(counts).startswith("Of their pairs, a (5) and b (4) share")
    assert labels_report.about_agreement(counts.iloc[:1]) == "There is one list only."


@pytest.mark.parametrize(
    "low, high, head",
    [
        (0.4, 0.6, "Undecided whether"),
        (np.nan, np.nan, "Undecided whether"),
        (0.55, 0.6, "Reversal ranks approved pairs above"),
        (0.3, 0.45, "Reversal ranks failed pairs above"),
    ],
)
def test_failed(low, high, head):
    row = {"model": "reversal", "failures": "all", "value": 0.5, "low": low, "high": high}
    found = pd.DataFrame([row | {"n_approved": 10, "n_failed": 3}])
    assert labels_report.about_failed(found).startswith(head)
    assert labels_report.about_failed(found.iloc[:0]) == "No list here says what failed."
    assert labels_report.failed_by_popularity(found) == ""
    assert labels_report.in_short(None, None).startswith("No real data set")


@pytest.mark.parametrize(
    "low, high, said",
    [
        (0.4, 0.6, "Whether popularity tells them apart is undecided: AUROC 0.500 (95 %"),
        (np.nan, np.nan, "Whether popularity tells them apart is undecided: AUROC 0.500 (too"),
        (0.55, 0.6, "Popularity ranks approved pairs above failed ones: AUROC 0.500 (95 %"),
        (0.3, 0.45, "Popularity ranks failed pairs above approved ones: AUROC 0.500 (95 %"),
    ],
)
def test_failed_by_popularity(low, high, said):
    row = {"model": "popularity", "failures": "all", "value": 0.5, "low": low, "high": high}
    assert labels_report.failed_by_popularity(pd.DataFrame([row])).startswith(said)


def test_later_and_thinned():
    def means(popular, reverse):
        rows = [["popularity", popular], ["reversal", reverse]]
        table = pd.DataFrame(rows, columns=["model", "mean"])
        return table.assign(low=table["mean"] - 0.05, high=table["mean"] + 0.05)

    said = labels_report.about_later(means(0.7, 0.5), 12)
    assert said.startswith("An earlier list foretells") and "reversal is not shown to" in said
    said = labels_report.about_later(means(0.5, 0.7), 12)
    assert said.startswith("It is undecided whether") and "reversal does" in said
    assert labels_report.about_later(means(0.5, 0.7).iloc[:0], 0) == "No later list is here."
    rows = [
        ["x", m, s, v]
        for m, own in {"reversal": (0.9, 0.9), "popularity": (0.5, 0.8)}.items()
        for s, v in zip((0.0, 0.5), own, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["how", "model", "missing", "mean"])
    assert labels_report.about_thinned(table) == (
        "From the whole list to one without 50% of it, the mean AUROC goes from 0.90 to 0.90 "
        "(reversal, x) and from 0.50 to 0.80 (popularity, x)."
    )


def test_the_best_of_many_is_worth_less_elsewhere():
    rng = np.random.default_rng(0)
    ways = [(s, n, 0.0) for s in ("wtcs", "cmap") for n in (10, 25, 50)]
    rows = [
        [*way, f"q{i}", v] for way in ways for i, v in enumerate(0.5 + 0.1 * rng.normal(size=9))
    ]
    table = pd.DataFrame(rows, columns=["scorer", "n_genes", "cut", "disease", "value"])
    best, nested = labels_report.optimism(table)
    wide = np.array([r[-1] for r in rows]).reshape(6, 9)
    assert best == pytest.approx(wide.mean(axis=1).max())
    chosen = [np.delete(wide, i, axis=1).sum(axis=1).argmax() for i in range(9)]
    assert nested == pytest.approx(np.mean([wide[c, i] for i, c in enumerate(chosen)]))
    assert nested <= best
    assert labels_report.about_optimism(table).startswith("6 ways to make a query give")
    shown = labels_report.settings(table)
    assert set(shown["scorer"]) == {"WTCS", "CMap 2006"} and (shown["diseases"] == 9).all()
    assert shown["mean AUROC"].iloc[0] == pytest.approx(best)


def test_stops_are_named_by_all_that_is_left_out():
    names = labels_report.plain(pd.Index(["x, failed", "x, failed, not for money"]))
    assert names.tolist() == ["x, failed", "x, failed, not for want of money or patients"]


def of_leak(half=0.05, **values):
    schemes = list(leakage_report.HELD_OUT)
    rows = [[s, m, v] for m, own in values.items() for s, v in zip(schemes, own, strict=True)]
    table = pd.DataFrame(rows, columns=["split", "model", "mean"])
    return table.assign(low=table["mean"] - half, high=table["mean"] + half)


def leak_rows(values, *, spread=0.01, n=8):
    """Score rows of `n` diseases; the schemes differ by `values`, give or take `spread`."""
    shift = spread * np.linspace(-1, 1, n)
    found = pd.DataFrame({"disease": [f"q{i}" for i in range(n)], "n": 60})
    found["metric"] = leakage_report.PRIMARY
    asked = {
        (scheme, "m"): found.assign(value=value + shift * (1 + k))
        for k, (scheme, value) in enumerate(zip(leakage_report.HELD_OUT, values, strict=True))
    }
    return leakage_report.leak_rows(asked, dataset="d", seed=0)


UP, DOWN = (0.8, 0.7, 0.6, 0.7, 0.55, 0.5), (0.8, 0.6, 0.7, 0.55, 0.7, 0.5)


@pytest.mark.parametrize(
    "table, drugs, diseases",
    [
        (leak_rows(UP), "Analogues of a test drug in training raise", "disease in training raise"),
        (leak_rows(DOWN), "Analogues of a test drug in training lower", "in training lower"),
        (leak_rows(UP, spread=1), "It is undecided whether anal", "undecided whether siblings"),
        (leak_rows(UP, n=3), "It is undecided whether anal", "undecided whether siblings"),
    ],
)  # fmt: skip
def test_leak(table, drugs, diseases):
    said = leakage_report.about_leak(table, "m", n_resamples=500)
    assert said.startswith(drugs) and diseases in said and "nan" not in said
    table = table.assign(model="bilinear ridge")
    short = leakage_report.in_short(table, None, n_resamples=500)
    assert short.startswith("Simulated: ") and short.endswith("in this build.")
    assert leakage_report.in_short(table, table, n_resamples=500).startswith(drugs)


def test_a_step_that_no_disease_takes():
    table = leak_rows(UP)
    said = leakage_report.about_leak(table[table["split"] != "analogues"], "m", n_resamples=500)
    assert said.startswith("Analogues of a test drug: no disease is ranked with and without. Sib")


@pytest.mark.parametrize(
    "last, half, side",
    [(0.8, 0.05, "above"), (0.3, 0.05, "below"), (0.5, 0.05, "told"), (0.8, np.nan, "told")],
)
def test_single_pairs_and_both_sides(last, half, side):
    found = of_leak(half, m=(0.7, 0.7, 0.6, 0.7, 0.55, last))
    said = leakage_report.about_ends(found, "m")
    assert said.startswith("With single pairs held out m has 0.700") and "nan" not in said
    assert f"which is {'not told from' if side == 'told' else side} chance." in said
    few = found[found["split"] != "both"]
    assert leakage_report.about_ends(few, "m") == "Not every scheme has a ranking by m."


def test_popularity_by_scheme():
    found = of_leak(popularity=(0.7, 0.4, 0.5, 0.7, 0.6, 0.5))
    assert leakage_report.about_popularity(found) == (
        "Popularity has 0.600 to 0.700 where a test drug has training pairs, and 0.400 to 0.500 "
        "where it has none."
    )
    same = leakage_report.about_popularity(of_leak(popularity=(0.7, 0.5, 0.5, 0.7, 0.7, 0.5)))
    assert same == (
        "Popularity has 0.700 where a test drug has training pairs, and 0.500 where it has none."
    )


def of_explained(ridge, overlap, size=0.3, *, spread=0.01, n=8):
    """Score rows of `n` matches, whose values differ in the ridge by `spread`."""
    values = {"bilinear ridge": ridge, "two-tower network": 0.2, "overlap": overlap,
              "size of change": size, "random": 0.01}  # fmt: skip
    shift = {"bilinear ridge": spread * np.linspace(-1, 1, n)}
    parts = [
        pd.DataFrame({"explainer": m, "side": side, "value": v + shift.get(m, np.zeros(n))})
        for side in explained_report.TITLES
        for m, v in values.items()
    ]
    found = pd.concat(parts).rename_axis("pair").reset_index()
    return explained_report.explained_rows(found.astype({"pair": str}), dataset="w", seed=0)


@pytest.mark.parametrize(
    "table, pairs, genes",
    [
        (of_explained(0.7, 0.1), "bilinear ridge names most planted pairs of genes. The share",
         "ridge with 0.70, better, a"),
        (of_explained(0.4, 0.6), "overlap names most planted pairs of genes. The share",
         "network with 0.20, worse, a difference"),
        (of_explained(0.62, 0.6, 0.61, spread=0.3), "bilinear ridge names most planted pairs of "
         "genes by its mean, and is not told from size of change. The share",
         "bilinear ridge with 0.62, not told apart, a diff"),
        (of_explained(0.7, 0.1, n=3), "bilinear ridge names most planted pairs of genes by its "
         "mean, and is not told from size of change. The share",
         "bilinear ridge with 0.70, not told apart, a difference of 0.400 (too few"),
    ],
)  # fmt: skip
def test_explanations_are_compared_match_by_match(table, pairs, genes):
    said = explained_report.about_interactions(table, "w", n_resamples=500)
    assert said.startswith(f"W: {pairs} of planted ones among the 100 pairs that each puts first:")
    assert said.endswith(", random 0.01.")
    told = explained_report.about_genes(table, n_resamples=500)
    assert genes in told and "nan" not in told
    assert explained_report.in_short(table, n_resamples=500) == f"{said} {told}"
    none = table.iloc[:0]
    assert explained_report.about_interactions(none, "w", n_resamples=9) == (
        "W: no match is explained."
    )
    assert explained_report.about_genes(none, n_resamples=9) == "No match is explained."


def test_explanations():
    signs = pd.DataFrame({"dataset": ["a", "b"], "explainer": "bilinear ridge"})
    for values, head in (
        ((0.9, 0.4), "Of the best genes by bilinear ridge that change on both sides, 90% go"),
        ((0.9, np.nan), "Too few of the best genes"),
    ):
        assert explained_report.about_signs(signs.assign(reversed=values)).startswith(head)
    found = pd.DataFrame({"set": ["HALLMARK_A_B", "C"], "q_drug": [0.01, 0.5], "q_disease": 0.01})
    assert explained_report.about_sets(found, "x", "y").endswith("on both sides: a b.")
    assert explained_report.about_sets(found.iloc[1:], "x", "y").endswith("none on both sides.")
    learned = pd.DataFrame({"q": [3.0, 2, 1], "p": [1.0, 2, 3]}, index=list("abc"))
    treats = pd.DataFrame({"q": [False, True, False], "p": [False, False, True]}, index=list("abc"))
    assert explained_report.best_pair(learned, treats) == ("c", "p")


def test_a_matching_set_is_read_as_arrays(real):
    m = matching(real[0])
    rows = joined(real[1], m)
    assert rows["drug"].isin(m.treats.index).all() and rows["disease"].isin(m.treats.columns).all()
