"""`microgym warmup`: kernels compiled ahead of their first use."""

import argparse
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from microgym.baselines.cli import options
from microgym.baselines.cli.console import progress_bar
from microgym.envs.core import registry as environments

SUMMARY = "compile the kernels of environments ahead, for their defaults and every option"
EXAMPLE = "microgym warmup Ptycho-v0"

_STEPS = 3
# Options of the bookkeeping around a task, which no kernel depends on.
_WITHOUT_KERNELS = {"split", "reward_mode", "difficulty"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "ids",
        nargs="*",
        metavar="ENV",
        help="environments, such as Ptycho-v0 (default: all of microgym list)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Make, reset, step and render each environment with each of its options."""
    from microgym import jit

    chosen = [environments.find(env_id) for env_id in arguments.ids] or environments.entries()
    work = [(entry.id, kwargs) for entry in chosen for kwargs in variants(entry)]
    jit.silence()
    with progress_bar(len(work), "compiling", "set-up") as advance:
        for env_id, kwargs in work:
            warm_up(env_id, kwargs)
            advance(1)
    print(f"kernels of {', '.join(entry.id for entry in chosen)} are compiled")
    return options.OK


def variants(entry: environments.Entry) -> Iterator[dict[str, Any]]:
    """Sets of arguments that together use every kernel of an environment.

    These are the defaults; one set for each other value of each option; and every switch at its
    hardest.
    """
    from microgym.envs.core.config import options as declared

    configuration: Any = entry.load().task_class.Config
    found = declared(configuration)
    defaults = configuration()
    yield {}
    for name, option in found.items():
        if not option.levels and name not in _WITHOUT_KERNELS:
            yield from ({name: one} for one in option.choices if one != getattr(defaults, name))
    hardest = {name: option.choices[-1] for name, option in found.items() if option.levels}
    if hardest:
        yield {**hardest, "reveal": True}


def warm_up(env_id: str, kwargs: Mapping[str, Any]) -> None:
    """Compile the kernels of an environment; do nothing where its arguments do not go together."""
    import gymnasium as gym

    try:
        env = gym.make(env_id, render_mode="rgb_array", **kwargs)
    except ValueError:
        return
    with closing(gym.wrappers.Autoreset(env)) as env:
        env.action_space.seed(0)
        env.reset(seed=0)
        for _ in range(_STEPS):
            env.step(env.action_space.sample())
        env.render()
