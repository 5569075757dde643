"""Policy of STM-v0 and STMBuild-v0: drags that are simulated on a belief, and their ranking.

Drags are proposed as the oracle does, for the most probable hollow of an adatom, and simulated with
several particles of the belief. A network ranks them by the expected outcome and its spread, and
decides when to look. In privileged training the same drags are simulated on the true surfaces.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor, nn

from microgym.agents.core.network import TARGET, ChoiceNet, PolicyAdapter, tanh_layers
from microgym.agents.core.privileged_observation import PrivilegedTeacher
from microgym.agents.stm.drag_belief import (
    DragBelief,
    DragFilter,
    places_of,
    sites_of,
    systematic,
)
from microgym.agents.stm.oracle import candidates, drags_left, outcomes
from microgym.agents.stm.references import components_for, movers_for
from microgym.envs.stm.observation import BORDER_NM, END_NM, START_NM, decode, numbers_of
from microgym.instruments.stm.settings import STMSettings
from microgym.physics import stm_tip
from microgym.state import Float32, Float64, Int64, Shape

DRAGS, STATUS = "drags", "status"
"""Parts of the network's observation."""
COUNT, SIMULATED = 12, 12
"""Drags of a decision, and particles with which each is simulated (design choices)."""
DRAG = ("cost", "spread", "hit", "reach", "press")
"""Numbers of a drag: mean of the outcome's cost (`oracle.outcomes`), its standard deviation,
probability that it ends on the target, length over 2 nm, conductance as an action."""
TOLD = (
    "cost", "undone", "last", "drags", "certain", "offset", "time_left", "forced", "useless",
)  # fmt: skip
"""Numbers of the status: cost as it is now; adatoms that are not on their targets, over 3, and
whether it is the last; drags since the last image, over 6; probability of the hollow; deviation of
the offset, over 0.1 nm; time left; whether an image must be taken, and whether it would show
nothing new."""
TRUSTED = 6
"""Drags after which a fresh network takes an image."""
LEAST_GAIN = 0.1
"""Gain below which a fresh network takes an image instead of a drag."""
_PLACED, _CERTAIN = 0.7, 0.35
"""Probability from which an adatom is taken to be on its target, and the least one of a hollow from
which it is dragged before another image (design choices)."""
_SHARPNESS = 8.0
_WORST = 9.0  # cost of an entry without a drag
_SETTINGS = STMSettings()


class DragState(NamedTuple):
    """Beliefs of N episodes, and the present drags.

    Attributes:
        belief: of adatoms and tips.
        actions: components of the actions.
        paths: start and end of the atom that pulls, surface coordinates, nm, and conductance as an
            action; zeros where there is no drag.
        mover: adatom that is dragged.
        believed: its place in the observation, scanner coordinates.
        drift: expected drift now.
    """

    belief: DragBelief
    actions: Annotated[Float64, Shape(COUNT, "components")]
    paths: Annotated[Float64, Shape(COUNT, 5)]
    mover: Annotated[Int64, Shape(low=0, high=lambda sizes: sizes["movers"] - 1)]
    believed: Annotated[Float64, Shape(2, unit="nm")]
    drift: Annotated[Float64, Shape(2, unit="nm")]


