"""Splits of specimens into training, validation and test.

Every key of a specimen carries its split in two fixed bits, so that no seed gives the same specimen
to two splits. A family of `HELD_OUT` is never offered for training at all, so that scores on it are
out of distribution.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FAMILIES: Final = ("sparse", "lines", "grf", "large_features", "siemens_star")
"""Every procedural family, by name."""

HELD_OUT: Final = ("siemens_star",)
"""Families that are never shown in training."""

SURFACES: Final = (
    "terraces",
    "islands",
    "roughness",
    "particles",
    "fibres",
    "mixed",
    "trenches",
)
"""Every family of height maps, by name."""

HELD_OUT_SURFACES: Final = ("trenches",)
"""Families of height maps that are never shown in training."""

SPLITS: Final = ("train", "validation", "test")
"""Names of the splits; a key carries the position in this tuple."""

SIZE_RANGE: Final = (64, 512)
"""Smallest and largest edge of a specimen, px."""

_SPLIT_SHIFT: Final = np.uint32(30)
_FREE_BITS: Final = np.uint32(0x3FFFFFFF)


def validate_split(split: str) -> str:
    """Return `split` if it names one.

    Args:
        split: one of `SPLITS`.

    Returns:
        The same name.

    Raises:
        TypeError: `split` is not a string.
        ValueError: `split` is unknown.
    """
    if not isinstance(split, str):
        raise TypeError(f"split must be a string, got {type(split).__name__}")
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: choose one of {', '.join(SPLITS)}")
    return split


def validate_family(
    family: str,
    split: str | None = None,
    families: tuple[str, ...] = FAMILIES,
    held_out: tuple[str, ...] = HELD_OUT,
) -> str:
    """Return `family` if it exists and may be used in `split`.

    Args:
        family: one of `families`.
        split: one of `SPLITS`, or None where no split is at stake.
        families: the names to choose from, such as `SURFACES`.
        held_out: those of them that are not for training, such as `HELD_OUT_SURFACES`.

    Returns:
        The same name.

    Raises:
        TypeError: an argument is not a string.
        ValueError: a name is unknown, or a held-out family is asked for training.
    """
    if not isinstance(family, str):
        raise TypeError(f"specimen family must be a string, got {type(family).__name__}")
    if family not in families:
        raise ValueError(f"unknown specimen family {family!r}: choose one of {', '.join(families)}")
    if split is not None and validate_split(split) == "train" and family in held_out:
        offered = ", ".join(name for name in families if name not in held_out)
        raise ValueError(
            f"specimen family {family!r} is held out from split 'train', for out-of-distribution "
            f"scores: use split 'validation' or 'test', or train on one of {offered}"
        )
    return family


def specimen_key(key: NDArray[np.uint32], split: str) -> NDArray[np.uint32]:
    """Turn episode keys into keys of specimens of one split.

    The two highest bits of the first word become the number of the split; the other 62 bits stay.
    Keys of different splits therefore differ for all seeds.

    Args:
        key: (2,) or (k, 2) uint32, as from `microgym.random.episode_key`.
        split: one of `SPLITS`.

    Returns:
        A new uint32 array of the same shape.

    Raises:
        TypeError: `key` is not of dtype uint32.
        ValueError: `key` has another shape, or `split` is unknown.
    """
    validate_split(split)
    keys = np.asarray(key)
    if keys.dtype != np.uint32:
        raise TypeError(f"key must have dtype uint32, got {keys.dtype}")
    if keys.ndim not in (1, 2) or keys.shape[-1] != 2:
        raise ValueError(f"key must have shape (2,) or (k, 2), got {keys.shape}")
    out = keys.copy()
    out[..., 0] &= _FREE_BITS
    out[..., 0] |= np.uint32(SPLITS.index(split)) << _SPLIT_SHIFT
    return out


def validate_planes(
    keys: NDArray[np.uint32], planes: Mapping[str, NDArray[Any]], square: bool = False
) -> tuple[int, int]:
    """Height and width of the planes that k specimens are drawn into.

    Args:
        keys: (k, 2) uint32.
        planes: by name, each (k, H, W), C-contiguous, with H and W in `SIZE_RANGE`; "structure" is
            bool or uint8, all others float32.
        square: whether H must equal W.

    Raises:
        TypeError: an array of the wrong dtype.
        ValueError: an array of the wrong shape or layout.
    """
    if keys.dtype != np.uint32:
        raise TypeError(f"keys must have dtype uint32, got {keys.dtype}")
    if keys.ndim != 2 or keys.shape[1] != 2:
        raise ValueError(f"keys must have shape (k, 2), got {keys.shape}")
    (first, *_), (low, high) = planes.values(), SIZE_RANGE
    for name, plane in planes.items():
        kinds = ("bool", "uint8") if name == "structure" else ("float32",)
        if plane.dtype.name not in kinds:
            raise TypeError(f"{name} must have dtype {' or '.join(kinds)}, got {plane.dtype}")
        oblong = square and plane.shape[1:2] != plane.shape[2:]
        if plane.ndim != 3 or len(plane) != len(keys) or plane.shape != first.shape or oblong:
            axes = "n, n" if square else "H, W"
            raise ValueError(
                f"{name} must have shape ({len(keys)}, {axes}), equal for "
                f"{' and '.join(planes)}, got {plane.shape}"
            )
        if not plane.flags.c_contiguous or not plane.flags.writeable:
            raise ValueError(f"{name} must be C-contiguous and writeable")
    height, width = first.shape[1:]
    if not (low <= height <= high and low <= width <= high):
        raise ValueError(f"specimens must be {low} to {high} px a side, got {height} by {width}")
    return height, width
