"""PFMLoop-v0: what is asked for, loops, and pulses on the ring."""

import gymnasium as gym
import numpy as np
import pytest

from microgym.envs.pfm.task import (
    IMPRINT_SCALE_V,
    IMPRINT_SHIFT_V,
    RING,
    RING_CELLS,
    RING_VOLTS,
    PFMTask,
)
from microgym.random import episode_key
from tests.envs.pfm.helpers import action, make, number, task_of

TERMS = tuple(PFMTask.REWARD)
RESPONSE, WANTED, FRESH, RAISED, LOWERED = range(5)


def test_a_shift_of_either_sign_is_asked_for():
    env = make(None, loop=True, disorder="real", reveal=True)
    shifts: list[float] = []
    for seed in range(12):
        latent = env.reset(seed=seed)[1]["latent"]
        shifts.append(latent["asked_v"] - latent["imprint_v"])
        agreement = env.unwrapped.task.state.agreement[0]
        assert agreement == pytest.approx(max(1.0 - abs(shifts[-1]) / IMPRINT_SCALE_V, 0.0))
    sizes = np.abs(shifts)
    assert IMPRINT_SHIFT_V[0] <= sizes.min() < sizes.max() <= IMPRINT_SHIFT_V[1]
    assert min(shifts) < 0.0 < max(shifts)
    assert np.ptp(sizes) > 0.1


def test_both_signs_are_within_reach():
    """All around the point up or down, the imprint is beyond what is asked for in most films."""
    task = task_of(gym.make("microgym:PFMLoop-v0", drift="off", tip="off").unwrapped)
    reached: list[bool] = []
    for seed in range(10):
        for sign in (-1.0, 1.0):
            task.reset(np.arange(1), episode_key(seed)[None])
            task.state.asked_v[:] = task.state.imprint_v + 0.3 * sign
            for k in range(8):
                task.state.place[0] = 31.5 + 7.5 * np.array([np.sin(2.4 * k), np.cos(2.4 * k)])
                task.state.bias[0] = -8.0 * sign
                task.state.look[0] = False
                task.act(np.arange(1))
            reached.append(bool(sign * (task.state.imprint_v[0] - task.state.asked_v[0]) > 0.0))
    assert np.mean(reached) >= 0.8


def test_a_look_is_a_loop_where_a_loop_is_the_goal():
    env = make(loop=True, disorder="real")
    task = task_of(env)
    image = env.reset(seed=1)[0]["maps"][RESPONSE]
    assert np.ptp(image) > 1.0, "there is a wall near the point"
    seen = env.step(action(10, 10, 0.0))[0]
    assert number(seen, "excess") == pytest.approx(0.0, abs=1e-6)
    assert number(seen, "asked") == pytest.approx(task.state.asked_v[0], abs=1e-6)
    before = task.state.imprint_v[0]
    seen, _, _, _, info = env.step(action(10, 10, 0.0, look=True))
    assert 0.5 * (number(seen, "rising") + number(seen, "falling")) == pytest.approx(
        before, abs=0.05
    )
    assert number(seen, "excess") == pytest.approx(
        task.state.imprint_v[0] - task.state.asked_v[0], abs=1e-5
    )
    assert np.array_equal(seen["maps"][RESPONSE], image)
    assert info["ledger"]["time_s"] > task.instrument.settings.loop_s
    assert info["metrics"]["imprint_error_v"] == pytest.approx(
        abs(task.state.imprint_v[0] - task.state.asked_v[0])
    )


def test_domains_around_the_point_shift_its_loop():
    env = make(loop=True, pulses=20)
    task = task_of(env)
    start = task.state.imprint_v[0]
    task.state.asked_v[:] = -5.0  # else the episode may end on the way
    for k in range(8):
        angle = 0.25 * np.pi * k
        env.step(action(31.5 + 8 * np.sin(angle), 31.5 + 8 * np.cos(angle), 8.0))
    assert task.state.imprint_v[0] < start - 0.3


def test_a_ring_action_is_the_continuous_one_beside_the_point():
    free, ring = (make(loop=True, action=name, pulses=20) for name in ("continuous", "ring"))
    for level, volts in enumerate((*RING_VOLTS, 0.0)):
        turn = 2.0 * np.pi * level / RING if volts else 0.0
        at = 31.5 - RING_CELLS * np.cos(turn), 31.5 + RING_CELLS * np.sin(turn)
        free.step(action(*at, volts, look=True))
        ring.step(level * RING + (level if volts else 0))
    one, other = task_of(free), task_of(ring)
    assert one.instrument.state.p == pytest.approx(other.instrument.state.p, abs=1e-3)
    assert one.state.measured_v == pytest.approx(other.state.measured_v, abs=1e-2)
