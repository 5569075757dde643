"""Panels of the frames of MultiProbe-v0."""

from typing import TYPE_CHECKING

import numpy as np
from PIL import ImageDraw

from microgym.envs.core import drawing
from microgym.envs.core.rendering import BOTTOM_LEFT, BOTTOM_RIGHT, Box, Panel
from microgym.envs.ptycho.render import dose as _dose
from microgym.envs.ptycho.render import reconstruction, specimen

if TYPE_CHECKING:
    from microgym.envs.multi_probe.task import MultiProbeTask

__all__ = ["detectors", "dose", "reconstruction", "specimen"]

COLORS = (drawing.ACCENT, drawing.SPENT, drawing.GOOD, (226, 130, 255))
"""Colour of each probe."""


def dose(task: "MultiProbeTask", row: int) -> Panel:
    """Fluence as commanded, the path of each probe, and the clearance around it."""
    panel, team = _dose(task, row), task.team.state

    def overlay(pen: ImageDraw.ImageDraw, box: Box) -> None:
        for probe in range(task.probes):
            color = drawing.BAD if team.lost[row, probe] else COLORS[probe]
            path = team.path[row, probe, : team.taken[row, probe]]
            points = [box.point(y + 1.0, x + 1.0, 2.0, 2.0) for y, x in path.tolist()]
            drawing.trail(pen, points, COLORS[probe])
            for x, y in points:
                pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=COLORS[probe])
            y, x = team.place[row, probe].tolist()
            radius = 0.5 * task.config.clearance_px * box.width / task.region
            drawing.ring(pen, box.point(y + 1.0, x + 1.0, 2.0, 2.0), radius, color)

    return Panel(
        BOTTOM_LEFT, "dose and paths", panel.pixels, "rings: clearance", panel.smooth,
        panel.legend, overlay=overlay,
    )  # fmt: skip


def detectors(task: "MultiProbeTask", row: int) -> Panel:
    """Latest detector readings of all probes side by side, on a logarithmic scale."""
    n, each = task.instrument.n, task.probes
    counts = task.instrument.state.measurement.counts.reshape(-1, each, n, n)[row]
    shown = np.fft.fftshift(counts, axes=(1, 2))
    high = max(float(shown.max()), 10.0)
    tiles = np.zeros((4, n, n), np.float32)
    tiles[:each] = np.log1p(np.maximum(shown, 0.0)) / np.log1p(high)
    grid = tiles.reshape(2, 2, n, n).transpose(0, 2, 1, 3).reshape(2 * n, 2 * n)

    def overlay(pen: ImageDraw.ImageDraw, box: Box) -> None:
        for probe in range(each):
            left = box.left + (probe % 2) * box.width // 2
            top = box.top + (probe // 2) * box.height // 2
            edges = (left + 1, top + 1, left + box.width // 2 - 2, top + box.height // 2 - 2)
            pen.rectangle(edges, outline=COLORS[probe], width=2)

    legend = ("counts (log)", "0", f"{high:.0f}")
    pixels = drawing.colored(grid, 0.0, 1.0)
    return Panel(BOTTOM_RIGHT, "detectors", pixels, smooth=True, legend=legend, overlay=overlay)
