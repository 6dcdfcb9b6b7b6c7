"""The consistency task: protocols, controls left out in turn, simulated truth, real data."""

import re

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest

from helpers import scores as score_table
from helpers.data.contract import CONTROL, DataError
from helpers.data.simulate.screen import simulate_screen
from helpers.metrics.embeddings.centred_cells import centred_cells
from helpers.metrics.embeddings.consistency import perturbation_consistency
from helpers.metrics.embeddings.consistency_null import Relabelling, consistency_test
from helpers.metrics.embeddings.facts import METRICS
from helpers.metrics.embeddings.postprocess import postprocess
from helpers.models.floors import gaussian_noise, latent, permuted_labels
from helpers.models.pca import pca_embedding
from helpers.tasks.departures import table_of
from helpers.tasks.embeddings.consistency import (
    PROTOCOLS,
    available,
    consistency,
    context_counts,
)
from helpers.tasks.embeddings.consistency_report import (
    DEPARTURES,
    answerability,
    called,
    most_consistent,
    reported,
    scores,
)
from helpers.tasks.requirements import CannotAnswer, Requirement, require, unmet

FEW = {"n_draws": 99, "n_bootstrap": 50}


@pytest.fixture(scope="module")
def screen():
    return simulate_screen(
        rng=np.random.default_rng(0),
        n_cells=6_000,
        n_genes=300,
        n_targets=60,
        unexpressed_share=0.5,
        effect_size=0.6,
    )


@pytest.fixture(scope="module")
def embeddings(screen):
    components = pca_embedding.function(screen, n_components=20, seed=0)
    return {
        "truth": latent.function(screen),
        "pca": components,
        "noise": gaussian_noise.function(screen, n_dims=20, seed=0),
        "permuted": permuted_labels.function(screen, components, seed=0),
    }


def run(screen, embedding, **arguments):
    return consistency.function(screen, embedding, **(FEW | arguments))


# --------------------------------------------------------------------------- published


def test_published_is_the_formula_of_the_paper(screen, embeddings):
    found = run(screen, embeddings["pca"], protocol="published", post="centered")
    labels = screen.obs["perturbation"].to_numpy(dtype=object)
    is_control = labels == CONTROL
    treated = postprocess(embeddings["pca"], screen.obs["batch"], is_control, "centered")
    similarity = perturbation_consistency(treated, labels)["similarity"].drop(CONTROL)
    means = pd.Series(screen.X.toarray().mean(axis=0), screen.var_names)
    null = [t for t in similarity.index if means[t] < 0.15]
    assert len(null) == 30
    assert list(found.index[found["in_null"]]) == null
    for target in similarity.index.difference(null):
        b = sum(similarity[other] >= similarity[target] for other in null)
        assert found.loc[target, "p_value"] == 1 - (30 - b) / 30
    assert found.loc[null, "p_value"].isna().all()


def test_a_target_that_is_not_measured_is_scored_as_the_paper_does(screen, embeddings):
    unexpressed = run(screen, embeddings["pca"], protocol="published").query("in_null").index[0]
    without = screen[:, screen.var_names != unexpressed]
    found = run(without, embeddings["pca"], protocol="published")
    assert not found.loc[unexpressed, "in_null"]
    assert available(without)["unexpressed_perturbations"] == 29


def test_too_few_unexpressed_targets_cannot_be_answered(screen, embeddings):
    null = run(screen, embeddings["pca"], protocol="published").query("in_null").index
    rows = ~screen.obs["perturbation"].isin(null[:11]).to_numpy()
    with pytest.raises(CannotAnswer, match=r"simulated.*needs 20 perturbations.*has 19$") as caught:
        run(screen[rows], embeddings["pca"][rows], protocol="published")
    assert caught.value.reason == str(caught.value)


# --------------------------------------------------------------------------- revised


def test_one_cell_a_perturbation_agrees_with_no_other(screen):
    once = ~screen.obs["perturbation"].duplicated() | (screen.obs["perturbation"] == CONTROL)
    lonely = available(screen[once.to_numpy()])
    assert (lonely["replicates_with_controls"] >= 2, lonely["replicated_perturbations"]) == (
        True,
        0,
    )
    (said,) = unmet(PROTOCOLS["revised"].requirements, lonely)
    assert said == "has no perturbations with cells in two such replicates"
    assert not unmet(PROTOCOLS["revised"].requirements, available(screen))


