"""Simple restorations: what each undoes, and how the best is chosen."""

import numpy as np
import pytest

from microgym.baselines.observation_models.afm.classical import (
    CORRECTED,
    FLATTENED,
    GRID,
    NEW_NM,
    REACH,
    TRACE,
    RestorationSettings,
    best_settings,
    relative_error,
    restore,
    restore_classically,
    without_tip,
)
from microgym.baselines.observation_models.afm.dataset import Conditions, Frames, scan_frames
from microgym.physics.afm_tip import Tip, window_of
from tests.microgym.reconstruction.topography.networks import make_weights
from tests.microgym.tip_reference import dilate

LINES, PIXELS = 8, 256
rng = np.random.default_rng(0)


def frames_with(trace, retrace, error=0.0, error_back=0.0, rate=4.0) -> Frames:
    """Frames of given signals on a surface of sines."""
    truth = 5.0 * np.sin(np.linspace(0.0, 9.0, PIXELS)) + np.zeros((2, LINES, PIXELS))
    parts = (truth + trace, truth + retrace, truth * 0 + error, truth * 0 + error_back, 0 * truth)
    signals = np.stack(parts, axis=2).astype(np.float32)
    dials = np.tile([0.7, 1000.0, 0.0, rate], (2, LINES, 1))
    conditions = Conditions("mixed", "test", lines=LINES)
    return Frames(signals, truth.astype(np.float32), dials, np.full(2, 8.0), conditions)


def error_of(frames, recipe):
    ((_, heights),) = restore_classically(frames, (recipe,))
    return float(relative_error(heights, frames.truth).mean())


def test_the_error_is_over_the_relief_and_offsets_are_free():
    truth = rng.normal(size=(3, LINES, PIXELS)).astype(np.float32)
    offsets = 100.0 * rng.normal(size=(3, LINES, 1))
    assert relative_error(truth + offsets, truth) == pytest.approx(0.0, abs=1e-6)
    assert relative_error(1.25 * truth, truth) == pytest.approx(0.25, rel=1e-5)
    assert relative_error(0.0 * truth, truth) == pytest.approx(1.0, rel=1e-6)


def test_each_recipe_undoes_what_it_is_for():
    wave = np.cos(np.linspace(0.0, 20.0, PIXELS))
    apart = frames_with(wave, -wave)
    assert error_of(apart, FLATTENED) == pytest.approx(0.0, abs=1e-6)
    assert error_of(apart, TRACE) > 0.1
    missed = frames_with(wave, wave, wave, wave)
    assert error_of(missed, CORRECTED) == pytest.approx(0.0, abs=1e-6)
    assert error_of(missed, FLATTENED) == pytest.approx(error_of(missed, TRACE), rel=1e-6)
    flying = frames_with(np.maximum(wave, 0.0), np.maximum(-wave, 0.0))
    assert error_of(flying, RestorationSettings("lower")) == pytest.approx(0.0, abs=1e-6)
    assert error_of(flying, FLATTENED) > 0.03
    noise = rng.normal(size=(2, LINES, PIXELS))
    noisy = frames_with(noise, noise)
    assert error_of(noisy, RestorationSettings("trace", smooth=1.5)) < 0.6 * error_of(noisy, TRACE)


def test_the_lag_of_the_signal_is_made_up_for_in_the_direction_of_the_scan():
    x = np.linspace(0.0, 12.0, PIXELS)
    missed = np.cos(x)
    frames = frames_with(0.0, 0.0, rate=10.0)
    lag = frames.conditions.arguments().raster.lag_s * 2.0 * 10.0 * (PIXELS + 16)
    change = lag * np.gradient(missed)
    # What is measured is the error as it was a lag ago.
    frames = frames_with(missed + change, missed - change, missed, missed, rate=10.0)
    assert error_of(frames, RestorationSettings("mean", 1.0, 1.0)) == pytest.approx(0.0, abs=1e-6)
    assert error_of(frames, RestorationSettings("trace", 1.0, 1.0)) == pytest.approx(0.0, abs=1e-6)
    assert error_of(frames, RestorationSettings("trace", 1.0)) > 0.01


def test_erosion_and_dilation_change_a_worn_tip_for_a_new_one():
    """A ridge across the lines, seen by a blunt tip: it gets narrower, and never too narrow."""
    pixel = 1000.0 / PIXELS
    surface = np.zeros((LINES + 2 * REACH, PIXELS + 2 * REACH), np.float32)
    surface[:, 130:140] = 30.0
    inside = slice(REACH, -REACH)
    blunt, new = (
        dilate(surface, window_of(Tip(radius), pixel, REACH))[inside, inside].astype(np.float64)
        for radius in (20.0, NEW_NM)
    )
    found = without_tip(blunt[None], 20.0, pixel, pixel)[0]
    assert np.abs(blunt - new).max() > 3.0
    assert np.all(found >= new - 1e-4)
    assert np.abs(found - new).sum() < 0.5 * np.abs(blunt - new).sum()
    assert found[:, 110:120] == pytest.approx(new[:, 110:120], abs=1e-4)


def test_the_best_settings_is_the_best_of_all_without_tip_and_of_three_with():
    frames = scan_frames(Conditions("fibres", "validation", lines=8), np.arange(2), 0)
    best = best_settings(frames)
    bare = tuple(one for one in GRID if not one.radius_nm)
    errors = {
        one: float(relative_error(heights, frames.truth).mean())
        for one, heights in restore_classically(frames, bare)
    }
    assert error_of(frames, best) <= min(errors.values())
    assert errors[CORRECTED] >= error_of(frames, best)
    assert len(GRID) == len(set(GRID)) == 3 * 4 * 5 * 5


def test_recipes_are_told_in_words():
    assert TRACE.describe() == "trace"
    text = RestorationSettings("lower", 1.0, 0.5, 1.5, 12.0).describe()
    assert text == "lower of both less 1 error with 0.5 lag, smoothed by 1.5 px, tip of 12 nm off"


def test_the_network_sees_line_after_line():
    frames = scan_frames(Conditions("islands", "test", lines=8), np.arange(2), 0)
    heights, sigma = restore(make_weights(), frames)
    part = Frames(frames.signals[:, :2], frames.truth[:, :2], frames.dials[:, :2],
                  frames.radius_nm, frames.conditions)  # fmt: skip
    first, doubt = restore(make_weights(), part)
    assert heights[:, :2].tobytes() == first.tobytes()
    assert sigma[:, :2].tobytes() == doubt.tobytes()
    assert heights.shape == frames.truth.shape
