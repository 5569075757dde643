"""What people look at: frames, and the numbers on the environment's page."""

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image, ImageDraw

from microgym.envs.core import drawing
from microgym.envs.core.docs import tables
from microgym.envs.core.rendering import HEIGHT, WIDTH
from microgym.envs.ptycho.config import PtychoConfig
from microgym.envs.ptycho.observation import MAPS, NUMBERS
from microgym.envs.ptycho.task import PtychoTask
from microgym.random import episode_key


def started(**arguments) -> PtychoTask:
    task = PtychoTask(1, exposures=3, **arguments)
    task.reset(np.array([0]), episode_key(0)[None])
    return task


def step(task: PtychoTask, *action: float) -> None:
    task.step(np.array([0]), np.array([action], np.float32))


def colors(frame: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(int(c) for c in one) for one in np.unique(frame.reshape(-1, 3), axis=0)}


def test_frames_change_with_the_scan_and_do_not_change_it():
    task = started(damage="off")
    frames = [task.render(0)]
    for place in (-0.5, 0.0, 0.5):
        before = task.snapshot()
        assert np.array_equal(task.render(0), task.render(0))
        after = task.snapshot()
        assert all(before[name].tobytes() == after[name].tobytes() for name in before)
        step(task, place, place, 0.0)
        frames.append(task.render(0))
    assert {frame.shape for frame in frames} == {(HEIGHT, WIDTH, 3)}
    assert {frame.dtype for frame in frames} == {np.dtype(np.uint8)}
    assert len({frame.tobytes() for frame in frames}) == 4
    assert drawing.ACCENT not in colors(frames[0])
    assert all(drawing.ACCENT in colors(frame) for frame in frames[1:])


def test_destroyed_structure_is_marked():
    task = started(damage="hard", photons=1e7)
    assert drawing.BAD not in colors(task.render(0))
    inside = np.argwhere(task.instrument.sample.structure[0])
    y, x = inside[np.argmin(np.abs(inside - inside.mean(axis=0)).sum(axis=1))]
    where = 2.0 * (np.array([y, x]) - task.instrument.n / 2) / task.region - 1.0
    step(task, *where, 1.0)
    assert task.info()["cost"][0] > 0.0
    assert drawing.BAD in colors(task.render(0))


@pytest.mark.parametrize(
    "arguments",
    [
        {"reconstructor": "raw"},
        {"reconstructor": "neural"},
        {"observation": "features"},
        {"coherence": "hard"},
    ],
)
def test_every_kind_of_observation_has_a_picture(arguments):
    env = gym.make("Ptycho-v0", exposures=1, render_mode="rgb_array", **arguments)
    env.reset(seed=1)
    env.step(np.zeros(3, np.float32))
    assert env.render().shape == (HEIGHT, WIDTH, 3)


def test_colours_grow_lighter():
    ramp = drawing.colored(np.linspace(-1.0, 2.0, 301, dtype=np.float32)[None], 0.0, 1.0)[0]
    light = ramp.astype(float) @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(light) >= 0.0).all()
    assert np.ptp(light[:100]) == np.ptp(light[201:]) == 0.0
    assert light[-1] - light[0] > 200.0


def test_gauges_are_filled_in_proportion():
    canvas = Image.new("RGB", (102, 10))
    drawing.bar(ImageDraw.Draw(canvas), (0, 0, 100, 5), 0.25, drawing.GOOD)
    assert np.sum(np.all(np.asarray(canvas)[2] == drawing.GOOD, axis=1)) == 26


def test_older_parts_of_a_path_are_fainter():
    canvas = Image.new("RGB", (40, 5))
    drawing.trail(ImageDraw.Draw(canvas), [(x, 2.0) for x in (0, 12, 24, 36)], (200, 200, 200))
    line = np.asarray(canvas)[2, :, 0]
    assert 0 < line[6] < line[18] < line[30] == 200


def test_the_page_says_what_the_instrument_is():
    (physics,) = tables(PtychoTask(1))["Physics"]
    listed = {row[0]: row[1] for row in physics}
    geometry = PtychoConfig().settings.geometry
    # wavelength * distance / (pixels * pitch); a disk of 2 NA defocus = 25 px with fringes.
    assert geometry.object_pixel_m == pytest.approx(1.55e-10 * 0.6194 / (64 * 150e-6))
    assert listed["`geometry.object_pixel_m`"] == f"{geometry.object_pixel_m:g}"
    assert 25.0 < float(listed["`probe_px`"]) < 30.0
    assert listed["`photons_per_s`"] == "1,000,000"


def test_the_tables_list_what_is_declared():
    found = tables(PtychoTask(1))
    maps, numbers = found["Observation Space"]
    assert [row[1] for row in maps[1:]] == [f"`{name}`" for name in MAPS]
    assert [row[1] for row in numbers[1:]] == [f"`{name}`" for name in NUMBERS]
    assert ("`time`", "0.1", "minus the time used, over the limit") in found["Rewards"][0]


def test_what_is_given_is_what_is_declared():
    task = PtychoTask(1, exposures=2, action="grid", reveal=True)
    info = task.info()
    assert set(info["latent"]) == set(task.LATENT)
    assert set(info["metrics"]) == {one.name for one in task.METRICS if one.group == "metrics"}
    assert set(info["reward_terms"]) == set(task.REWARD)
    assert set(info["cost_terms"]) == set(task.COST)
