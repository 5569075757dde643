"""Small simulated experiments for the tests of the solvers, in plain NumPy double precision."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Experiment:
    """A specimen, how it was lit, and what was counted."""

    specimen: NDArray[np.complex128]
    probe: NDArray[np.complex128]
    positions: NDArray[np.float64]
    counts: NDArray[np.float64]
    photons: float

    @property
    def dose(self) -> NDArray[np.float64]:
        """Photons that fell on each pixel of the specimen, at whole positions."""
        n = self.probe.shape[-1]
        dose = np.zeros(self.specimen.shape)
        for y, x in np.floor(self.positions + 0.5).astype(int) - n // 2:
            dose[y : y + n, x : x + n] += self.photons * (np.abs(self.probe) ** 2).sum(axis=0)
        return dose


def smooth(image, sigma):
    """Gaussian filter, around the edges."""
    f = [np.fft.fftfreq(edge) for edge in image.shape]
    damping = np.exp(-2 * (np.pi * sigma) ** 2 * (f[0][:, None] ** 2 + f[1] ** 2))
    return np.fft.ifft2(np.fft.fft2(image) * damping).real


def make_specimen(seed, size, contrast=0.3):
    """Smooth random transmission between 0.2 and 1, and smooth random phase."""
    rng = np.random.default_rng(seed)
    absorption, phase = (smooth(rng.normal(size=(size, size)), s) for s in (1.5, 2.0))
    amplitude = np.clip(0.7 + contrast * absorption / absorption.std() * 0.5, 0.2, 1.0)
    return amplitude * np.exp(2j * contrast * phase / phase.std())


def make_probe(n, width, curvature, modes=1):
    """Defocused Gaussian beam and, if asked, tilted copies of an eighth of its power."""
    at = np.arange(n) - n // 2
    y, x = at[:, None], at
    r2 = y * y + x * x
    beam = np.exp((-0.5 / width**2 + 1j * curvature) * r2)
    tilts = [1.0, y / width, x / width][:modes]
    waves = np.stack([beam * tilt for tilt in tilts])
    waves /= np.sqrt((np.abs(waves) ** 2).sum(axis=(1, 2)))[:, None, None]
    waves[1:] *= np.sqrt(1 / 8)
    return waves / np.sqrt((np.abs(waves) ** 2).sum())


def fourier_shift(waves, dy, dx):
    """Waves moved by a fraction of a pixel towards larger rows and columns."""
    f = np.fft.fftfreq(waves.shape[-1])
    ramp = np.exp(-2j * np.pi * (f[:, None] * dy + f * dx))
    return np.fft.ifft2(np.fft.fft2(waves) * ramp)


def grid(low, high, step, jitter, seed):
    """Positions of a square grid, each moved at random by up to `jitter` pixels each way."""
    at = np.arange(low + jitter, high - jitter + 1e-9, step)
    places = np.stack([axis.ravel() for axis in np.meshgrid(at, at, indexing="ij")], axis=1)
    return places + np.random.default_rng(seed).uniform(-jitter, jitter, places.shape)


def measure(specimen, probe, positions, photons, seed):
    """Count photons at every position; `seed` None for expectations without noise."""
    n = probe.shape[-1]
    rng = np.random.default_rng(seed)
    counts = np.empty((len(positions), n, n))
    for k, (y, x) in enumerate(positions):
        row, column = int(np.floor(y + 0.5)), int(np.floor(x + 0.5))
        waves = fourier_shift(probe, y - row, x - column)
        top, left = row - n // 2, column - n // 2
        far = np.fft.fft2(waves * specimen[top : top + n, left : left + n], norm="ortho")
        mean = photons * (np.abs(far) ** 2).sum(axis=0)
        counts[k] = mean if seed is None else rng.poisson(mean)
    return Experiment(specimen, probe, positions, counts, photons)


def small(seed=0, photons=1e6, n=32, size=64, modes=1, jitter=0.0, step=5.0):
    """A quick experiment: 32 px patterns on a 64 px specimen."""
    specimen = make_specimen(seed, size)
    probe = make_probe(n, n / 9, 0.6 / n, modes)
    positions = grid(n // 2, size - n // 2, step, jitter, seed)
    if jitter == 0.0:
        positions = np.floor(positions)
    return measure(specimen, probe, positions, photons, seed)
