"""The decorators of compiled code: quick to build, and a machine-code cache that cannot go stale.

Numba as it comes pastes the code of every kernel into each kernel that calls it, and optimises and
writes it again there: a deep tree of calls is compiled many times over. Here a kernel is compiled
once, and those that call it hold its name only, which the linker resolves (Numba keeps all its
machine code in one engine). The cached form of a kernel lists the kernels it calls; they are loaded
before it. Small functions that loops must not call but contain are `inline_kernel`s.

Much of what Numba's compiler does besides is for programs of another kind. It is left out, which
shortens the first step of an environment (`microgym bench start`), and makes sure that kernels
allocate nothing.

Numba's own cache looks only at the file that holds a kernel: an edited helper in another file goes
on being served in its old form (numba issue 1833). Here every cached kernel, and the name of its
machine code, carries a digest of its file and of all files that this one imports, directly or not,
so that an edit recompiles what is built upon it, and nothing else.
"""

import functools
import gc
import hashlib
import importlib
import re
import sys
import weakref
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from llvmlite import binding
from numba.core import caching, codegen, compiler, typed_passes, types, untyped_passes
from numba.core.compiler_machinery import PassManager
from numba.core.errors import NumbaError
from numba.core.registry import CPUDispatcher
from numba.core.typing.context import Context

_FLOOR = Path(__file__).parents[1]
_OPTIONS = {
    "nopython": True,
    "nogil": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
    # What is not said is taken from the caller that happens to come first.
    "fastmath": False,
    "forceinline": False,
    # Kernels allocate nothing, so they count no references; one that allocates does not compile.
    "_nrt": False,
}
# The passes of Numba's pipeline that kernels have a use for. Left out: those for closures,
# comprehensions, `with`, array expressions, `literally`, branches decided by types, and the ends of
# variables' lives, at which references would be counted.
_PASSES = (
    untyped_passes.TranslateByteCode,
    untyped_passes.FixupArgs,
    untyped_passes.IRProcessing,
    untyped_passes.GenericRewrites,
    untyped_passes.RewriteDynamicRaises,
    untyped_passes.ReconstructSSA,
    typed_passes.NopythonTypeInference,
    typed_passes.PreLowerStripPhis,
    typed_passes.NoPythonSupportedFeatureValidation,
    typed_passes.AnnotateTypes,
    typed_passes.NativeLowering,
    typed_passes.NoPythonBackend,
)


