"""From signatures to drugs and from contrasts to diseases: one layer for every score."""

import numpy as np


def max_quantile(values: np.ndarray, high: float = 0.67, low: float = 0.33) -> np.ndarray:
    """Of two quantiles along the first axis, the one further from zero (LINCS 2017)."""
    top, bottom = np.quantile(values, (high, low), axis=0)
    return np.where(np.abs(top) >= np.abs(bottom), top, bottom)


RULES = ("max", "mean", "max-quantile")
"""How several scores of one drug, or of one disease, become one."""

TOP_SUM = 50


def aggregate(scores, drug_of, disease_of, *, drugs: str = "max", diseases: str = "mean"):
    """Scores of signatures and contrasts as scores of drugs and diseases.

    Parameters
    ----------
    scores : array of shape (n_signatures, n_contrasts)
        Higher for a drug that is thought to help.
    drug_of, disease_of : arrays of shape (n_signatures,), (n_contrasts,)
    drugs : {"max", "mean", "max-quantile"}
        First: signatures of a drug, for each contrast.
    diseases : {"max", "mean", "max-quantile", "top-50-sum"}
        Then: contrasts of a disease. *top-50-sum* adds the scores of a contrast's 50 best drugs
        and counts the others as 0 (DGEM-NN), so that a disease with more contrasts has higher
        scores; use it for scores that are at least 0.

    Returns
    -------
    scores : ndarray of shape (n_drugs, n_diseases)
    drug_names, disease_names : ndarray
        Sorted, as in rows and columns.

    Raises
    ------
    ValueError
        A rule that is not known, names that do not fit, scores that are not finite, or negative
        ones to be summed.
    """
    scores = np.asarray(scores, dtype=float)
    drug_of, disease_of = np.asarray(drug_of), np.asarray(disease_of)
    if scores.shape != (len(drug_of), len(disease_of)):
        raise ValueError(
            f"scores have shape {scores.shape} for {len(drug_of)} signatures and "
            f"{len(disease_of)} contrasts"
        )
    if not np.isfinite(scores).all():
        raise ValueError(f"{(~np.isfinite(scores)).sum()} scores are NaN or infinite")
    by_drug, drug_names = _grouped(scores, drug_of, drugs)
    if diseases != "top-50-sum":
        by_disease, disease_names = _grouped(by_drug.T, disease_of, diseases)
        return by_disease.T, drug_names, disease_names
    if by_drug.min() < 0:
        raise ValueError("top-50-sum counts what is left out as 0: pass scores of at least 0")
    place = np.argsort(np.argsort(-by_drug, axis=0, kind="stable"), axis=0, kind="stable")
    kept = np.where(place < TOP_SUM, by_drug, 0.0)
    by_disease, disease_names = _grouped(kept.T, disease_of, "sum")
    return by_disease.T, drug_names, disease_names


def _grouped(values: np.ndarray, names: np.ndarray, rule: str) -> tuple[np.ndarray, np.ndarray]:
    if rule not in (*RULES, "sum"):
        raise ValueError(f"aggregation {rule!r}: choose from {', '.join(RULES)}")
    found, code = np.unique(names, return_inverse=True)
    return np.stack([_one(values[code == i], rule) for i in range(len(found))]), found


def _one(values: np.ndarray, rule: str) -> np.ndarray:
    """One row of several."""
    if rule == "max":
        return values.max(axis=0)
    if rule == "mean":
        return values.mean(axis=0)
    return values.sum(axis=0) if rule == "sum" else max_quantile(values)
