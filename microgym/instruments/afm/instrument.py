"""Force microscopes with their feedback loops, N at a time.

One exposure is one line, there and back, at one setting of the controls. The tip follows the grey
dilation of the surface by its shape; the loop follows that with its lag, its gains and the
resonance of its scanner; forces wear the tip, or break it. Time, nN s, lines and path are charged
to a ledger.
"""

import numpy as np

from microgym.instruments.afm import kernels, line_kernels, tip_kernels
from microgym.instruments.afm.settings import AFMSettings
from microgym.instruments.afm.state import AFMState, LineWork
from microgym.instruments.instrument import Instrument
from microgym.numerics.workspace import cut, workspace
from microgym.physics.afm_tip import TipShape, tip_reach
from microgym.physics.feedback_lanes import CHUNK_SIZE, LANE_SIZE, LANES, NOISE, SIGNALS
from microgym.specimens.splits import specimen_key
from microgym.specimens.surfaces.families import fill_surfaces
from microgym.state import Float32, Float64, Int64, Uint32

MODULI_GPA = (0.5, 120.0)
"""Smallest and largest reduced modulus, GPa: soft polymer to diamond-like; others count as these
(design choice)."""


class AFMInstrument(Instrument[AFMSettings, AFMState]):
    """N force microscopes.

    The setpoint of an approach is the first of `microgym.instruments.afm.kernels.DIALS`.
    """

    def __init__(self, num_envs: int, settings: AFMSettings) -> None:
        super().__init__(
            AFMState,
            num_envs,
            settings,
            side=settings.side_px,
            lines=settings.lines,
            pixels=settings.pixels,
            drift_axes=3,
            piezo_axes=2,
        )

    def reset(self, rows: Int64, keys: Uint32, family: str, split: str, setpoint: float) -> None:
        """Put fresh surfaces of one of `microgym.specimens.splits.SURFACES` under the tips.

        Args:
            rows: (k,) int64.
            keys: (k, 2) uint32, keys of the episodes.
            family, split: of the specimens.
            setpoint: of the signal at the first approach, as in `kernels.DIALS`.
        """
        side = self.settings.side_px
        height, modulus = np.empty((2, rows.size, side, side), np.float32)
        fill_surfaces(family, specimen_key(keys, split), height, modulus, self.settings.pixel_nm)
        self.load_specimen(rows, keys, height, modulus, setpoint)

    def load_specimen(
        self, rows: Int64, keys: Uint32, height_nm: Float32, modulus_gpa: Float32, setpoint: float
    ) -> None:
        """Put given surfaces under the listed microscopes and start their clocks.

        Args:
            rows, keys, setpoint: as for `reset`.
            height_nm: (k, n, n) float32, n = `settings.side_px`.
            modulus_gpa: (k, n, n) float32, reduced modulus.
        """
        state = self.state
        self.begin(rows, keys)
        # Heights count from the lowest point, which is a quarter of the scanner's range above 0.
        lowest = height_nm.min(axis=(1, 2), keepdims=True)
        base = np.float32(0.25 * self.settings.scanner.range_nm)
        state.surface.height[rows] = height_nm - lowest + base
        state.surface.relief[rows] = np.ptp(height_nm, axis=(1, 2))
        state.surface.modulus[rows] = np.clip(modulus_gpa, *MODULI_GPA)
        kernels.reset_rows(rows, setpoint, self.parameters, state, self._work())

    def scan(self, rows: Int64, dials: Float64) -> None:
        """Scan the next line of the frame; dials (N, 4) float64, see `kernels.DIALS`."""
        line_kernels.scan_rows(rows, dials, self.parameters, self.state, self._work())

    def engage(self, rows: Int64, setpoint: Float64) -> None:
        """Withdraw and approach again, so that the loop begins in balance; setpoint (N,)."""
        kernels.engage_rows(rows, setpoint, self.parameters, self.state, self._work())

    def withdraw(self, rows: Int64) -> None:
        """Lift the tip to the scanner's upper end; lines are empty until it is engaged again."""
        kernels.withdraw_rows(rows, self.parameters, self.state)

    def exchange(self, rows: Int64, setpoint: Float64) -> None:
        """Mount a new tip, find the frame again, and approach; setpoint (N,)."""
        kernels.exchange_rows(rows, setpoint, self.parameters, self.state, self._work())

    def set_radius(self, rows: Int64, radius_nm: Float64) -> None:
        """Give tips another radius, (k,) nm; the volume that is worn off stays."""
        tip = self.state.tip
        tip.radius_nm[rows] = radius_nm
        tip.worn_nm[rows] = np.sqrt(tip.volume_nm3[rows] / (np.pi * radius_nm))

    def _work(self) -> LineWork:
        """Work arrays of the calling thread."""
        settings = self.settings
        width, length = settings.pixels + 2 * kernels.LEAD, settings.side_px
        # The largest window is that of the bluntest tip with a second apex far away.
        blunt = max(tip_kernels.WORST_RADIUS_NM, float(self.state.tip.radius_nm.max()))
        far = tip_kernels.FARTHEST_NM
        worst = TipShape(blunt, settings.tip.half_angle_deg, 0.0, 0.0, far, 0.0)
        reach = tip_reach(worst, float(self.state.surface.relief.max()))
        half = int(np.ceil(reach / settings.pixel_nm))
        size = 2 * half + 1
        strip = size * (length + 2 * half)
        single = (size * size, strip, length, length, LANES * NOISE, LANE_SIZE, CHUNK_SIZE)
        line = LANES * (width + 1)
        double = (*(width, line, line, LANES * width, LANES * SIGNALS * width), *(LANES,) * 9)
        # One buffer: the float64 arrays first, so that they are aligned.
        halves = (2 * sum(double), sum(single))
        wide, narrow = cut(workspace(sum(halves)), halves)
        window, strip, path, ideal, noise, lanes, chunk = cut(narrow, single)
        places, borders, ground, elastic, signals, *of_lanes = cut(wide.view(np.float64), double)
        across, line, pace, base, *whole = of_lanes
        row, back, done, total, first = (one.view(np.int64) for one in whole)
        return LineWork(
            *(half, window, strip, path, ideal, noise, lanes, chunk, places),
            borders.reshape(LANES, -1),
            ground.reshape(LANES, -1),
            elastic.reshape(LANES, -1),
            signals.reshape(LANES, SIGNALS, -1),
            *(across, line, pace, base, row, back, done, total, first),
        )
