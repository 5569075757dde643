"""Numbers of the environment's page, taken from the code that uses them."""

import math
from collections.abc import Mapping

import numpy as np

from microgym.envs.core.old_docs import Table, number, switch
from microgym.envs.ptycho.config import (
    COHERENCE_LEVELS,
    DETECTOR_LEVELS,
    DWELL_RANGE_S,
    GRID,
    GRID_DWELLS_S,
    LEVELS,
    OBSERVATIONS,
    OPTICS,
    TERMS,
    PtychoConfig,
)
from microgym.envs.ptycho.progress_kernels import SEEN_EXPOSURES
from microgym.instruments.ptychography.settings import STAGE_LEVELS, PtychographySettings
from microgym.physics.damage import DAMAGE_LEVELS
from microgym.physics.probe import diameter
from microgym.physics.sampling import HC_EV_M, Geometry
from microgym.random import Role, episode_key
from microgym.specimens.families import fill
from microgym.specimens.splits import specimen_key

SAMPLE = 64
"""Training specimens that the statement about the structure's size rests on."""


def facts() -> Mapping[str, tuple[Table, ...]]:
    """What the page shows besides the class's docstring.

    Returns:
        Section of the page to its tables.
    """
    chosen = PtychoConfig()
    settings = chosen.settings()
    return {
        "Physics": (_optics(settings), _scan(settings, chosen)),
        "Observation Space": (_sizes(),),
        "Action Space": (_choices(settings),),
        "Rewards": (_weights(chosen),),
        "Arguments": ([("`optics`", "default"), *((n, f"{v:g}") for n, v in OPTICS.items())],),
        "Difficulty switches": (
            switch("drift", STAGE_LEVELS),
            _damage(),
            switch("detector", DETECTOR_LEVELS),
            _coherence(),
        ),
    }


def _optics(settings: PtychographySettings) -> Table:
    """What the instrument is."""
    geometry, optics = settings.geometry, OPTICS
    pixel = geometry.object_pixel_m
    width = diameter(settings.probe) * pixel
    report = geometry.report(width, pixel)
    radius = optics["numerical_aperture"] * optics["defocus_m"]
    curvature = radius**2 / (optics["wavelength_m"] * optics["defocus_m"])
    energy = HC_EV_M / geometry.wavelength_m
    n = geometry.detector_pixels
    return [
        ("instrument", "default"),
        ("wavelength", f"{_si(geometry.wavelength_m, 'm')} (photons of {_si(energy, 'eV')})"),
        ("specimen to detector", _si(geometry.distance_m, "m")),
        ("detector", f"{n} x {n} pixels of {_si(geometry.detector_pixel_m, 'm')}"),
        ("object pixel", _si(pixel, "m")),
        ("field that one pattern describes", _si(geometry.field_of_view_m, "m")),
        ("numerical aperture of the zone plate", f"{optics['numerical_aperture']:.3g}"),
        ("specimen behind the focus", _si(optics["defocus_m"], "m")),
        ("probe, geometric diameter 2 NA defocus", _lengths(2.0 * radius, geometry)),
        ("probe, circle with 90% of the power", _lengths(width, geometry)),
        ("oversampling of one pattern", f"{report.oversampling_ratio:.2g} (2 or more is sound)"),
        ("Fresnel number of the probe at the detector", f"{report.fresnel_number:.2g} (far field)"),
        ("Fresnel number of its curvature", f"{curvature:.2g} (radius^2 / wavelength defocus)"),
    ]


