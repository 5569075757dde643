"""The network that is shipped: what its record says is measured again, on a few frames."""

import numpy as np
import pytest

from microgym.baselines.evaluation.records import read_record
from microgym.baselines.observation_models.afm import SPEC
from microgym.baselines.observation_models.afm.classical import (
    RestorationSettings,
    relative_error,
    restore,
    restore_classically,
)
from microgym.baselines.observation_models.afm.dataset import LEARNT, Conditions, scan_frames
from microgym.baselines.observation_models.afm.evaluate import SPEEDS, coverage_under
from microgym.baselines.observation_models.afm.page import draw_figure
from microgym.baselines.observation_models.evaluate import made_from
from microgym.reconstruction.nn.network import STATED
from microgym.reconstruction.topography.observation_model import NETWORK
from microgym.specimens.splits import HELD_OUT_SURFACES
from tests.baselines.outdated import skip_outdated


@pytest.fixture(scope="module")
def record():
    return read_record(SPEC.record)


def test_the_record_is_of_this_network(record):
    assert record["network"]["sha256"] == made_from(NETWORK, NETWORK.shipped_file)["sha256"]


def test_what_must_hold_holds_in_the_record(record):
    assert SPEC.failed_claims(record) == []
    assert {one["family"] for one in record["claims"]} == {*LEARNT, *HELD_OUT_SURFACES}
    assert {one["speed"] for one in record["claims"]} == set(SPEEDS)
    assert min(one["specimens"] for one in record["claims"]) >= 48


@pytest.mark.parametrize("family", ["fibres", "particles", "trenches"])
def test_it_beats_the_best_simple_restoration_on_unseen_surfaces(record, family):
    skip_outdated(record)
    (claim,) = (
        one for one in record["claims"] if (one["family"], one["speed"]) == (family, "fast")
    )
    conditions = Conditions(family, "test", rates_hz=SPEEDS["fast"], lines=32)
    frames = scan_frames(conditions, 500_000_000 + np.arange(8), 9)
    ((_, heights),) = restore_classically(frames, (RestorationSettings(**claim["recipe"]),))
    simply = relative_error(heights, frames.truth)
    network = relative_error(restore(NETWORK.shipped(), frames)[0], frames.truth)
    # Four standard errors of eight frames around what the record says.
    gain = claim["gain"]
    error = (gain["high"] - gain["low"]) / 3.92 * np.sqrt(claim["specimens"] / 8)
    assert np.mean(simply - network) == pytest.approx(gain["value"], abs=4 * error)
    trace = relative_error(frames.signals[:, :, 0], frames.truth)
    assert np.mean(network) < np.mean(trace)


def test_its_uncertainty_covers_what_it_states():
    seeds = 701_000_000 + np.arange(10)
    found = [coverage_under(NETWORK.shipped(), seed, None)[1] for seed in seeds.tolist()]
    # Of 10 sets of conditions, which differ by about 15 points, the mean is good to about 5.
    assert np.mean(found, axis=0) == pytest.approx(STATED, abs=0.15)


def test_the_figure_is_drawn_from_the_record(record):
    assert draw_figure(NETWORK.shipped(), record)[:8] == b"\x89PNG\r\n\x1a\n"
