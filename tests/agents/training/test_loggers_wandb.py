"""wandb writes offline here: its own inspector reads its file back."""

import math
import os
import signal
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest

from microgym.agents.training.loggers import STEP, video_path
from microgym.agents.training.video import animation
from tests.agents.training.logs import (
    ROWS,
    first,
    logged,
    opened,
    read_csv,
    read_tensorboard,
    read_wandb,
    rest,
    rounded,
    wandb_records,
    write,
)

KEY = "0123456789" * 4


@pytest.fixture(autouse=True)
def stranger(monkeypatch, tmp_path):
    """Nobody is logged in, and nothing is set."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "no-config"))


def test_all_three_hold_the_same_numbers(tmp_path):
    rows = ROWS | {9000: {"up": math.inf, "down": -math.inf}}
    logger = opened(tmp_path, ("csv", "tensorboard", "wandb"))
    write(logger, ROWS)
    film = video_path(tmp_path, "some/film", 9000)
    film.parent.mkdir(parents=True)
    film.write_bytes(animation([np.zeros((8, 9, 3), np.uint8)] * 2, 4, "GIF"))
    logger.record("some/film", film, exclude="csv")
    write(logger, rest(rows, 4))
    write(logger, {9001: {"nan": math.nan}})
    logger.close()
    for read in (read_csv, read_tensorboard, read_wandb):
        found = read(tmp_path)
        assert math.isnan(found.pop(9001)["nan"]), read
        assert found == (rounded(rows) if read is read_tensorboard else rows), read
    records = wandb_records(tmp_path)
    (run,) = (record["run"] for record in records if record["type"] == "run")
    assert run["project"] == "microgym"
    assert run["display_name"] == "a run"
    assert run["config"]["update"]["rate"] == 0.1
    media = [r["history"]["item"] for r in records if r["type"] == "history"]
    (item,) = (one for one in media if one["_step"] == 9000)
    (files,) = (path.parent / "files" for path in tmp_path.glob("wandb/offline-run-*/*.wandb"))
    assert (files / item["some/film.path"]).read_bytes() == film.read_bytes()
    everything = {path.name for path in tmp_path.iterdir()}
    assert everything == {"progress.csv", "tensorboard", "wandb", "media"}


# --- runs that were killed ---------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.agents.training.logs import ROWS, opened, write
write(opened(Path(sys.argv[1]), ["wandb"]), ROWS)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_loses_and_doubles_nothing(tmp_path):
    words = [sys.executable, "-c", KILLED, str(tmp_path)]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    (old,) = tmp_path.glob("wandb/offline-run-*")
    logged(tmp_path, {9000: {"a": 1.0}}, ["wandb"], last_step=1536)
    wanted = first(ROWS, 3) | {9000: {"a": 1.0}}
    assert read_csv(tmp_path) == wanted
    assert read_wandb(tmp_path) == wanted
    (new,) = tmp_path.glob("wandb/offline-run-*")  # one file to synchronise, of the same run
    assert new.name.rpartition("-")[2] == old.name.rpartition("-")[2]


def test_a_run_that_begins_anew_is_another_run(tmp_path):
    for _ in range(2):
        logged(tmp_path, first(ROWS, 1), ["wandb"])
    assert len({one.name[-8:] for one in tmp_path.glob("wandb/offline-run-*")}) == 2


class Broken:
    """A run whose process has gone."""

    step = 0

    def log(self, *words, **more):
        raise ConnectionError("gone")


def test_training_goes_on_without_wandb_and_a_resumed_run_catches_up(tmp_path):
    logger = opened(tmp_path, ["wandb"])
    write(logger, first(ROWS, 2))
    output: Any = logger.output_formats[1]
    output._run.finish()
    output._run = Broken()
    with pytest.warns(RuntimeWarning, match=r"takes no more rows: gone; they are in"):
        write(logger, {1536: ROWS[1536]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write(logger, rest(ROWS, 3))
    logger.close()
    assert read_wandb(tmp_path) == first(ROWS, 2)
    logged(tmp_path, {}, ["wandb"], last_step=2304)
    assert read_wandb(tmp_path) == ROWS


class Online:
    """A run that the server has up to some step, in place of wandb's."""

    def __init__(self, step):
        self.step, self.sent = step, []

    def log(self, values, step, commit):
        assert commit
        self.sent.append((step, {n: v for n, v in values.items() if n != STEP}))

    def finish(self):
        pass


