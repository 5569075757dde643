"""Expert's model of the domains that pulses write, and belief of which of the film is up."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.convolution import Spectrum, convolve, separate_maxima, soft_disk
from microgym.envs.pfm.config import HIGHEST_V
from microgym.envs.pfm.observation import MAPS, NUMBERS
from microgym.instruments.pfm.state import SIZE
from microgym.state import Float32, Float64, Int64, Shape

CELLS = 32
"""Cells along an edge of the maps of the default observation."""
EDGE = SIZE // CELLS
"""Edge of a cell of the maps, cells of the film."""

SHAPES = {"maps": (len(MAPS), CELLS, CELLS), "numbers": (len(NUMBERS),)}
"""Shapes of the parts of the default observation."""


class DomainBelief(NamedTuple):
    """Belief of which cells of the maps point up.

    The part of each cell that is believed to point up; the last image, 0 (down) to 1 (up); and the
    sum of images less beliefs, clipped to -1 to 1.
    """

    up: Annotated[Float64, Shape(CELLS, CELLS)]
    image: Annotated[Float64, Shape(CELLS, CELLS)]
    surprise: Annotated[Float64, Shape(CELLS, CELLS)]


@dataclass(frozen=True)
class DomainModel:
    """Model of the domain that a pulse of 10 ms writes: a disk.

    Attributes:
        volts: biases to choose from, V.
        coercive: bias whose field just switches the film under the tip, over 10 V; calibrated.
        tip_cells: height d of the charge that stands for the tip, cells of the film.
        care: weight of a cell written beside the pattern, against one in it.
    """

    volts: tuple[float, ...] = (-8.0, -5.0, 4.0, 6.0, 8.0)
    coercive: float = 0.18
    tip_cells: float = 3.5
    care: float = 1.0

    def radius(self, volts: float) -> float:
        """Radius of the disk, cells of the film; 0 where a bias of either sign switches nothing.

        The field of a charge falls with the distance r as d^3 / (r^2 + d^2)^(3/2), to the coercive
        field at the radius.
        """
        ratio = abs(volts) / HIGHEST_V / self.coercive
        return self.tip_cells * math.sqrt(ratio ** (2.0 / 3.0) - 1.0) if ratio > 1.0 else 0.0

    @cached_property
    def _spectra(self) -> list[Spectrum]:
        """Spectra of the disks that the biases write."""
        disks = (soft_disk(self.radius(volts) / EDGE, CELLS) for volts in self.volts)
        return [np.fft.rfft2(disk) for disk in disks]

    def gains(
        self, up: NDArray[Any], wanted: NDArray[Any], eagerness: Float64 | float = 1.0
    ) -> Float64:
        """Cells of the maps that become right less those that become wrong, by bias and place.

        Args:
            up, wanted: (N, CELLS, CELLS) parts of each cell that point up, and that should.
            eagerness: factor of the gain in the pattern, for all cells or (N, CELLS, CELLS).

        Returns:
            (N, volts, CELLS, CELLS).
        """
        care = self.care
        raised = (1.0 - up) * (wanted * eagerness - care * (1.0 - wanted))
        lowered = up * ((1.0 - wanted) - care * wanted)
        pairs = zip(self.volts, self._spectra, strict=True)
        fields = [convolve(raised if volts > 0.0 else lowered, disk) for volts, disk in pairs]
        return np.stack(fields, axis=1)

    def propose(self, up: NDArray[Any], wanted: NDArray[Any], tries: int) -> Int64:
        """The best places for each bias, then the centre, for a pulse without bias.

        Returns:
            (N, volts * tries + 1) flat index of cells of the maps, for arguments as of `gains`.
        """
        gains = self.gains(up, wanted)
        places = [separate_maxima(gains[:, k], tries) for k in range(gains.shape[1])]
        centre = np.full((len(gains), 1), CELLS * CELLS // 2 + CELLS // 2)
        return np.concatenate([*places, centre], axis=1)

    def update(self, belief: DomainBelief, maps: NDArray[Any], numbers: NDArray[Any]) -> None:
        """Enter the last pulse of each row, which switches its disk, and an image if it is new.

        Args:
            belief: changed in place; an image replaces it.
            maps, numbers: parts of the observation.
        """
        up, image, surprise = belief
        told = NUMBERS.unpack(numbers.astype(np.float64))
        volts = HIGHEST_V * told["volts"]
        radius = np.array([self.radius(one) for one in volts])[:, None, None]
        cells = (np.arange(CELLS) + 0.5) * EDGE - 0.5
        dy, dx = (cells - 0.5 * (told[axis][:, None] + 1.0) * (SIZE - 1) for axis in ("y", "x"))
        distance = np.hypot(dy[:, :, None], dx[:, None, :])
        part = np.clip((radius - distance) / EDGE + 0.5, 0.0, 1.0) * (radius > 0.0)
        up += np.where((volts > 0.0)[:, None, None], part * (1.0 - up), -part * up)
        looked = just_looked(told)
        response = MAPS.unpack(maps.astype(np.float64))["response"][looked]
        image[looked] = np.clip(0.5 * (response + 1.0), 0.0, 1.0)
        surprise[looked] += image[looked] - up[looked]
        surprise.clip(-1.0, 1.0, out=surprise)
        up[looked] = image[looked] > 0.5


def just_looked(told: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """Whether a look followed the last action, (N,), from the values of the numbers observed."""
    return (told["age"] == 0.0) & (told["time_left"] < 1.0 - 1e-6)


def suggest_volts(trial: Any) -> tuple[float, ...]:
    """Biases for a search: 1 to 5 raising and 1 or 2 lowering ones, in steps of 0.5 V.

    Args:
        trial: of Optuna.
    """
    raising = range(trial.suggest_int("raising", 1, 5))
    lowering = range(trial.suggest_int("lowering", 1, 2))
    volts = [trial.suggest_float(f"raising_{k}", 3.0, 8.5, step=0.5) for k in raising]
    volts += [trial.suggest_float(f"lowering_{k}", -8.5, -4.0, step=0.5) for k in lowering]
    return tuple(sorted(volts))


def coordinates(cells: Int64) -> Float64:
    """Centres of cells of the maps, flat index, as (..., 2) (y, x) in cells of the film."""
    where = np.stack([cells // CELLS, cells % CELLS], axis=-1).astype(np.float64)
    return (where + 0.5) * EDGE - 0.5


def to_action(places: Float64, volts: Float64, read: NDArray[np.bool_]) -> Float32:
    """Actions (N, 5) for pulses of 10 ms at places (N, 2), cells of the film, with biases (N,), V.

    A look follows where `read`, (N,), says so.
    """
    action = np.zeros((len(places), 5), np.float32)
    action[:, :2] = np.clip(2.0 * places / (SIZE - 1) - 1.0, -1.0, 1.0)
    action[:, 2] = volts / HIGHEST_V
    action[:, 4] = np.where(read, 1.0, -1.0)
    return action
