"""scVI (Lopez et al. 2018) in a page: the network and likelihoods of scvi-tools, a plain loop.

The decoder is told a cell's batch, the encoder is not: what it says of a cell needs no batch, and
cells of batches or screens that it never saw are embedded without further training. So does the
released benchmark (`batch_key` given, `encode_covariates` left at False, query data mapped without
training: Tx-Evaluation commit 1f24de0, biomodalities/methods/scvi_embeds.py).
"""

from __future__ import annotations

import math

import numpy as np

from helpers.data.contract import DataError
from helpers.data.genes import columns, training_rows
from helpers.data.matrix import canonical
from helpers.data.normalise import library_size, log1p_cp10k
from helpers.models.reproducible import reproducible
from helpers.store.steps import step

LIKELIHOODS = ("zinb", "nb", "poisson")
INPUTS = ("counts", "log1p")
DECODERS = ("neural", "linear")
VALIDATION_SHARE, MOST_VALIDATION = 0.1, 1_000
LEAST_TRAINING = 50
EPSILON = 1e-8
PEAK = 0.15  # of the steps, where the learning rate is highest


@step
def scvi_fit(
    screen,
    *,
    seed: int,
    n_steps: int,
    n_latent: int = 64,
    likelihood: str = "zinb",
    inputs: str = "counts",
    decoder: str = "neural",
    n_hidden: int = 128,
    n_layers: int = 1,
    dropout: float = 0.0,
    batch_size: int = 64,
    learning_rate: float = 0.02,
    n_evaluations: int = 12,
    split: dict | None = None,
    genes: list | None = None,
) -> dict[str, np.ndarray]:
    """Fit scVI, and keep its encoder and its learning curve.

    A tenth of the cells, at most 1,000, is for validation: nothing is chosen by it, it shows
    whether `n_steps` is enough. Adam with epsilon 0.01 and weight decay 1e-6, as in scvi-tools; the
    learning rate rises and falls once, which takes fewer steps than a constant one. The weight of
    the Kullback-Leibler term rises over the first third.

    Parameters
    ----------
    screen : AnnData of counts, shape (n_cells, n_genes), with `obs["batch"]`
    seed : int
    n_steps : int
        Gradient steps; 0 leaves the network as it was drawn, untrained.
    n_latent, n_hidden, n_layers : int
        Dimensions of the embedding; width and number of the hidden layers on either side.
    likelihood : {"zinb", "nb", "poisson"}
    inputs : {"counts", "log1p"}
        What is modelled: counts; or log1p CP10k, as in Bendidi et al. 2024 (appendix C.3), though
        none of the likelihoods is one of such values.
    decoder : {"neural", "linear"}
        "linear" is LinearSCVI (Svensson et al. 2020).
    dropout : float in [0, 1)
    batch_size : int
    learning_rate : float
        The highest.
    n_evaluations : int
        Points of the learning curve.
    split : dict of int arrays, optional
        Of `helpers.data.splits`: only `train` and `train_controls` are looked at.
    genes : list of str, optional
        Of the screen's; all by default. Cells are normalised by their whole library before.

    Returns
    -------
    dict of arrays
        `encoder.*`, parameters of the encoder; `genes` (n_genes,) and `inputs`; the learning curve
        `step`, `train_elbo`, `validation_elbo` of shape (n_evaluations,): the negative evidence
        lower bound in nats a cell, lower is better, the Kullback-Leibler term at full weight;
        `n_training` and `n_validation`, cells.

    Raises
    ------
    ValueError
        An argument out of range, or fewer training cells than a batch of gradient descent holds.
    DataError
        No counts (negative, missing or fractional values), cells without any, genes that are not
        measured, or a split of other cells.
    RuntimeError
        The fit diverged.
    """
    _check(likelihood, inputs, decoder, n_steps, n_latent, n_evaluations)
    rng = np.random.default_rng(seed)
    genes = screen.var_names.tolist() if genes is None else list(genes)
    rows = training_rows(screen, split)
    n_validation = min(int(VALIDATION_SHARE * len(rows)), MOST_VALIDATION)
    if len(rows) - n_validation < max(batch_size, LEAST_TRAINING):
        raise ValueError(
            f"{len(rows)} cells less {n_validation} for validation are fewer than the "
            f"{max(batch_size, LEAST_TRAINING)} needed: take more cells or a smaller batch_size"
        )
    X = _modelled(screen[rows], inputs)[:, columns(screen, genes)]
    if empty := int((X.sum(axis=1) == 0).sum()):
        raise DataError(
            f"{empty} of {len(X)} training cells have no counts in the {len(genes)} genes of the "
            "model; leave these cells out, or take more genes"
        )
    batch = np.unique(screen.obs["batch"].to_numpy()[rows].astype(str), return_inverse=True)[1]
    order = rng.permutation(len(rows))
    with reproducible(seed):
        training, validation = (
            _Cells(X[part], batch[part]) for part in (order[n_validation:], order[:n_validation])
        )
        network = _network(
            n_input=len(genes),
            n_batch=int(batch.max()) + 1,
            n_latent=n_latent,
            n_hidden=n_hidden,
            n_layers=n_layers,
            dropout_rate=dropout,
            gene_likelihood=likelihood,
            decoder=decoder,
        )
        curve = _train(
            *(network, likelihood, training, validation, rng),
            *(n_steps, batch_size, learning_rate, n_evaluations),
        )
    return {
        **_encoder(network.z_encoder),
        **curve,
        "genes": np.array(genes),
        "inputs": np.array(inputs),
        "n_training": np.array(len(rows) - n_validation),
        "n_validation": np.array(n_validation),
    }


