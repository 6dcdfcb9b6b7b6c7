"""One ridge on the stained image under several protocols, splits and ways of choosing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.data.errors import DataError
from helpers.data.spatial.geometry import by_slide, nearest_within
from helpers.data.spatial.patches import imaged, nuclei, standardised
from helpers.metrics.spatial.histology import error_parts, scored_correlations
from helpers.models.spatial.histology import ridge
from helpers.store.steps import step
from helpers.tasks.protocol import Protocol, chosen

SCALES = ("CP10k", "log counts", "Pearson residuals", "rank on the slide")
SPLITS = ("spots", "sections", "patients")
N_PARTS = 5  # of a split by spots
_AROUND = 8  # neighbours over which the truth is smoothed
_THETA = 100.0  # of Pearson residuals: what scanpy takes


@dataclass(frozen=True, kw_only=True)
class Scoring(Protocol):
    """Choices that turn one model into several numbers.

    Parameters
    ----------
    scale : str
        Of `SCALES`; what is predicted.
    smoothed : bool
        Counts are averaged with their neighbours, in training and in the truth.
    genes : {"train", "best on test"}
        The most counted genes of the training slides; or of these a quarter, at most fifty, with
        the highest correlation on the test slide.
    pooled : bool
        One correlation over the spots of all test slides, or one a slide.
    constant : bool
        What is predicted is the truth's own mean of each slide: nothing within a slide.
    """

    scale: str = "CP10k"
    smoothed: bool = False
    genes: str = "train"
    pooled: bool = False
    constant: bool = False


PROTOCOLS = {
    p.name: p
    for p in (
        Scoring(name="revised", source="this book"),
        Scoring(name="log of raw counts", source="mahmoodlab/HEST afd42c3", scale="log counts"),
        Scoring(name="smoothed truth", source="MERGE, b643cf4", smoothed=True),
        Scoring(name="best genes on test", source="TRIPLEX, 4750051", genes="best on test"),
        Scoring(name="pooled", source="mahmoodlab/HEST afd42c3", pooled=True),
        Scoring(name="slide constant, pooled", source="this book", pooled=True, constant=True),
        Scoring(
            name="raw counts, smoothed, best genes",
            source="this book",
            scale="log counts",
            smoothed=True,
            genes="best on test",
        ),
    )
}
"""The first is ours; each of the others departs from it in what its name says."""


def rescaled(counts, total, slides, scale: str) -> np.ndarray:
    """Counts on a scale of `SCALES`, spots x genes.

    Parameters
    ----------
    counts : array of shape (n_spots, n_genes)
    total : array of shape (n_spots,)
        Counts of each spot, over all its genes.
    slides : array of str
    scale : str

    Raises
    ------
    DataError
        Another scale.
    """
    from scipy.stats import rankdata

    counts, total = np.asarray(counts, dtype=float), np.asarray(total, dtype=float)[:, None]
    if scale == "log counts":
        return np.log1p(counts)
    share = counts / np.maximum(total, 1)
    if scale == "CP10k":
        return np.log1p(1e4 * share)
    out = np.empty_like(counts)
    for rows in by_slide(slides).values():
        if scale == "rank on the slide":
            out[rows] = rankdata(share[rows], axis=0) / len(rows)
        elif scale == "Pearson residuals":
            mean = total[rows] * (counts[rows].sum(axis=0) / max(total[rows].sum(), 1))
            spread = np.sqrt(mean + mean**2 / _THETA)
            found = (counts[rows] - mean) / np.where(spread > 0, spread, 1)
            out[rows] = np.clip(found, -np.sqrt(len(rows)), np.sqrt(len(rows)))
        else:
            raise DataError(f"no scale {scale!r}; there are {', '.join(SCALES)}")
    return out


def guard(obs: pd.DataFrame, train, test, *, split: str, pretrained=()) -> None:
    """Refuse a split in which what is tested was seen.

    Parameters
    ----------
    obs : DataFrame
        Of each spot, `slide` and `patient`.
    train, test : arrays of bool, of spots
    split : {"spots", "sections", "patients"}
        What is claimed to be apart.
    pretrained : iterable of str
        Patients whose slides a backbone has seen in pre-training.

    Raises
    ------
    DataError
        No patient is given, a slide or a patient is on both sides, spots are, or a patient of the
        test was seen in pre-training.
    """
    if split not in SPLITS:
        raise DataError(f"split is {split!r}; it is one of {', '.join(SPLITS)}")
    if "patient" not in obs or obs["patient"].isna().any():
        raise DataError("obs has no patient for every spot: no split can be judged without")
    if (both := np.asarray(train) & np.asarray(test)).any():
        raise DataError(f"{int(both.sum())} spots train and are tested")
    columns = {"spots": (), "sections": ("slide",), "patients": ("slide", "patient")}[split]
    for column in columns:
        sides = [set(obs.loc[rows, column].astype(str)) for rows in (train, test)]
        if shared := sorted(sides[0] & sides[1]):
            raise DataError(
                f"{column} {', '.join(shared)} of the test was seen in training: this is no split "
                f"by {split}"
            )
    seen = sorted(set(map(str, pretrained)) & set(obs.loc[test, "patient"].astype(str)))
    if seen:
        raise DataError(f"{', '.join(seen)} of the test was seen in pre-training")


def folds(obs: pd.DataFrame, split: str, *, seed: int) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Name, training spots and test spots of each fold of a split; guarded.

    Raises
    ------
    DataError
        Nothing is left to train on.
    """
    if "patient" not in obs or obs["patient"].isna().any():
        raise DataError("obs has no patient for every spot: no split can be judged without")
    if split == "spots":
        part = np.random.default_rng(seed).permutation(len(obs)) % N_PARTS
        names = np.array([f"part {i + 1}" for i in part])
    else:
        column = {"sections": "slide", "patients": "patient"}[split]
        names = obs[column].astype(str).to_numpy()
    found = []
    for name in dict.fromkeys(names.tolist()):
        test = names == name
        if test.all():
            raise DataError(f"nothing is left to train on where {name} is held out")
        guard(obs, ~test, test, split=split)
        found.append((name, ~test, test))
    return found


