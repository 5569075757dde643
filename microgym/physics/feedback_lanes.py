"""Feedback loops of probes at a surface, `LANES` side by side: gains, scanner, and limits.

The controller works at a fixed tick. In each tick the tip's averaged motion advances at the gap of
the tick's beginning (`microgym.physics.cantilever`), the error is taken, the scanner advances
exactly under the last command, and the controller makes the next one. Microscopes in different
lanes do not touch one another, so that a lane's numbers depend on nothing beside it.

Lanes hold float32 in one array, field by field, and the ticks of a chunk in another: accesses then
have constant distances, and the loop over lanes becomes vector instructions. Heights in lanes count
from a base that belongs to the line. Lengths are in nm, times in s.
"""

import math

import numpy as np

from microgym.jit import inline_kernel, kernel
from microgym.numerics.libm import exp64
from microgym.physics.cantilever import contact_limits, coupling_of, deflection_of, turn_of
from microgym.physics.feedback import TICK_S, oscillator

LANES = 16
"""Microscopes whose loops run side by side: one or two vectors."""
CHUNK = 32
"""Ticks that run before inputs are made and outputs reduced; all that they touch fits the cache."""
NOISE = 64
"""Ticks whose noise is drawn together: half as many samples of the detector, each held for two
ticks, and of thermal kicks."""
SIGNALS = 7
"""Rows of a line's signals, see `take_chunk`."""

# Fields of a lane, from first elements on: what changes, what a line keeps, and what a mode needs.
_U, _V, _INTEGRAL, _HEIGHT, _SPEED, _COMMAND, _LEFT = range(0, 7 * LANES, LANES)
_KEEP, _SETPOINT, _GAIN, _PROPORTIONAL, _BOTTOM, _TOP, _STRIDE = range(7 * LANES, 14 * LANES, LANES)
_P00, _P01, _P11, _THERMAL, _DETECTOR, _SPRING = range(14 * LANES, 20 * LANES, LANES)
_FREE, _ATTRACTION, _REPULSION, _BOUND = range(20 * LANES, 24 * LANES, LANES)
_PULL, _SNAP, _REACH, _LOST = range(24 * LANES, 28 * LANES, LANES)
LANE_SIZE = 28 * LANES
"""Elements of the array of lanes."""
# Inputs and outputs of a chunk, tick by tick.
_GROUND, _ELASTIC, _KICK, _NOISE, _SENT, _ERROR, _COSINE, _STIFF, _LOAD, _PUSH = range(
    0, 10 * LANES, LANES
)
_TICK = 10 * LANES
CHUNK_SIZE = CHUNK * _TICK
"""Elements of the array of a chunk."""

_F32 = np.float32
_ZERO, _ONE, _TWO = _F32(0.0), _F32(1.0), _F32(2.0)
_LOADED = _F32(0.5 / math.sqrt(2.0))


