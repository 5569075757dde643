"""Partial spatial coherence: the modes of a probe from a source of finite size.

Every point of an incoherent source makes the same probe a little to the side. The average over the
source is a sum over mutually incoherent, orthogonal modes (Wolf, J. Opt. Soc. Am. 72, 343, 1982; in
ptychography Thibault and Menzel, Nature 494, 68, 2013). The source is Gaussian, so that the degree
of coherence in the pupil is Gaussian too (Gaussian-Schell model).
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microgym.numerics.libm import exp
from microgym.numerics.linalg import dft2, eigen, join, span, squared, times, turn
from microgym.physics.probe import check_probe
from microgym.validation import finite, integer

LARGEST_SOURCE_PX = 3.0
"""Largest standard deviation of the source, px. Design choice: beyond, no useful probe is left."""

HELD = 0.995
"""Part of the power that the modes of a level hold. With the probe of Ptycho-v0 that takes 4, 8 and
18 modes at "easy", "real" and "hard"; patterns are within 0.3 % of the light of those of all modes,
and the illumination is narrower by 0.2, 0.3 and 0.8 % in variance."""
MOST_MODES = 64
"""Most modes of a probe."""

_LEFT_OUT = 1e-7
_ROUNDED = 1e-13

Modes = NDArray[np.complex128]


def _decompose(members: Modes) -> tuple[NDArray[np.float64], Modes]:
    """Orthogonal modes of an incoherent sum of waves (k, pixels): powers, falling, and modes."""
    basis, coordinates = span(members, _ROUNDED)
    # The mutual intensity, sum over members of wave and conjugate wave, in the basis.
    parts = times(coordinates[:, :, None], coordinates.conj()[:, None, :])
    powers, mixture = eigen(np.sum(parts, axis=0))
    kept = powers > _LEFT_OUT * powers[0]
    powers, mixture = powers[kept], mixture[:, kept]
    modes = np.zeros((powers.size, members.shape[1]), np.complex128)
    for weights, wave in zip(mixture, basis, strict=True):
        modes += times(weights[:, None], wave[None, :])
    size = np.sqrt(powers)[:, None]
    return powers, join(size * modes.real, size * modes.imag)


def _smear(spectra: Modes, sigma: float, vertical: bool) -> tuple[NDArray[np.float64], Modes]:
    """Average over a source along one axis: powers and spectra of the modes."""
    # The trapezoidal rule is exact but for exp(-2 pi^2 sigma^2 (1/step - f)^2) at frequency f; this
    # step makes that 1e-6 at one cycle per pixel. Five sigma each way leave 6e-7 of the source.
    step = sigma / (sigma + 0.84)
    reach = math.ceil(5.0 * sigma / step)
    places = step * np.arange(-reach, reach + 1)
    weights = exp(-0.5 * (places / sigma) ** 2)
    weights /= weights.sum()
    # The transform is unitary: modes of the spectra are spectra of the modes.
    frequency = np.fft.fftfreq(spectra.shape[-1])
    frequency = frequency[:, None] if vertical else frequency[None, :]
    members: list[Modes] = []
    for place, weight in zip(places, weights, strict=True):
        moved = times(spectra, turn(-2.0 * math.pi * place * frequency))
        members.append(join(math.sqrt(weight) * moved.real, math.sqrt(weight) * moved.imag))
    powers, found = _decompose(np.concatenate(members).reshape(-1, spectra[0].size))
    return powers, found.reshape(-1, *spectra.shape[1:])


def _all_modes(probe: ArrayLike, source_sigma_px: float) -> tuple[NDArray[np.float64], Modes]:
    """Powers and modes (modes, n, n) of a probe under a Gaussian source, strongest first."""
    shape = np.shape(probe)
    if len(shape) != 2:
        raise ValueError(f"probe of shape {shape} must be (n, n): one coherent probe")
    n = shape[-1]
    wave = check_probe(probe, n).astype(np.complex128)
    sigma = finite("source_sigma_px", source_sigma_px)
    limit = min(LARGEST_SOURCE_PX, n / 16)
    if not 0.0 <= sigma <= limit:
        raise ValueError(f"source_sigma_px={sigma!r} must be in [0, {limit}] for a probe of {n} px")
    if sigma == 0.0:
        return np.ones(1), wave
    return _decomposed(wave.tobytes(), n, sigma)


@functools.lru_cache(maxsize=4)
def _decomposed(wave: bytes, edge: int, sigma: float) -> tuple[NDArray[np.float64], Modes]:
    """`_all_modes` of a checked wave, read-only; kept, as they take seconds."""
    spectra = dft2(np.frombuffer(wave, np.complex128).reshape(1, edge, edge))
    _, spectra = _smear(spectra, sigma, vertical=True)
    powers, spectra = _smear(spectra, sigma, vertical=False)
    found = powers / powers.sum(), dft2(spectra, inverse=True)
    for part in found:
        part.flags.writeable = False
    return found


def _mode_number(probe: NDArray[np.complex64], sigma: float) -> float:
    """Effective number of modes of a probe (n, n): one over the sum of their squared powers.

    The sum is the mean of |<P(r) | P(r - d)>|^2 over differences d of points of the source, which
    are normal with standard deviation sqrt(2) sigma along each axis.
    """
    edge = probe.shape[-1]
    wave = check_probe(probe, edge)[0].astype(np.complex128)
    # The autocorrelation is the transform of the power spectrum; d counts round the edges.
    overlaps = edge * dft2(squared(dft2(wave)).astype(np.complex128))
    d = edge * np.fft.fftfreq(edge)
    weights = exp(-0.25 * (d / sigma) ** 2)
    weights = weights[:, None] * weights[None, :] / weights.sum() ** 2
    return 1.0 / float(np.sum(weights * squared(overlaps)))


def mode_powers(probe: ArrayLike, source_sigma_px: float) -> NDArray[np.float64]:
    """Part of the power in each mode, falling; tells the number of modes that a source needs.

    Args:
        probe: (n, n) illumination from a point source.
        source_sigma_px: standard deviation of the source's image in the specimen, px.

    Returns:
        (modes,) float64, sum one; a single one for a source of size zero.

    Raises:
        TypeError, ValueError: as `coherent_modes`.
    """
    return _all_modes(probe, source_sigma_px)[0]


def coherent_modes(probe: ArrayLike, source_sigma_px: float, modes: int) -> NDArray[np.complex64]:
    """The strongest coherent modes of a probe under a Gaussian source.

    Fringes of period p in the specimen keep the visibility exp(-2 pi^2 sigma^2 / p^2). The power
    of the modes left out (`mode_powers`) is spread over those kept, so that the total stays one.

    Args:
        probe: (n, n) illumination from a point source.
        source_sigma_px: standard deviation of the source's image in the specimen, px, from 0 to
            `LARGEST_SOURCE_PX` and a sixteenth of the edge.
        modes: number of modes to keep, 1 to `MOST_MODES`.

    Returns:
        (modes, n, n) complex64, mutually orthogonal, strongest first, total power one. A source of
        size zero has one mode, whatever `modes` says, and a tiny one may have fewer than asked.

    Raises:
        TypeError: if an argument is of the wrong kind.
        ValueError: if one is out of range or the probe is no probe.
    """
    keep = integer("modes", modes, 1, MOST_MODES)
    return _upright(_all_modes(probe, source_sigma_px)[1][:keep].copy())


def _upright(waves: Modes) -> NDArray[np.complex64]:
    """Modes scaled to power one, with phases that do not depend on how they were found."""
    # The phase of an eigenvector is arbitrary: let the strongest pixel be real and positive.
    for wave in waves:
        power = squared(wave)
        strongest = np.conj(wave.flat[np.argmax(power)])
        turned, size = times(wave, np.asarray(strongest)), math.sqrt(float(power.max()))
        wave.real, wave.imag = turned.real / size, turned.imag / size
    return check_probe(waves, waves.shape[-1])


@dataclass(frozen=True)
class Coherence:
    """Partial coherence of the beam.

    Attributes:
        source_px: standard deviation of the source's image on the specimen, px.
    """

    source_px: float = 0.0

    def modes_of(self, probe: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """Modes of a probe, (n, n) or (1, n, n), that hold `HELD` of its power.

        Under a point source the probe itself is returned.

        Raises:
            ValueError: the probe has several modes and the source is no point, or they are more
                than `MOST_MODES`.
        """
        if self.source_px == 0.0:
            return probe
        waves = probe.reshape(-1, *probe.shape[-2:])
        if len(waves) != 1:
            raise ValueError(f"coherence must be 'off' with a probe of {len(waves)} modes")
        number = _mode_number(waves[0], self.source_px)
        # Of powers in geometric progression, twice the effective number holds less than HELD; the
        # decomposition of more takes minutes.
        if 2.0 * number <= MOST_MODES:
            powers, waves = _all_modes(waves[0], self.source_px)
            needed = int(np.searchsorted(np.cumsum(powers), HELD)) + 1
            if needed <= MOST_MODES:
                return _upright(waves[:needed].copy())
        raise ValueError(
            f"coherence: a source of {self.source_px:g} px makes more than {MOST_MODES} modes of "
            f"this probe (effective number {number:.1f}): choose a lower level, or a smoother probe"
        )


COHERENCE_LEVELS: dict[str, Coherence] = {
    "off": Coherence(),
    "easy": Coherence(0.5),
    "real": Coherence(1.0),
    "hard": Coherence(2.0),
}
"""The switch of coherence: sources of 0.5, 1 and 2 px, or 5, 10 and 20 nm at 10 nm a pixel (design
choices). A beam of diameter D is coherent across if the source is well below the finest fringe that
matters: at 2 px, fringes of a period of 9 px have lost two thirds of their visibility."""
