"""Ranking of perturbations within each gene: who changes it?

Over all pairs of a perturbation and a gene together, the rate at which a gene changes answers most
of the question without any knowledge of the perturbation. Within a gene that rate is a constant.
"""

import numpy as np
import pandas as pd


def auroc_by_gene(gene, label, score) -> pd.DataFrame:
    """Probability that a perturbation that changes a gene scores higher than one that does not.

    Parameters
    ----------
    gene : array of shape (n_pairs,)
    label : array of 0 and 1, shape (n_pairs,)
    score : array of shape (n_pairs,)
        Higher: more likely to change. Equal ones count half.

    Returns
    -------
    DataFrame indexed by gene, sorted
        `auroc` in [0, 1], higher is better, 1/2 by chance; `n` pairs. Genes with one class only
        are left out: they have no such probability.

    Raises
    ------
    ValueError
        Scores that are not finite, labels other than 0 and 1, or shapes that differ.
    """
    table = pd.DataFrame({"gene": np.asarray(gene), "label": label, "score": score})
    if not np.isfinite(table["score"]).all() or not table["label"].isin([0, 1]).all():
        raise ValueError("scores must be finite, and labels 0 or 1")
    table["rank"] = table.groupby("gene")["score"].rank()
    by = table.groupby("gene")
    n, positive = by.size(), by["label"].sum()
    ranks = (table["rank"] * table["label"]).groupby(table["gene"]).sum()
    both = (positive > 0) & (positive < n)
    n, positive, ranks = n[both], positive[both], ranks[both]
    auroc = (ranks - positive * (positive + 1) / 2) / (positive * (n - positive))
    return pd.DataFrame({"auroc": auroc, "n": n})
