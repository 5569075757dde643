"""Decorators of compiled code: `kernel` and `inline_kernel`.

There are two ways to compile, which give the same numbers to the bit. *Linked* (`linked.py`)
compiles each kernel once and links it by name, which halves the first compilation; it relies on
interfaces that Numba does not document, and serves the versions of `LINKED_VERSIONS` only. *Public*
(`public.py`) relies on documented options alone and serves all other versions. Set the environment
variable `MICROGYM_JIT` to "public" to use it with any version.

Both cache machine code on disk, and neither serves machine code of sources that have changed
(`cache.py`).

Kernels allocate nothing: they are loops over numbers and over the elements of arrays that their
callers own, without comprehensions, array expressions and `with`. A test reads the sources for it.
"""

import os
import warnings
from collections.abc import Callable
from typing import Any

import numba

from microgym.jit.cache import import_closure, source_digest
from microgym.jit.notice import announce, silence

__all__ = [
    "LINKED_VERSIONS",
    "WAY",
    "import_closure",
    "inline_kernel",
    "kernel",
    "silence",
    "source_digest",
]

LINKED_VERSIONS = ("0.66.0", "0.67.0", "0.68.0", "0.68.1")
"""Versions of Numba on which the linked way is tested (`make test-numba`)."""


def _choose_way() -> str:
    """The way to compile: "linked" or "public"."""
    asked = os.environ.get("MICROGYM_JIT", "")
    if asked not in ("", "public"):
        raise ValueError(f"MICROGYM_JIT={asked!r} in the environment must be 'public' or not set")
    if asked or numba.__version__ in LINKED_VERSIONS:
        return asked or "linked"
    warnings.warn(
        f"kernels have not been linked on Numba {numba.__version__} yet, so that Numba compiles "
        "them its public way: same numbers, but a first compilation takes twice as long",
        RuntimeWarning,
        stacklevel=3,
    )
    return "public"


WAY = _choose_way()
"""The way to compile that this process uses: "linked" or "public"."""

if WAY == "linked":
    from microgym.jit.linked import compile_inline, compile_kernel
else:
    from microgym.jit.public import compile_inline, compile_kernel


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a module-level function.

    Serial, GIL released, IEEE arithmetic (no fastmath, no contraction), NumPy's division rules (the
    default rules put a branch into every division and stop vectorisation), cached on disk.

    Args:
        function: a module-level function, since closures would miss the cache in every process; it
            allocates nothing.

    Returns:
        A Numba dispatcher.
    """
    announce(function)
    return compile_kernel(function)


def inline_kernel(function: Callable[..., Any]) -> Any:
    """Compile a small function that is pasted into the kernels that call it.

    Args:
        function: a module-level function of scalars or short arrays.

    Returns:
        A Numba dispatcher; loops around it vectorise.
    """
    announce(function)
    return compile_inline(function)
