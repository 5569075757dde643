"""Specimens from a user's own files: images, arrays, complex transmission functions.

A file gives amplitude, phase, or the complex object itself. Its contents become a complex64
transmission function of the asked shape with modulus at most 1:

* unsigned integers of 8 and 16 bits are scaled by the range of their type: 255 or 65535 means 1;
* any other amplitude must not be negative, and is divided by its maximum if that exceeds 1; a
  complex object likewise by its largest modulus;
* a phase in 8 or 16 bits spans 0 to `PHASE_RANGE_RAD`; any other phase is in radians;
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
from microgym.validation import integer

PHASE_RANGE_RAD = 1.0
"""Phase of the largest integer value, rad (design choice)."""


def load_image(
    source: FilePath | Mapping[str, FilePath], shape: tuple[int, int], margin: int = 0
) -> NDArray[np.complex64]:
    """Read a specimen from one file, or from one file for amplitude and one for phase.

    Args:
        source: path of a TIFF, PNG, npy, npz or HDF5 file, or a mapping with the keys 'amplitude'
            and/or 'phase' to such paths. An npz or HDF5 file holds 'object' (complex), or
            'amplitude' and/or 'phase', at its top level. A single real image is an amplitude.
        shape: (H, W) of the result, px, each 8 to 4096.
        margin: px of vacuum kept free on each side, less than half of the shape.

    Returns:
        (H, W) complex64 transmission function, |O| <= 1, vacuum 1 + 0j.

    Raises:
        FileNotFoundError: a path does not exist.
        TypeError: an argument of the wrong type.
        ValueError: anything else that is wrong with the arguments or the file; the message names
            the file and its contents.
    """
    height, width = (integer("shape", edge, 8, 4096) for edge in shape)
    integer("margin", margin, 0, (min(height, width) - 1) // 2)
    return _fit(_compose(_gather(source)), height, width, margin)


def structure_mask(transmission: NDArray[np.complex64]) -> NDArray[np.bool_]:
    """Where a transmission function (..., H, W) differs from vacuum, by 1e-3 (design choice)."""
    return squared(transmission - np.complex64(1.0)) > 1e-3**2


def _gather(source: FilePath | Mapping[str, FilePath]) -> dict[str, NDArray[Any]]:
    """Arrays by role, from one file or several."""
    if not isinstance(source, Mapping):
        return read_arrays(source, "amplitude")
    if not source or not set(source) <= {"amplitude", "phase"}:
        raise ValueError(f"source has keys {sorted(source)}, expected 'amplitude' and/or 'phase'")
    arrays: dict[str, NDArray[Any]] = {}
    for name, path in source.items():
        found = read_arrays(path, name)
        if name not in found:
            raise ValueError(f"{path}: holds {sorted(found)}, expected '{name}'")
        arrays[name] = found[name]
    return arrays


def _numbers(array: NDArray[Any], top: float) -> NDArray[np.float64]:
    """Values of an array; integers of 8 and 16 bits as a part of their range, which means `top`."""
    values = array.astype(np.float64)
    if array.dtype.kind == "b":
        return top * values
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:
        return top * (values / np.iinfo(array.dtype).max)
    return values


def _compose(arrays: dict[str, NDArray[Any]]) -> NDArray[np.complex128]:
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
            modulus = _numbers(amplitude, 1.0)
            if modulus.min() < 0.0:
                raise ValueError(f"amplitude has negative values (down to {modulus.min():.6g})")
        if phase is not None:
            angle = _numbers(phase, PHASE_RANGE_RAD)
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
