"""Text, tables and picture of the network's page and card."""

from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from microgym.baselines.observation_models.evaluate import estimate
from microgym.baselines.observation_models.figure import png
from microgym.baselines.observation_models.page import coverage_card_rows
from microgym.baselines.observation_models.specification import Record, Rows
from microgym.baselines.observation_models.stm.classical import NEAR_NM, find, find_classically
from microgym.baselines.observation_models.stm.dataset import PIXEL_NM, levelled
from microgym.baselines.observation_models.stm.evaluate import conditions, images_of
from microgym.baselines.reporting.formatting import written
from microgym.envs.core.drawing import ACCENT, GOOD, INK, PAPER, colored, ring, write
from microgym.instruments.stm.state import PIXELS
from microgym.reconstruction.adatoms.observation_model import NETWORK, MatchedFilter
from microgym.reconstruction.nn.network import Weights


def values(record: Record) -> dict[str, Any]:
    """Values of the template of the page."""
    return {"near_nm": NEAR_NM, "named": _named, "bold": _bold}


def metrics(record: Record) -> Rows:
    """Rows of the card about the results."""
    rows: Rows = []
    for one in record["conditions"]:
        error = one["network"]["error_pm"]
        mine, theirs = (one[key]["f1"]["value"] for key in ("network", "classical"))
        place = f"; places to {error['value']:.0f} pm" if error else ""
        rows.append((f"F1, {_named(one)}", f"{mine:.3f}; classical {theirs:.3f}{place}"))
    shares = {name: one["cover"] for name, one in record["calibration"].items()}
    return rows + coverage_card_rows(record["stated"], shares)


def _named(one: Record) -> str:
    return f"{one['name']} (never seen)" if one["unseen"] else one["name"]


def cost(record: Record) -> str:
    """Time of an estimate of each detector."""
    network, classical = (f"{record['times_us'][n] / 1e3:.2f} ms" for n in ("network", "classical"))
    return f"{network} an estimate, the matched filter {classical}"


def least_probability() -> Rows:
    """Least probability of what is shown as an adatom, as a row of the facts."""
    least = float(NETWORK.shipped().calibration["calibration"][0])
    return [("adatoms", f"from a probability of {least:.2f} on")]


def _bold(found: Record, digits: int) -> str:
    gain = estimate(found)
    text = written(gain, digits)
    return f"**{text}**" if gain.above_zero or gain.below_zero else text


# --- picture --------------------------------------------------------------------------------------

SHOWN = ("as STM-v0, many bystanders", "double tip", "close pairs", "step edge")
"""Conditions that are shown, three images of each."""
COLUMNS = 3
_ZOOM, _GAP, _TOP = 5, 8, 26


def draw_figure(weights: Weights, record: Record) -> bytes:
    """Draw images with their adatoms and the detections of network and classical detector.

    Green circles are adatoms, blue dots detections of the network, white crosses those of the
    classical detector with its settings of the record.
    """
    settings = {one["name"]: one["settings"] for one in record["conditions"]}
    edge = _ZOOM * PIXELS
    width = COLUMNS * (edge + _GAP) - _GAP
    canvas = Image.new("RGB", (width, len(SHOWN) * (edge + _TOP)), PAPER)
    pen = ImageDraw.Draw(canvas)
    for line, name in enumerate(SHOWN):
        top = line * (edge + _TOP)
        write(pen, (4, top + 5), name, 14, INK)
        images = images_of(conditions()[name], COLUMNS, record["seed"])
        mine = find(weights, images)
        theirs = find_classically(MatchedFilter(**settings[name]), images)
        for column, heights in enumerate(levelled(images.heights)):
            left = column * (edge + _GAP)
            plane = (0.8 * colored(heights, -0.4, 1.6)).astype(np.uint8)
            tile = Image.fromarray(plane).resize((edge, edge), Image.Resampling.NEAREST)
            canvas.paste(tile, (left, top + _TOP))

            def at(place: Any, left: int = left, top: int = top) -> tuple[float, float]:
                x, y = _ZOOM * (np.asarray(place)[:2] / PIXEL_NM + 0.5 * PIXELS)
                return left + float(x), top + _TOP + float(y)

            for place in images.places[column][images.present[column]]:
                ring(pen, at(place), 9, GOOD)
            for spot in theirs.spots[column][theirs.valid[column]]:
                x, y = at(spot)
                pen.line((x - 6, y - 6, x + 6, y + 6), fill=INK, width=2)
                pen.line((x - 6, y + 6, x + 6, y - 6), fill=INK, width=2)
            for spot in mine.spots[column][mine.valid[column]]:
                x, y = at(spot)
                pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=ACCENT)
    return png(canvas)
