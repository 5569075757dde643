"""The feedback loop against closed forms: ramps, steps, parachuting, stability, noise, lanes."""

import numpy as np
import pytest

from microgym.physics.cantilever import Cantilever, contact_limits
from microgym.physics.feedback import (
    DELAY_S,
    TICK_S,
    Scanner,
    largest_gain,
    oscillator,
)
from microgym.physics.feedback_lanes import (
    CHUNK,
    CHUNK_SIZE,
    LANE_SIZE,
    LANES,
    NOISE,
    feed_chunk,
    load_lane,
    rest_lane,
    tap_chunk,
)
from tests.microgym.physics.lanes import run, settings, standing, tapping

FREE = 20.0
SOFT_LEVER = Cantilever(0.2, 13e3, 2.0, 0.0)


def pressing(ground: float, loop, deflection: float = 25.0):
    """A loop in contact mode at rest on hard ground."""
    state = standing(ground - deflection)
    state.sine[:], state.cosine[:] = -deflection, 0.3
    return state


@pytest.mark.parametrize("gain", [500.0, 1000.0])
@pytest.mark.parametrize("rate", [200.0, -200.0])
def test_a_ramp_leaves_a_steady_error(gain, rate):
    loop = settings(integral_gain=gain)
    heights = 500.0 + rate * 1e-4 * np.arange(2001)
    signals, _ = run(heights, 1e-4, loop, tapping(500.0, loop, 120.0, 14.0), 120.0)
    assert signals[1, -1] == pytest.approx(-rate / gain, rel=0.01)


def test_a_small_step_is_followed_exponentially():
    gain, height = 500.0, 0.05
    loop = settings(integral_gain=gain)
    heights = np.full(2002, 500.0)
    heights[1000:] += height
    state = tapping(500.0, loop, 120.0, 14.0)
    start = state.height[0]
    signals, _ = run(heights, 1e-4, loop, state, 120.0)
    first = np.argmax(signals[0] - start > height * (1.0 - np.exp(-1.0)))
    assert (first - 999.5) * 1e-4 == pytest.approx(1.0 / gain, rel=0.06)


def test_a_deep_step_is_parachuted_at_the_gain_times_the_error_there_can_be():
    gain, depth = 1000.0, 180.0
    loop = settings(integral_gain=gain)
    heights = np.full(4002, 500.0)
    heights[1000:] -= depth
    signals, _ = run(heights, 1e-4, loop, tapping(500.0, loop, 40.0, 14.0), 40.0)
    slew = gain * (FREE - 14.0)
    falling = signals[0, 1040:1200]
    assert np.diff(falling).mean() / 1e-4 == pytest.approx(-slew, rel=0.01)
    # Far from the surface nothing is touched.
    assert signals[3, 1040:1200].max() == 0.0
    # In saturation until h - (A0 - A_sp) has been made up for.
    saturated = np.count_nonzero(signals[1, 1000:] > 0.95 * (FREE - 14.0))
    assert saturated * 1e-4 == pytest.approx((depth - 6.0) / slew, rel=0.05)


@pytest.mark.parametrize(
    ("lag", "resonance", "damping"),
    [(0.0, 2000.0, 0.12), (0.0, 700.0, 0.05), (4.9e-5, 2000.0, 0.12), (4e-4, 1500.0, 0.05)],
)
def test_the_largest_gain_is_the_root_of_the_loop(lag, resonance, damping):
    w = 2.0 * np.pi * resonance
    # Without a delay, by Routh and Hurwitz: a4 s^4 + a3 s^3 + a2 s^2 + s + K.
    a4, a3, a2 = lag / w**2, 1.0 / w**2 + 2.0 * damping * lag / w, 2.0 * damping / w + lag
    found = largest_gain(lag, resonance, damping, 0.0)
    assert found == pytest.approx((a2 * a3 - a4) / a3**2, rel=1e-6)
    if lag == 0.0:
        assert found == pytest.approx(2.0 * damping * w)
    # With one, the loop at the frequency of its phase -pi is -1.
    gain = largest_gain(lag, resonance, damping, DELAY_S)
    s = 1j * np.linspace(1e-3, 1.0, 400_001) * w
    whole = gain * np.exp(-s * DELAY_S) / (s * (1.0 + s * lag))
    whole /= 1.0 + 2.0 * damping * s / w + (s / w) ** 2
    assert np.abs(whole + 1.0).min() < 1e-3


