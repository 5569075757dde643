"""Materials of a surface: a map of the reduced modulus."""

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.libm import exp64, log64
from microgym.random import draw_uniform
from microgym.specimens.drawing import clip_unit
from microgym.specimens.surfaces.drawing_context import (
    FINEST,
    NOISE_SLOPE,
    Work,
    between,
    between_log,
    draw_noise,
)

Plane = NDArray[np.float32]


@kernel
def draw_modulus(
    s0: np.uint32,
    s1: np.uint32,
    contrast: int,
    low_gpa: float,
    high_gpa: float,
    phase: Plane,
    modulus: Plane,
    work: Work,
) -> None:
    """Draw two materials, and the map of the one and the other.

    Args:
        s0: first word of the stream key of the materials.
        s1: second word.
        contrast: 0 for one material; 1 if the second one is the part that stands out in the height;
            2 if it lies in patches of its own; 3 for one of the last two, by a coin.
        low_gpa: smallest modulus, GPa; moduli are uniform in the logarithm.
        high_gpa: largest.
        phase: (n, n) float32 in [0, 1], the part of a pixel that stands out; it may be `modulus`.
        modulus: (n, n) float32, GPa, written.
        work: of `surface_work(n)`.
    """
    n, tick = phase.shape[0], np.int64(0)
    first = between_log(draw_uniform(s0, s1, tick, 0), low_gpa, high_gpa)
    second = between_log(draw_uniform(s0, s1, tick, 1), low_gpa, high_gpa)
    if contrast == 0:
        second = first
    coin = draw_uniform(s0, s1, tick, 2)
    patches = contrast == 2 or (contrast == 3 and coin < 0.5)
    if patches:
        spacing = n * between(draw_uniform(s0, s1, tick, 3), 0.05, 0.15)
        draw_noise(s0, s1, np.int64(1), spacing, work.noise, work)
        # Borders are a pixel wide, on average.
        sharp = np.float32(max(spacing, FINEST) / NOISE_SLOPE)
        for i in range(n):
            for j in range(n):
                modulus[i, j] = clip_unit(np.float32(0.5) + sharp * work.noise[i, j])
    # E = E1 (E2 / E1)^part: moduli mix in the logarithm.
    span = log64(second / first)
    for i in range(n):
        for j in range(n):
            part = np.float64(modulus[i, j] if patches else phase[i, j])
            modulus[i, j] = np.float32(first * exp64(span * part))
