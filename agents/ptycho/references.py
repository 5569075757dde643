"""Reference agents of Ptycho-v0, by its continuous action: random, patterns, expert and oracle."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.agent import BaseAgent
from microgym.agents.core.convolution import convolve, radii, soft_disk
from microgym.agents.core.random_agent import SeededRandomAgent
from microgym.envs.ptycho.config import PtychoConfig
from microgym.envs.ptycho.observation import MAPS
from microgym.state import Float32, Float64, Shape

Maps = Mapping[str, NDArray[Any]]

CELLS = 32
"""Cells along an edge of the maps of the default observation."""
PATTERN_S = 0.25
"""Exposure time of random positions and patterns, s (design choice)."""


def expose(num_envs: int, places: Float64, seconds: float) -> Float32:
    """Actions (N, 3) that expose places in [-1, 1], (2,) or (N, 2), for the same time."""
    action = np.empty((num_envs, 3), np.float32)
    action[:, :2], action[:, 2] = places, math.log10(seconds)
    return action


class RandomAgent(SeededRandomAgent):
    """Uniform positions, exposed for `PATTERN_S`."""

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        return expose(self.num_envs, 2.0 * self.draw(2) - 1.0, PATTERN_S)


class PatternAgent(BaseAgent):
    """A fixed list of positions, `PATTERN_S` each, from its beginning when it is used up.

    Args:
        config: arguments of the environment; there are as many positions as exposures.
    """

    Config = PtychoConfig

    def __init__(self, config: PtychoConfig | None = None) -> None:
        super().__init__(config)
        self.points = np.clip(self.pattern(self.config.exposures), -1.0, 1.0)

    @staticmethod
    @abstractmethod
    def pattern(exposures: int) -> Float64:
        """Positions (exposures, 2), (y, x) in about -1 to 1."""

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        return expose(self.num_envs, self.points[self.steps % len(self.points)], PATTERN_S)


class RasterAgent(PatternAgent):
    """Rows from top to bottom, alternately left to right and back, as even as possible."""

    name = "raster"

    @staticmethod
    def pattern(exposures: int) -> Float64:
        """Positions (exposures, 2), (y, x) in -1 to 1."""
        rows = max(math.ceil(math.sqrt(exposures)), 1)
        share = np.full(rows, exposures // rows)
        share[: exposures % rows] += 1
        points = np.empty((0, 2))
        for i, columns in enumerate(share):
            x = (np.arange(columns) + 0.5) / columns
            y = np.full(columns, (i + 0.5) / rows)
            points = np.concatenate([points, np.stack([y, x[:: 1 - 2 * (i % 2)]], axis=1)])
        return 2.0 * points - 1.0


class SpiralAgent(PatternAgent):
    """Fermat's spiral from the centre outwards (Huang et al., Opt. Express 22, 12634, 2014)."""

    name = "spiral"

    @staticmethod
    def pattern(exposures: int) -> Float64:
        """Positions (exposures, 2), (y, x) in about -1 to 1."""
        k = np.arange(exposures) + 0.5
        radius = np.sqrt(k / exposures) * 1.05
        angle = k * math.pi * (3.0 - math.sqrt(5.0))
        return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)


class HaltonAgent(PatternAgent):
    """Halton sequence in bases 2 and 3 (Numer. Math. 2, 84, 1960)."""

    name = "halton"

    @staticmethod
    def pattern(exposures: int) -> Float64:
        """Positions (exposures, 2), (y, x) in -1 to 1."""
        numbers = np.arange(1, exposures + 1)
        points = np.zeros((exposures, 2))
        for axis, base in enumerate((2, 3)):
            left, scale = numbers, 1.0 / base
            while left.any():  # the digits in this base, mirrored at the radix point
                points[:, axis] += scale * (left % base)
                left, scale = left // base, scale / base
        return 2.0 * points - 1.0


@dataclass(frozen=True)
class GreedyConfig:
    """Model of an exposure with which greedy agents choose; found by search on training specimens.

    Attributes:
        probe_cells: diameter of the probe, cells.
        saturation: k in the unknown part exp(-k * exposures) of a cell.
        dwell_s: exposure time on structure, s.
    """

    probe_cells: float = 4.5
    saturation: float = 12.0
    dwell_s: float = 0.28


