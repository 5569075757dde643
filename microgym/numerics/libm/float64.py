"""Elementary functions of float64; see `microgym.numerics.libm`."""

import numpy as np

from microgym.jit import inline_kernel, kernel

_I32 = np.int32
_I64 = np.int64
_INF = np.inf
_NAN = np.nan


@inline_kernel
def _power_of_two_64(n):
    """2**n for an integer -1022 <= n <= 1023, as float64."""
    return _I64((_I64(n) + _I64(1023)) << _I64(52)).view(np.float64)


@inline_kernel
def exp64(x):
    """Exponential of a float64; relative error below 4e-16.

    Above 709.78 the result is infinity, below -745 zero; subnormal results are rounded twice; NaN
    stays NaN.
    """
    inside = (x > -745.2) & (x < 709.782712893384)
    t = x if inside else 0.0
    n = np.floor(t * 1.4426950408889634073599 + 0.5)
    r = (t - n * 6.93145751953125e-1) - n * 1.42860682030941723212e-6
    z = r * r
    p = 1.26177193074810590878e-4
    p = p * z + 3.02994407707441961300e-2
    p = (p * z + 9.99999999999999999910e-1) * r
    q = 3.00198505138664455042e-6
    q = q * z + 2.52448340349684104192e-3
    q = q * z + 2.27265548208155028766e-1
    q = q * z + 2.00000000000000000009
    y = 1.0 + 2.0 * (p / (q - p))
    half = _I32(n) >> _I32(1)
    y = y * _power_of_two_64(half) * _power_of_two_64(_I32(n) - half)
    edge = _INF if x > 0.0 else 0.0
    edge = edge if x == x else _NAN
    return y if inside else edge


@kernel
def exponential(x):
    """`exp64` as a call, for its code is long."""
    return exp64(x)


@inline_kernel
def _log_normal_64(x):
    """Natural logarithm of a normal positive float64 (Cephes log, the branch around one)."""
    bits = np.float64(x).view(np.int64)
    e = np.float64(_I32((bits >> _I64(52)) - _I64(1022)))
    m = _I64((bits & _I64(0x000FFFFFFFFFFFFF)) | _I64(0x3FE0000000000000)).view(np.float64)
    low = m < 0.70710678118654752440
    e = e - 1.0 if low else e
    m = m + m - 1.0 if low else m - 1.0
    z = m * m
    p = 1.01875663804580931796e-4
    p = p * m + 4.97494994976747001425e-1
    p = p * m + 4.70579119878881725854
    p = p * m + 1.44989225341610930846e1
    p = p * m + 1.79368678507819816313e1
    p = p * m + 7.70838733755885391666
    q = m + 1.12873587189167450590e1
    q = q * m + 4.52279145837532221105e1
    q = q * m + 8.29875266912776603211e1
    q = q * m + 7.11544750618563894466e1
    q = q * m + 2.31251620126765340583e1
    y = m * (z * p / q)
    y = y - e * 2.121944400546905827679e-4
    y = y - 0.5 * z
    return (m + y) + e * 0.693359375


@inline_kernel
def log64(x):
    """Natural logarithm of a float64; relative error below 4e-16.

    Zero gives minus infinity, infinity itself, a negative argument or NaN gives NaN; subnormal
    arguments are exact.
    """
    tiny = x < 2.2250738585072014e-308
    scaled = x * 18014398509481984.0 if tiny else x
    y = _log_normal_64(scaled if (scaled > 0.0) & (scaled < _INF) else 1.0)
    y = y - 37.429947750237048 if tiny else y
    y = y if x < _INF else x
    y = y if x > 0.0 else -_INF
    return y if x >= 0.0 else _NAN