@dataclass(frozen=True)
class Scene:
    """What a fold works on: features, counts of all genes, totals, slides, places, patients."""

    x: np.ndarray
    counts: np.ndarray
    total: np.ndarray
    slide: np.ndarray
    places: np.ndarray
    obs: pd.DataFrame

    def target(self, genes, how: Scoring) -> np.ndarray:
        """Values of chosen genes on the scale of a protocol."""
        values = rescaled(self.counts[:, genes], self.total, self.slide, how.scale)
        if not how.smoothed:
            return values
        around = nearest_within(self.places, self.slide, _AROUND)
        total = values.copy()
        for column in around.T:
            total += values[column]
        return total / (_AROUND + 1)

    def most_counted(self, rows, n: int) -> np.ndarray:
        """Columns of the genes with most counts in some spots."""
        total = self.counts[rows].sum(axis=0)
        return np.argsort(-total, kind="stable")[: min(n, int((total > 0).sum()))]


def scene(data, features) -> Scene:
    """Tables of the slides that have an image, with features standardised on each slide."""
    from scipy import sparse

    data = imaged(data)
    counts = data.X.toarray() if sparse.issparse(data.X) else np.asarray(data.X)
    slide = data.obs["slide"].astype(str).to_numpy()
    return Scene(
        x=standardised(features, slide),
        counts=counts,
        total=data.obs["total_counts"].to_numpy(float),
        slide=slide,
        places=np.asarray(data.obsm["spatial"], dtype=float),
        obs=data.obs[["slide", "patient"]].astype(str).reset_index(drop=True),
    )


