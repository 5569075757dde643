"""Recorded ptychographic scans, read from files.

A recording holds counts, positions and the probe. Positions are centres of the probe in object
pixels (y, x); patterns are in FFT order, with the zero frequency at [0, 0].
"""

import bz2
import io
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from microgym.instruments.recorded.array_files import (
    ORDERS,
    as_array,
    as_modes,
    check_patterns,
    check_positions,
    check_probe,
    is_centred,
    without_leading_ones,
)
from microgym.instruments.recorded.cxi import RawScan, read_hdf5
from microgym.specimens.readers import HDF5_SUFFIXES, FilePath, existing_file, read_npz

_NPZ_KEYS: Final = (("patterns", "data"), ("positions", "scan"), ("probe",))


@dataclass(frozen=True, eq=False)
class Recording:
    """A recorded ptychographic scan; checked and made read-only when built.

    Attributes:
        patterns: (K, n, n) float32, detected counts, zero frequency at [0, 0].
        positions: (K, 2) float64, centres of the probe, object pixels (y, x).
        probe: (modes, n, n) complex64, illumination or a guess of it, centred in its patch.
        object_pixel_m: pixel of the object, m, where known.
        reference: (H, W) complex64, reference object on the recording's canvas, or None.
        source: origin of the recording, such as a file name.
        valid: (n, n) bool, True where a detector pixel counts, FFT order; None means all do.

    Raises:
        TypeError: an array of the wrong kind.
        ValueError: shapes that disagree, counts that are negative or not finite, or above 2^24
            (no longer exact in float32), a probe that is zero.
    """

    patterns: NDArray[np.float32]
    positions: NDArray[np.float64]
    probe: NDArray[np.complex64]
    object_pixel_m: float | None = None
    reference: NDArray[np.complex64] | None = None
    source: str = ""
    valid: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        """Convert, check and freeze the arrays."""
        patterns = as_array("patterns", self.patterns, np.float32, "buif")
        positions = as_array("positions", self.positions, np.float64, "uif")
        probe = as_array("probe", self.probe, np.complex64, "uifc")
        check_patterns(patterns)
        check_positions(positions, patterns.shape[0])
        check_probe(probe, patterns.shape[-1])
        pixel = self.object_pixel_m
        if pixel is not None and not (np.isfinite(pixel) and pixel > 0.0):
            raise ValueError(f"object_pixel_m must be positive and finite, got {pixel!r}")
        fields: dict[str, Any] = {"patterns": patterns, "positions": positions, "probe": probe}
        if self.reference is not None:
            reference = as_array("reference", self.reference, np.complex64, "uifc")
            if reference.ndim != 2 or not np.isfinite(reference).all():
                raise ValueError(f"reference must be a finite (H, W), got {reference.shape}")
            fields["reference"] = reference
        if self.valid is not None:
            valid = as_array("valid", self.valid, np.bool_, "b")
            if valid.shape != patterns.shape[1:]:
                raise ValueError(f"valid must be {patterns.shape[1:]}, got {valid.shape}")
            fields["valid"] = valid
        for name, array in fields.items():
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @property
    def n(self) -> int:
        """Edge of a pattern and of the probe, px."""
        return self.patterns.shape[-1]

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Bounds of the recorded positions, object pixels: (y_min, y_max, x_min, x_max)."""
        low, high = self.positions.min(axis=0), self.positions.max(axis=0)
        return float(low[0]), float(high[0]), float(low[1]), float(high[1])

    def cropped(self, n: int) -> "Recording":
        """Keep the n by n pixels of each pattern around the zero frequency.

        The field of view of a patch stays and its pixels grow by N / n: positions, pixel size and
        probe follow (the probe through its spectrum, so that counts stay counts). A reference is
        dropped, for it would need resampling.

        Args:
            n: even, 8 to the present size.

        Returns:
            A new recording.

        Raises:
            ValueError: `n` is odd or out of range.
        """
        full = self.n
        if n % 2 or not 8 <= n <= full:
            raise ValueError(f"n must be even and from 8 to {full} px, got {n!r}")
        keep = np.r_[0 : n // 2, full - n // 2 : full]
        window = np.ix_(keep, keep)
        spectrum = np.fft.fft2(self.probe.astype(np.complex128), norm="ortho")
        probe = np.fft.ifft2(spectrum[:, window[0], window[1]], norm="ortho")
        pixel = self.object_pixel_m
        return Recording(
            patterns=self.patterns[:, window[0], window[1]],
            positions=self.positions * (n / full),
            probe=probe.astype(np.complex64),
            object_pixel_m=None if pixel is None else pixel * full / n,
            source=self.source,
            valid=None if self.valid is None else self.valid[window],
        )


def load_recording(
    path: FilePath,
    *,
    probe: NDArray[Any] | str | None = None,
    order: str = "auto",
) -> Recording:
    """Read a recorded scan.

    Args:
        path: npz (also inside bz2) with 'data' or 'patterns' (K, n, n), 'scan' or 'positions'
            (K, 2) in object pixels, and 'probe'; leading axes of length one are dropped. Or HDF5:
            CXI (see `microgym.instruments.recorded.cxi`), or the same names at the top level.
        probe: overrides the file's probe: an array (n, n) or (modes, n, n), or the full name of a
            dataset in an HDF5 file.
        order: one of `ORDERS`. With 'auto', the position of most counts decides; files written by
            `save_recording` hold the order.

    Returns:
        The recording, patterns in FFT order. Counts at pixels a mask calls bad are set to 0.

    Raises:
        FileNotFoundError: no such file.
        TypeError: an argument of the wrong type.
        ValueError: the file or its contents cannot be used; the message names file and reason.
    """
    if order not in ORDERS:
        raise ValueError(f"order must be one of {', '.join(ORDERS)}, got {order!r}")
    file = existing_file(path, "recording")
    field = probe if isinstance(probe, str) else None
    suffixes = [suffix.lower() for suffix in file.suffixes]
    extra: dict[str, Any] = {}
    if suffixes and suffixes[-1] in HDF5_SUFFIXES:
        raw = read_hdf5(file, field)
    elif suffixes[-1:] == [".npz"] or suffixes[-2:] == [".npz", ".bz2"]:
        if field is not None:
            raise ValueError(f"{file}: probe={field!r} names a dataset, but this is no HDF5 file")
        raw, extra = _read_npz_scan(file, compressed=suffixes[-1] == ".bz2", probe=probe is None)
    else:
        known = ", ".join((".npz", ".npz.bz2", *HDF5_SUFFIXES))
        raise ValueError(f"{file}: unknown kind of recording, expected one of {known}")
    if probe is not None and not isinstance(probe, str):
        raw = replace(raw, probe=np.asarray(probe))
    if raw.probe is None:
        raise ValueError(f"{file}: holds no probe: give one with probe=")
    order = str(extra.pop("order", order))
    try:
        return _assemble(raw, order, str(extra.pop("source", file.name)), extra)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file}: {error}") from error


def _assemble(raw: RawScan, order: str, source: str, extra: dict[str, Any]) -> Recording:
    """A `Recording` from raw arrays, in its conventions."""
    patterns = as_array("patterns", without_leading_ones(raw.patterns, 3), np.float32, "buif")
    valid = extra.pop("valid", raw.valid)
    if valid is not None and patterns.ndim == 3 and valid.shape == patterns.shape[1:]:
        patterns[:, ~valid] = 0.0
    check_patterns(patterns)
    if order == "centred" or (order == "auto" and is_centred(patterns)):
        patterns = np.fft.ifftshift(patterns, axes=(1, 2))
        valid = None if valid is None else np.fft.ifftshift(valid)
    return Recording(
        patterns=patterns,
        positions=without_leading_ones(raw.positions, 2),
        probe=as_modes(np.asarray(raw.probe)),
        object_pixel_m=extra.pop("object_pixel_m", raw.object_pixel_m),
        source=source,
        valid=valid,
        **extra,
    )


def _read_npz_scan(path: Path, compressed: bool, probe: bool) -> tuple[RawScan, dict[str, Any]]:
    stream: Path | io.BytesIO = path
    if compressed:
        try:
            with bz2.open(path) as file:
                stream = io.BytesIO(file.read())
        except (OSError, EOFError) as error:
            raise ValueError(f"{path}: unreadable or truncated bz2 file ({error})") from error
    needed = _NPZ_KEYS if probe else _NPZ_KEYS[:2]
    optional = ("object_pixel_m", "reference", "source", "valid", "order")

    def choose(names: list[str]) -> list[str]:
        chosen: list[str] = []
        for choices in needed:
            found = [name for name in choices if name in names]
            if not found:
                expected = " or ".join(repr(name) for name in choices)
                raise ValueError(f"{path}: npz has keys {names}, expected {expected}")
            chosen.append(found[0])
        return chosen + [name for name in optional if name in names]

    arrays = read_npz(path, stream, choose)
    keys = [next((name for name in choices if name in arrays), "") for choices in _NPZ_KEYS]
    raw = RawScan(arrays[keys[0]], arrays[keys[1]], arrays[keys[2]] if keys[2] else None)
    extra: dict[str, Any] = {name: arrays[name] for name in optional if name in arrays}
    for name in ("object_pixel_m", "source", "order"):
        if name in extra:
            if extra[name].size != 1:
                shape = extra[name].shape
                raise ValueError(f"{path}: {name} has shape {shape}, expected one value")
            extra[name] = extra[name].reshape(-1)[0].item()
    return raw, extra


def save_recording(path: FilePath, recording: Recording) -> None:
    """Write a recording as a compressed npz, atomically.

    Args:
        path: of the file; must end in .npz. An existing file is replaced only when the new one is
            complete.
        recording: the recording.

    Raises:
        TypeError: not a recording.
        ValueError: another suffix.
        OSError: the folder is missing or cannot be written; nothing is left behind.
    """
    if not isinstance(recording, Recording):
        raise TypeError(f"recording must be a Recording, got {type(recording).__name__}")
    target = Path(path)
    if target.suffix.lower() != ".npz":
        raise ValueError(f"{target}: a recording is saved as .npz")
    arrays: dict[str, Any] = {
        "patterns": recording.patterns,
        "positions": recording.positions,
        "probe": recording.probe,
        "source": np.array(recording.source),
        "order": np.array("fft"),
    }
    for name in ("object_pixel_m", "reference", "valid"):
        value = getattr(recording, name)
        if value is not None:
            arrays[name] = np.asarray(value)
    handle, temporary = tempfile.mkstemp(suffix=".partial", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, **arrays)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
