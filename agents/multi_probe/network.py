"""Policy of MultiProbeJoint-v0: one network for all probes, which choose in turn.

Probes choose one after the other within a round, each clear of those before it, so that a team is
one agent with as many decisions a round as it has probes (an autoregressive policy; parameters are
shared: Gupta, Egorov and Kochenderfer, AAMAS 2017 workshops, LNCS 10642, 66). The network is that
of Ptycho-v0, whose shipped weights it starts from.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from torch import Tensor

from microgym.agents.core.network import PolicyAdapter
from microgym.agents.core.registry import shipped_policy
from microgym.agents.core.trained_agent import load_policy
from microgym.agents.multi_probe.references import REGION_PX
from microgym.agents.ptycho.network import ExposureGridAdapter, ScanPolicyNet
from microgym.envs.multi_probe import observation as channels
from microgym.envs.multi_probe.config import MultiProbeConfig
from microgym.envs.ptycho import observation as ptycho
from microgym.envs.ptycho.config import GRID, GRID_DWELLS_S

MASK = "mask"
"""Part of the observation that is 1 where a cell of the grid is clear of the probes before."""
_CHOICES = GRID * GRID * len(GRID_DWELLS_S)
_MASKED = -1e9


def clear_cells(choice: NDArray[np.int64], clearance_px: float) -> NDArray[np.float32]:
    """Cells of the action grid that are farther from some choices than the clearance.

    Args:
        choice: (N,) choices of a grid action.
        clearance_px: px.

    Returns:
        (N, GRID * GRID) float32, 1 where a cell is clear.
    """
    cell, at = choice % (GRID * GRID), np.arange(GRID * GRID)
    step = REGION_PX / GRID
    y = (at // GRID - cell[:, None] // GRID) * step
    x = (at % GRID - cell[:, None] % GRID) * step
    # Commands are rounded to whole pixels.
    return (y * y + x * x > (clearance_px + 1.0) ** 2).astype(np.float32)


def shared_parts(observation: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
    """Maps that all probes share, (N, channels, ...), and each probe's numbers of Ptycho-v0."""
    return {
        "maps": np.ascontiguousarray(observation["maps"][:, 0, : len(ptycho.MAPS)]),
        "numbers": np.ascontiguousarray(observation["numbers"][..., : len(ptycho.NUMBERS)]),
    }


