"""Surfaces: each shape against its closed form, and what holds for every family."""

import math

import numpy as np
import pytest
from scipy import stats

from microgym.random import episode_key
from microgym.specimens.splits import (
    HELD_OUT_SURFACES,
    SPLITS,
    SURFACES,
    specimen_key,
    validate_family,
)
from microgym.specimens.surfaces.drawing_context import SCENE_NUMBERS, Scene, surface_work
from microgym.specimens.surfaces.families import CONTRASTS, MODULUS_RANGE_GPA, fill_surfaces
from microgym.specimens.surfaces.particles import add_fibre, add_particles, stamp_sphere, walk_chain
from microgym.specimens.surfaces.roughness import add_islands, add_roughness
from microgym.specimens.surfaces.steps import (
    Bands,
    Trench,
    draw_edges,
    draw_terraces,
    draw_trenches,
)

NO_LAYER = 9.0


def keys_of(seeds):
    return np.stack([episode_key(seed) for seed in seeds])


def draw(family, keys, n=64, pixel_nm=4.0, **options):
    # Not a number, so that an unwritten pixel shows.
    height = np.full((len(keys), n, n), np.nan, np.float32)
    modulus = np.full_like(height, np.nan)
    fill_surfaces(family, keys, height, modulus, pixel_nm, **options)
    return height, modulus


def make_scene(n, seed=0, pixel_nm=4.0):
    planes = np.zeros((2, n, n), np.float32)
    return Scene(episode_key(seed), np.empty(SCENE_NUMBERS), pixel_nm, *planes, surface_work(n))


# --- every family ------------------------------------------------------------------------------


@pytest.mark.parametrize("family", SURFACES)
def test_a_surface_depends_on_its_key_alone(family):
    keys = keys_of(range(4))
    together = draw(family, keys)
    backwards = draw(family, keys[::-1].copy())
    for k in range(4):
        alone = draw(family, keys[k : k + 1])
        for all_of_them, reversed_order, one in zip(together, backwards, alone, strict=True):
            assert all_of_them[k].tobytes() == one[0].tobytes()
            assert reversed_order[3 - k].tobytes() == one[0].tobytes()
    assert not np.array_equal(together[0][0], together[0][1])


@pytest.mark.parametrize("family", SURFACES)
@pytest.mark.parametrize("n", [64, 100, 512])
def test_heights_and_moduli_are_in_range_on_every_grid(family, n):
    height, modulus = draw(family, keys_of(range(3)), n, 1000.0 / n)
    assert np.isfinite(height).all()
    assert height.std(axis=(1, 2)).min() > 0.05
    assert np.ptp(height, axis=(1, 2)).max() < 500.0
    low, high = MODULUS_RANGE_GPA
    assert low * (1 - 1e-6) <= modulus.min() <= modulus.max() <= high * (1 + 1e-6)


@pytest.mark.parametrize("family", SURFACES)
def test_surfaces_of_different_splits_differ(family):
    key = episode_key(7)[None]
    drawn = [draw(family, specimen_key(key, split))[0] for split in SPLITS]
    assert not np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    assert not np.array_equal(drawn[1], drawn[2])


def test_one_family_is_kept_from_training():
    assert set(HELD_OUT_SURFACES) < set(SURFACES)
    for family in SURFACES:
        if family in HELD_OUT_SURFACES:
            with pytest.raises(ValueError, match="held out from split 'train'"):
                validate_family(family, "train", SURFACES, HELD_OUT_SURFACES)
        else:
            assert validate_family(family, "train", SURFACES, HELD_OUT_SURFACES) == family
        assert validate_family(family, "test", SURFACES, HELD_OUT_SURFACES) == family


# --- roughness ---------------------------------------------------------------------------------


def spectrum(n, hurst, correlation):
    k = np.fft.fftfreq(n, 1.0 / n)
    q2 = (2 * math.pi * correlation / n) ** 2 * (k[:, None] ** 2 + k[None, :] ** 2)
    power = (1 + q2) ** -(1 + hurst)
    power[0, 0] = 0.0
    return power


