"""The two ways to compile kernels, and their caches: reused while sources stay, never stale."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from microgym import jit
from microgym.jit import cache, notice

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
import json, pathlib
import microgym.{module}
user = microgym.{module}
from microgym.jit import source_digest
value = user.line(10.0)
hits = sum(user.line.stats.cache_hits.values())
digest = source_digest(pathlib.Path(user.__file__))
print(json.dumps({{"value": value, "hits": hits, "digest": digest}}))
"""

WAYS = pytest.mark.parametrize("way", ["linked", "public"])


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


def variables_of(way: str) -> dict[str, str]:
    return {"MICROGYM_JIT": "public" if way == "public" else ""}


def path_of(package: Path) -> str:
    """Search path with this package first; another Numba may be laid over the installed one."""
    return os.pathsep.join([str(package.parent), os.environ.get("PYTHONPATH", "")])


def python(package: Path, code: str, way: str = "linked", **variables: str) -> Any:
    """Output of a fresh interpreter, read as JSON."""
    place = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    place |= variables_of(way)
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=package.parent,
        env={**place, "PYTHONPATH": path_of(package), **variables},
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def run(package: Path, module: str = "user", way: str = "linked") -> dict[str, Any]:
    return python(package, SCRIPT.format(module=module), way)


def cached(package: Path) -> dict[str, int]:
    """Files of the cache and when they were written."""
    return {
        path.name: path.stat().st_mtime_ns
        for path in package.rglob("*.nb*")
        if path.suffix in (".nbi", ".nbc")
    }


@WAYS
def test_the_cache_is_used_again_and_never_stale(floor, way):
    first = run(floor, way=way)
    assert (first["value"], first["hits"]) == (21.0, 0)
    files = cached(floor)
    assert any("line" in name for name in files)
    # Nothing changed: loaded, and nothing written.
    second = run(floor, way=way)
    assert second == {**first, "hits": 1}
    assert cached(floor) == files
    # The other file changed, the user's own did not: compiled anew.
    (floor / "helper.py").write_text(HELPER.format(factor=3.0))
    third = run(floor, way=way)
    assert (third["value"], third["hits"]) == (31.0, 0)
    assert third["digest"] != first["digest"]


@WAYS
def test_an_edit_on_another_floor_is_seen_there(floor, way):
    first = run(floor, "envs.task", way)
    again = run(floor, "envs.task", way)
    assert again == {**first, "hits": 1}
    # Nothing but a constant, which Numba's own key does not hold.
    (floor / "envs" / "task.py").write_text(USER.format(shift=5.0))
    shifted = run(floor, "envs.task", way)
    assert (shifted["value"], shifted["hits"]) == (25.0, 0)
    (floor / "helper.py").write_text(HELPER.format(factor=3.0))
    assert run(floor, "envs.task", way)["value"] == 35.0


def test_an_edit_recompiles_only_its_dependents(floor):
    first = run(floor)
    run(floor, "envs.task")
    (floor / "envs" / "task.py").write_text(USER.format(shift=5.0))
    assert run(floor) == {**first, "hits": 1}


SUM = """
from microgym.jit import kernel

@kernel
def part(pair):
    return pair.first

@kernel
def total(pair):
    return part(pair) + pair.second
"""

PAIR = """
from typing import NamedTuple

class {name}(NamedTuple):
    {fields[0]}: float
    {fields[1]}: float
"""

ADD = """
import json
from microgym import shapes
from microgym.sums import total
kind = shapes.{name}
print(json.dumps([total(kind(1.0, 20.0)), sum(total.stats.cache_hits.values())]))
"""


