"""What the other pages of discovery say, branch by branch, and the claims that they judge."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers import scores
from helpers.data.contract import DataError
from helpers.data.discovery.tensor_simulator import TensorKnobs, simulate
from helpers.metrics.discovery.facts import METRICS
from helpers.tasks.discovery import (
    claims,
    findings,
    gene_function,
    mechanisms,
    model_forms,
    scaling,
    scaling_report,
)
from helpers.tasks.discovery import gene_function_report as functions
from helpers.tasks.discovery import mechanisms_report as mech
from helpers.tasks.discovery import model_forms_report as forms
from helpers.tasks.requirements import CannotAnswer

NAN = float("nan")
GIVEN = {"n_resamples": 2_000, "seed": 0}
LPM, PCA = gene_function.LPM, gene_function.PCA
BASE = {LPM: 0.6, PCA: 0.4, "knowledge from elsewhere": 0.5}
ENDS = {"random vectors": 0.05, "planted activity": 0.95}


# --------------------------------------------------------------------------- functions


def function_rows(values, circular=None, *, world="little noise"):
    """Rows in which each representation has a mean of its own; eight functions of five genes."""
    rng, parts = np.random.default_rng(0), []
    noise = rng.normal(0, 0.01, 40)
    for k, model in enumerate(values | ENDS):
        tables = []
        for labels, means in zip(gene_function.LABELS, (values, circular or values), strict=True):
            value = np.clip((means | ENDS)[model] + noise * (1 + k % 2), 0, 1)
            genes = [f"g{i}" for i in range(40)]
            own = {"labels": labels, "gene": genes, "function": np.arange(40) % 8}
            tables.append(pd.DataFrame(own | {"function_precision": value}))
        found = pd.concat(tables)
        parts.append(
            functions.score_rows(found, dataset=f"simulated: {world}", model=model, seed=1)
        )
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    "lpm, word, short",
    [
        (0.6, "find more of their kind than", "genes better than principal components"),
        (0.2, "find less of their kind than", "genes less well than principal components"),
        (0.405, "find as much of their kind as", "genes as well as principal components"),
    ],
)
def test_vectors_against_components(lpm, word, short):
    table = function_rows(BASE | {LPM: lpm})
    scores.check(table, METRICS)
    pairs = functions.against_control(table, **GIVEN)
    said = functions.about_control(pairs, "simulated: little noise")
    assert f"Vectors of the model {word} principal components" in said
    assert short in functions.in_short(pairs)
    open_one = pairs.assign(verdict="undecided")
    assert "cannot be told apart" in functions.about_control(open_one, "simulated: little noise")
    assert functions.in_short(open_one).startswith("It is undecided whether vectors of the model")


def test_one_world_of_two():
    two = [function_rows(BASE), function_rows(BASE | {LPM: 0.2}, world="much noise")]
    pairs = functions.against_control(pd.concat(two), **GIVEN)
    assert functions.in_short(pairs).endswith(": better with little noise, worse with much noise.")
    open_one = pairs.assign(verdict=pairs["verdict"].replace("worse", "undecided"))
    assert functions.in_short(open_one).endswith(", undecided with much noise.")
    row = claims.function_claim(pd.concat(two), **GIVEN)
    assert row["verdict"] == claims.BOTH and "better or worse" in row["ours"]


def test_circular_labels_beside_planted_ones():
    table = functions.means(function_rows(BASE, BASE | {PCA: 0.9}))
    said = functions.about_circular(table)
    assert "find 90% of their kind instead of 40%, knowledge from elsewhere 50% instead" in said


# --------------------------------------------------------------------------- mechanisms


@pytest.mark.parametrize(
    "found, verdict",
    [
        ("better better", claims.SHOWN),
        ("better worse", claims.BOTH),
        ("better tied", claims.BOTH),
        ("better undecided", claims.OPEN),
        ("better cannot", claims.OPEN),
        ("tied undecided", claims.OPEN),
        ("undecided", claims.OPEN),
        ("worse tied", claims.NOT_SHOWN),
        ("", claims.OPEN),
    ],
)
def test_a_claim_rests_on_all_of_its_comparisons(found, verdict):
    assert claims.verdict_of(found.split()) == verdict


def simulated(lpm, centred=0.5, plain=0.6, spread=0.0):
    means = {mechanisms.LPM: lpm, mechanisms.CENTRED: centred, "profiles": plain}
    parts = []
    for model, value in means.items():
        for draw in range(3):
            found = pd.DataFrame({"gene": ["a", "b"], "n": 2})
            own = spread * (draw - 1) if model == "profiles" else 0.0
            found["target_percentile"] = value + 0.01 * draw + own
            found["recall_10"] = 0.5
            parts.append(mech.simulated_rows(found, model=model, seed=draw))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    "lpm, spread, said, verdict",
    [
        (0.7, 0.01, "genes together better than profiles do", claims.SHOWN),
        (0.4, 0.01, "genes together less well than profiles do", claims.NOT_SHOWN),
        (0.7, 0.2, "It is undecided whether the model brings compounds and their", claims.OPEN),
    ],
)
def test_simulated_compounds(lpm, spread, said, verdict):
    table = simulated(lpm, spread=spread)
    scores.check(table, METRICS)
    assert said in mech.in_short(mech.simulated_gain(table))
    assert claims.mechanism_claim(table)["verdict"] == verdict
    one = table[table["cluster"] == "draw 0"]
    text = mech.in_short(mech.simulated_gain(one))
    text += mech.about_simulated(mech.simulated_means(one))
    assert "It is undecided" in text and "nan" not in text
    assert claims.mechanism_claim(one)["verdict"] == claims.OPEN
    with pytest.raises(CannotAnswer, match="no compound"):
        claims.mechanism_claim(table[table["model"] == "profiles"])


@pytest.mark.parametrize(
    "centred, said",
    [
        (0.8, "raises the share in vectors, difference 0.099"),
        (0.6, "lowers the share in vectors, difference \N{MINUS SIGN}0.1"),
        (0.6997, "lowers the share in vectors, difference \N{MINUS SIGN}0.0003"),
    ],
)
def test_what_the_mean_of_each_kind_changes(centred, said):
    table = simulated(0.7, centred=centred)
    size = min(0.001, abs(centred - 0.7) / 30)
    noise = size * table["cluster"].str[-1].astype(float) * (table["model"] == mechanisms.LPM)
    table["value"] += noise * (table["metric"] == "target_percentile")
    assert said in mech.about_offset(table)
    one = mech.about_offset(table[table["cluster"] == "draw 0"])
    assert "is not shown to change the share in vectors" in one and "nan" not in one
    none = table[table["model"] == mechanisms.LPM]
    assert mech.about_offset(none) == "The mean of each kind was not taken off."


def real(values, *, gene=0.5, n=20):
    """Rows of real compounds: `values` by representation for groups, and `gene` for signatures."""
    rng, parts = np.random.default_rng(0), []
    for model, value in values.items():
        tables = []
        for question in (*mech.QUESTIONS, "gene, by its other inhibitors"):
            mean = (gene if model == "signatures" else value) if question == "gene" else value
            spread = np.clip(mean + rng.normal(0, 0.02, n), 0, 1)
            units = [f"u{i}" for i in range(n)]
            own = {"question": question, "unit": units, "value": spread, "n": 3}
            tables.append(pd.DataFrame(own))
        parts.append(mech.real_rows(pd.concat(tables), model=model, dataset="d"))
    return pd.concat(parts, ignore_index=True)


SD = pd.Series({"mechanism": 0.02, "target": 0.02, "gene": 0.04})
PLAIN = {"signatures": 0.6, mechanisms.LPM: 0.5, mechanisms.CENTRED: 0.5, "random vectors": 0.5}


def against(table):
    return mech.against_random(table, seed=0, n_resamples=2_000)


def test_groups_find_each_other_or_do_not():
    def said(table):
        return mech.about_groups(mech.real_means(table), against(table), SD, "target")

    assert said(real(PLAIN)).startswith("They find each other: 0.60")
    none, few = real(PLAIN | {"signatures": 0.5}), real(PLAIN, n=4)
    for table in (none, few):
        assert said(table).startswith("It is undecided whether they find each other: ")
        assert "nan" not in said(table)
    assert said(real(PLAIN | {"signatures": 0.4})).startswith("They lie farther apart than by")
    assert mech.real_short(against(real(PLAIN))) == (
        "In plain signatures real compounds are found as follows: a compound, by others of its "
        "mechanism: above random vectors; an inhibitor, by others of its target: above random "
        "vectors; an inhibitor, by its over-expressed target: not told from random vectors."
    )
    assert mech.real_short(against(none)).count("not told from") == 3
    assert mech.real_short(against(few)).count("not told from") == 3
    assert mech.real_short(against(real(PLAIN, gene=0.3))).endswith("target: below random vectors.")


def test_comparisons_with_random_vectors_are_corrected_within_a_question():
    found = against(real(PLAIN))
    assert found["split"].value_counts().to_dict() == dict.fromkeys(mech.QUESTIONS, 3)
    assert set(found["other"]) == {"random vectors"}
    assert (found["p_holm"] >= found["p_value"]).all()


def test_peers_of_a_gene():
    assert mech.about_peers(SD, 0.7).startswith("The other inhibitors of the same targets find")


def test_the_answer_on_genes():
    answer = lambda **given: findings.compound_or_gene(  # noqa: E731
        {findings.MECHANISM: real(given.pop("values", PLAIN), **given)}, **GIVEN
    )
    assert answer(
        gene=0.44, values=PLAIN | {mechanisms.LPM: 0.45, mechanisms.CENTRED: 0.45}
    ).startswith("Not shown in these data: of the other compounds 0.4")
    assert answer(gene=0.7).startswith("Yes: of the other compounds 0.7")
    hardly = answer(gene=0.45, values=PLAIN | {mechanisms.LPM: 0.7})
    assert hardly.startswith("Not by plain signatures: ")
    assert hardly.endswith("above random vectors: LPM, vectors.")
    with pytest.raises(CannotAnswer, match="no real compound"):
        findings.compound_or_gene({findings.MECHANISM: simulated(0.7)}, **GIVEN)


def test_the_joint_model_against_signatures():
    means = mech.real_means(real(PLAIN | {mechanisms.LPM: 0.8}, gene=0.6))
    said = mech.about_model(means)
    assert "a compound, by others of its mechanism: 0.80 and 0.60; an inhibitor" in said


@pytest.mark.parametrize(
    "values, word",
    [
        ([0.88, 0.9, NAN], "The positive control holds. PKD1: no landmarks"),
        ([0.88, 0.6, NAN], "holds for HMGCR; of other genes it is undecided."),
        ([0.6, 0.4, 0.5], "It is undecided whether the positive control holds."),
        ([0.9, 0.1, 0.5], "The positive control fails: below chance is HMGCS1."),
        ([NAN, NAN, NAN], "cannot be asked. HMGCR, HMGCS1 and PKD1: no landmarks"),
    ],
)
def test_statins(values, word):
    symbols = ["HMGCR", "HMGCS1", "PKD1"]
    said = mech.about_statins(
        pd.DataFrame({"symbol": symbols, "percentile": values, "n": 7}), 1_000
    )
    assert word in said and "nan" not in said


def test_p_of_statins_is_that_of_mann_whitney():
    rng = np.random.default_rng(0)
    few, many = rng.normal(1, 1, 7), rng.normal(0, 1, 1_000)
    share = (few[:, None] > many).mean()
    p = stats.mannwhitneyu(few, many, method="asymptotic", use_continuity=False).pvalue
    found = pd.DataFrame({"symbol": ["HMGCR"], "percentile": [share], "n": 7})
    assert f"HMGCR {share:.2f} (p {p:.2g})" in mech.about_statins(found, 1_000)


# --------------------------------------------------------------------------- scaling


def scaled(least, most, *, models=(scaling.LPM,), n=12):
    noise, parts = np.random.default_rng(0).normal(0, 0.01, (2, n)), []
    for model in models:
        for share, others in ((0.5, 2), (1.0, 2), (1.0, 1)):
            value = (most if (share, others) == (1.0, 2) else least) + noise[int(others == 2)]
            units = [f"p{i:02}" for i in range(n)]
            found = pd.DataFrame({"unit": units, "value": value, "n": 5})
            found["metric"] = scaling_report.MAIN
            parts.append(
                scaling_report.score_rows(found, model=model, share=share, n_others=others, seed=1)
            )
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    "least, most, word, verdict",
    [(0.3, 0.5, "rises with more", claims.SHOWN), (0.5, 0.3, "falls with more", claims.NOT_SHOWN)],
)
def test_more_of_either(least, most, word, verdict):
    table = scaled(least, most)
    scores.check(table, METRICS)
    found = scaling_report.gains(table, **GIVEN)
    said = scaling_report.about_gains(found)
    assert said.count(word) == 2
    assert found["difference"].to_numpy() == pytest.approx(most - least, abs=0.01)
    assert claims.scaling_claim(table, **GIVEN)["verdict"] == verdict
    few = scaling_report.gains(scaled(least, most, n=4), **GIVEN)
    assert (few["verdict"] == "cannot").all()
    assert "cannot be followed" in scaling_report.about_gains(few)
    assert "is not shown to change" in scaling_report.about_gains(found.assign(verdict="undecided"))


def test_gains_in_short_name_each_candidate_and_are_corrected_together():
    models = (scaling.LPM, "low-rank linear", "copy, recentred")
    found = scaling_report.gains(scaled(0.3, 0.5, models=models), **GIVEN)
    assert len(found) == 6 and (found["p_holm"] >= found["p_value"]).all()
    said = scaling_report.in_short(found)
    assert said.startswith("More perturbations of the context help LPM (0.2")
    assert (
        "nan" not in said
        and said.count("help") == 2
        and said.count("low-rank linear") == 2
        and "copy" not in said
    )
    for verdict, word in (
        ("worse", "harm LPM (0.2"),
        ("undecided", "are not shown to help LPM (0.2"),
        ("cannot", "cannot be followed for LPM and low-rank linear."),
    ):
        assert word in scaling_report.in_short(found.assign(verdict=verdict))
    first = found["model"] == scaling.LPM
    mixed = found.assign(verdict=found["verdict"].mask(first, "undecided"))
    assert "; they help low-rank linear" in scaling_report.in_short(mixed)
    assert scaling_report.in_short(found[:0]) == "No model was followed over either axis."


def test_who_leads():
    both = [scaled(0.3, 0.5), scaled(0.4, 0.45, models=["low-rank linear"])]
    said = scaling_report.about_rivals(pd.concat(both, ignore_index=True))
    assert (
        "The highest mean is, with fewest perturbations of the context, that of low-rank linear"
        in said
    )
    both[1] = scaled(0.4, 0.6, models=["low-rank linear"])
    said = scaling_report.about_rivals(pd.concat(both, ignore_index=True))
    assert said == "With little and with much to learn from, low-rank linear has the highest mean."
    both[1] = scaled(0.1, 0.2, models=["low-rank linear"])
    said = scaling_report.about_rivals(pd.concat(both, ignore_index=True))
    assert said == "With little and with much to learn from, LPM has the highest mean."


def test_scaled_scores_have_one_test_set_and_learn_from_what_is_left():
    data = simulate(TensorKnobs(n_genes=40, n_readouts=8, n_contexts=4, n_clusters=8), 0)
    size, units = {"n_epochs": 1}, []
    for share, others in ((0.5, 1), (1.0, 1), (1.0, 3)):
        for model in scaling.ROLES:
            found = scaling.scaled_scores.function(
                data, model=model, share=share, n_others=others, split_seed=13, size=size
            )
            units.append(set(found["unit"]))
    assert len(set(map(frozenset, units))) == 1
    with pytest.raises(DataError, match="4 of 3 other contexts"):
        scaling.scaled_scores.function(
            data, model=scaling.LPM, share=1.0, n_others=4, split_seed=13
        )
    with pytest.raises(DataError, match="no model 'magic'"):
        scaling.scaled_scores.function(data, model="magic", share=1.0, n_others=1, split_seed=13)


# --------------------------------------------------------------------------- the model


def test_sizes_and_forms():
    sizes = model_forms.sizes.function()
    network = sizes.set_index("configuration")["network"].to_dict()
    assert network["lincs_paper_lpm"] == 164_609 and network["replogle_k562_paper_lpm"] == 312_833
    found = {
        name: model_forms.largest_difference.function(
            configuration=name, n_profiles=4, n_readouts=9, seed=0
        )
        for name in list(network)[:3]
    }
    assert max(found.values()) < forms.TOLERANCE
    assert "one function, in the precision" in forms.about_forms(found)
    assert "the forms are not the same" in forms.about_forms({"a": 0.1})
    assert "without any change" in forms.in_short(sizes, found)
    assert "gives other values" in forms.in_short(sizes, {"a": 0.1})


def test_training_forms_and_policies():
    data = simulate(TensorKnobs(n_genes=30, n_readouts=6, n_contexts=2), 0)
    size = {"n_epochs": 2, "hidden_dim": 8}
    table = pd.concat(
        model_forms.trained.function(data, form=f, size=size, seed=1).assign(form=f)
        for f in ("factored", "scalar")
    )
    assert table["epoch"].tolist() == [1, 2, 1, 2]
    policies = model_forms.unknown_symbols.function(data, size=size, seed=1)
    assert policies["profiles"].tolist() == [0, 1, 2]
    assert "not in the vocabulary: CRISPRi_new" in policies["what happens"][0]
    assert not (forms.RELEASED["in the released code"] == "").any()


@pytest.mark.parametrize(
    "gaps, said",
    [
        ([0.1, 0.11, 0.12], "Batches of whole profiles train a better model: after the same"),
        ([-0.1, -0.11, -0.12], "Batches of whole profiles train a worse model: after the same"),
        ([-0.1, 0.1], "It is undecided which batches train a better model: after the same"),
        ([0.1], "over 1 training of each on one draw"),
    ],
)
def test_what_batches_train(gaps, said):
    rows = [
        {"training": i, "form": form, "test correlation": 0.4 + gap * (form == "whole profiles")}
        for i, gap in enumerate(gaps)
        for form in forms.FORMS.values()
    ]
    found = forms.about_training(pd.DataFrame(rows))
    assert said in found and "by 0.40 with scattered values" in found and "nan" not in found


# --------------------------------------------------------------------------- claims


def test_every_claim_has_a_verdict():
    from test_unseen_pairs_sentences import BASE as PAIRS
    from test_unseen_pairs_sentences import OWN, both
    from test_unseen_pairs_sentences import rows as pair_rows

    tables = {
        claims.PAIRS: both(PAIRS, PAIRS | {"LPM": 0.1}),
        claims.FUNCTION: function_rows(BASE),
        claims.MECHANISM: simulated(0.7),
        claims.SCALING: scaled(0.3, 0.5),
    }
    found = claims.claims(tables, **GIVEN)
    assert found["verdict"].tolist() == [
        claims.BOTH,
        claims.SHOWN,
        claims.SHOWN,
        claims.SHOWN,
        "not testable here",
    ]
    assert findings.CLAIMS[0].needs == tuple(tables)
    said = findings.model_or_components(tables, **GIVEN)
    assert said.startswith("Vectors of the model show the function of genes better")
    tied = claims.pairs_claim(both(PAIRS, PAIRS | {"LPM": 0.35, "low-rank linear": 0.1}), **GIVEN)
    assert tied["verdict"] == claims.BOTH and "simpler is tied with it" in tied["ours"]
    few = claims.pairs_claim(
        pd.concat([pair_rows(PAIRS), pair_rows(PAIRS, world=OWN, n=4)]), **GIVEN
    )
    assert few["verdict"] == claims.OPEN and few["ours"].endswith("undecided")
    one = claims.pairs_claim(both(PAIRS), **GIVEN)
    assert one["verdict"] == claims.SHOWN and one["ours"].count("best") == 2
    lost = claims.pairs_claim(both(PAIRS | {"LPM": 0.1}), **GIVEN)
    assert lost["verdict"] == claims.NOT_SHOWN
