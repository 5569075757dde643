"""The neural view: a small network restores the classical estimate and says how far to trust it.

The network is trained from diffraction patterns alone
(`microgym.baselines.observation_models.ptycho`) and run by own kernels
(`microgym.reconstruction.ptychography.unet_kernels`): bits do not depend on batch, thread or
processor, and no deep-learning library is loaded.
"""

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microgym.numerics.workspace import workspace
from microgym.reconstruction.nn.layers import layer_tensors, pack_layers
from microgym.reconstruction.nn.weights_io import check_tensors, read_tensors
from microgym.reconstruction.ptychography.observation_models import (
    ImageEstimate,
    ImageModel,
    Rows,
    RunningScan,
)
from microgym.reconstruction.ptychography.unet_kernels import (
    CELL,
    CONTRAST_GAIN,
    WIDTHS,
    restore_rows,
    work_size,
)

FILE = "Ptycho-v0.safetensors"
"""Name of the file of the network that comes with the package."""
FORMAT = "microgym-eye-1"
""""format" in the metadata of such a file."""
STATED = (0.5, 0.68, 0.9, 0.95)
"""Parts of errors that `Weights.radii` tells bounds of."""


@dataclass(frozen=True, eq=False)
class Weights:
    """A trained network, packed for the kernels.

    Attributes:
        values, layers: of 16 convolutions, see `microgym.reconstruction.nn.layers.pack_layers`.
        trust: factor that makes 68% of errors stay below the uncertainty.
        radii: (4,) float64, multiples of the uncertainty that `STATED` parts of errors stay below.
    """

    values: NDArray[np.float32]
    layers: NDArray[np.int64]
    trust: np.float32
    radii: NDArray[np.float64]


def layer_shapes() -> dict[str, tuple[int, int, int]]:
    """Every convolution of the network.

    Returns:
        Name to outputs, inputs and edge of the kernel, in the order in which they run.
    """
    fine, middle, coarse = WIDTHS
    pixels = CELL * CELL
    return {
        "stem": (fine, 3 * pixels, 1),
        "down1": (middle, fine, 2),
        "middle": (middle, middle, 3),
        "down2": (coarse, middle, 2),
        "coarse1": (coarse, coarse, 3),
        "coarse2": (coarse, coarse, 3),
        "up2": (4 * middle, coarse, 1),
        "up1": (4 * fine, middle, 1),
        "fine": (fine, fine, 3),
        "image": (3 * pixels, fine, 1),
        "doubt": (pixels, fine, 1),
    }


def pack(tensors: Mapping[str, NDArray[np.float32]]) -> Weights:
    """Put the tensors of a trained network in the order in which the kernels read them.

    Args:
        tensors: "<layer>.weight" (outputs, inputs, k, k) and "<layer>.bias" (outputs,) of every
            layer of `layer_shapes`, "trust" () and "radii" (4,).

    Returns:
        The packed network.

    Raises:
        ValueError: a tensor is missing, superfluous, of another shape, or not finite.
    """
    shapes = layer_tensors(layer_shapes())
    check_tensors(tensors, {**shapes, "trust": (), "radii": (len(STATED),)})
    gain = np.full((3 * CELL * CELL, 1, 1), CONTRAST_GAIN, np.float32)
    gain[2 * CELL * CELL :] = 1.0
    ready = {**tensors, "stem.weight": gain * tensors["stem.weight"]}
    for kind in ("weight", "bias"):
        ready[f"image.{kind}"] = np.concatenate(
            [tensors[f"{n}.{kind}"] for n in ("image", "doubt")]
        )
    values, table = pack_layers(ready, [name for name in layer_shapes() if name != "doubt"])
    radii = tensors["radii"].astype(np.float64)
    return Weights(values, table, np.float32(tensors["trust"]), radii)


def shipped_file() -> Path:
    """Where the network that comes with the package is."""
    return Path(str(resources.files("microgym.reconstruction"))) / "weights" / FILE


@functools.cache
def shipped_weights() -> Weights:
    """The network that comes with the package."""
    return load_weights(shipped_file())


def load_weights(path: str | os.PathLike[str]) -> Weights:
    """Read a trained network.

    Args:
        path: of a safetensors file that `microgym.baselines.observation_models.ptycho` wrote.

    Returns:
        The packed network.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file.
    """
    return pack(read_tensors(path, FORMAT))


class NeuralImage(ImageModel):
    """Restoration of the running reconstruction by the network.

    Args:
        num_envs: N.
        field_px: edge of the specimens, px.
        probe: not needed.
        region: first row and column of the region, and its edge, px, a multiple of 64.
        weights: the network; None for the one that comes with the package.

    Raises:
        ValueError: a region of another size.
    """

    local = False

    def __init__(
        self,
        num_envs: int,
        field_px: int,
        probe: NDArray[np.complex64],
        region: tuple[int, int],
        weights: Weights | None = None,
    ) -> None:
        del probe
        self._top, size = region
        if size % (16 * CELL):
            raise ValueError(f"region of {size} px must be a multiple of {16 * CELL} px")
        self._edge = size // CELL
        self._weights = shipped_weights() if weights is None else weights
        shape = (num_envs, field_px, field_px)
        self._restored = ImageEstimate(
            np.ones(shape, np.float32), np.zeros(shape, np.float32), np.ones(shape, np.float32)
        )

    def estimate(self, rows: Rows, scan: RunningScan, /) -> ImageEstimate:
        """The restored image, always in the whole region; see `ObservationModel.estimate`."""
        restore_rows(
            rows,
            (scan.re, scan.im),
            scan.fluence,
            self._top,
            self._edge,
            self._weights.values,
            self._weights.layers,
            self._weights.trust,
            workspace(work_size(self._edge)),
            self._restored,
        )
        return self._restored
