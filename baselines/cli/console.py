"""What the command line reads and shows while it works."""

import json
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

Progress = Callable[[int], None]
"""To be told how many units more are done."""


def one_thread() -> None:
    """Let PyTorch use one thread, unless OMP_NUM_THREADS says otherwise.

    Small networks are slower on more, up to sixteen times on a machine with other work.
    """
    wanted = os.environ.setdefault("OMP_NUM_THREADS", "1")
    if "torch" in sys.modules and wanted.isdigit():
        sys.modules["torch"].set_num_threads(int(wanted))


def read_option(text: str) -> tuple[str, Any]:
    """One environment argument from the command line.

    Args:
        text: such as "exposures=36", "drift=off" or "reveal=true"; the value is read as JSON if
            it is JSON, and is a string otherwise.

    Returns:
        Name and value.

    Raises:
        ValueError: no "=", or nothing before it.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ValueError(f"expected NAME=VALUE, such as exposures=36, got {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


@contextmanager
def progress_bar(total: int, what: str, unit: str) -> Generator[Progress]:
    """A progress bar on standard error.

    Args:
        total: how many units there are; 0 if nobody knows. More than that are not shown.
        what: is being done.
        unit: of what is counted.

    Yields:
        A function to be told how many units more are done.
    """
    slow = 0.2 if sys.stderr.isatty() else 15.0
    with tqdm(total=total, desc=what, unit=f" {unit}", mininterval=slow, file=sys.stderr) as bar:

        def advance(more: int) -> None:
            bar.update(min(more, total - bar.n) if total else more)

        yield advance
