"""Materials of a surface: a map of the reduced modulus."""

import numpy as np

from microgym.jit import kernel
from microgym.numerics.libm import exp64, log64
from microgym.random import draw_uniform
from microgym.random.streams import SpecimenWorld
from microgym.specimens.drawing import clip_unit
from microgym.specimens.surfaces.drawing_context import (
    FINEST,
    NOISE_SLOPE,
    between,
    between_log,
    draw_noise,
    scene_stream,
)

_MATERIALS = np.int64(SpecimenWorld.SURFACE_MATERIALS)


@kernel
def draw_modulus(scene, contrast, low_gpa, high_gpa):
    """Draw two materials, and the map of the one and the other, in the place of the phase.

    Args:
        scene: a surface; its phase becomes the reduced modulus, GPa.
        contrast: 0 for one material; 1 if the second one is the part that stands out in the height;
            2 if it lies in patches of its own; 3 for one of the last two, by a coin.
        low_gpa: smallest modulus, GPa; moduli are uniform in the logarithm.
        high_gpa: largest.
    """
    modulus, work = scene.phase, scene.work
    key, n, tick = scene_stream(scene, _MATERIALS), modulus.shape[0], np.int64(0)
    first = between_log(draw_uniform(*key, tick, 0), low_gpa, high_gpa)
    second = between_log(draw_uniform(*key, tick, 1), low_gpa, high_gpa)
    if contrast == 0:
        second = first
    coin = draw_uniform(*key, tick, 2)
    patches = contrast == 2 or (contrast == 3 and coin < 0.5)
    if patches:
        spacing = n * between(draw_uniform(*key, tick, 3), 0.05, 0.15)
        draw_noise(key, np.int64(1), spacing, work.noise, work)
        # Borders are a pixel wide, on average.
        sharp = np.float32(max(spacing, FINEST) / NOISE_SLOPE)
        for i in range(n):
            for j in range(n):
                modulus[i, j] = clip_unit(np.float32(0.5) + sharp * work.noise[i, j])
    # E = E1 (E2 / E1)^part: moduli mix in the logarithm.
    span = log64(second / first)
    for i in range(n):
        for j in range(n):
            part = np.float64(modulus[i, j])
            modulus[i, j] = np.float32(first * exp64(span * part))
