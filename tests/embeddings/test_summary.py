"""Standings between floor and ceiling, and who is best under which setting."""

import numpy as np
import pandas as pd
import pytest

from helpers.scores import check, params
from helpers.tasks.embeddings import winners_report
from helpers.tasks.embeddings.questions import QUESTIONS, anchors, primary_scores
from helpers.tasks.embeddings.summary import on_real_data, standings
from helpers.tasks.embeddings.winners import same_winner, winners
from helpers.tasks.requirements import CannotAnswer

CONSISTENCY = next(q for q in QUESTIONS if q.task == "consistency")
MIXING = next(q for q in QUESTIONS if q.task == "batch-mixing")
MEANS = {
    "planted truth": ("ceiling", 0.5),
    "good": ("candidate", 0.4),
    "as good": ("candidate", 0.4),
    "poor": ("candidate", 0.2),
    "permuted labels": ("floor", 0.1),
    "Gaussian noise": ("floor", 0.0),
}


def table(means=MEANS, *, n_units=60, noise=0.03, seed=0, **columns):
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal(n_units) * 0.05
    rows = []
    for model, (role, mean) in means.items():
        values = mean + shared + noise * rng.standard_normal(n_units)
        values += mean - values.mean()
        rows += [
            {
                "task": "consistency", "dataset": "simulated", "split": "all",
                "protocol": "revised", "model": model, "params": params({"n_dims": 64}),
                "post": "center_scaled", "metric": "perturbation_consistency", "role": role,
                "unit_kind": "perturbation", "unit": f"g{i}", "cluster": f"g{i}", "seed": 0,
                "n": 10, "value": value, **columns,
            }
            for i, value in enumerate(values)
        ]  # fmt: skip
    return check(pd.DataFrame(rows))


def test_a_model_stands_where_its_mean_lies_on_the_scale():
    found = standings(table(), CONSISTENCY, rng=np.random.default_rng(0)).set_index("model")
    assert found["standing"]["planted truth"] == pytest.approx(1)
    assert found["standing"]["permuted labels"] == pytest.approx(0)
    assert found["standing"]["poor"] == pytest.approx(0.25)
    assert found["standing"]["Gaussian noise"] == pytest.approx(-0.25)
    inside = found["standing_low"] < found["standing"]
    assert inside.all()
    assert (found["standing"] < found["standing_high"]).all()
    assert found["group"]["good"] == found["group"]["as good"] != found["group"]["poor"]
    assert found["group"][["planted truth", "permuted labels"]].isna().all()


def test_batch_mixing_is_anchored_at_ratios_and_not_at_models():
    mixing = table({"PCA": ("candidate", 0.7), "permuted labels": ("floor", 1.0)}).assign(
        task="batch-mixing", metric="ilisi_ratio"
    )
    assert anchors(mixing, MIXING) == (0.0, 1.0)
    found = standings(mixing, MIXING, rng=np.random.default_rng(0)).set_index("model")
    assert found["standing"]["PCA"] == pytest.approx(0.7)


def test_few_clusters_get_no_letters():
    few = standings(table(n_units=4), CONSISTENCY, rng=np.random.default_rng(0))
    assert few["group"].isna().all()
    assert few["standing"].notna().all()


def test_winners_by_setting_read_params_and_columns():
    turned = MEANS | {"good": ("candidate", 0.2), "poor": ("candidate", 0.4)}
    both = pd.concat(
        [table(params=params({"n_dims": 64})), table(turned, params=params({"n_dims": 32}))]
    )
    found = winners(
        both, CONSISTENCY, settings=["n_dims", "post"], rng=np.random.default_rng(0)
    ).set_index("n_dims")
    assert found["n_models"].tolist() == [3, 3]
    pair = {found["best"]["64"], *found["tied"]["64"].split("; ")}
    assert pair == {"good", "as good"} and found["undecided"]["64"] == ""
    assert {found["best"]["32"], *found["tied"]["32"].split("; ")} == {"poor", "as good"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t[t["model"] != "planted truth"], "was not scored"),
        (lambda t: t[t["role"] != "floor"], "none of"),
        (lambda t: t.assign(value=0.3), "span no scale"),
    ],
)
def test_a_scale_without_ends_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        anchors(change(table()), CONSISTENCY)


def test_what_is_not_there_is_named():
    assert len(primary_scores(table(), CONSISTENCY, dataset="simulated")) == 360
    with pytest.raises(ValueError, match=r"dataset = 'papalexi2021' \(there: simulated\)"):
        primary_scores(table(), CONSISTENCY, dataset="papalexi2021")