def test_truth_is_more_consistent_than_pca_and_pca_than_noise(screen, embeddings):
    acts = screen.uns["truth"]["targets"]["effective"].astype(bool)
    results = {name: run(screen, e, protocol="revised") for name, e in embeddings.items()}
    means = {name: r.loc[acts[acts].index, "similarity"].mean() for name, r in results.items()}
    assert means["truth"] > means["pca"] > max(means["noise"], means["permuted"])
    assert abs(means["noise"]) < 0.005
    shares = {name: (r["q_value"].dropna() <= 0.05).mean() for name, r in results.items()}
    assert shares["truth"] >= shares["pca"] > 0.15
    assert max(shares["noise"], shares["permuted"]) <= 0.05


def test_adjusted_p_values_are_within_the_table_and_above_the_raw_ones(screen, embeddings):
    found = run(screen, embeddings["pca"], protocol="revised")
    assert (found["q_value"] >= found["p_value"]).all()
    order = found["p_value"].sort_values().index
    assert found.loc[order, "q_value"].is_monotonic_increasing


def test_guides_are_scored_within_their_targets(screen, embeddings):
    found = run(screen, embeddings["pca"], protocol="revised", unit="guide")
    expected = screen.obs.query("perturbation != 'control'")[["guide", "perturbation"]].astype(str)
    expected = expected.drop_duplicates().set_index("guide")["perturbation"].sort_index()
    assert found["target"].to_dict() == expected.to_dict()
    assert found["n_cells"].sum() == (screen.obs["perturbation"] != CONTROL).sum()


def test_control_guides_are_left_out_of_the_controls_in_turn(screen, embeddings):
    found = run(screen, embeddings["pca"], protocol="revised", unit="control-guide", post="raw")
    controls = screen[(screen.obs["perturbation"] == CONTROL).to_numpy()]
    assert list(found.index) == sorted(controls.obs["guide"].unique())
    assert list(found["n_cells"]) == list(controls.obs["guide"].value_counts().sort_index())
    guide = found.index[0]
    # Another guide's cells decide what this one is centred on; its own never do.
    moved = embeddings["pca"].copy()
    own = (screen.obs["guide"] == guide).to_numpy()
    moved[own] += 50
    far = run(screen, moved, protocol="revised", unit="control-guide")
    assert far.loc[guide, "similarity"] > 0.9
    assert far.loc[guide, "p_value"] == 1 / 100


def test_control_guides_of_a_screen_without_effect_have_uniform_p_values():
    shares = []
    for seed in range(4):
        screen = simulate_screen(
            rng=np.random.default_rng(seed), n_cells=2_000, n_genes=100, n_targets=10,
            effect_size=0.0, control_share=0.5,
        )  # fmt: skip
        embedding = pca_embedding.function(screen, n_components=10, seed=0)
        found = run(screen, embedding, protocol="revised", unit="control-guide")
        targets = run(screen, embedding, protocol="revised")
        shares += [*found["p_value"], *targets["p_value"]]
    assert len(shares) == 76
    assert 0.3 < np.mean(shares) < 0.7
    assert np.mean(np.array(shares) <= 0.05) <= 0.15


def test_same_seed_same_result_and_another_seed_other_draws(screen, embeddings):
    first = run(screen, embeddings["pca"], protocol="revised", seed=1)
    pd.testing.assert_frame_equal(first, run(screen, embeddings["pca"], protocol="revised", seed=1))
    other = run(screen, embeddings["pca"], protocol="revised", seed=2)
    assert not first["null_mean"].equals(other["null_mean"])
    assert first["similarity"].equals(other["similarity"])


def test_one_batch_cannot_be_answered(screen, embeddings):
    rows = (screen.obs["batch"] == "batch1").to_numpy()
    with pytest.raises(CannotAnswer, match=r"it needs 2 replicates .*has 1;"):
        run(screen[rows], embeddings["pca"][rows], protocol="revised")


