"""Geneformer: a cell as its genes in order of expression, read by a BERT.

What is computed follows the authors' code (Hugging Face ctheodoris/Geneformer, `tokenizer.py` and
`emb_extractor.py`): rank-value encoding, hidden states, and their mean over the genes of a cell.

References
----------
Theodoris et al. 2023, Nature 618; Chen et al. 2024, bioRxiv 2024.08.16.608180 (V2).
"""

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helpers.data.contract import DataError
from helpers.data.normalise import library_size
from helpers.data.untrusted import read_dictionary, read_weights
from helpers.models.embeddings.vocabulary import batches, known_genes, load_strictly

TARGET_SUM = 10_000.0


@dataclass(frozen=True)
class Checkpoint:
    """A model and what its tokens mean.

    Parameters
    ----------
    model : transformers.BertModel
    tokens : dict of str to int
        Of Ensembl gene ids, and of "<pad>"; in V2 also of "<cls>" and "<eos>".
    medians : dict of str to float
        Of Ensembl gene ids: median of non-zero counts per ten thousand in the training corpus.
    max_length : int
        Tokens of a cell: 2,048 in V1, 4,096 in V2 (with <cls> and <eos>).
    special : bool
        Whether a cell is put between <cls> and <eos>, as in V2.
    """

    model: Any
    tokens: dict[str, int]
    medians: dict[str, float]
    max_length: int
    special: bool


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a folder of the authors' files.

    Parameters
    ----------
    folder : Path
        With `config.json`; `model.safetensors` or `pytorch_model.bin`; one
        `token_dictionary*.pkl` and one `gene_median_dictionary*.pkl`, which the authors keep in
        another folder of the same repository.

    Raises
    ------
    DataError
        A file is missing or there twice, a pickle asks for more than numbers, weights are missing
        or have other shapes than the configuration says.
    """
    from transformers import BertConfig, BertModel

    folder = Path(folder)
    config = json.loads(_one(folder, "config.json").read_text(encoding="utf-8"))
    if config.get("model_type") != "bert":
        raise DataError(f"{folder}: config.json describes {config.get('model_type')!r}, not a BERT")
    files = [p for n in ("model.safetensors", "pytorch_model.bin") if (p := folder / n).is_file()]
    if not files:
        raise DataError(f"{folder} has neither model.safetensors nor pytorch_model.bin")
    tokens = read_dictionary(_one(folder, "token_dictionary*.pkl"))
    medians = read_dictionary(_one(folder, "gene_median_dictionary*.pkl"))
    if "<pad>" not in tokens:
        raise DataError(f"{folder}: the token dictionary has no <pad>")
    special = "<cls>" in tokens and "<eos>" in tokens
    if max(tokens.values()) >= config["vocab_size"]:
        raise DataError(
            f"{folder}: the token dictionary goes up to {max(tokens.values())}, the model has "
            f"{config['vocab_size']} tokens; V1 and V2 have dictionaries of their own"
        )
    model = BertModel(BertConfig.from_dict(config), add_pooling_layer=False)
    weights = read_weights(files[0])
    load_strictly(model, {k.removeprefix("bert."): v for k, v in weights.items()}, files[0])
    return Checkpoint(model, tokens, medians, config["max_position_embeddings"], special)


def rank_values(screen, checkpoint: Checkpoint) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Rank-value encoding: genes by how far they are above what is usual for them.

    A gene's value is its counts per ten thousand of the cell's library over its median in the
    training corpus; the library size scales all genes of a cell alike and moves no rank. Detected
    genes are sorted by value, downwards; of equal values the smaller token comes first (the
    authors leave ties to an unstable sort). What does not fit is cut off.

    Parameters
    ----------
    screen : AnnData of counts, shape (n_cells, n_genes)
        With `var["ensembl_id"]`.
    checkpoint : Checkpoint

    Returns
    -------
    tokens, values : lists of n_cells arrays
        With <cls> and <eos> at the ends where the checkpoint has them; their value is NaN.

    Raises
    ------
    DataError
        See `known_genes`; or the screen has no Ensembl ids.
    """
    if "ensembl_id" not in screen.var:
        raise DataError(
            "Geneformer knows genes by Ensembl id, and var has no column 'ensembl_id' (columns: "
            f"{', '.join(screen.var.columns) or 'none'}); add it to the data set's reader"
        )
    # <pad>, <mask> and the like have no median, and no gene is named after them.
    genes = {name: t for name, t in checkpoint.tokens.items() if name in checkpoint.medians}
    names = screen.var["ensembl_id"].astype(object).fillna("").astype(str).to_numpy()
    counts, token = known_genes(screen, names, genes, model="Geneformer", naming="Ensembl id")
    name_of = {t: name for name, t in genes.items()}
    median = np.array([checkpoint.medians[name_of[t]] for t in token])
    size = library_size(screen)
    room = checkpoint.max_length - 2 * checkpoint.special
    tokens, values = [], []
    for cell in range(counts.shape[0]):
        own = slice(counts.indptr[cell], counts.indptr[cell + 1])
        gene = counts.indices[own]
        value = counts.data[own] / size[cell] * TARGET_SUM / median[gene]
        order = np.argsort(-value, kind="stable")[:room]
        sentence, value = token[gene[order]], value[order]
        if checkpoint.special:
            ends = checkpoint.tokens["<cls>"], checkpoint.tokens["<eos>"]
            sentence = np.concatenate([[ends[0]], sentence, [ends[1]]])
            value = np.concatenate([[np.nan], value, [np.nan]])
        tokens.append(sentence)
        values.append(value)
    return tokens, values


