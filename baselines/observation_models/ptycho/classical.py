"""Network and tuned classical solvers on the same exposures.

Classical solvers are of the rPIE family (`microgym.reconstruction.ptychography.solver`): they get
the known probe, start from vacuum, and may stop after any number of sweeps. Their settings are the
best on validation specimens scanned the same way.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.ptycho.references import HaltonAgent
from microgym.baselines.observation_models.ptycho.dataset import (
    INSIDE,
    MARGIN,
    REGION,
    Complex64,
    Conditions,
    Scans,
    estimate_in,
    fluence_in,
    lit_in,
)
from microgym.metrics import complex_error
from microgym.reconstruction.nn.network import Weights
from microgym.reconstruction.ptychography.neural import NeuralImage
from microgym.reconstruction.ptychography.observation_models import RunningScan
from microgym.reconstruction.ptychography.solver import PIESettings, PIESolver
from microgym.state import Bool, Float32, Float64, Int64

STOPS = (0, 1, 2, 5, 10, 25, 50, 100)
"""Sweeps after which a classical solver may stop; 0 leaves vacuum."""
INPUT_SWEEPS = (0, 5)
"""Sweeps through the finished scan before the inputs of the network are taken: as during a scan of
Ptycho-v0, and as at its end."""
GRID = (*product((0.1, 0.5, 1.0), (0.25, 0.5, 1.0, 1.5), (math.inf,)), (0.5, 1.0, 3.0))
"""alpha, step and decay that are tried."""
PRUNED = 1.25
"""From ten sweeps on, settings with so many times the least error are dropped: after
noise is fitted, more sweeps fit more of it."""


@dataclass(frozen=True)
class SolverSettings:
    """Settings of a classical solver, see `PIESettings`, and its number of sweeps."""

    alpha: float
    step: float
    decay: float
    sweeps: int

    @classmethod
    def from_record(cls, kept: Mapping[str, Any]) -> "SolverSettings":
        """Settings of a record, where infinity has become null."""
        given: dict[str, Any] = {**kept, "decay": kept["decay"] or math.inf}
        return cls(**given)

    def describe(self) -> str:
        """In a few words."""
        if self.sweeps == 0:
            return "vacuum"
        fall = "" if math.isinf(self.decay) else f", falling after {self.decay:g}"
        sweeps = f"{self.sweeps} sweep{'s' if self.sweeps > 1 else ''}"
        return f"{sweeps}, α {self.alpha:g}, step {self.step:g}{fall}"


@dataclass(frozen=True, eq=False)
class CompletedScans:
    """Finished scans of N specimens, and the inputs of the network.

    Attributes:
        counts: (N, E, n, n) float32.
        places: (N, E, 2) float64, centres of the probe as commanded, px of the field.
        photons: (N, E) float64, incident.
        probe: (modes, n, n) complex64, as known.
        truth: (N, H, H) complex64; H is `REGION` in simulated scans.
        lit: (N, H, H) bool, see `lit_in`.
        inputs: by number of sweeps of `INPUT_SWEEPS`, (N, 3, H, H) float32.
        margin: width of the field around the truth, px.
        known: (n, n) bool, where the detector measures; None for a whole detector.
        ramp: whether the positions leave a phase ramp open.
    """

    counts: Float32
    places: Float64
    photons: Float64
    probe: Complex64
    truth: NDArray[np.complexfloating]
    lit: Bool
    inputs: dict[int, Float32]
    margin: int = MARGIN
    known: Bool | None = None
    ramp: bool = False

    def running(self, sweeps: int) -> Complex64:
        """The running reconstruction after its sweeps, (N, H, H) complex64."""
        return estimate_in(self.inputs[sweeps])

    def errors(self, images: NDArray[np.complexfloating], everywhere: bool = False) -> Float64:
        """E0 of each image on lit pixels, or on the whole region; (N,) float64."""
        mask = None if everywhere else self.lit
        return complex_error(images, self.truth, mask, remove_ramp=self.ramp)


def take(conditions: Conditions, seeds: Int64, places: Float64) -> CompletedScans:
    """Take scans of (N,) specimens at places (E, 2) or (N, E, 2) of the probe, px of the field."""
    scans = Scans(conditions, seeds)
    measured, count = scans.instrument.state.measurement, len(seeds)
    n, each = scans.instrument.n, conditions.exposures
    everyones = np.broadcast_to(places, (count, each, 2))
    counts = np.empty((count, each, n, n), np.float32)
    centres, photons = np.empty((count, each, 2)), np.empty((count, each))
    for e in range(each):
        scans.expose(np.ascontiguousarray(everyones[:, e]), np.ones(count))
        counts[:, e] = measured.counts.reshape(count, n, n)
        centres[:, e] = measured.corner + n // 2
        photons[:, e] = measured.photons
    inputs: dict[int, Float32] = {}
    for before, sweeps in pairwise((0, *INPUT_SWEEPS)):
        scans.sweep(sweeps - before)
        inputs[sweeps] = scans.inputs()
    truth = np.ascontiguousarray(scans.truth()[:, INSIDE, INSIDE])
    probe, lit = scans.known[None], lit_in(inputs[0])
    return CompletedScans(counts, centres, photons, probe, truth, lit, inputs)


def halton_places(exposures: int) -> Float64:
    """Halton's sequence over the region, (exposures, 2), px of the field."""
    return MARGIN + 0.5 * (HaltonAgent.pattern(exposures) + 1.0) * REGION


