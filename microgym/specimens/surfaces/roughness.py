"""Films: self-affine roughness, and islands with a flat top."""

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.specimens.drawing import clip_unit
from microgym.specimens.spectral import periodic_field
from microgym.specimens.surfaces.drawing_context import Work, draw_noise

Plane = NDArray[np.float32]


@kernel
def add_roughness(
    s0: np.uint32,
    s1: np.uint32,
    rms_nm: float,
    hurst: float,
    correlation_px: float,
    height: Plane,
    work: Work,
) -> None:
    """Add self-affine roughness: power (1 + q^2 xi^2)^-(1 + H) (Palasantzas, PRB 48, 14472, 1993).

    The field is cut from a periodic one of the next power of two. `rms_nm` is the root mean square
    over many surfaces; that of one differs, the more the longer its correlation.

    Args:
        s0: first word of the stream key.
        s1: second word.
        rms_nm: root mean square, nm.
        hurst: Hurst exponent H, between 0 and 1.
        correlation_px: correlation length xi, px.
        height: (n, n) float32, nm, added to.
        work: of `surface_work(n)`.
    """
    n = height.shape[0]
    size = work.fft.n
    wave = 2.0 * np.pi * correlation_px / size
    variance = periodic_field(
        s0,
        s1,
        np.int64(0),
        1.0,
        wave * wave,
        -0.5 * (1.0 + hurst),
        work.re,
        work.im,
        work.fft,
        work.transform,
    )
    scale = np.float32(rms_nm / np.sqrt(variance))
    for i in range(n):
        for j in range(n):
            height[i, j] += scale * work.re[i * size + j]


@kernel
def add_islands(
    s0: np.uint32,
    s1: np.uint32,
    tick: int,
    spacing_px: float,
    level: float,
    again: float,
    height_nm: float,
    height: Plane,
    phase: Plane,
    work: Work,
) -> None:
    """Add islands with steep flanks and flat tops: where smooth noise exceeds a level.

    Noise of unit variance exceeds a level t on 1 - Phi(t) of the area.

    Args:
        s0: first word of the stream key.
        s1: second word.
        tick: tick of the noise.
        spacing_px: lattice spacing of the noise, px: the size of islands.
        level: the level t.
        again: a second layer grows where the noise exceeds this level; above 6 there is none.
        height_nm: height of one layer, nm.
        height: (n, n) float32, nm, added to.
        phase: (n, n) float32, raised to the part of a pixel that is island.
        work: of `surface_work(n)`.
    """
    n = height.shape[0]
    draw_noise(s0, s1, tick, spacing_px, work.noise, work)
    noise = work.noise
    first, second = np.float32(level), np.float32(again)
    step = np.float32(height_nm)
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
