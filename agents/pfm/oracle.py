"""The reference policy of PFM-v0 that sees the film, and tries pulses on copies of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.pfm.domain_model import (
    DomainModel,
    PulseScorer,
    blank,
    coordinates,
    pooled,
    to_action,
)
from microgym.agents.pfm.references import GOLDEN_ANGLE
from microgym.envs.pfm.config import PFMConfig, PFMLoopConfig
from microgym.instruments.pfm.instrument import PFMInstrument
from microgym.instruments.pfm.settings import DRIFT_LEVELS, TIP_LEVELS
from microgym.instruments.pfm.state import SIZE

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


class PulseLookahead:
    """Copies of films, without heat, drift and wear, to try pulses on.

    Args:
        arguments: of the environment.
    """

    def __init__(self, arguments: PFMLoopConfig) -> None:
        calm = replace(arguments.settings.lattice, theta=0.0)
        self._settings = replace(
            arguments.settings, lattice=calm, drift=DRIFT_LEVELS["off"], tip=TIP_LEVELS["off"]
        )
        self._copy: PFMInstrument | None = None

    def pulsed(
        self, latent: Mapping[str, NDArray[Any]], places: Float64, volts: Float64
    ) -> PFMInstrument:
        """Films after one pulse of 10 ms each.

        Args:
            latent: hidden state of N films.
            places: (N, K, 2) where the tip really is, cells of the film.
            volts: (N, K) biases, V.

        Returns:
            N * K microscopes, those of a film side by side; used again by the next call.
        """
        count = volts.shape[1]
        copy = self._copy
        if copy is None or copy.num_envs != volts.size:
            copy = self._copy = PFMInstrument(volts.size, self._settings)
        for name in ("p", "imprint", "bond", "barrier", "strength", "wear"):
            getattr(copy.state, name)[:] = np.repeat(latent[name], count, axis=0)
        copy.state.bearable_v[:] = 1e9
        copy.state.drift.drift[:] = 0.0
        copy.state.ledger.exposures[:] = 0
        for array in (copy.state.held, copy.state.rested_s, copy.state.ticks, copy.state.command):
            array[:] = 0
        rows = np.arange(copy.num_envs)
        copy.pulse(rows, places.reshape(-1, 2), volts.ravel(), np.full(rows.size, 1e-2))
        return copy


def written(copy: PFMInstrument, target: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Cells of the film that point up in the pattern and beside it, (N, K) each.

    Args:
        copy: N * K films.
        target: (N, SIZE, SIZE), above 0 where the film is to point up.
    """
    up = (copy.state.p > 0.0).reshape(len(target), -1, SIZE, SIZE)
    wanted = (target > 0)[:, None]
    return np.count_nonzero(up & wanted, axis=(2, 3)), np.count_nonzero(up & ~wanted, axis=(2, 3))


class OracleAgent:
    """Sees the film, its disorder and the drift: tries pulses on a copy and gives the best one.

    Args:
        arguments: of the environment.
        brush: what proposes pulses to be tried; None for a search's result.
        tries: pulses tried a decision and bias; for a loop, a third of the places on rings.
    """

    name = "oracle"
    needs_truth = True

    def __init__(
        self,
        arguments: PFMLoopConfig | None = None,
        brush: DomainModel | None = None,
        tries: int = 6,
    ) -> None:
        chosen = arguments or PFMConfig()
        self.goal = "write" if isinstance(chosen, PFMConfig) else "loop"
        self._trials = PulseLookahead(chosen)
        self._painter = PulseScorer(
            brush or DomainModel((-8.0, -5.0, 4.0, 6.0, 8.0), 0.15, 3.5, 1.0)
        )
        self._tries = tries

    def reset(self, num_envs: int, seeds: Sequence[int]) -> None:
        """Begin N episodes."""
        self._num_envs = num_envs

    def act(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """Try and choose."""
        del observation
        latent = info["latent"]
        places, volts = self._proposals(latent)
        copy = self._trials.pulsed(latent, places, volts)
        value = self._value(copy, latent, volts.shape[1])
        best = value.argmax(axis=1)
        mine = np.arange(len(best))
        aim = places[mine, best] - latent["drift_cells"]
        return to_action(aim, volts[mine, best], np.zeros(len(best), np.bool_))

    def _proposals(self, latent: Mapping[str, NDArray[Any]]) -> tuple[Float64, Float64]:
        """Pulses to be tried, the last of them without bias: (N, K, 2) places and (N, K) biases."""
        if self.goal == "loop":
            return self._rings(len(latent["p"]))
        wanted = pooled(latent["target"].astype(np.float64))
        up = latent["structure"].astype(np.float64)
        gains = self._painter.gains(up, wanted, np.ones_like(wanted))
        count = len(gains)
        places: list[Float64] = []
        volts: list[Float64] = []
        for index, bias in enumerate(self._painter.brush.volts):
            gain = gains[:, index].copy()
            for _ in range(self._tries):
                best = gain.reshape(count, -1).argmax(axis=1)
                places.append(coordinates(best))
                volts.append(np.full(count, bias))
                blank(gain, best, 1)
        places.append(np.full((count, 2), 0.5 * (SIZE - 1)))
        volts.append(np.zeros(count))
        return np.stack(places, axis=1), np.stack(volts, axis=1)

    def _rings(self, count: int) -> tuple[Float64, Float64]:
        """Pulses around the middle."""
        places: list[tuple[float, float]] = []
        volts: list[float] = []
        middle = 0.5 * (SIZE - 1)
        for number in range(3 * self._tries):
            angle, radius = GOLDEN_ANGLE * number, 6.0 + 2.0 * (number % 3)
            for bias in (-8.0, -5.0, 4.0, 8.0):
                y, x = middle + radius * math.sin(angle), middle + radius * math.cos(angle)
                places.append((y, x))
                volts.append(bias)
        places.append((middle, middle))
        volts.append(0.0)
        shape = (count, len(volts))
        return (
            np.broadcast_to(np.asarray(places), (*shape, 2)).copy(),
            np.broadcast_to(np.asarray(volts), shape).copy(),
        )

    def _value(
        self, copy: PFMInstrument, latent: Mapping[str, NDArray[Any]], count: int
    ) -> Float64:
        """How good each trial's outcome is, (N, K)."""
        if self.goal == "loop":
            found = np.zeros((copy.num_envs, 2))
            spots = np.full((copy.num_envs, 2), 0.5 * (SIZE - 1))
            spots += np.repeat(latent["drift_cells"], count, axis=0)
            copy.loop(np.arange(copy.num_envs), spots, found, disturb=False)
            imprint = found.mean(axis=1).reshape(-1, count)
            return -np.abs(imprint - latent["asked_v"][:, None])
        both, spilt = written(copy, latent["target"])
        wanted = np.count_nonzero(latent["target"] > 0, axis=(1, 2))[:, None]
        return both / np.maximum(wanted + spilt, 1)
