"""Numbers of the environment's page, taken from the code that uses them."""

import math
from collections.abc import Mapping

from microgym.envs.core.docs import Table, switch
from microgym.envs.pfm.config import (
    DECADES,
    GRID,
    GRID_VOLTS,
    HIGHEST_V,
    LEVELS,
    OBSERVATIONS,
    OPTICS,
    SHORTEST_S,
    TERMS,
    PFMConfig,
)
from microgym.instruments.pfm.instrument import (
    DISORDER_LEVELS,
    DRIFT_LEVELS,
    HEAT_LEVELS,
    READOUT_LEVELS,
    SIZE,
    TIP_LEVELS,
    PFMSettings,
    field_width_m,
    tip_radius_m,
)
from microgym.specimens import ferroelectrics, patterns


def facts() -> Mapping[str, tuple[Table, ...]]:
    """What the page shows besides the class's docstring.

    Returns:
        Section of the page to its tables.
    """
    chosen = PFMConfig()
    settings = chosen.settings()
    return {
        "Physics": (_film(settings), _episode(settings, chosen)),
        "Observation Space": (_sizes(),),
        "Action Space": (_choices(),),
        "Rewards": (_weights(chosen),),
        "Starting State": (_families(),),
        "Arguments": ([("`optics`", "default"), *((n, f"{v:g}") for n, v in OPTICS.items())],),
        "Difficulty switches": (
            switch("drift", DRIFT_LEVELS),
            switch("tip", TIP_LEVELS),
            switch("readout", READOUT_LEVELS),
            _strengths(),
        ),
    }


def _film(settings: PFMSettings) -> Table:
    """What film and tip are."""
    lattice, cell = settings.lattice, settings.cell_m
    wall = math.sqrt(8.0 * lattice.kappa)
    return [
        ("film and tip", "default"),
        ("cell of the lattice", _nm(cell)),
        ("film", f"{SIZE} x {SIZE} cells, {_nm(SIZE * cell)} a side"),
        ("coupling kappa", f"{lattice.kappa:g} (reduced units)"),
        ("width of a wall, 2 sqrt(2 kappa)", f"{wall:.3g} cells, {_nm(wall * cell)}"),
        ("lattice step", f"{lattice.dt:g} / (gamma alpha)"),
        ("coercive field of a site without disorder", "0.385 (reduced units)"),
        ("field under the tip", f"{settings.field_per_v:g} a volt (reduced units)"),
        ("radius of the tip's contact", _nm(tip_radius_m(settings))),
        ("full width at half maximum of its field", _nm(field_width_m(settings))),
        ("width at half maximum of what it reads", _nm(2.3548 * settings.response_cells * cell)),
    ]


def _episode(settings: PFMSettings, chosen: PFMConfig) -> Table:
    """What an episode is."""
    speed = settings.speed_cells_s * settings.cell_m
    return [
        ("episode", "default"),
        ("pulses", str(chosen.pulses)),
        ("time limit", f"{chosen.time_limit_s:g} s"),
        ("largest bias", f"{HIGHEST_V:g} V"),
        ("time of a pulse besides the pulse itself", f"{settings.dead_time_s:g} s"),
        ("speed of the tip between pulses", f"{1e6 * speed:g} um/s"),
        ("time of an image", f"{settings.image_s:g} s"),
        ("time and largest bias of a loop", f"{settings.loop_s:g} s, {settings.loop_v:g} V"),
    ]


def _sizes() -> Table:
    """Maps of each observation mode."""
    rows = [(f"`{mode}`", f"{cells} x {cells}") for mode, cells in OBSERVATIONS.items()]
    return [("`observation`", "cells of a map"), *rows]


def _choices() -> Table:
    """What the two kinds of action choose from."""
    biases = ", ".join(f"{one:g}" for one in GRID_VOLTS)
    longest = SHORTEST_S * 10.0**DECADES
    return [
        ("`action`", "places", "biases, V", "lengths"),
        (
            "`continuous`",
            "anywhere",
            f"{-HIGHEST_V:g} to {HIGHEST_V:g}",
            f"{SHORTEST_S:g} s to {longest:g} s",
        ),
        ("`grid`", f"{GRID} x {GRID} cells, {SIZE // GRID} sites apart", biases, "10 ms"),
    ]


def _weights(chosen: PFMConfig) -> Table:
    """Default weights of the reward's terms."""
    weights = chosen.weights
    return [("term", "weight"), *((name, f"{getattr(weights, name):g}") for name in TERMS)]


def _families() -> Table:
    """Families of films and of patterns."""
    held = (*ferroelectrics.HELD_OUT, *patterns.HELD_OUT)

    def told(names: tuple[str, ...]) -> str:
        return ", ".join(f"`{name}`" + " (not for training)" * (name in held) for name in names)

    return [
        ("argument", "families"),
        ("`specimen`", told(ferroelectrics.FAMILIES)),
        ("`pattern`", told(patterns.PATTERNS)),
    ]


def _strengths() -> Table:
    """The switches that are one number."""
    rows = [(level, f"{DISORDER_LEVELS[level]:g}", f"{HEAT_LEVELS[level]:g}") for level in LEVELS]
    return [("level", "`disorder`, relative", "`heat`, reduced"), *rows]


def _nm(metres: float) -> str:
    return f"{1e9 * metres:.3g} nm"
