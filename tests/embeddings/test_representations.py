"""Representations of tier 1: PCA variants, scVI, what they were fitted on, and the roster."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.sparse import csr_matrix

from helpers.data.contract import DataError, check
from helpers.data.embeddings.sister import sister_screen
from helpers.data.genes import shared_genes, variable_genes
from helpers.data.simulate.knobs import Knobs
from helpers.data.simulate.plan import plan_screen
from helpers.data.simulate.regimes import REGIMES
from helpers.data.simulate.screen import simulate_screen
from helpers.data.splits import batch_perturbation_split
from helpers.models.embeddings import scvi
from helpers.models.embeddings.scvi import scvi_embedding, scvi_fit
from helpers.models.pca import pca_embedding, pca_fit, pca_scores
from helpers.models.reproducible import reproducible
from helpers.presets import PRESETS
from helpers.tasks.embeddings.representations import FITTED_ON, roster, tier_screen


@pytest.fixture(scope="module")
def screen():
    return simulate_screen(
        rng=np.random.default_rng(0), n_cells=600, n_genes=60, n_targets=10, n_batches=4
    )


@pytest.fixture(scope="module")
def split(screen):
    return batch_perturbation_split.function(screen)


def fit(screen, **arguments):
    return scvi_fit.function(
        screen, **{"seed": 3, "n_steps": 30, "n_latent": 4, "n_hidden": 16} | arguments
    )


@pytest.fixture(scope="module")
def fitted(screen):
    return fit(screen, n_steps=150)


def log_expression(screen):
    X = screen.X.toarray()
    return np.log1p(X / screen.obs["total_counts"].to_numpy()[:, None] * 1e4)


def changed(screen, rows):
    """The screen with other counts in some cells."""
    X = screen.X.toarray()
    X[rows] = 3
    other = AnnData(csr_matrix(X), obs=screen.obs.copy(), var=screen.var, uns=screen.uns)
    other.obs.iloc[rows, other.obs.columns.get_loc("total_counts")] = X[rows].sum(axis=1)
    return other


def assert_same_up_to_sign(a, b, tolerance=2e-3):
    scale = np.abs(b).max()
    sign = np.sign((a * b).sum(axis=0))
    np.testing.assert_allclose(a * sign, b, atol=tolerance * scale)


# --------------------------------------------------------------------------- PCA


def test_pca_of_counts_is_the_svd_of_centred_counts(screen):
    X = screen.X.toarray().astype(float)
    u, s, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    found = pca_embedding.function(screen, n_components=5, seed=0, scale="counts")
    assert_same_up_to_sign(found, u[:, :5] * s[:5])


@pytest.mark.parametrize("scale", ["log1p", "counts"])
def test_a_fit_applied_to_its_own_cells_is_the_embedding(screen, scale):
    given = pca_fit.function(screen, n_components=4, seed=0, scale=scale)
    direct = pca_embedding.function(screen, n_components=4, seed=0, scale=scale)
    assert_same_up_to_sign(pca_scores.function(screen, given), direct, tolerance=1e-4)
    assert (np.diff(given["variance"]) <= 0).all()


def test_a_fit_on_training_cells_looks_at_no_other(screen, split):
    given = pca_fit.function(screen, n_components=4, seed=0, split=split)
    rows = np.union1d(split["train"], split["train_controls"])
    expression = log_expression(screen)
    centred = expression[rows] - expression[rows].mean(axis=0)
    vt = np.linalg.svd(centred, full_matrices=False)[2][:4]
    assert_same_up_to_sign(given["components"].T, vt.T)
    everywhere = (expression - expression[rows].mean(axis=0)) @ vt.T
    assert_same_up_to_sign(pca_scores.function(screen, given), everywhere)
    # Whatever the other cells hold, the fit is the same.
    given, again = (
        pca_fit.function(s, n_components=4, seed=0, split=split)
        for s in (screen, changed(screen, split["test"]))
    )
    np.testing.assert_array_equal(again["components"], given["components"])


def test_genes_are_found_by_name_whatever_their_order(screen):
    given = pca_fit.function(screen, n_components=3, seed=0, genes=screen.var_names[:40].tolist())
    turned = screen[:, ::-1].copy()
    np.testing.assert_array_equal(
        pca_scores.function(turned, given), pca_scores.function(screen, given)
    )
    with pytest.raises(DataError, match="lacks 40 of 40 genes of the model, first GENE01"):
        pca_scores.function(screen[:, 40:].copy(), given)


def test_an_unknown_scale_and_a_split_of_other_cells_are_refused(screen, split):
    with pytest.raises(ValueError, match="choose from log1p, counts"):
        pca_embedding.function(screen, n_components=2, seed=0, scale="zscore")
    with pytest.raises(DataError, match="a split of other cells"):
        pca_fit.function(screen[:50].copy(), n_components=2, seed=0, split=split)


# --------------------------------------------------------------------------- genes, another screen


def test_variable_genes_are_those_of_largest_variance_in_training_cells(screen, split):
    rows = np.union1d(split["train"], split["train_controls"])
    variance = pd.Series(log_expression(screen)[rows].var(axis=0), index=screen.var_names)
    found = variable_genes.function(screen, n_genes=12, split=split)
    assert set(found) == set(variance.nlargest(12).index)
    assert found == [g for g in screen.var_names if g in found]
    with pytest.raises(DataError, match="61 genes are asked for of 60"):
        variable_genes.function(screen, n_genes=61)


def test_shared_genes_keep_the_order_of_the_first_and_too_few_are_refused(screen):
    assert shared_genes.function(screen[:, :30], screen[:, 10:], least=5) == list(
        screen.var_names[10:30]
    )
    with pytest.raises(DataError, match="share 20 gene names; at least 50"):
        shared_genes.function(screen[:, :30], screen[:, 10:])


def test_a_sister_has_the_biology_of_the_screen_and_cells_of_its_own(screen):
    sister = check(
        sister_screen.function(screen, seed=9, n_cells=900, n_targets=8, n_batches=2, context_sd=0)
    )
    assert list(sister.var_names) == list(screen.var_names)
    assert sister.shape == (900, 60)
    means = [np.log(np.asarray(s.X.mean(axis=0)).ravel() + 0.01) for s in (screen, sister)]
    assert np.corrcoef(means)[0, 1] > 0.95
    programs = screen.varm["programs"]
    kept = []
    for data in (screen, sister):
        vt = np.linalg.svd(
            log_expression(data) - log_expression(data).mean(axis=0), full_matrices=False
        )[2]
        q = np.linalg.qr(programs)[0]
        kept.append(np.linalg.norm(vt[:3] @ q) ** 2 / 3)
    assert min(kept) > 1.3 * programs.shape[1] / 60  # more than directions at random would
    far = sister_screen.function(
        screen, seed=9, n_cells=900, n_targets=8, n_batches=2, context_sd=1
    )
    moved = np.log(np.asarray(far.X.mean(axis=0)).ravel() + 0.01)
    assert np.corrcoef(means[0], moved)[0, 1] < np.corrcoef(means)[0, 1]
    bare = screen.copy()
    del bare.varm["programs"]
    with pytest.raises(DataError, match="is not simulated"):
        sister_screen.function(bare, seed=9, n_cells=900, n_targets=8, n_batches=2)


# --------------------------------------------------------------------------- scVI


def test_the_encoder_in_numpy_is_that_of_scvi_tools(screen):
    import torch
    from scvi.module import VAE

    with reproducible(0):
        network = VAE(n_input=60, n_batch=4, n_latent=4, n_hidden=16, n_layers=2)
        X = torch.from_numpy(screen.X.toarray())
        batch = torch.zeros(len(X), 1, dtype=torch.int64)
        network(
            {"X": X, "batch": batch, "labels": torch.zeros(len(X), 1)}
        )  # batch norm sees the data
        network.eval()
        with torch.no_grad():
            expected = network.inference(X, batch)["qz"].loc.numpy()
    arrays = scvi._encoder(network.z_encoder)
    given = arrays | {"genes": np.array(screen.var_names), "inputs": np.array("counts")}
    np.testing.assert_allclose(scvi_embedding.function(screen, given), expected, atol=1e-5)


@pytest.mark.parametrize("likelihood", scvi.LIKELIHOODS)
def test_the_loss_is_that_of_scvi_tools(screen, likelihood):
    import torch

    cells = scvi._Cells(screen.X.toarray(), screen.obs["batch"].cat.codes.to_numpy())
    with reproducible(0):
        network = scvi._network(
            n_input=60, n_batch=4, n_latent=4, n_hidden=16, n_layers=1, dropout_rate=0.0,
            gene_likelihood=likelihood, decoder="neural",
        )  # fmt: skip
        network.eval()
        labels = torch.zeros(len(cells), 1)
        torch.manual_seed(1)
        _, _, theirs = network({"X": cells.X, "batch": cells.batch, "labels": labels})
        torch.manual_seed(1)
        reconstruction, kl = scvi._loss(network, likelihood, cells, slice(None), "now")
    torch.testing.assert_close(
        reconstruction, theirs.reconstruction_loss["reconstruction_loss"], rtol=1e-4, atol=1e-3
    )
    torch.testing.assert_close(kl, theirs.kl_local["kl_divergence_z"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("decoder", scvi.DECODERS)
def test_training_lowers_the_validation_loss_and_the_same_seed_gives_the_same_bytes(
    screen, decoder
):
    import torch

    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    first, second = (fit(screen, n_steps=100, decoder=decoder) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    curve = first["validation_elbo"]
    assert curve[-1] < 0.9 * curve[0]
    assert list(first["step"]) == [8, 16, 25, 33, 41, 50, 58, 66, 75, 83, 91, 100]
    other = fit(screen, n_steps=100, decoder=decoder, seed=4)
    assert not np.array_equal(first["encoder.mean.weight"], other["encoder.mean.weight"])


def test_a_trained_encoder_finds_what_is_planted_and_an_untrained_one_less():
    screen = simulate_screen(
        rng=np.random.default_rng(0), n_cells=600, n_genes=60, n_targets=10, n_batches=4,
        n_programs=2, program_share=0.4, state_sd=0.8, cell_sd=0.5,
    )  # fmt: skip
    truth = screen.obsm["latent"]

    def explained(n_steps):
        z = scvi_embedding.function(screen, fit(screen, n_steps=n_steps)).astype(float)
        design = np.column_stack([np.ones(len(z)), z])
        rest = truth - design @ np.linalg.lstsq(design, truth, rcond=None)[0]
        return 1 - rest.var(axis=0).sum() / truth.var(axis=0).sum()

    assert explained(300) > 0.75
    assert explained(300) > explained(0) + 0.2
    assert len(fit(screen, n_steps=0)["step"]) == 0


def test_cells_are_embedded_one_by_one_and_without_their_batch(screen, fitted):
    whole = scvi_embedding.function(screen, fitted)
    assert whole.shape == (600, 4) and whole.dtype == np.float32
    rows = np.array([5, 77, 401])
    query = screen[rows].copy()
    query.obs["batch"] = pd.Categorical(["never seen"] * 3)
    query = query[:, ::-1].copy()
    np.testing.assert_allclose(scvi_embedding.function(query, fitted), whole[rows], atol=1e-5)


def test_a_fit_on_training_batches_looks_at_no_other(screen, split):
    first, second = (fit(s, split=split) for s in (screen, changed(screen, split["test"])))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    n = len(split["train"]) + len(split["train_controls"])
    assert first["n_training"] + first["n_validation"] == n


@pytest.mark.parametrize("likelihood", scvi.LIKELIHOODS)
@pytest.mark.filterwarnings("error::UserWarning")
def test_log_counts_are_accepted_where_they_are_asked_for_without_warnings(screen, likelihood):
    given = fit(screen, inputs="log1p", likelihood=likelihood)
    assert np.isfinite(given["validation_elbo"]).all()
    again = given | {"inputs": np.array("counts")}
    from_logs = scvi_embedding.function(screen, given)
    assert not np.allclose(from_logs, scvi_embedding.function(screen, again))


@pytest.mark.parametrize(
    ("value", "message"), [(-1, "negative"), (np.nan, "not finite"), (0.5, "not integer")]
)
def test_what_is_not_a_count_is_refused(screen, value, message):
    wrong = screen.copy()
    wrong.X.data[0] = value
    with pytest.raises(DataError, match=message):
        fit(wrong)


def test_bad_arguments_are_refused(screen, split):
    for arguments, message in (
        ({"likelihood": "normal"}, "choose from zinb, nb, poisson"),
        ({"inputs": "raw"}, "choose from counts, log1p"),
        ({"decoder": "deep"}, "choose from neural, linear"),
        ({"n_steps": -1}, "n_steps is -1"),
        (
            {"split": {"train": np.arange(60), "train_controls": np.empty(0, int)}},
            "60 cells less 6 for validation are fewer than the 64 needed",
        ),
        ({"batch_size": 1_000}, "fewer than the 1000 needed"),
        ({"genes": ["GENE01", "ACTB"]}, "lacks 1 of 2 genes of the model, first ACTB"),
        ({"split": {"train": np.array([700]), "train_controls": np.array([1])}}, "other cells"),
    ):
        with pytest.raises(ValueError, match=message):
            fit(screen, **arguments)


def test_a_cell_without_counts_in_the_genes_and_a_fit_that_diverges_are_reported(screen):
    one = screen.copy()
    X = one.X.tolil()
    X[7, :5] = 0
    one.X = csr_matrix(X)
    with pytest.raises(DataError, match="training cells have no counts in the 5 genes"):
        fit(one, genes=screen.var_names[:5].tolist())
    with pytest.raises(RuntimeError, match=r"diverged before .* lower learning_rate"):
        fit(screen, learning_rate=1e6)


# --------------------------------------------------------------------------- roster


def test_the_roster_names_everything_once_and_says_what_it_was_fitted_on():
    screen = tier_screen(0, "tiny")
    found = roster(screen, seed=0, simulated=True, preset="tiny")
    roles = [r.role for r in found.values()]
    assert roles == sorted(roles, key=["candidate", "floor", "ceiling"].index)
    assert {r.fitted_on for r in found.values()} == set(FITTED_ON)
    for name, one in found.items():
        assert one.name == name
        assert one.params["fitted_on"] == one.fitted_on
        assert ("training batches" in name) == (one.fitted_on == "training batches")
        assert ("transferred" in name) == (one.fitted_on == "another data set")
    keys = [r.embedding.key for r in found.values()]
    assert len(set(keys)) == len(keys)
    again = roster(screen, seed=0, simulated=True, preset="tiny")
    assert [r.embedding.key for r in again.values()] == keys


def test_a_real_screen_has_what_its_chapter_gives_it():
    screen = tier_screen(0, "tiny")
    names = set(roster(screen, seed=0))
    assert "planted truth" not in names
    assert not any("training batches" in n or "transferred" in n for n in names)
    few = roster(screen, seed=0, only=["scVI", "PCA of log counts"])
    assert list(few) == ["PCA of log counts", "scVI"]
    with pytest.raises(ValueError, match="no representation 'PCA'"):
        roster(screen, seed=0, only=["PCA"])


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("regime", [None, *REGIMES])
def test_the_screens_of_the_tier_can_be_drawn_at_every_preset(preset, regime):
    """All but the counts; `full` asked for more members of complexes than targets act."""
    made = tier_screen(0, preset, regime=regime).arguments
    rng, knobs = np.random.default_rng(made["seed"]), Knobs(**made["knobs"])
    if (regime, preset) == ("sparse", "full"):  # 500 counts a cell for 5,000 genes
        with pytest.raises(ValueError, match="750 expressed targets are asked for"):
            plan_screen(rng, knobs)
        return
    assert len(plan_screen(rng, knobs).obs) == knobs.n_cells
