"""A scanning tunnelling microscope that moves adatoms, N at a time.

It can look (a constant-current image, in which places are measured), drag (lower the tip on a line
from here to there), condition its tip (pulses and dips on clean surface, of which there is a finite
amount), and go to a fresh place by the coarse motor. All of it takes time, in which the field
drifts; charge, images and path are charged to a ledger. What the tip is like is hidden.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from microgym.instruments.ledger import Ledger
from microgym.instruments.stm import kernels
from microgym.instruments.stm.kernels import BANDS, PIXELS, TRACE
from microgym.physics.adatoms import BARRIER_EV, LATTICE_NM
from microgym.physics.drift import DriftParameters, DriftState
from microgym.physics.noise import MAINS_HZ
from microgym.physics.stm_tip import APEX_LEVELS, TRAITS, ApexParameters
from microgym.physics.tunnelling import decay_constant, surface_wave_number
from microgym.specimens.adatom_fields import ATOMS, AdatomFields
from microgym.state import allocate, clear
from microgym.validation import finite, integer, positive

Float64 = NDArray[np.float64]
Rows = NDArray[np.int64]

BOLTZMANN_EV_K = 8.617333262e-5
"""CODATA 2018."""

DRIFT_LEVELS: dict[str, DriftParameters] = {
    "off": DriftParameters(),
    "easy": DriftParameters(0.0015, 0.1, 200.0, 0.02, 60.0, 0.25),
    "real": DriftParameters(0.0083, 0.5, 200.0, 0.06, 60.0, 0.25),
    "hard": DriftParameters(0.0167, 1.0, 200.0, 0.15, 60.0, 0.25),
}
"""The switch of the drift. "hard" is 1 nm/min, as the reference profile of the simulator STM-Bench
has it at 4 K; "real" is half of it, "easy" a tenth; the rest are design choices. They are larger
than `microgym.physics.drift.COLD_DRIFT`, so that drift shows within minutes."""


@dataclass(frozen=True)
class NoiseParameters:
    """What blurs the readings.

    Attributes:
        place_nm: standard deviation of a measured place along each axis, sharp tip, nm.
        mark_nm: standard deviation of a measured drift along each axis, nm.
        vibration_nm: standard deviation of the tip's height, nm.
        amplifier_pa: standard deviation of the amplifier's noise in a sample of a drag, pA.
        flicker_nm: 1/f noise of an image's heights, standard deviation a decade, nm.
        mains_nm: amplitude of the mains in an image's heights, nm.
    """

    place_nm: float = 0.0
    mark_nm: float = 0.0
    vibration_nm: float = 0.0
    amplifier_pa: float = 0.0
    flicker_nm: float = 0.0
    mains_nm: float = 0.0

    def __post_init__(self) -> None:
        """Check every number."""
        for name, value in vars(self).items():
            if finite(name, value) < 0.0:
                raise ValueError(f"{name}={value!r} must be at least 0")


NOISE_LEVELS: dict[str, NoiseParameters] = {
    "off": NoiseParameters(),
    "easy": NoiseParameters(0.01, 0.005, 0.001, 1e3),
    "real": NoiseParameters(0.025, 0.01, 0.003, 3e3),
    "hard": NoiseParameters(0.05, 0.02, 0.006, 1e4),
}
"""The switch of the noise. Places to 20 to 50 pm and vibrations of 1 to 5 pm are usual; the
amplifier must take 100 nA, and its noise at that gain is a design choice."""

IMAGE_LEVELS: dict[str, NoiseParameters] = {
    name: replace(NOISE_LEVELS[name], flicker_nm=flicker, mains_nm=mains)
    for name, flicker, mains in (
        ("off", 0.0, 0.0),
        ("easy", 0.0005, 0.0005),
        ("real", 0.0015, 0.001),
        ("hard", 0.004, 0.003),
    )
}
"""The same where places are read off the image: with 1/f noise and mains of about the size of the
vibration (design choices)."""


@dataclass(frozen=True)
class STMSettings:
    """What the instrument is made of.

    Attributes:
        drift: of the field under the tip, in nm.
        tip: how much tips differ.
        noise: of the readings.
        bent: share of episodes that begin with a tip that is not sharp.
        image_s: time of an image, s.
        drag_s: time to begin and to end a drag, s.
        speed_nm_s: of the tip in a drag, nm/s.
        condition_s: time of a pulse or a dip, s.
        coarse_s: time of a coarse move and the new approach, s.
        temperature_k: of the sample, K.
        work_function_ev: apparent barrier height, eV.
        barrier_ev: of an adatom from hollow to hollow, eV.
    """

    drift: DriftParameters = field(default_factory=lambda: DRIFT_LEVELS["easy"])
    tip: ApexParameters = field(default_factory=lambda: APEX_LEVELS["easy"])
    noise: NoiseParameters = field(default_factory=lambda: NOISE_LEVELS["real"])
    bent: float = 0.0
    image_s: float = 20.0
    drag_s: float = 2.0
    speed_nm_s: float = 1.0
    condition_s: float = 5.0
    coarse_s: float = 120.0
    temperature_k: float = 5.0
    work_function_ev: float = 4.5
    barrier_ev: float = BARRIER_EV

    def __post_init__(self) -> None:
        """Check every number."""
        if not 0.0 <= finite("bent", self.bent) <= 1.0:
            raise ValueError(f"bent={self.bent!r} must be in 0 to 1")
        for name in (
            "image_s",
            "drag_s",
            "speed_nm_s",
            "condition_s",
            "coarse_s",
            "temperature_k",
            "work_function_ev",
            "barrier_ev",
        ):
            object.__setattr__(self, name, positive(name, getattr(self, name)))


IMAGING_PA, IMAGING_V = 50.0, 0.1
"""Current and bias of an image: pA, V (design choices, as usual)."""
FEEDBACK_NM_S = 20.0
"""Gain of the logarithmic feedback, nm/s for an e-fold of current (design choice)."""


class STMInstrument:
    """N tunnelling microscopes; every array has the leading axis N.

    Args:
        num_envs: N.
        settings: what the instrument is made of.

    Attributes:
        keys: (N, 2) uint32, keys of the episodes.
        fields: what is on the surface now.
        states: (N,) int64, states of the tips (`microgym.physics.stm_tip.STATES`).
        generations: (N,) int64, tips so far in the episode.
        traits: (N, 11) float64, see `microgym.physics.stm_tip.TRAITS`.
        seen: (N, ATOMS, 2) float64, places of the adatoms in the last image, scanner's coordinates.
        registered: (N, 2) float64, drift that the last image told of, since the one before, nm.
        bands: (N, 9, 2) float64, true drift while the last image was taken, in the frame of now,
            nm.
        frame: (N, 2) float64, drift that the scan frame has been moved by, nm.
        trace: (N, 64) float64, current of the last drag over its set value.
        actions: (N,) int64, actions so far.
        events: (N, 3) float64, what the last action did: adatoms lost at a step, crashed, tip
            changed.
        image: (N, 64, 64) float32, last image as drawn by `draw`, nm.
        stage: state of the drift, nm.
        ledger: time; charge in nC as the dose; images as the exposures; path.
    """

    def __init__(self, num_envs: int, settings: STMSettings) -> None:
        self.settings = settings
        self.num_envs = integer("num_envs", num_envs, 1, 1 << 16)
        count = self.num_envs
        self.keys = np.zeros((count, 2), np.uint32)
        self.fields = AdatomFields.zeros(count)
        self.states = np.zeros(count, np.int64)
        self.generations = np.zeros(count, np.int64)
        self.traits = np.zeros((count, len(TRAITS)))
        self.seen = np.zeros((count, ATOMS, 2))
        self.registered = np.zeros((count, 2))
        self.bands = np.zeros((count, BANDS + 1, 2))
        self.frame = np.zeros((count, 2))
        self.trace = np.zeros((count, TRACE))
        self.actions = np.zeros(count, np.int64)
        self.events = np.zeros((count, 3))
        self.image = np.zeros((count, PIXELS, PIXELS), np.float32)
        self.stage = DriftState.zeros(count, 2)
        self.ledger = allocate(Ledger, count)
        self.kappa = decay_constant(settings.work_function_ev)
        self._wave_number = surface_wave_number(0.40, 0.065)
        drift = settings.drift
        self._motion = (
            drift.settling_time_s,
            drift.wander_nm,
            drift.wander_time_s,
            drift.cell_time_s,
        )
        self._bent = (*settings.tip.vector(), float(settings.bent))

    def reset(
        self,
        rows: Rows,
        keys: NDArray[np.uint32],
        family: str,
        split: str,
        movers: int,
        distance_nm: tuple[float, float],
    ) -> None:
        """Put fresh surfaces and tips into the listed microscopes, and start their clocks.

        Args:
            rows: (k,) int64.
            keys: (k, 2) uint32, keys of the episodes.
            family, split, movers, distance_nm: see `AdatomFields.fill`.
        """
        self.fields.fill(rows, keys, family, split, movers, distance_nm)
        self.keys[rows] = keys
        for array in (self.seen, self.registered, self.bands, self.frame, self.trace):
            array[rows] = 0.0
        self.events[rows], self.image[rows] = 0.0, 0.0
        self.actions[rows] = 0
        clear(self.ledger, rows)
        drift = self.settings.drift
        kernels.start_rows(
            rows,
            self.keys,
            self.stage.arrays,
            (drift.drift_nm_s, drift.settling_nm),
            self._tips(),
            self._bent,
        )

    def look(self, rows: Rows) -> None:
        """Take an image in each of the listed microscopes; `seen` and `registered` tell of it."""
        settings = self.settings
        self.events[rows] = 0.0
        kernels.look_rows(
            rows,
            self.keys,
            (self.fields.places, self.fields.present),
            self.stage.arrays,
            (self.seen, self.registered, self.bands, self.frame),
            self._tips(),
            self._bent,
            (self.actions, self.events),
            self._accounts(),
            (
                *self._motion,
                settings.image_s,
                settings.noise.place_nm,
                settings.noise.mark_nm,
                IMAGING_PA,
                IMAGING_V,
            ),
        )

    def draw(self, rows: Rows) -> None:
        """Draw the last image of the listed microscopes into `image`; changes nothing else."""
        kernels.draw_rows(
            rows,
            self.keys,
            (self.fields.places, self.fields.present),
            self.fields.steps,
            self.bands,
            self._tips(),
            self.ledger.exposures,
            self.image,
            (
                self.kappa,
                self.settings.noise.vibration_nm,
                FEEDBACK_NM_S,
                self.settings.image_s / PIXELS,
                self._wave_number,
            ),
            (self.settings.noise.flicker_nm, self.settings.noise.mains_nm, MAINS_HZ[0]),
            kernels.draw_work(),
        )

    def drag(
        self, rows: Rows, starts: Float64, ends: Float64, bias_v: Float64, conductance: Float64
    ) -> None:
        """Drag the tip along a line in each of the listed microscopes.

        Args:
            rows: (k,) int64.
            starts, ends: (N, 2) float64, in the scanner's coordinates, nm; read in the rows.
            bias_v, conductance: (N,) float64, V and uS.
        """
        settings = self.settings
        self.events[rows] = 0.0
        kernels.drag_rows(
            rows,
            starts,
            ends,
            bias_v,
            conductance,
            self.keys,
            (self.fields.sites, self.fields.places, self.fields.present),
            (self.fields.steps, self.fields.patches),
            self.stage.arrays,
            self._tips(),
            self._bent,
            self.frame,
            self.trace,
            (self.actions, self.events),
            self._accounts(),
            (
                *self._motion,
                settings.drag_s,
                settings.speed_nm_s,
                settings.noise.vibration_nm,
                settings.noise.amplifier_pa,
                self.kappa,
                settings.barrier_ev,
                LATTICE_NM,
                BOLTZMANN_EV_K * settings.temperature_k,
            ),
        )

    def condition(self, rows: Rows, dips_nm: Float64, pulses_v: Float64) -> None:
        """Dip or pulse the tips of the listed microscopes.

        Args:
            rows: (k,) int64.
            dips_nm, pulses_v: (N,) float64, nm and V; 0 for neither.
        """
        self.events[rows] = 0.0
        kernels.condition_rows(
            rows,
            dips_nm,
            pulses_v,
            self.keys,
            self.stage.arrays,
            self._tips(),
            self._bent,
            (self.actions, self.events),
            self._accounts(),
            (*self._motion, self.settings.condition_s),
        )

    def go_elsewhere(self, rows: Rows) -> None:
        """Move the listed microscopes to a fresh place by the coarse motor, and approach again."""
        self.events[rows] = 0.0
        duration = np.full(self.num_envs, self.settings.coarse_s)
        kernels.wait_rows(
            rows, duration, self.keys, self.stage.arrays, self._motion, self._accounts()
        )
        self.actions[rows] += 1
        self.ledger.path_m[rows] += 1e-6

    def state_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The live arrays that are the instrument's whole state, by name."""
        own = {
            name: getattr(self, name)
            for name in (
                "keys",
                "states",
                "generations",
                "traits",
                "seen",
                "registered",
                "bands",
                "frame",
                "trace",
                "actions",
                "events",
                "image",
            )
        }
        parts = {
            "field": vars(self.fields),
            "stage": self.stage._asdict(),
            "ledger": self.ledger._asdict(),
        }
        return own | {
            f"{part}_{name}": array
            for part, holder in parts.items()
            for name, array in holder.items()
        }

    def _tips(self) -> tuple[NDArray[np.int64], NDArray[np.int64], Float64]:
        return self.states, self.generations, self.traits

    def _accounts(self) -> tuple[NDArray[np.generic], ...]:
        ledger = self.ledger
        return ledger.time_s, ledger.dose, ledger.exposures, ledger.path_m
