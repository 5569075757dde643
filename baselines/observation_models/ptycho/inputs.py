"""Inputs of the network in NumPy, as training and evaluation form and read them.

`microgym.reconstruction.ptychography.unet_kernels` forms the same from the running reconstruction.
"""

import numpy as np
from numpy.typing import NDArray

from microgym.reconstruction.ptychography.unet_kernels import CELL, LEAST_FLUENCE

Complex64 = NDArray[np.complex64]
Float32 = NDArray[np.float32]

LIT = 1.0
"""Least photons of a pixel that counts as scanned (design choice)."""


def make_inputs(re: Float32, im: Float32, fluence: Float32) -> Float32:
    """Inputs of the network.

    Args:
        re, im: (L, H, W) float32, running reconstruction.
        fluence: (L, H, W) float32, photons per object pixel.

    Returns:
        (L, 3, H, W) float32: real and imaginary contrast, and scaled logarithm of the fluence.
    """
    light = 0.5 * np.log10(np.float32(LEAST_FLUENCE) + fluence) + 0.5
    return np.stack([re - 1.0, im, light], axis=1).astype(np.float32)


def estimate_in(inputs: Float32) -> Complex64:
    """The classical estimate in inputs (..., 3, H, W): (..., H, W) complex64."""
    return (1.0 + inputs[..., 0, :, :] + 1j * inputs[..., 1, :, :]).astype(np.complex64)


def fluence_in(inputs: Float32) -> Float32:
    """Photons per object pixel in inputs (..., 3, H, W): (..., H, W) float32."""
    photons = 10.0 ** (2.0 * inputs[..., 2, :, :] - 1.0) - LEAST_FLUENCE
    return np.maximum(photons, 0.0).astype(np.float32)


def lit_in(inputs: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Pixels with at least `LIT` photons in inputs (..., 3, H, W): (..., H, W) bool."""
    return inputs[..., 2, :, :].astype(np.float32) > 0.5 + 0.5 * np.log10(LIT)


def as_cells(inputs: Float32) -> Float32:
    """Pixels of cells to channels, (L, 3, H, W) to (L, 3*16, H/4, W/4), as PyTorch orders them."""
    count, planes, height, width = inputs.shape
    split = inputs.reshape(count, planes, height // CELL, CELL, width // CELL, CELL)
    shape = (count, planes * CELL * CELL, height // CELL, width // CELL)
    return np.ascontiguousarray(split.transpose(0, 1, 3, 5, 2, 4).reshape(shape))


def aligned_error(image: Complex64, truth: Complex64, mask: NDArray[np.bool_]) -> Float32:
    """Absolute complex error of every pixel, after the complex factor that fits best in a mask.

    Args:
        image, truth: (H, W).
        mask: (H, W).

    Returns:
        (H, W) float32.
    """
    chosen = image[mask]
    power = float(np.sum(np.abs(chosen) ** 2))
    factor = np.vdot(chosen, truth[mask]) / power if power > 0.0 else 1.0
    return np.abs(factor * image - truth).astype(np.float32)
