"""What the three small deep models share: how conditions are fed, and the loop that fits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from helpers.data.contract import CONTROL, DataError
from helpers.models.effects.training import Bulks, Training

MOST_PARTS = 2
WARM_UP = 0.1  # of the steps, while the learning rate rises


@dataclass(frozen=True)
class Vocabulary:
    """Genes that can be perturbed, by number.

    Parameters
    ----------
    genes : list of str
        Unique.
    """

    genes: list[str]

    def encode(self, parts: Sequence[Sequence[str]]) -> np.ndarray:
        """Numbers of the parts of conditions, (n, 2); -1 where there is no second one.

        A condition with a part that is not in the vocabulary is [-1, -1].

        Raises
        ------
        DataError
            A condition of more than two parts.
        """
        number = {gene: i for i, gene in enumerate(self.genes)}
        found = np.full((len(parts), MOST_PARTS), -1)
        for row, those in enumerate(parts):
            if len(those) > MOST_PARTS:
                raise DataError(f"{'+'.join(those)}: these models take {MOST_PARTS} parts at most")
            if all(part in number for part in those):
                found[row, : len(those)] = [number[part] for part in those]
        return found


def parts_of(training: Training) -> list[list[str]]:
    """Parts of the training conditions.

    Raises
    ------
    DataError
        No condition to learn from, or no gene.
    """
    if not len(training.names) or not len(training.genes):
        raise DataError(
            f"{len(training.names)} training conditions of {len(training.genes)} genes: a network "
            "needs one of each at least"
        )
    return [name.split("+") for name in training.names]


def scale_of(training: Training) -> float:
    """Root mean square of all changes; 1 where nothing changes."""
    return float(np.sqrt(np.mean(training.changes**2))) or 1.0


def bulks_of(training: Training) -> Bulks:
    """Bulks of the training set; where it has none, its pseudobulks and its controls."""
    if training.bulks is not None:
        return training.bulks
    bare = list(training.controls)
    return Bulks(
        np.vstack([training.means, *(training.controls[c][None] for c in bare)]),
        np.concatenate([training.names, np.repeat(CONTROL, len(bare))]),
        np.concatenate([training.contexts, np.array(bare, dtype=str)]),
    )


def descend(
    network,
    loss_of: Callable,
    *,
    n_steps: int,
    learning_rate: float,
    weight_decay: float = 0.0,
) -> None:
    """Fit the parameters of a network by AdamW, the rate rising on a line, then a half cosine.

    Parameters
    ----------
    network : torch.nn.Module
    loss_of : callable
        Of the number of the step, to the loss of a minibatch.
    n_steps : int
    learning_rate : float
        The highest.
    weight_decay : float

    Raises
    ------
    ValueError
        A negative number of steps, or a rate that is not above 0.
    FloatingPointError
        The loss is not finite: the rate is too high.
    """
    import torch

    if n_steps < 0 or not learning_rate > 0:
        raise ValueError(f"n_steps is {n_steps}, learning_rate {learning_rate}; 0 or more, above 0")
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True
    )
    for number in range(n_steps):
        done = (number + 1) / n_steps
        up = min(done / WARM_UP, 1.0)
        down = (1 + np.cos(np.pi * max(0.0, (done - WARM_UP) / (1 - WARM_UP)))) / 2
        optimiser.param_groups[0]["lr"] = learning_rate * up * down
        loss = loss_of(number)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    if n_steps and not bool(torch.isfinite(loss)):
        raise FloatingPointError(f"the loss ends at {float(loss.detach())}: lower learning_rate")
