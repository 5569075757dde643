"""Channels of the observations and actions of the STM environments."""

import numpy as np

from microgym.envs.core.channels import Channel, Channels
from microgym.physics.stm_tip import DIPS_NM, PULSES_V, READINGS
from microgym.state import Float64

START_NM, END_NM = 0.4, 2.0
"""Largest distance of the start and the end of a drag from the adatom along each axis, nm; these
and the two ranges below are those that Chen et al., Nat. Commun. 13, 7499 (2022), used on
hardware."""
BIAS_V = (0.005, 0.015)
CONDUCTANCE_US = (3.0, 6.0)
LOOK = 1.0 / 3.0
"""Below minus this the action is a drag alone, above it an image alone, between them both."""
BINS = 16
"""Parts of the current trace that are observed, each a mean."""
BORDER_NM = 4.0
"""Largest coordinate in the field, nm."""


def _pair(name: str, doc: str, unit: str, scale: float = 1.0) -> dict[str, Channel]:
    """Channels of a vector along x and y."""
    return {f"{name}{axis}": Channel(f"{doc}, along {axis}", unit, scale) for axis in "xy"}


DRAG = Channels(
    **_pair("start_", "start of the drag, from the adatom's believed position", f"{START_NM} nm"),
    **_pair("end_", "end of the drag, from the adatom's believed position", f"{END_NM} nm"),
    bias="bias, from 5 to 15 mV",
    conductance="conductance of the junction over the adatom, from 3 to 6 uS",
    look="below -1/3: drag only; above 1/3: image only; between: both",
)
"""Action of STM-v0."""
DRAG_ONE = Channels(
    **DRAG, which="adatom, in the observation's order, in equal shares of the range"
)
"""Action of STMBuild-v0."""

SLOT = Channels(
    **_pair("way_", "from the adatom to its target, as believed", "3 nm", 0.3),
    **_pair("", "believed position of the adatom", f"{BORDER_NM:g} nm", 0.4),
    placed=Channel("1 if it seems to be in place", scale=0.3),
    stale=Channel("drags of it since the last image", "4", 0.15),
    **_pair("near_", "from it to the nearest other adatom", "2 nm", 0.7),
)
"""Channels of each adatom that is to be moved."""
SHARED = Channels(
    hollow="kind of hollow of the first adatom's target: -1 fcc, 1 hcp",
    **_pair("shift_", "expected drift since the last image", "0.5 nm", 0.03),
    **_pair("drift_", "drift between the last two images", "0.03 nm/s", 0.2),
    since_look=Channel("time since the last image", "60 s", 0.04),
    time_left=Channel("part of the time that is left", scale=0.3),
    landed=Channel("1 if the image shows the result of the drag before it", scale=0.4),
    **_pair("landing_", "from the end of that drag to the adatom", "0.5 nm", 0.8),
    **{
        f"last_{name}": Channel(f"`{name}` of the last action that dragged", scale=0.4)
        for name in DRAG
    },
    **{
        f"trace_{k}": Channel(
            f"current of the last drag over its set value, part {k + 1}", "1.5", 0.25
        )
        for k in range(BINS)
    },
)
"""Channels that follow those of the adatoms."""


def _within(interval: tuple[float, float], action: Float64) -> Float64:
    """Values in an interval for actions from -1 to 1."""
    low, high = interval
    return low + 0.5 * (high - low) * (action + 1.0)


def decode(action: Float64, at: Float64) -> tuple[Float64, Float64, Float64, Float64]:
    """Settings of drags.

    Args:
        action: (N, 7 or 8) float64, see `DRAG`.
        at: (N, 2) float64, believed positions of the adatoms, nm.

    Returns:
        Starts and ends, (N, 2), nm, within the field; bias, (N,), V; conductance, (N,), uS.
    """
    starts = np.clip(at + START_NM * action[:, 0:2], -BORDER_NM, BORDER_NM)
    ends = np.clip(at + END_NM * action[:, 2:4], -BORDER_NM, BORDER_NM)
    return starts, ends, _within(BIAS_V, action[:, 4]), _within(CONDUCTANCE_US, action[:, 5])


LARGEST = 2.0
"""Largest value of a channel of the vectors, in its unit."""


def numbers_of(movers: int) -> Channels:
    """Channels of the vector for a number of adatoms that are to be moved."""
    slots = {f"{name}_{k}": channel for k in range(movers) for name, channel in SLOT.items()}
    return Channels(**{**slots, **SHARED}).within(-LARGEST, LARGEST)


ACTIONS = (
    "look again",
    *(f"pulse {volts:+g} V" for volts in PULSES_V),
    *(f"dip {depth:g} nm" for depth in DIPS_NM),
    "move to a fresh place",
    "accept",
)
"""Actions by number."""

SCALES = (0.2, 1.0, 0.02, 1.0)
"""Readings of the tip that are observed as 1: nm, part, nm, part."""
_SIGNALS = (("0.2 nm", 0.3, 0.0), ("", 0.3, 0.0), ("0.02 nm", 0.3, 0.0), ("", 0.15, 1.0))
_READ = dict(zip(READINGS, _SIGNALS, strict=True))

_BEFORE = ACTIONS[:-1]  # an acceptance is the last action of an episode

TIP = Channels(
    **{
        name: Channel(f"{name} in the last image", unit, scale, centre)
        for name, (unit, scale, centre) in _READ.items()
    },
    **{
        f"mean_{name}": Channel(f"mean {name} since the tip was last touched", unit, scale, centre)
        for name, (unit, scale, centre) in _READ.items()
    },
    readings=Channel("images since the tip was last touched", "5", 0.1),
    **{
        f"last_{k}": Channel(f"1 if the last action was {name}", scale=0.3)
        for k, name in enumerate(_BEFORE)
    },
    **{f"count_{k}": Channel(f"actions {name} so far", "5", 0.2) for k, name in enumerate(_BEFORE)},
    clean=Channel("clean surface, part of a place", scale=0.3),
    places=Channel("fresh places left", "20", 0.05),
    time_left=Channel("part of the time that is left", scale=0.3),
).within(-LARGEST, LARGEST)
"""Channels of STMTip-v0."""
