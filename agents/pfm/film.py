"""Belief of a film: its polarisation, as far as images and pulses tell.

Pulses act on the belief as on a film without disorder, heat, drift and wear: they are simulated. A
network reads images, see `microgym.agents.pfm.film_network`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.agents.pfm.domain_model import CELLS, EDGE, DomainModel, coordinates, just_looked
from microgym.agents.pfm.references import written
from microgym.envs.pfm.config import HIGHEST_V, PFMConfig
from microgym.envs.pfm.task import PFMTask
from microgym.instruments.pfm.instrument import PFMInstrument
from microgym.instruments.pfm.state import SIZE
from microgym.metrics.incremental import block_means
from microgym.numerics.workspace import workspace
from microgym.physics.ferroelectric import respond, respond_work
from microgym.specimens.ferroelectrics import ALIVE
from microgym.state import Float32, Float64, Int64, Shape

MODEL = DomainModel(coercive=0.15)
"""Model by which pulses are proposed, before they are simulated."""
PULSE_S = 1e-2
"""Length of all pulses, s."""
TRIES = 4
"""Places that are proposed for each bias (design choice)."""
REFINED, ROUNDS = 4, 2
"""Best pulses that are varied, and how often (design choices)."""
STEP_CELLS, STEP_V = 1.5, 0.8
"""First variation of place and bias; the next one is half of that (design choices)."""
WEAKEST_V, STRONGEST_V = 2.5, 8.2
"""Range of the bias of a varied pulse, V: below 9 V, less a tenth, no film breaks down."""
DAMAGE = PFMTask.REWARD["damage"].weight
"""Weight of cells written beside the pattern, that of the reward."""
SHARPENED = 5
"""Landweber iterations by which an image is sharpened; more of them amplify noise (by trial)."""
RESTED_S = 1e3
"""Time at rest from which a film hardly switches back, s."""
_VARIED = np.array([(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)], float)

SETTINGS = PFMConfig(disorder="off", heat="off", drift="off", tip="off").settings
"""Of the microscope in which the belief is simulated."""


class FilmBelief(NamedTuple):
    """Belief of N films.

    Expected polarisation, and time since each site was driven; the last image, 0 (down) to 1 (up),
    and what it showed less what was expected; number of images.
    """

    p: Annotated[Float32, Shape(SIZE, SIZE)]
    rested_s: Annotated[Float32, Shape(SIZE, SIZE, unit="s")]
    image: Annotated[Float32, Shape(CELLS, CELLS)]
    surprise: Annotated[Float32, Shape(CELLS, CELLS)]
    images: Annotated[Int64, Shape()]


class Pulses(NamedTuple):
    """Pulses of 10 ms and what they are expected to do, for N films.

    Attributes:
        places: (N, K, 2) float64, cells of the film.
        volts: (N, K) float64, V.
        written: (N, K, 2) float64, cells that then point up in the pattern and beside it.
    """

    places: Float64
    volts: Float64
    written: Float64

    def best(self, pattern: Int64, count: int) -> "Pulses":
        """The `count` pulses of each film with the highest values, in decreasing order.

        Args:
            pattern: (N,), cells of the pattern.
        """
        hit, spilt = self.written[..., 0], self.written[..., 1]
        size = pattern[:, None].astype(np.float64)
        value = hit / (size + spilt) - DAMAGE * spilt / size
        order = np.argsort(-value, axis=1, kind="stable")[:, :count]
        rows = np.arange(len(order))[:, None]
        return Pulses(*(one[rows, order] for one in self))


class FilmSimulator:
    """Pulses on films as they are believed to be.

    Args:
        rounds: how often the best pulses are varied.
    """

    def __init__(self, rounds: int = ROUNDS) -> None:
        self._rounds = rounds
        self._copies: dict[int, PFMInstrument] = {}

    def pulsed(
        self, belief: FilmBelief, row: int, places: Float64, volts: Float64
    ) -> PFMInstrument:
        """Copies of one film, each after one pulse, to be read before the next call.

        Args:
            belief: of N films.
            row: of the film.
            places: (K, 2), cells of the film.
            volts: (K,), V.
        """
        count = len(volts)
        copy = self._copies.get(count)
        if copy is None:
            copy = self._copies[count] = PFMInstrument(count, SETTINGS)
            copy.state.barrier[:] = ALIVE
        state = copy.state
        state.p[:], state.rested_s[:] = belief.p[row], belief.rested_s[row]
        state.command[:] = places
        copy.pulse(np.arange(count), places, volts, np.full(count, PULSE_S))
        return copy

    def update(self, belief: FilmBelief, told: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Begin the beliefs of new films, and let the last pulse act on the others.

        Args:
            belief: changed in place.
            told: values of the numbers observed, (N,) each.

        Returns:
            (N,), the films of which an image was just taken.
        """
        fresh = told["pulses_left"] > 1.0 - 1e-6
        belief.p[fresh], belief.rested_s[fresh] = -1.0, RESTED_S
        place = 0.5 * (np.stack([told["y"], told["x"]], axis=1) + 1.0) * (SIZE - 1)
        volts = HIGHEST_V * told["volts"]
        for row in np.flatnonzero(~fresh):
            after = self.pulsed(belief, int(row), place[row : row + 1], volts[row : row + 1]).state
            belief.p[row], belief.rested_s[row] = after.p[0], after.rested_s[0]
        return just_looked(told) & ~fresh

    def propose(self, belief: FilmBelief, target: NDArray[np.bool_], count: int) -> Pulses:
        """The best pulses that a search finds for each film.

        Args:
            belief: of N films.
            target: (N, SIZE, SIZE), cells that are to point up.
            count: K, number of pulses a film.
        """
        up, wanted = (block_means(one.astype(np.float32), CELLS) for one in (belief.p > 0, target))
        places = coordinates(MODEL.propose(up, wanted, TRIES))
        volts = np.append(np.repeat(MODEL.volts, TRIES), 0.0)
        pattern = np.count_nonzero(target, axis=(1, 2))
        found = self._tried(belief, target, places, np.tile(volts, (len(up), 1)))
        for number in range(self._rounds):
            kept = found.best(pattern, REFINED)
            varied = self._tried(belief, target, *_varied(kept, 0.5**number))
            known = found.best(pattern, count)
            both = zip(known, varied, strict=True)
            found = Pulses(*(np.concatenate(pair, axis=1) for pair in both))
        return found.best(pattern, count)

    def _tried(
        self, belief: FilmBelief, target: NDArray[np.bool_], places: Float64, volts: Float64
    ) -> Pulses:
        """Pulses (N, K) and what they do."""
        cells = np.empty((*volts.shape, 2))
        for row in range(len(target)):
            after = self.pulsed(belief, row, places[row], volts[row]).state.p
            cells[row] = written(after, target[row : row + 1])[0]
        return Pulses(places, volts, cells)


