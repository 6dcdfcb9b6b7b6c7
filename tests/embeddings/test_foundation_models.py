"""Geneformer and scGPT from tiny checkpoints in the authors' formats, against plain numpy."""

import json
import os
import pickle
from bisect import bisect_left, bisect_right
from functools import partial

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from typer.testing import CliRunner

from helpers import cli
from helpers.data import imported as embeddings
from helpers.data import registry
from helpers.data.contract import DataError
from helpers.data.untrusted import read_dictionary, read_weights
from helpers.models.embeddings import geneformer, scgpt
from helpers.models.embeddings.vocabulary import known_genes

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

N_GENES = 700
ENSEMBL = [f"ENSG{i:011d}" for i in range(N_GENES)]
SYMBOLS = [f"G{i}" for i in range(N_GENES)]


def screen(n_cells=5, seed=0):
    """Whole transcriptomes, as far as 700 genes can be."""
    rng = np.random.default_rng(seed)
    X = csr_matrix(rng.poisson(rng.gamma(2, 2, N_GENES), (n_cells, N_GENES)).astype(np.float32))
    obs = pd.DataFrame(
        {"total_counts": np.asarray(X.sum(axis=1)).ravel() * 1.25},
        index=[f"cell{i}" for i in range(n_cells)],
    )
    uns = {"scale": {"kind": "counts", "target_sum": None}, "dataset": {"name": "made-up"}}
    return ad.AnnData(X, obs, pd.DataFrame({"ensembl_id": ENSEMBL}, index=SYMBOLS), uns=uns)


# ------------------------------------------------------------------------ layers in plain numpy


def layer_norm(x, weight, bias, eps):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + eps) * weight + bias


def attention(x, q, k, v, n_heads):
    """Softmax attention over one cell; q, k, v are (weight, bias)."""
    width = x.shape[1] // n_heads
    result = np.empty_like(x)
    for head in range(n_heads):
        part = slice(head * width, (head + 1) * width)
        query, key, value = (x @ w[part].T + b[part] for w, b in (q, k, v))
        score = query @ key.T / np.sqrt(width)
        share = np.exp(score - score.max(axis=1, keepdims=True))
        result[:, part] = share / share.sum(axis=1, keepdims=True) @ value
    return result


def plain_bert(weights, config, tokens):
    """Hidden states of one cell's tokens: the embedding, then each layer."""
    w = {k.removeprefix("bert."): v.numpy().astype(float) for k, v in weights.items()}
    eps = config["layer_norm_eps"]

    def both(name):
        return w[f"{name}.weight"], w[f"{name}.bias"]

    def linear(x, name):
        return x @ both(name)[0].T + both(name)[1]

    e = "embeddings."
    x = w[e + "word_embeddings.weight"][tokens]
    x = x + w[e + "position_embeddings.weight"][: len(tokens)]
    x = layer_norm(x + w[e + "token_type_embeddings.weight"][0], *both(e + "LayerNorm"), eps)
    states = [x]
    for i in range(config["num_hidden_layers"]):
        own = f"encoder.layer.{i}."
        qkv = (both(f"{own}attention.self.{name}") for name in ("query", "key", "value"))
        seen = attention(x, *qkv, config["num_attention_heads"])
        seen = linear(seen, own + "attention.output.dense")
        x = layer_norm(x + seen, *both(own + "attention.output.LayerNorm"), eps)
        inner = np.maximum(linear(x, own + "intermediate.dense"), 0)
        inner = linear(inner, own + "output.dense")
        x = layer_norm(x + inner, *both(own + "output.LayerNorm"), eps)
        states.append(x)
    return states


# ------------------------------------------------------------------------ Geneformer


