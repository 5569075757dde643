"""Who teaches a network that corrects an operator, from what is hidden: one a task.

A tutor gives lessons, tells the critic what the actor cannot know, and may pay at once for what the
environment pays for at the end of an episode. All of it on training specimens, in training only.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from microgym.agents.afm.references import OracleAgent, OracleConfig
from microgym.agents.afm.residual import AFMResidualSpec
from microgym.agents.core.residual import ResidualController, ResidualSpec
from microgym.agents.stm.references import SHARED_AT, snapped
from microgym.agents.stm.residual import RANGE, STMResidualSpec
from microgym.envs.afm.observation import NUMBERS
from microgym.envs.stm.observation import END_NM, SLOT, START_NM
from microgym.instruments.stm.settings import STMSettings
from microgym.physics import stm_tip

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


class PrivilegedTeacher(ABC):
    """What the truth teaches those who correct.

    Attributes:
        lesson_width: numbers of a lesson.
        truth_width: numbers that the critic is told.
    """

    lesson_width: int
    truth_width: int = 0

    @abstractmethod
    def lesson(
        self, corrections: ResidualController, observation: Any, latent: Mapping[str, Any]
    ) -> Float32:
        """What there is to learn of the present decisions, (N, lesson_width)."""

    @abstractmethod
    def useful(self, lesson: Tensor) -> Tensor:
        """Which lessons are given at all, (B,) bool."""

    @abstractmethod
    def loss(self, guess: Tensor, lesson: Tensor) -> Tensor:
        """How far corrections, (B, components), are from useful lessons; a number."""

    def truth(
        self, corrections: ResidualController, observation: Any, info: Mapping[str, Any]
    ) -> Float32:
        """What the critic is told of the present decisions, (N, truth_width), about -1 to 1."""
        del corrections, info
        return np.zeros((len(observation), 0), np.float32)

    def prospects(self, observation: Any, info: Mapping[str, Any]) -> Float64 | float:
        """What is to be expected of the rest of the episodes, (N,), as a return.

        Paid out step by step as it changes, it sums up to nothing over an episode.
        """
        del observation, info
        return 0.0


_CURABLE_NM = 0.35


class STMTeacher(PrivilegedTeacher):
    """Knows how far the surface has drifted, and how far beside itself the tip pulls.

    Both are the same for the beginning and the end of a drag: a lesson is where the operator's drag
    should lie, from where it does, (x, y) nm, and 1 where that can be made up for.

    Args:
        proposals: of those who are corrected.
    """

    lesson_width = 3

    def __init__(self, proposals: STMResidualSpec) -> None:
        self._operator = proposals.operator
        self._slots = len(SLOT) * proposals.movers
        self._scale = torch.tensor([START_NM * RANGE[0]] * 2 + [END_NM * RANGE[2]] * 2)

    def lesson(
        self, corrections: ResidualController, observation: Any, latent: Mapping[str, Any]
    ) -> Float32:
        """Where the first adatom's hollow really is, from where the operator takes it to be."""
        del corrections
        operator = self._operator
        first, rows = latent["order"][:, 0], np.arange(len(observation))
        drift = latent["drift_nm"] + STMSettings().drag_s * latent["drift_velocity_nm_s"]
        offset = latent["traits"][:, [stm_tip.OFFSET_X, stm_tip.OFFSET_Y]]
        true = latent["places_nm"][rows, first] + drift - offset - latent["believed_nm"][:, 0]
        shared = observation[:, self._slots :].astype(np.float64)
        way = 3.0 * observation[:, 0:2].astype(np.float64)
        fixed, _ = snapped(way, shared[:, SHARED_AT["hollow"]])
        missing = true - (way - fixed + operator.shift(shared) - operator.correction)
        curable = np.hypot(missing[:, 0], missing[:, 1]) < _CURABLE_NM
        return np.concatenate([missing, curable[:, None]], axis=1).astype(np.float32)

    def useful(self, lesson: Tensor) -> Tensor:
        """Where the drag can be made up for."""
        return lesson[:, 2] > 0.0

    def loss(self, guess: Tensor, lesson: Tensor) -> Tensor:
        """Both ends of the drag; all else had better be left alone."""
        wanted = (lesson[:, :2].repeat(1, 2) / self._scale).clamp(-1.2, 1.2)
        loss = ((guess[:, :4] - wanted) ** 2).mean()
        return loss + 0.1 * (guess[:, 4:] ** 2).mean()


RELATIVE_ERROR = 0.04
"""Squared error of a line over its variance that is expected at an even pace of all the time: 14 dB
(design choice, about what the operator reaches)."""
HURRY = 1.7
"""Power of the pace with which that grows (measured with the oracle's gain at 0.7 to 1.4 of the
default time: 1.5 to 2.0)."""
WISE = OracleConfig(gain=0.8)
"""The oracle's habits, with more distance from the gain's limit, which a pupil knows roughly only
(design choice)."""
_FLOOR = 1e-3


