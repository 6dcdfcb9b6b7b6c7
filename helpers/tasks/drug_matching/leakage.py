"""One model on real drugs and diseases, with ever more of what is near held out."""

import numpy as np
import pandas as pd

from helpers.data.drug_matching.frozen import folds
from helpers.data.drug_matching.matching import matching
from helpers.models.drug_matching.bilinear import BilinearRidge
from helpers.store.steps import step
from helpers.tasks.drug_matching.matching import components
from helpers.tasks.drug_matching.simulated import held_out_metrics

MODELS = ("bilinear ridge", "popularity", "reversal")


@step
def held_out(data, reversal, *, scheme: str) -> pd.DataFrame:
    """Metrics of each disease over the drugs that a fold holds out, by each of `MODELS`.

    Parameters
    ----------
    data : AnnData
    reversal : DataFrame of shape (n_drugs, n_diseases)
        Scores that nothing is learned for.
    scheme : str
        Of `helpers.data.drug_matching.frozen.SCHEMES`.

    Returns
    -------
    DataFrame
        See `helpers.tasks.drug_matching.matching.metrics_of`; `model`, where popularity counts the
        training pairs of a drug, and `fold`, which tells the rankings of one disease apart.

    Raises
    ------
    DataError
        Another scheme.
    """
    m = matching(data)
    treats = m.treats.to_numpy()
    drugs, diseases = components(m.signatures), components(m.contrasts.fillna(0))
    tables = []
    for number, fold in enumerate(folds(m.drug_groups, m.disease_groups, scheme=scheme)):
        known = treats & fold.train
        rows, columns = fold.train.any(axis=1), fold.train.any(axis=0)
        ridge = BilinearRidge().fit(drugs[rows], diseases[columns], known[np.ix_(rows, columns)])
        counted = np.repeat(known.sum(axis=1)[:, None], treats.shape[1], axis=1)
        models = {
            "bilinear ridge": ridge.predict(drugs, diseases),
            "popularity": counted.astype(float),
            "reversal": reversal.to_numpy(),
        }
        for model, scores in models.items():
            found = held_out_metrics(scores, treats, fold.test, m.treats.index, m.treats.columns)
            tables += [table.assign(fold=number, model=model) for table in found]
    return pd.concat(tables, ignore_index=True)