class DragProposals(PolicyAdapter):
    """Beliefs of N episodes, and the drags proposed for them.

    The choice is the number of a drag, plus their count where an image follows; the last choice is
    an image alone.

    Args:
        movers: adatoms to be moved.

    Attributes:
        movers: as given.
        state: beliefs and drags.
    """

    State = DragState

    def __init__(self, movers: int) -> None:
        self.movers, self._channels = movers, numbers_of(movers)
        super().__init__({"numbers": (len(self._channels),)})
        self._filter = DragFilter(movers)
        self.sizes = {"movers": movers, "components": components_for(movers)}
        shapes = {DRAGS: (COUNT, len(DRAG)), STATUS: (len(TOLD),)}
        boxes: dict[str, spaces.Space[Any]] = {
            name: spaces.Box(-np.inf, np.inf, shape, np.float32) for name, shape in shapes.items()
        }
        self.observation_space = spaces.Dict(boxes)
        self.action_space = spaces.Discrete(2 * COUNT + 1)

    def adapt_observation(self, observation: Any) -> dict[str, NDArray[Any]]:
        """Update the beliefs, and propose."""
        whole = observation if isinstance(observation, Mapping) else {"numbers": observation}
        seen = self._channels.unpack(np.asarray(whole["numbers"], np.float64))
        count = len(seen["time_left"])
        drags, status = np.zeros((count, COUNT, len(DRAG))), np.zeros((count, len(TOLD)))
        for row in range(count) if self.idle is None else np.flatnonzero(~self.idle).tolist():
            self._filter.update(self.state.belief, row, seen)
            told = {name: float(values[row]) for name, values in seen.items()}
            self._propose(row, told, drags[row], status[row])
        return {DRAGS: drags.astype(np.float32), STATUS: status.astype(np.float32)}

    def adapt_action(self, choice: NDArray[Any]) -> Float32:
        """Actions of the environment for choices, (N,), which the beliefs remember."""
        belief, actions, *_ = self.state
        found = np.zeros((len(choice), components_for(self.movers)))
        for row, chosen in enumerate(np.asarray(choice).tolist()):
            drag = chosen % COUNT
            belief.looked[row] = chosen >= COUNT
            belief.moved[row] = -1
            found[row, 6] = 1.0
            if chosen < 2 * COUNT:
                found[row] = actions[row, drag]
                found[row, 6] = 0.0 if chosen >= COUNT else -1.0
                belief.moved[row] = self.state.mover[row]
                belief.drags[row] += 1
                self._remember(row, found[row])
        return found.astype(np.float32)

    def _propose(
        self, row: int, told: Mapping[str, float], drags: Float64, status: Float64
    ) -> None:
        """Find the drags of one episode, and write what the network sees of them."""
        state, belief, known = self.state, self.state.belief, self._filter
        placed, far = known.distances(belief, row)
        left = np.flatnonzero(placed < _PLACED)
        undone = left if left.size else np.array([placed.argmin()])
        mover = int(undone[far[undone].argmin()])
        known.follow(belief, row, mover)
        known.settle(belief, row)
        slot = int(np.flatnonzero(belief.slots[row] == mover)[0])
        state.mover[row] = mover
        state.believed[row] = BORDER_NM * told[f"x_{slot}"], BORDER_NM * told[f"y_{slot}"]
        state.drift[row] = known.expected_drift(belief, row, 60.0 * told["since_look"])
        state.actions[row] = 0.0
        state.actions[row, :, 4] = -1.0
        state.actions[row, :, 7:] = 2.0 * (slot + 0.5) / self.movers - 1.0
        sites, weight, target = belief.sites[row], belief.weight[row], belief.targets[row, mover]
        kinds, number = np.unique(sites[:, mover], axis=0, return_inverse=True)
        chance, ways = np.bincount(number.ravel(), weight), target - places_of(kinds)
        # An adatom that seems to be on its target is dragged from the next most probable hollow.
        there = np.hypot(ways[:, 0], ways[:, 1]) < 0.05
        best = int((chance - there).argmax())
        drags[:, 0] = _WORST
        found = not there[best] and self._rank(row, places_of(kinds[best]), ways[best], drags)
        offset = belief.offset[row] - weight @ belief.offset[row]
        useless = belief.drags[row] == 0
        forced = not useless and (not left.size or chance[best] < _CERTAIN)
        status[:] = (
            weight @ site_costs(target, sites[:, mover]), undone.size / 3.0, undone.size == 1,
            belief.drags[row] / 6.0, chance[best], np.sqrt((weight @ offset**2).mean()) / 0.1,
            told["time_left"], forced or not found, useless and found,
        )  # fmt: skip

    def _rank(self, row: int, place: Float64, way: Float64, drags: Float64) -> bool:
        """Propose drags of an adatom, and simulate the best ones with several particles.

        Args:
            row: of the episode.
            place: (2,) of the adatom, surface coordinates, nm.
            way: (2,) to its target, nm.
            drags: (COUNT, 5), written.

        Returns:
            Whether there is a drag within reach.
        """
        state, belief = self.state, self.state.belief
        weight = belief.weight[row]
        apart = belief.offset[row] - belief.error[row]
        mean = weight @ apart
        apart = apart - mean
        # From the atom that pulls, surface coordinates, to the start and end of an action.
        shift = state.drift[row] + _SETTINGS.drag_s * belief.rate[row] - mean - state.believed[row]
        starts, ends, press = candidates(place, way)
        starts, ends = place + starts, place + ends
        fits = np.abs(starts + shift).max(axis=1) <= START_NM
        fits &= np.abs(ends + shift).max(axis=1) <= END_NM
        if not fits.any():
            return False
        paths = starts[fits], ends[fits], press[fits]
        first, _ = self._outcomes(row, int((apart**2).sum(axis=1).argmin()), paths, np.zeros(2))
        # The best drags at each conductance: a strong well forgives errors that a particle lacks.
        rank = np.empty(len(first), np.int64)
        for one in np.unique(paths[2]):
            same = np.flatnonzero(paths[2] == one)
            rank[same[np.argsort(first[same], kind="stable")]] = np.arange(same.size)
        order = np.lexsort((first, rank))[:COUNT]
        starts, ends, press = paths = tuple(one[order] for one in paths)
        drawn = systematic(weight, SIMULATED, 0.5).tolist()
        costs, far = np.stack([self._outcomes(row, k, paths, apart[k]) for k in drawn], axis=1)
        kept, reach = len(order), np.hypot(*(ends - starts).T)
        drags[:kept] = np.stack(
            [costs.mean(axis=0), costs.std(axis=0), (far < 0.05).mean(axis=0), 0.5 * reach, press],
            axis=1,
        )
        state.paths[row] = 0.0
        state.paths[row, :kept] = np.concatenate([starts, ends, press[:, None]], axis=1)
        state.actions[row, :kept, 0:2] = (starts + shift) / START_NM
        state.actions[row, :kept, 2:4] = (ends + shift) / END_NM
        state.actions[row, :kept, 5] = press
        return True

    def _outcomes(
        self, row: int, particle: int, paths: tuple[Float64, ...], apart: Float64
    ) -> tuple[Float64, Float64]:
        """Outcomes of drags for a particle whose atom that pulls is apart from the mean by (2,)."""
        belief, mover = self.state.belief, int(self.state.mover[row])
        starts, ends, press = paths
        well = np.exp([belief.strength[row, particle], belief.width[row, particle]])
        return outcomes(
            belief.sites[row, particle],
            np.ones(self.movers, np.bool_),
            mover,
            belief.targets[row, mover],
            (starts + apart, ends + apart, press),
            (float(well[0]), float(well[1])),
        )

    def _remember(self, row: int, action: Float64) -> None:
        """Store the drag that an action makes."""
        sent = np.clip(action, -1.0, 1.0).astype(np.float32).astype(np.float64)
        starts, ends, bias, press = decode(sent[None], self.state.believed[row][None])
        self.state.belief.last[row] = (
            *starts[0], *ends[0], bias[0], press[0], *self.state.drift[row],
        )  # fmt: skip


