"""The arguments of `gymnasium.make("Ptycho-v0", ...)`, checked once and turned into parts."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from microgym.envs.core.old_config import LEVELS, Config
from microgym.envs.core.old_rewards import RewardWeights
from microgym.instruments.ptychography.settings import STAGE_LEVELS, PtychographySettings
from microgym.instruments.recorded.probe_file import load_probe
from microgym.physics.camera import Detector
from microgym.physics.coherence import coherent_modes
from microgym.physics.damage import DAMAGE_LEVELS
from microgym.physics.probe import make_probe
from microgym.physics.sampling import Geometry
from microgym.specimens.splits import SPLITS, validate_family
from microgym.validation import boolean, choice, integer, positive

OBSERVATIONS = {"compact": 32, "full": 64, "features": 8}
"""Observation modes and the cells along an edge of their maps."""
TERMS = ("resolution", "discovery", "dose", "damage", "time")
"""Terms of the reward, in the order of a vector reward's columns."""
ACTIONS = ("continuous", "grid")
RECONSTRUCTORS = ("classical", "neural", "raw")

GRID = 16
"""Cells along an edge of the discrete action grid (design choice: 8 px under a 25 px probe)."""
GRID_DWELLS_S = (0.3, 1.0, 3.0)
"""Exposure times the discrete action offers, s (design choice)."""
DWELL_RANGE_S = (0.1, 10.0)
"""Shortest and longest exposure, s; the action is logarithmic between them (design choice)."""

DETECTOR_LEVELS = {
    "off": Detector(),
    "easy": Detector(saturation_counts=2.0**20),
    "real": Detector(saturation_counts=2.0**16, beam_stop_px=1.5),
    "hard": Detector(saturation_counts=2.0**14, beam_stop_px=2.5, read_noise_counts=1.0),
}
"""Full wells of 20, 16 and 14 bits, a stop over the direct beam, read noise (design choices)."""

COHERENCE_LEVELS = {"off": (0.0, 1), "easy": (0.5, 3), "real": (1.0, 3), "hard": (2.0, 4)}
"""Size of the source on the specimen (standard deviation, px) and modes kept (design choices)."""

OPTICS: dict[str, float] = {
    "wavelength_m": 1.55e-10,
    "distance_m": 0.6194,
    "detector_pixel_m": 150e-6,
    "numerical_aperture": 2.5e-3,
    "defocus_m": 50e-6,
}
"""Hard X-rays (8 keV), a zone plate of 31 nm outermost zone 50 um upstream of the specimen, a
detector of 64 pixels of 150 um at 0.62 m: object pixels of 10 nm, a probe 25 px across with a
Fresnel number of 2. Design choices within what is built; a probe small against the field is what
makes places matter, and its curvature is what makes single exposures readable."""

DETECTOR_PIXELS = 64


