"""Real drugs and diseases give the published numbers, and those of independent formulas."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from helpers.data.drug_matching.frozen import (
    SCHEMES,
    folds,
    frozen_split,
    group_folds,
    split_hash,
)
from helpers.data.drug_matching.matching import check_matching, matching
from helpers.tasks.drug_matching import leakage_report
from helpers.tasks.drug_matching import matching as task


@pytest.fixture(scope="module")
def found(data):
    def asked(step):
        return task.evaluated.function(step, data, n_resamples=2_000)

    return {
        "z": asked(task.reversal_scores.function(data, scorer="spearman")),
        "effect": asked(task.reversal_scores.function(data, scorer="spearman", estimate="effect")),
        "popularity": asked(task.prior_scores.function(data, prior="popularity")),
        "magnitude": asked(task.prior_scores.function(data, prior="magnitude")),
    }


def test_the_joint_set_has_the_published_counts(data):
    m = matching(data)
    assert data.shape == (1170, 978) and m.contrasts.shape == (49, 978)
    pairs = {label: int(data.obsm[label].to_numpy().sum()) for label in data.obsm}
    assert pairs == {"DM": 452, "SYM": 206, "NOT": 118}
    assert m.related.any(axis=1).sum() == 381 and m.related.any(axis=0).sum() == 46
    assert m.treats.any(axis=1).sum() == 250 and m.treats.any(axis=0).sum() == 39
    assert data.var.loc["10007", "symbol"] == "GNPDA1"
    assert m.disease_names["DOID:10652"] == "Alzheimer's disease"
    assert m.drug_names["DB00014"] == "Goserelin"


@pytest.mark.parametrize(
    "model, candidates, pooled",
    [
        ("z", "curated", 0.536),
        ("effect", "curated", 0.532),
        ("popularity", "curated", 0.587),
        ("popularity", "all", 0.739),
        ("popularity", "treating", 0.467),
    ],
)
def test_pooled_values_are_those_measured(found, model, candidates, pooled):
    own = found[model]
    own = own[(own["candidates"] == candidates) & (own["metric"] == "pooled_auroc")]
    assert own["value"].item() == pytest.approx(pooled, abs=0.001)


def test_intervals_of_reversal_hold_chance(found):
    own = found["z"][found["z"]["metric"] == "pooled_auroc"].set_index("candidates")
    assert own.loc["curated", "low"] == pytest.approx(0.488, abs=0.01)
    assert own.loc["curated", "high"] == pytest.approx(0.588, abs=0.01)
    assert (own["low"] < 0.5).all()


@pytest.mark.parametrize(
    "model, candidates, macro",
    [
        ("z", "curated", 0.490),
        ("z", "all", 0.489),
        ("popularity", "all", 0.748),
        ("magnitude", "all", 0.624),
    ],
)
def test_values_within_a_disease_are_those_measured(found, model, candidates, macro):
    own = found[model][found[model]["candidates"] == candidates]
    own = own[own["metric"] == "within_disease_auroc"]
    assert own["value"].mean() == pytest.approx(macro, abs=0.002)
    assert own["value"].notna().sum() == 39
    assert own["value"].isna().sum() == 7  # curated, but no drug treats them


def test_one_disease_by_hand(data, found):
    m = matching(data)
    disease = "DOID:8893"
    known = m.contrasts.loc[disease].notna()
    values = [
        -spearmanr(row[known], m.contrasts.loc[disease, known])[0]
        for row in m.signatures.to_numpy()
    ]
    expected = roc_auc_score(m.treats[disease], values)
    own = found["z"].query("candidates == 'all' and disease == @disease")
    assert own.set_index("metric")["value"]["within_disease_auroc"] == pytest.approx(expected)


def test_popularity_says_nothing_against_drugs_that_are_as_popular(found):
    own = found["popularity"].query("metric == 'degree_matched_auroc' and candidates == 'all'")
    assert own["value"].dropna().eq(0.5).all()


def test_siblings_in_training_carry_the_linear_model(data):
    """Cancers share their drugs: what one of them taught ranks the next."""
    values = {}
    for scheme in ("siblings", "diseases"):
        scores = task.learned_scores.function(data, scheme=scheme)
        table = task.metrics_of(scores, matching(data).treats)
        values[scheme] = table.loc[table["metric"] == "within_disease_auroc", "value"].mean()
    assert values["diseases"] - values["siblings"] > 0.05


def test_frozen_splits_keep_groups_and_their_hash(data):
    m = matching(data)
    diseases, drugs = group_folds(m.disease_groups), group_folds(m.drug_groups)
    assert split_hash(diseases) == FROZEN["diseases"] and split_hash(drugs) == FROZEN["drugs"]
    for of, groups in ((diseases, m.disease_groups), (drugs, m.drug_groups)):
        assert len(pd.concat([of, groups], axis=1).drop_duplicates()) == groups.nunique()
        assert set(of) == set(range(5))
    crohn, colitis = "DOID:8778", "DOID:8577"
    assert diseases[crohn] == diseases[colitis]
    listed = json.dumps(sorted((d, int(f)) for d, f in diseases.items()), separators=(",", ":"))
    assert hashlib.sha256(listed.encode()).hexdigest() == FROZEN["diseases"]


FROZEN = {
    "diseases": "b8b22ab4343c78aced3d0ed5e0e93943321081e380769dab187c374e5d30d2d0",
    "drugs": "1d7c0969368f36527c9c9c62cc4c16f3ffa58174d41d795c34165328a3b348bc",
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_pair_is_held_out_once_and_never_with_what_is_held_apart(scheme):
    drugs = pd.Series([f"f{i // 3}" for i in range(30)], index=[f"d{i}" for i in range(30)])
    diseases = pd.Series([f"s{i // 2}" for i in range(20)], index=[f"q{i}" for i in range(20)])
    times = np.zeros((30, 20))
    for fold in folds(drugs, diseases, scheme=scheme):
        assert not (fold.train & fold.test).any()
        times += fold.test
        rows, columns = fold.test.any(axis=1), fold.test.any(axis=0)
        if scheme in ("analogues", "both"):
            assert not fold.train[rows].any()
            assert set(drugs[rows]).isdisjoint(drugs[~rows])
        if scheme in ("siblings", "both"):
            assert not fold.train[:, columns].any()
            assert set(diseases[columns]).isdisjoint(diseases[~columns])
    assert (times == 1).all()
    again = [f.test.sum() for f in folds(drugs, diseases, scheme=scheme, salt="1")]
    assert len(again) == (25 if scheme == "both" else 5)


def test_a_split_that_is_none_is_refused():
    from helpers.data.contract import DataError

    groups = pd.Series(["a", "a", "b"], index=["x", "y", "z"])
    with pytest.raises(DataError, match="5 folds of 2 groups"):
        group_folds(groups)
    with pytest.raises(DataError, match="split 'time': choose from pairs, drugs"):
        next(folds(groups, groups, scheme="time"))


def test_what_is_no_matching_set_is_refused(data):
    from helpers.data.contract import DataError

    broken = data[:, :10].copy()
    broken.X[0, 0] = np.nan
    del broken.obsm["DM"]
    del broken.uns["disease_group"]
    with pytest.raises(DataError) as said:
        check_matching(broken)
    assert "NaN or infinite" in str(said.value) and "no table 'DM'" in str(said.value)
    assert "uns['disease_group'] does not name every disease" in str(said.value)
    for error, asked in (
        ("scorer 'best'", lambda: task.reversal_scores.function(data, scorer="best")),
        (
            "no estimate 'x'",
            lambda: task.reversal_scores.function(data, scorer="cosine", estimate="x"),
        ),
        ("prior 'x'", lambda: task.prior_scores.function(data, prior="x")),
        ("universe 'x'", lambda: task.universe(matching(data), "x")),
    ):
        with pytest.raises(DataError, match=error):
            asked()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_frozen_split_can_be_made_again_from_its_file(scheme):
    drugs = pd.Series([f"f{i // 3}" for i in range(9)], index=[f"d{i}" for i in range(9)])
    diseases = pd.Series([f"s{i // 2}" for i in range(6)], index=[f"q{i}" for i in range(6)])
    given = dict(scheme=scheme, n_folds=2)
    told = json.loads(json.dumps(frozen_split(drugs, diseases, **given)))
    first = next(folds(drugs, diseases, **given)).test
    if scheme == "pairs":
        read = pd.DataFrame([list(told["pairs"][d]) for d in drugs.index]) == "0"
        assert told["order"] == list(diseases.index)
        named = {f"{d}|{q}": int(told["pairs"][d][j]) for d in drugs.index
                 for j, q in enumerate(diseases.index)}  # fmt: skip
        assert split_hash(pd.Series(named)) == told["sha256"]["pairs"]
    else:
        of = {side: pd.Series(told[side]) for side in told["sha256"]}
        for side, own in of.items():
            assert split_hash(own) == told["sha256"][side]
        rows = of["drugs"].reindex(drugs.index) == 0 if "drugs" in of else drugs == drugs
        columns = of["diseases"].reindex(diseases.index) == 0 if "diseases" in of else (
            diseases == diseases)  # fmt: skip
        read = np.outer(rows, columns)
    np.testing.assert_array_equal(np.asarray(read), first)
    table = leakage_report.hash_table([told])
    assert table["sha256"].tolist() == list(told["sha256"].values())
