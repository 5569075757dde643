"""Reference policies of Ptycho-v0: blind patterns, a skilled operator, one who sees the truth.

All act on the continuous action (y, x, exposure) of the default environment.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.random_agent import SeededRandomAgent

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Spectrum = NDArray[np.complex128]

CELLS = 32
"""Cells along an edge of the maps of the default observation."""
EXPOSURES = 24
"""Exposures of the default episode; patterns are laid out for as many as are left at the start."""


def seconds_to_action(seconds: float) -> float:
    """Third action component for an exposure time between 0.1 and 10 s."""
    return math.log10(seconds)


class RandomAgent(SeededRandomAgent):
    """Anywhere, for one second: uniform positions, so that all that is compared is where."""

    def act(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """Draw positions."""
        del observation, info
        draws = self.draw(2)
        action = np.zeros((len(draws), 3), np.float32)
        action[:, :2] = 2.0 * draws - 1.0
        return action


class PatternAgent:
    """A fixed list of positions, one second each.

    Args:
        name: of the pattern, one of `PATTERNS`.
        exposures: how many positions the pattern is made for.
    """

    needs_truth = False

    def __init__(self, name: str, exposures: int = EXPOSURES) -> None:
        if name not in PATTERNS:
            raise ValueError(f"name={name!r} must be one of {tuple(PATTERNS)}")
        self.name = name
        self._points = np.clip(PATTERNS[name](exposures), -1.0, 1.0)

    def reset(self, num_envs: int, seeds: Sequence[int]) -> None:
        """Begin N episodes."""
        self._num_envs = num_envs
        self._tick = 0

    def act(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """The next point of the pattern; from its beginning when it is used up."""
        del observation, info
        action = np.zeros((self._num_envs, 3), np.float32)
        action[:, :2] = self._points[self._tick % len(self._points)]
        self._tick += 1
        return action


def raster(exposures: int) -> Float64:
    """Rows from top to bottom, to and fro, as evenly as the number of exposures allows.

    Args:
        exposures: number of positions.

    Returns:
        (exposures, 2) positions (y, x) in [-1, 1].
    """
    rows = math.ceil(math.sqrt(exposures))
    points: list[tuple[float, float]] = []
    share = np.full(rows, exposures // rows)
    share[: exposures % rows] += 1
    for i, columns in enumerate(share):
        line = (np.arange(columns) + 0.5) / columns
        line = line if i % 2 == 0 else line[::-1]
        points += [((i + 0.5) / rows, float(x)) for x in line]
    return 2.0 * np.asarray(points) - 1.0


def spiral(exposures: int) -> Float64:
    """Fermat's spiral from the middle outwards (Huang et al., Opt. Express 22, 12634, 2014).

    Args:
        exposures: number of positions.

    Returns:
        (exposures, 2) positions (y, x) in [-1, 1].
    """
    k = np.arange(exposures) + 0.5
    radius = np.sqrt(k / exposures) * 1.05
    angle = k * math.pi * (3.0 - math.sqrt(5.0))
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)


def halton(exposures: int) -> Float64:
    """Halton's sequence in bases 2 and 3 (Numer. Math. 2, 84, 1960).

    Args:
        exposures: number of positions.

    Returns:
        (exposures, 2) positions (y, x) in [-1, 1].
    """

    def radical_inverse(number: int, base: int) -> float:
        value, scale = 0.0, 1.0 / base
        while number:
            value += scale * (number % base)
            number //= base
            scale /= base
        return value

    points = [[radical_inverse(k, 2), radical_inverse(k, 3)] for k in range(1, exposures + 1)]
    return 2.0 * np.asarray(points) - 1.0


PATTERNS = {"raster": raster, "spiral": spiral, "halton": halton}
"""Fixed patterns by name."""


def _blur(sigma: float) -> Spectrum:
    """Centred Gaussian on the double grid, transformed."""
    at = np.minimum(np.arange(2 * CELLS), 2 * CELLS - np.arange(2 * CELLS))
    line = np.exp(-0.5 * (at / sigma) ** 2)
    return np.fft.rfft2(np.outer(line, line))


def _disk(diameter: float) -> Float64:
    """Centred soft disk of the probe's width in cells, height one."""
    at = np.minimum(np.arange(2 * CELLS), 2 * CELLS - np.arange(2 * CELLS))
    radius = np.hypot(at[:, None], at[None, :])
    return np.clip(0.5 * diameter + 0.5 - radius, 0.0, 1.0)


def _convolve(maps: Float64, transformed: Spectrum) -> Float64:
    """Convolve (N, cells, cells) maps with a transformed kernel; nothing lies outside."""
    padded = np.zeros((maps.shape[0], 2 * CELLS, 2 * CELLS))
    padded[:, :CELLS, :CELLS] = maps
    result = np.fft.irfft2(np.fft.rfft2(padded) * transformed, s=padded.shape[1:])
    return result[:, :CELLS, :CELLS]


