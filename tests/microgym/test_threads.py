"""Rows are split completely, whatever happens in a piece or to the process."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from microgym.threads import check_threads, split_rows


@pytest.mark.parametrize(
    ("rows", "threads", "at_least", "pieces"),
    [
        (0, 4, 1, 0),
        (1, 4, 1, 1),
        (7, 1, 1, 1),
        (7, 3, 1, 3),
        (7, 8, 2, 3),
        (3, 2, 2, 1),
        (64, 2, 2, 2),
    ],
)
def test_pieces_cover_the_rows_once(rows, threads, at_least, pieces):
    seen: list[tuple[int, int]] = []
    split_rows(lambda start, stop: seen.append((start, stop)), rows, threads, at_least)
    assert len(seen) == pieces
    assert [row for start, stop in sorted(seen) for row in range(start, stop)] == list(range(rows))
    assert all(stop - start >= min(at_least, rows) for start, stop in seen)


def test_pieces_run_side_by_side():
    barrier = threading.Barrier(3, timeout=10)
    split_rows(lambda start, stop: barrier.wait(), 6, 3)
    assert not barrier.broken


def test_an_error_is_raised_after_all_pieces_have_ended():
    done: list[int] = []

    def piece(start: int, stop: int) -> None:
        if start != 2:
            raise RuntimeError(f"rows {start} to {stop}")
        done.append(start)

    with pytest.raises(RuntimeError, match="rows 0 to 2"):
        split_rows(piece, 6, 3)
    assert done == [2]

    def worker_fails(start: int, stop: int) -> None:
        if start:
            raise ValueError("in a worker")

    with pytest.raises(ValueError, match="in a worker"):
        split_rows(worker_fails, 4, 2)
    split_rows(lambda start, stop: done.append(start), 4, 2)
    assert sorted(done) == [0, 2, 2]


def test_several_callers_share_the_workers():
    def caller(number: int) -> int:
        seen: list[int] = []
        for _ in range(50):
            split_rows(lambda start, stop: seen.extend(range(start, stop)), 8, 4)
        return len(seen) * 1000 + number

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(caller, range(4))) == [400_000 + number for number in range(4)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_has_its_own_workers():
    split_rows(lambda start, stop: None, 4, 2)
    child = os.fork()
    if child == 0:
        barrier = threading.Barrier(2, timeout=10)
        try:
            split_rows(lambda start, stop: barrier.wait() and None, 4, 2)
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_arguments():
    assert check_threads(3) == 3
    cases: Any = ((0, ValueError), (257, ValueError), (1.5, TypeError), (True, TypeError))
    for bad, error in cases:
        with pytest.raises(error, match="threads"):
            check_threads(bad)
    for rows, at_least in ((-1, 1), (1, 0)):
        with pytest.raises(ValueError, match="rows must be"):
            split_rows(lambda start, stop: None, rows, 2, at_least)
