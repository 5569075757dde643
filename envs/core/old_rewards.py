"""What a step is worth: named terms, each a change between before and after, and their sum.

Every term is a difference of a potential, divided by a constant of the episode. So the terms of an
episode add up to one difference between its end and its beginning (they telescope), however the
episode is cut into steps, and a return can be read: resolution is the gain in signal-to-noise in
bel, discovery the share of the structure seen, dose, damage and time the share spent, each with a
minus sign. Weights are applied on top; what must never happen is a cost, apart from the reward, and
`safety` counts it only where a user asks for that.

The term functions run every step on arrays of N microscopes. They are arithmetic alone: the task
checks the constants once, with `positive_budget`, and the quantities are its own.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]

_LEAST_AREA = 1e-300  # makes 0 / 0 nothing


def resolution(snr_db_before: Real, snr_db_after: Real) -> Real:
    """Gain in signal-to-noise on the structured area, in bel.

    Ten times less error power earns 1. An episode earns its final
    `microgym.metrics.structure_snr_db` over 10, as an empty estimate has 0 dB.

    Args:
        snr_db_before: (N,) dB.
        snr_db_after: (N,) dB.

    Returns:
        (N,) float64; negative where the step did harm.
    """
    return (snr_db_after - snr_db_before) / 10.0


def discovery(seen_before: Real, seen_after: Real, structured: Real) -> Real:
    """Newly seen part of the structured area.

    Args:
        seen_before: (N,) structured area that has been seen, any unit of area.
        seen_after: (N,) the same after the step.
        structured: (N,) all structured area, in the same unit. Where it is 0 there is nothing to
            see, and the term is 0.

    Returns:
        (N,) float64, adding up to at most 1 over an episode.
    """
    return (seen_after - seen_before) / np.maximum(structured, _LEAST_AREA)


def agreement(before: Real, after: Real) -> Real:
    """Gain in agreement with what is asked for.

    Args:
        before: (N,) agreement, 1 where it is complete, such as
            `microgym.metrics.jaccard` with a pattern to be written.
        after: (N,) the same after the step.

    Returns:
        (N,) float64, adding up to at most 1 over an episode that begins with none.
    """
    return after - before


def approach(left_before: Real, left_after: Real) -> Real:
    """Part of the way to what is asked for that was gone.

    Args:
        left_before: (N,) way that is left, over the one at the start.
        left_after: (N,) the same after the step.

    Returns:
        (N,) float64, adding up to at most 1 over an episode; negative where the step led away.
    """
    return left_before - left_after


def dose(photons_before: Real, photons_after: Real, budget_photons: float) -> Real:
    """Photons spent, over the nominal budget, negative.

    Args:
        photons_before: (N,) incident photons since the episode's start.
        photons_after: (N,) the same after the step.
        budget_photons: nominal photons of an episode, above 0.

    Returns:
        (N,) float64, adding up to -1 over an episode that spends the budget.
    """
    return (photons_before - photons_after) / budget_photons


def damage(lost_before: Real, lost_after: Real) -> Real:
    """Newly lost part of the specimen's contrast, negative.

    Args:
        lost_before: (N,) lost fraction of the initial contrast, 0 to 1.
        lost_after: (N,) the same after the step.

    Returns:
        (N,) float64, adding up to at least -1 over an episode.
    """
    return lost_before - lost_after


def time(seconds_before: Real, seconds_after: Real, budget_s: float) -> Real:
    """Instrument time spent, over the time budget, negative.

    Args:
        seconds_before: (N,) simulated seconds since the episode's start.
        seconds_after: (N,) the same after the step.
        budget_s: seconds of an episode, above 0.

    Returns:
        (N,) float64, adding up to -1 over an episode that uses all its time.
    """
    return (seconds_before - seconds_after) / budget_s


def safety(events_before: Real, events_after: Real) -> Real:
    """New events of the kind that must never happen, negative.

    Args:
        events_before: (N,) such events since the episode's start.
        events_after: (N,) the same after the step.

    Returns:
        (N,) float64, -1 an event.
    """
    return events_before - events_after


def tracking(lost_before: Real, lost_after: Real) -> Real:
    """Relief that a probe lost by not following the surface, negative.

    Args:
        lost_before: (N,) relief lost so far, over all there is.
        lost_after: (N,) the same after the step.

    Returns:
        (N,) float64, adding up to at least -1 over an episode.
    """
    return lost_before - lost_after


def force(excess_before: Real, excess_after: Real) -> Real:
    """Force above what a specimen suffers gladly, negative.

    Args:
        excess_before: (N,) excess so far over the limit, mean of the whole specimen.
        excess_after: (N,) the same after the step.

    Returns:
        (N,) float64, -1 for twice the limit everywhere.
    """
    return excess_before - excess_after


def positive_budget(name: str, value: float) -> float:
    """Check a constant that a term divides by.

    Args:
        name: what it is, for the message.
        value: the constant.

    Returns:
        The value as a float.

    Raises:
        TypeError: if it is no number.
        ValueError: if it is not finite or not above 0.
    """
    if not (math.isfinite(_number(name, value)) and value > 0.0):
        raise ValueError(f"{name} {value} must be finite and above 0")
    return float(value)


def _number(name: str, value: object) -> float:
    """A real number, not a truth value, as a float."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        raise TypeError(f"{name} {value!r} must be a number")
    if isinstance(value, np.complexfloating):
        raise TypeError(f"{name} {value!r} must be a real number")
    return float(value)


