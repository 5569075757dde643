"""What the operator sees: maps of the film, a few numbers, and no more."""

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.metrics.incremental import pooled
from microgym.numerics.array_views import copy_plane
from microgym.physics.ferroelectric import add_tip_field

Plane = NDArray[np.float32]
Rows = NDArray[np.int64]

CHANNELS = ("response", "wanted", "fresh", "raised", "lowered")
"""Maps of an observation, in order."""
NUMBERS = (
    "y", "x", "volts", "seconds", "pulses_left", "time_left", "age", "asked", "rising", "falling",
)  # fmt: skip
"""Numbers of an observation, in order."""

FULL_V = 30.0
"""Volts of pulses at one place that fill the maps of what was done (design choice)."""


@kernel
def draw_maps(rows, books, area, out):
    """Pool the operator's books of the listed rows into the maps of the observation.

    Args:
        rows: (k,) int64.
        books: (N, 5, size, size) float32, in the order of `CHANNELS`.
        area: (4,) int64, all of the maps as `pooled` has it: 0, cells, 0, cells.
        out: (N, 5, cells, cells) written, clipped to [-1, 1].
    """
    one = np.float32(1.0)
    cells = out.shape[2]
    block = books.shape[2] // cells
    for k in range(rows.size):
        b = rows[k]
        for channel in range(books.shape[1]):
            pooled(books[b, channel], 0, 0, block, area, out[b, channel])
            for row in range(cells):
                values = out[b, channel, row]
                for cell in range(cells):
                    values[cell] = min(max(values[cell], -one), one)


@kernel
def record_pulses(rows, places, volts, d, books, work):
    """Enter a pulse of each row into the operator's books.

    Args:
        rows: (k,) int64.
        places: (N, 2) float64, as commanded, cells.
        volts: (N,) float64.
        d: height of a sharp tip's charge, cells.
        books: (N, 5, size, size) float32; fresh pulses over 10 V, and all of either sign over
            `FULL_V`, each times the shape of the tip's field, are added.
        work: (size, size) float32.
    """
    for k in range(rows.size):
        b = rows[k]
        work[:] = np.float32(0.0)
        add_tip_field(places[b, 0], places[b, 1], volts[b], d, work)
        side = 3 if volts[b] > 0.0 else 4
        sign = np.float32(1.0) if volts[b] > 0.0 else np.float32(-1.0)
        for i in range(work.shape[0]):
            fresh, past, field = books[b, 2, i], books[b, side, i], work[i]
            for j in range(work.shape[1]):
                fresh[j] += np.float32(0.1) * field[j]
                past[j] += sign * np.float32(1.0 / FULL_V) * field[j]


@kernel
def record_images(rows, image, books):
    """Put the latest image of each row into the operator's books; no pulse is fresh any more."""
    for k in range(rows.size):
        b = rows[k]
        copy_plane(image[b], books[b, 0])
        books[b, 2] = np.float32(0.0)


@kernel
def count_rows(rows, p, barrier, target, counts):
    """Cells of each row: wanted, up and wanted, up and not wanted, destroyed.

    Args:
        rows: (k,) int64.
        p: (N, size, size) float32, polarisation.
        barrier: (N, size, size) float32, below 0 where the film is destroyed.
        target: (N, size, size) uint8.
        counts: (N, 4) int64, written.
    """
    for k in range(rows.size):
        b = rows[k]
        wanted, hit, spilt, lost = 0, 0, 0, 0
        for i in range(p.shape[1]):
            state, hole, mask = p[b, i], barrier[b, i], target[b, i]
            for j in range(p.shape[2]):
                up = 1 if state[j] > np.float32(0.0) else 0
                inside = 1 if mask[j] > 0 else 0
                wanted += inside
                hit += up & inside
                spilt += up & (1 - inside)
                lost += 1 if hole[j] < np.float32(0.0) else 0
        counts[b, 0], counts[b, 1], counts[b, 2], counts[b, 3] = wanted, hit, spilt, lost
