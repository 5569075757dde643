"""The package without extras: environments, rule-based policies and frames need no PyTorch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_packaging import ROOT, copy_of_the_house

pytestmark = pytest.mark.slow

LIMIT_MB = 400

EPISODE = """
import importlib.util
import gymnasium as gym
import microgym

for name in ("torch", "stable_baselines3", "matplotlib"):
    assert importlib.util.find_spec(name) is None, name
env = gym.make("Ptycho-v0", render_mode="rgb_array")
env.reset(seed=0)
steps, done = 0, False
while not done:
    _, _, terminated, truncated, _ = env.step(env.action_space.sample())
    steps, done = steps + 1, terminated or truncated
print(steps, env.render().shape)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Path:
    """A virtual environment with the package, its dependencies and nothing else."""
    folder = tmp_path_factory.mktemp("minimal")
    house = copy_of_the_house(folder / "house")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    words = ["-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", house]
    subprocess.run([python, *words], check=True, cwd=folder, env=alone())
    return folder / "venv"


def alone() -> dict[str, str]:
    """Environment variables under which Python finds installed packages only."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run(*words, folder) -> str:
    done = subprocess.run(
        words, cwd=folder, env=alone(), capture_output=True, text=True, check=True
    )
    return done.stdout


def test_it_is_small(environment, record_property):
    (packages,) = environment.glob("lib/python*/site-packages")
    size_mb = int(run("du", "-sm", packages, folder=environment).split()[0])
    record_property("size_mb", size_mb)
    print(f"{size_mb} MB")
    assert size_mb < LIMIT_MB


def test_an_episode_and_a_frame(environment):
    steps, shape = run(environment / "bin" / "python", "-c", EPISODE, folder=environment).split(
        maxsplit=1
    )
    assert int(steps) > 1
    assert shape.strip().endswith(", 3)")


def test_the_command_lists_environments(environment):
    listed = run(environment / "bin" / "microgym", "list", folder=environment)
    assert "Ptycho-v0" in listed
    assert "expert" in listed
