"""Reference agents of MultiProbeJoint-v0: random, rasters, experts apart and in parts, oracle."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.agent import BaseAgent
from microgym.agents.core.random_agent import SeededRandomAgent
from microgym.agents.ptycho import references as ptycho
from microgym.agents.ptycho.references import CELLS, best_places, expose
from microgym.envs.multi_probe.config import MultiProbeConfig
from microgym.envs.multi_probe.observation import MAPS, NUMBERS, parts, squared_distances
from microgym.state import Float64, Shape

REGION_PX = 128
"""Edge of the scanned region, px."""
EXPERT = ptycho.ExpertAgent()
"""Agent of one probe, whose model of an exposure the teams use."""
ORACLE = ptycho.ExposureModel(ptycho.GreedyConfig(dwell_s=0.25))
"""Model of an exposure with which the oracle chooses."""


def clear_cells(places: NDArray[Any], clearance_px: float, cells: int) -> NDArray[np.bool_]:
    """Cells of square maps that are farther from some places than the clearance.

    Args:
        places: (..., 2), (y, x) in [-1, 1].
        clearance_px: px.
        cells: edge of the maps.

    Returns:
        (..., cells, cells) bool.
    """
    # A pixel more than the clearance, since commands are rounded to pixels.
    radius = 2.0 * (clearance_px + 1.0) / REGION_PX
    return squared_distances(places, cells) > radius * radius


def within(part: Float64, place: Float64) -> Float64:
    """Position in a part (corners, (2, 2)) of the region, from a position in [-1, 1]."""
    return part[0] + 0.5 * (place + 1.0) * (part[1] - part[0])


def maps_of(observation: Mapping[str, NDArray[Any]], probe: int) -> dict[str, NDArray[Any]]:
    """Values of the maps of one probe by name, each (N, CELLS, CELLS)."""
    return {name: one[:, probe] for name, one in MAPS.unpack(observation["maps"]).items()}


def observation_shapes(probes: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the parts of the default observation for a number of probes."""
    return {"maps": (probes, len(MAPS), CELLS, CELLS), "numbers": (probes, len(NUMBERS))}


class TeamAgent(BaseAgent):
    """Base of the agents that decide for all probes, for one after the other.

    Args:
        config: arguments of the environment.
    """

    Config = MultiProbeConfig

    def __init__(self, config: MultiProbeConfig | None = None) -> None:
        super().__init__(config)
        self.parts = parts(self.config.probes)
        self.observation_shapes = observation_shapes(self.config.probes)

    @abstractmethod
    def _choices(
        self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]
    ) -> Iterator[tuple[Float64, float]]:
        """Position, (2,) or (N, 2), and exposure time in s of each probe."""

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Any:
        choices = self._choices(observation, info)
        return np.stack([expose(self.num_envs, *one) for one in choices], axis=1)

    def far_cells(self, places: Float64) -> NDArray[np.bool_]:
        """Cells of a map, (N, CELLS, CELLS), that are clear of some places, (N, 2)."""
        return clear_cells(places, self.config.clearance_px, CELLS)


class RandomAgent(SeededRandomAgent, TeamAgent):
    """Uniform positions, `PATTERN_S` each."""

    def _choices(
        self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]
    ) -> Iterator[tuple[Float64, float]]:
        draws = self.draw(2 * self.config.probes).reshape(self.num_envs, -1, 2)
        for place in np.moveaxis(2.0 * draws - 1.0, 1, 0):
            yield place, ptycho.PATTERN_S


class RasterAgent(TeamAgent):
    """Rows from top to bottom, by each probe in its own equal part; `PATTERN_S` each."""

    name = "raster"

    def _choices(
        self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]
    ) -> Iterator[tuple[Float64, float]]:
        points = ptycho.RasterAgent.pattern(self.config.exposures)
        for part in self.parts:
            yield within(part, points[self.steps % len(points)]), ptycho.PATTERN_S


