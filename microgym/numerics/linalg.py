"""Linear algebra of complex arrays with the same bits on every processor, for one-off set-up.

NumPy multiplies complex numbers, takes their modulus and calls BLAS, LAPACK and the C library in
ways that depend on the processor. The functions here use operations that do not: additions,
multiplications, divisions and square roots of real float64 arrays, and `microgym.numerics.libm`.
Complex arrays come in and go out; inside they are pairs of real ones.
"""

import math

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.libm import sincos

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]

_SWEEPS = 60
_ROUNDING = 1e-30


def join(re: Real, im: Real) -> Complex:
    """A complex array from its parts."""
    out = np.empty(np.broadcast_shapes(re.shape, im.shape), np.complex128)
    out.real, out.imag = re, im
    return out


def times(a: NDArray[np.complexfloating], b: NDArray[np.complexfloating]) -> Complex:
    """The product of two complex arrays, element by element."""
    x, y = a.real.astype(np.float64), a.imag.astype(np.float64)
    u, v = b.real.astype(np.float64), b.imag.astype(np.float64)
    return join(x * u - y * v, x * v + y * u)


def squared(a: NDArray[np.complexfloating]) -> Real:
    """The squared modulus of a complex array, float64."""
    re, im = a.real.astype(np.float64), a.imag.astype(np.float64)
    return re * re + im * im


def turn(radians: Real) -> Complex:
    """The phase factor exp(i radians)."""
    sine, cosine = sincos(radians)
    return join(cosine, sine)


def dft2(wave: NDArray[np.complexfloating], *, inverse: bool = False) -> Complex:
    """Unitary discrete Fourier transform over the last two axes, of any size.

    Powers of two in a size are taken out by halving (Cooley and Tukey, Math. Comput. 19, 297,
    1965); the odd rest is summed directly.

    Args:
        wave: (..., h, w) complex.
        inverse: transform with exp(+2 pi i ...) instead of exp(-2 pi i ...).

    Returns:
        (..., h, w) complex128; zero frequency at element [0, 0].
    """
    height, width = wave.shape[-2:]
    planes = np.moveaxis(wave, (-2, -1), (0, 1)).astype(np.complex128)
    # The inverse is the same with real and imaginary parts exchanged on both sides.
    re, im = (planes.imag, planes.real) if inverse else (planes.real, planes.imag)
    re, im = _dft(re, im)
    re, im = _dft(re.swapaxes(0, 1), im.swapaxes(0, 1))
    scale = math.sqrt(height * width)
    re, im = re.swapaxes(0, 1) / scale, im.swapaxes(0, 1) / scale
    found = join(im, re) if inverse else join(re, im)
    return np.ascontiguousarray(np.moveaxis(found, (0, 1), (-2, -1)))


