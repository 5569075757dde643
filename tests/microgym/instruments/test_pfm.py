"""The piezoresponse force microscope: pulses, back-switching, drift, wear, accounts."""

from typing import Any

import numpy as np
import pytest

from microgym.instruments.pfm.film_kernels import tip_field
from microgym.instruments.pfm.instrument import PFMInstrument
from microgym.instruments.pfm.settings import (
    DRIFT_LEVELS,
    READOUT_LEVELS,
    TIP_LEVELS,
    PFMSettings,
    ReadoutParameters,
    TipParameters,
)
from microgym.instruments.pfm.state import SIZE
from microgym.physics.drift import DriftParameters
from microgym.physics.ferroelectric import LatticeParameters
from microgym.random import episode_key
from microgym.state import arrays
from tests.microgym.instruments.pfm_helpers import CALM, CENTRE, loop, make, pulse, radius_nm

# --- pulses --------------------------------------------------------------------------------------


def test_domains_have_the_sizes_that_are_measured():
    """20 to 80 nm for 4 to 10 V, on films of the default disorder."""
    settings = PFMSettings()
    sizes: dict[float, Any] = {}
    for volts in (4.0, 7.0, 10.0):
        film = make(24, disorder=settings.disorder)
        before = radius_nm(film) ** 2
        pulse(film, volts, 1.0)
        sizes[volts] = float(np.sqrt(np.mean(radius_nm(film) ** 2 - before)))
    assert 20.0 < sizes[4.0] < sizes[7.0] < sizes[10.0] < 80.0


def test_domains_grow_with_the_logarithm_of_time():
    sizes: list[float] = []
    for seconds in (1e-3, 1e-2, 1e-1, 1.0):
        film = make()
        pulse(film, 8.0, seconds)
        sizes.append(float(radius_nm(film)[0]))
    steps = np.diff(sizes)
    assert np.all(steps > 0.0)
    assert steps[-1] < 12.0
    assert steps[-1] < steps[0]


def test_a_negative_pulse_takes_back_what_a_positive_one_wrote():
    film = make()
    pulse(film, 8.0)
    assert (film.state.p > 0.0).sum() > 20
    pulse(film, -9.0)
    assert (film.state.p > 0.0).sum() == 0


def test_a_pulse_without_bias_writes_nothing():
    film = make()
    before = film.state.p.copy()
    pulse(film, 0.0, 1.0)
    assert np.abs(film.state.p - before).max() < 1e-6
    assert film.state.ledger.exposures[0] == 1


# --- history: all that a pulse does follows from the state of the film -------------------------


def written(instrument: PFMInstrument) -> Any:
    """Cells that point up."""
    return (instrument.state.p > 0.0).sum(axis=(1, 2))


@pytest.mark.parametrize("dead_time_s", [0.0, 0.5])
@pytest.mark.parametrize(
    ("volts", "seconds", "count"), [(8.0, 0.1, 39), (5.0, 0.08, 8), (8.0, 1.0, 10)]
)
def test_many_short_pulses_do_what_a_long_one_does(volts, seconds, count, dead_time_s):
    whole, sliced = make(dead_time_s=dead_time_s), make(dead_time_s=dead_time_s)
    pulse(whole, volts, seconds)
    for _ in range(count):
        pulse(sliced, volts, seconds / count)
    # To a cell in radius: half a cell around a domain of radius 5 cells is 16 cells.
    assert np.sqrt(written(sliced)[0] / np.pi) == pytest.approx(
        np.sqrt(written(whole)[0] / np.pi), abs=0.5
    )
    assert whole.state.ledger.dose == pytest.approx(sliced.state.ledger.dose)
    assert whole.state.stress == pytest.approx(sliced.state.stress)


@pytest.mark.parametrize("volts", [0.1, 0.5, 0.8])
def test_a_pulse_below_the_coercive_bias_takes_nothing_from_the_next(volts):
    fresh, before = make(16, disorder=1.0), make(16, disorder=1.0)
    pulse(before, volts, 1.0)
    assert np.array_equal(written(fresh), written(before)), "it writes nothing itself"
    pulse(fresh, 8.0)
    pulse(before, 8.0)
    assert np.all(written(before) >= written(fresh) - 1)
    assert written(before).mean() >= written(fresh).mean() - 0.2


@pytest.mark.parametrize("wait_s", [1e-4, 1e-2, 1.0])
def test_waits_between_pulses_add_nothing(wait_s):
    plain, waited = make(), make()
    for _ in range(8):
        pulse(plain, 8.0)
        pulse(waited, 8.0)
        pulse(waited, 0.0, wait_s)
    assert written(waited)[0] <= written(plain)[0]


