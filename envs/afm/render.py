"""A frame of the scan: the surface, the image so far, the last line, the tip, and what it cost."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from microgym.envs.core import drawing, panels
from microgym.instruments.afm.settings import MARGIN_PX
from microgym.physics.afm_tip import REACH

if TYPE_CHECKING:
    from microgym.envs.afm.task import AFMTask

_EDGE, _LEFT = panels.EDGE, panels.LEFT
_LINE, _LINE_HEIGHT = 322, 150
_TIP, _GAUGES = 500, 500
_TIP_HEIGHT = 120
_SURFACE: drawing.Color = (96, 108, 122)
_RETRACE: drawing.Color = (255, 176, 59)
_RESTORED: drawing.Color = (226, 130, 255)


def draw(task: "AFMTask", row: int) -> NDArray[np.uint8]:
    """Render one microscope.

    Args:
        task: the batch.
        row: which microscope.

    Returns:
        (640, 480, 3) uint8.
    """
    canvas, pen = panels.blank()
    _draw_head(pen, task, row)
    _draw_maps(canvas, task, row)
    _draw_line(pen, task, row)
    _draw_tip(pen, task, row)
    _draw_ledger(pen, task, row)
    return np.asarray(canvas).copy()


def _draw_head(pen: ImageDraw.ImageDraw, task: "AFMTask", row: int) -> None:
    """How far the scan is, what has just happened, and what it has earned."""
    instrument = task.instrument
    done, lines = int(instrument.state.ledger.exposures[row]), task.arguments.lines
    events = ("", "  approached again", "  tip withdrawn", "  NEW TIP")
    if task.terminated[row]:
        text = "image finished" if done >= lines else f"ended at line {done}"
    else:
        text = f"line {done} of {lines}" + events[int(task.event[row])]
    panels.headline(pen, text, task.returns[row])
    if instrument.state.line.crashes[row] > 0 and task.event[row] == 0:
        drawing.write(pen, (_LEFT + 190, 7), "TIP CRASHED", 17, drawing.BAD)


def _draw_maps(canvas: Image.Image, task: "AFMTask", row: int) -> None:
    """The surface, and what has been made of it, on one scale."""
    instrument = task.instrument
    inside = slice(MARGIN_PX, MARGIN_PX + instrument.settings.pixels)
    truth = instrument.state.surface.height[row, inside, inside]
    low, high = np.percentile(truth, (1.0, 99.5))
    span = max(float(high - low), 1.0)
    done, lines = int(instrument.state.ledger.exposures[row]), task.arguments.lines
    image = np.full((lines, truth.shape[1]), np.nan, np.float32)
    # Each line's own offset is unknown; the pictures share that of the ideal line.
    means = task.ideal[row, :done].mean(axis=1, keepdims=True)
    image[:done] = task.image[row, :done] + means
    pixels = drawing.colored(np.nan_to_num(image, nan=float(low)), float(low), float(low) + span)
    pixels[done:] = (24, 29, 36)
    shown = drawing.colored(truth, float(low), float(low) + span)
    for left, title, note, seen in (
        (_LEFT, "surface", "hidden from the agent", shown),
        (panels.RIGHT, "image so far", "goal: as the surface", pixels),
    ):
        smooth = left == _LEFT
        square = panels.panel(canvas, (left, panels.UPPER), title, seen, note, smooth)
        y = panels.UPPER + _EDGE * min(done, lines) / lines
        if not task.terminated[row]:
            pen = ImageDraw.Draw(canvas)
            pen.line((left, y, left + _EDGE - 1, y), fill=drawing.ACCENT, width=2)
        panels.under(canvas, square, ("height", "0", f"{span:.0f} nm"))


def _draw_line(pen: ImageDraw.ImageDraw, task: "AFMTask", row: int) -> None:
    """The last line: surface, trace, retrace, what was restored; where force was too much."""
    instrument, done = task.instrument, int(task.instrument.state.ledger.exposures[row])
    right = panels.WIDTH - _LEFT
    box = (_LEFT, _LINE, right - 1, _LINE + _LINE_HEIGHT - 1)
    pen.rectangle(box, fill=(10, 13, 18), outline=drawing.FRAME)
    drawing.write(pen, (_LEFT, _LINE - 20), "last line", 14)
    dials = task.dials(row)
    drawing.write_left_of(pen, (right, _LINE - 18), dials, 12, drawing.DIM)
    if done == 0:
        return
    line = instrument.state.line
    truth = line.truth[row] - line.truth[row].mean()
    trace = line.trace[row] - line.trace[row].mean()
    retrace = line.retrace[row] - line.retrace[row].mean()
    low, high = float(truth.min()), float(truth.max())
    span = max(high - low, 4.0) * 1.3
    middle = 0.5 * (low + high)

    def points(heights: NDArray[np.float32]) -> list[tuple[float, float]]:
        x = _LEFT + np.arange(heights.size) * ((right - _LEFT - 1) / (heights.size - 1))
        y = _LINE + _LINE_HEIGHT * (0.5 - (heights - middle) / span)
        y = np.clip(y, _LINE + 1, _LINE + _LINE_HEIGHT - 2)
        return list(zip(x.tolist(), y.tolist(), strict=True))

    bottom = _LINE + _LINE_HEIGHT - 2
    pen.polygon([(_LEFT, bottom), *points(truth), (right - 2, bottom)], fill=(44, 51, 60))
    hard = instrument.state.line.force[row] > 2.0 * instrument.settings.soft_limit_nn
    for (x, _), hit in zip(points(truth), hard, strict=True):
        if hit:
            pen.line((x, bottom - 6, x, bottom), fill=drawing.BAD, width=2)
    pen.line(points(retrace), fill=_RETRACE, width=1)
    pen.line(points(trace), fill=drawing.ACCENT, width=2)
    named = [("surface", _SURFACE), ("trace", drawing.ACCENT), ("retrace", _RETRACE)]
    if task.restoration is not None:
        pen.line(points(task.restoration.image[row, done - 1]), fill=_RESTORED, width=2)
        named.append(("restored", _RESTORED))
    for place, (name, color) in enumerate([*named, ("too much force", drawing.BAD)]):
        drawing.write(pen, (_LEFT + 6 + 72 * place, _LINE + 3), name, 11, color)


def _draw_tip(pen: ImageDraw.ImageDraw, task: "AFMTask", row: int) -> None:
    """The tip as it is, over the outline of a new one."""
    instrument = task.instrument
    left, right = _LEFT, _LEFT + _EDGE - 1
    box = (left, _TIP, right, _TIP + _TIP_HEIGHT)
    pen.rectangle(box, fill=(10, 13, 18), outline=drawing.FRAME)
    drawing.write(pen, (left + 6, _TIP + 3), "tip (hidden)", 12, drawing.DIM)
    scale = (right - left) / (2 * REACH)
    up = scale / instrument.settings.pixel_nm
    for window, color, fill in (
        (instrument.state.tip.window[row].min(axis=0), drawing.INK, (70, 78, 90)),
        (instrument.parameters.new_window.min(axis=0), drawing.GOOD, None),
    ):
        x = left + scale * np.arange(2 * REACH + 1)
        y = np.maximum(_TIP + _TIP_HEIGHT - 8 - up * window, _TIP + 18)
        shape = list(zip(x.tolist(), y.tolist(), strict=True))
        if fill is not None:
            pen.polygon([(left + 1, _TIP + 18), *shape, (right - 1, _TIP + 18)], fill=fill)
        pen.line(shape, fill=color, width=1)
    drawing.write_left_of(pen, (right - 6, _TIP + 3), "green: new", 12, drawing.GOOD)


def _draw_ledger(pen: ImageDraw.ImageDraw, task: "AFMTask", row: int) -> None:
    """Figures of merit and accounts, as gauges."""
    panels.gauges(pen, (panels.RIGHT, _GAUGES), task.figures(row), pitch=21)
