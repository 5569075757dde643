import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from microgym.agents.core import config
from microgym.baselines.cli import main, parser, search
from microgym.baselines.cli.console import no_progress, read_option
from microgym.baselines.cli.search_space import search_space
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from tests.baselines import stubs

SPACE = """
[environment]
[training]
total_timesteps = 40
skill = 0.2
batch = 16
kind = "plain"
[search]
skill = { low = 0.01, high = 0.9, log = true }
batch = { low = 8, high = 64 }
kind = { choices = ["plain", "round"] }
"""


ENDED = {"complete": True, "duration_s": 0.1, "resumed": 0}


def train(env_id, *, seed, total_timesteps, output, progress, config, **more):
    """A policy as skilled as its settings say; on the toy, skill is what counts."""
    progress(total_timesteps)
    output.mkdir(parents=True, exist_ok=True)
    path = output / "policy.json"
    path.write_text(json.dumps({"skill": config["skill"]}))
    return SimpleNamespace(path=path, curve=[(total_timesteps, config["skill"])], **ENDED)


class Skilled(stubs.ToyAgent):
    """Aims beside the lamp, the nearer the more skill it has."""

    def __init__(self, skill):
        super().__init__("oracle", skill)

    def act(self, observation, info):
        action = super().act(observation, info)
        aside = np.where(action[:, :2] > 0, -1, 1) * (1 - self.skill)
        action[:, :2] = np.clip(action[:, :2] + aside, -1, 1)
        return action


def make_agent(env_id, name, env_kwargs):
    if name.endswith(".json"):
        return Skilled(json.loads(Path(name).read_text())["skill"])
    return stubs.make_agent(env_id, name, env_kwargs)


@pytest.fixture
def tmp_path(tmp_path):
    """In memory where that can be had: each trial is flushed to the disk many times."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def install(patch, folder):
    """Give the toy a configuration and an agent that can be trained; the configuration's file."""
    patch.setattr("microgym.agents.core.registry.make_agent", make_agent)
    patch.setattr(config, "agent_folder", lambda _: folder)
    file = folder / f"{stubs.TOY}.toml"
    file.write_text(SPACE)
    return file


@pytest.fixture
def space(toy, tmp_path, monkeypatch):
    (tmp_path / "configs").mkdir()
    return install(monkeypatch, tmp_path / "configs")


def plan(folder, **changes):
    words = {"trials": 3, "steps": 40, "seeds": (0, 1), "episodes": 4, **changes}
    return search.Plan(EnvironmentConfig(stubs.TOY, "validation"), folder, **words)


