"""Dependencies: what is imported is declared; private interfaces are those of tested versions."""

import ast
import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from microgym import jit
from microgym.agents.core import extras
from tests.source_files import FOLDERS, ROOT, sources

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# Where the name one imports is not the name one installs.
DISTRIBUTIONS = {"PIL": "pillow", "skimage": "scikit-image"}


def imported_names(path: Path) -> set[str]:
    """Top-level names of everything a file imports, wherever in the file it does so."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def third_party(paths: list[Path]) -> set[str]:
    """Distributions that these files import, in normalised spelling."""
    names = set[str]().union(*(imported_names(p) for p in paths))
    names -= {*sys.stdlib_module_names, "microgym"}
    return {str(canonicalize_name(DISTRIBUTIONS.get(name, name))) for name in names}


def requirements(lines: list[str]) -> dict[str, Requirement]:
    parsed = [Requirement(line) for line in lines]
    return {str(canonicalize_name(r.name)): r for r in parsed}


BASE = requirements(PROJECT["project"]["dependencies"])
EXTRAS = {
    name: requirements(lines) for name, lines in PROJECT["project"]["optional-dependencies"].items()
}
# The extra "dev" asks for other extras of the package itself.
WITHIN_DEV = EXTRAS["dev"].pop("microgym").extras
DEV = EXTRAS["dev"] | {n: r for extra in WITHIN_DEV for n, r in EXTRAS[extra].items()}


def test_files_with_kernels_import_numpy_and_numba_only():
    kernels = [
        path
        for path in sources(ROOT / "microgym")
        if "from microgym.jit import" in path.read_text(encoding="utf-8")
    ]
    assert len(kernels) > 5
    with_others = {
        str(path.relative_to(ROOT)): sorted(others)
        for path in kernels
        if (others := third_party([path]) - {"numpy", "numba", "llvmlite"})
    }
    assert with_others == {}


def test_everything_imported_is_declared():
    named = {str(canonicalize_name(module)) for module in extras.EXTRAS}
    assert third_party(sources(ROOT / "microgym")) <= set(BASE)
    assert third_party(sources(ROOT / "envs")) <= set(BASE)
    assert third_party(sources(ROOT / "agents")) <= {*BASE, *named}
    benchmarks = {"rocket-fft", "scipy"} & set(DEV)
    assert third_party(sources(ROOT / "baselines")) - benchmarks <= {*BASE, *named}
    local = {p.stem for p in (ROOT / "tests").rglob("*.py")}
    tested = {canonicalize_name(name) for name in (*local, "tests")}
    assert third_party(sources(ROOT / "tests")) - tested <= {*BASE, *DEV}


def test_the_error_on_a_missing_package_names_an_extra_that_installs_it():
    for module, extra in extras.EXTRAS.items():
        assert canonicalize_name(module) in EXTRAS[extra], module
    optional = {name for extra in WITHIN_DEV for name in EXTRAS[extra]}
    assert optional == {canonicalize_name(module) for module in extras.EXTRAS}


def test_the_base_installation_holds_nothing_of_an_extra():
    assert not {name for extra in WITHIN_DEV for name in EXTRAS[extra]} & set(BASE)


# --- private interfaces of dependencies --------------------------------------------------------

# Files that use private or experimental interfaces, and the dependency, which needs an upper bound.
PRIVATE = {
    "agents/training/learner_state.py": "stable-baselines3",
    "agents/training/loggers.py": "wandb",
}
# Files that check the version of the dependency against an allow-list themselves.
ALLOW_LISTS = {"microgym/jit/linked.py"}
CAPPED = {"gymnasium", "optuna", "sb3-contrib", *PRIVATE.values()}


def private_names(tree: ast.AST) -> set[str]:
    """Attributes with a leading underscore that a file reads from objects other than its own."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and re.match(r"_[^_]", node.attr)
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    }


def own_names(tree: ast.AST) -> set[str]:
    """Private names that a file defines: functions, classes, attributes and variables."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
        ):
            names.add(node.attr)
    return names


def test_private_interfaces_are_used_only_of_dependencies_with_an_upper_bound():
    files = [path for folder in FOLDERS for path in sources(ROOT / folder)]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in files}
    known = set[str]().union(*map(own_names, trees.values()))
    known |= {"_asdict", "_fields", "_make", "_replace"}  # public, of every NamedTuple
    known |= {"_exit"}  # public, of os
    known |= {"_getvalue"}  # documented in Numba's guide to extensions
    found = {
        path.relative_to(ROOT).as_posix(): names
        for path, tree in trees.items()
        if (names := private_names(tree) - known)
    }
    assert {f: n for f, n in found.items() if f not in PRIVATE and f not in ALLOW_LISTS} == {}
    assert "_last_obs" in found["agents/training/learner_state.py"], "the search finds none"


def test_numbas_private_interfaces_are_imported_only_for_tested_versions():
    importing = [
        path.relative_to(ROOT).as_posix()
        for folder in FOLDERS
        for path in sources(ROOT / folder)
        if "microgym.jit.linked" in path.read_text(encoding="utf-8")
    ]
    assert importing == ["microgym/jit/__init__.py"]
    (branch,) = (
        node
        for node in ast.parse((ROOT / importing[0]).read_text(encoding="utf-8")).body
        if isinstance(node, ast.If)
    )
    assert ast.unparse(branch.test) == "WAY == 'linked'"
    assert ast.unparse(branch.body[0]).startswith("from microgym.jit.linked import")
    # The versions that `make test-numba` runs, and that of constraints.txt; see test_jit.py, too.
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (line,) = re.findall(r"^NUMBA_VERSIONS \?= (.*)$", makefile, re.MULTILINE)
    tested = {pair.partition(":")[0] for pair in line.split()}
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    tested |= set(re.findall(r"^numba==(.*)$", constraints, re.MULTILINE))
    assert tested == set(jit.LINKED_VERSIONS)


def test_dependencies_have_lower_bounds_and_upper_bounds_where_interfaces_are_private():
    for requirement in (*BASE.values(), *DEV.values()):
        operators = [s.operator for s in requirement.specifier]
        allowed = [">=", "<"] if requirement.name in CAPPED else [">="]
        assert sorted(operators, reverse=True) == allowed, requirement


def test_constraints_are_exact_and_cover_what_is_declared():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    exact = [re.fullmatch(r"([A-Za-z0-9][\w.-]*)==(\d[\w.]*)", line) for line in lines]
    assert all(exact), [line for line, match in zip(lines, exact, strict=True) if not match]
    pinned = {str(canonicalize_name(m[1])): Version(m[2]) for m in exact if m}
    assert pinned["torch"] == Version("2.13.0")
    for name, requirement in (BASE | DEV).items():
        assert pinned[name] in requirement.specifier, requirement
