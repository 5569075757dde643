"""Reconstruction while the scan runs: each exposure improves the estimate as it comes in.

The estimate starts as vacuum. A new exposure is iterated a few times under its own patch; when the
scan ends, all exposures are swept through again. Positions are the commanded ones, and the probe is
taken as known.
"""

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.jit.bound import Bound
from microgym.numerics.array_views import view1d
from microgym.numerics.fft import FFTPlan, plan
from microgym.numerics.workspace import workspace
from microgym.reconstruction.ptychography.pie import (
    Exposure,
    PIESteps,
    Wave,
    object_weight,
    pie_update,
    pie_work,
)
from microgym.state import Float32, Float64, Int64, Shape, allocate, clear

UNKNOWN = np.float32(-1.0)
"""Stored amplitude of a detector pixel without a measurement."""
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


class RunningEstimate(NamedTuple):
    """Estimates of N specimens, and the exposures that they are made of.

    Attributes:
        re, im: transmission functions; 1 + 0i where no photon has been.
        history: measured amplitudes over the root of incident photons, `UNKNOWN` where not known.
        corners: corners of the patches.
        taken: number of exposures.
    """

    re: Annotated[Float32, Shape("field", "field")]
    im: Annotated[Float32, Shape("field", "field")]
    history: Annotated[Float32, Shape("exposures", "pixels")]
    corners: Annotated[Int64, Shape("exposures", 2, unit="px")]
    taken: Annotated[Int64, Shape()]


class Engine(NamedTuple):
    """Constants of the iterations.

    Attributes:
        probe: (modes, n*n) illumination.
        weight: (n*n,) from `object_weight`.
        steps: step lengths.
        transform: plan of the transform.
    """

    probe: Wave
    weight: Float32
    steps: PIESteps
    transform: FFTPlan


@kernel
def _store(reading, trusted, scale, stored):
    """Store the amplitudes of an exposure, sqrt(counts / photons)."""
    for j in range(stored.size):
        value = scale * np.sqrt(max(reading[j], _ZERO))
        # Without a single photon the value is not a number.
        stored[j] = value if (trusted[j] > _ZERO) & (value >= _ZERO) else UNKNOWN


@kernel
def _iterate(b, e, turns, state, engine, work):
    """Improve the estimate of row b by its exposure e, `turns` times."""
    size = engine.weight.size
    stored = view1d(state.history, (b * state.history.shape[1] + e) * size, size)
    amplitude, known = view1d(work, 0, size), view1d(work, size, size)
    for j in range(size):
        measured = stored[j] >= _ZERO
        known[j] = _ONE if measured else _ZERO
        amplitude[j] = stored[j] if measured else _ZERO
    exposure = Exposure(amplitude, known, state.corners[b, e, 0], state.corners[b, e, 1])
    specimen = Wave(state.re[b], state.im[b])
    rest = view1d(work, 2 * size, work.size - 2 * size)
    for _ in range(turns):
        pie_update(
            specimen, engine.probe, engine.weight, exposure, engine.steps, engine.transform, rest
        )


@kernel
def _add_rows(rows, counts, known, photons, corner, turns, work, state, engine):
    """Store the newest exposure of each listed row and iterate on it."""
    for b in rows:
        e = state.taken[b]
        scale = np.float32(1.0 / np.sqrt(photons[b]))
        _store(counts[b], known[b], scale, state.history[b, e])
        state.corners[b, e, 0], state.corners[b, e, 1] = corner[b, 0], corner[b, 1]
        state.taken[b] = e + 1
        _iterate(b, e, turns, state, engine, work)


@kernel
def _sweep_rows(rows, sweeps, state, engine, work):
    """Sweep through all exposures of each listed row."""
    for b in rows:
        for _ in range(sweeps):
            for e in range(state.taken[b]):
                _iterate(b, e, np.int64(1), state, engine, work)


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
        state: the estimates and their exposures.
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
        self.iterations = iterations
        flat = probe.reshape(modes, n * n)
        waves = Wave(np.ascontiguousarray(flat.real), np.ascontiguousarray(flat.imag))
        weight = np.empty(n * n, np.float32)
        object_weight(waves, np.float32(alpha), weight)
        steps = PIESteps(np.float32(step), np.float32(0.0), np.float32(alpha))
        self._engine = Engine(waves, weight, steps, plan(n))
        self._work = 2 * n * n + pie_work(n, modes)
        self.state = allocate(
            RunningEstimate, num_envs, field=field_px, exposures=exposures, pixels=n * n
        )
        self.state.re.fill(1.0)
        self._add = Bound(_add_rows, self.state, self._engine)

    def reset(self, rows: Int64) -> None:
        """Forget the listed rows' specimens."""
        clear(self.state, rows)
        self.state.re[rows] = 1.0

    def add(
        self, rows: Int64, counts: Float32, known: Float32, photons: Float64, corner: Int64
    ) -> None:
        """Take the newest exposure of each listed row into the estimate.

        Args:
            rows: (k,) int64.
            counts: (N, n*n) float32, readings.
            known: (N, n*n) float32, 1 where they can be trusted, else 0.
            photons: (N,) float64, incident photons of the exposure.
            corner: (N, 2) int64, corner of its patch, px.
        """
        work = workspace(self._work)
        self._add(rows, counts, known, photons, corner, self.iterations, work)

    def sweep(self, rows: Int64, sweeps: int) -> None:
        """Go through all exposures of the listed rows again, in the order they were taken.

        Args:
            rows: (k,) int64.
            sweeps: how often.
        """
        _sweep_rows(rows, sweeps, self.state, self._engine, workspace(self._work))
