"""`lines`: randomly crossing lines of three widths, an amplitude object.

The recipe is PtychoPINN's (Hoidn, Mishra and Mehta, Sci. Rep. 13, 22789, 2023): 400 random lines of
1 px (Bresenham) on a canvas of 784 px, blurred by 1, 5 and 10 px and summed with weights 1, 2 and
5; the object is the middle half of the canvas. Other sizes keep the density of lines per area.
"""

from typing import NamedTuple

import numpy as np

from microgym.jit import kernel
from microgym.random import WORLD, fill_uniform, stream
from microgym.random.streams import SpecimenWorld
from microgym.specimens.drawing import BlurWork, add_blur, blur_work, to_transmission
from microgym.state import Float32

_STREAM = np.int64(SpecimenWorld.LINES)
_LINES = 400
_CANVAS = 784
_SIGMAS = (1.0, 5.0, 10.0)
_WEIGHTS = (1.0, 2.0, 5.0)
_HALO = 40


class LinesWork(NamedTuple):
    """Work arrays of `draw_lines`.

    Attributes:
        ends: (4 * lines,), both ends of each line.
        blur: of the canvas.
    """

    ends: Float32
    blur: BlurWork


def lines_work(height: int, width: int, margin: int) -> LinesWork:
    """Work arrays of `draw_lines`, for as many lines that their length per area is the paper's."""
    del margin
    lines = int(_LINES * 2.0 * np.sqrt(height * width) / _CANVAS + 0.5)
    return LinesWork(np.empty(4 * lines, np.float32), blur_work(height, width, _HALO))


@kernel
def _line(canvas, y0, x0, y1, x1, top, left):
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
def draw_line_amplitude(key, out, work):
    """Draw the amplitude as in the paper, not normalised (mean about 2.8).

    Args:
        key: (2,) uint32, of the specimen.
        out: (H, W) float32, written.
        work: of `lines_work`.
    """
    height, width = out.shape
    canvas, ends = work.blur.padded, work.ends
    fill_uniform(*stream(key[0], key[1], WORLD, _STREAM), np.int64(0), ends)
    canvas[:] = np.float32(0.0)
    # Lines between uniform points of the canvas, whose middle half is kept.
    for k in range(0, ends.size, 4):
        y0 = int(2 * height * np.float64(ends[k]))
        x0 = int(2 * width * np.float64(ends[k + 1]))
        y1 = int(2 * height * np.float64(ends[k + 2]))
        x1 = int(2 * width * np.float64(ends[k + 3]))
        _line(canvas, y0, x0, y1, x1, height // 2 - _HALO, width // 2 - _HALO)
    # Sum of three blurs: A = sum w_i (G_i * lines).
    out[:] = np.float32(0.0)
    for part in range(3):
        add_blur(work.blur, _SIGMAS[part], np.float32(_WEIGHTS[part]), out)


@kernel
def draw_lines(key, margin, real, imag, structure, work):
    """Draw one specimen, see `microgym.specimens.families`."""
    draw_line_amplitude(key, real, work)
    imag[:] = np.float32(0.0)
    to_transmission(real, imag)
