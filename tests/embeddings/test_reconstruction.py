"""Reconstruction against formulas, and decoders against plain implementations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.stats import nbinom, pearsonr, spearmanr

from helpers.metrics.embeddings.reconstruction import (
    gene_correlations,
    overall_integrity,
    profile_integrity,
    structural_integrity,
)
from helpers.models.embeddings.decoders import (
    MLPDecoder,
    NegativeBinomialDecoder,
    RidgeDecoder,
    mlp_widths,
)

# --------------------------------------------------------------------------- correlations


@given(st.integers(0, 2**32 - 1), st.integers(3, 30))
def test_correlations_are_those_of_scipy_with_ties(seed, n):
    rng = np.random.default_rng(seed)
    predicted, observed = rng.integers(0, 4, (2, n, 5)).astype(float)
    predicted[:, 0] = 1
    for method, peer in (("spearman", spearmanr), ("pearson", pearsonr)):
        found = gene_correlations(predicted, observed, method=method)
        for g in range(5):
            if np.ptp(predicted[:, g]) == 0 or np.ptp(observed[:, g]) == 0:
                assert np.isnan(found[g])
            else:
                expected = peer(predicted[:, g], observed[:, g]).statistic
                assert found[g] == pytest.approx(expected, abs=1e-12)


def test_bad_predictions_are_refused():
    good = np.ones((4, 2))
    with pytest.raises(ValueError, match=r"predicted has shape \(3, 2\), observed \(4, 2\)"):
        gene_correlations(good[:3], good)
    with pytest.raises(ValueError, match="observed holds 1 NaN or infinite values"):
        gene_correlations(good, np.where(np.eye(4, 2) * [[1], [0], [0], [0]], np.nan, good))
    with pytest.raises(ValueError, match="1 cells"):
        gene_correlations(good[:1], good[:1])
    with pytest.raises(ValueError, match="method is 'kendall'"):
        gene_correlations(good, good, method="kendall")


# --------------------------------------------------------------------------- integrity


def made_up(seed=0, sizes=(50, 30, 20)):
    rng = np.random.default_rng(seed)
    batches = np.repeat([f"b{i}" for i in range(len(sizes))], sizes)
    is_control = rng.random(len(batches)) < 0.3
    observed = rng.standard_normal((len(batches), 7)) + 2 * is_control[:, None]
    return observed, batches, is_control


@pytest.mark.parametrize("form", ["published", "revised"])
def test_reference_values_of_structural_integrity(form):
    observed, batches, is_control = made_up()

    def score(predicted):
        found = structural_integrity(predicted, observed, batches, is_control, form=form)
        return overall_integrity(found, form=form)

    turned = observed.copy()
    constant = np.empty_like(observed)
    for b in np.unique(batches):
        rows = batches == b
        mean = observed[rows & is_control].mean(axis=0)
        turned[rows] = 2 * mean - observed[rows]
        constant[rows] = hash(b) % 10
    assert score(observed) == 1
    assert score(constant) == pytest.approx(0.5, abs=1e-12)
    assert score(turned) == pytest.approx(0, abs=1e-12)
    assert score(turned - 3 * (observed - turned)) < 0


def test_structural_integrity_is_the_formula_of_the_paper():
    observed, batches, is_control = made_up(1)
    is_control[batches == "b2"] = False  # published: stays uncentred
    predicted = observed + np.random.default_rng(2).standard_normal(observed.shape)
    distances, norms, revised = [], [], []
    for b in ("b0", "b1", "b2"):
        rows = batches == b
        p, a = predicted[rows], observed[rows]
        if is_control[rows].any():
            p = p - p[is_control[rows]].mean(axis=0)
            a = a - a[is_control[rows]].mean(axis=0)
            kept = ~is_control[rows]
            revised.append(
                1 - np.sqrt(((p - a)[kept] ** 2).sum()) / (2 * np.sqrt((a[kept] ** 2).sum()))
            )
        distances.append(np.sqrt(((p - a) ** 2).sum()) / rows.sum())
        norms.append(np.sqrt((a**2).sum()) / rows.sum())
    arguments = (predicted, observed, batches, is_control)
    found = structural_integrity(*arguments, form="published")
    expected = 1 - np.mean(distances) / (2 * np.mean(norms))
    assert overall_integrity(found, form="published") == pytest.approx(expected)
    found = structural_integrity(*arguments)
    assert np.isnan(found.loc["b2", "structural_integrity"])
    np.testing.assert_allclose(found["structural_integrity"][:2], revised)
    assert overall_integrity(found) == pytest.approx(np.mean(revised))
    assert list(found["n_rows"]) == [*((~is_control & (batches == b)).sum() for b in found.index)]


def test_batches_without_controls_make_a_useless_prediction_look_good():
    # What sends random embeddings to 0.94 on L1000: uncentred norms fill the denominator.
    rng = np.random.default_rng(3)
    observed = 5 + rng.standard_normal((300, 20))
    batches = np.repeat(np.arange(100), 3)
    is_control = np.arange(300) % 3 == 0
    is_control[batches % 4 == 0] = False
    useless = np.tile(observed.mean(axis=0), (300, 1))
    published = structural_integrity(useless, observed, batches, is_control, form="published")
    revised = structural_integrity(useless, observed, batches, is_control)
    assert overall_integrity(published, form="published") > 0.65
    assert overall_integrity(revised) == pytest.approx(0.5, abs=1e-12)
    assert revised["structural_integrity"].isna().sum() == 25


def test_profiles_are_mean_changes_over_batches_with_controls():
    rng = np.random.default_rng(4)
    effect = rng.standard_normal((6, 30))
    label = np.tile(np.arange(6), 40)
    batches = np.repeat(["b0", "b1", "bare"], 80)
    is_control = (label == 0) & (batches != "bare")
    truth = np.where((label == 0)[:, None], 0, effect[label]) + (batches == "b1")[:, None]
    observed = truth + 3 * rng.standard_normal(truth.shape)
    kept = batches != "bare"
    found = profile_integrity(truth, observed, batches, is_control, label)
    changes = {}
    for name, rows in (("guess", truth), ("own", observed)):
        centred = rows.copy()
        for b in ("b0", "b1"):
            centred[batches == b] -= rows[(batches == b) & is_control].mean(axis=0)
        changes[name] = [centred[(label == k) & kept].mean(axis=0) for k in range(1, 6)]
    difference = np.linalg.norm(np.subtract(changes["guess"], changes["own"]), axis=1)
    expected = 1 - difference / (2 * np.linalg.norm(changes["own"], axis=1))
    np.testing.assert_allclose(found.loc[1:, "profile_integrity"], expected)
    assert np.isnan(found.loc[0, "profile_integrity"])  # controls' label, in the bare batch only
    assert list(found["n_cells"]) == [0, *[(kept & (label == k)).sum() for k in range(1, 6)]]
    assert found["n_unscored"].sum() == (~kept).sum()
    # The same predictions look poor cell by cell: the noise of cells is most of their norm.
    by_cell = structural_integrity(truth, observed, batches, is_control)["structural_integrity"]
    assert by_cell.max() < 0.57
    assert found["profile_integrity"].mean() > 0.67
    flat = profile_integrity(0 * truth, observed, batches, is_control, label)
    np.testing.assert_allclose(flat.loc[1:, "profile_integrity"], 0.5, atol=1e-12)
    with pytest.raises(ValueError, match="5 labels for 240 rows"):
        profile_integrity(truth, observed, batches, is_control, label[:5])


def test_bad_integrity_input_is_refused():
    observed, batches, is_control = made_up()
    with pytest.raises(ValueError, match="do not fit 100 rows"):
        structural_integrity(observed, observed, batches[:5], is_control)
    with pytest.raises(ValueError, match="must be boolean"):
        structural_integrity(observed, observed, batches, is_control.astype(int))
    with pytest.raises(ValueError, match="form is 'best'; revised or published"):
        structural_integrity(observed, observed, batches, is_control, form="best")
    bare = structural_integrity(observed, observed, batches, np.zeros(100, bool))
    assert np.isnan(overall_integrity(bare))


# --------------------------------------------------------------------------- ridge


def cells(seed=0, n=240, n_dims=5, n_genes=8):
    rng = np.random.default_rng(seed)
    embedding = rng.standard_normal((n, n_dims)) * [1, 10, 0.1, 3, 1][:n_dims] + 4
    weights = rng.standard_normal((n_dims, n_genes))
    expression = embedding @ weights + 2 * rng.standard_normal((n, n_genes)) + 3
    return embedding, expression, rng.permutation(n) % 4


def test_ridge_solves_the_normal_equations_and_chooses_by_held_out_batches():
    embedding, expression, batches = cells()
    penalties = (1e-3, 0.1, 10.0)

    def plain(rows, penalty):
        z, y = embedding[rows], expression[rows]
        centre, sd = z.mean(axis=0), z.std(axis=0)
        standard = (z - centre) / sd
        weights = np.linalg.solve(
            standard.T @ standard + penalty * len(z) * np.eye(5), standard.T @ (y - y.mean(axis=0))
        )
        return lambda other: (other - centre) / sd @ weights + y.mean(axis=0)

    decoder = RidgeDecoder(penalties).fit(embedding, expression, batches)
    for penalty in penalties:
        error = 0.0
        for b in range(4):
            held_out = plain(batches != b, penalty)(embedding[batches == b])
            error += ((held_out - expression[batches == b]) ** 2).sum()
        assert decoder.held_out_.loc[penalty, "error"] == pytest.approx(error / 240)
    assert decoder.penalty_ == decoder.held_out_["error"].idxmin()
    expected = plain(np.full(240, True), decoder.penalty_)(embedding)
    np.testing.assert_allclose(decoder.predict(embedding), expected, rtol=1e-9)


def test_ridge_in_pieces_and_of_sparse_expression_is_the_same():
    embedding, expression, batches = cells(1)
    expression = np.maximum(expression - 5, 0)
    whole = RidgeDecoder().fit(embedding, expression, batches)
    pieces = RidgeDecoder()
    for rows in np.array_split(np.arange(240), 7):
        pieces.partial_fit(embedding[rows], csr_matrix(expression[rows]), batches[rows])
    pieces.solve()
    assert pieces.penalty_ == whole.penalty_
    np.testing.assert_allclose(pieces.weights_, whole.weights_, rtol=1e-9)


def test_a_constant_coordinate_changes_nothing_and_an_uninformative_one_is_shrunken():
    embedding, expression, batches = cells(2)
    constant = np.column_stack([embedding, np.full(240, 1e6)])
    plain = RidgeDecoder().fit(embedding, expression, batches).predict(embedding)
    found = RidgeDecoder().fit(constant, expression, batches).predict(constant)
    np.testing.assert_allclose(found, plain, rtol=1e-8)
    noise = np.random.default_rng(3).standard_normal((240, 100))
    decoder = RidgeDecoder().fit(noise, expression, batches)
    assert decoder.penalty_ >= 1
    assert np.ptp(decoder.predict(noise), axis=0).max() < np.ptp(expression, axis=0).min()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batches": np.zeros(240)}, "1 batch: at least 2"),
        ({"batches": np.arange(3)}, "do not fit"),
        (
            {"embedding": np.full((240, 2), np.nan)},
            "480 NaN or infinite values, the first in row 0",
        ),
        ({"embedding": np.ones(240)}, "pass cells x dimensions"),
        ({"expression": np.full((240, 2), np.inf)}, "expression holds NaN or infinite"),
    ],
)
def test_bad_ridge_input_is_refused(change, message):
    embedding, expression, batches = cells()
    arguments = {"embedding": embedding, "expression": expression, "batches": batches} | change
    with pytest.raises(ValueError, match=message):
        RidgeDecoder().fit(**arguments)
    with pytest.raises(ValueError, match="penalties are"):
        RidgeDecoder(()).fit(embedding, expression, batches)


# --------------------------------------------------------------------------- counts


def test_the_decoder_of_counts_is_at_the_optimum_of_its_likelihood():
    rng = np.random.default_rng(5)
    embedding = rng.standard_normal((400, 3)) * [1, 5, 0.2] + 2
    library = rng.uniform(500, 3000, 400)
    weights = np.array([[0.5, 0.0, 1.0], [0.05, 0.1, 0.0], [0.0, 2.0, 1.0]])
    mean = library[:, None] * np.exp(embedding @ weights - 8)
    counts = rng.negative_binomial(4, 4 / (4 + mean)).astype(float)
    decoder = NegativeBinomialDecoder(penalty=1e-2, tolerance=1e-6).fit(
        embedding, csr_matrix(counts), library
    )
    assert decoder.converged_
    np.testing.assert_allclose(decoder.weights_, weights, atol=0.35)
    np.testing.assert_allclose(decoder.dispersion_, 0.25, atol=0.1)
    # One gene at a time, with the density of scipy and a minimiser that knows no gradient.
    standard = (embedding - embedding.mean(axis=0)) / embedding.std(axis=0)
    size = 1 / _dispersion_before_the_last_fit(embedding, counts, library)
    found = decoder.predict(embedding) * library[:, None]

    def loss(beta, g):
        fitted = library * np.exp(beta[0] + standard @ beta[1:])
        log_p = nbinom.logpmf(counts[:, g], size[g], size[g] / (size[g] + fitted))
        return -log_p.mean() + 0.5e-2 * (beta[1:] ** 2).sum()

    for g in range(3):
        at = np.linalg.lstsq(
            np.column_stack([np.ones(400), standard]),
            np.log(found[:, g] / library),
            rcond=None,
        )[0]
        steps = 1e-3 * np.eye(4)
        assert all(loss(at, g) < loss(at + s, g) for s in [*steps, *-steps])


def _dispersion_before_the_last_fit(embedding, counts, library):
    once = NegativeBinomialDecoder(penalty=1e-2, tolerance=1e-6)
    rates = counts.sum(axis=0) / library.sum()
    mean = library[:, None] * rates
    first = np.maximum(((counts - mean) ** 2 - mean).sum(axis=0) / (mean**2).sum(axis=0), 0)
    once._sd, once._centre = embedding.std(axis=0), embedding.mean(axis=0)
    design = np.column_stack([np.ones(len(counts)), (embedding - once._centre) / once._sd])
    start = np.zeros((4, 3))
    start[0] = np.log(rates)
    offset = np.log(library)[:, None]
    fitted, _ = once._descend(design, counts, offset, first, start)
    mean = np.exp(offset + design @ fitted)
    return np.maximum(((counts - mean) ** 2 - mean).sum(axis=0) / (mean**2).sum(axis=0), 0)


def test_the_decoder_of_counts_takes_the_library_as_offset():
    rng = np.random.default_rng(6)
    library = rng.uniform(100, 5000, 300)
    counts = rng.poisson(library[:, None] * [0.01, 0.002])
    noise = rng.standard_normal((300, 2))
    decoder = NegativeBinomialDecoder().fit(noise, counts, library)
    np.testing.assert_allclose(decoder.predict(noise).mean(axis=0), [0.01, 0.002], rtol=0.05)
    doubled = NegativeBinomialDecoder().fit(noise, counts, 2 * library)
    np.testing.assert_allclose(doubled.predict(noise), decoder.predict(noise) / 2, rtol=1e-3)


@pytest.mark.parametrize(
    ("counts", "library", "message"),
    [
        (np.full((4, 1), 0.5), np.ones(4), "no integers"),
        (np.full((4, 1), -1.0), np.ones(4), "negative"),
        (np.full((4, 1), np.nan), np.ones(4), "negative, NaN"),
        (np.ones((4, 1)), np.array([1, 1, 0, 1]), "1 cells have no library size"),
        (np.zeros((4, 1)), np.ones(4), "1 genes have no count"),
        (np.ones((3, 1)), np.ones(4), "do not fit"),
    ],
)
def test_bad_counts_are_refused(counts, library, message):
    with pytest.raises(ValueError, match=message):
        NegativeBinomialDecoder().fit(np.random.default_rng(0).random((4, 2)), counts, library)


# --------------------------------------------------------------------------- MLP


def test_the_widths_are_those_of_the_released_code():
    assert mlp_widths(256, 8248) == [2254, 4252, 6250]
    with pytest.raises(ValueError, match="9 dimensions for 3 genes"):
        mlp_widths(9, 3)


def test_the_mlp_learns_repeats_and_has_the_layers_it_says():
    embedding, expression, _ = cells(7)
    first = MLPDecoder(epochs=60, batch_size=32, learning_rate=1e-2).fit(embedding, expression)
    again = MLPDecoder(epochs=60, batch_size=32, learning_rate=1e-2).fit(embedding, expression)
    np.testing.assert_array_equal(first.predict(embedding), again.predict(embedding))
    assert first.losses_[-1] < 0.3 * first.losses_[0]
    assert first.n_steps_ == 60 * 8
    shapes = [tuple(p.shape) for p in first.network_.parameters() if p.ndim == 2]
    assert shapes == [(5, 5), (6, 5), (7, 6), (8, 7)]
    weights = [p.detach().numpy() for p in first.network_.parameters()]
    plain = embedding.astype(np.float32)
    for k in range(0, 8, 2):
        plain = plain @ weights[k].T + weights[k + 1]
        plain = np.maximum(plain, 0) if k < 6 else plain
    np.testing.assert_allclose(first.predict(embedding), plain, rtol=1e-4, atol=1e-4)


def test_the_released_schedule_warms_up_and_cools_down():
    """The chained form of the released scheduler, each rate made of the one before."""
    from helpers.models.embeddings.schedules import warm_up_cosine

    rate, expected = 3e-5, []
    for step in range(300):
        if 0 < step < 100:
            rate += (1e-4 - 3e-5) / 99
        elif step > 100:
            now, before = ((1 + np.cos(np.pi * (s - 100) / 200)) for s in (step, step - 1))
            rate *= now / before
        expected.append(rate)
    shares = [warm_up_cosine(s, warm_up=100, n_steps=300, start=0.3) for s in range(300)]
    np.testing.assert_allclose(1e-4 * np.array(shares), expected, rtol=1e-9)
    assert shares[99] == shares[100] == 1


def test_bad_mlp_input_is_refused():
    with pytest.raises(ValueError, match="do not fit"):
        MLPDecoder().fit(np.ones((4, 2)), np.ones((3, 5)))
    with pytest.raises(ValueError, match="NaN or infinite"):
        MLPDecoder().fit(np.ones((4, 2)), np.full((4, 5), np.nan))
