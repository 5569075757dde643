"""Events: Poisson statistics, the coupling of rates, slices of time."""

import math

import numpy as np
import pytest
from scipy import stats

from microgym.physics.stochastic_events import (
    NEVER,
    next_event,
    start_events,
)


def begin(seed, largest, process=1):
    candidate = np.zeros(2)
    start_events(seed, process, largest, candidate)
    return candidate


def times(seed, until, rate, largest, slices=1, process=1):
    candidate, found = begin(seed, largest, process), []
    for end in np.linspace(0.0, until, slices + 1)[1:]:
        while (time := next_event(seed, process, end, rate, largest, candidate)) < NEVER:
            found.append(time)
    return np.array(found)


def test_counts_are_poisson():
    # 0.7 and 1 per second for 10 s, of candidates at 1 per second.
    count = 20_000
    for rate in (0.7, 1.0):
        counts = np.array([times(k, 10.0, rate, 1.0).size for k in range(count)])
        mean = 10.0 * rate
        assert counts.mean() == pytest.approx(mean, abs=4.5 * math.sqrt(mean / count))
        spread = math.sqrt((mean + 2 * mean**2) / count)
        assert counts.var() == pytest.approx(mean, abs=4.5 * spread)


def test_times_are_uniform_and_waits_exponential():
    found = [times(k, 50.0, 0.5, 2.0) for k in range(400)]
    assert stats.kstest(np.concatenate(found) / 50.0, "uniform").pvalue > 1e-3
    waits = np.concatenate([np.diff(times(k, 4000.0, 0.5, 2.0)) for k in range(3)])
    assert waits.size > 5000
    assert stats.kstest(0.5 * waits, "expon").pvalue > 1e-3


def test_a_higher_rate_keeps_every_event():
    low, high = [], []
    for k in range(2000):
        few, many = times(k, 10.0, 0.7, 1.0), times(k, 10.0, 1.0, 1.0)
        assert set(few) <= set(many)
        low.append(few.size)
        high.append(many.size)
    # The covariance of a thinned count with the whole one is its own variance.
    assert np.corrcoef(low, high)[0, 1] == pytest.approx(math.sqrt(0.7), abs=0.03)


@pytest.mark.parametrize("slices", [2, 7, 1000])
def test_slices_of_time_change_nothing(slices):
    for k in range(50):
        whole, sliced = times(k, 30.0, 0.6, 1.0), times(k, 30.0, 0.6, 1.0, slices)
        np.testing.assert_array_equal(sliced, whole)


def test_a_rate_that_changes_with_the_state():
    # From 1 to 0.2 per second at the first event: waits of both kinds, candidates all the while.
    count, first, second = 5000, [], []
    for k in range(count):
        candidate = begin(k, 1.0)
        one = next_event(k, 1, 1e9, 1.0, 1.0, candidate)
        first.append(one)
        second.append(next_event(k, 1, 1e9, 0.2, 1.0, candidate) - one)
    assert np.mean(first) == pytest.approx(1.0, abs=4.5 / math.sqrt(count))
    assert np.mean(second) == pytest.approx(5.0, abs=4.5 * 5.0 / math.sqrt(count))
    assert abs(np.corrcoef(first, second)[0, 1]) < 4.5 / math.sqrt(count)


def test_kinds_of_events_are_independent():
    a = np.array([times(k, 10.0, 1.0, 1.0, process=1).size for k in range(4000)])
    b = np.array([times(k, 10.0, 1.0, 1.0, process=2).size for k in range(4000)])
    assert abs(np.corrcoef(a, b)[0, 1]) < 4.5 / math.sqrt(4000)


def test_nothing_happens_at_rate_zero_or_unbegun():
    assert times(1, 1e6, 0.0, 0.01).size == 0
    assert times(1, 1e12, 1.0, 0.0).size == 0
    assert next_event(1, 1, 1e12, 1.0, 1.0, np.array([NEVER, 0.0])) == NEVER


def test_a_rate_above_the_largest_counts_as_that():
    np.testing.assert_array_equal(times(3, 50.0, 7.0, 1.0), times(3, 50.0, 1.0, 1.0))
