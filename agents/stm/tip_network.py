"""Policy of STMTip-v0: a residual policy over QMDP values of the filter's belief.

QMDP (Littman, Cassandra and Kaelbling, Proc. ICML 1995) weights the values of actions in the known
states by the belief. It takes all doubt to be over after the next step, so that it does not know
what another image, or a dip that tells the hardness, is worth: the network learns that.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor, nn

from microgym.agents.core.network import TARGET, ChoiceNet, PolicyAdapter, tanh_layers
from microgym.agents.core.privileged_observation import PrivilegedTeacher
from microgym.agents.stm.tip_filter import GENTLE, HARDNESS_CELLS, STATES, TipFilter
from microgym.agents.stm.tip_oracle import action_values, situations
from microgym.agents.stm.tip_references import TipExpertState
from microgym.envs.stm.config import STMTipConfig
from microgym.envs.stm.observation import ACTIONS, LARGEST, TIP
from microgym.physics import stm_tip
from microgym.state import Float32

NUMBERS, BELIEF, PLAN = "numbers", "belief", "plan"
"""Parts of the network's observation: the environment's vector, what the filter says, and QMDP
values of the actions less the largest."""
_FEATURES = STATES + HARDNESS_CELLS + len(GENTLE)
_LEAST, _SPREAD = 1e-3, 3.0
"""Least probability that is told apart from 0, and scale of the log-odds (design choices)."""
_WORST, _CERTAINTY = -0.5, 20.0
"""Least difference of values that is told, and the logit of a difference of 1 before training
(design choices)."""


class TipBeliefs(PolicyAdapter):
    """Belief of the Bayesian filter beside the observation: the history in a few numbers.

    Log-odds of the states, of the parts of the range of hardness, and of a sharp tip after each
    gentle action.
    """

    State = TipExpertState

    def __init__(self) -> None:
        super().__init__({NUMBERS: (len(TIP),)})
        self._filter = TipFilter(STMTipConfig.noise, STMTipConfig.tip)
        self._plan = STMTipConfig.places, STMTipConfig.time_budget_s
        self._values = np.stack(
            [
                action_values(STMTipConfig.tip, one, *self._plan)
                for one in self._filter.hardness_nm.tolist()
            ]
        )
        self.sizes = {"cells": self._filter.cells}
        self.observation_space = spaces.Dict(
            {
                NUMBERS: spaces.Box(-np.inf, np.inf, (len(TIP),), np.float32),
                BELIEF: spaces.Box(-np.inf, np.inf, (_FEATURES,), np.float32),
                PLAN: spaces.Box(_WORST, 0.0, (len(ACTIONS),), np.float32),
            }
        )
        self.action_space = spaces.Discrete(len(ACTIONS))

    def adapt_observation(self, observation: Any) -> dict[str, NDArray[Any]]:
        """Update the beliefs."""
        whole = observation if isinstance(observation, Mapping) else {NUMBERS: observation}
        numbers, belief = np.asarray(whole[NUMBERS], np.float32), self.state.belief
        self._filter.update(belief, TIP.unpack(numbers.astype(np.float64)))
        known = self._filter
        told = [known.states(belief), known.hardness(belief), known.sharpened(belief)]
        chances = np.clip(np.concatenate(told, axis=1), _LEAST, 1.0 - _LEAST)
        odds = np.log(chances / (1.0 - chances)) / _SPREAD
        return {NUMBERS: numbers, BELIEF: odds.astype(np.float32), PLAN: self._worth(numbers)}

    def _worth(self, numbers: Float32) -> Float32:
        """QMDP values less the largest, (N, actions)."""
        steps, places, surface, ready = situations(numbers, *self._plan)
        # (N, hardness, states, actions).
        each = self._values[:, steps, places, surface, :, ready]
        joint = self._filter.joint(self.state.belief).transpose(0, 2, 1)[..., None]
        worth = (np.maximum(each, -2.0) * joint).sum(axis=1).sum(axis=1)
        worth -= worth.max(axis=1, keepdims=True)
        return np.maximum(worth, _WORST).astype(np.float32)


class TipPolicyNet(ChoiceNet):
    """Fully connected layers with tanh; one logit for each action, added to those of QMDP.

    Args:
        hidden: widths of the hidden layers.
    """

    kind = "tip"
    settings = ("hidden",)
    adapter_class = TipBeliefs
    value_features = 64
    privileged_features = STATES + 1
    auxiliary_layers = ("body", "states")

    def __init__(self, hidden: Sequence[int] = (64, 64)) -> None:
        super().__init__()
        self.hidden = list(hidden)
        inputs = len(TIP) + _FEATURES + len(ACTIONS)
        self.body = tanh_layers(inputs, self.hidden)
        self.choice = nn.Linear([inputs, *self.hidden][-1], len(ACTIONS))
        self.states = nn.Linear([inputs, *self.hidden][-1], STATES)
        self.value = nn.Sequential(nn.Linear(inputs, self.value_features), nn.Tanh())
        with torch.no_grad():
            self.choice.weight.mul_(0.1)

    def forward(self, observation: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Score the actions.

        Args:
            observation: that of `TipBeliefs`.

        Returns:
            Logits of the actions (B, actions); value features (B, 64); logits of the states
            (B, states).
        """
        plan = observation[PLAN]
        told = [observation[NUMBERS] / LARGEST, observation[BELIEF], plan / -_WORST]
        seen = torch.cat(told, dim=1)
        inner = self.body(seen)
        return _CERTAINTY * plan + self.choice(inner), self.value(seen), self.states(inner)


class TipTeacher(PrivilegedTeacher):
    """Targets are the states of the tips; the critic sees them, and how hard the tips are."""

    target_shape = (1,)
    critic_size = STATES + 1

    def target(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """State of each tip, (N, 1)."""
        return info["latent"]["tip_state"][:, None].astype(np.float32)

    def critic_features(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """State of each tip, one-hot, and its hardness, nm; (N, states + 1)."""
        latent = info["latent"]
        known = latent["tip_state"][:, None] == np.arange(STATES)
        hardness = latent["traits"][:, stm_tip.HARDNESS, None]
        return np.concatenate([known, hardness], axis=1).astype(np.float32)

    def loss(self, net: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Cross entropy of the states."""
        return nn.functional.cross_entropy(net(batch)[2], batch[TARGET][:, 0].long())