def of_all_tasks(**columns):
    """One score table a task, in its declared data set and post-processing."""
    found = {}
    for question in QUESTIONS:
        chosen = {**question.chosen, **columns, "task": question.task, "metric": question.metric}
        given = params({k: v for k, v in chosen.items() if k == "probe"} | {"n_dims": 64})
        chosen.pop("probe", None)
        found[question.task] = table(n_units=20, params=given, **chosen)
    return found


def test_same_winner_varies_one_choice_at_a_time():
    tables = of_all_tasks()
    other = {**MEANS, "good": ("candidate", 0.2), "poor": ("candidate", 0.45)}
    raw = table(other, n_units=20, post="raw")
    tables["consistency"] = pd.concat([tables["consistency"], raw])
    probed = tables["linear-separability"]
    tables["linear-separability"] = pd.concat(
        [probed.assign(params=params({"probe": p})) for p in ("linear", "ridge")]
    )
    sizes = {
        "PCA of log counts": ("candidate", 0.4, 64), "scVI": ("candidate", 0.3, 64),
        "PCA, dimensions: 32": ("candidate", 0.2, 32),
        "scVI, dimensions: 32": ("candidate", 0.3, 32),
        "PCA, genes: 100": ("candidate", 0.45, 64), "permuted labels": ("floor", 0.0, 64),
        "planted truth": ("ceiling", 0.5, 64),
    }  # fmt: skip
    ablations = pd.concat(
        table({m: (role, mean)}, n_units=20, params=params({"n_dims": n}))
        for m, (role, mean, n) in sizes.items()
    )
    found = same_winner(tables, ablations, rng=np.random.default_rng(0))
    best = found.set_index(["task", "choice", "chosen"])["best"]
    assert best["consistency", "post-processing", "raw"] == "poor"
    assert best["consistency", "post-processing", "center_scaled"] in ("good", "as good")
    assert best["consistency", "dimensions", "64"] == "PCA"
    assert best["consistency", "dimensions", "32"] == "scVI"
    leader = found.set_index(["task", "choice", "chosen"])["leader"]
    assert leader["consistency", "post-processing", "center_scaled"] == "leads"
    assert leader["consistency", "post-processing", "raw"] in ("tied", "undecided", "behind")
    assert leader["consistency", "dimensions", "32"] == "behind"
    first = found[found["declared"]].groupby(["task", "choice"]).size()
    assert (first == 1).all()
    probes = found[found["task"] == "linear separability"]
    assert probes["chosen"].tolist() == ["linear", "ridge"]
    assert found[found["choice"] == "dimensions"]["chosen"].tolist() == ["64", "32"]
    assert len(found) == 6


def test_real_data_have_a_floor_and_no_ceiling():
    tables = of_all_tasks()
    real = table({m: v for m, v in MEANS.items() if m != "planted truth"}, dataset="papalexi2021")
    tables["consistency"] = pd.concat([tables["consistency"], real])
    found = on_real_data(tables, rng=np.random.default_rng(0)).set_index("model")
    assert set(found["dataset"]) == {"papalexi2021"}
    assert (
        found.index.tolist() == ["good", "as good", "poor"] or found["mean"].is_monotonic_decreasing
    )
    assert found["floor"].tolist() == pytest.approx([0.1] * 3)
    assert found["group"]["good"] == found["group"]["as good"] != found["group"]["poor"]
    assert set(found["panel"]) == {found["task"].iloc[0] + "\npapalexi2021"}


def test_two_splits_of_one_real_screen_have_a_panel_each():
    tables = of_all_tasks()
    with pytest.raises(CannotAnswer, match="no task has scores of a real screen"):
        on_real_data(tables, rng=np.random.default_rng(0))
    real = table({"good": ("candidate", 0.6), "permuted labels": ("floor", 0.1)}, dataset="mine")
    both = [real.assign(split=split) for split in ("guides", "batches")]
    tables["consistency"] = pd.concat([tables["consistency"], *both])
    nothing = real.assign(dataset="other", value=np.nan)  # what nobody could score has no panel
    tables["consistency"] = pd.concat([tables["consistency"], nothing])
    found = on_real_data(tables, rng=np.random.default_rng(0))
    assert sorted(p.split("\n")[1] for p in found["panel"]) == ["mine, batches", "mine, guides"]


def test_other_metrics_and_what_is_read_back_are_choices_too():
    tables = of_all_tasks()
    turned = {m: (r, 1 - v) for m, (r, v) in MEANS.items()}  # lower is better
    other = {**turned, "good": ("candidate", 0.9), "poor": ("candidate", 0.55)}
    by_p = table(other, n_units=20, metric="consistency_p_value")
    tables["consistency"] = pd.concat([tables["consistency"], by_p])
    back = tables["reconstruction"]
    tables["reconstruction"] = pd.concat([back, back.assign(dataset="simulated")])
    nothing = pd.DataFrame(columns=by_p.columns)
    found = same_winner(tables, nothing, rng=np.random.default_rng(0))
    leader = found.set_index(["task", "choice", "chosen"])["leader"]
    assert leader["consistency", "metric", "perturbation_consistency"] == "leads"
    best = found.set_index(["task", "choice", "chosen"])["best"]
    assert best["consistency", "metric", "consistency_p_value"] == "poor"
    assert leader["reconstruction", "read-out", "simulated"] == "leads"
    assert len(found) == 4


