"""Environment tasks as declarations: state, spaces, rewards, costs, metrics, and their dynamics.

A task is a batch of N microscopes with a decision to make at each. It declares what it consists of
and implements how an episode begins, how it advances, and what is observed; and those potentials,
ends, metrics and hidden quantities that must be computed, since the others are declared by the path
of their array from the task, such as "instrument.state.wear".
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from microgym import state as states
from microgym.envs.core import rendering
from microgym.envs.core.channels import Declared, space_of
from microgym.envs.core.config import Config
from microgym.envs.core.declarations import (
    Intervention,
    Latent,
    Metric,
    Term,
    reward_weights,
    weighted_sum,
)
from microgym.envs.core.variants import Variants
from microgym.instruments.ledger import Ledger
from microgym.numerics.threads import parallel_rows
from microgym.specimens.splits import specimen_key
from microgym.validation import integer

Rows = NDArray[np.int64]
Float64 = NDArray[np.float64]


class Modes(dict[str, Declared]):
    """Alternatives of an action or observation, chosen by the argument of that name."""


class Task(ABC):
    """N microscopes, and the decision problem that they pose.

    Rows are independent: one row's course depends neither on the others, nor on N, nor on the
    number of threads. All randomness comes from the episode keys given to `begin`.

    Args:
        num_envs: N, at least 1.
        **arguments: fields of `Config`.

    Attributes:
        Config: class of the arguments.
        State: NamedTuple class of the task's own arrays; cleared at a reset, part of snapshots.
        SIZES: axes that the declarations name, and the paths of their lengths.
        OBSERVATION: named parts, each of named channels; or `Modes` of such by "observation".
        ACTION: channels, choices, or several of them by name; or `Modes` of such by "action".
        REWARD: terms in the order in which they are added.
        BUDGETS: paths of arrays, and the limits at which they end an episode, or their paths.
        COST: events that must never happen, and their meaning.
        METRICS: facts for `info`, frames and reports, in the order of their columns.
        LATENT: hidden quantities that `reveal=True` puts into `info["latent"]`.
        INTERVENTIONS: hidden quantities that `intervene` sets.
        PANELS: functions of task and row that draw parts of a frame.
        GAUGES: left and upper edge and pitch of the columns of gauges of a frame, px.
        render_fps: frames per second of a rendered episode (design choice).
        config: the arguments.
        observed: declaration of what is observed: channels, or parts of such by name.
        state: `State` of N rows.
        reward: float64 [N], or [N, terms] in vector mode: reward of the last step.
        terminated: bool [N]: the last step ended the episode by the task's own rules.
        truncated: bool [N]: the last step ended it for a reason outside the task.
        returns: float64 [N], sum of the scalar rewards of the episode.
        terms: float64 [N, terms], unweighted terms of the last step.
        costs: float64 [N, costs], costs of the last step; `advance` sets them, from zero.
        variants: arguments that may change at a reset, and tasks that have other ones.
    """

    Config: ClassVar[type[Any]] = Config
    State: ClassVar[type[Any]] = states.NoState
    SIZES: ClassVar[Mapping[str, str]] = {}
    OBSERVATION: ClassVar[Declared | Modes]
    ACTION: ClassVar[Declared | Modes]
    REWARD: ClassVar[Mapping[str, Term]]
    BUDGETS: ClassVar[Mapping[str, float | str]] = {}
    COST: ClassVar[Mapping[str, str]] = {}
    METRICS: ClassVar[tuple[Metric, ...]] = ()
    LATENT: ClassVar[Mapping[str, Latent]] = {}
    INTERVENTIONS: ClassVar[Mapping[str, Intervention]] = {}
    PANELS: ClassVar[tuple[Callable[[Any, int], rendering.Panel], ...]] = ()
    GAUGES: ClassVar[tuple[tuple[int, int, int], ...]] = rendering.GAUGES
    render_fps: ClassVar[int] = 4

    def __init__(self, num_envs: int, **arguments: Any) -> None:
        self.num_envs = integer("num_envs", num_envs, 1, 1 << 16)
        name = f"{type(self).__name__.removesuffix('Task')}Env"
        self.config: Any = self.Config.parse(arguments, name)
        self.threads: int = self.config.threads
        self.reward_weights = reward_weights(self.REWARD, self.config.reward_weights)
        self.reward_mode: str = self.config.reward_mode
        self.outcomes = tuple(one for one in self.METRICS if one.report)
        self.build()
        sizes = {name: int(self.at(path)) for name, path in self.SIZES.items()}
        self.observed: Any = self._chosen("observation")
        self.single_observation_space = space_of(self.observed, sizes)
        self.single_action_space = space_of(self._chosen("action"), sizes)
        self.state: Any = states.allocate(self.State, self.num_envs, **sizes)
        n, terms = self.num_envs, len(self.REWARD)
        vector = self.reward_mode == "vector"
        self.reward: Float64 = np.zeros((n, terms) if vector else (n,))
        self.terms: Float64 = np.zeros((n, terms))
        self.costs: Float64 = np.zeros((n, len(self.COST)))
        self.returns: Float64 = np.zeros(n)
        self.terminated: NDArray[np.bool_] = np.zeros(n, np.bool_)
        self.truncated: NDArray[np.bool_] = np.zeros(n, np.bool_)
        self.variants = Variants(self, arguments)

    @property
    def agents(self) -> tuple[str, ...]:
        """Names of the agents; a task with several overrides it and has an axis for them."""
        return ()

    def at(self, path: str) -> Any:
        """Attribute of the task at a dotted path."""
        return attrgetter(path)(self)

    def amount(self, quantity: float | str, rows: Rows | int | slice) -> Any:
        """A number, or the attribute at a path: one for all rows, or those of some rows, [k]."""
        found = self.at(quantity) if isinstance(quantity, str) else quantity
        return found[rows] if isinstance(found, np.ndarray) else found

    def _chosen(self, what: str) -> Any:
        declared = getattr(self, what.upper())
        return declared[getattr(self.config, what)] if isinstance(declared, Modes) else declared

    # Implemented by a task.

    def build(self) -> None:
        """Make the instrument and what else the arguments ask for; before the state is made."""
        return

    def tune(self) -> None:
        """Make anew what depends on arguments that may change at a reset, by the present `config`.

        This task is a copy that shares every array and object with another one, whose arguments
        differ. Objects are replaced by copies, arrays of the state stay.
        """
        held = vars(self)
        if "instrument" in held:
            held["instrument"] = held["instrument"].tuned(self.config.settings)

    @abstractmethod
    def begin(self, rows: Rows, keys: NDArray[np.uint32]) -> None:
        """Begin new episodes in some rows; the state there is zero.

        Args:
            rows: int64 [k], distinct, ascending.
            keys: uint32 [k, 2], the episodes' keys (`microgym.random`).
        """

    @abstractmethod
    def advance(self, rows: Rows, actions: Any) -> None:
        """Carry out one action in each of some rows.

        Args:
            rows: int64 [k], distinct, ascending.
            actions: [N, ...] in the action space's dtype, or a dict of such by part; valid in the
                listed rows.
        """

    def potentials(self, rows: Rows) -> dict[str, Float64]:
        """Quantities whose changes are the reward's terms; here, those declared by a path.

        Args:
            rows: int64 [k].

        Returns:
            Every term's name to fresh float64 [k].
        """
        return {n: self.at(one.path)[rows] for n, one in self.REWARD.items() if one.path}

    def over(self, rows: Rows) -> NDArray[np.bool_]:
        """Whether episodes have ended by the task's own rules, bool [k]; here, by a budget."""
        ended = np.zeros(rows.size, np.bool_)
        for path, limit in self.BUDGETS.items():
            ended |= self.at(path)[rows] >= self.amount(limit, rows)
        return ended

    def left(self, path: str) -> Float64:
        """Share of a budget that is left, [N], at least 0.

        Args:
            path: of the array, as in `BUDGETS`.
        """
        limit = self.amount(self.BUDGETS[path], slice(None))
        return np.maximum(1.0 - self.at(path) / limit, 0.0)

    @abstractmethod
    def observe(self) -> Any:
        """Present observations: [N, ...] or a dict of them, fresh, in the space's dtypes.

        Channels make them from values, by `pack` and `scaled` of `observed`.
        """

    def metrics(self) -> dict[str, NDArray[Any]]:
        """Figures of merit for `info["metrics"]`, [N], fresh; here, those declared by a path."""
        return {one.name: np.array(self.at(one.path)) for one in self.METRICS if one.path}

    def latent(self) -> dict[str, NDArray[Any]]:
        """Hidden quantities, each [N, ...], fresh; here, those declared by a path."""
        return {n: np.array(self.at(one.path)) for n, one in self.LATENT.items() if one.path}

    @property
    def ledger(self) -> Ledger:
        """Resources used in the episodes; here, the instrument's account."""
        return cast("Any", self).instrument.state.ledger

    def action_masks(self) -> NDArray[np.bool_] | None:
        """Actions that make sense now, bool [N, n]; None where actions are not enumerable.

        Of several choices of n each, bool [N, choices * n], one after the other.
        """
        return None

    def headline(self, row: int) -> str:
        """State of one episode in words, at the head of its frame."""
        return "over" if self.terminated[row] else "running"

    # Made from the declarations.

    def reset(self, rows: Rows, keys: NDArray[np.uint32]) -> None:
        """Begin new episodes in some rows and leave every other row as it is.

        Where there are splits, that of the specimens becomes part of the key, so that all that is
        hidden differs between splits as the specimens do.
        """
        states.clear(self.state, rows)
        for array in self._results().values():
            array[rows] = 0
        split: str | None = getattr(self.config, "split", None)
        self.begin(rows, keys if split is None else specimen_key(keys, split))

    def step(self, rows: Rows, actions: Any) -> None:
        """Carry out one action in each of some rows; set reward, costs and flags there."""
        before = self.potentials(rows)
        self.costs[rows] = 0.0
        self.advance(rows, actions)
        after = self.potentials(rows)
        for place, (name, term) in enumerate(self.REWARD.items()):
            scale = self.amount(term.scale, rows)
            self.terms[rows, place] = term.of(before[name], after[name], scale)
        terms = self.terms[rows]
        scalar = weighted_sum(terms, self.reward_weights)
        self.reward[rows] = terms if self.reward_mode == "vector" else scalar
        self.returns[rows] += scalar
        self.terminated[rows] = self.over(rows)
        self.truncated[rows] = False

    def share(
        self, function: Callable[[Rows], object], rows: Rows, at_most: int | None = None
    ) -> None:
        """Call a function on pieces of some rows, on all threads.

        Args:
            function: of rows; what it does in a row depends on no other.
            rows: int64 [k].
            at_most: rows of a piece, at least 2; None for no limit.
        """
        parallel_rows(
            lambda start, stop: function(rows[start:stop]), rows.size, self.threads, at_most=at_most
        )

    def info(self) -> dict[str, Any]:
        """Terms, costs, metrics and ledger; masks, int8, and the hidden state where there are some.

        Masks have an axis of choices where there are several.

        Returns:
            A nested dict of arrays [N, ...], fresh, with the same keys at every call.
        """
        result: dict[str, Any] = {
            "reward_terms": dict(zip(self.REWARD, self.terms.T.copy(), strict=True)),
            "cost": self.costs.sum(axis=1),
            "cost_terms": dict(zip(self.COST, self.costs.T.copy(), strict=True)),
            "metrics": self.metrics(),
            "ledger": self.ledger.copy(),
        }
        masks = self.action_masks()
        if masks is not None:
            choices = self.single_action_space.shape or ()
            result["action_mask"] = masks.reshape(self.num_envs, *choices, -1).astype(np.int8)
        if self.config.reveal:
            result["latent"] = self.latent()
        return result

    def render(self, row: int) -> NDArray[np.uint8]:
        """A picture of one microscope, uint8 [640, 480, 3], fresh."""
        return rendering.frame(self, row)

    def intervene(self, rows: Rows, **values: Any) -> None:
        """Set hidden quantities in some rows; every random draw stays as it was.

        Args:
            rows: int64 [k].
            **values: name and new value, a scalar or an array with leading axis k.

        Raises:
            ValueError: an unknown name or a value out of range; nothing has changed then.
        """
        ready: list[tuple[Intervention, NDArray[Any]]] = []
        for name, value in values.items():
            if name not in self.INTERVENTIONS:
                known = sorted(self.INTERVENTIONS)
                raise ValueError(f"unknown intervention {name!r}; known are {known}")
            one = self.INTERVENTIONS[name]
            target = self.at(one.target)
            axes = () if callable(target) or one.column is not None else target.shape[1:]
            ready.append((one, one.read(name, value, (rows.size, *axes))))
        for one, value in ready:
            for task, mine in self.variants.parts(rows):
                target, some = task.at(one.target), rows[mine]
                if callable(target):
                    target(some, value[mine])
                else:
                    target[some if one.column is None else (some, one.column)] = value[mine]

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """A copy of the whole state, possible before the first reset too."""
        return {name: array.copy() for name, array in self.arrays().items()}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays that are the whole state, by name."""
        found = self._results() | {"arguments": self.variants.values}
        for prefix, held in self._states():
            found |= dict(states.arrays(held, prefix))
        return found

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Smallest and largest value of every array of the state but the arguments, by name."""
        results = self._results().items()
        found = {name: states.limits(one.dtype, states.Shape(), {}) for name, one in results}
        for prefix, held in self._states():
            found |= {name: (low, high) for name, low, high in states.ranges(held, prefix)}
        # What a budget counts ends at its limit, where that is an argument.
        limits = {id(self.at(p)): self.amount(one, 0) for p, one in self.BUDGETS.items()}
        for name, array in self.arrays().items():
            limit = limits.get(id(array))
            argument = limit is not None and not isinstance(limit, np.generic)
            if argument and array.dtype.kind == "i":
                found[name] = found[name][0], cast("float", limit)
        return found

    def _states(self) -> Iterator[tuple[str, Any]]:
        """States with the prefixes of their arrays' names: of the task, instruments, and models."""
        yield "state.", self.state
        for name, value in vars(self).items():
            for part in ("state", "sample"):
                held = getattr(value, part, None)
                if isinstance(held, tuple) and hasattr(held, "_fields"):
                    yield f"{name}.{part}.", held

    def _results(self) -> dict[str, NDArray[Any]]:
        names = ("reward", "terminated", "truncated", "terms", "costs", "returns")
        return {name: getattr(self, name) for name in names}
