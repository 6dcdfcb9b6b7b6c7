"""A simulated screen but for its counts: all that is drawn, and the truth that comes along."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csc_matrix, csr_matrix

from helpers.data.simulate.cells import Cells, draw_cells
from helpers.data.simulate.counts import TOO_LARGE, draw_counts
from helpers.data.simulate.effects import Effects, draw_effects, relationships
from helpers.data.simulate.genes import Genes, draw_genes, silence
from helpers.data.simulate.knobs import Knobs

STREAMS = (
    *("design", "gene", "program", "effect", "guide", "cell", "batch", "context"),
    *("own", "complex", "combination", "abundance"),
    *("nuisance", "systematic", "dispersion", "responder", "off programs"),
)
"""Random streams, one for each part, in the order in which they are spawned: new ones come last."""


@dataclass(frozen=True)
class Plan:
    """Everything of a screen but its counts, and what is needed to draw them."""

    root: int
    obs: pd.DataFrame
    var: pd.DataFrame
    varm: dict
    truth: dict
    obsm: dict
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
        members = csc_matrix(_all(self.varm, "programs"))
        row_ends, totals = np.empty(stop - start, np.int64), np.empty(stop - start)
        stored = draw_counts(
            np.uint64(self.root),
            start,
            stop,
            np.log(self.obs["depth"].to_numpy()),
            np.ascontiguousarray(self.log_mean),
            self.batch,
            _all(self.obsm, "latent"),
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

    def counts(self, chunk_size: int) -> tuple[csr_matrix, np.ndarray]:
        """The counts and their sum in each cell; nothing dense is larger than a chunk."""
        n_cells, n_genes = len(self.obs), len(self.var)
        indices, data = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32)
        indptr, totals = np.zeros(n_cells + 1, dtype=np.int64), np.zeros(n_cells)
        stored = 0
        for start in range(0, n_cells, chunk_size):
            stop = min(start + chunk_size, n_cells)
            # Memory grows in place: joining a list of chunks would hold half the matrix twice.
            indices.resize(stored + (stop - start) * n_genes, refcheck=False)
            data.resize(stored + (stop - start) * n_genes, refcheck=False)
            drawn, row_ends, totals[start:stop] = self.draw(
                start, stop, indices[stored:], data[stored:]
            )
            indptr[start + 1 : stop + 1] = stored + row_ends
            stored += drawn
        indices.resize(stored, refcheck=False)
        data.resize(stored, refcheck=False)
        return csr_matrix((data, indices, indptr), shape=(n_cells, n_genes)), totals

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


def plan_screen(rng: np.random.Generator, knobs: Knobs) -> Plan:
    """Draw everything but the counts."""
    root = int(rng.integers(2**64, dtype=np.uint64))
    children = np.random.SeedSequence(root).spawn(len(STREAMS))
    streams = dict(zip(STREAMS, map(np.random.default_rng, children), strict=True))
    genes = draw_genes(streams, knobs)
    effects = draw_effects(streams, genes, knobs)
    cells = draw_cells(streams, genes.targets, effects, knobs)
    batch_shift, context_shift = _shifts(streams, genes.silent, knobs)
    abundance = silence(streams["gene"], genes, batch_shift, cells.depth, cells.batch)
    truth = _truth(genes, effects, cells.guides, knobs)
    if knobs.n_complexes:
        truth["relationships"] = relationships(
            streams["complex"], genes.targets, effects.complexes, knobs
        )
    return Plan(
        root=root,
        obs=_obs(cells, knobs),
        var=pd.DataFrame(
            {"abundance": abundance, "dispersion": genes.dispersion}, index=genes.symbols
        ),
        varm={
            "programs": genes.programs,
            "batch_shift": batch_shift.T.copy(),
            "context_shift": context_shift.T.copy(),
        }
        | ({"off_programs": genes.off_programs} if knobs.off_program_sd > 0 else {}),
        truth=truth,
        obsm={"latent": cells.latent}
        | ({"off_latent": cells.off_programs} if knobs.off_program_sd > 0 else {}),
        log_mean=np.log(abundance)
        + batch_shift
        + context_shift[np.arange(knobs.n_batches) % knobs.n_contexts],
        batch=cells.batch,
        partner=cells.partner,
        knocked=cells.knocked(genes),
        knocked_shift=float(np.log1p(-truth["knockdown"])),
        ambient_share=float(knobs.ambient_share),
    )


def _all(parts: dict, name: str) -> np.ndarray:
    """Columns of a part, and those off the programs where there are some."""
    off = parts.get(f"off_{name}")
    return parts[name] if off is None else np.hstack([parts[name], off])


def _shifts(streams, silent, k: Knobs) -> tuple[np.ndarray, np.ndarray]:
    """Log shift of each gene, (n_batches, n_genes) and (n_contexts, n_genes)."""
    of_batches = k.batch_sd * streams["batch"].standard_normal((k.n_batches, k.n_genes))
    if k.n_contexts == 1:
        return of_batches, np.zeros((1, k.n_genes))
    of_contexts = k.context_sd * streams["context"].standard_normal((k.n_contexts, k.n_genes))
    of_contexts[:, silent] = 0.0
    return of_batches, of_contexts


def _contexts(k: Knobs) -> list[str]:
    return ["simulated"] if k.n_contexts == 1 else [f"context{c + 1}" for c in range(k.n_contexts)]


def _obs(cells: Cells, k: Knobs) -> pd.DataFrame:
    """What is known of each cell, then its truth."""
    labels, targets = cells.guides.index.to_numpy(), cells.guides["target"].to_numpy()
    batches = np.array([f"batch{b + 1}" for b in range(k.n_batches)])
    dealt = np.arange(k.n_batches) // k.n_contexts % k.n_replicates
    replicates = np.array([f"replicate{r + 1}" for r in dealt])
    state = pd.Categorical.from_codes(1 - cells.first_half, categories=["first", "second"])
    return pd.DataFrame(
        {
            "perturbation": pd.Categorical(targets[cells.guide]),
            "guide": pd.Categorical(labels[cells.guide]),
            "batch": pd.Categorical.from_codes(cells.batch, categories=batches),
            "replicate": pd.Categorical(replicates[cells.batch]),
            "context": pd.Categorical.from_codes(cells.context, categories=_contexts(k)),
            "responder": cells.responder,
            "depth": cells.depth,
            "state": state,
            "true_guide": pd.Categorical(labels[cells.true_guide]),
            "true_perturbation": pd.Categorical(targets[cells.true_guide]),
            "misassigned": cells.true_guide != cells.guide,
            "doublet": cells.partner >= 0,
        },
        index=[f"cell{i}" for i in range(k.n_cells)],
    )


def _truth(genes: Genes, effects: Effects, guides: pd.DataFrame, k: Knobs) -> dict:
    """What was planted, but for the relationships."""
    names = [f"program{p + 1}" for p in range(k.n_programs)]
    index = pd.Index(effects.perturbations, name="target")
    acts = np.isin(np.arange(k.n_targets), effects.acting) & (k.effect_size > 0)
    truth = {
        "effects": pd.DataFrame(effects.mean, index=index, columns=names),
        "context_effects": {
            context: pd.DataFrame(e, index=index, columns=names)
            for context, e in zip(_contexts(k), effects.in_contexts, strict=True)
        },
        "systematic": effects.systematic,
        "guides": guides,
        "targets": pd.DataFrame(
            {
                "expressed": genes.expressed,
                "effective": acts,
                "complex": effects.complexes["complex"].to_numpy(),
                "sign": effects.complexes["sign"].to_numpy(),
            },
            index=pd.Index(genes.targets, name="target"),
        ),
        "knockdown": k.knockdown if k.effect_size > 0 else 0.0,
        "knobs": k.as_dict(),
    }
    if k.n_combinations:
        pairs = effects.combinations
        named = {part: genes.targets[pairs[part]] for part in ("first", "second")}
        truth["combinations"] = pairs.assign(**named).set_index("name")
    return truth


class Digest:
    """Hash of a csr_matrix that arrives in pieces: of the hashes of its three arrays."""

    def __init__(self) -> None:
        self._parts = {name: hashlib.sha256() for name in ("indptr", "indices", "data")}

    def update(self, name: str, values: np.ndarray) -> None:
        kind = {"indptr": "<i8", "indices": "<i4", "data": "<f4"}[name]
        self._parts[name].update(np.ascontiguousarray(values, dtype=kind))

    def hexdigest(self) -> str:
        return hashlib.sha256(b"".join(p.digest() for p in self._parts.values())).hexdigest()


def sha256_of(X: csr_matrix) -> str:
    """Hash of counts in memory, as `Digest` finds it."""
    digest = Digest()
    for name in ("indptr", "indices", "data"):
        digest.update(name, getattr(X, name))
    return digest.hexdigest()
