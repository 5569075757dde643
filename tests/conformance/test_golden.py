"""Today's trajectories are the frozen ones, and another process makes the same."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conformance import golden
from tests.conformance.cases import ALL_ENTRIES

ROOT = Path(__file__).parents[2]
EXACT = platform.machine() in ("x86_64", "AMD64")


@pytest.mark.parametrize("entry", ALL_ENTRIES, ids=lambda entry: entry.id)
def test_golden_trajectories(entry):
    frozen = json.loads(golden.path(entry).read_text(encoding="utf-8"))
    today = golden.trajectories(entry)
    assert today.keys() == frozen.keys()
    for name, steps in today.items():
        if EXACT:
            assert steps == frozen[name], f"{name} changed: bump the version, see golden.py"
        rewards, before = ([step["reward"] for step in one] for one in (steps, frozen[name]))
        np.testing.assert_allclose(rewards, before, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("entry", ALL_ENTRIES, ids=lambda entry: entry.id)
def test_another_process_makes_the_same(entry):
    command = [sys.executable, "-m", "tests.conformance.golden", entry.id]
    result = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    assert json.loads(result.stdout) == golden.trajectories(entry)
