"""From counts to the matrix that is completed and predicted: SpaRED's steps, slide by slide.

Slides are read one at a time, three times over, so that what is held is one slide and the few
genes that are kept, not all slides with all genes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.data.contract import DataError
from helpers.data.spatial.geometry import NEIGHBOURS, by_slide, nearest
from helpers.metrics.spatial.moran import moran

if TYPE_CHECKING:
    from anndata import AnnData

FEWEST, MOST = 10, 1_000_000
"""Counts of a spot, and of a gene, lie between these; neither is allowed."""
SHARE = 0.7
"""Genes are kept, the most widely found first, while this share of their entries is not zero."""


@dataclass(frozen=True)
class Genes:
    """What is known of each gene before any is dropped.

    Parameters
    ----------
    table : DataFrame indexed by gene
        `total` counts; `exp_frac`, the smallest share of a slide's spots that have it;
        `glob_exp_frac`, the share of all spots.
    spots : mapping of slide to ndarray of bool
        Which spots have enough counts and not too many.
    """

    table: pd.DataFrame
    spots: Mapping[str, np.ndarray]


def readers(data: AnnData) -> dict[str, Callable[[], AnnData]]:
    """One function for each slide of a data set in memory, as `curate` takes them."""
    return {
        name: (lambda rows=rows: data[rows]) for name, rows in by_slide(data.obs["slide"]).items()
    }


def count_genes(
    slides: Mapping[str, Callable[[], AnnData]], asked: list[str], *, fewest: int = FEWEST
) -> Genes:
    """Filter spots, and take sums and fractions of genes over the slides that are asked.

    Parameters
    ----------
    slides : mapping of name to function
    asked : list of str
        Slides whose spots count: all, or those to train on. The spots of the others are filtered.
    fewest : int
        A spot needs more counts.

    Raises
    ------
    DataError
        A slide without a spot that has enough counts, or slides of other genes.
    """
    spots, fractions, names = {}, [], None
    total, present, n = 0.0, 0.0, 0
    for name, read in slides.items():
        one = read()
        if names is None:
            names = one.var_names
        elif not names.equals(one.var_names):
            raise DataError(f"slide {name} has other genes than the first one: join the slides")
        sums = np.asarray(one.X.sum(axis=1)).ravel()
        spots[name] = (sums > fewest) & (sums < MOST)
        if not spots[name].any():
            raise DataError(
                f"slide {name}: none of {one.n_obs} spots has more than {fewest} and fewer than "
                f"{MOST:,} counts; leave the slide out"
            )
        if name not in asked:
            continue
        X = one.X[spots[name]]
        total = total + np.asarray(X.sum(axis=0)).ravel()
        found = np.asarray((X > 0).sum(axis=0)).ravel()
        fractions.append(found / X.shape[0])
        present = present + found
        n += X.shape[0]
    if not fractions:
        raise DataError("no slide is asked for the statistics of genes")
    table = pd.DataFrame(
        {"total": total, "exp_frac": np.min(fractions, axis=0), "glob_exp_frac": present / n},
        index=names,
    )
    return Genes(table, spots)


def running_mean_rule(table: pd.DataFrame, *, share: float = SHARE) -> list[str]:
    """Genes kept by the rule of the running mean.

    Sorted by the smallest share of a slide's spots that have a gene, genes are kept up to the
    *last* one at which the mean share of all spots is still `share`. What is kept has on average
    that share of entries above zero, however many genes that takes.

    Parameters
    ----------
    table : DataFrame
        Of `Genes`; genes with too few or too many counts are left out first.
    share : float

    Returns
    -------
    list of str, the most widely found first

    Raises
    ------
    DataError
        Nothing is kept.
    """
    rich = table[(table["total"] > FEWEST) & (table["total"] < MOST)]
    ranked = rich.sort_values("exp_frac", ascending=False, kind="stable")
    mean = ranked["glob_exp_frac"].expanding().mean().to_numpy()
    above = np.flatnonzero(mean >= share)
    if not len(above):
        most = mean.max() if len(mean) else 0
        raise DataError(
            f"no gene is kept: the most widely found ones are in {most:.0%} of the spots, and the "
            f"rule asks for {share:.0%}"
        )
    return ranked.index[: above[-1] + 1].tolist()


def normalised(counts, lengths=None) -> np.ndarray:
    """log2 of counts per million plus one; with lengths, of transcripts per million.

    Parameters
    ----------
    counts : array of shape (n_spots, n_genes)
    lengths : array of shape (n_genes,), optional
        Bases.

    Returns
    -------
    ndarray of float32
        A spot without counts is zero.
    """
    x = np.asarray(counts.toarray() if sparse.issparse(counts) else counts, dtype=np.float32)
    if lengths is not None:
        x = x / np.asarray(lengths, dtype=np.float32)
    total = x.sum(axis=1, keepdims=True)
    return np.log2(1e6 * x / np.where(total > 0, total, 1) + 1, dtype=np.float32)


def with_lengths(genes: list[str], lengths: pd.Series) -> list[str]:
    """Genes that have a length, in their order.

    Raises
    ------
    DataError
        None has, or one is not above zero.
    """
    kept = [gene for gene in genes if gene in lengths.index]
    if not kept:
        raise DataError(
            f"none of {len(genes)} genes has a length, such as {genes[0]}: lengths go by Ensembl "
            f"identifier without version, such as {lengths.index[0]}; normalise without them"
        )
    if bad := [gene for gene in kept if not 0 < lengths[gene] < np.inf]:
        raise DataError(f"the length of {bad[0]} is {lengths[bad[0]]}; lengths are above 0 bases")
    return kept


def neighbours_of(one: AnnData) -> np.ndarray:
    """The 6 or 4 nearest spots of each spot of one slide."""
    (name,) = one.obs["slide"].astype(str).unique()
    if "spatial" not in one.obsm:
        raise DataError(f"slide {name} has no coordinates: obsm['spatial'] is x and y in pixels")
    k = NEIGHBOURS[one.uns["slides"][name]["geometry"]]
    if one.n_obs <= k:
        raise DataError(f"slide {name} has {one.n_obs} spots, too few for {k} neighbours of each")
    return nearest(one.obsm["spatial"], k)


def moran_by_slide(
    slides: Mapping[str, Callable[[], AnnData]], genes: Genes, kept: list[str], complete, lengths
) -> pd.DataFrame:
    """Moran's I of completed genes, a slide a column."""
    found = {}
    for name, read in slides.items():
        one, values = _values(read(), genes.spots[name], kept, lengths)
        around = neighbours_of(one)
        found[name] = moran(complete(values, around), around)
    return pd.DataFrame(found, index=kept)