def test_online_only_what_the_server_lacks_is_sent(tmp_path, monkeypatch):
    import wandb

    logged(tmp_path, first(ROWS, 3), ["wandb"])
    asked, run = [], Online(step=769)  # wandb's own count: one more than the last step
    monkeypatch.setattr("microgym.agents.training.loggers._wandb_mode", lambda: "online")
    monkeypatch.setattr(wandb, "init", lambda **words: asked.append(words) or run)
    logged(tmp_path, rest(ROWS, 3), ["wandb"], last_step=1536)
    assert run.sent == list(rest(ROWS, 2).items())
    run_id = (tmp_path / "wandb" / "run_id.txt").read_text()
    assert (asked[0]["id"], asked[0]["resume"], asked[0]["mode"]) == (run_id, "allow", "online")


# --- the network -------------------------------------------------------------------------------

# A proxy that counts: wandb's process, which is written in Go, and Python's HTTP clients go through
# it whenever they want to leave the machine. Inside Python no other connection is let through.
WATCHED = """
import os, socket, sys, threading
from pathlib import Path
server = socket.create_server(("127.0.0.1", 0))
calls = []
def count():
    while True:
        connection, _ = server.accept()
        calls.append(connection.recv(99))
        connection.close()
threading.Thread(target=count, daemon=True).start()
for name in ("HTTP_PROXY", "HTTPS_PROXY"):
    os.environ[name] = os.environ[name.lower()] = "http://127.0.0.1:%d" % server.getsockname()[1]
connect = socket.socket.connect
def watched(self, address):
    if self.family != socket.AF_UNIX and address[1] != server.getsockname()[1]:
        calls.append(address)
        raise OSError("no network")
    return connect(self, address)
socket.socket.connect = watched
from microgym.agents.training.loggers import open_logger
error = None
try:
    logger = open_logger(Path(sys.argv[1]), ["wandb"], name="n", config={})
    logger.record("a", 1.0)
    logger.dump(1)
    logger.close()
except (OSError, ValueError) as caught:
    error = caught
Path(sys.argv[1], "seen").write_text("%d %s" % (len(calls), error))
"""


def watched(folder, **environment):
    """How often the network was tried, the error, and what was printed."""
    folder.mkdir()
    words = [sys.executable, "-c", WATCHED, str(folder)]
    given = {"WANDB_INIT_TIMEOUT": "2", **environment}
    done = subprocess.run(words, env=os.environ | given, capture_output=True, text=True, check=True)
    calls, _, error = (folder / "seen").read_text().partition(" ")
    return int(calls), error, done.stdout + done.stderr


def files(folder):
    return [path for path in (folder / "wandb").glob("*run-*")]


def test_without_login_nothing_is_printed_and_the_network_is_not_tried(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_ERROR_REPORTING")
    assert watched(tmp_path / "run") == (0, "None", "")
    assert [path.name[:7] for path in files(tmp_path / "run")] == ["offline"]


def test_with_login_it_is(tmp_path):
    calls, error, _ = watched(tmp_path / "run", WANDB_API_KEY=KEY)
    assert calls > 0
    assert "WANDB_MODE=offline logs without network" in error


def test_the_users_mode_is_obeyed(tmp_path):
    offline = watched(tmp_path / "offline", WANDB_API_KEY=KEY, WANDB_MODE="offline")
    assert offline == (0, "None", "")
    assert len(files(tmp_path / "offline")) == 1
    assert watched(tmp_path / "disabled", WANDB_MODE="disabled") == (0, "None", "")
    assert {path.name for path in (tmp_path / "disabled").iterdir()} == {"progress.csv", "seen"}
    calls, error, said = watched(tmp_path / "online", WANDB_MODE="online")
    assert (calls, said) == (0, "")
    assert error == "WANDB_MODE=online needs a login: wandb login, or set WANDB_API_KEY"


@pytest.mark.slow
def test_a_login_in_a_netrc_file_counts(tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine api.wandb.ai login user password {KEY}\n")
    netrc.chmod(0o600)
    calls, _, _ = watched(tmp_path / "run", NETRC=str(netrc))
    assert calls > 0
