"""The feedback loop against closed forms: ramps, steps, parachuting, stability."""

import numpy as np
import pytest

from microgym.physics.cantilever import Cantilever, amplitude_table
from microgym.physics.feedback import (
    LoopSettings,
    LoopState,
    Scanner,
    largest_gain,
    oscillator,
    scan_line,
    ticks_of,
)
from microgym.state import allocate

FREE = 20.0


def line_up(slope: float = 1.0, cap: float = FREE) -> tuple[np.ndarray, float, float]:
    """A signal that follows the gap up to the free amplitude."""
    gaps = np.linspace(-200.0, 200.0, 4001)
    table = np.empty((2, 2, gaps.size))
    table[:] = np.minimum(slope * gaps, cap)
    return table, -200.0, gaps[1] - gaps[0]


def settings(**changes):
    quick = {
        "setpoint": 14.0,
        "integral_gain": 1000.0,
        "proportional_gain": 0.0,
        "tick_s": 1e-5,
        "lag_s": 1e-8,
        "resonance_hz": 1e6,
        "damping": 0.5,
        "slew_nm_s": 1e12,
        "range_nm": 1e6,
        "floor": -1e9,
        "thermal_nm": 0.0,
        "detector_nm": 0.0,
    } | changes
    return LoopSettings(**quick)


def at(height, signal):
    """A loop at rest."""
    state = allocate(LoopState, 1)
    for array in (state.integral, state.height, state.command):
        array[:] = height
    state.signal[:] = signal
    return state


def scan(heights, loop, ticks=10, table=None, noise=0.0, start=None):
    table, low, step = line_up() if table is None else table
    pixels = len(heights) - 1
    rng = np.random.default_rng(0)
    drawn = (noise * rng.normal(size=(2, pixels * ticks))).astype(np.float32)
    out = np.empty((5, pixels))
    state = at(heights[0] + loop.setpoint if start is None else start, loop.setpoint)
    scan_line(0, heights, np.zeros(pixels), table, low, step, loop, state, *drawn, out)
    return out, state


@pytest.mark.parametrize("gain", [500.0, 2000.0])
@pytest.mark.parametrize("rate", [1000.0, -1000.0])
def test_a_ramp_leaves_a_steady_error(gain, rate):
    loop = settings(integral_gain=gain)
    pixels, ticks = 2000, 10
    heights = 500.0 + rate * 1e-4 * np.arange(pixels + 1)
    out, _ = scan(heights, loop, ticks)
    assert out[1, -1] == pytest.approx(-rate / gain, rel=1e-3)


def test_a_small_step_is_followed_exponentially():
    gain, height = 500.0, 1.0
    loop = settings(integral_gain=gain)
    heights = np.full(2002, 500.0)
    heights[1000:] += height
    out, _ = scan(heights, loop, 10)
    z = out[0] - 514.0
    first = np.argmax(z > height * (1.0 - np.exp(-1.0)))
    assert (first - 999.5) * 1e-4 == pytest.approx(1.0 / gain, rel=0.03)


def test_a_deep_step_is_parachuted_at_the_gain_times_the_error_there_can_be():
    gain, depth = 2000.0, 180.0
    loop = settings(integral_gain=gain)
    heights = np.full(4002, 500.0)
    heights[1000:] -= depth
    out, _ = scan(heights, loop, 10)
    falling = out[0, 1010:1040]
    slew = gain * (FREE - 14.0)
    assert np.diff(falling).mean() / 1e-4 == pytest.approx(-slew, rel=0.01)
    # In saturation until h - (A0 - A_sp) has been made up for.
    saturated = np.count_nonzero(out[1, 1000:] > FREE - 14.0 - 1e-3)
    assert saturated * 1e-4 == pytest.approx((depth - 6.0) / slew, rel=0.01)


@pytest.mark.parametrize(
    ("lag", "resonance", "damping"),
    [(4.244e-4, 1500.0, 0.05), (4.244e-4, 10e3, 0.3), (1e-4, 1000.0, 0.05)],
)
def test_the_loop_rings_above_the_gain_of_routh(lag, resonance, damping):
    limit = largest_gain(lag, resonance, damping)
    table = line_up(cap=1e9)
    tick = 0.01 / (2.0 * np.pi * resonance)

    def rings(gain: float) -> bool:
        loop = settings(
            setpoint=0.0,
            integral_gain=gain,
            tick_s=tick,
            lag_s=lag,
            resonance_hz=resonance,
            damping=damping,
        )
        out, _ = scan(np.full(30001, 500.0), loop, 8, table, start=500.0 + 1e-3)
        error = np.abs(out[1])
        return bool(error[-3000:].max() > error[3000:6000].max())

    assert not rings(0.96 * limit)
    assert rings(1.04 * limit)