def run(folder, trainer=train, progress=no_progress, **changes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("microgym.agents.training.trainer.train", trainer)
        return search.search(plan(folder, **changes), progress)


@pytest.fixture(scope="module")
def whole():
    """A search of three trials that nothing disturbed."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        stubs.install(patch)
        install(patch, Path(folder))
        record = run(Path(folder) / "search")
        return record | {"files": sorted(one.name for one in (Path(folder) / "search").iterdir())}


def results(record):
    return [(one["state"], one["settings"], one.get("return_mean")) for one in record["trials"]]


def test_a_search_finds_better_settings_within_their_space(space, tmp_path):
    heard = []
    folder = tmp_path / "search"
    record = run(folder, trials=6, progress=heard.append)
    assert sum(heard) == 6 * 2 * 40
    first, best = record["trials"][0], record["best"]
    assert first["settings"] == {"skill": 0.2, "batch": 16, "kind": "plain"}  # as configured
    assert best["return_mean"] == max(one["return_mean"] for one in record["trials"])
    assert best["settings"]["skill"] > 0.2
    assert best["return_mean"] > first["return_mean"]
    assert best["score_interval"][0] < best["score"] < best["score_interval"][1]
    known = search_space(stubs.TOY)
    for one in record["trials"]:
        assert {n for n, v in one["settings"].items() if v not in known[n]} == set()
    assert len({json.dumps(one["settings"]) for one in record["trials"]}) == 6

    assert {"command", "commit", "machine", "packages", "space", "training"} <= record.keys()
    assert json.loads((folder / "search.json").read_text()) == record
    with (folder / "trials.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [float(line["return_mean"]) for line in table] == [
        one["return_mean"] for one in record["trials"]
    ]
    assert [int(line["batch"]) for line in table] == [
        one["settings"]["batch"] for one in record["trials"]
    ]


def test_the_best_settings_can_be_used_again(space, tmp_path):
    best = run(tmp_path / "search")["best"]["settings"]
    found = tomllib.loads((tmp_path / "search" / "best.toml").read_text())
    assert found == {"training": best}
    words = search.flags(best).split()
    assert words[::2] == ["--set"] * 3
    assert config.load_config(stubs.TOY, dict(map(read_option, words[1::2])))["training"] == {
        "total_timesteps": 40, **best,
    }  # fmt: skip


def test_a_search_is_repeatable_and_its_seed_counts(space, tmp_path, whole):
    same, other = (run(tmp_path / str(seed), seed=seed) for seed in (0, 1))
    assert results(whole) == results(same)
    assert results(whole)[0] == results(other)[0]
    assert results(whole)[1:] != results(other)[1:]


def test_a_search_goes_on_to_more_trials(space, tmp_path):
    words = {"trials": 12, "seeds": (0,)}  # the first ten are drawn at large, the others guided
    one = run(tmp_path / "a", **words)
    run(tmp_path / "b", **words | {"trials": 2})
    heard = []
    more = run(tmp_path / "b", progress=heard.append, **words)
    assert results(more) == results(one)
    assert sum(heard) == 12 * 40
    again = run(tmp_path / "b", **words | {"trials": 1}, trainer=None)
    assert results(again) == results(one)


class Killed(BaseException):
    """What no code expects, as no code expects to be killed."""


def dies_in_training(count):
    def trainer(*words, **more):
        nonlocal count
        count -= 1
        if count == 0:
            raise Killed
        return train(*words, **more)

    return trainer


@pytest.mark.parametrize("calls", [1, 6])
def test_a_killed_search_ends_as_one_that_was_not(space, tmp_path, whole, calls):
    with pytest.raises(Killed):
        run(tmp_path / "b", trainer=dies_in_training(calls))
    again = run(tmp_path / "b")
    assert results(again) == results(whole)
    assert [one["trial"] for one in again["trials"]] == [one["trial"] for one in whole["trials"]]
    assert sorted(one.name for one in (tmp_path / "b").iterdir()) == whole["files"]


@pytest.mark.parametrize(("place", "drawn"), [(0, 1), (1, 0), (2, 2)])
def test_a_search_killed_while_it_draws_ends_as_one_that_was_not(
    space, tmp_path, monkeypatch, whole, place, drawn
):
    import optuna

    count = place * 3 + drawn
    usual = optuna.storages.JournalStorage.set_trial_param

    def drawing(*words):
        nonlocal count
        if count == 0:
            raise Killed
        count -= 1
        return usual(*words)

    with monkeypatch.context() as patch:
        patch.setattr(optuna.storages.JournalStorage, "set_trial_param", drawing)
        with pytest.raises(Killed):
            run(tmp_path / "b")
    assert results(run(tmp_path / "b")) == results(whole)


def test_a_search_killed_while_it_is_mended_ends_as_one_that_was_not(
    space, tmp_path, monkeypatch, whole
):
    import optuna

    with pytest.raises(Killed):
        run(tmp_path / "b", trainer=dies_in_training(3))

    def killed(*words, **more):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(optuna.Study, "tell", killed)
        with pytest.raises(Killed):
            run(tmp_path / "b")
    assert results(run(tmp_path / "b")) == results(whole)


KILLED = """
import os, signal, sys
from pathlib import Path
import pytest
from tests.baselines import stubs
from tests.baselines.cli import test_search
patch = pytest.MonkeyPatch()
stubs.install(patch)
test_search.install(patch, Path(sys.argv[1]))
calls = 0
def trainer(*words, **more):
    global calls
    calls += 1
    if calls == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return test_search.train(*words, **more)
test_search.run(Path(sys.argv[2]), trainer=trainer)
"""


@pytest.mark.slow
def test_a_search_that_is_really_killed_ends_as_one_that_was_not(space, tmp_path, whole):
    words = [sys.executable, "-c", KILLED, str(space.parent), str(tmp_path / "b")]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    assert subprocess.run(words, env=environment, check=False).returncode == -signal.SIGKILL
    assert results(run(tmp_path / "b")) == results(whole)


def test_ctrl_c_leaves_what_is_finished(space, tmp_path):
    def interrupted(*words, config, **more):
        if config["skill"] != 0.2:
            raise KeyboardInterrupt
        return train(*words, config=config, **more)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "search", trainer=interrupted)
    record = json.loads((tmp_path / "search" / "search.json").read_text())
    assert [one["state"] for one in record["trials"]] == ["complete"]


def test_settings_that_diverge_are_an_answer(space, tmp_path):
    def diverges(*words, config, **more):
        if config["kind"] == "round":
            raise ValueError("the loss is NaN")
        return train(*words, config=config, **more)

    record = run(tmp_path / "search", trainer=diverges, trials=6)
    failed = [one for one in record["trials"] if one["state"] == "failed"]
    assert failed
    assert {one["settings"]["kind"] for one in failed} == {"round"}
    assert {one["why"] for one in failed} == {"ValueError: the loss is NaN"}
    assert record["best"]["settings"]["kind"] == "plain"


def test_usual_settings_that_fail_are_a_mistake(space, tmp_path):
    def broken(*words, **more):
        raise ValueError("no such camera")

    with pytest.raises(ValueError, match="no such camera"):
        run(tmp_path / "search", trainer=broken)
    assert len(run(tmp_path / "search", trials=1)["trials"]) == 1


# --- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trials": 0}, "trials must be at least 1, got 0"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"episodes": 0}, "episodes must be at least 1"),
        ({"jobs": 0}, "jobs must be at least 1"),
        ({"seeds": ()}, "seeds must be distinct"),
        ({"seeds": (1, 1)}, "seeds must be distinct"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
)
def test_impossible_plans_are_refused(space, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        plan(tmp_path, **changes)


def test_another_search_is_not_mixed_with_this_one(space, tmp_path):
    run(tmp_path / "search", trials=1)
    before = (tmp_path / "search" / "journal.log").read_bytes()
    for changes, message in (
        ({"steps": 80}, "its steps is 40, wanted 80"),
        ({"seeds": (0,)}, r"its seeds is \[0, 1\], wanted \[0\]"),
        ({"seed": 1}, "its seed is 0, wanted 1"),
    ):
        with pytest.raises(ValueError, match=f"holds another search: {message}"):
            run(tmp_path / "search", **changes)
    space.write_text(SPACE.replace("high = 64", "high = 32"))
    with pytest.raises(ValueError, match="holds another search: its space"):
        run(tmp_path / "search")
    assert (tmp_path / "search" / "journal.log").read_bytes() == before


def foreign_study(path):
    import optuna

    backend = optuna.storages.journal.JournalFileBackend(str(path))
    optuna.create_study(storage=optuna.storages.JournalStorage(backend), study_name="mine")


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_text("not a journal, " * 99),
        lambda path: path.write_text("not a journal\n" * 99),
        lambda path: path.write_text('{"a": 1}\n'),
        lambda path: path.write_text("[1]\n"),
        foreign_study,
    ],
)
def test_a_foreign_file_is_refused_and_left_as_it_is(space, tmp_path, make):
    path = tmp_path / "journal.log"
    make(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"journal\.log holds no search of this package"):
        run(tmp_path)
    assert path.read_bytes() == before


def test_half_a_line_at_the_end_of_the_journal_is_cut_off(space, tmp_path, whole):
    run(tmp_path / "search", trials=2)
    with (tmp_path / "search" / "journal.log").open("ab") as file:
        file.write(b'{"op_code":4,"work')
    assert results(run(tmp_path / "search")) == results(whole)


def test_trials_without_their_database_are_not_taken_for_others(space, tmp_path):
    run(tmp_path / "search", trials=1)
    (tmp_path / "search" / "journal.log").unlink()
    with pytest.raises(ValueError, match=r"holds trials, but not their journal\.log"):
        run(tmp_path / "search")
    assert not (tmp_path / "search" / "journal.log").exists()


def test_a_killed_trial_goes_on_where_it_was_killed(space, tmp_path):
    asked = []

    def trainer(*words, **more):
        asked.append((more["output"].relative_to(tmp_path).as_posix(), more["resume"]))
        return train(*words, **more)

    with pytest.raises(Killed):
        run(tmp_path, trainer=dies_in_training(4), trials=2)
    run(tmp_path, trainer=trainer, trials=2)
    assert asked == [("trial-0001/seed-0", True), ("trial-0001/seed-1", True)]


def test_optuna_is_named_where_it_is_missing(space, tmp_path, monkeypatch):
    for name in [one for one in sys.modules if one.partition(".")[0] == "optuna"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"pip install 'microgym\[search\]'"):
        run(tmp_path / "search")
    assert not (tmp_path / "search").exists()


@pytest.mark.parametrize("point", ["create_study", "Study.set_user_attr", "Study.enqueue_trial"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_search_killed_while_it_begins_ends_as_one_that_was_not(
    space, tmp_path, monkeypatch, whole, point, when
):
    import optuna

    owner = optuna.Study if "." in point else optuna
    usual = getattr(owner, point.rpartition(".")[2])

    def killed(*words, **more):
        if when == "after":
            usual(*words, **more)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(owner, point.rpartition(".")[2], killed)
        with pytest.raises(Killed):
            run(tmp_path / "search")
    assert results(run(tmp_path / "search")) == results(whole)


# --- the command -------------------------------------------------------------------------------


def test_the_command_tells_the_best_settings(space, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("microgym.agents.training.trainer.train", train)
    words = ["search", stubs.TOY, "--trials", "2", "--steps", "40", "--episodes", "4"]
    words += ["--jobs", "1", "--output", str(tmp_path / "search")]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert "160/160" in err
    best = json.loads((tmp_path / "search" / "search.json").read_text())["best"]["settings"]
    line = next(line for line in out.splitlines() if line.startswith("next: microgym "))
    parsed = parser().parse_args(line.removeprefix("next: microgym ").split())
    assert dict(map(read_option, parsed.set)) == best
    assert tomllib.loads(out[out.index("[training]") :]) == {"training": best}

    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["best"]["settings"] == best
