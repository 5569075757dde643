"""Files of networks, and the view that runs them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from microgym.reconstruction.nn.network import STATED
from microgym.reconstruction.ptychography.neural import (
    NETWORK,
    NeuralImage,
)
from microgym.reconstruction.ptychography.unet_kernels import CELL, CONTRAST_GAIN
from microgym.state import arrays
from tests.microgym.reconstruction.ptychography.networks import make_network, tensors_of

PROBE = np.ones((1, 8, 8), np.complex64)


@pytest.fixture
def tensors():
    return tensors_of(make_network(), trust=1.3)


@pytest.fixture
def file(tmp_path, tensors):
    path = tmp_path / "net.safetensors"
    save_file(tensors, path, {"format": NETWORK.format})
    return path


def test_the_table_has_the_shapes_of_the_trained_network(tensors):
    assert {name: one.shape for name, one in tensors.items()} == NETWORK.shapes


def test_packing_keeps_every_number(tensors):
    weights = NETWORK.pack(tensors)
    kernels = [a for name, a in tensors.items() if name.endswith(".weight")]
    biases = sum(a.size for name, a in tensors.items() if name.endswith(".bias"))
    assert weights.values.shape == (biases + sum(a.size for a in kernels),)
    assert weights.values.ctypes.data % 64 == 0
    assert weights.table.shape == (len(NETWORK.layers) - 1, 5)
    assert weights.trust == np.float32(1.3)
    assert weights.radii == pytest.approx(tensors["radii"])
    begins = weights.table[:, 3].tolist()
    assert begins == sorted(begins)
    assert begins[0] == 0
    stem = tensors["stem.weight"][:, :, 0, 0].T.copy()
    stem[: 2 * CELL * CELL] *= CONTRAST_GAIN
    assert weights.values[24 : 24 + stem.size] == pytest.approx(stem.ravel())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("fine.bias"), r"\['fine.bias'\] are missing or superfluous"),
        (lambda t: t.update(extra=t["trust"]), r"\['extra'\] are missing or superfluous"),
        (lambda t: t.update(trust=np.zeros(2, np.float32)), "trust must be finite and have shape"),
        (lambda t: t["up1.weight"].fill(np.nan), "up1.weight must be finite and have shape"),
        (
            lambda t: t.update({"stem.weight": t["stem.weight"][:, :-1]}),
            r"stem.weight must be finite and have shape \(24, 48, 1, 1\)",
        ),
        (lambda t: t.update(radii=t["radii"][:2]), r"radii must be finite and have shape \(4,\)"),
    ],
)
def test_what_is_no_network_is_refused_by_name(tensors, change, message):
    change(tensors)
    with pytest.raises(ValueError, match=message):
        NETWORK.pack(tensors)


def test_a_file_gives_the_network_that_was_written(file, tensors):
    found, expected = NETWORK.load(file), NETWORK.pack(tensors)
    assert found.values.tobytes() == expected.values.tobytes()
    assert np.array_equal(found.table, expected.table)
    assert found.trust == expected.trust


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no network at .*nothing"):
        NETWORK.load(tmp_path / "nothing.safetensors")
    with pytest.raises(FileNotFoundError, match="there is no network at"):
        NETWORK.load(tmp_path)


@pytest.mark.parametrize("part", [0, 4, 100, 5000, -4])
def test_a_truncated_file_is_refused(file, part):
    content = file.read_bytes()
    file.write_bytes(content[:part])
    with pytest.raises(ValueError, match="is not a network in safetensors format"):
        NETWORK.load(file)


@pytest.mark.parametrize("metadata", [None, {"format": "microgym-policy-2"}, {"other": "x"}])
def test_a_foreign_file_is_refused(tmp_path, tensors, metadata):
    path = tmp_path / "other.safetensors"
    save_file(tensors, path, metadata)
    with pytest.raises(ValueError, match=r"holds no network of this package .*microgym-eye-1"):
        NETWORK.load(path)


def test_a_network_of_another_shape_is_refused(tmp_path, tensors):
    tensors["middle.bias"] = tensors["middle.bias"][:8]
    path = tmp_path / "net.safetensors"
    save_file(tensors, path, {"format": NETWORK.format})
    with pytest.raises(ValueError, match=r"middle\.bias must be finite"):
        NETWORK.load(path)


@pytest.mark.parametrize("region", [96, 32, 130])
def test_a_region_that_does_not_fit_the_network_is_refused(region):
    with pytest.raises(ValueError, match=f"region of {region} px must be a multiple of 64 px"):
        NeuralImage(1, region + 16, PROBE, (8, region), NETWORK.shipped())


def test_the_shipped_network_is_the_default_and_says_how_it_was_made():
    view = NeuralImage(1, 80, PROBE, (8, 64))
    assert view._weights is NETWORK.shipped()
    from safetensors import safe_open

    with safe_open(NETWORK.shipped_file, "np") as content:
        made = json.loads(content.metadata()["made"])
    assert {"seed", "groups", "steps", "command", "commit"} <= set(made)
    radii = NETWORK.shipped().radii
    assert radii[STATED.index(0.68)] == pytest.approx(1.0)
    assert np.all(np.diff(radii) > 0)
    with pytest.raises(FileNotFoundError, match="absent"):
        replace(NETWORK, env_id="absent").shipped()


def test_the_view_has_no_state_of_its_own():
    assert dict(arrays(NeuralImage(1, 80, PROBE, (8, 64), NETWORK.shipped()).state)) == {}
