"""Task: expression under two perturbations at once, most of them never seen together."""

from types import MappingProxyType

import pandas as pd

from helpers.data.contract import DataError
from helpers.data.effects import condition_splits as splits
from helpers.data.simulate.regimes import simulated_regime
from helpers.models.effects.baselines import (
    Additive,
    MatchingMean,
    MeanChange,
    NoChange,
    ScaledAdditive,
)
from helpers.models.effects.falsified import ShuffledLabels
from helpers.models.effects.linear import BilinearModel
from helpers.models.effects.training import EffectModel
from helpers.presets import by_preset
from helpers.store.steps import Step, step
from helpers.tasks.effects.held_out import scores_of
from helpers.tasks.prediction_scene import make_scene
from helpers.tasks.requirements import FEWEST_COMBINATIONS, pairs_with_members

TASK = "doubles"
REFERENCE = "additive"
ROLES = MappingProxyType(
    {
        "no change": "floor",
        "mean": "floor",
        "mean of doubles": "floor",
        "additive, shuffled labels": "floor",
    }
)
WORLDS = MappingProxyType(
    {
        "effects add": "log-additive",
        "effects saturate, some interact": "saturating-epistatic",
        "effects saturate strongly": "strongly saturating",
    }
)
"""Simulated worlds by what is true in them, and the regime that each is."""


def doubles_screen(world: str, seed: int, preset: str) -> Step:
    """A simulated screen of a world, with singles and doubles."""
    size = by_preset(
        preset,
        tiny=dict(n_cells=2_600, n_genes=150, n_targets=8, n_combinations=16),
        book=dict(n_cells=12_000, n_genes=500, n_targets=16, n_combinations=60),
        full=dict(n_cells=60_000, n_genes=2_000, n_targets=60, n_combinations=80),
    )
    return simulated_regime(
        WORLDS[world], seed, **size, guides_per_target=1, n_control_guides=4, batch_sd=0.1
    )


def models(seed: int) -> dict[str, EffectModel]:
    """Every model of the page, by name."""
    return {
        "no change": NoChange(),
        "mean": MeanChange(with_control=True),
        "mean of doubles": MeanChange(of="combinations"),
        "additive": Additive(unseen="mean"),
        "scaled additive": ScaledAdditive(unseen="mean"),
        "matching mean": MatchingMean(),
        "linear model": BilinearModel(perturbations="changes"),
        "linear model, measured genes": BilinearModel(),
        "additive, shuffled labels": ShuffledLabels(Additive(unseen="mean"), seed=seed),
    }


@step
def double_scores(
    screen,
    *,
    seed: int,
    context: str | None = None,
    unseen_share: float = 0.0,
    n_controls: int | None = None,
    n_genes: int | None = None,
) -> pd.DataFrame:
    """Every model on doubles that it has not seen.

    Half of the doubles are learnt from where there are eight or more with both of their parts;
    with fewer, models learn from single perturbations only, and all doubles are scored.

    Parameters
    ----------
    screen : AnnData of counts
    seed : int
        Of cells and of the split.
    context : str, optional
    unseen_share : float
        Share of perturbations that are left out of training altogether.
    n_controls : int, optional
        Most controls of each side.
    n_genes : int, optional
        The highest expressed in controls.

    Returns
    -------
    DataFrame
        Of `scores_of`.

    Raises
    ------
    DataError
        Fewer than two doubles whose parts were perturbed alone too.
    """
    scene = make_scene(screen, seed=seed, context=context, n_controls=n_controls, n_genes=n_genes)
    pairs = pairs_with_members(scene.names)
    if len(pairs) < 2:
        raise DataError(
            f"{len(pairs)} combinations of two perturbations that were made alone too; 2 are "
            "needed, to tell them apart"
        )
    singles = [n for n in scene.names if "+" not in n]
    if len(pairs) < FEWEST_COMBINATIONS:
        split = splits.ConditionSplit(
            "all combinations",
            seed,
            tuple(singles),
            tuple(pairs),
            strata=dict.fromkeys(pairs, splits.SEEN[2]),
        )
    else:
        split = splits.combinations(
            [*singles, *pairs], seed=seed, share=0.5, unseen_share=unseen_share
        )
    return scores_of(scene, split, models(seed), seed=seed)


@step
def published_means(published) -> pd.DataFrame:
    """Published scores of double perturbations, means over held-out rows.

    Parameters
    ----------
    published : DataFrame
        Of `ahlmann_eltze2025_scores`.

    Returns
    -------
    DataFrame
        `model`, `l2`, `pearson_delta`, `rows`; best first by l2.
    """
    own = published[published["setting"] == "double"]
    table = own.pivot_table("value", "model", "metric", sort=False)
    rows = own[own["metric"] == "l2"].groupby("model").size()
    table = table.assign(rows=rows)[["l2", "pearson_delta", "rows"]]
    return table.sort_values("l2").reset_index().rename_axis(columns=None)


@step
def published_splits(published) -> pd.DataFrame:
    """What the five published splits have in common.

    Parameters
    ----------
    published : DataFrame
        Of `ahlmann_eltze2025_scores`.

    Returns
    -------
    DataFrame
        One row a seed: `held_out` doubles, of these `in others` that another seed holds out too,
        and `partners`: the median number of other held-out doubles that share a gene.
    """
    own = published[(published["setting"] == "double") & (published["metric"] == "l2")]
    held_out = {s: set(g["perturbation"]) for s, g in own.groupby("seed")}
    rows = []
    for seed, names in held_out.items():
        others = set().union(*(n for s, n in held_out.items() if s != seed))
        parts = {n: set(n.split("+")) for n in sorted(names)}
        partners = [
            sum(bool(p & q) for other, q in parts.items() if other != n) for n, p in parts.items()
        ]
        rows.append(
            {
                "seed": seed,
                "held out": len(names),
                "in others": len(names & others),
                "partners": float(pd.Series(partners).median()),
            }
        )
    return pd.DataFrame(rows)
