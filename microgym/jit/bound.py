"""Calls of kernels whose parameters and states stay the same objects.

Numba determines the types of all arguments at every call, which takes some microseconds where they
are nested NamedTuples. A `Bound` determines those of its fixed arguments once (linked way only).
"""

from collections.abc import Callable
from typing import Any

import numba

from microgym.jit import WAY

compute_fingerprint: Callable[[Any], bytes]
if WAY == "linked":
    from numba._dispatcher import compute_fingerprint
else:

    def compute_fingerprint(_: Any, /) -> bytes:
        """No types, so that every call goes through Numba's dispatcher."""
        return b""


class Bound:
    """A kernel with its last arguments fixed.

    Args:
        kernel: made by `microgym.jit.kernel`.
        *fixed: its last arguments: numbers, arrays, and NamedTuples of such.
    """

    def __init__(self, kernel: Any, *fixed: Any) -> None:
        self._kernel, self._fixed = kernel, fixed
        self._types: bytes | None = None
        self._compiled: Any = None

    def __call__(self, *arguments: Any) -> Any:
        """Call the kernel.

        Args:
            *arguments: its first arguments, numbers and arrays.

        Returns:
            The kernel's result.
        """
        types = compute_fingerprint(arguments)
        if types == self._types:
            return self._compiled(*arguments, *self._fixed)
        result = self._kernel(*arguments, *self._fixed)
        if types and self._types is None:
            signature = tuple(numba.typeof(one) for one in (*arguments, *self._fixed))
            self._compiled = self._kernel.overloads[signature].entry_point
            self._types = types
        return result

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the kernel's name and the fixed arguments."""
        return Bound, (self._kernel, *self._fixed)
