"""The ceiling: the oracle improved by trying alternatives in the true simulator.

At some steps of an episode, at all if time allows, every alternative is tried on copies of it, and
the oracle goes on from there to the end (rollouts: Tesauro and Galperin, "On-line policy
improvement using Monte-Carlo search", 1996). The copies have new episode keys, so that noise, drift
and hazards yet to come are drawn afresh, the same for all alternatives: the choice cannot profit
from knowing the noise that then comes. The best alternative on average is carried out in the true
episode.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from microgym.agents.core.agent import BaseAgent
from microgym.baselines.audit.check import Check, Findings, judge, text
from microgym.baselines.audit.context import Audit
from microgym.baselines.audit.play import (
    Array,
    begun,
    hand_over,
    present,
    renewed,
    spread,
    stepped,
)
from microgym.baselines.audit.policies import ActionCodec
from microgym.baselines.audit.references import episodes
from microgym.baselines.evaluation.comparison import SHIPPED
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.statistics import (
    Estimate,
    bootstrap,
    normalised_score,
    paired_difference,
    score_with_gain,
    summed,
)

_ALTERNATIVES, _REPEATS = 12, 2
"""First actions tried at each step, and how often."""
_CONTENDERS, _ERRORS = 4, 1.5
"""First actions of which the best is taken, after further rollouts; it must be better than the
oracle's own by so many standard errors."""
_WIDTHS = (0.1, 0.3)
_BATCH = 8
LEAST_SCORE = 0.25


def ceiling(audit: Audit) -> Findings:
    """Return of the improved oracle, and scores against it."""
    if "oracle" not in audit.names:
        return Findings((judge("ceiling", False, "no oracle", "one is"),))
    setting, seconds = audit.setting(), audit.seconds("ceiling")
    returns: list[Array] = []
    start, steps = time.process_time(), 0
    while len(returns) < 32 and (
        len(returns) < 2 or time.process_time() - start < 0.8 * seconds * _done(returns)
    ):
        first = audit.seed + _BATCH * len(returns)
        key = f"ceiling-{first}"
        known = audit.kept(key)
        if known is None or known["seconds"] != seconds:
            length, steps = _affordable_steps(audit, setting, seconds)
            got = improved(audit, setting, range(first, first + _BATCH), length, steps)
            known = {"returns": got.tolist(), "seconds": seconds, "steps": steps}
            audit.keep(key, known)
        steps = known["steps"]
        returns.append(np.array(known["returns"]))
    top = np.concatenate(returns)
    count = len(top)
    many = max(episodes(audit), count)
    names = [n for n in ("expert", "oracle", SHIPPED) if n in audit.names]
    plain = {n: audit.evaluate(setting, n, many).returns for n in names}
    gain = paired_difference(top, plain["oracle"][:count])
    better = gain.value > 0
    best, used = ("oracle improved", gain) if better else ("oracle", Estimate(0.0, 0.0, 0.0))
    improved_return = summed(bootstrap(plain["oracle"]), used)
    data: dict[str, Any] = {
        "episodes": count,
        "compared": many,
        "alternatives": _ALTERNATIVES,
        "steps": steps,
        "improved": [improved_return.value, *improved_return.interval],
        "gain": [gain.value, *gain.interval],
        "each": top.tolist(),
        "best": best,
    }
    figure = f"{improved_return.value:.3f}, gain {text(gain)} on {count} episodes"
    want = "not below the oracle by interval"
    checks: list[Check] = [judge("ceiling", not gain.below_zero, figure, want)]
    if "expert" in plain:
        headroom = paired_difference(plain["oracle"], plain["expert"])
        above = summed(headroom, used)
        figure, want = f"{best} less expert {text(above)}", "above the expert by interval"
        checks.append(judge("ceiling headroom", above.above_zero, figure, want))
        if SHIPPED in plain and above.above_zero:
            score = normalised_score(plain[SHIPPED], plain["expert"], plain["oracle"])
            score = score_with_gain(score, headroom, used)
            data["shipped_score"] = [score.value, *score.interval]
            figure = f"shipped agent {text(score, 2)} from expert to {best}, {many} episodes"
            want = f"at least {LEAST_SCORE:g}"
            checks.append(judge("ceiling score", score.value >= LEAST_SCORE, figure, want))
    return Findings(tuple(checks), data)


def _done(returns: list[Array]) -> float:
    """Factor that leaves time for one more batch."""
    return len(returns) / (len(returns) + 1)


def _affordable_steps(audit: Audit, setting: EnvironmentConfig, seconds: float) -> tuple[int, int]:
    """Steps of an episode, and at how many of them alternatives can be tried in three batches."""
    length = max(1, round(audit.evaluate(setting, "oracle", 16).lengths.mean()))
    # Two trials a step, of half an episode on average.
    cost = _BATCH * _ALTERNATIVES * _REPEATS * audit.cost(setting, "oracle")
    return length, int(np.clip(seconds / 3 / cost, 1, length))