def changed(*fates, declared="leads"):
    rows = [("mixing", "metric", "a", True, "PCA", "", "", 2, declared)]
    rows += [
        ("mixing", "metric", f"b{i}", False, "scVI", "", "", 2, f) for i, f in enumerate(fates)
    ]
    columns = ["task", "choice", "chosen", "declared", "best", "tied", "undecided", "n_models"]
    return pd.DataFrame(rows, columns=[*columns, "leader"])


@pytest.mark.parametrize(
    ("fates", "said", "unsaid"),
    [
        (["behind", "undecided"], "falls behind (mixing by metric)", "it is open"),
        (["tied", "leads"], "move names, not conclusions", "behind ("),
        (
            ["tied", "undecided"],
            "it is open whether it falls behind (mixing by metric)",
            "not conc",
        ),
        (["not compared"], "it is open", "not conclusions"),
    ],
)
def test_a_choice_moves_a_conclusion_or_a_name_or_nobody_knows(fates, said, unsaid):
    sentence = winners_report.what_choices_move(changed(*fates))
    assert said in sentence and unsaid not in sentence
    assert "In 1 of 1 pairs of task and choice the name at the top changes." in sentence


def test_what_becomes_of_a_leader_is_counted_by_choice():
    found = winners_report.by_choice(changed("tied", "behind", "tied"))
    (row,) = found.to_dict("records")
    assert row["leader"] and "2 tied, 1 behind" in row.values()
    other = changed("leads").assign(task="t", choice="c")
    found = winners_report.by_choice(pd.concat([changed("tied"), other], ignore_index=True))
    assert found["c"].tolist() == ["", "1 leads"]
    assert winners_report.by_choice(changed().iloc[:0]).empty


def test_nothing_varied_is_said():
    empty = changed().iloc[:0]
    assert winners_report.what_choices_move(empty) == "No chapter varied a choice."


def test_undecided_is_counted_apart_from_tied():
    table = changed("tied").assign(tied=["c; d", "not compared"], undecided=["e", "not compared"])
    found = winners_report.shown(table, {"a": "A"})
    assert found["tied with it"].tolist() == ["2 of 1", "not compared"]
    assert found["undecided"].tolist() == ["1 of 1", "not compared"]
    assert found["chosen"].tolist() == ["A (declared)", "b0"]


def standing(*rows):
    columns = ["task", "model", "role", "standing", "group"]
    return pd.DataFrame(rows, columns=columns)


def test_leaders_and_who_is_not_told_from_them():
    found = winners_report.leaders(
        standing(
            ("a", "x", "candidate", 0.9, "a"), ("a", "y", "candidate", 0.5, "ab"),
            ("a", "truth", "ceiling", 1.0, None), ("b", "y", "candidate", 0.4, "a"),
            ("b", "x", "candidate", 0.2, "b"), ("c", "x", "candidate", np.nan, None),
            ("d", "x", "candidate", 0.1, None),
        )
    )  # fmt: skip
    assert found["task"].tolist() == ["a", "b", "d"]
    assert found["not told from it"].tolist() == ["y", "none", "not compared"]
    said = winners_report.about_leaders(found)
    assert said.startswith("2 names lead 3 tasks, and a leader is told from all others in b.")
    assert "covers 0.10 (d) to 0.90 (a)" in said
    one = winners_report.about_leaders(found[found["task"] == "a"])
    assert one.startswith("One name leads all 1 tasks, and in none of them")
    assert winners_report.about_leaders(found.iloc[:0]).startswith("No candidate was scored")


def test_real_batch_mixing_has_no_floor_to_be_above():
    tables = of_all_tasks()
    real = table({"good": ("candidate", 0.6), "permuted labels": ("floor", 1.0)}, dataset="mine")
    real = real.assign(task="batch-mixing", metric="ilisi_ratio")
    tables["batch-mixing"] = pd.concat([tables["batch-mixing"], real])
    assert on_real_data(tables, rng=np.random.default_rng(0))["floor"].isna().all()


def test_the_panel_whose_scale_ends_elsewhere_is_marked_and_no_other():
    marked = {q.title: q.panel for q in QUESTIONS if q.panel != q.title}
    assert marked == {"batch mixing": "batch mixing, from batches apart to permuted batch labels"}
