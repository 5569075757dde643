"""Numbers of the environment's page, taken from the code that uses them."""

from collections.abc import Mapping

from microgym.envs.core.old_docs import Table, switch
from microgym.envs.stm.config import GOALS, TIME_BUDGETS_S, STMConfig
from microgym.envs.stm.tip_task import ACTIONS, SPOILT
from microgym.instruments.stm.settings import DRIFT_LEVELS, NOISE_LEVELS
from microgym.physics.adatoms import BARRIER_EV, DEPTH_EXPONENT, LATTICE_NM, least_depth
from microgym.physics.stm_tip import APEX_LEVELS, MEAN_STRENGTH_EV, MEAN_WIDTH_NM
from microgym.physics.tunnelling import QUANTUM_US, decay_constant
from microgym.specimens.adatom_fields import BYSTANDERS, FIELD_NM


def facts() -> Mapping[str, tuple[Table, ...]]:
    """What the page shows besides the class's docstring.

    Returns:
        Section of the page to its tables.
    """
    return {
        "Physics": (_instrument(), _specimens()),
        "Action Space": (_conditioning(),),
        "Rewards": (_weights(),),
        "Difficulty switches": (
            switch("drift", DRIFT_LEVELS),
            switch("tip", APEX_LEVELS),
            switch("noise", NOISE_LEVELS),
        ),
    }


def _instrument() -> Table:
    """What the instrument is."""
    settings = STMConfig().settings()
    depths = [MEAN_STRENGTH_EV * (g / QUANTUM_US) ** DEPTH_EXPONENT for g in (3.0, 6.0)]
    least = least_depth(BARRIER_EV, LATTICE_NM, MEAN_WIDTH_NM)
    return [
        ("instrument", "default"),
        ("field", f"{FIELD_NM:g} nm x {FIELD_NM:g} nm"),
        ("distance of surface atoms", f"{LATTICE_NM:g} nm"),
        ("barrier of an adatom", f"{1e3 * BARRIER_EV:g} meV"),
        ("temperature", f"{settings.temperature_k:g} K"),
        ("decay constant", f"{decay_constant(settings.work_function_ev):.3f} /nm"),
        ("median well at 3 and 6 uS", f"{depths[0]:.2f} and {depths[1]:.2f} eV"),
        ("least well that can drag at 0 K", f"{least:.3f} eV"),
        ("time of an image", f"{settings.image_s:g} s"),
        ("time to begin and end a drag", f"{settings.drag_s:g} s"),
        ("speed of a drag", f"{settings.speed_nm_s:g} nm/s"),
        ("time of a pulse or dip", f"{settings.condition_s:g} s"),
        ("time to a fresh place", f"{settings.coarse_s:g} s"),
        *((f'time limit, goal="{goal}"', f"{TIME_BUDGETS_S[goal]:g} s") for goal in GOALS),
    ]


def _specimens() -> Table:
    """Families of surfaces."""
    rows = [(f"`{name}`", f"{low} to {high}") for name, (low, high) in BYSTANDERS.items()]
    return [("`specimen`", "bystanders"), *rows]


def _conditioning() -> Table:
    """Actions of "tip"."""
    head = ('action with `goal="tip"`', "what", "part of a place that it spoils")
    spoilt = (f"{part:.0%}" for part in SPOILT.tolist())
    rows = zip((str(k) for k in range(len(ACTIONS))), ACTIONS, spoilt, strict=True)
    return [head, *rows]


def _weights() -> Table:
    """Default weights of the reward's terms."""
    rows: Table = []
    for goal in GOALS:
        chosen = STMConfig(goal=goal)
        weights = ", ".join(f"{name} {getattr(chosen.weights, name):g}" for name in chosen.terms)
        rows.append((f"`{goal}`", weights))
    return [("`goal`", "weights"), *rows]
