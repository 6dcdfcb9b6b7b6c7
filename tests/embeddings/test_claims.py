"""Claims of a paper: what its tables say, and verdicts from paired comparisons."""

import numpy as np
import pandas as pd
import pytest

from helpers.scores import check, params
from helpers.tasks.embeddings import claims
from helpers.tasks.embeddings import claims_found as found_claims
from helpers.tasks.embeddings.questions import QUESTIONS

MODELS = {
    "planted truth": ("ceiling", 0.8),
    "PCA of log counts": ("candidate", 0.5),
    "scVI": ("candidate", 0.4),
    "scVI, transferred": ("candidate", 0.2),
    "permuted labels": ("floor", 0.0),
    "Gaussian noise": ("floor", 0.0),
}
ABLATED = {
    "scVI, what is modelled: NB of counts": 0.4,
    "scVI, what is modelled: Poisson of counts": 0.25,
    "scVI, cells: 500": 0.3,
    "scVI, cells: 1,500": 0.35,
}


def rows(question, means, *, n_units=24, seed=0, **columns):
    rng = np.random.default_rng(seed)
    given = {k: columns.pop(k) for k in list(columns) if k in ("probe",)}
    shared = 0.02 * rng.standard_normal(n_units)
    table = [
        {
            "task": question.task, "dataset": "simulated", "split": "all", "protocol": "revised",
            "model": model, "params": params(given), "post": "center_scaled",
            "metric": question.metric, "role": role, "unit_kind": "unit", "unit": f"u{i}",
            "cluster": f"u{i}", "seed": 0, "n": 1, **columns,
            "value": mean + shared[i] + 0.02 * rng.standard_normal(),
        }
        for model, (role, mean) in means.items()
        for i in range(n_units)
    ]  # fmt: skip
    return check(pd.DataFrame(table))


def with_raw(question, means, raw, **columns):
    chosen = {**question.chosen, **columns}
    other = "center_scaled" if chosen["post"] == "raw" else "raw"
    return [rows(question, means, **chosen), rows(question, raw, **{**chosen, "post": other})]


@pytest.fixture(scope="module")
def tables():
    found = {}
    for q in QUESTIONS:
        means = MODELS
        if q.task == "batch-mixing":
            means = {m: (r, 0.6 if r == "candidate" else 0.98) for m, (r, _) in MODELS.items()}
        found[q.task] = with_raw(q, means, means)
    by_task = {q.task: q for q in QUESTIONS}
    near = by_task["neighbourhood"]
    at_chance = {m: (r, 0.2) for m, (r, _) in MODELS.items()}
    found["neighbourhood"].append(rows(near, at_chance, protocol="published"))
    known = by_task["known-relationships"]
    for post, recall in (("raw", 0.1), ("center_scaled", 0.3)):
        means = {m: (r, recall) for m, (r, _) in MODELS.items()}
        table = rows(known, means, post=post, metric="relationship_recall", n_units=3)
        found["known-relationships"].append(table)
    read_back = by_task["reconstruction"]
    split = read_back.chosen["split"]
    found["reconstruction"] += with_raw(read_back, MODELS, MODELS, dataset="simulated")
    for metric in ("structural_integrity", "profile_integrity"):
        found["reconstruction"].append(
            rows(read_back, MODELS, metric=metric, post="raw", split=split)
        )
    ablated = MODELS | {m: ("candidate", v) for m, v in ABLATED.items()}
    found["ablations"] = [
        rows(by_task[task], ablated) for task in ("consistency", "linear-separability")
    ]
    return {name: pd.concat(parts, ignore_index=True) for name, parts in found.items()}


def verdicts(tables):
    table = found_claims.found_here(tables, rng=np.random.default_rng(0))
    assert len(table) == len(claims.CLAIMS)
    key = {c.statement: c.key for c in claims.CLAIMS}
    return table.assign(key=table["claim"].map(key)).set_index("key")


def test_what_is_planted_is_found(tables):
    found = verdicts(tables)
    for key in ("mixing", "separability", "neighbourhood", "transfer", "structure", "likelihood"):
        assert found["verdict"][key] == found_claims.SHOWN, (key, found["found here"][key])
    assert found["verdict"]["training-size"] == found_claims.SHOWN
    assert found["verdict"]["centring"] == found_claims.SHOWN + " (means only)"
    assert found["verdict"]["raw"] == found_claims.NOT_SHOWN  # the same in both: tied throughout
    assert found["verdict"]["best-of-four"].startswith(found_claims.SHOWN)
    untestable = found.index[found["verdict"] == found_claims.UNTESTABLE]
    assert set(untestable) == {"baselines", "fine-tuning"}


def test_the_other_way_round_is_not_shown(tables):
    turned = {"scVI": "scVI, transferred", "scVI, transferred": "scVI"}
    nb, poisson = list(ABLATED)[:2]
    swapped = {
        name: table.assign(model=table["model"].replace(turned | {nb: poisson, poisson: nb}))
        for name, table in tables.items()
    }
    found = verdicts(swapped)
    assert found["verdict"]["transfer"] == found_claims.NOT_SHOWN
    assert found["verdict"]["likelihood"] != found_claims.SHOWN


def test_without_a_difference_nothing_is_shown(tables):
    flat = {
        name: table.assign(
            value=table["value"].where(
                ~table["model"].isin(["scVI", "scVI, transferred"]),
                0.3 + 0.05 * np.random.default_rng(1).standard_normal(len(table)),
            )
        )
        for name, table in tables.items()
    }
    assert verdicts(flat)["verdict"]["transfer"] in (found_claims.NOT_SHOWN, found_claims.UNDECIDED)


def test_the_papers_tables_are_counted_right():
    found = claims.in_their_tables().set_index("claim")["in the tables"]
    by_key = {c.key: found[c.statement] for c in claims.CLAIMS}
    # Table 2, Replogle: PCA leads in top-1, top-5, consistency, kNN, SIGNOR; scVI in the others.
    assert "leads in 11 of 12 columns, a foundation model in 0" in by_key["baselines"]
    # 22,428 / 424,942 and 25,691 / 100,153: appendix C.2.
    assert "5.28 % of the cells" in by_key["neighbourhood"]
    assert "25.65 % of the cells" in by_key["neighbourhood"]
    assert "PCA 3.3 %, scVI 1.6 %" in by_key["separability"]
    assert by_key["likelihood"].startswith("a figure")


def test_verdicts_in_words():
    assert found_claims.tally({"a": "better", "b": "tied", "c": "better"}) == (
        "better in 2 (a; c), tied in 1 (b)"
    )


def test_a_missing_model_is_named(tables):
    fewer = {name: t[t["model"] != "scVI, transferred"] for name, t in tables.items()}
    with pytest.raises(KeyError, match="scVI, transferred"):
        found_claims.found_here(fewer, rng=np.random.default_rng(0))
