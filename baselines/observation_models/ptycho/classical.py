"""Network and classical solvers at their best, on the same exposures.

Classical solvers are of the rPIE family (`microgym.reconstruction.ptychography.solver`): they know
the probe as well as the operator does, start from vacuum, and may stop whenever they like. Their
settings are those that do best on validation specimens taken the same way.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.ptycho.references import HaltonAgent
from microgym.baselines.observation_models.ptycho.dataset import (
    FIELD,
    INSIDE,
    MARGIN,
    REGION,
    Conditions,
    Scans,
)
from microgym.baselines.observation_models.ptycho.inputs import estimate_in, fluence_in, lit_in
from microgym.metrics import complex_error
from microgym.reconstruction.nn.network import Weights
from microgym.reconstruction.ptychography.neural import NeuralImage
from microgym.reconstruction.ptychography.observation_models import RunningScan
from microgym.reconstruction.ptychography.settings import PIESettings
from microgym.reconstruction.ptychography.solver import PIESolver

Complex64 = NDArray[np.complex64]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

STOPS = (0, 1, 2, 5, 10, 25, 50, 100)
"""Sweeps after which a classical solver may stop; 0 leaves vacuum."""
LOOKS = (0, 5)
"""Sweeps through the finished scan before the network looks: as during a scan of Ptycho-v0, and as
at its end."""


@dataclass(frozen=True)
class Recipe:
    """Settings of a classical solver; see `PIESettings`."""

    alpha: float
    step: float
    decay: float
    sweeps: int

    @classmethod
    def from_record(cls, kept: Mapping[str, Any]) -> "Recipe":
        """The recipe that a record holds, where infinity has become null."""
        decay = math.inf if kept["decay"] is None else kept["decay"]
        return cls(kept["alpha"], kept["step"], decay, kept["sweeps"])

    def told(self) -> str:
        """In a few words."""
        if self.sweeps == 0:
            return "vacuum"
        fall = "" if math.isinf(self.decay) else f", falling after {self.decay:g}"
        sweeps = f"{self.sweeps} sweep{'s' if self.sweeps > 1 else ''}"
        return f"{sweeps}, α {self.alpha:g}, step {self.step:g}{fall}"


GRID = (
    *product((0.1, 0.5, 1.0), (0.25, 0.5, 1.0, 1.5), (math.inf,)),
    (0.5, 1.0, 3.0),
)
"""alpha, step and decay that are tried."""
HOPELESS = 1.25
"""From ten sweeps on, settings that are so many times worse than the best so far are dropped: where
noise has taken over, more sweeps fit more of it."""


@dataclass(frozen=True, eq=False)
class Taken:
    """Finished scans of N specimens, and what the running reconstruction made of them.

    Attributes:
        counts: (N, E, n, n) float32.
        places: (N, E, 2) float64, centres of the probe as commanded, px of the field.
        photons: (N, E) float64, incident.
        probe: (n, n) complex64, as the operator knows it.
        truth: (N, REGION, REGION) complex64.
        lit: (N, REGION, REGION) bool, where the scan has been (`lit_in`).
        looks: number of sweeps of `LOOKS` to (N, 3, REGION, REGION) float32, what the network gets.
    """

    counts: Float32
    places: Float64
    photons: Float64
    probe: Complex64
    truth: Complex64
    lit: NDArray[np.bool_]
    looks: dict[int, Float32]

    def running(self, sweeps: int) -> Complex64:
        """The running reconstruction after its sweeps, (N, REGION, REGION) complex64."""
        return estimate_in(self.looks[sweeps])

    def errors(self, images: Complex64, everywhere: bool = False) -> Float64:
        """E0 of each image on lit pixels, or on the whole region; (N,) float64."""
        return complex_error(images, self.truth, None if everywhere else self.lit)


def take(conditions: Conditions, seeds: NDArray[np.int64], places: Float64) -> Taken:
    """Take scans.

    Args:
        conditions: how.
        seeds: (N,) of the specimens.
        places: (E, 2) or (N, E, 2) of the probe, px of the field.

    Returns:
        The finished scans.
    """
    scans = Scans(conditions, seeds)
    taken, count = scans.instrument.state.measurement, len(seeds)
    n, each = scans.instrument.n, conditions.exposures
    everyones = np.broadcast_to(places, (count, each, 2))
    counts = np.empty((count, each, n, n), np.float32)
    centres, photons = np.empty((count, each, 2)), np.empty((count, each))
    for e in range(each):
        scans.expose(np.ascontiguousarray(everyones[:, e]), np.ones(count))
        counts[:, e] = taken.counts.reshape(count, n, n)
        centres[:, e] = taken.corner + n // 2
        photons[:, e] = taken.photons
    looks: dict[int, Float32] = {}
    done = 0
    for sweeps in LOOKS:
        scans.sweep(sweeps - done)
        looks[sweeps], done = scans.seen(), sweeps
    truth = np.ascontiguousarray(scans.truth()[:, INSIDE, INSIDE])
    return Taken(counts, centres, photons, scans.known, truth, lit_in(looks[0]), looks)


def halton_places(exposures: int) -> Float64:
    """Halton's sequence over the region, (exposures, 2), px of the field."""
    return MARGIN + 0.5 * (HaltonAgent.pattern(exposures) + 1.0) * REGION