def _varied(pulses: Pulses, scale: float) -> tuple[Float64, Float64]:
    """Places (N, 6 K, 2) and biases (N, 6 K) one step away in each coordinate."""
    count = len(pulses.volts)
    places = pulses.places[:, :, None] + scale * STEP_CELLS * _VARIED[:, :2]
    sign = np.sign(pulses.volts)[:, :, None]
    size = np.abs(pulses.volts)[:, :, None] + scale * STEP_V * _VARIED[:, 2]
    volts = sign * np.clip(size, WEAKEST_V, STRONGEST_V)
    return np.clip(places, 0.0, SIZE - 1.0).reshape(count, -1, 2), volts.reshape(count, -1)


def refined(maps: NDArray[Any]) -> Float64:
    """Maps (N, CELLS, CELLS) on all cells of the film, by linear interpolation."""
    at = np.clip((np.arange(SIZE) + 0.5) / EDGE - 0.5, 0.0, CELLS - 1.0)
    low = np.minimum(at.astype(np.int64), CELLS - 2)
    part = at - low
    rows = maps[:, low] * (1.0 - part)[:, None] + maps[:, low + 1] * part[:, None]
    return rows[:, :, low] * (1.0 - part) + rows[:, :, low + 1] * part


def seen(p: Float32) -> Float32:
    """Images (N, CELLS, CELLS) of films (N, SIZE, SIZE) by a sharp tip, without noise."""
    out = np.empty((SIZE, SIZE), np.float32)
    sigma = SETTINGS.response_cells
    work = workspace(respond_work(SIZE, SIZE, sigma))
    images = np.empty((len(p), CELLS, CELLS), np.float32)
    for row, film in enumerate(p):
        respond(film, sigma, out, work)
        images[row] = block_means(out[None], CELLS)[0]
    return images


def sharpened(image: NDArray[Any], p: Float32) -> Float32:
    """Polarisation that an image shows, by Landweber iterations from an expected one.

    Landweber, Am. J. Math. 73, 615 (1951), for the blur by the tip.

    Args:
        image: (N, CELLS, CELLS), response.
        p: (N, SIZE, SIZE), expected polarisation.
    """
    found = np.clip(p, -1.0, 1.0)
    for _ in range(SHARPENED):
        found = np.clip(found + refined(image - seen(found)).astype(np.float32), -1.0, 1.0)
    return found
