"""Probes from files: npz, npy, or HDF5 such as CXI."""

import zipfile
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from microgym.physics.probe import check_probe

PROBE_KEYS = (
    "probe",
    "entry_1/instrument_1/source_1/probe",
    "entry_1/instrument_1/source_1/illumination",
)
"""Names of the probe in a file, in the order of search; the last two are those of CXI files."""


def load_probe(path: str | Path, n: int, *, key: str | None = None) -> NDArray[np.complex64]:
    """Read the illumination from a file and normalise it. Pickled objects are refused.

    Args:
        path: .npy (the array itself), .npz, or .h5, .hdf5, .cxi.
        n: edge the probe must have, px.
        key: name of the array in the file; by default the first of `PROBE_KEYS` that is there.

    Returns:
        (modes, n, n) complex64, total power one.

    Raises:
        FileNotFoundError: no such file.
        TypeError: if the array does not hold numbers.
        ValueError: if the file is of another kind, damaged, or has no such array; if the shape is
            wrong; if a value is NaN or infinite, or the probe zero everywhere.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"probe file {str(file)!r} does not exist")
    readers = {
        ".npy": _from_npy,
        ".npz": _from_npz,
        ".h5": _from_hdf5,
        ".hdf5": _from_hdf5,
        ".cxi": _from_hdf5,
    }
    suffix = file.suffix.lower()
    if suffix not in readers:
        raise ValueError(f"probe file {str(file)!r} must end in one of {tuple(readers)}")
    try:
        array = readers[suffix](file, key)
    except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        raise ValueError(f"probe file {str(file)!r} cannot be read: {error}") from error
    while array.ndim > 3 and array.shape[0] == 1:
        array = array[0]
    return check_probe(array, n, str(file))


def _from_npy(file: Path, key: str | None) -> NDArray[np.generic]:
    if key is not None:
        raise ValueError(f"key={key!r}: an .npy file holds one array and no names")
    loaded = np.load(file, allow_pickle=False)
    if not isinstance(loaded, np.ndarray):
        raise ValueError("it is not an .npy file")
    return loaded


def _from_npz(file: Path, key: str | None) -> NDArray[np.generic]:
    with zipfile.ZipFile(file):
        pass
    with np.load(file, allow_pickle=False) as archive:
        return archive[_find(key, list(archive.files))]


def _from_hdf5(file: Path, key: str | None) -> NDArray[np.generic]:
    with h5py.File(file, "r") as tree:
        present: list[str] = []

        def note(name: str, node: object) -> None:
            if isinstance(node, h5py.Dataset):
                present.append(name)

        tree.visititems(note)
        # Links are not visited, but may be named.
        present += [name for name in PROBE_KEYS if name in tree and name not in present]
        node = tree[_find(key, present)]
        if not isinstance(node, h5py.Dataset):
            raise ValueError(f"{node.name!r} is not an array")
        return np.asarray(node[()])


def _find(key: str | None, present: list[str]) -> str:
    wanted = PROBE_KEYS if key is None else (key.strip("/"),)
    for name in wanted:
        if name in present:
            return name
    raise ValueError(f"none of the arrays {wanted} is among those present: {sorted(present)}")
