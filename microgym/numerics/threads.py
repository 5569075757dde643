"""Rows of a batch shared between threads.

Kernels are serial and release the interpreter's lock, so plain Python threads run them side by
side. Numba's own parallel loops are not used: GNU OpenMP kills a forked child, and the workqueue
layer aborts when two Python threads enter it (numba issues 8563 and 10565). The workers here are
started by the first call that needs them, belong to one process, and are forgotten by a fork.
"""

import os
import queue
import threading
from collections.abc import Callable

_Piece = Callable[[int, int], object]


class _Share:
    """Queue of rows for several threads, each of which takes the next piece when it is free.

    Pieces shrink as the rows run out (guided self-scheduling, Polychronopoulos and Kuck, IEEE
    Trans. Comput. C-36, 1425, 1987), so that a thread on a busy core does fewer of them, and the
    last piece is short.
    """

    def __init__(
        self, function: _Piece, rows: int, threads: int, at_least: int, at_most: int
    ) -> None:
        self.function, self.rows, self.threads = function, rows, threads
        self.at_least, self.at_most = at_least, at_most
        self.lock = threading.Lock()
        self.taken = self.done = 0
        self.errors: list[tuple[int, BaseException]] = []
        self.finished = threading.Lock()
        self.finished.acquire()

    def take(self) -> tuple[int, int]:
        """The next piece; empty when all are taken."""
        with self.lock:
            start, left = self.taken, self.rows - self.taken
            size = left if self.threads == 1 else max(left // (2 * self.threads), self.at_least)
            size = min(size, self.at_most)
            self.taken += left if left < size + self.at_least else size
            return start, self.taken

    def work(self) -> None:
        """Do pieces until all are taken."""
        start, stop = self.take()
        while start < stop:
            try:
                self.function(start, stop)
            except BaseException as error:
                self.errors.append((start, error))
            with self.lock:
                self.done += stop - start
                if self.done == self.rows:
                    self.finished.release()
            start, stop = self.take()


class _Pool:
    """Workers that wait at one queue; their number only grows."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.jobs: queue.SimpleQueue[_Share] = queue.SimpleQueue()
        self.workers = 0

    def grow(self, workers: int) -> None:
        """Start threads until there are so many."""
        with self.lock:
            while self.workers < workers:
                name = f"microgym-{self.workers}"
                threading.Thread(target=_work, args=(self.jobs,), name=name, daemon=True).start()
                self.workers += 1


def _work(jobs: queue.SimpleQueue[_Share]) -> None:
    """Take shares from a queue, one after the other, for the life of the thread."""
    while True:
        jobs.get().work()


_pool = _Pool()


def _forget() -> None:
    """Make a new pool in a forked child: the parent's threads do not exist there."""
    global _pool
    _pool = _Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def parallel_rows(
    function: _Piece,
    rows: int,
    threads: int = 1,
    at_least: int = 2,
    at_most: int | None = None,
) -> None:
    """Call `function(start, stop)` on contiguous pieces that together cover `range(rows)`.

    The caller takes pieces like the other threads and returns when all are done. `function` must
    write to its own rows only, so that the result does not depend on the cutting, and must not call
    `parallel_rows` itself.

    Args:
        function: does the rows start <= row < stop; spends its time in kernels that release the
            interpreter's lock.
        rows: number of rows, 0 or more; nothing is called for 0.
        threads: largest number of threads that work at a time.
        at_least: no piece is smaller than this, unless there is only one. Handing rows over costs
            some 10 microseconds.
        at_most: pieces are no larger than this, or less than `at_least` larger; None for no limit.
            With few rows, the data of one kernel is still in the processor's cache for the next.

    Raises:
        ValueError: a negative number of rows, `at_least` below 1, or `at_most` below `at_least`.
        BaseException: the error of the first piece that had one, after all pieces have ended.
    """
    limit = max(rows, at_least) if at_most is None else at_most
    if rows < 0 or not 1 <= at_least <= limit:
        raise ValueError(
            f"rows must be >= 0 and 1 <= at_least <= at_most, got {rows}, {at_least} and {at_most}"
        )
    workers = min(threads, rows // at_least)
    if workers < 2 and rows <= limit:
        if rows:
            function(0, rows)
        return
    share = _Share(function, rows, workers, at_least, limit)
    pool = _pool
    pool.grow(workers - 1)
    for _ in range(workers - 1):
        pool.jobs.put(share)
    share.work()
    share.finished.acquire()
    if share.errors:
        raise min(share.errors, key=lambda one: one[0])[1]
