"""Simulated scanning microscope for coherent diffraction, N at a time.

An exposure: the stage moves, with backlash and drift; the probe falls on the specimen; one unitary
transform carries the exit wave to the detector; photons are counted; and the contrast of the
specimen fades with the photons it received. Time, photons, exposures and path go to a ledger.
"""

import copy
from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from microgym.instruments.ptychography import kernels
from microgym.instruments.ptychography.settings import PtychographySettings, direct_beam
from microgym.instruments.ptychography.state import PtychographyState
from microgym.jit.bound import Bound
from microgym.numerics.workspace import workspace
from microgym.random import Role, stream
from microgym.random.streams import PtychoExogenous
from microgym.specimens.sample import Sample, Specimens, draw_specimens, load_sample
from microgym.state import Float64, Int64, Uint32, allocate, clear
from microgym.validation import integer


class DiffractionMicroscope(ABC):
    """Controls in, measurement and ledger out: simulators, recordings and real instruments.

    Args:
        num_envs: N, specimens.
        probe: (modes, n, n) complex64, known illumination.
        region_px: edge of the square in which the probe's centre may stand, px.
        probes: probes on each specimen; probe p of specimen s is row `probes * s + p` of the state.
        bands: bands of spatial frequency in which specimens fade.

    Attributes:
        n: edge of a diffraction pattern, px.
        region_px, probes: as given.
        field_px: edge of the specimen array, px; positions run from n/2 to n/2 + region.
        pixel_m: edge of an object pixel, m; 0 where it is not known.
        known_probe: the illumination.
        disk: (n*n,) float32, 1 inside the direct beam on the detector.
        most_photons: most photons of one exposure.
        fatal_fluence: photons per pixel after which even the coarsest band is below 1/e.
        state: probes, latest measurement and ledger.
        sample: the specimens, hidden from agents.
    """

    pixel_m: float = 0.0
    most_photons: float = np.inf
    fatal_fluence: float = np.inf

    def __init__(
        self,
        num_envs: int,
        probe: NDArray[np.complex64],
        region_px: int,
        probes: int = 1,
        bands: int = 0,
    ) -> None:
        count = integer("num_envs", num_envs, 1, 1 << 16)
        self.probes = integer("probes", probes, 1, 64)
        self.n, self.region_px = probe.shape[-1], region_px
        self.field_px = region_px + self.n
        self.illuminate(probe)
        sizes = {"pixels": self.n * self.n, "field_px": self.field_px}
        self.state = allocate(PtychographyState, count * probes, drift_axes=2, **sizes)
        self.sample = allocate(Sample, count, bands=bands, **sizes)

    def illuminate(self, probe: NDArray[np.complex64]) -> None:
        """Set the known illumination, (modes, n, n), and its direct beam."""
        self.known_probe, self.disk = probe, direct_beam(probe)

    @abstractmethod
    def reset(self, rows: Int64, keys: Uint32, family: str, split: str) -> None:
        """Begin episodes in the listed rows, with specimens of a family where they can be chosen.

        Args:
            rows: (k,) int64.
            keys: (k, 2) uint32, keys of the episodes.
            family: one of `microgym.specimens.families.FAMILIES`.
            split: one of `microgym.specimens.splits.SPLITS`.

        Raises:
            ValueError: an unknown family or split.
        """

    def tuned(self, settings: Any) -> Self:
        """The same microscopes over the same samples by other settings, where there are some."""
        del settings
        return self

    @abstractmethod
    def expose(self, rows: Int64, positions: Float64, dwell_s: Float64) -> None:
        """Take one exposure in each of the listed rows.

        Probes that stand over one specimen expose it at the same time if their rows follow each
        other.

        Args:
            rows: (k,) int64.
            positions: (N, 2) float64, commanded centres of the probe, px; read in the rows.
            dwell_s: (N,) float64, exposure times, s; read in the rows.
        """


