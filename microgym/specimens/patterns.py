"""Domain patterns to be written: masks of simple figures, 1 where the film is to be switched.

Figures stay clear of the border, and are a few widths of a domain wall wide. Lengths are in cells
of a film of 64 x 64 and grow with it; all numbers are design choices.
"""

from typing import Final

import numpy as np

from microgym.jit import kernel
from microgym.numerics.libm import sincos64
from microgym.random import WORLD, draw_uniform, stream
from microgym.random.streams import PFMWorld
from microgym.state import Uint8, Uint32

HELD_OUT: Final = ("frames",)
"""Families that are never shown in training."""

MARGIN: Final = 9.0
"""Distance that figures keep from the border."""

_PATTERN = np.int64(PFMWorld.PATTERN)
_ZERO = np.int64(0)
_MOST_ISLANDS = 5


@kernel
def _open_stream(key):
    """Stream key of the pattern of a specimen, as a call, for its code is long."""
    return stream(key[0], key[1], WORLD, _PATTERN)


@kernel
def _bar(y0, x0, y1, x1, half, mask):
    """A straight bar with square ends."""
    length = np.sqrt((y1 - y0) * (y1 - y0) + (x1 - x0) * (x1 - x0)) + 1e-9
    c, s = (y1 - y0) / length, (x1 - x0) / length
    for i in range(mask.shape[0]):
        for j in range(mask.shape[1]):
            along = (i - y0) * c + (j - x0) * s
            across = (j - x0) * c - (i - y0) * s
            if -half <= along <= length + half and abs(across) <= half:
                mask[i, j] = 1


@kernel
def _fill_between(y, x, inner, outer, square, mask):
    """A ring, or the rim of a square; a disk or a square where the inner radius is 0."""
    for i in range(mask.shape[0]):
        for j in range(mask.shape[1]):
            dy, dx = i - y, j - x
            r = max(abs(dy), abs(dx)) if square else np.sqrt(dy * dy + dx * dx)
            if inner <= r <= outer:
                mask[i, j] = 1


@kernel
def _strokes(key, unit, mask, place):
    """A line of two or three straight parts, each at a right angle or half of one to the last."""
    s0, s1 = _open_stream(key)
    size = mask.shape[0]
    half = unit * (3.0 + 1.5 * draw_uniform(s0, s1, _ZERO, _ZERO))
    low, high = unit * MARGIN + half, size - 1.0 - unit * MARGIN - half
    parts = 2 + int(2.0 * draw_uniform(s0, s1, _ZERO, _ZERO + 1))
    y = low + (high - low) * draw_uniform(s0, s1, _ZERO, _ZERO + 2)
    x = low + (high - low) * draw_uniform(s0, s1, _ZERO, _ZERO + 3)
    turn = draw_uniform(s0, s1, _ZERO, _ZERO + 4)
    for part in range(parts):
        best, far_y, far_x, best_turn = -1.0, y, x, turn
        length = unit * (16.0 + 14.0 * draw_uniform(s0, s1, part + 1, _ZERO))
        # Of four directions the one that leads farthest, with some chance.
        for k in range(4):
            way = turn + (2 * k + 1) * 0.125 if part > 0 else turn + 0.25 * k
            sine, cosine = sincos64(2.0 * np.pi * way)
            to_y = min(max(y + length * sine, low), high)
            to_x = min(max(x + length * cosine, low), high)
            gone = (to_y - y) * (to_y - y) + (to_x - x) * (to_x - x)
            gone *= 0.5 + draw_uniform(s0, s1, part + 1, k + 1)
            if gone > best:
                best, far_y, far_x, best_turn = gone, to_y, to_x, way
        _bar(y, x, far_y, far_x, half, mask)
        y, x, turn = far_y, far_x, best_turn


@kernel
def _islands(key, unit, mask, place):
    """Three to five disks and squares apart from each other."""
    s0, s1 = _open_stream(key)
    size = mask.shape[0]
    wanted = 3 + int(3.0 * draw_uniform(s0, s1, _ZERO, _ZERO))
    count = 0
    for trial in range(60):
        if count == wanted:
            break
        r = unit * (3.5 + 3.5 * draw_uniform(s0, s1, trial + 1, _ZERO))
        low, high = unit * MARGIN + r, size - 1.0 - unit * MARGIN - r
        y = low + (high - low) * draw_uniform(s0, s1, trial + 1, _ZERO + 1)
        x = low + (high - low) * draw_uniform(s0, s1, trial + 1, _ZERO + 2)
        # Figures keep a distance from each other.
        free = True
        for k in range(count):
            dy, dx = y - place[k, 0], x - place[k, 1]
            free = free and np.sqrt(dy * dy + dx * dx) > r + place[k, 2] + 7.0 * unit
        if free:
            place[count, 0], place[count, 1], place[count, 2] = y, x, r
            count += 1
            square = draw_uniform(s0, s1, trial + 1, _ZERO + 3) < 0.5
            _fill_between(y, x, 0.0, r, square, mask)


@kernel
def _frames(key, unit, mask, place):
    """A ring or the rim of a square."""
    s0, s1 = _open_stream(key)
    size = mask.shape[0]
    outer = unit * (14.0 + 6.0 * draw_uniform(s0, s1, _ZERO, _ZERO))
    inner = outer - unit * (6.0 + 2.0 * draw_uniform(s0, s1, _ZERO, _ZERO + 1))
    low, high = unit * MARGIN + outer, size - 1.0 - unit * MARGIN - outer
    y = low + (high - low) * draw_uniform(s0, s1, _ZERO, _ZERO + 2)
    x = low + (high - low) * draw_uniform(s0, s1, _ZERO, _ZERO + 3)
    square = draw_uniform(s0, s1, _ZERO, _ZERO + 4) < 0.5
    _fill_between(y, x, inner, outer, square, mask)


_DRAWN: Final = {"strokes": _strokes, "islands": _islands, "frames": _frames}
PATTERNS: Final = tuple(_DRAWN)
"""Every family of patterns, by name."""


def fill_patterns(family: str, keys: Uint32, masks: Uint8) -> None:
    """Draw patterns.

    Args:
        family: one of `PATTERNS`.
        keys: (k, 2) uint32, keys of the specimens (`microgym.specimens.splits.specimen_key`).
        masks: (k, size, size) uint8, written.
    """
    masks[:] = 0
    place = np.empty((_MOST_ISLANDS, 3))
    for key, mask in zip(keys, masks, strict=True):
        _DRAWN[family](key, masks.shape[1] / 64.0, mask, place)
