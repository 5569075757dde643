"""Kernels of PFM-v0 and PFMLoop-v0: draws, maps of the pulses, agreement with the pattern.

`rows` is (k,) int64, `state` the `PFMTaskState` of `microgym.envs.pfm.task`.
"""

import numpy as np

from microgym.jit import kernel
from microgym.physics.ferroelectric import add_tip_field
from microgym.random import WORLD, draw_uniform, row_stream
from microgym.state import Float64, Uint32

FULL_V = 30.0
"""Volts of pulses at one place that fill the maps of past pulses (design choice)."""
RESPONSE, WANTED, FRESH, RAISED, LOWERED = range(5)


@kernel
def draw_uniforms(keys, process, tick, out):
    """Draw uniform numbers of a process of the world of some specimens.

    Args:
        keys: (k, 2) uint32, keys of the specimens.
        process, tick: of the streams.
        out: (k, count) float64, written.
    """
    for b in range(keys.shape[0]):
        s0, s1 = row_stream(keys, b, WORLD, process)
        for k in range(out.shape[1]):
            out[b, k] = draw_uniform(s0, s1, tick, np.int64(k))


def uniforms(keys: Uint32, process: int, tick: int, count: int) -> Float64:
    """Uniform numbers of a process for some specimens, (k, count)."""
    drawn = np.empty((len(keys), count))
    draw_uniforms(keys, int(process), tick, drawn)
    return drawn


@kernel
def record_rows(rows, d, state):
    """Add the last pulse of each row to the maps of fresh and of past pulses.

    Args:
        d: height of the charge of a sharp tip, cells.
    """
    for b in rows:
        # The bias times the profile of the tip's field.
        y, x, volts = state.place[b, 0], state.place[b, 1], state.bias[b]
        add_tip_field(y, x, 0.1 * volts, d, state.maps[b, FRESH])
        side = RAISED if volts > 0.0 else LOWERED
        add_tip_field(y, x, abs(volts) / FULL_V, d, state.maps[b, side])


@kernel
def compare_rows(rows, p, barrier, state):
    """Compare the cells of each row that point up with the pattern.

    Args:
        p, barrier: (N, H, W) float32, polarisation, and below 0 where the film is destroyed.
    """
    for b in rows:
        wanted, hit, spilt, lost = 0, 0, 0, 0
        for i in range(p.shape[1]):
            polarisation, wall, target = p[b, i], barrier[b, i], state.target[b, i]
            for j in range(p.shape[2]):
                inside, up = np.int64(target[j] > 0), np.int64(polarisation[j] > 0.0)
                wanted += inside
                hit += inside * up
                spilt += up - inside * up
                lost += np.int64(wall[j] < 0.0)
        size = max(wanted, 1)
        state.written[b], state.spilt[b] = hit / size, spilt / size
        # Jaccard index: intersection over union.
        state.agreement[b] = hit / max(wanted + spilt, 1)
        state.damage[b] = (spilt + lost) / size
