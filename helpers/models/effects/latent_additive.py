"""A latent-additive autoencoder, after CPA: effects add where the decoder bends.

Kept of CPA: a bulk is encoded into a basal state; an adversary tries to read the perturbation from
that state, and the encoder is trained to defeat it; each perturbation is a vector that is added to
the state, those of a combination one after the other; a decoder that is not linear reads the sum:
each dimension saturates, then weighs on genes. A prediction encodes controls, adds the vectors and
decodes: the counterfactual.

Changed: the adversary is linear and solved for, not trained, which is steadier with few bulks; the
state is noisy and has a price, as in a variational autoencoder, so that no other network could read
much from it either; what the decoder gets wrong of controls is taken off the prediction.

Left out: single cells (bulks of some), doses, covariates, counts (squared error of log1p CP10k).
Nothing follows for CPA.
"""

import numpy as np

from helpers.data.contract import CONTROL
from helpers.models.effects.deep_parts import Vocabulary, bulks_of, descend, parts_of, scale_of
from helpers.models.effects.training import EffectModel, Training
from helpers.models.reproducible import reproducible

STATE_NOISE = 0.2
"""Standard deviation added to a state. Where it is as large as vectors of perturbations are, the
decoder learns changes that are blurred, and saturates too early."""


class LatentAdditive(EffectModel):
    """Autoencoder in whose latent space perturbations add.

    A perturbation that no training condition holds has no vector, and no prediction.

    Parameters
    ----------
    n_latent : int
        Of the state and of the vectors of perturbations.
    n_hidden : int
        Width of the encoder.
    adversary : float
        Weight of what the adversary can read from the state.
    bottleneck : float
        Weight of what the state tells at all, in nats; what the vectors tell is free.
    n_steps, batch_size : int
    learning_rate, weight_decay : float
    seed : int
    device : str
        Of torch.

    References
    ----------
    Lotfollahi et al. 2023, Molecular Systems Biology 19.
    """

    def __init__(
        self,
        n_latent: int = 32,
        n_hidden: int = 64,
        adversary: float = 1.0,
        bottleneck: float = 0.1,
        n_steps: int = 300,
        batch_size: int = 256,
        learning_rate: float = 1e-1,
        weight_decay: float = 0.6,
        seed: int = 0,
        device: str = "cpu",
    ):
        self.n_latent = n_latent
        self.n_hidden = n_hidden
        self.adversary = adversary
        self.bottleneck = bottleneck
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.seed = seed
        self.device = device

    def fit(self, training: Training) -> "LatentAdditive":
        """Fit on the bulks of the training set, or where it has none, on its pseudobulks.

        Raises
        ------
        DataError
            No condition to learn from.
        """
        super().fit(training)
        parts = parts_of(training)
        self.vocabulary_ = Vocabulary(sorted({part for those in parts for part in those}))
        self.scale_ = scale_of(training)
        bulks = bulks_of(training)
        start = np.array([training.controls[c] for c in bulks.contexts])
        values = ((bulks.means - start) / self.scale_).astype(np.float32)
        numbers = self.vocabulary_.encode(
            [[] if name == CONTROL else name.split("+") for name in bulks.names]
        )
        self.basal_ = {
            context: values[(bulks.names == CONTROL) & (bulks.contexts == context)]
            for context in training.controls
        }
        with reproducible(self.seed):
            self._fit(values, numbers)
        return self

    def _fit(self, values: np.ndarray, numbers: np.ndarray) -> None:
        import torch
        from torch.nn import functional as F

        device = torch.device(self.device)
        n_targets = len(self.vocabulary_.genes)
        self.network_ = _network(values.shape[1], n_targets, self.n_latent, self.n_hidden).to(
            device
        )
        x = torch.from_numpy(values).to(device)
        parts = torch.from_numpy(numbers).to(device)
        holds = torch.zeros(len(x), n_targets + 1, device=device)  # which perturbations a bulk has
        holds = holds.scatter(1, parts.clamp(min=-1) + 1, 1.0)[:, 1:]
        # Each condition is drawn as often as any other, however many bulks it has.
        _, condition, n_bulks = np.unique(numbers, axis=0, return_inverse=True, return_counts=True)
        chance = torch.from_numpy(1 / n_bulks[condition.ravel()])
        size = self.batch_size
        draw = torch.Generator().manual_seed(self.seed)

        def loss_of(number):
            rows = torch.multinomial(chance, size, replacement=True, generator=draw).to(device)
            state = self.network_.encode(x[rows])  # (B, K)
            noise = STATE_NOISE * torch.randn(state.shape, generator=draw).to(device)
            decoded = self.network_.decode(state + noise, parts[rows])
            error = F.mse_loss(decoded, x[rows])
            cost = (state**2).sum(dim=1).mean() / 2  # nats that the state tells of a bulk
            return error + self.bottleneck * cost + self.adversary * read_from(state, holds[rows])

        descend(
            self.network_,
            loss_of,
            n_steps=self.n_steps,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
        )

    def _changes(self, parts, context):
        numbers = self.vocabulary_.encode(parts)
        known = numbers[:, 0] >= 0
        changes = np.full((len(parts), len(self.training_.genes)), np.nan)
        if not known.any():
            return changes
        only = next(iter(self.basal_)) if context is None else context
        with reproducible(self.seed):
            import torch

            with torch.no_grad():
                state = self.network_.encode(
                    torch.from_numpy(self.basal_[only]).to(self.device)
                )  # (n, K)
                nothing = torch.full((len(state), numbers.shape[1]), -1, device=self.device)
                start = self.network_.decode(state, nothing)
                for row in np.flatnonzero(known):
                    own = torch.from_numpy(numbers[row]).to(self.device).expand(len(state), -1)
                    change = (self.network_.decode(state, own) - start).mean(dim=0)
                    changes[row] = self.scale_ * change.cpu().numpy()
        return changes


