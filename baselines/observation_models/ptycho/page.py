"""Text, tables and picture of the network's page and card."""

from typing import Any

import numpy as np

from microgym.baselines.observation_models.evaluate import estimate, found_shares
from microgym.baselines.observation_models.figure import ImageRow, colored_planes, image_grid
from microgym.baselines.observation_models.page import (
    coverage_card_rows,
    coverage_table,
    family_cell,
)
from microgym.baselines.observation_models.ptycho.classical import (
    INPUT_SWEEPS,
    STOPS,
    SolverSettings,
    halton_places,
    image_of,
    restore,
    take,
)
from microgym.baselines.observation_models.ptycho.dataset import LIT, REGION, Conditions
from microgym.baselines.observation_models.ptycho.evaluate import (
    CLAIMED,
    SCAN,
    TABLE_STOPS,
    claimed,
)
from microgym.baselines.observation_models.specification import Record, Rows
from microgym.baselines.reporting.formatting import written
from microgym.reconstruction.nn.network import Weights


def values(record: Record) -> dict[str, Any]:
    """Values of the template of the page."""
    coverage = record["coverage"]
    doses = [
        (f"{one['from']:,.0f} to {one['to']:,.0f} photons", one) for one in coverage["by_dose"]
    ]
    families = (*coverage["by_family"].values(), *coverage["unseen"].values())
    farthest = 100 * max(
        abs(each["value"] - stated)
        for one in families
        for stated, each in zip(coverage["stated"], one["found"], strict=True)
    )
    return {
        "lit": LIT,
        "most": CLAIMED,
        "stops": STOPS,
        "table_stops": TABLE_STOPS,
        "claimed": claimed(record),
        "lost": [
            f"{family_cell(one)} at {one['photons']:,.0f} photons"
            for one in record["claims"]
            if one["photons"] <= CLAIMED and not estimate(one["lit"]["gain"]).above_zero
        ],
        "settings": lambda one: SolverSettings.from_record(one["recipe"]).describe(),
        "farthest": farthest,
        "coverage": coverage_table(coverage, "scans", doses),
    }


def metrics(record: Record) -> Rows:
    """Rows of the card about the results."""
    rows: Rows = []
    for one in record["claims"]:
        if one["photons"] <= CLAIMED:
            mine, best = (one["lit"]["errors"][name]["value"] for name in ("network", "tuned"))
            gain = written(estimate(one["lit"]["gain"]), 3)
            cell = f"{mine:.3f}; best classical {best:.3f}; better by {gain}"
            rows.append((f"E0, {family_cell(one)}, {one['photons']:,.0f} photons", cell))
    coverage = record["coverage"]
    return rows + coverage_card_rows(coverage["stated"], found_shares(coverage))


# --- picture --------------------------------------------------------------------------------------

SHOWN_DOSES = (1e3, 1e4, 1e5)
"""Photons of an exposure in each row of the picture."""
FAMILY, SEED = "sparse", 0
"""Its specimen, of the test split."""


def draw_figure(weights: Weights, record: Record) -> bytes:
    """Draw contrast |image - 1| of specimen and images, then uncertainty and error."""
    columns = ("truth", "classical", "network", "network's uncertainty", "its error")
    settings = {
        one["photons"]: SolverSettings.from_record(one["recipe"])
        for one in record["claims"]
        if one["family"] == FAMILY
    }
    rows: list[ImageRow] = []
    for photons in SHOWN_DOSES:
        conditions = Conditions(FAMILY, "test", SCAN, photons, drift="easy")
        scans = take(conditions, np.array([SEED]), halton_places(SCAN))
        image, sigma = restore(weights, scans.inputs[INPUT_SWEEPS[-1]])
        truth, classical = scans.truth[0], image_of(scans, settings[photons])[0]
        top = float(np.quantile(np.abs(truth - 1.0), 0.99))
        contrasts = [np.abs(one - 1.0) for one in (truth, classical, image[0])]
        errors = [sigma[0], np.abs(image[0] - truth)]
        planes = colored_planes(contrasts, 0.0, top) + colored_planes(errors, 0.0, 0.7 * top)
        rows.append((f"{photons:,.0f}", "photons", planes))
    return image_grid(columns, rows, 2 * REGION)
