"""Agents of Ptycho-v0, declared for `microgym.agents.core.registry`."""

AGENTS = {
    "Ptycho-v0": {
        "random": "microgym.agents.ptycho.references:RandomAgent",
        "raster": "microgym.agents.ptycho.references:RasterAgent",
        "spiral": "microgym.agents.ptycho.references:SpiralAgent",
        "halton": "microgym.agents.ptycho.references:HaltonAgent",
        "expert": "microgym.agents.ptycho.references:ExpertAgent",
        "belief": "microgym.agents.ptycho.belief:BeliefAgent",
        "oracle": "microgym.agents.ptycho.references:OracleAgent",
    }
}

NETWORKS = {"scan": "microgym.agents.ptycho.network:ScanPolicyNet"}

ADAPTERS = {"grid": "microgym.agents.ptycho.network:ExposureGridAdapter"}

TEACHERS = {"scan": "microgym.agents.ptycho.network:StructureTeacher"}
