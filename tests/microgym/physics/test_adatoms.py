"""Adatoms against closed forms: the substrate, thermal hops, depinning, dragging."""

import itertools
import math

import numpy as np
import pytest

from microgym.physics.adatoms import (
    ATTEMPTS_HZ,
    BARRIER_EV,
    LATTICE_NM,
    MOST_HOPS,
    drag,
    hop_for,
    hop_reach,
    nearest_site,
    site_place,
    warmest_ev,
    well_depth,
)
from microgym.physics.tunnelling import QUANTUM_US
from tests.microgym.adatom_reference import (
    STEEPEST,
    least_depth,
    pull,
    substrate_energy,
    substrate_force,
)

A = LATTICE_NM
ROOT3 = math.sqrt(3.0)
KELVIN = 8.617333262e-5
COLD = (BARRIER_EV, A, 5.0 * KELVIN)


def field(*sites):
    sites = np.array(sites or [(0, 0, 0)], np.int64)
    places = np.array([site_place(*site, A) for site in sites.tolist()])
    return sites, places, np.ones(len(sites), bool)


def dragged(depth, width, angle, length=2.0, sideways=0.0, others=()):
    """Where an adatom ends, seen from the tip's end, and the places of all."""
    sites, places, present = field((0, 0, 0), *others)
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-along[1], along[0]])
    start = places[0] + sideways * across
    end = start + length * along
    well = (depth, width)
    drag(1, 2, 0, sites, places, present, tuple(start), tuple(end), well, COLD, 0.02, 1.0)
    return places[0] - end, places


# --- the substrate -------------------------------------------------------------------------------


def test_hollows_bridges_and_tops():
    fcc, hcp = np.array(site_place(0, 0, 0, A)), np.array(site_place(0, 0, 1, A))
    assert np.hypot(*(fcc - hcp)) == pytest.approx(A / ROOT3)
    for hollow in (fcc, hcp):
        assert substrate_energy(*hollow, BARRIER_EV, A) == pytest.approx(0.0, abs=1e-6 * BARRIER_EV)
    bridge = 0.5 * (fcc + hcp)
    assert substrate_energy(*bridge, BARRIER_EV, A) == pytest.approx(BARRIER_EV, rel=1e-6)
    assert substrate_energy(0.0, 0.0, BARRIER_EV, A) == pytest.approx(9 * BARRIER_EV, rel=1e-6)
    # Between two tops along the row lies a bridge, too.
    assert substrate_energy(A / 2, 0.0, BARRIER_EV, A) == pytest.approx(BARRIER_EV, rel=1e-6)


def test_steepest_slope_along_the_bridge_path():
    fcc, hcp = np.array(site_place(0, 0, 0, A)), np.array(site_place(0, 0, 1, A))
    way = (hcp - fcc) / np.hypot(*(hcp - fcc))
    places = fcc + np.linspace(0.0, 1.0, 20_001)[:, None] * (hcp - fcc)
    slopes = [np.dot(substrate_force(x, y, BARRIER_EV, A), way) for x, y in places]
    cosine = (-1.0 - math.sqrt(33.0)) / 8.0
    v = math.acos(cosine)
    closed = (8.0 * math.pi / ROOT3) * abs(math.sin(2.0 * v) + math.sin(v))
    assert closed == pytest.approx(STEEPEST, rel=1e-6)
    assert np.abs(slopes).max() == pytest.approx(closed * BARRIER_EV / A, rel=1e-6)
    # 178 pN at 0.06 eV and 0.289 nm
    assert closed * 0.06 / 0.289 * 160.2176634 == pytest.approx(178.0, abs=0.5)


def test_force_is_the_gradient():
    rng = np.random.default_rng(0)
    for x, y in rng.uniform(-1.0, 1.0, (50, 2)):
        h = 1e-6
        slope = [
            (substrate_energy(x + h, y, 0.1, A) - substrate_energy(x - h, y, 0.1, A)) / (2 * h),
            (substrate_energy(x, y + h, 0.1, A) - substrate_energy(x, y - h, 0.1, A)) / (2 * h),
        ]
        assert substrate_force(x, y, 0.1, A) == pytest.approx([-s for s in slope], abs=1e-6)


