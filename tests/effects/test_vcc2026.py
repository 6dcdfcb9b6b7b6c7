"""The six metrics of vcc2026 against the toy of its specification, cell-eval2 and plain loops."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from helpers.metrics.effects.vcc2026 import (
    MEMBERS,
    aggregate,
    discrimination,
    means_only,
    of_means,
    of_tables,
    per_perturbation,
)
from helpers.metrics.effects.vcc2026_recipes import (
    baseline,
    generic_profile,
    halved,
    halves,
    replicate,
    scaled_controls,
    split_seeds,
)
from helpers.metrics.effects.vcc2026_reference import Rule, profile_of, profiles, reference
from helpers.metrics.effects.vcc2026_scale import (
    BOUNDED,
    draws_of,
    frozen_score,
    resampled,
    resampled_scores,
    scaled,
    score,
)

N_PERTURBATIONS, N_CELLS, N_CONTROLS, N_GENES = 5, 24, 60, 50
GENES = np.array([f"g{i:02}" for i in range(N_GENES)])
LABELS = np.repeat(GENES[:N_PERTURBATIONS], N_CELLS)


def toy():
    """The blocks of the specification: controls, measured and predicted cells."""
    rng = np.random.default_rng(2026)
    base = rng.gamma(1.0, 20.0, N_GENES)
    effect = rng.normal(0, 0.9, (N_PERTURBATIONS, N_GENES))
    effect = effect * (rng.random((N_PERTURBATIONS, N_GENES)) < 0.5)
    effect[np.arange(N_PERTURBATIONS), np.arange(N_PERTURBATIONS)] = -1.5

    def block(mean, n):
        return rng.poisson(np.tile(mean, (n, 1)))

    control = block(base, N_CONTROLS)
    real = [block(base * np.exp(e), N_CELLS) for e in effect]
    predicted = [block(base * np.exp(0.5 * e), N_CELLS) for e in effect]
    return control, real, predicted


CONTROL, REAL, PREDICTED = toy()
MEASURED = reference(np.vstack(REAL), LABELS, CONTROL, GENES)


def values_of(blocks):
    return aggregate(per_perturbation(MEASURED, np.vstack(blocks), LABELS))


def close(found, expected, atol=1e-10):
    np.testing.assert_allclose(np.asarray(found, dtype=float), expected, rtol=0, atol=atol)


# ----------------------------------------------------------- the vectors of the specification


def test_the_toy_is_that_of_the_specification():
    assert CONTROL.sum() == 61096
    assert [b.sum() for b in REAL] == [32768, 29640, 29069, 36569, 47389]
    assert [b.sum() for b in PREDICTED] == [24679, 25416, 25378, 27937, 29974]


def test_jackknife_variances():
    real, predicted = profiles(np.vstack(REAL), LABELS), profiles(np.vstack(PREDICTED), LABELS)
    close(real.noise, [0.4142827796, 0.6432667249, 0.7606975657, 0.2311683590, 0.3473297219])
    close(predicted.noise, [0.3754464635, 0.4234896010, 0.4872377004, 0.3371208824, 0.3343724953])
    close(MEASURED.control.noise, [0.1237268136])


def test_jackknife_is_a_loop_over_cells_left_out():
    cells = REAL[0].astype(float)
    left_out = []
    for i in range(len(cells)):
        rest = np.delete(cells, i, axis=0).sum(axis=0)
        left_out.append(np.log(1 + 50_000 * rest / rest.sum()))
    n = len(cells)
    expected = (n - 1) / n * np.square(left_out - np.mean(left_out, axis=0)).sum()
    assert MEASURED.profiles.noise[0] == pytest.approx(expected, rel=1e-10)


def test_differential_expression():
    table = MEASURED.table
    assert table.tested.all()
    close(table.log2_fold_change[0, [0, 20]], [-2.5483024385, -2.0143346119])
    np.testing.assert_allclose(
        table.p_value[0, [0, 7, 20]], [6.4077356e-10, 0.3971607607, 1.01055e-12], rtol=1e-5
    )
    assert table.p_adjusted[0, 0] == pytest.approx(2.0024174e-9, rel=1e-7)
    corrected = reference(np.vstack(REAL), LABELS, CONTROL, GENES, rule=Rule(continuity=True))
    close(corrected.table.p_value[0, 7], 0.4003580739)
    own_too = MEASURED.table.p_adjusted < 0.05
    assert own_too.sum(axis=1).tolist() == [46, 43, 41, 46, 47]
    assert MEASURED.significant.sum(axis=1).tolist() == [45, 42, 40, 45, 46]


def test_members_of_each_perturbation():
    rows = per_perturbation(MEASURED, np.vstack(PREDICTED), LABELS)
    close(rows["direction"], [0.3777777778, 0.6428571429, 0.575, 0.6222222222, 0.8043478261])
    close(rows["reach"], [0.5333333333, 0.9761904762, 1, 1, 1])
    close(rows["jaccard"], [0.3777777778, 0.5681818182, 0.5365853659, 0.5869565217, 0.8043478261])
    close(
        rows["lfc_error"],
        [0.6859068905, 0.5473809549, 0.5274297251, 0.5968578223, 0.6154471870],
    )
    close(rows["excess"], [0.2316551313, 0.2002860641, 0.1482157037, 0.1799483713, 0.2246351986])
    close(rows["effect"], [0.6389359856, 0.7569316596, 0.6308751472, 0.5859393139, 0.6643393900])


SUBMISSIONS = {
    "predicted": (PREDICTED, [1, 0.3004986297, 0.6044409938, 0.9019047619, 0.5747698619,
                              0.5946045160]),
    "the next one": ([*REAL[1:], REAL[0]], [0.45, 1.7578150161, 0.6373360939, 0.0647377502,
                                            0.8786712406, 1.1939990904]),
    "truth": (REAL, [1, -0.0298522096, 1, 1, 1, 0]),
    "two blocks wrong": ([REAL[1], REAL[2], *PREDICTED[2:]],
                         [0.75, 0.9695591495, 0.6352346446, 0.6047619048, 0.7282832567,
                          0.8305232932]),
}  # fmt: skip


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_values_of_submissions(name):
    blocks, expected = SUBMISSIONS[name]
    found = values_of(blocks)
    assert list(found.index) == list(MEMBERS)
    close(found, expected)


def test_controls_pasted_are_no_effect_by_definition():
    labels = np.repeat(GENES[:N_PERTURBATIONS], N_CONTROLS)
    rows = per_perturbation(MEASURED, np.vstack([CONTROL] * N_PERTURBATIONS), labels)
    close(aggregate(rows), [0.5, 1.0038526403, 0, 0, 0, 1])
    close(rows["pds"], np.full(5, 0.5), atol=0)
    close(rows["lfc_error"], np.ones(5), atol=0)


def ends():
    whole = np.vstack(REAL), LABELS, CONTROL
    repeats = []
    for seed in split_seeds():
        one, two = (reference(*half, GENES) for half in halved(*whole, seed=seed))
        repeats.append(replicate(one, two, MEASURED))
    return [baseline(MEASURED)], repeats


def scale_of(baselines, repeats):
    ends = {"baseline": baselines, "replicate": repeats}
    return pd.DataFrame(
        {n: pd.concat(map(aggregate, t), axis=1).mean(axis=1) for n, t in ends.items()}
    )


def test_the_scale_and_the_score():
    assert split_seeds() == [2968811710, 3677149159, 745650761, 2884920346, 2642120001]
    scale = scale_of(*ends())
    close(
        scale["baseline"],
        [0.4, 0.8092561656, 0.7264633305, 0.1605106970, 0.8129124268, 0.8480859492],
    )
    close(scale["replicate"], [1, -0.0151057492, 0.9695987229, 1, 0.8591461571, 0.2363459428])
    members = scaled(values_of(PREDICTED), scale["baseline"], scale["replicate"])
    close(
        members,
        [1, 0.6171531300, -0.5018699066, 0.8831489124, -5.1508403789, 0.4143613800],
        atol=1e-8,
    )
    assert score(members) == pytest.approx(-0.4563411439, abs=1e-8)
    assert frozen_score(values_of(PREDICTED)) == pytest.approx(0.6317422443, abs=1e-10)


# ------------------------------------------------------------------------------ properties


def test_a_constant_prediction_has_a_pds_of_a_half_on_average():
    rng = np.random.default_rng(0)
    profile = np.tile(rng.normal(size=N_GENES), (N_PERTURBATIONS, 1))
    found = discrimination(MEASURED, profile, MEASURED.control.profile[0])
    assert found.mean() == pytest.approx(0.5)
    none = np.tile(MEASURED.control.profile, (N_PERTURBATIONS, 1))
    close(discrimination(MEASURED, none, MEASURED.control.profile[0]), np.full(5, 0.5), atol=0)


def test_reach_looks_past_a_dip_and_breaks_ties_by_name():
    table = MEASURED.table
    only = np.zeros_like(table.tested)
    only[0, 20:30] = True
    p = np.where(only, 1e-6, 0.9)
    change = np.where(only, 1.0, 0.5)
    real = dict(p_value=p, p_adjusted=p, log2_fold_change=change)
    mine = replace(MEASURED, table=replace(table, **real))
    wrong_second = change.copy()
    wrong_second[0, 21] = -1.0  # 1, 1/2, 2/3, ... 9/10: the tenth is deep enough
    found = of_tables(mine, replace(table, **real | {"log2_fold_change": wrong_second}))
    assert found["reach"][0] == 1.0
    two_wrong = wrong_second.copy()
    two_wrong[0, 22] = -1.0
    found = of_tables(mine, replace(table, **real | {"log2_fold_change": two_wrong}))
    assert found["reach"][0] == 0.1  # by name g20 comes first, and no later place is pure enough
    assert found["direction"][0] == 0.8
    assert found["signed_direction"][0] == pytest.approx(0.6)
    assert found["jaccard"][0] == 1.0
    assert found["signed_jaccard"][0] == 0.8


def test_signed_forms_are_zero_for_silence_and_negative_for_harm():
    table = MEASURED.table
    turned = of_tables(MEASURED, replace(table, log2_fold_change=-table.log2_fold_change))
    close(turned["direction"], np.zeros(5), atol=0)
    close(turned["signed_direction"], -np.ones(5), atol=0)
    close(turned["jaccard"], np.ones(5), atol=0)  # the published one sees no sign
    close(turned["signed_jaccard"], np.zeros(5), atol=0)
    silent = of_tables(MEASURED, replace(table, p_adjusted=np.ones_like(table.p_adjusted)))
    close(silent["signed_direction"], np.zeros(5), atol=0)
    close(silent["signed_jaccard"], np.zeros(5), atol=0)


def test_a_panel_of_one_perturbation_has_a_pds_of_one():
    one = reference(REAL[0], LABELS[:N_CELLS], CONTROL, GENES)
    rows = per_perturbation(one, PREDICTED[0], LABELS[:N_CELLS])
    assert rows["pds"].tolist() == [1.0]
    assert rows["excess"].notna().all()


def test_means_alone_answer_what_needs_no_cells():
    sums = MEASURED.profiles.sums
    rows = means_only(MEASURED, sums * 3.7)  # depth does not matter
    assert list(rows.columns) == ["pds", "excess", "effect", "lfc_error"]
    assert rows["pds"].tolist() == [1.0] * 5
    found = aggregate(rows)
    assert list(found.index) == ["pds", "mse", "lfc_error"]
    assert found["mse"] < 0  # the truth itself: less than no error once its noise is taken off
    assert found["lfc_error"] < 0.05
    none = aggregate(means_only(MEASURED, np.tile(CONTROL.sum(axis=0), (5, 1))))
    close(none["lfc_error"], 1.0, atol=1e-12)
    with pytest.raises(ValueError, match="means have shape"):
        means_only(MEASURED, sums[:3])
    with pytest.raises(ValueError, match="negative, NaN"):
        means_only(MEASURED, -sums)


def test_signs_and_order_of_means_are_asked_not_their_amplitude():
    change = MEASURED.profiles.profile - MEASURED.control.profile

    def asked(profile):
        return of_means(MEASURED, np.maximum(np.expm1(profile), 0))

    truth = asked(MEASURED.profiles.profile)
    assert (truth["direction"] > 0.95).all()
    assert (truth["reach"] > 0.95).all()
    half = asked(MEASURED.control.profile + 0.5 * change)
    turned = asked(MEASURED.control.profile - 0.5 * change)
    sure = ["direction", "reach", "jaccard"]
    assert (half[sure] > 0.5).all().all()  # half of each change, made shares of one again
    # Shares of one sum to one: where half of all genes change, turned ones shift the others.
    assert (turned["direction"] < half["direction"]).all()
    assert turned["direction"].mean() < 0


def test_means_by_a_loop():
    means = np.stack([b.mean(axis=0) for b in PREDICTED])
    found = of_means(MEASURED, means)
    change = profile_of(means) - MEASURED.control.profile
    real, fold = MEASURED.significant, MEASURED.table.log2_fold_change
    for p in range(N_PERTURBATIONS):
        genes = set(np.flatnonzero(real[p]))
        others = [g for g in range(N_GENES) if g != p]
        top = set(sorted(others, key=lambda g: -abs(change[p, g]))[: len(genes)])
        right = {g for g in genes if change[p, g] * fold[p, g] > 0}
        wrong = {g for g in genes if change[p, g] * fold[p, g] < 0}
        assert found["direction"].iloc[p] == pytest.approx((len(right) - len(wrong)) / len(genes))
        both = len(genes & top & right)
        assert found["jaccard"].iloc[p] == pytest.approx(both / len(genes | top))
        ranked, deepest = sorted(genes, key=lambda g: -abs(change[p, g])), 0
        for k in range(1, len(ranked) + 1):
            if sum(g in right for g in ranked[:k]) / k >= 0.9:
                deepest = k
        assert found["reach"].iloc[p] == pytest.approx(deepest / len(genes))


def test_exactly_no_change_is_neither_right_nor_wrong_and_in_no_list():
    none = of_means(MEASURED, np.tile(MEASURED.control.sums, (5, 1)))
    close(none["direction"], np.zeros(5), atol=0)
    close(none["jaccard"], np.zeros(5), atol=0)
    close(none["reach"], np.zeros(5), atol=0)
    silent = replace(MEASURED, rule=Rule(level=1e-300))
    nothing = of_means(silent, MEASURED.profiles.sums)
    assert nothing[["direction", "reach", "jaccard"]].isna().all().all()


# -------------------------------------------------------------------------- both ends


def test_the_generic_profile_leaves_out_own_targets():
    means = np.stack([b.mean(axis=0) for b in REAL])
    found = generic_profile(MEASURED)
    assert found[0] == pytest.approx(means[1:, 0].mean())
    assert found[20] == pytest.approx(means[:, 20].mean())
    with pytest.raises(ValueError, match="every perturbation targets g00"):
        generic_profile(reference(REAL[0], LABELS[:N_CELLS], CONTROL, GENES))


def test_scaled_controls_have_the_asked_means():
    control = sparse.csr_array(CONTROL)
    means = np.stack([REAL[0].mean(axis=0), REAL[1].mean(axis=0)])
    cells = scaled_controls(control, means, [4000, 10], seed=0)
    assert cells.shape == (4010, N_GENES)
    assert cells.dtype == np.float32
    found = cells[:4000].toarray().mean(axis=0)
    np.testing.assert_allclose(found, means[0], rtol=0.1, atol=0.2)
    again = scaled_controls(control, means, [4000, 10], seed=0)
    assert (cells != again).nnz == 0


def test_halves_are_disjoint_and_of_equal_size():
    labels = np.array(["b"] * 5 + ["a"] * 4)
    first, second = halves(labels, seed=1)
    assert not set(first) & set(second)
    assert [(labels[s] == "b").sum() for s in (first, second)] == [2, 2]
    with pytest.raises(ValueError, match="c has one cell"):
        halves(np.array(["a", "a", "c"]), seed=1)


# ------------------------------------------------------------------------------ the scale


def test_a_scale_needs_a_replicate_that_is_better():
    values = pd.Series(0.5, index=MEMBERS)
    better = pd.Series(dict.fromkeys(MEMBERS, 0.9) | {"mse": 0.1, "lfc_error": 0.1})
    close(scaled(values, values, better), np.zeros(6))
    with pytest.raises(ValueError, match="jaccard: the replicate"):
        scaled(values, values, better.where(better.index != "jaccard", 0.4))


def test_clamps_and_missing_values():
    low = pd.Series(0.5, index=MEMBERS)
    high = pd.Series(dict.fromkeys(MEMBERS, 1.0) | {"mse": 0.0, "lfc_error": 0.0})
    bad = pd.Series({"pds": np.nan, "mse": 9.0, "direction": 0.0, "reach": 0.5, "jaccard": 2.0,
                     "lfc_error": 9.0})  # fmt: skip
    close(scaled(bad, low, high), [-1, 0, -1, 0, 3, -6])
    close(scaled(bad, low, high, ends=BOUNDED), [-1, -1, -1, 0, 1, -1])
    assert np.isnan(score(scaled(bad.where(bad.index != "mse"), low, high)))


def test_resampling_is_aggregating_the_rows_drawn():
    rows = per_perturbation(MEASURED, np.vstack(PREDICTED), LABELS)
    rows.loc["g01", "lfc_error"] = np.nan
    draws = np.array([[1.0, 1, 1, 1, 1], [2, 0, 1, 2, 0]])
    found = resampled(rows, draws)
    close(found[0], aggregate(rows))
    drawn = rows.loc[["g00", "g00", "g02", "g03", "g03"]]
    close(found[1], aggregate(drawn))
    with pytest.raises(ValueError, match="5 perturbations: of fewer than 6"):
        draws_of(5, 10, np.random.default_rng(0))
    drawn = draws_of(8, 10, np.random.default_rng(0))
    assert (drawn.sum(axis=1) == 8).all()


def test_resampled_scores_of_whole_screens_are_the_score():
    baselines, repeats = ends()
    rows = per_perturbation(MEASURED, np.vstack(PREDICTED), LABELS)
    whole = np.ones((3, 5))
    samples = (np.stack([resampled(t, whole) for t in part]) for part in (baselines, repeats[:1]))
    found = resampled_scores(resampled(rows, whole), *samples, np.random.default_rng(0))
    scale = scale_of(baselines, [repeats[0]])
    expected = scaled(aggregate(rows), scale["baseline"], scale["replicate"])
    close(found[0], expected)


# ------------------------------------------------------------------------------ bad input


def test_omitted_unknown_reordered_and_renamed_are_refused():
    cells = np.vstack(PREDICTED)
    with pytest.raises(ValueError, match=r"1 of 5 perturbations are not predicted \(g04\)"):
        per_perturbation(MEASURED, cells[:-N_CELLS], LABELS[:-N_CELLS])
    with pytest.raises(ValueError, match="1 predicted perturbations are none of the reference's"):
        per_perturbation(MEASURED, np.vstack([cells, CONTROL[:1]]), [*LABELS, "control"])
    with pytest.raises(ValueError, match="49 predicted genes, 50 of the reference"):
        per_perturbation(MEASURED, cells[:, 1:], LABELS)
    with pytest.raises(ValueError, match=r"gene 0 of the prediction .* reorder"):
        per_perturbation(MEASURED, cells, LABELS, genes=GENES[::-1])
    with pytest.raises(ValueError, match="other names"):
        per_perturbation(MEASURED, cells, LABELS, genes=np.char.upper(GENES))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: np.where(x == x[0, 0], np.nan, x), "NaN or infinite values"),
        (lambda x: x - 5.0, "negative, NaN or infinite"),
        (lambda x: np.log1p(x) - np.log1p(CONTROL.mean(axis=0)), "negative, NaN or infinite"),
        (lambda x: x * 0, "cells of counts have no count"),
    ],
)
def test_nan_negative_effects_and_empty_cells_are_refused(change, said):
    with pytest.raises(ValueError, match=said):
        per_perturbation(MEASURED, change(np.vstack(PREDICTED).astype(float)), LABELS)


def test_constant_cells_and_one_cell_have_values():
    means = np.vstack([np.tile(np.rint(b.mean(axis=0)), (N_CELLS, 1)) for b in REAL])
    rows = per_perturbation(MEASURED, means, LABELS)
    assert rows[list(set(MEMBERS) - {"mse"})].notna().all().all()
    one = per_perturbation(MEASURED, np.vstack([b[:1] for b in REAL]), GENES[:5])
    assert one["jaccard"].notna().all()
    assert (one["jaccard"] < 0.1).all()  # one cell is never significant


def test_no_significant_gene_is_not_defined_or_said():
    """Measured cells that are controls: each member's convention, stated."""
    blocks = [CONTROL[:24], CONTROL[24:48], CONTROL[12:36], CONTROL[30:54], CONTROL[36:]]
    none = reference(np.vstack(blocks), LABELS, CONTROL, GENES)
    rows = per_perturbation(none, np.vstack(blocks), LABELS)
    assert not none.significant.any()
    assert rows["reach"].isna().all()
    assert rows["lfc_error"].isna().all()
    assert rows["direction"].isna().all()  # neither side calls a gene
    assert (rows["jaccard"] == 1).all()
    with pytest.raises(ValueError, match="there is no effect that an error"):
        aggregate(rows)


