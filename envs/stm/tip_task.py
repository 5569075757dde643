"""STMTip-v0: recovering a sharp tip by pulses and dips on clean surface."""

import math
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.envs.core.channels import Choices
from microgym.envs.core.declarations import Metric, Term
from microgym.envs.stm import render
from microgym.envs.stm.base_task import TIME, TIP_LATENT, USAGE, TunnellingTask, modes
from microgym.envs.stm.config import STMTipConfig
from microgym.envs.stm.observation import ACTIONS, SCALES, TIP
from microgym.physics import stm_tip
from microgym.state import Bool, Float64, Int64, Shape, Uint32

LOOK, PULSE, DIP = 0, 1, 1 + len(stm_tip.PULSES_V)
MOVE, ACCEPT = len(ACTIONS) - 2, len(ACTIONS) - 1

_PULSES = np.array([0.0, *stm_tip.PULSES_V, *[0.0] * (len(stm_tip.DIPS_NM) + 2)])
_DIPS = np.array([*[0.0] * DIP, *stm_tip.DIPS_NM, 0.0, 0.0])

PLACE_NM = 100.0
PACKING = 0.5
"""Edge of the surface within reach of the scanner, nm, and the part of it that discs can fill
(design choices)."""
_RADII = np.array([0.0, *stm_tip.PULSE_RADII_NM, *stm_tip.DIP_RADII_NM, 0.0, 0.0])
SPOILT = math.pi * _RADII**2 / (PACKING * PLACE_NM**2)
"""Part of a place that each action spoils."""

EVIDENCE = 1
"""Images since the tip was last touched that an acceptance needs (design choice)."""


class TipTaskState(NamedTuple):
    """Records of N episodes.

    Attributes:
        clean: (N,) float64, clean surface of the present place, part of a place.
        places: (N,) int64, fresh places left.
        spoilt: (N,) float64, surface spoilt so far, places.
        reading, mean: (N, 4) float64, last reading, and mean since the tip was last touched.
        readings: (N,) int64, images since the tip was last touched.
        last: (N,) int64, last action.
        accepted: (N,) bool.
        history: (N, actions) int64, number of each action so far.
    """

    clean: Annotated[Float64, Shape()]
    places: Annotated[Int64, Shape()]
    spoilt: Annotated[Float64, Shape()]
    reading: Annotated[Float64, Shape(len(stm_tip.READINGS))]
    mean: Annotated[Float64, Shape(len(stm_tip.READINGS))]
    readings: Annotated[Int64, Shape()]
    last: Annotated[Int64, Shape(high=len(ACTIONS) - 1)]
    accepted: Annotated[Bool, Shape()]
    history: Annotated[Int64, Shape(len(ACTIONS))]