class DragPolicyNet(ChoiceNet):
    """Ranking of drags by the expected cost of their outcomes, corrected by fully connected layers.

    A fresh network makes the drag with the least expected cost, and takes an image where that gains
    little, after the last drag that seems to be needed, and after several drags.

    Args:
        width: units of the hidden layers.
    """

    kind = "drags"
    settings = ("width",)
    value_features = 64
    privileged_features = 2
    auxiliary_layers = ("told", "corrected")

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.width = width
        self.told = tanh_layers(len(DRAG) + len(TOLD), (width, width))
        self.corrected = nn.Linear(width, 1)
        self.sharpness = nn.Parameter(torch.tensor(_SHARPNESS))
        summary = len(TOLD) + 2 * len(DRAG)
        self.looks = tanh_layers(summary, (width,))
        self.look = nn.Linear(width, 2)
        self.value = nn.Sequential(nn.Linear(summary, self.value_features), nn.Tanh())
        with torch.no_grad():
            for layer in (self.corrected, self.look):
                layer.weight.zero_()
                layer.bias.zero_()

    def adapter(self, env_id: str) -> DragProposals:
        """Adapter for the default environment."""
        return DragProposals(movers_for(env_id, {}))

    @classmethod
    def training_adapter(
        cls, env_id: str, env_kwargs: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> DragProposals:
        """Adapter for the adatoms that are to be moved."""
        return DragProposals(movers_for(env_id, env_kwargs))

    def costs(self, observation: Mapping[str, Tensor]) -> Tensor:
        """Corrected costs of the drags, (B, COUNT)."""
        drags, status = observation[DRAGS], observation[STATUS]
        told = torch.cat([drags, status[:, None].expand(-1, COUNT, -1)], dim=2)
        return drags[..., 0] + self.corrected(self.told(told))[..., 0]

    def forward(self, observation: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Score the choices.

        Args:
            observation: that of `DragProposals`.

        Returns:
            Logits (B, 2 * COUNT + 1): drags, drags before an image, an image; value features
            (B, 64).
        """
        drags, status = observation[DRAGS], observation[STATUS]
        costs = self.costs(observation)
        best = costs.argmin(dim=1)
        chosen = drags[torch.arange(len(drags)), best]
        summary = torch.cat([status, chosen, drags.mean(dim=1)], dim=1)
        after, alone = self.look(self.looks(summary)).split(1, dim=1)
        last, done = status[:, TOLD.index("last"), None], status[:, TOLD.index("drags"), None]
        due = (last * drags[..., DRAG.index("hit")] > 0.5) | (6.0 * done > TRUSTED - 1.5)
        forced, useless = (status[:, TOLD.index(n), None] for n in ("forced", "useless"))
        image = self.sharpness * (LEAST_GAIN - status[:, :1]) + alone + 40.0 * (forced - useless)
        logits = -self.sharpness * costs
        both = logits + 4.0 * (2.0 * due.float() - 1.0) + after
        return torch.cat([logits, both, image], dim=1), self.value(summary)


class DragTeacher(PrivilegedTeacher):
    """Targets are the costs of the drags' outcomes on the true surfaces.

    The critic sees how many adatoms are in place, and how far the others are from their targets.
    """

    target_shape = (COUNT, 2)
    critic_size = 2
    final_learning_rate = 0.1
    adapter: DragProposals

    def target(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """Costs of the drags, and 1 where there is one, (N, COUNT, 2)."""
        state, latent = self.adapter.state, info["latent"]
        found = np.zeros((len(state.mover), COUNT, 2))
        offset = latent["traits"][:, stm_tip.OFFSET_X : stm_tip.OFFSET_Y + 1]
        away = latent["drift_nm"] + _SETTINGS.drag_s * latent["drift_velocity_nm_s"] - offset
        for row, mover in enumerate(state.mover.tolist()):
            there = np.abs(state.paths[row]).sum(axis=1) > 0.0
            target = state.belief.targets[row, mover]
            apart = latent["targets_nm"][row] - target
            which = int(np.hypot(apart[:, 0], apart[:, 1]).argmin())
            if not there.any():
                continue
            sent = state.actions[row, there]
            starts = START_NM * sent[:, 0:2] + state.believed[row] - away[row]
            ends = END_NM * sent[:, 2:4] + state.believed[row] - away[row]
            well = latent["traits"][row, [stm_tip.STRENGTH, stm_tip.WIDTH]]
            cost, _ = outcomes(
                sites_of(latent["places_nm"][row] + 1e-9),
                latent["present"][row],
                which,
                target,
                (starts, ends, sent[:, 5].copy()),
                (float(well[0]), float(well[1])),
            )
            found[row, there, 0], found[row, there, 1] = cost, 1.0
        return found.astype(np.float32)

    def target_mask(self, target: Tensor) -> Tensor:
        """The decisions with a drag."""
        return target[:, 0, 1] > 0.0

    def critic_features(self, observation: Any, info: Mapping[str, Any]) -> Float32:
        """Part of the adatoms that are in place, and mean distance of all, nm; (N, 2)."""
        latent = info["latent"]
        way = latent["targets_nm"] - latent["places_nm"][:, : self.adapter.movers]
        far = np.hypot(way[..., 0], way[..., 1])
        return np.stack([(far < 0.05).mean(axis=1), far.mean(axis=1)], axis=1).astype(np.float32)

    def loss(self, net: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Mean squared error of the costs."""
        cost, there = batch[TARGET].unbind(-1)
        error = (net.costs(batch) - cost).clamp(-3.0, 3.0)
        return (there * error.square()).sum() / there.sum()


def site_costs(target: Float64, sites: Int64) -> Float64:
    """Cost of adatoms in hollows (k, 3) before any drag, (k,); see `oracle.outcomes`."""
    ways = target - places_of(sites)
    return drags_left(ways) + 0.05 * np.hypot(ways[:, 0], ways[:, 1])
