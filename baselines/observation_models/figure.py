"""Grids of labelled images for the pages."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from microgym.envs.core.drawing import INK, PAPER, colored, write
from microgym.state import Float32

_GAP, _LEFT, _TOP = 8, 96, 26
ImageRow = tuple[str, str, Sequence[NDArray[np.uint8]]]


def image_grid(columns: Sequence[str], rows: Sequence[ImageRow], edge: int) -> bytes:
    """Draw images in rows and columns.

    Args:
        columns: heads of the columns.
        rows: of each a label, a second line of it, and its images, (H, W, 3) uint8.
        edge: of an image as drawn, px.

    Returns:
        A PNG file.
    """
    size = (_LEFT + len(columns) * (edge + _GAP), _TOP + len(rows) * (edge + _GAP))
    canvas = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(canvas)
    for column, name in enumerate(columns):
        write(pen, (_LEFT + column * (edge + _GAP), 6), name, 14, INK)
    for line, (label, second, images) in enumerate(rows):
        top = _TOP + line * (edge + _GAP)
        write(pen, (8, top + edge / 2 - (16 if second else 8)), label, 15, INK)
        write(pen, (8, top + edge / 2 + 2), second, 13, INK)
        for column, plane in enumerate(images):
            image = Image.fromarray(plane).resize((edge, edge), Image.Resampling.NEAREST)
            canvas.paste(image, (_LEFT + column * (edge + _GAP), top))
    return png(canvas)


def png(canvas: Image.Image) -> bytes:
    """A picture as a PNG file."""
    file = io.BytesIO()
    canvas.save(file, "PNG", optimize=True)
    return file.getvalue()


def colored_planes(planes: Sequence[Float32], low: float, high: float) -> list[NDArray[np.uint8]]:
    """Planes on one scale from low to high as (H, W, 3) uint8."""
    return [colored(one.astype(np.float32), low, high) for one in planes]
