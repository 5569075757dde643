"""A scanned coherent-diffraction microscope, N at a time.

One exposure: the stage moves (late, with backlash and drift), the probe falls on the specimen, the
exit wave goes to the detector by one unitary transform, photons are counted, and the specimen fades
where it was hit. Time, photons, exposures and path are charged to a ledger.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.instruments.ledger import Ledger
from microgym.instruments.ptychography import kernels
from microgym.numerics.fft import plan
from microgym.numerics.linalg import dft2, squared
from microgym.numerics.workspace import workspace
from microgym.physics.camera import Detector
from microgym.physics.damage import DAMAGE_LEVELS, DamageParameters, split_bands
from microgym.physics.diffraction import sum_intensity
from microgym.physics.probe import check_probe
from microgym.physics.sampling import Geometry
from microgym.physics.stage import STAGE_LEVELS, StageParameters, StageState
from microgym.specimens.families import fill
from microgym.specimens.splits import specimen_key
from microgym.state import allocate, clear
from microgym.validation import finite, integer, positive

DEAD_TIME_S = 0.2
"""Read-out and shutter of one exposure, s (design choice)."""
STAGE_SPEED_PX_S = 100.0
"""Speed of the stage, object pixels a second: 1 um/s at 10 nm (design choice)."""

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PtychographySettings:
    """What the instrument is made of.

    Attributes:
        geometry: wavelength, distance, detector; gives the pixel of the object.
        probe: (modes, n, n) or (n, n) complex illumination; normalised to power one.
        region_px: edge of the square in which the probe's centre may stand, object pixels.
        photons_per_s: photons that the probe holds, a second.
        dead_time_s: read-out and shutter, charged to every exposure, s.
        stage_speed_px_s: speed of the stage, object pixels a second.
        stage: imperfections of the stage.
        damage: fading of the specimen.
        detector: imperfections of the detector.
    """

    geometry: Geometry
    probe: NDArray[np.complex64]
    region_px: int = 128
    photons_per_s: float = 1e5
    dead_time_s: float = DEAD_TIME_S
    stage_speed_px_s: float = STAGE_SPEED_PX_S
    stage: StageParameters = field(default_factory=lambda: STAGE_LEVELS["easy"])
    damage: DamageParameters = field(default_factory=lambda: DAMAGE_LEVELS["easy"])
    detector: Detector = field(default_factory=Detector)

    def __post_init__(self) -> None:
        """Check and normalise."""
        object.__setattr__(self, "probe", check_probe(self.probe, self.geometry.detector_pixels))
        integer("region_px", self.region_px, 16, 2048)
        if finite("dead_time_s", self.dead_time_s) < 0.0:
            raise ValueError(f"dead_time_s={self.dead_time_s!r} must be at least 0")
        for name in ("photons_per_s", "stage_speed_px_s"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))

    @property
    def field_px(self) -> int:
        """Edge of the specimen array, px: the region and half a patch on each side."""
        return self.region_px + self.geometry.detector_pixels


class PtychographyInstrument:
    """N ptychographic microscopes; every array has the leading axis N.

    Positions are (y, x) of the probe's centre in object pixels of the specimen array; they run from
    n/2 to n/2 + region. The encoder of the stage counts whole pixels (design choice), so commands
    are rounded; where the beam really falls is a real number.

    Args:
        num_envs: N.
        settings: what the instrument is made of.

    Attributes:
        keys: (N, 2) uint32, keys of the episodes.
        object_re, object_im: (N, H, W) float32, transmission function as it is now.
        pristine_re, pristine_im: (N, H, W) float32, as it was before the first photon.
        structure: (N, H, W) uint8, 1 where the specimen differs from vacuum.
        bands: (N, B, 2, H, W) float32, contrast by band of spatial frequency, finest first.
        fluence: (N, H, W) float32, photons per object pixel so far.
        counts: (N, n*n) float32, last reading; known: where it can be trusted.
        beam: (N, 2) float64, where the last exposure really fell, px.
        corner: (N, 2) int64, corner of its patch as commanded, px.
        photons: (N,) float64, its incident photons.
        most_photons: photons that one exposure can have at most.
        known_probe: (modes, n, n) complex64, what the operator knows of the illumination.
        disk: (n*n,) float32, 1 inside the direct beam on the detector.
        fatal_fluence: photons per pixel after which even the coarsest band is below 1/e.
        stage: state of the stage.
        ledger: time, dose, exposures, path.
    """

    def __init__(self, num_envs: int, settings: PtychographySettings) -> None:
        self.settings = settings
        self.num_envs = integer("num_envs", num_envs, 1, 1 << 16)
        n = settings.geometry.detector_pixels
        side = settings.field_px
        self.n = n
        self.plan = plan(n)
        flat = settings.probe.reshape(settings.probe.shape[0], n * n)
        self.probe_re = np.ascontiguousarray(flat.real)
        self.probe_im = np.ascontiguousarray(flat.imag)
        spectrum = dft2(settings.probe).reshape(flat.shape)
        self.spectrum_re = spectrum.real.astype(np.float32)
        self.spectrum_im = spectrum.imag.astype(np.float32)
        self.mask = settings.detector.mask(n).ravel()
        self.region_px = settings.region_px
        self.field_px = side
        self.known_probe = settings.probe
        self.most_photons = np.inf
        self.disk = direct_beam(settings.probe)
        fades = settings.damage.critical_fluence < np.inf
        self.inverse_critical = settings.damage.inverse_critical()[: None if fades else 0]
        bands = self.inverse_critical.size
        self.fatal_fluence = float(1.0 / self.inverse_critical[-1]) if bands else np.inf
        shape = (self.num_envs, side, side)
        self.keys = np.zeros((self.num_envs, 2), np.uint32)
        self.object_re = np.ones(shape, np.float32)
        self.object_im = np.zeros(shape, np.float32)
        self.pristine_re = np.ones(shape, np.float32)
        self.pristine_im = np.zeros(shape, np.float32)
        self.structure = np.zeros(shape, np.uint8)
        self.bands = np.zeros((self.num_envs, bands, 2, side, side), np.float32)
        self.fluence = np.zeros(shape, np.float32)
        self.counts = np.zeros((self.num_envs, n * n), np.float32)
        self.known = np.ones((self.num_envs, n * n), np.float32)
        self.command = np.zeros((self.num_envs, 2))
        self.corner = np.zeros((self.num_envs, 2), np.int64)
        self.photons = np.ones(self.num_envs)
        self.beam = np.zeros((self.num_envs, 2))
        self.stage = StageState.at_origin(self.num_envs)
        self.ledger = allocate(Ledger, self.num_envs)
        self._work = kernels.exposure_work(n, flat.shape[0])
        self._arguments = self._collected()

    def _collected(self) -> tuple[Any, ...]:
        """What `expose_rows` is told at every exposure: arrays that live as long as this does."""
        settings, stage, ledger = self.settings, self.stage, self.ledger
        parameters, detector = settings.stage, settings.detector
        light = np.empty(self.n * self.n, np.float32)
        sum_intensity(self.probe_re, self.probe_im, light)
        constants = np.array(
            [
                settings.photons_per_s,
                settings.dead_time_s,
                settings.stage_speed_px_s,
                settings.geometry.object_pixel_m,
                parameters.settling_time_s,
                parameters.wander_px,
                parameters.wander_time_s,
                parameters.backlash_px,
                parameters.jitter_px,
                detector.saturation_counts,
                detector.read_noise_counts,
            ]
        )
        mask = self.mask[: None if self.mask.min() < 1.0 else 0]
        return (
            self.keys,
            (self.object_re, self.object_im, self.bands, self.fluence),
            (self.probe_re, self.probe_im, self.spectrum_re, self.spectrum_im, light),
            (self.counts, self.known, mask, self.inverse_critical),
            stage.arrays,
            (stage.play, self.command, self.beam, self.corner),
            (ledger.time_s, ledger.dose, ledger.exposures, ledger.path_m, self.photons),
            constants,
            self.n,
            self.plan.radices,
            self.plan.twiddles,
        )

    def reset(self, rows: Rows, keys: NDArray[np.uint32], family: str, split: str) -> None:
        """Put fresh specimens under the listed microscopes.

        Args:
            rows: (k,) int64.
            keys: (k, 2) uint32, keys of the episodes.
            family: one of `microgym.specimens.families.FAMILIES`.
            split: one of `microgym.specimens.splits.SPLITS`.
        """
        own = np.stack([specimen_key(key, split) for key in keys])
        side = self.settings.field_px
        real = np.empty((rows.size, side, side), np.float32)
        imag = np.empty_like(real)
        structure = np.empty(real.shape, np.uint8)
        fill(family, own, real, imag, structure, margin=self.n // 2)
        self.mount(rows, keys, real, imag, structure)

    def mount(
        self,
        rows: Rows,
        keys: NDArray[np.uint32],
        real: Float32,
        imag: Float32,
        structure: NDArray[np.uint8],
    ) -> None:
        """Put given specimens under the listed microscopes and start their clocks.

        Args:
            rows: (k,) int64.
            keys: (k, 2) uint32, keys of the episodes.
            real, imag: (k, H, W) float32, transmission functions.
            structure: (k, H, W) uint8, 1 where the specimen differs from vacuum.
        """
        self.keys[rows] = keys
        self.pristine_re[rows] = real
        self.pristine_im[rows] = imag
        self.object_re[rows] = real
        self.object_im[rows] = imag
        self.structure[rows] = structure
        self.fluence[rows] = 0.0
        self.counts[rows] = 0.0
        self.known[rows] = 1.0
        centre = 0.5 * self.settings.field_px
        self.command[rows] = centre
        self.beam[rows] = centre
        clear(self.ledger, rows)
        if self.inverse_critical.size:
            side = self.settings.field_px
            work = workspace(2 * side * side).reshape(2, side, side)
            for row in rows:
                split_bands(self.pristine_re[row], self.pristine_im[row], self.bands[row], work)
        stage, parameters = self.stage, self.settings.stage
        sizes = (parameters.drift_px_s, parameters.settling_px)
        kernels.start_stages(rows, self.keys, centre, sizes, stage.arrays, stage.play)

    def expose(self, rows: Rows, positions: Float64, dwell_s: Float64) -> None:
        """Take one exposure in each of the listed microscopes.

        Args:
            rows: (k,) int64.
            positions: (N, 2) float64, commanded centres of the probe, px; read in the rows.
            dwell_s: (N,) float64, exposure times, s; read in the rows.
        """
        kernels.expose_rows(rows, positions, dwell_s, *self._arguments, workspace(self._work))

    def state_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The live arrays that are the instrument's whole state, by name."""
        own = {
            name: getattr(self, name)
            for name in (
                "keys",
                "object_re",
                "object_im",
                "pristine_re",
                "pristine_im",
                "structure",
                "bands",
                "fluence",
                "counts",
                "known",
                "command",
                "corner",
                "photons",
                "beam",
            )
        }
        stage = {f"stage_{name}": array for name, array in vars(self.stage).items()}
        ledger = {f"ledger_{name}": array for name, array in self.ledger._asdict().items()}
        return own | stage | ledger


def direct_beam(probe: NDArray[np.complex64]) -> Float32:
    """Where the unscattered beam falls on the detector.

    Args:
        probe: (modes, n, n) illumination.

    Returns:
        (n*n,) float32, 1 where the empty beam has at least a hundredth of its peak intensity, zero
        frequency at element 0.
    """
    far = np.sum(squared(dft2(probe)), axis=0)
    return (far >= 0.01 * far.max()).astype(np.float32).ravel()
