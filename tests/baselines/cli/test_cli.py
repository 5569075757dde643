import json
import subprocess
import sys
from pathlib import Path

import pytest

from microgym.agents.training.loggers import KINDS
from microgym.baselines.cli import console, find_commands, main, parser, summaries
from microgym.envs.core.registry import find
from tests.baselines import stubs

KEYS = [
    "env", "agent", "split", "specimen", "episodes", "seed", "return_mean", "return_interval",
    "score", "score_interval", "cost_mean", "ledger", "outcomes",
]  # fmt: skip


def run(*words):
    try:
        return main([str(word) for word in words])
    except SystemExit as stop:
        return stop.code


def test_list_names_environments_and_agents(toy, capsys):
    assert run("list") == 0
    out = capsys.readouterr().out
    assert "Ptycho-v0" in out
    assert "agents: random, raster, expert, oracle, trained" in out


def test_list_gives_one_json_object(toy, capsys):
    assert run("list", "--json") == 0
    out, err = capsys.readouterr()
    found = json.loads(out)["environments"]
    ids = [one["id"] for one in found]
    assert ids[-1] == toy
    assert {"Ptycho-v0", "PFM-v0"} <= set(ids)
    assert [find(one).summary for one in ids[:-1]] == [one["summary"] for one in found[:-1]]
    assert found[-1] == {"id": toy, "summary": "tests only", "agents": list(stubs.NAMES)}
    assert err == ""


def test_evaluate_gives_one_json_object_with_the_promised_keys(toy, capsys):
    assert run("evaluate", toy, "--agent", "random", "--episodes", 12, "--json") == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    result = json.loads(out)
    assert list(result) == KEYS
    assert (result["agent"], result["episodes"], result["split"]) == ("random", 12, "test")
    assert "36/36" in err


def test_evaluate_takes_the_path_of_a_policy_and_arguments(toy, capsys, tmp_path):
    policy = tmp_path / "mine.json"
    policy.write_text('{"skill": 0.9}')
    output = tmp_path / "result.json"
    words = ("--set", "drift=off", "--num-envs", 3, "--seed", 5, "--output", output)
    assert run("evaluate", f"microgym:{toy}", "--agent", policy, "--episodes", 4, *words) == 0
    out = capsys.readouterr().out
    assert "0: expert, 1: oracle" in out
    result = json.loads(output.read_text())
    assert (result["env"], result["agent"], result["seed"]) == (toy, str(policy), 5)


