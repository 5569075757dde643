"""Tips: how they change, and what conditioning does."""

import math

import numpy as np
import pytest

from microgym.physics import apex
from microgym.physics.apex import APEX_LEVELS, ApexParameters


def shares(state, cause, count=20_000):
    drawn = [apex.next_state(state, cause, (k + 0.5) / count) for k in range(count)]
    return np.bincount(drawn, minlength=len(apex.STATES)) / count


@pytest.mark.parametrize(
    ("cause", "sharp"),
    [(apex.GENTLE, 0.35), (apex.DEEP, 0.2), (apex.STRONG_PULSE, 0.1), (apex.CRASH, 0.02)],
)
def test_sharp_ends_are_rare(cause, sharp):
    assert shares(apex.BLUNT, cause)[apex.SHARP] == pytest.approx(sharp, abs=1e-3)
    assert shares(apex.BLUNT, cause).sum() == pytest.approx(1.0)


def test_what_helps_depends_on_the_state():
    helps = {(apex.CONTAMINATED, apex.PULSE), (apex.UNSTABLE, apex.GENTLE)}
    for state in range(len(apex.STATES)):
        for cause in range(6):
            found = shares(state, cause)[apex.SHARP]
            base = shares(apex.BLUNT, cause)[apex.SHARP]
            expected = 0.5 + 0.5 * base if (state, cause) in helps else base
            assert found == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("dip", apex.DIPS_NM)
def test_dips_change_a_tip_by_their_depth(dip):
    expected = 1.0 - math.exp(-((dip / 1.2) ** 2))
    assert apex.change_probability(dip, 0.0, 1.2) == pytest.approx(expected)
    assert apex.change_probability(0.0, dip, 0.7) == pytest.approx(
        1.0 - math.exp(-((dip / 4.0) ** 2))
    )


def test_current_wears():
    rest = apex.change_rate(0.0, 0.0, 1e-4)
    assert rest == pytest.approx(1e-4)
    assert apex.change_rate(9e4, 0.015, 1e-4) / rest == pytest.approx(91.0, rel=1e-3)


def traits(state, level, count=4000):
    out = np.empty((count, len(apex.TRAITS)))
    for k in range(count):
        apex.draw_traits(1, 2, k, state, APEX_LEVELS[level].vector(), out[k])
    return out


def test_tips_differ_as_much_as_asked():
    off, real = traits(apex.SHARP, "off", 5), traits(apex.SHARP, "real")
    assert np.ptp(off[:, apex.STRENGTH]) == 0.0
    assert off[0, apex.STRENGTH] == apex.MEAN_STRENGTH_EV
    assert off[0, apex.WIDTH] == apex.MEAN_WIDTH_NM
    level = APEX_LEVELS["real"]
    assert np.std(np.log(real[:, apex.STRENGTH])) == pytest.approx(level.strength_spread, rel=0.05)
    assert np.std(np.log(real[:, apex.WIDTH])) == pytest.approx(level.width_spread, rel=0.05)
    assert np.std(real[:, apex.OFFSET_X]) == pytest.approx(level.offset_nm, rel=0.05)
    contact = np.log(real[:, apex.CONTACT] / apex.QUANTUM_US)
    assert np.mean(contact) == pytest.approx(math.log(0.5), abs=0.03)
    assert np.std(contact) == pytest.approx(0.5, rel=0.05)


def test_states_show_in_their_traits():
    sharp, double, blunt, dirty, restless = (traits(k, "off", 50) for k in range(5))
    assert (double[:, apex.GHOST] >= 0.1).all()
    assert (sharp[:, apex.GHOST] == 0.0).all()
    assert blunt[:, apex.WIDTH].min() > sharp[:, apex.WIDTH].max()
    assert blunt[:, apex.BLUR].mean() > 3.0 * sharp[:, apex.BLUR].mean()
    assert dirty[:, apex.STRENGTH].max() < sharp[:, apex.STRENGTH].min()
    assert restless[:, apex.FLICKER].mean() > 4.0 * sharp[:, apex.FLICKER].mean()


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_bad_parameters_are_refused(value):
    with pytest.raises(ValueError, match="offset_nm"):
        ApexParameters(offset_nm=value)
