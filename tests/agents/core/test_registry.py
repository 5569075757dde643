import subprocess
import sys

import pytest

from microgym.agents.core.registry import agent_names, make_agent, shipped_policy
from microgym.envs.core.registry import entries


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.id)
def test_every_environment_has_the_agents_that_claims_rest_on(entry):
    names = agent_names(entry.id)
    assert names[0] == "idle"
    assert {"random", "expert", "oracle"} <= set(names)
    assert ("trained" in names) == shipped_policy(entry.id).is_file()
    agents = [make_agent(entry.id, name) for name in names if name != "trained"]
    assert [agent.name for agent in agents] == [name for name in names if name != "trained"]
    assert [agent.name for agent in agents if agent.uses_privileged_info] == ["oracle"]


def test_unknown_environments_and_policies_are_errors(tmp_path):
    with pytest.raises(ValueError, match="no environment 'Other-v0'"):
        agent_names("Other-v0")
    with pytest.raises(FileNotFoundError, match="there is no policy at"):
        make_agent("Ptycho-v0", str(tmp_path / "policy.safetensors"))


def test_reference_policies_do_without_pytorch():
    code = (
        "import sys; from microgym.agents import make_agent; "
        "make_agent('Ptycho-v0', 'expert'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
