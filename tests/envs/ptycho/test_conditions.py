"""Ptycho-v0: specimens, drift, probes and recorded scans."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image

from microgym.envs.core.comparison import assert_same
from microgym.envs.core.testing import check_snapshot
from microgym.envs.ptycho.config import GRID, GRID_DWELLS_S
from microgym.envs.ptycho.task import PtychoTask
from microgym.instruments.ptychography.settings import OPTICS
from microgym.physics.probe import make_probe
from microgym.physics.sampling import Geometry
from microgym.specimens.files import load_image
from tests.envs.ptycho.helpers import action, make, maps_of, play, richest, task_of, wander
from tests.microgym.instruments import scans

TERMS = tuple(PtychoTask.REWARD)


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
