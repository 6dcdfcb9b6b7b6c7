"""The large perturbation model, against its formulas, published counts and torch itself."""

import numpy as np
import pytest
import torch

from helpers.data.contract import DataError
from helpers.data.discovery.profiles import CONTROL, Profiles, Vocabulary
from helpers.models.discovery import large_perturbation_model as lpm
from helpers.models.discovery.large_perturbation_model import LPM, LargePerturbationModel, Size

TINY = Size(embedding_dim=4, hidden_dim=8, dropout=0.0, n_epochs=3, batch=12)


def table():
    rng = np.random.default_rng(0)
    mask = np.ones((6, 3), bool)
    mask[1, 2] = False
    return Profiles(
        np.where(mask, rng.standard_normal((6, 3)), 0).astype(np.float32),
        mask,
        np.array(["a", "a", "a", "b", "b", "b"]),
        np.array([CONTROL, "G1", "G1+G2", CONTROL, "G2", "G3"]),
        np.array(["R0", "R1", "R2"]),
    )


def network(size=TINY, seed=0):
    torch.manual_seed(seed)
    return LargePerturbationModel(2, 5, 7, size)


@pytest.mark.parametrize(
    "size, symbols, network_only, all_of_it",
    [
        # the notebook of the release: "361 K", "1.0 M"
        (Size(embedding_dim=64, hidden_dim=512), (1, 1442, 8561), 361_985, 1_002_241),
        (lpm.PUBLISHED["replogle_k562_paper_lpm"], (1, 1, 1), 312_833, 312_929),
        (lpm.PUBLISHED["lincs_paper_lpm"], (1, 1, 978), 164_609, 164_609 + 980 * 128),
    ],
)
def test_parameters_are_as_many_as_published(size, symbols, network_only, all_of_it):
    net = LargePerturbationModel(*symbols, size)
    assert sum(p.numel() for m in (net.hidden, net.out) for p in m.parameters()) == network_only
    n = sum(p.numel() for p in net.parameters())
    assert n == all_of_it == lpm.n_parameters(size, sum(symbols))


def test_the_rate_falls_as_published():
    rates = [round(lpm.rate_after(s), 3) for s in lpm.PUBLISHED.values()]
    assert rates == [0.225, 0.611, 0.611]


def test_the_concatenation_is_context_perturbation_readout():
    net = network()
    first, d = net.hidden[0], 4
    c, p, r = (torch.tensor([i]) for i in (1, 3, 6))
    x = torch.cat([net.context(c), net.perturbation(p), net.readout(r)], dim=1)
    assert x.shape == (1, 3 * d) == (1, first.in_features)
    h = torch.relu(net.hidden[1](torch.relu(first(x))))
    assert torch.allclose(net(c, p[:, None], r), net.out(h)[0])


def test_the_start_is_xavier_with_gain_root_two_and_tables_are_standard_normal():
    net = network(Size(embedding_dim=128, hidden_dim=256))
    for layer in net.hidden:
        bound = 2**0.5 * (6 / (layer.in_features + layer.out_features)) ** 0.5
        assert layer.weight.abs().max() <= bound
        assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
        assert layer.bias.abs().max() <= layer.in_features**-0.5 and layer.bias.std() > 0
    vectors = torch.cat([net.context.weight, net.perturbation.weight, net.readout.weight])
    assert vectors.std().item() == pytest.approx(1, abs=0.05) and abs(vectors.mean()) < 0.05


@pytest.mark.parametrize("bag", ["mean", "sum", "max"])
def test_combinations_are_bagged_as_torch_does(bag):
    net = network(Size(embedding_dim=4, hidden_dim=8, bag=bag))
    components = torch.tensor([[1, 3], [2, -1], [4, 0]])
    peer = torch.nn.EmbeddingBag.from_pretrained(net.perturbation.weight, mode=bag)
    flat, offsets = torch.tensor([1, 3, 2, 4, 0]), torch.tensor([0, 2, 3])
    assert torch.allclose(net.bag(components), peer(flat, offsets), atol=1e-6)


@pytest.mark.parametrize("name", list(lpm.PUBLISHED))
def test_the_factored_form_is_the_scalar_form(name):
    net = LargePerturbationModel(3, 9, 40, lpm.PUBLISHED[name]).eval()
    rng = np.random.default_rng(0)
    c, p = (
        torch.from_numpy(rng.integers(3, size=20)),
        torch.from_numpy(rng.integers(9, size=(20, 2))),
    )
    p[3:, 1] = -1
    r = torch.randperm(40)[:25]
    whole = net.profiles(c, p, r)
    i, j = np.indices((20, 25)).reshape(2, -1)
    scalar = net(c[i], p[i], r[j]).reshape(20, 25)
    assert (whole - scalar).abs().max() < 1e-5


