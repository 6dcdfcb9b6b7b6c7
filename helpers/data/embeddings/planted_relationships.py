"""Databases of relationships that a simulated screen makes true."""

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.metrics.embeddings.gene_pairs import unordered_pairs
from helpers.store.steps import step


@step
def planted_relationships(screen, *, n_false: int, seed: int) -> pd.DataFrame:
    """Databases of a simulated screen, from what was planted.

    Parameters
    ----------
    screen : AnnData
        Simulated, with complexes.
    n_false : int
        False pairs a true one in the third database.
    seed : int
        Draws them.

    Returns
    -------
    DataFrame
        `database`: "complexes" holds every pair within a complex; "half of them" what the
        simulator's own database lists, with its false pairs; "with false pairs" every pair within
        a complex and `n_false` times as many pairs of targets of no or other complexes. `gene_a` <
        `gene_b`; `sign`, 1 where two members act alike, -1 where they act in opposite ways, 0 for
        false pairs.

    Raises
    ------
    DataError
        The screen is not simulated, or has no complex.
    """
    truth = screen.uns.get("truth", {})
    if "relationships" not in truth or not truth["relationships"]["same_complex"].any():
        raise DataError(
            f"{screen.uns['dataset']['name']} has no planted relationships: simulate a screen with "
            "n_complexes above 0"
        )
    known = truth["relationships"]
    true = known[known["same_complex"].astype(bool)]
    targets = np.asarray(truth["targets"].index, dtype=object)
    rng = np.random.default_rng(seed)
    i, j = rng.integers(len(targets), size=(2, 20 * n_false * len(true) + 100))
    first, second = unordered_pairs(targets[i], targets[j])
    drawn = pd.MultiIndex.from_arrays([first, second])
    of_complex = pd.MultiIndex.from_frame(true[["gene_a", "gene_b"]])
    drawn = drawn[~drawn.isin(of_complex)][: n_false * len(true)]
    false = pd.DataFrame({"gene_a": drawn.get_level_values(0), "gene_b": drawn.get_level_values(1)})
    listed = known[known["in_database"].astype(bool)]
    parts = {
        "complexes": true,
        "half of them": listed,
        "with false pairs": pd.concat([true, false.assign(sign=0)]),
    }
    columns = ["database", "gene_a", "gene_b", "sign"]
    tables = [table.assign(database=name)[columns] for name, table in parts.items()]
    return pd.concat(tables, ignore_index=True).astype({"sign": int})
