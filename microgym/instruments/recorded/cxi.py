"""Far-field ptychography in HDF5 files: CXI (NXcxi_ptycho), and plain files with named arrays.

CXI keeps SI units: the translation of the *sample* in metres, in laboratory axes (z along the
beam), and the wavelength, distance and pixel of the detector. The sampling relation of the far
field, pixel = wavelength * distance / (n * detector pixel), turns translations into object pixels.
Moving the sample one way moves the probe over it the other way, so positions of the probe are minus
the translations, along the detector's slow and fast axes (`basis_vectors`; where a file has none,
slow is -y and fast is -x, the default of the CXI file format, version 1.6, www.cxidb.org/cxi.html).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

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
_PROBE: Final = (f"{_SOURCE}/probe", f"{_DETECTOR}/probe", "entry_1/probe")
_SLOW: Final = (0.0, -1.0, 0.0)
_FAST: Final = (-1.0, 0.0, 0.0)


@dataclass(frozen=True)
class RawScan:
    """Arrays of a file, before they are validated together.

    Attributes:
        patterns: counts, as stored.
        positions: positions of the probe, object pixels (y, x).
        probe: illumination, or None.
        object_pixel_m: pixel of the object, m, or None.
        valid: True where a detector pixel counts, in the order of the patterns, or None.
    """

    patterns: NDArray[Any]
    positions: NDArray[Any]
    probe: NDArray[Any] | None
    object_pixel_m: float | None = None
    valid: NDArray[np.bool_] | None = None


def read_hdf5(path: Path, probe_field: str | None = None) -> RawScan:
    """Read a recorded scan from an HDF5 file.

    Args:
        path: an existing file; CXI where it has a group 'entry_1', else plain arrays 'data' or
            'patterns', 'scan' or 'positions' (object pixels), and 'probe' at its top level.
        probe_field: full name of the dataset of the probe, where it is not among the usual ones.

    Returns:
        The raw arrays.

    Raises:
        ValueError: unreadable, truncated, or a field missing, misshapen or out of range.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            read = _read_cxi if "entry_1" in file else _read_plain
            return read(path, file, probe_field)
    except (OSError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: unreadable or truncated HDF5 file ({error})") from error


def _first(path: Path, file: Any, names: tuple[str, ...], what: str) -> NDArray[Any]:
    for name in names:
        if name in file:
            return np.asarray(file[name])
    raise ValueError(f"{path}: has no {what}: expected dataset {' or '.join(names)}")


def _probe(
    path: Path, file: Any, probe_field: str | None, names: tuple[str, ...]
) -> NDArray[Any] | None:
    if probe_field is not None:
        return _first(path, file, (probe_field,), "probe")
    return next((np.asarray(file[name]) for name in names if name in file), None)


def _read_plain(path: Path, file: Any, probe_field: str | None) -> RawScan:
    keys = sorted(file.keys())
    for pair in (("data", "patterns"), ("scan", "positions")):
        if not set(pair) & set(keys):
            raise ValueError(f"{path}: HDF5 file has keys {keys}, expected {' or '.join(pair)}")
    return RawScan(
        patterns=_first(path, file, ("patterns", "data"), "patterns"),
        positions=_first(path, file, ("positions", "scan"), "positions"),
        probe=_probe(path, file, probe_field, ("probe",)),
    )


def _read_cxi(path: Path, file: Any, probe_field: str | None) -> RawScan:
    patterns = _first(path, file, _DATA, "diffraction patterns")
    if patterns.ndim != 3 or patterns.shape[1] != patterns.shape[2]:
        raise ValueError(
            f"{path}: patterns have shape {patterns.shape}, expected (K, n, n), square"
        )
    pixel_m = _object_pixel(path, file, patterns.shape[-1])
    translation = _translation(path, file, patterns.shape[0])
    slow, fast = _axes(path, file)
    positions = -np.stack([translation @ slow, translation @ fast], axis=1) / pixel_m
    valid = None
    if f"{_DETECTOR}/mask" in file:
        # CXI masks are bit fields in which 0 is a good pixel.
        valid = np.asarray(file[f"{_DETECTOR}/mask"]) == 0
        if valid.shape != patterns.shape[1:]:
            raise ValueError(f"{path}: mask has shape {valid.shape}, expected {patterns.shape[1:]}")
    return RawScan(patterns, positions, _probe(path, file, probe_field, _PROBE), pixel_m, valid)


def _scalar(path: Path, file: Any, name: str, low: float, high: float, unit: str) -> float:
    if name not in file:
        raise ValueError(f"{path}: has no dataset {name}")
    values = np.asarray(file[name], np.float64)
    if values.size != 1:
        raise ValueError(f"{path}: {name} has shape {values.shape}, expected a single number")
    value = float(values.reshape(-1)[0])
    if not low <= value <= high:
        raise ValueError(f"{path}: {name} is {value:g} {unit}, expected {low:g} to {high:g} {unit}")
    return value


def _object_pixel(path: Path, file: Any, n: int) -> float:
    """Far-field sampling: wavelength * distance / (n * detector pixel), m."""
    if f"{_SOURCE}/wavelength" in file:
        wavelength_m = _scalar(path, file, f"{_SOURCE}/wavelength", 1e-13, 1e-4, "m")
    elif f"{_SOURCE}/energy" in file:
        # 1 eV to 1 MeV; catches energies written in eV.
        energy_j = _scalar(path, file, f"{_SOURCE}/energy", 1.6e-19, 1.6e-13, "J")
        wavelength_m = PLANCK_TIMES_LIGHT_J_M / energy_j
    else:
        raise ValueError(f"{path}: has neither {_SOURCE}/wavelength nor {_SOURCE}/energy")
    distance_m = _scalar(path, file, f"{_DETECTOR}/distance", 1e-6, 1e3, "m")
    x_m = _scalar(path, file, f"{_DETECTOR}/x_pixel_size", 1e-9, 1e-1, "m")
    if f"{_DETECTOR}/y_pixel_size" in file:
        y_m = _scalar(path, file, f"{_DETECTOR}/y_pixel_size", 1e-9, 1e-1, "m")
        if abs(y_m - x_m) > 1e-4 * x_m:
            raise ValueError(f"{path}: detector pixels are {y_m:g} by {x_m:g} m, expected square")
    return wavelength_m * distance_m / (n * x_m)


def _translation(path: Path, file: Any, count: int) -> NDArray[np.float64]:
    """Translations of the sample, (K, 3), m."""
    stored = _first(path, file, _TRANSLATION, "translations").astype(np.float64)
    if stored.shape == (3, count) and count != 3:
        stored = stored.T
    if stored.shape == (count, 2):
        stored = np.column_stack([stored, np.zeros(count)])
    if stored.shape != (count, 3):
        raise ValueError(
            f"{path}: translations have shape {stored.shape}, expected ({count}, 3): one x, y, z "
            f"for each of {count} patterns"
        )
    return stored


def _axes(path: Path, file: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit vectors of the detector's slow (row) and fast (column) axes."""
    name = f"{_DETECTOR}/basis_vectors"
    if name not in file:
        return np.array(_SLOW), np.array(_FAST)
    basis = np.asarray(file[name], np.float64)
    basis = basis.T if basis.shape == (3, 2) else basis
    if basis.shape != (2, 3):
        raise ValueError(f"{path}: basis_vectors has shape {basis.shape}, expected (2, 3)")
    lengths = np.sqrt((basis**2).sum(axis=1))
    if not (np.isfinite(lengths).all() and lengths.min() > 0.0):
        raise ValueError(f"{path}: basis_vectors holds a zero or non-finite vector")
    return basis[0] / lengths[0], basis[1] / lengths[1]