# An import statement: `from a.b import c, d`, with or without brackets, or `import a.b`.
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(?:\(([^)]*)\)|([^\n#(]+))"
    r"|import[ \t]+([\w., ]+))",
    re.MULTILINE,
)


@functools.cache
def _imports(file: Path) -> frozenset[Path]:
    """Files that one file imports from this package or from beside itself.

    The `__init__` of a package counts where something is imported from the package itself.
    """
    found: set[Path] = set()
    for module, bracketed, listed, plain in _IMPORT.findall(file.read_text(encoding="utf-8")):
        names = [name.split()[0] for name in (bracketed or listed).split(",") if name.split()]
        modules = [module, *(f"{module}.{name}" for name in names)] if module else plain.split(",")
        for name in modules:
            for root in (_FLOOR.parent, file.parent):
                place = root.joinpath(*name.split()[0].split("."))
                found.update(
                    one
                    for one in (place / "__init__.py", place.with_suffix(".py"))
                    if one.is_file()
                )
    return frozenset(found)


@functools.cache
def _contents(file: Path) -> bytes:
    return hashlib.sha256(file.read_bytes()).digest()


@functools.cache
def source_digest(file: Path) -> str:
    """Digest of a file and of all that it imports, directly or not, from this package or beside it.

    Args:
        file: a Python file.

    Returns:
        64 hexadecimal digits (SHA-256); equal for equal sources, wherever they are installed.
    """
    closure, waiting = {file}, [file]
    while waiting:
        more = _imports(waiting.pop()) - closure
        closure |= more
        waiting.extend(more)
    digest = hashlib.sha256()
    for content in sorted(map(_contents, closure)):
        digest.update(content)
    return digest.hexdigest()


class _Link(NamedTuple):
    """Where a caller finds a kernel's machine code."""

    module: str
    name: str
    arguments: tuple[types.Type, ...]
    symbol: str


_links: weakref.WeakKeyDictionary[codegen.CodeLibrary, _Link] = weakref.WeakKeyDictionary()


def _called(library: Any) -> set[_Link]:
    """The kernels whose names a library holds, in its own code or in what is pasted into it."""
    found: set[_Link] = set()
    for other in library._linking_libraries:
        found |= {_links[other]} if other in _links else _called(other)
    return found


def _load(link: _Link, engine: Any) -> bool:
    """See to it that the machine code of a kernel is in this process; whether it now is."""
    try:
        module = sys.modules.get(link.module) or importlib.import_module(link.module)
        called = getattr(module, link.name).callee
    except (ImportError, AttributeError):
        return False
    called.compile(link.arguments)
    return engine.is_symbol_defined(link.symbol)


class _Library(codegen.JITCodeLibrary):
    """Machine code of one kernel; callers get its name, not its code."""

    def _optimize_functions(self, ll_module: Any) -> None:
        # Numba would run the passes of the whole module here, too, function by function.
        backend: Any = self._codegen
        ll_module.data_layout = backend._data_layout

    def _optimize_final_module(self) -> None:
        # Numba's cheap passes before these are for counting references.
        backend: Any = self._codegen
        passes, builder = backend._module_pass_manager()
        passes.run(self._final_module, builder)


@functools.cache
def _nothing(backend: Any) -> Any:
    return binding.parse_assembly(str(backend._create_empty_module("nothing")))


class _LinkedLibrary(_Library):
    def _get_module_for_linking(self) -> Any:
        self._ensure_finalized()
        return _nothing(self._codegen)


def _stamped(locator: type) -> type:
    """The same place on disk, but valid for one state of the sources only."""
    name = f"SourceStamped{locator.__name__}"
    stamp = {"get_source_stamp": lambda self: source_digest(Path(self._py_file))}
    return type(name, (locator,), stamp)


class _StampedImpl(caching.CompileResultCacheImpl):
    _locator_classes: ClassVar = [
        _stamped(c) for c in caching.CompileResultCacheImpl._locator_classes
    ]

    def reduce(self, cres: Any) -> Any:
        defined = {function.name for function in cres.library.get_defined_functions()}
        return _called(cres.library), defined, super().reduce(cres)

    def rebuild(self, target_context: Any, payload: Any) -> Any:
        called, defined, payload = payload
        engine = target_context.codegen()._engine
        # To link to an unknown name would end the process. Names differ where a module is run as a
        # script here and imported there, or was loaded anew; then there is nothing to be had.
        if not all(_load(link, engine) for link in called):
            return None
        engine._defined_symbols.update(defined)
        return super().rebuild(target_context, payload)


class _StampedCache(caching.FunctionCache):
    _impl_class = _StampedImpl

    def __init__(self, function: Callable[..., Any], kind: str) -> None:
        super().__init__(function)
        self._kind = kind

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return (*super()._index_key(sig, codegen), self._kind)


class _Flags(compiler.Flags):
    """Options of a compilation, compared as they were set (Numba lists all of them each time)."""

    __slots__ = ()

    def __hash__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Flags) and self._values == other._values


class _Typing(Context):
    """Numba's typing context; what an operator makes of some types is worked out once."""

    def __init__(self, context: Any) -> None:
        self.__dict__ = context.__dict__

    def resolve_function_type(self, func: Any, args: Any, kws: Any) -> Any:
        if type(func) is not types.Function or kws:
            return super().resolve_function_type(func, args, kws)
        question = func, tuple(args)
        if question not in _answers:
            _answers[question] = super().resolve_function_type(func, args, kws)
        return _answers[question]


_answers: dict[tuple[types.Function, tuple[types.Type, ...]], Any] = {}


class _Compiler(compiler.CompilerBase):
    """Numba's compiler, with names for machine code that are the same in every process."""

    def __init__(self, context: Any, target: Any, library: Any, *rest: Any) -> None:
        arguments, returned, flags, known = rest
        super().__init__(
            _Typing(context), target, library, arguments, returned, _Flags(flags), known
        )

    def define_pipelines(self) -> list[PassManager]:
        manager = PassManager("microgym")
        for each in _PASSES:
            manager.add_pass(each, each.__name__)
        manager.finalize()
        return [manager]

    def _compile_bytecode(self) -> Any:
        state, identity = self.state, self.state.func_id
        identity.unique_id = _versions[identity.func]
        identity.unique_name = f"{identity.func_qualname}${identity.unique_id}"
        kind = _Library if state.flags.forceinline else _LinkedLibrary
        state.library = kind(state.targetctx.codegen(), identity.func_qualname)
        state.library.enable_object_caching()
        return super()._compile_bytecode()


