"""The simulated microscope: counts, accounts, drift, noise and damage, against closed forms."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from microgym.instruments.ptychography.instrument import PtychographyInstrument
from microgym.instruments.ptychography.settings import (
    DEAD_TIME_S,
    STAGE_LEVELS,
    STAGE_SPEED_PX_S,
    PtychographySettings,
)
from microgym.physics.camera import Detector
from microgym.physics.coherence import coherent_modes
from microgym.physics.damage import DAMAGE_LEVELS, DamageParameters, split_bands
from microgym.physics.probe import make_probe
from microgym.physics.sampling import Geometry
from microgym.random import episode_key
from microgym.specimens.sample import Specimens
from microgym.state import arrays
from tests.microgym import ptychography_reference as reference
from tests.microgym.reconstruction.ptychography.scenes import make_specimen

N, REGION = 32, 32
FIELD = N + REGION
CENTRE = FIELD / 2
GEOMETRY = Geometry(1.55e-10, 0.6194, 300e-6, N)
PROBE = make_probe(GEOMETRY, numerical_aperture=2.5e-3, defocus_m=20e-6)


def make(num_envs: int = 1, probes: int = 1, **changes: Any) -> PtychographyInstrument:
    chosen: dict[str, Any] = {
        "probe": PROBE,
        "region_px": REGION,
        "stage": STAGE_LEVELS["off"],
        "damage": DAMAGE_LEVELS["off"],
        **changes,
    }
    return PtychographyInstrument(num_envs, PtychographySettings(GEOMETRY, **chosen), probes)


def keys_of(*seeds: int) -> NDArray[np.uint32]:
    return np.stack([episode_key(seed) for seed in seeds])


def mount(instrument: PtychographyInstrument, specimen: NDArray[Any], first: int = 0) -> None:
    real, imag = (part.astype(np.float32)[None] for part in (specimen.real, specimen.imag))
    structure = (np.abs(specimen - 1.0) > 1e-3).astype(np.uint8)[None]
    rows = np.arange(len(instrument.sample.fluence))
    instrument.load(rows, Specimens(real, imag, structure))
    instrument.start(rows, keys_of(*(rows + first)))


def everything(instrument: PtychographyInstrument) -> dict[str, NDArray[Any]]:
    return {**dict(arrays(instrument.state)), **dict(arrays(instrument.sample))}


def expose(instrument: PtychographyInstrument, places: Any, dwell_s: float = 1.0) -> None:
    count = len(instrument.state.keys)
    positions = np.broadcast_to(np.asarray(places, np.float64), (count, 2)).copy()
    instrument.expose(np.arange(count), positions, np.full(count, dwell_s))


def expected(
    specimen: NDArray[Any], probe: NDArray[Any], beam: NDArray[Any], photons: float
) -> NDArray[np.float64]:
    """What a textbook expects on the detector for a beam anywhere on the field."""
    corner = np.floor(beam + 0.5).astype(int) - N // 2
    moved = reference.shift(probe.astype(complex), *(beam - corner - N // 2))
    return reference.expected_counts(specimen, moved, *corner, photons)


SPECIMEN = make_specimen(3, FIELD).astype(np.complex64)


# --- counts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [(16.0, 16.0), (48.0, 31.0), (32.0, 48.0)])
def test_all_photons_of_an_empty_field_are_counted(place):
    instrument = make(photons_per_s=1e8)
    mount(instrument, np.ones((FIELD, FIELD), complex))
    expose(instrument, place, 10.0)
    total = float(instrument.state.measurement.counts.sum(dtype=np.float64))
    assert abs(total - 1e9) < 5 * np.sqrt(1e9) + 1e9 * 1e-6


def test_counts_add_up_to_the_transmitted_power():
    instrument = make(photons_per_s=1e8)
    mount(instrument, SPECIMEN)
    for place in ((20.0, 40.0), (37.0, 18.0)):
        expose(instrument, place, 1.0)
        top, left = np.asarray(place, int) - N // 2
        under = np.abs(SPECIMEN[top : top + N, left : left + N]) ** 2
        power = 1e8 * float(np.sum(np.abs(PROBE) ** 2 * under))
        total = float(instrument.state.measurement.counts.sum(dtype=np.float64))
        assert power < 0.8e8, "the specimen should absorb"
        assert abs(total - power) < 5 * np.sqrt(power) + 1e-6 * power


@pytest.mark.parametrize("modes", [1, 3])
@pytest.mark.parametrize("level", ["off", "hard"])
def test_mean_counts_are_those_of_the_textbook(modes, level):
    # Many microscopes over one specimen; with a stage that drifts, each beam falls elsewhere, and
    # the expectation is taken where it really fell.
    probe = PROBE[None] if modes == 1 else coherent_modes(PROBE, 1.0, modes)
    instrument = make(200, probe=probe, photons_per_s=3e3, stage=STAGE_LEVELS[level])
    mount(instrument, SPECIMEN)
    counted, wanted = np.zeros((N, N)), np.zeros((N, N))
    for place in ((27.0, 35.0), (36.0, 28.0)):
        expose(instrument, place)
        counted += instrument.state.measurement.counts.sum(axis=0, dtype=np.float64).reshape(N, N)
        beams, repeats = np.unique(instrument.state.beam, axis=0, return_counts=True)
        assert len(beams) == (1 if level == "off" else 200)
        for beam, repeat in zip(beams, repeats, strict=True):
            wanted += repeat * expected(SPECIMEN, probe, beam, 3e3)
    # A sum of Poisson counts is a Poisson count: standardised deviations have mean square one.
    bright = wanted > 20.0
    deviation = (counted - wanted)[bright] / np.sqrt(wanted[bright])
    count = int(bright.sum())
    assert count > 100
    assert abs(np.mean(deviation**2) - 1.0) < 5 * np.sqrt(2 / count)
    assert np.abs(deviation).max() < 5.5
    assert abs(counted[~bright].sum() - wanted[~bright].sum()) < 5 * np.sqrt(wanted[~bright].sum())


def test_counts_are_integers_and_vary_as_poisson_counts():
    instrument = make(300, photons_per_s=1e4)
    mount(instrument, SPECIMEN)
    expose(instrument, (30.0, 30.0))
    counts = instrument.state.measurement.counts.astype(np.float64)
    assert np.array_equal(counts, np.floor(counts))
    mean = expected(SPECIMEN, PROBE[None], np.array([30.0, 30.0]), 1e4).ravel()
    bright = mean > 5.0
    ratio = counts.var(axis=0, ddof=1)[bright] / mean[bright]
    # The variance of a Poisson sample's variance is (2 + 1/mean) / count, in units of mean^2.
    spread = np.sqrt((2 + 1 / mean[bright]) / 300)
    assert np.abs((ratio - 1.0) / spread).max() < 5.5
    assert abs(np.mean(ratio) - 1.0) < 5 * spread.mean() / np.sqrt(bright.sum())


# --- accounts ------------------------------------------------------------------------------------


def test_ledger_is_exact():
    instrument = make(2, photons_per_s=1e4)
    mount(instrument, SPECIMEN)
    places = np.array([[[20.0, 44.0], [32.0, 32.0]], [[20.0, 44.0], [40.0, 26.0]]])
    dwells = np.array([[0.5, 2.0], [3.0, 0.1]])
    for place, dwell in zip(places, dwells, strict=True):
        instrument.expose(np.arange(2), place, dwell)
    ways = np.array([np.hypot(12.0, 12.0), np.hypot(8.0, 6.0)])
    ledger = instrument.state.ledger
    assert ledger.exposures.tolist() == [2, 2]
    assert ledger.dose.tolist() == [35000.0, 21000.0]
    assert ledger.path_m == pytest.approx(ways * 1e-8, rel=1e-4)
    assert ledger.path_m == pytest.approx(ways * GEOMETRY.object_pixel_m, rel=1e-14)
    time_s = dwells.sum(axis=0) + 2 * DEAD_TIME_S + ways / STAGE_SPEED_PX_S
    assert ledger.time_s == pytest.approx(time_s, rel=1e-14)
    copy = ledger.copy()
    mount(instrument, SPECIMEN)
    assert all(not account.any() for account in ledger)
    assert copy["exposures"].tolist() == [2, 2]


def test_fluence_is_the_light_that_fell():
    instrument = make(photons_per_s=2e4)
    mount(instrument, SPECIMEN)
    places = ((20.0, 40.0), (26.0, 37.0))
    wanted = np.zeros((FIELD, FIELD))
    for place in places:
        expose(instrument, place, 0.5)
        top, left = np.asarray(place, int) - N // 2
        wanted[top : top + N, left : left + N] += 1e4 * np.abs(PROBE.astype(complex)) ** 2
    assert instrument.sample.fluence[0] == pytest.approx(wanted, rel=1e-5, abs=1e-5)
    assert instrument.sample.fluence.sum(dtype=np.float64) == pytest.approx(2e4, rel=1e-6)


# --- where the beam falls ------------------------------------------------------------------------


def test_a_perfect_stage_goes_where_it_is_told():
    instrument = make(photons_per_s=1e4)
    mount(instrument, SPECIMEN)
    for place in ((16.0, 48.0), (33.0, 17.0), (32.0, 32.0)):
        expose(instrument, place)
        assert instrument.state.beam[0].tolist() == list(place)
        assert instrument.state.measurement.corner[0].tolist() == [int(c) - N // 2 for c in place]
    # The encoder counts whole pixels; halves go up.
    expose(instrument, (20.5, 31.49))
    assert instrument.state.beam[0].tolist() == [21.0, 31.0]
    assert instrument.state.measurement.corner[0].tolist() == [5, 15]


def drift_at_3_2_s(moves: list[tuple[float, float, float]], stage: str = "hard") -> Any:
    instrument = make(3, photons_per_s=1e3, stage=STAGE_LEVELS[stage])
    mount(instrument, SPECIMEN)
    for y, x, dwell in moves:
        expose(instrument, (y, x), dwell)
    assert instrument.state.ledger.time_s == pytest.approx(3.2, rel=1e-12)
    return instrument.state.drift.drift


def test_drift_is_the_same_whatever_the_agent_does():
    # In 3.2 s: one long exposure; four short ones; one after a move of 30 px.
    one = drift_at_3_2_s([(CENTRE, CENTRE, 3.0)])
    four = drift_at_3_2_s([(CENTRE, CENTRE, 0.6)] * 4)
    away = drift_at_3_2_s([(CENTRE, CENTRE - 15.0, 2.0), (CENTRE, CENTRE, 0.5)])
    assert np.abs(one).max() > 0.1
    assert four == pytest.approx(one, abs=1e-12)
    assert away == pytest.approx(one, abs=1e-12)
    assert len(np.unique(one[:, 0])) == 3, "each episode has its own drift"


def test_drift_does_not_depend_on_the_specimen_or_the_noise():
    first, second = (make(photons_per_s=p, stage=STAGE_LEVELS["real"]) for p in (1e3, 1e6))
    mount(first, SPECIMEN)
    mount(second, np.ones((FIELD, FIELD), complex))
    for instrument in (first, second):
        expose(instrument, (20.0, 40.0), 2.0)
    assert first.state.beam.tobytes() == second.state.beam.tobytes()


def test_the_beam_is_command_plus_drift_backlash_and_jitter():
    instrument = make(400, photons_per_s=1.0, stage=STAGE_LEVELS["hard"])
    mount(instrument, SPECIMEN)
    expose(instrument, (40.0, 32.0), 0.1)
    parameters = STAGE_LEVELS["hard"]
    away = instrument.state.beam - np.array([40.0, 32.0])
    # Moved down by more than the dead band: half of it is lost along that axis, nothing across.
    away[:, 0] += 0.5 * parameters.backlash
    rest = away - instrument.state.drift.drift
    assert abs(rest.mean()) < 5 * parameters.jitter / np.sqrt(800) + 0.01
    assert rest.std() == pytest.approx(parameters.jitter, rel=0.15)


# --- randomness ----------------------------------------------------------------------------------


@pytest.mark.parametrize("detector", [Detector(), Detector(read_noise_counts=1.0)])
def test_noise_does_not_depend_on_the_batch(detector):
    changes = {
        "photons_per_s": 1e5,
        "detector": detector,
        "stage": STAGE_LEVELS["real"],
        "damage": DAMAGE_LEVELS["hard"],
    }
    batch = make(3, **changes)
    mount(batch, SPECIMEN)
    places = np.array([[20.0, 30.0], [32.0, 32.0], [40.0, 25.0]])
    # In any order and any company.
    batch.expose(np.array([2]), places, np.ones(3))
    batch.expose(np.array([0, 1]), places, np.ones(3))
    batch.expose(np.arange(3), places[::-1].copy(), np.ones(3))
    for row in range(3):
        alone = make(1, **changes)
        mount(alone, SPECIMEN, first=row)
        for place in (places[row], places[2 - row]):
            expose(alone, place)
        for name, array in everything(alone).items():
            assert array[0].tobytes() == everything(batch)[name][row].tobytes(), name
    assert (
        batch.state.measurement.counts[0].tobytes() != batch.state.measurement.counts[1].tobytes()
    )


def test_every_exposure_and_every_key_has_its_own_noise():
    instrument = make(2, photons_per_s=1e5)
    mount(instrument, SPECIMEN)
    expose(instrument, (30.0, 30.0))
    first = instrument.state.measurement.counts.copy()
    expose(instrument, (30.0, 30.0))
    second = instrument.state.measurement.counts.copy()
    mount(instrument, SPECIMEN)
    expose(instrument, (30.0, 30.0))
    assert instrument.state.measurement.counts.tobytes() == first.tobytes()
    pairs = ((first[0], first[1]), (first[0], second[0]))
    mean = expected(SPECIMEN, PROBE[None], np.array([30.0, 30.0]), 1e5).ravel()
    bright = mean > 20.0
    for one, other in pairs:
        z = ((one - mean) * (other - mean) / mean)[bright]
        assert abs(z.mean()) < 5 / np.sqrt(bright.sum()), "noise is correlated"


def test_specimens_follow_key_family_and_split():
    instrument = make(4)
    rows = np.arange(4)
    same = np.stack([episode_key(5)] * 4)
    instrument.reset(rows[:2], same[:2], "sparse", "train")
    instrument.reset(rows[2:3], same[:1], "sparse", "test")
    instrument.reset(rows[3:], same[:1], "lines", "train")
    planes = [instrument.sample.pristine_re[row].tobytes() for row in rows]
    assert planes[0] == planes[1]
    assert len(set(planes)) == 3
    sparse = instrument.sample.structure[0].astype(bool)
    assert 0.02 < sparse.mean() < 0.3
    assert np.all(instrument.sample.pristine_re[0][~sparse] == 1.0)
    sample = instrument.sample
    assert np.all(np.hypot(sample.pristine_re, sample.pristine_im) <= 1.0 + 1e-6)


# --- damage --------------------------------------------------------------------------------------


def test_bands_fade_exponentially_with_fluence():
    critical = DamageParameters(500.0)
    instrument = make(photons_per_s=1e5, damage=critical)
    mount(instrument, SPECIMEN)
    for place in ((20.0, 40.0), (23.0, 37.0), (44.0, 20.0)):
        expose(instrument, place)
    real, imag = (np.ascontiguousarray(p, np.float32) for p in (SPECIMEN.real, SPECIMEN.imag))
    bands = np.empty((3, 2, FIELD, FIELD), np.float32)
    split_bands(real, imag, bands, np.empty((2, FIELD, FIELD), np.float32))
    flux = instrument.sample.fluence[0].astype(np.float64)
    kept = np.exp(-flux / (500.0 * 2.0 ** np.arange(3))[:, None, None])
    now = 1.0 + np.sum(kept * (bands[:, 0] + 1j * bands[:, 1].astype(np.float64)), axis=0)
    assert instrument.sample.object_re[0] == pytest.approx(now.real, abs=2e-6)
    assert instrument.sample.object_im[0] == pytest.approx(now.imag, abs=2e-6)
    assert np.abs(now - SPECIMEN).max() > 0.1, "nothing has faded"
    assert instrument.sample.pristine_re[0].tobytes() == real.tobytes()
    dark = flux == 0.0
    assert dark.any()
    assert np.array_equal(instrument.sample.object_re[0][dark], real[dark])


def test_an_even_film_fades_with_the_coarsest_band():
    instrument = make(photons_per_s=1e5, damage=DAMAGE_LEVELS["hard"])
    mount(instrument, np.full((FIELD, FIELD), 0.6 + 0.2j))
    for _ in range(3):
        expose(instrument, (32.0, 32.0))
    assert instrument.fatal_fluence == pytest.approx(4 * 500.0)
    kept = np.exp(-instrument.sample.fluence[0].astype(np.float64) / instrument.fatal_fluence)
    assert kept.min() < 0.7
    assert 1.0 - instrument.sample.object_re[0] == pytest.approx(0.4 * kept, abs=2e-6)
    assert instrument.sample.object_im[0] == pytest.approx(0.2 * kept, abs=2e-6)


def test_without_damage_nothing_fades_but_fluence_is_counted():
    instrument = make(photons_per_s=1e8)
    mount(instrument, SPECIMEN)
    expose(instrument, (32.0, 32.0), 10.0)
    assert instrument.sample.object_re.tobytes() == instrument.sample.pristine_re.tobytes()
    assert instrument.sample.fluence.max() > 1e6
    assert instrument.fatal_fluence == np.inf


# --- state and refusals --------------------------------------------------------------------------


# --- several probes on one specimen --------------------------------------------------------------


def test_probes_share_fluence_and_damage():
    settings = {"damage": DamageParameters(500.0), "stage": STAGE_LEVELS["real"]}
    pair, singles = make(2, probes=2, **settings), make(4, **settings)
    for instrument in (pair, singles):
        mount(instrument, SPECIMEN)
    singles.start(np.arange(4), pair.state.keys.copy())
    places = np.array([[20.0, 40.0], [23.0, 37.0], [44.0, 20.0], [30.0, 30.0]])
    for instrument in (pair, singles):
        instrument.expose(np.arange(4), places, np.ones(4))
    # Exposures are simultaneous: no probe sees the damage by another.
    taken, alone = pair.state.measurement.counts, singles.state.measurement.counts
    assert taken.tobytes() == alone.tobytes()
    flux = singles.sample.fluence.reshape(2, 2, FIELD, FIELD).sum(axis=1)
    np.testing.assert_allclose(pair.sample.fluence, flux, rtol=1e-6)
    # Then all of it is done: the specimen has faded by the sum of the fluences.
    lit = singles.sample.fluence.reshape(2, 2, FIELD, FIELD) > 1.0
    assert lit.all(axis=1).any(axis=(1, 2)).all(), "the probes should overlap"
    kept = np.exp(-flux[:, None] / (500.0 * 2.0 ** np.arange(3))[:, None, None])
    now = 1.0 + np.sum(kept * pair.sample.bands[:, :, 0], axis=1)
    np.testing.assert_allclose(pair.sample.object_re, now, atol=2e-6)


def test_probes_may_expose_one_after_the_other():
    pair = make(1, probes=2, damage=DamageParameters(50.0))
    mount(pair, SPECIMEN)
    places = np.array([[30.0, 30.0], [30.0, 30.0]])
    pair.expose(np.array([0]), places, np.ones(2))
    before = pair.sample.fluence.copy()
    pair.expose(np.array([1]), places, np.ones(2))
    np.testing.assert_allclose(pair.sample.fluence, 2.0 * before, rtol=1e-6)
    assert pair.state.ledger.exposures.tolist() == [1, 1]


# --- state ---------------------------------------------------------------------------------------


def test_state_arrays_are_the_whole_state():
    changes = {"damage": DAMAGE_LEVELS["hard"], "stage": STAGE_LEVELS["hard"]}
    first, second = make(2, **changes), make(2, **changes)
    mount(first, SPECIMEN)
    expose(first, (20.0, 40.0))
    assert everything(first).keys() == everything(second).keys()
    for name, array in everything(second).items():
        array[...] = everything(first)[name]
    for instrument in (first, second):
        expose(instrument, (40.0, 27.0), 3.0)
    for name, array in everything(second).items():
        assert array.tobytes() == everything(first)[name].tobytes(), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"photons_per_s": -1.0}, "photons_per_s=-1.0 must be above zero"),
        ({"photons_per_s": np.nan}, "photons_per_s=nan must be finite"),
        ({"dead_time_s": -0.1}, "dead_time_s=-0.1 must be at least 0"),
        ({"stage_speed_px_s": 0.0}, "stage_speed_px_s=0.0 must be above zero"),
        ({"region_px": 8}, r"region_px=8 must be in \[16, 2048\]"),
        ({"probe": np.zeros((N, N))}, "probe is zero everywhere"),
        ({"probe": np.ones((N, N + 1))}, "shape"),
    ],
)
def test_impossible_instruments_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)


def test_numbers_may_be_integers():
    instrument = make(photons_per_s=10000, dead_time_s=1)
    assert isinstance(instrument.settings.photons_per_s, float)
    mount(instrument, SPECIMEN)
    expose(instrument, (32, 32))
    assert instrument.state.ledger.time_s[0] == 2.0
