import math
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from stable_baselines3.common.logger import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from microgym.agents.training.loggers import STEP, video_path
from microgym.agents.training.video import animation
from tests.agents.training.logs import (
    LOCAL,
    ROWS,
    first,
    logged,
    opened,
    read_csv,
    read_tensorboard,
    rest,
    rounded,
    write,
)


def assert_logs(folder, rows):
    assert read_csv(folder) == rows
    assert read_tensorboard(folder) == rounded(rows)


def test_csv_holds_the_very_numbers_and_tensorboard_their_float32(tmp_path):
    logged(tmp_path, ROWS)
    assert_logs(tmp_path, ROWS)
    assert {path.name for path in tmp_path.iterdir()} == {"progress.csv", "tensorboard"}


def test_numbers_that_are_not_finite_are_kept(tmp_path):
    logged(
        tmp_path, {3: {"nan": math.nan, "up": math.inf, "down": -math.inf, "np": np.float32(0.5)}}
    )
    for read in (read_csv, read_tensorboard):
        (row,) = read(tmp_path).values()
        assert math.isnan(row.pop("nan"))
        assert row == {"up": math.inf, "down": -math.inf, "np": 0.5}


def test_a_row_is_in_the_logs_when_it_is_written(tmp_path):
    logger = opened(tmp_path)
    for count in (1, 2, 3):
        write(logger, rest(first(ROWS, count), count - 1))
        assert_logs(tmp_path, first(ROWS, count))
    logger.close()


def test_a_column_that_appears_later(tmp_path):
    logged(tmp_path, ROWS)
    lines = (tmp_path / "progress.csv").read_text().splitlines()
    assert lines[0] == f"{STEP},train/loss,a,later"
    assert lines[1] == "256,0.3333333333333333,1e-300,"
    more = {4000: {"more": 1.0, "a": 2.0}}
    logged(tmp_path, more, last_step=2304)
    assert_logs(tmp_path, ROWS | more)


def test_without_a_kind_nothing_is_kept(tmp_path):
    logger = opened(tmp_path / "none", ())
    write(logger, ROWS)
    logger.close()
    assert not (tmp_path / "none").exists()


def test_what_is_no_number_is_left_to_its_format(tmp_path):
    logger = opened(tmp_path)
    logger.record(STEP, 7)
    logger.record("note", "text", exclude="csv")
    logger.record("plot", Figure(None, close=False), exclude=("csv", "tensorboard"))
    logger.dump(7)
    logger.close()
    assert read_csv(tmp_path) == {7: {}}


def test_a_run_that_begins_replaces_the_logs_of_another(tmp_path):
    video_path(tmp_path, "film", 7).parent.mkdir(parents=True)
    video_path(tmp_path, "film", 7).write_bytes(b"old")
    for rows in (ROWS, {7: {"b": 1.0}}):
        logged(tmp_path, rows)
    assert_logs(tmp_path, {7: {"b": 1.0}})
    assert not video_path(tmp_path, "film", 7).exists()


def test_videos_are_files_and_in_tensorboard(tmp_path):
    logger = opened(tmp_path)
    path = video_path(tmp_path, "some/film", 20)
    path.parent.mkdir(parents=True)
    film = [np.full((8, 9, 3), shade, np.uint8) for shade in (0, 100, 200)]
    path.write_bytes(animation(film, 4, "GIF"))
    logger.record("some/film", path, exclude="csv")
    write(logger, {20: {"a": 1.0}})
    logger.close()
    with Image.open(tmp_path / "media" / "some" / "film-20.gif") as image:
        assert (image.n_frames, image.size) == (3, (9, 8))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    (seen,) = events.Images("some/film")
    assert seen.encoded_image_string == path.read_bytes()
    assert (seen.step, seen.width, seen.height) == (20, 9, 8)
    assert_logs(tmp_path, {20: {"a": 1.0}})


# --- runs that were killed ---------------------------------------------------------------------


