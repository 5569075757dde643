import io
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from stable_baselines3.common.logger import Figure, Logger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from microgym.agents.training.logbooks.sb3 import LogbookWriter
from tests.agents.training.logs import (
    FILM,
    IMAGE,
    LOCAL,
    ROWS,
    first,
    opened,
    read_csv,
    read_tensorboard,
    rest,
    write,
)

READERS = {"csv": read_csv, "tensorboard": read_tensorboard}


def test_csv_and_tensorboard_hold_the_very_numbers(tmp_path):
    with opened(tmp_path) as book:
        write(book, first(ROWS, 2))
        book.commit()
        write(book, rest(ROWS, 2))
        book.commit()
    assert read_csv(tmp_path) == ROWS
    assert read_tensorboard(tmp_path) == ROWS


def test_numbers_that_are_not_finite_are_kept(tmp_path):
    with opened(tmp_path) as book:
        book.write(3, {"nan": math.nan, "up": math.inf, "down": -math.inf, "np": np.float32(0.5)})
        told = json.loads(json.dumps(book.pending(), allow_nan=False))
        book.commit()
    with opened(tmp_path / "restored") as book:
        book.restore(told)
    for folder in (tmp_path, tmp_path / "restored"):
        for read in READERS.values():
            (row,) = read(folder).values()
            assert math.isnan(row.pop("nan"))
            assert row == {"up": math.inf, "down": -math.inf, "np": 0.5}


def test_nothing_is_in_a_log_before_it_is_committed(tmp_path):
    with opened(tmp_path) as book:
        write(book, first(ROWS, 1))
        book.commit()
        write(book, rest(ROWS, 1))
        assert [row["step"] for row in book.pending()] == [768, 1536, 2304]
        for read in READERS.values():
            assert read(tmp_path) == first(ROWS, 1)
    for read in READERS.values():
        assert read(tmp_path) == first(ROWS, 1)


def test_what_is_noted_for_one_step_is_one_row(tmp_path):
    with opened(tmp_path) as book:
        book.write(5, {"a": 1.0})
        book.write(5, {"b": 2.0})
        book.write(5, {"a": 3.0})
        book.commit()
    for read in READERS.values():
        assert read(tmp_path) == {5: {"a": 3.0, "b": 2.0}}


def test_a_column_that_appears_later(tmp_path):
    with opened(tmp_path) as book:
        for step, values in ROWS.items():
            book.write(step, values)
            book.commit()
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0] == 'step,train/loss,a,"later, with a comma"'
    assert lines[1] == "0,0.3333333333333333,1e-300,"
    assert read_csv(tmp_path) == ROWS
    with opened(tmp_path, resume=True) as book:
        book.write(4000, {"more": 1.0, "a": 2.0})
        book.commit()
    for read in READERS.values():
        assert read(tmp_path) == ROWS | {4000: {"more": 1.0, "a": 2.0}}


def test_without_a_kind_everything_is_taken_and_nothing_kept(tmp_path):
    with opened(tmp_path / "none", ()) as book:
        assert not book.wants_media
        write(book, ROWS)
        book.picture(9000, "seen", IMAGE)
        book.video(9000, "film", FILM, 4)
        assert book.pending() == []
        book.commit()
    assert not (tmp_path / "none").exists()


def test_a_run_that_begins_replaces_the_logs_of_another(tmp_path):
    for rows in (ROWS, {7: {"b": 1.0}}):
        with opened(tmp_path) as book:
            write(book, rows)
            book.commit()
    for read in READERS.values():
        assert read(tmp_path) == {7: {"b": 1.0}}


# --- pictures and films ------------------------------------------------------------------------


def test_pictures_and_films_are_files_and_in_tensorboard(tmp_path):
    with opened(tmp_path) as book:
        assert book.wants_media
        book.write(10, {"a": 1.0})
        book.picture(10, "specimen/seen", IMAGE)
        book.video(20, "film", FILM, 4)
        told = book.pending()
        book.commit()
    with Image.open(tmp_path / "media" / "specimen" / "seen-10.png") as image:
        assert np.array_equal(np.asarray(image), IMAGE)
    with Image.open(tmp_path / "media" / "film-20.gif") as film:
        assert (film.n_frames, film.size) == (3, (9, 8))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    (seen,) = events.Images("specimen/seen")
    with Image.open(io.BytesIO(seen.encoded_image_string)) as image:
        assert np.array_equal(np.asarray(image), IMAGE)
    assert (seen.step, seen.width, seen.height) == (10, 9, 8)
    assert events.Images("film")[0].encoded_image_string[:6] == b"GIF89a"
    assert read_csv(tmp_path) == {10: {"a": 1.0}}

    (tmp_path / "media" / "film-20.gif").unlink()
    with opened(tmp_path / "other") as book:  # a run that lost a picture goes on
        book.restore(told)
    assert read_csv(tmp_path / "other") == {10: {"a": 1.0}}