def predicted(found: Scene, train, test, genes, how: Scoring) -> tuple[np.ndarray, np.ndarray]:
    """Truth and prediction of the test spots; the penalty is chosen on training slides."""
    y = found.target(genes, how)
    if how.constant:
        own = np.empty_like(y)
        for rows in by_slide(found.slide).values():
            own[rows] = y[rows].mean(axis=0)
        return y[test], own[test]
    x, groups = found.x[train], found.slide[train]
    alpha = ridge.chosen(x, y[train], groups)
    return y[test], ridge.fit(x, y[train], alpha=alpha).predict(found.x[test])


@step
def scored(
    data, features, *, protocol: str, split: str, n_genes: int, seed: int = 0
) -> pd.DataFrame:
    """Scores of the ridge under one protocol and split, a slide or a pool a unit.

    Parameters
    ----------
    data : AnnData
        Counts with images.
    features : array
        Of `helpers.data.spatial.patches.stain_features`.
    protocol : str
        Of `PROTOCOLS`.
    split : str
        Of `SPLITS`.
    n_genes : int
    seed : int
        Of the split by spots.

    Returns
    -------
    DataFrame
        `fold`, `slide` ("all slides" where pooled), `patient`, `expression_pearson` (mean over
        genes), `n_genes` (scored), `n_nan` (genes that cannot be asked), `expression_mse`,
        `offset`, `pattern` (its two parts).
    """
    how = chosen(PROTOCOLS, protocol)
    found = scene(data, features)
    parts = folds(found.obs, split, seed=seed)
    if how.pooled:
        return _pooled(found, parts, n_genes, how)
    rows = []
    for name, train, test in parts:
        genes = found.most_counted(train, n_genes)
        truth, guess = predicted(found, train, test, genes, how)
        for slide, own in by_slide(found.slide[test]).items():
            owner = found.obs.loc[found.slide == slide, "patient"].iloc[0]
            rows.append(
                {"fold": name, "slide": slide, "patient": owner}
                | _score(truth[own], guess[own], best=how.genes == "best on test")
            )
    return pd.DataFrame(rows)


def _pooled(found: Scene, parts, n_genes: int, how: Scoring) -> pd.DataFrame:
    """One score over the test spots of all folds; genes are then those of all slides."""
    genes = found.most_counted(slice(None), n_genes)
    truth = np.empty((len(found.slide), len(genes)))
    guess = np.empty_like(truth)
    for _, train, test in parts:
        truth[test], guess[test] = predicted(found, train, test, genes, how)
    row = {"fold": "all", "slide": "all slides", "patient": "all"}
    return pd.DataFrame([row | _score(truth, guess)])


