"""A backbone from a local file in torchvision's format: names, shapes, refusals, and its ridge."""

from hashlib import sha256

import numpy as np
import pytest
import torch

from helpers.data.errors import DataError
from helpers.models.spatial.histology import frozen

# names of torchvision 0.20 resnet18().state_dict() of one block of each kind
NAMES = (
    *("conv1.weight", "bn1.running_mean", "bn1.num_batches_tracked", "layer1.0.conv1.weight"),
    *("layer1.1.bn2.bias", "layer2.0.downsample.0.weight", "layer2.0.downsample.1.running_var"),
    *("layer4.1.conv2.weight", "layer4.1.bn2.weight"),
)


@pytest.fixture
def file(tmp_path):
    torch.manual_seed(0)
    state = frozen.ResNet18(4).state_dict()
    state |= {"fc.weight": torch.zeros(10, 32), "fc.bias": torch.zeros(10)}
    torch.save(state, tmp_path / "resnet18.pth")
    return tmp_path / "resnet18.pth"


def test_names_and_size_are_those_of_torchvision():
    state = frozen.ResNet18().state_dict()
    assert set(NAMES) <= set(state) and len(state) == 120
    learned = sum(p.numel() for p in frozen.ResNet18().parameters())
    assert learned == 11_689_512 - 513_000  # torchvision's, less its last layer


def test_features_are_of_each_window_alone(file):
    patches = np.random.default_rng(0).integers(0, 255, (5, 8, 8, 3)).astype(np.uint8)
    found = frozen.features(patches, file, side=32, batch=2)
    assert found.shape == (5, 32) and np.isfinite(found).all()
    np.testing.assert_allclose(frozen.features(patches[3:4], file, side=32)[0], found[3], atol=1e-5)


def test_other_weights_are_refused(file, tmp_path):
    state = torch.load(file, weights_only=True)
    with pytest.raises(DataError, match="no weights at"):
        frozen.backbone(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("weights")
    with pytest.raises(DataError, match=r"text\.pth"):
        frozen.backbone(tmp_path / "text.pth")
    for change, said in (
        ({"features.0.weight": torch.zeros(3)}, "not of a ResNet"),
        (state | {"layer1.2.conv1.weight": torch.zeros(3)}, "another architecture"),
        (state | {"layer3.0.conv1.weight": torch.zeros(3)}, "another architecture"),
    ):
        torch.save(change, tmp_path / "other.pth")
        with pytest.raises(DataError, match=said):
            frozen.backbone(tmp_path / "other.pth")


def test_ridge_on_its_features_is_a_row_of_the_page(file):
    from helpers.data.spatial import curation as steps
    from helpers.data.spatial.simulate import TissueKnobs, simulate
    from helpers.tasks.spatial import histology as task
    from helpers.tasks.spatial.curation import curate

    source = simulate(0, TissueKnobs(side=5, n_genes=40, n_slides=4))
    split = task.sides([f"slide {i + 1}" for i in range(4)], 2)
    kept = curate(steps.readers(source), split, statistics="train", batch="", n_keep=8)
    sheets = task.matched_windows.function(source, kept)
    ask = {"weights": str(file), "filled": "zeros", "loss": "measured"}
    digest = sha256(file.read_bytes()).hexdigest()
    found = task.pretrained.function(kept, sheets, sha256=digest, **ask)
    assert found.shape == (25, 8) and np.isfinite(found).all()
    with pytest.raises(DataError, match="has the hash"):
        task.pretrained.function(kept, sheets, sha256="0", **ask)
