"""What an episode has led to besides its return: which facts of its end belong in every report."""

from dataclasses import dataclass

GROUPS = ("metrics", "ledger", "cost_terms")
DIRECTIONS = ("higher", "lower", "")


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that stands beside the score of every policy.

    Attributes:
        group: where `info` tells it: "metrics" or "ledger", of which the last value of the episode
            counts, or "cost_terms", which are summed over it.
        name: its key there.
        label: what it is, in words that stand at the head of a column.
        unit: of the number; empty for a number without one.
        better: "higher" or "lower"; empty for what is neither, such as the time taken.
    """

    group: str
    name: str
    label: str
    unit: str = ""
    better: str = "lower"

    def __post_init__(self) -> None:
        for what, value, known in (
            ("group", self.group, GROUPS),
            ("better", self.better, DIRECTIONS),
        ):
            if value not in known:
                raise ValueError(f"{what} must be one of {known}, got {value!r}")
