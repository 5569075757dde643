"""Reference agents of PFM-v0 and PFMLoop-v0: random, experts and oracles.

All use the continuous action (y, x, bias, pulse, read) of the default environment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.agent import BaseAgent
from microgym.agents.core.random_agent import SeededRandomAgent
from microgym.agents.pfm.domain_model import (
    CELLS,
    EDGE,
    SHAPES,
    DomainBelief,
    DomainModel,
    coordinates,
    to_action,
)
from microgym.envs.pfm.config import HIGHEST_V, PFMConfig, PFMLoopConfig
from microgym.envs.pfm.observation import LOOP_MAPS, LOOP_NUMBERS, MAPS
from microgym.envs.pfm.task import RING
from microgym.instruments.pfm.instrument import PFMInstrument
from microgym.instruments.pfm.state import SIZE
from microgym.metrics.incremental import block_means
from microgym.state import Float32, Float64, Int64, Shape

MIDDLE = 0.5 * (SIZE - 1)
"""Coordinate of the centre of the film, cells."""
GOLDEN_ANGLE = 2.399963
"""Angle between successive pulses on a ring, so that no two coincide, rad."""
ORACLE_MODEL = DomainModel(coercive=0.15)
"""Model by which the oracle of PFM-v0 proposes pulses."""
TRIES = 6
"""Pulses that the oracle of PFM-v0 simulates for each bias."""
RINGS, RING_VOLTS = 24, (-8.0, -6.0, -4.5, -3.0, 3.0, 4.5, 6.0, 8.0)
"""Places around the centre, and biases in V, that the oracle of PFMLoop-v0 simulates."""


class RandomAgent(SeededRandomAgent):
    """Uniform places and biases, pulses of 10 ms, and an image after every fourth pulse."""

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        return self.draw_actions(3, 0.0, 1.0 if self.steps % 4 == 3 else -1.0)


@dataclass(frozen=True)
class ExpertConfig:
    """Configuration of the expert that writes patterns; found by search on training films.

    Attributes:
        model: of the domains.
        first_look: pulses before the first image.
        look_every: pulses between later images.
        least_gain: least gain of a pulse, cells of the maps.
        patience: rate at which the gain of a place decays with the volts that were given there.
    """

    model: DomainModel = field(default_factory=DomainModel)
    first_look: int = 1
    look_every: int = 11
    least_gain: float = 0.1
    patience: float = 0.0


class ExpertState(NamedTuple):
    """Memory of the expert: belief, pulses since the last image, and number of images."""

    belief: DomainBelief
    since: Annotated[Int64, Shape()]
    looks: Annotated[Int64, Shape()]


class ExpertAgent(BaseAgent):
    """Writes the largest missing part with a calibrated pulse, and takes images regularly."""

    name = "expert"
    Config = ExpertConfig
    observation_shapes = SHAPES
    State = ExpertState

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        """The pulse with the largest expected gain."""
        config, model = self.config, self.config.model
        belief, since, looks = self.state
        model.update(belief, observation["maps"], observation["numbers"])
        maps = MAPS.unpack(observation["maps"].astype(np.float64))
        eagerness = np.exp(-config.patience * HIGHEST_V * maps["raised"])
        gains = model.gains(belief.up, maps["wanted"], eagerness)
        flat = gains.reshape(self.num_envs, -1)
        best = flat.argmax(axis=1)
        done = flat.max(axis=1) < config.least_gain
        volts = np.where(done, 0.0, np.asarray(model.volts)[best // CELLS**2])
        since += 1
        due = np.where(looks > 0, config.look_every, config.first_look)
        read = (since >= due) | (done & (since > 1))
        since[read] = 0
        looks += read
        return to_action(coordinates(best % CELLS**2), volts, read)


@dataclass(frozen=True)
class LoopExpertConfig:
    """Configuration of the expert that shifts a hysteresis loop; found by search on training films.

    Attributes:
        ring_cells: distance of pulses from the point whose loop is to be shifted.
        strong_v: bias of a pulse against a large error, V.
        weak_v: against a small one.
        large_v: error of the imprint from which it is large, V.
        tolerance_v: error that is not corrected, V.
    """

    ring_cells: float = 8.5
    strong_v: float = 7.6
    weak_v: float = 4.6
    large_v: float = 0.1
    tolerance_v: float = 0.02


class LoopExpertState(NamedTuple):
    """Memory of the expert: belief of where the film points up on the ring, and looks so far.

    The belief is -1 (down) to 1 (up), from the image and the pulses.
    """

    ring: Annotated[Float64, Shape(RING)]
    looks: Annotated[Int64, Shape()]


class LoopExpertAgent(BaseAgent):
    """Takes a loop, gives a pulse beside the point against the error, and takes the next loop."""

    name = "expert"
    Config = LoopExpertConfig
    observation_shapes: Mapping[str, tuple[int, ...]] = {
        "maps": SHAPES["maps"], "numbers": (len(LOOP_NUMBERS),)
    }  # fmt: skip
    State = LoopExpertState

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        """A pulse on the ring where it writes most, against the error of the last loop."""
        config, (ring, looks) = self.config, self.state
        told = LOOP_NUMBERS.unpack(observation["numbers"].astype(np.float64))
        new = looks == 0
        image = LOOP_MAPS.unpack(observation["maps"])["response"][new]
        angle = 2.0 * np.pi * np.arange(RING) / RING
        places = MIDDLE + config.ring_cells * np.stack([-np.cos(angle), np.sin(angle)], axis=1)
        cells = (places / EDGE).astype(np.int64)
        ring[new] = np.clip(image[:, cells[:, 0], cells[:, 1]], -1.0, 1.0)
        looks += 1
        excess = np.where(new, 0.0, told["excess"])
        # A domain that points up lowers the imprint.
        sign = np.sign(excess) * (np.abs(excess) > config.tolerance_v)
        volts = np.where(np.abs(excess) > config.large_v, config.strong_v, config.weak_v)
        # The cells that a pulse turns: at its place, and half as much beside it.
        beside = 0.5 * (np.roll(ring, 1, axis=1) + np.roll(ring, -1, axis=1))
        turned = 2.0 - sign[:, None] * (ring + 0.5 * beside)
        best = turned.argmax(axis=1)
        rows = np.flatnonzero(sign)
        ring[rows, best[rows]] = sign[rows]
        return to_action(places[best], sign * volts, np.ones(self.num_envs, np.bool_))


def pulsed(
    config: PFMLoopConfig, latent: Mapping[str, NDArray[Any]], places: Float64, volts: Float64
) -> PFMInstrument:
    """Copies of films, at rest and without heat, drift and wear, after one pulse of 10 ms each.

    Args:
        config: of the environment.
        latent: hidden state of N films.
        places: (N, K, 2) true positions of the tip, cells of the film.
        volts: (N, K) biases, V.

    Returns:
        N * K microscopes, those of a film side by side.
    """
    calm = replace(config, heat="off", drift="off", tip="off")
    copy = PFMInstrument(volts.size, calm.settings)
    for name in ("p", "imprint", "bond", "barrier", "strength", "wear"):
        getattr(copy.state, name)[:] = np.repeat(latent[name], volts.shape[1], axis=0)
    copy.state.rested_s[:] = 1e6
    seconds = np.full(volts.size, 1e-2)
    copy.pulse(np.arange(volts.size), places.reshape(-1, 2), volts.ravel(), seconds)
    return copy


def written(p: NDArray[Any], target: NDArray[Any]) -> Int64:
    """Cells of the film that point up in the pattern and beside it, (N, K, 2).

    Args:
        p: (N * K, SIZE, SIZE) polarisation.
        target: (N, SIZE, SIZE), above 0 where the film is to point up.
    """
    up = (p > 0.0).reshape(len(target), -1, SIZE, SIZE)
    wanted = (target > 0)[:, None]
    return np.stack([np.count_nonzero(up & one, axis=(2, 3)) for one in (wanted, ~wanted)], axis=2)


class OracleAgent(BaseAgent):
    """Simulates one pulse each on copies of the film, and gives the best one.

    It maximises the agreement of the film with the pattern after the pulse.
    """

    name = "oracle"
    uses_privileged_info = True
    Config = PFMConfig

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        """The proposal with the largest value, aimed against the drift."""
        latent = info["latent"]
        places, volts = self._proposals(latent)
        copy = pulsed(self.config, latent, places, np.tile(volts, (self.num_envs, 1)))
        best = self._values(copy, latent).argmax(axis=1)
        aim = places[np.arange(self.num_envs), best] - latent["drift_cells"]
        return to_action(aim, volts[best], np.zeros(self.num_envs, np.bool_))

    def _proposals(self, latent: Mapping[str, NDArray[Any]]) -> tuple[Float64, Float64]:
        """Places (N, K, 2), cells of the film, and biases (K,), V; the last without bias."""
        wanted = block_means(latent["target"].astype(np.float32), CELLS)
        places = coordinates(ORACLE_MODEL.propose(latent["structure"], wanted, TRIES))
        places[:, -1] = MIDDLE
        return places, np.append(np.repeat(ORACLE_MODEL.volts, TRIES), 0.0)

    def _values(self, copy: PFMInstrument, latent: Mapping[str, NDArray[Any]]) -> Float64:
        """Values of the films after each pulse, (N, K)."""
        found = written(copy.state.p, latent["target"])
        wanted = np.count_nonzero(latent["target"] > 0, axis=(1, 2))[:, None]
        return found[..., 0] / np.maximum(wanted + found[..., 1], 1)


class LoopOracleAgent(OracleAgent):
    """Minimises the error of the imprint at the centre after the next pulse."""

    Config = PFMLoopConfig

    def _proposals(self, latent: Mapping[str, NDArray[Any]]) -> tuple[Float64, Float64]:
        number = np.arange(RINGS)
        angle, radius = GOLDEN_ANGLE * number, 6.0 + 2.0 * (number % 3)
        ring = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
        places = np.append(np.repeat(ring, len(RING_VOLTS), axis=0), [[0.0, 0.0]], axis=0)
        volts = np.append(np.tile(RING_VOLTS, RINGS), 0.0)
        return np.tile(MIDDLE + places, (self.num_envs, 1, 1)), volts

    def _values(self, copy: PFMInstrument, latent: Mapping[str, NDArray[Any]]) -> Float64:
        count = copy.num_envs // self.num_envs
        found = np.zeros((copy.num_envs, 2))
        spots = MIDDLE + np.repeat(latent["drift_cells"], count, axis=0)
        copy.loop(np.arange(copy.num_envs), spots, found, disturb=False)
        imprint = found.mean(axis=1).reshape(-1, count)
        return -np.abs(imprint - latent["asked_v"][:, None])
