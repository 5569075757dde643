"""Where the return comes from: terms, time, and the delay between actions and rewards."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.agent import BaseAgent
from microgym.baselines.audit.check import Check, Findings, judge, listed
from microgym.baselines.audit.context import TRAINING_SEED, Audit
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

LEAST_SHARE = 0.01
"""Share of all payments below which a term decides nothing (design choice)."""
_MOST_QUARTER = 0.75
"""Share of all payments in one quarter above which the rest of the episode pays nothing at once
(design choice)."""
_INSIDE = 0.9
"""Share of an action's effect that the advised discount keeps within its horizon."""


def credit(audit: Audit) -> Findings:
    """Shares of terms and quarters in the return, and the horizon of an action."""
    setting, seconds = audit.setting(), audit.seconds("credit")
    names = [name for name in ("random", "expert") if name in audit.names]
    count = audit.affordable(setting, [*names, *names], seconds / 3, 4, 64)
    seeds = range(TRAINING_SEED, TRAINING_SEED + count)
    played = {name: _paid(audit, name, seeds) for name in names}
    data: dict[str, Any] = {"episodes": count, "terms": {}}
    for name, (terms, _) in played.items():
        data["terms"][name] = shares(terms)
    sizes = {t: max(data["terms"][n][t]["paid"] for n in played) for t in data["terms"][names[0]]}
    inert = [f"{name} {size:.2%}" for name, size in sizes.items() if size < LEAST_SHARE]
    inert = [one for one in inert if not audit.exemption(f"credit.{one.split()[0]}")]
    figure = ", ".join(f"{name} {size:.0%}" for name, size in sizes.items())
    figure = f"inert: {listed(inert)}; {figure}" if inert else figure
    want = f"each term at least {LEAST_SHARE:.0%} of what random or expert play is paid"
    checks = [judge("credit terms", not inert, figure, want)]
    if "expert" in played:
        earned, paid = (_quarters(*played["expert"], size) for size in (False, True))
        data["quarters"] = earned
        figure = "expert earns " + " / ".join(f"{one:.2f}" for one in earned)
        figure += ", payments by size " + " / ".join(f"{one:.2f}" for one in paid)
        most = max(paid)
        want = f"no quarter of the episode above {_MOST_QUARTER:.0%} of all payments"
        checks.append(judge("credit quarters", most <= _MOST_QUARTER, figure, want))
        checks.append(_advice(audit, data, seconds / 3))
    return Findings(tuple(checks), data)


def _paid(audit: Audit, name: str, seeds: range) -> tuple[dict[str, Array], Array]:
    """Weighted terms [steps, episodes] by name, and lengths [episodes], of an agent."""
    setting, agent = audit.setting(), audit.agent(audit.setting(), name)
    env = begun(setting, seeds, reveal=agent.uses_privileged_info)
    task = env.task
    agent.reset(len(seeds), seeds)
    running, steps = np.ones(len(seeds), np.bool_), list[Array]()
    for _, rows in stepped(task, running, lambda _: agent.act(*present(task, running))):
        paid = np.zeros(task.terms.shape)
        paid[rows] = (task.terms * task.reward_weights)[rows]
        steps.append(paid)
    audit.progress(len(seeds))
    env.close()
    whole = np.stack(steps)
    lengths = (whole != 0).any(axis=2)[::-1].argmax(axis=0)
    return (
        {n: whole[:, :, k] for k, n in enumerate(task.REWARD)},
        len(whole) - lengths.astype(np.float64),
    )


def shares(terms: Mapping[str, Array]) -> dict[str, dict[str, float]]:
    """Sum, share of all payments by size, and share of the return's variance, of each term."""
    sums = {name: one.sum(axis=0) for name, one in terms.items()}
    total = np.sum(list(sums.values()), axis=0)
    paid = {name: float(np.abs(one).sum()) for name, one in terms.items()}
    every, variance = max(sum(paid.values()), 1e-12), float(total.var()) or 1.0
    return {
        name: {
            "sum": float(one.mean()),
            "paid": paid[name] / every,
            "variance": float(np.mean((one - one.mean()) * (total - total.mean())) / variance),
        }
        for name, one in sums.items()
    }


