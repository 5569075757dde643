"""Panels of the frames of AFM-v0."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

from microgym.envs.core import drawing
from microgym.envs.core.rendering import EDGE, LEFT, RIGHT, TOP_LEFT, TOP_RIGHT, WIDTH, Box, Panel
from microgym.instruments.afm.settings import MARGIN_PX
from microgym.physics.afm_tip import Tip, TipShape, window_of

if TYPE_CHECKING:
    from microgym.envs.afm.task import AFMTask

GAUGES = ((RIGHT, 500, 21),)
"""Left and upper edge and pitch of the gauges, beside the tip, px."""
_LINE = Box(LEFT, 322, WIDTH - 2 * LEFT, 150)
_TIP = Box(LEFT, 500, EDGE, 120)
_TIP_NM, _TIP_PX = 80.0, 20
"""Half width of the outline of the tip, nm, and points of it."""
_EMPTY: drawing.Color = (24, 29, 36)
_GROUND: drawing.Color = (44, 51, 60)
_SURFACE: drawing.Color = (96, 108, 122)
_TIP_FILL: drawing.Color = (70, 78, 90)
_RESTORED: drawing.Color = (226, 130, 255)


def _heights(task: "AFMTask", row: int, scanned: bool) -> Panel:
    """Heights within the frame, with a mark at the next line.

    Args:
        task: the task.
        row: which microscope.
        scanned: show the scanned lines, each with the ideal offset, since its own is unknown;
            otherwise the surface. Both are on one scale.
    """
    inside = slice(MARGIN_PX, MARGIN_PX + task.instrument.settings.pixels)
    heights = task.instrument.state.surface.height[row, inside, inside]
    low, high = (float(end) for end in np.percentile(heights, (1.0, 99.5)))
    high = max(high, low + 1.0)
    done = int(task.ledger.exposures[row])
    pixels = drawing.colored(heights, low, high)
    if scanned:
        image, ideal = task.state.image[row], task.state.ideal[row]
        pixels = np.full((*image.shape, 3), _EMPTY, np.uint8)
        offsets = ideal[:done].mean(axis=1, keepdims=True)
        pixels[:done] = drawing.colored(image[:done] + offsets, low, high)

    def overlay(pen: ImageDraw.ImageDraw, box: Box) -> None:
        y = box.point(done, 0.0, task.config.lines, 1.0)[1]
        if not task.terminated[row]:
            pen.line((box.left, y, box.left + box.width - 1, y), fill=drawing.ACCENT, width=2)

    legend = ("height", "0", f"{high - low:.0f} nm")
    place = (TOP_RIGHT, "image so far") if scanned else (TOP_LEFT, "surface")
    note = "goal: as the surface" if scanned else "hidden from the agent"
    return Panel(*place, pixels, note, not scanned, legend, overlay=overlay)


surface, image = (partial(_heights, scanned=scanned) for scanned in (False, True))


def line(task: "AFMTask", row: int) -> Panel:
    """The last line: surface, trace, retrace, restored heights, and marks at large forces."""
    held = task.instrument.state.line
    done = int(task.instrument.state.ledger.exposures[row])
    setpoint, gain, proportional, rate = task.state.dials[row]
    unit = f"{setpoint:.2f}" if task.config.imaging == "amplitude" else f"{setpoint:.1f} nN"
    also = f"  P {proportional:.2f}" if proportional > 0.0 else ""
    settings = f"setpoint {unit}  I {gain:.0f}/s{also}  {rate:.1f} lines/s"
    truth = held.truth[row] - held.truth[row].mean()
    curves = [
        ("retrace", held.retrace[row] - held.retrace[row].mean(), drawing.SPENT, 1),
        ("trace", held.trace[row] - held.trace[row].mean(), drawing.ACCENT, 2),
    ]
    if task.topography is not None:
        curves.append(("restored", task.state.restored[row, done - 1], _RESTORED, 2))
    low, high = float(truth.min()), float(truth.max())
    span, middle = max(high - low, 4.0) * 1.3, 0.5 * (low + high)
    hard = held.force[row] > 2.0 * task.instrument.settings.soft_limit_nn

    def overlay(pen: ImageDraw.ImageDraw, box: Box) -> None:
        left, right, bottom = box.left, box.left + box.width, box.top + box.height - 2

        def points(heights: NDArray[np.float32]) -> list[drawing.Point]:
            x = left + np.arange(heights.size) * ((box.width - 1) / (heights.size - 1))
            y = box.top + box.height * (0.5 - (heights - middle) / span)
            y = np.clip(y, box.top + 1, bottom)
            return list(zip(x.tolist(), y.tolist(), strict=True))

        pen.polygon([(left, bottom), *points(truth), (right - 2, bottom)], fill=_GROUND)
        for (x, _), hit in zip(points(truth), hard, strict=True):
            if hit:
                pen.line((x, bottom - 6, x, bottom), fill=drawing.BAD, width=2)
        for _, heights, color, width in curves:
            pen.line(points(heights), fill=color, width=width)
        named = [("surface", _SURFACE), *((name, color) for name, _, color, _ in curves)]
        for place, (name, color) in enumerate([*named, ("too much force", drawing.BAD)]):
            drawing.write(pen, (left + 6 + 72 * place, box.top + 3), name, 11, color)

    return Panel(_LINE, "last line", None, settings, overlay=overlay if done else None)


def tip(task: "AFMTask", row: int) -> Panel:
    """Outlines of the tip and of a new one."""
    instrument = task.instrument
    pixel_nm = _TIP_NM / _TIP_PX
    mounted, new = instrument.state.tip, instrument.parameters.new_tip
    numbers = (float(getattr(mounted, name)[row]) for name in TipShape._fields)
    outlines = (
        (window_of(Tip(*numbers), pixel_nm, _TIP_PX).min(axis=0), drawing.INK, _TIP_FILL),
        (window_of(Tip(*new), pixel_nm, _TIP_PX).min(axis=0), drawing.GOOD, None),
    )

    def overlay(pen: ImageDraw.ImageDraw, box: Box) -> None:
        left, right, top = box.left, box.left + box.width - 1, box.top + 18
        scale = (right - left) / (2 * _TIP_PX)
        up = scale / pixel_nm
        for window, color, fill in outlines:
            x = left + scale * np.arange(2 * _TIP_PX + 1)
            y = np.maximum(box.top + box.height - 8 - up * window, top)
            shape = list(zip(x.tolist(), y.tolist(), strict=True))
            if fill is not None:
                pen.polygon([(left + 1, top), *shape, (right - 1, top)], fill=fill)
            pen.line(shape, fill=color, width=1)
        drawing.write(pen, (left + 6, box.top + 3), "tip (hidden)", 12, drawing.DIM)
        drawing.write(pen, (right - 6, box.top + 3), "green: new", 12, drawing.GOOD, "ra")

    return Panel(_TIP, overlay=overlay)
