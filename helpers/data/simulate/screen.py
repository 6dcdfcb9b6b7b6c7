"""A simulated perturbation screen whose truth is known.

The natural logarithm of a cell's expected count is a sum:

    depth + abundance + batch and context shift + programs · latent + knock-down of the target

and the count is negative binomial around it. The latent of a cell is the effect of its
perturbation, where the cell responded, plus the cell's own noise and its place in the cell cycle.
Each part is one function with a random stream of its own, so that two screens that differ in one
knob (say `effect_size`) share everything that this knob does not touch.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy.sparse import csc_matrix, csr_matrix

from helpers.data.contract import CONTROL
from helpers.data.simulate import interactions
from helpers.data.simulate.counts import TOO_LARGE, draw_counts
from helpers.store import step

UNEXPRESSED_MEANS = (0.01, 0.05)  # counts; far enough from 0.15 for a screen of a hundred cells
EFFICACY_CONCENTRATION = 5.0

RANGES = {
    "n_cells": (10, 100_000_000),
    "n_genes": (10, 100_000),
    "n_targets": (1, 100_000),
    "guides_per_target": (1, 100),
    "n_control_guides": (1, 10_000),
    "n_batches": (1, 10_000),
    "n_replicates": (1, 10_000),
    "n_contexts": (1, 1_000),
    "n_combinations": (0, 100_000),
    "control_share": (0.001, 0.999),
    "abundance_sd": (0.0, 3.0),
    "dispersion": (0.0, 10.0),
    "dispersion_sd": (0.0, 2.0),
    "library_size": (10.0, 1_000_000.0),
    "library_sd": (0.0, 2.0),
    "batch_sd": (0.0, 2.0),
    "context_sd": (0.0, 2.0),
    "context_sharing": (0.0, 1.0),
    "state_sd": (0.0, 2.0),
    "cell_sd": (0.0, 2.0),
    "n_programs": (1, 1_000),
    "program_share": (0.001, 1.0),
    "effect_size": (0.0, 2.0),
    "effective_share": (0.0, 1.0),
    "unexpressed_share": (0.0, 1.0),
    "expressed_mean": (0.0, 1_000.0),
    "programs_per_target": (1, 1_000),
    "hub_sd": (0.0, 2.0),
    "systematic_shift": (0.0, 2.0),
    "state_dependence": (0.0, 1.0),
    "saturation": (0.0, 10.0),
    "interaction_share": (0.0, 1.0),
    "interaction_size": (0.0, 1.0),
    "n_complexes": (0, 10_000),
    "complex_size": (2, 1_000),
    "complex_similarity": (0.0, 1.0),
    "opposite_share": (0.0, 1.0),
    "database_recall": (0.0, 1.0),
    "database_false_share": (0.0, 0.9),
    "efficacy": (0.0, 1.0),
    "knockdown": (0.0, 0.99),
    "dead_guide_share": (0.0, 1.0),
    "misassigned_share": (0.0, 1.0),
    "doublet_share": (0.0, 1.0),
    "ambient_share": (0.0, 0.9),
    "guide_sd": (0.0, 2.0),
    "fitness_loss": (0.0, 10.0),
    "chunk_size": (1, 100_000_000),
}


def simulate_screen(
    *,
    rng: np.random.Generator,
    n_cells: int = 20_000,
    n_genes: int = 2_000,
    n_targets: int = 100,
    guides_per_target: int = 3,
    n_control_guides: int = 9,
    n_batches: int = 4,
    n_replicates: int = 2,
    n_contexts: int = 1,
    n_combinations: int = 0,
    control_share: float = 0.15,
    abundance_sd: float = 1.5,
    dispersion: float = 0.2,
    dispersion_sd: float = 0.0,
    library_size: float = 2_000.0,
    library_sd: float = 0.4,
    batch_sd: float = 0.2,
    context_sd: float = 0.3,
    context_sharing: float = 0.5,
    state_sd: float = 0.3,
    cell_sd: float = 0.2,
    n_programs: int = 20,
    program_share: float = 0.1,
    effect_size: float = 0.4,
    effective_share: float = 0.6,
    unexpressed_share: float = 0.25,
    expressed_mean: float = 0.3,
    programs_per_target: int = 3,
    hub_sd: float = 0.0,
    systematic_shift: float = 0.0,
    state_dependence: float = 0.0,
    saturation: float = 0.0,
    interaction_share: float = 0.0,
    interaction_size: float = 0.5,
    n_complexes: int = 0,
    complex_size: int = 4,
    complex_similarity: float = 0.8,
    opposite_share: float = 0.25,
    database_recall: float = 0.5,
    database_false_share: float = 0.1,
    efficacy: float = 0.7,
    knockdown: float = 0.8,
    dead_guide_share: float = 0.0,
    misassigned_share: float = 0.0,
    doublet_share: float = 0.0,
    ambient_share: float = 0.0,
    guide_sd: float = 0.0,
    fitness_loss: float = 0.0,
    chunk_size: int = 1_000,
) -> AnnData:
    """Simulate a pooled perturbation screen with negative-binomial counts.

    Parameters
    ----------
    rng
        Gives one 64-bit number, from which everything follows.
    n_cells, n_genes
        Size of the screen. Guides and batches are balanced unless `guide_sd` or `fitness_loss`
        say otherwise; the order of the cells is random.
    n_targets, guides_per_target
        Perturbed genes, at most half of all genes, and guides against each. Every guide has at
        least one cell.
    n_control_guides
        Non-targeting guides among the controls.
    n_batches, n_replicates, n_contexts
        Batches, dealt to contexts (cell lines) first, then to replicates within a context; at
        least one batch for each replicate of each context.
    n_combinations
        Pairs of acting targets that are perturbed together, "A+B", drawn at random; guide i of the
        one goes with guide i of the other, and each acts or not by itself.
    control_share
        Share of cells that carry a non-targeting guide, in [0.001, 0.999].
    abundance_sd
        Standard deviation of log abundance between genes, in [0, 3].
    dispersion, dispersion_sd
        φ in variance = mean + φ mean², in [0, 10], 0 gives Poisson counts; standard deviation of
        log φ between genes around it, in [0, 2].
    library_size, library_sd
        Median depth, in counts, in [10, 1e6]; standard deviation of its logarithm, in [0, 2].
    batch_sd, context_sd
        Standard deviation of the log shift of each gene in each batch, and in each context where
        there are several, in [0, 2].
    context_sharing
        Effect sharing between contexts, in [0, 1]: the correlation of a target's effects in two
        contexts. At 1 effects are the same everywhere, at 0 they have nothing in common.
    state_sd
        Standard deviation of the two cell-cycle coordinates (a circle), in [0, 2].
    cell_sd
        Standard deviation of a cell's own noise on each program, in [0, 2].
    n_programs, program_share
        Gene programs, and the share of genes in each, in [0.001, 1]. The loading of a member
        is standard normal: a coordinate of 1 moves its log mean by that much.
    effect_size
        Standard deviation, in units of the latent, of the effect of a target on each program it
        acts on, in [0, 2]. At 0 no target has an effect of its own: the knock-down is off too.
    effective_share
        Share of the expressed targets that act on programs, in [0, 1]. The others lose their own
        gene's expression and nothing else.
    unexpressed_share
        Share of targets whose own gene is not expressed, in [0, 1]: a mean below 0.15 counts, no
        effect and no knock-down. They are the null of the protocol of Celik et al. (2024).
    expressed_mean
        Least mean of an expressed target, in counts, in [0, 1000]; the default is twice the 0.15
        under which the published protocol says unexpressed. 0 where it does not matter.
    programs_per_target, hub_sd
        Median number of programs that an acting target moves, and the standard deviation of its
        logarithm, in [0, 2]: a large one makes few hubs that move many programs.
    systematic_shift
        Standard deviation over programs, in units of the latent, of one shift that all responding
        cells share whatever was perturbed, in [0, 2].
    state_dependence
        In [0, 1]. In cells of the first half of the cycle an effect is as planted; in those of the
        second it is 1 - 2 `state_dependence` times that: absent at 0.5, reversed at 1.
    saturation
        No program moves further than this, in units of the latent, in [0, 10]: x becomes
        s tanh(x / s). 0 means that nothing saturates.
    interaction_share, interaction_size
        Share of combinations that are not additive, in [0, 1], and how far from it, in [0, 1];
        see `helpers.data.simulate.interactions`.
    n_complexes, complex_size, complex_similarity, opposite_share
        Complexes of acting targets, members each, correlation of the effects of two members
        before signs, in [0, 1], and share of members whose effect has the opposite sign.
    database_recall, database_false_share
        Of the pairs within complexes, the share that the relationship database lists; of the pairs
        that it lists, the share that is false, in [0, 0.9].
    efficacy
        Mean probability that a guide acts in a cell, in [0, 1]; guides vary around it (beta
        distribution). A cell in which the guide does not act looks like a control.
    knockdown
        Share of the target's own expression that a responding cell loses, in [0, 0.99].
    dead_guide_share
        Share of targeting guides that never act, in [0, 1].
    misassigned_share
        Share of cells that are labelled with the guide of another one, in [0, 1].
    doublet_share
        Share of droplets that hold a second cell of the same batch, in [0, 1].
    ambient_share
        Share of each cell's expected counts that is the mean profile of its batch, in [0, 0.9].
    guide_sd
        Standard deviation of the log abundance of guides, in [0, 2].
    fitness_loss
        Log cells that a guide loses per unit of its efficacy times the norm of its effect in the
        latent, in [0, 10].
    chunk_size
        Cells drawn at a time; the result does not depend on it.

    Returns
    -------
    AnnData
        A screen of counts, `X` a float32 csr_matrix, that satisfies the contract. The truth comes
        along, of each cell in `obs`: `responder` (every guide acted), `depth` (counts), `state`
        (half of the cycle), `true_guide`, `true_perturbation`, `misassigned`, `doublet`.
        `obsm["latent"]` of shape (n_cells, n_programs + 2) is the effect where the cell responded
        plus cell noise, then the cell-cycle coordinates, free of batch and of counting noise;
        `varm["programs"]` the loadings in the same order, `varm["batch_shift"]` (n_genes,
        n_batches) and `varm["context_shift"]` (n_genes, n_contexts); `var["abundance"]`, expected
        counts per count of depth, and `var["dispersion"]`. `uns["truth"]` holds `effects`
        (perturbation x program, what a responding cell gets before saturation; mean over
        contexts), `context_effects` (the same of each context), `systematic` (shift by program),
        `guides` (target, efficacy; of a combination also that of the second guide), `targets`
        (expressed, effective, complex, sign), `combinations` (components, class),
        `relationships` (pairs: same complex, sign, listed in the database) and `knobs`. What
        follows from these is in `helpers.data.foundations.truth`.

    Raises
    ------
    ValueError
        Where a knob leaves its range, or the knobs do not fit each other.
    """
    knobs = {name: value for name, value in locals().items() if name in RANGES}
    plan = plan_screen(rng, knobs)
    X, totals = _counts(plan, chunk_size)
    return AnnData(
        X,
        obs=plan.obs.assign(total_counts=totals),
        var=plan.var,
        obsm={"latent": plan.latent},
        varm=plan.varm,
        uns=plan.uns(_sha256(X)),
    )


@dataclass(frozen=True)
class Plan:
    """Everything of a screen but its counts, and what is needed to draw them."""

    root: int
    obs: pd.DataFrame
    var: pd.DataFrame
    varm: dict
    truth: dict
    latent: np.ndarray
    log_mean: np.ndarray
    batch: np.ndarray
    partner: np.ndarray
    knocked: np.ndarray
    knocked_shift: float
    ambient_share: float

    def draw(self, start: int, stop: int, indices, data) -> tuple[int, np.ndarray, np.ndarray]:
        """Counts of cells `start` to `stop`, written into `indices` and `data`.

        Returns
        -------
        stored : int
        row_ends, totals : ndarray of shape (stop - start,)
        """
        members = csc_matrix(self.varm["programs"])
        row_ends, totals = np.empty(stop - start, np.int64), np.empty(stop - start)
        stored = draw_counts(
            np.uint64(self.root),
            start,
            stop,
            np.log(self.obs["depth"].to_numpy()),
            self.log_mean,
            self.batch,
            self.latent,
            members.indptr,
            members.indices,
            members.data,
            self.knocked,
            self.knocked_shift,
            self.partner,
            self.ambient_share,
            self.var["dispersion"].to_numpy(),
            indices,
            data,
            row_ends,
            totals,
        )
        if stored == TOO_LARGE:
            raise ValueError(
                "a gene has an expected count above 100,000 in a cell: lower library_size, "
                "effect_size, batch_sd, cell_sd or state_sd"
            )
        return stored, row_ends, totals

    def uns(self, sha256: str) -> dict:
        """What `uns` holds, for counts of this hash."""
        return {
            "scale": {"kind": "counts", "target_sum": None},
            "dataset": {
                "name": "simulated",
                "sha256": sha256,
                "licence": "CC0-1.0",
                "citation": "The Perturbation Benchbook, simulated screen",
            },
            "truth": self.truth,
        }


def plan_screen(rng: np.random.Generator, knobs: dict) -> Plan:
    """Draw everything but the counts; `knobs` holds every one of `simulate_screen`.

    Raises
    ------
    ValueError
        See `simulate_screen`.
    """
    check_knobs(knobs)
    k = {name: value for name, value in knobs.items() if name != "chunk_size"}
    root = int(rng.integers(2**64, dtype=np.uint64))
    streams = [np.random.default_rng(child) for child in np.random.SeedSequence(root).spawn(16)]
    design_rng, gene_rng, program_rng, effect_rng, guide_rng, cell_rng, batch_rng = streams[:7]
    context_rng, own_rng, complex_rng, combination_rng, abundance_rng = streams[7:12]
    nuisance_rng, systematic_rng, dispersion_rng, responder_rng = streams[12:]
    n_cells, n_genes, n_batches, n_contexts = (
        k[name] for name in ("n_cells", "n_genes", "n_batches", "n_contexts")
    )

    # Genes: which are targeted, which programs they belong to.
    depth = k["library_size"] * np.exp(k["library_sd"] * cell_rng.standard_normal(n_cells))
    abundance = _abundance(gene_rng, n_genes, k["abundance_sd"])
    target_genes, expressed = _choose_targets(gene_rng, abundance * k["library_size"], k)
    symbols = np.array([f"GENE{i:0{len(str(n_genes))}d}" for i in range(1, n_genes + 1)])
    targets = symbols[target_genes]
    silent = target_genes[~expressed]
    programs = _programs(program_rng, n_genes, k["n_programs"], k["program_share"], silent)
    dispersion = k["dispersion"] * np.exp(
        k["dispersion_sd"] * dispersion_rng.standard_normal(n_genes)
    )

    # Effects: of targets in each context, then of their combinations.
    shared, degree, acting = _effects(effect_rng, expressed, k)
    complexes = _complexes(complex_rng, acting, k)
    shared = _with_complexes(complex_rng, shared, complexes, k)
    effects = [shared]
    if n_contexts > 1:
        effects = []
        for _ in range(n_contexts):
            own = _with_complexes(own_rng, _moves(own_rng, degree, k), complexes, k)
            mixed = np.sqrt(k["context_sharing"]) * shared
            effects.append(mixed + np.sqrt(1 - k["context_sharing"]) * own)
    combinations, novel = interactions.draw(
        combination_rng,
        targets,
        acting,
        n_combinations=k["n_combinations"],
        interaction_share=k["interaction_share"],
        n_programs=k["n_programs"],
    )
    effects = np.stack(
        [
            np.vstack([e, interactions.combine(e, combinations, novel, k["interaction_size"])])
            for e in effects
        ]
    )
    systematic = k["systematic_shift"] * systematic_rng.standard_normal(k["n_programs"])
    perturbations = np.array([*targets, *combinations["name"]], dtype=object)
    nothing = np.full(len(targets), -1)
    components = np.vstack(
        [
            np.column_stack([np.arange(len(targets)), nothing]),
            combinations[["first", "second"]].to_numpy(int),
            [[-1, -1]],  # the last row is control's, which index -1 finds
        ]
    )

    # Cells: which guide and batch, which guide in truth, and in which of them it acted.
    guides = _guides(guide_rng, nuisance_rng, targets, combinations, k)
    perturbation_of_guide = pd.Index(perturbations).get_indexer(guides["target"])
    efficacy = guides[["efficacy", "efficacy_2"]].to_numpy()
    strength = np.append(np.linalg.norm(effects.mean(axis=0), axis=1), 0.0)
    log_weight = k["guide_sd"] * abundance_rng.standard_normal(len(guides))
    log_weight -= k["fitness_loss"] * strength[perturbation_of_guide] * np.nanmean(efficacy, axis=1)
    guide, batch = _design(design_rng, log_weight, k)
    true_guide = _misassigned(nuisance_rng, guide, k["misassigned_share"])
    partner = _partners(nuisance_rng, batch, k["doublet_share"])
    perturbation = perturbation_of_guide[true_guide]
    component = components[perturbation]
    chance = np.where(np.isnan(efficacy), 0.0, efficacy)[true_guide]
    acted = np.column_stack(
        [cell_rng.random(n_cells) < chance[:, 0], responder_rng.random(n_cells) < chance[:, 1]]
    )
    context_of_batch = np.arange(n_batches) % n_contexts
    drive = _drive(effects, context_of_batch[batch], perturbation, component, acted)
    latent, first_half = _latent(cell_rng, drive, acted.any(axis=1), systematic, k)
    own_loss = k["knockdown"] if k["effect_size"] > 0 else 0.0
    knocked = np.where(
        acted & np.append(expressed, False)[component], np.append(target_genes, -1)[component], -1
    )

    # Shifts of batches and contexts.
    batch_shift = k["batch_sd"] * batch_rng.standard_normal((n_batches, n_genes))
    context_shift = np.zeros((n_contexts, n_genes))
    if n_contexts > 1:
        context_shift = k["context_sd"] * context_rng.standard_normal((n_contexts, n_genes))
        context_shift[:, silent] = 0.0
    weight = np.bincount(batch, weights=depth, minlength=n_batches) / n_cells
    abundance[silent] = gene_rng.uniform(*UNEXPRESSED_MEANS, size=silent.size) / (
        weight @ np.exp(batch_shift[:, silent])
    )

    batches = np.array([f"batch{b + 1}" for b in range(n_batches)])
    dealt = np.arange(n_batches) // n_contexts % k["n_replicates"]
    replicates = np.array([f"replicate{r + 1}" for r in dealt])
    contexts = ["simulated"] if n_contexts == 1 else [f"context{c + 1}" for c in range(n_contexts)]
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(guides["target"].to_numpy()[guide]),
            "guide": pd.Categorical(guides.index.to_numpy()[guide]),
            "batch": pd.Categorical.from_codes(batch, categories=batches),
            "replicate": pd.Categorical(replicates[batch]),
            "context": pd.Categorical.from_codes(context_of_batch[batch], categories=contexts),
            "responder": acted[:, 0] & (acted[:, 1] | (component[:, 1] < 0)),
            "depth": depth,
            "state": pd.Categorical.from_codes(1 - first_half, categories=["first", "second"]),
            "true_guide": pd.Categorical(guides.index.to_numpy()[true_guide]),
            "true_perturbation": pd.Categorical(guides["target"].to_numpy()[true_guide]),
            "misassigned": true_guide != guide,
            "doublet": partner >= 0,
        },
        index=[f"cell{i}" for i in range(n_cells)],
    )
    names = [f"program{p + 1}" for p in range(k["n_programs"])]
    index = pd.Index(perturbations, name="target")
    truth = {
        "effects": pd.DataFrame(effects.mean(axis=0), index=index, columns=names),
        "context_effects": {
            context: pd.DataFrame(e, index=index, columns=names)
            for context, e in zip(contexts, effects, strict=True)
        },
        "systematic": systematic,
        "guides": guides,
        "targets": pd.DataFrame(
            {
                "expressed": expressed,
                "effective": np.isin(np.arange(len(targets)), acting) & (k["effect_size"] > 0),
                "complex": complexes["complex"].to_numpy(),
                "sign": complexes["sign"].to_numpy(),
            },
            index=pd.Index(targets, name="target"),
        ),
        "knockdown": own_loss,
        "knobs": k,
    }
    if k["n_combinations"]:
        truth["combinations"] = combinations.assign(
            first=targets[combinations["first"]], second=targets[combinations["second"]]
        ).set_index("name")
    if k["n_complexes"]:
        truth["relationships"] = _relationships(complex_rng, targets, complexes, k)
    return Plan(
        root=root,
        obs=obs,
        var=pd.DataFrame({"abundance": abundance, "dispersion": dispersion}, index=symbols),
        varm={
            "programs": programs,
            "batch_shift": batch_shift.T.copy(),
            "context_shift": context_shift.T.copy(),
        },
        truth=truth,
        latent=latent,
        log_mean=np.log(abundance) + batch_shift + context_shift[context_of_batch],
        batch=batch,
        partner=partner,
        knocked=knocked,
        knocked_shift=float(np.log1p(-own_loss)),
        ambient_share=float(k["ambient_share"]),
    )


def check_knobs(knobs: dict) -> None:
    """Pass where every knob is within its range and they fit each other.

    Raises
    ------
    ValueError
    """
    for name, value in knobs.items():
        low, high = RANGES[name]
        kind, article = (Integral, "an integer") if isinstance(low, int) else (Real, "a number")
        if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
            raise ValueError(f"{name} must be {article} in [{low}, {high}], not {value!r}")
    if knobs["n_replicates"] > knobs["n_batches"]:
        raise ValueError(
            f"n_replicates must be at most n_batches = {knobs['n_batches']}, "
            f"not {knobs['n_replicates']}: a replicate is one batch or several"
        )
    if (blocks := knobs["n_contexts"] * knobs["n_replicates"]) > knobs["n_batches"]:
        raise ValueError(
            f"n_contexts x n_replicates = {blocks} must be at most n_batches = "
            f"{knobs['n_batches']}: every context has every replicate, in batches of its own"
        )
    if 2 * knobs["n_targets"] > knobs["n_genes"]:
        raise ValueError(
            f"n_targets must be at most half of n_genes = {knobs['n_genes']}, "
            f"not {knobs['n_targets']}"
        )
    if knobs["state_dependence"] > 0 and knobs["state_sd"] == 0:
        raise ValueError(
            "state_dependence is above 0 where state_sd is 0: effects would depend on a state that "
            "no gene shows; set state_sd, or state_dependence = 0"
        )
    if knobs["interaction_share"] > 0 and knobs["n_combinations"] == 0:
        raise ValueError(
            "interaction_share is above 0 where n_combinations is 0: nothing can interact; set "
            "n_combinations, or interaction_share = 0"
        )
    n_controls = round(knobs["control_share"] * knobs["n_cells"])
    n_guides = (knobs["n_targets"] + knobs["n_combinations"]) * knobs["guides_per_target"]
    if n_controls < knobs["n_control_guides"] or knobs["n_cells"] - n_controls < n_guides:
        raise ValueError(
            f"n_cells = {knobs['n_cells']} with control_share = {knobs['control_share']} leaves "
            f"{n_controls} cells to {knobs['n_control_guides']} non-targeting guides and "
            f"{knobs['n_cells'] - n_controls} to {n_guides} targeting ones: "
            "each guide needs at least one cell"
        )


def _abundance(rng, n_genes: int, sd: float) -> np.ndarray:
    abundance = np.exp(sd * rng.standard_normal(n_genes))
    return abundance / abundance.sum()


def _choose_targets(rng, mean, k: dict):
    """Genes to target, in the order of the genes, and which of them are expressed."""
    n_targets, least = k["n_targets"], k["expressed_mean"]
    n_unexpressed = round(k["unexpressed_share"] * n_targets)
    candidates = np.flatnonzero(mean >= least)
    if candidates.size < n_targets - n_unexpressed:
        raise ValueError(
            f"{n_targets - n_unexpressed} expressed targets are asked for, but only "
            f"{candidates.size} of {mean.size} genes have a mean of {least} counts: "
            "lower n_targets or expressed_mean, or raise library_size, n_genes or unexpressed_share"
        )
    chosen = rng.choice(candidates, n_targets - n_unexpressed, replace=False)
    others = np.setdiff1d(np.arange(mean.size), chosen)
    genes = np.concatenate([chosen, rng.choice(others, n_unexpressed, replace=False)])
    order = np.argsort(genes)
    return genes[order], order < chosen.size


def _programs(rng, n_genes: int, n_programs: int, program_share: float, silent) -> np.ndarray:
    """Sparse loadings of shape (n_genes, n_programs + 2); the last two are the cell cycle."""
    genes = np.setdiff1d(np.arange(n_genes), silent)
    size = max(1, round(program_share * genes.size))
    programs = np.zeros((n_genes, n_programs + 2))
    for k in range(n_programs + 2):
        programs[rng.choice(genes, size, replace=False), k] = rng.standard_normal(size)
    return programs


def _effects(rng, expressed, k: dict):
    """Effects (n_targets, n_programs), programs that each target moves, targets that act."""
    candidates = np.flatnonzero(expressed)
    acting = rng.choice(candidates, round(k["effective_share"] * candidates.size), replace=False)
    degree = np.zeros(expressed.size, dtype=int)
    # Hubs are drawn elsewhere, so that without them the effects are the same as ever.
    spread = k["hub_sd"] * rng.spawn(1)[0].standard_normal(acting.size)
    drawn = np.rint(k["programs_per_target"] * np.exp(spread)).astype(int)
    degree[acting] = np.clip(drawn, 1, k["n_programs"])
    return _moves(rng, degree, k, order=acting), degree, np.sort(acting)


def _moves(rng, degree, k: dict, order=None) -> np.ndarray:
    """Effects of shape (len(degree), n_programs), row i on `degree[i]` programs."""
    effects = np.zeros((len(degree), k["n_programs"]))
    for t in np.flatnonzero(degree) if order is None else order:
        hit = rng.choice(k["n_programs"], degree[t], replace=False)
        effects[t, hit] = k["effect_size"] * rng.standard_normal(degree[t])
    return effects


def _complexes(rng, acting, k: dict) -> pd.DataFrame:
    """Complex ("" where none) and sign of each target, one row a target."""
    n_members = k["n_complexes"] * k["complex_size"]
    if n_members > acting.size:
        raise ValueError(
            f"{k['n_complexes']} complexes of {k['complex_size']} need {n_members} targets that "
            f"act, but there are {acting.size}: lower n_complexes or complex_size, or raise "
            "n_targets or effective_share"
        )
    members = rng.choice(acting, n_members, replace=False)
    name = np.full(k["n_targets"], "", dtype=object)
    sign = np.ones(k["n_targets"], dtype=int)
    name[members] = [f"complex{i // k['complex_size'] + 1}" for i in range(n_members)]
    sign[members] = np.where(rng.random(n_members) < k["opposite_share"], -1, 1)
    return pd.DataFrame({"complex": name, "sign": sign})


def _with_complexes(rng, effects, complexes, k: dict) -> np.ndarray:
    """Effects of members mixed with that of their complex, in sign as well."""
    degree = np.full(k["n_complexes"], min(k["programs_per_target"], k["n_programs"]))
    common = _moves(rng, degree, k)
    effects = effects.copy()
    for c, effect in enumerate(common):
        members = np.flatnonzero(complexes["complex"] == f"complex{c + 1}")
        own = np.sqrt(1 - k["complex_similarity"]) * effects[members]
        sign = complexes["sign"].to_numpy()[members, None]
        effects[members] = sign * (np.sqrt(k["complex_similarity"]) * effect + own)
    return effects


def _relationships(rng, targets, complexes, k: dict) -> pd.DataFrame:
    """Pairs of one complex, and the false ones of the database; sorted, one row a pair."""
    code = pd.factorize(complexes["complex"])[0]
    sign = complexes["sign"].to_numpy()
    first, second = np.triu_indices(len(targets), 1)
    named = (complexes["complex"] != "").to_numpy()
    related = (code[first] == code[second]) & named[first]
    true, other = np.flatnonzero(related), np.flatnonzero(~related)
    n_listed = round(k["database_recall"] * true.size)
    share = k["database_false_share"]
    n_false = min(round(n_listed * share / (1 - share)), other.size)
    listed = rng.choice(true, n_listed, replace=False)
    false = rng.choice(other, n_false, replace=False)
    kept = np.sort(np.concatenate([true, false]))
    same = related[kept]
    return pd.DataFrame(
        {
            "gene_a": targets[first[kept]],
            "gene_b": targets[second[kept]],
            "same_complex": same,
            "sign": np.where(same, sign[first[kept]] * sign[second[kept]], 0),
            "in_database": np.isin(kept, listed) | ~same,
        }
    )


def _guides(rng, nuisance_rng, targets, combinations, k: dict) -> pd.DataFrame:
    """One row a guide or pair of guides, the non-targeting first: `target`, efficacies."""
    per_target, n_control_guides = k["guides_per_target"], k["n_control_guides"]
    n_targeting = len(targets) * per_target
    if 0 < k["efficacy"] < 1:
        a, b = EFFICACY_CONCENTRATION * k["efficacy"], EFFICACY_CONCENTRATION * (1 - k["efficacy"])
        drawn = rng.beta(a, b, size=n_targeting)
    else:
        drawn = np.full(n_targeting, float(k["efficacy"]))
    n_dead = round(k["dead_guide_share"] * n_targeting)
    drawn[nuisance_rng.choice(n_targeting, n_dead, replace=False)] = 0.0
    single = np.array([f"{t}g{i + 1}" for t in targets for i in range(per_target)])
    number = np.arange(per_target)
    first, second = (
        (combinations[part].to_numpy(int)[:, None] * per_target + number).ravel()
        for part in ("first", "second")
    )
    pairs = [f"{a}+{b}" for a, b in zip(single[first], single[second], strict=True)]
    not_second = np.full(n_control_guides + n_targeting, np.nan)
    return pd.DataFrame(
        {
            "target": [
                *[CONTROL] * n_control_guides,
                *np.repeat(targets, per_target),
                *np.repeat(combinations["name"].to_numpy(), per_target),
            ],
            "efficacy": np.concatenate([np.zeros(n_control_guides), drawn, drawn[first]]),
            "efficacy_2": np.concatenate([not_second, drawn[second]]),
        },
        index=pd.Index(
            [*(f"NTg{i + 1}" for i in range(n_control_guides)), *single, *pairs], name="guide"
        ),
    )


def _design(rng, log_weight, k: dict):
    """Guide and batch of each cell: guides by weight, batches balanced within a guide."""
    n_cells, n_control_guides = k["n_cells"], k["n_control_guides"]
    n_controls = round(k["control_share"] * n_cells)
    cells = np.concatenate(
        [
            _allocate(n_controls, np.exp(log_weight[:n_control_guides])),
            _allocate(n_cells - n_controls, np.exp(log_weight[n_control_guides:])),
        ]
    )
    guide = np.repeat(np.arange(log_weight.size), cells)
    # Sorted by guide and dealt in turn, every batch gets its share of every guide.
    batch = np.arange(n_cells) % k["n_batches"]
    order = rng.permutation(n_cells)
    return guide[order], batch[order]


def _allocate(n: int, weight) -> np.ndarray:
    """Share `n` cells out by weight, at least one each, by largest remainders."""
    quota = (n - weight.size) * weight / weight.sum()
    cells = np.floor(quota).astype(int)
    largest = np.argsort(cells - quota, kind="stable")[: n - weight.size - cells.sum()]
    cells[largest] += 1
    return cells + 1


def _misassigned(rng, guide, share: float) -> np.ndarray:
    """The guide that a cell truly has: of some cells, that of another cell."""
    wrong = rng.random(guide.size) < share
    return np.where(wrong, guide[rng.integers(guide.size, size=guide.size)], guide)


def _partners(rng, batch, share: float) -> np.ndarray:
    """The second cell of a doublet, another one of the same batch; -1 where there is none."""
    partner = np.full(batch.size, -1)
    doublet = rng.random(batch.size) < share
    for b in range(batch.max() + 1):
        cells = np.flatnonzero(batch == b)
        if cells.size > 1:
            step_on = rng.integers(1, cells.size, size=cells.size)
            partner[cells] = cells[(np.arange(cells.size) + step_on) % cells.size]
    return np.where(doublet, partner, -1)


def _drive(effects, context, perturbation, component, acted) -> np.ndarray:
    """Effect that each cell gets, (n_cells, n_programs): of the guides that acted in it."""
    what = np.where(acted[:, 0], component[:, 0], np.where(acted[:, 1], component[:, 1], -1))
    what = np.where(acted.all(axis=1), perturbation, what)
    with_none = np.concatenate([effects, np.zeros_like(effects[:, :1])], axis=1)
    return with_none[context, what]


def _latent(rng, drive, acted, systematic, k: dict):
    """Latent (n_cells, n_programs + 2), and which cells are in the first half of the cycle."""
    n_cells, n_programs = drive.shape
    noise = k["cell_sd"] * rng.standard_normal((n_cells, n_programs))
    phase = rng.uniform(0, 2 * np.pi, size=n_cells)
    first_half = phase < np.pi
    drive *= np.where(first_half, 1.0, 1.0 - 2.0 * k["state_dependence"])[:, None]
    drive[acted] += systematic
    latent = np.empty((n_cells, n_programs + 2))
    latent[:, :n_programs] = saturate(drive, k["saturation"]) + noise
    latent[:, n_programs] = np.sqrt(2) * k["state_sd"] * np.cos(phase)
    latent[:, n_programs + 1] = np.sqrt(2) * k["state_sd"] * np.sin(phase)
    return latent, first_half


def saturate(effect, limit: float):
    """How far a program moves: limit · tanh(effect / limit); the effect itself where it is 0."""
    return limit * np.tanh(effect / limit) if limit > 0 else effect


class Digest:
    """Hash of a csr_matrix that arrives in pieces: of the hashes of its three arrays."""

    def __init__(self) -> None:
        self._parts = {name: hashlib.sha256() for name in ("indptr", "indices", "data")}

    def update(self, name: str, values: np.ndarray) -> None:
        kind = {"indptr": "<i8", "indices": "<i4", "data": "<f4"}[name]
        self._parts[name].update(np.ascontiguousarray(values, dtype=kind))

    def hexdigest(self) -> str:
        return hashlib.sha256(b"".join(p.digest() for p in self._parts.values())).hexdigest()


def _sha256(X: csr_matrix) -> str:
    digest = Digest()
    for name in ("indptr", "indices", "data"):
        digest.update(name, getattr(X, name))
    return digest.hexdigest()


def _counts(plan: Plan, chunk_size: int) -> tuple[csr_matrix, np.ndarray]:
    """Draw the counts and their sum in each cell; nothing dense is larger than a chunk."""
    n_cells, n_genes = len(plan.obs), len(plan.var)
    indices, data = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32)
    indptr, totals = np.zeros(n_cells + 1, dtype=np.int64), np.zeros(n_cells)
    stored = 0
    for start in range(0, n_cells, chunk_size):
        stop = min(start + chunk_size, n_cells)
        # Memory grows in place: joining a list of chunks would hold half the matrix twice.
        indices.resize(stored + (stop - start) * n_genes, refcheck=False)
        data.resize(stored + (stop - start) * n_genes, refcheck=False)
        drawn, row_ends, totals[start:stop] = plan.draw(
            start, stop, indices[stored:], data[stored:]
        )
        indptr[start + 1 : stop + 1] = stored + row_ends
        stored += drawn
    indices.resize(stored, refcheck=False)
    data.resize(stored, refcheck=False)
    return csr_matrix((data, indices, indptr), shape=(n_cells, n_genes)), totals


@step
def simulated_screen(
    *,
    seed: int,
    n_cells: int = 20_000,
    n_genes: int = 2_000,
    n_targets: int = 100,
    guides_per_target: int = 3,
    n_control_guides: int = 9,
    n_batches: int = 4,
    n_replicates: int = 2,
    n_contexts: int = 1,
    n_combinations: int = 0,
    control_share: float = 0.15,
    abundance_sd: float = 1.5,
    dispersion: float = 0.2,
    dispersion_sd: float = 0.0,
    library_size: float = 2_000.0,
    library_sd: float = 0.4,
    batch_sd: float = 0.2,
    context_sd: float = 0.3,
    context_sharing: float = 0.5,
    state_sd: float = 0.3,
    cell_sd: float = 0.2,
    n_programs: int = 20,
    program_share: float = 0.1,
    effect_size: float = 0.4,
    effective_share: float = 0.6,
    unexpressed_share: float = 0.25,
    expressed_mean: float = 0.3,
    programs_per_target: int = 3,
    hub_sd: float = 0.0,
    systematic_shift: float = 0.0,
    state_dependence: float = 0.0,
    saturation: float = 0.0,
    interaction_share: float = 0.0,
    interaction_size: float = 0.5,
    n_complexes: int = 0,
    complex_size: int = 4,
    complex_similarity: float = 0.8,
    opposite_share: float = 0.25,
    database_recall: float = 0.5,
    database_false_share: float = 0.1,
    efficacy: float = 0.7,
    knockdown: float = 0.8,
    dead_guide_share: float = 0.0,
    misassigned_share: float = 0.0,
    doublet_share: float = 0.0,
    ambient_share: float = 0.0,
    guide_sd: float = 0.0,
    fitness_loss: float = 0.0,
) -> AnnData:
    """The screen that `simulate_screen` makes of these knobs and this seed, as a step."""
    knobs = dict(locals())
    return simulate_screen(rng=np.random.default_rng(knobs.pop("seed")), **knobs)
