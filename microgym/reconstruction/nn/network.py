"""Layer tables of small networks: their tensors, files, and order in memory for the kernels.

A `Network` lists its convolutions once, in the order in which they run. Compiled inference
(`microgym.reconstruction.nn.layers`) packs its weights and lays out its buffers by this list, and
`microgym.baselines.observation_models.network` makes the same network in PyTorch of it.
"""

import functools
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from microgym.numerics.workspace import aligned_empty
from microgym.reconstruction.nn.convolution import LANES
from microgym.reconstruction.nn.layers import KINDS, TAPS, ImageNetwork, LineNetwork
from microgym.state import Float32, Float64, Int64

Tensors = dict[str, Float32]

STATED = (0.5, 0.68, 0.9, 0.95)
"""Shares of errors whose bounds are calibrated."""
UNCERTAINTY = (("trust", ()), ("radii", (len(STATED),)))
"""Calibration of an uncertainty: `trust` is the factor that makes 68% of the errors smaller than
it, `radii` are the multiples of it that `STATED` shares of the errors are smaller than."""


@dataclass(frozen=True)
class Layer:
    """One convolution of a network.

    Attributes:
        name: of its tensors, "<name>.weight" and "<name>.bias".
        kind: "stem": kernels of one pixel on the network's input, rectified. "down": kernels of two
            pixels along each axis with a stride of two, rectified; its result is the next coarser
            level. "residual": kernels of three pixels along each axis, rectified and added to the
            input. "up": kernels of one pixel; four of its feature maps make one of the next finer
            level, to whose features it is added (skip connection). "head": kernels of one pixel,
            linear, an output of the network.
        width: feature maps of the result.
        dilation: distance of the three pixels of a residual layer, px.
        detached: whether training keeps the gradient of this head from its input.
    """

    name: str
    kind: str
    width: int
    dilation: int = 1
    detached: bool = False


@dataclass(frozen=True, eq=False)
class Weights:
    """A trained network, packed for the kernels.

    Attributes:
        values: float32, of each convolution its bias and then [taps, inputs, outputs]. Four upward
            convolutions, one for each pixel of a block, follow each other; heads are one
            convolution.
        table: (L, 5) int64, of each layer the index of its kind, inputs, outputs, first element in
            `values`, and dilation.
        calibration: tensors beside the layers, by name.
    """

    values: Float32
    table: Int64
    calibration: Mapping[str, Float32]

    @property
    def trust(self) -> np.float32:
        """Factor of the uncertainty, see `UNCERTAINTY`."""
        return np.float32(self.calibration["trust"])

    @property
    def radii(self) -> Float64:
        """(4,) float64, multiples of the uncertainty, see `UNCERTAINTY`."""
        return self.calibration["radii"].astype(np.float64)


