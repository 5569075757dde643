"""Reference agents of MultiProbeJoint-v0: random, rasters, experts apart and in parts, oracle."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.agent import BaseAgent
from microgym.agents.core.random_agent import SeededRandomAgent
from microgym.agents.ptycho import references as ptycho
from microgym.agents.ptycho.references import CELLS
from microgym.envs.multi_probe.config import MultiProbeConfig
from microgym.envs.multi_probe.observation import MAPS, NUMBERS, parts
from microgym.state import Shape

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

REGION_PX = 128
"""Edge of the scanned region, px."""
PLACES = 2.0 * (np.arange(CELLS) + 0.5) / CELLS - 1.0
"""Centres of the cells of a map in [-1, 1]."""
_Y, _X = NUMBERS.index("y"), NUMBERS.index("x")


class TeamAgent(BaseAgent):
    """Base of the agents that decide for all probes.

    Args:
        config: arguments of the environment.
    """

    Config = MultiProbeConfig

    def __init__(self, config: MultiProbeConfig | None = None) -> None:
        super().__init__(config)
        probes = self.config.probes
        self.parts = parts(probes)
        self.observation_shapes = {
            "maps": (probes, len(MAPS), CELLS, CELLS),
            "numbers": (probes, len(NUMBERS)),
        }

    @classmethod
    def for_env(cls, env_id: str, env_kwargs: Mapping[str, Any]) -> Self:
        """An agent for the environment's number of probes, exposures and clearance."""
        del env_id
        return cls(MultiProbeConfig.parse(env_kwargs, "MultiProbeEnv"))

    def far_cells(self, place: Float64) -> NDArray[np.bool_]:
        """Cells of a map that are farther from each place than the clearance.

        Args:
            place: (N, 2), (y, x) in [-1, 1].

        Returns:
            (N, CELLS, CELLS) bool.
        """
        y2 = (PLACES - place[:, :1]) ** 2
        x2 = (PLACES - place[:, 1:]) ** 2
        # A pixel more than the clearance, since commands are rounded to pixels.
        clearance = 2.0 * (self.config.clearance_px + 1.0) / REGION_PX
        return y2[:, :, None] + x2[:, None, :] > clearance * clearance

    def part_cells(self, probe: int) -> NDArray[np.bool_]:
        """Cells of a map that lie in the equal part of one probe, (CELLS, CELLS) bool."""
        (top, left), (bottom, right) = self.parts[probe]
        rows = (top < PLACES) & (bottom > PLACES)
        return rows[:, None] & ((left < PLACES) & (right > PLACES))


class RandomAgent(TeamAgent, SeededRandomAgent):
    """Uniform positions, 1 s each.

    Args:
        config: arguments of the environment.
    """

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        del observation, info
        probes = self.config.probes
        draws = self.draw(2 * probes).reshape(-1, probes, 2)
        action = np.zeros((*draws.shape[:2], 3), np.float32)
        action[..., :2] = 2.0 * draws - 1.0
        return action


def within(part: Float64, places: Float64) -> Float64:
    """Positions in a part of the region, from positions in [-1, 1].

    Args:
        part: (2, 2), upper left and lower right corner.
        places: (..., 2).
    """
    return part[0] + 0.5 * (places + 1.0) * (part[1] - part[0])


class RasterAgent(TeamAgent):
    """Rows from top to bottom, by each probe in its own equal part; 1 s each."""

    name = "raster"

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        del observation, info
        points = ptycho.RasterAgent.pattern(self.config.exposures)
        point = points[self.steps % len(points)]
        action = np.zeros((self.num_envs, self.config.probes, 3), np.float32)
        action[..., :2] = [within(part, point) for part in self.parts]
        return action


class _TeamExpert(TeamAgent):
    """Experts of Ptycho-v0, one a probe.

    Args:
        config: arguments of the environment.
    """

    def __init__(self, config: MultiProbeConfig | None = None) -> None:
        super().__init__(config)
        self._expert = ptycho.ExpertAgent()
        self._config = ptycho.ExpertConfig()

    def _gain(self, maps: NDArray[Any]) -> Float64:
        """Expected unseen structure under a probe over each cell, (N, CELLS, CELLS)."""
        return self._expert.sums(self._expert.unseen(maps))

    def _survey(self, probe: int) -> Float64 | None:
        """Position of the survey at the beginning; None after it."""
        raise NotImplementedError

    def _choose(
        self, gains: Float64, probe: int, chosen: list[Float64], places: Float64
    ) -> Float64:
        """Position of one probe, (N, 2).

        Args:
            gains: (N, CELLS, CELLS) of the probe.
            probe: its number.
            chosen: positions of the probes before it in this round, (N, 2) each.
            places: (N, probes, 2), latest positions of all.
        """
        raise NotImplementedError

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        del info
        maps, places = observation["maps"], observation["numbers"][..., [_Y, _X]].astype(np.float64)
        action = np.empty((self.num_envs, self.config.probes, 3), np.float32)
        shared = self.config.share == "maps"
        gains: Float64 | None = None
        chosen: list[Float64] = []
        for probe in range(self.config.probes):
            point = self._survey(probe)
            if point is not None:
                action[:, probe, :2] = point
                action[:, probe, 2] = math.log10(self._config.survey_s)
                continue
            if gains is None or not shared:
                gains = self._gain(maps[:, probe])
            chosen.append(self._choose(gains, probe, chosen, places))
            action[:, probe, :2] = chosen[-1]
            action[:, probe, 2] = math.log10(self._config.greedy.dwell_s)
        return action


