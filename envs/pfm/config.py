"""The arguments of `gymnasium.make("PFM-v0", ...)`, checked once and turned into parts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from microgym.envs.core.config import LEVELS, Config
from microgym.envs.core.rewards import RewardWeights
from microgym.instruments.pfm.instrument import (
    DISORDER_LEVELS,
    DRIFT_LEVELS,
    HEAT_LEVELS,
    READOUT_LEVELS,
    TIP_LEVELS,
    PFMSettings,
)
from microgym.physics.ferroelectric import LatticeParameters
from microgym.specimens import ferroelectrics, patterns
from microgym.specimens.splits import SPLITS, validate_family
from microgym.validation import boolean, choice, integer, positive

GOALS = ("write", "loop")
ACTIONS = ("continuous", "grid")
OBSERVATIONS = {"compact": 32, "full": 64, "features": 8}
"""Observation modes and the cells along an edge of their maps."""
TERMS = ("damage", "time", "agreement")
"""Terms of the reward, in the order of a vector reward's columns."""

HIGHEST_V = 10.0
"""Largest bias, V."""
SHORTEST_S = 1e-4
"""Shortest pulse, s."""
DECADES = 4.0
"""Decades from the shortest pulse to the longest; the action is logarithmic between them."""
GRID = 16
"""Cells along an edge of the discrete action grid: 4 cells of the film each (design choice)."""
GRID_VOLTS = (-6.0, 4.0, 8.0)
"""Biases that the discrete action offers, V (design choice)."""
GRID_LENGTH = 0.0
"""Its pulse, on the continuous action's scale: 10 ms, the standard pulse of 20 lattice steps."""

OPTICS: dict[str, float] = {
    name: getattr(PFMSettings(), name)
    for name in (
        "cell_m", "field_per_v", "tip_cells", "dead_time_s", "speed_cells_s", "image_s", "loop_v",
        "loop_s",
    )
}  # fmt: skip
"""What `optics` can change, and the defaults; see
`microgym.instruments.pfm.instrument.PFMSettings`."""

COMPLETE = 0.95
"""Agreement with which an episode ends (design choice)."""
IMPRINT_SHIFT_V = (0.4, 1.6)
"""How far below the film's own imprint the one that is asked for lies, V, drawn uniformly."""
IMPRINT_SCALE_V = 2.0
"""Error of the imprint at which the agreement is none, V (design choice)."""

SWITCHES = ("drift", "disorder", "tip", "readout", "heat")


@dataclass(frozen=True)
class PFMConfig(Config):
    """Everything a user may choose.

    Attributes:
        goal: "write" (a domain pattern) or "loop" (an imprint at one point).
        specimen: a family of `microgym.specimens.ferroelectrics.FAMILIES`.
        pattern: a family of `microgym.specimens.patterns.PATTERNS`; without effect for "loop".
        split: "train", "validation" or "test": disjoint sets of films and patterns.
        pulses: pulses an episode has, 1 to 400.
        time_budget_s: time an episode has, s; None for 2.5 s a pulse.
        observation: "compact" (maps of 32x32), "full" (64x64) or "features" (a vector).
        action: "continuous" or "grid".
        drift, disorder, tip, readout, heat: switches, each "off", "easy", "real" or "hard".
        optics: changes to `OPTICS`, by name.
        reward_weights: changes to the weights of the reward's terms, by name.
        reward_mode: "scalar" or "vector".
        reveal: put the hidden state into `info["latent"]`.
        threads: threads that share a batch.
    """

    env_id = "PFM-v0"

    goal: str = "write"
    specimen: str = "mixed"
    pattern: str = "strokes"
    split: str = "train"
    pulses: int = 16
    time_budget_s: float | None = None
    observation: str = "compact"
    action: str = "continuous"
    drift: str = "easy"
    disorder: str = "real"
    tip: str = "easy"
    readout: str = "easy"
    heat: str = "easy"
    optics: Mapping[str, float] = field(default_factory=dict)
    reward_weights: Mapping[str, float] = field(default_factory=dict)
    reward_mode: str = "scalar"
    reveal: bool = False
    threads: int = 1

    def __post_init__(self) -> None:
        """Check every value."""
        choice("goal", self.goal, GOALS)
        choice("split", self.split, SPLITS)
        choice("observation", self.observation, tuple(OBSERVATIONS))
        choice("action", self.action, ACTIONS)
        for name in SWITCHES:
            choice(name, getattr(self, name), LEVELS)
        boolean("reveal", self.reveal)
        integer("pulses", self.pulses, 1, 400)
        if self.time_budget_s is not None:
            positive("time_budget_s", self.time_budget_s)
        _ = self.weights
        if not isinstance(self.optics, Mapping):
            raise TypeError(f"optics must map names to numbers, got {self.optics!r}")
        for name in self.optics:
            choice("optics", name, tuple(OPTICS))
        _ = self.settings()
        validate_family(self.specimen, self.split, ferroelectrics.FAMILIES, ferroelectrics.HELD_OUT)
        validate_family(self.pattern, self.split, patterns.PATTERNS, patterns.HELD_OUT)

    @property
    def weights(self) -> RewardWeights:
        """Weights of the reward's terms."""
        return RewardWeights().updated(self.reward_weights, TERMS)

    @property
    def time_limit_s(self) -> float:
        """Time an episode has, s."""
        return 2.5 * self.pulses if self.time_budget_s is None else float(self.time_budget_s)

    def settings(self) -> PFMSettings:
        """The simulated instrument that these arguments ask for.

        Raises:
            ValueError: optics that cannot be.
        """
        return PFMSettings(
            lattice=LatticeParameters(theta=HEAT_LEVELS[self.heat]),
            disorder=DISORDER_LEVELS[self.disorder],
            drift=DRIFT_LEVELS[self.drift],
            tip=TIP_LEVELS[self.tip],
            readout=READOUT_LEVELS[self.readout],
            **self.optics,
        )
