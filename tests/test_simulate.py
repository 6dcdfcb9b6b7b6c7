"""The simulator against its formulas: what is planted must be what is there."""

import json
from dataclasses import fields

import anndata
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.sparse import csr_matrix

from helpers.data.contract import CONTROL, check
from helpers.data.simulate.counts import negative_binomial
from helpers.data.simulate.knobs import RANGES, Knobs
from helpers.data.simulate.screen import CHUNK_SIZES, simulate_screen, simulated_screen

SMALL = {"n_cells": 2_000, "n_genes": 300, "n_targets": 20}
QUIET = {"library_sd": 0.0, "batch_sd": 0.0, "state_sd": 0.0, "cell_sd": 0.0}


def small_screen(seed=0, **knobs):
    return simulate_screen(rng=np.random.default_rng(seed), **{**SMALL, **knobs})


def scipy_nb(mean, dispersion):
    if dispersion == 0:
        return stats.poisson(mean)
    return stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean))


def draws(mean, dispersion, n, seed=0):
    bits = np.random.default_rng(seed).integers(2**64, size=n, dtype=np.uint64)
    return np.array([negative_binomial(mean, dispersion, b) for b in bits])


@pytest.fixture(scope="module")
def screen():
    return small_screen()


@settings(max_examples=300, deadline=None)
@given(
    mean=st.floats(1e-4, 300),
    dispersion=st.one_of(st.just(0.0), st.floats(1e-3, 10)),
    bits=st.integers(0, 2**64 - 1),
)
def test_count_is_the_quantile_of_its_uniform(mean, dispersion, bits):
    u = (bits >> 11) * 2.0**-53
    k = negative_binomial(mean, dispersion, np.uint64(bits))
    reference = scipy_nb(mean, dispersion)
    assert reference.cdf(k - 1) <= u + 1e-10
    assert u < reference.cdf(k) + 1e-10


@pytest.mark.parametrize("dispersion", [0.0, 1e-4, 0.2, 5.0])
@pytest.mark.parametrize("mean", [0.05, 1.0, 20.0, 2_000.0])
def test_counts_follow_the_negative_binomial(mean, dispersion):
    x = draws(mean, dispersion, 40_000)
    reference = scipy_nb(mean, dispersion)
    edges = np.unique(reference.ppf(np.linspace(0, 1, 21)[1:-1]))
    expected = x.size * np.diff(np.concatenate([[0], reference.cdf(edges), [1]]))
    observed = np.bincount(np.searchsorted(edges, x), minlength=expected.size)
    keep = expected > 5
    statistic = ((observed - expected)[keep] ** 2 / expected[keep]).sum()
    assert stats.chi2.sf(statistic, keep.sum() - 1) > 1e-4
    variance = mean + dispersion * mean**2
    assert abs(x.mean() - mean) < 5 * np.sqrt(variance / x.size)
    excess = float(reference.stats("k"))
    assert abs(x.var() / variance - 1) < 5 * np.sqrt((excess + 2) / x.size)


def test_a_quiet_screen_has_the_moments_of_its_formula():
    screen = small_screen(n_cells=8_000, effect_size=0.0, dispersion=0.3, **QUIET)
    X = screen.X.toarray().astype(float)
    mean = 2_000 * screen.var["abundance"].to_numpy()
    z = (X.mean(axis=0) - mean) / np.sqrt((mean + 0.3 * mean**2) / len(X))
    assert stats.kstest(z, "norm").pvalue > 1e-3
    many = mean > 0.5
    ratio = X.var(axis=0)[many] / (mean + 0.3 * mean**2)[many]
    assert abs(ratio.mean() - 1) < 0.02
    # Cells and genes have bits of their own: no gene follows another, no cell its neighbour.
    genes = np.corrcoef(X[:, many].T)[np.triu_indices(many.sum(), 1)]
    assert np.sqrt((genes**2).mean()) == pytest.approx(1 / np.sqrt(len(X)), rel=0.1)
    scaled = (X[:, many] - mean[many]) / X[:, many].std(axis=0)
    neighbours = (scaled[1:] * scaled[:-1]).mean()
    assert abs(neighbours) < 5 / np.sqrt(scaled.size)


