"""What people look at: frames of PFM-v0, and the numbers on its page."""

import re
import shlex

import gymnasium as gym
import numpy as np
import pytest

from microgym.baselines.cli import parser
from microgym.baselines.reporting import docs
from microgym.envs.core import drawing
from microgym.envs.core.panels import HEIGHT, WIDTH
from microgym.envs.pfm import PFMEnv, PFMTask, facts
from microgym.envs.pfm.config import TERMS
from microgym.envs.pfm.observation import CHANNELS, NUMBERS
from tests.envs.pfm import action, make, task_of

TITLE, PARTS = docs.sections(PFMEnv)


def tables(text: str) -> list[list[list[str]]]:
    """Tables of a text, without heads."""
    blocks = re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|").split(" | ")] for line in one.splitlines()[2:]]
        for one in blocks
    ]


def colors(frame: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(int(c) for c in one) for one in np.unique(frame.reshape(-1, 3), axis=0)}


@pytest.mark.parametrize("goal", ["write", "loop"])
def test_frames_change_with_the_writing_and_do_not_change_it(goal):
    env = make(goal=goal, disorder="real", pulses=6)
    task = task_of(env)
    task.asked_v[:] = -5.0  # else an episode of loops may end on the way
    frames = [task.render(0)]
    for place in (20, 30, 40):
        before = task.snapshot()
        assert np.array_equal(task.render(0), task.render(0))
        after = task.snapshot()
        assert all(np.array_equal(before[name], after[name]) for name in before)
        env.step(action(place, place, look=place == 30))
        frames.append(task.render(0))
    assert {frame.shape for frame in frames} == {(HEIGHT, WIDTH, 3)}
    assert {frame.dtype for frame in frames} == {np.dtype(np.uint8)}
    assert len({frame.tobytes() for frame in frames}) == 4
    assert all(drawing.ACCENT in colors(frame) for frame in frames)


def test_what_is_right_and_what_is_too_much_is_marked():
    env = make(pulses=20)
    task = task_of(env)
    clean = task.render(0)[54:276, 246:468]
    assert drawing.GOOD not in colors(clean)
    assert drawing.BAD not in colors(clean)
    task.instrument.p[0] = np.where(task.target[0] > 0, 1.0, -1.0)
    right = task.render(0)[54:276, 246:468]
    assert drawing.GOOD in colors(right)
    assert drawing.BAD not in colors(right)
    task.instrument.p[0] = 1.0
    assert drawing.BAD in colors(task.render(0)[54:276, 246:468])


def test_the_tables_of_the_observation_match_the_space():
    space = PFMTask(1).single_observation_space
    assert isinstance(space, gym.spaces.Dict)
    for rows, names, box in zip(
        tables(PARTS["Observation Space"]),
        (CHANNELS, NUMBERS),
        (space["maps"], space["numbers"]),
        strict=True,
    ):
        assert [row[:2] for row in rows] == [[str(i), name] for i, name in enumerate(names)]
        assert len(rows) == box.shape[0]
        assert {row[2] for row in rows} == {"-1 to 1"}


@pytest.mark.parametrize("goal", ["write", "loop"])
def test_the_tables_of_reward_and_info_match_what_is_given(goal):
    assert [row[0] for row in tables(PARTS["Rewards"])[0]] == list(TERMS)
    env = gym.make("microgym:PFM-v0", pulses=2, action="grid", reveal=True, goal=goal)
    _, info = env.reset(seed=0)
    rows = tables(PARTS["Info"])[0]
    assert {key for row in rows for key in row[0].split(", ")} == set(info)
    for key in ("metrics", "ledger", "latent"):
        assert all(f"`{name}`" in PARTS["Info"] for name in info[key]), info[key].keys()
    assert all(f"`{name}`" in PARTS["Cost"] for name in info["cost_terms"])


def test_examples_on_the_page_run():
    (code,) = re.findall(r"```python\n(.*?)```", PARTS["Arguments"], re.DOTALL)
    exec(f"import gymnasium, microgym\n{code}", {})
    (commands,) = re.findall(r"```sh\n(.*?)```", PARTS["Reproducing"], re.DOTALL)
    for line in commands.strip().splitlines():
        program, *words = shlex.split(line)
        assert program == "microgym"
        assert parser().parse_args(words).env == "PFM-v0"


def test_facts_are_of_the_code():
    given = facts.facts()
    assert set(given) <= set(docs.SECTIONS)
    film = dict(given["Physics"][0])
    assert film["cell of the lattice"] == "5 nm"
    assert film["film"] == "64 x 64 cells, 320 nm a side"
    assert film["width of a wall, 2 sqrt(2 kappa)"] == "4 cells, 20 nm"
    assert dict(given["Physics"][1])["time limit"] == "40 s"
    (weights,) = given["Rewards"]
    assert [row[0] for row in weights[1:]] == list(TERMS)
    for table in (one for many in given.values() for one in many):
        assert len({len(row) for row in table}) == 1
