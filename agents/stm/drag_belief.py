"""Belief about adatoms and tip: a particle filter, from images and currents alone.

A particle is a tip, with the offset of the atom that pulls, depth and width of its well, an error
of the expected drift, and hollows of the adatoms that were dragged since the last image. A drag is
simulated for every particle by the instrument itself. Particles are weighted by the current of the
drag and by the next image (Gordon, Salmond and Smith, IEE Proc. F 140, 107, 1993), and resampled
with kernels that keep mean and variance (Liu and West, in Sequential Monte Carlo Methods in
Practice, 2001). The other adatoms have probabilities of their hollows of their own.
All draws depend on the number of the decision alone, so that episodes are independent.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.agents.stm.references import of_slots, pair
from microgym.envs.stm.observation import BINS, BORDER_NM
from microgym.instruments.stm.instrument import STMInstrument
from microgym.instruments.stm.settings import (
    NOISE_LEVELS,
    NoiseParameters,
    STMSettings,
)
from microgym.physics import stm_tip
from microgym.physics.adatoms import LATTICE_NM
from microgym.physics.drift import DriftParameters
from microgym.physics.stm_tip import APEX_LEVELS, MEAN_STRENGTH_EV, MEAN_WIDTH_NM, ApexParameters
from microgym.specimens.adatom_fields import FIELD_NM
from microgym.state import Bool, Float64, Int64, Shape

PARTICLES = 512
"""Particles of an episode (design choice): with 256 the agent of STMBuild-v0 has 0.07 less."""
_ROOT3 = math.sqrt(3.0)
_LEVEL = "real"
_PRIOR = APEX_LEVELS[_LEVEL]
_MARK_NM = NOISE_LEVELS[_LEVEL].mark_nm
_PLACE_NM = 0.095
"""Error of a measured position: `place_nm` of the level real, and the blur of a sharp tip."""
_DRIFT_NM, _WANDER_NM = 0.048, 0.0175
"""Error of the expected drift just after an image, nm along each axis, and its growth, nm/s^0.5:
measured at the level real."""
_CURRENT = 0.2
"""Error of a part of the simulated current (design choice: noise 0.13, hollows, bystanders)."""
_TRUST, _WORST = 0.5, 2.0
"""Weight of the current, whose parts are not independent, and the largest misfit of a part: another
adatom beside the path adds to the current (design choices)."""
_FARTHEST = 8.0
"""Largest misfit of an image (design choice)."""
_KERNEL = 0.25
"""Width of the kernels of a resampling over the particles' deviation (design choice)."""
_LEAST = {"offset": 0.012, "strength": 0.08, "width": 0.03}
"""Least deviations that a kernel is scaled by: nm, and of logarithms (design choices)."""
_STRAY = 0.004
"""Probability of each hollow around a place in an image, whatever was foreseen (design choice)."""
_BLUR_NM = 0.02  # of a sharp tip

_AROUND = np.array([(n, m, s) for n in range(-2, 3) for m in range(-2, 3) for s in (0, 1)])
_HOLLOWS = len(_AROUND)
_FAR = 1000  # cells from the origin


class DragBelief(NamedTuple):
    """Beliefs of N episodes, in surface coordinates.

    Attributes:
        offset: of the atom that pulls.
        strength, width: logarithms of depth, eV, and width, nm, of the well.
        error: true drift less the expected one.
        sites: hollows (n, m, s) of the adatoms that were dragged since the last image.
        weight: of the particles; their sum is 1.
        dragged: adatoms whose hollows are those of the particles.
        around, chance: hollows around the place in the last image, and their probabilities, which
            hold for the other adatoms.
        targets: of the adatoms.
        slots: adatom in each slot of the observation.
        rate: mean measured drift.
        images, decisions: numbers of rates measured, and of decisions.
        drags: since the last image.
        left: time that was left.
        last: start, end, bias and conductance of the last drag, and expected drift before it.
        moved: adatom that the last action dragged, or -1.
        looked: whether the last action took an image.
    """

    offset: Annotated[Float64, Shape(PARTICLES, 2, unit="nm")]
    strength: Annotated[Float64, Shape(PARTICLES)]
    width: Annotated[Float64, Shape(PARTICLES)]
    error: Annotated[Float64, Shape(PARTICLES, 2, unit="nm")]
    sites: Annotated[Int64, Shape(PARTICLES, "movers", 3, low=-_FAR, high=_FAR)]
    weight: Annotated[Float64, Shape(PARTICLES)]
    dragged: Annotated[Bool, Shape("movers")]
    around: Annotated[Int64, Shape("movers", _HOLLOWS, 3, low=-_FAR, high=_FAR)]
    chance: Annotated[Float64, Shape("movers", _HOLLOWS)]
    targets: Annotated[Float64, Shape("movers", 2, unit="nm")]
    slots: Annotated[Int64, Shape("movers", low=0, high=lambda sizes: sizes["movers"] - 1)]
    rate: Annotated[Float64, Shape(2, unit="nm/s")]
    images: Annotated[Int64, Shape()]
    decisions: Annotated[Int64, Shape()]
    drags: Annotated[Int64, Shape()]
    left: Annotated[Float64, Shape()]
    last: Annotated[Float64, Shape(8)]
    moved: Annotated[Int64, Shape(low=-1, high=lambda sizes: sizes["movers"] - 1)]
    looked: Annotated[Bool, Shape()]


