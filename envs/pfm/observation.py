"""Channels of the observations of PFM-v0 and PFMLoop-v0."""

from microgym.envs.core.channels import Channel, Channels, flattened
from microgym.envs.pfm.config import CELLS

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
FEATURES = flattened(NUMBERS, MAPS, MAPS.names[:3], CELLS["features"])
