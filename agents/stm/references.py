"""Reference policies of STM-v0: chance, a skilled operator, one who sees the truth."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.random_agent import SeededRandomAgent
from microgym.envs.stm.config import STMBuildConfig
from microgym.envs.stm.move_task import ON_TARGET_NM
from microgym.envs.stm.observation import END_NM, SHARED, SLOT, START_NM
from microgym.physics.adatoms import LATTICE_NM

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_ROOT3 = math.sqrt(3.0)
ROWS = np.array([(math.cos(k * math.pi / 3), math.sin(k * math.pi / 3)) for k in range(6)])
HALF_ZIGZAG_NM = LATTICE_NM / (4.0 * math.sqrt(3.0))
SHARED_AT = {name: place for place, name in enumerate(SHARED)}
LONGEST_NM = 6.0 * LATTICE_NM
"""Longest drag that is thought of: within reach along either axis, with room to overshoot."""


def actions_of(goal: str) -> int:
    """Components of an action of "move" or "build"."""
    return 7 if goal == "move" else 8


class RandomAgent(SeededRandomAgent):
    """Drags from anywhere near the adatom to anywhere in reach; or any conditioning.

    Args:
        goal: of the environment.
    """

    def __init__(self, goal: str = "move") -> None:
        self._goal = goal

    def act(self, observation: Any, info: Mapping[str, Any]) -> NDArray[Any]:
        """Draw actions."""
        del observation
        size = 1 if self._goal == "tip" else actions_of(self._goal)
        draws = self.draw(size)
        if self._goal != "tip":
            return (2.0 * draws - 1.0).astype(np.float32)
        masks: NDArray[np.bool_] = info["action_mask"]
        free = [np.flatnonzero(mask) for mask in masks]
        return np.array([f[int(u[0] * len(f))] for f, u in zip(free, draws, strict=True)])


def numbers_of(observation: Any) -> Float32:
    """The vector of an observation of either kind."""
    return observation["numbers"] if isinstance(observation, Mapping) else observation


def side_of_row(hollows: Float64, rows: NDArray[np.int64]) -> Float64:
    """On which side of rows through hollows the other hollows of their zigzags are: 1 is left.

    Args:
        hollows: (k,) kinds, -1 (fcc) or 1 (hcp).
        rows: (k,) int64, numbers of the rows, 0 to 5.
    """
    return np.where(rows % 2 == 0, 1.0, -1.0) * np.where(hollows < 0.0, 1.0, -1.0)


def legs(ways: Float64) -> tuple[NDArray[np.int64], Float64, Float64]:
    """Ways as moves along the two close-packed rows that enclose them.

    Args:
        ways: (k, 2) nm.

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
    """Ways from the hollows nearest to measured places, and the kinds of these hollows.

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
class Operator:
    """Habits of a skilled operator; found by search on training specimens.

    Attributes:
        overshoot_nm: how far beyond the place where the adatom is to end the tip goes.
        lead_nm: how far behind the adatom the tip comes down.
        conductance: first setting, as an action, -1 to 1.
        firmer: added to it after a drag that left the adatom behind.
        bias: setting, as an action.
        foresight: part of the expected drift since the last image that is added.
        push_nm: added to the overshoot for every time in a row that the adatom stayed behind.
        learning: part of a landing's error that the next drag is corrected by.
        looks: image after every drag (1), or only after the last leg of a way (0).
        straight_nm: ways shorter than this are gone straight, not by rows.
    """

    overshoot_nm: float = 0.1
    lead_nm: float = 0.03
    conductance: float = 1.0
    firmer: float = 0.0
    bias: float = -0.5
    foresight: float = 1.15
    push_nm: float = 0.095
    learning: float = 0.35
    looks: int = 0
    straight_nm: float = 0.15


class ExpertAgent:
    """Goes by close-packed rows, looks, corrects, and presses harder where an adatom stayed behind.

    Args:
        movers: adatoms to be moved.
        operator: habits.

    Attributes:
        press: (N,) float64, conductance that is to be set, as an action.
        correction: (N, 2) float64, where adatoms come to rest, from where they should, nm.
        behind: (N,) int64, how often in a row one stayed behind.
    """

    name = "expert"
    needs_truth = False

    def __init__(self, movers: int = 1, operator: Operator | None = None) -> None:
        self._movers = movers
        self._operator = operator or Operator()

    def reset(self, num_envs: int, seeds: Sequence[int]) -> None:
        """Begin N episodes."""
        del seeds
        self.press = np.zeros(num_envs)
        self.correction = np.zeros((num_envs, 2))
        self.behind = np.zeros(num_envs, np.int64)
        self.begin(np.ones(num_envs, np.bool_))

    def begin(self, rows: NDArray[np.bool_]) -> None:
        """Begin new episodes in some rows, (N,) bool, and go on in the others."""
        self.press[rows] = self._operator.conductance
        self.correction[rows] = 0.0
        self.behind[rows] = 0

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays that are the whole memory, by name."""
        return {"press": self.press, "correction": self.correction, "behind": self.behind}

    def act(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """One drag each, or a look."""
        del info
        habits = self._operator
        seen = numbers_of(observation).astype(np.float64)
        shared = seen[:, len(SLOT) * self._movers :]
        self._learn(shared)
        way, stale = 3.0 * seen[:, 0:2], seen[:, SLOT.index("stale")]
        fixed, hollow = snapped(way, shared[:, SHARED_AT["hollow"]])
        # It seems to be there already; had it been, the episode would be over.
        there = np.hypot(fixed[:, 0], fixed[:, 1]) < 0.01
        fixed = np.where(there[:, None], way, fixed)
        far = np.maximum(np.hypot(fixed[:, 0], fixed[:, 1]), 1e-6)
        number, longer, shorter = legs(fixed)
        straight = (shorter <= 0.12) | (far < habits.straight_nm)
        row = ROWS[number]
        along = np.where(straight[:, None], fixed / far[:, None], row)
        left = np.stack([-row[:, 1], row[:, 0]], axis=1)
        aside = (
            np.where(straight, 0.0, side_of_row(hollow, number) * HALF_ZIGZAG_NM)[:, None] * left
        )
        length = np.where(straight, far, longer)
        goes_on = length > LONGEST_NM
        # After three pushes in vain, from the beginning.
        beyond = habits.overshoot_nm + habits.push_nm * (self.behind % 4)
        reach = np.minimum(length, LONGEST_NM) + beyond
        base = way - fixed + self.shift(shared) - self.correction + aside
        action = np.zeros((seen.shape[0], 7 if self._movers == 1 else 8))
        action[:, 0:2] = (base - habits.lead_nm * along) / START_NM
        action[:, 2:4] = (base + reach[:, None] * along) / END_NM
        action[:, 4], action[:, 5] = habits.bias, self.press
        last = straight & ~goes_on
        action[:, 6] = np.where(last | there | bool(habits.looks), 0.0, -1.0)
        action[(stale > 0.0) & (np.hypot(way[:, 0], way[:, 1]) < 1.5 * ON_TARGET_NM), 6] = 1.0
        if self._movers > 1:
            action[:, 7] = -1.0
        return np.clip(action, -1.0, 1.0).astype(np.float32)

    def shift(self, shared: Float64) -> Float64:
        """Drift that is reckoned with, (N, 2) nm, from what is told once, (N, numbers)."""
        told = shared[:, [SHARED_AT["shift_x"], SHARED_AT["shift_y"]]]
        return self._operator.foresight * 0.5 * told

    def _learn(self, shared: Float64) -> None:
        """Take the last landings to heart."""
        habits = self._operator
        landed = shared[:, SHARED_AT["landed"]] > 0.0
        error = 0.5 * shared[:, [SHARED_AT["landing_x"], SHARED_AT["landing_y"]]]
        ahead = END_NM * shared[:, [SHARED_AT["last_end_x"], SHARED_AT["last_end_y"]]]
        ahead -= START_NM * shared[:, [SHARED_AT["last_start_x"], SHARED_AT["last_start_y"]]]
        along = ahead / np.maximum(np.hypot(ahead[:, 0], ahead[:, 1]), 1e-6)[:, None]
        lost = landed & (np.hypot(error[:, 0], error[:, 1]) > 0.3)
        self.press[lost] = np.minimum(self.press[lost] + habits.firmer, 1.0)
        behind = landed & ((error * along).sum(axis=1) < -2.0 * ON_TARGET_NM)
        self.behind[behind] += 1
        came = landed & ~behind
        self.behind[came] = 0
        self.correction[came] += habits.learning * (error + habits.overshoot_nm * along)[came]


def movers_of(kwargs: Mapping[str, Any]) -> int:
    """Adatoms to be moved in STMBuild-v0, from the environment's arguments."""
    return int(kwargs.get("atoms", STMBuildConfig.atoms))
