"""What the arguments of all tasks have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

LEVELS = ("off", "easy", "real", "hard")
"""Of a switch that makes a task harder."""


@dataclass(frozen=True)
class Config:
    """Everything a user may choose of an environment; a task's own is derived from this.

    Attributes:
        env_id: the environment, as errors name it.
    """

    env_id: ClassVar[str]

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Self:
        """Check keyword arguments by name and by value.

        Args:
            given: what the user passed to `gymnasium.make`.

        Returns:
            The arguments.

        Raises:
            TypeError: an unknown name (with the list of known ones) or a value of the wrong type.
            ValueError: a value out of range.
        """
        known = tuple(f.name for f in fields(cls))
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise TypeError(f"{cls.env_id} has no arguments {unknown}; it has {sorted(known)}")
        make: Any = cls
        return make(**given)