@pytest.mark.parametrize(("hurst", "correlation"), [(0.5, 4.0), (0.9, 8.0)])
def test_roughness_has_its_rms_and_its_spectrum(hurst, correlation):
    n, count, rms = 128, 40, 1.7
    fields = np.zeros((count, n, n), np.float32)
    for k in range(count):
        add_roughness(make_scene(n, k)._replace(height=fields[k]), rms, hurst, correlation)
    power = spectrum(n, hurst, correlation)
    # A periodogram is exponential about its mean, and equal at k and -k.
    error = math.sqrt(2 * np.sum(power**2) / count) / power.sum()
    assert np.mean(fields.astype(float) ** 2) / rms**2 == pytest.approx(1.0, abs=4.5 * error)
    found = (np.abs(np.fft.fft2(fields)) ** 2).mean(axis=0) / n**2
    ratio = found / np.where(power > 0, power, 1.0) / (rms**2 * n**2 / power.sum())
    q = np.hypot(*np.meshgrid(np.fft.fftfreq(n), np.fft.fftfreq(n)))
    rings = [(q > low) & (q <= 2 * low) for low in (1 / 128, 1 / 32, 1 / 8, 1 / 4)]
    for ring in rings:
        assert ratio[ring].mean() == pytest.approx(1, abs=4.5 / math.sqrt(count * ring.sum() / 2))
    # Beyond the corner the power falls as q^-(2 + 2 H), to (q xi)^-2 (1 + H).
    steep = (q > 0.1) & (q < 0.5)
    slope = np.polyfit(np.log(q[steep]), np.log(found[steep]), 1)[0]
    bend = 2 * (1 + hurst) / (1 + (2 * math.pi * 0.1 * correlation) ** 2)
    assert -(2 + 2 * hurst) - 0.05 < slope < -(2 + 2 * hurst) + bend


def test_roughness_adds():
    scene, alone = make_scene(64), make_scene(64)
    scene.height[...] = 5.0
    for one in (scene, alone):
        add_roughness(one, 0.5, 0.7, 4.0)
    np.testing.assert_allclose(scene.height, 5.0 + alone.height, atol=1e-6)


# --- islands -----------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [-0.5, 0.0, 1.0])
def test_islands_cover_what_the_normal_law_says_and_are_flat(level):
    n, count, spacing, tall = 128, 60, 5.0, 12.5
    parts, between = [], []
    for k in range(count):
        scene = make_scene(n, k)
        add_islands(scene, spacing, level, NO_LAYER, tall)
        height, phase = scene.height, scene.phase
        np.testing.assert_allclose(height, tall * phase, rtol=1e-6)
        parts.append(phase.mean())
        between.append(np.mean((phase > 0.0) & (phase < 1.0)))
    error = float(np.std(parts)) / math.sqrt(count)
    assert error < 0.02
    assert np.mean(parts) == pytest.approx(stats.norm.sf(level), abs=4.5 * error + 1e-3)
    # Rice: contours are exp(-t^2 / 2) sqrt(variance of a derivative) / 2 long per area, and what
    # lies in between is a pixel wide.
    length = 0.5 * math.exp(-(level**2) / 2) * math.sqrt(210 / 151) / spacing
    assert np.mean(between) == pytest.approx(length, rel=0.06)


def test_a_second_layer_lies_within_the_first():
    n = 128
    scene = make_scene(n)
    add_islands(scene, 8.0, 0.0, 0.8, 2.0)
    height, phase = scene.height, scene.phase
    upper = height > 3.9
    assert 0.05 < upper.mean() < 0.4
    assert phase[upper].min() > 0.99
    flat = np.minimum.reduce([np.abs(height - level) for level in (0.0, 2.0, 4.0)])
    assert np.mean(flat < 1e-3) > 0.7


# --- terraces and trenches ---------------------------------------------------------------------


def test_straight_terraces_are_a_staircase():
    n, angle, width, offset, step = 128, 0.6, 21.0, 0.3, 0.314
    scene = make_scene(n)
    draw_terraces(scene, Bands(angle, width, offset, 0.0, 9.0), step)
    height, phase = scene.height, scene.phase
    i, j = np.mgrid[:n, :n] - 0.5 * (n - 1)
    q = (math.cos(angle) * j + math.sin(angle) * i) / width + offset
    away = np.abs(q - np.rint(q)) * width > 0.51
    np.testing.assert_allclose(height[away], step * np.floor(q)[away], atol=1e-5)
    np.testing.assert_allclose(phase[away], np.floor(q)[away] % 2, atol=1e-5)
    assert height.max() - height.min() > 6 * step


def test_meandering_terraces_keep_their_steps():
    n, step = 256, 0.25
    scene = make_scene(n)
    draw_terraces(scene, Bands(1.1, 24.0, 0.2, 0.15, 30.0), step)
    levels = scene.height / step
    on_a_level = np.abs(levels - np.rint(levels)) < 1e-4
    # An edge of about n px in every 24 leaves a pixel or two in between.
    assert on_a_level.mean() > 1 - 2.5 / 24
    share = np.unique(np.rint(levels[on_a_level]), return_counts=True)[1] / on_a_level.sum()
    assert share.max() < 3 * 24 / n
    rise = levels[np.rint(n / 2).astype(int)]
    assert abs(rise[-1] - rise[0]) == pytest.approx(math.cos(1.1) * n / 24, abs=1.9)
    # Neighbouring heights on a terrace or across one step: no step is ever double.
    near = np.abs(np.diff(levels[on_a_level.all(axis=1)], axis=0))
    assert near.size == 0 or near.max() < 1 + 1e-4


