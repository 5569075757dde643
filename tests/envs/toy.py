"""A small, complete task to try the shell on: look for a drifting lamp on a square field.

Importing this module registers it, so that workers can make "tests.envs.toy:MicrogymToy-v0".
"""

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from microgym.envs.core.metrics import Metric
from microgym.envs.core.registry import Entry, register
from microgym.envs.core.single_env import MicroscopeEnv
from microgym.envs.core.task import Task
from microgym.envs.core.vector_env import MicroscopeVectorEnv
from microgym.numerics.threads import parallel_rows
from microgym.random import Role, normal, stream, uniform

GRID = 4
DRIFTS = {"off": 0.0, "easy": 0.02, "real": 0.1, "hard": 0.3}


OUTCOMES = (
    Metric("ledger", "dose", "dose", "s"),
    Metric("metrics", "best", "best signal", "", "higher"),
    Metric("cost_terms", "overdose", "doses too many"),
    Metric("ledger", "exposures", "looks", "", ""),
)


class ToyTask(Task):
    render_fps = 3
    outcomes = OUTCOMES
    reset_options = frozenset({"budget"})

    def __init__(
        self,
        num_envs: int,
        *,
        action: str = "continuous",
        observation: str = "dict",
        drift: str = "real",
        reveal: bool = False,
        reward_mode: str = "scalar",
        threads: int = 1,
    ) -> None:
        vector = spaces.Box(-8.0, 8.0, (3,), np.float32)
        image = spaces.Box(0.0, 255.0, (2, GRID, GRID), np.float32)
        seen = spaces.Dict({"vector": vector, "image": image})
        continuous = spaces.Box(-1.0, 1.0, (3,), np.float32)
        super().__init__(
            num_envs,
            observation_space={"dict": seen, "features": vector}[observation],
            action_space={"continuous": continuous, "grid": spaces.Discrete(GRID**2)}[action],
            reward_terms=("signal", "dose"),
            reward_mode=reward_mode,
            threads=threads,
        )
        self.grid, self.maps = action == "grid", observation == "dict"
        self.drift, self.reveal = DRIFTS[drift], reveal
        n = self.num_envs
        self.keys = np.zeros((n, 2), np.uint32)
        self.lamp = np.zeros((n, 2))
        self.place = np.zeros((n, 2))
        self.image = np.zeros((n, 2, GRID, GRID), np.float32)
        self.tick = np.zeros(n, np.int64)
        self.budget = np.zeros(n, np.int64)
        self.dose = np.zeros(n)
        self.path = np.zeros(n)
        self.terms = np.zeros((n, 2))

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        names = ["keys", "lamp", "place", "image", "tick", "budget", "dose", "path", "terms"]
        return {name: getattr(self, name) for name in names}

    def check_options(self, options: Any) -> None:
        super().check_options(options)
        budget = options.get("budget", 1)
        if not 1 <= budget <= 100:
            raise ValueError(f"options['budget'] must be in 1..100, got {budget}")

    def reset(self, rows: Any, keys: Any, options: dict[str, Any]) -> None:
        for name, array in self._all_arrays().items():
            if name != "keys":
                array[rows] = 0
        self.keys[rows] = keys
        for row in rows:
            world = stream(*self.keys[row], Role.WORLD, 0)
            self.lamp[row] = [2 * uniform(*world, 0, i) - 1 for i in range(2)]
            self.budget[row] = options.get("budget", 4 + int(4 * uniform(*world, 0, 2)))

    def step(self, rows: Any, actions: Any) -> None:
        parallel_rows(
            lambda start, stop: self._advance(rows[start:stop], actions), rows.size, self.threads, 1
        )

    def _advance(self, rows: Any, actions: Any) -> None:
        for row in rows:
            dwell = 1.0 if self.grid else 1.5 + float(actions[row, 2])
            if self.grid:
                cell = divmod(int(actions[row]), GRID)
                place = (np.array(cell) + 0.5) * 2 / GRID - 1
            else:
                place = actions[row, :2].astype(np.float64)
                cell = tuple(np.minimum((place + 1) * GRID / 2, GRID - 1).astype(int))
            tick, key = self.tick[row], self.keys[row]
            wind, noise = stream(*key, Role.EXOGENOUS, 0), stream(*key, Role.MEASUREMENT, 0)
            self.lamp[row] += self.drift * np.array([normal(*wind, tick, i) for i in range(2)])
            self.path[row] += np.sqrt(np.square(place - self.place[row]).sum())
            self.place[row] = place
            distance2 = np.square(place - self.lamp[row]).sum()
            signal = 1 / (1 + 9 * distance2) + 0.05 * normal(*noise, tick, 0) / np.sqrt(dwell)
            self.image[(row, 0, *cell)] = max(signal, 0.0)
            self.image[(row, 1, *cell)] += 1
            self.dose[row] += dwell
            self.tick[row] += 1
            self.terms[row] = signal, -0.1 * dwell
            self.terminated[row] = signal > 0.9 or self.tick[row] >= self.budget[row]
            self.truncated[row] = bool(np.abs(self.lamp[row]).max() > 1.3)
        vector = self.reward_mode == "vector"
        self.reward[rows] = self.terms[rows] if vector else self.terms[rows].sum(-1)

    def observe(self) -> Any:
        left = (self.budget - self.tick)[:, None]
        vector = np.concatenate([self.place, left / 100], -1).astype(np.float32)
        return {"vector": vector, "image": self.image.copy()} if self.maps else vector

    def info(self) -> dict[str, Any]:
        terms = {name: self.terms[:, i].copy() for i, name in enumerate(self.reward_terms)}
        over = self.dose > 8
        info: dict[str, Any] = {
            "reward_terms": terms,
            "cost": over.astype(np.float32),
            "cost_terms": {"overdose": over},
            "metrics": {"best": self.image[:, 0].max((-2, -1)), "map": self.image[:, 1].copy()},
            "ledger": {
                "time_s": self.tick * 0.5,
                "dose": self.dose.copy(),
                "exposures": self.tick.astype(np.int32),
                "path_m": self.path.copy(),
            },
            "specimen": np.array([f"lamp-{budget}" for budget in self.budget], object),
        }
        if self.grid:
            info["action_mask"] = self.action_masks()
        if self.reveal:
            info["latent"] = {"lamp": self.lamp.copy()}
        return info

    def action_masks(self) -> NDArray[np.bool_] | None:
        return self.image[:, 1].reshape(self.num_envs, -1) == 0 if self.grid else None

    def render(self, row: int) -> NDArray[np.uint8]:
        grey = np.clip(self.image[row, 0] * 255, 0, 255).astype(np.uint8)
        return np.repeat(np.kron(grey, np.ones((8, 8), np.uint8))[..., None], 3, -1)

    def intervene(self, rows: Any, **values: Any) -> None:
        unknown = sorted(values.keys() - {"lamp"})
        if unknown:
            raise ValueError(f"unknown interventions {unknown}; this environment knows ['lamp']")
        lamp = np.asarray(values["lamp"], np.float64)
        if not np.all(np.abs(lamp) <= 1):
            raise ValueError(f"lamp must be in [-1, 1], got {values['lamp']!r}")
        self.lamp[rows] = lamp


class ToyEnv(MicroscopeEnv):
    task_class = ToyTask


class ToyVectorEnv(MicroscopeVectorEnv):
    task_class = ToyTask


ENTRY = Entry(
    id="MicrogymToy-v0",
    module="tests.envs.toy",
    name="Toy",
    summary="tests only",
    variants=(
        {"action": "grid", "reveal": True},
        {"observation": "features", "drift": "hard"},
    ),
    interventions={"lamp": 0.5},
)
register(ENTRY)
