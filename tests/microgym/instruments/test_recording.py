"""Recorded scans: every format, every convention, every fault; and the real one where present."""

import bz2
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from microgym.instruments.recorded.hdf5 import PLANCK_TIMES_LIGHT_J_M
from microgym.instruments.recorded.recording import Recording, load_recording

N = 16
REAL_FILE = "siemens-star-small.npz.bz2"


def synthetic(count: int = 12, n: int = N, modes: int = 2) -> dict[str, NDArray[Any]]:
    """A scan made with NumPy: Gaussian probe modes over a random object, noiseless whole counts."""
    rng = np.random.default_rng(3)
    axis = np.arange(n) - n // 2
    bell = np.exp(-(axis[:, None] ** 2 + axis**2) / (2.0 * (n / 6) ** 2))
    probe = np.stack([bell * axis**m for m in range(modes)]).astype(complex) * 30.0
    positions = rng.uniform(-20.0, 30.0, (count, 2))
    field = np.exp(1j * rng.normal(0.0, 0.4, (64 + n, 64 + n)))
    patterns = np.empty((count, n, n))
    for k in range(count):
        y, x = np.rint(positions[k]).astype(int) + 22
        waves = np.fft.fft2(probe * field[y : y + n, x : x + n], norm="ortho")
        patterns[k] = np.rint((np.abs(waves) ** 2).sum(axis=0))
    return {"patterns": patterns, "positions": positions, "probe": probe}


def recording(**changes: Any) -> Recording:
    arguments: dict[str, Any] = {**synthetic(), **changes}
    return Recording(**arguments)


def test_a_recording_is_checked_converted_and_frozen() -> None:
    made = recording()
    assert made.patterns.dtype == np.float32
    assert made.positions.dtype == np.float64
    assert made.probe.dtype == np.complex64
    assert made.n == N
    with pytest.raises(ValueError, match="read-only"):
        made.patterns[0, 0, 0] = 1.0


@pytest.mark.parametrize("case", ["npz", "npz tike", "bz2", "h5"])
@pytest.mark.parametrize("centred", [False, True])
def test_formats_agree(tmp_path: Path, case: str, centred: bool) -> None:
    arrays = synthetic()
    stored = np.fft.fftshift(arrays["patterns"], axes=(1, 2)) if centred else arrays["patterns"]
    path = tmp_path / ("scan." + {"bz2": "npz.bz2", "h5": "h5"}.get(case, "npz"))
    if case == "npz":
        np.savez(path, patterns=stored, positions=arrays["positions"], probe=arrays["probe"])
    elif case == "h5":
        with h5py.File(path, "w") as file:
            file["data"], file["scan"], file["probe"] = stored, arrays["positions"], arrays["probe"]
    else:
        plain = tmp_path / "plain.npz"
        np.savez(
            plain,
            data=stored[None].astype(np.float32),
            scan=arrays["positions"][None],
            probe=arrays["probe"][None, None, None],
        )
        content = plain.read_bytes()
        path.write_bytes(bz2.compress(content) if case == "bz2" else content)
    loaded = load_recording(path)
    assert np.array_equal(loaded.patterns, arrays["patterns"])
    assert np.allclose(loaded.positions, arrays["positions"])
    assert np.allclose(loaded.probe, arrays["probe"], atol=1e-5)


WAVELENGTH_M, DISTANCE_M, PIXEL_M = 1.5e-10, 2.0, 75e-6


