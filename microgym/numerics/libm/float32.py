"""Elementary functions of float32; see `microgym.numerics.libm`."""

import numpy as np

from microgym.jit import inline_kernel

_F32 = np.float32
_I32 = np.int32
_LOG2E_32 = np.float32(1.44269504088896341)
_LN2_HI_32 = np.float32(0.693359375)
_LN2_LO_32 = np.float32(-2.12194440e-4)
_INF_32 = np.float32(np.inf)
_NAN_32 = np.float32(np.nan)


@inline_kernel
def _power_of_two_32(n):
    """2**n for an integer -126 <= n <= 127, as float32."""
    return _I32((n + _I32(127)) << _I32(23)).view(np.float32)


@inline_kernel
def _expm1_reduced_32(r):
    """exp(r) - 1 for |r| <= ln(2)/2 (Cephes expf)."""
    z = r * r
    low = _F32(5.0000001201e-1) + _F32(1.6666665459e-1) * r
    middle = _F32(4.1665795894e-2) + _F32(8.3334519073e-3) * r
    high = _F32(1.3981999507e-3) + _F32(1.9875691500e-4) * r
    y = (low + middle * z) + high * (z * z)
    return y * z + r


@inline_kernel
def exp32(x):
    """Exponential of a float32, as float32; relative error below 2e-7.

    Above 88.72 the result is infinity, below -87.33 (subnormal results) zero; NaN stays NaN.
    """
    inside = (x > _F32(-87.33)) & (x < _F32(88.72284))
    t = x if inside else _F32(0.0)
    n = np.floor(t * _LOG2E_32 + _F32(0.5))
    r = (t - n * _LN2_HI_32) - n * _LN2_LO_32
    # Two factors, because 2**128 is out of range though the result is not.
    half = _I32(n) >> _I32(1)
    y = _expm1_reduced_32(r) + _F32(1.0)
    y = y * _power_of_two_32(half) * _power_of_two_32(_I32(n) - half)
    edge = _INF_32 if x > _F32(0.0) else _F32(0.0)
    edge = edge if x == x else _NAN_32
    return y if inside else edge


@inline_kernel
def decay32(x):
    """exp(-x) and 1 - exp(-x) of a float32 -80 <= x <= 80, each to a relative 2e-7.

    Args:
        x: float32; outside the range the result is meaningless.

    Returns:
        Two float32.
    """
    t = -x
    n = np.floor(t * _LOG2E_32 + _F32(0.5))
    m = _expm1_reduced_32((t - n * _LN2_HI_32) - n * _LN2_LO_32)
    scale = _power_of_two_32(_I32(n))
    return m * scale + scale, (_F32(1.0) - scale) - m * scale


@inline_kernel
def log32_normal(x):
    """Natural logarithm of a normal positive float32, as `log32` (Cephes logf)."""
    bits = _F32(x).view(np.int32)
    e = _F32(_I32((bits >> _I32(23)) - _I32(126)))
    m = _I32((bits & _I32(0x007FFFFF)) | _I32(0x3F000000)).view(np.float32)
    low = m < _F32(0.707106781186547524)
    e = e - _F32(1.0) if low else e
    m = m + m - _F32(1.0) if low else m - _F32(1.0)
    z = m * m
    # Pairs and pairs of pairs (Estrin): a chain of nine would keep the processor waiting.
    low = _F32(3.3333331174e-1) + _F32(-2.4999993993e-1) * m
    low += (_F32(2.0000714765e-1) + _F32(-1.6668057665e-1) * m) * z
    high = _F32(1.4249322787e-1) + _F32(-1.2420140846e-1) * m
    high += (_F32(1.1676998740e-1) + _F32(-1.1514610310e-1) * m) * z
    square = z * z
    high += _F32(7.0376836292e-2) * square
    y = (low + high * square) * (m * z)
    y = y + e * _LN2_LO_32
    y = y - _F32(0.5) * z
    return (m + y) + e * _LN2_HI_32


@inline_kernel
def log32(x):
    """Natural logarithm of a float32, as float32; error below 2e-7 of max(|log x|, |x - 1|, 1e-38).

    Zero gives minus infinity, infinity itself, a negative argument or NaN gives NaN; subnormal
    arguments are exact.
    """
    tiny = x < _F32(1.17549435e-38)
    scaled = x * _F32(16777216.0) if tiny else x
    y = log32_normal(scaled if (scaled > _F32(0.0)) & (scaled < _INF_32) else _F32(1.0))
    y = y - _F32(16.635532333438686) if tiny else y
    y = y if x < _INF_32 else x
    y = y if x > _F32(0.0) else -_INF_32
    return y if x >= _F32(0.0) else _NAN_32


