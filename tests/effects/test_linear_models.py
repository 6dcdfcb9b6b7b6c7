"""The bilinear model: its formula, its properties, its sources; decoders and means."""

import numpy as np
import pandas as pd
import pytest

from helpers.data.contract import DataError
from helpers.models.effects import sources
from helpers.models.effects.baselines import (
    ContextMean,
    CrisprInformedMean,
    MatchingMean,
    MeanChange,
    NearestPerturbation,
    ScaledAdditive,
)
from helpers.models.effects.falsified import BlindToContext, BlindToPerturbation, ShuffledLabels
from helpers.models.effects.linear import BilinearModel, RidgeOnEmbedding
from helpers.models.effects.training import Training

GENES = pd.Index([f"g{i:03d}" for i in range(60)])
NAMES = np.array([f"g{i:03d}" for i in range(25)])


def planted(noise=0.1, seed=0, k=4, names=NAMES):
    """Changes that are G0 W0 p + b, and the embeddings that they come from."""
    rng = np.random.default_rng(seed)
    G = pd.DataFrame(rng.standard_normal((60, k)), index=GENES)
    P = pd.DataFrame(rng.standard_normal((40, k)), index=[f"g{i:03d}" for i in range(40)])
    W, b = rng.standard_normal((k, k)) / 2, rng.normal(0, 0.2, 60)
    control = rng.gamma(2, 1, 60)
    changes = pd.DataFrame(P.to_numpy() @ W.T @ G.to_numpy().T + b, index=P.index, columns=GENES)
    means = control + changes.loc[names].to_numpy() + noise * rng.standard_normal((len(names), 60))
    t = Training(means, names, GENES, {"K562": control}, np.full(len(names), 20))
    return t, G, P, changes + control


def as_released(t: Training, K=10, penalty=0.1, of="Y", rotation=None):
    """The R script, line by line, for single perturbations of measured genes."""
    control = next(iter(t.controls.values()))
    X = np.vstack([t.means, control]).T  # genes x conditions, ctrl among them
    Xc = X - X.mean(axis=0)
    U, S, _ = np.linalg.svd(Xc, full_matrices=False)
    G = U[:, :K] * S[:K]
    if rotation is not None:
        G = G @ rotation
    P = np.vstack([G[t.genes.get_indexer(t.names)], np.zeros(G.shape[1])])
    Y = X - (control[:, None] if of == "Y" else 0)
    b = Y.mean(axis=1)
    eye = penalty * np.eye(G.shape[1])
    W = np.linalg.inv(G.T @ G + eye) @ G.T @ (Y - b[:, None]) @ P @ np.linalg.inv(P.T @ P + eye)
    return lambda name: G @ W @ G[t.genes.get_loc(name)] + b + (control if of == "Y" else 0)


