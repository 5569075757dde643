"""Some frames as scanned, as restored simply and by the network, with its uncertainty."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from microgym.baselines.observation_models.afm.classical import Recipe, restore, simple
from microgym.baselines.observation_models.afm.dataset import Conditions, scan_frames
from microgym.envs.core.drawing import INK, PAPER, colored, write
from microgym.reconstruction.nn.network import Weights

FAMILIES = ("mixed", "particles", "fibres")
"""Families of the frames, one line of the figure each."""
COLUMNS = ("truth", "trace", "simple", "network", "network's uncertainty", "its error")

_EDGE, _GAP, _LEFT, _TOP = 192, 8, 96, 26


def draw_figure(weights: Weights, claims: Sequence[Mapping[str, Any]], seed: int = 3) -> bytes:
    """Draw the figure.

    Args:
        weights: the network.
        claims: of a record; what it holds of fast scans gives the simple restoration.
        seed: of the surfaces, of the test split.

    Returns:
        A PNG file: heights of lines less their mean, then uncertainty and error on one scale.
    """
    width = _LEFT + len(COLUMNS) * (_EDGE + _GAP)
    canvas = Image.new("RGB", (width, _TOP + len(FAMILIES) * (_EDGE + _GAP)), PAPER)
    pen = ImageDraw.Draw(canvas)
    for column, name in enumerate(COLUMNS):
        write(pen, (_LEFT + column * (_EDGE + _GAP), 6), name, 14, INK)
    recipes = {one["family"]: one["recipe"] for one in claims if one["speed"] == "fast"}
    for line, family in enumerate(FAMILIES):
        top = _TOP + line * (_EDGE + _GAP)
        write(pen, (8, top + _EDGE / 2 - 8), family, 15, INK)
        planes = _planes(weights, Recipe(**recipes[family]), family, seed)
        for column, plane in enumerate(planes):
            image = Image.fromarray(plane).resize((_EDGE, _EDGE), Image.Resampling.NEAREST)
            canvas.paste(image, (_LEFT + column * (_EDGE + _GAP), top))
    file = io.BytesIO()
    canvas.save(file, "PNG", optimize=True)
    return file.getvalue()


def _planes(weights: Weights, recipe: Recipe, family: str, seed: int) -> list[NDArray[np.uint8]]:
    """The pictures of one line, (lines, P, 3) uint8 each."""
    conditions = Conditions(family, "test", lines=128, rates_hz=(8.0, 12.0), radii_nm=(12.0, 16.0))
    frames = scan_frames(conditions, np.array([seed]), seed)
    heights, sigma = restore(weights, frames)
    ((_, joined),) = simple(frames, (recipe,))
    truth, *others = (
        one - one.mean(axis=-1, keepdims=True)
        for one in (frames.truth[0], frames.signals[0, :, 0], joined[0], heights[0])
    )
    low, high = (float(value) for value in np.quantile(truth, (0.005, 0.995)))
    images = [colored(one.astype(np.float32), low, high) for one in (truth, *others)]
    doubts = [sigma[0], np.abs(others[-1] - truth)]
    most = 0.3 * (high - low)
    return images + [colored(one.astype(np.float32), 0.0, most) for one in doubts]