@inline_kernel
def sincos32(x):
    """Sine and cosine of a float32, as two float32; absolute error below 1.2e-7 for |x| <= 8192.

    The error grows with |x| beyond that; above 1e9, infinity and NaN give NaN.
    """
    n = np.floor(x * _F32(0.636619772367581343) + _F32(0.5))
    inside = abs(x) <= _F32(1e9)
    n = n if inside else _F32(0.0)
    # pi/2 in three parts: twice Cephes' DP1, DP2, DP3 of sinf.
    r = ((x - n * _F32(1.5703125)) - n * _F32(4.837512969970703125e-4)) - n * _F32(
        7.54978995489188216e-8
    )
    r = r if inside else _NAN_32
    z = r * r
    s = _F32(-1.9515295891e-4)
    s = s * z + _F32(8.3321608736e-3)
    s = s * z + _F32(-1.6666654611e-1)
    s = s * z * r + r
    c = _F32(2.443315711809948e-5)
    c = c * z + _F32(-1.388731625493765e-3)
    c = c * z + _F32(4.166664568298827e-2)
    c = c * (z * z) - _F32(0.5) * z + _F32(1.0)
    quadrant = _I32(n)
    swap = (quadrant & _I32(1)) != _I32(0)
    sine = c if swap else s
    cosine = s if swap else c
    sine = -sine if (quadrant & _I32(2)) != _I32(0) else sine
    cosine = -cosine if ((quadrant + _I32(1)) & _I32(2)) != _I32(0) else cosine
    return sine, cosine


@inline_kernel
def ndtri32_log(x, w):
    """Standard normal quantile of the probability (1 + x) / 2, with w = -log((1 - x)(1 + x)).

    Giles' polynomials: sqrt(2) erfinv(x). Accuracy as in `ndtri32_signed`.
    """
    # Estrin as in `log32_normal`, but for the largest coefficient: it decides the rounding.
    a = w - _F32(2.5)
    a2 = a * a
    low = _F32(0.246640727) + _F32(-0.00417768164) * a
    low += (_F32(-0.00125372503) + _F32(0.00021858087) * a) * a2
    high = _F32(-4.39150654e-06) + _F32(-3.5233877e-06) * a
    high += (_F32(3.43273939e-07) + _F32(2.81022636e-08) * a) * a2
    p = _F32(1.50140941) + (low + high * (a2 * a2)) * a
    b = np.sqrt(w) - _F32(3.0)
    b2 = b * b
    low = _F32(1.00167406) + _F32(0.00943887047) * b
    low += (_F32(-0.0076224613) + _F32(0.00573950773) * b) * b2
    high = _F32(-0.00367342844) + _F32(0.00134934322) * b
    high += (_F32(0.000100950558) + _F32(-0.000200214257) * b) * b2
    q = _F32(2.83297682) + (low + high * (b2 * b2)) * b
    return (p if w < _F32(5.0) else q) * x * _F32(1.41421356237309505)


@inline_kernel
def ndtri32(u):
    """Standard normal quantile of a float32 probability, as float32.

    Relative error below 4e-7 for 1e-6 <= u <= 1 - 1e-6, below 5e-4 down to 1e-10; smaller
    probabilities count as 1e-10 (-6.36). Zero gives minus infinity, one infinity, anything else
    outside or NaN gives NaN.
    """
    inside = (u > _F32(0.0)) & (u < _F32(1.0))
    v = (u if u > _F32(1e-10) else _F32(1e-10)) if inside else _F32(0.5)
    x = _F32(2.0) * (v - _F32(0.5))
    w = -log32_normal(_F32(4.0) * v * (_F32(1.0) - v))
    edge = -_INF_32 if u == _F32(0.0) else _NAN_32
    edge = _INF_32 if u == _F32(1.0) else edge
    return ndtri32_log(x, w) if inside else edge


@inline_kernel
def ndtri32_signed(x, tail):
    """Standard normal quantile of the probability (1 + x) / 2, exact in both tails.

    Args:
        x: float32 in (-1, 1).
        tail: float32 equal to 1 - |x|, which for |x| near one cannot be had from `x`.

    Returns:
        float32, with a relative error below 4e-7 up to 5 and below 4e-4 up to 6.34.
    """
    return ndtri32_log(x, -log32_normal(tail * (_F32(2.0) - tail)))


@inline_kernel
def atan2_32(y, x):
    """Angle of the point (x, y) from the x axis in (-pi, pi], float32; absolute error below 3e-7.

    Cephes' polynomial of atanf (S. Moshier, 1989) after reduction to [0, tan(pi/8)]; the origin
    gives 0.
    """
    a, b = abs(x), abs(y)
    longer, shorter = max(a, b), min(a, b)
    t = shorter / (longer if longer > _F32(0.0) else _F32(1.0))
    steep = t > _F32(0.4142135623730950)
    r = (t - _F32(1.0)) / (t + _F32(1.0)) if steep else t
    z = r * r
    p = _F32(8.05374449538e-2)
    p = p * z + _F32(-1.38776856032e-1)
    p = p * z + _F32(1.99777106478e-1)
    p = p * z + _F32(-3.33329491539e-1)
    angle = p * z * r + r
    angle = angle + (_F32(0.785398163397448310) if steep else _F32(0.0))
    angle = _F32(1.57079632679489662) - angle if b > a else angle
    angle = _F32(3.14159265358979324) - angle if x < _F32(0.0) else angle
    return -angle if y < _F32(0.0) else angle
