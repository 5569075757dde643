"""The toy's task, as a declaration."""

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.envs.core.channels import Channel, Channels, Choices
from microgym.envs.core.config import Config, at_reset, choice, family, level, number
from microgym.envs.core.declarations import Intervention, Latent, Metric, Term
from microgym.envs.core.task import Modes, Task
from microgym.instruments.ledger import Ledger
from microgym.random import Role, normal, stream, uniform
from microgym.state import Float32, Float64, Int64, Shape, Uint32

GRID = 4
DRIFTS = {"off": 0.0, "easy": 0.02, "real": 0.1, "hard": 0.3}
REACH = {"wide": 1.0, "near": 0.5}


class ToyState(NamedTuple):
    keys: Annotated[Uint32, Shape(2)]
    lamp: Annotated[Float64, Shape(2)]
    place: Annotated[Float64, Shape(2)]
    image: Annotated[Float32, Shape(2, GRID, GRID)]
    tick: Annotated[Int64, Shape()]
    budget: Annotated[Int64, Shape()]
    dose: Annotated[Float64, Shape(unit="s")]
    path: Annotated[Float64, Shape()]
    light: Annotated[Float64, Shape()]


@dataclass(frozen=True)
class ToyConfig(Config):
    action: str = choice("continuous", ("continuous", "grid", "parts"), "kind of action")
    observation: str = choice("dict", ("dict", "features"), "kind of observation")
    drift: str = level(DRIFTS, "drift of the lamp")
    spread: str = family("wide", tuple(REACH), "how far the lamp is from the centre")
    sharpness: float = at_reset(number(9.0, 1.0, 20.0, "sharpness of the light"))
    PRESETS = {"easy": {"drift": "off", "sharpness": 4.0}}

    def validate(self) -> None:
        if self.spread == "near" and self.drift == "hard":
            raise ValueError("spread='near' does not go with drift='hard'")


VECTOR = Channels(
    y="place, from top to bottom",
    x="from left to right",
    left=Channel("looks left", "100", scale=0.02, centre=0.03),
)
IMAGE = Channels(
    GRID, GRID, signal=Channel("last signal", scale=0.3), looks="number of looks"
).within(0.0, 255.0)


class ToyTask(Task):
    Config, State = ToyConfig, ToyState
    render_fps = 3
    OBSERVATION = Modes(dict={"vector": VECTOR, "image": IMAGE}, features=VECTOR)
    ACTION = Modes(
        continuous=Channels(y="place", x="place", dwell="seconds less 1.5"),
        grid=Choices(GRID**2, "cell in reading order"),
        parts={"place": Channels(y="place", x="place"), "dwell": Choices(3, "seconds less 1")},
    )
    REWARD = {
        "signal": Term(1.0, "sum of the signals", path="state.light"),
        "dose": Term(1.0, "minus a tenth of the dose", "lower", 10.0, "state.dose"),
    }
    BUDGETS = {"state.tick": "state.budget"}
    COST = {"overdose": "1 where the dose is above 8"}
    METRICS = (
        Metric("dose", "dose", "s", group="ledger"),
        Metric("best", "best signal", "", "higher"),
        Metric("map", "looks", report=False),
        Metric("overdose", "doses too many", group="cost_terms"),
        Metric("exposures", "looks", "", "", "ledger"),
    )
    LATENT = {"lamp": Latent("place of the lamp", "state.lamp")}
    INTERVENTIONS = {"lamp": Intervention("place", "state.lamp", low=-1.0, high=1.0, example=0.5)}

    def begin(self, rows: Any, keys: Any) -> None:
        state = self.state
        state.keys[rows] = keys
        for row in rows:
            world = stream(*state.keys[row], Role.WORLD, 0)
            reach = REACH[self.config.spread]
            state.lamp[row] = [reach * (2 * uniform(*world, 0, i) - 1) for i in range(2)]
            state.budget[row] = 4 + int(4 * uniform(*world, 0, 2))

    def advance(self, rows: Any, actions: Any) -> None:
        if self.config.action == "parts":
            dwell = actions["dwell"][:, None] - 0.5
            actions = np.concatenate([actions["place"], dwell], axis=1, dtype=np.float32)
        self.share(lambda some: self._look(some, actions), rows)
        self.costs[rows, 0] = self.state.dose[rows] > 8

    def _look(self, rows: Any, actions: Any) -> None:
        state, grid = self.state, self.config.action == "grid"
        for row in rows:
            dwell = 1.0 if grid else 1.5 + float(actions[row, 2])
            if grid:
                cell = divmod(int(actions[row]), GRID)
                place = (np.array(cell) + 0.5) * 2 / GRID - 1
            else:
                place = actions[row, :2].astype(np.float64)
                cell = tuple(np.minimum((place + 1) * GRID / 2, GRID - 1).astype(int))
            tick, key = state.tick[row], state.keys[row]
            wind, noise = stream(*key, Role.EXOGENOUS, 0), stream(*key, Role.MEASUREMENT, 0)
            push = np.array([normal(*wind, tick, i) for i in range(2)])
            state.lamp[row] += DRIFTS[self.config.drift] * push
            state.path[row] += np.sqrt(np.square(place - state.place[row]).sum())
            state.place[row] = place
            distance2 = np.square(place - state.lamp[row]).sum()
            signal = 1 / (1 + self.config.sharpness * distance2)
            signal += 0.05 * normal(*noise, tick, 0) / np.sqrt(dwell)
            state.image[(row, 0, *cell)] = max(signal, 0.0)
            state.image[(row, 1, *cell)] += 1
            state.dose[row] += dwell
            state.tick[row] += 1
            state.light[row] += signal

    def over(self, rows: Any) -> NDArray[np.bool_]:
        return (self.terms[rows, 0] > 0.9) | super().over(rows)

    def step(self, rows: Any, actions: Any) -> None:
        super().step(rows, actions)
        self.truncated[rows] = np.abs(self.state.lamp[rows]).max(-1) > 1.3

    def observe(self) -> Any:
        state = self.state
        left = (state.budget - state.tick) / 100
        vector = VECTOR.pack(y=state.place[:, 0], x=state.place[:, 1], left=left)
        if self.config.observation == "features":
            return vector
        return {"vector": vector, "image": IMAGE.scaled(state.image)}

    def metrics(self) -> dict[str, NDArray[Any]]:
        image = self.state.image
        return {"best": image[:, 0].max((-2, -1)), "map": image[:, 1].copy()}

    @property
    def ledger(self) -> Ledger:
        state = self.state
        exposures: Any = state.tick.astype(np.int32)
        return Ledger(state.tick * 0.5, state.dose, exposures, state.path)

    def info(self) -> dict[str, Any]:
        names = np.array([f"lamp-{budget}" for budget in self.state.budget], object)
        return {**super().info(), "specimen": names}

    def action_masks(self) -> NDArray[np.bool_] | None:
        if self.config.action != "grid":
            return None
        return self.state.image[:, 1].reshape(self.num_envs, -1) == 0

    def render(self, row: int) -> NDArray[np.uint8]:
        grey = np.clip(self.state.image[row, 0] * 255, 0, 255).astype(np.uint8)
        return np.repeat(np.kron(grey, np.ones((8, 8), np.uint8))[..., None], 3, -1)
