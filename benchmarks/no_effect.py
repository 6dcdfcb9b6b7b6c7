"""`python -m benchmarks no-effect`: every test of the book on screens in which nothing happens.

For each design: the share of p-values and of screens (any of 8 targets at q <= .05, Benjamini and
Hochberg) that are called, which should be 5 % or less, and the least p-value that the design has:
where that is above 5 % the answer is *cannot*. At the end comparisons of models that are alike, and
claims that rest on several of them. Over twelve minutes of one core on a busy machine.
"""

import argparse
from collections.abc import Callable

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from helpers.comparisons import compare
from helpers.metrics.de import mann_whitney
from helpers.metrics.edistance import edistance_test
from helpers.metrics.embeddings.centred_cells import centred_cells
from helpers.metrics.embeddings.consistency_null import Relabelling, consistency_test
from helpers.metrics.embeddings.permutation import permutation_consistency
from helpers.metrics.embeddings.postprocess import FEW_CONTROLS, postprocess
from helpers.metrics.labellings import least_p_value
from helpers.stats import benjamini_hochberg
from helpers.tasks.embeddings.claims_decided import BOTH, IN_PART, SHOWN, decide, verdicts

LEVEL, N_TARGETS, N_DIMS = 0.05, 8, 8
N_DRAWS = 199  # so that one p-value of 8 can be called after correction: 8 / 200 < .05
CONTROLS = (2, 4, 8, 20, 200)
UNEQUAL = (4, 10, 60, 200)
BATCHES = (2, 4)
CELLS = (1, 2, 10)
CLUSTERS = (6, 8, 12, 30)
CLAIMS = (1, 4, 6)
"""Comparisons that a claim rests on."""


def screen(controls, n_cells: int, rng, *, shift: float = 1.0):
    """Gaussian cells of targets without effect: embedding, labels and batches, which differ."""
    names = [f"t{i:02d}" for i in range(N_TARGETS)]
    labels = np.concatenate([["control"] * n + names * n_cells for n in controls])
    batch = np.repeat(np.arange(len(controls)), [n + N_TARGETS * n_cells for n in controls])
    shifts = shift * rng.normal(size=(len(controls), N_DIMS))
    return rng.normal(size=(len(labels), N_DIMS)) + shifts[batch], labels, batch


def relabelled(post: str) -> Callable:
    """The revised consistency test after a post-processing: p-values, and the least of them."""
    within = "centered" if post == "tvn" else post

    def tested(embedding, labels, batch, rng):
        cells = centred_cells(embedding, labels, batch, replicates=batch, post=within)
        return consistency_test(cells, null=Relabelling(N_DRAWS), n_bootstrap=0, rng=rng)

    def test(embedding, labels, batch, rng):
        if post != "tvn":
            found = tested(embedding, labels, batch, rng)
        else:  # as the task does: whitened with the target's cells, centred under each labelling
            parts = []
            for name in np.unique(labels[labels != "control"]):
                own = np.isin(labels, [name, "control"])
                white = postprocess(
                    embedding[own], batch[own], np.ones(own.sum(), dtype=bool), "tvn",
                    shrink_below=FEW_CONTROLS,
                )  # fmt: skip
                parts.append(tested(white, labels[own], batch[own], rng))
            found = pd.concat(parts)
        return found["p_value"].to_numpy(), found["least_p"].min()

    return test


def permuted(embedding, labels, batch, rng):
    """Consistency against labels permuted among perturbed cells."""
    treated = postprocess(embedding, batch, labels == "control", "center_scaled")
    treated = treated.astype(np.float32)
    found = permutation_consistency(
        treated, labels, batch, where=labels != "control", n_permutations=N_DRAWS, rng=rng
    )
    return found["p_value"].to_numpy(), found["least_p"].min()


def energy(embedding, labels, batch, rng):
    """Energy distance of each target to the controls, within batches."""
    control, found = labels == "control", []
    for name in np.unique(labels[~control]):
        own = labels == name
        _, p = edistance_test(
            embedding[own], embedding[control], batch=batch[own], control_batch=batch[control],
            n_permutations=N_DRAWS, rng=rng,
        )  # fmt: skip
        found.append(p)
    n, m = np.bincount(batch[own]), np.bincount(batch[control])
    return np.array(found), least_p_value(n, n + m, n_draws=N_DRAWS)


def differential_expression(embedding, labels, batch, rng):
    """Mann-Whitney test of one gene, batches alike."""
    values = rng.poisson(1.0, size=(len(labels), 1))
    found = mann_whitney(values, labels, labels == "control")
    n, m = found.n_cells[:1], (labels == "control").sum()
    return found.p_value[:, 0], 2 * float(least_p_value(n, n + m))


