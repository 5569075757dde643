"""Agents of AFM-v0."""

AGENTS = {
    "AFM-v0": {
        "random": "microgym.agents.afm.references:RandomAgent",
        "constant": "microgym.agents.afm.references:ConstantAgent",
        "expert": "microgym.agents.afm.references:ExpertAgent",
        "oracle": "microgym.agents.afm.references:OracleAgent",
    }
}
"""Reference agents by environment and name."""

RESIDUAL = {"AFM-v0": "microgym.agents.afm.residual:AFMResidual"}
"""Controllers of residual policies."""

TEACHERS = {"corrections": "microgym.agents.afm.privileged:AFMTeacher"}
"""Privileged teachers by kind of network."""
