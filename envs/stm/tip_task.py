"""Recovering a sharp tip: pulses and dips on clean surface, images that tell how the tip is."""

import math
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from microgym.envs.stm.config import STMConfig
from microgym.instruments.stm.instrument import STMInstrument
from microgym.physics import stm_tip
from microgym.physics.stm_tip import DIPS_NM, PULSES_V

Float64 = NDArray[np.float64]
Rows = NDArray[np.int64]

ACTIONS = (
    "look again",
    *(f"pulse {volts:+g} V" for volts in PULSES_V),
    *(f"dip {depth:g} nm" for depth in DIPS_NM),
    "move to a fresh place",
    "accept",
)
"""What can be done, by the number of the action."""
LOOK, PULSE, DIP = 0, 1, 1 + len(PULSES_V)
MOVE, ACCEPT = len(ACTIONS) - 2, len(ACTIONS) - 1

_DIPS = np.zeros(len(ACTIONS))
_DIPS[DIP:MOVE] = DIPS_NM
_PULSES = np.zeros(len(ACTIONS))
_PULSES[PULSE:DIP] = PULSES_V

RADIUS_NM, FAR_NM = 10.0, 25.0
"""Radius of the surface that an action spoils, nm; that of the two deepest dips and of 8 V
(the forbidden radii of Krull et al., Commun. Phys. 3, 54, 2020)."""
PLACE_NM = 100.0
PACKING = 0.5
"""Edge of the surface within reach of the scanner, nm, and the part of it that discs can fill
(design choices)."""
_SPOILT = np.zeros(len(ACTIONS))
_SPOILT[PULSE:MOVE] = RADIUS_NM
_SPOILT[[PULSE + 4, PULSE + 5, MOVE - 2, MOVE - 1]] = FAR_NM
SPOILT = math.pi * _SPOILT**2 / (PACKING * PLACE_NM**2)
"""Part of a place that each action spoils."""

MEASURED = ("blur", "ghost", "flicker", "slope")
"""What an image tells of the tip, in the order of the readings."""
SCALES = (0.2, 1.0, 0.02, 1.0)
"""Values that are shown as 1: nm, part, nm, part."""
EVIDENCE = 2
"""Images since the tip was last touched that it takes to accept it (design choice)."""