class TurnWrapper(VectorWrapper):
    """Vector environment in which the probes of a team choose one after the other.

    A step is the choice of one probe; the round is carried out with that of the last one.

    Args:
        env: `MultiProbeJoint-v0` with shared maps, in autoreset mode SAME_STEP.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(env)
        native: Any = env.unwrapped
        self._probes: int = native.config.probes
        self._clearance_px: float = native.config.clearance_px
        edge = 2 * GRID
        own: dict[str, spaces.Box] = {
            "maps": spaces.Box(-1.0, 1.0, (len(ptycho.MAPS), edge, edge), np.float32),
            "numbers": spaces.Box(-1.0, 1.0, (len(ptycho.NUMBERS),), np.float32),
            MASK: spaces.Box(0.0, 1.0, (GRID * GRID,), np.float32),
        }
        self.single_observation_space = spaces.Dict(dict(own))
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.single_action_space = spaces.Discrete(_CHOICES)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._adapter = ExposureGridAdapter()
        n = self.num_envs
        shapes = {name: (n, *space.shape) for name, space in own.items() if name != "numbers"}
        self._memory: dict[str, NDArray[Any]] = {
            name: np.zeros(shape, np.float32) for name, shape in shapes.items()
        }
        numbers = (n, self._probes, len(ptycho.NUMBERS))
        self._memory |= {
            "numbers": np.zeros(numbers, np.float32),
            "actions": np.zeros((n, self._probes, 3), np.float32),
            "turn": np.zeros(1, np.int64),
        }

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes; the first probe is to choose."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._begin_round(observation)
        return self._seen(), info

    def step(
        self, actions: Any
    ) -> tuple[Any, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Enter the choice of the probe whose turn it is; the last one carries out the round."""
        choice, memory = np.asarray(actions, np.int64), self._memory
        turn = int(memory["turn"][0])
        memory["actions"][:, turn] = self._adapter.adapt_action(choice)
        memory[MASK] *= clear_cells(choice, self._clearance_px)
        if turn + 1 < self._probes:
            memory["turn"][0] = turn + 1
            none = np.zeros(self.num_envs, np.bool_)
            return self._seen(), np.zeros(self.num_envs), none, none.copy(), {}
        found = self.env.step(memory["actions"].copy())
        observation, reward, terminated, truncated, info = found
        if "final_obs" in info:
            for row in np.flatnonzero(terminated | truncated):
                last = {name: part[None] for name, part in info["final_obs"][row].items()}
                parts = {name: part[0] for name, part in shared_parts(last).items()}
                mask = np.ones(GRID * GRID, np.float32)
                info["final_obs"][row] = {**parts, "numbers": parts["numbers"][0], MASK: mask}
        self._begin_round(observation)
        return self._seen(), reward, terminated, truncated, info

    def _begin_round(self, observation: Any) -> None:
        for name, part in shared_parts(observation).items():
            self._memory[name][...] = part
        self._memory[MASK][...] = 1.0
        self._memory["turn"][0] = 0

    def _seen(self) -> dict[str, NDArray[Any]]:
        """Observation of the probe whose turn it is."""
        memory, turn = self._memory, int(self._memory["turn"][0])
        return {
            "maps": memory["maps"].copy(),
            "numbers": memory["numbers"][:, turn].copy(),
            MASK: memory[MASK].copy(),
        }

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """A copy of the whole state, that of the environments included."""
        native: Any = self.env.unwrapped
        mine = {f"turns_{name}": array.copy() for name, array in self._memory.items()}
        return mine | native.snapshot()

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore a state given by `snapshot`."""
        native: Any = self.env.unwrapped
        mine = {f"turns_{name}": array for name, array in self._memory.items()}
        native.restore({name: array for name, array in state.items() if name not in mine})
        for name, array in mine.items():
            array[...] = state[name]


class TeamScanPolicyNet(ScanPolicyNet):
    """Network of Ptycho-v0 that leaves out cells within the clearance of probes before; see there.

    Called as that network, with `MASK` (B, g * g) in the observation.
    """

    kind = "team_scan"
    privileged_features = 0

    @classmethod
    def from_spaces(
        cls, observation_space: spaces.Dict, action_space: spaces.Space[Any], **settings: Any
    ) -> Self:
        """A network that starts from the weights that come with the package for Ptycho-v0."""
        net = super().from_spaces(observation_space, action_space, **settings)
        net.load_state_dict(load_policy(shipped_policy("Ptycho-v0"), "Ptycho-v0").state_dict())
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
        """Shared maps and the numbers of all probes; choices of all probes as actions."""
        del env_id
        return TeamAdapter(MultiProbeConfig())

    def decide(self, observation: Mapping[str, Tensor]) -> Tensor:
        """The most probable choice of each probe in its turn, (B, probes) int64."""
        maps, numbers = observation["maps"], observation["numbers"]
        mask = torch.ones(len(maps), GRID * GRID)
        chosen: list[Tensor] = []
        clearance_px = MultiProbeConfig().clearance_px
        for probe in range(numbers.shape[1]):
            seen = {"maps": maps, "numbers": numbers[:, probe], MASK: mask}
            chosen.append(self(seen)[0].argmax(dim=1))
            mask = mask * torch.from_numpy(clear_cells(chosen[-1].numpy(), clearance_px))
        return torch.stack(chosen, dim=1)


class TeamAdapter(PolicyAdapter):
    """Adapter between the joint environment and a network that all probes share.

    Args:
        config: arguments of the environment.
    """

    def __init__(self, config: MultiProbeConfig) -> None:
        edge = 2 * GRID
        super().__init__(
            {
                "maps": (config.probes, len(channels.MAPS), edge, edge),
                "numbers": (config.probes, len(channels.NUMBERS)),
            }
        )
        self._grid = ExposureGridAdapter()

    def adapt_observation(self, observation: Any) -> dict[str, NDArray[Any]]:
        """Shared maps, and the numbers of Ptycho-v0 of each probe."""
        return shared_parts(observation)

    def adapt_action(self, choice: NDArray[Any]) -> NDArray[np.float32]:
        """Actions (N, probes, 3) for choices (N, probes)."""
        return self._grid.adapt_action(choice.ravel()).reshape(*choice.shape, 3)
