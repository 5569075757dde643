"""`sparse`: a few textured filaments in vacuum, their place unknown.

One to three smooth, winding ribbons, sometimes branching, cover a tenth to three tenths of the
scanned region; everything else is empty. The path of a ribbon is unknown beforehand, but a piece of
it predicts the next one: its direction drifts slowly, its width is constant, and it turns away from
the border and mostly from other ribbons. On such specimens adaptive scanning is worthwhile. All
numbers are design choices, in units of the scanned region's edge / 128, so that
other sizes show the same scene.
"""

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.array_views import view2d
from microgym.numerics.libm import sincos32
from microgym.random import WORLD, stream
from microgym.random.streams import SpecimenWorld
from microgym.specimens.drawing import clip_unit, coverage, lattice_points, smooth_noise
from microgym.specimens.ribbons import DRAWS_WORK, draw_strands

Plane = NDArray[np.float32]

OVERHANG = 4
"""Most px by which structure may reach beyond the scanned region."""
GRAIN_RANGE = (1.25, 2.0)
"""Lattice spacing of the fine texture, px; it is correlated over about 1.9 times that."""

_RIBBONS = np.int64(SpecimenWorld.RIBBONS)
_TEXTURE = np.int64(SpecimenWorld.RIBBON_TEXTURE)
_ABSORPTION = np.float32(0.45)
_PHASE_RAD = np.float32(1.2)


def sparse_work(height: int, width: int) -> tuple[int, int]:
    """Lengths of the float32 and int64 work arrays of `draw_sparse`."""
    longest = max(height, width)
    lattice = lattice_points(height, GRAIN_RANGE[0]) * lattice_points(width, GRAIN_RANGE[0])
    return 4 * height * width + lattice + 8 * longest + 64 + DRAWS_WORK, longest


@kernel
def _render(
    depth: Plane,
    fine: Plane,
    grain: Plane,
    slow: Plane,
    margin: int,
    unit: np.float32,
    real: Plane,
    imag: Plane,
    structure: NDArray[np.uint8],
) -> None:
    """Turn distances and textures into a transmission function; a window of the planes."""
    height, width = depth.shape
    for i in range(height):
        for j in range(width):
            real[i, j] = np.float32(1.0)
            imag[i, j] = np.float32(0.0)
            structure[i, j] = np.uint8(0)
    inset = margin - OVERHANG
    rim_at = np.float32(1.5) * unit
    for i in range(inset, height - inset):
        for j in range(inset, width - inset):
            d = depth[i, j]
            if d >= np.float32(0.5):
                continue
            f = fine[i - inset, j - inset]
            g = grain[i - inset, j - inset]
            # Thickness: thicker at the rim, with slow and fine texture.
            rim = clip_unit(np.float32(1.0) - abs(-d - rim_at) / rim_at)
            thick = clip_unit(
                np.float32(0.5)
                + np.float32(0.14) * slow[i - inset, j - inset]
                + np.float32(0.17) * f
                + np.float32(0.25) * rim
            )
            # Absorption and phase follow the thickness; the grain changes both apart.
            dark = clip_unit(np.float32(0.15) + np.float32(0.6) * thick + np.float32(0.14) * g)
            late = clip_unit(np.float32(0.05) + np.float32(0.85) * thick - np.float32(0.10) * g)
            sine, cosine = sincos32(_PHASE_RAD * late)
            amplitude = np.float32(1.0) - _ABSORPTION * dark
            # O = 1 + part (a exp(i phi) - 1), the part of the pixel inside the edge.
            part = coverage(d)
            real[i, j] = np.float32(1.0) + part * (amplitude * cosine - np.float32(1.0))
            imag[i, j] = part * (amplitude * sine)
            structure[i, j] = np.uint8(1)


@kernel
def draw_sparse(
    k0: np.uint32,
    k1: np.uint32,
    margin: int,
    real: Plane,
    imag: Plane,
    structure: NDArray[np.uint8],
    work: Plane,
    indices: NDArray[np.int64],
    state: NDArray[np.float64],
) -> None:
    """Draw one specimen; see the module.

    Args:
        k0: first word of the specimen's key.
        k1: second word.
        margin: px on each side outside the scanned region, at least `OVERHANG`.
        real: (H, W) float32, written.
        imag: (H, W) float32, written.
        structure: (H, W) uint8, written; 1 where the specimen is not vacuum.
        work: float32, first length of `sparse_work(H, W)`.
        indices: int64, second length.
        state: (`STATE_WORK`,) float64 work.
    """
    height, width = real.shape
    shape0, shape1 = stream(k0, k1, WORLD, _RIBBONS)
    grain0, grain1 = stream(k0, k1, WORLD, _TEXTURE)
    size = height * width
    depth = view2d(work, 0, height, width)
    for i in range(height):
        for j in range(width):
            depth[i, j] = np.float32(1e3)
    draws = work[work.size - DRAWS_WORK :]
    draw_strands(shape0, shape1, depth, margin, state, draws)
    inset = margin - OVERHANG
    rows, columns = height - 2 * inset, width - 2 * inset
    area = rows * columns
    fine = view2d(work, size, rows, columns)
    grain = view2d(work, size + area, rows, columns)
    slow = view2d(work, size + 2 * area, rows, columns)
    # The mask of the whole field, written last, lends its memory to that of the window.
    wanted = view2d(structure, 0, rows, columns)
    for i in range(rows):
        for j in range(columns):
            wanted[i, j] = np.uint8(depth[i + inset, j + inset] < np.float32(0.5))
    longest = max(height, width)
    weights = view2d(work, 4 * size, 4, longest)
    line = work[4 * size + 4 * longest : 4 * size + 8 * longest + 64]
    lattice = work[4 * size + 8 * longest + 64 :]
    spacing = GRAIN_RANGE[0] + (GRAIN_RANGE[1] - GRAIN_RANGE[0]) * draws[20]
    unit = (min(height, width) - 2 * margin) / 128.0
    smooth_noise(
        grain0, grain1, np.int64(0), spacing, wanted, fine, lattice, line, indices, weights
    )
    smooth_noise(
        grain0, grain1, np.int64(1), spacing, wanted, grain, lattice, line, indices, weights
    )
    broad = max(1.5, 10.0 * unit)
    smooth_noise(grain0, grain1, np.int64(2), broad, wanted, slow, lattice, line, indices, weights)
    _render(depth, fine, grain, slow, margin, np.float32(unit), real, imag, structure)
