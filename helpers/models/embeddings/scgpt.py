"""scGPT: a cell as its genes with binned values, read by a transformer through a <cls> token.

What is computed follows the authors' code (github.com/bowang-lab/scGPT: `scgpt/tasks/cell_emb.py`,
`data_collator.py`, `preprocess.py`, `model/model.py`), in torch alone, without flash-attention.

References
----------
Cui et al. 2024, Nature Methods 21.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helpers.data.contract import DataError
from helpers.data.untrusted import read_weights
from helpers.models.embeddings.vocabulary import batches, known_genes, load_strictly

N_BINS = 51  # with the one for zero; fixed in the authors' collator
MAX_LENGTH = 1_200  # with <cls>
MAX_VALUE = 512.0  # values are cut there before they are encoded


@dataclass(frozen=True)
class Checkpoint:
    """A model and what its tokens mean.

    Parameters
    ----------
    model : torch.nn.Module
    tokens : dict of str to int
        Of gene symbols, and of "<pad>" and "<cls>".
    pad_value : float
        The value of <cls> and of padding.
    """

    model: Any
    tokens: dict[str, int]
    pad_value: float


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a folder of the authors' files: `args.json`, `vocab.json`, `best_model.pt`.

    Weights of flash-attention (`self_attn.Wqkv`) are those of torch's attention (`in_proj`) under
    another name. The authors' loader leaves weights that do not fit as they were drawn at random
    (`load_pretrained`, strict=False); here that is an error.

    Raises
    ------
    DataError
        A file is missing, the weights are more than tensors, some are missing or have other
        shapes, or the configuration is one that is not computed here.
    """
    folder = Path(folder)
    for name in ("args.json", "vocab.json", "best_model.pt"):
        if not (folder / name).is_file():
            raise DataError(
                f"{folder} has no {name}; it needs args.json, vocab.json, best_model.pt"
            )
    args = json.loads((folder / "args.json").read_text(encoding="utf-8"))
    tokens = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    style = args.get("input_emb_style", "continuous")
    if style != "continuous" or args.get("pre_norm", False):
        raise DataError(
            f"{folder}: args.json says input_emb_style {style!r}, pre_norm "
            f"{args.get('pre_norm', False)}; continuous values and post-norm layers are computed"
        )
    lacking = [t for t in (args["pad_token"], "<cls>") if t not in tokens]
    if lacking:
        raise DataError(f"{folder}: vocab.json has no {' and no '.join(lacking)}")
    model = _network(
        n_tokens=len(tokens),
        width=args["embsize"],
        n_heads=args["nheads"],
        hidden=args["d_hid"],
        n_layers=args["nlayers"],
    )
    path = folder / "best_model.pt"
    weights = {
        k.replace("self_attn.Wqkv.", "self_attn.in_proj_"): v for k, v in read_weights(path).items()
    }
    load_strictly(model, weights, path)
    tokens = tokens | {"<pad>": tokens[args["pad_token"]]}
    return Checkpoint(model, tokens, float(args["pad_value"]))