def rings(gain, pixel_s, loop, modulus, contact=False):
    """Whether a loop is still at it, and more so, after a small push."""
    loop = loop._replace(integral_gain=gain)
    state = pressing(500.0, loop) if contact else tapping(500.0, loop, modulus, loop.setpoint)
    run(np.full(301, 500.0), 1e-3, loop._replace(integral_gain=0.2 * gain), state, modulus)
    state.height[:] += 1e-3
    count = int(0.3 / pixel_s)
    _, ticks = run(np.full(count + 1, 500.0), pixel_s, loop, state, modulus)
    error = np.abs(ticks[:, 5] - np.median(ticks[:, 5]))
    return error[-1000:].max() > error[300:800].max()


# Line rates of 0.5 to 20 Hz.
@pytest.mark.parametrize("pixel_s", [3.7e-3, 4.6e-4, 9.2e-5])
def test_the_loop_rings_above_its_largest_gain_at_any_line_rate(pixel_s):
    for scanner in (
        {"resonance_hz": 700.0, "damping": 0.1},
        {"resonance_hz": 2000.0, "damping": 0.12},
    ):
        limit = largest_gain(0.0, *scanner.values(), DELAY_S)
        loop = settings(setpoint=10.0, **scanner)
        assert not rings(0.93 * limit, pixel_s, loop, 120.0)
        assert rings(1.03 * limit, pixel_s, loop, 120.0)


def test_soft_ground_rings_from_half_the_limit_on():
    # The contact is a spring: its resonance with the phase comes near that of the scanner.
    scanner = {"resonance_hz": 2000.0, "damping": 0.12}
    limit = largest_gain(0.0, *scanner.values(), DELAY_S)
    for modulus in (1.0, 10.0, 40.0):
        for setpoint in (10.0, 16.0):
            loop = settings(setpoint=setpoint, **scanner)
            assert not rings(0.4 * limit, 4.6e-4, loop, modulus)


@pytest.mark.parametrize("pixel_s", [3.7e-3, 9.2e-5])
def test_contact_mode_rings_above_its_largest_gain(pixel_s):
    scanner = {"resonance_hz": 2000.0, "damping": 0.12}
    lag = SOFT_LEVER.lag_s
    # The deflection is that of a tick's end, half a tick after its middle.
    limit = largest_gain(lag, *scanner.values(), DELAY_S - 0.5 * TICK_S)
    loop = settings(SOFT_LEVER, setpoint=-25.0, **scanner)
    assert not rings(0.94 * limit, pixel_s, loop, 120.0, contact=True)
    assert rings(1.02 * limit, pixel_s, loop, 120.0, contact=True)


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
    loop = settings(slew_nm_s=1e4)
    signals, _ = run(heights, 1e-4, loop, tapping(500.0, loop, 40.0, 14.0))
    assert np.abs(np.diff(signals[0])).max() <= 1e4 * 1e-4 * 1.0001
    loop = settings(range_nm=700.0)
    state = tapping(500.0, loop, 40.0, 14.0)
    signals, _ = run(heights, 1e-4, loop, state)
    assert signals[0].max() <= 700.0
    assert state.integral[0] <= 700.0


def test_proportional_gain_answers_at_once():
    heights = np.full(202, 500.0)
    heights[100:] += 1.0
    moved = []
    for proportional in (0.0, 0.5):
        loop = settings(integral_gain=100.0, proportional_gain=proportional)
        state = tapping(500.0, loop, 120.0, 14.0)
        start = state.height[0]
        moved.append(run(heights, 1e-4, loop, state, 120.0)[0][0, 101] - start)
    assert moved[0] < 0.05
    assert moved[1] > 0.2


def test_noise_has_the_variance_it_should():
    # Far from the surface each quadrature is an Ornstein-Uhlenbeck process.
    loop = settings(integral_gain=0.0, thermal_nm=0.05)
    state = standing(700.0)
    state.sine[:] = FREE
    _, ticks = run(np.full(2001, 500.0), 1e-3, loop, state, seed=0)
    amplitude = ticks[5000:, 5]
    assert amplitude.std() == pytest.approx(0.05, rel=0.1)
    lag = round(loop.lag_s / TICK_S)
    correlation = np.corrcoef(amplitude[:-lag], amplitude[lag:])[0, 1]
    assert correlation == pytest.approx(np.exp(-1.0), abs=0.1)
    # The cosine of the phase is the other quadrature over the amplitude.
    assert (FREE * ticks[5000:, 6]).std() == pytest.approx(0.05, rel=0.1)
    # Each sample of the detector is held for two ticks.
    loop = settings(integral_gain=0.0, detector_nm=0.03)
    state = standing(700.0)
    state.sine[:] = FREE
    _, ticks = run(np.full(501, 500.0), 1e-3, loop, state, seed=0)
    assert ticks[:, 5].std() == pytest.approx(0.03, rel=0.05)
    assert ticks[::2, 5] == pytest.approx(ticks[1::2, 5], abs=1e-5)


