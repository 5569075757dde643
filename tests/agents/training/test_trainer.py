"""Training of the tiny agent: interruptions, refusals, logs and films."""

import random
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from microgym.agents.core.trained_agent import POLICY_FILE, load_policy
from microgym.agents.training import trainer
from microgym.agents.training.checkpoint import CheckpointStore, is_unfinished, write_checkpoint
from tests.agents.training.trainee import DECISIONS, ENV, TINY, tiny_arguments

STEPS = 4 * DECISIONS

pytestmark = pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")


@pytest.fixture(autouse=True)
def _short_episodes():
    before = torch.get_num_threads()
    with tiny_arguments():
        yield
    torch.set_num_threads(before)


def train(folder: Path, **changes: Any) -> Any:
    words = {"seed": 1, "total_timesteps": STEPS, "config": TINY, **changes}
    return trainer.train(ENV, output=folder, **words)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was not interrupted and not logged."""
    folder = tmp_path_factory.mktemp("whole")
    with tiny_arguments():
        assert train(folder).complete
    return folder


def assert_same_weights(folder: Path, wanted: Path) -> None:
    mine, theirs = load_file(folder / POLICY_FILE), load_file(wanted / POLICY_FILE)
    assert [name for name in theirs if not torch.equal(mine[name], theirs[name])] == []


def newest(folder: Path) -> Any:
    return CheckpointStore(folder).newest()


def curve(folder: Path) -> list[tuple[int, float]]:
    return [(step, value) for step, value in newest(folder).facts["curve"]]


def test_a_finished_run_leaves_a_policy_and_little_else(whole):
    load_policy(whole, ENV)
    (path,) = whole.glob("checkpoint-*")
    assert newest(whole).finished
    assert path.stat().st_size < 10_000
    assert sorted(one.name for one in whole.iterdir()) == [path.name, POLICY_FILE]


@pytest.fixture
def heard_interrupts():
    """Ctrl-C as a terminal has it: what is started in the background may have been told not to."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard_interrupts")
def test_ctrl_c_ends_a_run_at_the_next_checkpoint(whole, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    heard: list[int] = []

    def progress(more: int) -> None:
        heard.append(more)
        if len(heard) == 4:  # in the middle of the second rollout
            signal.raise_signal(signal.SIGINT)

    config = {**TINY, "checkpoint_s": 1e6}
    found = train(tmp_path, progress=progress, config=config)
    assert signal.getsignal(signal.SIGINT) is before
    assert (found.complete, found.resumed) == (False, 0)
    assert (newest(tmp_path).step, sum(heard)) == (2 * DECISIONS, 2 * DECISIONS)
    load_policy(tmp_path, ENV)
    with pytest.raises(ValueError, match=r"unfinished training \(12 of 24 steps\).*--resume"):
        train(tmp_path)

    heard.clear()
    found = train(tmp_path, resume=True, progress=heard.append)
    assert (found.complete, found.resumed) == (True, 1)
    assert heard == [2 * DECISIONS, *[TINY["num_envs"]] * (2 * TINY["n_steps"])]
    assert found.curve == curve(whole)
    assert_same_weights(tmp_path, whole)


@pytest.mark.usefixtures("heard_interrupts")
def test_a_second_ctrl_c_ends_a_run_at_once(tmp_path):
    heard: list[int] = []

    def progress(more: int) -> None:
        heard.append(more)
        if len(heard) == 4:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    assert not train(tmp_path, progress=progress).complete
    assert len(heard) == 4
    assert newest(tmp_path).step == DECISIONS
    assert train(tmp_path, resume=True).resumed == 1


def test_an_interruption_from_progress_is_ctrl_c(whole, tmp_path):
    def progress(more: int) -> None:
        raise KeyboardInterrupt

    assert not train(tmp_path, progress=progress).complete
    assert newest(tmp_path).step == DECISIONS
    assert not train(tmp_path, progress=progress, resume=True).complete
    assert newest(tmp_path).step == DECISIONS, "heard of what was done before, and stopped"
    assert train(tmp_path, resume=True).complete
    assert_same_weights(tmp_path, whole)


def test_a_finished_run_is_not_done_again_by_resuming(whole, monkeypatch):
    monkeypatch.setattr(trainer, "Learner", None)
    heard: list[int] = []
    before = (whole / POLICY_FILE).stat().st_mtime_ns
    found = train(whole, resume=True, progress=heard.append)
    assert (found.complete, found.resumed, heard) == (True, 0, [STEPS])
    assert found.curve == curve(whole)
    assert found.duration_s == newest(whole).facts["duration_s"]
    assert (whole / POLICY_FILE).stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 2}, "seed=1, asked was seed=2"),
        ({"total_timesteps": STEPS + 1}, "total_timesteps=24, asked was total_timesteps=25"),
        ({"config": {**TINY, "clip_range": 0.1}}, "clip_range=0.2, asked was clip_range=0.1"),
    ],
)
def test_other_settings_are_refused(whole, change, message):
    with pytest.raises(ValueError, match=message):
        train(whole, resume=True, **change)


@pytest.mark.parametrize("change", [{"checkpoint_s": -1.0}, {"record_every": -1}])
def test_impossible_settings_are_refused(tmp_path, change):
    with pytest.raises(ValueError, match="must be at least 0, got -1"):
        train(tmp_path / "run", config={**TINY, **change})
    assert not (tmp_path / "run").exists()


def test_what_changes_nothing_may_change(whole):
    config = {**TINY, "checkpoint_s": 3.0, "record_every": 5}
    assert train(whole, resume=True, config=config).complete


def test_a_finished_run_gives_way_to_a_new_one(tmp_path, whole):
    for name in (POLICY_FILE, "checkpoint-000000000024.npz"):
        (tmp_path / name).write_bytes((whole / name).read_bytes())

    def progress(more: int) -> None:
        raise KeyboardInterrupt

    assert not train(tmp_path, seed=5, progress=progress).complete
    assert is_unfinished(tmp_path)
    assert newest(tmp_path).run["seed"] == 5


@pytest.mark.parametrize("part", ["policy", "adam", "auxiliary", "env", "observation", "random"])
def test_a_checkpoint_of_other_shapes_is_refused(tmp_path, part):
    def progress(more: int) -> None:
        raise KeyboardInterrupt

    train(tmp_path, progress=progress)
    found = newest(tmp_path)
    name = next(n for n, a in found.arrays.items() if n.startswith(f"{part}/") and a.ndim)
    arrays = {n: a[..., :-1] if n == name else a for n, a in found.arrays.items()}
    write_checkpoint(tmp_path / "checkpoint-000000000006.npz", replace(found, arrays=arrays))
    with pytest.raises(ValueError, match="does not fit this version"):
        train(tmp_path, resume=True)


def test_training_does_not_depend_on_the_state_of_the_generators(whole, tmp_path):
    random.seed(99)
    np.random.seed(99)  # noqa: NPY002
    torch.manual_seed(99)
    train(tmp_path)
    assert_same_weights(tmp_path, whole)


def test_films_disturb_nothing(whole, tmp_path):
    config = {**TINY, "record_every": 2 * DECISIONS}
    found = train(tmp_path, config=config, log=["csv"])
    assert found.complete
    films = sorted(path.name for path in (tmp_path / "media").rglob("*.gif"))
    assert films == ["episode-12.gif", "episode-24.gif"]
    assert_same_weights(tmp_path, whole)