class STMTipTask(TunnellingTask):
    """N tips that are to be made sharp.

    Every action but the last is followed by an image of clean surface, from which the tip is read.
    An acceptance needs two images at least, and ends the episode.
    """

    Config = STMTipConfig
    State = TipTaskState
    OBSERVATION = modes(TIP)
    ACTION = Choices(len(ACTIONS), "number of an action; without room for it, look again", ACTIONS)
    REWARD = {
        "damage": Term(0.5, "minus the surface spoilt, in places", "lower", path="state.spoilt"),
        "time": TIME,
        "agreement": Term(
            1.0,
            "1 for the acceptance of a sharp tip; -1 for that of another, and for none",
            path="agreement",
        ),
    }
    COST = {"accepted_bad": "acceptance of a tip that is not sharp"}
    METRICS = (
        Metric("recovered", "sharp tips accepted", "", "higher", path="recovered"),
        Metric("accepted_bad", "bad tips accepted", group="cost_terms"),
        Metric(
            "spoilt", "surface spoilt", "places", gauge=3.0, text="{value:.2f} places",
            path="state.spoilt",
        ),
        *USAGE,
        Metric("sharp", "sharp tips", "", "higher", report=False, path="sharp"),
    )  # fmt: skip
    LATENT = TIP_LATENT
    PANELS = (render.surface_of_tip, render.readings)

    def begin(self, rows: Int64, keys: Uint32) -> None:
        """Draw new tips, none of them sharp, and take one image with each."""
        config = self.config
        self.instrument.reset(rows, keys, config.specimen, config.split, 1, (1.0, 2.0))
        self.state.clean[rows] = 1.0
        self.state.places[rows] = config.places
        self._look(rows)

    def advance(self, rows: Int64, actions: Any) -> None:
        """Condition the tip and take an image, or accept it."""
        self.share(lambda part: self._act(part, actions), rows)

    def _act(self, rows: Int64, actions: Int64) -> None:
        state = self.state
        chosen = np.asarray(actions, np.int64)[rows]
        chosen = np.where(self.action_masks()[rows, chosen], chosen, LOOK)
        state.last[rows] = chosen
        state.history[rows, chosen] += 1
        acting = rows[(chosen > LOOK) & (chosen < MOVE)]
        self.instrument.condition(acting, _DIPS[state.last], _PULSES[state.last])
        state.clean[acting] -= SPOILT[state.last[acting]]
        state.spoilt[acting] += SPOILT[state.last[acting]]
        leaving = rows[chosen == MOVE]
        self.instrument.go_elsewhere(leaving)
        state.clean[leaving] = 1.0
        state.places[leaving] -= 1
        state.readings[rows[chosen != LOOK]] = 0
        state.accepted[rows] = chosen == ACCEPT
        self.costs[rows, 0] = state.accepted[rows] & (self.sharp[rows] == 0.0)
        self._look(rows[chosen != ACCEPT])

    def _look(self, rows: Int64) -> None:
        state = self.state
        self.take_image(rows)
        self.instrument.read_tip(rows, stm_tip.READING_LEVELS[self.config.noise], state.reading)
        state.readings[rows] += 1
        part = 1.0 / state.readings[rows][:, None]
        before = np.where(part == 1.0, 0.0, state.mean[rows])
        state.mean[rows] = before + part * (state.reading[rows] - before)

    def action_masks(self) -> Bool:
        """Actions that there is room for, (N, actions)."""
        masks = self.state.clean[:, None] >= SPOILT - 1e-12
        masks[:, MOVE] = self.state.places > 0
        masks[:, ACCEPT] = self.state.readings >= EVIDENCE
        return masks

    @property
    def sharp(self) -> Float64:
        """1 where the tip is sharp, (N,)."""
        return (self.instrument.state.tip.kind == stm_tip.SHARP).astype(np.float64)

    @property
    def recovered(self) -> Float64:
        """1 where a sharp tip was accepted, (N,)."""
        return self.sharp * self.state.accepted

    @property
    def agreement(self) -> Float64:
        """1 where a sharp tip was accepted, -1 where another was or time is up, (N,)."""
        over = self.state.accepted | (self.left("ledger.time_s") == 0.0)
        return 2.0 * self.recovered - over

    def over(self, rows: Int64) -> Bool:
        """Also where the tip was accepted."""
        return super().over(rows) | self.state.accepted[rows]

    def columns(self) -> list[NDArray[Any]]:
        """Readings, their means, actions so far, and resources left."""
        state = self.state
        images = [state.reading / SCALES, state.mean / SCALES, state.readings / 5.0]
        actions = [state.last[:, None] == np.arange(ACCEPT), state.history[:, :ACCEPT] / 5.0]
        left = [state.clean, state.places / 20.0, self.left("ledger.time_s")]
        return images + actions + left

    def headline(self, row: int) -> str:
        """State of an episode in words."""
        if not self.state.accepted[row]:
            return f"make the tip sharp again; {self.state.places[row]} fresh places"
        kind = stm_tip.STATES[int(self.instrument.state.tip.kind[row])]
        return "accepted: the tip is sharp" if kind == "sharp" else f"accepted, but it is {kind}"