@dataclass(frozen=True)
class PtychoConfig(Config):
    """Everything a user may choose.

    Attributes:
        specimen: a family of `microgym.specimens.FAMILIES`, or the path of an image file (TIFF,
            PNG, npz, npy, HDF5), or a mapping with the paths of an "amplitude" and a "phase".
        split: "train", "validation" or "test": disjoint sets of specimens.
        exposures: exposures an episode has, 1 to 400.
        time_budget_s: time an episode has, s; None for 2 s an exposure.
        photons: photons of an exposure of one second.
        observation: "compact" (maps of 32x32), "full" (64x64) or "features" (a vector).
        action: "continuous" or "grid".
        reconstructor: what the maps show: the running "classical" reconstruction, what a "neural"
            network makes of it, or "raw" signals.
        drift, damage, detector, coherence: switches, each "off", "easy", "real" or "hard".
        optics: changes to `OPTICS`, by name.
        probe: path of a file with a probe to use in place of the zone plate's.
        recording: path of a recorded scan to use in place of the simulated instrument.
        reward_weights: changes to the weights of the reward's terms, by name.
        reward_mode: "scalar" or "vector".
        reveal: put the hidden state into `info["latent"]`.
        final_sweeps: sweeps through all exposures when an episode ends, 0 to 100.
        threads: threads that share a batch.
    """

    env_id = "Ptycho-v0"

    specimen: str | Mapping[str, str] = "sparse"
    split: str = "train"
    exposures: int = 24
    time_budget_s: float | None = None
    photons: float = 1e5
    observation: str = "compact"
    action: str = "continuous"
    reconstructor: str = "classical"
    drift: str = "easy"
    damage: str = "easy"
    detector: str = "off"
    coherence: str = "off"
    optics: Mapping[str, float] = field(default_factory=dict)
    probe: str | None = None
    recording: str | None = None
    reward_weights: Mapping[str, float] = field(default_factory=dict)
    reward_mode: str = "scalar"
    reveal: bool = False
    final_sweeps: int = 5
    threads: int = 1

    def __post_init__(self) -> None:
        """Check everything that needs no file."""
        choice("split", self.split, SPLITS)
        choice("observation", self.observation, tuple(OBSERVATIONS))
        choice("action", self.action, ACTIONS)
        choice("reconstructor", self.reconstructor, RECONSTRUCTORS)
        for name in ("drift", "damage", "detector", "coherence"):
            choice(name, getattr(self, name), LEVELS)
        boolean("reveal", self.reveal)
        integer("exposures", self.exposures, 1, 400)
        integer("final_sweeps", self.final_sweeps, 0, 100)
        positive("photons", self.photons)
        if self.photons > 1e9:
            raise ValueError(f"photons={self.photons!r} must be at most 1e9 an exposure")
        if self.time_budget_s is not None:
            positive("time_budget_s", self.time_budget_s)
        _ = self.weights
        if not isinstance(self.optics, Mapping):
            raise TypeError(f"optics must map names to numbers, got {self.optics!r}")
        for name in self.optics:
            choice("optics", name, tuple(OPTICS))
        for name in ("probe", "recording"):
            path = getattr(self, name)
            if path is not None and not isinstance(path, str | PathLike):
                raise TypeError(f"{name} must be a path, got {path!r}")
        self._check_exclusions()
        if not self.is_file:
            validate_family(self.family, self.split)

    def _check_exclusions(self) -> None:
        """Refuse arguments that others leave without effect."""
        idle = {"specimen": self.is_file, "probe": self.probe, "optics": self.optics}
        for name, given in idle.items():
            if self.recording is not None and given:
                value = getattr(self, name)
                raise ValueError(f"recording and {name}={value!r} exclude each other")
        lens = {"numerical_aperture", "defocus_m"} & set(self.optics)
        if self.probe is not None and lens:
            raise ValueError(
                f"probe={self.probe!r} and optics of {sorted(lens)} exclude each other"
            )

    @property
    def is_file(self) -> bool:
        """Whether `specimen` names a file rather than a family."""
        return isinstance(self.specimen, Mapping) or "." in str(self.specimen)

    @property
    def family(self) -> str:
        """The family of specimens; meaningless where `is_file`."""
        return str(self.specimen)

    @property
    def weights(self) -> RewardWeights:
        """Weights of the reward's terms."""
        return RewardWeights().updated(self.reward_weights, TERMS)

    @property
    def time_limit_s(self) -> float:
        """Time an episode has, s."""
        return 2.0 * self.exposures if self.time_budget_s is None else float(self.time_budget_s)

    def settings(self) -> PtychographySettings:
        """The simulated instrument that these arguments ask for.

        Raises:
            ValueError: optics that cannot be, or a probe file that cannot be used.
            FileNotFoundError: no such probe file.
        """
        optics = OPTICS | dict(self.optics)
        geometry = Geometry(
            optics["wavelength_m"],
            optics["distance_m"],
            optics["detector_pixel_m"],
            DETECTOR_PIXELS,
        )
        probe: NDArray[np.complex64]
        if self.probe is None:
            probe = make_probe(
                geometry,
                numerical_aperture=optics["numerical_aperture"],
                defocus_m=optics["defocus_m"],
            )
        else:
            probe = load_probe(self.probe, DETECTOR_PIXELS)
        sigma, modes = COHERENCE_LEVELS[self.coherence]
        if sigma > 0.0:
            probe = _coherent_modes(probe.tobytes(), sigma, modes)
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
    """Modes of a probe of one mode; kept, as they take a good part of a second."""
    wave = np.frombuffer(probe, np.complex64).reshape(-1, DETECTOR_PIXELS, DETECTOR_PIXELS)
    if len(wave) != 1:
        raise ValueError(f"coherence must be 'off' with a probe of {len(wave)} modes")
    found = coherent_modes(wave[0], sigma, modes)
    found.flags.writeable = False
    return found