class TestBilinear:
    def test_is_the_released_formula(self):
        t = planted()[0]
        got = BilinearModel().fit(t).predict(["g030", "g002"])
        for of in ("Y", "X"):  # the changes, or the profiles: b absorbs the controls
            predict = as_released(t, of=of)
            for row, name in zip(got, ["g030", "g002"], strict=True):
                assert row == pytest.approx(predict(name), abs=1e-9)

    def test_turning_the_components_changes_nothing(self):
        t = planted()[0]
        turn = np.linalg.qr(np.random.default_rng(1).standard_normal((10, 10)))[0]
        got = BilinearModel().fit(t).predict(["g030"])[0]
        assert got == pytest.approx(as_released(t, rotation=turn)("g030"), abs=1e-9)

    def test_unit_loadings_lose_most_of_the_signal(self):
        rng = np.random.default_rng(0)
        genes = pd.Index([f"g{i:04d}" for i in range(1_000)])
        G = rng.standard_normal((1_000, 3))
        changes = G[:20] @ rng.standard_normal((3, 3)) @ G.T / 10
        t = Training(5 + changes, genes[:20], genes, {"x": np.full(1_000, 5.0)}, np.ones(20))
        scores = sources.gene_scores(t, 3)
        unit = scores / np.linalg.norm(scores, axis=0)
        held_out = list(genes[30:60])

        def spread(own):
            found = BilinearModel(genes=own, perturbations=own).fit(t).predict(held_out)
            return np.linalg.norm(found - found.mean(axis=0))

        assert spread(unit) < 0.5 * spread(scores)

    def test_no_embedding_or_an_infinite_penalty_is_the_mean(self):
        t, G, P, _ = planted()
        zero = P * 0
        mean = MeanChange(with_control=True).fit(t).predict(["g030"])
        assert BilinearModel(genes=G, perturbations=zero).fit(t).predict(["g030"]) == pytest.approx(
            mean
        )
        assert BilinearModel(penalty=1e12).fit(t).predict(["g030"]) == pytest.approx(mean)

    def test_recovers_what_is_exactly_linear(self):
        t, G, P, _truth = planted(noise=0.0)
        # b is a mean, no intercept of a regression: the planted one must be the mean of Y
        means = t.means - t.changes.mean(axis=0)
        centred = Training(means, t.names, t.genes, t.controls, t.n_cells)
        changes = centred.changes
        held = P - P.loc[t.names].mean()
        got = BilinearModel(penalty=0.0, genes=G, perturbations=held).fit(centred)
        assert got.predict(list(t.names)) - t.control() == pytest.approx(changes, abs=1e-9)

    def test_beats_the_mean_only_where_P_is_informative(self):
        t, G, P, truth = planted()
        held_out = [f"g{i:03d}" for i in range(25, 40)]
        error = {}
        for name, own in {
            "P": BilinearModel(genes=G, perturbations=P),
            "random": BilinearModel(
                genes=G, perturbations=sources.random_embedding(P.index, n_dims=4, seed=0)
            ),
            "mean": MeanChange(),
        }.items():
            gap = own.fit(t).predict(held_out) - truth.loc[held_out].to_numpy()
            error[name] = np.linalg.norm(gap, axis=1).mean()
        assert error["P"] < 0.5 * error["mean"]
        assert error["random"] > 0.9 * error["mean"]

    def test_combinations_are_sums_and_what_has_no_embedding_is_nan(self):
        t, G, P, _ = planted()
        model = BilinearModel(genes=G, perturbations=P).fit(t)
        a, b, both, none = model.predict(["g001", "g002", "g001+g002", "UNMEASURED"]) - t.control()
        assert both == pytest.approx(a + b - model.mean_)
        assert np.isnan(none).all()
        alone = BilinearModel().fit(t).predict(["UNMEASURED", "UNMEASURED+g003", "g003"])
        assert np.isnan(alone).all(axis=1).tolist() == [True, True, False]

    def test_genes_without_an_embedding_change_as_the_mean_does(self):
        t, G, P, _ = planted()
        model = BilinearModel(genes=G.iloc[:50], perturbations=P).fit(t)
        got = model.predict(["g030"])[0]
        mean = MeanChange(with_control=True).fit(t).predict(["g030"])[0]
        assert got[50:] == pytest.approx(mean[50:]) and not np.allclose(got[:50], mean[:50])

    def test_refuses_what_is_no_embedding(self):
        t, G, P, _ = planted()
        with pytest.raises(DataError, match="one at least"):
            BilinearModel(perturbations=P.loc[["g030"]]).fit(t)
        with pytest.raises(DataError, match="more than once"):
            BilinearModel(genes=pd.concat([G, G])).fit(t)
        with pytest.raises(DataError, match="more than once"):
            BilinearModel(perturbations=pd.concat([P, P])).fit(t)
        with pytest.raises(ValueError, match="at least 0"):
            BilinearModel(penalty=-1).fit(t)