def write_geneformer(folder, *, v2, max_length=2048, weights_name="model.safetensors", genes=None):
    from safetensors.torch import save_file
    from transformers import BertConfig, BertForMaskedLM

    special = ["<pad>", "<mask>", *(["<cls>", "<eos>"] if v2 else [])]
    genes = ENSEMBL[::-1] if genes is None else genes
    tokens = {name: i for i, name in enumerate([*special, *genes])}
    rng = np.random.default_rng(3)
    medians = {gene: rng.uniform(0.5, 20) for gene in genes}  # Python floats and numpy scalars
    medians |= {gene: np.float64(medians[gene]) for gene in genes[::2]}
    config = BertConfig(
        vocab_size=len(tokens),
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=24,
        hidden_act="relu",
        max_position_embeddings=max_length,
        initializer_range=0.3,
    )
    torch.manual_seed(0)
    weights = BertForMaskedLM(config).state_dict()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    if weights_name.endswith("safetensors"):
        save_file({k: v.clone() for k, v in weights.items()}, folder / weights_name)
    else:
        torch.save(weights, folder / weights_name)
    suffix = "gc104M" if v2 else "gc30M"
    for name, content in (("token_dictionary", tokens), ("gene_median_dictionary", medians)):
        (folder / f"{name}_{suffix}.pkl").write_bytes(pickle.dumps(content))
    return tokens, medians, config.to_dict(), weights


def plain_rank_values(made, tokens, medians, room):
    """Rank-value encoding with loops and a sort."""
    cells = []
    for row, size in zip(made.X.toarray(), made.obs["total_counts"], strict=True):
        found = []
        for gene, count in zip(made.var["ensembl_id"], row, strict=True):
            if count > 0 and gene in tokens:
                found.append((-(float(count) / size * 1e4 / medians[gene]), tokens[gene]))
        cells.append([(token, -value) for value, token in sorted(found)[:room]])
    return cells


@pytest.mark.parametrize(
    ("v2", "max_length", "weights_name"),
    [
        (False, 2048, "pytorch_model.bin"),
        (True, 4096, "model.safetensors"),
        (True, 550, "pytorch_model.bin"),
    ],
)
def test_geneformer_ranks_and_reads_as_plain_numpy_does(tmp_path, v2, max_length, weights_name):
    tokens, medians, config, weights = write_geneformer(
        tmp_path, v2=v2, max_length=max_length, weights_name=weights_name
    )
    made = screen()
    checkpoint = geneformer.read_checkpoint(tmp_path)
    assert (checkpoint.max_length, checkpoint.special) == (max_length, v2)
    found_tokens, found_values = geneformer.rank_values(made, checkpoint)
    expected = plain_rank_values(made, tokens, medians, max_length - 2 * v2)
    assert {len(t) == max_length for t in found_tokens} == {max_length == 550}
    for cell, (sentence, values) in enumerate(zip(found_tokens, found_values, strict=True)):
        if v2:
            assert (sentence[0], sentence[-1]) == (tokens["<cls>"], tokens["<eos>"])
            assert np.isnan(values[[0, -1]]).all()
            sentence, values = sentence[1:-1], values[1:-1]
        assert sentence.tolist() == [token for token, _ in expected[cell]]
        np.testing.assert_allclose(values, [value for _, value in expected[cell]])
    for layer, state in ((-1, 2), (0, 3)):
        embedded = geneformer.embed(made, checkpoint, layer=layer, batch_size=2)
        for cell, sentence in enumerate(found_tokens):
            hidden = plain_bert(weights, config, sentence)[state]
            genes = hidden[1:-1] if v2 else hidden
            np.testing.assert_allclose(embedded[cell], genes.mean(axis=0), rtol=1e-4, atol=1e-5)
    if v2:
        embedded = geneformer.embed(made, checkpoint, pooling="cls", batch_size=3)
        hidden = plain_bert(weights, config, found_tokens[1])[2]
        np.testing.assert_allclose(embedded[1], hidden[0], rtol=1e-4, atol=1e-5)
    else:
        with pytest.raises(DataError, match="no <cls> token"):
            geneformer.embed(made, checkpoint, pooling="cls")


