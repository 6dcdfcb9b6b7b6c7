"""Three small deep models: their mechanisms, what each must win, and what they refuse."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone

from helpers.comparisons import compare
from helpers.data.contract import CONTROL, DataError
from helpers.data.effects.mechanism_worlds import mechanism_world
from helpers.data.normalise import log1p_cp10k
from helpers.models.effects import deep_parts, graph_network, latent_additive
from helpers.models.effects import perturbation_transformer as transformer
from helpers.models.effects.baselines import NoChange, ScaledAdditive
from helpers.models.effects.falsified import ShuffledLabels
from helpers.models.effects.graph_network import GraphNetwork
from helpers.models.effects.latent_additive import LatentAdditive
from helpers.models.effects.linear import BilinearModel
from helpers.models.effects.perturbation_transformer import PerturbationTransformer
from helpers.models.effects.training import Bulks, Training, training_of_cells
from helpers.models.reproducible import reproducible

SETS = {"first": ["g0", "g1", "g7"], "second": ["g2", "g3", "far"], "third": ["g1", "g2"]}
SMALL = {
    "graph": GraphNetwork(SETS, n_steps=4, n_dims=8),
    "latent": LatentAdditive(n_steps=4, n_latent=4, n_hidden=8),
    "transformer": PerturbationTransformer(n_steps=4, n_dims=8, n_heads=2, n_tokens=4),
}
every_model = pytest.mark.parametrize("model", SMALL.values(), ids=SMALL)


def training(names=("g0", "g0+g1", "g1", "g2"), n_genes=6, seed=0, **other) -> Training:
    rng = np.random.default_rng(seed)
    given = dict(
        means=rng.normal(2, 1, (len(names), n_genes)),
        names=np.array(names),
        genes=pd.Index([f"g{i}" for i in range(n_genes)]),
        controls={"K562": rng.normal(2, 1, n_genes)},
        n_cells=np.full(len(names), 10),
    )
    return Training(**given | other)


def with_bulks(t: Training, n_controls: int = 12, seed: int = 1) -> Training:
    rng = np.random.default_rng(seed)
    control = t.controls["K562"] + 0.3 * rng.normal(size=(n_controls, len(t.genes)))
    names = np.concatenate([t.names, np.repeat(CONTROL, n_controls)])
    return replace(
        t, bulks=Bulks(np.vstack([t.means, control]), names, np.repeat("K562", len(names)))
    )


class TestWhatAllShare:
    @every_model
    def test_the_same_seed_gives_the_same_bytes_and_another_one_others(self, model):
        t = with_bulks(training())
        first, again, other = (
            clone(model).set_params(seed=seed).fit(t).predict(["g0", "g0+g2"]) for seed in (1, 1, 2)
        )
        assert first.shape == (2, 6) and np.isfinite(first).all()
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)

    @every_model
    def test_the_order_of_rows_asked_does_not_matter(self, model):
        fitted = clone(model).fit(with_bulks(training()))
        both = fitted.predict(["g0+g2", "g1"])
        np.testing.assert_allclose(fitted.predict(["g1"])[0], both[1], atol=1e-6)
        np.testing.assert_allclose(fitted.predict(["g0+g2"])[0], both[0], atol=1e-6)

    @every_model
    def test_unknown_parts_are_rows_of_nan(self, model):
        found = clone(model).fit(training()).predict(["g0", "g0+nobody", "nobody"])
        assert np.isfinite(found[0]).all()
        assert np.isnan(found[1:]).all()

    @every_model
    def test_a_target_that_is_no_measured_gene_is_learnt(self, model):
        fitted = clone(model).fit(training(["A", "g0", "g1"]))
        assert np.isfinite(fitted.predict(["A", "A+g0"])).all()

    @every_model
    def test_one_gene_one_condition_and_no_bulks_are_enough(self, model):
        one = training(["g0"], n_genes=1)
        assert np.isfinite(clone(model).fit(one).predict(["g0"])).all()

    @every_model
    def test_a_training_set_without_conditions_is_refused(self, model):
        empty = training(names=(), means=np.empty((0, 6)), n_cells=np.empty(0, int))
        with pytest.raises(DataError, match="0 training conditions of 6 genes"):
            clone(model).fit(empty)

    @every_model
    def test_three_parts_are_refused(self, model):
        with pytest.raises(DataError, match=r"g0\+g1\+g2: these models take 2 parts"):
            clone(model).fit(training()).predict(["g0+g1+g2"])

    @every_model
    def test_two_contexts_start_from_their_own_controls(self, model):
        t = training(
            controls={"K562": np.zeros(6), "RPE1": np.full(6, 5.0)},
            contexts=np.repeat("K562", 4),
        )
        fitted = clone(model).fit(t)
        near, far = fitted.predict(["g0"], "K562"), fitted.predict(["g0"], "RPE1")
        assert np.abs(far - near - 5).max() < 2
        with pytest.raises(DataError, match="no controls of context None"):
            fitted.predict(["g0"])

    @every_model
    def test_nothing_changes_where_nothing_changed(self, model):
        t = training()
        flat = replace(t, means=np.tile(t.controls["K562"], (4, 1)))
        assert np.isfinite(clone(model).fit(flat).predict(["g0"])).all()

    @every_model
    def test_a_rate_that_is_none_is_refused(self, model):
        with pytest.raises(ValueError, match="learning_rate 0"):
            clone(model).set_params(learning_rate=0.0).fit(training())

    def test_a_loss_that_is_lost_is_said(self):
        import torch

        network = torch.nn.Linear(1, 1)
        with pytest.raises(FloatingPointError, match="lower learning_rate"):
            deep_parts.descend(
                network,
                lambda _: (network.weight * float("inf")).sum(),
                n_steps=1,
                learning_rate=0.1,
            )


def test_bulks_follow_the_names_that_a_probe_deals_anew():
    t = with_bulks(training())
    kept = ShuffledLabels(NoChange(), seed=3)._kept_from(t)
    assert not np.array_equal(kept.means, t.means)
    for name, mean in zip(kept.names, kept.means, strict=True):
        np.testing.assert_array_equal(kept.bulks.means[kept.bulks.names == name], mean[None])
    own = t.bulks.names == CONTROL
    np.testing.assert_array_equal(kept.bulks.names == CONTROL, own)


class TestGraph:
    def test_neighbours_by_the_jaccard_index_of_sets(self):
        names, (index, weight) = graph_network.relations_of(SETS, ["g0", "alone"], 3)
        assert names == sorted({"g0", "g1", "g7", "g2", "g3", "far", "alone"})
        sets_of = {n: {s for s, genes in SETS.items() if n in genes} for n in names}
        for row, name in enumerate(names):
            expected = {
                other: len(sets_of[name] & sets_of[other]) / len(sets_of[name] | sets_of[other])
                for other in names
                if other != name and sets_of[name] & sets_of[other]
            }
            total = 1 + sum(expected.values())
            found = {names[i]: w for i, w in zip(index[row, 1:], weight[row, 1:], strict=True) if w}
            assert found == pytest.approx({n: v / total for n, v in expected.items()})
            assert weight[row, 0] == pytest.approx(1 / total)

    def test_only_the_strongest_neighbours_stay(self):
        edges = np.array([[9, 1, 3, 2], [1, 0, 0, 0], [3, 0, 0, 0], [2, 0, 0, 0.0]])
        index, weight = graph_network.strongest(sparse.csr_array(edges), 2)
        assert index[0].tolist() == [0, 2, 3]
        np.testing.assert_allclose(weight[0], np.array([1, 3, 2]) / 6)
        assert index[1].tolist() == [1, 0, 1] and weight[1, 2] == 0

    def test_co_expression_is_that_of_training_controls_alone(self):
        t = with_bulks(training(), n_controls=30)
        bulks = t.bulks
        own = bulks.names == CONTROL
        values = bulks.means[own].copy()
        values[:, 1] = values[:, 0]  # two genes that go together
        means = bulks.means.copy()
        means[own] = values
        t = replace(t, bulks=replace(bulks, means=means))
        index, weight = graph_network.co_expression(t, 2)
        assert index[0, 1] == 1 and weight[0, 1] == pytest.approx(0.5, abs=0.1)
        expected = np.corrcoef(values.T)
        assert (np.abs(expected[2, [i for i in range(6) if i != 2]]) < 0.4).all() == (
            weight[2, 0] == 1
        )
        means[~own] = 0  # what perturbed cells look like does not enter
        again = graph_network.co_expression(replace(t, bulks=replace(bulks, means=means)), 2)
        np.testing.assert_array_equal(again[0], index)

    def test_a_gene_without_a_trained_neighbour_has_no_prediction(self):
        fitted = clone(SMALL["graph"]).fit(training(["g0", "g1"]))
        found = fitted.predict(["g7", "g2", "g3", "g2+g3"])
        assert np.isfinite(found[:2]).all()  # g7 and g2 share a set with g0 and g1
        assert np.isnan(found[2:]).all()  # g3 is in sets with g2 and far, whom nobody perturbed

    def test_vectors_are_mixed_as_by_the_matrix_of_the_graph(self):
        import torch

        _, graph = graph_network.relations_of(SETS, [], 3)
        with reproducible(0):
            network = graph_network._network(4, graph, graph)
        mixed = network.perturbed(torch.arange(len(graph[0]))).detach().numpy()
        S = np.zeros((len(graph[0]),) * 2)
        np.add.at(S, (np.arange(len(S))[:, None], graph[0]), graph[1])
        np.testing.assert_allclose(mixed, S @ network.perturbed.own.detach().numpy(), rtol=1e-5)

    def test_without_sets_and_bulks_there_is_no_graph(self):
        with pytest.raises(DataError, match="neither gene sets nor a graph of co-expression"):
            GraphNetwork().fit(training())
        fitted = GraphNetwork(n_steps=2).fit(with_bulks(training(["g0", "A"])))
        assert np.isfinite(fitted.predict(["A"])).all()


class TestLatent:
    def test_the_adversary_reads_what_a_regression_explains(self):
        import torch

        rng = np.random.default_rng(0)
        holds = (rng.random((60, 3)) < 0.4).astype(float)
        state = rng.normal(size=(60, 5))
        state[:, 0] += holds[:, 0]
        design = np.column_stack([np.ones(60), state])
        rest = holds - design @ np.linalg.lstsq(design, holds, rcond=None)[0]
        expected = 1 - (rest**2).sum() / ((holds - holds.mean(axis=0)) ** 2).sum()
        found = latent_additive.read_from(torch.from_numpy(state), torch.from_numpy(holds))
        assert float(found) == pytest.approx(expected, rel=1e-3)
        flat = latent_additive.read_from(torch.zeros(60, 5), torch.from_numpy(holds).float())
        assert float(flat) == 0

    def test_effects_add_before_the_decoder(self):
        import torch

        fitted = clone(SMALL["latent"]).fit(training())
        network = fitted.network_
        state = torch.randn(3, 4)
        both = fitted.vocabulary_.encode([["g0", "g1"]])
        e = network.perturbed[torch.from_numpy(both[0])].sum(dim=0)
        decoded = network.decode(state, torch.from_numpy(both).expand(3, -1))
        assert torch.allclose(decoded, network.decoder(state + e), atol=1e-6)

    def test_a_gene_that_nobody_perturbed_has_no_prediction(self):
        fitted = clone(SMALL["latent"]).fit(training())
        assert np.isnan(fitted.predict(["g5", "g0+g5"])).all()


class TestTransformer:
    def outputs(self, parts, value=None, hidden=None):
        import torch

        with reproducible(0):
            network = transformer._network(6, 8, 8, 2, 2)
            gene = torch.arange(6)
            value = torch.linspace(-1, 1, 6)[None] if value is None else value
            hidden = torch.zeros(1, 6) if hidden is None else hidden
            return network(torch.tensor([parts]), gene, value, hidden)

    def test_there_is_no_order_of_parts(self):
        import torch

        assert torch.allclose(self.outputs([2, 7])[0], self.outputs([7, 2])[0], atol=1e-6)
        assert not torch.allclose(self.outputs([2, 7])[0], self.outputs([2, 3])[0], atol=1e-3)

    def test_a_place_without_a_part_is_not_looked_at(self):
        import torch

        with reproducible(0):
            network = transformer._network(6, 8, 8, 2, 2)
            given = torch.arange(1, 6), torch.zeros(1, 5), torch.zeros(1, 5)
            first = network(torch.tensor([[2, -1]]), *given)[0]
            with torch.no_grad():
                network.gene.weight[0] += 5.0  # the vector that fills the empty place
            assert torch.equal(first, network(torch.tensor([[2, -1]]), *given)[0])
            assert not torch.allclose(first, network(torch.tensor([[2, 0]]), *given)[0])

    def test_what_is_hidden_is_not_seen(self):
        import torch

        value, hidden = torch.linspace(-1, 1, 6)[None], torch.zeros(1, 6)
        hidden[0, 3] = 1
        other, seen = value.clone(), value.clone()
        other[0, 3], seen[0, 4] = 9.0, 9.0
        first = self.outputs([2, -1], value, hidden)[0]
        assert torch.equal(first, self.outputs([2, -1], other, hidden)[0])
        assert not torch.allclose(first, self.outputs([2, -1], seen, hidden)[0])

    def test_a_measured_gene_that_nobody_perturbed_has_a_vector(self):
        assert np.isfinite(clone(SMALL["transformer"]).fit(training()).predict(["g5"])).all()

    def test_parameters_out_of_range_are_refused(self):
        for wrong in ({"n_tokens": 129}, {"n_heads": 3}, {"masked_share": 1.0}):
            with pytest.raises(ValueError, match="tokens are 1 to 128"):
                clone(SMALL["transformer"]).set_params(**wrong).fit(training())


def held_out(world: str, *, unseen: bool, seed: int = 0, **size):
    """Training set and scored conditions of a world: doubles, or genes that nobody perturbed."""
    screen = mechanism_world.function(world, seed=seed, **size)
    labels = screen.obs["perturbation"].astype(str).to_numpy()
    names = sorted(set(labels) - {CONTROL})
    rng = np.random.default_rng(seed)
    if unseen:
        singles = [n for n in names if "+" not in n]
        out = set(rng.choice(singles, len(singles) // 3, replace=False))
        test, train = sorted(out), [n for n in names if not set(n.split("+")) & out]
    else:
        doubles = [n for n in names if "+" in n]
        test = sorted(rng.choice(doubles, len(doubles) // 3, replace=False))
        train = [n for n in names if n not in test]
    given = dict(genes=screen.var_names, controls=labels == CONTROL)
    values = log1p_cp10k(screen).X
    t = training_of_cells(values, labels, conditions=train, cells_a_bulk=20, rng=rng, **given)
    truth = training_of_cells(values, labels, conditions=test, **given)
    return screen, t, truth


WINS = {
    "graph": (True, lambda sets: GraphNetwork(sets)),
    "latent": (False, lambda sets: LatentAdditive()),
    "attention": (False, lambda sets: PerturbationTransformer()),
}


@pytest.mark.parametrize("world", WINS)
def test_each_beats_the_linear_model_in_a_world_of_its_own_mechanism(world):
    unseen, make = WINS[world]
    screen, t, truth = held_out(world, unseen=unseen)
    errors = {
        name: np.linalg.norm(model.fit(t).predict(list(truth.names)) - truth.means, axis=1)
        for name, model in (("own", make(screen.uns["gene_sets"])), ("linear", BilinearModel()))
    }
    (found,) = compare(
        pd.DataFrame(errors),
        truth.names,
        better="lower",
        reference="linear",
        rng=np.random.default_rng(0),
    ).itertuples()
    assert found.verdict == "better" and found.high < 0
    assert found.difference < -0.1 * errors["linear"].mean()


def test_the_latent_beats_what_is_linear_in_changes_in_its_world():
    """Three draws of the world: unseen doubles, against a model that knows all singles' changes."""
    errors, names = [], []
    for seed in (3, 4, 5):  # parameters were chosen on 0, 1 and 2
        _, t, truth = held_out("latent", unseen=False, seed=seed)
        own, linear, scaled = (
            np.linalg.norm(model.fit(t).predict(list(truth.names)) - truth.means, axis=1)
            for model in (
                LatentAdditive(),
                BilinearModel(perturbations="changes"),
                ScaledAdditive(),
            )
        )
        errors.append(np.column_stack([own, linear, scaled]))
        names += [f"{seed} {name}" for name in truth.names]
    table = pd.DataFrame(np.concatenate(errors), columns=["own", "linear", "scaled"])
    found = compare(
        table[["own", "linear"]],
        names,
        better="lower",
        reference="linear",
        rng=np.random.default_rng(0),
    )
    (row,) = found.itertuples()
    assert row.verdict == "better" and row.high < 0
    assert row.difference < -0.08 * table["linear"].mean()
    assert table["own"].mean() < table["scaled"].mean()


