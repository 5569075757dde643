"""Logs of a training run that survive a kill: output formats of Stable-Baselines3's logger.

Rows are flushed when they are written, and a checkpoint is written after the rows it covers. A run
that resumes from the checkpoint of step S thus finds all rows up to S, and superseded rows beyond:

* CSV (`progress.csv`, always written): the superseded rows are removed.
* TensorBoard (`tensorboard/`): `purge_step` S + 1 hides the superseded points of earlier files.
* Weights & Biases (`wandb/`): the run continues under its id, and rows that its process lost are
  sent again from `progress.csv`. Superseded rows that the server has stay; the resumed run computes
  the same values, apart from times. Offline, one file with the whole run replaces the earlier one.
"""

import csv
import io
import os
import secrets
import shutil
import warnings
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

from PIL import Image
from stable_baselines3.common.logger import (
    CSVOutputFormat,
    KVWriter,
    Logger,
    TensorBoardOutputFormat,
    filter_excluded_keys,
)

from microgym.agents.core.extras import extra_named
from microgym.atomic_io import write_atomically

KINDS = ("csv", "tensorboard", "wandb")
CSV_FILE, MEDIA_FOLDER = "progress.csv", "media"
"""CSV log and folder of videos, in the folder of the run."""
STEP = "time/total_timesteps"
"""Column of the CSV log that holds the step."""
PROJECT = "microgym"
"""Project on Weights & Biases, unless WANDB_PROJECT names another."""

Row = dict[str, str]
Values = dict[str, Any]
Excluded = dict[str, tuple[str, ...]]


def video_path(folder: Path, name: str, step: int) -> Path:
    """Path of a GIF in the folder of a run, to be logged by `Logger.record(..., exclude="csv")`."""
    return folder / MEDIA_FOLDER / f"{name}-{step}.gif"


class ResumableCSV(CSVOutputFormat):
    """CSV format that can continue a file; a kill at any instant leaves every whole row readable.

    Args:
        path: of the file.
        rows: rows to keep; all others are removed.
    """

    def __init__(self, path: Path, rows: Sequence[Row]) -> None:
        self._path = path
        self.separator, self.quotechar = ",", '"'
        self._replace(list(rows[0]) if rows else [], rows)

    def write(self, key_values: Values, key_excluded: Excluded, step: int = 0) -> None:
        """Add a row; it is on the disk when this returns."""
        shown = filter_excluded_keys(key_values, key_excluded, "csv")
        if new := [key for key in shown if key not in self.keys]:
            # The base class would rewrite the file in place, which a kill would leave half done.
            self.file.close()
            self._replace([*self.keys, *new], read_csv(self._path))
        super().write(key_values, key_excluded, step)
        os.fsync(self.file.fileno())

    def _replace(self, keys: list[str], rows: Sequence[Row]) -> None:
        """Write the file with given columns, and open it for more rows."""
        self.keys, text = keys, io.StringIO()
        table = csv.DictWriter(text, keys, restval="", lineterminator="\n")
        if keys:
            table.writeheader()
        table.writerows(rows)
        write_atomically(self._path, text.getvalue())
        self.file = self._path.open("a+", encoding="utf-8")