def test_edges_are_random_walks_held_back():
    amplitude, correlation, edges = 0.08, 12.0, np.empty((4000, 60), np.float32)
    draw_edges((1, 2), amplitude, correlation, edges, np.empty(60, np.float32))
    assert np.abs(edges).max() <= 0.45
    variance = edges.astype(float).var(axis=0)
    np.testing.assert_allclose(variance / amplitude**2, 1.0, atol=5 * math.sqrt(2 / 4000))
    for lag in (1, 12, 30):
        found = np.mean(edges[:, 20] * edges[:, 20 + lag]) / amplitude**2
        assert found == pytest.approx(math.exp(-lag / correlation), abs=4.5 / math.sqrt(4000))
    assert abs(np.corrcoef(edges[:-1, 5], edges[1:, 5])[0, 1]) < 4.5 / math.sqrt(4000)


def test_edges_never_cross():
    edges = np.empty((48, 500), np.float32)
    draw_edges((9, 9), 5.0, 3.0, edges, np.empty(500, np.float32))
    assert np.diff(edges + np.arange(48)[:, None], axis=0).min() > 0.09


def test_straight_trenches_have_their_section():
    n, pitch, width, depth, wall = 128, 30.0, 14.0, 80.0, 4.0
    scene = make_scene(n)
    bands, trench = Bands(0.0, pitch, 0.0, 0.0, 9.0), Trench(width, depth, wall)
    draw_trenches(scene, bands, trench)
    height, phase = scene.height, scene.phase
    x = np.arange(n) - 0.5 * (n - 1)
    u = np.abs(x - pitch * np.rint(x / pitch))
    section = -depth * np.clip((0.5 * width - u) / wall, 0.0, 1.0)
    np.testing.assert_allclose(height, np.tile(section, (n, 1)), atol=1e-4)
    np.testing.assert_allclose(phase, -height / depth, atol=1e-6)


def test_walls_that_meet_end_in_a_groove():
    n, width, depth, wall = 128, 10.0, 80.0, 20.0
    scene = make_scene(n)
    bands, trench = Bands(0.0, 30.0, 0.0, 0.0, 9.0), Trench(width, depth, wall)
    draw_trenches(scene, bands, trench)
    height = scene.height
    # No pixel lies nearer than half of one to the middle.
    deepest = depth * 0.5 * width / wall
    assert -deepest <= height.min() <= -deepest * (1 - 1.01 / width)


def test_drawn_trenches_are_deep_and_steep():
    height, _ = draw("trenches", keys_of(range(40)), 256, 4.0)
    depth = np.percentile(height, 99, axis=(1, 2)) - np.percentile(height, 1, axis=(1, 2))
    # 0.5 to 2.5 times a width of 4 to 12 % of the field, 1024 nm, less what walls take.
    assert 15.0 < depth.min() < depth.max() < 2.5 * 0.12 * 1024 + 5
    slope = np.abs(np.diff(height, axis=2)).max(axis=(1, 2)) / 4.0
    assert np.median(slope) > 2.0


# --- particles and fibres ----------------------------------------------------------------------


def test_a_sphere_is_two_radii_high():
    n, radius, pixel = 64, 30.0, 2.0
    height = np.zeros((n, n), np.float32)
    stamp_sphere(31.0, 33.0, radius, pixel, 0.5, height)
    i, j = np.mgrid[:n, :n]
    square = pixel**2 * ((i - 31.0) ** 2 + (j - 33.0) ** 2)
    under = square <= radius**2
    assert height[31, 33] == np.float32(2 * radius + 0.5)
    expected = 0.5 + radius + np.sqrt(radius**2 - square[under])
    np.testing.assert_allclose(height[under], expected, rtol=1e-6)
    assert np.all(height[~under] == 0.0)
    # A cylinder of height r and a hemisphere: 5/3 pi r^3. The rim of height r is one pixel coarse.
    volume = (height[under].astype(float) - 0.5).sum() * pixel**2
    assert volume == pytest.approx(5 / 3 * math.pi * radius**3, rel=0.01)