def places_of(sites: Int64) -> Float64:
    """Places (..., 2), nm, of hollows (..., 3), see `microgym.physics.adatoms.site_place`."""
    third = (sites[..., 2] + 1) / 3.0
    u, v = sites[..., 0] + third, sites[..., 1] + third
    return LATTICE_NM * np.stack([u + 0.5 * v, 0.5 * _ROOT3 * v], axis=-1)


def sites_of(places: Float64) -> Int64:
    """The hollows (..., 3) nearest to places (..., 2), nm."""
    v = places[..., 1] / (0.5 * _ROOT3 * LATTICE_NM)
    u = places[..., 0] / LATTICE_NM - 0.5 * v
    n, m = np.floor(u), np.floor(v)
    return np.stack([n, m, (u - n) + (v - m) >= 1.0], axis=-1).astype(np.int64)


class DragFilter:
    """Particle filter of N episodes.

    Args:
        movers: adatoms to be moved.
    """

    def __init__(self, movers: int) -> None:
        self._movers = movers
        quiet = STMSettings(drift=DriftParameters(), tip=ApexParameters(), noise=NoiseParameters())
        self._settings = quiet
        self._copies = copies = STMInstrument(PARTICLES, quiet)
        # No step and no contamination: neither is seen.
        copies.state.field.steps[:] = (0.0, 0.0, 1.0)
        copies.state.field.patches[:] = 0.0
        traits = copies.state.tip.traits
        traits[:], traits[:, stm_tip.CONTACT], traits[:, stm_tip.BLUR] = 0.0, 1e9, _BLUR_NM
        copies.state.keys[:, 0] = np.arange(PARTICLES)

    def update(self, belief: DragBelief, row: int, seen: Mapping[str, NDArray[Any]]) -> None:
        """Enter what an observation tells after the last action of an episode.

        Args:
            belief: of N episodes; one is changed in place.
            row: of the episode.
            seen: values of the observation's channels by name, (N,) each.
        """
        told = {name: values[row : row + 1] for name, values in seen.items()}
        place, goal, stale = _places(told, self._movers)
        fresh = told["time_left"][0] > belief.left[row] + 1e-9
        belief.left[row] = told["time_left"][0]
        if fresh:
            belief.decisions[row] = belief.images[row] = 0
            belief.rate[row], belief.dragged[row] = 0.0, False
        rng = np.random.default_rng([belief.decisions[row], 1])
        rate = 0.03 * pair(told, "drift_")[0]
        # The line of a place y is written y / (field / image time) after the middle of the image.
        slope = self._settings.image_s / FIELD_NM * rate
        self._match(belief, row, places_of(sites_of(_still(goal, slope))), fresh=fresh)
        image = _still(place, slope)
        looked = fresh or bool(belief.looked[row])
        if fresh:
            self._begin(belief, row, image, rng)
        elif belief.moved[row] >= 0:
            current = 1.5 * np.array([told[f"trace_{k}"][0] for k in range(BINS)])
            self._drag(belief, row, current, rng)
        if looked:
            if not fresh:
                self._look(belief, row, image, stale < 0.5, rng)
            belief.images[row] += 1
            belief.rate[row] += (rate - belief.rate[row]) / belief.images[row]
            belief.error[row] = _DRIFT_NM * rng.standard_normal((PARTICLES, 2))
            belief.drags[row] = 0
        belief.decisions[row] += 1

    def expected_drift(self, belief: DragBelief, row: int, since_s: float) -> Float64:
        """Drift since the middle of the last image, (2,), nm.

        Args:
            belief: of N episodes.
            row: of the episode.
            since_s: time since the end of the last image, s.
        """
        return belief.rate[row] * (0.5 * self._settings.image_s + since_s)

    def follow(self, belief: DragBelief, row: int, mover: int) -> None:
        """Draw hollows of an adatom that is about to be dragged, if the particles have none."""
        if belief.dragged[row, mover]:
            return
        rng = np.random.default_rng([belief.decisions[row], 2])
        drawn = systematic(belief.chance[row, mover], PARTICLES, 0.5)
        belief.sites[row, :, mover] = belief.around[row, mover][rng.permutation(drawn)]
        belief.dragged[row, mover] = True

    def settle(self, belief: DragBelief, row: int) -> None:
        """Set the hollows of adatoms that were not dragged to the most probable ones."""
        for mover in np.flatnonzero(~belief.dragged[row]):
            best = belief.chance[row, mover].argmax()
            belief.sites[row, :, mover] = belief.around[row, mover, best]

    def distances(self, belief: DragBelief, row: int) -> tuple[Float64, Float64]:
        """Probability that each adatom is on its target, and mean distance, nm; (movers,) each."""
        found = np.empty((2, self._movers))
        for mover in range(self._movers):
            known = bool(belief.dragged[row, mover])
            sites = belief.sites[row, :, mover] if known else belief.around[row, mover]
            weight = belief.weight[row] if known else belief.chance[row, mover]
            way = places_of(sites) - belief.targets[row, mover]
            far = np.hypot(way[:, 0], way[:, 1])
            found[:, mover] = weight @ (far < 0.05), weight @ far
        return found[0], found[1]

    def _match(self, belief: DragBelief, row: int, targets: Float64, *, fresh: bool) -> None:
        """Find the adatom of each slot by its target, which does not move."""
        if fresh:
            belief.slots[row] = np.arange(self._movers)
        else:
            apart = targets[:, None] - belief.targets[row][None]
            far = np.hypot(apart[..., 0], apart[..., 1])
            for _ in range(self._movers):
                slot, mover = np.unravel_index(far.argmin(), far.shape)
                belief.slots[row, slot] = mover
                far[slot], far[:, mover] = math.inf, math.inf
        belief.targets[row, belief.slots[row]] = targets

    def _begin(
        self, belief: DragBelief, row: int, image: Float64, rng: np.random.Generator
    ) -> None:
        """Draw tips from the prior, and hollows from the first images."""
        drawn = rng.standard_normal((4, PARTICLES))
        belief.offset[row] = _PRIOR.offset_nm * drawn[:2].T
        belief.strength[row] = math.log(MEAN_STRENGTH_EV) + _PRIOR.strength_spread * drawn[2]
        belief.width[row] = math.log(MEAN_WIDTH_NM) + _PRIOR.width_spread * drawn[3]
        belief.weight[row] = 1.0 / PARTICLES
        for slot, mover in enumerate(belief.slots[row]):
            self._see(belief, row, mover, image[slot])

    def _see(self, belief: DragBelief, row: int, mover: int, place: Float64) -> None:
        """Set the probabilities of hollows to those of an image alone."""
        around = sites_of(place) * np.array([1, 1, 0]) + _AROUND
        chance = _likelihood(around, place)
        belief.around[row, mover], belief.chance[row, mover] = around, chance / chance.sum()

    def _drag(
        self, belief: DragBelief, row: int, current: Float64, rng: np.random.Generator
    ) -> None:
        """Simulate the last drag for all particles, and weight them by the current."""
        self.settle(belief, row)
        copies, movers, last = self._copies.state, self._movers, belief.last[row]
        field, traits = copies.field, copies.tip.traits
        field.present[:], field.present[:, :movers] = False, True
        field.sites[:, :movers] = belief.sites[row]
        field.places[:, :movers] = places_of(belief.sites[row])
        copies.frame[:] = 0.0
        copies.drift.drift[:] = last[6:8] + belief.error[row]
        copies.drift.moved[:] = copies.drift.drift
        copies.drift.velocity[:] = belief.rate[row]
        traits[:, stm_tip.STRENGTH] = np.exp(belief.strength[row])
        traits[:, stm_tip.WIDTH] = np.exp(belief.width[row])
        traits[:, stm_tip.OFFSET_X : stm_tip.OFFSET_Y + 1] = belief.offset[row]
        copies.actions[:] = belief.decisions[row]
        each = np.tile(last[:6], (PARTICLES, 1))
        self._copies.drag(
            np.arange(PARTICLES), each[:, :2].copy(), each[:, 2:4].copy(), *each[:, 4:].T.copy()
        )
        belief.sites[row] = field.sites[:, :movers]
        way = last[2:4] - last[:2]
        took = self._settings.drag_s + math.hypot(*way) / self._settings.speed_nm_s
        belief.error[row] += _WANDER_NM * math.sqrt(took) * rng.standard_normal((PARTICLES, 2))
        shown = copies.trace.reshape(PARTICLES, BINS, -1).mean(axis=2)
        misfit = np.minimum(0.5 * ((shown - current) / _CURRENT) ** 2, _WORST)
        self._weigh(belief, row, -_TRUST * misfit.sum(axis=1), rng)

    def _look(
        self,
        belief: DragBelief,
        row: int,
        image: Float64,
        found: Bool,
        rng: np.random.Generator,
    ) -> None:
        """Weight the particles by the adatoms that an image shows, and set these probabilities.

        Args:
            belief: changed in place.
            row: of the episode.
            image: (movers, 2) places in the image, by slot.
            found: (movers,) by slot.
            rng: of the error of the image's registration, and of a resampling.
        """
        sites, weight = belief.sites[row].copy(), belief.weight[row].copy()
        shift = _MARK_NM * rng.standard_normal((PARTICLES, 2))
        fit = np.zeros(PARTICLES)
        for slot, mover in enumerate(belief.slots[row]):
            if found[slot] and belief.dragged[row, mover]:
                apart = image[slot] - places_of(sites[:, mover]) - shift
                misfit = 0.5 * (apart**2).sum(axis=1) / _PLACE_NM**2
                fit -= np.minimum(misfit, _FARTHEST)
        self._weigh(belief, row, fit, rng)
        for slot, mover in enumerate(belief.slots[row]):
            if not found[slot]:
                continue
            if belief.dragged[row, mover]:
                self._see(belief, row, mover, image[slot])
                around = belief.around[row, mover]
                same = (sites[:, mover] == around[:, None]).all(axis=2)
                chance = _likelihood(around, image[slot]) * (same @ weight + _STRAY)
            else:
                around = belief.around[row, mover]
                chance = belief.chance[row, mover] * _likelihood(around, image[slot])
            if chance.sum() < 1e-6:  # moved by what is not known
                self._see(belief, row, mover, image[slot])
            else:
                belief.chance[row, mover] = chance / chance.sum()
            belief.dragged[row, mover] = False

    def _weigh(self, belief: DragBelief, row: int, fit: Float64, rng: np.random.Generator) -> None:
        """Weight the particles by log-likelihoods, and resample when few are left."""
        weight = belief.weight[row] * np.exp(fit - fit.max())
        belief.weight[row] = weight = weight / weight.sum()
        if 1.0 / (weight @ weight) > 0.6 * PARTICLES:
            return
        kept = systematic(weight, PARTICLES, float(rng.random()))
        for name in ("offset", "strength", "width", "error", "sites"):
            array = getattr(belief, name)
            array[row] = array[row, kept]
        belief.weight[row] = 1.0 / PARTICLES
        for name, least in _LEAST.items():
            values = getattr(belief, name)[row]
            mean, deviation = values.mean(axis=0), np.maximum(values.std(axis=0), least)
            drawn = _KERNEL * deviation * rng.standard_normal(values.shape)
            values[...] = mean + math.sqrt(1.0 - _KERNEL**2) * (values - mean) + drawn


