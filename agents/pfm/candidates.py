"""Candidates of the policy of PFM-v0: pulses that the expert's model proposes, and the belief."""

from typing import Annotated, Any, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from microgym.agents.core.policy_adapter import PolicyAdapter
from microgym.agents.pfm.domain_model import (
    CELLS,
    SHAPES,
    DomainBelief,
    DomainModel,
    PulseScorer,
    coordinates,
    to_action,
    update_belief,
)
from microgym.envs.pfm import observation
from microgym.envs.pfm.observation import NUMBERS
from microgym.state import Float32, Int64, Shape

MODEL = DomainModel()
"""Model of the domains, with the biases that are proposed."""
TRIES = 4
"""Places for each bias (design choice)."""
COUNT = TRIES * len(MODEL.volts) + 1
"""Candidates of a decision; the last one is to wait."""

BELIEFS = ("wanted", "up", "image", "surprise", "fresh", "raised", "lowered")
"""Maps of the network's observation: the pattern, the belief, the last image, the sum of images
less beliefs, and the environment's maps of the pulses so far."""

MAPS, STATUS, PLACES = "maps", "numbers", "places"
"""Parts of the network's observation."""

_WANTED, _FRESH, _RAISED, _LOWERED = (
    observation.MAPS.index(name) for name in ("wanted", "fresh", "raised", "lowered")
)


class ProposalState(NamedTuple):
    """Beliefs of N films, and the cells of the maps, flat index, of the present candidates."""

    belief: DomainBelief
    places: Annotated[Int64, Shape(COUNT)]


class PulseProposals(PolicyAdapter):
    """Beliefs of N films and the pulses proposed for them.

    Attributes:
        state: beliefs and candidates.
        volts: (COUNT,) float64, biases of the candidates, V.
    """

    State = ProposalState

    def __init__(self) -> None:
        super().__init__(SHAPES)
        self._scorer = PulseScorer(MODEL)
        self.volts = np.append(np.repeat(MODEL.volts, TRIES), 0.0)
        self.observation_space = spaces.Dict(
            {
                MAPS: spaces.Box(-1.0, 1.0, (len(BELIEFS), CELLS, CELLS), np.float32),
                STATUS: spaces.Box(-1.0, 1.0, (len(NUMBERS),), np.float32),
                PLACES: spaces.Box(0, CELLS * CELLS - 1, (COUNT,), np.int64),
            }
        )
        self.action_space = spaces.Discrete(2 * COUNT)

    def adapt_observation(self, observation: Any) -> dict[str, NDArray[Any]]:
        """Update the beliefs, and propose.

        Returns:
            `MAPS` (N, len(BELIEFS), CELLS, CELLS) and `STATUS` (N, numbers) float32, and `PLACES`
            (N, COUNT) int64, the cells of the candidates.
        """
        maps = observation["maps"].astype(np.float64)
        belief, places = self.state
        update_belief(belief, MODEL, maps, observation["numbers"].astype(np.float64))
        wanted = np.clip(maps[:, _WANTED], 0.0, 1.0)
        places[:] = self._scorer.propose(belief.up, wanted, TRIES)
        beliefs = (
            maps[:, _WANTED], belief.up, belief.image, belief.surprise,
            maps[:, _FRESH], maps[:, _RAISED], maps[:, _LOWERED],
        )  # fmt: skip
        return {
            MAPS: np.stack(beliefs, axis=1).astype(np.float32),
            STATUS: observation["numbers"].astype(np.float32),
            PLACES: places.copy(),
        }

    def adapt_action(self, choice: NDArray[Any]) -> Float32:
        """Actions of the default environment.

        Args:
            choice: (N,) number of a candidate, plus `COUNT` where an image is to follow.
        """
        number, read = choice % COUNT, choice >= COUNT
        rows = np.arange(len(number))
        return to_action(coordinates(self.state.places[rows, number]), self.volts[number], read)