class STMTipTask:
    """N tips that are to be made sharp; arrays have the leading axis N.

    Every action but the last is followed by an image of clean surface, from which the tip's state
    can be guessed. To accept, on the evidence of two images at least, ends the episode.

    Args:
        instrument: the microscopes.
        arguments: of the task.
    """

    def __init__(self, instrument: STMInstrument, arguments: STMConfig) -> None:
        self.instrument = instrument
        self.arguments = arguments
        count = instrument.num_envs
        self.clean = np.ones(count)
        self.places = np.zeros(count, np.int64)
        self.spoilt = np.zeros(count)
        self.reading = np.zeros((count, len(MEASURED)))
        self.mean = np.zeros((count, len(MEASURED)))
        self.readings = np.zeros(count, np.int64)
        self.last = np.zeros(count, np.int64)
        self.accepted = np.zeros(count, np.bool_)
        self.history = np.zeros((count, len(ACTIONS)), np.int64)
        self._noise = stm_tip.READING_LEVELS[arguments.noise]

    def action_space(self) -> spaces.Discrete:
        """Space of one action."""
        return spaces.Discrete(len(ACTIONS))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """What the elements of `features` are."""
        return (
            *MEASURED,
            *(f"mean_{name}" for name in MEASURED),
            "readings",
            *(f"last_{k}" for k in range(len(ACTIONS))),
            *(f"count_{k}" for k in range(len(ACTIONS))),
            "clean",
            "places",
            "time_left",
        )

    def reset(self, rows: Rows, keys: NDArray[np.uint32]) -> None:
        """Draw new tips, none of them sharp, and look at them once."""
        chosen = self.arguments
        self.instrument.reset(rows, keys, chosen.specimen, chosen.split, 1, (1.0, 2.0))
        for array in (self.spoilt, self.readings, self.last, self.accepted, self.history):
            array[rows] = 0
        self.clean[rows] = 1.0
        self.places[rows] = chosen.places
        self._look(rows)

    def step(self, rows: Rows, actions: NDArray[np.int64]) -> None:
        """Condition and look, or accept. What there is no room for is a look."""
        chosen = np.asarray(actions, np.int64)[rows]
        chosen = np.where(self.masks()[rows, chosen], chosen, LOOK)
        self.last[rows] = chosen
        self.history[rows, chosen] += 1
        self.instrument.state.events[rows] = 0.0
        acting = rows[(chosen > LOOK) & (chosen < MOVE)]
        if acting.size:
            self.instrument.condition(acting, _DIPS[self.last], _PULSES[self.last])
            self.clean[acting] -= SPOILT[self.last[acting]]
            self.spoilt[acting] += SPOILT[self.last[acting]]
        leaving = rows[chosen == MOVE]
        if leaving.size:
            self.instrument.go_elsewhere(leaving)
            self.clean[leaving] = 1.0
            self.places[leaving] -= 1
        self.readings[rows[chosen != LOOK]] = 0
        self.accepted[rows] = chosen == ACCEPT
        looking = rows[chosen != ACCEPT]
        if looking.size:
            events = self.instrument.state.events[looking]
            self._look(looking)
            self.instrument.state.events[looking] += events

    def _look(self, rows: Rows) -> None:
        instrument = self.instrument
        instrument.look(rows)
        instrument.read_tip(rows, self._noise, self.reading)
        self.readings[rows] += 1
        part = 1.0 / self.readings[rows][:, None]
        before = np.where(part == 1.0, 0.0, self.mean[rows])
        self.mean[rows] = before + part * (self.reading[rows] - before)

    def masks(self) -> NDArray[np.bool_]:
        """What there is room for, (N, actions)."""
        masks = self.clean[:, None] >= SPOILT - 1e-12
        masks[:, MOVE] = self.places > 0
        masks[:, ACCEPT] = self.readings >= EVIDENCE
        return masks

    def sharp(self, rows: Rows) -> NDArray[np.bool_]:
        """Whether the tips of the rows are sharp."""
        return self.instrument.state.tip.kind[rows] == stm_tip.SHARP

    def potentials(self, rows: Rows) -> tuple[Float64, Float64]:
        """Places' worth of surface spoilt, and 1 for an accepted sharp tip, -1 for a wrong one."""
        right = np.where(self.sharp(rows), 1.0, -1.0)
        return self.spoilt[rows], np.where(self.accepted[rows], right, 0.0)

    def harm(self, rows: Rows) -> dict[str, Float64]:
        """What must not happen: a bad tip taken for a sharp one, (k,)."""
        return {"accepted_bad": (self.accepted[rows] & ~self.sharp(rows)).astype(np.float64)}

    def over(self, rows: Rows) -> NDArray[np.bool_]:
        """Whether the tip was accepted."""
        return self.accepted[rows]

    def features(self, time_left: Float64) -> NDArray[np.float32]:
        """What is told, (N, features) float32 in [-1, 1]; see `feature_names`.

        Args:
            time_left: (N,) part of the time.
        """
        count = self.instrument.num_envs
        last = np.zeros((count, len(ACTIONS)))
        last[np.arange(count), self.last] = 1.0
        columns: list[NDArray[Any]] = [
            self.reading / SCALES,
            self.mean / SCALES,
            self.readings[:, None] / 5.0,
            last,
            self.history / 5.0,
            self.clean[:, None],
            self.places[:, None] / 20.0,
            time_left[:, None],
        ]
        return np.clip(np.concatenate(columns, axis=1), -1.0, 1.0).astype(np.float32)

    def metrics(self) -> dict[str, Float64]:
        """Figures of merit, each (N,)."""
        rows = np.arange(self.instrument.num_envs)
        sharp = self.sharp(rows)
        return {
            "sharp": sharp.astype(np.float64),
            "recovered": (sharp & self.accepted).astype(np.float64),
            "spoilt": self.spoilt.copy(),
        }

    def latent(self) -> dict[str, NDArray[Any]]:
        """What no instrument would know."""
        instrument = self.instrument
        return {
            "tip_state": instrument.state.tip.kind.copy(),
            "traits": instrument.state.tip.traits.copy(),
        }

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """Every array that changes."""
        return {f"goal_{n}": a for n, a in vars(self).items() if isinstance(a, np.ndarray)}
