"""Photon-counting camera: full wells, read noise, a beam stop.

Arrays are flat (n*n,) float32 with the zero frequency at element 0. A reading is the number of
detected photons, clipped at the full well, plus read noise. Readings with read noise are real
numbers and may be below zero: no digitisation is modelled (design choice: converters are finer than
the noise), so that a square root must be clipped at zero.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.random import fill_normal
from microgym.validation import Checked, NonNegative, finite, integer

Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Detector(Checked):
    """Imperfections of a photon-counting camera; the default has none.

    Attributes:
        saturation_counts: full well, detected photons per pixel; infinity for none.
        read_noise_counts: standard deviation added to every pixel of every reading, photons.
        beam_stop_px: radius of the opaque beam stop about the zero frequency, detector pixels.

    Raises:
        TypeError: if a number is not a number.
        ValueError: if one is NaN or out of range.
    """

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


DETECTOR_LEVELS: dict[str, Detector] = {
    "off": Detector(),
    "easy": Detector(saturation_counts=2.0**20),
    "real": Detector(saturation_counts=2.0**16, beam_stop_px=1.5),
    "hard": Detector(saturation_counts=2.0**14, beam_stop_px=2.5, read_noise_counts=1.0),
}
"""Full wells of 20, 16 and 14 bits, a stop over the direct beam, read noise (design choices)."""


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
def read_out(s0, s1, tick, full_well, sigma, mask, counts, known, work):
    """Turn photon counts into readings, in place: full well, read noise, beam stop.

    Args:
        s0, s1: words of the stream of the read noise.
        tick: number of the exposure.
        full_well: largest value a pixel can hold; infinity for none.
        sigma: standard deviation of the read noise, photons.
        mask: (n*n,) 1 where the detector sees, 0 behind the beam stop; (0,) without one.
        counts: (n*n,) detected photons; becomes the readings, 0 behind the stop.
        known: (n*n,) 1 where the reading tells the intensity, 0 behind the stop and where the
            pixel was full; left alone where neither can be.
        work: (n*n,) float32, overwritten.
    """
    limit = np.float32(full_well)
    # The beam stop hides the centre.
    for j in range(mask.size):
        counts[j] *= mask[j]
        known[j] = mask[j]
    if limit < np.float32(np.inf):
        if mask.size == 0:
            known[:] = np.float32(1.0)
        # Counts are clipped at the full well, where the intensity is unknown.
        for j in range(counts.size):
            full = counts[j] >= limit
            known[j] = np.float32(0.0) if full else known[j]
            counts[j] = limit if full else counts[j]
    if sigma > 0.0:
        # Pixels behind the stop stay dark.
        add_read_noise(s0, s1, tick, sigma, counts, work)
        for j in range(mask.size):
            counts[j] *= mask[j]
