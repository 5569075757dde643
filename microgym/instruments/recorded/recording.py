"""Recorded ptychographic scans, read from files."""

import bz2
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from microgym.instruments.recorded.hdf5 import read_hdf5
from microgym.physics.probe import check_probe
from microgym.specimens.readers import HDF5_SUFFIXES, FilePath, existing_file, read_npz
from microgym.state import Bool, Float32, Float64

ORDERS: Final = ("auto", "fft", "centred")
"""Place of the zero frequency in stored patterns: detected, at [0, 0], or at [n//2, n//2]."""

_ARRAYS: Final = {
    "patterns": ("patterns", "data"),
    "positions": ("positions", "scan"),
    "probe": ("probe",),
}
"""Names of the arrays in a file, by the names of the fields of a recording."""
_OPTIONAL: Final = ("object_pixel_m", "valid", "order")
_WIDEST_FIELD_PX: Final = 100_000
_LARGEST_COUNT: Final = 2.0**24


@dataclass(frozen=True, eq=False)
class Recording:
    """A recorded ptychographic scan; converted, checked and made read-only when built.

    Attributes:
        patterns: (K, n, n) float32, detected counts, zero frequency at [0, 0]; 0 where not valid.
        positions: (K, 2) float64, centres of the probe, object pixels (y, x).
        probe: (modes, n, n) complex64, illumination or a guess of it, centred in its patch.
        object_pixel_m: pixel of the object, m, where known.
        valid: (n, n) bool, True where a detector pixel counts, FFT order; None means all do.

    Raises:
        TypeError: an array of the wrong kind.
        ValueError: shapes that disagree, counts that are negative or not finite, or above 2^24
            (no longer exact in float32), a probe that is zero.
    """

    patterns: Float32
    positions: Float64
    probe: NDArray[np.complex64]
    object_pixel_m: float | None = None
    valid: Bool | None = None

    def __post_init__(self) -> None:
        """Convert, check and freeze the arrays."""
        patterns = self._freeze("patterns", np.float32, "buif", ndim=3)
        positions = self._freeze("positions", np.float64, "uif", ndim=2)
        probe = self._freeze("probe", np.complex64, "uifc", ndim=3)
        if self.valid is not None:
            valid = self._freeze("valid", np.bool_, "b", ndim=2)
            if valid.shape != patterns.shape[1:]:
                raise ValueError(f"valid must be {patterns.shape[1:]}, got {valid.shape}")
            patterns[:, ~valid] = 0.0
        _check_patterns(patterns)
        _check_positions(positions, len(patterns))
        check_probe(probe, self.n)
        object.__setattr__(self, "probe", probe.reshape(-1, self.n, self.n))
        pixel = self.object_pixel_m
        if pixel is not None and not (np.isfinite(pixel) and pixel > 0.0):
            raise ValueError(f"object_pixel_m must be positive and finite, got {pixel!r}")
        for array in (self.patterns, self.positions, self.probe, self.valid):
            if array is not None:
                array.flags.writeable = False

    def _freeze(self, name: str, dtype: Any, kinds: str, ndim: int) -> NDArray[Any]:
        """Replace an array by a copy of another dtype, without leading axes of length one."""
        array = np.asarray(getattr(self, name))
        if array.dtype.kind not in kinds:
            kept = np.dtype(dtype)
            raise TypeError(f"{name} must hold numbers fit for {kept}, got {array.dtype}")
        while array.ndim > ndim and array.shape[0] == 1:
            array = array[0]
        copied = np.array(array, dtype, order="C", copy=True)
        object.__setattr__(self, name, copied)
        return copied

    @property
    def n(self) -> int:
        """Edge of a pattern and of the probe, px."""
        return self.patterns.shape[-1]


def _check_patterns(patterns: Float32) -> None:
    """Raise ValueError unless patterns are finite counts, (K, n, n), that float32 holds."""
    if patterns.ndim != 3 or patterns.shape[1] != patterns.shape[2]:
        raise ValueError(f"patterns must have shape (K, n, n), got {patterns.shape}")
    if patterns.shape[0] < 1 or not 8 <= patterns.shape[1] <= 4096:
        raise ValueError(f"patterns must be K >= 1 of 8 to 4096 px, got {patterns.shape}")
    if not np.isfinite(patterns).all():
        raise ValueError("patterns hold counts that are not finite (NaN or infinity)")
    low, high = float(patterns.min()), float(patterns.max())
    if low < 0.0:
        raise ValueError(f"patterns hold negative counts (down to {low:g})")
    if high > _LARGEST_COUNT:
        raise ValueError(
            f"patterns hold counts up to {high:g}, above 2^24, where float32 is not exact"
        )
    if high == 0.0:
        raise ValueError("patterns hold no counts at all")


