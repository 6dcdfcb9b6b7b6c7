"""The contract: a valid screen passes, and every way of breaking it is named."""

import re

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from helpers.data.contract import SCALES, DataError, check, violations

TARGET_SUM = 1e4
FORMATS = {"dense": np.asarray, "csr": sparse.csr_matrix, "csc": sparse.csc_matrix}


def make_screen(kind="counts", form="csr", panel=False, n_cells=12, n_genes=5, seed=0):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(2.0, (n_cells, n_genes)).astype(float)
    counts[0, 0] = 3  # never all zero
    total = counts.sum(axis=1) + rng.integers(1, 100, n_cells)
    lognorm = np.log1p(counts / total[:, None] * TARGET_SUM)
    effects = rng.normal(size=counts.shape)
    values = {"counts": counts, "log1p": lognorm}.get(kind, effects)
    labels = ["control", "control", "A", "B", "A+B", "C"]
    obs = pd.DataFrame(
        {
            "perturbation": np.resize(labels, n_cells),
            "batch": np.resize(["b1", "b1", "b1", "b1", "b1", "b1", *["b2"] * 6], n_cells),
            "context": "K562",
            "guide": np.resize(["NT1", "NT2", "A1", "B1", "AB", "C1"], n_cells),
        },
        index=[f"cell{i}" for i in range(n_cells)],
        dtype="category",
    )
    screen = ad.AnnData(
        FORMATS[form](values),
        obs=obs,
        var=pd.DataFrame(index=[f"G{i}" for i in range(n_genes)]),
        uns={
            "scale": {"kind": kind, "target_sum": TARGET_SUM if kind == "log1p" else None},
            "dataset": {"name": "toy", "sha256": "0" * 64, "licence": "CC0", "citation": "none"},
            "panel": panel,
        },
    )
    if not panel:
        screen.obs["total_counts"] = total
    return screen


def put(screen, value, gene=0):
    values = screen.X.toarray() if sparse.issparse(screen.X) else screen.X.copy()
    values[1, gene] = value
    form = screen.X.format if sparse.issparse(screen.X) else "dense"
    screen.X = FORMATS[form](values)


def relabel(column, old, new):
    def corrupt(screen):
        labels = screen.obs[column].astype(object)
        screen.obs[column] = labels.where(labels != old, new).astype("category")

    return corrupt


def without(holder, *keys):
    def corrupt(screen):
        parent = getattr(screen, holder)
        for key in keys[:-1]:
            parent = parent[key]
        del parent[keys[-1]]

    return corrupt


def total_too_small(screen):
    # Of counts and of log1p values alike, cell1 holds more than this.
    screen.obs.loc["cell1", "total_counts"] = 0.5