def _best_cells(gain: Float64) -> Float64:
    """Positions (y, x) in [-1, 1] of the largest value of each map."""
    best = np.argmax(gain.reshape(gain.shape[0], -1), axis=1)
    cells = np.stack([best // CELLS, best % CELLS], axis=1)
    return 2.0 * (cells + 0.5) / CELLS - 1.0


@dataclass(frozen=True)
class GreedyConfig:
    """How a greedy scan weighs what it knows; found by search on training specimens.

    Attributes:
        probe_cells: width of the probe that is reckoned with, cells.
        saturation: exposures after which a place is known count as exp(-saturation exposures).
        dwell_s: exposure time on structure, s.
    """

    probe_cells: float = 5.0
    saturation: float = 3.0
    dwell_s: float = 1.0


def _fluence(observation: Mapping[str, NDArray[Any]]) -> Float64:
    """Exposures so far, (N, cells, cells), from the coverage map."""
    coverage = np.minimum(observation["maps"][:, 2].astype(np.float64), 1.0 - 1e-9)
    return -np.log1p(-coverage) / 3.0


class OracleAgent:
    """Sees structure and drift: goes each time where most of what is not yet known would be seen.

    Args:
        greedy: weights.
    """

    name = "oracle"
    needs_truth = True

    def __init__(self, greedy: GreedyConfig | None = None) -> None:
        self._greedy = greedy or GreedyConfig(probe_cells=5.6, saturation=2.0, dwell_s=0.7)
        gain = 1.0 - np.exp(-self._greedy.saturation * _disk(self._greedy.probe_cells))
        self._kernel = np.fft.rfft2(gain)

    def reset(self, num_envs: int, seeds: Sequence[int]) -> None:
        """Begin N episodes."""

    def act(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """Aim at the truth, against the drift."""
        latent = info["latent"]
        unknown = np.exp(-self._greedy.saturation * _fluence(observation))
        gain = _convolve(latent["structure"] * unknown, self._kernel)
        action = np.empty((gain.shape[0], 3), np.float32)
        aim = _best_cells(gain) - latent["drift_px"] / (2.0 * CELLS)
        action[:, :2] = np.clip(aim, -1.0, 1.0)
        action[:, 2] = seconds_to_action(self._greedy.dwell_s)
        return action


@dataclass(frozen=True)
class Operator:
    """What a skilled operator does; found by search on training specimens.

    Attributes:
        survey: positions along an edge of the first coarse look.
        survey_s: exposure time of the first look, s.
        reach: how far structure is expected to go on from where it was seen, cells.
        prior: structure expected where nothing is known.
        doubt: weight of that expectation.
        caution: contrast that may be noise, in standard deviations as the uncertainty map has them.
        greedy: weights of the second part.
    """

    survey: int = 2
    survey_s: float = 0.4
    reach: float = 1.65
    prior: float = 0.06
    doubt: float = 0.09
    caution: float = 0.1
    greedy: GreedyConfig = GreedyConfig(probe_cells=5.2, saturation=1.6, dwell_s=0.9)


class ExpertAgent:
    """A coarse look first, then wherever structure shows, or should go on, and is not yet covered.

    Args:
        operator: habits.
    """

    name = "expert"
    needs_truth = False

    def __init__(self, operator: Operator | None = None) -> None:
        self._operator = operator or Operator()
        greedy = self._operator.greedy
        self._kernel = np.fft.rfft2(1.0 - np.exp(-greedy.saturation * _disk(greedy.probe_cells)))
        self._spread = _blur(self._operator.reach)
        looks = self._operator.survey**2
        self._survey = raster(looks) if looks else np.empty((0, 2))

    def reset(self, num_envs: int, seeds: Sequence[int]) -> None:
        """Begin N episodes."""
        self._tick = 0

    def act(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """Survey, then follow the structure."""
        operator = self._operator
        maps = observation["maps"].astype(np.float64)
        action = np.empty((maps.shape[0], 3), np.float32)
        if self._tick < len(self._survey):
            action[:, :2] = self._survey[self._tick]
            action[:, 2] = seconds_to_action(operator.survey_s)
        else:
            fluence = _fluence(observation)
            wave = 2.0 * maps[:, 0] * np.exp(1j * math.pi * maps[:, 1])
            noise = operator.caution * 0.5 * maps[:, 4]
            contrast = np.clip(np.abs(wave - 1.0) - noise, 0.0, 0.5)
            known = 1.0 - np.exp(-operator.greedy.saturation * fluence)
            weight = _convolve(known, self._spread) + operator.doubt
            near = _convolve(known * contrast, self._spread) + operator.doubt * operator.prior
            expected = near / weight
            unknown = np.exp(-operator.greedy.saturation * fluence)
            action[:, :2] = _best_cells(_convolve(expected * unknown, self._kernel))
            action[:, 2] = seconds_to_action(operator.greedy.dwell_s)
        self._tick += 1
        return action
