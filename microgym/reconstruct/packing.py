"""Files of small networks, and the order in which compiled code reads their numbers."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Layers = Mapping[str, tuple[int, int, int]]
"""Name of each convolution to its outputs, inputs and the edge of its kernel, as they run."""


def read_tensors(path: str | os.PathLike[str], file_format: str) -> dict[str, Float32]:
    """Read a trained network.

    Args:
        path: of a safetensors file.
        file_format: what its metadata must say as "format".

    Returns:
        The tensors by name.

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
    if metadata.get("format") != file_format:
        raise ValueError(f"{path} holds no network of this package (format {file_format!r})")
    return tensors


def check_tensors(
    tensors: Mapping[str, Float32], layers: Layers, more: Mapping[str, tuple[int, ...]]
) -> None:
    """Refuse what is not a network of some layers.

    Args:
        tensors: by name.
        layers: its convolutions: "<layer>.weight" (outputs, inputs, k, k), "<layer>.bias".
        more: shapes of its other tensors by name.

    Raises:
        ValueError: a tensor is missing, superfluous, of another shape, or not finite.
    """
    shapes = dict(more)
    for name, (outputs, inputs, edge) in layers.items():
        shapes |= {f"{name}.weight": (outputs, inputs, edge, edge), f"{name}.bias": (outputs,)}
    if set(tensors) != set(shapes):
        odd = sorted(set(tensors) ^ set(shapes))
        raise ValueError(f"tensors {odd} are missing or superfluous; wanted {sorted(shapes)}")
    for name, shape in shapes.items():
        if tensors[name].shape != shape or not np.isfinite(tensors[name]).all():
            raise ValueError(f"tensor {name} must be finite and have shape {shape}")


def pack_layers(
    tensors: Mapping[str, Float32], layers: Layers
) -> tuple[Float32, NDArray[np.int64]]:
    """Put convolutions in the order in which kernels read them.

    Those named "up..." write blocks of two by two pixels, every fourth output the same pixel, and
    become four convolutions; those named "down..." step over two pixels.

    Args:
        tensors: "<layer>.weight" and "<layer>.bias" of every layer.
        layers: the layers.

    Returns:
        float32, for each convolution its bias and then [rows, columns, inputs, outputs]; (L, 8)
        int64, of each: inputs, edge of the kernel, stride, outputs, where its values begin, and for
        the results their distance, first row and first column.
    """
    table: list[tuple[int, ...]] = []
    values: list[Float32] = []
    start = 0
    for name, (outputs, inputs, edge) in layers.items():
        weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
        step = 2 if name.startswith("up") else 1
        stride = 2 if name.startswith("down") else 1
        for corner in range(step * step):
            w, b = weight[corner :: step * step], bias[corner :: step * step]
            place = (step, corner // step, corner % step)
            table.append((inputs, edge, stride, outputs // (step * step), start, *place))
            values += [b, w.transpose(2, 3, 1, 0).ravel()]
            start += b.size + w.size
    return np.concatenate(values).astype(np.float32), np.array(table, np.int64)
