"""What is written down while an agent learns: to CSV, TensorBoard, wandb, any or none of them.

Rows wait in memory until `commit`, which training calls once the checkpoint that covers them is on
the disk. So a log never holds rows of a future that a resumed run lives through again; and what a
checkpoint covers but a log lacks, because the process was killed in between, is in the checkpoint
(`pending`, `restore`).
"""

import importlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.training.atomic_io import write_atomically
from microgym.agents.training.logbooks.csv_file import CsvFile
from microgym.agents.training.logbooks.rows import NOTHING, Backend, Row
from microgym.agents.training.video import animation, still

KINDS = ("csv", "tensorboard", "wandb")
"""Where rows can go."""

MEDIA_FOLDER = "media"
"""Folder of pictures and films in the logbook's folder."""

_MEDIUM = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)*", re.ASCII)


class Logbook:
    """Numbers, pictures and films by step; a context manager.

    Args:
        folder: where everything goes.
        backends: to which committed rows are handed.
    """

    def __init__(self, folder: Path, backends: Sequence[Backend] = ()) -> None:
        self._folder = folder
        self._backends: tuple[Backend, ...] = tuple(backends)
        self._rows: list[Row] = []
        self._committed = NOTHING

    @property
    def wants_media(self) -> bool:
        """Whether pictures and films go anywhere: if not, none need be made."""
        return bool(self._backends)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Note numbers of a step. What is noted for one step becomes one row.

        Args:
            step: decisions learnt from so far; at least 0, and never falling.
            values: name to number; NaN and infinities are numbers.

        Raises:
            ValueError: a step that falls or is committed already; a name that is empty, "step",
                begins with "_", or has characters that cannot be printed; a value that is no
                number.
        """
        found = {name: _number(name, value) for name, value in values.items()}
        row = self._row(step, values)
        _check_apart(values, row.media)
        row.values.update(found)
        self._keep(row)

    def picture(self, step: int, name: str, image: NDArray[np.uint8]) -> None:
        """Note a picture of a step, and write it to `media/<name>-<step>.png`.

        Args:
            step: as for `write`.
            name: of letters, digits, "_", "-", "." and "/".
            image: uint8 [height, width, 3].

        Raises:
            ValueError: as `write`, or not such a picture.
            OSError: it cannot be written.
        """
        row = self._row(step, [name])
        _check_apart([name], row.values)
        _check_frames(name, [image])
        self._keep_medium(row, name, ".png", lambda: still(image, "PNG"))

    def video(self, step: int, name: str, frames: Sequence[NDArray[np.uint8]], fps: int) -> None:
        """Note a film of a step, and write it to `media/<name>-<step>.gif`.

        Args:
            step: as for `write`.
            name: as for `picture`.
            frames: uint8 [height, width, 3], all of one size; at least one.
            fps: frames a second, 1 to 100.

        Raises:
            ValueError: as `write`, or no such film.
            OSError: it cannot be written.
        """
        row = self._row(step, [name])
        _check_apart([name], row.values)
        _check_frames(name, frames)
        if not 1 <= fps <= 100:
            raise ValueError(f"fps must be 1 to 100, got {fps}")
        self._keep_medium(row, name, ".gif", lambda: animation(frames, fps, "GIF"))

    def pending(self) -> list[dict[str, Any]]:
        """Rows that are not committed yet, as JSON can hold them: part of a checkpoint."""
        return [row.to_json() for row in self._rows]

    def restore(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write and commit what `pending` told: first thing in a resumed run.

        Args:
            rows: as in the checkpoint, which is on the disk and covers them.

        Raises:
            ValueError: no such rows.
            OSError: as `commit`.
        """
        for one in rows:
            try:
                row = Row.from_json(one)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise ValueError(f"not a row of a logbook: {one!r}") from error
            there = {n: p for n, p in row.media.items() if (self._folder / p).is_file()}
            self._keep(Row(row.step, row.values, there))
        self.commit()

    def commit(self) -> None:
        """Hand all rows to the backends; they are durable when this returns.

        Rows that a backend already holds, from before the run was resumed, are not handed to it
        again.

        Raises:
            OSError: a backend could not write. The rows are kept, and go where they lack with the
                next commit.
        """
        for backend in self._backends:
            backend.append([row for row in self._rows if row.step > backend.held])
        if self._rows:
            self._committed = self._rows[-1].step
        self._rows = []

    def close(self) -> None:
        """Give back files and processes. Rows that were not committed are not written."""
        backends, self._backends, self._rows = self._backends, (), []
        for backend in backends:
            backend.close()

    def __enter__(self) -> "Logbook":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _row(self, step: int, names: Sequence[str] | Mapping[str, Any]) -> Row:
        """The row of a step, new if need be, and not yet kept."""
        if not isinstance(step, int | np.integer) or isinstance(step, bool):
            raise ValueError(f"step must be a whole number, got {step!r}")
        last = self._rows[-1] if self._rows else None
        least = last.step if last else self._committed + 1
        if step < least:
            raise ValueError(f"step must be at least {least}, got {step}")
        for name in names:
            if not name or not name.isprintable() or name == "step" or name.startswith("_"):
                raise ValueError(
                    f'names must be printable, not "step", and not begin with "_", got {name!r}'
                )
        return last if last and last.step == step else Row(int(step))

    def _keep(self, row: Row) -> None:
        if self._backends and not (self._rows and self._rows[-1] is row):
            self._rows.append(row)

    def _keep_medium(self, row: Row, name: str, ending: str, content: Callable[[], bytes]) -> None:
        if not _MEDIUM.fullmatch(name):
            raise ValueError(
                f'names of pictures and films are letters, digits, "_-./", got {name!r}'
            )
        if not self._backends:
            return
        path = f"{MEDIA_FOLDER}/{name}-{row.step}{ending}"
        write_atomically(self._folder / path, content())
        row.media[name] = path
        self._keep(row)


