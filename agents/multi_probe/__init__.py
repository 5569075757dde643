"""Agents of MultiProbeJoint-v0, which decide for all probes."""

AGENTS = {
    "MultiProbeJoint-v0": {
        "random": "microgym.agents.multi_probe.references:RandomAgent",
        "raster": "microgym.agents.multi_probe.references:RasterAgent",
        "independent": "microgym.agents.multi_probe.references:IndependentAgent",
        "expert": "microgym.agents.multi_probe.references:ExpertAgent",
        "oracle": "microgym.agents.multi_probe.references:OracleAgent",
    }
}

ADAPTERS = {"grid": "microgym.agents.ptycho.network:ExposureGridAdapter"}

NETWORKS = {"team_scan": "microgym.agents.multi_probe.network:TeamScanPolicyNet"}
