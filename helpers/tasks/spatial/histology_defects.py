"""Minimal examples of defects in the released code of image models: what each does to a number.

Each function does what the release does and what was meant, on the smallest data that tell them
apart.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from helpers.data.spatial.geometry import hops, nearest
from helpers.metrics.spatial.histology import published
from helpers.store.steps import step

BATCH = 256  # spots of a batch, as released


def exemplar_rows(split: dict[str, str], *, n_spots: int) -> dict[str, float]:
    """Whose expression EGGN reads for the exemplars of training spots.

    The table is sorted by the name of the slide. As released, row i of the whole table is read
    where i counts training spots.

    Parameters
    ----------
    split : dict of slide to {"train", "val", "test"}
    n_spots : int
        Of each slide.

    Returns
    -------
    dict
        Shares of training spots in [0, 1]: `another spot`, `not training`, `test`.
    """
    side = np.repeat([split[slide] for slide in sorted(split)], n_spots)
    own = np.flatnonzero(side == "train")
    read = np.arange(len(own))
    return {
        "another spot": float((read != own).mean()),
        "not training": float((side[read] != "train").mean()),
        "test": float((side[read] == "test").mean()),
    }


def reshaped_scores(*, n_spots: int, n_genes: int, seed: int) -> pd.DataFrame:
    """Metrics of one prediction, spots x genes, and of the same in 256 columns, as EGN has it.

    Every gene has a level and every spot a depth; the levels are known, the depths are not. So a
    spot's correlation over genes is exactly 1.

    Returns
    -------
    DataFrame of two rows, "spots x genes" and "256 columns", with the metrics of the release.
    """
    rng = np.random.default_rng(seed)
    level = rng.normal(5, 1, n_genes)
    truth = level + rng.normal(0, 1, (n_spots, 1))
    found = level + rng.normal(0, 1, (n_spots, 1))
    shapes = {"spots x genes": (n_spots, n_genes), "256 columns": (-1, BATCH)}
    rows = {}
    for name, shape in shapes.items():
        y, x = truth.reshape(shape), found.reshape(shape)
        rows[name] = published(y, x, np.ones(y.shape, dtype=bool))
    return pd.DataFrame(rows).T


def dropped(n_spots: int, *, batch: int = BATCH) -> int:
    """Spots that have no prediction when the last incomplete batch is left out."""
    return n_spots % batch


def turned_predictions(*, n_spots: int, seed: int) -> float:
    """Share of spots whose prediction by BLEEP changes when their windows are turned by a quarter.

    As released windows are turned and flipped at random at test time too. The network is untrained:
    what it predicts is the mean of the spots that lie nearest.
    """
    import torch

    from helpers.models.reproducible import reproducible
    from helpers.models.spatial.histology.bleep import BLEEP
    from helpers.models.spatial.histology.fit import remembering
    from helpers.models.spatial.histology.lesson import Memory, Spots, view_of

    rng = np.random.default_rng(seed)
    slides = np.repeat(["one", "two"], n_spots)
    line = np.tile(np.arange(n_spots, dtype=float), 2)
    places = np.column_stack([line, np.zeros_like(line)])
    windows = rng.integers(0, 256, (2 * n_spots, 16, 16, 3), dtype=np.uint8)
    spots = Spots(windows, slides, places, places)
    known, asked = spots.rows(slides == "one"), spots.rows(slides == "two")
    turned = replace(asked, patches=np.rot90(asked.patches, axes=(1, 2)).copy())
    with reproducible(seed), torch.no_grad():
        value = torch.randn(n_spots, 8)
        memory = Memory(view_of(known).key, value, known.slide)
        model = BLEEP(8, 16, torch.zeros(8)).eval()
        rows = torch.arange(n_spots)
        first, second = (
            model.outputs(remembering(model, s, memory), rows) for s in (asked, turned)
        )
    return float((first != second).any(dim=1).float().mean())


def last_batch_choices(*, n_draws: int, seed: int) -> float:
    """How often the last validation batch chooses another checkpoint than all of them together.

    Ten checkpoints get better by a tenth each, over eight batches whose losses scatter by one half.

    Returns
    -------
    float in [0, 1]
    """
    rng = np.random.default_rng(seed)
    loss = 1 - 0.1 * np.arange(10)[:, None] + rng.normal(0, 0.5, (n_draws, 10, 8))
    return float((loss[:, :, -1].argmin(axis=1) != loss.mean(axis=2).argmin(axis=1)).mean())


def edges(*, side: int, n_hops: int) -> dict[str, int]:
    """Spots that the centre of SEPAL's sub-graph is joined to, on a square array.

    Returns
    -------
    dict
        `members`: spots of the sub-graph beside the centre; `lattice`: joined to the centre on the
        array; `released`: in the graph of all pairs within n steps; `element-wise`: where the
        power is taken with `*` of a sparse array.
    """
    from scipy import sparse

    row, column = np.indices((side, side)).reshape(2, -1)
    near = nearest(np.column_stack([column, row]).astype(float), 4)
    pairs = (np.repeat(np.arange(side**2), 4), near.ravel())
    step_ = sparse.csr_array((np.ones(len(pairs[0])), pairs), shape=(side**2, side**2))
    middle = (side**2) // 2
    ends = hops(near, n_hops)[1][middle]
    power, product = step_, step_
    within = step_ > 0
    for _ in range(n_hops - 1):
        power, product = power @ step_, product * step_
        within = within + (power > 0)
    joined = within.toarray()[middle]
    joined[middle] = False
    alone = (product > 0).toarray()[middle]
    return {
        "members": int(ends[-1] - ends[0]),
        "lattice": int((step_ > 0).toarray()[middle].sum()),
        "released": int(joined.sum()),
        "element-wise": int(alone.sum()),
    }


@step
def minimal_examples(*, seed: int) -> pd.DataFrame:
    """Each defect on its smallest example.

    Returns
    -------
    DataFrame
        `defect`, `what is counted`, `as released`, `here`.
    """
    rows_read = exemplar_rows({"a": "test", "b": "train", "c": "train"}, n_spots=100)
    shapes = reshaped_scores(n_spots=256, n_genes=128, seed=seed)
    around = edges(side=9, n_hops=3)
    patch = shapes["PCC-Patch"]
    rows = [
        ("EGGN's exemplars", "training spots that are given another spot's expression, of three "
         "slides with the test slide first by name", rows_read["another spot"], 0.0),
        ("EGGN's exemplars", "... that of a test spot", rows_read["test"], 0.0),
        ("EGN's 256 columns", "correlation over genes of a prediction whose genes are right",
         patch["256 columns"], patch["spots x genes"]),
        ("BLEEP turns at test time", "spots whose prediction is another after a quarter turn",
         turned_predictions(n_spots=60, seed=seed), 0.0),
        ("BLEEP drops a batch", "of 1,355 test spots, those without a prediction",
         float(dropped(1_355)), 0.0),
        ("BLEEP's last batch", "how often it chooses another checkpoint than all batches",
         last_batch_choices(n_draws=2_000, seed=seed), 0.0),
        ("SEPAL's edges", "spots joined to the centre, three steps, square array",
         float(around["released"]), float(around["lattice"])),
        ("SEPAL's edges", "... members that are found, where the power is element-wise",
         float(around["element-wise"]), float(around["members"])),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["defect", "what is counted", "as released", "here"])
