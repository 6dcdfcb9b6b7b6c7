"""Which task can be answered with which data set: needs against what a screen holds."""

import numpy as np
import pandas as pd
import pytest

from helpers.data.contract import CONTROL
from helpers.data.simulate.screen import simulate_screen
from helpers.tasks import answerability
from helpers.tasks.catalogue import REQUIREMENTS
from helpers.tasks.embeddings import known_relationships, reconstruction
from helpers.tasks.foundations import combinations, regimes
from helpers.tasks.requirements import (
    FEWEST_COMBINATIONS,
    Requirement,
    answer,
    pairs_with_members,
    unmet,
)


@pytest.fixture(scope="module")
def screen():
    return simulate_screen(
        rng=np.random.default_rng(1),
        n_cells=4_000,
        n_genes=500,
        n_targets=20,
        unexpressed_share=0.2,
        control_share=0.2,
        efficacy=0.6,
    )


def test_answers_are_yes_power_limited_or_cannot():
    needs = (Requirement("a", 2, "apples"), Requirement("b", 5, "bees", enough=30))
    assert str(answer(needs, {"a": 2, "b": 30})) == "yes"
    limited = answer(needs, {"a": 2, "b": 7})
    assert (str(limited), limited.reason) == ("power-limited (n = 7)", "power needs 30 bees, has 7")
    cannot = answer(needs, {"a": 1, "b": 4})
    assert cannot.verdict == "cannot"
    assert cannot.reason == "needs 2 apples, has 1; needs 5 bees, has 4"
    with pytest.raises(ValueError, match="is below 5"):
        Requirement("b", 5, "bees", enough=4)


def test_facts_count_what_is_there(screen):
    obs = screen.obs.astype({"perturbation": str, "context": str})
    names = sorted(set(obs["perturbation"]) - {CONTROL})
    rng = np.random.default_rng(0)
    obs["context"] = rng.choice(["a", "b"], len(obs))
    only_a, pair = names[0], "+".join(names[1:3])
    obs.loc[obs["perturbation"] == only_a, "context"] = "a"
    obs.loc[obs["perturbation"] == names[3], "perturbation"] = pair
    two = screen.copy()
    two.obs = obs.astype({"perturbation": "category"})
    effects = pd.DataFrame(
        [("a", only_a, 0.01), ("a", names[1], 0.01), ("b", names[1], 0.01), ("b", names[2], 0.2)],
        columns=["context", "unit", "q_value"],
    )
    known = pd.DataFrame(
        [(names[0], names[1], "CORUM"), (names[1], names[2], "CORUM"), (names[1], "X", "STRING")],
        columns=["gene_a", "gene_b", "database"],
    )
    has = answerability.facts(two, effects, known)
    assert has["perturbations_with_effect"].to_dict() == {"a": 2, "b": 1}
    assert has["combinations"].to_dict() == {"a": 1, "b": 1}
    assert has["known_pairs"].to_dict() == {"a": 2, "b": 1}
    assert has["perturbed_genes"].to_dict() == {"a": 19, "b": 18}
    assert has["transfer_pairs"].to_dict() == {"a": 2, "b": 2}  # only_a has no other context
    assert has["contexts_in_common"].to_dict() == {"a": 2, "b": 2}
    two.obs["perturbation_type"] = np.where(two.obs["context"] == "a", "CRISPRa", "CRISPRi")
    apart = answerability.facts(two, effects, known)
    assert apart["contexts_in_common"].to_dict() == {"a": 0, "b": 0}
    assert apart["transfer_pairs"].to_dict() == {"a": 0, "b": 0}
    answers = answerability.matrix({"simulated": has})
    assert len(answers) == 2 * len(REQUIREMENTS)
    recall = answers[answers["task"] == "recall of known relationships"]
    assert set(recall["verdict"]) == {"cannot"}
    assert "needs 200 perturbed genes, has 19" in recall["reason"].iloc[0]
    assert set(answers["verdict"]) <= {"yes", "power-limited", "cannot"}
    table = answerability.answered(answers)
    assert ", ".join(table["contexts"]) == "a, b" and set(table["data set"]) == {"simulated"}
    for verdict in ("yes", "power-limited"):
        rows = answers[(answers["context"] == "a") & (answers["verdict"] == verdict)]
        first = table.loc[table["contexts"].str.contains("a"), verdict].item()
        assert first == ("; ".join(rows["task"]) or "none")
    nothing = answerability.answered(recall)
    assert nothing[["contexts", "yes", "power-limited"]].to_numpy().tolist() == [
        ["a, b", "none", "none"]
    ]
    few = answerability.missing(answers).set_index("task")
    assert "batch mixing, revised" not in few.index  # four batches are enough
    assert "batch mixing, published" in few.index  # of which two are for testing
    assert few.loc["transfer between contexts", "contexts"] == 2
    given = pd.DataFrame({"dataset": "d", "task": "t", "context": ["a", "b", "c"]})
    (row,) = answerability.missing(given.assign(reason=["x; y", "x; y; z", ""])).to_numpy().tolist()
    assert row == ["d", "t", 2, "x; 1 more"]


