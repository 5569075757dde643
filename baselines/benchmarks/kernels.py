"""Benchmarks of kernels: an exposure with its update, Poisson noise, the Fourier transform."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.baselines.benchmarks.instruments import keys
from microgym.baselines.benchmarks.timing import Alternative, Benchmark, Effort, at_least, benchmark
from microgym.envs.ptycho.config import PtychoConfig
from microgym.instruments.ptychography.instrument import (
    PtychographyInstrument,
    PtychographySettings,
)
from microgym.jit import kernel
from microgym.numerics.fft import fft2, plan
from microgym.random import POISSON_WORK, fill_poisson
from microgym.reconstruction.ptychography.online import OnlineReconstruction
from microgym.specimens.families import fill
from microgym.specimens.splits import specimen_key

Array = NDArray[Any]
Patch = tuple[slice, slice]
Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]

PERFECT = PtychoConfig(drift="off", damage="off")
"""Arguments without drift and damage."""
SPECIMEN = str(PERFECT.specimen), PERFECT.split
"""Family and split of every specimen."""
PLACES = 32
"""Positions that are exposed in turn."""
BATCH = 8
"""Frames and transforms in one call of a kernel: they outweigh dispatch and fit the L2 cache."""
_TINY = 1e-10  # keeps dark pixels from dividing by nothing
_ALPHA, _STEP = 0.2, 1.5  # of rPIE, those of `OnlineReconstruction`


class NumpyMicroscope:
    """Ptychographic microscope in NumPy with perfect stage and detector, and its reconstruction.

    Whole arrays at a time, nothing computed twice, single precision where NumPy keeps it. Only the
    specimen is drawn by the compiled code, so that both sides see the same one from a key.

    Args:
        settings: of the compiled instrument; one probe mode.
        generator: source of photon noise.
        iterations: rPIE iterations on each new exposure.
        precision: np.complex64 or np.complex128: dtype of every array.

    Attributes:
        specimen: (H, W) complex, transmission.
        structure: (H, W) bool, where the specimen differs from vacuum.
        fluence: (H, W) photons per object pixel so far.
        counts: (n, n) int64, last reading.
        photons: its incident photons.
        corner: top and left of its patch as commanded, px.
        lit: patch that was illuminated.
        estimate: (H, W) complex, the reconstruction.
        time_s, dose, exposures, path_m: the ledger.
    """

    def __init__(
        self,
        settings: PtychographySettings,
        generator: np.random.Generator,
        *,
        iterations: int = 1,
        precision: Any = np.complex64,
    ) -> None:
        self.settings, self.iterations, self.precision = settings, iterations, precision
        self.real: Any = np.zeros(0, precision).real.dtype
        (probe,) = settings.probe
        self.n = probe.shape[-1]
        self.probe = probe.astype(precision)
        light = np.abs(probe.astype(np.complex128)) ** 2
        self.footprint = light.astype(self.real)
        self.weight = self.pie_weight(_ALPHA, _STEP)
        self.generator = generator

    def pie_weight(self, alpha: float, step: float) -> Array:
        """Factor of rPIE's object update, (n, n), for a step length."""
        (probe,) = self.settings.probe
        light = np.abs(probe.astype(np.complex128)) ** 2
        share = (1.0 - alpha) * light + alpha * light.max()
        return (step * probe.conj() / share).astype(self.precision)

    def reset(self, key: NDArray[np.uint32], family: str, split: str) -> None:
        """Put in a fresh specimen, the one that the compiled instrument draws from this key."""
        side, margin = self.settings.field_px, self.n // 2
        re, im = np.empty((2, 1, side, side), np.float32)
        structure = np.empty((1, side, side), np.uint8)
        fill(family, specimen_key(key, split)[None], re, im, structure, margin=margin)
        self.structure = structure[0].astype(np.bool_)
        self.specimen = (re[0] + 1j * im[0]).astype(self.precision)
        self.fluence = np.zeros((side, side), self.real)
        self.estimate = np.ones((side, side), self.precision)
        self.command = (0.5 * side, 0.5 * side)
        self.time_s, self.dose, self.exposures, self.path_m = 0.0, 0.0, 0, 0.0

    def expose(self, y: float, x: float, dwell_s: float) -> None:
        """Take one exposure at a commanded centre of the probe, px, which is rounded."""
        settings, half = self.settings, self.n // 2
        target = math.floor(y + 0.5), math.floor(x + 0.5)
        way = math.hypot(target[0] - self.command[0], target[1] - self.command[1])
        before_s = way / settings.stage_speed_px_s + settings.dead_time_s
        photons = settings.photons_per_s * dwell_s
        mean, light, lit = self.illuminate(target, before_s, dwell_s)
        self.counts = self.draw(photons * mean)
        self.fluence[lit] += photons * light
        self.lit, self.photons, self.command = lit, photons, target
        self.corner = target[0] - half, target[1] - half
        self.time_s += before_s + dwell_s
        self.dose += photons
        self.exposures += 1
        self.path_m += way * settings.geometry.object_pixel_m

    def illuminate(
        self, target: tuple[int, int], before_s: float, dwell_s: float
    ) -> tuple[Array, Array, Patch]:
        """Drive to the commanded position, (y, x) whole px, within the time before the exposure.

        Returns:
            (n, n) expected counts per incident photon, (n, n) power of the illumination, and the
            illuminated patch.
        """
        del before_s, dwell_s  # a perfect stage does not drift, and nothing fades
        half = self.n // 2
        lit = self.patch(target[0] - half, target[1] - half)
        return self.diffract(self.probe, self.specimen[lit]), self.footprint, lit

    def diffract(self, probe: Array, under: Array) -> Array:
        """Expected counts per incident photon of a patch of the specimen under a probe."""
        return np.abs(np.fft.fft2(probe * under, norm="ortho")) ** 2

    def draw(self, mean: Array) -> Array:
        """Draw Poisson counts of an expectation."""
        return self.generator.poisson(mean)

    def improve(self) -> None:
        """Update the reconstruction with the latest exposure."""
        amplitude = np.sqrt(self.counts.astype(self.real) / self.photons)
        self.enter(self.patch(*self.corner), amplitude, self.iterations)

    def enter(self, patch: Patch, amplitude: Array, turns: int) -> None:
        """Iterate some times on the square root of the counts per incident photon; |O| <= 1."""
        for _ in range(turns):
            self.iterate(patch, amplitude, self.weight)
        self.estimate[patch] /= np.maximum(np.abs(self.estimate[patch]), 1.0)

    def iterate(self, patch: Patch, amplitude: Array, weight: Array) -> None:
        """One rPIE iteration with a weight that includes the step length."""
        under = self.estimate[patch]
        far = np.fft.fft2(self.probe * under, norm="ortho")
        far *= amplitude / np.maximum(np.abs(far), _TINY) - 1.0
        under += weight * np.fft.ifft2(far, norm="ortho")

    def patch(self, top: int, left: int) -> Patch:
        """Square of the detector's size with a given corner."""
        return slice(top, top + self.n), slice(left, left + self.n)


