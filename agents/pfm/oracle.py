"""Oracles of PFM-v0 and PFMLoop-v0: they know the film, and simulate pulses on copies of it."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

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
    config_class: ClassVar[type[PFMLoopConfig]] = PFMLoopConfig

    def __init__(self, config: PFMLoopConfig | None = None) -> None:
        self._lookahead = PulseLookahead(config or self.config_class())

    @classmethod
    def for_env(cls, env_id: str, env_kwargs: Mapping[str, Any]) -> Self:
        """The oracle for films of the environment's configuration."""
        return cls(cls.config_class.parse(env_kwargs, env_id))

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
    """Maximises the agreement of the film with the pattern after the next pulse.

    Args:
        config: of the environment; None for the default.
        model: of the domains, which proposes pulses; None for the best one.
        tries: pulses simulated for each bias.
    """

    config_class = PFMConfig

    def __init__(
        self, config: PFMConfig | None = None, model: DomainModel | None = None, tries: int = 6
    ) -> None:
        super().__init__(config)
        self._scorer = PulseScorer(model or DomainModel(coercive=0.15))
        self._tries = tries

    def _proposals(self, latent: Mapping[str, NDArray[Any]]) -> tuple[Float64, Float64]:
        planes = latent["target"].astype(np.float64).reshape(-1, CELLS, EDGE, CELLS, EDGE)
        up = latent["structure"].astype(np.float64)
        places = coordinates(self._scorer.propose(up, planes.mean(axis=(2, 4)), self._tries))
        places[:, -1] = _MIDDLE
        volts = np.append(np.repeat(self._scorer.model.volts, self._tries), 0.0)
        return places, np.tile(volts, (len(places), 1))

    def _values(self, copy: PFMInstrument, latent: Mapping[str, NDArray[Any]]) -> Float64:
        both, beside = written(copy.state.p, latent["target"])
        wanted = np.count_nonzero(latent["target"] > 0, axis=(1, 2))[:, None]
        return both / np.maximum(wanted + beside, 1)


class LoopOracleAgent(_LookaheadAgent):
    """Minimises the error of the imprint at the centre after the next pulse.

    Args:
        config: of the environment; None for the default.
        rings: number of places around the centre that are simulated with each bias.
    """

    def __init__(self, config: PFMLoopConfig | None = None, rings: int = 18) -> None:
        super().__init__(config)
        number = np.arange(rings)
        biases = (-8.0, -5.0, 4.0, 8.0)
        ring = [
            (radius * math.sin(angle), radius * math.cos(angle))
            for angle, radius in zip(GOLDEN_ANGLE * number, 6.0 + 2.0 * (number % 3), strict=True)
        ]
        self._places = _MIDDLE + np.append(np.repeat(ring, len(biases), axis=0), [[0, 0]], axis=0)
        self._volts = np.append(np.tile(biases, rings), 0.0)

    def _proposals(self, latent: Mapping[str, NDArray[Any]]) -> tuple[Float64, Float64]:
        count = len(latent["p"])
        return np.tile(self._places, (count, 1, 1)), np.tile(self._volts, (count, 1))

    def _values(self, copy: PFMInstrument, latent: Mapping[str, NDArray[Any]]) -> Float64:
        count = copy.num_envs // len(latent["p"])
        found = np.zeros((copy.num_envs, 2))
        spots = _MIDDLE + np.repeat(latent["drift_cells"], count, axis=0)
        copy.loop(np.arange(copy.num_envs), spots, found, disturb=False)
        imprint = found.mean(axis=1).reshape(-1, count)
        return -np.abs(imprint - latent["asked_v"][:, None])
