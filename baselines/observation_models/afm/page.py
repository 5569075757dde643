"""Text, tables and picture of the network's page and card."""

from dataclasses import replace
from typing import Any

import numpy as np

from microgym.baselines.observation_models.afm.classical import (
    GRID,
    RADII_NM,
    SMOOTHED,
    RestorationSettings,
    restore,
    restore_classically,
)
from microgym.baselines.observation_models.afm.dataset import Conditions, scan_frames
from microgym.baselines.observation_models.afm.evaluate import SPEEDS, TIPS, claimed
from microgym.baselines.observation_models.evaluate import found_shares
from microgym.baselines.observation_models.figure import ImageRow, colored_planes, image_grid
from microgym.baselines.observation_models.page import coverage_card_rows, coverage_table
from microgym.baselines.observation_models.specification import Record, Rows
from microgym.baselines.reporting.formatting import written
from microgym.reconstruction.nn.network import Weights


def values(record: Record) -> dict[str, Any]:
    """Values of the template of the page."""
    tips = (
        f"`{name}` {low:g} to {high:g} nm" + (" with a second apex" if split else "")
        for name, ((low, high), split) in TIPS.items()
    )
    return {
        "speeds": ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in SPEEDS.items()),
        "tips": "; ".join(tips),
        "tried": len(GRID),
        "smoothest": f"{max(SMOOTHED):g}",
        "radii": ", ".join(f"{one:g}" for one in RADII_NM if one),
        "claimed": claimed(record),
        "lost": [
            f"`{one['family']}`, {one.get('speed') or 'tip ' + one['tip']}"
            for one in (*record["claims"], *record["tips"])
            if not one["gain"]["low"] > 0.0
        ],
        "settings": lambda one: RestorationSettings(**one["recipe"]).describe(),
        "coverage": coverage_table(record["coverage"], "frames"),
    }


def metrics(record: Record) -> Rows:
    """Rows of the card about the results."""
    coverage = record["coverage"]
    gains = [(f"error less by: {name}", written(gain, 3)) for name, gain in claimed(record)]
    return gains + coverage_card_rows(coverage["stated"], found_shares(coverage))


# --- picture --------------------------------------------------------------------------------------

FAMILIES = ("mixed", "particles", "fibres")
"""Families of the frames in the rows of the picture."""
SEED = 3
"""Of their surfaces, of the test split."""


def draw_figure(weights: Weights, record: Record) -> bytes:
    """Draw heights of lines less their mean, then uncertainty and error on one scale.

    Settings of the classical restoration are those of fast scans.
    """
    columns = ("truth", "trace", "classical", "network", "network's uncertainty", "its error")
    fast = {one["family"]: one["recipe"] for one in record["claims"] if one["speed"] == "fast"}
    usual = Conditions(split="test", lines=128, rates_hz=(8.0, 12.0), radii_nm=(12.0, 16.0))
    rows: list[ImageRow] = []
    for family in FAMILIES:
        frames = scan_frames(replace(usual, family=family), np.array([SEED]), SEED)
        heights, sigma = restore(weights, frames)
        ((_, joined),) = restore_classically(frames, (RestorationSettings(**fast[family]),))
        truth, *others = (
            one - one.mean(axis=-1, keepdims=True)
            for one in (frames.truth[0], frames.signals[0, :, 0], joined[0], heights[0])
        )
        low, high = (float(value) for value in np.quantile(truth, (0.005, 0.995)))
        errors = [sigma[0], np.abs(others[-1] - truth)]
        planes = colored_planes((truth, *others), low, high)
        rows.append((family, "", planes + colored_planes(errors, 0.0, 0.3 * (high - low))))
    return image_grid(columns, rows, 192)
