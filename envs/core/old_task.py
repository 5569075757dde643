"""What one environment has to say about itself: spaces, transition, observation, reward, end.

A task is a batch of N microscopes with a decision to make at each. It states its physics and its
rewards once; the shell (`microgym.envs.core.shell`) turns it into a `gymnasium.Env` (a batch of
one) and a `gymnasium.vector.VectorEnv` (a batch of N), and owns everything that is not physics:
seeds, autoreset, time limits, checks of actions and options, snapshots, pickling and the shape of
`info`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from gymnasium import Space
from numpy.typing import NDArray

from microgym.envs.core.metrics import Metric
from microgym.numerics.threads import check_threads

REWARD_MODES = ("scalar", "vector")


class Task(ABC):
    """A batch of N microscopes and what is asked of whoever drives them.

    A subclass's constructor has the signature `(num_envs, *, threads=1, ...)`; every further
    argument is an argument of `gymnasium.make` and of `gymnasium.make_vec`. It calls this class's
    constructor, allocates all its arrays with leading axis N, and keeps their shapes for life.

    Rows are independent: what happens in one may depend neither on what the others do, nor on N,
    nor on the number of threads. All randomness comes from the episode keys given to `reset`.

    Attributes:
        num_envs: N.
        single_observation_space: space of one microscope's observation.
        single_action_space: space of one microscope's action: `Box`, `Discrete`, `MultiDiscrete`
            or `MultiBinary`.
        reward_terms: names of the reward's terms, in the order of a vector reward's columns.
        reward_mode: "scalar" (one number) or "vector" (one number a term, for multi-objective
            work; Gymnasium's own tools expect "scalar").
        reward_weights: float64 [terms]: the scalar reward is the vector reward times these.
        threads: number of threads that may share the batch, at least 1.
        closed: `close` has been called.
        reward: float64 [N], or [N, terms] in vector mode: reward of the last step; 0 after a reset.
        terminated: bool [N]: the last step ended the episode by the task's own rules.
        truncated: bool [N]: the last step ended it for a reason outside the task (a time limit).
        render_fps: frames per second of a rendered episode (design choice).
        reset_options: names that `reset(options=...)` accepts.
        outcomes: facts of an episode's end that reports show beside the score of every policy.
    """

    render_fps: ClassVar[int] = 4
    reset_options: ClassVar[frozenset[str]] = frozenset()
    outcomes: tuple[Metric, ...] = ()

    def __init__(
        self,
        num_envs: int,
        *,
        observation_space: Space[Any],
        action_space: Space[Any],
        reward_terms: tuple[str, ...] = (),
        reward_mode: str = "scalar",
        reward_weights: NDArray[np.float64] | None = None,
        threads: int = 1,
    ) -> None:
        if isinstance(num_envs, bool) or not isinstance(num_envs, int | np.integer):
            raise TypeError(f"num_envs must be an integer, got {num_envs!r}")
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, got {num_envs}")
        if reward_mode not in REWARD_MODES:
            raise ValueError(f"reward_mode must be one of {REWARD_MODES}, got {reward_mode!r}")
        if reward_mode == "vector" and not reward_terms:
            raise ValueError("reward_mode='vector' needs a task with named reward terms")
        self.num_envs = int(num_envs)
        self.single_observation_space = observation_space
        self.single_action_space = action_space
        self.reward_terms = reward_terms
        self.reward_mode = reward_mode
        self.reward_weights: NDArray[np.float64] = (
            np.ones(len(reward_terms)) if reward_weights is None else reward_weights
        )
        self.threads = check_threads(threads)
        self.closed = False
        shape = (self.num_envs, len(reward_terms)) if reward_mode == "vector" else (self.num_envs,)
        self.reward: NDArray[np.float64] = np.zeros(shape)
        self.terminated: NDArray[np.bool_] = np.zeros(self.num_envs, np.bool_)
        self.truncated: NDArray[np.bool_] = np.zeros(self.num_envs, np.bool_)

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Refuse reset options that this task does not know; called before anything changes.

        A task with options overrides this, calls `super().check_options(options)` and then checks
        their values.

        Args:
            options: what the user gave to `reset(options=...)`, less the shell's `reset_mask`.

        Raises:
            ValueError: an unknown name, or a value out of range.
        """
        unknown = sorted(str(name) for name in options if name not in self.reset_options)
        if unknown:
            known = sorted(self.reset_options)
            raise ValueError(
                f"unknown reset options {unknown}; this environment knows {known or 'none'}"
            )

    @abstractmethod
    def reset(
        self, rows: NDArray[np.int64], keys: NDArray[np.uint32], options: dict[str, Any]
    ) -> None:
        """Begin a new episode in the listed rows and leave every other row as it is.

        Sets `reward` to 0 and `terminated` and `truncated` to False in those rows.

        Args:
            rows: int64 [k], distinct, ascending.
            keys: uint32 [k, 2], the episodes' keys (`microgym.random`).
            options: checked options, the same for all listed rows; empty if there are none.
        """

    @abstractmethod
    def step(self, rows: NDArray[np.int64], actions: NDArray[Any]) -> None:
        """Carry out one action in each of the listed rows and set reward and flags there.

        Args:
            rows: int64 [k], distinct, ascending; often all of them.
            actions: [N, ...] in the action space's dtype; valid in the listed rows, undefined
                elsewhere. A fresh array, which the task may keep.
        """

    @abstractmethod
    def observe(self) -> Any:
        """What the agents see now.

        Returns:
            An array [N, ...], or a dict of them, in the observation space's dtypes: fresh memory
            on every call.
        """

    @abstractmethod
    def info(self) -> dict[str, Any]:
        """What is told beside the observation.

        Returns:
            A nested dict of arrays [N, ...], fresh on every call and with the same keys always:
            "reward_terms", "cost", "cost_terms", "metrics", "ledger"; "action_mask" if there are
            masks; "latent" if the user asked to see the hidden state. One number a row becomes a
            Python number in the single environment. Objects (names) are object arrays [N].
        """

    def action_masks(self) -> NDArray[np.bool_] | None:
        """Which actions make sense now.

        Returns:
            bool [N, n], or None where actions are not enumerable.
        """
        return None

    @abstractmethod
    def render(self, row: int) -> NDArray[np.uint8]:
        """A picture of one microscope.

        Args:
            row: which one, 0 to N - 1.

        Returns:
            uint8 [height, width, 3], fresh.
        """

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays, leading axis N, that together with the arguments are the whole state.

        `reward`, `terminated` and `truncated` are added by `snapshot`. Names, shapes and dtypes
        never change. A task whose state is not of this kind overrides `snapshot` and `restore`.
        """
        raise NotImplementedError(f"{type(self).__name__} says neither state_arrays nor snapshot")

    def own_arrays(self, *derived: str) -> dict[str, NDArray[Any]]:
        """Attributes of this task that are arrays with leading axis N, for `state_arrays`.

        Args:
            *derived: names of those that follow from the others or never change.

        Returns:
            "task_" and the attribute's name, without leading underscores, to the live array.
        """
        left_out = {"reward", "terminated", "truncated", "reward_weights", *derived}
        return {
            f"task_{name.lstrip('_')}": value
            for name, value in vars(self).items()
            if isinstance(value, np.ndarray)
            and value.shape[:1] == (self.num_envs,)
            and name not in left_out
        }

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """A copy of the whole state; possible at any time, before the first reset too.

        Returns:
            Named arrays, always of the same names, shapes and dtypes.
        """
        return {name: array.copy() for name, array in self._all_arrays().items()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take back a state given by `snapshot`; the shell has checked names, shapes, dtypes.

        Args:
            state: as returned by `snapshot`; copied, not kept.
        """
        for name, array in self._all_arrays().items():
            array[...] = state[name]

    def _all_arrays(self) -> dict[str, NDArray[Any]]:
        outcome: dict[str, NDArray[Any]] = {
            "reward": self.reward,
            "terminated": self.terminated,
            "truncated": self.truncated,
        }
        return outcome | self.state_arrays()

    def intervene(self, rows: NDArray[np.int64], **values: Any) -> None:
        """Set hidden quantities in the listed rows; every random draw stays as it was.

        Args:
            rows: int64 [k].
            **values: name and new value, a scalar or an array with leading axis k.

        Raises:
            ValueError: an unknown name or a value out of range; nothing has changed then.
        """
        del rows
        raise ValueError(
            f"unknown interventions {sorted(values)}; this environment has nothing to intervene on"
        )

    def close(self) -> None:
        """Release what Python would not (open files). May be called twice."""
        self.closed = True