class ResumableTensorBoard(TensorBoardOutputFormat):
    """TensorBoard format that hides superseded points, and takes videos; scalars are float32.

    Args:
        folder: of the event files.
        purge_step: first step whose points in earlier files are hidden; None empties the folder.
    """

    def __init__(self, folder: Path, purge_step: int | None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        if purge_step is None:
            shutil.rmtree(folder, ignore_errors=True)
        self.writer, self._is_closed = SummaryWriter(str(folder), purge_step=purge_step), False

    def write(self, key_values: Values, key_excluded: Excluded, step: int = 0) -> None:
        """Add the numbers and videos of a step, and flush them to the file."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        for name, value in key_values.items():
            if isinstance(value, Path):
                with Image.open(value) as image:
                    shape = {"width": image.width, "height": image.height, "colorspace": 3}
                shown = Summary.Image(encoded_image_string=value.read_bytes(), **shape)
                writer: Any = self.writer.file_writer
                writer.add_summary(Summary(value=[Summary.Value(tag=name, image=shown)]), step)
        super().write(key_values, key_excluded, step)


class WandbOutputFormat(KVWriter):
    """Format of Weights & Biases; offline without a login, unless WANDB_MODE says otherwise.

    Nothing is printed, and neither host nor source code nor processor load is recorded.
    WANDB_ERROR_REPORTING is set to "false" unless the user set it, since reports of errors use the
    network.

    Args:
        folder, name, config: as for `open_logger`.
        rows: rows of the training so far, of `progress.csv`; None begins another run.

    Raises:
        ValueError: WANDB_MODE=online without login, or an unknown mode.
        OSError: wandb could not start.
    """

    def __init__(
        self, folder: Path, *, name: str, config: Mapping[str, Any], rows: Sequence[Row] | None
    ) -> None:
        import wandb

        self._folder, self._run = folder, None
        mode = _wandb_mode()
        if mode == "disabled":
            return
        id_file = folder / "wandb" / "run_id.txt"
        if rows is None or not id_file.is_file():
            write_atomically(id_file, secrets.token_hex(4))
        run_id = id_file.read_text(encoding="utf-8")
        for earlier in id_file.parent.glob(f"offline-run-*-{run_id}"):
            shutil.rmtree(earlier)
        names = ("silent", "disable_code", "disable_git", "x_disable_meta", "x_disable_stats")
        flags: Any = dict.fromkeys(names, True)
        settings = wandb.Settings(console="off", **flags)
        try:
            self._run: Any = wandb.init(
                project=os.environ.get("WANDB_PROJECT", PROJECT),
                id=run_id,
                name=name,
                config=dict(config),
                dir=str(folder),
                mode=mode,  # pyright: ignore[reportArgumentType]
                resume=None if mode == "offline" else "allow",
                reinit="create_new",
                settings=settings,
            )
        except wandb.Error as error:
            raise OSError(
                f"wandb could not start a run: {error}; WANDB_MODE=offline logs without network"
            ) from error
        for row in rows or ():
            step = int(row[STEP])
            if step >= self._run.step:
                values: dict[str, Any] = {n: float(cell) for n, cell in row.items() if cell}
                self._send(values | self._videos(step), step)

    def write(self, key_values: Values, key_excluded: Excluded, step: int = 0) -> None:
        """Send the numbers and videos of a step."""
        shown = filter_excluded_keys(key_values, key_excluded, "wandb")
        numbers = {n: float(value) for n, value in shown.items() if isinstance(value, Real)}
        self._send(numbers | self._videos(step), step)

    def close(self) -> None:
        """End the run; if online, wait until all of it is sent."""
        if self._run is not None:
            self._run.finish()
            self._run = None

    def _videos(self, step: int) -> dict[str, Any]:
        """Videos of a step by name."""
        import wandb

        media = self._folder / MEDIA_FOLDER
        return {
            path.relative_to(media).as_posix().removesuffix(f"-{step}.gif"): wandb.Video(str(path))
            for path in media.rglob(f"*-{step}.gif")
        }

    def _send(self, values: Mapping[str, Any], step: int) -> None:
        if self._run is None:
            return
        try:
            self._run.log(dict(values), step=step, commit=True)
        except Exception as error:
            # The training must not end because wandb's process did.
            self._run = None
            warnings.warn(
                f"wandb takes no more rows: {error}; they are in {self._folder / CSV_FILE}, and a "
                "resumed run sends them",
                RuntimeWarning,
                stacklevel=2,
            )


def _wandb_mode() -> str:
    """Mode that the user set; by default online with a login, else offline."""
    import wandb

    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    try:
        mode = str(wandb.setup(settings=wandb.Settings(silent=True)).settings.mode)
        if mode in ("offline", "disabled") or wandb.login(verify=False, prompt=False):
            return mode
    except wandb.Error as error:
        raise ValueError(f"wandb: {error}") from error
    if wish := os.environ.get("WANDB_MODE"):
        raise ValueError(f"WANDB_MODE={wish} needs a login: wandb login, or set WANDB_API_KEY")
    return "offline"


def read_csv(path: Path, last_step: int | None = None) -> list[Row]:
    """Whole rows of a CSV log, which need not exist, up to a step if one is given.

    Half a row at the end, left by a kill, is skipped.

    Raises:
        ValueError: the file is not a log of this package.
    """
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    table = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1], newline=""))
    try:
        rows = [(int(row[STEP]), row) for row in table]
        if any(None in row or None in row.values() for _, row in rows):
            raise ValueError("rows differ in length")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a log of a training: {error}") from error
    return [row for step, row in rows if last_step is None or step <= last_step]


def open_logger(
    folder: Path,
    kinds: Sequence[str] = (),
    *,
    name: str,
    config: Mapping[str, Any],
    last_step: int | None = None,
) -> Logger:
    """Open the logs of a run.

    Args:
        folder: of the run: `progress.csv`, `tensorboard/` and `wandb/` go there.
        kinds: of `KINDS`; none makes a logger that keeps nothing.
        name: of the run.
        config: settings of the run, shown by wandb.
        last_step: step of the checkpoint from which the run resumes; None begins new logs, which
            replace those in the folder.

    Returns:
        Logger of Stable-Baselines3, to be closed by the caller.

    Raises:
        ValueError: an unknown kind; a log that cannot be continued; wandb online without login.
        ImportError: the package for a kind is missing; the message names the extra to install.
        OSError: the folder cannot be written, or wandb could not start.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"logs must be of {', '.join(KINDS)}, got {kind!r}")
    if not kinds:
        return Logger(None, [])
    with extra_named():
        for kind in set(kinds) - {"csv"}:
            __import__(kind)
    rows = None if last_step is None else read_csv(folder / CSV_FILE, last_step)
    if rows is None:
        shutil.rmtree(folder / MEDIA_FOLDER, ignore_errors=True)
    formats: list[KVWriter] = [ResumableCSV(folder / CSV_FILE, rows or [])]
    logger = Logger(str(folder), formats)
    try:
        if "tensorboard" in kinds:
            purge_step = None if last_step is None else last_step + 1
            formats.append(ResumableTensorBoard(folder / "tensorboard", purge_step))
        if "wandb" in kinds:
            formats.append(WandbOutputFormat(folder, name=name, config=config, rows=rows))
    except BaseException:
        logger.close()
        raise
    return logger
