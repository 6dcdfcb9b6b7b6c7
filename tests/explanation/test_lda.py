"""The LDA simulator against its formulas, and against a simulation read by read."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.data.contract import DataError, violations
from helpers.data.explanation.lda import (
    cpm,
    group_members,
    informative_genes,
    informative_groups,
    simulate_lda,
    simulated_lda,
    split_order,
)
from helpers.data.explanation.lda_settings import SETTINGS, lda

SMALL = {"n_per_kind": [40, 40, 40], "n_genes": 90, "n_groups": 9, "groups_per_kind": 2}
SMALL |= {"n_reads": 9_000, "keep_theta": True}


def draw(seed=0, **knobs):
    return simulate_lda(np.random.default_rng(seed), **{**SMALL, **knobs})


@pytest.fixture(scope="module")
def fixture():
    return simulate_lda(np.random.default_rng(0), **SETTINGS["small SIMU1"])


def test_every_sample_has_its_reads_and_the_contract_holds(fixture):
    assert (fixture.X.sum(axis=1) == 120_000).all()
    assert violations(fixture, screen=False) == []
    np.testing.assert_allclose(cpm(fixture).sum(axis=1, dtype=float), 1e6, rtol=1e-6)


def test_published_sizes_and_shares_of_informative_genes():
    def shape(name):
        knobs = SETTINGS[name]
        return len(knobs["n_per_kind"]), knobs["n_genes"], knobs["n_groups"]

    assert shape("SIMU1") == (33, 15_000, 1_500)
    assert shape("SIMU2") == (33, 15_000, 3_000)
    assert [shape(f"Simu{x}") for x in "ABC"] == [(n, 50_000, 5_000) for n in (2, 4, 6)]
    samples = {name: sum(SETTINGS[name]["n_per_kind"]) for name in SETTINGS}
    assert (samples["SIMU1"], samples["SIMU2"], samples["SimuB"]) == (9_900, 9_900, 1_200)
    assert SETTINGS["demo"]["n_genes"] == 60


def test_fold_change_between_overexpressed_and_other_groups_is_two(fixture):
    theta, label = fixture.obsm["theta"], fixture.obs["class"].cat.codes.to_numpy()
    inside = np.zeros((8, 120), dtype=bool)
    for k, groups in enumerate(informative_groups(fixture).values()):
        inside[k, groups] = True
    ratio = theta[inside[label]].mean() / theta[~inside[label]].mean()
    assert abs(ratio - 2) < 0.1


def test_shares_have_the_moments_of_their_dirichlet():
    data = draw(n_per_kind=[2_000, 2_000], n_reads=100, n_groups=20, n_genes=200)
    alpha = np.full(20, 4.0)
    alpha[:2] = 8
    theta = data.obsm["theta"][(data.obs["class"] == "class 0").to_numpy()]
    mean = alpha / alpha.sum()
    sd = np.sqrt(mean * (1 - mean) / (alpha.sum() + 1))
    np.testing.assert_allclose(theta.mean(axis=0), mean, atol=5 * sd.max() / 2_000**0.5)
    np.testing.assert_allclose(theta.std(axis=0), sd, rtol=0.1)


def test_genes_of_a_group_are_nearly_copies_and_others_are_not():
    """At the published depth r is about 0.956 within a group and 0 between groups."""
    data = draw(n_per_kind=[400, 400], n_genes=300, n_groups=30, n_reads=30_000)
    one = data.X[(data.obs["class"] == "class 0").to_numpy()].astype(float)
    r = np.corrcoef(one.T)
    group = np.arange(300) // 10
    same = (group[:, None] == group) & ~np.eye(300, dtype=bool)
    assert 0.8 < r[same].mean() < 1
    assert abs(r[group[:, None] != group].mean()) < 0.05


def test_counts_have_the_distribution_of_a_simulation_read_by_read():
    """Means and variances of genes against drawing a group, then a gene, for every read."""
    knobs = {"n_per_kind": [300, 300], "n_genes": 40, "n_groups": 4, "groups_per_kind": 1}
    data = draw(**knobs, n_reads=300, prior=0.5)
    truth, rng = data.uns["truth"], np.random.default_rng(1)
    members = group_members(data)
    beta = np.split(truth["beta"], truth["indptr"][1:-1])
    plain = np.zeros((300, 40))
    for i in range(300):
        alpha = np.full(4, 0.5)
        alpha[0] = 1.0
        groups = rng.choice(4, size=300, p=rng.dirichlet(alpha))
        for g in groups:
            plain[i, members[g][np.searchsorted(np.cumsum(beta[g]), rng.random())]] += 1
    ours = data.X[(data.obs["class"] == "class 0").to_numpy()].astype(float)
    error = np.sqrt(plain.var(axis=0) / 300 + ours.var(axis=0) / 300)
    assert (np.abs(ours.mean(axis=0) - plain.mean(axis=0)) < 4.5 * error).all()
    ratio = ours.var(axis=0).sum() / plain.var(axis=0).sum()
    assert 0.75 < ratio < 1.33


def test_few_reads_and_many_are_drawn_from_the_same_multinomial():
    from helpers.data.explanation.lda import _multinomial

    p = np.array([0.5, 0.3, 0.2, 0.0])
    for n in (20, 100_000):  # below and above the size from which Poisson counts are used
        rng = np.random.default_rng(0)
        draws = np.array([_multinomial(rng, n, p) for _ in range(4_000)])
        assert (draws.sum(axis=1) == n).all()
        assert (draws[:, 3] == 0).all()
        sd = np.sqrt(n * p * (1 - p))
        np.testing.assert_allclose(draws.mean(axis=0), n * p, atol=4 * sd.max() / 4_000**0.5)
        expected = n * (np.diag(p) - np.outer(p, p))
        np.testing.assert_allclose(np.cov(draws.T), expected, atol=0.1 * sd.max() ** 2)


def test_informative_genes_of_many_classes_two_classes_and_hidden_kinds():
    many = informative_genes(draw())
    assert [np.flatnonzero(v).tolist() for v in many.values()] == [
        list(range(20 * c, 20 * c + 20)) for c in range(3)
    ]
    two = informative_genes(draw(n_per_kind=[40, 40]))
    assert all(np.flatnonzero(v).tolist() == list(range(40)) for v in two.values())
    kinds = informative_genes(draw(class_of=[0, 0, 1]))
    first, second, other = (set(np.flatnonzero(v)) for v in kinds.values())
    assert first == {*range(20), *range(40, 60)}
    assert second == {*range(20, 60)}
    assert other == {*range(60)}


def test_chance_agreement_of_the_published_sets():
    """2.5 % for SIMU1, 20 % for the sets of two classes."""
    first = ("class 0", "class 00")  # the class that is explained where there are two
    for name, expected in (("SIMU1", 370 / 15_000), ("SimuA", 0.2), ("SimuB", 0.2)):
        knobs = dict(SETTINGS[name])
        knobs["n_per_kind"] = [1] * len(knobs["n_per_kind"])
        data = simulate_lda(np.random.default_rng(0), **knobs)
        truth = informative_genes(data)
        studied = [
            k for k, c in zip(data.obs["kind"], data.obs["class"], strict=True) if c in first
        ]
        assert {truth[kind].mean() for kind in studied} == {expected}


def test_checked_groups_have_no_rare_gene_and_others_may():
    data = draw(n_genes=2_000, n_groups=200, n_reads=100, n_per_kind=[1, 1], groups_per_kind=50)
    truth = data.uns["truth"]
    least = np.array([b.min() for b in np.split(truth["beta"], truth["indptr"][1:-1])])
    assert least[:100].min() >= 0.01
    np.testing.assert_allclose(np.add.reduceat(truth["beta"], truth["indptr"][:-1]), 1)


def test_overlapping_groups_share_genes_and_leave_some_out():
    data = draw(design="random", n_genes=1_000, n_groups=200)
    members = group_members(data)
    sizes = np.array([len(m) for m in members])
    assert sizes.min() >= 1
    assert abs(sizes.mean() - 10) < 4 * (10 / 200) ** 0.5
    used = np.unique(np.concatenate(members))
    expected = 1_000 * (1 - (1 - 10 / 1_000) ** 200)
    assert abs(len(used) - expected) < 40
    never = np.setdiff1d(np.arange(1_000), used)
    assert (data.X[:, never] == 0).all()
    assert np.isfinite(cpm(data)).all()


def test_chain_and_ring():
    chain = simulate_lda(np.random.default_rng(0), **SETTINGS["set5"])
    assert [m.tolist() for m in group_members(chain)] == [[0, 1], [1, 2], [2, 3]]
    ring = simulate_lda(np.random.default_rng(0), **SETTINGS["set4"])
    assert [m.tolist() for m in group_members(ring)] == [[0, 1], [1, 2], [0, 2]]


@pytest.mark.parametrize("name", [n for n in SETTINGS if SETTINGS[n]["n_genes"] <= 2_000])
def test_every_small_setting_can_be_drawn(name):
    knobs = {**SETTINGS[name], "n_reads": 2_000}
    data = simulate_lda(np.random.default_rng(0), **knobs)
    assert data.shape == (sum(knobs["n_per_kind"]), knobs["n_genes"])
    assert data.obs["class"].nunique() in (2, 3, 8)


def test_large_counts_get_a_wider_type():
    data = simulate_lda(np.random.default_rng(0), **SETTINGS["set0"])
    assert data.X.max() > np.iinfo(np.uint16).max
    assert (data.X.sum(axis=1, dtype=float) == 1_500_000).all()


def test_split_is_the_published_one():
    """A list is shuffled by the legacy generator; the first 40 %, rounded down, are for testing."""
    indices = list(range(481))
    np.random.RandomState(43).shuffle(indices)
    train, test = split_order(481)
    assert test.tolist() == indices[:192]
    assert train.tolist() == indices[192:]


def test_training_samples_come_first_in_the_published_order(fixture):
    train, test = split_order(480)
    assert fixture.obs_names.tolist() == [f"sample {i}" for i in [*train, *test]]
    assert (fixture.obs["split"].to_numpy()[:288] == "train").all()
    assert (fixture.obs["split"] == "test").sum() == 192
    np.testing.assert_array_equal(fixture.obs["class"].cat.codes, np.r_[train, test] // 60)


def test_the_same_seed_gives_the_same_and_samples_do_not_depend_on_each_other():
    a, b, other = draw(5), draw(5), draw(6)
    np.testing.assert_array_equal(a.X, b.X)
    assert (a.X != other.X).any()
    assert a.uns["dataset"]["sha256"] == b.uns["dataset"]["sha256"]


@settings(max_examples=15, deadline=None)
@given(
    design=st.sampled_from(["disjoint", "random"]),
    kinds=st.integers(2, 4),
    groups_per_kind=st.integers(1, 3),
    fold=st.floats(1, 10),
    seed=st.integers(0, 100),
)
def test_any_setting_gives_counts_that_add_up(design, kinds, groups_per_kind, fold, seed):
    data = draw(
        seed,
        design=design,
        n_per_kind=[5] * kinds,
        groups_per_kind=groups_per_kind,
        n_groups=15,
        n_genes=200,
        n_reads=1_000,
        fold=fold,
    )
    assert (data.X.sum(axis=1) == 1_000).all()
    np.testing.assert_allclose(data.obsm["theta"].sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"n_per_kind": [40]}, "at least 2 kinds"),
        ({"n_per_kind": [40, 0, 1]}, "with 1 sample or more"),
        ({"class_of": [0, 1]}, "class_of names 2 kinds"),
        ({"class_of": [0, 0, 0]}, "2 or more"),
        ({"class_of": [0, 2, 2]}, "without a gap"),
        ({"groups_per_kind": 4}, "do not fit into 9 groups"),
        ({"n_genes": 80}, "need 90 genes"),
        ({"design": "tree"}, "one of disjoint"),
        ({"fold": 0.5}, "fold is 0.5"),
        ({"n_reads": 0}, "n_reads is 0"),
        ({"least_share": 0.9}, "least_share"),
    ],
)
def test_knobs_that_make_no_sense_are_refused(knobs, said):
    with pytest.raises(DataError, match=said):
        draw(**knobs)


def test_settings_are_named_and_can_be_changed():
    step = lda("small SIMU1", 3, fold=4.0)
    assert step.function is simulated_lda
    assert (step.arguments["knobs"]["fold"], step.arguments["seed"]) == (4.0, 3)
    with pytest.raises(DataError, match="no LDA setting 'SIMU3'"):
        lda("SIMU3", 0)
    with pytest.raises(DataError, match=r"no knobs \['flod'\]"):
        lda("small SIMU1", 0, flod=2)
