"""Sentences of the chapter on ablations, branch by branch."""

import numpy as np
import pandas as pd
import pytest

from helpers.tasks.embeddings import ablations_sentences as sentences
from helpers.tasks.embeddings.ablations_report import MEASURES

NB, POISSON = (f"scVI, what is modelled: {n} of counts" for n in ("NB", "Poisson"))


def scored(means, n_units=40):
    rng = np.random.default_rng(0)
    rows = []
    for task, metric in MEASURES.items():
        base = rng.normal(0.5, 0.2, n_units)
        for model, mean in means.items():
            noise = rng.normal(0, 0.02, n_units)
            noise -= noise.mean()
            units = [f"u{i}" for i in range(n_units)]
            shared = {
                "task": task, "dataset": "d", "split": "all", "protocol": "revised",
                "model": model, "metric": metric, "unit_kind": "perturbation", "seed": 0,
            }  # fmt: skip
            value = base + mean + noise
            rows.append(pd.DataFrame(shared | {"unit": units, "cluster": units, "value": value}))
    return pd.concat(rows, ignore_index=True)


@pytest.mark.parametrize(
    ("means", "n_units", "said"),
    [
        ({"scVI": 0.1, NB: 0.1, POISSON: 0}, 40, "holds by consistency and holds by the probe"),
        ({"scVI": 0.1, NB: 0.0002, POISSON: 0}, 40, "is undecided by consistency"),
        ({"scVI": -0.1, NB: 0.1, POISSON: 0}, 40, "is turned round by consistency"),
        ({"scVI": 0.1, NB: 0.1, POISSON: 0}, 4, "cannot be asked by consistency"),
    ],
)
def test_the_order_of_likelihoods_is_compared_and_not_read_off_means(means, n_units, said):
    assert sentences.likelihood_order(scored(means, n_units), seed=0).startswith(said)


def moved(difference, verdict="undecided"):
    return pd.Series({"difference": difference, "verdict": verdict})


def test_what_a_longer_training_moves():
    second = moved(-0.1)
    said = sentences.longer_training([moved(0.2, "better"), moved(0.0)], second)
    assert said.startswith("in consistency 2.0 times") and said.endswith("how far a score does")
    said = sentences.longer_training([moved(0.2), moved(0.0)], second)
    assert said.endswith("Neither score is moved for certain")
    for nothing in (0.0, np.nan):
        said = sentences.longer_training([moved(0.2), moved(0.0)], moved(nothing))
        assert said == "Neither score is moved for certain"
    lost = sentences.longer_training([moved(np.nan)] * 2, second)
    assert lost.startswith("too few perturbations")


def settings(*differences, second=-0.1, verdict="worse"):
    rows = [("base", "what", 0.0, "base"), ("second", "seed", second, verdict)]
    rows += [(f"m{i}", "cells", d, "undecided") for i, d in enumerate(differences)]
    table = pd.DataFrame(rows, columns=["model", "factor", "difference", "verdict"])
    return table.assign(family="scVI", task="linear-separability")


def test_the_base_is_a_fortunate_draw_or_not():
    assert "2 of 2 other settings" in sentences.fortunate_base(settings(-0.1))
    assert "fortunate draw" in sentences.fortunate_base(settings(-0.1))
    open_ = settings(-0.1, verdict="undecided")
    for found in (open_, settings(-0.1, 0.1), settings(-0.1, second=0.1, verdict="better")):
        assert "does not tell whether the base is an unusual" in sentences.fortunate_base(found)
    assert sentences.fortunate_base(settings(second=np.nan)).startswith("no other setting")


def test_settings_turn_the_order_of_models_round_or_not():
    def apart(distance, *names):
        found = {"distance": distance, "reversing": list(names)}
        return pd.DataFrame.from_dict({"consistency": found}, orient="index")

    said = sentences.ranking(apart(0.1, "a"))
    assert said == "by means, one setting of each model does not rank them in consistency"
    assert sentences.ranking(apart(0.1)).startswith("by means, no setting turns")
    assert sentences.ranking(apart(np.nan)).startswith("too few")


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (["worse", "worse", "better"], "an advantage for some fits and a drawback for others"),
        (["better", "undecided"], "a drawback where a score decides"),
        (["undecided", "worse"], "an advantage where a score decides"),
        (["undecided", "tied"], "no advantage that shows here"),
        (["cannot answer"], "no question"),
        ([], "no question"),
    ],
)
def test_seeing_the_cells_helps_or_not(verdicts, said):
    table = pd.DataFrame({"verdict": pd.Series(verdicts, dtype=object)})
    assert sentences.seeing_the_cells(table).startswith(said)


def settings_moved(*rows):
    columns = ["task", "factor", "model", "difference", "verdict"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(low=table["difference"] - 0.01, high=table["difference"] + 0.01)


def test_the_choices_in_short():
    c, p = "consistency", "linear-separability"
    base = [(task, "cells", "PCA", 0.0, "base") for task in (c, p)]
    few = (c, "cells", "PCA, cells: 10", -0.2, "worse")
    less = (c, "cells", "PCA, cells: 20", 0.1, "better")
    seed = [(task, "seed", "PCA, seed: second", 0.01, "undecided") for task in (c, p)]
    said = sentences.in_short(settings_moved(*base, few, less, *seed))
    assert said == (
        "2 of 3 settings change consistency for certain, most of all PCA, cells: 10, by "
        "\N{MINUS SIGN}0.200 (95 % interval \N{MINUS SIGN}0.210 to \N{MINUS SIGN}0.190); none of 1 "
        "settings is shown to change the probe. Not shown to change either: seed."
    )
    untrained = (c, "fitted on", sentences.UNTRAINED, -0.9, "worse")
    beside = sentences.in_short(settings_moved(*base, few, less, *seed, untrained))
    assert beside == f"Apart from the untrained network, {said}"
    said = sentences.in_short(settings_moved(*base, few))
    assert said.startswith("1 of 1 settings changes consistency for certain")
    assert said.endswith("; the probe could not be asked.")
    said = sentences.in_short(settings_moved(*base, *seed))
    assert said.startswith("None of 1 settings is shown to change consistency; none of")
    assert "either" not in said
    lost = (c, "cells", "PCA, cells: 10", np.nan, "cannot answer")
    for nothing in (base, [*base, lost]):
        assert sentences.in_short(settings_moved(*nothing)).startswith("Too few perturbations")
