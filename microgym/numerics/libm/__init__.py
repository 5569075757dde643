"""Elementary functions for compiled loops: exp, log, sin, cos and the normal quantile.

The C library's and NumPy's versions differ in the last bits between machines and stop a loop from
vectorising. These are plain additions, multiplications, divisions, square roots and selections, so
that every IEEE machine gives the same bits, and a loop around them becomes vector code. All but
`exp`, `log` and `sincos`, which take arrays in Python, are scalar kernels; call them from inside a
`microgym.jit.kernel`, with an argument of the stated type.

Sources of the numbers: S. L. Moshier, Cephes Math Library 2.8 (exp, log, sin, cos; single and
double precision); M. Giles, "Approximating the erfinv function", GPU Computing Gems 2 (2010)
(single precision normal quantile); M. J. Wichura, "Algorithm AS 241", Appl. Stat. 37, 477 (1988)
(double precision normal quantile). Constants without a source are powers of two or representable
limits. The maximum errors named below are asserted in tests/microgym/numerics/test_libm.py.
"""

from microgym.numerics.libm.arrays import exp, log, sincos
from microgym.numerics.libm.float32 import (
    atan2_32,
    decay32,
    exp32,
    log32,
    log32_normal,
    ndtri32,
    ndtri32_log,
    ndtri32_signed,
    sincos32,
)
from microgym.numerics.libm.float64 import exp64, exponential, log64, ndtri64, sincos64

__all__ = [
    "atan2_32",
    "decay32",
    "exp",
    "exp32",
    "exp64",
    "exponential",
    "log",
    "log32",
    "log32_normal",
    "log64",
    "ndtri32",
    "ndtri32_log",
    "ndtri32_signed",
    "ndtri64",
    "sincos",
    "sincos32",
    "sincos64",
]
