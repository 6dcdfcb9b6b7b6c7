"""Task: can expression be read back from an embedding, and with it the change from control?

Cells of unseen perturbations in unseen batches are decoded. Two protocols: *published* trains the
released decoder and scores a sample of the test cells; *revised* solves a linear decoder in closed
form, or one with the likelihood of counts, and scores all test cells: Spearman over perturbed cells
and controls, Structural Integrity over the perturbed cells of batches with controls.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL, DataError
from helpers.data.normalise import library_size, log1p_cp10k
from helpers.data.splits import batch_perturbation_split
from helpers.metrics.embeddings.postprocess import FEW_CONTROLS, METHODS, postprocess
from helpers.metrics.embeddings.reconstruction import (
    gene_correlations,
    overall_integrity,
    profile_integrity,
    structural_integrity,
)
from helpers.models.embeddings.decoders import MLPDecoder, NegativeBinomialDecoder, RidgeDecoder
from helpers.store.steps import step
from helpers.tasks import protocol as task
from helpers.tasks.requirements import Requirement, lacking, require

TASK = "reconstruction"
DECODERS = ("ridge", "counts", "mlp")
PUBLISHED_SHARE = 0.015  # of the test cells: 1.05 % of Replogle's, 1.8 % of L1000's
_TARGET = 1e4

REQUIREMENTS = (
    Requirement("training_batches", 2, "training batches"),
    Requirement("test_batches_with_controls", 1, "test batches with at least 4 controls", 6),
    Requirement("unseen_cells", 50, "test cells of perturbations that were not trained on"),
)


@dataclass(frozen=True, kw_only=True)
class Protocol(task.Protocol):
    """Choices of a protocol.

    Parameters
    ----------
    decoder : str
        Of `DECODERS`; *revised* has a second one, "counts".
    share : float in (0, 1]
        Of the test cells that is scored.
    integrity : {"published", "revised"}
    shrink_below : int
        See `postprocess`.
    """

    decoder: str
    share: float
    integrity: str
    shrink_below: int


PROTOCOLS = {
    "published": Protocol(
        name="published",
        source="Bendidi et al. 2024, section 3.6; Tx-Evaluation commit 1f24de0, reconstruction.py",
        decoder="mlp",
        share=PUBLISHED_SHARE,
        integrity="published",
        shrink_below=0,
        requirements=REQUIREMENTS,
    ),
    "revised": Protocol(
        name="revised",
        source="this book",
        decoder="ridge",
        share=1.0,
        integrity="revised",
        shrink_below=FEW_CONTROLS,
        requirements=REQUIREMENTS,
    ),
}
SPLIT = (
    Requirement("batches_to_split", 2, "batches with perturbed cells"),
    Requirement("perturbations_to_split", 2, "perturbations"),
)
"""What `batch_perturbation_split` needs of the cells of a context."""


def to_split(screen) -> dict[str, int]:
    """Counts of a screen that `SPLIT` names."""
    obs = screen.obs[(screen.obs["perturbation"] != CONTROL).to_numpy()]
    counts = {"batches_to_split": "batch", "perturbations_to_split": "perturbation"}
    return {name: int(obs[column].astype(str).nunique()) for name, column in counts.items()}


def available(screen, split) -> dict[str, int]:
    """Counts of a screen and a split that the requirements of the task name."""
    batch = screen.obs["batch"].astype(str).to_numpy()
    per_batch = pd.Series(batch[split["unseen_controls"]]).value_counts()
    enough = set(per_batch.index[per_batch >= 4])
    of_unseen = pd.Series(batch[split["unseen"]])
    return {
        "training_batches": len(set(batch[split["train"]])),
        "test_batches_with_controls": len(enough & set(of_unseen)),
        "unseen_cells": int(of_unseen.isin(enough).sum()),
    }


def has(screen) -> dict[str, int]:
    """Counts of the cells of a context that `SPLIT` and `REQUIREMENTS` name; 0 with no split."""
    counts = to_split(screen)
    if lacking(SPLIT, counts):
        return counts | {need.fact: 0 for need in REQUIREMENTS}
    return counts | available(screen, batch_perturbation_split.function(screen))


@step
def variable_genes(screen, split, *, n_genes: int) -> list[str]:
    """Genes whose log expression varies most over training cells, in the order of the screen.

    Parameters
    ----------
    screen : AnnData of counts
    split : dict of index arrays
    n_genes : int
        All genes with a count in the training cells where there are no more.

    Raises
    ------
    ValueError
        Less than one.
    """
    if n_genes < 1:
        raise ValueError(f"n_genes is {n_genes}; at least 1")
    rows = np.concatenate([split["train"], split["train_controls"]])
    expression = log1p_cp10k(screen[np.sort(rows)]).X
    mean = np.asarray(expression.mean(axis=0)).ravel()
    square = expression.multiply(expression) if hasattr(expression, "multiply") else expression**2
    variance = np.asarray(square.mean(axis=0)).ravel() - mean**2
    expressed = np.flatnonzero(mean > 0)
    order = expressed[np.argsort(-variance[expressed], kind="stable")][:n_genes]
    return [str(gene) for gene in screen.var_names[np.sort(order)]]


@step
def reconstruction(
    screen,
    embedding,
    split,
    genes,
    *,
    protocol: str,
    posts: list[str],
    decoder: str | None = None,
    target: str = "observed",
    seed: int = 0,
    most_cells: int = 100_000,
    epochs: int = 30,
    batch_size: int = 512,
    learning_rate: float = 1e-4,
) -> pd.DataFrame:
    """Decode unseen perturbations of test batches, and score what comes back.

    Parameters
    ----------
    screen : AnnData of counts, shape (n_cells, n_genes)
    embedding : ndarray of shape (n_cells, n_dims)
    split : dict of index arrays
        `train`, `train_controls` are decoded from; `unseen`, `unseen_controls` are scored.
    genes : list of str
        That are decoded.
    protocol : {"published", "revised"}
    posts : list of str
        Post-processings to score; see `postprocess`.
    decoder : {"ridge", "counts", "mlp"}, optional
        Default: that of the protocol.
    target : {"observed", "expected"}
        What the decoded test cells are held against: their counts, or, of a simulated screen, what
        they would have counted without counting noise. Decoders learn from counts in both.
    seed : int
        Of the sample of test cells, of training cells beyond `most_cells`, and of the MLP.
    most_cells : int
        More training cells than these are sampled, without replacement.
    epochs, batch_size, learning_rate : int, int, float
        Of the MLP; released: 30, 512 and 1e-4 on a million cells.

    Returns
    -------
    DataFrame
        `post`, `metric`, `unit`, `n`, `value`. Metrics: `reconstruction_spearman` (units are
        genes, n cells), `structural_integrity` (test batches, n rows), `profile_integrity`
        (perturbations, n cells; *revised* only) and `structural_integrity_overall` (unit "all"),
        the number that the protocol reports.

    Raises
    ------
    CannotAnswer
        The screen has less than the protocol needs.
    DataError
        Arguments that do not fit the screen.
    """
    name = screen.uns["dataset"]["name"]
    chosen = task.chosen(PROTOCOLS, protocol)
    decoder = decoder or chosen.decoder
    if decoder not in DECODERS or (unknown := [post for post in posts if post not in METHODS]):
        what = f"decoder {decoder!r}" if decoder not in DECODERS else f"posts {unknown}"
        raise DataError(f"no {what}; there are {', '.join(DECODERS)}; {', '.join(METHODS)}")
    if len(embedding) != screen.n_obs:
        raise DataError(
            f"{name}: the embedding has {len(embedding)} rows, the screen {screen.n_obs} cells"
        )
    if target not in ("observed", "expected"):
        raise DataError(f"target is {target!r}; observed or expected")
    if absent := [gene for gene in genes if gene not in screen.var_names]:
        raise DataError(f"{name} lacks {len(absent)} of the genes to decode, e.g. {absent[0]}")
    require(f"{name}, reconstruction:", chosen.requirements, available(screen, split))
    rng = np.random.default_rng(seed)
    train = np.sort(np.concatenate([split["train"], split["train_controls"]]))
    if len(train) > most_cells:
        train = np.sort(rng.choice(train, most_cells, replace=False))
    test = np.sort(np.concatenate([split["unseen"], split["unseen_controls"]]))
    if chosen.share < 1:
        test = np.sort(rng.choice(test, max(2, round(chosen.share * len(test))), replace=False))
    cells = _Cells(screen, genes, train, test, decoder, target)
    rows = []
    for post in posts:
        try:
            treated = postprocess(
                embedding,
                screen.obs["batch"],
                cells.is_control,
                post,
                shrink_below=chosen.shrink_below,
            )
            predicted = cells.decode(
                treated, seed, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate
            )
        except ValueError as error:
            raise DataError(f"{name}, {post}: {error}") from error
        rows += [{"post": post, **row} for row in cells.score(predicted, chosen.integrity, genes)]
    return pd.DataFrame(rows)


class _Cells:
    """Training and test cells of a screen, and what all post-processings share of them."""

    def __init__(self, screen, genes, train, test, decoder, target):
        label = screen.obs["perturbation"].to_numpy(dtype=object)
        self.is_control = label == CONTROL
        self.train, self.test, self.decoder = train, test, decoder
        self.label = label[test]
        self.batch = screen.obs["batch"].astype(str).to_numpy()
        rows = np.concatenate([train, test])
        part = screen[rows]
        columns = part.var_names.get_indexer(genes)
        expression = log1p_cp10k(part).X[:, columns]
        self.expression = expression[: len(train)]
        observed = expression[len(train) :]
        if target == "expected":
            observed = np.log1p(_TARGET * expected_shares(screen[test])[:, columns])
        self.observed = np.asarray(observed.todense() if hasattr(observed, "todense") else observed)
        if decoder == "counts":
            self.counts = part.X[: len(train)][:, columns]
            self.library = library_size(part)[: len(train)]

    def decode(self, embedding, seed, **training) -> np.ndarray:
        """Expression of the test cells on the log scale, (n_test, n_genes)."""
        fit, ask = embedding[self.train], embedding[self.test]
        if self.decoder == "ridge":
            return RidgeDecoder().fit(fit, self.expression, self.batch[self.train]).predict(ask)
        if self.decoder == "mlp":
            network = MLPDecoder(random_state=seed, **training)
            return network.fit(fit, self.expression).predict(ask)
        decoder = NegativeBinomialDecoder().fit(fit, self.counts, self.library)
        return np.log1p(_TARGET * decoder.predict(ask))

    def score(self, predicted, form, genes):
        """Rows of the result."""
        spearman = gene_correlations(predicted, self.observed)
        for gene, value in zip(genes, spearman, strict=True):
            yield _row("reconstruction_spearman", gene, len(self.test), value)
        arguments = (predicted, self.observed, self.batch[self.test], self.is_control[self.test])
        found = structural_integrity(*arguments, form=form)
        for batch, line in found.iterrows():
            yield _row("structural_integrity", batch, line["n_rows"], line["structural_integrity"])
        if form == "revised":
            profiles = profile_integrity(*arguments, self.label)
            for name, line in profiles.iterrows():
                yield _row("profile_integrity", name, line["n_cells"], line["profile_integrity"])
        overall = overall_integrity(found, form=form)
        yield _row("structural_integrity_overall", "all", len(self.test), overall)


def expected_shares(screen) -> np.ndarray:
    """Share of a cell's molecules that each gene is expected to be, of a simulated screen.

    Depth, counting noise and ambient RNA are not in it; batch, program and knock-down are.

    Returns
    -------
    ndarray of shape (n_cells, n_genes), in [0, 1]; rows sum to 1

    Raises
    ------
    DataError
        The screen is not simulated, or cells are combinations or doublets, whose knock-downs and
        partners are not in its truth cell by cell.
    """
    name = screen.uns["dataset"]["name"]
    if "truth" not in screen.uns:
        raise DataError(f"{name} has no uns['truth']: only simulated screens know what to expect")
    truth = screen.uns["truth"]
    knobs = truth["knobs"]
    if knobs["n_combinations"] or knobs["doublet_share"] or knobs["n_contexts"] > 1:
        raise DataError(f"{name} has combinations, doublets or several contexts")
    batch = screen.obs["batch"].cat.codes.to_numpy()
    log_share = np.log(screen.var["abundance"].to_numpy()) + screen.varm["batch_shift"].T[batch]
    log_share = (
        log_share + np.asarray(screen.obsm["latent"]) @ np.asarray(screen.varm["programs"]).T
    )
    if "off_latent" in screen.obsm:
        log_share = (
            log_share + screen.obsm["off_latent"] @ np.asarray(screen.varm["off_programs"]).T
        )
    if knobs["effect_size"] > 0:
        targets = truth["targets"]
        expressed = targets.index[targets["expressed"].astype(bool)]
        own = screen.obs["true_perturbation"].astype(str)
        lost = screen.obs["responder"].to_numpy() & own.isin(expressed).to_numpy()
        column = screen.var_names.get_indexer(own[lost])
        log_share[np.flatnonzero(lost), column] += np.log1p(-knobs["knockdown"])
    share = np.exp(log_share)
    return share / share.sum(axis=1, keepdims=True)


def _row(metric: str, unit: str, n: int, value: float) -> dict:
    return {"metric": metric, "unit": str(unit), "n": int(n), "value": float(value)}


@step
def no_change_by_sample(
    screen, split, genes, *, n_samples: int, seed: int
) -> dict[str, np.ndarray]:
    """Published Structural Integrity of a prediction without any change, sample after sample.

    Every test cell is predicted as the mean of the training cells. Each sample is as large as the
    released code's share of the test cells.

    Parameters
    ----------
    screen : AnnData of counts
    split : dict of index arrays
    genes : list of str
    n_samples, seed : int

    Returns
    -------
    dict of arrays of shape (n_samples,)
        `structural_integrity`, and `bare`, batches of the sample without controls. By the revised
        form it is 0.5 on any cells.
    """
    rng = np.random.default_rng(seed)
    train = np.concatenate([split["train"], split["train_controls"]])
    test = np.concatenate([split["unseen"], split["unseen_controls"]])
    expression = log1p_cp10k(screen).X[:, screen.var_names.get_indexer(genes)]
    mean = np.asarray(expression[train].mean(axis=0)).reshape(1, -1)
    observed = expression[test]
    observed = np.asarray(observed.todense() if hasattr(observed, "todense") else observed)
    batch = screen.obs["batch"].astype(str).to_numpy()[test]
    is_control = (screen.obs["perturbation"] == CONTROL).to_numpy()[test]
    size = max(2, round(PROTOCOLS["published"].share * len(test)))
    found = np.empty((2, n_samples))
    for k in range(n_samples):
        rows = rng.choice(len(test), size, replace=False)
        table = structural_integrity(
            np.repeat(mean, size, axis=0),
            observed[rows],
            batch[rows],
            is_control[rows],
            form="published",
        )
        found[:, k] = overall_integrity(table, form="published"), (table["n_controls"] == 0).sum()
    return {"structural_integrity": found[0], "bare": found[1]}
