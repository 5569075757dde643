"""Portable linear algebra against NumPy's, which need not have the same bits."""

import numpy as np
import pytest

from microgym.numerics.libm import exp, sincos
from microgym.numerics.linalg import dft2, eigen, join, span, squared, times, turn


def waves(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (12, 20), (2, 3, 64, 64), (48, 7)])
def test_transform(shape):
    wave = waves(*shape)
    there = dft2(wave)
    np.testing.assert_allclose(there, np.fft.fft2(wave, norm="ortho"), atol=2e-14)
    np.testing.assert_allclose(
        dft2(wave, inverse=True), np.fft.ifft2(wave, norm="ortho"), atol=2e-14
    )
    np.testing.assert_allclose(dft2(there, inverse=True), wave, atol=2e-14)


def test_products_and_moduli():
    a, b = waves(4, 5), waves(5, seed=1).astype(np.complex64)
    np.testing.assert_allclose(times(a, b), a * b, rtol=1e-15)
    np.testing.assert_allclose(squared(b), np.abs(b.astype(np.complex128)) ** 2, rtol=1e-15)
    np.testing.assert_array_equal(join(a.real, a.imag), a)
    angle = np.linspace(-9.0, 9.0, 101)
    np.testing.assert_allclose(turn(angle), np.exp(1j * angle), atol=1e-15)


def test_functions_of_arrays():
    x = np.linspace(-20.0, 20.0, 60).reshape(3, 4, 5)
    np.testing.assert_allclose(exp(x), np.exp(x), rtol=4e-16)
    for found, expected in zip(sincos(x), (np.sin(x), np.cos(x)), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-15)
    assert exp(0.0).shape == ()
    assert exp(x[:, ::2].T).shape == (5, 2, 3)
    np.testing.assert_array_equal(exp(x[:, ::2].T), exp(x)[:, ::2].T)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 60])
def test_eigenvalues_and_vectors(n):
    wave = waves(n, n, seed=n)
    matrix = wave @ wave.conj().T
    values, vectors = eigen(matrix)
    expected = np.linalg.eigvalsh(matrix)[::-1]
    np.testing.assert_allclose(values, expected, atol=1e-13 * expected[0])
    np.testing.assert_allclose(vectors.conj().T @ vectors, np.eye(n), atol=1e-13)
    np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=1e-13 * expected[0])


def test_equal_eigenvalues():
    values, vectors = eigen(np.diag([1.0, 2.0, 2.0, 1.0]).astype(np.complex128))
    np.testing.assert_array_equal(values, [2.0, 2.0, 1.0, 1.0])
    np.testing.assert_array_equal(vectors.conj().T @ vectors, np.eye(4))


def test_span_finds_a_basis_of_few_waves():
    members = waves(30, 6) @ waves(6, 50, seed=1)
    basis, coordinates = span(members, 1e-20)
    assert basis.shape == (6, 50)
    np.testing.assert_allclose(basis @ basis.conj().T, np.eye(6), atol=1e-14)
    np.testing.assert_allclose(coordinates @ basis, members, atol=1e-13)


def test_span_leaves_out_what_is_below_its_tolerance():
    members = np.diag([1.0, 1e-3, 1e-6]).astype(np.complex128)
    assert span(members, 1e-7)[0].shape == (2, 3)
    assert span(members, 1e-14)[0].shape == (3, 3)
