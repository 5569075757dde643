"""Users' files as specimens: values, scaling, placing, and an own message for each fault."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from microgym.specimens.files import PHASE_RANGE_RAD, load_image, structure_mask


def ramp(shape: tuple[int, int] = (40, 40)) -> NDArray[np.float32]:
    return np.linspace(0.1, 0.9, shape[0] * shape[1], dtype=np.float32).reshape(shape)


@pytest.mark.parametrize(
    ("name", "dtype", "top"),
    [("a.png", np.uint8, 255), ("a.tif", np.uint8, 255), ("b.png", np.uint16, 65535),
     ("b.tiff", np.uint16, 65535)],
)  # fmt: skip
def test_integers_span_their_type(tmp_path: Path, name: str, dtype: Any, top: int) -> None:
    values = np.rint(ramp() * top).astype(dtype)
    Image.fromarray(values).save(tmp_path / name)
    amplitude = load_image(tmp_path / name, (40, 40))
    assert amplitude.dtype == np.complex64
    assert np.allclose(amplitude, values / top, atol=1e-6)
    phase = load_image({"phase": tmp_path / name}, (40, 40))
    assert np.allclose(np.abs(phase), 1.0, atol=1e-6)
    assert np.allclose(np.angle(phase), PHASE_RANGE_RAD * values / top, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floating_tiff_is_taken_in_its_unit(tmp_path: Path, dtype: Any) -> None:
    path = tmp_path / "f.tif"
    tifffile.imwrite(path, ramp().astype(dtype))
    assert np.allclose(load_image(path, (40, 40)), ramp(), atol=1e-6)
    assert np.allclose(np.angle(load_image({"phase": path}, (40, 40))), ramp(), atol=1e-6)
    tifffile.imwrite(path, (4.0 * ramp()).astype(dtype))
    assert np.allclose(load_image(path, (40, 40)), ramp() / 0.9, atol=1e-5)


def test_amplitude_and_phase_from_two_files(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ramp())
    np.save(tmp_path / "p.npy", 1.0 - ramp())
    both = load_image({"amplitude": tmp_path / "a.npy", "phase": tmp_path / "p.npy"}, (40, 40))
    assert np.allclose(both, ramp() * np.exp(1j * (1.0 - ramp())), atol=1e-6)


@pytest.mark.parametrize("suffix", ["npz", "h5"])
def test_named_arrays(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"s.{suffix}"

    def write(**arrays: NDArray[Any]) -> None:
        if suffix == "npz":
            np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]
        else:
            with h5py.File(path, "w") as file:
                for name, array in arrays.items():
                    file[name] = array

    expected = ramp() * np.exp(1j * ramp())
    write(amplitude=ramp(), phase=ramp())
    assert np.allclose(load_image(path, (40, 40)), expected, atol=1e-6)
    write(object=expected, other=ramp())
    assert np.allclose(load_image(path, (40, 40)), expected, atol=1e-6)
    write(picture=ramp())
    with pytest.raises(ValueError, match=r"\['picture'\], expected object or amplitude/phase"):
        load_image(path, (40, 40))


def test_image_keeps_its_aspect_and_sits_in_vacuum(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((20, 40), 0.5))
    out = load_image(tmp_path / "a.npy", (100, 100), margin=10)
    # 20 by 40 grows twice, to 40 by 80, centred.
    assert np.allclose(out[30:70, 10:90], 0.5)
    mask = structure_mask(out)
    assert mask[30:70, 10:90].all()
    assert mask.sum() == 40 * 80
    assert np.all(out[~mask] == 1.0 + 0.0j)


def test_shrinking_averages(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.tile([[0.2, 0.6], [0.6, 0.2]], (32, 32)))
    assert np.allclose(load_image(tmp_path / "a.npy", (32, 32)), 0.4, atol=1e-6)


def test_colour_becomes_luminance(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (255, 0, 0)).save(tmp_path / "c.png")
    assert np.allclose(load_image(tmp_path / "c.png", (16, 16)), 76 / 255, atol=1e-6)


def spoil(folder: Path) -> dict[str, tuple[Any, type[Exception], str]]:
    """Files with one fault each."""
    good = folder / "good.png"
    Image.fromarray(np.rint(ramp() * 255).astype(np.uint8)).save(good)
    (folder / "cut.png").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    tifffile.imwrite(folder / "good.tif", ramp())
    (folder / "cut.tif").write_bytes((folder / "good.tif").read_bytes()[:900])
    (folder / "text.png").write_text("not an image")
    (folder / "text.tif").write_text("not an image")
    (folder / "text.npz").write_text("not an archive")
    (folder / "text.npy").write_text("not an array")
    (folder / "text.h5").write_text("not HDF5")
    (folder / "notes.txt").write_text("notes")
    np.savez(folder / "full.npz", amplitude=ramp())
    (folder / "cut.npz").write_bytes((folder / "full.npz").read_bytes()[:1500])
    with h5py.File(folder / "full.h5", "w") as file:
        file["amplitude"] = ramp()
    (folder / "cut.h5").write_bytes((folder / "full.h5").read_bytes()[:1000])
    np.save(folder / "cube.npy", np.zeros((3, 4, 5)))
    tifffile.imwrite(
        folder / "stack.tif", np.zeros((3, 16, 16), np.uint8), photometric="minisblack"
    )
    np.save(folder / "nan.npy", np.full((9, 9), np.nan))
    np.save(folder / "negative.npy", -ramp())
    np.save(folder / "dark.npy", np.zeros((9, 9)))
    np.save(folder / "words.npy", np.array([["a", "b"], ["c", "d"]]))
    np.save(folder / "pickled.npy", np.array([[{}, {}], [{}, {}]], object), allow_pickle=True)
    np.save(folder / "other.npy", np.ones((9, 12)))
    np.save(folder / "complex.npy", np.ones((9, 9), complex))
    np.savez(folder / "real.npz", object=np.array([[np.nan, 1.0], [1.0, 1.0]]))
    return {
        "missing": ("gone.png", FileNotFoundError, "no such specimen file"),
        "directory": ("", ValueError, "is a directory"),
        "unknown kind": ("notes.txt", ValueError, "unknown kind of file '.txt'"),
        "cut png": ("cut.png", ValueError, "unreadable or truncated image"),
        "cut tif": ("cut.tif", ValueError, r"cut\.tif: .*(truncated|not a readable TIFF)"),
        "text as png": ("text.png", ValueError, "is not a readable PNG"),
        "text as tif": ("text.tif", ValueError, "is not a readable TIFF"),
        "text as npz": ("text.npz", ValueError, "unreadable or truncated npz"),
        "text as npy": ("text.npy", ValueError, "unreadable or truncated npy"),
        "text as h5": ("text.h5", ValueError, "unreadable or truncated HDF5"),
        "cut npz": ("cut.npz", ValueError, "unreadable or truncated npz"),
        "cut h5": ("cut.h5", ValueError, "unreadable or truncated HDF5"),
        "three axes": ("cube.npy", ValueError, r"has 3 dimensions \(3, 4, 5\), expected 2"),
        "stack": ("stack.tif", ValueError, "holds 3 images, expected one"),
        "nan": ("nan.npy", ValueError, "81 values that are not finite"),
        "negative": ("negative.npy", ValueError, "negative values"),
        "opaque": ("dark.npy", ValueError, "opaque everywhere"),
        "words": ("words.npy", ValueError, "expected numbers"),
        "pickled": ("pickled.npy", ValueError, "truncated npy file .*allow_pickle"),
        "real nan": ("real.npz", ValueError, "not finite"),
        "no path": (7, TypeError, "must be a path, got int"),
        "strange keys": ({"colour": "good.png"}, ValueError, r"keys \['colour'\], expected"),
        "no keys": ({}, ValueError, "expected 'amplitude' and/or 'phase'"),
        "shapes differ": (
            {"amplitude": "dark.npy", "phase": "other.npy"},
            ValueError,
            r"amplitude is \(9, 9\) and phase \(9, 12\)",
        ),
        "complex phase": ({"phase": "complex.npy"}, ValueError, "expected 'phase'"),
    }


CASES = (
    "missing",
    "directory",
    "unknown kind",
    "cut png",
    "cut tif",
    "text as png",
    "text as tif",
    "text as npz",
    "text as npy",
    "text as h5",
    "cut npz",
    "cut h5",
    "three axes",
    "stack",
    "nan",
    "negative",
    "opaque",
    "words",
    "pickled",
    "real nan",
    "no path",
    "strange keys",
    "no keys",
    "shapes differ",
    "complex phase",
)


@pytest.mark.parametrize("case", CASES)
def test_each_fault_has_its_message(tmp_path: Path, case: str) -> None:
    cases = spoil(tmp_path)
    assert set(cases) == set(CASES)
    source, error, message = cases[case]
    if isinstance(source, str):
        source = tmp_path / source
    elif isinstance(source, dict):
        source = {name: tmp_path / path for name, path in source.items()}
    with pytest.raises(error, match=message):
        load_image(source, (32, 32))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"shape": (32.0, 32)}, TypeError, "shape must be an integer, not 32.0"),
        ({"shape": (4, 32)}, ValueError, r"shape=4 must be in \[8, 4096\]"),
        ({"margin": 16}, ValueError, r"margin=16 must be in \[0, 15\]"),
    ],
)
def test_bad_arguments(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    np.save(tmp_path / "a.npy", ramp())
    arguments: dict[str, Any] = {"shape": (32, 32), **change}
    with pytest.raises(error, match=message):
        load_image(tmp_path / "a.npy", **arguments)