def best_places(gains: Float64) -> Float64:
    """Positions (N, 2), (y, x) in -1 to 1, of the cells with the largest gain."""
    best = gains.reshape(len(gains), -1).argmax(axis=1)
    cells = np.stack(np.divmod(best, CELLS), axis=1)
    return 2.0 * (cells + 0.5) / CELLS - 1.0


class ExposureModel:
    """What an exposure shows, as greedy agents think.

    Maps are values by name, as `MAPS.unpack` gives them, each (N, CELLS, CELLS).

    Args:
        config: numbers of the model.
    """

    def __init__(self, config: GreedyConfig) -> None:
        self.config = config
        disk = soft_disk(0.5 * config.probe_cells, CELLS)
        self._kernel = np.fft.rfft2(1.0 - np.exp(-config.saturation * disk))

    def unknown(self, maps: Maps) -> Float64:
        """Part of each cell that earlier exposures left unknown, (N, CELLS, CELLS)."""
        coverage = np.clip(maps["coverage"].astype(np.float64), 0.0, 1.0 - 1e-9)
        exposures = -np.log1p(-coverage) / 3.0
        return np.exp(-self.config.saturation * exposures)

    def sums(self, unseen: Float64) -> Float64:
        """Unseen structure under a probe over each cell, (N, CELLS, CELLS)."""
        return convolve(unseen, self._kernel)


@dataclass(frozen=True)
class OracleConfig:
    """Configuration of the oracle; found by search on training specimens.

    Attributes:
        exposures: exposures of an episode.
        dwell_s: exposure time, s.
        least: part of a cell that must be structure for the cell to count.
    """

    exposures: int = PtychoConfig().exposures
    dwell_s: float = 0.25
    least: float = 0.05


def spread_over(weights: Float64, count: int, rounds: int = 25) -> Float64:
    """Positions as even as possible over a weighted map, in the order of a short path.

    Lloyd's algorithm (IEEE Trans. Inf. Theory 28, 129, 1982), from positions each of which is far
    from those before; then from the centre always to the nearest position that is left. Neighbours
    have equal distances, so that the overlap of exposures is the same everywhere.

    Args:
        weights: (cells, cells), at least one above zero.
        count: number of positions.
        rounds: of the algorithm.

    Returns:
        (count, 2), (y, x) in cells.
    """
    places = np.argwhere(weights > 0.0).astype(np.float64)
    mass = weights[weights > 0.0]
    centres = np.empty((count, 2))
    centres[0] = places[mass.argmax()]
    nearest = np.full(len(places), np.inf)
    for k in range(1, count):
        nearest = np.minimum(nearest, np.square(places - centres[k - 1]).sum(axis=1))
        centres[k] = places[(nearest * mass).argmax()]
    for _ in range(rounds):
        owner = np.square(places[:, None] - centres).sum(axis=2).argmin(axis=1)
        total = np.bincount(owner, mass, count)
        for axis in range(2):
            moment = np.bincount(owner, mass * places[:, axis], count)
            np.divide(moment, total, out=centres[:, axis], where=total > 0.0)
    path, left = np.empty((count, 2)), np.ones(count, np.bool_)
    at = np.full(2, 0.5 * (len(weights) - 1))
    for k in range(count):
        away = np.where(left, np.square(centres - at).sum(axis=1), np.inf)
        chosen = int(away.argmin())
        left[chosen] = False
        path[k] = at = centres[chosen]
    return path


def plan_over(structure: Float64, count: int, least: float) -> Float64:
    """Positions of exposures spread over structure.

    Args:
        structure: (CELLS, CELLS), part of each cell that is structure.
        count: number of positions.
        least: part of a cell that must be structure for the cell to count.

    Returns:
        (count, 2), (y, x) in -1 to 1, in the order of a short path.
    """
    weights = np.where(structure >= least, structure, 0.0)
    # An empty specimen is covered as a whole.
    weights = weights if weights.any() else np.ones_like(weights)
    return 2.0 * (spread_over(weights, count) + 0.5) / CELLS - 1.0


