"""Ptychographic microscope in NumPy, with which compiled exposures and updates are compared.

Whole arrays at a time, nothing computed twice: `np.fft`, a `Generator` for the noise, single
precision where NumPy keeps it. Only the specimen is drawn by the compiled code, so that both sides
see the same specimens from the same seeds.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.instruments.ptychography.instrument import PtychographySettings
from microgym.specimens.families import fill
from microgym.specimens.splits import specimen_key

Array = NDArray[Any]
Patch = tuple[slice, slice]

_TINY = 1e-10  # keeps dark pixels from dividing by nothing
_ALPHA, _STEP = 0.5, 1.5  # of rPIE, as in Ptycho-v0


class NumpyMicroscope:
    """Scanned diffraction microscope with perfect stage and detector, and its reconstruction.

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
    """

    def __init__(
        self,
        settings: PtychographySettings,
        generator: np.random.Generator,
        *,
        iterations: int = 3,
        precision: Any = np.complex64,
    ) -> None:
        self.settings, self.iterations, self.precision = settings, iterations, precision
        self.real: Any = np.zeros(0, precision).real.dtype
        (probe,) = settings.probe
        self.n = probe.shape[-1]
        self.probe = probe.astype(precision)
        light = np.abs(probe.astype(np.complex128)) ** 2
        self.footprint = light.astype(self.real)
        share = (1.0 - _ALPHA) * light + _ALPHA * light.max()
        self.weight = (_STEP * probe.conj() / share).astype(precision)
        self.generator = generator

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

    def expose(self, y: float, x: float, dwell_s: float) -> None:
        """Take one exposure at a commanded centre of the probe, px, which is rounded."""
        half = self.n // 2
        target = math.floor(y + 0.5), math.floor(x + 0.5)
        probe, light, lit = self.illuminate(target, dwell_s)
        photons = self.settings.photons_per_s * dwell_s
        far = np.fft.fft2(probe * self.specimen[lit], norm="ortho")
        self.counts = self.draw(photons * np.abs(far) ** 2)
        self.fluence[lit] += photons * light
        self.lit, self.photons = lit, photons
        self.corner = target[0] - half, target[1] - half

    def illuminate(self, target: tuple[int, int], dwell_s: float) -> tuple[Array, Array, Patch]:
        """Drive to the commanded position, (y, x) whole px.

        Returns:
            (n, n) complex illumination, (n, n) its power, and the illuminated patch.
        """
        half = self.n // 2
        return self.probe, self.footprint, self.patch(target[0] - half, target[1] - half)

    def draw(self, mean: Array) -> Array:
        """Draw Poisson counts of an expectation."""
        return self.generator.poisson(mean)

    def improve(self) -> None:
        """Update the reconstruction with the latest exposure."""
        amplitude = np.sqrt(self.counts.astype(self.real) / self.photons)
        for _ in range(self.iterations):
            self.iterate(self.patch(*self.corner), amplitude)

    def iterate(self, patch: Patch, amplitude: Array) -> None:
        """One rPIE iteration on the square root of the counts per incident photon."""
        under = self.estimate[patch]
        far = np.fft.fft2(self.probe * under, norm="ortho")
        far *= amplitude / np.maximum(np.abs(far), _TINY) - 1.0
        under += self.weight * np.fft.ifft2(far, norm="ortho")

    def patch(self, top: int, left: int) -> Patch:
        """Square of the detector's size with a given corner."""
        return slice(top, top + self.n), slice(left, left + self.n)