def test_library_size_moves_no_rank_and_other_counts_do(tmp_path):
    write_geneformer(tmp_path, v2=False)
    checkpoint = geneformer.read_checkpoint(tmp_path)
    made, deeper, other = screen(), screen(), screen(seed=1)
    deeper.obs["total_counts"] *= 3
    for a, b in zip(
        *(geneformer.rank_values(s, checkpoint)[0] for s in (made, deeper)), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(
        geneformer.rank_values(made, checkpoint)[0][0],
        geneformer.rank_values(other, checkpoint)[0][0],
    )


def test_genes_of_one_id_are_added_up_and_their_order_does_not_matter(tmp_path):
    write_geneformer(tmp_path, v2=False)
    checkpoint = geneformer.read_checkpoint(tmp_path)
    made = screen()
    shuffled = made[:, np.random.default_rng(0).permutation(N_GENES)].copy()
    np.testing.assert_allclose(
        geneformer.embed(made, checkpoint), geneformer.embed(shuffled, checkpoint), atol=1e-5
    )
    split = made.copy()
    split.var["ensembl_id"] = [ENSEMBL[1], *ENSEMBL[1:]]
    merged = made.copy()
    X = made.X.toarray()
    X[:, 1] += X[:, 0]
    X[:, 0] = 0
    merged.X = csr_matrix(X)
    for a, b in zip(
        *(geneformer.rank_values(s, checkpoint)[0] for s in (split, merged)), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_geneformer_refuses_what_it_cannot_read(tmp_path):
    from safetensors.torch import load_file, save_file

    write_geneformer(tmp_path, v2=True)
    made, checkpoint = screen(), geneformer.read_checkpoint(tmp_path)
    with pytest.raises(ValueError, match="layer is -2"):
        geneformer.embed(made, checkpoint, layer=-2)
    symbols = made.copy()
    symbols.var["ensembl_id"] = SYMBOLS
    with pytest.raises(DataError, match=r"none of 700 genes .* knows genes by Ensembl id .* 'G0'"):
        geneformer.embed(symbols, checkpoint)
    versions = made.copy()
    versions.var["ensembl_id"] = [f"{gene}.4" for gene in ENSEMBL]
    with pytest.raises(DataError, match="without version suffixes"):
        geneformer.embed(versions, checkpoint)
    del symbols.var["ensembl_id"]
    with pytest.raises(DataError, match="var has no column 'ensembl_id'"):
        geneformer.embed(symbols, checkpoint)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    lost = dict(weights)
    del lost["bert.encoder.layer.1.output.dense.bias"]
    save_file(lost, path)
    with pytest.raises(
        DataError, match=r"lacks 1 of \d+ weights.*encoder.layer.1.output.dense.bias"
    ):
        geneformer.read_checkpoint(tmp_path)
    narrow = weights | {"bert.encoder.layer.1.output.dense.bias": torch.zeros(7)}
    save_file(narrow, path)
    with pytest.raises(DataError, match=r"has shape \(7,\), the configuration asks for \(16,\)"):
        geneformer.read_checkpoint(tmp_path)
    path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="is no safetensors file"):
        geneformer.read_checkpoint(tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=r"neither model.safetensors nor pytorch_model.bin"):
        geneformer.read_checkpoint(tmp_path)
    save_file(weights, path)
    extra = tmp_path / "token_dictionary_gc30M.pkl"
    extra.write_bytes(pickle.dumps({"<pad>": 0, "x": 10_000}))
    with pytest.raises(DataError, match=r"has 2 files token_dictionary\*.pkl"):
        geneformer.read_checkpoint(tmp_path)
    extra.rename(tmp_path / "token_dictionary_gc104M.pkl")
    with pytest.raises(DataError, match="goes up to 10000, the model has 704 tokens"):
        geneformer.read_checkpoint(tmp_path)


# ------------------------------------------------------------------------ scGPT

ARGS = {
    "embsize": 16,
    "nheads": 2,
    "d_hid": 24,
    "nlayers": 2,
    "n_layers_cls": 3,
    "dropout": 0.2,
    "pad_token": "<pad>",
    "pad_value": -2,
    "n_bins": 51,
    "input_emb_style": "continuous",
}


def write_scgpt(folder, *, symbols=None):
    """A checkpoint with flash-attention's names and the heads that are not used here."""
    symbols = SYMBOLS[::-1] if symbols is None else symbols
    vocabulary = {name: i for i, name in enumerate([*symbols, "<pad>", "<cls>", "<eoc>"])}
    generator = torch.Generator().manual_seed(1)

    def draw(*shape):
        return torch.randn(*shape, generator=generator) * 0.4

    d, hidden = ARGS["embsize"], ARGS["d_hid"]
    weights = {
        "encoder.embedding.weight": draw(len(vocabulary), d),
        "flag_encoder.weight": draw(2, d),
    }
    shapes = {"encoder.enc_norm": (d,), "value_encoder.norm": (d,)}
    shapes |= {"value_encoder.linear1": (d, 1), "value_encoder.linear2": (d, d)}
    shapes |= {"decoder.fc.0": (d, d), "mvc_decoder.gene2query": (d, d)}
    for i in range(ARGS["nlayers"]):
        own = f"transformer_encoder.layers.{i}."
        shapes |= {own + "self_attn.Wqkv": (3 * d, d), own + "self_attn.out_proj": (d, d)}
        shapes |= {own + "linear1": (hidden, d), own + "linear2": (d, hidden)}
        shapes |= {own + "norm1": (d,), own + "norm2": (d,)}
    for name, shape in shapes.items():
        weights[f"{name}.weight"] = draw(*shape) + (1.0 if len(shape) == 1 else 0.0)
        weights[f"{name}.bias"] = draw(shape[0])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "args.json").write_text(json.dumps(ARGS))
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    torch.save(weights, folder / "best_model.pt")
    return vocabulary, weights


