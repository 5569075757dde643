"""Text, tables and picture of the network's page and card."""

from collections.abc import Sequence

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
from microgym.baselines.observation_models.page import (
    comparison_cells,
    coverage_card_rows,
    coverage_table,
    family_cell,
    verdict_table,
)
from microgym.baselines.observation_models.specification import Record, Rows
from microgym.baselines.reporting.formatting import markdown, written
from microgym.reconstruction.nn.network import Weights


def sections(record: Record) -> list[str]:
    """The sections about results, paragraph by paragraph."""
    claims, table, effort = record["claims"], record["tips"], record["effort"]
    radii = ", ".join(f"{one:g}" for one in RADII_NM if one)
    speeds = ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in SPEEDS.items())
    tips = "; ".join(
        f"`{name}` {low:g} to {high:g} nm" + (" with a second apex" if split else "")
        for name, ((low, high), split) in TIPS.items()
    )
    lost = [
        f"`{one['family']}`, {one.get('speed') or 'tip ' + one['tip']}"
        for one in (*claims, *table)
        if not one["gain"]["low"] > 0.0
    ]
    return [
        "## Where it wins, and where not",
        "Errors are of whole frames: root mean square error over the relief (the root mean square "
        "height of the truth), each line's mean apart; less is better. Line rates in 1/s: "
        f"{speeds}; `AFM-v0` gives time for 4 on average. Tips of 6 to 45 nm, every fifth with a "
        "second apex. `trace` is the image as scanned; `flattened` the mean of trace and retrace; "
        "`corrected` the mean of both less their error signals. `best classical` is the best of "
        f"{len(GRID)} settings on {effort['judges']} validation frames scanned alike: trace, mean "
        "or lower of both, with or without the error signals, none, half or all of the signal's "
        f"lag, smoothed over none to {max(SMOOTHED):g} pixels, and for the best three of these the "
        f"erosion by a nominal tip ({radii} nm) over the same three lines, and dilation by a new "
        "one. "
        f"{effort['specimens']} test frames in each row, the same for all; 95% intervals of paired "
        "differences.",
        verdict_table(claimed(record)),
        f"It does not win on: {'; '.join(lost)}."
        if lost
        else "It wins in every row of both tables below.",
        _comparisons(claims, "lines", "speed"),
        "## States of tips",
        f"The same at 2 to 20 lines a second, {table[0]['specimens']} test frames in each row; "
        f"{tips}.",
        _comparisons(table, "tip", "tip"),
        "## Its uncertainty",
        "Part of pixels whose error stays below what is stated; means over sets of conditions, "
        "four frames each, with 95% intervals.",
        coverage_table(record["coverage"], "frames"),
    ]


def metrics(record: Record) -> Rows:
    """Rows of the card about the results."""
    coverage = record["coverage"]
    gains = [(f"error less by: {name}", written(gain, 3)) for name, gain in claimed(record)]
    return gains + coverage_card_rows(coverage["stated"], found_shares(coverage))


def _comparisons(found: Sequence[Record], name: str, key: str) -> str:
    """A table of comparisons."""
    head = ("surfaces", name, "relief", "trace", "flattened", "corrected", "best classical",
            "network", "better by", "better is")  # fmt: skip
    rows = [
        (
            family_cell(one),
            one[key],
            f"{one['relief_nm']:.2g} nm",
            *comparison_cells(one, head[3:6], RestorationSettings(**one["recipe"]).describe()),
        )
        for one in found
    ]
    return markdown([head, *rows])


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
    rows = [_pictures(weights, RestorationSettings(**fast[family]), family) for family in FAMILIES]
    return image_grid(columns, rows, 192)


def _pictures(weights: Weights, settings: RestorationSettings, family: str) -> ImageRow:
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
