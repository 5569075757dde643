"""Declared stock algorithms as a script to copy and paste."""

from collections.abc import Mapping
from typing import Any

_CONTRIB = ("MaskablePPO", "RecurrentPPO", "TQC", "TRPO", "QRDQN", "ARS", "CrossQ")
_WIDTH = 100


def snippet(env_id: str, name: str, table: Mapping[str, Any], steps: int) -> str:
    """Python that trains a declared algorithm on the easy task.

    Args:
        env_id: the environment.
        name: class of the algorithm.
        table: of the configuration.
        steps: to learn from.
    """
    package = "sb3_contrib" if name in _CONTRIB else "stable_baselines3"
    imports = ["import microgym", f"from {package} import {name}"]
    imports.append("from microgym.agents.training.sb3_vec_env import make_sb3")
    policy = table.get("policy", "")
    if ":" in policy:
        module, _, policy = policy.partition(":")
        imports.append(f"from {module} import {policy}")
    else:
        policy = repr(policy or "MlpPolicy").replace("'", '"')
    words = {**table.get("environment", {}), "difficulty": "easy"}
    given = "".join(f", {n}={_written(v)}" for n, v in words.items())
    parts = [policy, "env", *(f"{n}={_written(v)}" for n, v in table.get("settings", {}).items())]
    agent = [f"agent = {name}({', '.join(parts)})"]
    if len(agent[0]) > _WIDTH:
        agent = [f"agent = {name}(", *(f"    {part}," for part in parts), ")"]
    return "\n".join(
        [
            *imports,
            "",
            f'env = make_sb3("{env_id}", {table.get("num_envs", 16)}{given})',
            *agent,
            f"agent.learn({steps:_})",
        ]
    )


def _written(value: Any) -> str:
    return repr(value).replace("'", '"')
