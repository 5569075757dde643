"""A frame: the surface as the microscope sees it, what is wanted, the last drag, what it cost."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from microgym.envs.core import drawing, panels
from microgym.envs.stm.move_task import STMMoveTask
from microgym.envs.stm.tip_task import ACTIONS, MEASURED, SCALES, STMTipTask
from microgym.instruments.stm.state import CRASHED
from microgym.physics import stm_tip
from microgym.specimens.adatom_fields import FIELD_NM

if TYPE_CHECKING:
    from microgym.envs.stm.task import STMTask

_LEFT, _TOP, _EDGE = panels.LEFT, panels.UPPER, 456
_BELOW = _TOP + _EDGE + 24
_SCALE = _EDGE / FIELD_NM
_WANTED: drawing.Color = (94, 201, 136)
_TRACE_TOP = 1.3
"""Current at the upper edge of the trace's panel, over its set value (design choice)."""


def draw(task: "STMTask", row: int) -> NDArray[np.uint8]:
    """Render one microscope.

    Args:
        task: the batch.
        row: which microscope.

    Returns:
        (640, 480, 3) uint8.
    """
    canvas, pen = panels.blank()
    _draw_surface(canvas, task, row)
    goal = task.goal
    if isinstance(goal, STMTipTask):
        _draw_tip(pen, task, goal, row)
    else:
        _draw_assembly(pen, task, goal, row)
    return np.asarray(canvas).copy()


def _point(place: NDArray[np.float64]) -> drawing.Point:
    """Where a place in the scanner's coordinates is on the canvas; y grows upwards."""
    x, y = place
    return _LEFT + (x + 0.5 * FIELD_NM) * _SCALE, _TOP + (0.5 * FIELD_NM - y) * _SCALE


def _draw_surface(canvas: Image.Image, task: "STMTask", row: int) -> None:
    """The last image, line by line as it was taken."""
    instrument = task.instrument
    kept = instrument.state.image[row].copy()
    instrument.draw(np.array([row]))
    heights = instrument.state.image[row].copy()
    instrument.state.image[row] = kept
    low = float(np.percentile(heights, 2.0)) - 0.01
    pixels = drawing.colored(heights[::-1], low, low + 0.16)
    drawing.paste(canvas, (0.8 * pixels).astype(np.uint8), (_LEFT, _TOP, _EDGE))
    pen = ImageDraw.Draw(canvas)
    pen.rectangle((_LEFT, _TOP, _LEFT + _EDGE - 1, _TOP + _EDGE - 1), outline=drawing.FRAME)
    end = _LEFT + 10 + _SCALE
    pen.line((_LEFT + 10, _TOP + _EDGE - 10, end, _TOP + _EDGE - 10), fill=drawing.INK, width=3)
    drawing.write(pen, (_LEFT + 10, _TOP + _EDGE - 28), "1 nm", 12)
    texts = ("height", "0", "0.16 nm")
    drawing.legend(canvas, (_LEFT, _TOP + _EDGE + 3, _EDGE), texts)


def _draw_assembly(pen: ImageDraw.ImageDraw, task: "STMTask", goal: STMMoveTask, row: int) -> None:
    """Targets, adatoms to be moved, those that were disturbed, the last drag and its current."""
    instrument = task.instrument
    distances = goal.distances(np.array([row]))[0]
    placed = goal.potentials(np.array([row]))[1][0]
    text = _headline(task, goal, row, round(placed * goal.movers))
    panels.headline(pen, text, task.returns[row])
    notes = "circles: targets; white: to be moved; red: disturbed; blue: last drag"
    drawing.write(pen, (_LEFT, 31), notes, 13, drawing.DIM)
    shown = 0.5 * (instrument.state.bands[row, 0] + instrument.state.bands[row, -1])
    places = instrument.state.field.places[row] + shown
    for k in range(goal.movers):
        target = _point(instrument.state.field.targets[row, k] + shown)
        drawing.ring(pen, target, 15, _WANTED)
        x, y = _point(places[k])
        near = distances[k] < 0.1
        pen.ellipse((x - 5, y - 5, x + 5, y + 5), fill=_WANTED if near else drawing.INK)
        if not near:
            pen.line((x, y, *target), fill=_WANTED, width=1)
    for atom in range(goal.movers, places.shape[0]):
        if goal.disturbed[row, atom]:
            drawing.ring(pen, _point(places[atom]), 18, drawing.BAD)
    path = goal.path[row]
    if path.any():
        start, end = _point(path[:2]), _point(path[2:])
        pen.line((*start, *end), fill=drawing.ACCENT, width=2)
        pen.ellipse((end[0] - 4, end[1] - 4, end[0] + 4, end[1] + 4), outline=drawing.ACCENT)
    _draw_trace(pen, task, row)
    _draw_gauges(pen, task, row, f"{placed:.0%}", float(placed), "in place")


