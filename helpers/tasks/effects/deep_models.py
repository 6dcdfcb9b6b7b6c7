"""Task: three small deep models beside simple ones, tuned alike, on conditions they have not seen.

Conditions are shared out so that what is tuned on is never scored: some conditions are scored by no
split, and the tuning fits and validates on these alone. Each of the splits scores other conditions,
and trains on all that remain.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL, DataError
from helpers.data.effects.condition_splits import ConditionSplit, read_manifest
from helpers.models.effects import tuning
from helpers.models.effects.baselines import Additive, MeanChange, NoChange
from helpers.models.effects.falsified import ShuffledLabels
from helpers.models.effects.graph_network import GraphNetwork
from helpers.models.effects.latent_additive import LatentAdditive
from helpers.models.effects.linear import BilinearModel
from helpers.models.effects.perturbation_transformer import PerturbationTransformer
from helpers.models.effects.sources import gene_set_embedding
from helpers.models.effects.training import Bulks, EffectModel, Training
from helpers.store.steps import step
from helpers.tasks.effects.held_out import scores_of, training_of
from helpers.tasks.prediction_scene import make_scene
from helpers.tasks.requirements import pairs_with_members

GRAPH, LATENT, TRANSFORMER = "graph network", "latent-additive autoencoder", "masked transformer"
PLANTED = "planted truth"
SHUFFLED, BLIND = ", shuffled labels", ", blind to the perturbation"
N_SPLITS = 3
SCORED_SHARE = 0.6  # of what could be scored; the others are for tuning
INNER_SHARE = 0.4  # of these, for validation

GRAPH_GRID = MappingProxyType(
    {
        "focus": (0.0, 2.0),
        "n_dims": (16, 32),
        "learning_rate": (3e-3, 1e-2),
        "weight_decay": (1e-4, 1e-1),
    }
)
LATENT_GRID = MappingProxyType(
    {
        "n_latent": (8, 32),
        "adversary": (0.3, 3.0),
        "bottleneck": (0.1, 0.5),
        "learning_rate": (5e-2, 1e-1),
        "weight_decay": (3e-1, 6e-1),
    }
)
TRANSFORMER_GRID = MappingProxyType(
    {
        "n_layers": (1, 2),
        "n_dims": (16, 32),
        "learning_rate": (5e-3, 1e-2),
        "weight_decay": (1e-3, 1e-1),
    }
)


class Stored(EffectModel):
    """Predictions that were made before: rows of a table, NaN where it has none."""

    def __init__(self, means: pd.DataFrame):
        self.means = means

    def predict(self, names, context=None):
        return self.means.reindex(index=list(names), columns=self.training_.genes).to_numpy(float)


def shared_out(names: Iterable[str], *, kind: str, seed: int) -> dict:
    """Splits, and conditions to tune on.

    Parameters
    ----------
    names : iterable of str
        Conditions of the screen.
    kind : {"doubles", "unseen"}
        Score doubles with both parts in the training set, or single perturbations of which no cell
        is learnt from; then doubles take no part.
    seed : int

    Returns
    -------
    dict
        `splits`: manifests of `N_SPLITS` splits, their scored conditions disjoint. `tuning`:
        manifest of one more, whose conditions no split scores.

    Raises
    ------
    DataError
        Too few conditions for each part to have one.
    """
    names = sorted(set(names))
    singles = [n for n in names if "+" not in n]
    if kind not in ("doubles", "unseen"):
        raise ValueError(f"kind is {kind!r}; doubles or unseen")
    always, asked = (singles, pairs_with_members(names)) if kind == "doubles" else ([], singles)
    order = np.random.default_rng(seed).permutation(np.array(asked, dtype=str)).tolist()
    n_scored = round(SCORED_SHARE * len(order)) // N_SPLITS * N_SPLITS
    rest = order[n_scored:]
    n_inner = round(INNER_SHARE * len(rest))
    if n_scored < N_SPLITS or not 0 < n_inner < len(rest):
        raise DataError(
            f"{len(order)} conditions of the kind {kind!r} cannot be shared out between "
            f"{N_SPLITS} splits and a search of parameters; 7 are needed at least"
        )

    def split(what: str, train, test) -> str:
        strata = dict.fromkeys(sorted(test), what)
        parts = tuple(sorted(train)), tuple(sorted(test))
        return ConditionSplit(f"{kind}, {what}", seed, *parts, strata=strata).manifest()

    scored = [order[i:n_scored:N_SPLITS] for i in range(N_SPLITS)]
    return {
        "splits": [
            split(f"split {i + 1}", [*always, *(n for n in order if n not in own)], own)
            for i, own in enumerate(scored)
        ],
        "tuning": split("tuning", [*always, *rest[n_inner:]], rest[:n_inner]),
    }


@step
def planted_sets(screen) -> dict:
    """Gene sets of a simulated screen: its own, or the pairs that its database lists."""
    if "gene_sets" in screen.uns:
        return {name: list(map(str, genes)) for name, genes in screen.uns["gene_sets"].items()}
    known = screen.uns["truth"]["relationships"]
    known = known[known["in_database"].astype(bool)]
    pairs = zip(known["gene_a"].astype(str), known["gene_b"].astype(str), strict=True)
    return {f"pair {i}": list(pair) for i, pair in enumerate(pairs)}


@step
def sets_among(table, *, names: list, at_most: int = 200) -> dict:
    """Gene sets that tell perturbed genes apart: of each its members among them, two or more.

    Parameters
    ----------
    table : DataFrame
        `source`, `set`, `gene`, of `helpers.data.sets.gene_sets`.
    names : list of str
        Perturbed genes, also those that are scored: a set says nothing of their cells.
    at_most : int
        Genes of a set, perturbed or not: of larger ones everything is a member.
    """
    size = table.groupby(["source", "set"])["gene"].transform("size")
    own = table[(size <= at_most) & table["gene"].isin(names)]
    sets = own.groupby(own["source"] + ": " + own["set"])["gene"]
    return {name: sorted(genes) for name, genes in sets if len(genes) > 1}


@step
def training_arrays(
    screen,
    *,
    conditions: list,
    seed: int,
    context: str | None = None,
    n_controls: int | None = None,
    n_genes: int | None = None,
    cells_a_bulk: int = 20,
) -> dict[str, np.ndarray]:
    """A training set as arrays, from all cells of its conditions and half of the controls.

    Parameters
    ----------
    screen : AnnData of counts
    conditions : list of str
    seed, context, n_controls, n_genes
        See `make_scene`; the same for what is judged.
    cells_a_bulk : int

    Returns
    -------
    dict of arrays
        See `training_from`.
    """
    scene = make_scene(screen, seed=seed, context=context, n_controls=n_controls, n_genes=n_genes)
    found = training_of(scene, conditions, cells_a_bulk=cells_a_bulk, seed=seed)
    return {
        "means": found.means,
        "names": found.names,
        "genes": found.genes.to_numpy(dtype=str),
        "control": found.control(),
        "n_cells": found.n_cells,
        "bulks": found.bulks.means,
        "bulk_names": found.bulks.names,
    }


def training_from(arrays: Mapping[str, np.ndarray]) -> Training:
    """The training set of `training_arrays`."""
    names = np.asarray(arrays["bulk_names"], dtype=str)
    where = "one context"
    return Training(
        arrays["means"],
        np.asarray(arrays["names"], dtype=str),
        pd.Index(np.asarray(arrays["genes"], dtype=str)),
        {where: arrays["control"]},
        arrays["n_cells"],
        bulks=Bulks(arrays["bulks"], names, np.repeat(where, len(names))),
    )


@step
def graph_trials(
    training, validation, *, gene_sets: dict | None, n_trials: int, seed: int, n_steps: int
) -> pd.DataFrame:
    """Trials of the graph network; see `helpers.models.effects.tuning.trials`."""
    model = GraphNetwork(gene_sets, n_steps=n_steps)
    return _trials(GRAPH_GRID, model, training, validation, n_trials, seed)


@step
def latent_trials(training, validation, *, n_trials: int, seed: int, n_steps: int) -> pd.DataFrame:
    """Trials of the latent-additive autoencoder."""
    model = LatentAdditive(n_steps=n_steps)
    return _trials(LATENT_GRID, model, training, validation, n_trials, seed)


@step
def transformer_trials(
    training, validation, *, n_trials: int, seed: int, n_steps: int
) -> pd.DataFrame:
    """Trials of the masked transformer."""
    model = PerturbationTransformer(n_steps=n_steps)
    return _trials(TRANSFORMER_GRID, model, training, validation, n_trials, seed)


def _trials(grid: Mapping, model, training, validation, n_trials: int, seed: int) -> pd.DataFrame:
    data = training_from(training), training_from(validation)
    return tuning.trials(model, grid, *data, n_trials=n_trials, seed=seed)


@step
def graph_means(
    training,
    *,
    names: list,
    gene_sets: dict | None,
    seed: int,
    n_steps: int,
    trials=None,
    shuffled: bool = False,
) -> pd.DataFrame:
    """What the graph network predicts, (conditions, genes); rows of NaN where it cannot.

    Parameters
    ----------
    training : dict of arrays
        Of `training_arrays`.
    names : list of str
    gene_sets : dict, optional
    seed : int
        Of the initialisation.
    n_steps : int
    trials : DataFrame, optional
        The best of them gives the parameters.
    shuffled : bool
        Names of training conditions are dealt anew.
    """
    return _means(GraphNetwork(gene_sets, n_steps=n_steps), training, names, seed, trials, shuffled)


@step
def latent_means(
    training, *, names: list, seed: int, n_steps: int, trials=None, shuffled: bool = False
) -> pd.DataFrame:
    """What the latent-additive autoencoder predicts; see `graph_means`."""
    return _means(LatentAdditive(n_steps=n_steps), training, names, seed, trials, shuffled)


@step
def transformer_means(
    training, *, names: list, seed: int, n_steps: int, trials=None, shuffled: bool = False
) -> pd.DataFrame:
    """What the masked transformer predicts; see `graph_means`."""
    return _means(PerturbationTransformer(n_steps=n_steps), training, names, seed, trials, shuffled)


def _means(model, training, names, seed, trials, shuffled) -> pd.DataFrame:
    data = training_from(training)
    model.set_params(seed=seed, **({} if trials is None else tuning.best(trials)))
    if shuffled:
        model = ShuffledLabels(model, seed=seed)
    return pd.DataFrame(model.fit(data).predict(names), index=names, columns=data.genes)


def simple_models(
    kind: str, gene_sets: Mapping | None, *, train: Iterable[str], genes: Iterable[str]
) -> dict[str, EffectModel]:
    """What the deep models are compared with, by name.

    Left out is a linear model whose embedding knows too few of the training perturbations: of
    measured genes none, of gene sets fewer than three.
    """
    parts = pd.Index({part for name in train for part in name.split("+")})
    found = {"no change": NoChange(), "mean": MeanChange(with_control=True)}
    if kind == "doubles":
        found |= {
            "additive": Additive(),
            "linear model": BilinearModel(perturbations="changes"),
        }
    elif parts.isin(genes).any():
        found |= {"linear model": BilinearModel()}
    if gene_sets:
        embedding = gene_set_embedding(gene_sets, n_dims=20, at_least=2)
        if parts.isin(embedding.index).sum() >= 3:
            found["linear model, gene sets"] = BilinearModel(perturbations=embedding)
    return found


@step
def split_scores(
    screen,
    *,
    manifest: str,
    kind: str,
    given: dict,
    gene_sets: dict | None,
    seed: int,
    planted=None,
    context: str | None = None,
    n_controls: int | None = None,
    n_genes: int | None = None,
) -> pd.DataFrame:
    """Every metric of means for given predictions and for simple models, on one split.

    Parameters
    ----------
    screen : AnnData of counts
    manifest : str
        Of the split.
    kind : str
        See `shared_out`.
    given : dict of name to DataFrame
        Predictions by model and initialisation; see `named`. Of the first initialisation, the mean
        over the scored conditions is scored too, as a model that is not told the perturbation.
    gene_sets : dict, optional
    seed, context, n_controls, n_genes
        As in `training_arrays`.
    planted : DataFrame, optional
        Of `deep_profiles`: the planted truth.

    Returns
    -------
    DataFrame
        Of `scores_of`.
    """
    split = read_manifest(manifest)
    scene = make_scene(screen, seed=seed, context=context, n_controls=n_controls, n_genes=n_genes)
    models = simple_models(kind, gene_sets, train=split.train, genes=scene.genes)
    for name, means in given.items():
        models[name] = Stored(means)
        if name.endswith(named("", 0)):
            alike = np.tile(means.mean(axis=0), (len(means), 1))
            blind = name.removesuffix(named("", 0)) + BLIND
            models[blind] = Stored(pd.DataFrame(alike, means.index, means.columns))
    if planted is not None:
        # The planted change, from the controls that all predictions start from.
        start = scene.predicted_from - planted.loc[CONTROL, scene.genes].to_numpy()
        models[PLANTED] = Stored(planted[scene.genes] + start)
    return scores_of(scene, split, models, seed=seed)


def named(model: str, initialisation: int) -> str:
    """Name of a model's fit from one initialisation.

    Examples
    --------
    >>> named("graph network", 0)
    'graph network, initialisation 1'
    """
    return f"{model}, initialisation {initialisation + 1}"
