"""Coarse moves: what they cost, where they end, what they stir up."""

import dataclasses
import math

import numpy as np
import pytest

from microgym.physics.coarse_motion import (
    AMBIENT_APPROACH,
    COLD_APPROACH,
    ApproachParameters,
    coarse_duration,
    engage,
    land,
)
from microgym.physics.piezo import CREEP_OFFSET, DECADES, advance_creep, rest_piezo


def test_a_move_takes_its_time():
    assert coarse_duration(1e6, 2.0, 30.0, 2e4) == pytest.approx(82.0)
    assert coarse_duration(0.0, 2.0, 30.0, 2e4) == pytest.approx(32.0)


def test_landing_errors_grow_with_the_distance():
    count, landed = 4000, np.empty(2)
    for dy, dx in ((0.0, 0.0), (3000.0, -4000.0), (0.0, 1e5)):
        found = np.empty((count, 2))
        for k in range(count):
            land(k, 1, 1, dy, dx, 50.0, 0.02, landed)
            found[k] = landed
        sigma = math.hypot(50.0, 0.02 * math.hypot(dy, dx))
        error = found - np.array([dy, dx])
        assert np.abs(error.mean(axis=0)).max() < 4.5 * sigma / math.sqrt(count)
        assert error.std() == pytest.approx(sigma, rel=4.5 / math.sqrt(4 * count))
        assert abs(np.corrcoef(error[:, 0], error[:, 1])[0, 1]) < 4.5 / math.sqrt(count)


def test_moves_of_an_episode_land_by_their_number():
    one, two, again = np.empty(2), np.empty(2), np.empty(2)
    land(5, 6, 1, 100.0, 0.0, 50.0, 0.0, one)
    land(5, 6, 2, 100.0, 0.0, 50.0, 0.0, two)
    land(5, 6, 1, 900.0, 0.0, 50.0, 0.0, again)
    assert not np.allclose(one, two)
    np.testing.assert_allclose(again - [900.0, 0.0], one - [100.0, 0.0], atol=1e-10)


def test_an_approach_arms_settling_and_creep():
    settling, creep = np.zeros(3), np.empty(DECADES)
    rest_piezo(800.0, creep, np.empty(4))
    engage(1, 2, 1, 60.0, 90.0, -1000.0, settling, creep)
    assert 45.0 <= math.hypot(*settling[:2]) <= 135.0
    # A minute at -1000 nm, then back at 800 nm: what is left of a step of -1800 nm, and the creep
    # of one of +1800 nm.
    waits = np.array([0.1, 5.0, 300.0])
    for wait in waits:
        now = creep.copy()
        found = advance_creep(wait, 800.0, 800.0, now)
        times = 0.1 * 10.0 ** np.arange(DECADES)
        left = np.sum((1 - np.exp(-60.0 / times)) * np.exp(-wait / times))
        expected = 800.0 * (DECADES - CREEP_OFFSET) - 1800.0 * left
        assert found == pytest.approx(expected, abs=1e-9)


def test_a_tip_withdrawn_in_place_leaves_the_stage_alone():
    settling, creep = np.array([1.0, 2.0, 3.0]), np.zeros(DECADES)
    engage(1, 2, 1, 60.0, 0.0, 0.0, settling, creep)
    np.testing.assert_array_equal(settling, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(creep, 0.0)


def test_cold_microscopes_are_slow():
    assert COLD_APPROACH.exchange_s > 100 * AMBIENT_APPROACH.exchange_s
    assert COLD_APPROACH.speed_nm_s < AMBIENT_APPROACH.speed_nm_s


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"retract_s": -1.0}, ValueError, "retract_s=-1.0 must be at least 0"),
        ({"speed_nm_s": 0.0}, ValueError, "speed_nm_s=0.0 must be above zero"),
        ({"landing_part": math.nan}, ValueError, "landing_part=nan must be finite"),
        ({"approach_s": None}, TypeError, "approach_s must be a real number"),
    ],
)
def test_bad_parameters(changed, error, message):
    with pytest.raises(error, match=message):
        ApproachParameters(**{**dataclasses.asdict(AMBIENT_APPROACH), **changed})