@kernel
def load_lane(n, b, base, loop, state, lanes):
    """Put row b's loop into lane n.

    Args:
        n: the lane.
        b: row of the state.
        base: height from which the lane counts, nm.
        loop: `LoopSettings`.
        state: `LoopState`.
        lanes: (LANE_SIZE,) float32, lane n is written.
    """
    w = 2.0 * np.pi * loop.resonance_hz
    lanes[_U + n], lanes[_V + n] = _F32(state.sine[b]), _F32(state.cosine[b])
    lanes[_INTEGRAL + n] = _F32(state.integral[b] - base)
    lanes[_HEIGHT + n] = _F32(state.height[b] - base)
    lanes[_SPEED + n] = _F32(state.velocity[b] / w)
    lanes[_COMMAND + n] = _F32(state.command[b] - base)
    lanes[_KEEP + n] = _F32(exp64(-TICK_S / loop.lag_s))
    lanes[_SETPOINT + n] = _F32(loop.setpoint)
    lanes[_GAIN + n] = _F32(loop.integral_gain * TICK_S)
    lanes[_PROPORTIONAL + n] = _F32(loop.proportional_gain)
    lanes[_TOP + n], lanes[_BOTTOM + n] = _F32(loop.range_nm - base), _F32(-base)
    lanes[_STRIDE + n] = _F32(loop.slew_nm_s * TICK_S)
    p00, p01, _, p11 = oscillator(TICK_S, loop.resonance_hz, loop.damping)
    lanes[_P00 + n], lanes[_P01 + n], lanes[_P11 + n] = _F32(p00), _F32(p01), _F32(p11)
    lanes[_SPRING + n], lanes[_DETECTOR + n] = _F32(loop.stiffness_n_m), _F32(loop.detector_nm)
    # Kicks of the variance that is forgotten in two ticks, of either quadrature in four.
    keep = exp64((-2.0 if loop.contact else -4.0) * TICK_S / loop.lag_s)
    lanes[_THERMAL + n] = _F32(loop.thermal_nm * np.sqrt(1.0 - keep * keep))
    if loop.contact:
        pull, snap, reach, lost = contact_limits(loop.stiffness_n_m, loop.radius_nm)
        lanes[_PULL + n], lanes[_SNAP + n] = _F32(pull), _F32(snap)
        lanes[_REACH + n], lanes[_LOST + n] = _F32(reach), _F32(lost)
    else:
        free = loop.free_nm
        attraction, repulsion, bound = coupling_of(
            TICK_S, loop.lag_s, loop.stiffness_n_m, loop.quality, free, loop.radius_nm
        )
        lanes[_FREE + n], lanes[_BOUND + n] = _F32(free), _F32(bound)
        lanes[_ATTRACTION + n], lanes[_REPULSION + n] = _F32(attraction), _F32(repulsion)


@kernel
def store_lane(n, b, base, resonance_hz, lanes, state):
    """Put lane n back into row b of the state; arguments as for `load_lane`."""
    state.sine[b], state.cosine[b] = lanes[_U + n], lanes[_V + n]
    state.integral[b] = base + lanes[_INTEGRAL + n]
    state.height[b] = base + lanes[_HEIGHT + n]
    state.velocity[b] = lanes[_SPEED + n] * 2.0 * np.pi * resonance_hz
    state.command[b] = base + lanes[_COMMAND + n]


@kernel
def rest_lane(n, lanes, chunk):
    """Let lane n idle: whatever it does, its numbers stay finite."""
    for field in range(0, LANE_SIZE, LANES):
        lanes[field + n] = _ZERO
    lanes[_U + n], lanes[_KEEP + n], lanes[_FREE + n], lanes[_SPRING + n] = _ONE, _ONE, _ONE, _ONE
    lanes[_SNAP + n] = _ONE
    for i in range(n, CHUNK_SIZE, LANES):
        chunk[i] = _ZERO


@inline_kernel
def _pixel_end(i, count, first, p, last, pace):
    """First tick after i of a chunk that is not in pixel p, or the number of ticks.

    Tick k is in pixel p if (first + k + 1/2) pace < p + 1; in the last pixel are all that follow.
    """
    if last:
        return count
    border = p + 1.0
    # Rounding of the quotient may be wrong by one tick.
    stop = min(max(int(border / pace - first - 0.5), i + 1), count)
    while stop > i + 1 and (first + stop - 0.5) * pace >= border:
        stop -= 1
    while stop < count and (first + stop + 0.5) * pace < border:
        stop += 1
    return stop


