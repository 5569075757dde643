"""Procedural specimens: determinism, range, fractions, statistics of the paper's objects."""

import numpy as np
import pytest
from numpy.typing import NDArray

from microgym.random import episode_key
from microgym.specimens.families import DENSE, fill
from microgym.specimens.ribbons import FRACTION_RANGE
from microgym.specimens.sparse import OVERHANG
from microgym.specimens.splits import FAMILIES
from tests.microgym.specimens.paper import paper_object

Specimens = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]


def keys_of(seeds: range) -> NDArray[np.uint32]:
    return np.stack([episode_key(seed) for seed in seeds])


def draw(
    family: str,
    keys: NDArray[np.uint32],
    shape: tuple[int, int] = (96, 96),
    margin: int | None = None,
) -> Specimens:
    count = len(keys)
    # Not a number, so that an unwritten pixel shows.
    real = np.full((count, *shape), np.nan, np.float32)
    imag = np.full((count, *shape), np.nan, np.float32)
    structure = np.zeros((count, *shape), np.bool_)
    fill(family, keys, real, imag, structure, min(shape) // 6 if margin is None else margin)
    return real, imag, structure


@pytest.mark.parametrize("family", FAMILIES)
def test_a_specimen_depends_on_its_key_alone(family: str) -> None:
    keys = keys_of(range(4))
    together = draw(family, keys)
    backwards = draw(family, keys[::-1].copy())
    for k in range(4):
        alone = draw(family, keys[k : k + 1])
        for all_of_them, reversed_order, one in zip(together, backwards, alone, strict=True):
            assert all_of_them[k].tobytes() == one[0].tobytes()
            assert reversed_order[3 - k].tobytes() == one[0].tobytes()
    assert not np.array_equal(together[0][0], together[0][1])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shape", [(64, 64), (192, 192), (65, 130), (512, 512)])
def test_transmission_is_finite_and_passive(family: str, shape: tuple[int, int]) -> None:
    real, imag, structure = draw(family, keys_of(range(2)), shape)
    modulus = np.hypot(real.astype(np.float64), imag.astype(np.float64))
    assert np.isfinite(modulus).all()
    assert modulus.max() <= 1.0 + 1e-6
    assert modulus.min() >= 0.0
    assert modulus.std() > 1e-3
    vacuum = ~structure
    assert np.all(real[vacuum] == 1.0)
    assert np.all(imag[vacuum] == 0.0)
    if family in DENSE:
        assert structure.all()
    else:
        assert vacuum.any()
        away = np.hypot(real[structure] - 1.0, imag[structure])
        assert np.mean(away > 0.05) > 0.9


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8])
def test_structure_may_be_bool_or_uint8(dtype: type) -> None:
    keys = keys_of(range(1))
    planes = np.empty((2, 1, 64, 64), np.float32)
    structure = np.empty((1, 64, 64), dtype)
    fill("sparse", keys, planes[0], planes[1], structure, 10)
    assert np.array_equal(structure.astype(bool), draw("sparse", keys, (64, 64))[2])


@pytest.mark.parametrize("size", [64, 192])
def test_sparse_hits_its_fraction_and_stays_inside(size: int) -> None:
    margin = size // 6
    _, _, structure = draw("sparse", keys_of(range(150)), (size, size))
    inside = structure[:, margin : size - margin, margin : size - margin]
    fraction = inside.mean(axis=(1, 2))
    # A stamp of the pen may overshoot by its own new pixels.
    tolerance = 0.01 if size == 192 else 0.03
    assert fraction.min() >= FRACTION_RANGE[0] - 1e-3
    assert fraction.max() <= FRACTION_RANGE[1] + tolerance
    # Uniform on [0.1, 0.3]: mean 0.2 and standard deviation 0.0577.
    assert abs(fraction.mean() - 0.2) < 4.5 * 0.0577 / np.sqrt(150)
    assert abs(fraction.std() - 0.0577) < 0.012
    reach = margin - OVERHANG
    beyond = structure.copy()
    beyond[:, reach : size - reach, reach : size - reach] = False
    assert not beyond.any()


