"""Small means of drawing frames with NumPy and Pillow; no display, no plotting library."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

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


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own typeface at a size in pixels."""
    return ImageFont.load_default(size)


def write(pen: Pen, at: Point, text: str, size: int = 13, color: Color = INK) -> None:
    """Write a line that begins at a point.

    Args:
        pen: where.
        at: left end and upper edge, px.
        text: the line.
        size: height of the letters, px.
        color: of the letters.
    """
    pen.text(at, text, fill=color, font=font(size))


def write_left_of(pen: Pen, at: Point, text: str, size: int = 13, color: Color = INK) -> None:
    """Write a line that ends at a point.

    Args:
        pen: where.
        at: right end and upper edge, px.
        text, size, color: as `write`.
    """
    width = pen.textlength(text, font=font(size))
    pen.text((at[0] - width, at[1]), text, fill=color, font=font(size))


def paste(
    canvas: Image.Image, pixels: NDArray[np.uint8], box: tuple[int, int, int], smooth: bool = True
) -> None:
    """Put a picture onto the canvas, scaled to a square.

    Args:
        canvas: RGB image, changed.
        pixels: (H, W, 3) uint8.
        box: left, top and edge of the square, px.
        smooth: interpolate; otherwise pixels stay squares.
    """
    left, top, edge = box
    way = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    canvas.paste(Image.fromarray(pixels).resize((edge, edge), way), (left, top))


def bar(pen: Pen, box: tuple[int, int, int, int], part: float, color: Color) -> None:
    """Draw a horizontal gauge.

    Args:
        pen: where.
        box: left, top, right, bottom, px.
        part: filled part, 0 to 1.
        color: of the filled part.
    """
    left, top, right, bottom = box
    pen.rectangle(box, fill=(40, 47, 56))
    filled = left + round((right - left) * min(max(part, 0.0), 1.0))
    if filled > left:
        pen.rectangle((left, top, filled, bottom), fill=color)


def legend(canvas: Image.Image, box: tuple[int, int, int], texts: tuple[str, str, str]) -> None:
    """Draw the ladder of colours with what its two ends mean.

    Args:
        canvas: RGB image, changed.
        box: left, top and width, px; it is 12 px high.
        texts: what is shown, and the values at the dark and the light end.
    """
    left, top, width = box
    pen = ImageDraw.Draw(canvas)
    name, low, high = texts
    write(pen, (left, top), name, 12, DIM)
    end = left + width
    write_left_of(pen, (end, top), high, 12, DIM)
    right = end - round(pen.textlength(high, font=font(12))) - 5
    ramp = np.broadcast_to(np.linspace(0.0, 1.0, 48, dtype=np.float32), (7, 48))
    canvas.paste(Image.fromarray(colored(ramp, 0.0, 1.0)), (right - 48, top + 5))
    write_left_of(pen, (right - 53, top), low, 12, DIM)


def dashes(pen: Pen, box: tuple[int, int, int], color: Color, dash: int = 6) -> None:
    """Draw a dashed square.

    Args:
        pen: where.
        box: left, top and edge, px.
        color: of the dashes.
        dash: length of a dash and of a gap, px.
    """
    left, top, edge = box
    for start in range(0, edge, 2 * dash):
        stop = min(start + dash, edge)
        for side in (0, edge - 1):
            pen.line((left + start, top + side, left + stop, top + side), fill=color, width=2)
            pen.line((left + side, top + start, left + side, top + stop), fill=color, width=2)


def scale_bar(pen: Pen, box: tuple[int, int, int, int], part: float, text: str) -> None:
    """Draw a scale bar into the lower left corner of a box.

    Args:
        pen: where.
        box: left, top, width and height, px.
        part: length of the bar, as a share of the width.
        text: its length in words.
    """
    left, top, width, height = box
    bottom, length = top + height, part * width
    shade = (left + 5, bottom - 30, left + max(length, 44.0) + 15, bottom - 5)
    pen.rectangle(shade, (8, 12, 30))
    pen.line((left + 10, bottom - 10, left + 10 + length, bottom - 10), fill=INK, width=3)
    write(pen, (left + 10, bottom - 28), text, 12)


def trail(pen: Pen, points: Sequence[Point], color: Color, faint: float = 0.25) -> None:
    """Draw a path whose older parts are fainter.

    Args:
        pen: where.
        points: (x, y), px, the oldest first.
        color: of the newest part.
        faint: of the oldest part, 0 to 1.
    """
    for k in range(1, len(points)):
        part = faint + (1.0 - faint) * (k / (len(points) - 1)) ** 3
        red, green, blue = (round(part * c) for c in color)
        pen.line((*points[k - 1], *points[k]), fill=(red, green, blue), width=1)


def ring(pen: Pen, at: Point, radius: float, color: Color) -> None:
    """Draw a circle around a point.

    Args:
        pen: where.
        at: its centre (x, y), px.
        radius: px.
        color: of the line.
    """
    x, y = at
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=color, width=2)
