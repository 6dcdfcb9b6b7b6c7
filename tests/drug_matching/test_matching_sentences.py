"""What the pages on matching say, branch by branch."""

import numpy as np
import pandas as pd
import pytest

from helpers.scores import check
from helpers.tasks.drug_matching import matching_report as report
from helpers.tasks.requirements import CannotAnswer


def means(**models):
    """Rows of `by_universe`: model to mean, low, high, and the role where it is no candidate."""
    rows = [[m, *v[:3], v[3] if len(v) > 3 else "candidate"] for m, v in models.items()]
    return pd.DataFrame(rows, columns=["model", "mean", "low", "high", "role"])


R, S = "reversal, Spearman", "reversal, WTCS"


@pytest.mark.parametrize(
    "one, other, head",
    [
        ((0.52, 0.46, 0.58), (0.5, 0.4, 0.6), "Undecided: the interval of every reversal score h"),
        ((0.52, 0.46, 0.58), (0.4, 0.3, 0.45), "Undecided: the interval of every reversal score b"),
        ((0.62, 0.56, 0.68), (0.5, 0.4, 0.6), "1 of 2 reversal scores rank a disease's drugs bet"),
        ((0.42, 0.36, 0.48), (0.4, 0.3, 0.45), "Every reversal score ranks a disease's drugs wor"),
        ((0.5, np.nan, np.nan), (0.4, np.nan, np.nan), "Too few diseases say whether"),
    ],
)
def test_reversal(one, other, head):
    said = report.about_reversal(means(**{R: one, S: other, "popularity": (0.9, 0.8, 1.0)}))
    assert said.startswith(head)
    assert "the best is reversal (Spearman), AUROC " in said


