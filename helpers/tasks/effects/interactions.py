"""Task: which genes deviate from additivity in a double that nobody has measured."""

from types import MappingProxyType

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.effects import condition_splits as splits
from helpers.data.effects.split_reports import split_report
from helpers.data.simulate.screen import simulated_screen
from helpers.metrics.effects.interaction_calls import (
    legacy_auprc,
    magnitude_matched_auroc,
)
from helpers.metrics.effects.interactions import empirical_null
from helpers.metrics.predicted.de_recovery import auroc, average_precision
from helpers.models.effects.baselines import (
    Additive,
    MatchingMean,
    MeanChange,
    NoChange,
    ScaledAdditive,
)
from helpers.models.effects.linear import BilinearModel
from helpers.models.effects.training import EffectModel
from helpers.presets import by_preset
from helpers.store.steps import Step, step
from helpers.tasks.effects.held_out import training_of
from helpers.tasks.prediction_panel import DUPLICATE
from helpers.tasks.prediction_scene import Scene, make_scene
from helpers.tasks.requirements import FEWEST_COMBINATIONS, pairs_with_members

TASK = "interactions"
REFERENCE = "no change"
NOISE = "noise about the sum"
ROLES = MappingProxyType(
    {"no change": "floor", "mean of doubles": "floor", NOISE: "floor", DUPLICATE: "ceiling"}
)
WORLDS = MappingProxyType(
    {
        "pairs interact": dict(interaction_share=1.0, interaction_size=1.0),
        "programs saturate": dict(
            saturation=0.5, effect_size=1.2, programs_per_target=4, abundance_sd=1.0
        ),
        "nothing interacts": {},
    }
)
PLANTED = 0.1
"""Least deviation of the log fold change that counts as planted."""


def interaction_screen(world: str, seed: int, preset: str) -> Step:
    """A simulated screen of singles and doubles."""
    size = by_preset(
        preset,
        tiny=dict(n_cells=5_000, n_genes=150, n_targets=10, n_combinations=24),
        book=dict(n_cells=20_000, n_genes=500, n_targets=20, n_combinations=60),
        full=dict(n_cells=100_000, n_genes=2_000, n_targets=40, n_combinations=120),
    )
    usual = dict(
        guides_per_target=1,
        n_control_guides=2,
        effective_share=1.0,
        unexpressed_share=0.0,
        efficacy=1.0,
        batch_sd=0.0,
        effect_size=0.3,
        library_size=6_000.0,
    )
    return simulated_screen(seed, **size | usual | WORLDS[world])


def models() -> dict[str, EffectModel]:
    """Models whose deviation from their own additive prediction ranks genes."""
    return {
        "no change": NoChange(),
        "mean of doubles": MeanChange(of="combinations"),
        "scaled additive": ScaledAdditive(),
        "matching mean": MatchingMean(),
        "linear model": BilinearModel(perturbations="changes"),
    }


