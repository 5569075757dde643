"""What the operator sees of a scan: maps of the region, a few numbers, and no more."""

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.metrics.incremental import pooled
from microgym.numerics.array_views import view1d
from microgym.numerics.libm import atan2_32, exp32
from microgym.physics.diffraction import add_fluence
from microgym.reconstruction.ptychography.observation_models import (
    ImageModel,
    Plane,
    Planes,
    Rows,
    RunningScan,
    whole_region,
)

CHANNELS = ("amplitude", "phase", "coverage", "dose", "uncertainty")
"""Maps of an observation, in order."""
NUMBERS = ("y", "x", "exposures_left", "time_left", "dose", "transmitted", "scattered")
"""Numbers of an observation, in order."""


@kernel
def mark_rows(rows, corner, n, start, size, edge, areas):
    """Enter the latest patch of each row among what has to be drawn anew.

    Args:
        rows: (k,) int64.
        corner: (N, 2) int64, corner of the patch, px; it touches the region.
        n: edge of the patch, px.
        start: first row and column of the region, px.
        size: edge of the region, px.
        edge: pixels along the edge of a cell.
        areas: (N, 4) int64, first row, end of the rows, first column and end of the columns of the
            field, px; widened to whole cells of the region that hold the patch.
    """
    for k in range(rows.size):
        b = rows[k]
        for axis in range(2):
            first = max(corner[b, axis] - start, 0) // edge * edge
            end = (min(corner[b, axis] + n - start, size) + edge - 1) // edge * edge
            areas[b, 2 * axis] = min(areas[b, 2 * axis], start + first)
            areas[b, 2 * axis + 1] = max(areas[b, 2 * axis + 1], start + end)


@kernel
def draw_maps(rows, shown, fluence, areas, start, edge, unit, drawn):
    """Pool image, uncertainty and fluence of the listed rows into the maps of the observation.

    Args:
        rows: (k,) int64.
        shown: (N, H, W) complex image whose amplitude and phase are shown, as real and imaginary
            part, and the standard deviation of its error.
        fluence: (N, H, W) photons per object pixel that the operator knows to have spent.
        areas: (N, 4) int64, first row, end of the rows, first column and end of the columns that
            are drawn, px of the field, in whole cells of the region; emptied.
        start: first row and column of the region, px.
        edge: pixels along the edge of a cell.
        unit: photons per object pixel that count as one exposure.
        drawn: (N, 5, cells, cells) written: |.|/2, arg/pi, 1 - exp(-3 exposures), exposures/10,
            twice the mean standard deviation, all clipped to [-1, 1].
    """
    one = np.float32(1.0)
    cells = drawn.shape[2]
    re, im, sigma = shown
    for k in range(rows.size):
        b = rows[k]
        area = areas[b]
        for j in range(4):
            area[j] = (area[j] - start) // edge
        pooled(re[b], start, start, edge, area, drawn[b, 0])
        pooled(im[b], start, start, edge, area, drawn[b, 1])
        pooled(fluence[b], start, start, edge, area, drawn[b, 2])
        pooled(sigma[b], start, start, edge, area, drawn[b, 4])
        count, plane = area[3] - area[2], cells * cells
        for row in range(area[0], area[1]):
            at = (5 * b * cells + row) * cells + area[2]
            first, second = view1d(drawn, at, count), view1d(drawn, at + plane, count)
            third, fourth = (
                view1d(drawn, at + 2 * plane, count),
                view1d(drawn, at + 3 * plane, count),
            )
            fifth = view1d(drawn, at + 4 * plane, count)
            for cell in range(count):
                x, y, flux = first[cell], second[cell], third[cell] / unit
                first[cell] = min(np.float32(0.5) * np.sqrt(x * x + y * y), one)
                second[cell] = atan2_32(y, x) * np.float32(1.0 / np.pi)
                third[cell] = one - exp32(np.float32(-3.0) * min(flux, np.float32(20.0)))
                fourth[cell] = min(np.float32(0.1) * flux, one)
                fifth[cell] = min(np.float32(2.0) * fifth[cell], one)
        area[0] = area[2] = start + cells * edge
        area[1] = area[3] = start


class Maps:
    """The maps of N observations, drawn anew only where an exposure has changed them.

    What it remembers is no state: it can be forgotten at any time.

    Args:
        num_envs: N.
        view: observation model.
        region: first row and column of the scanned region, and its edge, px.
        cells: cells along an edge of a map.
        unit: photons per object pixel that count as one exposure.
    """

    def __init__(
        self, num_envs: int, view: ImageModel, region: tuple[int, int], cells: int, unit: np.float32
    ) -> None:
        self.view = view
        self._start, self._size = region
        self._edge = self._size // cells
        self._unit = unit
        self._drawn = np.zeros((num_envs, len(CHANNELS), cells, cells), np.float32)
        self._areas = whole_region(num_envs, region)

    def forget(self, rows: Rows | slice = slice(None)) -> None:
        """What the listed rows show may have changed everywhere.

        Args:
            rows: (k,) int64, or all.
        """
        self._areas[rows] = whole_region(1, (self._start, self._size))

    def add(self, rows: Rows, corner: NDArray[np.int64], n: int) -> None:
        """What the listed rows show has changed under the latest exposure.

        Args:
            rows: (k,) int64.
            corner: (N, 2) int64, corner of its patch, px.
            n: edge of the patch, px.
        """
        if self.view.local:
            mark_rows(rows, corner, n, self._start, self._size, self._edge, self._areas)
        else:
            self.forget(rows)

    def stale(self) -> Rows:
        """The rows that have changed since they were drawn, (k,) int64."""
        return np.flatnonzero(self._areas[:, 0] < self._areas[:, 1])

    def draw(self, rows: Rows, estimate: Planes, fluence: Plane) -> None:
        """Bring the maps of the listed rows up to date.

        Args:
            rows: (k,) int64.
            estimate: (N, H, W) float32, real and imaginary part of the running reconstruction.
            fluence: (N, H, W) float32, photons per object pixel that the operator knows of.
        """
        shown = self.view.estimate(rows, RunningScan(*estimate, fluence, self._areas))
        start, edge = self._start, self._edge
        draw_maps(rows, shown, fluence, self._areas, start, edge, self._unit, self._drawn)

    def copy(self) -> Plane:
        """The maps as they were last drawn, (N, 5, cells, cells) float32, fresh."""
        return self._drawn.copy()


@kernel
def record_rows(rows, measurement, footprint, disk, fluence, signal, n):
    """Enter the latest exposure of each row into the operator's books.

    Args:
        rows: (k,) int64.
        measurement: `microgym.instruments.ptychography.state.Measurement`.
        footprint: (n*n,) intensity of the probe, sum one.
        disk: (n*n,) float32, 1 inside the direct beam on the detector.
        fluence: (N, H, W) photons per object pixel, updated.
        signal: (N, 2) float64 written: counts inside and outside the direct beam over the photons.
        n: edge of the patch, px.
    """
    counts, _, photons, corner = measurement
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
