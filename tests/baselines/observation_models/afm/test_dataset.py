"""Frames to learn from: the same microscope as in AFM-v0, and no surface of the held-out family."""

import numpy as np
import pytest

from microgym.baselines.observation_models.afm.dataset import (
    GAIN_SHARES,
    LEARNT,
    SETPOINTS,
    Conditions,
    random_conditions,
    random_frames,
    scan_frames,
)
from microgym.envs.afm.task import AFMTask
from microgym.physics.feedback import DELAY_S, largest_gain
from microgym.random import episode_key
from microgym.specimens.splits import HELD_OUT_SURFACES

SEEDS = np.array([3, 4])


def few(**changes) -> Conditions:
    return Conditions(**{"lines": 8, **changes})


def test_frames_are_those_of_the_environment():
    """The same seeds, tips and dials in AFM-v0 give the same lines, and it pays by this truth."""
    conditions = few(family="fibres", split="test", tip="off", split_tips=0.0, radii_nm=(8.0, 8.0))
    frames = scan_frames(conditions, SEEDS, 5)
    levels = {"tip": "off", "loop": conditions.loop}
    task = AFMTask(2, specimen="fibres", split="test", lines=8, **levels)
    rows = np.arange(2)
    keys = np.stack([episode_key(int(seed)) for seed in SEEDS])
    task.reset(rows, keys)
    task.instrument.reset(rows, keys, "fibres", "test", 0.7)
    task.instrument.set_radius(rows, np.full(2, 8.0))
    for n in range(8):
        task.state.dials[:] = frames.dials[:, n]
        task._scan(rows)
        assert task.instrument.state.line.trace.tobytes() == frames.signals[:, n, 0].tobytes()
        assert task.instrument.state.line.error_back.tobytes() == frames.signals[:, n, 3].tobytes()
        assert task.state.ideal[:, n].tobytes() == frames.truth[:, n].tobytes()


def test_dials_are_those_of_a_sane_operator():
    conditions = few(lines=64, rates_hz=(3.0, 9.0))
    frames = scan_frames(conditions, np.arange(8), 1)
    setpoint, gain, proportional, rate = np.moveaxis(frames.dials, -1, 0)
    assert (rate.min() >= 3.0, rate.max() <= 9.0) == (True, True)
    low, high = SETPOINTS
    assert (setpoint.min() >= low, setpoint.max() <= high) == (True, True)
    scanner = conditions.arguments().settings.scanner
    middle = largest_gain(0.0, scanner.resonance_hz, scanner.damping, DELAY_S)
    assert np.median(gain) == pytest.approx(middle * np.sqrt(np.prod(GAIN_SHARES)), rel=0.5)
    assert proportional.min() == 0.0
    changed = np.any(np.diff(frames.dials, axis=1) != 0.0, axis=-1)
    assert 0.05 < changed.mean() < 0.3


def test_tips_are_what_was_asked_for():
    frames = scan_frames(few(radii_nm=(20.0, 30.0), split_tips=0.0), np.arange(8), 2)
    assert frames.radius_nm.min() >= 20.0
    assert frames.radius_nm.max() <= 30.0
    single, double = (
        scan_frames(few(family="particles", split_tips=part), np.arange(4), 2)
        for part in (0.0, 1.0)
    )
    assert np.array_equal(single.dials, double.dials)
    assert single.truth.shape == (4, 8, 256)
    assert not np.array_equal(single.signals, double.signals)


def test_the_same_seed_gives_the_same_frames_and_another_others():
    one, again = (random_frames(7, 2, "train") for _ in range(2))
    other = random_frames(8, 2, "train")
    for a, b, c in zip(one, again, other, strict=True):
        assert a.conditions == b.conditions != c.conditions
        assert a.signals.tobytes() == b.signals.tobytes()


def test_the_held_out_family_is_never_learnt_from():
    generator = np.random.default_rng(0)
    families = {random_conditions(generator, "train").family for _ in range(300)}
    assert families == set(LEARNT)
    for name in HELD_OUT_SURFACES:
        assert name not in LEARNT
        with pytest.raises(ValueError, match="held out"):
            scan_frames(few(family=name), SEEDS, 0)