def _score(truth, guess, *, best: bool = False, n_best: int = 50) -> dict:
    whole = np.ones(truth.shape, dtype=bool)
    r = scored_correlations(truth, guess, whole)
    known = np.sort(r[np.isfinite(r)])[::-1]
    known = known[: min(n_best, max(1, len(known) // 4))] if best else known
    parts = error_parts(truth, guess, whole)
    return {
        "expression_pearson": float(known.mean()) if len(known) else np.nan,
        "n_genes": len(known),
        "n_nan": int(np.isnan(r).sum()),
        "expression_mse": parts["mse"],
        "offset": parts["offset"],
        "pattern": parts["pattern"],
    }


@step
def selection(data, features: list, *, split: str, n_genes: int) -> pd.DataFrame:
    """What is gained when settings, or genes, are chosen on the slides that are scored.

    Settings are the window of the image, whether features are standardised on each slide, and the
    penalty. Inner folds leave one training slide out and take the smallest error; the test fold
    takes the highest correlation, as is done where the validation slide is the test slide.

    Parameters
    ----------
    data : AnnData
    features : list of arrays
        Of windows of several widths.
    split : {"sections", "patients"}
    n_genes : int

    Returns
    -------
    DataFrame
        `slide`, `patient`, `what` (settings, genes), `inner`, `test`: the correlation with each
        way of choosing.
    """
    base = scene(data, features[0])
    how = PROTOCOLS["revised"]
    raw = [np.asarray(f, dtype=float) for f in features]
    raw = [(f - f.mean(axis=0)) / f.std(axis=0) for f in raw]  # of all spots: one scale
    inputs = [standardised(f, base.slide) for f in features] + raw
    rows = []
    for _, train, test in folds(base.obs, split, seed=0):
        genes = base.most_counted(train, n_genes)
        y, slide = base.target(genes, how), base.slide[train]
        inner = [ridge.inner_error(x[train], y[train], slide) for x in inputs]
        fitted = [[ridge.fit(x[train], y[train], alpha=a) for a in ridge.ALPHAS] for x in inputs]
        best = np.unravel_index(np.argmin(inner), np.shape(inner))
        ranked = _inner_genes(inputs[best[0]][train], y[train], slide, ridge.ALPHAS[best[1]])
        few = max(1, min(50, len(genes) // 4))
        for name in dict.fromkeys(base.slide[test].tolist()):
            own = test & (base.slide == name)
            whole = np.ones((int(own.sum()), len(genes)), dtype=bool)
            r = np.array(
                [
                    [scored_correlations(y[own], f.predict(x[own]), whole) for f in many]
                    for many, x in zip(fitted, inputs, strict=True)
                ]
            )
            every = np.nanmean(r, axis=2)
            mine = r[best]
            top = np.sort(mine[np.isfinite(mine)])[::-1][:few]
            owner = base.obs.loc[own, "patient"].iloc[0]
            for what, inner_way, test_way in (
                ("settings", every[best], every.max()),
                ("genes", np.nanmean(mine[ranked[:few]]), top.mean()),
            ):
                rows.append((name, owner, what, float(inner_way), float(test_way)))
    return pd.DataFrame(rows, columns=["slide", "patient", "what", "inner", "test"])


def _inner_genes(x, y, slides, alpha: float) -> np.ndarray:
    """Genes by their mean correlation on training slides that are left out, the best first."""
    names = list(dict.fromkeys(slides.tolist()))
    if len(names) == 1:
        raise DataError("genes are chosen on a training slide that is left out: 2 are needed")
    total, times = np.zeros((2, y.shape[1]))
    for name in names:
        out = slides == name
        guess = ridge.fit(x[~out], y[~out], alpha=alpha).predict(x[out])
        r = scored_correlations(y[out], guess, np.ones(y[out].shape, dtype=bool))
        scored = np.isfinite(r)
        total[scored] += r[scored]
        times += scored
    # a gene that no slide can score comes last, and one that few can is not the worse for it
    mean = np.divide(total, times, out=np.full_like(total, -np.inf), where=times > 0)
    return np.argsort(-mean, kind="stable")


@step
def by_gene(data, features, *, scale: str, n_genes: int) -> pd.DataFrame:
    """How well each gene is predicted on a scale, and how closely it follows nuclei and depth.

    Returns
    -------
    DataFrame
        `gene`, `pearson` (of the prediction), `nuclei`, `depth` (correlation of the gene's value
        with the haematoxylin of the window, and with the logarithm of the spot's counts): means
        over slides that are held out in turn.
    """
    found = scene(data, features)
    how = Scoring(name=scale, source="this book", scale=scale)
    genes = found.most_counted(slice(None), n_genes)
    y = found.target(genes, how)
    sheets = {"nuclei": nuclei(features), "depth": np.log1p(found.total)}
    parts = []
    for _, train, test in folds(found.obs, "sections", seed=0):
        x, own = found.x[train], np.ones(y[test].shape, dtype=bool)
        guess = ridge.fit(x, y[train], alpha=ridge.chosen(x, y[train], found.slide[train]))
        part = {"pearson": scored_correlations(y[test], guess.predict(found.x[test]), own)}
        for name, sheet in sheets.items():
            flat = np.broadcast_to(sheet[test, None], y[test].shape)
            part[name] = scored_correlations(y[test], flat, own)
        parts.append(pd.DataFrame(part))
    names = imaged(data).var_names[genes].astype(str)
    mean = pd.concat(parts).groupby(level=0).mean()
    return mean.assign(gene=names)
