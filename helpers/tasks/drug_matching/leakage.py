"""One model on real drugs and diseases, with ever more of what is near held out."""

import numpy as np
import pandas as pd

from helpers.data.drug_matching.frozen import folds
from helpers.data.drug_matching.matching import matching
from helpers.metrics.drug_matching import ranking
from helpers.models.drug_matching.bilinear import BilinearRidge
from helpers.store.steps import step
from helpers.tasks.drug_matching.matching import components
from helpers.tasks.drug_matching.simulated import FEWEST

AUROC = "within_disease_auroc"
MODELS = ("bilinear ridge", "popularity", "reversal")


@step
def coordinates(data) -> dict[str, np.ndarray]:
    """`components` of the signatures of `drugs` and of the contrasts of `diseases`."""
    m = matching(data)
    return {"drugs": components(m.signatures), "diseases": components(m.contrasts.fillna(0))}


@step
def held_out(data, reversal, known, *, scheme: str) -> pd.DataFrame:
    """AUROC of each disease over the drugs that a fold holds out, by each of `MODELS`.

    Parameters
    ----------
    data : AnnData
    reversal : DataFrame of shape (n_drugs, n_diseases)
        Scores that nothing is learned for.
    known : dict of ndarray
        Of `coordinates`, what the linear model knows of drugs and diseases.
    scheme : str
        Of `helpers.data.drug_matching.frozen.SCHEMES`.

    Returns
    -------
    DataFrame
        `model`, where popularity counts the training pairs of a drug; `disease`; `fold`, which
        tells the rankings of one disease apart; `metric`; `value`; `n` (candidates). Rankings of
        fewer than `FEWEST` candidates, or without a drug to find, are left out.

    Raises
    ------
    DataError
        Another scheme.
    """
    m = matching(data)
    treats = m.treats.to_numpy()
    drugs, diseases = known["drugs"], known["diseases"]
    rows = []
    for number, fold in enumerate(folds(m.drug_groups, m.disease_groups, scheme=scheme)):
        pairs = treats & fold.train
        seen = np.ix_(fold.train.any(axis=1), fold.train.any(axis=0))
        ridge = BilinearRidge().fit(drugs[seen[0][:, 0]], diseases[seen[1][0]], pairs[seen])
        counted = np.repeat(pairs.sum(axis=1)[:, None], treats.shape[1], axis=1)
        models = {
            "bilinear ridge": ridge.predict(drugs, diseases),
            "popularity": counted.astype(float),
            "reversal": reversal.to_numpy(),
        }
        for j, disease in enumerate(m.treats.columns):
            own = fold.test[:, j]
            relevant = treats[own, j]
            if own.sum() < FEWEST or not relevant.any():
                continue
            for model, scores in models.items():
                value = ranking.auroc(ranking.ranked(scores[own, j], relevant))
                rows.append([model, disease, number, AUROC, value, len(relevant)])
    return pd.DataFrame(rows, columns=["model", "disease", "fold", "metric", "value", "n"])
