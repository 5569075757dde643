"""Page and card of the network, made from its record and from what its file says."""

from collections.abc import Mapping, Sequence
from typing import Any

from microgym.baselines.evaluation.statistics import Estimate
from microgym.baselines.observation_models.afm.build import VALIDATION, made_from
from microgym.baselines.observation_models.afm.classical import GRID, RADII_NM, SMOOTHED, Recipe
from microgym.baselines.observation_models.afm.dataset import LEARNT
from microgym.baselines.observation_models.afm.evaluate import RECORD, SPEEDS, TIPS, claimed
from microgym.baselines.observation_models.model_card import ModelCard, Rows, covered, training_rows
from microgym.baselines.reporting.formatting import markdown, written
from microgym.reconstruction.topography.observation_model import NETWORK
from microgym.specimens.splits import HELD_OUT_SURFACES

_WHAT = """\
A fast scan with a worn tip shows less than is there: the loop lags behind, the tip flies off edges,
trace and retrace differ, and everything is as wide as the tip. With `reconstructor="neural"`
`AFM-v0` also shows what a small network makes of trace, retrace, error signals and phase of the
newest line and the two before it, and of their dials: restored heights with an uncertainty. It
does not replace the scan: what is paid for is the trace."""
_TRAINED = """\
It was trained on lines of simulated frames, which the package's own microscope scanned: six
families of surfaces, tips from new to broken and double, dials drawn at random below the onset of
ringing and changed now and then, frames of 0.5 to 2 µm. The truth is what `AFM-v0` pays by: what a
new tip would have shown on the trace's path, each line's mean apart. The loss is the mean logarithm
of a line's error, so that flat surfaces count like steep ones, and a Laplace likelihood of the
errors, by which the uncertainty is learnt; it is then scaled on validation surfaces.

For each pixel the network weighs six simple restorations (trace, retrace, both corrected by their
error signals and half of the signal's lag, and their mean smoothed over 3 and 9 pixels), and adds a
detail in units of what the signals leave open there."""
_LIMITS = (
    "It has learnt from tapping alone, lines of 256 pixels, line rates of 2 to 20 Hz, and "
    "instruments whose levers are those of `AFM-v0`. All else is extrapolation.",
    "What no signal tells cannot be restored: the floor of a trench that the tip does not reach. "
    "There, and on other families than it has learnt from, its uncertainty is too small.",
    "Heights are of one line, less its mean: offsets between lines are not restored, nor is where "
    "creep and hysteresis have led the trace.",
    "Its uncertainty is true on average over pixels and scans, not for each pixel or family.",
)


def _results(record: Mapping[str, Any]) -> list[str]:
    """The sections about what was measured, paragraph by paragraph."""
    return [
        "## Where it wins, and where not",
        _about(record),
        markdown(_verdict(record)),
        _lost(record),
        markdown(_rows(record["claims"], "lines", "speed")),
        "## States of tips",
        f"The same at 2 to 20 lines a second, {record['tips'][0]['specimens']} test frames in each "
        f"row; {_tips()}.",
        markdown(_rows(record["tips"], "tip", "tip")),
        "## Its uncertainty",
        "Part of pixels whose error stays below what is stated; means over sets of conditions, "
        "four frames each, with 95% intervals.",
        markdown(coverage_rows(record)),
    ]


def _metrics(record: Mapping[str, Any]) -> Rows:
    """What the card tells of the results."""
    gains = [(f"error less by: {name}", written(gain, 3)) for name, gain in claimed(record)]
    return gains + covered(record["coverage"])


def _facts(made: Mapping[str, Any], record: Mapping[str, Any] | None) -> Rows:
    """What it is, as rows of a table."""
    unseen = ", ".join(f"`{name}`" for name in HELD_OUT_SURFACES)
    rows = [
        ("network", ""),
        ("file", f"`{NETWORK.file}`, safetensors, {NETWORK.parameters:,} parameters"),
        ("sees", "trace, retrace, error signals, phase and dials of the last three lines"),
        ("shows", "heights of the newest line, and the uncertainty of each pixel"),
        ("run by", "own kernels, without a deep-learning library; same bits for any batch"),
        (
            "data",
            f"{made['groups']} sets of random conditions, 4 training frames each of "
            f"{', '.join(f'`{n}`' for n in LEARNT)}; never {unseen}; scaled on {VALIDATION} sets "
            "of validation frames",
        ),
        *training_rows(made),
    ]
    if record is not None:
        took = record["line_us"]
        rows.append(("cost", f"{took:.0f} µs a line, one core, {record['machine']['processor']}"))
    return rows


