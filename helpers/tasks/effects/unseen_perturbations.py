"""Task: expression under a perturbation that nobody has made in the training data."""

from types import MappingProxyType

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.effects import condition_splits as splits
from helpers.data.simulate.screen import simulated_screen
from helpers.models.effects import sources
from helpers.models.effects.baselines import (
    CrisprInformedMean,
    MeanChange,
    NearestPerturbation,
    NoChange,
)
from helpers.models.effects.falsified import BlindToPerturbation, ShuffledLabels
from helpers.models.effects.linear import BilinearModel, RidgeOnEmbedding
from helpers.models.effects.training import EffectModel
from helpers.presets import by_preset
from helpers.store.steps import Step, step
from helpers.tasks.effects.held_out import scores_of, training_of
from helpers.tasks.prediction_scene import make_scene

TASK = "unseen-perturbations"
REFERENCE, OWN_GENE = "mean", "CRISPR-informed mean"
PLANTED = "linear model, planted P"
ROLES = MappingProxyType(
    {
        "no change": "floor",
        "mean": "floor",
        "linear model, random P": "floor",
        "linear model, random G": "floor",
        "linear model, shuffled labels": "floor",
        "linear model, blind to the perturbation": "floor",
        PLANTED: "ceiling",
    }
)
WORLDS = MappingProxyType(
    {
        "perturbations are unrelated": {},
        "complexes act alike": dict(complex_size=4, opposite_share=0.0),
        "all cells shift": dict(systematic_shift=0.5),
    }
)
"""Simulated worlds, and the knobs that make each: what perturbations have in common."""

FEWEST = 8  # single perturbations


def unseen_screen(world: str, seed: int, preset: str) -> Step:
    """A simulated screen of single perturbations."""
    size = by_preset(
        preset,
        tiny=dict(n_cells=2_400, n_genes=150, n_targets=36),
        book=dict(n_cells=10_000, n_genes=600, n_targets=64),
        full=dict(n_cells=60_000, n_genes=3_000, n_targets=300),
    )
    usual = dict(
        guides_per_target=1,
        n_control_guides=4,
        effective_share=1.0,
        unexpressed_share=0.0,
        efficacy=0.95,
        n_programs=12,
        library_size=5_000.0,
        batch_sd=0.1,
        database_recall=0.8,
    )
    knobs = dict(WORLDS[world])
    if "complex_size" in knobs:  # nearly all perturbations are of a complex
        knobs["n_complexes"] = size["n_targets"] * 7 // 8 // knobs["complex_size"]
    return simulated_screen(seed, **size, **usual, **knobs)


def models(
    train,
    embedding: pd.DataFrame | None,
    planted: pd.DataFrame | None,
    names,
    genes: pd.Index,
    seed: int,
) -> dict[str, EffectModel]:
    """Every model of the page that can be fitted.

    Parameters
    ----------
    train : sequence of str
        Training conditions: the linear model needs one whose gene is measured, and decoders of an
        embedding need three that are in it.
    embedding : DataFrame indexed by perturbation, optional
        What is known of perturbations before the screen: gene sets, a graph, another screen.
    planted : DataFrame indexed by perturbation, optional
        Their effects in the simulator.
    names, genes : sequence of str
        For random embeddings.
    seed : int
    """
    random_p = sources.random_embedding(sorted(names), seed=seed)
    random_g = sources.random_embedding(genes, seed=seed + 1)
    found = {
        "no change": NoChange(),
        "mean": MeanChange(with_control=True),
        OWN_GENE: CrisprInformedMean(),
        "linear model, random P": BilinearModel(perturbations=random_p),
    }
    if pd.Index(train).isin(genes).any():
        found["linear model"] = BilinearModel()
        found["linear model, random G"] = BilinearModel(genes=random_g)
    if embedding is not None and pd.Index(train).isin(embedding.index).sum() >= 3:
        known = BilinearModel(perturbations=embedding)
        found |= {
            "linear model, known P": known,
            "nearest by known P": NearestPerturbation(embedding),
            "ridge on known P": RidgeOnEmbedding(embedding),
            "ridge on known P, as published": RidgeOnEmbedding.legacy(embedding),
            "linear model, shuffled labels": ShuffledLabels(known, seed=seed),
            "linear model, blind to the perturbation": BlindToPerturbation(known),
        }
    if planted is not None:
        found[PLANTED] = BilinearModel(perturbations=planted)
    return found


def database_embedding(screen) -> pd.DataFrame | None:
    """P of a simulated screen: the graph of listed relationships; None where none is listed."""
    pairs = screen.uns["truth"].get("relationships")
    if pairs is None or not len(pairs):
        return None
    listed = pairs[pairs["in_database"].astype(bool)]
    if listed.empty:
        return None
    edges = pd.DataFrame({"source": listed["gene_a"], "target": listed["gene_b"], "importance": 1})
    return sources.graph_embedding(edges, n_dims=24)