@inline_kernel
def sincos64(x):
    """Sine and cosine of a float64, as two float64; absolute error below 1e-15 for |x| <= 1e6.

    The error grows with |x| beyond that; above 1e9, infinity and NaN give NaN.
    """
    n = np.floor(x * 0.63661977236758134308 + 0.5)
    inside = abs(x) <= 1e9
    n = n if inside else 0.0
    # pi/2 in three parts: twice Cephes' DP1, DP2, DP3.
    r = ((x - n * 1.57079625129699707031) - n * 7.54978941586159635336e-8) - n * (
        5.39030252995776476554e-15
    )
    r = r if inside else _NAN
    z = r * r
    s = 1.58962301576546568060e-10
    s = s * z - 2.50507477628578072866e-8
    s = s * z + 2.75573136213857245213e-6
    s = s * z - 1.98412698295895385996e-4
    s = s * z + 8.33333333332211858878e-3
    s = s * z - 1.66666666666666307295e-1
    s = s * z * r + r
    c = -1.13585365213876817300e-11
    c = c * z + 2.08757008419747316778e-9
    c = c * z - 2.75573141792967388112e-7
    c = c * z + 2.48015872888517045348e-5
    c = c * z - 1.38888888888730564116e-3
    c = c * z + 4.16666666666665929218e-2
    c = 1.0 - 0.5 * z + c * (z * z)
    quadrant = _I32(n)
    swap = (quadrant & _I32(1)) != _I32(0)
    sine = c if swap else s
    cosine = s if swap else c
    sine = -sine if (quadrant & _I32(2)) != _I32(0) else sine
    cosine = -cosine if ((quadrant + _I32(1)) & _I32(2)) != _I32(0) else cosine
    return sine, cosine


@inline_kernel
def _horner(r, c7, c6, c5, c4, c3, c2, c1, c0):
    """Polynomial of degree seven."""
    return ((((((c7 * r + c6) * r + c5) * r + c4) * r + c3) * r + c2) * r + c1) * r + c0


@inline_kernel
def ndtri64(u):
    """Standard normal quantile of a float64 probability (AS 241); relative error below 2e-15.

    Zero gives minus infinity, one infinity, anything else outside or NaN gives NaN.
    """
    inside = (u > 0.0) & (u < 1.0)
    v = u if inside else 0.5
    q = v - 0.5
    central = abs(q) <= 0.425
    r = 0.180625 - q * q
    p = _horner(
        r,
        2.5090809287301226727e3,
        3.3430575583588128105e4,
        6.7265770927008700853e4,
        4.5921953931549871457e4,
        1.3731693765509461125e4,
        1.9715909503065514427e3,
        1.3314166789178437745e2,
        3.3871328727963666080,
    )
    d = _horner(
        r,
        5.2264952788528545610e3,
        2.8729085735721942674e4,
        3.9307895800092710610e4,
        2.1213794301586595867e4,
        5.3941960214247511077e3,
        6.8718700749205790830e2,
        4.2313330701600911252e1,
        1.0,
    )
    s = np.sqrt(-log64(v if q < 0.0 else 1.0 - v))
    far = s > 5.0
    t = s - 1.6
    p_near = _horner(
        t,
        7.74545014278341407640e-4,
        2.27238449892691845833e-2,
        2.41780725177450611770e-1,
        1.27045825245236838258,
        3.64784832476320460504,
        5.76949722146069140550,
        4.63033784615654529590,
        1.42343711074968357734,
    )
    d_near = _horner(
        t,
        1.05075007164441684324e-9,
        5.47593808499534494600e-4,
        1.51986665636164571966e-2,
        1.48103976427480074590e-1,
        6.89767334985100004550e-1,
        1.67638483018380384940,
        2.05319162663775882187,
        1.0,
    )
    t = s - 5.0
    p_far = _horner(
        t,
        2.01033439929228813265e-7,
        2.71155556874348757815e-5,
        1.24266094738807843860e-3,
        2.65321895265761230930e-2,
        2.96560571828504891230e-1,
        1.78482653991729133580,
        5.46378491116411436990,
        6.65790464350110377720,
    )
    d_far = _horner(
        t,
        2.04426310338993978564e-15,
        1.42151175831644588870e-7,
        1.84631831751005468180e-5,
        7.86869131145613259100e-4,
        1.48753612908506148525e-2,
        1.36929880922735805310e-1,
        5.99832206555887937690e-1,
        1.0,
    )
    p = p if central else (p_far if far else p_near)
    d = d if central else (d_far if far else d_near)
    sign = -1.0 if q < 0.0 else 1.0
    z = (q if central else sign) * (p / d)
    edge = -_INF if u == 0.0 else _NAN
    edge = _INF if u == 1.0 else edge
    return z if inside else edge