class AimState(NamedTuple):
    """Memory of independent experts.

    Attributes:
        aim: (N, 4, 2) float64, position that each probe last chose.
    """

    aim: Annotated[Float64, Shape(4, 2)]


class IndependentAgent(SeededRandomAgent, _TeamExpert):
    """Experts that scan the whole region without coordination.

    Each prefers near places and keeps the clearance from the latest positions of the others. Two
    may still choose the same place at once; after a lost exposure each gives way with probability
    one half, as on a shared line.

    Attributes:
        travel: part of the largest gain that a way across half the region has to be worth (design
            choice).
    """

    name = "independent"
    State = AimState
    travel = 0.6

    def _reset(self, seeds: Sequence[int]) -> None:
        self.allocate(self.num_envs)
        super()._reset(seeds)

    def _survey(self, probe: int) -> Float64 | None:
        looks = ptycho.RasterAgent.pattern(self._config.survey**2)
        if self.steps >= len(looks):
            return None
        return looks[(self.steps + probe * len(looks) // self.config.probes) % len(looks)]

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        lost = observation["numbers"][..., NUMBERS.index("lost")] > 0.5
        self._yields = lost & (self.draw(self.config.probes) < 0.5)
        action = super()._act(observation, info)
        self.state.aim[:, : self.config.probes] = action[..., :2]
        return action

    def _choose(
        self, gains: Float64, probe: int, chosen: list[Float64], places: Float64
    ) -> Float64:
        del chosen
        own = places[:, probe]
        y, x = PLACES - own[:, :1], PLACES - own[:, 1:]
        way = np.sqrt(y[:, :, None] ** 2 + x[:, None, :] ** 2)
        worth = gains - self.travel * gains.max(axis=(1, 2), keepdims=True) * way
        for other in range(self.config.probes):
            if other != probe:
                worth = np.where(self.far_cells(places[:, other]), worth, -np.inf)
        away = self.far_cells(self.state.aim[:, probe]) | ~self._yields[:, probe, None, None]
        return best_places(np.where(away, worth, -np.inf))


class ExpertAgent(_TeamExpert):
    """Partitioned experts: each probe scans its own equal part and keeps clear of the others.

    The probes decide in turn: each keeps the clearance from those before it.
    """

    name = "expert"

    def _survey(self, probe: int) -> Float64 | None:
        looks = ptycho.RasterAgent.pattern(max(self._config.survey**2 // self.config.probes, 1))
        return within(self.parts[probe], looks[self.steps]) if self.steps < len(looks) else None

    def _choose(
        self, gains: Float64, probe: int, chosen: list[Float64], places: Float64
    ) -> Float64:
        del places
        free = np.broadcast_to(self.part_cells(probe), gains.shape).copy()
        for one in chosen:
            free &= self.far_cells(one)
        return best_places(np.where(free, gains, -np.inf))


class OracleAgent(TeamAgent):
    """Knows structure and drift; the best places are given to the probes one after the other."""

    name = "oracle"
    uses_privileged_info = True

    def __init__(self, config: MultiProbeConfig | None = None) -> None:
        super().__init__(config)
        self._oracle = ptycho.OracleAgent()
        self._greedy = ptycho.OracleConfig()

    def _left(self, aim: Float64) -> Float64:
        """Part of each cell that exposures at some places leave unknown, (N, CELLS, CELLS)."""
        y, x = PLACES - aim[:, :1], PLACES - aim[:, 1:]
        radius = 0.5 * CELLS * np.sqrt(y[:, :, None] ** 2 + x[:, None, :] ** 2)
        disk = np.clip(0.5 * self._greedy.probe_cells + 0.5 - radius, 0.0, 1.0)
        return np.exp(-self._greedy.saturation * disk)

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        latent = info["latent"]
        unseen = latent["structure"] * self._oracle.unknown(observation["maps"][:, 0])
        free = np.ones(unseen.shape, np.bool_)
        action = np.empty((self.num_envs, self.config.probes, 3), np.float32)
        for probe in range(self.config.probes):
            gains = self._oracle.sums(unseen)
            aim = best_places(np.where(free, gains, -np.inf))
            free &= self.far_cells(aim)
            unseen = unseen * self._left(aim)
            drift = latent["drift_px"][:, probe] / (0.5 * REGION_PX)
            action[:, probe, :2] = np.clip(aim - drift, -1.0, 1.0)
            action[:, probe, 2] = math.log10(self._greedy.dwell_s)
        return action


def best_places(gains: Float64) -> Float64:
    """Positions (N, 2), (y, x) in [-1, 1], of the cells with the largest gain."""
    best = gains.reshape(len(gains), -1).argmax(axis=1)
    return np.stack([PLACES[best // CELLS], PLACES[best % CELLS]], axis=1)
