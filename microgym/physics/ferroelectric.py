"""A ferroelectric film as a lattice: Landau-Khalatnikov dynamics, the tip's field, the read-out.

The free energy of the polarisation P on a square lattice is

    F = sum_i [alpha/2 P_i^2 + beta_i/4 P_i^4 - E_i P_i] + kappa/2 sum_<ij> (P_i - P_j)^2
        + depolarisation/2 N <P>^2

and each site relaxes, dP_i/dt = -gamma dF/dP_i + sqrt(2 gamma theta) xi_i (Ricinschi et al., J.
Phys.: Condens. Matter 10, 477, 1998). The coupling is that of the square lattice, kappa (sum_j P_j
- 4 P_i), so that a uniform state is not stiffened by it. Lengths are in lattice cells, the rest in
reduced units: |alpha| = 1, spontaneous polarisation 1, time 1 / (gamma |alpha|).

Under a strong field walls creep (Merz's law): sites move at a rate exp(-E_a / |E|) that a field E
activates, so that a domain under a tip grows with the logarithm of time until the field at its wall
is too weak. All that a pulse does follows from the state of the film, the field and its time.

Disorder is a random field (part of E_i), a random bond (beta_i: the depth of the double well) and
dead sites (mobility 0), such as grain boundaries. No polarisation flows through the border. The
piezoresponse is the polarisation seen through the tip, which blurs it.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.jit import inline_kernel, kernel
from microgym.numerics.array_views import view1d, view2d
from microgym.numerics.libm import exp32, exponential, log64
from microgym.random.generator import fill_bits
from microgym.specimens.drawing import (
    BLUR_TRUNCATION,
    blur_columns,
    blur_rows,
    gaussian_weights,
)
from microgym.validation import Checked, NonNegative, Positive

Plane = NDArray[np.float32]

_F32 = np.float32
_U32 = np.uint32
_BYTE = np.uint32(0xFF)
# Typed, not literals: Numba compiles a helper anew for every literal it is called with.
_LOW, _HIGH = np.uint32(0), np.uint32(16)
_FIRST = np.int64(0)
_TINY = np.float32(1e-12)
_BYTES_MEAN = np.float32(255.0)
_BYTES_SCALE = np.float32(1.0 / math.sqrt(2.0 * (256.0**2 - 1.0) / 12.0))

ACTIVATION_FIELD = np.float32(7.5)
"""Activation field E_a of creep, reduced units (design choice: 8 V, 10 ms write 25 nm)."""
ATTEMPT_S = 1e-6
"""Time of an attempt, s: that of a lattice step in a field far above E_a (design choice)."""
DRIVEN_FIELD = 0.35
"""Field of a tip, reduced units, below which no site moves (design choice): a second makes
exp(-E_a / 0.35) / `ATTEMPT_S` = 5e-4 steps of the lattice."""

_FWHM = 2.0 * math.sqrt(2.0 ** (2.0 / 3.0) - 1.0)


class LatticeConstants(NamedTuple):
    """Constants of `evolve`.

    Attributes:
        kappa: coupling of neighbours.
        depolarisation: strength of the field that opposes the mean polarisation.
        dt: longest step, in 1 / (gamma |alpha|).
        noise: sqrt(2 theta); times the root of a step, the standard deviation of what it adds.
    """

    kappa: np.float32
    depolarisation: np.float32
    dt: np.float32
    noise: np.float32


@dataclass(frozen=True)
class LatticeParameters(Checked):
    """Constants of the film, and the time step.

    Attributes:
        kappa: coupling of neighbours; the wall's width parameter is sqrt(kappa / |alpha|) cells,
            which below 1 pins walls to the lattice.
        beta: quartic coefficient of a site without disorder.
        depolarisation: strength of the field that opposes the mean polarisation.
        theta: thermal energy over the volume of a cell.
        dt: step, in 1 / (gamma |alpha|). Explicit Euler is stable below 2 / (8 kappa + 2) near the
            spontaneous polarisation; 0.05 with kappa 2 leaves room for sites driven well beyond.

    Raises:
        TypeError: if a number is not a number.
        ValueError: if one is out of range, or the step too long for the coupling.
    """

    kappa: NonNegative = 2.0
    beta: Positive = 1.0
    depolarisation: NonNegative = 0.0
    theta: NonNegative = 0.0
    dt: Positive = 0.05

    def __post_init__(self) -> None:
        """Check every number."""
        super().__post_init__()
        limit = 2.0 / (8.0 * self.kappa + 2.0)
        if self.dt >= limit:
            raise ValueError(f"dt={self.dt!r} must be below {limit:.4g} for kappa={self.kappa!r}")

    @property
    def constants(self) -> LatticeConstants:
        """The constants that `evolve` takes."""
        values = (self.kappa, self.depolarisation, self.dt, math.sqrt(2.0 * self.theta))
        return LatticeConstants(*(np.float32(one) for one in values))


def evolve_work(height: int, width: int) -> int:
    """Length of the float32 work array of `evolve`."""
    stride = width + 2
    return 2 * (height + 2) * stride + 4 * height * stride + stride


@inline_kernel
def _bell(bits):
    """A number of mean 0 and variance 1 from 16 random bits: the sum of their two bytes.

    Its third moment is that of a normal number and its fourth 2.4 rather than 3. A step of the
    Euler scheme needs no more (weak order one: Kloeden and Platen, Numerical Solution of
    Stochastic Differential Equations, 1992, 14.1), and normal numbers would take longer than all
    the rest of the step.
    """
    total = (bits & _BYTE) + ((bits >> _U32(8)) & _BYTE)
    return (_F32(np.int32(total)) - _BYTES_MEAN) * _BYTES_SCALE


@kernel
def _pad(source, stride, out):
    """Copy a plane into rows of a longer stride, from the second column on; the rest becomes 0."""
    height, width = source.shape
    for i in range(height):
        a, b = view1d(source, i * width, width), view1d(out, i * stride, stride)
        b[0], b[stride - 1] = _F32(0.0), _F32(0.0)
        for j in range(width):
            b[j + 1] = a[j]


@kernel
def _mirror(p, height, stride):
    """Give the ghost cells around a padded plane the values of their neighbours."""
    for i in range(1, height + 1):
        p[i * stride] = p[i * stride + 1]
        p[(i + 1) * stride - 1] = p[(i + 1) * stride - 2]
    top, first = view1d(p, 0, stride), view1d(p, stride, stride)
    bottom = view1d(p, (height + 1) * stride, stride)
    last = view1d(p, height * stride, stride)
    for j in range(stride):
        top[j], bottom[j] = first[j], last[j]


@kernel
def _mean(p, height, stride, columns):
    """Mean over a padded plane, ghosts left out: columns first, as that needs no long chain."""
    for j in range(stride):
        columns[j] = _F32(0.0)
    for i in range(1, height + 1):
        row = view1d(p, i * stride, stride)
        for j in range(stride):
            columns[j] += row[j]
    total = _F32(0.0)
    for j in range(1, stride - 1):
        total += columns[j]
    return total / _F32(height * (stride - 2))


@kernel
def _step(p, beta, rate, drive, kappa, offset, factor, longest, out, count, stride):
    """One Euler step of all padded rows; ghost cells are corrected afterwards."""
    up, mid, down = view1d(p, 0, count), view1d(p, stride, count), view1d(p, 2 * stride, count)
    left, right = view1d(p, stride - 1, count), view1d(p, stride + 1, count)
    new = view1d(out, stride, count)
    four = _F32(4.0)
    for k in range(count):
        # dP/dt = P - beta P^3 + kappa (sum of neighbours - 4 P) + E.
        x = mid[k]
        bend = (up[k] + down[k]) + (left[k] + right[k]) - four * x
        force = (x - beta[k] * x * x * x) + kappa * bend
        force += drive[k] - offset
        dt = factor * rate[k]
        dt = dt if dt < longest else longest
        new[k] = x + dt * force


@kernel
def _noisy_step(
    p, beta, rate, drive, bits, shift, kappa, offset, factor, longest, noise, start, out, count,
    stride,
):  # fmt: skip
    """The same with noise, for `count` sites from `start` on."""
    up, mid = view1d(p, start, count), view1d(p, start + stride, count)
    down = view1d(p, start + 2 * stride, count)
    left, right = view1d(p, start + stride - 1, count), view1d(p, start + stride + 1, count)
    well, pace, push = (
        view1d(beta, start, count),
        view1d(rate, start, count),
        view1d(drive, start, count),
    )
    new = view1d(out, start + stride, count)
    four = _F32(4.0)
    for k in range(count):
        # The same, plus thermal noise of variance 2 theta dt, as detailed balance asks for.
        x = mid[k]
        bend = (up[k] + down[k]) + (left[k] + right[k]) - four * x
        force = (x - well[k] * x * x * x) + kappa * bend
        force += push[k] - offset
        dt = factor * pace[k]
        dt = dt if dt < longest else longest
        new[k] = (x + dt * force) + noise * np.sqrt(dt) * _bell(bits[k] >> shift)


@kernel
def evolve(s0, s1, tick, steps, factor, growth, constants, beta, mobility, field, p, work):
    """Let one lattice go through some steps of time.

    Step k of a site lasts min(mobility factor growth^k, 1) dt. Where it is cut to dt, the site has
    come to rest long before.

    Args:
        s0, s1: words of the stream of thermal noise; step k draws at tick + k, one number a site.
        tick: number of steps before these.
        steps: number of steps.
        factor, growth: as above; 1 and 1 for steps of dt.
        constants: `LatticeParameters.constants`.
        beta: (H, W) float32, quartic coefficients.
        mobility: (H, W) float32, at least 0; 0 where a site is dead.
        field: (H, W) float32, field on each site.
        p: (H, W) float32, polarisation, updated.
        work: (`evolve_work(H, W)`,) float32.
    """
    kappa, depolarisation, longest, noise = constants
    height, width = p.shape
    stride = width + 2
    count, size = height * stride, (height + 2) * stride
    # Built by hand rather than by slices, which would be counted.
    now, then = view1d(work, 0, size), view1d(work, size, size)
    well, rate = view1d(work, 2 * size, count), view1d(work, 2 * size + count, count)
    drive = view1d(work, 2 * size + 2 * count, count)
    half = (count + 1) // 2
    draws = view1d(work, 2 * size + 3 * count, half)
    columns = view1d(work, 2 * size + 4 * count, stride)
    bits = draws.view(np.uint32)
    _pad(p, stride, view1d(work, stride, count))
    _pad(beta, stride, well)
    _pad(mobility, stride, rate)
    _pad(field, stride, drive)
    _mirror(now, height, stride)
    scale = np.float64(longest) * factor
    for step in range(steps):
        offset, pace = _F32(0.0), _F32(scale)
        scale *= growth
        if depolarisation > _F32(0.0):
            offset = depolarisation * _mean(now, height, stride, columns)
        if noise > _F32(0.0):
            # Each word serves a site of the upper half and one of the lower.
            fill_bits(s0, s1, tick + step, bits)
            for shift, start, sites in ((_LOW, _FIRST, half), (_HIGH, half, count - half)):
                _noisy_step(
                    now, well, rate, drive, bits, shift, kappa, offset, pace, longest, noise, start,
                    then, sites, stride,
                )  # fmt: skip
        else:
            _step(now, well, rate, drive, kappa, offset, pace, longest, then, count, stride)
        _mirror(then, height, stride)
        now, then = then, now
    for i in range(height):
        a, b = view1d(now, (i + 1) * stride + 1, width), view1d(p, i * width, width)
        for j in range(width):
            b[j] = a[j]


@kernel
def add_tip_field(y, x, peak, d, field):
    """Add the field of a tip to a plane: E(r) = peak d^3 / (r^2 + d^2)^(3/2).

    The field under a charge at the height d, the common model of a sphere on a film (contact:
    d = 2 R / pi for a disk of radius R).

    Args:
        y: row of the tip, cells.
        x: column.
        peak: field under the tip, reduced units.
        d: height of the charge, cells; the field's full width at half maximum is 1.533 d.
        field: (H, W) float32, changed.
    """
    inverse = 1.0 / (d * d)
    for i in range(field.shape[0]):
        dy2 = (i - y) * (i - y)
        for j in range(field.shape[1]):
            t = _F32(1.0 + (dy2 + (j - x) * (j - x)) * inverse)
            field[i, j] += _F32(peak) / (t * np.sqrt(t))


def tip_width(d: float) -> float:
    """Full width at half maximum of the tip's field, cells.

    Args:
        d: height of the charge, cells.
    """
    return _FWHM * d


@kernel
def driven_reach(peak, d):
    """Distance from a tip, cells, at which its field has fallen to `DRIVEN_FIELD`; 0 if nowhere.

    Args:
        peak: field under the tip, reduced units, of either sign.
        d: height of the charge, cells.
    """
    ratio = abs(peak) / DRIVEN_FIELD
    # (1 + r^2 / d^2)^(3/2) = ratio.
    return d * np.sqrt(exponential(log64(ratio) * (2.0 / 3.0)) - 1.0) if ratio > 1.0 else 0.0


@kernel
def confine(y, x, reach, mobility):
    """Set mobilities to 0 beyond a distance from a place, cells."""
    square = _F32(reach * reach)
    for i in range(mobility.shape[0]):
        dy2 = _F32((i - y) * (i - y))
        moves = mobility[i]
        for j in range(mobility.shape[1]):
            dx = _F32(j) - _F32(x)
            moves[j] = moves[j] if dy2 + dx * dx < square else _F32(0.0)


@kernel
def activate(field, alive, mobility):
    """Write the mobilities that a field gives to sites: exp(-E_a / |E|).

    Measured walls creep so (Tybell et al., Phys. Rev. Lett. 89, 097601, 2002), and domains under a
    tip grow with the logarithm of the pulse (Blaser and Paruch, New J. Phys. 17, 013002, 2015).

    Args:
        field: (H, W) float32, whole field on each site.
        alive: (H, W) float32, 1, or 0 where a site does not move.
        mobility: (H, W) float32, written; may be `alive`.
    """
    for i in range(field.shape[0]):
        push, can, moves = field[i], alive[i], mobility[i]
        for j in range(field.shape[1]):
            strength = abs(push[j]) + _TINY
            moves[j] = can[j] * exp32(-ACTIVATION_FIELD / strength)


def respond_work(height: int, width: int, sigma: float) -> int:
    """Length of the float32 work array of `respond`."""
    radius = int(BLUR_TRUNCATION * sigma + 0.5)
    return (height + 2 * radius) * (2 * width + 2 * radius) + 2 * radius + 1


@kernel
def respond(p, sigma, out, work):
    """Piezoresponse: the polarisation convolved with a Gaussian; beyond the border it is mirrored.

    Args:
        p: (H, W) float32, polarisation.
        sigma: standard deviation of the tip's response, cells, above 0; at most a quarter of H - 1.
        out: (H, W) float32, written.
        work: (`respond_work(H, W, sigma)`,) float32.
    """
    height, width = p.shape
    radius = int(BLUR_TRUNCATION * sigma + 0.5)
    high, wide = height + 2 * radius, width + 2 * radius
    padded = view2d(work, 0, high, wide)
    rows = view2d(work, high * wide, high, width)
    weights = work[high * (wide + width) :]
    gaussian_weights(sigma, weights)
    # Mirror images of the film around it.
    for i in range(high):
        source = p[_mirrored(i - radius, height)]
        target = padded[i]
        for j in range(wide):
            target[j] = source[_mirrored(j - radius, width)]
    # Convolution with the Gaussian, along the rows and then down the columns.
    blur_rows(padded, radius, weights, radius, _F32(1.0), rows)
    for i in range(height):
        row = view1d(out, i * width, width)
        for j in range(width):
            row[j] = _F32(0.0)
    blur_columns(rows, radius, weights, radius, out)


@inline_kernel
def _mirrored(i, size):
    """Index mirrored at the borders, the border cell repeated."""
    i = i if i >= 0 else -1 - i
    return i if i < size else 2 * size - 1 - i
