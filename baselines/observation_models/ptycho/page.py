"""Text, tables and picture of the network's page and card."""

import numpy as np

from microgym.baselines.observation_models.evaluate import estimate, found_shares
from microgym.baselines.observation_models.figure import ImageRow, colored_planes, image_grid
from microgym.baselines.observation_models.page import (
    comparison_cells,
    coverage_card_rows,
    coverage_table,
    family_cell,
    values_of,
    verdict_table,
    winner,
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
from microgym.baselines.reporting.formatting import markdown, written
from microgym.reconstruction.nn.network import Weights


def sections(record: Record) -> list[str]:
    """The sections about results, paragraph by paragraph."""
    claims, coverage, times = record["claims"], record["coverage"], record["table"]["times_us"]
    lost = [
        f"{family_cell(one)} at {one['photons']:,.0f} photons"
        for one in claims
        if one["photons"] <= CLAIMED and not estimate(one["lit"]["gain"]).above_zero
    ]
    doses = [
        (f"{one['from']:,.0f} to {one['to']:,.0f} photons", one) for one in coverage["by_dose"]
    ]
    families = (*coverage["by_family"].values(), *coverage["unseen"].values())
    farthest = 100 * max(
        abs(each["value"] - stated)
        for one in families
        for stated, each in zip(coverage["stated"], one["found"], strict=True)
    )
    return [
        "## Where it wins, and where not",
        "E0 is the relative error of the complex image after the best complex factor (less is "
        f"better), on pixels that had at least {LIT:g} photon. Scans of 24 exposures on Halton's "
        "sequence, about 26 px apart under a probe of 25 px, drift `easy`, no damage. `vacuum` is "
        'the empty field; `running` is what `reconstructor="classical"` shows at the end; '
        "`classical, best` is rPIE with settings and number of sweeps tuned on validation "
        f"specimens, of at most {max(STOPS)} sweeps (where that is best, more may be better "
        f"still); {claims[0]['specimens']} test specimens, "
        "the same for all; 95% intervals of paired differences.",
        verdict_table(claimed(record), f"up to {CLAIMED:,.0f} photons an exposure"),
        f"There it does not win on {', '.join(lost)}." if lost else "There it wins on each.",
        _claims(record, "lit"),
        "Over the whole region, dark parts included:",
        _claims(record, "region"),
        "## Dose, overlap, drift, probe",
        f"E0 on lit pixels, {record['effort']['rows']} test specimens in each row. Jittered "
        "rasters over 100 x 100 px: less overlap means fewer exposures. An estimate of the network "
        f"takes {times['network'] / 1e3:.2f} ms, an iteration on one exposure "
        f"{times['update']:.0f} µs; "
        "`equal time` is the best classical solver that takes no longer than the running "
        f"reconstruction and the network together, `best` that of at most {max(TABLE_STOPS)} "
        "sweeps (both tuned on validation specimens without drift and error), `50 sweeps` lets "
        "the step fall. In brackets: processor time over that of the network's way. Bold: better "
        "than the network (95%).",
        _table(record),
        "## Its uncertainty",
        "Part of lit pixels whose error stays below what is stated; means over scans, with 95% "
        "intervals over sets of conditions. On single families it is off by as much as "
        f"{farthest:.0f} points: true on the whole, not for each kind of specimen.",
        coverage_table(coverage, "scans", doses),
        "## A recorded scan at a tenth of its dose",
        *_star(record["star"]),
    ]


def metrics(record: Record) -> Rows:
    """Rows of the card about the results."""
    rows: Rows = []
    for one in record["claims"]:
        if one["photons"] <= CLAIMED:
            values, gain = values_of(one["lit"]["errors"]), estimate(one["lit"]["gain"])
            cell = (
                f"{values['network']}; best classical {values['tuned']}; better by "
                f"{written(gain, 3)}"
            )
            rows.append((f"E0, {family_cell(one)}, {one['photons']:,.0f} photons", cell))
    coverage = record["coverage"]
    return rows + coverage_card_rows(coverage["stated"], found_shares(coverage))


def _claims(record: Record, area: str) -> str:
    """Families and doses of the claim, on "lit" pixels or the whole "region"."""
    head = ("specimens", "photons", "vacuum", "running", "classical, best", "network",
            "network better by", "better is")  # fmt: skip
    rows = [
        (
            family_cell(one),
            f"{one['photons']:,.0f}",
            *comparison_cells(one[area], head[2:4], _settings(one) if area == "lit" else ""),
        )
        for one in record["claims"]
    ]
    return markdown([head, *rows])


def _settings(one: Record) -> str:
    return SolverSettings.from_record(one["recipe"]).describe()


def _table(record: Record) -> str:
    """The table over dose, overlap, drift and probe; bold where the network loses to the best."""
    head = ("specimens", "photons", "overlap", "drift", "defocus error", "network", "running",
            "equal time", "better by", "better is", "best", "50 sweeps")  # fmt: skip

    def row(one: Record) -> tuple[str, ...]:
        values, ratio, gain = values_of(one["errors"]), one["time_ratio"], estimate(one["gain"])
        mark = "**" if estimate(one["gain_tuned"]).below_zero else ""
        return (
            f"`{one['family']}`",
            f"{one['photons']:,.0f}",
            f"{one['overlap']:.0%} ({one['exposures']})",
            one["drift"],
            f"{one['defocus_error']:.0%}",
            *(values[name] for name in ("network", "running", "equal_time")),
            written(gain, 3),
            winner(gain),
            f"{mark}{values['tuned']}{mark} ({ratio['tuned']:.1f})",
            f"{values['converged']} ({ratio['converged']:.1f})",
        )

    return markdown([head, *map(row, record["table"]["rows"])])


def _star(star: Record | None) -> list[str]:
    if star is None:
        return ["The recording was not at hand when the record was made."]
    text = (
        f"`{star['recording']}`, every count kept with a chance of {star['share']:g}; E0 without "
        "phase ramp against the reconstruction from all exposures at full dose, on the part of "
        "the star that was lit. Probe, pixel and specimen are not among those of the training. The "
        "classical settings are the best in hindsight. One scan each, hence no interval."
    )
    head = ("exposures", "vacuum", "running", "network", "running, 5 sweeps",
            "network, 5 sweeps", "classical, best")  # fmt: skip

    def row(one: Record) -> tuple[str, ...]:
        values = {name: f"{error:.3f}" for name, error in one["errors"].items()}
        names = ("vacuum", "running_0", "network_0", "running_5", "network_5")
        best = f"{values['tuned']} ({_settings(one)})"
        return (str(one["exposures"]), *(values[name] for name in names), best)

    return [text, markdown([head, *map(row, star["scans"])])]


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
    rows = [_pictures(weights, photons, settings[photons]) for photons in SHOWN_DOSES]
    return image_grid(columns, rows, 2 * REGION)


def _pictures(weights: Weights, photons: float, settings: SolverSettings) -> ImageRow:
    conditions = Conditions(FAMILY, "test", SCAN, photons, drift="easy")
    scans = take(conditions, np.array([SEED]), halton_places(SCAN))
    image, sigma = restore(weights, scans.inputs[INPUT_SWEEPS[-1]])
    truth = scans.truth[0]
    top = float(np.quantile(np.abs(truth - 1.0), 0.99))
    contrasts = [np.abs(one - 1.0) for one in (truth, image_of(scans, settings)[0], image[0])]
    errors = [sigma[0], np.abs(image[0] - truth)]
    planes = [*colored_planes(contrasts, 0.0, top), *colored_planes(errors, 0.0, 0.7 * top)]
    return f"{photons:,.0f}", "photons", planes