# name: (kinds it applies to, what it touches, corruption, what the violation says)
ALL, LIBRARY = SCALES, ("counts", "log1p")
CORRUPTIONS = {
    "nan": (ALL, "X", lambda s: put(s, np.nan), "1 NaN or infinite.*'cell1', gene 'G0'"),
    "infinite": (ALL, "X", lambda s: put(s, np.inf, gene=2), "1 NaN or infinite.*gene 'G2'"),
    "negative": (LIBRARY, "X", lambda s: put(s, -1.0), "1 negative values.*'cell1'"),
    "fraction": (("counts",), "X", lambda s: put(s, 1.5), "1 values that are no integers.*1.5"),
    "too much": (("log1p",), "X", lambda s: put(s, 12.0), "log1p of 10000 counts.*cell1"),
    "looks like counts": (
        ("log1p",),
        "X",
        lambda s: setattr(s, "X", make_screen("counts").X),
        "looks like counts",
    ),
    "no scale": (ALL, "X", without("uns", "scale"), "'scale'.* is missing"),
    "unknown scale": (ALL, "X", lambda s: s.uns["scale"].update(kind="cpm"), "says 'cpm'"),
    "bad target": (ALL, "X", lambda s: s.uns["scale"].update(target_sum=-1), "target_sum.*is -1"),
    "bool X": (ALL, "X", lambda s: setattr(s, "X", s.X > 0), "X is .*bool"),
    "target of counts": (
        ("counts",),
        "X",
        lambda s: s.uns["scale"].update(target_sum=1e4),
        "counts with target_sum 10000",
    ),
    "panel": (ALL, "panel", lambda s: s.uns.update(panel="yes"), r"'panel'\] is 'yes'"),
    "gene twice": (
        ALL,
        "genes",
        lambda s: setattr(s, "var_names", ["G0", "G1", "G1", "G3", "G4"]),
        r"gene names that occur twice or more: 1 \(G1\);",
    ),
    "cell twice": (
        ALL,
        "cells",
        lambda s: setattr(s, "obs_names", ["cell0", "cell0", *s.obs_names[2:]]),
        r"cell names that occur twice or more: 1 \(cell0\);",
    ),
    "no dataset": (ALL, "dataset", without("uns", "dataset"), "name, sha256, licence, citation"),
    "no licence": (ALL, "dataset", without("uns", "dataset", "licence"), "state licence"),
    "bad hash": (
        ALL,
        "dataset",
        lambda s: s.uns["dataset"].update(sha256="abc"),
        "not 64 hexadecimal digits",
    ),
    "no totals": (LIBRARY, "totals", without("obs", "total_counts"), "no 'total_counts'"),
    "total missing": (
        LIBRARY,
        "totals",
        lambda s: s.obs.loc.__setitem__(("cell3", "total_counts"), np.nan),
        "'total_counts'.*not finite",
    ),
    "no batch": (ALL, "batch", without("obs", "batch"), r"no column 'batch' \(columns: .*guide"),
    "batch text": (
        ALL,
        "batch",
        lambda s: s.obs.isetitem(1, s.obs["batch"].astype(object)),
        "'batch'.*not categorical",
    ),
    "batch missing": (ALL, "batch", relabel("batch", "b2", None), "'batch'.*missing for .*'cell6'"),
    "batch numbers": (
        ALL,
        "batch",
        lambda s: s.obs.isetitem(1, s.obs["batch"].cat.codes.astype("category")),
        "'batch'.*not names: 0, 1",
    ),
    "context missing": (ALL, "context", relabel("context", "K562", None), "'context'.*missing"),
    "guide missing": (ALL, "guide", relabel("guide", "C1", None), "'guide'.*missing for"),
    "dose missing": (
        ALL,
        "dose",
        lambda s: s.obs.__setitem__("dose", [np.nan] + [1.0] * (s.n_obs - 1)),
        "'dose'.*missing for 1 cells",
    ),
    "perturbation missing": (
        ALL,
        "perturbation",
        relabel("perturbation", "C", None),
        "'perturbation'.*missing for .*'cell5'",
    ),
    "no control": (
        ALL,
        "perturbation",
        relabel("perturbation", "control", "D"),
        "no 'control' .there are: A, A\\+B, B, C, D",
    ),
    **{
        f"control called {name}": (
            ALL,
            "perturbation",
            relabel("perturbation", "control", name),
            f"calls controls '{re.escape(name)}'",
        )
        for name in ("ctrl", "non-targeting", "NT", "Control", "DMSO", "neg_ctrl_2", "wt")
    },
    "two controls": (
        ALL,
        "perturbation",
        relabel("perturbation", "C", "non-targeting"),
        "calls controls 'non-targeting'",
    ),
    "unsorted": (
        ALL,
        "perturbation",
        relabel("perturbation", "A+B", "B+A"),
        "not sorted: 'B\\+A' .write 'A\\+B'",
    ),
    "with control": (
        ALL,
        "perturbation",
        relabel("perturbation", "A+B", "A+ctrl"),
        "with a control in them: 'A\\+ctrl'",
    ),
    "half": (ALL, "perturbation", relabel("perturbation", "A+B", "A+"), "not two or more.*'A\\+'"),
    "doubled": (ALL, "perturbation", relabel("perturbation", "A+B", "A+A"), "not two or more"),
}

screens = st.builds(
    make_screen,
    kind=st.sampled_from(SCALES),
    form=st.sampled_from(sorted(FORMATS)),
    panel=st.booleans(),
    n_cells=st.integers(6, 30),
    n_genes=st.integers(1, 8),
    seed=st.integers(0, 2**32 - 1),
)


@settings(max_examples=40, deadline=None)
@given(screens)
def test_a_valid_screen_has_no_violation(screen):
    assert violations(screen) == []
    assert check(screen) is screen


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_single_corruption_is_the_only_violation(name, form):
    kinds, _, corrupt, expected = CORRUPTIONS[name]
    for kind in kinds:
        screen = make_screen(kind, form)
        corrupt(screen)
        found = violations(screen)
        assert len(found) == 1, found
        assert re.search(expected, found[0], re.DOTALL), found[0]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SCALES), st.data())
def test_several_corruptions_are_all_listed_at_once(kind, data):
    by_place = {}
    for name, (kinds, place, *_) in CORRUPTIONS.items():
        if kind in kinds:
            by_place.setdefault(place, []).append(name)
    places = data.draw(st.lists(st.sampled_from(sorted(by_place)), min_size=2, unique=True))
    chosen = [data.draw(st.sampled_from(by_place[place])) for place in places]
    screen = make_screen(kind)
    # Names last: other corruptions find their cell by name.
    for name in sorted(chosen, key=lambda name: CORRUPTIONS[name][1] in ("cells", "genes")):
        CORRUPTIONS[name][2](screen)
    with pytest.raises(DataError) as error:
        check(screen)
    lines = str(error.value).split("\n  - ")[1:]
    for name in chosen:
        # What follows names cells and genes, which another corruption may have renamed.
        hits = [re.search(CORRUPTIONS[name][3].split(".*")[0], line) for line in lines]
        assert sum(hit is not None for hit in hits) == 1, (name, lines)
    assert len(lines) == len(chosen)