@pytest.mark.parametrize("chunk_size", [1, 7, 2_000, 10**6])
def test_bytes_do_not_depend_on_the_chunks(screen, chunk_size):
    other = small_screen(chunk_size=chunk_size)
    for part in ("data", "indices", "indptr"):
        assert getattr(other.X, part).tobytes() == getattr(screen.X, part).tobytes()
    assert other.uns["dataset"]["sha256"] == screen.uns["dataset"]["sha256"]


def test_same_seed_same_bytes_other_seed_other_bytes(screen):
    again, other = small_screen(), small_screen(seed=1)
    assert again.obs.equals(screen.obs)
    assert again.uns["dataset"]["sha256"] == screen.uns["dataset"]["sha256"]
    assert other.uns["dataset"]["sha256"] != screen.uns["dataset"]["sha256"]
    rng = np.random.default_rng(0)
    first, second = (simulate_screen(rng=rng, **SMALL) for _ in range(2))
    assert first.uns["dataset"]["sha256"] != second.uns["dataset"]["sha256"]


def test_two_screens_that_differ_in_effect_size_share_the_rest(screen):
    other = small_screen(effect_size=0.0)
    columns = ["perturbation", "guide", "batch", "replicate", "responder", "depth"]
    assert other.obs[columns].equals(screen.obs[columns])
    controls = (screen.obs["perturbation"] == CONTROL).to_numpy()
    assert (other.X[controls] != screen.X[controls]).nnz == 0
    assert (other.X[~controls] != screen.X[~controls]).nnz > 0


@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"n_batches": 1, "n_replicates": 1},
        {"n_cells": 69, "guides_per_target": 3, "control_share": 9 / 69},
        {"unexpressed_share": 1.0},
        {"unexpressed_share": 0.0, "effective_share": 1.0},
        {"efficacy": 1.0},
        {"dispersion": 0.0},
    ],
)
def test_the_contract_holds(knobs):
    screen = check(small_screen(**knobs))
    assert isinstance(screen.X, csr_matrix)
    assert screen.X.has_sorted_indices
    assert screen.X.data.min() >= 1
    assert screen.obs["guide"].nunique() == 20 * 3 + 9
    np.testing.assert_array_equal(screen.obs["total_counts"], screen.X.toarray().sum(axis=1))


def test_guides_and_batches_are_balanced(screen):
    obs = screen.obs
    assert (obs["perturbation"] == CONTROL).sum() == 300
    is_control = obs["perturbation"] == CONTROL
    for cells in (obs[is_control], obs[~is_control]):
        per_guide = cells["guide"].value_counts()
        assert per_guide[per_guide > 0].max() - per_guide[per_guide > 0].min() <= 1
    crossed = obs.groupby(["guide", "batch"], observed=False).size().unstack()
    assert (crossed.max(axis=1) - crossed.min(axis=1)).max() <= 1
    assert (obs.groupby("batch", observed=True)["replicate"].nunique() == 1).all()
    guides = screen.uns["truth"]["guides"]
    np.testing.assert_array_equal(guides["target"][obs["guide"]], obs["perturbation"].astype(str))


def test_responders_follow_the_efficacy_of_their_guide():
    screen = small_screen(n_cells=12_000)
    guides = screen.uns["truth"]["guides"]
    responders = screen.obs.groupby("guide", observed=True)["responder"].agg(["sum", "size"])
    responders = responders.loc[guides.index]
    p = guides["efficacy"].to_numpy()
    assert (responders["sum"][p == 0] == 0).all()
    assert (p[:9] == 0).all() and (p[9:] > 0).all()
    tested = p > 0
    size = responders["size"].to_numpy()[tested]
    z = (responders["sum"].to_numpy()[tested] - size * p[tested]) / np.sqrt(
        size * p[tested] * (1 - p[tested])
    )
    assert stats.chi2.sf((z**2).sum(), tested.sum()) > 1e-4
    many = simulate_screen(
        rng=np.random.default_rng(3), n_cells=4_000, n_genes=1_000, n_targets=300, efficacy=0.4
    ).uns["truth"]["guides"]["efficacy"][9:]
    assert many.mean() == pytest.approx(0.4, abs=5 * many.std() / np.sqrt(many.size))
    assert many.between(0, 1).all()
    assert many.std() > 0.1


