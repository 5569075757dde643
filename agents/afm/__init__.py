"""Agents of AFM-v0, declared for `microgym.agents.core.registry`."""

AGENTS = {
    "AFM-v0": {
        "random": "microgym.agents.afm.references:RandomAgent",
        "constant": "microgym.agents.afm.references:ConstantAgent",
        "expert": "microgym.agents.afm.references:ExpertAgent",
        "oracle": "microgym.agents.afm.references:OracleAgent",
    }
}

RESIDUAL = {"AFM-v0": "microgym.agents.afm.residual:AFMResidual"}

TEACHERS = {"corrections": "microgym.agents.afm.residual:AFMTeacher"}
