"""Agents of STM-v0, STMBuild-v0 and STMTip-v0, declared for `microgym.agents.core.registry`."""

_MOVE = {
    "random": "microgym.agents.stm.references:RandomAgent",
    "expert": "microgym.agents.stm.references:ExpertAgent",
    "oracle": "microgym.agents.stm.oracle:OracleAgent",
}

AGENTS = {
    "STM-v0": _MOVE,
    "STMBuild-v0": _MOVE,
    "STMTip-v0": {
        "random": "microgym.agents.stm.tip_references:TipRandomAgent",
        "expert": "microgym.agents.stm.tip_references:TipExpertAgent",
        "oracle": "microgym.agents.stm.tip_oracle:TipOracleAgent",
    },
}

RESIDUAL = dict.fromkeys(("STM-v0", "STMBuild-v0"), "microgym.agents.stm.residual:STMResidual")

NETWORKS = {"tip": "microgym.agents.stm.tip_network:TipPolicyNet"}

TEACHERS = {
    "corrections": "microgym.agents.stm.privileged:STMTeacher",
    "tip": "microgym.agents.stm.tip_network:TipTeacher",
}
