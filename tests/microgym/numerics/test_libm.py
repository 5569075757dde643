"""The elementary functions against NumPy and SciPy in double precision."""

import numpy as np
import pytest
from scipy import special

from microgym.jit import kernel
from microgym.numerics import libm

exp32, log32, ndtri32 = libm.exp32, libm.log32, libm.ndtri32
exp64, log64, ndtri64 = libm.exp64, libm.log64, libm.ndtri64
sincos32, sincos64, decay32 = libm.sincos32, libm.sincos64, libm.decay32
atan2_32 = libm.atan2_32


@kernel
def _map_exp(x, y):
    for i in range(x.size):
        y[i] = exp32(x[i])


@kernel
def _map_exp64(x, y):
    for i in range(x.size):
        y[i] = exp64(x[i])


@kernel
def _map_log(x, y):
    for i in range(x.size):
        y[i] = log32(x[i])


@kernel
def _map_log64(x, y):
    for i in range(x.size):
        y[i] = log64(x[i])


@kernel
def _map_ndtri(x, y):
    for i in range(x.size):
        y[i] = ndtri32(x[i])


@kernel
def _map_ndtri64(x, y):
    for i in range(x.size):
        y[i] = ndtri64(x[i])


@kernel
def _map_sincos(x, y, z):
    for i in range(x.size):
        y[i], z[i] = sincos32(x[i])


@kernel
def _map_sincos64(x, y, z):
    for i in range(x.size):
        y[i], z[i] = sincos64(x[i])


@kernel
def _map_decay(x, y, z):
    for i in range(x.size):
        y[i], z[i] = decay32(x[i])


@kernel
def _map_atan2(x, y, z):
    for i in range(x.size):
        z[i] = atan2_32(x[i], y[i])


def one(mapper, x):
    y = np.empty_like(x)
    mapper(x, y)
    return y


def two(mapper, x):
    y, z = np.empty_like(x), np.empty_like(x)
    mapper(x, y, z)
    return y, z


def relative(got, exact):
    return float(np.max(np.abs(got - exact) / np.abs(exact)))


def spread(low, high, dtype, n=400_001):
    return np.linspace(low, high, n).astype(dtype)


def test_exp32():
    x = spread(-87.3, 88.7, np.float32)
    assert relative(one(_map_exp, x), np.exp(x.astype(np.float64))) < 2e-7
    edges = np.array([-np.inf, -90, 0, 89, np.inf, np.nan], np.float32)
    expected = np.array([0, 0, 1, np.inf, np.inf, np.nan], np.float32)
    np.testing.assert_array_equal(one(_map_exp, edges), expected)


def test_exp64():
    x = spread(-708, 709.7, np.float64)
    assert relative(one(_map_exp64, x), np.exp(x)) < 4e-16
    edges = np.array([-np.inf, -746, -740, 0, 709.79, np.inf, np.nan])
    got = one(_map_exp64, edges)
    np.testing.assert_array_equal(got[[0, 1, 3, 4, 5, 6]], [0, 0, 1, np.inf, np.inf, np.nan])
    assert abs(got[2] - np.exp(-740.0)) <= 5e-324 * 2


def test_log32():
    x = np.exp(spread(-87.3, 88.7, np.float64)).astype(np.float32)
    exact = np.log(x.astype(np.float64))
    away = np.abs(exact) > 0.1
    assert relative(one(_map_log, x)[away], exact[away]) < 2e-7
    near = spread(0.9, 1.1, np.float32)
    near = near[near != 1]
    assert relative(one(_map_log, near), np.log(near.astype(np.float64))) < 2e-7
    tiny = np.array([1e-40, 1.4e-45], np.float32)
    assert relative(one(_map_log, tiny), np.log(tiny.astype(np.float64))) < 2e-7
    edges = np.array([0, 1, np.inf, -1, -np.inf, np.nan], np.float32)
    expected = [-np.inf, 0, np.inf, np.nan, np.nan, np.nan]
    np.testing.assert_array_equal(one(_map_log, edges), expected)


