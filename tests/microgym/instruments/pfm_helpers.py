"""What the tests of the piezoresponse force microscope share."""

from dataclasses import replace
from typing import Any

import numpy as np

from microgym.instruments.pfm.instrument import PFMInstrument
from microgym.instruments.pfm.settings import (
    DRIFT_LEVELS,
    READOUT_LEVELS,
    TIP_LEVELS,
    PFMSettings,
)
from microgym.instruments.pfm.state import SIZE
from microgym.physics.ferroelectric import LatticeParameters
from microgym.random import episode_key

CENTRE = 0.5 * (SIZE - 1)
CALM = PFMSettings(
    lattice=LatticeParameters(),
    disorder=0.0,
    drift=DRIFT_LEVELS["off"],
    tip=TIP_LEVELS["off"],
    readout=READOUT_LEVELS["off"],
)
"""Nothing but the lattice and the tip."""


def make(count: int = 1, seed: int = 0, family: str = "mixed", **changes: Any) -> PFMInstrument:
    instrument = PFMInstrument(count, replace(CALM, **changes))
    keys = np.stack([episode_key(seed + k) for k in range(count)])
    instrument.reset(np.arange(count), keys, family, "train")
    return instrument


def pulse(
    instrument: PFMInstrument, volts: float, seconds: float = 1e-2, at: Any = (CENTRE, CENTRE)
) -> None:
    n = instrument.num_envs
    places = np.broadcast_to(np.asarray(at, float), (n, 2)).copy()
    instrument.pulse(np.arange(n), places, np.full(n, float(volts)), np.full(n, float(seconds)))


def radius_nm(instrument: PFMInstrument) -> Any:
    cells = (instrument.state.p > 0.0).sum(axis=(1, 2))
    return np.sqrt(cells / np.pi) * instrument.settings.cell_m * 1e9


def loop(instrument: PFMInstrument, disturb: bool = False) -> Any:
    n = instrument.num_envs
    found = np.zeros((n, 2))
    instrument.loop(np.arange(n), np.full((n, 2), CENTRE), found, disturb)
    return found
