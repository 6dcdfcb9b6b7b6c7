"""Over-representation of gene sets in a list of genes, computed here and asked of no server."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, hypergeom


def over_represented(
    genes: Iterable[str],
    universe: Iterable[str],
    sets: Mapping[str, Iterable[str]],
    *,
    least: int = 5,
) -> pd.DataFrame:
    """Hypergeometric test of each set, adjusted over the sets that are tested.

    Parameters
    ----------
    genes : iterable of str
        The list, part of the universe.
    universe : iterable of str
        Genes that could have been listed. Without it every set of measured genes is enriched.
    sets : mapping of name to genes
    least : int
        Genes of a set that are in the universe; smaller sets are not tested.

    Returns
    -------
    DataFrame indexed by set, the smallest p first
        `overlap`, `size` (in the universe), `fold` (over what chance gives), `p_value` (at least
        this overlap), `q_value` (Benjamini-Hochberg).

    Raises
    ------
    ValueError
        An empty list, or genes that are not of the universe.
    """
    listed, known = set(genes), set(universe)
    if not listed or (outside := sorted(listed - known)):
        what = f"{len(outside)} genes are not of the universe" if listed else "there is no gene"
        raise ValueError(f"{what}: list genes that could have been chosen")
    rows = {}
    for name, members in sets.items():
        own = known & set(members)
        if len(own) >= least:
            overlap = len(own & listed)
            p = hypergeom.sf(overlap - 1, len(known), len(own), len(listed))
            rows[name] = [overlap, len(own), overlap / (len(own) * len(listed) / len(known)), p]
    found = pd.DataFrame.from_dict(
        rows, orient="index", columns=["overlap", "size", "fold", "p_value"]
    )
    q = false_discovery_control(np.minimum(found["p_value"], 1)) if len(found) else []
    return found.assign(q_value=q).sort_values(["p_value", "overlap"], ascending=[True, False])
