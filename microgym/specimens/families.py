"""Procedural families of transmission functions, and the function that draws them.

A specimen is a function of its key alone, whatever the batch it is drawn in. It is a complex
transmission function with modulus at most 1; vacuum is exactly 1 + 0j.
"""

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.fft import FFTPlan, plan
from microgym.numerics.libm import sincos32
from microgym.random import episode_key
from microgym.specimens.grf import draw_grf, field_size, grf_work
from microgym.specimens.lines import draw_lines, lines_work
from microgym.specimens.ribbons import STATE_WORK
from microgym.specimens.shapes import draw_features, draw_star, features_work
from microgym.specimens.sparse import OVERHANG, draw_sparse, sparse_work
from microgym.specimens.splits import validate_family

Keys = NDArray[np.uint32]
Plane = NDArray[np.float32]
Mask = NDArray[np.uint8]
Indices = NDArray[np.int64]

DEFAULT_SIZE: Final = 192
"""Edge of a specimen, px: a scanned region of 128 px and half a 64 px patch around it."""

SIZE_RANGE: Final = (64, 512)
"""Smallest and largest edge, px."""

DENSE: Final = ("lines", "grf", "large_features")
"""Families without vacuum: every pixel counts as structure."""


def default_margin(height: int, width: int) -> int:
    """Px outside the scanned region on each side: a sixth of the shorter edge."""
    return min(height, width) // 6


def fill(
    family: str,
    keys: NDArray[np.uint32],
    real: Plane,
    imag: Plane,
    structure: NDArray[Any],
    margin: int | None = None,
) -> None:
    """Draw k specimens in place.

    Args:
        family: one of `FAMILIES`.
        keys: (k, 2) uint32, from `specimen_key`.
        real: (k, H, W) float32, C-contiguous, written; H and W from 64 to 512.
        imag: the same for the imaginary part.
        structure: (k, H, W) bool or uint8, C-contiguous, written: where the specimen is not vacuum.
        margin: px outside the scanned region on each side; `sparse` and `siemens_star` put their
            structure inside it. None means `default_margin`.

    Raises:
        TypeError: an array of the wrong dtype.
        ValueError: an unknown family, or arrays of the wrong shape or layout.
    """
    validate_family(family)
    height, width = _check_planes(keys, real, imag, structure)
    inset = default_margin(height, width) if margin is None else margin
    if not OVERHANG <= inset <= min(height, width) // 3:
        raise ValueError(
            f"margin must be from {OVERHANG} to a third of the shorter edge, "
            f"{min(height, width) // 3} px, got {margin!r}"
        )
    mask = structure.view(np.uint8)
    if family in DENSE:
        mask[...] = 1
    if family == "sparse":
        floats, integers = sparse_work(height, width)
        work, indices = np.empty(floats, np.float32), np.empty(integers, np.int64)
        state = np.zeros(STATE_WORK)
        _fill_sparse(keys, inset, real, imag, mask, work, indices, state)
    elif family == "lines":
        _fill_lines(keys, real, imag, np.empty(lines_work(height, width), np.float32))
    elif family == "grf":
        fft = _plan(field_size(height, width))
        work = np.empty(grf_work(height, width), np.float32)
        _fill_grf(keys, real, imag, fft, work)
    elif family == "large_features":
        floats, integers = features_work(height, width)
        work, indices = np.empty(floats, np.float32), np.empty(integers, np.int64)
        _fill_features(keys, inset, real, imag, mask, work, indices)
    else:
        _fill_star(keys, inset, real, imag, mask)


def paper_object(family: str, size: int = 392, seed: int = 0) -> NDArray[np.complex64]:
    """The object of a paper's test, not normalised: its amplitude may exceed 1.

    Args:
        family: 'lines' (phase 0) or 'grf', after PtychoPINN (Hoidn, Mishra and Mehta, Sci. Rep. 13,
            22789, 2023).
        size: edge, px, 64 to 512; the paper's is 392.
        seed: any integer from 0 to 2**63 - 1.

    Returns:
        (size, size) complex64.

    Raises:
        ValueError: another family, or a size out of range.
    """
    if family not in ("lines", "grf"):
        raise ValueError(f"paper_object knows 'lines' and 'grf', got {family!r}")
    if not SIZE_RANGE[0] <= size <= SIZE_RANGE[1]:
        raise ValueError(f"size must lie in {SIZE_RANGE[0]}..{SIZE_RANGE[1]} px, got {size!r}")
    key = episode_key(seed)
    amplitude = np.empty((size, size), np.float32)
    phase = np.zeros((size, size), np.float32)
    if family == "lines":
        draw_lines(key[0], key[1], amplitude, np.empty(lines_work(size, size), np.float32))
    else:
        fft = _plan(field_size(size, size))
        work = np.empty(grf_work(size, size), np.float32)
        draw_grf(key[0], key[1], amplitude, phase, fft, work)
    out = np.empty((size, size), np.complex64)
    real, imag = np.empty_like(amplitude), np.empty_like(amplitude)
    _polar(amplitude, phase, np.float32(1.0), real, imag)
    out.real, out.imag = real, imag
    return out


