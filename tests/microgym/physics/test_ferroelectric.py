"""The lattice of a ferroelectric against closed forms of Landau-Khalatnikov theory."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

from microgym.physics.ferroelectric import (
    ACTIVATION_FIELD,
    DRIVEN_FIELD,
    LatticeParameters,
    activate,
    add_tip_field,
    confine,
    driven_reach,
    respond,
    respond_work,
    tip_width,
)
from microgym.physics.lattice_kernels import evolve, evolve_work
from microgym.random import Role, episode_key, stream

COERCIVE = 2.0 / (3.0 * math.sqrt(3.0))
"""Intrinsic coercive field of alpha = -1, beta = 1."""


class Film:
    """A lattice and everything it needs."""

    def __init__(self, p: Any, field: Any = 0.0, seed: int = 0, **parameters: float) -> None:
        self.p = np.ascontiguousarray(p, np.float32)
        self.parameters = LatticeParameters(**parameters)
        self.beta = np.full(self.p.shape, self.parameters.beta, np.float32)
        self.mobility = np.ones_like(self.p)
        self.field = np.broadcast_to(np.float32(field), self.p.shape).copy()
        key = episode_key(seed)
        self.stream = stream(key[0], key[1], Role.EXOGENOUS, 0)
        self.work = np.empty(evolve_work(*self.p.shape), np.float32)
        self.tick, self.factor, self.growth = 0, 1.0, 1.0

    def run(self, time: float) -> Any:
        """Let time go by, and return the polarisation."""
        return self.steps(round(time / self.parameters.dt))

    def steps(self, count: int) -> Any:
        constants = self.parameters.constants
        parts = (self.beta, self.mobility, self.field, self.p, self.work)
        evolve(*self.stream, self.tick, count, self.factor, self.growth, constants, *parts)
        self.tick += count
        return self.p


def wall(size: int, at: float, kappa: float, height: int = 2) -> Any:
    """A kink in the middle of a strip, from minus to plus."""
    x = np.arange(size) - at
    return np.tile(np.tanh(x / math.sqrt(2.0 * kappa)), (height, 1))


def crossing(row: Any) -> float:
    """Where a profile that rises goes through zero, cells."""
    below = int(np.flatnonzero(row < 0.0)[-1])
    return below - row[below] / (row[below + 1] - row[below])


# --- uniform films -------------------------------------------------------------------------------


def test_the_coercive_field_is_the_spinodal():
    def switches(field: float) -> bool:
        return bool(Film(np.full((4, 4), -1.0), field).run(2000.0).mean() > 0.0)

    low, high = 0.384, 0.386
    assert not switches(low)
    assert switches(high)
    for _ in range(12):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if switches(middle) else (middle, high)
    # A film driven for a time t only shows fields that switch it within t: pi / (t 3**(1/4)) is
    # sqrt(E - E_c), so the excess is 1.4e-6 here.
    assert high == pytest.approx(COERCIVE, rel=1e-5)


@pytest.mark.parametrize(("excess", "tolerance"), [(1e-2, 0.06), (1e-3, 0.02), (1e-4, 0.005)])
def test_switching_slows_down_at_the_coercive_field(excess, tolerance):
    # The closed form is for a passage from infinity to infinity: begin well below the well.
    film = Film(np.full((4, 4), -2.0), COERCIVE + excess, dt=0.02)
    time = 0.0
    while film.p[0, 0] < 0.5:
        film.steps(10)
        time += 0.2
    slowest = 1.0 / math.sqrt(3.0)
    assert time == pytest.approx(math.pi / math.sqrt(3.0 * slowest * excess), rel=tolerance)


def test_depolarisation_weakens_a_uniform_film():
    p = Film(np.full((8, 8), 1.0), depolarisation=0.3).run(200.0)
    assert np.abs(p - math.sqrt(0.7)).max() < 1e-6


def test_a_uniform_film_is_not_stiffened_by_the_coupling():
    # The one-dimensional Laplacian on a square lattice would leave sqrt(1 + 2 kappa).
    assert np.abs(Film(np.full((8, 8), 0.5), kappa=4.0).run(60.0) - 1.0).max() < 1e-6


# --- walls ---------------------------------------------------------------------------------------


def test_a_wall_at_rest_has_the_profile_and_the_energy_of_the_kink():
    kappa = 8.0
    film = Film(wall(80, 39.5, kappa), kappa=kappa, dt=0.02)
    row = film.run(100.0)[0].astype(np.float64)
    expected = np.tanh((np.arange(80) - 39.5) / math.sqrt(2.0 * kappa))
    assert np.abs(row - expected).max() < 4e-3
    energy = np.sum(-0.5 * row**2 + 0.25 * row**4 + 0.25) + 0.5 * kappa * np.sum(np.diff(row) ** 2)
    assert energy == pytest.approx(2.0 * math.sqrt(2.0) / 3.0 * math.sqrt(kappa), rel=5e-3)


@pytest.mark.parametrize("field", [0.01924, 0.07698, 0.19245])
def test_a_driven_wall_moves_as_the_travelling_wave(field):
    kappa = 8.0
    film = Film(-wall(160, 40.0, kappa), field, kappa=kappa, dt=0.02)
    film.run(20.0)
    before = crossing(-film.p[0])
    film.run(40.0)
    speed = (crossing(-film.p[0]) - before) / 40.0
    low, middle, high = np.sort(np.roots([1.0, 0.0, -1.0, -field]).real)
    expected = math.sqrt(0.5 * kappa) * (low + high - 2.0 * middle)
    assert speed == pytest.approx(expected, rel=0.015)


def test_a_coarse_lattice_pins_walls():
    """Walls narrower than a cell stand still in a twentieth of the coercive field."""
    for kappa, moves in ((0.2, False), (0.5, False), (2.0, True)):
        film = Film(-wall(60, 20.0, kappa), 0.05 * COERCIVE, kappa=kappa, dt=0.04)
        film.run(50.0)
        before = crossing(-film.p[0])
        film.run(50.0)
        assert (crossing(-film.p[0]) - before > 0.5) == moves


# --- circles -------------------------------------------------------------------------------------


def circle(size: int, radius: float, kappa: float) -> Any:
    at = np.arange(size) - 0.5 * (size - 1)
    r = np.hypot(at[:, None], at[None, :])
    return np.tanh((radius - r) / math.sqrt(2.0 * kappa))


def radius_squared(p: Any) -> float:
    return float(crossing(p[p.shape[0] // 2, : p.shape[1] // 2]) - 0.5 * (p.shape[1] - 1)) ** 2


def test_a_circle_shrinks_by_its_curvature():
    kappa = 4.0
    film = Film(circle(129, 40.0, kappa), kappa=kappa)
    film.run(10.0)
    before = radius_squared(film.p)
    film.run(80.0)
    change = radius_squared(film.p) - before
    assert change == pytest.approx(-2.0 * kappa * 80.0, rel=0.01)


def test_a_circle_below_the_critical_radius_dies():
    kappa, field = 4.0, 0.05
    low, middle, high = np.sort(np.roots([1.0, 0.0, -1.0, -field]).real)
    critical = kappa / (math.sqrt(0.5 * kappa) * (low + high - 2.0 * middle))
    for factor, grows in ((0.85, False), (1.15, True)):
        film = Film(circle(97, factor * critical, kappa), field, kappa=kappa)
        before = radius_squared(film.p)
        film.run(60.0)
        assert (radius_squared(film.p) > before) == grows


# --- noise ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("theta", "mobility"), [(1e-3, 1.0), (5e-3, 1.0), (5e-3, 0.25)])
def test_thermal_fluctuations_have_the_size_of_equipartition(theta, mobility):
    """Whatever the mobility, as detailed balance asks for."""
    film = Film(np.ones((128, 128)), kappa=0.0, theta=theta, dt=0.01 / mobility)
    film.mobility[:] = mobility
    film.run(8.0 / mobility)
    spread: list[float] = []
    for _ in range(20):
        film.run(1.0 / mobility)
        spread.append(float(film.p.var()))
    # Second-order perturbation by the cubic and quartic terms: -0.75 + 5.625 - 1.125 times theta.
    expected = 0.5 * theta * (1.0 + 3.75 * theta)
    assert np.mean(spread) == pytest.approx(expected, rel=0.03)


def test_escape_over_the_barrier_follows_kramers():
    theta = 0.04
    film = Film(np.full((64, 64), -1.0), kappa=0.0, theta=theta, dt=0.02, seed=3)
    inside = np.ones((64, 64), np.bool_)
    at_risk, escaped = 0.0, 0
    for _ in range(1200):
        film.run(1.0)
        at_risk += float(inside.sum())
        crossed = inside & (film.p > 0.5)
        escaped += int(crossed.sum())
        inside &= ~crossed
    expected = math.sqrt(2.0) * math.pi * math.exp(0.25 / theta)
    assert at_risk / escaped == pytest.approx(expected, rel=0.1)


def test_noise_belongs_to_tick_and_site():
    whole, sliced = (Film(np.ones((16, 16)), theta=0.01, seed=4) for _ in range(2))
    whole.steps(30)
    for count in (1, 7, 0, 22):
        sliced.steps(count)
    assert np.array_equal(whole.p, sliced.p)
    other = Film(np.ones((16, 16)), theta=0.01, seed=5)
    assert not np.array_equal(other.steps(30), whole.p)


# --- disorder ------------------------------------------------------------------------------------


def test_dead_sites_stay_and_hold_walls():
    film = Film(-wall(60, 20.0, 4.0, height=6), 0.3 * COERCIVE)
    film.mobility[:, 40] = 0.0
    film.p[:, 40] = 0.0
    film.run(200.0)
    assert np.all(film.p[:, 40] == 0.0)
    # Nothing is felt through a dead line: what is behind it stays as it was.
    assert np.all(film.p[:, 36] > 0.5)
    assert np.all(film.p[:, 46] < -0.5)


def test_a_softer_site_has_more_polarisation():
    film = Film(np.ones((4, 4)), kappa=0.0)
    film.beta[1, 2] = 0.64
    film.run(40.0)
    assert film.p[1, 2] == pytest.approx(1.25, abs=1e-5)
    assert film.p[0, 0] == pytest.approx(1.0, abs=1e-6)


def test_the_border_lets_nothing_through():
    p = np.random.default_rng(0).normal(0.0, 0.3, (9, 13))
    film = Film(p, kappa=4.0, dt=0.04)
    film.mobility[:] = 1.0
    padded = np.pad(film.p.astype(np.float64), 1, mode="edge")
    bend = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    bend -= 4.0 * film.p
    expected = film.p + 0.04 * (film.p - film.p.astype(np.float64) ** 3 + 4.0 * bend)
    assert np.abs(film.steps(1) - expected).max() < 1e-6


# --- tip, creep, read-out ------------------------------------------------------------------------


def test_the_tip_field_has_its_profile_and_width():
    d, peak = 10.0, 2.0
    field = np.zeros((3, 81), np.float32)
    add_tip_field(1.0, 40.0, peak, d, field)
    r = np.arange(81) - 40.0
    assert field[1] == pytest.approx(peak * d**3 / (r**2 + d**2) ** 1.5, rel=1e-6)
    half = brentq(lambda x: d**3 / (x**2 + d**2) ** 1.5 - 0.5, 0.0, 3.0 * d)
    assert tip_width(d) == pytest.approx(2.0 * half, rel=1e-4)


def test_mobility_follows_merz_law():
    field = np.array([[0.5, -0.5, 2.0, 0.0, 5.0]], np.float32)
    alive, mobility = (
        np.array([[1.0, 1.0, 1.0, 1.0, 0.0]], np.float32),
        np.empty((1, 5), np.float32),
    )
    activate(field, alive, mobility)
    expected = np.exp(-float(ACTIVATION_FIELD) / np.array([0.5, 0.5, 2.0]))
    assert mobility[0, :3] == pytest.approx(expected, rel=1e-5)
    assert mobility[0, 3:].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("field", [0.8, 1.2, 2.0])
def test_switching_times_follow_merz_law(field):
    """A uniform film takes exp(E_a / E) times as long as one of mobility 1."""

    def time(mobility: float) -> float:
        film = Film(np.full((4, 4), -1.0), field, dt=0.01)
        film.mobility[:], film.factor = mobility, 0.9 / mobility
        steps = 0
        while film.p[0, 0] < 0.5:
            film.steps(1)
            steps += 1
        return steps * film.factor

    mobility = np.ones((1, 1), np.float32)
    activate(np.full((1, 1), field, np.float32), mobility, mobility)
    ratio = time(float(mobility[0, 0])) / time(1.0)
    assert ratio == pytest.approx(math.exp(float(ACTIVATION_FIELD) / field), rel=1e-4)


def test_a_tip_drives_what_its_field_reaches():
    peak, d = -3.0, 3.5
    reach = driven_reach(peak, d)
    assert abs(peak) / (1.0 + (reach / d) ** 2) ** 1.5 == pytest.approx(DRIVEN_FIELD)
    assert driven_reach(0.9 * DRIVEN_FIELD, d) == 0.0
    mobility = np.ones((31, 31), np.float32)
    confine(15.0, 14.5, reach, mobility)
    r = np.hypot(np.arange(31)[:, None] - 15.0, np.arange(31)[None, :] - 14.5)
    assert np.array_equal(mobility > 0.0, r < reach)


def test_steps_that_grow_add_up_to_the_time_and_stop_at_the_longest():
    """A site relaxes towards its well at the rate 2 of a small deviation."""
    film = Film(np.full((4, 4), 1.001), kappa=0.0, dt=0.05)
    film.factor, film.growth = 0.01, 1.1
    found = (film.steps(20)[0, 0] - 1.0) / 1e-3
    time = 0.05 * 0.01 * sum(1.1**k for k in range(20))
    assert found == pytest.approx(math.exp(-2.0 * time), rel=0.01)
    slow, fast = Film(np.full((4, 4), -1.0), 1.0), Film(np.full((4, 4), -1.0), 1.0)
    fast.factor = 50.0
    assert np.array_equal(slow.steps(12), fast.steps(12))


@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.5])
def test_a_small_circle_is_read_too_weak(ratio):
    sigma = 6.0
    at = np.arange(65) - 32.0
    inside = np.hypot(at[:, None], at[None, :]) <= ratio * sigma
    p = np.where(inside, -1.0, 1.0).astype(np.float32)
    seen = np.empty_like(p)
    respond(p, sigma, seen, np.empty(respond_work(65, 65, sigma), np.float32))
    # The circle as cells have it: its area, not its nominal radius.
    squared = inside.sum() / math.pi
    # The Gaussian is cut off at four deviations; what the mirror adds is beyond that here.
    expected = 2.0 * math.exp(-squared / (2.0 * sigma**2)) - 1.0
    assert -seen[32, 32] == pytest.approx(-expected, rel=0.02)
    assert seen[0, 0] == pytest.approx(1.0, abs=0.02)


def test_a_uniform_film_is_read_as_it_is():
    p = np.full((20, 30), -0.7, np.float32)
    seen = np.empty_like(p)
    respond(p, 2.0, seen, np.empty(respond_work(20, 30, 2.0), np.float32))
    assert np.abs(seen + 0.7).max() < 1e-6


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"kappa": -1.0}, "kappa=-1.0 must be at least 0"),
        ({"beta": 0.0}, "beta=0.0 must be above zero"),
        ({"theta": math.nan}, "theta=nan must be finite"),
        ({"dt": 0.12}, "dt=0.12 must be below 0.1111 for kappa=2.0"),
    ],
)
def test_impossible_films_are_refused(given, error):
    with pytest.raises(ValueError, match=error.replace("(", r"\(")):
        LatticeParameters(**given)
    with pytest.raises(TypeError, match="kappa must be a real number"):
        LatticeParameters(kappa="stiff")
