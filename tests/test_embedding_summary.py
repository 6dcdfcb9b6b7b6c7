"""Standings between floor and ceiling, and who is best under which setting."""

import numpy as np
import pandas as pd
import pytest

from helpers.scores import check, params
from helpers.tasks.embedding_summary import (
    QUESTIONS,
    anchors,
    primary_scores,
    standings,
    winners,
)

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
    pair = {found["best"]["64"], *found["tied with"]["64"].split(", ")}
    assert pair == {"good", "as good"}
    assert {found["best"]["32"], *found["tied with"]["32"].split(", ")} == {"poor", "as good"}


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
