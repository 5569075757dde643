"""A recorded scan in the instrument's place: what is replayed, thinned, charged and judged by."""

from dataclasses import replace

import numpy as np
import pytest

from microgym.instruments.ptychography.settings import DEAD_TIME_S, STAGE_SPEED_PX_S
from microgym.instruments.recorded.reference_reconstruction import full_reconstruction
from microgym.instruments.recorded.replay import ReplayInstrument
from microgym.metrics import complex_error, structure_snr_db
from microgym.random import episode_key
from microgym.state import arrays
from tests.microgym.instruments import scans

CELLS = 16
RECORDING = scans.make_recording()
SPECIMEN, PROBE, PLACES = scans.scene()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return str(scans.write(tmp_path_factory.mktemp("scan")))


def started(path, num_envs=2, photons_per_s=1e4):
    instrument = ReplayInstrument(num_envs, path, CELLS, photons_per_s)
    begin(instrument)
    return instrument


def begin(instrument):
    count = len(instrument.state.keys)
    keys = np.stack([episode_key(seed) for seed in range(count)])
    instrument.reset(np.arange(count), keys, "sparse", "train")


def everything(instrument):
    return [*arrays(instrument.state), *arrays(instrument.sample)]


def on_field(instrument):
    """Recorded positions in the instrument's frame."""
    middle = (RECORDING.positions.min(axis=0) + RECORDING.positions.max(axis=0)) / 2
    return RECORDING.positions - middle + instrument.field_px / 2


@pytest.fixture(scope="module")
def shared(path):
    return ReplayInstrument(2, path, CELLS, 1e4)


@pytest.fixture
def replay(shared):
    begin(shared)
    return shared


def test_the_field_holds_every_recorded_patch(replay):
    places = on_field(replay)
    span = np.ptp(RECORDING.positions, axis=0).max()
    assert replay.region_px % CELLS == 0
    assert span + 2 <= replay.region_px < span + 2 + CELLS
    assert replay.field_px == replay.region_px + scans.N
    half = scans.N // 2
    assert places.min() >= half
    assert places.max() <= replay.field_px - half


def test_the_nearest_exposure_is_replayed(replay):
    places = on_field(replay)
    rng = np.random.default_rng(0)
    low, high = scans.N / 2, replay.field_px - scans.N / 2
    for _ in range(10):
        asked = rng.uniform(low, high, (2, 2))
        replay.expose(np.arange(2), asked, np.full(2, 100.0))
        for row in range(2):
            nearest = int(np.argmin(np.hypot(*(places - asked[row]).T)))
            assert replay.state.beam[row] == pytest.approx(places[nearest])
            # 100 s would be five times what was recorded: all of it is given, and not more.
            wanted = RECORDING.patterns[nearest].ravel()
            assert np.array_equal(replay.state.measurement.counts[row], wanted)
            corner = np.floor(places[nearest] + 0.5).astype(int) - scans.N // 2
            assert replay.state.measurement.corner[row].tolist() == corner.tolist()


def test_thinning_keeps_poisson_statistics(path):
    # 0.4 of the recorded dose, 500 microscopes over one recorded exposure.
    count = 500
    instrument = started(path, count, 0.4 * scans.PHOTONS)
    place = on_field(instrument)[40]
    instrument.expose(np.arange(count), np.tile(place, (count, 1)), np.ones(count))
    recorded = RECORDING.patterns[40].ravel().astype(np.float64)
    share = instrument.state.measurement.photons[0] / instrument.most_photons
    assert share == pytest.approx(0.4, abs=0.05)
    counts = instrument.state.measurement.counts.astype(np.float64)
    assert np.array_equal(counts, np.floor(counts))
    assert np.all(counts <= recorded)
    lit = recorded > 20
    mean, variance = share * recorded[lit], share * (1 - share) * recorded[lit]
    deviation = (counts.mean(axis=0)[lit] - mean) / np.sqrt(variance / count)
    assert abs(np.mean(deviation**2) - 1) < 5 * np.sqrt(2 / lit.sum())
    ratio = counts.var(axis=0, ddof=1)[lit] / variance
    assert abs(ratio.mean() - 1) < 5 * np.sqrt(2 / (count * lit.sum()))


def test_dose_is_charged_as_thinned_and_never_above_the_recorded(replay):
    most = replay.most_photons
    assert most == pytest.approx(scans.PHOTONS, rel=0.05)
    place = np.tile(on_field(replay)[3], (2, 1))
    replay.expose(np.arange(2), place, np.array([2.0, 1000.0]))
    assert replay.state.measurement.photons == pytest.approx([2e4, most])
    assert replay.state.ledger.dose == pytest.approx([2e4, most])
    assert replay.sample.fluence.sum(axis=(1, 2)) == pytest.approx([2e4, most], rel=1e-5)
    total = RECORDING.patterns[3].sum()
    assert replay.state.measurement.counts[1].sum() == total
    assert replay.state.measurement.counts[0].sum() / total == pytest.approx(2e4 / most, rel=0.05)


