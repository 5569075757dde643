"""The one decorator of compiled code, and a machine-code cache that cannot go stale.

Numba's own cache looks only at the file that holds a kernel: an edited helper in another file goes
on being served in its old form (numba issue 1833). Here every cached kernel carries a digest of the
whole first floor's source, so that any edit recompiles whatever might have been built upon it.
"""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numba
from numba.core import caching

_FLOOR = Path(__file__).parent
_OTHER_FLOORS = frozenset({"envs", "agents", "baselines"})


@functools.cache
def source_digest() -> str:
    """Digest of every Python file of the physics floor, in hexadecimal (SHA-256).

    Returns:
        64 hexadecimal digits; equal for equal sources, wherever they are installed.
    """
    digest = hashlib.sha256()
    for path in sorted(_FLOOR.rglob("*.py")):
        relative = path.relative_to(_FLOOR)
        if relative.parts[0] in _OTHER_FLOORS:
            continue
        digest.update(relative.as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _stamped(locator: type) -> type:
    """The same place on disk, but valid for one state of the sources only."""
    name = f"SourceStamped{locator.__name__}"
    return type(name, (locator,), {"get_source_stamp": lambda _self: source_digest()})


class _StampedImpl(caching.CompileResultCacheImpl):
    _locator_classes: ClassVar = [
        _stamped(c) for c in caching.CompileResultCacheImpl._locator_classes
    ]


class _StampedCache(caching.FunctionCache):
    _impl_class = _StampedImpl


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a module-level function the house's way.

    Serial, GIL released, IEEE arithmetic (no fastmath, no contraction), NumPy's division rules (the
    default rules put a branch into every division and stop vectorisation), cached on disk.

    Args:
        function: a module-level function; closures would miss the cache in every process.

    Returns:
        A Numba dispatcher.
    """
    dispatcher: Any = numba.njit(nogil=True, error_model="numpy")(function)
    dispatcher._cache = _StampedCache(function)
    return dispatcher


def inline_kernel(function: Callable[..., Any]) -> Any:
    """Compile a small function that is pasted into the kernels that call it.

    Args:
        function: a module-level function of scalars or short arrays.

    Returns:
        A Numba dispatcher, inlined at Numba's own level so that loops around it vectorise.
    """
    return numba.njit(nogil=True, error_model="numpy", inline="always")(function)
