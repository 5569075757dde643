"""Panels of the frames of PFM-v0 and PFMLoop-v0."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

from microgym.envs.core import drawing
from microgym.envs.core.rendering import BOTTOM_LEFT, BOTTOM_RIGHT, TOP_LEFT, TOP_RIGHT, Box, Panel
from microgym.instruments.pfm.state import SIZE

if TYPE_CHECKING:
    from microgym.envs.pfm.task import PFMTask

_MISSING: drawing.Color = (92, 100, 112)
_EMPTY: drawing.Color = (24, 29, 36)


def _outline(mask: NDArray[np.uint8], pen: ImageDraw.ImageDraw, box: Box) -> None:
    """Draw the border of a mask."""
    for axis, begin in enumerate(((1, 0), (0, 1))):
        for cell in np.argwhere(np.diff(mask, axis=axis)):
            ends = [box.point(y, x, SIZE, SIZE) for y, x in (cell + begin, cell + 1)]
            pen.line(ends, fill=drawing.ACCENT, width=2)


def film(task: "PFMTask", row: int) -> Panel:
    """Polarisation of the film, and where it is to point up."""
    state = task.instrument.state
    pixels = drawing.colored(state.p[row], -1.2, 1.2)
    pixels[state.barrier[row] < 0.0] = drawing.BAD
    length = 100e-9 / task.instrument.settings.cell_m / SIZE

    def overlay(pen: ImageDraw.ImageDraw, box: Box) -> None:
        _outline(task.state.target[row], pen, box)
        drawing.dashes(pen, (box.left, box.top, box.width), drawing.DIM)
        drawing.scale_bar(pen, box, length, "100 nm")

    legend = ("polarisation", "down", "up")
    return Panel(TOP_LEFT, "film", pixels, "hidden from the agent", False, legend, overlay=overlay)


def check(task: "PFMTask", row: int) -> Panel:
    """Cells that are written as wanted, missing, and too many."""
    up, wanted = task.instrument.state.p[row] > 0.0, task.state.target[row] > 0
    pixels = np.full((SIZE, SIZE, 3), _EMPTY, np.uint8)
    pixels[wanted] = _MISSING
    pixels[up & wanted] = drawing.GOOD
    pixels[up & ~wanted] = drawing.BAD
    below = (("written", drawing.GOOD), ("missing", drawing.DIM), ("too much", drawing.BAD))
    return Panel(TOP_RIGHT, "right and wrong", pixels, "hidden", below=below)


def loop(task: "PFMTask", row: int) -> Panel:
    """Imprints, as gauges over the range of bias: wanted, true, measured."""
    state, highest = task.state, task.instrument.settings.loop_v
    measured = state.measured_v[row]
    entries = (
        ("imprint asked for", state.asked_v[row], drawing.ACCENT),
        ("imprint now (hidden)", state.imprint_v[row], drawing.GOOD),
        ("imprint measured", measured.mean() if measured.any() else None, drawing.SPENT),
    )

    def overlay(pen: ImageDraw.ImageDraw, box: Box) -> None:
        left, right = box.left + 8, box.left + box.width - 8
        for number, (name, volts, color) in enumerate(entries):
            y = box.top + 24 + 64 * number
            drawing.write(pen, (left, y - 16), name, 12, drawing.DIM)
            text = "not yet" if volts is None else f"{volts:+.2f} V"
            drawing.write(pen, (right, y - 16), text, 12, anchor="ra")
            part = 0.0 if volts is None else 0.5 + 0.5 * volts / highest
            drawing.bar(pen, (left, y + 16, right, y + 22), part, color)

    ends = tuple((f"{end:+g} V", drawing.DIM) for end in (-highest, highest))
    note = "biases of reversal"
    return Panel(TOP_RIGHT, "hysteresis loop", None, note, below=ends, overlay=overlay)


def image(task: "PFMTask", row: int) -> Panel:
    """Last image, as the agent has it."""
    pixels = drawing.colored(task.state.maps[row, 0], -1.2, 1.2)
    taken = int(task.instrument.state.images[row])
    note = f"image {taken}" if taken else "no image yet"
    legend, outline = ("piezoresponse", "down", "up"), partial(_outline, task.state.target[row])
    return Panel(BOTTOM_LEFT, "last image", pixels, note, False, legend, overlay=outline)


def pulses(task: "PFMTask", row: int) -> Panel:
    """Bias applied so far, and the last pulse."""
    maps = task.state.maps[row]
    done = np.clip(maps[3] - maps[4], -1.0, 1.0)[..., None]
    colors = np.where(done > 0.0, np.asarray(drawing.SPENT), np.asarray(drawing.BAD))
    part = np.sqrt(np.abs(done))  # so that one pulse shows beside many
    pixels = ((1.0 - part) * np.asarray(_EMPTY) + part * colors).astype(np.uint8)
    made = bool(task.instrument.state.ledger.exposures[row])
    (y, x), volts = task.state.place[row].tolist(), float(task.state.bias[row])

    def overlay(pen: ImageDraw.ImageDraw, box: Box) -> None:
        _outline(task.state.target[row], pen, box)
        if made and volts:
            at = box.point(y + 0.5, x + 0.5, SIZE, SIZE)
            color = drawing.SPENT if volts > 0.0 else drawing.BAD
            drawing.ring(pen, at, 8.0, color)
            drawing.write(pen, at, "+" if volts > 0.0 else "-", 16, color, anchor="mm")

    note = "" if not made else f"last {volts:+.1f} V" if volts else "waited"
    below = (("up", drawing.SPENT), ("down", drawing.BAD))
    return Panel(BOTTOM_RIGHT, "pulses", pixels, note, below=below, overlay=overlay)