def _values(one: AnnData, spots, kept: list[str], lengths) -> tuple[AnnData, np.ndarray]:
    """The spots of a slide that have counts of kept genes, and their normalised values."""
    one = one[spots, kept]
    some = np.asarray(one.X.sum(axis=1)).ravel() > 0
    one = one[some]
    return one, normalised(one.X, None if lengths is None else lengths.loc[kept])


def gather(
    slides: Mapping[str, Callable[[], AnnData]],
    genes: Genes,
    kept: list[str],
    top: list[str],
    lengths,
) -> AnnData:
    """The slides one under the other, with the chosen genes; normalised over all kept ones.

    Returns
    -------
    AnnData
        `obs["kept_counts"]`: counts of a spot over all kept genes. `X` and `layers["counts"]`
        counts, `layers["log1p"]` normalised values, `layers["mask"]`
        True where a count is not zero. Images are left behind.
    """
    import anndata

    parts, about = [], {}
    for name, read in slides.items():
        source = read()
        one, values = _values(source, genes.spots[name], kept, lengths)
        at = [kept.index(gene) for gene in top]
        part = one[:, top].copy()
        if sparse.issparse(part.X):
            part.X = part.X.toarray()
        part.layers["counts"] = part.X.copy()
        part.layers["log1p"] = np.ascontiguousarray(values[:, at])
        part.layers["mask"] = part.layers["counts"] > 0
        part.obs["kept_counts"] = np.asarray(one.X.sum(axis=1)).ravel().astype(float)
        if "rate" in one.layers:
            rate = np.asarray(one.layers["rate"])
            part.layers["latent"] = normalised(
                rate, None if lengths is None else lengths.loc[kept]
            )[:, at]
            del part.layers["rate"]
        facts = source.uns["slides"][name]
        about[name] = {k: v for k, v in facts.items() if not k.startswith("image")}
        parts.append(part)
    data = anndata.concat(parts, merge="same")
    for column in ("slide", "patient", "split", "label"):
        if column in data.obs:
            data.obs[column] = pd.Categorical(data.obs[column].astype(str))
    data.uns["slides"] = about
    data.uns["scale"] = {"kind": "counts", "target_sum": None}
    return data
