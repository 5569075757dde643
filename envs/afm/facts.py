"""Numbers of the environment's page, taken from the code that uses them."""

from collections.abc import Mapping

from microgym.envs.afm.config import (
    GAINS,
    MODES,
    PACES,
    PROPORTIONAL,
    RATES_HZ,
    SETPOINTS,
    TERMS,
    AFMConfig,
)
from microgym.envs.core.old_docs import Table, number, switch
from microgym.instruments.afm.settings import LOOP_LEVELS, TIP_LEVELS, AFMSettings
from microgym.physics.drift import AMBIENT_DRIFT
from microgym.physics.feedback import largest_gain
from microgym.physics.piezo import PIEZO_LEVELS


def facts() -> Mapping[str, tuple[Table, ...]]:
    """What the page shows besides the class's docstring.

    Returns:
        Section of the page to its tables.
    """
    chosen = AFMConfig()
    settings = chosen.settings()
    return {
        "Physics": (_instrument(settings, chosen), _levers()),
        "Action Space": (_dials(),),
        "Rewards": (_weights(chosen),),
        "Difficulty switches": (
            switch("drift", AMBIENT_DRIFT),
            switch("tip", TIP_LEVELS),
            switch("loop", LOOP_LEVELS),
            switch("scanner", PIEZO_LEVELS),
        ),
    }


def _instrument(settings: AFMSettings, chosen: AFMConfig) -> Table:
    """What the instrument and an episode are."""
    scanner, lag = settings.scanner, settings.cantilever.lag_s
    limit = largest_gain(lag, scanner.resonance_hz, scanner.damping)
    return [
        ("instrument", "default"),
        ("frame", f"{settings.field_nm:g} nm, {settings.lines} lines of {settings.pixels} pixels"),
        ("time for a frame", f"{chosen.time_limit_s:g} s"),
        ("lag of the amplitude", f"{1e3 * lag:.2g} ms"),
        ("z-scanner, median", f"{scanner.resonance_hz:g} Hz, damping {scanner.damping:g}"),
        ("integral gain above which the median loop rings", f"{limit:.0f} 1/s"),
        ("soft limit of the force", f"{settings.soft_limit_nn:g} nN"),
        ("exchange of the tip", f"{settings.exchange_s:g} s"),
        ("new approach", f"{settings.engage_s:g} s"),
        ("withdrawal", f"{settings.withdraw_s:g} s"),
    ]


def _levers() -> Table:
    """Levers of the two modes."""
    names = ("stiffness_n_m", "resonance_hz", "quality", "free_amplitude_nm")
    rows = [(f"`{mode}`", *(number(getattr(c, n)) for n in names)) for mode, c in MODES.items()]
    return [("`imaging`", *(f"`{name}`" for name in names)), *rows]


def _dials() -> Table:
    """Ranges of the settings."""
    low, high = SETPOINTS["amplitude"]
    soft, firm = SETPOINTS["contact"]
    return [
        ("setting", "at -1", "at 1", "scale"),
        ("setpoint over the free amplitude", f"{low:g}", f"{high:g}", "linear"),
        ("setpoint in contact mode", f"{soft:g} nN", f"{firm:g} nN", "logarithmic"),
        ("integral gain", f"{GAINS[0]:g} 1/s", f"{GAINS[1]:g} 1/s", "logarithmic"),
        ("proportional gain", "0", f"{PROPORTIONAL[1] - PROPORTIONAL[0]:g}", "logarithmic"),
        ("line rate", f"{RATES_HZ[0]:g} Hz", f"{RATES_HZ[1]:g} Hz", "logarithmic"),
        ("speed over the even pace", f"{PACES[0]:g}", f"{PACES[1]:g}", "logarithmic"),
    ]


def _weights(chosen: AFMConfig) -> Table:
    """Default weights of the reward's terms."""
    weights = chosen.weights
    return [("term", "weight"), *((name, f"{getattr(weights, name):g}") for name in TERMS)]
