"""Panels of the frames of Ptycho-v0."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

from microgym.envs.core import drawing
from microgym.envs.core.rendering import BOTTOM_LEFT, BOTTOM_RIGHT, TOP_LEFT, TOP_RIGHT, Box, Panel
from microgym.physics.probe import diameter

if TYPE_CHECKING:
    from microgym.envs.ptycho.task import PtychoTask

_BRIGHT_EXPOSURES = 1.0
"""Fluence of the brightest colour, in exposures of one second (design choice)."""


def _inside(task: "PtychoTask", row: int) -> tuple[int, slice, slice]:
    """Index of one row's region in planes of the field."""
    inside = slice(task.start, task.start + task.region)
    return row, inside, inside


def _contrast(
    task: "PtychoTask", row: int, re: NDArray[np.float32], im: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], tuple[str, str, str]]:
    """Contrast to vacuum, |O - 1|, in colours up to that of the specimen, and their legend."""
    sample, inside = task.sample, _inside(task, row)
    truth = np.hypot(sample.object_re[inside] - 1.0, sample.object_im[inside])
    high = max(float(np.percentile(truth, 99.0)), 0.2)
    pixels = drawing.colored(np.hypot(re[inside] - 1.0, im[inside]), 0.0, high)
    return pixels, ("contrast to vacuum", "0", f"{high:.1f}")


def specimen(task: "PtychoTask", row: int) -> Panel:
    """Contrast of the specimen as it is now, and its destroyed pixels."""
    pixels, legend = _contrast(task, row, task.sample.object_re, task.sample.object_im)
    destroyed = task.state.progress.status[_inside(task, row)] == 2
    pixels[destroyed] = drawing.BAD
    metres = task.instrument.pixel_m * task.region

    def overlay(pen: ImageDraw.ImageDraw, box: Box) -> None:
        drawing.dashes(pen, (box.left, box.top, box.width), drawing.DIM)
        if metres:
            # A bar of about a fifth of the region, of a round length.
            unit = 10.0 ** np.floor(np.log10(0.2e9 * metres))
            length = max(m * unit for m in (1.0, 2.0, 5.0) if m * unit <= 0.2e9 * metres)
            drawing.scale_bar(pen, box, 1e-9 * length / metres, f"{length:g} nm")
        if destroyed.any():
            drawing.write(pen, (box.left + 8, box.top + 6), "destroyed", 12, drawing.BAD)

    note = "hidden from the agent"
    return Panel(TOP_LEFT, "specimen", pixels, note, True, legend, overlay=overlay)


def reconstruction(task: "PtychoTask", row: int) -> Panel:
    """Contrast of the reconstruction, or of the network's restoration of it."""
    image, final = task.scan.running, bool(task.terminated[row])
    if task.config.reconstructor == "neural" and not final:
        image = task.scan.model.estimate(np.array([row]), image)
    pixels, legend = _contrast(task, row, image.re, image.im)
    if final:
        note = "final"
    elif task.config.reconstructor == "raw" or task.config.observation == "features":
        note = "not for the agent"
    else:
        how = "restored, " if task.config.reconstructor == "neural" else ""
        note = f"agent: {how}{task.scan.cells} x {task.scan.cells} cells"
    ring = None if final else lambda pen, box: _ring(task, row, pen, box)
    return Panel(TOP_RIGHT, "reconstruction", pixels, note, True, legend, overlay=ring)


def dose(task: "PtychoTask", row: int) -> Panel:
    """Fluence by commanded positions, the positions so far, and the path between them."""
    exposures = task.scan.running.fluence[_inside(task, row)] / task.scan.unit

    def overlay(pen: ImageDraw.ImageDraw, box: Box) -> None:
        path(pen, points(task, row, box), drawing.ACCENT, drawing.INK)
        _ring(task, row, pen, box)

    pixels = drawing.colored(exposures, 0.0, _BRIGHT_EXPOSURES)
    legend = ("fluence in exposures", "0", f"{_BRIGHT_EXPOSURES:.0f}")
    return Panel(BOTTOM_LEFT, "dose and path", pixels, "", True, legend, overlay=overlay)


def detector(task: "PtychoTask", row: int) -> Panel:
    """Latest readings in tiles, zero frequency in the middle, on a logarithmic scale."""
    n, probes = task.instrument.n, task.probes
    counts = task.instrument.state.measurement.counts.reshape(-1, probes, n, n)[row]
    high = max(float(counts.max()), 10.0)
    edge = 1 if probes == 1 else 2
    tiles = np.zeros((edge * edge, n, n), np.float32)
    shown = np.log1p(np.maximum(counts, 0.0)) / np.log1p(high)
    tiles[:probes] = np.fft.fftshift(shown, axes=(1, 2))
    grid = tiles.reshape(edge, edge, n, n).swapaxes(1, 2).reshape(edge * n, edge * n)
    pixels, legend = drawing.colored(grid, 0.0, 1.0), ("counts (log)", "0", f"{high:.0f}")
    note = "latest exposure" if task.scan.estimate.state.taken[row] else ""
    return Panel(BOTTOM_RIGHT, "detector", pixels, note, True, legend)


def points(task: "PtychoTask", row: int, box: Box) -> list[drawing.Point]:
    """Commanded positions so far, px of the frame."""
    corners = task.scan.estimate.state.corners[row, : int(task.scan.estimate.state.taken[row])]
    return [box.point(float(y), float(x), task.region, task.region) for y, x in corners]


def path(
    pen: ImageDraw.ImageDraw, at: list[drawing.Point], line: drawing.Color, dot: drawing.Color
) -> None:
    """Draw positions in one colour and the way between them in another."""
    drawing.trail(pen, at, line)
    for x, y in at:
        pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=dot)


def _ring(task: "PtychoTask", row: int, pen: ImageDraw.ImageDraw, box: Box) -> None:
    """Draw a ring of the probe's width around the latest position."""
    at = points(task, row, box)
    if at:
        radius = 0.5 * diameter(task.instrument.known_probe) * box.width / task.region
        drawing.ring(pen, at[-1], radius, drawing.ACCENT)