def observed_deviations(scene: Scene, pairs: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Of the judging cells: deviation of doubles from additivity, and the additive change."""
    change = {n: scene.observed[i] - scene.observed_from for i, n in enumerate(scene.names)}
    added = np.array([sum(change[part] for part in name.split("+")) for name in pairs])
    return np.array([change[name] for name in pairs]) - added, added


@step
def interaction_scores(
    screen,
    *,
    seed: int,
    context: str | None = None,
    n_controls: int | None = None,
    n_genes: int | None = 1_000,
) -> dict:
    """Interactions of a screen, and how well unseen doubles' ones are found.

    What judges defines the truth: the null distribution is fitted to the deviations of all
    doubles. Models learn from the other half of the cells, of single perturbations and of half of
    the doubles, and rank genes of the other doubles by the size of their deviation from adding.

    Parameters
    ----------
    screen : AnnData of counts
    seed : int
    context : str, optional
    n_controls, n_genes : int, optional

    Returns
    -------
    dict
        `called`: share of pairs of a double and a gene; `null`: its parameters; `power` and `fdp`
        of the calls against what was planted, None in a real screen; `n_pairs`; `split_report`,
        manifest and leakage report; `scores`: a list of `model`, `metric`, `perturbation`, `value`
        (None where not defined), `n` genes.

    Raises
    ------
    DataError
        Fewer than eight doubles whose parts were perturbed alone.
    """
    scene = make_scene(screen, seed=seed, context=context, n_controls=n_controls, n_genes=n_genes)
    pairs = pairs_with_members(scene.names)
    if len(pairs) < FEWEST_COMBINATIONS:
        raise DataError(f"{len(pairs)} doubles with both parts; {FEWEST_COMBINATIONS} are needed")
    deviation, _ = observed_deviations(scene, pairs)
    null = empirical_null(deviation)
    called = null.called(deviation)
    singles = [n for n in scene.names if "+" not in n]
    split = splits.combinations([*singles, *pairs], seed=seed)
    training = training_of(scene, split.train, cells="half")
    test = list(split.test)
    rows = [pairs.index(name) for name in test]
    effects = scene.seen[scene.names.get_indexer(test)] - scene.predicted_from
    added = Additive().fit(training).predict(test)
    predicted = {name: m.fit(training).predict(test) for name, m in models().items()}
    rng = np.random.default_rng(seed)
    predicted[NOISE] = added + deviation.std() * rng.standard_normal(added.shape)
    predicted[DUPLICATE] = scene.seen[scene.names.get_indexer(test)]
    found = []
    for model, means in predicted.items():
        for i, name in enumerate(test):
            values = _of_double(
                called[rows[i]],
                deviation[rows[i]],
                means[i] - added[i],
                np.abs(added[i] - training.control()),
            )
            found += [
                dict(model=model, metric=metric, perturbation=name, value=v, n=len(scene.genes))
                for metric, v in values.items()
            ]
    power, fdp = _against_planted(screen, scene, pairs, called)
    return {
        "called": float(called.mean()),
        "null": {k: _or_none(v) for k, v in vars(null).items()},
        "power": _or_none(power),
        "fdp": _or_none(fdp),
        "n_pairs": int(called.size),
        "split_report": split_report(split, effects, training.changes, list(training.names)),
        "scores": [row | {"value": _or_none(row["value"])} for row in found],
    }


def _of_double(called, observed, deviation, magnitude) -> dict[str, float]:
    """Scores of one double; NaN where no gene, or every gene, is called."""
    names = ("interaction_auroc", "interaction_auroc_matched", "interaction_ap")
    names += ("interaction_auprc_legacy", "interaction_direction")
    if not called.any() or called.all() or not np.isfinite(deviation).all():
        return dict.fromkeys(names, np.nan)
    score = np.abs(deviation)
    sign = np.sign(deviation[called]) * np.sign(observed[called])
    return dict(
        zip(
            names,
            [
                auroc(called[None], score[None])[0],
                magnitude_matched_auroc(called, score, magnitude),
                average_precision(called[None], score[None])[0],
                legacy_auprc(called, score),
                float((sign > 0).mean() + (sign == 0).mean() / 2),
            ],
            strict=True,
        )
    )


def _against_planted(screen, scene: Scene, pairs, called) -> tuple[float, float]:
    """Share of planted deviations that are called, and of calls that nothing was planted for."""
    truth = screen.uns.get("truth")
    if truth is None or truth["knobs"]["saturation"] > 0:
        return np.nan, np.nan
    effects = truth["effects"]
    genes = screen.var_names.get_indexer(scene.genes)
    programs = np.asarray(screen.varm["programs"])[genes, : effects.shape[1]]
    parts = [name.split("+") for name in pairs]
    moved = effects.loc[pairs].to_numpy() - sum(
        effects.loc[[p[i] for p in parts]].to_numpy() for i in (0, 1)
    )
    planted = np.abs(moved @ programs.T)
    large = planted >= PLANTED
    power = called[large].mean() if large.any() else np.nan
    fdp = (planted[called] < 1e-9).mean() if called.any() else np.nan
    return float(power), float(fdp)


def _or_none(value) -> float | None:
    return float(value) if np.isfinite(value) else None


@step
def fitness_additivity(pairs) -> pd.DataFrame:
    """How far the fitness of a pair is the sum of both, and the profile a sum of profiles.

    Parameters
    ----------
    pairs : DataFrame
        Of `norman2019_gi`.

    Returns
    -------
    DataFrame, one row a statement
        `quantity`, `value`, `n` pairs: correlation of the fitness of pairs with the sum, root mean
        squared deviation of a pair from the sum and from the best single multiple of it, that
        multiple; of the profiles the median of both coefficients' sum and of the fit's correlation.
    """
    total = pairs["fitness_first"] + pairs["fitness_second"]
    there = total.notna() & pairs["fitness"].notna()
    x, y = total[there].to_numpy(), pairs.loc[there, "fitness"].to_numpy()
    scale = float(x @ y / (x @ x))
    fits = pairs["coef_first"] + pairs["coef_second"]
    rows = [
        ("correlation of fitness with the sum", np.corrcoef(x, y)[0, 1], len(x)),
        ("RMS deviation from the sum", np.sqrt(((y - x) ** 2).mean()), len(x)),
        ("best multiple of the sum", scale, len(x)),
        ("RMS deviation from that multiple", np.sqrt(((y - scale * x) ** 2).mean()), len(x)),
        ("sum of both coefficients of profiles, median", fits.median(), int(fits.notna().sum())),
        (
            "correlation of fitted and measured profile, median",
            pairs["corr_fit"].median(),
            int(pairs["corr_fit"].notna().sum()),
        ),
    ]
    return pd.DataFrame(rows, columns=["quantity", "value", "n"])
