"""Setting and effort of an audit, and results that its groups share, kept on disk."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from microgym.agents.core import registry as agents
from microgym.agents.core.agent import Agent
from microgym.agents.core.config import find_tables
from microgym.baselines.audit import stamps
from microgym.baselines.audit.policies import GaussianAgent
from microgym.baselines.cli.console import Progress, no_progress
from microgym.baselines.evaluation.env_config import EnvironmentConfig, find_agent
from microgym.baselines.evaluation.evaluate import Evaluation, evaluate_all
from microgym.baselines.evaluation.records import read_record, write_json
from microgym.envs.core.config import Option, options
from microgym.envs.core.registry import find

DEFAULT_MINUTES, SHORT_MINUTES = 20.0, 1.0

SHARES: Mapping[str, float] = {
    "speed": 0.02,
    "leaks": 0.02,
    "scale": 0.02,
    "references": 0.12,
    "credit": 0.04,
    "splits": 0.08,
    "degenerate": 0.04,
    "blind": 0.22,
    "switches": 0.12,
    "families": 0.08,
    "ceiling": 0.1,
    "plain": 0.5,
}
"""Parts of the time for the groups, which sum to more than 1, as two runs of "plain" go on at
once (design choice)."""

TRAINING_SEED = 1_000_000
"""First seed of the episodes of searches, different from those evaluated."""


@dataclass
class Audit:
    """One environment, and how much may be spent on it.

    Attributes:
        env_id: such as "STM-v0".
        folder: of the results kept between runs.
        minutes: processor minutes of the whole audit on one core.
        seed: of the first evaluated episode, and of searches.
        jobs: training processes side by side.
        progress: receives the number of episodes, candidates or steps that are done.
        again: measure anew what is kept.
        whole: stock algorithms are trained as long as declared, whatever the minutes.
    """

    env_id: str
    folder: Path
    minutes: float = DEFAULT_MINUTES
    seed: int = 0
    jobs: int = 2
    progress: Progress = no_progress
    again: bool = False
    whole: bool = False

    def seconds(self, group: str) -> float:
        """Processor time of a group, s."""
        return 60.0 * self.minutes * SHARES[group]

    def setting(self, split: str = "test", **arguments: Any) -> EnvironmentConfig:
        """The environment with some arguments, "specimen" among them."""
        specimen = arguments.pop("specimen", None)
        split = split if "split" in self.arguments else "test"
        return EnvironmentConfig(self.env_id, split, specimen, arguments)

    @cached_property
    def arguments(self) -> Mapping[str, Option]:
        """The environment's arguments by name."""
        return options(find(self.env_id).load().task_class.Config)

    @cached_property
    def difficulties(self) -> dict[str, dict[str, Any]]:
        """Arguments of each difficulty that the environment has, "default" first."""
        found: dict[str, dict[str, Any]] = {"default": {}}
        return found | ({"easy": {"difficulty": "easy"}} if "difficulty" in self.arguments else {})

    @cached_property
    def tables(self) -> Mapping[str, Any]:
        """Configuration beside the environment's agents."""
        return find_tables(self.env_id)

    @property
    def declared(self) -> Mapping[str, Any]:
        """Table "audit" of the configuration."""
        return self.tables.get("audit", {})

    def exemption(self, name: str) -> str | None:
        """Declared reason for which a check, such as "scale.maps.dose", need not hold."""
        return self.declared.get("exempt", {}).get(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the agents."""
        return agents.agent_names(self.env_id)

    def agent(self, setting: EnvironmentConfig, name: str) -> Agent:
        """An agent, or the fresh Gaussian policy."""
        if name == GaussianAgent.name:
            return GaussianAgent.for_env(setting.env_id, setting.keywords())
        return find_agent(setting, name)

    def evaluate(
        self, setting: EnvironmentConfig, name: str, episodes: int, seed: int | None = None
    ) -> Evaluation:
        """Evaluation of one agent, kept in the folder; the progress counts its episodes."""
        first = self.seed if seed is None else seed
        key = _digest([asdict(setting), name, episodes, first])
        file = self.folder / "evaluations" / f"{name}-{key}.json"
        known = self._kept(file)
        if known is not None:
            self.progress(episodes)
            return _evaluation(known)
        start = time.process_time()
        found = evaluate_all(
            setting,
            {name: self.agent(setting, name)},
            episodes=episodes,
            seed=first,
            num_envs=min(64, episodes),
            progress=self.progress,
            whole=True,
        )[name]
        took = time.process_time() - start
        write_json(file, {**asdict(found), "seconds": took, "stamp": self.stamp})
        return found

    def cost(self, setting: EnvironmentConfig, name: str) -> float:
        """Processor time of an episode of an agent, s, from a few episodes."""
        file = self.folder / "evaluations" / f"cost-{_digest([asdict(setting), name])}.json"
        known = self._kept(file)
        if known is None:
            agent = self.agent(setting, name)
            times: list[float] = []
            for size in (1, 4):  # the first batch compiles kernels
                start = time.process_time()
                evaluate_all(setting, {name: agent}, episodes=size, num_envs=size)
                times.append(time.process_time() - start)
            known = {"seconds": times[-1] / 4, "stamp": self.stamp}
            write_json(file, known)
        return float(known["seconds"])

    def affordable(
        self, setting: EnvironmentConfig, names: Sequence[str], seconds: float, low: int, high: int
    ) -> int:
        """Episodes that some agents can play in a time, a power of two between two bounds."""
        cost = sum(self.cost(setting, name) for name in names)
        return power_of_two(seconds / max(cost, 1e-6), low, high)

    @cached_property
    def stamp(self) -> str:
        """Stamp of results that depend on the environment, its agents and the audit."""
        return stamps.of_results(self.env_id, self.difficulties.values())

    def keep(self, name: str, value: Mapping[str, Any], stamp: str | None = None) -> Path:
        """Keep a result under a name, with a stamp of what it depends on."""
        return write_json(self.folder / f"{name}.json", {**value, "stamp": stamp or self.stamp})

    def kept(self, name: str, stamp: str | None = None) -> dict[str, Any] | None:
        """A result that was kept with the same stamp; None if there is none."""
        return self._kept(self.folder / f"{name}.json", stamp)

    def _kept(self, file: Path, stamp: str | None = None) -> dict[str, Any] | None:
        if self.again or not file.is_file():
            return None
        try:
            found = read_record(file)
        except ValueError:  # damaged: measured anew
            return None
        return found if found.get("stamp") == (stamp or self.stamp) else None


def power_of_two(value: float, low: int, high: int) -> int:
    """The largest power of two up to a value, between two bounds."""
    return int(np.clip(2 ** int(np.floor(np.log2(max(value, 1.0)))), low, high))


def _digest(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]


def _evaluation(record: Mapping[str, Any]) -> Evaluation:
    def arrays(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: arrays(one) for name, one in value.items()}
        return np.array(value, np.float64) if isinstance(value, list) else value

    wanted = {n: arrays(v) for n, v in record.items() if n not in ("seconds", "stamp")}
    return Evaluation(**wanted)
