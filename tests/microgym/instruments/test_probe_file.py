"""Probes from files, good and bad."""

import h5py
import numpy as np
import pytest

from microgym.instruments.recorded.probe_file import load_probe
from tests.microgym.ptychography_reference import paper_probe

N = 32
PROBE = paper_probe(N)


def same(loaded):
    assert loaded.dtype == np.complex64
    np.testing.assert_allclose(loaded, PROBE[None], atol=1e-7)


def test_npy(tmp_path):
    np.save(tmp_path / "p.npy", 7 * PROBE)
    same(load_probe(tmp_path / "p.npy", N))


def test_npz(tmp_path):
    np.savez(tmp_path / "p.npz", probe=PROBE[None, None], other=np.zeros(3))
    same(load_probe(str(tmp_path / "p.npz"), N))


@pytest.mark.parametrize("where", ["probe", "illumination"])
def test_cxi(tmp_path, where):
    with h5py.File(tmp_path / "p.cxi", "w") as tree:
        tree[f"entry_1/instrument_1/source_1/{where}"] = PROBE
    same(load_probe(tmp_path / "p.cxi", N))


def test_cxi_through_a_link(tmp_path):
    with h5py.File(tmp_path / "p.h5", "w") as tree:
        tree["somewhere"] = PROBE
        tree["probe"] = h5py.SoftLink("/somewhere")
    same(load_probe(tmp_path / "p.h5", N))


def test_modes_keep_their_shares(tmp_path):
    np.save(tmp_path / "p.npy", np.stack([2 * PROBE, PROBE]))
    powers = np.sum(np.abs(load_probe(tmp_path / "p.npy", N)) ** 2, axis=(1, 2))
    np.testing.assert_allclose(powers, [0.8, 0.2], rtol=1e-5)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        load_probe(tmp_path / "none.npz", N)


def test_foreign_ending(tmp_path):
    (tmp_path / "p.txt").write_text("1 2 3")
    with pytest.raises(ValueError, match="must end in"):
        load_probe(tmp_path / "p.txt", N)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5", ".cxi"])
@pytest.mark.parametrize("content", [b"", b"nonsense" * 20])
def test_not_what_it_says(tmp_path, suffix, content):
    file = tmp_path / f"p{suffix}"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read"):
        load_probe(file, N)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
def test_truncated(tmp_path, suffix):
    file = tmp_path / f"p{suffix}"
    if suffix == ".npy":
        np.save(file, PROBE)
    elif suffix == ".npz":
        np.savez(file, probe=PROBE)
    else:
        with h5py.File(file, "w") as tree:
            tree["probe"] = PROBE
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cannot be read"):
        load_probe(file, N)


def test_damaged_inside(tmp_path):
    file = tmp_path / "p.npz"
    np.savez(file, probe=PROBE)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read"):
        load_probe(file, N)


def test_wrong_name_lists_what_is_there(tmp_path):
    np.savez(tmp_path / "p.npz", beam=PROBE)
    with pytest.raises(ValueError, match="beam"):
        load_probe(tmp_path / "p.npz", N)
    with h5py.File(tmp_path / "p.h5", "w") as tree:
        tree["entry_1/light"] = PROBE
    with pytest.raises(ValueError, match="entry_1/light"):
        load_probe(tmp_path / "p.h5", N)


def test_group_instead_of_array(tmp_path):
    with h5py.File(tmp_path / "p.h5", "w") as tree:
        tree["probe/real"] = PROBE.real
    with pytest.raises(ValueError, match="not an array"):
        load_probe(tmp_path / "p.h5", N)


def test_pickles_are_refused(tmp_path):
    np.save(tmp_path / "p.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="cannot be read"):
        load_probe(tmp_path / "p.npy", N)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((N, N)), "zero"),
        (np.full((N, N), np.nan), "NaN"),
        (np.ones((N, N + 1)), "shape"),
        (np.ones(N), "shape"),
    ],
)
def test_bad_probes(tmp_path, array, message):
    np.save(tmp_path / "p.npy", array)
    with pytest.raises(ValueError, match=message):
        load_probe(tmp_path / "p.npy", N)
