"""Ptycho-v0: what is done and paid for."""

import numpy as np
import pytest

from microgym import metrics
from microgym.envs.core.comparison import assert_same
from microgym.envs.ptycho.config import GRID, GRID_DWELLS_S
from microgym.envs.ptycho.task import PtychoTask
from microgym.metrics.scan_progress import SEEN_EXPOSURES
from microgym.physics.damage import DAMAGE_LEVELS
from tests.envs.ptycho.helpers import (
    action,
    cell_centre,
    make,
    number,
    play,
    richest,
    task_of,
    wander,
)

TERMS = tuple(PtychoTask.REWARD)


def test_a_grid_action_is_the_continuous_one_at_the_cells_centre():
    grid, free = make(action="grid"), make()
    for cell in (0, 17, 200, 255):
        one = grid.step(GRID * GRID + cell)
        other = free.step(action(*cell_centre(cell), GRID_DWELLS_S[1]))
        ours, theirs = task_of(grid), task_of(free)
        counts = [one.instrument.state.measurement.counts for one in (ours, theirs)]
        # An exposure time from an action of float32 has its rounding.
        assert np.abs(counts[0] - counts[1]).max() <= 1.0
        re = (one.scan.estimate.state.re for one in (ours, theirs))
        assert np.abs(np.subtract(*re)).max() < 1e-2
        assert other[4].keys() == one[4].keys() - {"action_mask"}
        assert one[1] == pytest.approx(other[1], abs=1e-4)
        assert one[4]["ledger"] == pytest.approx(other[4]["ledger"], rel=1e-6)


@pytest.mark.parametrize("level", range(len(GRID_DWELLS_S)))
def test_grid_actions_choose_the_exposure_time(level):
    env = make(action="grid")
    info = env.step(level * GRID * GRID + 5)[4]
    assert info["ledger"]["dose"] == pytest.approx(1e5 * GRID_DWELLS_S[level])


@pytest.mark.parametrize(("third", "seconds"), [(-1.0, 0.1), (0.0, 1.0), (0.5, 10**0.5), (1, 10.0)])
def test_exposure_times_are_logarithmic(third, seconds):
    env = make()
    info = env.step(np.array([0.0, 0.0, third], np.float32))[4]
    assert info["ledger"]["dose"] == pytest.approx(1e5 * seconds, rel=1e-6)
    assert info["ledger"]["time_s"] == pytest.approx(seconds + 0.2, rel=1e-6)


@pytest.mark.parametrize(("y", "x"), [(-1.0, -1.0), (1.0, 1.0), (0.0, 0.0), (-0.25, 0.75)])
def test_actions_span_the_region(y, x):
    env = make()
    env.step(action(y, x))
    task = task_of(env)
    assert task.instrument.state.beam[0].tolist() == [32 + 64 * (y + 1), 32 + 64 * (x + 1)]


def test_masks_tell_visited_cells():
    env = make(action="grid", exposures=3)
    assert env.action_masks().all()
    assert env.action_masks().shape == (GRID * GRID * len(GRID_DWELLS_S),)
    seen = [9, 200]
    for k, cell in enumerate(seen):
        info = env.step(k * GRID * GRID + cell)[4]
        free = env.action_masks().reshape(len(GRID_DWELLS_S), -1)
        assert np.array_equal(info["action_mask"], env.action_masks())
        assert np.flatnonzero(~free[0]).tolist() == sorted(seen[: k + 1])
        assert np.all(free == free[0])
    env.reset(seed=2)
    assert env.action_masks().all()
    with pytest.raises(TypeError, match="no action masks"):
        make().action_masks()


def test_when_every_cell_was_visited_all_are_free_again():
    env = make(action="grid", exposures=300, time_budget_s=1e4)
    task = task_of(env)
    task.state.used[:] = True
    task.state.used[0, 0, 77] = False
    assert np.flatnonzero(env.action_masks()).tolist() == [77, 77 + 256, 77 + 512]
    env.step(77)
    assert env.action_masks().all()


