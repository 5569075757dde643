"""The table of all environments, and their registration with Gymnasium.

Only strings are registered, so `import microgym` loads no physics. Each line also says how the
conformance tests exercise the environment: add a line and they cover it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import gymnasium as gym


def _frozen(**values: Any) -> Mapping[str, Any]:
    return MappingProxyType(values)


@dataclass(frozen=True, slots=True)
class Entry:
    """One environment.

    Attributes:
        id: as users type it, such as "Ptycho-v0".
        module: where it lives, such as "microgym.envs.ptycho".
        name: stem of its classes: `<name>Task`, `<name>Env`, `<name>VectorEnv`.
        summary: one line for `microgym list`.
        kwargs: arguments that define this id; plain values, since specs become JSON.
        brief: arguments under which the tests' episodes are short and cheap.
        variants: argument sets the tests run besides the default one.
        interventions: an example value for each hidden quantity `intervene` can set.
    """

    id: str
    module: str
    name: str
    summary: str
    kwargs: Mapping[str, Any] = field(default_factory=_frozen)
    brief: Mapping[str, Any] = field(default_factory=_frozen)
    variants: tuple[Mapping[str, Any], ...] = ()
    interventions: Mapping[str, Any] = field(default_factory=_frozen)

    @property
    def task(self) -> str:
        """Entry point of the task class."""
        return f"{self.module}:{self.name}Task"

    @property
    def entry_point(self) -> str:
        """Entry point of the single environment."""
        return f"{self.module}:{self.name}Env"

    @property
    def vector_entry_point(self) -> str:
        """Entry point of the native vector environment."""
        return f"{self.module}:{self.name}VectorEnv"


ENTRIES: tuple[Entry, ...] = (
    Entry(
        id="Ptycho-v0",
        module="microgym.envs.ptycho",
        name="Ptycho",
        summary="scanning coherent diffraction: where to expose next, and for how long",
        brief=_frozen(exposures=6),
        variants=(
            _frozen(action="grid"),
            _frozen(reconstructor="neural"),
            _frozen(observation="features"),
            _frozen(
                observation="full",
                reconstructor="raw",
                drift="hard",
                damage="hard",
                detector="hard",
                reveal=True,
            ),
        ),
        interventions=_frozen(drift_velocity_px_s=0.5, settling_px=2.0),
    ),
    Entry(
        id="STM-v0",
        module="microgym.envs.stm",
        name="STM",
        summary="tunnelling microscope: drag an adatom to its target, and look",
        brief=_frozen(time_budget_s=60.0),
        variants=(
            _frozen(observation="image", noise="hard", tip="hard", reveal=True),
            _frozen(reconstructor="neural"),
        ),
        interventions=_frozen(
            drift_velocity_nm_s=0.5, settling_nm=2.0, well_strength_ev=0.7, well_width_nm=0.3
        ),
    ),
    Entry(
        id="STMBuild-v0",
        module="microgym.envs.stm",
        name="STM",
        summary="tunnelling microscope: drag adatoms into a figure, and leave the others alone",
        kwargs=_frozen(goal="build"),
        brief=_frozen(time_budget_s=60.0),
        variants=(
            _frozen(drift="hard"),
            _frozen(observation="image", reconstructor="classical", noise="hard"),
        ),
        interventions=_frozen(well_strength_ev=0.7, well_width_nm=0.3),
    ),
    Entry(
        id="STMTip-v0",
        module="microgym.envs.stm",
        name="STM",
        summary="tunnelling microscope: mend a bad tip by pulses and dips",
        kwargs=_frozen(goal="tip"),
        brief=_frozen(time_budget_s=60.0),
        variants=(_frozen(drift="hard", noise="hard"),),
        interventions=_frozen(tip_state="blunt"),
    ),
    Entry(
        id="PFM-v0",
        module="microgym.envs.pfm",
        name="PFM",
        summary="ferroelectric domain writing: where to pulse, how strongly, and when to look",
        brief=_frozen(pulses=6),
        variants=(
            _frozen(action="grid"),
            _frozen(observation="features", specimen="grains", pattern="islands"),
            _frozen(
                observation="full",
                drift="hard",
                disorder="hard",
                tip="hard",
                readout="hard",
                heat="hard",
                reveal=True,
            ),
        ),
        interventions=_frozen(drift_velocity_cells_s=0.5, settling_cells=2.0, disorder=0.3),
    ),
    Entry(
        id="PFMLoop-v0",
        module="microgym.envs.pfm",
        name="PFM",
        summary="ferroelectric film: shift the hysteresis loop of one place as asked",
        kwargs=_frozen(goal="loop"),
        brief=_frozen(pulses=6),
        interventions=_frozen(disorder=0.3),
    ),
    Entry(
        id="AFM-v0",
        module="microgym.envs.afm",
        name="AFM",
        summary="force microscopy: gains, setpoint and speed of every line, and care for the tip",
        brief=_frozen(lines=8),
        variants=(
            _frozen(action="feedback", observation="features"),
            _frozen(imaging="contact", specimen="islands"),
            _frozen(observation="image", reconstructor="neural"),
            _frozen(
                observation="image",
                specimen="trenches",
                split="test",
                drift="hard",
                tip="hard",
                loop="hard",
                scanner="hard",
                reveal=True,
            ),
        ),
        interventions=_frozen(drift_velocity_nm_s=5.0, tip_radius_nm=40.0, crash_nn=30.0),
    ),
)
"""Every environment of the package."""


def register(entry: Entry) -> None:
    """Register one environment with Gymnasium; once is enough, twice does no harm.

    Args:
        entry: the environment.
    """
    known = gym.registry.get(entry.id)
    if known is not None and known.entry_point == entry.entry_point:
        return
    gym.register(
        entry.id,
        entry_point=entry.entry_point,
        vector_entry_point=entry.vector_entry_point,
        kwargs=dict(entry.kwargs),
    )


def register_all() -> None:
    """Register every environment of the table; called by `import microgym`."""
    for entry in ENTRIES:
        register(entry)


def find(env_id: str) -> Entry:
    """Look an environment up.

    Args:
        env_id: "Ptycho-v0" or "microgym:Ptycho-v0".

    Returns:
        Its line of the table.

    Raises:
        ValueError: no such environment.
    """
    bare = env_id.removeprefix("microgym:")
    for entry in ENTRIES:
        if entry.id == bare:
            return entry
    raise ValueError(f"no environment {env_id!r}; there are {[entry.id for entry in ENTRIES]}")


def named(env_id: str, kwargs: Mapping[str, Any]) -> Entry:
    """The line that stands for an id with further arguments.

    Args:
        env_id: such as "STM-v0".
        kwargs: arguments that the environment is made with, such as a goal.

    Returns:
        The line of the same task that has most of these as its own arguments, and no others.

    Raises:
        ValueError: no such environment.
    """
    own = find(env_id)
    given = {**own.kwargs, **kwargs}
    same = [one for one in ENTRIES if one.module == own.module]
    return max(same, key=lambda one: len(one.kwargs) if one.kwargs.items() <= given.items() else -1)
