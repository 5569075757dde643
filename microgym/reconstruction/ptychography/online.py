"""Reconstruction while the scan runs: each exposure improves the estimate as it comes in.

The estimate starts as vacuum. A new exposure is iterated under its own patch, then the nearest
earlier exposures that overlap it, then itself once more. When the scan ends, all exposures are
swept through again with momentum: after each half of a sweep

    V <- eta V + (O - O_last),  O <- O + eta V,

the acceleration of mPIE (Maiden, Johnson and Li, Optica 4, 736, 2017), while the step length falls
to zero, which keeps noise from being fitted (Konijnenberg, Coene, Pereira and Urbach, arXiv
1703.10892). A passive specimen cannot amplify: |O| <= 1 is imposed after each exposure and each
half of a sweep. Positions are the commanded ones, and the probe is taken as known.
"""

import copy
import math
from collections.abc import Mapping
from typing import Annotated, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.jit.bound import Bound
from microgym.numerics.array_views import view1d
from microgym.numerics.fft import FFTPlan, plan
from microgym.numerics.workspace import workspace
from microgym.reconstruction.ptychography.pie import (
    UNKNOWN,
    Exposure,
    PIESteps,
    Wave,
    object_weight,
    pie_update,
    pie_work,
)
from microgym.state import Float32, Float64, Int64, Shape, allocate, clear

_ZERO = np.float32(0.0)


def _last_corner(sizes: Mapping[str, int]) -> int:
    """Largest corner of a patch within the field."""
    return sizes["field"] - math.isqrt(sizes["pixels"])


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
    corners: Annotated[Int64, Shape("exposures", 2, unit="px", high=_last_corner)]
    taken: Annotated[Int64, Shape(high=lambda sizes: sizes["exposures"])]


class Engine(NamedTuple):
    """Constants of the iterations.

    Attributes:
        probe: (modes, n*n) illumination.
        weight: (n*n,) from `object_weight`, of new exposures.
        sweep_weight: the same, of sweeps.
        steps: step lengths.
        transform: plan of the transform.
        ceiling: square of the largest modulus of a specimen.
    """

    probe: Wave
    weight: Float32
    sweep_weight: Float32
    steps: PIESteps
    transform: FFTPlan
    ceiling: np.float32


@kernel
def _store(reading, trusted, scale, stored):
    """Store the amplitudes of an exposure, sqrt(counts / photons)."""
    for j in range(stored.size):
        value = scale * np.sqrt(max(reading[j], _ZERO))
        # Without a single photon the value is not a number.
        stored[j] = value if (trusted[j] > _ZERO) & (value >= _ZERO) else UNKNOWN


@kernel
def _bound(re, im, ceiling):
    """Scale elements of a larger modulus than the root of `ceiling` down to it."""
    for j in range(re.size):
        power = re[j] * re[j] + im[j] * im[j]
        scale = np.sqrt(ceiling / max(power, ceiling))
        re[j] *= scale
        im[j] *= scale


@kernel
def _iterate(b, e, turns, weight, steps, state, engine, work):
    """Improve the estimate of row b by its exposure e, `turns` times."""
    size = weight.size
    amplitude = view1d(state.history, (b * state.history.shape[1] + e) * size, size)
    exposure = Exposure(amplitude, state.corners[b, e, 0], state.corners[b, e, 1])
    specimen = Wave(state.re[b], state.im[b])
    for _ in range(turns):
        pie_update(specimen, engine.probe, weight, exposure, steps, engine.transform, work)


@kernel
def _enter(b, e, turns, state, engine, work):
    """Iterate on exposure e of row b, and impose the ceiling under its patch."""
    _iterate(b, e, turns, engine.weight, engine.steps, state, engine, work)
    n, width = engine.transform.n, state.re.shape[2]
    for i in range(n):
        at = (b * state.re.shape[1] + state.corners[b, e, 0] + i) * width + state.corners[b, e, 1]
        _bound(view1d(state.re, at, n), view1d(state.im, at, n), engine.ceiling)


