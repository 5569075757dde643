"""Files of networks, and the view that runs them."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from microgym.reconstruction.nn import winograd
from microgym.reconstruction.ptychography import neural
from microgym.reconstruction.ptychography.neural import (
    FORMAT,
    STATED,
    NeuralImage,
    layer_shapes,
    load_weights,
    pack,
    shipped_file,
    shipped_weights,
)
from microgym.reconstruction.ptychography.unet_kernels import CELL, CONTRAST_GAIN, WIDTHS
from tests.microgym.reconstruction.ptychography.networks import make_network, tensors_of

PROBE = np.ones((1, 8, 8), np.complex64)


@pytest.fixture
def tensors():
    return tensors_of(make_network(), trust=1.3)


@pytest.fixture
def file(tmp_path, tensors):
    path = tmp_path / "net.safetensors"
    save_file(tensors, path, {"format": FORMAT})
    return path


def test_layers_have_the_shapes_of_the_trained_network(tensors):
    shapes = {
        name.removesuffix(".weight"): (a.shape[0], a.shape[1], a.shape[2])
        for name, a in tensors.items()
        if name.endswith(".weight")
    }
    assert shapes == layer_shapes()


def test_packing_keeps_every_number(tensors):
    weights = pack(tensors)
    kernels = [a for name, a in tensors.items() if name.endswith(".weight")]
    threes = [a for a in kernels if a.shape[2] == 3]
    biases = sum(a.size for name, a in tensors.items() if name.endswith(".bias"))
    # Kernels of 3x3 become sixteen numbers, and their biases as well.
    size = biases + sum(a.size for a in kernels)
    size += sum(7 * a.shape[0] * a.shape[1] + 15 * a.shape[0] for a in threes)
    assert weights.values.shape == (size,)
    assert weights.values.ctypes.data % 64 == 0
    assert weights.layers.shape == (16, 6)
    assert weights.trust == np.float32(1.3)
    assert weights.radii == pytest.approx(tensors["radii"])
    begins = weights.layers[:, 2].tolist()
    assert begins == sorted(begins)
    assert begins[0] == 0
    stem = tensors["stem.weight"][:, :, 0, 0].T.copy()
    stem[: 2 * CELL * CELL] *= CONTRAST_GAIN
    assert weights.values[24 : 24 + stem.size] == pytest.approx(stem.ravel())


@pytest.mark.parametrize("edge", [16, 32, 48, 64])
def test_the_last_layer_has_room_to_lend(edge):
    """Layers of 3x3 and of 2x2 work where its results will be."""
    room = (edge + 2) ** 2 * 4 * CELL * CELL
    for level, width in enumerate(WIDTHS):
        assert winograd.work_size(width, width, edge >> level) <= room
    for level, width in enumerate(WIDTHS[:-1]):
        assert (edge >> (level + 1)) ** 2 * 4 * width <= room


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
        pack(tensors)


def test_a_file_gives_the_network_that_was_written(file, tensors):
    found, expected = load_weights(file), pack(tensors)
    assert found.values.tobytes() == expected.values.tobytes()
    assert np.array_equal(found.layers, expected.layers)
    assert found.trust == expected.trust


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no network at .*nothing"):
        load_weights(tmp_path / "nothing.safetensors")
    with pytest.raises(FileNotFoundError, match="there is no network at"):
        load_weights(tmp_path)


@pytest.mark.parametrize("part", [0, 4, 100, 5000, -4])
def test_a_truncated_file_is_refused(file, part):
    content = file.read_bytes()
    file.write_bytes(content[:part])
    with pytest.raises(ValueError, match="is not a network in safetensors format"):
        load_weights(file)


@pytest.mark.parametrize("metadata", [None, {"format": "microgym-policy-2"}, {"other": "x"}])
def test_a_foreign_file_is_refused(tmp_path, tensors, metadata):
    path = tmp_path / "other.safetensors"
    save_file(tensors, path, metadata)
    with pytest.raises(ValueError, match=r"holds no network of this package .*microgym-eye-1"):
        load_weights(path)


def test_a_network_of_another_shape_is_refused(tmp_path, tensors):
    tensors["middle.bias"] = tensors["middle.bias"][:8]
    path = tmp_path / "net.safetensors"
    save_file(tensors, path, {"format": FORMAT})
    with pytest.raises(ValueError, match=r"middle\.bias must be finite"):
        load_weights(path)


@pytest.mark.parametrize("region", [96, 32, 130])
def test_a_region_that_does_not_fit_the_network_is_refused(region):
    with pytest.raises(ValueError, match=f"region of {region} px must be a multiple of 64 px"):
        NeuralImage(1, region + 16, PROBE, (8, region), shipped_weights())


def test_the_shipped_network_is_the_default_and_says_how_it_was_made(monkeypatch):
    view = NeuralImage(1, 80, PROBE, (8, 64))
    assert view._weights is shipped_weights()
    from safetensors import safe_open

    with safe_open(shipped_file(), "np") as content:
        made = json.loads(content.metadata()["made"])
    assert {"seed", "groups", "steps", "command", "commit"} <= set(made)
    radii = shipped_weights().radii
    assert radii[STATED.index(0.68)] == pytest.approx(1.0)
    assert np.all(np.diff(radii) > 0)
    monkeypatch.setattr(neural, "FILE", "absent.safetensors")
    with pytest.raises(FileNotFoundError, match="absent"):
        load_weights(neural.shipped_file())


def test_the_view_has_no_state_of_its_own():
    assert NeuralImage(1, 80, PROBE, (8, 64), shipped_weights()).state_arrays() == {}
