"""A ptychographic microscope in NumPy alone: what compiled code is timed against.

One microscope, whole arrays at a time, nothing computed twice: `np.fft`, a `Generator` for all
noise, single precision where NumPy keeps it. Only what happens once an episode, the drawing of a
specimen and its division into bands, is left to the compiled code, so that both sides see the same
specimens from the same seeds. Fed with the same draws, both agree within float32 rounding; a test
does that.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.instruments.ptychography.settings import (
    STAGE_LEVELS,
    PtychographySettings,
    direct_beam,
)
from microgym.physics.damage import split_bands
from microgym.physics.drift import DriftParameters
from microgym.specimens.families import fill
from microgym.specimens.splits import specimen_key

Array = NDArray[Any]
Patch = tuple[slice, slice]

_TINY = 1e-10  # keeps dark pixels from dividing by nothing


class NumpyStage:
    """A stage that drifts, settles, wanders, lags and jitters; see `microgym.physics.drift`.

    Two numbers at a time are no work for arrays: lists of Python's floats, (y, x), px.

    Args:
        parameters: how imperfect it is.
        generator: source of all its draws.
    """

    def __init__(self, parameters: DriftParameters, generator: np.random.Generator) -> None:
        self.parameters = parameters
        self.generator = generator
        self.perfect = parameters == STAGE_LEVELS["off"]

    def start(self, centre: float) -> None:
        """Come to rest at (centre, centre), px, and draw the drift of an episode."""
        self.play = [centre, centre]
        self.velocity = self._vector(self.parameters.speed)
        self.settling = self._vector(self.parameters.settling)
        self.moved, self.drift = [0.0, 0.0], [0.0, 0.0]
        self.wander = [(0.0, 0.0), (0.0, 0.0)]
        self.clock_s, self.cell = 0.0, -1

    def go(self, target: Sequence[float], before_s: float, dwell_s: float) -> Sequence[float]:
        """Drive to a command and expose there.

        Args:
            target: (y, x), whole px.
            before_s: motion and dead time.
            dwell_s: exposure.

        Returns:
            Where the beam falls in the middle of the exposure, (y, x), px.
        """
        if self.perfect:
            return target
        half, jitter_px = 0.5 * self.parameters.backlash, self.parameters.jitter
        pairs = zip(self.play, target, strict=True)
        self.play = [min(max(play, at - half), at + half) for play, at in pairs]
        self._advance(before_s + 0.5 * dwell_s)
        parts = zip(self.play, self.drift, self.jitter(), strict=True)
        beam = [play + drift + jitter_px * draw for play, drift, draw in parts]
        self._advance(0.5 * dwell_s)
        return beam

    def jitter(self) -> list[float]:
        """Two normal numbers."""
        return self.generator.standard_normal(2).tolist()

    def steps(self, count: int) -> list[list[float]]:
        """Two normal numbers for each of the next cells of the wandering clock."""
        return self.generator.standard_normal((count, 2)).tolist()

    def _vector(self, mean: float) -> list[float]:
        turn, share = self.generator.random(2).tolist()
        size = mean * (0.5 + share)
        return [size * math.sin(2.0 * math.pi * turn), size * math.cos(2.0 * math.pi * turn)]

    def _advance(self, dt: float) -> None:
        parameters = self.parameters
        kept = math.exp(-dt / parameters.settling_time_s)
        for axis in range(2):
            self.moved[axis] += self.velocity[axis] * dt + self.settling[axis] * (1.0 - kept)
            self.settling[axis] *= kept
        self.clock_s += dt
        cell_s = parameters.cell_time_s
        cell = math.floor(self.clock_s / cell_s)
        if cell > self.cell:
            keep = math.exp(-cell_s / parameters.wander_time_s)
            fresh = math.sqrt(1.0 - keep * keep)
            for draw_y, draw_x in self.steps(cell - self.cell):
                y, x = self.wander[1]
                self.wander = [(y, x), (keep * y + fresh * draw_y, keep * x + fresh * draw_x)]
            self.cell = cell
        part = self.clock_s / cell_s - cell
        for axis in range(2):
            first, second = self.wander[0][axis], self.wander[1][axis]
            level = first + part * (second - first)
            self.drift[axis] = self.moved[axis] + parameters.wander * level


class NumpyMicroscope:
    """A scanned diffraction microscope with a perfect detector, and its running reconstruction.

    Args:
        settings: of the compiled instrument; one probe mode.
        generator: source of photon noise and drift.
        iterations: rPIE iterations on each new exposure.
        alpha: 1 for ePIE, below for rPIE.
        step: step length of the object.
        precision: np.complex64 or np.complex128: what every array is held in.

    Attributes:
        pristine, specimen: (H, W) complex, transmission before the first photon and now.
        bands: (B, H, W) complex, contrast by band of spatial frequency, where damage is on.
        structure: (H, W) bool, where the specimen differs from vacuum.
        fluence: (H, W) photons per object pixel so far.
        counts: (n, n) int64, last reading.
        photons: its incident photons.
        corner: top and left of its patch as commanded, px.
        lit: the patch where it really fell.
        estimate: (H, W) complex, the reconstruction.
        time_s, dose, exposures, path_m: the ledger.
    """

    def __init__(
        self,
        settings: PtychographySettings,
        generator: np.random.Generator,
        *,
        iterations: int = 3,
        alpha: float = 0.5,
        step: float = 1.5,
        precision: Any = np.complex64,
    ) -> None:
        self.settings, self.iterations, self.precision = settings, iterations, precision
        self.real: Any = np.zeros(0, precision).real.dtype
        (probe,) = settings.probe
        self.n = probe.shape[-1]
        self.probe = probe.astype(precision)
        self.spectrum = np.fft.fft2(probe.astype(np.complex128)).astype(precision)
        self.frequencies = np.fft.fftfreq(self.n)
        light = np.abs(probe.astype(np.complex128)) ** 2
        self.footprint = light.astype(self.real)
        share = (1.0 - alpha) * light + alpha * light.max()
        self.weight = (step * probe.conj() / share).astype(precision)
        self.disk = direct_beam(settings.probe).reshape(self.n, self.n).astype(self.real)
        fading = settings.damage.critical_fluence < math.inf
        rates = settings.damage.inverse_critical()[: None if fading else 0]
        self.rates = rates.astype(self.real)[:, None, None]
        self.fatal = float(1.0 / rates[-1]) if fading else math.inf
        self.generator = generator
        self.stage = NumpyStage(settings.stage, generator)

    def reset(self, key: NDArray[np.uint32], family: str, split: str) -> None:
        """Put in a fresh specimen, the one that the compiled instrument draws from this key."""
        side, margin = self.settings.field_px, self.n // 2
        re, im = np.empty((2, 1, side, side), np.float32)
        structure = np.empty((1, side, side), np.uint8)
        fill(family, specimen_key(key, split)[None], re, im, structure, margin=margin)
        self.structure = structure[0].astype(np.bool_)
        self.pristine = (re[0] + 1j * im[0]).astype(self.precision)
        self.specimen = self.pristine.copy()
        bands = np.empty((len(self.rates), 2, side, side), np.float32)
        if len(bands):
            split_bands(re[0], im[0], bands, np.empty((2, side, side), np.float32))
        self.bands = (bands[:, 0] + 1j * bands[:, 1]).astype(self.precision)
        self.fluence = np.zeros((side, side), self.real)
        self.estimate = np.ones((side, side), self.precision)
        self.history: list[tuple[Patch, Array]] = []
        self.command = (0.5 * side, 0.5 * side)
        self.time_s, self.dose, self.exposures, self.path_m = 0.0, 0.0, 0, 0.0
        self.stage.start(0.5 * side)

    def expose(self, y: float, x: float, dwell_s: float) -> None:
        """Take one exposure.

        Args:
            y, x: commanded centre of the probe, px; rounded.
            dwell_s: exposure time.
        """
        settings, half = self.settings, self.n // 2
        target = math.floor(y + 0.5), math.floor(x + 0.5)
        way = math.hypot(target[0] - self.command[0], target[1] - self.command[1])
        before = way / settings.stage_speed_px_s + settings.dead_time_s
        beam = self.stage.go(target, before, dwell_s)
        last = settings.field_px - self.n
        top, left = (min(max(math.floor(at + 0.5) - half, 0), last) for at in beam)
        off_y, off_x = beam[0] - (top + half), beam[1] - (left + half)
        probe, light = self.probe, self.footprint
        if off_y != 0.0 or off_x != 0.0:
            rows = np.exp(-2j * math.pi * off_y * self.frequencies).astype(self.precision)
            columns = np.exp(-2j * math.pi * off_x * self.frequencies).astype(self.precision)
            probe = np.fft.ifft2(self.spectrum * rows[:, None] * columns)
            light = np.abs(probe) ** 2
        photons, lit = settings.photons_per_s * dwell_s, self.patch(top, left)
        far = np.fft.fft2(probe * self.specimen[lit], norm="ortho")
        self.counts = self.draw(photons * np.abs(far) ** 2)
        self.fluence[lit] += photons * light
        if len(self.rates):
            kept = np.exp(-self.rates * self.fluence[lit])
            self.specimen[lit] = 1.0 + (kept * self.bands[:, lit[0], lit[1]]).sum(axis=0)
        self.lit, self.photons, self.command = lit, photons, target
        self.corner = target[0] - half, target[1] - half
        self.time_s += before + dwell_s
        self.dose += photons
        self.exposures += 1
        self.path_m += way * settings.geometry.object_pixel_m

    def draw(self, mean: Array) -> Array:
        """Photons counted where `mean` are expected."""
        return self.generator.poisson(mean)

    def improve(self) -> None:
        """Take the latest exposure into the reconstruction."""
        amplitude = np.sqrt(self.counts.astype(self.real) / self.photons)
        patch = self.patch(*self.corner)
        self.history.append((patch, amplitude))
        for _ in range(self.iterations):
            self._iterate(patch, amplitude)

    def sweep(self, sweeps: int) -> None:
        """Go through all exposures again, in the order they were taken."""
        for _ in range(sweeps):
            for patch, amplitude in self.history:
                self._iterate(patch, amplitude)

    def patch(self, top: int, left: int) -> Patch:
        """The square of the detector's size with a given corner."""
        return slice(top, top + self.n), slice(left, left + self.n)

    def _iterate(self, patch: Patch, amplitude: Array) -> None:
        under = self.estimate[patch]
        far = np.fft.fft2(self.probe * under, norm="ortho")
        far *= amplitude / np.maximum(np.abs(far), _TINY) - 1.0
        under += self.weight * np.fft.ifft2(far, norm="ortho")
