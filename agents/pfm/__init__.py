"""Agents of PFM-v0 and PFMLoop-v0, declared for `microgym.agents.core.registry`."""

AGENTS = {
    "PFM-v0": {
        "random": "microgym.agents.pfm.references:RandomAgent",
        "expert": "microgym.agents.pfm.references:ExpertAgent",
        "oracle": "microgym.agents.pfm.references:OracleAgent",
    },
    "PFMLoop-v0": {
        "random": "microgym.agents.pfm.references:RandomAgent",
        "expert": "microgym.agents.pfm.references:LoopExpertAgent",
        "oracle": "microgym.agents.pfm.references:LoopOracleAgent",
    },
}

NETWORKS = {
    "pulses": "microgym.agents.pfm.network:PulsePolicyNet",
    "film": "microgym.agents.pfm.film_network:FilmNet",
    "ring": "microgym.agents.pfm.ring_network:RingPolicyNet",
}

TEACHERS = {
    "pulses": "microgym.agents.pfm.network:PulseTeacher",
    "ring": "microgym.agents.pfm.ring_network:RingTeacher",
}
