"""How many ways there are to label cells, and so how small a permutation test's p-value can be."""

import numpy as np
from scipy.special import comb


def least_p_value(n_of_batch, of, *, n_draws: int | None = None):
    """Smallest p-value of a test that chooses cells of each batch at random.

    One over the number of labellings, the product over batches of binomial coefficients; and, with
    random labellings, no less than 1 / (1 + n_draws).

    Parameters
    ----------
    n_of_batch : int array of shape (..., n_batches)
        Cells that have the label.
    of : int array of shape (n_batches,)
        Cells among which they are chosen, those with the label among them.
    n_draws : int, optional
        Random labellings beside the true one; default: all are computed.

    Returns
    -------
    float or ndarray, in (0, 1]
        1 where nothing can change places: such a test cannot say anything.
    """
    n_of_batch, of = np.asarray(n_of_batch), np.asarray(of)
    # Whole numbers, so that one labelling of nine is the very 1 / 9 that a share of nine gives.
    with np.errstate(over="ignore"):  # so many that a float cannot hold them: 1 / inf is 0
        least = 1 / np.rint(comb(of, n_of_batch)).prod(axis=-1)
    return least if n_draws is None else np.maximum(least, 1 / (1 + n_draws))
