"""The random streams: known answers, distributions against exact ones, independence, same bits."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from microgym.jit import kernel
from microgym.random import (
    POISSON_WORK,
    Role,
    episode_key,
    fill_normal,
    fill_poisson,
    fill_uniform,
    normal,
    stream,
    thin_counts,
    threefry,
    uniform,
)
from microgym.random.counts import poisson_quantile

KEY = (np.uint32(20240607), np.uint32(77))
WORK = np.empty(POISSON_WORK, np.float32)


@kernel
def _threefry(k0, k1, c0, c1, out):
    out[0], out[1] = threefry(k0, k1, c0, c1)


@kernel
def _stream(k0, k1, role, process, out):
    out[0], out[1] = stream(k0, k1, role, process)


@kernel
def _uniforms(s0, s1, tick, out):
    for i in range(out.size):
        out[i] = uniform(s0, s1, tick, i)


@kernel
def _normals(s0, s1, tick, out):
    for i in range(out.size):
        out[i] = normal(s0, s1, tick, i)


def stream_key(role, process, key=KEY):
    out = np.empty(2, np.uint32)
    _stream(*key, np.uint32(role), np.uint32(process), out)
    return tuple(out)


def drawn(fill, n, tick=0, key=KEY, dtype=np.float32):
    out = np.empty(n, dtype)
    fill(*key, np.uint32(tick), out)
    return out


def poisson(mean, tick=0, key=KEY):
    out = np.empty_like(mean)
    fill_poisson(*key, np.uint32(tick), mean, out, WORK)
    return out


def thinned(counts, probability, tick=0, key=KEY):
    out = np.empty_like(counts)
    thin_counts(*key, np.uint32(tick), counts, probability, out)
    return out


def at_bits(bits, mean):
    """Poisson counts for given random bits, one mean."""
    out = np.empty(bits.size, np.float32)
    poisson_quantile(bits.astype(np.uint32), np.full(bits.size, mean, np.float32), out, WORK)
    return out


def poisson_law(mean):
    """Counts around a mean and the exact probability that our sampler gives each of them."""
    reach = 7 * np.sqrt(mean)
    counts = np.arange(max(0, int(mean - reach) - 2), int(mean + reach) + 12)
    low = np.full(counts.size, -1, np.int64)
    high = np.full(counts.size, 2**32, np.int64)
    for _ in range(33):
        middle = (low + high) // 2
        below = at_bits(np.clip(middle, 0, 2**32 - 1), mean) <= counts
        below = np.where(middle < 0, True, np.where(middle > 2**32 - 1, False, below))
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return counts, np.diff((low + 1) / 2**32, prepend=0.0)


# ------------------------------------------------------------------------ generator and keys


@pytest.mark.parametrize(
    ("key", "counter", "answer"),
    [  # Random123 1.14, tests/kat_vectors, "threefry2x32 20"
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_known_answers(key, counter, answer):
    out = np.empty(2, np.uint32)
    _threefry(*(np.uint32(v) for v in (*key, *counter)), out)
    assert tuple(int(v) for v in out) == answer


def test_arguments_are_cast_to_uint32():
    plain, cast = np.empty(2, np.uint32), np.empty(2, np.uint32)
    _threefry(np.uint32(1), np.uint32(2), np.uint32(3), np.uint32(4), plain)
    _threefry(np.int64(1), np.int64(2) + 2**32, np.int64(3), np.int64(4), cast)
    np.testing.assert_array_equal(plain, cast)
    a, b = np.empty(4), np.empty(4)
    _uniforms(*KEY, np.uint32(9), a)
    _uniforms(*KEY, np.int64(9), b)
    np.testing.assert_array_equal(a, b)


def test_episode_keys_differ_and_repeat():
    paths = [(0,), (1,), (2**32,), (2**63 - 1,), (0, 0), (0, 1), (1, 0), (0, 0, 0), (0, 2**40)]
    keys = [episode_key(*p) for p in paths]
    assert all(k.shape == (2,) and k.dtype == np.uint32 for k in keys)
    assert len({k.tobytes() for k in keys}) == len(paths)
    np.testing.assert_array_equal(episode_key(np.int64(5), 7), episode_key(5, 7))
    many = {episode_key(s, e).tobytes() for s in range(100) for e in range(100)}
    assert len(many) == 10_000


@pytest.mark.parametrize("bad", [-1, 2**63, 2**70])
def test_episode_key_range(bad):
    with pytest.raises(ValueError, match=rf"seed must be in 0 <= seed < 2\*\*63, got {bad}"):
        episode_key(bad)
    with pytest.raises(ValueError, match="path must be"):
        episode_key(0, bad)


@pytest.mark.parametrize("bad", [1.0, "1", None, True, np.float32(2)])
def test_episode_key_type(bad):
    with pytest.raises(TypeError, match="seed must be an integer"):
        episode_key(bad)
    with pytest.raises(TypeError, match="path must be an integer"):
        episode_key(0, bad)


def test_streams_differ():
    keys = {stream_key(role, process) for role in Role for process in range(200)}
    assert len(keys) == 600


# ------------------------------------------------------------------------ uniform and normal


@pytest.mark.parametrize(("fill", "dtype"), [(_uniforms, np.float64), (fill_uniform, np.float32)])
def test_uniform_law(fill, dtype):
    u = drawn(fill, 1 << 18, dtype=dtype)
    assert u.min() > 0
    assert u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    assert stats.chisquare(np.bincount((u * 1024).astype(int), minlength=1024)).pvalue > 1e-3


@pytest.mark.parametrize(("fill", "dtype"), [(_normals, np.float64), (fill_normal, np.float32)])
def test_normal_law(fill, dtype):
    z = drawn(fill, 1 << 18, dtype=dtype)
    assert stats.kstest(z, "norm").pvalue > 1e-3
    assert abs(z.mean(dtype=np.float64)) < 4 / 512
    assert abs(z.var(dtype=np.float64) - 1) < 4 * np.sqrt(2) / 512
    assert abs(stats.kurtosis(z)) < 4 * np.sqrt(24) / 512


def test_no_correlation_between_neighbours():
    """Roles, processes, ticks, keys, elements, and scalar against array draws."""
    n = 1 << 16
    base = drawn(fill_normal, n, key=stream_key(2, 0))
    long = drawn(fill_normal, n + 64, key=stream_key(2, 0))
    others = {
        "role": drawn(fill_normal, n, key=stream_key(1, 0)),
        "process": drawn(fill_normal, n, key=stream_key(2, 1)),
        "tick": drawn(fill_normal, n, tick=1, key=stream_key(2, 0)),
        "key": drawn(fill_normal, n, key=stream_key(2, 0, (KEY[0], KEY[1] + 1))),
        "scalar": drawn(_normals, n, key=stream_key(2, 0), dtype=np.float64),
        **{f"lag {lag}": long[lag : lag + n] for lag in (1, 2, 31, 32, 33, 63, 64)},
    }
    for name, other in others.items():
        for f in (np.asarray, np.abs, np.square):
            r = np.corrcoef(f(base), f(other))[0, 1]
            assert abs(r) < 4.5 / np.sqrt(n), name


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 200])
def test_element_depends_on_its_index_alone(n):
    mean = np.logspace(-3, 7, 300).astype(np.float32)
    for fill in (fill_uniform, fill_normal):
        np.testing.assert_array_equal(drawn(fill, n), drawn(fill, 300)[:n])
    np.testing.assert_array_equal(poisson(mean[:n]), poisson(mean)[:n])
    counts = poisson(mean)
    np.testing.assert_array_equal(thinned(counts[:n], 0.3), thinned(counts, 0.3)[:n])
    order = np.arange(300)[::-1]
    other = poisson(np.where(np.arange(300) % 2 == 0, mean, mean[order]))
    np.testing.assert_array_equal(other[::2], poisson(mean)[::2])


# ------------------------------------------------------------------------------------- Poisson

BOUNDS = [  # mean, bound of the total variation to the exact distribution
    *[(m, 1e-6) for m in (0.001, 0.1, 1.0, 5.0, 7.9)],
    *[(m, 1e-4) for m in (8.0, 8.5, 10.0)],
    *[(m, 2e-5) for m in (20.0, 50.0, 300.0, 1e4, 1e5)],
    (1e6, 5e-5),
    (1e7, 1e-4),
]


@pytest.mark.parametrize(("mean", "bound"), BOUNDS)
def test_poisson_exact_law(mean, bound):
    """Every count's exact probability, from the edges among all 2**32 random words."""
    mean = float(np.float32(mean))
    counts, ours = poisson_law(mean)
    assert abs(ours.sum() - 1) < 1e-8
    assert 0.5 * np.abs(ours - stats.poisson.pmf(counts, mean)).sum() < bound
    centre = (ours * (counts - mean)).sum()
    assert abs(centre) < 1e-5 * np.sqrt(mean)
    assert abs((ours * (counts - mean) ** 2).sum() - centre**2 - mean) < 2e-5 * mean


