"""Spontaneous events at random times: tip changes, debris, sparks.

Candidates come at the largest rate that is possible, at times that belong to the episode; each is
taken with the probability rate / largest rate (thinning: Lewis and Shedler, Nav. Res. Logist. Q.
26, 403, 1979). A higher rate keeps the candidates, so that every earlier event still comes.
"""

from typing import Annotated, NamedTuple

import numpy as np

from microgym.jit import kernel
from microgym.numerics.libm import log64
from microgym.random import draw_uniform
from microgym.state import Float64, Shape

NEVER = np.inf
"""Time of an event that does not come."""


class EventState(NamedTuple):
    """One kind of event in N microscopes.

    Attributes:
        candidate: (N, 2) float64, time of the next candidate in s, and its number.
    """

    candidate: Annotated[Float64, Shape(2, unit="s, 1", low=0.0, high=NEVER)]


@kernel
def _wait(s0, s1, number, largest):
    """Time to a candidate from the one before, s."""
    if largest <= 0.0:
        return NEVER
    return -log64(draw_uniform(s0, s1, number, np.int64(0))) / largest


@kernel
def start_events(s0, s1, largest, candidate):
    """Begin an episode at time 0.

    Args:
        s0, s1: words of the stream of the events, of the exogenous role; two draws a candidate,
            at the tick of its number.
        largest: upper bound of the rate, 1/s; nothing happens where it is 0.
        candidate: (2,) row of `EventState`, written.
    """
    candidate[0] = _wait(s0, s1, np.int64(0), largest)
    candidate[1] = 0.0


@kernel
def next_event(s0, s1, until, rate, largest, candidate):
    """Time of the first event up to a time, while the rate stays the same.

    Called again, it goes on behind that event: with the same `until` it finds all of them, and with
    another rate those of a state that the event has changed.

    Args:
        s0, s1: words of the stream of the events.
        until: end of the time with this rate, s since the start.
        rate: rate, 1/s, at most `largest`; a larger one counts as that.
        largest: as for `start_events`.
        candidate: (2,) row of `EventState`, updated.

    Returns:
        Time since the start, s; `NEVER` if there is none.
    """
    while candidate[0] <= until:
        time = candidate[0]
        number = np.int64(candidate[1])
        candidate[0] = time + _wait(s0, s1, number + 1, largest)
        candidate[1] = number + 1.0
        if draw_uniform(s0, s1, number, np.int64(1)) * largest < rate:
            return time
    return NEVER
