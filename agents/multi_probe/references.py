"""Reference agents of MultiProbeJoint-v0: random, rasters, experts apart and in turn, oracle."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.agent import BaseAgent
from microgym.agents.core.random_agent import SeededRandomAgent
from microgym.agents.ptycho import references as ptycho
from microgym.agents.ptycho.references import CELLS, best_places, expose, plan_over
from microgym.envs.multi_probe.config import MultiProbeConfig
from microgym.envs.multi_probe.observation import MAPS, NUMBERS, parts, squared_distances
from microgym.state import Float64, Shape

REGION_PX = 128
"""Edge of the scanned region, px."""
EXPERT = ptycho.ExpertAgent()
"""Agent of one probe, whose model of an exposure the teams use."""
ORACLE = ptycho.OracleConfig()
"""Configuration of the oracle of one probe, which that of teams shares."""
FILL = ptycho.ExposureModel(ptycho.GreedyConfig())
"""Model of an exposure with which the oracle fills gaps of its plan."""


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
        """Cells of a map, (..., CELLS, CELLS), that are clear of some places, (..., 2)."""
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


def near_gains(gains: Float64, places: Float64, travel: float) -> Float64:
    """Gains of exposures less what the way to them costs, (N, CELLS, CELLS).

    Args:
        gains: (N, CELLS, CELLS).
        places: (N, 2), where the probe is, in [-1, 1].
        travel: part of the largest gain that a way across half the region has to be worth.
    """
    way = np.sqrt(squared_distances(places, CELLS))
    return gains - travel * gains.max(axis=(1, 2), keepdims=True) * way


def places_of(observation: Mapping[str, NDArray[Any]]) -> Float64:
    """Latest position of each probe, (N, probes, 2)."""
    numbers = NUMBERS.unpack(observation["numbers"])
    return np.stack([numbers["y"], numbers["x"]], axis=-1).astype(np.float64)


class AimState(NamedTuple):
    """Memory of independent experts.

    Attributes:
        aim: (N, 4, 2) float64, position that each probe last chose.
    """

    aim: Annotated[Float64, Shape(4, 2)]


class IndependentAgent(SeededRandomAgent, TeamAgent):
    """Experts without coordination.

    Each prefers near places and keeps the clearance from the latest positions of the others. Two
    may still choose the same place at once; after a lost exposure each gives way with probability
    one half, as on a shared line.

    Attributes:
        travel: as of `near_gains` (design choice).
    """

    name = "independent"
    State = AimState
    travel = 0.6

    def _choices(
        self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]
    ) -> Iterator[tuple[Float64, float]]:
        probes, places = self.config.probes, places_of(observation)
        lost = NUMBERS.unpack(observation["numbers"])["lost"] > 0.5
        gives_way = lost & (self.draw(probes) < 0.5)
        for probe in range(probes):
            gains = EXPERT.model.sums(EXPERT.unseen(maps_of(observation, probe)))
            worth = near_gains(gains, places[:, probe], self.travel)
            away = self.far_cells(self.state.aim[:, probe])
            away |= ~gives_way[:, probe, None, None]
            for other in set(range(probes)) - {probe}:
                away &= self.far_cells(places[:, other])
            place = best_places(np.where(away, worth, -np.inf))
            self.state.aim[:, probe] = place
            yield place, EXPERT.config.greedy.dwell_s


class ExpertAgent(TeamAgent):
    """Experts that decide in turn: each prefers near places, clear of those before it.

    Attributes:
        travel: as of `near_gains`; of 0 to 0.45, by trial on training specimens, 0.3 did best.
    """

    name = "expert"
    travel = 0.3

    def _choices(
        self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]
    ) -> Iterator[tuple[Float64, float]]:
        places = places_of(observation)
        free = np.ones((self.num_envs, CELLS, CELLS), np.bool_)
        for probe in range(self.config.probes):
            gains = EXPERT.model.sums(EXPERT.unseen(maps_of(observation, probe)))
            worth = near_gains(gains, places[:, probe], self.travel)
            place = best_places(np.where(free, worth, -np.inf))
            free &= self.far_cells(place)
            yield place, EXPERT.config.greedy.dwell_s


def short_path(points: Float64) -> Float64:
    """Points, (k, 2), from the first one always on to the nearest that is left."""
    path, left = points.copy(), points
    for k in range(len(points)):
        nearest = np.square(left - path[max(k - 1, 0)]).sum(axis=1).argmin()
        path[k], left = left[nearest], np.delete(left, nearest, axis=0)
    return path


def team_plan(points: Float64, probes: int, clearance: float) -> Float64:
    """Rounds of simultaneous exposures of some positions.

    The positions are divided along their longest axis, an equal part for each probe, which takes a
    short path through its own; where that would come too close to the probes before it, two of its
    positions change places.

    Args:
        points: (probes * rounds, 2).
        probes: number of probes.
        clearance: least distance, on the scale of the positions.

    Returns:
        (rounds, probes, 2); NaN where a probe cannot come to its position.
    """
    centred = points - points.mean(axis=0)
    along = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    parts = points[along.argsort()].reshape(probes, -1, 2)
    plan = np.stack([short_path(part) for part in parts], axis=1)
    rounds = np.arange(len(plan))
    for probe in range(1, probes):
        mine, others = plan[:, probe], plan[:, :probe]
        # clear[r, s]: in round r the probe may take its position s. NaN is clear of everything.
        away = np.square(others[:, None] - mine[None, :, None]).sum(axis=3)
        clear = ~(away <= clearance * clearance).any(axis=2)
        order = rounds.copy()
        for r in rounds:
            if clear[r, order[r]]:
                continue
            gained = clear[r, order].astype(np.int64) + clear[rounds, order[r]]
            gained -= clear[rounds, order]
            best = np.lexsort((np.abs(rounds - r), -gained))[0]
            if gained[best] > 0:
                order[[r, best]] = order[[best, r]]
        plan[:, probe] = np.where(clear[rounds, order, None], mine[order], np.nan)
    return plan


class TeamPlan(NamedTuple):
    """Plans of the oracle.

    Attributes:
        places: (N, exposures, probes, 2) float64, (y, x) in -1 to 1; NaN where there is none.
    """

    places: Annotated[Float64, Shape("exposures", "probes", 2)]


class OracleAgent(TeamAgent):
    """Knows structure and drift; divides the structure among the probes before the first round.

    A probe without a planned position takes the one with most unseen structure that is clear.
    """

    name = "oracle"
    State = TeamPlan
    uses_privileged_info = True

    def __init__(self, config: MultiProbeConfig | None = None) -> None:
        super().__init__(config)
        self.sizes = {"exposures": self.config.exposures, "probes": self.config.probes}

    def _choices(
        self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]
    ) -> Iterator[tuple[Float64, float]]:
        latent, chosen = info["latent"], self.config
        # A pixel more than the clearance, since commands are rounded to pixels.
        clearance = 2.0 * (chosen.clearance_px + 1.0) / REGION_PX
        if self.steps == 0:
            for row, structure in enumerate(latent["structure"].astype(np.float64)):
                path = plan_over(structure, chosen.exposures * chosen.probes, ORACLE.least)
                self.state.places[row] = team_plan(path, chosen.probes, clearance)
        planned = self.state.places[:, self.steps % chosen.exposures]
        places = np.clip(planned - latent["drift_px"] / (0.5 * REGION_PX), -1.0, 1.0)
        for probe in range(1, chosen.probes):
            away = np.square(places[:, :probe] - places[:, probe, None]).sum(axis=2)
            places[(away <= clearance * clearance).any(axis=1), probe] = np.nan
        # What is nowhere leaves all cells free.
        free = self.far_cells(np.nan_to_num(places, nan=np.inf)).all(axis=1)
        gains = FILL.sums(latent["structure"] * FILL.unknown(maps_of(observation, 0)))
        for probe in range(chosen.probes):
            fill = best_places(np.where(free, gains, -np.inf))
            place = np.where(np.isnan(places[:, probe]), fill, places[:, probe])
            free &= self.far_cells(place)
            yield place, ORACLE.dwell_s
