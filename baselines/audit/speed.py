"""Steps a second, and the environment's share of the time of training."""

import inspect
import time
from typing import Any

import gymnasium as gym
import numpy as np

from microgym.baselines.audit.check import Check, Findings, judge
from microgym.baselines.audit.context import Audit
from microgym.baselines.audit.policies import GaussianAgent

SIZES = (8, 16, 64)
_LEAST, _MOST_SHARE = 1000, 0.85
"""Steps a second of one core at N = 16, and share of the time, unless the task declares others
(design choice)."""


def speed(audit: Audit) -> Findings:
    """Steps a second of processor time at several N, and the share in training."""
    seconds = audit.seconds("speed")
    found = {str(n): _steps(audit, n, 0.2 * seconds) for n in SIZES}
    least = audit.declared.get("steps_per_s", _LEAST)
    figure = " / ".join(f"{one:,.0f}" for one in found.values()) + " at N = 8 / 16 / 64"
    want = f"at least {least:,} steps/s of one core at N = 16"
    checks = [judge("speed", found["16"] >= least, figure, want)]
    share = training_share(audit, 0.4 * seconds)
    checks += share[0]
    return Findings(tuple(checks), {"steps_per_s": found, "training_share": share[1]})


def _steps(audit: Audit, count: int, seconds: float) -> float:
    """Steps a second of a vector environment under a fresh Gaussian policy."""
    words = audit.setting().keywords()
    env: Any = gym.make_vec(audit.env_id, count, autoreset_mode="SameStep", **words)
    agent = GaussianAgent(env.single_action_space)
    agent.reset(count)
    observation, info = env.reset(seed=0)
    env.step(agent.act(observation, info))  # compiles
    actions = [agent.act(None, None) for _ in range(16)]
    masked, spent, steps = "action_mask" in info, 0.0, 0
    # At least one whole episode, since resets and last steps cost more.
    ended = np.zeros(count, np.bool_)
    while spent < seconds or not ended.all():
        action = agent.act(observation, info) if masked else actions[steps % 16]
        start = time.process_time()
        observation, _, terminated, truncated, info = env.step(action)
        spent += time.process_time() - start
        ended |= terminated | truncated
        steps += 1
        if spent > 8 * seconds + 2:
            break
    env.close()
    return count * steps / max(spent, 1e-9)


def training_share(audit: Audit, seconds: float) -> tuple[list[Check], float | None]:
    """The environment's share of the time of stock PPO, by processor time."""
    from microgym.baselines.audit.learners import (
        TimedVecEnv,
        algorithm,
        learner_for,
        plain_tables,
    )

    name, table = next(iter(plain_tables(audit).items()))
    given = dict(table.get("settings", {}))
    if "n_steps" in inspect.signature(algorithm(name)).parameters:  # short rollouts suffice
        given |= {"n_steps": 32, "batch_size": min(128, int(given.get("batch_size", 64)))}
    model, env = learner_for(audit, name, {**table, "settings": given}, "default", seed=0)
    assert isinstance(env, TimedVecEnv)
    model.learn(32 * env.num_envs)
    env.spent, start, total = 0.0, time.process_time(), 0
    while total == 0 or time.process_time() - start < seconds:
        total += 32 * env.num_envs
        model.learn(32 * env.num_envs, reset_num_timesteps=False)
    share = env.spent / (time.process_time() - start)
    env.close()
    most = audit.declared.get("training_share", _MOST_SHARE)
    figure = f"environment takes {share:.0%} of the time of {name}"
    return [judge("speed training", share <= most, figure, f"at most {most:.0%}")], share
