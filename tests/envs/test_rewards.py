"""Reward terms: units, telescoping, and what combines them."""

import itertools
import math
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from microgym.envs.core import rewards
from microgym.envs.core.rewards import TERMS, RewardWeights, combine

RNG_SHAPE = (41, 5)  # 40 steps of 5 microscopes


def potentials(seed: int, scale: float = 1.0) -> NDArray[np.float64]:
    """Quantities that grow along an episode."""
    return np.cumsum(np.random.default_rng(seed).random(RNG_SHAPE), axis=0) * scale


STRUCTURED = np.array([30.0, 40.0, 50.0, 60.0, 70.0])
EACH = {
    "resolution": lambda a, b: rewards.resolution(a, b),
    "discovery": lambda a, b: rewards.discovery(a, b, STRUCTURED),
    "dose": lambda a, b: rewards.dose(a, b, 3.6e6),
    "damage": lambda a, b: rewards.damage(a, b),
    "time": lambda a, b: rewards.time(a, b, 45.0),
    "safety": lambda a, b: rewards.safety(a, b),
    "agreement": lambda a, b: rewards.agreement(a, b),
    "approach": lambda a, b: rewards.approach(a, b),
    "tracking": lambda a, b: rewards.tracking(a, b),
    "force": lambda a, b: rewards.force(a, b),
}


def test_there_is_one_function_for_every_weight():
    assert set(EACH) == set(TERMS)
    first = ("resolution", "discovery", "dose", "damage", "time", "safety")
    assert (*first, "agreement", "approach", "tracking", "force") == TERMS
    for name in TERMS:
        assert callable(getattr(rewards, name))


@pytest.mark.parametrize("name", TERMS)
def test_terms_telescope(name):
    path, term = potentials(0, 7.0), EACH[name]
    steps = sum(term(a, b) for a, b in itertools.pairwise(path))
    assert steps == pytest.approx(term(path[0], path[-1]), rel=1e-12)
    halves = term(path[0], path[17]) + term(path[17], path[-1])
    assert halves == pytest.approx(term(path[0], path[-1]), rel=1e-12)
    assert (term(path[3], path[3]) == 0.0).all()


def test_terms_have_the_stated_units():
    zero, one = np.zeros(2), np.ones(2)
    assert rewards.resolution(zero, np.array([10.0, -25.0])).tolist() == [1.0, -2.5]
    seen = rewards.discovery(np.array([10.0, 0.0]), np.array([35.0, 0.0]), np.array([50.0, 0.0]))
    assert seen.tolist() == [0.5, 0.0]
    assert rewards.dose(zero, np.array([2.5e5, 1e6]), 1e6).tolist() == [-0.25, -1.0]
    assert rewards.damage(np.array([0.1, 0.0]), one).tolist() == [-0.9, -1.0]
    assert rewards.time(one, np.array([3.0, 21.0]), 20.0).tolist() == [-0.1, -1.0]
    assert rewards.safety(zero, np.array([1.0, 2.0])).tolist() == [-1.0, -2.0]
    assert rewards.agreement(np.array([0.25, 0.5]), one).tolist() == [0.75, 0.5]
    assert rewards.approach(one, np.array([0.25, 1.5])).tolist() == [0.75, -0.5]
    assert rewards.tracking(np.array([0.2, 0.0]), one).tolist() == [-0.8, -1.0]
    assert rewards.force(zero, np.array([0.5, 3.0])).tolist() == [-0.5, -3.0]


def test_an_episodes_resolution_is_its_final_signal_to_noise():
    path = np.array([0.0, 2.0, 1.5, 9.0, 12.3])
    assert float(np.sum(rewards.resolution(path[:-1], path[1:]))) == pytest.approx(1.23)


