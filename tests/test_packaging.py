"""The house itself: names, floors, and what an installation contains."""

import ast
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import microgym
from microgym.agents.core import extras
from tests.source_files import FOLDERS, PARTS, ROOT, sources

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# Numba specialises these for what they are called with.
COMPILED = {"kernel", "inline_kernel", "intrinsic"}


def run_isolated(code: str, folder: Path) -> str:
    """Run code in a fresh interpreter that sees installed packages only, and return its output."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    code = (
        "from importlinter.cli import lint_imports as lint; raise SystemExit(lint(no_cache=True))"
    )
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )


def copy_of_the_house(place: Path) -> Path:
    """The four folders and the packaging files, links included, without anything built."""
    place.mkdir()
    for name in FOLDERS:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, place / name, symlinks=True, ignore=ignore)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, place / name)
    return place


# --- names -------------------------------------------------------------------------------------


def test_no_top_level_package_but_microgym_is_installed(tmp_path):
    code = f"import importlib.util as u; print(*(p for p in {FOLDERS} if u.find_spec(p)))"
    assert run_isolated(code, tmp_path).split() == ["microgym"]


def test_every_module_imports_under_microgym_and_under_no_other_name(tmp_path):
    names = sorted(
        ".".join(
            (*(() if folder == "microgym" else ("microgym",)), *path.with_suffix("").parts)
        ).removesuffix(".__init__")
        for folder in FOLDERS
        for path in (p.relative_to(ROOT) for p in sources(ROOT / folder))
        if path.name != "__main__.py"
    )
    code = (
        f"import importlib, sys\nfor name in {names}: importlib.import_module(name)\n"
        f"print(*(m for m in sys.modules if m.partition('.')[0] in {PARTS}))"
    )
    assert run_isolated(code, tmp_path).split() == []


BLOCKED = """
import sys
from importlib.abc import MetaPathFinder

class Block(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Block())
import gymnasium as gym, microgym
from microgym.agents.core.registry import make_agent
from microgym.baselines.cli import main

env = gym.make_vec("PFM-v0", 1, autoreset_mode="Disabled", render_mode="rgb_array", pulses=3)
agent = make_agent("PFM-v0", "expert")
observation, info = env.reset(seed=0)
agent.reset(1, [0])
done = False
while not done:
    observation, _, terminated, truncated, info = env.step(agent.act(observation, info))
    done = terminated.any() or truncated.any()
print(env.render()[0].shape)
assert main(["list"]) == 0
try:
    make_agent("PFM-v0", "trained")
except ImportError as error:
    print(error)
