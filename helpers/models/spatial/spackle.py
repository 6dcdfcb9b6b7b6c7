"""SpaCKLE: a transformer that completes a spot from itself and its nearest spots.

As published, its attention runs over the spots of a mini-batch, not over the neighbours: the
encoder takes the first axis for the sequence, and the batch comes first. Both wirings are here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from helpers.data.contract import DataError
from helpers.data.spatial.geometry import nearest, nearest_within
from helpers.models.reproducible import reproducible

CHUNK = 256  # windows that go through the network together where that changes nothing
HIDE = 0.3  # share of all entries that training hides, by the rule of `hide_probability`


@dataclass(frozen=True)
class Wiring:
    """What tells the variants apart.

    Parameters
    ----------
    attend : {"batch", "neighbours"}
        Along which axis spots attend to one another.
    loss : {"all", "masked"}
        Squared errors of all entries of all spots of a window, filled ones included; or of the
        entries of its centre that were measured and hidden.
    centred : bool
        Values less the mean of their gene, so that a hidden entry stands at the mean, not far off.
    clean : bool
        Centred, with what is seen as a second input; what was not measured is hidden in training
        too; the output is added to the mean of the seen neighbours.
    across_slides : bool
        Neighbours among the spots of all slides, as released.
    """

    attend: str
    loss: str
    centred: bool = False
    clean: bool = False
    across_slides: bool = False

    def __post_init__(self) -> None:
        if self.attend not in ("batch", "neighbours"):
            raise DataError(f"attend is {self.attend!r}; it is batch or neighbours")
        if self.loss not in ("all", "masked"):
            raise DataError(f"loss is {self.loss!r}; it is all or masked")
        if self.clean and self.attend == "batch":
            raise DataError("the clean form adds to the mean of neighbours: it attends to them")


WIRINGS = {
    "SpaCKLE, as published": Wiring("batch", "all"),
    "SpaCKLE, over neighbours": Wiring("neighbours", "all"),
    "SpaCKLE, centred": Wiring("batch", "all", centred=True),
    "SpaCKLE, centred, over neighbours": Wiring("neighbours", "all", centred=True),
    "SpaCKLE, clean": Wiring("neighbours", "masked", centred=True, clean=True),
}


@dataclass(frozen=True)
class Size:
    """How large, and how long it is trained; the defaults are the published ones.

    Parameters
    ----------
    n_neighbours, n_layers, n_heads, feed_forward : int
    width : int
        Of a token; 0: one number a gene, as published.
    n_steps, batch : int
    check_every : int
        Steps between two looks at the validation slide.
    rate : float
        Of Adam.
    """

    n_neighbours: int = 18
    n_layers: int = 2
    n_heads: int = 1
    feed_forward: int = 2048
    width: int = 0
    n_steps: int = 1000
    batch: int = 256
    check_every: int = 10
    rate: float = 1e-3

    def __post_init__(self) -> None:
        counts = {k: v for k, v in vars(self).items() if k not in ("width", "rate")}
        if few := [f"{name} is {value}" for name, value in counts.items() if value < 1]:
            raise DataError(f"{', '.join(few)}: at least 1")


def network(n_genes: int, wiring: Wiring, size: Size):
    """The untrained network; at 128 genes and the published size it has 1.22 million parameters."""
    import torch
    from torch import nn

    class Spackle(nn.Module):
        def __init__(self):
            super().__init__()
            width = size.width or n_genes
            self.read = nn.Linear(2 * n_genes if wiring.clean else n_genes, width)
            layer = nn.TransformerEncoderLayer(
                width,
                size.n_heads,
                dim_feedforward=size.feed_forward,
                batch_first=wiring.attend == "neighbours",
            )
            self.encode = nn.TransformerEncoder(layer, size.n_layers, enable_nested_tensor=False)
            self.write = nn.Linear(width, n_genes)

        def forward(self, values, seen):
            """Windows of shape (batch, spots, genes): the centre first, then its neighbours."""
            if not wiring.clean:
                return self.write(self.encode(self.read(values)))
            out = self.write(self.encode(self.read(torch.cat([values, seen], dim=2))))
            return torch.cat([(out[:, 0] + around(values, seen))[:, None], out[:, 1:]], dim=1)

        def centres(self, values, seen):
            """What `forward` gives of the centres, (batch, genes), and of nothing else.

            The last layer is asked for the centre alone: half of the work is saved.
            """
            x = self.read(torch.cat([values, seen], dim=2) if wiring.clean else values)
            *before, last = self.encode.layers
            for layer in before:
                x = layer(x)
            heard = last.self_attn(x[:, :1], x, x, need_weights=False)[0]
            x = last.norm1(x[:, :1] + last.dropout1(heard))[:, 0]
            inner = last.dropout(last.activation(last.linear1(x)))
            out = self.write(last.norm2(x + last.dropout2(last.linear2(inner))))
            return out + around(values, seen) if wiring.clean else out

    return Spackle()


def around(values, seen):
    """Mean of what is seen in the neighbours of a window: (batch, genes)."""
    count = seen[:, 1:].sum(dim=1).clamp(min=1)
    return (values[:, 1:] * seen[:, 1:]).sum(dim=1) / count


def windows(places, slide, wiring: Wiring, size: Size) -> np.ndarray:
    """Rows of each spot's window: itself, then its nearest spots; shape (n_spots, 1 + k)."""
    if wiring.across_slides:
        around = nearest(places, size.n_neighbours)
    else:
        around = nearest_within(places, slide, size.n_neighbours)
    return np.column_stack([np.arange(len(around)), around])


