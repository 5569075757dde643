"""Scores of detectors, and the search for the best matched filter."""

import numpy as np
import pytest

from microgym.baselines.observation_models.stm.classical import (
    NEAR_NM,
    THRESHOLDS,
    at_least,
    find_classically,
    logistic_fit,
    matched,
    tuned,
)
from microgym.baselines.observation_models.stm.dataset import Conditions, LabelledImages, take
from microgym.reconstruction.adatoms.observation_model import MatchedFilter


def images_with(places, present):
    count = len(places)
    heights = np.zeros((count, 64, 64), np.float32)
    return LabelledImages(heights, np.array(places), np.array(present), np.zeros(count, np.int64))


@pytest.fixture
def scene():
    """Two adatoms of which one is found, a false spot, and an image that is empty."""
    images = images_with(
        [[(1.0, 0.0), (2.0, 0.0)], [(0.0, 0.0), (0.0, 0.0)]], [[True, True], [False, False]]
    )
    spots = np.zeros((2, 5, 4))
    spots[0, 0] = (1.0 + 0.6 * NEAR_NM, 0.0, 0.9, 0.1)
    spots[0, 1] = (1.0, 0.3 * NEAR_NM, 0.6, 0.2)
    spots[0, 2] = (-3.0, 0.0, 0.4, 0.1)
    return spots, images


def test_the_nearest_spot_is_the_adatom_and_others_are_false(scene):
    spots, images = scene
    found = matched(spots, np.array([3, 0]), images)
    assert found.hit[0].tolist() == [False, True, False, False, False]
    assert found.hit.sum(axis=1).tolist() == [1, 0]
    assert (found.valid & ~found.hit).sum(axis=1).tolist() == [2, 0]
    assert (found.precision, found.recall) == (1 / 3, 1 / 2)
    assert found.f1.tolist() == [2 / 5, 1.0]
    assert found.errors[0] == pytest.approx([0.3 * NEAR_NM, np.nan], nan_ok=True)
    assert found.relative == pytest.approx([0.0, 0.3 * NEAR_NM / 0.2])


def test_fewer_spots_are_told_from_a_higher_probability_on(scene):
    spots, images = scene
    found = matched(spots, np.array([3, 0]), images)
    fewer = at_least(found, 0.7, images)
    assert fewer.valid.sum() == 1
    assert fewer.hit[0, 0]
    assert fewer.errors[0, 0] == pytest.approx(0.6 * NEAR_NM)
    none = at_least(found, 0.95, images)
    assert (none.precision, none.recall) == (1.0, 0.0)


def test_what_is_too_far_is_not_the_adatom(scene):
    spots, images = scene
    spots[0, :2, 1] = 1.01 * NEAR_NM
    assert not matched(spots, np.array([2, 0]), images).hit.any()


def test_the_search_finds_settings_that_find_adatoms():
    judged = take(Conditions("terrace", "validation", state="sharp"), np.arange(12))
    best = tuned(judged)
    assert best.threshold in THRESHOLDS
    found = find_classically(
        best, take(Conditions("terrace", "test", state="sharp"), np.arange(12))
    )
    assert found.f1.mean() > 0.95
    assert np.nanmean(found.errors) < 0.05
    assert np.abs(np.nanmean(found.offsets, axis=(0, 1))).max() < 0.015
    assert 0.005 < best.lag_nm < 0.03
    assert best.spread_nm == pytest.approx(np.sqrt(np.nanmean(found.offsets**2)), rel=0.4)
    poor = MatchedFilter(width_nm=0.15, reach_px=1, threshold=0.15)
    assert find_classically(best, judged).f1.mean() > find_classically(poor, judged).f1.mean()


def test_a_logistic_fit_finds_what_the_data_were_drawn_from():
    rng = np.random.default_rng(0)
    x = rng.normal(size=20_000)
    y = rng.random(x.size) < 1.0 / (1.0 + np.exp(-(1.7 * x - 0.4)))
    assert logistic_fit(x, y) == pytest.approx((1.7, -0.4), abs=0.06)