class AimState(NamedTuple):
    """Memory of independent experts.

    Attributes:
        aim: (N, 4, 2) float64, position that each probe last chose.
    """

    aim: Annotated[Float64, Shape(4, 2)]


class IndependentAgent(SeededRandomAgent, TeamAgent):
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

    def _choices(
        self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]
    ) -> Iterator[tuple[Float64, float]]:
        probes, numbers = self.config.probes, NUMBERS.unpack(observation["numbers"])
        places = np.stack([numbers["y"], numbers["x"]], axis=-1).astype(np.float64)
        gives_way = (numbers["lost"] > 0.5) & (self.draw(probes) < 0.5)
        survey = ptycho.RasterAgent.pattern(EXPERT.config.survey**2)
        for probe in range(probes):
            if self.steps < len(survey):
                place = survey[(self.steps + probe * len(survey) // probes) % len(survey)]
                seconds = EXPERT.config.survey_s
            else:
                gains = EXPERT.model.sums(EXPERT.unseen(maps_of(observation, probe)))
                way = np.sqrt(squared_distances(places[:, probe], CELLS))
                worth = gains - self.travel * gains.max(axis=(1, 2), keepdims=True) * way
                away = self.far_cells(self.state.aim[:, probe])
                away |= ~gives_way[:, probe, None, None]
                for other in set(range(probes)) - {probe}:
                    away &= self.far_cells(places[:, other])
                place = best_places(np.where(away, worth, -np.inf))
                seconds = EXPERT.config.greedy.dwell_s
            self.state.aim[:, probe] = place
            yield place, seconds


class ExpertAgent(TeamAgent):
    """Partitioned experts: each probe scans its own equal part and keeps clear of the others.

    The probes decide in turn: each keeps the clearance from those before it.
    """

    name = "expert"

    def part_cells(self, probe: int) -> NDArray[np.bool_]:
        """Cells of a map that lie in the equal part of one probe, (CELLS, CELLS) bool."""
        centres = 2.0 * (np.arange(CELLS) + 0.5) / CELLS - 1.0
        low, high = self.parts[probe]
        rows, columns = (low[:, None] < centres) & (centres < high[:, None])
        return rows[:, None] & columns

    def _choices(
        self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]
    ) -> Iterator[tuple[Float64, float]]:
        config = EXPERT.config
        survey = ptycho.RasterAgent.pattern(max(config.survey**2 // self.config.probes, 1))
        free = np.ones((self.num_envs, CELLS, CELLS), np.bool_)
        for probe, part in enumerate(self.parts):
            if self.steps < len(survey):
                yield within(part, survey[self.steps]), config.survey_s
                continue
            gains = EXPERT.model.sums(EXPERT.unseen(maps_of(observation, probe)))
            place = best_places(np.where(free & self.part_cells(probe), gains, -np.inf))
            free &= self.far_cells(place)
            yield place, config.greedy.dwell_s


class OracleAgent(TeamAgent):
    """Knows structure and drift; the best places are given to the probes one after the other."""

    name = "oracle"
    uses_privileged_info = True

    def _choices(
        self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]
    ) -> Iterator[tuple[Float64, float]]:
        latent, config = info["latent"], ORACLE.config
        unseen = latent["structure"] * ORACLE.unknown(maps_of(observation, 0))
        free = np.ones(unseen.shape, np.bool_)
        for probe in range(self.config.probes):
            aim = best_places(np.where(free, ORACLE.sums(unseen), -np.inf))
            free &= self.far_cells(aim)
            # Part of each cell that the exposure leaves unknown.
            radius = 0.5 * CELLS * np.sqrt(squared_distances(aim, CELLS))
            disk = np.clip(0.5 * config.probe_cells + 0.5 - radius, 0.0, 1.0)
            unseen = unseen * np.exp(-config.saturation * disk)
            drift = latent["drift_px"][:, probe] / (0.5 * REGION_PX)
            yield np.clip(aim - drift, -1.0, 1.0), config.dwell_s
