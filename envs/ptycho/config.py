"""Arguments of Ptycho-v0, and the settings of the instrument that they ask for."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from microgym.envs.core.config import (
    Config,
    anything,
    changes,
    choice,
    integer,
    level,
    positive,
    split,
)
from microgym.instruments.ptychography.settings import STAGE_LEVELS, PtychographySettings
from microgym.instruments.recorded.probe_file import load_probe
from microgym.physics.camera import Detector
from microgym.physics.coherence import coherent_modes
from microgym.physics.damage import DAMAGE_LEVELS
from microgym.physics.probe import make_probe
from microgym.physics.sampling import Geometry
from microgym.reconstruction.ptychography.neural import NeuralImage
from microgym.reconstruction.ptychography.observation_models import (
    ClassicalImage,
    ImageModel,
    RawImage,
)
from microgym.specimens.splits import validate_family

CELLS = {"compact": 32, "full": 64, "features": 8}
"""Cells along an edge of the maps, by mode of the observation."""
MODELS: Mapping[str, type[ImageModel]] = {
    "classical": ClassicalImage,
    "neural": NeuralImage,
    "raw": RawImage,
}
"""Observation models by the name that the argument `reconstructor` takes."""

GRID = 16
"""Cells along an edge of the discrete action grid (design choice: 8 px under a 25 px probe)."""
GRID_DWELLS_S = (0.3, 1.0, 3.0)
"""Exposure times of the discrete action, s (design choice)."""
DWELL_RANGE_S = (0.1, 10.0)
"""Shortest and longest exposure, s; the action is logarithmic between them (design choice)."""

DETECTOR_LEVELS = {
    "off": Detector(),
    "easy": Detector(saturation_counts=2.0**20),
    "real": Detector(saturation_counts=2.0**16, beam_stop_px=1.5),
    "hard": Detector(saturation_counts=2.0**14, beam_stop_px=2.5, read_noise_counts=1.0),
}
"""Full wells of 20, 16 and 14 bits, a stop over the direct beam, read noise (design choices)."""


@dataclass(frozen=True)
class Coherence:
    """Partial coherence of the beam.

    Attributes:
        source_px: standard deviation of the source's image on the specimen, px.
        modes: modes that are kept.
    """

    source_px: float = 0.0
    modes: int = 1


COHERENCE_LEVELS = {
    "off": Coherence(),
    "easy": Coherence(0.5, 3),
    "real": Coherence(1.0, 3),
    "hard": Coherence(2.0, 4),
}
"""The switch of coherence (design choices)."""

OPTICS: dict[str, float] = {
    "wavelength_m": 1.55e-10,
    "distance_m": 0.6194,
    "detector_pixel_m": 150e-6,
    "numerical_aperture": 2.5e-3,
    "defocus_m": 50e-6,
}
"""Hard X-rays (8 keV), a zone plate of 31 nm outermost zone 50 um upstream of the specimen, a
detector of 64 pixels of 150 um at 0.62 m: object pixels of 10 nm, a probe 25 px across with a
Fresnel number of 2. These are design choices within the range of existing instruments. A probe
small against the field makes the choice of positions matter, and its curvature makes single
exposures informative."""
LENS = ("numerical_aperture", "defocus_m")
"""The optics of the zone plate, which a probe from a file replaces."""

DETECTOR_PIXELS = 64


@dataclass(frozen=True)
class PtychoConfig(Config):
    """Arguments of Ptycho-v0."""

    specimen: str | Mapping[str, str] = anything(
        "sparse",
        "family of `microgym.specimens.splits.FAMILIES`, path of an image file (TIFF, PNG, npz, "
        "npy, HDF5), or a mapping with the paths of an amplitude and a phase",
    )
    split: str = split()
    exposures: int = integer(24, 1, 400, "exposures of an episode")
    time_budget_s: float | None = positive(
        None, "time of an episode; None for 2 s an exposure", "s", optional=True
    )
    photons: float = positive(1e5, "photons of an exposure of one second, at most 1e9")
    observation: str = choice("compact", tuple(CELLS), "maps of 32 or of 64 cells, or a vector")
    action: str = choice("continuous", ("continuous", "grid"), "kind of action")
    reconstructor: str = choice("classical", tuple(MODELS), "observation model of the maps")
    drift: str = level(STAGE_LEVELS, "drift, backlash and jitter of the stage", "easy")
    damage: str = level(DAMAGE_LEVELS, "fading of the specimen", "easy")
    detector: str = level(DETECTOR_LEVELS, "imperfections of the detector", "off")
    coherence: str = level(COHERENCE_LEVELS, "partial coherence of the beam", "off")
    optics: Mapping[str, float] = changes("optics to change, by name", tuple(OPTICS))
    probe: str | None = anything(None, "path of a file with a probe, instead of the zone plate's")
    recording: str | None = anything(None, "path of a recorded scan, instead of the simulation")
    final_sweeps: int = integer(5, 0, 100, "sweeps through all exposures at the end of an episode")

    def validate(self) -> None:
        """Check paths, family, and arguments that exclude each other."""
        if self.photons > 1e9:
            raise ValueError(f"photons={self.photons!r} must be at most 1e9 an exposure")
        for name in ("probe", "recording"):
            path = getattr(self, name)
            if path is not None and not isinstance(path, str | PathLike):
                raise TypeError(f"{name} must be a path, got {path!r}")
        unused = {"specimen": self.is_file, "probe": self.probe, "optics": self.optics}
        for name, given in unused.items():
            if self.recording is not None and given:
                value = getattr(self, name)
                raise ValueError(f"recording and {name}={value!r} exclude each other")
        lens = set(LENS) & set(self.optics)
        if self.probe is not None and lens:
            raise ValueError(
                f"probe={self.probe!r} and optics of {sorted(lens)} exclude each other"
            )
        if not self.is_file:
            validate_family(str(self.specimen), self.split)

    @property
    def is_file(self) -> bool:
        """Whether `specimen` names a file rather than a family."""
        return isinstance(self.specimen, Mapping) or "." in str(self.specimen)

    @property
    def time_limit_s(self) -> float:
        """Time of an episode, s."""
        return 2.0 * self.exposures if self.time_budget_s is None else float(self.time_budget_s)

    @property
    def settings(self) -> PtychographySettings:
        """Settings of the simulated instrument.

        Raises:
            ValueError: optics out of range, or a probe file that cannot be used.
            FileNotFoundError: no such probe file.
        """
        optics = OPTICS | dict(self.optics)
        aperture, defocus_m = (optics.pop(name) for name in LENS)
        geometry = Geometry(**optics, detector_pixels=DETECTOR_PIXELS)
        probe = (
            make_probe(geometry, numerical_aperture=aperture, defocus_m=defocus_m)
            if self.probe is None
            else load_probe(self.probe, DETECTOR_PIXELS)
        )
        coherence = COHERENCE_LEVELS[self.coherence]
        if coherence.source_px > 0.0:
            probe = _coherent_modes(probe.tobytes(), coherence.source_px, coherence.modes)
        return PtychographySettings(
            geometry=geometry,
            probe=probe,
            photons_per_s=self.photons,
            stage=STAGE_LEVELS[self.drift],
            damage=DAMAGE_LEVELS[self.damage],
            detector=DETECTOR_LEVELS[self.detector],
        )


@functools.lru_cache(maxsize=8)
def _coherent_modes(probe: bytes, sigma: float, modes: int) -> NDArray[np.complex64]:
    """Modes of a probe of one mode; cached, as they take a good part of a second."""
    wave = np.frombuffer(probe, np.complex64).reshape(-1, DETECTOR_PIXELS, DETECTOR_PIXELS)
    if len(wave) != 1:
        raise ValueError(f"coherence must be 'off' with a probe of {len(wave)} modes")
    found = coherent_modes(wave[0], sigma, modes)
    found.flags.writeable = False
    return found
