"""Scale of observations, and what the first one tells of the hidden state."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.baselines.audit.check import Check, Findings, judge, listed
from microgym.baselines.audit.context import SHORT_MINUTES, TRAINING_SEED, Audit
from microgym.baselines.audit.play import Array, begun, watch
from microgym.envs.core.channels import Channels
from microgym.envs.core.registry import find
from microgym.envs.core.task import Modes

LEAST = 0.1
"""Deviation below which a network of the usual initialisation hardly sees a signal."""

_COMMON = 0.25
"""Share of a channel's elements with one value above which that value is the absence of signal
(design choice)."""

LEAKED = 0.1
"""Cross-validated R^2 above which a hidden quantity counts as visible (design choice)."""

_FEATURES, _FOLDS = 64, 8
_RIDGES = (1.0, 10.0, 100.0, 1000.0)


def scale(audit: Audit) -> Findings:
    """Deviation of every channel over random and expert play, where it carries signal.

    Random play is that of a fresh Gaussian policy and of the random agent.
    """
    setting, parts = audit.setting(), observed(audit.env_id)
    policies = ["gaussian", *(name for name in ("random", "expert") if name in audit.names)]
    count = audit.affordable(setting, policies, audit.seconds("scale"), 4, 16)
    samples: dict[str, list[Array]] = {name: [] for name in parts}

    def look(observation: Any, info: Any) -> None:
        whole = observation if isinstance(observation, Mapping) else {"": observation}
        for name, channels in parts.items():
            array = np.asarray(whole[name], np.float64)[~info["idle"]]
            axis = 1 + len(channels.leading)
            flat = np.moveaxis(array.reshape(array.shape), axis, 0).reshape(len(channels), -1)
            samples[name].append(flat[:, :: max(1, flat.shape[1] // 4096)])

    seeds = range(TRAINING_SEED, TRAINING_SEED + count)
    for name in policies:
        watch(setting, audit.agent(setting, name), seeds, look)
        audit.progress(count)
    checks: list[Check] = []
    data: dict[str, dict[str, float]] = {}
    for part, channels in parts.items():
        values = np.concatenate(samples[part], axis=1)
        found = {n: deviation(v) for n, v in zip(channels.names, values, strict=True)}
        label = part or "observation"
        reasons = {n: audit.exemption(f"scale.{label}.{n}") for n in found}
        small = {n: d for n, d in found.items() if d < LEAST and not reasons[n]}
        said = {n for n, d in found.items() if d < LEAST and reasons[n]}
        names = listed((f"{n} {d:.2g}" if d else f"{n} constant" for n, d in small.items()), 99)
        least, most = min(found.values()), max(found.values())
        figure = f"{len(found)} channels, from {least:.2g} to {most:.2g}"
        figure = f"below {LEAST:g}: {names}" if small else figure
        figure += f"; by declaration: {listed(sorted(said))}" if said else ""
        want = f"deviation of each channel's signal at least {LEAST:g}"
        checks.append(judge(f"scale {label}", not small, figure, want))
        data[label] = found
    return Findings(tuple(checks), {"deviation": data, "episodes": count})


def observed(env_id: str) -> dict[str, Channels]:
    """Channels of each part of an environment's default observation; "" for the only part."""
    task = find(env_id).load().task_class(1)
    declared = task.OBSERVATION
    chosen: Any = declared[task.config.observation] if isinstance(declared, Modes) else declared
    if isinstance(chosen, Channels):
        return {"": chosen}
    there: Any = task.single_observation_space.spaces
    # A part that only some arguments add, such as a network's output, is declared, too.
    return {name: part for name, part in chosen.items() if name in there}


def deviation(values: Array) -> float:
    """Root mean square deviation of a channel's signal.

    It is from the most common value, over the elements that have another one, where that value is
    common, as in maps that are mostly empty; else from the mean, over all.
    """
    found, counts = np.unique(np.round(values, 6), return_counts=True)
    if len(found) == 1:
        return 0.0
    most = int(counts.argmax())
    if counts[most] < _COMMON * values.size:
        return float(values.std())
    away = values[np.abs(values - found[most]) > 1e-6] - found[most]
    return float(np.sqrt(np.mean(away**2))) if away.size else 0.0


