"""Arguments under which the conformance tests run AFM-v0."""

CASES = {
    "AFM-v0": {
        "brief": {"lines": 8},
        "variants": (
            {"action": "console", "observation": "features"},
            {"imaging": "contact", "specimen": "islands"},
            {"observation": "image", "reconstructor": "neural"},
            {
                "observation": "image",
                "specimen": "trenches",
                "split": "test",
                "drift": "hard",
                "tip": "hard",
                "loop": "hard",
                "scanner": "hard",
                "reveal": True,
            },
        ),
    }
}
