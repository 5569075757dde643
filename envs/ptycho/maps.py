"""What the operator sees of a scan: maps of the region, a few numbers, and no more."""

import numpy as np
from numpy.typing import NDArray

from microgym.compiled import kernel
from microgym.elementary import atan2_32, exp32
from microgym.metrics.incremental import pooled
from microgym.physics.diffraction import add_fluence

Plane = NDArray[np.float32]
Rows = NDArray[np.int64]

CHANNELS = ("amplitude", "phase", "coverage", "dose", "uncertainty")
"""Maps of an observation, in order."""
NUMBERS = ("y", "x", "exposures_left", "time_left", "dose", "transmitted", "scattered")
"""Numbers of an observation, in order."""


@kernel
def draw_maps(rows, shown, fluence, start, cells, edge, unit, out):
    """Pool image, uncertainty and fluence of the listed rows into the maps of the observation.

    Args:
        rows: (k,) int64.
        shown: (N, H, W) complex image whose amplitude and phase are shown, as real and imaginary
            part, and the standard deviation of its error.
        fluence: (N, H, W) photons per object pixel that the operator knows to have spent.
        start: first row and column of the region, px.
        cells: cells along an edge.
        edge: pixels along the edge of a cell.
        unit: photons per object pixel that count as one exposure.
        out: (N, 5, cells, cells) written: |.|/2, arg/pi, 1 - exp(-3 exposures), exposures/10,
            twice the mean standard deviation, all clipped to [-1, 1].
    """
    one = np.float32(1.0)
    size = cells * edge
    re, im, sigma = shown
    for k in range(rows.size):
        b = rows[k]
        pooled(re[b], start, start, size, cells, out[b, 0])
        pooled(im[b], start, start, size, cells, out[b, 1])
        pooled(fluence[b], start, start, size, cells, out[b, 2])
        pooled(sigma[b], start, start, size, cells, out[b, 4])
        for row in range(cells):
            first, second, third = out[b, 0, row], out[b, 1, row], out[b, 2, row]
            fourth, fifth = out[b, 3, row], out[b, 4, row]
            for cell in range(cells):
                x, y, flux = first[cell], second[cell], third[cell] / unit
                first[cell] = min(np.float32(0.5) * np.sqrt(x * x + y * y), one)
                second[cell] = atan2_32(y, x) * np.float32(1.0 / np.pi)
                third[cell] = one - exp32(np.float32(-3.0) * min(flux, np.float32(20.0)))
                fourth[cell] = min(np.float32(0.1) * flux, one)
                fifth[cell] = min(np.float32(2.0) * fifth[cell], one)


@kernel
def record_rows(rows, corner, photons, counts, footprint, disk, fluence, signal, n):
    """Enter the latest exposure of each row into the operator's books.

    Args:
        rows: (k,) int64.
        corner: (N, 2) int64, corner of the patch as commanded, px.
        photons: (N,) float64, incident photons.
        counts: (N, n*n) readings.
        footprint: (n*n,) intensity of the probe, sum one.
        disk: (n*n,) float32, 1 inside the direct beam on the detector.
        fluence: (N, H, W) photons per object pixel, updated.
        signal: (N, 2) float64 written: counts inside and outside the direct beam over the photons.
        n: edge of the patch, px.
    """
    for k in range(rows.size):
        b = rows[k]
        add_fluence(fluence[b], footprint, np.float32(photons[b]), corner[b, 0], corner[b, 1], n)
        direct, total = 0.0, 0.0
        reading = counts[b]
        for j in range(n * n):
            direct += reading[j] * disk[j]
            total += reading[j]
        signal[b, 0] = min(max(direct / photons[b], 0.0), 1.0)
        signal[b, 1] = min(max((total - direct) / photons[b], 0.0), 1.0)
