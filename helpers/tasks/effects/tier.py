"""What the tasks of effects need of a screen, and the facts of their metrics."""

from helpers.data.contract import CONTROL
from helpers.metrics.effects.facts import METRICS, PRIMARY
from helpers.tasks.requirements import ENOUGH_UNITS, FEWEST_UNITS, Requirement

__all__ = ["METRICS", "PRIMARY", "REQUIREMENTS", "available"]

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
    ),
    "prediction of combinations": (
        Requirement(
            "combinations",
            FEWEST_UNITS,
            "pairs of genes perturbed together and each alone",
            ENOUGH_UNITS,
        ),
        _EFFECTS,
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
"""What each task needs."""


def available(screen, context: str, *, effects, **_) -> dict[str, int]:
    """Counts of one context of a screen that `REQUIREMENTS` name.

    Parameters
    ----------
    screen : AnnData of counts
        All contexts. A perturbation is compared with another context's only where both are of one
        `perturbation_type`, if the screen states it.
    context : str
    effects : DataFrame
        `context`, `unit` and `q_value` of perturbations.
    """
    strong = effects[effects["q_value"] <= 0.05]
    strong = set(zip(strong["context"], strong["unit"], strict=True))
    obs = screen.obs[screen.obs["perturbation"] != CONTROL].astype({"perturbation": str})
    kind = obs["perturbation_type"].astype(str) if "perturbation_type" in obs else "any"
    obs = obs.assign(context=obs["context"].astype(str), kind=kind)
    cells = obs[["context", "perturbation", "kind"]].drop_duplicates()
    here = cells[cells["context"] == context]
    names = set(here["perturbation"])
    singles = {name for name in names if "+" not in name}
    with_effect = {name for name in names if (context, name) in strong}
    partners = cells.merge(here[["perturbation", "kind"]], on=["perturbation", "kind"])
    elsewhere = partners["context"] != context
    ...
