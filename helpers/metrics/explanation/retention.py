"""Accuracy of a frozen model when only some genes keep their values."""

import numpy as np

from helpers.metrics.arrays import label_codes
from helpers.metrics.explanation.attribution import checked
from helpers.metrics.explanation.heads import Head


def balanced_accuracy(predicted, truth) -> float:
    """Mean over classes of the share of samples that are recognised, in [0, 1].

    Parameters
    ----------
    predicted, truth : array of shape (n_samples,)
        Classes that no sample has do not count.

    Raises
    ------
    ValueError
        No samples, arrays of different length, or a sample without a class.
    """
    predicted, truth = np.asarray(predicted), np.asarray(truth)
    if predicted.shape != truth.shape or truth.ndim != 1 or len(truth) == 0:
        raise ValueError(f"{predicted.shape} predictions for {truth.shape} samples")
    code, _ = label_codes(truth, len(truth))
    return float(np.mean([(predicted == truth)[code == c].mean() for c in range(code.max() + 1)]))


def retained_accuracy(head: Head, Z, targets, baseline, keep) -> np.ndarray:
    """Balanced accuracy with all genes at the baseline except those kept.

    Parameters
    ----------
    head : Head
    Z : ndarray of shape (n_samples, n_genes)
        Standardised profiles.
    targets : array of int, shape (n_samples,)
        Column of each sample's class.
    baseline : ndarray of shape (n_genes,)
    keep : bool ndarray of shape (n_genes,) or (n_selections, n_genes)

    Returns
    -------
    ndarray of shape (n_selections,), in [0, 1]
        Mean recall over the classes among `targets`. With one class this is its recall, and a
        model that always says this class has 1.

    Raises
    ------
    ValueError
        Shapes that do not fit, values that are not finite, or `keep` that is not boolean.

    References
    ----------
    Bontonou et al. 2023; mbonto/XAI_for_genomics 36de591, get_curves.py.
    """
    Z, targets, baseline = checked(head, Z, targets, baseline)
    keep = np.atleast_2d(np.asarray(keep))
    if keep.dtype != bool or keep.shape[1] != Z.shape[1]:
        raise ValueError(
            f"keep is {keep.dtype} of shape {keep.shape}; bool, one column for each of "
            f"{Z.shape[1]} genes"
        )
    start, change = head.hidden(baseline[None]), Z - baseline
    found = []
    for genes in keep:
        # genes act through z alone, so that those at the baseline need not be multiplied
        z = start + (change[:, genes] @ head.weights[genes]).astype(float)
        found.append(balanced_accuracy(head.probabilities(z).argmax(axis=1), targets))
    return np.array(found)