def _quarters(terms: Mapping[str, Array], lengths: Array, size: bool) -> list[float]:
    """Share of the mean return, or of the sizes of rewards, in each quarter of the episode."""
    paid = np.sum(list(terms.values()), axis=0)
    paid = np.abs(paid) if size else paid
    quarter = np.minimum(4 * np.arange(len(paid))[:, None] // np.maximum(lengths, 1), 3)
    sums = np.array([paid[quarter == k].sum() for k in range(4)])
    return (sums / (sums.sum() or 1.0)).tolist()


def _advice(audit: Audit, data: dict[str, Any], seconds: float) -> Check:
    """The discount that follows from the delay of an action's effect."""
    want = "the effect of an action on rewards can be measured"
    profile = effect(audit, seconds)
    if profile is None or not profile.sum() > 0:
        return judge("credit delay", False, "no effect of a random action was seen", want)
    share = np.cumsum(profile) / profile.sum()
    horizon = int(np.searchsorted(share, _INSIDE)) + 1
    gamma = max(0.5, 1.0 - 1.0 / (horizon + 1.0))
    mean = float((profile * np.arange(len(profile))).sum() / profile.sum())
    data["delay"] = {"profile": profile.tolist(), "steps": mean, "gamma": gamma}
    figure = (
        f"{share[0]:.0%} of an action's effect at once, {_INSIDE:.0%} within {horizon} steps: "
        f"gamma about {gamma:.2f}"
    )
    return judge("credit delay", True, figure, want)


def effect(audit: Audit, seconds: float, longest: int = 32) -> Array | None:
    """Mean size of the change of later rewards by one random action, [steps after it].

    Pairs of episodes part at one step of the expert's: one takes the expert's action, one a random
    one; in both the expert goes on, with the same noise. None where the expert cannot be copied.
    """
    setting, rng = audit.setting(), np.random.default_rng(audit.seed)
    agent, other = (audit.agent(setting, "expert") for _ in range(2))
    if not (isinstance(agent, BaseAgent) and isinstance(other, BaseAgent)):
        return None
    count = audit.affordable(setting, ["expert"], seconds / 8, 4, 16)
    seeds = range(TRAINING_SEED, TRAINING_SEED + count)
    env = begun(setting, seeds, reveal=agent.uses_privileged_info)
    pair: Any = setting.make(2 * count, reveal=agent.uses_privileged_info).unwrapped
    codec = ActionCodec(env.single_action_space)
    agent.reset(count, seeds)
    found, running = np.zeros(longest), np.ones(count, np.bool_)
    part = 1  # after the first, third, seventh, ... step
    for step, _ in stepped(env.task, running, lambda _: agent.act(*present(env.task, running))):
        on = running & ~(env.task.terminated | env.task.truncated)
        if step + 1 != part or not on.any():
            continue
        part = 2 * part + 1
        hand_over(other, agent, 2)
        state = spread(env.snapshot(), pair, 2)
        renewed(state, rng, 2)
        pair.restore(state)
        found += _changes(pair.task, np.repeat(on, 2), other, codec, rng, longest)
        audit.progress(count)
    env.close()
    pair.close()
    return found


def _changes(
    task: Any,
    on: NDArray[np.bool_],
    agent: BaseAgent,
    codec: ActionCodec,
    rng: np.random.Generator,
    longest: int,
) -> Array:
    """Sizes of the changes of rewards, summed over pairs of episodes, [steps].

    In each pair, the second begins with a random action, and the agent does all else.
    """
    own = codec.encode(agent.act(*present(task, on)))
    own[1::2] = rng.normal(size=(len(own) // 2, codec.size))
    begin = codec.decode(own, task.action_masks())
    rewards, before = np.zeros((longest, len(own))), task.returns.copy()

    def act(step: int) -> Any:
        return agent.act(*present(task, on)) if step else begin

    for step, _ in stepped(task, on, act, longest):
        rewards[step] = task.returns - before
        before = task.returns.copy()
    return np.abs(rewards[:, 1::2] - rewards[:, ::2]).sum(axis=1)