def test_names_that_are_no_genes_ask_for_targets():
    labels = np.char.add("guide of ", LABELS)
    with pytest.raises(ValueError, match="pass targets"):
        reference(np.vstack(REAL), labels, CONTROL, GENES)
    targets = {name: name.removeprefix("guide of ") for name in labels}
    mapped = reference(np.vstack(REAL), labels, CONTROL, GENES, targets=targets)
    assert mapped.own.tolist() == [0, 1, 2, 3, 4]
    drugs = reference(np.vstack(REAL), labels, CONTROL, GENES, targets={})
    assert drugs.own.tolist() == [-1] * 5


# ------------------------------------------------------------------------------- cell-eval2


def annotated(blocks, sizes=None):
    from anndata import AnnData

    cells = np.vstack([*blocks, CONTROL]).astype(np.float32)
    labels = np.concatenate([LABELS, np.full(N_CONTROLS, "non-targeting")])
    adata = AnnData(sparse.csr_matrix(cells))
    adata.obs["target"] = pd.Categorical(labels)
    adata.var_names = GENES
    return adata


@pytest.mark.parametrize(("backend", "continuity"), [("scanpy", False), ("pdex", True)])
def test_cell_eval2_gives_the_same_values(peer, backend, continuity):
    peer("cell_eval2")
    from cell_eval2.config import EvalConfig
    from cell_eval2.run import aggregate_metrics, compute_metrics

    config = EvalConfig.from_preset("vcc2026")
    config = replace(config, num_threads=1, de=replace(config.de, backend=backend))
    tidy = compute_metrics(annotated(PREDICTED), annotated(REAL), config=config)
    names = ["pds_cosine", "expr_mse_unbiased_capped_norm",
             "de_wilcoxon_direction_fidelity_yield_raw", "de_wilcoxon_direction_reach_raw",
             "de_wilcoxon_sig_jaccard", "de_wilcoxon_lfc_nmae"]  # fmt: skip
    theirs = aggregate_metrics(tidy).to_pandas().set_index("metric")["mean"]
    rule = Rule(continuity=continuity)
    measured = reference(np.vstack(REAL), LABELS, CONTROL, GENES, rule=rule)
    ours = aggregate(per_perturbation(measured, np.vstack(PREDICTED), LABELS))
    close(ours, theirs.loc[names], atol=1e-12)