def test_an_episode_ends_when_exposures_are_used_up():
    env = make(exposures=3)
    ends = [step[2:4] for step in play(env, wander(3))]
    assert ends == [(False, False), (False, False), (True, False)]


def test_an_episode_ends_when_time_is_used_up():
    env = make(exposures=20, time_budget_s=12.0)
    steps = play(env, [action(0.0, 0.0, 5.0)] * 2)
    assert [step[2] for step in steps] == [False, False]
    observation, _, terminated, _, info = env.step(action(0.0, 0.0, 5.0))
    assert terminated
    assert info["ledger"]["time_s"] > 12.0
    assert number(observation, "time_left") == pytest.approx(0.0, abs=1e-6)
    assert number(observation, "exposures_left") == pytest.approx(0.85)


# --- what is paid --------------------------------------------------------------------------------


def test_terms_add_up_to_figures_of_the_end():
    arguments = {"damage": "hard", "drift": "real", "time_budget_s": 30.0}
    env = make(exposures=8, reward_mode="vector", **arguments)
    steps = play(env, wander(8, seconds=2.0))
    total = dict(zip(TERMS, np.sum([step[1] for step in steps], axis=0), strict=True))
    info, task = steps[-1][4], task_of(env)
    figures, ledger = info["metrics"], info["ledger"]
    assert total["resolution"] * 10 == pytest.approx(max(figures["snr_db"], 0.0), abs=1e-9)
    estimate = task.scan.estimate.state.re[0] + 1j * task.scan.estimate.state.im[0].astype(float)
    sample = task.instrument.sample
    truth = sample.pristine_re[0] + 1j * sample.pristine_im[0].astype(float)
    structure = sample.structure[0].astype(bool)
    snr = float(metrics.structure_snr_db(estimate, truth, structure))
    assert figures["snr_db"] == pytest.approx(snr, abs=1e-3)
    wanted = np.sum(np.abs(truth[structure]) ** 2)
    fit = np.abs(np.vdot(estimate[structure], truth[structure])) ** 2
    fit /= np.sum(np.abs(estimate[structure]) ** 2)
    assert figures["complex_error"] == pytest.approx(np.sqrt(1 - fit / wanted), rel=1e-4)
    assert total["discovery"] == pytest.approx(figures["found"])
    assert 0.0 < total["discovery"] <= 1.0
    assert total["dose"] == pytest.approx(-ledger["dose"] / 8e5)
    assert total["time"] == pytest.approx(-ledger["time_s"] / 30.0)
    assert total["damage"] == pytest.approx(-figures["contrast_lost"])
    now = sample.object_re[0] + 1j * sample.object_im[0].astype(float)
    lost = np.sum(np.abs(now - truth)[structure] ** 2) / np.sum(np.abs(truth - 1)[structure] ** 2)
    assert figures["contrast_lost"] == pytest.approx(lost, rel=1e-4)
    assert lost > 0.001


def test_exposing_is_never_worse_than_an_empty_image():
    """Resolution is floored at 0 dB: on dense specimens a first glance has a worse image."""
    lowest = 0.0
    for family in ("lines", "grf", "sparse"):
        env = make(specimen=family, photons=1e4, reward_mode="vector", final_sweeps=0)
        total = 0.0
        for one in wander(4, 3, 0.1):
            _, terms, _, _, info = env.step(one)
            total += terms[TERMS.index("resolution")]
            lowest = min(lowest, info["metrics"]["snr_db"])
            assert total == pytest.approx(max(info["metrics"]["snr_db"], 0.0) / 10.0, abs=1e-9)
    assert lowest < 0.0


def test_the_sums_are_right_at_every_step_not_only_after_the_final_sweeps():
    env = make(exposures=5, final_sweeps=0)
    task = task_of(env)
    for one in wander(5, 2):
        info = env.step(one)[4]
        estimate = task.scan.estimate.state.re[0] + 1j * task.scan.estimate.state.im[0].astype(
            float
        )
        sample = task.instrument.sample
        truth = sample.pristine_re[0] + 1j * sample.pristine_im[0].astype(float)
        snr = metrics.structure_snr_db(estimate, truth, sample.structure[0].astype(bool))
        assert info["metrics"]["snr_db"] == pytest.approx(float(snr), abs=1e-3)


