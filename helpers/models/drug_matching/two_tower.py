"""Two networks that score a disease contrast with a drug signature: DGEM-NN's, and a bi-encoder.

Both encode each side alone, so that all pairs are scored from one pass over contrasts and one over
signatures. Healx/dgem-nn-public b3703ea (mlp_cell_line_invariant.py, bi_encoder.py), corrected
where it says so.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from helpers.metrics.drug_matching.ranking import auroc, ranked
from helpers.models.reproducible import reproducible


class TwoTower(nn.Module):
    """logit = w2 . ReLU(W1 [h_disease; h_drug] + b1) + b2, each h = ReLU(W x + b).

    Defaults are those of the released model: 44,778,497 parameters.
    """

    def __init__(self, n_disease=30_374, n_drug=12_328, hidden=1024, joint=512):
        super().__init__()
        self.disease = nn.Linear(n_disease, hidden)
        self.drug = nn.Linear(n_drug, hidden)
        self.from_disease = nn.Linear(hidden, joint, bias=False)  # W1 = [from_disease, from_drug]
        self.from_drug = nn.Linear(hidden, joint)
        self.out = nn.Linear(joint, 1)

    def encode_disease(self, x):
        return self.from_disease(F.relu(self.disease(x)))  # (n, joint)

    def encode_drug(self, x):
        return self.from_drug(F.relu(self.drug(x)))  # (m, joint)

    def pair(self, u, v):
        """Logits of encoded diseases and drugs, row by row."""
        return self.out(F.relu(u + v)).squeeze(-1)  # one row stays one row

    def all_pairs(self, u, v):
        """(n_drugs, n_diseases): hidden units are linear in both sides until the last ReLU."""
        return torch.stack([self.pair(one[None], v) for one in u], dim=1)


class BiEncoder(nn.Module):
    """Cosine of two encodings over a temperature, plus an offset.

    The released one ends both sides in a ReLU, so that cosines are at least 0 and probabilities at
    least a half, and has no temperature: no negative pair can be learned. Both are mended here.
    """

    def __init__(self, n_disease, n_drug, hidden=1024, joint=512):
        super().__init__()
        self.disease = nn.Sequential(
            nn.Linear(n_disease, hidden), nn.ReLU(), nn.Linear(hidden, joint)
        )
        self.drug = nn.Sequential(nn.Linear(n_drug, hidden), nn.ReLU(), nn.Linear(hidden, joint))
        self.log_scale = nn.Parameter(torch.tensor(np.log(10.0), dtype=torch.float32))
        self.offset = nn.Parameter(torch.tensor(-2.0))

    def encode_disease(self, x):
        return F.normalize(self.disease(x), dim=-1)

    def encode_drug(self, x):
        return F.normalize(self.drug(x), dim=-1)

    def pair(self, u, v):
        return self.log_scale.exp() * (u * v).sum(-1) + self.offset

    def all_pairs(self, u, v):
        return self.log_scale.exp() * v @ u.T + self.offset


NETWORKS = {"two-tower": TwoTower, "bi-encoder": BiEncoder}


@dataclass
class MatchingNetwork:
    """A network trained on pairs of contrasts and signatures, positives and negatives alike often.

    Parameters
    ----------
    network : {"two-tower", "bi-encoder"}
    hidden, joint : int
        Released: 1024, 512.
    batch_size : int
        Pairs a step, half of them positive.
    learning_rate, weight_decay : float
        Of Adam; the released code states neither a rate nor a number of epochs.
    n_steps : int
        At most.
    evaluate_every, patience : int
        Steps between evaluations on validation pairs, and evaluations without a better AUROC after
        which training ends (released: 5). The best state is kept.
    validation_share : float
        Of training diseases.
    random_state : int

    Attributes
    ----------
    network_ : torch module
    validation_auroc_ : list of float
    """

    network: str = "two-tower"
    hidden: int = 64
    joint: int = 32
    batch_size: int = 1024
    learning_rate: float = 5e-3
    weight_decay: float = 1e-3
    n_steps: int = 200
    evaluate_every: int = 20
    patience: int = 5
    validation_share: float = 0.15
    random_state: int = 0

    def get_params(self, deep: bool = True) -> dict:
        """Constructor's arguments, as scikit-learn asks for them."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def fit(self, signatures, drug_of, contrasts, disease_of, treats):
        """Train.

        Parameters
        ----------
        signatures : array of shape (n_signatures, n_drug_genes)
        drug_of : int array of shape (n_signatures,)
            Row of `treats`.
        contrasts : array of shape (n_contrasts, n_disease_genes)
        disease_of : int array of shape (n_contrasts,)
            Column of `treats`.
        treats : bool array of shape (n_drugs, n_diseases)

        Raises
        ------
        ValueError
            Another network, values that are not finite, or pairs of one class only, for training
            or for validation.
        """
        if self.network not in NETWORKS:
            raise ValueError(f"network {self.network!r}: choose from {', '.join(NETWORKS)}")
        signatures, contrasts = _inputs(signatures), _inputs(contrasts)
        treats, rng = np.asarray(treats, bool), np.random.default_rng(self.random_state)
        label = treats[np.asarray(drug_of)][:, np.asarray(disease_of)].T  # (contrasts, signatures)
        learn, check = self._divide(np.asarray(disease_of), label, rng)
        with reproducible(self.random_state):
            make = NETWORKS[self.network]
            self.network_ = make(contrasts.shape[1], signatures.shape[1], self.hidden, self.joint)
            self._train(signatures, contrasts, label, learn, check, rng)
        return self

    def _divide(self, disease_of, label, rng) -> tuple[np.ndarray, np.ndarray]:
        """Contrasts to learn from and to check on: whole diseases, each part with both classes."""
        diseases = rng.permutation(np.unique(disease_of))
        n_check = max(1, round(self.validation_share * len(diseases)))
        is_check = np.isin(disease_of, diseases[:n_check])
        for name, part in (("training", ~is_check), ("validation", is_check)):
            values = label[part]
            if not values.any() or values.all():
                raise ValueError(
                    f"{name} pairs are of one class ({values.sum()} of {values.size} positive): "
                    "there is nothing to balance, and no AUROC to stop by; give more diseases"
                )
        return np.flatnonzero(~is_check), np.flatnonzero(is_check)

    def _train(self, signatures, contrasts, label, learn, check, rng) -> None:
        positive, negative = np.argwhere(label[learn]), np.argwhere(~label[learn])
        optimiser = torch.optim.Adam(
            self.network_.parameters(),
            lr=self.learning_rate,
            weight_decay=self.weight_decay,
            fused=True,
        )
        self.validation_auroc_, best, state = [], -np.inf, None
        half = self.batch_size // 2
        for number in range(1, self.n_steps + 1):
            drawn = [part[rng.integers(len(part), size=half)] for part in (positive, negative)]
            rows, columns = np.concatenate(drawn).T
            # each contrast and signature of the batch is encoded once
            of_disease, u = np.unique(rows, return_inverse=True)
            of_drug, v = np.unique(columns, return_inverse=True)
            encoded_u = self.network_.encode_disease(contrasts[learn[of_disease]])
            encoded_v = self.network_.encode_drug(signatures[of_drug])
            target = torch.cat([torch.ones(half), torch.zeros(half)])
            logits = self.network_.pair(encoded_u[u], encoded_v[v])
            loss = F.binary_cross_entropy_with_logits(logits, target)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network_.parameters(), 1.0)
            optimiser.step()
            if number % self.evaluate_every:
                continue
            found = self._score(signatures, contrasts[check])  # (signatures, contrasts)
            value = auroc(ranked(found.ravel(), label[check].T.ravel()))
            self.validation_auroc_.append(value)
            if value > best:
                best = value
                state = {k: t.clone() for k, t in self.network_.state_dict().items()}
            elif (
                len(self.validation_auroc_) - 1 - np.argmax(self.validation_auroc_) >= self.patience
            ):
                break
        if state is not None:
            self.network_.load_state_dict(state)

    def predict(self, signatures, contrasts) -> np.ndarray:
        """Logits of all pairs, shape (n_signatures, n_contrasts)."""
        return self._score(_inputs(signatures), _inputs(contrasts))

    @torch.no_grad()
    def _score(self, signatures, contrasts) -> np.ndarray:
        u = self.network_.encode_disease(contrasts)
        return self.network_.all_pairs(u, self.network_.encode_drug(signatures)).numpy()


def _inputs(values) -> torch.Tensor:
    values = np.asarray(values, dtype=np.float32)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError(f"inputs have shape {values.shape}, or hold NaN or infinite values")
    return torch.from_numpy(values)


def n_parameters(network: nn.Module) -> int:
    """Weights and biases of a network."""
    return sum(p.numel() for p in network.parameters())
