"""Residual policy of AFM-v0: features of a scan line, and corrections of the expert's line rate.

In privileged training, targets are the line rates of the oracle, which knows the lines to come: a
network that imitates them divides the time by what it expects of the next line.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from microgym.agents.afm.references import (
    ExpertAgent,
    ExpertConfig,
    OracleAgent,
    OracleConfig,
    numbers_of,
)
from microgym.agents.core.network import TARGET
from microgym.agents.core.privileged_observation import PrivilegedTeacher
from microgym.agents.core.residual_policy import ResidualController
from microgym.envs.afm.observation import CELLS, NUMBERS, SIGNALS
from microgym.envs.afm.task import FLOOR
from microgym.state import Bool, Float32, Float64

SPEED = 3
"""Component of the action that is corrected. The expert's gain is left alone: on training specimens
a gain 25% larger or smaller for the next line costs return on average."""
RANGE = 1.0
"""Largest correction (design choice): a factor of 2 of the line rate."""

_RANKS = (16, 32, 48, 61)
"""Order statistics of the 64 cells of a line: quartiles, and nearly the largest. A ringing loop
raises the low quartiles too; a slow one only the largest cells, at edges."""
_ROUGHNESS = 4.0
"""Factor that brings the change of the trace from cell to cell into a range of 1."""

RELATIVE_ERROR = 0.04
"""Squared error of a line over its variance that is expected at an even pace of all the time: 14 dB
(design choice, about what the expert reaches)."""
PACE_EXPONENT = 1.7
"""Power of the pace with which that grows (measured with the oracle's gain at 0.7 to 1.4 of the
default time: 1.5 to 2.0)."""
TARGET_CONFIG = OracleConfig(worry=ExpertConfig.worry, haste=math.inf)
"""Configuration of the oracle that gives the targets: it takes the last line's errors as seriously
as the expert, and does not wait on single steep slopes, which cannot be foreseen."""


class AFMResidual(ResidualController):
    """Dials of the next line, of which the line rate is corrected.

    Args:
        history: number of lines in an observation.
    """

    feature_bound = 5.0

    def __init__(self, history: int) -> None:
        super().__init__(
            ExpertAgent(),
            history,
            {"signals": (len(SIGNALS), CELLS), "numbers": (len(NUMBERS),)},
            components=4,
            corrected=(SPEED,),
            limits=(RANGE,),
            width=len(NUMBERS) + 4 + 1 + 3 * len(_RANKS),
        )

    def features(self, observation: Mapping[str, NDArray[Any]], action: Float32) -> NDArray[Any]:
        """Numbers, the expert's action, whether its gain still rises, and statistics of the line.

        Order statistics over the cells of the line of the error's roughness, of the steps of the
        trace from cell to cell, and of trace less retrace.
        """
        line = SIGNALS.unpack(np.asarray(observation["signals"], np.float64))
        trace, apart = line["trace"], np.abs(line["trace"] - line["retrace"])
        steps = np.abs(np.diff(trace, axis=1, prepend=trace[:, :1]))
        cells = np.sort([line["unrest"], _ROUGHNESS * steps, _ROUGHNESS * apart])[..., _RANKS]
        climbing = self.expert.state.climbing[:, None]
        return np.concatenate([observation["numbers"], action[:, :4], climbing, *cells], axis=1)


class AFMTeacher(PrivilegedTeacher):
    """Targets are the corrections that bring the expert's line rates to the oracle's.

    The potential expects the usual quality of the lines to come in the time that is left, so that
    the cost of a slow line shows at once.
    """

    target_shape = (1,)
    critic_size = 10
    final_learning_rate = 0.05
    adapter: ResidualController

    def target(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """The oracle's line rate from the expert's evidence, less the expert's.

        In parts of the largest correction.
        """
        controller, numbers = self.adapter, numbers_of(observation)
        gain, setpoint = (one.copy() for one in controller.expert.state[:2])
        fresh = numbers["lines_left"] >= 1.0
        wanted = OracleAgent(TARGET_CONFIG).plan(numbers, info["latent"], gain, setpoint, fresh)
        apart = (wanted - controller.state.proposed)[:, controller.corrected]
        return (apart / controller.limits).astype(np.float32)

    def loss(self, net: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Mean squared error of the corrections."""
        return ((net(batch) - batch[TARGET]) ** 2).mean()

    def critic_features(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """The next line and those after it, the limit of the gain, the image so far, the tip."""
        latent = info["latent"]
        slope, variance = latent["slope"], latent["variance"]
        ahead, total, left = _ahead(info)
        rows, lines = np.arange(len(slope)), slope.shape[1]
        now = np.minimum(lines - ahead.sum(axis=1), lines - 1)
        sizes = (
            latent["gain_limit"] / self.adapter.expert.state.gain,
            slope[rows, now],
            (slope * ahead).sum(axis=1) / np.maximum(ahead.sum(axis=1), 1),
            latent["steepest"][rows, now],
            np.sqrt(total / lines),
            latent["tip_radius_nm"] / 10.0,
        )
        parts = (
            variance[rows, now] * lines / total - 1.0,
            left,
            info["metrics"]["snr_db"] / 20.0,
            latent["second_apex"],
        )
        logs = [np.log(np.maximum(size, 0.02)) / 3.0 for size in sizes]
        return np.clip(np.stack([*logs, *parts], axis=1), -2.0, 2.0).astype(np.float32)

    def potential(self, observation: Any, info: Mapping[str, Any]) -> Float64:
        """Bels that lines to come will bring at the usual quality of their even pace, (N,)."""
        _, _, left = _ahead(info)
        pace = np.exp(numbers_of(observation)["pace"])
        usual = np.clip(RELATIVE_ERROR * pace**-PACE_EXPONENT, FLOOR, 1.0)
        return -np.log10(usual) * left


def _ahead(info: Mapping[str, Any]) -> tuple[Bool, Float64, Float64]:
    """Lines to come, (N, lines); variance of all lines, (N,), nm^2, and their part of it, (N,)."""
    variance = info["latent"]["variance"]
    ahead = np.arange(variance.shape[1]) >= info["ledger"]["exposures"][:, None]
    total = variance.sum(axis=1) + 1e-9
    return ahead, total, (variance * ahead).sum(axis=1) / total
