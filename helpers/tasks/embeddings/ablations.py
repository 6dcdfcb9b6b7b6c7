"""One choice at a time: what becomes of PCA and scVI when it is made otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from helpers.data.genes import shared_genes, variable_genes
from helpers.data.splits import some_cells
from helpers.models.embeddings.scvi import INPUTS, LIKELIHOODS, scvi_embedding, scvi_fit
from helpers.models.pca import pca_embedding, pca_fit, pca_scores
from helpers.presets import by_preset, child_seeds
from helpers.store import Step
from helpers.tasks.embeddings.representations import roster, scvi_effort

FAMILIES = ("PCA", "scVI")
BASE = {"PCA": "PCA of log counts", "scVI": "scVI"}
"""The setting that the others of a family are compared with, named as in the roster."""
_NAMES = {"zinb": "ZINB", "nb": "NB", "poisson": "Poisson", "counts": "counts", "log1p": "logs"}


@dataclass(frozen=True)
class Setting:
    """A model with one choice made otherwise.

    Parameters
    ----------
    factor, label : str
        The choice, and what is chosen.
    family : str
        Settings that are compared with one base: `BASE` of it, or the model that it is called
        after.
    model : str
        Unique name, as in scores. The base of a family stands under every factor.
    embedding : Step
    params : mapping
    """

    factor: str
    label: str
    family: str
    model: str
    embedding: Step
    params: Mapping


def settings(
    screen: Step,
    *,
    seed: int,
    preset: str,
    n_dims: int = 64,
    split: Step | None = None,
    other: Step | None = None,
    factors: Sequence[str] | None = None,
) -> list[Setting]:
    """Every setting, factor by factor; those that only the roster has are its steps.

    Parameters
    ----------
    screen : Step
    seed : int
    preset : {"tiny", "book", "full"}
    n_dims : int
        Of the base.
    split, other : Step, optional
        As in `helpers.tasks.embeddings.representations.roster`.
    factors : sequence of str, optional
        Only these.
    """
    effort = scvi_effort(preset)

    def scvi_of(source=screen, seed=seed, **changed) -> Step:
        arguments = {"n_latent": n_dims, **effort, **changed}
        return scvi_embedding(screen, scvi_fit(source, seed=seed, **arguments))

    def pca_of(source=screen, **changed) -> Step:
        arguments = {"n_components": n_dims, **changed}
        return pca_scores(screen, pca_fit(source, seed=seed, **arguments))

    base = {"PCA": pca_embedding(screen, n_components=n_dims, seed=seed), "scVI": scvi_of()}
    found: list[Setting] = []

    def add(factor, label, family, embedding=None, **params) -> None:
        if embedding is None:
            model, embedding = BASE[family], base[family]
        else:
            model = f"{family}, {factor}: {label}"
        params = {"n_dims": n_dims, "fitted_on": "evaluation cells", **params}
        found.append(Setting(factor, label, family, model, embedding, params))

    raw = pca_embedding(screen, n_components=n_dims, seed=seed, scale="counts")
    add("what is modelled", "logs", "PCA")
    add("what is modelled", "counts", "PCA", raw, scale="counts")
    for inputs in INPUTS:
        for likelihood in LIKELIHOODS:
            label = f"{_NAMES[likelihood]} of {_NAMES[inputs]}"
            chosen = {"likelihood": likelihood, "inputs": inputs}
            is_base = chosen == {"likelihood": "zinb", "inputs": "counts"}
            changed = {k: v for k, v in chosen.items() if v not in ("zinb", "counts")}
            embedding = None if is_base else scvi_of(**changed)
            add("what is modelled", label, "scVI", embedding, **chosen)

    sizes = by_preset(preset, tiny=[300], book=[500, 1_500, 4_500], full=[1_000, 10_000, 100_000])
    for n_cells in sizes:
        few = some_cells(screen, n_cells=n_cells, seed=seed)
        add("cells", f"{n_cells:,}", "PCA", pca_of(split=few), n_cells=n_cells)
        add("cells", f"{n_cells:,}", "scVI", scvi_of(split=few), n_cells=n_cells)
    dims = by_preset(preset, tiny={16}, book={16, 32, 128}, full={32, 128})
    for n in sorted(dims | {n_dims}):
        given = {family: {} if n == n_dims else {"n_dims": n} for family in FAMILIES}
        pca = None if n == n_dims else pca_embedding(screen, n_components=n, seed=seed)
        scvi = None if n == n_dims else scvi_of(n_latent=n)
        add("dimensions", str(n), "PCA", pca, **given["PCA"])
        add("dimensions", str(n), "scVI", scvi, **given["scVI"])
    for n_genes in by_preset(preset, tiny=[100], book=[125, 500], full=[500, 2_000]):
        genes = variable_genes(screen, n_genes=n_genes)
        add("genes", f"{n_genes:,}", "PCA", pca_of(genes=genes), n_genes=n_genes)
        add("genes", f"{n_genes:,}", "scVI", scvi_of(genes=genes), n_genes=n_genes)
    for factor in ("cells", "genes"):
        for family in FAMILIES:
            add(factor, "all", family)

    for family in FAMILIES:
        add("fitted on", "evaluation cells", family)
    if split is not None:
        where = {"fitted_on": "training batches"}
        add("fitted on", where["fitted_on"], "PCA", pca_of(split=split), **where)
        add("fitted on", where["fitted_on"], "scVI", scvi_of(split=split), **where)
    if other is not None:
        genes, where = shared_genes(other, screen), {"fitted_on": "another data set"}
        add("fitted on", where["fitted_on"], "PCA", pca_of(other, genes=genes), **where)
        add("fitted on", where["fitted_on"], "scVI", scvi_of(other, genes=genes), **where)
    add("fitted on", "nothing", "scVI", scvi_of(n_steps=0), fitted_on="nothing")

    longer = {"n_steps": 2 * effort["n_steps"]}
    add("steps", f"{effort['n_steps']:,}", "scVI")
    add("steps", f"{longer['n_steps']:,}", "scVI", scvi_of(**longer), **longer)
    add("seed", "first", "scVI")
    add("seed", "second", "scVI", scvi_of(seed=child_seeds(seed, 3)[2]), draw=2)
    return found if factors is None else [one for one in found if one.factor in factors]


def fitted_elsewhere(
    screen: Step, *, seed: int, preset: str, n_dims: int, split: Step, other: Step
) -> list[Setting]:
    """Every trainable model of the roster, by the cells that it was fitted on.

    Parameters
    ----------
    screen, seed, preset, n_dims, split, other
        As in `helpers.tasks.embeddings.representations.roster`.

    Returns
    -------
    list of Setting
        Under one factor, labelled by the cells. A family is called after its fit on the evaluation
        cells, which is its base.
    """
    arguments = {"seed": seed, "preset": preset, "n_dims": n_dims, "split": split, "other": other}
    found = []
    for one in roster(screen, everywhere=True, **arguments).values():
        if one.fitted_on == "nothing":
            continue
        name = one.name.removesuffix(", training batches").removesuffix(", transferred")
        family = BASE.get(name, name)
        found.append(
            Setting("fitted on", one.fitted_on, family, one.name, one.embedding, one.params)
        )
    return found