def _about(record: Mapping[str, Any]) -> str:
    effort = record["effort"]
    radii = ", ".join(f"{one:g}" for one in RADII_NM if one)
    speeds = ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in SPEEDS.items())
    return (
        "Errors are of whole frames: root mean square error over the relief (the root mean square "
        "height of the truth), each line's mean apart; less is better. Line rates in 1/s: "
        f"{speeds}; `AFM-v0` gives time for 4 on average. Tips of 6 to 45 nm, every fifth with a "
        "second apex. `trace` is the image as scanned; `flattened` the mean of trace and retrace; "
        "`corrected` the mean of both less their error signals. `best simple` is the best of "
        f"{len(GRID)} recipes on {effort['judges']} validation frames scanned alike: trace, mean "
        "or lower of both, with or without the error signals, none, half or all of the signal's "
        f"lag, smoothed over none to {max(SMOOTHED):g} pixels, and for the best three of these the "
        f"erosion by a nominal tip ({radii} nm) over the same three lines, and dilation by a new "
        "one. "
        f"{effort['specimens']} test frames in each row, the same for all; 95% intervals of paired "
        "differences."
    )


def _tips() -> str:
    return "; ".join(
        f"`{name}` {low:g} to {high:g} nm" + (" with a second apex" if split else "")
        for name, ((low, high), split) in TIPS.items()
    )


def _verdict(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [("", "network better by"), *((n, written(g, 3)) for n, g in claimed(record))]


def _lost(record: Mapping[str, Any]) -> str:
    """Where the network does not win, in a sentence."""
    places = [
        f"`{one['family']}`, {one.get('speed') or 'tip ' + one['tip']}"
        for one in (*record["claims"], *record["tips"])
        if not one["gain"]["low"] > 0.0
    ]
    if not places:
        return "It wins in every row of both tables below."
    return f"It does not win on: {'; '.join(places)}."


def _rows(found: Sequence[Mapping[str, Any]], name: str, key: str) -> list[tuple[str, ...]]:
    """A table of comparisons."""
    head = ("surfaces", name, "relief", "trace", "flattened", "corrected", "best simple",
            "network", "better by", "better is")  # fmt: skip
    rows: list[tuple[str, ...]] = [head]
    for one in found:
        errors, gain = one["errors"], Estimate(**one["gain"])
        values = {method: f"{errors[method]['value']:.3f}" for method in errors}
        recipe = Recipe(**one["recipe"]).told()
        winner = "network" if gain.above_zero else "**simple**" if gain.below_zero else "neither"
        rows.append(
            (
                f"`{one['family']}`" + (" (never seen)" if one["unseen"] else ""),
                one[key],
                f"{one['relief_nm']:.2g} nm",
                *(values[method] for method in ("trace", "flattened", "corrected")),
                f"{values['tuned']} ({recipe})",
                values["network"],
                written(gain, 3),
                winner,
            )
        )
    return rows


def coverage_rows(record: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Stated and found coverage, as rows of a table."""
    found = record["coverage"]
    rows: list[tuple[str, ...]] = [
        ("frames", "conditions", *(f"stated {one:.0%}" for one in found["stated"]))
    ]
    named = [("test frames of learnt families", found["test"])]
    named += [(f"`{name}`, never seen", one) for name, one in found["unseen"].items()]
    named += [(f"`{name}`", one) for name, one in found["by_family"].items()]
    for name, one in named:
        shares = (
            Estimate(*(100 * each[part] for part in ("value", "low", "high")))
            for each in one["found"]
        )
        rows.append((name, str(one["conditions"]), *(written(share, 1) for share in shares)))
    return rows


SUBJECT = ModelCard(
    env_id="AFM-v0",
    title="The neural observation of AFM-v0",
    what=_WHAT,
    picture=(
        "Truth, trace, simple restoration, network, its stated uncertainty and its error on three "
        "surfaces",
        "Three unseen surfaces at about 10 lines a second with a tip of about 14 nm. The simple "
        "restoration is the best that tuned settings give. Uncertainty and error are shown on one "
        "scale.",
    ),
    trained=_TRAINED,
    limits=_LIMITS,
    page="topography.md",
    picture_file="topography.png",
    record=RECORD.name,
    made=lambda: made_from(NETWORK.shipped_file),
    facts=_facts,
    results=_results,
    metrics=_metrics,
)
