"""Audits of the tasks of `faulty`, with agents of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microgym.agents.core.agent import BaseAgent, IdleAgent
from microgym.baselines.audit.context import Audit
from tests.baselines.audit.faulty import ENTRIES


class LampAgent(BaseAgent):
    """Goes a part of the way that it sees, or knows."""

    observation_shapes = {"observation": (3,)}

    def __init__(self, name: str, part: float) -> None:
        super().__init__()
        self.name, self.part, self.uses_privileged_info = name, part, name == "oracle"

    def _act(self, observation: Any, info: Any) -> Any:
        seen = observation["observation"]
        way = seen[:, 0]
        if self.uses_privileged_info:
            way = info["latent"]["lamp"] - seen[:, 1]
        return np.clip(2.0 * self.part * way, -1.0, 1.0).astype(np.float32)[:, None]


class Wanderer(LampAgent):
    """Goes anywhere."""

    def _reset(self, seeds: Any) -> None:
        super()._reset(seeds)
        self.draws = [np.random.default_rng([int(seed), 3]) for seed in seeds]

    def _act(self, observation: Any, info: Any) -> Any:
        return np.stack([one.uniform(-1, 1, 1) for one in self.draws]).astype(np.float32)


SKILL = {"random": 0.0, "expert": 0.4, "oracle": 1.0, "trained": 0.5}


def _make(env_id: str, name: str, env_kwargs: Any) -> Any:
    if name == "idle":
        return IdleAgent.for_env(env_id, env_kwargs)
    return (Wanderer if name == "random" else LampAgent)(name, SKILL[name])


@pytest.fixture
def audit_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Audit]:
    """Makes the audit of a kind of `faulty`."""
    registry = "microgym.agents.core.registry"
    monkeypatch.setattr(f"{registry}.agent_names", lambda env_id: ("idle", *SKILL))
    monkeypatch.setattr(f"{registry}.make_agent", _make)

    def make(kind: str, minutes: float = 0.2, **words: Any) -> Audit:
        return Audit(ENTRIES[kind].id, tmp_path / kind, minutes, jobs=1, **words)

    return make
