"""Kernels that are compiled once and linked by name, for the Numba versions of an allow-list.

Numba as it comes pastes the code of every kernel into each kernel that calls it, and optimises and
writes it again there: a deep tree of calls is compiled many times over. Here a kernel is compiled
once, and its callers hold its name only, which the linker resolves (Numba keeps all its machine
code in one engine). The cached form of a kernel lists the kernels it calls; they are loaded before
it.

This module uses interfaces of Numba that are not documented. `microgym.jit` imports it only for
versions on which the tests of this module have run.
"""

import functools
import importlib
import pickle
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from llvmlite import binding
from numba.core import caching, codegen, types
from numba.core.compiler import Compiler
from numba.core.registry import CPUDispatcher

from microgym.jit.cache import earlier_definitions, source_digest

_OPTIONS = {
    "nopython": True,
    "nogil": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
    # An option that is not set is taken from the caller that happens to come first.
    "fastmath": False,
    "forceinline": False,
}


class _Link(NamedTuple):
    """Kernel that a caller refers to, and the symbol of its machine code."""

    module: str
    name: str
    arguments: tuple[types.Type, ...]
    symbol: str


_links: weakref.WeakKeyDictionary[codegen.CodeLibrary, _Link] = weakref.WeakKeyDictionary()


def _called(library: Any) -> set[_Link]:
    """The kernels whose names a library holds, in its own code or in code pasted into it."""
    found: set[_Link] = set()
    for other in library._linking_libraries:
        found |= {_links[other]} if other in _links else _called(other)
    return found


def _load(link: _Link, engine: Any) -> bool:
    """Load or compile the machine code of a kernel; whether its symbol is now defined."""
    try:
        module = sys.modules.get(link.module) or importlib.import_module(link.module)
        called = getattr(module, link.name).callee
    except (ImportError, AttributeError):
        return False
    called.compile(link.arguments)
    return engine.is_symbol_defined(link.symbol)


@functools.cache
def _empty_module(backend: Any) -> Any:
    """A module without code, which takes the place of a linked kernel's."""
    return binding.parse_assembly(str(backend._create_empty_module("empty")))


class _LinkedLibrary(codegen.JITCodeLibrary):
    """Machine code of one kernel; callers get its name, not its code."""

    def _get_module_for_linking(self) -> Any:
        self._ensure_finalized()
        return _empty_module(self._codegen)


def _stamped(locator: type) -> type:
    """Locator of the same files, which are valid for one state of the sources only."""
    name = f"SourceStamped{locator.__name__}"
    stamp = {"get_source_stamp": lambda self: source_digest(Path(self._py_file))}
    return type(name, (locator,), stamp)


class _StampedImpl(caching.CompileResultCacheImpl):
    _locator_classes: ClassVar = [
        _stamped(c) for c in caching.CompileResultCacheImpl._locator_classes
    ]

    def reduce(self, cres: Any) -> Any:
        """Kernels that are called, symbols that are defined, and what Numba keeps."""
        defined = {function.name for function in cres.library.get_defined_functions()}
        return _called(cres.library), defined, super().reduce(cres)

    def rebuild(self, target_context: Any, payload: Any) -> Any:
        """Load what the kernel calls, then the kernel; None where that cannot be found."""
        called, defined, payload = payload
        engine = target_context.codegen()._engine
        # Linking to an unknown name would end the process. Names differ where a module is run as a
        # script here and imported there, or was loaded anew; the kernel is then compiled anew.
        if not all(_load(link, engine) for link in called):
            return None
        engine._defined_symbols.update(defined)
        return super().rebuild(target_context, payload)


def _described(kind: Any) -> str:
    """A type in words, with the classes and fields of NamedTuples."""
    if not isinstance(kind, types.BaseTuple):
        return str(kind)
    parts: Any = kind
    names, name = ("",) * len(parts), ""
    if isinstance(kind, types.BaseNamedTuple):
        names, name = parts.fields, str(parts.instance_class)
    parts = zip(names, parts, strict=True)
    return f"{name}({', '.join(f'{one}: {_described(part)}' for one, part in parts)})"


class _StampedCache(caching.FunctionCache):
    _impl_class = _StampedImpl

    def __init__(self, function: Callable[..., Any], kind: str) -> None:
        super().__init__(function)
        self._kind = kind

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        """Key of one signature, with the types in words and the kind of the kernel."""
        # In words: Numba tells NamedTuples apart by their classes' names and elements only, and
        # cannot read an index again after such a class was renamed.
        signature = tuple(_described(one) for one in sig)
        return (signature, *super()._index_key(sig, codegen)[1:], self._kind)

    def _load_overload(self, sig: Any, target_context: Any) -> Any:
        """Machine code of a signature; None where the files cannot be read."""
        # Files that were cut off, or that name what is no more, are made anew.
        try:
            return super()._load_overload(sig, target_context)
        except (AttributeError, EOFError, ImportError, pickle.UnpicklingError):
            self.flush()
            return None


def _cache(function: Callable[..., Any], kind: str) -> Any:
    """The cache of a kernel; none where no folder is writable."""
    try:
        return _StampedCache(function, kind)
    except RuntimeError:
        return caching.NullCache()


class _NamingCompiler(Compiler):
    """Numba's compiler, with names for machine code that are the same in every process."""

    def _compile_bytecode(self) -> Any:
        state, identity = self.state, self.state.func_id
        identity.unique_id = _versions[identity.func]
        identity.unique_name = f"{identity.func_qualname}${identity.unique_id}"
        kind = codegen.JITCodeLibrary if state.flags.forceinline else _LinkedLibrary
        state.library = kind(state.targetctx.codegen(), identity.func_qualname)
        state.library.enable_object_caching()
        return super()._compile_bytecode()


_versions: weakref.WeakKeyDictionary[Callable[..., Any], str] = weakref.WeakKeyDictionary()


def _dispatcher(kind: type, function: Callable[..., Any], **options: bool) -> Any:
    """A Numba dispatcher whose machine code is named after the digest of its sources."""
    if function not in _versions:
        earlier = earlier_definitions(function)
        stamp = source_digest(Path(function.__code__.co_filename))
        # A name must not mean two things after a module was loaded anew.
        _versions[function] = stamp[:16] + (f"_{earlier}" if earlier else "")
    return kind(function, targetoptions={**_OPTIONS, **options}, pipeline_class=_NamingCompiler)


_Base: Any = CPUDispatcher


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


def compile_kernel(function: Callable[..., Any]) -> Any:
    """A dispatcher whose callers hold its name.

    Args:
        function: a module-level function.

    Returns:
        The dispatcher, with the one for calls from other kernels as `callee`; both are cached.
    """
    dispatcher = _dispatcher(_Kernel, function)
    dispatcher.callee = _dispatcher(_Callee, function, no_cpython_wrapper=True)
    dispatcher._cache = _cache(function, "python")
    dispatcher.callee._cache = _cache(function, "kernel")
    return dispatcher


def compile_inline(function: Callable[..., Any]) -> Any:
    """A dispatcher whose code is pasted into its callers.

    Args:
        function: a module-level function.

    Returns:
        The dispatcher, with the one for calls from other kernels as `callee`; not cached by itself.
    """
    dispatcher = _dispatcher(_Kernel, function)
    dispatcher.callee = _dispatcher(_Callee, function, no_cpython_wrapper=True, forceinline=True)
    return dispatcher