def test_log64():
    x = np.exp(spread(-708, 709, np.float64))
    x = np.concatenate([x[x != 1], 1 + np.logspace(-14, -1, 1001), 1 - np.logspace(-14, -1, 1001)])
    assert relative(one(_map_log64, x), np.log(x)) < 5e-16
    tiny = np.array([1e-310, 5e-324])
    assert relative(one(_map_log64, tiny), np.log(tiny)) < 4e-16
    edges = np.array([0, 1, np.inf, -1, -np.inf, np.nan])
    expected = [-np.inf, 0, np.inf, np.nan, np.nan, np.nan]
    np.testing.assert_array_equal(one(_map_log64, edges), expected)


@pytest.mark.parametrize(
    ("mapper", "dtype", "reach", "bound"),
    [(_map_sincos, np.float32, 8192, 1.2e-7), (_map_sincos64, np.float64, 1e6, 1e-15)],
)
def test_sincos(mapper, dtype, reach, bound):
    x = np.concatenate([spread(-reach, reach, dtype), spread(-7, 7, dtype)])
    sine, cosine = two(mapper, x)
    wide = x.astype(np.longdouble)
    assert np.max(np.abs(sine - np.sin(wide))) < bound
    assert np.max(np.abs(cosine - np.cos(wide))) < bound
    sine, cosine = two(mapper, np.array([0, -0.0, np.inf, np.nan], dtype))
    np.testing.assert_array_equal(sine, [0, 0, np.nan, np.nan])
    np.testing.assert_array_equal(cosine, [1, 1, np.nan, np.nan])


def test_sin_is_relatively_exact_near_zero():
    x = np.logspace(-300, -1, 2001)
    assert relative(two(_map_sincos64, x)[0], np.sin(x)) < 4e-16


def test_decay32():
    x = np.concatenate([np.logspace(-12, 0, 20_001), np.linspace(1, 80, 20_001)])
    x = np.concatenate([x, -x]).astype(np.float32)
    left, gone = two(_map_decay, x)
    assert relative(left, np.exp(-x.astype(np.float64))) < 2e-7
    assert relative(gone, -np.expm1(-x.astype(np.float64))) < 2e-7
    assert [float(v[0]) for v in two(_map_decay, np.zeros(1, np.float32))] == [1, 0]


def test_ndtri32():
    u = np.concatenate([np.logspace(-6, -0.31, 100_001), 1 - np.logspace(-6, -0.31, 100_001)])
    u = u.astype(np.float32)
    u = u[np.abs(u - 0.5) > 1e-3]
    assert relative(one(_map_ndtri, u), special.ndtri(u.astype(np.float64))) < 4e-7
    far = np.logspace(-9.99, -6, 1001).astype(np.float32)
    assert relative(one(_map_ndtri, far), special.ndtri(far.astype(np.float64))) < 5e-4
    assert one(_map_ndtri, np.array([1e-30], np.float32))[0] == pytest.approx(-6.36, abs=0.01)
    edges = np.array([0, 0.5, 1, -0.1, 1.1, np.nan], np.float32)
    expected = [-np.inf, 0, np.inf, np.nan, np.nan, np.nan]
    np.testing.assert_array_equal(one(_map_ndtri, edges), expected)


def test_ndtri64():
    u = np.concatenate([np.logspace(-300, -0.302, 100_001), 1 - np.logspace(-16, -0.302, 10_001)])
    u = u[(u < 1) & (u != 0.5)]
    assert relative(one(_map_ndtri64, u), special.ndtri(u)) < 5e-15
    edges = np.array([0, 0.5, 1, -0.1, 1.1, np.nan])
    expected = [-np.inf, 0, np.inf, np.nan, np.nan, np.nan]
    np.testing.assert_array_equal(one(_map_ndtri64, edges), expected)


def test_atan2_32():
    angle = spread(-3.1415, 3.1415, np.float64)
    for radius in (1e-3, 1.0, 1e6):
        y = (radius * np.sin(angle)).astype(np.float32)
        x = (radius * np.cos(angle)).astype(np.float32)
        got = np.empty_like(x)
        _map_atan2(y, x, got)
        exact = np.arctan2(y.astype(np.float64), x.astype(np.float64))
        assert np.max(np.abs(got - exact)) < 3e-7