def _headline(task: "STMTask", goal: STMMoveTask, row: int, placed: int) -> str:
    """How it stands, in words."""
    if task.instrument.state.events[row, CRASHED] > 0.0:
        return "the tip has crashed"
    wish = "move the adatom" if goal.movers == 1 else f"build: {placed} of {goal.movers} in place"
    if not task.terminated[row]:
        return wish
    done = placed == goal.movers
    return "done: all adatoms in place" if done else f"over: {placed} of {goal.movers} in place"


def _draw_trace(pen: ImageDraw.ImageDraw, task: "STMTask", row: int) -> None:
    """Current of the last drag: high while the adatom follows beneath the tip."""
    left, top, width, height = _LEFT, _BELOW + 20, 222, 60
    title = "current of the last drag; low: lost"
    drawing.write(pen, (left, _BELOW + 2), title, 12, drawing.DIM)
    pen.rectangle((left, top, left + width, top + height), outline=drawing.FRAME)
    trace = task.instrument.state.trace[row]
    level = top + height * (1.0 - np.clip(trace, 0.0, _TRACE_TOP) / _TRACE_TOP)
    across = left + width * (np.arange(trace.size) + 0.5) / trace.size
    if trace.any():
        pen.line(list(zip(across.tolist(), level.tolist(), strict=True)), fill=drawing.ACCENT)


def _draw_gauges(
    pen: ImageDraw.ImageDraw, task: "STMTask", row: int, text: str, part: float, name: str
) -> None:
    """A merit and the accounts."""
    ledger, limit = task.instrument.state.ledger, task.limit_s
    seconds, images = float(ledger.time_s[row]), int(ledger.exposures[row])
    charge = float(ledger.dose[row])
    figures = [
        (name, text, part, True),
        ("time", f"{seconds:.0f} of {limit:.0f} s", seconds / limit, False),
        ("images", str(images), images * 20.0 / limit, False),
        ("charge", f"{charge:.0f} nC", charge / 2000.0, False),
    ]
    panels.gauges(pen, (panels.RIGHT, _BELOW + 2), figures, pitch=22)


def _draw_tip(pen: ImageDraw.ImageDraw, task: "STMTask", goal: STMTipTask, row: int) -> None:
    """What was done last, what the image says of the tip, and what is left of the surface."""
    state = stm_tip.STATES[int(task.instrument.state.tip.kind[row])]
    if goal.accepted[row]:
        words = "accepted: the tip is sharp" if state == "sharp" else f"accepted, but it is {state}"
    else:
        words = "make the tip sharp again"
    panels.headline(pen, words, task.returns[row])
    done = int(goal.history[row].sum())
    last = ACTIONS[int(goal.last[row])] if done else "first image"
    truth = f"action {done}: {last}   (hidden: {state})"
    drawing.write(pen, (_LEFT, 31), truth, 13, drawing.DIM)
    for place, (name, value, scale) in enumerate(
        zip(MEASURED, goal.mean[row].tolist(), SCALES, strict=True)
    ):
        y = _BELOW + 2 + place * 22
        drawing.write(pen, (_LEFT, y), f"{name} in the image", 13, drawing.DIM)
        drawing.write_left_of(pen, (_LEFT + 222, y), f"{value:.3f}", 13)
        drawing.bar(pen, (_LEFT, y + 15, _LEFT + 221, y + 18), value / scale, drawing.ACCENT)
    clean = max(float(goal.clean[row]), 0.0)
    text = f"{clean:.0%}, {int(goal.places[row])} fresh places"
    _draw_gauges(pen, task, row, text, clean, "clean surface")
