"""Agents for the toy task of the environments' tests, and a registry that knows them."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from microgym.envs.core import registry as environments
from tests.envs.toy import ENTRY

TOY = ENTRY.id
NAMES = ("random", "raster", "expert", "oracle", "trained")


class ToyAgent:
    """Aims at the lamp (oracle), half way (expert), or anywhere; own draws from own seeds."""

    def __init__(self, name: str, skill: float) -> None:
        self.name, self.skill, self.uses_privileged_info = name, skill, name == "oracle"

    def reset(self, num_envs: int, seeds: Sequence[int]) -> None:
        self.draws = [np.random.default_rng([seed, 5]) for seed in seeds]
        self.started = num_envs

    def act(self, observation: Any, info: Any) -> Any:
        assert len(observation["vector"]) == self.started
        noise = np.stack([one.uniform(-1, 1, 3) for one in self.draws]).astype(np.float32)
        noise[:, :2] = np.clip((1 - self.skill) * noise[:, :2], -1, 1)
        if self.uses_privileged_info:
            noise[:, :2] = np.clip(info["latent"]["lamp"], -1, 1)
        return noise


SKILL = {"random": 0.0, "raster": 0.3, "expert": 0.5, "oracle": 1.0, "trained": 0.7}


def make_agent(env_id: str, name: str, env_kwargs: Any) -> ToyAgent:
    path = Path(name)
    if path.suffix == ".json" and path.exists():
        return ToyAgent("trained", json.loads(path.read_text())["skill"])
    if name not in SKILL:
        raise ValueError(f"no agent {name!r} for {env_id}; there are {', '.join(NAMES)}")
    return ToyAgent(name, SKILL[name])


def train(
    env_id: str,
    *,
    seed: int,
    total_timesteps: int,
    output: Path,
    progress: Any,
    config: Any,
    resume: bool,
    log: Any,
) -> SimpleNamespace:
    """Learns nothing, but says it did; Ctrl-C, or progress that raises it, ends it early."""
    assert env_id == TOY
    assert config is None
    assert list(log) == []
    curve: list[tuple[int, float]] = []
    try:
        quarter = total_timesteps // 4
        for done in range(quarter, total_timesteps + 1, quarter):
            progress(quarter)
            curve.append((done, 0.1 * seed + done / total_timesteps))
    except KeyboardInterrupt:
        if not curve:
            raise
    output.mkdir(parents=True, exist_ok=True)
    path = output / "policy.json"
    path.write_text(json.dumps({"skill": 0.7 + 0.01 * seed}))
    found = {"path": path, "curve": curve, "complete": len(curve) == 4}
    return SimpleNamespace(**found, resumed=int(resume), duration_s=0.5)


def agent_names(env_id: str) -> tuple[str, ...]:
    del env_id
    return NAMES


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the toy into the table of environments and its agents into theirs."""
    known = environments.entries()
    monkeypatch.setattr(environments, "entries", lambda: (*known, ENTRY))
    monkeypatch.setattr("microgym.agents.core.registry.agent_names", agent_names)
    monkeypatch.setattr("microgym.agents.core.registry.make_agent", make_agent)
    monkeypatch.setattr("microgym.agents.training.trainer.train", train)