@kernel
def _next_neighbour(corners, e, after):
    """Rank of the earlier exposure that follows rank `after` in distance from exposure e.

    The rank is (distance * count + age), so that no two are equal; the distance is the larger of
    those along the axes, px. The exposure's index is e - rank % count.

    Returns:
        The rank; that of a distance beyond all patches if there is none.
    """
    count = np.int64(corners.shape[0] + 1)
    best = np.int64(1 << 40)
    for i in range(e):
        y, x = abs(corners[i, 0] - corners[e, 0]), abs(corners[i, 1] - corners[e, 1])
        rank = max(y, x) * count + (e - i)
        if after < rank < best:
            best = rank
    return best


@kernel
def _add_rows(rows, counts, known, photons, corner, turns, neighbours, work, state, engine):
    """Store the newest exposure of each listed row; iterate on it and on those it overlaps."""
    once = np.int64(1)
    reach = (engine.transform.n // 2) * (state.corners.shape[1] + 1)
    for b in rows:
        e = min(state.taken[b], np.int64(state.corners.shape[1] - 1))
        scale = np.float32(1.0 / np.sqrt(photons[b]))
        _store(counts[b], known[b], scale, state.history[b, e])
        state.corners[b, e, 0], state.corners[b, e, 1] = corner[b, 0], corner[b, 1]
        state.taken[b] = e + 1
        _enter(b, e, turns, state, engine, work)
        rank, found = np.int64(-1), False
        for _ in range(neighbours):
            rank = _next_neighbour(state.corners[b], e, rank)
            # Only where probes overlap: less than half a patch apart.
            if rank >= reach:
                break
            _enter(b, e - rank % (state.corners.shape[1] + 1), once, state, engine, work)
            found = True
        if found:
            _enter(b, e, once, state, engine, work)


@kernel
def _span(corners, axis, n):
    """First pixel along an axis under any of the patches, (k, 2), and the number from it on."""
    first, end = corners[0, axis], corners[0, axis]
    for k in range(corners.shape[0]):
        first, end = min(first, corners[k, axis]), max(end, corners[k, axis])
    return first, end + n - first


@kernel
def _gain(eta, now, last, velocity):
    """Momentum of a row: V <- eta V + (O - O_last), O <- O + eta V."""
    for j in range(now.size):
        velocity[j] = eta * velocity[j] + (now[j] - last[j])
        now[j] += eta * velocity[j]


@kernel
def _keep(now, last):
    """O_last <- O of a row."""
    for j in range(now.size):
        last[j] = now[j]


@kernel
def _accelerate(estimate, last, velocity, first, rows, columns, width, eta, ceiling):
    """Momentum and ceiling of a rectangle of one estimate, in flat planes of rows of `width`.

    Args:
        estimate, last, velocity: `Wave` of (height * width,), updated.
        first: index of the rectangle's first pixel.
        rows, columns: its size, px.
    """
    for i in range(rows):
        at = first + i * width
        re, im = view1d(estimate.re, at, columns), view1d(estimate.im, at, columns)
        last_re, last_im = view1d(last.re, at, columns), view1d(last.im, at, columns)
        _gain(eta, re, last_re, view1d(velocity.re, at, columns))
        _gain(eta, im, last_im, view1d(velocity.im, at, columns))
        _bound(re, im, ceiling)
        _keep(re, last_re)
        _keep(im, last_im)


@kernel
def _sweep_rows(rows, sweeps, length, momentum, fields, work, state, engine):
    """Sweep through all exposures of each listed row with momentum and falling steps."""
    width, once = state.re.shape[2], np.int64(1)
    size = state.re.shape[1] * width
    last = Wave(view1d(fields, 0, size), view1d(fields, size, size))
    velocity = Wave(view1d(fields, 2 * size, size), view1d(fields, 3 * size, size))
    for b in rows:
        re, im = view1d(state.re, b * size, size), view1d(state.im, b * size, size)
        last.re[:], last.im[:] = re, im
        velocity.re[:], velocity.im[:] = _ZERO, _ZERO
        taken = state.taken[b]
        # Nothing changes outside the rectangle that holds all patches.
        corners = state.corners[b, : max(taken, 1)]
        top, height = _span(corners, 0, engine.transform.n)
        left, columns = _span(corners, 1, engine.transform.n)
        for k in range(sweeps if taken else 0):
            falling = length * np.float32((sweeps - k) / sweeps)
            steps = PIESteps(falling, engine.steps.probe, engine.steps.alpha)
            # Every second exposure, then the others: both halves cover all that was scanned.
            for half in range(2):
                for e in range(half, taken, 2):
                    _iterate(b, e, once, engine.sweep_weight, steps, state, engine, work)
                _accelerate(
                    Wave(re, im), last, velocity, top * width + left, height, columns, width,
                    momentum, engine.ceiling,
                )  # fmt: skip


class OnlineReconstruction:
    """Estimates of N specimens that grow with their scans; arrays have the leading axis N.

    Args:
        num_envs: N.
        field_px: edge of the specimens, px.
        probe: (modes, n, n) complex64, power one.
        exposures: most exposures of one scan.
        iterations: iterations on each new exposure, before its neighbours.
        neighbours: most earlier exposures that a new one revisits.
        alpha: of a new exposure: 1 for ePIE, below for rPIE.
        step: step length of the object on a new exposure.
        sweep_alpha, sweep_step: the same of sweeps; the step is that of the first one.
        momentum: eta, in [0, 1).
        ceiling: largest modulus of a specimen; infinity where the probe's power is uncertain.

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
        iterations: int = 1,
        neighbours: int = 3,
        alpha: float = 0.2,
        step: float = 1.5,
        sweep_alpha: float = 0.35,
        sweep_step: float = 1.9,
        momentum: float = 0.87,
        ceiling: float = 1.0,
    ) -> None:
        n = probe.shape[-1]
        self._turns = iterations, neighbours
        self._pace = np.float32(sweep_step), np.float32(momentum)
        self._steps = PIESteps(np.float32(step), np.float32(0.0), np.float32(alpha))
        self._sweep_alpha = np.float32(sweep_alpha)
        # The square stays finite in float32: beyond it no modulus is bounded.
        self._ceiling = np.float32(min(ceiling, 1e15) ** 2)
        self._fields = 4 * field_px * field_px
        self.state = allocate(
            RunningEstimate, num_envs, field=field_px, exposures=exposures, pixels=n * n
        )
        self.state.re.fill(1.0)
        self._illuminate(probe)

    def _illuminate(self, probe: NDArray[np.complex64]) -> None:
        """Set all that follows from the probe."""
        modes, n = probe.shape[:2]
        flat = probe.reshape(modes, n * n)
        waves = Wave(np.ascontiguousarray(flat.real), np.ascontiguousarray(flat.imag))
        weight, sweep_weight = np.empty((2, n * n), np.float32)
        object_weight(waves, self._steps.alpha, weight)
        object_weight(waves, self._sweep_alpha, sweep_weight)
        self._engine = Engine(waves, weight, sweep_weight, self._steps, plan(n), self._ceiling)
        self._work = pie_work(n, modes)
        self._add = Bound(_add_rows, self.state, self._engine)

    def tuned(self, probe: NDArray[np.complex64]) -> Self:
        """The same estimates, of the same arrays, under another probe, (modes, n, n)."""
        other = copy.copy(self)
        other._illuminate(probe)
        return other

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
        self._add(rows, counts, known, photons, corner, *self._turns, work)

    def sweep(self, rows: Int64, sweeps: int) -> None:
        """Go through all exposures of the listed rows again.

        Args:
            rows: (k,) int64.
            sweeps: how often.
        """
        whole = workspace(self._fields + self._work)
        fields, work = whole[: self._fields], whole[self._fields :]
        _sweep_rows(rows, sweeps, *self._pace, fields, work, self.state, self._engine)