def _scan(settings: PtychographySettings, chosen: PtychoConfig) -> Table:
    """What an episode is."""
    geometry, pixel = settings.geometry, settings.geometry.object_pixel_m
    light = np.sum(np.abs(settings.probe) ** 2, axis=0)
    fluence = settings.photons_per_s * float(np.sum(light**2))
    region = settings.region_px
    step = region * pixel / math.sqrt(chosen.exposures)
    report = geometry.report(diameter(settings.probe) * pixel, step)
    low, high = _structure(settings)
    return [
        ("episode", "default"),
        ("region for the beam's centre", _lengths(region * pixel, geometry)),
        ("structure in it, most specimens", f"{low:.0%} to {high:.0%} of the region"),
        ("exposures", str(chosen.exposures)),
        ("time limit", f"{chosen.time_limit_s:g} s"),
        ("photons an exposure of 1 s", number(settings.photons_per_s)),
        ("fluence of such an exposure under the probe", f"{fluence:.0f} photons a pixel"),
        ("fluence from which a pixel counts as seen", f"{SEEN_EXPOSURES * fluence:.0f} a pixel"),
        ("step of an even scan", f"{_si(step, 'm')}: overlap {report.linear_overlap:.0%}"),
        ("dead time of an exposure", f"{settings.dead_time_s:g} s"),
        ("speed of the stage", f"{_si(settings.stage_speed_px_s * pixel, 'm')}/s"),
    ]


def _structure(settings: PtychographySettings) -> tuple[float, float]:
    """Tenth and ninetieth percentile of the structured part of the region, training specimens."""
    side, n, region = settings.field_px, settings.geometry.detector_pixels, settings.region_px
    keys = np.stack([specimen_key(episode_key(k, Role.WORLD), "train") for k in range(SAMPLE)])
    real, imag = np.empty((2, SAMPLE, side, side), np.float32)
    mask = np.empty((SAMPLE, side, side), np.uint8)
    fill("sparse", keys, real, imag, mask, margin=n // 2)
    inside = mask[:, n // 2 : n // 2 + region, n // 2 : n // 2 + region]
    low, high = np.quantile(inside.mean(axis=(1, 2)), (0.1, 0.9))
    return float(low), float(high)


def _sizes() -> Table:
    """Maps of each observation mode."""
    rows = [(f"`{mode}`", f"{cells} x {cells}") for mode, cells in OBSERVATIONS.items()]
    return [("`observation`", "cells of a map"), *rows]


def _choices(settings: PtychographySettings) -> Table:
    """What the two kinds of action choose from."""
    low, high = DWELL_RANGE_S
    pitch = settings.region_px / GRID
    times = ", ".join(f"{one:g}" for one in GRID_DWELLS_S)
    return [
        ("`action`", "positions", "exposure times"),
        ("`continuous`", "anywhere in the region", f"{low:g} s to {high:g} s"),
        ("`grid`", f"{GRID} x {GRID} cells, {pitch:g} px apart", f"{times} s"),
    ]


def _weights(chosen: PtychoConfig) -> Table:
    """Default weights of the reward's terms."""
    weights = chosen.weights
    return [("term", "weight"), *((name, f"{getattr(weights, name):g}") for name in TERMS)]


def _damage() -> Table:
    """The switch `damage`: photons per pixel after which each band has fallen to 1/e."""
    rows: Table = []
    for level in LEVELS:
        found = DAMAGE_LEVELS[level]
        bands = range(found.bands)
        fluences = (found.critical_fluence * 2.0 ** (found.exponent * band) for band in bands)
        rows.append((level, *(number(fluence) for fluence in fluences)))
    names = ["finest detail, photons a pixel to 1/e", *("an octave coarser" for _ in rows[0][2:])]
    return [("`damage`", *names), *rows]


def _coherence() -> Table:
    """The switch `coherence`."""
    rows = [(level, *(number(value) for value in COHERENCE_LEVELS[level])) for level in LEVELS]
    return [("`coherence`", "source on the specimen, px (standard deviation)", "modes"), *rows]


def _lengths(metres: float, geometry: Geometry) -> str:
    return f"{_si(metres, 'm')} ({metres / geometry.object_pixel_m:.3g} px)"


def _si(value: float, unit: str) -> str:
    """Three digits with a prefix: 1.55e-10 m becomes 155 pm."""
    power = min(max(math.floor(math.log10(value) / 3.0 + 1e-9), -4), 1)
    prefix = {-4: "p", -3: "n", -2: "u", -1: "m", 0: "", 1: "k"}[power]
    return f"{value / 1000.0**power:.3g} {prefix}{unit}"