def embed(
    screen,
    checkpoint: Checkpoint,
    *,
    layer: int = -1,
    pooling: str = "mean",
    batch_size: int = 16,
    device: str = "cpu",
) -> np.ndarray:
    """Embed cells by the hidden states of their genes.

    Parameters
    ----------
    screen : AnnData of counts, shape (n_cells, n_genes)
        With `var["ensembl_id"]`.
    checkpoint : Checkpoint
    layer : {-1, 0}
        As the authors count (`emb_layer`): 0 is the last layer, -1 the one before it, which they
        advise because the last one is closest to the training task.
    pooling : {"mean", "cls"}
        Mean over the genes of a cell, without <cls> and <eos>; or the state of <cls> (V2).
    batch_size : int
    device : str
        Of torch.

    Returns
    -------
    ndarray of shape (n_cells, hidden_size), float32

    Raises
    ------
    DataError
        See `rank_values`; or <cls> is asked of a model without it.
    ValueError
        Another layer or pooling.
    """
    import torch

    if layer not in (-1, 0) or pooling not in ("mean", "cls"):
        raise ValueError(f"layer is {layer}, pooling {pooling!r}; -1 or 0, 'mean' or 'cls'")
    if pooling == "cls" and not checkpoint.special:
        raise DataError("this checkpoint has no <cls> token (V1); pass pooling='mean'")
    sentences, _ = rank_values(screen, checkpoint)
    model = checkpoint.model.to(device)
    result = np.empty((len(sentences), model.config.hidden_size), dtype=np.float32)
    for cells in batches([len(s) for s in sentences], batch_size):
        length = max(len(sentences[c]) for c in cells)
        tokens = np.full((len(cells), length), checkpoint.tokens["<pad>"])
        seen = np.zeros((len(cells), length), dtype=np.int64)
        share = np.zeros((len(cells), 1, length), dtype=np.float32)  # of a token in the result
        for row, cell in enumerate(cells):
            n_tokens = len(sentences[cell])
            tokens[row, :n_tokens] = sentences[cell]
            seen[row, :n_tokens] = 1
            genes = slice(checkpoint.special, n_tokens - checkpoint.special)
            share[row, 0, genes] = 1 / len(sentences[cell][genes])
        if pooling == "cls":
            share[:] = np.arange(length) == 0
        with torch.no_grad(), _up_to(model, layer):
            hidden = model(
                input_ids=torch.as_tensor(tokens, device=device),
                attention_mask=torch.as_tensor(seen, device=device),
            ).last_hidden_state  # (cells, length, hidden_size)
            # on the device: the hidden states are thousands of times as large as their means
            pooled = torch.bmm(torch.as_tensor(share, device=device), hidden)
        result[cells] = pooled[:, 0].cpu().numpy()
    return result


@contextmanager
def _up_to(model, layer: int):
    """Leave out the layers behind the one that is asked for: neither computed nor kept."""
    layers = model.encoder.layer
    model.encoder.layer = layers[: len(layers) + layer]
    try:
        yield
    finally:
        model.encoder.layer = layers


def _one(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise DataError(
            f"{folder} has {len(found)} files {pattern}"
            + (f" ({', '.join(f.name for f in found)})" if found else "")
            + "; it needs one, of the model's own version"
        )
    return found[0]
