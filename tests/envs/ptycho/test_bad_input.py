"""Whatever is wrong is refused in words, at once, and changes nothing."""

import re
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from PIL import Image

from microgym.envs.core.comparison import assert_same
from microgym.envs.ptycho.env import PtychoEnv, PtychoVectorEnv
from tests.envs.ptycho.helpers import make
from tests.microgym.instruments import scans

STILL = np.zeros(3, np.float32)


# --- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"specimens": "lines"}, TypeError, "unexpected .*'specimens'; known are .*'specimen'"),
        ({"specimen": "wires"}, ValueError, "unknown specimen family 'wires': choose one of"),
        ({"specimen": "siemens_star"}, ValueError, "'siemens_star' is held out from split 'train'"),
        ({"split": "dev"}, ValueError, r"split='dev' must be one of \('train', "),
        ({"exposures": 0}, ValueError, r"exposures=0 must be in \[1, 400\]"),
        ({"exposures": 401}, ValueError, "exposures=401"),
        ({"exposures": 2.5}, TypeError, "exposures must be an integer, not 2.5"),
        ({"exposures": True}, TypeError, "exposures must be an integer"),
        ({"photons": -1.0}, ValueError, "photons=-1.0 must be above zero"),
        ({"photons": 0}, ValueError, "photons=0 must be above zero"),
        ({"photons": np.nan}, ValueError, "photons=nan must be finite"),
        ({"photons": 1e12}, ValueError, "photons=1000000000000.0 must be at most 1e9"),
        ({"photons": "many"}, TypeError, "photons must be a real number, not 'many'"),
        ({"time_budget_s": 0.0}, ValueError, "time_budget_s=0.0 must be above zero"),
        ({"time_budget_s": np.inf}, ValueError, "time_budget_s=inf must be finite"),
        ({"observation": "huge"}, ValueError, "observation='huge' must be one of"),
        ({"action": "polar"}, ValueError, "action='polar' must be one of"),
        ({"reconstructor": "oracle"}, ValueError, "reconstructor='oracle' must be one of"),
        ({"drift": "awful"}, ValueError, "drift='awful' must be one of"),
        ({"damage": 3}, ValueError, "damage=3 must be one of"),
        ({"detector": None}, ValueError, "detector=None must be one of"),
        ({"coherence": "full"}, ValueError, "coherence='full' must be one of"),
        ({"reveal": "yes"}, TypeError, "reveal must be True or False, got 'yes'"),
        ({"final_sweeps": -1}, ValueError, r"final_sweeps=-1 must be in \[0, 100\]"),
        (
            {"reward_mode": "matrix"},
            ValueError,
            r"reward_mode='matrix' must be one of \('scalar', ",
        ),
        ({"reward_weights": {"beauty": 1.0}}, ValueError, "unknown reward terms beauty; known are"),
        ({"reward_weights": {"safety": 1.0}}, ValueError, "unknown reward terms safety"),
        ({"reward_weights": {"dose": np.nan}}, ValueError, "weight of dose=nan must be finite"),
        (
            {"reward_weights": {"dose": "much"}},
            TypeError,
            "weight of dose must be a real number, not 'much'",
        ),
        ({"reward_weights": 2.0}, TypeError, "reward_weights must map names to numbers, got 2.0"),
        ({"optics": {"wavelength_m": 1.0}}, ValueError, r"wavelength_m=1.0 must be in \[1e-13, "),
        ({"optics": {"wavelength_m": -1e-10}}, ValueError, "wavelength_m=-1e-10"),
        ({"optics": {"wavelength_m": "short"}}, TypeError, "wavelength_m must be a real number"),
        ({"optics": {"distance_m": 0.0}}, ValueError, "distance_m=0.0 must be above zero"),
        ({"optics": {"distance_m": 1e-3}}, ValueError, "must be below 0.5: the far field"),
        ({"optics": {"defocus_m": 1.0}}, ValueError, "defocus_m .*beyond the field of view"),
        ({"optics": {"numerical_aperture": 0.3}}, ValueError, "numerical_aperture"),
        ({"optics": {"colour": 1.0}}, ValueError, "optics='colour' must be one of"),
        ({"optics": [1.0]}, TypeError, r"optics must map names to numbers, got \[1.0\]"),
        ({"threads": 0}, ValueError, "threads"),
        ({"threads": "all"}, TypeError, "threads"),
        ({"probe": 7}, TypeError, "probe must be a path, got 7"),
        ({"recording": ["a"]}, TypeError, r"recording must be a path, got \['a'\]"),
        ({"render_mode": "human"}, ValueError, "render_mode must be None or in"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("kind", [PtychoEnv, PtychoVectorEnv])
def test_impossible_arguments(kind, arguments, error, message):
    with pytest.raises(error, match=message):
        kind(**arguments)


def test_impossible_numbers_of_microscopes():
    with pytest.raises(ValueError, match="num_envs"):
        PtychoVectorEnv(0)
    with pytest.raises(TypeError, match="num_envs"):
        PtychoVectorEnv(2.5)
    with pytest.raises(ValueError, match="autoreset_mode must be one of"):
        PtychoVectorEnv(2, autoreset_mode="Never")
    with pytest.raises(ValueError, match="max_episode_steps must be at least 1, got 0"):
        PtychoVectorEnv(2, max_episode_steps=0)


def test_arguments_that_exclude_each_other(tmp_path):
    scan = str(scans.write(tmp_path))
    image, probe = str(tmp_path / "cell.png"), str(tmp_path / "probe.npy")
    Image.fromarray(np.full((20, 20), 100, np.uint8)).save(image)
    np.save(probe, np.ones((64, 64)))
    refused = {"specimen": image, "probe": probe, "optics": {"distance_m": 1.0}}
    refused |= {"sensor": "integrating"}
    refused |= dict.fromkeys(("detector", "coherence", "drift", "damage"), "real")
    for name, value in (*refused.items(), ("specimen", "grf")):
        with pytest.raises(ValueError, match=f"recording and {name}=.* exclude each other"):
            PtychoEnv(recording=scan, **{name: value})
    env = PtychoEnv(recording=scan, difficulty="easy")
    with pytest.raises(ValueError, match="recording and detector='hard' exclude each other"):
        env.reset(options={"detector": "hard"})
    with pytest.raises(ValueError, match=r"probe=.* and optics of \['defocus_m'\] exclude"):
        PtychoEnv(probe=probe, optics={"defocus_m": 1e-5})
    modes = str(tmp_path / "modes.npy")
    np.save(modes, np.random.default_rng(0).normal(size=(2, 64, 64)))
    with pytest.raises(ValueError, match="coherence must be 'off' with a probe of 2 modes"):
        PtychoEnv(probe=modes, coherence="easy")


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("argument", ["specimen", "probe", "recording"])
def test_files_that_are_not_there(argument, tmp_path):
    path = str(tmp_path / "nothing.npz")
    with pytest.raises(FileNotFoundError, match=re.escape(path)):
        PtychoEnv(**{argument: path})


@pytest.mark.parametrize("argument", ["specimen", "probe", "recording"])
@pytest.mark.parametrize("suffix", [".npz", ".npy", ".h5", ".png", ".tif", ".txt", ".cxi"])
def test_files_that_hold_something_else(argument, suffix, tmp_path):
    path = tmp_path / f"garbage{suffix}"
    path.write_bytes(b"this is no such file" * 20)
    with pytest.raises(ValueError, match=re.escape(str(path))):
        PtychoEnv(**{argument: str(path)})
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.98])
@pytest.mark.parametrize("argument", ["specimen", "probe", "recording"])
def test_truncated_files(argument, kept, tmp_path):
    path = tmp_path / "whole.npz"
    rng = np.random.default_rng(0)
    contents: dict[str, dict[str, Any]] = {
        "specimen": {"amplitude": rng.uniform(size=(60, 60))},
        "probe": {"probe": rng.normal(size=(64, 64))},
    }
    if argument == "recording":
        path = scans.write(tmp_path)
    else:
        np.savez(path, **contents[argument])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(ValueError, match=re.escape(str(path))):
        PtychoEnv(**{argument: str(path)})


