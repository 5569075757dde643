"""What operators of PFM-v0 think that a pulse writes, and what they believe they have written."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.envs.pfm.config import HIGHEST_V
from microgym.envs.pfm.observation import MAPS, NUMBERS
from microgym.instruments.pfm.state import SIZE

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Spectrum = NDArray[np.complex128]

CELLS = 32
"""Cells along an edge of the maps of the default observation."""

EDGE = SIZE // CELLS
_RESPONSE = MAPS.index("response")
_Y, _X, _VOLTS, _LEFT, _AGE, _TIME_LEFT = (
    NUMBERS.index(name) for name in ("y", "x", "volts", "pulses_left", "age", "time_left")
)
_AT = (np.arange(CELLS) + 0.5) * EDGE - 0.5


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
    return np.fft.rfft2(np.clip(radius / EDGE + 0.5 - r, 0.0, 1.0))


def convolve(maps: Float64, transformed: Spectrum) -> Float64:
    """Convolve (N, cells, cells) maps with a transformed kernel; nothing lies outside."""
    padded = np.zeros((maps.shape[0], 2 * CELLS, 2 * CELLS))
    padded[:, :CELLS, :CELLS] = maps
    result = np.fft.irfft2(np.fft.rfft2(padded) * transformed, s=padded.shape[1:])
    return result[:, :CELLS, :CELLS]


@dataclass(frozen=True)
class DomainModel:
    """How a pulse is thought to write.

    Attributes:
        volts: biases to choose from, V.
        coercive: see `domain_radius`.
        tip_cells: height of the tip's charge, cells.
        care: what a cell written beside the pattern counts, against one in it.
    """

    volts: tuple[float, ...] = (-8.0, -5.0, 4.0, 6.0, 8.0)
    coercive: float = 0.13
    tip_cells: float = 3.5
    care: float = 1.0


def draw_volts(rng: np.random.Generator) -> tuple[float, ...]:
    """Biases for a random search: 1 to 5 raising and 1 or 2 lowering ones, multiples of 0.5 V."""
    raising = rng.uniform(3.0, 8.5, int(rng.integers(1, 6)))
    lowering = rng.uniform(-8.5, -4.0, int(rng.integers(1, 3)))
    volts = np.sort(np.concatenate([lowering, raising]))
    return tuple(float(round(2.0 * one) / 2.0) for one in volts)


class PulseScorer:
    """Judges every place and bias by the disk that it should switch."""

    def __init__(self, brush: DomainModel) -> None:
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
        return np.stack([convolve(field, disk) for field, disk in pairs], axis=1)


def coordinates(cells: NDArray[np.int64]) -> Float64:
    """Centres of cells of the maps, in reading order, as (y, x) in cells of the film."""
    where = np.stack([cells // CELLS, cells % CELLS], axis=-1).astype(np.float64)
    return (where + 0.5) * EDGE - 0.5


def to_action(places: Float64, volts: Float64, read: NDArray[np.bool_]) -> Float32:
    """Pulses of 10 ms as the environment's action."""
    action = np.zeros((len(places), 5), np.float32)
    action[:, :2] = np.clip(2.0 * places / (SIZE - 1) - 1.0, -1.0, 1.0)
    action[:, 2] = volts / HIGHEST_V
    action[:, 4] = np.where(read, 1.0, -1.0)
    return action


class DomainBelief:
    """What N operators believe to point up: each pulse switches its disk, an image tells anew.

    Args:
        brush: how a pulse is thought to write.

    Attributes:
        up: (N, CELLS, CELLS) float64, part of each cell that is believed to point up.
        image: (N, CELLS, CELLS) float64, the last image, 0 (down) to 1 (up).
        surprise: (N, CELLS, CELLS) float64, sum of what images showed beyond the belief, within -1
            to 1.
    """

    def __init__(self, brush: DomainModel) -> None:
        self._brush = brush

    def reset(self, num_envs: int) -> None:
        """Begin N episodes."""
        self.up, self.image, self.surprise = np.zeros((3, num_envs, CELLS, CELLS))

    def begin(self, rows: NDArray[np.bool_]) -> None:
        """Begin new episodes in some rows, (N,) bool, and go on in the others."""
        for array in self.state_arrays().values():
            array[rows] = 0.0

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays that are the whole memory, by name."""
        return {"up": self.up, "image": self.image, "surprise": self.surprise}

    def see(self, maps: Float64, numbers: Float64) -> None:
        """Enter the last pulse of each row, and its image if there is a new one.

        Args:
            maps: (N, channels, CELLS, CELLS) of the observation.
            numbers: (N, numbers) of the observation.
        """
        self._switch(numbers)
        looked = (numbers[:, _AGE] == 0.0) & (numbers[:, _TIME_LEFT] < 1.0)
        self.image[looked] = np.clip(0.5 * (maps[looked, _RESPONSE] + 1.0), 0.0, 1.0)
        self.surprise[looked] += self.image[looked] - self.up[looked]
        self.surprise.clip(-1.0, 1.0, out=self.surprise)
        self.up[looked] = self.image[looked] > 0.5

    def _switch(self, numbers: Float64) -> None:
        """The last pulse of each row."""
        brush = self._brush
        volts = HIGHEST_V * numbers[:, _VOLTS] * (numbers[:, _LEFT] < 1.0)
        radius = np.array([domain_radius(one, brush.coercive, brush.tip_cells) for one in volts])
        centre = 0.5 * (numbers[:, [_Y, _X]] + 1.0) * (SIZE - 1)
        dy, dx = (_AT[None] - centre[:, axis, None] for axis in (0, 1))
        distance = np.hypot(dy[:, :, None], dx[:, None, :])
        part = np.clip((radius[:, None, None] - distance) / EDGE + 0.5, 0.0, 1.0)
        part[radius == 0.0] = 0.0
        raised = (volts > 0.0)[:, None, None]
        self.up += np.where(raised, part * (1.0 - self.up), -part * self.up)


def pooled(planes: Float64) -> Float64:
    """Means of (N, SIZE, SIZE) planes over cells of the maps."""
    return planes.reshape(-1, CELLS, EDGE, CELLS, EDGE).mean(axis=(2, 4))


def blank(gain: Float64, best: NDArray[np.int64], reach: int) -> None:
    """Take a cell and those around it out of the choice."""
    for row, cell in enumerate(best):
        y, x = int(cell) // CELLS, int(cell) % CELLS
        gain[row, max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1] = -np.inf
