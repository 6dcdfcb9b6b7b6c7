"""The task of reconstruction: both protocols, floors and truth, what cannot be asked."""

import numpy as np
import pandas as pd
import pytest

from helpers import scores as score_table
from helpers.data.contract import CONTROL, DataError
from helpers.data.normalise import log1p_cp10k
from helpers.data.simulate.screen import simulate_screen
from helpers.data.splits import batch_perturbation_split
from helpers.metrics.embeddings.facts import METRICS
from helpers.metrics.embeddings.reconstruction import gene_correlations
from helpers.models.embeddings.decoders import RidgeDecoder
from helpers.models.floors import gaussian_noise, latent
from helpers.models.pca import pca_embedding
from helpers.tasks.departures import table_of
from helpers.tasks.embeddings.reconstruction import (
    SPLIT,
    available,
    expected_shares,
    reconstruction,
    to_split,
    variable_genes,
)
from helpers.tasks.embeddings.reconstruction_report import DEPARTURES, scores
from helpers.tasks.requirements import CannotAnswer


@pytest.fixture(scope="module")
def screen():
    return simulate_screen(
        rng=np.random.default_rng(0), n_cells=2_500, n_genes=150, n_targets=30, n_batches=7,
        effect_size=0.7,
    )  # fmt: skip


@pytest.fixture(scope="module")
def split(screen):
    return batch_perturbation_split.function(screen)


@pytest.fixture(scope="module")
def genes(screen, split):
    return variable_genes.function(screen, split, n_genes=60)


def run(screen, embedding, split, genes, **arguments):
    defaults = {"protocol": "revised", "posts": ["raw"]}
    return reconstruction.function(screen, embedding, split, genes, **(defaults | arguments))


def means(result):
    return result.groupby("metric")["value"].mean()


def test_variable_genes_are_those_of_training_cells(screen, split):
    rows = np.concatenate([split["train"], split["train_controls"]])
    expression = log1p_cp10k(screen).X.toarray()[rows]
    most = np.argsort(-expression.var(axis=0))[:10]
    found = variable_genes.function(screen, split, n_genes=10)
    assert set(found) == set(screen.var_names[most])
    assert found == sorted(found)
    assert len(variable_genes.function(screen, split, n_genes=10_000)) <= 150
    with pytest.raises(ValueError, match="n_genes is 0"):
        variable_genes.function(screen, split, n_genes=0)


def test_ridge_scores_are_those_of_a_fit_by_hand(screen, split, genes):
    embedding = pca_embedding.function(screen, n_components=10, seed=0)
    found = run(screen, embedding, split, genes)
    train = np.sort(np.concatenate([split["train"], split["train_controls"]]))
    test = np.sort(np.concatenate([split["unseen"], split["unseen_controls"]]))
    expression = log1p_cp10k(screen)[:, genes].X.toarray()
    decoder = RidgeDecoder().fit(
        embedding[train], expression[train], screen.obs["batch"].astype(str).to_numpy()[train]
    )
    expected = gene_correlations(decoder.predict(embedding[test]), expression[test])
    spearman = found[found["metric"] == "reconstruction_spearman"].set_index("unit")["value"]
    np.testing.assert_allclose(spearman[genes], expected, rtol=1e-6)
    profiles = found[found["metric"] == "profile_integrity"]
    unseen = screen.obs["perturbation"].iloc[split["unseen"]].value_counts()
    unseen = unseen[unseen > 0]
    assert profiles.set_index("unit")["n"].to_dict() == unseen.to_dict()


@pytest.mark.parametrize("decoder", ["ridge", "counts"])
def test_noise_gets_one_half_and_truth_is_best_where_counting_noise_is_away(
    screen, split, genes, decoder
):
    ask = {"decoder": decoder, "target": "expected"}
    noise = means(
        run(screen, gaussian_noise.function(screen, n_dims=10, seed=0), split, genes, **ask)
    )
    # The penalty of the decoder of counts is not chosen: it learns a little of the noise.
    assert noise["structural_integrity_overall"] == pytest.approx(0.5, abs=0.05)
    assert noise["profile_integrity"] == pytest.approx(0.5, abs=0.05)
    assert abs(noise["reconstruction_spearman"]) < 0.03
    truth = means(run(screen, latent.function(screen), split, genes, **ask))
    pca = means(
        run(screen, pca_embedding.function(screen, n_components=10, seed=0), split, genes, **ask)
    )
    assert truth["structural_integrity_overall"] > 0.75
    for metric in ("structural_integrity_overall", "reconstruction_spearman"):
        assert truth[metric] > pca[metric]


def test_an_embedding_that_saw_the_counts_beats_the_truth_on_them(screen, split, genes):
    # 60 components of 150 genes hold much of the cells' own noise.
    pca = pca_embedding.function(screen, n_components=60, seed=0)
    own = means(run(screen, pca, split, genes))["reconstruction_spearman"]
    truth = means(run(screen, latent.function(screen), split, genes))["reconstruction_spearman"]
    assert own > truth


