"""Reference agents of STM-v0 and STMBuild-v0 without privileged information: random and expert."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.agent import BaseAgent
from microgym.agents.core.random_agent import SeededRandomAgent
from microgym.envs.stm.config import STMBuildConfig
from microgym.envs.stm.move_task import BENEATH, ON_TARGET_NM
from microgym.envs.stm.observation import BINS, END_NM, START_NM, numbers_of
from microgym.instruments.stm.settings import STMSettings
from microgym.physics.adatoms import LATTICE_NM
from microgym.state import Bool, Float32, Float64, Int64, Shape

_ROOT3 = math.sqrt(3.0)
ROWS = np.array([(math.cos(k * math.pi / 3), math.sin(k * math.pi / 3)) for k in range(6)])
HALF_ZIGZAG_NM = LATTICE_NM / (4.0 * math.sqrt(3.0))
LONGEST_NM = 6.0 * LATTICE_NM
"""Longest drag: within reach along either axis, with room to overshoot."""


_SEARCH = np.array([0.0, 1.0, -1.0])
_UNSEEN_S = 0.5 * STMSettings().image_s + STMSettings().drag_s
"""Time of the drift that the observation leaves out, s: half of the image, and lowering the tip."""


def components_for(movers: int) -> int:
    """Components of an action that moves one adatom, or one of several."""
    return 7 if movers == 1 else 8


def movers_for(env_id: str, env_kwargs: Mapping[str, Any]) -> int:
    """Adatoms to be moved, from the arguments of an environment."""
    several = env_id == "STMBuild-v0"
    return int(env_kwargs.get("atoms", STMBuildConfig.atoms)) if several else 1


class DragAgent(BaseAgent):
    """An agent that drags adatoms.

    Args:
        movers: adatoms to be moved; an attribute, too.
        config: as for `BaseAgent`.
    """

    def __init__(self, movers: int = 1, config: Any = None) -> None:
        super().__init__(config)
        self.movers = movers

    @classmethod
    def for_env(cls, env_id: str, env_kwargs: Mapping[str, Any]) -> Self:
        """The agent for the number of adatoms to be moved."""
        return cls(movers_for(env_id, env_kwargs))


class RandomAgent(DragAgent, SeededRandomAgent):
    """Uniform drags from around the adatom to anywhere in reach."""

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        return (2.0 * self.draw(components_for(self.movers)) - 1.0).astype(np.float32)


def side_of_row(hollows: Float64, rows: Int64) -> Float64:
    """Side of rows through hollows on which the other hollows of their zigzags are: 1 is left.

    Args:
        hollows: (k,) kinds, -1 (fcc) or 1 (hcp).
        rows: (k,) int64, numbers of the rows, 0 to 5.
    """
    return np.where(rows % 2 == 0, 1.0, -1.0) * np.where(hollows < 0.0, 1.0, -1.0)


def legs(ways: Float64) -> tuple[Int64, Float64, Float64]:
    """Decomposition of displacements (k, 2), nm, along the two rows that enclose them.

    Returns:
        Number of the row of the longer move, 0 to 5, its length, and the length of the shorter
        move, nm; each (k,).
    """
    angle = np.mod(np.arctan2(ways[:, 1], ways[:, 0]), 2.0 * math.pi)
    first = np.floor(angle / (math.pi / 3.0)).astype(np.int64) % 6
    inside = angle - first * (math.pi / 3.0)
    far = np.hypot(ways[:, 0], ways[:, 1]) / math.sin(math.pi / 3.0)
    along, beside = far * np.sin(math.pi / 3.0 - inside), far * np.sin(inside)
    swapped = beside > along
    number = np.where(swapped, (first + 1) % 6, first)
    return number, np.maximum(along, beside), np.minimum(along, beside)


def snapped(ways: Float64, hollows: Float64) -> tuple[Float64, Float64]:
    """Displacements from the hollows nearest to measured places, and the kinds of these hollows.

    Args:
        ways: (k, 2) from the measured places to the targets, nm.
        hollows: (k,) kinds of the targets' hollows, -1 (fcc) or 1 (hcp).

    Returns:
        (k, 2) nm; (k,).
    """
    third = np.where(hollows < 0.0, 1.0, 2.0)[:, None] / 3.0
    cells = np.stack([ways[:, 0] - ways[:, 1] / _ROOT3, 2.0 * ways[:, 1] / _ROOT3], axis=1)
    at = third - cells / LATTICE_NM
    corner = np.floor(at)
    kind = np.where((at - corner).sum(axis=1) >= 1.0, 1.0, -1.0)
    exact = third - corner - np.where(kind < 0.0, 1.0, 2.0)[:, None] / 3.0
    found = LATTICE_NM * np.stack(
        [exact[:, 0] + 0.5 * exact[:, 1], 0.5 * _ROOT3 * exact[:, 1]], axis=1
    )
    return found, kind


@dataclass(frozen=True)
class ExpertConfig:
    """Configuration of the expert; found by search on training specimens.

    Attributes:
        overshoot_nm: distance of the end of a drag beyond the target.
        lead_nm: distance of the beginning of a drag behind the adatom.
        conductance, bias: settings, as actions, -1 to 1.
        push_nm: increase of the overshoot for each failure in a row.
        search_nm: distance to either side at which an adatom is looked for after failures.
        learning: part of a landing error that is compensated in the next drag.
        straight_nm: displacements shorter than this are made straight, not along rows.
        wary: whether an image is taken where the current at the end of a drag says that the
            adatom was lost; else it is dragged on from where the current says.
        trusted: drags since the last image after which one is taken, whatever the current says.
        near_nm: way that is left after a drag that should have brought the adatom to its target,
            at most: overshoot and drift.
    """

    overshoot_nm: float = 0.095
    lead_nm: float = 0.04
    conductance: float = 1.0
    bias: float = -0.2
    push_nm: float = 0.06
    search_nm: float = 0.08
    learning: float = 0.25
    straight_nm: float = 0.28
    wary: bool = True
    trusted: int = 5
    near_nm: float = 0.38


class ExpertState(NamedTuple):
    """Memory of the expert.

    Attributes:
        correction: (N, 2) mean landing error: from where an adatom should be to where it is.
        behind: (N,) drags in a row that left the adatom behind.
        ahead: (N, 2) from where the last adatom should be to the end of its drag.
    """

    correction: Annotated[Float64, Shape(2, unit="nm")]
    behind: Annotated[Int64, Shape()]
    ahead: Annotated[Float64, Shape(2, unit="nm")]


class ExpertAgent(DragAgent):
    """Drags along close-packed rows, and compensates drift and landing errors.

    An image is taken where the current of a drag says that the adatom was lost, after several
    drags, and where all adatoms should be in place.
    """

    name = "expert"
    Config = ExpertConfig
    State = ExpertState

    def __init__(self, movers: int = 1, config: ExpertConfig | None = None) -> None:
        super().__init__(movers, config)
        self.channels = numbers_of(movers)
        self.observation_shapes = {"numbers": (len(self.channels),)}

    def read(self, numbers: NDArray[Any]) -> dict[str, Float64]:
        """Values of the channels, each (N,), of vectors (N, channels)."""
        return self.channels.unpack(numbers.astype(np.float64))

    def choose(self, seen: Mapping[str, Float64]) -> tuple[Int64, Int64]:
        """The adatom to be dragged: the first in the observation's order that is not done.

        One that was dragged to its target since the last image is taken to be there.

        Returns:
            Its number in the order, and how many are not done; each (N,).
        """
        stale, way = of_slots(seen, "stale", self.movers), self._ways(seen)
        near = np.hypot(way[..., 0], way[..., 1]) < self.config.near_nm
        done = (of_slots(seen, "placed", self.movers) > 0.5) | ((stale > 0.0) & near)
        return done.argmin(axis=1), (~done).sum(axis=1)

    def hop(self, seen: Mapping[str, Float64]) -> tuple[Float64, Float64, Float64]:
        """The displacement that is asked of the chosen adatom, between hollows.

        Returns:
            From the believed position to the adatom's hollow, and from there to the target,
            (N, 2) nm; kind of the hollow, (N,).
        """
        which, _ = self.choose(seen)
        at = np.arange(which.size)
        way = self._ways(seen)[at, which]
        followed = of_slots(seen, "stale", self.movers)[at, which] > 0.0
        followed &= 1.5 * seen[f"trace_{BINS - 1}"] > BENEATH
        # Targets of a figure are hollows of one kind.
        fixed, hollow = snapped(way + followed[:, None] * self.state.ahead, seen["hollow"])
        # An adatom that seems to be on its target is not, or the episode would be over.
        there = np.hypot(fixed[:, 0], fixed[:, 1]) < 0.01
        fixed = np.where(there[:, None], way, fixed)
        return way - fixed, fixed, hollow

    def _ways(self, seen: Mapping[str, Float64]) -> Float64:
        """From the believed positions to the targets, (N, movers, 2) nm."""
        ways = [of_slots(seen, f"way_{axis}", self.movers) for axis in "xy"]
        return 3.0 * np.stack(ways, axis=2)

    def aim(self, beside: Float64, seen: Mapping[str, Float64]) -> Float64:
        """Positions to drag from, relative to the believed ones, (N, 2) nm.

        Args:
            beside: (N, 2) from the believed positions to the adatoms' hollows, nm.
            seen: values of the channels, of which the expected drift is compensated.
        """
        drift = 0.5 * pair(seen, "shift_") + _UNSEEN_S * 0.03 * pair(seen, "drift_")
        return beside + drift - self.state.correction

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        """One drag, or an image."""
        config = self.config
        seen = self.read(observation["numbers"])
        self._learn(seen)
        which, rest = self.choose(seen)
        beside, fixed, hollow = self.hop(seen)
        far = np.maximum(np.hypot(fixed[:, 0], fixed[:, 1]), 1e-6)
        number, longer, shorter = legs(fixed)
        straight = (shorter <= 0.12) | (far < config.straight_nm)
        row = ROWS[number]
        along = np.where(straight[:, None], fixed / far[:, None], row)
        left = np.stack([-row[:, 1], row[:, 0]], axis=1)
        side = np.where(straight, 0.0, side_of_row(hollow, number) * HALF_ZIGZAG_NM)
        length = np.where(straight, far, longer)
        # After three failures in a row the overshoot starts again.
        beyond = config.overshoot_nm + config.push_nm * (self.state.behind % 4)
        reach = np.minimum(length, LONGEST_NM) + beyond
        # An adatom that stayed behind was missed: it is looked for on the line, left and right.
        side += config.search_nm * _SEARCH[self.state.behind % 3]
        base = self.aim(beside, seen) + side[:, None] * left
        action = np.zeros((self.num_envs, components_for(self.movers)))
        action[:, 0:2] = (base - config.lead_nm * along) / START_NM
        action[:, 2:4] = (base + reach[:, None] * along) / END_NM
        action[:, 4], action[:, 5] = config.bias, config.conductance
        # An image shows the result of the last drag that is needed.
        last = straight & (length <= LONGEST_NM)
        action[:, 6] = np.where(last & (rest == 1), 0.0, -1.0)
        due = self._due(seen, rest)
        action[due, 6] = 1.0
        action[:, 7:] = (2.0 * (which + 0.5) / self.movers - 1.0)[:, None]
        ahead = base - beside + beyond[:, None] * along
        self.state.ahead[~due] = ahead[~due]
        return np.clip(action, -1.0, 1.0).astype(np.float32)

    def _due(self, seen: Mapping[str, Float64], rest: Int64) -> Bool:
        """Where an image is taken before any further drag, (N,).

        Args:
            seen: values of the channels.
            rest: (N,) adatoms that are not done.
        """
        config = self.config
        drags = 4.0 * of_slots(seen, "stale", self.movers).sum(axis=1)
        lost = config.wary * (1.5 * seen[f"trace_{BINS - 1}"] < BENEATH)
        return (drags > 0.5) & (lost | (drags > config.trusted - 0.5) | (rest == 0))

    def _learn(self, seen: Mapping[str, Float64]) -> None:
        """Update the memory with the last landings."""
        correction, failures, ahead = self.state
        landed, error = seen["landed"] > 0.5, ahead + 0.5 * pair(seen, "landing_")
        way = END_NM * pair(seen, "last_end_") - START_NM * pair(seen, "last_start_")
        along = way / np.maximum(np.hypot(way[:, 0], way[:, 1]), 1e-6)[:, None]
        behind = landed & ((error * along).sum(axis=1) < -2.0 * ON_TARGET_NM)
        failures[behind] += 1
        came = landed & ~behind
        failures[came] = 0
        correction[came] += self.config.learning * error[came]


def of_slots(seen: Mapping[str, Float64], name: str, movers: int) -> Float64:
    """Values of a channel of each adatom, (N, movers)."""
    return np.stack([seen[f"{name}_{k}"] for k in range(movers)], axis=1)


def pair(seen: Mapping[str, Float64], name: str, of: str = "") -> Float64:
    """Values of the channels of a vector along x and y, (N, 2)."""
    return np.stack([seen[f"{name}x{of}"], seen[f"{name}y{of}"]], axis=1)
