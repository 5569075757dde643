"""Reference agents of AFM-v0: random, constant, expert and oracle.

Their actions are the dials of the next line; with `action="console"` an event besides.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.agent import BaseAgent
from microgym.agents.core.random_agent import SeededRandomAgent
from microgym.envs.afm.config import (
    BEGINNER,
    GAIN_CHANGE,
    LINE_S,
    PROPORTIONAL,
    SETPOINT_CHANGE,
    SPEED_CHANGE,
)
from microgym.envs.afm.observation import NUMBERS
from microgym.instruments.afm.kernels import LEAD
from microgym.instruments.afm.settings import CANTILEVERS
from microgym.random.streams import AgentWorld
from microgym.state import Bool, Float32, Float64, Int64, Shape

FREE_NM = CANTILEVERS["amplitude"].free_amplitude_nm
"""Free amplitude, nm."""
LINE_PX = 2 * (256 + 2 * LEAD)
"""Pixels of a line, trace and retrace, overscan included."""
_SHAPES = {"numbers": (len(NUMBERS),)}
_SCAN, _CHANGE_TIP = 0, 3
_SETPOINT, _GAIN = BEGINNER["amplitude"]


def line_action(
    setpoint: Float64 | float, gain: Float64 | float, speed: Float64, proportional: float = 0.0
) -> Float32:
    """Dials (N, 4) of a line.

    Args:
        setpoint: part of the free amplitude, (N,) or one for all.
        gain: integral gain, 1/s, likewise.
        speed: (N,) line rate over the even pace.
        proportional: proportional gain, 0 or more.
    """
    action = np.empty((len(speed), 4), np.float32)
    action[:, 0] = (setpoint - _SETPOINT) / SETPOINT_CHANGE["amplitude"]
    action[:, 1] = np.log(gain / _GAIN) / math.log(GAIN_CHANGE)
    action[:, 2] = proportional / PROPORTIONAL - 1.0
    action[:, 3] = np.log(speed) / math.log(SPEED_CHANGE)
    return np.clip(action, -1.0, 1.0)


class DialAgent(BaseAgent):
    """An agent of the dials, which can work at the console too.

    Attributes:
        console: whether the action has an event.
    """

    console: bool = False

    @classmethod
    def for_env(cls, env_id: str, env_kwargs: Mapping[str, Any]) -> Self:
        """An agent for the chosen action."""
        agent = super().for_env(env_id, env_kwargs)
        agent.console = env_kwargs.get("action") == "console"
        return agent

    def action(self, dials: Float32, event: Int64 | int = _SCAN) -> Any:
        """The dials (N, 4), and events (N,), or one for all, where the action has them."""
        if not self.console:
            return dials
        return {"dials": dials, "event": np.full(len(dials), event, np.int64)}


class RandomAgent(DialAgent, SeededRandomAgent):
    """Uniform dials, and never an event."""

    process = AgentWorld.RANDOM_AFM

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Any:
        return self.action(self.draw_actions(4))


@dataclass(frozen=True)
class ConstantConfig:
    """One setting for all lines.

    Attributes:
        setpoint: part of the free amplitude.
        gain: integral gain, 1/ms.
    """

    setpoint: float = 0.82
    gain: float = 1.5


class ConstantAgent(DialAgent):
    """The same settings for every line, at the pace that just fills the time."""

    name = "constant"
    Config = ConstantConfig
    observation_shapes = _SHAPES

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Any:
        config = self.config
        even = np.ones(self.num_envs)
        return self.action(line_action(config.setpoint, 1e3 * config.gain, even))


def numbers_of(observation: Mapping[str, NDArray[Any]]) -> dict[str, Float64]:
    """Values of the numbers of the observation by name, (N,) each."""
    return NUMBERS.unpack(observation["numbers"].astype(np.float64))


def even_pace(numbers: Mapping[str, Float64]) -> Float64:
    """Time for each line that is left, (N,), s."""
    time, lines = numbers["time_left"], numbers["lines_left"]
    return LINE_S * np.maximum(time, 1e-3) / np.maximum(lines, 1e-3)


@dataclass(frozen=True)
class ExpertConfig:
    """Configuration of the expert; found by search on training specimens.

    Attributes:
        setpoint: initial setpoint, part of the free amplitude.
        lower: decrease of the setpoint after a line on which the tip lost the surface.
        raise_again: increase of the setpoint after any other line, up to the initial one.
        lost: part of a line with a saturated error above which the tip lost the surface.
        gain: initial integral gain, 1/ms.
        climb: factor of the gain from line to line until the loop rings.
        onset: ripple of the error over the whole error from which the loop counts as ringing.
        quiet_nm: ripple below which it does not, nm.
        back_off: factor of the gain after a line on which the loop rang.
        proportional: proportional gain.
        care: exponent of the steepness of the last line over the mean of all so far, in the time
            of a line.
        quiet_slope: steepness that is added to both, nm a pixel.
        worry: growth of the logarithm of the time of a line with the largest error of the last one,
            over the free amplitude.
        fair: largest error at which that is zero.
        early: part of it at the beginning of a frame, which fades towards the end.
        most: largest size of the logarithm.
    """

    setpoint: float = 0.678
    lower: float = 0.053
    raise_again: float = 0.00177
    lost: float = 0.00246
    gain: float = 2.31
    climb: float = 1.19
    onset: float = 0.836
    quiet_nm: float = 1.18
    back_off: float = 0.913
    proportional: float = 0.00276
    care: float = 0.411
    quiet_slope: float = 0.101
    worry: float = 1.71
    fair: float = 0.402
    early: float = 0.143
    most: float = 0.709


class ExpertState(NamedTuple):
    """Memory of the expert: settings, whether the gain still rises, whether no line was scanned."""

    gain: Annotated[Float64, Shape(unit="1/s")]
    setpoint: Annotated[Float64, Shape()]
    climbing: Annotated[Bool, Shape()]
    fresh: Annotated[Bool, Shape()]


class ExpertAgent(DialAgent):
    """Raises the gain until the loop rings, then backs off; slows down after steep lines."""

    name = "expert"
    Config = ExpertConfig
    State = ExpertState
    observation_shapes = _SHAPES

    def reset_rows(self, rows: NDArray[np.bool_]) -> None:
        """Begin new episodes in some rows, (N,) bool, and continue in the others."""
        self.state.gain[rows] = 1e3 * self.config.gain
        self.state.setpoint[rows] = self.config.setpoint
        self.state.climbing[rows] = True
        self.state.fresh[rows] = True

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Any:
        """Settings of the next line from the statistics of the last one."""
        config, numbers = self.config, numbers_of(observation)
        seen = ~self.state.fresh
        self.adapt(numbers)
        # Logarithm of the time of the line over the even share of what is left.
        steep, usual = 100.0 ** numbers["steepness"], 100.0 ** numbers["usual_steepness"]
        steeper = np.log((steep + config.quiet_slope) / (usual + config.quiet_slope))
        worse = numbers["worst_error"] - config.fair
        longer = config.care * steeper + config.worry * worse + config.early * numbers["lines_left"]
        longer = np.clip(np.where(seen, longer, 0.0), -config.most, config.most)
        speed, state = np.exp(-longer), self.state
        return self.action(line_action(state.setpoint, state.gain, speed, config.proportional))

    def adapt(self, numbers: Mapping[str, Float64]) -> None:
        """Change gain and setpoint by what the last line shows."""
        config = self.config
        gain, setpoint, climbing, fresh = self.state
        seen = ~fresh
        # Sizes in nm from numbers on the logarithmic scale of `level_of`.
        error, ripple = 100.0 ** numbers["error"], 100.0 ** numbers["ripple"]
        rings = (ripple > config.onset * error) & (ripple > config.quiet_nm) & seen
        climbing &= ~rings
        gain *= np.where(rings, config.back_off, np.where(climbing & seen, config.climb, 1.0))
        np.clip(gain, _GAIN / GAIN_CHANGE, _GAIN * GAIN_CHANGE, out=gain)
        lost = (numbers["saturated"] > config.lost) & seen
        step = np.where(lost, -config.lower, np.where(seen, config.raise_again, 0.0))
        np.clip(setpoint + step, 0.35, config.setpoint, out=setpoint)
        fresh[:] = False


@dataclass(frozen=True)
class OracleConfig(ExpertConfig):
    """Configuration of the oracle; found by search on training specimens.

    Attributes:
        part: part of the gain above which the loop rings, for the first line.
        foresight: exponent of a line's steepness in the time that it gets.
        quiet: least steepness of a line in that, nm a pixel.
        haste: speed on the steepest slope, over the speed at which the loop can follow it: gain
            times amplitude.
        worn_nm: radius from which a tip is changed, nm, while more than `enough` of the lines are
            left.
        enough: part of the lines.
    """

    part: float = 0.55
    foresight: float = 0.55
    quiet: float = 0.05
    haste: float = 3.5
    worn_nm: float = 58.0
    enough: float = 0.85
    worry: float = 0.5
    setpoint: float = 0.66
    climb: float = 1.05


class OracleAgent(ExpertAgent):
    """The expert, who knows the gain's limit and the lines to come, and changes worn tips."""

    name = "oracle"
    Config = OracleConfig
    uses_privileged_info = True

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Any:
        """Settings of the next line, or another tip."""
        latent, config, numbers = info["latent"], self.config, numbers_of(observation)
        state, fresh = self.state, self.state.fresh.copy()
        self.adapt(numbers)
        dials = self.plan(numbers, latent, state.gain, state.setpoint, fresh)
        ruined = (latent["tip_radius_nm"] > config.worn_nm) | latent["second_apex"]
        early = numbers["lines_left"] > config.enough
        changed = ruined & (latent["tips_used"] < 2) & early
        return self.action(dials, np.where(changed, _CHANGE_TIP, _SCAN))

    def plan(
        self,
        numbers: Mapping[str, Float64],
        latent: Mapping[str, NDArray[Any]],
        gain: Float64,
        setpoint: Float64,
        fresh: Bool,
    ) -> Float32:
        """Time in proportion to a power of the steepness of each line that is left.

        Args:
            numbers, latent: of the observation, and of `info`.
            gain: (N,), 1/s; of first lines it is written.
            setpoint: (N,), part of the free amplitude.
            fresh: (N,), whether the line is the first.

        Returns:
            (N, 4), dials.
        """
        config, left = self.config, numbers["lines_left"]
        slope, rows = latent["slope"], np.arange(len(fresh))
        gain[fresh] = np.broadcast_to(config.part * latent["gain_limit"], fresh.shape)[fresh]
        lines = slope.shape[1]
        now = np.minimum(np.rint((1.0 - left) * lines).astype(np.int64), lines - 1)
        ahead = np.arange(lines) >= now[:, None]
        steep = (np.maximum(slope.T, config.quiet) ** config.foresight).T
        share = steep[rows, now] * ahead.sum(axis=1) / np.where(ahead, steep, 0.0).sum(axis=1)
        worse = np.where(fresh, 0.0, numbers["worst_error"] - config.fair)
        even, escape = even_pace(numbers), gain * setpoint * FREE_NM
        slowest = LINE_PX * latent["steepest"][rows, now] / (config.haste * escape)
        seconds = np.maximum(even * share * np.exp(config.worry * worse), slowest)
        return line_action(setpoint, gain, even / seconds, config.proportional)
