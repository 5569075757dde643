"""Zero-padded convolution of square maps with radial kernels, by FFT."""

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Spectrum = NDArray[np.complex128]


def radii(cells: int) -> Float64:
    """Distances from the origin of a periodic grid of twice the edge of the maps, cells.

    Returns:
        (2 * cells, 2 * cells) float64.
    """
    at = np.minimum(np.arange(2 * cells), 2 * cells - np.arange(2 * cells))
    return np.hypot(at[:, None], at[None, :])


def soft_disk(radius: float, cells: int) -> Float64:
    """A disk of height one around the origin of the grid of `radii`, its rim one cell wide."""
    return np.clip(radius + 0.5 - radii(cells), 0.0, 1.0)


def convolve(maps: Float64, spectrum: Spectrum) -> Float64:
    """Convolve maps with a kernel; outside of the maps there are zeros.

    Args:
        maps: (N, cells, cells).
        spectrum: `numpy.fft.rfft2` of the (2 * cells, 2 * cells) kernel.

    Returns:
        (N, cells, cells) float64.
    """
    cells = maps.shape[-1]
    padded = np.zeros((maps.shape[0], 2 * cells, 2 * cells))
    padded[:, :cells, :cells] = maps
    return np.fft.irfft2(np.fft.rfft2(padded) * spectrum, s=padded.shape[1:])[:, :cells, :cells]


def separate_maxima(maps: Float64, count: int) -> NDArray[np.int64]:
    """Flat indices of the largest elements of each map, no two of them neighbours.

    Args:
        maps: (N, cells, cells).
        count: number of elements.

    Returns:
        (N, count) int64, in decreasing order of the element.
    """
    left, cells = maps.copy(), maps.shape[-1]
    found: list[NDArray[np.int64]] = []
    for _ in range(count):
        best = left.reshape(len(left), -1).argmax(axis=1)
        found.append(best)
        for row, cell in enumerate(best):
            y, x = divmod(int(cell), cells)
            left[row, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = -np.inf
    return np.stack(found, axis=1)