def test_the_latent_recovers_the_effects(screen):
    effects = screen.uns["truth"]["effects"]
    obs = screen.obs
    z = []
    for target in effects.index:
        for responder, planted in ((True, effects.loc[target].to_numpy()), (False, 0.0)):
            cells = ((obs["perturbation"] == target) & (obs["responder"] == responder)).to_numpy()
            mean = screen.obsm["latent"][cells, :20].mean(axis=0)
            z.append((mean - planted) / (0.2 / np.sqrt(cells.sum())))
    z = np.concatenate(z)
    assert abs((z**2).mean() - 1) < 5 * np.sqrt(2 / z.size)
    cycle = screen.obsm["latent"][:, 20:]
    np.testing.assert_allclose((cycle**2).sum(axis=1), 2 * 0.3**2)
    np.testing.assert_allclose(cycle.std(axis=0), 0.3, rtol=0.05)


def test_planted_log_fold_changes_are_in_the_counts():
    screen = small_screen(n_cells=20_000, effect_size=0.5, efficacy=1.0, **QUIET)
    truth = screen.uns["truth"]
    X, labels = screen.X, screen.obs["perturbation"].to_numpy()
    baseline = 2_000 * screen.var["abundance"].to_numpy()
    z = []
    for target, effect in truth["effects"].iterrows():
        shift = screen.varm["programs"][:, :20] @ effect.to_numpy()
        if truth["targets"].loc[target, "expressed"]:
            shift[screen.var_names.get_loc(target)] += np.log(1 - 0.8)
        mean = baseline * np.exp(shift)
        cells = labels == target
        observed = np.asarray(X[cells].mean(axis=0)).ravel()
        error = np.sqrt((mean + 0.2 * mean**2) / cells.sum())
        z.append(((observed - mean) / error)[mean > 0.3])
    z = np.concatenate(z)
    assert abs((z**2).mean() - 1) < 0.1
    assert np.abs(z).max() < 6.5


def test_batch_shifts_are_in_the_counts():
    screen = small_screen(n_cells=8_000, effect_size=0.0, **{**QUIET, "batch_sd": 0.5})
    z = []
    for b, name in enumerate(screen.obs["batch"].cat.categories):
        cells = (screen.obs["batch"] == name).to_numpy()
        mean = 2_000 * screen.var["abundance"] * np.exp(screen.varm["batch_shift"][:, b])
        error = np.sqrt((mean + 0.2 * mean**2) / cells.sum())
        z.append((np.asarray(screen.X[cells].mean(axis=0)).ravel() - mean) / error)
    assert abs((np.concatenate(z) ** 2).mean() - 1) < 0.2
    assert screen.varm["batch_shift"].std() == pytest.approx(0.5, rel=0.1)


