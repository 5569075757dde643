"""Files of results, and the provenance that makes a result reproducible."""

import functools
import json
import math
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import is_dataclass
from importlib import metadata
from pathlib import Path
from types import UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints

import microgym
from microgym.atomic_io import write_atomically

PACKAGES = ("numpy", "numba", "gymnasium", "torch", "stable-baselines3")
"""Packages whose versions can change a number."""

RESULTS = Path(__file__).parents[1] / "results"
"""Folder of the committed records: `<env>.json` and `<env>.small.json`."""


def check_writable(path: Path) -> Path:
    """Check before long work that its result can be written; the path again.

    Raises:
        OSError: it is a folder, or its folder cannot be made or written to.
    """
    if path.is_dir():
        raise IsADirectoryError(f"cannot write {path}: it is a folder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror or error}") from error
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(f"cannot write {path}: it is write-protected")
    return path


def to_json(value: Any, *, indent: int | None = None) -> str:
    """JSON text, in which null replaces numbers that are not finite.

    Args:
        value: dicts, sequences, strings, paths, numbers, NumPy numbers and arrays.
        indent: as in `json.dumps`.
    """
    return json.dumps(_plain(value), indent=indent, allow_nan=False, ensure_ascii=False)


def write_json(path: Path, value: Any) -> Path:
    """Write a value as indented JSON, as `to_json` and `write_atomically` do."""
    return write_atomically(path, to_json(value, indent=1) + "\n")


def read_record(path: Path) -> dict[str, Any]:
    """Read a record written by `microgym reproduce --write`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is not a JSON object.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no record at {path}: make one with microgym reproduce --write")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not a record: {error}") from error
    if not isinstance(record, dict):
        raise ValueError(f"{path} is not a record: it holds no JSON object")
    return cast("dict[str, Any]", record)


def from_plain(kind: Any, value: Any) -> Any:
    """Value of an annotated type from its record, as `dataclasses.asdict` and JSON made it.

    Args:
        kind: a dataclass, `tuple[T, ...]`, `Mapping[K, T]`, a union of plain types or of
            a dataclass and None, or a plain type.
        value: read from JSON or TOML; null stands for NaN where a float is wanted.

    Raises:
        KeyError, TypeError: a field that is unknown or missing.
    """
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return cast("Any", kind)(**{k: from_plain(hints[k], one) for k, one in value.items()})
    arguments = get_args(kind)
    if get_origin(kind) is UnionType:
        known = is_dataclass(arguments[0]) and value is not None
        return from_plain(arguments[0], value) if known else value
    if get_origin(kind) is tuple:
        return tuple(from_plain(arguments[0], one) for one in value)
    if get_origin(kind) is Mapping:
        key, item = arguments
        return {from_plain(key, k): from_plain(item, one) for k, one in value.items()}
    if kind is float:
        return math.nan if value is None else float(value)
    return int(value) if kind is int else value


def provenance(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Command, commit, machine, package versions and date of a result.

    Args:
        arguments: of the command `microgym`; None takes those of the process.

    Returns:
        "command", "commit", "date", "machine" and "packages"; no host or user name, no path.
    """
    words = sys.argv[1:] if arguments is None else arguments
    return {
        "command": shlex.join(["microgym", *words]),
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine(),
        "packages": versions(),
    }


@functools.cache
def behaviour(env_id: str, **arguments: Any) -> str:
    """Fingerprint of an episode of random actions in an environment as it is now.

    Args:
        env_id: the environment.
        **arguments: it is made with.
    """
    # Commands that only list and help load neither Gymnasium nor Numba.
    import gymnasium as gym

    from microgym.envs.core.comparison import fingerprint
    from microgym.envs.core.testing import rollout

    with closing(gym.make(env_id, **arguments)) as env:
        return fingerprint(rollout(env, seed=0))


def origin(env_id: str) -> dict[str, Any]:
    """The environment of a result, how it behaves now, and the `provenance`."""
    return {"env": env_id, "behaviour": behaviour(env_id), **provenance()}


def is_current(record: Mapping[str, Any]) -> bool:
    """Whether the environment of a record still behaves as it did when that was measured."""
    return "behaviour" in record and record["behaviour"] == behaviour(record["env"])


def machine() -> dict[str, Any]:
    """Processor, cores, system and Python version."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Versions of this package and of `PACKAGES`."""
    found = {"microgym": microgym.__version__}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def commit() -> str | None:
    """Git commit of the source, with "+" if tracked files are changed; None outside git."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return None
    words = ["git", "describe", "--always", "--exclude=*", "--abbrev=40", "--dirty=+"]
    try:
        done = subprocess.run(
            words, cwd=folder, capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in cast("Mapping[Any, Any]", value).items()}
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(one) for one in cast("Sequence[Any]", value)]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    names = [line.split(":", 1)[1] for line in text.splitlines() if line.startswith("model name")]
    return " ".join((names[0] if names else platform.processor() or "unknown").split())