def test_sparse_is_a_texture_on_ribbons() -> None:
    real, imag, structure = draw("sparse", keys_of(range(20)), (192, 192))
    modulus, phase = np.hypot(real, imag), np.arctan2(imag, real)
    # One pixel inside every edge, where nothing mixes with vacuum.
    core = structure.copy()
    for axis in (1, 2):
        for step in (-1, 1):
            core &= np.roll(structure, step, axis)
    assert modulus[core].min() >= 0.549
    assert phase[core].max() <= 1.201
    assert modulus[core].std() > 0.05
    assert phase[core].std() > 0.12
    # The place differs from specimen to specimen: nowhere is structure usual.
    assert structure.mean(axis=0).max() < 0.8


def test_sparse_goes_where_the_margin_says() -> None:
    _, _, structure = draw("sparse", keys_of(range(30)), (192, 192), margin=60)
    outside = structure.copy()
    outside[:, 56:136, 56:136] = False
    assert not outside.any()
    fraction = structure[:, 60:132, 60:132].mean(axis=(1, 2))
    assert 0.09 < fraction.min() < fraction.max() < 0.34


def test_star_has_spokes() -> None:
    real, imag, structure = draw("siemens_star", keys_of(range(12)), (192, 192))
    margin = 192 // 6
    outside = structure.copy()
    outside[:, margin - 2 : 194 - margin, margin - 2 : 194 - margin] = False
    assert not outside.any()
    phase = np.arctan2(imag, real)
    for k in range(12):
        rows, columns = np.nonzero(structure[k])
        y0, x0 = 0.5 * (rows.min() + rows.max()), 0.5 * (columns.min() + columns.max())
        radius = 0.5 * (rows.max() - rows.min() + 1)
        angles = np.linspace(0.0, 2.0 * np.pi, 2000, endpoint=False)
        at = 0.88 * radius
        y = np.rint(y0 + at * np.sin(angles)).astype(int)
        x = np.rint(x0 + at * np.cos(angles)).astype(int)
        on = phase[k][y, x] > 0.5 * phase[k].max()
        spokes = np.count_nonzero(on & ~np.roll(on, 1))
        assert 12 <= spokes <= 24
        assert 0.4 < on.mean() < 0.6


def test_paper_lines_have_the_papers_statistics() -> None:
    objects = [paper_object("lines", seed=seed) for seed in range(6)]
    moduli = np.abs(np.stack(objects))
    assert objects[0].shape == (392, 392)
    assert objects[0].dtype == np.complex64
    assert all(np.all(o.imag == 0.0) for o in objects)
    # The paper's re-simulation: mean 2.78, standard deviation 0.70, range 4.36 (one draw).
    assert abs(moduli.mean() - 2.78) < 0.15
    assert abs(moduli.std(axis=(1, 2)).mean() - 0.70) < 0.08
    assert abs(np.ptp(moduli, axis=(1, 2)).mean() - 4.36) < 0.4


def test_paper_grf_has_the_papers_statistics() -> None:
    objects = np.stack([paper_object("grf", seed=seed) for seed in range(6)])
    moduli, phases = np.abs(objects).astype(np.float64), np.angle(objects).astype(np.float64)
    # The paper's re-simulation: mean 0.50, standard deviation 0.060, range 0.52, phase 0.125 rad.
    assert abs(moduli.mean() - 0.50) < 0.025
    assert abs(moduli.std(axis=(1, 2)).mean() - 0.060) < 0.004
    assert abs(np.ptp(moduli, axis=(1, 2)).mean() - 0.52) < 0.05
    assert abs(phases.std(axis=(1, 2)).mean() - 0.125) < 0.01
    top = moduli.max(axis=(1, 2), keepdims=True)
    mean = moduli.mean(axis=(1, 2), keepdims=True)
    expected = np.pi * np.tanh((moduli - top / 2.0) / (3.0 * mean))
    assert np.abs(phases - expected).max() < 1e-5


def test_grf_has_the_stated_spectrum() -> None:
    moduli = np.abs(np.stack([paper_object("grf", 256, seed) for seed in range(24)]))
    moduli = moduli - moduli.mean(axis=(1, 2), keepdims=True)
    power = (np.abs(np.fft.fft2(moduli)) ** 2).mean(axis=0)
    frequency = np.fft.fftfreq(256)
    radius = np.hypot(*np.meshgrid(frequency, frequency))
    # Far below the blur and the enlargement, only k^-0.4 is left.
    rings = [(radius > a) & (radius <= 2.0 * a) for a in (0.0078, 0.0156, 0.0312)]
    mean_power = np.array([power[ring].mean() for ring in rings])
    mean_log_k = np.array([np.log(radius[ring]).mean() for ring in rings])
    slope = np.polyfit(mean_log_k, np.log(mean_power), 1)[0]
    assert abs(slope + 0.4) < 0.15