@step
def scvi_embedding(screen, fit) -> np.ndarray:
    """Means of the latent posterior of cells, by an encoder that was fitted on these or others.

    Parameters
    ----------
    screen : AnnData of counts
        With every gene of the fit, in any order. Batches are not looked at.
    fit : dict of arrays
        Of `scvi_fit`.

    Returns
    -------
    ndarray of shape (n_cells, n_latent), float32

    Raises
    ------
    DataError
        Genes of the fit are not measured, or the screen holds no counts.
    """
    X = _modelled(screen, str(fit["inputs"]))[:, columns(screen, fit["genes"])]
    hidden = np.log1p(X)  # (n_cells, n_genes): the encoder takes logarithms of whatever it gets
    layer = 0
    while f"encoder.{layer}.weight" in fit:
        w, b, mean, var, gain, shift = (
            fit[f"encoder.{layer}.{name}"]
            for name in ("weight", "bias", "bn_mean", "bn_var", "bn_weight", "bn_bias")
        )
        scale = gain / np.sqrt(var + fit["encoder.bn_eps"])
        hidden = (hidden @ w.T + b - mean) * scale + shift  # (n_cells, n_hidden), batch norm
        hidden = np.maximum(hidden, 0).astype(np.float32)
        layer += 1
    return hidden @ fit["encoder.mean.weight"].T + fit["encoder.mean.bias"]


