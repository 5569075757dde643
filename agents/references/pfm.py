"""Reference policies of PFM-v0: chance, a skilled operator, one who sees the truth and looks ahead.

All act on the continuous action (y, x, bias, pulse, read) of the default environment.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.references.chance import Chance
from microgym.envs.pfm.arguments import HIGHEST_V, PFMArguments
from microgym.envs.pfm.maps import CHANNELS, NUMBERS
from microgym.instruments.pfm import DRIFT_LEVELS, SIZE, TIP_LEVELS, PFMInstrument, PFMSettings

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Spectrum = NDArray[np.complex128]

CELLS = 32
"""Cells along an edge of the maps of the default observation."""

_EDGE = SIZE // CELLS
_RESPONSE, _WANTED, _FRESH, _RAISED = (
    CHANNELS.index(name) for name in ("response", "wanted", "fresh", "raised")
)
_ASKED, _RISING, _FALLING, _AGE, _TIME_LEFT = (
    NUMBERS.index(name) for name in ("asked", "rising", "falling", "age", "time_left")
)
_GOLDEN_ANGLE = 2.399963
"""Between pulses on a ring, so that no two fall on one place."""


class RandomAgent(Chance):
    """Anywhere, with any bias, 10 ms long; looks after every fourth pulse."""

    def act(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """Draw places and biases."""
        del observation, info
        draws = self.draw(3)
        action = np.zeros((len(draws), 5), np.float32)
        action[:, :3] = 2.0 * draws - 1.0
        action[:, 4] = 1.0 if self._tick % 4 == 0 else -1.0
        return action


def domain_radius(volts: float, coercive: float, tip_cells: float) -> float:
    """Radius within which a pulse of 10 ms switches: where the tip's field is the coercive field.

    Args:
        volts: bias, either sign.
        coercive: bias whose field just switches under the tip, over 10 V; found by calibration.
        tip_cells: height d of the tip's charge, cells of the film.

    Returns:
        Cells of the film; 0 where nothing switches.
    """
    ratio = abs(volts) / HIGHEST_V / coercive
    return tip_cells * math.sqrt(ratio ** (2.0 / 3.0) - 1.0) if ratio > 1.0 else 0.0


def _disk(radius: float) -> Spectrum:
    """Centred soft disk of a radius in cells of the film, on the double grid, transformed."""
    at = np.minimum(np.arange(2 * CELLS), 2 * CELLS - np.arange(2 * CELLS))
    r = np.hypot(at[:, None], at[None, :])
    return np.fft.rfft2(np.clip(radius / _EDGE + 0.5 - r, 0.0, 1.0))


def _convolve(maps: Float64, transformed: Spectrum) -> Float64:
    """Convolve (N, cells, cells) maps with a transformed kernel; nothing lies outside."""
    padded = np.zeros((maps.shape[0], 2 * CELLS, 2 * CELLS))
    padded[:, :CELLS, :CELLS] = maps
    result = np.fft.irfft2(np.fft.rfft2(padded) * transformed, s=padded.shape[1:])
    return result[:, :CELLS, :CELLS]


@dataclass(frozen=True)
class Brush:
    """How a pulse is thought to write.

    Attributes:
        volts: biases to choose from, V.
        coercive: see `domain_radius`.
        tip_cells: height of the tip's charge, cells.
        care: what a cell written beside the pattern counts, against one in it.
    """

    volts: tuple[float, ...] = (-5.5, 3.5, 8.0, 8.5)
    coercive: float = 0.134
    tip_cells: float = 3.5
    care: float = 0.76


class _Painter:
    """Judges every place and bias by the disk that it should switch."""

    def __init__(self, brush: Brush) -> None:
        self.brush = brush
        radii = [domain_radius(v, brush.coercive, brush.tip_cells) for v in brush.volts]
        self._disks = [_disk(radius) for radius in radii]

    def gains(self, up: Float64, wanted: Float64, eagerness: Float64) -> Float64:
        """Cells of the maps put right, less those put wrong, (N, volts, cells, cells).

        Args:
            up: (N, cells, cells) part of each cell that points up.
            wanted: (N, cells, cells) part that should.
            eagerness: (N, cells, cells) factor of what is to be gained.
        """
        raise_it = (1.0 - up) * (wanted * eagerness - self.brush.care * (1.0 - wanted))
        lower_it = up * ((1.0 - wanted) - self.brush.care * wanted)
        fields = [raise_it if volts > 0.0 else lower_it for volts in self.brush.volts]
        pairs = zip(fields, self._disks, strict=True)
        return np.stack([_convolve(field, disk) for field, disk in pairs], axis=1)


def _coordinates(cells: NDArray[np.int64]) -> Float64:
    """Centres of cells of the maps, in reading order, as (y, x) in cells of the film."""
    where = np.stack([cells // CELLS, cells % CELLS], axis=-1).astype(np.float64)
    return (where + 0.5) * _EDGE - 0.5


def _to_action(places: Float64, volts: Float64, read: NDArray[np.bool_]) -> Float32:
    """Pulses of 10 ms as the environment's action."""
    action = np.zeros((len(places), 5), np.float32)
    action[:, :2] = np.clip(2.0 * places / (SIZE - 1) - 1.0, -1.0, 1.0)
    action[:, 2] = volts / HIGHEST_V
    action[:, 4] = np.where(read, 1.0, -1.0)
    return action