def _dft(re: Real, im: Real) -> tuple[Real, Real]:
    """Transform along the first axis."""
    n = re.shape[0]
    across = (-1, *[1] * (re.ndim - 1))
    sine, cosine = sincos(-2.0 * math.pi * np.arange(n) / n)
    if n % 2 == 0:
        even_re, even_im = _dft(re[::2], im[::2])
        odd_re, odd_im = _dft(re[1::2], im[1::2])
        cos, sin = cosine[: n // 2].reshape(across), sine[: n // 2].reshape(across)
        turned_re = odd_re * cos - odd_im * sin
        turned_im = odd_re * sin + odd_im * cos
        return (
            np.concatenate([even_re + turned_re, even_re - turned_re]),
            np.concatenate([even_im + turned_im, even_im - turned_im]),
        )
    out_re, out_im = np.zeros_like(re), np.zeros_like(im)
    for k in range(n):
        at = (k * np.arange(n)) % n
        cos, sin = cosine[at].reshape(across), sine[at].reshape(across)
        out_re += re[k] * cos - im[k] * sin
        out_im += re[k] * sin + im[k] * cos
    return out_re, out_im


def span(members: Complex, tolerance: float) -> tuple[Complex, Complex]:
    """An orthonormal basis of the rows of a matrix, and their coordinates in it.

    Gram-Schmidt on the residuals, always with the largest next, and each twice over ("twice is
    enough": Giraud et al., Comput. Math. Appl. 50, 1069, 2005).

    Args:
        members: (k, m), its rows the members; not zero.
        tolerance: stop when the power of all residuals is below this part of the power in the rows.

    Returns:
        Basis (r, m) and coordinates (k, r): members = coordinates @ basis, up to the tolerance.
    """
    re, im = members.real.copy(), members.imag.copy()
    powers = np.sum(re * re + im * im, axis=1)
    enough = tolerance * float(np.sum(powers))
    basis: list[tuple[Real, Real]] = []
    coordinates: list[Complex] = []
    while len(basis) < min(members.shape) and float(np.sum(powers)) > enough:
        first = int(np.argmax(powers))
        q_re, q_im = re[first].copy(), im[first].copy()
        for b_re, b_im in basis:
            c_re = np.sum(b_re * q_re + b_im * q_im)
            c_im = np.sum(b_re * q_im - b_im * q_re)
            q_re, q_im = q_re - (c_re * b_re - c_im * b_im), q_im - (c_re * b_im + c_im * b_re)
        norm = math.sqrt(float(np.sum(q_re * q_re + q_im * q_im)))
        q_re, q_im = q_re / norm, q_im / norm
        c_re = np.sum(q_re * re + q_im * im, axis=1)
        c_im = np.sum(q_re * im - q_im * re, axis=1)
        re -= c_re[:, None] * q_re - c_im[:, None] * q_im
        im -= c_re[:, None] * q_im + c_im[:, None] * q_re
        powers = np.sum(re * re + im * im, axis=1)
        basis.append((q_re, q_im))
        coordinates.append(join(c_re, c_im))
    return np.stack([join(*pair) for pair in basis]), np.stack(coordinates, axis=1)


@kernel
def _rotate(re, im, p, q, cosine, sine_re, sine_im):
    """Mix rows p and q: c p + s q and c q - s* p."""
    for j in range(re.shape[1]):
        x, y, u, v = re[p, j], im[p, j], re[q, j], im[q, j]
        re[p, j] = cosine * x + (sine_re * u - sine_im * v)
        im[p, j] = cosine * y + (sine_re * v + sine_im * u)
        re[q, j] = cosine * u - (sine_re * x + sine_im * y)
        im[q, j] = cosine * v - (sine_re * y - sine_im * x)


@kernel
def _sweep(a_re, a_im, v_re, v_im, small):
    """One cyclic Jacobi sweep over a Hermitian matrix; returns the number of rotations.

    `v` gathers the rotations: its rows become the conjugate eigenvectors.
    """
    n = a_re.shape[0]
    rotations = 0
    for p in range(n - 1):
        for q in range(p + 1, n):
            x, y = a_re[p, q], a_im[p, q]
            size = np.sqrt(x * x + y * y)
            if size <= small:
                continue
            rotations += 1
            # Rotation that zeroes a_pq: t = tan(theta) is the smaller root of t^2 + 2 ratio t - 1.
            ratio = (a_re[q, q] - a_re[p, p]) / (2.0 * size)
            root = abs(ratio) + np.sqrt(ratio * ratio + 1.0)
            tangent = -1.0 / root if ratio >= 0.0 else 1.0 / root
            cosine = 1.0 / np.sqrt(tangent * tangent + 1.0)
            s_re, s_im = cosine * tangent * (x / size), cosine * tangent * (y / size)
            _rotate(a_re, a_im, p, q, cosine, s_re, s_im)
            _rotate(a_re.T, a_im.T, p, q, cosine, s_re, -s_im)
            _rotate(v_re, v_im, p, q, cosine, s_re, s_im)
    return rotations


def eigen(matrix: Complex) -> tuple[Real, Complex]:
    """Eigenvalues and eigenvectors of a Hermitian matrix, by cyclic Jacobi rotations.

    Golub and Van Loan, Matrix Computations, 4th ed., 8.5. For matrices of up to a few hundred rows.

    Args:
        matrix: (n, n) complex, Hermitian.

    Returns:
        Eigenvalues (n,), falling, and eigenvectors (n, n), one a column, orthonormal.
    """
    n = matrix.shape[0]
    re, im = matrix.real.copy(), matrix.imag.copy()
    rows_re, rows_im = np.eye(n), np.zeros((n, n))
    small = math.sqrt(_ROUNDING * float(np.sum(re * re + im * im)))
    for _ in range(_SWEEPS):
        if _sweep(re, im, rows_re, rows_im, small) == 0:
            break
    order = np.argsort(-np.diagonal(re), kind="stable")
    return np.diagonal(re)[order], join(rows_re[order].T, -rows_im[order].T)


def ordered_sum(numbers: NDArray[np.number]) -> Real:
    """Sums along the last axis, from zero on and in order, which decides the last bit."""
    return 0.0 + np.cumsum(numbers, axis=-1, dtype=np.float64)[..., -1]
