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

The steps of time are in `microgym.physics.lattice_kernels`.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.jit import inline_kernel, kernel
from microgym.numerics.array_views import view1d, view2d
from microgym.numerics.libm import exp32, exponential, log64
from microgym.specimens.drawing import (
    BLUR_TRUNCATION,
    blur_columns,
    blur_rows,
    gaussian_weights,
)
from microgym.validation import Checked, NonNegative, Positive

Plane = NDArray[np.float32]

_F32 = np.float32
_TINY = np.float32(1e-12)

ACTIVATION_FIELD = np.float32(7.5)
"""Activation field E_a of creep, reduced units (design choice: 8 V, 10 ms write 25 nm)."""
ATTEMPT_S = 1e-6
"""Time of an attempt, s: that of a lattice step in a field far above E_a (design choice)."""
DRIVEN_FIELD = 0.35
"""Field of a tip, reduced units, below which no site moves (design choice): a second makes
exp(-E_a / 0.35) / `ATTEMPT_S` = 5e-4 steps of the lattice."""

_FWHM = 2.0 * math.sqrt(2.0 ** (2.0 / 3.0) - 1.0)


class LatticeConstants(NamedTuple):
    """Constants of `microgym.physics.lattice_kernels.evolve`.

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