@pytest.mark.parametrize("mean", [0.1, 3.0, 7.99, 8.0, 9.0, 12.0, 50.0, 1e4, 1e6, 1e7])
def test_poisson_rises_with_the_uniform_number(mean):
    bits = np.concatenate([np.arange(0, 2**32, 2**14), [2**32 - 1]])
    counts = at_bits(bits, mean)
    assert counts[0] >= 0
    assert np.all(np.diff(counts) >= 0)
    np.testing.assert_array_equal(counts, np.round(counts))


@pytest.mark.parametrize("mean", [0.1, 5, 50, 1e4])
def test_poisson_goodness_of_fit(mean):
    n = 1 << 18
    counts = poisson(np.full(n, mean, np.float32)).astype(np.int64)
    mean = float(np.float32(mean))
    edges = np.unique(stats.poisson.ppf(np.linspace(0, 1, 65)[1:-1], mean))
    edges = edges[stats.poisson.sf(edges, mean) * n > 10]
    expected = np.diff(stats.poisson.cdf(edges, mean), prepend=0.0, append=1.0) * n
    observed = np.bincount(np.searchsorted(edges, counts), minlength=edges.size + 1)
    assert stats.chisquare(observed, expected).pvalue > 1e-3


@pytest.mark.parametrize("mean", [1e-3, 0.1, 5, 50, 1e4, 1e7])
def test_poisson_mean_and_variance(mean):
    n = 1 << 18
    counts = poisson(np.full(n, mean, np.float32)).astype(np.float64)
    mean = float(np.float32(mean))
    assert abs(counts.mean() - mean) < 4 * np.sqrt(mean / n)
    assert abs(counts.var() - mean) < 4 * np.sqrt((mean + 2 * mean**2) / n)


