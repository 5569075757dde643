"""Pictures and moving pictures as files, with Pillow alone."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Frame = NDArray[np.uint8]

HOLD = 2.0
"""Seconds for which the last picture stays (design choice)."""


def animation(frames: Sequence[Frame], fps: int, kind: str = "WEBP") -> bytes:
    """Frames as one animated picture that repeats for ever and rests on the last frame.

    Args:
        frames: uint8 [height, width, 3], all of one size.
        fps: frames a second.
        kind: "WEBP" or "GIF".

    Returns:
        The file's content.
    """
    times = [round(1000 / fps)] * (len(frames) - 1) + [round(1000 * HOLD)]
    images = [Image.fromarray(np.ascontiguousarray(frame)) for frame in frames]
    if kind == "GIF":
        images = _with_one_palette(images)
    buffer = io.BytesIO()
    options = {"quality": 80, "method": 4} if kind == "WEBP" else {"optimize": True}
    images[0].save(
        buffer, kind, save_all=True, append_images=images[1:], duration=times, loop=0, **options
    )
    return buffer.getvalue()


def still(frame: Frame, kind: str = "WEBP") -> bytes:
    """One frame as a lossless picture.

    Args:
        frame: uint8 [height, width, 3].
        kind: "WEBP" or "PNG".

    Returns:
        The file's content.
    """
    buffer = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {"optimize": True}
    Image.fromarray(np.ascontiguousarray(frame)).save(buffer, kind, **options)
    return buffer.getvalue()


def _with_one_palette(images: Sequence[Image.Image]) -> list[Image.Image]:
    """Pictures in the same few colours, so that only what changes between them has to be stored.

    96 colours of an octree keep rare colours (gauges, rings) as they are and a frame of
    `Ptycho-v0` within 1 of 256 on average; the file is a third as large as with a palette a frame.
    """
    some = images[:: max(1, len(images) // 4)]
    sheet = np.concatenate([np.asarray(one) for one in (*some, images[-1])])
    palette = Image.fromarray(sheet).quantize(96, Image.Quantize.FASTOCTREE)
    return [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in images]
