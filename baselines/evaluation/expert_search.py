"""Where settings of reference policies are looked for: at large, wide around what is sensible."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from microgym.agents.afm import references as afm
from microgym.agents.core.agent import Agent
from microgym.agents.pfm import references as pfm
from microgym.agents.pfm.domain_model import DomainModel
from microgym.agents.ptycho.references import ExpertAgent, GreedyConfig, Operator, OracleAgent


@dataclass(frozen=True)
class Tunable:
    """A reference policy with settings.

    Attributes:
        draw: settings at large, a dataclass of numbers.
        agent: makes the policy of settings.
    """

    draw: Callable[[np.random.Generator], Any]
    agent: Callable[[Any], Agent]


def draw_greedy(rng: np.random.Generator) -> GreedyConfig:
    """Weights of a greedy scan, at large."""
    return GreedyConfig(
        probe_cells=rng.uniform(3.5, 7.5),
        saturation=float(np.exp(rng.uniform(np.log(0.5), np.log(4.0)))),
        dwell_s=float(np.exp(rng.uniform(np.log(0.4), np.log(2.0)))),
    )


def draw_operator(rng: np.random.Generator) -> Operator:
    """Habits of an operator, at large."""
    return Operator(
        survey=int(rng.integers(0, 5)),
        survey_s=float(np.exp(rng.uniform(np.log(0.2), 0.0))),
        reach=rng.uniform(0.7, 3.5),
        prior=rng.uniform(0.0, 0.25),
        doubt=float(np.exp(rng.uniform(np.log(0.03), np.log(3.0)))),
        caution=rng.uniform(0.0, 1.0),
        greedy=draw_greedy(rng),
    )


def draw_brush(rng: np.random.Generator) -> DomainModel:
    """How a pulse is thought to write, at large."""
    raising = rng.uniform(3.0, 8.5, int(rng.integers(1, 6)))
    lowering = rng.uniform(-8.5, -4.0, int(rng.integers(1, 3)))
    volts = np.sort(np.concatenate([lowering, raising]))
    return DomainModel(
        volts=tuple(float(round(2.0 * one) / 2.0) for one in volts),
        coercive=float(np.exp(rng.uniform(np.log(0.06), np.log(0.3)))),
        care=rng.uniform(0.4, 1.8),
    )


def draw_writer(rng: np.random.Generator) -> pfm.Operator:
    """Habits of one who writes domains or shifts loops, at large."""
    return pfm.Operator(
        brush=draw_brush(rng),
        first_look=int(rng.integers(2, 13)),
        look_every=int(rng.integers(2, 13)),
        least_gain=rng.uniform(0.0, 4.0),
        patience=max(rng.uniform(-0.5, 0.5), 0.0),
        ring_cells=rng.uniform(5.0, 11.0),
        ring_volts=rng.uniform(6.0, 8.0),
        pulse_shift_v=rng.uniform(0.08, 0.4),
        loop_shift_v=rng.uniform(0.0, 0.7),
        tolerance_v=rng.uniform(0.02, 0.25),
        loop_every=int(rng.integers(2, 9)),
    )


def _log(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def draw_fixed(rng: np.random.Generator) -> afm.ConstantConfig:
    """One setting, at large."""
    return afm.ConstantConfig(rng.uniform(0.45, 0.9), _log(rng, 0.7, 5.0))


def draw_habits(rng: np.random.Generator) -> afm.Operator:
    """Habits of an operator, at large."""
    return afm.Operator(
        setpoint=rng.uniform(0.65, 0.95),
        lower=rng.uniform(0.01, 0.06),
        raise_again=_log(rng, 0.002, 0.01),
        lost=_log(rng, 0.002, 0.02),
        gain=_log(rng, 1.5, 6.0),
        climb=rng.uniform(1.1, 1.8),
        onset=rng.uniform(0.9, 1.3),
        quiet_nm=_log(rng, 0.15, 0.5),
        back_off=rng.uniform(0.55, 0.9),
        proportional=rng.uniform(0.0, 0.15) * (rng.random() < 0.3),
        care=rng.uniform(0.0, 0.6),
        quiet_slope=_log(rng, 0.02, 0.5),
        most=rng.uniform(1.2, 3.0),
    )


def draw_foresight(rng: np.random.Generator) -> afm.OracleConfig:
    """What one who knows does with it, at large."""
    return afm.OracleConfig(
        setpoint=rng.uniform(0.45, 0.85),
        gain=rng.uniform(0.5, 1.0),
        proportional=rng.uniform(0.0, 0.2) * (rng.random() < 0.5),
        care=rng.uniform(0.2, 1.0),
        quiet=_log(rng, 0.005, 0.3),
        haste=_log(rng, 0.7, 4.0),
        worn_nm=rng.uniform(20.0, 80.0),
        early=rng.uniform(0.2, 0.9),
    )


TUNABLES: Mapping[str, Mapping[str, Tunable]] = {
    "Ptycho-v0": {
        "expert": Tunable(draw_operator, ExpertAgent),
        "oracle": Tunable(draw_greedy, OracleAgent),
    },
    "AFM-v0": {
        "steady": Tunable(draw_fixed, afm.ConstantAgent),
        "expert": Tunable(draw_habits, afm.ExpertAgent),
        "oracle": Tunable(draw_foresight, afm.OracleAgent),
    },
    "PFM-v0": {"expert": Tunable(draw_writer, pfm.ExpertAgent)},
    "PFMLoop-v0": {
        "expert": Tunable(draw_writer, lambda habits: pfm.ExpertAgent(habits, goal="loop"))
    },
}
"""By environment and policy."""
