"""Reference policies of AFM-v0: at random, a skilled operator, one who sees what lies ahead.

All act on the action "dials" of the default environment: setpoint, integral gain, proportional
gain, line rate, event.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.random_agent import SeededRandomAgent
from microgym.envs.afm.config import GAINS, LINE_S, MODES, PROPORTIONAL, RATES_HZ, SETPOINTS
from microgym.envs.afm.observation import NUMBERS
from microgym.instruments.afm.kernels import LEAD

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

FREE_NM = MODES["amplitude"].free_amplitude_nm
"""Free amplitude, nm."""
LINE_PX = 2 * (256 + 2 * LEAD)
"""Pixels of a line, there and back, overscan included."""
_AT = {name: place for place, name in enumerate(NUMBERS)}
_SCAN, _CHANGE_TIP = -1.0, 1.0


def to_action(ends: tuple[float, float], value: Float64) -> Float64:
    """A value on a logarithmic scale between two ends as a component of the action."""
    low, high = ends
    return np.clip(2.0 * np.log(value / low) / math.log(high / low) - 1.0, -1.0, 1.0)


def setpoint_to_action(setpoint: Float64) -> Float64:
    """A setpoint as a part of the free amplitude as a component of the action."""
    low, high = SETPOINTS["amplitude"]
    return np.clip(2.0 * (setpoint - low) / (high - low) - 1.0, -1.0, 1.0)


def proportional_to_action(gain: float) -> float:
    """A proportional gain, 0 or more, as a component of the action."""
    low = PROPORTIONAL[0]
    return float(to_action(PROPORTIONAL, np.array(gain + low)))


def size_of(level: Float64) -> Float64:
    """A number of the observation on the logarithmic scale of sizes, as nm."""
    return 100.0**level


class RandomAgent(SeededRandomAgent):
    """Settings anywhere on their scales, at an even pace of lines; never an event."""

    process = 8

    def act(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """Draw settings."""
        del observation, info
        draws = self.draw(4)
        action = np.full((len(draws), 5), _SCAN, np.float32)
        action[:, :4] = 2.0 * draws - 1.0
        return action


@dataclass(frozen=True)
class ConstantConfig:
    """One setting for all lines.

    Attributes:
        setpoint: part of the free amplitude.
        gain: integral gain, 1/ms.
    """

    setpoint: float = 0.82
    gain: float = 4.2


class ConstantAgent:
    """The same settings for every line, at the pace that just fills the time.

    Args:
        fixed: settings; found by search on training specimens.
    """

    name = "steady"
    needs_truth = False

    def __init__(self, fixed: ConstantConfig | None = None) -> None:
        self._fixed = fixed or ConstantConfig()

    def reset(self, num_envs: int, seeds: Sequence[int]) -> None:
        """Begin N episodes."""

    def act(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """Go on."""
        del info
        numbers = _numbers(observation)
        action = np.full((numbers.shape[0], 5), _SCAN, np.float32)
        action[:, 0] = setpoint_to_action(np.array(self._fixed.setpoint))
        action[:, 1] = to_action(GAINS, np.array(1e3 * self._fixed.gain))
        action[:, 3] = to_action(RATES_HZ, 1.0 / even_pace(numbers))
        return action


def _numbers(observation: Any) -> Float64:
    seen = observation["numbers"] if isinstance(observation, Mapping) else observation
    return np.asarray(seen, np.float64)


def even_pace(numbers: Float64) -> Float64:
    """Seconds that each line that is left may take."""
    time, lines = numbers[:, _AT["time_left"]], numbers[:, _AT["lines_left"]]
    return LINE_S * np.maximum(time, 1e-3) / np.maximum(lines, 1e-3)


@dataclass(frozen=True)
class Operator:
    """What a skilled operator does; found by search on training specimens.

    Attributes:
        setpoint: at the beginning, part of the free amplitude.
        lower: by how much the setpoint is lowered where the tip has lost the surface.
        raise_again: and by how much it is raised otherwise, up to where it began.
        lost: part of a line in which the error may be at its bound.
        gain: integral gain to begin with, 1/ms.
        climb: factor by which the gain is raised, line by line, until the loop rings.
        onset: ripple of the error over the whole error from which the loop counts as ringing.
        quiet_nm: ripple below which it does not, nm.
        back_off: part of the ringing gain at which one stays.
        proportional: proportional gain.
        care: power of the steepness of the last line, over the mean of all so far, with which the
            time of a line grows.
        quiet_slope: steepness that is added to both, nm a pixel.
        most: largest factor of that kind.
    """

    setpoint: float = 0.86
    lower: float = 0.029
    raise_again: float = 0.0025
    lost: float = 0.0105
    gain: float = 3.1
    climb: float = 1.32
    onset: float = 1.09
    quiet_nm: float = 0.44
    back_off: float = 0.88
    proportional: float = 0.0
    care: float = 0.19
    quiet_slope: float = 0.135
    most: float = 1.8


class ExpertAgent:
    """Raises the gain to the onset of ringing and backs off; slows down where it was steep.

    Args:
        operator: habits.

    Attributes:
        gain: (N,) float64, integral gain, 1/s.
        setpoint: (N,) float64, part of the free amplitude.
        climbing: (N,) bool, whether the gain is still being raised.
        fresh: (N,) bool, whether no line has been seen.
    """

    name = "expert"
    needs_truth = False

    def __init__(self, operator: Operator | None = None) -> None:
        self._operator = operator or Operator()

    def reset(self, num_envs: int, seeds: Sequence[int]) -> None:
        """Begin N episodes."""
        del seeds
        self.gain, self.setpoint = np.zeros(num_envs), np.zeros(num_envs)
        self.climbing, self.fresh = np.zeros((2, num_envs), np.bool_)
        self.begin(np.ones(num_envs, np.bool_))

    def begin(self, rows: NDArray[np.bool_]) -> None:
        """Begin new episodes in some rows, (N,) bool, and go on in the others."""
        self.gain[rows] = 1e3 * self._operator.gain
        self.setpoint[rows] = self._operator.setpoint
        self.climbing[rows] = True
        self.fresh[rows] = True

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays that are the whole memory, by name."""
        names = ("gain", "setpoint", "climbing", "fresh")
        return {name: getattr(self, name) for name in names}

    def act(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """Look at the last line, turn the dials."""
        del info
        operator, numbers = self._operator, _numbers(observation)
        seen = ~self.fresh
        error, ripple = (size_of(numbers[:, _AT[name]]) for name in ("error", "ripple"))
        rings = (ripple > operator.onset * error) & (ripple > operator.quiet_nm) & seen
        self.climbing &= ~rings
        self.gain[rings] *= operator.back_off
        self.gain[self.climbing & seen] *= operator.climb
        np.clip(self.gain, *GAINS, out=self.gain)
        lost = (numbers[:, _AT["saturated"]] > operator.lost) & seen
        step = np.where(lost, -operator.lower, np.where(seen, operator.raise_again, 0.0))
        np.clip(self.setpoint + step, 0.35, operator.setpoint, out=self.setpoint)
        steep, usual = (size_of(numbers[:, _AT[n]]) for n in ("steepness", "usual_steepness"))
        relative = (steep + operator.quiet_slope) / (usual + operator.quiet_slope)
        relative = np.clip(relative**operator.care, 1.0 / operator.most, operator.most)
        seconds = even_pace(numbers) * np.where(seen, relative, 1.0)
        self.fresh[:] = False
        action = np.full((numbers.shape[0], 5), _SCAN, np.float32)
        action[:, 0] = setpoint_to_action(self.setpoint)
        action[:, 1] = to_action(GAINS, self.gain)
        action[:, 2] = proportional_to_action(operator.proportional)
        action[:, 3] = to_action(RATES_HZ, 1.0 / seconds)
        return action


@dataclass(frozen=True)
class OracleConfig:
    """How one who knows the surface and the loop scans; found by search on training specimens.

    Attributes:
        setpoint: part of the free amplitude.
        gain: part of the gain above which the loop rings.
        proportional: proportional gain.
        care: power of a line's steepness with which its time grows.
        quiet: steepness that every line is taken to have at least, nm a pixel.
        haste: steepest slope that is run into, as a speed over the one with which the loop can get
            out of its way: gain times amplitude.
        worn_nm: radius from which a tip is changed, nm, while more than `early` of the lines are
            left.
        early: part of the lines.
    """

    setpoint: float = 0.65
    gain: float = 0.9
    proportional: float = 0.0
    care: float = 0.48
    quiet: float = 0.05
    haste: float = 1.5
    worn_nm: float = 58.0
    early: float = 0.85


class OracleAgent:
    """Knows the surface ahead, the loop's limit and the tip: time goes where it is steep.

    Args:
        foresight: habits.
    """

    name = "oracle"
    needs_truth = True

    def __init__(self, foresight: OracleConfig | None = None) -> None:
        self._foresight = foresight or OracleConfig()

    def reset(self, num_envs: int, seeds: Sequence[int]) -> None:
        """Begin N episodes."""

    def act(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """Share out what time is left over what lies ahead."""
        latent, foresight, numbers = info["latent"], self._foresight, _numbers(observation)
        slope = np.asarray(latent["slope"], np.float64)
        left = numbers[:, _AT["lines_left"]]
        lines = slope.shape[1]
        now = np.minimum(np.rint((1.0 - left) * lines).astype(np.int64), lines - 1)
        ahead = np.arange(lines)[None, :] >= now[:, None]
        weight = np.where(ahead, np.maximum(slope, foresight.quiet) ** foresight.care, 0.0)
        own = np.take_along_axis(weight, now[:, None], axis=1)[:, 0]
        mean = weight.sum(axis=1) / ahead.sum(axis=1)
        seconds = even_pace(numbers) * own / mean
        gain = foresight.gain * np.asarray(latent["gain_limit"], np.float64)
        steepest = np.take_along_axis(np.asarray(latent["steepest"]), now[:, None], axis=1)[:, 0]
        escape = gain * foresight.setpoint * FREE_NM
        seconds = np.maximum(seconds, LINE_PX * steepest / (foresight.haste * escape))
        action = np.full((numbers.shape[0], 5), _SCAN, np.float32)
        action[:, 0] = setpoint_to_action(np.array(foresight.setpoint))
        action[:, 1] = to_action(GAINS, gain)
        action[:, 2] = proportional_to_action(foresight.proportional)
        action[:, 3] = to_action(RATES_HZ, 1.0 / seconds)
        ruined = (latent["tip_radius_nm"] > foresight.worn_nm) | latent["second_apex"]
        spare = numbers[:, _AT["exchanges"]] < 0.5
        action[ruined & spare & (left > foresight.early), 4] = _CHANGE_TIP
        return action