def hide_probability(measured, *, share: float = HIDE) -> np.ndarray:
    """Chance of a measured entry to be hidden, by gene: p = min(1, share / measured share).

    Where a gene is measured in at least `share` of the spots, that share of all its entries is
    hidden on average.
    """
    found = np.asarray(measured, dtype=float).mean(axis=0)
    return np.minimum(1.0, share / np.maximum(found, 1e-12))


@dataclass(frozen=True)
class Fitted:
    """A trained network and what its input is centred on.

    Parameters
    ----------
    complete : callable
        Of values and what is seen, each masks x spots x genes, slides and places, to a value for
        every entry under every mask.
    n_parameters : int
    curve : list of (step, validation error)
    """

    complete: Callable
    n_parameters: int
    curve: list[tuple[int, float]]


def fit(target, measured, slide, places, split, *, wiring: Wiring, size: Size, seed: int) -> Fitted:
    """Train on the training slides; keep the weights that were best on the validation slide.

    Parameters
    ----------
    target : array of shape (n_spots, n_genes)
        As published the layer whose unmeasured entries the median has filled.
    measured : array of bool, the same shape
    slide, split : arrays of str, shape (n_spots,)
        Without a validation slide the training spots validate.
    places : array of shape (n_spots, 2)
    wiring : Wiring
    size : Size
    seed : int

    Raises
    ------
    DataError
        No spot trains, or a gene that no training spot has.
    """
    import torch

    train, val = (np.asarray(split) == side for side in ("train", "val"))
    if not train.any():
        raise DataError("no spot is there to train on")
    if (blind := ~np.asarray(measured)[train].any(axis=0)).any():
        raise DataError(
            f"{int(blind.sum())} genes are not measured in any training spot, the first in column "
            f"{int(blind.argmax())}: drop them"
        )
    val = val if val.any() else train
    mean = _mean(target, measured, train) if wiring.centred else np.zeros(target.shape[1])
    probability = torch.as_tensor(hide_probability(measured[train]), dtype=torch.float32)
    sides = [_Side(target, measured, slide, places, s, wiring, size, mean) for s in (train, val)]
    rng = np.random.default_rng(seed)
    hidden_val = sides[1].measured & torch.as_tensor(
        rng.random(sides[1].measured.shape) < probability.numpy()
    )
    with reproducible(seed):
        net = network(target.shape[1], wiring, size)
        optimiser = torch.optim.Adam(net.parameters(), lr=size.rate, fused=True)
        best, kept, curve = np.inf, None, []
        order = _batches(len(sides[0].windows), size.batch, rng)
        for number in range(1, size.n_steps + 1):
            net.train()
            loss = _loss(net, sides[0], torch.as_tensor(next(order)), probability, wiring)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if number % size.check_every == 0 or number == size.n_steps:
                error = _validation(net, sides[1], hidden_val, wiring, size)
                curve.append((number, error))
                if error < best:
                    best = error
                    kept = {k: v.clone() for k, v in net.state_dict().items()}
        net.load_state_dict(kept)
    net.eval()

    def complete(values, seen, slide, places):
        return _complete(net, values, seen, slide, places, wiring, size, mean)

    return Fitted(complete, sum(p.numel() for p in net.parameters()), curve)


def _mean(target, measured, rows) -> np.ndarray:
    own = measured[rows]
    return (target[rows] * own).sum(axis=0) / np.maximum(own.sum(axis=0), 1)