def test_a_resumed_run_has_the_rows_of_its_checkpoint_and_its_own(tmp_path):
    logged(tmp_path, ROWS)
    again = {1000: {"a": 7.0}, 2304: {"a": 8.0}}
    logged(tmp_path, again, last_step=768)
    assert_logs(tmp_path, first(ROWS, 2) | again)
    logged(tmp_path, {}, last_step=1000)
    assert_logs(tmp_path, first(ROWS, 2) | {1000: {"a": 7.0}})


def test_a_log_that_is_new_in_a_resumed_run_begins_there(tmp_path):
    logged(tmp_path, first(ROWS, 2), ["csv"])
    logged(tmp_path, rest(ROWS, 2), last_step=768)
    assert read_csv(tmp_path) == ROWS
    assert read_tensorboard(tmp_path) == rounded(rest(ROWS, 2))


@pytest.mark.parametrize("kind", LOCAL)
def test_a_log_cut_at_any_byte_loses_and_doubles_nothing(tmp_path, kind):
    """The checkpoint is that of the second row; the file ends within the third."""
    logger = opened(tmp_path / "whole")
    write(logger, first(ROWS, 2))
    folder = tmp_path / "whole" / ("tensorboard" if kind == "tensorboard" else "")
    (name,) = (
        path.relative_to(tmp_path / "whole")
        for path in folder.glob("*")
        if path.is_file() and path.stat().st_size > 100 * (kind == "tensorboard")
    )
    begin = (tmp_path / "whole" / name).stat().st_size
    write(logger, {1000: {"a": 0.7}})  # no new column, which would replace the file as a whole
    logger.close()
    end = (tmp_path / "whole" / name).stat().st_size
    assert end - begin > 9
    for size in range(begin, end + 1):
        folder = tmp_path / str(size)
        shutil.copytree(tmp_path / "whole", folder)
        os.truncate(folder / name, size)
        logged(folder, rest(ROWS, 2), last_step=768)
        assert_logs(folder, ROWS)
        shutil.rmtree(folder)


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.agents.training.logs import ROWS, opened, first, rest, write

def killed(folder, point):
    '''Write two rows, each with a new column, killed before or after one of the flushes.'''
    flush, passed = os.fsync, 0
    def fsync(descriptor):
        nonlocal passed
        for action in (lambda: None, lambda: flush(descriptor)):
            if passed == point:
                os.kill(os.getpid(), signal.SIGKILL)
            passed += 1
            action()
    logger = opened(folder, ["csv"])
    write(logger, first(ROWS, 1))
    os.fsync = fsync
    write(logger, {768: ROWS[768] | {"b": 1.0}, 1536: ROWS[1536]})

for point in range(100):
    child = os.fork()
    if not child:
        killed(Path(sys.argv[1]) / str(point), point)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status == 0:
        break
    assert os.WTERMSIG(status) == signal.SIGKILL
print(point)
"""


def test_a_run_killed_between_any_two_writes_loses_and_doubles_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 12  # before and after: the file with its new column, folder, row
    for point in range(int(done.stdout)):
        folder = tmp_path / str(point)
        logged(folder, rest(ROWS, 1), ["csv"], last_step=256)
        found = read_csv(folder)
        assert found == ROWS, point


# --- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["tensorboard", "wandb"])
def test_a_missing_package_is_named_when_it_is_asked_for(tmp_path, monkeypatch, kind):
    monkeypatch.setitem(sys.modules, kind, None)
    with pytest.raises(ImportError, match=rf"pip install 'microgym\[{kind}\]'"):
        opened(tmp_path / "new", ["csv", kind])
    assert not (tmp_path / "new").exists()


def test_an_unknown_kind_is_refused(tmp_path):
    with pytest.raises(ValueError, match="logs must be of csv, tensorboard, wandb, got 'excel'"):
        opened(tmp_path / "new", ["csv", "excel"])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("content", ["a,b\n1,2\n", f"{STEP},a\n1,2,3\n", f"{STEP},a\nx,2\n"])
def test_another_file_is_not_continued(tmp_path, content):
    (tmp_path / "progress.csv").write_text(content)
    with pytest.raises(ValueError, match="is not a log of a training"):
        opened(tmp_path, last_step=5)
    assert (tmp_path / "progress.csv").read_text() == content
