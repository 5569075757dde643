"""One specimen as the network and the classical solver show it, at several doses."""

import numpy as np

from microgym.baselines.observation_models.figure import Row, colored_planes, image_grid
from microgym.baselines.observation_models.ptycho.classical import (
    SolverSettings,
    halton_places,
    image_of,
    restore,
    take,
)
from microgym.baselines.observation_models.ptycho.dataset import REGION, Conditions
from microgym.baselines.observation_models.specification import Record
from microgym.reconstruction.nn.network import Weights

DOSES = (1e3, 1e4, 1e5)
"""Photons of an exposure in each row of the figure."""
COLUMNS = ("truth", "classical", "network", "network's uncertainty", "its error")
FAMILY, SEED = "sparse", 0
"""Specimen, of the test split."""


def draw_figure(weights: Weights, record: Record) -> bytes:
    """Draw contrast |image - 1| of specimen and images, then uncertainty and error.

    Args:
        weights: the network.
        record: source of the settings of the classical solver.

    Returns:
        A PNG file.
    """
    settings = {
        one["photons"]: SolverSettings.from_record(one["recipe"])
        for one in record["claims"]
        if one["family"] == FAMILY
    }
    rows = [_row(weights, photons, settings[photons]) for photons in DOSES]
    return image_grid(COLUMNS, rows, 2 * REGION)


def _row(weights: Weights, photons: float, settings: SolverSettings) -> Row:
    conditions = Conditions(FAMILY, "test", 24, photons, drift="easy")
    scans = take(conditions, np.array([SEED]), halton_places(24))
    image, sigma = restore(weights, scans.inputs[5])
    truth = scans.truth[0]
    top = float(np.quantile(np.abs(truth - 1.0), 0.99))
    contrasts = [np.abs(one - 1.0) for one in (truth, image_of(scans, settings)[0], image[0])]
    errors = [sigma[0], np.abs(image[0] - truth)]
    planes = [*colored_planes(contrasts, 0.0, top), *colored_planes(errors, 0.0, 0.7 * top)]
    return f"{photons:,.0f}", "photons", planes
