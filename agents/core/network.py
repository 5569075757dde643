"""What all networks that decide have in common."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from microgym.agents.core.policy_adapter import IdentityAdapter, PolicyAdapter


class Network(nn.Module):
    """A network that can be stored, had again, and asked what to do.

    Attributes:
        kind: name of the class in stored policies and in training configurations.
        reads: names of the parts of the observation that it looks at.
    """

    kind: ClassVar[str]
    reads: tuple[str, ...]

    @abstractmethod
    def sizes(self) -> dict[str, Any]:
        """Arguments that make a network of this shape, as JSON holds them."""

    def interpreter(self, env_id: str) -> PolicyAdapter:
        """What stands between it and an environment: nothing, if nothing else is said."""
        return IdentityAdapter(env_id, self.reads)

    @abstractmethod
    def decide(self, observation: Mapping[str, Tensor]) -> Tensor:
        """The most probable action in each of B environments.

        Args:
            observation: the parts in `reads`, each (B, ...), float32.

        Returns:
            (B, ...) in the action space that the network was trained in.
        """
