"""Privileged training of the residual policy of AFM-v0: the oracle's settings as targets."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from microgym.agents.afm.references import OracleAgent, OracleConfig, numbers_of
from microgym.agents.afm.residual import DIALS
from microgym.agents.core.network import TARGET
from microgym.agents.core.privileged_observation import PrivilegedTeacher
from microgym.agents.core.residual_policy import ResidualController
from microgym.state import Bool, Float32, Float64

RELATIVE_ERROR = 0.04
"""Squared error of a line over its variance that is expected at an even pace of all the time: 14 dB
(design choice, about what the expert reaches)."""
PACE_EXPONENT = 1.7
"""Power of the pace with which that grows (measured with the oracle's gain at 0.7 to 1.4 of the
default time: 1.5 to 2.0)."""
TARGET_CONFIG = OracleConfig(gain=0.8)
"""Configuration of the oracle with a larger margin to the limit of the gain, which a network knows
only roughly (design choice)."""
_FLOOR = 1e-3


class AFMTeacher(PrivilegedTeacher):
    """Targets are the corrections that bring the expert's settings to the oracle's.

    The quality of an image counts lines that are still to come as wholly wrong, so that the reward
    for a line comes at the end of a frame only. The potential expects the usual quality of the
    lines to come in the time that is left, so that the cost of a line shows at once.
    """

    target_shape = (len(DIALS),)
    critic_size = 10
    adapter: ResidualController

    def target(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """The oracle's settings less the expert's, in parts of the largest corrections."""
        oracle, controller = OracleAgent(TARGET_CONFIG), self.adapter
        oracle.reset(len(observation["numbers"]))
        wanted = oracle.act(observation, info)
        apart = (wanted - controller.state.proposed)[:, controller.corrected]
        return np.clip(apart / controller.limits, -1.0, 1.0).astype(np.float32)

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
        """Bels that lines of the usual quality will bring, less the time that they take."""
        merit = info["metrics"]["snr_db"] / 10.0
        ahead, _, left = _ahead(info)
        lines = ahead.shape[1]
        wrong = np.maximum(10.0**-merit - left, 0.0)
        time = numbers_of(observation)["time_left"]
        pace = np.maximum(time, 1e-3) / np.maximum(ahead.sum(axis=1) / lines, 1.0 / lines)
        usual = np.minimum(RELATIVE_ERROR * pace**-PACE_EXPONENT, 1.0)
        return -np.log10(np.maximum(wrong + usual * left, _FLOOR)) - merit - time


def _ahead(info: Mapping[str, Any]) -> tuple[Bool, Float64, Float64]:
    """Lines to come, (N, lines); variance of all lines, (N,), nm^2, and their part of it, (N,)."""
    variance = info["latent"]["variance"]
    ahead = np.arange(variance.shape[1]) >= info["ledger"]["exposures"][:, None]
    total = variance.sum(axis=1) + 1e-9
    return ahead, total, (variance * ahead).sum(axis=1) / total
