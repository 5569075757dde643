"""The arguments of `gymnasium.make("STM-v0", ...)`, checked once and turned into parts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from microgym.envs.core.old_config import LEVELS, Config
from microgym.envs.core.old_rewards import RewardWeights
from microgym.instruments.stm.settings import (
    DRIFT_LEVELS,
    IMAGE_LEVELS,
    NOISE_LEVELS,
    STMSettings,
)
from microgym.physics.stm_tip import APEX_LEVELS
from microgym.specimens.adatom_fields import FAMILIES, HELD_OUT, MOVERS
from microgym.specimens.splits import SPLITS, validate_family
from microgym.validation import boolean, choice, integer, positive

GOALS = ("move", "build", "tip")
OBSERVATIONS = ("features", "image")
RECONSTRUCTORS = ("model", "classical", "neural")
ASSEMBLY_TERMS = ("time", "safety", "agreement", "approach")
"""Terms of the reward of "move" and "build", in the order of a vector reward's columns."""
TIP_TERMS = ("damage", "time", "agreement")
"""Terms of the reward of "tip"."""

MOVERS_OF = {"move": 1, "build": 3, "tip": 1}
"""Adatoms to be moved, by goal; "build" takes an argument."""
TIME_BUDGETS_S = {"move": 200.0, "build": 600.0, "tip": 900.0}
"""Time of an episode by goal, s (design choices)."""
NEAREST_NM = 1.0
"""Least way of the one adatom of "move", nm (design choice)."""

WEIGHTS = {"time": 1.0, "safety": 0.2}
"""Default weights of this task where they are not those of all tasks: looking costs, and what is
built among moved bystanders is spoilt (design choices)."""


@dataclass(frozen=True)
class STMConfig(Config):
    """Everything a user may choose.

    Attributes:
        goal: "move" (one adatom to its target), "build" (several into a figure) or "tip" (recover a
            sharp tip).
        specimen: a family of `microgym.specimens.adatom_fields.FAMILIES`.
        split: "train", "validation" or "test": disjoint sets of specimens.
        atoms: adatoms to be moved in "build", 2 to 5; None for 3.
        farthest_nm: largest way of the adatom in "move", nm.
        time_budget_s: time an episode has, s; None for the goal's own.
        places: fresh places that the coarse motor can reach in "tip", 0 to 20.
        observation: "features" (a vector) or "image" (the last image beside it).
        reconstructor: what tells places: a "model" of the error of tracking software, or a detector
            that looks at the image, "classical" or "neural".
        drift, tip, noise: switches, each "off", "easy", "real" or "hard".
        reward_weights: changes to the weights of the reward's terms, by name.
        reward_mode: "scalar" or "vector".
        reveal: put the hidden state into `info["latent"]`.
        threads: threads that share a batch.
    """

    env_id = "STM-v0"

    goal: str = "move"
    specimen: str = "terrace"
    split: str = "train"
    atoms: int | None = None
    farthest_nm: float = 3.0
    time_budget_s: float | None = None
    places: int = 2
    observation: str = "features"
    reconstructor: str = "model"
    drift: str = "real"
    tip: str = "real"
    noise: str = "real"
    reward_weights: Mapping[str, float] = field(default_factory=dict)
    reward_mode: str = "scalar"
    reveal: bool = False
    threads: int = 1

    def __post_init__(self) -> None:
        """Check everything."""
        choice("goal", self.goal, GOALS)
        choice("split", self.split, SPLITS)
        choice("observation", self.observation, OBSERVATIONS)
        choice("reconstructor", self.reconstructor, RECONSTRUCTORS)
        for name in ("drift", "tip", "noise"):
            choice(name, getattr(self, name), LEVELS)
        boolean("reveal", self.reveal)
        if self.atoms is not None:
            integer("atoms", self.atoms, 2, MOVERS)
            if self.goal != "build":
                raise ValueError(f"atoms={self.atoms} has no meaning with goal={self.goal!r}")
        if self.detects and self.goal == "tip":
            raise ValueError(f"reconstructor={self.reconstructor!r} has no meaning with goal='tip'")
        integer("places", self.places, 0, 20)
        if not NEAREST_NM < positive("farthest_nm", self.farthest_nm) <= 5.0:
            raise ValueError(f"farthest_nm={self.farthest_nm!r} must be above 1 and at most 5")
        if self.time_budget_s is not None:
            positive("time_budget_s", self.time_budget_s)
        validate_family(self.specimen, self.split, FAMILIES, HELD_OUT)
        _ = self.weights

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the reward's terms."""
        return TIP_TERMS if self.goal == "tip" else ASSEMBLY_TERMS

    @property
    def weights(self) -> RewardWeights:
        """Weights of the reward's terms."""
        return RewardWeights(**WEIGHTS).updated(self.reward_weights, self.terms)

    @property
    def detects(self) -> bool:
        """Whether places are read off images."""
        return self.reconstructor != "model"

    @property
    def movers(self) -> int:
        """Adatoms that are to be moved."""
        return MOVERS_OF[self.goal] if self.atoms is None else self.atoms

    @property
    def time_limit_s(self) -> float:
        """Time an episode has, s."""
        own = TIME_BUDGETS_S[self.goal]
        return own if self.time_budget_s is None else float(self.time_budget_s)

    def settings(self) -> STMSettings:
        """The instrument that these arguments ask for."""
        return STMSettings(
            drift=DRIFT_LEVELS[self.drift],
            tip=APEX_LEVELS[self.tip],
            noise=(IMAGE_LEVELS if self.detects else NOISE_LEVELS)[self.noise],
            bent=1.0 if self.goal == "tip" else 0.0,
        )