class TestRidgeOnEmbedding:
    def test_published_penalty_collapses_on_a_small_embedding(self):
        t, _, P, truth = planted()
        small = P / 1_000
        held_out = [f"g{i:03d}" for i in range(25, 40)]
        ours, legacy = RidgeOnEmbedding(small).fit(t), RidgeOnEmbedding.legacy(small).fit(t)
        assert ours.spread_ > 0.9 and legacy.spread_ < 0.01
        mean = MeanChange().fit(t).predict(held_out)
        assert legacy.predict(held_out) == pytest.approx(mean, abs=0.01)
        wanted = truth.loc[held_out].to_numpy()
        gap = np.linalg.norm(ours.predict(held_out) - wanted)
        assert gap < 0.4 * np.linalg.norm(mean - wanted)

    def test_a_coordinate_that_training_does_not_vary_is_no_scale(self):
        t, _, P, _ = planted()
        P = P.assign(rare=np.where(P.index.isin(t.names), 1e-17 * np.arange(len(P)), 1.0))
        got = RidgeOnEmbedding(P).fit(t).predict(["g030"])
        plain = RidgeOnEmbedding(P.drop(columns="rare")).fit(t).predict(["g030"])
        assert got == pytest.approx(plain, rel=1e-6)

    def test_left_out_errors_are_those_of_leaving_out(self):
        t, _, P, _ = planted(names=NAMES[:8])
        X = P.loc[t.names].to_numpy()
        model = RidgeOnEmbedding(P, penalties=(0.5,), standardise=False)
        errors = []
        for i in range(8):
            rows = np.arange(8) != i
            # weights as scikit-learn has them, with an intercept
            from sklearn.linear_model import Ridge

            own = Ridge(alpha=0.5).fit(X[rows], t.changes[rows])
            errors.append((own.predict(X[[i]]) - t.changes[[i]]) ** 2)
        from helpers.models.effects.linear import _left_out_error

        Xc = X - X.mean(axis=0)
        U, S, _ = np.linalg.svd(Xc, full_matrices=False)
        Y = t.changes - t.changes.mean(axis=0)
        assert _left_out_error(U, S, U.T @ Y, Y, 0.5) == pytest.approx(np.mean(errors))
        whole = Ridge(alpha=0.5).fit(X, t.changes)
        got = model.fit(t).predict(["g030"])[0] - t.control()
        assert got == pytest.approx(whole.predict(P.loc[["g030"]].to_numpy())[0])


class TestMeans:
    def test_the_controls_shrink_the_mean(self):
        t = planted()[0]
        n = len(t.names)
        plain, with_control = (
            MeanChange(with_control=c).fit(t).predict(["x"])[0] - t.control() for c in (False, True)
        )
        assert plain == pytest.approx(t.changes.mean(axis=0))
        assert with_control == pytest.approx(plain * n / (n + 1))

    def test_cells_weigh(self):
        t = planted(names=NAMES[:2])[0]
        t = Training(t.means, t.names, t.genes, t.controls, np.array([1, 3]))
        got = MeanChange(weights="cells").fit(t).predict(["x"])[0]
        assert got == pytest.approx(t.means[0] / 4 + t.means[1] * 3 / 4)

    def test_a_context_without_conditions_has_no_mean(self):
        t = planted(names=NAMES[:2])[0]
        t = Training(
            t.means,
            t.names,
            t.genes,
            {"x": t.control(), "y": t.control() + 1},
            t.n_cells,
            contexts=np.array(["x", "x"]),
        )
        model = ContextMean().fit(t)
        assert np.isnan(model.predict(["A"], "y")).all()
        assert model.predict(["A"], "x")[0] == pytest.approx(t.means.mean(axis=0))
        assert MeanChange().fit(t).predict(["A"], "y")[0] == pytest.approx(t.means.mean(axis=0) + 1)

    def test_matching_mean_falls_back_to_the_mean_perturbation(self):
        t = planted(names=NAMES[:3])[0]
        got = MatchingMean().fit(t).predict(["g000+g001", "g000+zzz"])
        assert got[0] == pytest.approx(t.means[:2].mean(axis=0))
        assert got[1] == pytest.approx((t.means[0] + t.means.mean(axis=0)) / 2)

    def test_crispr_informed_mean_sets_the_own_gene(self):
        t = planted()[0]
        mean = MeanChange().fit(t).predict(["g030"])[0]
        for kind, level in (("knock-out", 0.0), ("activation", 2 * t.control()[30])):
            model = CrisprInformedMean(kind).fit(t)
            got = model.predict(["g030", "zzz"])
            assert got[0, 30] == pytest.approx(level)
            assert np.delete(got[0], 30) == pytest.approx(np.delete(mean, 30))
            assert got[1] == pytest.approx(mean)
            assert model.n_not_measured(["g030", "zzz", "g001+zzz"]) == 1
        learnt = CrisprInformedMean().fit(t)
        own = np.arange(25)
        ratio = np.expm1(t.means[own, own]).sum() / np.expm1(t.control()[own]).sum()
        assert learnt.ratio_ == pytest.approx(ratio)

    def test_the_scale_of_sums_is_learnt(self):
        base = planted(names=NAMES[:3], noise=0.0)[0]
        pair = 0.5 * (base.changes[0] + base.changes[1]) + base.control()
        t = Training(
            np.vstack([base.means, pair]),
            np.array([*base.names, "g000+g001"]),
            base.genes,
            base.controls,
            np.full(4, 9),
        )
        model = ScaledAdditive().fit(t)
        assert model.scale_ == pytest.approx(0.5)
        want = 0.5 * (base.changes[0] + base.changes[2]) + base.control()
        assert model.predict(["g000+g002"])[0] == pytest.approx(want)
        assert ScaledAdditive().fit(base).scale_ == 1.0

    def test_the_nearest_perturbation_lends_its_change(self):
        t, _, P, _ = planted()
        P = P.copy()
        P.loc["g030"] = 2 * P.loc["g007"]
        got = NearestPerturbation(P).fit(t).predict(["g030", "zzz"])
        assert got[0] == pytest.approx(t.means[7]) and np.isnan(got[1]).all()


