"""Rows as a CSV file: `log.csv`, one line a step, columns in the order in which they appeared."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from microgym.agents.training.atomic_io import write_atomically
from microgym.agents.training.logbooks.rows import NOTHING, Lines, Row

CSV_FILE = "log.csv"
"""Name of the file in the logbook's folder."""


class CsvFile:
    """Numbers only, each with all its digits; "nan", "inf", or nothing where there is none.

    Args:
        folder: of the logbook.
        resume: add to what is there; otherwise it is replaced.

    Raises:
        ValueError: the file to be continued is no such log.
    """

    def __init__(self, folder: Path, *, resume: bool) -> None:
        self.held = NOTHING
        self._names: list[str] = []
        self._lines = Lines(folder / CSV_FILE)
        if not resume:
            self._lines.path.unlink(missing_ok=True)
            return
        table = list(csv.reader(self._lines.read()))
        if not table:
            return
        try:
            if table[0][0] != "step" or {len(line) for line in table} != {len(table[0])}:
                raise ValueError("its columns are others")
            self.held = max((int(line[0]) for line in table[1:]), default=NOTHING)
        except (IndexError, ValueError) as error:
            raise ValueError(f"{self._lines.path} is not a log to go on with: {error}") from error
        self._names = table[0][1:]

    def append(self, rows: Sequence[Row]) -> None:
        """Add lines; where a name is new, the file is written again with the new column."""
        rows = [row for row in rows if row.values]
        if not rows:
            return
        known = set(self._names)
        new = list(dict.fromkeys(n for row in rows for n in row.values if n not in known))
        names = self._names + new
        lines = [_line([row.step, *(row.values.get(n, "") for n in names)]) for row in rows]
        if new:
            old = [line + "," * len(new) for line in self._lines.read()[1:]]
            text = "".join(f"{line}\n" for line in [_line(["step", *names]), *old, *lines])
            write_atomically(self._lines.path, text)
            self._names = names
        else:
            self._lines.add(lines)
        self.held = rows[-1].step

    def close(self) -> None:
        """Nothing is held open."""


def _line(cells: Iterable[float | str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
