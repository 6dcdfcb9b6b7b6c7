"""Data sets of the tier: labels of knock-downs, gene sets, fitness of pairs."""

import pytest

from helpers.data import registry
from helpers.data.contract import DataError
from helpers.data.sets import gene_sets, norman2019_gi, perturbqa_labels


def at_hand(name):
    status = registry.status(name)
    if status["state"] == "absent":
        pytest.skip(f"{name} is not on this machine")
    return status["paths"]


def test_labels_have_the_stated_numbers():
    table = perturbqa_labels.read(at_hand("perturbqa-labels"))
    rows = table.groupby("line").size()
    assert rows.to_dict() == {"K562": 157679, "RPE1": 187089, "HepG2": 126889, "Jurkat": 142822}
    own = table[table["line"] == "K562"]
    assert own["perturbation"].nunique() == 1831 and own["gene"].nunique() == 4136
    assert own["label"].mean() == pytest.approx(0.127, abs=0.001)


@pytest.mark.parametrize(
    "rows, message",
    [
        ("A,x,2,train", "labels other than"),
        ("A,x,1,train\nA,x,0,train", "there twice"),
        ("A,x,1,train\nA,y,0,test", "the split leaks"),
    ],
)
def test_wrong_labels_are_refused(tmp_path, rows, message):
    path = tmp_path / "k562-de.csv"
    path.write_text(f"pert,gene,label,split\n{rows}\n")
    with pytest.raises(DataError, match=message):
        perturbqa_labels._line(path, "K562")


def test_sets_have_the_stated_numbers():
    table = gene_sets.read(at_hand("gene-sets"))
    by = table.groupby("source")
    assert by["set"].nunique().to_dict() == {"GO biological process": 6036, "Reactome": 1530}
    assert by["gene"].nunique().to_dict() == {"GO biological process": 14937, "Reactome": 8973}
    assert len(gene_sets.as_sets(table)) == 6036 + 1530


def test_pairs_have_the_stated_numbers():
    paths = at_hand("norman2019-gi")
    fitness = norman2019_gi.read_fitness(paths)
    assert fitness.shape == (113, 113)  # 112 genes and the control
    pairs = norman2019_gi.read(paths)
    assert len(pairs) == 112 * 111 // 2
    assert (pairs["first"] < pairs["second"]).all()
    assert pairs["corr_fit"].notna().sum() > 100
    row = pairs.set_index(["first", "second"]).loc[("AHR", "FEV")]
    assert row["coef_first"] == pytest.approx(0.2721199)
    assert row["fitness_first"] == pytest.approx(-0.3338579)
