"""Observation of a scan: maps of the region and a few numbers."""

from typing import Any

import numpy as np

from microgym.envs.core.channels import Channels, flattened
from microgym.envs.ptycho.state import PtychoState, ScanConstants
from microgym.instruments.ptychography.state import Measurement
from microgym.jit import kernel
from microgym.metrics.incremental import pooled
from microgym.numerics.array_views import view1d
from microgym.numerics.libm import atan2_32, exp32
from microgym.physics.diffraction import add_fluence
from microgym.reconstruction.ptychography.observation_models import (
    ImageEstimate,
    ImageModel,
    RunningScan,
    whole_region,
)
from microgym.state import Float32, Int64

MAPS = Channels(
    "cells",
    "cells",
    amplitude="half the modulus of the image; vacuum is 0.5",
    phase="phase of the image over pi; vacuum is 0",
    coverage="1 - exp(-3 E) after E exposures' worth of photons; never negative",
    dose="E / 10, at most 1; never negative",
    uncertainty="twice the standard deviation of the image, at most 1; never negative",
)
NUMBERS = Channels(
    y="commanded position of the latest exposure, from top to bottom",
    x="the same from left to right",
    exposures_left="part of the exposures that is left",
    time_left="part of the time that is left",
    dose="d / (1 + d), d the photons spent over the nominal budget",
    transmitted="latest counts in the direct beam over the photons sent",
    scattered="latest counts outside the direct beam over the photons sent",
)
FEATURES = flattened(
    NUMBERS,
    Channels(
        contrast="contrast of the image to vacuum, |amplitude - 1/2| + |phase| / pi",
        coverage=MAPS["coverage"],
    ),
    ("contrast", "coverage"),
    8,
).within([-1.0] * 7 + [0.0] * 128, [1.0] * 7 + [2.0] * 64 + [1.0] * 64)


@kernel
def mark_rows(rows, corner, n, start, size, edge, areas):
    """Enlarge the areas that have to be drawn anew by the latest patch of each row.

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
def draw_maps(
    rows: Int64,
    shown: ImageEstimate,
    fluence: Float32,
    areas: Int64,
    start: int,
    edge: int,
    unit: np.float32,
    drawn: Float32,
) -> None:
    """Pool image, uncertainty and fluence of the listed rows into the maps of the observation.

    Args:
        rows: (k,).
        shown: image of which amplitude, phase and uncertainty are shown.
        fluence: (N, H, W) photons per object pixel by the commanded positions.
        areas: (N, 4), first row, end of the rows, first column and end of the columns that are
            drawn, px of the field, in whole cells of the region; emptied.
        start: first row and column of the region, px.
        edge: pixels along the edge of a cell.
        unit: photons per object pixel that count as one exposure.
        drawn: (N, 5, cells, cells) written: |.|/2, arg/pi, 1 - exp(-3 exposures), exposures/10,
            twice the mean standard deviation, all clipped to [-1, 1].
    """
    one = np.float32(1.0)
    cells = drawn.shape[2]
    for k in range(rows.size):
        b = rows[k]
        area = areas[b]
        for j in range(4):
            area[j] = (area[j] - start) // edge
        # Means over the pixels of each cell.
        pooled(shown.re[b], start, start, edge, area, drawn[b, 0])
        pooled(shown.im[b], start, start, edge, area, drawn[b, 1])
        pooled(fluence[b], start, start, edge, area, drawn[b, 2])
        pooled(shown.sigma[b], start, start, edge, area, drawn[b, 4])
        count, plane = area[3] - area[2], cells * cells
        for row in range(area[0], area[1]):
            at = (5 * b * cells + row) * cells + area[2]
            first, second = view1d(drawn, at, count), view1d(drawn, at + plane, count)
            third = view1d(drawn, at + 2 * plane, count)
            fourth = view1d(drawn, at + 3 * plane, count)
            fifth = view1d(drawn, at + 4 * plane, count)
            for cell in range(count):
                # Exposures' worth of photons: fluence over the mean under the probe.
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

    Drawn maps are a cache and no state.

    Args:
        num_envs: N.
        model: observation model.
        region: first row and column of the scanned region, and its edge, px.
        cells: cells along an edge of a map.
        unit: float32, photons per object pixel that count as one exposure.
    """

    def __init__(
        self, num_envs: int, model: ImageModel, region: tuple[int, int], cells: int, unit: Any
    ) -> None:
        self._model, self._unit = model, unit
        self._start, self._size = region
        self._edge = self._size // cells
        self._drawn = np.zeros((num_envs, len(MAPS), cells, cells), np.float32)
        self._areas = whole_region(num_envs, region)

    def forget(self, rows: Int64 | slice = slice(None)) -> None:
        """Mark the listed rows as changed everywhere.

        Args:
            rows: (k,) int64, or all.
        """
        self._areas[rows] = whole_region(1, (self._start, self._size))

    def add(self, rows: Int64, corner: Int64, n: int) -> None:
        """Mark the listed rows as changed under their latest exposure.

        Args:
            rows: (k,) int64.
            corner: (N, 2) int64, corner of its patch, px.
            n: edge of the patch, px.
        """
        if self._model.local:
            mark_rows(rows, corner, n, self._start, self._size, self._edge, self._areas)
        else:
            self.forget(rows)

    def stale(self) -> Int64:
        """The rows that have changed since they were drawn, (k,) int64."""
        return np.flatnonzero(self._areas[:, 0] < self._areas[:, 1])

    def draw(self, rows: Int64, scan: RunningScan) -> None:
        """Bring the maps of the listed rows up to date.

        Args:
            rows: (k,) int64.
            scan: running reconstruction and fluence, of any areas.
        """
        shown = self._model.estimate(rows, RunningScan(*scan[:3], self._areas))
        start, edge = self._start, self._edge
        draw_maps(rows, shown, scan.fluence, self._areas, start, edge, self._unit, self._drawn)

    def copy(self) -> Float32:
        """The maps as they were last drawn, (N, 5, cells, cells) float32, fresh."""
        return self._drawn.copy()


@kernel
def record_rows(
    rows: Int64, measurement: Measurement, constants: ScanConstants, state: PtychoState
) -> None:
    """Enter the latest exposure of each row into fluence and signals.

    Args:
        rows: (k,).
        measurement, constants: of all rows.
        state: the fluence is updated, the signals are written.
    """
    n = constants.n
    for k in range(rows.size):
        b = rows[k]
        # Fluence by the commanded position and the known probe: F += photons |P|^2.
        photons, reading = measurement.photons[b], measurement.counts[b]
        top, left = measurement.corner[b, 0], measurement.corner[b, 1]
        add_fluence(state.fluence[b], constants.footprint, np.float32(photons), top, left, n)
        # Counts inside and outside the direct beam, over the photons sent.
        direct, total = 0.0, 0.0
        for j in range(n * n):
            direct += reading[j] * constants.disk[j]
            total += reading[j]
        state.signal[b, 0] = min(max(direct / photons, 0.0), 1.0)
        state.signal[b, 1] = min(max((total - direct) / photons, 0.0), 1.0)