@dataclass(frozen=True)
class Operator:
    """What a skilled operator does; found by search on training films.

    Attributes:
        brush: how a pulse is thought to write.
        look_every: pulses after which an image is taken.
        least_gain: cells of the maps that a pulse must promise.
        patience: how fast a place that did not switch is given up.
        ring_cells: distance of pulses from the point whose loop is to be shifted.
        ring_volts: their bias, V.
        pulse_shift_v: how far a pulse is reckoned to shift the imprint, V.
        loop_shift_v: how far the first loop is reckoned to shift it by itself, V.
        tolerance_v: error that is left alone, V.
        loop_every: pulses after which a loop is taken.
    """

    brush: Brush = Brush()
    look_every: int = 6
    least_gain: float = 1.5
    patience: float = 0.0
    ring_cells: float = 7.0
    ring_volts: float = 7.0
    pulse_shift_v: float = 0.3
    loop_shift_v: float = 0.4
    tolerance_v: float = 0.15
    loop_every: int = 8


class ExpertAgent:
    """Writes the largest missing part with a calibrated pulse, and checks with an image.

    For a loop: takes one, pulses around the point against the error, and takes the next.

    Args:
        operator: habits.
        goal: of the environment.
    """

    name = "expert"
    needs_truth = False

    def __init__(self, operator: Operator | None = None, goal: str = "write") -> None:
        self.operator = operator or Operator()
        self.goal = goal
        self._painter = _Painter(self.operator.brush)

    def reset(self, num_envs: int, seeds: Sequence[int]) -> None:
        """Begin N episodes."""
        self._since = np.zeros(num_envs, np.int64)
        self._turn = np.zeros(num_envs, np.int64)
        self._excess_v = np.zeros(num_envs)
        self._loops = np.zeros(num_envs, np.int64)

    def act(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """Pulse, and look when it is time."""
        if self.goal == "loop":
            return self._shift(observation["numbers"].astype(np.float64))
        return self._write(observation["maps"].astype(np.float64))

    def _write(self, maps: Float64) -> Float32:
        """Where most is put right, as far as known."""
        operator = self.operator
        fresh = maps[:, _FRESH]
        seen = np.clip(0.5 * (maps[:, _RESPONSE] + 1.0), 0.0, 1.0)
        up = np.where(np.abs(fresh) > operator.brush.coercive, fresh > 0.0, seen > 0.5)
        eagerness = np.exp(-operator.patience * HIGHEST_V * maps[:, _RAISED])
        gains = self._painter.gains(up.astype(np.float64), maps[:, _WANTED], eagerness)
        flat = gains.reshape(len(maps), -1)
        best = flat.argmax(axis=1)
        done = flat.max(axis=1) < operator.least_gain
        volts = np.where(done, 0.0, np.asarray(operator.brush.volts)[best // CELLS**2])
        self._since += 1
        read = (self._since >= operator.look_every) | (done & (self._since > 1))
        self._since[read] = 0
        return _to_action(_coordinates(best % CELLS**2), volts, read)

    def _shift(self, numbers: Float64) -> Float32:
        """A pulse on a ring around the point, against the error as it is reckoned to be."""
        operator = self.operator
        looked = (numbers[:, _AGE] == 0.0) & (numbers[:, _TIME_LEFT] < 1.0)
        measured = 0.5 * (numbers[:, _RISING] + numbers[:, _FALLING])
        excess = PFMSettings().loop_v * (measured - numbers[:, _ASKED])
        own = np.where(self._loops == 0, operator.loop_shift_v, 0.0)
        self._excess_v = np.where(looked, excess - own, self._excess_v)
        self._loops += looked
        known = self._loops > 0
        raises = known & (self._excess_v > operator.tolerance_v)
        # What was too much is taken back where it was written last.
        lowers = known & (self._excess_v < -operator.tolerance_v) & (self._turn > 0)
        self._turn -= lowers
        angle = _GOLDEN_ANGLE * self._turn
        self._turn += raises
        sign = raises.astype(np.float64) - lowers
        self._excess_v -= operator.pulse_shift_v * sign
        ring = operator.ring_cells * np.stack([np.sin(angle), np.cos(angle)], axis=1)
        self._since += 1
        read = ~known | (self._since >= operator.loop_every)
        self._since[read] = 0
        return _to_action(ring + 0.5 * (SIZE - 1), operator.ring_volts * sign, read)


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
        self, arguments: PFMArguments | None = None, brush: Brush | None = None, tries: int = 6
    ) -> None:
        chosen = arguments or PFMArguments()
        self.goal = chosen.goal
        calm = replace(chosen.settings().lattice, theta=0.0)
        self._settings = replace(
            chosen.settings(), lattice=calm, drift=DRIFT_LEVELS["off"], tip=TIP_LEVELS["off"]
        )
        self._painter = _Painter(brush or Brush((-8.0, -5.0, 4.0, 6.0, 8.0), 0.15, 3.5, 1.0))
        self._tries = tries
        self._copy: PFMInstrument | None = None

    def reset(self, num_envs: int, seeds: Sequence[int]) -> None:
        """Begin N episodes."""
        self._num_envs = num_envs

    def act(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """Try and choose."""
        del observation
        latent = info["latent"]
        places, volts = self._proposals(latent)
        count = volts.shape[1]
        copy = self._loaded(latent, count)
        rows = np.arange(copy.num_envs)
        flat_volts = volts.ravel()
        copy.pulse(rows, places.reshape(-1, 2), flat_volts, np.full(rows.size, 1e-2))
        value = self._value(copy, latent, count)
        best = value.argmax(axis=1)
        mine = np.arange(len(best))
        aim = places[mine, best] - latent["drift_cells"]
        return _to_action(aim, volts[mine, best], np.zeros(len(best), np.bool_))

    def _proposals(self, latent: Mapping[str, NDArray[Any]]) -> tuple[Float64, Float64]:
        """Pulses to be tried, the last of them without bias: (N, K, 2) places and (N, K) biases."""
        if self.goal == "loop":
            return self._rings(len(latent["p"]))
        wanted = _pooled(latent["target"].astype(np.float64))
        up = latent["structure"].astype(np.float64)
        gains = self._painter.gains(up, wanted, np.ones_like(wanted))
        count = len(gains)
        places: list[Float64] = []
        volts: list[Float64] = []
        for index, bias in enumerate(self._painter.brush.volts):
            gain = gains[:, index].copy()
            for _ in range(self._tries):
                best = gain.reshape(count, -1).argmax(axis=1)
                places.append(_coordinates(best))
                volts.append(np.full(count, bias))
                _blank(gain, best, 1)
        places.append(np.full((count, 2), 0.5 * (SIZE - 1)))
        volts.append(np.zeros(count))
        return np.stack(places, axis=1), np.stack(volts, axis=1)

    def _rings(self, count: int) -> tuple[Float64, Float64]:
        """Pulses around the middle."""
        places: list[tuple[float, float]] = []
        volts: list[float] = []
        middle = 0.5 * (SIZE - 1)
        for number in range(3 * self._tries):
            angle, radius = _GOLDEN_ANGLE * number, 6.0 + 2.0 * (number % 3)
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

    def _loaded(self, latent: Mapping[str, NDArray[Any]], count: int) -> PFMInstrument:
        """A copy of every film for every pulse that is to be tried."""
        wanted = self._num_envs * count
        if self._copy is None or self._copy.num_envs != wanted:
            self._copy = PFMInstrument(wanted, self._settings)
        copy = self._copy
        for name in ("p", "imprint", "bond", "barrier", "strength", "wear"):
            getattr(copy, name)[:] = np.repeat(latent[name], count, axis=0)
        copy.bearable_v[:] = 1e9
        copy.stage.drift[:] = 0.0
        copy.ledger.exposures[:] = 0
        for array in (copy.held, copy.rested_s, copy.ticks, copy.command):
            array[:] = 0
        return copy

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
        up = (copy.p > 0.0).reshape(-1, count, SIZE, SIZE)
        wanted = (latent["target"] > 0)[:, None]
        both = np.count_nonzero(up & wanted, axis=(2, 3))
        either = np.count_nonzero(up | wanted, axis=(2, 3))
        return both / np.maximum(either, 1)


def _pooled(planes: Float64) -> Float64:
    """Means of (N, SIZE, SIZE) planes over cells of the maps."""
    return planes.reshape(-1, CELLS, _EDGE, CELLS, _EDGE).mean(axis=(2, 4))


def _blank(gain: Float64, best: NDArray[np.int64], reach: int) -> None:
    """Take a cell and those around it out of the choice."""
    for row, cell in enumerate(best):
        y, x = int(cell) // CELLS, int(cell) % CELLS
        gain[row, max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1] = -np.inf
