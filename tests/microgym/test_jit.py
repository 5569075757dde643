"""The cache of machine code: reused as long as no source changes, never stale."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba.core.errors import NumbaError

from microgym import jit

HELPER = """
from microgym.jit import kernel

@kernel
def slope(x):
    return {factor} * x
"""

USER = """
from microgym.jit import inline_kernel, kernel
from microgym.helper import slope

@inline_kernel
def shifted(x):
    return slope(x) + {shift}

@kernel
def line(x):
    return shifted(x)
"""

SCRIPT = """
import json
from microgym.jit import source_digest
from microgym.{module} import line
value = line(10.0)
hits = sum(line.stats.cache_hits.values())
print(json.dumps({{"value": value, "hits": hits, "digest": source_digest()}}))
"""


@pytest.fixture
def floor(tmp_path: Path) -> Path:
    """A package of kernels, each built upon another in another file."""
    package = tmp_path / "microgym"
    (package / "envs").mkdir(parents=True)
    for name in ("__init__.py", "envs/__init__.py"):
        (package / name).write_text("")
    shutil.copytree(
        Path(jit.__file__).parent, package / "jit", ignore=shutil.ignore_patterns("__pycache__")
    )
    (package / "helper.py").write_text(HELPER.format(factor=2.0))
    (package / "user.py").write_text(USER.format(shift=1.0))
    (package / "envs" / "task.py").write_text(USER.format(shift=1.0))
    return package


def python(package: Path, code: str, **variables: str) -> Any:
    """What a fresh interpreter prints, read as JSON."""
    place = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=package.parent,
        env={**place, "PYTHONPATH": str(package.parent), **variables},
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def run(package: Path, module: str = "user") -> dict[str, Any]:
    return python(package, SCRIPT.format(module=module))


def cached(package: Path) -> dict[str, int]:
    """Files of the cache and when they were written."""
    return {
        path.name: path.stat().st_mtime_ns
        for path in package.rglob("*.nb*")
        if path.suffix in (".nbi", ".nbc")
    }


def test_the_cache_is_used_again_and_never_stale(floor):
    first = run(floor)
    assert (first["value"], first["hits"]) == (21.0, 0)
    files = cached(floor)
    assert any("line" in name for name in files)
    # Nothing changed: loaded, and nothing written.
    second = run(floor)
    assert second == {**first, "hits": 1}
    assert cached(floor) == files
    # The other file changed, the user's own did not: compiled anew.
    (floor / "helper.py").write_text(HELPER.format(factor=3.0))
    third = run(floor)
    assert (third["value"], third["hits"]) == (31.0, 0)
    assert third["digest"] != first["digest"]


def test_an_edit_on_another_floor_is_seen_there(floor):
    first = run(floor, "envs.task")
    assert run(floor, "envs.task") == {**first, "hits": 1}
    # Nothing but a constant, which Numba's own key does not hold.
    (floor / "envs" / "task.py").write_text(USER.format(shift=5.0))
    assert run(floor, "envs.task") == {**first, "value": 25.0}
    (floor / "helper.py").write_text(HELPER.format(factor=3.0))
    assert run(floor, "envs.task")["value"] == 35.0


def test_a_caller_holds_the_name_of_what_it_calls_and_no_copy(floor):
    code = """
import json
from microgym.user import line, shifted, slope
line(10.0)
assembly, = line.inspect_asm().values()
(called,), (pasted,) = (k.callee.overloads.values() for k in (slope, shifted))
called, pasted = called.fndesc.mangled_name, pasted.fndesc.mangled_name
print(json.dumps([called in assembly, f"{called}:" in assembly, pasted in assembly]))
"""
    assert python(floor, code) == [True, False, False]


def test_kernels_find_each_other_whatever_was_compiled_before(floor):
    other = "from microgym.helper import slope; slope(1); slope(2.0); "
    first = python(floor, other + SCRIPT.format(module="user"))
    assert run(floor) == {**first, "hits": 1}
    # What is called is gone from the disk: made again, and found under the same name.
    gone = [path for path in floor.rglob("helper.slope*") if path.suffix in (".nbi", ".nbc")]
    assert gone
    for path in gone:
        path.unlink()
    assert run(floor) == {**first, "hits": 1}
    # A copy of the package with its cache, elsewhere.
    moved = floor.parent / "elsewhere" / "microgym"
    shutil.copytree(floor, moved)
    assert run(moved)["value"] == 21.0


WORKERS = """
import json, multiprocessing, sys, threading
from concurrent.futures import ThreadPoolExecutor
from microgym.user import line

