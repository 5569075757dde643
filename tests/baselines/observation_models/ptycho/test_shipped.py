"""The network that is shipped: what its record says is measured again, on a few specimens."""

import numpy as np
import pytest

from microgym.baselines.evaluation.records import read_record
from microgym.baselines.observation_models.evaluate import made_from
from microgym.baselines.observation_models.ptycho import SPEC
from microgym.baselines.observation_models.ptycho.classical import (
    SolverSettings,
    halton_places,
    image_of,
    restore,
    take,
)
from microgym.baselines.observation_models.ptycho.dataset import LEARNT, Conditions
from microgym.baselines.observation_models.ptycho.evaluate import SCAN, coverage_under
from microgym.reconstruction.nn.network import STATED
from microgym.reconstruction.ptychography.neural import NETWORK
from microgym.specimens.splits import HELD_OUT
from tests.baselines.outdated import skip_outdated


@pytest.fixture(scope="module")
def record():
    return read_record(SPEC.record)


def test_the_record_is_of_this_network(record):
    assert record["network"]["sha256"] == made_from(NETWORK, NETWORK.shipped_file)["sha256"]


def test_what_must_hold_holds_in_the_record(record):
    assert SPEC.failed_claims(record) == []
    families = {one["family"] for one in record["claims"]}
    assert families == {*LEARNT, *HELD_OUT}
    assert {one["photons"] for one in record["claims"]} >= {1e3, 1e4}
    assert min(one["specimens"] for one in record["claims"]) >= 48


@pytest.mark.parametrize("family", ["sparse", "siemens_star"])
@pytest.mark.parametrize("photons", [1e3, 1e4])
def test_it_beats_the_best_classical_recipe_on_unseen_specimens(record, family, photons):
    skip_outdated(record)
    (claim,) = (
        one for one in record["claims"] if (one["family"], one["photons"]) == (family, photons)
    )
    conditions = Conditions(family, "test", SCAN, photons, drift="easy")
    taken = take(conditions, 500_000_000 + np.arange(8), halton_places(SCAN))
    image, _ = restore(NETWORK.shipped(), taken.inputs[claim["network_sweeps"]])
    network = taken.errors(image)
    classical = taken.errors(image_of(taken, SolverSettings.from_record(claim["recipe"])))
    # Four standard errors of eight specimens around what the record says.
    gain = claim["lit"]["gain"]
    error = (gain["high"] - gain["low"]) / 3.92 * np.sqrt(claim["specimens"] / 8)
    assert np.mean(classical - network) == pytest.approx(gain["value"], abs=4 * error)
    assert np.mean(network) < np.mean(classical)
    assert np.mean(network) < np.mean(taken.errors(np.ones_like(taken.truth)))


def test_its_uncertainty_covers_what_it_states():
    found = [coverage_under(NETWORK.shipped(), 700_000_000 + k, None)[1] for k in range(12)]
    # Of 12 sets of conditions, which differ by about 15 points, the mean is good to about 5.
    assert np.nanmean(found, axis=0) == pytest.approx(STATED, abs=0.15)