def test_a_batch_without_controls_is_named_and_can_be_left_out(screen, embeddings):
    bare = (screen.obs["batch"] == "batch2") & (screen.obs["perturbation"] == CONTROL)
    rows = ~bare.to_numpy()
    arguments = (screen[rows], embeddings["pca"][rows])
    for protocol in PROTOCOLS:
        with pytest.raises(DataError, match=r"simulated: .*batch2"):
            run(*arguments, protocol=protocol)
    found = run(*arguments, protocol="revised", missing_controls="drop")
    assert (found["n_used"] < found["n_cells"]).all()


def test_a_perturbation_with_one_cell_is_not_scored_and_counted(screen, embeddings):
    target = screen.obs["perturbation"].cat.categories[0]
    cells = np.flatnonzero(screen.obs["perturbation"] == target)
    rows = np.delete(np.arange(screen.n_obs), cells[1:])
    found = run(screen[rows], embeddings["pca"][rows], protocol="revised")
    assert found.loc[target, ["similarity", "p_value", "q_value"]].isna().all()
    assert list(found[["similarity", "q_value"]].isna().sum()) == [1, 1]
    assert len(found) == 60


def test_contexts_are_scored_one_at_a_time(screen, embeddings):
    two = screen.copy()
    half = np.arange(screen.n_obs) % 2 == 0
    two.obs["context"] = pd.Categorical(np.where(half, "even", "odd"))
    with pytest.raises(DataError, match="pass context= one of even, odd"):
        run(two, embeddings["pca"], protocol="revised")
    with pytest.raises(DataError, match="no context 'old'"):
        run(two, embeddings["pca"], protocol="revised", context="old")
    found = run(two, embeddings["pca"], protocol="revised", context="even")
    alone = run(screen[half], embeddings["pca"][half], protocol="revised")
    pd.testing.assert_frame_equal(found, alone)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"protocol": "best"}, DataError, "choose from published, revised"),
        ({"protocol": "revised", "unit": "gene"}, DataError, "choose from perturbation"),
        ({"protocol": "revised", "post": "whitened"}, DataError, "choose from raw"),
        ({"protocol": "revised", "replicate": "donor"}, DataError, "no column 'donor'"),
        ({"protocol": "revised", "null": "mine"}, DataError, "null is 'mine'"),
        ({"protocol": "published", "null": "in-sample"}, DataError, "in the published protocol"),
        ({"protocol": "published", "unit": "control-guide"}, DataError, "revised protocol only"),
    ],
)
def test_bad_arguments_are_refused(screen, embeddings, arguments, error, message):
    with pytest.raises(error, match=message):
        run(screen, embeddings["pca"], **arguments)


def test_an_embedding_of_other_cells_and_missing_guides_are_refused(screen, embeddings):
    with pytest.raises(DataError, match="5 rows, the screen 6000"):
        run(screen, embeddings["pca"][:5], protocol="revised")
    without = screen.copy()
    del without.obs["guide"]
    with pytest.raises(CannotAnswer, match="no column 'guide'"):
        run(without, embeddings["pca"], protocol="revised", unit="guide")


# --------------------------------------------------------------------------- scores


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("unit", ["perturbation", "guide"])
def test_scores_fit_the_schema_and_hold_what_was_found(screen, embeddings, protocol, unit):
    found = run(screen, embeddings["pca"], protocol=protocol, unit=unit)
    table = score_table.check(
        scores(
            found, dataset="simulated", model="PCA", params={"n_components": 20},
            post="center_scaled", protocol=protocol, role="candidate", seed=0, unit=unit,
        )
    )  # fmt: skip
    assert set(table["metric"]) <= set(METRICS)
    for metric, column in (
        ("perturbation_consistency", "similarity"),
        ("consistency_p_value", "p_value"),
    ):
        values = table[table["metric"] == metric].set_index("unit")["value"]
        in_null = found["in_null"] if "in_null" in found else np.zeros(len(found), bool)
        np.testing.assert_array_equal(values, found.loc[~in_null, column].loc[values.index])
    assert set(table["cluster"]) <= set(found["target"])


def test_each_context_says_what_it_has_and_which_protocol_can_be_asked(screen):
    two = screen.copy()
    late = (two.obs["batch"] == two.obs["batch"].cat.categories[0]).to_numpy()
    two.obs["context"] = pd.Categorical(np.where(late, "one batch", "the others"))
    counts = context_counts.function(two)
    assert counts["cells"].to_dict() == {"one batch": late.sum(), "the others": (~late).sum()}
    answers = answerability(counts)
    assert answers.loc["the others", ["published", "revised"]].eq("yes").all()
    said = answers.loc["one batch", "revised"]
    assert said == (
        "cannot answer: needs 2 replicates with at least 4 control cells a batch, has 1; "
        "has no perturbations with cells in two such replicates"
    )
    assert "unexpressed_perturbations" not in answers


