"""The compiled Ptycho-v0 computes what an environment in NumPy does."""

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from microgym.envs.ptycho.observation import MAPS, NUMBERS
from microgym.envs.ptycho.task import PtychoTask
from microgym.instruments.ptychography.settings import STAGE_LEVELS
from microgym.random import Role, normal, stream
from tests.envs.ptycho import helpers as ptycho
from tests.envs.ptycho.numpy_env import NumpyPtychoEnv, NumpyStage


def beside(seed: int, precision: Any, **arguments: Any) -> tuple[Any, NumpyPtychoEnv]:
    """Both environments at the start of the same episode."""
    ours = ptycho.make(None, **arguments)
    theirs = NumpyPtychoEnv(precision=precision, **{**ptycho.QUIET, **arguments})
    for mine, their in zip(ours.reset(seed=seed), theirs.reset(seed=seed), strict=True):
        assert_alike(mine, their)
    return ours, theirs


def share_draws(task: PtychoTask, env: NumpyPtychoEnv) -> None:
    """Let the NumPy microscope draw what the compiled one draws; that one goes first."""
    stage, state = env.microscope.stage, task.instrument.state.drift
    words = [stream(*task.instrument.state.keys[0], Role.EXOGENOUS, process) for process in (0, 1)]
    n = env.microscope.n
    counts = task.instrument.state.measurement.counts
    env.microscope.draw = lambda mean: counts[0].reshape(n, n).astype(np.int64)
    stage.velocity[:], stage.settling[:] = state.velocity[0], state.settling[0]

    def jitter() -> list[float]:
        return [normal(*words[1], env.microscope.exposures, axis) for axis in range(2)]

    def steps(count: int) -> list[list[float]]:
        ticks = range(stage.cell + 2, stage.cell + 2 + count)
        return [[normal(*words[0], tick, axis) for axis in range(2)] for tick in ticks]

    stage.jitter, stage.steps = jitter, steps


def assert_alike(ours: Any, theirs: Any, tolerance: float = 1e-5) -> None:
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for name in ours:
            assert_alike(ours[name], theirs[name], tolerance)
    elif isinstance(ours, np.ndarray):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        assert np.abs(ours - theirs).max() < tolerance
    else:
        assert np.asarray(ours).dtype == np.asarray(theirs).dtype
        assert ours == pytest.approx(theirs, rel=tolerance, abs=tolerance)


def values(returned: Any) -> Any:
    """Observations in plain values: their scale would magnify the rounding; all else as it is."""
    if not isinstance(returned, dict) or "maps" not in returned:
        return returned
    declared = {"maps": MAPS, "numbers": NUMBERS}
    return {name: dict(one.unpack(returned[name][None])) for name, one in declared.items()}


def start_alike(task: PtychoTask, env: NumpyPtychoEnv) -> None:
    """Give both the same first estimate, not vacuum.

    Behind vacuum most of the detector is dark and its phases are rounding, which iterations
    amplify: there the two agree no better than the float32 one does with itself in float64.
    """
    phase = np.random.default_rng(9).normal(0.0, 0.3, env.microscope.estimate.shape)
    env.microscope.estimate[:] = np.exp(1j * phase)
    re, im = task.scan.estimate.state.re, task.scan.estimate.state.im
    re[0], im[0] = np.cos(phase), np.sin(phase)
    task.agree(np.arange(1))
    task.state.progress.snr_db[:] = 0.0
    task.scan.draw(np.arange(1))
    env._agree()


@pytest.mark.parametrize(
    ("precision", "arguments"),
    [
        (np.complex64, {"final_sweeps": 2}),
        (np.complex128, {"drift": "easy", "damage": "hard", "exposures": 6}),
    ],
)
def test_an_episode_is_the_compiled_one(precision, arguments):
    ours, theirs = beside(3, precision, **arguments)
    task = ptycho.task_of(ours)
    share_draws(task, theirs)
    start_alike(task, theirs)
    y, x = ptycho.richest(ours)
    ended, exposures = False, task.config.exposures
    for number in range(exposures):
        assert not ended
        spread = np.random.default_rng(number).uniform(-0.2, 0.2, 2)
        action = ptycho.action(*np.clip(np.add((y, x), spread), -1, 1), seconds=0.3 + 0.3 * number)
        mine, their = ours.step(action), theirs.step(action)
        for one, other in zip(mine, their, strict=True):
            assert_alike(values(one), values(other))
        ended = their[2]
    assert ended
    # It was an episode in which something happened.
    assert abs(theirs.snr_db) > 1.0
    assert theirs.seen > 100
    assert (theirs.faded > 0.01) == (arguments.get("damage") == "hard")
    assert (theirs.microscope.stage.drift != [0.0, 0.0]) == (arguments.get("drift") == "easy")


def test_its_own_draws_are_of_the_right_size():
    env = NumpyPtychoEnv(exposures=4)
    env.reset(seed=0)
    means: list[Any] = []
    draw = env.microscope.draw
    env.microscope.draw = lambda mean: means.append(mean) or draw(mean)
    for action in ptycho.wander(4):
        env.step(action)
        excess = env.microscope.counts - means[-1]
        # Of Poisson's variance: (count - m)^2 is m on average, with the variance m + 2 m^2.
        spread = np.sqrt(np.sum(means[-1] + 2.0 * means[-1] ** 2))
        assert abs(np.sum(excess**2 - means[-1])) < 4.0 * spread
    stage = NumpyStage(STAGE_LEVELS["hard"], np.random.default_rng(0))
    speeds: list[float] = []
    for _ in range(400):
        stage.start(0.0)
        speeds.append(np.hypot(*stage.velocity))
    assert np.mean(speeds) == pytest.approx(STAGE_LEVELS["hard"].speed, rel=0.05)
    assert np.max(speeds) / np.min(speeds) == pytest.approx(3.0, rel=0.05)


def test_a_vector_of_them_begins_anew_by_itself():
    vector = SyncVectorEnv([lambda: NumpyPtychoEnv(exposures=2, final_sweeps=0)] * 2)
    first, _ = vector.reset(seed=5)
    assert vector.observation_space.contains(first)
    steps = [vector.step(np.stack([action] * 2)) for action in ptycho.wander(3)]
    assert [step[2].tolist() for step in steps] == [[False] * 2, [True] * 2, [False] * 2]
    assert all(vector.observation_space.contains(step[0]) for step in steps)
    observation, reward, *_ = steps[-1]
    assert (reward == 0.0).all()
    assert (observation["maps"][:, 2:4] == 0.0).all()


def test_what_it_does_not_compute_is_refused():
    with pytest.raises(TypeError, match=r"\['coherence', 'detector'\] cannot be chosen"):
        NumpyPtychoEnv(detector="easy", coherence="easy")
    with pytest.raises(ValueError, match="reconstructor='raw' must be 'classical'"):
        NumpyPtychoEnv(reconstructor="raw")
