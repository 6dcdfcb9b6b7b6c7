"""Probes: classifiers that read perturbations from an embedding, each in plain sight.

The linear and the ridge probe are convex: what they reach is a property of the embedding, not of a
learning rate. The probe of the released benchmark is beside them, as it was trained.
"""

from collections.abc import Iterator

import numpy as np

from helpers.metrics.arrays import varies
from helpers.models.embeddings.schedules import warm_up_cosine

GAP = 1e-4  # nats that the loss may still lie above its minimum
_BLOCK = 8_192  # cells whose scores of all classes are held at a time
PUBLISHED_BATCH = 64_768  # Tx-Evaluation, cfg/config/replogle_eval.yaml:4


def blocks(n_cells: int) -> Iterator[slice]:
    """Cells in their order, as many at a time as may have scores of all classes in memory."""
    for start in range(0, n_cells, _BLOCK):
        yield slice(start, start + _BLOCK)


class Standardiser:
    """Centres and scales dimensions by the cells it is fitted on, and adds a constant one."""

    def fit(self, embedding):
        """Mean and standard deviation (ddof 0); a constant dimension tells nothing, and is 0."""
        varying, embedding = varies(embedding), np.asarray(embedding, dtype=float)
        self.mean_ = np.where(varying, embedding.mean(axis=0), embedding[0])
        sd = embedding.std(axis=0)
        self.factor_ = np.divide(1.0, sd, out=np.zeros_like(sd), where=varying)
        return self

    def transform(self, embedding) -> np.ndarray:
        """Standardised dimensions and a column of ones, shape (n_cells, n_dims + 1), float32."""
        embedding = np.asarray(embedding)
        scaled = np.ones((len(embedding), embedding.shape[1] + 1), dtype=np.float32)
        for rows in blocks(len(embedding)):  # double precision for a few cells at a time
            scaled[rows, :-1] = (embedding[rows].astype(float) - self.mean_) * self.factor_
        return scaled


class LinearProbe:
    """Multinomial logistic regression on standardised dimensions, run until it has converged.

    Minimises the mean cross-entropy plus ``penalty / 2`` times the squared norm of all weights,
    intercepts among them, by L-BFGS. That makes the loss strongly convex: it lies above its
    minimum by at most ``||gradient||^2 / (2 penalty)``, and the fit ends when that is below `gap`.

    Parameters
    ----------
    penalty : float, above 0
    gap : float
        In nats.
    max_iter : int

    Attributes
    ----------
    gap_ : float
        Bound on what is left to the minimum, in nats.
    n_iter_ : int
    weights_ : ndarray of shape (n_dims + 1, n_classes)
    """

    def __init__(self, penalty: float = 1e-2, gap: float = GAP, max_iter: int = 1000):
        self.penalty = penalty
        self.gap = gap
        self.max_iter = max_iter

    def fit(self, embedding, labels, *, n_classes: int | None = None, start=None):
        """Fit to codes of classes, 0 to n_classes - 1.

        Parameters
        ----------
        embedding : array of shape (n_cells, n_dims)
        labels : int array of shape (n_cells,)
        n_classes : int, optional
            Default: one more than the largest label.
        start : array of shape (n_dims + 1, n_classes), optional
            Weights to begin with, such as those of a larger penalty.

        Raises
        ------
        ValueError
            A penalty that is not positive, or no convergence within `max_iter` steps.
        """
        from scipy.optimize import minimize

        if not self.penalty > 0:
            raise ValueError(f"penalty is {self.penalty}; without one there may be no minimum")
        self.standardiser_ = Standardiser().fit(embedding)
        x = self.standardiser_.transform(embedding)
        labels = np.asarray(labels)
        n_classes = int(labels.max()) + 1 if n_classes is None else n_classes
        shape = (x.shape[1], n_classes)
        left = np.inf  # to the minimum

        def loss(flat):
            nonlocal left
            weights = flat.reshape(shape)
            single = weights.astype(np.float32)
            value, gradient = 0.0, np.zeros(shape)
            for cells in blocks(len(x)):
                logits = x[cells] @ single  # (n_cells, n_classes)
                logits -= logits.max(axis=1, keepdims=True)
                at = np.arange(len(logits)), labels[cells]
                own = logits[at]
                np.exp(logits, out=logits)
                total = logits.sum(axis=1, keepdims=True)
                value += float(np.sum(np.log(total[:, 0]) - own, dtype=float))
                logits /= total
                logits[at] -= 1
                gradient += x[cells].T @ logits
            gradient = gradient / len(x) + self.penalty * weights
            left = float((gradient**2).sum()) / (2 * self.penalty)
            return value / len(x) + self.penalty / 2 * float((weights**2).sum()), gradient.ravel()

        def stop_when_converged(_):
            if left <= self.gap:
                raise StopIteration

        begin = np.zeros(shape) if start is None else np.asarray(start, dtype=float)
        found = minimize(
            loss,
            begin.ravel(),
            jac=True,
            method="L-BFGS-B",
            callback=stop_when_converged,
            options={"maxiter": self.max_iter, "ftol": 0, "gtol": 0, "maxcor": 20},
        )
        self.weights_ = found.x.reshape(shape)
        loss(found.x)
        self.gap_, self.n_iter_ = left, int(found.nit)
        if self.gap_ > self.gap:
            raise ValueError(
                f"not converged after {self.n_iter_} steps: the loss may lie {self.gap_:.2g} nats "
                f"above its minimum ({self.gap:.2g} asked); raise max_iter, the penalty, or "
                "the gap (products are taken in single precision)"
            )
        return self

    def decision_function(self, embedding) -> np.ndarray:
        """Scores of classes, shape (n_cells, n_classes)."""
        return self.standardiser_.transform(embedding) @ self.weights_.astype(np.float32)


