"""Benchmarks of processes: memory over many steps, time until the first step."""

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from microgym.baselines.benchmarks.timing import Effort, Measurement, Result, Threshold, benchmark

STEPS = 20_000
"""Default number of steps of the memory benchmark."""
SAMPLES = 200
"""Number of readings of the memory."""
WARM_UP = 0.2
"""Initial share of the steps, in which caches and pools fill (design choice)."""
TINY: dict[str, Any] = {"exposures": 16, "final_sweeps": 1, "time_budget_s": 1e9}
"""Arguments of short episodes."""
REPEATS = 3
"""Number of timings of a short start."""

_STATM = "/proc/self/statm"

_CODE = """
import json, sys, time
begun = time.perf_counter(), time.process_time()
import microgym
if sys.argv[1] == "step":
    import gymnasium
    env = gymnasium.make("Ptycho-v0")
    env.reset(seed=0)
    env.step([0.0, 0.0, 0.0])
print(json.dumps([time.perf_counter() - begun[0], time.process_time() - begun[1]]))
"""


@benchmark
def memory(effort: Effort) -> Iterator[Result]:
    """Resident memory over many steps of short episodes."""
    if not Path(_STATM).exists():
        raise OSError(f"the memory benchmark reads {_STATM}, which this system lacks")
    steps = STEPS if effort.steps is None else effort.steps
    env: Any = gym.make("Ptycho-v0", **TINY)
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (64, 3)).astype(np.float32)
    env.reset(seed=0)
    every, page = max(steps // SAMPLES, 1), os.sysconf("SC_PAGE_SIZE")
    # One array and one open file, so that the measurement itself allocates nothing.
    samples, file = np.zeros((steps // every, 3), np.int64), os.open(_STATM, os.O_RDONLY)
    for step in range(1, steps + 1):
        *_, terminated, truncated, _ = env.step(actions[step % len(actions)])
        if terminated or truncated:
            env.reset()
        if step % every == 0:
            gc.collect()
            resident = int(os.pread(file, 256, 0).split()[1]) * page
            samples[step // every - 1] = step, resident, sys.getallocatedblocks()
            effort.progress(1)
    os.close(file)
    yield memory_result(*samples.T)


def memory_result(
    taken: NDArray[np.int64], resident: NDArray[np.int64], blocks: NDArray[np.int64]
) -> Result:
    """Slope of the memory after the warm-up.

    The slope is the median over pairs of samples (Theil and Sen), which a single late page or pool
    does not change.

    Args:
        taken: (samples,) steps so far.
        resident: (samples,) bytes.
        blocks: (samples,) blocks that Python has allocated.
    """
    warm = taken > WARM_UP * taken[-1]
    steps, page = taken[warm], os.sysconf("SC_PAGE_SIZE")
    first, second = np.triu_indices(len(steps), 1)
    slope, block_slope = (
        float(np.median((of[warm][second] - of[warm][first]) / (steps[second] - steps[first])))
        for of in (resident, blocks)
    )
    mean = float(resident[warm][-1] - resident[warm][0]) / float(steps[-1] - steps[0])
    resolved = page / float(steps[-1] - steps[0])
    return Result(
        f"memory over {taken[-1]} steps of Ptycho-v0 in episodes of {TINY['exposures']}",
        "resident set",
        [
            Measurement("start, warmed up", resident[warm][0] / 2**20, "MiB"),
            Measurement("end", resident[-1] / 2**20, "MiB"),
            Measurement("slope, end to end", mean, "bytes a step"),
            Measurement("slope of Python's blocks", block_slope, "blocks a step"),
        ],
        [Threshold("slope of resident memory", slope, "<", 1.0, "bytes a step")],
        [f"one page of {page} bytes is {resolved:.2g} bytes a step"],
    )


@benchmark
def start(effort: Effort) -> Iterator[Result]:
    """Time until microgym is imported, and until the first step, with and without a cache."""
    kinds = (
        ("import microgym", "import", REPEATS, 0.5),
        ("first step, everything to be compiled", "step", 1, 30.0),
        ("first step, compiled before", "step", REPEATS, 2.0),
    )
    rows: list[Measurement] = []
    checks: list[Threshold] = []
    files: list[set[Path]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, what, repeats, limit in kinds:
            times: list[list[float]] = []
            for _ in range(repeats):
                times.append(_fresh_process(what, folder))
                effort.progress(1)
            wall, processor = np.median(np.array(times), axis=0).tolist()
            rows.append(Measurement(f"{name}, wall", wall, "s"))
            checks.append(Threshold(name, processor, "<", limit, "s"))
            files.append({path for path in Path(folder).rglob("*") if path.is_file()})
    _, cold, warm = files
    added = "files that further runs add to the cache"
    yield Result(
        "start of a process: import; import, make, reset and first step of Ptycho-v0",
        "processor time",
        [*rows, Measurement("files in the cache", len(cold), "files")],
        [*checks, Threshold(added, len(warm - cold), "<=", 0, "files")],
    )


def _fresh_process(what: str, cache: str) -> list[float]:
    """Wall and processor time of one process, s, with its own cache of compiled code."""
    done = subprocess.run(
        [sys.executable, "-c", _CODE, what],
        env=os.environ | {"NUMBA_CACHE_DIR": cache},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise OSError(f"a fresh process failed: {done.stderr.strip()}")
    return json.loads(done.stdout)
