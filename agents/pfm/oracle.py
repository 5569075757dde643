"""Oracles of PFM-v0 and PFMLoop-v0: they know the film, and simulate pulses on copies of it."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.agent import BaseAgent
from microgym.agents.pfm.domain_model import (
    CELLS,
    EDGE,
    DomainModel,
    PulseScorer,
    coordinates,
    to_action,
)
from microgym.agents.pfm.references import GOLDEN_ANGLE
from microgym.envs.pfm.config import PFMConfig, PFMLoopConfig
from microgym.instruments.pfm.instrument import PFMInstrument
from microgym.instruments.pfm.settings import DRIFT_LEVELS, TIP_LEVELS
from microgym.instruments.pfm.state import SIZE

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_MIDDLE = 0.5 * (SIZE - 1)
_SCORER = PulseScorer(DomainModel(coercive=0.15))

TRIES = 6
"""Pulses that the oracle of PFM-v0 simulates for each bias."""
RINGS, RING_VOLTS = 18, (-8.0, -5.0, 4.0, 8.0)
"""Places around the centre, and biases in V, that the oracle of PFMLoop-v0 simulates."""


class PulseLookahead:
    """Copies of films, without heat, drift and wear, to simulate pulses on.

    Args:
        config: of the environment.
    """

    def __init__(self, config: PFMLoopConfig) -> None:
        calm = replace(config.settings.lattice, theta=0.0)
        self._settings = replace(
            config.settings, lattice=calm, drift=DRIFT_LEVELS["off"], tip=TIP_LEVELS["off"]
        )
        self._copy: PFMInstrument | None = None

    def pulsed(
        self, latent: Mapping[str, NDArray[Any]], places: Float64, volts: Float64
    ) -> PFMInstrument:
        """Films after one pulse of 10 ms each.

        Args:
            latent: hidden state of N films.
            places: (N, K, 2) true positions of the tip, cells of the film.
            volts: (N, K) biases, V.

        Returns:
            N * K microscopes, those of a film side by side; the next call uses them again.
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


def written(p: NDArray[Any], target: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Cells of the film that point up in the pattern and beside it, (N, K) each.

    Args:
        p: (N * K, SIZE, SIZE) polarisation.
        target: (N, SIZE, SIZE), above 0 where the film is to point up.
    """
    up = (p > 0.0).reshape(len(target), -1, SIZE, SIZE)
    wanted = (target > 0)[:, None]
    return np.count_nonzero(up & wanted, axis=(2, 3)), np.count_nonzero(up & ~wanted, axis=(2, 3))


class _LookaheadAgent(BaseAgent):
    """Simulates one pulse each on copies of the film, and gives the best one.

    Args:
        config: of the environment; None for the default.
    """

    name = "oracle"
    uses_privileged_info = True

    def __init__(self, config: PFMLoopConfig | None = None) -> None:
        super().__init__(config)
        self._lookahead = PulseLookahead(self.config)

    @classmethod
    def for_env(cls, env_id: str, env_kwargs: Mapping[str, Any]) -> Self:
        """The oracle for films of the environment's configuration."""
        return cls(cls.Config.parse(env_kwargs, env_id))

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        """The proposal with the largest value, aimed against the drift."""
        latent = info["latent"]
        places, volts = self._proposals(latent)
        copy = self._lookahead.pulsed(latent, places, volts)
        best = self._values(copy, latent).argmax(axis=1)
        rows = np.arange(self.num_envs)
        aim = places[rows, best] - latent["drift_cells"]
        return to_action(aim, volts[rows, best], np.zeros(self.num_envs, np.bool_))

    @abstractmethod
    def _proposals(self, latent: Mapping[str, NDArray[Any]]) -> tuple[Float64, Float64]:
        """Places (N, K, 2), cells of the film, and biases (N, K), V; the last without bias."""

    @abstractmethod
    def _values(self, copy: PFMInstrument, latent: Mapping[str, NDArray[Any]]) -> Float64:
        """Values of the films after each pulse, (N, K)."""


class OracleAgent(_LookaheadAgent):
    """Maximises the agreement of the film with the pattern after the next pulse."""

    Config = PFMConfig

    def _proposals(self, latent: Mapping[str, NDArray[Any]]) -> tuple[Float64, Float64]:
        planes = latent["target"].astype(np.float64).reshape(-1, CELLS, EDGE, CELLS, EDGE)
        up = latent["structure"].astype(np.float64)
        places = coordinates(_SCORER.propose(up, planes.mean(axis=(2, 4)), TRIES))
        places[:, -1] = _MIDDLE
        volts = np.append(np.repeat(_SCORER.model.volts, TRIES), 0.0)
        return places, np.tile(volts, (len(places), 1))

    def _values(self, copy: PFMInstrument, latent: Mapping[str, NDArray[Any]]) -> Float64:
        both, beside = written(copy.state.p, latent["target"])
        wanted = np.count_nonzero(latent["target"] > 0, axis=(1, 2))[:, None]
        return both / np.maximum(wanted + beside, 1)


class LoopOracleAgent(_LookaheadAgent):
    """Minimises the error of the imprint at the centre after the next pulse."""

    Config = PFMLoopConfig

    def _proposals(self, latent: Mapping[str, NDArray[Any]]) -> tuple[Float64, Float64]:
        number = np.arange(RINGS)
        angle, radius = GOLDEN_ANGLE * number, 6.0 + 2.0 * (number % 3)
        ring = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
        places = np.append(np.repeat(ring, len(RING_VOLTS), axis=0), [[0.0, 0.0]], axis=0)
        volts = np.append(np.tile(RING_VOLTS, RINGS), 0.0)
        count = len(latent["p"])
        return np.tile(_MIDDLE + places, (count, 1, 1)), np.tile(volts, (count, 1))

    def _values(self, copy: PFMInstrument, latent: Mapping[str, NDArray[Any]]) -> Float64:
        count = copy.num_envs // len(latent["p"])
        found = np.zeros((copy.num_envs, 2))
        spots = _MIDDLE + np.repeat(latent["drift_cells"], count, axis=0)
        copy.loop(np.arange(copy.num_envs), spots, found, disturb=False)
        imprint = found.mean(axis=1).reshape(-1, count)
        return -np.abs(imprint - latent["asked_v"][:, None])
