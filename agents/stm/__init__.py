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

NETWORKS = {
    "drags": "microgym.agents.stm.drag_network:DragPolicyNet",
    "tip": "microgym.agents.stm.tip_network:TipPolicyNet",
}

TEACHERS = {
    "drags": "microgym.agents.stm.drag_network:DragTeacher",
    "tip": "microgym.agents.stm.tip_network:TipTeacher",
}
