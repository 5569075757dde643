"""Images and animations in common file formats, encoded by Pillow."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Frame = NDArray[np.uint8]

HOLD = 2.0
"""Time for which an animation shows its last frame, s (design choice)."""


def animation(frames: Sequence[Frame], fps: int, kind: str = "WEBP") -> bytes:
    """Encode frames as an animation that repeats endlessly and pauses on the last frame.

    Args:
        frames: uint8 [height, width, 3], all of one size.
        fps: frames per second.
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


def _with_one_palette(images: Sequence[Image.Image]) -> list[Image.Image]:
    """Images with one common palette, so that the file stores only differences between frames.

    An octree of 96 colours preserves rare colours (gauges, rings) and changes a frame of
    `Ptycho-v0` by less than 1 of 256 on average; the file is a third as large as with one palette
    per frame.
    """
    some = images[:: max(1, len(images) // 4)]
    sheet = np.concatenate([np.asarray(one) for one in (*some, images[-1])])
    palette = Image.fromarray(sheet).quantize(96, Image.Quantize.FASTOCTREE)
    return [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in images]