def plain_scgpt(weights, tokens, values):
    """Last state of <cls>, at unit length."""
    w = {k: v.numpy().astype(float) for k, v in weights.items()}

    def both(name):
        return w[f"{name}.weight"], w[f"{name}.bias"]

    def linear(x, name):
        return x @ both(name)[0].T + both(name)[1]

    x = layer_norm(w["encoder.embedding.weight"][tokens], *both("encoder.enc_norm"), 1e-5)
    value = np.minimum(np.asarray(values, dtype=float), 512)[:, None]
    value = linear(np.maximum(linear(value, "value_encoder.linear1"), 0), "value_encoder.linear2")
    x = x + layer_norm(value, *both("value_encoder.norm"), 1e-5)
    d = x.shape[1]
    for i in range(ARGS["nlayers"]):
        own = f"transformer_encoder.layers.{i}."
        weight, bias = both(own + "self_attn.Wqkv")
        qkv = [(weight[k * d : (k + 1) * d], bias[k * d : (k + 1) * d]) for k in range(3)]
        seen = linear(attention(x, *qkv, ARGS["nheads"]), own + "self_attn.out_proj")
        x = layer_norm(x + seen, *both(own + "norm1"), 1e-5)
        inner = linear(np.maximum(linear(x, own + "linear1"), 0), own + "linear2")
        x = layer_norm(x + inner, *both(own + "norm2"), 1e-5)
    return x[0] / np.linalg.norm(x[0])


@pytest.mark.parametrize("room", [1_200, 500])
def test_scgpt_reads_as_plain_numpy_does(tmp_path, monkeypatch, room):
    monkeypatch.setattr(scgpt, "MAX_LENGTH", room)
    vocabulary, weights = write_scgpt(tmp_path)
    checkpoint, made = scgpt.read_checkpoint(tmp_path), screen()
    tokens, values = scgpt.tokenise(made, checkpoint, seed=4)
    embedded = scgpt.embed(made, checkpoint, seed=4, batch_size=2)
    for cell in range(made.n_obs):
        assert (tokens[cell][0], values[cell][0]) == (vocabulary["<cls>"], -2)
        detected = {
            vocabulary[g] for g, n in zip(SYMBOLS, made.X[cell].toarray()[0], strict=True) if n > 0
        }
        if room == 500:
            assert len(tokens[cell]) == 500 and set(tokens[cell][1:]) < detected
        else:
            assert set(tokens[cell][1:]) == detected
        assert len(set(tokens[cell])) == len(tokens[cell])
        expected = plain_scgpt(weights, tokens[cell], values[cell])
        np.testing.assert_allclose(embedded[cell], expected, rtol=1e-4, atol=1e-5)
    again = scgpt.embed(made, checkpoint, seed=4, batch_size=4)
    np.testing.assert_allclose(again, embedded, atol=1e-5)
    if room == 500:
        assert any((scgpt.tokenise(made, checkpoint, seed=5)[0][0] != tokens[0]).tolist())
        top, values = scgpt.tokenise(made, checkpoint, seed=0, spread_ties=False, sampling=False)
        every = scgpt.bin_values(made.X[0].data, None)
        assert sorted(values[0][1:]) == sorted(every)[-499:]
        assert len(top[0]) == 500