def read_from(state, holds):
    """Share of the variance of what is perturbed that a linear adversary reads from a state.

    The adversary is the best one, solved for anew at every step: nothing that is trained could read
    more along a line.

    Parameters
    ----------
    state : tensor of shape (n_bulks, n_latent)
    holds : tensor of shape (n_bulks, n_targets), 0 or 1

    Returns
    -------
    tensor, in [0, 1]
    """
    import torch

    z, h = state - state.mean(dim=0), holds - holds.mean(dim=0)
    second = z.T @ z
    eye = torch.eye(len(second), device=second.device)
    # A small penalty, so that a state without variance can be solved for.
    guess = z @ torch.linalg.solve(
        second + (1e-4 * second.trace() / len(second) + 1e-8) * eye, z.T @ h
    )
    return (guess * h).sum() / (h**2).sum().clamp(min=1e-8)


def _perceptron(n_in: int, n_hidden: int, n_out: int):
    from torch import nn

    return nn.Sequential(
        nn.Linear(n_in, n_hidden),
        nn.ReLU(),
        nn.Linear(n_hidden, n_hidden),
        nn.ReLU(),
        nn.Linear(n_hidden, n_out),
    )


def _network(n_genes: int, n_targets: int, n_latent: int, n_hidden: int):
    """B bulks, G genes, V perturbable genes, K dimensions of the latent space."""
    import torch
    from torch import nn

    class Autoencoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = _perceptron(n_genes, n_hidden, n_latent)
            self.decoder = nn.Sequential(nn.Tanh(), nn.Linear(n_latent, n_genes))
            self.perturbed = nn.Parameter(torch.randn(n_targets, n_latent))  # (V, K)

        def encode(self, x):
            return self.encoder(x)  # (B, K)

        def decode(self, state, parts):
            """States (B, K) and numbers of the parts (B, 2) to expression, (B, G)."""
            there = (parts >= 0).float()[..., None]
            return self.decoder(state + (there * self.perturbed[parts.clamp(min=0)]).sum(dim=1))

    return Autoencoder()
