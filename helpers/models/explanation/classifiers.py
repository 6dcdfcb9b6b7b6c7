"""Two classifiers of expression profiles: logistic regression, and an MLP with one hidden layer.

As trained by Bontonou et al. 2023 (mbonto/XAI_for_genomics 36de591, models.py, setting.py:28-36).
Both may first diffuse each profile over a graph of genes. Once fitted, dropout is gone and batch
norm and diffusion are folded into the weights: an affine map, or two with a ReLU between them.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields

import numpy as np

from helpers.data.contract import DataError
from helpers.metrics.arrays import label_codes, varies
from helpers.models.explanation.gene_graph import as_sparse
from helpers.store.steps import step

_WORDS = 1 << 16  # dropout compares random words of 16 bits


@dataclass
class _Classifier(ABC):
    """What both share: the recipe, the estimator's manners.

    Parameters
    ----------
    graph : sparse array of shape (n_genes, n_genes), optional
        A profile x becomes x S before the first layer.
    input_dropout : float in [0, 1)
        Share of inputs, after diffusion, that are dropped in training.
    n_epochs, batch_size, learning_rate, momentum, weight_decay
        Of stochastic gradient descent on the cross-entropy; weight decay acts on all parameters.
    milestones : sequence of int
        Epochs after which the learning rate falls to a tenth.
    shuffle : bool
        Whether epochs differ in the order of samples; the published simulations keep one order.
    random_state : int
        Draws initial weights, dropout and order.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels.
    weights_, bias_ : ndarray of shape (n_genes, n_units), (n_units,)
        Affine map of a profile to logits (logistic regression) or hidden units (MLP).
    out_weights_, out_bias_ : ndarray of shape (n_units, n_classes), (n_classes,), or None
        MLP: affine map of the hidden units after ReLU to logits.
    train_accuracy_ : float in [0, 1]
    """

    graph: object = None
    input_dropout: float = 0.0
    n_epochs: int = 25
    batch_size: int = 32
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    milestones: tuple = (12, 22)
    shuffle: bool = False
    random_state: int = 0

    def get_params(self, deep: bool = True) -> dict:
        """Constructor's arguments, as scikit-learn asks for them."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def set_params(self, **params):
        """Set constructor's arguments by name."""
        if unknown := sorted(set(params) - {f.name for f in fields(self)}):
            raise ValueError(f"{type(self).__name__} has no parameters {unknown}")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def fit(self, X, y):
        """Train on profiles.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_genes)
            Standardised; used in float32.
        y : array of shape (n_samples,)
            Labels, at least two different ones with two samples each.

        Raises
        ------
        ValueError
            Shapes that do not fit, values that are not finite, fewer than two classes, or a class
            of one sample.
        """
        import torch
        from torch import nn

        X = _profiles(X)
        codes, names = label_codes(y, len(np.asarray(y)))
        self.classes_ = names.to_numpy()
        _check_labels(X, self.classes_, codes)
        inputs = X if self.graph is None else np.ascontiguousarray(X @ self.graph, np.float32)
        torch_seed, numpy_seed = np.random.SeedSequence(self.random_state).spawn(2)
        generator = torch.Generator().manual_seed(int(torch_seed.generate_state(1)[0]))
        rng = np.random.Generator(np.random.SFC64(numpy_seed))
        network = self._network(inputs.shape[1], len(self.classes_))
        for layer in network:
            if isinstance(layer, nn.Linear):
                bound = layer.in_features**-0.5  # torch's default initial weights
                nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
                nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
        self._train(network, torch.from_numpy(inputs), torch.from_numpy(codes), rng)
        self._fold(network)
        self.train_accuracy_ = float((self.predict(X) == np.asarray(y)).mean())
        return self

    def _train(self, network, X, y, rng) -> None:
        import torch
        from torch.nn.functional import cross_entropy

        optimiser = torch.optim.SGD(
            network.parameters(),
            lr=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            fused=True,
        )
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, self.milestones)
        batches = _batches(len(X), self.batch_size)
        network.train()
        for _ in range(self.n_epochs):
            order = torch.from_numpy(rng.permutation(len(X))) if self.shuffle else None
            for batch in batches:
                rows = batch if order is None else order[batch]
                loss = cross_entropy(network(self._dropped(X[rows], rng)), y[rows])  # (B, C)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            schedule.step()
        network.eval()

    def _dropped(self, x, rng):
        """Inputs with a share set to zero and the others scaled up, (B, V).

        A random word of 16 bits decides, four to a draw: the mask is most of what training costs.
        """
        import torch

        cut = round(self.input_dropout * _WORDS)
        if cut == 0:
            return x
        words = rng.bit_generator.random_raw(-(-x.numel() // 4)).view(np.uint16)[: x.numel()]
        kept = torch.from_numpy(words >= cut).view(x.shape)
        return (x * kept).mul_(_WORDS / (_WORDS - cut))

    @abstractmethod
    def _fold(self, network) -> None:
        """Set `weights_` to `out_bias_` from a trained network."""

    @abstractmethod
    def _network(self, n_inputs: int, n_classes: int):
        """The untrained network, with torch's own initial weights."""

    def _diffused(self, weights: np.ndarray) -> np.ndarray:
        """Weights (V, H) of a profile, from those of a diffused one."""
        if self.graph is not None:
            weights = self.graph @ weights
        return np.ascontiguousarray(weights, dtype=np.float32)

    def predict_proba(self, X) -> np.ndarray:
        """Probabilities of classes, shape (n_samples, n_classes), rows sum to 1."""
        logits = _profiles(X) @ self.weights_ + self.bias_
        if self.out_weights_ is not None:
            logits = np.maximum(logits, 0) @ self.out_weights_ + self.out_bias_
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def predict(self, X) -> np.ndarray:
        """Most probable class of each profile, shape (n_samples,)."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


@dataclass
class LogisticRegression(_Classifier):
    """Multinomial logistic regression with dropout on its inputs.

    Parameters and attributes are those of both classifiers of this module; two classes have two
    logits, as published.
    """

    input_dropout: float = 0.2

    def _network(self, n_inputs: int, n_classes: int):
        from torch import nn

        return nn.Sequential(nn.utils.skip_init(nn.Linear, n_inputs, n_classes))

    def _fold(self, network) -> None:
        (linear,) = network
        self.weights_ = self._diffused(linear.weight.detach().numpy().T)
        self.bias_ = linear.bias.detach().numpy().copy()
        self.out_weights_ = self.out_bias_ = None


@dataclass
class MLP(_Classifier):
    """One hidden layer with batch norm and ReLU.

    Parameters
    ----------
    hidden : int
        Units of the hidden layer.
    """

    hidden: int = 20

    def _network(self, n_inputs: int, n_classes: int):
        from torch import nn

        return nn.Sequential(
            nn.utils.skip_init(nn.Linear, n_inputs, self.hidden),
            nn.BatchNorm1d(self.hidden),
            nn.ReLU(),
            nn.utils.skip_init(nn.Linear, self.hidden, n_classes),
        )

    def _fold(self, network) -> None:
        first, norm, _, last = network
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        bias = (first.bias - norm.running_mean) * scale + norm.bias
        self.weights_ = self._diffused((first.weight.T * scale).detach().numpy())
        self.bias_ = bias.detach().numpy().copy()
        self.out_weights_ = np.ascontiguousarray(last.weight.detach().numpy().T)
        self.out_bias_ = last.bias.detach().numpy().copy()


def _profiles(X) -> np.ndarray:
    X = np.ascontiguousarray(X, dtype=np.float32)
    if X.ndim != 2:
        raise ValueError(f"profiles have shape {X.shape}; pass (n_samples, n_genes)")
    if not np.isfinite(X).all():
        sample, gene = np.argwhere(~np.isfinite(X))[0]
        raise ValueError(
            f"{(~np.isfinite(X)).sum()} values are NaN or infinite, the first of sample {sample}, "
            f"gene {gene}; impute them or drop the gene"
        )
    return X


def _check_labels(X, classes, codes) -> None:
    if len(codes) != len(X):
        raise ValueError(f"there are {len(codes)} labels for {len(X)} samples")
    if len(classes) < 2:
        raise ValueError(f"all samples are of class {str(classes[0])!r}; at least two are needed")
    counts = np.bincount(codes)
    if counts.min() < 2:
        lone = str(classes[counts.argmin()])
        raise ValueError(
            f"class {lone!r} has one sample to train on; leave the class out, or merge it"
        )


def _batches(n: int, size: int) -> list[slice]:
    """Slices of `size` rows; a single row left over joins the batch before it.

    Batch norm cannot scale by the spread of one sample.
    """
    starts = list(range(0, n, size))
    if n % size == 1 and len(starts) > 1:
        starts.pop()
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], n], strict=True)]


# --------------------------------------------------------------------------- standardisation


def standardisation(X) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (ddof 1) of each gene, float64, of training profiles.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_genes)

    Returns
    -------
    mean, sd : ndarray of shape (n_genes,)
        sd is 0 where a gene differs by no more than rounding.
    """
    if len(X) < 2:
        raise ValueError(f"{len(X)} training samples have no spread; at least two are needed")
    blocks = [X[i : i + 512] for i in range(0, len(X), 512)]  # never a second copy in float64
    mean = sum(b.sum(axis=0, dtype=float) for b in blocks) / len(X)
    squares = sum(((b - mean) ** 2).sum(axis=0) for b in blocks)
    return mean, np.where(varies(X), np.sqrt(squares / (len(X) - 1)), 0.0)


def standardise(X, mean, sd) -> np.ndarray:
    """Profiles in standard deviations from the training mean, float32; constant genes are 0.

    A gene that does not vary among training samples tells nothing: it is 0 in every profile, so
    that no model can use it and no attribution can name it.
    """
    factor = np.divide(1.0, sd, out=np.zeros_like(sd), where=sd > 0)
    Z = np.empty(X.shape, dtype=np.float32)
    for i in range(0, len(X), 512):
        Z[i : i + 512] = (X[i : i + 512] - mean) * factor
    return Z


# --------------------------------------------------------------------------- steps


@step
def fit_logistic_regression(
    data,
    *,
    seed: int,
    graph=None,
    input_dropout: float = 0.2,
    n_epochs: int = 25,
    learning_rate: float = 0.1,
    shuffle: bool = False,
) -> dict[str, np.ndarray]:
    """Logistic regression of the classes of a data set, fitted to its training samples.

    Parameters
    ----------
    data : AnnData of shape (n_samples, n_genes)
        With `obs["class"]` and `obs["split"]`; X on any scale, standardised here.
    seed : int
    graph : dict of arrays, optional
        Diffusion of `correlation_graph`.
    input_dropout, n_epochs, learning_rate, shuffle
        As in `LogisticRegression`.

    Returns
    -------
    dict of arrays
        `weights` (n_genes, n_units), `bias` (n_units,), for an MLP `out_weights` and `out_bias`;
        `mean`, `sd` (n_genes,) of the standardisation; `classes`; `train_accuracy` (a scalar).
    """
    model = LogisticRegression(
        graph=as_sparse(graph),
        input_dropout=input_dropout,
        n_epochs=n_epochs,
        learning_rate=learning_rate,
        shuffle=shuffle,
        random_state=seed,
    )
    return _fitted(model, data)


@step
def fit_mlp(
    data,
    *,
    seed: int,
    graph=None,
    hidden: int = 20,
    n_epochs: int = 25,
    learning_rate: float = 0.1,
    shuffle: bool = False,
) -> dict[str, np.ndarray]:
    """MLP of the classes of a data set; as `fit_logistic_regression`."""
    model = MLP(
        graph=as_sparse(graph),
        hidden=hidden,
        n_epochs=n_epochs,
        learning_rate=learning_rate,
        shuffle=shuffle,
        random_state=seed,
    )
    return _fitted(model, data)


def _fitted(model: _Classifier, data) -> dict[str, np.ndarray]:
    name = data.uns["dataset"]["name"]
    train = np.flatnonzero((data.obs["split"] == "train").to_numpy())
    X = data.X[train]
    labels = data.obs["class"].to_numpy().astype(str)
    if missing := sorted(set(labels) - set(labels[train])):
        raise DataError(f"{name}: no training sample of class {', '.join(missing)}; leave it out")
    if not np.isfinite(X).all():
        sample, gene = np.argwhere(~np.isfinite(X))[0]
        raise DataError(
            f"{name}: expression is NaN or infinite, first in sample "
            f"{data.obs_names[train[sample]]!r}, gene {data.var_names[gene]!r}"
        )
    mean, sd = standardisation(X)
    try:
        model.fit(standardise(X, mean, sd), labels[train])
    except ValueError as error:
        raise DataError(f"{name}: {error}") from error
    fitted = {"weights": model.weights_, "bias": model.bias_}
    if model.out_weights_ is not None:
        fitted |= {"out_weights": model.out_weights_, "out_bias": model.out_bias_}
    accuracy = np.array(model.train_accuracy_)
    return fitted | {
        "mean": mean,
        "sd": sd,
        "classes": model.classes_.astype(str),
        "train_accuracy": accuracy,
    }
