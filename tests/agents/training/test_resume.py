"""A training that is killed goes on as if it had not been."""

import csv
import itertools
import random
from collections.abc import Generator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from microgym.agents.core.trained_agent import POLICY_FILE
from microgym.agents.training.checkpoint import CheckpointStore
from tests.agents.training.trainee import DECISIONS, POINTS, Life, Trainer

ROLLOUTS = 24
ORDER = {"seed": 3, "total_timesteps": ROLLOUTS * DECISIONS, "log": ["csv"]}
KILLS = 20


@pytest.fixture(scope="module")
def trainer() -> Generator[Trainer]:
    one = Trainer()
    yield one
    one.close()


@pytest.fixture(scope="module")
def unkilled(trainer: Trainer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Life]:
    """A run from beginning to end, and how it went."""
    folder = tmp_path_factory.mktemp("unkilled")
    life = trainer.live(folder, **ORDER)
    assert life.words == {"complete": True, "resumed": 0}
    assert life.saved == [rollout * DECISIONS for rollout in range(ROLLOUTS + 1)]
    return folder, life


def log(folder: Path) -> list[dict[str, str]]:
    """The rows of a log, without the times of the clock."""
    with (folder / "progress.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    clock = ("time/fps", "time/time_elapsed")
    return [{n: v for n, v in row.items() if n not in clock} for row in rows]


def newest(folder: Path) -> int:
    found = CheckpointStore(folder).newest()
    return -1 if found is None else found.step


def assert_same_run(folder: Path, wanted: Path) -> None:
    mine, theirs = load_file(folder / POLICY_FILE), load_file(wanted / POLICY_FILE)
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if not torch.equal(mine[name], theirs[name])] == []
    assert log(folder) == log(wanted)
    assert list(folder.glob(".*")) == []


def test_a_log_holds_every_loss_of_every_update(unkilled):
    rows = log(unkilled[0])
    steps = [int(row["time/total_timesteps"]) for row in rows]
    assert steps == [(k + 1) * DECISIONS for k in range(ROLLOUTS)]
    losses = ("loss", "value_loss", "policy_gradient_loss", "entropy_loss", "approx_kl")
    for row in rows:
        assert all(float(row[f"train/{name}"]) == float(row[f"train/{name}"]) for name in losses)
    assert len({row["train/value_loss"] for row in rows}) == ROLLOUTS
    assert all(float(row["train/auxiliary_loss"]) > 0 for row in rows[:-1])


@pytest.mark.filterwarnings("error")
def test_killed_at_random_moments(trainer, unkilled, tmp_path):
    wanted, whole = unkilled
    draw = random.Random(20)
    kills = 0
    for chain in itertools.count():
        folder = tmp_path / str(chain)
        reported = -1
        while kills < KILLS:
            moment = draw.uniform(0.0, 2.5 * whole.seconds / ROLLOUTS)
            life = trainer.live(folder, **ORDER, resume=True, kill_after_s=moment)
            reported = max([reported, *life.saved])
            assert newest(folder) >= reported
            if not life.killed:
                break
            kills += 1
        else:
            life = trainer.live(folder, **ORDER, resume=True)
        assert life.words["complete"]
        assert_same_run(folder, wanted)
        if kills == KILLS:
            break


@pytest.mark.filterwarnings("error")
def test_killed_at_every_step_of_writing(trainer, unkilled, tmp_path):
    reported = -1
    for name in POINTS:
        once = "policy" in name or "cut" in name  # a session writes it once
        point = (name, 1 if once else 2)
        life = trainer.live(tmp_path, **ORDER, resume=True, die_at=point)
        assert life.killed, name
        reported = max([reported, *life.saved])
        assert newest(tmp_path) >= reported, name
    assert trainer.live(tmp_path, **ORDER, resume=True).words["complete"]
    assert_same_run(tmp_path, unkilled[0])
