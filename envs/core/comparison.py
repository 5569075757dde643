"""Comparison of what environments return, to the bit, and a fingerprint of it."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np


def assert_same(one: Any, other: Any, where: str = "") -> None:
    """Assert that two results are equal to the bit: structure, types, shapes, dtypes, values.

    NaN equals NaN. The order of a dict's keys does not matter.

    Args:
        one: nested dicts, lists, tuples, arrays, numbers, texts, None.
        other: what it should equal.
        where: name of the thing, for the message.

    Raises:
        AssertionError: they differ; says where.
    """
    for (place, mine), (_, theirs) in zip(walk(one, where), walk(other), strict=True):
        if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            extra, missing = sorted(mine.keys() - theirs), sorted(theirs.keys() - mine)
            assert not extra + missing, f"{place}: only first {extra}, only second {missing}"
            continue
        assert type(mine) is type(theirs), f"{place}: {type(mine)} against {type(theirs)}"
        if isinstance(mine, list | tuple):
            assert len(mine) == len(theirs), f"{place}: lengths {len(mine)}, {len(theirs)}"
        elif isinstance(mine, np.ndarray | np.generic):
            assert mine.dtype == theirs.dtype, f"{place}: {mine.dtype} against {theirs.dtype}"
            assert mine.shape == theirs.shape, f"{place}: {mine.shape} against {theirs.shape}"
            if mine.dtype != object and mine.tobytes() != theirs.tobytes():
                pairs = zip(np.ndenumerate(mine), np.asarray(theirs).flat, strict=True)
                for (index, first), second in pairs:
                    same = first.tobytes() == second.tobytes()
                    assert same, f"{place}{list(index) or ''}: {first!r} against {second!r}"
        else:
            same = mine == theirs or (mine != mine and theirs != theirs)
            assert same, f"{place}: {mine!r} against {theirs!r}"


def walk(thing: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """A result and all that it holds, each with its place; mappings by sorted name."""
    yield place, thing
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(thing, Mapping):
        parts = ((name, thing[name]) for name in sorted(cast("Mapping[str, Any]", thing)))
    elif isinstance(thing, list | tuple):
        parts = enumerate(cast("Sequence[Any]", thing))
    elif isinstance(thing, np.ndarray) and thing.dtype == object:
        parts = enumerate(thing.flat)
    for key, part in parts:
        yield from walk(part, f"{place}[{key!r}]")


def fingerprint(thing: Any) -> str:
    """SHA-256 of a result of the kinds that `assert_same` compares, in hexadecimal.

    Args:
        thing: nested dicts, lists, tuples, arrays, numbers, texts, None.

    Returns:
        64 hexadecimal digits; equal for results that `assert_same` finds equal.
    """
    return hashlib.sha256(b"".join(_parts(thing))).hexdigest()


def _parts(thing: Any) -> Iterator[bytes]:
    thing = thing.item() if isinstance(thing, np.generic) else thing
    if isinstance(thing, Mapping):
        items = cast("Mapping[str, Any]", thing)
        yield b"{"
        for name in sorted(items):
            yield name.encode() + b":"
            yield from _parts(items[name])
        yield b"}"
    elif isinstance(thing, list | tuple) or (
        isinstance(thing, np.ndarray) and thing.dtype == object
    ):
        yield b"["
        for one in cast("Sequence[Any]", thing):
            yield from _parts(one)
        yield b"]"
    elif isinstance(thing, np.ndarray):
        yield f"{thing.dtype.str}{thing.shape}".encode() + thing.tobytes()
    else:
        text = thing.hex() if isinstance(thing, float) else repr(thing)
        yield f"{type(thing).__name__} {text};".encode()
