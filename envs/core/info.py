"""Infos, observations and actions of a batch, in the layouts of the environments."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

_WIDE = {"f": np.float64, "i": np.int64, "u": np.int64, "U": np.object_}


def _widened(value: NDArray[Any]) -> NDArray[Any]:
    """One number a row as Gymnasium collects it; arrays keep their dtype."""
    if value.ndim > 1:
        return value
    return value.astype(_WIDE.get(value.dtype.kind, value.dtype), copy=False)


def single_info(info: Mapping[str, Any]) -> dict[str, Any]:
    """A batched info dict of a batch of one as a single environment gives it.

    Args:
        info: nested dict of arrays [1, ...].

    Returns:
        The same keys; one number a row becomes a float64 or int64 scalar of NumPy or a bool, the
        rest an array.
    """
    result: dict[str, Any] = {}
    for name, value in info.items():
        one: Any = single_info(value) if isinstance(value, Mapping) else _widened(value)[0]
        result[name] = bool(one) if isinstance(one, np.bool_) else one
    return result


def vector_info(info: Mapping[str, Any], present: NDArray[np.bool_]) -> dict[str, Any]:
    """A batched info dict in the layout that Gymnasium's vector environments have.

    Args:
        info: nested dict of arrays [N, ...].
        present: bool [N]: rows that have something to say; the others become zero (None for
            objects).

    Returns:
        The same keys, beside each `key` the mask `_key` (bool [N]); numbers as float64, int64
        or bool, as Gymnasium makes them from a single environment's Python numbers.
    """
    result: dict[str, Any] = {}
    for name, value in info.items():
        if isinstance(value, Mapping):
            result[name] = vector_info(value, present)
        else:
            result[name] = value = _widened(value)
            if not present.all():
                value[~present] = None if value.dtype == object else 0
        result["_" + name] = present.copy()
    return result


def row_of(batched: Any, row: int) -> Any:
    """One row of a batched observation, an array or a dict of them, without a copy."""
    if isinstance(batched, dict):
        parts = cast("dict[str, Any]", batched)
        return {name: part[row] for name, part in parts.items()}
    return batched[row]


def stacked(actions: Sequence[Any]) -> Any:
    """Actions along a first axis, part by part where they have parts."""
    if isinstance(actions[0], Mapping):
        return {name: stacked([one[name] for one in actions]) for name in actions[0]}
    return np.stack([np.asarray(one) for one in actions])