def bin_values(values: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """Bin the values of a cell's detected genes by their own quantiles.

    The edges are the 0 to 100 % quantiles in 49 steps; a value's bin is the number of edges at or
    below it. Counts have many ties, and tied quantiles are tied edges: with a generator, a value
    that equals k edges gets one of their k bins at random, as in the authors' code (which draws
    from numpy's global state); without one, the highest.

    Parameters
    ----------
    values : ndarray of shape (n_detected,), > 0
    rng : Generator or None

    Returns
    -------
    ndarray of shape (n_detected,), int64, 1 to 50

    Source
    ------
    scGPT, preprocess.py, `binning` and `_digitize` (side="both").
    """
    edges = np.quantile(values, np.linspace(0, 1, N_BINS - 1))
    highest = np.digitize(values, edges)
    if rng is None:
        return highest
    lowest = np.digitize(values, edges, right=True)
    return np.ceil(rng.random(len(values)) * (lowest - highest) + highest).astype(np.int64)


def tokenise(
    screen, checkpoint: Checkpoint, *, seed: int, spread_ties: bool = True, sampling: bool = True
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Genes and binned values of each cell, <cls> first.

    Of a cell with more than 1,199 detected genes, as many are kept: a random sample, as in the
    authors' code, or the highest bins. Each cell draws from a stream of its own.

    Parameters
    ----------
    screen : AnnData of counts, shape (n_cells, n_genes)
        `var_names` are gene symbols.
    checkpoint : Checkpoint
    seed : int
    spread_ties : bool
        See `bin_values`.
    sampling : bool
        False keeps the genes of the highest bins; of equal ones the smaller token.

    Returns
    -------
    tokens, values : lists of n_cells arrays

    Raises
    ------
    DataError
        See `known_genes`.
    """
    genes = {name: t for name, t in checkpoint.tokens.items() if not name.startswith("<")}
    counts, token = known_genes(
        screen, screen.var_names.to_numpy(), genes, model="scGPT", naming="gene symbol"
    )
    tokens, values = [], []
    for cell in range(counts.shape[0]):
        rng = np.random.default_rng([seed, cell])
        own = slice(counts.indptr[cell], counts.indptr[cell + 1])
        gene = token[counts.indices[own]]
        value = bin_values(counts.data[own], rng if spread_ties else None)
        if len(gene) > MAX_LENGTH - 1:
            order = rng.permutation(len(gene)) if sampling else np.argsort(-value, kind="stable")
            gene, value = gene[order[: MAX_LENGTH - 1]], value[order[: MAX_LENGTH - 1]]
        tokens.append(np.concatenate([[checkpoint.tokens["<cls>"]], gene]))
        values.append(np.concatenate([[checkpoint.pad_value], value]))
    return tokens, values


def embed(
    screen,
    checkpoint: Checkpoint,
    *,
    seed: int,
    spread_ties: bool = True,
    sampling: bool = True,
    batch_size: int = 16,
    device: str = "cpu",
) -> np.ndarray:
    """Embed cells by the last state of <cls>, at unit length.

    Parameters
    ----------
    screen, checkpoint, seed, spread_ties, sampling
        As in `tokenise`.
    batch_size : int
    device : str
        Of torch.

    Returns
    -------
    ndarray of shape (n_cells, embsize), float32
        Rows have length 1.

    Raises
    ------
    DataError
        See `known_genes`.
    """
    import torch

    tokens, values = tokenise(
        screen, checkpoint, seed=seed, spread_ties=spread_ties, sampling=sampling
    )
    model = checkpoint.model.to(device)
    result = np.empty((len(tokens), model.encoder.embedding.embedding_dim), dtype=np.float32)
    for cells in batches([len(t) for t in tokens], batch_size):
        length = max(len(tokens[c]) for c in cells)
        gene = np.full((len(cells), length), checkpoint.tokens["<pad>"])
        value = np.full((len(cells), length), checkpoint.pad_value, dtype=np.float32)
        for row, cell in enumerate(cells):
            gene[row, : len(tokens[cell])] = tokens[cell]
            value[row, : len(tokens[cell])] = values[cell]
        with torch.no_grad():
            states = model(
                torch.as_tensor(gene, device=device),
                torch.as_tensor(value, device=device),
                torch.as_tensor(gene == checkpoint.tokens["<pad>"], device=device),
            )
        result[cells] = states[:, 0].cpu().numpy()
    return result / np.linalg.norm(result, axis=1, keepdims=True)


def _network(*, n_tokens: int, width: int, n_heads: int, hidden: int, n_layers: int):
    """The part of scGPT that reads a cell; its names are those of the checkpoint."""
    import torch
    from torch import nn

    class GeneEncoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(n_tokens, width)
            self.enc_norm = nn.LayerNorm(width)

        def forward(self, gene):  # (cells, length)
            return self.enc_norm(self.embedding(gene))  # (cells, length, width)

    class ValueEncoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear1 = nn.Linear(1, width)
            self.linear2 = nn.Linear(width, width)
            self.norm = nn.LayerNorm(width)

        def forward(self, value):  # (cells, length)
            value = value.clamp(max=MAX_VALUE)[..., None]
            return self.norm(self.linear2(torch.relu(self.linear1(value))))

    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = GeneEncoder()
            self.value_encoder = ValueEncoder()
            layer = nn.TransformerEncoderLayer(width, n_heads, hidden, batch_first=True)
            self.transformer_encoder = nn.TransformerEncoder(
                layer, n_layers, enable_nested_tensor=False
            )

        def forward(self, gene, value, padding):
            cell = self.encoder(gene) + self.value_encoder(value)
            return self.transformer_encoder(cell, src_key_padding_mask=padding)

    return Reader()
