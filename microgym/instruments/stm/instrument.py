"""Scanning tunnelling microscope that moves adatoms, N at a time.

Actions: take a constant-current image, in which positions are measured; drag the tip along a line;
condition the tip by pulses and dips; go to a fresh place by the coarse motor. Each takes time, in
which the field drifts; charge, images and path are charged to a ledger. The tip is hidden.
"""

import numpy as np

from microgym.instruments.instrument import Instrument
from microgym.instruments.stm import kernels
from microgym.instruments.stm.drag_kernels import drag_rows
from microgym.instruments.stm.image_kernels import draw_rows, draw_work
from microgym.instruments.stm.settings import STMSettings
from microgym.instruments.stm.state import STMState
from microgym.state import Float64, Int64, Uint32


class STMInstrument(Instrument[STMSettings, STMState]):
    """N tunnelling microscopes."""

    def __init__(self, num_envs: int, settings: STMSettings) -> None:
        super().__init__(STMState, num_envs, settings, drift_axes=2)

    def reset(
        self,
        rows: Int64,
        keys: Uint32,
        family: str,
        split: str,
        movers: int,
        distance_nm: tuple[float, float],
    ) -> None:
        """Put in fresh tips, and surfaces with movers and distances as for `AdatomFields.fill`.

        Args:
            rows: (k,) int64.
            keys: (k, 2) uint32, keys of the episodes.
            family, split: of the surfaces, see `microgym.specimens.adatom_fields`.
            movers: number of adatoms with a target.
            distance_nm: least and largest distance of the targets, nm.
        """
        self.begin(rows, keys)
        self.state.field.fill(rows, keys, family, split, movers, distance_nm)
        kernels.reset_rows(rows, self.state, self.parameters)

    def look(self, rows: Int64) -> None:
        """Take an image: measure `state.seen` and `state.registered`; `draw` makes the picture."""
        self.state.events[rows] = 0.0
        kernels.scan_rows(rows, self.state, self.parameters)

    def draw(self, rows: Int64) -> None:
        """Draw the last image of the listed microscopes into `state.image`; the rest stays."""
        draw_rows(rows, self.state, self.parameters, draw_work())

    def read_tip(self, rows: Int64, noise: tuple[float, ...], out: Float64) -> None:
        """Read the tips off the last images; see `microgym.physics.stm_tip.read_tip`.

        Args:
            rows: (k,) int64.
            noise: one of `microgym.physics.stm_tip.READING_LEVELS`.
            out: (N, 4) float64, written in the rows.
        """
        kernels.read_rows(rows, noise, self.state, out)

    def drag(
        self, rows: Int64, starts: Float64, ends: Float64, bias_v: Float64, conductance: Float64
    ) -> None:
        """Drag the tip along a line in each of the listed microscopes.

        Args:
            rows: (k,) int64.
            starts, ends: (N, 2) float64, scanner coordinates, nm.
            bias_v, conductance: (N,) float64, V and uS.
        """
        self.state.events[rows] = 0.0
        drag_rows(rows, starts, ends, bias_v, conductance, self.state, self.parameters)

    def condition(self, rows: Int64, dips_nm: Float64, pulses_v: Float64) -> None:
        """Dip, (N,) nm, or pulse, (N,) V, the tips of the listed microscopes; 0 for neither.

        Args:
            rows: (k,) int64.
            dips_nm: (N,) float64, depths of the dips, nm.
            pulses_v: (N,) float64, heights of the pulses, V.
        """
        self.state.events[rows] = 0.0
        kernels.condition_rows(rows, dips_nm, pulses_v, self.state, self.parameters)

    def go_elsewhere(self, rows: Int64) -> None:
        """Move the listed microscopes to a fresh place by the coarse motor, and approach again."""
        self.state.events[rows] = 0.0
        kernels.move_rows(rows, self.settings.coarse_s, self.state, self.parameters)

    def set_tips(self, rows: Int64, kinds: Int64) -> None:
        """Set the states of the tips, (k,), with the traits that the same draws give in them."""
        kernels.set_tips(rows, np.asarray(kinds, np.int64), self.state, self.parameters)
