"""Models of effects: their common form, the baselines, and what they refuse."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone

from helpers.data.contract import DataError
from helpers.models.effects.baselines import Additive, NoChange
from helpers.models.effects.training import Training, training_of_cells


def training(names=("A", "A+B", "B", "C"), n_genes=5, seed=0, **other) -> Training:
    rng = np.random.default_rng(seed)
    given = dict(
        means=rng.normal(2, 1, (len(names), n_genes)),
        names=np.array(names),
        genes=pd.Index([f"g{i}" for i in range(n_genes)]),
        controls={"K562": rng.normal(2, 1, n_genes)},
        n_cells=np.full(len(names), 10),
    )
    return Training(**given | other)


class TestTraining:
    @pytest.mark.parametrize("name", ["B+A", "ctrl+A", "A+ctrl", "A+", "A+A", "control"])
    def test_refuses_names_that_are_no_conditions(self, name):
        with pytest.raises(DataError):
            training(["A", name])
        with pytest.raises(DataError):
            NoChange().fit(training()).predict([name])

    def test_refuses_duplicated_genes(self):
        with pytest.raises(DataError, match="TBCE"):
            training(n_genes=2, genes=pd.Index(["TBCE", "TBCE"]))

    def test_refuses_a_context_without_controls(self):
        with pytest.raises(DataError, match="without controls: RPE1"):
            training(["A"], contexts=np.array(["RPE1"]))
        with pytest.raises(DataError, match="no controls of context 'RPE1'"):
            NoChange().fit(training()).predict(["A"], "RPE1")

    def test_refuses_a_condition_twice_and_values_that_are_not_finite(self):
        with pytest.raises(DataError, match="A is there twice"):
            training(["A", "A"])
        with pytest.raises(DataError, match="not finite"):
            training(["A"], n_genes=1, means=np.array([[np.nan]]))

    def test_cells_become_the_means_of_their_conditions(self):
        rng = np.random.default_rng(0)
        X = rng.poisson(1.0, (60, 4)).astype(float)
        labels = rng.permutation(np.repeat(["A", "A+B", "B", "control"], 15))
        where = np.where(np.arange(60) % 2, "x", "y")
        controls = (labels == "control") & (np.arange(60) < 40)
        for values in (X, sparse.csr_matrix(X)):
            got = training_of_cells(
                values,
                labels,
                list("abcd"),
                controls=controls,
                conditions=["A", "A+B"],
                contexts=where,
                cells_a_bulk=3,
                rng=np.random.default_rng(1),
            )
            assert set(got.names) == {"A", "A+B"}
            for row, (name, context) in enumerate(zip(got.names, got.contexts, strict=True)):
                cells = (labels == name) & (where == context)
                assert got.means[row] == pytest.approx(X[cells].mean(axis=0))
                assert got.n_cells[row] == cells.sum()
                bulk = (got.bulks.names == name) & (got.bulks.contexts == context)
                assert bulk.sum() == max(1, cells.sum() // 3)
            for context, mean in got.controls.items():
                assert mean == pytest.approx(X[controls & (where == context)].mean(axis=0))
        part = got.having(got.names == "A")
        assert set(part.names) == {"A"} and set(part.bulks.names) == {"A", "control"}


class TestNoChangeAndAdditive:
    def test_no_change_is_the_controls(self):
        t = training()
        assert (NoChange().fit(t).predict(["A", "X+Y"]) == t.controls["K562"]).all()

    def test_the_sum_of_changes(self):
        t = training()
        control = t.controls["K562"]
        got = Additive().fit(t).predict(["A+B", "A", "A+X"])
        assert got[0] == pytest.approx(t.means[0] + t.means[2] - control)
        assert got[1] == pytest.approx(t.means[0])
        assert np.isnan(got[2]).all()  # X was never seen: the caller counts the row

    def test_no_names_give_no_rows(self):
        assert Additive().fit(training()).predict([]).shape == (0, 5)


@pytest.mark.parametrize("model", [NoChange(), Additive()])
def test_can_be_cloned(model):
    assert clone(model).get_params() == model.get_params()
