"""Base of the simulated instruments."""

import copy
from typing import Any, Generic, Protocol, Self, TypeVar

from microgym.state import Int64, Uint32, allocate, clear
from microgym.validation import integer


class Settings(Protocol):
    """Settings of an instrument."""

    @property
    def parameters(self) -> Any:
        """The settings as kernels take them."""
        ...


SettingsT = TypeVar("SettingsT", bound=Settings)
StateT = TypeVar("StateT", bound=tuple[Any, ...])


class Instrument(Generic[SettingsT, StateT]):
    """N instruments of one kind.

    Methods act on the listed `rows` of the state, (k,) int64. Arrays of controls have a leading
    axis N and are read in these rows; arrays of specimens have a leading axis k. The first method,
    `reset`, begins episodes from their keys, (k, 2) uint32, on specimens of a family and one of
    `microgym.specimens.splits.SPLITS`.

    Args:
        kind: class of the state.
        num_envs: N.
        settings: of the instrument; their `parameters` are what kernels read.
        **sizes: lengths of the axes that the state names.

    Attributes:
        num_envs, settings: as given.
        parameters: numbers and tables of the settings, as kernels take them.
        state: all that changes.
    """

    def __init__(
        self, kind: type[StateT], num_envs: int, settings: SettingsT, **sizes: int
    ) -> None:
        self.num_envs = integer("num_envs", num_envs, 1, 1 << 16)
        self.tune(settings)
        self.state = allocate(kind, self.num_envs, **sizes)

    def tune(self, settings: SettingsT) -> None:
        """Set all that follows from settings, but the state."""
        self.settings = settings
        self.parameters = settings.parameters

    def tuned(self, settings: SettingsT) -> Self:
        """The same instruments, with the same state, by other settings."""
        other = copy.copy(self)
        other.tune(settings)
        return other

    def begin(self, rows: Int64, keys: Uint32) -> None:
        """Clear the listed rows, and give them the keys of their episodes, (k, 2) uint32."""
        state: Any = self.state
        clear(state, rows)
        state.keys[rows] = keys