@pytest.mark.parametrize("pixel_s", [9.2e-5, 4.6e-4])
def test_cutting_a_line_changes_nothing(pixel_s):
    x = np.arange(401)
    heights = 500.0 + 5.0 * np.sin(x / 20.0)
    loop = settings(integral_gain=800.0, resonance_hz=2000.0, damping=0.12)
    whole, cut = (tapping(heights[0], loop, 40.0, 14.0) for _ in range(2))
    signals, _ = run(heights, pixel_s, loop, whole)
    # Cut where a tick, and a pixel, ends.
    parts = [run(heights[:251], pixel_s, loop, cut)[0], run(heights[250:], pixel_s, loop, cut)[0]]
    assert np.concatenate(parts, axis=1)[0] == pytest.approx(signals[0], abs=0.05)
    assert cut.height[0] == pytest.approx(whole.height[0], abs=0.05)


def test_pixels_and_ticks_need_not_fit():
    # The controller's tick is the same whatever a pixel takes: what the loop does in time too.
    loop = settings(integral_gain=800.0)
    seen = []
    for pixels in (100, 333, 1500):
        state = tapping(500.0, loop, 40.0, 14.0)
        t = np.linspace(0.0, 0.1, pixels + 1)
        _, ticks = run(500.0 + 200.0 * t, 0.1 / pixels, loop, state)
        seen.append(ticks[:, 4])
    assert np.ptp(seen, axis=0).max() < 1e-3


def test_lanes_do_not_touch_one_another():
    x = np.arange(201)
    heights = 500.0 + 5.0 * np.sin(x / 10.0)
    loop = settings(integral_gain=800.0, detector_nm=0.03, thermal_nm=0.01)
    found = []
    for lane in (0, 5, LANES - 1):
        state = tapping(500.0, loop, 40.0, 14.0)
        signals, _ = run(heights, 2e-4, loop, state, seed=3, lane=lane)
        found.append((signals.tobytes(), [float(one[0]) for one in state]))
    assert found[0] == found[1] == found[2]
    # With a busy neighbour, too.
    ends = []
    for busy in (False, True):
        lanes, chunk = np.zeros(LANE_SIZE, np.float32), np.zeros(CHUNK_SIZE, np.float32)
        for n in range(LANES):
            rest_lane(n, lanes, chunk)
        for n in range(LANES if busy else 1):
            state = tapping(500.0, loop, 40.0, 14.0 - 0.3 * n)
            load_lane(n, 0, 490.0, loop, state, lanes)
            ground, elastic, noise = (
                heights + 3.0 * n,
                np.full(200, 50.0),
                np.ones(NOISE, np.float32),
            )
            feed_chunk(n, 0, CHUNK - n, 0.1, 490.0, ground, elastic, noise, lanes, chunk)
        tap_chunk(lanes, chunk)
        ends.append((lanes[::LANES].tobytes(), chunk[::LANES].tobytes()))
    assert ends[0] == ends[1]


def test_contact_mode_holds_its_force_and_snaps():
    loop = settings(SOFT_LEVER, integral_gain=800.0, setpoint=-25.0)
    heights = 500.0 + 3.0 * np.sin(np.arange(401) / 40.0)
    signals, _ = run(heights, 1e-3, loop, pressing(500.0, loop), 10.0)
    assert signals[1, 50:] == pytest.approx(0.0, abs=0.2)
    assert signals[4, 50:] == pytest.approx(5.0, abs=0.1)
    # The contact carries adhesion besides: 3.13 nN.
    assert signals[3, 50:] == pytest.approx(8.13, abs=0.1)
    # A lever that comes from far snaps in at 1.42 nm, and lets go at 15.7 nm.
    still = loop._replace(integral_gain=0.0)
    pull, snap, _, _ = contact_limits(0.2, 8.0)
    there = 480.0 + np.linspace(0.0, 22.0, 2201)
    state = standing(500.0)
    state.cosine[:] = -1.0
    signals, _ = run(there, 1e-4, still, state, 10.0)
    assert 500.0 - there[np.argmax(signals[3] > 0.0)] == pytest.approx(snap, abs=0.03)
    signals, _ = run(there[::-1], 1e-4, still, state, 10.0)
    assert 500.0 - there[::-1][np.flatnonzero(signals[3] > 0.0)[-1]] == pytest.approx(
        pull, abs=0.05
    )


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="damping"):
        Scanner(damping=1.0)
    with pytest.raises(ValueError, match="resonance_hz"):
        Scanner(resonance_hz=-1.0)