@pytest.mark.parametrize(
    ("argument", "wanted"), [("specimen", "amplitude"), ("probe", "probe"), ("recording", "data")]
)
def test_files_with_other_keys(argument, wanted, tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, stuff=np.ones((64, 64)))
    with pytest.raises(ValueError, match=f"{re.escape(str(path))}.*{wanted}.*") as caught:
        PtychoEnv(**{argument: str(path)})
    assert "stuff" in str(caught.value)


def test_pickles_are_refused(tmp_path):
    path = tmp_path / "pickled.npz"
    np.savez(path, probe=np.array([{"a": 1}], object), amplitude=np.array([None], object))
    for argument in ("specimen", "probe"):
        with pytest.raises(ValueError, match=re.escape(str(path))):
            PtychoEnv(**{argument: str(path)})


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        (np.zeros((64, 64)), "the probe is zero everywhere"),
        (np.ones((32, 32)), r"probe of shape \(32, 32\) must be \(64, 64\)"),
        (np.full((64, 64), np.nan), "the probe holds NaN or infinite values"),
        (np.full((64, 64), "x"), "must be numeric"),
    ],
)
def test_impossible_probes(probe, message, tmp_path):
    path = tmp_path / "probe.npy"
    np.save(path, probe)
    with pytest.raises((ValueError, TypeError), match=message):
        PtychoEnv(probe=str(path))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((30, 30)), "opaque everywhere"),
        (np.full((30, 30), -0.5), "negative values"),
        (np.full((30, 30), np.inf), "finite"),
        (np.ones(30), "has 1 dimensions"),
    ],
)
def test_impossible_specimens(image, message, tmp_path):
    path = tmp_path / "cell.npy"
    np.save(path, image)
    with pytest.raises(ValueError, match=message):
        PtychoEnv(specimen=str(path))


