"""Stream numbers: unique within what one episode key feeds, and written in one list only."""

import ast
import inspect
from enum import IntEnum
from itertools import pairwise
from pathlib import Path

import pytest

from microgym.random import EXOGENOUS, MEASUREMENT, WORLD, Role, streams

ROOT = Path(__file__).parents[3]
FOLDERS = ("microgym", "envs", "agents", "baselines")
LIST = ROOT / "microgym" / "random" / "streams.py"

OPENING = {"stream", "row_stream", "stream_of"}
ROLES = {"WORLD", "EXOGENOUS", "MEASUREMENT", "Role.WORLD", "Role.EXOGENOUS", "Role.MEASUREMENT"}

ENUMERATIONS = {
    name: value
    for name, value in vars(streams).items()
    if inspect.isclass(value) and issubclass(value, IntEnum) and value is not IntEnum
}


def test_every_enumeration_names_its_role_and_refuses_a_number_twice():
    assert len(ENUMERATIONS) > 10
    source = LIST.read_text(encoding="utf-8")
    for name in ENUMERATIONS:
        assert name.endswith(("World", "Exogenous", "Measurement"))
        assert f"@unique\nclass {name}(IntEnum):" in source


def test_instruments_and_agents_share_no_number_with_specimens():
    """An episode's world role feeds its specimen, its instrument and the random agent."""
    specimens = set(streams.SpecimenWorld)
    agents = set(streams.AgentWorld)
    worlds = [kind for name, kind in ENUMERATIONS.items() if name.endswith("World")]
    instruments = [w for w in worlds if w not in (streams.SpecimenWorld, streams.AgentWorld)]
    assert len(instruments) > 3
    assert not specimens & agents
    for kind in instruments:
        assert not set(kind) & agents
        # A solver has a seed of its own.
        assert kind is streams.SolverWorld or not set(kind) & specimens, kind


def test_roles_of_kernels_are_the_roles():
    assert tuple(Role) == (WORLD, EXOGENOUS, MEASUREMENT)


def is_member(node: ast.AST, role: str = "") -> bool:
    """Whether an expression is a member of the list, as it is or as an int64."""
    match node:
        case ast.Call(func=ast.Attribute(attr="int64"), args=[argument]):
            return is_member(argument, role)
        case ast.Attribute(value=ast.Name(id=kind), attr=member):
            return (
                kind in ENUMERATIONS
                and member in ENUMERATIONS[kind].__members__
                and kind.lower().endswith(role)
            )
        case _:
            return False


def constants(tree: ast.Module) -> dict[str, ast.AST]:
    """Values of the names that a module, or a class in it, assigns one by one."""
    found: dict[str, ast.AST] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.AST() as value):
                found[name] = value
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                pairs = zip(names, values, strict=True)
                found |= {n.id: v for n, v in pairs if isinstance(n, ast.Name)}
            case _:
                pass
    return found


def strays(source: str) -> list[str]:
    """Streams that a module opens with a number that is no member of the list, or of another role.

    A parameter named `process` or `role` passes on what the caller gave.
    """
    tree = ast.parse(source)
    known = constants(tree)
    found: list[str] = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        if name not in OPENING or len(node.args) != 4:
            continue
        role, number = node.args[2], node.args[3]
        attribute = isinstance(number, ast.Attribute) and not is_member(number)
        value = known.get(
            ast.unparse(number).rpartition(".")[2] if attribute else ast.unparse(number), number
        )
        passed_on = ast.unparse(role) == "role" or ast.unparse(number) == "process"
        kind = ast.unparse(role).rpartition(".")[2].lower()
        if not passed_on and not (ast.unparse(role) in ROLES and is_member(value, kind)):
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


def test_no_stream_number_stands_outside_the_list():
    links = {ROOT / "microgym" / part for part in FOLDERS[1:]}
    paths = [
        path
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not links.intersection(path.parents)
    ]
    sources = {path: path.read_text(encoding="utf-8") for path in paths}
    assert sum("row_stream(" in source for source in sources.values()) > 5
    found = {path.relative_to(ROOT): strays(source) for path, source in sources.items()}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "lines",
    [
        "_DRIFT = np.int64(3)\nrow_stream(keys, b, EXOGENOUS, _DRIFT)",
        "stream(k0, k1, WORLD, 3)",
        "stream(k0, k1, 0, _DRIFT)\n_DRIFT = np.int64(AFMExogenous.DRIFT)",
        "_DRIFT = np.int64(AFMExogenous.NOTHING)\nrow_stream(keys, b, EXOGENOUS, _DRIFT)",
        "_DRIFT = np.int64(AFMExogenous.DRIFT)\nrow_stream(keys, b, WORLD, _DRIFT)",
    ],
)
def test_a_stream_number_elsewhere_is_found(lines):
    assert len(strays(lines)) == 1


def test_streams_from_the_list_pass():
    lines = "_A, _B = np.int64(AFMExogenous.DRIFT), np.int64(AFMWorld.TIPS)\n"
    lines += "row_stream(keys, b, EXOGENOUS, _A)\nstream(k0, k1, Role.WORLD, _B)\n"
    assert strays(lines) == []


def test_numbers_are_in_order():
    for kind in ENUMERATIONS.values():
        assert all(a < b for a, b in pairwise(kind))
