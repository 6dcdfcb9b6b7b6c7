"""What the book knows of effects: facts of metrics, and what tasks need of a screen."""

import pandas as pd

from helpers.data.contract import CONTROL
from helpers.metrics.effects.facts import METRICS, PRIMARY
from helpers.tasks.effects.findings import CLAIMS, FINDINGS
from helpers.tasks.real import CONTROLLED, controlled
from helpers.tasks.requirements import (
    ENOUGH_UNITS,
    FEWEST_COMBINATIONS,
    FEWEST_UNITS,
    Requirement,
    pairs_with_members,
)
from helpers.tasks.tier import Tier

_EFFECTS = Requirement(
    "perturbations_with_effect",
    FEWEST_UNITS,
    "perturbations with an effect (E-test, false discovery rate 5 %)",
    ENOUGH_UNITS,
)
REQUIREMENTS = {
    "prediction of unseen perturbations, bilinear model": (
        _EFFECTS,
        Requirement(
            "measured_targets",
            FEWEST_UNITS,
            "of these whose own gene is measured",
            ENOUGH_UNITS,
        ),
        CONTROLLED,
    ),
    "prediction of combinations": (
        Requirement(
            "combinations",
            FEWEST_COMBINATIONS,
            "pairs of genes perturbed together and each alone",
            ENOUGH_UNITS,
        ),
        _EFFECTS,
        CONTROLLED,
    ),
    "transfer between contexts": (
        Requirement("contexts_in_common", 2, "contexts with a perturbation in common"),
        Requirement(
            "transfer_pairs",
            FEWEST_UNITS,
            "effects (E-test) of perturbations that occur in another context too",
            ENOUGH_UNITS,
        ),
    ),
}


def available(screen, effects, relationships, *, replicate: str) -> pd.DataFrame:
    """Counts that `REQUIREMENTS` name, one row a context; see `Tier`.

    A perturbation is compared with another context's only where both are of one
    `perturbation_type`, if the screen states it.
    """
    significant = effects[effects["q_value"] <= 0.05]
    strong = set(zip(significant["context"], significant["unit"], strict=True))
    obs = screen.obs[screen.obs["perturbation"] != CONTROL].astype({"perturbation": str})
    kind = obs["perturbation_type"].astype(str) if "perturbation_type" in obs else "any"
    alike = ["perturbation", "kind"]
    cells = obs.assign(kind=kind)[["context", *alike]].drop_duplicates()
    common = cells[cells.groupby(alike)["context"].transform("nunique") > 1]
    rows = {}
    for context in sorted(screen.obs["context"].unique()):
        names = set(cells.loc[cells["context"] == context, "perturbation"])
        with_effect = {name for name in names if (context, name) in strong}
        partners = common.merge(common.loc[common["context"] == context, alike], on=alike)
        transfer = strong & set(zip(partners["context"], partners["perturbation"], strict=True))
        rows[context] = {
            "perturbations_with_effect": len(with_effect),
            "measured_targets": sum(
                all(gene in screen.var_names for gene in name.split("+")) for name in with_effect
            ),
            "combinations": len(pairs_with_members(names)),
            "contexts_in_common": int(partners["context"].nunique()),
            "transfer_pairs": len(transfer),
            **controlled(screen[(screen.obs["context"] == context).to_numpy()]),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("context")


TIER = Tier("effects", METRICS, PRIMARY, REQUIREMENTS, available, FINDINGS, CLAIMS)
