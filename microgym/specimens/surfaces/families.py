"""Families of height maps, and the function that draws them.

A surface is a function of its key and of the grid, whatever the batch it is drawn in. Lateral sizes
are fractions of the edge of the field, so that every field shows a scene of its kind; heights of
films and steps are in nm.
"""

from typing import Final

import numpy as np

from microgym.specimens.splits import SURFACES, validate_family, validate_planes
from microgym.specimens.surfaces.drawing_context import (
    SCENE_NUMBERS,
    Scene,
    open_scene,
    surface_work,
)
from microgym.specimens.surfaces.materials import draw_modulus
from microgym.specimens.surfaces.recipes import RECIPES
from microgym.state import Float32, Uint32
from microgym.validation import positive

PIXEL_RANGE_NM: Final = (0.05, 100.0)
"""Smallest and largest pixel, nm."""
MODULUS_RANGE_GPA: Final = (1.0, 60.0)
"""Reduced modulus of materials, GPa: from a polymer to silicon or its oxide."""
CONTRASTS: Final = ("none", "height", "patches", "drawn")
"""Variation of the modulus: none; with the height; in patches of its own; one of the last two, by a
coin for each surface."""


def fill_surfaces(
    family: str,
    keys: Uint32,
    height_nm: Float32,
    modulus_gpa: Float32,
    pixel_nm: float,
    contrast: str = "drawn",
    modulus_range_gpa: tuple[float, float] = MODULUS_RANGE_GPA,
) -> None:
    """Draw k surfaces in place.

    Args:
        family: one of `microgym.specimens.splits.SURFACES`.
        keys: (k, 2) uint32, from `specimen_key`.
        height_nm: (k, n, n) float32, C-contiguous, written: heights, nm; n in `SIZE_RANGE`.
        modulus_gpa: the same, written: reduced modulus E*, GPa.
        pixel_nm: edge of a pixel, nm, in `PIXEL_RANGE_NM`.
        contrast: one of `CONTRASTS`.
        modulus_range_gpa: smallest and largest modulus, GPa, above 0.

    Raises:
        TypeError: an array of the wrong dtype, or a number that is none.
        ValueError: an unknown name, a number out of range, or arrays of the wrong shape or layout.
    """
    validate_family(family, None, SURFACES, ())
    validate_planes(keys, {"height_nm": height_nm, "modulus_gpa": modulus_gpa}, square=True)
    pixel = positive("pixel_nm", pixel_nm)
    if not PIXEL_RANGE_NM[0] <= pixel <= PIXEL_RANGE_NM[1]:
        raise ValueError(f"pixel_nm={pixel_nm!r} must be in {list(PIXEL_RANGE_NM)} nm")
    if contrast not in CONTRASTS:
        raise ValueError(f"unknown contrast {contrast!r}: choose one of {', '.join(CONTRASTS)}")
    low, high = (positive("modulus_range_gpa", value) for value in modulus_range_gpa)
    if low > high:
        raise ValueError(f"modulus_range_gpa={modulus_range_gpa!r} must rise")
    numbers, work = np.empty(SCENE_NUMBERS), surface_work(height_nm.shape[1])
    for key, height, phase in zip(keys, height_nm, modulus_gpa, strict=True):
        # The plane of moduli holds the phase until they are drawn.
        scene = Scene(key, numbers, pixel, height, phase, work)
        open_scene(scene)
        RECIPES[family](scene)
        draw_modulus(scene, CONTRASTS.index(contrast), low, high)
