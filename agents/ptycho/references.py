"""Reference agents of Ptycho-v0, by its continuous action: random, patterns, expert and oracle."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.agent import BaseAgent
from microgym.agents.core.convolution import convolve, radii, soft_disk
from microgym.agents.core.random_agent import SeededRandomAgent
from microgym.envs.ptycho.config import PtychoConfig
from microgym.envs.ptycho.observation import MAPS
from microgym.state import Float32, Float64

CELLS = 32
"""Cells along an edge of the maps of the default observation."""


def expose(num_envs: int, places: Float64, seconds: float) -> Float32:
    """Actions (N, 3) that expose places in [-1, 1], (2,) or (N, 2), for the same time."""
    action = np.empty((num_envs, 3), np.float32)
    action[:, :2], action[:, 2] = places, math.log10(seconds)
    return action


class RandomAgent(SeededRandomAgent):
    """Uniform positions, exposed for one second."""

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        return expose(self.num_envs, 2.0 * self.draw(2) - 1.0, 1.0)


class PatternAgent(BaseAgent):
    """A fixed list of positions, one second each, from its beginning when it is used up.

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
        return expose(self.num_envs, self.points[self.steps % len(self.points)], 1.0)


class RasterAgent(PatternAgent):
    """Rows from top to bottom, alternately left to right and back, as even as possible."""

    name = "raster"

    @staticmethod
    def pattern(exposures: int) -> Float64:
        """Positions (exposures, 2), (y, x) in -1 to 1."""
        rows = math.ceil(math.sqrt(exposures))
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

    probe_cells: float = 5.0
    saturation: float = 3.0
    dwell_s: float = 1.0


@dataclass(frozen=True)
class OracleConfig(GreedyConfig):
    """Model of an exposure with which the oracle chooses; see `GreedyConfig`."""

    probe_cells: float = 5.6
    saturation: float = 2.0
    dwell_s: float = 0.7


def best_places(gains: Float64) -> Float64:
    """Positions (N, 2), (y, x) in -1 to 1, of the cells with the largest gain."""
    best = gains.reshape(len(gains), -1).argmax(axis=1)
    cells = np.stack(np.divmod(best, CELLS), axis=1)
    return 2.0 * (cells + 0.5) / CELLS - 1.0


class _GreedyAgent(BaseAgent):
    """Exposes where the expected unseen structure under the probe is largest.

    Args:
        config: a `GreedyConfig`, or a configuration that has one; None for the best one found.
    """

    observation_shapes: Mapping[str, tuple[int, ...]] = {"maps": (len(MAPS), CELLS, CELLS)}

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self._greedy = greedy = getattr(self.config, "greedy", self.config)
        disk = soft_disk(0.5 * greedy.probe_cells, CELLS)
        self._kernel = np.fft.rfft2(1.0 - np.exp(-greedy.saturation * disk))

    def unknown(self, maps: NDArray[Any]) -> Float64:
        """Part of each cell that earlier exposures left unknown, (N, CELLS, CELLS)."""
        coverage = np.minimum(maps[:, 2].astype(np.float64), 1.0 - 1e-9)
        exposures = -np.log1p(-coverage) / 3.0
        return np.exp(-self._greedy.saturation * exposures)

    def sums(self, unseen: Float64) -> Float64:
        """Unseen structure under a probe over each cell, (N, CELLS, CELLS)."""
        return convolve(unseen, self._kernel)


class OracleAgent(_GreedyAgent):
    """Knows structure and drift; exposes where most of the structure is still unseen."""

    name = "oracle"
    Config = OracleConfig
    uses_privileged_info = True

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        """Aim at the known structure, less the drift."""
        latent = info["latent"]
        unseen = latent["structure"] * self.unknown(observation["maps"])
        aim = best_places(self.sums(unseen))
        places = np.clip(aim - latent["drift_px"] / (2.0 * CELLS), -1.0, 1.0)
        return expose(self.num_envs, places, self._greedy.dwell_s)


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

    survey: int = 2
    survey_s: float = 0.4
    reach: float = 1.65
    prior: float = 0.06
    doubt: float = 0.09
    caution: float = 0.1
    greedy: GreedyConfig = GreedyConfig(probe_cells=5.2, saturation=1.6, dwell_s=0.9)


class ExpertAgent(_GreedyAgent):
    """A coarse raster, then greedy exposure of structure that shows or is expected to continue."""

    name = "expert"
    Config = ExpertConfig

    def __init__(self, config: ExpertConfig | None = None) -> None:
        super().__init__(config)
        line = np.exp(-0.5 * (radii(CELLS)[0] / self.config.reach) ** 2)
        self._spread = np.fft.rfft2(np.outer(line, line))
        looks = self.config.survey**2
        self._survey = RasterAgent.pattern(looks) if looks else np.empty((0, 2))

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        if self.steps < len(self._survey):
            return expose(self.num_envs, self._survey[self.steps], self.config.survey_s)
        places = best_places(self.sums(self.unseen(observation["maps"])))
        return expose(self.num_envs, places, self._greedy.dwell_s)

    def unseen(self, maps: NDArray[Any]) -> Float64:
        """Expected contrast that is still unseen in each cell, (N, CELLS, CELLS).

        Expected is the mean of the known contrast, weighted by a Gaussian of the distance, and of
        the prior.
        """
        config, maps = self.config, maps.astype(np.float64)
        unknown = self.unknown(maps)
        known = 1.0 - unknown
        wave = 2.0 * maps[:, 0] * np.exp(1j * math.pi * maps[:, 1])
        noise = config.caution * 0.5 * maps[:, 4]
        contrast = np.clip(np.abs(wave - 1.0) - noise, 0.0, 0.5)
        weight = convolve(known, self._spread) + config.doubt
        known_sum = convolve(known * contrast, self._spread)
        return (known_sum + config.doubt * config.prior) / weight * unknown