def test_a_bin_is_the_number_of_edges_below():
    values = np.random.default_rng(0).gamma(1, 5, 400)
    edges = sorted(np.quantile(values, np.linspace(0, 1, 50)).tolist())
    expected = [bisect_right(edges, value) for value in values]
    np.testing.assert_array_equal(scgpt.bin_values(values, None), expected)
    assert min(expected) == 1 and max(expected) == 50


def test_tied_counts_are_spread_evenly_over_their_tied_edges():
    values = np.repeat([1.0, 2.0, 7.0], [600, 300, 100])
    edges = np.quantile(values, np.linspace(0, 1, 50)).tolist()
    found = scgpt.bin_values(values, np.random.default_rng(0))
    for value in (1.0, 2.0, 7.0):
        bins = found[values == value]
        low, high = bisect_left(edges, value) + 1, bisect_right(edges, value)
        assert (bins.min(), bins.max()) == (low, high)
        share = np.bincount(bins, minlength=high + 1)[low:] / len(bins)
        spread = 5 * np.sqrt(1 / (high - low + 1) / len(bins))
        np.testing.assert_allclose(share, 1 / (high - low + 1), atol=spread)


def test_scgpt_refuses_what_it_cannot_read(tmp_path):
    vocabulary, weights = write_scgpt(tmp_path)
    made, checkpoint = screen(), scgpt.read_checkpoint(tmp_path)
    named_otherwise = made.copy()
    named_otherwise.var_names = ENSEMBL
    with pytest.raises(
        DataError, match=r"none of 700 genes .* by gene symbol .* 'ENSG00000000000'"
    ):
        scgpt.embed(named_otherwise, checkpoint, seed=0)
    path = tmp_path / "best_model.pt"
    torch.save({k: v for k, v in weights.items() if "layers.1.self_attn.Wqkv" not in k}, path)
    with pytest.raises(DataError, match=r"lacks 2 of \d+ weights.*in_proj_weight.*would be random"):
        scgpt.read_checkpoint(tmp_path)
    torch.save({"model": weights}, path)
    with pytest.raises(DataError, match="no dictionary of tensors"):
        scgpt.read_checkpoint(tmp_path)
    torch.save(weights, path)
    (tmp_path / "vocab.json").write_text(
        json.dumps({k: v for k, v in vocabulary.items() if k != "<cls>"})
    )
    with pytest.raises(DataError, match=r"vocab\.json has no <cls>"):
        scgpt.read_checkpoint(tmp_path)
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary | {"<new>": len(vocabulary)}))
    with pytest.raises(DataError, match=r"encoder.embedding.weight has shape \(703, 16\)"):
        scgpt.read_checkpoint(tmp_path)
    (tmp_path / "args.json").write_text(json.dumps(ARGS | {"input_emb_style": "category"}))
    with pytest.raises(DataError, match="input_emb_style 'category'"):
        scgpt.read_checkpoint(tmp_path)
    (tmp_path / "args.json").unlink()
    with pytest.raises(DataError, match=r"has no args.json"):
        scgpt.read_checkpoint(tmp_path)


