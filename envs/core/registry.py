"""Registration of environments with Gymnasium, by strings, from their own packages.

`import microgym` loads every package of `microgym.envs`, and no physics: a package's `__init__`
registers its ids and imports nothing else.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Any

import gymnasium as gym

_ENTRIES: dict[str, "Entry"] = {}


@dataclass(frozen=True, slots=True)
class Entry:
    """One environment.

    Attributes:
        id: as users type it, such as "Ptycho-v0".
        package: `__name__` of its package, such as "microgym.envs.ptycho"; its folder's name is the
            same on every floor.
        name: stem of its classes in the package's module `env`, `<name>Env` and `<name>VectorEnv`.
        summary: one line for `microgym list`.
    """

    id: str
    package: str
    name: str
    summary: str

    @property
    def folder(self) -> str:
        """Name of the environment's folder on every floor, such as "ptycho"."""
        return self.package.rpartition(".")[2]

    @property
    def entry_point(self) -> str:
        """Entry point of the single environment."""
        return f"{self.package}.env:{self.name}Env"

    def load(self) -> Any:
        """Import the class of the single environment, which names its task."""
        return getattr(importlib.import_module(f"{self.package}.env"), f"{self.name}Env")


def register(env_id: str, package: str, name: str, summary: str) -> Entry:
    """Register one environment with Gymnasium; twice does no harm; arguments as of `Entry`."""
    entry = _ENTRIES[env_id] = Entry(env_id, package, name, summary)
    known = gym.registry.get(env_id)
    if known is None or known.entry_point != entry.entry_point:
        vector = f"{package}.env:{name}VectorEnv"
        gym.register(env_id, entry_point=entry.entry_point, vector_entry_point=vector)
    return entry


def register_all() -> None:
    """Register the environments of every package of `microgym.envs`."""
    package = importlib.import_module("microgym.envs")
    for module in pkgutil.iter_modules(package.__path__):
        if module.ispkg and module.name != "core":
            importlib.import_module(f"microgym.envs.{module.name}")


def entries() -> tuple[Entry, ...]:
    """Every environment of the package, by folder and then in the order of registration."""
    own = [one for one in _ENTRIES.values() if one.package.startswith("microgym.envs.")]
    return tuple(sorted(own, key=lambda one: one.folder))


def find(env_id: str) -> Entry:
    """Look an environment up.

    Args:
        env_id: "Ptycho-v0" or "microgym:Ptycho-v0".

    Raises:
        ValueError: no such environment.
    """
    bare = env_id.rpartition(":")[2]
    if bare not in _ENTRIES:
        raise ValueError(f"no environment {env_id!r}; there are {[one.id for one in entries()]}")
    return _ENTRIES[bare]
