"""What training shows the network is what the kernels show it."""

import numpy as np
import pytest

from microgym.baselines.observation_models.afm.dataset import Conditions, make_inputs, scan_frames
from microgym.reconstruction.topography.convnet_kernels import LINES, SETTING_INPUTS, SETTINGS
from microgym.reconstruction.topography.observation_model import (
    PITCH_NM,
    PIXEL_NM,
    ClassicalTopography,
    ScanLine,
)


@pytest.fixture(scope="module")
def frames():
    return [
        scan_frames(Conditions("islands", lines=9, field_nm=700.0), np.arange(2), 0),
        scan_frames(Conditions("terraces", lines=8), np.arange(3), 1),
    ]


def test_looks_are_what_the_kernels_enter(frames):
    inputs = make_inputs(frames)
    lines, settings, lag_px = inputs.arrays()
    at = 0
    for one in frames:
        count, many = one.truth.shape[:2]
        raster = one.raster
        model = ClassicalTopography(count, raster)
        size = np.log([raster.pixel_nm / PIXEL_NM, raster.pitch_nm / PITCH_NM])
        for n in range(many):
            images = tuple(one.signals[:, n, s].copy() for s in range(5))
            there = np.ones(count, np.bool_)
            model.estimate(np.arange(count), ScanLine(images, one.dials[:, n].copy(), there))
            chosen = at + many * np.arange(count) + n
            assert lines[chosen] == pytest.approx(model.state.lines, abs=1e-3)
            assert lag_px[chosen] == pytest.approx(model.state.lag_px, rel=1e-5)
            history = model.state.settings.reshape(count, -1)
            assert settings[chosen, : history.shape[1]] == pytest.approx(
                history, rel=1e-5, abs=1e-6
            )
            assert settings[chosen, -2:] == pytest.approx(np.tile(size, (count, 1)), abs=1e-6)
        at += count * many
    assert settings.shape == (at, SETTING_INPUTS)


def test_truths_are_lines_less_their_mean(frames):
    inputs = make_inputs(frames)
    assert inputs.truth.mean(axis=-1) == pytest.approx(0.0, abs=1e-3)
    line = frames[0].truth[1, 2]
    assert inputs.truth[9 + 2] == pytest.approx(line - line.mean(), abs=1e-3)


def test_hidden_lines_are_like_lines_that_are_not_there(frames):
    inputs = make_inputs(frames)
    some = inputs.some(np.array([2, 7, 8]))
    hidden = np.zeros((3, LINES), np.bool_)
    hidden[1, 1:] = True
    hidden[2, 0] = True  # the newest line is never hidden
    some.hide(hidden)
    lines, settings, lag_px = some.arrays()
    usual, known, lags = inputs.some(np.array([2, 7, 8])).arrays()
    for row in (0, 2):
        assert np.array_equal(lines[row], usual[row])
        assert np.array_equal(settings[row], known[row])
    assert np.array_equal(lines[1, 0], usual[1, 0])
    assert not lines[1, 1:].any()
    assert not lag_px[1, 1:].any()
    assert lags[1, 1:].all()
    assert not settings[1, len(SETTINGS) : -2].any()
