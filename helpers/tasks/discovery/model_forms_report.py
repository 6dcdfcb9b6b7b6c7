"""What is said of the model: what was published, what is absent from the released code."""

import numpy as np
import pandas as pd

from helpers.stats import mean_interval
from helpers.tasks.findings import with_interval
from helpers.words import Words

FORMS = {"factored": "whole profiles", "scalar": "scattered values"}
"""What a batch holds, by the form of the network."""
TOLERANCE = 1e-5
"""Largest difference at which two forms in float32 count as one function."""

RELEASED = pd.DataFrame(
    [
        ("model, training, configurations for LINCS and Replogle", "described", "yes"),
        ("split of pairs and its seed", "described", "yes"),
        ("baselines: means, no perturbation, CatBoost on embeddings", "described", "yes"),
        ("CPA and GEARS as comparators", "named", "absent"),
        ("a copy of the perturbation from other contexts", "not known to us", "absent"),
        ("mechanisms of compounds: recall of 89 targets", "described", "absent"),
        ("functions of genes: classifier", "described", "absent; one list of labels"),
        ("networks: imputed interventions, Guanlab", "described", "absent"),
        ("repurposing: PKD1, statins", "described", "absent"),
        ("scaling over perturbations and contexts", "described", "absent"),
        ("Norman 2019 (combinations)", "named", "absent"),
        ("trained weights", "not known to us", "absent"),
    ],
    columns=["what", "in the paper, by summaries of it", "in the released code"],
)
"""perturblib/perturblib 9e79ae3; the full text of the paper was not read."""


def about_forms(differences: dict[str, float]) -> Words:
    """Whether the factored form is the scalar one."""
    most = max(differences.values())
    said = f"Over {len(differences)} published configurations the largest difference is {most:.1e}"
    if most < TOLERANCE:
        return f"{said}: one function, in the precision of the numbers."
    return f"{said}, more than {TOLERANCE:.0e}: the forms are not the same."


def about_training(forms: pd.DataFrame) -> Words:
    """What training on whole profiles does, beside training on scattered values.

    Parameters
    ----------
    forms : DataFrame
        Results of `trained` with the columns `form` (of `FORMS`) and `training`, its seed.
    """
    last = forms.pivot_table("test correlation", "training", "form", aggfunc="last")
    whole, scattered = (last[name] for name in FORMS.values())
    gap = whole - scattered
    ends = mean_interval(gap) if len(gap) > 1 else (np.nan, np.nan)
    word = "better" if ends[0] > 0 else "worse" if ends[1] < 0 else ""
    head = (
        f"Batches of whole profiles train a {word} model"
        if word
        else "It is undecided which batches train a better model"
    )
    return (
        f"{head}: after the same number of epochs, held-out pairs correlate by {whole.mean():.2f} "
        f"with whole profiles and by {scattered.mean():.2f} with scattered values, a difference of "
        f"{with_interval(gap.mean(), *ends)} over {len(gap)} training{'s' * (len(gap) > 1)} of "
        "each on one draw of the data."
    )


def in_short(sizes: pd.DataFrame, differences: dict[str, float]) -> Words:
    """The answer of the page."""
    own = sizes[sizes["configuration"] != "small, this book"]["network"]
    same = max(differences.values()) < TOLERANCE
    return (
        f"A network of {own.min():,} to {own.max():,} parameters over three tables of vectors. "
        + (
            "It can be computed profile by profile without any change, "
            if same
            else "Computed profile by profile it gives other values, "
        )
        + "and of the discoveries of the paper none is in the released code."
    )
