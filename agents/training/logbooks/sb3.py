"""What Stable-Baselines3 records, written to a logbook."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

from stable_baselines3.common.logger import KVWriter

from microgym.agents.training.logbooks.logbook import Logbook


class LogbookWriter(KVWriter):
    """An output of Stable-Baselines3's `Logger`: its numbers become rows of a logbook.

    `Logger(None, [LogbookWriter(book)])` writes one row for each `dump(step)`; what is no number
    (text, figures, films) is left out. The logbook is closed by whoever opened it.

    Args:
        book: to write to.
    """

    def __init__(self, book: Logbook) -> None:
        self._book = book

    def write(
        self,
        key_values: dict[str, Any],
        key_excluded: Mapping[str, tuple[str, ...]],
        step: int = 0,
    ) -> None:
        """Note the numbers of a step.

        Args:
            key_values: what was recorded, by name.
            key_excluded: outputs of Stable-Baselines3's own that shall not show it; not heeded.
            step: decisions learnt from so far.
        """
        del key_excluded
        self._book.write(step, {n: float(v) for n, v in key_values.items() if isinstance(v, Real)})

    def close(self) -> None:
        """Leave the logbook open."""