@dataclass(frozen=True)
class RewardWeights:
    """Weight of each term in the reward; all are design choices, and the user's to change.

    Attributes:
        resolution: per bel of signal-to-noise on the structured area.
        discovery: per whole structured area seen.
        dose: per nominal photon budget spent (a positive weight punishes).
        damage: per whole contrast lost (a positive weight punishes).
        time: per time budget spent (a positive weight punishes).
        safety: per event that must never happen (a positive weight punishes). 0, because such
            events are reported as a cost, apart from the reward.
        agreement: per complete agreement with what is asked for.
        approach: per whole way gone.
        tracking: per whole relief lost by a probe that does not follow (a positive weight
            punishes).
        force: per limit by which a probe presses too hard (a positive weight punishes).
    """

    resolution: float = 1.0
    discovery: float = 1.0
    dose: float = 0.1
    damage: float = 1.0
    time: float = 0.1
    safety: float = 0.0
    agreement: float = 1.0
    approach: float = 1.0
    tracking: float = 1.0
    force: float = 1.0

    def __post_init__(self) -> None:
        """Check every weight.

        Raises:
            TypeError: if a weight is no number.
            ValueError: if a weight is not finite.
        """
        for field in fields(self):
            weight = _number(f"weight of {field.name}", getattr(self, field.name))
            if not math.isfinite(weight):
                raise ValueError(f"weight of {field.name} {weight} must be finite")
            object.__setattr__(self, field.name, weight)

    def updated(
        self, changes: Mapping[str, float] | None, offered: Iterable[str] | None = None
    ) -> "RewardWeights":
        """These weights with a user's changes.

        Args:
            changes: weights by name; None changes nothing.
            offered: terms that the task has; None is all. Others keep weights without effect here,
                and a change to one is an error.

        Returns:
            New weights.

        Raises:
            TypeError: if `changes` is no mapping or a weight is no number.
            ValueError: if a name is unknown or not offered, or a weight is not finite.
        """
        if changes is None:
            return self
        if not isinstance(changes, Mapping):
            raise TypeError(f"reward weights {changes!r} must be a mapping of names to numbers")
        wanted = None if offered is None else set(offered)
        known = [name for name in TERMS if wanted is None or name in wanted]
        unknown = sorted(str(name) for name in changes if name not in known)
        if unknown:
            raise ValueError(
                f"unknown reward terms {', '.join(unknown)}; known are {', '.join(known)}"
            )
        return RewardWeights(**{**asdict(self), **changes})

    def vector(self, names: Iterable[str]) -> Real:
        """The weights of some terms.

        Args:
            names: terms, such as the keys of `info["reward_terms"]`.

        Returns:
            (names,) float64, in the order of `TERMS`, as the columns of `combine`.

        Raises:
            ValueError: if a name is unknown.
        """
        return np.array([getattr(self, name) for name in _ordered(names)])


TERMS = tuple(field.name for field in fields(RewardWeights))
"""Names of all terms, in the order in which they are added and stand in a vector reward."""

_KNOWN = frozenset(TERMS)


def _ordered(names: Iterable[str]) -> list[str]:
    given = set(names)
    if not given <= _KNOWN:
        unknown = ", ".join(sorted(str(name) for name in given - _KNOWN))
        raise ValueError(f"unknown reward terms {unknown}; known are {', '.join(TERMS)}")
    return [name for name in TERMS if name in given]


def combine(terms: Mapping[str, Real], weights: RewardWeights, vector: bool = False) -> Real:
    """One reward from its terms.

    Args:
        terms: (N,) float64 by name; any of `TERMS`, at least one.
        weights: the weights of the sum.
        vector: return the terms themselves, unweighted, for multi-objective work. The sum is then
            `combine(..., vector=True) @ weights.vector(terms)`, up to rounding.

    Returns:
        (N,) float64, or (N, terms) in the order of `TERMS`. Terms are added in that order whatever
        the mapping's, one microscope at a time, so that batches do not change a bit.

    Raises:
        ValueError: if a name is unknown or there is no term at all.
    """
    # This runs every step: no set is built unless something is wrong.
    columns = [(name, terms[name]) for name in TERMS if name in terms]
    if len(columns) != len(terms):
        _ordered(terms)
    if not columns:
        raise ValueError(f"no reward terms; known are {', '.join(TERMS)}")
    if vector:
        return np.stack([np.asarray(term, np.float64) for _, term in columns], axis=-1)
    name, term = columns[0]
    total = getattr(weights, name) * term
    for name, term in columns[1:]:
        total += getattr(weights, name) * term
    return total
