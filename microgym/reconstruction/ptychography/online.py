"""Reconstruction while the scan runs: each exposure improves the estimate as it comes in.

The estimate starts as vacuum. A new exposure is iterated a few times where it fell; when the scan
ends, all exposures are swept through again. Positions are the commanded ones, since nobody knows
better; the probe is taken as known.
"""

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.fft import plan
from microgym.numerics.workspace import workspace
from microgym.reconstruction.ptychography.pie import object_weight, pie_update, pie_work

Plane = NDArray[np.float32]
Rows = NDArray[np.int64]

UNKNOWN = np.float32(-1.0)
"""Stored amplitude of a detector pixel that said nothing."""


@kernel
def _store(
    reading: Plane,
    trusted: Plane,
    scale: np.float32,
    stored: Plane,
    amplitude: Plane,
    known: Plane,
) -> None:
    """Make an amplitude and a mask of an exposure, and pack both for `_recall`."""
    for j in range(stored.size):
        value = scale * np.sqrt(max(reading[j], np.float32(0.0)))
        # Without a single photon the value is not a number.
        measured = (trusted[j] > np.float32(0.0)) & (value >= np.float32(0.0))
        stored[j] = value if measured else UNKNOWN
        amplitude[j] = value if measured else np.float32(0.0)
        known[j] = np.float32(1.0) if measured else np.float32(0.0)


@kernel
def _recall(stored: Plane, amplitude: Plane, known: Plane) -> None:
    """Unpack a stored exposure into amplitudes and a mask."""
    for j in range(stored.size):
        measured = stored[j] >= np.float32(0.0)
        known[j] = np.float32(1.0) if measured else np.float32(0.0)
        amplitude[j] = stored[j] if measured else np.float32(0.0)


@kernel
def _iterate(b, e, estimate, probe, weight, corners, constants, n, turns, fft, work):
    """Improve the estimate of row b by its exposure e, which is in `work`, `turns` times."""
    estimate_re, estimate_im = estimate
    probe_re, probe_im = probe
    size = n * n
    amplitude, known, rest = work[:size], work[size : 2 * size], work[2 * size :]
    for _ in range(turns):
        pie_update(
            estimate_re[b],
            estimate_im[b],
            probe_re,
            probe_im,
            weight,
            corners[b, e, 0],
            corners[b, e, 1],
            amplitude,
            known,
            constants[0],
            np.float32(0.0),
            constants[1],
            fft,
            rest,
        )


@kernel
def _add_rows(
    rows, counts, known, photons, corner, estimate, probe, weight, history, corners, taken,
    constants, n, turns, fft, work,
):  # fmt: skip
    """Store the latest exposure of each listed row and iterate on it."""
    size = n * n
    for k in range(rows.size):
        b = rows[k]
        e = taken[b]
        scale = np.float32(1.0 / np.sqrt(photons[b]))
        _store(counts[b], known[b], scale, history[b, e], work[:size], work[size : 2 * size])
        corners[b, e, 0], corners[b, e, 1] = corner[b, 0], corner[b, 1]
        taken[b] = e + 1
        _iterate(b, e, estimate, probe, weight, corners, constants, n, turns, fft, work)


@kernel
def _sweep_rows(
    rows, sweeps, estimate, probe, weight, history, corners, taken, constants, n, fft, work
):  # fmt: skip
    """Sweep through all exposures of each listed row."""
    size = n * n
    for k in range(rows.size):
        b = rows[k]
        for _ in range(sweeps):
            for e in range(taken[b]):
                _recall(history[b, e], work[:size], work[size : 2 * size])
                _iterate(b, e, estimate, probe, weight, corners, constants, n, 1, fft, work)


class OnlineReconstruction:
    """Estimates of N specimens that grow with their scans; arrays have the leading axis N.

    Args:
        num_envs: N.
        field_px: edge of the specimens, px.
        probe: (modes, n, n) complex64, power one.
        exposures: most exposures of one scan.
        iterations: iterations on each new exposure.
        alpha: 1 for ePIE, below for rPIE.
        step: step length of the object.

    Attributes:
        re, im: (N, H, W) float32, the estimates; 1 + 0i where no photon has been.
        history: (N, E, n*n) float32, measured amplitudes over the root of incident photons.
        corners: (N, E, 2) int64, corners of the patches.
        taken: (N,) int64, exposures so far.
    """

    def __init__(
        self,
        num_envs: int,
        field_px: int,
        probe: NDArray[np.complex64],
        exposures: int,
        *,
        iterations: int = 3,
        alpha: float = 0.5,
        step: float = 1.5,
    ) -> None:
        modes, n = probe.shape[:2]
        self.n = n
        self.iterations = iterations
        flat = probe.reshape(modes, n * n)
        planes = (np.ascontiguousarray(flat.real), np.ascontiguousarray(flat.imag))
        weight = np.empty(n * n, np.float32)
        object_weight(*planes, np.float32(alpha), weight)
        self._fft = plan(n)
        self._work = 2 * n * n + pie_work(n, modes)
        self.re = np.ones((num_envs, field_px, field_px), np.float32)
        self.im = np.zeros((num_envs, field_px, field_px), np.float32)
        self.history = np.zeros((num_envs, exposures, n * n), np.float32)
        self.corners = np.zeros((num_envs, exposures, 2), np.int64)
        self.taken = np.zeros(num_envs, np.int64)
        # What the kernels are told every time: arrays that live as long as this does.
        self._arguments = (
            (self.re, self.im),
            planes,
            weight,
            self.history,
            self.corners,
            self.taken,
            (np.float32(step), np.float32(alpha)),
            n,
        )

    def reset(self, rows: Rows) -> None:
        """Forget the listed rows' specimens."""
        self.re[rows] = 1.0
        self.im[rows] = 0.0
        self.taken[rows] = 0

    def add(
        self,
        rows: Rows,
        counts: Plane,
        known: Plane,
        photons: NDArray[np.float64],
        corner: NDArray[np.int64],
    ) -> None:
        """Take the latest exposure of each listed row into the estimate.

        Args:
            rows: (k,) int64.
            counts: (N, n*n) float32, readings.
            known: (N, n*n) float32, where they can be trusted.
            photons: (N,) float64, incident photons of the exposure.
            corner: (N, 2) int64, corner of its patch, px.
        """
        _add_rows(
            rows,
            counts,
            known,
            photons,
            corner,
            *self._arguments,
            self.iterations,
            self._fft,
            workspace(self._work),
        )

    def sweep(self, rows: Rows, sweeps: int) -> None:
        """Go through all exposures of the listed rows again, in the order they were taken.

        Args:
            rows: (k,) int64.
            sweeps: how often.
        """
        _sweep_rows(rows, sweeps, *self._arguments, self._fft, workspace(self._work))

    def state_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The live arrays that are the whole state, by name."""
        names = ("re", "im", "history", "corners", "taken")
        return {f"estimate_{name}": getattr(self, name) for name in names}