def test_the_scanner_is_the_damped_oscillator_of_the_books():
    w, damping, dt = 2.0 * np.pi * 1500.0, 0.05, 3.1e-5
    matrix = np.array(oscillator(dt, 1500.0, damping))
    many = np.eye(2)
    small = dt / 200_000
    step = np.array([[1.0, w * small], [-w * small, 1.0 - 2.0 * damping * w * small]])
    many = np.linalg.matrix_power(step, 200_000)
    assert matrix.reshape(2, 2) == pytest.approx(many, abs=1e-5)


def test_limits_hold():
    heights = np.full(401, 500.0)
    heights[100:] = 900.0
    out, _ = scan(heights, settings(slew_nm_s=1e4), 10)
    assert np.abs(np.diff(out[0])).max() <= 1e4 * 1e-4 + 1e-9
    out, state = scan(heights, settings(range_nm=700.0), 10)
    assert out[0].max() <= 700.0
    assert state.integral[0] <= 700.0


def test_proportional_gain_answers_at_once():
    heights = np.full(202, 500.0)
    heights[100:] += 1.0
    slow, _ = scan(heights, settings(integral_gain=100.0), 10)
    quick, _ = scan(heights, settings(integral_gain=100.0, proportional_gain=0.5), 10)
    assert quick[0, 101] - 514.0 > 0.3
    assert slow[0, 101] - 514.0 < 0.05


def test_the_oscillation_stays_on_its_branch_until_it_is_pushed_over():
    gaps = np.linspace(0.0, 40.0, 401)
    table = np.empty((2, 2, 401))
    table[0], table[1] = np.minimum(gaps, FREE), np.minimum(gaps + 1.0, FREE)
    loop = settings(integral_gain=0.0, lag_s=1e-3)
    calm = np.full(301, 500.0)
    for start, expected in ((14.0, 14.0), (14.9, 15.0)):
        state = at(514.0, start)
        out, zeros = np.empty((5, 300)), np.zeros(3000, np.float32)
        scan_line(0, calm, np.zeros(300), table, 0.0, 0.1, loop, state, zeros, zeros, out)
        assert state.signal[0] == pytest.approx(expected, abs=1e-2)


def test_noise_of_the_oscillation_has_the_variance_it_should():
    table = line_up()
    loop = settings(integral_gain=0.0, lag_s=1e-4, thermal_nm=0.05)
    pixels, ticks = 20000, 10
    drawn = np.random.default_rng(0).normal(size=(2, pixels * ticks)).astype(np.float32)
    out, state = np.empty((5, pixels)), at(514.0, 14.0)
    heights = np.full(pixels + 1, 500.0)
    scan_line(0, heights, np.zeros(pixels), *table, loop, state, *drawn, out)
    # Means over one time constant of an Ornstein-Uhlenbeck process: variance 2 (1/e) of it.
    assert out[1].std() == pytest.approx(0.05 * np.sqrt(2.0 / np.e), rel=0.03)


def test_the_surface_under_a_real_table_is_followed():
    table = amplitude_table(Cantilever())
    values = np.ascontiguousarray(table.values[1])
    x = np.arange(513)
    heights = 300.0 + 10.0 * np.sin(x / 40.0)
    loop = settings(
        integral_gain=3000.0, lag_s=4.24e-4, resonance_hz=1500.0, damping=0.05, floor=-FREE
    )
    out, _ = scan(heights, loop, 40, (values, table.low_nm, table.step_nm))
    middle = 0.5 * (heights[1:] + heights[:-1])
    offset = np.median(out[0] - middle)
    # A soft surface yields: the mean gap is less than the amplitude of 14 nm.
    assert 10.0 < offset < 12.0
    assert np.abs(out[0] - middle - offset)[50:].max() < 0.6


def test_ticks():
    assert ticks_of.py_func(1e-5, 1500.0, 4e-4, 100.0) == 8
    assert ticks_of.py_func(1.0, 1500.0, 4e-4, 100.0) == 64
    middle = ticks_of.py_func(5e-4, 1500.0, 4e-4, 100.0)
    assert middle == int(np.ceil(5e-4 / (0.2 / (2.0 * np.pi * 1500.0))))


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="damping"):
        Scanner(damping=1.0)
    with pytest.raises(ValueError, match="resonance_hz"):
        Scanner(resonance_hz=-1.0)
