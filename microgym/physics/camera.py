"""Detectors of diffraction: dead time of photon counters, wells and read noise of integrators.

Arrays are flat (n*n,) float32 with the zero frequency at element 0. Two kinds of sensor are known.

A *counting* pixel is blind for its dead time tau after each photon that it counts (the
non-paralysable model; instant retrigger makes hybrid pixel detectors so, Trueb et al., J.
Synchrotron Rad. 22, 701, 2015). Of n photons in the time t it counts n / (1 + n tau / t) on
average, with a variance of that number divided by (1 + n tau / t)^2, in the limit of many counts
(a renewal process; Feller, 1948). It has no read noise.

An *integrating* pixel collects the charge of all photons, up to its full well, and adds read noise.
Its readings are rounded to whole photons, at least 0: the root of unrounded noise would make light
where there is none.

Count rates are corrected as at a beamline: n = m / (1 - m tau / t), the inverse of the mean above,
up to `TRUSTED`. The variance of the corrected count is n (1 + n tau / t).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.physics.dose import PHOTON_SCALE
from microgym.random import fill_normal
from microgym.validation import Checked, Duration, NonNegative, finite, integer

Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Detector(Checked):
    """Imperfections of a detector; the default has none.

    Attributes:
        pixel_dead_time_s: time for which a pixel is blind after a photon, s.
        saturation_counts: full well, detected photons per pixel; infinity for none.
        read_noise_counts: standard deviation added to every pixel of every reading, photons.
        beam_stop_px: radius of the opaque beam stop about the zero frequency, detector pixels.

    Raises:
        TypeError: if a number is not a number.
        ValueError: if one is NaN or out of range.
    """

    pixel_dead_time_s: Duration = 0.0
    saturation_counts: float = math.inf
    read_noise_counts: NonNegative = 0.0
    beam_stop_px: NonNegative = 0.0

    def __post_init__(self) -> None:
        """Check every number."""
        super().__post_init__()
        if self.saturation_counts != math.inf:
            full_well = finite("saturation_counts", self.saturation_counts)
            if full_well < 1.0:
                raise ValueError(f"saturation_counts={full_well!r} must be at least 1")

    def mask(self, n: int) -> Plane:
        """Pixels that are read, for a detector of n by n (see `beam_stop`)."""
        return beam_stop(n, self.beam_stop_px)


SENSORS = ("counting", "integrating")
"""Kinds of sensor."""

_SCALE = PHOTON_SCALE / 4.0

DETECTOR_LEVELS: dict[str, dict[str, Detector]] = {
    "counting": {
        "off": Detector(),
        "easy": Detector(pixel_dead_time_s=100e-9 * _SCALE, beam_stop_px=2.5),
        "real": Detector(pixel_dead_time_s=120e-9 * _SCALE, beam_stop_px=3.5),
        "hard": Detector(pixel_dead_time_s=140e-9 * _SCALE, beam_stop_px=4.0),
    },
    "integrating": {
        "off": Detector(),
        "easy": Detector(saturation_counts=1200.0, read_noise_counts=0.25, beam_stop_px=2.5),
        "real": Detector(saturation_counts=900.0, read_noise_counts=0.3, beam_stop_px=3.5),
        "hard": Detector(saturation_counts=750.0, read_noise_counts=0.35, beam_stop_px=4.0),
    },
}
"""The switch of the detector, for each kind of sensor.

Dead times are 100, 120 and 140 ns at a beamline; 100 ns is usual for counting pixels, which then
count at most 1e7 photons a second (Blaj, J. Synchrotron Rad. 26, 1621, 2019). A pixel of 150 um of
the simulation stands for four of 75 um, and receives one photon for `PHOTON_SCALE` there, so that
its dead time is 2500 times longer: 250, 300 and 350 us. With 1e6 photons a second the brightest
pixel of the direct beam receives 3300 (vacuum) to 13000 a second, and counts 55 to 24, 50 to 20 and
46 to 18 % of them at "easy", "real" and "hard"; it is masked from 4000, 3300 and 2900 a second on.