def open_logbook(
    folder: Path,
    kinds: Sequence[str] = (),
    *,
    name: str,
    config: Mapping[str, Any],
    resume: bool = False,
) -> Logbook:
    """Open a logbook.

    Args:
        folder: of the run: `log.csv`, `tensorboard/`, `wandb/` and `media/` go there.
        kinds: of `KINDS`; none is fine, and the logbook then takes everything and keeps nothing.
        name: of the run.
        config: its settings, shown by wandb.
        resume: go on with the logs that are there, each from the last row that it holds. Otherwise
            CSV and TensorBoard logs there are replaced, and wandb begins another run.

    Returns:
        The logbook.

    Raises:
        ValueError: an unknown kind; a log that cannot be continued; wandb asked to be online
            without login.
        ImportError: the package for a kind is missing; the message names the extra to install.
        OSError: the folder cannot be written, or wandb could not start.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"logs must be of {', '.join(KINDS)}, got {kind!r}")
    modules = {kind: _module(kind) for kind in KINDS[1:] if kind in kinds}
    if kinds:
        folder.mkdir(parents=True, exist_ok=True)
    backends: list[Backend] = []
    try:
        if "csv" in kinds:
            backends.append(CsvFile(folder, resume=resume))
        if "tensorboard" in kinds:
            backends.append(modules["tensorboard"].EventFile(folder, resume=resume))
        if "wandb" in kinds:
            run = modules["wandb"].WandbRun(folder, name=name, config=config, resume=resume)
            backends.append(run)
    except BaseException:
        for backend in backends:
            backend.close()
        raise
    return Logbook(folder, backends)


_MODULES = {"tensorboard": "event_file", "wandb": "wandb_run"}


def _module(kind: str) -> Any:
    try:
        return importlib.import_module(f"microgym.agents.training.logbooks.{_MODULES[kind]}")
    except ImportError as error:
        raise ImportError(
            f"logging to {kind} needs a package: pip install 'microgym[{kind}]' ({error})"
        ) from error


def _number(name: str, value: Any) -> float:
    if not isinstance(value, Real | np.bool_):
        raise ValueError(f"{name} must be a number, got {value!r}")
    return float(value)


def _check_apart(names: Iterable[str], others: Mapping[str, Any]) -> None:
    if both := sorted(set(names) & set(others)):
        raise ValueError(f"{both[0]} cannot be both a number and a picture of one step")


def _check_frames(name: str, frames: Sequence[Any]) -> None:
    shapes = {np.shape(frame) for frame in frames}
    shape = next(iter(shapes), ())
    fine = len(shapes) == 1 and len(shape) == 3 and shape[2] == 3 and 0 not in shape
    if not fine or any(frame.dtype != np.uint8 for frame in frames):
        raise ValueError(
            f"{name} must be uint8 [height, width, 3], frames all of one size, got shapes "
            f"{sorted(shapes)}"
        )
