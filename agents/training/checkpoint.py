"""Checkpoints of a training run on disk: what a run that was killed is continued from.

A checkpoint is one uncompressed npz file: named arrays, and as UTF-8 JSON whatever is no array. No
part of it can run code when it is loaded, each part has the CRC-32 of its content, and the name
tells the step: `checkpoint-000000018432.npz`. The two latest are kept, so that a disk that spoils
the last one costs little.
"""

import fcntl
import json
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.training.atomic_io import remove_unfinished, replacing

FORMAT = "microgym-checkpoint-2"
"""Goes up whenever what is in a checkpoint changes."""

Arrays = dict[str, NDArray[Any]]

_FACTS, _ARRAYS = "facts", "arrays/"
_PATTERN = "checkpoint-*.npz"
_NAMED = {"env": "environment", "seed": "seed", "version": "microgym version"}
# What reading a file that is not what it should be can end in, within zipfile and NumPy.
_BROKEN = (
    EOFError,
    KeyError,
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Checkpoint:
    """Where a training run stood.

    Attributes:
        step: decisions learnt from.
        run: which run it is: environment, seed, steps and settings; JSON-able.
        finished: nothing is left to do.
        facts: what is no array; JSON-able, and NaN is allowed.
        arrays: the rest, without objects.
    """

    step: int
    run: Mapping[str, Any]
    finished: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@contextmanager
def claimed(folder: Path) -> Generator[None]:
    """Keep a folder for one training at a time; the claim ends with the process.

    Args:
        folder: of the run.

    Raises:
        ValueError: another process is training there.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"another process is training in {folder}") from None
        except OSError:
            pass  # A file system without locks.
        else:
            remove_unfinished(folder)
        yield
    finally:
        os.close(descriptor)


class CheckpointStore:
    """The checkpoints in the folder of a run.

    Args:
        folder: which exists.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sound: Path | None = None

    def newest(self) -> Checkpoint | None:
        """The latest checkpoint that can be read.

        Where a later one is damaged, a `RuntimeWarning` names it.

        Returns:
            The checkpoint; None if there are none.

        Raises:
            ValueError: there are some, and all are damaged; or it is of another format.
        """
        damaged: list[str] = []
        for path in sorted(self._folder.glob(_PATTERN), reverse=True):
            try:
                found = read_checkpoint(path)
            except DamagedError as error:
                damaged.append(str(error))
                continue
            for message in damaged:
                warnings.warn(f"{message}; going on from {path.name}", RuntimeWarning, stacklevel=2)
            self._sound = path
            return found
        if damaged:
            raise ValueError(f"no checkpoint can be read: {'; '.join(damaged)}")
        return None

    def write(self, checkpoint: Checkpoint) -> Path:
        """Keep a checkpoint; when this returns, it is on the disk.

        The one before is kept too, unless the run is finished; all others are removed, and so are
        those of a finished run that was here before.

        Args:
            checkpoint: of the run that the folder belongs to.

        Returns:
            Its path.

        Raises:
            OSError: it cannot be written; the last one is still there.
        """
        path = self._folder / f"checkpoint-{checkpoint.step:012d}.npz"
        write_checkpoint(path, checkpoint)
        before = self._sound
        kept = {path} if checkpoint.finished or not before or before > path else {path, before}
        for old in self._folder.glob(_PATTERN):
            if old not in kept:
                old.unlink(missing_ok=True)
        self._sound = path
        return path


class DamagedError(ValueError):
    """A file that is no checkpoint, or no longer a whole one."""


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write one checkpoint, whole or not at all.

    Args:
        path: of the file.
        checkpoint: what goes into it.

    Raises:
        TypeError: an array holds Python objects.
        OSError: it cannot be written; what was there before is still there.
    """
    for name, array in checkpoint.arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"arrays[{name!r}] holds objects, which a checkpoint cannot")
    facts = {
        "format": FORMAT,
        "step": checkpoint.step,
        "run": checkpoint.run,
        "finished": checkpoint.finished,
        "facts": checkpoint.facts,
        "arrays": list(checkpoint.arrays),
    }
    words = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    named: Any = {f"{_ARRAYS}{name}": array for name, array in checkpoint.arrays.items()}
    with replacing(path) as file:
        np.savez(file, **{_FACTS: words}, **named)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read one checkpoint and make sure that it is whole.

    Args:
        path: of the file.

    Returns:
        What `write_checkpoint` was given.

    Raises:
        DamagedError: no checkpoint, or a damaged one.
        ValueError: a checkpoint of another format.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            spoilt = archive.testzip()
        if spoilt is not None:
            raise ValueError(f"the content of {spoilt} has changed")
        with np.load(path, allow_pickle=False) as content:
            arrays: Arrays = {name: content[name] for name in content.files}
        facts: Any = json.loads(arrays.pop(_FACTS).tobytes())
        kind, names = facts["format"], facts["arrays"]
        named = {name.removeprefix(_ARRAYS): array for name, array in arrays.items()}
        if list(named) != names:
            raise ValueError(f"it should hold the arrays {names}")
    except _BROKEN as error:
        raise DamagedError(f"{path} is not a checkpoint, or a damaged one: {error}") from error
    if kind != FORMAT:
        raise ValueError(
            f"{path} is a checkpoint in the format {kind!r}, and this version of microgym goes on "
            f"from {FORMAT!r} only: finish the run with the version that began it, or choose "
            "another folder"
        )
    return Checkpoint(facts["step"], facts["run"], facts["finished"], facts["facts"], named)


def check_same_run(found: Mapping[str, Any], asked: Mapping[str, Any], folder: Path) -> None:
    """Make sure that a checkpoint is of the run that is to be continued.

    Args:
        found: `Checkpoint.run`.
        asked: the same of the run that is wanted: "env", "seed", "total_timesteps", the
            "version" of the package, and tables of settings.
        folder: of the run.

    Raises:
        ValueError: they differ; the message says in what.
    """
    for name, word in _NAMED.items():
        if found.get(name) != asked[name]:
            raise ValueError(
                f"{folder} holds a training with {word} {found.get(name)!r}, "
                f"asked was {asked[name]!r}: choose another folder"
            )
    if found.get("total_timesteps") != asked["total_timesteps"]:
        raise ValueError(
            f"{folder} holds a training of {found.get('total_timesteps')} steps, asked were "
            f"{asked['total_timesteps']}: the learning rate falls over all of them, so a run "
            "cannot be made longer or shorter; choose another folder"
        )
    for table in sorted(asked.keys() - {*_NAMED, "total_timesteps"}):
        old, new = dict(found.get(table) or {}), dict(asked[table])
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                raise ValueError(
                    f"{folder} holds a training with {name}={old.get(name)!r}, "
                    f"asked was {name}={new.get(name)!r}: choose another folder"
                )


def is_unfinished(folder: Path) -> bool:
    """Whether a folder holds a training that was begun and has not ended.

    Args:
        folder: of the run; need not exist.

    Raises:
        ValueError: its checkpoints are damaged, or of another format.
    """
    found = CheckpointStore(folder).newest()
    return found is not None and not found.finished