class RidgeProbe:
    """Ridge regression of class membership (0 or 1), in closed form.

    Parameters
    ----------
    penalty : float, above 0
        Per cell: the Gram matrix gets ``penalty * n_cells`` on its diagonal.
    """

    def __init__(self, penalty: float = 1e-1):
        self.penalty = penalty

    def fit(self, embedding, labels, *, n_classes: int | None = None):
        """Fit to codes of classes, 0 to n_classes - 1."""
        if not self.penalty > 0:
            raise ValueError(f"penalty is {self.penalty}; it is above 0")
        self.standardiser_ = Standardiser().fit(embedding)
        x = self.standardiser_.transform(embedding)
        labels = np.asarray(labels)
        n_classes = int(labels.max()) + 1 if n_classes is None else n_classes
        sums = np.zeros((n_classes, x.shape[1]))  # of each class: the product with 0/1 targets
        gram = self.penalty * len(x) * np.eye(x.shape[1])
        for cells in blocks(len(x)):
            block = x[cells].astype(float)
            np.add.at(sums, labels[cells], block)
            gram += block.T @ block
        self.weights_ = np.linalg.solve(gram, sums.T)  # (n_dims + 1, n_classes)
        return self

    def decision_function(self, embedding) -> np.ndarray:
        """Scores of classes, shape (n_cells, n_classes)."""
        return self.standardiser_.transform(embedding) @ self.weights_


class MLPProbe:
    """One hidden layer on standardised dimensions, stopped where held-out loss no longer falls.

    Parameters
    ----------
    n_hidden : int
    learning_rate, weight_decay : float
        Of AdamW.
    batch_size, max_epochs, patience : int
        The fit ends after `patience` epochs without a lower loss; the best epoch is kept.
    random_state : int
    """

    def __init__(
        self,
        n_hidden: int = 128,
        learning_rate: float = 3e-3,
        weight_decay: float = 1e-2,
        batch_size: int = 256,
        max_epochs: int = 60,
        patience: int = 5,
        random_state: int = 0,
    ):
        self.n_hidden = n_hidden
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.random_state = random_state

    def fit(self, embedding, labels, held_out_embedding, held_out_labels, *, n_classes: int):
        """Fit to codes of classes; the held-out cells only decide when to stop."""
        import torch

        self.standardiser_ = Standardiser().fit(embedding)
        x, x_out = (
            torch.from_numpy(self.standardiser_.transform(e))
            for e in (embedding, held_out_embedding)
        )
        y, y_out = (torch.as_tensor(np.asarray(v)) for v in (labels, held_out_labels))
        generator = torch.Generator().manual_seed(self.random_state)
        self.net_ = _two_layers(x.shape[1], self.n_hidden, n_classes, generator)
        optimiser = torch.optim.AdamW(
            self.net_.parameters(),
            lr=self.learning_rate,
            weight_decay=self.weight_decay,
            fused=True,
        )
        best, best_loss, waited = None, np.inf, 0
        self.losses_ = []
        for _ in range(self.max_epochs):
            for rows in torch.randperm(len(x), generator=generator).split(self.batch_size):
                optimiser.zero_grad()
                torch.nn.functional.cross_entropy(self.net_(x[rows]), y[rows]).backward()
                optimiser.step()
            with torch.no_grad():
                loss = float(torch.nn.functional.cross_entropy(self.net_(x_out), y_out))
            self.losses_.append(loss)
            if loss < best_loss:
                best, best_loss, waited = _copy(self.net_), loss, 0
            elif (waited := waited + 1) == self.patience:
                break
        self.net_.load_state_dict(best)
        return self

    def decision_function(self, embedding) -> np.ndarray:
        """Scores of classes, shape (n_cells, n_classes)."""
        import torch

        with torch.no_grad():
            return self.net_(torch.from_numpy(self.standardiser_.transform(embedding))).numpy()


