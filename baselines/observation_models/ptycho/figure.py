"""One specimen as the network and the classical solver show it, at several doses."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from microgym.baselines.observation_models.ptycho.classical import (
    Recipe,
    halton_places,
    image_of,
    restore,
    take,
)
from microgym.baselines.observation_models.ptycho.dataset import REGION, Conditions
from microgym.envs.core.drawing import INK, PAPER, colored, write
from microgym.reconstruction.nn.network import Weights

DOSES = (1e3, 1e4, 1e5)
"""Photons of an exposure, one line of the figure each."""
COLUMNS = ("truth", "classical", "network", "network's uncertainty", "its error")

_ZOOM, _GAP, _LEFT, _TOP = 2, 8, 96, 26


def draw_figure(
    weights: Weights, recipes: dict[float, Recipe], *, family: str = "sparse", seed: int = 0
) -> bytes:
    """Draw the figure.

    Args:
        weights: the network.
        recipes: of the classical solver, by dose.
        family: of the specimen.
        seed: of the specimen, of the test split.

    Returns:
        A PNG file: contrast |image - 1| of specimen and images, then uncertainty and error.
    """
    edge = _ZOOM * REGION
    width = _LEFT + len(COLUMNS) * (edge + _GAP)
    canvas = Image.new("RGB", (width, _TOP + len(DOSES) * (edge + _GAP)), PAPER)
    pen = ImageDraw.Draw(canvas)
    for column, name in enumerate(COLUMNS):
        write(pen, (_LEFT + column * (edge + _GAP), 6), name, 14, INK)
    for line, photons in enumerate(DOSES):
        top = _TOP + line * (edge + _GAP)
        write(pen, (8, top + edge / 2 - 16), f"{photons:,.0f}", 15, INK)
        write(pen, (8, top + edge / 2 + 2), "photons", 13, INK)
        for column, plane in enumerate(_planes(weights, recipes[photons], photons, family, seed)):
            image = Image.fromarray(plane).resize((edge, edge), Image.Resampling.NEAREST)
            canvas.paste(image, (_LEFT + column * (edge + _GAP), top))
    file = io.BytesIO()
    canvas.save(file, "PNG", optimize=True)
    return file.getvalue()


def _planes(
    weights: Weights, recipe: Recipe, photons: float, family: str, seed: int
) -> list[NDArray[np.uint8]]:
    """The pictures of one line, (REGION, REGION, 3) uint8 each."""
    taken = take(
        Conditions(family, "test", 24, photons, drift="easy"),
        np.array([seed]),
        halton_places(24),
    )
    image, sigma = restore(weights, taken.looks[5])
    truth = taken.truth[0]
    top = float(np.quantile(np.abs(truth - 1.0), 0.99))
    contrasts = [np.abs(one - 1.0) for one in (truth, image_of(taken, recipe)[0], image[0])]
    doubts = [sigma[0], np.abs(image[0] - truth)]
    return [colored(one.astype(np.float32), 0.0, top) for one in contrasts] + [
        colored(one.astype(np.float32), 0.0, 0.7 * top) for one in doubts
    ]