def test_combine_is_the_weighted_sum():
    terms = {name: potentials(k)[k] for k, name in enumerate(TERMS)}
    values = (2.0, -1.0, 0.5, 0.25, 3.0, 1.5, 0.7, -0.3, 0.75, -0.5)
    weights = RewardWeights(*values)
    expected = sum(w * terms[n] for w, n in zip(values, TERMS, strict=True))
    found = combine(terms, weights)
    assert found == pytest.approx(expected, rel=1e-14)
    assert found.dtype == np.float64
    assert combine({"dose": terms["dose"]}, weights) == pytest.approx(0.5 * terms["dose"])


def test_combine_does_not_depend_on_order_batch_or_the_terms_memory():
    terms = {name: potentials(k, 1e-3)[k] for k, name in enumerate(TERMS)}
    weights = RewardWeights(0.3, 0.7, 0.1, 1.1, 0.9, 0.2, 0.6)
    found = combine(terms, weights)
    assert combine(dict(reversed(terms.items())), weights).tobytes() == found.tobytes()
    for row in range(5):
        alone = combine({name: term[row : row + 1] for name, term in terms.items()}, weights)
        assert alone.tobytes() == found[row : row + 1].tobytes()
    first = combine({"resolution": terms["resolution"]}, RewardWeights())
    first[:] = np.nan
    assert np.isfinite(terms["resolution"]).all()


def test_vector_reward_holds_the_bare_terms():
    terms = {name: potentials(k)[k] for k, name in enumerate(("time", "dose", "resolution"))}
    weights = RewardWeights(resolution=2.0, dose=0.3, time=0.7)
    rows = combine(terms, weights, vector=True)
    assert rows.shape == (5, 3)
    assert rows[:, 0].tolist() == terms["resolution"].tolist()
    assert rows[:, 2].tolist() == terms["time"].tolist()
    assert weights.vector(terms).tolist() == [2.0, 0.3, 0.7]
    assert rows @ weights.vector(terms) == pytest.approx(combine(terms, weights), rel=1e-14)


def test_weights_take_a_users_changes():
    weights = RewardWeights(dose=0.4)
    changed = weights.updated({"time": 2, "dose": cast(Any, np.float32(0.5))})
    assert changed == RewardWeights(dose=0.5, time=2.0)
    assert isinstance(changed.time, float)
    assert weights.updated(None) is weights
    assert weights == RewardWeights(dose=0.4)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_weights_must_be_finite(bad):
    with pytest.raises(ValueError, match=r"weight of damage .* must be finite"):
        RewardWeights(damage=bad)
    with pytest.raises(ValueError, match="weight of time"):
        RewardWeights().updated({"time": bad})


@pytest.mark.parametrize("bad", ["1", None, True, 1j, [1.0], np.complex64(1)])
def test_weights_must_be_numbers(bad):
    with pytest.raises(TypeError, match="weight of dose"):
        RewardWeights().updated({"dose": bad})


def test_unknown_terms_are_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"terms beauty, speed; known are resolution, discovery"):
        RewardWeights().updated({"speed": 1.0, "beauty": 2.0})
    with pytest.raises(ValueError, match=r"terms discovery; known are dose, time"):
        RewardWeights().updated({"discovery": 1.0}, offered=("time", "dose"))
    with pytest.raises(TypeError, match="mapping"):
        RewardWeights().updated(cast(Any, [("dose", 1.0)]))
    with pytest.raises(ValueError, match=r"terms noise; known are resolution"):
        combine({"noise": np.zeros(1)}, RewardWeights())
    with pytest.raises(ValueError, match="terms noise"):
        RewardWeights().vector(["noise"])
    with pytest.raises(ValueError, match="no reward terms"):
        combine({}, RewardWeights())


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_budgets_must_be_above_zero(bad):
    with pytest.raises(ValueError, match=r"dose_budget .* above 0"):
        rewards.positive_budget("dose_budget", bad)
    assert rewards.positive_budget("dose_budget", 3) == 3.0
    with pytest.raises(TypeError, match="dose_budget"):
        rewards.positive_budget("dose_budget", cast(Any, "3"))