def test_equal_pulses_add_like_the_time_that_they_take():
    """Each acts on what the last one left as any pulse does: 8 of 10 ms write as one of 80 ms."""
    many, one, dithered = make(), make(), make()
    pulse(one, 8.0, 0.08)
    for k in range(8):
        pulse(many, 8.0)
        pulse(dithered, 8.0, at=(CENTRE, CENTRE + 1.2 * (k % 2)))
    assert written(many)[0] == pytest.approx(written(one)[0], abs=8)
    # Six nanometres aside: as much in one direction as the tip was moved.
    assert written(dithered)[0] < written(one)[0] + 2 * 1.2 * radius_nm(one)[0] / 5.0


def test_a_pulse_depends_on_the_film_and_not_on_how_it_came_about():
    """The same polarisation, written just now or copied into a new instrument."""
    old, new = make(), make()
    for _ in range(3):
        pulse(old, 6.0, 0.03)
    new.state.p[:], new.state.rested_s[:] = old.state.p, old.state.rested_s
    pulse(old, 9.0)
    pulse(new, 9.0)
    assert np.array_equal(old.state.p, new.state.p)


def test_growth_is_logarithmic_in_time_and_monotone_in_bias():
    times, biases = np.logspace(-3.5, 0, 8), np.arange(2.0, 10.1, 1.0)
    radii: list[float] = []
    for seconds in times:
        film = make()
        pulse(film, 8.0, seconds)
        radii.append(float(radius_nm(film)[0]))
    slope, start = np.polyfit(np.log10(times), radii, 1)
    assert np.all(np.diff(radii) >= 0.0)
    assert np.abs(slope * np.log10(times) + start - radii).max() < 2.0, "nm: under half a cell"
    assert 2.0 < slope < 6.0, "nm a decade"
    sizes: list[int] = []
    for volts in biases:
        film = make()
        pulse(film, volts)
        sizes.append(int(written(film)[0]))
    assert np.all(np.diff(sizes) >= 0)
    assert sizes[-1] > 2 * sizes[2] > 0


def test_turning_film_and_bias_upside_down_turns_what_is_written():
    up, down = make(disorder=1.0), make(disorder=1.0)
    for name in ("p", "imprint"):
        getattr(down.state, name)[:] = -getattr(up.state, name)
    for one, sign in ((up, 1.0), (down, -1.0)):
        for volts, x in ((8.0, 31.0), (-5.0, 34.0), (3.0, 25.0)):
            pulse(one, sign * volts, at=(30.0, x))
    assert np.array_equal(down.state.p, -up.state.p)


def test_what_is_written_at_a_mirrored_place_is_mirrored():
    film, mirrored = make(disorder=1.0), make(disorder=1.0)
    for name in ("p", "imprint", "bond", "barrier"):
        getattr(mirrored.state, name)[:] = getattr(film.state, name)[:, :, ::-1]
    for y, x in ((20.0, 25.25), (5.0, 60.5)):
        pulse(film, 7.0, at=(y, x))
        pulse(mirrored, 7.0, at=(y, 63.0 - x))
    assert mirrored.state.p == pytest.approx(film.state.p[:, :, ::-1], abs=1e-4)


def test_sites_rest_since_they_were_driven_themselves():
    film = make()
    pulse(film, 8.0, 1e-2, (20.0, 20.0))
    start, begun = film.state.rested_s[0, 50, 50], film.state.ledger.time_s[0]
    assert film.state.rested_s[0, 20, 20] == 0.0
    pulse(film, 0.01, 1e-2, (20.0, 20.0))
    pulse(film, 8.0, 1e-2, (20.0, 45.0))
    # Neither a bias that drives nothing nor a pulse elsewhere begins the rest anew.
    elapsed = film.state.ledger.time_s[0] - begun
    assert film.state.rested_s[0, 20, 20] == pytest.approx(elapsed, rel=1e-5)
    assert film.state.rested_s[0, 50, 50] == pytest.approx(start + elapsed, rel=1e-5)
    assert film.state.rested_s[0, 20, 45] == 0.0


def test_rest_does_not_depend_on_how_it_is_sliced():
    whole, sliced = make(dead_time_s=0.0), make(dead_time_s=0.0)
    for one in (whole, sliced):
        pulse(one, 6.0)
    pulse(whole, 0.0, 1.0)
    for _ in range(20):
        pulse(sliced, 0.0, 0.05)
    assert np.abs(whole.state.p - sliced.state.p).max() < 0.05
    assert whole.state.rested_s == pytest.approx(sliced.state.rested_s, rel=1e-4)