class TestProbes:
    def test_blind_to_the_perturbation_says_the_same_of_all(self):
        t, G, P, _ = planted()
        model = BlindToPerturbation(BilinearModel(genes=G, perturbations=P)).fit(t)
        got = model.predict(["g030", "g031"])
        assert got[0] == pytest.approx(got[1])

    def test_shuffled_labels_lose(self):
        t, G, P, truth = planted()
        held_out = [f"g{i:03d}" for i in range(25, 40)]
        own = BilinearModel(genes=G, perturbations=P)
        gaps = [
            np.linalg.norm(m.fit(t).predict(held_out) - truth.loc[held_out].to_numpy())
            for m in (own, ShuffledLabels(own, seed=1))
        ]
        assert gaps[0] < 0.6 * gaps[1]

    def test_blind_to_context_predicts_one_profile_for_all_contexts(self):
        t = planted(names=NAMES[:4])[0]
        where = np.array(["x", "x", "y", "y"])
        controls = {"x": t.control(), "y": t.control() + 1}
        t = Training(t.means, t.names, t.genes, controls, t.n_cells, contexts=where)
        model = BlindToContext(MeanChange()).fit(t)
        assert model.predict(["a"], "x") == pytest.approx(model.predict(["a"], "y"))


class TestSources:
    def test_gene_sets_bring_members_together(self):
        sets = {"s1": ["A", "B", "C"], "s2": ["D", "E", "F"], "small": ["A", "F"]}
        found = sources.gene_set_embedding(sets, n_dims=2)
        near = found @ found.T
        assert near.loc["A", "B"] > 0.9 * near.loc["A", "A"] > 0
        assert near.loc["A", "D"] == pytest.approx(0, abs=1e-9)
        with pytest.raises(DataError, match="no set"):
            sources.gene_set_embedding({"s": ["A"]})

    def test_a_graph_is_embedded_by_its_largest_eigenvalues(self):
        edges = pd.DataFrame(
            {"source": list("AABD"), "target": list("BCCE"), "importance": [1.0, 1, 1, 0.5]}
        )
        found = sources.graph_embedding(edges, n_dims=1)
        assert abs(found.loc["A", 0]) == pytest.approx((2 / 3) ** 0.5)  # a triangle: λ = 2
        assert found.loc["D", 0] == pytest.approx(0, abs=1e-9)

    def test_groups_that_are_all_alike_have_the_same_embedding_every_time(self):
        """Their eigenvalues are equal: the solver starts again from a random vector."""
        groups = [[f"{c}{i}" for i in range(4)] for c in "ABCDEFGHIJKL"]
        pairs = [(a, b) for g in groups for a in g for b in g if a < b]
        edges = pd.DataFrame(pairs, columns=["source", "target"]).assign(importance=1)
        sets = {g[0]: g for g in groups}
        for embed in (
            lambda: sources.graph_embedding(edges, n_dims=7),
            lambda: sources.gene_set_embedding(sets, n_dims=7),
        ):
            first = embed()
            for _ in range(3):
                pd.testing.assert_frame_equal(embed(), first, check_exact=True)

    def test_scores_of_changes_add_up(self):
        t = planted()[0]
        found = sources.change_scores(t, 25)
        assert (found.to_numpy() @ found.to_numpy().T) == pytest.approx(t.changes @ t.changes.T)

    def test_files_are_read_and_wrong_ones_refused(self, tmp_path):
        good = tmp_path / "p.tsv"
        good.write_text("gene\tx\ty\nNA\t1\t2\nB\t3\t4\n")
        assert sources.read_embedding(good).loc["NA"].tolist() == [1, 2]
        for text in ("gene,x\nA,1\nA,2\n", "gene,x\nA,one\n", "gene,x\nA,inf\n"):
            bad = tmp_path / "p.csv"
            bad.write_text(text)
            with pytest.raises(DataError):
                sources.read_embedding(bad)
