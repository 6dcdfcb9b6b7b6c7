"""Real data of the tier: what can be explained, and what cannot be asked."""

from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from helpers.data import registry
from helpers.tasks.explanation.real import labelled_profiles
from helpers.tasks.requirements import CannotAnswer

WHOLE = pd.DataFrame({"class": list("aabbcc"), "split": ["train", "test"] * 3})


def given(monkeypatch, obs: pd.DataFrame) -> SimpleNamespace:
    profiles = ad.AnnData(np.ones((len(obs), 2), dtype=np.float32), obs.rename(index=str))
    step = SimpleNamespace(result=lambda: profiles)
    monkeypatch.setattr(registry, "load", lambda name: step)
    return step


def test_profiles_with_classes_and_a_split_are_given_as_they_are(monkeypatch):
    step = given(monkeypatch, WHOLE)
    assert labelled_profiles("any", n_classes=3) is step


@pytest.mark.parametrize(
    ("obs", "n_classes", "counted"),
    [
        (WHOLE.drop(columns="split"), 2, 0),
        (WHOLE.drop(columns="class"), 2, 0),
        (WHOLE.assign(split="train"), 2, 0),
        (WHOLE.iloc[:3], 2, 1),
        (WHOLE.iloc[:4], 3, 2),
    ],
)
def test_what_lacks_classes_or_a_split_cannot_be_answered(monkeypatch, obs, n_classes, counted):
    given(monkeypatch, obs)
    said = rf"explanation of a classifier cannot be answered: it needs {n_classes} classes .*"
    with pytest.raises(CannotAnswer, match=f"^any: {said}, has {counted}$"):
        labelled_profiles("any", n_classes=n_classes)