def test_poisson_edge_means():
    """No light, no counts; nonsense gives none either, and disturbs no neighbour."""
    assert not poisson(np.zeros(1000, np.float32)).any()
    mean = np.full(256, 3.0, np.float32)
    clean = poisson(mean)
    mean[10:20] = [0, -1, -100, np.nan, 0, -1e30, -5, -0.1, 1e-38, -np.inf]
    got = poisson(mean)
    assert not got[10:20].any()
    rest = np.r_[0:10, 20:256]
    np.testing.assert_array_equal(got[rest], clean[rest])
    mean[30] = 1e7
    got = poisson(mean)
    assert abs(got[30] - 1e7) < 2e4
    assert not got[10:20].any()


def test_same_luck_at_another_mean():
    mean = np.logspace(-2, 6, 4096).astype(np.float32)
    assert np.all(poisson(mean * np.float32(1.05)) >= poisson(mean))


# ------------------------------------------------------------------------------------ thinning


@pytest.mark.parametrize("probability", [0.0, 0.01, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("n", [1, 7, 59, 60, 1000, 10**7])
def test_thinning_law(n, probability):
    size = 1 << 14
    counts = np.full(size, n, np.float32)
    kept = thinned(counts, probability).astype(np.float64)
    assert kept.min() >= 0
    assert kept.max() <= n
    np.testing.assert_array_equal(kept, np.round(kept))
    law = stats.binom(n, probability)
    if probability in (0.0, 1.0):
        np.testing.assert_array_equal(kept, n * probability)
        return
    assert abs(kept.mean() - law.mean()) < 4.5 * law.std() / np.sqrt(size)
    spread = np.sqrt((float(law.stats("k")) + 2) / size) * law.var()
    assert abs(kept.var() - law.var()) < 4.5 * spread + 25 * law.var() / size
    edges = np.unique(law.ppf(np.linspace(0, 1, 33)[1:-1]))
    edges = edges[(law.sf(edges) * size > 10) & (law.cdf(edges) * size > 10)]
    if edges.size:
        expected = np.diff(law.cdf(edges), prepend=0.0, append=1.0) * size
        observed = np.bincount(np.searchsorted(edges, kept), minlength=edges.size + 1)
        assert stats.chisquare(observed, expected).pvalue > 1e-4


@pytest.mark.parametrize(
    ("n", "p"), [(60, 0.5), (75, 0.4), (100, 0.7), (1000, 0.03), (400, 0.5), (10**7, 3.1e-6)]
)
def test_thinning_quantile_against_the_exact_law(n, p):
    """Where the expansion takes over, counts at the exact quantiles' uniform numbers agree.

    Of 2**17 uniform numbers, those for which ours and SciPy's quantile differ are the total
    variation's part of them (2e-5): two or three, here allowed to be twelve.
    """
    size = 1 << 17
    kept = thinned(np.full(size, n, np.float32), p)
    words = np.empty((size, 2), np.uint32)
    _array_words(*KEY, words)
    u = ((words[:, 0] >> 6) * 2.0**26 + (words[:, 1] >> 6) + 0.5) * 2.0**-52
    exact = stats.binom.ppf(u, n, p)
    assert np.count_nonzero(kept != exact) <= 12
    assert np.max(np.abs(kept - exact)) <= 1


@kernel
def _array_words(s0, s1, words):
    for i in range(words.shape[0]):
        words[i, 0], words[i, 1] = threefry(s0, s1, np.uint32(i) | np.uint32(0x80000000), 0)


@pytest.mark.parametrize("mean", [0.5, 20.0, 300.0])
def test_thinned_poisson_is_poisson(mean):
    n = 1 << 17
    light = poisson(np.full(n, mean, np.float32), key=stream_key(2, 0))
    kept = thinned(light, 0.25, key=stream_key(2, 1)).astype(np.int64)
    law = stats.poisson(0.25 * mean)
    edges = np.unique(law.ppf(np.linspace(0, 1, 33)[1:-1]))
    expected = np.diff(law.cdf(edges), prepend=0.0, append=1.0) * n
    observed = np.bincount(np.searchsorted(edges, kept), minlength=edges.size + 1)
    assert stats.chisquare(observed, expected).pvalue > 1e-3
    # Independence of what is kept and what is lost is what makes a thinned process Poisson.
    assert abs(np.corrcoef(kept, light - kept)[0, 1]) < 4 / np.sqrt(n)


def test_thinning_edges():
    counts = np.array([0, -3, np.nan, 2.7, 5, 2**24], np.float32)
    np.testing.assert_array_equal(thinned(counts, 1.0), [0, 0, 0, 2, 5, 2**24])
    np.testing.assert_array_equal(thinned(counts, 7.0), thinned(counts, 1.0))
    np.testing.assert_array_equal(thinned(counts, -1.0), np.zeros(6))
    same = np.full(100, 50, np.float32)
    expected = thinned(same, 0.4)
    thin_counts(*KEY, np.uint32(0), same, 0.4, same)
    np.testing.assert_array_equal(same, expected)


# -------------------------------------------------------------------------- the same everywhere

GOLDEN = "658dddbf07726f49c43e3be17e141a7b0aa195fffb39f3f94ffe8523388f0b6a"


def digest():
    """SHA-256 of a sample of everything this module draws."""
    mean = np.logspace(-3, 7, 1000).astype(np.float32)
    counts = poisson(mean, tick=3)
    parts = [
        episode_key(123, 4),
        drawn(fill_uniform, 500, tick=1),
        drawn(fill_normal, 5000, tick=2),
        counts,
        thinned(counts, 0.37, tick=4),
        drawn(_uniforms, 500, tick=5, dtype=np.float64),
        drawn(_normals, 5000, tick=6, dtype=np.float64),
    ]
    return hashlib.sha256(b"".join(p.tobytes() for p in parts)).hexdigest()


def test_golden_bits():
    """These bits may change only together with the version and every recorded result."""
    assert digest() == GOLDEN


@pytest.mark.slow
@pytest.mark.parametrize("cpu", [("generic", ""), ("haswell", None), ("sandybridge", None)])
def test_same_bits_under_other_instruction_sets(cpu, tmp_path):
    name, features = cpu
    settings = {"NUMBA_CPU_NAME": name, "NUMBA_CACHE_DIR": str(tmp_path)}
    if features is not None:
        settings["NUMBA_CPU_FEATURES"] = features
    here = Path(__file__).parent
    script = (
        f"import sys; sys.path[:0] = [{str(here.parents[2])!r}, {str(here)!r}];"
        f"import {Path(__file__).stem} as tests; print(tests.digest())"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **settings},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == digest()