class _Side:
    """The spots of one side of the split, as tensors."""

    def __init__(self, target, measured, slide, places, rows, wiring, size, mean):
        import torch

        own = np.asarray(measured)[rows]
        values = np.asarray(target)[rows] - mean
        # Clean: what was not measured is hidden. As released it is seen, filled by the median.
        shown = own if wiring.clean else np.ones_like(own)
        self.target = torch.as_tensor(values, dtype=torch.float32)
        self.measured = torch.as_tensor(own)
        self.shown = torch.as_tensor(shown)
        found = windows(np.asarray(places)[rows], np.asarray(slide)[rows], wiring, size)
        self.windows = torch.as_tensor(found)


def _batches(n: int, batch: int, rng):
    """Rows of one mini-batch after the other, shuffled anew each time all have been taken."""
    batch = min(batch, n)
    while True:
        order = rng.permutation(n)
        for start in range(0, n - batch + 1, batch):
            yield order[start : start + batch]


def _loss(net, side: _Side, rows, probability, wiring: Wiring):
    """Error of one mini-batch whose measured entries are hidden at random."""
    import torch

    at = side.windows[rows]
    target, measured, shown = side.target[at], side.measured[at], side.shown[at]
    hidden = measured & (torch.rand(target.shape) < probability)
    seen = (shown & ~hidden).float()
    if wiring.loss == "all":
        return ((net(target * seen, seen) - target) ** 2).mean()
    if wiring.attend == "batch":
        out = net(target * seen, seen)[:, 0]
    else:
        out = net.centres(target * seen, seen)
    off = (out - target[:, 0]) ** 2 * hidden[:, 0]
    return off.sum() / hidden[:, 0].sum().clamp(min=1)


def _validation(net, side: _Side, hidden, wiring: Wiring, size: Size) -> float:
    """Mean squared error of the hidden, measured entries of the centres."""
    seen = (side.shown & ~hidden).float()
    out = _centres(net, (side.target * seen)[None], seen[None], side.windows, wiring, size)[0]
    return float(((out - side.target)[hidden] ** 2).mean())


def _centres(net, values, seen, at, wiring: Wiring, size: Size):
    """Output of every spot as a centre, under every mask: (masks, spots, genes)."""
    import torch

    net.eval()
    with torch.no_grad():
        if wiring.attend == "batch":
            # the slots of a window do not hear one another: masks take the place of neighbours
            batches = torch.split(at[:, 0], size.batch)
            parts = [net(values[:, rows].transpose(0, 1), None) for rows in batches]
            return torch.cat(parts).transpose(0, 1)
        chunks = torch.split(at, CHUNK)  # windows do not hear one another
        return torch.stack(
            [
                torch.cat([net.centres(v[rows], s[rows]) for rows in chunks])
                for v, s in zip(values, seen, strict=True)
            ]
        )


def _complete(net, values, seen, slide, places, wiring, size, mean) -> np.ndarray:
    import torch

    at = torch.as_tensor(windows(np.asarray(places), np.asarray(slide), wiring, size))
    shown = torch.as_tensor(np.asarray(seen), dtype=torch.float32)
    centred = torch.as_tensor(np.asarray(values) - mean, dtype=torch.float32) * shown
    with reproducible(0):
        out = _centres(net, centred, shown, at, wiring, size)
    return (out.numpy() + mean).astype(np.float32)


def perturbed(attend: str, *, n_genes: int = 16, n_spots: int = 12, seed: int = 0) -> dict:
    """How far a spot's output moves when its neighbours, and when other spots of the batch, do.

    Parameters
    ----------
    attend : {"batch", "neighbours"}
    n_genes, n_spots, seed : int
        Of random windows for a network with random weights.

    Returns
    -------
    dict
        `neighbour` and `other spot`: the largest change of the first spot's output. Along the axis
        that is not attended to it is exactly zero.
    """
    import torch

    wiring = Wiring(attend, "all")
    size = Size(feed_forward=64)
    with reproducible(seed), torch.no_grad():
        net = network(n_genes, wiring, size).eval()
        values = torch.rand(n_spots, 1 + size.n_neighbours, n_genes)
        before = net(values, None)[0, 0]
        moved = {}
        for name, at in (("neighbour", (0, 1)), ("other spot", (1, 0))):
            changed = values.clone()
            changed[at] += 1
            moved[name] = float((net(changed, None)[0, 0] - before).abs().max())
    return moved