class PtychographyInstrument(DiffractionMicroscope):
    """Simulated ptychographic microscopes.

    Positions are (y, x) of the probe's centre in object pixels of the specimen array; they run from
    n/2 to n/2 + region. The encoder of the stage counts whole pixels (design choice), so commands
    are rounded; the true position of the beam is a real number.

    Args:
        num_envs, probes: as for `DiffractionMicroscope`.
        settings: optics, detector, stage and damage.

    Attributes:
        settings: as given.
        parameters: the settings as kernels take them.
    """

    def __init__(self, num_envs: int, settings: PtychographySettings, probes: int = 1) -> None:
        bands = settings.damage.bands
        super().__init__(num_envs, settings.probe, settings.region_px, probes, bands)
        self.tune(settings)

    def tune(self, settings: PtychographySettings) -> None:
        """Set all that follows from settings, but state and sample."""
        self.settings = settings
        if settings.probe is not self.known_probe:
            self.illuminate(settings.probe)
        self.parameters = settings.parameters._replace(probes=self.probes)
        self.pixel_m = self.parameters.pixel_m
        rates = self.parameters.inverse_critical
        self.fatal_fluence = float(1.0 / rates[-1]) if rates.size else np.inf
        self._work = kernels.exposure_work(self.n, len(settings.probe), self.probes)
        self._expose = Bound(kernels.expose_rows, self.parameters, self.state, self.sample)

    def tuned(self, settings: PtychographySettings) -> Self:
        """The same microscopes over the same samples, by other settings."""
        other = copy.copy(self)
        other.tune(settings)
        return other

    def reset(self, rows: Int64, keys: Uint32, family: str, split: str) -> None:
        """Load specimens of a family and begin.

        Args:
            rows: (k,) int64, rows of the sample.
            keys: (k, 2) uint32, keys of the episodes.
            family, split: of the specimens, see `microgym.specimens.families`.
        """
        self.load(rows, draw_specimens(keys, family, split, self.field_px, self.n // 2))
        self.start(rows, keys)

    def load(self, rows: Int64, specimens: Specimens) -> None:
        """Replace specimens by unexposed ones.

        Args:
            rows: (k,) int64, rows of the sample.
            specimens: k specimens, or one for all of them.
        """
        load_sample(self.sample, rows, specimens, fades=self.parameters.inverse_critical.size > 0)

    def start(self, rows: Int64, keys: Uint32) -> None:
        """Put stages to rest over the centre of the field and begin empty ledgers.

        Args:
            rows: (k,) int64, rows of the sample; all probes on them start.
            keys: (k, 2) uint32, keys of the episodes.
        """
        probes = self.probe_rows(rows)
        clear(self.state, probes)
        own = np.repeat(keys, self.probes, axis=0)
        # The first probe has the episode's own key, each other one a key of its own.
        for number in range(1, self.probes):
            for key in own[number :: self.probes]:
                key[:] = stream(*key, Role.EXOGENOUS, PtychoExogenous.PROBES + number)
        self.state.keys[probes] = own
        self.state.measurement.known[probes] = 1.0
        kernels.start_rows(probes, 0.5 * self.field_px, self.parameters, self.state)

    def probe_rows(self, rows: Int64) -> Int64:
        """Rows of the state that are the probes on rows of the sample: (k,) to (k * probes,)."""
        return (rows[:, None] * self.probes + np.arange(self.probes)).ravel()

    def park(self, probes: Int64, positions: Float64) -> None:
        """Put stages that have started to rest over other positions, at no cost of time.

        Args:
            probes: (k,) int64, rows of the state.
            positions: (k, 2) float64, px.
        """
        at = np.floor(positions + 0.5)
        for place in (self.state.command, self.state.beam, self.state.play):
            place[probes] = at

    def wait(self, rows: Int64) -> None:
        """Let the probes on each specimen wait for the slowest of them, while they drift.

        Args:
            rows: (k,) int64, rows of the sample.
        """
        kernels.wait_rows(rows, self.parameters, self.state)

    def expose(self, rows: Int64, positions: Float64, dwell_s: Float64) -> None:
        """Move, expose, count, and fade the specimen.

        Args:
            rows: (k,) int64, rows of the state.
            positions: (N, 2) float64, commanded (y, x), px of the field.
            dwell_s: (N,) float64, exposure times, s.
        """
        self._expose(rows, positions, dwell_s, workspace(self._work))
