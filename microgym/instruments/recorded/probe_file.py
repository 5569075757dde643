"""Probes from files: npz, npy, or HDF5 such as CXI."""

import zipfile
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from microgym.instruments.recorded.hdf5 import PROBES, first_dataset
from microgym.physics.probe import check_probe
from microgym.specimens.readers import HDF5_SUFFIXES, FilePath, existing_file


def load_probe(path: FilePath, n: int) -> NDArray[np.complex64]:
    """Read the illumination from a file and normalise it. Pickled objects are refused.

    Args:
        path: .npy (the array itself), .npz with an array 'probe', or HDF5 with one of `PROBES`.
        n: edge the probe must have, px.

    Returns:
        (modes, n, n) complex64, total power one.

    Raises:
        FileNotFoundError: no such file.
        TypeError: if the array does not hold numbers.
        ValueError: if the file is of another kind, damaged, or has no such array; if the shape is
            wrong; if a value is NaN or infinite, or the probe zero everywhere.
    """
    file = existing_file(path, "probe file")
    known = (".npy", ".npz", *HDF5_SUFFIXES)
    if file.suffix.lower() not in known:
        raise ValueError(f"probe file {str(file)!r} must end in one of {known}")
    try:
        array = _read_hdf5(file) if file.suffix.lower() in HDF5_SUFFIXES else _read_numpy(file)
    except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        raise ValueError(f"probe file {str(file)!r} cannot be read: {error}") from error
    while array.ndim > 3 and array.shape[0] == 1:
        array = array[0]
    return check_probe(array, n, str(file))


def _read_hdf5(file: Path) -> NDArray[np.generic]:
    """The first dataset with the name of a probe."""
    with h5py.File(file, "r") as tree:
        return first_dataset(tree, PROBES, "probe")


def _read_numpy(file: Path) -> NDArray[np.generic]:
    """The array of an npy file, or `probe` of an npz file."""
    loaded = np.load(file, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return loaded
    with loaded:
        if "probe" not in loaded:
            raise ValueError(f"it has no array 'probe' among {loaded.files}")
        return loaded["probe"]
