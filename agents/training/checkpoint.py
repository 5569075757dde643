"""Checkpoints of a training run, from which a run that was killed resumes to the bit.

A checkpoint is one uncompressed npz file of named arrays, with everything else as UTF-8 JSON.
Loading it runs no code, each part has a CRC-32, and the name holds the step:
`checkpoint-000000018432.npz`. The latest two are kept, in case a disk spoils the last one.
"""

import fcntl
import json
import os
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.atomic_io import remove_unfinished, replacing

FORMAT = "microgym-checkpoint-2"
"""Name of the format, to be changed with the content of checkpoints."""

Arrays = dict[str, NDArray[Any]]

_FACTS, _ARRAYS = "facts", "arrays/"
_PATTERN = "checkpoint-*.npz"


@dataclass(frozen=True)
class Checkpoint:
    """State of a training run.

    Attributes:
        step: number of decisions learnt from.
        run: identity of the run: environment, seed, steps and settings; JSON-able.
        finished: the run has ended.
        facts: state other than arrays; JSON-able, NaN included.
        arrays: arrays without Python objects.
    """

    step: int
    run: Mapping[str, Any]
    finished: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@contextmanager
def claimed(folder: Path, work: str = "training") -> Generator[None]:
    """Lock the folder of a training or search for one process; the lock ends with the process.

    Args:
        folder: of the run; what an earlier process left unfinished there is removed.
        work: what is done there, for the message.

    Raises:
        BlockingIOError: another process works there.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(f"another process is {work} in {folder}") from None
        except OSError:
            pass  # A file system without locks.
        else:
            remove_unfinished(folder)
        yield
    finally:
        os.close(descriptor)


class CheckpointStore:
    """Checkpoints in the folder of a run, which exists."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sound: Path | None = None

    def newest(self) -> Checkpoint | None:
        """Latest readable checkpoint, or None; a `RuntimeWarning` names damaged later ones.

        Raises:
            ValueError: all checkpoints are damaged, or the latest one is of another format.
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
        """Write a checkpoint to the disk.

        The one before is kept unless the run is finished; all others are removed, as are those of a
        finished run that was here before.

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
    """Error on a file that is damaged or no checkpoint."""


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write one checkpoint atomically.

    Raises:
        TypeError: an array holds Python objects.
        OSError: it cannot be written; an earlier file is still there.
    """
    for name, array in checkpoint.arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"arrays[{name!r}] holds objects, which a checkpoint cannot")
    facts = {**vars(checkpoint), "format": FORMAT, "arrays": list(checkpoint.arrays)}
    words = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    named: Any = {f"{_ARRAYS}{name}": array for name, array in checkpoint.arrays.items()}
    with replacing(path) as file:
        np.savez(file, **{_FACTS: words}, **named)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read and verify one checkpoint.

    Raises:
        DamagedError: a damaged file, or no checkpoint.
        ValueError: a checkpoint of another format.
    """
    try:
        # Reading an array checks its CRC-32.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            arrays: Arrays = {name: content[name] for name in content.files}
        facts: Any = json.loads(arrays.pop(_FACTS).tobytes())
        kind = facts.pop("format")
        named = {name.removeprefix(_ARRAYS): array for name, array in arrays.items()}
        if list(named) != facts["arrays"]:
            raise ValueError(f"it should hold the arrays {facts['arrays']}")
    except Exception as error:  # zipfile and NumPy raise a dozen kinds on foreign or cut files
        raise DamagedError(f"{path} is not a checkpoint, or a damaged one: {error}") from error
    if kind != FORMAT:
        raise ValueError(
            f"{path} is a checkpoint in the format {kind!r}, and this version of microgym reads "
            f"{FORMAT!r} only: finish the run with the version that began it, or choose another "
            "folder"
        )
    return Checkpoint(**facts | {"arrays": named})


def check_same_run(found: Mapping[str, Any], asked: Mapping[str, Any], folder: Path) -> None:
    """Compare `Checkpoint.run` of a checkpoint with that of the run to be resumed in a folder.

    Raises:
        ValueError: they differ; the message names the first difference.
    """
    tables = ("environment", "training")
    mine, theirs = ({**run, **run[tables[0]], **run[tables[1]]} for run in (found, asked))
    for name in sorted((mine.keys() | theirs.keys()).difference(tables)):
        old, new = mine.get(name), theirs.get(name)
        if old != new:
            # The learning rate decays over all steps, so a run cannot be made longer or shorter.
            raise ValueError(
                f"{folder} holds a training with {name}={old!r}, asked was {name}={new!r}: "
                "choose another folder"
            )


def is_unfinished(folder: Path) -> bool:
    """Whether a folder, which need not exist, holds a training that has begun and not ended.

    Raises:
        ValueError: its checkpoints are damaged, or of another format.
    """
    found = CheckpointStore(folder).newest()
    return found is not None and not found.finished