class _Cells:
    """Expression (n, n_genes) and batch (n, 1) of cells, as the network takes them."""

    def __init__(self, X: np.ndarray, batch: np.ndarray):
        import torch

        self.X = torch.from_numpy(X)
        self.batch = torch.from_numpy(batch.astype(np.int64))[:, None]
        self.log_factorials = torch.lgamma(self.X + 1).sum(dim=1)  # (n,), the same in every step

    def __len__(self) -> int:
        return len(self.X)

    def batches(self, size: int, rng: np.random.Generator):
        """Rows of mini-batches without end; the rest of an epoch, too few for one, is dropped."""
        import torch

        while True:
            for rows in rng.permutation(len(self))[: len(self) // size * size].reshape(-1, size):
                yield torch.from_numpy(rows)


def _network(*, decoder: str, n_layers: int, **sizes):
    from scvi.module import LDVAE, VAE

    if decoder == "linear":
        return LDVAE(n_layers_encoder=n_layers, use_observed_lib_size=True, **sizes)
    return VAE(n_layers=n_layers, use_observed_lib_size=True, **sizes)


def _train(network, likelihood, training, validation, rng, n_steps, batch_size, rate, n_points):
    """The loop: returns the learning curve."""
    import torch

    curve = {"step": [], "train_elbo": [], "validation_elbo": []}
    points = set(np.linspace(0, n_steps, n_points + 1).astype(int)[1:].tolist())
    # scvi-tools' optimiser; the encoder of library sizes is left out, they are observed.
    learned = [p for name, p in network.named_parameters() if not name.startswith("l_encoder")]
    optimiser = torch.optim.Adam(learned, lr=rate, eps=0.01, weight_decay=1e-6, fused=True)
    recent = []
    for step_number, rows in enumerate(training.batches(batch_size, rng), start=1):
        if step_number > n_steps:
            break
        when = f"step {step_number} of {n_steps}; lower learning_rate ({rate:g})"
        optimiser.param_groups[0]["lr"] = rate * _once_up_and_down(step_number / n_steps)
        reconstruction, kl = _loss(network, likelihood, training, rows, when)
        loss = (reconstruction + min(1.0, 3 * step_number / n_steps) * kl).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        recent.append(float((reconstruction + kl).detach().mean()))
        if step_number in points:
            network.eval()
            with torch.no_grad():
                parts = _loss(network, likelihood, validation, slice(None), when)
            network.train()
            curve["step"].append(step_number)
            curve["train_elbo"].append(np.mean(recent))
            curve["validation_elbo"].append(sum(parts).mean().item())
            recent = []
    return {name: np.array(values, dtype=float) for name, values in curve.items()}


def _once_up_and_down(share: float) -> float:
    """Learning rate over the highest: up over the first 15 % of the steps, then down to 0."""
    if share < PEAK:
        return 1 - 0.96 * (1 + math.cos(math.pi * share / PEAK)) / 2
    return (1 + math.cos(math.pi * min((share - PEAK) / (1 - PEAK), 1.0))) / 2


def _loss(network, likelihood: str, cells: _Cells, rows, when: str):
    """Both parts of the negative evidence lower bound of cells, each of shape (n,), in nats.

    The likelihoods of scvi-tools, written for any non-negative value: its own refuse or warn of
    what is not a count.
    """
    import torch
    from torch.nn.functional import softplus

    x = cells.X[rows]  # (n, n_genes)
    batch = cells.batch[rows]  # (n, 1)
    if not torch.isfinite(network.z_encoder.mean_encoder.weight).all():
        raise RuntimeError(f"scVI diverged before {when}")
    inferred = network.inference(x, batch)
    decoded = network.generative(inferred["z"], inferred["library"], batch)
    kl = torch.distributions.kl_divergence(inferred["qz"], decoded["pz"]).sum(dim=1)
    if likelihood == "poisson":
        rate = decoded["px"].rate
        log_p = x * torch.log(rate + EPSILON) - rate
    else:
        mean = decoded["px"].mu  # (n, n_genes)
        theta = torch.exp(network.px_r)  # (n_genes,), inverse dispersion
        log_total = torch.log(theta + mean + EPSILON)
        log_zero = theta * (torch.log(theta + EPSILON) - log_total)
        log_p = log_zero + x * (torch.log(mean + EPSILON) - log_total)
        log_p = log_p + torch.lgamma(x + theta) - torch.lgamma(theta)
        if likelihood == "zinb":
            logit = decoded["px"].zi_logits  # of a zero that is none of the negative binomial's
            log_p = log_p + (x == 0) * softplus(logit - log_zero) - softplus(logit)
    return cells.log_factorials[rows] - log_p.sum(dim=1), kl


def _encoder(encoder) -> dict[str, np.ndarray]:
    """Parameters of scvi-tools' encoder as plain arrays."""
    arrays = {}
    for i, layer in enumerate(encoder.encoder.fc_layers):
        linear, norm = layer[0], layer[1]
        arrays |= {
            f"encoder.{i}.weight": linear.weight,
            f"encoder.{i}.bias": linear.bias,
            f"encoder.{i}.bn_mean": norm.running_mean,
            f"encoder.{i}.bn_var": norm.running_var,
            f"encoder.{i}.bn_weight": norm.weight,
            f"encoder.{i}.bn_bias": norm.bias,
        }
    arrays |= {
        "encoder.mean.weight": encoder.mean_encoder.weight,
        "encoder.mean.bias": encoder.mean_encoder.bias,
    }
    plain = {name: tensor.detach().numpy().copy() for name, tensor in arrays.items()}
    return plain | {"encoder.bn_eps": np.array(norm.eps)}


def _modelled(screen, inputs: str) -> np.ndarray:
    """Dense float32 values that the likelihood is of, shape (n_cells, n_genes)."""
    library_size(screen)  # raises where X holds anything but counts
    X = log1p_cp10k(screen).X if inputs == "log1p" else canonical(screen.X)
    return np.asarray(X.todense() if hasattr(X, "todense") else X, dtype=np.float32)


def _check(likelihood, inputs, decoder, n_steps, n_latent, n_evaluations) -> None:
    for name, value, known in (
        ("likelihood", likelihood, LIKELIHOODS),
        ("inputs", inputs, INPUTS),
        ("decoder", decoder, DECODERS),
    ):
        if value not in known:
            raise ValueError(f"{name} is {value!r}; choose from {', '.join(known)}")
    if n_steps < 0 or n_latent < 1 or n_evaluations < 1:
        raise ValueError(
            f"n_steps is {n_steps}, n_latent {n_latent}, n_evaluations {n_evaluations}; at least "
            "0, 1 and 1"
        )