print(main(["train", "PFM-v0", "--output", sys.argv[1]]))
"""


def test_everything_but_networks_works_without_the_extras(tmp_path):
    code = BLOCKED.replace("{names}", repr(set(extras.EXTRAS)))
    words = [sys.executable, "-c", code, str(tmp_path / "runs")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    frame, *listed, message, status = done.stdout.splitlines()
    assert re.fullmatch(r"\(\d+, \d+, 3\)", frame)
    assert any("PFM-v0" in line for line in listed)
    assert message == "torch is not installed: pip install 'microgym[agents]'"
    assert status == "2"
    assert done.stderr.splitlines()[-1].endswith(message)


def test_importing_microgym_loads_nothing_heavy(tmp_path):
    heavy = {"torch", "stable_baselines3", "sb3_contrib", "numba", "h5py", "scipy", "matplotlib"}
    loaded = run_isolated("import microgym, sys; print(*sys.modules)", tmp_path).split()
    assert heavy.intersection(loaded) == set()


def test_links_for_analysers_point_at_the_folders():
    for part in PARTS:
        link = ROOT / "microgym" / part
        if link.is_symlink():
            assert link.readlink() == Path("..") / part
        else:  # a checkout without link rights holds the target's name as text
            assert link.read_text(encoding="utf-8").strip() == f"../{part}"


def test_every_folder_of_modules_is_a_package():
    bare = {
        path.parent
        for folder in FOLDERS
        for path in sources(ROOT / folder)
        if not (path.parent / "__init__.py").exists()
    }
    assert bare == set()


def test_the_package_says_that_it_is_typed():
    assert (Path(microgym.__file__).parent / "py.typed").is_file()


def unannotated(node: ast.AST, within: str = "") -> list[str]:
    """Functions that lack an annotation, apart from compiled ones and what stands inside those."""
    found: list[str] = []
    for child in ast.iter_child_nodes(node):
        name = within
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = {ast.unparse(d).partition("(")[0] for d in child.decorator_list}
            if decorators & COMPILED:
                continue
            name = f"{within}{child.name}."
            a = child.args
            arguments = [*a.posonlyargs, *a.args, *a.kwonlyargs]
            if isinstance(node, ast.ClassDef) and "staticmethod" not in decorators:
                arguments = arguments[1:]
            arguments += [star for star in (a.vararg, a.kwarg) if star]
            if not child.returns or not all(argument.annotation for argument in arguments):
                found.append(f"{name[:-1]}, line {child.lineno}")
        elif isinstance(child, ast.ClassDef):
            name = f"{within}{child.name}."
        found += unannotated(child, name)
    return found


def test_functions_that_are_not_compiled_are_annotated():
    missing = {
        str(path.relative_to(ROOT)): names
        for folder in FOLDERS
        for path in sources(ROOT / folder)
        if (names := unannotated(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert missing == {}


# --- floors ------------------------------------------------------------------------------------


def test_the_floors_hold():
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("microgym/numerics/fft/__init__.py", "import h5py"),
        ("microgym/numerics/fft/__init__.py", "from microgym.envs.core import task"),
        ("microgym/reconstruction/ptychography/pie.py", "import torch"),
        ("microgym/instruments/__init__.py", "import gymnasium"),
        ("envs/core/task.py", "import microgym.agents"),
        ("agents/__init__.py", "from microgym import baselines"),
    ],
)
def test_an_import_across_the_floors_is_found(tmp_path, module, statement):
    house = copy_of_the_house(tmp_path / "house")
    path = house / module
    path.write_text(path.read_text(encoding="utf-8") + f"\n{statement}\n", encoding="utf-8")
    done = lint_imports(house)
    assert done.returncode != 0
    assert "BROKEN" in done.stdout


def test_every_module_of_the_first_floor_is_under_contract():
    layers, learning, kernels = PROJECT["tool"]["importlinter"]["contracts"]
    floor = {
        f"microgym.{p.stem}"
        for p in (ROOT / "microgym").iterdir()
        if not p.name.startswith("_") and (p.suffix == ".py" or (p / "__init__.py").exists())
    } - {f"microgym.{part}" for part in PARTS}
    assert set(re.findall(r"[\w.]+", layers["layers"][-1])) == floor
    assert set(learning["source_modules"]) == floor
    assert floor.issuperset(m for m in kernels["source_modules"] if m.count(".") == 1)


# --- what is told about the package ------------------------------------------------------------


def test_one_version_everywhere():
    version = microgym.__version__
    assert importlib.metadata.version("microgym") == version
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (\S+)$", citation, re.MULTILINE) == [version]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+)", changelog, re.MULTILINE)[0] == version


def test_ci_runs_the_command_of_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", readme, re.MULTILINE)) <= targets
    assert "make test" in readme
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").rstrip().endswith("make test")
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert {"make test", "make test-gymnasium", "make test-numba"} <= set(
        re.findall(r"- run: (.*)", workflow)
    )


def test_links_in_the_readme_lead_somewhere():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", readme)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_code_in_the_readme_runs(tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert code.startswith("import microgym")
    assert len(code.strip().splitlines()) <= 10
    run_isolated(code, tmp_path)


# --- the wheel ---------------------------------------------------------------------------------


def installed_name(path: Path) -> str:
    return path.as_posix() if path.parts[0] == "microgym" else f"microgym/{path.as_posix()}"


@pytest.mark.slow
def test_wheel_holds_every_file_once_and_nothing_else(tmp_path):
    house = copy_of_the_house(tmp_path / "house")
    subprocess.run(  # first the source archive, then the wheel from that archive
        [sys.executable, "-m", "build", "--outdir", tmp_path / "dist", house],
        check=True,
        capture_output=True,
    )
    (archive,) = (tmp_path / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = [Path(*Path(n).parts[1:]).as_posix() for n in tar.getnames()]
    code_in_archive = [n for n in names if n.endswith(".py") and n != "setup.py"]
    expected = [p.relative_to(ROOT) for folder in FOLDERS for p in sources(ROOT / folder)]
    assert sorted(code_in_archive) == sorted(p.as_posix() for p in expected)

    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = archive.namelist()
    info = f"microgym-{microgym.__version__}.dist-info"
    data = [
        p.relative_to(ROOT)
        for pattern in (
            "agents/*/*.toml",
            "agents/*/weights/*",
            "baselines/results/*",
            "baselines/reporting/templates/*",
            "baselines/observation_models/**/*.md",
            "microgym/reconstruction/weights/*",
        )
        for p in ROOT.glob(pattern)
        if p.is_file() and p.suffix != ".py"
    ]
    code = [n for n in held if not n.startswith(info)]
    assert sorted(code) == sorted([*map(installed_name, [*expected, *data]), "microgym/py.typed"])
    assert {f"{info}/licenses/LICENSE", f"{info}/licenses/NOTICE"} <= set(held)

    place = tmp_path / "place"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    code = f"import sys; sys.path.insert(0, {str(place)!r}); import microgym.envs as e"
    code += "; print(e.__file__)"
    assert run_isolated(code, tmp_path).strip().startswith(str(place))