def test_both_forms_have_the_same_gradients():
    net = network()
    c, p, r = torch.tensor([0, 1]), torch.tensor([[1], [2]]), torch.arange(7)
    found = []
    for values in (
        net.profiles(c, p, r),
        net(c.repeat_interleave(7), p.repeat_interleave(7, 0), r.repeat(2)),
    ):
        net.zero_grad()
        (values**2).mean().backward()
        found.append([q.grad.clone() for q in net.parameters()])
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.003])
def test_units_are_kept_at_the_exact_rate_and_independently(dropout):
    mask = lpm.kept((1000, 1003), dropout, np.random.default_rng(1)).numpy()
    n, p = mask.size, 1 - dropout
    assert mask.shape == (1000, 1003) and mask.dtype == bool
    five = 5 * (p * (1 - p) / n) ** 0.5
    assert abs(mask.mean() - p) < five  # a threshold of whole bytes is off by up to 0.4 %
    assert abs(mask.mean(axis=0) - p).max() < 5 * (p * (1 - p) / 1000) ** 0.5 + 1e-3
    flat = mask.ravel() - p
    for lag in (1, 2, 7, 8, 64, 1003):  # neighbours, bytes of one word, rows
        assert abs((flat[lag:] * flat[:-lag]).mean()) < 5 * p * (1 - p) / n**0.5
    assert (lpm.kept((8,), 0.5, np.random.default_rng(0)).shape) == (8,)


def test_a_byte_on_the_edge_is_decided_by_a_draw_of_its_own():
    class Bytes:  # every byte once, many times over
        def random_raw(self, n):
            return np.resize(np.arange(256, dtype=np.uint8), 8 * n).view(np.uint64)

    class Generator:
        bit_generator = Bytes()
        random = staticmethod(np.random.default_rng(0).random)

    mask = lpm.kept((256 * 2000,), 0.1, Generator()).numpy().reshape(2000, 256)
    assert not mask[:, :25].any() and mask[:, 26:].all()  # 256 x 0.1 = 25.6
    assert mask[:, 25].mean() == pytest.approx(0.4, abs=0.05)


def test_dropout_after_relu_is_what_torch_does_with_the_same_mask():
    x = torch.randn(40, 30, requires_grad=True)
    mask = lpm.kept((40, 30), 0.3, np.random.default_rng(0))
    peer = torch.relu(x) * mask / 0.7
    weight = torch.randn(40, 30)
    (expected,) = torch.autograd.grad((peer * weight).sum(), x)
    found = lpm.Active.apply(x, mask, 1 / 0.7)
    (gradient,) = torch.autograd.grad((found * weight).sum(), x)
    assert torch.allclose(found, peer) and torch.allclose(gradient, expected)


def test_dropout_is_for_training_alone_and_keeps_the_mean():
    net = network(Size(embedding_dim=4, hidden_dim=8, dropout=0.4))
    x = torch.rand(300, 400)
    assert torch.equal(net.eval().active(x), x)
    drawn = net.train().active(x)
    assert drawn.mean().item() == pytest.approx(x.mean().item(), rel=0.01)
    assert (drawn == 0).float().mean().item() == pytest.approx(0.4, abs=0.01)
    assert not torch.equal(net.active(x), drawn)


@pytest.mark.parametrize("form", ["factored", "scalar"])
def test_training_lowers_the_error_and_is_the_same_again(form):
    size = Size(
        embedding_dim=8, hidden_dim=16, dropout=0.0, learning_rate=0.02, n_epochs=60, batch=6
    )
    one, two = (LPM(size, 3, form).fit(table()) for _ in range(2))
    assert one.rmse_ == two.rmse_ and one.rmse_[-1] < 0.5 * one.rmse_[0]
    other = LPM(size, 4, form).fit(table())
    assert other.rmse_ != one.rmse_


def test_what_was_not_measured_moves_nothing():
    data = table()
    spoiled = data.value.copy()
    spoiled[~data.mask] = 99
    other = Profiles(spoiled, data.mask, data.context, data.perturbation, data.readout)
    for form in ("factored", "scalar"):
        assert LPM(TINY, form=form).fit(data).rmse_ == LPM(TINY, form=form).fit(other).rmse_


