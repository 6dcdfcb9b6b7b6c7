"""The task of known relationships: planted complexes, published distances, what cannot be asked."""

import re

import numpy as np
import pandas as pd
import pytest

from helpers.data.contract import CONTROL, DataError
from helpers.data.embeddings.planted_relationships import planted_relationships
from helpers.data.simulate.screen import simulate_screen
from helpers.metrics.embeddings.facts import METRICS
from helpers.metrics.embeddings.gene_pairs import unordered_pairs
from helpers.metrics.embeddings.postprocess import postprocess
from helpers.metrics.embeddings.relationships import relationship_recall
from helpers.metrics.embeddings.similarities import Similarities
from helpers.models.floors import gaussian_noise, latent, uniform_noise
from helpers.scores import check
from helpers.tasks import departures
from helpers.tasks.embeddings.known_relationships import (
    NULLS,
    PROTOCOLS,
    UNION,
    gene_recalls,
    perturbation_means,
    perturbed,
    recall,
    with_union,
)
from helpers.tasks.embeddings.known_relationships_report import (
    DEPARTURES,
    answers,
    chosen_elsewhere,
    score_table,
)
from helpers.tasks.embeddings.published_distances import (
    DISTANCE_SIMILARITIES,
    distance_matrix,
    recall_of_distances,
)
from helpers.tasks.embeddings.representations import Representation

FEW = {"n_resamples": 50, "n_permutations": 50}


def recalled(means, relationships, *, post, protocol="revised", **arguments):
    found = recall.function(
        means, relationships, posts=[post], protocol=protocol, **(FEW | arguments)
    )
    assert found["post"].eq(post).all()
    return found.set_index("database")


@pytest.fixture(scope="module")
def screen():
    return simulate_screen(
        rng=np.random.default_rng(0),
        n_cells=5_000,
        n_genes=900,
        n_targets=210,
        n_complexes=19,
        complex_size=5,
        effect_size=0.6,
        fitness_loss=1.5,
        guides_per_target=1,
    )


@pytest.fixture(scope="module")
def relationships(screen):
    return planted_relationships.function(screen, n_false=1, seed=0)


@pytest.fixture(scope="module")
def means(screen):
    return {
        "truth": perturbation_means.function(screen, latent.function(screen), protocol="revised"),
        "gaussian": perturbation_means.function(
            screen, gaussian_noise.function(screen, n_dims=64, seed=0), protocol="revised"
        ),
        "uniform": perturbation_means.function(
            screen, uniform_noise.function(screen, n_dims=512, seed=0), protocol="revised"
        ),
    }


def test_databases_are_what_was_planted(screen, relationships):
    known = screen.uns["truth"]["relationships"]
    of = dict(tuple(relationships.groupby("database")))
    true = known[known["same_complex"]]
    assert set(zip(of["complexes"]["gene_a"], of["complexes"]["gene_b"], strict=True)) == set(
        zip(true["gene_a"], true["gene_b"], strict=True)
    )
    assert len(of["complexes"]) == 19 * 10
    assert len(of["half of them"]) == known["in_database"].sum()
    diluted = of["with false pairs"]
    assert (diluted["sign"] == 0).sum() == (diluted["sign"] != 0).sum() == 190
    assert not diluted.duplicated(["gene_a", "gene_b"]).any()
    again = planted_relationships.function(screen, n_false=1, seed=0)
    pd.testing.assert_frame_equal(again, relationships)


def test_means_are_those_of_perturbed_cells_after_post_processing(screen, means):
    label = screen.obs["perturbation"].to_numpy(dtype=object)
    treated = postprocess(
        latent.function(screen), screen.obs["batch"], label == CONTROL, "tvn", shrink_below=30
    )
    names = means["truth"]["names"]
    assert CONTROL not in names
    row = names.tolist().index("GENE100") if "GENE100" in names else 0
    expected = treated[label == names[row]].mean(axis=0)
    np.testing.assert_allclose(means["truth"]["tvn"][row], expected)


def test_recall_finds_what_was_planted_and_noise_finds_a_tenth(means, relationships):
    found = {name: recalled(m, relationships, post="center_scaled") for name, m in means.items()}
    truth = found["truth"].loc["complexes"]
    assert truth["recall"] > 0.5
    assert truth["low"] < truth["recall"] < truth["high"]
    assert truth["upper"] > truth["lower"]
    assert all(truth[f"p_{null}"] == 1 / 51 for null in NULLS)
    assert found["truth"].loc["with false pairs", "recall"] < truth["recall"]
    assert abs(found["gaussian"].loc["complexes", "recall"] - 0.1) < 0.08
    # By hand, of one database.
    pairs = relationships[relationships["database"] == "complexes"]
    similarities = Similarities(means["truth"]["names"], embedding=means["truth"]["center_scaled"])
    plain = relationship_recall(similarities, *unordered_pairs(pairs["gene_a"], pairs["gene_b"]))
    assert truth["recall"] == plain["recall"]


