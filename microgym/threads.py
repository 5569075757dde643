"""A batch shared out between a few threads.

Kernels are serial and release the interpreter's lock, so plain Python threads run them side by
side. Numba's own parallel loops are not used: GNU OpenMP kills a forked child, and the workqueue
layer aborts when two Python threads enter it (numba issues 8563 and 10565). The workers here are
started by the first call that needs them, belong to one process, and are forgotten by a fork.
"""

import os
import queue
import threading
from collections.abc import Callable

MAX_THREADS = 256
"""More than any machine this is meant for; catches a mistyped argument (design choice)."""

_Reply = queue.SimpleQueue[BaseException | None]
_Job = tuple[Callable[[int, int], object], int, int, _Reply]


class _Pool:
    """Workers that wait at one queue; how many there are only ever grows."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self.workers = 0

    def grow(self, workers: int) -> None:
        with self.lock:
            while self.workers < workers:
                name = f"microgym-{self.workers}"
                threading.Thread(target=_work, args=(self.jobs,), name=name, daemon=True).start()
                self.workers += 1


def _work(jobs: queue.SimpleQueue[_Job]) -> None:
    while True:
        function, start, stop, reply = jobs.get()
        try:
            function(start, stop)
        except BaseException as error:
            reply.put(error)
        else:
            reply.put(None)


_pool = _Pool()


def _forget() -> None:
    """In a forked child the parent's threads do not exist, and its locks may be held for ever."""
    global _pool
    _pool = _Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def check_threads(threads: int) -> int:
    """Check a `threads` argument.

    Args:
        threads: number of threads, 1 to 256.

    Returns:
        The same number as a Python integer.

    Raises:
        TypeError: not an integer.
        ValueError: out of range.
    """
    if isinstance(threads, bool) or not hasattr(threads, "__index__"):
        raise TypeError(f"threads must be an integer, got {threads!r}")
    number = threads.__index__()
    if not 1 <= number <= MAX_THREADS:
        raise ValueError(f"threads must be in 1..{MAX_THREADS}, got {number}")
    return number


def split_rows(
    function: Callable[[int, int], object], rows: int, threads: int = 1, at_least: int = 2
) -> None:
    """Call `function(start, stop)` on contiguous pieces that together cover `range(rows)`.

    The caller does one piece itself and returns when all are done. With one thread, or too few
    rows, `function(0, rows)` is simply called. `function` must write to its own rows only, so that
    the result does not depend on how the rows are cut, and must not call `split_rows` itself.

    Args:
        function: does the rows start <= row < stop; spends its time in kernels that release the
            interpreter's lock.
        rows: number of rows, 0 or more; nothing is called for 0.
        threads: at most this many pieces.
        at_least: no piece is smaller than this, unless there is only one. Handing a piece over
            costs some 10 microseconds.

    Raises:
        ValueError: a negative number of rows, or `at_least` below 1.
        BaseException: the first error of a piece, after all pieces have ended.
    """
    if rows < 0 or at_least < 1:
        raise ValueError(f"rows must be >= 0 and at_least >= 1, got {rows} and {at_least}")
    pieces = min(threads, rows // at_least)
    if pieces < 2:
        if rows:
            function(0, rows)
        return
    pool = _pool
    pool.grow(pieces - 1)
    reply: _Reply = queue.SimpleQueue()
    edges = [rows * piece // pieces for piece in range(pieces + 1)]
    for piece in range(1, pieces):
        pool.jobs.put((function, edges[piece], edges[piece + 1], reply))
    error: BaseException | None = None
    try:
        function(0, edges[1])
    except BaseException as own:
        error = own
    for _ in range(pieces - 1):
        theirs = reply.get()
        error = error or theirs
    if error is not None:
        raise error