def test_more_counts_than_the_library_holds():
    screen = make_screen()
    put(screen, 7.0)
    total_too_small(screen)
    assert re.search("1 cells hold more counts.*cell1", violations(screen)[0])


def test_panel_and_totals_contradict():
    screen = make_screen(panel=True)
    screen.obs["total_counts"] = 1000.0
    assert re.search("'panel'.*True.*'total_counts'", violations(screen)[0])


def test_unknown_library_sizes_are_a_panel():
    screen = make_screen("log1p", panel=True)
    screen.uns["scale"]["target_sum"] = 1.0  # not checked: the sum over all genes is unknown
    assert violations(screen) == []


def test_batches_without_controls_count_only_where_asked():
    screen = make_screen(n_cells=18)
    screen.obs["batch"] = pd.Categorical(["b1"] * 6 + ["b2"] * 4 + ["b3"] * 8)
    screen = screen[[*range(6), 8, 9, 14, 15]].copy()
    assert violations(screen) == []
    (found,) = violations(screen, controls_in_every_batch=True)
    assert re.search("2 batches hold no control cell: b2, b3", found)


def test_the_core_contract_asks_for_no_screen():
    bulk = make_screen()
    bulk.obs = bulk.obs[["total_counts"]]
    assert violations(bulk, screen=False) == []
    assert len(violations(bulk)) == 3


@pytest.mark.parametrize(
    "name",
    [
        *("NTC-10", "NT1", "NTC_Safe", "NO-TARGET", "no-targeting", "negative control"),
        *("sgControl", "sgNTC-3", "Non-Targeting_0042", "ctrl_2", "scrambled"),
    ],
)
def test_other_spellings_of_control_are_named(name):
    screen = make_screen()
    screen.obs["perturbation"] = screen.obs["perturbation"].cat.rename_categories({"C": name})
    (found,) = violations(screen)
    assert f"calls controls {name!r}" in found


@pytest.mark.parametrize(
    "old, new, message",
    [
        *(("C", text, "a missing label that became a name") for text in ("nan", "None", "NA")),
        ("C", "<NA>", "a missing label that became a name"),
        ("C", " C", "blanks at an end: ' C'"),
        ("A+B", "A+B ", "blanks at an end"),
        ("A+B", "A +B", "blanks at an end"),
    ],
)
def test_labels_that_are_none_are_named(old, new, message):
    screen = make_screen()
    screen.obs["perturbation"] = screen.obs["perturbation"].cat.rename_categories({old: new})
    assert any(message in one for one in violations(screen))


def test_the_advice_on_labels_makes_no_name_of_a_missing_one():
    screen = make_screen()
    labels = screen.obs["perturbation"].astype(object)
    labels.iloc[5] = pd.NA
    screen.obs["perturbation"] = labels
    assert any("na_action='ignore'" in one for one in violations(screen))
    screen.obs["perturbation"] = labels.map(str, na_action="ignore").astype("category")
    (found,) = violations(screen)
    assert "is missing for 1 cells, the first 'cell5'" in found


def test_columns_that_could_be_either_are_named():
    screen = make_screen()
    screen.obs.index.name = "batch"
    assert any("the index of obs is called 'batch'" in one for one in violations(screen))
    screen = make_screen()
    screen.obs = pd.concat([screen.obs, screen.obs[["batch", "guide"]]], axis=1)
    found = violations(screen)
    assert any("2 columns called 'batch'" in one for one in found)
    assert any("2 columns called 'guide'" in one for one in found)


def test_genes_are_no_controls():
    screen = make_screen()
    for gene in ("WT1", "NT5E", "NEGR1", "CTRL9A", "SAFB"):
        screen.obs["perturbation"] = screen.obs["perturbation"].cat.rename_categories({"C": gene})
        assert violations(screen) == []
        screen.obs["perturbation"] = screen.obs["perturbation"].cat.rename_categories({gene: "C"})


def test_the_error_names_the_data_set_and_counts():
    screen = make_screen()
    del screen.obs["batch"], screen.obs["context"]
    with pytest.raises(DataError, match=r"^toy: 2 violations of the data contract\n  - .*\n  - "):
        check(screen)


def test_a_contract_survives_the_disk(tmp_path):
    screen = make_screen(panel=True)
    screen.write_h5ad(tmp_path / "screen.h5ad")
    assert violations(ad.read_h5ad(tmp_path / "screen.h5ad")) == []


def test_a_large_dense_matrix_is_read_in_blocks():
    screen = make_screen(form="dense", n_cells=1200, n_genes=1000)
    values = screen.X.copy()
    values[1100, 7] = values[1199, 999] = np.nan
    screen.X = values
    assert re.search("2 NaN.*'cell1100', gene 'G7'", violations(screen)[0])
