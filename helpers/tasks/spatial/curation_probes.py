"""What single steps of curation do: genes a section keeps, what the filter makes of nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.data.spatial import curation as steps
from helpers.metrics.spatial.moran import moran
from helpers.models.spatial.adaptive_median import adaptive_median
from helpers.store.steps import step
from helpers.tasks.spatial.curation import N_HOPS, lengths_of


@step
def by_section(data, *, share: float = steps.SHARE) -> pd.DataFrame:
    """What the rule of the running mean keeps of each slide alone, each patient, and of all.

    Returns
    -------
    DataFrame
        `level` (slide, patient, all), `name`, `patient` ("" of all), `spots`, `genes`,
        `not measured` before the rule. `genes` is 0 where not one gene is found widely enough.
    """
    slides = steps.readers(data)
    owner = data.obs.drop_duplicates("slide").set_index("slide")["patient"].astype(str)
    groups = [("slide", name, owner[name], [name]) for name in slides]
    for patient in dict.fromkeys(owner):
        own = [str(s) for s in owner.index[owner == patient]]
        if 1 < len(own) < len(slides):
            groups.append(("patient", patient, patient, own))
    groups.append(("all", "all slides", "", list(slides)))
    rows = []
    for level, name, patient, names in groups:
        part = {s: slides[s] for s in names}
        genes = steps.count_genes(part, names)
        mean = genes.table["glob_exp_frac"]
        enough = mean[genes.table["total"] > steps.FEWEST].max() >= share
        kept = steps.running_mean_rule(genes.table, share=share) if enough else []
        n_spots = sum(int(genes.spots[s].sum()) for s in names)
        rows.append((level, name, patient, n_spots, len(kept), 1 - mean.mean()))
    columns = ["level", "name", "patient", "spots", "genes", "not measured"]
    return pd.DataFrame(rows, columns=columns)


@step
def other_slides(data, *, k: int = 18) -> pd.DataFrame:
    """Share of a spot's nearest spots that lie on another slide, if slides are not told apart.

    Returns
    -------
    DataFrame, one row a slide
        `slide`, `share` in [0, 1].
    """
    from scipy.spatial import cKDTree

    places = np.asarray(data.obsm["spatial"], dtype=float)
    slides = data.obs["slide"].astype(str).to_numpy()
    found = cKDTree(places).query(places, k=k + 1)[1]
    own = found == np.arange(len(places))[:, None]
    foreign = (slides[found] != slides[:, None]) & ~own
    share = foreign.sum(axis=1) / (k + 1 - own.sum(axis=1))
    table = pd.DataFrame({"slide": slides, "share": share})
    return table.groupby("slide", sort=False)["share"].mean().reset_index()


@step
def length_bias(data, lengths=None) -> pd.DataFrame:
    """How genes rank with and without division by their lengths.

    Returns
    -------
    DataFrame, one row a gene
        `gene`, `length`, `counts` (sum), `rank by counts`, `rank by length` (of TPM); only genes
        that have a length and counts.
    """
    by_gene = lengths_of(data, lengths)
    total = pd.Series(np.asarray(data.X.sum(axis=0)).ravel(), index=data.var_names)
    table = pd.DataFrame({"length": by_gene, "counts": total}).dropna()
    table = table[table["counts"] > 0]
    table["rank by counts"] = table["counts"].rank(ascending=False)
    table["rank by length"] = (table["counts"] / table["length"]).rank(ascending=False)
    return table.rename_axis("gene").reset_index()


@step
def moran_scores(data, *, shuffle_seed: int = 0) -> pd.DataFrame:
    """Moran's I of each kept gene, before and after the median, and of shuffled spots.

    Parameters
    ----------
    data : AnnData
        Curated.
    shuffle_seed : int
        The values of each gene are dealt out among the spots of a slide anew, zeros included, and
        completed by the same median: what it makes of nothing.

    Returns
    -------
    DataFrame
        `gene`, `layer` (normalised, completed, "shuffled, normalised", "shuffled, completed", and
        "latent truth" where it is known), `moran` (mean over slides).
    """
    rng = np.random.default_rng(shuffle_seed)
    found: dict[str, list] = {}
    for rows in steps.by_slide(data.obs["slide"]).values():
        one = data[rows]
        around = steps.neighbours_of(one)
        values = np.asarray(one.layers["log1p"])
        layers = {"normalised": values, "completed": np.asarray(one.layers["d_log1p"])}
        mixed = rng.permuted(values, axis=0)
        layers["shuffled, normalised"] = mixed
        layers["shuffled, completed"] = adaptive_median(mixed, around, n_hops=N_HOPS)
        if "latent" in one.layers:
            layers["latent truth"] = np.asarray(one.layers["latent"])
        for name, matrix in layers.items():
            found.setdefault(name, []).append(moran(matrix, around))
    return pd.concat(
        pd.DataFrame(
            {"gene": data.var_names.astype(str), "layer": name, "moran": np.mean(each, axis=0)}
        )
        for name, each in found.items()
    ).reset_index(drop=True)


@step
def batch_offset(data) -> pd.DataFrame:
    """How far apart slides are before ComBat, after it, and after it on completed values.

    Parameters
    ----------
    data : AnnData
        Curated with a batch.

    Returns
    -------
    DataFrame
        `layer` (log1p, c_log1p, c_d_log1p), `spread`: standard deviation between the slides'
        means of measured entries, averaged over genes.
    """
    mask = np.asarray(data.layers["mask"])
    rows = []
    for layer in ("log1p", "c_log1p", "c_d_log1p"):
        means = [
            np.where(mask[own], np.asarray(data.layers[layer])[own], 0).sum(axis=0)
            / np.maximum(mask[own].sum(axis=0), 1)
            for own in steps.by_slide(data.obs["slide"]).values()
        ]
        rows.append((layer, float(np.std(means, axis=0).mean())))
    return pd.DataFrame(rows, columns=["layer", "spread"])
