"""Simulated lines for training and evaluation: random surfaces, tips, dials and instruments.

Frames are scanned as `AFM-v0` scans them, with its instrument, line by line.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from microgym.envs.afm.config import RATES_HZ, SETPOINTS, AFMConfig
from microgym.envs.core.config import LEVELS
from microgym.instruments.afm.instrument import AFMInstrument
from microgym.random import episode_key
from microgym.specimens.splits import HELD_OUT_SURFACES, SURFACES

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

LEARNT = tuple(name for name in SURFACES if name not in HELD_OUT_SURFACES)
"""Families of the training: all but those held out."""
GAIN_SHARES = (0.08, 0.9)
"""Integral gains over the one at which the loop begins to ring, logarithmic (design choice)."""
WIDEST_NM = 45.0
"""Radius of the bluntest tips, nm (design choice: a tip after one crash)."""
SPLIT_TIPS = 0.2
"""Part of the tips that have a second apex (design choice)."""


@dataclass(frozen=True)
class Conditions:
    """Conditions of frames.

    Attributes:
        family, split: of the surfaces.
        field_nm: edge of a frame, nm.
        lines: of a frame.
        rates_hz: slowest and fastest line rate.
        radii_nm: radii of the sharpest and the bluntest tip.
        split_tips: part of the tips that have a second apex.
        drift, tip, loop, scanner: switches, as in AFM-v0.
    """

    family: str = "mixed"
    split: str = "train"
    field_nm: float = 1000.0
    lines: int = 64
    rates_hz: tuple[float, float] = (2.0, RATES_HZ[1])
    radii_nm: tuple[float, float] = (6.0, WIDEST_NM)
    split_tips: float = SPLIT_TIPS
    drift: str = "easy"
    tip: str = "easy"
    loop: str = "easy"
    scanner: str = "off"

    def arguments(self) -> AFMConfig:
        """The arguments of AFM-v0 that ask for the same."""
        return AFMConfig(
            specimen=self.family,
            split=self.split,
            field_nm=self.field_nm,
            lines=self.lines,
            drift=self.drift,
            tip=self.tip,
            loop=self.loop,
            scanner=self.scanner,
        )


@dataclass(frozen=True)
class Frames:
    """Scanned frames, line by line.

    Attributes:
        signals: (F, lines, 5, P) float32: trace, retrace, error and error of the retrace, nm, and
            cosine of the phase.
        truth: (F, lines, P) float32, image of a new tip on the trace's path, nm.
        dials: (F, lines, 4) float64, see `microgym.instruments.afm.kernels.DIALS`.
        radius_nm: (F,) of the tips at the start.
        conditions: of the scans.
    """

    signals: Float32
    truth: Float32
    dials: Float64
    radius_nm: Float64
    conditions: Conditions


def scan_frames(conditions: Conditions, seeds: NDArray[np.int64], chance: int) -> Frames:
    """Scan one frame of each surface.

    The dials change now and then. The tips are as after some use: sharp, worn, broken or double.

    Args:
        conditions: of the frames.
        seeds: (F,) of the surfaces and instruments.
        chance: seed of tips and dials.

    Returns:
        The frames.
    """
    chosen, count = conditions.arguments(), len(seeds)
    instrument = AFMInstrument(count, chosen.settings)
    generator = np.random.default_rng([chance, count])
    rows = np.arange(count)
    keys = np.stack([episode_key(int(seed)) for seed in seeds])
    instrument.reset(rows, keys, conditions.family, conditions.split, 0.7)
    radius = _between(generator, conditions.radii_nm, count)
    double = generator.random(count) < conditions.split_tips
    far, turn = generator.uniform(15.0, 45.0, count), generator.uniform(0.0, 2.0 * np.pi, count)
    tip, line = instrument.state.tip, instrument.state.line
    tip.second_y_nm[double] = (far * np.sin(turn))[double]
    tip.second_x_nm[double] = (far * np.cos(turn))[double]
    tip.second_z_nm[double] = generator.uniform(0.0, 6.0, count)[double]
    instrument.set_radius(rows, radius)
    limits = instrument.state.hidden.gain_limit
    pixels = instrument.settings.pixels
    signals = np.empty((count, conditions.lines, 5, pixels), np.float32)
    truth = np.empty((count, conditions.lines, pixels), np.float32)
    dials = np.empty((count, conditions.lines, 4))
    low, high = SETPOINTS["amplitude"]
    for number in range(conditions.lines):
        drawn = np.stack(
            [
                generator.uniform(max(low, 0.4), high, count),
                limits * _between(generator, GAIN_SHARES, count),
                np.where(generator.random(count) < 0.3, generator.uniform(0.0, 0.2, count), 0.0),
                _between(generator, conditions.rates_hz, count),
            ],
            axis=1,
        )
        again = generator.random(count) < (1.0 if number == 0 else 0.15)
        dials[:, number] = np.where(again[:, None], drawn, dials[:, number - 1])
        instrument.scan(rows, np.ascontiguousarray(dials[:, number]))
        for i, name in enumerate(("trace", "retrace", "error", "error_back", "phase")):
            signals[:, number, i] = getattr(line, name)
        truth[:, number] = line.truth
    return Frames(signals, truth, dials, radius, conditions)


def _between(generator: np.random.Generator, ends: tuple[float, float], count: int) -> Float64:
    """Numbers between two ends, evenly on a logarithmic scale."""
    return np.exp(generator.uniform(np.log(ends[0]), np.log(ends[1]), count))


def random_conditions(generator: np.random.Generator, split: str) -> Conditions:
    """Conditions of the training (all ranges are design choices)."""
    levels = LEVELS[:3]
    return Conditions(
        family=str(generator.choice(LEARNT, p=[0.3 if n == "mixed" else 0.14 for n in LEARNT])),
        split=split,
        field_nm=float(1000.0 * 2.0 ** generator.uniform(-1.0, 1.0)),
        lines=int(generator.choice((32, 64, 128), p=(0.3, 0.5, 0.2))),
        drift=str(generator.choice(levels)),
        tip=str(generator.choice(levels)),
        loop=str(generator.choice(levels)),
        scanner=str(generator.choice(("off", "easy"))),
    )


def random_frames(
    seed: int, groups: int, split: str, group: int = 4, family: str | None = None
) -> list[Frames]:
    """Scan frames under random conditions.

    Args:
        seed: of everything random.
        groups: sets of conditions.
        split: of the surfaces.
        group: frames under each.
        family: of all surfaces; None draws one of `LEARNT` for each set of conditions.

    Returns:
        The frames, one item for each set.
    """
    generator = np.random.default_rng([seed, groups])
    found: list[Frames] = []
    for _ in range(groups):
        chosen = random_conditions(generator, split)
        chosen = chosen if family is None else replace(chosen, family=family)
        seeds = generator.integers(1 << 60, size=group)
        found.append(scan_frames(chosen, seeds, int(generator.integers(1 << 60))))
    return found