class TestWorlds:
    def test_sets_tell_the_effect_in_the_world_of_the_graph(self):
        screen = mechanism_world.function("graph", seed=0, n_targets=40, n_genes=50)
        change, sets = screen.uns["log_change"], screen.uns["gene_sets"]
        of = {g: frozenset(s for s, genes in sets.items() if g in genes) for g in screen.var_names}
        pairs = [(a, b) for a in of for b in of if a < b and len(of[a]) == 2 and of[a] == of[b]]
        assert pairs
        for a, b in pairs:
            np.testing.assert_allclose(change.loc[a], change.loc[b])

    def test_a_double_lies_between_its_singles_in_the_world_of_attention(self):
        change = mechanism_world.function("attention", seed=0).uns["log_change"]
        for name in (n for n in change.index if "+" in n):
            a, b = (change.loc[part] for part in name.split("+"))
            low, high = np.minimum(a, b) - 1e-9, np.maximum(a, b) + 1e-9
            assert ((change.loc[name] >= low) & (change.loc[name] <= high)).all()

    def test_counts_follow_the_planted_changes(self):
        for world in ("graph", "attention"):
            screen = mechanism_world.function(world, seed=0, cells_a_condition=200, n_doubles=4)
            labels = screen.obs["perturbation"].astype(str).to_numpy()
            own = np.asarray(screen.X[labels == "G003"].mean(axis=0)).ravel()
            bare = np.asarray(screen.X[labels == CONTROL].mean(axis=0)).ravel()
            planted = screen.uns["log_change"].loc["G003"]
            np.testing.assert_allclose(np.log(own / bare), planted, atol=0.1)

    def test_two_strong_effects_saturate_in_the_world_of_the_latent(self):
        change = mechanism_world.function("latent", seed=0).uns["log_change"]
        singles = change.loc[[n for n in change.index if "+" not in n]]
        doubles = change.loc[[n for n in change.index if "+" in n]]
        summed = [singles.loc[n.split("+")].sum() for n in doubles.index]
        assert np.linalg.norm(doubles) < 0.85 * np.linalg.norm(summed)

    def test_bad_input_is_refused(self):
        with pytest.raises(ValueError, match="world is 'linear'"):
            mechanism_world.function("linear", seed=0)
        with pytest.raises(ValueError, match="9 targets of 8 genes"):
            mechanism_world.function("graph", seed=0, n_targets=9, n_genes=8, n_doubles=3)
