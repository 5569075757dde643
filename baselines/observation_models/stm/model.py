"""The network that finds adatoms in constant-current images, in PyTorch, for training.

A small U-shaped network (Ronneberger, Fischer and Brox, arXiv 1505.04597) on cells of 2x2 pixels.
What it computes is computed again, without PyTorch, by
`microgym.reconstruction.adatoms.unet_kernels`; the two are held together by a test.
"""

import os

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from microgym.reconstruction.adatoms.unet_kernels import CELL, SPREAD, WIDTHS

PIXELS = CELL * CELL
RARE = -6.0
"""Logarithm of the odds that an adatom is in a pixel, before anything is learnt."""


class AdatomUNet(nn.Module):
    """Levelled heights in; probability, place and uncertainty of an adatom in every pixel out.

    Args:
        widths: feature maps at 1, 1/2 and 1/4 of the resolution of the cells.
    """

    def __init__(self, widths: tuple[int, int, int] = WIDTHS) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.stem = nn.Conv2d(PIXELS, fine, 1)
        self.fine1 = nn.Conv2d(fine, fine, 3, padding=1)
        self.down1 = nn.Conv2d(fine, middle, 2, stride=2)
        self.middle = nn.Conv2d(middle, middle, 3, padding=1)
        self.down2 = nn.Conv2d(middle, coarse, 2, stride=2)
        self.coarse1 = nn.Conv2d(coarse, coarse, 3, padding=1)
        self.coarse2 = nn.Conv2d(coarse, coarse, 3, padding=1)
        self.up2 = nn.Conv2d(coarse, 4 * middle, 1)
        self.up1 = nn.Conv2d(middle, 4 * fine, 1)
        self.fine2 = nn.Conv2d(fine, fine, 3, padding=1)
        self.head = nn.Conv2d(fine, 4 * PIXELS, 1)
        with torch.no_grad():
            assert self.head.bias is not None
            self.head.bias.zero_()
            self.head.bias[:PIXELS] = RARE

    def forward(self, levelled: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Look at a batch.

        Args:
            levelled: (B, H, W) float32, as `level_line` makes them.

        Returns:
            Logarithm of the odds that an adatom's centre is in the pixel (B, H, W); its place from
            the pixel's middle, x and y (B, 2, H, W), px; logarithm of the standard deviation of
            that along one axis (B, H, W), px.
        """
        h0 = torch.relu(self.stem(nn.functional.pixel_unshuffle(levelled[:, None], CELL)))
        h0 = h0 + torch.relu(self.fine1(h0))
        h1 = torch.relu(self.down1(h0))
        h1 = h1 + torch.relu(self.middle(h1))
        h2 = torch.relu(self.down2(h1))
        h2 = h2 + torch.relu(self.coarse1(h2))
        h2 = h2 + torch.relu(self.coarse2(h2))
        h1 = h1 + nn.functional.pixel_shuffle(self.up2(h2), 2)
        h0 = h0 + nn.functional.pixel_shuffle(self.up1(h1), 2)
        h0 = h0 + torch.relu(self.fine2(h0))
        said = nn.functional.pixel_shuffle(self.head(h0), CELL)
        return said[:, 0], said[:, 1:3], said[:, 3].clamp(*SPREAD)


def read_net(path: str | os.PathLike[str]) -> AdatomUNet:
    """A trained network in PyTorch.

    Args:
        path: of a file that `load_weights` of
            `microgym.reconstruction.adatoms.observation_model` takes too.

    Returns:
        The network, without its calibration.
    """
    net = AdatomUNet()
    kept = net.state_dict().keys()
    net.load_state_dict({name: one for name, one in load_file(path).items() if name in kept})
    return net.eval()