def restore(weights: Weights, inputs: Float32) -> tuple[Complex64, Float32]:
    """Estimate of the neural observation model from inputs (L, 3, H, H), as from `Scans.inputs`.

    Returns:
        (L, H, H) complex64 images and float32 standard deviations.
    """
    count, _, edge, _ = inputs.shape
    model = NeuralImage(count, edge, np.ones((1, 1, 1), np.complex64), (0, edge), weights)
    image = estimate_in(inputs)
    planes = np.ascontiguousarray(image.real), np.ascontiguousarray(image.imag)
    re, im, sigma = model.estimate(np.arange(count), RunningScan(*planes, fluence_in(inputs)))
    return (re + 1j * im).astype(np.complex64), sigma


def solve(
    scans: CompletedScans, alpha: float, step: float, decay: float, stops: Sequence[int] = STOPS
) -> Iterator[Complex64]:
    """Reconstruct classically with some settings.

    Yields:
        (N, H, H) complex64, the images after each number of sweeps of `stops`, rising.
    """
    count, exposures = scans.photons.shape
    edge, margin = scans.truth.shape[-1], scans.margin
    settings = PIESettings(alpha=alpha, object_step=step, decay=decay, modes=len(scans.probe))
    solver = PIESolver(
        scans.probe,
        (edge + 2 * margin, edge + 2 * margin),
        num=count,
        capacity=exposures,
        settings=settings,
        known=scans.known,
    )
    solver.add(None, scans.counts, scans.places, scans.photons)
    inside = slice(margin, margin + edge)
    for before, stop in pairwise((0, *stops)):
        solver.sweep(count=stop - before)
        yield solver.object[:, inside, inside]


def image_of(scans: CompletedScans, chosen: SolverSettings) -> Complex64:
    """Reconstruct classically with some settings, (N, H, H) complex64."""
    (image,) = solve(scans, chosen.alpha, chosen.step, chosen.decay, (chosen.sweeps,))
    return image


class SolverGridSearch:
    """Errors of classical solvers.

    Args:
        scans: of validation specimens.
        stops: numbers of sweeps that are tried, rising.
        grid: alpha, step and decay that are tried.

    Attributes:
        errors: mean E0 on lit pixels by settings.
    """

    def __init__(
        self,
        scans: CompletedScans,
        stops: Sequence[int] = STOPS,
        grid: Sequence[tuple[float, float, float]] = GRID,
    ) -> None:
        self.errors: dict[SolverSettings, float] = {}
        running = {one: solve(scans, *one, stops) for one in grid}
        for stop in stops:
            now = {
                one: float(np.mean(scans.errors(next(images)))) for one, images in running.items()
            }
            self.errors |= {SolverSettings(*one, stop): error for one, error in now.items()}
            if stop >= 10:
                limit = PRUNED * min(self.errors.values())
                running = {one: running[one] for one, error in now.items() if error < limit}

    def best(self, most_sweeps: int = max(STOPS)) -> SolverSettings:
        """Settings of the least mean error among those of so many sweeps or fewer."""
        allowed = [one for one in self.errors if one.sweeps <= most_sweeps]
        return min(allowed, key=self.errors.__getitem__)