def test_what_was_reported_is_percent_by_post_processing():
    table = reported().set_index("model")
    assert table.loc["scGPT"].to_list() == [4.1, 10.2, 9.7, 11.5, 11.5]  # tables 4 and 2
    assert table.loc["random labels", "kept"] == 5.1


def test_each_departure_has_a_kind_and_a_reason():
    table = table_of(DEPARTURES)
    assert len(table) == len(DEPARTURES)
    assert table["aspect"].is_unique
    assert set(table["kind"]) == {"bug", "paper-code discrepancy", "design choice"}
    assert (table["reason"].str.len() > 20).all()


def test_requirements_name_everything_that_is_missing():
    needs = [Requirement("a", 2, "apples"), Requirement("b", 3, "pears")]
    require("The question", needs, {"a": 2, "b": 3})
    assert unmet(needs, {"a": 2, "b": 1}) == ["needs 3 pears, has 1"]
    with pytest.raises(CannotAnswer, match=r"needs 2 apples, has 1; needs 3 pears, has 1"):
        require("The question", needs, {"a": 1, "b": 1})


# --------------------------------------------------------------------------- Papalexi 2021


@pytest.fixture(scope="module")
def papalexi():
    from helpers.data.fetch import locate
    from helpers.data.sets.papalexi2021 import DATASET, read

    paths = {file.name: locate(file) for file in DATASET.files}
    if missing := [name for name, path in paths.items() if path is None]:
        pytest.skip(f"{', '.join(missing)} of papalexi2021 is not here: set BENCHBOOK_DATA")
    screen = read(paths)
    return screen, pca_embedding.function(screen, n_components=50, seed=0)


@pytest.mark.parametrize("post", ["centered", "center_scaled"])
def test_papalexi_finds_the_interferon_pathway_and_spares_non_targeting_guides(papalexi, post):
    found = run(*papalexi, protocol="revised", post=post, n_draws=1000)
    ranked = found["similarity"].sort_values(ascending=False)
    assert set(ranked.index[:5]) == {"STAT1", "JAK2", "SMAD4", "IFNGR2", "IFNGR1"}
    assert ranked.iloc[4] > 0.04
    assert ranked.iloc[5] < 0.02
    assert (found.loc[ranked.index[:5], "p_value"] == 1 / 1001).all()
    guides = run(*papalexi, protocol="revised", post=post, n_draws=1000, unit="control-guide")
    assert len(guides) == 9
    assert (guides["p_value"] <= 0.05).sum() <= 2


def test_papalexi_under_a_null_that_is_not_left_out_calls_nearly_everything(papalexi):
    def called(unit, n_draws):
        found = run(
            *papalexi, protocol="revised", null="in-sample", pairs="all", unit=unit, n_draws=n_draws
        )
        return (found["p_value"] <= 0.05).sum()

    assert called("perturbation", 1000) == 23
    assert called("control-guide", 3000) == 5


def test_papalexi_has_no_unexpressed_target_for_the_published_null(papalexi):
    with pytest.raises(CannotAnswer, match=r"needs 20 perturbations .*has 0$"):
        run(*papalexi, protocol="published")


def test_p_values_of_simulated_screens_without_effect_are_uniform():
    p_values = []
    for seed in range(20):
        screen = simulate_screen(
            rng=np.random.default_rng(100 + seed), n_cells=800, n_genes=80, n_targets=6,
            effect_size=0.0, control_share=0.4,
        )  # fmt: skip
        embedding = pca_embedding.function(screen, n_components=10, seed=0)
        # Targets of a screen share its controls: one of each is what is independent.
        p_values.append(run(screen, embedding, protocol="revised")["p_value"].iloc[0])
    assert kstest(p_values, "uniform").pvalue > 0.01
    assert np.ptp(p_values) > 0.5


