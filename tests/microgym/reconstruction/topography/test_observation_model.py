"""Restored lines: files of networks, the classical correction, and what is kept of a scan."""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from microgym.reconstruction.nn.network import STATED
from microgym.reconstruction.topography.convnet_kernels import LAG_SHARE, LEAST_NM, LINES
from microgym.reconstruction.topography.observation_model import (
    NETWORK,
    UNKNOWN_NM,
    ClassicalTopography,
    NeuralTopography,
    Raster,
    ScanLine,
)
from microgym.state import arrays
from tests.microgym.reconstruction.topography.networks import make_line, make_network, tensors_of

THERE = np.ones(1, np.bool_)
ONE = np.arange(1)


@pytest.fixture
def tensors():
    return tensors_of(make_network(), trust=1.3)


@pytest.fixture
def file(tmp_path, tensors):
    path = tmp_path / "net.safetensors"
    save_file(tensors, path, {"format": NETWORK.format})
    return path


# --- files ---------------------------------------------------------------------------------------


def test_the_table_has_the_shapes_of_the_trained_network(tensors):
    assert {name: one.shape for name, one in tensors.items()} == NETWORK.shapes


def test_packing_keeps_every_number(tensors):
    weights = NETWORK.pack(tensors)
    kept = np.sort(weights.values[weights.values != 0.0])
    layers = [a.ravel() for name, a in tensors.items() if name not in ("trust", "radii")]
    assert np.array_equal(kept, np.sort(np.concatenate(layers)))
    assert weights.trust == np.float32(1.3)
    assert weights.radii == pytest.approx(tensors["radii"])
    for layer, (_, _, outputs, start, dilation) in zip(NETWORK.layers, weights.table, strict=True):
        bias = weights.values[start : start + outputs]
        assert np.array_equal(bias, tensors[f"{layer.name}.bias"])
        assert dilation == layer.dilation


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("stem.bias"), r"\['stem.bias'\] are missing or superfluous"),
        (lambda t: t.update(extra=t["trust"]), r"\['extra'\] are missing or superfluous"),
        (lambda t: t.update(trust=np.zeros(2, np.float32)), "trust must be finite and have shape"),
        (lambda t: t["blocks.1.weight"].fill(np.nan), "blocks.1.weight must be finite"),
        (
            lambda t: t.update({"head.weight": t["head.weight"][:-1]}),
            r"head.weight must be finite and have shape \(32, 48, 1\)",
        ),
        (lambda t: t.update(radii=t["radii"][:2]), r"radii must be finite and have shape \(4,\)"),
    ],
)
def test_what_is_no_network_is_refused_by_name(tensors, change, message):
    change(tensors)
    with pytest.raises(ValueError, match=message):
        NETWORK.pack(tensors)


def test_a_file_gives_the_network_that_was_written(file, tensors):
    assert NETWORK.load(file).values.tobytes() == NETWORK.pack(tensors).values.tobytes()


def test_a_missing_truncated_or_foreign_file_is_refused(tmp_path, file, tensors):
    with pytest.raises(FileNotFoundError, match=r"there is no network at .*nothing"):
        NETWORK.load(tmp_path / "nothing.safetensors")
    content = file.read_bytes()
    for part in (0, 100, -4):
        file.write_bytes(content[:part])
        with pytest.raises(ValueError, match="is not a network in safetensors format"):
            NETWORK.load(file)
    save_file(tensors, file, {"format": "microgym-eye-1"})
    with pytest.raises(ValueError, match=r"holds no network of this package .*microgym-lines-1"):
        NETWORK.load(file)


def test_the_shipped_network_is_the_default_and_says_how_it_was_made():
    assert NeuralTopography(1, Raster())._weights is NETWORK.shipped()
    with safe_open(NETWORK.shipped_file, "np") as content:
        made = json.loads(content.metadata()["made"])
    assert {"seed", "groups", "steps", "command", "commit"} <= set(made)
    assert made["command"].endswith(" train AFM-v0 --seed 0 --groups 512 --steps 7000")
    radii = NETWORK.shipped().radii
    assert radii[STATED.index(0.68)] == pytest.approx(1.0)
    assert np.all(np.diff(radii) > 0)
    with pytest.raises(FileNotFoundError, match="absent"):
        replace(NETWORK, env_id="absent").shipped()


