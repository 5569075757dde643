"""Compiled kernels: semantics of operators, literals and inlined functions; closures of imports."""

from pathlib import Path

import numpy as np
import pytest

from microgym import jit

PACKAGE = Path(jit.__file__).parents[1]


def test_an_edit_of_one_instrument_leaves_the_kernels_of_another():
    """After an edit of AFM's kernels, Ptycho-v0 starts from its cache."""
    foreign = {
        path
        for name in ("afm", "pfm", "stm")
        for place in ("instruments", "envs")
        for path in (PACKAGE / place / name).rglob("*.py")
    }
    assert foreign
    kernels = [
        path
        for path in jit.import_closure(PACKAGE / "envs" / "ptycho" / "task.py")
        if "@kernel" in path.read_text(encoding="utf-8")
    ]
    assert PACKAGE / "instruments" / "ptychography" / "kernels.py" in kernels
    for path in kernels:
        assert not jit.import_closure(path) & foreign, path
    assert jit.import_closure(PACKAGE / "envs" / "afm" / "task.py") & foreign


@jit.kernel
def halved(x):
    return x / 0.0 if x > 1.0 else x / 2.0


@jit.inline_kernel
def doubled(x):
    return 2.0 * x


@jit.kernel
def both(x):
    return doubled(halved(x))


@jit.kernel
def counted(x, step):
    return x + step


@jit.kernel
def counting(x):
    return counted(counted(x, 1), 2) + counted(x, 3)


@jit.kernel
def divided(x, y):
    return x // y, x / y


def test_operators_are_told_apart_by_types_and_not_by_order_of_use():
    for x, y in ((7, 2), (7.5, 2), (7, 2.5), (np.float32(7.5), np.float32(2.0)), (7, 2)):
        found = divided(x, y)
        assert found == (x // y, x / y)
        whole = isinstance(x, int) and isinstance(y, int)
        assert isinstance(found[0], int if whole else float)


@pytest.mark.skipif(jit.WAY != "linked", reason="the public way compiles one for each literal")
def test_literal_integers_share_machine_code():
    assert counting(10.0) == 26.0
    assert len(counted.callee.overloads) == 1


def test_inlined_kernels_can_be_called_from_python():
    assert doubled(1.5) == 3.0


def test_kernels_divide_as_numpy_does():
    assert halved(0.5) == 0.25
    assert halved(2.0) == float("inf")
    assert both(0.5) == 0.5
    options = halved.targetoptions
    assert options["nogil"]
    assert not options.get("fastmath", False)
    assert not options.get("parallel", False)
