import math

import numpy as np
import pytest
import scipy.stats

from microgym.baselines.evaluation.statistics import (
    Estimate,
    bootstrap,
    interquartile_mean,
    mean,
    normalised_score,
    paired_difference,
    prediction_interval,
    score_with_gain,
    summed,
)


@pytest.mark.parametrize("n", [1, 3, 4, 7, 40])
def test_interquartile_mean_is_the_trimmed_mean_of_scipy(n):
    values = np.random.default_rng(n).normal(size=(5, n))
    assert interquartile_mean(values) == pytest.approx(scipy.stats.trim_mean(values, 0.25, axis=-1))


def test_interquartile_mean_does_not_feel_an_outlier():
    values = np.arange(8.0)
    wild = np.where(values == 7, 1e9, values)
    assert interquartile_mean(wild) == interquartile_mean(values) == 3.5


def test_bootstrap_agrees_with_scipy():
    values = np.random.default_rng(1).exponential(size=60)
    mine = bootstrap(values)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=10_000, rng=np.random.default_rng(2)
    ).confidence_interval
    assert mine.value == values.mean()
    assert mine.interval == pytest.approx((theirs.low, theirs.high), abs=0.012)


def test_intervals_cover_the_truth_as_often_as_they_say():
    generator = np.random.default_rng(3)
    samples = generator.normal(2.0, 1.0, (300, 60))
    found = [bootstrap(one, resamples=400, seed=i) for i, one in enumerate(samples)]
    covered = np.mean([one.low <= 2.0 <= one.high for one in found])
    assert 0.90 <= covered <= 0.98


def test_score_intervals_cover_the_truth_as_often_as_they_say():
    generator = np.random.default_rng(4)
    covered = 0
    for i in range(200):
        expert = generator.normal(0.0, 1.0, 60)
        oracle = expert + generator.normal(2.0, 0.5, 60)
        returns = expert + generator.normal(1.0, 0.5, 60)
        score = normalised_score(returns, expert, oracle, resamples=400, seed=i)
        covered += score.low <= 0.5 <= score.high
    assert 0.89 <= covered / 200 <= 0.99


def test_pairing_removes_what_specimens_share():
    generator = np.random.default_rng(5)
    specimen = generator.normal(0.0, 10.0, 100)
    a, b = specimen + 0.5 + generator.normal(0, 0.1, 100), specimen
    difference = paired_difference(a, b)
    assert difference.above_zero
    assert not paired_difference(b, a).above_zero
    assert paired_difference(b, a).below_zero
    assert difference.high - difference.low < 0.1
    assert bootstrap(a).high - bootstrap(a).low > 2


def test_training_seeds_add_their_own_uncertainty():
    specimens = np.random.default_rng(6).normal(size=(1, 500))
    alike = bootstrap(np.repeat(specimens, 4, axis=0))
    apart = bootstrap(specimens + np.array([[-1.0], [-0.5], [0.5], [1.0]]))
    assert apart.value == pytest.approx(alike.value)
    assert apart.high - apart.low > 3 * (alike.high - alike.low)


def test_same_seed_same_interval_however_memory_is_cut(monkeypatch):
    values = np.random.default_rng(7).normal(size=(3, 40))
    whole = bootstrap(values, interquartile_mean, seed=1)
    assert bootstrap(values, interquartile_mean, seed=1) == whole
    assert bootstrap(values, interquartile_mean, seed=2) != whole


def test_expert_scores_zero_and_oracle_one_exactly():
    generator = np.random.default_rng(8)
    expert = generator.normal(size=50)
    oracle = expert + generator.uniform(1, 3, 50)
    for returns, score in ((expert, 0.0), (oracle, 1.0)):
        found = normalised_score(returns, expert, oracle)
        assert (found.value, found.low, found.high) == pytest.approx((score,) * 3)


def test_the_score_is_a_ratio_of_means():
    expert, oracle, returns = np.zeros(4), np.array([1.0, 0.0, 0.0, 3.0]), np.full(4, 0.5)
    assert normalised_score(returns, expert, oracle).value == pytest.approx(0.5)


def test_no_headroom_no_score():
    worse = np.array([0.0, 1.0, 2.0, 3.0])
    none = normalised_score(worse, worse + 1, worse)
    assert all(map(math.isnan, (none.value, *none.interval)))
    doubtful = normalised_score(worse, worse, worse + np.array([-3.0, 4.0, -3.0, 3.0]))
    assert math.isfinite(doubtful.value)
    assert all(map(math.isnan, doubtful.interval))


def test_prediction_interval_covers_one_more_run():
    generator = np.random.default_rng(9)
    runs = generator.normal(5.0, 2.0, (4000, 6))
    inside = [low <= run[5] <= high for run in runs for low, high in [prediction_interval(run[:5])]]
    assert np.mean(inside) == pytest.approx(0.99, abs=0.005)
    low, high = prediction_interval([1.0, 3.0])
    half = scipy.stats.t.ppf(0.995, 1) * math.sqrt(2) * math.sqrt(1.5)
    assert (low, high) == pytest.approx((2 - half, 2 + half), rel=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap([]), "values must be"),
        (lambda: bootstrap(np.zeros((2, 2, 2))), "values must be"),
        (lambda: bootstrap([1.0, math.nan]), "finite"),
        (lambda: bootstrap([1.0], resamples=0), "resamples"),
        (lambda: paired_difference([1.0, 2.0], [1.0]), "same episodes"),
        (lambda: normalised_score([1.0, 2.0], [1.0], [1.0]), "same episodes"),
        (lambda: normalised_score([1.0], [[1.0], [1.0]], [1.0]), "expert and oracle"),
        (lambda: prediction_interval([1.0]), "2 to 11"),
    ],
)
def test_impossible_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_mean_is_over_the_last_axis():
    assert mean(np.arange(6.0).reshape(2, 3)).tolist() == [1.0, 4.0]


def test_a_score_counts_the_gain_of_a_better_oracle():
    rng = np.random.default_rng(0)
    expert = rng.normal(size=400)
    returns, oracle = expert + rng.normal(0.6, 0.2, 400), expert + rng.normal(1.0, 0.2, 400)
    score = normalised_score(returns, expert, oracle)
    headroom = paired_difference(oracle, expert)
    none = score_with_gain(score, headroom, Estimate(0.0, 0.0, 0.0))
    assert none.value == score.value
    assert none.interval == pytest.approx(score.interval)
    # A gain that is known on all episodes: the same as the score against the better oracle.
    whole = normalised_score(returns, expert, oracle + 0.5)
    found = score_with_gain(score, headroom, Estimate(0.5, 0.5, 0.5))
    assert found.value == pytest.approx(whole.value)
    assert found.interval == pytest.approx(whole.interval, abs=0.01)
    wide = score_with_gain(score, headroom, Estimate(0.5, 0.4, 0.6))
    assert wide.high - wide.value > found.high - found.value
    # To first order, the interval is that of the score at both ends of the gain.
    exact = Estimate(0.4, 0.4, 0.4)
    one = Estimate(1.0, 1.0, 1.0)
    assert score_with_gain(exact, one, Estimate(0.5, 0.4, 0.6)).high == pytest.approx(
        0.4 / 1.4, abs=0.002
    )
    assert np.isnan(score_with_gain(exact, one, Estimate(-1.0, -1.2, -0.8)).value)


def test_errors_of_a_sum_add_in_quadrature():
    found = summed(Estimate(1.0, 0.7, 1.3), Estimate(2.0, 1.6, 2.4))
    assert (found.value, found.low, found.high) == pytest.approx((3.0, 2.5, 3.5))