def test_lines_agree_with_scipy_blur() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    from microgym.specimens.drawing import blur_columns, blur_rows, gaussian_weights

    rng = np.random.default_rng(1)
    image = rng.random((120, 110)).astype(np.float32)
    for sigma in (1.0, 5.0, 10.0):
        weights = np.empty(81, np.float32)
        radius = gaussian_weights(sigma, weights)
        rows = np.empty((120, 30), np.float32)
        out = np.zeros((40, 30), np.float32)
        blur_rows(image, 40, weights, radius, np.float32(1.0), rows)
        blur_columns(rows, 40, weights, radius, out)
        expected = ndimage.gaussian_filter(image.astype(np.float64), sigma)[40:80, 40:70]
        assert np.abs(out - expected).max() < 2e-6


def test_smooth_noise_is_centred_with_unit_variance() -> None:
    from microgym.specimens.drawing import noise_work, smooth_noise

    n, spacing = 300, 2.0
    out = np.empty((n, n), np.float32)
    key, work = tuple(episode_key(5)), noise_work(n, n, spacing)
    wanted = np.ones((n, n), np.uint8)
    smooth_noise(key, 0, spacing, wanted, out, work)
    assert abs(out.mean()) < 0.05
    assert abs(out.std() - 1.0) < 0.05
    half = float((out[:, 2:] * out[:, :-2]).mean())
    assert 0.35 < half < 0.65
    wanted[50:, :60] = wanted[:, 200:] = 0
    part = np.full_like(out, np.nan)
    smooth_noise(key, 0, spacing, wanted, part, work)
    assert part[wanted == 1].tobytes() == out[wanted == 1].tobytes()
    assert np.isnan(part[60:, :40]).all()


def bad_arguments() -> dict[str, tuple[dict[str, object], type[Exception], str]]:
    planes = np.zeros((2, 64, 64), np.float32)
    return {
        "family": ({"family": "moon"}, ValueError, "unknown specimen family 'moon'"),
        "key dtype": ({"keys": np.zeros((2, 2), np.int64)}, TypeError, "keys must have dtype"),
        "key shape": ({"keys": np.zeros(2, np.uint32)}, ValueError, r"keys must have shape"),
        "count": ({"keys": np.zeros((3, 2), np.uint32)}, ValueError, r"real must have shape"),
        "plane dtype": ({"imag": planes.astype(np.float64)}, TypeError, "imag must have dtype"),
        "plane shape": ({"imag": planes[:, :32]}, ValueError, "imag must have shape"),
        "mask dtype": ({"structure": planes}, TypeError, "structure must have dtype bool or uint8"),
        "layout": (
            {"real": np.zeros((64, 64, 2), np.float32).T},
            ValueError,
            "real must be C-contiguous",
        ),
        "margin": ({"margin": 40}, ValueError, "margin must be from 4"),
        "small margin": ({"margin": 0}, ValueError, "margin must be from 4"),
    }


@pytest.mark.parametrize("case", list(bad_arguments()))
def test_bad_arguments_raise_and_change_nothing(case: str) -> None:
    changed, error, message = bad_arguments()[case]
    arguments: dict[str, object] = {
        "family": "sparse",
        "keys": np.zeros((2, 2), np.uint32),
        "real": np.full((2, 64, 64), 7.0, np.float32),
        "imag": np.full((2, 64, 64), 7.0, np.float32),
        "structure": np.ones((2, 64, 64), np.bool_),
        "margin": 10,
    }
    arguments.update(changed)
    before = np.array(arguments["real"])
    with pytest.raises(error, match=message):
        fill(**arguments)  # pyright: ignore[reportArgumentType]
    assert np.array_equal(np.asarray(arguments["real"]), before)


def test_size_limits() -> None:
    planes = np.zeros((1, 32, 32), np.float32)
    with pytest.raises(ValueError, match="64 to 512 px"):
        fill("sparse", np.zeros((1, 2), np.uint32), planes, planes.copy(), planes > 0, 10)