def test_expected_shares_are_what_is_counted_on_average(screen):
    share = expected_shares(screen)
    np.testing.assert_allclose(share.sum(axis=1), 1)
    counts = screen.X.toarray()
    depth = counts.sum(axis=1, keepdims=True)
    batch = screen.obs["batch"].to_numpy()
    for rows in (batch == "batch1", (screen.obs["perturbation"] != CONTROL).to_numpy()):
        expected = (share * depth)[rows].sum(axis=0)
        large = expected > 200
        ratio = counts[rows].sum(axis=0)[large] / expected[large]
        assert np.abs(ratio - 1).max() < 0.25
        assert abs(ratio.mean() - 1) < 0.02
    target = screen.uns["truth"]["targets"].query("expressed").index[0]
    acted = (screen.obs["perturbation"] == target).to_numpy() & screen.obs["responder"].to_numpy()
    column = screen.var_names.get_loc(target)
    assert share[acted, column].mean() < 0.5 * share[~acted, column].mean()
    real = screen.copy()
    del real.uns["truth"]
    with pytest.raises(DataError, match="only simulated screens"):
        expected_shares(real)


def test_the_published_protocol_scores_a_handful_of_cells(screen, split, genes):
    embedding = pca_embedding.function(screen, n_components=10, seed=0)
    found = run(
        screen, embedding, split, genes, protocol="published", epochs=2, most_cells=300, seed=1
    )
    n_test = len(split["unseen"]) + len(split["unseen_controls"])
    overall = found[found["metric"] == "structural_integrity_overall"]
    assert overall["n"].item() == round(0.015 * n_test)
    assert "profile_integrity" not in set(found["metric"])
    again = run(
        screen, embedding, split, genes, protocol="published", epochs=2, most_cells=300, seed=1
    )
    pd.testing.assert_frame_equal(found, again)


def test_scores_fit_the_schema(screen, split, genes):
    found = run(screen, latent.function(screen), split, genes, posts=["raw", "tvn"])
    table = scores(
        found, dataset="simulated", model="truth", params={"n_dims": 22}, protocol="revised",
        role="ceiling", seed=0, decoder="ridge",
    )  # fmt: skip
    assert set(score_table.check(table)["metric"]) <= set(METRICS)
    assert set(table["unit_kind"]) == {"gene", "batch", "perturbation", "all"}


def test_too_little_cannot_be_answered(screen, split, genes):
    embedding = latent.function(screen)
    batch = screen.obs["batch"].to_numpy()
    test_batches = set(batch[split["unseen_controls"]])
    without = {**split, "unseen_controls": split["unseen_controls"][:0]}
    assert available(screen, without)["test_batches_with_controls"] == 0
    with pytest.raises(CannotAnswer, match=r"simulated, reconstruction: .* no test batches"):
        run(screen, embedding, without, genes)
    one = {**split, "train": split["train"][batch[split["train"]] == batch[split["train"][0]]]}
    with pytest.raises(CannotAnswer, match="training batches, has 1"):
        run(screen, embedding, one, genes)
    assert len(test_batches) == available(screen, split)["test_batches_with_controls"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"protocol": "best"}, "protocol is 'best'"),
        ({"decoder": "forest"}, "no decoder 'forest'"),
        ({"posts": ["raw", "zca"]}, r"no posts \['zca'\]"),
        ({"target": "true"}, "target is 'true'"),
        ({"genes": ["GENE001", "ABC"]}, "lacks 1 of the genes to decode, e.g. ABC"),
    ],
)
def test_bad_arguments_are_refused(screen, split, genes, arguments, message):
    ask = {"genes": genes} | arguments
    with pytest.raises(DataError, match=message):
        run(screen, latent.function(screen), split, ask.pop("genes"), **ask)


def test_an_embedding_of_other_cells_or_with_nan_is_refused(screen, split, genes):
    embedding = latent.function(screen)
    with pytest.raises(DataError, match="10 rows, the screen 2500"):
        run(screen, embedding[:10], split, genes)
    odd = embedding.copy()
    odd[7, 1] = np.inf
    for post, said in (("raw", "NaN or infinite values"), ("tvn", "NaN or infinite coordinates")):
        with pytest.raises(DataError, match=f"simulated, {post}: .*{said}"):
            run(screen, odd, split, genes, posts=[post])
    constant = means(run(screen, np.ones((2_500, 3)), split, genes))
    assert constant["structural_integrity_overall"] == pytest.approx(0.5)
    assert np.isnan(constant["reconstruction_spearman"])


def test_departures_are_typed():
    table = table_of(DEPARTURES)
    assert set(table["kind"]) == {"bug", "paper-code discrepancy", "design choice"}
    assert table["aspect"].is_unique


def test_what_a_split_needs_is_counted_in_perturbed_cells(screen):
    few = screen[((screen.obs["perturbation"] == CONTROL) | (screen.obs["batch"] == "b1"))]
    has = to_split(few)
    treated = few.obs[few.obs["perturbation"] != CONTROL]
    assert has == {
        "batches_to_split": len(set(treated["batch"])),
        "perturbations_to_split": len(set(treated["perturbation"])),
    }
    assert {r.fact for r in SPLIT} == set(has)