class NumpySteps:
    """Exposures and updates of `count` microscopes in NumPy, one after another."""

    def __init__(self, count: int, precision: Any) -> None:
        self.positions = cycle(_positions(count))
        self.microscopes: list[NumpyMicroscope] = []
        for number, key in enumerate(keys(count)):
            generator = np.random.default_rng(number)
            one = NumpyMicroscope(PERFECT.settings, generator, iterations=1, precision=precision)
            one.reset(key, *SPECIMEN)
            self.microscopes.append(one)

    def run(self) -> None:
        """One exposure and update of each microscope."""
        places = next(self.positions).tolist()
        for microscope, (y, x) in zip(self.microscopes, places, strict=True):
            microscope.expose(y, x, 1.0)
            microscope.improve()


class CompiledSteps:
    """The same, compiled, in one call for all."""

    def __init__(self, count: int) -> None:
        self.positions = cycle(_positions(count))
        self.instrument = PtychographyInstrument(count, PERFECT.settings)
        self.rows, self.dwell_s = np.arange(count), np.ones(count)
        self.instrument.reset(self.rows, keys(count), *SPECIMEN)
        probe = self.instrument.known_probe
        self.estimate = OnlineReconstruction(
            count, self.instrument.field_px, probe, exposures=1, iterations=1
        )

    def run(self) -> None:
        """One exposure and update of each microscope."""
        instrument, estimate = self.instrument, self.estimate
        instrument.expose(self.rows, next(self.positions), self.dwell_s)
        estimate.state.taken.fill(0)
        estimate.add(self.rows, *instrument.state.measurement)


def _positions(count: int) -> NDArray[np.float64]:
    """Positions of exposures, (PLACES, count, 2) float64, whole px of the field."""
    settings = PERFECT.settings
    low = settings.geometry.detector_pixels // 2
    high = low + settings.region_px
    places = np.random.default_rng(0).integers(low, high, (PLACES, count, 2), endpoint=True)
    return places.astype(np.float64)


@benchmark
def step(effort: Effort) -> Iterator[Benchmark]:
    """One exposure with Poisson counts and one rPIE update, for 1 and for 64 microscopes."""
    for count in (1, 64):
        numpys = {
            f"NumPy, {one.__name__}": Alternative(NumpySteps(count, one).run, count)
            for one in (np.complex64, np.complex128)
        }
        yield Benchmark(
            f"exposure with counts and rPIE update, {PERFECT.photons:g} photons, 64x64, "
            f"microscopes: {count}",
            {**numpys, "microgym": Alternative(CompiledSteps(count).run, count)},
            [at_least("microgym", 7.0, [*numpys])],
            "exposure",
        )


