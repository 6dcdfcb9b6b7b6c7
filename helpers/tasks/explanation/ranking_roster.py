"""Every way to rank genes that the book compares, as steps by name."""

from helpers.models.explanation.classifiers import fit_logistic_regression, fit_mlp
from helpers.models.explanation.penalised import fit_l1, fit_l2
from helpers.models.explanation.rankings import (
    boosting_ranking,
    forest_ranking,
    loading_ranking,
    mutual_information_ranking,
    random_ranking,
    variance_ranking,
    welch_ranking,
    wilcoxon_ranking,
)
from helpers.store import Step
from helpers.tasks.explanation.explained_rankings import (
    attribution_ranking,
    linear_shap_ranking,
    weight_ranking,
)

FAMILIES = {
    "IG, logistic regression": "explanation",
    "IG, MLP": "explanation",
    "IG, L1 regression": "explanation",
    "IG, L2 regression": "explanation",
    "gradient x input, MLP": "explanation",
    "linear SHAP": "explanation",
    "weights": "model",
    "random forest": "model",
    "boosted stumps": "model",
    "Welch t": "test",
    "Wilcoxon": "test",
    "mutual information": "test",
    "variance": "no class",
    "first component": "no class",
    "random order": "no class",
}
"""What each method looks at; the last ones know no class and are floors."""


def gene_rankings(data: Step, *, seed: int, shuffle: bool = False) -> dict[str, Step]:
    """One ranking of genes by each method, from the training samples.

    Parameters
    ----------
    data : Step
        Of an AnnData with `obs["class"]` and `obs["split"]`.
    seed : int
        Of trainings, trees, and the noise that breaks ties of mutual information.
    shuffle : bool
        Shuffle training samples between epochs: for data whose rows have an order.

    Returns
    -------
    dict of method to step
        Each an ndarray of shape (n_classes or 1, n_genes), higher for what matters more; of two
        classes an explanation has the one that is explained. NaN where a model does not fit its
        training samples, and is not explained.
    """
    lr = fit_logistic_regression(data, seed=seed, shuffle=shuffle)
    mlp = fit_mlp(data, seed=seed, shuffle=shuffle)
    l1, l2 = fit_l1(data, seed=seed), fit_l2(data, seed=seed)
    return {
        "IG, logistic regression": attribution_ranking(data, lr, split="train", unfit="nan"),
        "IG, MLP": attribution_ranking(data, mlp, split="train", unfit="nan"),
        "IG, L1 regression": attribution_ranking(data, l1, split="train", unfit="nan"),
        "IG, L2 regression": attribution_ranking(data, l2, split="train", unfit="nan"),
        "gradient x input, MLP": attribution_ranking(
            data, mlp, split="train", method="gradient x input", unfit="nan"
        ),
        "linear SHAP": linear_shap_ranking(data, lr, split="train", unfit="nan"),
        "weights": weight_ranking(data, lr),
        "random forest": forest_ranking(data, seed=seed, n_trees=300),
        "boosted stumps": boosting_ranking(data, seed=seed),
        "Welch t": welch_ranking(data),
        "Wilcoxon": wilcoxon_ranking(data),
        "mutual information": mutual_information_ranking(data, seed=seed),
        "variance": variance_ranking(data),
        "first component": loading_ranking(data),
        "random order": random_ranking(data, seed=seed),
    }
