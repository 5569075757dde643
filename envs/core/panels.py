"""The layout that frames of a scan share: a headline, square panels, gauges."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from microgym.envs.core import drawing

WIDTH, HEIGHT = 480, 640
"""Of a frame, px."""
EDGE = 222
"""Of a panel, px."""
LEFT, RIGHT = 12, 246
"""Left edges of the two columns of panels, px."""
UPPER, LOWER = 54, 318
"""Upper edges of the two rows of panels, px."""
GAUGES = 564
"""Upper edge of the gauges below two rows of panels, px."""

Figure = tuple[str, str, float, bool]
"""Name, value as a text, filled part of its gauge, and whether more of it is better."""


def blank() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty frame, and a pen for it."""
    canvas = Image.new("RGB", (WIDTH, HEIGHT), drawing.PAPER)
    return canvas, ImageDraw.Draw(canvas)


def headline(pen: drawing.Pen, text: str, returns: float) -> None:
    """Write what is going on, and what it has earned.

    Args:
        pen: where.
        text: on the left.
        returns: sum of rewards so far, on the right.
    """
    drawing.write(pen, (LEFT, 7), text, 17)
    drawing.write_left_of(pen, (WIDTH - LEFT, 7), f"return {returns:+.2f}", 17)


def panel(
    canvas: Image.Image,
    corner: tuple[int, int],
    title: str,
    pixels: NDArray[np.uint8],
    note: str,
    smooth: bool = False,
) -> tuple[int, int, int]:
    """Put a titled picture onto the canvas.

    Args:
        canvas: RGB image, changed.
        corner: left and upper edge of the picture, px.
        title: above it.
        pixels: (H, W, 3) uint8.
        note: above it, at the right.
        smooth: interpolate; otherwise pixels stay squares.

    Returns:
        Its left, top and edge, px.
    """
    pen = ImageDraw.Draw(canvas)
    left, top = corner
    drawing.paste(canvas, pixels, (left, top, EDGE), smooth)
    drawing.write(pen, (left, top - 21), title, 15)
    drawing.write_left_of(pen, (left + EDGE, top - 18), note, 12, drawing.DIM)
    pen.rectangle((left, top, left + EDGE - 1, top + EDGE - 1), outline=drawing.FRAME)
    return left, top, EDGE


def under(canvas: Image.Image, square: tuple[int, int, int], texts: tuple[str, str, str]) -> None:
    """Draw the ladder of colours under a panel; see `picture.legend`."""
    left, top, edge = square
    drawing.legend(canvas, (left, top + edge + 3, edge), texts)


def gauges(
    pen: drawing.Pen, corner: tuple[int, int], figures: Sequence[Figure], pitch: int = 26
) -> None:
    """Draw a column of figures as gauges.

    Args:
        pen: where.
        corner: left and upper edge, px.
        figures: from above to below.
        pitch: distance of two, px.
    """
    left, top = corner
    for place, (name, text, part, good) in enumerate(figures):
        y = top + place * pitch
        color = drawing.GOOD if good else drawing.SPENT
        drawing.write(pen, (left, y), name, 12, drawing.DIM)
        drawing.write_left_of(pen, (left + EDGE, y), text, 12)
        drawing.bar(pen, (left, y + 16, left + EDGE - 1, y + 19), part, color)
