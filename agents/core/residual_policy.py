"""Training of residual policies: PPO on corrections to an expert, with privileged targets.

What an operator cannot know is known of training specimens; the network is taught to guess it from
the last decisions (a teacher who knows: Pinto et al., arXiv 1710.06542), and PPO improves on that.
What there is to teach is the tutor's, one for each task. The policy that comes out sees
observations only.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, MlpExtractor
from torch import Tensor, nn

from microgym.agents.core.learner import Learner
from microgym.agents.core.network import Network
from microgym.agents.core.policy_wrapper import PolicyWrapper
from microgym.agents.core.privileged_teachers import PrivilegedTeacher, tutor_for
from microgym.agents.core.residual import HISTORY, ResidualController, ResidualSpec, proposals_for
from microgym.agents.core.residual_network import ResidualPolicyNet

LESSON = "lesson"
"""Key of the tutor's lesson in the observation."""
TRUTH = "truth"
"""Key of what the critic alone is told, where the tutor tells it anything."""


class ResidualActionWrapper(PolicyWrapper):
    """Lets an operator propose; actions are corrections, observations the last decisions.

    Args:
        env: a vector environment in autoreset mode SAME_STEP, made with `reveal=True`.
        proposals: who proposes.
        tutor: who knows the truth.
        history: decisions that are seen.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        proposals: ResidualSpec,
        tutor: PrivilegedTeacher,
        history: int,
    ) -> None:
        self.corrections = ResidualController(proposals, history)
        super().__init__(env, self.corrections)
        self._tutor = tutor
        self._prospects = np.zeros(env.num_envs)
        width = history * proposals.width
        boxes: dict[str, spaces.Space[Any]] = {
            HISTORY: spaces.Box(-1.0, 1.0, (width,), np.float32),
            LESSON: spaces.Box(-np.inf, np.inf, (tutor.lesson_width,), np.float32),
        }
        if tutor.truth_width:
            boxes[TRUTH] = spaces.Box(-np.inf, np.inf, (tutor.truth_width,), np.float32)
        self.single_observation_space = spaces.Dict(boxes)
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)
        self.single_action_space = spaces.Box(-1.0, 1.0, (len(proposals.places),), np.float32)
        self.action_space = batch_space(self.single_action_space, env.num_envs)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes."""
        self._prospects[:] = 0.0
        return super().reset(seed=seed, options=options)

    def answered(self, actions: NDArray[Any]) -> NDArray[Any]:
        """The proposals, corrected."""
        return self.corrections.answer(actions)

    def paid(
        self, reward: NDArray[Any], observation: Any, info: Mapping[str, Any], ended: NDArray[Any]
    ) -> NDArray[Any]:
        """Rewards, and what the tutor knows them to have done to the prospects."""
        prospects = np.where(ended, 0.0, self._tutor.prospects(observation, info))
        change = prospects - self._prospects
        self._prospects[:] = prospects
        return reward + change

    def seen(self, observation: Any, info: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """The last decisions, the lesson, and what the critic is told."""
        seen = self.corrections.see(observation)
        seen[LESSON] = self._tutor.lesson(self.corrections, observation, info["latent"])
        if self._tutor.truth_width:
            seen[TRUTH] = self._tutor.truth(self.corrections, observation, info)
        return seen

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """The operators' memory, and the last prospects."""
        return super().state_arrays() | {"prospects": self._prospects}


class Lessons(BaseCallback):
    """Teaches the network to guess what is hidden, between the policy's first updates.

    Args:
        net: the network.
        tutor: who gives them.
        rate: learning rate.
        batch: observations a gradient step.
        epochs: times that each rollout is gone through.
        until: decisions after which it is left to PPO.

    Attributes:
        optimizer: of the network's weights.
    """

    def __init__(
        self,
        net: ResidualPolicyNet,
        tutor: PrivilegedTeacher,
        rate: float,
        batch: int,
        epochs: int,
        until: int,
    ) -> None:
        super().__init__()
        self._net, self._tutor = net, tutor
        self._batch, self._epochs, self._until = batch, epochs, until
        self.optimizer = torch.optim.Adam(net.parameters(), lr=rate)
        self._lesson: dict[str, Tensor] | None = None

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
        useful = self._tutor.useful(lesson[LESSON])
        seen, told = lesson[HISTORY][useful], lesson[LESSON][useful]
        loss = torch.zeros(())
        for _ in range(self._epochs):
            for rows in torch.randperm(len(seen)).split(self._batch):
                loss = self._tutor.loss(self._net({HISTORY: seen[rows]}), told[rows])
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
        self.logger.record("train/lesson_loss", loss.item())


class _Decisions(BaseFeaturesExtractor):
    """The last decisions, and behind them what the critic alone is told."""

    def __init__(self, observation_space: spaces.Dict) -> None:
        self._parts = [name for name in (HISTORY, TRUTH) if name in observation_space.spaces]
        sizes = (spaces.flatdim(observation_space[name]) for name in self._parts)
        super().__init__(observation_space, sum(sizes))

    def forward(self, observations: Mapping[str, Tensor]) -> Tensor:
        return torch.cat([observations[name] for name in self._parts], dim=1)


class _ActorAndCritic(MlpExtractor):
    """Layers side by side, of which the actor's see nothing of the truth.

    Args:
        seen: numbers that both see.
        known: numbers that the critic is told besides.
        hidden: widths of the layers.
    """

    def __init__(self, seen: int, known: int, hidden: Sequence[int]) -> None:
        widths = {"pi": list(hidden), "vf": list(hidden)}
        super().__init__(seen, widths, nn.Tanh, device="cpu")
        self._seen = seen
        if known:
            self.value_net[0] = nn.Linear(seen + known, hidden[0])

    def forward_actor(self, features: Tensor) -> Tensor:
        return self.policy_net(features[:, : self._seen])


class CorrectionPolicy(ActorCriticPolicy):
    """Actor and critic side by side; the actor begins with hardly any corrections.

    Args:
        observation_space: a dict of `HISTORY`, `LESSON` and, if there is any, `TRUTH`.
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
        self._seen = spaces.flatdim(observation_space[HISTORY])
        width = self._seen // history
        self._sizes = (history, width, int(action_space.shape[0]), list(hidden))
        kwargs |= {
            "features_extractor_class": _Decisions,
            "activation_fn": nn.Tanh,
        }
        super().__init__(observation_space, action_space, lr_schedule, **kwargs)
        with torch.no_grad():
            head: Any = self.action_net
            head.weight.mul_(0.1)

    def _build_mlp_extractor(self) -> None:
        known = self.features_dim - self._seen
        self.mlp_extractor = _ActorAndCritic(self._seen, known, self._sizes[3])

    def network(self) -> ResidualPolicyNet:
        """The actor alone; it shares its weights with this policy."""
        net = ResidualPolicyNet(*self._sizes)
        net.body = self.mlp_extractor.policy_net
        head = self.action_net
        assert isinstance(head, nn.Linear)
        net.head = head
        return net


class CorrectionLearner(Learner):
    """PPO on corrections. Settings of its own: `history`, `net_arch`, `log_std_init`, `aux_...`."""

    policy = CorrectionPolicy

    def policy_arguments(self) -> dict[str, Any]:
        """Shape of the network, and how far exploration goes at first."""
        chosen = self.chosen
        return {
            "history": chosen["history"],
            "hidden": chosen["net_arch"],
            "log_std_init": chosen["log_std_init"],
        }

    def environment(self, env_id: str, arguments: Mapping[str, Any]) -> VectorEnv[Any, Any, Any]:
        """Environments in which an operator proposes, and whose observation holds the truth."""
        words: Any = {"autoreset_mode": "SameStep", "reveal": True, **arguments}
        env = gym.make_vec(env_id, self.chosen["num_envs"], **words)
        given: Mapping[str, Any] = {**(gym.spec(env_id).kwargs), **arguments}
        proposals = proposals_for(env_id, given)
        self._tutor = tutor_for(proposals)
        return ResidualActionWrapper(env, proposals, self._tutor, self.chosen["history"])

    def lessons(
        self, net: Network
    ) -> tuple[Sequence[BaseCallback], Mapping[str, torch.optim.Optimizer]]:
        """The teacher, between the policy's first updates; after `environment`."""
        assert isinstance(net, ResidualPolicyNet)
        names = ("learning_rate", "batch_size", "epochs", "until_step")
        rate, batch, epochs, until = (self.chosen[f"aux_{name}"] for name in names)
        teacher = Lessons(net, self._tutor, rate, batch, epochs, until)
        return (teacher,), {"teacher": teacher.optimizer}
