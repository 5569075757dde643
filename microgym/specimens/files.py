"""Specimens from a user's own files: images, arrays, complex transmission functions.

A file gives amplitude, phase, or the complex object itself. Its contents become a complex64
transmission function of the asked shape with modulus at most 1:

* unsigned integers of 8 and 16 bits are scaled by the range of their type: 255 or 65535 means 1;
* any other amplitude must not be negative, and is divided by its maximum if that exceeds 1; a
  complex object likewise by its largest modulus;
* a phase in 8 or 16 bits spans 0 to `phase_range_rad`; any other phase is in radians;
* colour images are taken as their luminance (ITU-R BT.601, as Pillow converts);
* the image is resized with its aspect kept until it fits (each output pixel averages the area it
  covers when shrinking, linear interpolation when growing), real and imaginary parts separately,
  centred, and padded with vacuum.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from microgym.numerics.libm import sincos
from microgym.numerics.linalg import join, squared
from microgym.specimens.readers import FilePath, read_arrays


def load_image(
    source: FilePath | Mapping[str, FilePath],
    shape: tuple[int, int],
    *,
    role: str = "amplitude",
    phase_range_rad: float = 1.0,
    margin: int = 0,
) -> NDArray[np.complex64]:
    """Read a specimen from one file, or from one file for amplitude and one for phase.

    Args:
        source: path of a TIFF, PNG, npy, npz or HDF5 file, or a mapping with the keys 'amplitude'
            and/or 'phase' to such paths. An npz or HDF5 file holds 'object' (complex), or
            'amplitude' and/or 'phase', at its top level.
        shape: (H, W) of the result, px, each 8 to 4096.
        role: meaning of a single real image: 'amplitude' (default) or 'phase'.
        phase_range_rad: phase of the largest integer value, rad, within -100 to 100; the default
            of 1 rad is a design choice.
        margin: px of vacuum kept free on each side.

    Returns:
        (H, W) complex64 transmission function, |O| <= 1, vacuum 1 + 0j.

    Raises:
        FileNotFoundError: a path does not exist.
        TypeError: an argument of the wrong type.
        ValueError: anything else that is wrong with the arguments or the file; the message names
            the file and its contents.
    """
    height, width = _checked_shape(shape, margin)
    if role not in ("amplitude", "phase"):
        raise ValueError(f"role must be 'amplitude' or 'phase', got {role!r}")
    if not (np.isfinite(phase_range_rad) and abs(phase_range_rad) <= 100.0):
        raise ValueError(f"phase_range_rad must lie in [-100, 100] rad, got {phase_range_rad!r}")
    full = _compose(_gather(source, role), phase_range_rad)
    return _fit(full, height, width, margin)


def structure_mask(
    transmission: NDArray[np.complex64], tolerance: float = 1e-3
) -> NDArray[np.bool_]:
    """Tell the object from vacuum.

    Args:
        transmission: (..., H, W) complex transmission function.
        tolerance: smallest |O - 1| that counts as object (design choice).

    Returns:
        Boolean array of the same shape.
    """
    return squared(transmission - np.complex64(1.0)) > tolerance**2


def _checked_shape(shape: tuple[int, int], margin: int) -> tuple[int, int]:
    if len(shape) != 2 or not all(isinstance(n, int | np.integer) for n in shape):
        raise TypeError(f"shape must be two integers (H, W), got {shape!r}")
    height, width = int(shape[0]), int(shape[1])
    if not (8 <= height <= 4096 and 8 <= width <= 4096):
        raise ValueError(f"shape must lie in 8..4096 px a side, got {shape!r}")
    if not isinstance(margin, int | np.integer) or not 0 <= 2 * margin < min(height, width):
        raise ValueError(
            f"margin must be an integer from 0 to less than half of the shape {shape!r}, "
            f"got {margin!r}"
        )
    return height, width


def _gather(source: FilePath | Mapping[str, FilePath], role: str) -> dict[str, NDArray[Any]]:
    """Arrays by role, from one file or several."""
    if not isinstance(source, Mapping):
        return read_arrays(source, role)
    if not source or not set(source) <= {"amplitude", "phase"}:
        raise ValueError(f"source has keys {sorted(source)}, expected 'amplitude' and/or 'phase'")
    arrays: dict[str, NDArray[Any]] = {}
    for name, path in source.items():
        found = read_arrays(path, name)
        if name not in found:
            raise ValueError(f"{path}: holds {sorted(found)}, expected '{name}'")
        arrays[name] = found[name]
    return arrays


def _numbers(array: NDArray[Any]) -> NDArray[np.float64] | None:
    """Values of an array in its own unit; None where its type gives the scale."""
    scaled = array.dtype.kind == "b" or (array.dtype.kind == "u" and array.dtype.itemsize <= 2)
    return None if scaled else array.astype(np.float64)


def _unit_range(array: NDArray[Any]) -> NDArray[np.float64]:
    """8- and 16-bit integers as a fraction of the range of their type."""
    top = 1.0 if array.dtype.kind == "b" else float(np.iinfo(array.dtype).max)
    return array.astype(np.float64) / top


def _compose(arrays: dict[str, NDArray[Any]], phase_range_rad: float) -> NDArray[np.complex128]:
    """One complex transmission function, |O| <= 1."""
    if "object" in arrays:
        full = arrays["object"].astype(np.complex128)
    else:
        amplitude, phase = arrays.get("amplitude"), arrays.get("phase")
        if amplitude is not None and phase is not None and amplitude.shape != phase.shape:
            raise ValueError(
                f"amplitude is {amplitude.shape} and phase {phase.shape}, expected equal shapes"
            )
        modulus: Any = 1.0
        angle: Any = 0.0
        if amplitude is not None:
            modulus = _numbers(amplitude)
            modulus = _unit_range(amplitude) if modulus is None else modulus
            if modulus.min() < 0.0:
                raise ValueError(f"amplitude has negative values (down to {modulus.min():.6g})")
        if phase is not None:
            angle = _numbers(phase)
            angle = phase_range_rad * _unit_range(phase) if angle is None else angle
        sine, cosine = sincos(angle)
        full = join(np.asarray(modulus * cosine), np.asarray(modulus * sine))
    largest = math.sqrt(float(squared(full).max()))
    if largest == 0.0:
        raise ValueError("the specimen is opaque everywhere (all values are zero)")
    return join(full.real / largest, full.imag / largest) if largest > 1.0 else full


def _fit(
    full: NDArray[np.complex128], height: int, width: int, margin: int
) -> NDArray[np.complex64]:
    """Resize to fit, centre, pad with vacuum."""
    scale = min((height - 2 * margin) / full.shape[0], (width - 2 * margin) / full.shape[1])
    rows, columns = (max(1, round(scale * n)) for n in full.shape)
    method = Image.Resampling.BOX if scale < 1.0 else Image.Resampling.BILINEAR
    parts = [
        np.asarray(Image.fromarray(part.astype(np.float32)).resize((columns, rows), method))
        for part in (full.real, full.imag)
    ]
    out = np.ones((height, width), np.complex64)
    top, left = (height - rows) // 2, (width - columns) // 2
    out.real[top : top + rows, left : left + columns] = parts[0]
    out.imag[top : top + rows, left : left + columns] = parts[1]
    return out
