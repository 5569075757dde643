"""Training of `CorrectionNet`: PPO on corrections, taught at first by one who sees what is hidden.

What an operator cannot know, how far the surface has drifted and how far beside itself the tip
pulls, is the same for the beginning and the end of a drag. On training specimens it is known; the
network is taught to guess it from the last decisions (a teacher who knows: Pinto et al., arXiv
1710.06542), and PPO improves on that. The policy that comes out sees observations only.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from microgym.agents.corrections import RANGE, Corrections, movers_within
from microgym.agents.learners.base import Learner
from microgym.agents.networks.base import Network
from microgym.agents.networks.corrections import HISTORY, CorrectionNet
from microgym.agents.references.stm import SHARED_AT, movers_of, snapped
from microgym.envs.stm.assembly import END_NM, SLOT, START_NM
from microgym.instruments.stm import STMSettings
from microgym.physics import apex

LESSON = "lesson"
"""Key of the truth in the observation: where the operator's drag should lie, from where it does,
(x, y) nm, and 1 where that can be made up for."""

_CURABLE_NM = 0.35


class Corrected(VectorWrapper):
    """Lets an operator propose; actions are corrections, observations the last decisions.

    Args:
        env: a vector environment of STM-v0 in autoreset mode SAME_STEP, made with `reveal=True`.
        movers: adatoms to be moved.
        history: decisions that are seen.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], movers: int, history: int) -> None:
        super().__init__(env)
        self.corrections = Corrections(movers, history)
        self.corrections.reset(env.num_envs)
        self._slots = len(SLOT) * movers
        width = history * self.corrections.width
        self.single_observation_space = spaces.Dict(
            {
                HISTORY: spaces.Box(-1.0, 1.0, (width,), np.float32),
                LESSON: spaces.Box(-np.inf, np.inf, (3,), np.float32),
            }
        )
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes."""
        observation, info = self.env.reset(seed=seed, options=options)
        self.corrections.reset(self.num_envs)
        return self._seen(observation, info), info

    def step(
        self, actions: Any
    ) -> tuple[Any, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Correct, and advance all environments."""
        found = self.env.step(self.corrections.corrected(actions))
        observation, reward, terminated, truncated, info = found
        ended = terminated | truncated
        if "final_obs" in info:
            nothing = {
                name: np.zeros(box.shape or (), np.float32) for name, box in self._boxes().items()
            }
            last = np.empty(self.num_envs, object)
            for row in np.flatnonzero(ended):
                last[row] = nothing
            info["final_obs"] = last
        self.corrections.begin(ended)
        return self._seen(observation, info), reward, terminated, truncated, info

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """The whole state, that of the environments included; copies."""
        own = self.corrections.state_arrays()
        memory = {f"corrections_{name}": array.copy() for name, array in own.items()}
        native: Any = self.env.unwrapped
        return memory | native.snapshot()

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take back a state given by `snapshot`.

        Raises:
            ValueError: names, shapes or types that do not fit.
        """
        native: Any = self.env.unwrapped
        own = self.corrections.state_arrays()
        names = {f"corrections_{name}" for name in own}
        native.restore({name: array for name, array in state.items() if name not in names})
        for name, array in own.items():
            given = state[f"corrections_{name}"]
            if (given.shape, given.dtype) != (array.shape, array.dtype):
                raise ValueError(f"corrections_{name} must have shape {array.shape}")
            array[...] = given

    def _boxes(self) -> Mapping[str, spaces.Space[Any]]:
        own = self.single_observation_space
        assert isinstance(own, spaces.Dict)
        return own.spaces

    def _seen(self, observation: NDArray[np.float32], info: Mapping[str, Any]) -> dict[str, Any]:
        seen = self.corrections.see(observation)
        return {HISTORY: seen, LESSON: self._lesson(observation, info["latent"])}

    def _lesson(
        self, observation: NDArray[np.float32], latent: Mapping[str, Any]
    ) -> NDArray[np.float32]:
        """Where the first adatom's hollow really is, from where the operator takes it to be."""
        operator = self.corrections.operator
        first, rows = latent["order"][:, 0], np.arange(self.num_envs)
        drift = latent["drift_nm"] + STMSettings().drag_s * latent["drift_velocity_nm_s"]
        offset = latent["traits"][:, [apex.OFFSET_X, apex.OFFSET_Y]]
        true = latent["places_nm"][rows, first] + drift - offset - latent["believed_nm"][:, 0]
        shared = observation[:, self._slots :].astype(np.float64)
        way = 3.0 * observation[:, 0:2].astype(np.float64)
        fixed, _ = snapped(way, shared[:, SHARED_AT["hollow"]])
        missing = true - (way - fixed + operator.shift(shared) - operator.correction)
        curable = np.hypot(missing[:, 0], missing[:, 1]) < _CURABLE_NM
        return np.concatenate([missing, curable[:, None]], axis=1).astype(np.float32)


