"""Surfaces of force microscopy: heights in nm and reduced moduli in GPa."""

from microgym.specimens.surfaces.families import (
    CONTRASTS,
    MODULUS_RANGE_GPA,
    PIXEL_RANGE_NM,
    SURFACE_SIZES,
    fill_surfaces,
)

__all__ = [
    "CONTRASTS",
    "MODULUS_RANGE_GPA",
    "PIXEL_RANGE_NM",
    "SURFACE_SIZES",
    "fill_surfaces",
]