def leaks(audit: Audit) -> Findings:
    """Hidden quantities regressed on the first observation."""
    count = sample(audit)
    seen, hidden = starts(audit, count, "train")
    want = f"R^2 of each hidden quantity below {LEAKED:g}, unless it is shown"
    found = {name: predictable(seen, values) for name, values in hidden.items()}
    reasons = {name: audit.exemption(f"leaks.{name}") for name in found}
    bad = {n: r for n, r in found.items() if r > LEAKED and not reasons[n]}
    shown = [n for n, r in found.items() if r > LEAKED and reasons[n]]
    largest = max((r for n, r in found.items() if n not in shown), default=0.0)
    figure = f"{len(found)} hidden quantities, R^2 at most {largest:.2f}"
    figure = "visible: " + listed(f"{n} {r:.2f}" for n, r in bad.items()) if bad else figure
    figure += f"; shown by declaration: {listed(shown)}" if shown else ""
    check = judge("leaks first observation", not bad, figure, want)
    return Findings((check,), {"r2": found, "shown": {n: reasons[n] for n in shown}})


def sample(audit: Audit) -> int:
    """Beginnings of episodes that are looked at (design choice)."""
    return 512 if audit.minutes > SHORT_MINUTES else 256 if audit.minutes >= SHORT_MINUTES else 128


def starts(audit: Audit, count: int, split: str) -> tuple[Array, dict[str, Array]]:
    """First observations and hidden quantities of episodes.

    Returns:
        Observations [count, features]; name to values [count, k] of each hidden quantity: its
        mean and some of its elements.
    """
    setting, size = audit.setting(split), min(128, count)
    seen: list[Array] = []
    hidden: dict[str, list[Array]] = {}
    for start in range(0, count, size):
        env = begun(setting, range(start, start + size), reveal=True)
        observation = env.task.observe()
        parts = observation.values() if isinstance(observation, Mapping) else [observation]
        seen.append(np.concatenate([np.reshape(one, (size, -1)) for one in parts], axis=1))
        for name, value in env.task.latent().items():
            hidden.setdefault(name, []).append(_summary(value))
        env.close()
        audit.progress(size)
    joined = {n: np.concatenate(v) for n, v in hidden.items()}
    return np.concatenate(seen).astype(np.float64), joined


def _summary(value: NDArray[Any]) -> Array:
    """Mean and up to eight elements of each row."""
    flat = np.nan_to_num(np.reshape(value, (len(value), -1)).astype(np.float64))
    if flat.shape[1] <= 8:
        return flat
    places = np.linspace(0, flat.shape[1] - 1, 8).astype(int)
    return np.concatenate([flat.mean(axis=1, keepdims=True), flat[:, places]], axis=1)


def predictable(seen: Array, values: Array) -> float:
    """Largest cross-validated R^2 of some quantities, by ridge regression.

    Args:
        seen: [n, features], of which the leading principal components and the squares of these
            are used.
        values: [n, k].
    """
    varying = seen[:, seen.std(axis=0) > 1e-9]
    values = values[:, values.std(axis=0) > 1e-9]
    if not (varying.size and values.size):
        return 0.0
    scaled = (varying - varying.mean(axis=0)) / varying.std(axis=0)
    if scaled.shape[1] > _FEATURES:
        left, size, _ = np.linalg.svd(scaled, full_matrices=False)
        scaled = left[:, :_FEATURES] * np.sqrt(len(left)) * (size[:_FEATURES] > 1e-9)
    inputs = np.concatenate([scaled, scaled**2], axis=1)
    inputs -= inputs.mean(axis=0)
    targets = (values - values.mean(axis=0)) / values.std(axis=0)
    fold = np.arange(len(inputs)) % _FOLDS
    best = -np.inf
    for ridge in _RIDGES:
        left = np.zeros_like(targets)
        for one in range(_FOLDS):
            x, y = inputs[fold != one], targets[fold != one]
            mean = y.mean(axis=0)
            weights = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ (y - mean))
            left[fold == one] = targets[fold == one] - inputs[fold == one] @ weights - mean
        best = max(best, float((1.0 - (left**2).mean(axis=0)).max()))
    return max(best, 0.0)
