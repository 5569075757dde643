"""Digests of sources, and the folder of the machine code that is made from them.

Numba's own cache looks only at the file that holds a kernel: a kernel whose helper in another file
was edited is served in its old form (numba issue 1833). The digest of a file covers all files that
it imports, directly or not, so that an edit recompiles exactly the kernels that depend on it.
"""

import functools
import hashlib
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).parents[1]

# An import statement: `from a.b import c, d`, with or without brackets, or `import a.b`.
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(?:\(([^)]*)\)|([^\n#(]+))"
    r"|import[ \t]+([\w., ]+))",
    re.MULTILINE,
)


@functools.cache
def _imports(file: Path) -> frozenset[Path]:
    """Files that one file imports from this package or from its own folder.

    The `__init__` of a package counts where something is imported from the package itself.
    """
    found: set[Path] = set()
    for module, bracketed, listed, plain in _IMPORT.findall(file.read_text(encoding="utf-8")):
        names = [name.split()[0] for name in (bracketed or listed).split(",") if name.split()]
        modules = [module, *(f"{module}.{name}" for name in names)] if module else plain.split(",")
        for name in modules:
            for root in (_PACKAGE.parent, file.parent):
                place = root.joinpath(*name.split()[0].split("."))
                candidates = (place / "__init__.py", place.with_suffix(".py"))
                found.update(candidate for candidate in candidates if candidate.is_file())
    return frozenset(found)


@functools.cache
def _content_digest(file: Path) -> bytes:
    """SHA-256 of one file."""
    return hashlib.sha256(file.read_bytes()).digest()


@functools.cache
def import_closure(file: Path) -> frozenset[Path]:
    """A file and all files that it imports, directly or not.

    Args:
        file: a Python file.

    Returns:
        Files of this package and of the folders of the importing files.
    """
    closure, waiting = {file}, [file]
    while waiting:
        more = _imports(waiting.pop()) - closure
        closure |= more
        waiting.extend(more)
    return frozenset(closure)


@functools.cache
def source_digest(file: Path) -> str:
    """Digest of the contents of `import_closure`.

    Args:
        file: a Python file.

    Returns:
        64 hexadecimal digits (SHA-256); equal for equal sources, wherever they are installed.
    """
    digest = hashlib.sha256()
    for content in sorted(map(_content_digest, import_closure(file))):
        digest.update(content)
    return digest.hexdigest()


@functools.cache
def _package_digest() -> bytes:
    """Digest of all sources of physics, inference and environments."""
    digest = hashlib.sha256()
    # The environments' folder of a checkout is a link, which `rglob` does not follow.
    for folder in (_PACKAGE, _PACKAGE / "envs"):
        for file in sorted(folder.resolve().rglob("*.py")):
            digest.update(_content_digest(file))
    return digest.digest()


_definitions: Counter[tuple[str, str]] = Counter()


def earlier_definitions(function: Callable[..., Any]) -> int:
    """Number of times that this function was defined before in this process.

    A second definition means that its module was loaded anew: sources are then read anew.

    Args:
        function: a module-level function that is about to be compiled.

    Returns:
        0, unless the module was loaded anew.
    """
    name = function.__module__, function.__qualname__
    earlier = _definitions[name]
    _definitions[name] += 1
    if earlier:
        for cached in (
            *(_imports, _content_digest, import_closure),
            *(source_digest, _package_digest),
        ):
            cached.cache_clear()
    return earlier


@functools.cache
def _is_writable(folder: Path) -> bool:
    """True if a file can be made in a folder, which is made where it does not exist."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def cache_folder(file: Path, chosen: str) -> Path | None:
    """Folder of the machine code of the kernels of one file, named after a digest of the sources.

    The digest covers all of physics, inference and environments besides the file's imports: Numba
    cannot read a cache after a NamedTuple class in it was renamed, and callers may define these.

    Args:
        file: the file of the kernels.
        chosen: the folder of caches that the user named (`NUMBA_CACHE_DIR`); empty for none.

    Returns:
        A folder below the chosen one; else below `__pycache__` beside the file; else, where the
        installation is read-only, below the user's folder of caches (`XDG_CACHE_HOME`, or
        `~/.cache`). None where none of these is writable.
    """
    if chosen:
        candidates = [Path(chosen)]
    else:
        candidates = [file.parent / "__pycache__"]
        try:
            caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
            candidates.append(caches / "microgym")
        except RuntimeError:  # a user without a home
            pass
    for folder in candidates:
        if _is_writable(folder):
            digest = hashlib.sha256(_package_digest() + source_digest(file).encode())
            return folder / f"microgym-{digest.hexdigest()[:16]}"
    return None
