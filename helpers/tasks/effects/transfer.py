"""Task: a perturbation's effect in one context, from other contexts in which it was made."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL, DataError
from helpers.data.effects import condition_splits as splits
from helpers.data.normalise import log1p_cp10k
from helpers.data.simulate.screen import simulated_screen
from helpers.metrics.predicted import expression
from helpers.models.effects import sources
from helpers.models.effects.baselines import Additive, ContextMean, MeanChange, NoChange
from helpers.models.effects.falsified import BlindToContext, ShuffledLabels
from helpers.models.effects.linear import BilinearModel
from helpers.models.effects.training import EffectModel, Training, pooled
from helpers.presets import by_preset
from helpers.store.steps import Step, step
from helpers.tasks.effects.held_out import scores_of, training_of
from helpers.tasks.prediction_panel import DUPLICATE
from helpers.tasks.prediction_scene import FEWEST, Scene, make_scene

TASK = "transfer"
REFERENCE = "mean, own context"
NONE, OWN, OTHER, ALL = "none", "own context", "other contexts", "pooled"
ROLES = MappingProxyType(
    {
        "no change": "floor",
        REFERENCE: "floor",
        "mean, other contexts": "floor",
        "mean, pooled": "floor",
        "copied change, shuffled labels": "floor",
        "copied profile, blind to the context": "floor",
    }
)
WORLDS = MappingProxyType(
    {
        "effects are the same": dict(context_sharing=1.0),
        "effects are half shared": dict(context_sharing=0.5),
        "effects are unrelated": dict(context_sharing=0.0),
    }
)


def transfer_screen(world: str, seed: int, preset: str) -> Step:
    """A simulated screen of single perturbations in two contexts."""
    size = by_preset(
        preset,
        tiny=dict(n_cells=4_000, n_genes=150, n_targets=32),
        book=dict(n_cells=16_000, n_genes=500, n_targets=60),
        full=dict(n_cells=100_000, n_genes=2_000, n_targets=200),
    )
    usual = dict(
        n_contexts=2,
        guides_per_target=1,
        n_control_guides=4,
        effective_share=1.0,
        unexpressed_share=0.0,
        efficacy=0.95,
        n_programs=12,
        library_size=5_000.0,
        batch_sd=0.05,
    )
    return simulated_screen(seed, **size, **usual, **WORLDS[world])


def arms(own: Training, others: Mapping[str, Training], context: str, seed: int):
    """Models by what they are trained on: pairs of a training set and models by name.

    Parameters
    ----------
    own : Training
        Known perturbations of the context, and its controls.
    others : mapping of other contexts to Training
    context : str
    seed : int
    """
    bare = own.having(np.zeros(len(own.names), dtype=bool))
    elsewhere = pooled({context: bare, **others})
    everywhere = pooled({context: own, **others})
    found: list[tuple[str, Training, dict[str, EffectModel]]] = [
        (NONE, elsewhere, {"no change": NoChange()}),
        (
            OTHER,
            elsewhere,
            {
                "mean, other contexts": MeanChange(),
                "copied change": Additive(),
                "copied change, shuffled labels": ShuffledLabels(Additive(), seed=seed),
                "copied profile, blind to the context": BlindToContext(Additive()),
            },
        ),
    ]
    if not len(own.names):
        return found
    known = sources.condition_scores(pooled(dict(others)))
    self_taught = pooled({context: own})
    linear = {"linear model, P of other contexts": BilinearModel(perturbations=known)}
    if pd.Index(own.names).isin(own.genes).any():
        linear["linear model, own context"] = BilinearModel()
    return [
        *found,
        (OWN, self_taught, {REFERENCE: ContextMean(), **linear}),
        (
            ALL,
            everywhere,
            {
                "mean, pooled": MeanChange(),
                "linear model, pooled": BilinearModel(perturbations=known),
            },
        ),
    ]


def scenes_of(screen, *, seed: int, n_controls=None, n_genes=None) -> dict[str, Scene]:
    """A scene of each context, with the same genes.

    Parameters
    ----------
    n_genes : int, optional
        The highest expressed in the controls of all contexts together.

    Raises
    ------
    DataError
        Fewer than two contexts that have controls and perturbations.
    """
    obs = screen.obs
    rows = [
        c for c in sorted(set(obs["context"].astype(str))) if _enough(obs, (obs["context"] == c))
    ]
    if len(rows) < 2:
        raise DataError(f"{len(rows)} contexts have controls and two perturbations; 2 are needed")
    if n_genes is not None and n_genes < screen.n_vars:
        controls = (obs["perturbation"] == CONTROL).to_numpy()
        level = np.asarray(screen.X[controls].sum(axis=0)).ravel()
        screen = screen[:, np.sort(np.argsort(-level, kind="stable")[:n_genes])]
    return {c: make_scene(screen, seed=seed, context=c, n_controls=n_controls) for c in rows}


def _enough(obs: pd.DataFrame, here) -> bool:
    counts = obs.loc[here, "perturbation"].astype(str).value_counts()
    few = counts.drop(CONTROL, errors="ignore") >= 2 * FEWEST
    return counts.get(CONTROL, 0) >= 4 and few.sum() >= 1


@step
def transfer_scores(
    screen,
    *,
    seed: int,
    share: float = 0.5,
    n_controls: int | None = None,
    n_genes: int | None = None,
) -> pd.DataFrame:
    """Every model in every context, on perturbations that others have.

    A share of a context's perturbations is held out; models are trained on nothing, on the
    context's other perturbations, on the other contexts, or on both.

    Parameters
    ----------
    screen : AnnData of counts
        Contexts whose perturbations are of one type, where `obs["perturbation_type"]` is there.
    seed : int
    share : float
        1: all perturbations of the context are held out, of which its controls are known only.
    n_controls, n_genes : int, optional

    Returns
    -------
    DataFrame
        Of `scores_of`, with `context` and `trained on`.

    Raises
    ------
    DataError
        No perturbation is in two contexts.
    """
    scenes = scenes_of(screen, seed=seed, n_controls=n_controls, n_genes=n_genes)
    names_of = {c: [n for n in s.names if "+" not in n] for c, s in scenes.items()}
    kind = _types(screen)
    tables = []
    for context, scene in scenes.items():
        near = {c: names_of[c] for c in scenes if kind.get(c) == kind.get(context)}
        common = set(names_of[context]) & {n for c in near if c != context for n in near[c]}
        if not common:
            continue
        if share < 1 and len(common) > 1:
            split = splits.covariate_transfer(near, context, seed=seed, share=share)
            known = split.train
        else:
            split, known = splits.leave_one_context_out(near, context, seed=seed), ()
        others = {c: training_of(scenes[c], near[c]) for c in near if c != context}
        own = training_of(scene, known)
        for trained, training, models in arms(own, others, context, seed):
            table = scores_of(scene, split, models, seed=seed, training=training, context=context)
            tables.append(table.assign(context=context, **{"trained on": trained}))
    if not tables:
        raise DataError("no perturbation was made in two contexts in the same way")
    table = pd.concat(tables, ignore_index=True)
    return table.drop_duplicates(["context", "prediction", "metric", "perturbation"])


def _types(screen) -> dict[str, str]:
    """How each context was perturbed: CRISPRi and CRISPRa are not compared."""
    obs = screen.obs
    if "perturbation_type" not in obs:
        return {}
    own = obs[obs["perturbation"] != CONTROL]
    by = own.groupby(own["context"].astype(str))["perturbation_type"]
    return {c: "+".join(sorted(set(map(str, kinds)))) for c, kinds in by}


def _rest(screen, kind: dict[str, str]) -> dict[str, str]:
    """Types of the contexts that were not perturbed as the one with most cells was."""
    largest = screen.obs["context"].astype(str).value_counts().sort_index().idxmax()
    return {c: k for c, k in kind.items() if k != kind.get(largest)}


def in_common(screen, *, rest: bool = False) -> list[str]:
    """Perturbations that two contexts of one type have, with cells to halve, and controls.

    With `rest`, of contexts that were not perturbed as the one with most cells was.
    """
    kind = _types(screen)
    if rest:
        kind = _rest(screen, kind)
    obs = screen.obs[["context", "perturbation"]].astype(str)
    counts = obs.value_counts()
    enough = counts[counts >= 2 * FEWEST].index.to_frame(index=False)
    if rest:
        enough = enough[enough["context"].isin(kind)]
    bare = enough.loc[enough["perturbation"] == CONTROL, "context"]
    enough = enough[enough["context"].isin(bare) & (enough["perturbation"] != CONTROL)]
    enough = enough.assign(kind=enough["context"].map(lambda c: kind.get(c, "")))
    n = enough.groupby(["perturbation", "kind"]).size()
    return sorted(set(n[n > 1].index.get_level_values("perturbation")))


@step
def copied_between_contexts(
    screen, *, seed: int, n_genes: int | None = 1_000, rest: bool = False
) -> pd.DataFrame:
    """The change of each perturbation copied from the other contexts in which it was made.

    For screens with few perturbations: each context is left out in turn, of which the controls are
    known only.

    Parameters
    ----------
    screen : AnnData of counts
    seed : int
        Halves cells and controls.
    n_genes : int, optional
        The highest expressed in the controls that models see, of all contexts together.
    rest : bool
        Of contexts whose perturbations were made in the same way take the smaller group: those
        that are not like the context with most cells. A check on what has no effect.

    Returns
    -------
    DataFrame
        `context`, `perturbation`, `prediction` (no change, copied change, technical duplicate),
        `metric` (l2, pearson_delta), `value`, `n_cells`.

    Raises
    ------
    DataError
        No perturbation is in two contexts.
    """
    means, kind, n_cells = _halved_means(screen, seed=seed, rest=rest)
    where = sorted({c for c, name in means if name == CONTROL})
    level = np.mean([means[c, CONTROL][1] for c in where], axis=0) if where else np.empty(0)
    genes = np.sort(np.argsort(-level, kind="stable")[:n_genes])
    rows = []
    for context, name in sorted(means):
        others = [
            c
            for c in where
            if c != context and (c, name) in means and kind.get(c) == kind.get(context)
        ]
        if name == CONTROL or context not in where or not others:
            continue
        change = np.mean([means[c, name][1] - means[c, CONTROL][1] for c in others], axis=0)
        about = dict(context=context, perturbation=name, n_cells=n_cells[context, name])
        for prediction, metric, value in _judged(
            means[context, name], means[context, CONTROL], change, genes
        ):
            rows.append(about | dict(prediction=prediction, metric=metric, value=value))
    if not rows:
        raise DataError("no perturbation was made in two contexts in the same way")
    return pd.DataFrame(rows)


def _halved_means(screen, *, seed: int, rest: bool) -> tuple[dict, dict, dict]:
    """Means of two halves by context and perturbation, types of contexts, cells of a half."""
    rng, kind = np.random.default_rng(seed), _types(screen)
    contexts = screen.obs["context"].astype(str).to_numpy()
    labels = screen.obs["perturbation"].astype(str).to_numpy()
    if rest:
        kind = _rest(screen, kind)
    values = log1p_cp10k(screen).X
    means, n_cells = {}, {}
    for context in sorted(set(contexts) & set(kind) if rest else set(contexts)):
        for name in sorted(set(labels[contexts == context])):
            cells = rng.permutation(np.flatnonzero((contexts == context) & (labels == name)))
            if len(cells) < 2 * FEWEST:
                continue
            halves = np.array_split(cells, 2)
            means[context, name] = [
                np.asarray(values[half].mean(axis=0), dtype=float).ravel() for half in halves
            ]
            n_cells[context, name] = len(halves[0])
    return means, kind, n_cells


def _judged(own, control, change, genes):
    """Name, metric and value of each prediction of one perturbation in one context."""
    truth, model = (m[genes] for m in control)
    observed, other_half = (m[genes] for m in own)
    for name, predicted in (
        ("no change", model),
        ("copied change", model + change[genes]),
        (DUPLICATE, other_half),
    ):
        pair = predicted[None], observed[None]
        yield name, "l2", float(expression.l2(*pair)[0])
        yield name, "pearson_delta", float(expression.pearson_delta(*pair, model, truth)[0])
