"""Far-field ptychography in HDF5 files: CXI (NXcxi_ptycho), and plain files with named arrays.

CXI keeps SI units: the translation of the *sample* in metres, in laboratory axes (z along the
beam), and the wavelength, distance and pixel of the detector. The sampling relation of the far
field, pixel = wavelength * distance / (n * detector pixel), turns translations into object pixels.
Moving the sample one way moves the probe over it the other way, so positions of the probe are minus
the translations, along the detector's slow and fast axes (`basis_vectors`; where a file has none,
slow is -y and fast is -x, the default of the CXI file format, version 1.6, www.cxidb.org/cxi.html).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from microgym.state import Float64

PLANCK_TIMES_LIGHT_J_M: Final = 6.62607015e-34 * 299792458.0
"""h c in J m, exact (SI, 2019)."""

_DETECTOR: Final = "entry_1/instrument_1/detector_1"
_SOURCE: Final = "entry_1/instrument_1/source_1"
_DATA: Final = (f"{_DETECTOR}/data", "entry_1/data_1/data")
_TRANSLATION: Final = (
    "entry_1/sample_1/geometry_1/translation",
    f"{_DETECTOR}/translation",
    "entry_1/data_1/translation",
)
PROBES: Final = (
    "probe",
    f"{_SOURCE}/probe",
    f"{_SOURCE}/illumination",
    f"{_DETECTOR}/probe",
    "entry_1/probe",
)
"""Names of the probe in a file, in the order of search; all but the first are those of CXI."""
_AXES: Final = ((0.0, -1.0, 0.0), (-1.0, 0.0, 0.0))


def read_hdf5(path: Path, plain: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Read a recorded scan from an HDF5 file.

    Args:
        path: an existing file; CXI where it has a group 'entry_1', else plain arrays.
        plain: names of the arrays of a plain file, by field of
            `microgym.instruments.recorded.recording.Recording`.

    Returns:
        Arguments of a `Recording`, patterns in the order of the file.

    Raises:
        ValueError: unreadable, truncated, or a field missing, misshapen or out of range.
    """
    try:
        with h5py.File(path, "r") as file:
            if "entry_1" in file:
                return _read_cxi(file)
            return {field: first_dataset(file, names, field) for field, names in plain.items()}
    except (OSError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: unreadable or truncated HDF5 file ({error})") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def first_dataset(file: Any, names: tuple[str, ...], what: str) -> NDArray[Any]:
    """The first of several datasets that is in an open file.

    Args:
        file: open HDF5 file or group.
        names: paths of datasets, in order of preference.
        what: content, for the message.

    Raises:
        ValueError: none of them is there, or it is a group.
    """
    for name in names:
        if name in file:
            if not isinstance(file[name], h5py.Dataset):
                raise ValueError(f"{name!r} is not an array")
            return np.asarray(file[name])
    present: list[str] = []
    file.visit(present.append)
    raise ValueError(f"has no {what}: expected dataset {' or '.join(names)} among {present}")


def _read_cxi(file: Any) -> dict[str, Any]:
    """Arguments of a `Recording` from an open CXI file; positions in object pixels."""
    patterns = first_dataset(file, _DATA, "diffraction patterns")
    if patterns.ndim != 3 or patterns.shape[1] != patterns.shape[2]:
        raise ValueError(f"patterns have shape {patterns.shape}, expected (K, n, n), square")
    pixel_m = _object_pixel(file, patterns.shape[-1])
    positions = -_translation(file, patterns.shape[0]) @ _axes(file).T / pixel_m
    fields = {"patterns": patterns, "positions": positions, "object_pixel_m": pixel_m}
    if f"{_DETECTOR}/mask" in file:
        # CXI masks are bit fields in which 0 is a good pixel.
        fields["valid"] = np.asarray(file[f"{_DETECTOR}/mask"]) == 0
    return {**fields, "probe": first_dataset(file, PROBES, "probe")}


def _scalar(file: Any, name: str, low: float, high: float, unit: str) -> float:
    """A number of the file, in SI units, within a closed range."""
    values = first_dataset(file, (name,), "number").astype(np.float64)
    if values.size != 1:
        raise ValueError(f"{name} has shape {values.shape}, expected a single number")
    value = float(values.item())
    if not low <= value <= high:
        raise ValueError(f"{name} is {value:g} {unit}, expected {low:g} to {high:g} {unit}")
    return value


def _object_pixel(file: Any, n: int) -> float:
    """Far-field sampling: wavelength * distance / (n * detector pixel), m."""
    if f"{_SOURCE}/wavelength" in file:
        wavelength_m = _scalar(file, f"{_SOURCE}/wavelength", 1e-13, 1e-4, "m")
    elif f"{_SOURCE}/energy" in file:
        # 1 eV to 1 MeV; catches energies written in eV.
        energy_j = _scalar(file, f"{_SOURCE}/energy", 1.6e-19, 1.6e-13, "J")
        wavelength_m = PLANCK_TIMES_LIGHT_J_M / energy_j
    else:
        raise ValueError(f"has neither {_SOURCE}/wavelength nor {_SOURCE}/energy")
    distance_m = _scalar(file, f"{_DETECTOR}/distance", 1e-6, 1e3, "m")
    x_m = _scalar(file, f"{_DETECTOR}/x_pixel_size", 1e-9, 1e-1, "m")
    if f"{_DETECTOR}/y_pixel_size" in file:
        y_m = _scalar(file, f"{_DETECTOR}/y_pixel_size", 1e-9, 1e-1, "m")
        if abs(y_m - x_m) > 1e-4 * x_m:
            raise ValueError(f"detector pixels are {y_m:g} by {x_m:g} m, expected square")
    return wavelength_m * distance_m / (n * x_m)


def _translation(file: Any, count: int) -> Float64:
    """Translations of the sample, (K, 3), m."""
    stored = first_dataset(file, _TRANSLATION, "translations").astype(np.float64)
    if stored.shape == (3, count) and count != 3:
        stored = stored.T
    if stored.shape == (count, 2):
        stored = np.column_stack([stored, np.zeros(count)])
    if stored.shape != (count, 3):
        raise ValueError(
            f"translations have shape {stored.shape}, expected ({count}, 3): one x, y, z for each "
            f"of {count} patterns"
        )
    return stored


def _axes(file: Any) -> Float64:
    """Unit vectors of the detector's slow (row) and fast (column) axes, (2, 3)."""
    name = f"{_DETECTOR}/basis_vectors"
    if name not in file:
        return np.array(_AXES)
    basis = np.asarray(file[name], np.float64)
    basis = basis.T if basis.shape == (3, 2) else basis
    if basis.shape != (2, 3):
        raise ValueError(f"basis_vectors has shape {basis.shape}, expected (2, 3)")
    lengths = np.linalg.norm(basis, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and lengths.min() > 0.0):
        raise ValueError("basis_vectors holds a zero or non-finite vector")
    return basis / lengths
