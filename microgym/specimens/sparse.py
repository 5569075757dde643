"""`sparse`: a few textured filaments in vacuum, their place unknown.

One to three smooth, winding ribbons, sometimes branching, cover a tenth to three tenths of the
scanned region; everything else is empty. The path of a ribbon is unknown beforehand, but a piece of
it predicts the next one: its direction drifts slowly, its width is constant, and it turns away from
the border and mostly from other ribbons. On such specimens adaptive scanning is worthwhile. All
numbers are design choices, in units of the scanned region's edge / 128, so that
other sizes show the same scene.
"""

from typing import NamedTuple

import numpy as np

from microgym.jit import kernel
from microgym.numerics.libm import sincos32
from microgym.random import WORLD, stream
from microgym.random.streams import SpecimenWorld
from microgym.specimens.drawing import NoiseWork, clip_unit, coverage, noise_work, smooth_noise
from microgym.specimens.ribbons import RibbonWork, draw_strands, ribbon_work
from microgym.state import Float32, Uint8

OVERHANG = 4
"""Most px by which structure may reach beyond the scanned region."""
GRAIN_RANGE = (1.25, 2.0)
"""Lattice spacing of the fine texture, px; it is correlated over about 1.9 times that."""

_RIBBONS = np.int64(SpecimenWorld.RIBBONS)
_TEXTURE = np.int64(SpecimenWorld.RIBBON_TEXTURE)
_ABSORPTION = np.float32(0.45)
_PHASE_RAD = np.float32(1.2)


class SparseWork(NamedTuple):
    """Work arrays of `draw_sparse`.

    Attributes:
        depth: (H, W), signed distance from the edges of ribbons, px.
        wanted: (h, w), structure in the window that it may reach.
        fine, grain, slow: (h, w), textures in that window.
        noise: of the textures.
        ribbons: of the paths.
    """

    depth: Float32
    wanted: Uint8
    fine: Float32
    grain: Float32
    slow: Float32
    noise: NoiseWork
    ribbons: RibbonWork


def sparse_work(height: int, width: int, margin: int) -> SparseWork:
    """Work arrays of `draw_sparse`.

    Args:
        height, width: of the field, px.
        margin: width of the border around the scanned region, px.
    """
    inset = margin - OVERHANG
    window = (height - 2 * inset, width - 2 * inset)
    depth, wanted = np.empty((height, width), np.float32), np.empty(window, np.uint8)
    fine, grain, slow = np.empty((3, *window), np.float32)
    noise = noise_work(*window, GRAIN_RANGE[0])
    return SparseWork(depth, wanted, fine, grain, slow, noise, ribbon_work())


@kernel
def _render(work, margin, unit, real, imag, structure):
    """Turn distances and textures into a transmission function; a window of the planes."""
    depth = work.depth
    height, width = depth.shape
    real[:], imag[:], structure[:] = np.float32(1.0), np.float32(0.0), np.uint8(0)
    inset = margin - OVERHANG
    rim_at = np.float32(1.5) * unit
    for i in range(inset, height - inset):
        for j in range(inset, width - inset):
            d = depth[i, j]
            if d >= np.float32(0.5):
                continue
            f = work.fine[i - inset, j - inset]
            g = work.grain[i - inset, j - inset]
            # Thickness: thicker at the rim, with slow and fine texture.
            rim = clip_unit(np.float32(1.0) - abs(-d - rim_at) / rim_at)
            thick = clip_unit(
                np.float32(0.5)
                + np.float32(0.14) * work.slow[i - inset, j - inset]
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
def draw_sparse(key, margin, real, imag, structure, work):
    """Draw one specimen, see `microgym.specimens.families`; the margin is at least `OVERHANG`.

    Args:
        key: two uint32, key of the specimen.
        margin: width of the border around the scanned region, px.
        real, imag: (H, W) float32, written, transmission function.
        structure: (H, W) uint8, written, 1 where there is structure.
        work: of `sparse_work`.
    """
    grain = stream(key[0], key[1], WORLD, _TEXTURE)
    depth, wanted, ribbons = work.depth, work.wanted, work.ribbons
    depth[:] = np.float32(1e3)
    draw_strands(stream(key[0], key[1], WORLD, _RIBBONS), depth, margin, ribbons)
    inset = margin - OVERHANG
    for i in range(wanted.shape[0]):
        for j in range(wanted.shape[1]):
            wanted[i, j] = np.uint8(depth[i + inset, j + inset] < np.float32(0.5))
    spacing = GRAIN_RANGE[0] + (GRAIN_RANGE[1] - GRAIN_RANGE[0]) * ribbons.scene[20]
    unit = (min(depth.shape) - 2 * margin) / 128.0
    smooth_noise(grain, np.int64(0), spacing, wanted, work.fine, work.noise)
    smooth_noise(grain, np.int64(1), spacing, wanted, work.grain, work.noise)
    smooth_noise(grain, np.int64(2), max(1.5, 10.0 * unit), wanted, work.slow, work.noise)
    _render(work, margin, np.float32(unit), real, imag, structure)
