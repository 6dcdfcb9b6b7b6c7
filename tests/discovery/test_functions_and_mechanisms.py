"""Functions of genes and mechanisms of compounds: metrics, tasks and readers."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from helpers.data import registry
from helpers.data.contract import DataError
from helpers.data.discovery.profiles import Profiles
from helpers.data.discovery.tensor_simulator import TensorKnobs, simulate
from helpers.data.fetch import fetch, locate
from helpers.data.sets import drug_repurposing_hub as hub_set
from helpers.data.sets import lincs_overexpression as lincs
from helpers.metrics.discovery import retrieval
from helpers.tasks.discovery import embeddings_of_symbols as stands
from helpers.tasks.discovery import gene_function, mechanisms

SIZE = {"n_epochs": 2, "hidden_dim": 16}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# --------------------------------------------------------------------------- metrics


def test_precision_is_the_share_among_as_many_as_there_are(rng):
    values, labels = rng.standard_normal((9, 4)), np.array(list("aaabbbbbc"))
    similarity = retrieval.cosines(values)
    found = retrieval.r_precision(similarity, labels)
    for i in range(8):
        k = (labels == labels[i]).sum() - 1
        others = [j for j in np.argsort(-similarity[i]) if j != i][:k]
        assert found[i] == pytest.approx(np.mean(labels[others] == labels[i]))
    assert np.isnan(found[8])
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    assert similarity == pytest.approx(unit @ unit.T)
    assert not retrieval.cosines(np.zeros((2, 3))).any()


def test_percentiles_are_areas_and_recalls_are_shares(rng):
    scores, relevant = rng.standard_normal((6, 30)), rng.random((6, 30)) < 0.2
    relevant[5] = False
    scores[0] = np.round(scores[0])
    found, recall = (
        retrieval.percentiles(scores, relevant),
        retrieval.recall_at(scores, relevant, 7),
    )
    for i in range(5):
        assert found[i] == pytest.approx(roc_auc_score(relevant[i], scores[i]))
    assert np.isnan(found[5]) and np.isnan(recall[5])
    best = np.argsort(-scores[1])[:7]
    assert recall[1] == pytest.approx(relevant[1][best].sum() / relevant[1].sum())


def test_a_left_out_member_is_ranked_by_the_others(rng):
    values = rng.standard_normal((20, 5))
    groups = np.zeros((2, 20), bool)
    groups[0, :4] = groups[1, 3:6] = True
    similarity = retrieval.cosines(values)
    found = retrieval.left_out(similarity, groups)
    for g, own in enumerate(groups):
        members = np.flatnonzero(own)
        shares = []
        for i in members:
            near = similarity[np.setdiff1d(members, i)].mean(axis=0)
            shares.append((near[~own] < near[i]).mean())
        assert found[g] == pytest.approx(np.mean(shares))


# --------------------------------------------------------------------------- representations


def test_profiles_stand_for_genes_less_the_mean_of_their_context():
    data = simulate(TensorKnobs(n_genes=20, n_readouts=6, n_contexts=3), 0)
    profiles, genes = Profiles.from_arrays(data), data["gene"].tolist()
    found, stacked = (f(profiles, genes) for f in (stands.mean_profiles, stands.stacked_profiles))
    for i, gene in enumerate(genes):
        rows = np.flatnonzero(profiles.perturbation == gene)
        off = [
            profiles.value[r] - profiles.value[profiles.context == profiles.context[r]].mean(axis=0)
            for r in rows
        ]
        assert found[i] == pytest.approx(np.mean(off, axis=0), abs=1e-5)
        for r, one in zip(rows, off, strict=True):
            at = int(profiles.context[r][-1])
            assert stacked[i, 6 * at : 6 * at + 6] == pytest.approx(one, abs=1e-5)
        absent = {0, 1, 2} - {int(profiles.context[r][-1]) for r in rows}
        assert not any(stacked[i, 6 * at : 6 * at + 6].any() for at in absent)


def test_cosines_are_averaged_over_networks_and_vectors_never(rng):
    one = rng.standard_normal((5, 3))
    turned = one @ np.linalg.qr(rng.standard_normal((3, 3)))[0]
    found = stands.mean_cosines([one, turned])
    assert found == pytest.approx(retrieval.cosines(one))


# --------------------------------------------------------------------------- functions


@pytest.fixture(scope="module")
def tensor():
    return simulate(
        TensorKnobs(n_genes=40, n_readouts=40, n_clusters=8, n_contexts=3, n_compounds=30), 0
    )


def test_planted_functions_are_found_between_chance_and_the_ceiling(tensor):
    mean = {}
    for name in gene_function.ROLES:
        found = gene_function.function_scores.function(
            tensor, representation=name, seed=0, size=SIZE, n_networks=1
        )
        assert set(found["labels"]) == set(gene_function.LABELS)
        planted = found[found["labels"] == gene_function.LABELS[0]]
        assert len(planted) == 40 and planted["function_precision"].between(0, 1).all(), name
        mean[name] = planted["function_precision"].mean()
    assert mean["random vectors"] < 0.25 < mean["profiles"] < mean["planted activity"]
    with pytest.raises(DataError, match="no representation 'magic'"):
        gene_function.similarity_of(tensor, "magic", 0, {}, 1)


def test_circular_labels_are_as_many_and_favour_the_screen(tensor):
    labels = gene_function.circular_labels(tensor, 0)
    assert len(set(labels)) == 8
    found = gene_function.function_scores.function(tensor, representation=gene_function.PCA, seed=0)
    planted, circular = (
        found.loc[found["labels"] == name, "function_precision"].mean()
        for name in gene_function.LABELS
    )
    assert circular > planted


# --------------------------------------------------------------------------- mechanisms


def test_compounds_that_hit_a_gene_are_found(tensor):
    mean = {}
    vectors = mechanisms.simulated_vectors.function(tensor, size=SIZE, n_networks=2)
    assert vectors["compounds"].shape[:2] == (2, 30)
    for name in mechanisms.SIMULATED:
        found = mechanisms.simulated_mechanisms.function(
            tensor, vectors, representation=name, seed=0
        )
        assert set(found["gene"]) == set(tensor["target"]) and found["n"].sum() == 30
        mean[name] = found["target_percentile"].mean()
    assert mean["planted activity"] > 0.97
    assert abs(mean["random vectors"] - 0.5) < 0.15
    assert mean["profiles less the mean of their kind"] > 0.6
    with pytest.raises(DataError, match="no representation 'magic'"):
        mechanisms.simulated_mechanisms.function(tensor, None, representation="magic", seed=0)


@pytest.fixture
def compounds(rng):
    """Twelve compounds over ten landmarks; three statins are alike, and opposite to a gene."""
    z = rng.standard_normal((12, 10))
    z[:3] = z[0] + 0.1 * rng.standard_normal((3, 10))
    z[:3, 0] = 9
    names = ["Pravastatin", "Lovastatin", "Simvastatin", *(f"Drug {i}" for i in range(9))]
    drugs = ad.AnnData(
        z,
        obs=pd.DataFrame({"name": names}, index=[f"DB{i}" for i in range(12)]),
        var=pd.DataFrame({"symbol": ["HMGCR", *"BCDEFGHIJ"]}, index=[str(i) for i in range(10)]),
    )
    pairs = pd.DataFrame(
        [("3156", str(j), -z[0, j], True) for j in range(6)]
        + [("7", str(j), 1.0, j < 4) for j in range(8)],
        columns=["perturbed", "gene", "z", "measured"],
    )
    targets = pd.DataFrame(
        [("DB0", "3156", True), ("DB1", "3156", True), ("DB2", "3156", True), ("DB5", "7", False)],
        columns=["drug", "gene", "inhibits"],
    )
    hub = pd.DataFrame(
        [(f"DB{i}", "HMGCR inhibitor") for i in range(3)] + [("DB3", "other"), ("DB99", "other")],
        columns=["drug", "mechanism"],
    )
    return drugs, pairs, targets, hub


def test_classes_of_real_compounds_are_as_many_as_found_independently():
    himmelstein = registry.dataset("himmelstein-drug-disease")
    sets = (himmelstein, lincs.DATASET, hub_set.DATASET)
    if None in [locate(file) for one in sets for file in one.files]:
        pytest.skip("the files are not at hand")
    annotation = mechanisms.annotated.function(
        lincs.read_structures(fetch(lincs.DATASET)), hub_set.read_structures(fetch(hub_set.DATASET))
    )
    signatures = fetch(himmelstein)["consensi-drugbank.tsv.gz"]
    names = pd.read_csv(signatures, sep="\t", usecols=[0], index_col=0).index
    found = mechanisms.classes(ad.AnnData(obs=pd.DataFrame(index=names)), annotation)
    assert len(found) == 74 and found.any(axis=0).sum() == 565 == found.to_numpy().sum()


def test_structures_join_salts_and_take_the_last_row_with_a_mechanism(tmp_path):
    path = tmp_path / "hub.txt"
    key = "AAAAAAAAAAAAAA-{}-N"
    rows = [("a inhibitor", "B" * 10), ("b, c", "C" * 10), ("", "D" * 10)]
    lines = ["MOA\tInChIKey", *(f"{moa}\t{key.format(end)}" for moa, end in rows)]
    path.write_text("\n".join(lines))
    found = hub_set.read_structures({"hub.txt": path})
    assert found.to_numpy().tolist() == [["A" * 14, "b, c"]]
    slim = tmp_path / "drugbank-slim.tsv"
    slim.write_text(f"drugbank_id\tinchikey\nDB1\tInChIKey={key.format('E' * 10)}\nDB2\t\n")
    drugs = lincs.read_structures({slim.name: slim})
    assert drugs.to_numpy().tolist() == [["DB1", "A" * 14]]
    assert mechanisms.annotated.function(drugs, found).to_numpy().tolist() == [["DB1", "b, c"]]
    slim.write_text("drugbank_id\tinchikey\nDB1\tInChIKey=short\n")
    with pytest.raises(DataError, match="1 InChIKeys have another form: short"):
        lincs.read_structures({slim.name: slim})


def test_groups_of_real_compounds_are_joined_by_identifier(compounds):
    drugs, pairs, targets, hub = compounds
    found = mechanisms.classes(drugs, hub)
    assert found.index.tolist() == ["HMGCR inhibitor"]
    assert found.to_numpy()[0].tolist() == [True] * 3 + [False] * 9
    assert mechanisms.inhibitors(drugs, targets).index.tolist() == ["3156"]
    expressed = mechanisms.over_expressed(drugs, pairs)
    assert expressed.index.tolist() == ["3156"]  # the other changes four landmarks
    assert (expressed.to_numpy()[0, 6:] == 0).all()


def test_statins_and_opposite_genes_are_found(compounds):
    drugs, pairs, targets, hub = compounds
    given = dict(n_readouts=8, size=SIZE, n_networks=2, seed=0)
    joint = mechanisms.joint_model.function(drugs, pairs, **given)
    assert joint["compounds"].shape[:2] == (2, 12) and joint["gene"].tolist() == ["3156"]
    for name in mechanisms.REAL:
        found = mechanisms.real_mechanisms.function(
            drugs, pairs, targets, hub, joint, representation=name, seed=0
        ).set_index("question")["value"]
        if name == "signatures":
            assert (found == 1).all() and len(found) == 4
    with pytest.raises(DataError, match="no representation 'magic'"):
        mechanisms.real_mechanisms.function(
            drugs, pairs, targets, hub, joint, representation="magic", seed=0
        )
    statins = mechanisms.statin_pattern.function(drugs, symbols=["HMGCR", "PKD1"])
    assert statins["percentile"].iloc[0] == 1 and np.isnan(statins["percentile"].iloc[1])
    with pytest.raises(DataError, match="none of Pravastatin"):
        mechanisms.statin_pattern.function(drugs[3:], symbols=["HMGCR"])


def test_shuffled_compounds_are_at_chance(compounds):
    found = mechanisms.shuffled_compounds.function(*compounds, n_permutations=200, seed=0)
    mean = found.groupby("question")["mean"].mean()
    assert set(mean.index) == {"mechanism", "target", "gene"}
    assert mean.to_numpy() == pytest.approx(0.5, abs=0.12)


# --------------------------------------------------------------------------- reader


def test_over_expression_and_targets_are_read(tmp_path):
    pairs, proteins, _ = (tmp_path / file.name for file in lincs.DATASET.files)
    pairs.write_text(
        "perturbagen\tentrez_gene_id\tz_score\tsymbol\tstatus\n"
        "2\t991\t-4.687\tCDC20\tmeasured\n2\t54438\t4.551\tGFOD1\timputed\n"
    )
    proteins.write_text(
        "drugbank_id\tcategory\tentrez_gene_id\torganism\tactions\n"
        "DB1\ttarget\t5\tHuman\tinhibitor\nDB1\ttarget\t5\tHuman\t\nDB1\ttarget\t6\tHuman\tagonist\n"
        "DB1\tenzyme\t7\tHuman\tinhibitor\nDB1\ttarget\t8\tYeast\tinhibitor\n"
        "DB1\ttarget\t\tHuman\tinhibitor\n"
    )
    paths = {path.name: path for path in (pairs, proteins)}
    found = lincs.read(paths)
    assert found["perturbed"].tolist() == ["2", "2"] and found["measured"].tolist() == [True, False]
    targets = lincs.read_targets(paths)
    assert targets.to_numpy().tolist() == [["DB1", "5", True], ["DB1", "6", False]]
    pairs.write_text(pairs.read_text() + "2\t991\t-1\tCDC20\tmeasured\n")
    with pytest.raises(DataError, match="1 pairs come twice"):
        lincs.read(paths)
    proteins.write_text("drugbank_id\tcategory\n")
    with pytest.raises(DataError, match="no columns entrez_gene_id, organism, actions"):
        lincs.read_targets(paths)
