"""A small, complete environment to try the framework on: look for a drifting lamp.

Importing this package registers it, so that workers can make "tests.envs.toy:MicrogymToy-v0".
"""

from microgym.envs.core.registry import register

ENTRY = register("MicrogymToy-v0", __name__, "Toy", "tests only")
CASES = {
    "variants": (
        {"action": "grid", "reveal": True},
        {"observation": "features", "drift": "hard"},
    ),
}
