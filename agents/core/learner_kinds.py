"""Learners by the kind of network they train."""

from collections.abc import Mapping
from typing import Any

from microgym.agents.core.grid_learner import ScanLearner
from microgym.agents.core.learner import Learner
from microgym.agents.core.mlp_network import MLPPolicyNet
from microgym.agents.core.mlp_policy import FeatureLearner
from microgym.agents.core.ranking_policy import PulseLearner
from microgym.agents.core.residual_network import ResidualPolicyNet
from microgym.agents.core.residual_policy import CorrectionLearner
from microgym.agents.pfm.network import CandidatePolicyNet
from microgym.agents.ptycho.network import ScanPolicyNet

LEARNERS: Mapping[str, type[Learner]] = {
    ScanPolicyNet.kind: ScanLearner,
    MLPPolicyNet.kind: FeatureLearner,
    ResidualPolicyNet.kind: CorrectionLearner,
    CandidatePolicyNet.kind: PulseLearner,
}
"""By the setting "network" of a training configuration."""


def make_learner(chosen: Mapping[str, Any]) -> Learner:
    """The learner that a training configuration asks for.

    Args:
        chosen: table "training" of the configuration.

    Raises:
        ValueError: an unknown kind of network.
    """
    kind = chosen["network"]
    if kind not in LEARNERS:
        raise ValueError(f"network must be one of {sorted(LEARNERS)}, got {kind!r}")
    return LEARNERS[kind](chosen)
