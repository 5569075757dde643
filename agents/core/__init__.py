"""Agents, policies and networks that environments share.

`GridPolicy` is a policy for Stable-Baselines3; it is loaded when it is asked for.
"""

from typing import Any

NETWORKS = {
    "corrections": "microgym.agents.core.residual_policy:ResidualPolicyNet",
    "grid": "microgym.agents.core.grid_policy:GridNet",
}
"""Classes of networks by the kind that is stored with their weights."""


def __getattr__(name: str) -> Any:
    if name != "GridPolicy":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # PyTorch is optional and takes seconds to load.
    from microgym.agents.core.grid_actor_critic import GridPolicy

    return GridPolicy
