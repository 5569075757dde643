"""Reconstruction while the scan runs, against the textbook in double precision."""

import numpy as np
import pytest

from microgym.metrics import complex_error
from microgym.reconstruction.ptychography.online import OnlineReconstruction
from microgym.state import arrays
from tests.microgym import ptychography_reference as reference
from tests.microgym.reconstruction.ptychography.scenes import make_specimen

N, FIELD, PHOTONS = 32, 64, 1e6
SPECIMEN = make_specimen(1, FIELD)
CORNERS = np.array([[y, x] for y in range(4, 29, 6) for x in range(4, 29, 6)])
ROWS = np.arange(1)


def disk(modes=1):
    """Curved disk and, if asked, a tilted copy: light everywhere on the detector.

    Where a probe leaves the detector dark, the phase of the first guess is what rounding makes it,
    and single and double precision go different ways.
    """
    y, x = np.mgrid[:N, :N] - N // 2
    radius = np.hypot(y, x)
    wave = np.where(radius < 7, np.exp(0.05j * radius**2), 0.0)
    waves = np.stack([wave, 0.05 * wave * (x + 0.5 * y)])[:modes]
    return (waves / np.sqrt(np.sum(np.abs(waves) ** 2))).astype(np.complex64)


PROBE = disk()


def counts_at(corner, probe=PROBE):
    mean = reference.expected_counts(SPECIMEN, probe.astype(complex), *corner, PHOTONS)
    return mean.astype(np.float32).reshape(1, -1)


def add(estimate, corner, counts=None, known=None, photons=PHOTONS, rows=ROWS):
    counts = counts_at(corner) if counts is None else counts
    known = np.ones_like(counts) if known is None else known
    many = len(counts)
    place = np.broadcast_to(corner, (many, 2)).astype(np.int64)
    estimate.add(rows, counts, known, np.full(many, float(photons)), place)


def bounded(wave):
    return wave / np.maximum(np.abs(wave), 1.0)


