"""Ptycho-v0: what is seen, done and paid for."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image

from microgym import metrics
from microgym.envs.core.comparison import assert_same
from microgym.envs.core.testing import check_snapshot
from microgym.envs.ptycho.config import GRID, GRID_DWELLS_S
from microgym.envs.ptycho.observation import MAPS, NUMBERS
from microgym.envs.ptycho.task import PtychoTask
from microgym.instruments.ptychography.settings import OPTICS
from microgym.metrics.scan_progress import SEEN_EXPOSURES
from microgym.physics.damage import DAMAGE_LEVELS
from microgym.physics.probe import intensity, make_probe
from microgym.physics.sampling import Geometry
from microgym.reconstruction.ptychography.observation_models import PRIOR_CONTRAST
from microgym.specimens.files import load_image
from tests.envs.ptycho.helpers import action, cell_centre, make, play, richest, task_of, wander
from tests.microgym.instruments import scans

TERMS = tuple(PtychoTask.REWARD)


def number(observation: Any, name: str) -> float:
    return float(NUMBERS.unpack(observation["numbers"][None].astype(float))[name][0])


def maps_of(observation: Any) -> dict[str, Any]:
    """Values of the maps by name."""
    return {name: one[0] for name, one in MAPS.unpack(observation["maps"][None]).items()}


# --- what is seen --------------------------------------------------------------------------------


@pytest.mark.parametrize(("observation", "cells"), [("compact", 32), ("full", 64)])
def test_maps_show_the_estimate_and_the_spent_fluence(observation, cells):
    env = make(observation=observation, reconstructor="classical")
    task = task_of(env)
    rng = np.random.default_rng(0)
    side, start, edge = task.instrument.field_px, task.start, task.region // cells
    task.scan.estimate.state.re[0] = rng.normal(0.6, 0.3, (side, side))
    task.scan.estimate.state.im[0] = rng.normal(0.0, 0.3, (side, side))
    exposures = rng.uniform(0.0, 4.0, (side, side))
    task.scan.running.fluence[0] = exposures * task.scan.unit
    task.scan.draw(np.arange(1))

    def pooled(plane):
        inside = plane[start : start + task.region, start : start + task.region]
        return inside.reshape(cells, edge, cells, edge).mean(axis=(1, 3))

    wave = pooled(task.scan.estimate.state.re[0]) + 1j * pooled(task.scan.estimate.state.im[0])
    spent = pooled(exposures)
    seen = task.observe()["maps"]
    assert seen.shape == (1, 5, cells, cells)
    maps = maps_of({"maps": seen[0]})
    assert maps["amplitude"] == pytest.approx(np.minimum(np.abs(wave) / 2, 1.0), abs=1e-6)
    assert maps["phase"] == pytest.approx(np.angle(wave) / np.pi, abs=1e-6)
    assert maps["coverage"] == pytest.approx(1 - np.exp(-3 * spent), abs=1e-6)
    assert maps["dose"] == pytest.approx(spent / 10, abs=1e-6)
    sigma = 1 / np.sqrt(1 / PRIOR_CONTRAST**2 + 2 * exposures * task.scan.unit)
    assert maps["uncertainty"] == pytest.approx(2 * pooled(sigma), abs=1e-6)


def test_an_untouched_specimen_looks_like_vacuum():
    observation, info = make(None, reconstructor="classical").reset(seed=3)
    maps = maps_of(observation)
    assert maps["uncertainty"] == pytest.approx(2 * PRIOR_CONTRAST)
    assert np.all(maps["amplitude"] == 0.5)
    assert all(np.all(maps[name] == 0.0) for name in ("phase", "coverage", "dose"))
    numbers = [number(observation, name) for name in NUMBERS]
    assert numbers == pytest.approx([0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0], abs=1e-6)
    assert info["metrics"]["snr_db"] == pytest.approx(0.0, abs=1e-9)
    assert info["metrics"]["found"] == info["metrics"]["contrast_lost"] == 0.0


def test_one_exposure_lights_the_commanded_place():
    env = make(reconstructor="classical")
    observation = env.step(action(-0.5, 0.25))[0]
    light = maps_of(observation)["dose"].astype(float)
    at = (np.arange(32) + 0.5) / 16 - 1
    total = light.sum()
    assert light.sum(axis=1) @ at / total == pytest.approx(-0.5, abs=0.02)
    assert light.sum(axis=0) @ at / total == pytest.approx(0.25, abs=0.02)
    assert task_of(env).scan.running.fluence.sum() == pytest.approx(1e5, rel=1e-4)
    # Wherever nothing was, the estimate is vacuum.
    dark = maps_of(observation)["coverage"] == 0.0
    assert dark.any()
    assert maps_of(observation)["amplitude"][dark] == pytest.approx(0.5, abs=1e-3)


def test_numbers_tell_place_budgets_and_signals():
    env = make(exposures=4, time_budget_s=20.0)
    observation, _, _, _, info = env.step(action(-0.5, 0.25, 3.0))
    assert number(observation, "y") == -0.5
    assert number(observation, "x") == 0.25
    assert number(observation, "exposures_left") == pytest.approx(0.75)
    time_s = info["ledger"]["time_s"]
    assert number(observation, "time_left") == pytest.approx(1 - time_s / 20.0, abs=1e-6)
    assert number(observation, "dose") == pytest.approx(0.75 / 1.75, abs=1e-6)
    instrument = task_of(env).instrument
    counts = instrument.state.measurement.counts[0].sum(dtype=float)
    passed = number(observation, "transmitted") + number(observation, "scattered")
    assert passed == pytest.approx(counts / 3e5, abs=1e-6)
    direct = float((instrument.state.measurement.counts[0] * instrument.disk).sum(dtype=float))
    assert number(observation, "transmitted") == pytest.approx(direct / 3e5, abs=1e-6)


def test_features_are_a_coarse_view():
    full, flat = make(), make(observation="features")
    seen = play(full, wander(2))[-1][0]
    maps, numbers = seen["maps"], seen["numbers"]
    vector = play(flat, wander(2))[-1][0]
    count = len(NUMBERS)
    assert vector.shape == (count + 2 * 64,)
    assert np.array_equal(vector[:count], numbers)
    contrast, coverage = vector[count:].reshape(2, 8, 8)
    assert np.corrcoef(
        coverage.ravel(), maps[MAPS.index("coverage")].reshape(8, 4, 8, 4).mean(axis=(1, 3)).ravel()
    )[0, 1] == pytest.approx(1.0, abs=0.1)
    assert contrast.min() >= 0.0
    assert contrast.max() > 0.01


def test_raw_view_shows_signals_and_no_reconstruction():
    env = make(reconstructor="raw")
    observation = env.step(action(*richest(env)))[0]
    task = task_of(env)
    light = intensity(task.instrument.known_probe).astype(np.float32)
    lit = light > 1e-3 * light.max()
    top, left = task.instrument.state.measurement.corner[0]
    bright, dark = (plane[0, top : top + 64, left : left + 64][lit] for plane in _planes(task))
    assert bright == pytest.approx(number(observation, "transmitted"), rel=1e-4)
    assert dark == pytest.approx(number(observation, "scattered"), rel=1e-4)
    plain = make(reconstructor="classical")
    plain.step(action(*richest(plain)))
    # The reward is the same: it is made of the reconstruction, whatever is shown.
    assert task.reward[0] == task_of(plain).reward[0]


def _planes(task):
    return task.scan.model.estimate(np.arange(1), task.scan.running)[:2]


def test_the_hidden_state_is_hidden_unless_asked_for():
    assert "latent" not in make(None).reset(seed=1)[1]
    env = make(None, reveal=True, drift="hard")
    latent = env.reset(seed=1)[1]["latent"]
    task = task_of(env)
    inside = task.instrument.sample.structure[0, 32:160, 32:160].astype(float)
    assert latent["structure"] == pytest.approx(inside.reshape(32, 4, 32, 4).mean(axis=(1, 3)))
    assert 0.02 < latent["structure"].mean() < 0.4
    drift = env.step(action(0.0, 0.0, 5.0))[4]["latent"]["drift_px"]
    assert drift.shape == (2,)
    assert np.array_equal(drift, task.instrument.state.drift.drift[0])
    assert np.abs(drift).max() > 0.01


# --- what is done --------------------------------------------------------------------------------


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


def plane_of(env: Any) -> bytes:
    return task_of(env).instrument.sample.pristine_re.tobytes()


def test_specimens_follow_seed_split_and_family_and_nothing_else():
    base = plane_of(make())
    same = [{"drift": "hard"}, {"damage": "hard", "photons": 1e4}, {"observation": "full"}]
    assert all(plane_of(make(**arguments)) == base for arguments in same)
    other = [{"split": "validation"}, {"split": "test"}, {"specimen": "lines"}]
    other_planes = [plane_of(make(**arguments)) for arguments in other]
    assert len({base, plane_of(make(2)), *other_planes}) == 5
    assert plane_of(make(specimen="siemens_star", split="test"))


def test_drift_is_the_same_whatever_is_decided():
    slow, fast = (make(None, drift="hard", reveal=True, exposures=9) for _ in range(2))
    for env in (slow, fast):
        env.reset(seed=4)
    # Both at 8.4 s: one exposure of 8.2 s, or seven of 1 s.
    one = slow.step(action(0.0, 0.0, 8.2))[4]
    seven = play(fast, [action(0.0, 0.0, 1.0)] * 7)[-1][4]
    assert one["ledger"]["time_s"] == pytest.approx(seven["ledger"]["time_s"], rel=1e-6)
    assert one["latent"]["drift_px"] == pytest.approx(seven["latent"]["drift_px"], abs=1e-5)


def test_interventions_set_the_drift():
    envs = [make(None, drift="easy", reveal=True) for _ in range(2)]
    for env in envs:
        env.reset(seed=4)
    envs[1].intervene(drift_velocity_px_s=(0.5, -1.0), settling_px=0.0)
    infos = [env.step(action(0.0, 0.0, 4.0))[4] for env in envs]
    moved = infos[1]["latent"]["drift_px"]
    assert moved == pytest.approx([0.5 * 4.2, -4.2], abs=0.5)
    assert np.abs(moved - infos[0]["latent"]["drift_px"]).min() > 1.5
    assert task_of(envs[1]).instrument.state.beam[0] == pytest.approx([96 + 1.1, 96 - 2.2], abs=0.5)
    # Wandering was drawn before and after as without the intervention.
    stages = [task_of(env).instrument.state.drift for env in envs]
    assert stages[0].wander.tobytes() == stages[1].wander.tobytes()


def test_one_row_of_a_batch_can_be_intervened_on():
    envs: Any = gym.make_vec("microgym:Ptycho-v0", 3, exposures=4)
    envs.reset(seed=0)
    before = envs.unwrapped.task.instrument.state.drift.velocity.copy()
    envs.unwrapped.intervene([1], drift_velocity_px_s=[[0.3, 0.4]])
    after = envs.unwrapped.task.instrument.state.drift.velocity
    assert after[1].tolist() == [0.3, 0.4]
    assert np.array_equal(after[[0, 2]], before[[0, 2]])


@pytest.mark.parametrize("kind", ["png", "tif", "npz", "npy"])
def test_a_users_picture_is_the_specimen(kind, tmp_path):
    picture = np.full((50, 70), 255, np.uint8)
    picture[10:30, 15:50] = 90
    path = tmp_path / f"cell.{kind}"
    if kind == "npz":
        np.savez(path, amplitude=picture / 255.0, phase=(255 - picture) / 255.0)
    elif kind == "npy":
        np.save(path, picture)
    else:
        Image.fromarray(picture).save(path)
    env = make(specimen=str(path))
    instrument = task_of(env).instrument
    image = load_image(path, (192, 192), margin=32)
    assert np.array_equal(instrument.sample.pristine_re[0], image.real)
    assert np.array_equal(instrument.sample.pristine_im[0], image.imag)
    structure = instrument.sample.structure[0].astype(bool)
    assert np.array_equal(structure, np.abs(image - 1) > 1e-3)
    assert 0.05 < structure.mean() < 0.2
    info = play(env, wander(4))[-1][4]
    assert info["metrics"]["found"] > 0.0
    env.reset(seed=9)
    assert np.array_equal(instrument.sample.pristine_re[0], image.real)
    check_snapshot("microgym:Ptycho-v0", specimen=str(path), exposures=2)


def test_two_pictures_are_amplitude_and_phase(tmp_path):
    paths = {name: str(tmp_path / f"{name}.png") for name in ("amplitude", "phase")}
    rng = np.random.default_rng(0)
    for path in paths.values():
        Image.fromarray(rng.integers(100, 255, (40, 40), np.uint8)).save(path)
    env = make(specimen=paths)
    image = load_image(paths, (192, 192), margin=32)
    assert np.array_equal(task_of(env).instrument.sample.pristine_im[0], image.imag)
    assert image.imag.any()


@pytest.mark.parametrize("coherence", ["off", "real"])
def test_a_probe_from_a_file(coherence, tmp_path):
    geometry = Geometry(*(OPTICS[name] for name in list(OPTICS)[:3]), 64)
    probe = make_probe(geometry, numerical_aperture=2e-3, defocus_m=30e-6)
    path = tmp_path / "probe.npy"
    np.save(path, 17.0 * probe)
    env = make(probe=str(path), coherence=coherence)
    known = task_of(env).instrument.known_probe
    if coherence == "off":
        assert np.abs(known - probe).max() < 1e-6
    assert len(known) == (1 if coherence == "off" else 6)
    assert np.sum(np.abs(known.astype(complex)) ** 2) == pytest.approx(1.0, abs=1e-5)
    observation = env.step(action(0.0, 0.0))[0]
    assert maps_of(observation)["coverage"].max() > 0.5


def test_optics_change_the_probe_and_the_pixel():
    env = make(optics={"defocus_m": 20e-6, "distance_m": 1.2388})
    task, plain = task_of(env), task_of(make())
    ours, theirs = (one.instrument.settings.geometry for one in (task, plain))
    assert ours.object_pixel_m == pytest.approx(2 * theirs.object_pixel_m, rel=1e-12)
    assert not np.array_equal(task.instrument.known_probe, plain.instrument.known_probe)


def test_partial_coherence_has_modes_and_less_contrast():
    env, plain = make(coherence="hard", photons=1e7), make(photons=1e7)
    assert len(task_of(env).instrument.known_probe) == 18
    place = richest(env)
    patterns = []
    for one in (env, plain):
        one.step(action(*place))
        counts = task_of(one).instrument.state.measurement.counts[0].reshape(64, 64).astype(float)
        patterns.append(counts / counts.sum())
    variation = [np.abs(np.diff(pattern, axis=0)).sum() for pattern in patterns]
    assert variation[0] < 0.9 * variation[1]


def test_a_recorded_scan_is_replayed(tmp_path):
    path = str(scans.write(tmp_path))
    arguments = {"recording": path, "photons": 2e4, "reveal": True, "action": "grid"}
    arguments |= {"exposures": 25, "time_budget_s": 100.0}
    env = make(None, **arguments)
    observation, info = env.reset(seed=1)
    task = task_of(env)
    assert task.region == 64
    assert 0.02 < info["latent"]["structure"].mean() < 0.5
    assert observation["maps"].shape == (5, 32, 32)
    line = range(4, 14, 2)
    steps = play(env, [GRID * GRID + y * GRID + x for y in line for x in line])
    *_, last = steps
    assert last[2]
    assert last[4]["ledger"]["dose"] == pytest.approx(25 * GRID_DWELLS_S[1] * 2e4)
    assert last[4]["metrics"]["snr_db"] > 3.0
    assert last[4]["metrics"]["found"] > 0.9
    assert last[4]["cost"] == 0.0
    again = make(1, **arguments)
    assert_same(play(again, [GRID * GRID + y * GRID + x for y in line for x in line]), steps)
    with pytest.raises(ValueError, match="recorded scan has its own drift"):
        env.intervene(settling_px=1.0)


def test_a_replay_in_a_batch_equals_one_alone(tmp_path):
    path = str(scans.write(tmp_path))
    check_snapshot("microgym:Ptycho-v0", recording=path, exposures=2)
    envs: Any = gym.make_vec("microgym:Ptycho-v0", 2, recording=path, photons=2e4, exposures=3)
    envs.reset(seed=1)
    alone = make(2, recording=path, photons=2e4, exposures=3)
    for one in wander(3):
        batch, single = envs.step(np.stack([one, one])), alone.step(one)
        assert_same(batch[0]["maps"][1], single[0]["maps"])
        assert batch[1][1] == single[1]


def test_pictures_show_the_course():
    env = make(render_mode="rgb_array", damage="hard", exposures=3)
    frames = [env.render()]
    for one in wander(3):
        env.step(one)
        frames.append(env.render())
    for frame in frames:
        assert frame.shape == frames[0].shape
        assert frame.dtype == np.uint8
        assert frame.shape[2] == 3
    height, width = frames[0].shape[:2]
    assert min(height, width) >= 200
    assert height % 16 == width % 16 == 0, "video encoders want whole blocks"
    assert len({frame.tobytes() for frame in frames}) == 4
    again = env.render()
    assert again.tobytes() == frames[-1].tobytes()
    assert not np.may_share_memory(again, frames[-1])
