"""Does the first candidate depend on the probe? The sentence, branch by branch."""

import pandas as pd

from helpers.tasks.embeddings.linear_separability_report import (
    agreement_by_screen,
    probes_agree,
    unit_decides,
)
from helpers.tasks.embeddings.readouts_report import rank_spans


def ranks(**probes):
    """Of each probe: mean and lowest rank of two candidates."""
    rows = [
        {"probe": probe, "model": model, "mean": mean, "low": low}
        for probe, found in probes.items()
        for model, (mean, low) in zip(("PCA", "scVI"), found, strict=True)
    ]
    return pd.DataFrame(rows)


def test_each_agreement_has_its_sentence():
    linear = ((0.07, 1), (0.06, 2))
    same = probes_agree(ranks(linear=linear, ridge=linear, mlp=linear))
    assert same == "All 3 probes put the same candidate first"
    unclear = probes_agree(ranks(linear=linear, ridge=((0.07, 1), (0.06, 1)), mlp=linear))
    assert unclear.startswith("All 3 probes put the same candidate first, by its mean; another")
    assert unclear.endswith("may be first as well, so this is undecided")
    turned = ranks(linear=linear, ridge=((0.06, 2), (0.07, 1)))
    assert probes_agree(turned).endswith("this ranking depends on the probe")
    open_ = ranks(linear=((0.07, 1), (0.06, 1)), ridge=((0.06, 1), (0.07, 1)))
    assert "2 of the candidates may be first by each" in probes_agree(open_)


def test_one_candidate_is_compared_with_none():
    one = ranks(linear=((0.07, 1), (0.06, 2)), ridge=((0.07, 1), (0.06, 2)))
    said = probes_agree(one[one["model"] == "PCA"])
    assert said == "PCA is the only candidate, and no other is put beside it"


def test_a_probe_that_reads_nothing_is_no_evidence():
    linear, bad = ((0.07, 1), (0.06, 2)), ((0.02, 2), (0.03, 1))
    said = probes_agree(ranks(linear=linear, ridge=linear, mlp=bad))
    assert "the network one 0.030: a probe that reads so little is no evidence" in said
    assert said.endswith("The 2 others put the same candidate first")
    assert probes_agree(ranks(linear=linear, mlp=bad)).endswith("nothing to compare it with")


def test_each_screen_has_its_agreement():
    linear = ((0.07, 1), (0.06, 2))
    same = ranks(linear=linear, ridge=linear).assign(screen="one, unseen guides")
    turned = ranks(linear=linear, ridge=((0.06, 2), (0.07, 1))).assign(screen="other")
    said = agreement_by_screen(pd.concat([same, turned]))
    assert said.startswith("one, unseen guides: All 2 probes put the same candidate first. other:")
    assert said.endswith("depends on the probe.")


def test_the_unit_decides_or_does_not():
    def units(*published):
        rows = [("published", right) for right in published]
        rows += [("run to its minimum", 0.801), ("run to its minimum", 0.802)]
        return pd.DataFrame(rows, columns=["probe", "cells named right"])

    said = unit_decides(units(0.05, 0.8))
    assert "names 5% to 80% of the cells that it learned from" in said and said.endswith(
        "its minimum 80%."
    )
    assert "does not move" in unit_decides(units(0.801, 0.8))


def test_places_stand_side_by_side():
    table = pd.DataFrame(
        {
            "probe": ["linear", "linear", "mlp", "mlp"],
            "model": ["PCA", "scVI", "PCA", "scVI"],
            "rank": [2.0, 1.0, 1.0, 2.0],
            "low": [1.0, 1.0, 1.0, 2.0],
            "high": [2.0, 2.0, 1.0, 2.0],
        }
    )
    found = rank_spans(table, "probe")
    assert found.columns.tolist() == ["model", "linear", "network"]
    assert found.to_numpy().tolist() == [["scVI", "1 to 2", "2"], ["PCA", "1 to 2", "1"]]
    both = pd.concat([table.assign(screen="b"), table.assign(screen="a")])
    assert rank_spans(both, "probe", ["screen", "model"])["screen"].tolist() == list("bbaa")