def test_an_unknown_score_is_null_and_said_to_be(toy, capsys, monkeypatch):
    monkeypatch.setattr("microgym.agents.core.registry.agent_names", lambda env_id: ("random",))
    assert run("evaluate", toy, "--agent", "random", "--episodes", 2, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["score"] is None
    assert result["score_interval"] is None
    assert run("evaluate", toy, "--agent", "random", "--episodes", 2) == 0
    assert "unknown" in capsys.readouterr().out


class Tired(stubs.ToyAgent):
    left = 60

    def act(self, observation, info):
        Tired.left -= 1
        if Tired.left < 0:
            raise KeyboardInterrupt
        return super().act(observation, info)


def test_ctrl_c_leaves_a_partial_evaluation(toy, capsys, monkeypatch):
    monkeypatch.setattr(Tired, "left", 60)
    monkeypatch.setattr("microgym.agents.core.registry.make_agent", lambda *w: Tired(w[1], 0.5))
    words = ("--agent", "random", "--episodes", 200, "--num-envs", 4)
    assert run("evaluate", toy, *words, "--json") == 130
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert list(result) == [*KEYS, "partial"]
    assert 0 < result["episodes"] < 200
    assert err.rstrip().endswith("interrupted: this is partial")


def test_ctrl_c_too_early_says_so(toy, capsys, monkeypatch):
    monkeypatch.setattr(Tired, "left", 0)
    monkeypatch.setattr("microgym.agents.core.registry.make_agent", lambda *w: Tired(w[1], 0.5))
    assert run("evaluate", toy, "--agent", "random", "--json") == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert err.rstrip().endswith("microgym evaluate: interrupted")


def test_train_then_evaluate_what_it_says(toy, capsys, tmp_path):
    output = tmp_path / "runs"
    words = ("--steps", 40, "--seeds", 3, 4, "--jobs", 1, "--output", output)
    assert run("train", toy, *words) == 0
    out = capsys.readouterr().out
    line = out.splitlines()[-1].removeprefix("next: microgym ").split()
    assert Path(line[-1]) == output / "seed-3" / "policy.json"
    assert run(*line, "--episodes", 2) == 0


def test_an_interrupted_training_says_what_it_saved(toy, capsys, tmp_path, monkeypatch):
    heard: list[int] = []

    def listen(more: int) -> None:
        heard.append(more)
        if len(heard) > 2:
            raise KeyboardInterrupt

    def short(*words, progress, **more):
        return stubs.train(*words, progress=listen, **more)

    monkeypatch.setattr("microgym.agents.training.trainer.train", short)
    assert run("train", toy, "--steps", 40, "--output", tmp_path) == 130
    out = capsys.readouterr().out
    assert "interrupted: the policy learnt so far" in out
    assert "with --resume continues" in out
    assert (tmp_path / "seed-0" / "policy.json").exists()
    monkeypatch.setattr("microgym.agents.training.trainer.train", stubs.train)
    assert run("train", toy, "--steps", 40, "--output", tmp_path, "--resume") == 0
    record = json.loads((tmp_path / "seed-0" / "training.json").read_text())
    assert (record["complete"], record["resumed"]) == (True, 1)


def test_logs_are_asked_for_by_name(toy, capsys, tmp_path, monkeypatch):
    heard: list[str] = []

    def logged(*words, log, **more):
        heard.extend(log)
        return stubs.train(*words, log=(), **more)

    monkeypatch.setattr("microgym.agents.training.trainer.train", logged)
    words = ("train", toy, "--steps", 40, "--output", tmp_path)
    assert run(*words, *(word for kind in KINDS for word in ("--log", kind))) == 0
    assert heard == list(KINDS)
    assert run(*words, "--log", "paper") == 2
    assert "invalid choice: 'paper'" in capsys.readouterr().err


def test_record_writes_a_video(toy, capsys, tmp_path):
    path = tmp_path / "video.gif"
    assert run("record", toy, "--agent", "expert", "--output", path) == 0
    assert path.read_bytes()[:6] == b"GIF89a"
    assert "steps, return" in capsys.readouterr().out


def test_report_says_where_it_is(toy, capsys, tmp_path):
    path = tmp_path / "report.html"
    words = ("--train", "--steps", 40, "--seeds", 0, 1, 2, "--jobs", 1, "--episodes", 4)
    assert run("report", toy, *words, "--output", path, "--runs", tmp_path / "runs") == 0
    assert capsys.readouterr().out == f"The report is in {path}\n"
    assert path.read_text().startswith("<!doctype html>")


def test_reproduce_fails_where_results_differ(toy, capsys, monkeypatch):
    from microgym.baselines.evaluation import reproduce

    checks = [reproduce.Check("expert reproduced", 0.5, 0.4, 0.6)]
    monkeypatch.setattr(reproduce, "check_record", lambda *w, **k: checks)
    assert run("reproduce", toy, "--small") == 0
    checks.append(reproduce.Check("random reproduced", 0.5, 0.0, 0.1))
    assert run("reproduce", toy, "--small") == 1
    assert "FAIL random reproduced" in capsys.readouterr().out


MISTAKES = [
    (("evaluate", "Ptyco-v0"), "no environment 'Ptyco-v0'; did you mean Ptycho-v0"),
    (("evaluate", stubs.TOY, "--agent", "exprt"), f"{stubs.TOY} has {', '.join(stubs.NAMES)}"),
    (("record", stubs.TOY, "--agent", "x.zip"), "has random, raster, expert, oracle, trained"),
    (("evaluate", stubs.TOY, "--episodes", "0"), "episodes must be at least 1"),
    (("evaluate", stubs.TOY, "--episodes", "many"), "invalid int value"),
    (("evaluate", stubs.TOY, "--seed", "-1"), "seed must be at least 0"),
    (("evaluate", stubs.TOY, "--split", "tst"), "invalid choice: 'tst'"),
    (("evaluate", stubs.TOY, "--specimen", "grf"), "has no choice of specimens"),
    (("evaluate", stubs.TOY, "--set", "drift"), "expected NAME=VALUE"),
    (("evaluate", stubs.TOY, "--set", "drft=off"), "did you mean drift?"),
    (("evaluate", stubs.TOY, "--set", "threads=0"), "threads"),
    (("evaluate",), "required: ENV"),
    (("record", stubs.TOY, "--output", "video.avi"), "must end in .gif or .mp4"),
    (("bench", "ffft"), "no benchmark 'ffft'; did you mean fft?"),
    (("train", stubs.TOY, "--steps", "0"), "steps and jobs must be at least 1"),
    (("train", stubs.TOY, "--steps", "4", "--seeds", "1", "1"), "seeds must be distinct"),
    (("train", stubs.TOY), "no training configuration"),
    (("train", "Ptycho-v0", "--set", "widht=3"), "unknown setting 'widht'"),
    (("search", stubs.TOY), "no training configuration"),
    (("search", "Ptycho-v0", "--trials", "0"), "trials must be at least 1, got 0"),
    (("reproduce", stubs.TOY), "no record at"),
    (("reproduce", stubs.TOY, "--write", "--no-train", "--small"), "leave --no-train out"),
    (("report",), "name an environment"),
    (("report", stubs.TOY, "--recording", "none.h5"), "no recorded scan at none.h5"),
    (("report", "--readme", "nowhere.md"), "no file nowhere.md"),
    (("evalute", stubs.TOY), "invalid choice: 'evalute'"),
    ((), "required: COMMAND"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES)
def test_a_mistake_is_one_clear_line(toy, capsys, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    assert run(*words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = [line for line in err.splitlines() if "error" in line]
    assert len(lines) == 1
    assert lines[0].startswith("microgym")
    assert message in lines[0]
    assert "Traceback" not in err
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == []


def test_what_cannot_be_written_is_found_before_the_work(toy, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("microgym.baselines.evaluation.evaluate.evaluate_all", None)
    (tmp_path / "file").write_text("")
    assert run("evaluate", toy, "--output", tmp_path / "file" / "x.json") == 2
    assert "cannot write" in capsys.readouterr().err


def test_a_traceback_is_shown_on_request(toy):
    with pytest.raises(ValueError, match="no environment"):
        main(["--traceback", "evaluate", "nothing"])


def test_every_module_of_the_commands_is_a_sub_command():
    folder = Path(sys.modules[main.__module__].__file__).parent / "commands"
    files = {path.stem.replace("_", "-") for path in folder.glob("[!_]*.py")}
    assert set(find_commands()) == set(summaries()) == files
    assert {"list", "train", "evaluate", "record", "bench", "reproduce", "report"} <= files


@pytest.mark.parametrize("name", sorted(find_commands()))
def test_help_explains_itself_with_an_example_that_parses(name, capsys):
    assert run(name, "--help") == 0
    text = capsys.readouterr().out
    (example,) = (line for line in text.splitlines() if line.startswith("  microgym "))
    parsed = parser().parse_args(example.split()[1:])
    assert parsed.command == name
    assert callable(parsed.run)


def test_one_thread_unless_asked_otherwise(monkeypatch):
    import torch

    before = torch.get_num_threads()
    try:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        torch.set_num_threads(2)
        console.one_thread()
        assert torch.get_num_threads() == 1
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        console.one_thread()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_help_and_list_load_nothing_heavy():
    heavy = {"torch", "numba", "stable_baselines3", "h5py", "matplotlib", "jinja2", "scipy", "PIL"}
    code = (
        "import sys\nfrom microgym.baselines.cli import main, parser\nparser()\nmain(['list'])\n"
        f"print('loaded', *{heavy} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Ptycho-v0" in done.stdout
    assert done.stdout.splitlines()[-1].split() == ["loaded"]
