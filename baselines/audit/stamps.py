"""Stamps of what kept results depend on, so that they hold until it changes."""

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from microgym.agents.core.config import agent_folder
from microgym.baselines.evaluation.records import behaviour
from microgym.envs.core.registry import entries

_HERE = Path(__file__).parent
_KINDS = (".py", ".toml", ".safetensors")


def of_results(env_id: str, settings: Iterable[Mapping[str, Any]]) -> str:
    """Stamp of results of agents: behaviour of the environment, its agents, and the audit.

    Args:
        env_id: the environment.
        settings: arguments under which it is played.
    """
    played = [behaviour(env_id, **words) for words in settings]
    folder = agent_folder(env_id)
    others = {entry.id for entry in entries()} - {env_id}
    own = [file for file in folder.rglob("*") if file.name.partition(".")[0] not in others]
    return _digest(*played, *map(_content, [*own, *folder.parent.glob("core/*.py"), *_sources()]))


def of_search(env_id: str, words: Mapping[str, Any], given: Any) -> str:
    """Stamp of a search of open-loop sequences.

    Args:
        env_id: the environment.
        words: its arguments.
        given: what the search begins with.
    """
    sources = [_HERE / f"{name}.py" for name in ("blind", "search", "play", "policies")]
    return _digest(behaviour(env_id, **words), repr(given), *map(_content, sources))


def of_training(env_id: str, words: Mapping[str, Any], table: Mapping[str, Any]) -> str:
    """Stamp of a training: behaviour of the environment, the declaration, and the policy's source.

    Args:
        env_id: the environment.
        words: its arguments in the training.
        table: of the algorithm, "plain" of the configuration.
    """
    sources = [_HERE / f"{name}.py" for name in ("learners", "training")]
    module, _, policy = table.get("policy", "").partition(":")
    if policy:
        names = {getattr(one, "__module__", "") for one in vars(resolve_name(module)).values()}
        own = {module, *(name for name in names if f"{name}".startswith("microgym.agents."))}
        sources += [Path(resolve_name(name).__file__) for name in own]
    rest = {name: value for name, value in table.items() if name != "minutes"}
    return _digest(behaviour(env_id, **words), repr(rest), *map(_content, sources))


@cache
def _sources() -> tuple[Path, ...]:
    return tuple(_HERE.glob("*.py"))


@cache
def _content(file: Path) -> str:
    """Digest of a file's name and content; empty for a folder, and for other kinds of files."""
    if file.suffix not in _KINDS or not file.is_file():
        return ""
    return f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(sorted(filter(None, parts))).encode()).hexdigest()[:16]
