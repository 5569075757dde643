"""Learners by the kind of network they train."""

from collections.abc import Mapping
from typing import Any

from microgym.agents.learners.base import Learner
from microgym.agents.learners.corrections import CorrectionLearner
from microgym.agents.learners.features import FeatureLearner
from microgym.agents.learners.grid import ScanLearner
from microgym.agents.learners.pulses import PulseLearner
from microgym.agents.networks.corrections import CorrectionNet
from microgym.agents.networks.features import FeatureNet
from microgym.agents.networks.pulses import PulseNet
from microgym.agents.networks.scan import ScanNet

LEARNERS: Mapping[str, type[Learner]] = {
    ScanNet.kind: ScanLearner,
    FeatureNet.kind: FeatureLearner,
    CorrectionNet.kind: CorrectionLearner,
    PulseNet.kind: PulseLearner,
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
