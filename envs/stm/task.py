"""The decision at a tunnelling microscope: where to drag, when to look, how to mend the tip."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from microgym.envs.core import interventions
from microgym.envs.core.interventions import BoxIntervention, ChoiceIntervention
from microgym.envs.core.metrics import Metric
from microgym.envs.core.old_rewards import agreement, approach, combine, damage, safety, time
from microgym.envs.core.old_task import Task
from microgym.envs.stm.config import STMConfig
from microgym.envs.stm.move_task import STMMoveTask
from microgym.envs.stm.render import draw
from microgym.envs.stm.tip_task import STMTipTask
from microgym.instruments.stm.instrument import STMInstrument
from microgym.instruments.stm.state import PIXELS
from microgym.numerics.threads import parallel_rows
from microgym.physics import stm_tip
from microgym.state import arrays

Rows = NDArray[np.int64]

IMAGE_NM = 0.3
"""Height that an image shows as 1, nm."""

_DRAGGED = (
    Metric("placed", "adatoms in place, part", "", "higher", group="metrics"),
    Metric("bystanders", "bystanders moved", group="cost_terms"),
    Metric("lost", "adatoms lost", group="cost_terms"),
    Metric("crash", "crashes of the tip", group="cost_terms"),
    Metric("exposures", "images", "", "", group="ledger"),
    Metric("time_s", "time taken", "s", "", group="ledger"),
)
OUTCOMES = {
    "move": _DRAGGED,
    "build": _DRAGGED,
    "tip": (
        Metric("recovered", "sharp tips accepted", "", "higher", group="metrics"),
        Metric("accepted_bad", "bad tips accepted", group="cost_terms"),
        Metric("spoilt", "surface spoilt", "places"),
        Metric("exposures", "images", "", "", group="ledger"),
        Metric("time_s", "time taken", "s", "", group="ledger"),
    ),
}
"""Beside the score, by goal."""

POSITIVE = {"well_strength_ev": stm_tip.STRENGTH, "well_width_nm": stm_tip.WIDTH}
_SETTABLE: Mapping[str, BoxIntervention | ChoiceIntervention] = {
    **dict.fromkeys(("drift_velocity_nm_s", "settling_nm"), BoxIntervention(shape=(2,))),
    **dict.fromkeys(POSITIVE, BoxIntervention(above=0.0)),
    "tip_state": ChoiceIntervention(stm_tip.STATES),
}
"""Traits of the tip that can be set."""


class STMTask(Task):
    """N tunnelling microscopes; see `microgym.envs.stm.STMEnv` for the task itself.

    Args:
        num_envs: N.
        **arguments: see `STMConfig`.
    """

    def __init__(self, num_envs: int, **arguments: Any) -> None:
        self.arguments = STMConfig.parse(arguments)
        chosen = self.arguments
        self.instrument = STMInstrument(num_envs, chosen.settings())
        kind = STMTipTask if chosen.goal == "tip" else STMMoveTask
        self.goal: STMMoveTask | STMTipTask = kind(self.instrument, chosen)
        size = len(self.goal.feature_names)
        numbers = spaces.Box(-1.0, 1.0, (size,), np.float32)
        image = spaces.Box(-1.0, 1.0, (1, PIXELS, PIXELS), np.float32)
        seen = spaces.Dict({"image": image, "numbers": numbers})
        super().__init__(
            num_envs,
            observation_space=seen if chosen.observation == "image" else numbers,
            action_space=self.goal.action_space(),
            reward_terms=chosen.terms,
            reward_mode=chosen.reward_mode,
            reward_weights=chosen.weights.vector(chosen.terms),
            threads=chosen.threads,
        )
        self.outcomes = OUTCOMES[chosen.goal]
        self._limit_s = chosen.time_limit_s
        self._weights = chosen.weights
        self._terms = np.zeros((self.num_envs, len(chosen.terms)))
        self._harm = np.zeros((self.num_envs, 3))
        self._cost = np.zeros((self.num_envs, 3))
        self.returns = np.zeros(self.num_envs)
        self.harm_names = tuple(self.goal.harm(np.arange(0)))

    def reset(self, rows: Rows, keys: NDArray[np.uint32], options: dict[str, Any]) -> None:
        """Put new surfaces and tips in; the first image is taken already."""
        self.goal.reset(rows, keys)
        for array in (self._terms, self._harm, self._cost, self.returns, self.reward):
            array[rows] = 0.0
        self.terminated[rows] = False
        self.truncated[rows] = False
        self._draw(rows)

    def step(self, rows: Rows, actions: NDArray[Any]) -> None:
        """Act in every row, and pay."""
        ledger = self.instrument.state.ledger
        seconds = ledger.time_s[rows].copy()
        images = ledger.exposures[rows].copy()
        before, harmed = self.goal.potentials(rows), self._harm[rows]
        parallel_rows(
            lambda start, stop: self.goal.step(rows[start:stop], actions), rows.size, self.threads
        )
        after = self.goal.potentials(rows)
        harm = self.goal.harm(rows)
        for k, name in enumerate(self.harm_names):
            # Disturbed bystanders are counted once; the rest are events of one action.
            self._harm[rows, k] = harm[name] + (0.0 if name == "bystanders" else harmed[:, k])
        clocks = (seconds, ledger.time_s[rows], self._limit_s)
        if isinstance(self.goal, STMTipTask):
            terms = {"damage": damage(before[0], after[0])}
        else:
            terms = {
                "approach": approach(before[0], after[0]),
                "safety": safety(harmed.sum(axis=1), self._harm[rows].sum(axis=1)),
            }
        terms |= {"time": time(*clocks), "agreement": agreement(before[1], after[1])}
        names = self.reward_terms
        self._terms[rows] = np.stack([terms[name] for name in names], axis=-1)
        vector = self.reward_mode == "vector"
        self.reward[rows] = combine(terms, self._weights, vector=vector)
        self.returns[rows] += combine(terms, self._weights)
        self._cost[rows] = np.maximum(self._harm[rows] - harmed, 0.0)
        self.terminated[rows] = self.goal.over(rows) | (ledger.time_s[rows] >= self._limit_s)
        self.truncated[rows] = False
        self._draw(rows[ledger.exposures[rows] > images])

    def _draw(self, rows: Rows) -> None:
        """Draw the image just taken where it is part of the observation, and not yet drawn."""
        if self.arguments.observation == "image" and not self.arguments.detects:
            parallel_rows(
                lambda start, stop: self.instrument.draw(rows[start:stop]), rows.size, self.threads
            )

    def observe(self) -> Any:
        """What the goal tells, and the last image where asked for."""
        left = np.maximum(1.0 - self.instrument.state.ledger.time_s / self._limit_s, 0.0)
        numbers = self.goal.features(left)
        if self.arguments.observation == "features":
            return numbers
        image = np.clip(self.instrument.state.image[:, None] / np.float32(IMAGE_NM), -1.0, 1.0)
        return {"image": image, "numbers": numbers}

    def info(self) -> dict[str, Any]:
        """Terms, cost, figures of merit and ledger; masks and the hidden state where asked for."""
        result: dict[str, Any] = {
            "reward_terms": {n: self._terms[:, i].copy() for i, n in enumerate(self.reward_terms)},
            "cost": self._cost.sum(axis=1),
            "cost_terms": {n: self._cost[:, i].copy() for i, n in enumerate(self.harm_names)},
            "metrics": self.goal.metrics(),
            "ledger": self.instrument.state.ledger.copy(),
        }
        masks = self.action_masks()
        if masks is not None:
            result["action_mask"] = masks
        if isinstance(self.goal, STMMoveTask) and self.goal.sight is not None:
            result["sighting"] = self.goal.sighting()
        if self.arguments.reveal:
            result["latent"] = self.goal.latent()
        return result

    def action_masks(self) -> NDArray[np.bool_] | None:
        """What there is room for, where the goal is the tip."""
        return self.goal.masks() if isinstance(self.goal, STMTipTask) else None

    def render(self, row: int) -> NDArray[np.uint8]:
        """Surface, targets, last drag and its current, and what it cost, of one microscope."""
        return draw(self, row)

    @property
    def limit_s(self) -> float:
        """Time of an episode, s."""
        return self._limit_s

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """Every array that changes."""
        own = {
            "task_terms": self._terms,
            "task_harm": self._harm,
            "task_cost": self._cost,
            "task_returns": self.returns,
        }
        return own | dict(arrays(self.instrument.state)) | self.goal.state_arrays()

    def intervene(self, rows: Rows, **values: Any) -> None:
        """Set hidden quantities; draws stay as they were.

        Args:
            rows: (k,) int64.
            **values: `drift_velocity_nm_s`, `settling_nm`: (2,) or (k, 2), (x, y);
                `well_strength_ev`, `well_width_nm`: above 0, one number or (k,); `tip_state`: one
                of `microgym.physics.stm_tip.STATES`, which leaves the other traits as they are.

        Raises:
            ValueError: an unknown name, a wrong shape or a number out of range.
        """
        stage = self.instrument.state.drift
        vectors = {"drift_velocity_nm_s": stage.velocity, "settling_nm": stage.settling}
        ready = interventions.read(rows, values, _SETTABLE)
        for name, value in ready.items():
            if name in vectors:
                vectors[name][rows] = value
            elif name in POSITIVE:
                self.instrument.state.tip.traits[rows, POSITIVE[name]] = value
            else:
                self.instrument.state.tip.kind[rows] = value
