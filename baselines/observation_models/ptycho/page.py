"""Page and card of the network, made from its record and from what its file says."""

from collections.abc import Mapping
from typing import Any

from microgym.baselines.observation_models.model_card import ModelCard, Rows, covered, training_rows
from microgym.baselines.observation_models.ptycho.build import VALIDATION, made_from
from microgym.baselines.observation_models.ptycho.classical import STOPS, Recipe
from microgym.baselines.observation_models.ptycho.dataset import LEARNT
from microgym.baselines.observation_models.ptycho.evaluate import CLAIMED, RECORD
from microgym.baselines.observation_models.ptycho.inputs import LIT
from microgym.baselines.observation_models.ptycho.page_tables import (
    coverage_rows,
    estimate_of,
    farthest,
    named,
    regime,
    rows_of_table,
    verdict,
)
from microgym.baselines.observation_models.ptycho.robustness import TABLE_STOPS
from microgym.baselines.reporting.formatting import markdown, written
from microgym.reconstruction.ptychography.neural import NETWORK
from microgym.specimens.splits import HELD_OUT

_WHAT = """\
While a scan runs, `Ptycho-v0` shows a reconstruction of what has been measured so far. With
`reconstructor="neural"` a small network looks at the running classical estimate, and at how many
photons each pixel has had, and shows a restored image with the standard deviation of its error.
It does not replace the reconstruction: rewards and metrics are those of the classical estimate."""
_TRAINED = """\
It was trained without true images, in the manner of PtychoPINN (Hoidn, Mishra and Mehta, Sci. Rep.
13, 22789, 2023): what it restores must predict the photon counts of further exposures of the same
specimen, by Poisson likelihood through the physics of the microscope. That the counts are others
than those it was shown keeps it from learning their noise (Batson and Royer, arXiv 1901.11365).
Such exposures are simulated. What they scatter out of the direct beam counts by its pattern, not by
its power: power grows with any contrast, right or wrong, and would reward detail that is not there.
Only the uncertainty is learnt from true errors, and by layers that
cannot change the image; it is then scaled on validation specimens."""
_LIMITS = (
    "It knows simulated specimens only, a field of 128 px with the zone plate of `Ptycho-v0`, its "
    "numerical aperture varied by about a third and its defocus by about a half, 500 to a million "
    "photons and 8 to 48 exposures. All else, such as a recorded scan, is extrapolation.",
    "It restores what specimens of its families look like. Detail that a specimen has and they do "
    "not may be smoothed away, and detail that they have may be drawn where there is none: the "
    "uncertainty is true on average over pixels and scans, not for each pixel.",
    "With many photons or much overlap a classical solver that may run to its end is better. It "
    "is the right tool when a scan is over.",
    "Positions and probe are taken as the operator believes them to be. Classical solvers that "
    "refine them were not compared.",
)


def _results(record: Mapping[str, Any]) -> list[str]:
    """The sections about what was measured, paragraph by paragraph."""
    return [
        "## Where it wins, and where not",
        _about(record),
        verdict(record),
        regime(record, "lit"),
        "Over the whole region, dark parts included:",
        regime(record, "region"),
        "## Dose, overlap, drift, probe",
        _table_text(record),
        rows_of_table(record),
        "## Its uncertainty",
        "Part of lit pixels whose error stays below what is stated; means over scans, with 95% "
        "intervals over sets of conditions. On single families it is off by as much as "
        f"{farthest(record):.0f} points: true on the whole, not for each kind of specimen.",
        markdown(coverage_rows(record)),
        "## A recorded scan at a tenth of its dose",
        _star(record),
    ]


def _metrics(record: Mapping[str, Any]) -> Rows:
    """What the card tells of the results."""
    return [
        (f"E0, {named(one)}, {one['photons']:,.0f} photons", _card_cell(one))
        for one in record["claims"]
        if one["photons"] <= CLAIMED
    ] + covered(record["coverage"])


