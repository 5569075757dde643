"""Kernels allocate nothing: a test of their sources."""

import ast
import builtins
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# Functions of numbers. NumPy's others make arrays, and so do these of arrays: see `is_array`.
NUMPY = {
    *("float32", "float64", "int32", "int64", "uint8", "uint32", "uint64", "bool_"),
    *("sqrt", "floor", "ceil", "log", "maximum", "minimum", "isfinite", "isnan"),
}
BUILTINS = {"range", "len", "min", "max", "abs", "int", "float", "bool", "round", "enumerate"}
MAKING_METHODS = {
    *("copy", "astype", "flatten", "ravel", "reshape", "repeat", "tolist", "sum", "cumsum", "mean"),
    *("dot", "sort", "argsort", "nonzero", "take", "append", "format", "join"),
}
DISPLAYS = (
    *(ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.GeneratorExp),
    *(ast.JoinedStr, ast.With, ast.Lambda, ast.Yield, ast.MatMult),
)


def is_array(node: ast.AST) -> bool:
    """Whether an expression is for certain a part of an array that is itself an array."""
    return isinstance(node, ast.Subscript) and any(
        isinstance(part, ast.Slice) for part in ast.walk(node.slice)
    )


def is_number(node: ast.AST) -> bool:
    """Whether an expression is for certain a number: a constant, a constant's name, or a cast."""
    match node:
        case ast.Constant():
            return True
        case ast.Name(id=name):
            return name.isupper()
        case ast.Call(func=ast.Attribute(value=ast.Name(id="np"))):
            return True
        case _:
            return False


def allocations(function: ast.FunctionDef) -> list[str]:
    """Expressions in a kernel's body that make arrays or other objects on the heap."""
    found: list[ast.AST] = []
    for node in (inner for statement in function.body for inner in ast.walk(statement)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="np"), attr=name)):
                if name not in NUMPY or any(map(is_array, node.args)):
                    found.append(node)
            case ast.Call(func=ast.Attribute(attr=name)) if name in MAKING_METHODS:
                found.append(node)
            case ast.Call(func=ast.Name(id=name)) if hasattr(builtins, name):
                if name not in BUILTINS:
                    found.append(node)
            case ast.BinOp(left=left, right=right) if is_array(left) or is_array(right):
                found.append(node)
            case ast.UnaryOp(operand=operand) if is_array(operand):
                found.append(node)
            case ast.Compare() if any(map(is_array, (node.left, *node.comparators))):
                found.append(node)
            case ast.AugAssign(target=target) if is_array(target):
                found.append(node)
            case ast.Assign(value=value) if any(map(is_array, node.targets)):
                # Numba copies an array that is assigned to a slice, in case the two overlap.
                if not is_number(value):
                    found.append(node)
            case _ if isinstance(node, DISPLAYS):
                found.append(node)
            case _:
                pass
    return [f"line {getattr(node, 'lineno', '?')}: {ast.unparse(node)}" for node in found]


def kernels(source: str) -> list[ast.FunctionDef]:
    return [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(d) in ("kernel", "inline_kernel") for d in node.decorator_list)
    ]


def sources() -> list[Path]:
    links = {ROOT / "microgym" / part for part in ("envs", "agents", "baselines")}
    return [
        path
        for folder in ("microgym", "envs")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not links.intersection(path.parents)
    ]


def test_kernels_allocate_nothing():
    found = {path: kernels(path.read_text(encoding="utf-8")) for path in sources()}
    assert sum(map(len, found.values())) > 300
    allocating = {
        f"{path.relative_to(ROOT)}:{function.name}": made
        for path, functions in found.items()
        for function in functions
        if (made := allocations(function))
    }
    assert allocating == {}


@pytest.mark.parametrize(
    "line",
    [
        "y = np.empty(3)",
        "y = np.zeros_like(x)",
        "y = np.sqrt(x[1:])",
        "y = x.copy()",
        "y = x.astype(np.float32)",
        "y = [1.0, x[0]]",
        "y = [a for a in x]",
        "y = {0: x}",
        "y = sorted(x)",
        "y = list(x)",
        "y = x[1:] + x[:-1]",
        "y = -x[1:]",
        "y = x[1:] > 0.0",
        "x[1:] = x[:-1]",
        "x[:, 0] = y",
        "x[1:] *= 2.0",
        "y = f'{x}'",
    ],
)
@pytest.mark.parametrize("decorator", ["kernel", "inline_kernel"])
def test_a_kernel_that_allocates_is_found(line, decorator):
    (function,) = kernels(f"@{decorator}\ndef f(x, y):\n    if y:\n        {line}\n")
    assert len(allocations(function)) == 1
    assert kernels(f"def f(x, y):\n    {line}\n") == []


@pytest.mark.parametrize(
    "line",
    [
        "x[:] = 0.0",
        "x[1:] = np.float32(0.0)",
        "x[:, 1] = _ZERO",
        "y = x[1:]",
        "y = np.sqrt(x[0]) + x[1] * x[2]",
        "y = x.view(np.uint32)",
        "y = min(int(x[0]), 3)",
        "y, z = other(x[0], x[1:])",
    ],
)
def test_loops_over_numbers_and_views_are_allowed(line):
    (function,) = kernels(f"@kernel\ndef f(x, y):\n    {line}\n")
    assert allocations(function) == []