def test_an_empty_specimen_is_no_specimen(tmp_path):
    # Vacuum all over: nothing to find, nothing to divide by.
    path = tmp_path / "empty.npy"
    np.save(path, np.ones((30, 30)))
    env = make(specimen=str(path), exposures=1)
    info = env.step(STILL)[4]
    assert info["metrics"]["snr_db"] == info["metrics"]["found"] == info["cost"] == 0.0
    assert np.isfinite(list(info["reward_terms"].values())).all()


def test_recordings_that_disagree_with_themselves(tmp_path):
    whole = scans.make_recording()
    good = {"data": whole.patterns, "scan": whole.positions, "probe": whole.probe}
    for name, array, message in [
        ("scan", whole.positions[:-1], "positions"),
        ("data", -whole.patterns, "negative"),
        ("data", np.zeros_like(whole.patterns), "no counts at all"),
        ("probe", np.zeros_like(whole.probe), "probe is zero everywhere"),
        ("probe", np.ones((1, 8, 8)), "probe of shape"),
        ("scan", whole.positions * 1e7, "wrong units"),
    ]:
        path = tmp_path / "scan.npz"
        np.savez(path, **{**good, name: array})
        with pytest.raises(ValueError, match=message):
            PtychoEnv(recording=str(path))


# --- actions, options, order ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        ([0.0, np.nan, 0.0], ValueError, r"action\[1\] is NaN; it must be in \[-1.0, 1.0\]"),
        ([0.0, 0.0, 1.5], ValueError, r"action\[2\] is 1.5; it must be in"),
        ([-np.inf, 0.0, 0.0], ValueError, r"action\[0\] is -inf"),
        ([0.0, 0.0], ValueError, r"shape \(3,\), got \(2,\)"),
        ("left", TypeError, "real numbers"),
    ],
)
def test_impossible_actions_change_nothing(action, error, message):
    env = make()
    before = env.snapshot()
    with pytest.raises(error, match=message):
        env.step(action)
    assert_same(env.snapshot(), before)
    envs: Any = gym.make_vec("microgym:Ptycho-v0", 2, exposures=2)
    envs.reset(seed=0)
    state = envs.unwrapped.snapshot()
    with pytest.raises((error, ValueError)):
        envs.step([STILL, action])
    assert_same(envs.unwrapped.snapshot(), state)


@pytest.mark.parametrize(
    ("action", "error"), [(-1, ValueError), (768, ValueError), (1.0, TypeError), ([3], ValueError)]
)
def test_impossible_cells_change_nothing(action, error):
    env = make(action="grid")
    before = env.snapshot()
    with pytest.raises(error, match="action"):
        env.step(action)
    assert_same(env.snapshot(), before)


def test_nothing_before_the_first_reset_nor_after_the_end():
    env = PtychoEnv(render_mode="rgb_array", exposures=1)
    for call in (lambda: env.step(STILL), env.render, env.snapshot, lambda: env.intervene()):
        with pytest.raises(ResetNeeded, match="reset"):
            call()
    env.reset(seed=0)
    env.step(STILL)
    with pytest.raises(ResetNeeded, match="ended"):
        env.step(STILL)


def test_unknown_reset_options():
    env = make()
    before = env.snapshot()
    with pytest.raises(ValueError, match=r"unknown reset options \['exposures'\]"):
        env.reset(options={"exposures": 5})
    assert_same(env.snapshot(), before)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gravity": 1.0}, r"unknown intervention 'gravity'; known are \['drift_velocity_px_s'"),
        (
            {"settling_px": [1.0, 2.0, 3.0]},
            r"settling_px=.* of shape \(2,\) or \(1, 2\)",
        ),
        ({"settling_px": np.nan}, "settling_px=nan must be finite"),
        ({"settling_px": "far"}, "settling_px='far'"),
        ({"settling_px": 1.0, "gravity": 1.0}, "gravity"),
    ],
)
def test_impossible_interventions_change_nothing(values, message):
    env = make()
    before = env.snapshot()
    with pytest.raises(ValueError, match=message):
        env.intervene(**values)
    assert_same(env.snapshot(), before)


def test_foreign_snapshots_change_nothing():
    env = make()
    before = env.snapshot()
    for other in (make(exposures=5), make(observation="full"), make(reconstructor="raw")):
        with pytest.raises(ValueError, match="snapshot"):
            env.restore(other.snapshot())
    with pytest.raises(ValueError, match="lacks"):
        env.restore({})
    assert_same(env.snapshot(), before)