# --- runs that were killed ---------------------------------------------------------------------


def resumed(folder, before, pending):
    """What a run does that was killed when `before` was committed and `pending` in a checkpoint."""
    with opened(folder, resume=True) as book:
        book.restore(pending)
        write(book, {step: values for step, values in ROWS.items() if step > before})
        book.commit()


@pytest.mark.parametrize("kind", LOCAL)
def test_a_log_cut_at_any_byte_loses_and_doubles_nothing(tmp_path, kind):
    with opened(tmp_path / "whole") as book:
        write(book, first(ROWS, 1))
        book.commit()
        name = {"csv": "log.csv", "tensorboard": "tensorboard/events.out.tfevents.000000"}[kind]
        begin = (tmp_path / "whole" / name).stat().st_size
        # No new column: that line is written with the whole file, so it is never cut.
        book.write(768, ROWS[768])
        book.write(1000, {"a": 0.7})
        pending = book.pending()
        book.commit()
    end = (tmp_path / "whole" / name).stat().st_size
    assert end - begin > 20
    wanted = ROWS | {1000: {"a": 0.7}}
    for size in range(begin, end + 1):
        folder = tmp_path / str(size)
        shutil.copytree(tmp_path / "whole", folder)
        os.truncate(folder / name, size)
        resumed(folder, 1000, pending)
        assert READERS[kind](folder) == dict(sorted(wanted.items())), size
        shutil.rmtree(folder)


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.agents.training.logs import ROWS, opened, read_csv, read_tensorboard, rest, write

def killed(folder, point):
    '''Commit three rows, killed before or after one of the flushes to the disk.'''
    flush, passed = os.fsync, 0
    def fsync(descriptor):
        nonlocal passed
        for action in (lambda: None, lambda: flush(descriptor)):
            if passed == point:
                os.kill(os.getpid(), signal.SIGKILL)
            passed += 1
            action()
    with opened(folder) as book:
        write(book, {0: ROWS[0]})
        book.commit()
        os.fsync = fsync
        write(book, {s: ROWS[s] for s in (768, 1536)})
        book.commit()

pending = [{"step": s, "values": ROWS[s], "media": {}} for s in (768, 1536)]
for point in range(100):
    folder = Path(sys.argv[1]) / str(point)
    child = os.fork()
    if not child:
        killed(folder, point)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status == 0:
        break
    assert os.WTERMSIG(status) == signal.SIGKILL
    with opened(folder, resume=True) as book:
        book.restore(pending)
        write(book, rest(ROWS, 3))
        book.commit()
    assert read_csv(folder) == ROWS, point
    assert read_tensorboard(folder) == ROWS, point
print(point)
"""


def test_a_run_killed_between_any_two_writes_loses_and_doubles_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 6  # before and after: the CSV file, its folder, the event file


class Full(io.FileIO):
    """A file on a disk that has room for 50 bytes more."""

    def write(self, content):
        if len(content) > 50:
            super().write(content[:50])
            raise OSError(28, "No space left on device")
        return super().write(content)


@pytest.mark.parametrize("full", ["log.csv", "events.out.tfevents.000000"])
def test_a_disk_that_is_full_leaves_the_rows_for_the_next_commit(tmp_path, monkeypatch, full):
    usual = Path.open

    def opens(path, mode="r", *words, **more):
        return Full(path, "a") if path.name == full else usual(path, mode, *words, **more)

    rows = {step: {"a": step / 7, "b": 1.0} for step in range(9)}
    with opened(tmp_path) as book:
        write(book, first(rows, 2))
        book.commit()
        write(book, rest(rows, 2))
        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", opens)
            with pytest.raises(OSError, match="No space"):
                book.commit()
        assert len(book.pending()) == 7
        book.commit()
    assert read_csv(tmp_path) == rows
    assert read_tensorboard(tmp_path) == rows


# --- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["tensorboard", "wandb"])
def test_a_missing_package_is_named_when_it_is_asked_for(tmp_path, monkeypatch, kind):
    for name in [one for one in sys.modules if one.partition(".")[0] == kind]:
        monkeypatch.delitem(sys.modules, name)
    module = {"tensorboard": "event_file", "wandb": "wandb_run"}[kind]
    monkeypatch.delitem(sys.modules, f"microgym.agents.training.logbooks.{module}", raising=False)
    monkeypatch.setitem(sys.modules, kind, None)
    with pytest.raises(ImportError, match=rf"pip install 'microgym\[{kind}\]'"):
        opened(tmp_path / "new", ["csv", kind])
    assert not (tmp_path / "new").exists()


def test_none_of_the_packages_is_needed_nor_loaded():
    code = """
