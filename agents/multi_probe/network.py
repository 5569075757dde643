"""Policy of MultiProbeJoint-v0: one network for all probes, which choose in turn.

Probes choose one after the other within a round, each clear of those before it, so that a team is
one agent with as many decisions a round as it has probes (an autoregressive policy; parameters are
shared: Gupta, Egorov and Kochenderfer, AAMAS 2017 workshops, LNCS 10642, 66). The network is that
of Ptycho-v0, and its training starts from the weights that Ptycho-v0 ships.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from torch import Tensor

from microgym.agents.core.network import MemoryWrapper, PolicyAdapter
from microgym.agents.core.registry import shipped_policy
from microgym.agents.core.trained_agent import load_policy
from microgym.agents.multi_probe.references import clear_cells, observation_shapes
from microgym.agents.ptycho.network import ENV_ID, ExposureGridAdapter, ScanPolicyNet
from microgym.envs.multi_probe.config import MultiProbeConfig
from microgym.envs.ptycho import observation as ptycho
from microgym.envs.ptycho.config import GRID, GRID_DWELLS_S

MASK = "mask"
"""Part of the observation that is 1 where a cell of the grid is clear of the probes before."""
_MASKED = -1e9
_GRID = ExposureGridAdapter()


def in_turn(
    observation: Mapping[str, Any], earlier: NDArray[Any], clearance_px: float
) -> dict[str, Any]:
    """Observation of the probe whose turn it is.

    Args:
        observation: of all probes; "maps" and "numbers", arrays or tensors (N, probes, ...).
        earlier: (N, k, 2), places in [-1, 1] that the probes before have chosen.
        clearance_px: px.

    Returns:
        The maps that all share and the numbers of the probe, as in Ptycho-v0, and `MASK`.
    """
    mask = clear_cells(earlier, clearance_px, GRID).all(axis=1)
    return {
        "maps": observation["maps"][:, 0, : len(ptycho.MAPS)],
        "numbers": observation["numbers"][:, earlier.shape[1], : len(ptycho.NUMBERS)],
        MASK: mask.reshape(-1, GRID * GRID).astype(np.float32),
    }


class TurnWrapper(MemoryWrapper):
    """Vector environment in which the probes of a team choose one after the other.

    A step is the choice of one probe; the round is carried out with that of the last one.

    Args:
        env: `MultiProbeJoint-v0` with shared maps, in autoreset mode SAME_STEP.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(env)
        native: Any = env.unwrapped
        self._config: MultiProbeConfig = native.config
        n, joint = self.num_envs, native.single_observation_space
        self._memory: dict[str, NDArray[Any]] = {
            "maps": np.zeros((n, *joint["maps"].shape), np.float32),
            "numbers": np.zeros((n, *joint["numbers"].shape), np.float32),
            "actions": np.zeros((n, self._config.probes, 3), np.float32),
            "turn": np.zeros(1, np.int64),
        }
        # Of one probe: the maps and numbers that Ptycho-v0 observes, at their scale.
        kept = {"maps": len(ptycho.MAPS), "numbers": len(ptycho.NUMBERS)}
        seen: dict[str, spaces.Space[Any]] = {MASK: spaces.Box(0.0, 1.0, (GRID * GRID,))}
        for name, count in kept.items():
            bounds = joint[name].low[0, :count], joint[name].high[0, :count]
            seen[name] = spaces.Box(*bounds, dtype=np.float32)
        self.single_observation_space = spaces.Dict(seen)
        self.observation_space = batch_space(self.single_observation_space, n)
        self.single_action_space = spaces.Discrete(GRID * GRID * len(GRID_DWELLS_S))
        self.action_space = batch_space(self.single_action_space, n)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes; the first probe is to choose."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._begin_round(observation), info

    def step(
        self, actions: Any
    ) -> tuple[Any, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Enter the choice of the probe whose turn it is; the last one carries out the round."""
        memory = self._memory
        memory["actions"][:, memory["turn"][0]] = _GRID.adapt_action(np.asarray(actions))
        memory["turn"] += 1
        if memory["turn"][0] < self._config.probes:
            none = np.zeros(self.num_envs, np.bool_)
            return self._seen(), np.zeros(self.num_envs), none, none.copy(), {}
        found = self.env.step(memory["actions"].copy())
        observation, reward, terminated, truncated, info = found
        for row in np.flatnonzero(terminated | truncated):
            last = {name: part[None] for name, part in info["final_obs"][row].items()}
            first = in_turn(last, np.empty((1, 0, 2)), self._config.clearance_px)
            info["final_obs"][row] = {name: part[0] for name, part in first.items()}
        return self._begin_round(observation), reward, terminated, truncated, info

    def _begin_round(self, observation: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        for name, part in observation.items():
            self._memory[name][...] = part
        self._memory["turn"][0] = 0
        return self._seen()

    def _seen(self) -> dict[str, NDArray[Any]]:
        """Observation of the probe whose turn it is, fresh."""
        earlier = self._memory["actions"][:, : self._memory["turn"][0], :2]
        seen = in_turn(self._memory, earlier, self._config.clearance_px)
        return {name: part.copy() for name, part in seen.items()}

    def memory(self) -> dict[str, NDArray[Any]]:
        """Parts of the observation, and choices made so far in the round."""
        return self._memory


class TeamScanPolicyNet(ScanPolicyNet):
    """Network of Ptycho-v0, shared by probes that choose in turn, each clear of those before it.

    Called as `ScanPolicyNet`, with `MASK` (B, g * g) in the observation.
    """

    kind = "team_scan"
    privileged_features = 0

    @classmethod
    def from_spaces(
        cls, observation_space: spaces.Dict, action_space: spaces.Space[Any], **settings: Any
    ) -> Self:
        """A network to train: the policy of Ptycho-v0, if it is as wide."""
        net = super().from_spaces(observation_space, action_space, **settings)
        single = load_policy(shipped_policy(ENV_ID), ENV_ID)
        if net.width == single.width:
            net.load_state_dict(single.state_dict())
        return net

    @classmethod
    def training_env(cls, env: VectorEnv[Any, Any, Any]) -> VectorEnv[Any, Any, Any]:
        """Probes choose in turn."""
        return TurnWrapper(env)

    def forward(self, observation: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Score every possible next exposure of one probe; see `ScanPolicyNet.forward`."""
        logits, value, belief = super().forward(observation)
        taken = 1.0 - observation[MASK]
        return logits + _MASKED * taken.repeat(1, len(GRID_DWELLS_S)), value, belief

    def critic_features(self, observation: Mapping[str, Tensor]) -> Tensor:
        """The critic sees no more than the actor, (B, 0)."""
        return observation["numbers"][:, :0]

    def adapter(self, env_id: str) -> PolicyAdapter:
        """Choices of all probes as actions."""
        return ExposureGridAdapter(observation_shapes(MultiProbeConfig().probes))

    def decide(self, observation: Mapping[str, Tensor]) -> Tensor:
        """The most probable choice of each probe in its turn, (B, probes) int64."""
        count, probes = observation["numbers"].shape[:2]
        clearance_px, places = MultiProbeConfig().clearance_px, np.empty((count, 0, 2))
        chosen: list[Tensor] = []
        for _ in range(probes):
            seen = in_turn(observation, places, clearance_px)
            seen[MASK] = torch.from_numpy(seen[MASK])
            chosen.append(self(seen)[0].argmax(dim=1))
            place = _GRID.adapt_action(chosen[-1].numpy())[:, None, :2]
            places = np.concatenate([places, place], axis=1)
        return torch.stack(chosen, dim=1)