TESTS = {
    "consistency, centred and scaled": relabelled("center_scaled"),
    "consistency, raw": relabelled("raw"),
    "consistency, TVN": relabelled("tvn"),
    "consistency, permuted labels": permuted,
    "energy distance": energy,
    "Mann-Whitney": differential_expression,
}


def called(test: Callable, controls, n_cells: int, n_screens: int, seed: int) -> dict:
    """Shares of p-values and of screens that are called in a design."""
    first, any_q, least = [], 0, 1.0
    for rng in np.random.default_rng(seed).spawn(n_screens):
        p, least = test(*screen(controls, n_cells, rng), rng)
        first += list(p[:1])  # targets of a screen share their controls
        known = p[~np.isnan(p)]
        any_q += bool(known.size and (benjamini_hochberg(known) <= LEVEL).any())
    share = float(np.mean(np.array(first) <= LEVEL))
    return {"p": share, "q": any_q / n_screens, "least": float(least)}


def flips(n_clusters: int, n_tables: int, seed: int) -> dict:
    """The same of comparisons of three equal models: p of a pair, and any verdict."""
    first, verdicts, least = [], 0, 1.0
    for rng in np.random.default_rng(seed).spawn(n_tables):
        values = rng.normal(size=(n_clusters, 3))
        found = compare(
            values, np.arange(n_clusters), better="higher", n_resamples=N_DRAWS, rng=rng
        )
        first.append(found["p_value"].iloc[0])
        verdicts += bool((found["verdict"] != "undecided").any())
        least = found["least_p_holm"].iloc[0]
    share = float(np.mean(np.array(first) <= LEVEL))
    return {"p": share, "q": verdicts / n_tables, "least": float(least)}


def claims(n_compared: int, n_clusters: int, n_tables: int, seed: int) -> dict:
    """Share of claims called shown, in part or both ways, of comparisons of equal models."""
    called, least = 0, 1.0
    for rng in np.random.default_rng(seed).spawn(n_tables):
        rows = {}
        for task in range(n_compared):
            table = pd.DataFrame(rng.normal(size=(n_clusters, 2)), columns=["a", "b"])
            found = compare(
                table, np.arange(n_clusters), better="higher", n_resamples=N_DRAWS, rng=rng
            )
            rows[task] = found.iloc[0]
        called += decide(verdicts(rows)) in (SHOWN, IN_PART, BOTH)
        least = min(1.0, n_compared * found["least_p"].iloc[0])
    return {"p": np.nan, "q": called / n_tables, "least": float(least)}


def designs(tiny: bool) -> list[tuple[tuple[int, ...], int]]:
    """Controls of each batch, and cells of a target in each."""
    controls = (4, 8) if tiny else CONTROLS
    equal = [((n,) * b, k) for n in controls for b in BATCHES for k in CELLS]
    return equal + [(UNEQUAL, k) for k in CELLS]


def main(arguments: list[str]) -> int:
    """Print the table; exit code 1 where a share lies beyond four standard errors of 5 %."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks no-effect", description=__doc__)
    parser.add_argument("--screens", type=int, default=200, help="of each design")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="few designs")
    asked = parser.parse_args(arguments)
    limit = LEVEL + 4 * np.sqrt(LEVEL * (1 - LEVEL) / asked.screens)
    table, beyond = Table(box=None), False
    for column in ("test", "controls", "cells", "p ≤ .05", "any q ≤ .05", "least p", ""):
        table.add_column(column, justify="left" if column in ("test", "") else "right")
    rows = [
        (
            name,
            "/".join(map(str, controls)),
            n,
            called(test, controls, n, asked.screens, asked.seed),
        )
        for name, test in TESTS.items()
        for controls, n in designs(asked.tiny)
    ]
    rows += [
        ("sign flips", f"{c} clusters", 1, flips(c, asked.screens, asked.seed)) for c in CLUSTERS
    ]
    rows += [
        ("claims", f"{c} clusters", n, claims(n, c, asked.screens, asked.seed))
        for n in CLAIMS
        for c in CLUSTERS
    ]
    for name, controls, n, found in rows:
        too_many = np.nanmax([found["p"], found["q"]]) > limit
        beyond |= bool(too_many)
        word = "too many" if too_many else "cannot" if found["least"] > LEVEL else ""
        shares = (f"{found[key]:.3f}" for key in ("p", "q"))
        table.add_row(name, controls, str(n), *shares, f"{found['least']:.2g}", word)
    Console().print(table)
    return int(beyond)