def _places(told: Mapping[str, Float64], movers: int) -> tuple[Float64, Float64, Float64]:
    """Believed places and targets, (movers, 2), nm, and drags since the image, of one episode."""
    place = BORDER_NM * np.stack([of_slots(told, axis, movers)[0] for axis in "xy"], axis=1)
    way = 3.0 * np.stack([of_slots(told, f"way_{axis}", movers)[0] for axis in "xy"], axis=1)
    return place, place + way, 4.0 * of_slots(told, "stale", movers)[0]


def _still(places: Float64, slope: Float64) -> Float64:
    """Places in an image, (k, 2), without the drift while it was written.

    Args:
        places: nm.
        slope: (2,), drift for each nm along y.
    """
    y = places[:, 1] / (1.0 + slope[1])
    return np.stack([places[:, 0] - slope[0] * y, y], axis=1)


def _likelihood(sites: Int64, place: Float64) -> Float64:
    """Likelihood of hollows, (k,), for a measured place."""
    apart = places_of(sites) - place
    return np.exp(-0.5 * (apart**2).sum(axis=1) / (_PLACE_NM**2 + _MARK_NM**2))


def systematic(weight: Float64, count: int, first: float) -> Int64:
    """Systematic sample of indices, (count,), by weights."""
    steps = (np.arange(count) + first) / count
    return np.minimum(np.searchsorted(np.cumsum(weight), steps), len(weight) - 1)
