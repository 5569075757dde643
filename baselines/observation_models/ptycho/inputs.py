"""What the network gets of a scan, as training and judgement form it and read it.

`microgym.reconstruction.ptychography.unet_kernels` forms the same from the running reconstruction,
in compiled code.
"""

import numpy as np
from numpy.typing import NDArray

from microgym.reconstruction.ptychography.unet_kernels import LEAST_FLUENCE

Complex64 = NDArray[np.complex64]
Float32 = NDArray[np.float32]

LIT = 1.0
"""Photons a pixel must have had to be judged by (design choice)."""


def look(estimate: tuple[Float32, Float32], fluence: Float32) -> Float32:
    """What the network gets.

    Args:
        estimate: (L, H, W) float32, real and imaginary part of the running reconstruction.
        fluence: (L, H, W) float32, photons per object pixel.

    Returns:
        (L, 3, H, W) float32: real and imaginary contrast, and light.
    """
    light = 0.5 * np.log10(np.float32(LEAST_FLUENCE) + fluence) + 0.5
    return np.stack([estimate[0] - 1.0, estimate[1], light], axis=1).astype(np.float32)


def estimate_in(seen: Float32) -> Complex64:
    """The classical estimate in looks (..., 3, H, W): (..., H, W) complex64."""
    return (1.0 + seen[..., 0, :, :] + 1j * seen[..., 1, :, :]).astype(np.complex64)


def fluence_in(seen: Float32) -> Float32:
    """Photons per object pixel in looks (..., 3, H, W): (..., H, W) float32."""
    photons = 10.0 ** (2.0 * seen[..., 2, :, :] - 1.0) - LEAST_FLUENCE
    return np.maximum(photons, 0.0).astype(np.float32)


def lit_in(seen: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Where the scans have been, of looks (..., 3, H, W): at least `LIT` photons; (..., H, W)."""
    return seen[..., 2, :, :].astype(np.float32) > 0.5 + 0.5 * np.log10(LIT)
