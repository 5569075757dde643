"""What people look at: frames of PFM-v0, and the numbers on its page."""

import numpy as np
import pytest

from microgym.envs.core import drawing
from microgym.envs.core.comparison import assert_same
from microgym.envs.core.docs import tables
from microgym.envs.core.rendering import HEIGHT, WIDTH
from microgym.envs.pfm.observation import MAPS, NUMBERS
from microgym.envs.pfm.task import PFMLoopTask, PFMTask
from tests.envs.pfm.helpers import action, make, task_of


def colors(frame: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(int(c) for c in one) for one in np.unique(frame.reshape(-1, 3), axis=0)}


@pytest.mark.parametrize("loop", [False, True])
def test_frames_change_with_the_writing_and_do_not_change_it(loop):
    env = make(loop=loop, disorder="real", pulses=6)
    task = task_of(env)
    task.state.asked_v[:] = -5.0  # else an episode of loops may end on the way
    frames = [task.render(0)]
    for place in (20, 30, 40):
        before = task.snapshot()
        assert np.array_equal(task.render(0), task.render(0))
        after = task.snapshot()
        assert_same(after, before)
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
    task.instrument.state.p[0] = np.where(task.state.target[0] > 0, 1.0, -1.0)
    right = task.render(0)[54:276, 246:468]
    assert drawing.GOOD in colors(right)
    assert drawing.BAD not in colors(right)
    task.instrument.state.p[0] = 1.0
    assert drawing.BAD in colors(task.render(0)[54:276, 246:468])


def test_the_tables_follow_from_the_declarations():
    found = tables(PFMTask(1))
    maps, numbers = found["Observation Space"]
    assert [row[1] for row in maps[1:]] == [f"`{name}`" for name in MAPS]
    assert [row[1] for row in numbers[1:]] == [f"`{name}`" for name in NUMBERS]
    assert ("`time`", "0.1", "minus the time used, over the limit") in found["Rewards"][0]
    settings = {row[0]: row[1] for row in found["Physics"][0]}
    assert settings["`cell_m`"] == "5e-09"
    assert settings["`lattice.kappa`"] == "2"


@pytest.mark.parametrize("kind", [PFMTask, PFMLoopTask])
def test_what_is_given_is_what_is_declared(kind):
    task = kind(1, pulses=2, action="grid", reveal=True)
    info = task.info()
    assert set(info["latent"]) == set(task.LATENT)
    assert set(info["metrics"]) == {one.name for one in task.METRICS if one.group == "metrics"}
    assert set(info["reward_terms"]) == set(task.REWARD)
    assert set(info["cost_terms"]) == set(task.COST)