def test_small_domains_switch_back_while_nothing_is_done():
    film = make()
    pulse(film, 5.0)
    total = [float(film.state.p.sum())]
    for _ in range(4):
        pulse(film, 0.0)
        total.append(float(film.state.p.sum()))
    assert np.all(np.diff(total) < 0.0)
    # Less and less: what a relaxation does goes with the logarithm of time.
    assert total[3] - total[4] < 0.5 * (total[0] - total[1])


def test_disorder_holds_domains():
    kept: list[float] = []
    for strength in (0.0, 1.0):
        film = make(16, disorder=strength, family="random_field")
        start = (film.state.p > 0.0).sum(axis=(1, 2))
        pulse(film, 8.0)
        grown = float(((film.state.p > 0.0).sum(axis=(1, 2)) - start).mean())
        for _ in range(25):
            pulse(film, 0.0, 1.0)
        kept.append(float(((film.state.p > 0.0).sum(axis=(1, 2)) - start).mean()) / grown)
    assert kept[1] > kept[0] + 0.005


def test_equal_pulses_differ_on_different_films_only_by_disorder():
    def sizes(strength: float) -> Any:
        film = make(8, disorder=strength)
        pulse(film, 7.0)
        return radius_nm(film)

    assert np.ptp(sizes(0.0)) == 0.0
    assert np.ptp(sizes(1.0)) > 3.0


# --- drift, wear, breakdown ----------------------------------------------------------------------


def test_the_tip_misses_by_the_drift():
    film = make(drift=DriftParameters(speed=2.0))
    pulse(film, 8.0, at=(30.0, 30.0))
    moved = film.state.place[0] - film.state.command[0]
    elapsed = film.state.ledger.time_s[0] - 1e-2
    assert moved == pytest.approx(film.state.drift.velocity[0] * elapsed, abs=1e-9)
    up = np.argwhere(film.state.p[0] > 0.0).mean(axis=0)
    assert up == pytest.approx(film.state.place[0], abs=0.6)


def test_drift_does_not_depend_on_what_is_done():
    busy, idle = (make(drift=DRIFT_LEVELS["hard"], seed=3) for _ in range(2))
    for _ in range(4):
        pulse(busy, 8.0, 0.5)
    pulse(idle, 0.0, 3.5)
    assert busy.state.ledger.time_s == pytest.approx(idle.state.ledger.time_s)
    assert busy.state.drift.drift == pytest.approx(idle.state.drift.drift, abs=1e-9)


def test_tips_wear_with_pulses_and_images():
    film = make(tip=TipParameters(wear_per_landing=0.01, wear_per_image=0.1, wear_per_s=2.0))
    pulse(film, 5.0, 0.1)
    assert film.state.wear[0] == pytest.approx(0.01 + 2.0 * 0.1 * 0.25)
    film.scan(np.arange(1))
    assert film.state.wear[0] == pytest.approx(0.16)
    loop(film, disturb=True)
    assert film.state.wear[0] == pytest.approx(0.17)


@pytest.mark.parametrize("wear", [0.25, 1.0])
def test_the_peak_field_of_a_worn_tip_falls_as_its_radius_grows(wear):
    """At a fixed bias: V / R at the tip, and V R^2 / r^3 far away."""
    sharp, worn = make(), make()
    worn.state.wear[:] = wear
    found = [tip_field(0, 7.0, one.parameters, one.state) for one in (sharp, worn)]
    (peak, d), (blunt_peak, blunt_d) = found
    assert blunt_peak == pytest.approx(peak / (1.0 + wear))
    assert blunt_d == pytest.approx(d * (1.0 + wear))
    # It writes wider with a strong bias, and no longer with one that just switches.
    for volts, wider in ((8.0, True), (2.6, False)):
        for one in (sharp, worn):
            one.state.p[:] = -1.0
            pulse(one, volts, 0.1)
        assert (written(worn)[0] > written(sharp)[0]) == wider


def test_breakdown_is_a_hazard_per_second():
    """The share of films that survive falls exponentially with time, however it is sliced."""
    tip = TipParameters(bearable_v=8.0, breakdowns_per_v_s=5.0)
    broken: dict[tuple[float, int], Any] = {}
    for seconds, count in ((1e-3, 1), (0.1, 1), (0.1, 5), (1.0, 1)):
        film = make(300, tip=tip, disorder=0.0)
        for _ in range(count):
            pulse(film, 9.5, seconds / count)
        broken[seconds, count] = film.state.broken.copy()
        excess = np.maximum(9.5 - film.state.bearable_v, 0.0)
        expected = 1.0 - np.exp(-5.0 * excess * seconds)
        spread = np.sqrt(np.sum(expected * (1.0 - expected)))
        assert abs(film.state.broken.sum() - expected.sum()) < 3.0 * spread + 0.5
    assert np.array_equal(broken[0.1, 1], broken[0.1, 5])
    assert np.all(broken[1.0, 1] >= broken[0.1, 1])