def test_nearest_site_is_the_nearest():
    n, m = np.mgrid[-6:7, -6:7].reshape(2, -1)
    sites = [(int(i), int(j), s) for i, j in zip(n, m, strict=True) for s in (0, 1)]
    places = np.array([site_place(*site, A) for site in sites])
    for x, y in np.random.default_rng(1).uniform(-0.8, 0.8, (300, 2)):
        best = sites[int(np.argmin(np.hypot(*(places - (x, y)).T)))]
        assert nearest_site(x, y, A) == best


# --- thermal hops --------------------------------------------------------------------------------


def hop_count(temperature, duration, calls, seed=3):
    """Hops of a lone adatom, and their displacements' count by direction."""
    sites, places, present = field()
    bath = (BARRIER_EV, A, KELVIN * temperature)
    hops = 0
    for call in range(calls):
        hops += hop_for(
            seed, 5, call, 0, 0, sites, places, present, (9.0, 9.0), (0.0, 0.15), bath, duration
        )
    return hops, places[0]


def test_hops_follow_arrhenius():
    temperature = 80.0
    rate = 3.0 * ATTEMPTS_HZ * math.exp(-BARRIER_EV / (KELVIN * temperature))
    calls = 60_000
    hops, _ = hop_count(temperature, 0.5 / rate, calls)
    assert hops == pytest.approx(30_000, rel=0.02)


def test_hops_do_not_care_how_time_is_sliced():
    temperature = 80.0
    rate = 3.0 * ATTEMPTS_HZ * math.exp(-BARRIER_EV / (KELVIN * temperature))
    coarse, _ = hop_count(temperature, 1.0 / rate, 15_000, seed=7)
    fine, _ = hop_count(temperature, 0.1 / rate, 150_000, seed=8)
    # Two Poisson numbers of 15000: four standard deviations of their difference
    assert abs(coarse - fine) < 4.0 * math.sqrt(30_000)


def test_many_hops_in_one_interval_are_as_many_as_in_many_intervals():
    """300 expected hops in one call: no number of hops is the most."""
    rate = 3.0 * ATTEMPTS_HZ * math.exp(-BARRIER_EV / (KELVIN * 80.0))
    whole, _ = hop_count(80.0, 300.0 / rate, 40, seed=21)
    sliced, _ = hop_count(80.0, 3.0 / rate, 4000, seed=22)
    for hops in (whole, sliced):
        assert abs(hops - 12_000) < 4.0 * math.sqrt(12_000)


def test_the_rate_has_the_slope_of_arrhenius():
    """ln(rate) against 1 / k T falls with the barrier: one-parameter scan from 60 to 120 K."""
    kelvins = np.array([60.0, 70.0, 80.0, 100.0, 120.0])
    rates = []
    for kelvin in kelvins:
        expected = 3.0 * ATTEMPTS_HZ * math.exp(-BARRIER_EV / (KELVIN * kelvin))
        hops, _ = hop_count(kelvin, 40.0 / expected, 250, seed=int(kelvin))
        rates.append(hops / (250 * 40.0 / expected))
    slope, intercept = np.polyfit(1.0 / (KELVIN * kelvins), np.log(rates), 1)
    assert slope == pytest.approx(-BARRIER_EV, rel=0.01)
    assert intercept == pytest.approx(math.log(3.0 * ATTEMPTS_HZ), abs=0.1)


def test_the_warmest_substrate_that_holds_an_adatom():
    thermal = warmest_ev(BARRIER_EV)
    rate = 3.0 * ATTEMPTS_HZ * math.exp(-BARRIER_EV / thermal)
    assert rate * 3600.0 == pytest.approx(MOST_HOPS)
    assert thermal / KELVIN == pytest.approx(16.77, abs=0.01)
    assert warmest_ev(2.0 * BARRIER_EV) == pytest.approx(2.0 * thermal)


