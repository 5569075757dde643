"""Neural observation model of ptychography: the running reconstruction, restored by a network.

The network is trained from diffraction patterns (`microgym.baselines.observation_models.ptycho`)
and run by the kernels of this package; no deep-learning library is loaded.
"""

import numpy as np
from numpy.typing import NDArray

from microgym.numerics.workspace import workspace
from microgym.reconstruction.nn.network import UNCERTAINTY, Layer, Network, Weights, image_network
from microgym.reconstruction.ptychography.observation_models import (
    ImageEstimate,
    ImageModel,
    RunningScan,
)
from microgym.reconstruction.ptychography.unet_kernels import CELL, CONTRAST_GAIN, restore_rows
from microgym.state import Int64

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
        num_envs, field_px, probe: of `ImageModel`.
        region: first row and column of the region, and its edge, px, a multiple of 64.
        weights: the network; None for the one that comes with the package.

    Raises:
        ValueError: a region of another size.
    """

    def __init__(
        self,
        num_envs: int,
        field_px: int,
        probe: NDArray[np.complex64],
        region: tuple[int, int],
        weights: Weights | None = None,
    ) -> None:
        super().__init__(num_envs, field_px, probe, region)
        top, size = region
        if size % (16 * CELL):
            raise ValueError(f"region of {size} px must be a multiple of {16 * CELL} px")
        self._cells = (top, size // CELL)
        self._weights = weights or NETWORK.shipped()
        self._network = image_network(NETWORK, self._weights, size // CELL)
        self._restored = ImageEstimate(
            np.ones_like(self._sigma), np.zeros_like(self._sigma), self._sigma
        )

    def estimate(self, rows: Int64, scan: RunningScan, /) -> ImageEstimate:
        """The restored image, always in the whole region; see `ObservationModel.estimate`."""
        work = workspace(self._network.size)
        trust, restored = self._weights.trust, self._restored
        restore_rows(rows, scan[:3], self._cells, trust, self._network, work, restored)
        return self._restored
