"""The example of CONTRIBUTING.md, followed word for word in a copy of the repository."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CLI = "from microgym.baselines.cli import main; "
CHECKS = """
from microgym.agents import make_agent
from microgym.envs.core import testing
import gymnasium, microgym
name = "microgym:Focus-v0"
assert testing.check_vector_env(name, 3, steps=30, exposures=6) > 3
testing.check_snapshot(name, exposures=4)
testing.check_reset(name, exposures=4)
testing.check_intervention(name, "defocus_nm", 50.0)
env = gymnasium.make(name, reveal=True, drift="off", render_mode="rgb_array")
observation, info = env.reset(seed=0)
agent = make_agent("Focus-v0", "oracle")
agent.reset()
_, reward, terminated, _, info = env.step(agent.act(observation, info))
assert terminated and info["metrics"]["defocus_nm"] < 1.0, info
assert env.render().shape == (640, 480, 3)
print("followed")
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository with the files of the example, and nothing that was compiled."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("microgym", "envs", "agents", "baselines", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True, ignore=ignored)
    for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        path, _, content = code.partition("\n")
        file = tmp_path / path.removeprefix("# ")
        file.parent.mkdir(parents=True, exist_ok=True)
        assert not file.exists(), f"{path} is edited, not added"
        file.write_text(content, encoding="utf-8")
    return tmp_path


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_is_an_environment(copy):
    assert "followed" in run(copy, "-c", CHECKS)
    assert "Focus-v0" in run(copy, "-c", f"{CLI}raise SystemExit(main(['list']))")


@pytest.mark.slow
def test_the_example_passes_the_conformance_tests(copy):
    (commands,) = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in commands.strip().splitlines():
        program, *words = line.replace('"', "").split()
        if program == ".venv/bin/microgym":
            words = ["-c", f"{CLI}raise SystemExit(main({words}))"]
        run(copy, *words)