@kernel
def feed_chunk(n, first, left, pace, base, ground, elastic, noise, lanes, chunk):
    """Write the inputs of lane n for the next ticks.

    Within a pixel the surface is linear.

    Args:
        n: the lane.
        first: number of the line's first tick in the chunk.
        left: ticks that the line has left.
        pace: pixels a tick.
        base: as for `load_lane`.
        ground: (W + 1,) float64, the surface at the pixels' borders, nm.
        elastic: (W,) float64, E sqrt(R) of each pixel, nN/nm^(3/2).
        noise: (NOISE,) float32, standard normal numbers of the ticks from the last multiple of
            NOISE on: of the detector, then thermal.
        lanes: as for `load_lane`.
        chunk: (CHUNK_SIZE,) float32, inputs of lane n are written.
    """
    lanes[_LEFT + n] = _F32(min(left, CHUNK))
    kick, spread, setpoint = lanes[_THERMAL + n], lanes[_DETECTOR + n], lanes[_SETPOINT + n]
    drawn = (first % NOISE) // 2
    last, i = elastic.size - 1, 0
    while i < CHUNK:
        p = min(int((first + i + 0.5) * pace), last)
        stop = _pixel_end(i, CHUNK, first, p, p == last, pace)
        low, rise, stiff = ground[p], ground[p + 1] - ground[p], _F32(elastic[p])
        for j in range(i, stop):
            height = low + min((first + j + 0.5) * pace - p, 1.0) * rise
            chunk[_GROUND + j * _TICK + n] = _F32(height - base)
            chunk[_ELASTIC + j * _TICK + n] = stiff
        i = stop
    for j in range(CHUNK // 2):
        at, other = 2 * j * _TICK + n, (2 * j + 1) * _TICK + n
        seen = spread * noise[drawn + j] - setpoint
        kicked = kick * noise[NOISE // 2 + drawn + j]
        chunk[_NOISE + at], chunk[_NOISE + other] = seen, seen
        chunk[_KICK + at], chunk[_KICK + other] = kicked, kicked


@inline_kernel
def control(error, integral, command, gain, proportional, bottom, top, stride):
    """Controller: I' = I - K dt e, command I - P e, both within the range; slew rate.

    Returns:
        Integral and command.
    """
    integral = min(max(integral - gain * error, bottom), top)
    wanted = min(max(integral - proportional * error, bottom), top)
    return integral, min(max(wanted, command - stride), command + stride)


@inline_kernel
def _follow(n, error, goes, lanes):
    """Let scanner and controller of lane n follow an error, if it has ticks left.

    Returns:
        The command.
    """
    height, speed, command = lanes[_HEIGHT + n], lanes[_SPEED + n], lanes[_COMMAND + n]
    # Scanner: exact step of the damped oscillator towards the last command.
    off, p01 = height - command, lanes[_P01 + n]
    next_height = command + lanes[_P00 + n] * off + p01 * speed
    next_speed = lanes[_P11 + n] * speed - p01 * off
    integral, sent = control(
        *(error, lanes[_INTEGRAL + n], command, lanes[_GAIN + n]),
        *(lanes[_PROPORTIONAL + n], lanes[_BOTTOM + n], lanes[_TOP + n]),
        lanes[_STRIDE + n],
    )
    lanes[_INTEGRAL + n] = integral if goes else lanes[_INTEGRAL + n]
    lanes[_HEIGHT + n] = next_height if goes else height
    lanes[_SPEED + n] = next_speed if goes else speed
    lanes[_COMMAND + n] = sent if goes else command
    return sent


@kernel
def tap_chunk(lanes, chunk):
    """Run a chunk of ticks of tapping loops in all lanes.

    Args:
        lanes: (LANE_SIZE,) float32, updated while a lane has ticks left.
        chunk: (CHUNK_SIZE,) float32; outputs are written.
    """
    for i in range(CHUNK):
        at, number = i * _TICK, _F32(i)
        # One quadrature is kicked in every second tick.
        even, odd = _F32(i % 4 == 0), _F32(i % 4 == 2)
        for n in range(LANES):
            u, v, height = lanes[_U + n], lanes[_V + n], lanes[_HEIGHT + n]
            free = lanes[_FREE + n]
            gap = height - chunk[_GROUND + at + n]
            # The force turns (u, v), at a constant amplitude, by twice the angle of tangent t / w.
            amplitude = np.sqrt(u * u + v * v)
            root = np.sqrt(amplitude)
            turn, whole, square = turn_of(
                *(amplitude, root, max(gap, _ZERO), chunk[_ELASTIC + at + n]),
                *(lanes[_ATTRACTION + n], lanes[_REPULSION + n], lanes[_BOUND + n]),
            )
            a, b = whole * whole, turn * turn
            inverse = _ONE / (a + b)
            cosine, sine = (a - b) * inverse, _TWO * turn * whole * inverse
            turned_u, turned_v = cosine * u + sine * v, cosine * v - sine * u
            # Relaxation to (A0, 0), and noise.
            keep, kick = lanes[_KEEP + n], chunk[_KICK + at + n]
            next_u = free + (turned_u - free) * keep + even * kick
            next_v = turned_v * keep + odd * kick
            now = np.sqrt(next_u * next_u + next_v * next_v)
            error = now + chunk[_NOISE + at + n]
            goes = lanes[_LEFT + n] > number
            sent = _follow(n, error, goes, lanes)
            lanes[_U + n] = next_u if goes else u
            lanes[_V + n] = next_v if goes else v
            chunk[_SENT + at + n], chunk[_ERROR + at + n] = sent, error
            chunk[_COSINE + at + n] = next_v / now
            # Mean force E sqrt(R) s^2 / (2 sqrt(2 A)); a quenched lever is pressed by -gap.
            chunk[_STIFF + at + n] = square
            chunk[_LOAD + at + n] = _LOADED * square / root
            chunk[_PUSH + at + n] = max(-gap, _ZERO)


@kernel
def press_chunk(lanes, chunk):
    """Run a chunk of ticks of loops in contact mode in all lanes; arguments as for `tap_chunk`."""
    for i in range(CHUNK):
        at, number, kicked = i * _TICK, _F32(i), _F32(i % 2 == 0)
        for n in range(LANES):
            signal, depth, height = lanes[_U + n], lanes[_V + n], lanes[_HEIGHT + n]
            spring = lanes[_SPRING + n]
            gap = height - chunk[_GROUND + at + n]
            target, deep, load = deflection_of(
                *(gap, depth, chunk[_ELASTIC + at + n], spring, lanes[_PULL + n]),
                *(lanes[_SNAP + n], lanes[_REACH + n], lanes[_LOST + n]),
            )
            # Lag of the deflection, and noise.
            moved = target + (signal - target) * lanes[_KEEP + n]
            moved += kicked * chunk[_KICK + at + n]
            error = moved + chunk[_NOISE + at + n]
            goes = lanes[_LEFT + n] > number
            sent = _follow(n, error, goes, lanes)
            lanes[_U + n] = moved if goes else signal
            lanes[_V + n] = deep if goes else depth
            chunk[_SENT + at + n], chunk[_ERROR + at + n] = sent, error
            chunk[_COSINE + at + n], chunk[_PUSH + at + n] = _ZERO, _ZERO
            chunk[_STIFF + at + n] = max(-target * spring, _ZERO)
            chunk[_LOAD + at + n] = load


@kernel
def take_chunk(n, first, count, pace, chunk, signals):
    """Add the outputs of lane n's last ticks to the pixels of its line.

    Args:
        n, first, pace: as for `feed_chunk`.
        count: ticks of the line in the chunk.
        chunk: outputs of lane n are read.
        signals: (SIGNALS, W) float64, of which sums over a pixel's ticks: command less base, error,
            cosine of the phase, and load on the contact; largest values: E sqrt(R) s^2 of the
            contact (force on the lever in contact mode, nN), and push of a quenched lever, nm; and
            the number of ticks.
    """
    last, i = signals.shape[1] - 1, 0
    while i < count:
        p = min(int((first + i + 0.5) * pace), last)
        stop = _pixel_end(i, count, first, p, p == last, pace)
        sent, error, cosine, load = 0.0, 0.0, 0.0, 0.0
        stiff, push = _F32(signals[4, p]), _F32(signals[5, p])
        for j in range(i, stop):
            at = j * _TICK + n
            sent += chunk[_SENT + at]
            error += chunk[_ERROR + at]
            cosine += chunk[_COSINE + at]
            load += chunk[_LOAD + at]
            stiff = max(stiff, chunk[_STIFF + at])
            push = max(push, chunk[_PUSH + at])
        signals[0, p] += sent
        signals[1, p] += error
        signals[2, p] += cosine
        signals[3, p] += load
        signals[4, p], signals[5, p] = stiff, push
        signals[6, p] += stop - i
        i = stop


@kernel
def finish_line(base, signals):
    """Turn sums over the ticks of pixels into means; a pixel without ticks is as the one before.

    Args:
        base: as for `load_lane`; it is added to the command.
        signals: see `take_chunk`.
    """
    for p in range(signals.shape[1]):
        if signals[6, p] == 0.0 and p > 0:
            for k in range(SIGNALS):
                signals[k, p] = signals[k, p - 1]
            continue
        part = 1.0 / max(signals[6, p], 1.0)
        signals[0, p] = base + signals[0, p] * part
        for k in range(1, 4):
            signals[k, p] *= part