def textbook(corners, alpha, step, turns, sweeps=0, probe=PROBE, known=None, neighbours=3):
    """New exposures with their nearest neighbours; sweeps of the default alpha, step, momentum."""
    estimate, wave = np.ones((FIELD, FIELD), complex), probe.astype(complex)

    def update(corner, step, alpha):
        amplitude = np.sqrt(counts_at(corner, probe).reshape(N, N) / PHOTONS)
        reference.pie_update(
            estimate, wave, *corner, amplitude, known, object_step=step, alpha=alpha
        )

    def enter(corner, times):
        for _ in range(times):
            update(corner, step, alpha)
        estimate[:] = bounded(estimate)

    for e, corner in enumerate(corners):
        enter(corner, turns)
        apart = [(int(np.abs(corner - corners[i]).max()), e - i) for i in range(e)]
        near = [e - age for distance, age in sorted(apart)[:neighbours] if distance < N // 2]
        for i in near:
            enter(corners[i], 1)
        if near:
            enter(corner, 1)
    last, velocity = estimate.copy(), np.zeros_like(estimate)
    for k in range(sweeps):
        for half in (corners[::2], corners[1::2]):
            for corner in half:
                update(corner, 1.9 * (1.0 - k / sweeps), 0.35)
            velocity = 0.87 * velocity + estimate - last
            estimate[:] = bounded(estimate + 0.87 * velocity)
            last = estimate.copy()
    return estimate


def image(estimate, row=0):
    return estimate.state.re[row] + 1j * estimate.state.im[row].astype(np.float64)


@pytest.mark.parametrize("modes", [1, 2])
def test_equals_the_textbook(modes):
    probe = disk(modes)
    online = OnlineReconstruction(1, FIELD, probe, 8, iterations=2, alpha=0.4, step=1.2)
    for corner in CORNERS[:7]:
        add(online, corner, counts_at(corner, probe))
    expected = textbook(CORNERS[:7], 0.4, 1.2, 2, probe=probe)
    assert np.abs(image(online) - expected).max() < 1e-4
    online.sweep(ROWS, 2)
    expected = textbook(CORNERS[:7], 0.4, 1.2, 2, 2, probe=probe)
    assert np.abs(image(online) - expected).max() < 2e-4
    assert np.abs(expected - 1.0).max() > 0.1


def test_a_passive_specimen_stays_passive():
    """Counts of a bright field ask for |O| > 1; only an estimate without a ceiling follows."""
    bright = 3.0 * counts_at((8, 9))
    for ceiling, most in ((1.0, 1.0), (1.1, 1.1), (np.inf, 1.2)):
        online = OnlineReconstruction(1, FIELD, PROBE, 2, ceiling=ceiling)
        add(online, (8, 9), bright)
        online.sweep(ROWS, 5)
        largest = np.abs(image(online)).max()
        assert largest < most + 1e-6 if ceiling < np.inf else largest > most


def test_momentum_does_more_than_sweeps_do():
    """16 sweeps with momentum go further than 16 without, and 100 do not run away."""
    errors = []
    for sweeps, momentum in ((16, 0.85), (16, 0.0), (100, 0.85)):
        online = OnlineReconstruction(1, FIELD, PROBE, len(CORNERS), momentum=momentum)
        for corner in CORNERS:
            add(online, corner)
        online.sweep(ROWS, sweeps)
        errors.append(float(complex_error(image(online)[22:42, 22:42], SPECIMEN[22:42, 22:42])))
    fast, slow, settled = errors
    assert settled < fast < slow
    assert settled < 1e-4


def test_starts_as_vacuum_and_touches_only_the_patch():
    online = OnlineReconstruction(2, FIELD, PROBE, 4)
    assert np.all(image(online) == 1.0)
    add(online, (10, 20))
    changed = image(online) != 1.0
    assert changed[10:42, 20:52].any()
    changed[10:42, 20:52] = False
    assert not changed.any()
    assert np.all(image(online, 1) == 1.0)
    assert online.state.taken.tolist() == [1, 0]
    online.reset(np.arange(2))
    assert np.all(image(online) == 1.0)
    assert online.state.taken.tolist() == [0, 0]


def test_exact_vacuum_stays_vacuum():
    online = OnlineReconstruction(1, FIELD, PROBE, 4)
    mean = reference.expected_counts(np.ones((N, N), complex), PROBE.astype(complex), 0, 0, PHOTONS)
    add(online, (3, 3), mean.astype(np.float32).reshape(1, -1))
    assert np.abs(image(online) - 1.0).max() < 1e-4


def test_sweeps_converge_to_the_specimen():
    online = OnlineReconstruction(1, FIELD, PROBE, len(CORNERS))
    inner = (slice(22, 42), slice(22, 42))
    errors = []
    for corner in CORNERS:
        add(online, corner)
    for _ in range(3):
        errors.append(float(complex_error(image(online)[inner], SPECIMEN[inner])))
        online.sweep(ROWS, 10)
    errors.append(float(complex_error(image(online)[inner], SPECIMEN[inner])))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.02 < errors[0]


def test_untrusted_pixels_say_nothing():
    known = np.ones((1, N * N), np.float32)
    known[0, ::3] = 0.0
    clean, garbage = counts_at((8, 9)), counts_at((8, 9))
    garbage[0, ::3] = 1e6
    results = []
    for counts in (clean, garbage):
        online = OnlineReconstruction(1, FIELD, PROBE, 2)
        add(online, (8, 9), counts, known)
        online.sweep(ROWS, 1)
        results.append(image(online))
    assert results[0].tobytes() == results[1].tobytes()
    wanted = textbook([(8, 9)], 0.2, 1.5, 1, 1, known=known.reshape(N, N).astype(float))
    assert np.abs(results[0] - wanted).max() < 2e-4


def test_readings_below_zero_count_as_zero():
    low, zero = counts_at((8, 9)), counts_at((8, 9))
    low[0, 100:200], zero[0, 100:200] = -4.0, 0.0
    results = []
    for counts in (low, zero):
        online = OnlineReconstruction(1, FIELD, PROBE, 2)
        add(online, (8, 9), counts)
        results.append(image(online).tobytes())
    assert results[0] == results[1]


def test_the_number_of_photons_cancels():
    one, ten = (OnlineReconstruction(1, FIELD, PROBE, 2) for _ in range(2))
    add(one, (8, 9))
    add(ten, (8, 9), 10 * counts_at((8, 9)), photons=10 * PHOTONS)
    assert np.abs(image(one) - image(ten)).max() < 1e-5


def test_rows_are_independent():
    batch = OnlineReconstruction(3, FIELD, PROBE, 4)
    corners = np.array([[4, 4], [10, 16], [22, 10]])
    counts = np.concatenate([counts_at(corner) for corner in corners])
    photons, known = np.full(3, PHOTONS), np.ones_like(counts)
    batch.add(np.array([2]), counts, known, photons, corners)
    batch.add(np.array([0, 1]), counts, known, photons, corners)
    batch.add(np.array([1]), counts, known, photons, corners[::-1].copy())
    batch.sweep(np.array([1]), 2)
    for row, seen in enumerate(([0], [1, 1], [2])):
        alone = OnlineReconstruction(1, FIELD, PROBE, 4)
        for k in seen:
            add(alone, corners[k], counts[k : k + 1])
        if row == 1:
            alone.sweep(ROWS, 2)
        assert alone.state.re[0].tobytes() == batch.state.re[row].tobytes()
    assert batch.state.taken.tolist() == [1, 2, 1]


def test_state_arrays_are_the_whole_state():
    first, second = (OnlineReconstruction(1, FIELD, PROBE, 4) for _ in range(2))
    add(first, CORNERS[3])
    for name, array in dict(arrays(second.state)).items():
        array[...] = dict(arrays(first.state))[name]
    for online in (first, second):
        add(online, CORNERS[7])
        online.sweep(ROWS, 1)
    for name, array in dict(arrays(second.state)).items():
        assert array.tobytes() == dict(arrays(first.state))[name].tobytes(), name