Wells, read noise and beam stops are design choices. The wells clip that pixel, with 1e6 photons a
second, after 0.09 to 0.36, 0.07 to 0.27 and 0.06 to 0.23 s. The beam stops hide 6, 12 and 15 % of
the direct beam's disk of 10 px.
"""

TRUSTED = 0.5
"""Part of a counting pixel's highest count, t / tau, up to which its rate is corrected; there one
photon is lost for each counted, and the corrected count has twice the variance of Poisson's (design
choice)."""


def beam_stop(n: int, radius_px: float) -> Plane:
    """Mask of a round beam stop about the zero frequency.

    Args:
        n: edge of the detector, px.
        radius_px: radius of the stop, detector pixels, 0 to n/2; pixels nearer are hidden.

    Returns:
        (n, n) float32, 1 where counts are known and 0 behind the stop, zero frequency at [0, 0].

    Raises:
        TypeError: if a number is not a number.
        ValueError: if one is out of range.
    """
    edge = integer("n", n, 1, 1 << 15)
    radius = finite("radius_px", radius_px)
    if not 0.0 <= radius <= edge / 2:
        raise ValueError(f"radius_px={radius!r} must be in [0, {edge / 2}], half the detector")
    at = (np.arange(edge) + edge // 2) % edge - edge // 2
    distance = np.sqrt((at * at)[:, None] + (at * at)[None, :])
    return (distance >= radius).astype(np.float32)


@kernel
def add_read_noise(s0, s1, tick, sigma, counts, work):
    """Add normal noise to every pixel, in place; nothing is drawn for sigma zero.

    Args:
        s0, s1: words of the stream of the read noise (`microgym.random.stream`).
        tick: number of the exposure.
        sigma: standard deviation, photons.
        counts: (n*n,) readings.
        work: (n*n,) float32, overwritten.
    """
    if sigma == 0.0:
        return
    fill_normal(s0, s1, tick, work)
    scale = np.float32(sigma)
    for j in range(counts.size):
        counts[j] += scale * work[j]


@kernel
def lose_counts(s0, s1, tick, blind, counts, known, work):
    """Take away the photons that arrive while their pixel is blind.

    Args:
        s0, s1: words of the stream of the dead time.
        tick: number of the exposure.
        blind: dead time over exposure time, float32.
        counts: (n*n,) photons that arrive; becomes those that are counted, whole numbers.
        known: (n*n,) set to 0 where the count is above `TRUSTED` of the highest one.
        work: (n*n,) float32, overwritten.
    """
    fill_normal(s0, s1, tick, work)
    one, half = np.float32(1.0), np.float32(0.5)
    for j in range(counts.size):
        # m = n / (1 + r), r = n tau / t.
        n = counts[j]
        r = n * blind
        slower = one / (one + r)
        # Arrivals that differ from photon to photon leave m with the variance m r / (1 + r)^3, to
        # which Poisson's variance of n adds m / (1 + r)^3.
        spread = np.sqrt(n * r) * slower * slower
        counted = np.floor(n * slower + spread * work[j] + half)
        counts[j] = min(max(counted, np.float32(0.0)), n)
        known[j] = np.float32(0.0) if counts[j] * blind > np.float32(TRUSTED) else known[j]


@kernel
def correct_rate(blind, counts):
    """Estimate the photons that arrived from those that were counted, in place.

    Args:
        blind: dead time over exposure time, float32.
        counts: (n*n,) photons counted; becomes m / (1 - m tau / t). Above `TRUSTED` of the highest
            count it is a lower bound: m / (1 - `TRUSTED`).
    """
    one, limit = np.float32(1.0), np.float32(TRUSTED)
    for j in range(counts.size):
        counts[j] /= one - min(counts[j] * blind, limit)


@kernel
def read_out(lost, noise, tick, blind, full_well, sigma, mask, counts, known, work):
    """Turn photons into readings, in place: dead time, corrected, full well, read noise, beam stop.

    Args:
        lost, noise: words of the streams of the dead time and of the read noise, two each.
        tick: number of the exposure.
        blind: dead time of a pixel over exposure time; 0 for none.
        full_well: largest value a pixel can hold; infinity for none.
        sigma: standard deviation of the read noise, photons.
        mask: (n*n,) 1 where the detector sees, 0 behind the beam stop; (0,) without one.
        counts: (n*n,) detected photons; becomes the readings, 0 behind the stop.
        known: (n*n,) 1 where the reading tells the intensity, 0 behind the stop, where the pixel
            was full, and where it lost too many; left alone where none of it can be.
        work: (n*n,) float32, overwritten.
    """
    limit = np.float32(full_well)
    # The beam stop hides the centre.
    for j in range(mask.size):
        counts[j] *= mask[j]
        known[j] = mask[j]
    if mask.size == 0 and (blind > 0.0 or limit < np.float32(np.inf)):
        known[:] = np.float32(1.0)
    if blind > 0.0:
        lose_counts(lost[0], lost[1], tick, np.float32(blind), counts, known, work)
        correct_rate(np.float32(blind), counts)
    if limit < np.float32(np.inf):
        # Counts are clipped at the full well, where the intensity is unknown.
        for j in range(counts.size):
            full = counts[j] >= limit
            known[j] = np.float32(0.0) if full else known[j]
            counts[j] = limit if full else counts[j]
    if sigma > 0.0:
        # Pixels behind the stop stay dark.
        add_read_noise(noise[0], noise[1], tick, sigma, counts, work)
        for j in range(counts.size):
            counts[j] = max(np.floor(counts[j] + np.float32(0.5)), np.float32(0.0))
        for j in range(mask.size):
            counts[j] *= mask[j]
