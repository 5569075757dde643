"""`lines`: randomly crossing lines of three widths, an amplitude object.

The recipe is PtychoPINN's (Hoidn, Mishra and Mehta, Sci. Rep. 13, 22789, 2023): 400 random lines of
1 px (Bresenham) on a canvas of 784 px, blurred by 1, 5 and 10 px and summed with weights 1, 2 and
5; the object is the middle half of the canvas. Other sizes keep the density of lines per area.
"""

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.array_views import view2d
from microgym.random import WORLD, fill_uniform, stream
from microgym.random.streams import SpecimenWorld
from microgym.specimens.drawing import blur_columns, blur_rows, gaussian_weights

Plane = NDArray[np.float32]

_STREAM = np.int64(SpecimenWorld.LINES)
_LINES = 400
_CANVAS = 784
_SIGMAS = (1.0, 5.0, 10.0)
_WEIGHTS = (1.0, 2.0, 5.0)
_HALO = 40


@kernel
def _line_count(height: int, width: int) -> int:
    """Lines on the canvas, so that their length per area is the paper's."""
    return int(_LINES * 2.0 * np.sqrt(np.float64(height * width)) / _CANVAS + 0.5)


def lines_work(height: int, width: int) -> int:
    """Length of the float32 work array of `draw_lines`."""
    blurring = (height + 2 * _HALO) * (2 * width + 2 * _HALO) + 2 * _HALO + 1
    return blurring + 4 * _line_count(height, width)


@kernel
def _line(canvas: Plane, y0: int, x0: int, y1: int, x1: int, top: int, left: int) -> None:
    """Set to 1 the pixels of a straight line (Bresenham, IBM Syst. J. 4, 25, 1965)."""
    height, width = canvas.shape
    dy, dx = abs(y1 - y0), abs(x1 - x0)
    step_y = 1 if y1 > y0 else -1
    step_x = 1 if x1 > x0 else -1
    error = dx - dy
    y, x = y0, x0
    for _ in range(max(dy, dx) + 1):
        i, j = y - top, x - left
        if 0 <= i < height and 0 <= j < width:
            canvas[i, j] = np.float32(1.0)
        twice = 2 * error
        if twice > -dy:
            error -= dy
            x += step_x
        if twice < dx:
            error += dx
            y += step_y


@kernel
def draw_lines(k0: np.uint32, k1: np.uint32, out: Plane, work: Plane) -> None:
    """Draw the amplitude as in the paper, not normalised (mean about 2.8).

    Args:
        k0: first word of the specimen's key.
        k1: second word.
        out: (H, W) float32, written.
        work: (`lines_work(H, W)`,) float32.
    """
    s0, s1 = stream(k0, k1, WORLD, _STREAM)
    height, width = out.shape
    tall, wide = height + 2 * _HALO, width + 2 * _HALO
    canvas = view2d(work, 0, tall, wide)
    rows = view2d(work, tall * wide, tall, width)
    weights = work[tall * (wide + width) : tall * (wide + width) + 2 * _HALO + 1]
    count = _line_count(height, width)
    ends = work[work.size - 4 * count :]
    fill_uniform(s0, s1, np.int64(0), ends)
    for i in range(tall):
        for j in range(wide):
            canvas[i, j] = np.float32(0.0)
    # Lines between uniform points of the canvas, whose middle half is kept.
    for k in range(count):
        y0 = int(2 * height * np.float64(ends[4 * k]))
        x0 = int(2 * width * np.float64(ends[4 * k + 1]))
        y1 = int(2 * height * np.float64(ends[4 * k + 2]))
        x1 = int(2 * width * np.float64(ends[4 * k + 3]))
        _line(canvas, y0, x0, y1, x1, height // 2 - _HALO, width // 2 - _HALO)
    for i in range(height):
        for j in range(width):
            out[i, j] = np.float32(0.0)
    # Sum of three blurs: A = sum w_i (G_i * lines).
    for part in range(3):
        radius = gaussian_weights(_SIGMAS[part], weights)
        blur_rows(canvas, _HALO, weights, radius, np.float32(_WEIGHTS[part]), rows)
        blur_columns(rows, _HALO, weights, radius, out)
