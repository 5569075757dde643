"""Agents of PFM-v0 and PFMLoop-v0."""

AGENTS = {
    "PFM-v0": {
        "random": "microgym.agents.pfm.references:RandomAgent",
        "expert": "microgym.agents.pfm.references:ExpertAgent",
        "oracle": "microgym.agents.pfm.oracle:OracleAgent",
    },
    "PFMLoop-v0": {
        "random": "microgym.agents.pfm.references:RandomAgent",
        "expert": "microgym.agents.pfm.references:LoopExpertAgent",
        "oracle": "microgym.agents.pfm.oracle:LoopOracleAgent",
    },
}
"""Reference agents by environment and name."""

NETWORKS = {"pulses": "microgym.agents.pfm.network:PulsePolicyNet"}
"""Classes of networks by the kind that is stored with their weights."""

TEACHERS = {"pulses": "microgym.agents.pfm.privileged:PulseTeacher"}
"""Privileged teachers by kind of network."""