def write_cxi(path: Path, **changes: Any) -> float:
    """Write a CXI file; names in `changes` are replaced, or left out where None."""
    arrays = synthetic()
    pixel_m = WAVELENGTH_M * DISTANCE_M / (N * PIXEL_M)
    translation = np.column_stack(
        [arrays["positions"][:, 1] * pixel_m, arrays["positions"][:, 0] * pixel_m, np.zeros(12)]
    )
    detector, source = "entry_1/instrument_1/detector_1/", "entry_1/instrument_1/source_1/"
    content: dict[str, Any] = {
        detector + "data": np.fft.fftshift(arrays["patterns"], axes=(1, 2)).astype(np.int32),
        detector + "distance": DISTANCE_M,
        detector + "x_pixel_size": PIXEL_M,
        detector + "y_pixel_size": PIXEL_M,
        source + "energy": PLANCK_TIMES_LIGHT_J_M / WAVELENGTH_M,
        source + "probe": arrays["probe"],
        "entry_1/sample_1/geometry_1/translation": translation,
    }
    content.update({k.replace("DET/", detector).replace("SRC/", source): v for k, v in
                    changes.pop("put", {}).items()})  # fmt: skip
    with h5py.File(path, "w") as file:
        for name, value in content.items():
            if value is not None:
                file[name] = value
    return pixel_m


def test_cxi_in_si_units(tmp_path: Path) -> None:
    path = tmp_path / "scan.cxi"
    pixel_m = write_cxi(path)
    arrays = synthetic()
    loaded = load_recording(path)
    assert np.array_equal(loaded.patterns, arrays["patterns"])
    assert np.allclose(loaded.positions, arrays["positions"], rtol=1e-9, atol=1e-9)
    assert loaded.object_pixel_m == pytest.approx(pixel_m, rel=1e-12)
    # The probe moves against the sample, along the detector's axes (slow, fast).
    basis = np.array([[0.0, 7.0, 0.0], [-2.0, 0.0, 0.0]])
    for stored in (basis, basis.T):
        write_cxi(path, put={"DET/basis_vectors": stored})
        flipped = load_recording(path)
        assert np.allclose(flipped.positions, arrays["positions"] * [-1.0, 1.0])
    write_cxi(path, put={"SRC/wavelength": WAVELENGTH_M / 2.0})
    assert np.allclose(load_recording(path).positions, arrays["positions"] * 2.0)


