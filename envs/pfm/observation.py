"""Observations of PFM-v0 and PFMLoop-v0: channels, and the maps of pulses."""

import numpy as np

from microgym.envs.core.channels import Channel, Channels, flattened
from microgym.envs.pfm.config import CELLS
from microgym.physics.ferroelectric import add_tip_field
from microgym.state import Float32, Float64, Int64

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


def record_pulses(rows: Int64, places: Float64, volts: Float64, d: float, maps: Float32) -> None:
    """Add a pulse of each row to the maps of fresh and of past pulses.

    Args:
        rows: (k,).
        places: (N, 2), as commanded, cells.
        volts: (N,).
        d: height of a sharp tip's charge, cells.
        maps: (N, 5, size, size), updated.
    """
    for b in rows:
        # The bias times the profile of a sharp tip's field.
        field = np.zeros(maps.shape[2:], np.float32)
        add_tip_field(*places[b], volts[b], d, field)
        side, sign = ("raised", 1.0) if volts[b] > 0.0 else ("lowered", -1.0)
        maps[b, MAPS.index("fresh")] += np.float32(0.1) * field
        maps[b, MAPS.index(side)] += np.float32(sign / FULL_V) * field