def test_the_walk_is_a_walk_on_the_honeycomb():
    squares = []
    for seed in range(400):
        hops, place = hop_count(80.0, 1e-9, 20, seed)
        if hops:
            squares.append(np.sum((place - site_place(0, 0, 0, A)) ** 2) / (hops * A * A / 3.0))
    assert np.mean(squares) == pytest.approx(1.0, abs=4.0 * np.std(squares) / math.sqrt(400))


def test_nothing_moves_in_the_cold_without_a_tip():
    # 1 hop an hour needs a barrier of 15.4 meV at 5 K; 60 meV never
    assert 5.0 * KELVIN * math.log(ATTEMPTS_HZ * 3600.0) == pytest.approx(0.0154, abs=1e-4)
    assert hop_count(5.0, 1e6, 100)[0] == 0


def test_detailed_balance_under_a_tip():
    """Times spent in two hollows are as Boltzmann's factor has it."""
    thermal, depth, width = 0.02, 0.03, 0.15
    sites, places, present = field()
    one, other = site_place(0, 0, 0, A), site_place(0, 0, 1, A)
    energy = [
        -depth * math.exp(-((x - one[0]) ** 2 + (y - one[1]) ** 2) / (2 * width**2))
        for x, y in (one, other)
    ]
    # The rates of one hop there and back, measured by waiting for the first hop.
    rates = []
    for start, target in (((0, 0, 0), other), ((0, 0, 1), one)):
        arrived = 0
        for call in range(40_000):
            sites[0] = start
            places[0] = site_place(*start, A)
            hop_for(
                11, 12, call, 0, 0, sites, places, present, one, (depth, width),
                (BARRIER_EV, A, thermal), 1e-12,
            )  # fmt: skip
            arrived += bool(np.hypot(*(places[0] - target)) < 1e-6)
        rates.append(arrived / 40_000)
    expected = math.exp((energy[0] - energy[1]) / thermal)
    assert rates[0] / rates[1] == pytest.approx(expected, rel=0.06)


# --- dragging ------------------------------------------------------------------------------------


def follows(depth, width, temperature=0.0, hollows=4):
    """Whether the whole potential lets an adatom be dragged from hollow to hollow along a row."""
    bath = (BARRIER_EV, 0.289, KELVIN * temperature)
    corners = [site_place(k, 0, s, 0.289) for k in range(hollows) for s in (0, 1)]
    place = np.array(corners[0])
    for number, (start, end) in enumerate(itertools.pairwise(corners)):
        pull(3, 4, number, place, start, end, (depth, width), bath, 0.02, 300)
    return bool(np.hypot(*(place - corners[-1])) < 0.5 * 0.289 / ROOT3)


@pytest.mark.parametrize("width", [0.12, 0.15, 0.18])
def test_depinning(width):
    least = least_depth(BARRIER_EV, 0.289, width)
    assert least == pytest.approx(STEEPEST * BARRIER_EV / 0.289 * width * math.sqrt(math.e))
    for part in (0.5, 0.8, 0.99):
        assert not follows(part * least, width), f"{part} of the least depth"
    for part in (1.3, 1.6, 2.5):
        assert follows(part * least, width), f"{part} times the least depth"


def test_depinning_of_the_default_adatom():
    assert least_depth(0.06, 0.289, 0.15) == pytest.approx(0.275, abs=5e-4)
    for temperature in (0.0, 5.0):
        assert not follows(0.27, 0.15, temperature)
        assert follows(0.36, 0.15, temperature)


def test_well_depth_is_a_power_of_conductance():
    assert well_depth(QUANTUM_US, 2.0) == pytest.approx(2.0)
    depths = [well_depth(g, 2.0) for g in (3.0, 6.0)]
    assert depths[1] / depths[0] == pytest.approx(2.0**0.46)


