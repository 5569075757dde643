"""A small network that corrects an operator's drags."""

from collections.abc import Sequence
from typing import Any

from microgym.agents.networks.features import FeatureNet

HISTORY = "history"
"""Part of the observation that it reads."""


class CorrectionNet(FeatureNet):
    """Fully connected layers over the last decisions; one correction a component of the action.

    Args:
        history: decisions that it sees.
        width: numbers of each.
        components: of the action.
        hidden: widths of the layers between.
    """

    kind = "corrections"

    def __init__(self, history: int, width: int, components: int, hidden: Sequence[int]) -> None:
        ends = [-1.0] * components, [1.0] * components
        super().__init__({HISTORY: [history * width]}, hidden, "box", *ends)
        self.history, self.width, self.components = history, width, components

    def sizes(self) -> dict[str, Any]:
        """Arguments of this network."""
        return {name: getattr(self, name) for name in ("history", "width", "components", "hidden")}
