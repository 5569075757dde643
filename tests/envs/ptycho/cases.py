"""Arguments under which the conformance tests run Ptycho-v0."""

CASES = {
    "Ptycho-v0": {
        "brief": {"exposures": 6},
        "variants": (
            {"action": "grid"},
            {"reconstructor": "neural"},
            {"observation": "features"},
            {
                "observation": "full",
                "reconstructor": "raw",
                "drift": "hard",
                "damage": "hard",
                "detector": "hard",
                "reveal": True,
            },
        ),
        "interventions": {"drift_velocity_px_s": 0.5, "settling_px": 2.0},
    }
}
