"""Force microscope: effects of its feedback loop, its tip, its drift and its clock."""

from typing import Any

import numpy as np
import pytest

from microgym.instruments.afm.instrument import AFMInstrument
from microgym.instruments.afm.kernels import DIALS
from microgym.instruments.afm.settings import (
    LOOP_LEVELS,
    MARGIN_PX,
    TIP_LEVELS,
    AFMSettings,
    TipParameters,
)
from microgym.physics.afm_tip import TipShape
from microgym.physics.cantilever import Cantilever
from microgym.physics.drift import AMBIENT_DRIFT
from microgym.physics.feedback import DELAY_S, Scanner, largest_gain
from microgym.physics.piezo import PIEZO_LEVELS
from microgym.random import episode_key
from microgym.state import arrays

PERFECT: dict[str, Any] = {
    "tip": TIP_LEVELS["off"],
    "loop": LOOP_LEVELS["off"],
    "drift": AMBIENT_DRIFT["off"],
    "piezo": PIEZO_LEVELS["off"],
}
CONTACT: dict[str, Any] = {"mode": "contact", "cantilever": Cantilever(0.2, 13e3, 2.0, 0.0)}


def keys_of(seeds):
    return np.stack([episode_key(seed) for seed in seeds])


def make(seeds=(1,), family="mixed", setpoint=0.7, **changes):
    instrument = AFMInstrument(len(seeds), AFMSettings(**{**PERFECT, **changes}))
    rows = np.arange(len(seeds))
    instrument.reset(rows, keys_of(seeds), family, "train", setpoint)
    return instrument, rows


def mounted(height, modulus=10.0, setpoint=0.7, **changes):
    instrument = AFMInstrument(1, AFMSettings(**{**PERFECT, **changes}))
    side = instrument.settings.side_px
    h = np.broadcast_to(np.asarray(height, np.float32), (1, side, side))
    e = np.full((1, side, side), modulus, np.float32)
    instrument.load_specimen(np.arange(1), keys_of([1]), h, e, setpoint)
    return instrument, np.arange(1)


def dials(count=1, setpoint=0.7, gain=2000.0, proportional=0.0, rate=2.0):
    return np.tile([setpoint, gain, proportional, rate], (count, 1))


def tally(instrument, name, row=0):
    return getattr(instrument.state.line, name)[row]


def bumps(side, height=40.0, radius=12.0, pitch=50):
    """Round ridges across the lines, so that all lines are alike."""
    x = np.arange(side, dtype=float) % pitch - pitch / 2
    ridge = height * np.sqrt(np.maximum(1.0 - (x / radius) ** 2, 0.0))
    return np.tile(ridge, (side, 1))


SIDE = AFMSettings().side_px


def test_a_slow_line_shows_what_a_new_tip_shows():
    instrument, rows = mounted(bumps(SIDE))
    for _ in range(4):
        instrument.scan(rows, dials(rate=0.5))
        assert tally(instrument, "error_nm") < 0.6
    assert np.ptp(instrument.state.line.truth[0]) > 20.0
    shown = instrument.state.line.trace[0] - instrument.state.line.trace[0].mean()
    assert np.corrcoef(shown, instrument.state.line.truth[0])[0, 1] > 0.999
    assert np.abs(instrument.state.line.trace - instrument.state.line.retrace).max() < 3.0


def test_batches_do_not_matter():
    seeds = (1, 2, 3)
    levels = {
        "tip": TIP_LEVELS["hard"],
        "loop": LOOP_LEVELS["hard"],
        "drift": AMBIENT_DRIFT["hard"],
        "piezo": PIEZO_LEVELS["hard"],
    }
    together, rows = make(seeds, **levels)
    rates = np.array([3.0, 20.0, 8.0])
    settings = dials(3)
    settings[:, 3] = rates
    for _ in range(6):
        together.scan(rows, settings)
    together.exchange(rows[:2], settings[:, 0])
    together.scan(rows, settings)
    for i, seed in enumerate(seeds):
        alone, row = make((seed,), **levels)
        for _ in range(6):
            alone.scan(row, settings[i : i + 1])
        if i < 2:
            alone.exchange(row, settings[i : i + 1, 0])
        alone.scan(row, settings[i : i + 1])
        batch = dict(arrays(together.state))
        for name, array in arrays(alone.state):
            assert np.array_equal(array[0], batch[name][i]), name


