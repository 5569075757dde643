"""Panels of the frames of the STM environments."""

from typing import Any

import numpy as np
from PIL import ImageDraw

from microgym.envs.core import drawing
from microgym.envs.core.rendering import LEFT, RIGHT, UPPER, Box, Overlay, Panel
from microgym.envs.stm.observation import ACTIONS, SCALES
from microgym.physics.stm_tip import READINGS, STATES
from microgym.specimens.adatom_fields import FIELD_NM
from microgym.state import Float64

_SURFACE = Box(LEFT, UPPER, 456, 456)
_BELOW = UPPER + 456 + 24
GAUGES = ((RIGHT, _BELOW + 2, 22),)
"""Left and upper edge and pitch of the gauges, px."""
_TRACE = Box(LEFT, _BELOW + 22, 222, 60)
_READINGS = Box(LEFT, _BELOW, 222, 90)
_TRACE_TOP = 1.3
"""Current at the upper edge of the trace's panel, over its set value (design choice)."""


def _point(box: Box, place: Float64) -> drawing.Point:
    """Point of a position in scanner coordinates; y grows upwards."""
    return box.point(0.5 * FIELD_NM - place[1], place[0] + 0.5 * FIELD_NM, FIELD_NM, FIELD_NM)


def _surface(task: Any, row: int, note: str, overlay: Overlay | None = None) -> Panel:
    """The last image, with a bar of 1 nm; drawing it leaves the state as it was."""
    instrument, image = task.instrument, task.instrument.state.image
    kept = image[row].copy()
    instrument.draw(np.array([row]))
    heights, image[row] = image[row].copy(), kept
    low = float(np.percentile(heights, 2.0)) - 0.01
    pixels = (0.8 * drawing.colored(heights[::-1], low, low + 0.16)).astype(np.uint8)

    def draw(pen: ImageDraw.ImageDraw, box: Box) -> None:
        drawing.scale_bar(pen, box, 1.0 / FIELD_NM, "1 nm")
        if overlay is not None:
            overlay(pen, box)

    legend = ("height", "0", "0.16 nm")
    return Panel(_SURFACE, "", pixels, note, legend=legend, overlay=draw)


def surface_with_targets(task: Any, row: int) -> Panel:
    """The last image with targets, adatoms to be moved, disturbed adatoms, and the last drag."""
    now, movers = task.instrument.state, task.movers
    shown = 0.5 * (now.bands[row, 0] + now.bands[row, -1])
    places, targets = now.field.places[row] + shown, now.field.targets[row] + shown
    distances = task.distances[row]
    path = task.state.path[row]

    def draw(pen: ImageDraw.ImageDraw, box: Box) -> None:
        for k in range(movers):
            target, (x, y) = _point(box, targets[k]), _point(box, places[k])
            near = distances[k] < 0.1
            drawing.ring(pen, target, 15, drawing.GOOD)
            pen.ellipse((x - 5, y - 5, x + 5, y + 5), fill=drawing.GOOD if near else drawing.INK)
            if not near:
                pen.line((x, y, *target), fill=drawing.GOOD, width=1)
        for atom in movers + np.flatnonzero(task.state.disturbed[row, movers:]):
            drawing.ring(pen, _point(box, places[atom]), 18, drawing.BAD)
        if path.any():
            start, (x, y) = _point(box, path[:2]), _point(box, path[2:])
            pen.line((*start, x, y), fill=drawing.ACCENT, width=2)
            pen.ellipse((x - 4, y - 4, x + 4, y + 4), outline=drawing.ACCENT)

    note = "circles: targets; white: to be moved; red: disturbed; blue: last drag"
    return _surface(task, row, note, draw)


def trace(task: Any, row: int) -> Panel:
    """Current of the last drag: high while the adatom follows beneath the tip."""
    current = task.instrument.state.trace[row]

    def draw(pen: ImageDraw.ImageDraw, box: Box) -> None:
        level = np.clip(_TRACE_TOP - current, 0.0, _TRACE_TOP)
        points = [box.point(y, k + 0.5, _TRACE_TOP, current.size) for k, y in enumerate(level)]
        if current.any():
            pen.line(points, fill=drawing.ACCENT)

    return Panel(_TRACE, note="current of the last drag; low: lost", overlay=draw)


def surface_of_tip(task: Any, row: int) -> Panel:
    """The last image, with the last action and the hidden state of the tip above it."""
    kind = STATES[int(task.instrument.state.tip.kind[row])]
    done = int(task.state.history[row].sum())
    last = ACTIONS[int(task.state.last[row])] if done else "first image"
    return _surface(task, row, f"action {done}: {last}   (hidden: {kind})")


def readings(task: Any, row: int) -> Panel:
    """Means of the readings of the tip."""
    means = task.state.mean[row].tolist()

    def draw(pen: ImageDraw.ImageDraw, box: Box) -> None:
        for k, (name, value, scale) in enumerate(zip(READINGS, means, SCALES, strict=True)):
            y, right = box.top + 2 + k * 22, box.left + box.width
            drawing.write(pen, (box.left + 3, y), f"{name} in the image", 13, drawing.DIM)
            drawing.write(pen, (right - 3, y), f"{value:.3f}", 13, anchor="ra")
            drawing.bar(pen, (box.left, y + 15, right, y + 18), value / scale, drawing.ACCENT)

    return Panel(_READINGS, overlay=draw)
