"""Agents of Ptycho-v0."""

AGENTS = {
    "Ptycho-v0": {
        "random": "microgym.agents.ptycho.references:RandomAgent",
        "raster": "microgym.agents.ptycho.references:RasterAgent",
        "spiral": "microgym.agents.ptycho.references:SpiralAgent",
        "halton": "microgym.agents.ptycho.references:HaltonAgent",
        "expert": "microgym.agents.ptycho.references:ExpertAgent",
        "oracle": "microgym.agents.ptycho.references:OracleAgent",
    }
}
"""Reference agents by environment and name."""

NETWORKS = {"scan": "microgym.agents.ptycho.network:ScanPolicyNet"}
"""Classes of networks by the kind that is stored with their weights."""

TEACHERS = {"scan": "microgym.agents.ptycho.privileged:StructureTeacher"}
"""Privileged teachers by kind of network."""