def test_the_ledger_adds_up():
    instrument, rows = make()
    instrument.scan(rows, dials(rate=2.0))
    instrument.scan(rows, dials(rate=4.0))
    instrument.withdraw(rows)
    instrument.engage(rows, np.full(1, 0.7))
    ledger = instrument.state.ledger
    settings = instrument.settings
    seconds = 0.5 + 0.25 + settings.withdraw_s + settings.engage_s
    assert ledger.time_s[0] == pytest.approx(seconds)
    assert ledger.exposures[0] == 2
    assert ledger.path_m[0] == pytest.approx(4 * (1000.0 + 2 * 8 * 1000.0 / 256) * 1e-9)
    assert ledger.dose[0] > 0.0
    instrument.exchange(rows, np.full(1, 0.7))
    assert ledger.time_s[0] == pytest.approx(seconds + 600.0)


def test_the_loop_rings_above_its_limit():
    instrument, rows = mounted(np.zeros((SIDE, SIDE)), loop=LOOP_LEVELS["easy"])
    hidden = instrument.state.hidden
    limit = largest_gain(0.0, hidden.resonance_hz[0], hidden.damping[0], DELAY_S)
    assert hidden.gain_limit[0] == limit
    errors = []
    for part in (0.4, 1.3):
        for _ in range(3):
            instrument.scan(rows, dials(gain=part * limit))
        errors.append(tally(instrument, "error_nm"))
    assert errors[0] < 0.1
    assert errors[1] > 10.0 * errors[0]


def test_a_fast_tip_parachutes_off_the_lee_side():
    instrument, rows = mounted(bumps(SIDE))
    for _ in range(4):
        instrument.scan(rows, dials(rate=8.0))
    assert tally(instrument, "saturated") > 0.05
    # Trace and retrace fall behind on opposite sides.
    steep = np.gradient(instrument.state.line.truth[0])
    late = instrument.state.line.trace[0] - instrument.state.line.retrace[0]
    assert late[steep < -1.0].mean() > 2.0
    assert late[steep > 1.0].mean() < -2.0


def test_a_soft_surface_yields_more_at_a_lower_setpoint():
    height = np.zeros((SIDE, SIDE))
    depths: list[float] = []
    for modulus in (1.0, 60.0):
        instrument, rows = mounted(height, modulus)
        heights = []
        for setpoint in (0.5, 0.9):
            for _ in range(2):
                instrument.scan(rows, dials(setpoint=setpoint, gain=800.0))
            heights.append(float(instrument.state.line.trace.mean()) - 20.0 * setpoint)
        depths.append(heights[1] - heights[0])
    assert depths[0] > depths[1] + 0.1
    assert depths[0] > 0.2


def test_pressures_over_the_strength_break_the_tip():
    hard = TipParameters(strength_gpa=15.0)
    instrument, rows = mounted(bumps(SIDE, 80.0, 10.0), 60.0, tip=hard)
    safe, _ = mounted(bumps(SIDE, 80.0, 10.0), 60.0)
    for _ in range(3):
        instrument.scan(rows, dials(rate=15.0, gain=800.0))
        safe.scan(rows, dials(rate=15.0, gain=800.0))
    assert tally(safe, "peak_nn") > 300.0
    assert safe.state.tip.crashes[0] == 0
    assert instrument.state.tip.crashes[0] > 0
    assert instrument.state.tip.radius_nm[0] > 15.0
    assert safe.state.tip.radius_nm[0] == 8.0
    calm, _ = mounted(bumps(SIDE, 80.0, 10.0), 60.0, tip=hard)
    for _ in range(3):
        calm.scan(rows, dials(rate=0.5))
    assert calm.state.tip.crashes[0] == 0


