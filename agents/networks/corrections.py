"""A small network that corrects an operator's drags."""

from collections.abc import Sequence
from typing import Any

from microgym.agents.choices import Interpreter
from microgym.agents.corrections import HISTORY, Corrections, proposals_within
from microgym.agents.networks.features import FeatureNet


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

    def interpreter(self, env_id: str) -> Interpreter:
        """The operator whom it corrects."""
        return Corrections(proposals_within(env_id, self.width), self.history)
