"""The same bytes on every instruction set, for every batch and any number of threads.

Each instruction set gets a process of its own, in which Numba generates code for that processor,
and NumPy, OpenBLAS and the C library are kept from using anything newer. All run on one machine, so
this shows that the code does not depend on its target, not that processors have no faults.

    python -m tests.conformance.test_instruction_sets     # print today's digests as JSON
"""

import functools
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import llvmlite.binding as llvm
import numpy as np
import pytest

from microgym.envs.core.channels import stacked
from microgym.envs.core.testing import ActionSource
from tests.conformance.cases import ALL_ENTRIES, Case, of

ROOT = Path(__file__).parents[2]
BATCHES = (1, 8, 64)
THREADS = (1, 2)
STEPS = 4

# What turns on more physics than an environment's registered variants do.
MORE: dict[str, tuple[Mapping[str, Any], ...]] = {
    "Ptycho-v0": (
        {"drift": "real", "damage": "real", "detector": "real", "coherence": "easy"},
        {"specimen": "lines", "exposures": 3},
        {"specimen": "grf", "exposures": 3},
        {"specimen": "large_features", "split": "test", "exposures": 3},
    ),
    "AFM-v0": ({"reconstructor": "classical", "imaging": "contact"},),
    "PFM-v0": (
        {"specimen": "random_field", "drift": "real", "tip": "real", "pulses": 6},
        {"specimen": "twins", "pattern": "frames", "split": "test", "pulses": 6},
    ),
    "PFMLoop-v0": ({"specimen": "random_bond", "pulses": 6},),
}

pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="names x86 processors"
)

# Processor for Numba and OpenBLAS, what it lacks, and NumPy's dispatch level that it reaches.
TARGETS = {
    "generic": ("Prescott", ("AVX", "AVX2", "FMA", "AVX512F"), ()),
    "sandybridge": ("Sandybridge", ("AVX2", "FMA", "AVX512F"), ()),
    "haswell": ("Haswell", ("AVX512F",), ("X86_V3", "AVX2", "FMA3")),
}
NEEDED = {"generic": "sse2", "sandybridge": "avx", "haswell": "avx2"}


def cases() -> list[Case]:
    """Every environment as registered, its variants, and more physics."""
    found: list[Case] = []
    for entry in ALL_ENTRIES:
        found += of(entry)
        found += [Case(entry, kwargs) for kwargs in MORE.get(entry.id, ())]
    return found


def digests(case: Case, num_envs: int, threads: int) -> list[str]:
    """What each row of a batch saw, was paid, and is in at the end."""
    envs: Any = gym.make_vec(case.id, num_envs, threads=threads, **case.arguments)
    rows = [hashlib.sha256() for _ in range(num_envs)]

    def enter(name: str, array: Any) -> None:
        array = np.asarray(array)
        for row, digest in enumerate(rows):
            digest.update(f"{name}{array.dtype.str}{array.shape[1:]}".encode())
            digest.update(np.ascontiguousarray(array[row]).tobytes())

    def see(observation: Any) -> None:
        named = observation if isinstance(observation, dict) else {"": observation}
        for name in sorted(named):
            enter(name, named[name])

    sources = [ActionSource(envs.single_action_space, row) for row in range(num_envs)]
    see(envs.reset(seed=7)[0])
    for _ in range(STEPS):
        observation, reward, terminated, truncated, _ = envs.step(
            stacked([source.one() for source in sources])
        )
        see(observation)
        for name, array in (("r", reward), ("end", terminated), ("cut", truncated)):
            enter(name, array)
    for name, array in sorted(envs.unwrapped.snapshot().items()):
        enter(name, array)
    envs.close()
    return [digest.hexdigest()[:16] for digest in rows]


def all_digests() -> dict[str, dict[str, list[str]]]:
    """By case, and by batch and threads."""
    return {
        str(case): {f"{n},{t}": digests(case, n, t) for n in BATCHES for t in THREADS}
        for case in cases()
    }


@functools.cache
def run(target: str) -> dict[str, dict[str, list[str]]]:
    """`all_digests` of a process on an instruction set; "host" is the machine as it is."""
    variables: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as cache:
        if target != "host":
            core, lacking, kept = TARGETS[target]
            umath: Any = np._core._multiarray_umath  # pyright: ignore
            off = [
                name
                for name in umath.__cpu_dispatch__
                if umath.__cpu_features__.get(name) and name not in kept
            ]
            hidden = ",".join(f"-{name},-{name}_Usable" for name in lacking)
            variables = {
                "NUMBA_CPU_NAME": target,
                "NUMBA_CPU_FEATURES": "",
                "NUMBA_CACHE_DIR": cache,
                "NPY_DISABLE_CPU_FEATURES": " ".join(off),
                "OPENBLAS_CORETYPE": core,
                "GLIBC_TUNABLES": f"glibc.cpu.hwcaps={hidden}",
            }
        done = subprocess.run(
            [sys.executable, "-m", "tests.conformance.test_instruction_sets"],
            check=True,
            cwd=ROOT,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            text=True,
        )
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "target",
    ["generic", "sandybridge", pytest.param("haswell", marks=pytest.mark.slow)],
)
def test_instruction_sets_agree(target):
    if not llvm.get_host_cpu_features().get(NEEDED[target]):
        pytest.skip(f"this processor has no {NEEDED[target]}")
    there, here = run(target), run("host")
    different = [
        f"{case} N,threads={key}"
        for case, found in here.items()
        for key, rows in found.items()
        if there[case][key] != rows
    ]
    assert there.keys() == here.keys()
    assert not different


def test_rows_do_not_depend_on_the_batch_or_on_threads():
    for case, found in run("host").items():
        whole = found["64,1"]
        assert len(set(whole)) == 64, f"{case}: rows that should differ are equal"
        for key, rows in found.items():
            assert rows == whole[: len(rows)], f"{case} N,threads={key}"


if __name__ == "__main__":
    print(json.dumps(all_digests()))
