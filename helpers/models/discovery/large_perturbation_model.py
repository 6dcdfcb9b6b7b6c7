"""The large perturbation model: a value of a context, a perturbation and a readout.

Miladinovic et al. 2025; perturblib/perturblib 9e79ae3 (`models/collection/lpm.py`). Three tables of
vectors and a network over their concatenation, trained on scalar values. The first layer is linear
in the concatenation, so that whole profiles are computed at once: both forms are below, and equal.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from helpers.data.discovery.profiles import Profiles, Vocabulary
from helpers.data.errors import DataError
from helpers.models.reproducible import reproducible


@dataclass(frozen=True, kw_only=True)
class Size:
    """Hyperparameters.

    Parameters
    ----------
    embedding_dim, hidden_dim, n_layers : int
        d, h, L.
    bag : {"mean", "sum", "max"}
        How the vectors of a combination become one.
    dropout : float
    learning_rate, decay : float
        Of AdamW (weight decay 0.01, on tables and biases too), times `decay` after each epoch.
    n_epochs, batch : int
        Values a step; of whole profiles, as many as come nearest to it.
    """

    embedding_dim: int = 128
    hidden_dim: int = 256
    n_layers: int = 2
    bag: Literal["mean", "sum", "max"] = "mean"
    dropout: float = 0.1
    learning_rate: float = 0.002
    decay: float = 0.97
    n_epochs: int = 50
    batch: int = 1_000

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise DataError(f"dropout is {self.dropout}; at least 0, below 1")
        for name in ("embedding_dim", "hidden_dim", "n_layers", "n_epochs", "batch"):
            if getattr(self, name) < 1:
                raise DataError(f"{name} is {getattr(self, name)}; at least 1")


PUBLISHED = {
    "lincs_paper_lpm": Size(),
    "replogle_k562_paper_lpm": Size(
        embedding_dim=32, hidden_dim=512, dropout=0.0, decay=0.99, batch=5_000
    ),
    "replogle_rpe1_paper_lpm": Size(
        embedding_dim=32, hidden_dim=512, dropout=0.0, learning_rate=0.005, decay=0.99, batch=5_000
    ),
}
"""Configurations that were released, five seeds each (13 to 17)."""
SMALL = Size(embedding_dim=16, hidden_dim=64, learning_rate=0.01, n_epochs=40)
"""For two cores and simulated tensors of some hundred profiles."""


class Active(torch.autograd.Function):
    """relu, then dropout, in one pass each way: where the output is 0 no gradient goes back."""

    @staticmethod
    def forward(ctx, x, kept, scale: float):
        """Values, bool of the same shape, 1 / (1 - dropout) -> values."""
        found = x.clamp(min=0).mul_(kept).mul_(scale)
        ctx.save_for_backward(found)
        ctx.scale = scale
        return found

    @staticmethod
    def backward(ctx, gradient):
        """Of the values alone."""
        (found,) = ctx.saved_tensors
        own = torch.ops.aten.threshold_backward(gradient, found, 0)
        return own.mul_(ctx.scale), None, None


def kept(shape: tuple[int, ...], dropout: float, rng: np.random.Generator) -> torch.Tensor:
    """Which units stay, each with probability 1 - dropout, one independent of all others.

    A unit is dropped where a random byte is below 256 x dropout. The one byte at which that number
    is not whole is decided by a further draw, so that the share is exact. Torch's own draw, of a
    number a unit, takes longer than the matrix product before it.

    Parameters
    ----------
    shape : tuple of int
    dropout : float in [0, 1)
    rng : numpy.random.Generator

    Returns
    -------
    bool tensor of that shape
    """
    n = int(np.prod(shape))
    byte = rng.bit_generator.random_raw(-(-n // 8)).view(np.uint8)[:n]
    last = int(256 * dropout)
    found = byte > last
    edge = np.flatnonzero(byte == last)
    found[edge] = rng.random(len(edge)) >= 256 * dropout - last
    return torch.from_numpy(found).reshape(shape)


class LargePerturbationModel(nn.Module):
    """y = MLP([z_context; z_perturbation; z_readout]).

    Parameters
    ----------
    n_contexts, n_perturbations, n_readouts : int
    size : Size
    """

    def __init__(self, n_contexts: int, n_perturbations: int, n_readouts: int, size: Size):
        super().__init__()
        if size.bag not in ("mean", "sum", "max"):
            raise DataError(f"bag is {size.bag!r}; mean, sum or max")
        self.size, d, h = size, size.embedding_dim, size.hidden_dim
        widths = [3 * d, *[h] * size.n_layers]
        self.hidden = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(widths)])
        self.out = nn.Linear(h, 1)
        for layer in [*self.hidden, self.out]:  # biases stay at torch's default
            nn.init.xavier_uniform_(layer.weight, gain=2**0.5)
        self.context = nn.Embedding(n_contexts, d)  # N(0, 1), as all tables
        self.perturbation = nn.Embedding(n_perturbations, d)
        self.readout = nn.Embedding(n_readouts, d)
        self.noise = np.random.Generator(np.random.SFC64(int(torch.randint(2**62, ()))))

    def active(self, x: torch.Tensor) -> torch.Tensor:
        """relu, and dropout while it is trained."""
        if not self.training or not self.size.dropout:
            return F.relu(x)
        if x.device.type != "cpu":  # there torch's own draw costs nothing beside the products
            return F.dropout(F.relu(x), self.size.dropout)
        mask = kept(x.shape, self.size.dropout, self.noise)
        return Active.apply(x, mask, 1 / (1 - self.size.dropout))

    def bag(self, components: torch.Tensor) -> torch.Tensor:
        """(n, k) numbers, -1 where a profile has fewer components -> (n, d)."""
        there = (components >= 0).unsqueeze(-1)
        vectors = self.perturbation(components.clamp(min=0))  # (n, k, d)
        if self.size.bag == "max":
            return vectors.masked_fill(~there, -torch.inf).max(dim=1).values
        total = (vectors * there).sum(dim=1)
        return total / there.sum(dim=1) if self.size.bag == "mean" else total

    def forward(self, context, components, readout) -> torch.Tensor:
        """Scalar form: (n,), (n, k), (n,) numbers -> (n,) values."""
        x = torch.cat([self.context(context), self.bag(components), self.readout(readout)], dim=1)
        for layer in self.hidden:
            x = self.active(layer(x))
        return self.out(x).squeeze(-1)

    def profiles(self, context, components, readout) -> torch.Tensor:
        """Factored form: n profiles (n,), (n, k) over readouts (m,) -> (n, m) values."""
        first, d = self.hidden[0], self.size.embedding_dim
        pair = torch.cat([self.context(context), self.bag(components)], dim=1)
        rows = F.linear(pair, first.weight[:, : 2 * d], first.bias)  # (n, h)
        columns = F.linear(self.readout(readout), first.weight[:, 2 * d :])  # (m, h)
        x = rows.unsqueeze(1) + columns.unsqueeze(0)  # (n, m, h)
        x = self.active(x)
        for layer in self.hidden[1:]:
            x = self.active(layer(x))
        return self.out(x).squeeze(-1)


def n_parameters(size: Size, n_symbols: int) -> int:
    """Of a model over so many contexts, perturbations and readouts together."""
    d, h = size.embedding_dim, size.hidden_dim
    return n_symbols * d + 3 * d * h + h + (size.n_layers - 1) * (h * h + h) + h + 1


def rate_after(size: Size) -> float:
    """Learning rate of the last epoch, as a share of the first."""
    return size.decay ** (size.n_epochs - 1)


@dataclass
class LPM:
    """One network, fitted to profiles.

    Parameters
    ----------
    size : Size
    random_state : int
        Of the start, the order of batches and dropout.
    form : {"factored", "scalar"}
        Batches of whole profiles, or of scalar values from anywhere as released.
    unknown : str
        Policy for perturbations that are not in the vocabulary; as released, "control".

    Attributes
    ----------
    vocabulary_ : Vocabulary
    network_ : LargePerturbationModel
    rmse_ : list of float
        Of training batches, an epoch each.
    """

    size: Size = SMALL
    random_state: int = 13
    form: Literal["factored", "scalar"] = "factored"
    unknown: str = "control"
    rmse_: list = field(default_factory=list, init=False, repr=False)

    def fit(self, profiles: Profiles) -> LPM:
        """Train on all measured values of the profiles."""
        if self.form not in ("factored", "scalar"):
            raise DataError(f"form is {self.form!r}; factored or scalar")
        if not profiles.mask.any():
            raise DataError("no value was measured: there is nothing to train on")
        self.vocabulary_ = v = Vocabulary.of(profiles)
        codes = v.encode(profiles.context, profiles.perturbation, profiles.readout)[:3]
        with reproducible(self.random_state):
            sizes = (len(v.context), len(v.perturbation), len(v.readout))
            self.network_ = LargePerturbationModel(*sizes, self.size)
            self._train(*map(torch.from_numpy, codes), profiles)
        return self

    def _train(self, context, components, readout, profiles) -> None:
        net, size = self.network_.train(), self.size
        values = torch.from_numpy(np.ascontiguousarray(profiles.value, dtype=np.float32))
        mask = torch.from_numpy(np.ascontiguousarray(profiles.mask))
        whole = bool(mask.all())
        optimiser = torch.optim.AdamW(net.parameters(), lr=size.learning_rate, fused=True)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, size.decay)
        order = torch.Generator().manual_seed(self.random_state)
        at = mask.nonzero()  # scalar form: profile and readout of each measured value
        n_units = len(values) if self.form == "factored" else len(at)
        step = (
            max(1, round(size.batch / values.shape[1])) if self.form == "factored" else size.batch
        )
        self.rmse_ = []
        for _ in range(size.n_epochs):
            total, n = 0.0, 0
            for rows in torch.randperm(n_units, generator=order).split(step):
                if self.form == "factored":
                    found = net.profiles(context[rows], components[rows], readout)
                    error = (found - values[rows]) ** 2
                    error = error.reshape(-1) if whole else error[mask[rows]]
                else:
                    i, j = at[rows].T
                    error = (net(context[i], components[i], readout[j]) - values[i, j]) ** 2
                if not len(error):
                    continue  # profiles of which nothing was measured
                optimiser.zero_grad()
                error.mean().backward()
                optimiser.step()
                total, n = total + error.detach().sum().item(), n + len(error)
            schedule.step()
            self.rmse_.append((total / n) ** 0.5)
        net.eval()

    @torch.no_grad()
    def predict(self, context, perturbation, readout) -> np.ndarray:
        """Profiles over readouts, shape (n_profiles, n_readouts).

        Raises
        ------
        DataError
            A model that was not fitted, a context or readout that was never seen, or, by the
            policy, a perturbation. With "drop", rows of unknown perturbations are NaN.
        """
        if not hasattr(self, "vocabulary_"):
            raise DataError("the model was not fitted: call fit, or load one")
        *codes, kept = self.vocabulary_.encode(context, perturbation, readout, unknown=self.unknown)
        context, components, readout = map(torch.from_numpy, codes)
        found = np.full((len(kept), len(readout)), np.nan, dtype=np.float32)
        step = max(1, 50_000 // max(1, len(readout)))
        parts = [
            self.network_.profiles(c, p, readout)
            for c, p in zip(context.split(step), components.split(step), strict=True)
        ]
        found[kept] = torch.cat(parts).numpy() if parts else 0
        return found

    def embedding(self, kind: Literal["context", "perturbation", "readout"]) -> np.ndarray:
        """Vectors of the symbols of one kind, in the order of the vocabulary."""
        return getattr(self.network_, kind).weight.detach().numpy().copy()

    def save(self, path: Path) -> None:
        """Weights with the vocabulary, all sizes, the bag, and what is trainable."""
        torch.save(
            {
                "size": asdict(self.size),
                "form": self.form,
                "unknown": self.unknown,
                "random_state": self.random_state,
                "vocabulary": {k: list(v) for k, v in asdict(self.vocabulary_).items()},
                "state": self.network_.state_dict(),
                "trainable": {n: p.requires_grad for n, p in self.network_.named_parameters()},
            },
            path,
        )


def load(path: Path, vocabulary: Vocabulary | None = None) -> LPM:
    """A model as it was saved.

    Parameters
    ----------
    path : Path
    vocabulary : Vocabulary, optional
        That of the data at hand: numbers of another vocabulary would name other symbols.

    Raises
    ------
    DataError
        The file holds no such model or is cut short, or is of another vocabulary.
    """
    if not zipfile.is_zipfile(path):  # what torch writes; its directory stands at the end
        raise DataError(f"{path}: no checkpoint, or one that is cut short; save it anew")
    held = torch.load(path, weights_only=True)
    if not isinstance(held, dict) or not {"size", "vocabulary", "state"} <= set(held):
        raise DataError(f"{path}: a file of torch, but not one that `LPM.save` wrote")
    own = Vocabulary(**{k: tuple(v) for k, v in held["vocabulary"].items()})
    if vocabulary is not None and vocabulary != own:
        kinds = [k for k in asdict(own) if getattr(own, k) != getattr(vocabulary, k)]
        raise DataError(
            f"{path}: the checkpoint has another vocabulary ({', '.join(kinds)}); encode the data "
            "by that of the checkpoint"
        )
    model = LPM(Size(**held["size"]), held["random_state"], held["form"], held["unknown"])
    model.vocabulary_ = own
    sizes = (len(own.context), len(own.perturbation), len(own.readout))
    model.network_ = LargePerturbationModel(*sizes, model.size).eval()
    model.network_.load_state_dict(held["state"])
    for name, parameter in model.network_.named_parameters():
        parameter.requires_grad_(held["trainable"][name])
    return model


@dataclass
class Ensemble:
    """Networks that differ in their seed alone: mean, and standard deviation between them."""

    size: Size = SMALL
    seeds: Iterable[int] = (13, 14, 15, 16, 17)
    form: Literal["factored", "scalar"] = "factored"
    unknown: str = "control"

    def fit(self, profiles: Profiles) -> Ensemble:
        """Fit each network to the profiles."""
        self.models_ = [
            LPM(self.size, s, self.form, self.unknown).fit(profiles) for s in self.seeds
        ]
        return self

    def predict(self, context, perturbation, readout) -> tuple[np.ndarray, np.ndarray]:
        """Mean and sample standard deviation (NaN of one network), each as of `LPM.predict`."""
        found = np.array([m.predict(context, perturbation, readout) for m in self.models_])
        sd = found.std(axis=0, ddof=1) if len(found) > 1 else np.full(found.shape[1:], np.nan)
        return found.mean(axis=0), sd
