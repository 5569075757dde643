"""Tips: how they change, and what conditioning does."""

import math

import numpy as np
import pytest

from microgym.physics import stm_tip
from microgym.physics.stm_tip import APEX_LEVELS, ApexParameters


def shares(state, cause, count=20_000):
    drawn = [stm_tip.next_state(state, cause, (k + 0.5) / count) for k in range(count)]
    return np.bincount(drawn, minlength=len(stm_tip.STATES)) / count


@pytest.mark.parametrize(
    ("cause", "sharp"),
    [
        (stm_tip.GENTLE, 0.02),
        (stm_tip.DEEP, 0.03),
        (stm_tip.PULSE, 0.02),
        (stm_tip.STRONG_PULSE, 0.05),
        (stm_tip.CRASH, 0.02),
    ],
)
def test_a_blunt_end_is_not_sharpened_at_once(cause, sharp):
    assert shares(stm_tip.BLUNT, cause)[stm_tip.SHARP] == pytest.approx(sharp, abs=1e-3)
    assert shares(stm_tip.BLUNT, cause).sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("state", "cause"),
    [(stm_tip.CONTAMINATED, stm_tip.PULSE), (stm_tip.UNSTABLE, stm_tip.GENTLE)],
)
def test_what_helps_depends_on_the_state(state, cause):
    chances = [shares(state, one)[stm_tip.SHARP] for one in range(6)]
    assert max(chances) == chances[cause] >= 0.5


def test_a_bad_end_is_renewed_by_violence_and_then_sharpened_gently():
    """Two deep or gentle changes of a blunt tip in any order: deep, then gentle is best."""
    chances = {}
    for first in (stm_tip.GENTLE, stm_tip.DEEP):
        for second in (stm_tip.GENTLE, stm_tip.DEEP):
            between = shares(stm_tip.BLUNT, first)
            after = [shares(state, second)[stm_tip.SHARP] for state in range(len(between))]
            chances[first, second] = between @ after
    assert max(chances, key=chances.get) == (stm_tip.DEEP, stm_tip.GENTLE)
    assert chances[stm_tip.DEEP, stm_tip.GENTLE] > 5.0 * chances[stm_tip.GENTLE, stm_tip.GENTLE]


def test_a_dip_is_deep_by_the_hardness_of_the_tip():
    for depth, hardness, cause in ((1.2, 1.2, "GENTLE"), (1.8, 1.2, "DEEP"), (1.8, 1.4, "GENTLE")):
        assert stm_tip.cause_of(depth, 0.0, hardness) == getattr(stm_tip, cause)
    assert stm_tip.cause_of(0.0, -4.0, 1.2) == stm_tip.PULSE
    assert stm_tip.cause_of(0.0, -8.0, 1.2) == stm_tip.STRONG_PULSE


def test_hardness_belongs_to_the_wire():
    found = traits(stm_tip.SHARP, "real", 20)
    assert np.ptp(found[:, stm_tip.HARDNESS]) == 0.0
    assert np.ptp(found[:, stm_tip.STRENGTH]) > 0.0


@pytest.mark.parametrize("dip", stm_tip.DIPS_NM)
def test_dips_change_a_tip_by_their_depth(dip):
    expected = 1.0 - math.exp(-((dip / 1.2) ** 2))
    assert stm_tip.change_probability(dip, 0.0, 1.2) == pytest.approx(expected)
    assert stm_tip.change_probability(0.0, dip, 0.7) == pytest.approx(
        1.0 - math.exp(-((dip / 4.0) ** 2))
    )


def test_current_wears():
    rest = stm_tip.change_rate(0.0, 0.0, 1e-4)
    assert rest == pytest.approx(1e-4)
    assert stm_tip.change_rate(9e4, 0.015, 1e-4) / rest == pytest.approx(91.0, rel=1e-3)


def traits(state, level, count=4000):
    out = np.empty((count, len(stm_tip.TRAITS)))
    for k in range(count):
        stm_tip.draw_traits(1, 2, k, state, APEX_LEVELS[level].spread(), out[k])
    return out


def test_tips_differ_as_much_as_asked():
    off, real = traits(stm_tip.SHARP, "off", 5), traits(stm_tip.SHARP, "real")
    assert np.ptp(off[:, stm_tip.STRENGTH]) == 0.0
    assert off[0, stm_tip.STRENGTH] == stm_tip.MEAN_STRENGTH_EV
    assert off[0, stm_tip.WIDTH] == stm_tip.MEAN_WIDTH_NM
    level = APEX_LEVELS["real"]
    assert np.std(np.log(real[:, stm_tip.STRENGTH])) == pytest.approx(
        level.strength_spread, rel=0.05
    )
    assert np.std(np.log(real[:, stm_tip.WIDTH])) == pytest.approx(level.width_spread, rel=0.05)
    assert np.std(real[:, stm_tip.OFFSET_X]) == pytest.approx(level.offset_nm, rel=0.05)
    contact = np.log(real[:, stm_tip.CONTACT] / stm_tip.QUANTUM_US)
    assert np.mean(contact) == pytest.approx(math.log(0.5), abs=0.03)
    assert np.std(contact) == pytest.approx(0.5, rel=0.05)


def test_states_show_in_their_traits():
    sharp, double, blunt, dirty, restless = (traits(k, "off", 50) for k in range(5))
    assert (double[:, stm_tip.GHOST] >= 0.1).all()
    assert (sharp[:, stm_tip.GHOST] == 0.0).all()
    assert blunt[:, stm_tip.WIDTH].min() > sharp[:, stm_tip.WIDTH].max()
    assert blunt[:, stm_tip.BLUR].mean() > 3.0 * sharp[:, stm_tip.BLUR].mean()
    assert dirty[:, stm_tip.STRENGTH].max() < sharp[:, stm_tip.STRENGTH].min()
    assert restless[:, stm_tip.FLICKER].mean() > 4.0 * sharp[:, stm_tip.FLICKER].mean()


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_bad_parameters_are_refused(value):
    with pytest.raises(ValueError, match="offset_nm"):
        ApexParameters(offset_nm=value)


def test_readings_show_the_traits_and_tell_contamination():
    traits, out = np.zeros(len(stm_tip.TRAITS)), np.zeros((2000, len(stm_tip.READINGS)))
    traits[[stm_tip.BLUR, stm_tip.GHOST, stm_tip.FLICKER]] = (0.1, 0.4, 0.01)
    for kind, slope in ((stm_tip.SHARP, 1.0), (stm_tip.CONTAMINATED, stm_tip.FOULED_SLOPE)):
        stm_tip.read_tip(1, 2, 0, kind, traits, stm_tip.READING_LEVELS["off"], out[0])
        assert out[0].tolist() == [0.1, 0.4, 0.01, slope]
    noise = stm_tip.READING_LEVELS["hard"]
    for tick in range(len(out)):
        stm_tip.read_tip(1, 2, tick, stm_tip.SHARP, traits, noise, out[tick])
    assert out.std(axis=0) == pytest.approx(noise, rel=0.1)
    assert out.mean(axis=0) == pytest.approx([0.1, 0.4, 0.01, 1.0], abs=0.02)