def test_ledger_counts_time_way_and_exposures(replay):
    places = on_field(replay)
    dwell = np.array([0.5, 3.0])
    for k in (10, 47):
        replay.expose(np.arange(2), np.tile(places[k], (2, 1)), dwell)
    start = np.full(2, replay.field_px / 2)
    way = np.hypot(*(places[10] - start)) + np.hypot(*(places[47] - places[10]))
    ledger = replay.state.ledger
    assert ledger.exposures.tolist() == [2, 2]
    assert ledger.path_m == pytest.approx([way * 2e-8] * 2)
    assert ledger.time_s == pytest.approx(2 * (dwell + DEAD_TIME_S) + way / STAGE_SPEED_PX_S)


def test_only_the_listed_rows_advance(replay):
    before = {name: array[0].copy() for name, array in everything(replay)}
    replay.expose(np.array([1]), np.tile(on_field(replay)[3], (2, 1)), np.ones(2))
    for name, array in everything(replay):
        assert np.array_equal(array[0], before[name]), name
    assert replay.state.ledger.exposures.tolist() == [0, 1]


def test_thinning_does_not_depend_on_the_batch(path, replay):
    places = on_field(replay)
    for k in (5, 60):
        replay.expose(np.arange(2), places[[k, k + 1]], np.ones(2))
    alone = ReplayInstrument(1, path, CELLS, 1e4)
    alone.reset(np.arange(1), episode_key(1)[None], "sparse", "train")
    for k in (5, 60):
        alone.expose(np.arange(1), places[[k + 1]], np.ones(1))
    assert (
        alone.state.measurement.counts[0].tobytes() == replay.state.measurement.counts[1].tobytes()
    )


def test_bad_pixels_are_not_trusted(tmp_path):
    valid = np.ones((scans.N, scans.N), bool)
    valid[3, 4:9] = False
    patterns = np.where(valid, RECORDING.patterns, 0.0).astype(np.float32)
    path = tmp_path / "masked.npz"
    scans.save(path, replace(RECORDING, patterns=patterns, valid=valid))
    instrument = started(str(path), 1)
    instrument.expose(np.arange(1), on_field(instrument)[:1], np.ones(1))
    assert np.array_equal(
        instrument.state.measurement.known[0].reshape(scans.N, scans.N) == 1.0, valid
    )


def test_a_changed_file_is_read_again(tmp_path):
    path = scans.write(tmp_path)
    first = ReplayInstrument(1, str(path), CELLS, 1e4)
    again = ReplayInstrument(3, str(path), CELLS, 1e4)
    assert np.array_equal(again.sample.pristine_re[2], first.sample.pristine_re[0])
    scans.save(path, replace(RECORDING, patterns=2.0 * RECORDING.patterns))
    brighter = ReplayInstrument(1, str(path), CELLS, 1e4)
    assert brighter.most_photons == pytest.approx(2.0 * first.most_photons, rel=0.05)


@pytest.mark.parametrize(
    ("num_envs", "photons", "message"),
    [(0, 1e4, "num_envs=0"), (1, -5.0, "photons_per_s=-5.0 must be above zero")],
)
def test_impossible_replays_are_refused(path, num_envs, photons, message):
    with pytest.raises(ValueError, match=message):
        ReplayInstrument(num_envs, path, CELLS, photons)


# --- the reference -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference():
    return full_reconstruction(RECORDING, PLACES, 96)


def test_the_reference_is_the_specimen(reference):
    middle = slice(28, 70)
    inside = np.zeros((96, 96), bool)
    inside[middle, middle] = True
    assert np.all(reference.image[inside] != 1.0), "not covered"
    assert complex_error(reference.image[middle, middle], SPECIMEN[middle, middle]) < 0.03
    bars = np.abs(SPECIMEN - 1.0) > 0.25
    assert structure_snr_db(reference.image, SPECIMEN, bars & inside) > 13.0
    # Empty parts are at one: without that, contrast to vacuum would mean nothing.
    empty = inside & (np.abs(SPECIMEN - 1.0) < 1e-3)
    assert np.abs(np.mean(reference.image[empty]) - 1.0) < 0.03


def test_the_reference_knows_dose_and_structure(reference):
    assert reference.photons == pytest.approx(scans.PHOTONS, rel=0.05)
    power = np.sum(np.abs(reference.probe.astype(complex)) ** 2)
    assert power == pytest.approx(1.0, rel=1e-6)
    strong = np.abs(SPECIMEN - 1.0) > 0.4
    found = reference.structure
    assert found[strong].mean() > 0.9
    inside = np.zeros((96, 96), bool)
    inside[28:70, 28:70] = True
    assert found[inside & (np.abs(SPECIMEN - 1.0) < 0.02)].mean() < 0.05


def test_the_instrument_is_judged_by_the_reference(replay):
    again = full_reconstruction(RECORDING, on_field(replay), replay.field_px)
    assert replay.sample.pristine_re[0] == pytest.approx(again.image.real, abs=1e-5)
    assert np.array_equal(replay.sample.structure[1], again.structure)
    assert replay.known_probe.shape == again.probe.shape