def test_cxi_mask_and_probe(tmp_path: Path) -> None:
    path = tmp_path / "scan.cxi"
    mask = np.zeros((N, N), np.uint32)
    mask[N // 2, N // 2 + 1] = 4
    data = np.fft.fftshift(synthetic()["patterns"], axes=(1, 2)).astype(np.int32)
    data[:, N // 2, N // 2 + 1] = -1
    probe = synthetic()["probe"][0]
    write_cxi(path, put={"DET/mask": mask, "DET/data": data, "SRC/probe": None})
    with pytest.raises(ValueError, match="has no probe: expected dataset probe or entry_1"):
        load_recording(path)
    put = {"DET/mask": mask, "DET/data": data, "SRC/probe": None, "entry_1/probe": probe}
    write_cxi(path, put=put)
    loaded = load_recording(path)
    assert loaded.probe.shape == (1, N, N)
    assert np.allclose(loaded.probe[0], probe)
    assert loaded.valid is not None
    assert not loaded.valid[0, 1]
    assert loaded.valid.sum() == N * N - 1
    assert np.all(loaded.patterns[:, 0, 1] == 0.0)


@pytest.mark.parametrize(
    ("put", "message"),
    [
        ({"DET/data": None}, "has no diffraction patterns"),
        ({"entry_1/sample_1/geometry_1/translation": None}, "has no translations"),
        ({"entry_1/sample_1/geometry_1/translation": np.zeros((5, 3))}, r"expected \(12, 3\)"),
        ({"SRC/energy": None}, r"has neither .*wavelength nor .*energy"),
        ({"SRC/energy": 8000.0}, "energy is 8000 J, expected"),
        ({"SRC/wavelength": 1.0}, "wavelength is 1 m, expected"),
        ({"SRC/wavelength": np.nan}, "wavelength is nan m"),
        ({"SRC/wavelength": np.ones(3)}, "expected a single number"),
        ({"DET/distance": -1.0}, "distance is -1 m"),
        ({"DET/distance": None}, "expected dataset .*distance"),
        ({"DET/y_pixel_size": 5e-5}, "expected square"),
        ({"DET/mask": np.zeros((3, 3))}, "valid must be"),
        ({"DET/basis_vectors": np.zeros((2, 3))}, "zero or non-finite"),
        ({"DET/basis_vectors": np.zeros((4, 3))}, r"expected \(2, 3\)"),
        ({"DET/data": np.zeros((12, 8, 16))}, "square"),
        ({"DET/data": np.zeros((12, N, N))}, "no counts at all"),
        ({"SRC/probe": np.ones((8, 8))}, "probe of shape"),
    ],
)
def test_cxi_faults(tmp_path: Path, put: dict[str, Any], message: str) -> None:
    path = tmp_path / "scan.cxi"
    write_cxi(path, put=put)
    with pytest.raises(ValueError, match=message) as caught:
        load_recording(path)
    assert "scan.cxi" in str(caught.value)


def spoiled(**changes: Any) -> dict[str, Any]:
    return {**synthetic(), **changes}


def with_value(value: float) -> NDArray[Any]:
    patterns = synthetic()["patterns"]
    patterns[3, 2, 1] = value
    return patterns


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"patterns": with_value(np.nan)}, ValueError, "patterns hold counts that are not finite"),
        ({"patterns": with_value(-1.0)}, ValueError, r"negative counts \(down to -1\)"),
        ({"patterns": with_value(1e9)}, ValueError, r"above 2\^24"),
        ({"patterns": np.zeros((12, N, N))}, ValueError, "no counts at all"),
        ({"patterns": np.ones((12, N, 8))}, ValueError, r"shape \(K, n, n\)"),
        ({"patterns": np.ones((12, 4, 4))}, ValueError, "8 to 4096 px"),
        ({"patterns": np.ones((0, N, N))}, ValueError, "K >= 1"),
        ({"patterns": np.ones((12, N, N), complex)}, TypeError, "patterns must hold numbers"),
        ({"positions": np.zeros((11, 2))}, ValueError, r"shape \(12, 2\) for 12 patterns"),
        ({"positions": np.full((12, 2), np.inf)}, ValueError, "positions hold values"),
        ({"positions": np.arange(24.0).reshape(12, 2) * 1e6}, ValueError, "wrong units"),
        ({"probe": np.zeros((1, N, N))}, ValueError, "probe is zero everywhere"),
        ({"probe": np.ones((N, 8))}, ValueError, "probe of shape"),
        ({"probe": np.full((1, N, N), np.nan)}, ValueError, "probe holds NaN"),
        ({"object_pixel_m": -1.0}, ValueError, "object_pixel_m must be positive"),
        ({"valid": np.ones((3, 3), bool)}, ValueError, "valid must be"),
        ({"valid": np.ones((N, N))}, TypeError, "valid must hold"),
    ],
)
def test_faulty_arrays(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Recording(**spoiled(**changes))


def test_faulty_files(tmp_path: Path) -> None:
    arrays: dict[str, Any] = synthetic()
    good = tmp_path / "good.npz"
    np.savez_compressed(good, **arrays)
    content = good.read_bytes()
    files: dict[str, tuple[bytes, str]] = {
        "cut.npz": (content[: len(content) // 2], "unreadable or truncated npz"),
        "text.npz": (b"nothing", "unreadable or truncated npz"),
        "cut.npz.bz2": (bz2.compress(content)[:-40], "unreadable or truncated bz2"),
        "text.npz.bz2": (b"nothing", "unreadable or truncated bz2"),
        "inner.npz.bz2": (bz2.compress(b"nothing"), "unreadable or truncated npz"),
        "cut.cxi": (b"\x89HDF\r\n\x1a\n" + b"0" * 50, "unreadable or truncated HDF5"),
        "scan.mat": (b"", "unknown kind of recording"),
        "scan": (b"", "unknown kind of recording"),
    }
    for name, (data, message) in files.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=message):
            load_recording(tmp_path / name)
    for missing, message in (
        ("patterns", "expected 'patterns' or 'data'"),
        ("positions", "expected 'positions' or 'scan'"),
        ("probe", "expected 'probe'"),
    ):
        rest: dict[str, Any] = {name: arrays[name] for name in arrays if name != missing}
        np.savez(tmp_path / "keys.npz", **rest)
        with pytest.raises(ValueError, match=message):
            load_recording(tmp_path / "keys.npz")
    with h5py.File(tmp_path / "keys.h5", "w") as file:
        file["images"] = arrays["patterns"]
    with pytest.raises(ValueError, match=r"expected dataset patterns or data among \['images'\]"):
        load_recording(tmp_path / "keys.h5")
    pickled: dict[str, Any] = {**arrays, "patterns": np.array([{}], object)}
    np.savez(tmp_path / "p.npz", **pickled)
    with pytest.raises(ValueError, match=r"unreadable .*allow_pickle"):
        load_recording(tmp_path / "p.npz")
    with pytest.raises(FileNotFoundError, match="no such recording"):
        load_recording(tmp_path / "gone.npz")
    with pytest.raises(ValueError, match="is a directory"):
        load_recording(tmp_path)
    np.savez(tmp_path / "odd.npz", order="odd", **arrays)
    with pytest.raises(ValueError, match="order must be one of auto, fft, centred"):
        load_recording(tmp_path / "odd.npz")
    np.savez(tmp_path / "pixels.npz", object_pixel_m=np.ones(2), **arrays)
    with pytest.raises(ValueError, match="object_pixel_m has shape"):
        load_recording(tmp_path / "pixels.npz")
    flat: dict[str, Any] = {**arrays, "patterns": np.ones((12, N, N))}
    np.savez(tmp_path / "flat.npz", **flat)
    with pytest.raises(ValueError, match="cannot tell where the zero frequency"):
        load_recording(tmp_path / "flat.npz")


def test_optional_arrays_of_npz_files(tmp_path: Path) -> None:
    arrays: dict[str, Any] = synthetic()
    path = tmp_path / "scan.npz"
    valid = np.arange(N * N).reshape(N, N) > 0
    np.savez(path, object_pixel_m=2e-8, valid=valid, order="fft", **arrays)
    loaded = load_recording(path)
    assert loaded.object_pixel_m == 2e-8
    assert np.array_equal(loaded.patterns, np.where(valid, arrays["patterns"], 0.0))
    assert loaded.valid is not None
    assert np.array_equal(loaded.valid, valid)
    # A file that tells its order can be read even where detection could not tell.
    arrays["patterns"] = np.ones((12, N, N))
    arrays["patterns"][:, 0, 0] = 0.0
    np.savez(path, order="centred", valid=valid, **arrays)
    shifted = load_recording(path)
    assert np.all(shifted.patterns[:, N // 2, N // 2] == 0.0)
    assert shifted.valid is not None
    assert not shifted.valid[N // 2, N // 2]


def find_real_file() -> Path | None:
    """The recorded Siemens star beside the repository, if it is there."""
    for folder in Path(__file__).resolve().parents:
        candidate = folder.parent / "shared" / "data" / REAL_FILE
        if candidate.is_file():
            return candidate
    return None


def test_the_recorded_siemens_star() -> None:
    path = find_real_file()
    if path is None:
        pytest.skip(f"no {REAL_FILE} in ../shared/data: the recorded scan is not part of the code")
    loaded = load_recording(path)
    assert loaded.patterns.shape == (516, 128, 128)
    assert loaded.positions.shape == (516, 2)
    assert loaded.probe.shape == (1, 128, 128)
    assert float(loaded.patterns.max()) == 963.0
    assert np.array_equal(loaded.patterns, np.rint(loaded.patterns))
    # The direct beam is at the zero frequency, so detection must leave the order as it is.
    total = loaded.patterns.sum()
    corners = np.fft.fftshift(loaded.patterns.sum(axis=0))[32:96, 32:96].sum()
    assert corners > 0.9 * total
    height, width = np.ptp(loaded.positions, axis=0)
    assert 331 <= height <= 334
    assert 328 <= width <= 331
