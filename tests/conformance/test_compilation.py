"""Goldens by the public way of compiling, by a Numba version of the future, and without heap."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import golden
from tests.conformance.cases import ALL_ENTRIES

ROOT = Path(__file__).parents[2]
EXACT = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="goldens are exact on x86-64 alone"
)
BY_ID = pytest.mark.parametrize("entry", ALL_ENTRIES, ids=lambda entry: entry.id)

FUTURE = """
import runpy, sys
import numba
numba.__version__ = "99.0.0"
sys.argv[1:] = ["PFMLoop-v0"]
runpy.run_module("tests.conformance.golden", run_name="__main__")
"""

ALLOCATIONS = """
import gc, json, re, sys
from numba.core.dispatcher import Dispatcher
from tests.conformance import golden
from tests.conformance.cases import ALL_ENTRIES

for entry in ALL_ENTRIES:
    if entry.id == sys.argv[1]:
        golden.trajectories(entry)
kernels = [
    d for d in gc.get_objects() if isinstance(d, Dispatcher) and d.__module__.startswith("microgym")
]
calls = {
    d.py_func.__qualname__: re.findall(r"call [^\\n]*@(NRT_\\w*[aA]lloc\\w*)", text)
    for d in kernels
    for text in d.inspect_llvm().values()
}
print(json.dumps(calls))
"""


def python(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(
        [sys.executable, *command],
        check=True,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )


def frozen(entry: Any) -> Any:
    return json.loads(golden.path(entry).read_text(encoding="utf-8"))


@EXACT
def test_a_future_numba_warns_once_and_makes_the_same():
    done = python("-c", FUTURE, MICROGYM_JIT="")
    assert json.loads(done.stdout) == json.loads(
        (golden.FOLDER / "PFMLoop-v0.json").read_text(encoding="utf-8")
    )
    assert done.stderr.count("RuntimeWarning") == 1
    assert "kernels have not been linked on Numba 99.0.0 yet" in done.stderr


@EXACT
@pytest.mark.slow
@BY_ID
def test_the_public_way_makes_the_same(entry):
    done = python("-m", "tests.conformance.golden", entry.id, MICROGYM_JIT="public")
    assert json.loads(done.stdout) == frozen(entry)


@pytest.mark.slow
@BY_ID
def test_compiled_kernels_call_no_allocator(entry, tmp_path):
    # Code from a cache holds no assembly to look at.
    done = python("-c", ALLOCATIONS, entry.id, NUMBA_CACHE_DIR=str(tmp_path))
    calls = json.loads(done.stdout)
    assert calls or entry.id == "MicrogymToy-v0"
    assert {name: found for name, found in calls.items() if found} == {}
