"""Files of other people that are pickles by nature, read without running what is in them.

A pickle is a program, and loading it runs it. Two formats leave no choice: Geneformer's
dictionaries and PyTorch's weights. This is the only module that touches them.
"""

from __future__ import annotations

import codecs
import pickle
from pathlib import Path

import numpy as np

from helpers.data.contract import DataError

# What a dictionary of numbers may ask for: numpy scalars, under numpy's old and new address.
_SCALAR = np.float64(0).__reduce__()[0]
_ADMITTED = {
    ("numpy.core.multiarray", "scalar"): _SCALAR,
    ("numpy._core.multiarray", "scalar"): _SCALAR,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): codecs.encode,
}


class _Containers(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _ADMITTED[module, name]


def read_dictionary(path: Path) -> dict[str, float]:
    """Read a pickled dictionary of names to numbers.

    Built-in containers, text and numbers are admitted, and numpy scalars; anything else that the
    pickle asks for is refused before it is called.

    Raises
    ------
    DataError
        The file asks for something else, is no pickle, or holds no dictionary of numbers.
    """
    try:
        with Path(path).open("rb") as file:
            found = _Containers(file).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, IndexError, KeyError) as error:
        raise DataError(
            f"{path} is not a dictionary of numbers: {error}. Nothing in it was run; take the file "
            "from the model's own repository"
        ) from error
    numbers = (int, float, np.integer, np.floating)
    if not (
        isinstance(found, dict)
        and found
        and all(isinstance(k, str) and isinstance(v, numbers) for k, v in found.items())
    ):
        raise DataError(f"{path} holds no dictionary of names to numbers")
    return found


def read_weights(path: Path) -> dict:
    """Read a model's weights: safetensors, or a PyTorch file with ``weights_only=True``.

    Returns
    -------
    dict of str to torch.Tensor, on the CPU

    Raises
    ------
    DataError
        The file holds more than tensors, or is damaged.
    """
    import torch

    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors import SafetensorError
            from safetensors.torch import load_file

            try:
                return load_file(path)
            except SafetensorError as error:
                raise DataError(f"{path} is no safetensors file ({error})") from error
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{path} cannot be read as plain weights ({reason}). Nothing in it was run; save "
            "model.state_dict() with torch.save, or as safetensors"
        ) from error
    if not (isinstance(weights, dict) and all(torch.is_tensor(v) for v in weights.values())):
        raise DataError(f"{path} holds no dictionary of tensors; save model.state_dict()")
    return weights