def test_uniform_noise_is_above_chance_and_not_above_genes_with_as_many_cells(means, relationships):
    row = recalled(means["uniform"], relationships, post="raw").loc["complexes"]
    assert row["recall"] > 0.15  # complexes share their effect, and with it their loss of cells
    assert row["null_cells"] > 0.13
    assert row["p_cells"] > 0.02


def test_the_published_protocol_gives_the_share_alone(means, relationships):
    found = recalled(means["truth"], relationships, post="raw", protocol="published")
    assert not {"low", "null_cells"} & set(found.columns)
    assert found.loc["complexes", "recall"] > 0.5


def test_too_few_pairs_or_genes_cannot_be_answered(means, relationships):
    few = relationships.groupby("database").head(99)
    found = recalled(means["truth"], few, post="raw")
    assert found[["recall", "upper", "lower"]].isna().all(axis=None)
    assert all(re.match(r"cannot answer: needs \d+ known pairs", said) for said in answers(found))
    assert (found["n_pairs"] > 0).all()
    small = {k: v[:150] for k, v in means["truth"].items()}
    found = recalled(small, relationships, post="raw")
    assert all("needs 200 perturbed genes, has 150" in said for said in answers(found))
    other = relationships.assign(gene_a="not perturbed")
    found = recalled(means["truth"], other, post="raw")
    assert (found["n_pairs"] == 0).all()


def test_union_holds_each_pair_once(relationships, means):
    both = with_union(relationships)
    union = both[both["database"] == UNION]
    assert not union.duplicated(["gene_a", "gene_b"]).any()
    counts = perturbed(means["truth"]["names"], both)
    assert counts["complexes"] == 190
    assert counts[UNION] >= counts["with false pairs"] == 380


