"""Arguments of Ptycho-v0, and the settings of the instrument that they ask for."""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import ClassVar

from microgym.envs.core import config as declare
from microgym.instruments.ptychography.settings import (
    DETECTOR_PIXELS,
    LENS,
    OPTICS,
    STAGE_LEVELS,
    PtychographySettings,
)
from microgym.instruments.recorded.probe_file import load_probe
from microgym.physics.camera import DETECTOR_LEVELS, SENSORS
from microgym.physics.coherence import COHERENCE_LEVELS
from microgym.physics.damage import DAMAGE_LEVELS
from microgym.physics.probe import make_probe
from microgym.physics.sampling import Geometry
from microgym.reconstruction.ptychography.neural import NeuralImage
from microgym.reconstruction.ptychography.observation_models import ClassicalImage, RawImage
from microgym.specimens.splits import FAMILIES, validate_family

CELLS = {"compact": 32, "full": 64, "features": 8}
"""Cells along an edge of the maps, by mode of the observation."""
MODELS = {"classical": ClassicalImage, "neural": NeuralImage, "raw": RawImage}
"""Observation models by the name that the argument `reconstructor` takes."""

GRID = 16
"""Cells along an edge of the discrete action grid (design choice: 8 px under a 25 px probe)."""
GRID_DWELLS_S = (0.1, 0.25, 0.8)
"""Exposure times of the discrete action, s (design choice: a glance, the time at which the oracle
does best, and one that drift and damage make too long)."""
DWELL_RANGE_S = (0.1, 10.0)
"""Shortest and longest exposure, s; the action is logarithmic between them (design choice)."""

_OF_SIMULATION = (
    "specimen",
    "probe",
    "optics",
    "drift",
    "damage",
    "sensor",
    "detector",
    "coherence",
)
"""Arguments that a recorded scan leaves nothing to do."""


@dataclass(frozen=True)
class PtychoConfig(declare.Config):
    """Arguments of Ptycho-v0."""

    PRESETS: ClassVar = {"easy": {"drift": "off", "damage": "off"}}

    specimen: str | Mapping[str, str] = declare.family(
        "sparse",
        FAMILIES,
        "path of an image file (TIFF, PNG, npz, npy, HDF5), mapping with the paths of an amplitude "
        "and a phase, or family",
    )
    split: str = declare.split()
    exposures: int = declare.integer(31, 1, 400, "exposures of an episode")
    time_budget_s: float | None = declare.positive(
        None, "time of an episode; None for 1.5 s an exposure", "s", optional=True
    )
    photons: float = declare.positive(
        1e6, "photons of an exposure of one second, at most 1e9; each stands for 1e4 at a beamline"
    )
    observation: str = declare.choice(
        "compact", tuple(CELLS), "maps of 32 or of 64 cells, or a vector"
    )
    action: str = declare.choice("continuous", ("continuous", "grid"), "kind of action")
    reconstructor: str = declare.choice("classical", tuple(MODELS), "observation model of the maps")
    drift: str = declare.level(STAGE_LEVELS, "drift, backlash and jitter of the stage", "easy")
    damage: str = declare.level(DAMAGE_LEVELS, "fading of the specimen", "easy")
    sensor: str = declare.choice("counting", SENSORS, "kind of detector")
    detector: str = declare.level(
        DETECTOR_LEVELS["counting"], "dead time or full well, read noise and beam stop", "off"
    )
    coherence: str = declare.level(COHERENCE_LEVELS, "partial coherence of the beam", "off")
    optics: Mapping[str, float] = declare.changes("optics to change, by name", tuple(OPTICS))
    probe: str | None = declare.anything(
        None, "path of a file with a probe, instead of the zone plate's"
    )
    recording: str | None = declare.anything(
        None, "path of a recorded scan, instead of the simulation"
    )
    final_sweeps: int = declare.integer(
        12, 0, 100, "sweeps through all exposures at the end of an episode"
    )

    def validate(self) -> None:
        """Check paths, family, and arguments that exclude each other."""
        if self.photons > 1e9:
            raise ValueError(f"photons={self.photons!r} must be at most 1e9 an exposure")
        for name in ("probe", "recording"):
            path = getattr(self, name)
            if path is not None and not isinstance(path, str | PathLike):
                raise TypeError(f"{name} must be a path, got {path!r}")
        if self.recording is not None:
            self._validate_recording()
        lens = set(LENS) & set(self.optics)
        if self.probe is not None and lens:
            raise ValueError(
                f"probe={self.probe!r} and optics of {sorted(lens)} exclude each other"
            )
        if not self.is_file:
            validate_family(str(self.specimen), self.split)

    def _validate_recording(self) -> None:
        """Refuse what a recorded scan has of its own."""
        for name in _OF_SIMULATION:
            value, usual = getattr(self, name), getattr(type(self), name, {})
            # Nothing drifts or fades beyond the recording.
            idle = (usual, "off") if name in ("drift", "damage") else (usual,)
            if value not in idle:
                raise ValueError(f"recording and {name}={value!r} exclude each other")

    @property
    def is_file(self) -> bool:
        """Whether `specimen` names a file rather than a family."""
        return isinstance(self.specimen, Mapping) or "." in str(self.specimen)

    @property
    def time_limit_s(self) -> float:
        """Time of an episode, s."""
        return 1.5 * self.exposures if self.time_budget_s is None else float(self.time_budget_s)

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
        chosen = self.switches
        del chosen["detector"]
        return PtychographySettings(
            geometry=geometry,
            probe=chosen.pop("coherence").modes_of(probe),
            photons_per_s=self.photons,
            stage=chosen.pop("drift"),
            detector=DETECTOR_LEVELS[self.sensor][self.detector],
            **chosen,
        )
