"""Error message for a package that an extra of microgym installs and that is missing."""

from collections.abc import Generator
from contextlib import contextmanager

EXTRAS = {
    "torch": "agents",
    "stable_baselines3": "agents",
    "sb3_contrib": "agents",
    "optuna": "search",
    "tensorboard": "tensorboard",
    "wandb": "wandb",
    "jinja2": "report",
    "matplotlib": "report",
}
"""Extra of pyproject.toml that installs a module, by the module's name."""


@contextmanager
def extra_named() -> Generator[None]:
    """Context in which the error on a missing optional module names the extra to install.

    Raises:
        ImportError: a module in `EXTRAS` is missing; the message holds the command for pip.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in EXTRAS:
            raise
        raise ImportError(
            f"{module} is not installed: pip install 'microgym[{EXTRAS[module]}]'"
        ) from error
