"""Neural observation model of ptychography: the running reconstruction, restored by a network.

The network is trained from diffraction patterns (`microgym.baselines.observation_models.ptycho`)
and run by the kernels of this package; no deep-learning library is loaded.
"""

import numpy as np
from numpy.typing import NDArray

from microgym.numerics.workspace import workspace
from microgym.reconstruction.nn.network import UNCERTAINTY, Layer, Network, Weights, image_buffers
from microgym.reconstruction.ptychography.observation_models import (
    ImageEstimate,
    ImageModel,
    Rows,
    RunningScan,
)
from microgym.reconstruction.ptychography.unet_kernels import CELL, CONTRAST_GAIN, restore_rows

PIXELS = CELL * CELL
"""Pixels of a cell."""
NETWORK = Network(
    env_id="Ptycho-v0",
    format="microgym-eye-1",
    # Real and imaginary contrast and the logarithm of the fluence, of the pixels of a cell.
    inputs=3 * PIXELS,
    gains=(CONTRAST_GAIN,) * (2 * PIXELS) + (1.0,) * PIXELS,
    layers=(
        Layer("stem", "stem", 24),
        Layer("down1", "down", 32),
        Layer("middle", "residual", 32),
        Layer("down2", "down", 48),
        Layer("coarse1", "residual", 48),
        Layer("coarse2", "residual", 48),
        Layer("up2", "up", 32),
        Layer("up1", "up", 24),
        Layer("fine", "residual", 24),
        # Gate, real and imaginary detail; and the logarithm of the standard deviation.
        Layer("image", "head", 3 * PIXELS),
        Layer("doubt", "head", PIXELS, detached=True),
    ),
    calibration=UNCERTAINTY,
)
"""U-shaped network on cells of 4x4 pixels."""


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
        top, size = region
        if size % (16 * CELL):
            raise ValueError(f"region of {size} px must be a multiple of {16 * CELL} px")
        self._region = (top, size // CELL)
        self._weights = NETWORK.shipped() if weights is None else weights
        self._buffers = image_buffers(NETWORK, size // CELL)
        shape = (num_envs, field_px, field_px)
        self._restored = ImageEstimate(
            np.ones(shape, np.float32), np.zeros(shape, np.float32), np.ones(shape, np.float32)
        )

    def estimate(self, rows: Rows, scan: RunningScan, /) -> ImageEstimate:
        """The restored image, always in the whole region; see `ObservationModel.estimate`."""
        weights = self._weights
        restore_rows(
            rows, scan[:3], self._region, weights.table, weights.values,
            weights.trust, self._buffers, workspace(self._buffers.size),
            self._restored,
        )  # fmt: skip
        return self._restored
