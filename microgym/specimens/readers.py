"""Arrays from users' files, with a message for each error; nothing is unpickled."""

import zipfile
import zlib
from collections.abc import Callable, Iterable
from os import PathLike
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

FilePath = str | PathLike[str]
"""Types that a path may be given as."""

IMAGE_SUFFIXES: Final = (".tif", ".tiff", ".png")
HDF5_SUFFIXES: Final = (".h5", ".hdf5", ".cxi", ".nxs")

_LARGEST: Final = 16384
_DIRECT_MODES: Final = ("1", "L", "F", "I;16", "I;16L", "I;16B")


def existing_file(source: FilePath, what: str) -> Path:
    """Return the path of a file that is there.

    Args:
        source: path.
        what: kind of file, for the message.

    Returns:
        The path.

    Raises:
        FileNotFoundError: nothing is there.
        TypeError: `source` is no path.
        ValueError: it is a directory.
    """
    if not isinstance(source, str | PathLike):
        raise TypeError(f"{what} must be a path, got {type(source).__name__}")
    path = Path(source)
    if path.is_dir():
        raise ValueError(f"{path}: is a directory, expected a {what}")
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such {what}")
    return path


def read_arrays(source: FilePath, role: str) -> dict[str, NDArray[Any]]:
    """Read the arrays of one specimen file and check each: two-dimensional, numeric, finite.

    Args:
        source: path of a TIFF, PNG, npy, npz or HDF5 file.
        role: meaning of a single nameless real image, 'amplitude' or 'phase'.

    Returns:
        Arrays by role: 'object', or 'amplitude' and/or 'phase'.

    Raises:
        FileNotFoundError: the path does not exist.
        TypeError: `source` is no path.
        ValueError: the file cannot be used; the message says why.
    """
    path = existing_file(source, "specimen file")
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        arrays = {role: _read_picture(path)}
    elif suffix == ".npy":
        array = _read_npy(path)
        arrays = {"object" if np.iscomplexobj(array) else role: array}
    elif suffix == ".npz":
        arrays = read_npz(path, path, lambda names: _select(path, "npz", names))
    elif suffix in HDF5_SUFFIXES:
        arrays = _read_hdf5(path)
    else:
        known = ", ".join((*IMAGE_SUFFIXES, ".npy", ".npz", *HDF5_SUFFIXES))
        raise ValueError(f"{path}: unknown kind of file {suffix!r}, expected one of {known}")
    for name, array in arrays.items():
        _check_array(path, name, array)
    return arrays


def read_npz(
    path: Path, stream: Path | IO[bytes], choose: Callable[[list[str]], Iterable[str]]
) -> dict[str, NDArray[Any]]:
    """Read named arrays of an npz archive.

    Args:
        path: origin, for messages.
        stream: the path again, or an open (decompressing) file.
        choose: given the names in the archive, says which to read, or raises.

    Returns:
        The chosen arrays by name.

    Raises:
        ValueError: no archive, truncated, damaged, or holding pickled objects.
    """
    broken = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError)
    try:
        archive = np.load(stream, allow_pickle=False)
    except broken as error:
        raise ValueError(f"{path}: unreadable or truncated npz file ({error})") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise ValueError(f"{path}: is a single npy array, expected an npz archive")
    with archive:
        arrays: dict[str, NDArray[Any]] = {}
        for name in choose(sorted(archive.files)):
            try:
                arrays[name] = np.asarray(archive[name])
            except broken as error:
                raise ValueError(f"{path}: array {name!r} is unreadable ({error})") from error
    return arrays


def _select(path: Path, kind: str, names: list[str]) -> list[str]:
    """Names of the arrays to read: one object, or amplitude and phase."""
    if "object" in names:
        return ["object"]
    chosen = [name for name in ("amplitude", "phase") if name in names]
    if not chosen:
        raise ValueError(f"{path}: {kind} has keys {names}, expected object or amplitude/phase")
    return chosen


def _check_array(path: Path, name: str, array: NDArray[Any]) -> None:
    """Raise ValueError unless an array is a finite image of real or complex numbers."""
    if array.ndim != 2:
        raise ValueError(
            f"{path}: {name} has {array.ndim} dimensions {array.shape}, expected 2 (height, width)"
        )
    if min(array.shape) < 2 or max(array.shape) > _LARGEST:
        raise ValueError(
            f"{path}: {name} is {array.shape[0]} by {array.shape[1]}, expected 2 to {_LARGEST} px"
        )
    if array.dtype.kind not in "buifc":
        raise ValueError(f"{path}: {name} has dtype {array.dtype}, expected numbers")
    if array.dtype.kind == "c" and name != "object":
        raise ValueError(f"{path}: {name} has dtype {array.dtype}, expected real numbers")
    if array.dtype.kind in "fc" and not np.isfinite(array).all():
        bad = int(np.count_nonzero(~np.isfinite(array)))
        raise ValueError(f"{path}: {name} has {bad} values that are not finite (NaN or infinity)")


def _read_picture(path: Path) -> NDArray[Any]:
    """Pixels of an image file with one frame."""
    try:
        with Image.open(path) as image:
            frames = int(getattr(image, "n_frames", 1))
            if frames == 1:
                image.load()
                if image.mode == "I" and path.suffix.lower() == ".png":
                    # Older Pillow reads 16-bit PNGs into 32-bit integers.
                    return np.asarray(image).astype(np.uint16)
                if image.mode in (*_DIRECT_MODES, "I"):
                    return np.asarray(image)
                return np.asarray(image.convert("L"))
    except UnidentifiedImageError as error:
        if path.suffix.lower() == ".png":
            raise ValueError(f"{path}: is not a readable PNG image") from error
        return _read_scientific_tiff(path)
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: unreadable or truncated image ({error})") from error
    raise ValueError(f"{path}: holds {frames} images, expected one")


def _read_scientific_tiff(path: Path) -> NDArray[Any]:
    """TIFFs of kinds that Pillow does not know, such as 64-bit floating point."""
    import tifffile

    try:
        return np.asarray(tifffile.imread(path))
    except Exception as error:
        raise ValueError(f"{path}: is not a readable TIFF image ({error})") from error


def _read_npy(path: Path) -> NDArray[Any]:
    """The array of an npy file."""
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path}: unreadable or truncated npy file ({error})") from error
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path}: is an npz archive, expected a single npy array")
    return array


def _read_hdf5(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays of an object in an HDF5 file."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            names = _select(path, "HDF5 file", sorted(file.keys()))
            return {name: np.asarray(file[name]) for name in names}
    except (OSError, TypeError, KeyError) as error:
        raise ValueError(f"{path}: unreadable or truncated HDF5 file ({error})") from error