def improved(
    audit: Audit, setting: EnvironmentConfig, seeds: range, length: int, steps: int
) -> Array:
    """Returns of the improved oracle in some episodes.

    Args:
        audit: gives the seed and the agents.
        setting: the environment.
        seeds: of the episodes.
        length: usual steps of an episode.
        steps: at which alternatives are tried; as many in each `length` steps, evenly apart.
    """
    rng = np.random.default_rng([audit.seed, seeds.start])
    oracle, other = (audit.agent(setting, "oracle") for _ in range(2))
    assert isinstance(oracle, BaseAgent)
    assert isinstance(other, BaseAgent)
    count, reveal = len(seeds), oracle.uses_privileged_info
    env = begun(setting, seeds, reveal=reveal)
    many = setting.make(count * _ALTERNATIVES * _REPEATS, reveal=reveal).unwrapped
    codec = ActionCodec(env.single_action_space)
    oracle.reset(count, seeds)
    running, each = np.ones(count, np.bool_), np.arange(count)

    def act(step: int) -> Any:
        masks = env.task.action_masks()
        usual = oracle.act(*present(env.task, running))
        if step * steps % length >= steps:
            return usual
        own = codec.encode(usual)
        chosen = alternatives(own, _ALTERNATIVES, rng, discrete=codec.discrete)
        tried = Trial(env.snapshot(), many, oracle, other, running)
        first = tried.gains(codec, chosen, masks, rng).mean(axis=1)
        order = np.argsort(-first[:, 1:], axis=1)[:, : _CONTENDERS - 1] + 1
        final = np.concatenate([own[:, None], chosen[each[:, None], order]], axis=1)
        second = tried.gains(codec, final, masks, rng)
        return codec.decode(final[each, surely_best(second)], masks)

    for _ in stepped(env.task, running, act):
        audit.progress(0)
    audit.progress(count)
    found = env.task.returns.copy()
    env.close()
    many.close()
    return found


@dataclass
class Trial:
    """Rollouts of the oracle from one step of some episodes.

    Attributes:
        state: snapshot of the N episodes.
        many: environment of N times several copies.
        oracle: that has acted in the episodes.
        other: that goes on in the copies.
        running: bool [N].
    """

    state: dict[str, Any]
    many: Any
    oracle: BaseAgent
    other: BaseAgent
    running: Any

    def gains(
        self, codec: ActionCodec, chosen: Array, masks: Any, rng: np.random.Generator
    ) -> Array:
        """Returns from here with each of some first actions.

        Args:
            codec: of the actions.
            chosen: [N, tries, size].
            masks: of the actions now, [N, n], or None.
            rng: of the noise to come, which all actions of a repeat share.

        Returns:
            [N, repeats, tries], as many repeats as there are copies for.
        """
        many, count, tries = self.many, len(chosen), chosen.shape[1]
        copies = many.num_envs // count
        repeats = copies // tries
        hand_over(self.other, self.oracle, copies)
        state = spread(self.state, many, copies)
        renewed(state, rng, tries)
        many.restore(state)
        on, before = np.repeat(self.running, copies), many.task.returns.copy()
        numbers = np.repeat(chosen[:, None], repeats, axis=1).reshape(-1, codec.size)
        actions = codec.decode(numbers, None if masks is None else np.repeat(masks, copies, axis=0))

        def act(step: int) -> Any:
            return self.other.act(*present(many.task, on)) if step else actions

        for _ in stepped(many.task, on, act):
            pass
        return (many.task.returns - before).reshape(count, repeats, tries)


def surely_best(gains: Array) -> Any:
    """The best alternative, or the first one where none is better by a standard error.

    Args:
        gains: [N, repeats, alternatives].

    Returns:
        [N] int64.
    """
    over = gains - gains[..., :1]
    error = over.std(axis=1, ddof=1) / np.sqrt(gains.shape[1])
    sure = over.mean(axis=1) - _ERRORS * error
    return np.where(sure.max(axis=1) > 0, sure.argmax(axis=1), 0)


def alternatives(own: Array, tries: int, rng: np.random.Generator, *, discrete: bool) -> Array:
    """The oracle's own action first, then others, [N, tries, size].

    Half of them are near it, at two distances, the rest anywhere; of a choice, any other.
    """
    count, size = own.shape
    found = np.repeat(own[:, None], tries, axis=1)
    near = 0 if discrete else (tries - 1) // 2
    width = np.resize(_WIDTHS, near)[:, None]
    found[:, 1 : 1 + near] += width * rng.normal(size=(count, near, size))
    # Of a continuous action, components keep the oracle's values half of the time.
    far = rng.uniform(-1.0, 1.0, (count, tries - 1 - near, size))
    keep = (rng.random(far.shape) < 0.5) & (not discrete)
    found[:, 1 + near :] = np.where(keep, found[:, 1 + near :], far)
    return np.clip(found, -1.0, 1.0)
