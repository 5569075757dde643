"""The arguments of `gymnasium.make("AFM-v0", ...)`, checked once and turned into parts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from microgym.envs.core.old_config import LEVELS, Config
from microgym.envs.core.old_rewards import RewardWeights
from microgym.instruments.afm.kernels import LEAD
from microgym.instruments.afm.settings import LOOP_LEVELS, TIP_LEVELS, AFMSettings
from microgym.physics.cantilever import Cantilever
from microgym.physics.drift import AMBIENT_DRIFT
from microgym.physics.feedback import Scanner
from microgym.physics.piezo import PIEZO_LEVELS
from microgym.reconstruction.topography.observation_model import TOPOGRAPHIES, Raster
from microgym.specimens.splits import HELD_OUT_SURFACES, SPLITS, SURFACES, validate_family
from microgym.validation import boolean, choice, integer, positive

TERMS = ("resolution", "time", "tracking", "force")
"""Terms of the reward, in the order of a vector reward's columns."""
ACTIONS = ("dials", "feedback")
OBSERVATIONS = ("signals", "image", "features")
MODES: dict[str, Cantilever] = {
    "amplitude": Cantilever(40.0, 300e3, 400.0, 20.0),
    "contact": Cantilever(0.2, 13e3, 2.0, 0.0),
}
"""Cantilevers: a stiff one in air, tapping with 20 nm, and a soft one in contact. Their numbers are
those of common levers (not verified here)."""
SCANNER = Scanner(1000.0, 0.05)
"""The median z-scanner: a tube of 1 to 2 kHz that is hardly damped (not verified here)."""

SETPOINTS = {"amplitude": (0.3, 0.95), "contact": (0.5, 50.0)}
"""Setpoints on offer: part of the free amplitude, linear; or nN, logarithmic (design choices)."""
GAINS = (200.0, 20000.0)
"""Integral gains on offer, 1/s; logarithmic (design choice: hidden limits lie between)."""
PROPORTIONAL = (0.01, 1.0)
"""Proportional gains on offer; logarithmic, less the smallest, so that the lowest is 0."""
RATES_HZ = (0.5, 20.0)
"""Line rates on offer, Hz; logarithmic (design choice)."""
PACES = (0.25, 4.0)
"""With action="feedback", slowest and fastest line rate over the one at which the lines that are
left would just use up the time that is left; logarithmic (design choice)."""
EVENTS = ("scan", "re-engage", "withdraw", "change tip")
EVENT_FROM = (0.5, 2.0 / 3.0, 5.0 / 6.0)
"""From which value of the action's last component on it means another event than to scan."""
MOST_EXCHANGES = 3
"""Tips there are in the drawer; the last exchange ends the episode."""
EXCHANGE_UNIT_S = 120.0
"""Seconds of an exchange of the tip that the reward counts as one time budget: an exchange of ten
minutes as five frames (design choice; the frame's own clock stands still meanwhile)."""
LINE_S = 0.25
"""Seconds a line has of the default time budget (design choice): too few to scan all slowly."""
LEAST_RELIEF_NM = 0.5
"""Relief below which a surface counts as flat, nm: errors are not divided by less."""


@dataclass(frozen=True)
class AFMConfig(Config):
    """Everything a user may choose.

    Attributes:
        specimen: a family of surfaces, one of `microgym.specimens.splits.SURFACES`.
        split: "train", "validation" or "test": disjoint sets of specimens.
        imaging: "amplitude" (tapping) or "contact".
        lines: of a frame, 8 to 256.
        time_budget_s: time for a frame, s, exchanges of the tip apart; None for a quarter of a
            second a line.
        field_nm: edge of a frame, nm.
        observation: "signals" (the last line, and numbers), "image" (the image so far besides), or
            "features" (numbers alone).
        action: "dials" (all, and events) or "feedback" (setpoint, integral gain, speed over
            the even pace).
        reconstructor: what restores the lines: "raw" (nothing), "classical" (correction by the
            error signals) or "neural" (a trained network, for "amplitude"); the last two add
            `restored` to the observation.
        drift, tip, loop, scanner: switches, each "off", "easy", "real" or "hard": thermal drift;
            wear, breaking and debris; spread of hidden numbers and noise of the loop; creep and
            hysteresis of the lateral scanner.
        reward_weights: changes to the weights of the reward's terms, by name.
        reward_mode: "scalar" or "vector".
        reveal: put the hidden state into `info["latent"]`.
        threads: threads that share a batch.
    """

    env_id = "AFM-v0"

    specimen: str = "mixed"
    split: str = "train"
    imaging: str = "amplitude"
    lines: int = 64
    time_budget_s: float | None = None
    field_nm: float = 1000.0
    observation: str = "signals"
    action: str = "dials"
    reconstructor: str = "raw"
    drift: str = "easy"
    tip: str = "easy"
    loop: str = "easy"
    scanner: str = "off"
    reward_weights: Mapping[str, float] = field(default_factory=dict)
    reward_mode: str = "scalar"
    reveal: bool = False
    threads: int = 1

    def __post_init__(self) -> None:
        """Check everything."""
        choice("split", self.split, SPLITS)
        choice("imaging", self.imaging, tuple(MODES))
        choice("observation", self.observation, OBSERVATIONS)
        choice("action", self.action, ACTIONS)
        choice("reconstructor", self.reconstructor, tuple(TOPOGRAPHIES))
        if self.reconstructor == "neural" and self.imaging != "amplitude":
            raise ValueError(
                "reconstructor='neural' has learnt from imaging='amplitude' alone, "
                f"got imaging={self.imaging!r}: use 'classical' or 'raw'"
            )
        if self.reconstructor != "raw" and self.observation == "features":
            raise ValueError(
                f"reconstructor={self.reconstructor!r} needs an observation of lines, "
                "'signals' or 'image', got observation='features'"
            )
        for name in ("drift", "tip", "loop", "scanner"):
            choice(name, getattr(self, name), LEVELS)
        boolean("reveal", self.reveal)
        integer("lines", self.lines, 8, 256)
        if not 100.0 <= positive("field_nm", self.field_nm) <= 5000.0:
            raise ValueError(f"field_nm={self.field_nm!r} must be in [100, 5000]")
        if self.time_budget_s is not None:
            positive("time_budget_s", self.time_budget_s)
        _ = self.weights
        validate_family(self.specimen, self.split, SURFACES, HELD_OUT_SURFACES)

    @property
    def weights(self) -> RewardWeights:
        """Weights of the reward's terms."""
        return RewardWeights().updated(self.reward_weights, TERMS)

    @property
    def raster(self) -> Raster:
        """How a frame is scanned, as what restores its lines needs to know."""
        settings = self.settings()
        return Raster(
            pixels=settings.pixels,
            overscan=2 * LEAD,
            pixel_nm=settings.pixel_nm,
            pitch_nm=settings.field_nm / settings.lines,
            lag_s=settings.cantilever.lag_s,
        )

    @property
    def time_limit_s(self) -> float:
        """Time a frame has, s."""
        return LINE_S * self.lines if self.time_budget_s is None else float(self.time_budget_s)

    def settings(self) -> AFMSettings:
        """The instrument that these arguments ask for."""
        return AFMSettings(
            mode=self.imaging,
            cantilever=MODES[self.imaging],
            scanner=SCANNER,
            field_nm=self.field_nm,
            lines=self.lines,
            tip=TIP_LEVELS[self.tip],
            loop=LOOP_LEVELS[self.loop],
            drift=AMBIENT_DRIFT[self.drift],
            piezo=PIEZO_LEVELS[self.scanner],
        )
