"""Page and card of the network, made from its record and from what its file says."""

from collections.abc import Mapping
from typing import Any

from microgym.baselines.evaluation.statistics import Estimate
from microgym.baselines.observation_models.model_card import (
    ModelCard,
    Rows,
    coverage_row,
    training_rows,
)
from microgym.baselines.observation_models.stm.build import VALIDATION, made_from
from microgym.baselines.observation_models.stm.dataset import LEARNT, SCAN_S
from microgym.baselines.observation_models.stm.evaluate import RECORD
from microgym.baselines.observation_models.stm.scores import NEAR_NM
from microgym.baselines.reporting.formatting import markdown, written
from microgym.reconstruction.adatoms.observation_model import NETWORK
from microgym.specimens.adatom_fields import HELD_OUT

_WHAT = """\
With `reconstructor="neural"` the places that `STM-v0` and `STMBuild-v0` tell are read off the image
by a small network: of every pixel it says how probable it is that the centre of an adatom lies in
it, where then, and how well that is known. Peaks of the probability are the adatoms. Those to be
moved are told from the others by where they are believed to be: what was not dragged is looked for
near its last place, what was dragged along its way; one that is missed stays where it was believed
to be. They are pointed out in the first image. `info["sighting"]` tells how sure the image is of
each. `reconstructor="classical"` is a matched filter with the same association, and
`reconstructor="model"`, the default, does not look at the image: it adds noise to the true places.
With both detectors images have 1/f noise and mains besides, of the level of the switch `noise`."""
_TRAINED = """\
It was trained on simulated images with known adatoms: cross entropy for the pixel of the centre,
normal likelihood for the place in it, as in DECODE (Speiser et al., Nat. Methods 18, 1082, 2021).
Probability and uncertainty were then scaled, and the least probability that is told was chosen, on
validation specimens."""
_LIMITS = (
    "It knows simulated images only, of 64 x 64 px and 8 nm, with adatoms of one kind and height, "
    f"{SCAN_S[0]:g} to {SCAN_S[1]:g} s an image. All else is extrapolation.",
    "It is not told the time of a line, and must guess how far the feedback lags. A filter that is "
    "tuned for the speed knows: in fast images it is as good or better.",
    "It has not been trained on step edges, and takes upper terraces for adatoms: there the "
    "matched filter is better.",
    "Probabilities between 0.7 and 0.95 are too modest, see the table: most of what they are given "
    "to are adatoms.",
    "The other end of a double tip can be as high as the first. Then nobody knows which of two "
    "patterns is the true one, and the network may be sure of the wrong one.",
    "All adatoms look alike. When two have changed places, one dragged into the other, neither "
    "detector knows, and the reward of `STMBuild-v0` goes by the adatom; `model` always knows.",
    "Each image is looked at by itself: that adatoms seldom move by themselves is known to the "
    "association only.",
)


def _results(record: Mapping[str, Any]) -> list[str]:
    """The sections about what was measured, paragraph by paragraph."""
    return [
        "## Where it wins, and where not",
        _about(record),
        markdown(_contest(record)),
        "## What it says of itself",
        "Stated probability against the share that are adatoms, and the share of errors along an "
        "axis that stay below what a normal distribution of the stated width says; 95% intervals "
        "over images. `test` are images of test specimens under the random conditions of training.",
        markdown(_trusted(record)),
        "## What it is worth to an operator",
        "Return of the expert, whose habits were tuned with `model`, on test specimens, the same "
        "for all; 95% intervals of paired differences.",
        markdown(_views(record)),
    ]


def _metrics(record: Mapping[str, Any]) -> Rows:
    """What the card tells of the results."""
    rows: Rows = []
    for one in record["conditions"]:
        error = one["network"]["error_pm"]
        mine, theirs = (one[key]["f1"]["value"] for key in ("network", "classical"))
        told = f"{mine:.3f}; classical {theirs:.3f}"
        place = f"; places to {error['value']:.0f} pm" if error else ""
        rows.append((f"F1, {_named(one)}", told + place))
    for name, one in record["calibration"].items():
        rows.append(coverage_row(record["stated"], name, one["cover"]))
    return rows


