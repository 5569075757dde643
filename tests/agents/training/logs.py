"""Logs read back: by the csv module, by TensorBoard, and by wandb's own inspector."""

import csv
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from microgym.agents.training.loggers import STEP, open_logger

Rows = dict[int, dict[str, float]]

LOCAL = ("csv", "tensorboard")

ROWS = {
    256: {"train/loss": 1 / 3, "a": 1e-300},
    768: {"train/loss": -0.1, "a": 16777217.0},
    1536: {"train/loss": 2.0**60 + 2.0**8, "later": math.pi},
    2304: {"train/loss": 5e-324, "a": 1.0},
}


def opened(folder, kinds=LOCAL, *, last_step=None):
    """Open, as a process does that begins a second or more after the ones before it.

    TensorBoard reads the files of a folder in the order of their names: the second in which each
    was opened, the host, the process, and a count that is not padded with zeros.
    """
    for path in sorted((Path(folder) / "tensorboard").glob("events.out.tfevents.*")):
        start, _, others = path.name.removeprefix("events.out.tfevents.").partition(".")
        path.rename(path.with_name(f"events.out.tfevents.{int(start) - 1:010d}.{others}"))
    return open_logger(folder, kinds, name="a run", config={"rate": 0.1}, last_step=last_step)


def write(logger, rows):
    for step, values in rows.items():
        logger.record(STEP, step, exclude="tensorboard")
        for name, value in values.items():
            logger.record(name, value)
        logger.dump(step)


def logged(folder, rows, kinds=LOCAL, *, last_step=None):
    """Open, write and close."""
    logger = opened(folder, kinds, last_step=last_step)
    write(logger, rows)
    logger.close()


def first(rows, count):
    return dict(list(rows.items())[:count])


def rest(rows, count):
    return dict(list(rows.items())[count:])


def rounded(rows):
    """Numbers as float32 holds them."""
    with np.errstate(over="ignore", under="ignore"):
        return {
            step: {n: float(np.float32(v)) for n, v in row.items()} for step, row in rows.items()
        }


def read_csv(folder: Path) -> Rows:
    with (folder / "progress.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    rows = {
        int(row.pop(STEP)): {n: float(cell) for n, cell in row.items() if cell} for row in table
    }
    assert len(rows) == len(table), "a step is there twice"
    return rows


def read_tensorboard(folder: Path) -> Rows:
    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    rows: Rows = {}
    for tag in events.Tags()["scalars"]:
        for event in events.Scalars(tag):
            row = rows.setdefault(event.step, {})
            assert tag not in row, f"step {event.step} is there twice"
            row[tag] = event.value
    return dict(sorted(rows.items()))


def wandb_records(folder: Path) -> list[dict[str, Any]]:
    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    words = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def read_wandb(folder: Path) -> Rows:
    rows: Rows = {}
    for record in wandb_records(folder):
        if record["type"] == "history":
            item = record["history"]["item"]
            assert item["_step"] not in rows, "a step is there twice"
            numbers = {n: v for n, v in item.items() if n[0] != "_" and "._type" not in n}
            media = {n.removesuffix("._type") for n in item if n.endswith("._type")}
            rows[item["_step"]] = {
                n: float(v)
                for n, v in numbers.items()
                if n.partition(".")[0] not in media and n != STEP
            }
    return rows
