"""Which genes of a drug and a disease make a model's score: Integrated Gradients on both sides.

The baseline is zero on both sides: no gene changed. Attributions of both sides sum to the score
less that of the baseline.
"""

import numpy as np

from helpers.models.drug_matching.bilinear import BilinearRidge
from helpers.models.drug_matching.two_tower import MatchingNetwork


def attributions(model, drug, disease, *, n_steps: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Integrated Gradients of one pair.

    Parameters
    ----------
    model : BilinearRidge or MatchingNetwork
        Fitted.
    drug, disease : arrays of shape (n_drug_genes,), (n_disease_genes,)
    n_steps : int
        Midpoints of the path, for a network; a bilinear score has a closed form.

    Returns
    -------
    of_drug, of_disease : ndarray
        Positive where the gene's change makes the pair likelier.

    References
    ----------
    Sundararajan et al. 2017, ICML.
    """
    drug, disease = np.asarray(drug, float), np.asarray(disease, float)
    if isinstance(model, BilinearRidge):  # the gradient grows linearly along the path
        return drug * (model.coef_ @ disease) / 2, disease * (drug @ model.coef_) / 2
    if not isinstance(model, MatchingNetwork):
        raise TypeError(f"{type(model).__name__} has no attributions here")
    import torch

    at = (torch.arange(n_steps) + 0.5)[:, None] / n_steps
    x = (at * torch.from_numpy(disease).float()).requires_grad_()  # (n_steps, n_disease_genes)
    y = (at * torch.from_numpy(drug).float()).requires_grad_()
    network = model.network_
    network.pair(network.encode_disease(x), network.encode_drug(y)).sum().backward()
    return drug * y.grad.mean(dim=0).numpy(), disease * x.grad.mean(dim=0).numpy()


def interactions(model, drug, disease) -> np.ndarray:
    """(n_drug_genes, n_disease_genes): how much a gene of either makes of the score together.

    Of a bilinear model the exact mixed derivative, times both changes; of a network the product of
    attributions, signed by their sum, which is a guess: it cannot tell which genes go together.
    """
    if isinstance(model, BilinearRidge):
        return np.outer(drug, disease) * model.coef_
    of_drug, of_disease = attributions(model, drug, disease)
    return np.outer(np.maximum(of_drug, 0), np.maximum(of_disease, 0))
