"""What the backends of a logbook have in common: rows, and files of whole lines."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

NOTHING = -1
"""The last step of a backend that holds no row; steps count from 0."""


@dataclass
class Row:
    """What was written for one step.

    Attributes:
        step: decisions learnt from so far.
        values: name to number.
        media: name to file, PNG or GIF, relative to the logbook's folder.
    """

    step: int
    values: dict[str, float] = field(default_factory=dict)
    media: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The row as JSON can hold it: NaN and infinities become "nan", "inf", "-inf"."""
        values = {n: v if math.isfinite(v) else repr(v) for n, v in self.values.items()}
        return {"step": self.step, "values": values, "media": dict(self.media)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "Row":
        """The row of which `to_json` told."""
        values = {name: float(value) for name, value in row["values"].items()}
        return cls(int(row["step"]), values, dict(row["media"]))


class Backend(Protocol):
    """One place that rows go to.

    Attributes:
        held: the last step whose row is durably there, or `NOTHING`.
    """

    held: int

    def append(self, rows: Sequence[Row]) -> None:
        """Add rows, of steps above `held` and rising; they are durable when this returns."""

    def close(self) -> None:
        """Give back files and processes."""


class Lines:
    """A text file to which whole lines are added.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[str]:
        """All lines; half a line at the end, left by a process that was killed, is cut off."""
        if not self.path.exists():
            return []
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self.path, whole)
        return content[:whole].decode("utf-8").splitlines()

    def add(self, lines: Sequence[str]) -> None:
        """Add lines; they are on the disk when this returns."""
        append(self.path, "".join(f"{line}\n" for line in lines).encode("utf-8"))


def append(path: Path, content: bytes) -> None:
    """Add to the end of a file, which is made if need be; on the disk when this returns.

    Args:
        path: of the file.
        content: to add.

    Raises:
        OSError: it could not be added, and the file ends where it did.
    """
    with path.open("ab", buffering=0) as file:
        end = file.tell()
        try:
            left = memoryview(content)
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        except BaseException:
            file.truncate(end)
            raise
