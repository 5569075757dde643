"""Rows are split completely, whatever happens in a piece or to the process."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from microgym.numerics.threads import parallel_rows


@pytest.mark.parametrize(
    ("rows", "threads", "at_least", "at_most", "pieces"),
    [
        (0, 4, 1, None, 0),
        (1, 4, 1, None, 1),
        (7, 1, 1, None, 1),
        (7, 1, 1, 3, 3),
        (7, 3, 1, None, 7),
        (7, 8, 2, None, 3),
        (3, 2, 2, None, 1),
        (64, 2, 2, None, 11),
        (64, 2, 32, None, 2),
        (64, 2, 2, 8, 13),
        (64, 1, 2, 16, 4),
        (5, 1, 2, 4, 1),
    ],
)
def test_pieces_cover_the_rows_once(rows, threads, at_least, at_most, pieces):
    seen: list[tuple[int, int]] = []

    def piece(start: int, stop: int) -> None:
        seen.append((start, stop))

    parallel_rows(piece, rows, threads, at_least, at_most)
    assert len(seen) == pieces
    assert [row for start, stop in sorted(seen) for row in range(start, stop)] == list(range(rows))
    sizes = [stop - start for start, stop in sorted(seen)]
    assert all(size >= min(at_least, rows) for size in sizes)
    assert all(size < (at_most or rows) + at_least for size in sizes)


def test_a_thread_that_is_held_up_does_less():
    """The one that the first piece keeps waits until the others have done all the rest."""
    rest = threading.Event()
    seen: list[int] = []

    def piece(start: int, stop: int) -> None:
        if start == 0:
            assert rest.wait(10)
        seen.extend(range(start, stop))
        if len(seen) == 48:
            rest.set()

    parallel_rows(piece, 64, 2)
    assert seen == [*range(16, 64), *range(16)]


def test_pieces_run_side_by_side():
    barrier = threading.Barrier(3, timeout=10)
    parallel_rows(lambda start, stop: barrier.wait(), 6, 3)
    assert not barrier.broken


def test_an_error_is_raised_after_all_pieces_have_ended():
    done: list[int] = []

    def piece(start: int, stop: int) -> None:
        if start != 2:
            raise RuntimeError(f"rows {start} to {stop}")
        done.append(start)

    with pytest.raises(RuntimeError, match="rows 0 to 2"):
        parallel_rows(piece, 6, 3)
    assert done == [2]

    def worker_fails(start: int, stop: int) -> None:
        if start:
            raise ValueError("in a worker")

    with pytest.raises(ValueError, match="in a worker"):
        parallel_rows(worker_fails, 4, 2)
    parallel_rows(lambda start, stop: done.append(start), 4, 2)
    assert sorted(done) == [0, 2, 2]


def test_several_callers_share_the_workers():
    def caller(number: int) -> int:
        seen: list[int] = []
        for _ in range(50):
            parallel_rows(lambda start, stop: seen.extend(range(start, stop)), 8, 4)
        return len(seen) * 1000 + number

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(caller, range(4))) == [400_000 + number for number in range(4)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_has_its_own_workers():
    parallel_rows(lambda start, stop: None, 4, 2)
    child = os.fork()
    if child == 0:
        barrier = threading.Barrier(2, timeout=10)
        try:
            parallel_rows(lambda start, stop: barrier.wait() and None, 4, 2)
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_arguments():
    for rows, at_least, at_most in ((-1, 1, None), (1, 0, None), (8, 3, 2)):
        with pytest.raises(ValueError, match="rows must be"):
            parallel_rows(lambda start, stop: None, rows, 2, at_least, at_most)