class AFMTeacher(PrivilegedTeacher):
    """Knows the surface ahead, the loop's limit and the tip.

    A lesson is the correction that brings the operator's settings to the oracle's.

    The quality of an image counts lines that are still to come as wholly wrong, so that the bill
    for a line that went wrong is presented at the end of a frame only. The prospects reckon with
    what is usual for the lines to come in the time that is left: what a line has cost shows at
    once.

    Args:
        proposals: of those who are corrected.
    """

    truth_width = 10

    def __init__(self, proposals: AFMResidualSpec) -> None:
        self.lesson_width = len(proposals.places)
        self._oracle = OracleAgent(WISE)

    def lesson(
        self, corrections: ResidualController, observation: Any, latent: Mapping[str, Any]
    ) -> Float32:
        """The oracle's settings less the operator's, in parts of the largest corrections."""
        proposals = corrections.proposals
        wanted = self._oracle.act(observation, {"latent": latent})
        apart = (wanted - corrections.proposed)[:, proposals.places] / proposals.range
        return np.clip(apart, -1.0, 1.0).astype(np.float32)

    def useful(self, lesson: Tensor) -> Tensor:
        """All of them."""
        return torch.ones(len(lesson), dtype=torch.bool)

    def loss(self, guess: Tensor, lesson: Tensor) -> Tensor:
        """Mean square of what is missing."""
        return ((guess - lesson) ** 2).mean()

    def truth(
        self, corrections: ResidualController, observation: Any, info: Mapping[str, Any]
    ) -> Float32:
        """The coming line and those left, the loop's limit, the image so far, and the tip."""
        latent = info["latent"]
        gain = corrections.proposals.operator.state_arrays()["gain"]
        slope, variance = np.asarray(latent["slope"]), np.asarray(latent["variance"])
        now, ahead = _ahead(info)
        rows = np.arange(len(now))
        total, left = variance.sum(axis=1) + 1e-9, (variance * ahead).sum(axis=1)
        usual = (slope * ahead).sum(axis=1) / np.maximum(ahead.sum(axis=1), 1)
        radius = np.asarray(latent["tip_radius_nm"])
        sizes = (
            np.asarray(latent["gain_limit"]) / gain,
            slope[rows, now],
            usual,
            np.asarray(latent["steepest"])[rows, now],
            np.sqrt(total / slope.shape[1]),
            radius / 10.0,
        )
        parts = (
            variance[rows, now] * slope.shape[1] / total - 1.0,
            left / total,
            info["metrics"]["snr_db"] / 20.0,
            np.asarray(latent["second_apex"]),
        )
        told = [np.log(np.maximum(size, 0.02)) / 3.0 for size in sizes]
        return np.clip(np.stack([*told, *parts], axis=1), -2.0, 2.0).astype(np.float32)

    def prospects(self, observation: Any, info: Mapping[str, Any]) -> Float64:
        """Bels that lines at the usual quality will bring, less the time they take."""
        variance = np.asarray(info["latent"]["variance"])
        merit = np.asarray(info["metrics"]["snr_db"]) / 10.0
        _, ahead = _ahead(info)
        lines = variance.shape[1]
        total = variance.sum(axis=1) + 1e-9
        left = (variance * ahead).sum(axis=1) / total
        wrong = np.maximum(10.0**-merit - left, 0.0)
        time = observation["numbers"][:, NUMBERS.index("time_left")].astype(np.float64)
        pace = np.maximum(time, 1e-3) / np.maximum(ahead.sum(axis=1) / lines, 1.0 / lines)
        usual = np.minimum(RELATIVE_ERROR * pace**-HURRY, 1.0)
        return -np.log10(np.maximum(wrong + usual * left, _FLOOR)) - merit - time


def _ahead(info: Mapping[str, Any]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The coming line, (N,), and which lines are still to be scanned, (N, lines)."""
    lines = np.asarray(info["latent"]["slope"]).shape[1]
    done = np.asarray(info["ledger"]["exposures"]).astype(np.int64)
    return np.minimum(done, lines - 1), np.arange(lines)[None, :] >= done[:, None]


def tutor_for(proposals: ResidualSpec) -> PrivilegedTeacher:
    """The tutor of those who correct given proposals.

    Raises:
        TypeError: proposals of another kind.
    """
    if isinstance(proposals, STMResidualSpec):
        return STMTeacher(proposals)
    if isinstance(proposals, AFMResidualSpec):
        return AFMTeacher(proposals)
    raise TypeError(f"there is no tutor for {type(proposals).__name__}")