class OraclePlan(NamedTuple):
    """Plans of the oracle.

    Attributes:
        places: (N, exposures, 2) float64, (y, x) in -1 to 1.
    """

    places: Annotated[Float64, Shape("exposures", 2)]


class OracleAgent(BaseAgent):
    """Knows structure and drift; spreads its exposures over the structure before the first one."""

    name = "oracle"
    Config = OracleConfig
    State = OraclePlan
    uses_privileged_info = True

    def __init__(self, config: OracleConfig | None = None) -> None:
        super().__init__(config)
        self.sizes = {"exposures": self.config.exposures}

    @classmethod
    def for_env(cls, env_id: str, env_kwargs: Mapping[str, Any]) -> Self:
        """An oracle that plans for the exposures of an episode."""
        return cls(OracleConfig(exposures=PtychoConfig.parse(env_kwargs, env_id).exposures))

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        """Aim at the next planned position, less the drift."""
        latent, count = info["latent"], self.config.exposures
        if self.steps == 0:
            for row, structure in enumerate(latent["structure"].astype(np.float64)):
                self.state.places[row] = plan_over(structure, count, self.config.least)
        aim = self.state.places[:, self.steps % count]
        places = np.clip(aim - latent["drift_px"] / (2.0 * CELLS), -1.0, 1.0)
        return expose(self.num_envs, places, self.config.dwell_s)


@dataclass(frozen=True)
class ExpertConfig:
    """Configuration of the expert; found by search on training specimens.

    Attributes:
        survey: positions along an edge of the coarse raster at the beginning.
        survey_s: exposure time of the raster, s.
        reach: correlation length of structure, cells.
        prior: contrast that is expected where nothing is known.
        doubt: weight of that expectation.
        caution: contrast that counts as noise, in standard deviations of the uncertainty map.
        greedy: model of an exposure, after the raster.
    """

    survey: int = 0
    survey_s: float = 0.3
    reach: float = 0.77
    prior: float = 0.016
    doubt: float = 0.084
    caution: float = 0.16
    greedy: GreedyConfig = GreedyConfig()


class ExpertAgent(BaseAgent):
    """A coarse raster, then greedy exposure of structure that shows or is expected to continue."""

    name = "expert"
    Config = ExpertConfig
    observation_shapes: Mapping[str, tuple[int, ...]] = {"maps": (len(MAPS), CELLS, CELLS)}

    def __init__(self, config: ExpertConfig | None = None) -> None:
        super().__init__(config)
        self.model = ExposureModel(self.config.greedy)
        line = np.exp(-0.5 * (radii(CELLS)[0] / self.config.reach) ** 2)
        self._spread = np.fft.rfft2(np.outer(line, line))
        self._survey = RasterAgent.pattern(self.config.survey**2)

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        if self.steps < len(self._survey):
            return expose(self.num_envs, self._survey[self.steps], self.config.survey_s)
        places = best_places(self.model.sums(self.unseen(MAPS.unpack(observation["maps"]))))
        return expose(self.num_envs, places, self.config.greedy.dwell_s)

    def unseen(self, maps: Maps) -> Float64:
        """Expected contrast that is still unseen in each cell, (N, CELLS, CELLS).

        Expected is the mean of the known contrast, weighted by a Gaussian of the distance, and of
        the prior.
        """
        config = self.config
        amplitude, phase, uncertainty = (
            maps[name].astype(np.float64) for name in ("amplitude", "phase", "uncertainty")
        )
        unknown = self.model.unknown(maps)
        known = 1.0 - unknown
        wave = 2.0 * amplitude * np.exp(1j * math.pi * phase)
        noise = config.caution * 0.5 * uncertainty
        contrast = np.clip(np.abs(wave - 1.0) - noise, 0.0, 0.5)
        weight = convolve(known, self._spread) + config.doubt
        known_sum = convolve(known * contrast, self._spread)
        return (known_sum + config.doubt * config.prior) / weight * unknown
