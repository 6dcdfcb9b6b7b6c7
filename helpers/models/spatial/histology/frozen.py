"""Features of a backbone that nothing here trains: a ResNet-18 with weights from a local file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from helpers.data.errors import DataError
from helpers.data.untrusted import read_weights

_MEAN, _SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, red, green, blue
_STAGES = 4


class Block(nn.Module):
    """Two convolutions around a shortcut, named as torchvision names them."""

    def __init__(self, n_in: int, n_out: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.downsample = None
        if stride > 1:
            convolution = nn.Conv2d(n_in, n_out, 1, stride, bias=False)
            self.downsample = nn.Sequential(convolution, nn.BatchNorm2d(n_out))

    def forward(self, x):
        kept = x if self.downsample is None else self.downsample(x)
        x = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(x + kept)


class ResNet18(nn.Module):
    """torchvision's ResNet-18 without its last layer; `width` is 64 in the published one."""

    def __init__(self, width: int = 64):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.pool = nn.MaxPool2d(3, 2, 1)
        for stage in range(_STAGES):
            n_out = width * 2**stage
            n_in = n_out if stage == 0 else n_out // 2
            blocks = nn.Sequential(Block(n_in, n_out, 1 + (stage > 0)), Block(n_out, n_out, 1))
            setattr(self, f"layer{stage + 1}", blocks)

    def forward(self, x):
        x = self.pool(torch.relu(self.bn1(self.conv1(x))))
        for stage in range(_STAGES):
            x = getattr(self, f"layer{stage + 1}")(x)
        return x.mean(dim=(2, 3))


def backbone(path: Path) -> ResNet18:
    """A ResNet-18 with the weights of a file as torchvision saves it (`state_dict`).

    Raises
    ------
    DataError
        There is no such file, it holds no weights, or those of another architecture.
    """
    if not Path(path).is_file():
        raise DataError(f"there are no weights at {path}")
    state = read_weights(Path(path))
    if "conv1.weight" not in state:
        raise DataError(f"{path} is not of a ResNet: it has no conv1.weight")
    model = ResNet18(state["conv1.weight"].shape[0])
    own = model.state_dict()
    state = {k: v for k, v in state.items() if not k.startswith("fc.")}
    wrong = [k for k in own if k not in state or state[k].shape != own[k].shape]
    if wrong or (more := sorted(set(state) - set(own))):
        first = (wrong or more)[0]
        raise DataError(f"{path} is of another architecture than ResNet-18: see {first}")
    model.load_state_dict(state)
    return model.eval()


def features(patches, path: Path, *, side: int = 224, batch: int = 32) -> np.ndarray:
    """Features of windows, enlarged to the size that the backbone was trained on.

    Parameters
    ----------
    patches : array of uint8, shape (n_spots, side, side, 3)
    path : Path

    Returns
    -------
    ndarray of float32, shape (n_spots, 8 * width): 512 of the published one
    """
    model = backbone(path)
    mean, sd = (torch.tensor(v)[:, None, None] for v in (_MEAN, _SD))
    parts = []
    with torch.no_grad():
        for start in range(0, len(patches), batch):
            part = torch.from_numpy(np.asarray(patches[start : start + batch], np.float32) / 255)
            image = ((part.permute(0, 3, 1, 2)) - mean) / sd
            image = nn.functional.interpolate(image, side, mode="bilinear", antialias=True)
            parts.append(model(image).numpy())
    return np.concatenate(parts)
