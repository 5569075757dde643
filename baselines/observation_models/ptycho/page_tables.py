"""Tables of the network's page, from its record."""

from collections.abc import Mapping
from typing import Any

from microgym.baselines.evaluation.statistics import Estimate
from microgym.baselines.observation_models.ptycho.classical import Recipe
from microgym.baselines.observation_models.ptycho.evaluate import CLAIMED, claimed
from microgym.baselines.reporting.formatting import markdown, written


def verdict(record: Mapping[str, Any]) -> str:
    """What is claimed, and where it does not hold family by family."""
    rows: list[tuple[str, ...]] = [
        (f"up to {CLAIMED:,.0f} photons an exposure", "network better by")
    ]
    rows += [(name, written(gain, 3)) for name, gain in claimed(record)]
    lost = [
        f"{named(one)} at {one['photons']:,.0f} photons"
        for one in record["claims"]
        if one["photons"] <= CLAIMED and not estimate_of(one["lit"]["gain"]).above_zero
    ]
    said = f"There it does not win on {', '.join(lost)}." if lost else "There it wins on each."
    return f"{markdown(rows)}\n\n{said}"


def regime(record: Mapping[str, Any], area: str) -> str:
    """Families and doses of the claim, on "lit" pixels or the whole "region", as Markdown."""
    head = ("specimens", "photons", "vacuum", "running", "classical, best", "network",
            "network better by", "better is")  # fmt: skip
    rows: list[tuple[str, ...]] = [head]
    for one in record["claims"]:
        errors, gain = one[area]["errors"], estimate_of(one[area]["gain"])
        recipe = f" ({Recipe.from_record(one['recipe']).told()})" if area == "lit" else ""
        rows.append(
            (
                named(one),
                f"{one['photons']:,.0f}",
                *(f"{errors[name]['value']:.3f}" for name in ("vacuum", "running")),
                f"{errors['tuned']['value']:.3f}{recipe}",
                f"{errors['network']['value']:.3f}",
                written(gain, 3),
                _winner(gain),
            )
        )
    return markdown(rows)


def rows_of_table(record: Mapping[str, Any]) -> str:
    """The table over dose, overlap, drift and probe, as Markdown."""
    head = ("specimens", "photons", "overlap", "drift", "defocus error", "network", "running",
            "equal time", "better by", "better is", "best", "50 sweeps")  # fmt: skip
    rows: list[tuple[str, ...]] = [head]
    for one in record["table"]["rows"]:
        errors, ratio = one["errors"], one["time_ratio"]
        gain = estimate_of(one["gain"])
        rows.append(
            (
                f"`{one['family']}`",
                f"{one['photons']:,.0f}",
                f"{one['overlap']:.0%} ({one['exposures']})",
                one["drift"],
                f"{one['defocus_error']:.0%}",
                *(f"{errors[name]['value']:.3f}" for name in ("network", "running", "equal_time")),
                written(gain, 3),
                _winner(gain),
                _best(one),
                f"{errors['converged']['value']:.3f} ({ratio['converged']:.1f})",
            )
        )
    return markdown(rows)


def _best(one: Mapping[str, Any]) -> str:
    """The best classical error of a row; bold where the network loses to it."""
    value = f"{one['errors']['tuned']['value']:.3f}"
    mark = "**" if estimate_of(one["gain_tuned"]).below_zero else ""
    return f"{mark}{value}{mark} ({one['time_ratio']['tuned']:.1f})"


def coverage_rows(record: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Stated and found coverage, as rows of a table."""
    found = record["coverage"]
    rows: list[tuple[str, ...]] = [
        ("scans", "conditions", *(f"stated {one:.0%}" for one in found["stated"]))
    ]

    def add(name: str, one: Mapping[str, Any]) -> None:
        cells = (written(_percent(estimate_of(each)), 1) for each in one["found"])
        rows.append((name, str(one["conditions"]), *cells))

    add("test specimens of learnt families", found["test"])
    for name, one in found["unseen"].items():
        add(f"`{name}`, never seen", one)
    for name, one in found["by_family"].items():
        add(f"`{name}`", one)
    for one in found["by_dose"]:
        add(f"{one['from']:,.0f} to {one['to']:,.0f} photons", one)
    return rows


def farthest(record: Mapping[str, Any]) -> float:
    """Largest difference of stated and found coverage of one family, points."""
    found = record["coverage"]
    families = (*found["by_family"].values(), *found["unseen"].values())
    return 100 * max(
        abs(each["value"] - stated)
        for one in families
        for stated, each in zip(found["stated"], one["found"], strict=True)
    )


def named(one: Mapping[str, Any]) -> str:
    """The family of a claim, and whether the network never saw it."""
    return f"`{one['family']}`" + (" (never seen)" if one["unseen"] else "")


def _winner(gain: Estimate) -> str:
    if gain.above_zero:
        return "network"
    return "**classical**" if gain.below_zero else "neither"


def estimate_of(found: Mapping[str, Any]) -> Estimate:
    """An estimate that a record holds."""
    return Estimate(float(found["value"]), float(found["low"]), float(found["high"]))


def _percent(one: Estimate) -> Estimate:
    return Estimate(100 * one.value, 100 * one.low, 100 * one.high)
