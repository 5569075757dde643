"""Training of candidate-ranking policies: PPO on an expert's proposals, with privileged targets.

On training films all that an operator proposes is tried on copies of the film, in some of the
environments; the network is taught to foresee how many cells each pulse writes in the pattern and
beside it (a teacher who knows: Pinto et al., arXiv 1710.06542). What a pulse is worth follows from
that, and PPO improves on it: which to prefer, and when to look. The policy that comes out sees
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
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from microgym.agents.core.grid_policy import Split
from microgym.agents.core.learner import Learner
from microgym.agents.core.network import Network
from microgym.agents.core.policy_wrapper import PolicyWrapper
from microgym.agents.pfm.candidates import COUNT, MAPS, NUMBERS_SEEN, PLACES, SEEN, PulseProposals
from microgym.agents.pfm.domain_model import CELLS, coordinates
from microgym.agents.pfm.network import CELLS_OUT, CandidatePolicyNet
from microgym.agents.pfm.oracle import PulseLookahead, written
from microgym.envs.pfm.config import PFMConfig
from microgym.envs.pfm.observation import NUMBERS

TRIED, TRUTH = "tried", "truth"
"""Keys of the truth in the observation: cells of the film that each proposal would write in the
pattern and beside it, and 1 where that was tried; what of the pattern is written now, and how much
beside it, over its size."""


class CandidateActionWrapper(PolicyWrapper):
    """Lets operators propose; actions are choices, observations what there is to choose by.

    Args:
        env: a vector environment of PFM-v0 in autoreset mode SAME_STEP, made with `reveal=True`.
        arguments: of the environment.
        taught: environments, the first ones, in which all proposals are tried on copies.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], arguments: PFMConfig, taught: int) -> None:
        self.candidates = PulseProposals()
        super().__init__(env, self.candidates)
        self._trials = PulseLookahead(arguments)
        self._taught = taught
        highest = CELLS * CELLS - 1
        self.single_observation_space = spaces.Dict(
            {
                MAPS: spaces.Box(-1.0, 1.0, (len(SEEN), CELLS, CELLS), np.float32),
                NUMBERS_SEEN: spaces.Box(-1.0, 1.0, (len(NUMBERS),), np.float32),
                PLACES: spaces.Box(0, highest, (COUNT,), np.int64),
                TRIED: spaces.Box(-np.inf, np.inf, (COUNT, 3), np.float32),
                TRUTH: spaces.Box(0.0, np.inf, (2,), np.float32),
            }
        )
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)
        self.single_action_space = spaces.Discrete(2 * COUNT)
        self.action_space = batch_space(self.single_action_space, env.num_envs)

    def answered(self, actions: NDArray[Any]) -> NDArray[Any]:
        """The chosen pulses."""
        return self.candidates.answer(actions)

    def seen(self, observation: Any, info: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """What there is to choose by, and the truth."""
        latent = info["latent"]
        up, wanted = latent["p"] > 0.0, latent["target"] > 0
        counts = [np.count_nonzero(up & wanted, axis=(1, 2)), np.count_nonzero(up, axis=(1, 2))]
        size = np.count_nonzero(wanted, axis=(1, 2))
        truth = np.stack([counts[0], counts[1] - counts[0]], axis=1) / size[:, None]
        seen = self.candidates.see(observation)
        tried = np.zeros((self.num_envs, COUNT, 3), np.float32)
        rows = slice(0, self._taught)
        first = {name: array[rows] for name, array in latent.items()}
        places = coordinates(self.candidates.places[rows]) + first["drift_cells"][:, None]
        volts = np.broadcast_to(self.candidates.volts, places.shape[:2])
        hit, spilt = written(self._trials.pulsed(first, places, volts), first["target"])
        tried[rows, :, 0] = hit - counts[0][rows, None]
        tried[rows, :, 1] = spilt - (counts[1] - counts[0])[rows, None]
        tried[rows, :, 2] = 1.0
        return {**seen, TRIED: tried, TRUTH: truth.astype(np.float32)}


class Lessons(BaseCallback):
    """Teaches the network what the proposed pulses would write, between the policy's updates.

    Films look alike from all sides, so each part of a lesson is turned and mirrored at random.

    Args:
        net: the network.
        rate: learning rate; falls linearly to a tenth.
        batch: observations a gradient step.
        epochs: times that each rollout is gone through.

    Attributes:
        optimizer: of the network's weights.
    """

    def __init__(self, net: CandidatePolicyNet, rate: float, batch: int, epochs: int) -> None:
        super().__init__()
        self._net, self._rate, self._batch, self._epochs = net, rate, batch, epochs
        self.optimizer = torch.optim.Adam(net.judging(), lr=rate)
        self._lesson: dict[str, Tensor] | None = None

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer: Any = self.locals["rollout_buffer"]
        taught = buffer.observations[TRIED][..., 0, 2] > 0.0
        self._lesson = {
            name: torch.from_numpy(buffer.observations[name][taught])
            for name in (MAPS, PLACES, TRIED)
        }

    def _on_rollout_start(self) -> None:
        lesson, self._lesson = self._lesson, None
        if lesson is None:
            return
        done = min(self.num_timesteps / self.locals["total_timesteps"], 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate * (1.0 - 0.9 * done)
        loss = torch.zeros(())
        for _ in range(self._epochs):
            for rows in torch.randperm(len(lesson[TRIED])).split(self._batch):
                turns, mirrored = int(torch.randint(4, ())), bool(torch.randint(2, ()))
                maps, places = lesson[MAPS][rows], lesson[PLACES][rows]
                found = self._net.foresee(maps, places, turns, mirrored)
                missed = (found - lesson[TRIED][rows][..., :2]) / CELLS_OUT
                loss = missed.square().mean()
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
        self.logger.record("train/lesson_loss", loss.item())


class _Judgement(BaseFeaturesExtractor):
    """Logits and value features side by side; the critic, and only the critic, gets the truth."""

    def __init__(self, observation_space: spaces.Dict, width: int) -> None:
        net = CandidatePolicyNet(width)
        super().__init__(observation_space, 2 * COUNT + net.value_features + 2)
        self.net = net

    def forward(self, observations: Mapping[str, Tensor]) -> Tensor:
        return torch.cat([*self.net(observations), observations[TRUTH]], dim=1)


class PulsePolicy(ActorCriticPolicy):
    """Actor and critic over one network.

    Args:
        observation_space: that of `CandidateActionWrapper`.
        action_space: discrete.
        lr_schedule: learning rate as a function of the remaining progress.
        width: units of the network's inner layers.
        **kwargs: of `ActorCriticPolicy`.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Discrete,
        lr_schedule: Any,
        *,
        width: int = 64,
        **kwargs: Any,
    ) -> None:
        kwargs |= {
            "features_extractor_class": _Judgement,
            "features_extractor_kwargs": {"width": width},
            "net_arch": [],
            "ortho_init": False,
        }
        super().__init__(observation_space, action_space, lr_schedule, **kwargs)

    def network(self) -> CandidatePolicyNet:
        """The network that actor and critic share."""
        judgement = self.features_extractor
        assert isinstance(judgement, _Judgement)
        return judgement.net

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor = Split(2 * COUNT, self.features_dim)

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        self.action_net = nn.Identity()
        optimizer: Any = self.optimizer_class
        self.optimizer = optimizer(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)


class PulseLearner(Learner):
    """PPO on proposals. Settings of its own: `width`, `num_privileged_envs`, `aux_...`."""

    policy = PulsePolicy

    def policy_arguments(self) -> dict[str, Any]:
        """Width of the network."""
        return {"width": self.chosen["width"]}

    def environment(self, env_id: str, arguments: Mapping[str, Any]) -> VectorEnv[Any, Any, Any]:
        """Environments in which operators propose, and whose observation holds the truth."""
        words: Any = {"autoreset_mode": "SameStep", "reveal": True, **arguments}
        env = gym.make_vec(env_id, self.chosen["num_envs"], **words)
        given = {**(gym.spec(env_id).kwargs), **arguments}
        return CandidateActionWrapper(
            env, PFMConfig.parse(given, "PFMEnv"), self.chosen["num_privileged_envs"]
        )

    def lessons(
        self, net: Network
    ) -> tuple[Sequence[BaseCallback], Mapping[str, torch.optim.Optimizer]]:
        """The teacher, between the policy's updates."""
        assert isinstance(net, CandidatePolicyNet)
        names = ("learning_rate", "batch_size", "epochs")
        rate, batch, epochs = (self.chosen[f"aux_{name}"] for name in names)
        teacher = Lessons(net, rate, batch, epochs)
        return (teacher,), {"teacher": teacher.optimizer}
