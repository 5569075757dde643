"""Arguments under which the conformance tests run STM-v0, STMBuild-v0 and STMTip-v0."""

CASES = {
    "STM-v0": {
        "brief": {"time_budget_s": 80.0},
        "variants": (
            {"observation": "image", "noise": "hard", "tip": "hard", "reveal": True},
            {"reconstructor": "neural"},
        ),
    },
    "STMBuild-v0": {
        "brief": {"time_budget_s": 80.0},
        "variants": (
            {"drift": "hard"},
            {"observation": "image", "reconstructor": "classical", "noise": "hard"},
        ),
    },
    "STMTip-v0": {
        "brief": {"time_budget_s": 140.0},
        "variants": ({"drift": "hard", "noise": "hard"},),
    },
}