@step
def unseen_scores(
    screen,
    *,
    seed: int,
    context: str | None = None,
    embedding=None,
    n_folds: int = 2,
    similarity: float | None = None,
    n_controls: int | None = None,
    n_genes: int | None = None,
    n_perturbations: int | None = None,
) -> pd.DataFrame:
    """Every model on single perturbations that it has not seen, each held out once.

    Parameters
    ----------
    screen : AnnData of counts
        A simulated one brings its own embedding, the listed relationships, and the planted one.
    seed : int
    context : str, optional
    embedding : DataFrame indexed by perturbation, optional
        Known before the screen.
    n_folds : int
    similarity : float, optional
        Hold out perturbations whose effects are at most so similar to any training one instead
        of random folds.
    n_controls, n_genes, n_perturbations : int, optional
        See `helpers.tasks.prediction_scene.make_scene`.

    Returns
    -------
    DataFrame
        Of `scores_of`; `similarity`: greatest cosine of the effect of a scored perturbation to a
        training one, in cells that do not judge.

    Raises
    ------
    DataError
        Fewer than eight single perturbations.
    """
    scene = make_scene(
        screen,
        seed=seed,
        context=context,
        n_controls=n_controls,
        n_genes=n_genes,
        n_perturbations=n_perturbations,
    )
    names = [n for n in scene.names if "+" not in n]
    if len(names) < FEWEST:
        raise DataError(f"{len(names)} single perturbations; {FEWEST} are needed")
    planted = None
    if "truth" in screen.uns:
        planted = screen.uns["truth"]["effects"]
        embedding = database_embedding(screen) if embedding is None else embedding
    effects = scene.seen[scene.names.get_indexer(names)] - scene.predicted_from
    cuts = _splits(names, effects, seed=seed, n_folds=n_folds, similarity=similarity)
    tables = []
    for split in cuts:
        roster = models(split.train, embedding, planted, names, scene.genes, seed)
        near = splits.leakage(split, names, effects, n_random=0)["nearest"]
        table = scores_of(scene, split, roster, seed=seed)
        tables.append(table.assign(similarity=table["perturbation"].map(near)))
    return pd.concat(tables, ignore_index=True)


def _splits(names, effects, *, seed, n_folds, similarity) -> list[splits.ConditionSplit]:
    if similarity is not None:
        return [splits.similarity_controlled(names, effects, seed=seed, most=similarity)]
    order = np.random.default_rng(seed).permutation(len(names))
    folds = [sorted(np.array(names)[part].tolist()) for part in np.array_split(order, n_folds)]
    return [
        splits.ConditionSplit(
            "unseen perturbations",
            seed,
            tuple(n for n in sorted(names) if n not in fold),
            tuple(fold),
            strata=dict.fromkeys(fold, splits.SINGLE),
        )
        for fold in folds
    ]


@step
def leakage_table(
    screen, *, seed: int, similarity: float, n_random: int = 20, context: str | None = None
) -> pd.DataFrame:
    """Similarity of scored to training perturbations under two splits, and by chance.

    Returns
    -------
    DataFrame
        `split`, `held out`, `nearest` (mean of the greatest cosine of effects), `random` (the same
        for random splits of that size), `low`, `high` (range of these).
    """
    scene = make_scene(screen, seed=seed, context=context)
    names = [n for n in scene.names if "+" not in n]
    effects = scene.seen[scene.names.get_indexer(names)] - scene.predicted_from
    rows = []
    for split in [
        splits.unseen_perturbations(names, seed=seed),
        splits.similarity_controlled(names, effects, seed=seed, most=similarity),
    ]:
        found = splits.leakage(split, names, effects, n_random=n_random)
        rows.append(
            {
                "split": split.kind,
                "held out": len(split.held_out),
                "nearest": found["mean"],
                "random": float(np.mean(found["random"])),
                "low": float(np.min(found["random"])),
                "high": float(np.max(found["random"])),
            }
        )
    return pd.DataFrame(rows)


@step
def collapse_table(screen, *, seed: int, n_controls: int | None = None) -> pd.DataFrame:
    """What becomes of a ridge regression on an embedding that varies little, by its penalty.

    Parameters
    ----------
    screen : AnnData of counts
        Simulated: the embedding is the planted one, so that there is everything to learn.

    Returns
    -------
    DataFrame
        One row a size of the embedding (SD over perturbations) and decoder: `embedding SD`,
        `decoder`, `penalty`, `spread` (SD of fitted over that of observed changes), `error` over
        that of the mean, on unseen perturbations.
    """
    scene = make_scene(screen, seed=seed, n_controls=n_controls)
    split = splits.unseen_perturbations(scene.names, seed=seed)
    training = training_of(scene, split.train)
    planted = screen.uns["truth"]["effects"]
    planted = planted / planted.to_numpy().std()
    rows = scene.names.get_indexer(list(split.test))
    observed = scene.observed[rows]
    usual = np.linalg.norm(
        MeanChange().fit(training).predict(list(split.test)) - observed, axis=1
    ).mean()
    found = []
    for size in (1.0, 0.1, 0.01):
        for name, model in {
            "penalty by cross-validation": RidgeOnEmbedding(planted * size),
            "penalty 1, as published": RidgeOnEmbedding.legacy(planted * size),
        }.items():
            predicted = model.fit(training).predict(list(split.test))
            error = np.linalg.norm(predicted - observed, axis=1).mean()
            found.append(
                {
                    "embedding SD": size,
                    "decoder": name,
                    "penalty": model.penalty_,
                    "spread": model.spread_,
                    "error": float(error / usual),
                }
            )
    return pd.DataFrame(found)


@step
def fitness_embedding(fitness) -> pd.DataFrame:
    """P from the rows of the fitness map of pairs: how a gene grows with each other gene.

    Parameters
    ----------
    fitness : DataFrame, symmetric
        Of `norman2019_fitness`.

    Returns
    -------
    DataFrame indexed by gene: ten scores of the standardised rows, the control left out
    """
    genes = [g for g in fitness.index if g != "negative"]
    rows = fitness.loc[genes, genes]
    rows = (rows - rows.mean()) / rows.std()
    U, S, _ = np.linalg.svd(rows.to_numpy(), full_matrices=False)
    return pd.DataFrame(U[:, :10] * S[:10], index=genes)
