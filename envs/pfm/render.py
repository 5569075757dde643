"""A frame of the writing: the film, what is right and wrong of it, what is known, what was done."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from microgym.envs.core import drawing, panels
from microgym.instruments.pfm.instrument import SIZE

if TYPE_CHECKING:
    from microgym.envs.pfm.task import PFMTask

_FILM, _CHECK = (panels.LEFT, panels.UPPER), (panels.RIGHT, panels.UPPER)
_IMAGE, _PULSES = (panels.LEFT, panels.LOWER), (panels.RIGHT, panels.LOWER)
_EDGE = panels.EDGE
_MISSING: drawing.Color = (92, 100, 112)
_EMPTY: drawing.Color = (24, 29, 36)
_SHADE = (8, 12, 30)


def draw(task: "PFMTask", row: int) -> NDArray[np.uint8]:
    """Render one microscope.

    Args:
        task: the batch.
        row: which microscope.

    Returns:
        (640, 480, 3) uint8.
    """
    canvas, pen = panels.blank()
    _draw_head(pen, task, row)
    _draw_film(canvas, task, row)
    _draw_check(canvas, task, row)
    _draw_image(canvas, task, row)
    _draw_pulses(canvas, task, row)
    _draw_ledger(pen, task, row)
    return np.asarray(canvas).copy()


def _draw_head(pen: ImageDraw.ImageDraw, task: "PFMTask", row: int) -> None:
    """What is to be done, how far it is, and what it has earned."""
    made = int(task.instrument.ledger.exposures[row])
    aim = "write the outlined pattern" if task.arguments.goal == "write" else "shift the loop"
    if task.instrument.broken[row]:
        text = f"{aim}: the film broke down"
    elif task.terminated[row]:
        text = f"{aim}: over"
    else:
        text = f"{aim}: pulse {made} of {task.arguments.pulses}"
    panels.headline(pen, text, task.returns[row])


def _outline(
    pen: ImageDraw.ImageDraw, mask: NDArray[np.uint8], square: tuple[int, int, int]
) -> None:
    """Draw the border of a mask."""
    left, top, edge = square
    unit = edge / SIZE
    inside = mask > 0
    for i, j in np.argwhere(inside[:, 1:] != inside[:, :-1]):
        x, y = left + unit * (j + 1), top + unit * i
        pen.line((x, y, x, y + unit), fill=drawing.ACCENT, width=2)
    for i, j in np.argwhere(inside[1:] != inside[:-1]):
        x, y = left + unit * j, top + unit * (i + 1)
        pen.line((x, y, x + unit, y), fill=drawing.ACCENT, width=2)


def _draw_film(canvas: Image.Image, task: "PFMTask", row: int) -> None:
    """Polarisation as it is, and where it is to point up."""
    instrument = task.instrument
    pixels = drawing.colored(instrument.p[row], -1.2, 1.2)
    pixels[instrument.barrier[row] < 0.0] = drawing.BAD
    square = panels.panel(canvas, _FILM, "film", pixels, "hidden from the agent")
    pen = ImageDraw.Draw(canvas)
    _outline(pen, task.target[row], square)
    drawing.dashes(pen, square, drawing.DIM)
    left, top, edge = square
    length = 100e-9 / instrument.settings.cell_m * edge / SIZE
    end = left + max(length, 44.0) + 15
    pen.rectangle((left + 5, top + edge - 30, end, top + edge - 5), _SHADE)
    line = (left + 10, top + edge - 10, left + 10 + length, top + edge - 10)
    pen.line(line, fill=drawing.INK, width=3)
    drawing.write(pen, (left + 10, top + edge - 28), "100 nm", 12)
    panels.under(canvas, square, ("polarisation", "down", "up"))


def _draw_check(canvas: Image.Image, task: "PFMTask", row: int) -> None:
    """What is written where it should be, what is missing, what is too much."""
    up, wanted = task.instrument.p[row] > 0.0, task.target[row] > 0
    pixels = np.empty((SIZE, SIZE, 3), np.uint8)
    pixels[:] = _EMPTY
    pixels[wanted] = _MISSING
    pen = ImageDraw.Draw(canvas)
    left, top = _CHECK
    if task.arguments.goal == "write":
        pixels[up & wanted] = drawing.GOOD
        pixels[up & ~wanted] = drawing.BAD
        panels.panel(canvas, _CHECK, "right and wrong", pixels, "hidden")
        drawing.write(pen, (left, top + _EDGE + 3), "written", 12, drawing.GOOD)
        drawing.write(pen, (left + 76, top + _EDGE + 3), "missing", 12, drawing.DIM)
        drawing.write_left_of(pen, (left + _EDGE, top + _EDGE + 3), "too much", 12, drawing.BAD)
        return
    pixels[:] = _EMPTY
    panels.panel(canvas, _CHECK, "hysteresis loop", pixels, "biases of reversal")
    _draw_loop(pen, task, row)


def _draw_loop(pen: ImageDraw.ImageDraw, task: "PFMTask", row: int) -> None:
    """The axis of bias: what is asked for, what is true, what was measured."""
    left, top = _CHECK
    highest = task.instrument.settings.loop_v

    def place(volts: float) -> float:
        return left + _EDGE * (0.5 + 0.46 * min(max(volts / highest, -1.0), 1.0))

    rising, falling = (float(one) for one in task.measured_v[row])
    entries = [
        ("imprint asked for", float(task.asked_v[row]), drawing.ACCENT),
        ("imprint now (hidden)", float(task.imprint_v[row]), drawing.GOOD),
        ("imprint measured", 0.5 * (rising + falling), drawing.SPENT),
    ]
    for number, (name, volts, color) in enumerate(entries):
        y = top + 24 + 64 * number
        known = number != 2 or rising != falling
        drawing.write(pen, (left + 8, y - 16), name, 12, drawing.DIM)
        text = f"{volts:+.2f} V" if known else "not yet"
        drawing.write_left_of(pen, (left + _EDGE - 8, y - 16), text, 12)
        pen.line((left + 8, y + 20, left + _EDGE - 8, y + 20), fill=drawing.FRAME, width=2)
        pen.line((place(0.0), y + 14, place(0.0), y + 26), fill=drawing.FRAME, width=2)
        if known:
            pen.ellipse((place(volts) - 6, y + 14, place(volts) + 6, y + 26), fill=color)
    drawing.write(pen, (left, top + _EDGE + 3), f"-{highest:g} V", 12, drawing.DIM)
    end = (left + _EDGE, top + _EDGE + 3)
    drawing.write_left_of(pen, end, f"+{highest:g} V", 12, drawing.DIM)


def _draw_image(canvas: Image.Image, task: "PFMTask", row: int) -> None:
    """The last image, which is what the agent knows."""
    pixels = drawing.colored(task.known(row), -1.2, 1.2)
    taken = int(task.instrument.images[row])
    note = f"image {taken}" if taken else "no image yet"
    square = panels.panel(canvas, _IMAGE, "last image", pixels, note)
    _outline(ImageDraw.Draw(canvas), task.target[row], square)
    panels.under(canvas, square, ("piezoresponse", "down", "up"))


def _draw_pulses(canvas: Image.Image, task: "PFMTask", row: int) -> None:
    """Where bias was applied, and the last pulse."""
    done = np.clip(task.pulses(row), -1.0, 1.0)[..., None]
    colors = np.where(done > 0.0, np.asarray(drawing.SPENT), np.asarray(drawing.BAD))
    part = np.sqrt(np.abs(done))  # so that one pulse shows beside many
    pixels = ((1.0 - part) * np.asarray(_EMPTY) + part * colors).astype(np.uint8)
    last = task.last_pulse(row)
    note = "" if last is None else f"last {last[2]:+.1f} V" if last[2] else "waited"
    square = panels.panel(canvas, _PULSES, "pulses", pixels, note)
    pen = ImageDraw.Draw(canvas)
    _outline(pen, task.target[row], square)
    left, top, edge = square
    if last is not None and last[2]:
        unit = edge / SIZE
        x, y = left + unit * (last[1] + 0.5), top + unit * (last[0] + 0.5)
        color = drawing.SPENT if last[2] > 0.0 else drawing.BAD
        drawing.ring(pen, (x, y), 8.0, color)
        pen.line((x - 4, y, x + 4, y), fill=color, width=2)
        if last[2] > 0.0:
            pen.line((x, y - 4, x, y + 4), fill=color, width=2)
    drawing.write(pen, (left, top + edge + 3), "up", 12, drawing.SPENT)
    drawing.write_left_of(pen, (left + edge, top + edge + 3), "down", 12, drawing.BAD)


def _draw_ledger(pen: ImageDraw.ImageDraw, task: "PFMTask", row: int) -> None:
    """Figures of merit on the left, accounts on the right, as gauges."""
    figures = task.figures(row)
    panels.gauges(pen, (panels.LEFT, panels.GAUGES), figures[:3])
    panels.gauges(pen, (panels.RIGHT, panels.GAUGES), figures[3:])
