"""Panels of the frames of MultiProbe-v0."""

from dataclasses import replace
from typing import TYPE_CHECKING

from PIL import ImageDraw

from microgym.envs.core import drawing
from microgym.envs.core.rendering import Box, Panel
from microgym.envs.ptycho import render as ptycho
from microgym.envs.ptycho.render import reconstruction, specimen

if TYPE_CHECKING:
    from microgym.envs.multi_probe.task import MultiProbeTask

__all__ = ["detectors", "dose", "reconstruction", "specimen"]

COLORS = (drawing.ACCENT, drawing.SPENT, drawing.GOOD, (226, 130, 255))
"""Colour of each probe."""


def dose(task: "MultiProbeTask", row: int) -> Panel:
    """Fluence as commanded, the path of each probe, and the clearance around it."""
    team = task.team.state

    def overlay(pen: ImageDraw.ImageDraw, box: Box) -> None:
        points = ptycho.points(task, row, box)
        radius = 0.5 * task.config.clearance_px * box.width / task.region
        for probe, color in enumerate(COLORS[: task.probes]):
            chosen = team.taken_by[row, : len(points)] == probe
            own = [point for point, mine in zip(points, chosen, strict=True) if mine]
            ptycho.path(pen, own, color, color)
            y, x = team.place[row, probe].tolist()
            at = box.point(y + 1.0, x + 1.0, 2.0, 2.0)
            drawing.ring(pen, at, radius, drawing.BAD if team.lost[row, probe] else color)

    panel = ptycho.dose(task, row)
    return replace(panel, title="dose and paths", note="rings: clearance", overlay=overlay)


def detectors(task: "MultiProbeTask", row: int) -> Panel:
    """Latest readings of all probes side by side, each in the frame of its colour."""

    def overlay(pen: ImageDraw.ImageDraw, box: Box) -> None:
        for probe, color in enumerate(COLORS[: task.probes]):
            left = box.left + (probe % 2) * box.width // 2
            top = box.top + (probe // 2) * box.height // 2
            edges = (left + 1, top + 1, left + box.width // 2 - 2, top + box.height // 2 - 2)
            pen.rectangle(edges, outline=color, width=2)

    return replace(ptycho.detector(task, row), title="detectors", note="", overlay=overlay)