class Lessons(BaseCallback):
    """Teaches the network to guess what is hidden, between the policy's first updates.

    Args:
        net: the network.
        rate: learning rate.
        batch: observations a gradient step.
        epochs: times that each rollout is gone through.
        until: decisions after which it is left to PPO.

    Attributes:
        optimizer: of the network's weights.
    """

    def __init__(
        self, net: CorrectionNet, rate: float, batch: int, epochs: int, until: int
    ) -> None:
        super().__init__()
        self._net, self._batch, self._epochs, self._until = net, batch, epochs, until
        self.optimizer = torch.optim.Adam(net.parameters(), lr=rate)
        self._lesson: dict[str, Tensor] | None = None
        self._scale = torch.tensor([START_NM * RANGE[0]] * 2 + [END_NM * RANGE[2]] * 2)

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer: Any = self.locals["rollout_buffer"]
        self._lesson = {
            name: torch.from_numpy(values.reshape(-1, *values.shape[2:]).copy())
            for name, values in buffer.observations.items()
        }

    def _on_rollout_start(self) -> None:
        lesson, self._lesson = self._lesson, None
        if lesson is None or self.num_timesteps > self._until:
            return
        useful = lesson[LESSON][:, 2] > 0.0
        seen, missing = lesson[HISTORY][useful], lesson[LESSON][useful, :2]
        wanted = (missing.repeat(1, 2) / self._scale).clamp(-1.2, 1.2)
        loss = torch.zeros(())
        for _ in range(self._epochs):
            for rows in torch.randperm(len(seen)).split(self._batch):
                guess = self._net({HISTORY: seen[rows]})
                loss = ((guess[:, :4] - wanted[rows]) ** 2).mean()
                loss = loss + 0.1 * (guess[:, 4:] ** 2).mean()
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
        self.logger.record("train/lesson_loss", loss.item())


class _Decisions(BaseFeaturesExtractor):
    """The last decisions, and nothing of the truth."""

    def __init__(self, observation_space: spaces.Dict) -> None:
        super().__init__(observation_space, spaces.flatdim(observation_space[HISTORY]))

    def forward(self, observations: Mapping[str, Tensor]) -> Tensor:
        return observations[HISTORY]


class CorrectionPolicy(ActorCriticPolicy):
    """Actor and critic side by side; the actor begins with hardly any corrections.

    Args:
        observation_space: a dict of `HISTORY` and `LESSON`.
        action_space: a box.
        lr_schedule: learning rate as a function of the remaining progress.
        history: decisions that are seen.
        hidden: widths of the layers between.
        **kwargs: of `ActorCriticPolicy`.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Box,
        lr_schedule: Any,
        *,
        history: int = 4,
        hidden: Sequence[int] = (128, 128),
        **kwargs: Any,
    ) -> None:
        width = spaces.flatdim(observation_space[HISTORY]) // history
        self._sizes = (history, width, int(action_space.shape[0]), list(hidden))
        kwargs |= {
            "features_extractor_class": _Decisions,
            "net_arch": {"pi": list(hidden), "vf": list(hidden)},
            "activation_fn": nn.Tanh,
        }
        super().__init__(observation_space, action_space, lr_schedule, **kwargs)
        with torch.no_grad():
            head: Any = self.action_net
            head.weight.mul_(0.1)

    def network(self) -> CorrectionNet:
        """The actor alone; it shares its weights with this policy."""
        net = CorrectionNet(*self._sizes)
        net.body = self.mlp_extractor.policy_net
        head = self.action_net
        assert isinstance(head, nn.Linear)
        net.head = head
        return net


class CorrectionLearner(Learner):
    """PPO on corrections. Settings of its own: `history`, `hidden`, `log_std`, `lesson_...`."""

    policy = CorrectionPolicy

    def policy_arguments(self) -> dict[str, Any]:
        """Shape of the network, and how far exploration goes at first."""
        chosen = self.chosen
        return {
            "history": chosen["history"],
            "hidden": chosen["hidden"],
            "log_std_init": chosen["log_std"],
        }

    def environment(self, env_id: str, arguments: Mapping[str, Any]) -> VectorEnv[Any, Any, Any]:
        """Environments in which an operator proposes, and whose observation holds the truth."""
        words: Any = {"autoreset_mode": "SameStep", "reveal": True, **arguments}
        env = gym.make_vec(env_id, self.chosen["num_envs"], **words)
        given: Mapping[str, Any] = {**(gym.spec(env_id).kwargs), **arguments}
        return Corrected(env, movers_of(given), self.chosen["history"])

    def lessons(
        self, net: Network
    ) -> tuple[Sequence[BaseCallback], Mapping[str, torch.optim.Optimizer]]:
        """The teacher, between the policy's first updates."""
        assert isinstance(net, CorrectionNet)
        assert movers_within(net.width)
        names = ("rate", "batch", "epochs", "until")
        rate, batch, epochs, until = (self.chosen[f"lesson_{name}"] for name in names)
        teacher = Lessons(net, rate, batch, epochs, until)
        return (teacher,), {"teacher": teacher.optimizer}
