"""Files beside an environment's agents: its configuration, one TOML file, and weights."""

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from microgym.envs.core.registry import find


def agent_folder(env_id: str) -> Path:
    """Folder of an environment's agents, such as `agents/ptycho`; it need not exist.

    It has the name of the environment's own folder, and holds `<env_id>.toml` and `weights/`.

    Raises:
        ValueError: unknown environment.
    """
    return Path(str(resources.files("microgym.agents"))) / find(env_id).folder


def find_tables(env_id: str) -> dict[str, dict[str, Any]]:
    """All tables of an environment's configuration file by name; empty if there is none.

    Besides those of `load_config` these are "plain" (stock algorithms) and "audit" (what need not
    hold) of `microgym audit`, "search" (`search_space`), "evaluation" and "expert_search"
    (`microgym.baselines.cli`).

    Raises:
        ValueError: no such environment.
    """
    file = agent_folder(env_id) / f"{env_id}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def read_tables(env_id: str) -> dict[str, dict[str, Any]]:
    """All tables of the configuration of an environment with an agent that learns.

    Raises:
        ValueError: no training configuration for the environment.
    """
    tables = find_tables(env_id)
    if "training" not in tables:
        raise ValueError(f"there is no training configuration for {env_id!r}")
    return tables


def load_config(env_id: str, changes: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """Training configuration of an environment.

    Args:
        env_id: such as "Ptycho-v0".
        changes: values of the table "training" or "environment" to override, by name.

    Returns:
        Tables "environment" and "training" of `agents/<env>/<env_id>.toml`.

    Raises:
        ValueError: no configuration for the environment, an unknown name, a value of another type.
    """
    tables = read_tables(env_id)
    config = {name: tables[name] for name in ("environment", "training")}
    training, environment = config["training"], config["environment"]
    for name, value in (changes or {}).items():
        table = training if name in training else environment
        if name not in table:
            known = sorted([*training, *environment])
            raise ValueError(f"unknown setting {name!r}; {env_id} has {known}")
        wanted = type(table[name])
        if wanted is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not wanted:
            raise ValueError(f"{name} must be {wanted.__name__}, got {value!r}")
        table[name] = value
    return config