def frames(photons: float) -> Float32:
    """Expected counts of diffraction patterns of some incident photons each, (BATCH, 64, 64)."""
    microscope = NumpySteps(1, np.complex128).microscopes[0]
    microscope.draw = lambda mean: mean
    places = np.argwhere(microscope.structure)
    chosen = np.random.default_rng(0).choice(places, BATCH)
    means = np.empty((BATCH, microscope.n, microscope.n), np.float32)
    for mean, (y, x) in zip(means, chosen.tolist(), strict=True):
        microscope.expose(y, x, photons / PERFECT.photons)
        mean[:] = microscope.counts
    return means


@kernel
def draw_frames(tick, means, counts, work):
    """Poisson counts of every frame."""
    for k in range(means.shape[0]):
        fill_poisson(1, 2, tick + k, means[k], counts[k], work)


@benchmark
def poisson(effort: Effort) -> Iterator[Benchmark]:
    """Poisson counts of diffraction frames, uniform numbers included."""
    generator = np.random.default_rng(0)
    for photons in (1e3, 1e4, 1e5, 1e6, 1e7):
        means = frames(photons)
        flat = means.reshape(BATCH, -1)
        counts, work = np.empty_like(flat), np.empty(POISSON_WORK, np.float32)
        numpy = partial(generator.poisson, means.astype(np.float64))
        compiled = partial(draw_frames, np.int64(3), flat, counts, work)
        yield Benchmark(
            f"Poisson counts of a diffraction frame, {photons:g} photons, 64x64",
            {"NumPy": Alternative(numpy, BATCH), "microgym": Alternative(compiled, BATCH)},
            [at_least("microgym", 6.0, ["NumPy"])],
            "frame",
        )


@kernel
def transform_all(re, im, out_re, out_im, fft, work):
    """Unitary transforms of every wave."""
    for k in range(re.shape[0]):
        fft2(re[k], im[k], out_re[k], out_im[k], fft, work)


def transforms(side: int) -> tuple[dict[str, Callable[[], Any]], list[str]]:
    """Functions that transform BATCH waves of `side` by `side` px, and what is missing.

    Returns:
        Name to a function that returns spectra, (BATCH, side, side) complex, but microgym's as
        planes, (2, BATCH, side * side); and notes on packages that are not installed.
    """
    parts = np.random.default_rng(0).standard_normal((2, BATCH, side, side))
    single = (parts[0] + 1j * parts[1]).astype(np.complex64)
    ready = plan(side)
    re, im = parts.astype(np.float32).reshape(2, BATCH, -1)
    out = np.empty((2, BATCH, side * side), np.float32)
    work = np.empty(ready.workspace, np.float32)

    def each(transform: Any, waves: NDArray[Any]) -> Callable[[], Any]:
        return lambda: [transform(one, norm="ortho") for one in waves]

    def compiled() -> Float32:
        transform_all(re, im, out[0], out[1], ready, work)
        return out

    alternatives: dict[str, Callable[[], Any]] = {
        "NumPy, complex64": each(np.fft.fft2, single),
        "NumPy, complex128": each(np.fft.fft2, single.astype(np.complex128)),
    }
    missing: list[str] = []
    if find_spec("scipy"):
        from scipy import fft as scipy_fft

        alternatives["SciPy, complex64"] = each(scipy_fft.fft2, single)
    else:
        missing.append("SciPy is left out: not installed")
    if find_spec("rocket_fft"):
        from microgym.baselines.benchmarks.alternatives.rocket import transform_all as rocket

        axes, result = np.array([0, 1]), np.empty_like(single)

        def compiled_rocket() -> Complex64:
            rocket(single, result, axes, 1.0 / side)
            return result

        alternatives["rocket-fft, complex64"] = compiled_rocket
    else:
        missing.append("rocket-fft is left out: not installed (pip install rocket-fft)")
    alternatives["microgym"] = compiled
    return alternatives, missing


@benchmark
def fft(effort: Effort) -> Iterator[Benchmark]:
    """Two-dimensional Fourier transforms: in compiled loops where possible, else in Python."""
    for side in (64, 128, 256):
        alternatives, missing = transforms(side)
        bound = at_least("microgym", 2.0, ["rocket-fft, complex64"])
        yield Benchmark(
            f"Fourier transform, {side}x{side}",
            {name: Alternative(run, BATCH) for name, run in alternatives.items()},
            [bound] if side == 64 else [],
            "transform",
            notes=missing,
        )
