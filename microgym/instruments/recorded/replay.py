"""Recorded scans in the place of the simulated diffraction microscope.

Every commanded position is answered by the nearest recorded exposure. A shorter exposure keeps each
of its counts with a probability, which turns Poisson counts into Poisson counts of a lower dose;
there is no longer exposure than the recorded one. Nothing drifts or fades beyond what the recording
holds.
"""

import functools

import numpy as np

from microgym.instruments.ptychography.instrument import DiffractionMicroscope
from microgym.instruments.ptychography.settings import DEAD_TIME_S, STAGE_SPEED_PX_S
from microgym.instruments.recorded.recording import Recording, load_recording
from microgym.instruments.recorded.reference_reconstruction import (
    FullReconstruction,
    full_reconstruction,
)
from microgym.jit import kernel
from microgym.physics.probe import intensity
from microgym.random import MEASUREMENT, row_stream, thin_counts
from microgym.random.streams import ReplayMeasurement
from microgym.specimens.readers import existing_file
from microgym.specimens.sample import Specimens, load_sample
from microgym.state import Float64, Int64, Uint32, clear
from microgym.validation import positive

_THINNING = np.int64(ReplayMeasurement.THINNING)


@kernel
def _thin_rows(rows, chosen, share, patterns, state):
    """Write the counts of the `chosen`, (N,), of the recorded `patterns`, (K, n*n), to the state.

    Each count is kept with the probability `share`, (N,).
    """
    for b in rows:
        s0, s1 = row_stream(state.keys, b, MEASUREMENT, _THINNING)
        tick, counts = state.ledger.exposures[b], state.measurement.counts[b]
        # Binomial thinning: of Poisson counts with mean m, Poisson counts with mean share * m.
        thin_counts(s0, s1, tick, patterns[chosen[b]], share[b], counts)


@functools.lru_cache(maxsize=2)
def _read(
    path: str, modified_ns: int, size: int, cells: int
) -> tuple[Recording, FullReconstruction, Float64, int]:
    """A scan, its full reconstruction, positions on the field, and the region's edge.

    Kept, as the reconstruction takes seconds, until the file changes.
    """
    del modified_ns, size
    recording = load_recording(path)
    low, high = recording.positions.min(axis=0), recording.positions.max(axis=0)
    region = int(np.ceil(((high - low).max() + 2.0) / cells)) * cells
    field = region + recording.n
    places = recording.positions - (low + high) / 2.0 + field / 2.0
    return recording, full_reconstruction(recording, places, field), places, region


class ReplayInstrument(DiffractionMicroscope):
    """N replays of one recorded scan.

    The sample is the reconstruction from the whole scan at full dose, empty parts at 1 + 0i; its
    structure is where that differs from the empty parts, inside the recorded area.

    Args:
        num_envs: N.
        path: file of the recording (`microgym.instruments.recorded.recording`).
        cells: the region's edge is made a multiple of this, px.
        photons_per_s: photons that an exposure of one second is charged and thinned to.

    Attributes:
        places: (K, 2) float64, positions of the recorded exposures, px of the field.

    Raises:
        FileNotFoundError: no such file.
        TypeError: if a number is not a number.
        ValueError: if it is out of range, or the file cannot be used.
    """

    def __init__(self, num_envs: int, path: str, cells: int, photons_per_s: float) -> None:
        self._photons_per_s = positive("photons_per_s", photons_per_s)
        stamp = existing_file(path, "recording").stat()
        scan = _read(str(path), stamp.st_mtime_ns, stamp.st_size, cells)
        recording, truth, self.places, region_px = scan
        super().__init__(num_envs, truth.probe, region_px)
        self.pixel_m = recording.object_pixel_m or 0.0
        self.most_photons = truth.photons
        self._patterns = recording.patterns.reshape(len(recording.patterns), -1)
        self._known = 1.0 if recording.valid is None else recording.valid.ravel()
        self._footprint = intensity(truth.probe).astype(np.float32)
        image, structure = truth.image[None], truth.structure[None].astype(np.uint8)
        self._specimen = Specimens(image.real, image.imag, structure)

    def reset(self, rows: Int64, keys: Uint32, family: str, split: str) -> None:
        """Begin the listed rows' scans anew; family and split are not used.

        Args:
            rows: (k,) int64.
            keys: (k, 2) uint32, keys of the episodes.
            family, split: as for other instruments.
        """
        del family, split
        load_sample(self.sample, rows, self._specimen)
        clear(self.state, rows)
        self.state.keys[rows] = keys
        self.state.measurement.known[rows] = self._known
        self.state.command[rows] = self.state.beam[rows] = 0.5 * self.field_px

    def expose(self, rows: Int64, positions: Float64, dwell_s: Float64) -> None:
        """Replay the nearest exposure in each of the listed rows.

        Args:
            rows: (k,) int64.
            positions: (N, 2) float64, commanded (y, x), px of the field.
            dwell_s: (N,) float64, exposure times, s; the counts are thinned to that part of the
                recorded ones.
        """
        state, measurement, ledger = self.state, self.state.measurement, self.state.ledger
        away = positions[:, None, :] - self.places[None, :, :]
        chosen = np.argmin(np.sum(away * away, axis=2), axis=1)
        share = np.minimum(self._photons_per_s * dwell_s / self.most_photons, 1.0)
        _thin_rows(rows, chosen, share, self._patterns, state)
        place = self.places[chosen[rows]]
        way = np.hypot(*(place - state.command[rows]).T)
        state.command[rows] = state.beam[rows] = place
        measurement.corner[rows] = np.floor(place + 0.5).astype(np.int64) - self.n // 2
        measurement.photons[rows] = share[rows] * self.most_photons
        for b in rows:
            top, left = measurement.corner[b]
            patch = self.sample.fluence[b, top : top + self.n, left : left + self.n]
            patch += measurement.photons[b] * self._footprint
        ledger.time_s[rows] += dwell_s[rows] + DEAD_TIME_S + way / STAGE_SPEED_PX_S
        ledger.dose[rows] += measurement.photons[rows]
        ledger.exposures[rows] += 1
        ledger.path_m[rows] += way * self.pixel_m
