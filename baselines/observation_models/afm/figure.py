"""Some frames as scanned, as restored classically and by the network, with its uncertainty."""

import numpy as np

from microgym.baselines.observation_models.afm.classical import (
    RestorationSettings,
    restore,
    restore_classically,
)
from microgym.baselines.observation_models.afm.dataset import Conditions, scan_frames
from microgym.baselines.observation_models.figure import Row, colored_planes, image_grid
from microgym.baselines.observation_models.specification import Record
from microgym.reconstruction.nn.network import Weights

FAMILIES = ("mixed", "particles", "fibres")
"""Families of the frames in the rows of the figure."""
COLUMNS = ("truth", "trace", "classical", "network", "network's uncertainty", "its error")
SEED = 3
"""Of the surfaces, of the test split."""


def draw_figure(weights: Weights, record: Record) -> bytes:
    """Draw heights of lines less their mean, then uncertainty and error on one scale.

    Args:
        weights: the network.
        record: source of the settings of the classical restoration, those of fast scans.

    Returns:
        A PNG file.
    """
    fast = {one["family"]: one["recipe"] for one in record["claims"] if one["speed"] == "fast"}
    rows = [_row(weights, RestorationSettings(**fast[family]), family) for family in FAMILIES]
    return image_grid(COLUMNS, rows, 192)


def _row(weights: Weights, settings: RestorationSettings, family: str) -> Row:
    conditions = Conditions(family, "test", lines=128, rates_hz=(8.0, 12.0), radii_nm=(12.0, 16.0))
    frames = scan_frames(conditions, np.array([SEED]), SEED)
    heights, sigma = restore(weights, frames)
    ((_, joined),) = restore_classically(frames, (settings,))
    truth, *others = (
        one - one.mean(axis=-1, keepdims=True)
        for one in (frames.truth[0], frames.signals[0, :, 0], joined[0], heights[0])
    )
    low, high = (float(value) for value in np.quantile(truth, (0.005, 0.995)))
    errors = [sigma[0], np.abs(others[-1] - truth)]
    planes = colored_planes((truth, *others), low, high)
    return family, "", planes + colored_planes(errors, 0.0, 0.3 * (high - low))
