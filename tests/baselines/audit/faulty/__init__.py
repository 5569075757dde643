"""Tasks with one fault each that an audit must find, and a sound one; all look for a lamp."""

from microgym.envs.core.registry import register

KINDS = ("Sound", "Leaky", "Inert", "Idle", "Fixed", "Tiny")
ENTRIES = {kind: register(f"Audit{kind}-v0", __name__, kind, "tests only") for kind in KINDS}
