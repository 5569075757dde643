"""Arguments under which the conformance tests run STM-v0, STMBuild-v0 and STMTip-v0."""

CASES = {
    "STM-v0": {
        "brief": {"time_budget_s": 60.0},
        "variants": (
            {"observation": "image", "noise": "hard", "tip": "hard", "reveal": True},
            {"reconstructor": "neural"},
        ),
        "interventions": {
            "drift_velocity_nm_s": 0.5,
            "settling_nm": 2.0,
            "well_strength_ev": 0.7,
            "well_width_nm": 0.3,
        },
    },
    "STMBuild-v0": {
        "brief": {"time_budget_s": 60.0},
        "variants": (
            {"drift": "hard"},
            {"observation": "image", "reconstructor": "classical", "noise": "hard"},
        ),
        "interventions": {"well_strength_ev": 0.7, "well_width_nm": 0.3},
    },
    "STMTip-v0": {
        "brief": {"time_budget_s": 60.0},
        "variants": ({"drift": "hard", "noise": "hard"},),
        "interventions": {"tip_state": "blunt"},
    },
}
