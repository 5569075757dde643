"""MultiProbe-v0: two to four probes that scan one specimen of coherent diffraction at once."""

from typing import Any

from microgym.envs.core.registry import register

register(
    "MultiProbeJoint-v0",
    __name__,
    "MultiProbe",
    "coherent diffraction with several probes at once: where each is to expose next",
)


def parallel_env(**arguments: Any) -> Any:
    """Make MultiProbe-v0.

    Args:
        **arguments: of `MultiProbeConfig`, and `render_mode`.

    Returns:
        A `pettingzoo.ParallelEnv` with the agents "probe_0", "probe_1", ...

    Raises:
        TypeError: an unknown argument or a value of the wrong type.
        ValueError: a value out of range.
    """
    from microgym.envs.multi_probe.env import MultiProbeParallelEnv

    return MultiProbeParallelEnv(**arguments)
