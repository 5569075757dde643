"""PyTorch twin of the network that restores an image while its scan is running.

A small U-shaped network (Ronneberger, Fischer and Brox, arXiv 1505.04597) on cells of 4x4 pixels:
pixels of a cell become channels at the start and channels become pixels at the end (Shi et al.,
arXiv 1609.05158), so that every convolution works on 32x32 cells or fewer. Its input is the running
classical estimate and the photons spent on each pixel.
"""

import torch
from torch import Tensor, nn

from microgym.baselines.observation_models.network import TwinNetwork
from microgym.reconstruction.ptychography.neural import NETWORK, PIXELS
from microgym.reconstruction.ptychography.unet_kernels import CELL, CONTRAST_GAIN, DETAIL_GAIN


class PtychoUNet(TwinNetwork):
    """Classical estimate and fluence in, restored contrast and its uncertainty out.

    With c the contrast of the estimate (transmission minus one), the restored contrast is
    g c + d: a gate g in (0, 1) for every pixel, which shrinks what is noise, and a detail d, which
    is what the surroundings suggest. Last comes the logarithm of the standard deviation of the
    complex error, whose gradient does not reach the layers that make the image.
    """

    def __init__(self) -> None:
        super().__init__(NETWORK)
        with torch.no_grad():
            # The initial network is a mild shrinkage: no detail of its own, small gates.
            for name, bias in (("image", 0.0), ("doubt", -2.5)):
                self.get_parameter(f"{name}.weight").mul_(0.1)
                self.get_parameter(f"{name}.bias").fill_(bias)

    def forward(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Restore a batch.

        Args:
            cells: (B, 3*16, H/4, W/4) float32: real and imaginary contrast of the estimate and
                logarithm of the fluence, pixels of a cell as channels (`pixel_unshuffle`).

        Returns:
            Restored contrast (B, 2, H, W), real and imaginary; log standard deviation (B, H, W).
        """
        contrast, light = cells[:, : 2 * PIXELS], cells[:, 2 * PIXELS :]
        image, doubt = self.run(torch.cat([CONTRAST_GAIN * contrast, light], dim=1))
        gate, re, im = image.split(PIXELS, dim=1)
        gate = torch.sigmoid(gate)
        re = gate * contrast[:, :PIXELS] + DETAIL_GAIN * re
        im = gate * contrast[:, PIXELS:] + DETAIL_GAIN * im
        restored = nn.functional.pixel_shuffle(torch.cat([re, im], dim=1), CELL)
        return restored, nn.functional.pixel_shuffle(doubt, CELL)[:, 0]
