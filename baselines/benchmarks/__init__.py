"""What `microgym bench` measures: one function a benchmark, in one table."""

from collections.abc import Callable, Iterator, Mapping

from microgym.baselines.benchmarks import (
    environments,
    ferroelectric,
    force,
    kernels,
    networks,
    processes,
    tunnelling,
)
from microgym.baselines.benchmarks.timing import Effort, Result

BENCHMARKS: Mapping[str, Callable[[Effort], Iterator[Result]]] = {
    "fft": kernels.fft,
    "poisson": kernels.poisson,
    "step": kernels.step,
    "pulse": ferroelectric.pulse,
    "force": force.lines,
    "drag": tunnelling.drag,
    "wrapping": environments.wrapping,
    "neural": networks.neural,
    "restoration": networks.restoration,
    "adatoms": networks.adatoms,
    "observation": environments.observation,
    "vector": environments.vector,
    "memory": processes.memory,
    "start": processes.start,
}
"""Every benchmark by the name that `microgym bench` takes."""

LONG = frozenset({"memory", "start"})
"""Benchmarks that take minutes, and are run only where they are named."""
