"""Channels of the observations of PFM-v0 and PFMLoop-v0."""

from microgym.envs.core.channels import Channel, Channels, flattened
from microgym.envs.pfm.config import CELLS

RESPONSE_RANGE = 4.0
"""Largest response: a soft site's 1.3, and four standard deviations of noise and offset."""

_PULSES = {
    "fresh": Channel("pulses since the last look: bias times the tip's field", "10 V", 0.1),
    "raised": Channel("all positive pulses so far, likewise", "30 V", 0.1),
    "lowered": Channel("all negative pulses so far, as a positive number", "30 V", 0.05),
}
_HIGH = (RESPONSE_RANGE, 1.0, 1.0, 1.0, 1.0)
_LOW = (-RESPONSE_RANGE, 0.0, -1.0, 0.0, 0.0)

MAPS = Channels(
    "cells",
    "cells",
    response=Channel("last image; -1 (all down) before the first", "", 0.4, -0.8),
    wanted=Channel("1 where the film is to point up", "", 0.3),
    **_PULSES,
).within(_LOW, _HIGH)
LOOP_MAPS = Channels(
    "cells",
    "cells",
    response=Channel("image that was taken before the start", "", 0.8),
    wanted=Channel("the tip's field at the point", "", 0.1),
    **_PULSES,
).within(_LOW, _HIGH)

_STATUS = {
    "y": Channel("commanded place of the last pulse, top to bottom; 0 before the first", "", 0.5),
    "x": Channel("the same from left to right", "", 0.5),
    "volts": Channel("bias of the last pulse", "10 V", 0.6),
    "seconds": Channel("length of the last pulse, on the action's logarithmic scale", "", 0.6),
    "pulses_left": Channel("share of the pulses that is left", "", 0.3, 0.5),
    "time_left": Channel("share of the time that is left", "", 0.2, 0.7),
    "age": Channel("time since the last look, over the time limit", "", 0.05),
}
NUMBERS = Channels(**_STATUS)
LOOP_NUMBERS = Channels(
    **_STATUS,
    excess=Channel("imprint of the last loop less the one asked for; 0 before the first", "V", 0.3),
    asked=Channel("imprint asked for", "V", 0.5),
    rising=Channel("bias at which the last loop changed sign on the way up", "V", 0.6, 3.5),
    falling=Channel("the same on the way down", "V", 0.6, -3.5),
).within([-1.0] * 7 + [-4.0, -4.0, -10.0, -10.0], [1.0] * 7 + [4.0, 4.0, 10.0, 10.0])
PARTS = {"maps": MAPS, "numbers": NUMBERS}
LOOP_PARTS = {"maps": LOOP_MAPS, "numbers": LOOP_NUMBERS}

FEATURES, LOOP_FEATURES = (
    flattened(numbers, maps, maps.names[:3], CELLS["features"])
    for numbers, maps in ((NUMBERS, MAPS), (LOOP_NUMBERS, LOOP_MAPS))
)
