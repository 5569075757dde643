"""Complete state of PPO and its environments, as named arrays and JSON-able numbers.

The state is taken between an update and the next rollout, when the content of the rollout buffer is
no longer needed. Stable-Baselines3 samples actions and shuffles minibatches with the global
generators of PyTorch and NumPy; they are part of the state, and so is Python's.

Private attributes of Stable-Baselines3 are used, hence the upper bound in pyproject.toml.
"""

import random
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector.utils import create_empty_array
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecMonitor
from torch import Tensor

from microgym.agents.training.checkpoint import Arrays
from microgym.agents.training.sb3_vec_env import SB3VecEnv

_COUNTERS = ("num_timesteps", "_n_updates", "_episode_num", "_current_progress_remaining")


def capture(
    model: PPO, optimizers: Mapping[str, torch.optim.Optimizer]
) -> tuple[dict[str, Any], Arrays]:
    """State of a learner and of its environments.

    Args:
        model: on the CPU, over a `VecMonitor` of an `SB3VecEnv` of a native vector environment.
        optimizers: all optimizers of its policy, by name.

    Returns:
        JSON-able facts, and arrays, which may share memory with the model.
    """
    monitor, env = _environments(model)
    kind, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    version, words, gauss = random.getstate()
    private: Any = model
    facts = {
        "counters": {name: getattr(model, name) for name in _COUNTERS},
        "episodes": [[float(e["r"]), int(e["l"]), e["t"]] for e in model.ep_info_buffer or ()],
        "episode_count": monitor.episode_count,
        "random/numpy": [kind, *rest],
        "random/python": [version, gauss],
    }
    arrays: Arrays = {
        "random/torch": torch.get_rng_state().numpy(),
        "random/numpy": np.asarray(keys),
        "random/python": np.asarray(words, np.uint64),
        "monitor/returns": monitor.episode_returns,
        "monitor/lengths": monitor.episode_lengths,
        "starts": private._last_episode_starts,
    }
    arrays |= {f"observation/{name}": array for name, array in private._last_obs.items()}
    arrays |= {f"env/{name}": array for name, array in env.snapshot().items()}
    weights = model.policy.state_dict()
    arrays |= {f"policy/{name}": tensor.detach().numpy() for name, tensor in weights.items()}
    for which, optimizer in optimizers.items():
        for index, slots in optimizer.state_dict()["state"].items():
            for name, tensor in slots.items():
                arrays[f"{which}/{index}/{name}"] = tensor.detach().numpy()
    return facts, arrays


def reinstate(
    model: PPO,
    optimizers: Mapping[str, torch.optim.Optimizer],
    facts: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
) -> None:
    """Restore a state that `capture` gave, in a new model with the same settings.

    `model.learn(..., reset_num_timesteps=False)` then goes on to the bit.

    Raises:
        ValueError: the state does not fit the model or its environment.
    """
    monitor, env = _environments(model)
    private: Any = model
    try:
        env.restore(_part(arrays, "env"))
        model.policy.load_state_dict(_tensors(_part(arrays, "policy")))
        for name, optimizer in optimizers.items():
            _load_optimizer(optimizer, _part(arrays, name))
        for name in _COUNTERS:
            setattr(model, name, facts["counters"][name])
        space, stored = model.observation_space, _part(arrays, "observation")
        assert isinstance(space, spaces.Dict)
        wanted: Any = create_empty_array(space, model.n_envs)
        private._last_obs = {
            name: _checked(stored[name], array, name) for name, array in wanted.items()
        }
        starts = _checked(arrays["starts"], np.zeros(model.n_envs, np.bool_), "starts")
        private._last_episode_starts = starts
        window = private._stats_window_size
        episodes = [{"r": np.float32(r), "l": n, "t": t} for r, n, t in facts["episodes"]]
        model.ep_info_buffer = deque(episodes, maxlen=window)
        model.ep_success_buffer = deque(maxlen=window)
        for name in ("returns", "lengths"):
            mine: Any = getattr(monitor, f"episode_{name}")
            setattr(monitor, f"episode_{name}", _checked(arrays[f"monitor/{name}"], mine, name))
        monitor.episode_count = facts["episode_count"]
        version, gauss = facts["random/python"]
        random.setstate((version, tuple(arrays["random/python"].tolist()), gauss))
        kind, *rest = facts["random/numpy"]
        np.random.set_state((kind, arrays["random/numpy"], *rest))  # noqa: NPY002
        torch.set_rng_state(torch.from_numpy(arrays["random/torch"].copy()))
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"the checkpoint does not fit this version of the agent or environment: {error}"
        ) from error


def _environments(model: PPO) -> tuple[VecMonitor, Any]:
    """Monitor of the returns, and the environment that has a `snapshot`.

    A wrapper with a state of its own has a `snapshot` that includes the native environment's.
    """
    monitor = model.env
    assert isinstance(monitor, VecMonitor)
    adapter = monitor.venv
    assert isinstance(adapter, SB3VecEnv)
    own = hasattr(type(adapter.env), "snapshot")
    return monitor, adapter.env if own else adapter.env.unwrapped


def _load_optimizer(optimizer: torch.optim.Optimizer, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Set the moments of an optimizer; its learning rates come from the settings."""
    groups = optimizer.state_dict()["param_groups"]
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _tensors(arrays).items():
        index, slot = name.split("/")
        wanted = weights[int(index)].shape if int(index) < len(weights) else None
        if tensor.ndim and tensor.shape != wanted:
            raise ValueError(f"{slot} of weight {index} has shape {list(tensor.shape)}")
        state.setdefault(int(index), {})[slot] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _checked(array: NDArray[Any], wanted: NDArray[Any], name: str) -> NDArray[Any]:
    """Copy of an array that has the wanted shape and dtype."""
    if (array.shape, array.dtype) != (wanted.shape, wanted.dtype):
        kinds = [f"{one.dtype}{list(one.shape)}" for one in (wanted, array)]
        raise ValueError(f"{name} must be {kinds[0]}, got {kinds[1]}")
    return array.copy()


def _part(arrays: Mapping[str, NDArray[Any]], name: str) -> Arrays:
    prefix = f"{name}/"
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}


def _tensors(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
