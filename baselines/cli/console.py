"""Values and progress bars of the command line."""

import json
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

Progress = Callable[[int], None]
"""Function to call with the number of further units that are done."""


def one_thread() -> None:
    """Limit PyTorch to one thread, unless OMP_NUM_THREADS is set.

    Small networks are slower on more threads, up to sixteen times on a busy machine.
    """
    wanted = os.environ.setdefault("OMP_NUM_THREADS", "1")
    if "torch" in sys.modules and wanted.isdigit():
        sys.modules["torch"].set_num_threads(int(wanted))


def read_option(text: str) -> tuple[str, Any]:
    """Name and value of one NAME=VALUE of the command line, such as "exposures=36" or "drift=off".

    The value is read as JSON if possible, else as a string.

    Raises:
        ValueError: no "=", or no name before it.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ValueError(f"expected NAME=VALUE, such as exposures=36, got {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def no_progress(units: int) -> None:
    """Progress that is shown nowhere."""
    del units


@contextmanager
def progress_bar(total: int, what: str, unit: str) -> Generator[Progress]:
    """Progress bar on standard error.

    Args:
        total: number of units, at which the bar stops; 0 if unknown.
        what: label of the bar.
        unit: name of the units.
    """
    slow = 0.2 if sys.stderr.isatty() else 15.0
    with tqdm(total=total, desc=what, unit=f" {unit}", mininterval=slow, file=sys.stderr) as bar:

        def advance(more: int) -> None:
            bar.update(min(more, total - bar.n) if total else more)

        yield advance
