"""Belief about adatoms and tip: what the particle filter finds out."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from microgym.agents.core.trained_agent import PolicyAgent
from microgym.agents.stm import drag_belief
from microgym.agents.stm.drag_belief import DragFilter, places_of, sites_of
from microgym.agents.stm.drag_network import DragPolicyNet
from microgym.envs.stm.observation import numbers_of
from microgym.physics.adatoms import LATTICE_NM, nearest_site, site_place
from microgym.physics.stm_tip import OFFSET_X, OFFSET_Y, STRENGTH, TRAITS

COUNT = 8


def test_hollows_are_those_of_the_physics():
    places = np.random.default_rng(0).uniform(-3.0, 3.0, (50, 2))
    sites = sites_of(places)
    assert sites.tolist() == [list(nearest_site(x, y, LATTICE_NM)) for x, y in places]
    assert places_of(sites) == pytest.approx(
        np.array([site_place(*site, LATTICE_NM) for site in sites.tolist()])
    )


def test_offset_and_well_are_found_out_and_the_spread_is_right():
    """After seven decisions errors are smaller than before, and as large as is believed."""
    count = 24
    words = {"reveal": True, "split": "validation", "autoreset_mode": AutoresetMode.SAME_STEP}
    env: Any = gym.make_vec("STMBuild-v0", count, **words)
    agent = PolicyAgent(DragPolicyNet(), "STMBuild-v0", "fresh")
    agent.reset(count, range(count))
    observation, info = env.reset(seed=list(range(count)))
    running, traits = np.ones(count, np.bool_), np.empty((count, len(TRAITS)))
    for _ in range(8):
        action = agent.act({"numbers": observation}, {**info, "idle": ~running})
        traits[:] = info["latent"]["traits"]
        observation, _, terminated, truncated, info = env.step(action)
        running &= ~(terminated | truncated)
    assert running.sum() > count // 2
    belief, true = agent._adapter.state.belief, traits[running]
    weight = belief.weight[running, :, None]
    mean = (weight * belief.offset[running]).sum(axis=1)
    spread = np.sqrt((weight * (belief.offset[running] - mean[:, None]) ** 2).sum(axis=1).mean())
    offset = true[:, OFFSET_X : OFFSET_Y + 1]
    error = np.sqrt(((mean - offset) ** 2).mean())
    assert error < 0.8 * np.sqrt((offset**2).mean())
    assert 0.7 < error / spread < 1.4
    depth = (belief.weight * belief.strength).sum(axis=1)[running]
    wrong = depth - np.log(true[:, STRENGTH])
    assert np.sqrt((wrong**2).mean()) < 0.85 * np.std(np.log(true[:, STRENGTH]))


def test_hollows_are_known_better_after_several_images():
    env: Any = gym.make_vec("STM-v0", COUNT, reveal=True, drift="off")
    known, channels = DragFilter(1), numbers_of(1)
    agent = PolicyAgent(DragPolicyNet(), "STM-v0", "fresh")
    agent.reset(COUNT, range(COUNT))
    observation, info = env.reset(seed=list(range(COUNT)))
    belief = agent._adapter.state.belief
    look = np.zeros((COUNT, 7), np.float32)
    look[:, 6] = 1.0
    right: list[float] = []
    for _ in range(4):
        seen = channels.unpack(np.asarray(observation, np.float64))
        for row in range(COUNT):
            known.update(belief, row, seen)
        belief.looked[:], belief.moved[:] = True, -1
        true = sites_of(info["latent"]["places_nm"][:, 0] + 1e-9)
        same = (belief.around[:, 0] == true[:, None]).all(axis=2)
        right.append(float((same * belief.chance[:, 0]).sum(axis=1).mean()))
        observation, *_, info = env.step(look)
    assert right[0] > 0.2
    assert right[-1] > max(0.6, right[0])


def test_a_new_episode_begins_a_new_belief():
    env: Any = gym.make_vec("STM-v0", 2)
    agent = PolicyAgent(DragPolicyNet(), "STM-v0", "fresh")
    agent.reset(2, [0, 1])
    observation, info = env.reset(seed=[3, 4])
    first = agent.act({"numbers": observation}, info)
    after = env.step(first)[0]
    agent.act({"numbers": after}, info)
    # The same episodes from their beginning, without telling the agent.
    observation, info = env.reset(seed=[3, 4])
    assert np.array_equal(agent.act({"numbers": observation}, info), first)


def test_a_resampling_keeps_the_mean():
    rng = np.random.default_rng(0)
    known, agent = DragFilter(1), PolicyAgent(DragPolicyNet(), "STM-v0", "fresh")
    agent.reset(1, [0])
    belief = agent._adapter.state.belief
    belief.offset[0] = 0.1 * rng.standard_normal((drag_belief.PARTICLES, 2))
    belief.weight[0] = 1.0 / drag_belief.PARTICLES
    fit = -0.5 * ((belief.offset[0] - 0.08) ** 2).sum(axis=1) / 0.02**2
    wanted = np.exp(fit) @ belief.offset[0] / np.exp(fit).sum()
    known._weigh(belief, 0, fit, rng)
    assert belief.weight[0] == pytest.approx(1.0 / drag_belief.PARTICLES)
    assert belief.offset[0].mean(axis=0) == pytest.approx(wanted, abs=0.004)
