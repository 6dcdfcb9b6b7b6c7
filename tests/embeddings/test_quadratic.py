"""Products of principal components: what they are, and where they must win over PCA."""

import numpy as np
import pytest

from helpers.data.simulate.regimes import regime_knobs
from helpers.data.simulate.screen import simulate_screen
from helpers.models.embeddings.quadratic import quadratic_embedding, state_gated
from helpers.models.floors import latent
from helpers.models.pca import pca_embedding
from helpers.tasks.embeddings.consistency import consistency


def test_products_of_components_see_what_pca_cannot():
    knobs = regime_knobs("state-dependent", n_cells=3_000, n_genes=300, n_targets=16)
    screen = simulate_screen(rng=np.random.default_rng(0), **knobs)
    pca = pca_embedding.function(screen, n_components=20, seed=0)
    truth = state_gated.function(screen, latent.function(screen))
    embeddings = {
        "PCA": pca,
        "products": quadratic_embedding.function(pca, n_components=20),
        "truth": truth,
    }
    acting = screen.uns["truth"]["targets"]["effective"]
    mean = {
        name: consistency.function(screen, e, protocol="revised", n_draws=20)["similarity"][
            acting.index[acting]
        ].mean()
        for name, e in embeddings.items()
    }
    assert mean["truth"] > mean["products"] > mean["PCA"] + 0.03


def test_products_are_all_products_and_are_refused_where_there_is_nothing_to_multiply():
    x = np.random.default_rng(0).standard_normal((50, 3)) * [1, 2, 3] + 4
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    products = quadratic_embedding.function(x, n_components=2)
    expected = np.column_stack([z[:, 0] ** 2, z[:, 0] * z[:, 1], z[:, 1] ** 2])
    np.testing.assert_allclose(products, expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="allows 1 to 3"):
        quadratic_embedding.function(x, n_components=4)
    with pytest.raises(ValueError, match="coordinate 1 is constant"):
        quadratic_embedding.function(np.column_stack([x[:, 0], np.ones(50)]), n_components=2)
