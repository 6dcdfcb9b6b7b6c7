"""Curation: from counts to the matrix that is completed, as published and as revised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.spatial import curation as steps
from helpers.data.spatial.splits import check_splits
from helpers.models.spatial.adaptive_median import adaptive_median
from helpers.models.spatial.combat import combat
from helpers.store.steps import step
from helpers.tasks.protocol import Protocol, chosen

if TYPE_CHECKING:
    from anndata import AnnData

N_HOPS = 4


@dataclass(frozen=True, kw_only=True)
class Curation(Protocol):
    """Choices of curation.

    Parameters
    ----------
    statistics : {"all", "train"}
        Slides from which genes are chosen.
    by_length : bool
        Divide counts by the length of the gene (TPM), or not (counts per million).
    batch : {"slide", "patient", ""}
        What ComBat makes alike, over all sides of the split; "": nothing.
    """

    statistics: str
    by_length: bool
    batch: str


PROTOCOLS = {
    p.name: p
    for p in (
        Curation(
            name="published",
            source="BCV-Uniandes/SpaRED 3ca900f, layer_operations.py and filtering.py",
            statistics="all",
            by_length=True,
            batch="slide",
        ),
        Curation(name="revised", source="this book", statistics="train", by_length=False, batch=""),
    )
}


def curate(
    slides: Mapping,
    splits: Mapping[str, str],
    *,
    statistics: str,
    batch: str,
    lengths: pd.Series | None = None,
    n_keep: int = 0,
    by: str = "moran",
    fewest: int = steps.FEWEST,
    share: float = steps.SHARE,
) -> AnnData:
    """All steps of curation.

    Parameters
    ----------
    slides : mapping of name to function
        Each returns the AnnData of one slide; see `helpers.data.spatial.curation.readers`.
    splits : mapping of slide to "train", "val" or "test"
    statistics, batch : str
        See `Curation`.
    lengths : Series, optional
        Bases by gene; default: counts per million.
    n_keep : int
        Genes kept; 0: 128 where more than 320 are left, else 32, as published.
    by : {"moran", "counts"}
        Which genes these are: the smoothest, as published, or the most counted.
    fewest : int
        A spot has more counts.
    share : float
        Of the rule of the running mean.

    Returns
    -------
    AnnData
        Counts of the kept genes, and `layers`: counts, mask (True: measured), log1p (log2 of
        millionths plus one), d_log1p (completed by the adaptive median); with a batch c_log1p and
        c_d_log1p; of each its `deltas` to the mean of training spots, and of the completed ones
        `noisy_...`, where what was not measured is zero, or minus the mean. `latent`, if `rate` is
        known. `var`: what is known of genes. `uns["curation"]`: what each step leaves.

    Raises
    ------
    DataError
        Slides without a side, no training slide, and what the steps refuse.
    """
    splits = check_splits(list(slides), splits)
    asked = [s for s in slides if statistics == "all" or splits[s] == "train"]
    genes = steps.count_genes(slides, asked, fewest=fewest)
    kept = steps.running_mean_rule(genes.table, share=share)
    ruled = len(kept)
    if lengths is not None:
        kept = steps.with_lengths(kept, lengths)

    def complete(values, around):
        return adaptive_median(values, around, n_hops=N_HOPS)

    measured = {name: slides[name] for name in asked}
    by_slide = steps.moran_by_slide(measured, genes, kept, complete, lengths)
    if by not in ("moran", "counts"):
        raise DataError(f"by is {by!r}; genes are kept by moran or counts")
    ranked = by_slide.mean(axis=1) if by == "moran" else genes.table["total"].loc[kept]
    top = best_genes(ranked, n_keep)
    data = steps.gather(slides, genes, kept, top, lengths)
    data.obs["split"] = pd.Categorical(data.obs["slide"].astype(str).map(splits))
    facts = genes.table.loc[top].assign(moran=by_slide.mean(axis=1)[top])
    data.var[list(facts)] = facts
    data.uns["curation"] = _left(genes, kept, top, ruled, data)
    return with_layers(data, batch)


def with_layers(data: AnnData, batch: str) -> AnnData:
    """Add completed, corrected, centred and noisy layers to the gathered slides."""
    filled = np.empty(data.shape, dtype=np.float32)
    for rows in steps.by_slide(data.obs["slide"]).values():
        one = data[rows]
        values = np.asarray(one.layers["log1p"])
        filled[rows] = adaptive_median(values, steps.neighbours_of(one), n_hops=N_HOPS)
    data.layers["d_log1p"] = filled
    if batch:
        for name in ("log1p", "d_log1p"):
            corrected = combat(data.layers[name], data.obs[batch]).astype(np.float32)
            data.layers[f"c_{name}"] = corrected
    train = (data.obs["split"] == "train").to_numpy()
    mask = np.asarray(data.layers["mask"])
    for name in [n for n in data.layers if n.endswith("log1p")]:
        mean = np.asarray(data.layers[name])[train].mean(axis=0)
        data.var[f"{name}_avg_exp"] = mean
        delta = name.replace("log1p", "deltas")
        data.layers[delta] = np.asarray(data.layers[name]) - mean
        if name.endswith("d_log1p"):
            data.layers[f"noisy_{name}"] = np.where(mask, data.layers[name], 0)
            data.layers[f"noisy_{delta}"] = np.where(mask, data.layers[delta], -mean)
    return data


def best_genes(value: pd.Series, n_keep: int) -> list[str]:
    """Names of the genes with the highest value, such as the mean Moran's I, the best first.

    Raises
    ------
    DataError
        No gene varies.
    """
    if n_keep <= 0:
        n_keep = 128 if len(value) > 320 else 32
    ranked = value.dropna().sort_values(ascending=False, kind="stable")
    if ranked.empty:
        raise DataError("no gene varies between the spots of a slide")
    return ranked.index[:n_keep].tolist()


def _left(genes, kept: list[str], top: list[str], ruled: int, data: AnnData) -> dict:
    """What each step leaves, as columns."""
    table = genes.table
    rich = table[(table["total"] > steps.FEWEST) & (table["total"] < steps.MOST)]
    found = table["glob_exp_frac"]
    read = sum(len(rows) for rows in genes.spots.values())
    spots = sum(int(rows.sum()) for rows in genes.spots.values())
    rows = [
        ("as read", read, len(table), 1 - found.mean()),
        ("spots by their counts", spots, len(table), 1 - found.mean()),
        ("genes by their counts", spots, len(rich), 1 - found[rich.index].mean()),
    ]
    ruled_names = steps.running_mean_rule(table)[:ruled] if len(kept) < ruled else kept
    rows.append(("running mean", spots, ruled, 1 - found[ruled_names].mean()))
    if len(kept) < ruled:
        rows.append(("genes with a length", spots, len(kept), 1 - found[kept].mean()))
    rows.append(("Moran's I", data.n_obs, len(top), 1 - found[top].mean()))
    columns = list(zip(*rows, strict=True))
    return {
        "step": np.array(columns[0], dtype=object),
        "spots": np.array(columns[1]),
        "genes": np.array(columns[2]),
        "not measured": np.array(columns[3], dtype=float),
    }


def steps_table(data: AnnData) -> pd.DataFrame:
    """What each step of curation left: `step`, `spots`, `genes`, `not measured` (a share)."""
    table = pd.DataFrame({k: np.asarray(v) for k, v in data.uns["curation"].items()})
    return table[["step", "spots", "genes", "not measured"]]


@step
def curated(
    data,
    *,
    protocol: str,
    splits: dict | None = None,
    lengths=None,
    n_keep: int = 0,
    by: str = "moran",
    batch: str | None = None,
) -> AnnData:
    """A data set, curated by a protocol; see `curate`.

    Parameters
    ----------
    data : AnnData
        Of `helpers.data.spatial.contract`.
    protocol : str
        Of `PROTOCOLS`.
    splits : dict, optional
        Side of each slide; slides that it does not name are left out. Default: `obs["split"]`.
    lengths : DataFrame, optional
        Of `gene_lengths_spared`; a simulation knows its own.
    n_keep, by
        See `curate`.
    batch : str, optional
        Instead of the protocol's.

    Raises
    ------
    DataError
        The protocol divides by lengths, and none are given.
    """
    rules = chosen(PROTOCOLS, protocol)
    if splits is None:
        if "split" not in data.obs:
            raise DataError("the slides have no sides: pass splits, or state obs['split']")
        own = data.obs.drop_duplicates("slide")
        splits = dict(zip(own["slide"].astype(str), own["split"].astype(str), strict=True))
    named = {k: v for k, v in steps.readers(data).items() if k in splits}
    by_gene = None
    if rules.by_length:
        by_gene = lengths_of(data, lengths)
    return curate(
        named,
        splits,
        statistics=rules.statistics,
        batch=rules.batch if batch is None else batch,
        lengths=by_gene,
        n_keep=n_keep,
        by=by,
    )


def lengths_of(data, lengths: pd.DataFrame | None) -> pd.Series:
    """Lengths by gene: those that a simulation planted, or of the organism of the data.

    Raises
    ------
    DataError
        There are none.
    """
    if "length" in data.var:
        return data.var["length"]
    if lengths is None or "organism" not in data.uns:
        raise DataError("transcripts per million need lengths of genes and uns['organism']")
    table = lengths[lengths["organism"] == str(data.uns["organism"])]
    return table.set_index("gene")["length"]
