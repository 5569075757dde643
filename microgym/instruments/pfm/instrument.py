"""Piezoresponse force microscopes that write domains, N at a time.

One pulse: the tip moves to a place (and misses it by the drift), the film switches back a little
meanwhile, then the bias acts through the tip's field on a lattice of polarisations, of which only
the part within the reach of the tip moves. An image shows
the polarisation through the tip, takes long, and disturbs a little. Time, bias times time, pulses
and path are charged to a ledger.
"""

import numpy as np

from microgym.instruments.instrument import Instrument
from microgym.instruments.pfm import film_kernels, kernels, loop_kernels
from microgym.instruments.pfm.settings import PFMSettings
from microgym.instruments.pfm.state import SIZE, PFMState
from microgym.numerics.workspace import workspace
from microgym.specimens.ferroelectrics import fill_films
from microgym.specimens.splits import specimen_key
from microgym.state import Bool, Float32, Float64, Int64, Uint32


class PFMInstrument(Instrument[PFMSettings, PFMState]):
    """N piezoresponse force microscopes."""

    def __init__(self, num_envs: int, settings: PFMSettings) -> None:
        super().__init__(PFMState, num_envs, settings, drift_axes=2)

    def reset(
        self, rows: Int64, keys: Uint32, family: str, split: str, up: Bool | None = None
    ) -> None:
        """Put fresh films of one of `ferroelectrics.FAMILIES`, at rest, under the tips.

        Args:
            rows: (k,) int64.
            keys: (k, 2) uint32, keys of the episodes.
            family, split: of the specimens.
            up: (k, SIZE, SIZE), cells that are poled up; None for none.
        """
        film = np.empty((3, rows.size, SIZE, SIZE), np.float32)
        fill_films(family, specimen_key(keys, split), *film)
        state = self.state
        self.begin(rows, keys)
        state.imprint[rows], state.bond[rows], state.barrier[rows] = film
        state.p[rows] = -1.0 if up is None else np.where(up, np.float32(1.0), np.float32(-1.0))
        state.strength[rows] = self.settings.disorder
        for position in (state.command, state.place):
            position[rows] = 0.5 * (SIZE - 1)
        kernels.reset_rows(rows, self.parameters, state, self._work())

    def pulse(self, rows: Int64, places: Float64, volts: Float64, seconds: Float64) -> None:
        """Give one bias pulse in each of the listed microscopes.

        Args:
            rows: (k,) int64.
            places: (N, 2) float64, commanded (y, x), cells.
            volts: (N,) float64, bias of the tip, V.
            seconds: (N,) float64, length of the pulse, s.
        """
        kernels.pulse_rows(rows, places, volts, seconds, self.parameters, self.state, self._work())

    def scan(self, rows: Int64) -> None:
        """Take an image in each of the listed microscopes."""
        kernels.scan_rows(rows, self.parameters, self.state, self._work())

    def loop(self, rows: Int64, spots: Float64, found: Float64, disturb: bool = True) -> None:
        """Take a hysteresis loop at one place in each of the listed microscopes.

        Args:
            rows: (k,) int64.
            spots: (N, 2) float64, commanded (y, x), cells.
            found: (N, 2) float64, written in the rows: biases at which the response changes sign on
                the way up and on the way down, V.
            disturb: whether the loop takes time and changes the film; otherwise nothing but
                `found` changes.
        """
        loop_kernels.loop_rows(
            rows, spots, disturb, self.parameters, self.state, found, self._work()
        )

    def read(self, rows: Int64, found: Float64, seen: Float64) -> None:
        """Read the biases of reversal `found`, (N, 2), with the noise of a loop, into `seen`, V."""
        loop_kernels.read_rows(rows, found, self.parameters, self.state, seen)

    def _work(self) -> Float32:
        return workspace(film_kernels.pfm_work(SIZE, 2.0 * self.settings.response_cells))
