"""Does the first candidate depend on the probe? The sentence, branch by branch."""

import pandas as pd

from helpers.tasks.embeddings.linear_separability_report import probes_agree


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
    turned = ranks(linear=linear, ridge=((0.06, 2), (0.07, 1)))
    assert probes_agree(turned).endswith("this ranking depends on the probe")
    open_ = ranks(linear=((0.07, 1), (0.06, 1)), ridge=((0.06, 1), (0.07, 1)))
    assert "2 of the candidates may be first by each" in probes_agree(open_)


def test_a_probe_that_reads_nothing_is_no_evidence():
    linear, bad = ((0.07, 1), (0.06, 2)), ((0.02, 2), (0.03, 1))
    said = probes_agree(ranks(linear=linear, ridge=linear, mlp=bad))
    assert "the network one 0.030: a probe that reads so little is no evidence" in said
    assert said.endswith("The 2 others put the same candidate first")
    assert probes_agree(ranks(linear=linear, mlp=bad)).endswith("nothing to compare it with")
