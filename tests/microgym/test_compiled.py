"""The cache of machine code: reused as long as no source changes, never stale."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from microgym import compiled

HELPER = """
from microgym.compiled import kernel

@kernel
def slope(x):
    return {factor} * x
"""

USER = """
from microgym.compiled import kernel
from microgym.helper import slope

@kernel
def line(x):
    return slope(x) + 1.0
"""

SCRIPT = """
import json
from microgym.compiled import source_digest
from microgym.user import line
value = line(10.0)
hits = sum(line.stats.cache_hits.values())
print(json.dumps({"value": value, "hits": hits, "digest": source_digest()}))
"""


@pytest.fixture
def floor(tmp_path: Path) -> Path:
    """A package of two kernels, one built upon the other in another file."""
    package = tmp_path / "microgym"
    (package / "envs").mkdir(parents=True)
    for name in ("__init__.py", "envs/__init__.py"):
        (package / name).write_text("")
    shutil.copy(compiled.__file__, package / "compiled.py")
    (package / "helper.py").write_text(HELPER.format(factor=2.0))
    (package / "user.py").write_text(USER)
    return package


def run(package: Path) -> dict[str, Any]:
    place = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        check=True,
        cwd=package.parent,
        env={**place, "PYTHONPATH": str(package.parent)},
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


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


def digest_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(compiled, "_FLOOR", folder)
    compiled.source_digest.cache_clear()
    try:
        return compiled.source_digest()
    finally:
        compiled.source_digest.cache_clear()


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
    (moved / "user.py").write_text(USER + "\n")
    edited = digest_of(moved, monkeypatch)
    (moved / "user.py").rename(moved / "used.py")
    renamed = digest_of(moved, monkeypatch)
    (moved / "more.py").write_text("")
    assert len({before, edited, renamed, digest_of(moved, monkeypatch)}) == 4


def test_the_packages_own_digest_is_of_its_sources():
    floor = Path(compiled.__file__).parent
    names = {path.relative_to(floor).parts[0] for path in floor.rglob("*.py")}
    assert {"physics", "reconstruct", "random", "elementary", "compiled.py"} <= names
    assert compiled.source_digest() == compiled.source_digest()


@compiled.kernel
def halved(x):
    return x / 0.0 if x > 1.0 else x / 2.0


@compiled.inline_kernel
def doubled(x):
    return 2.0 * x


@compiled.kernel
def both(x):
    return doubled(halved(x))


def test_kernels_divide_as_numpy_does():
    assert halved(0.5) == 0.25
    assert halved(2.0) == float("inf")
    assert both(0.5) == 0.5
    options = halved.targetoptions
    assert options["nogil"]
    assert not options.get("fastmath", False)
    assert not options.get("parallel", False)
