"""One choice at a time: what becomes of PCA and scVI when it is made otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from helpers.data.genes import shared_genes, variable_genes
from helpers.data.splits import some_cells
from helpers.models.embeddings.scvi import INPUTS, LIKELIHOODS, scvi_embedding, scvi_fit
from helpers.models.pca import pca_embedding, pca_fit, pca_scores
from helpers.presets import by_preset, child_seeds
from helpers.store.steps import Step
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
    grid = _Grid(screen, seed, preset, n_dims)
    grid.modelled()
    grid.cells()
    grid.dimensions()
    grid.genes()
    for factor, label in (("cells", "all"), ("genes", "all"), ("fitted on", "evaluation cells")):
        for family in FAMILIES:
            grid.add(factor, label, family)
    grid.fitted_on(split, other)
    grid.training()
    return [one for one in grid.found if factors is None or one.factor in factors]


class _Grid:
    """Settings of a screen, added factor by factor."""

    def __init__(self, screen: Step, seed: int, preset: str, n_dims: int):
        self.screen, self.seed, self.preset, self.n_dims = screen, seed, preset, n_dims
        self.effort = scvi_effort(preset)
        pca = pca_embedding(screen, n_components=n_dims, seed=seed)
        self.base = {"PCA": pca, "scVI": self.scvi()}
        self.found: list[Setting] = []

    def scvi(self, source: Step | None = None, **changed) -> Step:
        arguments = {"n_latent": self.n_dims, "seed": self.seed, **self.effort, **changed}
        return scvi_embedding(self.screen, scvi_fit(source or self.screen, **arguments))

    def pca(self, source: Step | None = None, **changed) -> Step:
        arguments = {"n_components": self.n_dims, "seed": self.seed, **changed}
        return pca_scores(self.screen, pca_fit(source or self.screen, **arguments))

    def add(self, factor, label, family, embedding: Step | None = None, **params) -> None:
        """One setting; the base of its family where no embedding is given."""
        model = BASE[family] if embedding is None else f"{family}, {factor}: {label}"
        params = {"n_dims": self.n_dims, "fitted_on": "evaluation cells", **params}
        embedding = self.base[family] if embedding is None else embedding
        self.found.append(Setting(factor, label, family, model, embedding, params))

    def both(self, factor, label, params: Mapping, source: Step | None = None, **changed) -> None:
        """PCA and scVI with the same change."""
        self.add(factor, label, "PCA", self.pca(source, **changed), **params)
        self.add(factor, label, "scVI", self.scvi(source, **changed), **params)

    def modelled(self) -> None:
        factor, dims = "what is modelled", self.n_dims
        raw = pca_embedding(self.screen, n_components=dims, seed=self.seed, scale="counts")
        self.add(factor, "logs", "PCA")
        self.add(factor, "counts", "PCA", raw, scale="counts")
        for inputs in INPUTS:
            for likelihood in LIKELIHOODS:
                label = f"{_NAMES[likelihood]} of {_NAMES[inputs]}"
                chosen = {"likelihood": likelihood, "inputs": inputs}
                changed = {k: v for k, v in chosen.items() if v not in ("zinb", "counts")}
                embedding = self.scvi(**changed) if changed else None
                self.add(factor, label, "scVI", embedding, **chosen)

    def cells(self) -> None:
        for n in by_preset(
            self.preset, tiny=[300], book=[500, 1_500, 4_500], full=[1_000, 10_000, 100_000]
        ):
            few = some_cells(self.screen, n_cells=n, seed=self.seed)
            self.both("cells", f"{n:,}", {"n_cells": n}, split=few)

    def dimensions(self) -> None:
        others = by_preset(self.preset, tiny={16}, book={16, 32, 128}, full={32, 128})
        for n in sorted(others | {self.n_dims}):
            if n == self.n_dims:
                for family in FAMILIES:
                    self.add("dimensions", str(n), family)
                continue
            pca = pca_embedding(self.screen, n_components=n, seed=self.seed)
            self.add("dimensions", str(n), "PCA", pca, n_dims=n)
            self.add("dimensions", str(n), "scVI", self.scvi(n_latent=n), n_dims=n)

    def genes(self) -> None:
        for n in by_preset(self.preset, tiny=[100], book=[125, 500], full=[500, 2_000]):
            genes = variable_genes(self.screen, n_genes=n)
            self.both("genes", f"{n:,}", {"n_genes": n}, genes=genes)

    def fitted_on(self, split: Step | None, other: Step | None) -> None:
        where = "training batches"
        if split is not None:
            self.both("fitted on", where, {"fitted_on": where}, split=split)
        where = "another data set"
        if other is not None:
            genes = shared_genes(other, self.screen)
            self.both("fitted on", where, {"fitted_on": where}, other, genes=genes)
        self.add("fitted on", "nothing", "scVI", self.scvi(n_steps=0), fitted_on="nothing")

    def training(self) -> None:
        n_steps, again = self.effort["n_steps"], child_seeds(self.seed, 3)[2]
        longer = {"n_steps": 2 * n_steps}
        self.add("steps", f"{n_steps:,}", "scVI")
        self.add("steps", f"{2 * n_steps:,}", "scVI", self.scvi(**longer), **longer)
        self.add("seed", "first", "scVI")
        self.add("seed", "second", "scVI", self.scvi(seed=again), draw=2)


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
