"""Films: self-affine roughness, and islands with a flat top."""

import numpy as np

from microgym.jit import kernel
from microgym.random.streams import SpecimenWorld
from microgym.specimens.drawing import clip_unit
from microgym.specimens.spectral import periodic_field
from microgym.specimens.surfaces.drawing_context import draw_noise, scene_stream

_ROUGHNESS = np.int64(SpecimenWorld.SURFACE_ROUGHNESS)
_ISLANDS = np.int64(SpecimenWorld.SURFACE_ISLANDS)


@kernel
def add_roughness(scene, rms_nm, hurst, correlation_px):
    """Add self-affine roughness: power (1 + q^2 xi^2)^-(1 + H) (Palasantzas, PRB 48, 14472, 1993).

    The field is cut from a periodic one of the next power of two. `rms_nm` is the root mean square
    over many surfaces; that of one differs, the more the longer its correlation.

    Args:
        scene: surface, whose height is added to.
        rms_nm: root mean square, nm.
        hurst: Hurst exponent H, between 0 and 1.
        correlation_px: correlation length xi, px.
    """
    height, field = scene.height, scene.work.spectrum
    n, size = height.shape[0], field.fft.n
    wave = 2.0 * np.pi * correlation_px / size
    key, half = scene_stream(scene, _ROUGHNESS), -0.5 * (1.0 + hurst)
    variance = periodic_field(key, np.int64(0), 1.0, wave * wave, half, field)
    scale = np.float32(rms_nm / np.sqrt(variance))
    for i in range(n):
        for j in range(n):
            height[i, j] += scale * field.re[i * size + j]


@kernel
def add_islands(scene, spacing_px, level, again, layer_nm):
    """Add islands with steep flanks and flat tops: where smooth noise exceeds a level.

    Noise of unit variance exceeds a level t on 1 - Phi(t) of the area.

    Args:
        scene: surface, whose height is added to; its phase is raised to the part of a pixel that is
            island.
        spacing_px: lattice spacing of the noise, px: the size of islands.
        level: the level t.
        again: a second layer grows where the noise exceeds this level; above 6 there is none.
        layer_nm: height of one layer, nm.
    """
    height, phase, noise = scene.height, scene.phase, scene.work.noise
    n = height.shape[0]
    draw_noise(scene_stream(scene, _ISLANDS), np.int64(0), spacing_px, noise, scene.work)
    first, second = np.float32(level), np.float32(again)
    step = np.float32(layer_nm)
    half = np.float32(0.5)
    for i in range(n):
        up, down = max(i - 1, 0), min(i + 1, n - 1)
        for j in range(n):
            left, right = max(j - 1, 0), min(j + 1, n - 1)
            value = noise[i, j]
            dy = (noise[down, j] - noise[up, j]) * half
            dx = (noise[i, right] - noise[i, left]) * half
            # To first order, the excess over the slope is the distance from the edge, px.
            slope = np.sqrt(dy * dy + dx * dx) + np.float32(1e-3)
            part = clip_unit(half + (value - first) / slope)
            upper = clip_unit(half + (value - second) / slope)
            height[i, j] += step * (part + upper)
            phase[i, j] = max(phase[i, j], part)