_versions: weakref.WeakKeyDictionary[Callable[..., Any], str] = weakref.WeakKeyDictionary()
_definitions: Counter[tuple[str, str]] = Counter()


def _dispatcher(kind: type, function: Callable[..., Any], **options: bool) -> Any:
    """A Numba dispatcher whose machine code is named after what it is built upon."""
    if function not in _versions:
        name, again = (function.__module__, function.__qualname__), ""
        if _definitions[name]:
            # A module loaded anew. Its source may have changed; a name must not mean two things.
            again = f"_{_definitions[name]}"
            for cached in (_imports, _contents, source_digest):
                cached.cache_clear()
        _definitions[name] += 1
        stamp = source_digest(Path(function.__code__.co_filename))
        _versions[function] = hashlib.sha256(stamp.encode()).hexdigest()[:16] + again
    return kind(function, targetoptions={**_OPTIONS, **options}, pipeline_class=_Compiler)


class _Dispatcher(CPUDispatcher):
    def compile(self, sig: Any) -> Any:
        # A tenth of the time would go into looking for garbage among what is still in use.
        collecting = gc.isenabled()
        gc.disable()
        try:
            return super().compile(sig)
        except NumbaError as error:
            name = f"{self.py_func.__module__}.{self.py_func.__qualname__}"
            error.add_note(f"{name} is a kernel: see microgym.jit.kernel for what it may hold.")
            raise
        finally:
            if collecting:
                gc.enable()


_Base: Any = _Dispatcher


class _Callee(_Base):
    """A kernel as other kernels call it."""

    def get_call_template(self, args: Any, kws: Any) -> Any:
        # Numba would compile anew for every literal integer that a kernel is called with.
        return super().get_call_template([types.unliteral(a) for a in args], kws)

    def add_overload(self, cres: Any) -> None:
        super().add_overload(cres)
        if not self.targetoptions["forceinline"]:
            function, arguments = self.py_func, tuple(cres.signature.args)
            symbol = cres.fndesc.mangled_name
            _links[cres.library] = _Link(function.__module__, function.__name__, arguments, symbol)


class _Kernel(_Base):
    """A kernel as Python calls it; kernels are referred to `callee`."""

    callee: Any

    def get_call_template(self, args: Any, kws: Any) -> Any:
        return self.callee.get_call_template(args, kws)

    def get_overload(self, sig: Any) -> Any:
        return self.callee.get_overload(sig)

    def __reduce__(self) -> str:
        return self.__qualname__


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a module-level function the house's way.

    Serial, GIL released, IEEE arithmetic (no fastmath, no contraction), NumPy's division rules (the
    default rules put a branch into every division and stop vectorisation), cached on disk. Kernels
    that call it do so by name: its code is not pasted into theirs. Kernels allocate nothing: one
    that makes an array does not compile, nor one that assigns an array to a part of another.

    Args:
        function: a module-level function, since closures would miss the cache in every process; of
            loops over numbers and elements, without comprehensions and `with`.

    Returns:
        A Numba dispatcher.
    """
    dispatcher = _dispatcher(_Kernel, function)
    dispatcher.callee = _dispatcher(_Callee, function, no_cpython_wrapper=True)
    dispatcher._cache = _StampedCache(function, "python")
    dispatcher.callee._cache = _StampedCache(function, "kernel")
    return dispatcher


def inline_kernel(function: Callable[..., Any]) -> Any:
    """Compile a small function that is pasted into the kernels that call it.

    Args:
        function: a module-level function of scalars or short arrays.

    Returns:
        A Numba dispatcher; loops around it vectorise. Not cached by itself.
    """
    dispatcher = _dispatcher(_Kernel, function)
    dispatcher.callee = _dispatcher(_Callee, function, no_cpython_wrapper=True, forceinline=True)
    return dispatcher