def test_particles_lie_apart_on_their_own_ground():
    n, pixel = 256, 2.0
    scene = make_scene(n, 1, pixel)
    height, phase, work = scene.height, scene.phase, scene.work
    work.region[...] = 1.0
    work.region[:, : n // 2] = -1.0
    height += 3.0
    count = add_particles(scene, 40, 8.0, 14.0, 0.5)
    assert 20 < count <= 40
    y, x, radius = work.points[:count].T.copy()
    assert x.min() >= n // 2 - 0.5
    assert 4.0 <= radius.min() < radius.max() <= 7.0
    distance = np.hypot(y[:, None] - y, x[:, None] - x)
    gap = distance - radius[:, None] - radius
    gap[np.diag_indices(count)] = np.inf
    assert gap.min() > -1e-6
    assert np.sum(gap < 1e-6) > 0.3 * count
    for k in range(count):
        i, j = np.rint(y[k]).astype(int), np.rint(x[k]).astype(int)
        off = math.hypot(i - y[k], j - x[k])
        top = 3.0 + pixel * (radius[k] + math.sqrt(radius[k] ** 2 - off**2))
        assert height[i, j] == pytest.approx(top, rel=1e-6)
        assert phase[i, j] == 1.0
    covered = math.pi * np.sum(radius**2)
    assert phase.sum() == pytest.approx(covered, rel=0.1)
    assert np.all(height[phase == 0.0] == 3.0)


def test_directions_of_a_chain_forget_as_those_of_a_worm():
    persistence, steps, count = 40.0, 90, 4000
    path, draws = np.empty((steps, 3)), np.empty(steps, np.float32)
    angles, ends = np.empty((count, steps)), np.empty(count)
    for k in range(count):
        walk_chain((k, 1), 1, 3.0, 4.0, 0.7, persistence, steps, path, draws)
        angles[k] = path[:, 2]
        ends[k] = np.sum((path[-1, :2] - path[0, :2]) ** 2)
    for lag in (10, 40, 80):
        cosine = np.cos(angles[:, lag] - angles[:, 0])
        error = 4.5 * cosine.std() / math.sqrt(count)
        assert cosine.mean() == pytest.approx(math.exp(-lag / (2 * persistence)), abs=error)
    # Kratky and Porod in two dimensions; the steps of the chain are finite.
    s = steps - 1.0
    expected = 4 * persistence * (s - 2 * persistence * (1 - math.exp(-s / (2 * persistence))))
    assert ends.mean() == pytest.approx(expected, abs=4.5 * ends.std() / math.sqrt(count) + s)


def test_a_fibre_is_round_and_crossings_add():
    n, pixel, radius = 128, 2.0, 8.0
    scene = make_scene(n, 0, pixel)
    height, work = scene.height, scene.work
    add_fibre(scene, 1, radius, 1e15, 128)
    first = height.copy()
    assert 0.97 * 2 * radius < first.max() <= 2 * radius + 1e-5
    angle = work.points[0, 2]
    i, j = np.mgrid[:n, :n]
    dy, dx = i - work.points[0, 0], j - work.points[0, 1]
    along = math.sin(angle) * dy + math.cos(angle) * dx
    across = pixel * np.abs(math.cos(angle) * dy - math.sin(angle) * dx)
    middle = (along > 8) & (along < 120) & (across < 0.8 * radius)
    assert middle.sum() > 200
    # Spheres 1 px apart leave notches of at most (1/2 px)^2 / 2 sqrt(r^2 - across^2).
    ideal = radius + np.sqrt(radius**2 - across[middle] ** 2)
    assert np.all(first[middle] <= ideal + 1e-5)
    assert np.all(first[middle] >= ideal - 0.5 * (0.5 * pixel) ** 2 / (0.6 * radius) - 1e-2)
    for other in range(2, 7):
        add_fibre(scene, other, radius, 1e9, 128)
    assert height.max() > 3 * radius


# --- materials ---------------------------------------------------------------------------------


def test_contrast_follows_its_name():
    keys = keys_of(range(60))
    height, plain = draw("islands", keys, 128, contrast="none")
    assert np.all(plain == plain[:, :1, :1])
    same, with_height = draw("islands", keys, 128, contrast="height")
    _, patches = draw("islands", keys, 128, contrast="patches")
    np.testing.assert_array_equal(same, height)

    def correlation(modulus):
        pairs = zip(height, np.log(modulus), strict=True)
        return np.abs([np.corrcoef(h.ravel(), m.ravel())[0, 1] for h, m in pairs])

    assert np.quantile(correlation(with_height), 0.1) > 0.8
    assert np.quantile(correlation(patches), 0.9) < 0.5
    _, drawn = draw("islands", keys, 128, contrast="drawn")
    as_height = [np.array_equal(a, b) for a, b in zip(drawn, with_height, strict=True)]
    as_patches = [np.array_equal(a, b) for a, b in zip(drawn, patches, strict=True)]
    assert sum(as_height) + sum(as_patches) == 60
    assert 12 <= sum(as_height) <= 48


def test_moduli_are_log_uniform():
    _, modulus = draw("islands", keys_of(range(400)), 64, contrast="none")
    u = np.log(modulus[:, 0, 0] / 1.0) / math.log(60.0)
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    _, narrow = draw("mixed", keys_of(range(5)), modulus_range_gpa=(3.0, 4.0))
    assert 3.0 * (1 - 1e-6) <= narrow.min() < narrow.max() <= 4.0 * (1 + 1e-6)


def test_mixed_surfaces_have_flat_and_steep_parts():
    height, _ = draw("mixed", keys_of(range(60)), 128, 4.0)
    slope = (
        np.maximum(
            np.abs(np.diff(height, axis=1))[:, :, :-1], np.abs(np.diff(height, axis=2))[:, :-1]
        )
        / 4.0
    )
    blocks = slope[:, :120, :120].reshape(60, 6, 20, 6, 20).max(axis=(2, 4)).reshape(60, 36)
    flat, steep = np.mean(blocks < 0.3, axis=1), np.mean(blocks > 0.6, axis=1)
    assert np.quantile(flat, 0.1) > 0.2
    assert np.quantile(steep, 0.1) > 0.1


# --- bad input ---------------------------------------------------------------------------------


def bad_arguments():
    grid = np.zeros((2, 64, 64), np.float32)
    return {
        "family": ({"family": "moon"}, ValueError, "unknown specimen family 'moon'"),
        "optical": ({"family": "sparse"}, ValueError, "unknown specimen family 'sparse'"),
        "no string": ({"family": 3}, TypeError, "must be a string"),
        "key dtype": ({"keys": np.zeros((2, 2), np.int64)}, TypeError, "keys must have dtype"),
        "key shape": ({"keys": np.zeros(2, np.uint32)}, ValueError, "keys must have shape"),
        "count": ({"keys": np.zeros((3, 2), np.uint32)}, ValueError, "height_nm must have shape"),
        "dtype": ({"modulus_gpa": grid.astype(float)}, TypeError, "modulus_gpa must have dtype"),
        "shape": ({"modulus_gpa": grid[:1]}, ValueError, "modulus_gpa must have shape"),
        "oblong": (
            {"height_nm": np.zeros((2, 64, 80), np.float32)},
            ValueError,
            "height_nm must have shape",
        ),
        "layout": (
            {"height_nm": np.zeros((64, 64, 2), np.float32).T},
            ValueError,
            "height_nm must be C-contiguous",
        ),
        "zero pixel": ({"pixel_nm": 0.0}, ValueError, "pixel_nm=0.0 must be above zero"),
        "pixel": ({"pixel_nm": 1e4}, ValueError, r"pixel_nm=10000.0 must be in \[0.05, 100.0\] nm"),
        "nan": ({"pixel_nm": math.nan}, ValueError, "pixel_nm=nan must be finite"),
        "contrast": ({"contrast": "loud"}, ValueError, "unknown contrast 'loud': choose one of"),
        "range": ({"modulus_range_gpa": (3.0, 2.0)}, ValueError, "must rise"),
        "modulus": ({"modulus_range_gpa": (0.0, 2.0)}, ValueError, "must be above zero"),
    }


@pytest.mark.parametrize("case", list(bad_arguments()))
def test_bad_arguments_raise_and_change_nothing(case):
    changed, error, message = bad_arguments()[case]
    arguments = {
        "family": "terraces",
        "keys": np.zeros((2, 2), np.uint32),
        "height_nm": np.full((2, 64, 64), 7.0, np.float32),
        "modulus_gpa": np.full((2, 64, 64), 7.0, np.float32),
        "pixel_nm": 4.0,
    }
    arguments.update(changed)
    before = np.array(arguments["height_nm"])
    with pytest.raises(error, match=message):
        fill_surfaces(**arguments)
    assert np.array_equal(arguments["height_nm"], before)


def test_grids_that_are_too_small():
    grid = np.zeros((1, 32, 32), np.float32)
    with pytest.raises(ValueError, match="64 to 512 px a side, got 32"):
        fill_surfaces("islands", np.zeros((1, 2), np.uint32), grid, grid.copy(), 4.0)


def test_every_contrast_is_drawn():
    for contrast in CONTRASTS:
        _, modulus = draw("mixed", keys_of(range(2)), contrast=contrast)
        assert np.isfinite(modulus).all()
