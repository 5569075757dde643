"""Declared metrics: facts of an episode that frames, `info` and reports show."""

from dataclasses import dataclass

GROUPS = ("metrics", "ledger", "cost_terms")
DIRECTIONS = ("higher", "lower", "")


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that stands beside the return of every policy.

    Attributes:
        name: its key in `info`.
        label: what it is, in words that stand at the head of a column.
        unit: of the number; empty for a pure number.
        better: "higher" or "lower"; empty for what is neither, such as the time taken.
        group: part of `info` that holds it: "metrics" or "ledger", of which the last value of the
            episode counts, or "cost_terms", which are summed over it.
        report: whether it is a column of reports.
        gauge: in frames, the value of a full gauge, or the task's attribute that holds it; None:
            no gauge.
        text: format of the gauge's text, of `value` and `full`.
    """

    name: str
    label: str
    unit: str = ""
    better: str = "lower"
    group: str = "metrics"
    report: bool = True
    gauge: float | str | None = None
    text: str = "{value:.0%}"

    def __post_init__(self) -> None:
        for what, value, known in (
            ("group", self.group, GROUPS),
            ("better", self.better, DIRECTIONS),
        ):
            if value not in known:
                raise ValueError(f"{what} must be one of {known}, got {value!r}")
