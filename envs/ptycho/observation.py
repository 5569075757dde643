"""Observation of a scan: maps of the region and a few numbers."""

import copy
from typing import Any, NamedTuple, Self

import numpy as np

from microgym.envs.core.channels import Channel, Channels, flattened
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
)
from microgym.reconstruction.ptychography.online import OnlineReconstruction, RunningEstimate
from microgym.state import Float32, Float64, Int64

MAPS = Channels(
    "cells",
    "cells",
    amplitude=Channel("half the modulus of the image; vacuum is 0.5", scale=0.03, centre=0.5),
    phase=Channel("phase of the image over pi; vacuum is 0", scale=0.025),
    coverage="1 - exp(-3 E) after E exposures' worth of photons; never negative",
    dose=Channel("E / 10, at most 1; never negative", scale=0.03),
    uncertainty=Channel(
        "twice the standard deviation of the image; 0.6 where nothing was measured; never negative",
        scale=0.2,
        centre=0.6,
    ),
)
NUMBERS = Channels(
    y="commanded position of the latest exposure, from top to bottom",
    x="the same from left to right",
    exposures_left=Channel("part of the exposures that is left", scale=0.3, centre=0.5),
    time_left=Channel("part of the time that is left", scale=0.3, centre=0.5),
    dose=Channel(
        "d / (1 + d), d the photons spent over the nominal budget", scale=0.1, centre=0.15
    ),
    transmitted=Channel(
        "latest counts in the direct beam over the photons sent", scale=0.2, centre=0.85
    ),
    scattered=Channel(
        "latest counts outside the direct beam over the photons sent", scale=0.01, centre=0.01
    ),
)
FEATURES = flattened(
    NUMBERS,
    Channels(
        contrast=Channel(
            "contrast of the image to vacuum, |amplitude - 1/2| + |phase| / pi", scale=0.04
        ),
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
        scan: `RunningScan` whose fluence is shown.
        n: edge of a patch of the specimen, px.
        unit: float32, photons per object pixel that count as one exposure.
        drawn: (N, 5, cells, cells) float32, written: |.|/2, arg/pi, 1 - exp(-3 exposures),
            exposures/10, twice the mean standard deviation, all clipped to [-1, 1].
    """
    one = np.float32(1.0)
    cells, start = drawn.shape[2], n // 2
    edge, plane = (scan.fluence.shape[1] - n) // cells, cells * cells
    for b in rows:
        # Means over the pixels of each cell.
        pooled(shown.re[b], start, start, edge, drawn[b, 0])
        pooled(shown.im[b], start, start, edge, drawn[b, 1])
        pooled(scan.fluence[b], start, start, edge, drawn[b, 2])
        pooled(shown.sigma[b], start, start, edge, drawn[b, 4])
        at = 5 * b * plane
        first, second = view1d(drawn, at, plane), view1d(drawn, at + plane, plane)
        third = view1d(drawn, at + 2 * plane, plane)
        fourth = view1d(drawn, at + 3 * plane, plane)
        fifth = view1d(drawn, at + 4 * plane, plane)
        for cell in range(plane):
            # Exposures' worth of photons: fluence over the mean under the probe.
            x, y, flux = first[cell], second[cell], third[cell] / unit
            first[cell] = min(np.float32(0.5) * np.sqrt(x * x + y * y), one)
            second[cell] = atan2_32(y, x) * np.float32(1.0 / np.pi)
            third[cell] = one - exp32(np.float32(-3.0) * min(flux, np.float32(20.0)))
            fourth[cell] = min(np.float32(0.1) * flux, one)
            fifth[cell] = min(np.float32(2.0) * fifth[cell], one)


class ScanState(NamedTuple):
    """State of a `Scan`."""

    estimate: RunningEstimate
    model: tuple[Any, ...]
    fluence: Float32
    signal: Float64
    maps: Float32


class Scan:
    """N scans as they are known without hidden quantities, and the maps that show them.

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
        running: reconstructions, and fluence by commanded positions.
        signal: (N, 2) float64, latest counts inside and outside the direct beam, over the photons.
        state: all that is remembered.
        maps: (N, 5, cells, cells) float32, as they were last drawn.
    """

    def __init__(
        self, num_envs: int, instrument: DiffractionMicroscope, config: PtychoConfig, exposures: int
    ) -> None:
        n, side, probe = instrument.n, instrument.field_px, instrument.known_probe
        size = instrument.region_px
        self.cells = cells = CELLS[config.observation]
        self.photons = min(float(config.photons), instrument.most_photons)
        self._n = n
        self._illuminate(instrument)
        # A simulated specimen does not amplify; the power of a recorded probe is an estimate.
        ceiling = 1.0 if config.recording is None else np.inf
        self.estimate = OnlineReconstruction(num_envs, side, probe, exposures, ceiling=ceiling)
        self.model = MODELS[config.reconstructor](num_envs, side, probe, (n // 2, size))
        fluence = np.zeros((num_envs, side, side), np.float32)
        re, im = self.estimate.state.re, self.estimate.state.im
        self.running = RunningScan(re, im, fluence)
        self.signal = np.zeros((num_envs, 2))
        self.maps = np.zeros((num_envs, len(MAPS), cells, cells), np.float32)
        parts = self.estimate.state, self.model.state, fluence
        self.state = ScanState(*parts, self.signal, self.maps)

    def _illuminate(self, instrument: DiffractionMicroscope) -> None:
        """Set what follows from the known probe."""
        light = intensity(instrument.known_probe)
        self.unit = np.float32(self.photons * np.sum(light**2))
        self._constants = light.astype(np.float32).ravel(), instrument.disk, self._n

    def tuned(self, instrument: DiffractionMicroscope) -> Self:
        """The same scans, of the same arrays, under another probe of the instrument."""
        other, probe = copy.copy(self), instrument.known_probe
        other.estimate, other.model = self.estimate.tuned(probe), self.model.tuned(probe)
        other._illuminate(instrument)
        return other

    def reset(self, rows: Int64) -> None:
        """Begin new scans in the listed rows, (k,)."""
        self.estimate.reset(rows)
        self.model.reset(rows)
        self.running.fluence[rows] = 0.0
        self.signal[rows] = 0.0

    def add(self, rows: Int64, measurement: Measurement) -> None:
        """Enter the latest exposure of each listed row.

        Args:
            rows: (k,).
            measurement: of all rows.
        """
        self.estimate.add(rows, *measurement)
        record_rows(rows, measurement, *self._constants, self.running.fluence, self.signal)
        self.model.add(rows, measurement.corner, self.signal)

    def draw(self, rows: Int64) -> None:
        """Bring the maps of the listed rows, (k,), up to date."""
        shown = self.model.estimate(rows, self.running)
        draw_maps(rows, shown, self.running, self._n, self.unit, self.maps)
