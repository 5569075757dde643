"""Location of the files beside an environment's agents: configuration and weights."""

from importlib import resources
from pathlib import Path

from microgym.envs.core.registry import find


def agent_folder(env_id: str) -> Path:
    """Folder of an environment's agents, named after the module of the environment.

    Args:
        env_id: such as "Ptycho-v0", whose module is `microgym.envs.ptycho`.

    Returns:
        The folder, here `agents/ptycho`; it holds `<env_id>.toml` and `weights/`, and need not
        exist.

    Raises:
        ValueError: unknown environment.
    """
    return Path(str(resources.files("microgym.agents"))) / find(env_id).folder
