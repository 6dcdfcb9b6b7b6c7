"""Ten small models behind one fit and one predict: the same steps, selection and rates for all."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from helpers.data.errors import DataError
from helpers.models.reproducible import reproducible
from helpers.models.spatial.histology.bleep import BLEEP
from helpers.models.spatial.histology.exemplar_models import EGGN, EGN
from helpers.models.spatial.histology.lesson import (
    Memory,
    Small,
    Spots,
    View,
    nearest_exemplars,
    view_of,
)
from helpers.models.spatial.histology.patch_models import ShuffleNet, STNet, ViT, ViTDelta
from helpers.models.spatial.histology.sepal import SEPAL
from helpers.models.spatial.histology.slide_models import Hist2ST, HisToGene

MODELS: Mapping[str, type[Small]] = {
    "ShuffleNet": ShuffleNet,
    "ST-Net": STNet,
    "ViT": ViT,
    "ViT+delta": ViTDelta,
    "HisToGene": HisToGene,
    "Hist2ST": Hist2ST,
    "EGN": EGN,
    "EGGN": EGGN,
    "SEPAL": SEPAL,
    "BLEEP": BLEEP,
}
"""Small versions, each named after the model whose key idea it has."""
GRID = (1e-3, 2.154e-3, 4.642e-3, 1e-2)
"""Learning rates that are searched: three a decade, as published."""


@dataclass(frozen=True)
class Budget:
    """How long and how fast a model is trained.

    Parameters
    ----------
    n_steps, batch, check_every : int
        Steps of Adam, spots a step (of models of a window), steps between two looks at the
        validation slide.
    rate : float
    """

    n_steps: int = 150
    batch: int = 64
    check_every: int = 25
    rate: float = 4.642e-3


@dataclass(frozen=True)
class Fitted:
    """A trained small model, with what it remembers of its training slides."""

    model: Small
    memory: Memory
    side: int
    error: float

    def predict(self, spots: Spots) -> np.ndarray:
        """Expression of spots of whole slides, spots x genes.

        Raises
        ------
        DataError
            Windows of another size than it was trained on, or a slide that trained.
        """
        if spots.patches.shape[1] != self.side:
            raise DataError(
                f"windows have {spots.patches.shape[1]} pixels a side; the model was trained on "
                f"{self.side}"
            )
        if seen := sorted(set(spots.slide) & set(self.memory.slide)):
            raise DataError(f"slide {', '.join(seen)} was seen in training")
        with reproducible(0):
            return predicted(self.model, remembering(self.model, spots, self.memory)).numpy()


def as_arrays(found: Fitted) -> dict[str, np.ndarray]:
    """A trained model as arrays, which the store keeps; `restored` is the way back."""
    state = {f"model/{k}": v.numpy() for k, v in found.model.state_dict().items()}
    state |= {"key": found.memory.key.numpy(), "value": found.memory.value.numpy()}
    return state | {"side": np.array(found.side), "error": np.array(found.error)}


def restored(name: str, state: Mapping[str, np.ndarray], slide) -> Fitted:
    """A trained model from its arrays, and the slides of its training spots.

    Raises
    ------
    DataError
        The arrays are of another model, or of other training spots.
    """
    if name not in MODELS:
        raise DataError(f"no model {name!r}; there are {', '.join(MODELS)}")
    if len(state["key"]) != len(slide):
        raise DataError(
            f"the model was trained on {len(state['key'])} spots, {len(slide)} are given as such: "
            "the slides have other sides than in training"
        )
    mean = torch.from_numpy(np.asarray(state["model/mean"]))
    side = int(state["side"])
    model = MODELS[name](len(mean), side, mean)
    arrays = {k.removeprefix("model/"): v for k, v in state.items() if k.startswith("model/")}
    own = model.state_dict()
    if set(arrays) != set(own) or any(arrays[k].shape != tuple(own[k].shape) for k in own):
        raise DataError(f"these weights are not of {name}: their names or shapes differ")
    model.load_state_dict({k: torch.from_numpy(np.asarray(v)) for k, v in arrays.items()})
    key, value = (torch.from_numpy(np.asarray(state[k])) for k in ("key", "value"))
    memory = Memory(key, value, np.asarray(slide))
    return Fitted(model.eval(), memory, side, float(state["error"]))


def looks_at(found: Fitted, spots: Spots, row: int) -> np.ndarray:
    """How strongly the prediction of one spot hangs on the window of each spot.

    Parameters
    ----------
    found : Fitted
    spots : Spots
        One slide.
    row : int

    Returns
    -------
    ndarray of shape (n_spots,), >= 0
        Size of the gradient of all predicted genes together; exactly 0 where nothing is looked at.
    """
    with reproducible(0):
        view = remembering(found.model, spots, found.memory)
        view = replace(view, image=view.image.clone().requires_grad_())
        model = found.model.eval()
        (rows,) = (g for g in groups_of(model, view) if row in g.tolist())
        at = rows.tolist().index(row)
        read = model.reading(view, rows)[at]
        signs = torch.where(torch.arange(len(read)) % 2 == 0, 1.0, -1.0)
        (read * signs).sum().backward()
        slope = view.image.grad
    return slope.flatten(1).norm(dim=1).numpy()


def fit(
    name: str, spots: Spots, target, weight, split, *, budget: Budget, seed: int, measured=None
) -> Fitted:
    """Train a model; the state with the smallest error on the validation slide is kept.

    Parameters
    ----------
    name : str
        Of `MODELS`.
    spots : Spots
    target : array of shape (n_spots, n_genes)
        Logarithms.
    weight : array of bool, the same shape
        Entries that are learned from.
    split : array of str
        "train" or "val" of each spot; others are not looked at.
    budget : Budget
    seed : int
    measured : array of bool, optional
        Entries that validation scores; default: `weight`.

    Raises
    ------
    DataError
        An unknown model, no slide to train or to validate on, or a gene that is learned nowhere.
    """
    if name not in MODELS:
        raise DataError(f"no model {name!r}; there are {', '.join(MODELS)}")
    sides = {side: np.asarray(split) == side for side in ("train", "val")}
    if absent := [side for side, rows in sides.items() if not rows.any()]:
        raise DataError(f"no slide is there to {' or to '.join(absent)} on")
    if set(spots.slide[sides["train"]]) & set(spots.slide[sides["val"]]):
        raise DataError("a slide trains and validates")
    train, val = sides["train"], sides["val"]
    weight = np.asarray(weight, dtype=bool)
    if not weight[train].any(axis=0).all():
        raise DataError("a gene has nothing to be learned from in the training slides")
    scored = weight if measured is None else np.asarray(measured, dtype=bool)
    with reproducible(seed):
        y = torch.from_numpy(np.asarray(target[train], dtype=np.float32))
        w = torch.from_numpy(weight[train].astype(np.float32))
        mean = (w * y).sum(dim=0) / w.sum(dim=0)
        model = MODELS[name](y.shape[1], spots.patches.shape[1], mean)
        own = spots.rows(train)
        key = view_of(own).key
        memory = Memory(key, w * (y - mean), own.slide)
        here = remembering(model, own, memory)
        there = remembering(model, spots.rows(val), memory)
        asked = (target[val], scored[val])
        error = _train(model, here, y - mean if model.centred else y, w, there, asked, budget)
    return Fitted(model.eval(), memory, spots.patches.shape[1], error)


def remembering(model: Small, spots: Spots, memory: Memory) -> View:
    """A view of spots, with exemplars where the model looks them up."""
    view = view_of(spots)
    if not model.exemplar_power:
        return replace(view, memory=memory)
    found = nearest_exemplars(view.key, spots.slide, memory, power=model.exemplar_power)
    return replace(view, memory=memory, exemplars=found)


def groups_of(model: Small, view: View) -> list[torch.Tensor]:
    """Rows that are predicted together: slides, their quarters, or all."""
    if model.whole == "slide":
        return view.slides
    if model.whole == "tile":
        parts = [[rows[view.tile[rows] == t] for t in range(4)] for rows in view.slides]
        return [rows for many in parts for rows in many if len(rows)]
    return list(torch.arange(len(view.image)).split(512))


def predicted(model: Small, view: View) -> torch.Tensor:
    """Expression of all rows of a view, deltas added to the mean."""
    model.eval()
    out = torch.empty(len(view.image), model.n_genes)
    with torch.no_grad():
        for rows in groups_of(model, view):
            out[rows] = model.outputs(view, rows)
    return out + model.mean if model.centred else out


def _train(model: Small, view: View, y, w, there: View, asked, budget: Budget) -> float:
    """Train in place; return the error of the state that is kept."""
    truth, mask = (
        torch.from_numpy(np.asarray(asked[0], dtype=np.float32)),
        torch.from_numpy(asked[1]),
    )
    groups = groups_of(model, view)
    best, kept = float("inf"), copy.deepcopy(model.state_dict())
    for part in model.parts():
        optimiser = torch.optim.Adam(model.parameters(), lr=budget.rate)
        n_steps = budget.n_steps // len(model.parts())
        for number in range(1, n_steps + 1):
            model.train()
            if model.whole == "patch":
                rows = torch.randperm(len(view.image))[: budget.batch]
            else:
                rows = groups[int(torch.randint(len(groups), ()))]
            optimiser.zero_grad()
            model.loss(view, rows, y[rows], w[rows], part).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()
            if number % budget.check_every == 0 or number == n_steps:
                off = (predicted(model, there) - truth)[mask]
                if (error := float((off**2).mean())) < best:
                    best, kept = error, copy.deepcopy(model.state_dict())
        model.load_state_dict(kept)
    return best