def test_scores_fit_the_schema(means, relationships):
    found = recalled(means["truth"], relationships, post="raw")
    genes = gene_recalls.function(means["truth"], relationships, post="raw", database="complexes")
    named = dict(model="truth", protocol="revised", role="ceiling", dataset="simulated", seed=0)
    roster = {"truth": Representation("truth", None, "ceiling", "nothing", {"n_dims": 9})}
    key = ("truth", "raw", "revised")
    table = score_table(found.reset_index().assign(**named), roster, {key: genes})
    assert set(table["params"]) == {'{"n_dims":9}'} and set(table["role"]) == {"ceiling"}
    assert answers(found) == ["yes"] * len(found)
    assert set(check(table)["metric"]) <= set(METRICS)
    by_gene = table[table["metric"] == "gene_recall"]
    assert len(by_gene) == 19 * 5
    assert (by_gene["n"] == 4).all()
    assert (by_gene["cluster"] == by_gene["unit"]).all()
    complex_of = pd.Series(np.arange(95) // 5, genes.index).map("complex{}".format)
    table = score_table(found.reset_index().assign(**named), roster, {key: genes}, complex_of)
    clustered = table[table["metric"] == "gene_recall"]
    assert list(clustered["cluster"]) == list(complex_of)
    assert list(clustered["value"]) == list(by_gene["value"])
    by_database = table[table["metric"] == "relationship_recall"]
    assert (by_database["cluster"] == by_database["unit"]).all()
    assert by_gene["value"].mean() == pytest.approx(found.loc["complexes", "recall"])


def test_bad_input_is_refused(screen, relationships, means):
    embedding = latent.function(screen)
    with pytest.raises(DataError, match="protocol is 'best'"):
        perturbation_means.function(screen, embedding, protocol="best")
    with pytest.raises(DataError, match="4999 rows, the screen 5000 cells"):
        perturbation_means.function(screen, embedding[1:], protocol="revised")
    with pytest.raises(
        DataError,
        match="simulated: the embedding holds 1 NaN or infinite values, the first in row 3",
    ):
        odd = embedding.copy()
        odd[3, 0] = np.nan
        perturbation_means.function(screen, odd, protocol="revised")
    bare = ((screen.obs["batch"] == "batch2") & (screen.obs["perturbation"] == CONTROL)).to_numpy()
    with pytest.raises(DataError, match=r"simulated, centered: .*batch2 \(0\)"):
        perturbation_means.function(screen[~bare], embedding[~bare], protocol="revised")
    treated = (screen.obs["perturbation"] != CONTROL).to_numpy()
    with pytest.raises(DataError, match=r"0 of \d+ cells are controls"):
        perturbation_means.function(screen[treated], embedding[treated], protocol="revised")
    with pytest.raises(DataError, match="no planted relationships"):
        lonely = simulate_screen(
            rng=np.random.default_rng(0), n_cells=300, n_genes=50, n_targets=5,
            database_recall=0.0, database_false_share=0.0,
        )  # fmt: skip
        planted_relationships.function(lonely, n_false=1, seed=0)
    with pytest.raises(DataError, match="protocol is 'best'"):
        recalled(means["truth"], relationships, post="raw", protocol="best")
    constant = perturbation_means.function(screen, np.ones((5_000, 3)), protocol="revised")
    found = recalled(constant, relationships, post="raw", protocol="published")
    assert found.loc["complexes", "recall"] == 0
    with pytest.raises(DataError, match="centered: fewer than two perturbations have a similarity"):
        recalled(constant, relationships, post="centered", protocol="published")
    with pytest.raises(DataError, match="post is 'zca'; choose from raw"):
        recall.function(means["truth"], relationships, posts=["zca"], protocol="revised")


# --------------------------------------------------------------------------- distances


def table_of(matrix, names, screen="made up"):
    i, j = np.triu_indices(len(names), 1)
    return pd.DataFrame({"screen": screen, "a": names[i], "b": names[j], "edistance": matrix[i, j]})


def test_distances_give_back_the_geometry_they_are_of():
    rng = np.random.default_rng(1)
    names = np.array([*(f"G{i:03d}" for i in range(210)), CONTROL], dtype=object)
    points = rng.standard_normal((211, 5))
    points[-1] = 0
    points[1:200:2] = points[0:200:2]
    matrix = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    table = table_of(matrix, names)
    found, order = distance_matrix(table.sample(frac=1, random_state=0), "made up")
    np.testing.assert_array_equal(order, np.sort(names))
    index = pd.Index(names).get_indexer(order)
    np.testing.assert_array_equal(found, matrix[np.ix_(index, index)])
    pairs = pd.DataFrame({"database": "pairs", "gene_a": names[0:200:2], "gene_b": names[1:200:2]})
    recalls = {
        similarity: recall_of_distances.function(
            table, pairs, screen="made up", similarity=similarity, **FEW
        ).loc["pairs"]
        for similarity in DISTANCE_SIMILARITIES
    }
    assert recalls["closeness"]["upper"] == 1
    assert recalls["inner product"]["upper"] > 0.3
    effect = recalls["sizes, of inner product"]
    assert effect["recall"] < recalls["inner product"]["recall"]
    assert "null_cells" not in effect and effect["p_effect"] <= 1
    with pytest.raises(DataError, match="similarity is 'cosine'"):
        recall_of_distances.function(table, pairs, screen="made up", similarity="cosine")
    with pytest.raises(DataError, match="no distances to 'control' of 'other'; there are made up"):
        distance_matrix(table, "other")
    with pytest.raises(DataError, match="made up: 1 pairs have no distance"):
        distance_matrix(table.iloc[1:], "made up")


def test_departures_are_typed():
    table = departures.table_of(DEPARTURES)
    assert set(table["kind"]) == {"bug", "paper-code discrepancy", "design choice"}
    assert table["aspect"].is_unique
    assert set(PROTOCOLS) == {"published", "revised"}


def test_a_choice_is_scored_on_the_groups_that_did_not_make_it():
    genes = [f"g{i}" for i in range(8)]
    groups = pd.Series(np.repeat(["a", "b", "c", "d"], 2), index=genes)

    def of(*recalls):
        return pd.DataFrame({"recall": np.repeat(recalls, 2), "n_pairs": 3}, index=genes)

    # one is better everywhere: choosing it elsewhere costs nothing
    assert chosen_elsewhere({"raw": of(0, 0, 0, 0), "tvn": of(1, 1, 1, 1)}, groups) == 1.0
    # each is good in one half and only there: whoever chooses by one half loses on the other
    both = {"raw": of(1, 1, 0, 0), "tvn": of(0, 0, 1, 1)}
    assert chosen_elsewhere(both, groups) < 0.5
    assert chosen_elsewhere(both, groups) == chosen_elsewhere(both, groups, seed=0)
    with pytest.raises(ValueError, match="1 groups of genes cannot be halved"):
        chosen_elsewhere(both, pd.Series("a", index=genes))
