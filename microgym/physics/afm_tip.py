"""Tips of force microscopes: shape, image of a surface by grey dilation, and wear.

A rigid tip of shape t touches a surface h first where h(x + u) - t(u) is largest, so that its apex
runs along the grey dilation of h by t (Villarrubia, J. Res. Natl. Inst. Stand. Technol. 102, 425,
1997). Lengths are in nm unless they are in pixels; t is 0 at the apex and grows away from it.
"""

from dataclasses import astuple, dataclass
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.jit import inline_kernel, kernel
from microgym.numerics.array_views import view1d
from microgym.numerics.libm import sincos64
from microgym.validation import Checked, NonNegative, Positive, finite, integer, positive

OUT_OF_REACH = np.float32(1e6)

Plane = NDArray[np.float32]


class TipShape(NamedTuple):
    """Numbers of a tip, as kernels take them; see `Tip`."""

    radius_nm: float
    half_angle_deg: float
    worn_nm: float
    second_y_nm: float
    second_x_nm: float
    second_z_nm: float


@dataclass(frozen=True)
class Tip(Checked):
    """Tip: a sphere on a cone, or a paraboloid, possibly worn flat and with a second apex.

    Attributes:
        radius_nm: radius of curvature of the apex, nm.
        half_angle_deg: half of the cone's opening angle, degrees; 0 for a paraboloid.
        worn_nm: height that is worn off, nm.
        second_y_nm, second_x_nm: place of a second apex of the same shape, nm.
        second_z_nm: distance by which it stands back, nm; infinite for none.

    Raises:
        TypeError: a value is no number.
        ValueError: a value is out of range.
    """

    radius_nm: Positive = 8.0
    half_angle_deg: NonNegative = 15.0
    worn_nm: NonNegative = 0.0
    second_y_nm: Annotated[float, finite] = 0.0
    second_x_nm: Annotated[float, finite] = 0.0
    second_z_nm: float = float("inf")

    def __post_init__(self) -> None:
        """Check every number."""
        super().__post_init__()
        if self.half_angle_deg >= 80.0:
            raise ValueError(f"half_angle_deg={self.half_angle_deg!r} must be in [0, 80)")
        if not self.second_z_nm >= 0.0:
            raise ValueError(f"second_z_nm={self.second_z_nm!r} must be at least 0")

    @property
    def shape(self) -> TipShape:
        """The same numbers as kernels take them."""
        return TipShape(*map(float, astuple(self)))


@inline_kernel
def _unworn(square, radius, sine, cosine):
    """Height of an unworn tip at a squared distance from its axis."""
    if sine == 0.0:
        return square / (2.0 * radius)
    edge = radius * cosine
    if square <= edge * edge:
        return radius - np.sqrt(radius * radius - square)
    return radius * (1.0 - sine) + (np.sqrt(square) - edge) * cosine / sine


@inline_kernel
def _apex_reach(radius, sine, cosine, height):
    """Distance from its axis at which an unworn tip stands back by a height; 0 for none."""
    up = max(height, 0.0)
    if sine == 0.0:
        return np.sqrt(2.0 * radius * up)
    ball = radius * (1.0 - sine)
    if up <= ball:
        return np.sqrt(up * (2.0 * radius - up))
    return radius * cosine + (up - ball) * sine / cosine


@kernel
def tip_reach(tip, relief):
    """Distance from the axis beyond which a tip cannot touch a surface, nm.

    The tip stands back by the surface's height range at r = R cos a + (h - R (1 - sin a)) tan a on
    the cone of half angle a, and at sqrt(h (2 R - h)) on the sphere, h with what is worn off.

    Args:
        tip: `TipShape`.
        relief: height range of the surface, nm.
    """
    sine, cosine = sincos64(tip.half_angle_deg * (np.pi / 180.0))
    reach = _apex_reach(tip.radius_nm, sine, cosine, relief + tip.worn_nm)
    if tip.second_z_nm < relief:
        away = np.sqrt(tip.second_y_nm * tip.second_y_nm + tip.second_x_nm * tip.second_x_nm)
        up = relief - tip.second_z_nm + tip.worn_nm
        reach = max(reach, away + _apex_reach(tip.radius_nm, sine, cosine, up))
    return reach


@kernel
def shape_window(tip, pixel_nm, window):
    """Write a tip's shape on pixels.

    Args:
        tip: `TipShape`.
        pixel_nm: edge of a pixel, nm.
        window: (2 r + 1, 2 r + 1) float32, written, nm.
    """
    half = window.shape[0] // 2
    radius, worn = tip.radius_nm, tip.worn_nm
    sine, cosine = sincos64(tip.half_angle_deg * (np.pi / 180.0))
    for i in range(window.shape[0]):
        for j in range(window.shape[1]):
            y, x = (i - half) * pixel_nm, (j - half) * pixel_nm
            height = max(_unworn(y * y + x * x, radius, sine, cosine) - worn, 0.0)
            if tip.second_z_nm < OUT_OF_REACH:
                y, x = y - tip.second_y_nm, x - tip.second_x_nm
                other = max(_unworn(y * y + x * x, radius, sine, cosine) - worn, 0.0)
                height = min(height, other + tip.second_z_nm)
            window[i, j] = np.float32(height)


def window_of(tip: Tip, pixel_nm: float, half: int) -> Plane:
    """A tip's shape on pixels.

    Args:
        tip: the tip.
        pixel_nm: edge of a pixel, nm.
        half: half width of the window, px.

    Returns:
        (2 half + 1, 2 half + 1) float32, nm.
    """
    size = 2 * integer("half", half, 0, 1024) + 1
    window = np.empty((size, size), np.float32)
    shape_window(tip.shape, positive("pixel_nm", pixel_nm), window)
    return window


@kernel
def dilate_line(strip, window, limit, out):
    """Grey dilation of a line: path of a tip's apex.

    Args:
        strip: (2 r + 1, P + 2 r) float32, C-contiguous, the surface around the line, nm.
        window: (2 r + 1, 2 r + 1) float32, shape of the tip, nm.
        limit: height range of the surface; parts of the tip that stand back by more cannot touch.
        out: (P,) float32, written, nm.
    """
    rows, columns = window.shape
    count = out.size
    for i in range(count):
        out[i] = -OUT_OF_REACH
    for y in range(rows):
        for x in range(columns):
            t = window[y, x]
            if t <= limit:
                under = view1d(strip, y * strip.shape[1] + x, count)
                for i in range(count):
                    out[i] = np.maximum(under[i] - t, out[i])


@inline_kernel
def worn_height(volume, radius):
    """Height worn off a paraboloid for a volume, nm: V = pi R h^2.

    Args:
        volume: nm^3.
        radius: of curvature, nm.
    """
    return np.sqrt(volume / (np.pi * radius))


@inline_kernel
def archard(rate, force, path):
    """Volume worn off, nm^3 (Archard, J. Appl. Phys. 24, 981, 1953).

    Args:
        rate: volume per force and path, nm^3/(nN nm).
        force: mean normal force, nN.
        path: way, nm.
    """
    return rate * force * path


@inline_kernel
def apex_radius(radius, worn):
    """Effective radius for forces: that of the sphere plus that of the flat on it, nm.

    The flat's radius is sqrt(2 R h). Their sum is a design choice: it is right at no wear, and
    grows with the flat when the flat is wide.
    """
    return radius + np.sqrt(2.0 * radius * worn)