def _facts(made: Mapping[str, Any], record: Mapping[str, Any] | None) -> Rows:
    """What it is, as rows of a table."""
    unseen = ", ".join(f"`{name}`" for name in HELD_OUT)
    rows = [
        ("network", ""),
        ("file", f"`{NETWORK.file}`, safetensors, {NETWORK.parameters:,} parameters"),
        ("sees", "the running estimate (real and imaginary part) and the photons of each pixel"),
        ("shows", "a complex image and the standard deviation of its error"),
        ("run by", "own kernels, without a deep-learning library; same bits for any batch"),
        (
            "data",
            f"{made['groups']} sets of random conditions (probe, its error, dose, places, drift, "
            f"damage), 8 training specimens each of {', '.join(f'`{n}`' for n in LEARNT)}; never "
            f"{unseen}; scaled on {VALIDATION} sets of validation specimens",
        ),
        *training_rows(made),
    ]
    if record is not None:
        took = record["table"]["times_us"]["network"] / 1e3
        rows.append(("cost", f"{took:.2f} ms a look on one core, {record['machine']['processor']}"))
    return rows


def _about(record: Mapping[str, Any]) -> str:
    return (
        "E0 is the relative error of the complex image after the best complex factor (less is "
        f"better), on pixels that had at least {LIT:g} photon. Scans of 24 exposures on Halton's "
        "sequence, about 26 px apart under a probe of 25 px, drift `easy`, no damage. `vacuum` is "
        'to know nothing; `running` is what `reconstructor="classical"` shows at the end; '
        "`classical, best` is rPIE with settings and number of sweeps tuned on validation "
        f"specimens, of at most {max(STOPS)} sweeps (where that is best, more may be better "
        f"still); {record['claims'][0]['specimens']} test specimens, "
        "the same for all; 95% intervals of paired differences."
    )


def _table_text(record: Mapping[str, Any]) -> str:
    times = record["table"]["times_us"]
    return (
        f"E0 on lit pixels, {record['effort']['rows']} test specimens in each row. Jittered "
        "rasters over 100 x 100 px: less overlap means fewer exposures. The network takes "
        f"{times['network'] / 1e3:.2f} ms, an iteration on one exposure {times['update']:.0f} µs; "
        "`equal time` is the best classical recipe that takes no longer than the running "
        f"reconstruction and the network together, `best` that of at most {max(TABLE_STOPS)} "
        "sweeps (both tuned on validation specimens without drift and error), `50 sweeps` lets "
        "the step fall. In brackets: processor time over that of the network's way. Bold: better "
        "than the network (95%)."
    )


def _star(record: Mapping[str, Any]) -> str:
    star = record["star"]
    if star is None:
        return "The recording was not at hand when the record was made."
    text = (
        f"`{star['recording']}`, every count kept with a chance of {star['share']:g}; E0 without "
        "phase ramp against the reconstruction from all exposures at full dose, on the part of "
        "the star that was lit. Probe, pixel and specimen are others than the network learnt "
        "with. The classical settings are the best in hindsight. One scan each, hence no interval."
    )
    head = ("exposures", "vacuum", "running", "network", "running, 5 sweeps",
            "network, 5 sweeps", "classical, best")  # fmt: skip
    rows: list[tuple[str, ...]] = [head]
    for one in star["scans"]:
        errors = one["errors"]
        names = ("vacuum", "running_0", "network_0", "running_5", "network_5")
        best = f"{errors['tuned']:.3f} ({Recipe.from_record(one['recipe']).told()})"
        rows.append((str(one["exposures"]), *(f"{errors[n]:.3f}" for n in names), best))
    return f"{text}\n\n{markdown(rows)}"


def _card_cell(one: Mapping[str, Any]) -> str:
    errors = one["lit"]["errors"]
    gain = written(estimate_of(one["lit"]["gain"]), 3)
    return (
        f"{errors['network']['value']:.3f}; best classical {errors['tuned']['value']:.3f}; "
        f"better by {gain}"
    )


SUBJECT = ModelCard(
    env_id="Ptycho-v0",
    title="The neural observation of Ptycho-v0",
    what=_WHAT,
    picture=(
        "Truth, classical reconstruction, network, its stated uncertainty and its true error at "
        "three doses",
        "Contrast of one unseen specimen after 24 exposures that hardly overlap. The classical "
        "image is the best that tuned settings give. Uncertainty and error are shown on one scale.",
    ),
    trained=_TRAINED,
    limits=_LIMITS,
    page="reconstructor.md",
    picture_file="reconstructor.png",
    record=RECORD.name,
    made=lambda: made_from(NETWORK.shipped_file),
    facts=_facts,
    results=_results,
    metrics=_metrics,
)
