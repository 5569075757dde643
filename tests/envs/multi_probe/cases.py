"""Arguments under which the conformance tests run MultiProbeJoint-v0."""

CASES = {
    "MultiProbeJoint-v0": {
        "brief": {"exposures": 4, "time_budget_s": 40.0},
        "variants": (
            {"probes": 4, "share": "none", "reveal": True},
            {"action": "grid"},
            {"probes": 3, "drift": "hard", "damage": "hard", "detector": "hard"},
        ),
    },
}
