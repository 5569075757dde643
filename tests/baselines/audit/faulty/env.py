"""Tasks of eight steps: bring a place to a hidden lamp that a noisy signal tells of."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np

from microgym.envs.core.channels import Channels
from microgym.envs.core.config import Config, level, split
from microgym.envs.core.declarations import Latent, Metric, Term
from microgym.envs.core.gymnasium_env import environments
from microgym.envs.core.task import Task
from microgym.instruments.ledger import Ledger
from microgym.random import Role, normal, stream, uniform
from microgym.state import Float64, Int64, Shape, Uint32

STEPS = 8


class State(NamedTuple):
    keys: Annotated[Uint32, Shape(2)]
    lamp: Annotated[Float64, Shape()]
    place: Annotated[Float64, Shape()]
    seen: Annotated[Float64, Shape()]
    near: Annotated[Float64, Shape()]
    moved: Annotated[Float64, Shape()]
    tick: Annotated[Int64, Shape()]


@dataclass(frozen=True)
class LampConfig(Config):
    split: str = split()
    noise: str = level({"off": 0.0, "easy": 0.1, "real": 0.3, "hard": 0.9}, "noise of the signal")


class SoundTask(Task):
    """The signal is the noisy way to the lamp; what is gained is nearness, in small steps."""

    Config = LampConfig
    State = State
    OBSERVATION = Channels(signal="way to the lamp", place="own", left="steps left, of all")
    ACTION = Channels(step="way to go, of 0.5")
    REWARD: ClassVar[Any] = {
        "near": Term(1.0, "nearness gained", path="state.near"),
        "moved": Term(0.1, "minus the way", "lower", path="state.moved"),
    }
    BUDGETS: ClassVar[Any] = {"state.tick": STEPS}
    METRICS = (Metric("distance", "distance to the lamp", path="state.seen"),)
    LATENT: ClassVar[Any] = {"lamp": Latent("place of the lamp", "state.lamp")}
    tiny = 1.0

    def begin(self, rows: Any, keys: Any) -> None:
        state = self.state
        state.keys[rows] = keys
        for row in rows:
            state.lamp[row] = self.draw(*stream(*state.keys[row], Role.WORLD, 0))
            state.near[row] = 1.0 - abs(state.lamp[row])

    def draw(self, *world: Any) -> float:
        return 2 * uniform(*world, 0, 0) - 1

    def advance(self, rows: Any, actions: Any) -> None:
        state = self.state
        for row in rows:
            step = 0.5 * float(actions[row, 0])
            state.place[row] = np.clip(state.place[row] + step, -1.0, 1.0)
            state.moved[row] += abs(step)
            way = state.lamp[row] - state.place[row]
            noise = stream(*state.keys[row], Role.MEASUREMENT, 0)
            state.seen[row] = way + self.noise() * normal(*noise, state.tick[row], 0)
            state.near[row] = self.nearness(way, step)
            state.tick[row] += 1

    def noise(self) -> float:
        return self.config.switches["noise"]

    def nearness(self, way: float, step: float) -> float:
        return 1.0 - abs(way)

    def observe(self) -> Any:
        state = self.state
        left = self.tiny * (1.0 - state.tick / STEPS)
        return self.OBSERVATION.pack(signal=self.first(), place=state.place, left=left)

    def first(self) -> Any:
        return self.state.seen

    @property
    def ledger(self) -> Ledger:
        state = self.state
        looks: Any = state.tick.astype(np.int32)
        return Ledger(state.tick * 1.0, state.tick * 0.0, looks, state.moved)


class LeakyTask(SoundTask):
    """The lamp shows before the first step."""

    def first(self) -> Any:
        state = self.state
        return np.where(state.tick == 0, 0.5 * state.lamp, state.seen)


class InertTask(SoundTask):
    """The switch does nothing."""

    def noise(self) -> float:
        return 0.3


class IdleTask(SoundTask):
    """Keeping still pays more than finding the lamp."""

    def nearness(self, way: float, step: float) -> float:
        return 1.0 - abs(way) + (2.0 if step == 0.0 else 0.0)


class FixedTask(SoundTask):
    """The lamp is always in the same place, so that nothing need be looked at."""

    def draw(self, *world: Any) -> float:
        return 0.5


class TinyTask(SoundTask):
    """One channel is a hundredth of what a network expects."""

    tiny = 0.01


SoundEnv, SoundVectorEnv = environments(__name__, SoundTask)
LeakyEnv, LeakyVectorEnv = environments(__name__, LeakyTask)
InertEnv, InertVectorEnv = environments(__name__, InertTask)
IdleEnv, IdleVectorEnv = environments(__name__, IdleTask)
FixedEnv, FixedVectorEnv = environments(__name__, FixedTask)
TinyEnv, TinyVectorEnv = environments(__name__, TinyTask)