def _check_planes(
    keys: NDArray[Any], real: NDArray[Any], imag: NDArray[Any], structure: NDArray[Any]
) -> tuple[int, int]:
    if keys.dtype != np.uint32:
        raise TypeError(f"keys must have dtype uint32, got {keys.dtype}")
    if keys.ndim != 2 or keys.shape[1] != 2:
        raise ValueError(f"keys must have shape (k, 2), got {keys.shape}")
    for name, plane in (("real", real), ("imag", imag), ("structure", structure)):
        kinds = (np.bool_, np.uint8) if name == "structure" else (np.float32,)
        if plane.dtype not in kinds:
            expected = " or ".join(np.dtype(kind).name for kind in kinds)
            raise TypeError(f"{name} must have dtype {expected}, got {plane.dtype}")
        if plane.ndim != 3 or plane.shape[0] != keys.shape[0] or plane.shape != real.shape:
            raise ValueError(
                f"{name} must have shape ({keys.shape[0]}, H, W), equal for real, imag and "
                f"structure, got {plane.shape}"
            )
        if not plane.flags.c_contiguous or not plane.flags.writeable:
            raise ValueError(f"{name} must be C-contiguous and writeable")
    height, width = real.shape[1:]
    low, high = SIZE_RANGE
    if not (low <= height <= high and low <= width <= high):
        raise ValueError(f"specimens must be {low} to {high} px a side, got {(height, width)}")
    return height, width


@cache
def _plan(n: int) -> FFTPlan:
    return plan(n)


@kernel
def _polar(amplitude: Plane, phase: Plane, scale: np.float32, real: Plane, imag: Plane) -> None:
    """Write scale * amplitude * exp(i phase); the outputs may be the inputs."""
    height, width = amplitude.shape
    for i in range(height):
        for j in range(width):
            modulus = scale * amplitude[i, j]
            sine, cosine = sincos32(phase[i, j])
            real[i, j] = modulus * cosine
            imag[i, j] = modulus * sine


@kernel
def _inverse_maximum(plane: Plane) -> np.float32:
    """1 / max of a plane with positive values, rounded down so that no quotient exceeds 1."""
    largest = plane[0, 0]
    for i in range(plane.shape[0]):
        for j in range(plane.shape[1]):
            largest = max(largest, plane[i, j])
    return np.float32(0.9999999) / largest


@kernel
def _fill_sparse(
    keys: Keys,
    margin: int,
    real: Plane,
    imag: Plane,
    mask: Mask,
    work: Plane,
    indices: Indices,
    state: NDArray[np.float64],
) -> None:
    for k in range(keys.shape[0]):
        draw_sparse(keys[k, 0], keys[k, 1], margin, real[k], imag[k], mask[k], work, indices, state)


@kernel
def _fill_lines(keys: Keys, real: Plane, imag: Plane, work: Plane) -> None:
    for k in range(keys.shape[0]):
        draw_lines(keys[k, 0], keys[k, 1], real[k], work)
        scale = _inverse_maximum(real[k])
        imag[k] = np.float32(0.0)
        _polar(real[k], imag[k], scale, real[k], imag[k])


@kernel
def _fill_grf(keys: Keys, real: Plane, imag: Plane, fft: FFTPlan, work: Plane) -> None:
    for k in range(keys.shape[0]):
        draw_grf(keys[k, 0], keys[k, 1], real[k], imag[k], fft, work)
        _polar(real[k], imag[k], _inverse_maximum(real[k]), real[k], imag[k])


@kernel
def _fill_features(
    keys: Keys, margin: int, real: Plane, imag: Plane, mask: Mask, work: Plane, indices: Indices
) -> None:
    for k in range(keys.shape[0]):
        draw_features(keys[k, 0], keys[k, 1], margin, real[k], imag[k], mask[k], work, indices)


@kernel
def _fill_star(keys: Keys, margin: int, real: Plane, imag: Plane, mask: Mask) -> None:
    for k in range(keys.shape[0]):
        draw_star(keys[k, 0], keys[k, 1], margin, real[k], imag[k], mask[k])
