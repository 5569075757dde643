"""Tips: shapes, dilation and erosion against closed forms, wear."""

import numpy as np
import pytest

from microgym.physics.afm_tip import (
    Tip,
    apex_radius,
    archard,
    dilate_line,
    tip_reach,
    window_of,
    worn_height,
)
from tests.microgym.tip_reference import dilate, erode


def sphere(radius: float, tip: float, pixel: float, half: int) -> tuple[np.ndarray, np.ndarray]:
    """A sphere on a plane, and a sphere's lower half as a tip."""
    at = (np.arange(2 * half + 1) - half) * pixel
    square = at[:, None] ** 2 + at[None, :] ** 2
    bump = np.where(square <= radius**2, radius + np.sqrt(np.maximum(radius**2 - square, 0)), 0.0)
    cap = np.where(square < tip**2, tip - np.sqrt(np.maximum(tip**2 - square, 0.0)), 1e6)
    return bump, cap


def test_a_sphere_under_a_sphere():
    radius, tip, pixel = 5.0, 10.0, 0.25
    bump, cap = sphere(radius, tip, pixel, 70)
    image = dilate(bump, cap)
    # Height 2 r exactly; base width 4 sqrt(R r), where the spheres part; curvature R + r on top.
    assert image.max() == pytest.approx(2.0 * radius, abs=1e-12)
    row = image[70]
    assert pixel * np.count_nonzero(row > 1e-9) == pytest.approx(
        4.0 * np.sqrt(tip * radius), abs=pixel
    )
    x = (np.arange(row.size) - 70) * pixel
    near = np.abs(x) <= 3.0
    top = 2.0 * radius - row[near]
    # Of a circle: R = (x^2 + s^2) / (2 s) at sagitta s.
    away = top > 1e-6
    curvature = np.median((x[near][away] ** 2 + top[away] ** 2) / (2.0 * top[away]))
    assert curvature == pytest.approx(radius + tip, rel=0.02)


def test_a_step_is_broadened_by_the_root_of_twice_radius_times_height():
    pixel, radius, height = 0.5, 10.0, 10.0
    step = np.zeros((41, 161), np.float64)
    step[:, 80:] = height
    image = dilate(step, window_of(Tip(radius, 0.0), pixel, 40))
    broad = pixel * np.count_nonzero(image[20, :80] > 1e-6)
    assert broad == pytest.approx(np.sqrt(2.0 * radius * height), abs=pixel)


@pytest.mark.parametrize(
    "tip",
    [
        Tip(8.0, 15.0),
        Tip(8.0, 0.0, worn_nm=2.0),
        Tip(8.0, 15.0, second_y_nm=4.0, second_x_nm=-12.0, second_z_nm=3.0),
    ],
)
def test_opening_and_closing(tip):
    surface = np.random.default_rng(0).normal(0.0, 4.0, (40, 44))
    window = window_of(tip, 2.0, 10)
    image = dilate(surface, window)
    back = erode(image, window)
    assert (image >= surface).all()
    assert (back >= surface - 1e-12).all()
    assert np.abs(dilate(back, window) - image).max() < 1e-12


def test_shapes():
    cone = window_of(Tip(10.0, 15.0), 0.5, 60)[60, 60:].astype(float)
    x = 0.5 * np.arange(cone.size)
    inside = x < 10.0 * np.cos(np.radians(15.0)) - 0.5
    assert cone[inside] == pytest.approx(10.0 - np.sqrt(100.0 - x[inside] ** 2), rel=1e-5)
    assert np.diff(cone[x > 12.0]) / 0.5 == pytest.approx(1.0 / np.tan(np.radians(15.0)), rel=1e-4)
    blunt = window_of(Tip(10.0, 0.0, worn_nm=2.0), 0.5, 40)[40, 40:]
    flat = np.sqrt(2.0 * 10.0 * 2.0)
    assert (blunt[0.5 * np.arange(41) <= flat] == 0.0).all()
    assert (blunt[0.5 * np.arange(41) > flat + 1e-6] > 0.0).all()


def test_a_second_apex_shows_everything_twice():
    surface = np.zeros((61, 121))
    surface[30, 40] = 20.0
    ghost = Tip(4.0, 0.0, second_x_nm=30.0, second_z_nm=5.0)
    image = dilate(surface, window_of(ghost, 1.0, 36))[30]
    assert image[40] == pytest.approx(20.0)
    # The second apex, at +30 nm and 5 nm back, is over the spike when the tip is at 40 - 30.
    assert image[10] == pytest.approx(15.0)
    assert image[25] == pytest.approx(0.0)


def test_one_line_is_a_line_of_the_whole():
    surface = np.random.default_rng(1).normal(0.0, 5.0, (31, 90)).astype(np.float32)
    window = window_of(Tip(8.0), 2.0, 12)
    whole = dilate(surface, window)
    out = np.empty(90 - 24, np.float32)
    dilate_line(np.ascontiguousarray(surface[3:28]), window, np.float32(60.0), out)
    assert np.array_equal(out, whole[15, 12:-12])


def test_wear_follows_archard():
    radius, volume = 10.0, 250.0
    height = worn_height.py_func(volume, radius)
    assert np.pi * radius * height**2 == pytest.approx(volume, rel=1e-6)
    # What a flat takes off a paraboloid: the integral of 2 pi R t dt from 0 to h.
    at = np.linspace(0.0, height, 100_001)
    assert np.trapezoid(2.0 * np.pi * radius * at, at) == pytest.approx(volume, rel=1e-6)
    paths = np.geomspace(1e3, 1e6, 20)
    heights = [worn_height.py_func(archard.py_func(2e-4, 1.5, path), radius) for path in paths]
    slope = np.polyfit(np.log(paths), np.log(heights), 1)[0]
    assert slope == pytest.approx(0.5, abs=1e-9)
    assert apex_radius.py_func(radius, 0.0) == radius
    assert apex_radius.py_func(radius, height) == pytest.approx(radius + np.sqrt(20.0 * height))


@pytest.mark.parametrize("height", [2.0, 60.0])
@pytest.mark.parametrize("tip", [Tip(8.0, 15.0), Tip(30.0, 0.0), Tip(8.0, 20.0, worn_nm=1.5)])
def test_the_reach_is_where_a_tip_stands_back_by_the_relief(tip, height):
    reach, pixel = tip_reach(tip.shape, height), 0.1
    half = int(np.ceil(reach / pixel)) + 2
    profile = window_of(tip, pixel, half)[half, half:]
    assert pixel * np.count_nonzero(profile <= height) == pytest.approx(reach, abs=1.01 * pixel)


def test_a_second_apex_reaches_further():
    ghost = Tip(8.0, 15.0, second_y_nm=30.0, second_x_nm=40.0, second_z_nm=20.0)
    alone = tip_reach(Tip(8.0, 15.0).shape, 40.0)
    assert tip_reach(ghost.shape, 60.0) == pytest.approx(50.0 + alone)
    assert tip_reach(ghost.shape, 15.0) == tip_reach(Tip(8.0, 15.0).shape, 15.0)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="radius_nm"):
        Tip(0.0)
    with pytest.raises(ValueError, match="half_angle_deg"):
        Tip(8.0, 85.0)
    with pytest.raises(ValueError, match="worn_nm"):
        Tip(8.0, worn_nm=-1.0)
    with pytest.raises(ValueError, match="second_z_nm"):
        Tip(8.0, second_z_nm=float("nan"))
    with pytest.raises(ValueError, match="half"):
        window_of(Tip(), 1.0, -1)
