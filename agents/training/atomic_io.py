"""Files that are there whole or not at all, whatever ends the process meanwhile."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_UNFINISHED = ".part"


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Generator[BinaryIO]:
    """Write a file beside its place and move it there when all of it is on the disk.

    What has been written survives a loss of power: file and folder are flushed to the disk.

    Args:
        path: where to; its folder exists.

    Yields:
        The new file, open for writing.

    Raises:
        OSError: it cannot be written; what was there before is still there.
    """
    target = Path(path)
    descriptor, name = tempfile.mkstemp(_UNFINISHED, f".{target.name}.", target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _flush_folder(target.parent)


def write_atomically(path: Path | str, content: str | bytes) -> Path:
    """Write a file whole or not at all, as `replacing` does.

    Args:
        path: where to; its folder is made if need be.
        content: text (as UTF-8) or bytes.

    Returns:
        The path.

    Raises:
        OSError: it cannot be written; what was there before is still there.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)
    return target


def remove_unfinished(folder: Path) -> None:
    """Remove what writers that were killed have left; none may be at work in the folder.

    Args:
        folder: that files were written to.
    """
    for path in folder.glob(f".*{_UNFINISHED}"):
        path.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
