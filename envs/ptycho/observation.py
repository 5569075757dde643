"""Observation of a scan: maps of the region and a few numbers."""

from typing import Any, NamedTuple

import numpy as np

from microgym.envs.core.channels import Channels, flattened
from microgym.instruments.ptychography.instrument import DiffractionMicroscope
from microgym.instruments.ptychography.state import Measurement
from microgym.jit import kernel
from microgym.metrics.incremental import pooled
from microgym.numerics.array_views import view1d
from microgym.numerics.libm import atan2_32, exp32
from microgym.physics.diffraction import add_fluence
from microgym.physics.probe import intensity
from microgym.reconstruction.ptychography.observation_models import (
    ImageModel,
    RunningScan,
    whole_region,
)
from microgym.reconstruction.ptychography.online import OnlineReconstruction, RunningEstimate
from microgym.state import Float32, Float64, Int64

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
def draw_maps(rows, shown, fluence, areas, start, edge, unit, drawn):
    """Pool image, uncertainty and fluence of the listed rows into the maps of the observation.

    Args:
        rows: (k,) int64.
        shown: `ImageEstimate` of which amplitude, phase and uncertainty are shown.
        fluence: (N, H, W) float32, photons per object pixel by the commanded positions.
        areas: (N, 4) int64, first row, end of the rows, first column and end of the columns to be
            drawn, px of the field, in whole cells of the region; emptied.
        start: first row and column of the region, px.
        edge: pixels along the edge of a cell.
        unit: float32, photons per object pixel that count as one exposure.
        drawn: (N, 5, cells, cells) float32, written: |.|/2, arg/pi, 1 - exp(-3 exposures),
            exposures/10, twice the mean standard deviation, all clipped to [-1, 1].
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


@kernel
def record_rows(rows, measurement, footprint, disk, n, fluence, signal):
    """Enter the latest exposure of each row into fluence and signals.

    Args:
        rows: (k,) int64.
        measurement: of all rows.
        footprint: (n*n,) float32, intensity of the known probe, sum one.
        disk: (n*n,) float32, 1 inside the direct beam on the detector.
        n: edge of a patch of the specimen, px.
        fluence: (N, H, W) float32, photons per object pixel, updated.
        signal: (N, 2) float64, counts inside and outside the direct beam over the photons sent,
            written.
    """
    for k in range(rows.size):
        b = rows[k]
        # Fluence by the commanded position and the known probe: F += photons |P|^2.
        photons, reading = measurement.photons[b], measurement.counts[b]
        top, left = measurement.corner[b, 0], measurement.corner[b, 1]
        add_fluence(fluence[b], footprint, np.float32(photons), top, left, n)
        direct, total = 0.0, 0.0
        for j in range(n * n):
            direct += reading[j] * disk[j]
            total += reading[j]
        signal[b, 0] = min(max(direct / photons, 0.0), 1.0)
        signal[b, 1] = min(max((total - direct) / photons, 0.0), 1.0)


class ScanState(NamedTuple):
    """State of a `Scan`."""

    estimate: RunningEstimate
    model: tuple[Any, ...]
    fluence: Float32
    signal: Float64


class Scan:
    """N scans as they are known without hidden quantities, and the maps that show them.

    Maps are drawn anew only where an exposure has changed them; they are a cache and no state.

    Args:
        num_envs: N.
        instrument: where the exposures come from.
        exposures: most exposures of one scan.
        model: class of the observation model.
        cells: cells along an edge of a map.
        unit: photons per object pixel that count as one exposure.

    Attributes:
        estimate: running reconstructions.
        model: observation model.
        fluence: (N, H, W) float32, photons per object pixel by commanded positions.
        signal: (N, 2) float64, latest counts inside and outside the direct beam, over the photons.
        running: reconstructions and fluence; live arrays.
        state: all that is remembered.
        maps: (N, 5, cells, cells) float32, as they were last drawn.
    """

    def __init__(
        self,
        num_envs: int,
        instrument: DiffractionMicroscope,
        exposures: int,
        model: type[ImageModel],
        cells: int,
        unit: np.float32,
    ) -> None:
        side, probe = instrument.field_px, instrument.known_probe
        self._n, self._unit, self._disk = instrument.n, unit, instrument.disk
        self._start, self._size = region = (instrument.n // 2, instrument.region_px)
        self._edge = self._size // cells
        self._footprint = intensity(probe).astype(np.float32).ravel()
        self.estimate = OnlineReconstruction(num_envs, side, probe, exposures)
        self.model = model(num_envs, side, probe, region)
        self.fluence = np.zeros((num_envs, side, side), np.float32)
        self.signal = np.zeros((num_envs, 2))
        self.running = RunningScan(self.estimate.state.re, self.estimate.state.im, self.fluence)
        self.state = ScanState(self.estimate.state, self.model.state, self.fluence, self.signal)
        self.maps = np.zeros((num_envs, len(MAPS), cells, cells), np.float32)
        self._areas = whole_region(num_envs, region)

    def reset(self, rows: Int64) -> None:
        """Begin new scans in the listed rows, (k,)."""
        self.estimate.reset(rows)
        self.model.reset(rows)
        self.fluence[rows] = 0.0
        self.signal[rows] = 0.0
        self.forget(rows)

    def forget(self, rows: Int64 | slice = slice(None)) -> None:
        """Mark the maps of the listed rows, or of all, as changed everywhere."""
        self._areas[rows] = whole_region(1, (self._start, self._size))

    def add(self, rows: Int64, measurement: Measurement) -> None:
        """Enter the latest exposure of each listed row.

        Args:
            rows: (k,).
            measurement: of all rows.
        """
        self.estimate.add(rows, *measurement)
        record_rows(
            rows, measurement, self._footprint, self._disk, self._n, self.fluence, self.signal
        )
        self.model.add(rows, measurement.corner, self.signal)
        if not self.model.local:
            self.forget(rows)
            return
        # Whole cells of the region that the patch touches.
        corner, edge, areas = measurement.corner[rows] - self._start, self._edge, self._areas
        first = np.maximum(corner, 0) // edge * edge
        end = -(-np.minimum(corner + self._n, self._size) // edge) * edge
        areas[rows, ::2] = np.minimum(areas[rows, ::2], self._start + first)
        areas[rows, 1::2] = np.maximum(areas[rows, 1::2], self._start + end)

    def stale(self) -> Int64:
        """The rows that have changed since their maps were drawn, (k,) int64."""
        return np.flatnonzero(self._areas[:, 0] < self._areas[:, 1])

    def draw(self, rows: Int64) -> None:
        """Bring the maps of the listed rows, (k,), up to date."""
        shown = self.model.estimate(rows, self.running._replace(areas=self._areas))
        start, edge = self._start, self._edge
        draw_maps(rows, shown, self.fluence, self._areas, start, edge, self._unit, self.maps)