def test_seen_structure_is_what_got_light_enough():
    env = make(exposures=6)
    info = play(env, wander(6, 1))[-1][4]
    task = task_of(env)
    enough = task.instrument.sample.fluence[0] >= SEEN_EXPOSURES * task.scan.unit
    structure = task.instrument.sample.structure[0].astype(bool)
    assert info["metrics"]["found"] == pytest.approx(enough[structure].mean(), abs=1e-9)


def test_discovery_never_exceeds_one():
    env = make(exposures=36, action="grid", time_budget_s=1e3, final_sweeps=0)
    cells = [y * GRID + x for y in range(1, 16, 3) for x in range(1, 16, 3)]
    cells += [y * GRID + x for y in (0, 15) for x in range(0, 16, 3)][: 36 - len(cells)]
    info = play(env, [2 * GRID * GRID + cell for cell in cells])[-1][4]
    assert 0.9 < info["metrics"]["found"] <= 1.0


def test_reward_is_the_weighted_sum_of_its_terms():
    weights = {"resolution": 0.0, "discovery": 2.0, "time": 0.5}
    env = make(reward_weights=weights, damage="hard")
    chosen = {name: term.weight for name, term in PtychoTask.REWARD.items()} | weights
    assert env.reward_weights.tolist() == list(chosen.values())
    steps = play(env, wander(3))
    for _, reward, _, _, info in steps:
        terms = info["reward_terms"]
        assert list(terms) == list(TERMS)
        wanted = sum(chosen[name] * terms[name] for name in TERMS)
        assert reward == pytest.approx(wanted, rel=1e-12)
    plain = make(damage="hard")
    ours = play(plain, wander(3))[-1][4]["reward_terms"]
    assert ours == steps[-1][4]["reward_terms"], "weights must change nothing but the sum"


def test_final_sweeps_help_and_change_the_last_step_only():
    arguments = {"exposures": 49, "photons": 1e6}
    swept, raw = make(**arguments), make(**arguments, final_sweeps=0)
    line = np.linspace(-0.9, 0.9, 7)
    actions = [action(y, x) for y in line for x in line]
    ours, theirs = play(swept, actions), play(raw, actions)
    assert_same(ours[:-1], theirs[:-1])
    before, after = (steps[-1][4]["metrics"]["snr_db"] for steps in (theirs, ours))
    assert after > before + 1.0 > 2.0


def test_good_exposures_are_worth_more_than_wasted_ones():
    good, bad = make(), make()
    structured = play(good, [action(*richest(good), 3.0)])[0]
    task = task_of(bad)
    inside = task.instrument.sample.structure[0, 32:160, 32:160]
    cells = inside.reshape(16, 8, 16, 8).mean(axis=(1, 3))
    empty = play(bad, [action(*cell_centre(int(cells.argmin())), 3.0)])[0]
    assert structured[1] > empty[1] + 0.02


def test_a_destroyed_specimen_is_a_cost_apart_from_the_reward():
    env = make(damage="hard", exposures=4, time_budget_s=1e3)
    place = richest(env)
    steps = play(env, [action(*place, 10.0)] * 3)
    task = task_of(env)
    structure = task.instrument.sample.structure[0].astype(bool)
    assert task.instrument.fatal_fluence == pytest.approx(
        4 * DAMAGE_LEVELS["hard"].critical_fluence
    )
    dead = (task.instrument.sample.fluence[0] >= task.instrument.fatal_fluence)[structure].mean()
    costs = [step[4]["cost"] for step in steps]
    assert sum(costs) == pytest.approx(dead, abs=1e-12)
    assert 0.0 < dead < 1.0
    for step in steps:
        assert step[4]["cost_terms"] == {"specimen_destroyed": step[4]["cost"]}
    assert env.reset(seed=1)[1]["cost"] == 0.0
    gentle = make(damage="hard")
    assert gentle.step(action(*place, 1.0))[4]["cost"] == 0.0


# --- what a user can change ----------------------------------------------------------------------