def test_after_tvn_targets_without_effect_are_called_unless_batches_are_centred():
    screen = simulate_screen(
        rng=np.random.default_rng(3), n_cells=2_000, n_genes=150, n_targets=60, n_batches=6,
        effect_size=0.0,
    )  # fmt: skip
    embedding = pca_embedding.function(screen, n_components=20, seed=0)
    is_control = (screen.obs["perturbation"] == CONTROL).to_numpy()
    whitened = postprocess(embedding, screen.obs["batch"].to_numpy(), is_control, "tvn")

    def called(embedding, post):
        found = run(screen, embedding, protocol="revised", post=post, n_draws=199, n_bootstrap=0)
        return (found["p_value"] <= 0.05).mean()

    assert called(whitened, "raw") > 0.2
    assert called(embedding, "tvn") < 0.15


def test_tvn_of_a_target_is_fitted_on_its_cells_and_all_controls(screen, embeddings):
    found = run(screen, embeddings["pca"], protocol="revised", post="tvn", n_draws=9, n_bootstrap=0)
    name = found.index[0]
    rows = screen.obs["perturbation"].isin([name, CONTROL]).to_numpy()
    pool = screen[rows]
    together = np.full(pool.n_obs, True)
    white = postprocess(
        embeddings["pca"][rows], pool.obs["batch"].to_numpy(), together, "tvn", shrink_below=30
    )
    alone = centred_cells(
        white,
        pool.obs["perturbation"].astype(str).to_numpy(),
        pool.obs["batch"].to_numpy(),
        replicates=pool.obs["batch"].to_numpy(),
        control=CONTROL,
        post="centered",
    )
    oracle = consistency_test(
        alone, null=Relabelling(1), n_bootstrap=0, rng=np.random.default_rng(0)
    )
    assert found.loc[name, "similarity"] == pytest.approx(oracle.loc[name, "similarity"], rel=1e-9)


@pytest.mark.parametrize("post", ["raw", "centered", "center_scaled", "tvn"])
def test_each_labelling_of_a_pool_has_its_own_p_value(post):
    """So that p is uniform without an effect, exactly: 5 x 5 labellings, and 25 p-values."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(10, 3)) * [1, 4, 9]
    obs = pd.DataFrame({"batch": ["a"] * 5 + ["b"] * 5, "context": "x"})
    obs.index = obs.index.map(str)
    p_values = []
    for i, j in np.ndindex(5, 5):
        obs["perturbation"] = CONTROL
        obs.iloc[[i, 5 + j], 2] = "t"
        screen = ad.AnnData(np.ones((10, 2), dtype=np.float32), obs.astype("category"))
        screen.uns = {"scale": {"kind": "counts"}, "dataset": {"name": "pool"}}
        found = run(screen, points, protocol="revised", post=post, n_bootstrap=0)
        p_values.append(found["p_value"].iloc[0])
    np.testing.assert_allclose(np.sort(p_values), np.arange(1, 26) / 25)


@pytest.mark.parametrize(
    "similarity, said",
    [
        ([float("nan")], "no perturbation has a similarity"),
        ([-0.0013], "1 perturbation has a similarity: p0 (\N{MINUS SIGN}0.001)"),
        ([0.25, float("nan"), 0.5], "2 perturbations have a similarity: p2 (0.500), p0 (0.250)"),
        (
            [0.1, 0.4, 0.2],
            "the 2 most consistent perturbations are p1, p2, down to 0.200; the next one is at "
            "0.100",
        ),
    ],
)
def test_the_most_consistent_are_named_whatever_their_number(similarity, said):
    labels = [f"p{i}" for i in range(len(similarity))]
    table = pd.DataFrame({"label": labels, "similarity": similarity})
    assert most_consistent(table, n=2) == said


@pytest.mark.parametrize(
    ("q_values", "said"),
    [
        ([float("nan")], "No perturbation could be tested"),
        ([0.4, 0.2], "Of 2 perturbations none is called .* does not show"),
        ([0.4, 0.02, float("nan")], "Of 2 perturbations 1 is consistent .* not blind to it,"),
        ([0.01, 0.02], "Of 2 perturbations 2 are consistent .* not blind to these,"),
        ([0.01], "Of 1 perturbation 1 is"),
    ],
)
def test_how_many_are_consistent(q_values, said):
    assert re.match(said, called(pd.Series(q_values)))