def test_without_effect_targets_look_like_controls():
    screen = small_screen(n_cells=6_000, effect_size=0.0)
    truth = screen.uns["truth"]
    assert not truth["effects"].to_numpy().any()
    assert not truth["targets"]["effective"].any()
    assert truth["knockdown"] == 0
    X, obs = screen.X.toarray(), screen.obs
    X = np.log1p(1e4 * X / X.sum(axis=1, keepdims=True))
    control = (obs["perturbation"] == CONTROL).to_numpy()
    assert stats.ttest_ind(X[control], X[~control], axis=0).pvalue.min() > 0.05 / 300 / 50
    own = [
        stats.ttest_ind(
            X[control, screen.var_names.get_loc(t)],
            X[(obs["perturbation"] == t).to_numpy(), screen.var_names.get_loc(t)],
        ).pvalue
        for t in truth["targets"].index
    ]
    assert stats.kstest(own, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("knobs", [{}, {"batch_sd": 0.8, "library_sd": 0.8}, {"n_cells": 100}])
def test_unexpressed_targets_stay_below_the_published_threshold(knobs):
    screen = small_screen(**{"guides_per_target": 1, **knobs})
    targets = screen.uns["truth"]["targets"]
    mean = np.asarray(screen[:, targets.index].X.mean(axis=0)).ravel()
    assert (~targets["expressed"]).sum() == 5
    assert (mean[~targets["expressed"]] < 0.15).all()
    if not knobs:
        assert (mean[targets["expressed"]] > 0.15).all()
    silent = targets.index[~targets["expressed"]]
    assert not targets.loc[silent, "effective"].any()
    assert not screen.uns["truth"]["effects"].loc[silent].to_numpy().any()
    assert not screen[:, silent].varm["programs"].any()


def test_the_truth_survives_a_file(screen, tmp_path):
    screen.write_h5ad(tmp_path / "screen.h5ad")
    loaded = check(anndata.read_h5ad(tmp_path / "screen.h5ad"))
    assert (loaded.X != screen.X).nnz == 0
    np.testing.assert_array_equal(loaded.obsm["latent"], screen.obsm["latent"])
    for name in ("effects", "guides", "targets"):
        assert loaded.uns["truth"][name].equals(screen.uns["truth"][name])


@pytest.mark.parametrize(("name", "between"), sorted({**RANGES, "chunk_size": CHUNK_SIZES}.items()))
def test_a_knob_out_of_range_is_refused(name, between):
    low, high = between
    for value in (low - 1, high * 2, float("nan"), "2", None):
        with pytest.raises(ValueError, match=rf"^{name} must be .*\[{low}, {high}\], not"):
            small_screen(**{name: value})
    if isinstance(low, int):
        with pytest.raises(ValueError, match=f"^{name} must be an integer"):
            small_screen(**{name: low + 0.5})


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"n_replicates": 5}, "n_replicates must be at most n_batches = 4, not 5"),
        ({"n_targets": 151}, "n_targets must be at most half of n_genes = 300, not 151"),
        ({"n_cells": 60}, "each guide needs at least one cell"),
        ({"library_size": 10.0}, "lower n_targets or expressed_mean, or raise"),
        ({"library_size": 1e6, "batch_sd": 2.0, "cell_sd": 2.0}, "expected count above 100,000"),
    ],
)
def test_knobs_that_do_not_fit_each_other_are_refused(knobs, message):
    with pytest.raises(ValueError, match=message):
        small_screen(**knobs)


def test_the_step_is_the_function_with_a_seed(screen):
    step = simulated_screen(seed=0, **SMALL, effect_size=0.4)
    assert json.loads(json.dumps(step.arguments)) == {"seed": 0, "knobs": SMALL}
    assert str(step) == (
        'screen_of_knobs(seed=0, knobs={"n_cells": 2000, "n_genes": 300, "n_targets": 20})'
    )
    stepped = step.function.function(**step.arguments)
    assert stepped.uns["dataset"]["sha256"] == screen.uns["dataset"]["sha256"]
    assert stepped.uns["truth"]["knobs"] == Knobs(**SMALL).as_dict()


def test_a_knob_that_there_is_not_is_refused_with_the_closest():
    for call in (small_screen, lambda **knobs: simulated_screen(seed=0, **knobs)):
        with pytest.raises(TypeError, match=r"no knob 'n_cell' of the simulator.*'n_cells'"):
            call(n_cell=10)
    with pytest.raises(ValueError, match="effect_size must be a number in"):
        simulated_screen(seed=0, effect_size=3.0)


def test_knobs_are_read_back_as_plain_numbers(screen, tmp_path):
    screen.write_h5ad(tmp_path / "screen.h5ad")
    knobs = Knobs.read(anndata.read_h5ad(tmp_path / "screen.h5ad"))
    assert knobs == Knobs(**SMALL)
    assert {type(v) for v in knobs.as_dict().values()} == {int, float}


def test_every_knob_says_what_it_is_and_begins_within_its_range():
    for f in fields(Knobs):
        about = f.metadata["about"]
        assert about.text and type(f.default) is type(about.low) is type(about.high) is f.type
    Knobs()
