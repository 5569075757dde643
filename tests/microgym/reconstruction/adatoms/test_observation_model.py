"""Detectors of adatoms: the classical one, files of networks, and what is refused."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from microgym.numerics.threads import parallel_rows
from microgym.reconstruction.adatoms.observation_model import (
    NETWORK,
    ClassicalDetector,
    MatchedFilter,
    NeuralDetector,
)
from microgym.reconstruction.adatoms.peak_detection import MOST
from tests.microgym.reconstruction.adatoms.networks import (
    CALIBRATION,
    EDGE,
    FIELD_NM,
    make_images,
    make_network,
    make_weights,
    tensors_of,
)

PLACES = np.array([[(-2.03, 1.11), (0.52, -0.47), (2.6, 2.2)]])


@pytest.fixture
def tensors():
    return tensors_of(make_network())


@pytest.fixture
def file(tmp_path, tensors):
    path = tmp_path / "net.safetensors"
    save_file(tensors, path, {"format": NETWORK.format})
    return path


def found_by(detector, images):
    detector.estimate(np.arange(len(images)), images)
    return [f[:count] for f, count in zip(detector.state.found, detector.state.counts, strict=True)]


def test_the_matched_filter_finds_places_to_a_tenth_of_a_pixel():
    settings = MatchedFilter(lag_nm=0.0)
    images = make_images(PLACES, tilt=0.2)
    (spots,) = found_by(ClassicalDetector(1, EDGE, FIELD_NM, settings), images)
    order = np.lexsort(PLACES[0].T)
    assert len(spots) == 3
    assert spots[:, :2] == pytest.approx(PLACES[0][order], abs=0.012)
    assert (spots[:, 2] > 0.5).all()
    (lagging,) = found_by(ClassicalDetector(1, EDGE, FIELD_NM, MatchedFilter(lag_nm=0.1)), images)
    assert lagging[:, :2] == pytest.approx(spots[:, :2] - (0.1, 0.0), abs=1e-12)


def test_the_response_is_the_height_of_the_bump_whatever_it_stands_on():
    settings = MatchedFilter(width_nm=0.3, threshold=0.3, slope=1.0, place=0.0)
    centred = np.array([[(0.0625, 0.0625)]])  # the middle of a pixel
    image = make_images(centred, noise=0.0)
    (spot,) = found_by(ClassicalDetector(1, EDGE, FIELD_NM, settings), image)
    assert np.log(spot[0, 2] / (1.0 - spot[0, 2])) == pytest.approx(1.0, abs=0.01)
    (same,) = found_by(ClassicalDetector(1, EDGE, FIELD_NM, settings), image + np.float32(3.0))
    assert same == pytest.approx(spot, abs=1e-4)


def test_within_reach_only_the_stronger_spot_is_told():
    pair = np.array([[(0.0, 0.0), (0.7, 0.0)]])
    images = make_images(pair, noise=0.0)
    images[0, :, 33:] *= np.float32(0.9)
    near = MatchedFilter(width_nm=0.2, reach_px=1, threshold=0.3)
    far = MatchedFilter(width_nm=0.2, reach_px=6, threshold=0.3)
    (two,) = found_by(ClassicalDetector(1, EDGE, FIELD_NM, near), images)
    (one,) = found_by(ClassicalDetector(1, EDGE, FIELD_NM, far), images)
    assert (len(two), len(one)) == (2, 1)
    assert one[0, 0] == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("threads", [1, 2])
def test_bits_of_the_matched_filter_do_not_depend_on_batch_or_threads(threads):
    rng = np.random.default_rng(2)
    images = make_images(rng.uniform(-3.5, 3.5, (6, 5, 2)), noise=0.02)
    together = ClassicalDetector(6, EDGE, FIELD_NM)
    rows = np.arange(6)
    parallel_rows(lambda start, stop: together.estimate(rows[start:stop], images), 6, threads)
    for row in range(6):
        (alone,) = found_by(ClassicalDetector(1, EDGE, FIELD_NM), images[row : row + 1].copy())
        assert alone.tobytes() == together.state.found[row, : together.state.counts[row]].tobytes()


def test_there_is_an_end_to_what_is_told():
    noisy = make_images(np.zeros((1, 1, 2)), noise=1.0)
    settings = MatchedFilter(width_nm=0.1, threshold=0.0)
    (spots,) = found_by(ClassicalDetector(1, EDGE, FIELD_NM, settings), noisy)
    assert len(spots) == MOST


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width_nm": 0.01}, r"width_nm=0\.01 must be in \[0\.05, 1\]"),
        ({"reach_px": 0}, r"reach_px=0 must be in \[1, 6\]"),
        ({"threshold": float("nan")}, "threshold=nan must be finite"),
        ({"slope": -1.0}, r"slope=-1\.0 must be in \[0, "),
        ({"spread_nm": 2.0}, r"spread_nm=2\.0 must be in \[0, "),
        ({"lag_nm": 2.0}, r"lag_nm=2\.0 must be in \[-1, "),
    ],
)
def test_settings_out_of_range_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        MatchedFilter(**change)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((1, 32, 32), np.float32), r"image must be float32 of shape \(1, 64, 64\)"),
        (np.zeros((2, 64, 64), np.float32), r"got float32 of shape \(2, 64, 64\)"),
        (np.zeros((1, 64, 64)), r"got float64 of shape \(1, 64, 64\)"),
    ],
)
def test_images_of_another_kind_are_refused(image, message):
    with pytest.raises(ValueError, match=message):
        ClassicalDetector(1, EDGE, FIELD_NM).estimate(np.arange(1), image)


def test_an_image_that_does_not_fit_the_network_is_refused():
    with pytest.raises(ValueError, match="an image of 80 px must be a multiple of 32 px"):
        NeuralDetector(1, 80, FIELD_NM, make_weights())
    with pytest.raises(ValueError, match="field_nm=0 must be in"):
        NeuralDetector(1, EDGE, 0, make_weights())


def test_the_table_has_the_shapes_of_the_trained_network(tensors):
    assert {name: one.shape for name, one in tensors.items()} == NETWORK.shapes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("fine1.bias"), r"\['fine1.bias'\] are missing or superfluous"),
        (lambda t: t.update(trust=t["calibration"]), r"\['trust'\] are missing or superfluous"),
        (
            lambda t: t.update(calibration=np.zeros(3, np.float32)),
            r"calibration must be finite and have shape \(4,\)",
        ),
        (lambda t: t["up1.weight"].fill(np.nan), "up1.weight must be finite and have shape"),
    ],
)
def test_what_is_no_network_is_refused_by_name(tensors, change, message):
    change(tensors)
    with pytest.raises(ValueError, match=message):
        NETWORK.pack(tensors)


def test_a_file_gives_the_network_that_was_written(file, tensors):
    found, expected = NETWORK.load(file), NETWORK.pack(tensors)
    assert found.values.tobytes() == expected.values.tobytes()
    assert np.array_equal(found.table, expected.table)
    assert np.array_equal(found.calibration["calibration"], np.float32(CALIBRATION))


def test_what_is_no_file_of_a_network_is_refused(tmp_path, file, tensors):
    with pytest.raises(FileNotFoundError, match="there is no network at"):
        NETWORK.load(tmp_path / "nothing.safetensors")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match="is not a network in safetensors format"):
        NETWORK.load(file)
    other = tmp_path / "other.safetensors"
    save_file(tensors, other, {"format": "microgym-eye-1"})
    with pytest.raises(ValueError, match=r"holds no network of this package .*microgym-adatoms-1"):
        NETWORK.load(other)


def test_the_shipped_network_says_how_it_was_made():
    from safetensors import safe_open

    with safe_open(NETWORK.shipped_file, "np") as content:
        made = json.loads(content.metadata()["made"])
    assert made["command"].endswith(" train STM-v0 --seed 0 --groups 384 --steps 4500")
    assert len(made["commit"].removesuffix("+")) == 40
    least, trust, slope, _ = NETWORK.shipped().calibration["calibration"]
    assert 0.0 < least < 1.0
    assert trust > 0.0
    assert slope > 0.0


def test_the_shipped_network_finds_plain_bumps():
    """Gaussian bumps are not what it learnt from, but nearly."""
    (spots,) = found_by(NeuralDetector(1, EDGE, FIELD_NM), make_images(PLACES))
    assert len(spots) == 3
    assert spots[:, :2] == pytest.approx(PLACES[0][np.lexsort(PLACES[0].T)], abs=0.03)
    assert (spots[:, 3] < 0.1).all()