def test_a_worn_tip_loses_detail_and_another_one_brings_it_back():
    wearing = TipParameters(wear_nm3_nn_nm=1.0)
    instrument, rows = mounted(bumps(SIDE, 30.0, 8.0), 60.0, tip=wearing)
    errors, worn = [], []
    for _ in range(12):
        instrument.scan(rows, dials(rate=1.0))
        errors.append(tally(instrument, "error_nm"))
        worn.append(instrument.state.tip.worn_nm[0])
    assert (np.diff(worn) >= 0.0).all()
    assert instrument.state.tip.worn_nm[0] > 3.0
    assert np.mean(errors[-3:]) > np.mean(errors[1:4]) > errors[0]
    instrument.exchange(rows, np.full(1, 0.7))
    assert instrument.state.tip.worn_nm[0] == 0.0
    instrument.scan(rows, dials(rate=1.0))
    instrument.scan(rows, dials(rate=1.0))
    assert tally(instrument, "error_nm") < 0.6 * np.mean(errors[-3:])


def test_a_second_apex_shows_a_ghost():
    spike = np.zeros((SIDE, SIDE))
    spike[:, SIDE // 2] = 40.0
    instrument, rows = mounted(spike)
    instrument.scan(rows, dials(rate=0.5))
    trace = instrument.state.line.trace[0]
    alone = np.count_nonzero(trace - np.median(trace) > 20.0)
    tip = instrument.state.tip
    tip.second_y_nm[0], tip.second_x_nm[0], tip.second_z_nm[0] = 0.0, 40.0, 2.0
    instrument.set_radius(rows, tip.radius_nm.copy())
    instrument.scan(rows, dials(rate=0.5))
    both = np.count_nonzero(trace - np.median(trace) > 20.0)
    assert both > 1.6 * alone


@pytest.mark.parametrize("field_nm", [100.0, 400.0])
def test_the_foot_of_a_step_is_the_tips(field_nm):
    # R cos a + (h - R (1 - sin a)) tan a: 22.2 nm for 60 nm, 8 nm and 15 degrees.
    step = np.zeros((SIDE, SIDE))
    step[:, SIDE // 2 :] = 60.0
    instrument, rows = mounted(step, field_nm=field_nm)
    instrument.scan(rows, dials(rate=0.5))
    pixel, truth = instrument.settings.pixel_nm, instrument.state.line.truth[0]
    raised = pixel * np.count_nonzero(truth[:128] > truth.min() + 1e-3)
    assert raised == pytest.approx(22.2, abs=1.5 * pixel)


def test_a_supported_lever_is_quieter():
    # sqrt(k_B T / 3k) is 83 pm for 0.2 N/m; a free end has sqrt(k_B T / k).
    contact = AFMSettings(**CONTACT).parameters.thermal_nm
    assert contact == pytest.approx(0.0831, rel=0.01)
    assert AFMSettings().parameters.thermal_nm == pytest.approx(0.0102, rel=0.01)


def test_wear_counts_adhesion_and_follows_archard():
    volumes: list[float] = []
    for setpoint, wear in ((5.0, 1e-6), (10.0, 1e-6), (5.0, 2e-6)):
        instrument, rows = mounted(
            np.zeros((SIDE, SIDE)),
            setpoint=setpoint,
            tip=TipParameters(wear_nm3_nn_nm=wear),
            **CONTACT,
        )
        instrument.scan(rows, dials(setpoint=setpoint, gain=500.0))
        volumes.append(float(instrument.state.tip.volume_nm3[0]))
    path = 1e9 * instrument.state.ledger.path_m[0]
    # Adhesion H R / (6 a0^2) is 3.1 nN for 8 nm.
    assert volumes[0] == pytest.approx(1e-6 * (5.0 + 3.13) * path, rel=0.03)
    assert volumes[1] == pytest.approx(1e-6 * (10.0 + 3.13) * path, rel=0.03)
    assert volumes[2] == pytest.approx(2.0 * volumes[0], rel=0.02)


def test_contact_mode_holds_its_force():
    instrument, rows = mounted(bumps(SIDE), 10.0, setpoint=5.0, **CONTACT)
    for _ in range(2):
        instrument.scan(rows, dials(setpoint=5.0, gain=500.0, rate=0.5))
    assert instrument.state.line.force[0].mean() == pytest.approx(5.0, rel=0.1)
    assert tally(instrument, "error_nm") < 1.5


def test_without_contact_there_is_no_force_and_no_image():
    instrument, rows = make()
    instrument.withdraw(rows)
    instrument.scan(rows, dials())
    assert tally(instrument, "peak_nn") == 0.0
    assert np.ptp(instrument.state.line.trace) == 0.0
    instrument.engage(rows, np.full(1, 0.7))
    instrument.scan(rows, dials(rate=0.5))
    assert tally(instrument, "error_nm") < 3.0


def test_drift_and_new_tips_do_not_depend_on_the_actions():
    levels = {"drift": AMBIENT_DRIFT["hard"], "tip": TIP_LEVELS["real"]}
    slow, rows = make(**levels)
    quick, _ = make(**levels)
    for _ in range(2):
        slow.scan(rows, dials(rate=1.0))
    for _ in range(8):
        quick.scan(rows, dials(rate=4.0, setpoint=0.5))
    assert slow.state.ledger.time_s == pytest.approx(quick.state.ledger.time_s)
    # The path of drift is a function of time alone, up to rounding of sums.
    assert slow.state.drift.drift == pytest.approx(quick.state.drift.drift, abs=1e-9)
    slow.exchange(rows, np.full(1, 0.7))
    quick.exchange(rows, np.full(1, 0.7))
    for name in TipShape._fields:
        mine, other = getattr(slow.state.tip, name), getattr(quick.state.tip, name)
        assert mine == pytest.approx(other)


def test_noise_is_that_of_the_detector():
    quiet, rows = mounted(np.zeros((SIDE, SIDE)))
    quiet.scan(rows, dials(gain=200.0))
    quiet.scan(rows, dials(gain=200.0))
    noisy, _ = mounted(np.zeros((SIDE, SIDE)), loop=LOOP_LEVELS["real"])
    noisy.scan(rows, dials(gain=200.0))
    noisy.scan(rows, dials(gain=200.0))
    assert quiet.state.line.error.std() < 1e-3
    assert 0.003 < noisy.state.line.error.std() < 0.1


def test_splits_differ_and_frames_are_surveyed():
    instrument, rows = make()
    surface = instrument.state.surface
    first = surface.height.copy()
    instrument.reset(rows, keys_of([1]), "mixed", "test", 0.7)
    assert not np.array_equal(first, surface.height)
    slope, variance, steepest = surface.slope[0], surface.variance[0], surface.steepest[0]
    assert slope.shape == variance.shape == steepest.shape == (64,)
    assert (slope >= 0.0).all()
    assert (variance >= 0.0).all()
    assert variance.max() > 1.0
    assert (steepest >= slope).all()
    inside = surface.height[0, MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    assert variance.mean() < inside.var() * 2.0


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="mode"):
        AFMSettings(mode="shear")
    with pytest.raises(ValueError, match="lines"):
        AFMSettings(lines=0)
    with pytest.raises(ValueError, match="pixels"):
        AFMSettings(pixels=1000)
    with pytest.raises(ValueError, match="free_amplitude_nm"):
        AFMSettings(cantilever=Cantilever(free_amplitude_nm=0.0))
    with pytest.raises(ValueError, match="strength_gpa"):
        TipParameters(strength_gpa=0.0)
    with pytest.raises(ValueError, match="debris_per_s"):
        TipParameters(debris_per_s=-1.0)
    with pytest.raises(ValueError, match="damping"):
        Scanner(damping=2.0)
    assert DIALS[0] == "setpoint"
