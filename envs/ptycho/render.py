"""A frame of the scan: what is there, what is known of it, where the beam went, what it cost."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from microgym.envs.core import drawing, panels
from microgym.instruments.ptychography.instrument import PtychographyInstrument
from microgym.physics.probe import diameter

if TYPE_CHECKING:
    from microgym.envs.ptycho.task import PtychoTask

_TRUTH, _IMAGE = (panels.LEFT, panels.UPPER), (panels.RIGHT, panels.UPPER)
_DOSE, _PATTERN = (panels.LEFT, panels.LOWER), (panels.RIGHT, panels.LOWER)
_SHADE = (8, 12, 30)
_BRIGHT_EXPOSURES = 3.0
"""Fluence of the brightest colour, in exposures of one second (design choice)."""


def draw(task: "PtychoTask", row: int) -> NDArray[np.uint8]:
    """Render one microscope.

    Args:
        task: the batch.
        row: which microscope.

    Returns:
        (640, 480, 3) uint8.
    """
    canvas, pen = panels.blank()
    _draw_head(pen, task, row)
    _draw_images(canvas, task, row)
    _draw_dose(canvas, task, row)
    _draw_pattern(canvas, task, row)
    _draw_ledger(pen, task, row)
    return np.asarray(canvas).copy()


def _draw_head(pen: ImageDraw.ImageDraw, task: "PtychoTask", row: int) -> None:
    """How far the scan is, and what it has earned."""
    made, most = int(task.estimate.taken[row]), task.arguments.exposures
    if task.terminated[row]:
        text = f"scan finished after {made} exposures"
    else:
        text = f"exposure {made} of {most}" if made else "before the first exposure"
    panels.headline(pen, text, task.returns[row])


def _draw_images(canvas: Image.Image, task: "PtychoTask", row: int) -> None:
    """Truth and what is made of it, as contrast to vacuum on one scale."""
    instrument = task.instrument
    start, region = instrument.n // 2, task.region
    inside = (row, slice(start, start + region), slice(start, start + region))
    sample = instrument.sample
    truth = np.hypot(sample.object_re[inside] - 1.0, sample.object_im[inside])
    real, imag = task.image(row)
    seen = np.hypot(real[inside] - 1.0, imag[inside])
    high = max(float(np.percentile(truth, 99.0)), 0.2)
    pixels = drawing.colored(truth, 0.0, high)
    destroyed = sample.structure[inside] * (sample.fluence[inside] >= instrument.fatal_fluence)
    pixels[destroyed > 0] = drawing.BAD
    square = panels.panel(canvas, _TRUTH, "specimen", pixels, "hidden from the agent", smooth=True)
    drawing.dashes(ImageDraw.Draw(canvas), square, drawing.DIM)
    if isinstance(instrument, PtychographyInstrument):
        _draw_scale(ImageDraw.Draw(canvas), square, region, instrument)
    note = _seen_by_agent(task, row)
    pixels = drawing.colored(seen, 0.0, high)
    square = panels.panel(canvas, _IMAGE, "reconstruction", pixels, note, smooth=True)
    if not task.terminated[row]:
        _ring_latest(canvas, task, row, square)
    texts = ("contrast to vacuum", "0", f"{high:.1f}")
    for left, top in (_TRUTH, _IMAGE):
        panels.under(canvas, (left, top, panels.EDGE), texts)
    if destroyed.any():
        pen = ImageDraw.Draw(canvas)
        drawing.write(pen, (_TRUTH[0] + 8, _TRUTH[1] + 6), "destroyed", 12, drawing.BAD)


def _seen_by_agent(task: "PtychoTask", row: int) -> str:
    """What the agent gets of the reconstruction."""
    if task.terminated[row]:
        return "final"
    if task.arguments.reconstructor == "raw" or task.arguments.observation == "features":
        return "not for the agent"
    how = "restored, " if task.arguments.reconstructor == "neural" else ""
    return f"agent: {how}{task.cells} x {task.cells} cells"


def _draw_scale(
    pen: ImageDraw.ImageDraw,
    square: tuple[int, int, int],
    region: int,
    instrument: PtychographyInstrument,
) -> None:
    """A bar of about a fifth of the region, of a round length."""
    left, top, edge = square
    pixel_nm = 1e9 * instrument.settings.geometry.object_pixel_m
    fifth = 0.2 * region * pixel_nm
    unit = 10.0 ** np.floor(np.log10(fifth))
    length = float(max(m * unit for m in (1.0, 2.0, 5.0) if m * unit <= fifth))
    end = left + 10 + edge * length / (region * pixel_nm)
    pen.rectangle((left + 5, top + edge - 30, max(end, left + 54) + 5, top + edge - 5), _SHADE)
    pen.line((left + 10, top + edge - 10, end, top + edge - 10), fill=drawing.INK, width=3)
    drawing.write(pen, (left + 10, top + edge - 28), f"{length:g} nm", 12)


def _draw_dose(canvas: Image.Image, task: "PtychoTask", row: int) -> None:
    """Fluence as commanded, positions so far, and the way between them."""
    pixels = drawing.colored(task.dose_map(row), 0.0, _BRIGHT_EXPOSURES)
    square = panels.panel(canvas, _DOSE, "dose and path", pixels, "", smooth=True)
    pen = ImageDraw.Draw(canvas)
    points = _points(task, row, square)
    drawing.trail(pen, points, drawing.ACCENT)
    for x, y in points:
        pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=drawing.INK)
    _ring_latest(canvas, task, row, square)
    panels.under(canvas, square, ("fluence in exposures", "0", f"{_BRIGHT_EXPOSURES:.0f}"))


def _draw_pattern(canvas: Image.Image, task: "PtychoTask", row: int) -> None:
    """The latest detector reading, zero frequency in the middle, on a logarithmic scale."""
    instrument, n = task.instrument, task.instrument.n
    counts = np.fft.fftshift(instrument.state.measurement.counts[row].reshape(n, n))
    high = max(float(counts.max()), 10.0)
    shown = np.log1p(np.maximum(counts, 0.0)) / np.log1p(high)
    note = "latest exposure" if task.estimate.taken[row] else ""
    pixels = drawing.colored(shown.astype(np.float32), 0.0, 1.0)
    square = panels.panel(canvas, _PATTERN, "detector", pixels, note, smooth=True)
    panels.under(canvas, square, ("counts (log)", "0", f"{high:.0f}"))


def _points(
    task: "PtychoTask", row: int, square: tuple[int, int, int]
) -> list[tuple[float, float]]:
    """Commanded positions so far as (x, y) on a panel."""
    left, top, edge = square
    scale = edge / task.region
    spots = task.estimate.corners[row, : int(task.estimate.taken[row])]
    return [(left + scale * float(x), top + scale * float(y)) for y, x in spots]


def _ring_latest(
    canvas: Image.Image, task: "PtychoTask", row: int, square: tuple[int, int, int]
) -> None:
    """A ring of the probe's width around the latest position."""
    left, top, edge = square
    points = _points(task, row, (0, 0, edge))
    if points:
        width = diameter(task.instrument.known_probe)
        panel = canvas.crop((left, top, left + edge, top + edge))
        radius = 0.5 * width * edge / task.region
        drawing.ring(ImageDraw.Draw(panel), points[-1], radius, drawing.ACCENT)
        canvas.paste(panel, (left, top))


def _draw_ledger(pen: ImageDraw.ImageDraw, task: "PtychoTask", row: int) -> None:
    """Figures of merit on the left, accounts on the right, as gauges."""
    figures = task.figures(row)
    merits = [one for one in figures if one[3]]
    expenses = [one for one in figures if not one[3]]
    panels.gauges(pen, (panels.LEFT, panels.GAUGES), merits + expenses[3:])
    panels.gauges(pen, (panels.RIGHT, panels.GAUGES), expenses[:3])