@WAYS
def test_a_renamed_named_tuple_of_a_caller_is_no_obstacle(floor, way):
    (floor / "sums.py").write_text(SUM)
    found = []
    for name, fields in (
        ("Pair", ("first", "second")),
        ("Pair", ("first", "second")),
        ("Couple", ("first", "second")),
        ("Couple", ("second", "first")),
    ):
        (floor / "shapes.py").write_text(PAIR.format(name=name, fields=fields))
        found.append(python(floor, ADD.format(name=name), way))
    assert [total for total, _ in found] == [21.0, 21.0, 21.0, 21.0]
    assert found[0][1] == 0
    assert found[1][1] == 1
    assert found[3][1] == 0, "other places of the same names are another type"


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


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_a_cache_that_cannot_be_read_is_made_anew(floor, suffix):
    first = run(floor)
    for path in floor.rglob(f"*{suffix}"):
        # Cut off in the middle; or a pickle of what does not exist.
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2] if "line" in path.name else b"cnowhere\nThing\n.")
    assert run(floor)["value"] == first["value"]
    assert run(floor) == {**first, "hits": 1}


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


@WAYS
@pytest.mark.parametrize("place", ["beside", "elsewhere"])
def test_kernels_work_in_forks_and_spawned_processes_and_threads(floor, tmp_path, place, way):
    script = tmp_path / "workers.py"
    script.write_text(WORKERS)
    variables = {} if place == "beside" else {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    expected = [5.0, 7.0, 5.0, 7.0, 5.0, 7.0, 5.0, 7.0, 3.0, 5.0, 7.0, 9.0]
    for state in ("fresh", "used"):
        done = subprocess.run(
            [sys.executable, str(script), state],
            check=True,
            env={**os.environ, "PYTHONPATH": path_of(floor), **variables_of(way), **variables},
            capture_output=True,
            text=True,
        )
        assert json.loads(done.stdout) == [3.0] * (state == "used") + expected
    assert (tmp_path / "cache").exists() == (place == "elsewhere")


@WAYS
def test_a_name_given_twice_means_two_things(floor, way):
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
    assert python(floor, code, way) == [21.0, 27.0, 21.0]
    assert run(floor, way=way)["value"] == 27.0


@WAYS
def test_a_helper_edited_before_a_reload_is_seen(floor, way):
    code = """
import importlib, json, pathlib
from microgym import helper, user
values = [user.line(10.0)]
path = pathlib.Path(helper.__file__)
path.write_text(path.read_text().replace("2.0", "3.0"))
importlib.reload(helper)
values += [importlib.reload(user).line(10.0)]
print(json.dumps(values))
"""
    assert python(floor, code, way) == [21.0, 31.0]


@WAYS
def test_kernels_work_where_nothing_can_be_written(floor, tmp_path, way):
    obstacle = tmp_path / "file"
    obstacle.write_text("")
    for package in (floor, floor / "envs"):
        (package / "__pycache__").write_text("")
    nowhere = {"HOME": str(obstacle), "XDG_CACHE_HOME": str(obstacle)}
    code = SCRIPT.format(module="user")
    for variables in (nowhere, {**nowhere, "NUMBA_CACHE_DIR": str(obstacle / "cache")}):
        found = python(floor, code, way, PYTHONDONTWRITEBYTECODE="1", **variables)
        assert (found["value"], found["hits"]) == (21.0, 0)


@WAYS
def test_a_read_only_installation_is_cached_in_the_users_folder(floor, tmp_path, way):
    (floor / "__pycache__").write_text("")
    code, place = SCRIPT.format(module="user"), {"XDG_CACHE_HOME": str(tmp_path / "caches")}
    first = python(floor, code, way, **place)
    assert python(floor, code, way, **place) == {**first, "hits": 1}
    assert list((tmp_path / "caches").rglob("user.line*.nbi"))


def test_public_caches_stand_in_a_folder_named_after_the_sources(floor):
    run(floor, way="public")
    (floor / "user.py").write_text(USER.format(shift=5.0))
    run(floor, way="public")
    indices = sorted(floor.rglob("user.line*.nbi"))
    folders = {index.relative_to(floor / "__pycache__").parts[0] for index in indices}
    assert len(folders) == len(indices) == 2
    assert all(re.fullmatch("microgym-[0-9a-f]{16}", name) for name in folders)


def test_the_public_way_leaves_numbas_settings_alone(floor):
    code = """
import json, numba
before = numba.config.CACHE_DIR
from microgym.user import line
print(json.dumps([before, numba.config.CACHE_DIR]))
"""
    assert python(floor, code, "public") == ["", ""]


FUTURE = """
import json, sys, warnings
import numba
numba.__version__ = "99.0.0"
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from microgym import jit, user
    from microgym.envs import task
told = [str(one.message) for one in caught if "Numba 99.0.0" in str(one.message)]
print(json.dumps([jit.WAY, "microgym.jit.linked" in sys.modules, len(told), user.line(10.0)]))
"""


def test_an_unknown_numba_version_warns_once_and_uses_the_public_way(floor):
    assert python(floor, FUTURE) == ["public", False, 1, 21.0]
    # Asked for, the public way is no surprise.
    assert python(floor, FUTURE, "public") == ["public", False, 0, 21.0]


def test_an_unknown_way_is_refused(floor):
    with pytest.raises(subprocess.CalledProcessError) as caught:
        python(floor, "import microgym.jit", MICROGYM_JIT="fast")
    assert "MICROGYM_JIT='fast' in the environment must be 'public'" in caught.value.stderr


@WAYS
def test_the_first_compilation_of_a_process_is_announced_once(floor, way):
    code = "from microgym.user import line; line(1.0); line(1)"

    def told(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            cwd=floor.parent,
            env={**os.environ, "PYTHONPATH": path_of(floor), **variables_of(way)},
            capture_output=True,
            text=True,
        )
        return done.stderr

    # Kernels of others are none of this package's business.
    assert told("import numba; import microgym.jit; numba.njit(lambda x: x)(1)") == ""
    assert told("from microgym import jit; jit.silence(); " + code) == ""
    assert told(code) == ""
    (floor / "helper.py").write_text(HELPER.format(factor=3.0))
    assert told(code) == notice.NOTICE + "\n"


def digest_of(folder: Path, monkeypatch: pytest.MonkeyPatch, file: str = "user.py") -> str:
    monkeypatch.setattr(cache, "_PACKAGE", folder)
    cached_functions = (cache._imports, cache._content_digest)
    for function in (*cached_functions, jit.import_closure, jit.source_digest):
        function.cache_clear()
    try:
        return jit.source_digest(folder / file)
    finally:
        for function in (*cached_functions, jit.import_closure, jit.source_digest):
            function.cache_clear()


def test_a_digest_is_of_a_file_and_of_its_imports(floor, monkeypatch, tmp_path):
    before = digest_of(floor, monkeypatch)
    assert len(before) == 64
    moved = tmp_path / "elsewhere" / "microgym"
    shutil.copytree(floor, moved)
    assert digest_of(moved, monkeypatch) == before, "the place of installation matters"
    # Files that are not imported do not count.
    (moved / "envs" / "task.py").write_text("changed = True\n")
    (moved / "more.py").write_text("")
    assert digest_of(moved, monkeypatch) == before
    (moved / "user.py").write_text(USER.format(shift=1.0) + "\n")
    edited = digest_of(moved, monkeypatch)
    (moved / "helper.py").write_text(HELPER.format(factor=3.0))
    helped = digest_of(moved, monkeypatch)
    (moved / "jit" / "linked.py").write_text("")
    assert len({before, edited, helped, digest_of(moved, monkeypatch)}) == 4


@pytest.mark.parametrize(
    "statement",
    [
        "import microgym.helper",
        "from microgym import helper",
        "from microgym.helper import slope",
        "from microgym.helper import (\n    slope,  # a comment\n)",
        "if True:\n    from microgym.helper import slope as other",
    ],
)
def test_imports_are_found_however_they_are_written(floor, monkeypatch, statement):
    (floor / "user.py").write_text(statement + "\n")
    before = digest_of(floor, monkeypatch)
    (floor / "helper.py").write_text(HELPER.format(factor=3.0))
    assert digest_of(floor, monkeypatch) != before
