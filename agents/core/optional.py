"""Check of the optional dependency of trained agents."""

from importlib.util import find_spec


def require_torch() -> None:
    """Check that PyTorch is installed.

    Raises:
        ImportError: it is not; the message says how to install it.
    """
    if find_spec("torch") is None:
        raise ImportError("networks of PyTorch need: pip install 'microgym[agents]'")
