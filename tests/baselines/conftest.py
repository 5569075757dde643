import pytest

from tests.baselines import stubs


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> str:
    """The toy's id, with the toy known to the command line."""
    stubs.install(monkeypatch)
    return stubs.TOY
