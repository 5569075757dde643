"""Kernels compiled by Numba's public options alone; they work with every Numba version."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import config, njit

from microgym.jit.cache import cache_folder, earlier_definitions


def compile_kernel(function: Callable[..., Any]) -> Any:
    """A Numba dispatcher that releases the GIL and divides as NumPy does, cached on disk.

    Numba reads the folder of its cache when a function is decorated. It is set to a folder named
    after the digest of the sources meanwhile, which is how a stale cache is excluded.

    Args:
        function: a module-level function.

    Returns:
        The dispatcher; not cached where no folder is writable.
    """
    earlier_definitions(function)
    settings: Any = config
    chosen = settings.CACHE_DIR
    folder = cache_folder(Path(function.__code__.co_filename), chosen)
    try:
        settings.CACHE_DIR = str(folder or chosen)
        return njit(function, cache=folder is not None, nogil=True, error_model="numpy")
    finally:
        settings.CACHE_DIR = chosen


compile_inline = compile_kernel
"""Numba pastes the code of every kernel into its callers, so that both kinds are the same."""
