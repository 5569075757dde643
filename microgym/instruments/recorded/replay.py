"""A recorded scan in the place of the simulated microscope.

Whatever position is asked for, the nearest recorded exposure is given; a shorter exposure is made
of it by keeping each count with a probability, which turns Poisson counts into Poisson counts of a
lower dose. A longer exposure than the recorded one does not exist. Nothing drifts or fades beyond
what the recording holds.
"""

import functools

import numpy as np
from numpy.typing import NDArray

from microgym.instruments.ledger import Ledger
from microgym.instruments.ptychography.instrument import DEAD_TIME_S, STAGE_SPEED_PX_S, direct_beam
from microgym.instruments.recorded.recording import Recording, load_recording
from microgym.instruments.recorded.reference_reconstruction import (
    FullReconstruction,
    full_reconstruction,
)
from microgym.jit import kernel
from microgym.physics.probe import intensity
from microgym.physics.stage import StageState
from microgym.random import stream, thin_counts
from microgym.specimens.readers import existing_file
from microgym.state import allocate, clear
from microgym.validation import integer, positive

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Rows = NDArray[np.int64]

_MEASUREMENT = 2
_THINNING = 0


@kernel
def _thin_rows(rows, keys, tick, chosen, share, patterns, counts):
    """Give each listed row its recorded exposure at its part of the dose."""
    for k in range(rows.size):
        b = rows[k]
        s0, s1 = stream(keys[b, 0], keys[b, 1], _MEASUREMENT, _THINNING)
        thin_counts(s0, s1, tick[b], patterns[chosen[b]], share[b], counts[b])


@functools.lru_cache(maxsize=2)
def _read(
    path: str, modified_ns: int, size: int, cells: int
) -> tuple[Recording, FullReconstruction, Float64, int]:
    """A scan, its full reconstruction, positions on the field, and the region's edge.

    Kept, as the reconstruction takes seconds, until the file changes.
    """
    del modified_ns, size
    recording = load_recording(path)
    (low_y, high_y, low_x, high_x) = recording.extent
    edge = max(high_y - low_y, high_x - low_x) + 2.0
    region = int(np.ceil(edge / cells)) * cells
    field = region + recording.n
    middle = np.array([low_y + high_y, low_x + high_x]) / 2.0
    places = recording.positions - middle + field / 2.0
    return recording, full_reconstruction(recording, places, field), places, region


class ReplayInstrument:
    """N runs of one recorded scan, with the same face as `PtychographyInstrument`.

    Args:
        num_envs: N.
        path: file of the recording (`microgym.instruments.recorded.recording`).
        cells: the region's edge is made a multiple of this, px.
        photons_per_s: photons that an exposure of one second is charged and thinned to.

    Attributes:
        region_px: edge of the square in which the probe's centre may stand, px.
        field_px: edge of the specimen array, px.
        places: (K, 2) float64, where the recorded exposures fell, px of the field.
        structure: (N, H, W) uint8, 1 where the full-dose reconstruction differs from its empty
            parts, inside the recorded area.
        pristine_re, pristine_im: (N, H, W) float32, that reconstruction, empty parts at 1 + 0i.
    """

    fatal_fluence = np.inf

    def __init__(self, num_envs: int, path: str, cells: int, photons_per_s: float) -> None:
        self.num_envs = integer("num_envs", num_envs, 1, 1 << 16)
        self._photons_per_s = positive("photons_per_s", photons_per_s)
        stamp = existing_file(path, "recording").stat()
        scan = _read(str(path), stamp.st_mtime_ns, stamp.st_size, cells)
        recording, truth, self.places, self.region_px = scan
        n = recording.n
        self.n = n
        self.field_px = self.region_px + n
        self.known_probe = truth.probe
        self.disk = direct_beam(truth.probe)
        self._photons = truth.photons
        self.most_photons = truth.photons
        self._patterns = recording.patterns.reshape(len(recording.patterns), n * n)
        self._mask = np.ones(n * n, np.float32)
        if recording.valid is not None:
            self._mask = recording.valid.astype(np.float32).ravel()
        shape = (self.num_envs, self.field_px, self.field_px)
        self.pristine_re = np.broadcast_to(truth.image.real.astype(np.float32), shape).copy()
        self.pristine_im = np.broadcast_to(truth.image.imag.astype(np.float32), shape).copy()
        self.object_re = self.pristine_re
        self.object_im = self.pristine_im
        self.structure = np.broadcast_to(truth.structure.astype(np.uint8), shape).copy()
        self.fluence = np.zeros(shape, np.float32)
        light = intensity(truth.probe).astype(np.float32)
        self._footprint = light
        self.counts = np.zeros((self.num_envs, n * n), np.float32)
        self.known = np.broadcast_to(self._mask, self.counts.shape).copy()
        self.keys = np.zeros((self.num_envs, 2), np.uint32)
        self.command = np.zeros((self.num_envs, 2))
        self.beam = np.zeros((self.num_envs, 2))
        self.corner = np.zeros((self.num_envs, 2), np.int64)
        self.photons = np.ones(self.num_envs)
        self.stage = StageState.at_origin(self.num_envs)
        self.ledger = allocate(Ledger, self.num_envs)
        self._pixel_m = recording.object_pixel_m or 0.0

    def reset(self, rows: Rows, keys: NDArray[np.uint32], family: str, split: str) -> None:
        """Begin the listed rows' scans anew; the specimen is always the recorded one.

        Args:
            rows: (k,) int64.
            keys: (k, 2) uint32, keys of the episodes.
            family, split: not used.
        """
        del family, split
        self.keys[rows] = keys
        self.fluence[rows] = 0.0
        self.counts[rows] = 0.0
        self.command[rows] = 0.5 * self.field_px
        self.beam[rows] = 0.5 * self.field_px
        clear(self.ledger, rows)

    def expose(self, rows: Rows, positions: Float64, dwell_s: Float64) -> None:
        """Replay the nearest exposure in each of the listed rows.

        Args:
            rows: (k,) int64.
            positions: (N, 2) float64, asked centres of the probe, px; read in the rows.
            dwell_s: (N,) float64, exposure times, s; read in the rows.
        """
        away = positions[:, None, :] - self.places[None, :, :]
        chosen = np.argmin(np.sum(away * away, axis=2), axis=1)
        asked = self._photons_per_s * dwell_s
        share = np.minimum(asked / self._photons, 1.0)
        _thin_rows(
            rows, self.keys, self.ledger.exposures, chosen, share, self._patterns, self.counts
        )
        place = self.places[chosen[rows]]
        way = np.hypot(*(place - self.command[rows]).T)
        self.command[rows] = place
        self.beam[rows] = place
        self.corner[rows] = np.floor(place + 0.5).astype(np.int64) - self.n // 2
        self.photons[rows] = share[rows] * self._photons
        n = self.n
        for b in rows:
            top, left = self.corner[b]
            self.fluence[b, top : top + n, left : left + n] += self.photons[b] * self._footprint
        ledger = self.ledger
        ledger.time_s[rows] += dwell_s[rows] + DEAD_TIME_S + way / STAGE_SPEED_PX_S
        ledger.dose[rows] += self.photons[rows]
        ledger.exposures[rows] += 1
        ledger.path_m[rows] += way * self._pixel_m

    def state_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The live arrays that are the instrument's whole state, by name."""
        names = ("keys", "fluence", "counts", "command", "beam", "corner", "photons")
        ledger = {f"ledger_{name}": array for name, array in self.ledger._asdict().items()}
        return {name: getattr(self, name) for name in names} | ledger