def test_films_break_down_above_what_they_bear_and_only_there():
    film = make(200, tip=TipParameters(bearable_v=8.0, breakdowns_per_v_s=50.0), disorder=0.0)
    assert np.all((film.state.bearable_v >= 7.2) & (film.state.bearable_v <= 8.8))
    pulse(film, 7.1, 1.0)
    assert not film.state.broken.any()
    pulse(film, 10.0)
    expected = 1.0 - np.exp(-0.5 * (10.0 - film.state.bearable_v))
    spread = np.sqrt(np.sum(expected * (1.0 - expected)))
    assert abs(film.state.broken.sum() - expected.sum()) < 3.0 * spread
    row = int(np.flatnonzero(film.state.broken)[0])
    hole = film.state.barrier[row] < 0.0
    assert hole.sum() == pytest.approx(np.pi * 2.5**2, abs=5)
    assert np.all(film.state.p[row][hole] == 0.0)
    pulse(film, -7.0)
    assert np.all(film.state.p[row][hole] == 0.0)


# --- accounts and batches ------------------------------------------------------------------------


def test_time_way_and_dose_are_charged():
    film = make()
    pulse(film, 4.0, 0.1, (CENTRE + 30.0, CENTRE))
    settings, ledger = film.settings, film.state.ledger
    way = 30.0
    assert ledger.time_s[0] == pytest.approx(way / settings.speed_cells_s + 0.5 + 0.1)
    assert ledger.dose[0] == pytest.approx(0.4)
    assert ledger.path_m[0] == pytest.approx(way * settings.cell_m)
    film.scan(np.arange(1))
    assert ledger.time_s[0] == pytest.approx(0.9 + settings.image_s)
    assert ledger.path_m[0] == pytest.approx((way + 2 * SIZE * SIZE) * settings.cell_m)
    assert ledger.exposures[0] == 1


def test_a_row_does_not_depend_on_the_batch():
    words: dict[str, Any] = {
        "disorder": 1.0,
        "lattice": LatticeParameters(theta=5e-3),
        "drift": DRIFT_LEVELS["real"],
        "tip": TIP_LEVELS["real"],
        "readout": READOUT_LEVELS["real"],
    }
    many, one = make(3, **words), make(1, seed=2, **words)
    for instrument in (many, one):
        for k in range(3):
            pulse(instrument, 7.0, at=(20.0 + 5 * k, 30.0))
        instrument.scan(np.arange(instrument.num_envs))
        loop(instrument, disturb=True)
    for name, array in arrays(many.state):
        assert np.array_equal(array[2:], dict(arrays(one.state))[name]), name


def test_rows_that_are_not_listed_stay():
    film = make(3, disorder=1.0)
    before = {name: array.copy() for name, array in arrays(film.state)}
    rows, n = np.array([1]), 3
    film.pulse(rows, np.full((n, 2), 20.0), np.full(n, 8.0), np.full(n, 1e-2))
    film.scan(rows)
    film.reset(rows, episode_key(9)[None], "grains", "test")
    for name, array in arrays(film.state):
        assert np.array_equal(array[[0, 2]], before[name][[0, 2]]), name


def test_the_tip_has_a_size():
    settings = PFMSettings()
    assert settings.tip_radius_m == pytest.approx(27.5e-9, rel=0.01)
    assert settings.field_width_m == pytest.approx(26.8e-9, rel=0.01)


@pytest.mark.parametrize(
    ("make_it", "error"),
    [
        (lambda: PFMSettings(cell_m=0.0), "cell_m=0.0 must be above zero"),
        (lambda: PFMSettings(tip_cells=20.0), "tip_cells=20.0 must be at most 12"),
        (lambda: PFMSettings(disorder=-1.0), "disorder=-1.0 must be at least 0"),
        (lambda: TipParameters(wear_per_image=-0.1), "wear_per_image=-0.1 must be at least 0"),
        (lambda: ReadoutParameters(noise=float("nan")), "noise=nan must be finite"),
        (lambda: PFMInstrument(0, CALM), "num_envs"),
    ],
)
def test_impossible_instruments_are_refused(make_it, error):
    with pytest.raises(ValueError, match=error):
        make_it()
