"""A recorded scan, thinned."""

import numpy as np
import pytest

from microgym.baselines.evaluation.protocols import find_recording
from microgym.baselines.observation_models.ptycho import siemens_star
from microgym.baselines.observation_models.ptycho.siemens_star import SHARE, make_star, spread
from microgym.reconstruction.ptychography.neural import NETWORK


def test_exposures_are_spread_over_the_recording():
    rng = np.random.default_rng(0)
    places = rng.uniform(0.0, 100.0, (400, 2))
    chosen = spread(places, 25)
    assert len(set(chosen.tolist())) == 25
    away = np.hypot(*(places[:, None] - places[chosen]).transpose(2, 0, 1)).min(axis=1)
    assert away.max() < 35.0
    assert away.mean() < 13.0
    assert sorted(spread(places[:30], 30).tolist()) == list(range(30))


@pytest.mark.slow
def test_the_recorded_star_at_a_tenth_of_its_dose(monkeypatch):
    """About a minute: a full reconstruction, then a scan of 24 exposures."""
    path = find_recording("Ptycho-v0")
    if path is None:
        pytest.skip("the recorded Siemens star, ../shared/data, is absent")
    monkeypatch.setattr(siemens_star, "EXPOSURES", (24,))
    found = make_star(NETWORK.shipped(), path, 0)
    assert found["share"] == SHARE == 0.1
    (scan,) = found["scans"]
    assert (scan["exposures"], scan["recorded"]) == (24, 516)
    errors = scan["errors"]
    assert all(0.0 < error < 1.0 for error in errors.values())
    assert errors["tuned"] <= errors["vacuum"]  # to stop before the first sweep is allowed
    assert siemens_star.STAR_STOPS[0] == 0
    assert errors["network_0"] < errors["running_0"]
