"""Rows as a run of Weights & Biases, in the folder `wandb`; offline without a login."""

import json
import os
import secrets
import shutil
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import wandb

from microgym.agents.training.atomic_io import write_atomically
from microgym.agents.training.logbooks.rows import NOTHING, Lines, Row

WANDB_FOLDER = "wandb"
"""Name of the folder in the logbook's folder; wandb chooses it."""

PROJECT = "microgym"
"""Of the run, unless WANDB_PROJECT names another."""

_MODES = {"dryrun": "offline", "run": "online"}  # old names, which wandb still takes


class WandbRun:
    """A run that wandb's own process writes, and a journal that survives that process.

    wandb keeps rows in memory for seconds before they are in its file, and they are lost when the
    training is killed. So rows go to the journal `wandb/rows.jsonl` first, and a resumed run is
    told all of it again: offline, its file is made anew, so that one file holds the whole run and
    `wandb sync` sends it at once; online, the rows that the server lacks are sent.

    Nothing is printed. No host, source code or processor load is recorded: what matters is in the
    configuration. WANDB_MODE is obeyed; WANDB_ERROR_REPORTING is set to "false" where the user has
    not set it, since reports of errors would use the network.

    Args:
        folder: of the logbook.
        name: of the run.
        config: settings of the training, shown beside the run.
        resume: go on with the run that is there.

    Raises:
        ValueError: WANDB_MODE=online without login, an unknown mode, a damaged journal.
        OSError: the run could not be started.
    """

    def __init__(self, folder: Path, *, name: str, config: Mapping[str, Any], resume: bool) -> None:
        self.held = NOTHING
        self._folder = folder
        self._run: Any = None
        self._journal = Lines(folder / WANDB_FOLDER / "rows.jsonl")
        self._mode = _mode()
        if self._mode == "disabled":
            return
        known, rows = self._read() if resume else ("", [])
        run_id = known or secrets.token_hex(4)
        if not known:
            write_atomically(self._journal.path, json.dumps({"run": run_id}) + "\n")
        for old in (folder / WANDB_FOLDER).glob(f"offline-run-*-{run_id}"):
            shutil.rmtree(old)
        self._start(run_id, name, config)
        first = int(self._run.step) if self._mode != "offline" else 0
        for row, written in rows:
            if row.step >= first:
                self._tell(row, written)
        self.held = rows[-1][0].step if rows else NOTHING

    def append(self, rows: Sequence[Row]) -> None:
        """Add rows: to the journal, then to the run."""
        if not rows or self._mode == "disabled":
            return
        now = time.time()
        self._journal.add([json.dumps({"time": now, **row.to_json()}) for row in rows])
        self.held = rows[-1].step
        for row in rows:
            self._tell(row, now)

    def close(self) -> None:
        """End the run; if online, wait until all of it is sent."""
        if self._run is not None:
            self._run.finish()
            self._run = None

    def _read(self) -> tuple[str, list[tuple[Row, float]]]:
        """The run's name, "" if there is none, and rows with the times at which they were added."""
        lines = self._journal.read()
        try:
            records = [json.loads(line) for line in lines]
            if not records:
                return "", []
            rows = [(Row.from_json(one), float(one["time"])) for one in records[1:]]
            return str(records[0]["run"]), rows
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{self._journal.path} is damaged: {error}") from error

    def _start(self, run_id: str, name: str, config: Mapping[str, Any]) -> None:
        try:
            self._run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", PROJECT),
                id=run_id,
                name=name,
                config=dict(config),
                dir=str(self._folder),
                mode=self._mode,  # pyright: ignore[reportArgumentType]
                resume=None if self._mode == "offline" else "allow",
                reinit="create_new",
                settings=wandb.Settings(
                    silent=True,
                    console="off",
                    disable_code=True,
                    disable_git=True,
                    x_disable_meta=True,
                    x_disable_stats=True,
                ),
            )
        except wandb.Error as error:
            raise OSError(
                f"wandb could not start a run: {error}; WANDB_MODE=offline logs without network"
            ) from error

    def _tell(self, row: Row, written: float) -> None:
        if self._run is None:
            return
        told: dict[str, Any] = {**row.values, "_timestamp": written}
        for name, path in row.media.items():
            file = self._folder / path
            if file.is_file():
                told[name] = _medium(file)
        try:
            self._run.log(told, step=row.step, commit=True)
        except Exception as error:
            # A night's training shall not end because the process beside it did.
            self._run = None
            warnings.warn(
                f"wandb takes no more rows: {error}; they are kept in {self._journal.path}, and a "
                "resumed run sends them",
                RuntimeWarning,
                stacklevel=2,
            )


def _medium(file: Path) -> Any:
    return wandb.Video(str(file)) if file.suffix == ".gif" else wandb.Image(str(file))


def _mode() -> str:
    """What WANDB_MODE or wandb's settings say; otherwise online if logged in, offline if not."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    wish = os.environ.get("WANDB_MODE", "")
    try:
        settings = wandb.setup(settings=wandb.Settings(silent=True)).settings
        asked = wish or str(settings.mode)
        asked = _MODES.get(asked, asked)
        if asked in ("offline", "disabled") or wandb.login(verify=False, prompt=False):
            return asked
    except wandb.Error as error:
        raise ValueError(f"wandb: {error}") from error
    if wish:
        raise ValueError(f"WANDB_MODE={wish} needs a login: wandb login, or set WANDB_API_KEY")
    return "offline"
