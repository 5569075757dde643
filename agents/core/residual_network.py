"""A small network that corrects an operator's drags."""

from collections.abc import Sequence
from typing import Any

from microgym.agents.core.mlp_network import MLPPolicyNet
from microgym.agents.core.policy_adapter import PolicyAdapter
from microgym.agents.core.residual import HISTORY, ResidualController, proposals_within


class ResidualPolicyNet(MLPPolicyNet):
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

    def interpreter(self, env_id: str) -> PolicyAdapter:
        """The operator whom it corrects."""
        return ResidualController(proposals_within(env_id, self.width), self.history)
