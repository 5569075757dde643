"""Benchmarks of `microgym bench`: functions marked with `timing.benchmark` in these modules."""

import importlib
import pkgutil

from microgym.baselines.benchmarks.timing import BENCHMARKS, BenchmarkFunction

LONG = frozenset({"memory", "start"})
"""Benchmarks that take minutes, and are run only where they are named."""


def find_benchmarks() -> dict[str, BenchmarkFunction]:
    """All benchmarks by name, in the order of the modules, after importing every module."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        importlib.import_module(module.name)
    return dict(BENCHMARKS)
