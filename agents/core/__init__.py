"""Agents, policies and networks that environments share."""

NETWORKS = {
    "corrections": "microgym.agents.core.residual_policy:ResidualPolicyNet",
}
"""Classes of networks by the kind that is stored with their weights."""
