"""Files of trained networks in safetensors format, with metadata."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[np.float32]]


def read_tensors(path: str | os.PathLike[str], form: str) -> Tensors:
    """Read the tensors of a trained network.

    Args:
        path: of a safetensors file.
        form: required "format" in its metadata.

    Returns:
        Tensors by name.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no network at {path}")
    try:
        with safe_open(path, "np") as content:
            metadata = content.metadata() or {}
            tensors = {name: content.get_tensor(name) for name in list(content.keys())}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is not a network in safetensors format: {error}") from error
    if metadata.get("format") != form:
        raise ValueError(f"{path} holds no network of this package (format {form!r})")
    return tensors


def check_tensors(
    tensors: Mapping[str, NDArray[np.float32]], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Make sure that tensors are those of a network.

    Args:
        tensors: by name.
        shapes: of each that there must be.

    Raises:
        ValueError: a tensor is missing, superfluous, of another shape, or not finite.
    """
    if set(tensors) != set(shapes):
        odd = sorted(set(tensors) ^ set(shapes))
        raise ValueError(f"tensors {odd} are missing or superfluous; wanted {sorted(shapes)}")
    for name, shape in shapes.items():
        if tensors[name].shape != shape or not np.isfinite(tensors[name]).all():
            raise ValueError(f"tensor {name} must be finite and have shape {shape}")
