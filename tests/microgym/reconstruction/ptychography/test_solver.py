"""What the solver promises: convergence, the noise floor, batches, masks, and clear errors."""

from dataclasses import replace

import numpy as np
import pytest

from microgym.metrics import complex_error
from microgym.random import episode_key
from microgym.reconstruction.ptychography.solver import PIESettings, PIESolver
from microgym.reconstruction.ptychography.sweeps import permute
from tests.microgym.reconstruction.ptychography.scenes import (
    grid,
    make_probe,
    make_specimen,
    measure,
    small,
)

CENTRE = (slice(20, -20), slice(20, -20))


def solve(experiment, sweeps=20, guess=None, known=None, **settings):
    solver = PIESolver(
        experiment.probe if guess is None else guess,
        experiment.specimen.shape,
        capacity=len(experiment.counts),
        settings=PIESettings(**settings),
        known=known,
    )
    solver.add([0], experiment.counts[None], experiment.positions[None], experiment.photons)
    solver.flat_start()
    solver.sweep(count=sweeps)
    return solver


def error(solver, experiment, row=0, ramp=False):
    found, truth = solver.object[row][CENTRE], experiment.specimen[CENTRE]
    return float(complex_error(found, truth, remove_ramp=ramp))


@pytest.mark.parametrize("jitter", [0.0, 1.5])
@pytest.mark.parametrize("alpha", [1.0, 0.1])
def test_recovers_the_specimen_without_noise(jitter, alpha):
    positions = grid(16, 48, 3.0, jitter, 1)
    positions = positions if jitter else np.floor(positions)
    experiment = measure(
        make_specimen(1, 64, 0.15), make_probe(32, 3.5, 0.02), positions, 1e9, None
    )
    solver = solve(experiment, 150, alpha=alpha, decay=np.inf)
    assert error(solver, experiment) < 2e-3


def test_fractions_matter():
    positions = grid(16, 48, 3.0, 1.5, 3)
    experiment = measure(make_specimen(3, 64, 0.15), make_probe(32, 3.5, 0.02), positions, 1e6, 3)
    fine = solve(experiment, 100)
    whole = replace(experiment, positions=np.floor(experiment.positions + 0.5))
    rounded = solve(whole, 100)
    assert error(fine, experiment) < 0.5 * error(rounded, experiment)


@pytest.mark.parametrize("jitter", [0.0, 1.5])
def test_learns_the_probe(jitter):
    # A probe guess with 30% too little width and no curvature.
    experiment = small(4, 1e7, jitter=jitter, step=4.0)
    guess = make_probe(32, 32 / 12, 0.45 / 32)
    known, blind = ({"probe_step": step, "alpha": 0.2, "decay": np.inf} for step in (0.0, 0.5))
    stuck = solve(experiment, 100, guess, **known).evaluate_cost()[0]
    learned = solve(experiment, 100, guess, **blind)
    assert learned.evaluate_cost()[0] < 0.05 * stuck
    overlap = abs(np.vdot(experiment.probe, learned.probe[0])) ** 2
    overlap /= np.linalg.norm(learned.probe[0]) ** 2
    assert overlap > 0.95


def test_two_modes_explain_what_one_cannot():
    experiment = small(5, modes=2)
    blind = {"probe_step": 0.3, "alpha": 0.2, "decay": np.inf}
    one, two = (solve(experiment, 150, experiment.probe[0], modes=m, **blind) for m in (1, 2))
    given = solve(experiment, 150, modes=2, alpha=0.2)
    assert one.evaluate_cost()[0] > 3 * two.evaluate_cost()[0]
    assert given.evaluate_cost()[0] < 0.35
    assert error(given, experiment) < error(one, experiment, ramp=True)


def test_reaches_the_shot_noise_floor_and_not_below():
    """With n photons through each pixel of the specimen E0 >= 1/sqrt(2n), whoever estimates.

    That is the bound if both quadratures of every wave were measured; a pattern shows its modulus
    alone, half the information on average, which brings the bound near 1/sqrt(n). (The exact bound
    of a scene like this one, from its Fisher matrix, is 1.5/sqrt(2n).)
    """
    inside = (slice(40, -40), slice(40, -40))
    positions = np.floor(grid(32, 96, 4.0, 1.0, 0))
    errors = {}
    for photons in (1e6, 1e8):
        scene = make_specimen(6, 128, 0.15), make_probe(64, 6.0, 0.0), positions
        experiment = measure(*scene, photons, 6)
        truth = experiment.specimen[inside]
        floor = np.sqrt((1 / (2 * experiment.dose[inside])).sum() / (np.abs(truth) ** 2).sum())
        for decay in (20.0, np.inf):
            found = solve(experiment, 250, decay=decay, alpha=0.2).object[0][inside]
            errors[photons, decay] = float(complex_error(found, truth)) / floor
    print("error over floor:", {key: round(value, 2) for key, value in errors.items()})
    assert 1.0 < errors[1e6, 20.0] < 3.0
    assert 1.0 < errors[1e8, 20.0] < 3.0
    assert errors[1e6, 20.0] < 0.9 * errors[1e6, np.inf]


