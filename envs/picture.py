"""Small means of drawing frames with NumPy and Pillow; no display, no plotting library."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Color = tuple[int, int, int]

INK: Color = (235, 238, 242)
DIM: Color = (140, 150, 162)
PAPER: Color = (16, 20, 26)
ACCENT: Color = (255, 176, 59)
GOOD: Color = (94, 201, 136)
BAD: Color = (242, 95, 92)

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


def paste(canvas: Image.Image, pixels: NDArray[np.uint8], box: tuple[int, int, int]) -> None:
    """Put a picture onto the canvas, scaled to a square.

    Args:
        canvas: RGB image, changed.
        pixels: (H, W, 3) uint8.
        box: left, top and edge of the square, px.
    """
    left, top, edge = box
    picture = Image.fromarray(pixels).resize((edge, edge), Image.Resampling.BILINEAR)
    canvas.paste(picture, (left, top))


def bar(
    draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], part: float, color: Color
) -> None:
    """Draw a horizontal gauge.

    Args:
        draw: where.
        box: left, top, right, bottom, px.
        part: filled part, 0 to 1.
        color: of the filled part.
    """
    left, top, right, bottom = box
    draw.rectangle(box, fill=(40, 47, 56))
    filled = left + round((right - left) * min(max(part, 0.0), 1.0))
    if filled > left:
        draw.rectangle((left, top, filled, bottom), fill=color)
