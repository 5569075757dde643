"""Declared rewards: terms, weights and their sum."""

from itertools import pairwise

import numpy as np
import pytest

from microgym.envs.core.declarations import Term, reward_weights, weighted_sum

DECLARED = {"gain": Term(2.0, "gain"), "cost": Term(0.5, "cost", better="lower", scale=4.0)}
BEFORE, AFTER = np.array([1.0, 5.0]), np.array([3.0, 4.0])


def test_a_term_is_the_change_of_its_potential():
    np.testing.assert_array_equal(DECLARED["gain"].of(BEFORE, AFTER, 1.0), [2.0, -1.0])
    np.testing.assert_array_equal(DECLARED["cost"].of(BEFORE, AFTER, 4.0), [-0.5, 0.25])
    each = np.array([1.0, 10.0])
    np.testing.assert_array_equal(DECLARED["gain"].of(BEFORE, AFTER, each), [2.0, -0.1])


@pytest.mark.parametrize("cuts", [1, 2, 7])
def test_terms_of_an_episode_telescope(cuts):
    path = np.cumsum(np.random.default_rng(cuts).normal(size=(cuts + 1, 3)), axis=0)
    total = sum(DECLARED["cost"].of(a, b, 4.0) for a, b in pairwise(path))
    np.testing.assert_allclose(total, (path[0] - path[-1]) / 4.0, atol=1e-12)


def test_weights_are_the_declared_ones_with_changes():
    np.testing.assert_array_equal(reward_weights(DECLARED, {}), [2.0, 0.5])
    np.testing.assert_array_equal(reward_weights(DECLARED, {"cost": 3}), [2.0, 3.0])


def test_the_sum_does_not_depend_on_the_batch():
    rng = np.random.default_rng(0)
    terms, factors = rng.normal(size=(64, 5)), rng.normal(size=5)
    whole = weighted_sum(terms, factors)
    rows = [weighted_sum(terms[k : k + 1], factors)[0] for k in range(64)]
    np.testing.assert_array_equal(whole, rows)
    np.testing.assert_allclose(whole, terms @ factors)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"speed": 1.0}, ValueError, "unknown reward terms speed; known are gain, cost"),
        ({"gain": "much"}, TypeError, "weight of gain must be a real number"),
        ({"gain": np.nan}, ValueError, "weight of gain=nan must be finite"),
    ],
)
def test_bad_weights_are_refused(given, error, message):
    with pytest.raises(error, match=message):
        reward_weights(DECLARED, given)


def test_a_term_without_weight_or_direction_cannot_be_declared():
    with pytest.raises(TypeError, match="weight"):
        Term(doc="no weight")  # pyright: ignore[reportCallIssue]
    with pytest.raises(ValueError, match="better='sideways' must be"):
        Term(1.0, "gain", better="sideways")
    with pytest.raises(ValueError, match="must be finite"):
        Term(np.inf, "gain")
