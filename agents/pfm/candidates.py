"""Pulses that a careful operator would think of, and what a network gets to see of each of them.

The operator keeps a belief of what points up: every pulse is taken to switch a calibrated disk, and
an image replaces the belief. For each bias the places are proposed at which such a disk would put
most right; the network judges them by what surrounds them.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.pfm.domain_model import (
    CELLS,
    DomainBelief,
    DomainModel,
    PulseScorer,
    blank,
    coordinates,
    to_action,
)
from microgym.envs.pfm import observation

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

BRUSH = DomainModel()
"""Biases that are proposed, and how they are thought to write."""
TRIES = 4
"""Places for each bias (design choice)."""
COUNT = TRIES * len(BRUSH.volts) + 1
"""Candidates of a decision; the last one is to wait."""

SEEN = ("wanted", "up", "image", "surprise", "fresh", "raised", "lowered")
"""Maps that a network sees: what is wanted, what is believed, the last image, what images have
shown beyond what was believed, and the environment's maps of what was done."""

MAPS, NUMBERS_SEEN, PLACES = "maps", "numbers", "places"
"""Parts of what a network sees."""

_WANTED, _FRESH, _RAISED, _LOWERED = (
    observation.MAPS.index(name) for name in ("wanted", "fresh", "raised", "lowered")
)


class PulseProposals:
    """What the operators of N microscopes believe and propose.

    Attributes:
        places: (N, COUNT) int64, cells of the maps, in reading order.
        volts: (COUNT,) float64, biases of the proposals, V.
    """

    def __init__(self) -> None:
        self._painter = PulseScorer(BRUSH)
        self._belief = DomainBelief(BRUSH)
        self.volts = np.append(np.repeat(BRUSH.volts, TRIES), 0.0)

    def reset(self, num_envs: int) -> None:
        """Begin N episodes."""
        self._belief.reset(num_envs)
        self.places = np.zeros((num_envs, COUNT), np.int64)

    def begin(self, rows: NDArray[np.bool_]) -> None:
        """Begin new episodes in some rows, (N,) bool, and go on in the others."""
        self._belief.begin(rows)
        self.places[rows] = 0

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays that are the whole memory, by name."""
        return {**self._belief.state_arrays(), "places": self.places}

    def see(self, observation: Any) -> dict[str, NDArray[Any]]:
        """Bring the beliefs up to date, and propose.

        Args:
            observation: batched, of the default environment.

        Returns:
            `MAPS` (N, len(SEEN), CELLS, CELLS) and `NUMBERS_SEEN` (N, numbers) float32, and
            `PLACES` (N, COUNT) int64, the cells of the proposals.

        Raises:
            ValueError: an observation of another mode.
        """
        if not isinstance(observation, Mapping) or observation["maps"].shape[2:] != (CELLS, CELLS):
            raise ValueError(f'maps must be {CELLS}x{CELLS}: observation="compact"')
        maps = observation["maps"].astype(np.float64)
        numbers = observation["numbers"].astype(np.float64)
        belief = self._belief
        belief.see(maps, numbers)
        self._propose(np.clip(maps[:, _WANTED], 0.0, 1.0))
        shown = (
            maps[:, _WANTED], belief.up, belief.image, belief.surprise,
            maps[:, _FRESH], maps[:, _RAISED], maps[:, _LOWERED],
        )  # fmt: skip
        return {
            MAPS: np.stack(shown, axis=1).astype(np.float32),
            NUMBERS_SEEN: observation["numbers"].astype(np.float32),
            PLACES: self.places.copy(),
        }

    def answer(self, choice: NDArray[Any]) -> Float32:
        """Actions of the default environment.

        Args:
            choice: (N,) number of a proposal, plus `COUNT` where an image is to follow.
        """
        number, looks = choice % COUNT, choice >= COUNT
        rows = np.arange(len(number))
        return to_action(coordinates(self.places[rows, number]), self.volts[number], looks)

    def _propose(self, wanted: Float64) -> None:
        """Find the places."""
        gains = self._painter.gains(self._belief.up, wanted, np.ones_like(wanted))
        for bias in range(len(BRUSH.volts)):
            gain = gains[:, bias].copy()
            for attempt in range(TRIES):
                best = gain.reshape(len(gain), -1).argmax(axis=1)
                self.places[:, bias * TRIES + attempt] = best
                blank(gain, best, 1)
        self.places[:, -1] = CELLS * CELLS // 2 + CELLS // 2