def restore(weights: Weights, seen: Float32) -> tuple[Complex64, Float32]:
    """What the neural view shows of looks.

    Args:
        weights: the network.
        seen: (L, 3, H, H) looks, as from `Scans.seen`.

    Returns:
        (L, H, H) complex64 images and float32 standard deviations.
    """
    count, _, edge, _ = seen.shape
    view = NeuralImage(count, edge, np.ones((1, 1, 1), np.complex64), (0, edge), weights)
    image = estimate_in(seen)
    planes = np.ascontiguousarray(image.real), np.ascontiguousarray(image.imag)
    re, im, sigma = view.estimate(np.arange(count), RunningScan(*planes, fluence_in(seen)))
    return (re + 1j * im).astype(np.complex64), sigma


def solve(
    taken: Taken, alpha: float, step: float, decay: float, stops: Sequence[int] = STOPS
) -> Iterator[Complex64]:
    """Reconstruct classically.

    Args:
        taken: the scans.
        alpha, step, decay: settings.
        stops: numbers of sweeps, rising.

    Yields:
        (N, REGION, REGION) complex64, the images at each stop.
    """
    count, exposures = taken.photons.shape
    settings = PIESettings(alpha=alpha, object_step=step, decay=decay)
    solver = PIESolver(
        taken.probe, (FIELD, FIELD), num=count, capacity=exposures, settings=settings
    )
    solver.add(None, taken.counts, taken.places, taken.photons)
    done = 0
    for stop in stops:
        solver.sweep(count=stop - done)
        done = stop
        yield solver.object[:, INSIDE, INSIDE]


def image_of(taken: Taken, recipe: Recipe) -> Complex64:
    """Reconstruct classically with one recipe, (N, REGION, REGION) complex64."""
    (image,) = solve(taken, recipe.alpha, recipe.step, recipe.decay, (recipe.sweeps,))
    return image


class Tuned:
    """Errors of recipes on validation scans, to choose by.

    Args:
        taken: the scans.
        stops: numbers of sweeps that are tried, rising.

    Attributes:
        errors: recipe to mean E0 on lit pixels.
    """

    def __init__(self, taken: Taken, stops: Sequence[int] = STOPS) -> None:
        self.errors: dict[Recipe, float] = {}
        running = {settings: solve(taken, *settings, stops) for settings in GRID}
        for stop in stops:
            now = {
                settings: float(np.mean(taken.errors(next(images))))
                for settings, images in running.items()
            }
            self.errors |= {Recipe(*settings, stop): error for settings, error in now.items()}
            if stop >= 10:
                limit = HOPELESS * min(self.errors.values())
                running = {one: running[one] for one, error in now.items() if error < limit}

    def best(self, most_sweeps: int = max(STOPS)) -> Recipe:
        """The recipe with the least mean error among those of so many sweeps or fewer."""
        allowed = [one for one in self.errors if one.sweeps <= most_sweeps]
        return min(allowed, key=lambda one: self.errors[one])