# ------------------------------------------------------------------------ vocabulary


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")
@pytest.mark.parametrize("model", ["geneformer", "scgpt"])
def test_a_gpu_gives_what_the_processor_gives(tmp_path, model):
    made = screen(n_cells=40)
    if model == "geneformer":
        write_geneformer(tmp_path, v2=True)
        checkpoint, embed = geneformer.read_checkpoint(tmp_path), geneformer.embed
    else:
        write_scgpt(tmp_path)
        checkpoint, embed = scgpt.read_checkpoint(tmp_path), partial(scgpt.embed, seed=4)
    on_cpu = embed(made, checkpoint, batch_size=8)
    on_gpu = embed(made, checkpoint, batch_size=16, device="cuda")
    np.testing.assert_allclose(on_gpu, on_cpu, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("device", ["cuda:99", "abacus"])
def test_a_device_that_is_not_there_is_refused_before_anything_is_read(device, tmp_path):
    with pytest.raises(DataError, match=f"torch cannot compute on '{device}' here: .*; cpu works"):
        cli.embed("no-such-data", cli.Model.scgpt, tmp_path, device=device)


def test_few_detected_genes_and_a_foreign_vocabulary_are_refused():
    tokens = {name: i for i, name in enumerate(SYMBOLS)}
    made = screen()
    names = made.var_names.to_numpy()

    def ask(screen, tokens):
        return known_genes(screen, names, tokens, model="M", naming="symbol")

    counts, token = ask(made, tokens)
    np.testing.assert_array_equal(counts.toarray(), made.X.toarray())
    np.testing.assert_array_equal(token, np.arange(N_GENES))
    half = dict(list(tokens.items())[:250])
    with pytest.raises(DataError, match=r"covers 250 of 700 genes and \d\d% of the counts"):
        ask(made, half)
    thin = made.copy()
    thin.X = csr_matrix(made.X.toarray() * (np.arange(N_GENES) % 2))
    with pytest.raises(DataError, match=r"median cell has \d+ detected genes .* 500 are needed"):
        ask(thin, tokens)
    bare = made.copy()
    X = made.X.toarray()
    X[3] = 0
    bare.X = csr_matrix(X)
    with pytest.raises(
        DataError, match="1 cells have no gene of M's vocabulary, the first 'cell3'"
    ):
        ask(bare, tokens)


@pytest.mark.parametrize("name", registry.screens())
def test_every_small_screen_is_refused(name):
    if registry.status(name)["state"] == "absent":
        pytest.skip(f"{name} is not on this machine")
    made = registry.load(name).function.function()
    tokens = {gene: i for i, gene in enumerate(made.var_names)}  # as if all were known
    with pytest.raises(DataError, match="500 are needed"):
        known_genes(made, made.var_names.to_numpy(), tokens, model="M", naming="symbol")


# ------------------------------------------------------------------------ files that could run


class Bomb:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_dictionaries_of_numbers_are_read_and_nothing_is_run(tmp_path, protocol):
    wanted = {"a": 1, "b": 2.5, "c": np.float64(3.25), "d": np.int64(4), "e": np.float32(0.5)}
    path = tmp_path / "d.pkl"
    path.write_bytes(pickle.dumps(wanted, protocol))
    assert read_dictionary(path) == wanted
    mark = tmp_path / "ran"
    for content in (Bomb(mark), {"a": Bomb(mark)}, {"a": np.zeros(2)}, {"a": eval}):
        path.write_bytes(pickle.dumps(content, protocol))
        with pytest.raises(DataError, match="Nothing in it was run"):
            read_dictionary(path)
        assert not mark.exists()
    for content in ([1], {}, {1: 2}, {"a": "text"}):
        path.write_bytes(pickle.dumps(content, protocol))
        with pytest.raises(DataError, match="no dictionary of names to numbers"):
            read_dictionary(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="is not a dictionary of numbers"):
        read_dictionary(path)


def test_a_pickle_inside_weights_is_not_run(tmp_path):
    path, mark = tmp_path / "best_model.pt", tmp_path / "ran"
    torch.save({"w": torch.zeros(2), "x": Bomb(mark)}, path)
    with pytest.raises(
        DataError, match=r"cannot be read as plain weights .* Nothing in it was run"
    ):
        read_weights(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match="cannot be read as plain weights"):
        read_weights(path)
    assert not mark.exists()


# ------------------------------------------------------------------------ the command


def test_the_command_computes_and_keeps(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBOOK_CACHE", str(tmp_path / "cache"))
    made = screen()
    made.uns["dataset"]["name"] = "made-up"
    monkeypatch.setattr(cli, "_screen", lambda name: made)
    write_geneformer(tmp_path / "gf", v2=False)
    write_scgpt(tmp_path / "sg")
    for model, folder in (("geneformer", "gf"), ("scgpt", "sg")):
        done = CliRunner().invoke(cli.app, ["embed", "made-up", model, str(tmp_path / folder)])
        assert done.exit_code == 0, done.exception
        entry = embeddings.entries()[f"{model}-made-up"]
        assert (entry["n_cells"], entry["n_dims"], entry["model"]) == (5, 16, model)
        assert all(len(sha) == 64 for sha in entry["checkpoint"].values())