# --- the scan ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pixels": 100}, "pixels=100 must be a multiple of 16"),
        ({"pixels": 0}, "pixels"),
        ({"overscan": -1}, "overscan"),
        ({"pixel_nm": 0.0}, "pixel_nm"),
        ({"pitch_nm": -1.0}, "pitch_nm"),
        ({"lag_s": float("nan")}, "lag_s"),
    ],
)
def test_a_raster_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Raster(**wrong)


def test_the_number_of_scans_is_checked():
    with pytest.raises(ValueError, match="num_envs"):
        ClassicalTopography(0, Raster())


def test_lines_are_kept_with_the_newest_first():
    view = ClassicalTopography(1, Raster())
    scans = [make_line(seed, 1) for seed in range(LINES + 2)]
    for images, dials in scans:
        view.estimate(ONE, ScanLine(images, dials, THERE))
    width = 256 + 16
    for n in range(LINES):
        images, dials = scans[-1 - n]
        middle = images[0].mean(dtype=np.float64)
        for s, image in enumerate(images):
            expected = image[0] - middle if s < 2 else image[0]
            assert view.state.lines[0, n, s] == pytest.approx(expected, abs=1e-4)
        setpoint, gain, proportional, rate = dials[0]
        pixel_s = 0.5 / (rate * width)
        lag = view.raster.lag_s / pixel_s
        assert view.state.lag_px[0, n] == pytest.approx(lag, rel=1e-6)
        settings = [(setpoint - 0.65) / 0.3, 0.5 * np.log(gain * pixel_s), 5.0 * proportional]
        assert view.state.settings[0, n] == pytest.approx(
            [*settings, np.log(lag), 1.0], rel=1e-5, abs=1e-6
        )


def test_nothing_is_known_of_lines_of_a_withdrawn_tip_and_after_a_reset():
    view = NeuralTopography(2, Raster())
    for seed in range(3):
        view.estimate(np.arange(2), ScanLine(*make_line(seed, 2), np.ones(2, np.bool_)))
    view.estimate(np.arange(2), ScanLine(*make_line(3, 2), np.array([True, False])))
    assert view.state.estimate.sigma[0].max() < UNKNOWN_NM
    assert np.ptp(view.state.estimate.heights[0]) > 0.0
    assert np.all(view.state.estimate.sigma[1] == np.float32(UNKNOWN_NM))
    for array in (
        view.state.estimate.heights[1],
        view.state.lines[1, 0],
        view.state.settings[1, 0],
        view.state.lag_px[1, 0],
    ):
        assert np.all(array == 0.0)
    assert np.any(view.state.lines[1, 1])
    view.reset(ONE)
    fresh = dict(arrays(NeuralTopography(2, Raster()).state))
    for name, array in dict(arrays(view.state)).items():
        assert array[0].tobytes() == fresh[name][0].tobytes()
    assert np.any(view.state.lines[1])


# --- classical -----------------------------------------------------------------------------------


def classical(trace, retrace, error, error_back, rate=4.0):
    """What the classical correction makes of one line."""
    images = (trace, retrace, error, error_back, np.zeros_like(trace))
    view = ClassicalTopography(1, Raster())
    dials = np.array([[0.7, 1000.0, 0.0, rate]])
    signals = tuple(one[None].astype(np.float32) for one in images)
    view.estimate(ONE, ScanLine(signals, dials, THERE))
    return view.state.estimate.heights[0].astype(np.float64), view.state.estimate.sigma[0]


def test_errors_are_heights_that_the_loop_has_not_followed():
    """A slow loop that misses a sine by what its error says is corrected to the surface."""
    x = np.linspace(0.0, 4.0 * np.pi, 256)
    truth, missed = 5.0 * np.sin(x), 0.8 * np.cos(0.5 * x)
    lag = LAG_SHARE * Raster().lag_s * 2.0 * 4.0 * 272
    change = np.gradient(missed)
    heights, sigma = classical(
        truth + missed + lag * change, truth - missed + lag * change, missed, -missed
    )
    assert heights == pytest.approx(truth - truth.mean(), abs=1e-5)
    assert np.all(sigma == np.float32(LEAST_NM))


def test_the_lower_direction_is_believed_and_the_difference_is_the_doubt():
    """A tip that flies off an edge on the way there is at the surface on the way back."""
    flat = np.zeros(256)
    flying = flat.copy()
    flying[100:120] = 6.0
    heights, sigma = classical(flying, flat, flat, flat)
    assert heights == pytest.approx(flat, abs=1e-6)
    assert sigma[100:120] == pytest.approx(3.0)
    assert sigma[:100] == pytest.approx(LEAST_NM)