def gaps(**verdicts):
    rows = {m: [d, d - 0.1, d + 0.1, v] for m, (d, v) in verdicts.items()}
    columns = ["difference", "low", "high", "verdict"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


@pytest.mark.parametrize(
    "one, other, head",
    [
        ((0.2, "better"), (-0.3, "worse"), "reversal (Spearman) passes popularity: the larg"),
        ((0.2, "better"), (0.1, "better"), "reversal (Spearman) and reversal (WTCS) pass pop"),
        ((-0.2, "worse"), (-0.3, "worse"), "Alone, every score that reads transcriptomes is wo"),
        ((-0.1, "undecided"), (-0.3, "worse"), "No score that reads transcriptomes is shown to pa"),
    ],
)
def test_floor(one, other, head):
    said = report.about_floor(gaps(**{R: one, S: other, "random": (0.4, "better")}))
    assert said.startswith(head)
    assert "random" not in said


def test_universe_siblings_and_matched():
    def universes(values):
        return pd.DataFrame(
            {"model": "popularity", "candidates": ["all drugs", "few"], "mean": values}
        )

    assert report.about_universe(universes([0.74, 0.5])) == (
        "Among all drugs popularity has 0.740, among few 0.500, though no score changed."
    )
    apart = pd.Series([0.5, 0.6, 0.5, 0.7, 0.6, 0.5, 0.4, np.nan], index=list("abcdefgh"))
    for gain, head in (
        ([0.1, 0.11] * 4, "Near diseases in training raise the AUROC of bilinear ridge: "),
        ([-0.1, -0.11] * 4, "Near diseases in training lower the AUROC of bilinear ridge: "),
        ([0.1, -0.11] * 4, "It is undecided whether near diseases in training raise the AUROC of"),
        ([0.1] + [np.nan] * 7, "It is undecided whether near diseases in training raise the AUROC"),
    ):
        said = report.about_siblings(apart, apart + np.array(gain), n_resamples=500)
        assert said.startswith(head) and "nan" not in said
        assert "a difference of" in said
    assert "(7 diseases)" in report.about_siblings(apart, apart, n_resamples=9)
    none = report.about_siblings(apart, np.nan * apart, n_resamples=9)
    assert none == "No disease is ranked with its siblings in training and without."


def test_planted_and_skipped():
    found = means(a=(0.9, 0.8, 1.0), b=(0.8, 0.75, 0.85), f=(0.6, 0.5, 0.7, "floor"))
    assert report.about_planted(found).startswith("Every score finds the planted indications")
    assert report.about_planted(found.assign(low=np.nan)).startswith("Not every score is shown to")
    found.loc[1, "low"] = 0.65  # the best floor reaches 0.7
    assert report.about_planted(found).startswith("Not every score is shown to")
    treats = pd.DataFrame({"x": [True, False], "y": [False, False]})
    related = pd.DataFrame({"x": [True, False], "y": [True, False]})
    assert report.about_skipped(treats, related).startswith("1 diseases are scored; 1 are not")
    assert "(1 of these" in report.about_skipped(treats, related)
    assert report.about_skipped(treats[["x"]], related) == "All 1 diseases are scored."


def evaluated(auroc=(0.6, 0.8), pooled=0.9):
    rows = [["all", d, report.PRIMARY, v, np.nan, np.nan] for d, v in zip("ab", auroc, strict=True)]
    rows += [["curated", *row[1:]] for row in rows]
    rows += [["curated", report.ALL_PAIRS, "pooled_auroc", pooled, 0.4, 0.95]]
    columns = ["candidates", "disease", "metric", "value", "low", "high"]
    return pd.DataFrame(rows, columns=columns).assign(n=100, n_treats=5)


def test_matched():
    best = {R: (0.6, 0.55, 0.65), "mean |z|": (0.7, 0.6, 0.8, "floor")}
    said = report.about_matched(means(**best))
    assert said.startswith("reversal (Spearman) stays above chance then")
    assert said.endswith("of the disease: mean |z| 0.700 (95 % interval 0.600 to 0.800). So "
                         "not all that is left is a match.")  # fmt: skip
    head = "Against drugs that treat as many other diseases, "
    assert report.adds(means(**best)) == f"{head}reversal (Spearman) stays above chance."
    both = {R: (0.6, 0.55, 0.65), S: (0.6, 0.55, 0.65)}
    assert "reversal (Spearman) and reversal (WTCS) stay" in report.about_matched(means(**both))
    assert report.adds(means(**both)).endswith("reversal (WTCS) stay above chance.")
    for open_ in ((0.6, 0.45, 0.65), (0.6, np.nan, np.nan)):
        found = means(**{R: open_})
        assert report.adds(found) == f"{head}no match is told from chance."
    assert report.about_matched(found).startswith("Too few diseases")
    said = report.about_matched(means(**{R: (0.6, 0.45, 0.65)}))
    assert said.startswith("No match is told from chance") and "nothing of" not in said


@pytest.mark.parametrize(
    "low, high, said",
    [
        (0.4, 0.95, "none of 2 scores of reversal is told from chance by its own interval; the "
         "best is reversal (Spearman) 0.900 (95 % interval 0.400 to 0.950), mean over diseases "
         "0.700."),
        (np.nan, np.nan, "none of 2 scores"),
        (0.6, 0.95, "1 of 2 scores of reversal is told from chance by its own interval: rev"),
        (0.3, 0.45, "1 of 2 scores of reversal is told from chance"),
    ],
)  # fmt: skip
def test_pooled(low, high, said):
    found = {R: evaluated(pooled=0.9), S: evaluated(pooled=0.5), "popularity": evaluated()}
    own = found[R]
    pooled = own["metric"] == "pooled_auroc"
    own.loc[pooled, ["low", "high"]] = low, high
    assert said in report.about_pooled(found)
    assert "popularity" not in report.about_pooled(found)
    found[S].loc[pooled, ["low", "high"]] = 0.55, 0.6
    if low == 0.6:
        assert "2 of 2 scores of reversal are told from chance, each" in report.about_pooled(found)
    assert report.pooled_table({R: own})["candidates"].tolist() == ["drugs in a curated pair"]


def test_rows_are_scores_and_prevalence_is_said():
    table = report.score_rows(evaluated(), dataset="d", model=R, seed=0)
    check(table)
    assert set(table["unit_kind"]) == {"disease", "pairs"}
    assert report.of_universe(table, "all")["value"].tolist() == [0.6, 0.8]
    parts = [
        report.of_universe(table, "all").assign(metric=m, value=v)
        for m, v in (
            ("retrieval_map", 0.03),
            ("average_precision_1to1", 0.88),
            ("precision_at_10", 0.05),
        )
    ]
    said = report.about_prevalence(pd.concat(parts), R)
    assert "average precision of 0.030 with all candidates and of 0.880" in said
    assert "0.5 of its first 10 drugs" in said


def test_in_short_says_what_there_is():
    planted = means(a=(0.9, 0.8, 1.0), f=(0.6, 0.5, 0.7, "floor"))
    assert report.in_short(planted, None).endswith("No real data set answers in this build.")
    own = means(**{R: (0.52, 0.46, 0.58)})
    said = report.in_short(planted, (own, gaps(**{R: (-0.2, "worse")}), own))
    assert said.startswith("Undecided") and "worse than popularity" in said
    assert said.endswith("no match is told from chance.")


def test_few_diseases_cannot_answer():
    treats = pd.DataFrame(np.eye(60, 5, dtype=bool))
    with pytest.raises(CannotAnswer, match=r"needs 6 diseases that a candidate treats, has 5"):
        report.require(treats)
    report.require(pd.DataFrame(np.eye(60, 6, dtype=bool)))


def test_differences_are_paired_over_diseases():
    rng = np.random.default_rng(0)
    parts = []
    for model, shift in (("popularity", 0.2), (R, 0.0)):
        values = pd.DataFrame({"disease": [f"q{i}" for i in range(12)], "metric": report.PRIMARY})
        values = values.assign(value=0.4 + shift + 0.01 * rng.random(12), n=100)
        parts.append(report.score_rows(values, dataset="d", model=model, seed=0))
    found = report.differences(pd.concat(parts), "popularity", n_resamples=2_000, seed=0)
    assert found.loc[R, "verdict"] == "worse"
    assert found.loc[R, "difference"] == pytest.approx(-0.2, abs=0.01)