@pytest.mark.parametrize("turn", range(6))
def test_a_well_drags_along_rows(turn):
    # The middle of the zigzag of hollows is beside the fcc hollow, on the left or on the right.
    aside = (1 if turn % 2 == 0 else -1) * A / (4.0 * ROOT3)
    left, _ = dragged(0.35, 0.15, turn * math.pi / 3.0, sideways=aside)
    assert np.hypot(*left) < 0.2


@pytest.mark.parametrize("turn", range(3))
def test_a_well_that_drags_along_rows_fails_over_tops(turn):
    over_top = math.radians(30.0 + 120.0 * turn) + math.pi
    left, _ = dragged(0.35, 0.15, over_top)
    assert np.hypot(*left) > 1.5
    deep, _ = dragged(1.2, 0.15, over_top)
    assert np.hypot(*deep) < 0.3, "a much deeper well gets it around the top"


def test_a_shallow_well_moves_nothing():
    left, _ = dragged(0.12, 0.15, 0.0)
    assert np.hypot(*left) == pytest.approx(2.0)


def test_bystanders_are_moved_by_deep_wells_only():
    beside = (2, 2, 0)  # two rows away, 0.5 nm from the path
    before = np.array(site_place(*beside, A))
    moved = {}
    for depth in (0.4, 3.0):
        _, places = dragged(depth, 0.2, 0.0, others=[beside])
        moved[depth] = np.hypot(*(places[1] - before))
    assert moved[0.4] == 0.0
    assert moved[3.0] > 0.1


def test_two_adatoms_never_share_a_place():
    other = (4, 0, 0)  # in the way
    _, places = dragged(0.5, 0.15, 0.0, sideways=A / (4.0 * ROOT3), others=[other])
    assert np.hypot(*(places[0] - places[1])) > 0.89 * A


@pytest.mark.parametrize(("depth", "width"), [(0.1, 0.12), (0.35, 0.2), (0.6, 0.3), (0.06, 0.2)])
def test_beyond_its_reach_a_tip_moves_nothing(depth, width):
    """Whoever is outside stays even if asked; whoever is let hop at all distances ends alike."""
    well, duration, pitch = (depth, width), 0.02, 0.02
    reach = hop_reach(well, COLD, duration)
    assert reach < 6.0 * width
    rng = np.random.default_rng(4)
    moved = 0
    for turn in range(60):
        angle = rng.uniform(0.0, 2.0 * math.pi)
        others = [(3, -1, 0), (-2, 3, 1), (1, 2, 0)]
        sites, places, present = field((0, 0, 0), *others)
        start = places[0] + rng.normal(0.0, 0.1, 2)
        end = start + 1.6 * np.array([math.cos(angle), math.sin(angle)])
        alike = [(sites.copy(), places.copy()) for _ in range(2)]
        drag(7, 8, turn, *alike[0], present, tuple(start), tuple(end), well, COLD, pitch, 1.0)
        count = max(math.ceil(np.hypot(*(end - start)) / pitch), 1)
        for sample in range(count):
            tip = tuple(start + (sample + 1.0) / count * (end - start))
            for atom in range(len(sites)):
                far = np.hypot(*(alike[1][1][atom] - tip))
                hops = hop_for(
                    7, 8, turn, len(sites) * sample + atom, atom, *alike[1], present, tip,
                    well, COLD, np.hypot(*(end - start)) / 1.0 / count,
                )  # fmt: skip
                assert hops == 0 or far < reach
                moved += hops
        assert np.array_equal(alike[0][1], alike[1][1])
    assert moved > 0 or depth < least_depth(BARRIER_EV, A, width)


def test_a_warm_adatom_may_hop_anywhere():
    well = (0.3, 0.2)
    hot = (BARRIER_EV, A, 300.0 * KELVIN)
    assert hop_reach(well, hot, 0.02) == 6.0 * 0.2
    assert hop_reach((0.01, 0.2), COLD, 0.02) == 0.0
