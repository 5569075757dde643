"""`microgym warmup`: what it compiles, and that nothing is left to be compiled afterwards."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from microgym.baselines.cli import main
from microgym.baselines.cli.commands.warmup import variants, warm_up
from microgym.envs.core.registry import entries, find
from microgym.jit.notice import NOTICE

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.id)
def test_variants_go_through_every_choice(entry):
    found = list(variants(entry))
    assert found[0] == {}
    assert "hard" in found[-1].values()
    chosen = {(name, value) for kwargs in found for name, value in kwargs.items()}
    assert len(chosen) > 3
    assert not {"split", "reward_mode"} & {name for name, _ in chosen}


def test_the_modes_of_pfm_are_among_them():
    found = list(variants(find("PFM-v0")))
    assert {"action": "grid"} in found
    assert {"observation": "full"} in found
    assert {"observation": "compact"} not in found, "that is the default"


def test_the_command_compiles_and_says_so(capsys):
    assert main(["warmup", "PFMLoop-v0"]) == 0
    told = capsys.readouterr()
    assert told.out == "kernels of PFMLoop-v0 are compiled\n"
    assert "compiling: 100%" in told.err
    assert NOTICE not in told.err


def test_an_unknown_environment_is_an_error(capsys):
    assert main(["warmup", "Nothing-v0"]) == 2
    assert "no environment 'Nothing-v0'" in capsys.readouterr().err


def test_arguments_that_do_not_go_together_are_passed_over():
    warm_up("PFMLoop-v0", {"pulses": -1})
    with pytest.raises(TypeError):
        warm_up("PFMLoop-v0", {"nonsense": 1})


USE = """
import gymnasium as gym, microgym
env = gym.make("PFM-v0", render_mode="rgb_array", action="grid", drift="hard")
env.reset(seed=3)
for action in (1, 2, 3):
    env.step(action)
env.render()
"""


@pytest.mark.slow
def test_nothing_is_compiled_after_a_warmup(tmp_path):
    def stderr(*command):
        done = subprocess.run(
            [sys.executable, *command],
            check=True,
            cwd=ROOT,
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        return done.stderr

    command = "import sys; from microgym.baselines.cli import main; sys.exit(main(sys.argv[1:]))"
    assert "compiling: 100%" in stderr("-c", command, "warmup", "PFM-v0")
    assert NOTICE not in stderr("-c", USE)