def _facts(made: Mapping[str, Any], record: Mapping[str, Any] | None) -> Rows:
    """What it is, as rows of a table."""
    weights = NETWORK.load(NETWORK.shipped_file)
    rows = [
        ("network", ""),
        ("file", f"`{NETWORK.file}`, safetensors"),
        ("sees", "one constant-current image, its lines levelled"),
        ("shows", "places of adatoms, their probabilities and uncertainties"),
        ("run by", "own kernels, without a deep-learning library; same bits for any batch"),
        (
            "data",
            f"{made['groups']} sets of random conditions (noise, speed, drift, tip, close pairs), "
            f"32 training specimens each of {', '.join(f'`{n}`' for n in LEARNT)}; never "
            f"{', '.join(f'`{n}`' for n in HELD_OUT)}; scaled on {VALIDATION} sets of validation "
            "specimens",
        ),
        *training_rows(made),
        ("told", f"from a probability of {float(weights.calibration['calibration'][0]):.2f} on"),
    ]
    if record is not None:
        times = record["times_us"]
        rows.append(
            (
                "cost",
                f"{times['network'] / 1e3:.2f} ms a look on one core, "
                f"{record['machine']['processor']}; the matched filter "
                f"{times['classical'] / 1e3:.2f} ms",
            )
        )
    return rows


def _about(record: Mapping[str, Any]) -> str:
    return (
        "F1 is the mean over images; what is found within "
        f"{1e3 * NEAR_NM:.0f} pm of an adatom is that adatom. Errors are mean distances on adatoms "
        "that both have found. The classical detector levels the lines, looks for maxima of the "
        "response to a Gaussian on a constant background, and refines them by parabolas; its "
        f"width, reach, threshold and lag are chosen for each line on {record['effort']['judges']} "
        "validation images taken the same way, while the network is the same in all lines; "
        f"{record['effort']['images']} test images each, the same for both; 95% intervals of "
        "paired differences. Bold: one is better than the other (95%)."
    )


def _named(one: Mapping[str, Any]) -> str:
    return f"{one['name']} (never seen)" if one["unseen"] else one["name"]


def _contest(record: Mapping[str, Any]) -> list[tuple[str, ...]]:
    head = (
        "images",
        "network: F1, precision, recall",
        "classical: F1, precision, recall",
        "F1 better by",
        "error of network, pm",
        "error of classical, pm",
        "better by, pm",
    )
    rows: list[tuple[str, ...]] = [head]
    for one in record["conditions"]:
        scores = [
            f"{each['f1']['value']:.3f}, {each['precision']:.3f}, {each['recall']:.3f}"
            for each in (one["network"], one["classical"])
        ]
        errors = [
            f"{each['error_pm']['value']:.1f}" if each["error_pm"] else "–"
            for each in (one["network"], one["classical"])
        ]
        nearer = one["gain"].get("error_pm")
        rows.append(
            (
                _named(one),
                *scores,
                _bold(Estimate(**one["gain"]["f1"]), 3),
                *errors,
                _bold(Estimate(**nearer), 1) if nearer else "–",
            )
        )
    return rows


def _bold(gain: Estimate, digits: int) -> str:
    text = written(gain, digits)
    return f"**{text}**" if gain.above_zero or gain.below_zero else text


def _trusted(record: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("images", "stated", "found")]
    for name, one in record["calibration"].items():
        for each in one["bins"]:
            share = written(Estimate(**each["found"]), 3)
            rows.append((name, f"adatom: {each['stated']:.3f}", f"{share} of {each['spots']:,}"))
        for stated, each in zip(record["stated"], one["cover"], strict=True):
            rows.append((name, f"error: {stated:.0%}", written(Estimate(**each), 3)))
    return rows


def _views(record: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("", "return", "less that with `model`")]
    for env_id, one in record["views"].items():
        for name, value in one["returns"].items():
            gain = one["gain"].get(name)
            rows.append(
                (
                    f"`{env_id}`, `{name}`",
                    written(Estimate(**value), 3),
                    _bold(Estimate(**gain), 3) if gain else "",
                )
            )
        text = _bold(Estimate(**one["network_gain"]), 3)
        rows.append((f"`{env_id}`, `neural` less `classical`", "", text))
    return rows


SUBJECT = ModelCard(
    env_id="STM-v0",
    title="The detector of adatoms of STM-v0",
    what=_WHAT,
    picture=(
        "Images with their adatoms and what two detectors find",
        "Three test images under each of four sets of conditions. Green circles: adatoms. Blue "
        "dots: what the network finds. White crosses: the classical detector, tuned for the "
        "conditions.",
    ),
    trained=_TRAINED,
    limits=_LIMITS,
    page="adatoms.md",
    picture_file="adatoms.png",
    record=RECORD.name,
    made=lambda: made_from(NETWORK.shipped_file),
    facts=_facts,
    results=_results,
    metrics=_metrics,
)
