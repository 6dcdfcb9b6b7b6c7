"""Cells a second of Geneformer and scGPT at their own size, with weights at random.

`python -m benchmarks.embedding_speed cuda` (or `cpu`). Speed and memory depend on a model's shape
and on how many genes a cell has, not on its weights, so that no checkpoint is needed. With `cuda`
a few cells are embedded on the processor, too, and the largest difference is printed.
"""

import sys
import time

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from scipy import sparse
from transformers import BertConfig, BertModel

from helpers.models.embeddings import geneformer, scgpt

N_GENES = 18_000
GENEFORMER = {  # config.json of huggingface.co/ctheodoris/Geneformer
    "V1-10M": (6, 256, 4, 512, 2048, 25_426),
    "V2-104M": (12, 768, 12, 3072, 4096, 20_275),
}
SYMBOLS = [f"G{i}" for i in range(N_GENES)]


def cells(n_cells: int, *, n_detected: int) -> AnnData:
    """Counts of cells with about `n_detected` genes each, as in a droplet screen of some depth."""
    rng = np.random.default_rng(0)
    mean = np.exp(rng.normal(0, 2, N_GENES))
    low, high = 1e-6, 1e6
    for _ in range(60):
        middle = np.sqrt(low * high)
        many = (1 - np.exp(-mean * middle)).sum() > n_detected
        low, high = (low, middle) if many else (middle, high)
    X = sparse.csr_matrix(rng.poisson(mean * low, (n_cells, N_GENES)).astype(np.float32))
    obs = pd.DataFrame({"total_counts": np.asarray(X.sum(axis=1)).ravel()})
    obs.index = obs.index.astype(str)
    var = pd.DataFrame({"ensembl_id": SYMBOLS}, index=SYMBOLS)
    uns = {"scale": {"kind": "counts", "target_sum": None}, "dataset": {"name": "simulated"}}
    return AnnData(X, obs, var, uns=uns)


def models() -> dict:
    """Each model's `embed` with a checkpoint of its size."""
    torch.manual_seed(0)
    found = {}
    for name, (n_layers, width, n_heads, hidden, length, n_tokens) in GENEFORMER.items():
        config = BertConfig(
            vocab_size=n_tokens,
            hidden_size=width,
            num_hidden_layers=n_layers,
            num_attention_heads=n_heads,
            intermediate_size=hidden,
            hidden_act="relu",
            max_position_embeddings=length,
        )
        special = ["<pad>", "<mask>"] + ["<cls>", "<eos>"] * (length > 2048)
        tokens = {token: i for i, token in enumerate([*special, *SYMBOLS])}
        loaded = geneformer.Checkpoint(
            BertModel(config, add_pooling_layer=False).eval(),
            tokens,
            dict.fromkeys(SYMBOLS, 1.0),
            length,
            length > 2048,
        )
        found[f"Geneformer {name}"] = (geneformer.embed, loaded, {})
    tokens = {token: i for i, token in enumerate(["<pad>", "<cls>", *SYMBOLS])}
    reader = scgpt._network(n_tokens=60_697, width=512, n_heads=8, hidden=512, n_layers=12).eval()
    found["scGPT"] = (scgpt.embed, scgpt.Checkpoint(reader, tokens, -2.0), {"seed": 0})
    return found


def main(device: str, n_detected: int = 3_000, n_seconds: float = 4.0) -> None:
    """Print cells a second at two sizes of batch, gigabytes of the device, and the difference."""
    gpu = device != "cpu"
    chip = torch.cuda.get_device_name() if gpu else f"{torch.get_num_threads()} threads"
    print(f"cells of {n_detected:,} genes, {device} ({chip}), torch {torch.__version__}")
    many = cells(4_096, n_detected=n_detected)
    for name, (embed, loaded, options) in models().items():
        difference = ""
        if gpu:
            few = [embed(many[:8], loaded, device=d, **options) for d in ("cpu", device)]
            size = np.linalg.norm(few[0], axis=1).mean()
            difference = f", {np.abs(few[0] - few[1]).max() / size:.1e} of its length from cpu"
        for batch in (16, 64) if gpu else (4,):
            n_cells, seconds = 1, 0.0
            while seconds < n_seconds / 4 and 4 * n_cells <= many.n_obs:
                n_cells *= 4
                if gpu:
                    torch.cuda.reset_peak_memory_stats()
                started = time.perf_counter()
                embed(many[:n_cells], loaded, batch_size=batch, device=device, **options)
                seconds = time.perf_counter() - started
            speed = f"{n_cells / seconds:.3g} cells/s ({n_cells} in {seconds:.1f} s)"
            memory = f", {torch.cuda.max_memory_allocated() / 2**30:.1f} GB" if gpu else ""
            print(f"{name}, batch {batch}: {speed}{memory}{difference}", flush=True)


if __name__ == "__main__":
    main(*(sys.argv[1:2] or ["cpu"]))
