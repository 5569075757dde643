"""Arguments under which the conformance tests run PFM-v0 and PFMLoop-v0."""

CASES = {
    "PFM-v0": {
        "brief": {"pulses": 6},
        "variants": (
            {"action": "grid"},
            {"observation": "features", "specimen": "grains", "pattern": "islands"},
            {
                "observation": "full",
                "drift": "hard",
                "disorder": "hard",
                "tip": "hard",
                "readout": "hard",
                "heat": "hard",
                "reveal": True,
            },
        ),
    },
    "PFMLoop-v0": {"brief": {"pulses": 6}},
}