@dataclass(frozen=True)
class Network:
    """A network as a table of layers.

    Attributes:
        env_id: environment that shows its estimates; the name of its shipped file.
        format: "format" in the metadata of its files.
        inputs: feature maps of its input.
        layers: in the order in which they run: stem first, heads last.
        calibration: names and shapes of further tensors in its files.
        dimensions: 2 for images, 1 for lines.
        gains: a factor of each feature map of the input; () for ones.
    """

    env_id: str
    format: str
    inputs: int
    layers: tuple[Layer, ...]
    calibration: tuple[tuple[str, tuple[int, ...]], ...]
    dimensions: int = 2
    gains: tuple[float, ...] = ()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all tensors: weights (outputs, inputs, *taps), biases, and the calibration."""
        found: dict[str, tuple[int, ...]] = {}
        stack = [self.inputs]
        for layer in self.layers:
            block = 4 if layer.kind == "up" else 1
            outputs, taps = block * layer.width, (TAPS[layer.kind],) * self.dimensions
            found[f"{layer.name}.weight"] = (outputs, stack[-1], *taps)
            found[f"{layer.name}.bias"] = (outputs,)
            if layer.kind in ("stem", "down"):
                stack.append(layer.width)
            elif layer.kind == "up":
                stack.pop()
        return found | dict(self.calibration)

    @property
    def parameters(self) -> int:
        """Numbers in the weights and biases of all layers."""
        extra = dict(self.calibration)
        return sum(math.prod(shape) for name, shape in self.shapes.items() if name not in extra)

    @property
    def padded_inputs(self) -> int:
        """Feature maps of the input as kernels read them: zeros up to a multiple of `LANES`."""
        return -(-self.inputs // LANES) * LANES

    @property
    def file(self) -> str:
        """Name of a file of this network."""
        return f"{self.env_id}.safetensors"

    @property
    def shipped_file(self) -> Path:
        """Path of the trained network that comes with the package."""
        return Path(str(resources.files("microgym.reconstruction"))) / "weights" / self.file

    def shipped(self) -> Weights:
        """The trained network that comes with the package, read once."""
        return _shipped(self)

    def load(self, path: str | os.PathLike[str]) -> Weights:
        """Read and pack a trained network.

        Args:
            path: of a safetensors file that `microgym observation-model train` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: not such a file.
        """
        return self.pack(read_tensors(path, self.format)[0])

    def pack(self, tensors: Mapping[str, Float32]) -> Weights:
        """Put the tensors of a trained network in the order in which kernels read them.

        Args:
            tensors: by name, of `shapes`.

        Raises:
            ValueError: a tensor is missing, superfluous, of another shape, or not finite.
        """
        shapes = self.shapes
        if set(tensors) != set(shapes):
            odd = sorted(set(tensors) ^ set(shapes))
            raise ValueError(f"tensors {odd} are missing or superfluous; wanted {sorted(shapes)}")
        for name, shape in shapes.items():
            if tensors[name].shape != shape or not np.isfinite(tensors[name]).all():
                raise ValueError(f"tensor {name} must be finite and have shape {shape}")
        heads = [layer for layer in self.layers if layer.kind == "head"]
        rows: list[tuple[int, ...]] = []
        values: list[Float32] = []
        for layers in (*([one] for one in self.layers if one.kind != "head"), heads):
            weight, bias = (
                np.concatenate([tensors[f"{layer.name}.{part}"] for layer in layers])
                for part in ("weight", "bias")
            )
            kind, dilation = layers[0].kind, layers[0].dilation
            if kind == "stem":
                weight = self._ready_stem(weight)
            block = 4 if kind == "up" else 1
            start = sum(one.size for one in values)
            rows.append((KINDS.index(kind), weight.shape[1], len(bias) // block, start, dilation))
            values += [_packed(weight[k::block], bias[k::block]) for k in range(block)]
        flat = aligned_empty(sum(one.size for one in values))
        flat[:] = np.concatenate(values)
        kept = {name: tensors[name] for name, _ in self.calibration}
        return Weights(flat, np.array(rows, np.int64), kept)

    def _ready_stem(self, weight: Float32) -> Float32:
        """Weights of the stem with the gains of its inputs, and zeros for the padding."""
        ones = (1,) * self.dimensions
        if self.gains:
            weight = np.array(self.gains, np.float32).reshape(-1, *ones) * weight
        padding = (0, self.padded_inputs - self.inputs)
        return np.pad(weight, ((0, 0), padding, *((0, 0) for _ in ones)))


def _packed(weight: Float32, bias: Float32) -> Float32:
    """One convolution as kernels read it."""
    return np.concatenate([bias, np.moveaxis(weight, (1, 0), (-2, -1)).ravel()])


def read_tensors(
    path: str | os.PathLike[str], form: str, what: str = "network"
) -> tuple[Tensors, dict[str, str]]:
    """Read a safetensors file and its metadata, which name its format.

    Args:
        path: of the file.
        form: format that the metadata must name.
        what: content, for the messages.

    Returns:
        Tensors by name, and the metadata.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no {what} at {path}")
    try:
        with safe_open(path, "np") as content:
            metadata = content.metadata() or {}
            tensors = {name: content.get_tensor(name) for name in list(content.keys())}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is not a {what} in safetensors format: {error}") from error
    if metadata.get("format") != form:
        raise ValueError(f"{path} holds no {what} of this package (format {form!r})")
    return tensors, metadata


@functools.cache
def _shipped(network: Network) -> Weights:
    """Weights that come with the package, read once."""
    return network.load(network.shipped_file)


def image_network(network: Network, weights: Weights, edge: int) -> ImageNetwork:
    """Lay out the images of a network for inputs of `edge` by `edge` pixels.

    The output lends its place to the convolutions before it where it is large enough.

    Args:
        network: its layer table.
        weights: those of the network.
        edge: edge of the inputs, px.
    """
    plane = (edge + 2) ** 2
    head = sum(layer.width for layer in network.layers if layer.kind == "head")
    at = plane * (head + network.padded_inputs)
    levels: list[tuple[int, ...]] = []
    lent, width, side = 0, 0, edge
    for layer in network.layers:
        if layer.kind == "down":
            side //= 2
            lent = max(lent, side * side * 4 * width)
        elif layer.kind == "residual":
            lent = max(lent, TAPS["residual"] ** 2 * width * side)
        elif layer.kind == "up":
            side *= 2
        width = layer.width
        if layer.kind in ("stem", "down"):
            pixels = (side + 2) ** 2
            levels.append((side, side + 2, at, at + pixels * width))
            at += 2 * pixels * width
    own = lent > plane * head
    padded = network.padded_inputs > network.inputs
    return ImageNetwork(
        table=weights.table,
        values=weights.values,
        levels=np.array(levels, np.int64),
        inputs=plane * head,
        head=0,
        lent=at if own else 0,
        zeroed=plane * head if padded else levels[0][2],
        size=at + lent if own else at,
    )


def line_network(network: Network, weights: Weights, cells: int) -> LineNetwork:
    """Lay out the lines of a network for inputs of so many cells.

    Args:
        network: its layer table.
        weights: those of the network.
        cells: cells of a line.
    """
    width = network.layers[0].width
    head = sum(layer.width for layer in network.layers if layer.kind == "head")
    reach = max(layer.dilation for layer in network.layers)
    sizes = [max(TAPS["residual"] * width, network.padded_inputs), head, width, width]
    taps, output, spare, features = (cells * sum(sizes[:n]) for n in range(4))
    size = cells * sum(sizes) + 2 * reach * width
    table, values = weights.table, weights.values
    return LineNetwork(table, values, cells, taps, output, spare, features, reach, size)
