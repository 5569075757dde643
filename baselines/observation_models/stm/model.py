"""PyTorch twin of the network that finds adatoms in constant-current images.

A small U-shaped network (Ronneberger, Fischer and Brox, arXiv 1505.04597) on cells of 2x2 pixels.
"""

import torch
from torch import Tensor, nn

from microgym.baselines.observation_models.network import TwinNetwork
from microgym.reconstruction.adatoms.observation_model import NETWORK
from microgym.reconstruction.adatoms.unet_kernels import CELL, SPREAD

RARE = -6.0
"""Initial logarithm of the odds that an adatom is in a pixel."""


class AdatomUNet(TwinNetwork):
    """Levelled heights in; probability, place and uncertainty of an adatom in every pixel out."""

    def __init__(self) -> None:
        super().__init__(NETWORK)
        bias = self.get_parameter("head.bias")
        with torch.no_grad():
            bias.zero_()
            bias[: CELL * CELL] = RARE

    def forward(self, levelled: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Detect in a batch.

        Args:
            levelled: (B, H, W) float32, as `level_line` makes them.

        Returns:
            Logarithm of the odds that an adatom's centre is in the pixel (B, H, W); its place from
            the pixel's middle, x and y (B, 2, H, W), px; logarithm of the standard deviation of
            that along one axis (B, H, W), px.
        """
        (head,) = self.run(nn.functional.pixel_unshuffle(levelled[:, None], CELL))
        maps = nn.functional.pixel_shuffle(head, CELL)
        return maps[:, 0], maps[:, 1:3], maps[:, 3].clamp(*SPREAD)
