"""A line on standard error when the first kernel of a process is compiled."""

import sys
import weakref
from typing import Any

from numba.core import event

NOTICE = "microgym: compiling kernels, once (up to a minute); `microgym warmup` does this ahead"


class _Notice(event.Listener):
    """Listener of Numba's compilations; it knows which functions are kernels."""

    def __init__(self) -> None:
        self.kernels: weakref.WeakSet[Any] = weakref.WeakSet()
        self.shown = False

    def on_start(self, event: Any) -> None:
        """Print the line, once a process, if a kernel of this package is compiled."""
        if not self.shown and event.data["dispatcher"].py_func in self.kernels:
            self.shown = True
            print(NOTICE, file=sys.stderr, flush=True)

    def on_end(self, event: Any) -> None:
        """Nothing."""


_notice = _Notice()
event.register("numba:compile", _notice)


def announce(function: Any) -> None:
    """Count a function among those whose compilation is announced.

    Args:
        function: the Python function of a kernel.
    """
    _notice.kernels.add(function)


def silence() -> None:
    """Announce nothing in this process, because the caller shows its progress."""
    _notice.shown = True
