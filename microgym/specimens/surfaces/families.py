"""Families of height maps, and the function that draws them.

A surface is a function of its key and of the grid, whatever the batch it is drawn in. Lateral sizes
are fractions of the edge of the field, so that every field shows a scene of its kind; heights of
films and steps are in nm.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from microgym.specimens.splits import SURFACES, validate_family
from microgym.specimens.surfaces.drawing_context import surface_work
from microgym.specimens.surfaces.recipes import Recipe, draw_surfaces
from microgym.validation import positive

Plane = NDArray[np.float32]

SURFACE_SIZES: Final = (64, 512)
"""Smallest and largest edge of a grid, px."""
PIXEL_RANGE_NM: Final = (0.05, 100.0)
"""Smallest and largest pixel, nm."""
MODULUS_RANGE_GPA: Final = (1.0, 60.0)
"""Reduced modulus of materials, GPa: from a polymer to silicon or its oxide."""
CONTRASTS: Final = ("none", "height", "patches", "drawn")
"""Variation of the modulus: none; with the height; in patches of its own; one of the last two, by a
coin for each surface."""


def fill_surfaces(
    family: str,
    keys: NDArray[np.uint32],
    height_nm: Plane,
    modulus_gpa: Plane,
    pixel_nm: float,
    contrast: str = "drawn",
    modulus_range_gpa: tuple[float, float] = MODULUS_RANGE_GPA,
) -> None:
    """Draw k surfaces in place.

    Args:
        family: one of `microgym.specimens.splits.SURFACES`.
        keys: (k, 2) uint32, from `specimen_key`.
        height_nm: (k, n, n) float32, C-contiguous, written: heights, nm; n from 64 to 512.
        modulus_gpa: the same, written: reduced modulus E*, GPa.
        pixel_nm: edge of a pixel, nm, in `PIXEL_RANGE_NM`.
        contrast: one of `CONTRASTS`.
        modulus_range_gpa: smallest and largest modulus, GPa, above 0.

    Raises:
        TypeError: an array of the wrong dtype, or a number that is none.
        ValueError: an unknown name, a number out of range, or arrays of the wrong shape or layout.
    """
    validate_family(family, None, SURFACES, ())
    _check_grids(keys, height_nm, modulus_gpa)
    pixel = positive("pixel_nm", pixel_nm)
    if not PIXEL_RANGE_NM[0] <= pixel <= PIXEL_RANGE_NM[1]:
        raise ValueError(f"pixel_nm={pixel_nm!r} must be in {list(PIXEL_RANGE_NM)} nm")
    if contrast not in CONTRASTS:
        raise ValueError(f"unknown contrast {contrast!r}: choose one of {', '.join(CONTRASTS)}")
    low, high = (positive("modulus_range_gpa", value) for value in modulus_range_gpa)
    if low > high:
        raise ValueError(f"modulus_range_gpa={modulus_range_gpa!r} must rise")
    recipe = Recipe(SURFACES.index(family), pixel, CONTRASTS.index(contrast), low, high)
    draw_surfaces(keys, recipe, height_nm, modulus_gpa, surface_work(height_nm.shape[1]))


def _check_grids(keys: NDArray[Any], height_nm: NDArray[Any], modulus_gpa: NDArray[Any]) -> None:
    if keys.dtype != np.uint32:
        raise TypeError(f"keys must have dtype uint32, got {keys.dtype}")
    if keys.ndim != 2 or keys.shape[1] != 2:
        raise ValueError(f"keys must have shape (k, 2), got {keys.shape}")
    low, high = SURFACE_SIZES
    for name, grid in (("height_nm", height_nm), ("modulus_gpa", modulus_gpa)):
        if grid.dtype != np.float32:
            raise TypeError(f"{name} must have dtype float32, got {grid.dtype}")
        square = grid.ndim == 3 and grid.shape[1] == grid.shape[2]
        if not square or grid.shape[0] != keys.shape[0] or grid.shape != height_nm.shape:
            raise ValueError(
                f"{name} must have shape ({keys.shape[0]}, n, n), equal for height_nm and "
                f"modulus_gpa, got {grid.shape}"
            )
        if not grid.flags.c_contiguous or not grid.flags.writeable:
            raise ValueError(f"{name} must be C-contiguous and writeable")
        if not low <= grid.shape[1] <= high:
            raise ValueError(f"{name} must be {low} to {high} px a side, got {grid.shape[1]}")
