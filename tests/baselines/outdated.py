"""Records that were measured before their environment changed: their figures do not hold."""

from typing import Any

import pytest

from microgym.baselines.evaluation.records import is_current


def skip_outdated(record: dict[str, Any]) -> None:
    """Skip a test of the figures of a record that is out of date."""
    if not is_current(record):
        pytest.skip(f"measured before the environment changed: {record['command']}")
