"""The small means of drawing, and what a frame of a scan tells."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from microgym.envs.core import drawing
from tests.envs.ptycho.helpers import action, make, richest, task_of


def lightness(pixels):
    """Luma (ITU-R BT.601)."""
    return pixels.astype(float) @ [0.299, 0.587, 0.114]


def test_colours_rise_in_lightness():
    ramp = drawing.colored(np.linspace(-1.0, 3.0, 400, dtype=np.float32)[None], 0.0, 2.0)
    assert ramp.shape == (1, 400, 3)
    assert ramp.dtype == np.uint8
    light = lightness(ramp)[0]
    assert np.all(np.diff(light) >= -1.0)
    assert light[-1] - light[0] > 200
    # Values beyond the ends look like the ends.
    assert np.all(ramp[0, :100] == ramp[0, 0])
    assert np.all(ramp[0, 300:] == ramp[0, -1])


@pytest.mark.parametrize(("part", "filled"), [(0.0, 0), (0.5, 50), (1.0, 100), (7.0, 100), (-1, 0)])
def test_gauges_are_filled_in_part(part, filled):
    canvas = Image.new("RGB", (120, 20))
    drawing.bar(ImageDraw.Draw(canvas), (10, 5, 110, 10), part, drawing.GOOD)
    line = np.asarray(canvas)[7]
    good = np.all(line == drawing.GOOD, axis=-1)
    assert abs(int(good.sum()) - filled) <= 1
    assert not good[:10].any()
    assert not good[111:].any()


def test_a_frame_shows_this_microscope_and_not_another():
    from microgym.envs.ptycho.env import PtychoVectorEnv

    envs = PtychoVectorEnv(2, render_mode="rgb_array", exposures=2, drift="off")
    envs.reset(seed=0)
    frames = envs.render()
    assert frames is not None
    assert frames[0].tobytes() != frames[1].tobytes()
    alone = make(1, render_mode="rgb_array", exposures=2, damage="easy")
    assert alone.render().tobytes() == frames[1].tobytes()


def test_a_frame_changes_where_the_beam_fell():
    env = make(render_mode="rgb_array")
    before = env.render().astype(int)
    env.step(action(*richest(env)))
    changed = np.abs(env.render().astype(int) - before).sum(axis=-1) > 0
    assert 0.02 < changed.mean() < 0.9


def test_a_frame_of_a_dying_specimen_differs():
    frames = []
    for damage in ("off", "hard"):
        env = make(render_mode="rgb_array", damage=damage, time_budget_s=1e3)
        for _ in range(3):
            env.step(action(*richest(env), 10.0))
        frames.append(env.render().astype(int))
    assert np.abs(frames[0] - frames[1]).sum() > 0


def test_rendering_changes_nothing():
    env = make(render_mode="rgb_array")
    env.step(action(0.1, 0.2))
    before = env.snapshot()
    env.render()
    after = env.snapshot()
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)
    assert task_of(env).scan.running.fluence.sum() > 0.0
