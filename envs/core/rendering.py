"""Frames: a headline, declared panels and gauges, drawn with NumPy and Pillow alone.

A panel is made by a function of task and row and says where it stands, what it shows and what is
drawn over it. Gauges follow from the declared metrics.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from microgym.envs.core import drawing

WIDTH, HEIGHT = 480, 640
"""Of a frame, px."""
EDGE = 222
"""Of a square panel, px."""
LEFT, RIGHT = 12, 246
"""Left edges of the two columns of panels, px."""
UPPER, LOWER = 54, 318
"""Upper edges of the two rows of panels, px."""
GAUGES = ((LEFT, 564, 26), (RIGHT, 564, 26))
"""Left and upper edge and pitch of the two columns of gauges below two rows of panels, px."""


class Box(NamedTuple):
    """A rectangle of the frame, px."""

    left: int
    top: int
    width: int = EDGE
    height: int = EDGE

    def point(self, y: float, x: float, rows: float, columns: float) -> drawing.Point:
        """Place (x, y) on the frame of a place in an image that fills the box."""
        return self.left + self.width * x / columns, self.top + self.height * y / rows


TOP_LEFT, TOP_RIGHT = Box(LEFT, UPPER), Box(RIGHT, UPPER)
BOTTOM_LEFT, BOTTOM_RIGHT = Box(LEFT, LOWER), Box(RIGHT, LOWER)

Overlay = Callable[[ImageDraw.ImageDraw, Box], None]


@dataclass
class Panel:
    """One part of a frame.

    Attributes:
        box: where it stands.
        title, note: above it, at the left and at the right.
        pixels: (H, W, 3) uint8 that fill the box, or None for an empty one.
        smooth: interpolate pixels; otherwise they stay squares.
        legend: name of the quantity, and its values at the dark and the light end; or None.
        below: texts with their colours under the panel, spread from left to right.
        overlay: draws over the pixels.
    """

    box: Box
    title: str = ""
    pixels: NDArray[np.uint8] | None = None
    note: str = ""
    smooth: bool = False
    legend: tuple[str, str, str] | None = None
    below: tuple[tuple[str, drawing.Color], ...] = ()
    overlay: Overlay | None = None

    def draw(self, canvas: Image.Image) -> None:
        """Draw the panel onto a frame."""
        left, top, width, height = self.box
        pen = ImageDraw.Draw(canvas)
        if self.pixels is None:
            pen.rectangle((left, top, left + width - 1, top + height - 1), fill=(10, 13, 18))
        else:
            way = Image.Resampling.BILINEAR if self.smooth else Image.Resampling.NEAREST
            canvas.paste(Image.fromarray(self.pixels).resize((width, height), way), (left, top))
        drawing.write(pen, (left, top - 21), self.title, 15)
        drawing.write(pen, (left + width, top - 18), self.note, 12, drawing.DIM, "ra")
        pen.rectangle((left, top, left + width - 1, top + height - 1), outline=drawing.FRAME)
        if self.overlay is not None:
            # Drawn apart, so that nothing leaves the box.
            whole = canvas.copy()
            self.overlay(ImageDraw.Draw(whole), self.box)
            inside = (left, top, left + width, top + height)
            canvas.paste(whole.crop(inside), (left, top))
        if self.legend is not None:
            drawing.legend(canvas, (left, top + height + 3, width), self.legend)
        for place, (text, color) in enumerate(self.below):
            room = width - pen.textlength(text, font_size=12)
            x = left + room * place / max(len(self.below) - 1, 1)
            drawing.write(pen, (x, top + height + 3), text, 12, color)


def frame(task: Any, row: int) -> NDArray[np.uint8]:
    """Draw one microscope of a task, (640, 480, 3) uint8."""
    canvas = Image.new("RGB", (WIDTH, HEIGHT), drawing.PAPER)
    pen = ImageDraw.Draw(canvas)
    drawing.write(pen, (LEFT, 7), task.headline(row), 17)
    returns = f"return {task.returns[row]:+.2f}"
    drawing.write(pen, (WIDTH - LEFT, 7), returns, 17, anchor="ra")
    for panel in task.PANELS:
        panel(task, row).draw(canvas)
    metrics = [one for one in task.METRICS if one.gauge is not None]
    columns = task.GAUGES
    each = -(-len(metrics) // len(columns))
    values = {"metrics": task.metrics(), "ledger": task.ledger._asdict()}
    for place, one in enumerate(metrics):
        left, top, pitch = columns[place // each]
        top += place % each * pitch
        value = float(values[one.group][one.name][row])
        full = float(task.amount(one.gauge, row))
        color = drawing.GOOD if one.better == "higher" else drawing.SPENT
        drawing.write(pen, (left, top), one.label, 12, drawing.DIM)
        drawing.write(pen, (left + EDGE, top), one.describe(value, full), 12, anchor="ra")
        drawing.bar(pen, (left, top + 16, left + EDGE - 1, top + 19), value / full, color)
    return np.asarray(canvas).copy()