def test_unknown_perturbations_become_the_control_are_left_out_or_refused():
    model = LPM(TINY).fit(table())
    asked = (["a", "a"], [CONTROL, "new"], ["R0", "R1"])
    found = model.predict(*asked)
    assert np.array_equal(found[0], found[1])
    model.unknown = "drop"
    assert np.isnan(model.predict(*asked)).tolist() == [[False] * 2, [True] * 2]
    assert np.isnan(model.predict(["a"], ["new"], ["R0"])).all()
    model.unknown = "raise"
    with pytest.raises(DataError, match="not in the vocabulary: new"):
        model.predict(*asked)
    with pytest.raises(DataError, match=r"not in the vocabulary: .* \(readouts: 1\)"):
        model.predict(["a"], ["G1"], ["never seen"])


@pytest.mark.parametrize("bag", ["mean", "sum", "max"])
def test_a_checkpoint_keeps_the_bag_and_what_is_trainable(tmp_path, bag):
    model = LPM(Size(embedding_dim=4, hidden_dim=8, bag=bag, n_epochs=2)).fit(table())
    model.network_.context.weight.requires_grad_(False)
    model.save(tmp_path / "model.pt")
    again = lpm.load(tmp_path / "model.pt", Vocabulary.of(table()))
    asked = (["a", "b"], ["G1+G2", "G3"], ["R2", "R0"])
    assert np.array_equal(model.predict(*asked), again.predict(*asked))
    assert again.size == model.size and again.vocabulary_ == model.vocabulary_
    grads = {n: p.requires_grad for n, p in again.network_.named_parameters()}
    assert not grads["context.weight"] and all(v for n, v in grads.items() if n != "context.weight")


def test_a_checkpoint_of_another_vocabulary_is_refused(tmp_path):
    LPM(TINY).fit(table()).save(tmp_path / "model.pt")
    other = Vocabulary.of(table().take(np.arange(4)))
    with pytest.raises(DataError, match=r"another vocabulary \(perturbation\)"):
        lpm.load(tmp_path / "model.pt", other)


def test_an_ensemble_is_the_mean_and_the_deviation_of_its_networks():
    asked = (["a", "b"], ["G1", "G3"], ["R2", "R0"])
    mean, sd = lpm.Ensemble(TINY, seeds=(1, 2, 3)).fit(table()).predict(*asked)
    each = np.array([LPM(TINY, s).fit(table()).predict(*asked) for s in (1, 2, 3)])
    assert mean == pytest.approx(each.mean(axis=0)) and sd == pytest.approx(
        each.std(axis=0, ddof=1)
    )
    assert np.isnan(lpm.Ensemble(TINY, seeds=(1,)).fit(table()).predict(*asked)[1]).all()


def test_what_cannot_be_fitted():
    data = table()
    nothing = Profiles(
        data.value, ~data.mask & data.mask, data.context, data.perturbation, data.readout
    )
    with pytest.raises(DataError, match="nothing to train on"):
        LPM(TINY).fit(nothing)
    with pytest.raises(DataError, match="form is 'rows'"):
        LPM(TINY, form="rows").fit(data)
    with pytest.raises(DataError, match="bag is 'median'"):
        LargePerturbationModel(1, 1, 1, Size(bag="median"))


@pytest.mark.parametrize(
    "given, said",
    [
        ({"dropout": 1.0}, "dropout is 1.0; at least 0, below 1"),
        ({"dropout": -0.1}, "dropout is -0.1"),
        ({"batch": 0}, "batch is 0; at least 1"),
        ({"n_epochs": 0}, "n_epochs is 0"),
    ],
)
def test_sizes_out_of_range(given, said):
    with pytest.raises(DataError, match=said):
        Size(**given)


def test_a_model_that_was_not_fitted_and_files_that_hold_none(tmp_path):
    with pytest.raises(DataError, match="was not fitted"):
        LPM(TINY).predict(["a"], ["G1"], ["R0"])
    whole = tmp_path / "whole.pt"
    LPM(TINY).fit(table()).save(whole)
    for name, content in (("cut", whole.read_bytes()[:500]), ("text", b"hello")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match="no checkpoint, or one that is cut short"):
            lpm.load(tmp_path / name)
    torch.save({"a": 1}, tmp_path / "other")
    with pytest.raises(DataError, match="a file of torch, but not one"):
        lpm.load(tmp_path / "other")
