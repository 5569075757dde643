"""A frame of the scan: what is there, what the agent sees, where it went, what it cost."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from microgym.envs import picture

if TYPE_CHECKING:
    from microgym.envs.ptycho.task import PtychoTask

WIDTH, HEIGHT = 480, 560
_EDGE = 220
_BOXES = ((14, 30), (246, 30), (14, 282), (246, 282))


def draw(task: "PtychoTask", row: int) -> NDArray[np.uint8]:
    """Render one microscope.

    Args:
        task: the batch.
        row: which microscope.

    Returns:
        (560, 480, 3) uint8.
    """
    instrument, estimate = task.instrument, task.estimate
    start, region = instrument.n // 2, task.region
    inside = (row, slice(start, start + region), slice(start, start + region))
    truth = np.hypot(instrument.object_re[inside] - 1.0, instrument.object_im[inside])
    seen = np.hypot(estimate.re[inside] - 1.0, estimate.im[inside])
    canvas = Image.new("RGB", (WIDTH, HEIGHT), picture.PAPER)
    pen = ImageDraw.Draw(canvas)
    high = max(float(np.percentile(truth, 99.0)), 0.2)
    panels = (
        ("specimen (hidden)", picture.colored(truth, 0.0, high)),
        ("reconstruction", picture.colored(seen, 0.0, high)),
        ("dose and path", picture.colored(task.dose_map(row), 0.0, 2.5)),
    )
    for (name, pixels), (left, top) in zip(panels, _BOXES, strict=False):
        picture.paste(canvas, pixels, (left, top, _EDGE))
        pen.text((left, top - 20), name, fill=picture.INK, font=picture.font(15))
    _draw_path(pen, task, row)
    _draw_ledger(pen, task, row)
    return np.asarray(canvas).copy()


def _draw_path(pen: ImageDraw.ImageDraw, task: "PtychoTask", row: int) -> None:
    """Positions so far on the dose map, the latest one ringed there and on the reconstruction."""
    taken = int(task.estimate.taken[row])
    if not taken:
        return
    scale = _EDGE / task.region
    spots = task.estimate.corners[row, :taken] * scale
    left, top = _BOXES[2]
    points = [(left + float(x), top + float(y)) for y, x in spots]
    if taken > 1:
        pen.line(points, fill=(150, 170, 190), width=1)
    for x, y in points:
        pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=picture.INK)
    radius = 10 * scale
    for box in (_BOXES[1], _BOXES[2]):
        x, y = box[0] + float(spots[-1, 1]), box[1] + float(spots[-1, 0])
        pen.ellipse(
            (x - radius, y - radius, x + radius, y + radius), outline=picture.ACCENT, width=2
        )


def _draw_ledger(pen: ImageDraw.ImageDraw, task: "PtychoTask", row: int) -> None:
    """Figures of merit and accounts as gauges."""
    figures = task.figures(row)
    left, top = _BOXES[3]
    for place, (name, text, part, good) in enumerate(figures):
        y = top - 12 + place * 40
        color = picture.GOOD if good else picture.ACCENT
        pen.text((left, y), name, fill=picture.DIM, font=picture.font(13))
        width = pen.textlength(text, font=picture.font(15))
        pen.text((left + _EDGE - width, y - 2), text, fill=picture.INK, font=picture.font(15))
        picture.bar(pen, (left, y + 19, left + _EDGE, y + 26), part, color)
    score = f"return {task.returns[row]:+.2f}"
    pen.text((14, HEIGHT - 44), score, fill=picture.INK, font=picture.font(18))
    state = "finished" if task.terminated[row] else "scanning"
    pen.text((14, HEIGHT - 22), state, fill=picture.DIM, font=picture.font(13))
