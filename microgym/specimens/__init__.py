"""Specimens: complex transmission functions, surfaces, films, and fields of adatoms.

`families` draws procedural transmission functions, `surfaces` height maps for probes; `splits`
keeps training and test apart, `files` reads a user's own.
"""

from microgym.specimens.families import default_margin, fill, paper_object
from microgym.specimens.files import load_image, structure_mask
from microgym.specimens.splits import (
    FAMILIES,
    HELD_OUT,
    SPLITS,
    specimen_key,
    validate_family,
    validate_split,
)

__all__ = [
    "FAMILIES",
    "HELD_OUT",
    "SPLITS",
    "default_margin",
    "fill",
    "load_image",
    "paper_object",
    "specimen_key",
    "structure_mask",
    "validate_family",
    "validate_split",
]