import sys, tempfile
from pathlib import Path
for name in ("tensorboard", "wandb"):
    sys.modules[name] = None
from microgym.agents.training.logbooks.logbook import open_logbook
for kinds in ((), ("csv",)):
    with tempfile.TemporaryDirectory() as folder:
        with open_logbook(Path(folder), kinds, name="n", config={}) as book:
            book.write(1, {"a": 1.0})
            book.commit()
        print(len(list(Path(folder).iterdir())), "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "False", "1", "False"]
    assert done.stderr == ""


MISTAKES = [
    (lambda book: book.write(9, {"a": 1.0}), "step must be at least 10, got 9"),
    (lambda book: book.write(-1, {"a": 1.0}), "step must be at least 10"),
    (lambda book: book.write(10.5, {"a": 1.0}), "step must be a whole number, got 10.5"),
    (lambda book: book.write(20, {"a": "much"}), "a must be a number, got 'much'"),
    (lambda book: book.write(20, {"fine": 1.0, "a": None}), "a must be a number, got None"),
    (lambda book: book.write(20, {"": 1.0}), "names must be printable"),
    (lambda book: book.write(20, {"step": 1.0}), 'not "step"'),
    (lambda book: book.write(20, {"_step": 1.0}), "not begin with"),
    (lambda book: book.write(20, {"a\nb": 1.0}), "names must be printable"),
    (lambda book: book.picture(10, "a", IMAGE), "both a number and a picture"),
    (lambda book: book.picture(20, "../a", IMAGE), "names of pictures and films"),
    (lambda book: book.picture(20, "a", IMAGE[0]), "a must be uint8 .height, width, 3."),
    (lambda book: book.picture(20, "a", IMAGE / 255.0), "a must be uint8"),
    (lambda book: book.video(20, "a", [], 4), "a must be uint8"),
    (lambda book: book.video(20, "a", [IMAGE, IMAGE[1:]], 4), "all of one size"),
    (lambda book: book.video(20, "a", FILM, 0), "fps must be 1 to 100, got 0"),
    (lambda book: book.restore([{"steps": 20}]), "not a row of a logbook"),
]


@pytest.mark.parametrize(("act", "message"), MISTAKES)
def test_a_mistake_is_told_and_changes_nothing(tmp_path, act, message):
    with opened(tmp_path) as book:
        book.write(9, {"a": 0.5})
        book.commit()
        book.write(10, {"a": 0.25})
        before = book.pending()
        with pytest.raises(ValueError, match=message):
            act(book)
        assert book.pending() == before
        book.commit()
        with pytest.raises(ValueError, match="step must be at least 11, got 10"):
            book.write(10, {"b": 1.0})
    assert not (tmp_path / "media").exists()
    for read in READERS.values():
        assert read(tmp_path) == {9: {"a": 0.5}, 10: {"a": 0.25}}


def test_an_unknown_kind_is_refused(tmp_path):
    with pytest.raises(ValueError, match="logs must be of csv, tensorboard, wandb, got 'excel'"):
        opened(tmp_path / "new", ["csv", "excel"])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("content", ["a,b\n1,2\n", "step,a\n1,2,3\n", "step,a\nx,2\n", "\n"])
def test_another_file_is_not_continued(tmp_path, content):
    (tmp_path / "log.csv").write_text(content)
    with pytest.raises(ValueError, match="is not a log to go on with"):
        opened(tmp_path, resume=True)
    assert (tmp_path / "log.csv").read_text() == content


# --- Stable-Baselines3 -------------------------------------------------------------------------


def test_what_stable_baselines_records_becomes_rows(tmp_path):
    with opened(tmp_path) as book:
        logger = Logger(None, [LogbookWriter(book)])
        logger.record("train/loss", np.float32(0.5))
        logger.record("time/iterations", 3, exclude="tensorboard")
        logger.record("note", "text")
        logger.record("plot", Figure(None, close=False), exclude=("stdout",))
        logger.dump(768)
        logger.close()
        book.commit()
    for read in READERS.values():
        assert read(tmp_path) == {768: {"train/loss": 0.5, "time/iterations": 3.0}}
