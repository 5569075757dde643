"""Kernels of the network that finds adatoms in constant-current images.

Pixels of a cell of 2x2 become channels of the network's input. Its output is, of every
pixel, the probability that the centre of an adatom lies in it, the place of the centre, and the
uncertainty of the place, as in DECODE (Speiser et al., Nat. Methods 18, 1082, 2021).
`microgym.baselines.observation_models.stm.train` is the same in PyTorch.
"""

import numpy as np

from microgym.jit import kernel
from microgym.numerics.array_views import view1d
from microgym.numerics.libm import exp32
from microgym.reconstruction.adatoms.peak_detection import (
    BACKGROUND,
    gather_peaks,
    level_line,
    logistic,
)
from microgym.reconstruction.nn.convolution import LANES
from microgym.reconstruction.nn.layers import clear_borders, run_on_image

CELL = 2
"""Pixels along an edge of a cell."""
INPUTS = LANES
"""Channels of a cell as kernels read them: those of its pixels, and zeros."""
SPREAD = (-5.0, 1.0)
"""Range of the logarithm of the uncertainty, px (design choice)."""

_ZERO = np.float32(0.0)
_PIXELS = CELL * CELL


@kernel
def _enter(image, b, edge, levelled, cells):
    """Write the levelled pixels of an image to channels of cells."""
    pitch = edge + 2
    width = edge * CELL
    for y in range(width):
        level_line(view1d(image, (b * width + y) * width, width), BACKGROUND, levelled)
        row = (y // CELL + 1) * pitch + 1
        for x in range(width):
            at = (row + x // CELL) * INPUTS + (y % CELL) * CELL + x % CELL
            cells[at] = levelled[x]


@kernel
def _leave(head, edge, maps):
    """Write probability, place and uncertainty from channels of cells to maps of pixels."""
    pitch, wide = edge + 2, CELL * edge + 2
    size = wide * wide
    low, high = np.float32(SPREAD[0]), np.float32(SPREAD[1])
    for y in range(edge):
        for x in range(edge):
            output = view1d(head, ((y + 1) * pitch + x + 1) * 4 * _PIXELS, 4 * _PIXELS)
            for j in range(_PIXELS):
                # probability = logistic(odds), uncertainty = exp(log sigma) within `SPREAD`
                output[j] = logistic(output[j])
                output[3 * _PIXELS + j] = exp32(min(max(output[3 * _PIXELS + j], low), high))
            for i in range(CELL):
                start = (CELL * y + i + 1) * wide + CELL * x + 1
                for j in range(CELL):
                    for m in range(4):
                        maps[m * size + start + j] = output[m * _PIXELS + i * CELL + j]


@kernel
def detect_rows(rows, image, calibration, scale, net, work, found, counts):
    """Run the network on the images of the listed rows.

    Args:
        rows: (k,) int64.
        image: (N, 2 E, 2 E) float32, heights, nm; E cells along an edge.
        calibration: (4,) float32, see `microgym.reconstruction.adatoms.observation_model.NETWORK`.
        scale: edge of a pixel, nm.
        net: `ImageNetwork`.
        work: (`net.size + maps_size(E)`,) float32.
        found: (N, MOST, 4) float64, written: x, y from the middle of the image, nm, probability,
            uncertainty along one axis, nm.
        counts: (N,) int64, written: number of adatoms.
    """
    edge = image.shape[1] // CELL
    plane = (edge + 2) * (edge + 2)
    cells = view1d(work, net.inputs, plane * INPUTS)
    head = view1d(work, net.head, plane * 4 * _PIXELS)
    levelled = view1d(work, net.size, CELL * edge)
    wide = CELL * edge + 2
    maps = view1d(work, net.size + CELL * edge, 4 * wide * wide)
    clear_borders(net, work)
    maps[:] = _ZERO
    for b in rows:
        _enter(image, b, edge, levelled, cells)
        run_on_image(net, work)
        _leave(head, edge, maps)
        counts[b] = gather_peaks(
            maps, CELL * edge, calibration[0], calibration[1], calibration[2], calibration[3],
            scale, found[b],
        )  # fmt: skip


def maps_size(edge: int) -> int:
    """Elements of `detect_rows`'s work array besides the network's, for E = edge."""
    return CELL * edge + 4 * (CELL * edge + 2) ** 2
