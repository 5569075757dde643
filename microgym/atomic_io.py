"""Atomic file writes: a file is there as a whole or not at all, whatever ends the process."""

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_UNFINISHED = ".part"


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Generator[BinaryIO]:
    """Write a temporary file, and move it into place when all of it is on the disk.

    File and folder are flushed to the disk, so that the content survives a loss of power. After an
    error an earlier file is still there.

    Args:
        path: of the file; its folder exists.

    Yields:
        The temporary file, open for writing.
    """
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_UNFINISHED}")
    try:
        with unfinished.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_atomically(path: Path | str, content: str | bytes) -> Path:
    """Write text (as UTF-8) or bytes as `replacing` does; the folder is created if there is none.

    Returns:
        The path.

    Raises:
        OSError: it cannot be written; an earlier file is still there.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)
    return target


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files of killed processes from a folder to which none is writing."""
    for path in folder.glob(f".*{_UNFINISHED}"):
        path.unlink(missing_ok=True)
