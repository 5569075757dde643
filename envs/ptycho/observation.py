"""Observation of a scan: maps of the region and a few numbers."""

from typing import Any, NamedTuple

import numpy as np

from microgym.envs.core.channels import Channels, flattened
from microgym.envs.ptycho.config import CELLS, MODELS, PtychoConfig
from microgym.instruments.ptychography.instrument import DiffractionMicroscope
from microgym.instruments.ptychography.state import Measurement
from microgym.jit import kernel
from microgym.metrics.incremental import pooled
from microgym.numerics.array_views import view1d
from microgym.numerics.libm import atan2_32, exp32
from microgym.physics.probe import intensity
from microgym.reconstruction.ptychography.observation_models import (
    RunningScan,
    record_rows,
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
def draw_maps(rows, shown, scan, n, unit, drawn):
    """Pool image, uncertainty and fluence of the listed rows into the maps of the observation.

    Args:
        rows: (k,) int64.
        shown: `ImageEstimate` of which amplitude, phase and uncertainty are shown.
        scan: `RunningScan` whose fluence is shown; its areas are drawn, and emptied.
        n: edge of a patch of the specimen, px.
        unit: float32, photons per object pixel that count as one exposure.
        drawn: (N, 5, cells, cells) float32, written: |.|/2, arg/pi, 1 - exp(-3 exposures),
            exposures/10, twice the mean standard deviation, all clipped to [-1, 1].
    """
    one = np.float32(1.0)
    cells, start = drawn.shape[2], n // 2
    edge = (scan.fluence.shape[1] - n) // cells
    for b in rows:
        area = scan.areas[b]
        for j in range(4):
            area[j] = (area[j] - start) // edge
        # Means over the pixels of each cell.
        pooled(shown.re[b], start, start, edge, area, drawn[b, 0])
        pooled(shown.im[b], start, start, edge, area, drawn[b, 1])
        pooled(scan.fluence[b], start, start, edge, area, drawn[b, 2])
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


class ScanState(NamedTuple):
    """State of a `Scan`; its maps are drawn but for the areas (see `RunningScan`)."""

    estimate: RunningEstimate
    model: tuple[Any, ...]
    fluence: Float32
    areas: Int64
    signal: Float64
    maps: Float32


class Scan:
    """N scans as they are known without hidden quantities, and the maps that show them.

    Maps are drawn anew only where an exposure has changed them.

    Args:
        num_envs: N.
        instrument: where the exposures come from.
        config: which maps are shown, of which observation model.
        exposures: most exposures of one scan.

    Attributes:
        estimate: running reconstructions.
        model: observation model.
        cells: cells along an edge of a map.
        photons: of one nominal exposure.
        unit: photons per object pixel that count as one exposure: the mean fluence under the probe.
        running: reconstructions, fluence by commanded positions, and areas that are to be drawn.
        signal: (N, 2) float64, latest counts inside and outside the direct beam, over the photons.
        state: all that is remembered.
        maps: (N, 5, cells, cells) float32, as they were last drawn.
    """

    def __init__(
        self, num_envs: int, instrument: DiffractionMicroscope, config: PtychoConfig, exposures: int
    ) -> None:
        n, side, probe = instrument.n, instrument.field_px, instrument.known_probe
        light, size = intensity(probe), instrument.region_px
        self.cells = cells = CELLS[config.observation]
        self.photons = min(float(config.photons), instrument.most_photons)
        self.unit = np.float32(self.photons * np.sum(light**2))
        self._n, self._region = n, (n // 2, size)
        self._constants = light.astype(np.float32).ravel(), instrument.disk, n, size // cells
        self.estimate = OnlineReconstruction(num_envs, side, probe, exposures)
        self.model = MODELS[config.reconstructor](num_envs, side, probe, self._region)
        fluence = np.zeros((num_envs, side, side), np.float32)
        self._areas = whole_region(num_envs, self._region)
        re, im = self.estimate.state.re, self.estimate.state.im
        self.running = RunningScan(re, im, fluence, self._areas)
        self.signal = np.zeros((num_envs, 2))
        self.maps = np.zeros((num_envs, len(MAPS), cells, cells), np.float32)
        parts = self.estimate.state, self.model.state, fluence, self._areas
        self.state = ScanState(*parts, self.signal, self.maps)

    def reset(self, rows: Int64) -> None:
        """Begin new scans in the listed rows, (k,)."""
        self.estimate.reset(rows)
        self.model.reset(rows)
        self.running.fluence[rows] = 0.0
        self.signal[rows] = 0.0
        self.forget(rows)

    def forget(self, rows: Int64 | slice = slice(None)) -> None:
        """Let the whole maps of the listed rows, or of all, be drawn anew."""
        self._areas[rows] = whole_region(1, self._region)

    def add(self, rows: Int64, measurement: Measurement) -> None:
        """Enter the latest exposure of each listed row.

        Args:
            rows: (k,).
            measurement: of all rows.
        """
        self.estimate.add(rows, *measurement)
        record_rows(rows, measurement, *self._constants, self.running, self.signal)
        self.model.add(rows, measurement.corner, self.signal)
        if not self.model.local:
            self.forget(rows)

    def draw(self, rows: Int64) -> None:
        """Bring the maps of the listed rows, (k,), up to date."""
        shown = self.model.estimate(rows, self.running)
        draw_maps(rows, shown, self.running, self._n, self.unit, self.maps)