def test_the_matrix_asks_of_reconstruction_what_its_page_asks(screen):
    """Papalexi's screen, with three replicates, was called out of reach, and scored."""
    effects = pd.DataFrame(columns=["context", "unit", "q_value"])
    known = pd.DataFrame(columns=["gene_a", "gene_b", "database"])
    answers = []
    for n_batches in (1, 2, 3, 5):
        few = screen[screen.obs["batch"].isin(sorted(screen.obs["batch"].unique())[:n_batches])]
        facts = answerability.facts(few.copy(), effects, known)
        (found,) = (r for _, r in facts.iterrows())
        says = answer(REQUIREMENTS["reconstruction"], found.to_dict()).verdict
        if n_batches == 1:
            assert says == "cannot"
            continue
        split = reconstruction.batch_perturbation_split.function(few)
        lacks = unmet(reconstruction.REQUIREMENTS, reconstruction.available(few, split))
        assert (says == "cannot") == bool(lacks), n_batches
        answers.append(says)
    assert set(answers) >= {"cannot", "power-limited"} or set(answers) == {"power-limited"}


def test_the_matrix_asks_for_controls_where_the_pages_do(screen):
    """Batches without controls were called enough for a probe, and the pages of probes refused."""
    effects = pd.DataFrame(columns=["context", "unit", "q_value"])
    known = pd.DataFrame(columns=["gene_a", "gene_b", "database"])
    bare = (screen.obs["batch"] == screen.obs["batch"].iloc[0]).to_numpy()
    few = screen[~(bare & (screen.obs["perturbation"] == CONTROL).to_numpy())].copy()
    for part, lacks in ((screen, False), (few, True)):
        answers = answerability.matrix({"it": answerability.facts(part, effects, known)})
        reasons = answers.set_index("task")["reason"]
        said = reasons.str.contains("percent of batches with control cells")
        assert said["batch mixing, revised"] == said["linear probe across guides"] == lacks
        assert not said["consistency, revised"]


def test_known_pairs_are_those_that_the_page_of_relationships_counts(screen):
    effects = pd.DataFrame(columns=["context", "unit", "q_value"])
    names = known_relationships.perturbed_genes.function(screen)
    rows = [
        (names[0], names[1], "CORUM"),
        (names[1], names[2], "STRING"),
        (names[0], "X", "STRING"),
    ]
    known = pd.DataFrame(rows, columns=["gene_a", "gene_b", "database"])
    has = answerability.facts(screen, effects, known).iloc[0]
    pairs = known_relationships.perturbed(names, known_relationships.with_union(known))
    assert has["known_pairs"] == pairs.max() == 2  # of any database: more than of each
    assert has["perturbed_genes"] == len(names)


def test_every_page_counts_combinations_alike():
    names = ["A", "B", "C", "A+B", "A+D", "A+B+C", CONTROL]
    assert pairs_with_members(names) == ["A+B"]
    assert FEWEST_COMBINATIONS == 2 * combinations._FEWEST
    needed = REQUIREMENTS["prediction of combinations"][0]
    assert (needed.fact, needed.minimum) == ("combinations", FEWEST_COMBINATIONS)
    screen = type("Screen", (), {"obs": pd.DataFrame({"perturbation": names})})
    assert regimes.pairs_with_members(screen) == 1
