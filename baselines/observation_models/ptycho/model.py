"""The network that restores an image while its scan is still running, in PyTorch, for training.

A small U-shaped network (Ronneberger, Fischer and Brox, arXiv 1505.04597) on cells of 4x4 pixels:
pixels of a cell become channels at the start and channels become pixels at the end (Shi et al.,
arXiv 1609.05158), so that every convolution works on 32x32 cells or fewer. It looks at the running
classical estimate and at the photons spent on each pixel, and never at the truth.

What it computes is computed again, without PyTorch, by
`microgym.reconstruction.ptychography.neural`; the two are held together by a test.
"""

import os

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from microgym.reconstruction.ptychography.unet_kernels import (
    CELL,
    CONTRAST_GAIN,
    DETAIL_GAIN,
    WIDTHS,
)

PIXELS = CELL * CELL


class PtychoUNet(nn.Module):
    """Classical estimate and fluence in, restored contrast and its uncertainty out.

    With c the contrast of the estimate (transmission minus one), the restored contrast is
    g c + d: a gate g in (0, 1) for every pixel, which shrinks what is noise, and a detail d, which
    is what the surroundings suggest. Last comes the logarithm of the standard deviation of the
    complex error; what it learns does not reach the layers that make the image.

    Args:
        widths: feature maps at 1, 1/2 and 1/4 of the resolution of the cells.
    """

    def __init__(self, widths: tuple[int, int, int] = WIDTHS) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.stem = nn.Conv2d(3 * PIXELS, fine, 1)
        self.down1 = nn.Conv2d(fine, middle, 2, stride=2)
        self.middle = nn.Conv2d(middle, middle, 3, padding=1)
        self.down2 = nn.Conv2d(middle, coarse, 2, stride=2)
        self.coarse1 = nn.Conv2d(coarse, coarse, 3, padding=1)
        self.coarse2 = nn.Conv2d(coarse, coarse, 3, padding=1)
        self.up2 = nn.Conv2d(coarse, 4 * middle, 1)
        self.up1 = nn.Conv2d(middle, 4 * fine, 1)
        self.fine = nn.Conv2d(fine, fine, 3, padding=1)
        self.image = nn.Conv2d(fine, 3 * PIXELS, 1)
        self.doubt = nn.Conv2d(fine, PIXELS, 1)
        with torch.no_grad():
            # It starts as a mild shrinkage: no detail of its own, small gates.
            for layer, bias in ((self.image, 0.0), (self.doubt, -2.5)):
                layer.weight.mul_(0.1)
                assert layer.bias is not None
                layer.bias.fill_(bias)

    def forward(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Restore a batch.

        Args:
            cells: (B, 3*16, H/4, W/4) float32: real and imaginary contrast of the estimate and
                logarithm of the fluence, pixels of a cell as channels (`pixel_unshuffle`).

        Returns:
            Restored contrast (B, 2, H, W), real and imaginary; log standard deviation (B, H, W).
        """
        contrast, light = cells[:, : 2 * PIXELS], cells[:, 2 * PIXELS :]
        h0 = torch.relu(self.stem(torch.cat([CONTRAST_GAIN * contrast, light], dim=1)))
        h1 = torch.relu(self.down1(h0))
        h1 = h1 + torch.relu(self.middle(h1))
        h2 = torch.relu(self.down2(h1))
        h2 = h2 + torch.relu(self.coarse1(h2))
        h2 = h2 + torch.relu(self.coarse2(h2))
        h1 = h1 + nn.functional.pixel_shuffle(self.up2(h2), 2)
        h0 = h0 + nn.functional.pixel_shuffle(self.up1(h1), 2)
        h0 = h0 + torch.relu(self.fine(h0))
        gate, re, im = self.image(h0).split(PIXELS, dim=1)
        gate = torch.sigmoid(gate)
        re = gate * contrast[:, :PIXELS] + DETAIL_GAIN * re
        im = gate * contrast[:, PIXELS:] + DETAIL_GAIN * im
        restored = nn.functional.pixel_shuffle(torch.cat([re, im], dim=1), CELL)
        doubt = nn.functional.pixel_shuffle(self.doubt(h0.detach()), CELL)
        return restored, doubt[:, 0]


def read_net(path: str | os.PathLike[str]) -> PtychoUNet:
    """A trained network in PyTorch.

    Args:
        path: of a file that `microgym.reconstruction.ptychography.neural.load_weights` takes too.

    Returns:
        The network, without its calibration.
    """
    net = PtychoUNet()
    kept = net.state_dict().keys()
    net.load_state_dict({name: one for name, one in load_file(path).items() if name in kept})
    return net.eval()