def _check_positions(positions: Float64, count: int) -> None:
    """Raise ValueError unless there is a finite position for each pattern, in pixels."""
    if positions.shape != (count, 2):
        raise ValueError(
            f"positions must have shape ({count}, 2) for {count} patterns, got {positions.shape}"
        )
    if not np.isfinite(positions).all():
        raise ValueError("positions hold values that are not finite (NaN or infinity)")
    field = float(np.ptp(positions, axis=0).max())
    if field > _WIDEST_FIELD_PX:
        raise ValueError(
            f"positions span {field:g} object pixels, more than {_WIDEST_FIELD_PX}: wrong units?"
        )


def load_recording(path: FilePath) -> Recording:
    """Read a recorded scan.

    Args:
        path: npz (also inside bz2) with 'data' or 'patterns' (K, n, n), 'scan' or 'positions'
            (K, 2) in object pixels, and 'probe', (n, n) or (modes, n, n); leading axes of length
            one are dropped. 'object_pixel_m', 'valid' and 'order', one of `ORDERS`, may follow;
            by default the position of most counts decides on the order. Or HDF5: CXI (see
            `microgym.instruments.recorded.hdf5`), or the same names at the top level.

    Returns:
        The recording, patterns in FFT order.

    Raises:
        FileNotFoundError: no such file.
        TypeError: `path` is no path.
        ValueError: the file or its contents cannot be used; the message names file and reason.
    """
    file = existing_file(path, "recording")
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes[-1:] == [".npz"] or suffixes[-2:] == [".npz", ".bz2"]:
        fields = _read_npz(file)
    elif suffixes and suffixes[-1] in HDF5_SUFFIXES:
        fields = read_hdf5(file, _ARRAYS)
    else:
        known = ", ".join((".npz", ".npz.bz2", *HDF5_SUFFIXES))
        raise ValueError(f"{file}: unknown kind of recording, expected one of {known}")
    order = fields.pop("order", "auto")
    try:
        if order not in ORDERS:
            raise ValueError(f"order must be one of {', '.join(ORDERS)}, got {order!r}")
        made = Recording(**fields)
        if order == "fft" or (order == "auto" and not _is_centred(made.patterns)):
            return made
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file}: {error}") from error
    valid = None if made.valid is None else np.fft.ifftshift(made.valid)
    patterns = np.fft.ifftshift(made.patterns, axes=(1, 2))
    return replace(made, patterns=patterns, valid=valid)


def _read_npz(path: Path) -> dict[str, Any]:
    """Arguments of a `Recording`, and the order."""
    stream: Path | io.BytesIO = path
    if path.suffix.lower() == ".bz2":
        try:
            stream = io.BytesIO(bz2.decompress(path.read_bytes()))
        except (OSError, ValueError) as error:
            raise ValueError(f"{path}: unreadable or truncated bz2 file ({error})") from error
    chosen: dict[str, str] = {}

    def choose(names: list[str]) -> list[str]:
        """Names of the arrays to read, of those that the file has."""
        chosen.update({name: name for name in _OPTIONAL if name in names})
        for field, choices in _ARRAYS.items():
            found = [name for name in choices if name in names]
            if not found:
                expected = " or ".join(repr(name) for name in choices)
                raise ValueError(f"{path}: npz has keys {names}, expected {expected}")
            chosen[field] = found[0]
        return list(chosen.values())

    arrays = read_npz(path, stream, choose)
    fields: dict[str, Any] = {field: arrays[name] for field, name in chosen.items()}
    for name in {"object_pixel_m", "order"} & set(fields):
        if fields[name].size != 1:
            raise ValueError(f"{path}: {name} has shape {fields[name].shape}, expected one value")
        fields[name] = fields[name].item()
    return fields


def _is_centred(patterns: Float32) -> bool:
    """Whether the zero frequency is in the middle of the patterns, judged by the counts.

    It is where the middle half of the frame holds more counts than the same frequencies would in
    FFT order.

    Raises:
        ValueError: the two arrangements cannot be told apart.
    """
    n = patterns.shape[-1]
    mean = patterns.mean(axis=0, dtype=np.float64)
    window = slice(n // 4, n - n // 4)
    middle = float(mean[window, window].sum())
    corners = float(np.fft.fftshift(mean)[window, window].sum())
    if middle == corners:
        raise ValueError(
            "cannot tell where the zero frequency of the patterns is: add 'order', 'fft' or "
            "'centred', to an npz file"
        )
    return middle > corners
