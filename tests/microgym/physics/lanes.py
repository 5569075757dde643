"""One feedback loop in a lane, tick by tick, for tests."""

from typing import Any

import numpy as np

from microgym.physics.cantilever import Cantilever, balanced_gap, coupling_of
from microgym.physics.feedback import TICK_S, LoopSettings, LoopState
from microgym.physics.feedback_lanes import (
    CHUNK,
    CHUNK_SIZE,
    LANE_SIZE,
    LANES,
    NOISE,
    SIGNALS,
    feed_chunk,
    finish_line,
    load_lane,
    press_chunk,
    rest_lane,
    store_lane,
    take_chunk,
    tap_chunk,
)
from microgym.state import allocate

STANDARD = Cantilever()
RADIUS_NM = 8.0


def settings(cantilever: Cantilever = STANDARD, **changes: Any) -> LoopSettings:
    """A quick scanner without noise over a surface under the standard tip."""
    chosen = {
        "setpoint": 14.0,
        "integral_gain": 1000.0,
        "proportional_gain": 0.0,
        "resonance_hz": 8e3,
        "damping": 0.7,
        "slew_nm_s": 1e12,
        "range_nm": 1e6,
        "thermal_nm": 0.0,
        "detector_nm": 0.0,
        "contact": cantilever.free_amplitude_nm == 0.0,
        "lag_s": cantilever.lag_s,
        "stiffness_n_m": cantilever.stiffness_n_m,
        "quality": cantilever.quality,
        "free_nm": cantilever.free_amplitude_nm,
        "radius_nm": RADIUS_NM,
    }
    return LoopSettings(**{**chosen, **changes})


def tapping(ground: float, loop: LoopSettings, modulus: float, amplitude: float) -> LoopState:
    """A loop at rest in repulsion over a surface, its amplitude as given."""
    lag, free = loop.lag_s, loop.free_nm
    coupling = coupling_of(TICK_S, lag, loop.stiffness_n_m, loop.quality, free, loop.radius_nm)
    elastic = modulus * np.sqrt(loop.radius_nm)
    gap = balanced_gap(amplitude, elastic, free, lag, TICK_S, coupling)
    state = standing(ground + gap)
    state.sine[:] = amplitude**2 / free
    state.cosine[:] = amplitude * np.sqrt(1.0 - (amplitude / free) ** 2)
    return state


def standing(height: float) -> LoopState:
    """A scanner at rest at a height, nothing under it."""
    state = allocate(LoopState, 1)
    for array in (state.integral, state.height, state.command):
        array[:] = height
    return state


def run(
    heights: np.ndarray,
    pixel_s: float,
    loop: LoopSettings,
    state: LoopState,
    modulus: float = 40.0,
    seed: int | None = None,
    lane: int = 3,
) -> tuple[np.ndarray, np.ndarray]:
    """Scan a line in one lane.

    Returns:
        Signals (SIGNALS, W) of `take_chunk`, finished, and (ticks, 10) inputs and outputs.
    """
    width, total = len(heights) - 1, int((len(heights) - 1) * pixel_s / TICK_S + 1e-6)
    lanes, chunk = np.zeros(LANE_SIZE, np.float32), np.zeros(CHUNK_SIZE, np.float32)
    for n in range(LANES):
        rest_lane(n, lanes, chunk)
    base, pace = float(np.floor(state.height[0])), TICK_S / pixel_s
    load_lane(lane, 0, base, loop, state, lanes)
    elastic = np.full(width, modulus * np.sqrt(loop.radius_nm))
    signals, seen = np.zeros((SIGNALS, width)), []
    random = None if seed is None else np.random.default_rng(seed)
    noise = np.zeros(NOISE, np.float32)
    for done in range(0, total, CHUNK):
        if random is not None and done % NOISE == 0:
            noise = random.normal(size=NOISE).astype(np.float32)
        left = total - done
        feed_chunk(lane, done, left, pace, base, heights, elastic, noise, lanes, chunk)
        (press_chunk if loop.contact else tap_chunk)(lanes, chunk)
        take_chunk(lane, done, min(left, CHUNK), pace, chunk, signals)
        seen.append(chunk.reshape(CHUNK, -1, LANES)[: min(left, CHUNK), :, lane].copy())
    store_lane(lane, 0, base, loop.resonance_hz, lanes, state)
    finish_line(base, signals)
    return signals, np.concatenate(seen).astype(np.float64)