def work(x):
    return line(x)

if __name__ == "__main__":
    values = []
    if sys.argv[1] == "used":
        values.append(line(1.0))
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            values += pool.map(work, [2.0, 3.0])
            values += pool.map(line, [2.0, 3.0])
    start = threading.Barrier(4)
    def together(x):
        start.wait()
        return line(x)
    with ThreadPoolExecutor(4) as pool:
        values += pool.map(together, [1.0, 2.0, 3.0, 4.0])
    print(json.dumps(values))
"""


@pytest.mark.parametrize("place", ["beside", "elsewhere"])
def test_kernels_work_in_forks_and_spawned_processes_and_threads(floor, tmp_path, place):
    script = tmp_path / "workers.py"
    script.write_text(WORKERS)
    variables = {} if place == "beside" else {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    expected = [5.0, 7.0, 5.0, 7.0, 5.0, 7.0, 5.0, 7.0, 3.0, 5.0, 7.0, 9.0]
    for state in ("fresh", "used"):
        done = subprocess.run(
            [sys.executable, str(script), state],
            check=True,
            env={**os.environ, "PYTHONPATH": str(tmp_path), **variables},
            capture_output=True,
            text=True,
        )
        assert json.loads(done.stdout) == [3.0] * (state == "used") + expected
    assert (tmp_path / "cache").exists() == (place == "elsewhere")


def test_a_name_given_twice_means_two_things(floor):
    code = """
import importlib, json, pathlib
from microgym import user
first = user.line
values = [first(10.0)]
path = pathlib.Path(user.__file__)
path.write_text(path.read_text().replace("+ 1.0", "+ 7.0"))
user = importlib.reload(user)
values += [user.line(10.0), first(10.0)]
print(json.dumps(values))
"""
    assert python(floor, code) == [21.0, 27.0, 21.0]
    assert run(floor)["value"] == 27.0


def digest_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(jit, "_FLOOR", folder)
    jit.source_digest.cache_clear()
    try:
        return jit.source_digest()
    finally:
        jit.source_digest.cache_clear()


def test_the_digest_is_of_names_and_contents_of_this_floor(floor, monkeypatch, tmp_path):
    before = digest_of(floor, monkeypatch)
    assert len(before) == 64
    moved = tmp_path / "elsewhere"
    shutil.copytree(floor, moved)
    assert digest_of(moved, monkeypatch) == before, "where it is installed matters"
    # Other floors, and what is no source, do not count.
    (moved / "envs" / "__init__.py").write_text("changed = True\n")
    (moved / "notes.txt").write_text("changed")
    assert digest_of(moved, monkeypatch) == before
    (moved / "user.py").write_text(USER.format(shift=1.0) + "\n")
    edited = digest_of(moved, monkeypatch)
    (moved / "user.py").rename(moved / "used.py")
    renamed = digest_of(moved, monkeypatch)
    (moved / "more.py").write_text("")
    assert len({before, edited, renamed, digest_of(moved, monkeypatch)}) == 4


def test_the_packages_own_digest_is_of_its_sources():
    floor = Path(jit.__file__).parents[1]
    names = {path.relative_to(floor).parts[0] for path in floor.rglob("*.py")}
    assert {"physics", "reconstruction", "random", "numerics", "jit", "validation.py"} <= names
    assert jit.source_digest() == jit.source_digest()


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
def allocating(x):
    return np.empty(x).size


@jit.kernel
def assigning(x):
    x[0] = x[1]


@jit.kernel
def divided(x, y):
    return x // y, x / y


@pytest.mark.parametrize(
    ("kernel", "argument"), [(allocating, 3), (assigning, np.zeros((2, 2)))], ids=["new", "rows"]
)
def test_kernels_that_allocate_do_not_compile(kernel, argument):
    with pytest.raises(NumbaError) as caught:
        kernel(argument)
    assert f"{kernel.__qualname__} is a kernel: see microgym.jit" in caught.value.__notes__[0]


def test_operators_are_told_apart_by_types_and_not_by_order_of_use():
    for x, y in ((7, 2), (7.5, 2), (7, 2.5), (np.float32(7.5), np.float32(2.0)), (7, 2)):
        found = divided(x, y)
        assert found == (x // y, x / y)
        whole = isinstance(x, int) and isinstance(y, int)
        assert isinstance(found[0], int if whole else float)


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