def test_cost_of_the_truth_is_that_of_shot_noise():
    experiment = small(7, 1e7)
    solver = solve(experiment, 0)
    solver.state.object_re[0] = experiment.specimen.real
    solver.state.object_im[0] = experiment.specimen.imag
    predicted = measure(experiment.specimen, experiment.probe, experiment.positions, 1e7, None)
    exact = (np.sqrt(experiment.counts) - np.sqrt(predicted.counts)) ** 2
    assert solver.evaluate_cost()[0] == pytest.approx(exact.mean(), rel=1e-3)
    bright = predicted.counts > 20
    assert exact[bright].mean() == pytest.approx(0.25, rel=0.05)


def test_running_cost_falls_and_evaluation_changes_nothing():
    experiment = small(8, jitter=1.5)
    solver = solve(experiment, 0, probe_step=0.1)
    costs = solver.sweep(count=15)
    assert costs.shape == (15, 1)
    assert costs[-1, 0] < 0.1 * costs[0, 0]
    before = solver.object, solver.probe
    assert solver.evaluate_cost() == solver.evaluate_cost()
    assert np.array_equal(solver.object, before[0])
    assert np.array_equal(solver.probe, before[1])


@pytest.mark.parametrize("settings", [{}, {"modes": 2, "probe_step": 0.3, "position_step": 0.5}])
def test_batch_equals_single_bit_for_bit(settings):
    experiments = [small(10 + i, jitter=1.5) for i in range(3)]
    lengths = [len(e.counts) - 7 * i for i, e in enumerate(experiments)]
    batch = PIESolver(
        np.stack([e.probe for e in experiments]),
        (64, 64),
        num=3,
        capacity=64,
        settings=PIESettings(**settings),
    )
    for row in (2, 0, 1):
        e, k = experiments[row], lengths[row]
        batch.add([row], e.counts[None, :k], e.positions[None, :k], e.photons)
    batch.sweep([1], 2)
    batch.sweep([2, 0, 1], 3)
    batch.sweep([0, 2], 2)
    for row, (e, k) in enumerate(zip(experiments, lengths, strict=True)):
        alone = PIESolver(e.probe, (64, 64), capacity=99, settings=PIESettings(**settings))
        alone.add([0], e.counts[None, :k], e.positions[None, :k], e.photons)
        alone.sweep(count=5)
        assert np.array_equal(alone.object[0], batch.object[row])
        assert np.array_equal(alone.probe[0], batch.probe[row])
        assert np.array_equal(alone.positions(), batch.positions(row))
        assert alone.evaluate_cost()[0] == batch.evaluate_cost()[row]


def test_a_beam_stop_does_not_mislead():
    experiment = small(22, 1e7)
    known = np.ones((32, 32), bool)
    known[:2, :2] = False
    spoiled = replace(experiment, counts=experiment.counts * known)
    masked, unmasked = (solve(spoiled, 100, known=mask, alpha=0.2) for mask in (known, None))
    assert error(masked, experiment) < 0.05
    assert error(masked, experiment) < 0.2 * error(unmasked, experiment)
    assert masked.evaluate_cost()[0] < 1.0


def test_flat_start_is_the_mean_transmission():
    experiment = small(23)
    half = measure(np.full((64, 64), 0.5j), experiment.probe, experiment.positions, 1e6, 1)
    solver = solve(half, 0)
    assert np.allclose(solver.object, 0.5, rtol=2e-3)


@pytest.mark.parametrize("count", [1, 2, 17, 500])
def test_order_is_a_permutation_drawn_anew(count):
    orders = np.empty((3, count), np.int64)
    for tick in range(3):
        permute(episode_key(5), tick, orders[tick])
    assert np.array_equal(np.sort(orders, axis=1), np.tile(np.arange(count), (3, 1)))
    if count > 2:
        assert len({tuple(order) for order in orders}) == 3


