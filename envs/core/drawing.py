"""Small means of drawing frames with NumPy and Pillow; no display, no plotting library.

Points are (x, y) and boxes are (left, top, ...), all in px.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Color = tuple[int, int, int]
Point = tuple[float, float]
Pen = ImageDraw.ImageDraw

INK: Color = (235, 238, 242)
DIM: Color = (150, 160, 172)
PAPER: Color = (16, 20, 26)
FRAME: Color = (62, 70, 82)
ACCENT: Color = (90, 200, 250)
SPENT: Color = (255, 176, 59)
GOOD: Color = (94, 201, 136)
BAD: Color = (242, 70, 70)

_LADDER = np.array(
    [(8, 12, 30), (46, 32, 96), (108, 44, 120), (180, 62, 104), (236, 110, 72), (252, 190, 96),
     (252, 250, 200)],
    np.float64,
)  # fmt: skip
"""Dark to light with rising lightness throughout, so that it survives in grey (design choice)."""


def colored(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.uint8]:
    """Map numbers to colours of rising lightness.

    Args:
        values: (H, W).
        low, high: values of the darkest and the lightest colour.

    Returns:
        (H, W, 3) uint8.
    """
    place = np.clip((values - low) / (high - low), 0.0, 1.0) * (len(_LADDER) - 1)
    below = np.minimum(place.astype(np.int64), len(_LADDER) - 2)
    part = (place - below)[..., None]
    return (_LADDER[below] * (1.0 - part) + _LADDER[below + 1] * part + 0.5).astype(np.uint8)


def write(
    pen: Pen, at: Point, text: str, size: int = 13, color: Color = INK, anchor: str = "la"
) -> None:
    """Write a line of a height in px.

    Args:
        pen: where.
        at: its upper left end; with the anchor "ra", its upper right end.
        text: the line.
        size: height of the letters, px.
        color: of the letters.
        anchor: place of the point in the line, as Pillow has it.
    """
    pen.text(at, text, fill=color, font_size=size, anchor=anchor)


def bar(pen: Pen, box: tuple[int, int, int, int], part: float, color: Color) -> None:
    """Draw a gauge (left, top, right, bottom) that is filled in part, 0 to 1, from the left."""
    left, top, right, bottom = box
    pen.rectangle(box, fill=(40, 47, 56))
    filled = left + round((right - left) * min(max(part, 0.0), 1.0))
    if filled > left:
        pen.rectangle((left, top, filled, bottom), fill=color)


def legend(canvas: Image.Image, box: tuple[int, int, int], texts: tuple[str, str, str]) -> None:
    """Draw the ladder of colours with what its two ends mean.

    Args:
        canvas: RGB image, changed.
        box: left, top and width; it is 12 px high.
        texts: what is shown, and the values at the dark and the light end.
    """
    left, top, width = box
    pen = ImageDraw.Draw(canvas)
    name, low, high = texts
    write(pen, (left, top), name, 12, DIM)
    end = left + width
    write(pen, (end, top), high, 12, DIM, "ra")
    right = end - round(pen.textlength(high, font_size=12)) - 5
    ramp = np.broadcast_to(np.linspace(0.0, 1.0, 48, dtype=np.float32), (7, 48))
    canvas.paste(Image.fromarray(colored(ramp, 0.0, 1.0)), (right - 48, top + 5))
    write(pen, (right - 53, top), low, 12, DIM, "ra")


def dashes(pen: Pen, box: tuple[int, int, int], color: Color) -> None:
    """Draw a dashed square (left, top, edge)."""
    left, top, edge = box
    for start in range(0, edge, 12):
        stop = min(start + 6, edge)
        for side in (0, edge - 1):
            pen.line((left + start, top + side, left + stop, top + side), fill=color, width=2)
            pen.line((left + side, top + start, left + side, top + stop), fill=color, width=2)


def scale_bar(pen: Pen, box: tuple[int, int, int, int], part: float, text: str) -> None:
    """Draw a scale bar into the lower left corner of a box.

    Args:
        pen: where.
        box: left, top, width and height.
        part: length of the bar, as a share of the width.
        text: its length in words.
    """
    left, top, width, height = box
    bottom, length = top + height, part * width
    shade = (left + 5, bottom - 30, left + max(length, 44.0) + 15, bottom - 5)
    pen.rectangle(shade, (8, 12, 30))
    pen.line((left + 10, bottom - 10, left + 10 + length, bottom - 10), fill=INK, width=3)
    write(pen, (left + 10, bottom - 28), text, 12)


def trail(pen: Pen, points: Sequence[Point], color: Color) -> None:
    """Draw a path that is fainter towards its oldest point, the first."""
    for k in range(1, len(points)):
        part = 0.25 + 0.75 * (k / (len(points) - 1)) ** 3
        red, green, blue = (round(part * c) for c in color)
        pen.line((*points[k - 1], *points[k]), fill=(red, green, blue), width=1)


def ring(pen: Pen, at: Point, radius: float, color: Color) -> None:
    """Draw a circle around a point."""
    x, y = at
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=color, width=2)
