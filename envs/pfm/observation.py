"""Observations of PFM-v0 and PFMLoop-v0: channels, and the maps of pulses."""

from functools import reduce

import numpy as np

from microgym.envs.core.channels import Channel, Channels, flattened
from microgym.envs.pfm.config import CELLS
from microgym.jit import kernel
from microgym.physics.ferroelectric import add_tip_field
from microgym.state import Float32

FULL_V = 30.0
"""Volts of pulses at one place that fill the maps of past pulses (design choice)."""

MAPS = Channels(
    "cells",
    "cells",
    response="last image; -1 (all down) before the first, and throughout where loops are taken",
    wanted="1 where the film is to point up; for a loop, the tip's field at the point",
    fresh=Channel("pulses since the last look: bias times the tip's field", "10 V"),
    raised=Channel("all positive pulses so far, likewise", "30 V"),
    lowered=Channel("all negative pulses so far, as a positive number", "30 V"),
)
NUMBERS = Channels(
    y="commanded place of the last pulse, from top to bottom; 0 before the first",
    x="the same from left to right",
    volts=Channel("bias of the last pulse", "10 V"),
    seconds="length of the last pulse, on the action's logarithmic scale",
    pulses_left="share of the pulses that is left",
    time_left="share of the time that is left",
    age="time since the last look, over the time limit",
    asked=Channel("wanted imprint; 0 where a pattern is wanted", "largest bias of a loop"),
    rising=Channel("bias at which the last loop changed sign on the way up", "the same"),
    falling=Channel("the same on the way down", "the same"),
)
PARTS = {"maps": MAPS, "numbers": NUMBERS}
SHOWN = MAPS.names[:3]
"""Maps in the vector of `observation="features"`."""
FEATURES = flattened(NUMBERS, MAPS, SHOWN, CELLS["features"])


def block_means(planes: Float32, cells: int) -> Float32:
    """Means of square planes (..., size, size) over their blocks, (..., cells, cells)."""
    block = planes.shape[-1] // cells
    blocks = planes.reshape(*planes.shape[:-2], cells, block, cells, block)
    # One element after the other: the order of a sum decides its last bit.
    rows = reduce(np.add, (blocks[..., j] for j in range(block)))
    return reduce(np.add, (rows[..., i, :] for i in range(block))) * np.float32(1.0 / block**2)


@kernel
def record_pulses(rows, places, volts, d, maps, work):
    """Add a pulse of each row to the maps of fresh and of past pulses.

    Args:
        rows: (k,) int64.
        places: (N, 2) float64, as commanded, cells.
        volts: (N,) float64.
        d: height of a sharp tip's charge, cells.
        maps: (N, 5, size, size) float32, updated.
        work: (size, size) float32.
    """
    for b in rows:
        # The bias times the profile of a sharp tip's field.
        work[:] = np.float32(0.0)
        add_tip_field(places[b, 0], places[b, 1], volts[b], d, work)
        side = 3 if volts[b] > 0.0 else 4
        part = np.float32(1.0 / FULL_V) if volts[b] > 0.0 else np.float32(-1.0 / FULL_V)
        for i in range(work.shape[0]):
            fresh, past, field = maps[b, 2, i], maps[b, side, i], work[i]
            for j in range(work.shape[1]):
                fresh[j] += np.float32(0.1) * field[j]
                past[j] += part * field[j]