class PublishedProbe:
    """The linear probe of the released benchmark: a fixed number of steps on raw dimensions.

    AdamW with learning rate 1e-3 and weight decay 1e-6; the rate rises from 3e-5 during 10 epochs
    and falls as a cosine to 0 at epoch 250; weights of the last epoch. Batches hold 64,768 cells
    or all, so that most data sets get 250 steps.

    Parameters
    ----------
    max_epochs, warm_up : int
    batch_size : int
        The last batch may be smaller; the released code drops it.
    random_state : int

    Attributes
    ----------
    loss_ : float
        Mean cross-entropy of the training cells after the last step, in nats.

    References
    ----------
    Tx-Evaluation commit 1f24de0, linear_probing.py:77-159, cfg/config/replogle_eval.yaml.
    """

    def __init__(
        self,
        max_epochs: int = 250,
        warm_up: int = 10,
        batch_size: int = PUBLISHED_BATCH,
        random_state: int = 42,
    ):
        self.max_epochs = max_epochs
        self.warm_up = warm_up
        self.batch_size = batch_size
        self.random_state = random_state

    def learning_rate(self, step: int, n_batches: int = 1) -> float:
        """Learning rate of a step, from 0, where an epoch has so many batches."""
        warm_up, n_steps = self.warm_up * n_batches, self.max_epochs * n_batches
        return 1e-3 * warm_up_cosine(step, warm_up=warm_up, n_steps=n_steps, start=0.03)

    def fit(self, embedding, labels, *, n_classes: int | None = None):
        """Fit to codes of classes, 0 to n_classes - 1."""
        import torch

        x = torch.as_tensor(np.asarray(embedding, dtype=np.float32))
        y = torch.as_tensor(np.asarray(labels))
        n_classes = int(y.max()) + 1 if n_classes is None else n_classes
        generator = torch.Generator().manual_seed(self.random_state)
        self.net_ = torch.nn.Linear(x.shape[1], n_classes)
        _initialise(self.net_, generator)
        optimiser = torch.optim.AdamW(
            self.net_.parameters(), lr=1e-3, weight_decay=1e-6, fused=True
        )
        n_batches = -(-len(x) // self.batch_size)
        for step in range(self.max_epochs * n_batches):
            if step % n_batches == 0 and n_batches > 1:
                batches = torch.randperm(len(x), generator=generator).split(self.batch_size)
            rows = batches[step % n_batches] if n_batches > 1 else slice(None)
            for group in optimiser.param_groups:
                group["lr"] = self.learning_rate(step, n_batches)
            _cross_entropy_gradient(self.net_, x[rows], y[rows])
            optimiser.step()
        with torch.no_grad():
            self.loss_ = float(torch.nn.functional.cross_entropy(self.net_(x), y))
        return self

    def decision_function(self, embedding) -> np.ndarray:
        """Scores of classes, shape (n_cells, n_classes)."""
        import torch

        with torch.no_grad():
            return self.net_(torch.as_tensor(np.asarray(embedding, dtype=np.float32))).numpy()


def _cross_entropy_gradient(linear, x, y) -> None:
    """Set the gradients of a layer's mean cross-entropy: softmax less the class, times the cell.

    By blocks of cells that stay in the cache: 2.3 times as fast as `backward`.
    """
    import torch

    with torch.no_grad():
        linear.weight.grad = torch.zeros_like(linear.weight)
        linear.bias.grad = torch.zeros_like(linear.bias)
        for cells, classes in zip(x.split(1000), y.split(1000), strict=True):
            off = torch.softmax(linear(cells), dim=1)
            off[torch.arange(len(cells)), classes] -= 1
            linear.weight.grad.addmm_(off.T, cells, alpha=1 / len(x))
            linear.bias.grad.add_(off.sum(dim=0), alpha=1 / len(x))


def _initialise(linear, generator) -> None:
    """torch's own start of a linear layer, uniform in +-1/sqrt(inputs), from this generator."""
    import torch

    bound = linear.in_features**-0.5
    with torch.no_grad():
        for values in (linear.weight, linear.bias):
            values.uniform_(-bound, bound, generator=generator)


def _two_layers(n_in: int, n_hidden: int, n_out: int, generator):
    import torch

    net = torch.nn.Sequential(
        torch.nn.Linear(n_in, n_hidden), torch.nn.ReLU(), torch.nn.Linear(n_hidden, n_out)
    )
    for layer in (net[0], net[2]):
        _initialise(layer, generator)
    return net


def _copy(net) -> dict:
    return {name: value.clone() for name, value in net.state_dict().items()}