def test_order_is_uniform():
    # 6 permutations of 3, 3000 draws: chi-square with 5 degrees of freedom, 20.5 at p = 0.001.
    tally: dict[tuple[int, ...], int] = {}
    order = np.empty(3, np.int64)
    for tick in range(3000):
        permute(episode_key(1), tick, order)
        tally[tuple(order)] = tally.get(tuple(order), 0) + 1
    assert sum((seen - 500) ** 2 / 500 for seen in tally.values()) < 20.5


PROBE = make_probe(32, 4.0, 0.02)
GOOD = {"counts": np.ones((1, 1, 32, 32)), "positions": np.full((1, 1, 2), 20.0), "photons": 10.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counts": np.ones((1, 1, 32, 16))}, r"counts of shape .* must be \(1, exposures, 32, 32"),
        ({"counts": np.full((1, 1, 32, 32), np.nan)}, "counts holds NaN"),
        ({"counts": -np.ones((1, 1, 32, 32))}, "counts must not be negative"),
        ({"positions": np.full((1, 2), 20.0)}, "positions of shape"),
        ({"positions": np.full((1, 1, 2), np.inf)}, "positions holds NaN or infinite"),
        ({"positions": np.full((1, 1, 2), 15.4)}, "positions: the patch of 32 px"),
        ({"positions": np.full((1, 1, 2), 48.5)}, r"centred at \[48.5, 48.5\] leaves the field"),
        ({"photons": 0.0}, "photons must be above 0"),
        ({"photons": np.ones(3)}, "photons of shape"),
        ({"rows": [1]}, r"rows=\[1\] must be from 0 to 0"),
        ({"rows": [0, 0]}, "names a row twice"),
        (
            {"counts": np.ones((1, 5, 32, 32)), "positions": np.full((1, 5, 2), 20.0)},
            "exceed capacity=4",
        ),
    ],
)
def test_bad_exposures_change_nothing(change, message):
    solver = PIESolver(PROBE, (64, 64), capacity=4)
    solver.add([0], **GOOD)
    before = solver.object, solver.positions()
    arguments = {"rows": [0], **GOOD, **change}
    with pytest.raises(ValueError, match=message):
        solver.add(**arguments)
    assert solver.state.stored[0] == 1
    assert np.array_equal(solver.object, before[0])
    assert np.array_equal(solver.positions(), before[1])


@pytest.mark.parametrize("bad", [{"counts": np.full((1, 1, 32, 32), "a")}, {"rows": [0.5]}])
def test_wrong_types(bad):
    solver = PIESolver(PROBE, (64, 64))
    with pytest.raises(TypeError):
        solver.add(**{"rows": [0], **GOOD, **bad})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"probe": np.zeros((32, 32))}, "zero everywhere"),
        ({"probe": np.full((32, 32), np.nan)}, "NaN"),
        ({"probe": np.ones((48, 48))}, "transforms exist for"),
        ({"probe": np.ones(32)}, "probe of shape"),
        ({"probe": np.ones((2, 1, 32, 32))}, r"\(num=1, modes, n, n\)"),
        ({"shape": (31, 64)}, r"shape=31 must be in \[32, "),
        ({"num": 0}, "num=0"),
        ({"capacity": 0}, "capacity=0"),
        ({"known": np.zeros((32, 32), bool)}, "no pixel"),
        ({"known": np.ones((3, 3), bool)}, "known of shape"),
    ],
)
def test_bad_solvers(arguments, message):
    with pytest.raises(ValueError, match=message):
        PIESolver(**{"probe": PROBE, "shape": (64, 64), **arguments})


@pytest.mark.parametrize(
    ("name", "value"),
    [("alpha", 0.0), ("alpha", float("nan")), ("object_step", 3.0), ("probe_step", -0.1),
     ("position_step", 5.0), ("decay", 0.5), ("modes", 0), ("probe_after", -1)],
)  # fmt: skip
def test_bad_settings(name, value):
    with pytest.raises(ValueError, match=f"{name}="):
        PIESettings(**{name: value})


def test_more_bad_calls():
    with pytest.raises(TypeError, match="alpha must be a real number, not 'x'"):
        PIESettings(alpha="x")
    solver = PIESolver(PROBE, (64, 64))
    with pytest.raises(ValueError, match="have no exposure yet"):
        solver.sweep()
    with pytest.raises(ValueError, match="have no exposure yet"):
        solver.evaluate_cost()
